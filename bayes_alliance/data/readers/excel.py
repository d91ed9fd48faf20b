"""Reading one sheet of an Excel workbook (.xlsx)."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

from bayes_alliance.data.cell_text import cell_text
from bayes_alliance.data.text_table import TextTable, table_from_cells
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.study.records import ReadOptions

MAX_UNPACKED = 1_000_000_000
MAX_COLUMNS = 5_000
MAX_ROWS = 2_000_000
_ONLY_ZEROS = re.compile(r"0{2,20}")
# What a spreadsheet shows where a formula could not be computed.
_ERRORS = frozenset({"#N/A", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"})


def read_excel_table(path: Path, options: ReadOptions) -> TextTable:
    """Read a sheet: the one asked for, else the only one with content, else the first.

    Formulas give the values that the spreadsheet stored. A number that a format of zeros shows with leading
    zeros keeps them, as the identifier ``007`` does. Rows without any content are left out.

    Parameters
    ----------
    path : Path
        The workbook.
    options : ReadOptions
        ``sheet``, if one is to be chosen.

    Returns
    -------
    TextTable

    Raises
    ------
    InputError
        If it is no workbook, has no such sheet, or holds errors of formulas.
    """
    import openpyxl

    _check_unpacked(path)
    book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    try:
        names = list(book.sheetnames)
        if options.sheet and options.sheet not in names:
            problem = Problem(what="no such sheet", got=repr(options.sheet[:80]), allowed=", ".join(names))
            raise InputError(path.name, [problem])
        sheet = options.sheet or names[0]
        rows = _rows(book[sheet], path.name)
    finally:
        book.close()
    start = next((i for i, (_, cells) in enumerate(rows) if any(cell.strip() for cell in cells)), None)
    if start is None:
        problem = Problem(what=f"sheet {sheet!r} is empty", allowed=f"one of {', '.join(names)}")
        raise InputError(path.name, [problem])
    _check_errors(path.name, rows)
    header = [cell.strip() for cell in rows[start][1]]
    others = f" of {len(names)} ({', '.join(names)})" if len(names) > 1 else ""
    return table_from_cells(
        path.name,
        header,
        rows[start + 1 :],
        noun="row",
        notes=(f"{path.name}: Excel, sheet {sheet!r}{others}",),
    )


def _check_unpacked(path: Path) -> None:
    """Refuse what is no zip archive, and one that would unpack to more than the memory should hold."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
    except zipfile.BadZipFile as error:
        problem = Problem(
            what="not an Excel workbook", allowed=".xlsx", fix="open it in Excel and save it as .xlsx"
        )
        raise InputError(path.name, [problem]) from error
    if size > MAX_UNPACKED:
        allowed = f"at most {MAX_UNPACKED} bytes"
        raise InputError(
            path.name, [Problem(what="unpacks to too much", got=f"{size} bytes", allowed=allowed)]
        )


def _rows(sheet: Any, name: str) -> list[tuple[int, list[str]]]:
    """Give every row with its number, all of them of the same length."""
    rows: list[tuple[int, list[str]]] = []
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        if number > MAX_ROWS or len(cells) > MAX_COLUMNS:
            allowed = f"at most {MAX_ROWS} rows and {MAX_COLUMNS} columns"
            raise InputError(name, [Problem(what="too large", allowed=allowed)])
        texts = [_text(cell) for cell in cells]
        while texts and not texts[-1]:
            texts.pop()
        # Rows that only carry a format can go on to the end of the sheet.
        if texts:
            rows.append((number, texts))
    width = max((len(cells) for _, cells in rows), default=0)
    return [(number, cells + [""] * (width - len(cells))) for number, cells in rows]


def _text(cell: Any) -> str:
    text = cell_text(cell.value)
    shown = getattr(cell, "number_format", None) or ""
    return text.zfill(len(shown)) if _ONLY_ZEROS.fullmatch(shown) and text.isdecimal() else text


def _check_errors(name: str, rows: list[tuple[int, list[str]]]) -> None:
    """Complain of formulas that gave an error."""
    problems = [
        Problem(
            what="an error of a formula",
            where=f"{name}, row {number}, column {index}",
            got=text,
            allowed="a value",
            fix="mend the formula or clear the cell",
        )
        for number, cells in rows
        for index, text in enumerate(cells, start=1)
        if text in _ERRORS
    ]
    if problems:
        raise InputError(name, problems[:50])
