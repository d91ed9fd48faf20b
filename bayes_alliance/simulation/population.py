"""Whom simulated studies are made of: the patients of one model, as columns, without their outcomes.

A simulated study takes all of them as they are, or draws some with replacement, a given number of them with a mark
(paranoid PD, say). Visits are the patients' own, or as many as asked for at equal distances.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import FitError, InputError, Problem
from bayes_alliance.inference.design import Design, build_design, variance_fault
from bayes_alliance.inference.fits import Array, RowsUsed
from bayes_alliance.run.plan import PlannedModel
from bayes_alliance.study.formula import Formula
from bayes_alliance.study.records import Source, Study

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class CovariatePool:
    """Patients of one model, in blocks of rows.

    Parameters
    ----------
    formula : Formula
        Of the model.
    x, z : ndarray, shapes (n_rows, p), (n_rows, q)
        Fixed and random columns, sorted by patient and time.
    starts, sizes : ndarray of int, shape (n_patients,)
        First row and number of rows of each patient.
    marked : ndarray of bool, shape (n_patients,)
        Who has the mark; empty where none is asked for.
    frame : pandas.DataFrame
        The variables behind the columns, for an engine that reads the formula itself; outcomes are zero.
    digest : str
        Of the rows that the columns come from.
    """

    formula: Formula
    x: Array
    z: Array
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    marked: NDArray[np.bool_]
    x_names: tuple[str, ...]
    z_names: tuple[str, ...]
    frame: pd.DataFrame
    digest: str

    @property
    def n_patients(self) -> int:
        """Number of patients to draw from."""
        return len(self.starts)


def build_pool(
    study: Study,
    data: StudyData,
    planned: PlannedModel,
    *,
    mark: str = "",
    visits: int | None = None,
    dealt: int | None = None,
) -> CovariatePool:
    """Make the pool of one model.

    Parameters
    ----------
    study : Study
        Says which variables belong to patients.
    data : StudyData
        Has the mark of every patient, also where the model does not use it.
    planned : PlannedModel
        The model with its rows.
    mark : str
        A binary variable of patients; those without a value are left out.
    visits : int, optional
        Visits of every patient, at equal distances from the earliest to the latest time of the rows; by default
        the patients' own.
    dealt : int, optional
        Seed of a deal of the patients' predictors, all of a patient's together, to patients at random, so that they
        do not go with who was seen how often and when; by default they stay where they are.

    Returns
    -------
    CovariatePool

    Raises
    ------
    InputError
        If the mark is no binary variable of patients, or the visits of a model are changed whose predictors are
        measured at visits.
    """
    rows = planned.frozen.rows.assign(**{planned.model.outcome: 0.0})
    if dealt is not None:
        rows = deal_predictors(study, planned, rows, dealt)
    if visits is not None:
        rows = _at_equal_visits(study, planned, rows, visits)
    marks = _marks(study, data, mark, rows)
    if mark:
        known = marks.notna().to_numpy()
        rows, marks = rows.loc[known].reset_index(drop=True), marks.loc[known]
    design = _design(planned, rows, visits)
    starts = np.flatnonzero(np.diff(design.patient_index, prepend=-1))
    return CovariatePool(
        formula=design.formula,
        x=design.x,
        z=design.z,
        starts=starts,
        sizes=np.diff(np.append(starts, design.n_rows)),
        marked=marks.to_numpy(float)[starts] == 1.0 if mark else np.empty(0, dtype=bool),
        x_names=design.x_names,
        z_names=design.z_names,
        frame=rows,
        digest=planned.rows.digest,
    )


def deal_predictors(study: Study, planned: PlannedModel, rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Deal the predictors of patients anew: each patient gets those of another, and keeps the visits."""
    fixed = {study.patient, study.time, planned.model.outcome}
    names = [
        name
        for name in sorted(planned.design.formula.names - fixed)
        if study.every_variable[name].level == "patient"
    ]
    first = rows.loc[~rows[study.patient].duplicated(), [study.patient, *names]]
    order = np.random.default_rng(seed).permutation(len(first))
    dealt = first[names].iloc[order].set_axis(first[study.patient].to_numpy())
    return rows.assign(
        **{name: rows[study.patient].map(dealt[name]).astype(rows[name].dtype) for name in names}
    )


def _design(planned: PlannedModel, rows: pd.DataFrame, visits: int | None) -> Design:
    """Build the design, or say that so few visits, or patients with the mark, cannot carry the model."""
    if rows.empty:
        raise InputError("option --marked", [Problem(what="no patient of the design has a value of it")])
    try:
        design = build_design(planned.design.formula, rows)
        fault = "" if planned.design.structured is not None else variance_fault(design)
    except ValueError as error:
        fault = str(error)
    if not fault:
        return design
    option = "--marked" if visits is None else "--n-visits"
    problem = Problem(
        what=f"model {planned.model.id!r} cannot be fitted to such data: {fault}",
        got="" if visits is None else str(visits),
        allowed="" if visits is None else "three or more visits for a random slope, two or more without one",
    )
    raise InputError(f"option {option}", [problem])


def _at_equal_visits(study: Study, planned: PlannedModel, rows: pd.DataFrame, visits: int) -> pd.DataFrame:
    """Return every patient visits at equal distances; what belongs to the patient is repeated."""
    names = planned.design.formula.names - {study.patient, study.time, planned.model.outcome}
    measured = sorted(name for name in names if study.every_variable[name].level == "visit")
    if measured:
        what = f"the visits of a model with predictors measured at visits cannot be changed: {', '.join(measured)}"
        raise InputError("option --n-visits", [Problem(what=what)])
    if visits < 1 or study.time not in planned.frozen.names:
        raise InputError("option --n-visits", [Problem(what="at least one visit", got=str(visits))])
    first = rows.loc[~rows[study.patient].duplicated()]
    times = np.linspace(float(rows[study.time].min()), float(rows[study.time].max()), visits)
    repeated = first.loc[first.index.repeat(visits)].reset_index(drop=True)
    return repeated.assign(**{study.time: np.tile(times, len(first))})


def _marks(study: Study, data: StudyData, mark: str, rows: pd.DataFrame) -> pd.Series:
    """Return the mark of the patient of each row."""
    if not mark:
        return rows[study.patient].notna()
    variable = study.every_variable.get(mark)
    if variable is None or variable.kind != "binary" or variable.level != "patient" or mark not in data.rows:
        binary = [
            name
            for name, v in study.every_variable.items()
            if v.kind == "binary" and v.level == "patient" and name in data.rows
        ]
        problem = Problem(
            what="no binary variable of patients",
            got=repr(mark[:60]),
            allowed=", ".join(binary) or "none here",
        )
        raise InputError("option --marked", [problem])
    by_patient = data.rows.groupby(study.patient, sort=False)[mark].first()
    marks: pd.Series = rows[study.patient].map(by_patient)
    return marks


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a simulated study takes its patients.

    Parameters
    ----------
    n_patients : int or None
        Drawn with replacement; None takes every patient of the pool once.
    n_marked : int or None
        How many of them have the mark; None leaves that to chance.
    """

    n_patients: int | None = None
    n_marked: int | None = None


def choose_patients(pool: CovariatePool, sampling: Sampling, rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose the patients of one simulated study, by their number in the pool."""
    n = pool.n_patients if sampling.n_patients is None else sampling.n_patients
    if sampling.n_marked is not None:
        parts = [(pool.marked, sampling.n_marked), (~pool.marked, n - sampling.n_marked)]
        return np.concatenate([rng.choice(np.flatnonzero(group), count) for group, count in parts if count])
    if sampling.n_patients is None:
        return np.arange(n)
    return rng.choice(pool.n_patients, n)


def check_sampling(pool: CovariatePool, sampling: Sampling) -> list[Problem]:
    """List what cannot be drawn from a pool."""
    n = pool.n_patients if sampling.n_patients is None else sampling.n_patients
    problems = []
    if n < 2:
        problems.append(Problem(what="too few patients", got=str(n), allowed="two or more"))
    if sampling.n_marked is not None:
        if not 0 <= sampling.n_marked <= n:
            problems.append(
                Problem(what="more marked patients than patients", got=f"{sampling.n_marked} of {n}")
            )
        if (sampling.n_marked and not pool.marked.any()) or (sampling.n_marked < n and pool.marked.all()):
            problems.append(Problem(what="the pool has no patient with (or without) the mark"))
    return problems


def take_rows(
    pool: CovariatePool, patients: Sequence[int] | NDArray[np.int64]
) -> tuple[Design, NDArray[np.int64]]:
    """Put the rows of the chosen patients together, each a patient of its own however often it was chosen.

    Returns
    -------
    design : Design
        With outcomes of zero.
    rows : ndarray of int
        Rows of the pool that it consists of.

    Raises
    ------
    FitError
        If some effect cannot be told from the others on these patients.
    """
    chosen = np.asarray(patients)
    sizes = pool.sizes[chosen]
    index = np.repeat(np.arange(len(chosen)), sizes)
    within = np.arange(len(index)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    rows = pool.starts[chosen][index] + within
    return make_design(pool, pool.x[rows], pool.z[rows], index), rows


def make_design(
    pool: CovariatePool, x: Array, z: Array, index: NDArray[np.int64], y: Array | None = None
) -> Design:
    """Make the design of a simulated study; see :func:`take_rows` for what it raises."""
    scaled = x / np.maximum(np.linalg.norm(x, axis=0), 1e-300)
    if len(x) <= x.shape[1] or np.linalg.matrix_rank(scaled, tol=1e-9) < x.shape[1]:
        raise FitError("some effect cannot be told from the others on the patients drawn")
    return Design(
        y=np.zeros(len(x)) if y is None else y,
        x=x,
        z=z,
        patient_index=index,
        x_names=pool.x_names,
        z_names=pool.z_names,
        formula=pool.formula,
    )


def without_frame(pool: CovariatePool) -> CovariatePool:
    """Leave the frame behind, for a journey to workers that do not need it."""
    return dataclasses.replace(pool, frame=pool.frame.iloc[:0])


def simulated_rows(design: Design) -> RowsUsed:
    """Return in words what the rows of a simulated study are."""
    return RowsUsed(
        n_rows=design.n_rows, n_patients=design.n_patients, digest="simulated", source=Source.SYNTHETIC
    )
