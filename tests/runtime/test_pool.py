"""Processes beside this one: same results, faults that are told, none left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

from bayes_alliance.errors import FitError
from bayes_alliance.runtime.pool import Pool, default_jobs


def power(base: int, exponent: int) -> tuple[int, int]:
    return base**exponent, os.getpid()


def refuse(what: str) -> None:
    raise FitError(f"{what} cannot be done")


def end_at_once() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def threads() -> list[int]:
    import numpy as np

    np.ones((200, 200)) @ np.ones((200, 200))
    return [int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_results_come_back_in_the_order_of_asking_from_here_or_elsewhere() -> None:
    """One job works in this process, several in others; the answers are the same."""
    answers = {}
    for jobs in (1, 2):
        with Pool(jobs) as workers:
            promises = [workers.submit(power, 2, exponent) for exponent in range(6)]
            found = [promise.result() for promise in promises]
        answers[jobs] = [value for value, _ in found]
        assert ({pid for _, pid in found} == {os.getpid()}) is (jobs == 1)
    assert answers[1] == answers[2] == [1, 2, 4, 8, 16, 32]


def test_a_worker_has_one_thread_of_its_numerical_libraries() -> None:
    """As many threads as processors in each of as many processes would only wait for each other."""
    with Pool(2) as workers:
        found = workers.submit(threads).result()
    assert found
    assert set(found) == {1}


def test_faults_come_back_as_they_were_raised_and_a_lost_process_is_told() -> None:
    """A task's error is the caller's; a process that is ended from outside is no empty result."""
    with Pool(2) as workers:
        promise = workers.submit(refuse, "this")
        with pytest.raises(FitError, match="this cannot be done"):
            promise.result()
    with Pool(2) as workers:
        promise = workers.submit(end_at_once)
        with pytest.raises(FitError, match=r"ended from outside.*--jobs 1"):
            promise.result()


def test_a_process_lost_before_a_task_is_handed_over_is_told_like_any_other() -> None:
    """The task's result says so when it is asked for; handing it over raises nothing."""
    with Pool(2) as workers:
        with pytest.raises(FitError, match="ended from outside"):
            workers.submit(end_at_once).result()
        later = workers.submit(power, 2, 2)
        with pytest.raises(FitError, match=r"ended from outside.*--jobs 1"):
            later.result()


def test_leaving_by_an_error_does_not_wait_for_what_was_begun() -> None:
    """Ctrl-C during ten minutes of tasks ends them, not ten minutes later.

    No thread is left that Python would wake at exit: one that is closing its pipe just then costs a traceback.
    """
    started, threads = time.perf_counter(), set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt), Pool(2) as workers:
        workers.submit(power, 1, 1).result()
        for _ in range(4):
            workers.submit(time.sleep, 600.0)
        raise KeyboardInterrupt
    assert not set(threading.enumerate()) - threads
    assert time.perf_counter() - started < 60.0


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="reads /proc")
def test_workers_do_not_outlive_a_killed_parent() -> None:
    """SIGKILL gives the parent no time to stop its pool; its workers notice by themselves."""
    program = (
        "import os, time\nfrom bayes_alliance.runtime.pool import Pool\n"
        "if __name__ == '__main__':\n"
        "    with Pool(2) as workers:\n"
        "        print(workers.submit(os.getpid).result(), flush=True)\n"
        "        time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    assert _is_alive(worker)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 30.0
    while _is_alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_alive(worker)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_as_many_jobs_as_processors() -> None:
    """The default is what this process may use, not what the machine has."""
    assert 1 <= default_jobs() <= (os.cpu_count() or 1)
