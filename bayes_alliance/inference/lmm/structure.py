r"""The covariance structure of a model: random effects at one or two levels, residuals within a patient.

In units of the residual variance of the first group, patient *i* has
:math:`V_i = Z_i\Lambda\Lambda'Z_i' + D_i C_i D_i`, with ``D`` the residual SDs relative to the first group and ``C``
the correlation of residuals. All functions accept complex parameters, so derivatives by a complex step are exact to
rounding (Squire & Trapp 1998, doi:10.1137/S003614459631241X).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.inference.fits import Array

Kind = Literal["id", "cs", "ar1", "car1", "toep", "un"]


@dataclass(frozen=True, kw_only=True)
class RandomShape:
    """Random effects of one level: blocks of correlated effects, independent of each other.

    Parameters
    ----------
    names : tuple of str
        Of the random columns, block by block.
    blocks : tuple of int
        Size of each block.
    """

    names: tuple[str, ...] = ()
    blocks: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Number of random columns."""
        return sum(self.blocks)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Free entries of the lower triangular factor."""
        mask = np.zeros((self.size, self.size), dtype=bool)
        start = 0
        for size in self.blocks:
            mask[start : start + size, start : start + size] = np.tril(np.ones((size, size), dtype=bool))
            start += size
        return mask

    @property
    def n_parameters(self) -> int:
        """Number of variances and covariances."""
        return sum(size * (size + 1) // 2 for size in self.blocks)

    def factor(self, theta: Array) -> Array:
        """Fill a lower triangular factor, shape (..., q, q), from its free entries, shape (..., k)."""
        out = np.zeros((*theta.shape[:-1], self.size, self.size), dtype=theta.dtype)
        out[..., self.mask] = theta
        return out


@dataclass(frozen=True, kw_only=True)
class ResidualShape:
    """Residuals of a patient: their correlation over visits, and SDs by group.

    Parameters
    ----------
    kind : {"id", "cs", "ar1", "car1", "toep", "un"}
        Independent; compound symmetry; autoregressive over whole-numbered visits, over continuous time; Toeplitz; any.
    variable : str
        Of the visits; empty for ``id`` and ``cs``.
    levels : tuple of str
        The visits of ``toep`` and ``un``, in order; ``cs`` needs their greatest number only.
    gap : float
        Median time between neighbouring visits: the parameter of ``car1`` is the correlation over this time.
    variance : str
        Variable whose groups have residual SDs of their own; empty for one SD.
    groups : tuple of str
        Its levels.
    """

    kind: Kind = "id"
    variable: str = ""
    levels: tuple[str, ...] = ()
    gap: float = 1.0
    variance: str = ""
    groups: tuple[str, ...] = ("",)

    @property
    def n_correlation(self) -> int:
        """Number of correlation parameters."""
        m = len(self.levels)
        return {"id": 0, "cs": 1, "ar1": 1, "car1": 1, "toep": m - 1, "un": m * (m - 1) // 2}[self.kind]

    @property
    def lowest(self) -> float:
        """Least correlation that compound symmetry permits."""
        return -1.0 / max(len(self.levels) - 1, 1)

    def correlation(self, u: NDArray[Any], position: Array) -> NDArray[Any]:
        """Return correlation matrices of residuals.

        Parameters
        ----------
        u : ndarray, shape (s, n_correlation)
            Parameters on the whole real line.
        position : ndarray, shape (g, n)
            Of each pattern's visits: number of the visit, or time in units of ``gap``.

        Returns
        -------
        ndarray, shape (s, g, n, n)
        """
        n = position.shape[1]
        distance = np.abs(position[:, :, None] - position[:, None, :])
        if self.kind == "id":
            return np.broadcast_to(np.eye(n), (len(u), *distance.shape))
        if self.kind in ("toep", "un"):
            whole = self.matrix(u)
            at = position.astype(int)
            return whole[:, at[:, :, None], at[:, None, :]]
        first = u[:, 0][:, None, None, None]
        if self.kind == "car1":
            return np.exp(-np.exp(-first) * distance)
        if self.kind == "ar1":
            powers: NDArray[Any] = np.tanh(first) ** distance.astype(int)
            return powers
        rho = self.lowest + (1.0 - self.lowest) / (1.0 + np.exp(-first))
        same = np.broadcast_to(np.eye(n), distance.shape)
        return same + (1.0 - same) * rho

    def matrix(self, u: NDArray[Any]) -> NDArray[Any]:
        """Correlation of all visits under ``toep`` and ``un``, shape (s, m, m)."""
        m = len(self.levels)
        if self.kind == "toep":
            lags = autocorrelations(np.tanh(u))
            lag = np.abs(np.arange(m)[:, None] - np.arange(m))
            return lags[:, lag]
        root = correlation_root(np.tanh(u), m)
        whole: NDArray[Any] = root @ np.swapaxes(root, -1, -2)
        return whole

    def natural(self, u: Array) -> Array:
        """Correlations as they are reported, shape (s, n_correlation): lags of ``toep``, pairs of ``un`` by row."""
        if self.kind == "id":
            return np.zeros((len(u), 0))
        if self.kind == "toep":
            return autocorrelations(np.tanh(u))[:, 1:]
        if self.kind == "un":
            rows, columns = np.tril_indices(len(self.levels), -1)
            pairs: Array = self.matrix(u)[:, rows, columns]
            return pairs
        out: Array = self.correlation(u, np.array([[0.0, 1.0]]))[:, 0, 0, 1][:, None].real
        return out

    @property
    def correlation_names(self) -> tuple[str, ...]:
        """Names of what :meth:`natural` returns."""
        if self.kind == "toep":
            return tuple(f"lag {k}" for k in range(1, len(self.levels)))
        if self.kind == "un":
            rows, columns = np.tril_indices(len(self.levels), -1)
            return tuple(f"{self.levels[j]}, {self.levels[i]}" for i, j in zip(rows, columns, strict=True))
        if self.kind == "car1":
            return (f"over {self.gap:g} of {self.variable}",)
        return ({"cs": "any two visits", "ar1": "one visit apart"}[self.kind],) if self.kind != "id" else ()


def autocorrelations(partial: NDArray[Any]) -> NDArray[Any]:
    """Turn partial autocorrelations, shape (s, m - 1), into autocorrelations of lags 0 to m - 1 (Durbin-Levinson).

    Any values within (-1, 1) give a positive definite Toeplitz matrix (Barndorff-Nielsen & Schou 1973,
    doi:10.1016/0047-259X(73)90030-4).
    """
    count = partial.shape[1]
    lags = np.ones((len(partial), count + 1), dtype=partial.dtype)
    weights = np.zeros((len(partial), 0), dtype=partial.dtype)
    left = np.ones(len(partial), dtype=partial.dtype)
    for k in range(count):
        last = partial[:, k]
        lags[:, k + 1] = last * left + np.sum(weights * lags[:, k:0:-1], axis=1)
        weights = np.column_stack([weights - last[:, None] * weights[:, ::-1], last])
        left = left * (1.0 - last**2)
    return lags


def correlation_root(partial: NDArray[Any], size: int) -> NDArray[Any]:
    """Turn canonical partial correlations into the Cholesky factor of a correlation matrix, shape (s, size, size).

    Row by row, as in Lewandowski, Kurowicka & Joe 2009 (doi:10.1016/j.jmva.2009.04.008).
    """
    root = np.zeros((len(partial), size, size), dtype=partial.dtype)
    root[:, 0, 0] = 1.0
    at = 0
    for i in range(1, size):
        left = np.ones(len(partial), dtype=partial.dtype)
        for j in range(i):
            root[:, i, j] = partial[:, at] * np.sqrt(left)
            left = left * (1.0 - partial[:, at] ** 2)
            at += 1
        root[:, i, i] = np.sqrt(left)
    return root


def lkj_exponents(size: int, eta: float) -> Array:
    r"""Exponents a of the densities :math:`(1-\rho^2)^{a-1}` of canonical partial correlations under LKJ(eta)."""
    return np.array([eta + (size - 2 - j) / 2.0 for i in range(1, size) for j in range(i)])


def log_partial_density(z: Array, exponents: Array) -> Array:
    """Log density of partial correlations tanh(z), shape (s, k), with the Jacobian of tanh; summed over k."""
    sizes = np.abs(z)
    log_one_minus_square = 2.0 * (math.log(2.0) - sizes - np.log1p(np.exp(-2.0 * sizes)))
    constant = sum(
        2.0 * math.lgamma(a) - math.lgamma(2.0 * a) + (2.0 * a - 1.0) * math.log(2.0) for a in exponents
    )
    density: Array = log_one_minus_square @ exponents - constant
    return density


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Covariance parameters of ``s`` points, relative to the residual variance of the first group.

    Parameters
    ----------
    patient, cluster : ndarray, shape (s, q, q) and (s, r, r)
        Relative factors of the random effects.
    u : ndarray, shape (s, k)
        Correlation parameters of the residuals.
    log_ratio : ndarray, shape (s, g)
        Log residual SDs relative to the first group, which is 0.
    """

    patient: NDArray[Any]
    cluster: NDArray[Any]
    u: NDArray[Any]
    log_ratio: NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Everything that the covariance of the rows is made of."""

    patient: RandomShape
    cluster: RandomShape
    residual: ResidualShape

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Number of parameters: patients' effects, clusters' effects, correlations, SD ratios."""
        return (
            self.patient.n_parameters,
            self.cluster.n_parameters,
            self.residual.n_correlation,
            len(self.residual.groups) - 1,
        )

    def split(self, theta: Array) -> Parameters:
        """Turn parameter vectors, shape (s, k), into what they stand for."""
        first, second, third, _ = np.cumsum(self.sizes)
        ratios = theta[:, third:]
        return Parameters(
            patient=self.patient.factor(theta[:, :first]),
            cluster=self.cluster.factor(theta[:, first:second]),
            u=theta[:, second:third],
            log_ratio=np.concatenate([np.zeros((len(theta), 1), dtype=theta.dtype), ratios], axis=1),
        )
