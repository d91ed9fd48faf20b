r"""Standard errors and degrees of freedom for small samples: Kenward & Roger 1997 (doi:10.2307/2533558).

With :math:`\Phi = (X'V^{-1}X)^{-1}`, :math:`V_i` the derivatives of V, :math:`P_i = -X'V^{-1}V_iV^{-1}X`,
:math:`Q_{ij} = X'V^{-1}V_iV^{-1}V_jV^{-1}X`, :math:`R_{ij} = X'V^{-1}V_{ij}V^{-1}X` and W the covariance of the
variance parameters,

.. math:: \Phi_A = \Phi + 2\Phi\Bigl[\sum_{ij} W_{ij}\bigl(Q_{ij} - P_i\Phi P_j - \tfrac14 R_{ij}\bigr)\Bigr]\Phi.

A contrast l has :math:`2(l'\Phi l)^2 / (g'Wg)` degrees of freedom, :math:`g_i = l'\Phi P_i\Phi l`: what the general
formula gives for one row. W is the inverse of the information of REML: the observed one, as in PROC MIXED of SAS and in
mmrm, or the expected one, as in the paper and in pbkrtest. Random effects, ``un`` and structures linear in their
parameters have no :math:`R`; for the others it is that of the parameters in which SAS prints them.

Everything is gathered from the sufficient statistics: patients first, then clusters, whose effects are eliminated by
:math:`K = (G^{-1} + S)^{-1}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, Effect, Weights, weight_vector
from bayes_alliance.inference.lmm.covariance_derivatives import (
    count_residual,
    is_linear,
    natural_jacobian,
    residual_curvature,
    residual_slopes,
    unit_matrices,
)
from bayes_alliance.inference.lmm.fit_design import model_of
from bayes_alliance.inference.lmm.likelihood import covariances
from bayes_alliance.inference.lmm.ml import LmmFit, fit_lmm
from bayes_alliance.inference.lmm.model import LmmModel, build_model
from bayes_alliance.inference.lmm.patterns import PatternStatistics, Rows, upper_pairs
from bayes_alliance.inference.lmm.structure import Parameters, RandomShape, ResidualShape, Structure
from bayes_alliance.inference.ml import estimate_effect, two_sided_p

Information = Literal["observed", "expected"]
_NO_INFORMATION = 1e-10


@dataclass(frozen=True, kw_only=True)
class KenwardRoger:
    """Adjusted covariance of the fixed effects of a REML fit.

    Parameters
    ----------
    beta, beta_cov : ndarray
        Estimates, and their covariance without the adjustment.
    adjusted : ndarray, shape (p, p)
        Adjusted covariance.
    beta_cov_jacobian : ndarray, shape (k, p, p)
        Derivatives of ``beta_cov`` by the variance parameters.
    parameter_cov : ndarray, shape (k, k)
        Inverse of their information.
    """

    x_names: tuple[str, ...]
    beta: Array
    beta_cov: Array
    adjusted: Array
    beta_cov_jacobian: Array
    parameter_cov: Array

    def weights(self, combination: Weights) -> Array:
        """Turn named weights into a vector over the coefficients (KeyError for an unknown name)."""
        return weight_vector(self.x_names, combination)

    def effect(self, combination: Weights) -> Effect:
        """Estimate a linear combination of coefficients and test it against zero."""
        found, weights = estimate_effect(self, combination), self.weights(combination)
        se = float(np.sqrt(weights @ self.adjusted @ weights))
        return Effect(
            estimate=found.estimate, se=se, df=found.df, p=two_sided_p(found.estimate / se, found.df)
        )


@dataclass(frozen=True, kw_only=True)
class _Base:
    """What a fit says of the rows: by cluster (k) sums of products of the columns ``[w, x]``.

    ``kernel`` is the covariance of the clusters' effects given the rows and the fixed effects, ``rest`` is I - KS.
    """

    stats: PatternStatistics
    inverses: list[Array]
    ww: Array
    wx: Array
    kernel: Array
    rest: Array
    information: Array

    def gather(self, matrices: Sequence[Array]) -> Array:
        """Sum d'Md over the patients of each cluster, shape (k, width, width); M (g, n, n) by pattern."""
        width = self.stats.r + self.stats.p + 1
        first, second = upper_pairs(width)
        total = np.zeros((self.stats.n_clusters, len(first)))
        for stack, matrix in zip(self.stats.stacks, matrices, strict=True):
            a, b = upper_pairs(stack.n)
            packed = 0.5 * (matrix[:, a, b] + matrix[:, b, a])
            cells = np.einsum("cj,cjm->cm", packed[stack.pattern], stack.moments)
            np.add.at(total, stack.cluster, cells)
        out = np.empty((len(total), width, width))
        out[:, first, second] = out[:, second, first] = total
        return out[:, :-1, :-1]


@dataclass(frozen=True, kw_only=True)
class _Direction:
    """One variance parameter: derivatives of the sums, of the clusters' covariance, of K and of X'V^-1X."""

    sums: Array
    unit: Array
    kernel: Array
    information: Array


def adjust(model: LmmModel, fit: LmmFit, information: Information = "observed") -> KenwardRoger:
    """Adjust the covariance of the fixed effects of a REML fit.

    Parameters
    ----------
    model, fit
        The fit by REML of this model.
    information : {"observed", "expected"}
        Of the variance parameters.

    Raises
    ------
    ValueError
        For a fit by ML: the adjustment is that of REML.
    """
    if fit.method != "REML":
        raise ValueError("the adjustment of Kenward and Roger is one of REML fits")
    stats, structure = model.stats, model.structure
    parameters = structure.split(fit.theta[None])
    base = _base(stats, parameters)
    slopes = _slopes(stats, parameters)
    directions = _directions(base, slopes)
    phi = np.linalg.inv(base.information)
    firsts = np.array([one.information for one in directions])
    scaled = firsts @ phi
    seconds, traces = _seconds(base, slopes, directions)
    if information == "observed":
        jacobian = natural_jacobian(structure, fit.theta)
        covariance = jacobian @ fit.parameter_cov @ jacobian.T
    else:
        products = np.einsum("iab,jba->ij", scaled, scaled)
        covariance = _invert(0.5 * (traces - np.einsum("ijab,ba->ij", seconds, phi) + products))
    middle = 0.5 * np.einsum("ij,ijab->ab", covariance, seconds)
    middle -= np.einsum("ij,iab,jbc->ac", covariance, scaled, firsts, optimize=True)
    middle -= 0.25 * _curvature(base, parameters, covariance)
    back = np.linalg.inv(stats.basis) * fit.sigma[0]
    adjusted = back @ (phi + 2.0 * phi @ middle @ phi) @ back.T
    return KenwardRoger(
        x_names=fit.x_names,
        beta=fit.beta,
        beta_cov=fit.beta_cov,
        adjusted=0.5 * (adjusted + adjusted.T),
        beta_cov_jacobian=-back @ phi @ firsts @ phi @ back.T,
        parameter_cov=covariance,
    )


def adjust_design(design: Design, information: Information = "observed") -> KenwardRoger:
    """Fit a design by REML, with correlated effects of patients where it has no structure of its own, and adjust it.

    Raises
    ------
    FitError
        If the rows cannot tell the variance parameters apart.
    """
    model = model_of(design) if design.structured is not None else _two_level(design)
    return adjust(model, fit_lmm(model, method="REML"), information)


def _two_level(design: Design) -> LmmModel:
    count, q = design.z.shape
    none = np.zeros(count, dtype=np.int64)
    rows = Rows(
        y=design.y,
        x=design.x,
        z=design.z,
        w=np.empty((count, 0)),
        patient=design.patient_index,
        cluster=none,
        position=np.zeros(count),
        group=none,
    )
    patient = RandomShape(names=design.z_names, blocks=(q,))
    structure = Structure(patient=patient, cluster=RandomShape(), residual=ResidualShape())
    return build_model(rows, structure, design.x_names)


def _base(stats: PatternStatistics, parameters: Parameters) -> _Base:
    r = stats.r
    inverses = [np.linalg.inv(covariances(stats, stack, parameters)[0]) for stack in stats.stacks]
    empty = np.empty(0)
    start = _Base(
        stats=stats, inverses=inverses, ww=empty, wx=empty, kernel=empty, rest=empty, information=empty
    )
    sums = start.gather(inverses)
    ww, wx, xx = sums[:, :r, :r], sums[:, :r, r:], sums[:, r:, r:]
    covariance = stats.spread(parameters.cluster[0] @ parameters.cluster[0].T)
    kernel = covariance @ np.linalg.inv(np.eye(r) + ww @ covariance)
    information = xx.sum(axis=0) - np.einsum("kra,krs,ksb->ab", wx, kernel, wx, optimize=True)
    return _Base(
        stats=stats,
        inverses=inverses,
        ww=ww,
        wx=wx,
        kernel=kernel,
        rest=np.eye(r) - kernel @ ww,
        information=information,
    )


def _slopes(stats: PatternStatistics, parameters: Parameters) -> list[Array]:
    """Differentiate each pattern's covariance by the parameters of patients and residuals, shape (k, g, n, n)."""
    units = unit_matrices(stats.structure.patient)
    found = []
    for stack in stats.stacks:
        random = np.einsum("gaq,kqr,gbr->kgab", stack.z, units, stack.z, optimize=True)
        residual = residual_slopes(stats.structure.residual, stack, parameters)
        found.append(np.concatenate([random, residual]))
    return found


def _directions(base: _Base, slopes: list[Array]) -> list[_Direction]:
    """List the parameters: patients' effects, residuals, clusters' effects."""
    structure, r = base.stats.structure, base.stats.r
    found = []
    for i in range(structure.patient.n_parameters + count_residual(structure.residual)):
        matrices = [b @ d[i] @ b for b, d in zip(base.inverses, slopes, strict=True)]
        found.append(_direction(base, -base.gather(matrices), np.zeros((r, r))))
    still = np.zeros((base.stats.n_clusters, r + base.stats.p, r + base.stats.p))
    units = unit_matrices(structure.cluster)
    return found + [_direction(base, still, base.stats.spread(unit)) for unit in units]


def _direction(base: _Base, sums: Array, unit: Array) -> _Direction:
    r = len(unit)
    kernel = base.rest @ unit @ np.swapaxes(base.rest, 1, 2) - base.kernel @ sums[:, :r, :r] @ base.kernel
    cross = _product(sums[:, :r, r:], base.kernel, base.wx)
    information = sums[:, r:, r:].sum(axis=0) - cross - cross.T - _product(base.wx, kernel, base.wx)
    return _Direction(sums=sums, unit=unit, kernel=kernel, information=information)


def _product(left: Array, middle: Array, right: Array) -> Array:
    """Sum L'MR over the clusters."""
    total: Array = (np.swapaxes(left, 1, 2) @ middle @ right).sum(axis=0)
    return total


def _seconds(base: _Base, slopes: list[Array], directions: list[_Direction]) -> tuple[Array, Array]:
    """Second derivatives of X'V^-1X (k, k, p, p), and tr(V^-1 V_i V^-1 V_j) (k, k), V linear in the parameters."""
    count = len(directions)
    traces = _traces(base, slopes, count)
    seconds = np.empty((count, count, *base.information.shape))
    for i in range(count):
        for j in range(i + 1):
            seconds[i, j], more = _second(base, slopes, directions, i, j)
            traces[i, j] -= more
            seconds[j, i], traces[j, i] = seconds[i, j], traces[i, j]
    return seconds, traces


def _second(
    base: _Base, slopes: list[Array], directions: list[_Direction], i: int, j: int
) -> tuple[Array, float]:
    """Return second derivatives of X'V^-1X and of the clusters' part of log|V|, V linear in the parameters."""
    one, other = directions[i], directions[j]
    r = len(one.unit)
    total = np.zeros_like(one.sums)
    if max(i, j) < len(slopes[0]):
        pairs = zip(base.inverses, slopes, strict=True)
        total = 2.0 * base.gather([b @ d[i] @ b @ d[j] @ b for b, d in pairs])
    if not r:
        return total.sum(axis=0), 0.0
    k, ww = base.kernel, base.ww
    first_ww, second_ww = one.sums[:, :r, :r], other.sums[:, :r, :r]
    first_wx, second_wx = one.sums[:, :r, r:], other.sums[:, :r, r:]
    rest = -other.kernel @ ww - k @ second_ww
    turned = rest @ one.unit @ np.swapaxes(base.rest, 1, 2)
    moved = other.kernel @ first_ww @ k
    kernel = turned + np.swapaxes(turned, 1, 2) - moved - np.swapaxes(moved, 1, 2) - k @ total[:, :r, :r] @ k
    cross = _product(total[:, :r, r:], k, base.wx) + _product(first_wx, other.kernel, base.wx)
    cross += _product(second_wx, one.kernel, base.wx) + _product(first_wx, k, second_wx)
    information = total[:, r:, r:].sum(axis=0) - cross - cross.T - _product(base.wx, kernel, base.wx)
    around = second_ww @ k @ ww
    form = second_ww - around - np.swapaxes(around, 1, 2) - ww @ other.kernel @ ww
    logdet = np.sum(other.kernel * first_ww) + np.sum(k * total[:, :r, :r]) + np.sum(form * one.unit)
    return information, float(logdet)


def _traces(base: _Base, slopes: list[Array], count: int) -> Array:
    """Sum tr(V_i^-1 D V_i^-1 D) over patients, zero for the parameters of clusters."""
    out = np.zeros((count, count))
    for stack, inverse, slope in zip(base.stats.stacks, base.inverses, slopes, strict=True):
        turned = inverse @ slope
        own = len(slope)
        out[:own, :own] += np.einsum("g,igab,jgba->ij", stack.counts, turned, turned, optimize=True)
    return out


def _invert(information: Array) -> Array:
    """Inverse, leaving out directions without information (a variance at zero that tells nothing)."""
    size = np.sqrt(np.maximum(np.diagonal(information), 1e-300))
    values, vectors = np.linalg.eigh(information / np.outer(size, size))
    kept = values > _NO_INFORMATION * float(values.max())
    inverse: Array = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T / np.outer(size, size)
    return inverse


def _curvature(base: _Base, parameters: Parameters, covariance: Array) -> Array:
    """Sum of W R over all pairs of parameters, shape (p, p)."""
    structure = base.stats.structure
    if is_linear(structure.residual):
        return np.zeros_like(base.information)
    start = structure.patient.n_parameters
    own = slice(start, start + count_residual(structure.residual))
    matrices = [
        b @ residual_curvature(structure.residual, stack, parameters, covariance[own, own]) @ b
        for b, stack in zip(base.inverses, base.stats.stacks, strict=True)
    ]
    r = base.stats.r
    return -_direction(base, -base.gather(matrices), np.zeros((r, r))).information
