"""Sufficient statistics of a design: sums of products by patient, patients with the same visits kept together."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.inference.fits import Array


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What the rows contribute to the likelihood.

    The fixed columns are held in an orthonormal basis (``x = q @ basis``) and the outcome as its residual
    from least squares, so that no later difference loses digits, whatever the units of time or outcome.
    ``d`` below is ``[q, residual]`` with ``p + 1`` columns; ``m`` counts the pairs of its columns, ``u`` the
    pairs of random columns.

    Parameters
    ----------
    n_rows, n_patients : int
        Counts.
    basis : ndarray, shape (p, p)
        Upper triangular; ``x = q @ basis``.
    beta_ols : ndarray, shape (p,)
        Least-squares coefficients.
    z_basis : ndarray, shape (q, q)
        Upper triangular; ``z = w @ z_basis`` with columns of ``w`` orthogonal over all rows, so that a far
        origin of time costs no digits. All that follows is in terms of ``w``.
    zz : ndarray, shape (g, q, q)
        ``w'w`` of each schedule.
    counts : ndarray, shape (g,)
        Patients with each schedule.
    dd : ndarray, shape (p + 1, p + 1)
        ``d'd`` over all rows.
    moments : ndarray, shape (g, u, m)
        Sums over a schedule's patients of products of ``w'd``.
    patient_zd : ndarray, shape (n_patients, q, p + 1)
        ``w'd`` of each patient.
    patient_dd : ndarray, shape (n_patients, m)
        ``d'd`` of each patient, pairs ``a <= b``.
    patient_rows, schedule : ndarray, shape (n_patients,)
        Rows of each patient; its schedule.
    """

    n_rows: int
    n_patients: int
    basis: Array
    beta_ols: Array
    z_basis: Array
    zz: Array
    counts: Array
    dd: Array
    moments: Array
    patient_zd: Array
    patient_dd: Array
    patient_rows: NDArray[np.int64]
    schedule: NDArray[np.int64]

    @functools.cached_property
    def stacked(self) -> Array:
        """For two random columns: moments, and what of them goes with ``adj(A)``, shape (g, 4 * m)."""
        a, b, c = self.zz[:, 0, 0], self.zz[:, 0, 1], self.zz[:, 1, 1]
        first, between, second = (self.moments[:, k] for k in range(3))
        adjugate = c[:, None] * first - b[:, None] * between + a[:, None] * second
        # One visit, or all at one time: nothing is left but rounding, which a large |Gamma| would blow up.
        adjugate[_is_singular(a, b, c)] = 0.0
        return np.concatenate([self.moments, adjugate[:, None]], axis=1).reshape(len(a), -1)

    @property
    def p(self) -> int:
        """Number of fixed coefficients."""
        return int(self.basis.shape[0])

    @property
    def q(self) -> int:
        """Number of random coefficients."""
        return int(self.z_basis.shape[0])


def summarise(y: Array, x: Array, z: Array, patient_index: NDArray[np.int64]) -> Statistics:
    """Gather the sufficient statistics in one pass over the rows.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Outcome.
    x : ndarray, shape (n, p)
        Fixed columns, of full rank.
    z : ndarray, shape (n, q)
        Random columns.
    patient_index : ndarray of int, shape (n,)
        0, 1, ... non-decreasing.

    Returns
    -------
    Statistics

    Raises
    ------
    ValueError
        If ``patient_index`` is not sorted or there are fewer rows than fixed columns.
    """
    if len(y) < x.shape[1] + 1:
        raise ValueError(f"{len(y)} rows cannot carry {x.shape[1]} fixed coefficients and a residual")
    starts = np.flatnonzero(np.diff(patient_index, prepend=-1))
    if np.any(np.diff(patient_index) < 0):
        raise ValueError("rows must be sorted by patient")
    basis_q, basis = np.linalg.qr(x)
    beta_ols = np.linalg.solve(basis, basis_q.T @ y)
    d = np.column_stack([basis_q, y - x @ beta_ols])
    z_basis = random_basis(z)
    zs = np.linalg.solve(z_basis.T, z.T).T
    first, second = _upper_pairs(d.shape[1])
    zz_patient = np.add.reduceat(zs[:, :, None] * zs[:, None, :], starts)
    zd = np.add.reduceat(zs[:, :, None] * d[:, None, :], starts)
    schedule, zz, counts = _schedules(zz_patient)
    return Statistics(
        n_rows=len(y),
        n_patients=len(starts),
        basis=basis,
        beta_ols=beta_ols,
        z_basis=z_basis,
        zz=zz,
        counts=counts,
        dd=d.T @ d,
        moments=_moments(zd, schedule, len(zz)),
        patient_zd=zd,
        patient_dd=np.add.reduceat(d[:, first] * d[:, second], starts),
        patient_rows=np.diff(np.append(starts, len(y))),
        schedule=schedule,
    )


def has_residual(stats: Statistics, y: Array) -> bool:
    """Return whether the fixed columns leave any residual beyond rounding."""
    return bool(stats.dd[-1, -1] > 1e-20 * max(float(y @ y), 1e-300))


def random_basis(z: Array) -> Array:
    """Return the upper triangular B with columns of z @ inv(B) orthogonal and of mean square one.

    A column that the earlier ones already give (every visit at the same time) keeps its own scale.
    """
    basis = np.linalg.qr(z, mode="r") / np.sqrt(len(z))
    basis *= np.where(np.diagonal(basis) < 0.0, -1.0, 1.0)[:, None]
    scale = np.sqrt(np.mean(z**2, axis=0))
    diagonal = np.diagonal(basis)
    np.fill_diagonal(basis, np.where(diagonal > 1e-9 * scale, diagonal, np.where(scale > 0.0, scale, 1.0)))
    upper: Array = basis
    return upper


def _schedules(zz: Array) -> tuple[NDArray[np.int64], Array, Array]:
    """Return a number to each distinct ``Z'Z``; rounding to 12 digits lets equal schedules meet.

    Numbers are in the order of first patients: where none share their times, nothing is moved in memory.
    """
    rounded = np.round(zz.reshape(len(zz), -1), 12)
    _, first, index, counts = np.unique(
        rounded, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first)
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    return number[index.reshape(-1)].astype(np.int64), zz[first[order]], counts[order].astype(float)


def _moments(zd: Array, schedule: NDArray[np.int64], n_schedules: int) -> Array:
    """Sum over each schedule's patients the symmetrised products of ``Z'd``, shape (g, u, m)."""
    q, width = zd.shape[1:]
    k, l = _upper_pairs(q)
    a, b = _upper_pairs(width)
    order = np.argsort(schedule, kind="stable")
    starts = np.searchsorted(schedule[order], np.arange(n_schedules))
    out = np.empty((n_schedules, len(k), len(a)))
    for pair, (i, j) in enumerate(zip(k, l, strict=True)):
        product = zd[:, i][:, a] * zd[:, j][:, b]
        if i != j:
            product += zd[:, j][:, a] * zd[:, i][:, b]
        out[:, pair] = np.add.reduceat(product[order], starts, axis=0)
    return out


def _is_singular(a: Array, b: Array, c: Array) -> NDArray[np.bool_]:
    """Whether [[a, b], [b, c]] has a determinant of zero but for rounding."""
    singular: NDArray[np.bool_] = a * c - b * b <= 1e-13 * a * c
    return singular


@functools.lru_cache(maxsize=64)
def _upper_pairs(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of each entry of an upper triangle; kept, since a search asks for them at every step."""
    first, second = (np.asarray(index, dtype=np.int64) for index in np.triu_indices(size))
    first.flags.writeable = second.flags.writeable = False
    return first, second
