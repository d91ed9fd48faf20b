"""Percentages against whole numbers of patients, and counts against each other.

A percentage with no decimals can be had from few patients in only some ways; a mean of whole numbers likewise
(Brown & Heathers 2017, doi:10.1177/1948550616673876).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction

from bayes_alliance.published.findings import AuditVerdict, Finding
from bayes_alliance.published.grids import Grid, mean_is_possible
from bayes_alliance.published.patient_counts import count_of, fact, group_sizes, groups
from bayes_alliance.study.printed_cell import Interval
from bayes_alliance.study.publication import Fact, SumRule
from bayes_alliance.study.records import Cell, Study

MISSING_SHARE = 0.2
_FEWER = "of fewer of them, the others having no value"


def possible_counts(share: Interval, total: int) -> list[int]:
    """Return the whole numbers of ``total`` whose percentage prints like ``share``.

    Examples
    --------
    >>> from bayes_alliance.study.number_text import parse_number
    >>> [possible_counts(parse_number(text).interval(), n) for text, n in (("43", 148), ("71", 64))]
    [[63, 64], []]
    """
    low, high = share.ends
    first, last = math.floor(low * total / 100.0) - 1, math.ceil(high * total / 100.0) + 1
    scaled = Interval(
        lower=share.lower * total,
        upper=share.upper * total,
        lower_closed=share.lower_closed,
        upper_closed=share.upper_closed,
    )
    return [k for k in range(max(first, 0), min(last, total) + 1) if 100 * k in scaled]


def largest_total(share: Interval, total: int) -> int | None:
    """Return the largest number of patients up to ``total`` of whom some count prints like ``share``."""
    return next((n for n in range(total, 0, -1) if possible_counts(share, n)), None)


def _of_fewer(most: int | None) -> str:
    return f"a percentage {_FEWER} (at most {most})"


def _cut_off(item: Cell | Fact, totals: Iterable[int], count: int | None = None) -> list[str]:
    """Say which counts would print so if digits were cut off instead of rounded."""
    value = item.parsed.value
    assert value is not None
    share = value.interval("truncated")
    found = {total: possible_counts(share, total) for total in dict.fromkeys(totals)}
    kept = {n: [k for k in counts if count is None or k == count] for n, counts in found.items()}
    return [
        f"cut off instead of rounded: {k} of {n} is {100 * k / n:.2f} %"
        for n, counts in kept.items()
        for k in counts[:1]
    ]


def _described(item: Fact) -> str:
    return f"{item.what}; {item.note}" if item.note else item.what


def percent_of(study: Study, item: Cell | Fact) -> Interval:
    """Return the interval of a printed percentage."""
    value = item.parsed.value
    assert value is not None
    return value.interval(study.publication.rounding)


def check_counts(study: Study) -> Iterator[Finding]:
    """Check every percentage, every set of counts that must add up, and every mean of whole numbers."""
    for cell in study.cells:
        if cell.quantity == "percent" and cell.group:
            yield _check_cell(study, cell)
    for group in groups(study):
        yield from _check_denominators(study, group)
    for item in study.facts:
        if item.quantity == "percent" and item.of:
            of_share = fact(study, item.of[0]).quantity == "percent"
            yield _check_share_of_share(study, item) if of_share else _check_share(study, item)
        if item.quantity == "mean_sd" and item.of:
            yield _check_mean(study, item)
    for rule in study.publication.sums:
        yield _check_sum(study, rule)


def _check_cell(study: Study, cell: Cell) -> Finding:
    """Check a percentage of a subgroup against every stated size of that subgroup."""
    share, sizes = percent_of(study, cell), group_sizes(study, cell.group)
    where = f"{cell.table}: {cell.row} ({cell.group})"
    if not sizes:
        return Finding(
            check="percentage",
            where=where,
            printed=cell.printed,
            verdict=AuditVerdict.NOT_TESTABLE,
            reasoning=f"the size of {cell.group!r} is not stated",
        )
    found = {n: possible_counts(share, n) for n in sizes}
    numbers = tuple((f"of {n}", _listed(counts)) for n, counts in found.items())
    if any(found.values()):
        return Finding(
            check="percentage",
            where=where,
            printed=cell.printed,
            verdict=AuditVerdict.CONSISTENT,
            reasoning="a whole number of patients gives this percentage",
            numbers=numbers,
        )
    fewer = largest_total(share, min(sizes))
    verdict = AuditVerdict.CANNOT_TELL if study.publication.valid_percent else AuditVerdict.INCONSISTENT
    return Finding(
        check="percentage",
        where=where,
        printed=cell.printed,
        verdict=verdict,
        reasoning="no whole number of the patients stated gives this percentage"
        + ("; percentages are of those with a value" if study.publication.valid_percent else ""),
        numbers=(*numbers, ("largest number of patients that can", str(fewer))),
        alternatives=(
            *_cut_off(cell, sizes),
            _of_fewer(fewer),
            "a slip in the percentage or in the size of the subgroup",
        ),
    )


def _check_denominators(study: Study, group: str) -> Iterator[Finding]:
    """Which of several possible sizes of a subgroup can print all of its percentages."""
    sizes = group_sizes(study, group)
    cells = [c for c in study.cells if c.quantity == "percent" and c.group == group]
    stated = [f for f in study.facts if f.quantity == "percent" and f.group == group]
    items: list[Cell | Fact] = [*cells, *stated]
    if len(sizes) < 2 or len(items) < 2:
        return
    fits = {n: sum(bool(possible_counts(percent_of(study, item), n)) for item in items) for n in sizes}
    complete = [n for n, count in fits.items() if count == len(items)]
    yield Finding(
        check="size of a subgroup",
        where=f"subgroup {group}",
        printed=", ".join(str(n) for n in sizes),
        verdict=AuditVerdict.CONSISTENT if complete else AuditVerdict.CANNOT_TELL,
        reasoning=(
            f"every percentage of the subgroup can be had of {' or '.join(str(n) for n in complete)}"
            if complete
            else "no possible size of the subgroup gives all of its percentages"
        ),
        numbers=tuple(
            (f"percentages possible of {n}", f"{count} of {len(items)}") for n, count in fits.items()
        ),
        alternatives=()
        if complete
        else (f"percentages {_FEWER}", "percentages of different sets of patients"),
    )


def _check_share(study: Study, item: Fact) -> Finding:
    """Check a percentage of the text against the count that it names, or what its denominators allow."""
    share = percent_of(study, item)
    totals = {name: count_of(study, fact(study, name)) for name in item.of}
    count = count_of(study, fact(study, item.same)) if item.same else None
    works = []
    numbers = []
    for name, total in totals.items():
        counts = possible_counts(share, total)
        good = count in counts if count is not None else bool(counts)
        if good:
            works.append(name)
        exact = f"{count} of {total} is {100 * count / total:.2f} %" if count is not None else _listed(counts)
        numbers.append((f"of {total}", exact))
    first = item.of[0]
    where = f"text, {item.place}: {item.what}"
    if first in works:
        reasoning = "the count gives this percentage" if item.same else "a whole number gives this percentage"
        return Finding(
            check="percentage in the text",
            where=where,
            printed=f"{item.printed} %",
            verdict=AuditVerdict.CONSISTENT,
            reasoning=reasoning,
            numbers=tuple(numbers),
        )
    fewer = largest_total(share, totals[first]) if count is None else None
    alternatives = [f"it is a percentage of {totals[name]}: {fact(study, name).what}" for name in works]
    alternatives += _cut_off(item, totals.values(), count)
    if fewer is not None:
        alternatives.append(_of_fewer(fewer))
    return Finding(
        check="percentage in the text",
        where=where,
        printed=f"{item.printed} %" + (f", n = {count}" if count is not None else ""),
        verdict=AuditVerdict.INCONSISTENT,
        reasoning=f"it cannot be a percentage of the {totals[first]} stated ({_described(fact(study, first))})",
        numbers=tuple(numbers),
        alternatives=(*alternatives, "a slip in one of the numbers"),
    )


def _check_share_of_share(study: Study, item: Fact) -> Finding:
    """Hold a percentage of those whom another percentage speaks of against every number of these that prints so."""
    other, share = fact(study, item.of[0]), percent_of(study, item)
    totals = sorted(
        {
            k
            for name in other.of
            for k in possible_counts(percent_of(study, other), count_of(study, fact(study, name)))
            if k
        }
    )
    # Nobody is counted in a subgroup that is smaller than that.
    most = max(group_sizes(study, item.group), default=max(totals, default=0))
    works = {n: [k for k in possible_counts(share, n) if k <= most] for n in totals}
    good = any(works.values())
    return Finding(
        check="percentage in the text",
        where=f"text, {item.place}: {item.what}",
        printed=f"{item.printed} %",
        verdict=AuditVerdict.CONSISTENT if good else AuditVerdict.INCONSISTENT,
        reasoning=(
            f"a whole number of those {'gives' if good else 'cannot give'} this percentage, who are {other.printed} % "
            f"({other.what})"
        ),
        numbers=tuple((f"of {n}", _listed(counts)) for n, counts in works.items()),
        alternatives=() if good else ("a slip in one of the numbers",),
    )


def _check_mean(study: Study, item: Fact) -> Finding:
    value = item.parsed.value
    assert value is not None
    interval = value.interval(study.publication.rounding)
    totals = [count_of(study, fact(study, name)) for name in item.of]
    where = f"text, {item.place}: {item.what}"
    # The mean number of a patient's rows counts, whatever it is called.
    step = Fraction(1) if item.step is None and item.id == study.publication.assessments else item.step
    if not step:
        said = "continuous" if step == 0 else "not said to be of whole numbers or of a number of items"
        return Finding(
            check="mean of whole numbers",
            where=where,
            printed=item.printed,
            verdict=AuditVerdict.NOT_TESTABLE,
            reasoning=f"{said}: any mean is possible, so there is nothing to test",
        )
    grid = Grid(step=step)
    works = [n for n in totals if mean_is_possible(grid, interval, n)]
    return Finding(
        check="mean of whole numbers",
        where=where,
        printed=item.printed,
        verdict=AuditVerdict.CONSISTENT if works else AuditVerdict.INCONSISTENT,
        reasoning=f"a {_sum_of(step)} over those stated "
        + ("gives this mean" if works else "cannot give this mean"),
        numbers=(("stated", ", ".join(str(n) for n in totals)),),
        alternatives=() if works else (f"a mean {_FEWER}", "a slip in one of the numbers"),
    )


def _sum_of(step: Fraction) -> str:
    return "whole sum" if step == 1 else f"sum of items, in steps of 1/{step.denominator},"


def _check_sum(study: Study, rule: SumRule) -> Finding:
    total, parts = (fact(study, rule.total), [fact(study, name) for name in rule.parts])
    whole, counts = count_of(study, total), [count_of(study, part) for part in parts]
    left = whole - sum(counts)
    good = left == 0 if rule.complete else left >= 0
    return Finding(
        check="counts that add up",
        where=f"text: {total.what}",
        printed=f"{' + '.join(str(n) for n in counts)} of {whole}",
        verdict=AuditVerdict.CONSISTENT if good else AuditVerdict.INCONSISTENT,
        reasoning="; ".join(f"{part.what}: {n}" for part, n in zip(parts, counts, strict=True))
        + (f"; {rule.note}" if rule.note else ""),
        numbers=(("left over", str(left)),),
        alternatives=()
        if good
        else (f"{abs(left)} patients are {'in neither' if left > 0 else 'in more than one'} part", "a slip"),
    )


def _listed(counts: list[int]) -> str:
    if not counts:
        return "none"
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
