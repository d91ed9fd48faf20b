r"""What Wald and chi-square approximations leave open: profile-likelihood intervals, a bootstrapped variance test.

A profile interval holds the values at which the deviance, maximised over everything else, rises by less than the
chi-square quantile (Pawitan 2001, *In All Likelihood*, ch. 3). The test of a random slope lies on the edge of the
parameter space, so its p value can be taken from data simulated without one (Faraway 2016, *Extending the Linear
Model with R*, ch. 10). Maximum likelihood only.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from bayes_alliance.errors import FitError
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, MixedFit, Weights
from bayes_alliance.inference.likelihood import relative_factor, weigh
from bayes_alliance.inference.ml import fit_mixed
from bayes_alliance.inference.statistics import Statistics, summarise

Profile = Callable[[float], float]
# Next to nothing for an SD, as a share of the residual SD on the scale of its column; atanh of next to one.
_NO_SD, _EDGE = 1e-4, 5.0


@dataclass(frozen=True, kw_only=True)
class ProfileInterval:
    """A profile-likelihood interval.

    Parameters
    ----------
    name : str
        Of the quantity.
    estimate, lower, upper : float
        Maximum-likelihood estimate and limits; a lower limit of an SD is 0 where the profile never rises enough.
    level : float
        Coverage, in (0, 1).
    """

    name: str
    estimate: float
    lower: float
    upper: float
    level: float


def profile_effect(
    fit: MixedFit, design: Design, combination: Weights, *, name: str = "", level: float = 0.95
) -> ProfileInterval:
    """Profile a linear combination of fixed effects.

    The combination is held at a value by moving its share of the outcome to the other side, and the model of one
    coefficient fewer is fitted.

    Parameters
    ----------
    fit : MixedFit
        By ML, of this design.
    design : Design
        The rows.
    combination : weights
        What to profile.
    level : float
        Coverage.

    Returns
    -------
    ProfileInterval
    """
    _need_ml(fit)
    weights = fit.weights(combination)
    pivot = int(np.argmax(np.abs(weights)))
    estimate = float(weights @ fit.beta)
    se = float(np.sqrt(weights @ fit.beta_cov @ weights))
    others = [i for i in range(len(weights)) if i != pivot]
    x = design.x[:, others] - np.outer(design.x[:, pivot], weights[others] / weights[pivot])
    rest = dataclasses.replace(design, x=x, x_names=tuple(design.x_names[i] for i in others))

    def deviance(value: float) -> float:
        moved = dataclasses.replace(rest, y=design.y - design.x[:, pivot] * (value / weights[pivot]))
        return fit_mixed(moved, fit.rows, covariance=fit.covariance).deviance

    rise = rise_above_limit(deviance, fit.deviance, level)
    lower, upper = search_limit(rise, estimate, -se), search_limit(rise, estimate, se)
    return ProfileInterval(name=name, estimate=estimate, lower=lower, upper=upper, level=level)


def profile_variance(fit: MixedFit, design: Design, name: str, *, level: float = 0.95) -> ProfileInterval:
    """Profile an SD of the random effects, their correlation or the residual SD.

    Parameters
    ----------
    fit : MixedFit
        By ML.
    design : Design
        The rows.
    name : str
        ``sd_<random column>``, ``correlation`` or ``sigma``.
    level : float
        Coverage.

    Returns
    -------
    ProfileInterval

    Raises
    ------
    FitError
        For the correlation of a singular fit, which has no value where an SD is zero.
    """
    _need_ml(fit)
    if fit.singular:
        return _profile_singular(fit, design, name, level)
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    correlated = fit.covariance == "UN"
    names = [*(f"sd_{column}" for column in fit.z_names), *(["correlation"] if correlated else []), "sigma"]
    shape = [np.arctanh(fit.correlation)] if correlated else []
    best = np.array([*np.log(fit.sd), *shape, np.log(fit.sigma)])
    index = names.index(name)
    free = [i for i in range(len(best)) if i != index]
    start = best[free].copy()

    def deviance(value: float) -> float:
        def at(others: Array) -> float:
            point = np.empty(len(best))
            point[free], point[index] = others, value
            return _deviance(stats, point, correlated=correlated)

        found = optimize.minimize(at, start, method="BFGS", options={"gtol": 1e-6})
        start[:] = found.x
        return float(found.fun)

    rise = rise_above_limit(deviance, fit.deviance, level)
    back = np.tanh if name == "correlation" else np.exp
    lower = search_limit(rise, float(best[index]), -0.2, furthest=12.0)
    start[:] = best[free]
    upper = search_limit(rise, float(best[index]), 0.2, furthest=12.0)
    edge = -1.0 if name == "correlation" else 0.0
    return ProfileInterval(
        name=name,
        estimate=float(back(best[index])),
        lower=float(back(lower)) if np.isfinite(lower) else edge,
        upper=float(back(upper)) if np.isfinite(upper) else (1.0 if name == "correlation" else np.inf),
        level=level,
    )


def _profile_singular(fit: MixedFit, design: Design, name: str, level: float) -> ProfileInterval:
    """Profile an SD of a singular fit, whose deviance has its least value on the edge of the parameter space.

    The others are searched within bounds wide enough for an SD of next to zero or a correlation of next to one, from
    several correlations. A lower limit is zero where the deviance at an SD of zero is within the limit.
    """
    if name == "correlation":
        raise FitError(
            f"{fit.model_id or 'the model'}: a singular fit has no profile interval of its correlation"
        )
    names = [*(f"sd_{column}" for column in fit.z_names), "sigma"]
    correlated = fit.covariance == "UN" and len(fit.z_names) == 2
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    scale = np.append(fit.sigma / np.sqrt(np.mean(design.z**2, axis=0)), fit.sigma)
    centre = np.log(np.maximum(np.append(fit.sd, fit.sigma), 1e-2 * scale))
    low, high = np.log(_NO_SD * scale), np.log(scale) + 6.0
    index = names.index(name)
    free = [i for i in range(len(names)) if i != index]
    bounds = [(low[i], high[i]) for i in free] + ([(-_EDGE, _EDGE)] if correlated else [])

    # Not from where the last search ended: that would follow one branch.
    tries = (-2.0, 0.0, 2.0) if correlated else (None,)
    starts = [np.append(centre[free], [] if one is None else [one]) for one in tries]

    def deviance(value: float) -> float:
        def at(others: Array) -> float:
            logs = np.empty(len(names))
            logs[free], logs[index] = others[: len(free)], np.log(max(value, _NO_SD * scale[index]))
            point = np.array([*logs[:-1], *others[len(free) :], logs[-1]])
            return _deviance(stats, point, correlated=correlated)

        return min(float(optimize.minimize(at, s, method="L-BFGS-B", bounds=bounds).fun) for s in starts)

    rise = rise_above_limit(deviance, fit.deviance, level)
    estimate = float(np.append(fit.sd, fit.sigma)[index])
    lower = float(optimize.brentq(rise, 0.0, estimate, xtol=1e-5 * scale[index])) if rise(0.0) > 0.0 else 0.0
    step = 0.25 * scale[index]
    upper = search_limit(
        rise, max(estimate, _NO_SD * scale[index]), step, furthest=np.exp(6.0) * scale[index]
    )
    return ProfileInterval(name=name, estimate=estimate, lower=lower, upper=upper, level=level)


def _need_ml(fit: MixedFit) -> None:
    if fit.method != "ML":
        raise ValueError("profile-likelihood intervals rest on an ML fit")


def _deviance(stats: Statistics, point: Array, *, correlated: bool) -> float:
    """Deviance at log SDs, atanh of the correlation and log residual SD; fixed effects at their best."""
    q, p = stats.q, stats.p
    if np.any(np.abs(point) > 30.0):
        return np.inf
    sigma = np.exp(point[-1])
    correlation = np.tanh(point[q]) if correlated and q == 2 else 0.0
    logdet, quadratic = weigh(
        stats, relative_factor(np.exp(point[:q])[None], np.array([correlation]), sigma[None])
    )
    a = quadratic[0]
    rss = a[p, p] - a[:p, p] @ np.linalg.solve(a[:p, :p], a[:p, p])
    return float(stats.n_rows * np.log(2.0 * np.pi * sigma**2) + logdet[0] + rss / sigma**2)


def rise_above_limit(deviance: Profile, least: float, level: float) -> Profile:
    """How far the profile lies above the limit that ends an interval of this level."""
    limit = float(special.chdtri(1, 1.0 - level))

    # Remembered, as a search that starts where the last one ended may give another value for the same point.
    @functools.cache
    def rise(value: float) -> float:
        return deviance(value) - least - limit

    return rise


def search_limit(rise: Profile, start: float, step: float, *, furthest: float = np.inf) -> float:
    """Walk from the estimate until the profile crosses the limit, then close in; infinite where it never does."""
    inner, outer = start, start + 2.0 * step
    rise(inner)  # the estimate itself, before the search has moved away from it
    for _ in range(60):
        if abs(outer - start) > furthest:
            return float(np.copysign(np.inf, step))
        if rise(outer) > 0.0:
            return float(optimize.brentq(rise, inner, outer, xtol=1e-6 * max(abs(step), 1e-12), rtol=1e-10))
        inner, outer = outer, outer + step
        step *= 1.5
    return float(np.copysign(np.inf, step))


@dataclass(frozen=True, kw_only=True)
class BootstrapTest:
    """Parametric bootstrap of the test of a random slope.

    Parameters
    ----------
    statistic : float
        Likelihood-ratio statistic of the data.
    p : float
        ``(1 + number of simulated statistics at least as large) / (1 + count)`` (Davison & Hinkley 1997, eq. 4.11).
    count : int
        Data sets simulated from the fit without the random slope.
    """

    statistic: float
    p: float
    count: int


def bootstrap_slope_test(
    design: Design,
    fit: MixedFit,
    *,
    seed: int,
    count: int = 500,
    progress: Callable[[int], None] = lambda done: None,
) -> BootstrapTest:
    """Test the random slope (and its covariance) against data simulated without it.

    Parameters
    ----------
    design : Design
        Of the model with the random slope.
    fit : MixedFit
        Its ML fit.
    seed : int
        Of the simulation.
    count : int
        Simulated data sets.
    progress : callable
        Gets the number of data sets done.

    Returns
    -------
    BootstrapTest
    """
    _need_ml(fit)
    smaller = dataclasses.replace(design, z=design.z[:, :1], z_names=design.z_names[:1])
    null = fit_mixed(smaller, fit.rows)
    statistic = max(null.deviance - fit.deviance, 0.0)
    rng = np.random.default_rng(seed)
    simulated = np.empty(count)
    mean = design.x @ null.beta
    for index in range(count):
        effects = rng.standard_normal(design.n_patients) * null.sd[0]
        y = mean + effects[design.patient_index] + null.sigma * rng.standard_normal(design.n_rows)
        without = fit_mixed(dataclasses.replace(smaller, y=y), fit.rows).deviance
        with_slope = fit_mixed(dataclasses.replace(design, y=y), fit.rows, covariance=fit.covariance).deviance
        simulated[index] = max(without - with_slope, 0.0)
        progress(index + 1)
    return BootstrapTest(
        statistic=statistic,
        p=float((1 + np.sum(simulated >= statistic)) / (1 + count)),
        count=count,
    )
