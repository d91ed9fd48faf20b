"""A model ready to be fitted: columns in orthogonal bases, and the way back to the units of the formula."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.errors import FitError
from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.lmm.patterns import PatternStatistics, Rows, summarise_patterns
from bayes_alliance.inference.lmm.structure import RandomShape, Structure
from bayes_alliance.inference.statistics import random_basis

_MOST_PATIENTS = 400


@dataclass(frozen=True, kw_only=True)
class LmmModel:
    """Statistics of a model with its names.

    Parameters
    ----------
    stats : PatternStatistics
        With random columns in orthogonal bases, so that a far origin of time costs no digits.
    patient_basis, cluster_basis : ndarray, shape (q, q) and (r, r)
        Upper triangular by block; columns of the formula are columns of the statistics times these.
    x_names : tuple of str
        Fixed coefficients.
    """

    stats: PatternStatistics
    patient_basis: Array
    cluster_basis: Array
    x_names: tuple[str, ...]

    @property
    def structure(self) -> Structure:
        """The covariance structure."""
        return self.stats.structure


def build_model(rows: Rows, structure: Structure, x_names: tuple[str, ...]) -> LmmModel:
    """Gather what the rows say, after a check that they can tell the variance parameters apart.

    Raises
    ------
    FitError
        If they cannot, if a random column is zero everywhere, or if the fixed part leaves no residual.
    """
    bases = []
    for columns, shape in ((rows.z, structure.patient), (rows.w, structure.cluster)):
        idle = [name for name, column in zip(shape.names, columns.T, strict=True) if not np.any(column)]
        if idle:
            raise FitError(f"the random effect of {idle[0]} has a column of zeros: nothing can be estimated")
        bases.append(_block_basis(columns, shape))
    patient, cluster = bases
    expressed = dataclasses.replace(
        rows, z=np.linalg.solve(patient.T, rows.z.T).T, w=np.linalg.solve(cluster.T, rows.w.T).T
    )
    stats = summarise_patterns(expressed, structure)
    if stats.rss_ols <= 1e-20 * max(float(rows.y @ rows.y), 1e-300):
        raise FitError("the fixed part fits the outcome without any residual; nothing is left to estimate")
    fault = identification_fault(stats, expressed)
    if fault:
        raise FitError(fault)
    return LmmModel(stats=stats, patient_basis=patient, cluster_basis=cluster, x_names=x_names)


def _block_basis(columns: Array, shape: RandomShape) -> Array:
    basis = np.zeros((shape.size, shape.size))
    start = 0
    for size in shape.blocks:
        some = slice(start, start + size)
        basis[some, some] = random_basis(columns[:, some])
        start += size
    return basis


def identification_fault(stats: PatternStatistics, rows: Rows) -> str:
    """Say why the variance parameters cannot be told apart on these rows; empty where they can.

    The derivatives of the covariance of a cluster's rows by the parameters must be linearly independent, at a
    point without ties (Demidenko 2013, Mixed Models, section 3.2, doi:10.1002/9781118651537, for parameters that enter
    linearly; Rothenberg 1971, doi:10.2307/1913267, for others).
    """
    count = sum(stats.structure.sizes)
    if not count:
        return ""
    point = np.random.default_rng(7).uniform(0.3, 0.7, count)
    chosen = _distinct_patients(rows)
    columns = [_total_covariance(stats, rows, point, chosen)]
    for k in range(count):
        moved = point.astype(complex)
        moved[k] += 1e-30j
        columns.append(_total_covariance(stats, rows, moved, chosen).imag / 1e-30)
    jacobian = np.real(np.array(columns).T)
    norms = np.linalg.norm(jacobian, axis=0)
    rank = np.linalg.matrix_rank(jacobian / np.maximum(norms, 1e-300), tol=1e-7)
    if np.all(norms > 0.0) and rank == jacobian.shape[1]:
        return ""
    return (
        f"the {jacobian.shape[1]} variance parameters of this model cannot be told apart on these rows "
        f"(only {rank} can): random effects and residual correlation may say the same twice, some pair of visits may "
        "never occur in one patient, or there may be too few visits a patient or patients a cluster; take a random "
        "effect out or choose a simpler residual structure"
    )


def _total_covariance(stats: PatternStatistics, rows: Rows, theta: Array, chosen: list[slice]) -> Array:
    """Distinct entries of the covariance of rows: within some patients, then between patients of one cluster."""
    structure = stats.structure
    found = structure.split(theta[None])
    patient = found.patient[0] @ found.patient[0].T
    cluster = stats.spread(found.cluster[0] @ found.cluster[0].T)
    columns = rows.upper
    ratio = np.exp(found.log_ratio[0])
    parts = []
    for some in chosen:
        z, w, sd = rows.z[some], columns[some], ratio[rows.group[some]]
        residual = structure.residual.correlation(found.u, rows.position[None, some])[0, 0]
        whole = z @ patient @ z.T + w @ cluster @ w.T + residual * sd[:, None] * sd
        parts.append(whole[np.triu_indices(len(z))])
    if structure.cluster.size:
        # Entries between two patients of a cluster hold the upper level alone.
        starts = np.flatnonzero(np.diff(rows.patient, prepend=-1))
        shared = np.diff(rows.cluster[starts], prepend=-2) == 0
        pairs = _neighbours(rows, starts, shared)
        first, second = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        parts.append(np.sum((columns[first] @ cluster) * columns[second], axis=1))
    return np.concatenate(parts)


def _distinct_patients(rows: Rows) -> list[slice]:
    """Rows of patients whose visits and columns differ, at most a few hundred."""
    starts = np.flatnonzero(np.diff(rows.patient, prepend=-1))
    table = np.column_stack([rows.z, rows.upper, rows.position, rows.group])
    found: dict[bytes, slice] = {}
    for start, end in zip(starts.tolist(), np.append(starts[1:], len(rows.y)).tolist(), strict=True):
        found.setdefault(np.round(table[start:end], 9).tobytes(), slice(start, end))
        if len(found) >= _MOST_PATIENTS:
            break
    return list(found.values())


def _neighbours(rows: Rows, starts: NDArray[Any], shared: NDArray[Any]) -> list[tuple[int, int]]:
    """Pairs of rows of neighbouring patients in one cluster, at most a few thousand."""
    ends = np.append(starts[1:], len(rows.y))
    found: list[tuple[int, int]] = []
    for i in np.flatnonzero(shared):
        if rows.cluster[starts[i]] < 0:
            continue
        found += [(a, b) for a in range(starts[i - 1], ends[i - 1]) for b in range(starts[i], ends[i])]
        if len(found) > 4000:
            break
    return found
