"""Reading one sheet of an Excel workbook (.xlsx)."""

from __future__ import annotations

import contextlib
import io
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree import ElementTree

from bayes_alliance.data.readers.excel_sheet import SheetFacts, column_letters, read_sheet_facts
from bayes_alliance.data.sheet_cell_text import cell_text
from bayes_alliance.data.text_table import TextTable, table_from_cells
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.study.records import ReadOptions

MAX_UNPACKED = 1_000_000_000
# Of all parts but sheets of cells: words, formats, names. Openpyxl takes the time of a thousand letters for each.
MAX_BESIDE = 100_000_000
MAX_COLUMNS = 5_000
MAX_ROWS = 2_000_000
MAX_SHEET_CELLS = 20_000_000
MIN_ZEROS = 3
# How files of Office begin that are encrypted or older than 2007.
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_TYPES = "[Content_Types].xml"
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
_ONLY_ZEROS = re.compile(r"0{2,20}")
# What a spreadsheet shows where a formula could not be computed.
_ERRORS = frozenset({"#N/A", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"})


def open_book(source: Path | BinaryIO, *, read_only: bool, keep_links: bool = True) -> Any:
    """Open a workbook with openpyxl, which prints words of its own to stdout where formats are damaged."""
    import openpyxl

    with contextlib.redirect_stdout(io.StringIO()):
        return openpyxl.load_workbook(source, read_only=read_only, data_only=True, keep_links=keep_links)


def read_excel_table(path: Path, options: ReadOptions) -> TextTable:
    """Read a sheet: the one asked for, else the first that is not hidden.

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
        If it is no workbook, has no such sheet, or holds merged cells, or formulas that gave an error or nothing.
    """
    _check_unpacked(path)
    book = open_book(path, read_only=True, keep_links=False)
    try:
        sheets = {sheet.title: sheet for sheet in book.worksheets}
        hidden = [name for name, sheet in sheets.items() if sheet.sheet_state != "visible"]
        sheet = _choose_sheet(path.name, list(sheets), hidden, options.sheet)
        rows = _rows(sheets[sheet], path.name)
        member = str(sheets[sheet]._worksheet_path).lstrip("/")
    finally:
        book.close()
    start = next((i for i, (_, cells) in enumerate(rows) if any(cell.strip() for cell in cells)), None)
    facts = read_sheet_facts(path, member)
    if start is None and not facts.uncomputed:
        problem = Problem(what=f"sheet {sheet!r} is empty", allowed=f"one of {', '.join(sheets)}")
        raise InputError(path.name, [problem])
    header = [cell.strip() for cell in rows[start][1]] if start is not None else []
    _check_facts(path.name, facts, header, rows[start][0] if start is not None else 0)
    assert start is not None
    _check_errors(path.name, rows)
    others = f" of {len(sheets)} ({', '.join(sheets)})" if len(sheets) > 1 else ""
    if hidden:
        others += f"; hidden: {', '.join(hidden)}"
    table = table_from_cells(
        path.name,
        header,
        rows[start + 1 :],
        noun="row",
        notes=(f"{path.name}: Excel, sheet {sheet!r}{others}",),
    )
    return replace(table, warnings=_warnings(path.name, sheet, hidden, facts, header))


def _choose_sheet(name: str, sheets: list[str], hidden: list[str], asked: str) -> str:
    if asked and asked not in sheets:
        problem = Problem(what="no such sheet", got=repr(asked[:80]), allowed=", ".join(sheets) or "none")
        raise InputError(name, [problem])
    if not sheets:
        raise InputError(name, [Problem(what="the workbook has no sheet of cells", allowed="one")])
    shown = [sheet for sheet in sheets if sheet not in hidden] or sheets
    return asked or shown[0]


def _check_facts(name: str, facts: SheetFacts, header: list[str], top: int) -> None:
    """Refuse formulas that were never computed and merged cells, each column once."""
    problems = []
    empty: dict[int, list[int]] = {}
    for row, column in facts.uncomputed:
        if row >= top:
            empty.setdefault(column, []).append(row)
    for column, rows in sorted(empty.items()):
        shown = ", ".join(map(str, rows[:3])) + (f" and {len(rows) - 3} more" if len(rows) > 3 else "")
        problems.append(
            Problem(
                what=f"{len(rows)} formula{'s have' if len(rows) > 1 else ' has'} no stored value",
                where=f"{name}, row{'s' if len(rows) > 1 else ''} {shown}, column {_called(header, column)!r}",
                allowed="formulas that a spreadsheet has computed, or plain values",
                fix="open the workbook in Excel or LibreOffice, save it, and read it again",
            )
        )
    merged: dict[int, list[str]] = {}
    for first, left, last, right in facts.merged:
        if last > top and (last > first or right > left):
            area = f"{column_letters(left)}{first}:{column_letters(right)}{last}"
            merged.setdefault(left, []).append(area)
    for column, areas in sorted(merged.items()):
        shown = ", ".join(areas[:3]) + (f" and {len(areas) - 3} more" if len(areas) > 3 else "")
        problems.append(
            Problem(
                what=f"merged cells ({shown}), of which only the first holds a value",
                where=f"{name}, column {_called(header, column)!r}",
                allowed="one cell a row and column",
                fix="unmerge them in the spreadsheet and write the value into every row (fill down)",
            )
        )
    if problems:
        raise InputError(name, problems[:50])


def _warnings(
    name: str, sheet: str, hidden: list[str], facts: SheetFacts, header: list[str]
) -> tuple[Problem, ...]:
    """Warn of a hidden sheet that is read, and of columns whose formulas all give 0."""
    found = []
    if sheet in hidden:
        found.append(Problem(what=f"sheet {sheet!r} is hidden, and it is what was read", where=name))
    for column, count in sorted(facts.formulas.items()):
        if count >= MIN_ZEROS and facts.zeros.get(column, 0) == count:
            found.append(
                Problem(
                    what=f"all {count} formulas have the stored value 0: were they ever computed?",
                    where=f"{name}, column {_called(header, column)!r}",
                    fix="open the workbook in Excel or LibreOffice, save it, and read it again",
                )
            )
    return tuple(found)


def _called(header: list[str], column: int) -> str:
    """Return the header of a column, or its letters where it has none."""
    return header[column - 1] if column <= len(header) and header[column - 1] else column_letters(column)


def _check_unpacked(path: Path) -> None:
    """Refuse what is no zip archive, and one that would unpack to more than the memory should hold."""
    try:
        with zipfile.ZipFile(path) as archive:
            sheets = _sheet_parts(archive)
            size = sum(item.file_size for item in archive.infolist())
            beside = sum(item.file_size for item in archive.infolist() if item.filename not in sheets)
    except zipfile.BadZipFile as error:
        locked = path.open("rb").read(8) == _COMPOUND
        problem = Problem(
            what="not an Excel workbook"
            + (" (protected by a password, or of the old kind .xls)" if locked else ""),
            allowed=".xlsx without a password",
            fix="open it in Excel and save it as .xlsx, without a password",
        )
        raise InputError(path.name, [problem]) from error
    for found, most, what in ((size, MAX_UNPACKED, "in all"), (beside, MAX_BESIDE, "besides its sheets")):
        if found > most:
            got, allowed = f"{found} bytes {what}", f"at most {most} bytes"
            problem = Problem(
                what="unpacks to too much", got=got, allowed=allowed, fix="save the sheet as CSV"
            )
            raise InputError(path.name, [problem])


def _sheet_parts(archive: zipfile.ZipFile) -> set[str]:
    """Name the parts that are sheets of cells and nothing else, by what the workbook says of itself."""
    if _TYPES not in archive.namelist() or archive.getinfo(_TYPES).file_size > MAX_BESIDE:
        return set()
    kinds: dict[str, set[str]] = {}
    try:
        for element in ElementTree.fromstring(archive.read(_TYPES)):
            kinds.setdefault(element.get("PartName", "").lstrip("/"), set()).add(
                element.get("ContentType", "")
            )
    except ElementTree.ParseError:
        return set()  # openpyxl refuses it next
    return {part for part, kind in kinds.items() if kind == {_SHEET}}


def _rows(sheet: Any, name: str) -> list[tuple[int, list[str]]]:
    """Return every row with its number, all of them of the same length."""
    rows: list[tuple[int, list[str]]] = []
    n_cells = 0
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        # Sparse cells far apart count with all those between them.
        n_cells += len(cells)
        if number > MAX_ROWS or len(cells) > MAX_COLUMNS or n_cells > MAX_SHEET_CELLS:
            allowed = f"at most {MAX_ROWS} rows, {MAX_COLUMNS} columns and {MAX_SHEET_CELLS} cells"
            raise InputError(name, [Problem(what="too large", allowed=allowed)])
        texts = [_text(cell) for cell in cells]
        while texts and not texts[-1]:
            texts.pop()
        # Rows that only carry a format can go on to the end of the sheet.
        if texts:
            rows.append((number, texts))
    width = max((len(cells) for _, cells in rows), default=0)
    if width * len(rows) > MAX_SHEET_CELLS:
        raise InputError(name, [Problem(what="too large", allowed=f"at most {MAX_SHEET_CELLS} cells")])
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
