r"""Wald statistic of a variance of the random effects, with its derivative.

:math:`z = \hat v/SE(\hat v)`, the SE from the observed information. Its derivative takes the SE's from the expected
information :math:`\tfrac12 tr(V^{-1}V_kV^{-1}V_l)` at the estimates, which has a closed form.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.cohorts.solver.kernel import covariance_of, weigh_rows
from bayes_alliance.cohorts.solver.sensitivity import BlockFit, Blocks, Sensitivity
from bayes_alliance.runtime.compiled import compiled

Floats = NDArray[np.float64]


@compiled
def expected_information(z: Floats, starts: NDArray[np.int64], inverse: Floats) -> Floats:
    r"""Return :math:`\tfrac12 tr(V^{-1}V_kV^{-1}V_l)` for the entries of G and the residual variance, shape (k, k)."""
    q = z.shape[1]
    n_entries = q * (q + 1) // 2
    k = n_entries + 1
    out = np.zeros((k, k))
    at = 0
    for i in range(len(starts) - 1):
        first = starts[i]
        m = starts[i + 1] - first
        block = inverse[at : at + m * m].reshape((m, m))
        at += m * m
        zi = z[first : first + m]
        weighted = block @ zi
        once, twice = zi.T @ weighted, weighted.T @ weighted
        a_of, b_of = 0, 0
        for entry in range(n_entries):
            c_of, d_of = 0, 0
            for other in range(n_entries):
                total = once[b_of, c_of] * once[a_of, d_of]
                if c_of != d_of:
                    total += once[b_of, d_of] * once[a_of, c_of]
                out[entry, other] += 0.5 * (1.0 if a_of == b_of else 2.0) * total
                d_of += 1
                if d_of == q:
                    c_of += 1
                    d_of = c_of
            double = 1.0 if a_of == b_of else 2.0
            out[entry, n_entries] += 0.5 * double * twice[a_of, b_of]
            b_of += 1
            if b_of == q:
                a_of += 1
                b_of = a_of
        out[n_entries, n_entries] += 0.5 * np.sum(block * block)
    for entry in range(n_entries):
        out[n_entries, entry] = out[entry, n_entries]
    return out


def _expected_se(blocks: Blocks, variances: Floats, place: int) -> float:
    weighed = weigh_rows(blocks.x, blocks.z, blocks.starts, covariance_of(variances), float(variances[-1]))
    information = expected_information(blocks.z, blocks.starts, weighed[1])
    scale = 1.0 / np.sqrt(np.diagonal(information))
    inverse = np.linalg.inv(scale[:, None] * information * scale) * np.outer(scale, scale)
    return float(np.sqrt(inverse[place, place]))


def wald_statistic(blocks: Blocks, fit: BlockFit, by: Sensitivity, which: int) -> tuple[float, Floats]:
    """Wald z of the variance of intercept (0) or slope (1), and its derivative by the scores, shape (n_rows,).

    Zero, with derivative zero, where the fit is at the boundary.
    """
    place = 0 if which == 0 else 2
    se = float(fit.variance_se[place])
    if fit.singular or not np.isfinite(se):
        return 0.0, np.zeros(by.variances.shape[1])
    variances = fit.variances
    z = float(variances[place]) / se
    base = _expected_se(blocks, variances, place)
    gradient = np.zeros(len(variances))
    for k, value in enumerate(variances):
        step = 1e-4 * max(abs(float(value)), 1e-3 * float(np.sqrt(variances[0] * variances[2])))
        moved = variances.copy()
        moved[k] += step
        relative = (_expected_se(blocks, moved, place) - base) / (base * step)
        gradient[k] = -z * relative
    gradient[place] += 1.0 / se
    return z, gradient @ by.variances
