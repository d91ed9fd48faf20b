"""From a data frame and a formula with nested levels or correlated residuals to the arrays of one model.

Every problem of the frame is named before any fit: missing columns, groups that are not nested, visits that repeat
within a patient.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd

from bayes_alliance.data.rows import digest_rows
from bayes_alliance.errors import InputError, Problem, no_such
from bayes_alliance.inference.design import Design, build_design, find_reference
from bayes_alliance.inference.fits import Array, RowsUsed
from bayes_alliance.inference.lmm.patterns import Index, Rows
from bayes_alliance.inference.lmm.posterior import LevelPrior
from bayes_alliance.inference.lmm.structure import RandomShape, Structure
from bayes_alliance.run.frame_study import VISIT, Priors, build_frame_study
from bayes_alliance.run.levels import (
    Levels,
    number_crossed,
    number_groups,
    one_cluster_a_patient,
    random_columns,
    tell_crossed,
)
from bayes_alliance.run.residual_rows import residual_rows
from bayes_alliance.study.covariance_terms import INTERCEPT, ResidualSpec
from bayes_alliance.study.formula import Formula, FormulaError
from bayes_alliance.study.records import Source, Study
from bayes_alliance.study.structured_formula import StructuredFormula, parse_residual, parse_structured
from bayes_alliance.study.validate import check_study


@dataclass(frozen=True, kw_only=True)
class StructuredRows:
    """A model with its rows.

    Parameters
    ----------
    formula : StructuredFormula
        As parsed.
    residual : ResidualSpec
        As parsed.
    study : Study
        Of the fixed part, with the priors.
    design : Design
        Fixed columns; its random part is a stand-in.
    rows : Rows
        All arrays.
    structure : Structure
        Of the covariance.
    patient_prior, cluster_prior : LevelPrior
        Priors of the random effects.
    patient_name, cluster_name : str
        How the levels are called; the second is empty without an upper level.
    used : RowsUsed
        Counts and digest.
    n_clusters : int
        Groups of the upper level.
    left_out : tuple of str
        What was left out, and why.
    crossed : bool
        Whether the other level crosses the patients.
    """

    formula: StructuredFormula
    residual: ResidualSpec
    study: Study
    design: Design
    rows: Rows
    structure: Structure
    patient_prior: LevelPrior
    cluster_prior: LevelPrior
    patient_name: str
    cluster_name: str
    used: RowsUsed
    n_clusters: int
    left_out: tuple[str, ...]
    crossed: bool = False


def read_formula(formula: str, residual: str, patient: str) -> tuple[StructuredFormula, ResidualSpec]:
    """Parse both texts, with InputError for what is outside the grammar."""
    try:
        parsed = parse_structured(formula, patient)
    except FormulaError as error:
        raise InputError("formula", [Problem(what=str(error), got=formula[:200])]) from error
    try:
        return parsed, parse_residual(residual)
    except FormulaError as error:
        raise InputError("residual", [Problem(what=str(error), got=residual[:200])]) from error


# Over 40 lines: every array is put into the one order of rows found half-way, then into the record.
def read_structured(
    formula: StructuredFormula,
    residual: ResidualSpec,
    frame: pd.DataFrame,
    *,
    time: str = "",
    time_unit: str = "units of time",
    horizon: float | None = None,
    priors: Priors | None = None,
) -> StructuredRows:
    """Build the arrays of a model from a frame.

    Parameters
    ----------
    formula, residual
        Parsed.
    frame : pandas.DataFrame
        One row an assessment.
    time, time_unit, horizon, priors
        As for :func:`bayes_alliance.run.frame_study.study_from_frame`.

    Raises
    ------
    InputError
        With what is wrong with the frame.
    """
    asked, slopes, grouping, time = _asked(formula, residual, frame, time)
    rows, left_out = _complete(frame[asked], grouping)
    levels = tell_crossed(formula.parts, formula.fixed.group, rows)
    patient, cluster = levels.patient, levels.cluster
    rows, left_out = _with_patient(rows, patient, left_out)
    patient_id = number_groups(rows, patient)
    fixed = _grouped_by(formula.fixed, patient[-1])
    rows = rows.assign(**{fixed.group: patient_id})
    rows, time = _with_time(rows, fixed.group, time)
    typed, study = _typed(rows, fixed, time, time_unit, horizon, priors)
    z, patient_shape = random_columns([part for part in formula.parts if part.group == patient], typed)
    w, cluster_shape = random_columns([part for part in formula.parts if part.group == cluster], typed)
    cluster_id, crossing, n_clusters = _upper_groups(rows, levels, w, patient_id)
    position, residual_shape, group = residual_rows(residual, typed, patient_id)
    order = np.lexsort((position, patient_id, cluster_id))
    patient_sorted = np.cumsum(np.diff(patient_id[order], prepend=patient_id[order][0]) != 0)
    ordered = typed.iloc[order].assign(**{fixed.group: patient_sorted}).reset_index(drop=True)
    design = _fixed_part(fixed, ordered)
    reference = find_reference(
        {name: ordered[name].to_numpy(float) for name in dict.fromkeys([*slopes, time])}, patient_sorted
    )
    return StructuredRows(
        formula=formula,
        residual=residual,
        study=study,
        design=design,
        rows=Rows(
            y=design.y,
            x=design.x,
            z=z[order],
            w=w[order],
            patient=patient_sorted,
            cluster=cluster_id[order],
            position=position[order],
            group=group[order],
            crossing=None if crossing is None else crossing[order],
        ),
        structure=Structure(patient=patient_shape, cluster=cluster_shape, residual=residual_shape),
        patient_prior=_prior(patient_shape, z, study, time, reference),
        cluster_prior=_prior(cluster_shape, w, study, time, reference),
        patient_name=":".join(patient),
        cluster_name=":".join(cluster),
        used=_used(ordered, patient_sorted),
        n_clusters=n_clusters,
        left_out=left_out,
        crossed=levels.crossed,
    )


def _with_time(rows: pd.DataFrame, patient: str, time: str) -> tuple[pd.DataFrame, str]:
    """Return the rows with numbers of visits for time where the model has none."""
    if time:
        return rows, time
    return rows.assign(**{VISIT: rows.groupby(patient, sort=False).cumcount()}), VISIT


def _fixed_part(fixed: Formula, ordered: pd.DataFrame) -> Design:
    try:
        return build_design(fixed, ordered)
    except ValueError as error:
        raise InputError("data frame", [Problem(what=str(error))]) from error


def _upper_groups(
    rows: pd.DataFrame, levels: Levels, w: Array, patient: Index
) -> tuple[Index, Index | None, int]:
    """Return each row's cluster, its group of a crossed level (None without one), and how many groups there are."""
    numbers = number_groups(rows, levels.cluster)
    count = len(set(numbers[numbers >= 0].tolist())) if levels.cluster else 0
    if levels.crossed:
        return np.zeros_like(patient), number_crossed(rows, levels, w), count
    return one_cluster_a_patient(numbers, w, patient, ":".join(levels.cluster)), None, count


def _used(ordered: pd.DataFrame, patient: Index) -> RowsUsed:
    """Return counts and digest of the rows of a fit."""
    return RowsUsed(
        n_rows=len(ordered),
        n_patients=int(patient[-1]) + 1,
        digest=digest_rows(ordered, [str(name) for name in ordered.columns]),
        source=Source.REAL,
    )


def _asked(
    formula: StructuredFormula, residual: ResidualSpec, frame: pd.DataFrame, time: str
) -> tuple[list[str], list[str], list[str], str]:
    """List the columns of a model, its random slopes, its grouping columns, and the column of time, if any."""
    columns = [str(name) for name in frame.columns]
    slopes = list(dict.fromkeys(name for part in formula.parts for name in part.columns if name != INTERCEPT))
    grouping = sorted({name for part in formula.parts for name in part.group})
    numeric = [name for name in slopes if name in columns and pd.api.types.is_numeric_dtype(frame[name])]
    time = time or next(iter(numeric), "") or (residual.variable if residual.kind == "car1" else "")
    needed = [*formula.fixed.names, *slopes, *grouping, time, residual.variable, residual.variance]
    asked = sorted(set(filter(None, needed)))
    problems = [no_such("column", name, columns) for name in asked if name not in columns]
    if problems:
        raise InputError("formula", problems)
    return asked, slopes, grouping, time


def _complete(frame: pd.DataFrame, grouping: list[str]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Leave out rows that lack a variable other than a group, and count them by variable."""
    rows = frame.reset_index(drop=True)
    said = []
    for name in rows.columns:
        if name in grouping:
            continue
        lacking = rows[name].isna()
        if lacking.any():
            said.append(f"{int(lacking.sum())} rows without {name}")
            rows = rows[~lacking]
    if len(rows) < 2:
        raise InputError("data frame", [Problem(what="fewer than two rows have all variables of the model")])
    return rows.reset_index(drop=True), tuple(said)


def _with_patient(
    rows: pd.DataFrame, patient: tuple[str, ...], left_out: tuple[str, ...]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Leave out rows that belong to no patient."""
    lacking = rows[list(patient)].isna().any(axis=1)
    if not lacking.any():
        return rows, left_out
    more = f"{int(lacking.sum())} rows without {':'.join(patient)}"
    return rows[~lacking].reset_index(drop=True), (*left_out, more)


def _grouped_by(fixed: Formula, patient: str) -> Formula:
    """Return the fixed part with a stand-in random part of the patient's level."""
    if patient in set(chain.from_iterable(fixed.terms)):
        problem = Problem(what=f"the grouping variable {patient!r} cannot also be a predictor")
        raise InputError("formula", [problem])
    text = f"{fixed.fixed_text} + (1 | {patient})"
    return dataclasses.replace(fixed, group=patient, text=text)


def _typed(
    rows: pd.DataFrame,
    fixed: Formula,
    time: str,
    time_unit: str,
    horizon: float | None,
    priors: Priors | None,
) -> tuple[pd.DataFrame, Study]:
    """Turn columns into floats and ordered categories, as the study made from the frame declares them."""
    study = build_frame_study(fixed, rows[sorted({*fixed.names, time})], time, time_unit, horizon, priors)
    problems = check_study(study, "formula")
    if problems:
        raise InputError("formula", problems)
    typed = rows.copy()
    for variable in study.variables:
        if variable.name == fixed.group:
            continue
        if variable.categories:
            present = [one for one in variable.categories if (rows[variable.name].astype(str) == one).any()]
            typed[variable.name] = pd.Categorical(
                rows[variable.name].astype(str), categories=present, ordered=True
            )
        else:
            typed[variable.name] = rows[variable.name].astype(float)
            if not np.isfinite(typed[variable.name]).all():
                raise InputError(
                    "data frame", [Problem(what="infinite values", where=f"column {variable.name}")]
                )
    return typed, study


def _prior(
    shape: RandomShape, columns: Array, study: Study, time: str, reference: dict[str, tuple[float, float]]
) -> LevelPrior:
    """Scales of the SDs, and the shift from effects at the reference to those at zero."""
    scales = study.priors[0].for_outcome(study.outcomes[0])
    scale = np.empty(shape.size)
    for k, name in enumerate(shape.names):
        span = (
            study.horizon
            if name == time
            else float(np.ptp(columns[:, k])) or float(np.max(np.abs(columns[:, k])))
        )
        scale[k] = scales.sd_intercept if name == INTERCEPT else scales.sd_slope / span
    shift = np.eye(shape.size)
    start = 0
    for size in shape.blocks:
        if size > 1 and shape.names[start] == INTERCEPT:
            for k in range(start + 1, start + size):
                middle, least = reference[shape.names[k]]
                shift[start, k] = -(least if shape.names[k] == time else middle)
        start += size
    return LevelPrior(scale=scale, shift=shift)
