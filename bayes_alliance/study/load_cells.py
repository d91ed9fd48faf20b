"""Reading ``cells.csv``, the printed cells of a study, line by line.

Cells are read by their tables' legends later: :func:`bayes_alliance.study.load_study.follow_legends`.
"""

from __future__ import annotations

import csv
import io
from typing import get_args

from bayes_alliance.errors import Problem
from bayes_alliance.study.quantities import Quantity
from bayes_alliance.study.records import Cell

CELL_COLUMNS = (
    "table",
    "row",
    "column",
    "printed",
    "quantity",
    "model",
    "coefficient",
    "variable",
    "group",
    "note",
)


# Reading a cell takes the square of its length; no table prints one of more than a few dozen letters.
MAX_PRINTED = 500
TOO_LONG = "a cell of too many letters"


def read_cells(raw: bytes, problems: list[Problem]) -> tuple[Cell, ...]:
    """Read the content of a cell file; what is wrong goes to ``problems``, by line."""
    if not raw:
        return ()
    try:
        reader = csv.reader(io.StringIO(raw.decode("utf-8"), newline=""), strict=True)
        rows = [(reader.line_num, row) for row in reader]
    except UnicodeDecodeError as error:
        got = f"a bad byte at offset {error.start}"
        problems.append(Problem(what="not UTF-8 text", where="cells.csv", got=got))
        return ()
    except csv.Error as error:
        problems.append(Problem(what=f"not valid CSV ({error})", where=f"cells.csv, line {reader.line_num}"))
        return ()
    header, wanted = ",".join(rows[0][1]), ",".join(CELL_COLUMNS)
    if header != wanted:
        problems.append(
            Problem(what="wrong header", where="cells.csv, line 1", got=header[:200], allowed=wanted)
        )
        return ()
    cells = (_cell(row, line, problems) for line, row in rows[1:] if row)
    return tuple(cell for cell in cells if cell is not None)


def _cell(row: list[str], line: int, problems: list[Problem]) -> Cell | None:
    where = f"cells.csv, line {line}"
    if len(row) != len(CELL_COLUMNS):
        allowed = str(len(CELL_COLUMNS))
        problems.append(
            Problem(what="wrong number of fields", where=where, got=str(len(row)), allowed=allowed)
        )
        return None
    values = dict(zip(CELL_COLUMNS, row, strict=True))
    if values["quantity"] not in get_args(Quantity):
        got, allowed = repr(values["quantity"][:40]), ", ".join(get_args(Quantity))
        problems.append(Problem(what="unknown quantity", where=where, got=got, allowed=allowed))
        return None
    if len(values["printed"]) > MAX_PRINTED:
        got, allowed = repr(values["printed"][:60]), f"at most {MAX_PRINTED}"
        problems.append(Problem(what=TOO_LONG, where=where, got=got, allowed=allowed))
        return None
    return Cell(**values, line=line)  # type: ignore[arg-type]
