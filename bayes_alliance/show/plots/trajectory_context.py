"""What stands behind fitted mean trajectories: raw means with counts, printed lines, and lines of other cohorts.

Raw means of real data are those of the predictive checks, which small groups have been taken out of
(docs/disclosure.md); of synthetic rows they are computed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bayes_alliance.inference.fits import Array
from bayes_alliance.run.results import ModelRun, StudyResults
from bayes_alliance.run.score_model import time_windows
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Source, Study


@dataclass(frozen=True, kw_only=True)
class RawMean:
    """Mean of the observed scores of a subgroup in a window of time.

    Parameters
    ----------
    time, mean : float
        Mean time of its assessments (middle of the window for real data), and their mean score.
    n_patients, n_rows : int
        Patients and assessments.
    """

    time: float
    mean: float
    n_patients: int
    n_rows: int


def raw_means(
    results: StudyResults, run: ModelRun, values: Mapping[str, float | str], rows_of_line: Array
) -> list[RawMean]:
    """Return the raw means of a line's subgroup by window of time.

    Parameters
    ----------
    results : StudyResults
        Of the run, small groups taken out.
    run : ModelRun
        Whose rows they are.
    values : mapping of str to float or str
        Of the predictors that make the subgroup.
    rows_of_line : ndarray, shape (n_rows, p)
        What the fixed-effects rows would be, were every patient of the subgroup.

    Returns
    -------
    list of RawMean
        Empty for real data of which no predictive check has this subgroup.
    """
    if results.source is Source.REAL:
        return _of_checks(results, run, values)
    design, study = run.design, results.study
    member = np.all(np.isclose(design.x, rows_of_line), axis=1)
    times = row_times(run, study.time)
    windows = time_windows(times, study.horizon)
    found = []
    for window in dict.fromkeys(time_windows(np.linspace(0.0, study.horizon, 5)[:-1], study.horizon)):
        mine = member & (windows == window)
        if np.any(mine):
            found.append(
                RawMean(
                    time=float(times[mine].mean()),
                    mean=float(design.y[mine].mean()),
                    n_patients=len(np.unique(design.patient_index[mine])),
                    n_rows=int(mine.sum()),
                )
            )
    return found


def row_times(run: ModelRun, time: str) -> Array:
    """Return the time of each row of a run; zero where its model has no slope."""
    names = list(run.design.x_names)
    return run.design.x[:, names.index(time)] if time in names else np.zeros(len(run.design.y))


def _of_checks(results: StudyResults, run: ModelRun, values: Mapping[str, float | str]) -> list[RawMean]:
    group = "all" if not values else " and ".join(f"{name} = {value:g}" for name, value in _codes(values))
    checked = {found.model_id: found for found in results.predictive}.get(run.model.id)
    return [
        RawMean(
            time=sum(float(end) for end in one.bin.split("-")) / 2.0,
            mean=one.observed,
            n_patients=one.n_patients,
            n_rows=one.n_rows,
        )
        for one in (checked.statistics if checked is not None else ())
        if one.name == "mean" and one.bin and one.group == group
    ]


def _codes(values: Mapping[str, float | str]) -> Iterator[tuple[str, float]]:
    return ((name, value) for name, value in values.items() if not isinstance(value, str))


def printed_line(study: Study, model_id: str) -> tuple[float, float] | None:
    """Return printed intercept and slope of all patients, of the growth model of a model's outcome.

    Parameters
    ----------
    study : Study
        With its cells.
    model_id : str
        Of the figure's model.

    Returns
    -------
    tuple of float, or None
        None unless both are printed as numbers for a model of time alone.
    """
    outcome = study.model(model_id).outcome
    for model in study.models:
        alone = set(parse_formula(model.formula).names) <= {outcome, study.time, study.patient}
        if model.outcome != outcome or model.where or not alone:
            continue
        found = {
            cell.coefficient: float(cell.parsed.value.value)
            for cell in study.cells
            if cell.model == model.id and cell.quantity == "estimate" and cell.parsed.value is not None
        }
        if "Intercept" in found and study.time in found:
            return found["Intercept"], found[study.time]
    return None


def cohort_lines(results: StudyResults, run: ModelRun, x: Array) -> list[Array]:
    """Return the mean trajectory of each synthetic cohort, by its posterior means.

    Parameters
    ----------
    results : StudyResults
        With its ensemble.
    run : ModelRun
        Of the model.
    x : ndarray, shape (n, p)
        Rows of the trajectory.
    """
    lines = []
    for cohort in results.ensemble.coefficients:
        mine = cohort.get(run.model.id, {})
        if set(run.ml.x_names) <= set(mine):
            lines.append(x @ np.array([mine[name] for name in run.ml.x_names]))
    return lines
