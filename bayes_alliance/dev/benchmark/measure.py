"""Runs one program as a process and measures it from outside: seconds until its answer is on disk, peak memory."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayes_alliance.dev.benchmark.programs import ONE_THREAD


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One process.

    Parameters
    ----------
    wall_s : float or None
        From the start of the process to its answer on disk; None if there was none.
    peak_mib : float
        Largest resident memory of the process and those it waited for.
    answer, warm : dict
        What it wrote; empty if it did not.
    timed_out : bool
        Whether it was stopped at the limit (an answer may be there: only warm fits were cut).
    error : str
        Last line that it wrote to stderr, if it failed.
    """

    wall_s: float | None
    peak_mib: float
    answer: dict[str, Any]
    warm: dict[str, Any]
    timed_out: bool
    error: str


def run_process(command: Sequence[str], answer: Path, *, limit_s: float) -> Measured:
    """Run a command that writes an answer file, on one thread, for at most ``limit_s`` seconds."""
    warm = answer.with_suffix(".warm")
    for path in (answer, warm):
        path.unlink(missing_ok=True)
    log = answer.with_suffix(".log")
    with log.open("wb") as stream:
        started = time.time()
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=stream,
            env=_environment(),
            start_new_session=True,
        )
        stopped = threading.Event()
        timer = threading.Timer(limit_s, _stop, (process.pid, stopped))
        timer.start()
        try:
            # wait4 and not communicate(): it alone gives the memory of this one child.
            _, status, usage = os.wait4(process.pid, 0)
        except KeyboardInterrupt:
            _stop(process.pid, stopped)
            raise
        finally:
            timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    failed = process.returncode != 0 and not stopped.is_set()
    return Measured(
        wall_s=answer.stat().st_mtime - started if answer.exists() else None,
        peak_mib=usage.ru_maxrss / 1024.0,
        answer=_read(answer),
        warm=_read(warm),
        timed_out=stopped.is_set(),
        error=_last_line(log) if failed else "",
    )


def _environment() -> dict[str, str]:
    """One thread, and Python may keep its byte code on disk, as it does wherever nobody forbids it."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **ONE_THREAD}


def _stop(pid: int, stopped: threading.Event) -> None:
    """End a process and its own children: they share a session of their own."""
    stopped.set()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _last_line(path: Path) -> str:
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no message"
