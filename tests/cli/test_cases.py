"""Situations from public reports of other programs: the numbers are right, or one message says why there are none.

Inputs, sources and right values stand in ``tests/reference/cases``; where a README allows "or a message", the test says
which of the two is done here. ``BEFORE`` says what version 0.1.0 (commit 674b3ab) did, run on the same folders: each
of these tests fails there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import bayes_alliance as ba
from bayes_alliance.cli.main import main

CASES = Path(__file__).parents[1] / "reference" / "cases"
Capture = pytest.CaptureFixture[str]

# By case: what came of it (a wrong answer without a word, a traceback, or a refusal that named neither cause nor
# remedy) and what was seen.
BEFORE = {
    "01": ("wrong", "0 cells missing by the declared code; mean 59.57 in place of 53.94"),
    "03": ("refusal", "51 problems: the same patient and time as in line 2"),
    "05": ("refusal", "no row has all of id, months, gaf"),
    "08": ("refusal", "40 problems: not a permitted value; allowed: 0 or 1"),
    "10": ("refusal", "24 problems: not a number, of text that the study file gave"),
    "11": ("traceback", "new-study: KeyError: 'gaf'; check-data: 17 problems: not a number"),
    "13": ("refusal", "the 5 fixed columns have rank 4"),
    "14": ("wrong", "SDs 4.197 and 0.452, one point of a ridge, without a word"),
    "15": ("wrong", "effect of the year 0.004 by Bayes, 0.872 by ML, all checks passed"),
    "15c": ("wrong", "deviation by birth year 0.00015 by Bayes, 0.02935 by ML"),
    "17b": ("wrong", "57 degrees of freedom and p = .041 in place of 9 and .066"),
    "18": ("traceback", "IndexError: index 2 is out of bounds for axis 0 with size 2"),
    "21": ("wrong", "intervals of the SDs left out of 'every ML estimate' without a word"),
    "22": ("refusal", "'months:arm' is not a term of the formula"),
    "23": ("refusal", "one grouping factor is supported; ')' expected, found '/'"),
    "25": ("wrong", "a share of 55.5 % of the intercept variance in place of none"),
    "27": ("wrong", "zeros and ones fitted as Gaussian without a word"),
    "28": ("refusal", "40 problems: the time is negative, and no remedy"),
    "31": ("wrong", "two sound means accused: a whole sum cannot give this mean"),
    "32": ("refusal", "10 of 11 spellings: malformed cell, whatever the reason"),
    "33": ("wrong", "two impossible SDs passed as consistent"),
    "36": ("wrong", "5284 read as 5.284 without a warning"),
    "37": ("traceback", "ValueError: the 4 fixed columns have rank 2"),
}


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
    found: dict[str, Any]
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


def test_three_levels_are_those_of_lme4(capsys: Capture) -> None:
    """However they are written (bambi #358); the second value is lme4 1.1-31's for (1 | therapist/id)."""
    wanted = expected("23")["nested"]
    for form, minus2 in (("nested", wanted["minus2_loglik_ml"]), ("slash", 2311.106651)):
        path = folder("23") / form
        assert main(["check-data", str(path), str(path / "data.csv")]) == 0
        capsys.readouterr()
        (run,) = fit(capsys, path, "three")["models"]
        assert run["deviance_ml"] == pytest.approx(minus2, abs=6e-4)
        if form == "nested":
            sds = {q["name"]: q["ml"]["estimate"] for q in run["quantities"] if q["kind"] == "sd"}
            assert sds["sd_Intercept | therapist"] == pytest.approx(wanted["sd_therapist"], abs=6e-4)
            assert sds["sd_Intercept | id"] == pytest.approx(wanted["sd_id"], abs=6e-4)


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


@pytest.mark.slow
def test_profiles_of_a_singular_fit(capsys: Capture) -> None:
    """As lme4 profiles them (glmmTMB #309), but for the lower limit of the intercept's SD.

    lme4 follows one branch and stops at 1.045; the likelihood at a correlation of one allows 0.567
    (tests/inference/test_ml_intervals.py), which is the right limit.
    """
    want = expected("21")["profile"]
    found = fit(capsys, folder("21"), "growth", "--profile")
    intervals = {item["name"]: (item["lower"], item["upper"]) for item in found["profile_intervals"]}
    assert set(intervals) == set(want)
    for name, limits in intervals.items():
        right = (0.567, want[name][1]) if name == "sd_Intercept" else want[name]
        assert limits == pytest.approx(right, abs=expected("21")["tolerance"])
    assert "no profile interval of the correlation" in found["profile_note"]
    assert "ML and REML singular" in " ".join(found["models"][0]["remarks"])


def test_every_case_is_tested() -> None:
    """And it is known what 0.1.0 did with it."""
    assert set(BEFORE) == {path.name.partition("-")[0] for path in CASES.iterdir() if path.is_dir()}
    text = Path(__file__).read_text(encoding="utf-8")
    assert all(f'folder("{number}")' in text for number in BEFORE)


def bayes(capsys: Capture, path: Path, model: str) -> dict[str, tuple[float, float]]:
    """Fit one model by the collapsed engine; mean and SD of each coefficient, from median and 95 % interval."""
    assert main(["fit", str(path), "--model", model, "--engine", "collapsed", "--quiet", "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["models"]
    return {
        q["name"]: (q["bayes"]["median"], (q["bayes"]["upper"] - q["bayes"]["lower"]) / 3.92)
        for q in run["quantities"]
        if q["kind"] == "coefficient"
    }


def test_a_calendar_year_keeps_its_effect(capsys: Capture) -> None:
    """The prior of the intercept does not speak of the year 0 (brms #114)."""
    want = expected("15")
    found = bayes(capsys, folder("15"), want["model"])
    assert found["year"][0] == pytest.approx(want["year"]["mean"], abs=want["year"]["tolerance_mean"])
    assert found["year"][1] == pytest.approx(want["year"]["sd"], abs=want["year"]["tolerance_sd"])
    slope = want["months:year"]
    assert found["months:year"][1] == pytest.approx(slope["sd"], abs=slope["tolerance_sd"])
    height = bayes(capsys, folder("15"), want["model2"])["height"]
    assert height[0] == pytest.approx(want["height"]["mean"], abs=want["height"]["tolerance_mean"])


def test_a_birth_year_keeps_its_deviation_of_slopes(capsys: Capture) -> None:
    """As lme4 finds it (brms.mmrm #128)."""
    want = expected("15c")["months:birth_year"]
    found = bayes(capsys, folder("15c"), "y_by_birth_year")["months:birth_year"]
    assert found[0] == pytest.approx(want["bayes_mean"], abs=want["tolerance_mean"])
    assert found[1] == pytest.approx(want["bayes_sd"], rel=0.05)


def test_degrees_of_freedom_do_not_depend_on_the_unit(capsys: Capture) -> None:
    """Mol per litre, ten patients: Satterthwaite's by lmerTest (lmerTestR #65)."""
    want = expected("17b")["months"]
    (run,) = fit(capsys, folder("17b"), "growth")["models"]
    (slope,) = [q for q in run["quantities"] if q["name"] == "months"]
    for method in ("ml", "reml"):
        assert slope[method]["df"] == pytest.approx(want[f"{method}_df"], abs=want["tolerance_df"])
        assert slope[method]["p"] == pytest.approx(want[f"{method}_p"], abs=0.001)


@pytest.mark.slow
def test_a_predictor_within_patients_explains_no_difference_between_them() -> None:
    """Centred in each patient, it carries none of the variance of intercepts (performance #601)."""
    results = ba.reanalyse(str(folder("25")), engine="collapsed")
    table = ba.tables(results)["table_i_explained_variation"].to_frame()
    (row,) = table[table["column"] == "intercept variation"].to_dict("records")
    want = expected("25")
    share = row["bayes_within_model_share_percent_mean"]
    assert share == pytest.approx(want["within_model_share_intercept_percent"], abs=want["tolerance"])


def audit(capsys: Capture, path: Path) -> list[str]:
    """Audit the printed numbers of a case; the lines that name a finding."""
    assert main(["audit", str(path), "--all"]) == 0
    return [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]


def test_a_mean_of_items_is_not_accused(capsys: Capture) -> None:
    """3.63 of twelve items and 18 patients is 784/216; a continuous age has no grid (scrutiny)."""
    lines = audit(capsys, folder("31"))
    assert any(line.startswith("consistent: mean of whole numbers") and "12 items" in line for line in lines)
    assert any(line.startswith("not testable: mean of whole numbers") and "age" in line for line in lines)
    assert not any(line.startswith("inconsistent") for line in lines)


def test_impossible_spreads_are_found(capsys: Capture) -> None:
    """Zeros and ones, and a scale from 1 to 7, whose ends leave no room for the SD (DEBIT, GRIMMER)."""
    wrong = [line for line in audit(capsys, folder("33")) if line.startswith("inconsistent")]
    assert [line.split(": ")[3] for line in wrong] == ["relapse (control)", "score (control)"]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        ("00", ""),
        ("01", "write '95% CI [-0.05, -0.01]'"),
        ("02", "write '95% CI [-0.05, -0.01]'"),
        ("03", ""),
        ("04", "state marks = {"),
        ("05", "write SE or SD before it"),
        ("06", ""),
        ("07", "state marks = {"),
        ("08", ""),
        ("09", ""),
        ("10", ""),
    ],
)
def test_printed_forms_are_read_or_the_message_says_how_to_write_them(
    capsys: Capture, number: str, remedy: str
) -> None:
    """Middle dots, intervals, daggers, exponents; two readings are never chosen between (statcheck #87)."""
    path = folder("32") / number
    if remedy:
        assert remedy in said(capsys, ["audit", str(path)])
    else:
        audit(capsys, path)
