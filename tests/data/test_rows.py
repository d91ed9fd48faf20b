"""Reading, checking and freezing rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.data.rows import (
    StudyData,
    data_from_frame,
    digest_rows,
    freeze_rows,
    read_data,
)
from bayes_alliance.data.text_table import Findings
from bayes_alliance.data.typed_columns import off_grid
from bayes_alliance.errors import InputError
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Source
from tests.builders import DERIVED, HEADER, ROWS, VARIABLES, build_study, build_variable, write_csv

STUDY = build_study()


def read_rows(tmp_path: Path, rows: tuple[str, ...] = ROWS, header: str = HEADER) -> StudyData:
    """Read made-up rows."""
    return read_data(STUDY, write_csv(tmp_path / "d.csv", rows, header))


def problems_of(tmp_path: Path, rows: tuple[str, ...], header: str = HEADER) -> list[str]:
    """List the problems of made-up rows, as they are shown."""
    with pytest.raises(InputError) as caught:
        read_rows(tmp_path, rows, header)
    return [problem.format() for problem in caught.value.problems]


def test_rows_are_sorted_and_typed(tmp_path: Path) -> None:
    """Patients stay text with their zeros, sorted as text and then by time; numbers are numbers."""
    data = read_rows(tmp_path, ROWS[::-1])
    assert data.rows["patient"].tolist() == ["007", "007", "02", "02", "02", "1"]
    assert data.rows["months"].tolist() == [3, 36, 0, 3, 36, 3]
    assert data.rows["goals"].tolist()[:2] == [5.0, 5.5]
    assert np.isnan(data.rows["goals"].iloc[2])
    assert data.rows["version"].cat.categories.tolist() == ["WAI-S", "WAI-SR"]
    assert (data.source, data.origin) == (Source.REAL, "d.csv")
    assert data.absent == () and data.unused_columns == ()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_dialects_give_the_same_data(tmp_path: Path, separator: str, mark: bytes) -> None:
    """Separator, byte-order mark, line ends, decimal comma and blank lines do not change the digest."""
    text = "\r\n".join([HEADER, *ROWS, "", ""]).replace(",", separator)
    if separator != ",":
        text = text.replace(".", ",")
    (tmp_path / "other.csv").write_bytes(mark + text.encode())
    data = read_data(STUDY, tmp_path / "other.csv")
    assert data.digest == read_rows(tmp_path).digest
    assert any("decimal commas" in note for note in data.notes) == (separator != ",")


def test_missing_words(tmp_path: Path) -> None:
    """NA, NaN and a lone point are as missing as an empty cell."""
    words = tuple(row.replace(",,", ",NA,").replace(",,", ",.,") for row in ROWS)
    assert "NA" in words[1] and "," + "." + "," in words[2]
    assert read_rows(tmp_path, words).digest == read_rows(tmp_path).digest


def test_all_problems_at_once_by_line_and_column(tmp_path: Path) -> None:
    """Every kind of bad cell is named by line and column, in the order of lines, and no value is shown."""
    bad = (
        "007,3,WAI-S,9.75,5.25,50.5,25,0",
        "007,36,WAI-T,5.5,secret,65,25,2",
        "02,-1,,,,48,31,1",
        ",3,WAI-SR,4,4.5,,31,1",
        "02,,,,,55,33,1",
        "1,3,WAI-S,3.75,4,47,,0",
        "1,3.0,WAI-S,3.75,4,47,,0",
    )
    text = problems_of(tmp_path, bad)
    expected = [
        ("line 2, column 'goals'", "from 1 up to 7"),
        ("line 2, column 'gaf'", "a whole number"),
        ("line 3, column 'version'", "WAI-S, WAI-SR"),
        ("line 3, column 'tasks'", "not a number"),
        ("line 3, column 'paranoid'", "0 or 1"),
        ("line 4, column 'month'", "negative"),
        ("line 5, column 'id'", "patient is missing"),
        ("line 6, column 'month'", "time is missing"),
        ("line 6, column 'age'", "differs from an earlier row"),
        ("line 8", "same patient and time as in line 7"),
    ]
    assert len(text) == len(expected)
    for place, what in expected:
        assert any(f"d.csv, {place}:" in line and what in line for line in text), (place, text)
    numbers = [int(line.split("line ")[1].split(",")[0].split(":")[0]) for line in text]
    assert numbers == sorted(numbers)
    assert not any(value in line for line in text for value in ("secret", "9.75", "50.5", "WAI-T", "33"))


def test_one_cause_in_many_cells_is_said_once(tmp_path: Path) -> None:
    """Three cells of a column are named one by one; of sixty, three lines and the count."""
    few = problems_of(tmp_path, tuple(f"{n},3,,{'x' if n < 3 else 4},,,," for n in range(60)))
    assert [line.split(", ")[1] for line in few] == ["line 2", "line 3", "line 4"]
    (text,) = problems_of(tmp_path, tuple(f"{n},3,,x,,,," for n in range(60)))
    assert text.startswith("d.csv, lines 2, 3, 4 and 57 more, column 'goals': not a number (60 of 60 cells)")


def test_long_lists_of_problems_are_cut_and_counted() -> None:
    """Of 60 problems with different causes 50 are listed and the other 10 counted."""
    findings = Findings()
    for line in range(60):
        findings.add(f"problem {line}", where="d.csv", line=line)
    with pytest.raises(InputError) as caught:
        findings.raise_any("d.csv")
    assert len(caught.value.problems) == 51
    assert caught.value.problems[-1].what == "and 10 more"


def test_required_columns(tmp_path: Path) -> None:
    """Patient, time and required columns must be there; the headers found are listed."""
    variables = [replace(v, required=v.name == "gaf") for v in VARIABLES]
    path = write_csv(tmp_path / "d.csv", ("12345,3",) * 5, "who,when")
    with pytest.raises(InputError) as caught:
        read_data(build_study(variables=variables), path)
    assert [p.what for p in caught.value.problems] == [
        "no column 'id'",
        "no column 'month'",
        "no column 'gaf'",
    ]
    assert {p.allowed for p in caught.value.problems} == {"one of the headers found: who, when"}


def test_other_absent_columns_are_recorded(tmp_path: Path) -> None:
    """A column that only some models need is recorded as absent, with all that rests on it."""
    rows = tuple(",".join(row.split(",")[:7]) + ",x" for row in ROWS)
    data = read_rows(tmp_path, rows, HEADER.replace("paranoid", "extra"))
    assert set(data.absent) == {"paranoid", "cell"}
    assert data.unused_columns == ("extra",)
    assert "paranoid" not in data.rows.columns and "extra" not in data.rows.columns


def test_too_few_rows(tmp_path: Path) -> None:
    """Fewer than three patients cannot be analysed."""
    assert "only 2 patients and 5 rows" in problems_of(tmp_path, ROWS[:5])[0]


def test_patient_level_gaps_are_filled_and_counted(tmp_path: Path) -> None:
    """A patient-level value given on one row holds on all rows of the patient."""
    rows = (ROWS[0].replace(",25,", ",,"), *ROWS[1:])
    data = read_rows(tmp_path, rows)
    assert data.digest == read_rows(tmp_path).digest
    assert "age: 1 blank cells filled from other rows of the same patient" in data.notes


def test_notes_count_what_is_odd_but_permitted(tmp_path: Path) -> None:
    """Rows without an outcome are kept and counted; so are values off the grid, and lines without content."""
    rows = (ROWS[0].replace("5.25", "5.3"), ",,,,,,,", *ROWS[1:])
    data = read_rows(tmp_path, rows)
    assert len(data.rows) == 6
    assert "2 rows have none of the outcomes" in data.notes
    assert "tasks: 1 values lie off the grid of 0.25" in data.notes
    assert "d.csv: 1 lines without any content were left out" in data.notes


def test_patients_in_a_second_file(tmp_path: Path) -> None:
    """Patient-level columns from a second file give the same data as repeated ones."""
    visits = write_csv(
        tmp_path / "visits.csv",
        [",".join(r.split(",")[:6]) for r in ROWS],
        "id,month,version,goals,tasks,gaf",
    )
    patients = write_csv(tmp_path / "p.csv", ["02;31;1", "007;25;0", "1;;0", "99;40;1"], "id;age;paranoid")
    data = read_data(STUDY, visits, patients_path=patients)
    assert data.digest == read_rows(tmp_path).digest
    assert data.origin == "visits.csv + p.csv"
    assert "1 patients of p.csv have no assessment and are not in the data" in data.notes


def test_problems_of_the_second_file(tmp_path: Path) -> None:
    """A repeated patient, a column of both files and a visit-level column are problems of the second file."""
    visits = write_csv(tmp_path / "v.csv")
    patients = write_csv(tmp_path / "p.csv", ["02,200,1", "02,31,2"], "id,age,gaf")
    with pytest.raises(InputError) as caught:
        read_data(STUDY, visits, patients_path=patients)
    text = str(caught.value)
    assert "p.csv, line 3, column 'id': the patient stands in an earlier row too" in text
    assert "p.csv, line 2, column 'age': not a permitted value" in text
    assert "p.csv: column 'gaf' changes between assessments" in text
    patients = write_csv(tmp_path / "p.csv", ["02,31"], "id,age")
    with pytest.raises(InputError, match="column 'age' stands in both files"):
        read_data(STUDY, visits, patients_path=patients)


def test_frame_and_file_agree(tmp_path: Path) -> None:
    """A table in memory, with numbers as numbers, gives the same data as its file."""
    data = read_rows(tmp_path)
    frame = pd.read_csv(tmp_path / "d.csv", dtype={"id": str})
    again = data_from_frame(STUDY, frame, source=Source.SYNTHETIC, origin="made up")
    assert again.digest == data.digest
    assert again.source is Source.SYNTHETIC
    frame.loc[2, "gaf"] = np.inf
    with pytest.raises(InputError, match="made up, row 3, column 'gaf'"):
        data_from_frame(STUDY, frame, source=Source.SYNTHETIC, origin="made up")


def test_freezing_keeps_complete_rows_and_counts_the_rest(tmp_path: Path) -> None:
    """Rows are complete in what was asked for, and every other row is accounted for exactly once."""
    data = read_rows(tmp_path)
    frozen = freeze_rows(data, ["tasks", "age"])
    assert frozen.rows[["patient", "months", "tasks", "age"]].to_numpy().tolist() == [
        ["007", 3.0, 5.25, 25.0],
        ["02", 3.0, 4.5, 31.0],
    ]
    assert (frozen.n_rows, frozen.n_patients) == (2, 2)
    assert [(s.variable, s.reason, s.n_rows, s.n_patients) for s in frozen.set_aside] == [
        ("tasks", "missing", 3, 0),
        ("age", "missing", 1, 1),
    ]
    assert frozen.n_rows + sum(s.n_rows for s in frozen.set_aside) == len(data.rows)
    assert frozen.n_patients + sum(s.n_patients for s in frozen.set_aside) == data.rows["patient"].nunique()


def test_freezing_a_subgroup(tmp_path: Path) -> None:
    """``where`` keeps one subgroup; those outside it and those of unknown subgroup are counted apart."""
    frozen = freeze_rows(read_rows(tmp_path), ["gaf"], where=[("poor", 1.0)])
    assert set(frozen.rows["patient"]) == {"02"}
    assert [(s.variable, s.reason, s.n_patients) for s in frozen.set_aside] == [
        ("poor", "missing", 1),
        ("poor", "other value", 1),
        ("gaf", "missing", 0),
    ]


def test_digest_ignores_order_and_unused_columns(tmp_path: Path) -> None:
    """Order of rows, order of names and columns not asked for leave the digest alone."""
    digest = freeze_rows(read_rows(tmp_path), ["tasks", "age"]).digest
    assert freeze_rows(read_rows(tmp_path, ROWS[::-1]), ["age", "tasks"]).digest == digest
    other_gaf = (ROWS[0].replace(",50,", ",51,"), *ROWS[1:])
    assert freeze_rows(read_rows(tmp_path, other_gaf), ["tasks", "age"]).digest == digest


@pytest.mark.parametrize(
    ("old", "new"), [("5.25", "5.5"), ("007,3,", "007,4,"), ("007,", "008,"), (",25,", ",26,")]
)
def test_digest_sees_every_value_used(tmp_path: Path, old: str, new: str) -> None:
    """A different score, time, patient or covariate gives a different digest."""
    digest = freeze_rows(read_rows(tmp_path), ["tasks", "age"]).digest
    changed = tuple(row.replace(old, new) for row in ROWS)
    assert freeze_rows(read_rows(tmp_path, changed), ["tasks", "age"]).digest != digest


def test_digest_sees_names_and_which_column_holds_what() -> None:
    """Swapping the names of two columns, or moving a value between rows, changes the digest."""
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, np.nan]})
    digest = digest_rows(frame, ["a", "b"])
    assert digest_rows(frame.rename(columns={"a": "b", "b": "a"}), ["a", "b"]) != digest
    assert digest_rows(frame.rename(columns={"b": "c"}), ["a", "c"]) != digest
    assert digest_rows(frame.iloc[::-1], ["a", "b"]) != digest
    assert digest_rows(frame.copy(), ["b", "a"]) == digest


def test_changed_frozen_rows_no_longer_match_their_digest(tmp_path: Path) -> None:
    """Frozen rows that somebody changed no longer match their digest; the study's data stay."""
    data = read_rows(tmp_path)
    frozen = freeze_rows(data, ["tasks"])
    assert digest_rows(frozen.rows, frozen.names) == frozen.digest
    frozen.rows.loc[0, "tasks"] = 1.0
    assert digest_rows(frozen.rows, frozen.names) != frozen.digest
    assert digest_rows(data.rows, map(str, data.rows.columns)) == data.digest


def test_freezing_what_is_not_there(tmp_path: Path) -> None:
    """A variable that the data lack, or a selection that leaves nobody, is refused."""
    data = read_rows(tmp_path)
    with pytest.raises(InputError, match="no variable 'bonds'"):
        freeze_rows(data, ["bonds"])
    with pytest.raises(InputError, match="no row"):
        freeze_rows(data, ["tasks"], where=[("age", 99.0)])


def test_a_given_end_value_is_checked_like_its_source(tmp_path: Path) -> None:
    """A file's own column for a variable of rule ``last`` has the limits of the variable it stands for."""
    assert any(d.name == "end_gaf" and d.rule == "last" for d in DERIVED)
    text = problems_of(tmp_path, tuple(f"{row},101" for row in ROWS), HEADER + ",end_gaf")
    assert len(text) == 1 and "column 'end_gaf'" in text[0] and "up to 100" in text[0]
    assert f"({len(ROWS)} of {len(ROWS)} cells)" in text[0]


def test_a_point_among_decimal_commas_is_refused(tmp_path: Path) -> None:
    """In a file of decimal commas ``1.234`` would be a thousand or a typing error: it is not guessed at."""
    rows = [row.replace(",", ";").replace(".", ",") for row in ROWS]
    rows[1] = rows[1].replace("5,5", "5.5")
    with pytest.raises(InputError, match="line 3, column 'goals': not a number; allowed: a number with a d"):
        read_data(STUDY, write_csv(tmp_path / "d.csv", rows, HEADER.replace(",", ";")))


@pytest.mark.parametrize("cell", ["inf", "1_0", "1e999", "0x1F", "5 5", "\u0665"])
def test_what_only_a_programme_takes_for_a_number(tmp_path: Path, cell: str) -> None:
    """Infinity, digits of other scripts and programmers' spellings are not numbers of a data file."""
    text = problems_of(tmp_path, (ROWS[0].replace(",50,", f",{cell},"), *ROWS[1:]))
    assert len(text) == 1 and "line 2, column 'gaf': not a number" in text[0]


def test_grid_allows_for_rounding() -> None:
    """A mean of 18 items rounded to two decimals lies on the grid of 1/18; one between points does not."""
    bsi = build_variable("bsi", limits=(0, 4), step=1 / 18)
    assert off_grid(bsi, np.array([0.06, 1.11, 2.0, 4.0, np.nan, 0.08])).tolist() == [False] * 5 + [True]


def test_the_public_data_set_is_read_whole() -> None:
    """The medication study's file gives its 64 patients and 1242 reports, under the study's names."""
    study = load_study("medication")
    data = read_data(study, study.folder / study.data.file)
    assert (len(data.rows), data.rows["patient"].nunique()) == (1242, 64)
    assert data.absent == ()
    assert {"patient", "days", "pos", "treat"} <= set(data.rows.columns)
