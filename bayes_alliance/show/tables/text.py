"""A table as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence

from bayes_alliance.show.tables.record import Table, Value, show_value

# What a spreadsheet may take for a formula, unless the cell is nothing but a printed number.
_FORMULA_START = ("=", "+", "-", "@", "\t", "\r")
_PRINTED_NUMBER = re.compile(r"[+-]?[\d.]+(\s*\([\d.]+\))?\s*[*%]*")


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
