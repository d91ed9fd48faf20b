r"""Sufficient statistics of patients with a common covariance, for :mod:`bayes_alliance.inference.lmm.likelihood`.

Patients with the same visits, random columns and residual groups have the same V; within a cluster, only the sums over
them of products of ``d = [w, q, residual]`` enter the likelihood (``w`` the random columns of clusters, ``q`` an
orthonormal basis of the fixed columns). Where residuals are independent with one SD a patient, the rows of a patient
with more visits than random columns are first rotated: as many rows as random columns carry all of ``Z``; the others
have independent residuals and are pooled. So cost and memory do not grow with visits there.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.errors import FitError
from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.lmm.structure import Structure

Index = NDArray[np.int64]
_MOST_NUMBERS = 150_000_000


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Arrays of one model, sorted by cluster and patient.

    Parameters
    ----------
    y, x : ndarray, shape (n,) and (n, p)
        Outcome and fixed columns.
    z, w : ndarray, shape (n, q) and (n, r)
        Random columns of patients and of clusters.
    patient, cluster : ndarray of int, shape (n,)
        Numbers of patients, each in one block and within one cluster; numbers of clusters, -1 for none.
    position : ndarray, shape (n,)
        Number of the visit or time, as :class:`ResidualShape` wants it; zeros where it is not used.
    group : ndarray of int, shape (n,)
        Group of the residual SD.
    crossing : ndarray of int, shape (n,), optional
        Where the upper level crosses the patients, its group of each row; all patients are then in one cluster, whose
        effects are those of all groups together.
    """

    y: Array
    x: Array
    z: Array
    w: Array
    patient: Index
    cluster: Index
    position: Array
    group: Index
    crossing: Index | None = None

    @property
    def copies(self) -> int:
        """Groups of a crossed level; 1 for a nested one."""
        return 1 if self.crossing is None else int(self.crossing.max()) + 1

    @property
    def upper(self) -> Array:
        """Columns of a cluster's effects: those of a crossed level stand once for each of its groups."""
        if self.crossing is None:
            return self.w
        own = np.equal.outer(self.crossing, np.arange(self.copies))
        columns: Array = (own[:, :, None] * self.w[:, None, :]).reshape(len(self.w), -1)
        return columns


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Patterns of ``n`` rows each, and what patients of each pattern contribute, cluster by cluster.

    Parameters
    ----------
    z : ndarray, shape (g, n, q)
        Random columns.
    position, group : ndarray, shape (g, n)
        Of the residuals.
    counts : ndarray, shape (g,)
        Patients of each pattern.
    pattern, cluster : ndarray of int, shape (c,)
        Of each cell.
    moments : ndarray, shape (c, j, m)
        Sums over the patients of a cell of products of rows a <= b (j) and columns (m) of ``d``.
    """

    z: Array
    position: Array
    group: Index
    counts: Array
    pattern: Index
    cluster: Index
    moments: Array

    @property
    def n(self) -> int:
        """Rows of each pattern."""
        return int(self.z.shape[1])


@dataclass(frozen=True, kw_only=True)
class PatternStatistics:
    """What the rows contribute to the likelihood; ``basis`` and ``beta_ols`` as in ``inference.statistics``."""

    structure: Structure
    n_rows: int
    n_patients: int
    n_clusters: int
    basis: Array
    beta_ols: Array
    rss_ols: float
    stacks: tuple[Stack, ...]
    copies: int = 1

    @property
    def p(self) -> int:
        """Number of fixed coefficients."""
        return int(self.basis.shape[0])

    @property
    def r(self) -> int:
        """Number of effects of a cluster: those of every group of a crossed level."""
        return self.structure.cluster.size * self.copies

    def spread(self, matrices: NDArray[Any]) -> NDArray[Any]:
        """Put a matrix of one group's effects on the diagonal for every group of a crossed level, shape (..., r, r)."""
        return matrices if self.copies == 1 else np.kron(np.eye(self.copies), matrices)


def summarise_patterns(rows: Rows, structure: Structure) -> PatternStatistics:
    """Gather the sufficient statistics.

    Raises
    ------
    FitError
        If the statistics would not fit into memory: long series of unequal times with correlated residuals.
    """
    basis_q, basis = np.linalg.qr(rows.x)
    beta_ols = np.linalg.solve(basis, basis_q.T @ rows.y)
    residual = rows.y - rows.x @ beta_ols
    width = rows.copies * rows.w.shape[1] + len(basis) + 1
    if rows.crossing is not None and len(rows.y) * width * (width + 1) // 2 > _MOST_NUMBERS:
        raise FitError(
            f"{rows.copies} crossed groups and {len(rows.y)} rows need {len(rows.y) * width**2 * 4 / 1e9:.0f} GB of "
            "products; crossed factors of this size are fitted by lmer of lme4"
        )
    d = np.column_stack([rows.upper, basis_q, residual])
    cluster = np.where(rows.cluster < 0, rows.cluster.max() + 1, rows.cluster)
    _, cluster = np.unique(cluster, return_inverse=True)
    by_size = _by_size(rows, d, cluster.astype(np.int64), rotate=_can_rotate(rows, structure))
    stacks = tuple(_stack(part, width) for _, part in sorted(by_size.items()))
    return PatternStatistics(
        structure=structure,
        n_rows=len(rows.y),
        n_patients=len(np.unique(rows.patient)),
        n_clusters=int(cluster.max()) + 1,
        basis=basis,
        beta_ols=beta_ols,
        rss_ols=float(residual @ residual),
        stacks=stacks,
        copies=rows.copies,
    )


def _can_rotate(rows: Rows, structure: Structure) -> bool:
    """Whether residuals are independent with one SD within each patient."""
    within = np.diff(rows.patient) == 0
    return structure.residual.kind == "id" and not bool(np.any(np.diff(rows.group)[within] != 0))


@dataclass
class _Part:
    """Patients of one number of rows, before patterns are told apart."""

    z: list[Array]
    d: list[Array]
    position: list[Array]
    group: list[Index]
    cluster: list[int]


def _by_size(rows: Rows, d: Array, cluster: Index, *, rotate: bool) -> dict[int, _Part]:
    starts = np.flatnonzero(np.diff(rows.patient, prepend=-1))
    ends = np.append(starts[1:], len(rows.y))
    q = rows.z.shape[1]
    parts: dict[int, _Part] = {}
    for start, end in zip(starts, ends, strict=True):
        z, own = rows.z[start:end], d[start:end]
        position, group = rows.position[start:end], rows.group[start:end]
        if rotate and end - start > q:
            turn, _ = np.linalg.qr(z, mode="complete") if q else (np.eye(end - start), None)
            z, own = turn.T @ z, turn.T @ own
            z[:q] *= (signs := np.where(np.diagonal(z[:q]) < 0.0, -1.0, 1.0))[:, None]
            own[:q] *= signs[:, None]
            position = np.zeros(end - start)
            for row in own[q:]:
                _put(parts, np.zeros((1, q)), row[None], position[:1], group[:1], int(cluster[start]))
            z, own, position, group = z[:q], own[:q], position[:q], group[:q]
        if len(own):
            _put(parts, z, own, position, group, int(cluster[start]))
    return parts


def _put(parts: dict[int, _Part], z: Array, d: Array, position: Array, group: Index, cluster: int) -> None:
    part = parts.setdefault(len(d), _Part([], [], [], [], []))
    part.z.append(z)
    part.d.append(d)
    part.position.append(position)
    part.group.append(group)
    part.cluster.append(cluster)


def _stack(part: _Part, width: int) -> Stack:
    z, d = np.stack(part.z), np.stack(part.d)
    position, group = np.stack(part.position), np.stack(part.group)
    scale = np.maximum(np.max(np.abs(z), axis=(0, 1), initial=0.0), 1e-300)
    key = np.concatenate(
        [np.round(z / scale, 11).reshape(len(z), -1) + 0.0, np.round(position, 9), group], axis=1
    )
    _, first, pattern = np.unique(key, axis=0, return_index=True, return_inverse=True)
    pattern = pattern.reshape(-1)
    cluster = np.array(part.cluster)
    order = np.lexsort((pattern, cluster))
    changed = (np.diff(cluster[order], prepend=-1) != 0) | (np.diff(pattern[order], prepend=-1) != 0)
    starts = np.flatnonzero(changed)
    rows_a, _ = upper_pairs(d.shape[1])
    needed = len(starts) * len(rows_a) * width * (width + 1) // 2
    if needed > _MOST_NUMBERS:
        raise FitError(
            f"{d.shape[1]} visits at times that few patients share, with correlated residuals and {width} columns, "
            f"need {needed * 8 / 1e9:.0f} GB of sums; use independent residuals, or round the times so that "
            "patients share them"
        )
    return Stack(
        z=z[first],
        position=position[first],
        group=group[first],
        counts=np.bincount(pattern).astype(float),
        pattern=pattern[order][starts].astype(np.int64),
        cluster=cluster[order][starts].astype(np.int64),
        moments=_moments(d[order], starts),
    )


def _moments(d: Array, starts: Index) -> Array:
    rows_a, rows_b = upper_pairs(d.shape[1])
    left, right = upper_pairs(d.shape[2])
    out = np.empty((len(starts), len(rows_a), len(left)))
    for at, (a, b) in enumerate(zip(rows_a, rows_b, strict=True)):
        product = d[:, a][:, left] * d[:, b][:, right]
        if a != b:
            product += d[:, b][:, left] * d[:, a][:, right]
        out[:, at] = np.add.reduceat(product, starts, axis=0)
    return out


@functools.lru_cache(maxsize=64)
def upper_pairs(size: int) -> tuple[Index, Index]:
    """Row and column of each entry of an upper triangle."""
    first, second = np.triu_indices(size)
    return first.astype(np.int64), second.astype(np.int64)
