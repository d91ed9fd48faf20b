"""Many tasks: the same bytes wherever they run, nothing lost, nothing dropped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bayes_alliance.errors import AllianceError, InputError, MissingPackageError
from bayes_alliance.runtime import task_runners
from bayes_alliance.runtime.code_digest import code_digest
from bayes_alliance.runtime.resumable_tasks import format_failures, run_tasks
from bayes_alliance.runtime.task_store import Task, Workers
from tests import parallel_tasks

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("serial", "processes", "dask")
LOCAL_DASK = Workers(jobs=2, scheduler="local")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster that somebody else keeps running."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def workers(place: str, request: pytest.FixtureRequest) -> Workers:
    if place == "dask":
        return Workers(scheduler=request.getfixturevalue("address"))
    return Workers(jobs=2 if place == "processes" else 1)


def draw_tasks(count: int = 6) -> list[Task]:
    return [Task(key=f"part-{seed}", arguments=(seed, 5), size=10) for seed in range(count)]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a serial run that nothing disturbed stores."""
    store = tmp_path_factory.mktemp("straight")
    run_tasks(parallel_tasks.draw, draw_tasks(), store=store, record="r")
    return store


@pytest.mark.parametrize("place", ["processes", "dask"])
def test_the_same_bytes_wherever_tasks_run(
    place: str, workers: Workers, tmp_path: Path, straight: Path
) -> None:
    """Processes and Dask store the files of a serial run, byte for byte, and give its table."""
    done = run_tasks(parallel_tasks.draw, draw_tasks(), workers=workers, store=tmp_path, record="r")
    assert contents(tmp_path) == contents(straight)
    assert len(done.results) == 6 and not done.failures
    serial = run_tasks(parallel_tasks.draw, draw_tasks()).table()
    assert done.table().equals(serial)
    assert list(serial["seed"]) == [seed for seed in range(6) for _ in range(5)]


@pytest.mark.parametrize("place", PLACES)
def test_a_failed_task_is_returned_counted_and_shown(place: str, workers: Workers, tmp_path: Path) -> None:
    """Its reason comes back, progress counts it, nothing is stored for it, and the others are all there."""
    tasks = [Task(key=f"t{seed}", arguments=(seed, 2, 1), size=10) for seed in range(3)]
    lines: list[str] = []
    done = run_tasks(
        parallel_tasks.draw_or_fail,
        tasks,
        workers=workers,
        store=tmp_path,
        report=lines.append,
        unit="studies",
    )
    assert [(f.key, f.reason) for f in done.failures] == [("t1", "ValueError: seed 1 is bad")]
    assert len(done.results) == 2 and sorted(contents(tmp_path)) == ["t0.parquet", "t2.parquet"]
    assert lines[-1].startswith("[30/30] studies: ") and lines[-1].endswith("; 10 FAILED")
    assert "a second; about 0 s left" in lines[-1]
    assert format_failures(done.failures) == ["1 failed: ValueError: seed 1 is bad (t1)"]
    assert set(done.table()["seed"]) == {0, 2}


@pytest.mark.parametrize("workers", [Workers(jobs=2), LOCAL_DASK], ids=["processes", "dask"])
def test_tasks_of_a_killed_worker_are_redone(workers: Workers, tmp_path: Path, straight: Path) -> None:
    """A worker that is killed in a task costs nothing: every result is there, as if it had lived."""
    store, marks = tmp_path / "store", tmp_path / "marks"
    marks.mkdir()
    tasks = [Task(key=f"part-{seed}", arguments=(seed, 5, 2, str(marks), 1)) for seed in range(6)]
    done = run_tasks(parallel_tasks.draw_or_die, tasks, workers=workers, store=store, record="r")
    assert len(list(marks.iterdir())) == 1
    assert not done.failures
    assert contents(store) == contents(straight)


def test_a_task_that_always_kills_its_worker_fails_alone(tmp_path: Path) -> None:
    """It is given up after three lost workers, and no innocent task with it."""
    tasks = [Task(key=f"part-{seed}", arguments=(seed, 5, 2, str(tmp_path), 99)) for seed in range(6)]
    done = run_tasks(parallel_tasks.draw_or_die, tasks, workers=Workers(jobs=2))
    assert [(f.key, f.reason) for f in done.failures] == [("part-2", "its worker was lost 3 times")]
    assert len(list(tmp_path.iterdir())) == 3
    assert set(done.table()["seed"]) == {0, 1, 3, 4, 5}


def test_a_resumed_run_redoes_nothing_and_another_record_everything(tmp_path: Path, straight: Path) -> None:
    """Stored results are reused if they are whole and of the same record, and made anew otherwise."""
    store, marks = tmp_path / "store", tmp_path / "marks"
    marks.mkdir()
    tasks = [Task(key=f"part-{seed}", arguments=(seed, 5, str(marks), 0.0)) for seed in range(6)]

    def run(record: str) -> tuple[int, int]:
        before = len(list(marks.iterdir()))
        done = run_tasks(parallel_tasks.draw_and_mark, tasks, store=store, record=record)
        assert contents(store).keys() == contents(straight).keys()
        return done.n_reused, len(list(marks.iterdir())) - before

    assert run("r") == (0, 6)
    assert run("r") == (6, 0)
    (store / "part-3.parquet").unlink()
    (store / "part-4.parquet").write_bytes(b"PAR1 torn")
    assert run("r") == (4, 2)
    assert run("another") == (0, 6)


SCRIPT = """
import sys
from pathlib import Path
from bayes_alliance.runtime.task_store import Task, Workers
from bayes_alliance.runtime.resumable_tasks import run_tasks
from tests import parallel_tasks
store, marks, scheduler = sys.argv[1:]
tasks = [Task(key=f"part-{seed}", arguments=(seed, 5, marks, 0.3)) for seed in range(6)]
if __name__ == "__main__":
    run_tasks(parallel_tasks.draw_and_mark, tasks, workers=Workers(jobs=2, scheduler=scheduler), store=Path(store),
              record="r")
"""


@pytest.mark.parametrize("scheduler", ["", "local"])
def test_a_killed_client_resumes_and_leaves_no_worker(scheduler: str, tmp_path: Path, straight: Path) -> None:
    """SIGKILL of the main process with results stored: they are kept as they are, the rest is made, workers end."""
    store, marks, script = tmp_path / "store", tmp_path / "marks", tmp_path / "client.py"
    marks.mkdir()
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(store), str(marks), scheduler]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    client = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list(store.glob("*.parquet"))) < 2 and time.monotonic() < deadline and client.poll() is None:
        time.sleep(0.01)
    client.send_signal(signal.SIGKILL)
    client.wait()
    kept = {path.name: path.stat().st_mtime_ns for path in store.glob("*.parquet")}
    assert 2 <= len(kept) < 6
    deadline = time.monotonic() + 30
    while (left := _living_of_session(client.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
    before = len(list(marks.iterdir()))
    subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
    assert {name: (store / name).stat().st_mtime_ns for name in kept} == kept
    assert len(list(marks.iterdir())) - before == 6 - len(kept)
    assert contents(store) == contents(straight)


def _living_of_session(session: int) -> list[int]:
    """Processes of a session that still run (the client began one of its own)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of_session = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(of_session) == session and state != "Z":
            found.append(int(path.parent.name))
    return found


def test_a_full_disk_keeps_what_is_finished_and_says_so(
    tmp_path: Path, straight: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills up at the third result: one clear message, two whole files, no part; then the run goes on."""
    written = 0
    plain = Path.write_bytes

    def fill_up(self: Path, data: bytes) -> int:
        nonlocal written
        written += 1
        if written == 3:
            plain(self, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return plain(self, data)

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(AllianceError) as caught:
        run_tasks(parallel_tasks.draw, draw_tasks(), store=tmp_path, record="r")
    assert "No space left on device; 2 of 6 tasks are finished and kept there" in str(caught.value)
    assert sorted(contents(tmp_path)) == ["part-0.parquet", "part-1.parquet"]
    monkeypatch.undo()
    assert run_tasks(parallel_tasks.draw, draw_tasks(), store=tmp_path, record="r").n_reused == 2
    assert contents(tmp_path) == contents(straight)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file in the folder's place ends the run before any task, with one message."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(AllianceError, match="0 of 6 tasks are finished"):
        run_tasks(parallel_tasks.draw, draw_tasks(), store=tmp_path / "taken")


@pytest.mark.parametrize("place", PLACES)
def test_each_worker_has_one_thread(place: str, workers: Workers) -> None:
    """Wherever a task runs, no numerical library of its process uses a second thread."""
    done = run_tasks(parallel_tasks.count_threads, [Task(key="t")], workers=workers)
    assert list(done.table()["threads"]) == [1]


@pytest.fixture
def own_scheduler() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A scheduler with one worker, processes of their own that a test may kill."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{held.getsockname()[1]}"
    options = {"stderr": subprocess.DEVNULL, "text": True, "cwd": ROOT}
    start = [sys.executable, "-m"]
    scheduler = subprocess.Popen(
        [*start, "distributed.cli.dask_scheduler", "--host", place, "--no-dashboard"],
        **options,  # type: ignore[call-overload]
    )
    worker = subprocess.Popen(
        [*start, "distributed.cli.dask_worker", f"tcp://{place}", "--nthreads", "1", "--no-dashboard"],
        **options,  # type: ignore[call-overload]
    )
    host, port = place.split(":")
    until = time.monotonic() + 90.0
    while time.monotonic() < until:
        try:
            socket.create_connection((host, int(port)), timeout=1.0).close()
            break
        except OSError:
            time.sleep(0.1)
    yield f"tcp://{place}", scheduler
    for process in (worker, scheduler):
        process.kill()
        process.wait()


def marked_tasks(folder: Path, count: int, seconds: float) -> list[Task]:
    folder.mkdir()
    return [Task(key=f"part-{seed}", arguments=(seed, 5, str(folder), seconds)) for seed in range(count)]


def when_begun(folder: Path, act: Callable[[], object]) -> threading.Thread:
    """Do something once the first task has left its mark."""

    def wait() -> None:
        until = time.monotonic() + 60.0
        while not any(folder.iterdir()) and time.monotonic() < until:
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_a_scheduler_that_dies_is_told_and_costs_no_finished_task(
    own_scheduler: tuple[str, subprocess.Popen[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One message, no hanging; what was finished is in the store."""
    address, scheduler = own_scheduler
    tasks = marked_tasks(tmp_path / "marks", 60, 0.2)
    when_begun(tmp_path / "marks", scheduler.kill)
    with pytest.raises(AllianceError, match="scheduler went away"):
        run_tasks(
            parallel_tasks.draw_and_mark,
            tasks,
            workers=Workers(scheduler=address),
            store=tmp_path / "store",
            record="r",
        )
    done = run_tasks(
        parallel_tasks.draw_and_mark, tasks, workers=Workers(), store=tmp_path / "store", record="r"
    )
    assert not done.failures
    assert len(list((tmp_path / "store").glob("*.parquet"))) == 60


def test_cancelled_futures_are_asked_for_again(
    own_scheduler: tuple[str, subprocess.Popen[str]], tmp_path: Path
) -> None:
    """The scheduler lives, so the tasks are redone."""
    from distributed import Client

    address, _ = own_scheduler
    tasks = marked_tasks(tmp_path / "marks", 15, 0.2)
    cancelled: list[int] = []

    def cancel() -> None:
        with Client(address, set_as_default=False) as client:
            cancelled.append(client.run_on_scheduler(parallel_tasks.cancel_waiting))

    thread = when_begun(tmp_path / "marks", cancel)
    done = run_tasks(parallel_tasks.draw_and_mark, tasks, workers=Workers(scheduler=address), store=None)
    thread.join()
    assert cancelled[0] >= 2
    assert not done.failures
    assert len(list((tmp_path / "marks").iterdir())) >= 15


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong address is the user's to mend: exit code 2, with what would have been right."""
    monkeypatch.setattr(task_runners, "_CONNECT_SECONDS", 0.5)
    with pytest.raises(InputError, match=r"(?s)--scheduler.*no scheduler answers") as caught:
        run_tasks(parallel_tasks.draw, draw_tasks(1), workers=Workers(scheduler="tcp://127.0.0.1:9"))
    assert caught.value.exit_code == 2


def test_without_dask_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that installs it, and the way without."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'bayes-alliance\[dask\]'.*--jobs"):
        run_tasks(parallel_tasks.draw, draw_tasks(1), workers=Workers(scheduler="local"))


def test_keys_are_unique_file_names() -> None:
    """Two tasks of one key, or a key that would leave the folder, are refused."""
    for keys in (("a", "a"), ("../a",), ("",)):
        with pytest.raises(ValueError, match="unique file names"):
            run_tasks(parallel_tasks.draw, [Task(key=key, arguments=(1, 1)) for key in keys])


def test_stored_results_hold_nothing_but_the_columns(straight: Path) -> None:
    """The metadata are key, record and code, so that equal results are equal bytes whenever they were made."""
    found = pq.read_schema(straight / "part-0.parquet").metadata
    record = f"r; code {code_digest('tests.parallel_tasks')}"
    assert found == {b"bayes_alliance.task": json.dumps({"key": "part-0", "record": record}).encode()}


@pytest.mark.parametrize("jobs", [1, 2])
def test_wrong_input_that_a_task_finds_stays_wrong_input(jobs: int) -> None:
    """Problem by problem, also from another process: the caller can end with the exit code of wrong input."""
    done = run_tasks(parallel_tasks.refuse, draw_tasks(2), workers=Workers(jobs=jobs))
    found = [failure.error for failure in done.failures]
    assert [error.problems[0].what for error in found if error] == ["row 0 is wrong", "row 1 is wrong"]
    assert "row 0 is wrong" in done.failures[0].reason
