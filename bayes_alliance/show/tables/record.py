"""What a table is, and how it becomes Markdown or CSV.

A table has text columns that stand in every file, formatted columns for readers (Markdown, HTML, LaTeX, Word)
and full-precision columns for CSV. Formatting is pure; only :func:`write_table` touches the disk.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bayes_alliance.runtime.files import write_whole, write_whole_bytes
from bayes_alliance.show.labels import format_number

Value = str | float | int | bool | None
Shown = Literal["both", "markdown", "csv"]
# What a spreadsheet may take for a formula, unless the cell is nothing but a printed number.
_FORMULA_START = ("=", "+", "-", "@", "\t", "\r")
_PRINTED_NUMBER = re.compile(r"[+-]?[\d.]+(\s*\([\d.]+\))?\s*[*%]*")


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column.

    Parameters
    ----------
    name : str
        Key in rows and header in CSV.
    heading : str
        Header in Markdown.
    shown : {"both", "markdown", "csv"}
        Where it stands.
    numeric : bool
        Whether Markdown aligns it to the right.
    """

    name: str
    heading: str
    shown: Shown = "both"
    numeric: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table, complete.

    Parameters
    ----------
    id : str
        File name without its ending.
    title : str
        Caption.
    columns : tuple of Column
        In order.
    rows : tuple of tuple
        One value a column; None is an empty cell, NaN a number that is not defined.
    notes : tuple of str
        Below the table.
    provenance : str
        Where the numbers come from.
    stamp : str
        The same as one short cell, the first of every CSV row.
    """

    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    notes: tuple[str, ...]
    provenance: str
    stamp: str

    def column(self, name: str) -> list[Value]:
        """Give the values of one column."""
        index = [column.name for column in self.columns].index(name)
        return [row[index] for row in self.rows]

    def __str__(self) -> str:
        """Give the table as Markdown."""
        return format_markdown(self)

    def _repr_html_(self) -> str:
        """Show the table in a notebook."""
        # Here and not above, as that module stands on this one.
        from bayes_alliance.show.tables.html import html_fragment

        return html_fragment(self)


def text_column(name: str, heading: str) -> Column:
    """Make a column of text that stands in both files."""
    return Column(name=name, heading=heading)


def number_column(name: str, heading: str, *, shown: Shown = "both") -> Column:
    """Make a column of numbers, rounded in Markdown only."""
    return Column(name=name, heading=heading, shown=shown, numeric=True)


def shown_column(name: str, heading: str) -> Column:
    """Make a column of formatted numbers, for Markdown only."""
    return Column(name=name, heading=heading, shown="markdown", numeric=True)


def exact_columns(*names: str) -> tuple[Column, ...]:
    """Make columns of full-precision numbers, for CSV only."""
    return tuple(number_column(name, name, shown="csv") for name in names)


def pick_rows(
    columns: Sequence[Column], rows: Iterable[Mapping[str, Value]]
) -> tuple[tuple[Value, ...], ...]:
    """Put rows given by name into the order of the columns.

    Raises
    ------
    ValueError
        If a row has a value that no column shows; a column without a value is an empty cell.
    """
    names = [column.name for column in columns]
    picked = []
    for row in rows:
        unknown = set(row) - set(names)
        if unknown:
            raise ValueError(f"no column for {', '.join(sorted(unknown))}")
        picked.append(tuple(row.get(name) for name in names))
    return tuple(picked)


def format_markdown(table: Table) -> str:
    """Format a table as Markdown: caption, cells, provenance, notes."""
    kept = [i for i, column in enumerate(table.columns) if column.shown != "csv"]
    headings = [_escape(table.columns[i].heading) for i in kept]
    rules = ["---:" if table.columns[i].numeric else "---" for i in kept]
    lines = [f"**{_escape(table.title)}**", "", _line(headings), _line(rules)]
    lines += [_line([_escape(show_value(row[i])) for i in kept]) for row in table.rows]
    lines += ["", f"*{_escape(table.provenance)}*"]
    for note in table.notes:
        lines += ["", _escape(note)]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def show_value(value: Value) -> str:
    """Give a cell as text for a reader: nothing for None, numbers rounded."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format_number(value) if isinstance(value, float) else str(value)


def _escape(text: str) -> str:
    """Keep text from being read as Markdown or HTML."""
    flat = " ".join(text.split())
    escaped = re.sub(r"([\\|*`<>~])", r"\\\1", flat)
    return escaped.replace("](", "]\\(").replace("![", "!\\[")


def format_csv(table: Table) -> str:
    """Format a table as CSV (RFC 4180, lines end in LF): provenance first, numbers at full precision.

    None is an empty cell and NaN stands as ``NaN``. Text that a spreadsheet would take for a formula gets an
    apostrophe in front.
    """
    kept = [i for i, column in enumerate(table.columns) if column.shown != "markdown"]
    header = ["provenance", *(table.columns[i].name for i in kept)]
    rows = [[table.stamp, *(row[i] for i in kept)] for row in table.rows]
    return format_csv_rows(header, rows)


def format_csv_rows(header: Sequence[str], rows: Iterable[Sequence[Value]]) -> str:
    """Format rows as CSV text, safely for spreadsheets."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([_exact(name) for name in header])
    writer.writerows([[_exact(value) for value in row] for row in rows])
    return stream.getvalue()


def _exact(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else repr(float(value))
    text = str(value)
    is_formula = isinstance(value, str) and text.startswith(_FORMULA_START)
    return f"'{text}" if is_formula and not _PRINTED_NUMBER.fullmatch(text) else text


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write one table as CSV, Markdown, LaTeX, HTML and Word into a folder that exists.

    Returns
    -------
    list of Path
        ``<id>.csv``, ``.md``, ``.tex``, ``.html``, ``.docx``.
    """
    # Here and not above, as these modules stand on this one.
    from bayes_alliance.show.tables.html import format_html
    from bayes_alliance.show.tables.latex import format_latex
    from bayes_alliance.show.tables.word import format_word

    forms = {"csv": format_csv, "md": format_markdown, "tex": format_latex, "html": format_html}
    written = []
    for ending, form in forms.items():
        path = folder / f"{table.id}.{ending}"
        write_whole(path, form(table))
        written.append(path)
    word = folder / f"{table.id}.docx"
    write_whole_bytes(word, format_word([table], title=table.title))
    return [*written, word]
