"""A group of one patient among forty is told by nothing that a run on real data writes or prints by default."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.cli.main import main
from bayes_alliance.data.dictionary import describe_data, hide_parts
from bayes_alliance.data.rows import data_from_frame
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Source
from tests.corpus_study import write_study
from tests.show.test_privacy import readable

ONLY = "P001"


def write_case(folder: Path) -> pd.DataFrame:
    """Write a study of forty patients, one of them treated, with six visits in a window; return the rows."""
    rng = np.random.default_rng(7)
    folder.mkdir()
    rows = []
    for number in range(40):
        age = 21 if number == 0 else int(rng.integers(25, 60))
        level = rng.normal(4.5, 0.7)
        for visit in range(6):
            goal = float(np.clip(np.round(4 * (level + 0.05 * visit + rng.normal(0.0, 0.4))) / 4, 1.0, 7.0))
            rows.append((f"P{number + 1:03d}", 0.5 * visit, goal, int(number == 0), age))
    frame = pd.DataFrame(rows, columns=["pid", "month", "goals", "arm", "age"])
    frame.to_csv(folder / "rows.csv", index=False)
    study = write_study(folder.parent / "scratch").joinpath("study.toml").read_text()
    head = study.split("[variables.version]")[0].replace('column = "id"', 'column = "pid"')
    head = head.replace('descriptive_group = "paranoid"', 'descriptive_group = "arm"')
    head = head.replace('file = "sound.csv"', 'file = "rows.csv"').replace("horizon = 36", "horizon = 12")
    (folder / "study.toml").write_text(
        head
        + """
[variables.goals]
level = "visit"
kind = "numeric"
minimum = 1
maximum = 7
step = 0.25

[variables.arm]
level = "patient"
kind = "binary"
categories = ["control", "treated"]

[variables.age]
level = "patient"
kind = "numeric"

[[models]]
id = "growth"
label = "Growth"
family = "growth"
formula = "goals ~ months + (months | patient)"

[[models]]
id = "by_arm"
label = "By arm"
family = "growth"
formula = "goals ~ months + arm + months:arm + (months | patient)"
reference = "growth"

[[priors]]
name = "neutral"
label = "Neutral"
[priors.outcomes.goals]
intercept = [4, 2]
slope = [0, 2]
effect_intercept = [0, 1]
effect_slope = [0, 1]
sd_intercept = 1
sd_slope = 1
sigma = 1
lkj_eta = 2
"""
    )
    shutil.rmtree(folder.parent / "scratch")
    return frame


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame, str]:
    """Run the study by default; return its folder, its rows and what was printed."""
    folder = tmp_path_factory.mktemp("one")
    frame = write_case(folder / "study")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        options = [
            "--engine",
            "collapsed",
            "--draws",
            "100",
            "--figures",
            "svg",
            "--out",
            str(folder / "out"),
        ]
        code = main(["reanalyse", str(folder / "study"), "--everything", *options])
    assert code in (0, 3), printed.getvalue()
    return folder, frame, printed.getvalue()


def test_nothing_of_the_one_patient_is_in_tables_figures_or_report(
    case: tuple[Path, pd.DataFrame, str],
) -> None:
    """Neither the mean nor the SD of the visits, in any number of digits from three, nor the age as a mean."""
    folder, frame, _ = case
    own = frame.loc[frame["pid"] == ONLY, "goals"]
    told = [f"{value:.{digits}f}" for value in (own.mean(), own.std()) for digits in (3, 4, 5)]
    files = [path for part in ("tables", "figures") for path in (folder / "out" / part).iterdir()]
    files += [folder / "out" / "report.html"]
    assert len(files) > 20
    for path in files:
        text = readable(path.read_bytes()).decode(errors="replace")
        cells = set(re.findall(r"(?<![\d.])\d+\.\d+(?![\d.])", text)) if path.suffix != ".svg" else set()
        assert not cells & set(told), path.name
        assert "21.0 (" not in text and "21 (" not in text, path.name


def test_the_model_of_the_one_patient_is_withheld_with_its_reason(
    case: tuple[Path, pd.DataFrame, str],
) -> None:
    """Its slope would be that patient's."""
    folder, _, _ = case
    rows = pd.read_csv(folder / "out" / "tables" / "rows.csv")
    withheld = rows.loc[rows["model_id"] == "by_arm", "left_out"]
    assert withheld.str.contains("fewer than 5 patients").all()
    assert "by_arm" not in set(pd.read_csv(folder / "out" / "tables" / "estimands.csv")["model_id"])


def test_the_manifest_says_by_what_was_masked(case: tuple[Path, pd.DataFrame, str]) -> None:
    """Five patients by default on real data."""
    manifest = json.loads((case[0] / "out" / "manifest.json").read_text())
    assert manifest["presentation"]["min_cell"] == 5


def test_the_dictionary_hides_complements(case: tuple[Path, pd.DataFrame, str]) -> None:
    """39 of 40 tell of the one; values that one patient has give no mean."""
    folder, frame, _ = case
    study = load_study(folder / "study")
    sparse = frame.assign(age=frame["age"].where(frame["pid"] == ONLY))
    data = data_from_frame(study, sparse, source=Source.REAL, origin="x")
    entries = {entry.name: entry for entry in describe_data(study, data, min_cell=5)}
    assert entries["arm"].summary == "0 (control): not shown, 1 (treated): <5"
    assert (entries["age"].present, entries["age"].missing) == (None, None)
    assert "21" not in entries["age"].summary
    assert "too few" in {e.name: e for e in describe_data(study, data)}["age"].summary


@pytest.mark.parametrize(
    ("parts", "hidden"),
    [
        ({"a": 37, "b": 3}, {"a", "b"}),
        ({"a": 30, "b": 3, "c": 7}, {"b", "c"}),
        ({"a": 30, "b": 3, "c": 4}, {"b", "c"}),
        ({"a": 30, "b": 2, "c": 2, "d": 9}, {"b", "c", "d"}),
        ({"a": 35, "b": 5}, set()),
        ({"a": 40, "b": 0}, set()),
    ],
)
def test_what_is_hidden_together_is_of_enough_patients(parts: dict[str, int], hidden: set[str]) -> None:
    """By hand."""
    assert hide_parts(parts, 5) == hidden


def test_a_shared_bundle_of_real_data_masks_at_least_five(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--min-cell 1 and --share do not go together."""
    write_case(tmp_path / "study")
    options = ["--min-cell", "1", "--share", str(tmp_path / "b.zip"), "--out", str(tmp_path / "out")]
    assert main(["reanalyse", str(tmp_path / "study"), *options]) == 2
    assert "describes no fewer patients" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
