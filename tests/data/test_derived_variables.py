"""Derived variables and questionnaire scores inside a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.data.derived_variables import derive_variables
from bayes_alliance.data.rows import StudyData, read_data
from bayes_alliance.errors import InputError
from tests.builders import HEADER, ROWS, build_derived, build_study, write_csv

STUDY = build_study()
ITEMS = ",".join(f"wai{n}" for n in range(1, 13))
# WAI-S: Goals 5.5, Tasks 5.5; WAI-SR: Goals 4.25, Tasks 5.25 (worked out in test_wai.py).
RATINGS = "7,6,5,2,6,5,7,4,6,3,6,5"
BLANK = ",".join([""] * 12)


def read_rows(path: Path, rows: tuple[str, ...] = ROWS, header: str = HEADER) -> StudyData:
    """Read made-up rows."""
    return read_data(STUDY, write_csv(path / "d.csv", rows, header))


def by_patient(data: StudyData, name: str) -> list[object]:
    """Return a patient-level variable, None for missing, and make sure that it is constant."""
    groups = data.rows.groupby("patient")[name]
    assert (groups.nunique(dropna=False) == 1).all()
    return [None if pd.isna(value) else value for value in groups.apply(lambda values: values.iloc[0])]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("end_gaf", [65.0, 55.0, None]),  # patient 1 has no GAF at or after month 30
        ("poor", [0.0, 1.0, None]),
        ("older", [0.0, 1.0, None]),
        ("n_assessments", [2.0, 1.0, 1.0]),
        ("pattern", ["both", "SR only", "S only"]),
        ("cell", ["g0", "p1", None]),
        ("age_30", [-5.0, 1.0, None]),
    ],
)
def test_rules(tmp_path: Path, name: str, expected: list[object]) -> None:
    """Each rule gives what is worked out by hand, also where it rests on another derived variable."""
    assert by_patient(read_rows(tmp_path), name) == expected


def test_crossed_cells() -> None:
    """The cells 00, 01, 10 and 11 of (first, second) get the categories in that order, or none."""
    cross = build_derived("cell", "cross", ("a", "b"), categories=("00", "01", "10", "11"))
    rows = pd.DataFrame({"a": [0.0, 0, 1, 1, 1, np.nan], "b": [0.0, 1, 0, 1, np.nan, 0]})
    derived, _ = derive_variables(build_study(derived=[cross]), rows)
    assert derived["cell"].tolist()[:4] == ["00", "01", "10", "11"]
    assert derived["cell"].isna().tolist()[4:] == [True, True]


def test_below_and_at_least_meet_at_the_cut() -> None:
    """At the cut-off itself ``below`` is 0 and ``at_least`` is 1."""
    study = build_study(
        derived=[
            build_derived("b", "below", ("gaf",), value=60),
            build_derived("a", "at_least", ("gaf",), value=60),
        ]
    )
    rows, _ = derive_variables(study, pd.DataFrame({"patient": ["1"] * 3, "gaf": [59.0, 60.0, np.nan]}))
    assert rows["b"].tolist()[:2] == [1.0, 0.0] and np.isnan(rows["b"].iloc[2])
    assert rows["a"].tolist()[:2] == [0.0, 1.0] and np.isnan(rows["a"].iloc[2])


def test_transformations_are_what_their_names_say() -> None:
    """Logarithm, root and square of a variable; what is missing stays missing."""
    study = build_study(derived=[build_derived(rule, rule, ("gaf",)) for rule in ("log", "sqrt", "square")])
    rows, _ = derive_variables(study, pd.DataFrame({"patient": ["1"] * 3, "gaf": [1.0, 49.0, np.nan]}))
    np.testing.assert_allclose(rows["log"], [0.0, np.log(49.0), np.nan])
    np.testing.assert_allclose(rows["sqrt"], [1.0, 7.0, np.nan])
    np.testing.assert_allclose(rows["square"], [1.0, 2401.0, np.nan])


def test_first_change_and_lag_keep_to_the_patient() -> None:
    """A baseline skips what is missing, has no change itself, and the assessment before is never another patient's."""
    derived = [build_derived(rule, rule, ("gaf",)) for rule in ("first", "change", "lag")]
    rows = pd.DataFrame({"patient": list("aaabb"), "gaf": [np.nan, 50.0, 57.0, 40.0, 38.0]})
    found, _ = derive_variables(build_study(derived=derived), rows)
    np.testing.assert_allclose(found["first"], [50, 50, 50, 40, 40])
    np.testing.assert_allclose(found["change"], [np.nan, np.nan, 7, np.nan, -2])
    np.testing.assert_allclose(found["lag"], [np.nan, np.nan, 50, np.nan, 40])


@pytest.mark.parametrize(
    ("rule", "values", "message"),
    [
        ("log", [0.0, 3.0, -1.0], "'log' is not defined for 2 values of 'gaf'.*above 0"),
        ("sqrt", [-0.5, 0.0, np.nan], "'sqrt' is not defined for 1 values of 'gaf'.*0 or more"),
    ],
)
def test_a_value_without_a_logarithm_or_root_is_told(rule: str, values: list[float], message: str) -> None:
    """Such rows would otherwise drop out as if they had been blank."""
    study = build_study(derived=[build_derived("changed", rule, ("gaf",))])
    with pytest.raises(InputError, match=message):
        derive_variables(study, pd.DataFrame({"patient": ["1"] * 3, "gaf": values}))


def test_categories_keep_their_declared_order(tmp_path: Path) -> None:
    """A crossed factor has its declared levels in order, also those that nobody has."""
    assert read_rows(tmp_path).rows["cell"].cat.categories.tolist() == ["g0", "g1", "p0", "p1"]


def test_a_given_end_value_wins(tmp_path: Path) -> None:
    """The file's own end value is taken, blanks included, and what rests on it follows."""
    rows = tuple(f"{row},{40 if row.startswith('007') else ''}" for row in ROWS)
    data = read_rows(tmp_path, rows, HEADER + ",end_gaf")
    assert by_patient(data, "end_gaf") == [40.0, None, None]
    assert by_patient(data, "poor") == [1.0, None, None]
    assert "taken from the file, not derived: end_gaf" in data.notes


def test_other_derived_names_in_the_file_are_not_used(tmp_path: Path) -> None:
    """A column that merely has the name of a derived variable is left unused and named."""
    data = read_rows(tmp_path, tuple(f"{row},7" for row in ROWS), HEADER + ",poor")
    assert by_patient(data, "poor") == [0.0, 1.0, None]
    assert data.unused_columns == ("poor",)


def test_circles_are_refused(tmp_path: Path) -> None:
    """Derived variables that rest on each other are a mistake of the study, not an endless loop."""
    derived = [build_derived("a", "below", ("b",), value=1), build_derived("b", "offset", ("a",), value=1)]
    with pytest.raises(InputError, match="rest on each other: a, b"):
        read_data(build_study(derived=derived), write_csv(tmp_path / "d.csv"))


def test_items_are_scored_by_version(tmp_path: Path) -> None:
    """Blank subscales are filled from the items with the key of the row's own version."""
    rows = [f"{row},{BLANK}" for row in ROWS]
    rows[0] = f"007,3,WAI-S,,,50,25,0,{RATINGS}"
    rows[1] = f"007,36,WAI-SR,,,65,25,0,{RATINGS}"
    data = read_rows(tmp_path, tuple(rows), f"{HEADER},{ITEMS}")
    assert data.rows["goals"].tolist()[:2] == [5.5, 4.25]
    assert data.rows["tasks"].tolist()[:2] == [5.5, 5.25]
    assert data.rows["goals"].tolist()[3] == 4.0
    assert "goals: 2 scores computed from items" in data.notes
    assert data.unused_columns == ()


def test_subscales_without_a_column_come_from_items(tmp_path: Path) -> None:
    """A file of items alone gives the subscales, which are then not absent."""
    rows = tuple(f"{n},3,WAI-S,{RATINGS}" for n in range(4))
    data = read_rows(tmp_path, rows, f"id,month,version,{ITEMS}")
    assert data.rows["tasks"].tolist() == [5.5] * 4
    assert "tasks" not in data.absent and "gaf" in data.absent


def test_scores_that_disagree_with_their_items(tmp_path: Path) -> None:
    """A given subscale within 0.01 of its items stays as given; one further away is a problem by line."""
    rows = [f"{row},{BLANK}" for row in ROWS]
    rows[0] = f"007,3,WAI-S,5.51,5.5,50,25,0,{RATINGS}"
    assert read_rows(tmp_path, tuple(rows), f"{HEADER},{ITEMS}").rows["goals"].iloc[0] == 5.51
    rows[0] = f"007,3,WAI-S,5.5,5.25,50,25,0,{RATINGS}"
    with pytest.raises(InputError, match="line 2, column 'tasks': disagrees with the score") as caught:
        read_rows(tmp_path, tuple(rows), f"{HEADER},{ITEMS}")
    assert len(caught.value.problems) == 1


def test_items_that_cannot_be_scored(tmp_path: Path) -> None:
    """Impossible ratings, items without a version and lacking item columns are problems."""
    rows = [f"{row},{BLANK}" for row in ROWS]
    rows[0] = f"007,3,WAI-S,,,50,25,0,{RATINGS.replace('7,6', '8,6')}"
    rows[2] = f"02,0,,,,48,31,1,{RATINGS}"
    with pytest.raises(InputError) as caught:
        read_rows(tmp_path, tuple(rows), f"{HEADER},{ITEMS}")
    text = [problem.format() for problem in caught.value.problems]
    assert "line 2, column 'wai1'" in text[0] and "line 4, column 'version'" in text[1] and len(text) == 2
    with pytest.raises(InputError, match="no column wai12"):
        read_rows(
            tmp_path,
            tuple(row.rsplit(",", 1)[0] for row in rows),
            f"{HEADER},{ITEMS}".rsplit(",", 1)[0],
        )


def test_unanswered_items(tmp_path: Path) -> None:
    """One unanswered item of four is tolerated with min_items 3, two are not."""
    ratings = RATINGS.split(",")
    ratings[0] = ""  # Tasks: (6 + 4 + 5) / 3
    ratings[3] = ratings[5] = ""  # Goals: two of four
    rows = [f"{row},{BLANK}" for row in ROWS]
    rows[0] = f"007,3,WAI-S,,,50,25,0,{','.join(ratings)}"
    data = read_rows(tmp_path, tuple(rows), f"{HEADER},{ITEMS}")
    assert data.rows["tasks"].iloc[0] == 5.0
    assert np.isnan(data.rows["goals"].iloc[0])
