"""Fixed effects given the variance parameters, in closed form: their posterior and the integral over them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.inference.statistics import Statistics


class FixedBasis(Protocol):
    """What is asked of statistics here: the basis of the fixed columns and their least-squares coefficients."""

    @property
    def basis(self) -> Array:
        """Upper triangular; the fixed columns are an orthonormal basis times this."""

    @property
    def beta_ols(self) -> Array:
        """Least-squares coefficients."""


@dataclass(frozen=True, kw_only=True)
class BetaPrior:
    """Normal prior of the fixed effects in the orthonormal basis of the statistics.

    Parameters
    ----------
    precision : ndarray, shape (p, p)
        Zero where the prior is flat.
    shift : ndarray, shape (p,)
        Precision times mean.
    constant : float
        ``m'Pm - log|P|``; NaN under a flat prior, which has no evidence.
    """

    precision: Array
    shift: Array
    constant: float


def beta_prior(stats: FixedBasis, priors: CoefficientPriors) -> BetaPrior:
    """Turn the joint Normal prior of the coefficients into the statistics' basis."""
    mean, sd = priors.mean, priors.sd
    centre = stats.basis @ (mean - stats.beta_ols)
    if priors.factor is None:
        half = np.linalg.inv(stats.basis) / sd[:, None]
        logdet = -2.0 * np.sum(np.log(sd)) - 2.0 * np.sum(np.log(np.abs(np.diagonal(stats.basis))))
    else:
        # The prior's square root in the basis, not in the coefficients: those of raw years are all but collinear.
        root = stats.basis @ priors.root
        half = np.linalg.inv(root)
        logdet = -2.0 * float(np.linalg.slogdet(root)[1])
    precision = half.T @ half
    constant = float(centre @ precision @ centre - logdet) if np.all(np.isfinite(sd)) else math.nan
    return BetaPrior(precision=precision, shift=precision @ centre, constant=constant)


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the data and the prior say of the fixed effects for each of ``s`` covariances.

    Parameters
    ----------
    log_marginal : ndarray, shape (s,)
        Log density of the data, fixed and random effects integrated out.
    centre : ndarray, shape (s, p)
        Conditional posterior mean of gamma.
    root : ndarray, shape (s, p, p)
        Lower Cholesky factor of its precision.
    """

    log_marginal: Array
    centre: Array
    root: Array

    def at(self, chosen: NDArray[np.int64]) -> Given:
        """Pick some of the covariances."""
        return Given(
            log_marginal=self.log_marginal[chosen], centre=self.centre[chosen], root=self.root[chosen]
        )


def condition(prior: BetaPrior, n_rows: int, logdet: Array, quadratic: Array, sigma: Array) -> Given:
    """Integrate the fixed effects out of the weighted products of :func:`bayes_alliance.inference.likelihood.weigh`."""
    p = quadratic.shape[1] - 1
    variance = sigma**2
    precision = quadratic[:, :p, :p] / variance[:, None, None] + prior.precision
    shift = quadratic[:, :p, p] / variance[:, None] + prior.shift
    root, usable = _cholesky(precision)
    half = _solve_lower(root, shift)
    centre = _solve_upper(root, half)
    explained = np.sum(half**2, axis=1)
    log_root = np.sum(np.log(np.diagonal(root, axis1=1, axis2=2)), axis=1)
    constant = prior.constant if math.isfinite(prior.constant) else 0.0
    log_marginal = -0.5 * (
        n_rows * np.log(2.0 * np.pi * variance)
        + logdet
        + quadratic[:, p, p] / variance
        + constant
        - explained
        + 2.0 * log_root
    )
    return Given(log_marginal=np.where(usable, log_marginal, -np.inf), centre=centre, root=root)


def effect_given(given: Given, stats: Statistics, weights: Array) -> tuple[Array, Array]:
    """Mean and variance of a combination of fixed effects for each parameter value that was conditioned on.

    Parameters
    ----------
    given : Given
        Of ``s`` parameter values.
    stats : Statistics
        Behind it.
    weights : ndarray, shape (p,)
        The combination, in original coefficients.

    Returns
    -------
    mean, variance : ndarray, shape (s,)
    """
    direction = np.linalg.solve(stats.basis.T, weights)
    mean = float(weights @ stats.beta_ols) + given.centre @ direction
    half = np.linalg.solve(given.root, np.broadcast_to(direction[:, None], (*given.centre.shape, 1)))[..., 0]
    return mean, np.sum(half**2, axis=1)


def _cholesky(precision: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Factor each matrix; one that rounding has spoilt (a residual SD of next to nothing) is marked."""
    try:
        return np.linalg.cholesky(precision), np.ones(len(precision), dtype=bool)
    except np.linalg.LinAlgError:
        usable = np.linalg.eigvalsh(precision)[:, 0] > 0.0
        whole = np.where(usable[:, None, None], precision, np.eye(precision.shape[1]))
        return np.linalg.cholesky(whole), usable


def _solve_lower(root: Array, values: Array) -> Array:
    """Solve ``root @ out = values`` for many small lower triangular matrices together.

    A loop over the few columns, vectorised over matrices, is several times faster than LAPACK on each.
    """
    out = np.empty_like(values)
    for i in range(values.shape[1]):
        out[:, i] = (values[:, i] - np.sum(root[:, i, :i] * out[:, :i], axis=1)) / root[:, i, i]
    return out


def _solve_upper(root: Array, values: Array) -> Array:
    """Solve ``root.T @ out = values`` likewise."""
    out = np.empty_like(values)
    for i in reversed(range(values.shape[1])):
        rest = np.sum(root[:, i + 1 :, i] * out[:, i + 1 :], axis=1)
        out[:, i] = (values[:, i] - rest) / root[:, i, i]
    return out
