import math

import numpy as np
import pytest
from arviz_stats.base import array_stats

from bayes_alliance.errors import FitError
from bayes_alliance.inference.importance import Mixture, find_mode, sample_importance
from bayes_alliance.inference.psis import fit_pareto, log_sum_exp, smooth_tail, smooth_tails


def normal_target(mean, covariance, log_constant=0.0):
    precision = np.linalg.inv(covariance)

    def target(points):
        centred = points - mean
        return log_constant - 0.5 * np.einsum("si,ij,sj->s", centred, precision, centred)

    return target


def test_normal_target_is_recovered_with_its_evidence():
    """Mean, covariance and integral of a correlated Normal come back within Monte-Carlo error."""
    mean, covariance = (
        np.array([1.0, -2.0, 0.5]),
        np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.2], [0.0, 0.2, 0.3]]),
    )
    sample = sample_importance(
        normal_target(mean, covariance, 3.0), np.zeros(3), rng=np.random.default_rng(1), count=20_000
    )
    centre = sample.weights @ sample.points
    spread = (sample.points - centre).T @ (sample.weights[:, None] * (sample.points - centre))
    expected = 3.0 + 1.5 * math.log(2 * math.pi) + 0.5 * np.linalg.slogdet(covariance)[1]
    assert np.allclose(centre, mean, atol=0.03)
    assert np.allclose(spread, covariance, atol=0.04)
    assert abs(sample.log_evidence - expected) < 4 * sample.log_evidence_error
    assert sample.log_evidence_error < 0.01
    assert sample.pareto_k < 0.5


def test_two_modes_are_both_found():
    """A mixture of two Normals four SDs apart keeps both its modes and their masses."""

    def target(points):
        parts = [-0.5 * np.sum((points - c) ** 2, axis=1) + math.log(w) for c, w in ((-2.0, 0.3), (2.0, 0.7))]
        return log_sum_exp(np.column_stack(parts))

    sample = sample_importance(target, np.array([1.5, 1.5]), rng=np.random.default_rng(2), count=20_000)
    assert abs(np.sum(sample.weights[sample.points[:, 0] < 0]) - 0.3) < 0.03


def test_heavier_tail_than_the_proposal_is_reported():
    """A Cauchy target cannot be weighted from t6: Pareto k says so."""

    def cauchy(points):
        return -np.sum(np.log1p(points**2), axis=1) * 0.75

    sample = sample_importance(cauchy, np.zeros(2), rng=np.random.default_rng(3), count=4000)
    assert sample.pareto_k > 0.5


def test_points_without_density_get_no_weight():
    """A target of half the line puts all its weight there and has half the integral."""

    def half(points):
        return np.where(points[:, 0] > 0.0, -0.5 * points[:, 0] ** 2, -np.inf)

    sample = sample_importance(half, np.array([0.5]), rng=np.random.default_rng(4), count=20_000)
    assert np.all(sample.weights[sample.points[:, 0] <= 0.0] == 0.0)
    assert abs(sample.log_evidence - math.log(math.sqrt(2 * math.pi) / 2)) < 0.05


def test_a_target_without_a_density_anywhere_is_told():
    """As under priors with SDs of 1e-300: a reason, not a fault of an empty array."""
    with np.errstate(invalid="ignore"), pytest.raises(FitError, match="no draw has a density"):
        sample_importance(
            lambda points: np.full(len(points), -np.inf), np.zeros(2), rng=np.random.default_rng(1), count=300
        )


def test_mode_and_curvature_of_a_normal_are_exact():
    """Newton steps reach the mode of a Normal and give its covariance."""
    covariance = np.array([[0.5, 0.3], [0.3, 0.4]])
    mode, found = find_mode(normal_target(np.array([2.0, -1.0]), covariance), np.zeros(2))
    assert np.allclose(mode, [2.0, -1.0], atol=1e-3)
    assert np.allclose(found, covariance, rtol=1e-3)


def test_a_mode_thousands_of_sds_off_is_reached():
    """As many data as a registry's make the posterior a needle: 2,000 SDs from the start it is still found."""
    covariance = 1e-6 * np.array([[1.0, 0.5], [0.5, 2.0]])
    mode, curvature = find_mode(normal_target(np.array([2.0, -1.0]), covariance), np.zeros(2))
    assert np.allclose(mode, [2.0, -1.0], atol=1e-5)
    assert np.allclose(curvature, covariance, rtol=1e-3, atol=0.0)


@pytest.mark.parametrize(("degrees", "seed"), [(3, 0), (5, 1), (10, 2), (30, 3)])
def test_smoothing_is_arvizs(degrees, seed):
    """Pareto k and the smoothed weights agree with ArviZ's PSIS."""
    ratios = np.random.default_rng(seed).standard_t(degrees, size=4000) * 0.6
    smoothed, k = smooth_tail(ratios)
    expected, expected_k = array_stats.psislw(-ratios)
    ours = np.exp(smoothed - log_sum_exp(smoothed))
    assert abs(k - float(expected_k)) < 0.01
    assert np.allclose(np.sort(ours), np.sort(np.exp(expected - log_sum_exp(expected))), rtol=0.01)


@pytest.mark.parametrize(("r_eff", "count"), [(1.0, 4000), (0.4, 4000), (1.3, 1000), (1.0, 150)])
def test_many_units_are_smoothed_as_arviz_smooths_each(r_eff, count):
    """Units with light, heavy and bounded tails, all at once: ArviZ's weights and Pareto k of each to 1e-6."""
    rng = np.random.default_rng(11)
    heavy = rng.standard_t(3, size=(150, count)) * 0.5
    light = rng.normal(size=(150, count)) * 0.1
    ratios = np.concatenate([heavy, light, -rng.exponential(size=(50, count))])
    smoothed, k = smooth_tails(ratios, r_eff=r_eff)
    ours = smoothed - log_sum_exp(smoothed)[:, None]
    for unit in range(0, len(ratios), 7):
        expected, expected_k = array_stats.psislw(-ratios[unit], r_eff=r_eff)
        assert abs(k[unit] - float(expected_k)) < 1e-6
        assert np.allclose(np.sort(ours[unit]), np.sort(expected), atol=1e-6)


def test_flat_tails_and_few_draws_are_left_as_they_are():
    """Nothing can be fitted to equal ratios or to four of them: k says so, and no other unit is touched."""
    ratios = np.stack([np.zeros(400), np.random.default_rng(1).normal(size=400)])
    smoothed, k = smooth_tails(ratios)
    assert k[0] == -np.inf
    assert np.isfinite(k[1])
    assert np.array_equal(smoothed[0], ratios[0])
    few, k = smooth_tails(ratios[:, :20])
    assert np.array_equal(few, ratios[:, :20])
    assert np.all(k == np.inf)


def test_pareto_shape_is_recovered():
    """Exceedances of a generalised Pareto with shape 0.4 and scale 2 give these back."""
    u = np.random.default_rng(7).random(20_000)
    shape, scale = fit_pareto(np.sort(2.0 / 0.4 * (u**-0.4 - 1.0)))
    assert abs(shape - 0.4) < 0.03
    assert abs(scale - 2.0) < 0.1


def test_same_seed_same_draws():
    """The same seed gives the same draws bit for bit."""
    target = normal_target(np.zeros(2), np.eye(2))
    a, b = (sample_importance(target, np.zeros(2), rng=np.random.default_rng(5), count=500) for _ in range(2))
    assert np.array_equal(a.points, b.points)
    assert np.array_equal(a.weights, b.weights)


def test_a_proposal_too_narrow_learns_from_its_last_draws():
    """A proposal a fifth as wide as the target is not trusted at first; it widens, draws anew, and is."""
    root = 0.2 * np.eye(3)
    narrow = Mixture(weights=np.ones(1), means=np.zeros((1, 3)), roots=root[None])
    target = normal_target(np.zeros(3), np.eye(3))
    points = narrow.draw(4000, np.random.default_rng(6))
    assert smooth_tail(target(points) - narrow.log_density(points))[1] > 0.7
    sample = sample_importance(
        target, np.zeros(3), rng=np.random.default_rng(6), count=4000, proposal=narrow, rounds=0
    )
    assert sample.n_evaluations > 4000
    assert sample.pareto_k < 0.7
    assert abs(sample.log_evidence - 1.5 * math.log(2 * math.pi)) < 4 * sample.log_evidence_error
