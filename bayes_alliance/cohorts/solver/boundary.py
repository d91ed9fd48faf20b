r"""The best fit wherever it lies: inside the parameter space, or where a variance is zero or a correlation one.

In terms of the Cholesky factor of G, :math:`G = BMM'B'` with ``M`` lower triangular and ``B`` turning to orthogonal
random columns, the boundary is no edge: the likelihood is even in a diagonal entry of ``M``, so where G is singular it
has an ordinary maximum at zero. Newton steps in these entries and the logarithm of the residual variance, with a
direction of wrong curvature turned round, climb from several starts; one stays on the boundary by symmetry and finds
the best fit there, which can beat the one inside. What is free there are the other entries: with J the derivative of
the variances by these and :math:`H_M` the second derivative of the log likelihood, :math:`-J H_M^{-1} J'` takes the
place of the inverse information.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bayes_alliance.cohorts.solver.kernel import PAIRS, covariance_of
from bayes_alliance.inference.fits import Array

_STEPS = 60
_DECREMENT = 1e-9
_LONGEST = 1.5
_HALVINGS = 12
_FLAT = 1e-7
_SINGULAR = 1e-4


@dataclass(frozen=True, kw_only=True)
class Point:
    """The likelihood at some variances.

    Parameters
    ----------
    variances : ndarray, shape (k,)
        Entries of G (00, 01, 11 or 00 alone) and the residual variance.
    deviance : float
        -2 log likelihood; NaN where they are no covariance.
    score, hessian : ndarray, shapes (k,), (k, k)
        Of the log likelihood by the variances.
    rest : tuple of ndarray
        What else was worked out there.
    """

    variances: Array
    deviance: float
    score: Array
    hessian: Array
    rest: tuple[Array, ...]


@dataclass(frozen=True, kw_only=True)
class Best:
    """Variances of the best fit found.

    Parameters
    ----------
    variances : ndarray, shape (k,)
        As in :class:`Point`.
    variance_cov : ndarray, shape (k, k)
        Their asymptotic covariance along what is free.
    singular : bool
        Whether G is at the boundary.
    """

    variances: Array
    variance_cov: Array
    singular: bool


Evaluate = Callable[[Array], Point]


def search(evaluate: Evaluate, z_basis: Array, n_rows: int, near: Array | None) -> Best:
    """Climb from several starts and keep the best.

    Parameters
    ----------
    evaluate : callable
        Gives the likelihood at variances.
    z_basis : ndarray, shape (q, q)
        Random columns in terms of orthogonal ones.
    n_rows : int
        Rows.
    near : ndarray, shape (k,), optional
        Variances of a fit to nearly the same scores: the climb starts there and a little inside of it, nowhere else,
        which may miss a better fit far away that a search without ``near`` finds.

    Returns
    -------
    Best
    """
    factors = _Factors(np.linalg.inv(z_basis))
    if near is None:
        points = [_start(evaluate, factors, m, n_rows) for m in _starts(len(z_basis))]
    else:
        points = list(_near(factors, near))
    climbed = [_climb(evaluate, factors, at) for at in points]
    at = min(climbed, key=lambda found: found[1].deviance)[0]
    return _settle(evaluate, factors, at)


class _Factors:
    """Variances as functions of the entries of M, row by row of its lower triangle, and log residual variance."""

    def __init__(self, back: Array) -> None:
        self.back, self.q = back, len(back)
        self.lower = [(i, j) for i in range(self.q) for j in range(i + 1)]
        units = np.zeros((len(self.lower), self.q, self.q))
        for unit, (i, j) in zip(units, self.lower, strict=True):
            unit[i, j] = 1.0
        self.units = back @ units
        second = self.units[:, None] @ np.swapaxes(self.units, 1, 2)[None]
        self.second = self._entries(second + np.swapaxes(second, 2, 3))
        self.diagonal = [k for k, (i, j) in enumerate(self.lower) if i == j]

    def _entries(self, matrices: Array) -> Array:
        return np.stack([matrices[..., i, j] for i, j in PAIRS[self.q]], axis=-1)

    def factor(self, at: Array) -> Array:
        """Square root of G."""
        root: Array = np.tensordot(at[:-1], self.units, 1)
        return root

    def variances(self, at: Array) -> Array:
        """Entries of G and the residual variance."""
        root = self.factor(at)
        return np.append(self._entries(root @ root.T), np.exp(at[-1]))

    def slopes(self, at: Array) -> Array:
        """Differentiate the variances by M and the logarithm, shape (k, n_free)."""
        product = self.units @ self.factor(at).T
        out = np.zeros((len(PAIRS[self.q]) + 1, len(at)))
        out[:-1, :-1] = self._entries(product + np.swapaxes(product, 1, 2)).T
        out[-1, -1] = np.exp(at[-1])
        return out

    def curve(self, at: Array, point: Point) -> tuple[Array, Array]:
        """Score and second derivatives of the log likelihood by M and the logarithm."""
        slopes = self.slopes(at)
        hessian = slopes.T @ point.hessian @ slopes
        hessian[:-1, :-1] += self.second @ point.score[:-1]
        hessian[-1, -1] += point.score[-1] * np.exp(at[-1])
        return slopes.T @ point.score, hessian

    def inverse(self, variances: Array) -> Array:
        """Entries of M and the logarithm that give some variances."""
        within = np.linalg.inv(self.back)
        a = within @ covariance_of(variances) @ within.T
        root = np.zeros((self.q, self.q))
        root[0, 0] = np.sqrt(max(a[0, 0], 0.0))
        if self.q == 2:
            root[1, 0] = a[1, 0] / root[0, 0] if root[0, 0] > 0.0 else np.sqrt(max(a[1, 1], 0.0))
            root[1, 1] = np.sqrt(max(a[1, 1] - root[1, 0] ** 2, 0.0))
        return np.append([root[i, j] for i, j in self.lower], np.log(variances[-1]))


def _starts(q: int) -> Iterator[Array]:
    """List relative factors to start from, as :func:`bayes_alliance.inference.ml.fit_mixed` does."""
    if q == 1:
        yield from (np.array([1.0]), np.array([0.1]))
    else:
        yield from (np.array([1.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.1]), np.array([1.0, -0.3, 0.0]))


def _start(evaluate: Evaluate, factors: _Factors, relative: Array, n_rows: int) -> Array:
    """Return a relative factor its best residual variance."""
    at = np.append(relative, 0.0)
    point = evaluate(factors.variances(at))
    # At a residual variance of one the score by scale is (squares - rows) / 2.
    squares = n_rows + 2.0 * float(point.score @ point.variances)
    level = max(squares / n_rows, 1e-300)
    return np.append(np.sqrt(level) * relative, np.log(level))


def _near(factors: _Factors, variances: Array) -> Iterator[Array]:
    at = factors.inverse(variances)
    yield at
    inside = at.copy()
    for k in factors.diagonal:
        inside[k] = max(inside[k], 0.1 * np.exp(at[-1] / 2.0))
    yield inside


def _climb(evaluate: Evaluate, factors: _Factors, at: Array) -> tuple[Array, Point]:
    """Newton steps with wrong curvature turned round and halving, until nothing is gained."""
    point = evaluate(factors.variances(at))
    for _ in range(_STEPS):
        size = np.append(np.full(len(at) - 1, np.exp(at[-1] / 2.0)), 1.0)
        score, hessian = factors.curve(at, point)
        values, vectors = np.linalg.eigh(-size[:, None] * hessian * size)
        curvature = np.maximum(np.abs(values), _FLAT * np.abs(values).max())
        along = vectors.T @ (size * score)
        if along @ (along / curvature) < _DECREMENT:
            break
        step = vectors @ (along / curvature)
        step *= min(1.0, _LONGEST / np.abs(step).max())
        for halving in range(_HALVINGS):
            trial = at + 0.5**halving * size * step
            try:
                moved = evaluate(factors.variances(trial))
            except np.linalg.LinAlgError:
                # So near to where the likelihood ends that a covariance is singular to rounding: too long a step.
                continue
            if moved.deviance < point.deviance:
                at, point = trial, moved
                break
        else:
            break
    return at, point


def _settle(evaluate: Evaluate, factors: _Factors, at: Array) -> Best:
    """Put negligible diagonal entries at zero, and see what is free there."""
    sigma = np.exp(at[-1] / 2.0)
    zero = [k for k in factors.diagonal if abs(at[k]) < _SINGULAR * sigma]
    at = at.copy()
    at[zero] = 0.0
    point = evaluate(factors.variances(at))
    _, hessian = factors.curve(at, point)
    free = [k for k in range(len(at)) if k not in zero]
    slopes = factors.slopes(at)[:, free]
    size = np.append(np.full(len(at) - 1, sigma), 1.0)[free]
    values, vectors = np.linalg.eigh(-size[:, None] * hessian[np.ix_(free, free)] * size)
    kept = values > _FLAT * max(float(values.max()), 0.0)
    spread = slopes @ (size[:, None] * vectors[:, kept])
    return Best(
        variances=point.variances,
        variance_cov=(spread / values[kept]) @ spread.T,
        singular=bool(zero),
    )
