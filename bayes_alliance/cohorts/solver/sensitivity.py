r"""Maximum likelihood from a near-by fit, and how every number of it moves with every single score.

The covariance parameters :math:`\varphi` (entries of G, residual variance) of a maximum-likelihood fit solve
:math:`s(\varphi, y) = 0` with :math:`s_k = -\tfrac12 tr(V^{-1}V_k) + \tfrac12 y'PV_kPy`,
:math:`P = V^{-1} - V^{-1}X C X'V^{-1}`, :math:`C = (X'V^{-1}X)^{-1}`. The implicit function theorem gives

.. math:: d\varphi/dy = -H^{-1} A, \quad A_k = P V_k P y, \quad
          H_{kl} = \tfrac12 tr(V^{-1}V_l V^{-1}V_k) - y'P V_l P V_k P y,

and everything else follows: :math:`\partial\hat\beta/\partial\varphi_k = -C X'V^{-1}V_kPy`,
:math:`\partial C/\partial\varphi_k = C X'V^{-1}V_kV^{-1}X C`, and for the deviance :math:`2Py`, since all
parameters are at their best (Harville 1977, doi:10.1080/01621459.1977.10480998). At the boundary (a variance of
zero, a correlation of one) the same holds along it, in terms of the Cholesky factor of G
(:mod:`bayes_alliance.cohorts.solver.boundary`). Many fits of nearly the same scores are wanted here, so they are Newton
steps from the last one; :func:`bayes_alliance.inference.ml.fit_mixed` judges every cohort in the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.cohorts.solver import boundary
from bayes_alliance.cohorts.solver.kernel import covariance_of, evaluate_rows, spread_information, weigh_rows
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.statistics import random_basis

_STEPS = 12
_DECREMENT = 1e-11


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """The columns of a design, a patient a block of rows.

    Parameters
    ----------
    design : Design
        What was laid out; its outcome is not used.
    x : ndarray, shape (n_rows, p)
        Fixed columns.
    z : ndarray, shape (n_rows, q)
        Random columns.
    starts : ndarray of int, shape (n_patients + 1,)
        First row of each patient, and the number of rows.
    z_basis : ndarray, shape (q, q)
        As in :class:`bayes_alliance.inference.statistics.Statistics`: random columns orthogonal over all rows.
    """

    design: Design
    x: Array
    z: Array
    starts: NDArray[np.int64]
    z_basis: Array


def lay_out(design: Design) -> Blocks:
    """Lay the columns of a design out in blocks."""
    starts = np.append(np.flatnonzero(np.diff(design.patient_index, prepend=-1)), design.n_rows)
    return Blocks(
        design=design,
        x=np.ascontiguousarray(design.x),
        z=np.ascontiguousarray(design.z),
        starts=starts.astype(np.int64),
        z_basis=random_basis(design.z),
    )


@dataclass(frozen=True, kw_only=True)
class BlockFit:
    """A maximum-likelihood fit.

    Parameters
    ----------
    variances : ndarray, shape (k,)
        Entries 00, 01, 11 of G (00 alone with a random intercept only), then the residual variance.
    variance_cov : ndarray, shape (k, k)
        Their asymptotic covariance: inverse information, at the boundary of what is free along it.
    beta : ndarray, shape (p,)
        Fixed effects.
    cov : ndarray, shape (p, p)
        Their covariance.
    deviance : float
        -2 log likelihood.
    singular : bool
        Whether G is at the boundary.
    """

    variances: Array
    variance_cov: Array
    beta: Array
    cov: Array
    deviance: float
    singular: bool
    _work: _Work

    @property
    def variance_se(self) -> Array:
        """Standard errors of the variances, shape (k,); NaN where the information is not positive."""
        spread = np.diagonal(self.variance_cov)
        return np.sqrt(np.where(spread > 0.0, spread, np.nan))

    def variance_of(self, which: int) -> float:
        """Variance of the intercept (0) or of the slope (1)."""
        return float(self.variances[0 if which == 0 else 2])


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What a fit's derivatives need beside the fit."""

    weighted: Array
    u: Array
    by_x: Array
    projected: Array


def weigh_design(blocks: Blocks, variances: Array) -> tuple[Array, float]:
    """Return what follows from design and variances alone, without any score.

    Parameters
    ----------
    variances : ndarray, shape (k,)
        As in :class:`BlockFit`.

    Returns
    -------
    cov : ndarray, shape (p, p)
        Covariance of the fixed effects.
    log_determinant : float
        Of the covariance of all rows.
    """
    weighed = weigh_rows(blocks.x, blocks.z, blocks.starts, covariance_of(variances), float(variances[-1]))
    return np.linalg.inv(weighed[3]), float(weighed[0])


def effect_functional(blocks: Blocks, weights: Array, variances: Array) -> tuple[Array, float]:
    """Return what estimates a combination of fixed effects by generalised least squares at given variances.

    Returns
    -------
    functional : ndarray, shape (n_rows,)
        Its product with the scores is the estimate.
    se : float
        Of the estimate.
    """
    g, residual = covariance_of(variances), float(variances[-1])
    _, _, weighted, information = weigh_rows(blocks.x, blocks.z, blocks.starts, g, residual)
    direction = np.linalg.solve(information, weights)
    return weighted @ direction, float(np.sqrt(weights @ direction))


def fit_scores(blocks: Blocks, y: Array, *, near: BlockFit | None = None) -> BlockFit:
    """Fit the model of a design to scores by maximum likelihood.

    Parameters
    ----------
    blocks : Blocks
        The design.
    y : ndarray, shape (n_rows,)
        The scores.
    near : BlockFit, optional
        A fit to nearly the same scores, to start from.

    Returns
    -------
    BlockFit
    """
    evaluate = _Evaluate(blocks, y)
    if near is not None and not near.singular:
        found = _climb(evaluate, near.variances)
        if found is not None:
            return found
    best = boundary.search(evaluate, blocks.z_basis, len(y), None if near is None else near.variances)
    if not best.singular:
        found = _climb(evaluate, best.variances)
        if found is not None:
            return found
    at = evaluate(best.variances)
    return _record(at, best.variance_cov, singular=best.singular)


class _Evaluate:
    """The likelihood of one vector of scores at any variances."""

    def __init__(self, blocks: Blocks, y: Array) -> None:
        self.given = (blocks.x, blocks.z, blocks.starts, np.ascontiguousarray(y, dtype=float))

    def __call__(self, variances: Array) -> boundary.Point:
        found = evaluate_rows(*self.given, covariance_of(variances), float(variances[-1]))
        deviance, beta, cov, weighted, u, by_x, projected, score, hessian = found
        return boundary.Point(
            variances=variances,
            deviance=float(deviance),
            score=score,
            hessian=hessian,
            rest=(beta, cov, weighted, u, by_x, projected),
        )


def _record(at: boundary.Point, variance_cov: Array, *, singular: bool) -> BlockFit:
    beta, cov, weighted, u, by_x, projected = at.rest
    return BlockFit(
        variances=at.variances,
        variance_cov=variance_cov,
        beta=beta,
        cov=cov,
        deviance=at.deviance,
        singular=singular,
        _work=_Work(weighted=weighted, u=u, by_x=by_x, projected=projected),
    )


def _climb(evaluate: _Evaluate, start: Array) -> BlockFit | None:
    """Newton steps with halving; None where they leave the inside of the parameter space or do not settle."""
    at = evaluate(start)
    for _ in range(_STEPS):
        step = -_solve(at.hessian, at.score[:, None])[:, 0]
        if not np.all(np.isfinite(step)) or at.score @ step < 0.0:
            return None
        if at.score @ step < _DECREMENT:
            return _record(at, _solve(-at.hessian, np.eye(len(step))), singular=False)
        for halving in range(5):
            trial = at.variances + 0.5**halving * step
            if not _inside(trial):
                continue
            moved = evaluate(trial)
            if moved.deviance <= at.deviance + 1e-9:
                at = moved
                break
        else:
            return None
    return None


def _inside(variances: Array) -> bool:
    if len(variances) == 2:
        return bool(np.all(variances > 0.0))
    a, b, c, residual = variances
    return bool(a > 0.0 and c > 0.0 and residual > 0.0 and b * b < (1.0 - 1e-8) * a * c)


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """Derivatives of a fit's numbers by each score; rows as in the design.

    Parameters
    ----------
    beta : ndarray, shape (p, n_rows)
        Of the fixed effects.
    deviance : ndarray, shape (n_rows,)
        Of -2 log likelihood.
    variances : ndarray, shape (k, n_rows)
        Of the entries of G (00, 01, 11) and of the residual variance.
    cov_by_variance : ndarray, shape (k, p, p)
        Derivative of the fixed effects' covariance by the variances.
    """

    beta: Array
    deviance: Array
    variances: Array
    cov_by_variance: Array

    def by_variance(self, weights: Array) -> Array:
        """Differentiate the squared SE of a combination of fixed effects by the variances, shape (k,)."""
        derivative: Array = np.einsum("a,kab,b->k", weights, self.cov_by_variance, weights)
        return derivative

    def of_se(self, weights: Array, se: float) -> Array:
        """Differentiate the SE of a combination of fixed effects, shape (n_rows,)."""
        derivative: Array = self.by_variance(weights) @ self.variances / (2.0 * se)
        return derivative

    def of_variance(self, which: int) -> Array:
        """Differentiate the variance of the intercept (0) or of the slope (1), shape (n_rows,)."""
        derivative: Array = self.variances[0 if which == 0 else 2]
        return derivative


def differentiate_fit(blocks: Blocks, fit: BlockFit) -> Sensitivity:
    """Differentiate a fit by the scores that it rests on; at the boundary, along it.

    Returns
    -------
    Sensitivity
    """
    work = fit._work
    variances = fit.variance_cov @ work.projected
    direct = fit.cov @ work.weighted.T
    information = spread_information(blocks.z, blocks.starts, work.weighted)
    return Sensitivity(
        beta=direct - fit.cov @ work.by_x @ variances,
        deviance=2.0 * work.u,
        variances=variances,
        cov_by_variance=fit.cov @ information @ fit.cov,
    )


def satterthwaite_df(fit: BlockFit, sensitivity: Sensitivity, weights: Array) -> float:
    r"""Degrees of freedom :math:`2(l'Cl)^2/(g'Ag)`, as :func:`bayes_alliance.inference.ml.estimate_effect`."""
    gradient = sensitivity.by_variance(weights)
    spread = float(gradient @ fit.variance_cov @ gradient)
    variance = float(weights @ fit.cov @ weights)
    return 2.0 * variance**2 / spread if spread > 0.0 else float("nan")


def _solve(matrix: Array, right: Array) -> Array:
    """Solve with rows and columns brought to the same size first: variances differ by orders of magnitude."""
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diagonal(matrix)), 1e-300))
    solution: Array = scale[:, None] * np.linalg.solve(
        scale[:, None] * matrix * scale, scale[:, None] * right
    )
    return solution
