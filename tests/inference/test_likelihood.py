import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from scipy.stats import multivariate_normal

from bayes_alliance.inference import likelihood
from bayes_alliance.inference.likelihood import log_density, log_density_patients, relative_factor
from bayes_alliance.inference.patient_effects import draw_effects, log_normal, patient_effects, predict_visits
from bayes_alliance.inference.profile import differentiate, profile
from bayes_alliance.inference.statistics import summarise


def random_design(rng, patients=7, p=3, q=2, same_times=False, offset=0.0):
    """Unbalanced visits of a few patients; times are shared by all patients or scattered."""
    sizes = rng.integers(1, 6, patients)
    if sizes.sum() <= p + 1:
        sizes[:] = 3
    index = np.repeat(np.arange(patients), sizes)
    times = np.concatenate([np.arange(n) * 6.0 + 3.0 for n in sizes])
    if not same_times:
        times = times + rng.uniform(0, 3, len(times))
    times = times + offset
    x = np.column_stack([np.ones(len(times)), times, *rng.normal(size=(max(p - 2, 0), len(times)))])[:, :p]
    z = np.column_stack([np.ones(len(times)), times, times**2])[:, :q]
    return rng.normal(4, 1, len(times)), x, z, index


def random_parameters(rng, count, p, q):
    """Relative factors (the first zero, the second singular), fixed effects and residual SDs."""
    factor = np.tril(rng.normal(size=(count, q, q))) / np.array([1.0, 20.0, 400.0])[:q, None]
    factor[0] = 0.0
    if count > 1:
        factor[1, -1] *= 0.0 if q == 1 else 1.0
        factor[1, -1, -1] = 0.0
    return rng.normal(size=(count, p)), factor, rng.uniform(0.5, 2.0, count)


def dense(y, x, z, index, beta, factor, sigma):
    """Log density of each patient by a dense multivariate normal."""
    out = []
    for i in range(index[-1] + 1):
        rows = index == i
        v = sigma**2 * (np.eye(rows.sum()) + z[rows] @ factor @ factor.T @ z[rows].T)
        out.append(multivariate_normal(x[rows] @ beta, v).logpdf(y[rows]))
    return np.array(out)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), q=st.integers(1, 3), p=st.integers(1, 4), same=st.booleans())
def test_log_density_is_a_multivariate_normal(seed, q, p, same):
    """On random designs, singular covariances included, the density is the dense one to 1e-9."""
    rng = np.random.default_rng(seed)
    y, x, z, index = random_design(rng, p=p, q=q, same_times=same)
    stats = summarise(y, x, z, index)
    beta, factor, sigma = random_parameters(rng, 4, p, q)
    expected = np.array([dense(y, x, z, index, b, f, s) for b, f, s in zip(beta, factor, sigma, strict=True)])
    scale = np.maximum(1.0, np.abs(expected))
    assert np.max(np.abs(log_density_patients(stats, beta, factor, sigma) - expected) / scale) < 1e-9
    total = expected.sum(axis=1)
    assert (
        np.max(np.abs(log_density(stats, beta, factor, sigma) - total) / np.maximum(1, np.abs(total))) < 1e-9
    )


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), q=st.integers(1, 3), reml=st.booleans())
def test_gradient_is_the_finite_difference(seed, q, reml):
    """The derivative of the profiled deviance by the factor agrees with central differences."""
    rng = np.random.default_rng(seed)
    y, x, z, index = random_design(rng, patients=12, q=q)
    stats = summarise(y, x, z, index)
    _, factors, _ = random_parameters(rng, 3, 3, q)
    factor = factors[2]
    found = differentiate(stats, factor, reml=reml)
    for row in range(q):
        for column in range(q):
            step = np.zeros((q, q))
            step[row, column] = 1e-6 / 20.0**row
            up, down = (profile(stats, factor + s * step, reml=reml) for s in (1.0, -1.0))
            width = 2.0 * step[row, column]
            expected = (up.deviance - down.deviance) / width
            assert math.isclose(found.profiled[row, column], expected, rel_tol=1e-4, abs_tol=1e-4 * 20.0**row)


def deviance_at(stats, factor, sigma, *, reml):
    """-2 log likelihood, or the REML criterion, with only the fixed effects at their best."""
    best = profile(stats, factor, reml=reml)
    value = -2.0 * log_density(stats, best.beta[None], factor[None], np.array([sigma]))[0]
    if reml:
        beta_cov = best.beta_cov * (sigma / best.sigma) ** 2
        value -= np.linalg.slogdet(beta_cov)[1] + stats.p * math.log(2.0 * math.pi)
    return value


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), q=st.integers(1, 3), reml=st.booleans())
def test_gradient_at_a_given_sigma_is_the_finite_difference(seed, q, reml):
    """Derivatives by the factor and by sigma, sigma not profiled, agree with differences of the density itself."""
    rng = np.random.default_rng(seed)
    y, x, z, index = random_design(rng, patients=12, q=q)
    stats = summarise(y, x, z, index)
    factor, sigma = random_parameters(rng, 3, 3, q)[1][2], rng.uniform(0.5, 2.0)
    found = differentiate(stats, factor, reml=reml, sigma=sigma)
    up, down = (deviance_at(stats, factor, sigma + s * 1e-5, reml=reml) for s in (1.0, -1.0))
    assert math.isclose(found.sigma, (up - down) / 2e-5, rel_tol=1e-4, abs_tol=1e-4)
    for row in range(q):
        for column in range(q):
            step = np.zeros((q, q))
            step[row, column] = 1e-6 / 20.0**row
            up, down = (deviance_at(stats, factor + s * step, sigma, reml=reml) for s in (1.0, -1.0))
            expected = (up - down) / (2.0 * step[row, column])
            assert math.isclose(found.fixed[row, column], expected, rel_tol=1e-4, abs_tol=1e-4 * 20.0**row)


def test_covariance_of_beta_is_differentiated_at_fixed_sigma():
    """The derivative of (X'V^-1 X)^-1 by the factor agrees with central differences at the same sigma."""
    rng = np.random.default_rng(4)
    y, x, z, index = random_design(rng, patients=15)
    stats = summarise(y, x, z, index)
    factor = np.array([[0.8, 0.0], [0.01, 0.05]])
    found = differentiate(stats, factor, reml=True, sigma=1.3)

    def beta_cov(at):
        v = np.zeros((len(y), len(y)))
        for i in range(index[-1] + 1):
            rows = np.flatnonzero(index == i)
            v[np.ix_(rows, rows)] = 1.3**2 * (np.eye(len(rows)) + z[rows] @ at @ at.T @ z[rows].T)
        return np.linalg.inv(x.T @ np.linalg.solve(v, x))

    for row, column in ((0, 0), (1, 0), (1, 1)):
        step = np.zeros((2, 2))
        step[row, column] = 1e-6
        expected = (beta_cov(factor + step) - beta_cov(factor - step)) / 2e-6
        assert np.allclose(found.beta_cov[row, column], expected, rtol=1e-4, atol=1e-7)


def test_profile_is_the_maximum_over_beta_and_sigma():
    """No other fixed effects or residual SD give a higher density than the profiled ones."""
    rng = np.random.default_rng(8)
    y, x, z, index = random_design(rng, patients=20)
    stats = summarise(y, x, z, index)
    factor = np.array([[0.8, 0.0], [0.01, 0.05]])
    best = profile(stats, factor, reml=False)
    at_best = log_density(stats, best.beta[None], factor[None], np.array([best.sigma]))[0]
    assert math.isclose(-2.0 * at_best, best.deviance, rel_tol=1e-10)
    for _ in range(20):
        beta = best.beta + rng.normal(size=3) * 0.05
        sigma = best.sigma * np.exp(rng.normal() * 0.05)
        assert log_density(stats, beta[None], factor[None], np.array([sigma]))[0] < at_best


def test_patients_on_one_schedule_share_a_term():
    """Twenty patients with the same visits make one schedule, and give the density of separate ones."""
    rng = np.random.default_rng(2)
    times = np.tile([3.0, 9.0, 15.0], 20)
    index = np.repeat(np.arange(20), 3)
    x = np.column_stack([np.ones(60), times])
    y = rng.normal(size=60)
    stats = summarise(y, x, x, index)
    assert len(stats.counts) == 1
    assert stats.counts[0] == 20
    beta, factor, sigma = random_parameters(rng, 3, 2, 2)
    expected = [dense(y, x, x, index, b, f, s).sum() for b, f, s in zip(beta, factor, sigma, strict=True)]
    assert np.allclose(log_density(stats, beta, factor, sigma), expected, rtol=1e-10)


@pytest.mark.parametrize("offset", [0.0, 2000.0])
def test_far_origin_costs_no_digits(offset):
    """With time counted from the year 0 the density still agrees with the dense one."""
    rng = np.random.default_rng(6)
    y, x, z, index = random_design(rng, patients=30, offset=offset)
    stats = summarise(y, x, z, index)
    # a covariance that is ordinary around the middle of the data, written for the far origin
    centre = z[:, 1].mean()
    factor = np.array([[1.0, -centre], [0.0, 1.0]]) @ np.array([[0.8, 0.0], [0.01, 0.05]])
    beta = np.array([[4.0 - 0.02 * centre, 0.02, 0.1]])
    expected = dense(y, x, z, index, beta[0], factor, 0.9).sum()
    assert math.isclose(log_density(stats, beta, factor[None], np.array([0.9]))[0], expected, rel_tol=1e-7)


def test_visit_prediction_is_the_conditional_normal():
    """Predicting a visit from the others equals the ratio of the densities with and without it."""
    rng = np.random.default_rng(11)
    y, x, z, index = random_design(rng, patients=9)
    stats = summarise(y, x, z, index)
    beta, factor, sigma = random_parameters(rng, 3, 3, 2)
    found = log_normal(*predict_visits(y, x, z, stats, beta, factor, sigma))
    for s in range(3):
        for row in range(len(y)):
            rest = (index == index[row]) & (np.arange(len(y)) != row)
            both = rest.copy()
            both[row] = True

            def block(rows, s=s):
                v = sigma[s] ** 2 * (np.eye(rows.sum()) + z[rows] @ factor[s] @ factor[s].T @ z[rows].T)
                return multivariate_normal(x[rows] @ beta[s], v).logpdf(y[rows]) if rows.any() else 0.0

            assert math.isclose(found[s, row], block(both) - block(rest), rel_tol=1e-8, abs_tol=1e-9)


def test_patient_effects_are_the_conditional_normal():
    """Mean and covariance of a patient's effects given the rest are the textbook ones, singular or not."""
    rng = np.random.default_rng(12)
    y, x, z, index = random_design(rng, patients=6)
    stats = summarise(y, x, z, index)
    beta, factor, sigma = random_parameters(rng, 3, 3, 2)
    found = patient_effects(stats, beta, factor, sigma)
    for s in range(3):
        g = sigma[s] ** 2 * factor[s] @ factor[s].T
        for i in range(6):
            rows = index == i
            v = sigma[s] ** 2 * np.eye(rows.sum()) + z[rows] @ g @ z[rows].T
            gain = g @ z[rows].T @ np.linalg.inv(v)
            root = found.root[s, found.schedule[i]]
            assert np.allclose(found.mean[s, i], gain @ (y[rows] - x[rows] @ beta[s]), atol=1e-9)
            assert np.allclose(root @ root.T, g - gain @ z[rows] @ g, atol=1e-9)


def test_drawn_effects_have_the_stated_moments():
    """Draws of the effects have the conditional mean and covariance."""
    rng = np.random.default_rng(13)
    y, x, z, index = random_design(rng, patients=3)
    stats = summarise(y, x, z, index)
    factor = np.repeat(relative_factor([0.9, 0.05], -0.4, 0.8)[None], 40_000, axis=0)
    beta, sigma = np.tile([4.0, 0.02, 0.1], (40_000, 1)), np.full(40_000, 0.8)
    effects = patient_effects(stats, beta, factor, sigma)
    draws = effects.draw(np.random.default_rng(1))
    root = effects.root[0, effects.schedule[0]]
    assert np.allclose(
        draws[:, 0].mean(axis=0), effects.mean[0, 0], atol=4 * np.sqrt(np.diag(root @ root.T) / 40_000)
    )
    assert np.allclose(np.cov(draws[:, 0].T), root @ root.T, rtol=0.05, atol=1e-6)


class FixedNoise:
    """Gives the noise it was made with in place of random numbers, the same for every patient."""

    def __init__(self, *noise):
        self.noise = np.array(noise)

    def standard_normal(self, shape):
        return np.broadcast_to(self.noise[:, None, None], shape).copy()


@pytest.mark.parametrize("same", [False, True])
def test_effects_drawn_together_have_the_conditional_mean_and_covariance(same):
    """Without noise a draw is the mean; what unit noise adds is a root of the covariance, singular or not."""
    rng = np.random.default_rng(14)
    y, x, z, index = random_design(rng, patients=6, same_times=same)
    stats = summarise(y, x, z, index)
    given = random_parameters(rng, 3, 3, 2)
    found = patient_effects(stats, *given)
    mean = draw_effects(stats, *given, FixedNoise(0.0, 0.0))
    assert np.allclose(mean, found.mean, atol=1e-9)
    columns = [draw_effects(stats, *given, FixedNoise(*unit)) - mean for unit in np.eye(2)]
    root, expected = np.stack(columns, axis=-1), found.root[:, found.schedule]
    assert np.allclose(root @ np.swapaxes(root, -1, -2), expected @ np.swapaxes(expected, -1, -2), atol=1e-9)


@pytest.mark.parametrize("q", [1, 2, 3])
def test_effects_are_drawn_by_blocks_as_many_as_asked_for(q, monkeypatch):
    """Blocks of one parameter value give every value its own draws; their mean is the conditional mean."""
    monkeypatch.setattr(likelihood, "_CHUNK", 1)
    rng = np.random.default_rng(15)
    y, x, z, index = random_design(rng, patients=4, q=q)
    stats = summarise(y, x, z, index)
    beta, factor, sigma = (np.repeat(values[-1:], 4000, axis=0) for values in random_parameters(rng, 3, 3, q))
    draws = draw_effects(stats, beta, factor, sigma, np.random.default_rng(1))
    effects = patient_effects(stats, beta[:1], factor[:1], sigma[:1])
    root = effects.root[0, effects.schedule]
    spread = np.sqrt(np.einsum("iqr,iqr->iq", root, root) / 4000)
    assert np.all(np.abs(draws.mean(axis=0) - effects.mean[0]) < 4.5 * spread + 1e-12)


def test_relative_factor_gives_the_covariance():
    """SDs, correlation and residual SD come back from sigma^2 L L'."""
    factor = relative_factor([2.0, 0.3], -0.7, 1.5)
    g = 1.5**2 * factor @ factor.T
    assert np.allclose(np.sqrt(np.diag(g)), [2.0, 0.3])
    assert math.isclose(g[0, 1] / np.sqrt(g[0, 0] * g[1, 1]), -0.7)


def test_unsorted_rows_and_too_few_rows_are_refused():
    """Rows that are not sorted by patient, or fewer rows than coefficients, raise."""
    y, x, z, index = random_design(np.random.default_rng(0))
    with pytest.raises(ValueError, match="sorted"):
        summarise(y, x, z, index[::-1])
    with pytest.raises(ValueError, match="cannot carry"):
        summarise(y[:3], x[:3], z[:3], index[:3])


def test_order_of_patients_does_not_matter():
    """Relabelling patients leaves the density as it was."""
    rng = np.random.default_rng(21)
    y, x, z, index = random_design(rng, patients=8)
    beta, factor, sigma = random_parameters(rng, 3, 3, 2)
    relabelled = rng.permutation(8)[index]
    order = np.argsort(relabelled, kind="stable")
    a = log_density(summarise(y, x, z, index), beta, factor, sigma)
    b = log_density(summarise(y[order], x[order], z[order], relabelled[order]), beta, factor, sigma)
    assert np.allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("sigma", [1.0, 1e-2, 1e-4, 1e-6])
def test_a_vanishing_residual_keeps_the_digits_of_single_visits(sigma):
    """With one visit each the density is that of N(x'beta, z'Gz + sigma^2), however small sigma is beside G."""
    rng = np.random.default_rng(4)
    times = rng.uniform(0.0, 36.0, 50)
    x = np.column_stack([np.ones(50), times])
    y = rng.normal(4.0, 1.0, 50)
    g = np.array([[0.8, 0.01], [0.01, 0.002]])
    factor = np.linalg.cholesky(g) / sigma
    beta = np.array([[4.0, 0.01]])
    sd = np.sqrt(np.einsum("nq,qr,nr->n", x, g, x) + sigma**2)
    expected = scipy_stats.norm(x @ beta[0], sd).logpdf(y).sum()
    found = log_density(summarise(y, x, x, np.arange(50)), beta, factor[None], np.array([sigma]))[0]
    assert math.isclose(found, expected, rel_tol=1e-4)


def test_all_visits_at_one_time_leave_a_finite_density():
    """With every visit at the same time the random slope cannot be told from the intercept; the density can."""
    rng = np.random.default_rng(3)
    x = np.ones((12, 1))
    z = np.column_stack([np.ones(12), np.full(12, 6.0)])
    index = np.repeat(np.arange(6), 2)
    y = rng.normal(size=12)
    beta, factor, sigma = random_parameters(rng, 3, 1, 2)
    expected = [dense(y, x, z, index, b, f, s).sum() for b, f, s in zip(beta, factor, sigma, strict=True)]
    assert np.allclose(log_density(summarise(y, x, z, index), beta, factor, sigma), expected, rtol=1e-9)
