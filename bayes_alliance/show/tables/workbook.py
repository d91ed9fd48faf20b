"""Tables as one Excel workbook, a sheet each: numbers at full precision as numbers, text as text."""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Sequence
from typing import Any

from bayes_alliance.show.tables.record import Table, Value
from bayes_alliance.show.tables.word import legal_in_xml, pack_without_times

_NO_SHEET = re.compile(r"[\[\]:*?/\\]")
_TIMES = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(<)")
_MAX_NAME = 31  # Excel's limit


def format_workbook(tables: Sequence[Table]) -> bytes:
    """Return a workbook with a sheet a table: provenance in the first row, then headings, rows and notes.

    Parameters
    ----------
    tables : sequence of Table
        At least one. A cell of text that a spreadsheet would take for a formula stays text.

    Returns
    -------
    bytes
        An ``.xlsx`` file; the same tables give the same bytes.
    """
    import openpyxl
    from openpyxl.styles import Font

    book = openpyxl.Workbook()
    book.remove(book.active)
    bold = Font(bold=True)
    for table in tables:
        sheet = book.create_sheet(_NO_SHEET.sub(" ", table.id.replace("_", " "))[:_MAX_NAME])
        kept = [i for i, column in enumerate(table.columns) if column.shown != "markdown"]
        lines: list[list[Any]] = [[table.title], [table.provenance], [table.columns[i].name for i in kept]]
        lines += [[row[i] for i in kept] for row in table.rows]
        lines += [[note] for note in table.notes]
        lines = [[_cell(value) for value in line] for line in lines]
        for number, line in enumerate(lines, start=1):
            for place, value in enumerate(line, start=1):
                cell = sheet.cell(number, place)
                cell.value = value
                if isinstance(value, str):
                    cell.data_type = "s"
                if number in (1, 3):
                    cell.font = bold
        sheet.freeze_panes = "A4"
    stream = io.BytesIO()
    book.save(stream)
    return pack_without_times(_fix_times(stream.getvalue()))


def _cell(value: Value) -> Value:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, str):
        return "".join(c for c in value if c in "\t\n" or legal_in_xml(c))
    return value


def _fix_times(raw: bytes) -> bytes:
    """Replace the times of writing, which openpyxl puts into the properties, by a fixed one."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                content = _TIMES.sub(rb"\g<1>1980-01-01T00:00:00Z\g<2>", content)
            new.writestr(name, content)
    return stream.getvalue()
