"""Prior-data conflict in closed form, its direction and its size under the prior itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bayes_alliance.assess.prior_conflict import conflict_of, joint_conflict, shift_in_se


def test_p_and_patients_in_closed_form() -> None:
    """Estimate 3 (0.6) under N(0, 0.8²): z = 3, and the prior is worth 9/16 of the patients."""
    found = conflict_of(estimate=3.0, se=0.6, prior_mean=0.0, prior_sd=0.8, n_patients=100)
    assert found.p == pytest.approx(2.0 * stats.norm.sf(3.0))
    assert found.patients == pytest.approx(56.25)
    assert not found.conflict
    assert conflict_of(estimate=4.0, se=0.6, prior_mean=0.0, prior_sd=0.8, n_patients=100).conflict


def test_a_flat_prior_conflicts_with_nothing() -> None:
    """An infinite SD: p is 1, and it weighs nothing."""
    found = conflict_of(estimate=1e6, se=1.0, prior_mean=0.0, prior_sd=math.inf, n_patients=10)
    assert (found.p, found.patients, found.conflict) == (1.0, 0.0, False)


def test_more_conflict_gives_a_smaller_p() -> None:
    """Monotone in the distance, in the precision of the prior and in that of the estimate."""

    def p(estimate: float = 2.0, se: float = 0.5, sd: float = 1.0) -> float:
        return conflict_of(estimate=estimate, se=se, prior_mean=0.0, prior_sd=sd, n_patients=10).p

    assert p(3.0) < p() < p(1.0)
    assert p(sd=0.5) < p() < p(sd=2.0)
    assert p(se=0.2) < p() < p(se=1.0)


def test_p_is_uniform_where_truth_comes_from_the_prior() -> None:
    """Estimates of truths drawn from the prior have a uniform p, of one quantity and of three together."""
    rng = np.random.default_rng(1)
    root, noise = rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    mean = np.array([1.0, -2.0, 0.5])
    estimates = mean + (rng.normal(size=(4000, 3)) @ root.T) + rng.normal(size=(4000, 3)) @ noise.T
    together = [joint_conflict(b, noise @ noise.T, mean, root) for b in estimates]
    assert stats.kstest(together, "uniform").pvalue > 0.01
    se, sd = np.linalg.norm(noise[0]), np.linalg.norm(root[0])
    alone = [
        conflict_of(estimate=b, se=se, prior_mean=1.0, prior_sd=sd, n_patients=1).p for b in estimates[:, 0]
    ]
    assert stats.kstest(alone, "uniform").pvalue > 0.01


def test_joint_p_does_not_depend_on_coding() -> None:
    """Any other basis of the same coefficients, raw years among them, gives the same p."""
    rng = np.random.default_rng(2)
    root, noise, mean = rng.normal(size=(2, 2)), rng.normal(size=(2, 2)), np.array([1.0, 0.2])
    estimate = mean + rng.normal(size=2)
    recode = np.array([[1.0, -2015.0], [0.0, 1.0]])
    same = joint_conflict(
        recode @ estimate, recode @ noise @ noise.T @ recode.T, recode @ mean, recode @ root
    )
    assert same == pytest.approx(joint_conflict(estimate, noise @ noise.T, mean, root), rel=1e-4)


def test_shift_in_standard_errors() -> None:
    """Posterior mean less estimate, over the SE."""
    assert shift_in_se(posterior_mean=-1.31, estimate=-1.65, se=0.68) == pytest.approx(0.5)
    assert math.isnan(shift_in_se(posterior_mean=0.0, estimate=0.0, se=0.0))
