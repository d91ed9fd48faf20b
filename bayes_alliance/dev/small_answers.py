r"""What the full data of a small invented study would answer: posterior means and predictive comparisons.

Functions of the scores alone, in closed form: covariances are those of a maximum-likelihood fit, coefficients have
their prior. They are unprinted quantities like any other, and those that a reader of a reanalysis looks at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bayes_alliance.cohorts.draws.growth import Covariances, Floats, Layout, Whitening, weigh_coefficients
from bayes_alliance.cohorts.solver.sensitivity import BlockFit

# Columns of the joint model that each model has: level, slope, then level and slope of each effect.
COLUMNS = {"growth": (0, 1), "group": (0, 1, 2, 3), "extra": (0, 1, 4, 5)}


def answer_small(layout: Layout, horizon: float, fits: Mapping[str, BlockFit], y: Floats) -> dict[str, float]:
    """Return posterior means of both slope differences, and each model's elpd less that of the growth model.

    Parameters
    ----------
    layout : Layout
        Of the joint model; time as a share of the horizon.
    horizon : float
        In the unit of time of the fits.
    fits : mapping of str to BlockFit
        Maximum-likelihood fits of the models in ``COLUMNS`` to the scores.
    y : ndarray, shape (n,)
        Scores.
    """
    whitenings = {
        name: Whitening(_with_columns(layout, COLUMNS[name]), _covariances(fits[name], horizon))
        for name in COLUMNS
    }
    elpd = {name: float(np.sum(leave_patients_out(w, y))) for name, w in whitenings.items()}
    means = {
        name: float(layout.column_sd[COLUMNS[name][-1]] * weigh_coefficients(whitenings[name], y)[0][-1])
        for name in ("group", "extra")
    }
    return {
        **{f"mean of {name} slope": mean for name, mean in means.items()},
        **{f"elpd gain of {name}": elpd[name] - elpd["growth"] for name in means},
    }


def _with_columns(layout: Layout, columns: Sequence[int]) -> Layout:
    some = list(columns)
    return replace(layout, columns=layout.columns[:, some], column_sd=layout.column_sd[some])


def _covariances(fit: BlockFit, horizon: float) -> Covariances:
    first, between, second, residual = (float(value) for value in fit.variances)
    effects = np.array([[first, between * horizon], [between * horizon, second * horizon**2]])
    return Covariances(effects=effects, residuals=np.array([[residual]]))


def leave_patients_out(whitening: Whitening, y: Floats) -> Floats:
    r"""Log predictive density of each patient's scores given all others', covariances known, shape (n_patients,).

    With :math:`C_i, r_i` the whitened columns and scores of patient i and :math:`Q_i, m_i` the posterior precision and
    mean of the coefficients without that patient, :math:`r_i \sim N(C_i m_i, I + C_i Q_i^{-1} C_i')`.
    """
    columns, rest, logs = [], [], []
    for block, root in zip(whitening.blocks, whitening.roots, strict=True):
        centred = (y - whitening.layout.centre)[block]
        solved = np.linalg.solve(root, np.column_stack([whitening.scaled[block], centred]))
        columns.append(solved[:, :-1])
        rest.append(solved[:, -1])
        logs.append(float(np.sum(np.log(np.diagonal(root)))))
    precision = np.eye(whitening.n_coefficients) + sum(c.T @ c for c in columns)
    weighted = sum(c.T @ r for c, r in zip(columns, rest, strict=True))
    found = np.empty(len(columns))
    for i, (c, r) in enumerate(zip(columns, rest, strict=True)):
        without = precision - c.T @ c
        gap = r - c @ np.linalg.solve(without, weighted - c.T @ r)
        spread = np.eye(len(r)) + c @ np.linalg.solve(without, c.T)
        _, log_det = np.linalg.slogdet(spread)
        found[i] = (
            -0.5 * (len(r) * np.log(2.0 * np.pi) + log_det + gap @ np.linalg.solve(spread, gap)) - logs[i]
        )
    return found
