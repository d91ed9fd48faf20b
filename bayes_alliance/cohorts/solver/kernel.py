r"""Likelihood, score and information of a mixed model by its variances, patient by patient, compiled by numba.

The solver asks for fits of nearly the same scores tens of thousands of times, and patients are blocks of a few rows:
batches of small matrices cost NumPy ten to thirty times what these loops do. Formulas and symbols are those of
:mod:`bayes_alliance.cohorts.solver.sensitivity`, whose tests hold them to :func:`bayes_alliance.inference.ml.fit_mixed`
and to differences of fits. Every block's covariance is factorised as it is, so variances of zero and correlations of
one are ordinary points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.inference.fits import Array
from bayes_alliance.runtime.compiled import compiled

PAIRS = {1: ((0, 0),), 2: ((0, 0), (0, 1), (1, 1))}
Weighed = tuple[float, Array, Array, Array]
Evaluated = tuple[float, Array, Array, Array, Array, Array, Array, Array, Array]


def covariance_of(variances: Array) -> Array:
    """Return G, shape (q, q), from its entries and the residual variance, shape (k,)."""
    q = 1 if len(variances) == 2 else 2
    g = np.empty((q, q))
    for value, (i, j) in zip(variances[:-1], PAIRS[q], strict=True):
        g[i, j] = g[j, i] = value
    return g


def _invert_block(v: Array, inverse: Array) -> float:
    """Invert a positive definite matrix by its Cholesky factor, which overwrites it; give its log determinant."""
    m = v.shape[0]
    log_determinant = 0.0
    for j in range(m):
        for i in range(j, m):
            total = v[i, j]
            for k in range(j):
                total -= v[i, k] * v[j, k]
            if i == j:
                if not total > 0.0:
                    return np.nan
                v[j, j] = np.sqrt(total)
                log_determinant += 2.0 * np.log(v[j, j])
            else:
                v[i, j] = total / v[j, j]
    for j in range(m):  # the inverse of the factor, in the lower triangle
        v[j, j] = 1.0 / v[j, j]
        for i in range(j + 1, m):
            total = 0.0
            for k in range(j, i):
                total -= v[i, k] * v[k, j]
            v[i, j] = total / v[i, i]
    for i in range(m):
        for j in range(i + 1):
            total = 0.0
            for k in range(i, m):
                total += v[k, i] * v[k, j]
            inverse[i, j] = inverse[j, i] = total
    return log_determinant


_invert = compiled(_invert_block)


# Over 40 lines: compiled by numba as one loop over patients.
@compiled
def weigh_rows(x: Array, z: Array, starts: NDArray[np.int64], g: Array, residual: float) -> Weighed:
    r"""Weigh the fixed columns by the inverse covariance of their rows.

    Parameters
    ----------
    x, z : ndarray, shapes (n, p), (n, q)
        Columns, rows sorted by patient.
    starts : ndarray of int, shape (n_patients + 1,)
        First row of each patient, and ``n``.
    g : ndarray, shape (q, q)
        Covariance of the random effects.
    residual : float
        Residual variance.

    Returns
    -------
    log_determinant : float
        Of V; NaN where it is not positive definite.
    inverse : ndarray
        :math:`V^{-1}`, block after block.
    weighted : ndarray, shape (n, p)
        :math:`V^{-1}X`.
    information : ndarray, shape (p, p)
        :math:`X'V^{-1}X`.
    """
    n, p = x.shape
    q = z.shape[1]
    size, widest = 0, 0
    for i in range(len(starts) - 1):
        m = starts[i + 1] - starts[i]
        size += m * m
        widest = max(widest, m)
    inverse, weighted = np.empty(size), np.zeros((n, p))
    work = np.empty((widest, q))
    v = np.empty((widest, widest))
    log_determinant = 0.0
    at = 0
    for i in range(len(starts) - 1):
        first = starts[i]
        m = starts[i + 1] - first
        for r in range(m):
            for b in range(q):
                work[r, b] = 0.0
                for a in range(q):
                    work[r, b] += z[first + r, a] * g[a, b]
        for r in range(m):
            for s in range(r + 1):
                total = residual if r == s else 0.0
                for b in range(q):
                    total += work[r, b] * z[first + s, b]
                v[r, s] = total
        block = inverse[at : at + m * m].reshape((m, m))
        log_determinant += _invert(v[:m, :m], block)
        for r in range(m):
            for s in range(m):
                for a in range(p):
                    weighted[first + r, a] += block[r, s] * x[first + s, a]
        at += m * m
    information = np.zeros((p, p))
    for r in range(n):
        for a in range(p):
            for b in range(a + 1):
                information[a, b] += x[r, a] * weighted[r, b]
    for a in range(p):
        for b in range(a):
            information[b, a] = information[a, b]
    return log_determinant, inverse, weighted, information


# Over 40 lines: compiled by numba as one loop over patients.
@compiled
def evaluate_rows(
    x: Array, z: Array, starts: NDArray[np.int64], y: Array, g: Array, residual: float
) -> Evaluated:
    r"""Profile the fixed effects at given variances, and differentiate the log likelihood by these.

    Parameters
    ----------
    x, z, starts, g, residual
        As for :func:`weigh_rows`.
    y : ndarray, shape (n,)
        Scores.

    Returns
    -------
    deviance : float
        :math:`-2\ell`; NaN where V is not positive definite.
    beta : ndarray, shape (p,)
    cov : ndarray, shape (p, p)
        :math:`C = (X'V^{-1}X)^{-1}`.
    weighted : ndarray, shape (n, p)
        :math:`V^{-1}X`.
    u : ndarray, shape (n,)
        :math:`Py`.
    by_x : ndarray, shape (p, k)
        :math:`X'V^{-1}V_kPy`, by the entries of G and the residual variance.
    projected : ndarray, shape (k, n)
        :math:`PV_kPy`.
    score : ndarray, shape (k,)
    hessian : ndarray, shape (k, k)
        Of the log likelihood, fixed effects profiled.
    """
    n, p = x.shape
    q = z.shape[1]
    n_entries = q * (q + 1) // 2
    k = n_entries + 1
    log_determinant, inverse, weighted, information = weigh_rows(x, z, starts, g, residual)
    cov = np.linalg.inv(information)
    right = np.zeros(p)
    for r in range(n):
        for a in range(p):
            right[a] += weighted[r, a] * y[r]
    beta = cov @ right
    score, hessian = np.zeros(k), np.zeros((k, k))
    u, by_x, projected, pushed = np.zeros(n), np.zeros((p, k)), np.zeros((k, n)), np.zeros((k, n))
    error = np.empty(n)
    for r in range(n):
        error[r] = y[r]
        for a in range(p):
            error[r] -= x[r, a] * beta[a]
    squares = 0.0
    at = 0
    for i in range(len(starts) - 1):
        first, end = starts[i], starts[i + 1]
        m = end - first
        block = inverse[at : at + m * m].reshape((m, m))
        at += m * m
        weighted_z, zu = np.zeros((m, q)), np.zeros(q)
        trace, trace_square = 0.0, 0.0
        for r in range(m):
            for s in range(m):
                u[first + r] += block[r, s] * error[first + s]
                trace_square += block[r, s] * block[r, s]
                for b in range(q):
                    weighted_z[r, b] += block[r, s] * z[first + s, b]
            trace += block[r, r]
            squares += error[first + r] * u[first + r]
            for b in range(q):
                zu[b] += z[first + r, b] * u[first + r]
        once, twice = np.zeros((q, q)), np.zeros((q, q))
        for r in range(m):
            for a in range(q):
                for b in range(q):
                    once[a, b] += z[first + r, a] * weighted_z[r, b]
                    twice[a, b] += weighted_z[r, a] * weighted_z[r, b]
        entry = 0
        for a in range(q):
            for b in range(a, q):
                # V_k = Z E Z' with E a symmetric unit.
                double = 1.0 if a == b else 2.0
                for r in range(m):
                    pushed[entry, first + r] = z[first + r, a] * zu[b]
                    projected[entry, first + r] = weighted_z[r, a] * zu[b]
                    if a != b:
                        pushed[entry, first + r] += z[first + r, b] * zu[a]
                        projected[entry, first + r] += weighted_z[r, b] * zu[a]
                score[entry] += 0.5 * double * (zu[a] * zu[b] - once[a, b])
                other = 0
                for c in range(q):
                    for d in range(c, q):
                        total = once[b, c] * once[a, d]
                        if c != d:
                            total += once[b, d] * once[a, c]
                        hessian[entry, other] += 0.5 * double * total
                        other += 1
                hessian[entry, n_entries] += 0.5 * double * twice[a, b]
                entry += 1
        for r in range(m):
            pushed[n_entries, first + r] = u[first + r]
            score[n_entries] += 0.5 * u[first + r] * u[first + r]
            for s in range(m):
                projected[n_entries, first + r] += block[r, s] * u[first + s]
        score[n_entries] -= 0.5 * trace
        hessian[n_entries, n_entries] += 0.5 * trace_square
    for entry in range(k):
        for r in range(n):
            for a in range(p):
                by_x[a, entry] += weighted[r, a] * pushed[entry, r]
    shift = cov @ by_x
    for entry in range(k):
        for r in range(n):
            for a in range(p):
                projected[entry, r] -= weighted[r, a] * shift[a, entry]
    for entry in range(n_entries):
        hessian[n_entries, entry] = hessian[entry, n_entries]
    for entry in range(k):
        for other in range(k):
            for r in range(n):
                hessian[entry, other] -= pushed[entry, r] * projected[other, r]
    deviance = n * np.log(2.0 * np.pi) + log_determinant + squares
    return deviance, beta, cov, weighted, u, by_x, projected, score, 0.5 * (hessian + hessian.T)


@compiled
def spread_information(z: Array, starts: NDArray[np.int64], weighted: Array) -> Array:
    r"""Return :math:`X'V^{-1}V_kV^{-1}X` for every entry of G and the residual variance, shape (k, p, p)."""
    n, p = weighted.shape
    q = z.shape[1]
    n_entries = q * (q + 1) // 2
    out = np.zeros((n_entries + 1, p, p))
    for i in range(len(starts) - 1):
        by_z = np.zeros((q, p))
        for r in range(starts[i], starts[i + 1]):
            for a in range(q):
                for b in range(p):
                    by_z[a, b] += z[r, a] * weighted[r, b]
        entry = 0
        for a in range(q):
            for b in range(a, q):
                for c in range(p):
                    for d in range(p):
                        out[entry, c, d] += by_z[a, c] * by_z[b, d]
                        if a != b:
                            out[entry, c, d] += by_z[b, c] * by_z[a, d]
                entry += 1
    for r in range(n):
        for c in range(p):
            for d in range(p):
                out[n_entries, c, d] += weighted[r, c] * weighted[r, d]
    return out
