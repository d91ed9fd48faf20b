r"""Derivatives of the covariance of a patient's rows by variances, covariances and correlations.

The parameters are those in which programs print them: variances and covariances of random effects; variances and
covariances of residuals where these are linear in them (independent residuals, ``un``, and ``cs`` and ``toep`` with one
SD); otherwise residual variances by group and correlations, as SAS has them: :math:`\rho` of ``cs``, ``ar1`` and
``toep``, and of ``car1`` per unit of time (``sp(pow)``). All are in units of the residual variance of the first group.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.lmm.patterns import Stack
from bayes_alliance.inference.lmm.structure import (
    Parameters,
    RandomShape,
    ResidualShape,
    Structure,
    autocorrelations,
)


def random_pairs(shape: RandomShape) -> list[tuple[int, int]]:
    """Row and column of each variance and covariance of random effects."""
    return [(int(a), int(b)) for a, b in np.argwhere(shape.mask)]


def unit_matrices(shape: RandomShape) -> Array:
    """Return derivatives of the covariance of random effects by its entries, shape (k, q, q)."""
    out = np.zeros((shape.n_parameters, shape.size, shape.size))
    for k, (a, b) in enumerate(random_pairs(shape)):
        out[k, a, b] = out[k, b, a] = 1.0
    return out


def is_linear(shape: ResidualShape) -> bool:
    """Whether the covariance of residuals is linear in the parameters of this module."""
    return shape.kind in ("id", "un") or (shape.kind in ("cs", "toep") and len(shape.groups) == 1)


def count_residual(shape: ResidualShape) -> int:
    """Count the parameters of the residuals."""
    return len(shape.groups) + shape.n_correlation


def natural_jacobian(structure: Structure, theta: Array) -> Array:
    """Differentiate patients', residuals' and clusters' parameters by ``(theta, log sigma)``, shape (k, k)."""
    columns = []
    for k in range(len(theta) + 1):
        moved = theta.astype(complex)
        scale = 1.0 + 0j
        if k < len(theta):
            moved[k] += 1e-30j
        else:
            scale = np.exp(2e-30j)
        columns.append(_natural(structure, structure.split(moved[None]), scale).imag / 1e-30)
    return np.array(columns).T


def _natural(structure: Structure, parameters: Parameters, scale: complex) -> NDArray[np.complex128]:
    random = [
        scale * (factor[0] @ factor[0].T)[shape.mask]
        for shape, factor in (
            (structure.patient, parameters.patient),
            (structure.cluster, parameters.cluster),
        )
    ]
    shape, u, ratio = structure.residual, parameters.u, np.exp(parameters.log_ratio[0])
    if shape.kind == "un":
        rows, columns = np.tril_indices(len(shape.levels))
        own = scale * ratio[rows] * ratio[columns] * shape.matrix(u)[0, rows, columns]
        return np.concatenate([random[0], own, random[1]])
    correlation = _natural_correlation(shape, u)
    if is_linear(shape):
        correlation = scale * correlation
    return np.concatenate([random[0], scale * ratio**2, correlation, random[1]])


def _natural_correlation(shape: ResidualShape, u: NDArray[Any]) -> NDArray[Any]:
    """Correlations as this module counts them, differentiable by a complex step."""
    if shape.kind == "toep":
        return autocorrelations(np.tanh(u))[0, 1:]
    own: NDArray[Any] = u[0]
    if shape.kind == "ar1":
        return np.tanh(own)
    if shape.kind == "car1":
        return np.asarray(np.exp(-np.exp(-own) / shape.gap))
    if shape.kind == "cs":
        return np.asarray(shape.lowest + (1.0 - shape.lowest) / (1.0 + np.exp(-own)))
    return own


def residual_slopes(shape: ResidualShape, stack: Stack, parameters: Parameters) -> Array:
    """First derivatives of the covariance of residuals of each pattern, shape (k, g, n, n)."""
    if shape.kind == "un":
        return _pairs_of_visits(shape, stack)
    if is_linear(shape) and shape.kind != "id":
        same = np.broadcast_to(np.eye(stack.n), (len(stack.position), stack.n, stack.n))
        return np.concatenate([same[None], _correlation_slopes(shape, stack, parameters)])
    covariance, product, share, variance = _scaled(shape, stack, parameters)
    slopes = _correlation_slopes(shape, stack, parameters)
    return np.concatenate([covariance * share / variance, slopes * product])


def residual_curvature(shape: ResidualShape, stack: Stack, parameters: Parameters, weights: Array) -> Array:
    """Sum of the second derivatives times ``weights``, shape (k, k), over both indices; shape (g, n, n)."""
    covariance, product, share, variance = _scaled(shape, stack, parameters)
    slopes = _correlation_slopes(shape, stack, parameters)
    count = len(shape.groups)
    scaled = share / variance
    both = np.einsum("igab,jgab,ij->gab", scaled, scaled, weights[:count, :count])
    both -= np.einsum("igab,i->gab", share / variance**2, np.diagonal(weights)[:count])
    mixed = np.einsum("igab,jgab,ij->gab", scaled, slopes, weights[:count, count:])
    result: Array = covariance * both + 2.0 * product * mixed
    if shape.kind in ("ar1", "car1"):
        result = result + weights[-1, -1] * product * _power_slope(shape, stack, parameters, order=2)
    return result


def _scaled(shape: ResidualShape, stack: Stack, parameters: Parameters) -> tuple[Array, Array, Array, Array]:
    """Covariance and products of SDs (g, n, n), share of each group in the power of its variance, variances."""
    sd = np.exp(parameters.log_ratio[0])
    own = sd[stack.group]
    product = own[:, :, None] * own[:, None, :]
    marks = stack.group[None] == np.arange(len(shape.groups))[:, None, None]
    share = 0.5 * (marks[:, :, :, None].astype(float) + marks[:, :, None, :])
    covariance = shape.correlation(parameters.u, stack.position)[0] * product
    return covariance, product, share, (sd**2)[:, None, None, None]


def _pairs_of_visits(shape: ResidualShape, stack: Stack) -> Array:
    """Mark the entries that hold the covariance of each pair of visits, in the order of a lower triangle."""
    at = stack.position.astype(int)
    out = []
    for i, j in zip(*np.tril_indices(len(shape.levels)), strict=True):
        one = (at == i)[:, :, None] & (at == j)[:, None, :]
        out.append((one | np.swapaxes(one, 1, 2)).astype(float))
    return np.array(out)


def _correlation_slopes(shape: ResidualShape, stack: Stack, parameters: Parameters) -> Array:
    """Differentiate the correlation of residuals by its parameters, shape (c, g, n, n)."""
    distance = np.abs(stack.position[:, :, None] - stack.position[:, None, :])
    if shape.kind == "cs":
        return np.broadcast_to(1.0 - np.eye(stack.n), (1, *distance.shape))
    if shape.kind == "toep":
        return np.array([(distance == lag).astype(float) for lag in range(1, len(shape.levels))])
    if shape.kind in ("ar1", "car1"):
        return _power_slope(shape, stack, parameters, order=1)[None]
    return np.zeros((0, *distance.shape))


def _power_slope(shape: ResidualShape, stack: Stack, parameters: Parameters, *, order: int) -> Array:
    """First or second derivative of rho to the power of a distance by rho."""
    distance = np.abs(stack.position[:, :, None] - stack.position[:, None, :])
    u = float(parameters.u[0, 0])
    if shape.kind == "ar1":
        rho = float(np.tanh(u))
    else:
        distance = distance * shape.gap
        rho = float(np.exp(-np.exp(-u) / shape.gap))
    factor = distance if order == 1 else distance * (distance - 1.0)
    power = np.where(factor == 0.0, 1.0, distance - order)
    slope: Array = factor * np.power(np.full_like(distance, rho), power)
    return slope
