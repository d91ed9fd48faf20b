r"""What simulated outcomes are drawn from: parameters, and ways in which reality leaves the model.

:math:`y = X\beta + Zb + e`, :math:`b_i \sim N(0, G)`, :math:`e \sim N(0, \sigma^2)`; a scenario then takes the random
slope away, cuts scores at the end of their scale, or lets patients leave because of how they do.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, Covariance, MixedFit
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.simulation.population import CovariatePool, make_design

_LEAVE = -1.0  # probit of leaving after a visit, for a patient with the mean slope


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Parameters of a mixed model, in the units of its columns.

    Parameters
    ----------
    beta : ndarray, shape (p,)
        Fixed effects.
    sd : ndarray, shape (q,)
        SDs of the random effects.
    correlation, sigma : float
        Of intercept and slope (0 for one random effect); residual SD.
    """

    beta: Array
    sd: Array
    correlation: float
    sigma: float

    @property
    def root(self) -> Array:
        """Lower Cholesky factor of the covariance of the random effects, shape (q, q)."""
        if len(self.sd) == 1:
            return self.sd[:, None]
        rest = np.sqrt(max(1.0 - self.correlation**2, 0.0))
        return np.array([[self.sd[0], 0.0], [self.correlation * self.sd[1], rest * self.sd[1]]])


def fitted_truth(fit: MixedFit) -> Truth:
    """Take the estimates of a fit for the truth."""
    correlation = 0.0 if np.isnan(fit.correlation) else fit.correlation
    return Truth(beta=fit.beta, sd=fit.sd, correlation=correlation, sigma=fit.sigma)


def draw_truth(priors: CoefficientPriors, covariance: Covariance, rng: np.random.Generator) -> Truth:
    """Draw parameters from a prior.

    Parameters
    ----------
    priors : CoefficientPriors
        Of one model.
    covariance : {"UN", "VC", "ID"}
        With ``UN`` the correlation has the LKJ prior, which for two effects is Beta(eta, eta) on (1 + rho) / 2.
    """
    q = len(priors.sd_scale)
    beta = priors.mean + priors.root @ rng.standard_normal(priors.root.shape[1])
    sd = priors.sd_scale * draw_scale(priors, q, rng)
    sigma = float(priors.sigma_scale * draw_scale(priors, 1, rng)[0])
    share = rng.beta(priors.lkj_eta, priors.lkj_eta)
    return Truth(
        beta=beta, sd=sd, correlation=2.0 * share - 1.0 if covariance == "UN" and q == 2 else 0.0, sigma=sigma
    )


def draw_scale(priors: CoefficientPriors, size: int, rng: np.random.Generator) -> Array:
    """Draw SDs in units of their scales."""
    if priors.scale_family == "half_t":
        return np.abs(rng.standard_t(priors.scale_df, size))
    if priors.scale_family == "exponential":
        return rng.exponential(size=size)
    return np.abs(rng.standard_normal(size))


@dataclass(frozen=True, kw_only=True)
class TruthScale:
    """Measurement grid of an outcome: ends (infinite where there is none) and step (0 for none)."""

    minimum: float
    maximum: float
    step: float

    def measure(self, values: Array) -> Array:
        """Round to the grid and cut at the ends."""
        base = self.minimum if np.isfinite(self.minimum) else 0.0
        rounded = values if self.step == 0.0 else base + self.step * np.round((values - base) / self.step)
        return np.clip(rounded, self.minimum, self.maximum)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    r"""How reality differs from the model that is fitted.

    Parameters
    ----------
    name, label : str
        Key and words.
    slope_sd_factor : float
        On the SD of the random slope.
    top_share : float
        Share of scores that would lie at or above the upper end of the scale: the level is raised until they do,
        then scores are rounded to their grid and cut at its ends. 0 leaves scores as they are drawn.
    leaving : float
        After each visit a patient leaves with probability :math:`\Phi(-1 - leaving\,u)`, ``u`` the patient's own
        slope in SDs, so those who do worse leave sooner, whatever was observed of them (not at random). 0: nobody.
    """

    name: str
    label: str
    slope_sd_factor: float = 1.0
    top_share: float = 0.0
    leaving: float = 0.0


AS_MODELLED = Scenario(name="as_modelled", label="as modelled")
NO_SLOPE_VARIANCE = Scenario(
    name="no_slope_variance", label="slope variance near zero (SD a twentieth)", slope_sd_factor=0.05
)
CEILING = Scenario(
    name="ceiling", label="a quarter of the scores at the upper end of the scale", top_share=0.25
)
DROPOUT = Scenario(name="informative_dropout", label="those who do worse leave sooner", leaving=1.0)
SCENARIOS = (AS_MODELLED, NO_SLOPE_VARIANCE, CEILING, DROPOUT)


def apply_scenario(truth: Truth, scenario: Scenario, pool: CovariatePool, scale: TruthScale | None) -> Truth:
    """Return the parameters that hold in a scenario.

    Raises
    ------
    ValueError
        If scores are to reach the end of a scale that has none.
    """
    sd = truth.sd.copy()
    sd[1:] *= scenario.slope_sd_factor
    changed = dataclasses.replace(truth, sd=sd)
    if scenario.top_share == 0.0:
        return changed
    if scale is None or not np.isfinite(scale.maximum):
        raise ValueError("the outcome's scale has no upper end")
    lift = _find_lift(changed, pool, scale.maximum, scenario.top_share)
    first = np.linalg.lstsq(pool.x, np.ones(len(pool.x)), rcond=None)[0]
    return dataclasses.replace(changed, beta=changed.beta + lift * first)


def _find_lift(truth: Truth, pool: CovariatePool, top: float, share: float) -> float:
    """Find how far to raise the level so that a share of all scores would lie at or above the top."""
    spread = np.sqrt(np.sum((pool.z @ truth.root) ** 2, axis=1) + truth.sigma**2)
    below = (top - pool.x @ truth.beta) / spread
    low, high = -100.0 * float(spread.max()), 100.0 * float(spread.max()) + abs(top)
    for _ in range(80):
        middle = 0.5 * (low + high)
        above = float(np.mean(special.ndtr(middle / spread - below)))
        low, high = (middle, high) if above < share else (low, middle)
    return 0.5 * (low + high)


def draw_outcome(
    design: Design,
    truth: Truth,
    pool: CovariatePool,
    rng: np.random.Generator,
    *,
    scenario: Scenario = AS_MODELLED,
    scale: TruthScale | None = None,
) -> Design:
    """Draw the outcomes of a study; in a scenario of leaving, rows after a patient has left are gone.

    Parameters
    ----------
    design : Design
        Columns of the study's patients.
    truth : Truth
        As :func:`apply_scenario` gives it.
    scale : TruthScale, optional
        Of the outcome, for a scenario that cuts scores.

    Returns
    -------
    Design

    Raises
    ------
    FitError
        If the rows that are left cannot carry the model.
    """
    noise = rng.standard_normal((design.n_patients, len(truth.sd)))
    effects = noise @ truth.root.T
    index = design.patient_index
    y = design.x @ truth.beta + np.sum(design.z * effects[index], axis=1)
    y += truth.sigma * rng.standard_normal(len(y))
    if scenario.top_share > 0.0 and scale is not None:
        y = scale.measure(y)
    if scenario.leaving == 0.0:
        return dataclasses.replace(design, y=y)
    kept = _stay(index, effects[:, -1] / max(truth.sd[-1], 1e-300), scenario.leaving, rng)
    return make_design(pool, design.x[kept], design.z[kept], index[kept], y[kept])


def _stay(
    index: NDArray[np.int64], slope: Array, leaving: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Mark the visits before a patient leaves; the first one always takes place."""
    leaves = rng.random(len(index)) < special.ndtr(_LEAVE - leaving * slope[index])
    first = np.flatnonzero(np.diff(index, prepend=-1))
    before = np.cumsum(leaves) - leaves  # leaving after this visit does not undo it
    kept: NDArray[np.bool_] = before == before[first][index]
    return kept
