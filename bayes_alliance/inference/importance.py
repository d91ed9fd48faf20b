"""Adaptive importance sampling in a few dimensions, with the Pareto diagnostic of its weights.

A mixture of Student-t distributions is fitted to the target by weighted EM (mixture population Monte Carlo;
Cappé et al. 2008, doi:10.1007/s11222-008-9059-x), then drawn from once more; importance ratios make the draws
exact. Knows nothing of models: a target is a function from points to log densities. NumPy only.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from bayes_alliance.errors import FitError
from bayes_alliance.inference.psis import PARETO_K_LIMIT, Array, log_sum_exp, smooth_tail

Target = Callable[[Array], Array]
DEGREES = 6.0
_MAX_STEP_SD = 3.0
_DEFENSIVE_WEIGHT = 0.05
_DEFENSIVE_WIDTH = 2.0


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Mixture of Student-t distributions with common degrees of freedom.

    Parameters
    ----------
    weights : ndarray, shape (k,)
        Sum to 1.
    means : ndarray, shape (k, d)
        Centres.
    roots : ndarray, shape (k, d, d)
        Lower Cholesky factors of the scale matrices.
    """

    weights: Array
    means: Array
    roots: Array

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Draw points, shape (count, d), components in proportion (stratified)."""
        d = self.means.shape[1]
        positions = (np.arange(count) + rng.random()) / count
        component = np.minimum(np.searchsorted(np.cumsum(self.weights), positions), len(self.weights) - 1)
        normal = rng.standard_normal((count, d))
        normal *= np.sqrt(DEGREES / rng.chisquare(DEGREES, count))[:, None]
        # Positions rise, so the draws of a component lie side by side.
        ends = np.searchsorted(component, np.arange(len(self.weights) + 1))
        for k, (start, end) in enumerate(itertools.pairwise(ends)):
            normal[start:end] = self.means[k] + normal[start:end] @ self.roots[k].T
        return normal

    def distances(self, points: Array) -> Array:
        """Squared Mahalanobis distances to each component, shape (s, k)."""
        inverse = np.linalg.inv(self.roots)
        whitened = inverse @ (np.ascontiguousarray(points.T) - self.means[:, :, None])
        result: Array = np.sum(whitened**2, axis=1).T
        return result

    def log_parts(self, points: Array) -> Array:
        """Log of weight times density of each component, shape (s, k)."""
        d = self.means.shape[1]
        constant = (
            math.lgamma((DEGREES + d) / 2) - math.lgamma(DEGREES / 2) - d / 2 * math.log(DEGREES * math.pi)
        )
        logdet = np.sum(np.log(np.diagonal(self.roots, axis1=1, axis2=2)), axis=1)
        with np.errstate(divide="ignore"):
            heads = np.log(self.weights) + constant - logdet
        result: Array = heads - (DEGREES + d) / 2 * np.log1p(self.distances(points) / DEGREES)
        return result

    def log_density(self, points: Array) -> Array:
        """Log density, shape (s,)."""
        return log_sum_exp(self.log_parts(points))


@dataclass(frozen=True, kw_only=True)
class ImportanceSample:
    """Weighted draws of a target.

    Parameters
    ----------
    points : ndarray, shape (s, d)
        Draws of the proposal.
    weights : ndarray, shape (s,)
        Pareto-smoothed and normalised.
    pareto_k : float
        Shape of the tail of the ratios; above 0.7 the weights cannot be trusted.
    log_evidence, log_evidence_error : float
        Log of the target's integral and its Monte-Carlo standard error.
    ess : float
        Effective sample size of the weights.
    proposal : Mixture
        What was drawn from.
    n_evaluations : int
        Target evaluations spent, adaptation included.
    """

    points: Array
    weights: Array
    pareto_k: float
    log_evidence: float
    log_evidence_error: float
    ess: float
    proposal: Mixture
    n_evaluations: int


def find_mode(target: Target, start: Array, *, iterations: int = 40) -> tuple[Array, Array]:
    """Climb to a mode by damped Newton steps on finite differences, evaluated together.

    Returns
    -------
    mode : ndarray, shape (d,)
    covariance : ndarray, shape (d, d)
        Inverse of the negative Hessian there; flat or rising directions get an SD of ``3``.
    """
    point = start.astype(float)
    for _ in range(iterations):
        value, gradient, hessian = _differences(target, point)
        if not np.all(np.isfinite(hessian)):
            # At the edge of the target: what adaptation is for.
            return point, np.eye(len(point))
        covariance = _bounded_inverse(hessian)
        step = covariance @ gradient
        length = float(np.sqrt(step @ np.linalg.solve(covariance, step)))
        # With very many data the start is hundreds of SDs off, so a step of one unit is always permitted.
        step *= min(1.0, max(2.0 / max(length, 1e-12), 1.0 / max(float(np.max(np.abs(step))), 1e-12)))
        lengths = 0.5 ** np.arange(8)
        values = target(point + lengths[:, None] * step)
        best = int(np.nanargmax(np.where(np.isfinite(values), values, -np.inf)))
        if not values[best] > value + 1e-6:
            break
        point = point + lengths[best] * step
    return point, covariance


def _differences(target: Target, point: Array, h: float = 1e-3) -> tuple[float, Array, Array]:
    """Value, gradient and Hessian by central differences in one vectorised call."""
    d = len(point)
    first, second = np.triu_indices(d, 1)
    unit = np.eye(d) * h
    pairs = unit[first] + unit[second]
    values = target(point + np.concatenate([np.zeros((1, d)), unit, -unit, pairs, -pairs]))
    centre, up, down = values[0], values[1 : d + 1], values[d + 1 : 2 * d + 1]
    both = values[2 * d + 1 :].reshape(2, -1)
    hessian = np.diag((up - 2 * centre + down) / h**2)
    mixed = (both[0] + both[1] - up[first] - down[first] - up[second] - down[second] + 2 * centre) / (
        2 * h**2
    )
    hessian[first, second] = hessian[second, first] = mixed
    return float(centre), (up - down) / (2 * h), hessian


def _bounded_inverse(hessian: Array) -> Array:
    """Invert a negative Hessian; directions flatter than an SD of ``_MAX_STEP_SD`` are held to it."""
    values, vectors = np.linalg.eigh(-hessian)
    variances = np.where(values > _MAX_STEP_SD**-2, 1.0 / np.maximum(values, 1e-300), _MAX_STEP_SD**2)
    inverse: Array = (vectors * variances) @ vectors.T
    return inverse


@functools.lru_cache(maxsize=1)
def _threads() -> ThreadpoolController:
    """Find the thread pools once: looking through all loaded libraries costs as much as a thousand draws."""
    return ThreadpoolController()


def sample_importance(
    target: Target,
    start: Array,
    *,
    rng: np.random.Generator,
    count: int = 6000,
    proposal: Mixture | None = None,
    adapt_count: int = 1000,
    rounds: int = 8,
    enough: float = 0.8,
) -> ImportanceSample:
    """Adapt a proposal to a target and draw from it.

    Where the last draws' Pareto k is above 0.7, the proposal learns from them and draws anew, twice at most.

    Parameters
    ----------
    target : callable
        From points, shape (s, d), to log densities, shape (s,); -inf where there is none.
    start : ndarray, shape (d,)
        Where to climb from; not used with a ``proposal``.
    rng : numpy.random.Generator
        Source of randomness.
    count : int
        Draws of the last round.
    proposal : Mixture, optional
        Start adaptation from this, such as the proposal of a near-by target.
    adapt_count, rounds : int
        Draws of a round of adaptation and the most rounds.
    enough : float
        Stop adapting when the effective share of a round's draws exceeds this.

    Returns
    -------
    ImportanceSample
    """
    # Products here are small: threads would only wait for each other, and would change the last digits.
    with _threads().limit(limits=1):
        mixture = proposal or _first_mixture(*find_mode(target, start))
        spent = 0
        for _ in range(rounds):
            points, ratios = _draw(target, mixture, adapt_count, rng)
            spent += adapt_count
            if 1.0 / (np.sum(_normalise(ratios) ** 2) * adapt_count) > enough:
                break
            mixture = _update(mixture, points, _temper(ratios))
        for attempt in range(3):
            points, ratios = _draw(target, mixture, count, rng)
            spent += count
            sample = _finish(points, ratios, mixture, spent)
            if sample.pareto_k <= PARETO_K_LIMIT or attempt == 2:
                break
            mixture = _update(mixture, points, _temper(ratios))
    return sample


def _draw(target: Target, mixture: Mixture, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    points = mixture.draw(count, rng)
    return points, target(points) - mixture.log_density(points)


def _first_mixture(mode: Array, covariance: Array) -> Mixture:
    """Start from the mode: one component as wide as the curvature, and wider ones around it for the tails."""
    root = np.linalg.cholesky(covariance)
    widths = np.array([1.0, 1.5, 2.5, 4.0])
    means = np.repeat(mode[None], len(widths), axis=0)
    return Mixture(weights=np.array([0.5, 0.25, 0.15, 0.1]), means=means, roots=widths[:, None, None] * root)


def _normalise(log_ratios: Array) -> Array:
    finite = np.where(np.isfinite(log_ratios), log_ratios, -np.inf)
    weights = np.exp(finite - np.max(finite))
    result: Array = weights / weights.sum()
    return result


def _temper(log_ratios: Array, least: float = 60.0) -> Array:
    """Flatten weights until at least ``least`` draws count effectively, so that no round adapts to one point."""
    power = 1.0
    for _ in range(12):
        weights = _normalise(power * np.where(np.isfinite(log_ratios), log_ratios, -1e300))
        if 1.0 / np.sum(weights**2) >= least:
            break
        power *= 0.6
    return weights


def _update(mixture: Mixture, points: Array, weights: Array) -> Mixture:
    """One weighted EM step for the mixture of t, and a wide component that keeps the ratios bounded.

    Components with next to no weight are dropped.
    """
    d = points.shape[1]
    parts = mixture.log_parts(points)
    member = np.exp(parts - log_sum_exp(parts)[:, None]) * weights[:, None]
    latent = (DEGREES + d) / (DEGREES + mixture.distances(points))
    mass = member.sum(axis=0)
    kept = mass > 0.02
    member, latent, mass = member[:, kept], latent[:, kept], mass[kept]
    pull = member * latent
    means = (pull.T @ points) / pull.sum(axis=0)[:, None]
    centred = points[:, None] - means
    weighted = np.moveaxis(pull[..., None] * centred, 0, -1)
    scatter = weighted @ np.moveaxis(centred, 0, 1) / mass[:, None, None]
    centre = weights @ points
    overall = (points - centre).T @ (weights[:, None] * (points - centre))
    scatter += 0.02 * np.diag(np.diag(overall)) + 1e-12 * np.eye(d)
    return Mixture(
        weights=np.append((1.0 - _DEFENSIVE_WEIGHT) * mass / mass.sum(), _DEFENSIVE_WEIGHT),
        means=np.concatenate([means, centre[None]]),
        roots=np.linalg.cholesky(
            np.concatenate([scatter, (_DEFENSIVE_WIDTH**2 * overall + 1e-12 * np.eye(d))[None]])
        ),
    )


def _finish(points: Array, ratios: Array, mixture: Mixture, spent: int) -> ImportanceSample:
    if not np.isfinite(ratios).any():
        raise FitError(
            "no draw has a density that can be computed: priors are too narrow, or too far from what the data say"
        )
    raw = _normalise(ratios)
    smoothed, pareto_k = smooth_tail(np.where(np.isfinite(ratios), ratios, -np.inf))
    weights = _normalise(smoothed)
    top = float(np.max(ratios[np.isfinite(ratios)]))
    with np.errstate(divide="ignore"):
        log_evidence = top + math.log(
            float(np.mean(np.exp(np.where(np.isfinite(ratios), ratios, -np.inf) - top)))
        )
    count = len(ratios)
    return ImportanceSample(
        points=points,
        weights=weights,
        pareto_k=pareto_k,
        log_evidence=log_evidence,
        log_evidence_error=float(np.sqrt(max(count * np.sum(raw**2) - 1.0, 0.0) / count)),
        ess=float(1.0 / np.sum(weights**2)),
        proposal=mixture,
        n_evaluations=spent,
    )


def resample(weights: Array, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose draws in proportion to their weights (systematic), in random order."""
    positions = (np.arange(count) + rng.random()) / count
    chosen = np.searchsorted(np.cumsum(weights), positions)
    return rng.permutation(np.minimum(chosen, len(weights) - 1))
