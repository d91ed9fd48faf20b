"""Processes beside this one, for work whose order does not matter.

Tasks are top-level functions with arguments that can be pickled; they return records and write nothing that
another task writes. What a task returns does not depend on how many processes there are.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Self

from bayes_alliance.errors import FitError


class Promise[R]:
    """A result that is made elsewhere, or here when it is asked for."""

    def __init__(self, make: Callable[[], R]) -> None:
        self._make = make

    def result(self) -> R:
        """Wait for the result.

        Raises
        ------
        FitError
            If the process that made it ended before it was done.
        """
        try:
            return self._make()
        except BrokenProcessPool as error:
            raise FitError(
                "a process of this run was ended from outside, perhaps for want of memory; run it again, "
                "what was finished is kept, or with --jobs 1"
            ) from error


class Pool:
    """A pool of processes, or with ``jobs=1`` this process itself.

    They are fresh interpreters (forked ones would share the state of numerical libraries) with one BLAS
    thread each. They leave Ctrl-C to this process and end with it, however it ends.

    Parameters
    ----------
    jobs : int
        Processes at a time.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._others = set(multiprocessing.active_children())
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self.jobs > 1:
            self._pool = ProcessPoolExecutor(
                self.jobs, mp_context=multiprocessing.get_context("spawn"), initializer=prepare_worker
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is None:
            return
        if error is not None:
            # Leaving the pool would otherwise wait, in silence, for what was begun.
            stop_pool(self._pool, set(multiprocessing.active_children()) - self._others)
        else:
            self._pool.shutdown()
        self._pool = None

    def submit[**P, R](self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Promise[R]:
        """Submit a task; without other processes it is run when its result is asked for."""
        if self._pool is None:
            return Promise(lambda: function(*args, **kwargs))
        try:
            future: Future[R] = self._pool.submit(function, *args, **kwargs)
        except BrokenProcessPool as error:
            # Told as any other end of a process: when the result is asked for.
            future = Future()
            future.set_exception(error)
        return Promise(future.result)


def stop_pool(pool: ProcessPoolExecutor, processes: Collection[BaseProcess]) -> None:
    """End a pool at once: what was not begun is cancelled, what was begun is ended.

    The thread that minds the workers is waited for: Python wakes it at exit, and one that is just then closing
    its pipe makes Python print a traceback. With its workers ended it has nothing left to wait for itself.
    """
    for process in processes:
        process.terminate()
    pool.shutdown(wait=True, cancel_futures=True)


def default_jobs() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare_worker() -> None:
    """Initialise a process of a pool: one BLAS thread, Ctrl-C left to the parent, no life after it."""
    import numpy as np
    from scipy import linalg
    from threadpoolctl import threadpool_limits

    assert np.__name__ and linalg.__name__  # loaded, so that their thread pools are found
    threadpool_limits(limits=1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the end of the process that made this one; a pool's workers would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
