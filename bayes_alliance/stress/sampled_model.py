"""The PyMC models of :mod:`bayes_alliance.stress.sampled`: one linear predictor, three likelihoods.

Data and priors enter as ``pm.Data``, so that one compiled model serves all models of its size. Tests hold the log
densities against SciPy's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from bayes_alliance.inference.fits import Array
from bayes_alliance.study.prior_records import ScaleFamily

Family = Literal["student_t", "censored", "ordinal"]
_FAR = 50.0
_SPACING_SD = 0.75


def build_sampled(
    family: Family,
    columns: int,
    patients: int,
    categories: int,
    data: Mapping[str, Array],
    *,
    scales: ScaleFamily,
) -> Any:
    """Write the PyMC model of one family.

    Parameters
    ----------
    columns, patients, categories : int
        Sizes, padding included; categories matter to ``ordinal`` only.
    data : mapping of str to ndarray
        Rows and priors, held as ``pm.Data``.

    Returns
    -------
    pymc.Model
    """
    import pymc as pm
    import pytensor.tensor as pt

    with pm.Model() as model:
        held = {name: pm.Data(name, value) for name, value in data.items()}
        z = pm.Normal("beta_z", 0.0, 1.0, shape=(columns,))
        beta = pm.Deterministic("beta", held["prior_mean"] + (held["prior_root"] * z).sum(axis=1))
        sd = _scale("sd", held["prior_sd_scale"], held, scales, shape=(2,))
        share = pm.Beta("correlation_share", held["prior_lkj_eta"], held["prior_lkj_eta"])
        correlation = pm.Deterministic("correlation", 2.0 * share - 1.0)
        raw = pm.Normal("effects_raw", 0.0, 1.0, shape=(patients, 2))
        across = correlation * raw[:, 0] + pt.sqrt(1.0 - correlation**2) * raw[:, 1]
        effects = pt.stack([raw[:, 0] * sd[0], across * sd[1]], axis=1)
        index = pt.cast(held["patient"], "int64")
        mean = held["x"] @ beta + pt.sum(held["z"] * effects[index], axis=1)
        if family == "ordinal":
            _add_ordinal(held, mean, categories)
        else:
            sigma = _scale("sigma", held["prior_sigma_scale"], held, scales)
            if family == "student_t":
                nu = pm.Gamma("nu", alpha=2.0, beta=0.1)
                pm.StudentT("y_observed", nu=nu, mu=mean, sigma=sigma, observed=held["y"])
            else:
                pm.Potential("likelihood", pt.sum(_log_censored(held, mean, sigma)))
    return model


def _add_ordinal(held: Mapping[str, Any], mean: Any, categories: int) -> None:
    """Add the cumulative probit; thresholds rise by log-normal steps."""
    import pymc as pm
    import pytensor.tensor as pt

    spacing = pm.Normal("spacing", held["log_spacing"], _SPACING_SD, shape=(categories - 2,))
    first = pm.Normal("first", held["first_threshold"], 2.0)
    steps = pt.concatenate([pt.zeros(1), pt.cumsum(pt.exp(spacing))])
    threshold = pm.Deterministic("threshold", first + steps)
    ends = pt.concatenate([pt.constant([-_FAR]), threshold, pt.constant([_FAR])])
    category = pt.cast(held["category"], "int64")
    lower, upper = ends[category] - mean, ends[category + 1] - mean
    pm.Potential("likelihood", pt.sum(_log_between(lower, upper)))


def _scale(name: str, scale: Any, held: Mapping[str, Any], family: ScaleFamily, **shape: Any) -> Any:
    import pymc as pm

    if family == "half_t":
        return pm.HalfStudentT(name, nu=held["prior_scale_df"], sigma=scale, **shape)
    if family == "exponential":
        return pm.Exponential(name, scale=scale, **shape)
    return pm.HalfNormal(name, scale, **shape)


def _normal_cdf(value: Any) -> Any:
    import pytensor.tensor as pt

    return 0.5 * pt.erfc(-value / np.sqrt(2.0))


def _log_between(lower: Any, upper: Any) -> Any:
    """Log probability that a standard Normal lies between two limits; both are turned to the left tail."""
    import pytensor.tensor as pt

    flip = pt.gt(lower + upper, 0.0)
    low, high = pt.switch(flip, -upper, lower), pt.switch(flip, -lower, upper)
    return pt.log(pt.maximum(_normal_cdf(high) - _normal_cdf(low), 1e-300))


def _log_censored(held: Mapping[str, Any], mean: Any, sigma: Any) -> Any:
    import pytensor.tensor as pt

    below = _normal_cdf((held["limits"][0] - mean) / sigma)
    above = _normal_cdf((mean - held["limits"][1]) / sigma)
    inside = -0.5 * ((held["y"] - mean) / sigma) ** 2 - pt.log(sigma) - 0.5 * np.log(2.0 * np.pi)
    at_end = pt.switch(pt.gt(held["at_end"], 0.0), above, below)
    return pt.switch(pt.eq(held["at_end"], 0.0), inside, pt.log(pt.maximum(at_end, 1e-300)))
