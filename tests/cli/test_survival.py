"""Runs that are killed, doubled, or meet a disk that cannot be written: no half file, no lost work, one clear line."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bayes_alliance.run.posterior_store import load_fit
from bayes_alliance.runtime.files import alone_in, clear_parts, whole_file, write_whole
from bayes_alliance.runtime.own_files import LEDGER
from tests.corpus_study import LEAN, write_study
from tests.kill_resume import contents

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"), LEAN)


def arguments(study: Path, out: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "bayes_alliance.cli.main", "reanalyse", str(study), "--engine", "collapsed"),
        *("--draws", "100", "--models", "growth,paranoid", "--min-cell", "0"),
        *("--everything", "--out", str(out)),
    ]


def run(study: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments(study, out), capture_output=True, text=True, timeout=300, check=False, cwd=ROOT
    )


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, study: Path) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("reference") / "out"
    assert run(study, out).returncode in (0, 3)
    return out


def test_a_killed_run_resumes_to_the_same_results(tmp_path: Path, study: Path, reference: Path) -> None:
    """SIGKILL once the first posterior is stored: the second run reuses it, and every table is the same."""
    out = tmp_path / "out"
    process = subprocess.Popen(
        arguments(study, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT
    )
    deadline = time.monotonic() + 120
    while not list(out.glob("posteriors/*.nc")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stored = {path.name: path.read_bytes() for path in out.glob("posteriors/*.nc")}
    assert stored
    done = run(study, out)
    assert done.stderr.count("stored posterior reused") == len(stored)
    assert contents(out) == contents(reference)
    assert {name: (out / "posteriors" / name).read_bytes() for name in stored} == stored


def test_two_runs_at_once_leave_what_one_leaves(tmp_path: Path, study: Path, reference: Path) -> None:
    """Same folder, same moment: both end well, every file is whole, no part is left, the manifest is true."""
    import hashlib
    import json

    out = tmp_path / "out"
    both = [
        subprocess.Popen(
            arguments(study, out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
        for _ in range(2)
    ]
    for process in both:
        said = process.communicate(timeout=300)[1]
        assert process.returncode in (0, 3), said
        assert "Traceback" not in said
    assert contents(out) == contents(reference)
    assert [path.name for path in out.rglob(".*")] == [LEDGER]
    files = json.loads((out / "manifest.json").read_text())["files"]
    assert len(files) > 5
    for name, digest in files.items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest


def test_a_damaged_and_a_foreign_posterior_are_made_again_with_a_warning(
    tmp_path: Path, study: Path, reference: Path
) -> None:
    """Even a quiet run says so; the results are those of an undisturbed run."""
    out = tmp_path / "out"
    shutil.copytree(reference, out)
    growth, paranoid = (out / "posteriors" / f"{name}.collapsed.nc" for name in ("growth", "paranoid"))
    growth.write_bytes(growth.read_bytes()[:-1000])
    paranoid.write_bytes(b"not ours")
    done = subprocess.run(
        [*arguments(study, out), "--quiet"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode in (0, 3)
    for path in (growth, paranoid):
        assert f"warning: {path.name}: the stored file " in done.stderr
        assert "cannot be read" not in str(load_fit(path, {}))
    assert contents(out) == contents(reference)


@contextlib.contextmanager
def small_disk(place: Path, options: str) -> Iterator[Path]:
    """Mount a small file system, or skip the test where that is not permitted."""
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a file system is not permitted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("kilobytes", [20, 40, 80, 120, 200])
def test_a_full_disk_is_one_clear_line(tmp_path: Path, study: Path, kilobytes: int) -> None:
    """While posteriors or tables are written: exit code 1, the reason, no traceback, no half file."""
    with small_disk(tmp_path / "disk", f"size={kilobytes}k") as disk:
        done = run(study, disk / "out")
        left = [path.name for path in disk.rglob(".*.part")]
        stored = list(disk.glob("out/posteriors/*.nc"))
        assert all("cannot be read" not in str(load_fit(path, {})) for path in stored)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("bayes-alliance: ")
    assert "space" in last or "cannot be stored" in last
    assert "Traceback" not in done.stderr
    assert left == []


def test_a_read_only_folder_is_one_clear_line(tmp_path: Path, study: Path) -> None:
    """Nothing is fitted before that is known."""
    with small_disk(tmp_path / "disk", "ro") as disk:
        done = run(study, disk / "out")
    # Found before any fit, so the option is what is wrong.
    assert done.returncode == 2
    assert "Read-only file system" in done.stderr and "Traceback" not in done.stderr
    assert "drawn in" not in done.stderr


def test_a_finished_run_needs_no_writing(tmp_path: Path, study: Path, reference: Path) -> None:
    """In a folder that became read-only it is found, and its answer printed again."""
    with small_disk(tmp_path / "disk", "size=50m") as disk:
        shutil.copytree(reference, disk / "out")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        done = run(study, disk / "out")
    assert done.returncode in (0, 3) and "Traceback" not in done.stderr
    assert "nothing has changed since the run" in done.stderr


def test_a_file_is_whole_or_the_former_one(tmp_path: Path) -> None:
    """An error or a full disk in the middle of writing leaves the former content and no part."""
    path = tmp_path / "x.txt"
    write_whole(path, "former\n")
    with pytest.raises(OSError), whole_file(path) as part:
        part.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert path.read_text() == "former\n"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_parts_of_dead_processes_are_cleared_and_others_kept(tmp_path: Path) -> None:
    """A killed run cannot tidy up; the next one does, and leaves a living neighbour's file alone."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for pid in (dead.pid, os.getpid()):
        (tmp_path / f".a.nc.{pid}.part").write_text("half")
    (tmp_path / ".unrelated").write_text("mine")
    clear_parts(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f".a.nc.{os.getpid()}.part", ".unrelated"]


def test_one_run_waits_for_the_other_and_a_dead_one_holds_nobody_up(tmp_path: Path) -> None:
    """The lock on a folder is exclusive while its process lives, and gone when it is killed."""
    script = f"""
import time
from pathlib import Path
from bayes_alliance.runtime.files import alone_in
with alone_in(Path({str(tmp_path)!r})):
    print("locked", flush=True)
    time.sleep(60)
"""
    other = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert other.stdout is not None
    assert other.stdout.readline() == "locked\n"
    import fcntl

    descriptor = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)
    other.kill()
    other.wait()
    with alone_in(tmp_path):
        assert list(tmp_path.iterdir()) == []
