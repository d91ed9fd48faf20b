"""Estimates against their own stars, against each other and against what the text says of them."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from bayes_alliance.published.constraints import constrain, t_range
from bayes_alliance.published.findings import AuditVerdict, Finding, span
from bayes_alliance.published.printed_effects import PrintedEffect, effect_weights, fewest_df
from bayes_alliance.published.rounding_region import build_region
from bayes_alliance.published.stars import (
    PBounds,
    TBounds,
    bound_t,
    p_range,
    read_cell,
    read_p,
    read_unmarked,
    star_rule,
)
from bayes_alliance.study.printed_cell import Interval
from bayes_alliance.study.publication import Fact
from bayes_alliance.study.records import Study

_ROUNDING = "the program's own p value rests on more digits than the table"


def check_estimates(study: Study, effects: list[PrintedEffect]) -> Iterator[Finding]:
    """Check every marked estimate and every unmarked deviation, and equal digits against each other.

    Growth itself bears no stars where a table marks differences, so an unmarked intercept or slope of time is
    not judged; nor is any unmarked cell of a table whose stars nobody declared.
    """
    for effect in effects:
        declared = any(effect.cell.table in rule.tables for rule in study.publication.star_rules)
        if effect.parsed.value is not None and (effect.parsed.stars or (effect.is_deviation and declared)):
            yield _check_marking(study, effect)
    yield from _check_equal_digits(study, effects)
    yield from _check_same_coefficient(study, effects)


def _ends(study: Study, effect: PrintedEffect) -> tuple[tuple[float, float], tuple[float, float]] | None:
    value, spread = effect.parsed.value, effect.parsed.spread
    if value is None or spread is None:
        return None
    rounding = study.publication.rounding
    return value.interval(rounding).ends, spread.interval(rounding).ends


def t_of_digits(study: Study, effect: PrintedEffect) -> tuple[float, float] | None:
    """Range of the test statistic that the digits alone allow; None without a standard error."""
    ends = _ends(study, effect)
    if ends is None or ends[1][1] <= 0.0:
        return _t_of_parts(study, effect)
    (low, high), (s0, s1) = ends
    smallest = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
    return smallest / s1, max(abs(low), abs(high)) / s0 if s0 > 0.0 else math.inf


def _t_of_parts(study: Study, effect: PrintedEffect) -> tuple[float, float] | None:
    """Range of the test statistic by interval or test, where no SE is printed; None where they leave it open."""
    parsed = dataclasses.replace(effect.parsed, p=())
    parts = constrain(parsed, study.publication.rounding, (effect.df_low, math.inf))
    low, high = t_range([part for part in parts if part.part != "marking"])
    return None if math.isnan(low) or (low == 0.0 and math.isinf(high)) else (low, high)


def _check_marking(study: Study, effect: PrintedEffect) -> Finding:
    rule = star_rule(study.publication, effect.cell.table)
    t = t_of_digits(study, effect)
    common = {"where": f"{effect.cell.table}: {effect.cell.row}", "printed": effect.cell.printed}
    if t is None:
        return Finding(
            check="estimate and SE against stars",
            where=common["where"],
            printed=common["printed"],
            verdict=AuditVerdict.NOT_TESTABLE,
            reasoning="no standard error is printed",
        )
    p = p_range(*t, effect.df_low)
    numbers = (("|t| of the digits", span(*t)), ("p of the digits", span(*p)))
    if effect.parsed.stars == 0:
        return _check_unmarked(study, effect, t, numbers)
    said = read_cell(rule, effect.parsed)
    needed = bound_t(said, effect.df_low)
    good = t[1] >= needed.low and t[0] <= needed.high
    share = _share(study, effect, needed)
    return Finding(
        check="estimate and SE against stars",
        verdict=AuditVerdict.CONSISTENT if good else AuditVerdict.INCONSISTENT,
        reasoning=f"{effect.parsed.stars * '*'} needs |t| {span(needed.low, needed.high)}; the digits allow "
        f"{span(*t)}"
        + ("" if share is None or not good else f", {100 * share:.0f} % of the rounding region"),
        numbers=numbers,
        alternatives=() if good else (_ROUNDING, "a slip in the estimate, the SE or the stars"),
        where=common["where"],
        printed=common["printed"],
    )


def _share(study: Study, effect: PrintedEffect, needed: TBounds) -> float | None:
    ends = _ends(study, effect)
    whole = build_region(*ends) if ends else None
    part = build_region(*ends, needed) if ends else None
    return None if whole is None else (part.area / whole.area if part else 0.0)


def _check_unmarked(
    study: Study, effect: PrintedEffect, t: tuple[float, float], numbers: tuple[tuple[str, str], ...]
) -> Finding:
    """Return whether a deviation without a star could have been without, where significant ones are marked."""
    rule = star_rule(study.publication, effect.cell.table)
    common = {
        "check": "estimate without a star",
        "where": f"{effect.cell.table}: {effect.cell.row}",
        "printed": effect.cell.printed,
        "numbers": numbers,
    }
    limit = bound_t(read_unmarked(rule), effect.df_low).high
    missing = t[0] > limit
    return Finding(
        verdict=AuditVerdict.INCONSISTENT if missing else AuditVerdict.CONSISTENT,
        reasoning=f"no star means |t| of at most {limit:.3g} ({effect.df_low:g} or more degrees of freedom)"
        + (", and every pair that prints like this exceeds it" if missing else ""),
        alternatives=("a star is missing", "a test with very few degrees of freedom") if missing else (),
        **common,  # type: ignore[arg-type]
    )


def _check_equal_digits(study: Study, effects: list[PrintedEffect]) -> Iterator[Finding]:
    """Return whether cells with the same digits and different stars leave room for both."""
    alike: dict[tuple[str, str, str, str], list[PrintedEffect]] = defaultdict(list)
    for effect in effects:
        value, spread = effect.parsed.value, effect.parsed.spread
        if value is not None and spread is not None and effect.is_deviation:
            key = (effect.cell.table, effect.model.outcome, str(abs(value.value)), str(spread.value))
            alike[key].append(effect)
    for (table, outcome, *_), group in alike.items():
        if len({effect.parsed.stars for effect in group}) < 2:
            continue
        ranges = []
        for effect in group:
            needed = bound_t(read_cell(star_rule(study.publication, table), effect.parsed), effect.df_low)
            t = t_of_digits(study, effect)
            assert t is not None
            ranges.append((effect, max(t[0], needed.low), min(t[1], needed.high)))
        good = all(low <= high for _, low, high in ranges)
        yield Finding(
            check="same digits, different stars",
            where=f"{table}: {outcome}",
            printed=" | ".join(effect.cell.printed for effect in group),
            verdict=AuditVerdict.CONSISTENT if good else AuditVerdict.INCONSISTENT,
            reasoning="rounding leaves room for each marking"
            if good
            else "rounding does not leave room for both",
            numbers=tuple(
                (f"|t| of {effect.cell.row}", span(low, high) if low <= high else "none")
                for effect, low, high in ranges
            ),
            alternatives=() if good else ("a misplaced star", "a slip in one of the cells"),
        )


def _check_same_coefficient(study: Study, effects: list[PrintedEffect]) -> Iterator[Finding]:
    """Return whether digits and marking of a coefficient that is printed more than once agree.

    A contrast that is printed again under another coding, the other way round, is the same one.
    """
    same: dict[tuple[str, tuple[tuple[str, float], ...]], list[PrintedEffect]] = defaultdict(list)
    for effect in effects:
        sign = _orientation(effect)
        same[(effect.model.id, tuple(sorted((n, sign * w) for n, w in effect.weights if w)))].append(effect)
    for group in same.values():
        for first, second in pairwise(group):
            fault = _disagreement(study, first, second)
            yield Finding(
                check="one coefficient printed twice",
                where=" and ".join(dict.fromkeys(f"{e.cell.table}: {e.cell.row}" for e in (first, second))),
                printed=f"{first.cell.printed} | {second.cell.printed}",
                verdict=AuditVerdict.INCONSISTENT if fault else AuditVerdict.CONSISTENT,
                reasoning=fault or "digits and marking agree",
                alternatives=("a slip in one of them", "two versions of the model") if fault else (),
            )


def _orientation(effect: PrintedEffect) -> float:
    """Sign of the first weight of an effect, by name of its coefficient."""
    weights = sorted((name, weight) for name, weight in effect.weights if weight)
    return -1.0 if weights and weights[0][1] < 0.0 else 1.0


def _disagreement(study: Study, first: PrintedEffect, second: PrintedEffect) -> str:
    rules = [star_rule(study.publication, effect.cell.table) for effect in (first, second)]
    bounds = [read_cell(rule, e.parsed) for rule, e in zip(rules, (first, second), strict=True)]
    if bounds[0].narrowed(bounds[1]).is_empty:
        return "the markings exclude each other"
    for name, numbers in (
        ("estimates", (first.parsed.value, second.parsed.value)),
        ("standard errors", (first.parsed.spread, second.parsed.spread)),
    ):
        rounding = study.publication.rounding
        intervals = [number.interval(rounding) for number in numbers if number is not None]
        if name == "estimates" and _orientation(first) != _orientation(second) and len(intervals) == 2:
            intervals[1] = -intervals[1]
        if len(intervals) == 2 and not intervals[0].meets(intervals[1]):
            return f"no number prints like both {name}"
    return ""


def check_text(study: Study, effects: list[PrintedEffect]) -> Iterator[Finding]:
    """Check the text's p values and explained variations against the cells about the same thing."""
    for fact in study.facts:
        if fact.quantity == "p":
            for effect in effects:
                if (effect.model.id, effect.cell.coefficient) == (fact.model, fact.coefficient):
                    yield _check_p(study, effect, fact)
        elif fact.quantity in ("explained_intercept", "explained_slope"):
            for cell in study.cells:
                if (cell.model, cell.quantity) == (fact.model, fact.quantity):
                    pair = [item.parsed.value for item in (fact, cell)]
                    rounding = study.publication.rounding
                    ends = [number.interval(rounding) for number in pair if number is not None]
                    good = len(ends) < 2 or ends[0].meets(ends[1])
                    yield Finding(
                        check="text against table",
                        where=f"text, {fact.place}: {fact.what}",
                        printed=f"{fact.printed} | {cell.printed}",
                        verdict=AuditVerdict.CONSISTENT if good else AuditVerdict.INCONSISTENT,
                        reasoning="some number prints like both" if good else "no number prints like both",
                        alternatives=() if good else ("a slip in one of them", "two versions of the model"),
                    )


def _check_p(study: Study, effect: PrintedEffect, fact: Fact) -> Finding:
    """Check a p value of the text against a cell's marking, then against its digits."""
    rule, said = star_rule(study.publication, effect.cell.table), read_p(fact.parsed)
    text, where, note = fact.printed, f"text, {fact.place}: {fact.what}", fact.note
    parsed = effect.parsed
    common = {
        "check": "text against table",
        "where": where,
        "printed": f"p {text} | {effect.cell.printed}",
    }
    declared = any(effect.cell.table in one.tables for one in study.publication.star_rules)
    silent = parsed.kind == "number" and parsed.stars == 0 and declared
    marking = PBounds() if silent and not effect.is_deviation else read_cell(rule, parsed)
    if silent and effect.is_deviation:
        marking = read_unmarked(rule)
    if marking.narrowed(said).is_empty or _only_the_level(marking, said):
        return Finding(
            verdict=AuditVerdict.INCONSISTENT,
            reasoning=f"the text says p {text}, the cell's marking says otherwise"
            + (f" ({note})" if note else ""),
            alternatives=("a star is missing or misplaced", "the text speaks of another model"),
            **common,  # type: ignore[arg-type]
        )
    t = t_of_digits(study, effect)
    needed = bound_t(said, fewest_df(study, effect_weights(effect.model, effect.cell.coefficient)))
    good = t is None or (t[1] >= needed.low and t[0] <= needed.high)
    return Finding(
        verdict=AuditVerdict.CONSISTENT if good else AuditVerdict.INCONSISTENT,
        reasoning="marking and digits leave room for it"
        if good
        else f"it needs |t| {span(needed.low, needed.high)}, the digits allow {span(*t) if t else ''}",
        alternatives=() if good else ("the text speaks of another model", "a slip in one of them"),
        **common,  # type: ignore[arg-type]
    )


def _only_the_level(first: PBounds, second: PBounds) -> bool:
    """Whether two bounds meet only in a level itself, as ``p < 0.05`` and ``ns`` do."""
    both = first.narrowed(second)
    return both.low == both.high and first.low != first.high and second.low != second.high


def check_explained(study: Study) -> Iterator[Finding]:
    """Check explained variation against what a variance can lose: no more than all of it."""
    for cell in study.cells:
        if cell.quantity not in ("explained_intercept", "explained_slope"):
            continue
        value = cell.parsed.value
        if value is None:
            continue
        interval: Interval = value.interval(study.publication.rounding)
        good = interval.ends[0] <= 100.0
        yield Finding(
            check="explained variation",
            where=f"{cell.table}: {cell.row}: {cell.column}",
            printed=f"{cell.printed} %",
            verdict=AuditVerdict.CONSISTENT if good else AuditVerdict.INCONSISTENT,
            reasoning="a variance can fall by at most 100 %; it may rise, then the number is negative",
            alternatives=() if good else ("a slip", "a ratio other than the fall of the variance"),
        )
