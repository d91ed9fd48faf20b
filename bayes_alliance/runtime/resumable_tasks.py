"""Many independent tasks: one after another, on processes, or on a Dask cluster, with the same results to the byte.

A task is a key and the arguments of one pure function that workers can import; its result is a few columns, kept as
one Parquet file under the task's key as soon as it comes in. So a run that was interrupted goes on where it was. A
task that fails is returned with its reason and stored nowhere, so the next run tries it again; one whose worker was
lost is redone, a few times at most. Each worker computes on one thread: digits must not depend on how many there are.

Knows nothing of studies or models. Dask is imported here and nowhere else, and only where a scheduler is asked for.
"""

from __future__ import annotations

import functools
import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bayes_alliance.runtime.code_digest import code_digest
from bayes_alliance.runtime.files import clear_parts
from bayes_alliance.runtime.progress import Reporter, report_step
from bayes_alliance.runtime.task_runners import _choose
from bayes_alliance.runtime.task_store import (
    Columns,
    Failure,
    Finished,
    Function,
    Task,
    Workers,
    _is_stored,
    _Outcome,
    _path,
    _storing,
    _write,
)

_REPORT_SECONDS = 2.0
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=+-]{0,119}")


# Over 40 lines: the life of a run: what is stored, what is open, each outcome as it comes in.
def run_tasks(
    function: Function,
    tasks: Sequence[Task],
    *,
    workers: Workers | None = None,
    store: Path | None = None,
    record: str = "",
    report: Reporter = lambda line: None,
    unit: str = "tasks",
) -> Finished:
    """Run every task that has no result yet.

    Parameters
    ----------
    function : callable
        Of the top level of a module that workers can import; pure: the same arguments give the same columns.
    tasks : sequence of Task
        With unique keys.
    workers : Workers, optional
        Where; by default one after another in this process.
    store : Path, optional
        Folder of the results, made where it does not exist; without one they stay in memory. Not for two runs at a
        time (:func:`bayes_alliance.runtime.files.alone_in` keeps them apart).
    record : str
        Everything else that the results depend on (settings, seed, versions); a stored result of another record is
        made again, and so is one of other code: that of the function's module and of all it imports.
    report : callable
        Gets a line of progress every two seconds and one at the end, with the rate, the time left and how many
        tasks failed.
    unit : str
        What ``Task.size`` counts, for these lines.

    Returns
    -------
    Finished

    Raises
    ------
    InputError
        If the scheduler cannot be reached.
    MissingPackageError
        If a scheduler is asked for and Dask is not installed.
    AllianceError
        If the store cannot be written or the scheduler went away; what is finished is kept.
    """
    started = time.perf_counter()
    how = workers or Workers()
    _check_keys(tasks)
    results: dict[str, Path | Columns] = {}
    record = f"{record}; code {_code_of(function)}" if store is not None else record
    if store is not None:
        results |= _reuse(store, tasks, record, report)
    n_reused = len(results)
    open_tasks = [task for task in tasks if task.key not in results]
    progress = _Progress(tasks, open_tasks, report, unit)
    failures: dict[str, Failure] = {}
    outcomes = _choose(how)(function, open_tasks, how)
    try:
        for outcome in outcomes:
            if outcome.columns is None:
                failures[outcome.key] = Failure(key=outcome.key, reason=outcome.reason, error=outcome.error)
            elif store is None:
                results[outcome.key] = outcome.columns
            else:
                with _storing(store, results, len(tasks)):
                    results[outcome.key] = _write(_path(store, outcome.key), outcome, record)
            progress.step(outcome)
    finally:
        outcomes.close()
    progress.end()
    return Finished(
        keys=tuple(task.key for task in tasks),
        n_reused=n_reused,
        failures=tuple(failures[task.key] for task in tasks if task.key in failures),
        seconds=time.perf_counter() - started,
        results=results,
    )


def _reuse(store: Path, tasks: Sequence[Task], record: str, report: Reporter) -> dict[str, Path]:
    """Find the results that were stored with this record."""
    with _storing(store, {}, len(tasks)):
        store.mkdir(parents=True, exist_ok=True)
    clear_parts(store)
    found = {task.key: path for task in tasks if _is_stored(path := _path(store, task.key), record, task.key)}
    others = sum(task.key not in found and _path(store, task.key).exists() for task in tasks)
    if others:
        report(f"{others} stored results of other code, settings or data; they are computed again")
    return found


def split_units(total: int, batch: int) -> list[tuple[int, int]]:
    """Split so many units into batches: first unit and number of units of each. Both belong into a task's key."""
    return [(first, min(batch, total - first)) for first in range(0, total, batch)]


def format_failures(failures: Sequence[Failure], *, most: int = 5) -> list[str]:
    """Return how many tasks failed and why; each reason once, with the keys of the first tasks that had it."""
    reasons: dict[str, list[str]] = {}
    for failure in failures:
        reasons.setdefault(failure.reason, []).append(failure.key)
    lines = []
    for reason, keys in reasons.items():
        more = f" and {len(keys) - most} more" if len(keys) > most else ""
        lines.append(f"{len(keys)} failed: {reason} ({', '.join(keys[:most])}{more})")
    return lines


def _code_of(function: Function) -> str:
    """Return the digest of the code behind a task's function."""
    inner = function.func if isinstance(function, functools.partial) else function
    return code_digest(inner.__module__)


def _check_keys(tasks: Sequence[Task]) -> None:
    bad = [task.key for task in tasks if not _KEY.fullmatch(task.key)]
    twice = [key for key, count in Counter(task.key for task in tasks).items() if count > 1]
    if bad or twice:
        raise ValueError(f"keys of tasks must be unique file names: {[*bad, *twice][:5]}")


class _Progress:
    """Lines of progress: how much is done, how fast, how long yet."""

    def __init__(
        self, tasks: Sequence[Task], open_tasks: Sequence[Task], report: Reporter, unit: str
    ) -> None:
        self.sizes = {task.key: task.size for task in open_tasks}
        self.total = sum(task.size for task in tasks)
        self.found = self.total - sum(self.sizes.values())
        self.done = self.failed = 0
        self.report, self.unit = report, unit
        self.started = self.told = time.perf_counter()
        if self.found:
            report(f"{self.found} of {self.total} {unit} already computed")

    def step(self, outcome: _Outcome) -> None:
        """Count one task, and tell if it is time to."""
        size = self.sizes[outcome.key]
        self.done += size
        self.failed += size if outcome.columns is None else 0
        if time.perf_counter() - self.told >= _REPORT_SECONDS:
            self.told = time.perf_counter()
            self._tell()

    def end(self) -> None:
        """Report how it went, if there was anything to do."""
        if self.done:
            self._tell()

    def _tell(self) -> None:
        done = self.found + self.done
        report_step(self.report, done=done, total=self.total, unit=self.unit, line=self._line())

    def _line(self) -> str:
        elapsed = max(time.perf_counter() - self.started, 1e-9)
        rate = self.done / elapsed
        left = (self.total - self.found - self.done) / rate
        failed = f"; {self.failed} FAILED" if self.failed else ""
        count = f"[{self.found + self.done}/{self.total}] {self.unit}"
        return f"{count}: {rate:.3g} a second; about {left:.0f} s left{failed}"
