"""No command leaves a patient's identifier or number in what it prints, in caches or in temporary files.

Every command that takes rows of patients is run on a file whose identifiers and numbers can be found again
(:mod:`tests.markers`), with HOME, TMPDIR and the caches of compilers in a watched folder. What it prints and writes is
searched, results included. Fits by every engine and sampler are in ``tests/inference/test_private_cache.py``.
"""

from __future__ import annotations

import argparse
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from bayes_alliance.study.load_study import load_study
from tests.cli.test_options import commands
from tests.markers import MARKED, MARKER, Place, holds, make_place, marked_rows, spellings

DATA = ("--data", "rows.csv")
FEW = ("--studies", "2", "--jobs", "1")
# How each command is run, in this order.
RUNS: dict[str, tuple[tuple[str, ...], ...]] = {
    "check-data": (("toy", "rows.csv"), ("toy", "rows.xlsx", "--json")),
    "new-study": (("rows.csv", "--yes", "--outcome", "score", "--out", "made"),),
    "fit": (
        ("toy", *DATA, "--models", "outcome", "--engine", "none", "--profile", "--bootstrap", "19"),
        ("toy", *DATA, "--models", "outcome", "--engine", "collapsed", "--draws", "60", "--json", "fit.json"),
    ),
    "fit-large": (
        ("toy", "rows.parquet", "--models", "outcome", "--draws", "50", "--jobs", "2"),
        ("toy", "rows.parquet", "--models", "outcome", "--draws", "50", "--scheduler", "local", "--jobs", "1"),
    ),
    "cohort": (("toy", "--design", "rows.csv", "--keep-design", "--out", "cohorts", "--jobs", "1"),),
    "simulate sbc": (("toy", *DATA, "--models", "outcome", *FEW, "--out", "sbc"),),
    "simulate power": (
        ("toy", *DATA, "--models", "outcome", *FEW, "--out", "power", "--n-patients", "14", "--effect=-2"),
    ),
    "simulate compare": (("toy", *DATA, "--models", "outcome", *FEW, "--out", "compare"),),
    "stress": (("toy", *DATA, "--out", "stress", "--likelihoods", "gaussian,curved,student_t"),),
    "claims": (("toy", *DATA, "--out", "claims", "--jobs", "2"),),
    "register": (("toy", "--out", "register"),),
    "reanalyse": (
        ("toy", *DATA, "--engine", "collapsed", "--draws", "60", "--full", "--everything", "--figures", "all",
         "--spaghetti", "--share", "bundle.zip", "--jobs", "2", "--out", "out"),
        ("toy", *DATA, "--engine", "bambi", "--draws", "60", "--chains", "2", "--models", "growth", "--quick",
         "--share", "bambi.zip", "--jobs", "1", "--out", "bambi"),
        ("toy", *DATA, "--engine", "pymc", "--sampler", "pymc", "--draws", "60", "--chains", "2", "--models", "growth",
         "--quick", "--share", "pymc.zip", "--jobs", "1", "--out", "pymc"),
    ),
}  # fmt: skip
# Commands that take no rows of patients.
WITHOUT_ROWS = {"new-cells", "audit", "printed", "studies", "models"}
# Files that hold rows because they are to: what was given, and cohorts that keep a design as they were asked to.
ROWS_ASKED_FOR = (
    "toy/rows.csv",
    "rows.csv",
    "rows.xlsx",
    "rows.parquet",
    "made/rows.csv",
    "cohorts/cohort_000.parquet",
)


def test_every_command_is_run_or_takes_no_rows() -> None:
    """A command that is new fails here until it is run; those left out have no option or argument for rows."""
    assert set(RUNS) | WITHOUT_ROWS == set(commands())
    assert not set(RUNS) & WITHOUT_ROWS
    for name in WITHOUT_ROWS:
        taken = {
            word
            for action in commands()[name]._actions
            if not isinstance(action, argparse._HelpAction)
            for word in (*action.option_strings, action.metavar or action.dest)
        }
        assert not {"--data", "--design", "--patients", "DATA", "PATH"} & {str(word) for word in taken}, name


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Write the marked study."""
    return make_place(tmp_path_factory.mktemp("watched") / "place")


@pytest.fixture(scope="module")
def spelled() -> set[bytes]:
    return spellings(marked_rows())


@pytest.fixture(scope="module")
def ended(place: Place) -> dict[tuple[str, ...], tuple[int | None, bytes]]:
    """Run all commands in one process, which imports and compiles once: exit code and what was printed, by words."""
    commands = [(*command.split(), *words) for command, runs in RUNS.items() for words in runs]
    return dict(zip(commands, place.run(commands), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("command", RUNS)
def test_a_command_prints_nothing_of_a_patient(
    command: str, ended: dict[tuple[str, ...], tuple[int | None, bytes]], spelled: set[bytes]
) -> None:
    """Neither on stdout nor on stderr; and it runs to its end."""
    for words in RUNS[command]:
        code, said = ended[*command.split(), *words]
        assert code in (0, 3), said.decode()
        assert b"Traceback" not in said
        assert holds(said, spelled) == [], words


@pytest.mark.slow
@pytest.mark.usefixtures("ended")
def test_nothing_of_a_patient_is_left_behind(place: Place, spelled: set[bytes]) -> None:
    """After all of these commands: in no cache, temporary file, log, table, figure, page, posterior or bundle.

    The time of the earliest visit is part of a prior's definition in stored posteriors, which stay where they are.
    """
    assert (place.work / "out" / "report.html").exists() and (place.work / "bundle.zip").exists()
    allowed = {place.work / name for name in ROWS_ASKED_FOR}
    files = [path for path in place.root.rglob("*") if path.is_file() and path not in allowed]
    assert len(files) > 200
    earliest = repr(float(place.frame["months"].min())).encode()
    for path in files:
        found = holds(path.read_bytes(), spelled)
        if path.suffix == ".nc":
            found = [one for one in found if not earliest.startswith(one)]
        assert found == [], path
    assert not any(path.is_file() for path in (place.root / "tmp").rglob("*") if path.suffix != ".lock")


@pytest.mark.slow
@pytest.mark.usefixtures("ended")
def test_python_opens_no_file_for_writing_elsewhere(place: Place) -> None:
    """Whatever the commands wrote lies in the watched folder."""
    opened = {Path(line) for line in (place.root / "opens.log").read_text().splitlines()}
    assert len(opened) > 200
    elsewhere = {path for path in opened if not path.is_relative_to(place.root)}
    assert {path for path in elsewhere if path.suffix != ".pyc" and not path.is_relative_to("/dev")} == set()


def _containers(text: bytes, number: float) -> Iterator[tuple[str, bytes]]:
    """Yield files of every kind that is opened, with a text and a number in them."""
    frame = pd.DataFrame({"patient": [text.decode()], "score": [number]})
    yield "plain", b"<td>" + text
    yield "gzip", gzip.compress(text)
    yield "pdf", b"stream\n" + zlib.compress(text)
    for name, write in (("xlsx", frame.to_excel), ("parquet", frame.to_parquet)):
        buffer = io.BytesIO()
        write(buffer, index=False)
        yield name, buffer.getvalue()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=np.array([number]))
    yield "npz", buffer.getvalue()
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset("x", data=np.full(100, number), compression="gzip", shuffle=True)
    yield "netcdf", buffer.getvalue()


def test_the_search_finds_a_marker_in_every_kind_of_file(spelled: set[bytes]) -> None:
    """Text, packed or not, and numbers in binary; a file without one is clean."""
    number = float(marked_rows()["score"].iloc[3])
    for kind, raw in _containers(f"{MARKER}p003".encode(), number):
        assert holds(raw, spelled), kind
    for kind, raw in _containers(b"nobody", 0.25):
        assert not holds(raw, spelled), kind


def test_every_number_of_the_marked_file_is_its_own(tmp_path: Path) -> None:
    """Sixteen digits each, and the study is one of real data."""
    place = make_place(tmp_path / "place")
    values = place.frame[["patient", *MARKED]].drop_duplicates()[list(MARKED)].to_numpy(dtype=float)
    assert all(len(repr(float(value))) > 11 for value in np.unique(values))
    assert load_study(place.work / "toy").data.source == "real data"
