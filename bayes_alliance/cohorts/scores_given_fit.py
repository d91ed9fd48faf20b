r"""Scores on a given design whose fit is a printed one.

Random effects and residuals are drawn from the model at the printed variances, then carried to the printed fit by the
maps under which the model is closed: a linear map of the random effects and a factor of the residuals until the fitted
variances are the printed ones, then a shift by the fixed part. On a complete balanced design with a random intercept
these are the exact draws given estimates and variances, which are sufficient and complete there, whatever the prior;
elsewhere they are draws at the printed variances, approximate for the prior's part in what is left of the scores.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from bayes_alliance.cohorts.default_design import DesignPrior, DrawnDesign
from bayes_alliance.cohorts.printed_fit import Floats, PrintedFit
from bayes_alliance.errors import FitError
from bayes_alliance.inference.design import numeric_design
from bayes_alliance.inference.fits import MixedFit, RowsUsed
from bayes_alliance.inference.ml import fit_mixed
from bayes_alliance.study.records import Source, Study

_ROUNDS = 40
_TOLERANCE = 1e-3
_STARTS = 5
_LEAST_SD = 1e-4


def draw_scores(
    study: Study, prior: DesignPrior, design: DrawnDesign, fit: PrintedFit, rng: np.random.Generator
) -> pd.DataFrame | None:
    """Draw scores that have a printed fit.

    Parameters
    ----------
    study : Study
        Names the columns.
    prior : DesignPrior
        Times of the visits.
    design : DrawnDesign
        Who was assessed when.
    fit : PrintedFit
        Of the largest printed model.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    pandas.DataFrame or None
        Names of the study's variables, sorted by patient and time; None where no start led to the printed variances.
    """
    patient, visit = np.nonzero(design.present)
    columns: dict[str, Floats] = {name: values[patient, visit] for name, values in design.values.items()}
    columns[study.time] = np.array(prior.visits)[visit]
    arrays = {**columns, fit.formula.group: patient, fit.formula.response: np.zeros(len(patient))}
    try:
        built = numeric_design(fit.formula, arrays)
    except ValueError:
        return None
    wanted = np.array([fit.estimate[name] for name in built.x_names])
    goal = np.linalg.cholesky(fit.effects + _LEAST_SD**2 * np.diag(np.diagonal(fit.effects)))
    for _ in range(_STARTS):
        effects = rng.standard_normal((built.n_patients, len(goal)))
        residuals = rng.standard_normal(built.n_rows)
        shape, factor = goal.copy(), fit.sigma
        for _ in range(_ROUNDS):
            y = np.sum(built.z * (effects @ shape.T)[patient], axis=1) + factor * residuals
            reached = _fit(replace(built, y=y), fit)
            if reached is None or reached.singular:
                break
            root = np.linalg.cholesky(_covariance(reached))
            if _near(root, goal) and abs(np.log(reached.sigma / fit.sigma)) < _TOLERANCE:
                y = y + built.x @ (wanted - reached.beta)
                named = {study.patient: [f"D{one + 1:04d}" for one in patient], **columns}
                return pd.DataFrame({**named, fit.formula.response: y})
            shape = goal @ np.linalg.solve(root, shape)
            factor *= fit.sigma / reached.sigma
    return None


def _fit(design: object, fit: PrintedFit) -> MixedFit | None:
    rows = RowsUsed(
        n_rows=design.n_rows,  # type: ignore[attr-defined]
        n_patients=design.n_patients,  # type: ignore[attr-defined]
        digest="drawn",
        source=Source.SYNTHETIC,
    )
    try:
        return fit_mixed(design, rows, method=fit.method)  # type: ignore[arg-type]
    except FitError:
        return None


def _covariance(reached: MixedFit) -> Floats:
    found = np.diag(reached.sd**2)
    if len(reached.sd) == 2:
        found[0, 1] = found[1, 0] = reached.correlation * reached.sd[0] * reached.sd[1]
    return found


def _near(root: Floats, goal: Floats) -> bool:
    size = np.sqrt(np.maximum(np.sum(goal**2, axis=1), 1e-300))
    return bool(np.max(np.abs(root - goal) / size[:, None]) < _TOLERANCE)
