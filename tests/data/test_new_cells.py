"""Cells from pasted tables: a real one as Word, Excel, HTML and plain text, and what is left open."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import docx
import openpyxl
import pytest

from bayes_alliance.cli.main import main
from bayes_alliance.data.new_cells import NewCell, cells_of_grid, coefficients_of, template_cells
from bayes_alliance.data.readers.printed_grid import read_grids, text_grids
from bayes_alliance.errors import InputError
from bayes_alliance.study.load_cells import CELL_COLUMNS
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.printed_text import read_or_fault

# Table 2 of Lindqvist et al. (2020), doi:10.2196/18047, CC BY 4.0.
HEAD = ["Model estimates", "Estimate", "95% CI", "P value"]
ROWS = [
    ["Baseline score", "", "", ""],
    ["Intercept", "15.62", "14.57 to 16.68", "<.001"],
    ["IPDT", "–0.32", "–1.76 to 1.13", ".67"],
    ["Rate of change", "", "", ""],
    ["Slope", "–0.73", "–1.01 to –0.46", "<.001"],
    ["Slope × IPDT", "–0.29", "–0.51 to –0.07", ".01"],
    ["Variance components", "", "", ""],
    ["Residual variance", "6.10", "5.40 to 6.89", "<.001"],
    ["Intercept", "7.61", "5.04 to 11.50", "<.001"],
]
TIED = {
    ("15.62", "estimate", "Intercept"),
    ("–0.32", "estimate", "ipdt"),
    ("–0.73", "estimate", "weeks"),
    ("–0.29", "estimate", "weeks:ipdt"),
    ("–1.76 to 1.13", "ci", "ipdt"),
    (".67", "p", "ipdt"),
    ("<.001", "p", "weeks"),
    ("6.10", "residual", ""),
    ("7.61", "variance", "Intercept"),
}


def as_word(path: Path) -> Path:
    document = docx.Document()
    table = document.add_table(rows=0, cols=4)
    for row in [HEAD, *ROWS]:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    document.save(str(path))
    return path


def as_excel(path: Path) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in [HEAD, *ROWS]:
        sheet.append(row)
    # Numbers that a spreadsheet stores without their trailing zeros keep them by their format.
    for row in sheet.iter_rows(min_row=2, min_col=2, max_col=2):
        text = str(row[0].value or "").replace("–", "-")
        if text:
            row[0].value = float(text)
            row[0].number_format = "0.00"
    book.save(path)
    return path


def as_html(path: Path) -> Path:
    cells = "".join(
        "<tr>" + "".join(f"<{tag}>{text}</{tag}>" for text in row) + "</tr>"
        for tag, row in [("th", HEAD), *(("td", row) for row in ROWS)]
    )
    path.write_text(f"<html><table>{cells}</table></html>", encoding="utf-8")
    return path


def as_tsv(path: Path) -> Path:
    path.write_text("\n".join("\t".join(row) for row in [HEAD, *ROWS]), encoding="utf-8")
    return path


def as_text(path: Path) -> Path:
    lines = ["Model estimates  Estimate  95% CI  P value"]
    lines += ["  ".join(cell for cell in row if cell) for row in ROWS]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def key(cell: NewCell) -> tuple[str, str, str]:
    return cell.printed.replace("-", "–"), cell.quantity, cell.coefficient


@pytest.mark.parametrize(
    ("make", "name"),
    [(as_word, "t.docx"), (as_excel, "t.xlsx"), (as_html, "t.html"), (as_tsv, "t.tsv"), (as_text, "t.txt")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_real_table_from_every_program(make: object, name: str, tmp_path: Path) -> None:
    """The same published table is tied alike from Word, Excel, HTML, tabs and plain text, digits kept."""
    grid = read_grids(make(tmp_path / name))[0]  # type: ignore[operator]
    cells = cells_of_grid(load_study("lindqvist2020"), grid, table="2")
    assert {key(cell) for cell in cells} >= TIED
    assert all(cell.model == "growth" for cell in cells if not cell.note)


def test_lines_of_a_pdf() -> None:
    """Lines with single spaces are split into a label and printed cells."""
    text = (
        "Predictor b SE t p\n"
        "Intercept 15.62 0.54 28.9 <.001\n"
        "Weeks −0.73 (0.14) −5.2 <.001\n"
        "Weeks × Treatment −0.29* [−0.51, −0.07] −2.6 .01"
    )
    grid = text_grids(text)[0]
    assert grid[1] == ["Intercept", "15.62", "0.54", "28.9", "<.001"]
    assert grid[2] == ["Weeks", "−0.73 (0.14)", "−5.2", "<.001"]
    assert grid[3][0] == "Weeks × Treatment"
    assert grid[3][1].startswith("−0.29*")


def test_superscripts_do_not_become_digits() -> None:
    """A raised footnote number in HTML is kept apart from the digits before it."""
    grid = text_grids(
        "<table><tr><td>x</td><td>0.05<sup>1</sup></td></tr><tr><td>y</td><td>2</td></tr></table>"
    )[0]
    assert grid[0][1] == "0.05¹"


def test_what_cannot_be_tied_is_said() -> None:
    """Rows and columns that are not known are kept, with the question in their note."""
    grid = [["", "Estimate", "Foo"], ["Weeks", "–0.73", "1"], ["Shoe size", "0.10", "2"]]
    cells = cells_of_grid(load_study("lindqvist2020"), grid, table="2")
    notes = {(cell.row, cell.column): cell.note for cell in cells}
    assert notes["Weeks", "Estimate"] == ""
    assert "which coefficient is 'Shoe size'" in notes["Shoe size", "Estimate"]
    assert "what does the column 'Foo' hold" in notes["Weeks", "Foo"]
    asked = []

    def ask(question: str, answers: object) -> str:
        asked.append(question)
        return {"Foo": "z", "Shoe": "ipdt"}[next(word for word in ("Foo", "Shoe") if word in question)]

    answered = cells_of_grid(load_study("lindqvist2020"), grid, table="2", ask=ask)
    assert len(asked) == 2
    assert ("0.10", "estimate", "ipdt") in {key(cell) for cell in answered}


def test_two_rows_that_name_one_coefficient_are_not_both_it() -> None:
    """Lindqvist et al. (2020) print "IPDT" and, under another heading, "IPDT versus control": a change, no level."""
    study = load_study("lindqvist2020")
    lines = [["IPDT", "-0.32", "-1.76 to 1.13"], ["IPDT versus control", "-0.29", "-0.51 to -0.07"]]
    for body in (lines, lines[::-1]):
        cells = cells_of_grid(study, [["", "Estimate", "95% CI"], *body], table="2", model="growth")
        tied = {cell.row: cell.coefficient for cell in cells}
        assert tied == {"IPDT": "ipdt", "IPDT versus control": ""}
        assert {c.note for c in cells if c.row != "IPDT"} == {"which coefficient is 'IPDT versus control'?"}
    asked: list[str] = []

    def ask(question: str, options: tuple[str, ...]) -> str:
        asked.append(question)
        return "weeks:ipdt"

    cells = cells_of_grid(study, [["", "Estimate", "95% CI"], *lines], table="2", model="growth", ask=ask)
    assert asked == ["Which coefficient is 'IPDT versus control'?"]
    assert {c.coefficient for c in cells if c.row != "IPDT"} == {"weeks:ipdt"}


def test_cells_that_cannot_be_read_say_why() -> None:
    """An ambiguous cell of a pasted table is kept with both readings in its note."""
    grid = [["", "Estimate"], ["Weeks", "1.234"], ["IPDT", "-3.120"]]
    cells = cells_of_grid(load_study("lindqvist2020"), grid, table="2")
    assert all("decimal comma" in cell.note for cell in cells)


def test_template(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The template has one row a coefficient and model, in the columns of cells.csv, and overwrites nothing."""
    study = load_study("lindqvist2020")
    assert coefficients_of(study, study.models[0]) == [
        "Intercept",
        "weeks",
        "weeks_squared",
        "ipdt",
        "weeks:ipdt",
    ]
    assert {cell.coefficient for cell in template_cells(study)} >= {"weeks:ipdt"}
    target = tmp_path / "cells.csv"
    assert main(["new-cells", "lindqvist2020", "--to", str(target)]) == 0
    rows = list(csv.reader(io.StringIO(target.read_text(encoding="utf-8"))))
    assert tuple(rows[0]) == CELL_COLUMNS
    before = target.read_bytes()
    assert main(["new-cells", "lindqvist2020", "--to", str(target)]) == 2
    assert target.read_bytes() == before
    assert "exists already" in capsys.readouterr().err


def test_paste_by_command(tmp_path: Path) -> None:
    """The command writes what the table holds, and every cell that it ties can be read."""
    target = tmp_path / "new.csv"
    source = as_word(tmp_path / "t.docx")
    arguments = ["new-cells", "lindqvist2020", "--paste", str(source), "--table", "2", "--to", str(target)]
    assert main(arguments) == 0
    rows = list(csv.DictReader(io.StringIO(target.read_text(encoding="utf-8"))))
    assert all(
        not read_or_fault(r["printed"], r["quantity"])[1] or r["note"] or r["quantity"] == "ci" for r in rows
    )


@pytest.mark.parametrize("content", [b"", b"one line", b"PK\x03\x04 no archive"])
def test_files_without_a_table(content: bytes, tmp_path: Path) -> None:
    """A file without a table is refused in words."""
    for name in ("t.docx", "t.xlsx", "t.txt"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError):
            read_grids(path)
