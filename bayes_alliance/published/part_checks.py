"""The parts of a printed row against each other: interval, test statistic, degrees of freedom and p value.

In the manner of statcheck (Nuijten et al. 2016, doi:10.3758/s13428-015-0664-2), for mixed models: each part is a
constraint on one pair of estimate and standard error (:mod:`bayes_alliance.published.constraints`), and parts
that leave no pair, whatever the rounding and the unprinted degrees of freedom, cannot stand together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bayes_alliance.cell_wording import describe_cell
from bayes_alliance.published.constraints import Constraint, can_stand_together, constrain, t_range
from bayes_alliance.published.effects import PrintedEffect
from bayes_alliance.published.findings import Finding, Verdict, span
from bayes_alliance.published.stars import p_range
from bayes_alliance.study import Study

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


def check_parts(study: Study, effects: Sequence[PrintedEffect]) -> Iterator[Finding]:
    """Hold the parts of every printed effect against each other.

    Parameters
    ----------
    effects : sequence of PrintedEffect
        Of the study; rows that print an estimate with its SE and stars alone are checked elsewhere.

    Yields
    ------
    Finding
        One for each combination of parts that a row prints, and one for the row as a whole where it prints
        three parts or more.
    """
    for effect in effects:
        constraints = _constraints(study, effect)
        by = {one.part: one for one in constraints}
        tests = [by[name] for name in TESTS if name in by]
        made = bad = 0
        for check, parts in _CHECKS:
            held = [tests[:1] if part == "test" else [by[part]] if part in by else [] for part in parts]
            if all(held):
                finding = _judge(study, effect, check, [one for some in held for one in some])
                made, bad = made + 1, bad + (finding.verdict is Verdict.INCONSISTENT)
                yield finding
        if made > 1 and not bad:
            yield _judge(study, effect, "row as a whole", constraints)


def _constraints(study: Study, effect: PrintedEffect, *, one_sided: bool = False) -> tuple[Constraint, ...]:
    parsed = effect.parsed
    if one_sided:
        parsed = replace(parsed, p=tuple(replace(p, tails=1) for p in parsed.p))
    return constrain(parsed, study.publication.rounding, (effect.df_low, math.inf))


def _judge(study: Study, effect: PrintedEffect, check: str, constraints: Sequence[Constraint]) -> Finding:
    good = can_stand_together(constraints)
    names = [one.part for one in constraints]
    numbers = []
    if "p" in names:
        rest = [one for one in constraints if one.part != "p"]
        low, high = t_range(rest)
        if not math.isnan(low):
            numbers.append(("|t| of the other parts", span(low, high)))
            if math.isfinite(high):
                numbers.append(("p of the other parts", span(*p_range(low, high, effect.df_low))))
    elif any(name in names for name in TESTS):
        rest = [one for one in constraints if one.part not in TESTS]
        low, high = t_range(rest)
        if not math.isnan(low):
            numbers.append(("|t| of the other parts", span(low, high)))
    return Finding(
        check=check,
        where=f"{effect.cell.table}: {effect.cell.row}",
        printed=" | ".join(cell.printed for cell in effect.cells),
        verdict=Verdict.CONSISTENT if good else Verdict.INCONSISTENT,
        reasoning=f"some estimate and SE print as {' and '.join(dict.fromkeys(names))}"
        if good
        else f"no estimate and SE print as this {' and '.join(dict.fromkeys(names))} "
        f"({describe_cell(effect.parsed)}; {effect.df_low:g} or more degrees of freedom)",
        numbers=tuple(numbers),
        alternatives=() if good else tuple(_alternatives(study, effect, names)),
    )


def _alternatives(study: Study, effect: PrintedEffect, names: Sequence[str]) -> Iterator[str]:
    """What else could explain parts that do not stand together, as far as the numbers bear it out."""
    if "p" in names:
        halved = [one for one in _constraints(study, effect, one_sided=True) if one.part in names]
        if can_stand_together(halved):
            yield "the p value is one-sided"
    if "interval" in names and effect.parsed.ci is not None:
        for level in ("0.90", "0.99", "0.68"):
            ci = replace(effect.parsed.ci, level=type(effect.parsed.ci.level or 0)(level))
            other = replace(effect, parsed=replace(effect.parsed, ci=ci))
            if can_stand_together([one for one in _constraints(study, other) if one.part in names]):
                yield f"the interval has another level ({100 * float(level):.0f} %)"
        yield "an interval by profile likelihood or bootstrap, which need not be symmetric"
    if "SE" in names and "interval" not in names:
        yield "a robust or another SE than the one behind the test"
    yield _SLIP
