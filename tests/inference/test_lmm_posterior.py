"""Posteriors of nested levels and correlated residuals: the two-level engine, and integrals by brute force."""

from __future__ import annotations

import itertools
from collections.abc import Callable

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


def fit_orthodont(
    residual: str, *, formula: str = "distance ~ age", visits: int = 4
) -> tuple[StructuredFit, pd.DataFrame]:
    rows = read("orthodont").assign(visit=lambda d: (d["age"] - 6) / 2)
    rows = rows[rows["visit"] <= visits].sort_values(["Subject", "age"])
    patient = "" if "(" in formula else "Subject"
    found = ba.fit(formula, rows, residual=residual, patient=patient, time="age", seed=3)
    assert isinstance(found, StructuredFit)
    return found, rows


def parts_of(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fixed columns, outcome, which rows are of one patient, and how many visits lie between them."""
    x, y = np.column_stack([np.ones(len(rows)), rows["age"]]), rows["distance"].to_numpy()
    same = np.equal.outer(rows["Subject"].to_numpy(), rows["Subject"].to_numpy())
    return x, y, same, np.abs(np.subtract.outer(rows["visit"].to_numpy(), rows["visit"].to_numpy()))


def found_scales(found: StructuredFit) -> tuple[float, float]:
    """Scales of the priors of the first SD of the upper and of the lower level: slopes over the range of 0 to 1."""
    upper = (
        found.priors.sd_intercept
        if found.ml.structure.cluster.names[0] == "Intercept"
        else found.priors.sd_slope
    )
    return upper, found.priors.sd_intercept


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


RESIDUALS: dict[
    str, tuple[Callable[[np.ndarray, float], np.ndarray], np.ndarray, Callable[[np.ndarray], np.ndarray]]
] = {
    # Correlation at a lag for a value, the grid of values, and the prior's density of a value.
    "cs": (
        lambda lag, r: np.where(lag > 0, r, 1.0),
        np.linspace(0.25, 0.95, 18),
        lambda r: np.full(len(r), -np.log(4.0 / 3.0)),
    ),
    "car1(age)": (
        lambda lag, r: r**lag,  # over the median gap of two years, one visit
        np.linspace(0.3, 0.95, 18),
        lambda r: np.zeros(len(r)),
    ),
}


@pytest.mark.parametrize("residual", RESIDUALS)
def test_residual_correlations_have_the_posterior_of_a_grid(residual: str) -> None:
    """Compound symmetry, continuous time; uniform prior of the correlation: evidence, mean correlation and SD."""
    correlate, rho, prior = RESIDUALS[residual]
    found, rows = fit_orthodont(residual)
    assert found.posterior is not None
    x, y, same, lag = parts_of(rows)
    sigma = np.linspace(1.6, 4.2, 18)
    density = np.array(
        [
            [
                marginal(found, x, y, s**2 * same * correlate(lag, r)) + half_normal(s, found.priors.sigma)
                for s in sigma
            ]
            for r in rho
        ]
    )
    evidence, (mean_rho, mean_sigma) = integrate(density + prior(rho)[:, None], [rho, sigma])
    post = found.posterior
    assert abs(post.log_evidence - evidence) < 0.03
    assert abs(post.correlations[:, 0].mean() - mean_rho) < 0.1 * post.correlations[:, 0].std()
    assert abs(post.sigma[:, 0].mean() - mean_sigma) < 0.1 * post.sigma[:, 0].std()


def test_a_toeplitz_covariance_has_the_posterior_of_a_grid() -> None:
    """Three visits, uniform partial autocorrelations: evidence and mean correlations of both lags by brute force."""
    found, rows = fit_orthodont("toep(visit)", visits=3)
    assert found.posterior is not None
    x, y, same, lag = parts_of(rows)
    first, second, sigma = np.linspace(0.1, 0.97, 11), np.linspace(-0.4, 0.9, 11), np.linspace(1.5, 4.2, 10)
    density = np.empty((11, 11, 10))
    for (i, a), (j, b), (k, s) in itertools.product(enumerate(first), enumerate(second), enumerate(sigma)):
        at = np.array([1.0, a, a**2 + b * (1.0 - a**2)])[lag.astype(int)]
        density[i, j, k] = marginal(found, x, y, s**2 * same * at) + half_normal(s, found.priors.sigma)
    # Each partial autocorrelation is uniform on (-1, 1).
    evidence, (lag_1, _, mean_sigma) = integrate(density - 2.0 * np.log(2.0), [first, second, sigma])
    post = found.posterior
    assert abs(post.log_evidence - evidence) < 0.05
    assert abs(post.correlations[:, 0].mean() - lag_1) < 0.1 * post.correlations[:, 0].std()
    assert abs(post.sigma[:, 0].mean() - mean_sigma) < 0.1 * post.sigma[:, 0].std()


def test_variances_by_group_have_the_posterior_of_a_grid() -> None:
    """A residual SD for each sex beside a random intercept: evidence and mean SDs by brute force."""
    found, rows = fit_orthodont("var(Sex)", formula="distance ~ age + (1 | Subject)")
    assert found.posterior is not None
    x, y, same, _ = parts_of(rows)
    boys = (rows["Sex"] == "Male").to_numpy()
    between, one, other = np.linspace(0.6, 4.0, 11), np.linspace(1.0, 2.6, 10), np.linspace(0.4, 1.3, 10)
    density = np.empty((11, 10, 10))
    for (i, a), (j, b), (k, c) in itertools.product(enumerate(between), enumerate(one), enumerate(other)):
        v = a**2 * same + np.diag(np.where(boys, b, c) ** 2)
        prior = half_normal(a, found.priors.sd_intercept)
        density[i, j, k] = (
            marginal(found, x, y, v) + prior + sum(half_normal(s, found.priors.sigma) for s in (b, c))
        )
    evidence, means = integrate(density, [between, one, other])
    post = found.posterior
    assert abs(post.log_evidence - evidence) < 0.05
    groups = found.ml.structure.residual.groups
    by_sex = [post.sigma[:, groups.index(sex)] for sex in ("Male", "Female")]
    draws = [np.sqrt(post.patient_cov[:, 0, 0]), *by_sex]
    for drawn, mean in zip(draws, means, strict=True):
        assert abs(drawn.mean() - mean) < 0.1 * drawn.std()


@pytest.mark.parametrize("kind", ["crossed", "one arm"])
def test_crossed_and_partially_nested_levels_have_the_posterior_of_a_grid(kind: str) -> None:
    """Eight plates by six samples; lots with effects under one source only: evidence and mean SDs by brute force."""
    if kind == "crossed":
        rows = read("penicillin").query("plate in ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']")
        found = ba.fit("diameter ~ 1 + (1 | plate) + (1 | sample)", rows, seed=4)
        names, outcome, least = ("sample", "plate"), "diameter", (0.5, 0.2, 0.3)
        most, fixed = (6.5, 2.6, 1.1), np.ones((len(rows), 1))
    else:
        rows = read("oxide").assign(late=lambda d: (d["Source"] == 2) * 1.0)
        rows = rows.assign(wafer=rows["Lot"].astype(str) + " " + rows["Wafer"].astype(str)).query("Lot > 2")
        found = ba.fit("Thickness ~ late + (0 + late | Lot) + (1 | wafer)", rows, seed=4, time="late")
        names, outcome, least = ("Lot", "wafer"), "Thickness", (0.1, 1.0, 2.4)
        most, fixed = (40.0, 14.0, 5.2), np.column_stack([np.ones(len(rows)), rows["late"]])
    assert isinstance(found, StructuredFit) and found.posterior is not None
    upper, inner = (
        np.equal.outer(rows[name].to_numpy(), rows[name].to_numpy()).astype(float) for name in names
    )
    if kind == "one arm":
        upper = upper * np.outer(rows["late"], rows["late"])
    axes = [np.linspace(low, high, 11) for low, high in zip(least, most, strict=True)]
    y, density = rows[outcome].to_numpy(float), np.empty((11, 11, 11))
    scales = (*(float(half) for half in found_scales(found)), found.priors.sigma)
    for at in itertools.product(range(11), repeat=3):
        a, b, c = (axis[i] for axis, i in zip(axes, at, strict=True))
        v = a**2 * upper + b**2 * inner + c**2 * np.eye(len(y))
        prior = sum(half_normal(sd, scale) for sd, scale in zip((a, b, c), scales, strict=True))
        density[at] = marginal(found, fixed, y, v) + prior
    evidence, means = integrate(density, axes)
    post = found.posterior
    draws = [np.sqrt(post.cluster_cov[:, 0, 0]), np.sqrt(post.patient_cov[:, 0, 0]), post.sigma[:, 0]]
    assert abs(post.log_evidence - evidence) < 0.08
    for drawn, mean in zip(draws, means, strict=True):
        assert abs(drawn.mean() - mean) < 0.1 * drawn.std()


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
