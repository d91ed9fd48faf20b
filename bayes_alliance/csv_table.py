"""Reading a CSV file of any common dialect into a table of text that remembers its lines.

Cells stay text here; :mod:`bayes_alliance.data` turns them into numbers, so that a message can name the line
and the column. A cell's content never goes into a message: it may be a patient's value.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.errors import InputError, Problem

MAX_BYTES = 100_000_000
MAX_LISTED = 50
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
_UTF8_BOM = b"\xef\xbb\xbf"


@dataclass
class Findings:
    """Problems of one or more tables, collected and then raised together in the order of the lines."""

    found: list[tuple[int, Problem]] = field(default_factory=list)

    def add(self, what: str, *, where: str, line: int = 0, allowed: str = "", fix: str = "") -> None:
        """Record one problem; line 0 stands for the table as a whole."""
        self.found.append((line, Problem(what=what, where=where, allowed=allowed, fix=fix)))

    def raise_any(self, subject: str) -> None:
        """Raise an InputError if anything was found, naming at most 50 problems and counting the rest."""
        if not self.found:
            return
        problems = [problem for _, problem in sorted(self.found, key=lambda pair: pair[0])]
        listed = problems[:MAX_LISTED]
        if more := len(problems) - len(listed):
            listed.append(Problem(what=f"and {more} more", fix="mend these first and read the file again"))
        raise InputError(subject, listed)


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """A table whose cells are as found.

    Parameters
    ----------
    name : str
        File name without its folder, or the label of a cohort.
    frame : pandas.DataFrame, shape (n_rows, n_columns)
        Cells, under the headers of the file.
    lines : ndarray of int, shape (n_rows,)
        Where each row stands, counted from 1.
    noun : str
        What ``lines`` counts: "line" in a file, "row" in a table that never was one.
    may_use_decimal_comma : bool
        Whether a comma inside a cell can be a decimal mark (it cannot where it separates columns).
    notes : tuple of str
        What was detected and left out.
    """

    name: str
    frame: pd.DataFrame
    lines: NDArray[np.int64]
    noun: str
    may_use_decimal_comma: bool
    notes: tuple[str, ...]

    def place(self, row: int, column: str = "") -> str:
        """Name a cell's place for a message."""
        text = f"{self.name}, {self.noun} {self.lines[row]}"
        return f"{text}, column {column!r}" if column else text


def read_csv_table(path: Path) -> TextTable:
    """Read a CSV file as text.

    UTF-8 with or without byte-order mark; separated by comma, semicolon or tab, whichever the header has
    most of. Lines without any content are left out and counted in the notes.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    TextTable

    Raises
    ------
    InputError
        If the file is no such table, with every ragged row and repeated header.
    """
    findings = Findings()
    text, encoding = _read_text(path)
    delimiter = _sniff_delimiter(text)
    header, rows = _parse(text, delimiter, path.name)
    _check_headers(header, rows, path.name, findings)
    kept = [(line, cells) for line, cells in rows if any(cell.strip() for cell in cells)]
    for line, cells in kept:
        if len(cells) != len(header):
            findings.add(
                f"the row has {len(cells)} fields",
                where=f"{path.name}, line {line}",
                line=line,
                allowed=f"{len(header)}, as in the header",
                fix="look for a missing or an unquoted separator",
            )
    if not kept:
        findings.add("no rows below the header", where=path.name)
    findings.raise_any(path.name)
    notes = [f"{path.name}: {encoding}, separated by {DELIMITERS[delimiter]}, {len(kept)} rows"]
    if blank := len(rows) - len(kept):
        notes.append(f"{path.name}: {blank} lines without any content were left out")
    named = [index for index, head in enumerate(header) if head]
    return TextTable(
        name=path.name,
        frame=pd.DataFrame({header[i]: [cells[i] for _, cells in kept] for i in named}, dtype=object),
        lines=np.array([line for line, _ in kept], dtype=np.int64),
        noun="line",
        may_use_decimal_comma=delimiter != ",",
        notes=tuple(notes),
    )


def _read_text(path: Path) -> tuple[str, str]:
    """Give the text and the name of its encoding."""
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise InputError(path.name, [Problem(what=f"cannot be read ({error.strerror})")]) from error
    if size > MAX_BYTES:
        problem = Problem(what="too large", got=f"{size} bytes", allowed=f"at most {MAX_BYTES} bytes")
        raise InputError(path.name, [problem])
    if b"\0" in raw:
        raise InputError(path.name, [Problem(what="not a text file", allowed="CSV in UTF-8")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = Problem(
            what="not UTF-8 text", where=f"line {line}", allowed="CSV in UTF-8", fix="save as CSV UTF-8"
        )
        raise InputError(path.name, [problem]) from error
    if not text.strip():
        raise InputError(path.name, [Problem(what="the file is empty", allowed="a header and rows")])
    return text, "UTF-8 with byte-order mark" if raw.startswith(_UTF8_BOM) else "UTF-8"


def _sniff_delimiter(text: str) -> str:
    """Choose the separator that the first line with content has most of, outside quotes."""
    first = next(line for line in text.splitlines() if line.strip())
    unquoted = "".join(first.split('"')[::2])
    return max(DELIMITERS, key=unquoted.count)


def _parse(text: str, delimiter: str, name: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Give the stripped header and the rows below it, each with the line on which it ends."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        problem = Problem(what=f"not valid CSV ({error})", where=f"line {reader.line_num}")
        raise InputError(name, [problem]) from error
    start = next(i for i, (_, cells) in enumerate(rows) if any(cell.strip() for cell in cells))
    return [cell.strip() for cell in rows[start][1]], rows[start + 1 :]


def _check_headers(
    header: list[str], rows: list[tuple[int, list[str]]], name: str, findings: Findings
) -> None:
    """Complain of repeated and of empty headers by position (in a file without header they are values)."""
    first: dict[str, int] = {}
    for number, head in enumerate(header, start=1):
        if not head:
            if any(len(cells) >= number and cells[number - 1].strip() for _, cells in rows):
                findings.add(f"column {number} has content and no header", where=name)
        elif head in first:
            findings.add(
                f"columns {first[head]} and {number} have the same header",
                where=name,
                fix="rename one of them",
            )
        else:
            first[head] = number
