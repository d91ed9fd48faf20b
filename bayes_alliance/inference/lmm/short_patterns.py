"""Inverses of V for patterns of one or two rows with independent residuals, at many points, in closed form.

Patients' rows are such patterns once they are rotated onto one or two random columns; where no two patients share their
visit times, each patient is one. Blocks of patterns keep what is worked on within the processor's cache.
"""

from __future__ import annotations

import numpy as np

from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.lmm.patterns import PatternStatistics, Stack, upper_pairs
from bayes_alliance.inference.lmm.structure import Parameters

_BLOCK = 16_000


def is_short(stats: PatternStatistics, stack: Stack) -> bool:
    """Whether V of each pattern has at most two rows whose residuals are independent, as rotated rows have."""
    return stack.n <= 2 and stats.structure.residual.kind == "id"


def multiply_columns(stack: Stack) -> Array:
    """Products of columns of Z by pairs of rows and of columns: entries of ZGZ' are one product with those of G."""
    first, second = upper_pairs(stack.z.shape[2])
    rows, columns = upper_pairs(stack.n)
    left, right = stack.z[:, rows], stack.z[:, columns]
    found: Array = left[:, :, first] * right[:, :, second]
    found += np.where(first == second, 0.0, left[:, :, second] * right[:, :, first])
    return found


def invert_short(stack: Stack, parameters: Parameters, products: Array) -> tuple[Array, Array]:
    """Invert V of each pattern.

    Parameters
    ----------
    products : ndarray, shape (g, j, k)
        Of :func:`multiply_columns`.

    Returns
    -------
    packed : ndarray, shape (g, j, s)
        Entries of the upper triangle.
    sizes : ndarray, shape (g, s)
        Log determinants; infinite where V is not positive definite.
    """
    gamma = parameters.patient @ np.swapaxes(parameters.patient, 1, 2)
    first, second = upper_pairs(gamma.shape[1])
    entries = gamma[:, first, second].T
    residual = np.exp(2.0 * parameters.log_ratio.T)
    count, points = len(products), len(gamma)
    packed, sizes = np.empty((count, products.shape[1], points)), np.empty((count, points))
    step = max(1, _BLOCK // points)
    for start in range(0, count, step):
        some = slice(start, start + step)
        own = [residual[group] for group in stack.group[some].T]
        packed[some], sizes[some] = _invert_block(products[some] @ entries, own)
    return packed, sizes


def _invert_block(v: Array, residual: list[Array]) -> tuple[Array, Array]:
    """Invert in place the packed matrices ZGZ' with residual variances added."""
    if len(residual) == 1:
        v[:, 0] += residual[0]
        with np.errstate(divide="ignore"):
            return 1.0 / v, np.log(v[:, 0])
    upper, lower = v[:, 0] + residual[0], v[:, 2] + residual[1]
    whole = upper * lower
    determinant = whole - v[:, 1] ** 2
    sound = determinant > 1e-14 * whole
    safe = np.where(sound, determinant, 1.0)
    v[:, 0], v[:, 2] = lower / safe, upper / safe
    v[:, 1] /= -safe
    return v, np.where(sound, np.log(safe), np.inf)
