"""Means and SDs of values on a grid, against every data set of a small size."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import combinations_with_replacement
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_alliance.published.grids import Grid, mean_is_possible, sd_is_possible, sd_range
from bayes_alliance.study.number_text import parse_number
from bayes_alliance.study.printed_cell import Interval

LIKERT = Grid(step=Fraction(1), low=Fraction(1), high=Fraction(5))
ONES = Grid(step=Fraction(1), low=Fraction(0), high=Fraction(1))
ITEMS = Grid(step=Fraction(1, 12), low=Fraction(1), high=Fraction(7))


def sets(n: int, top: int, low: int = 1) -> Iterator[tuple[int, ...]]:
    yield from combinations_with_replacement(range(low, top + 1), n)


def interval(value: float | str) -> Interval:
    return parse_number(value if isinstance(value, str) else f"{value:.2f}", "point").interval()


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_every_honest_mean_and_sd_is_possible(n: int) -> None:
    """No data set on the scale is accused, by its mean or by mean and SD together."""
    for values in sets(n, 5):
        mean, sd = interval(fmean(values)), interval(stdev(values))
        assert mean_is_possible(LIKERT, mean, n)
        assert sd_is_possible(LIKERT, mean, sd, n)


@pytest.mark.parametrize("n", [5, 8])
def test_most_impossible_pairs_are_found(n: int) -> None:
    """Of all pairs of two-decimal means and SDs, those declared possible are nearly those that data have."""
    real = {(f"{fmean(v):.2f}", f"{stdev(v):.2f}") for v in sets(n, 5)}
    declared = real_declared = 0
    for mean in {pair[0] for pair in real}:
        for hundredths in range(0, 260):
            sd = f"{hundredths / 100:.2f}"
            if sd_is_possible(LIKERT, interval(mean), interval(sd), n):
                declared += 1
                real_declared += (mean, sd) in real
    assert real_declared == len(real)
    # The divisor n is allowed too, which at most doubles what the usual divisor gives.
    assert declared <= 2.6 * len(real)


def test_grim_of_items() -> None:
    """A mean of twelve items over 18 patients may print 3.63: 784/216; whole numbers may not."""
    assert mean_is_possible(ITEMS, interval("3.63"), 18)
    assert not mean_is_possible(LIKERT, interval("3.63"), 18)
    assert mean_is_possible(Grid(step=Fraction(0)), interval("41.37"), 18)


def test_impossible_sds() -> None:
    """SDs beyond the ends of a scale are found; those at the ends are not."""
    assert not sd_is_possible(ONES, interval("0.50"), interval("0.71"), 20)
    assert sd_is_possible(ONES, interval("0.50"), interval("0.51"), 20)
    assert sd_is_possible(ONES, interval("0.40"), interval("0.49"), 20)
    quarter = Grid(step=Fraction(1, 4), low=Fraction(1), high=Fraction(7))
    assert not sd_is_possible(quarter, interval("6.9"), interval("2.5"), 20)
    assert sd_is_possible(quarter, interval("6.8"), interval("0.4"), 20)
    smooth = Grid(step=Fraction(0), low=Fraction(1), high=Fraction(7))
    assert not sd_is_possible(smooth, interval("6.9"), interval("2.5"), 20)


@given(st.lists(st.floats(0, 10), min_size=2, max_size=30))
def test_bounds_of_a_scale_without_steps(values: list[float]) -> None:
    """The largest SD of a bounded scale is never exceeded."""
    grid = Grid(step=Fraction(0), low=Fraction(0), high=Fraction(10))
    exact = Decimal(fmean(values))
    mean = Interval(lower=exact, upper=exact)
    assert stdev(values) <= sd_range(grid, mean, len(values))[1] + 1e-6
