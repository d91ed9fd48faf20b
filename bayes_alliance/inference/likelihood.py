r"""The marginal Gaussian likelihood: one function, maximised by ML and REML, integrated by Bayes.

For patient *i* with rows :math:`y_i = X_i\beta + Z_i b_i + e_i`, :math:`b_i \sim N(0, G)`,
:math:`e_i \sim N(0, \sigma^2 I)`, the random effects are integrated out, so
:math:`y_i \sim N(X_i\beta, \sigma^2 (I + Z_i \Gamma Z_i'))` with the relative covariance
:math:`\Gamma = G/\sigma^2 = \Lambda\Lambda'` (Laird & Ware 1982, doi:10.2307/2529876; the relative factor
:math:`\Lambda` as in Bates et al. 2015, doi:10.18637/jss.v067.i01). With :math:`A_i = Z_i'Z_i` and
:math:`K_i = (\Gamma^{-1} + A_i)^{-1}`,

.. math:: V_i^{-1} = (I - Z_i K_i Z_i')/\sigma^2, \qquad |V_i| = \sigma^{2 n_i} |I + \Gamma A_i|,

and neither needs the inverse of :math:`\Gamma`, so a variance of zero or a correlation of one is an ordinary
point. All that the rows contribute is gathered once in :class:`Statistics`. Patients with the same
:math:`A_i` (the same visit times) share one term, so cost grows with the number of distinct schedules.

NumPy only; knows nothing of priors, engines or studies.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_alliance.inference.statistics import Statistics, _is_singular, _upper_pairs

Array = NDArray[np.float64]
_CHUNK = 1_000_000
_SCHEDULES = 1_000
_BLOCK = 256  # draws whose numbers for all schedules stay in the processor's cache
_TWICE = np.array([[1.0], [2.0], [1.0], [1.0]])


def relative_factor(sd: ArrayLike, correlation: ArrayLike, sigma: ArrayLike) -> Array:
    r"""Build :math:`\Lambda` from SDs, the correlation and the residual SD.

    Parameters
    ----------
    sd : array_like, shape (..., q)
        Random-effect SDs, ``q`` of 1 or 2.
    correlation : array_like, shape (...,)
        Correlation of intercept and slope; ignored for ``q = 1``.
    sigma : array_like, shape (...,)
        Residual SD.

    Returns
    -------
    ndarray, shape (..., q, q)
        Lower triangular, ``G = sigma**2 * L @ L.T``.
    """
    sds = np.asarray(sd, dtype=float) / np.asarray(sigma, dtype=float)[..., None]
    rho = np.asarray(correlation, dtype=float)
    q = sds.shape[-1]
    factor = np.zeros((*sds.shape, q))
    factor[..., 0, 0] = sds[..., 0]
    if q == 2:
        factor[..., 1, 0] = rho * sds[..., 1]
        factor[..., 1, 1] = np.sqrt(np.maximum(1.0 - rho**2, 0.0)) * sds[..., 1]
    elif q > 2:
        raise ValueError("a single correlation describes at most two random coefficients")
    return factor


def in_basis(stats: Statistics, factor: Array) -> Array:
    """Express a relative factor in terms of the orthogonal random columns; any square root will do."""
    expressed: Array = stats.z_basis @ factor
    return expressed


def weigh(stats: Statistics, factor: Array) -> tuple[Array, Array]:
    r"""Reduce the likelihood to the fixed effects at given relative covariances.

    Parameters
    ----------
    factor : ndarray, shape (s, q, q)
        Relative factors :math:`\Lambda` in original units; any square roots of the relative covariances.

    Returns
    -------
    logdet : ndarray, shape (s,)
        :math:`\sum_i \log|I + \Gamma A_i|`.
    quadratic : ndarray, shape (s, p + 1, p + 1)
        :math:`\sigma^2 d'V^{-1}d` for ``d = [q, residual]``.
    """
    scaled = in_basis(stats, factor)
    logdet = np.zeros(len(scaled))
    pairs = np.zeros((stats.moments.shape[2], len(scaled)))
    for schedules in _blocks(len(stats.counts), _CHUNK // _SCHEDULES):
        part = _part(stats, schedules)
        if stats.q == 2:
            _add_two(part, stats.stacked[schedules], scaled, logdet, pairs)
        else:
            (_add_one if stats.q == 1 else _add_many)(part, scaled, logdet, pairs)
    return logdet, _less(stats, pairs)


def _less(stats: Statistics, pairs: Array) -> Array:
    """Return ``dd`` less the products of its upper triangle, shape (m, s); each entry lies by itself in memory."""
    first, second = _upper_pairs(stats.p + 1)
    pairs = stats.dd[first, second][:, None] - pairs
    out = np.empty((stats.p + 1, stats.p + 1, pairs.shape[1]))
    out[first, second] = pairs
    out[second, first] = pairs
    return out.transpose(2, 0, 1)


def _part(stats: Statistics, schedules: slice) -> Statistics:
    """Return the statistics with some of the schedules: as much as the processor's cache can hold."""
    if len(stats.counts) <= schedules.stop - schedules.start:
        return stats
    return dataclasses.replace(
        stats, zz=stats.zz[schedules], counts=stats.counts[schedules], moments=stats.moments[schedules]
    )


def _blocks(count: int, width: int) -> Iterator[slice]:
    step = max(1, _CHUNK // max(width, 1))
    return (slice(start, start + step) for start in range(0, count, step))


def _add_one(stats: Statistics, factor: Array, logdet: Array, pairs: Array) -> None:
    """Add what the schedules of ``stats`` contribute, with one random column."""
    gamma = factor[:, 0, 0] ** 2
    for block in _blocks(len(factor), len(stats.counts)):
        determinant = 1.0 + np.outer(stats.zz[:, 0, 0], gamma[block])
        logdet[block] += stats.counts @ np.log(determinant)
        pairs[:, block] += gamma[block] * (stats.moments[:, 0].T @ (1.0 / determinant))


def _add_two(stats: Statistics, stacked: Array, factor: Array, logdet: Array, pairs: Array) -> None:
    """Use the closed form K = (Gamma + |Gamma| adj(A)) / |I + Gamma A|, linear in moments over |I + Gamma A|.

    Draws run along the last axis, so that each step passes over memory as it lies; blocks stay in the cache.
    """
    if len(factor) == 1:
        _add_one_value(stats, stacked, factor, logdet, pairs)
        return
    gamma, size = _relative_covariance(factor)
    weights = np.column_stack([gamma, size]).T
    minors, doubled = _minors(stats), weights * _TWICE
    for start in range(0, len(factor), _BLOCK):
        block = slice(start, start + _BLOCK)
        inverse = minors @ doubled[:, block]
        inverse += 1.0
        logdet[block] += stats.counts @ np.log(inverse)
        np.divide(1.0, inverse, out=inverse)
        sums = (stacked.T @ inverse).reshape(4, len(pairs), -1)
        sums *= weights[:, None, block]
        pairs[:, block] += sums.sum(axis=0)


def _add_one_value(stats: Statistics, stacked: Array, factor: Array, logdet: Array, pairs: Array) -> None:
    """Do the same at one value, as a search asks, in the order of sums that seeds of cohorts rest on."""
    gamma, size = _relative_covariance(factor)
    determinant = _determinant_two(gamma, size, stats.zz[:, 0, 0], stats.zz[:, 0, 1], stats.zz[:, 1, 1])
    logdet += np.log(determinant) @ stats.counts
    sums = ((1.0 / determinant) @ stacked).reshape(1, 4, -1)
    pairs += (np.column_stack([gamma, size])[:, None] @ sums)[:, 0].T


def _add_many(stats: Statistics, factor: Array, logdet: Array, pairs: Array) -> None:
    """Add what the schedules of ``stats`` contribute, with any number of random columns."""
    k, l = _upper_pairs(stats.q)
    for block in _blocks(len(factor), len(stats.counts) * stats.q**2):
        kernel, determinant = kernels(stats, factor[block])
        logdet[block] += np.log(determinant) @ stats.counts
        pairs[:, block] += np.einsum("sgu,gum->ms", kernel[:, :, k, l], stats.moments)


def kernels(stats: Statistics, factor: Array) -> tuple[Array, Array]:
    r"""Compute :math:`K_g = \Lambda (I + \Lambda' A_g \Lambda)^{-1} \Lambda'` for every schedule.

    Parameters
    ----------
    factor : ndarray, shape (s, q, q)
        Relative factors in terms of the orthogonal random columns (:func:`in_basis`).

    Returns
    -------
    kernel : ndarray, shape (s, g, q, q)
        In the same terms.
    determinant : ndarray, shape (s, g)
        :math:`|I + \Gamma A_g|`.
    """
    if stats.q == 2:
        return _kernels_two(stats, factor)
    transposed = np.swapaxes(factor, -1, -2)[:, None]
    inner = np.eye(stats.q) + transposed @ stats.zz[None] @ factor[:, None]
    chol = np.linalg.cholesky(inner)
    half = np.linalg.solve(chol, np.broadcast_to(transposed, inner.shape))
    determinant = np.prod(np.diagonal(chol, axis1=-2, axis2=-1), axis=-1) ** 2
    return np.swapaxes(half, -1, -2) @ half, determinant


def _kernels_two(stats: Statistics, factor: Array) -> tuple[Array, Array]:
    """Use the closed form for two random columns: K = (Gamma + |Gamma| adj(A)) / |I + Gamma A|."""
    gamma, size = _relative_covariance(factor)
    a, b, c = stats.zz[:, 0, 0], stats.zz[:, 0, 1], stats.zz[:, 1, 1]
    determinant = _determinant_two(gamma, size, a, b, c)
    # Each entry lies by itself in memory: what follows runs through one entry of all schedules at a time.
    entries = np.empty((2, 2, *determinant.shape))
    entries[0, 0] = (gamma[:, :1] + np.outer(size, c)) / determinant
    entries[1, 1] = (gamma[:, 2:] + np.outer(size, a)) / determinant
    entries[0, 1] = (gamma[:, 1:2] - np.outer(size, b)) / determinant
    entries[1, 0] = entries[0, 1]
    return entries.transpose(2, 3, 0, 1), determinant


def _relative_covariance(factor: Array) -> tuple[Array, Array]:
    """Entries 00, 01, 11 of Gamma, shape (s, 3), and its determinant, shape (s,)."""
    (a, b), (c, d) = factor.transpose(1, 2, 0)
    return np.stack([a * a + b * b, a * c + b * d, c * c + d * d], axis=1), (a * d - b * c) ** 2


def _determinant_two(gamma: Array, size: Array, a: Array, b: Array, c: Array) -> Array:
    """|I + Gamma A| for every draw and schedule, shape (s, g); each term is at least zero but the middle."""
    weights = np.column_stack([gamma * [1.0, 2.0, 1.0], size])
    result: Array = 1.0 + weights @ _minors_of(a, b, c).T
    return result


def _minors(stats: Statistics) -> Array:
    """Return what |I + Gamma A| takes of each schedule, shape (g, 4): the entries of A and its determinant."""
    return _minors_of(stats.zz[:, 0, 0], stats.zz[:, 0, 1], stats.zz[:, 1, 1])


def _minors_of(a: Array, b: Array, c: Array) -> Array:
    return np.column_stack([a, b, c, np.where(_is_singular(a, b, c), 0.0, a * c - b * b)])


def _symmetric(pairs: Array, width: int) -> Array:
    """Spread values of the upper triangle over a symmetric matrix."""
    first, second = _upper_pairs(width)
    out = np.empty((*pairs.shape[:-1], width, width))
    out[..., first, second] = pairs
    out[..., second, first] = pairs
    return out


def log_density(stats: Statistics, beta: Array, factor: Array, sigma: Array) -> Array:
    r"""Log density of all rows for each of ``s`` parameter values.

    Parameters
    ----------
    beta : ndarray, shape (s, p)
        Fixed effects.
    factor : ndarray, shape (s, q, q)
        Relative factors.
    sigma : ndarray, shape (s,)
        Residual SDs.

    Returns
    -------
    ndarray, shape (s,)
    """
    logdet, quadratic = weigh(stats, factor)
    v = _residual_weights(stats, beta)
    rss = np.einsum("sa,sab,sb->s", v, quadratic, v)
    result: Array = -0.5 * (stats.n_rows * np.log(2.0 * np.pi * sigma**2) + logdet + rss / sigma**2)
    return result


def _residual_weights(stats: Statistics, beta: Array) -> Array:
    """Weights v with ``d @ v = y - x @ beta``."""
    gamma = (beta - stats.beta_ols) @ stats.basis.T
    return np.column_stack([-gamma, np.ones(len(beta))])


def log_density_patients(stats: Statistics, beta: Array, factor: Array, sigma: Array) -> Array:
    """Joint log density of each patient's rows, random effects integrated out.

    Parameters
    ----------
    beta, factor, sigma
        As in :func:`log_density`.

    Returns
    -------
    ndarray, shape (s, n_patients)
        Sums over patients to :func:`log_density`.
    """
    v = _residual_weights(stats, beta)
    scaled = in_basis(stats, factor)
    out = np.empty((len(v), stats.n_patients))
    first, second = _upper_pairs(stats.p + 1)
    doubled = np.where(first == second, 1.0, 2.0)
    for block in _blocks(len(v), stats.n_patients * stats.q**2):
        squares = (v[block][:, first] * v[block][:, second] * doubled) @ stats.patient_dd.T
        kernel, determinant = kernels(stats, scaled[block])
        projected = [v[block] @ stats.patient_zd[:, k].T for k in range(stats.q)]
        for i, j in itertools.combinations_with_replacement(range(stats.q), 2):
            product = projected[i] * projected[j] * (1.0 if i == j else 2.0)
            squares -= kernel[:, :, i, j][:, stats.schedule] * product
        variance = sigma[block][:, None] ** 2
        out[block] = -0.5 * (
            stats.patient_rows * np.log(2.0 * np.pi * variance)
            + np.log(determinant)[:, stats.schedule]
            + squares / variance
        )
    return out
