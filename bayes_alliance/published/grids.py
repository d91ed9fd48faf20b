r"""Means and SDs that data on a grid with ends can have: GRIM, GRIMMER and DEBIT in whole numbers.

For ``n`` values :math:`x_i = l + g k_i` with whole :math:`k_i` between 0 and :math:`K`, mean and SD follow from
:math:`S = \sum k_i` and :math:`Q = \sum k_i^2`, where Q has the parity of S and

.. math:: Q_{min}(S) = S(2a + 1) - n a(a + 1), \; a = \lfloor S/n \rfloor, \qquad
          Q_{max}(S) = K S' + r^2, \; S = K m + r.

GRIM asks whether some S prints as the mean (Brown & Heathers 2017, doi:10.1177/1948550616673876), GRIMMER
whether some Q prints as the SD too (Anaya 2016, doi:10.7287/peerj.preprints.2400v1), DEBIT the same of zeros
and ones, where :math:`Q = S`. Exact arithmetic; a mean of ``k`` items is a value on a grid of ``1/k``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from bayes_alliance.study.printed_cell import Interval


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Values that one patient's score can take.

    Parameters
    ----------
    step : Fraction
        Distance of neighbouring values; 0 for a continuous score.
    low, high : Fraction or None
        Ends of the scale, where it has them.
    """

    step: Fraction
    low: Fraction | None = None
    high: Fraction | None = None

    @property
    def top(self) -> int | None:
        """Steps from the lowest to the highest value; None without both ends or a step."""
        if self.low is None or self.high is None or self.step == 0:
            return None
        return int((self.high - self.low) / self.step)


def possible_sums(grid: Grid, mean: Interval, n: int) -> Iterator[int]:
    """Return the sums, in steps above the lowest value, of ``n`` values whose mean prints like ``mean``."""
    origin = grid.low or Fraction(0)
    low, high = (Fraction(end) for end in (mean.lower, mean.upper))
    first = math.floor((low - origin) * n / grid.step) - 1
    last = math.ceil((high - origin) * n / grid.step) + 1
    for total in range(first, last + 1):
        if _holds(mean, origin + grid.step * Fraction(total, n)) and _reachable(grid, total, n):
            yield total


def _holds(interval: Interval, value: Fraction) -> bool:
    low, high = Fraction(interval.lower), Fraction(interval.upper)
    above = value > low or (interval.lower_closed and value == low)
    below = value < high or (interval.upper_closed and value == high)
    return above and below


def _reachable(grid: Grid, total: int, n: int) -> bool:
    top = grid.top
    return (grid.low is None or total >= 0) and (top is None or total <= top * n)


def square_sums(grid: Grid, total: int, n: int) -> tuple[int, int | None]:
    """Return the smallest and largest sum of squares, in steps, of ``n`` values with a sum; None for no largest."""
    floor = total // n
    least = total * (2 * floor + 1) - n * floor * (floor + 1)
    top = grid.top
    if top is None or top <= 0:
        return least, None
    full, rest = divmod(total, top)
    return least, full * top**2 + rest**2


def mean_is_possible(grid: Grid, mean: Interval, n: int) -> bool:
    """Whether some ``n`` values on the grid have a mean that prints like this (GRIM)."""
    return grid.step == 0 or next(possible_sums(grid, mean, n), None) is not None


def sd_is_possible(grid: Grid, mean: Interval, sd: Interval, n: int) -> bool:
    """Whether some ``n`` values on the grid have a mean and an SD that print like this (GRIMMER, DEBIT).

    The SD may divide by ``n - 1`` or by ``n``. Without a step only the ends of the scale bound it.
    """
    if n < 2:
        return True
    if grid.step == 0:
        low, high = sd_range(grid, mean, n)
        return float(sd.upper) >= low and float(sd.lower) <= high
    return any(
        _square_sum_between(grid, total, n, sd, divisor)
        for total in possible_sums(grid, mean, n)
        for divisor in (n - 1, n)
    )


def _square_sum_between(grid: Grid, total: int, n: int, sd: Interval, divisor: int) -> bool:
    """Whether a sum of squares of the right parity gives an SD that prints like this."""
    least, most = square_sums(grid, total, n)
    low, high = (max(Fraction(end), Fraction(0)) for end in (sd.lower, sd.upper))
    base = Fraction(total * total, n)
    first = max(least, math.ceil(base + (low / grid.step) ** 2 * divisor))
    last = math.floor(base + (high / grid.step) ** 2 * divisor)
    if most is not None:
        last = min(last, most)
    if grid.top == 1:
        return first <= total <= last
    # Squares have the parity of their roots.
    first += (first - total) % 2
    return first <= last


def sd_range(grid: Grid, mean: Interval, n: int) -> tuple[float, float]:
    """Smallest and largest SD (divisor ``n - 1``) of ``n`` values on a scale whose mean prints like this."""
    low, high = mean.ends
    if grid.low is None or grid.high is None or n < 2:
        return 0.0, math.inf
    bottom, top = float(grid.low), float(grid.high)
    middle = min(max(0.5 * (bottom + top), low), high)
    inside = max((middle - bottom) * (top - middle), 0.0)
    return 0.0, math.sqrt(n / (n - 1) * inside)


def fraction(value: float) -> Fraction:
    """Return a number of a study file as the decimal fraction that was written."""
    return Fraction(Decimal(repr(value)))
