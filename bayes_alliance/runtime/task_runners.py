"""Where tasks run: in this process, on processes, on a Dask cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from threadpoolctl import threadpool_limits

from bayes_alliance.errors import AllianceError, InputError, Problem, require_package
from bayes_alliance.runtime.pool import stop_pool
from bayes_alliance.runtime.task_store import Function, Task, Workers, _Outcome

MAX_LOSSES = 3
LOCAL = "local"
_CONNECT_SECONDS = 15.0
# Read when a numerical library is loaded, so they have to stand in a worker's environment from the start.
_ONE_THREAD = {
    name: "1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
}
_Outcomes = Generator[_Outcome, None, None]
Runner = Callable[[Function, Sequence[Task], Workers], _Outcomes]


def _attempt(function: Function, task: Task) -> _Outcome:
    """Run one task on one thread; what it raises becomes its reason."""
    try:
        with threadpool_limits(limits=1):
            return _Outcome(key=task.key, columns=function(*task.arguments))
    except AllianceError as error:
        wrong = error if isinstance(error, InputError) else None
        return _Outcome(key=task.key, columns=None, reason=str(error), error=wrong)
    except Exception as error:  # whatever it is, it is shown, and the other tasks go on
        return _Outcome(key=task.key, columns=None, reason=f"{type(error).__name__}: {error}")


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
            # Interrupted while tasks run: leaving would otherwise wait, in silence, for what the workers are at.
            stop_pool(pool, set(multiprocessing.active_children()) - others if running else ())


def _fill(
    pool: ProcessPoolExecutor,
    function: Function,
    queue: deque[Task],
    running: dict[Future[_Outcome], Task],
    width: int,
    lost: list[Task],
) -> None:
    """Submit tasks to a pool until enough are in flight; a pool that takes none has lost the first of them."""
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
    for name in ("dask", "distributed"):
        require_package(
            name, extra="dask", purpose="--scheduler", instead="--jobs for processes on this machine"
        )
    import dask
    import distributed

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
    """Return a client of the scheduler asked for; a local one is started, and ends with the block."""
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
    """Check that the scheduler answers."""
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
