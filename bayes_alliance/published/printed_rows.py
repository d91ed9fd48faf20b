"""Everything a table prints of one effect in one: its estimate, and the SE, interval, test or p in other columns.

A cell of ``cells.csv`` is one printed cell. Cells of one table that report the same coefficient of the same model
belong together; an estimate that is printed in several rows takes the parts of its own row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bayes_alliance.study.printed_cell import PrintedCell
from bayes_alliance.study.records import Cell, Study

STANDARDISED = ("beta", "cohen_d", "hedges_g")
_PARTS = ("se", "ci", "t", "z", "f", "chi2", "df", "p")


@dataclass(frozen=True, kw_only=True)
class PrintedRow:
    """What is printed of one effect in one place.

    Parameters
    ----------
    cell : Cell
        The estimate, or the first cell where none is printed.
    cells : tuple of Cell
        All of them.
    parsed : PrintedCell
        All that they say, in one.
    """

    cell: Cell
    cells: tuple[Cell, ...]
    parsed: PrintedCell


def printed_rows(study: Study, *, standardised: bool = False) -> Iterator[PrintedRow]:
    """Return every printed effect of a study with all of its parts, in the order of the cells.

    Parameters
    ----------
    standardised : bool
        Give standardised effects (their own units) in place of estimates.
    """
    kinds = STANDARDISED if standardised else ("estimate",)
    parts: dict[tuple[str, str, str], list[Cell]] = {}
    estimates: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in study.cells:
        if not cell.model or not cell.coefficient or cell.parsed.kind == "blank":
            continue
        key = (cell.table, cell.model, cell.coefficient)
        if cell.quantity in kinds:
            estimates.setdefault(key, []).append(cell)
        elif cell.quantity in _PARTS:
            parts.setdefault(key, []).append(cell)
    seen: set[tuple[str, str, str]] = set()
    for cell in study.cells:
        key = (cell.table, cell.model, cell.coefficient)
        if cell.quantity in kinds and cell in estimates.get(key, ()):
            beside = _beside(cell, estimates[key], [] if standardised else parts.get(key, []))
            yield _row(cell, [cell, *beside])
        elif key in parts and key not in estimates and key not in seen and not standardised:
            seen.add(key)
            yield _row(parts[key][0], parts[key])


def _beside(cell: Cell, estimates: Sequence[Cell], parts: Sequence[Cell]) -> list[Cell]:
    """Parts of an estimate's own row, or all parts where it is printed once."""
    own = [part for part in parts if part.row == cell.row]
    return own if own or len(estimates) > 1 else list(parts)


def _row(cell: Cell, cells: Sequence[Cell]) -> PrintedRow:
    parsed = (
        cells[0].parsed if cells[0] is cell and cell.quantity not in _PARTS else PrintedCell(kind="number")
    )
    for part in cells:
        if part.quantity in _PARTS:
            parsed = _join(parsed, part)
    return PrintedRow(cell=cell, cells=tuple(cells), parsed=parsed)


def _join(parsed: PrintedCell, part: Cell) -> PrintedCell:
    """Add what another column says; what a cell says itself goes before what a later one repeats."""
    said = part.parsed
    marks = said.marks if said.kind != "not_significant" else (*said.marks, "ns")
    return replace(
        parsed,
        spread=parsed.spread or (said.value if part.quantity == "se" else None),
        spread_kind="se" if part.quantity == "se" and parsed.spread is None else parsed.spread_kind,
        ci=parsed.ci or said.ci,
        tests=(*parsed.tests, *said.tests),
        df=parsed.df or said.df,
        p=(*parsed.p, *said.p),
        stars=max(parsed.stars, said.stars),
        marks=tuple(dict.fromkeys((*parsed.marks, *marks))),
    )
