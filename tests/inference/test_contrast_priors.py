"""Posteriors under the default prior, which is stated on levels, slopes and contrasts, as found by other means.

Quadrature: the fixed part in closed form in the coordinates of the statements, the four variance parameters by
randomised quasi-Monte Carlo, every matrix written out; nothing of the package's likelihood or priors is used. And brms
(tests/reference/contrasts.R), whose columns are chosen so that its coefficients are what the prior speaks of.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats
from scipy.stats import qmc

from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.design import Design, build_design
from bayes_alliance.inference.fits import Array, PosteriorFit
from bayes_alliance.inference.priors import coefficient_priors
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.load_study import load_study
from tests.known_posteriors import rows_used
from tests.reference_fits import REFERENCE

HORIZON = 36.0
CELLS = {
    "tasks_ppd": ("0", "1"),
    "tasks_outcome_ppd": ("good_none", "good_ppd", "poor_none", "poor_ppd"),
}
# Weights of the cells' slopes.
CONTRASTS: dict[str, dict[str, tuple[float, ...]]] = {
    "tasks_ppd": {"difference": (-1.0, 1.0)},
    "tasks_outcome_ppd": {"moderation": (1.0, -1.0, -1.0, 1.0), "ppd_in_poor": (0.0, 0.0, -1.0, 1.0)},
}


@dataclass(frozen=True, kw_only=True)
class Stated:
    """The default prior of Tasks in words of the study file: points, and points over 36 months."""

    level: tuple[float, float] = (4.5, 1.5)
    slope: tuple[float, float] = (0.0, 1.5)
    level_difference: float = 2.0
    slope_difference: float = 3.0
    sd_level: float = 1.5
    sd_slope: float = 1.5
    sigma: float = 1.0
    lkj_eta: float = 2.0


def _rows(model: str) -> pd.DataFrame:
    rows = pd.read_csv(REFERENCE / "data" / "tasks.csv", dtype={"cell": "string"})
    rows["group"] = rows["paranoid_pd"].astype(str) if model == "tasks_ppd" else rows["cell"]
    return rows[rows["group"].notna()].reset_index(drop=True)


def _cell_prior(count: int, average: tuple[float, float], difference: float) -> tuple[Array, Array]:
    """Mean and covariance of the cells' values: their average as stated, each difference with the stated SD."""
    flat = np.full((count, count), 1.0 / count)
    spread = average[1] ** 2 * np.ones((count, count)) + 0.5 * difference**2 * (np.eye(count) - flat)
    return np.full(count, average[0]), spread


class Quadrature:
    """The posterior of cell levels, cell slopes and variance parameters, all written out."""

    def __init__(self, model: str, prior: Stated) -> None:
        rows = _rows(model)
        cells = CELLS[model]
        years = rows["months"].to_numpy() / HORIZON
        member = np.array([(rows["group"] == cell).to_numpy(float) for cell in cells]).T
        columns = np.hstack([member, member * years[:, None]])
        level, level_cov = _cell_prior(len(cells), prior.level, prior.level_difference)
        slope, slope_cov = _cell_prior(len(cells), prior.slope, prior.slope_difference)
        self.prior, self.cells = prior, len(cells)
        self.mean = np.concatenate([level, slope])
        zero = np.zeros((len(cells), len(cells)))
        self.precision = np.linalg.inv(np.block([[level_cov, zero], [zero, slope_cov]]))
        patients = rows["patient"].to_numpy()
        y = rows["tasks"].to_numpy()
        self.patients = [
            (columns[own], np.column_stack([np.ones(own.sum()), years[own]]), y[own])
            for own in (patients == one for one in np.unique(patients))
        ]

    def natural(self, points: Array) -> Array:
        """SD of levels, of slopes, correlation and residual SD from unbounded coordinates, shape (..., 4)."""
        return np.stack(
            [
                np.exp(points[..., 0]),
                np.exp(points[..., 1]),
                np.tanh(points[..., 2]),
                np.exp(points[..., 3]),
            ],
            axis=-1,
        )

    def given(self, points: Array) -> tuple[Array, Array, Array]:
        """Log posterior of the coordinates, and mean and covariance of the cells' values given them."""
        sd0, sd1, rho, sigma = np.moveaxis(self.natural(points), -1, 0)
        across = rho * sd0 * sd1
        g = np.moveaxis(np.array([[sd0**2, across], [across, sd1**2]]), -1, 0)
        p = len(self.mean)
        precision = np.broadcast_to(self.precision, (len(points), p, p)).copy()
        pull = np.zeros((len(points), p))
        log = np.full(len(points), 0.5 * np.linalg.slogdet(self.precision)[1])
        for x, z, y in self.patients:
            v = z @ g @ z.T + (sigma**2)[:, None, None] * np.eye(len(y))
            right = np.column_stack([x, y - x @ self.mean])
            solved = np.linalg.solve(v, np.broadcast_to(right, (len(points), *right.shape)))
            precision += x.T @ solved[:, :, :p]
            pull += solved[:, :, p] @ x
            log -= 0.5 * (solved[:, :, p] @ right[:, p]) + 0.5 * np.linalg.slogdet(v)[1]
        moved = np.linalg.solve(precision, pull[:, :, None])[:, :, 0]
        log += 0.5 * np.sum(pull * moved, axis=1) - 0.5 * np.linalg.slogdet(precision)[1]
        return log + self._log_prior(sd0, sd1, rho, sigma), self.mean + moved, np.linalg.inv(precision)

    def _log_prior(self, sd0: Array, sd1: Array, rho: Array, sigma: Array) -> Array:
        prior = self.prior
        log = stats.halfnorm.logpdf(sd0, scale=prior.sd_level) + np.log(sd0)
        log += stats.halfnorm.logpdf(sd1, scale=prior.sd_slope) + np.log(sd1)
        log += stats.halfnorm.logpdf(sigma, scale=prior.sigma) + np.log(sigma)
        found: Array = (
            log + stats.beta.logpdf(0.5 + 0.5 * rho, prior.lkj_eta, prior.lkj_eta) + np.log1p(-(rho**2))
        )
        return found

    def nodes(self, count: int) -> tuple[Array, Array]:
        """Points by scrambled Sobol sequences through a t distribution that is fitted in three rounds, and weights."""
        centre, root = np.array([-0.4, 0.0, -0.6, -0.03]), np.diag([0.5, 0.5, 0.6, 0.1])
        for temper, n in ((0.1, 1024), (0.3, 1024), (0.6, 1024), (1.0, 2048), (1.0, count)):
            uniform = qmc.Sobol(5, rng=1).random(n)
            z = stats.norm.ppf(uniform[:, :4]) / np.sqrt(stats.chi2.ppf(uniform[:, 4:], 4.0) / 4.0)
            points = centre + z @ root.T
            points = np.clip(
                points, -7.0, 7.0
            )  # beyond e^7, e^-7 and a correlation of 0.999998 there is nothing
            log = self.given(points)[0] - stats.multivariate_t.logpdf(z, df=4, shape=np.eye(4))
            log = np.where(np.all(np.abs(points) < 7.0, axis=1), log, -np.inf)
            log -= log.max()
            weights = np.exp(log) / np.exp(log).sum()
            soft = np.exp(temper * log) / np.exp(temper * log).sum()
            centre = soft @ points
            root = 1.1 * np.linalg.cholesky((points - centre).T @ (soft[:, None] * (points - centre)))
        return points, weights


@cache
def _exact(model: str) -> dict[str, tuple[float, float, float, float]]:
    """Mean, SD and ends of the 95 % interval of everything that is compared."""
    found = Quadrature(model, Stated())
    points, weights = found.nodes(16384)
    assert 1.0 / np.sum(weights**2) > 2000.0
    _, means, covariances = found.given(points)
    k = found.cells
    wanted = {f"level_{c}": np.eye(2 * k)[i] for i, c in enumerate(CELLS[model])}
    wanted |= {f"slope_{c}": np.eye(2 * k)[k + i] for i, c in enumerate(CELLS[model])}
    wanted |= {name: np.concatenate([np.zeros(k), w]) for name, w in CONTRASTS[model].items()}
    answers = {}
    for name, w in wanted.items():
        centre, spread = means @ w, np.sqrt(np.einsum("i,sij,j->s", w, covariances, w))
        answers[name] = _mixture(centre, spread, weights)
    for i, name in enumerate(("sd_Intercept", "sd_slope", "cor", "sigma")):
        values = found.natural(points)[:, i]
        order = np.argsort(values)
        ends = np.interp([0.025, 0.975], np.cumsum(weights[order]), values[order])
        mean = float(weights @ values)
        answers[name] = (mean, math.sqrt(weights @ (values - mean) ** 2), float(ends[0]), float(ends[1]))
    return answers


def _mixture(centre: Array, spread: Array, weights: Array) -> tuple[float, float, float, float]:
    mean = float(weights @ centre)
    sd = math.sqrt(float(weights @ (spread**2 + (centre - mean) ** 2)))
    ends = [
        optimize.brentq(
            lambda x, at=at: float(weights @ stats.norm.cdf(x, centre, spread)) - at,
            mean - 9 * sd,
            mean + 9 * sd,
        )
        for at in (0.025, 0.975)
    ]
    return mean, sd, ends[0], ends[1]


def _design(model: str) -> Design:
    study = load_study("folmo2020")
    rows = _rows(model)
    rows["patient"] = rows["patient"].astype(str)
    if model == "tasks_outcome_ppd":
        rows["outcome_ppd"] = pd.Categorical(rows["cell"], CELLS[model])
    return build_design(parse_formula(study.model(model).formula), rows)


def _answers(model: str, fit: PosteriorFit) -> dict[str, Array]:
    """Draws of the package's own fit, in the units of the statements."""
    names = fit.x_names
    first, *others = CELLS[model]
    mark = {cell: f"outcome_ppd[{cell}]" for cell in others} | {"1": "paranoid_pd"}

    def cell(name: str, prefix: str, base: str) -> Array:
        draws = fit.beta[..., names.index(base)]
        return draws if name == first else draws + fit.beta[..., names.index(f"{prefix}{mark[name]}")]

    found = {f"level_{c}": cell(c, "", "Intercept") for c in CELLS[model]}
    found |= {f"slope_{c}": HORIZON * cell(c, "months:", "months") for c in CELLS[model]}
    for name, weights in CONTRASTS[model].items():
        cells = [found[f"slope_{c}"] for c in CELLS[model]]
        found[name] = np.tensordot(weights, np.array(cells), 1)
    return found | {
        "sd_Intercept": fit.sd[..., 0],
        "sd_slope": HORIZON * fit.sd[..., 1],
        "cor": fit.correlation,
        "sigma": fit.sigma,
    }


@cache
def _collapsed(model: str) -> dict[str, Array]:
    design = _design(model)
    priors = coefficient_priors(load_study("folmo2020"), design, "neutral")
    fit = fit_collapsed(design, rows_used(design), priors, seed=1, settings=CollapsedSettings(draws=60_000))
    return _answers(model, fit)


def test_the_default_prior_is_as_stated_here() -> None:
    """What the reference values were made under is the study's default, number by number."""
    study, stated = load_study("folmo2020"), Stated()
    scales = study.priors[0].for_outcome("tasks")
    assert (study.horizon, study.reference_time) == (HORIZON, 0.0)
    assert (scales.intercept, scales.slope) == (stated.level, stated.slope)
    assert scales.effect_intercept == (0.0, stated.level_difference)
    assert scales.effect_slope == (0.0, stated.slope_difference)
    assert (scales.sd_intercept, scales.sd_slope) == (stated.sd_level, stated.sd_slope)
    assert (scales.sigma, scales.lkj_eta, scales.scale_family) == (
        stated.sigma,
        stated.lkj_eta,
        "half_normal",
    )


@pytest.mark.slow
@pytest.mark.parametrize("model", CELLS)
def test_collapsed_is_quadrature_under_the_default_prior(model: str) -> None:
    """Means and 95 % ends within 0.05 SD, SDs within 3 %: cell levels, cell slopes, contrasts, variances."""
    draws = _collapsed(model)
    for name, (mean, sd, low, high) in _exact(model).items():
        flat = draws[name].ravel()
        assert abs(flat.mean() - mean) < 0.05 * sd, name
        assert abs(flat.std() / sd - 1.0) < 0.03, name
        assert np.all(np.abs(np.quantile(flat, [0.025, 0.975]) - [low, high]) < 0.07 * sd), name


@pytest.mark.slow
@pytest.mark.parametrize("model", CELLS)
def test_quadrature_would_notice_a_prior_on_coefficients(model: str) -> None:
    """Were the differences' SD read as that of the deviation from the average, some answer would move."""
    other = Stated(level_difference=2.0 * math.sqrt(2.0), slope_difference=0.6)
    found = Quadrature(model, other)
    points, weights = found.nodes(2048)
    _, means, _ = found.given(points)
    k = found.cells
    name, w = next(iter(CONTRASTS[model].items()))
    mean, sd, *_ = _exact(model)[name]
    assert abs(float(weights @ means @ np.concatenate([np.zeros(k), w])) - mean) > 0.15 * sd


def _brms(model: str) -> dict[str, dict[str, float]]:
    answer = json.loads((REFERENCE / "contrasts.json").read_text())
    found: dict[str, dict[str, float]] = answer["runs"][model]["parameters"]
    return found


def test_brms_had_the_same_prior() -> None:
    """The numbers in its file are those that are stated here."""
    priors, stated = json.loads((REFERENCE / "contrasts.json").read_text())["priors"], Stated()
    assert tuple(priors["level"]) == stated.level
    assert tuple(priors["slope"]) == stated.slope
    assert priors["level_difference"] == [0, stated.level_difference]
    assert priors["slope_difference"] == [0, stated.slope_difference]
    assert [priors[name] for name in ("sd_intercept", "sd_slope", "sigma", "lkj_eta")] == [
        stated.sd_level,
        stated.sd_slope,
        stated.sigma,
        stated.lkj_eta,
    ]


@pytest.mark.slow
@pytest.mark.parametrize("model", CELLS)
def test_collapsed_is_brms_under_the_default_prior(model: str) -> None:
    """Every mean, SD and end of a 95 % interval within five Monte-Carlo errors of brms."""
    draws = _collapsed(model)
    for name, expected in _brms(model).items():
        flat = draws[name].ravel()
        noise = 1.2 * flat.std() / math.sqrt(len(flat) / 2)
        assert abs(flat.mean() - expected["mean"]) < 5 * math.hypot(expected["mcse_mean"], noise), name
        assert abs(flat.std() - expected["sd"]) < 5 * math.hypot(expected["mcse_sd"], noise), name
        for at, key in ((0.025, "q2.5"), (0.975, "q97.5")):
            error = math.hypot(expected[f"mcse_{key}"], 3 * noise)
            assert abs(np.quantile(flat, at) - expected[key]) < 5 * error, (name, key)
