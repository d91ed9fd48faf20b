r"""Engine ``collapsed``: an exact posterior without a sampler or a compiler.

Fixed effects with Normal priors and all random effects are integrated out in closed form, which leaves the SDs
of the random effects, their correlation and the residual SD: at most four dimensions. These are drawn by
adaptive importance sampling (:mod:`bayes_alliance.inference.importance`); fixed effects follow as exact conditional
draws, patients' effects likewise where they are wanted. The integral of the target is the evidence, a by-product.

With :math:`\gamma = R(\beta - \hat\beta_{OLS})` and prior precision P, for one covariance,

.. math:: \log p(y) = -\tfrac12[n\log 2\pi\sigma^2 + \log|I+\Gamma A| + y'y/\sigma^2 + m'Pm - b'H^{-1}b
          + \log|H| - \log|P|],

:math:`H = X'X/\sigma^2 + P`, :math:`b = X'y/\sigma^2 + Pm`, all products weighted by
:math:`(I+Z\Gamma Z')^{-1}` (Lindley & Smith 1972, doi:10.1111/j.2517-6161.1972.tb00885.x). NumPy only.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from bayes_alliance.errors import FitError
from bayes_alliance.inference.bent_sds import bend, unbend
from bayes_alliance.inference.conditional import BetaPrior, Given, beta_prior, condition
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, Covariance, PosteriorFit, RowsUsed
from bayes_alliance.inference.importance import ImportanceSample, Mixture, resample, sample_importance
from bayes_alliance.inference.likelihood import relative_factor, weigh
from bayes_alliance.inference.lmm.fit_design import draw_structured
from bayes_alliance.inference.priors import CoefficientPriors, effects_at_zero, log_scale_prior
from bayes_alliance.inference.statistics import Statistics, has_residual, summarise

CHAINS = 4
_REACH = 20.0  # beyond, SDs leave the range of floating point
_ROUNDING = 0.1  # the most that rounding may add to a log density


@dataclass(frozen=True, kw_only=True)
class CollapsedSettings:
    """How to draw.

    Parameters
    ----------
    draws : int
        Draws returned, a multiple of four (they are dealt to four groups like chains).
    pool : float
        Importance draws for each returned one.
    """

    draws: int = 4000
    pool: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Target:
    """Posterior of the covariance parameters on the whole real line.

    A point holds a bent log of each SD (:func:`bend`), the inverse hyperbolic tangent of the correlation (UN
    with a slope only) and the log residual SD; SDs are relative to ``unit``, so points are of ordinary size.
    """

    stats: Statistics
    priors: CoefficientPriors
    covariance: Covariance
    beta: BetaPrior
    unit: Array

    @property
    def size(self) -> int:
        """Number of dimensions."""
        return self.stats.q + 1 + (self.covariance == "UN" and self.stats.q == 2)

    @property
    def lowest_log_sigma(self) -> float:
        """Log residual SD, relative to its unit, below which rounding of the products would pass for a density.

        Sums of n squares of unit size are known to n times the machine's epsilon, and the density divides them by
        the residual variance. Without a second visit anywhere, such small values are possible.
        """
        return 0.5 * math.log(float(np.finfo(float).eps) * self.stats.n_rows / _ROUNDING)

    @property
    def origin(self) -> float:
        """Time at which SDs and correlation of a point hold."""
        return self.priors.origin if self.size == self.stats.q + 2 else 0.0

    def unpack(self, points: Array) -> tuple[Array, Array, Array]:
        """Return SDs (s, q) and correlation (s,) at time zero, and residual SD (s,)."""
        sd, correlation, sigma = self._at_origin(points)
        if self.origin != 0.0:
            sd, correlation = effects_at_zero(sd, correlation, self.origin)
        return sd, correlation, sigma

    def _at_origin(self, points: Array) -> tuple[Array, Array, Array]:
        q = self.stats.q
        sd = np.exp(bend(points[:, :q])[0]) * self.unit[:q]
        correlation = np.tanh(points[:, q]) if self.size == q + 2 else np.zeros(len(points))
        return sd, correlation, np.exp(points[:, -1]) * self.unit[-1]

    def log_prior(self, points: Array) -> Array:
        """Log prior density of the point, Jacobians included."""
        priors, q = self.priors, self.stats.q
        value = np.zeros(len(points))
        for column, unit, scale in zip(points.T[:q], self.unit, priors.sd_scale, strict=False):
            log_sd, jacobian = bend(column)
            log_sd += math.log(unit)
            value += log_sd + jacobian
            value += log_scale_prior(np.exp(log_sd), scale, priors.scale_family, priors.scale_df)
        log_sigma = points[:, -1] + math.log(self.unit[-1])
        value += log_scale_prior(
            np.exp(log_sigma), np.asarray(priors.sigma_scale), priors.scale_family, priors.scale_df
        )
        value += log_sigma
        if self.size == q + 2:
            eta = priors.lkj_eta
            normaliser = math.lgamma(eta) * 2 - math.lgamma(2 * eta) + (2 * eta - 1) * math.log(2.0)
            # LKJ of a 2 x 2 matrix, times 1 - rho^2, the Jacobian of tanh; log(1 - tanh^2) without cancellation
            z = np.abs(points[:, q])
            value += eta * (2.0 * (math.log(2.0) - z - np.log1p(np.exp(-2.0 * z)))) - normaliser
        result: Array = value
        return result

    def given(self, points: Array) -> Given:
        """Condition the fixed effects and the data on the covariance at each point."""
        sd, correlation, sigma = self.unpack(points)
        logdet, quadratic = weigh(self.stats, relative_factor(sd, correlation, sigma))
        return condition(self.beta, self.stats.n_rows, logdet, quadratic, sigma)

    def __call__(self, points: Array) -> Array:
        """Log posterior density up to the evidence; -inf outside the range of floating point."""
        return self.evaluate(points)[0]

    def evaluate(self, points: Array) -> tuple[Array, Given]:
        """Log posterior density as when called, and what it was worked out from (nothing outside the range)."""
        inside = np.all(np.abs(points) < _REACH, axis=1) & (points[:, -1] > self.lowest_log_sigma)
        if np.all(inside):
            given = self.given(points)
            return self.log_prior(points) + given.log_marginal, given
        out = np.full(len(points), -np.inf)
        some = self.given(points[inside])
        out[inside] = self.log_prior(points[inside]) + some.log_marginal
        marginal = np.zeros(len(points))
        marginal[inside] = some.log_marginal
        p = self.stats.p
        half, root = np.full((len(points), p), np.nan), np.full((len(points), p, p), np.nan)
        half[inside], root[inside] = some.half, some.root
        return out, Given(log_marginal=marginal, half=half, root=root)


def make_target(stats: Statistics, priors: CoefficientPriors, covariance: Covariance) -> Target:
    """Set up the target of one model.

    Raises
    ------
    FitError
        With more than two random coefficients.
    """
    if stats.q > 2:
        raise FitError("engine collapsed supports a random intercept and one random slope")
    residual = math.sqrt(stats.dd[-1, -1] / max(stats.n_rows - stats.p, 1))
    basis = stats.z_basis
    if stats.q == 2 and covariance == "UN":
        basis = basis @ np.array([[1.0, -priors.origin], [0.0, 1.0]])  # of random columns around the origin
    spread = np.sqrt(np.sum(np.linalg.inv(basis) ** 2, axis=1))
    unit = residual * np.append(spread, 1.0)
    return Target(
        stats=stats,
        priors=priors,
        covariance=covariance if stats.q > 1 else "ID",
        beta=beta_prior(stats, priors),
        unit=unit,
    )


def start_point(target: Target) -> Array:
    """Start at no correlation and SDs of the residual spread's size, or the prior's where that is smaller."""
    scales = np.append(target.priors.sd_scale, target.priors.sigma_scale)
    log_sd = np.log(np.minimum(0.6, scales / target.unit))
    point = np.zeros(target.size)
    point[: target.stats.q] = unbend(log_sd[:-1])
    point[-1] = log_sd[-1]
    return point


def sample_target(
    target: Target, *, rng: np.random.Generator, count: int, proposal: Mixture | None = None
) -> ImportanceSample:
    """Draw the covariance parameters of a target by adaptive importance sampling."""
    return sample_importance(target, start_point(target), rng=rng, count=count, proposal=proposal)


# Over 40 lines: nine arguments, and a posterior of 17 fields.
def fit_collapsed(
    design: Design,
    rows: RowsUsed,
    priors: CoefficientPriors,
    *,
    seed: int,
    model_id: str = "",
    covariance: Covariance = "UN",
    settings: CollapsedSettings | None = None,
    stats: Statistics | None = None,
) -> PosteriorFit:
    """Draw the posterior of a Gaussian mixed model, exact up to Monte-Carlo error.

    Parameters
    ----------
    design, rows, priors, seed, model_id, covariance
        As for the other engines.
    settings : CollapsedSettings, optional
        How much to draw.
    stats : Statistics, optional
        Of the same design, where the caller has them.

    Returns
    -------
    PosteriorFit
        Independent draws dealt to four groups. ``facts`` holds ``pareto_k``, ``ess`` of the weights,
        ``log_evidence`` with ``log_evidence_error``, and the number of evaluations. Where ``pareto_k`` exceeds
        0.7 the draws are not to be used; :func:`bayes_alliance.inference.engines.fit_posterior` hands over to NUTS.

    Raises
    ------
    FitError
        If the outcome leaves no residual, or one too small for double precision; with two random slopes or more.
    """
    how = settings or CollapsedSettings()
    if design.structured is not None:
        return draw_structured(
            design, rows, priors, seed=seed, model_id=model_id, draws=how.draws, pool=how.pool
        )
    started = time.perf_counter()
    used = stats or summarise(design.y, design.x, design.z, design.patient_index)
    if not has_residual(used, design.y):
        raise FitError("the fixed part fits the outcome without any residual; nothing is left to estimate")
    target = make_target(used, priors, covariance)
    rng = np.random.default_rng(seed)
    remembered = _Remembered(target)
    sample = sample_importance(remembered, start_point(target), rng=rng, count=int(how.draws * how.pool))
    _check_residual(target, sample)
    chosen = resample(sample.weights, how.draws, rng)
    # The last points that were looked at are the sample's: what the fixed effects are given them is known.
    beta, sd, correlation, sigma = draw_parameters(
        target, sample.points[chosen], remembered.given.at(chosen), rng
    )
    shape = (CHAINS, how.draws // CHAINS)
    return PosteriorFit(
        model_id=model_id,
        engine="collapsed",
        covariance=target.covariance,
        prior=priors.name,
        rows=rows,
        formula=design.formula.text,
        x_names=design.x_names,
        z_names=design.z_names,
        beta=beta.reshape(*shape, -1),
        sd=sd.reshape(*shape, -1),
        correlation=correlation.reshape(shape),
        sigma=sigma.reshape(shape),
        seed=seed,
        facts=sample_facts(target, sample),
        seconds=time.perf_counter() - started,
    )


class _Remembered:
    """A target that keeps what it worked out of the fixed effects at the last points: those of the sample."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.given: Given

    def __call__(self, points: Array) -> Array:
        values, self.given = self.target.evaluate(points)
        return values


def _check_residual(target: Target, sample: ImportanceSample) -> None:
    """Raise FitError where the posterior lies at the least residual SD that can be told from none."""
    at_the_end = sample.points[:, -1] < target.lowest_log_sigma + 1.0
    if float(np.sum(sample.weights[at_the_end])) > 0.01:
        least = math.exp(target.lowest_log_sigma) * target.unit[-1]
        raise FitError(
            f"the residual SD is too small for double precision (about {least:.1g} or less, where the fixed part "
            f"leaves {target.unit[-1]:.3g}); the model all but explains the outcome without any residual"
        )


def sample_facts(target: Target, sample: ImportanceSample) -> dict[str, float | int]:
    """Return what the engine knows of its own run."""
    flat = not math.isfinite(target.beta.constant)
    return {
        "pareto_k": sample.pareto_k,
        "importance_ess": sample.ess,
        "importance_draws": len(sample.weights),
        "log_evidence": math.nan if flat else sample.log_evidence,
        "log_evidence_error": math.nan if flat else sample.log_evidence_error,
        "evaluations": sample.n_evaluations,
    }


def draw_parameters(
    target: Target, points: Array, given: Given, rng: np.random.Generator
) -> tuple[Array, Array, Array, Array]:
    """Draw fixed effects given the covariance parameters, and give all of them in natural units."""
    gamma = given.draw(rng)
    beta = target.stats.beta_ols + gamma @ np.linalg.inv(target.stats.basis).T
    return beta, *target.unpack(points)
