"""Pareto smoothed importance weights, many units at once.

Vehtari, Simpson, Gelman, Yao & Gabry (2024), Pareto smoothed importance sampling, JMLR 25(72).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PARETO_K_LIMIT = 0.7
_ROWS_AT_ONCE = 128


def log_sum_exp(values: Array) -> Array:
    """Log of the sum of exponentials over the last axis."""
    top = np.max(values, axis=-1, keepdims=True)
    result: Array = (top + np.log(np.sum(np.exp(values - top), axis=-1, keepdims=True)))[..., 0]
    return result


def smooth_tail(log_ratios: Array) -> tuple[Array, float]:
    """Smooth one set of ratios, shape (s,), as :func:`smooth_tails` does many."""
    smoothed, pareto_k = smooth_tails(log_ratios[None])
    return smoothed[0], float(pareto_k[0])


def smooth_tails(log_ratios: Array, *, r_eff: float = 1.0) -> tuple[Array, Array]:
    """Replace the largest importance ratios by quantiles of a generalised Pareto fitted to them.

    Vehtari, Simpson, Gelman, Yao & Gabry (2024), JMLR 25(72). Ours, so that the fast engine need not import
    ArviZ and that hundreds of units are smoothed together; tested against ArviZ.

    Parameters
    ----------
    log_ratios : ndarray, shape (n_units, s)
        A row a unit.
    r_eff : float
        Effective over actual number of draws, which decides how many of them make up the tail.

    Returns
    -------
    smoothed : ndarray, shape (n_units, s)
        Not normalised.
    pareto_k : ndarray, shape (n_units,)
        ``inf`` with fewer than five draws in the tail, ``-inf`` where the tail is flat; both leave the ratios
        as they are.
    """
    count = log_ratios.shape[1]
    tail = int(min(0.2 * count, 3.0 * math.sqrt(count / r_eff)))
    if tail < 5:
        return log_ratios, np.full(len(log_ratios), np.inf)
    top = np.max(log_ratios, axis=1, keepdims=True)
    shifted = log_ratios - top
    order = np.argpartition(shifted, count - tail - 1, axis=1)[:, -tail - 1 :]
    cutoff = np.maximum(np.take_along_axis(shifted, order[:, :1], axis=1), math.log(np.finfo(float).tiny))
    largest = order[:, 1:]
    values = np.take_along_axis(shifted, largest, axis=1)
    rank = np.argsort(values, axis=1, kind="stable")
    largest = np.take_along_axis(largest, rank, axis=1)
    excess = np.exp(np.take_along_axis(values, rank, axis=1)) - np.exp(cutoff)
    pareto_k = np.full(len(log_ratios), -np.inf)
    (some,) = np.nonzero(excess[:, -1] > 1e-14)
    quantiles = np.log1p(-(np.arange(tail) + 0.5) / tail)
    for rows in np.array_split(some, max(1, math.ceil(len(some) / _ROWS_AT_ONCE))):
        if len(rows):
            k, sigma = fit_pareto(np.maximum(excess[rows], 1e-300))
            small = np.where(np.abs(k) < 1e-12, 1e-12, k)[:, None]
            spread = np.expm1(-small * quantiles) / small
            fitted = np.minimum(np.log(sigma[:, None] * spread + np.exp(cutoff[rows])), 0.0)
            shifted[rows[:, None], largest[rows]] = fitted
            pareto_k[rows] = k
    return shifted + top, pareto_k


def fit_pareto(excess: Array) -> tuple[Array, Array]:
    """Fit shape and scale of a generalised Pareto to exceedances, each row for itself.

    Zhang & Stephens (2009, doi:10.1198/tech.2009.08017), the shape drawn towards 0.5 with the weight of ten
    observations as in the loo package.

    Parameters
    ----------
    excess : ndarray, shape (..., n)
        Positive, sorted.

    Returns
    -------
    shape, scale : ndarray, shape (...)
    """
    n = excess.shape[-1]
    grid = 30 + int(math.sqrt(n))
    theta = 1.0 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))
    theta = theta / (3.0 * excess[..., int(n / 4 + 0.5) - 1, None]) + 1.0 / excess[..., -1, None]
    shapes = np.mean(np.log1p(-theta[..., None] * excess[..., None, :]), axis=-1)
    profile = n * (np.log(-theta / shapes) - shapes - 1.0)
    weights = np.exp(profile - log_sum_exp(profile)[..., None])
    weights = np.where(weights >= 10 * np.finfo(float).eps, weights, 0.0)
    best = np.sum(theta * weights, axis=-1) / np.sum(weights, axis=-1)
    shape = np.mean(np.log1p(-best[..., None] * excess), axis=-1)
    return (n * shape + 5.0) / (n + 10.0), -shape / best
