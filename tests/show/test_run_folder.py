"""What a run leaves and prints: text, JSON and the list of its files."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from bayes_alliance.assess.summaries import Quantity
from bayes_alliance.run.pipeline import run_study
from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.run_folder import write_run
from bayes_alliance.show.terminal import data_json, format_data, format_quantities, quantities_json
from tests.small_study import small_data, small_frame, small_settings, small_study

SETTINGS = small_settings(models=("growth", "paranoid"))
STUDY = small_study()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def results(folder: Path) -> StudyResults:
    (folder / "posteriors").mkdir()
    return run_study(STUDY, small_data(STUDY), SETTINGS, store=folder / "posteriors")


def test_json_holds_every_number_at_full_precision(results: StudyResults) -> None:
    """Reading the JSON gives back the very numbers of the run; what does not exist is null."""
    found = json.loads(json.dumps(quantities_json(results), allow_nan=False))
    model = {m["model"]: m for m in found["models"]}["paranoid"]
    run = results.run("paranoid")
    assert run is not None
    listed = {q["name"]: q for q in model["quantities"]}
    for quantity in run.quantities:
        assert quantity.bayes is not None
        assert listed[quantity.name]["ml"]["estimate"] == quantity.ml.estimate
        assert listed[quantity.name]["bayes"]["median"] == quantity.bayes.median
    assert listed["sigma"]["ml"]["se"] is None
    assert (model["n_rows"], model["covariance"]) == (117, {"ml": "UN", "bayes": "UN"})
    assert (found["interval"], found["source"]) == ("95 % equal-tailed", "synthetic")


def test_json_without_a_posterior_has_null_for_bayes() -> None:
    """The frequentist part alone is valid JSON too."""
    found = run_study(STUDY, small_data(STUDY), dataclasses.replace(SETTINGS, engine="none"))
    (first, _) = json.loads(json.dumps(quantities_json(found), allow_nan=False))["models"]
    assert all(q["bayes"] is None for q in first["quantities"])
    assert first["covariance"]["bayes"] is None


def test_text_shows_each_quantity_once_in_aligned_columns(results: StudyResults) -> None:
    """One line a quantity, every column ending where its heading ends, provenance above."""
    text = format_quantities(results)
    lines = text.splitlines()
    run = results.runs[1]
    assert "synthetic, made up; 24 patients, 117 rows; covariance type ML UN, Bayes UN" in text
    start = lines.index(f"paranoid: {run.design.formula.text}") + 2
    block = lines[start : start + 1 + len(run.quantities)]
    assert len({len(line) for line in block}) == 1
    for line, quantity in zip(block[1:], run.quantities, strict=True):
        assert line.split()[0] == quantity.name
        assert f"{quantity.ml.estimate:.4g}" in line


def _renamed(results: StudyResults, name: str, p: float) -> Quantity:
    quantity = results.runs[0].quantities[1]
    return dataclasses.replace(quantity, name=name, ml=dataclasses.replace(quantity.ml, p=p))


def test_long_names_and_small_p_values_stay_readable(results: StudyResults) -> None:
    """A long name widens its column; a p value below 0.00005 is not printed as zero."""
    run = dataclasses.replace(results.runs[0], quantities=(_renamed(results, "x" * 60, 1e-9),))
    lines = format_quantities(dataclasses.replace(results, runs=(run,))).splitlines()
    (line,) = (line for line in lines if line.split()[:1] == ["x" * 60])
    assert " <0.0001 " in line


def test_a_p_value_that_does_not_exist_is_left_blank(results: StudyResults) -> None:
    """No "nan" in the text."""
    run = dataclasses.replace(results.runs[0], quantities=(_renamed(results, "slope", math.nan),))
    assert "nan" not in format_quantities(dataclasses.replace(results, runs=(run,)))


def test_check_of_data_counts_and_gives_reasons() -> None:
    """Patients, rows, models that run with what they leave out, models that do not with the reason."""
    data = small_data(STUDY, small_frame().drop(columns="paranoid").assign(extra=1))
    study = dataclasses.replace(STUDY, descriptive_group="")
    found = json.loads(json.dumps(data_json(study, data)))
    assert (found["ok"], found["n_patients"], found["n_rows"]) == (True, 24, 120)
    assert found["models_skipped"] == {"paranoid": "the data lack paranoid"}
    assert found["unused_columns"] == ["extra"]
    by_model = {m["model"]: m for m in found["models"]}
    assert by_model["age"]["left_out"][1] == "10 rows (2 whole patients) without age"
    text = format_data(data_json(study, data))
    assert "made up: 24 patients, 120 rows" in text
    assert "4 models can be run:" in text
    assert "paranoid: cannot be run: the data lack paranoid" in text


def test_a_model_left_out_of_its_comparison_is_not_called_impossible() -> None:
    """It runs; the text says separately what it is not compared with."""
    frame = small_frame()
    first = frame["patient"] < "p12"
    frame.loc[first, "age"] = np.nan
    frame.loc[~first, "paranoid"] = np.nan
    data = small_data(STUDY, frame)
    assert data_json(STUDY, data)["models_skipped"] == {}
    text = format_data(data_json(STUDY, data))
    assert "cannot be run" not in text
    assert "left out of comparison goals: growth: no row has all of" in text


def test_a_run_leaves_tables_figures_posteriors_and_a_manifest_that_lists_them(
    results: StudyResults, folder: Path
) -> None:
    """Every file named exists, the manifest lists all others, and files of earlier runs are not claimed."""
    (folder / "posteriors" / "former.collapsed.nc").write_bytes(b"x")
    written = write_run(results, SETTINGS, folder)
    assert all(path.is_file() for path in written)
    assert written[-1].name == "manifest.json"
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    assert set(listed) == {path.relative_to(folder).as_posix() for path in written[:-1]}
    assert {name for name in listed if name.startswith("posteriors/")} == {
        "posteriors/growth.collapsed.nc",
        "posteriors/paranoid.collapsed.nc",
    }
    assert any(name.startswith("tables/") for name in listed)


def test_fit_gives_profile_intervals_and_a_bootstrap_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    """`fit --profile --bootstrap N --json -` holds an interval for every ML estimate and the bootstrapped p."""
    from bayes_alliance.cli.main import main

    options = ["fit", "medication", "--model", "treatment", "--engine", "none", "--json", "-"]
    assert main([*options, "--profile", "--bootstrap", "9"]) == 0
    told = json.loads(capsys.readouterr().out)
    intervals = {item["name"]: item for item in told["profile_intervals"]}
    wanted = {"days:treat", "deviation_treatment", "sd_Intercept", "sd_days", "correlation", "sigma"}
    assert wanted <= set(intervals)
    assert all(item["lower"] < item["estimate"] < item["upper"] for item in intervals.values())
    assert told["slope_bootstrap"]["p"] == pytest.approx(0.1)
