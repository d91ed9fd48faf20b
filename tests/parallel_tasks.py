"""Tasks that workers of tests import: pure ones, ones that fail, and ones that kill their worker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bayes_alliance.errors import InputError, Problem


def draw(seed: int, count: int) -> Mapping[str, Any]:
    """A few numbers that depend on the seed alone, through BLAS, and a column of text."""
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((200, 200))
    return {
        "seed": np.full(count, seed),
        "value": (matrix @ matrix.T)[0, :count],
        "word": [f"w{i}" for i in range(count)],
    }


def draw_or_fail(seed: int, count: int, bad: int) -> Mapping[str, Any]:
    """Like draw, but the bad seed raises."""
    if seed == bad:
        raise ValueError(f"seed {seed} is bad")
    return draw(seed, count)


def refuse(seed: int, count: int) -> Mapping[str, Any]:
    """Find the input wrong."""
    raise InputError("rows", [Problem(what=f"row {seed} is wrong", allowed="others")])


def draw_and_mark(seed: int, count: int, folder: str, seconds: float) -> Mapping[str, Any]:
    """Like draw, after some seconds; leaves a mark for every time that it was run."""
    time.sleep(seconds)
    mark = Path(folder) / f"{seed}-{time.monotonic_ns()}"
    mark.touch()
    return draw(seed, count)


def draw_or_die(seed: int, count: int, bad: int, folder: str, times: int) -> Mapping[str, Any]:
    """Like draw, but the bad seed kills its own worker, as often as asked for."""
    marks = Path(folder)
    if seed == bad and len(list(marks.glob("died-*"))) < times:
        (marks / f"died-{time.monotonic_ns()}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return draw(seed, count)


def count_threads() -> Mapping[str, Any]:
    """The most threads that any numerical library of the worker would use."""
    from threadpoolctl import threadpool_info

    return {"threads": [max(pool["num_threads"] for pool in threadpool_info())]}


def cancel_waiting(dask_scheduler: Any) -> int:
    """Take two tasks that wait from every client, as a worker's death can."""
    waiting = [key for key, task in dask_scheduler.tasks.items() if task.state in ("queued", "processing")]
    for client in list(dask_scheduler.clients):
        dask_scheduler.client_releases_keys(keys=waiting[-2:], client=client)
        dask_scheduler.report({"op": "cancelled-keys", "keys": waiting[-2:]}, client=client)
    return len(waiting)
