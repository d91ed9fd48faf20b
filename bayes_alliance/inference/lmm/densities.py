r"""Predictive densities of patients, clusters and visits, draw by draw, with all random effects integrated out.

For patient *i* of cluster *k*, residual :math:`r_i` and covariance :math:`V_i` given the cluster's effects, with
:math:`S_i = W_i'V_i^{-1}W_i`, :math:`t_i = W_i'V_i^{-1}r_i` and covariance :math:`G` of the cluster's effects,

.. math:: \log p(y_k) = \sum_i \log N(r_i; 0, V_i) - \tfrac12\log|I + SG| + \tfrac12 t'G(I + SG)^{-1}t,

sums over the patients of the cluster. A patient given the others of the cluster is the difference of two such terms
(Buerkner, Gabry & Vehtari 2021, doi:10.1007/s00180-020-01045-4, for models whose density does not factor).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, PosteriorFit
from bayes_alliance.inference.lmm.design import StructuredDesign
from bayes_alliance.inference.lmm.fit_design import structured_of
from bayes_alliance.inference.lmm.likelihood import weigh_patterns
from bayes_alliance.inference.lmm.model import LmmModel
from bayes_alliance.inference.lmm.patterns import Index
from bayes_alliance.inference.lmm.structure import Parameters

_LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Draws of all parameters, one after another."""

    beta: Array
    patient_cov: Array
    cluster_cov: Array
    residual: Array
    residual_sd: Array

    @classmethod
    def of(cls, fit: PosteriorFit | Draws) -> Draws:
        """Take them out of a fit, unless they are draws already."""
        if isinstance(fit, Draws):
            return fit
        flat = {
            name: values.reshape(fit.n_draws, *values.shape[2:])
            for name, values in fit.covariance_draws.items()
        }
        return cls(beta=fit.beta.reshape(fit.n_draws, -1), **flat)


@dataclass(frozen=True, kw_only=True)
class _Patient:
    """One patient, draw by draw: log density, what it tells of its cluster, and its precision."""

    rows: Index
    number: int
    cluster: int
    log_density: Array
    square: Array
    cross: Array
    white: Array
    root: Array


def patient_densities(fit: PosteriorFit, design: Design) -> Array:
    """Log density of each patient given the others of the cluster, shape (s, n_patients), patients as in the design."""
    about = structured_of(design)
    draws = Draws.of(fit)
    out = np.empty((len(draws.beta), design.n_patients))
    for members in _by_cluster(about, draws):
        total = _total(members)
        whole = _cluster_term(*total[1:], draws.cluster_cov)
        for one in members:
            if one.cluster < 0 or not about.cluster:
                out[:, one.number] = one.log_density
                continue
            rest = _cluster_term(total[1] - one.square, total[2] - one.cross, draws.cluster_cov)
            out[:, one.number] = one.log_density + whole - rest
    return out


def cluster_densities(fit: PosteriorFit | Draws, design: Design, clusters: Index) -> Array:
    """Log density of each cluster, shape (s, n_clusters).

    Parameters
    ----------
    fit, design
        Of a model with or without effects of these clusters.
    clusters : ndarray of int, shape (n_patients,)
        Which unit each patient of the design belongs to, from 0; a patient without a cluster is one of its own.
    """
    about = structured_of(design)
    draws = Draws.of(fit)
    out = np.zeros((len(draws.beta), int(clusters.max()) + 1))
    for members in _by_cluster(about, draws):
        for one in members:
            out[:, clusters[one.number]] += one.log_density
        if about.cluster and members[0].cluster >= 0:
            total = _total(members)
            out[:, clusters[members[0].number]] += _cluster_term(*total[1:], draws.cluster_cov)
    return out


def joint_densities(fit: PosteriorFit | Draws, design: Design) -> Array:
    """Log densities of independent units, which sum to the log likelihood: clusters, or patients without any."""
    about = structured_of(design)
    starts = np.flatnonzero(np.diff(about.rows.patient, prepend=-1))
    units = np.empty(design.n_patients, dtype=np.int64)
    alone = (about.rows.cluster[starts] < 0) | (not about.cluster)
    keys = np.where(alone, about.rows.cluster.max() + 1 + np.arange(len(starts)), about.rows.cluster[starts])
    _, units[about.patient_of] = np.unique(keys, return_inverse=True)
    return cluster_densities(fit, design, units)


def visit_predictions(fit: PosteriorFit, design: Design) -> tuple[Array, Array]:
    """Predict each visit from the patient's others and from the others of the cluster.

    Returns
    -------
    residual, variance : ndarray, shape (s, n_rows)
        Observed minus predicted, and the predictive variance, rows as in the design.
    """
    about = structured_of(design)
    draws = Draws.of(fit)
    shape = (len(draws.beta), design.n_rows)
    residual, variance = np.empty(shape), np.empty(shape)
    for members in _by_cluster(about, draws):
        kernel = step = None
        if about.cluster and members[0].cluster >= 0:
            _, square, cross = _total(members)
            kernel = _kernel(square, draws.cluster_cov)
            step = np.einsum("sab,sb->sa", kernel, cross)
        for one in members:
            precision = np.einsum("sij,sij->sj", one.root, one.root)
            weighted = np.einsum("sij,si->sj", one.root, one.white[..., -1])
            if kernel is not None and step is not None:
                columns = np.einsum("sij,sia->sja", one.root, one.white[..., :-1])
                precision = precision - np.einsum("sja,sab,sjb->sj", columns, kernel, columns)
                weighted = weighted - np.einsum("sja,sa->sj", columns, step)
            at = about.order[one.rows]
            residual[:, at], variance[:, at] = weighted / precision, 1.0 / precision
    return residual, variance


def log_likelihoods(fit: PosteriorFit | Draws, model: LmmModel) -> Array:
    """Log likelihood of each draw, random effects integrated out, shape (s,); from sums over patients."""
    draws, stats = Draws.of(fit), model.stats
    first = draws.residual_sd[:, :1]
    parameters = Parameters(
        patient=model.patient_basis @ _root(draws.patient_cov) / first[..., None],
        cluster=model.cluster_basis @ _root(draws.cluster_cov) / first[..., None],
        u=draws.residual,
        log_ratio=np.log(draws.residual_sd / first),
    )
    logdet, quadratic = weigh_patterns(stats, parameters)
    gamma = (draws.beta - stats.beta_ols) @ stats.basis.T
    v = np.concatenate([-gamma, np.ones((len(gamma), 1))], axis=1)
    variance = first[:, 0] ** 2
    squares = np.einsum("sa,sab,sb->s", v, quadratic, v) / variance
    result: Array = -0.5 * (logdet + stats.n_rows * (_LOG_2PI + np.log(variance)) + squares)
    return result


def simulate_rows(
    fit: PosteriorFit | Draws, design: Design, chosen: NDArray[np.int64], rng: np.random.Generator
) -> Array:
    """Draw outcomes of new clusters and new patients at the same visits, shape (len(chosen), n_rows)."""
    about = structured_of(design)
    draws = _take(Draws.of(fit), chosen)
    rows = about.rows
    out = np.empty((len(chosen), design.n_rows))
    values = draws.beta @ rows.x.T
    clusters, number = np.unique(rows.cluster, return_inverse=True)
    if about.structure.cluster.size:
        noise = rng.standard_normal((len(chosen), len(clusters), about.structure.cluster.size))
        effects = np.einsum("sab,skb->ska", _root(draws.cluster_cov), noise)
        values += np.einsum("na,sna->sn", rows.w, effects[:, number])
    for some, stacked in _patterns(about):
        covariance = _covariances(about, draws, some)
        noise = rng.standard_normal((len(chosen), *stacked.shape))
        values[:, stacked] += np.einsum("sij,smj->smi", np.linalg.cholesky(covariance), noise)
    out[:, about.order] = values
    return out


def _take(draws: Draws, chosen: NDArray[np.int64]) -> Draws:
    return Draws(
        beta=draws.beta[chosen],
        patient_cov=draws.patient_cov[chosen],
        cluster_cov=draws.cluster_cov[chosen],
        residual=draws.residual[chosen],
        residual_sd=draws.residual_sd[chosen],
    )


def _root(covariance: Array) -> Array:
    """Symmetric square root, also of a singular covariance."""
    values, vectors = np.linalg.eigh(covariance)
    root: Array = vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]
    return root


def _patterns(about: StructuredDesign) -> Iterator[tuple[Index, Index]]:
    """Rows of one patient of each pattern, and rows of all patients of it, shape (m, n)."""
    rows = about.rows
    starts = np.flatnonzero(np.diff(rows.patient, prepend=-1))
    ends = np.append(starts[1:], len(rows.y))
    table = np.column_stack([rows.z, rows.position, rows.group])
    found: dict[bytes, list[Index]] = {}
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        found.setdefault(np.round(table[start:end], 9).tobytes(), []).append(np.arange(start, end))
    for members in found.values():
        yield members[0], np.stack(members)


def _covariances(about: StructuredDesign, draws: Draws, some: Index) -> Array:
    """Covariance of a patient's rows given the cluster's effects, shape (s, n, n)."""
    rows = about.rows
    sd = draws.residual_sd[:, rows.group[some]]
    correlation = about.structure.residual.correlation(draws.residual, rows.position[None, some])[:, 0]
    z = rows.z[some]
    result: Array = z @ draws.patient_cov @ z.T + correlation * sd[:, :, None] * sd[:, None, :]
    return result


def _by_cluster(about: StructuredDesign, draws: Draws) -> Iterator[list[_Patient]]:
    """Patients of each cluster in turn; every patient alone where no cluster has effects."""
    rows = about.rows
    whitening: dict[int, tuple[Array, Array]] = {}
    for some, stacked in _patterns(about):
        root = np.linalg.inv(np.linalg.cholesky(_covariances(about, draws, some)))
        log_size = np.sum(np.log(np.einsum("sii->si", root)), axis=1)
        for first in stacked[:, 0].tolist():
            whitening[first] = root, log_size
    members: list[_Patient] = []
    for first in sorted(whitening):
        root, log_size = whitening[first]
        some = np.arange(first, first + root.shape[1])
        cluster = int(rows.cluster[first]) if about.structure.cluster.size else -1
        if members and (cluster < 0 or cluster != members[0].cluster):
            yield members
            members = []
        residual = rows.y[some] - draws.beta @ rows.x[some].T
        white = np.concatenate([root @ rows.w[some], root @ residual[:, :, None]], axis=2)
        members.append(
            _Patient(
                rows=some,
                number=int(about.patient_of[rows.patient[first]]),
                cluster=cluster,
                log_density=log_size - 0.5 * (len(some) * _LOG_2PI + np.sum(white[..., -1] ** 2, axis=1)),
                square=np.einsum("sia,sib->sab", white[..., :-1], white[..., :-1]),
                cross=np.einsum("sia,si->sa", white[..., :-1], white[..., -1]),
                white=white,
                root=root,
            )
        )
    yield members


def _total(members: list[_Patient]) -> tuple[Array, Array, Array]:
    return (
        np.sum([one.log_density for one in members], axis=0),
        np.sum([one.square for one in members], axis=0),
        np.sum([one.cross for one in members], axis=0),
    )


def _kernel(square: Array, covariance: Array) -> Array:
    """Covariance of a cluster's effects given its rows: G (I + SG)^-1."""
    inner = np.eye(square.shape[-1]) + square @ covariance
    kernel: Array = covariance @ np.linalg.inv(inner)
    return kernel


def _cluster_term(square: Array, cross: Array, covariance: Array) -> Array:
    """Return what the effects of a cluster add to the log density of its patients, shape (s,)."""
    inner = np.eye(square.shape[-1]) + square @ covariance
    _, log_size = np.linalg.slogdet(inner)
    term: Array = (
        0.5 * np.einsum("sa,sab,sb->s", cross, covariance @ np.linalg.inv(inner), cross) - 0.5 * log_size
    )
    return term
