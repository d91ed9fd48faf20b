"""The parts of a printed row against each other: interval, test statistic, degrees of freedom and p value.

In the manner of statcheck (Nuijten et al. 2016, doi:10.3758/s13428-015-0664-2), for mixed models: each part is a
constraint on one pair of estimate and standard error (:mod:`bayes_alliance.published.constraints`), and parts
that leave no pair, whatever the rounding and the unprinted degrees of freedom, cannot stand together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from bayes_alliance.published.constraints import (
    Constraint,
    can_stand_together,
    constrain,
    degrees_of_freedom,
    t_range,
)
from bayes_alliance.published.findings import AuditVerdict, Finding, span
from bayes_alliance.published.printed_effects import effect_weights, fewest_df
from bayes_alliance.published.printed_rows import PrintedRow, printed_rows
from bayes_alliance.published.stars import p_range
from bayes_alliance.study.cell_wording import describe_cell
from bayes_alliance.study.records import Study

TESTS = ("t", "z", "F", "chi-square")
# Name of the check, and the parts that it needs; of the tests any one.
_CHECKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("interval against estimate", ("estimate", "interval")),
    ("interval against SE", ("SE", "interval")),
    ("test statistic against estimate and SE", ("estimate", "SE", "test")),
    ("test statistic against interval", ("estimate", "interval", "test")),
    ("p against test statistic", ("test", "p")),
    ("p against estimate and SE", ("estimate", "SE", "p")),
    ("p against interval", ("estimate", "interval", "p")),
)
_SLIP = "a slip in one of them"


def check_parts(study: Study) -> Iterator[Finding]:
    """Hold the parts of every printed effect against each other, standardised effects included.

    Yields
    ------
    Finding
        One for each combination of parts that a row prints, and one for the row as a whole where it prints
        three parts or more. Rows with an estimate, its SE and stars alone are checked elsewhere.
    """
    for row in (*printed_rows(study), *printed_rows(study, standardised=True)):
        by = {one.part: one for one in _constraints(study, row)}
        tests = [by[name] for name in TESTS if name in by]
        made = bad = 0
        for check, parts in _CHECKS:
            held = [tests[:1] if part == "test" else [by[part]] if part in by else [] for part in parts]
            if all(held):
                finding = _judge(study, row, check, [one for some in held for one in some])
                made, bad = made + 1, bad + (finding.verdict is AuditVerdict.INCONSISTENT)
                yield finding
        if made > 1 and not bad:
            yield _judge(study, row, "row as a whole", list(by.values()))


def _df_low(study: Study, row: PrintedRow) -> float:
    return fewest_df(study, effect_weights(study.model(row.cell.model), row.cell.coefficient))


def _constraints(study: Study, row: PrintedRow, *, one_sided: bool = False) -> tuple[Constraint, ...]:
    parsed = row.parsed
    if one_sided:
        parsed = replace(parsed, p=tuple(replace(p, tails=1) for p in parsed.p))
    return constrain(parsed, study.publication.rounding, (_df_low(study, row), math.inf))


def _judge(study: Study, row: PrintedRow, check: str, constraints: Sequence[Constraint]) -> Finding:
    good = can_stand_together(constraints)
    names = list(dict.fromkeys(one.part for one in constraints))
    df = degrees_of_freedom(row.parsed, (_df_low(study, row), math.inf))
    said = f"{df[0]:g} or more degrees of freedom" if math.isinf(df[1]) else f"{span(*df)} degrees of freedom"
    return Finding(
        check=check,
        where=f"{row.cell.table}: {row.cell.row}",
        printed=" | ".join(cell.printed for cell in row.cells),
        verdict=AuditVerdict.CONSISTENT if good else AuditVerdict.INCONSISTENT,
        reasoning=f"some estimate and SE print as {' and '.join(names)}"
        if good
        else f"no estimate and SE print as this {' and '.join(names)} ({describe_cell(row.parsed)}; {said})",
        numbers=tuple(_numbers(constraints, df)),
        alternatives=() if good else tuple(_alternatives(study, row, names)),
    )


def _numbers(constraints: Sequence[Constraint], df: tuple[float, float]) -> Iterator[tuple[str, str]]:
    """Give what the parts other than p and tests say of them."""
    names = {one.part for one in constraints}
    dropped = ("p", "marking") if "p" in names else TESTS
    rest = [one for one in constraints if one.part not in dropped]
    if len(rest) == len(constraints) or not rest:
        return
    low, high = t_range(rest)
    if not math.isnan(low):
        yield "|t| of the other parts", span(low, high)
        if "p" in names and math.isfinite(high):
            yield "p of the other parts", span(*p_range(low, high, *df))


def _alternatives(study: Study, row: PrintedRow, names: Sequence[str]) -> Iterator[str]:
    """Name what else could explain parts that do not stand together, as far as the numbers bear it out."""
    if "p" in names:
        halved = [one for one in _constraints(study, row, one_sided=True) if one.part in names]
        if can_stand_together(halved):
            yield "the p value is one-sided"
    if "interval" in names and row.parsed.ci is not None:
        for level in ("0.90", "0.99", "0.68"):
            ci = replace(row.parsed.ci, level=Decimal(level))
            other = replace(row, parsed=replace(row.parsed, ci=ci))
            if can_stand_together([one for one in _constraints(study, other) if one.part in names]):
                yield f"the interval has another level ({100 * float(level):.0f} %)"
        yield "an interval by profile likelihood or bootstrap, which need not be symmetric"
    if "SE" in names and "interval" not in names:
        yield "a robust or another SE than the one behind the test"
    yield _SLIP
