"""From stars, ``ns`` and statements about p to bounds on the size of a test statistic.

A p value becomes a bound on ``|t|`` only with degrees of freedom, which tables of mixed models do not print.
So every bound here is the widest over all degrees of freedom from the fewest that make sense to infinity:
what falls outside could not have been printed with any of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from bayes_alliance.study.printed_cell import PrintedCell, PrintedP
from bayes_alliance.study.publication import Publication, StarRule

DEFAULT_LEVELS = (0.05, 0.01, 0.001)


@dataclass(frozen=True, kw_only=True)
class PBounds:
    """What is known of a p value: ``low <= p <= high``."""

    low: float = 0.0
    high: float = 1.0

    def narrowed(self, other: PBounds) -> PBounds:
        """Both at once; empty (low above high) where they contradict each other."""
        return PBounds(low=max(self.low, other.low), high=min(self.high, other.high))

    @property
    def is_empty(self) -> bool:
        """Whether no p value satisfies them."""
        return self.low > self.high


@dataclass(frozen=True, kw_only=True)
class TBounds:
    """What is known of the size of a test statistic: ``low <= |t| <= high``."""

    low: float = 0.0
    high: float = math.inf


def star_rule(publication: Publication, table: str) -> StarRule:
    """Return the rule of a table; without one, cumulative stars at 0.05, 0.01 and 0.001."""
    for rule in publication.star_rules:
        if table in rule.tables:
            return rule
    return StarRule(tables=(table,), levels=DEFAULT_LEVELS, style="cumulative")


def read_stars(rule: StarRule, stars: int) -> PBounds:
    """Return what a number of stars says of p; no star says nothing by itself.

    Raises
    ------
    ValueError
        If there are more stars than the rule has levels.
    """
    if stars > len(rule.levels):
        raise ValueError(f"{stars} stars, but the table's notes explain {len(rule.levels)}")
    if stars == 0:
        return PBounds()
    graded = rule.style == "graded" and stars < len(rule.levels)
    return PBounds(low=rule.levels[stars] if graded else 0.0, high=rule.levels[stars - 1])


def read_unmarked(rule: StarRule) -> PBounds:
    """Return what a cell without a star says of p where every significant one bears a star, as does ``ns``."""
    bounds = PBounds(low=rule.levels[0])
    return bounds.narrowed(read_p(rule.parsed)) if rule.unmarked else bounds


def read_p(stated: PrintedCell) -> PBounds:
    """Turn the statements about p of a cell or fact into bounds on a two-sided p."""
    bounds = PBounds()
    for statement in stated.p:
        bounds = bounds.narrowed(two_sided(statement))
    return bounds


def two_sided(p: PrintedP) -> PBounds:
    """Return the two-sided p values that a statement leaves; a one-sided p is half of one of them."""
    low, high = p.interval.ends
    factor = 2.0 if p.tails == 1 else 1.0
    return PBounds(low=min(1.0, factor * low), high=min(1.0, factor * high))


def read_cell(rule: StarRule, cell: PrintedCell) -> PBounds:
    """Return what a cell's own marking says of p: its stars, ``ns``, or a mark that the table's legend explains."""
    if cell.kind == "not_significant" or "ns" in cell.marks:
        return PBounds(low=rule.levels[0])
    return read_stars(rule, cell.stars).narrowed(read_p(cell))


def bound_t(p: PBounds, df_low: float, df_high: float = math.inf) -> TBounds:
    """Turn bounds on a two-sided p into the widest bounds on ``|t|`` that any degrees of freedom give.

    The lower bound is that of t on ``df_high`` (the Normal, where there is no limit), the upper one that of t
    on ``df_low``, the fewest.
    """
    low = 0.0 if p.high >= 1.0 else _size(df_high, p.high)
    high = math.inf if p.low <= 0.0 else _size(df_low, p.low)
    return TBounds(low=low, high=high)


def _size(df: float, p: float) -> float:
    """Size of a test statistic with a two-sided p."""
    return float(-special.ndtri(p / 2.0)) if math.isinf(df) else float(-special.stdtrit(df, p / 2.0))


def p_range(low_t: float, high_t: float, df_low: float, df_high: float = math.inf) -> tuple[float, float]:
    """Smallest and largest two-sided p of ``|t|`` between two values, over the degrees of freedom."""
    smallest = special.ndtr(-high_t) if math.isinf(df_high) else special.stdtr(df_high, -high_t)
    largest = special.ndtr(-low_t) if math.isinf(df_low) else special.stdtr(df_low, -low_t)
    return float(2.0 * smallest), float(2.0 * largest)
