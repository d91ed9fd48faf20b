"""A table of text that remembers its lines, and the findings about it: what every reader gives.

Cells stay text until :mod:`bayes_alliance.data.typed_columns` turns them into numbers, so that a message can name
the line and the column. A cell's content goes into a message only where the user asked to see values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.data.codes import clean_text
from bayes_alliance.data.sheet_cell_text import cell_text
from bayes_alliance.errors import InputError, Problem

MAX_BYTES = 100_000_000
MAX_CELLS = 50_000_000
MAX_LISTED = 50
MAX_SHOWN = 40
# The whole wording of a question may be a header.
MAX_HEADER = 5_000
# As many cells of a column are named one by one; more have one cause, which is said once.
MAX_SINGLY = 3
# A header that is a number or a date is probably a value.
_VALUE = re.compile(r"[+-]?\d+([.,]\d+)?|\d{4}-\d\d-\d\d.*", re.ASCII)


@dataclass
class Findings:
    """Problems and warnings of one or more tables, collected and then raised together in the order of lines.

    Parameters
    ----------
    show_values : bool
        Whether a message may show the cell that it speaks of (a patient's value).
    time_refused : bool
        Whether the dates that time comes from were complained of, so that a missing time needs no word of its own.
    """

    show_values: bool = False
    found: list[tuple[int, Problem]] = field(default_factory=list)
    warned: list[Problem] = field(default_factory=list)
    time_refused: bool = False

    def add(
        self, what: str, *, where: str, line: int = 0, got: str = "", allowed: str = "", fix: str = ""
    ) -> None:
        """Record one problem; line 0 stands for the table as a whole. ``got`` is left out unless wanted."""
        shown = repr(got[:MAX_SHOWN]) if self.show_values and got else ""
        self.found.append((line, Problem(what=what, where=where, got=shown, allowed=allowed, fix=fix)))

    def warn(self, what: str, *, where: str, got: str = "", allowed: str = "", fix: str = "") -> None:
        """Record something that is permitted, but probably not meant. ``got`` is left out unless wanted."""
        shown = got[: 2 * MAX_SHOWN] if self.show_values else ""
        self.warned.append(Problem(what=what, where=where, got=shown, allowed=allowed, fix=fix))

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
        What ``lines`` counts: "line" in a text file, "row" in a spreadsheet or a table in memory.
    may_use_decimal_comma : bool
        Whether a comma inside a cell can be a decimal mark (it cannot where it separates columns).
    notes : tuple of str
        What was detected and left out.
    decimal : str
        The decimal mark, where the user stated it; empty to find it out.
    column_labels : mapping of str to str
        What the file says about its columns (SPSS, Stata), by header.
    value_labels : mapping of str to (mapping of str to str)
        Labels of a column's codes (SPSS, Stata), by header.
    warnings : tuple of Problem
        What the reader found permitted, but probably not meant.
    visits : tuple of str
        For rows that were made from a wide file: the visit of each, as its headers spell it.
    wide_headers : mapping of (str, str) to str
        Header in the wide file of a column at a visit.
    """

    name: str
    frame: pd.DataFrame
    lines: NDArray[np.int64]
    noun: str
    may_use_decimal_comma: bool
    notes: tuple[str, ...]
    decimal: str = ""
    column_labels: Mapping[str, str] = field(default_factory=dict)
    value_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()
    visits: tuple[str, ...] = ()
    wide_headers: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def place(self, row: int, column: str = "") -> str:
        """Name a cell's place for a message, as it is in the file."""
        column = self.header_at(row, column)
        text = f"{self.name}, {self.noun} {self.lines[row]}"
        return f"{text}, column {column!r}" if column else text

    def without(self, rows: NDArray[np.bool_]) -> TextTable:
        """Return the table without the marked rows; the others keep the numbers of their lines."""
        visits = (
            tuple(v for v, gone in zip(self.visits, rows, strict=True) if not gone) if self.visits else ()
        )
        frame = self.frame.loc[~rows].reset_index(drop=True)
        return replace(self, frame=frame, lines=self.lines[~rows], visits=visits)

    def header_at(self, row: int, column: str) -> str:
        """Return the header in the file of a column at a row: another for each visit of a wide file."""
        return self.wide_headers.get((column, self.visits[row]), column) if self.visits else column


def with_notes(table: TextTable, *notes: str) -> TextTable:
    """Return a table with notes of what was done to it."""
    return replace(table, notes=(*table.notes, *(f"{table.name}: {note}" for note in notes)))


def complain_of_cells(
    table: TextTable,
    header: str,
    rows: NDArray[np.bool_],
    findings: Findings,
    what: str,
    *,
    allowed: str = "",
    fix: str = "",
) -> None:
    """Record what is wrong with the marked cells of a column: a line each for a few, one line for many.

    Parameters
    ----------
    table : TextTable
        Of which the cells are.
    header : str
        Of the column.
    rows : ndarray of bool
        The cells.
    findings : Findings
        Collects the problems.
    what, allowed, fix : str
        As in :class:`bayes_alliance.errors.Problem`.
    """
    places = [int(row) for row in np.flatnonzero(rows)]
    cells = table.frame[header] if header in table.frame.columns else None
    texts = ["" if cells is None else str(cells.iloc[row]) for row in places]
    if len(places) <= MAX_SINGLY:
        for row, got in zip(places, texts, strict=True):
            line = int(table.lines[row])
            findings.add(what, where=table.place(row, header), line=line, got=got, allowed=allowed, fix=fix)
        return
    numbers = ", ".join(str(table.lines[row]) for row in places[:MAX_SINGLY])
    headers = sorted({table.header_at(row, header) for row in places})
    shown = ", ".join(map(repr, headers[:MAX_SINGLY])) + (" and others" if len(headers) > MAX_SINGLY else "")
    advice = fix if findings.show_values else "; ".join(filter(None, (fix, "--show-values shows the cells")))
    findings.add(
        f"{what} ({len(places)} of {len(rows)} cells)",
        where=f"{table.name}, {table.noun}s {numbers} and {len(places) - MAX_SINGLY} more, column {shown}",
        line=int(table.lines[places[0]]),
        got=", ".join(dict.fromkeys(text[:MAX_SHOWN] for text in texts if text))[:MAX_SHOWN],
        allowed=allowed,
        fix=advice,
    )


# Over 40 lines: nine arguments, and a record of nine fields.
def table_from_cells(
    name: str,
    header: list[str],
    rows: list[tuple[int, list[str]]],
    *,
    noun: str,
    notes: tuple[str, ...],
    may_use_decimal_comma: bool = False,
    column_labels: Mapping[str, str] | None = None,
    value_labels: Mapping[str, Mapping[str, str]] | None = None,
) -> TextTable:
    """Build a table from a header and numbered rows after checking that they make one.

    Parameters
    ----------
    name : str
        File name without its folder.
    header : list of str
        Stripped; empty where a column has none.
    rows : list of (int, list of str)
        Number and cells of each row. Rows without content are left out and counted.

    Returns
    -------
    TextTable

    Raises
    ------
    InputError
        With every ragged row and repeated header.
    """
    findings = Findings()
    header = [clean_text(head) for head in header]
    kept = [(line, cells) for line, cells in rows if any(cell.strip() for cell in cells)]
    header, kept, unnamed = _without_row_names(header, kept)
    if fault := _header_fault(header, kept):
        findings.add(fault[0], where=name, allowed="one row of headers, above the rows", fix=fault[1])
        findings.raise_any(name)
    check_headers(header, kept, name, findings)
    _check_lengths(name, header, kept, noun, findings)
    if not kept:
        findings.add("no rows below the header", where=name, fix="was the right file or sheet read?")
    findings.raise_any(name)
    left_out = (
        (f"{name}: {blank} {noun}s without any content were left out",)
        if (blank := len(rows) - len(kept))
        else ()
    )
    named = [index for index, head in enumerate(header) if head]
    return TextTable(
        name=name,
        frame=pd.DataFrame({header[i]: [cells[i] for _, cells in kept] for i in named}, dtype=object),
        lines=np.array([line for line, _ in kept], dtype=np.int64),
        noun=noun,
        may_use_decimal_comma=may_use_decimal_comma,
        notes=(
            f"{notes[0]}, {len(kept)} rows",
            *notes[1:],
            *left_out,
            *(f"{name}: {note}" for note in unnamed),
        ),
        column_labels=column_labels or {},
        value_labels=value_labels or {},
    )


def _without_row_names(
    header: list[str], rows: list[tuple[int, list[str]]]
) -> tuple[list[str], list[tuple[int, list[str]]], tuple[str, ...]]:
    """Leave out a first column without a header that counts the rows, as R and pandas write it."""
    counted = [cells[0].strip() for _, cells in rows if cells]
    first = next(iter(counted), "")
    if (
        len(header) > 1
        and not header[0]
        and first in ("0", "1")
        and len(counted) == len(rows)
        and counted == [str(int(first) + number) for number in range(len(rows))]
    ):
        note = "a first column without a header, which counts the rows, was left out"
        return header[1:], [(line, cells[1:]) for line, cells in rows], (note,)
    return header, rows, ()


def _header_fault(header: list[str], rows: list[tuple[int, list[str]]]) -> tuple[str, str] | None:
    """Return what is wrong with a header as a whole, and what to do; None where it may be one."""
    named = [head for head in header if head]
    width = max((sum(bool(cell.strip()) for cell in cells) for _, cells in rows), default=0)
    if len(named) == 1 and width >= 3 and len(header) >= 3:
        return "the first row is a title, not headers", "delete the rows above the headers"
    numbers = sum(_VALUE.fullmatch(head) is not None for head in named)
    if named and 2 * numbers >= len(named) and numbers >= 2:
        return "the first row holds values, not headers", "add a row of headers above it"
    return None


def _check_lengths(
    name: str, header: list[str], rows: list[tuple[int, list[str]]], noun: str, findings: Findings
) -> None:
    """Complain of rows that are longer or shorter than the header: once where all of them are longer by one."""
    ragged = [(line, len(cells)) for line, cells in rows if len(cells) != len(header)]
    if len(ragged) == len(rows) >= 2 and all(count == len(header) + 1 for _, count in ragged):
        findings.add(
            "every row has one field more than the header, as R writes tables with names of rows",
            where=name,
            allowed=f"{len(header)} fields a row, as in the header",
            fix="write the file with row.names = FALSE, or add a header for the first column",
        )
        return
    for line, count in ragged:
        findings.add(
            f"the row has {count} fields",
            where=f"{name}, {noun} {line}",
            line=line,
            allowed=f"{len(header)}, as in the header",
            fix="look for a missing or an unquoted separator",
        )


def check_headers(
    header: list[str], rows: list[tuple[int, list[str]]], name: str, findings: Findings
) -> None:
    """Complain of repeated and of empty headers, and of endless ones."""
    first: dict[str, int] = {}
    for number, head in enumerate(header, start=1):
        if not head:
            if any(len(cells) >= number and cells[number - 1].strip() for _, cells in rows):
                findings.add(
                    f"column {number} has content and no header",
                    where=name,
                    fix="give it a header, or delete the column",
                )
        elif len(head) > MAX_HEADER:
            findings.add(
                f"the header of column {number} has {len(head)} letters",
                where=name,
                allowed=f"at most {MAX_HEADER}",
                fix="shorten it; if it is a cell, the file has no row of headers",
            )
        elif head in first:
            findings.add(
                f"columns {first[head]} and {number} have the same header",
                where=name,
                got=head,
                fix=f"rename one of them{_shown_header(head)}",
            )
        else:
            first[head] = number


def _shown_header(head: str) -> str:
    """Name a header in a message, unless it could be a value of a file without headers."""
    return f" ({head[:MAX_SHOWN]!r})" if head[:1].isalpha() else ""


def table_from_frame(
    name: str,
    frame: pd.DataFrame,
    *,
    notes: tuple[str, ...],
    column_labels: Mapping[str, str] | None = None,
    value_labels: Mapping[str, Mapping[str, str]] | None = None,
) -> TextTable:
    """Build a table from a typed frame that a library read: its cells become text, its rows are counted from 1.

    Raises
    ------
    InputError
        If it has no rows, or headers that are empty or repeated.
    """
    header = [str(head).strip() for head in frame.columns]
    columns = [[cell_text(value) for value in frame.iloc[:, i].tolist()] for i in range(len(header))]
    rows = [(number, list(cells)) for number, cells in enumerate(zip(*columns, strict=True), start=1)]
    return table_from_cells(
        name, header, rows, noun="row", notes=notes, column_labels=column_labels, value_labels=value_labels
    )


def check_size(name: str, size: int) -> None:
    """Refuse a file that is larger than any data of a study."""
    if size > MAX_BYTES:
        problem = Problem(what="too large", got=f"{size} bytes", allowed=f"at most {MAX_BYTES} bytes")
        raise InputError(name, [problem])
