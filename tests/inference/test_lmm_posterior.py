"""Posteriors of nested levels and correlated residuals: the two-level engine, and integrals by brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats
from scipy.special import logsumexp

import bayes_alliance as ba
from bayes_alliance.api.frames import ModelFit
from bayes_alliance.api.structured import StructuredFit, fit_structured
from bayes_alliance.run.structured_frame import read_formula, read_structured
from tests.reference_fits import REFERENCE


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "data" / f"{name}.csv")


def test_a_two_level_model_has_the_posterior_of_the_two_level_engine() -> None:
    """Same priors, same rows: evidence, coefficients, SDs and correlation agree within Monte-Carlo error."""
    rows, formula = read("orthodont"), "distance ~ age + (age | Subject)"
    two_level = ba.fit(formula, rows, draws=4000)
    found = fit_structured(
        read_structured(*read_formula(formula, "", ""), rows), engine="collapsed", draws=4000, seed=2
    )
    assert isinstance(two_level, ModelFit) and two_level.posterior is not None and found.posterior is not None
    theirs, ours = two_level.posterior, found.posterior
    assert abs(float(theirs.facts["log_evidence"]) - ours.log_evidence) < 0.1
    beta, sd, correlation, sigma = theirs.flat()
    variances = np.diagonal(ours.patient_cov, axis1=1, axis2=2)
    pairs = [
        (beta[:, 0], ours.beta[:, 0]),
        (beta[:, 1], ours.beta[:, 1]),
        (sd[:, 0], np.sqrt(ours.patient_cov[:, 0, 0])),
        (sd[:, 1], np.sqrt(ours.patient_cov[:, 1, 1])),
        (correlation, ours.patient_cov[:, 0, 1] / np.sqrt(variances.prod(axis=1))),
        (sigma, ours.sigma[:, 0]),
    ]
    for one, other in pairs:
        assert abs(one.mean() - other.mean()) < 0.12 * one.std()
        assert abs(one.std() / other.std() - 1.0) < 0.1


def half_normal(value: float, scale: float) -> float:
    return float(scipy_stats.halfnorm.logpdf(value, scale=scale))


def marginal(found: StructuredFit, x: np.ndarray, y: np.ndarray, v: np.ndarray) -> float:
    """Log density of the outcome with the coefficients integrated out over their prior."""
    prior = found.coefficient_priors
    return float(scipy_stats.multivariate_normal.logpdf(y, x @ prior.mean, v + x @ prior.covariance @ x.T))


def integrate(log_density: np.ndarray, axes: list[np.ndarray]) -> tuple[float, list[float]]:
    """Log integral over a grid (trapezoid) and means of the axes' values."""
    weights = [np.gradient(axis) for axis in axes]
    for weight in weights:
        weight[[0, -1]] *= 0.5
    total = log_density + sum(np.log(weight) for weight in np.meshgrid(*weights, indexing="ij"))
    evidence = float(logsumexp(total))
    share = np.exp(total - evidence)
    others = [tuple(j for j in range(len(axes)) if j != i) for i in range(len(axes))]
    return evidence, [float(share.sum(axis=other) @ axis) for axis, other in zip(axes, others, strict=True)]


def test_serial_correlation_has_the_posterior_of_a_grid() -> None:
    """AR(1), uniform prior on the correlation: evidence, mean correlation and mean SD by brute force."""
    rows = read("orthodont").assign(visit=lambda d: (d["age"] - 6) / 2)
    found = ba.fit("distance ~ age", rows, residual="ar1(visit)", patient="Subject", time="age", seed=3)
    assert found.posterior is not None
    rows = rows.sort_values(["Subject", "age"])
    x, y = np.column_stack([np.ones(len(rows)), rows["age"]]), rows["distance"].to_numpy()
    same = np.equal.outer(rows["Subject"].to_numpy(), rows["Subject"].to_numpy())
    lag = np.abs(np.subtract.outer(rows["visit"].to_numpy(), rows["visit"].to_numpy()))
    rho, sigma = np.linspace(0.3, 0.95, 18), np.linspace(1.6, 4.2, 18)
    density = np.array(
        [
            [
                marginal(found, x, y, s**2 * same * r**lag) + half_normal(s, found.priors.sigma) - np.log(2.0)
                for s in sigma
            ]
            for r in rho
        ]
    )
    evidence, (mean_rho, mean_sigma) = integrate(density, [rho, sigma])
    post = found.posterior
    assert abs(post.log_evidence - evidence) < 0.03
    assert abs(post.correlations[:, 0].mean() - mean_rho) < 0.1 * post.correlations[:, 0].std()
    assert abs(post.sigma[:, 0].mean() - mean_sigma) < 0.1 * post.sigma[:, 0].std()


@pytest.mark.slow
def test_nested_levels_have_the_posterior_of_a_grid() -> None:
    """Wafers within lots: evidence and mean SDs of both levels and residuals by brute force on three SDs."""
    rows = read("oxide").query("Lot in ['1', '2', '3', '4', '5'] or Lot in [1, 2, 3, 4, 5]")
    found = ba.fit("Thickness ~ 1 + (1 | Lot/Wafer)", rows, seed=4)
    assert found.posterior is not None
    y, x = rows["Thickness"].to_numpy(float), np.ones((len(rows), 1))
    lot = np.equal.outer(rows["Lot"].to_numpy(), rows["Lot"].to_numpy()).astype(float)
    wafer = lot * np.equal.outer(rows["Wafer"].to_numpy(), rows["Wafer"].to_numpy())
    upper, inner, sigma = np.linspace(0.2, 34.0, 18), np.linspace(0.2, 16.0, 17), np.linspace(2.0, 6.5, 14)
    density = np.empty((18, 17, 14))
    for (i, a), (j, b), (k, c) in itertools.product(enumerate(upper), enumerate(inner), enumerate(sigma)):
        prior = half_normal(a, found.priors.sd_intercept) + half_normal(b, found.priors.sd_intercept)
        density[i, j, k] = prior + half_normal(c, found.priors.sigma)
        density[i, j, k] += marginal(found, x, y, a**2 * lot + b**2 * wafer + c**2 * np.eye(len(y)))
    evidence, means = integrate(density, [upper, inner, sigma])
    post = found.posterior
    draws = [np.sqrt(post.cluster_cov[:, 0, 0]), np.sqrt(post.patient_cov[:, 0, 0]), post.sigma[:, 0]]
    assert abs(post.log_evidence - evidence) < 0.05
    for drawn, mean in zip(draws, means, strict=True):
        assert abs(drawn.mean() - mean) < 0.1 * drawn.std()


def test_the_same_seed_gives_the_same_draws() -> None:
    """And another seed others."""
    rows = read("oxide")
    one, same, other = (ba.fit("Thickness ~ 1 + (1 | Lot/Wafer)", rows, seed=s, draws=400) for s in (1, 1, 2))
    assert one.posterior is not None and same.posterior is not None and other.posterior is not None
    assert np.array_equal(one.posterior.beta, same.posterior.beta)
    assert not np.array_equal(one.posterior.beta, other.posterior.beta)
