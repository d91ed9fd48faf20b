"""Draws in, numbers for a reader out: medians, intervals, directions and how well the draws know them.

Intervals are equal-tailed at 95 % unless said otherwise, stated wherever they are shown. Convergence
statistics are ArviZ's. Builds no model and judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayes_alliance.assess.prior_conflict import SHIFT_LIMIT, PriorConflict, conflict_of, shift_in_se
from bayes_alliance.errors import FitError
from bayes_alliance.inference.fits import Array, Effect, MixedFit, PosteriorFit, Weights
from bayes_alliance.inference.ml import estimate_effect
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.study.records import Estimand, Model

INTERVAL = 0.95
MIN_DRAWS = 4


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Posterior of one scalar quantity.

    Parameters
    ----------
    mean, sd, median : float
        Of the draws.
    lower, upper : float
        Ends of the equal-tailed 95 % interval.
    p_negative : float
        Posterior probability that the quantity is below zero.
    r_hat, ess_bulk, ess_tail, mcse_mean : float
        Rank-normalised split R-hat, effective sample sizes and Monte-Carlo error of the mean (Vehtari et
        al. 2021, doi:10.1214/20-BA1221). NaN where they do not exist (draws that never move, fewer than four
        of them); checks then say so.
    """

    mean: float
    sd: float
    median: float
    lower: float
    upper: float
    p_negative: float
    r_hat: float
    ess_bulk: float
    ess_tail: float
    mcse_mean: float

    @property
    def p_direction(self) -> float:
        """Probability of the sign that is more probable, in [0.5, 1]."""
        return max(self.p_negative, 1.0 - self.p_negative)


def summarise_draws(draws: Array, *, name: str, effective: float | None = None) -> Summary:
    """Summarise the draws of one scalar.

    Parameters
    ----------
    draws : ndarray, shape (chain, draw)
        At least two.
    name : str
        Of the quantity, for messages.
    effective : float, optional
        How many independent draws these are worth, for an engine that does not run chains
        (:attr:`PosteriorFit.independent_draws`); R-hat then has no meaning and is NaN.

    Returns
    -------
    Summary

    Raises
    ------
    FitError
        If a draw is not finite (a summary would hide it) or there are fewer than two.
    """
    _check_draws(draws, name)
    tail = (1.0 - INTERVAL) / 2.0
    lower, median, upper = np.quantile(draws, [tail, 0.5, 1.0 - tail])
    if effective is None:
        r_hat, ess_bulk, ess_tail, mcse_mean = _convergence(draws)
    else:
        r_hat, ess_bulk, ess_tail = float("nan"), effective, effective
        mcse_mean = float(draws.std() / np.sqrt(effective))
    return Summary(
        mean=float(draws.mean()),
        sd=float(draws.std(ddof=1)),
        median=float(median),
        lower=float(lower),
        upper=float(upper),
        p_negative=float(np.mean(draws < 0.0)),
        r_hat=r_hat,
        ess_bulk=ess_bulk,
        ess_tail=ess_tail,
        mcse_mean=mcse_mean,
    )


def _check_draws(draws: Array, name: str) -> None:
    if draws.size < 2:
        raise FitError(f"{name}: {draws.size} draws cannot be summarised; at least 2 are needed")
    if n_bad := int(np.sum(~np.isfinite(draws))):
        raise FitError(f"{name}: {n_bad} of {draws.size} draws are not finite; the sampler went astray")


def _convergence(draws: Array) -> tuple[float, float, float, float]:
    """R-hat, bulk and tail ESS and MCSE of the mean; NaN for draws too few or all the same."""
    from arviz_stats.base import array_stats

    if draws.shape[1] < MIN_DRAWS or np.ptp(draws) == 0.0:
        nan = float("nan")
        return nan, nan, nan, nan
    with np.errstate(divide="ignore", invalid="ignore"):
        # Chains that each stand still give R-hat 1/0: infinite, and so it fails its check.
        return (
            float(array_stats.rhat(draws)),
            float(array_stats.ess(draws, method="bulk")),
            float(array_stats.ess(draws, method="tail", prob=(0.05, 0.95))),
            float(array_stats.mcse(draws, method="mean")),
        )


def effective_draws(fit: PosteriorFit, draws: Array) -> float:
    """Return the effective number of draws for the mean of ``draws``, computed by ArviZ for chains."""
    if fit.independent_draws is not None:
        return fit.independent_draws
    from arviz_stats.base import array_stats

    return float(array_stats.ess(draws, method="mean"))


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One quantity of one model, by both inferences on the same rows.

    Parameters
    ----------
    model_id, name, label : str
        What it is.
    kind : str
        "coefficient", "slope", "slope_deviation", "slope_contrast", "level", "sd", "correlation", "sigma" or
        "icc".
    ml, reml : Effect
        Estimates; for variance quantities without SE and test (NaN).
    bayes : Summary or None
        None where no posterior was asked for.
    prior : PriorConflict or None
        The prior beside the likelihood; None for variance quantities, and without a posterior.
    """

    model_id: str
    name: str
    label: str
    kind: str
    ml: Effect
    reml: Effect
    bayes: Summary | None
    prior: PriorConflict | None = None

    @property
    def shift(self) -> float:
        """How far the posterior mean lies from the ML estimate, in standard errors; NaN without either."""
        if self.bayes is None:
            return float("nan")
        return shift_in_se(posterior_mean=self.bayes.mean, estimate=self.ml.estimate, se=self.ml.se)

    @property
    def is_moved(self) -> bool:
        """Whether the prior moves the estimate by more than half a standard error."""
        return abs(self.shift) > SHIFT_LIMIT


def model_quantities(
    model: Model,
    *,
    ml: MixedFit,
    reml: MixedFit,
    posterior: PosteriorFit | None,
    priors: CoefficientPriors | None = None,
) -> list[Quantity]:
    """List every coefficient, named estimand and variance quantity of a model, ML beside Bayes.

    Parameters
    ----------
    model : Model
        Names the estimands.
    ml, reml : MixedFit
        On the same rows.
    posterior : PosteriorFit or None
        On the same rows; None where none was asked for.
    priors : CoefficientPriors, optional
        Of the posterior.

    Returns
    -------
    list of Quantity
        Coefficients in the order of the columns, then estimands, then SDs, correlation, sigma and ICC.
    """
    if posterior is not None:
        # First of all, since a combination of coefficients spreads what is not finite to others.
        for name, values in posterior.named_draws().items():
            _check_draws(values, f"{model.id}: {name}")
    listed = [Estimand(name=n, label=n, weights=((n, 1.0),), kind="level") for n in ml.x_names]
    about = (ml, reml, posterior, priors if posterior is not None else None)
    quantities = [_linear(model, item, "coefficient", *about) for item in listed]
    quantities += [_linear(model, item, item.kind, *about) for item in model.estimands]
    draws = variance_draws(posterior) if posterior is not None else {}
    reml_points = variance_points(reml)
    for name, value in variance_points(ml).items():
        kind = name.split("_")[0]
        quantities.append(
            Quantity(
                model_id=model.id,
                name=name,
                label=name,
                kind=kind,
                ml=_point(value),
                reml=_point(reml_points[name]),
                bayes=None
                if posterior is None or name not in draws
                else summarise_draws(
                    draws[name], name=f"{model.id}: {name}", effective=posterior.independent_draws
                ),
            )
        )
    return quantities


def _linear(
    model: Model,
    item: Estimand,
    kind: str,
    ml: MixedFit,
    reml: MixedFit,
    posterior: PosteriorFit | None,
    priors: CoefficientPriors | None,
) -> Quantity:
    weights: Weights = item.weights
    about = f"{model.id}: {item.name}"
    effect = estimate_effect(ml, weights)
    prior = None
    if priors is not None:
        mean, sd = priors.combine(ml.weights(weights))
        prior = conflict_of(
            estimate=effect.estimate,
            se=effect.se,
            prior_mean=mean,
            prior_sd=sd,
            n_patients=ml.rows.n_patients,
        )
    return Quantity(
        model_id=model.id,
        name=item.name,
        label=item.label,
        kind=kind,
        prior=prior,
        ml=effect,
        reml=estimate_effect(reml, weights),
        bayes=None
        if posterior is None
        else summarise_draws(posterior.combine(weights), name=about, effective=posterior.independent_draws),
    )


def _point(value: float) -> Effect:
    nan = float("nan")
    return Effect(estimate=value, se=nan, df=nan, p=nan)


def variance_points(fit: MixedFit) -> dict[str, float]:
    """SDs, correlation (where it is estimated), residual SD and ICC of a fit."""
    if fit.variances:
        return dict(fit.variances)
    points = {f"sd_{name}": float(fit.sd[i]) for i, name in enumerate(fit.z_names)}
    if fit.covariance == "UN":
        points["correlation"] = fit.correlation
    return points | {"sigma": fit.sigma, "icc": fit.icc}


def variance_draws(fit: PosteriorFit) -> dict[str, Array]:
    """Draws of the same quantities as :func:`variance_points`."""
    draws = {name: values for name, values in fit.named_draws().items() if name not in fit.x_names}
    if fit.variances:
        return draws
    intercept = fit.sd[..., 0] ** 2
    draws["icc"] = intercept / (intercept + fit.sigma**2)
    return draws
