"""From priors on named estimands, in natural units, to priors on the coefficients of one model.

A study file states priors as levels and differences that a clinician can picture, at a reference point: points on the
scale, and points over the study's horizon (:mod:`bayes_alliance.study.mean_prior`). The coefficients of a model get a
mean vector and a covariance matrix from them, so that the posterior does not depend on how predictors are coded. NumPy
only; no engine is imported.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bayes_alliance.errors import InputError, Problem, no_such
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, Covariance
from bayes_alliance.study.formula import Formula
from bayes_alliance.study.mean_prior import MeanPrior, PriorError, mean_prior, restate
from bayes_alliance.study.prior_records import ScaleFamily
from bayes_alliance.study.records import Study


@dataclass(frozen=True, kw_only=True)
class CoefficientPriors:
    """Priors of one model, in the units of its columns.

    Parameters
    ----------
    name : str
        Name of the prior set.
    mean, sd : ndarray, shape (p,)
        Normal priors of the fixed effects, in the order of the design's columns.
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
    factor : ndarray, shape (p, m), optional
        Square root of the correlation matrix of the fixed effects' prior: rows of unit length, one a coefficient.
        None for independent priors.
    origin : float
        Time at which the priors of the random intercept's SD and of the correlation hold; where effects are
        independent they are so at time zero, as the formula says, and so are their priors.
    """

    name: str
    mean: Array
    sd: Array
    sd_scale: Array
    sigma_scale: float
    lkj_eta: float
    scale_family: ScaleFamily = "half_normal"
    scale_df: float = 3.0
    factor: Array | None = None
    origin: float = 0.0

    @property
    def root(self) -> Array:
        """Square root of the covariance matrix: the coefficients are ``mean + root @ z``, z standard normal."""
        return np.diag(self.sd) if self.factor is None else self.sd[:, None] * self.factor

    @property
    def covariance(self) -> Array:
        """Covariance matrix of the fixed effects."""
        return self.root @ self.root.T

    @property
    def is_flat(self) -> bool:
        """Whether some coefficient has no proper prior."""
        return not bool(np.all(np.isfinite(self.sd)))

    def combine(self, weights: Array) -> tuple[float, float]:
        """Return mean and SD of a linear combination of the coefficients."""
        return float(weights @ self.mean), float(np.linalg.norm(weights @ self.root))

    def with_root(self, mean: Array, root: Array) -> CoefficientPriors:
        """Return the same priors with another mean and square root of the covariance of the fixed effects."""
        sd = np.linalg.norm(root, axis=1)
        return dataclasses.replace(self, mean=mean, sd=sd, factor=root / sd[:, None])

    def widened(self, weights: Array, factor: float) -> CoefficientPriors:
        """Multiply the SD of one combination, keeping the coefficients' distribution given it.

        Parameters
        ----------
        weights : ndarray, shape (p,)
            The combination.
        factor : float
            On its SD.
        """
        mean, sd = self.combine(weights)
        changed = restate(self.mean, self.root, weights[None], np.array([mean]), np.array([sd * factor]))
        return self.with_root(*changed)

    def append(self, mean: Array, sd: Array) -> CoefficientPriors:
        """Add coefficients with independent priors behind the others."""
        own = self.root
        p, m, more = len(self.mean), own.shape[1], len(mean)
        root = np.zeros((p + more, m + more))
        root[:p, :m] = own
        root[p:, m:] = np.diag(sd)
        return self.with_root(np.concatenate([self.mean, mean]), root)

    def scaled(self, units: Array) -> CoefficientPriors:
        """Return the priors of the coefficients multiplied by ``units``, one a coefficient."""
        return self.with_root(self.mean * units, self.root * units[:, None])


def effects_at_zero(sd: Array, correlation: Array, origin: float) -> tuple[Array, Array]:
    r"""Turn SDs and correlation of intercept and slope at a time into those at time zero.

    With :math:`b_0 = c_0 - t_0 b_1`, :math:`\mathrm{Var}\,b_0 = s_0^2 - 2t_0\rho s_0 s_1 + t_0^2 s_1^2` and
    :math:`\mathrm{Cov}(b_0, b_1) = \rho s_0 s_1 - t_0 s_1^2`.

    Parameters
    ----------
    sd : ndarray, shape (..., 2)
        At ``origin``.
    correlation : ndarray, shape (...)
        At ``origin``.
    origin : float
        The time.

    Returns
    -------
    sd, correlation : ndarray
        At time zero.
    """
    level, slope = sd[..., 0], sd[..., 1]
    away = origin * slope
    left = level * np.sqrt(1.0 - correlation**2)
    along = correlation * level - away
    at_zero = np.hypot(along, left)
    return np.stack([at_zero, slope], axis=-1), along / at_zero


def whiten(priors: CoefficientPriors) -> tuple[Array, float]:
    """Return W and log|W| such that ``W @ (beta - mean)`` is standard normal under the prior.

    Zero rows for coefficients without a proper prior, which ``log|W|`` passes over.
    """
    if priors.factor is None:
        finite = np.isfinite(priors.sd)
        inverse = np.where(finite, 1.0 / np.where(finite, priors.sd, 1.0), 0.0)
        return np.diag(inverse), float(np.sum(np.log(inverse[finite])))
    root = priors.root
    if root.shape[0] != root.shape[1]:
        root = np.linalg.qr(root.T, "r").T
    return np.linalg.inv(root), -float(np.linalg.slogdet(root)[1])


def coefficient_log_prior(beta: Array, priors: CoefficientPriors) -> Array:
    """Log prior density of the fixed effects, over the last axis."""
    inverse, logdet = whiten(priors)
    z = (beta - priors.mean) @ inverse.T
    density: Array = np.sum(-0.5 * z**2 - 0.5 * math.log(2.0 * math.pi), axis=-1) + logdet
    return density


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


def log_correlation_prior(correlation: Array, eta: float) -> Array:
    """Log density of the LKJ prior on the correlation of two effects: Beta(eta, eta) on (1 + rho) / 2."""
    constant = math.lgamma(2.0 * eta) - 2.0 * math.lgamma(eta) - (2.0 * eta - 1.0) * math.log(2.0)
    density: Array = (eta - 1.0) * np.log1p(-(correlation**2)) + constant
    return density


@dataclass(frozen=True, kw_only=True)
class PriorDraws:
    """Draws from the prior of one model: ``s`` of them, SDs and correlation at :attr:`CoefficientPriors.origin`."""

    beta: Array
    sd: Array
    correlation: Array
    sigma: Array


def draw_prior(
    priors: CoefficientPriors, covariance: Covariance, count: int, rng: np.random.Generator
) -> PriorDraws:
    """Draw parameters from a prior.

    Parameters
    ----------
    covariance : {"UN", "VC", "ID"}
        Only with ``UN`` and two effects is there a correlation.
    count : int
        Draws.
    """
    root = priors.root
    q = len(priors.sd_scale)
    scales = _draw_scales(priors, (count, q + 1), rng)
    share = rng.beta(priors.lkj_eta, priors.lkj_eta, count)
    correlated = covariance == "UN" and q == 2
    return PriorDraws(
        beta=priors.mean + rng.standard_normal((count, root.shape[1])) @ root.T,
        sd=priors.sd_scale * scales[:, :q],
        correlation=2.0 * share - 1.0 if correlated else np.zeros(count),
        sigma=priors.sigma_scale * scales[:, q],
    )


def _draw_scales(priors: CoefficientPriors, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    if priors.scale_family == "half_t":
        return np.abs(rng.standard_t(priors.scale_df, shape))
    if priors.scale_family == "exponential":
        return rng.exponential(size=shape)
    return np.abs(rng.standard_normal(shape))


def coefficient_priors(
    study: Study, design: Design, name: str, *, effect_factor: float = 1.0
) -> CoefficientPriors:
    """Translate a named prior set of a study into priors on a design's coefficients.

    Parameters
    ----------
    study : Study
        States the prior sets, the horizon, the reference point and each predictor's ``contrast``.
    design : Design
        Of the model at hand.
    name : str
        Of the prior set.
    effect_factor : float
        On the SDs of all effects of predictors; a large one makes them flat.

    Returns
    -------
    CoefficientPriors

    Raises
    ------
    InputError
        If the study has no prior set of this name, or its statements cannot hold for the model.
    """
    check_prior(study, name)
    scales = study.prior(name).for_outcome(design.formula.response)
    found = _mean_prior(
        study,
        design.formula,
        name,
        x_names=design.x_names,
        reference=reference_values(design, study.time),
        effect_factor=effect_factor,
    )
    spans = _spans(design, study.horizon)
    sd = np.linalg.norm(found.root, axis=1)
    return CoefficientPriors(
        name=name,
        mean=found.mean,
        sd=sd,
        sd_scale=np.array(
            [scales.sd_intercept if span is None else scales.sd_slope / span for span in spans]
        ),
        sigma_scale=scales.sigma,
        lkj_eta=scales.lkj_eta,
        scale_family=scales.scale_family,
        scale_df=scales.scale_df,
        factor=found.root / sd[:, None],
        origin=_origin(study, design) if study.time in (*design.z_names, *design.formula.slopes) else 0.0,
    )


def _spans(design: Design, horizon: float) -> list[float | None]:
    """Over how much of each random column its SD has the prior stated for slopes; None for an intercept."""
    if design.structured is None:
        return [None, *([horizon] * (len(design.z_names) - 1))]
    found = zip(design.structured.columns, design.structured.spans(horizon).tolist(), strict=True)
    return [None if name == "Intercept" else span for name, span in found]


def _origin(study: Study, design: Design) -> float:
    """Return the time at which levels are spoken of: as stated, else the earliest visit of the rows."""
    if study.reference_time is not None:
        return study.reference_time
    return reference_values(design, study.time)[study.time]


def reference_values(design: Design, time: str) -> dict[str, float]:
    """Return where priors on levels and slopes hold by the rows of a design: centres of predictors, earliest time."""
    return {name: low if name == time else centre for name, (centre, low) in design.reference.items()}


def _mean_prior(
    study: Study,
    formula: Formula,
    name: str,
    *,
    x_names: tuple[str, ...] = (),
    reference: Mapping[str, float] | None = None,
    effect_factor: float = 1.0,
) -> MeanPrior:
    try:
        return mean_prior(
            study, formula, name, x_names=x_names, reference=reference, effect_factor=effect_factor
        )
    except PriorError as error:
        problem = Problem(what=str(error), where=f"[[priors]] {name}", got=formula.text)
        raise InputError(f"study {study.id}", [problem]) from error


def check_prior(study: Study, name: str) -> None:
    """Raise InputError, with the names there are, if the study has no prior set of this name."""
    names = [prior.name for prior in study.priors]
    if name not in names:
        raise InputError(f"study {study.id}", [no_such("prior set", name, names)])


def combination_prior(
    study: Study,
    formula: Formula,
    name: str,
    weights: Mapping[str, float],
    *,
    reference: Mapping[str, float] | None = None,
) -> tuple[float, float]:
    """Return the prior of a linear combination of coefficients, without any rows at hand.

    Parameters
    ----------
    formula : Formula
        Of the model.
    name : str
        Of the prior set.
    weights : mapping of str to float
        Weights of the coefficients.
    reference : mapping of str to float, optional
        Reference values of predictors whose study file states none (:func:`reference_values` of a design).

    Returns
    -------
    mean, sd : float
        Per unit of time for slopes.
    """
    check_prior(study, name)
    return _mean_prior(study, formula, name, reference=reference).combine(weights)
