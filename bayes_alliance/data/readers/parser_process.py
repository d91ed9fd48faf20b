"""A parser in a process of its own, which a damaged file can crash without ending the program.

Libraries in C and C++ (pyreadstat, pyarrow) abort on some damaged files or ask for all memory. The modules
``readstat`` and ``parquet_file`` call them; each is run with ``python -m`` and prints its answer as JSON.
"""

# ruff: noqa: T201 - what the process prints is its answer

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bayes_alliance.errors import InputError, Problem

SECONDS = 600
MEMORY = 16 * 2**30
_PACKAGE = __name__.rpartition(".")[0]


def parse_apart(module: str, path: Path, *arguments: str) -> dict[str, Any]:
    """Run a parser on a file and return its answer.

    Parameters
    ----------
    module : str
        A module of this room that calls :func:`answer`.
    path : Path
        The file, for messages.
    *arguments : str
        Of the module.

    Raises
    ------
    InputError
        If the parser refuses the file, crashes on it or does not come to an end.
    """
    # -P: no module of the working folder is taken for one of ours.
    command = [sys.executable, "-P", "-m", f"{_PACKAGE}.{module}", *arguments]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        raise damaged(path, f"no end after {SECONDS} s") from None
    if done.returncode != 0:
        raise damaged(path, "its reader crashed on it")
    found: dict[str, Any] = json.loads(done.stdout)
    if "problems" in found:
        raise InputError(path.name, [Problem(**parts) for parts in found["problems"]])
    if "error" in found:
        raise damaged(path, found["error"])
    return found


def damaged(path: Path, why: str) -> InputError:
    """Return the error for a file that its reader cannot read."""
    problem = Problem(
        what=f"cannot be read as {path.suffix.lower()} ({why})",
        allowed="a sound file of this kind",
        fix="open it in the program that made it and save it again, or export it as CSV",
    )
    return InputError(path.name, [problem])


def answer(parse: Callable[[], dict[str, Any]]) -> None:
    """Parse and print; what the library raises is printed as the name of its error."""
    _limit_memory()
    try:
        found = parse()
    except InputError as error:
        found = {"problems": [dataclasses.asdict(problem) for problem in error.problems]}
    except Exception as error:  # what a library raises on a damaged file is not bounded; it is reported
        found = {"error": type(error).__name__}
    print(json.dumps(found))


def _limit_memory() -> None:
    """Keep a damaged file from taking all memory, where the system can do that."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
