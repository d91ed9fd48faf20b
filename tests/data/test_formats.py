"""One data set, written in every format and dialect, gives the same rows, fit, warnings and refusals."""

from __future__ import annotations

import functools
import itertools
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat
import pytest
import rdata

from bayes_alliance.data.rows import StudyData, read_data
from bayes_alliance.errors import InputError
from bayes_alliance.inference.ml import fit_mixed
from bayes_alliance.run.plan import plan_study
from bayes_alliance.study.records import Model, ReadOptions, Study
from tests.builders import build_study, build_variable

MODEL = Model(
    id="growth",
    label="growth",
    family="growth",
    outcome="gaf",
    formula="gaf ~ months + arm + months:arm + (months | patient)",
)
STUDY = replace(
    build_study(
        variables=(
            build_variable("patient", "patient", "category", column="id"),
            build_variable("months"),
            build_variable("gaf", limits=(0, 100)),
            build_variable("weight"),
            build_variable("arm", "patient", "binary", categories=("TAU", "CBT")),
            build_variable("smoker", "patient", "binary"),
        ),
        derived=(),
    ),
    scoring=(),
    models=(MODEL,),
)
OPTIONS = ReadOptions(missing=("-99",))


def table(seed: int, fault: str = "") -> pd.DataFrame:
    """Thirty patients at four visits; codes of missing values, gaps, decimals and, if asked for, one fault."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(1, 31), 4)
    months = np.tile([0.0, 1.5, 6.0, 12.0], 30)
    effect = rng.normal(0.0, 6.0, 31)[patient]
    gaf = np.round(np.clip(50.0 + effect + 0.6 * months + rng.normal(0.0, 4.0, 120), 1, 99))
    gaf[rng.choice(120, 12, replace=False)] = -99.0
    weight = np.round(70.0 + rng.normal(0.0, 9.0, 120), 2)
    weight[rng.choice(120, 9, replace=False)] = np.nan
    frame = pd.DataFrame({"id": patient.astype(float), "months": months, "gaf": gaf, "weight": weight})
    frame["arm"] = np.where(patient % 2, "TAU", "CBT")
    frame["smoker"] = patient % 3 == 0
    if fault == "out of range":
        frame.loc[[3, 50, 90, 91, 92], "gaf"] = 140.0
    elif fault == "twice":
        frame.loc[1, "months"] = 0.0
    elif fault == "undeclared code":
        frame.loc[5, "weight"] = 999.0
    elif fault == "negative":
        frame.loc[frame["months"] == 0.0, "months"] = -1.0
    elif fault == "no gaf":
        frame = frame.drop(columns="gaf")
    return frame


def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sample(frac=1.0, random_state=1)[list(reversed(frame.columns))]


def coded(frame: pd.DataFrame) -> pd.DataFrame:
    """The arm as the codes 2 and 1, to be labelled."""
    return frame.assign(arm=np.where(frame["arm"] == "TAU", 2.0, 1.0), smoker=frame["smoker"].astype(float))


LABELS = {"arm": {1: "CBT", 2: "TAU"}}


def csv(**how: object) -> Callable[[Path, pd.DataFrame], object]:
    return lambda path, frame: frame.to_csv(path, index=False, **how)  # type: ignore[call-overload]


def nulls(path: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(path, index=False, na_rep="NULL")


def row_names(path: Path, frame: pd.DataFrame) -> None:
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    frame.to_csv(path, quoting=2)


def rds(path: Path, frame: pd.DataFrame) -> None:
    rdata.write_rds(path, frame.assign(arm=pd.Categorical(frame["arm"])))


WRITERS: dict[str, Callable[[Path, pd.DataFrame], object]] = {
    "comma.csv": csv(),
    "semicolon.csv": csv(sep=";", decimal=","),
    "semicolon_point.csv": csv(sep=";"),
    "tab.tsv": csv(sep="\t", encoding="utf-16"),
    "bom.csv": csv(encoding="utf-8-sig"),
    "two_decimals.csv": csv(float_format="%.2f"),
    "null.csv": nulls,
    "row_names.csv": row_names,
    "shuffled.csv": lambda path, frame: shuffled(frame).to_csv(path, index=False),
    "quoted.csv": csv(quoting=1),
    "book.xlsx": lambda path, frame: frame.to_excel(path, index=False),
    "spss.sav": lambda path, frame: pyreadstat.write_sav(
        coded(frame), str(path), variable_value_labels=LABELS
    ),
    "stata.dta": lambda path, frame: pyreadstat.write_dta(
        coded(frame), str(path), variable_value_labels=LABELS
    ),
    "table.parquet": lambda path, frame: frame.to_parquet(path),
    "integers.parquet": lambda path, frame: frame.assign(id=frame["id"].astype(int)).to_parquet(path),
    "r.rds": rds,
}
FAULTS = ("", "out of range", "twice", "undeclared code", "negative", "no gaf")


def answer(study: Study, path: Path) -> tuple[object, ...]:
    """The digest of the rows, deviance and coefficients, warnings; or what is refused, without names of places."""
    try:
        data: StudyData = read_data(study, path, options=OPTIONS)
        plan = plan_study(study, data)
    except InputError as error:
        return (
            "refused",
            *sorted({re.sub(r"(line|row) \d+", "row", problem.what) for problem in error.problems}),
        )
    fit = fit_mixed(plan.own[0].design, plan.own[0].rows)
    warned = sorted(problem.what for problem in data.warnings)
    return (data.digest, fit.deviance, *fit.beta, *warned)


@functools.cache
def plain_answer(seed: int, fault: str) -> tuple[object, ...]:
    """The answer of a plain CSV file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plain.csv"
        table(seed, fault).to_csv(path, index=False)
        return answer(STUDY, path)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", WRITERS)
def test_every_format_and_dialect_gives_the_same_answer(tmp_path: Path, name: str, fault: str) -> None:
    """To the last bit, for two draws of the data; a fault is refused or warned of alike."""
    for seed in (1, 2):
        WRITERS[name](tmp_path / name, table(seed, fault))
        expected = plain_answer(seed, fault)
        found = answer(STUDY, tmp_path / name)
        assert found == expected
        assert (expected[0] == "refused") == (fault in ("out of range", "twice", "negative", "no gaf"))


def test_the_faults_are_told_apart(tmp_path: Path) -> None:
    """Otherwise the comparison of formats would prove little."""
    answers = []
    for fault in FAULTS:
        table(1, fault).to_csv(tmp_path / "d.csv", index=False)
        answers.append(answer(STUDY, tmp_path / "d.csv"))
    assert all(one != other for one, other in itertools.combinations(answers, 2))


STAMPS = pd.to_datetime(
    [f"2023-03-{day:02d} {hour}" for day in (24, 25, 27) for hour in ("09:00:00", "15:30:00")]
)
DATED = replace(
    build_study(
        variables=(
            build_variable("patient", "patient", "category", column="id"),
            build_variable("days"),
            build_variable("mood"),
        ),
        derived=(),
    ),
    scoring=(),
    time="days",
    time_unit="days",
    models=(),
)


def dated() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = [(f"p{p}", stamp) for p in range(1, 6) for stamp in STAMPS + pd.Timedelta(days=p)]
    frame = pd.DataFrame(rows, columns=["id", "stamp"])
    return frame.assign(mood=np.round(rng.normal(5.0, 1.0, len(frame)), 1))


DATE_WRITERS: dict[str, Callable[[Path, pd.DataFrame], object]] = {
    "german.csv": csv(sep=";", decimal=",", date_format="%d.%m.%Y %H:%M"),
    "zoned.csv": lambda path, frame: frame.assign(stamp=frame["stamp"].dt.tz_localize("UTC")).to_csv(
        path, index=False
    ),
    "twelve.csv": csv(date_format="%Y-%m-%d %I:%M %p"),
    "book.xlsx": lambda path, frame: frame.to_excel(path, index=False),
    "spss.sav": lambda path, frame: pyreadstat.write_sav(frame, str(path)),
    "stata.dta": lambda path, frame: frame.to_stata(path, write_index=False),
    "naive.parquet": lambda path, frame: frame.to_parquet(path),
    "zoned.parquet": lambda path, frame: frame.assign(
        stamp=frame["stamp"].dt.tz_localize("Asia/Tokyo")
    ).to_parquet(path),
}


@pytest.mark.parametrize("name", DATE_WRITERS)
def test_moments_give_the_same_times_from_every_format(tmp_path: Path, name: str) -> None:
    """Two assessments a day, so that times of day count."""
    dated().to_csv(tmp_path / "plain.csv", index=False)
    DATE_WRITERS[name](tmp_path / name, dated())
    options = ReadOptions(date="stamp")
    plain = read_data(DATED, tmp_path / "plain.csv", options=options)
    assert sorted(set(plain.rows["days"]))[:2] == [0.0, pytest.approx(6.5 / 24)]
    found = read_data(DATED, tmp_path / name, options=options)
    np.testing.assert_allclose(found.rows["days"], plain.rows["days"], atol=1e-9)


def periodic(days: list[str]) -> pd.DataFrame:
    """Five patients with an assessment at each of some dates."""
    rows = [(p, stamp) for p in range(1, 6) for stamp in pd.to_datetime(days)]
    frame = pd.DataFrame(rows, columns=["id", "stamp"]).assign(mood=1.0)
    frame.loc[::2, "mood"] = 2.5
    return frame


def in_unit(unit: str) -> Study:
    return replace(
        DATED,
        time=unit,
        time_unit=unit,
        variables=(DATED.variables[0], build_variable(unit), DATED.variables[2]),
    )


def test_months_of_stata_are_months_of_the_calendar(tmp_path: Path) -> None:
    """2020m1 and 2020m4 are three months apart, in a .dta file and in the CSV that Stata exports."""
    frame = periodic(["2020-01-01", "2020-04-01", "2021-01-01"])
    frame.to_stata(tmp_path / "d.dta", write_index=False, convert_dates={"stamp": "tm"})
    text = frame.assign(stamp=frame["stamp"].dt.strftime("%Ym") + frame["stamp"].dt.month.astype(str))
    text.to_csv(tmp_path / "d.csv", index=False)
    for name in ("d.dta", "d.csv"):
        found = read_data(in_unit("months"), tmp_path / name, options=ReadOptions(date="stamp"))
        assert sorted(set(found.rows["months"])) == [0.0, 3.0, 12.0]


# Stata's formats of periods, its dates, and the times between them in a unit.
PERIODS: list[tuple[Any, str, list[str], list[float]]] = [
    ("tq", "months", ["2019-10-01", "2020-01-01", "2021-04-01"], [0.0, 3.0, 18.0]),
    ("tq", "years", ["2019-10-01", "2020-01-01", "2021-04-01"], [0.0, 0.25, 1.5]),
    ("th", "months", ["2019-07-01", "2020-01-01", "2021-07-01"], [0.0, 6.0, 24.0]),
    ("tw", "weeks", ["2019-12-10", "2019-12-24", "2020-01-08"], [0.0, 2.0, 4.0]),
    ("tq", "days", ["2019-10-01", "2020-01-01", "2020-04-01"], [0.0, 92.0, 183.0]),
]


@pytest.mark.parametrize(("kind", "unit", "days", "times"), PERIODS)
def test_periods_of_stata_are_those_of_the_calendar(
    tmp_path: Path, kind: Any, unit: str, days: list[str], times: list[float]
) -> None:
    """Quarters, half-years and weeks (52 a year, the last of 8 or 9 days), read from what Stata stores."""
    study, frame = in_unit(unit), periodic(days)
    frame.to_stata(tmp_path / "d.dta", write_index=False, convert_dates={"stamp": kind})
    found = read_data(study, tmp_path / "d.dta", options=ReadOptions(date="stamp"))
    assert sorted(set(found.rows[study.time])) == times


def test_years_of_stata_are_asked_about_and_then_count_as_years(tmp_path: Path) -> None:
    """2018 is no serial day of Excel's; the message says what to state, and with it a year is a year."""
    periodic(["2018-01-01", "2019-01-01", "2021-01-01"]).to_stata(
        tmp_path / "d.dta", write_index=False, convert_dates={"stamp": "ty"}
    )
    study = in_unit("years")
    with pytest.raises(InputError) as caught:
        read_data(study, tmp_path / "d.dta", options=ReadOptions(date="stamp"))
    (problem,) = caught.value.problems
    assert "if they are years, state --date-format %Y" in problem.fix
    stated = ReadOptions(date="stamp", date_format="%Y")
    assert sorted(set(read_data(study, tmp_path / "d.dta", options=stated).rows["years"])) == [0.0, 1.0, 3.0]


def test_serial_days_are_asked_about_once(tmp_path: Path) -> None:
    """Numbers such as 43892 are dates only if it is said what they count from."""
    frame = dated().assign(stamp=[43892 + n % 6 for n in range(30)])
    frame.to_csv(tmp_path / "d.csv", index=False)
    with pytest.raises(InputError) as caught:
        read_data(DATED, tmp_path / "d.csv", options=ReadOptions(date="stamp"))
    (problem,) = caught.value.problems
    assert "serial days" in problem.what and "excel" in problem.fix
    found = read_data(DATED, tmp_path / "d.csv", options=ReadOptions(date="stamp", date_format="excel"))
    assert sorted(set(found.rows["days"])) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_codes_of_visits_whose_labels_are_the_times_are_refused(tmp_path: Path) -> None:
    """1, 2, 3 labelled 0, 3 and 6 months are not months 1 to 3; the message says what to declare, and that works."""
    frame = table(1).assign(months=np.tile([1.0, 2.0, 3.0, 4.0], 30))
    labels = {"months": {1: "Baseline", 2: "3 months", 3: "6 months", 4: "12 months"}, **LABELS}
    pyreadstat.write_sav(coded(frame), str(tmp_path / "d.sav"), variable_value_labels=labels)
    with pytest.raises(InputError) as caught:
        read_data(STUDY, tmp_path / "d.sav", options=OPTIONS)
    (problem,) = caught.value.problems
    assert '[data.recode.months] with "1" = "0", "2" = "3", "3" = "6", "4" = "12"' in problem.fix
    pairs = (("1", "0"), ("2", "3"), ("3", "6"), ("4", "12"))
    found = read_data(STUDY, tmp_path / "d.sav", options=replace(OPTIONS, recode=(("months", pairs),)))
    assert sorted(set(found.rows["months"])) == [0.0, 3.0, 6.0, 12.0]
