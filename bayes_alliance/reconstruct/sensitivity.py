r"""Maximum likelihood from a near-by fit, and how every number of it moves with every single score.

The covariance parameters :math:`\varphi` (entries of G, residual variance) of a maximum-likelihood fit solve
:math:`s(\varphi, y) = 0` with :math:`s_k = -\tfrac12 tr(V^{-1}V_k) + \tfrac12 y'PV_kPy`,
:math:`P = V^{-1} - V^{-1}X C X'V^{-1}`, :math:`C = (X'V^{-1}X)^{-1}`. The implicit function theorem gives

.. math:: d\varphi/dy = -H^{-1} A, \quad A_k = P V_k P y, \quad
          H_{kl} = \tfrac12 tr(V^{-1}V_l V^{-1}V_k) - y'P V_l P V_k P y,

and everything else follows: :math:`\partial\hat\beta/\partial\varphi_k = -C X'V^{-1}V_kPy`,
:math:`\partial C/\partial\varphi_k = C X'V^{-1}V_kV^{-1}X C`, and for the deviance :math:`2Py`, since all
parameters are at their best (Harville 1977, doi:10.1080/01621459.1977.10480998). Patients are blocks of a few
rows, so all of it is small matrices in one batch. Many fits of nearly the same scores are wanted here, so they
are Newton steps from the last one; :func:`bayes_alliance.frequentist.fit_mixed` starts them, takes over at the
boundary, and judges every cohort in the end.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.fits import Array, MixedFit, RowsUsed
from bayes_alliance.formulas import Design
from bayes_alliance.frequentist import fit_mixed
from bayes_alliance.study import Source

_PAIRS = {1: ((0, 0),), 2: ((0, 0), (0, 1), (1, 1))}
_STEPS = 12
_DECREMENT = 1e-7


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """The columns of a design, a patient a block, padded to the longest.

    Parameters
    ----------
    design : Design
        What was laid out; its outcome is not used.
    x : ndarray, shape (n_patients, m, p)
        Fixed columns, zero where padded.
    z : ndarray, shape (n_patients, m, q)
        Random columns, likewise.
    parts : ndarray, shape (k, n_patients, m, m)
        Derivative of each block's covariance by each entry of G and by the residual variance.
    place : tuple of ndarray of int, shape (n_rows,)
        Patient and position of each row.
    """

    design: Design
    x: Array
    z: Array
    parts: Array
    place: tuple[NDArray[np.int64], NDArray[np.int64]]

    def spread(self, values: Array) -> Array:
        """Lay values of rows, shape (n_rows,), out in blocks, shape (n_patients, m)."""
        out = np.zeros(self.x.shape[:2])
        out[self.place] = values
        return out

    def rows(self, values: Array) -> Array:
        """Take values of blocks, shape (k, n_patients, m), back to rows, shape (k, n_rows)."""
        patient, position = self.place
        found: Array = values[:, patient, position]
        return found


def lay_out(design: Design) -> Blocks:
    """Lay the columns of a design out in blocks."""
    patient = design.patient_index
    starts = np.flatnonzero(np.diff(patient, prepend=-1))
    position = np.arange(len(patient)) - starts[patient]
    n, m = design.n_patients, int(position.max()) + 1
    x, z = (np.zeros((n, m, columns.shape[1])) for columns in (design.x, design.z))
    x[patient, position], z[patient, position] = design.x, design.z
    parts = []
    for i, j in _PAIRS[z.shape[2]]:
        product = z[:, :, i, None] * z[:, None, :, j]
        parts.append(product if i == j else product + np.swapaxes(product, 1, 2))
    present = np.zeros((n, m))
    present[patient, position] = 1.0
    parts.append(present[:, :, None] * np.eye(m))
    return Blocks(design=design, x=x, z=z, parts=np.stack(parts), place=(patient, position))


@dataclass(frozen=True, kw_only=True)
class BlockFit:
    """A maximum-likelihood fit.

    Parameters
    ----------
    variances : ndarray, shape (k,)
        Entries 00, 01, 11 of G (00 alone with a random intercept only), then the residual variance.
    beta : ndarray, shape (p,)
        Fixed effects.
    cov : ndarray, shape (p, p)
        Their covariance.
    deviance : float
        -2 log likelihood.
    hessian : ndarray, shape (k, k)
        Of the log likelihood by the variances, fixed effects profiled.
    singular : bool
        Whether G is at the boundary, where it has no derivative.
    """

    variances: Array
    beta: Array
    cov: Array
    deviance: float
    hessian: Array
    singular: bool
    _work: _Work

    @property
    def variance_se(self) -> Array:
        """Standard errors of the variances, shape (k,); NaN where the information is not positive."""
        spread = np.diagonal(_invert(-self.hessian))
        return np.sqrt(np.where(spread > 0.0, spread, np.nan))

    def variance_of(self, which: int) -> float:
        """Variance of the intercept (0) or of the slope (1)."""
        return float(self.variances[0 if which == 0 else 2])


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What the fit and its derivatives share, in blocks."""

    inverse: Array
    weighted: Array
    u: Array
    pushed: Array
    by_x: Array
    projected: Array


def weigh_design(blocks: Blocks, variances: Array) -> tuple[Array, float]:
    """Give what follows from design and variances alone, without any score.

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
    total = _covariance(blocks, variances)
    n, m, p = blocks.x.shape
    weighted = np.linalg.solve(total, blocks.x).reshape(n * m, p)
    cov = np.linalg.inv(blocks.x.reshape(n * m, p).T @ weighted)
    return cov, float(np.linalg.slogdet(total)[1].sum())


def _covariance(blocks: Blocks, variances: Array) -> Array:
    """Covariance of each block; 1 on the diagonal where padded."""
    total: Array = np.tensordot(variances, blocks.parts, 1)
    padded = 1.0 - np.diagonal(blocks.parts[-1], axis1=1, axis2=2)
    return total + padded[:, :, None] * np.eye(total.shape[1])


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
    if near is not None and not near.singular:
        found = _climb(blocks, y, near.variances)
        if found is not None:
            return found
    fit = _whole_fit(blocks, y)
    if not fit.singular:
        found = _climb(blocks, y, _variances(fit))
        if found is not None:
            return found
    return _evaluate(blocks, y, _variances(fit), singular=True)[0]


def _whole_fit(blocks: Blocks, y: Array) -> MixedFit:
    design = dataclasses.replace(blocks.design, y=y)
    rows = RowsUsed(n_rows=design.n_rows, n_patients=design.n_patients, digest="", source=Source.SYNTHETIC)
    return fit_mixed(design, rows)


def _variances(fit: MixedFit) -> Array:
    if len(fit.sd) == 1:
        return np.array([fit.sd[0] ** 2, fit.sigma**2])
    between = fit.sd[0] * fit.sd[1] * (fit.correlation if np.isfinite(fit.correlation) else 0.0)
    return np.array([fit.sd[0] ** 2, between, fit.sd[1] ** 2, fit.sigma**2])


def _climb(blocks: Blocks, y: Array, start: Array) -> BlockFit | None:
    """Newton steps with halving; None where they leave the inside of the parameter space or do not settle."""
    variances = start
    fit, score = _evaluate(blocks, y, variances)
    for _ in range(_STEPS):
        step = -_solve(fit.hessian, score[:, None])[:, 0]
        if not np.all(np.isfinite(step)) or score @ step < 0.0:
            return None
        if score @ step < _DECREMENT:
            return fit
        for halving in range(5):
            trial = variances + 0.5**halving * step
            if not _inside(trial):
                continue
            moved, moved_score = _evaluate(blocks, y, trial)
            if moved.deviance <= fit.deviance + 1e-9:
                variances, fit, score = trial, moved, moved_score
                break
        else:
            return None
    return None


def _inside(variances: Array) -> bool:
    if len(variances) == 2:
        return bool(np.all(variances > 0.0))
    a, b, c, residual = variances
    return bool(a > 0.0 and c > 0.0 and residual > 0.0 and b * b < (1.0 - 1e-8) * a * c)


def _evaluate(
    blocks: Blocks, y: Array, variances: Array, *, singular: bool = False
) -> tuple[BlockFit, Array]:
    """Profile the fixed effects at given variances; give the fit and the score of the variances."""
    n, m, p = blocks.x.shape
    k = len(variances)
    total = _covariance(blocks, variances)
    inverse = np.linalg.inv(total)
    weighted = inverse @ blocks.x
    flat = blocks.x.reshape(n * m, p)
    cov = np.linalg.inv(flat.T @ weighted.reshape(n * m, p))
    outcome = blocks.spread(y)
    beta = cov @ (weighted.reshape(n * m, p).T @ outcome.ravel())
    residual = outcome - blocks.x @ beta
    u = (inverse @ residual[..., None])[..., 0]
    pushed = (blocks.parts @ u[None, :, :, None])[..., 0]
    by_x = weighted.reshape(n * m, p).T @ pushed.reshape(k, n * m).T
    projected = (inverse[None] @ pushed[..., None])[..., 0] - np.moveaxis(weighted @ (cov @ by_x), -1, 0)
    products = inverse[None] @ blocks.parts
    transposed = np.swapaxes(products, -1, -2).reshape(k, -1)
    hessian = 0.5 * products.reshape(k, -1) @ transposed.T
    hessian -= pushed.reshape(k, -1) @ projected.reshape(k, -1).T
    traces = np.trace(products, axis1=-2, axis2=-1).sum(axis=1)
    score = 0.5 * (pushed.reshape(k, -1) @ u.ravel() - traces)
    n_rows = len(y)
    deviance = (
        n_rows * np.log(2.0 * np.pi) + float(np.linalg.slogdet(total)[1].sum()) + float(np.sum(residual * u))
    )
    fit = BlockFit(
        variances=variances,
        beta=beta,
        cov=cov,
        deviance=deviance,
        hessian=(hessian + hessian.T) / 2.0,
        singular=singular,
        _work=_Work(inverse=inverse, weighted=weighted, u=u, pushed=pushed, by_x=by_x, projected=projected),
    )
    return fit, score


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
    """Differentiate a fit by the scores that it rests on.

    Where the fit is singular, the covariance of the random effects is held where it is and only the residual
    variance moves.

    Returns
    -------
    Sensitivity
    """
    work, k = fit._work, len(fit.variances)
    free = np.array([k - 1]) if fit.singular else np.arange(k)
    variances = np.zeros((k, blocks.design.n_rows))
    variances[free] = -_solve(fit.hessian[np.ix_(free, free)], blocks.rows(work.projected[free]))
    n, m, p = blocks.x.shape
    flat = work.weighted.reshape(n * m, p)
    information = np.stack([flat.T @ (part @ work.weighted).reshape(n * m, p) for part in blocks.parts])
    direct = fit.cov @ blocks.rows(np.moveaxis(work.weighted, -1, 0))
    return Sensitivity(
        beta=direct - fit.cov @ work.by_x @ variances,
        deviance=2.0 * blocks.rows(work.u[None])[0],
        variances=variances,
        cov_by_variance=fit.cov @ information @ fit.cov,
    )


def satterthwaite_df(fit: BlockFit, sensitivity: Sensitivity, weights: Array) -> float:
    r"""Degrees of freedom :math:`2(l'Cl)^2/(g'Ag)`, as :func:`bayes_alliance.frequentist.estimate_effect`."""
    gradient = sensitivity.by_variance(weights)
    spread = float(gradient @ _invert(-fit.hessian) @ gradient)
    variance = float(weights @ fit.cov @ weights)
    return 2.0 * variance**2 / spread if spread > 0.0 else float("nan")


def _invert(matrix: Array) -> Array:
    return _solve(matrix, np.eye(len(matrix)))


def _solve(matrix: Array, right: Array) -> Array:
    """Solve with rows and columns brought to the same size first: variances differ by orders of magnitude."""
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diagonal(matrix)), 1e-300))
    solution: Array = scale[:, None] * np.linalg.solve(
        scale[:, None] * matrix * scale, scale[:, None] * right
    )
    return solution
