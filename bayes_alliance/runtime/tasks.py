"""Many independent tasks: one after another, on processes, or on a Dask cluster, with the same results to the byte.

A task is a key and the arguments of one pure function that workers can import; its result is a few columns, kept as
one Parquet file under the task's key as soon as it comes in. So a run that was interrupted goes on where it was. A
task that fails is returned with its reason and stored nowhere, so the next run tries it again; one whose worker was
lost is redone, a few times at most. Each worker computes on one thread: digits must not depend on how many there are.

Knows nothing of studies or models. Dask is imported here and nowhere else, and only where a scheduler is asked for.
"""

from __future__ import annotations

import contextlib
import functools
import json
import multiprocessing
import os
import re
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from bayes_alliance.errors import AllianceError, InputError, MissingPackageError, Problem
from bayes_alliance.runtime.digest import code_digest
from bayes_alliance.runtime.files import clear_parts, whole_file

if TYPE_CHECKING:
    import pandas as pd

Columns = Mapping[str, Sequence[Any]]
Function = Callable[..., Columns]
Reporter = Callable[[str], None]
MAX_LOSSES = 3
LOCAL = "local"
_REPORT_SECONDS = 2.0
_CONNECT_SECONDS = 15.0
_METADATA = b"bayes_alliance.task"
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=+-]{0,119}")
# Read when a numerical library is loaded, so they have to stand in a worker's environment from the start.
_ONE_THREAD = {
    name: "1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
}


@dataclass(frozen=True, kw_only=True)
class Task:
    """One call of the function.

    Parameters
    ----------
    key : str
        Unique among the tasks; also the name of its file, so letters, digits and ``_.=+-`` only.
    arguments : tuple
        What the function gets; can be pickled.
    size : int
        How many of the units that progress is counted in (simulated studies, say) it holds.
    """

    key: str
    arguments: tuple[Any, ...] = ()
    size: int = 1


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A task without a result, and why."""

    key: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Where tasks run.

    Parameters
    ----------
    jobs : int
        Processes at a time; 1 runs one task after another in this process. Of a scheduler that is not local,
        its own workers count.
    scheduler : str
        Empty for no Dask, ``local`` for a Dask cluster of ``jobs`` processes on this machine, or the address of a
        running one such as ``tcp://host:8786``.
    """

    jobs: int = 1
    scheduler: str = ""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What became of all tasks.

    Parameters
    ----------
    keys : tuple of str
        In the order of the tasks.
    n_reused : int
        Tasks whose results lay in the store already.
    failures : tuple of Failure
        Tasks without a result, in the order of the tasks.
    seconds : float
        Wall time.
    """

    keys: tuple[str, ...]
    n_reused: int
    failures: tuple[Failure, ...]
    seconds: float
    results: Mapping[str, Path | Columns]

    @property
    def n_done(self) -> int:
        """Tasks with a result, those found in the store included."""
        return len(self.keys) - len(self.failures)

    def columns(self, key: str) -> dict[str, Any]:
        """Give the columns of one task that has a result, as NumPy arrays or lists."""
        found = self.results[key]
        return _read_columns(found) if isinstance(found, Path) else dict(found)

    def table(self) -> pd.DataFrame:
        """Put the results of all tasks below each other, in the order of the tasks, whatever order they came in."""
        import pandas as pd

        frames = [pd.DataFrame(self.columns(key)) for key in self.keys if key in self.results]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    key: str
    columns: Columns | None
    reason: str = ""


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
        with _storing(store, results, len(tasks)):
            store.mkdir(parents=True, exist_ok=True)
        clear_parts(store)
        results |= {
            task.key: path for task in tasks if _is_stored(path := _path(store, task.key), record, task.key)
        }
    n_reused = len(results)
    if store is not None:
        others = sum(task.key not in results and _path(store, task.key).exists() for task in tasks)
        if others:
            report(f"{others} stored results of other code, settings or data; they are computed again")
    open_tasks = [task for task in tasks if task.key not in results]
    progress = _Progress(tasks, open_tasks, report, unit)
    failures: dict[str, Failure] = {}
    outcomes = _choose(how)(function, open_tasks, how)
    try:
        for outcome in outcomes:
            if outcome.columns is None:
                failures[outcome.key] = Failure(key=outcome.key, reason=outcome.reason)
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


def split_units(total: int, batch: int) -> list[tuple[int, int]]:
    """Split so many units into batches: first unit and number of units of each. Both belong into a task's key."""
    return [(first, min(batch, total - first)) for first in range(0, total, batch)]


def format_failures(failures: Sequence[Failure], *, most: int = 5) -> list[str]:
    """Say how many tasks failed and of what; each reason once, with the keys of the first tasks that had it."""
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


def _attempt(function: Function, task: Task) -> _Outcome:
    """Run one task on one thread; what it raises becomes its reason."""
    try:
        with threadpool_limits(limits=1):
            return _Outcome(key=task.key, columns=function(*task.arguments))
    except AllianceError as error:
        return _Outcome(key=task.key, columns=None, reason=str(error))
    except Exception as error:  # whatever it is, it is shown, and the other tasks go on
        return _Outcome(key=task.key, columns=None, reason=f"{type(error).__name__}: {error}")


# ---------------------------------------------------------------------------------------------------------------
# Where tasks run: each gives outcomes as they come in.
# ---------------------------------------------------------------------------------------------------------------

_Outcomes = Generator[_Outcome, None, None]
Runner = Callable[[Function, Sequence[Task], Workers], _Outcomes]


def _choose(workers: Workers) -> Runner:
    if workers.scheduler:
        return _with_dask
    return _in_processes if workers.jobs > 1 else _one_by_one


def _one_by_one(function: Function, tasks: Sequence[Task], workers: Workers) -> _Outcomes:
    for task in tasks:
        yield _attempt(function, task)


def _in_processes(function: Function, tasks: Sequence[Task], workers: Workers) -> _Outcomes:
    """Run tasks on processes.

    A killed worker breaks the whole pool and nobody can say whose task it was, so those in flight are run again one
    at a time in a pool of one, where blame is certain; a task that loses its worker ``MAX_LOSSES`` times fails.
    """
    waiting, suspects = deque(tasks), deque[Task]()
    losses: Counter[str] = Counter()
    while waiting or suspects:
        queue, jobs = (suspects, 1) if suspects else (waiting, workers.jobs)
        lost: list[Task] = []
        yield from _in_one_pool(function, queue, jobs, lost)
        for task in lost:
            losses[task.key] += 1
            if jobs == 1 and losses[task.key] >= MAX_LOSSES:
                yield _Outcome(key=task.key, columns=None, reason=f"its worker was lost {MAX_LOSSES} times")
            else:
                suspects.append(task)


def _in_one_pool(function: Function, queue: deque[Task], jobs: int, lost: list[Task]) -> _Outcomes:
    """Empty a queue with one pool, or until a worker is lost; ``lost`` then gets the tasks that were in flight."""
    width = 1 if jobs == 1 else 2 * jobs  # a second task waits for each worker
    running: dict[Future[_Outcome], Task] = {}
    # A fresh interpreter for each worker: forked ones would share the state of numerical libraries.
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with _one_thread_environment():
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin_worker)
        try:
            while (queue or running) and not lost:
                _fill(pool, function, queue, running, width, lost)
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                broken = {future for future in done if isinstance(future.exception(), BrokenProcessPool)}
                for future in done - broken:
                    yield _outcome(running.pop(future), future)
                if broken:
                    lost += running.values()
                    running.clear()
        finally:
            pool.shutdown(wait=not running, cancel_futures=True)
            if running:  # interrupted: leaving would otherwise wait, in silence, for what the workers are at
                for process in set(multiprocessing.active_children()) - others:
                    process.terminate()


def _fill(
    pool: ProcessPoolExecutor,
    function: Function,
    queue: deque[Task],
    running: dict[Future[_Outcome], Task],
    width: int,
    lost: list[Task],
) -> None:
    """Hand tasks to a pool until enough are in flight; a pool that takes none has lost the first of them."""
    while queue and len(running) < width:
        try:
            future = pool.submit(_attempt, function, queue[0])
        except BrokenProcessPool:
            if not running:
                lost.append(queue.popleft())
            return
        running[future] = queue.popleft()


def _outcome(task: Task, future: Future[_Outcome]) -> _Outcome:
    error = future.exception()
    return future.result() if error is None else _Outcome(key=task.key, columns=None, reason=_unsent(error))


def _unsent(error: BaseException | None) -> str:
    return f"its result or arguments could not be sent: {type(error).__name__}: {error}"


@contextlib.contextmanager
def _one_thread_environment() -> Iterator[None]:
    """Let processes that start within the block inherit one thread."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _begin_worker() -> None:
    """Leave Ctrl-C to the main process, and end with it, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _with_dask(function: Function, tasks: Sequence[Task], workers: Workers) -> _Outcomes:
    """Run tasks on a Dask cluster, which itself redoes those of lost workers, ``MAX_LOSSES`` times at most."""
    try:
        import dask
        import distributed
    except ImportError as error:
        raise MissingPackageError(
            "a scheduler needs Dask, which is not installed; to do: pip install 'bayes-alliance[dask]', or leave "
            "--scheduler out and use processes with --jobs"
        ) from error
    if not tasks:
        return
    settings = {
        "distributed.scheduler.allowed-failures": MAX_LOSSES,
        "distributed.worker.daemon": True,
    }
    with dask.config.set(settings), contextlib.ExitStack() as stack:
        client = stack.enter_context(_connect(distributed, workers, stack))
        by_key = {task.key: task for task in tasks}
        # Keys of ours would meet those of another run that is known to the same scheduler; without, none do.
        futures = {client.submit(_attempt, function, task, pure=False): task.key for task in tasks}
        lost: Counter[str] = Counter()
        waiting = distributed.as_completed(list(futures), loop=client.loop)
        try:
            for future in waiting:
                key = futures.pop(future)
                # A worker that dies as it hands a result over can leave the future cancelled: it is asked for again.
                if future.status not in ("finished", "error") and lost[key] < MAX_LOSSES and _answers(client):
                    lost[key] += 1
                    again = client.submit(_attempt, function, by_key[key], pure=False)
                    futures[again] = key
                    waiting.add(again)
                    continue
                yield _dask_outcome(distributed, future, by_key[key])
                future.release()
        finally:
            with contextlib.suppress(
                Exception
            ):  # the cluster may be gone, and then there is nothing to cancel
                client.cancel(list(futures))


def _connect(distributed: Any, workers: Workers, stack: contextlib.ExitStack) -> Any:
    """Give a client of the scheduler asked for; a local one is started, and ends with the block."""
    address = workers.scheduler
    if address == LOCAL:
        stack.enter_context(_one_thread_environment())
        address = stack.enter_context(
            distributed.LocalCluster(
                n_workers=workers.jobs,
                threads_per_worker=1,
                processes=True,
                dashboard_address=":0",
                silence_logs=50,
            )
        )
    try:
        return distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        problem = Problem(
            what=f"no scheduler answers there ({type(error).__name__})",
            got=repr(workers.scheduler[:100]),
            allowed="the address of a running Dask scheduler, such as tcp://host:8786, or 'local'",
        )
        raise InputError("option --scheduler", [problem]) from error


def _answers(client: Any) -> bool:
    """Ask the scheduler whether it is there."""
    try:
        client.sync(client.scheduler.identity, callback_timeout=_CONNECT_SECONDS)
    except (OSError, TimeoutError):
        return False
    return True


def _dask_outcome(distributed: Any, future: Any, task: Task) -> _Outcome:
    """Read one finished future; a scheduler that went away ends the run."""
    gone = AllianceError(
        "the Dask scheduler went away; finished tasks are kept: start it and give the same command to go on"
    )
    try:
        if future.status == "finished":
            outcome: _Outcome = future.result(timeout=_CONNECT_SECONDS)
            return outcome
        if future.status == "error":
            error = future.exception(timeout=_CONNECT_SECONDS)
            if isinstance(error, distributed.KilledWorker):
                lost = f"its worker was lost {MAX_LOSSES + 1} times"
                return _Outcome(key=task.key, columns=None, reason=lost)
            return _Outcome(key=task.key, columns=None, reason=_unsent(error))
    except (OSError, TimeoutError) as error:
        # What a task raised is part of its outcome: this is the connection.
        raise gone from error
    raise gone


# ---------------------------------------------------------------------------------------------------------------
# Results on disk
# ---------------------------------------------------------------------------------------------------------------


def _path(store: Path, key: str) -> Path:
    return store / f"{key}.parquet"


@contextlib.contextmanager
def _storing(store: Path, results: Mapping[str, Any], total: int) -> Iterator[None]:
    """Say of an error of the disk what is kept and how to go on."""
    try:
        yield
    except OSError as error:
        raise AllianceError(
            f"results cannot be stored in {store}: {error.strerror or error}; {len(results)} of {total} tasks are "
            "finished and kept there; to do: make room (or choose another folder) and give the same command again"
        ) from error


def _write(path: Path, outcome: _Outcome, record: str) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: pa.array(values) for name, values in (outcome.columns or {}).items()})
    stamp = json.dumps({"key": outcome.key, "record": record}, sort_keys=True).encode()
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({_METADATA: stamp}), sink, compression="zstd")
    with whole_file(path) as part:
        part.write_bytes(sink.getvalue().to_pybytes())
    return path


def _is_stored(path: Path, record: str, key: str) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        return False
    try:
        found = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):
        return False
    return bool(found.get(_METADATA) == json.dumps({"key": key, "record": record}, sort_keys=True).encode())


def _read_columns(path: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        table = file.read()
    return {
        name: column.to_pylist()
        if str(column.type) in ("string", "binary", "large_string", "large_binary")
        else column.to_numpy()
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


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
            report(f"{self.found} of {self.total} {unit} lie there already")

    def step(self, outcome: _Outcome) -> None:
        """Count one task, and tell if it is time to."""
        size = self.sizes[outcome.key]
        self.done += size
        self.failed += size if outcome.columns is None else 0
        if time.perf_counter() - self.told >= _REPORT_SECONDS:
            self.told = time.perf_counter()
            self.report(self._line())

    def end(self) -> None:
        """Tell how it went, if there was anything to do."""
        if self.done:
            self.report(self._line())

    def _line(self) -> str:
        elapsed = max(time.perf_counter() - self.started, 1e-9)
        rate = self.done / elapsed
        left = (self.total - self.found - self.done) / rate
        failed = f"; {self.failed} FAILED" if self.failed else ""
        count = f"[{self.found + self.done}/{self.total}] {self.unit}"
        return f"{count}: {rate:.3g} a second; about {left:.0f} s left{failed}"
