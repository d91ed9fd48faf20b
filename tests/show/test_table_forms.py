"""Tables in LaTeX, HTML and Word: every cell is there, nothing in it is code, and the bytes repeat."""

from __future__ import annotations

import io
import shutil
import subprocess
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pytest
from docx import Document

from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.tables import build_tables, format_html, format_latex, format_word, write_tables
from bayes_alliance.show.tables.latex import escape_latex, format_document
from bayes_alliance.show.tables.readable import column_weights, is_wide, read_columns, read_rows
from bayes_alliance.show.tables.record import Table, number_column, shown_column, text_column
from bayes_alliance.show.tables.workbook import format_workbook
from tests.results_fixture import build_results

HOSTILE = (
    "<script>alert(1)</script>",
    r"\input{/etc/passwd} \write18{id} \end{document}",
    "a & b % c $x$ #1 _y_ ^z ~ {}",
    "\"quoted\" 'single' `back`",
    "[2] *starred* -- --option",
    "emoji \N{GRINNING FACE}, Greek \N{GREEK SMALL LETTER ALPHA}, Å é",
    "]]> &amp; \x0b control",
)


@pytest.fixture(scope="module")
def results() -> StudyResults:
    return build_results()


@pytest.fixture(scope="module")
def tables(results: StudyResults) -> list[Table]:
    return build_tables(results)


def hostile_table() -> Table:
    columns = (text_column("a", HOSTILE[0]), number_column("b", HOSTILE[1]), shown_column("c", "-0.5 to <1"))
    rows = tuple((text, -1.25, text) for text in HOSTILE)
    return Table(
        id="hostile",
        title=HOSTILE[2],
        columns=columns,
        rows=rows,
        notes=HOSTILE,
        provenance=HOSTILE[0],
        stamp="made up",
    )


def test_a_table_without_rows_has_every_form() -> None:
    """Columns share the width by their headings alone."""
    empty = replace(hostile_table(), rows=())
    assert sum(column_weights(empty, 80.0)) == pytest.approx(1.0) and len(column_weights(empty, 80.0)) == 3
    assert not is_wide(empty)
    assert format_latex(empty) and format_html(empty) and format_word([empty], title="t")


class _Cells(HTMLParser):
    """Collects the text of cells, row by row, and every tag."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def _read_html(table: Table) -> _Cells:
    found = _Cells()
    found.feed(format_html(table))
    return found


def test_html_holds_the_cells_of_a_reader(tables: list[Table]) -> None:
    """Parsed again, the page gives the headings and every cell that Markdown shows, minus signs made real."""
    for table in tables:
        found = _read_html(table)
        assert found.rows[0] == [column.heading for column in read_columns(table)]
        assert found.rows[1:] == read_rows(table)
        assert found.tags.count("caption") == 1


def test_html_of_hostile_text_has_no_tag_of_its_own() -> None:
    """Labels come back as text: the page has one style and no script."""
    found = _read_html(hostile_table())
    assert "script" not in found.tags
    assert [row[0] for row in found.rows[1:]] == [" ".join(text.split()) for text in HOSTILE]


@pytest.mark.parametrize("sign", ["\x01", "\x08", "\x7f", "\ud800", "\ufffe", "\u202e"])
def test_no_sign_in_a_title_or_a_note_ends_a_workbook(sign: str) -> None:
    """A spreadsheet cannot hold all of them; what it cannot is left out wherever it stands."""
    text = f"a{sign}b"
    table = replace(hostile_table(), title=text, provenance=text, notes=(text,), rows=((text, 1.0, text),))
    sheet = openpyxl.load_workbook(io.BytesIO(format_workbook([table]))).active
    assert sheet is not None
    found = [sheet.cell(row, 1).value for row in (1, 2, 4, 5)]
    assert len(set(found)) == 1 and found[0] in ("ab", text)


def test_word_holds_the_cells_of_a_reader_in_real_tables(tables: list[Table]) -> None:
    """Opened again, each document has one table with the headings and cells, a repeated head, no vertical line."""
    for table in tables:
        raw = format_word([table], title=table.title)
        (found,) = Document(io.BytesIO(raw)).tables
        rows = [[cell.text for cell in row.cells] for row in list(found.rows)[:40]]
        assert rows[0] == [column.heading for column in read_columns(table)]
        assert rows[1:] == read_rows(table)[:39]
        xml = zipfile.ZipFile(io.BytesIO(raw)).read("word/document.xml").decode()
        assert xml.count("<w:tblHeader/>") == 1
        assert "<w:insideV" not in xml and '<w:left w:val="single"' not in xml


def test_word_has_the_notes_and_the_provenance_below(tables: list[Table]) -> None:
    """Below the table stand the source of its numbers and each note, in order."""
    table = next(table for table in tables if table.id == "comparison")
    texts = [p.text for p in Document(io.BytesIO(format_word([table], title="x"))).paragraphs]
    assert texts[0] == table.title
    assert texts[1] == f"Note. {table.provenance}"
    assert tuple(texts[2:]) == table.notes


def test_a_document_of_several_tables_numbers_them(tables: list[Table]) -> None:
    """Each has its number, its title and its own pages."""
    document = Document(io.BytesIO(format_word(tables[:3], title="x")))
    texts = [p.text for p in document.paragraphs]
    assert len(document.tables) == 3
    assert [text for text in texts if text.startswith("Table ") and len(text) == 7] == [
        "Table 1",
        "Table 2",
        "Table 3",
    ]


def test_hostile_text_is_text_in_word() -> None:
    """It comes back from the file but for control characters, which XML cannot hold."""
    (found,) = Document(io.BytesIO(format_word([hostile_table()], title=HOSTILE[0]))).tables
    first = [row.cells[0].text for row in list(found.rows)[1:]]
    assert first == [" ".join(text.replace("\x0b", " ").split()) for text in HOSTILE]


def test_latex_escapes_whatever_is_special() -> None:
    """No special character is left, none is lost, and what T1 has not is given by its number."""
    assert escape_latex(r"\ { } $ & # % _ ^ ~") == (
        r"\textbackslash{} \{ \} \$ \& \# \% \_\allowbreak{} \textasciicircum{} \textasciitilde{}"
    )
    assert escape_latex("--x") == "-{}-{}x"
    assert escape_latex("ä\N{GRINNING FACE}") == "ä{[}U+1F600{]}"
    assert (
        escape_latex("2 k\N{COMBINING CIRCUMFLEX ACCENT} > 1") == r"2 \ensuremath{\hat{k}} \textgreater{} 1"
    )
    assert escape_latex("\N{MINUS SIGN}0.5") == r"\ensuremath{-}0.5"


def test_latex_has_a_row_for_each_row_and_the_rules_of_booktabs(tables: list[Table]) -> None:
    """Caption, three rules and as many cells in each row as there are columns."""
    for table in tables:
        text = format_latex(table)
        body = text.split(r"\bottomrule\endlastfoot")[1].split(r"\end{longtable}")[0]
        lines = [line for line in body.splitlines() if line.endswith(r"\tabularnewline")]
        assert len(lines) == len(table.rows)
        unescaped = [line.replace(r"\&", "") for line in lines]
        assert {line.count(" & ") for line in unescaped} == {len(read_columns(table)) - 1}
        assert "\\toprule" in text and "\\midrule" in text and "|" not in text.split("\\caption")[0]


def test_column_widths_share_the_page(tables: list[Table]) -> None:
    """They sum to one; on a wide page no column is narrower than its longest word, headings included."""
    for table in tables:
        weights = column_weights(table, 400.0)
        assert sum(weights) == pytest.approx(1.0)
        for weight, column, *cells in zip(weights, read_columns(table), *read_rows(table), strict=True):
            words = " ".join([column.heading, *cells]).split()
            assert 400.0 * weight > min(max(map(len, words)), 24)
        assert min(column_weights(table, 80.0)) > 0.01
    assert any(is_wide(table) for table in tables)


def test_every_form_says_where_its_numbers_come_from(results: StudyResults, tmp_path: Path) -> None:
    """LaTeX, HTML and Word name the source of synthetic numbers as such."""
    written = write_tables(results, tmp_path / "tables")
    assert {path.suffix for path in written} == {".csv", ".md", ".tex", ".html", ".docx", ".xlsx"}
    for path in written:
        if path.name == "tables.tex":
            continue
        if path.suffix == ".docx":
            text = zipfile.ZipFile(path).read("word/document.xml").decode()
        elif path.suffix == ".xlsx":
            book = openpyxl.load_workbook(path, read_only=True)
            text = " ".join(str(cell) for sheet in book for row in sheet.values for cell in row)
        else:
            text = path.read_text(encoding="utf-8")
        of_print = path.stem == "readings"
        assert ("SYNTHETIC DATA" in text) is not of_print or path.suffix == ".csv", path.name


def test_the_same_tables_are_the_same_bytes(tables: list[Table]) -> None:
    """Written twice, a Word file has no time in it that differs."""
    table = tables[0]
    assert format_word([table], title="x") == format_word([table], title="x")
    raw = format_word([table], title="x")
    dates = {info.date_time for info in zipfile.ZipFile(io.BytesIO(raw)).infolist()}
    assert dates == {(1980, 1, 1, 0, 0, 0)}
    for name in zipfile.ZipFile(io.BytesIO(raw)).namelist():
        if name.endswith(".xml"):
            ET.fromstring(zipfile.ZipFile(io.BytesIO(raw)).read(name))


@pytest.mark.skipif(
    shutil.which("pdflatex") is None,
    reason="needs pdflatex (on Debian: texlive-latex-recommended and texlive-fonts-recommended)",
)
def test_every_latex_table_compiles(tables: list[Table], tmp_path: Path) -> None:
    """One document with every table of a run and one of hostile text."""
    listed = [*tables, hostile_table()]
    for table in listed:
        short = replace(table, rows=table.rows[:15])
        (tmp_path / f"{table.id}.tex").write_text(format_latex(short), encoding="utf-8")
    (tmp_path / "tables.tex").write_text(format_document(listed), encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-1500:]
    assert (tmp_path / "tables.pdf").stat().st_size > 20_000
