r"""The posterior of a linear mixed model with nested levels or correlated residuals, without a sampler.

As in :mod:`bayes_alliance.inference.collapsed`, fixed and random effects are integrated out in closed form, and the
covariance parameters are drawn by adaptive importance sampling around the mode. Where its Pareto k is above 0.7 the
draws are not to be used, and none are returned.

Priors: each SD of a random effect and of residuals as :class:`CoefficientPriors` states them; correlations of random
effects, and of residuals between visits (``un``), LKJ; partial autocorrelations (``ar1``, ``toep``) uniform on (-1,
1); the correlation of ``cs`` uniform from its least value to 1; that of ``car1`` over the median gap between visits
uniform on (0, 1). SDs and correlations of random effects that are correlated with a random intercept hold at a
reference: the earliest time, the middle of other variables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bayes_alliance.inference.bent_sds import bend, unbend
from bayes_alliance.inference.conditional import BetaPrior, Given, beta_prior, condition
from bayes_alliance.inference.fits import Array, Weights, weight_vector
from bayes_alliance.inference.importance import resample, sample_importance
from bayes_alliance.inference.lmm.likelihood import weigh_patterns
from bayes_alliance.inference.lmm.ml import LmmFit
from bayes_alliance.inference.lmm.model import LmmModel
from bayes_alliance.inference.lmm.structure import (
    Parameters,
    RandomShape,
    ResidualShape,
    correlation_root,
    lkj_exponents,
    log_partial_density,
)
from bayes_alliance.inference.priors import CoefficientPriors, log_scale_prior
from bayes_alliance.inference.psis import PARETO_K_LIMIT

_REACH = 20.0


@dataclass(frozen=True, kw_only=True)
class LevelPrior:
    """Priors of the random effects of one level.

    Parameters
    ----------
    scale : ndarray, shape (q,)
        Scales of the priors on the SDs.
    shift : ndarray, shape (q, q)
        Effects in units of the formula are ``shift`` times effects at the reference.
    """

    scale: Array
    shift: Array


@dataclass(frozen=True, kw_only=True)
class LmmPosterior:
    """Posterior draws.

    Parameters
    ----------
    beta : ndarray, shape (s, p)
        Fixed effects.
    patient_cov, cluster_cov : ndarray, shape (s, q, q) and (s, r, r)
        Covariance of random effects in units of the formula's columns.
    correlations : ndarray, shape (s, k)
        Of residuals.
    residual : ndarray, shape (s, k)
        Their parameters on the whole real line.
    sigma : ndarray, shape (s, g)
        Residual SDs by group.
    pareto_k, ess : float
        Of the importance weights.
    log_evidence : float
        Log marginal likelihood; NaN under a flat prior.
    """

    x_names: tuple[str, ...]
    beta: Array
    patient_cov: Array
    cluster_cov: Array
    correlations: Array
    residual: Array
    sigma: Array
    pareto_k: float
    ess: float
    log_evidence: float

    @property
    def usable(self) -> bool:
        """Whether Pareto k permits the use of the draws."""
        return bool(self.pareto_k <= PARETO_K_LIMIT)

    def combine(self, combination: Weights) -> Array:
        """Draws of a linear combination of coefficients."""
        draws: Array = self.beta @ weight_vector(self.x_names, combination)
        return draws


@dataclass(frozen=True, kw_only=True)
class LmmTarget:
    """Log posterior of the covariance parameters on the whole real line.

    A point holds the bent logs of the SDs of random effects (patients', then clusters'), the logs of residual SDs,
    then inverse hyperbolic tangents of the partial correlations of both levels, then the residual correlation
    parameters.
    """

    model: LmmModel
    priors: CoefficientPriors
    patient: LevelPrior
    cluster: LevelPrior
    beta: BetaPrior
    unit: Array

    @property
    def counts(self) -> tuple[int, int, int, int, int, int]:
        """Number of entries of each part of a point."""
        structure = self.model.structure
        return (
            structure.patient.size,
            structure.cluster.size,
            len(structure.residual.groups),
            structure.patient.n_parameters - structure.patient.size,
            structure.cluster.n_parameters - structure.cluster.size,
            structure.residual.n_correlation,
        )

    def parts(self, points: Array) -> list[Array]:
        """Cut points into their parts."""
        return np.split(points, np.cumsum(self.counts)[:-1], axis=1)

    def factors(self, points: Array) -> tuple[Array, Array, Array]:
        """Factors of the covariance of both levels' effects in units of the formula, and residual SDs."""
        sd_patient, sd_cluster, log_sigma, z_patient, z_cluster, _ = self.parts(points)
        structure = self.model.structure
        q, r, _, _, _, _ = self.counts
        patient = _factor(structure.patient, np.exp(bend(sd_patient)[0]) * self.unit[:q], z_patient)
        cluster = _factor(structure.cluster, np.exp(bend(sd_cluster)[0]) * self.unit[q : q + r], z_cluster)
        return self.patient.shift @ patient, self.cluster.shift @ cluster, np.exp(log_sigma) * self.unit[-1]

    def given(self, points: Array) -> Given:
        """Condition the fixed effects and the data on the covariance at each point."""
        patient, cluster, sigma = self.factors(points)
        first = sigma[:, :1, None]
        parameters = Parameters(
            patient=self.model.patient_basis @ patient / first,
            cluster=self.model.cluster_basis @ cluster / first,
            u=self.parts(points)[-1],
            log_ratio=np.log(sigma / sigma[:, :1]),
        )
        logdet, quadratic = weigh_patterns(self.model.stats, parameters)
        sound = np.isfinite(logdet)
        quadratic[~sound] = np.eye(quadratic.shape[1])
        found = condition(
            self.beta, self.model.stats.n_rows, np.where(sound, logdet, 0.0), quadratic, sigma[:, 0]
        )
        return Given(
            log_marginal=np.where(sound, found.log_marginal, -np.inf), half=found.half, root=found.root
        )

    def log_prior(self, points: Array) -> Array:
        """Log prior density of points, Jacobians included."""
        sd_patient, sd_cluster, log_sigma, z_patient, z_cluster, u = self.parts(points)
        structure, priors = self.model.structure, self.priors
        q, r, _, _, _, _ = self.counts
        total = np.zeros(len(points))
        levels = (
            (sd_patient, self.unit[:q], self.patient.scale),
            (sd_cluster, self.unit[q : q + r], self.cluster.scale),
        )
        for bent, unit, scale in levels:
            log_sd, jacobian = bend(bent)
            sd = np.exp(log_sd) * unit
            each = log_scale_prior(sd, scale, priors.scale_family, priors.scale_df) + np.log(sd) + jacobian
            total += each.sum(axis=1)
        sigma = np.exp(log_sigma) * self.unit[-1]
        scale = np.asarray(priors.sigma_scale)
        each = log_scale_prior(sigma, scale, priors.scale_family, priors.scale_df) + np.log(sigma)
        total += each.sum(axis=1)
        for shape, z in ((structure.patient, z_patient), (structure.cluster, z_cluster)):
            exponents = [lkj_exponents(size, priors.lkj_eta) for size in shape.blocks if size > 1]
            if exponents:
                total += log_partial_density(z, np.concatenate(exponents))
        return total + log_residual_prior(structure.residual, u, priors.lkj_eta)

    def __call__(self, points: Array) -> Array:
        """Log posterior density up to the evidence."""
        return self.evaluate(points)[0]

    def evaluate(self, points: Array) -> tuple[Array, Given]:
        """Return the same, with what the fixed effects are given each point."""
        inside = np.all(np.abs(points) < _REACH, axis=1)
        safe = np.where(inside[:, None], points, 0.0)
        given = self.given(safe)
        values = self.log_prior(safe) + given.log_marginal
        return np.where(inside & np.isfinite(values), values, -np.inf), given


def _factor(shape: RandomShape, sd: Array, z: Array) -> Array:
    out = np.zeros((len(sd), shape.size, shape.size))
    start = at = 0
    for size in shape.blocks:
        count = size * (size - 1) // 2
        root = correlation_root(np.tanh(z[:, at : at + count]), size)
        some = slice(start, start + size)
        out[:, some, some] = sd[:, some, None] * root
        start, at = start + size, at + count
    return out


def log_residual_prior(shape: ResidualShape, u: Array, eta: float) -> Array:
    """Log prior density of the correlation parameters of residuals (see the module), Jacobians included."""
    if shape.kind in ("ar1", "toep"):
        return log_partial_density(u, np.ones(u.shape[1]))
    if shape.kind == "un":
        return log_partial_density(u, lkj_exponents(len(shape.levels), eta))
    if shape.kind == "cs":
        density: Array = -np.abs(u[:, 0]) - 2.0 * np.log1p(np.exp(-np.abs(u[:, 0])))
        return density
    if shape.kind == "car1":
        return np.asarray(-np.exp(-u[:, 0]) - u[:, 0])
    return np.zeros(len(u))


def make_lmm_target(
    model: LmmModel, priors: CoefficientPriors, patient: LevelPrior, cluster: LevelPrior
) -> LmmTarget:
    """Set up the target of one model; SDs of a point are relative to the residual spread."""
    stats = model.stats
    residual = math.sqrt(stats.rss_ols / max(stats.n_rows - stats.p, 1))
    spreads = [
        np.linalg.norm(basis @ level.shift, axis=0)
        for basis, level in ((model.patient_basis, patient), (model.cluster_basis, cluster))
    ]
    return LmmTarget(
        model=model,
        priors=priors,
        patient=patient,
        cluster=cluster,
        beta=beta_prior(stats, priors),
        unit=residual * np.concatenate([*(1.0 / spread for spread in spreads), [1.0]]),
    )


def start_from(target: LmmTarget, fit: LmmFit) -> Array:
    """Start at the SDs and residual correlations of an ML or REML fit, zeros moved away from the edge."""
    q, r, _, n_patient, n_cluster, _ = target.counts
    log_sds = []
    for covariance, level, unit in (
        (fit.patient_cov, target.patient, target.unit[:q]),
        (fit.cluster_cov, target.cluster, target.unit[q : q + r]),
    ):
        back = np.linalg.inv(level.shift)
        sd = np.sqrt(np.maximum(np.diag(back @ covariance @ back.T), 0.0)) if len(unit) else np.empty(0)
        least = np.minimum(0.2, level.scale / np.maximum(unit, 1e-300)) if len(unit) else unit
        log_sds.append(np.log(np.maximum(sd / np.maximum(unit, 1e-300), least)))
    n_random = n_patient + n_cluster + q + r
    u = fit.theta[n_random : n_random + target.counts[-1]]
    return np.concatenate(
        [
            unbend(log_sds[0]),
            unbend(log_sds[1]),
            np.log(fit.sigma / target.unit[-1]),
            np.zeros(n_patient + n_cluster),
            np.clip(u, -3.0, 3.0),
        ]
    )


class _Remembered:
    """A target that keeps what it worked out of the fixed effects at the last points: those of the sample."""

    def __init__(self, target: LmmTarget) -> None:
        self.target = target
        self.given: Given

    def __call__(self, points: Array) -> Array:
        values, self.given = self.target.evaluate(points)
        return values


def fit_lmm_posterior(
    target: LmmTarget, fit: LmmFit, *, seed: int, draws: int = 4000, pool: float = 2.0
) -> LmmPosterior:
    """Draw the posterior; look at :attr:`LmmPosterior.usable` before the draws.

    Parameters
    ----------
    target : LmmTarget
        Of the model.
    fit : LmmFit
        Of the same model; the search for the mode starts there.
    seed : int
        Of all randomness.
    draws : int
        Draws returned.
    pool : float
        Importance draws for each of them.
    """
    rng = np.random.default_rng(seed)
    remembered = _Remembered(target)
    sample = sample_importance(remembered, start_from(target, fit), rng=rng, count=int(draws * pool))
    chosen = resample(sample.weights, draws, rng)
    points, given = sample.points[chosen], remembered.given.at(chosen)
    gamma = given.draw(rng)
    stats = target.model.stats
    patient, cluster, sigma = target.factors(points)
    flat = not math.isfinite(target.beta.constant)
    return LmmPosterior(
        x_names=target.model.x_names,
        beta=stats.beta_ols + gamma @ np.linalg.inv(stats.basis).T,
        patient_cov=patient @ np.swapaxes(patient, 1, 2),
        cluster_cov=cluster @ np.swapaxes(cluster, 1, 2),
        correlations=target.model.structure.residual.natural(target.parts(points)[-1]),
        residual=target.parts(points)[-1],
        sigma=sigma,
        pareto_k=sample.pareto_k,
        ess=sample.ess,
        log_evidence=math.nan if flat else sample.log_evidence,
    )
