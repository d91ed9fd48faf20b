"""From priors in natural units to priors on the coefficients of one model.

A study file states priors as differences that a clinician can picture: points on the scale, and points over
the study's horizon. A coefficient's prior follows from what its column does: the intercept, the slope of
time, a predictor's deviation of the level, or its deviation of the slope. NumPy only; no engine is imported.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bayes_alliance.errors import InputError, Problem
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array
from bayes_alliance.study.formula import Formula
from bayes_alliance.study.records import PriorScales, ScaleFamily, Study


@dataclass(frozen=True, kw_only=True)
class CoefficientPriors:
    """Priors of one model, in the units of its columns.

    Parameters
    ----------
    name : str
        Name of the prior set.
    mean, sd : ndarray, shape (p,)
        Independent Normal priors of the fixed effects, in the order of the design's columns.
    sd_scale : ndarray, shape (q,)
        Scales of half-normal priors on the SDs of the random effects.
    sigma_scale : float
        Scale of the half-normal prior on the residual SD.
    lkj_eta : float
        Shape of the LKJ prior on the correlation; 1 is uniform, larger values draw it to zero.
    scale_family : {"half_normal", "half_t", "exponential"}
        Family of the priors on SDs; ``exponential`` has mean ``scale``.
    scale_df : float
        Degrees of freedom of ``half_t``.
    """

    name: str
    mean: Array
    sd: Array
    sd_scale: Array
    sigma_scale: float
    lkj_eta: float
    scale_family: ScaleFamily = "half_normal"
    scale_df: float = 3.0


def log_scale_prior(value: Array, scale: Array, family: ScaleFamily, df: float) -> Array:
    """Log density of a prior on an SD, element by element.

    Parameters
    ----------
    value : ndarray
        SDs, above zero.
    scale : ndarray
        Broadcast against ``value``.
    """
    ratio = value / scale
    if family == "half_normal":
        result: Array = 0.5 * np.log(2.0 / np.pi) - np.log(scale) - 0.5 * ratio**2
    elif family == "half_t":
        constant = (
            math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi) + math.log(2.0)
        )
        result = constant - np.log(scale) - (df + 1) / 2 * np.log1p(ratio**2 / df)
    else:
        result = -np.log(scale) - ratio
    return result


def coefficient_priors(study: Study, design: Design, name: str) -> CoefficientPriors:
    """Translate a named prior set of a study into priors on a design's coefficients.

    Parameters
    ----------
    study : Study
        States the prior sets, the horizon and each predictor's ``contrast``.
    design : Design
        Of the model at hand.
    name : str
        Of the prior set.

    Returns
    -------
    CoefficientPriors

    Raises
    ------
    InputError
        If the study has no prior set of this name.
    """
    check_prior(study, name)
    scales = study.prior(name).for_outcome(design.formula.response)
    pairs = [
        _column_prior(column, study, scales, _is_cell(column, study, design)) for column in design.x_names
    ]
    slopes = len(design.z_names) - 1
    return CoefficientPriors(
        name=name,
        mean=np.array([mean for mean, _ in pairs]),
        sd=np.array([sd for _, sd in pairs]),
        sd_scale=np.array([scales.sd_intercept] + [scales.sd_slope / study.horizon] * slopes),
        sigma_scale=scales.sigma,
        lkj_eta=scales.lkj_eta,
        scale_family=scales.scale_family,
        scale_df=scales.scale_df,
    )


def check_prior(study: Study, name: str) -> None:
    """Raise InputError, with the names there are, if the study has no prior set of this name."""
    names = [prior.name for prior in study.priors]
    if name not in names:
        problem = Problem(what="no such prior set", got=repr(name), allowed=", ".join(names))
        raise InputError(f"study {study.id}", [problem])


def _is_cell(column: str, study: Study, design: Design) -> bool:
    """Whether a column holds a cell's own level or slope instead of its difference from a reference.

    So it is where a category enters with all of its values, because the term without it is not in the model.
    """
    parts = [part for part in column.split(":") if part != study.time]
    if len(parts) != 1 or "[" not in parts[0]:
        return False
    with_time = study.time in column.split(":")
    return study.time not in design.x_names if with_time else not design.formula.intercept


def _column_prior(column: str, study: Study, scales: PriorScales, is_cell: bool) -> tuple[float, float]:
    """Mean and SD of one coefficient: which of the four roles it has, then its units."""
    if column == "Intercept":
        return scales.intercept
    parts = [part.split("[")[0] for part in column.split(":")]
    predictors = [part for part in parts if part != study.time]
    with_time = len(predictors) < len(parts)
    if not predictors or is_cell:
        mean, sd = scales.slope if with_time else scales.intercept
    else:
        mean, sd = scales.effect_slope if with_time else scales.effect_intercept
    contrasts = study.every_variable
    unit = float(np.prod([contrasts[part].contrast for part in predictors])) if not is_cell else 1.0
    unit *= study.horizon if with_time else 1.0
    return mean / unit, sd / unit


def combination_prior(
    study: Study, formula: Formula, name: str, weights: Mapping[str, float]
) -> tuple[float, float]:
    """Give the prior of a linear combination of coefficients, without any rows at hand.

    Parameters
    ----------
    formula : Formula
        Of the model.
    name : str
        Of the prior set.
    weights : mapping of str to float
        Weights of the coefficients, whose priors are independent Normal.

    Returns
    -------
    mean, sd : float
        Per unit of time for slopes.
    """
    check_prior(study, name)
    scales = study.prior(name).for_outcome(formula.response)
    mean = variance = 0.0
    for column, weight in weights.items():
        parts = [part for part in column.split(":") if part != study.time]
        slope = study.time in column.split(":")
        whole = (study.time,) in formula.terms if slope else formula.intercept
        is_cell = len(parts) == 1 and "[" in parts[0] and not whole
        own_mean, own_sd = _column_prior(column, study, scales, is_cell)
        mean += weight * own_mean
        variance += (weight * own_sd) ** 2
    return mean, float(np.sqrt(variance))
