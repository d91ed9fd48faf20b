"""Reading CSV files of several dialects as text, and refusing what is no table."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bayes_alliance.data.readers import read_table
from bayes_alliance.data.readers.csv import read_csv_table
from bayes_alliance.errors import InputError
from bayes_alliance.study.records import ReadOptions

CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs")), max_size=8)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"id,month\n", "no rows"),
        (b"PK\x03\x04\0\0", "not a text file"),
        (b"id,month\n\x81,1\n", "line 2: not UTF-8"),
        (b'id,month\n"1,3\n2,3\n', "not valid CSV"),
        (b"id,month,id\n1,3,1\n", "columns 1 and 3 have the same header"),
        (b"id,month,\n1,3,4\n", "column 3 has content and no header"),
        (b"id,month\n1,3\n2\n3,4,5\n", "line 3: the row has 1 fields"),
    ],
)
def test_files_that_are_no_table(tmp_path: Path, content: bytes, what: str) -> None:
    """A file that is no proper table is refused with the reason, and never with a traceback."""
    path = tmp_path / "d.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=what):
        read_csv_table(path)


def test_unreadable_file(tmp_path: Path) -> None:
    """A file that does not exist, or is a folder, is an input problem."""
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_table(path, ReadOptions())


def test_lines_count_as_an_editor_does(tmp_path: Path) -> None:
    """Blank lines and quoted breaks do not shift the numbers of later lines; a row is named by its last."""
    path = tmp_path / "d.csv"
    path.write_text('id,note\n1,"a\nb"\n\n2,c\n')
    table = read_csv_table(path)
    assert table.lines.tolist() == [3, 5]
    assert table.place(1, "note") == "d.csv, line 5, column 'note'"
    assert table.frame["note"].tolist() == ["a\nb", "c"]
    assert "d.csv: 1 lines without any content were left out" in table.notes


def test_every_ragged_row_is_named(tmp_path: Path) -> None:
    """Too short and too long rows are all reported at once."""
    path = tmp_path / "d.csv"
    path.write_text("a;b;c\n1;2\n1;2;3\n1;2;3;4\n")
    with pytest.raises(InputError) as caught:
        read_csv_table(path)
    assert [problem.where for problem in caught.value.problems] == ["d.csv, line 2", "d.csv, line 4"]


def test_empty_trailing_columns_are_harmless(tmp_path: Path) -> None:
    """Columns without header and without content, as spreadsheets leave them, are not in the table."""
    path = tmp_path / "d.csv"
    path.write_text("a,b,,\n1,2,,\n")
    assert read_csv_table(path).frame.columns.tolist() == ["a", "b"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5),
    delimiter=st.sampled_from([",", ";", "\t"]),
)
def test_quoted_cells_come_back(tmp_path: Path, rows: list[tuple[str, str]], delimiter: str) -> None:
    """Whatever text is quoted into a file comes back cell by cell, whichever the separator."""
    path = tmp_path / "d.csv"
    quoted = [delimiter.join('"' + cell.replace('"', '""') + '"' for cell in ("x" + a, b)) for a, b in rows]
    path.write_bytes("\n".join([f"first{delimiter}second", *quoted]).encode())
    frame = read_csv_table(path).frame
    assert list(zip(frame["first"], frame["second"], strict=True)) == [("x" + a, b) for a, b in rows]


def test_the_line_in_which_excel_states_the_separator(tmp_path: Path) -> None:
    """`sep=;` is no header; lines count as in the file."""
    path = tmp_path / "d.csv"
    path.write_text("sep=;\nid;x,y,z\n1;2\n")
    table = read_csv_table(path)
    assert table.frame.columns.tolist() == ["id", "x,y,z"]
    assert table.lines.tolist() == [3]
