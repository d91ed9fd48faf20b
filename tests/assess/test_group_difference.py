"""Posterior differences of two groups: a t test read the other way, Beta draws, and a closed form of whole numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import betaln

from bayes_alliance.assess.descriptives import GroupValue
from bayes_alliance.assess.group_difference import difference_of_means, difference_of_shares


def means(n: int, mean: float, sd: float) -> GroupValue:
    return GroupValue(n=n, mean=mean, sd=sd, count=0, percent=math.nan)


def shares(n: int, count: int) -> GroupValue:
    return GroupValue(n=n, mean=math.nan, sd=math.nan, count=count, percent=100.0 * count / n)


def test_means_are_students_test_read_as_a_posterior() -> None:
    """The probability of the other sign is the one-sided p, and the interval is the confidence interval of scipy."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(5.0, 1.0, 30), rng.normal(5.6, 1.2, 18)
    first, second = (means(len(v), float(v.mean()), float(v.std(ddof=1))) for v in (x, y))
    test = stats.ttest_ind(y, x)
    found = difference_of_means(first, second)
    assert found is not None
    assert found.p_positive == pytest.approx(1.0 - test.pvalue / 2.0, abs=1e-12)
    interval = test.confidence_interval()
    assert (found.lower, found.upper) == pytest.approx((interval.low, interval.high), abs=1e-12)
    assert found.median == pytest.approx(y.mean() - x.mean())


@pytest.mark.parametrize(("one", "two"), [((64, 7), (91, 16)), ((20, 0), (30, 5)), ((5, 5), (4, 0))])
def test_shares_are_those_of_draws(one: tuple[int, int], two: tuple[int, int]) -> None:
    """A million draws of each Beta give the same quantiles and probability to Monte-Carlo error."""
    rng = np.random.default_rng(1)
    drawn = [rng.beta(k + 0.5, n - k + 0.5, 1_000_000) for n, k in (one, two)]
    difference = 100.0 * (drawn[1] - drawn[0])
    found = difference_of_shares(shares(*one), shares(*two))
    assert found is not None
    assert (found.lower, found.median, found.upper) == pytest.approx(
        tuple(np.quantile(difference, (0.025, 0.5, 0.975))), abs=0.15
    )
    assert found.p_positive == pytest.approx(float(np.mean(difference > 0.0)), abs=0.002)


def test_the_probability_of_shares_has_its_closed_form() -> None:
    """P(p2 > p1) as a sum of Beta functions, with 9.5 and 6.5 successes, which differ from 9 and 6 by a half."""
    n1, k1, n2, k2 = 40, 9, 50, 6
    a1, b1, a2, b2 = k1 + 0.5, n1 - k1 + 0.5, k2 + 0.5, n2 - k2 + 0.5

    # The sum needs a whole a2: integrate by parts once more around the next whole number on both sides.
    def closed(a: int) -> float:
        i = np.arange(a)
        return float(
            np.sum(np.exp(betaln(a1 + i, b1 + b2) - np.log(b2 + i) - betaln(1 + i, b2) - betaln(a1, b1)))
        )

    found = difference_of_shares(shares(n1, k1), shares(n2, k2))
    assert found is not None
    assert closed(6) < found.p_positive < closed(7)
    assert a2 == 6.5


def test_groups_without_spread_or_patients_have_none() -> None:
    """A single patient, equal values, nobody."""
    assert difference_of_means(means(1, 3.0, 0.0), means(9, 4.0, 1.0)) is None
    assert difference_of_means(means(9, 3.0, 0.0), means(9, 4.0, 0.0)) is None
    assert difference_of_shares(GroupValue(n=0, mean=0, sd=0, count=0, percent=0), shares(9, 4)) is None
