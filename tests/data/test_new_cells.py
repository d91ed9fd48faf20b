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
from bayes_alliance.data.readers.printed_grid import pasted_grids, read_grids, text_grids
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


def test_models_side_by_side_are_not_one() -> None:
    """Columns under a heading that names a model are its own; where no heading names one, each cell asks."""
    study = load_study("espel_huynh2024")
    spans = ["", "Model 1", "", "", "Model 2", "", ""]
    heads = ["Predictors", "Estimates", "CI", "p", "Estimates", "CI", "p"]
    body = [
        ["Weeks", "-1.45", "-1.46 to -1.43", "<.001", "-1.36", "-1.38 to -1.34", "<.001"],
        ["Random Effects", *[""] * 6],
        ["σ²", "6.1", "", "", "5.9", "", ""],
        ["τ00 patient", "7.1 patient", "", "", "6.9 patient", "", ""],
        ["Marginal R² / Conditional R²", "0.01 / 0.72", "", "", "0.02 / 0.73", "", ""],
    ]
    cells = cells_of_grid(study, [spans, heads, *body], table="5")
    assert not [cell for cell in cells if cell.note]
    of = {(c.printed, c.quantity): (c.model, c.coefficient) for c in cells}
    assert of["-1.45", "estimate"] == ("model_1", "weeks")
    assert of["-1.38 to -1.34", "ci"] == ("model_2", "weeks")
    assert of["6.9", "variance"] == ("model_2", "Intercept")
    assert of["0.02", "r2"] == of["0.73", "r2"] == ("model_2", "")
    unnamed = cells_of_grid(study, [heads, *body], table="5", model="model_1")
    assert {(cell.model, cell.note) for cell in unnamed} == {("", "which model reports it?")}


def test_limits_in_two_columns_are_one_interval() -> None:
    """Lower and upper limits in columns of their own are read as one interval, at the level of their headings."""
    study = load_study("lindqvist2020")
    for low, high in (("l-95% CI", "u-95% CI"), ("2.5 %", "97.5 %"), ("Lower 95% CI", "Upper 95% CI")):
        grid = [["Term", "Estimate", "Est.Error", low, high], ["Weeks", "-0.73", "0.14", "-1.01", "-0.46"]]
        cells = cells_of_grid(study, grid, table="9")
        assert [(c.quantity, c.printed, c.note) for c in cells][2] == ("ci", "-1.01 to -0.46", "")
    groups = cells_of_grid(study, [["", "Low", "High"], ["Weeks", "-0.73", "0.14"]], table="9")
    assert [cell.printed for cell in groups] == ["-0.73", "0.14"]


def test_labels_that_fit_as_well_are_both_asked() -> None:
    """Two parts of one model that differ by a sign in brackets alone, and standard deviations, are not mixed up."""
    study = load_study("lindqvist2020")
    grid = [
        ["Term", "Estimate"],
        ["Intercept (μ)", "15.62"],
        ["Intercept (σ)", "3.26"],
        ["IPDT", "-0.32"],
        ["Random effects (standard deviations)", ""],
        ["Intercept", "2.76"],
    ]
    cells = {(cell.row, cell.printed): cell for cell in cells_of_grid(study, grid, table="2")}
    assert all(
        "which coefficient" in cells[f"Intercept ({s})", n].note for s, n in (("μ", "15.62"), ("σ", "3.26"))
    )
    assert (cells["Intercept", "2.76"].quantity, cells["Intercept", "2.76"].note) == ("sd", "")
    beta = cells_of_grid(study, [["", "β"], ["IPDT", "-0.32"]], table="2")
    assert beta[0].note == "what does the column 'β' hold?"


def test_summary_of_r() -> None:
    """Fixed effects, variances, standard deviations and the criterion of a summary of lmerTest are told apart."""
    text = """## REML criterion at convergence: 1234.5
##
## Random effects:
##  Groups  Name        Variance Std.Dev. Corr
##  patient (Intercept) 7.61     2.759
##          weeks       0.25     0.500    0.07
##  Residual            6.10     2.470
## Number of obs: 180, groups:  patient, 18
##
## Fixed effects:
##             Estimate Std. Error      df t value Pr(>|t|)
## (Intercept)   15.620      0.540  17.000  28.926  < 2e-16 ***
## weeks         -0.730      0.140  17.000  -5.214 3.26e-05 ***
## ---
"""
    study = load_study("lindqvist2020")
    cells = cells_of_grid(study, pasted_grids(text)[0], table="9")
    assert not [cell for cell in cells if cell.note]
    found = {(cell.printed, cell.quantity, cell.coefficient) for cell in cells}
    assert len(cells) == 10 + 7 + 1
    assert found >= {
        ("-0.730", "estimate", "weeks"),
        ("<2e-16", "p", "Intercept"),
        ("0.25", "variance", "weeks"),
        ("2.759", "sd", "Intercept"),
        ("2.470", "residual_sd", ""),
        ("0.07", "correlation", ""),
        ("1234.5", "minus_2ll", ""),
    }


def test_cells_over_several_columns_or_rows_shift_nothing(tmp_path: Path) -> None:
    """What stands behind a merged cell of Word or HTML keeps its column; stacked tables are two."""
    document = docx.Document()
    table = document.add_table(rows=2, cols=4)
    table.cell(0, 1).merge(table.cell(0, 2)).text = "Estimate"
    for k, text in ((0, ""), (3, "p")):
        table.cell(0, k).text = text
    for k, text in enumerate(("IPDT", "-0.32", "", ".67")):
        table.cell(1, k).text = text
    document.save(str(tmp_path / "t.docx"))
    assert read_grids(tmp_path / "t.docx")[0] == [["", "Estimate", "p"], ["IPDT", "-0.32", ".67"]]
    page = "<table><tr><td rowspan=2>a</td><td>b</td></tr><tr><td>1</td></tr></table>"
    assert text_grids(page)[0] == [["a", "b"], ["", "1"]]
    stacked = "Term\tEstimate\nWeeks\t-0.73\nMales\t\nTerm\tEstimate\nWeeks\t-0.29"
    assert pasted_grids(stacked) == [
        [["Term", "Estimate"], ["Weeks", "-0.73"]],
        [["Males", ""], ["Term", "Estimate"], ["Weeks", "-0.29"]],
    ]


def test_rows_that_report_the_same_quantity_are_asked() -> None:
    """Of two correlations in a model that has one, neither is taken in silence; a single one is."""
    study = load_study("lindqvist2020")
    model = study.models[0].id
    grid = [
        ["", "Estimate"],
        ["Correlation of intercept and slope", "-0.20"],
        ["Correlation with the SD", "0.35"],
    ]
    both = cells_of_grid(study, grid, table="2", model=model)
    assert [(cell.model, "2 rows report one" in cell.note) for cell in both] == [("", True), ("", True)]
    (one,) = cells_of_grid(study, grid[:2], table="2", model=model)
    assert (one.model, one.quantity, one.note) == (model, "correlation", "")


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
