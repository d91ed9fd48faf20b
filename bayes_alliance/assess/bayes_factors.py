r"""Evidence for and against an effect: Bayes factors, never without their curve over prior widths.

The Bayes factor of the model against the same model with the effect held at zero is a ratio of densities at
zero (Savage-Dickey; Dickey 1971, doi:10.1214/aoms/1177693507). Given the covariance parameters the effect's
posterior is Normal, so its density at zero is an average of Normal densities over the engine's draws and needs
no density estimate. For a single coefficient with its own independent prior this equals the ratio of the two
models' evidences. A Bayes factor depends on the width of the prior, so the whole curve is the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayes_alliance.inference.collapsed import Target, make_target, sample_target
from bayes_alliance.inference.conditional import Given, beta_prior, condition, effect_given
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, Covariance, Weights, weight_vector
from bayes_alliance.inference.importance import ImportanceSample
from bayes_alliance.inference.likelihood import relative_factor, weigh
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.inference.psis import log_sum_exp, smooth_tail
from bayes_alliance.inference.statistics import Statistics, summarise

WIDTHS = tuple(2.0 ** np.arange(-3, 4))


@dataclass(frozen=True, kw_only=True)
class BayesFactorPoint:
    """Bayes factor at one prior width.

    Parameters
    ----------
    width : float
        Factor on the stated prior SD of the effect; 1 is the stated prior.
    prior_sd : float
        SD of the effect under that prior.
    log_bf10 : float
        Natural log of the Bayes factor of "there is an effect" against "the effect is zero".
    error : float
        Monte-Carlo standard error of ``log_bf10``.
    pareto_k : float
        Of the draws it rests on.
    """

    width: float
    prior_sd: float
    log_bf10: float
    error: float
    pareto_k: float


@dataclass(frozen=True, kw_only=True)
class BayesFactorCurve:
    """Bayes factors of one effect over prior widths, the stated width among them."""

    model_id: str
    name: str
    label: str
    points: tuple[BayesFactorPoint, ...]

    @property
    def stated(self) -> BayesFactorPoint:
        """The point at the stated prior."""
        return next(point for point in self.points if point.width == 1.0)


@dataclass(frozen=True, kw_only=True)
class NamedEffect:
    """An effect that a Bayes factor is wanted of.

    Parameters
    ----------
    weights : weights
        A linear combination of coefficients.
    name, label : str
        Of the effect.
    """

    weights: Weights
    name: str = ""
    label: str = ""


def bayes_factor_curves(
    design: Design,
    priors: CoefficientPriors,
    effects: Sequence[NamedEffect],
    *,
    seed: int,
    model_id: str = "",
    covariance: Covariance = "UN",
    widths: Sequence[float] = WIDTHS,
    count: int = 4000,
) -> list[BayesFactorCurve]:
    """Compute the Bayes factor of each effect against zero under a range of prior widths.

    Parameters
    ----------
    design, priors, covariance
        Of the model that has the effects.
    effects : sequence of NamedEffect
        What is tested, each by itself.
    seed : int
        Of the importance draws, shared by all effects and widths, so that the curves are smooth.
    widths : sequence of float
        Factors on the prior SD of an effect, the prior of all else given the effect kept; 1 must be among them.
    count : int
        Importance draws.

    Returns
    -------
    list of BayesFactorCurve
        In the order of ``effects``.
    """
    if 1.0 not in widths:
        raise ValueError("the stated prior (width 1) must be among the widths")
    if not effects:
        return []
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    target = make_target(stats, priors, covariance)
    sample = sample_target(target, rng=np.random.default_rng(seed), count=count)
    sd, correlation, sigma = target.unpack(sample.points)
    products = weigh(stats, relative_factor(sd, correlation, sigma))
    curves = []
    for effect in effects:
        weights = weight_vector(design.x_names, effect.weights)
        points = tuple(
            _point(_at_width(target, sample, products, sigma, weights, width), stats, weights, width)
            for width in widths
        )
        curves.append(
            BayesFactorCurve(model_id=model_id, name=effect.name, label=effect.label, points=points)
        )
    return curves


@dataclass(frozen=True, kw_only=True)
class _Reweighted:
    """The stated prior's draws, reweighted to a prior of another width."""

    priors: CoefficientPriors
    given: Given
    weights: Array
    pareto_k: float


def _at_width(
    target: Target,
    sample: ImportanceSample,
    products: tuple[Array, Array],
    sigma: Array,
    weights: Array,
    width: float,
) -> _Reweighted:
    """Change the prior of the effect: the likelihood's part of the work is kept, only ratios change."""
    priors = target.priors.widened(weights, width)
    prior = beta_prior(target.stats, priors)
    given = condition(prior, target.stats.n_rows, *products, sigma)
    log_proposal = sample.proposal.log_density(sample.points)
    ratios, pareto_k = smooth_tail(target.log_prior(sample.points) + given.log_marginal - log_proposal)
    return _Reweighted(
        priors=priors, given=given, weights=np.exp(ratios - log_sum_exp(ratios)), pareto_k=pareto_k
    )


def _point(at: _Reweighted, stats: Statistics, weights: Array, width: float) -> BayesFactorPoint:
    # In logs throughout: far from zero both densities are smaller than the smallest double.
    logs = np.log(np.maximum(at.weights, np.finfo(float).tiny)) + _log_normal(
        *effect_given(at.given, stats, weights)
    )
    log_at_zero = float(log_sum_exp(logs))
    error = float(np.sqrt(np.sum((np.exp(logs - log_at_zero) - at.weights) ** 2)))
    prior_mean, prior_sd = at.priors.combine(weights)
    log_prior_at_zero = float(_log_normal(np.array([prior_mean]), np.array([prior_sd**2]))[0])
    return BayesFactorPoint(
        width=float(width),
        prior_sd=prior_sd,
        log_bf10=log_prior_at_zero - log_at_zero,
        error=error,
        pareto_k=at.pareto_k,
    )


def _log_normal(mean: Array, variance: Array) -> Array:
    """Log density at zero of Normals."""
    result: Array = -0.5 * (mean**2 / variance + np.log(2.0 * np.pi * variance))
    return result
