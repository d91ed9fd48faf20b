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

_BLOCK = 1024  # draws of which all entries stay in the processor's cache


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
    half : ndarray, shape (s, p)
        ``root.T`` times the conditional posterior mean of gamma.
    root : ndarray, shape (s, p, p)
        Lower Cholesky factor of gamma's conditional precision; as ``half``, each entry by itself in memory.
    """

    log_marginal: Array
    half: Array
    root: Array

    @property
    def centre(self) -> Array:
        """Conditional posterior mean of gamma, shape (s, p)."""
        return _solve_upper(self.root, self.half)

    def draw(self, rng: np.random.Generator) -> Array:
        """Draw gamma once for each covariance, shape (s, p)."""
        return _solve_upper(self.root, self.half + rng.standard_normal(self.half.shape))

    def at(self, chosen: NDArray[np.int64]) -> Given:
        """Pick some of the covariances."""
        return Given(
            log_marginal=self.log_marginal[chosen],
            half=_along_draws(self.half.T[:, chosen]),
            root=_along_draws(self.root.transpose(1, 2, 0)[:, :, chosen]),
        )


def _along_draws(values: Array) -> Array:
    """Return an array whose draws lie along its last axis with the draws first."""
    return np.moveaxis(values, -1, 0)


def condition(prior: BetaPrior, n_rows: int, logdet: Array, quadratic: Array, sigma: Array) -> Given:
    """Integrate the fixed effects out of the weighted products of :func:`bayes_alliance.inference.likelihood.weigh`."""
    p = quadratic.shape[1] - 1
    products = quadratic.transpose(1, 2, 0)
    columns = np.zeros((p, p + 1, len(sigma)))
    for start in range(0, len(sigma), _BLOCK):
        block = slice(start, start + _BLOCK)
        _factorise(products[:, :, block], sigma[block] ** 2, prior, columns[:, :, block])
    diagonal = columns[np.arange(p), np.arange(p)]
    usable = np.all(diagonal > 0.0, axis=0)
    if not np.all(usable):
        # Rounding has spoilt the precision (a residual SD of next to nothing): nothing is made of it.
        columns[:, :, ~usable] = np.eye(p, p + 1)[:, :, None]
    half = columns[:, p]
    variance = sigma**2
    constant = prior.constant if math.isfinite(prior.constant) else 0.0
    log_marginal = -0.5 * (
        n_rows * np.log(2.0 * np.pi * variance)
        + logdet
        + products[p, p] / variance
        + constant
        - np.sum(half**2, axis=0)
        + 2.0 * np.sum(np.log(diagonal), axis=0, where=usable)
    )
    return Given(
        log_marginal=np.where(usable, log_marginal, -np.inf),
        half=half.T,
        root=columns[:, :p].transpose(2, 1, 0),
    )


def _factorise(products: Array, variance: Array, prior: BetaPrior, columns: Array) -> None:
    """Fill in the columns of the Cholesky factor of each precision, the shift as one more row below.

    A loop over the few columns, each entry of all draws together, is several times faster than LAPACK on each matrix.
    What is not positive definite has a pivot that is zero or not a number.
    """
    p = len(columns)
    own = np.column_stack([prior.precision, prior.shift])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for j, column in enumerate(columns):
            column[j:] = products[j, j:] / variance + own[j, j:, None]
            for earlier in columns[:j]:
                column[j:] -= earlier[j:] * earlier[j]
            np.sqrt(column[j], out=column[j])
            if j < p:
                column[j + 1 :] /= column[j]


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


def _solve_upper(root: Array, values: Array) -> Array:
    """Solve ``root.T @ out = values`` for many small lower triangular matrices together."""
    rows, out = root.transpose(1, 2, 0), np.array(values.T)
    for i in reversed(range(len(out))):
        for later in range(i + 1, len(out)):
            out[i] -= rows[later, i] * out[later]
        out[i] /= rows[i, i]
    return out.T
