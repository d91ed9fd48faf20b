"""Means and SDs against the scale they are measured on, and subgroups against the whole sample.

Where the study file gives a variable's step or ends, or says that it is binary, a printed mean and SD must be
those of some values on that grid (:mod:`bayes_alliance.published.grids`). A continuous measure leaves nothing
to test, and that is said. A number of the whole sample must lie between those of its subgroups.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from bayes_alliance.published.findings import AuditVerdict, Finding, span
from bayes_alliance.published.grids import Grid, fraction, mean_is_possible, sd_is_possible, sd_range
from bayes_alliance.published.patient_counts import group_sizes, groups
from bayes_alliance.study.printed_cell import Interval
from bayes_alliance.study.records import Cell, Study

MISSING_SHARE = 0.2
_MOST_SIZES = 60


def grid_of(study: Study, name: str) -> Grid | None:
    """Return the grid of a variable; None where the study file says nothing of it."""
    variable = study.every_variable.get(name)
    if variable is None or variable.kind == "category":
        return None
    if variable.kind == "binary":
        return Grid(step=Fraction(1), low=Fraction(0), high=Fraction(1))
    step, low, high = (getattr(variable, key, None) for key in ("step", "minimum", "maximum"))
    if step is None and low is None and high is None:
        return None
    return Grid(
        step=fraction(step) if step else Fraction(0),
        low=None if low is None else fraction(low),
        high=None if high is None else fraction(high),
    )


def check_spreads(study: Study) -> Iterator[Finding]:
    """Check every descriptive mean and SD on its scale, and subgroups against the whole sample."""
    for cell in study.cells:
        if cell.quantity == "mean_sd" and cell.group:
            yield from _check_cell(study, cell)
    yield from _check_whole(study)


def _sizes(study: Study, group: str) -> list[int]:
    stated = group_sizes(study, group)
    if not study.publication.valid_percent:
        return list(stated)
    return sorted({n for size in stated for n in range(math.ceil((1 - MISSING_SHARE) * size), size + 1)})


def _intervals(study: Study, cell: Cell) -> tuple[Interval, Interval] | None:
    value, spread = cell.parsed.value, cell.parsed.spread
    if value is None or spread is None:
        return None
    rounding = study.publication.rounding
    return value.interval(rounding), spread.interval(rounding)


def _check_cell(study: Study, cell: Cell) -> Iterator[Finding]:
    grid, ends, sizes = grid_of(study, cell.variable), _intervals(study, cell), _sizes(study, cell.group)
    if grid is None or ends is None or not sizes or len(sizes) > _MOST_SIZES:
        return
    mean, sd = ends
    where = f"{cell.table}: {cell.row} ({cell.group})"
    counted = span(float(sizes[0]), float(sizes[-1])) if len(sizes) > 1 else str(sizes[0])
    if grid.step:
        works = [n for n in sizes if mean_is_possible(grid, mean, n)]
        yield Finding(
            check="mean on a grid",
            where=where,
            printed=cell.printed,
            verdict=AuditVerdict.CONSISTENT if works else AuditVerdict.INCONSISTENT,
            reasoning=f"a sum of {counted} values in steps of {float(grid.step):g} "
            + ("gives this mean" if works else "cannot give this mean"),
            alternatives=() if works else ("other patients than those stated", "a slip in the mean"),
        )
    good = any(sd_is_possible(grid, mean, sd, n) for n in sizes)
    largest = max(sd_range(grid, mean, n)[1] for n in sizes)
    bound = f"; it is at most {largest:.3g}" if math.isfinite(largest) else ""
    yield Finding(
        check="SD on a scale",
        where=where,
        printed=cell.printed,
        verdict=AuditVerdict.CONSISTENT if good else AuditVerdict.INCONSISTENT,
        reasoning=f"{counted} values on the scale can have this mean and SD"
        if good
        else f"no {counted} values on the scale have this mean and SD{bound}",
        numbers=(("largest SD of the scale at this mean", f"{largest:.3g}"),)
        if math.isfinite(largest)
        else (),
        alternatives=()
        if good
        else ("a standard deviation of something else", "a standard error or variance", "a slip"),
    )


def _check_whole(study: Study) -> Iterator[Finding]:
    """Check every number of the whole sample against those of its subgroups."""
    names = groups(study)
    rows: dict[tuple[str, str, str], dict[str, Cell]] = {}
    for cell in study.cells:
        if cell.quantity in ("percent", "mean_sd") and cell.parsed.value is not None:
            rows.setdefault((cell.table, cell.row, cell.quantity), {})[cell.group] = cell
    for (table, row, _), cells in rows.items():
        if not names or set(cells) != {"", *names}:
            continue
        parts = [cells[name] for name in names]
        ends = [_value(study, part) for part in parts]
        low, high = _pooled(study, names, ends)
        whole = _value(study, cells[""])
        good = whole[0] <= high and whole[1] >= low
        yield Finding(
            check="subgroups against the whole sample",
            where=f"{table}: {row}",
            printed=" | ".join(cell.printed for cell in (cells[""], *parts)),
            verdict=AuditVerdict.CONSISTENT if good else AuditVerdict.INCONSISTENT,
            reasoning="the whole sample's number is a mean of those of its subgroups"
            if good
            else "the whole sample's number is no mean of those of its subgroups",
            numbers=(("from the subgroups", span(low, high)),),
            alternatives=() if good else ("patients who are in no subgroup", "a slip in one of them"),
        )


def _value(study: Study, cell: Cell) -> tuple[float, float]:
    assert cell.parsed.value is not None
    return cell.parsed.value.interval(study.publication.rounding).ends


def _pooled(study: Study, names: tuple[str, ...], ends: list[tuple[float, float]]) -> tuple[float, float]:
    """Range of the weighted mean of the subgroups; of any mean where values may be missing or sizes are not stated."""
    sizes = [group_sizes(study, name) for name in names]
    if study.publication.valid_percent or not all(sizes):
        return min(low for low, _ in ends), max(high for _, high in ends)
    lows, highs = [], []
    for k in range(max(len(size) for size in sizes)):
        ns = [size[min(k, len(size) - 1)] for size in sizes]
        total = sum(ns)
        lows.append(sum(n * low for n, (low, _) in zip(ns, ends, strict=True)) / total)
        highs.append(sum(n * high for n, (_, high) in zip(ns, ends, strict=True)) / total)
    return min(lows), max(highs)
