"""Mixtures of posteriors over possible data sets, against closed forms and against draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bayes_alliance.assess.mixture import pool_moments


def test_one_data_set_is_its_own_mixture() -> None:
    """With one data set nothing lies between, no information is missing, and quantiles are the normal's."""
    pooled = pool_moments([0.3], [0.2])
    assert (pooled.between, pooled.missing_information, pooled.mean) == (0.0, 0.0, 0.3)
    expected = stats.norm(0.3, 0.2).ppf([0.025, 0.5, 0.975])
    assert np.allclose([pooled.lower, pooled.median, pooled.upper], expected)
    assert pooled.sd == pytest.approx(0.2)
    assert pooled.p_above_zero == pytest.approx(stats.norm.sf(0.0, 0.3, 0.2))


def test_rubins_rules_by_hand() -> None:
    """Means 1, 2, 3 and SDs 1: W = 1, B = 1, T = 1 + 4/3; FMI = (4/3) / (7/3)."""
    pooled = pool_moments([1.0, 2.0, 3.0], [1.0, 1.0, 1.0])
    assert (pooled.within, pooled.between) == (1.0, 1.0)
    assert pooled.sd**2 == pytest.approx(7.0 / 3.0)
    assert pooled.missing_information == pytest.approx(4.0 / 7.0)
    assert (pooled.lowest, pooled.highest, pooled.n) == (1.0, 3.0, 3)


def test_quantiles_of_two_far_apart() -> None:
    """Of two far normals, half of the mixture lies on either side of the middle, and the tails are each one's 5 %."""
    pooled = pool_moments([-100.0, 100.0], [1.0, 2.0])
    assert pooled.lower == pytest.approx(-100.0 + stats.norm.ppf(0.05), abs=1e-6)
    assert pooled.upper == pytest.approx(100.0 + 2.0 * stats.norm.ppf(0.95), abs=1e-6)
    assert pooled.p_above_zero == pytest.approx(0.5)


def test_wider_between_means_more_missing() -> None:
    """The further the data sets disagree, the more information is missing."""
    found = [pool_moments([-d, 0.0, d], [1.0] * 3).missing_information for d in (0.0, 0.1, 1.0, 10.0)]
    assert found == sorted(found) and found[0] == 0.0 and found[-1] > 0.98


@pytest.mark.parametrize(("means", "sds"), [([], []), ([1.0], [0.0]), ([1.0, 2.0], [1.0])])
def test_what_cannot_be_pooled_is_refused(means: list[float], sds: list[float]) -> None:
    """Nothing to pool, no SD, or numbers that do not go together."""
    with pytest.raises(ValueError, match="one mean and one SD"):
        pool_moments(means, sds)
