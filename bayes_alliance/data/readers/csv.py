"""Reading a CSV file of any common dialect into a table of text that remembers its lines.

Separator (comma, semicolon, tab), decimal mark and encoding (UTF-8, UTF-16, Latin-1) are found out, reported,
and can be stated instead.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from pathlib import Path

from bayes_alliance.data.text_table import TextTable, check_size, table_from_cells
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.study.records import ReadOptions

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
_MARKS = {
    codecs.BOM_UTF8: ("utf-8-sig", "UTF-8 with byte-order mark"),
    codecs.BOM_UTF16_LE: ("utf-16", "UTF-16"),
    codecs.BOM_UTF16_BE: ("utf-16", "UTF-16"),
}
_EXCEL_SEPARATOR = re.compile(r"\s*(\"?sep=([,;\t])\"?)(?=[\r\n])", re.IGNORECASE)
# Letters that Western European text holds above ASCII in Windows-1252, of which Latin-1 is a part.
_WESTERN = frozenset("ÆØÅæøåÄÖÜäöüßÉÈÊËéèêëÁÀÂáàâÍíÓÒÔóòôÚúÇçÑñÕõÃã§°´µ–—’“”€«»½²")


def read_csv_table(path: Path, options: ReadOptions | None = None) -> TextTable:
    """Read a CSV file as text.

    Separated by comma, semicolon or tab, whichever the header has most of. UTF-8 with or without byte-order
    mark, UTF-16 with one, else Windows-1252 (of which Latin-1 is a part) if all its letters are Western
    European. Lines without any content are left out and counted in the notes.

    Parameters
    ----------
    path : Path
        The file.
    options : ReadOptions, optional
        Encoding and separator where they are not to be found out.

    Returns
    -------
    TextTable

    Raises
    ------
    InputError
        If the file is no such table, with every ragged row and repeated header.
    """
    options = options or ReadOptions()
    text, encoding = _read_text(path, options.encoding)
    # Excel may say the separator in a line of its own; it stays as a blank one, so that lines count right.
    if stated := _EXCEL_SEPARATOR.match(text):
        text = text[stated.end(1) :]
    delimiter = options.delimiter or (stated[2] if stated else "") or _sniff_delimiter(text)
    header, rows = _parse(text, delimiter, path.name)
    return table_from_cells(
        path.name,
        header,
        rows,
        noun="line",
        notes=(f"{path.name}: {encoding}, separated by {DELIMITERS[delimiter]}",),
        may_use_decimal_comma=delimiter != ",",
    )


def _read_text(path: Path, encoding: str) -> tuple[str, str]:
    """Return the text and the name of its encoding."""
    check_size(path.name, path.stat().st_size)
    text, found = _decode(path.read_bytes(), encoding, path.name)
    if "\0" in text:
        problem = Problem(what="not a text file", allowed="CSV", fix="export it as CSV UTF-8")
        raise InputError(path.name, [problem])
    if not text.strip():
        raise InputError(path.name, [Problem(what="the file is empty", allowed="a header and rows")])
    return text, found


def _decode(raw: bytes, encoding: str, name: str) -> tuple[str, str]:
    mark = next((mark for mark in _MARKS if raw.startswith(mark)), None)
    chosen, called = _MARKS[mark] if mark is not None and not encoding else (encoding or "utf-8", "UTF-8")
    try:
        return raw.decode(chosen), encoding or called
    except UnicodeDecodeError as error:
        western = raw.decode("cp1252", errors="replace")
        if not encoding and mark is None and all(c in _WESTERN for c in western if not c.isascii()):
            return western, "Windows-1252 (Latin-1)"
        line = raw.count(b"\n", 0, error.start) + 1
        what = f"not {encoding or 'UTF-8'} text" if mark is None else f"not {called} text"
        problem = Problem(
            what=what,
            where=f"line {line}",
            allowed="UTF-8, UTF-16 with byte-order mark, or Latin-1",
            fix="save as CSV UTF-8, or state the encoding",
        )
        raise InputError(name, [problem]) from error


def _sniff_delimiter(text: str) -> str:
    """Choose the separator that the first line with content has most of, outside quotes."""
    first = next(line for line in text.splitlines() if line.strip())
    unquoted = "".join(first.split('"')[::2])
    return max(DELIMITERS, key=unquoted.count)


def _parse(text: str, delimiter: str, name: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the stripped header and the rows below it, each with the line on which it ends."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        problem = Problem(
            what=f"not valid CSV ({error})",
            where=f"line {reader.line_num}",
            fix="look for a quotation mark that is not closed",
        )
        raise InputError(name, [problem]) from error
    start = next((i for i, (_, cells) in enumerate(rows) if any(cell.strip() for cell in cells)), None)
    if start is None:
        raise InputError(name, [Problem(what="the file is empty", allowed="a header and rows")])
    return [cell.strip() for cell in rows[start][1]], rows[start + 1 :]
