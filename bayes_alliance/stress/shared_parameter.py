r"""Shared-parameter model: dropout depends on the patient's own level and slope, seen or not.

The time of dropout is log-normal given the random effects (Schluchter 1992, doi:10.1002/sim.4780111408; Wu & Carroll
1988, doi:10.2307/2531905),

.. math:: \log T_i \mid b_i \sim N(\alpha_{g(i)} + \gamma_0 b_{0i} + \gamma_1 b_{1i},\; \tau^2),

known to lie between the last assessment and the one that did not come, or beyond the horizon for patients assessed
there. Since effects given the patient's scores are Normal with mean :math:`m_i` and covariance :math:`C_i`, so is
:math:`\log T_i`, and everything but a handful of parameters is integrated out in closed form:

.. math:: \log L = \sum_i \log p(y_i\mid\theta) + \log\left[\Phi\left(\frac{u_i - \mu_i}{s_i}\right)
          - \Phi\left(\frac{l_i - \mu_i}{s_i}\right)\right], \qquad
          \mu_i = \alpha_{g(i)} + \gamma'm_i,\; s_i^2 = \tau^2 + \gamma'C_i\gamma .

:math:`\gamma = 0` is missing at random. What the data say of :math:`\gamma_1` beyond what the scores seen say rests on
Normal effects and on a log-normal time: no data can test that (Molenberghs et al. 2008,
doi:10.1111/j.1467-9868.2007.00640.x). Sampled by :mod:`bayes_alliance.inference.importance`; no compiler.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.inference.bent_sds import unbend
from bayes_alliance.inference.collapsed import CHAINS, make_target
from bayes_alliance.inference.collapsed import Target as CovarianceTarget
from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.importance import ImportanceSample, resample, sample_importance
from bayes_alliance.inference.likelihood import log_density, relative_factor
from bayes_alliance.inference.patient_effects import patient_effects
from bayes_alliance.inference.priors import coefficient_log_prior
from bayes_alliance.inference.psis import PARETO_K_LIMIT
from bayes_alliance.inference.statistics import summarise
from bayes_alliance.stress.grid_mass import log_interval
from bayes_alliance.stress.prepare import Prepared
from bayes_alliance.stress.records import StressDraws, StressSkipped

# Priors of the dropout part: a factor of e either way for a point of level, or of change over the horizon, is two
# SDs out; so is a median time of dropout of a seventh or seven times half of the horizon.
_SD_GAMMA, _SD_ALPHA, _SCALE_TAU = 0.5, 1.0, 1.0
_FEWEST_DROPOUTS = 3


@dataclass(frozen=True, kw_only=True)
class SharedParameterFit:
    """Posterior of a shared-parameter model.

    Parameters
    ----------
    draws : tuple of StressDraws
        The estimands of the model.
    gamma : ndarray, shape (s, 2)
        Log time of dropout for one point of level and for one point of change over the horizon.
    pareto_k : float
        Of the importance draws.
    n_dropouts : int
        Patients who are not assessed at the horizon.
    """

    model_id: str
    draws: tuple[StressDraws, ...]
    gamma: Array
    pareto_k: float
    n_dropouts: int


@dataclass(frozen=True, kw_only=True)
class _Target:
    """Log posterior of (fixed effects, covariance, dropout), in coordinates of ordinary size.

    A point holds the standardised fixed effects, a point of the collapsed engine's target, one alpha a subgroup,
    both gammas and log tau.
    """

    prepared: Prepared
    covariance: CovarianceTarget
    centre: Array
    root: Array
    lower: Array
    upper: Array
    members: Array

    @property
    def p(self) -> int:
        return len(self.centre)

    def unpack(self, points: Array) -> tuple[Array, Array, Array, Array, Array, Array, Array]:
        """Return beta, SDs, correlation, sigma, alpha, gamma and tau."""
        p, size = self.p, self.covariance.size
        sd, correlation, sigma = self.covariance.unpack(points[:, p : p + size])
        rest = points[:, p + size :]
        return (
            self.centre + points[:, :p] @ self.root.T,
            sd,
            correlation,
            sigma,
            rest[:, :-3],
            rest[:, -3:-1],
            np.exp(rest[:, -1]),
        )

    def __call__(self, points: Array) -> Array:
        """Log posterior density up to a constant; -inf far out, where exponentials overflow."""
        p, size = self.p, self.covariance.size
        covariance = points[:, p : p + size]
        inside = np.all(np.abs(points) < 20.0, axis=1)
        inside &= covariance[:, -1] > self.covariance.lowest_log_sigma
        out = np.full(len(points), -np.inf)
        if np.any(inside):
            out[inside] = self._inside(points[inside], covariance[inside])
        return out

    def _inside(self, points: Array, covariance: Array) -> Array:
        beta, sd, correlation, sigma, alpha, gamma, tau = self.unpack(points)
        priors = self.prepared.priors
        value = self.covariance.log_prior(covariance)
        value = value + coefficient_log_prior(beta, priors)
        centre = np.log(self.prepared.horizon / 2.0)
        value = value - 0.5 * np.sum(((alpha - centre) / _SD_ALPHA) ** 2, axis=1)
        value = value - 0.5 * np.sum((gamma / _SD_GAMMA) ** 2, axis=1)
        value = value - 0.5 * (tau / _SCALE_TAU) ** 2 + np.log(tau)
        factor = relative_factor(sd, correlation, sigma)
        value = value + log_density(self.covariance.stats, beta, factor, sigma)
        result: Array = value + self._dropout(beta, factor, sigma, alpha, gamma, tau)
        return result

    def _dropout(
        self, beta: Array, factor: Array, sigma: Array, alpha: Array, gamma: Array, tau: Array
    ) -> Array:
        """Log probability of all intervals of dropout given the scores."""
        effects = patient_effects(self.covariance.stats, beta, factor, sigma)
        # gamma_1 is per point over the horizon
        slope = gamma * np.array([1.0, self.prepared.horizon])
        mean = alpha @ self.members + np.einsum("snq,sq->sn", effects.mean, slope)
        spread = np.einsum("sgqr,sq->sgr", effects.root, slope)
        variance = tau[:, None] ** 2 + np.sum(spread**2, axis=2)[:, effects.schedule]
        sd = np.sqrt(variance)
        inside = log_interval((self.lower - mean) / sd, (self.upper - mean) / sd)
        total: Array = inside.sum(axis=1)
        return total


def fit_shared_parameter(
    prepared: Prepared, *, draws: int = 4000, pool: float = 2.0
) -> SharedParameterFit | StressSkipped:
    """Draw the posterior of the shared-parameter model.

    Parameters
    ----------
    draws : int
        Returned, a multiple of four.
    pool : float
        Importance draws for each returned one.

    Returns
    -------
    SharedParameterFit or StressSkipped
        The latter where nobody drops out, or the importance weights cannot be trusted.
    """
    n_dropouts = int(np.sum(~prepared.complete))
    if n_dropouts < _FEWEST_DROPOUTS:
        return _skip(prepared, f"only {n_dropouts} patients are not assessed at the horizon")
    target, start = _make_target(prepared)
    rng = np.random.default_rng(prepared.seed_of("shared_parameter"))
    sample = sample_importance(
        target, start, rng=rng, count=int(draws * pool), adapt_count=max(1000, draws // 2)
    )
    if sample.pareto_k > PARETO_K_LIMIT:
        return _skip(prepared, f"Pareto k {sample.pareto_k:.2f} of the importance draws is above 0.7")
    return _record(prepared, target, sample, draws, n_dropouts, rng)


def _skip(prepared: Prepared, reason: str) -> StressSkipped:
    return StressSkipped(test="shared_parameter", variant="", model_id=prepared.model.id, reason=reason)


def _make_target(prepared: Prepared) -> tuple[_Target, Array]:
    """Set up the target, in units of the unchanged posterior, and where to start."""
    design = prepared.design
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    covariance = make_target(stats, prepared.priors, "UN")
    beta, sd, correlation, sigma = prepared.posterior.flat()
    lower, upper = dropout_limits(prepared.last, prepared.complete, prepared.step, prepared.horizon)
    codes = np.arange(len(prepared.groups))[:, None]
    members = np.where(prepared.group >= 0, prepared.group == codes, 1.0 / len(prepared.groups))
    target = _Target(
        prepared=prepared,
        covariance=covariance,
        centre=beta.mean(axis=0),
        root=np.linalg.cholesky(np.cov(beta.T)),
        lower=lower,
        upper=upper,
        members=members,
    )
    points = np.column_stack(
        [
            unbend(np.log(sd / covariance.unit[:-1])),
            np.arctanh(np.clip(correlation, -0.999, 0.999)),
            np.log(sigma / covariance.unit[-1]),
        ]
    )
    alpha = np.full(len(prepared.groups), np.log(prepared.horizon / 2.0))
    start = np.concatenate([np.zeros(target.p), np.median(points, axis=0), alpha, np.zeros(2), [0.0]])
    return target, start


def dropout_limits(
    last: Array, complete: NDArray[np.bool_], step: float, horizon: float
) -> tuple[Array, Array]:
    """Return the limits of each patient's log time of dropout.

    From the last assessment to the next that would have come; beyond the horizon for those assessed there. A last
    assessment at zero counts as one at a hundredth of a step.

    Parameters
    ----------
    last : ndarray, shape (n_patients,)
        Time of the last assessment.

    Returns
    -------
    lower, upper : ndarray, shape (n_patients,)
    """
    low = np.log(np.maximum(last, step / 100.0))
    high = np.log(np.minimum(last + step, horizon))
    end = np.log(horizon)
    return np.where(complete, end, np.minimum(low, end - 1e-3)), np.where(complete, np.inf, high)


def _record(
    prepared: Prepared,
    target: _Target,
    sample: ImportanceSample,
    draws: int,
    n_dropouts: int,
    rng: np.random.Generator,
) -> SharedParameterFit:
    chosen = resample(sample.weights, draws, rng)
    beta, _, _, _, _, gamma, _ = target.unpack(sample.points[chosen])
    effective = 1.0 / (1.0 / draws + 1.0 / sample.ess)
    facts: dict[str, float | str] = {
        "pareto_k": sample.pareto_k,
        "gamma_level_mean": float(gamma[:, 0].mean()),
        "gamma_slope_mean": float(gamma[:, 1].mean()),
        "gamma_slope_q2.5": float(np.quantile(gamma[:, 1], 0.025)),
        "gamma_slope_q97.5": float(np.quantile(gamma[:, 1], 0.975)),
    }
    names = prepared.design.x_names
    records = []
    for estimand in prepared.estimands:
        weights = np.array([dict(estimand.weights).get(name, 0.0) for name in names])
        records.append(
            prepared.record(
                estimand,
                (beta @ weights).reshape(CHAINS, -1),
                test="shared_parameter",
                variant="log_normal_dropout",
                changed="the time of dropout depends on the patient's own level and slope",
                effective=effective,
                facts=facts,
            )
        )
    return SharedParameterFit(
        model_id=prepared.model.id,
        draws=tuple(records),
        gamma=gamma,
        pareto_k=sample.pareto_k,
        n_dropouts=n_dropouts,
    )
