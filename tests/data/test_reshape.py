"""From wide to long, from dates to months, from codes to what they mean: declared, counted, nothing guessed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bayes_alliance.data.rows import StudyData, read_data
from bayes_alliance.errors import InputError
from bayes_alliance.study.records import ReadOptions
from tests.builders import build_study, write_csv

STUDY = build_study(derived=())
ITEMS = ReadOptions(wide=(("wai{item}", "wai{visit}_{item}"), ("version", "v{visit}")))


def read(tmp_path: Path, header: str, rows: tuple[str, ...], options: ReadOptions) -> StudyData:
    return read_data(STUDY, write_csv(tmp_path / "d.csv", rows, header), options=options)


def problems(tmp_path: Path, header: str, rows: tuple[str, ...], options: ReadOptions) -> str:
    with pytest.raises(InputError) as caught:
        read(tmp_path, header, rows, options)
    return str(caught.value)


def test_wide_items_become_long_and_are_scored(tmp_path: Path) -> None:
    """`wai{visit}_{item}` gives the very rows of the long file; the visit's spelling is its time."""
    numbers = [str(1 + (7 * i) % 7) for i in range(12)]
    header = ",".join(["id", "age", *(f"wai{v}_{i}" for v in (3, 36) for i in range(1, 13)), "v3", "v36"])
    wide = tuple(f"{p},30,{','.join(numbers)},{',' * 11},WAI-SR," for p in ("01", "02", "3", "4"))
    long = tuple(f"{p},3,30,{','.join(numbers)},WAI-SR" for p in ("01", "02", "3", "4"))
    data = read(tmp_path, header, wide, ITEMS)
    long_header = ",".join(["id", "month", "age", *(f"wai{i}" for i in range(1, 13)), "version"])
    assert data.digest == read(tmp_path, long_header, long, ReadOptions()).digest
    assert any(
        "2 visits (3, 36) made 4 rows; 4 visits without any value were left out" in n for n in data.notes
    )


def test_a_bad_cell_is_named_by_its_wide_header(tmp_path: Path) -> None:
    """The message names the column that is in the file, not the one that was made."""
    options = ReadOptions(wide=(("goals", "goals_t{visit}"),), visits=(("0", 0.0), ("1", 6.0)))
    text = problems(tmp_path, "id,goals_t0,goals_t1", ("1,5,99", "2,5,5", "3,5,5"), options)
    assert "d.csv, line 2, column 'goals_t1'" in text
    assert "looks like a code for a missing one" in text


def test_visits_without_a_time_are_asked_for(tmp_path: Path) -> None:
    """A visit called 'pre' has no time until it is declared; declared visits that do not occur are a warning."""
    options = ReadOptions(wide=(("goals", "goals_{visit}"),))
    rows = ("1,5,5", "2,5,5", "3,5,5")
    assert "the time of visit 'pre' is not known" in problems(tmp_path, "id,goals_pre,goals_3", rows, options)
    declared = replace(options, visits=(("pre", 0.0), ("3", 3.0), ("post", 9.0)))
    data = read(tmp_path, "id,goals_pre,goals_3", rows, declared)
    assert data.rows["months"].tolist() == [0, 3] * 3
    assert any("declared visits post" in warning.what for warning in data.warnings)


def test_a_long_file_is_read_though_a_wide_form_is_declared(tmp_path: Path) -> None:
    """And a note says so."""
    data = read(tmp_path, "id,month,goals", ("1,0,5", "1,3,5", "2,0,4", "3,0,4"), ITEMS)
    assert any("read as a long file" in note for note in data.notes)


@pytest.mark.parametrize(
    ("dates", "spelling"),
    [
        (("2020-01-31", "2020-07-31", "2021-01-31"), "%Y-%m-%d"),
        (("31.01.2020", "31.07.2020", "31.01.2021"), "%d.%m.%Y"),
        (("01/31/2020", "07/31/2020", "01/31/2021"), "%m/%d/%Y"),
        (("2020-01-31 00:00", "2020-07-31 00:00", "2021-01-31 00:00"), "%Y-%m-%d"),
    ],
)
def test_dates_become_months_from_the_first(tmp_path: Path, dates: tuple[str, ...], spelling: str) -> None:
    """182 and 366 days in 2020 are 182 / 30.4375 and 366 / 30.4375 months."""
    rows = tuple(f"{p},{d},5" for p in ("1", "2", "3") for d in dates)
    data = read(tmp_path, "id,when,goals", rows, ReadOptions(date="when"))
    np.testing.assert_allclose(data.rows["months"][:3], [0, 182 / 30.4375, 366 / 30.4375], rtol=1e-12)
    assert any(f"as {spelling}" in note for note in data.notes)


def test_months_count_from_a_declared_baseline(tmp_path: Path) -> None:
    """A date before it gives a negative time, which is refused by the line of the date."""
    options = ReadOptions(date="when", baseline="start")
    rows = ("1,2020-03-01,2020-01-01,5", "1,2020-04-01,2020-01-01,5", "2,2020-03-01,2020-01-01,5")
    data = read(tmp_path, "id,when,start,goals", (*rows, "3,2020-01-01,2020-01-01,5"), options)
    np.testing.assert_allclose(data.rows["months"], np.array([60, 91, 60, 0]) / 30.4375, rtol=1e-12)
    text = problems(tmp_path, "id,when,start,goals", (*rows, "3,2019-12-31,2020-01-01,5"), options)
    assert "line 5" in text and "the time is negative" in text


def test_dates_that_can_be_read_two_ways_are_asked_about(tmp_path: Path) -> None:
    """3/4/2020 is in March or in April; the format, once stated, decides."""
    rows = tuple(f"{p},0{m}/04/2020,5" for p in "123" for m in (3, 5))
    assert "%d/%m/%Y and as %m/%d/%Y" in problems(tmp_path, "id,when,goals", rows, ReadOptions(date="when"))
    data = read(tmp_path, "id,when,goals", rows, ReadOptions(date="when", date_format="%m/%d/%Y"))
    np.testing.assert_allclose(data.rows["months"][1], 61 / 30.4375)


def test_what_is_no_date_is_named_by_its_line(tmp_path: Path) -> None:
    """An impossible day and an impossible year."""
    rows = ("1,2020-01-01,5", "1,2020-02-30,5", "2,2020-01-01,5", "3,0202-01-01,5")
    text = problems(tmp_path, "id,when,goals", rows, ReadOptions(date="when"))
    assert "line 3, column 'when': not a date" in text
    assert "line 5, column 'when': not a date" in text


def test_cells_are_recoded_as_declared(tmp_path: Path) -> None:
    """Norwegian words for 0 and 1; declared missing codes; both are counted."""
    options = ReadOptions(missing=("99", "vet ikke"), recode=(("paranoid", (("ja", "1"), ("nei", "0"))),))
    rows = ("1,0,99,ja", "1,3,5,ja", "2,0,4,nei", "3,0,4,vet ikke")
    data = read(tmp_path, "id,month,goals,paranoid", rows, options)
    np.testing.assert_array_equal(data.rows["paranoid"], [1, 1, 0, np.nan])
    np.testing.assert_array_equal(data.rows["goals"], [np.nan, 5, 4, 4])
    assert any("2 cells are missing by the declared codes 99, vet ikke" in note for note in data.notes)
    assert any("3 cells recoded as declared" in note for note in data.notes)


def test_a_recoding_that_hits_nothing_is_a_warning(tmp_path: Path) -> None:
    """Most likely a spelling mistake."""
    options = ReadOptions(recode=(("paranoid", (("jaa", "1"),)),))
    data = read(tmp_path, "id,month,goals,paranoid", ("1,0,5,1", "1,3,5,1", "2,0,4,0", "3,0,4,0"), options)
    assert any("none" not in w.what and "to be recoded" in w.what for w in data.warnings)


def test_computed_times_survive_decimal_commas(tmp_path: Path) -> None:
    """Times from dates and from the names of visits are not spoilt where the file's numbers have commas."""
    text = "id;when;goals\n1;2020-01-01;4,5\n1;2020-02-01;5,25\n2;2020-01-01;4\n3;2020-01-01;4\n"
    (tmp_path / "d.csv").write_text(text)
    data = read_data(STUDY, tmp_path / "d.csv", options=ReadOptions(date="when"))
    np.testing.assert_allclose(data.rows["months"], np.array([0, 31, 0, 0]) / 30.4375, rtol=0, atol=0)
    np.testing.assert_array_equal(data.rows["goals"], [4.5, 5.25, 4, 4])
    (tmp_path / "w.csv").write_text("id;g_a;g_b\n1;4,5;5\n2;4;4\n3;4;4\n")
    options = ReadOptions(wide=(("goals", "g_{visit}"),), visits=(("a", 0.1), ("b", 1 / 3)))
    data = read_data(STUDY, tmp_path / "w.csv", options=options)
    assert data.rows["months"].tolist() == [0.1, 1 / 3] * 3
    assert data.rows["goals"].iloc[0] == 4.5


def test_a_column_that_would_be_made_twice_is_refused(tmp_path: Path) -> None:
    """Nothing in the file is overwritten in silence."""
    options = ReadOptions(wide=(("goals", "goals_{visit}"),))
    text = problems(tmp_path, "id,goals,goals_0,goals_3", ("1,9,5,5", "2,9,5,5", "3,9,5,5"), options)
    assert "column 'goals' is there, and would also be made" in text
    text = problems(tmp_path, "id,month,goals_0,goals_3", ("1,9,5,5", "2,9,5,5", "3,9,5,5"), options)
    assert "column 'month' is there" in text


def test_a_time_beside_dates_is_a_warning(tmp_path: Path) -> None:
    """The dates win, and that is said."""
    rows = ("1,9,2020-01-01,5", "1,9,2020-02-01,5", "2,9,2020-01-01,5", "3,9,2020-01-01,5")
    data = read(tmp_path, "id,month,when,goals", rows, ReadOptions(date="when"))
    assert data.rows["months"].iloc[0] == 0.0
    assert any("column 'month' is not used" in warning.what for warning in data.warnings)
