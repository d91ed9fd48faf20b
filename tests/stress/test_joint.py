"""The joint model of several outcomes finds what it was simulated from, and says which effect is the largest."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from bayes_alliance.stress.joint import JointEffect, fit_joint, largest, log_pooled_prior
from bayes_alliance.stress.joint_gibbs import JointData, JointPriors, sample_joint
from bayes_alliance.stress.prepare import Prepared, prepare_model
from bayes_alliance.stress.records import StressSkipped
from tests.stress_cases import HORIZON, TIMES, case_data, case_study

OUTCOMES = ("goals", "bonds", "tasks")
EFFECT_CORRELATION, RESIDUAL_CORRELATION = 0.7, 0.5


def simulate(n: int, effects: tuple[float, ...], seed: int) -> pd.DataFrame:
    """Draw three correlated outcomes; ``effects`` are slope deviations of the poor in points over the horizon."""
    rng = np.random.default_rng(seed)
    k = len(effects)
    between = np.full((k, k), EFFECT_CORRELATION) + (1.0 - EFFECT_CORRELATION) * np.eye(k)
    within = np.full((k, k), RESIDUAL_CORRELATION) + (1.0 - RESIDUAL_CORRELATION) * np.eye(k)
    poor = np.arange(n) % 2
    level = 4.5 + 0.9 * rng.standard_normal((n, k)) @ np.linalg.cholesky(between).T
    slope = 0.8 + 1.2 * rng.standard_normal((n, k)) @ np.linalg.cholesky(between).T
    slope = slope + poor[:, None] * np.array(effects)
    times = np.array(TIMES[::2])
    index, months = np.repeat(np.arange(n), len(times)), np.tile(times, n)
    noise = 0.6 * rng.standard_normal((len(index), k)) @ np.linalg.cholesky(within).T
    y = level[index] + slope[index] * months[:, None] / HORIZON + noise
    return pd.DataFrame(
        {"patient": [f"p{i:04d}" for i in index], "months": months}
        | {name: y[:, j] for j, name in enumerate(OUTCOMES)}
        | {"poor": poor[index].astype(float)}
    )


def fit(frame: pd.DataFrame, *, draws: int = 250) -> tuple[JointEffect, list[Prepared]]:
    study = case_study(OUTCOMES)
    data = case_data(study, frame)
    family = [
        prepare_model(study, data, model, prior="neutral", seed=3, draws=2000) for model in study.models
    ]
    ready = [one for one in family if isinstance(one, Prepared)]
    found = fit_joint(study, data, ready, prior="neutral", seed=3, draws=draws, warmup=100)
    assert not isinstance(found, StressSkipped)
    return found[0], ready


def test_it_recovers_what_was_simulated() -> None:
    """Effects within four posterior SDs, correlations of slopes and residuals within 0.15 and 0.05."""
    effects = (-0.6, -0.6, -1.6)
    found, family = fit(simulate(200, effects, seed=1))
    for draws, truth, one in zip(found.joint, effects, family, strict=True):
        summary = draws.summary()
        assert abs(summary.mean - truth) < 4.0 * summary.sd
        assert summary.r_hat < 1.05
        separate = one.base()[0].points
        assert summary.mean == pytest.approx(separate.mean(), abs=0.5 * separate.std())
        assert summary.sd == pytest.approx(separate.std(), rel=0.25)
    assert found.slope_correlation == pytest.approx(EFFECT_CORRELATION, abs=0.15)
    assert found.residual_correlation == pytest.approx(RESIDUAL_CORRELATION, abs=0.05)
    assert found.effect_correlation > 0.3
    # The largest is found, and more surely than by models that know nothing of each other.
    assert found.p_largest[2] > 0.95
    assert found.p_largest[2] > found.p_largest_separate[2]


def test_equal_effects_leave_open_which_is_the_largest() -> None:
    """No outcome is called the largest with 95 %, and pooling draws the effects together."""
    found, _ = fit(simulate(120, (-1.0, -1.0, -1.0), seed=4))
    assert max(found.p_largest) < 0.95
    assert sum(found.p_largest) == pytest.approx(1.0)
    means = [draws.points.mean() for draws in found.joint]
    pooled = [draws.points.mean() for draws in found.pooled]
    assert np.ptp(pooled) < 0.8 * np.ptp(means)
    assert found.pareto_k < 0.7


def test_a_single_outcome_agrees_with_the_collapsed_engine() -> None:
    """Fixed effects' means within a quarter of an SD and SDs within 15 %: the priors on SDs differ a little."""
    study = case_study(("tasks",))
    frame = simulate(80, (-1.0, -1.0, -1.0), seed=6)
    one = prepare_model(study, case_data(study, frame), study.models[0], prior="neutral", seed=3, draws=4000)
    assert isinstance(one, Prepared)
    units = np.array([1.0, HORIZON, 1.0, HORIZON])
    draws = sample_joint(
        JointData(
            y=one.design.y[:, None],
            x=one.design.x / units,
            z=one.design.z / units[:2],
            patient=one.design.patient_index,
        ),
        JointPriors(
            mean=(one.priors.mean * units)[:, None],
            sd=(one.priors.sd * units)[:, None],
            effect_scale=(one.priors.sd_scale * units[:2])[:, None],
            sigma_scale=np.array([one.priors.sigma_scale]),
        ),
        seed=2,
        draws=800,
        warmup=200,
    )
    beta = draws.beta.reshape(-1, 4) / units
    exact, _, _, sigma = one.posterior.flat()
    assert np.all(np.abs(beta.mean(axis=0) - exact.mean(axis=0)) < 0.25 * exact.std(axis=0))
    assert beta.std(axis=0) == pytest.approx(exact.std(axis=0), rel=0.15)
    assert np.sqrt(draws.residual).mean() == pytest.approx(sigma.mean(), rel=0.03)


def test_the_pooled_prior_is_that_of_a_quadrature() -> None:
    """The ratio of priors equals numerical integration over the SD between effects."""
    effects, mean, sd, scale = np.array([[-1.0, -0.4, -1.3]]), np.zeros(3), np.full(3, 1.5), 0.5

    def density(tau: float) -> float:
        covariance = 1.5**2 * np.ones((3, 3)) + tau**2 * np.eye(3)
        joint = stats.multivariate_normal(mean, covariance).pdf(effects[0])
        return float(joint * stats.halfnorm(scale=scale).pdf(tau))

    pooled, _ = integrate.quad(density, 0.0, 6.0, points=[0.05, 0.3, 1.0])
    alone = stats.norm(0.0, 1.5).logpdf(effects[0]).sum()
    assert log_pooled_prior(effects, mean, sd, scale)[0] == pytest.approx(np.log(pooled) - alone, abs=0.01)


def test_the_largest_follows_the_direction_of_the_mean() -> None:
    """Turned round, the same outcome is the largest; ties go nowhere else."""
    effects = np.random.default_rng(1).normal([-1.0, -0.5, -2.0], 0.3, size=(500, 3))
    assert largest(effects) == largest(-effects)
    assert largest(effects)[2] > 0.9


def test_one_outcome_is_no_joint_model() -> None:
    """It is skipped with the reason."""
    study = case_study(("tasks",))
    data = case_data(study, simulate(20, (0.0, 0.0, 0.0), seed=2))
    one = prepare_model(study, data, study.models[0], prior="neutral", seed=3, draws=400)
    assert isinstance(one, Prepared)
    found = fit_joint(study, data, [one], prior="neutral", seed=1)
    assert isinstance(found, StressSkipped)
    assert "two outcomes" in found.reason
