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

from scipy import special

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
from bayes_alliance.published.stars import p_range, two_sided
from bayes_alliance.study.cell_in_words import describe_cell
from bayes_alliance.study.records import Cell, Study

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
    """Check the parts of every printed effect against each other, standardised effects included.

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


def check_omnibus(study: Study) -> Iterator[Finding]:
    """Check the p value of a test of several coefficients against its chi-square or F and its degrees of freedom."""
    rows: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in study.cells:
        if cell.model and not cell.coefficient and cell.quantity in ("chi2", "f", "df", "p"):
            rows.setdefault((cell.table, cell.row, cell.model), []).append(cell)
    for cells in rows.values():
        tests = [test for cell in cells for test in cell.parsed.tests]
        ps = [p for cell in cells for p in cell.parsed.p]
        df = [float(number.value) for test in tests[:1] for number in test.df]
        df = df or [float(cell.parsed.df.value) for cell in cells if cell.parsed.df is not None]
        if not tests or not ps or not df or (tests[0].kind == "f" and len(df) < 2):
            continue
        low, high = tests[0].value.interval(study.publication.rounding).ends
        found = (_tail(tests[0].kind, high, df), _tail(tests[0].kind, max(low, 0.0), df))
        said = two_sided(ps[0])
        good = found[0] <= said.high + 1e-12 and found[1] >= said.low - 1e-12
        yield Finding(
            check="p of a test of several coefficients",
            where=f"{cells[0].table}: {cells[0].row}",
            printed=" | ".join(cell.printed for cell in cells),
            verdict=AuditVerdict.CONSISTENT if good else AuditVerdict.INCONSISTENT,
            reasoning=f"the test on {' and '.join(f'{one:g}' for one in df)} degrees of freedom gives p {span(*found)}",
            alternatives=() if good else ("other degrees of freedom", _SLIP),
        )


def _tail(kind: str, value: float, df: Sequence[float]) -> float:
    """Probability of a larger chi-square or F."""
    return float(special.fdtrc(df[0], df[1], value) if kind == "f" else special.chdtrc(df[0], value))


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
    """Return what the parts other than p and tests say of them."""
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
