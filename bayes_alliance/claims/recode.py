"""A study's data under another coding: one option after the other applied to rows and derived variables.

Columns that the file itself gives, and end scores already taken from it, stay as they are; everything that is
derived is derived anew. The result is an ordinary :class:`bayes_alliance.data.rows.StudyData` whose origin names the
options.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.claims.choices import Option
from bayes_alliance.data.derived_variables import derive_variables
from bayes_alliance.data.rows import StudyData, digest_rows
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.study.records import Derived, Study


def recode(study: Study, data: StudyData, options: Sequence[Option]) -> StudyData:
    """Apply coding options to a study's data.

    Parameters
    ----------
    study : Study
        Declares the variables.
    data : StudyData
        As read.
    options : sequence of Option
        At most one of each axis; those that change nothing are passed over.

    Returns
    -------
    StudyData
        ``data`` itself where nothing changes.

    Raises
    ------
    InputError
        If no row is left, or the data lack a variable that an option needs.
    """
    changes = [option for option in options if not option.changes_nothing]
    if not changes:
        return data
    _check_needed(data, changes)
    rows = data.rows
    for option in changes:
        rows = _keep(rows, option)
    if rows.empty:
        names = ", ".join(option.label for option in changes)
        raise InputError(data.origin, [Problem(what=f"no row is left with {names}")])
    for option in changes:
        rows = _drop_ends(study, _move_final(study, rows, option), option)
    derived = [_redefine(study, item, changes) for item in study.derived]
    anew = dataclasses.replace(study, derived=tuple(derived))
    # End scores belong to the patient, however the rows are cut afterwards.
    kept = [name for name in rows.columns if not _is_derived_anew(study, str(name))]
    rows, absent = derive_variables(anew, rows[kept].reset_index(drop=True))
    rows = rows[[name for name in data.rows.columns if name in rows.columns]]
    return dataclasses.replace(
        data,
        rows=rows,
        origin=f"{data.origin}; {'; '.join(option.label for option in changes)}",
        absent=absent,
        digest=digest_rows(rows, map(str, rows.columns)),
    )


def _is_derived_anew(study: Study, name: str) -> bool:
    variable = study.every_variable.get(name)
    return isinstance(variable, Derived) and variable.rule != "last"


def _check_needed(data: StudyData, options: Sequence[Option]) -> None:
    names = [name for o in options for name, _ in (*o.keep, *o.at_least, *o.without_end)]
    names += [outcome for option in options for _, outcome in option.without_end]
    lacking = [name for name in dict.fromkeys(names) if name not in data.rows.columns]
    if lacking:
        raise InputError(
            data.origin, [Problem(what=f"the data have no variable {name!r}") for name in lacking]
        )


def _keep(rows: pd.DataFrame, option: Option) -> pd.DataFrame:
    """Keep the rows that an option asks for."""
    keep = np.ones(len(rows), dtype=bool)
    for name, value in option.keep:
        keep &= rows[name].eq(value).fillna(False).to_numpy(dtype=bool)
    for name, least in option.at_least:
        keep &= (rows[name] >= least).fillna(False).to_numpy(dtype=bool)
    return rows if keep.all() else rows[keep]


def _move_final(study: Study, rows: pd.DataFrame, option: Option) -> pd.DataFrame:
    """Move each patient's assessment at the end of the horizon towards the one before it."""
    if not option.final:
        return rows
    time = rows[study.time].to_numpy(dtype=float)
    before = _time_before(rows[study.patient].to_numpy(), time)
    at_end = (time >= study.horizon) & np.isfinite(before)
    target = before + option.step if option.final == "after_previous" else 0.5 * (before + time)
    return rows.assign(**{study.time: np.where(at_end, np.minimum(target, time), time)})


def _drop_ends(study: Study, rows: pd.DataFrame, option: Option) -> pd.DataFrame:
    """Take the end values of patients who have no assessment at the horizon."""
    for name, outcome in option.without_end:
        at_end = rows[study.time].ge(study.horizon) & rows[outcome].notna()
        patients = rows[study.patient]
        lacking = patients[~patients.isin(patients[at_end])].drop_duplicates()
        chosen = lacking.iloc[: option.at_most or None]
        rows = rows.assign(**{name: rows[name].mask(patients.isin(chosen))})
    return rows


def _time_before(patient: NDArray[np.object_], time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the time of the patient's row before each row; NaN for the first (rows are sorted)."""
    before = np.full(len(time), np.nan)
    same = patient[1:] == patient[:-1]
    before[1:][same] = time[:-1][same]
    return before


def _redefine(study: Study, derived: Derived, options: Sequence[Option]) -> Derived:
    """Define a derived variable by what the options say of it."""
    for option in options:
        if option.variable != derived.name:
            continue
        if option.value is not None:
            derived = dataclasses.replace(derived, value=option.value)
        else:
            other = study.every_variable[option.like]
            assert isinstance(other, Derived)
            derived = dataclasses.replace(derived, rule=other.rule, of=other.of, value=other.value)
    return derived
