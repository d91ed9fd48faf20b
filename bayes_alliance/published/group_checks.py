"""Tests between two groups, recomputed from printed means and SDs or percentages, against their stars.

Every whole number of patients that prints like the percentages, and every mean and SD that prints like the
cells, is tried for every stated size of the groups; the range of p that results must meet what the stars say.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np
from scipy import special

from bayes_alliance.inference.fits import Array
from bayes_alliance.published.count_checks import MISSING_SHARE, percent_of, possible_counts
from bayes_alliance.published.findings import AuditVerdict, Finding, span
from bayes_alliance.published.patient_counts import group_sizes, groups
from bayes_alliance.published.stars import PBounds, read_stars, read_unmarked, star_rule
from bayes_alliance.study.records import Cell, Study


def check_groups(study: Study) -> Iterator[Finding]:
    """Recompute every comparison of two groups whose sizes are stated."""
    names = groups(study)
    rows: dict[tuple[str, str, str], dict[str, Cell]] = {}
    for cell in study.cells:
        if cell.quantity in ("percent", "mean_sd") and cell.group:
            rows.setdefault((cell.table, cell.row, cell.quantity), {})[cell.group] = cell
    for (table, row, quantity), pair in rows.items():
        if set(pair) != set(names) or len(names) != 2 or not all(group_sizes(study, name) for name in names):
            continue
        first, second = (pair[name] for name in names)
        stars = max(cell.parsed.stars for cell in (first, second))
        rule = star_rule(study.publication, table)
        said = read_stars(rule, stars) if stars else read_unmarked(rule)
        by = _percent_p if quantity == "percent" else _mean_p
        yield _judge(f"{table}: {row}", first, second, said, by(study, first, second), stars)


def _judge(where: str, first: Cell, second: Cell, said: PBounds, ps: dict[str, Array], stars: int) -> Finding:
    main, *others = ps
    usual = ps[main]
    printed = f"{first.printed} | {second.printed}"
    wanted = f"p < {said.high:g}" if stars else f"p > {said.low:g}"
    if usual.size == 0:
        return Finding(
            check="test of two groups",
            where=where,
            printed=printed,
            verdict=AuditVerdict.CANNOT_TELL,
            reasoning="no counts give these percentages, so no test can be recomputed",
        )
    low, high = float(usual.min()), float(usual.max())
    good = high >= said.low and low <= said.high
    alternatives = [
        f"{name} was used (p {span(float(ps[name].min()), float(ps[name].max()))})"
        for name in others
        if ps[name].size and ps[name].max() >= said.low and ps[name].min() <= said.high
    ]
    return Finding(
        check="test of two groups",
        where=where,
        printed=printed,
        verdict=AuditVerdict.CONSISTENT if good else AuditVerdict.INCONSISTENT,
        reasoning=f"marked as {wanted}; {main} over all that prints like this gives p {span(low, high)}",
        numbers=tuple(
            (name, f"p {span(float(p.min()), float(p.max()))}") for name, p in ps.items() if p.size
        ),
        alternatives=() if good else (*alternatives, "other patients than those stated", "a misplaced star"),
    )


def _sizes(study: Study, group: str) -> list[int]:
    """Sizes to try: those stated, and where values may be missing down to four fifths of them."""
    stated = group_sizes(study, group)
    if not study.publication.valid_percent:
        return list(stated)
    return sorted({n for size in stated for n in range(math.ceil((1 - MISSING_SHARE) * size), size + 1)})


def _percent_p(study: Study, first: Cell, second: Cell) -> dict[str, Array]:
    """P values of Pearson's chi-square, and of what else is usual, over all possible counts."""
    counts = [
        [(k, n) for n in _sizes(study, c.group) for k in possible_counts(percent_of(study, c), n)]
        for c in (first, second)
    ]
    pairs = np.array([(*a, *b) for a, b in product(*counts)], dtype=float).reshape(-1, 4)
    a, n, b, m = pairs.T
    share = (a + b) / (n + m)
    inside = (share > 0.0) & (share < 1.0)
    a, n, b, m, share = a[inside], n[inside], b[inside], m[inside], share[inside]
    if inside.any() or not len(pairs):
        z = (a / n - b / m) / np.sqrt(share * (1 - share) * (1 / n + 1 / m))
        gap = np.maximum(np.abs(a / n - b / m) - 0.5 * (1 / n + 1 / m), 0.0)
        yates = gap / np.sqrt(share * (1 - share) * (1 / n + 1 / m))
        found = {
            "Pearson's chi-square": _two_sided(z),
            "the corrected chi-square": _two_sided(yates),
            "a one-sided test": 0.5 * _two_sided(z),
            "Student's t test of zeros and ones": _student_p(a, n, b, m),
            "Welch's t test of zeros and ones": _welch_p(a, n, b, m),
        }
    else:
        found = {"Pearson's chi-square": np.ones(1)}
    stated = [
        [(k, n) for n in group_sizes(study, c.group) for k in possible_counts(percent_of(study, c), n)]
        for c in (first, second)
    ]
    exact = [fisher_p((k, total), (j, other)) for (k, total), (j, other) in product(*stated)]
    return {**found, "Fisher's exact test": np.array(exact)}


def fisher_p(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Two-sided p of Fisher's exact test of two (count, total) pairs: all tables no likelier than the one at hand.

    In whole numbers, hence exact; SciPy's takes longer to import than the whole audit to run.
    """
    (k, n), (j, m) = first, second
    ways = [math.comb(n, i) * math.comb(m, k + j - i) for i in range(max(0, k + j - m), min(n, k + j) + 1)]
    own = math.comb(n, k) * math.comb(m, j)
    return sum(way for way in ways if way <= own) / math.comb(n + m, k + j)


def _two_sided(z: Array) -> Array:
    p: Array = 2.0 * special.ndtr(-np.abs(z))
    return p


def _student_p(a: Array, n: Array, b: Array, m: Array) -> Array:
    """P values of the t test with pooled variance, each patient counting as zero or one."""
    pooled = (a * (n - a) / n + b * (m - b) / m) / (n + m - 2)
    return _t_p(a / n - b / m, pooled * (1 / n + 1 / m), n + m - 2)


def _welch_p(a: Array, n: Array, b: Array, m: Array) -> Array:
    """P values of the t test with unequal variances (Satterthwaite), each patient counting as zero or one."""
    first, second = a * (n - a) / n**2 / (n - 1), b * (m - b) / m**2 / (m - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = (first + second) ** 2 / (first**2 / (n - 1) + second**2 / (m - 1))
    return _t_p(a / n - b / m, first + second, df)


def _t_p(gap: Array, variance: Array, df: Array) -> Array:
    """Two-sided p of a t test; without any variance 0 where there is a gap."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2.0 * special.stdtr(df, -np.abs(gap) / np.sqrt(variance))
    result: Array = np.where(variance > 0.0, p, np.where(gap == 0.0, 1.0, 0.0))
    return result


def _mean_p(study: Study, first: Cell, second: Cell) -> dict[str, Array]:
    """P values of Student's t test at the corners of all that prints like the means and SDs."""
    ends = []
    for cell in (first, second):
        printed = cell.parsed
        assert printed.value is not None and printed.spread is not None
        rounding = study.publication.rounding
        ends.append((printed.value.interval(rounding).ends, printed.spread.interval(rounding).ends))
    (mean_a, sd_a), (mean_b, sd_b) = ends
    gaps = [abs(x - y) for x, y in product(mean_a, mean_b)]
    meets = mean_a[0] <= mean_b[1] and mean_b[0] <= mean_a[1]
    gaps = [*gaps, 0.0] if meets else gaps
    tries = product(
        (min(gaps), max(gaps)), sd_a, sd_b, *(_ends(_sizes(study, c.group)) for c in (first, second))
    )
    ps = []
    for gap, s, u, n, m in tries:
        pooled = ((n - 1) * max(s, 0.0) ** 2 + (m - 1) * max(u, 0.0) ** 2) / (n + m - 2)
        t = gap / math.sqrt(pooled * (1 / n + 1 / m)) if pooled > 0 else (math.inf if gap else 0.0)
        ps.append(2.0 * float(special.stdtr(n + m - 2, -t)))
    return {"Student's t test": np.array(ps)}


def _ends(sizes: list[int]) -> tuple[int, int]:
    return sizes[0], sizes[-1]
