"""What the priors alone say about data: outcomes simulated before any row is seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayes_alliance.study.prior_records import PriorScales
from bayes_alliance.study.records import Study, Variable

PRIOR_DRAWS = 20_000


@dataclass(frozen=True, kw_only=True)
class PriorPrediction:
    """What a prior set says of the scores of a new patient in the reference group of a growth model.

    Parameters
    ----------
    outcome : str
        Whose priors.
    baseline, horizon : float
        Share of single scores outside the scale, in [0, 1]; NaN where the scale has no ends.
    sd_change : float
        SD of patients' true changes over the horizon, at the median of its prior.
    """

    outcome: str
    baseline: float
    horizon: float
    sd_change: float


def prior_predictive(
    study: Study, outcome: str, prior: str | PriorScales, *, seed: int, count: int = PRIOR_DRAWS
) -> PriorPrediction:
    """Share of prior predictive scores outside the scale, at baseline and at the horizon.

    Parameters
    ----------
    outcome : str
        Whose scale and priors; a new patient in the reference group of a growth model.
    prior : str or PriorScales
        Name of a prior set, or the priors of the outcome themselves.
    seed : int
        Of the draws.
    count : int
        Draws.

    Returns
    -------
    PriorPrediction
    """
    rng = np.random.default_rng(seed)
    scales = study.prior(prior).for_outcome(outcome) if isinstance(prior, str) else prior
    variable = study.variable(outcome)
    low, high = (variable.minimum, variable.maximum) if isinstance(variable, Variable) else (None, None)
    sd_0, sd_1, sigma = (
        _draw_scale(rng, scales, scale, count)
        for scale in (scales.sd_intercept, scales.sd_slope, scales.sigma)
    )
    correlation = 2.0 * rng.beta(scales.lkj_eta, scales.lkj_eta, count) - 1.0
    first, second = rng.standard_normal((2, count))
    level = rng.normal(*scales.intercept, count) + sd_0 * first
    slope = rng.normal(*scales.slope, count)
    slope += sd_1 * (correlation * first + np.sqrt(1.0 - correlation**2) * second)
    noise = sigma * rng.standard_normal((2, count))

    def outside(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
        if low is None and high is None:
            return float("nan")
        below = values < (-np.inf if low is None else low)
        return float(np.mean(below | (values > (np.inf if high is None else high))))

    return PriorPrediction(
        outcome=outcome,
        baseline=outside(level + noise[0]),
        horizon=outside(level + slope + noise[1]),
        sd_change=float(np.median(sd_1)),
    )


def _draw_scale(
    rng: np.random.Generator, scales: PriorScales, scale: float, count: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    if scales.scale_family == "half_normal":
        return np.abs(rng.normal(0.0, scale, count))
    if scales.scale_family == "half_t":
        return np.abs(scale * rng.standard_t(scales.scale_df, count))
    return rng.exponential(scale, count)
