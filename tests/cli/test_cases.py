"""Situations from public reports of other programs: the numbers are right, or one message says why there are none.

Inputs, sources and right values stand in ``tests/reference/cases``; where a README allows "or a message", the test says
which of the two is done here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bayes_alliance.cli.main import main

CASES = Path(__file__).parents[1] / "reference" / "cases"
Capture = pytest.CaptureFixture[str]


def folder(number: str) -> Path:
    (found,) = CASES.glob(f"{number}-*")
    return found


def data_file(path: Path) -> Path:
    return next(file for file in path.iterdir() if file.stem == "data")


def expected(number: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder(number) / "expected.json").read_text())
    return found


def check(capsys: Capture, path: Path, *options: str, code: int = 0) -> dict[str, Any]:
    """Run ``check-data --json`` on a case."""
    assert main(["check-data", str(path), str(data_file(path)), "--json", *options]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def entry(facts: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [item for item in facts["dictionary"] if item["name"] == name]
    return found


def mean_of(facts: dict[str, Any], name: str) -> float:
    return float(entry(facts, name)["summary"].split("mean ")[1].split(",")[0])


def fit(capsys: Capture, path: Path, model: str, *options: str) -> dict[str, Any]:
    """Fit one model by ML and give its JSON."""
    assert main(["fit", str(path), "--model", model, "--engine", "none", "--json", "-", *options]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def said(capsys: Capture, arguments: list[str]) -> str:
    """Run a command that must be refused with exit code 2 and no traceback."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err


def test_a_missing_code_is_found_however_it_is_written(capsys: Capture) -> None:
    """99 declared, 99.0 in the file (pandas #59303)."""
    facts, want = check(capsys, folder("01")), expected("01")
    assert entry(facts, "gaf")["missing"] == want["missing_gaf"]
    assert entry(facts, "gaf")["present"] == want["rows_used"]
    assert mean_of(facts, "gaf") == pytest.approx(want["mean_gaf"], abs=want["tolerance"])
    assert facts["warnings"] == []


def test_times_of_day_count_where_patients_are_seen_several_times_a_day(capsys: Capture) -> None:
    """Three time stamps a day (readxl #160)."""
    facts, want = check(capsys, folder("03")), expected("03")
    assert (facts["n_rows"], facts["n_patients"]) == (want["rows"], want["patients"])
    assert mean_of(facts, "days") == pytest.approx(want["mean_days"], abs=want["tolerance"])
    stated = check(capsys, folder("03"), "--date-format", "%Y-%m-%d %H:%M:%S")
    assert entry(stated, "days") == entry(facts, "days")


def test_formulas_that_were_never_computed_are_named(capsys: Capture) -> None:
    """The column and what to do, not cells that are missing (pandas #25763)."""
    facts = check(capsys, folder("05"), code=2)
    (problem,) = facts["problems"]
    assert "column 'gaf': 80 formulas have no stored value" in problem
    assert "open the workbook in Excel" in problem


def test_labels_and_missing_codes_of_haven_are_read(capsys: Capture) -> None:
    """An .rds file of labelled columns gives what the .sav file of the same data gives (haven #588)."""
    facts, want = check(capsys, folder("08")), expected("08")
    assert entry(facts, "gaf")["missing"] == want["missing_gaf"]
    assert entry(facts, "gaf")["present"] == want["rows_used"]
    assert mean_of(facts, "gaf") == pytest.approx(want["mean_gaf"], abs=0.01)
    assert entry(facts, "treat")["summary"] == "0 (TAU): 10, 1 (CBT): 10"


def test_values_of_the_study_file_are_read_by_its_own_rules(capsys: Capture) -> None:
    """1.5 in TOML is one and a half also where the data file has decimal commas (REDCapTidieR #210)."""
    facts, want = check(capsys, folder("10")), expected("10")
    assert facts["n_rows"] == want["rows"]
    assert mean_of(facts, "months") == pytest.approx(want["mean_months"], abs=want["tolerance"])


def test_null_is_a_missing_value(capsys: Capture, tmp_path: Path) -> None:
    """As SQL writes it, in check-data and in new-study (dbeaver #4755)."""
    facts, want = check(capsys, folder("11")), expected("11")
    assert entry(facts, "gaf")["missing"] == want["missing_gaf"]
    new = ["new-study", str(data_file(folder("11"))), "--out", str(tmp_path / "s"), "--yes"]
    assert main(new) == 0
    assert "outcomes: gaf" in capsys.readouterr().out


@pytest.mark.parametrize("model", ["all_sites", "control_sites"])
def test_levels_that_do_not_occur_are_left_out_with_a_note(capsys: Capture, model: str) -> None:
    """The deviance of lme4, which drops them too (glmmTMB #1279)."""
    want = expected("13")
    (run,) = fit(capsys, folder("13"), model)["models"]
    assert run["deviance_ml"] == pytest.approx(want[model]["minus2_loglik_ml"], abs=want["tolerance"])
    columns = [q["name"] for q in run["quantities"] if q["kind"] == "coefficient"]
    assert len(columns) == want[model]["columns"]
    assert main(["fit", str(folder("13")), "--model", model, "--engine", "none"]) == 0
    assert "no row has site = " in capsys.readouterr().out


def test_two_visits_cannot_carry_a_random_slope(capsys: Capture) -> None:
    """Four parameters for three moments are refused; the model with a random intercept runs (lme4 #518)."""
    facts = check(capsys, folder("14"))
    assert "cannot be told apart" in facts["models_skipped"]["growth"]
    assert [model["model"] for model in facts["models"]] == ["intercept"]
    command = ["fit", str(folder("14")), "--model", "growth", "--engine", "none"]
    assert "use a random intercept" in said(capsys, command)


def test_a_variable_called_intercept_is_refused(capsys: Capture, tmp_path: Path) -> None:
    """When the study is read; under another name the effect is lme4's (brms #808)."""
    text = (folder("18") / "study.toml").read_text()
    assert "variable 'Intercept'" in said(capsys, ["fit", str(folder("18")), "--model", "with"])
    renamed = text.replace("[variables.Intercept]", '[variables.v_int]\ncolumn = "Intercept"')
    renamed = renamed.replace("+ Intercept +", "+ v_int +").replace("{ Intercept = 1 }", "{ v_int = 1 }")
    (tmp_path / "study.toml").write_text(renamed)
    (tmp_path / "data.csv").write_bytes((folder("18") / "data.csv").read_bytes())
    want = expected("18")
    (run,) = fit(capsys, tmp_path, "with")["models"]
    assert run["deviance_ml"] == pytest.approx(want["minus2_loglik_ml"], abs=0.01)
    (effect,) = [q for q in run["quantities"] if q["name"] == "v_int"]
    assert effect["ml"]["estimate"] == pytest.approx(want["coefficient"]["ml"], abs=0.01)


def test_new_study_never_takes_a_reserved_name(capsys: Capture, tmp_path: Path) -> None:
    """The study file that it writes for such a column passes check-data."""
    out = tmp_path / "s"
    assert main(["new-study", str(folder("18") / "data.csv"), "--out", str(out), "--yes"]) == 0
    assert main(["check-data", str(out), str(out / "data.csv")]) == 0
    assert "v_Intercept: column 'Intercept'" in capsys.readouterr().out


def test_either_order_of_an_interaction_is_the_same_term(capsys: Capture) -> None:
    """months:arm in the weights, arm*months in the formula (mmrm #459)."""
    (run,) = fit(capsys, folder("22"), "by_arm")["models"]
    found = {q["name"]: q["ml"] for q in run["quantities"]}
    assert found["dev"] == found["arm:months"]


@pytest.mark.parametrize("form", ["nested", "slash"])
def test_three_levels_are_refused_in_plain_words(capsys: Capture, form: str) -> None:
    """However they are written (bambi #358)."""
    path = folder("23") / form
    message = said(capsys, ["check-data", str(path), str(path / "data.csv")])
    assert "patients within therapists or clinics, are not supported" in message


def test_a_binary_outcome_is_not_fitted_as_gaussian(capsys: Capture) -> None:
    """Refused with what to use instead."""
    message = said(capsys, ["fit", str(folder("27")), "--model", "growth", "--engine", "none"])
    assert "binary (two values), and only Gaussian models are fitted here" in message


def test_negative_times_run_where_they_are_declared(capsys: Capture, tmp_path: Path) -> None:
    """Undeclared, one message says both ways to declare them; either gives the same slope."""
    message = said(capsys, ["check-data", str(folder("28")), str(folder("28") / "data.csv")])
    assert message.count("the time is negative (40 of 149 cells)") == 1
    assert "minimum = -1" in message and "time_zero" in message
    text = (folder("28") / "study.toml").read_text()
    slopes = []
    for old, new in (
        ('column = "months"', 'column = "months"\nminimum = -1'),
        ("[data]", "[data]\ntime_zero = -1"),
    ):
        changed = text.replace("[variables.months]\n", '[variables.months]\ncolumn = "months"\n').replace(
            old, new
        )
        (tmp_path / "study.toml").write_text(changed)
        (tmp_path / "data.csv").write_bytes((folder("28") / "data.csv").read_bytes())
        (run,) = fit(capsys, tmp_path, "growth")["models"]
        slopes.append({q["name"]: q["ml"]["estimate"] for q in run["quantities"]}["months"])
    assert slopes[0] == pytest.approx(slopes[1], abs=1e-6)


def test_thousands_that_look_like_decimals_are_warned_of(capsys: Capture) -> None:
    """And the option that the warning names gives the right mean (meta-csv #5)."""
    (warning,) = check(capsys, folder("36"))["warnings"]
    assert "column 'cost'" in warning and "--decimal comma" in warning
    stated = check(capsys, folder("36"), "--decimal", "comma")
    assert stated["warnings"] == []
    assert mean_of(stated, "cost") == pytest.approx(expected("36")["mean_cost"], abs=1)


@pytest.mark.parametrize("visits", ["1", "2"])
def test_power_of_too_few_visits_is_refused(capsys: Capture, tmp_path: Path, visits: str) -> None:
    """With a message that names the option (simr #263)."""
    command = ["simulate", "power", str(folder("37")), "--n-visits", visits, "--out", str(tmp_path / "p")]
    message = said(capsys, command)
    assert "option --n-visits" in message and "three or more visits for a random slope" in message


def test_profiles_of_a_singular_fit_say_what_they_leave_out(capsys: Capture) -> None:
    """Fixed effects as lme4 profiles them; a line says why SDs have none (glmmTMB #309)."""
    want = expected("21")["profile"]
    found = fit(capsys, folder("21"), "growth", "--profile")
    intervals = {item["name"]: (item["lower"], item["upper"]) for item in found["profile_intervals"]}
    assert set(intervals) == {"Intercept", "months"}
    for name, limits in intervals.items():
        assert limits == pytest.approx(want[name], abs=expected("21")["tolerance"])
    assert "no profile intervals of SDs" in found["profile_note"]
    assert "ML and REML singular" in " ".join(found["models"][0]["remarks"])
