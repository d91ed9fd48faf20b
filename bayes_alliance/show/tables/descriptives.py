"""Patients by subgroup: the published baseline table beside the same numbers from the data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bayes_alliance.assess.descriptives import Descriptive, GroupValue
from bayes_alliance.assess.group_difference import difference_of_means, difference_of_shares
from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.format_numbers import format_fixed, format_number, format_p, format_stars
from bayes_alliance.show.labels import name_file
from bayes_alliance.show.provenance import origin_of
from bayes_alliance.show.tables.printed_posteriors import format_probability
from bayes_alliance.show.tables.record import (
    Column,
    Table,
    Value,
    build_table,
    exact_columns,
    shown_column,
    text_column,
)
from bayes_alliance.study.records import Cell, Derived

NOT_IN_DATA = "not in the data"
NOT_PRINTED = "not printed"
_KINDS = {"mean": "mean (SD)", "share": "%", "share of zero": "% with 0"}
_DESCRIPTIVE = ("mean_sd", "percent")


def tabulate_descriptives(results: StudyResults) -> list[Table]:
    """Build the baseline tables: one for each published table with descriptive cells, or one without print.

    Returns
    -------
    list of Table
        Empty where the study names no two groups and prints no descriptives.
    """
    names = dict.fromkeys(cell.table for cell in results.study.cells if cell.quantity in _DESCRIPTIVE)
    if not names:
        return [_table(results, "", [])] if results.descriptives else []
    return [_table(results, name, [c for c in results.study.cells if c.table == name]) for name in names]


def _table(results: StudyResults, name: str, cells: Sequence[Cell]) -> Table:
    groups = _groups(results)
    columns = _columns(groups, printed=bool(name))
    rows = [*_printed_rows(results, cells, groups), *_other_rows(results, cells, printed=bool(name))]
    title = f"Table {name} of the publication: printed beside computed" if name else "Patients by subgroup"
    used = [d for d in results.descriptives if any(g.n for g in d.groups)]
    sizes = ", ".join(
        f"{g} n = {max((d.groups[i].n for d in used), default=0)}" for i, g in enumerate(groups)
    )
    notes = (
        "Computed: mean (SD) or valid per cent. Means by Student's t with pooled variance, shares by "
        "Pearson's chi-square without continuity correction; * p < 0.05, ** p < 0.01, *** p < 0.001.",
        "Posteriors of the difference: of means under a flat prior on both means and on log sigma, of shares under "
        "Jeffreys' Beta(1/2, 1/2); shares in percentage points.",
        f"Groups by '{results.study.descriptive_group}': {sizes} at most; valid n of each in the CSV file.",
    )
    named = (f"table_{name_file(name)}_descriptives" if name else "descriptives", title)
    return build_table(named, columns, rows, notes, origin_of(results, printed="columns" if name else ""))


def _groups(results: StudyResults) -> tuple[str, str]:
    variable = results.study.every_variable.get(results.study.descriptive_group)
    return (
        (variable.categories[0], variable.categories[1]) if variable and variable.categories else ("0", "1")
    )


def _columns(groups: tuple[str, str], *, printed: bool) -> tuple[Column, ...]:
    first, second = groups
    as_printed = (
        text_column("printed_0", f"Printed: {first}"),
        text_column("printed_1", f"Printed: {second}"),
    )
    return (
        text_column("row", "Variable"),
        text_column("kind", "Shown as"),
        *(as_printed if printed else ()),
        shown_column("computed_0", f"Computed: {first}"),
        shown_column("computed_1", f"Computed: {second}"),
        shown_column("p_shown", "p"),
        shown_column("difference", f"Posterior: {second} minus {first} [95 %]"),
        shown_column("p_greater", f"P({second} > {first})"),
        text_column("status", "Remark"),
        *exact_columns(*(f"{name}_{i}" for i in (0, 1) for name in ("n", "mean", "sd", "count", "percent"))),
        Column(name="test", heading="test", shown="csv"),
        *exact_columns("statistic", "df", "p"),
        *exact_columns("difference_median", "difference_q2.5", "difference_q97.5", "p_difference_positive"),
        Column(name="note", heading="note", shown="csv"),
    )


def _printed_rows(
    results: StudyResults, cells: Sequence[Cell], groups: tuple[str, str]
) -> Iterable[dict[str, Value]]:
    """One row for each printed row, its two groups side by side."""
    kept = [cell for cell in cells if cell.quantity in _DESCRIPTIVE]
    for label in dict.fromkeys(cell.row for cell in kept):
        pair = [cell for cell in kept if cell.row == label]
        row: dict[str, Value] = {"row": label, "note": pair[0].note}
        row |= {f"printed_{groups.index(c.group)}": c.printed for c in pair if c.group in groups}
        found = _find(results, pair[0])
        if found is None:
            kind = "mean (SD)" if pair[0].quantity == "mean_sd" else "%"
            yield {**row, "kind": kind, "status": NOT_IN_DATA}
        else:
            yield {**row, **_computed(found)}


def _other_rows(results: StudyResults, cells: Sequence[Cell], *, printed: bool) -> Iterable[dict[str, Value]]:
    """Variables of the data that the publication does not describe."""
    shown = [_find(results, cell) for cell in cells]
    for found in results.descriptives:
        # A shifted copy of another variable tells nothing new.
        if not any(found is other for other in shown) and not _is_shifted(results, found):
            yield {"row": found.label, "status": NOT_PRINTED if printed else "", **_computed(found)}


def _is_shifted(results: StudyResults, found: Descriptive) -> bool:
    variable = results.study.variable(found.variable)
    return isinstance(variable, Derived) and variable.rule == "offset"


def _find(results: StudyResults, cell: Cell) -> Descriptive | None:
    kinds = {"mean_sd": ("mean",), "percent": ("share", "share of zero")}.get(cell.quantity, ())
    hits = [d for d in results.descriptives if d.variable == cell.variable and d.kind in kinds]
    return hits[0] if hits else None


def _computed(found: Descriptive) -> dict[str, Value]:
    if found.masked_below:
        return _withheld(found)
    first, second = found.groups
    stars = format_stars(found.test.p)
    row: dict[str, Value] = {
        "kind": _KINDS.get(found.kind, found.kind)
        + (f", {found.unit}" if found.unit and found.kind == "mean" else ""),
        "computed_0": _shown(found, first),
        "computed_1": f"{_shown(found, second)}{stars}",
        "p_shown": format_p(found.test.p),
        "test": found.test.kind,
        "statistic": float(found.test.statistic),
        "df": float(found.test.df),
        "p": float(found.test.p),
    }
    for index, group in enumerate(found.groups):
        row |= _exact(found, group, index)
    return row | _difference(found)


def _withheld(found: Descriptive) -> dict[str, Value]:
    """Say why numbers are withheld, beside means where these stay."""
    kind = _KINDS.get(found.kind, found.kind)
    if found.kind != "mean" or any(math.isnan(group.mean) for group in found.groups):
        return {"kind": kind, "status": f"a cell below {found.masked_below}"}
    row: dict[str, Value] = {
        "kind": f"{kind}, {found.unit}" if found.unit else kind,
        "status": f"fewer than {found.masked_below} of a group lack it: neither n nor test",
    }
    for i, group in enumerate(found.groups):
        row |= {f"computed_{i}": _shown(found, group), f"mean_{i}": group.mean, f"sd_{i}": group.sd}
    return row


def _difference(found: Descriptive) -> dict[str, Value]:
    """Return the posterior of the difference of the groups, shown and exact."""
    compute = difference_of_means if found.kind == "mean" else difference_of_shares
    one = compute(*found.groups)
    if one is None:
        return {}
    half = (one.upper - one.lower) / 2.0
    median, lower, upper = (
        format_number(value, half / 2.0) if found.kind == "mean" else format_fixed(value, 0)
        for value in (one.median, one.lower, one.upper)
    )
    return {
        "difference": f"{median} [{lower}, {upper}]",
        "p_greater": format_probability(one.p_positive),
        "difference_median": one.median,
        "difference_q2.5": one.lower,
        "difference_q97.5": one.upper,
        "p_difference_positive": one.p_positive,
    }


def _exact(found: Descriptive, group: GroupValue, index: int) -> dict[str, Value]:
    is_mean = found.kind == "mean"
    return {
        f"n_{index}": group.n,
        f"mean_{index}": group.mean if is_mean else None,
        f"sd_{index}": group.sd if is_mean else None,
        f"count_{index}": None if is_mean else group.count,
        f"percent_{index}": None if is_mean else group.percent,
    }


def _shown(found: Descriptive, group: GroupValue) -> str:
    if found.kind == "mean":
        return f"{format_number(group.mean, group.sd)} ({format_number(group.sd, group.sd)})"
    return format_fixed(group.percent, 0)
