"""The commands on simulated studies, from the command line to the files."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bayes_alliance.cli.main import main
from tests.corpus_study import HEADER, STUDY, join, write_study
from tests.legible import saved_figures_checked

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def every_figure_is_legible() -> Iterator[None]:
    """Whatever these commands draw can be read."""
    with saved_figures_checked():
        yield


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study of the corpus with thirty patients, so that fits are ordinary ones."""
    folder = write_study(tmp_path_factory.mktemp("study"), STUDY)
    rng = np.random.default_rng(1)
    rows = [list(HEADER)]
    for patient in range(30):
        level, slope = rng.normal(4.5, 0.7), rng.normal(0.03, 0.03)
        for month in (0, 3, 6, 12, 24):
            goals = min(max(round(4 * (level + slope * month + rng.normal(0, 0.4))) / 4, 1), 7)
            cells = (patient + 1, month, "WAI-S", goals, 50, 60, 0, 30, patient % 2)
            rows.append([str(cell) for cell in cells])
    (folder / "sound.csv").write_text(join(rows), encoding="utf-8")
    return folder


def arguments(kind: str, study: Path, out: Path, *more: str) -> list[str]:
    return ["simulate", kind, str(study), "--model", "paranoid", "--out", str(out), "--quiet", *more]


def tables_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in [*out.glob("*.csv"), *out.glob("*.md")]}


def run_json(capsys: pytest.CaptureFixture[str], command: list[str]) -> tuple[int, dict[str, Any]]:
    code = main([*command, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_serial_processes_and_dask_write_the_same_tables(tmp_path: Path, study: Path) -> None:
    """Whole runs of sbc: every table and every plotted number is the same to the byte."""
    found = []
    for name, more in (
        ("serial", ["--jobs", "1"]),
        ("two", ["--jobs", "2"]),
        ("dask", ["--scheduler", "local", "--jobs", "1"]),
    ):
        out = tmp_path / name
        main(arguments("sbc", study, out, "--studies", "24", "--prior", "neutral", "--jobs", "2", *more))
        found.append(tables_of(out))
    assert len(found[0]) == 5
    assert found[0] == found[1] == found[2]


def test_sbc_says_what_is_uniform(tmp_path: Path, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tables have a line a calibration and a line a quantity, stamped as simulated; figures stand beside."""
    out = tmp_path / "out"
    code, summary = run_json(capsys, arguments("sbc", study, out, "--studies", "40", "--jobs", "1"))
    lines, quantities = summary["tables"]["calibration"], summary["tables"]["calibration_quantities"]
    assert code == (3 if any(line["strayed"] != "none" for line in lines) else 0)
    assert [line["studies"] for line in lines] == [40] and lines[0]["failed"] == 0
    assert {q["quantity"] for q in quantities} >= {"deviation", "log_likelihood", "sigma", "months:paranoid"}
    with (out / "calibration_quantities.csv").open() as stream:
        assert all(row["provenance"].startswith("simulated; design from") for row in csv.DictReader(stream))
    assert {path.suffix for path in out.glob("ranks_paranoid_collapsed_neutral.*")} == {
        ".csv",
        ".pdf",
        ".png",
        ".svg",
    }


def test_power_gives_curves_with_error(
    tmp_path: Path, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each condition, approach and estimand, with truth in points and Monte-Carlo errors."""
    out = tmp_path / "out"
    more = [
        "--studies",
        "6",
        "--jobs",
        "1",
        "--n-patients",
        "20,40",
        "--marked",
        "paranoid=8",
        "--effect=-2,0",
    ]
    code, summary = run_json(capsys, arguments("power", study, out, *more))
    rows = summary["tables"]["power_paranoid"]
    assert {row["condition"] for row in rows} == {
        "20 patients", "40 patients", "8 marked patients", "-2 points of effect", "0 points of effect",
    }  # fmt: skip
    assert {row["approach"] for row in rows} == {"ML", "REML", "collapsed, neutral prior"}
    large = [row for row in rows if row["condition"] == "-2 points of effect"]
    assert {round(row["truth"], 9) for row in large} == {-2.0}
    assert all(row["n"] + row["failed"] == 6 and row["excludes_zero_error"] > 0.0 for row in rows)
    assert code == (3 if any(row["failed"] for row in rows) else 0)
    assert (out / "power_paranoid.png").exists()


def test_compare_shows_every_scenario(
    tmp_path: Path, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four scenarios by ML, REML and Bayes; a subset on request; the figure has the same numbers as its CSV."""
    out = tmp_path / "out"
    _, summary = run_json(capsys, arguments("compare", study, out, "--studies", "4", "--jobs", "1"))
    assert len({row["condition"] for row in summary["tables"]["comparison_paranoid"]}) == 4
    assert (out / "comparison_paranoid.pdf").exists()
    more = ["--studies", "4", "--jobs", "1", "--scenarios", "ceiling"]
    _, summary = run_json(capsys, arguments("compare", study, tmp_path / "one", *more))
    assert {row["condition"] for row in summary["tables"]["comparison_paranoid"]} == {
        "a quarter of the scores at the upper end of the scale"
    }


@pytest.mark.parametrize(
    ("kind", "more", "said"),
    [
        ("sbc", ["--model", "paranoid,growth"], "one model is taken here"),
        ("sbc", ["--prior", "none"], "no such prior set"),
        ("sbc", ["--n-patients", "1"], "too few patients"),
        ("power", ["--n-patients", "x,3.5"], "'x'"),
        ("power", ["--marked", "age=3"], "no binary variable of patients"),
        ("power", ["--estimand", "none"], "no such estimand"),
        ("compare", ["--scenarios", "rain"], "allowed: as_modelled, no_slope_variance"),
        ("compare", ["--engine", "bambi"], "allowed: collapsed, pymc"),
    ],
)
def test_wrong_options_are_the_users_to_mend(
    kind: str, more: list[str], said: str, tmp_path: Path, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and a message that says what would have been right; nothing is simulated."""
    assert main(arguments(kind, study, tmp_path / "out", *more)) == 2
    assert said in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_a_killed_command_resumes_to_the_same_tables(tmp_path: Path, study: Path) -> None:
    """SIGKILL with some studies stored: the second run reuses them and ends with the tables of an unkilled one."""
    whole, out = tmp_path / "whole", tmp_path / "out"

    def command(folder: Path) -> list[str]:
        more = ["--studies", "100", "--prior", "neutral", "--jobs", "2"]
        return [sys.executable, "-m", "bayes_alliance.cli.main", *arguments("sbc", study, folder, *more)]

    process = subprocess.Popen(command(out), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(out.rglob("*.parquet"))) < 1 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    assert 1 <= len(kept) < 5
    for folder in (out, whole):
        done = subprocess.run(command(folder), cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 3)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert tables_of(out) == tables_of(whole)


@pytest.mark.skipif(not hasattr(os, "mkfifo") or os.name != "posix", reason="limits of file size are POSIX")
def test_a_disk_that_fills_up_ends_with_one_clear_message(tmp_path: Path, study: Path) -> None:
    """Where nothing more can be written the exit code is 1, what is finished is kept, and no traceback is shown."""
    import resource

    out = tmp_path / "out"
    more = ["--studies", "40", "--prior", "neutral", "--jobs", "1"]

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    done = subprocess.run(
        [sys.executable, "-m", "bayes_alliance.cli.main", *arguments("sbc", study, out, *more)],
        cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=limit,
    )  # fmt: skip
    assert done.returncode == 1
    assert (
        "results cannot be stored in" in done.stderr
        and "of 2 tasks are finished and kept there" in done.stderr
    )
    assert "Traceback" not in done.stderr


def test_the_options_of_the_guide_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """Each option that docs/simulate.md names is in the help of a command."""
    shown = ""
    for command in (["simulate", "sbc"], ["simulate", "power"], ["simulate", "compare"], ["fit-large"]):
        with pytest.raises(SystemExit):
            main([*command, "--help"])
        shown += capsys.readouterr().out
    options = set(re.findall(r"--[a-z][a-z-]+", (ROOT / "docs" / "simulate.md").read_text(encoding="utf-8")))
    assert len(options) > 10
    assert {option for option in options if option not in shown} == set()


def test_without_dask_the_command_names_the_package(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without Dask, --scheduler ends with the command that installs it."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    code = main(arguments("sbc", study, tmp_path, "--studies", "2", "--scheduler", "local"))
    assert code == 1 and "pip install 'bayes-alliance[dask]'" in capsys.readouterr().err
