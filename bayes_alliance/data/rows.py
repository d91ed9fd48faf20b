"""Which rows a study's file gives, and the very rows that a set of models is fitted on.

A file (or a cohort's table) is read, checked as a whole, completed by scoring and derivation, and sorted;
then rows are frozen once for all the models that will be compared. Every problem is reported at once, by
line and column and never by a patient's value. Must not import anything that fits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.data.derived_variables import derive_variables, score_subscales
from bayes_alliance.data.readers import read_table
from bayes_alliance.data.reshape import shape_table
from bayes_alliance.data.row_checks import (
    check_columns,
    check_keys,
    count_oddities,
    drop_planned,
    fill_patient_level,
    merge_patients,
)
from bayes_alliance.data.row_warnings import warn_of_columns, warn_of_models
from bayes_alliance.data.text_table import Findings, TextTable
from bayes_alliance.data.typed_columns import TypedTable, as_category, type_columns
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.study.records import ReadOptions, Source, Study

Where = Sequence[tuple[str, float]]


@dataclass(frozen=True, kw_only=True)
class StudyData:
    """All rows of a study's data, checked and completed. ``rows`` is not to be changed.

    Parameters
    ----------
    rows : pandas.DataFrame
        One row an assessment, sorted by patient (as text) and time; columns are the study's variable names,
        declared and derived. Patients are text, categories are Categorical, everything else is float.
    source : Source
        Real or synthetic.
    origin : str
        File name without its folder, or the label of a cohort.
    notes : tuple of str
        What was detected, computed, filled in or counted on the way.
    unused_columns : tuple of str
        Headers of the file that no variable of the study names.
    absent : tuple of str
        Declared and derived variables that the file cannot give.
    digest, patient, time : str
        SHA-256 of everything in ``rows``; names of the identifying columns.
    warnings : tuple of Problem
        What is permitted but probably not meant.
    column_labels : mapping of str to str
        What the file itself says about its columns, by header.
    min_cell : int
        Fewest patients that what is made of the rows may describe; 0 for no limit.
    """

    rows: pd.DataFrame
    source: Source
    origin: str
    notes: tuple[str, ...]
    unused_columns: tuple[str, ...]
    absent: tuple[str, ...]
    digest: str
    patient: str
    time: str
    warnings: tuple[Problem, ...] = ()
    column_labels: Mapping[str, str] = field(default_factory=dict)
    min_cell: int = 0


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """Rows left out at one step of freezing.

    Parameters
    ----------
    variable : str
        The variable that was missing or did not have the value asked for.
    reason : {"missing", "other value"}
        Which of the two.
    n_rows : int
        Rows left out at this step; steps follow each other, so no row is counted twice.
    n_patients : int
        Patients whose last remaining row went at this step.
    """

    variable: str
    reason: Literal["missing", "other value"]
    n_rows: int
    n_patients: int


@dataclass(frozen=True, kw_only=True)
class FrozenRows:
    """The rows that a set of models shares, complete in every variable asked for.

    Parameters
    ----------
    rows : pandas.DataFrame, shape (n_rows, n_names)
        Sorted by patient and time; not to be changed: ``digest`` is of these.
    names : tuple of str
        Columns: patient, time, then the others asked for.
    n_rows, n_patients : int
        How many.
    digest : str
        SHA-256 of patients in their order, names and values: equal if and only if the data are.
    set_aside : tuple of SetAside
        What was left out, step by step.
    """

    rows: pd.DataFrame
    names: tuple[str, ...]
    n_rows: int
    n_patients: int
    digest: str
    source: Source
    set_aside: tuple[SetAside, ...]


def read_data(
    study: Study,
    path: str | Path,
    *,
    patients_path: str | Path | None = None,
    source: Source = Source.REAL,
    options: ReadOptions | None = None,
    show_values: bool = False,
) -> StudyData:
    """Read a study's data from a file of any kind in :mod:`bayes_alliance.data.readers`, long or wide.

    What a file does not state is found out and reported in the notes. An empty cell, ``NA``, ``N/A``, ``NaN``,
    ``NULL`` and ``.`` are missing, as is what the file or the study declares to be. Patient-level columns are
    repeated on a patient's rows (gaps are filled from the others) or stand in a second file with one row a patient.

    Parameters
    ----------
    study : Study
        Says which columns there are and what they may hold.
    path : str or Path
        The file of assessments.
    patients_path : str or Path, optional
        The patients' file.
    source : Source
        Whether the file holds real or synthetic data.
    options : ReadOptions, optional
        How to read the files; by default what the study file says in ``[data]``.
    show_values : bool
        Whether messages may show the values of cells.

    Returns
    -------
    StudyData

    Raises
    ------
    InputError
        With every problem of the file or files, by line and column.
    """
    paths = [Path(path)] if patients_path is None else [Path(path), Path(patients_path)]
    options = study.data.reading if options is None else options
    tables = _read_tables(paths, options)
    findings = Findings(show_values=show_values)
    shaped = [
        shape_table(study, table, options, findings, of_patients=index > 0)
        for index, table in enumerate(tables)
    ]
    origin = " + ".join(table.name for table in tables)
    return _build_data(study, shaped, source=source, origin=origin, findings=findings)


def data_from_frame(study: Study, frame: pd.DataFrame, *, source: Source, origin: str) -> StudyData:
    """Check and complete a table that is already in memory, exactly as a file would be.

    Parameters
    ----------
    study : Study
        Says which columns there are and what they may hold.
    frame : pandas.DataFrame
        One row an assessment, under the headers that a file would have; numbers or text.
    source : Source
        Real or synthetic.
    origin : str
        Label of where the table comes from.

    Returns
    -------
    StudyData

    Raises
    ------
    InputError
        With every problem of the table, by row (from 1) and column.
    """
    table = TextTable(
        name=origin,
        frame=frame.reset_index(drop=True),
        lines=np.arange(1, len(frame) + 1),
        noun="row",
        may_use_decimal_comma=False,
        notes=(),
    )
    return _build_data(study, [table], source=source, origin=origin, findings=Findings())


def freeze_rows(
    data: StudyData, names: Sequence[str], *, where: Where = (), also: Sequence[str] = ()
) -> FrozenRows:
    """Freeze the rows on which every one of the named variables is present.

    Rows go step by step: first those without the values of ``where``, then those that lack a variable, in the order
    given. The digest depends on data and variables, not on the order of rows or names, nor on other columns.

    Parameters
    ----------
    data : StudyData
        All rows.
    names : sequence of str
        Variables that must be present; patient and time always are.
    where : sequence of (str, float)
        Keep only rows with these values, such as one subgroup.
    also : sequence of str
        Variables that come along and may be missing, such as a therapist in one arm only.

    Returns
    -------
    FrozenRows

    Raises
    ------
    InputError
        If the data lack a variable or no row is left.
    """
    wanted = tuple(dict.fromkeys((data.patient, data.time, *names)))
    _check_present(data, [*wanted, *also, *(name for name, _ in where)])
    keep = np.ones(len(data.rows), dtype=bool)
    steps: list[SetAside] = []
    for name, value in where:
        column = data.rows[name]
        keep = _set_aside(data, keep, column.notna().to_numpy(), (name, "missing"), steps)
        keep = _set_aside(data, keep, column.eq(value).to_numpy(dtype=bool), (name, "other value"), steps)
    for name in wanted:
        keep = _set_aside(data, keep, data.rows[name].notna().to_numpy(), (name, "missing"), steps)
    if not keep.any():
        raise InputError(
            data.origin, [Problem(what=f"no row has all of {', '.join(wanted)} with the values asked for")]
        )
    columns = tuple(dict.fromkeys((*wanted, *also)))
    rows = data.rows.loc[keep, list(columns)].reset_index(drop=True)
    return FrozenRows(
        rows=rows,
        names=columns,
        n_rows=len(rows),
        n_patients=int(rows[data.patient].nunique()),
        digest=digest_rows(rows, columns),
        source=data.source,
        set_aside=tuple(steps),
    )


def digest_rows(rows: pd.DataFrame, names: Iterable[str]) -> str:
    """Compute the SHA-256 of some columns: names in alphabetical order, values in the order of the rows.

    Numbers enter as 8-byte floats (all NaN alike, -0 as 0), text and categories as JSON.
    """
    digest = hashlib.sha256()
    for name in sorted(set(names)):
        column = rows[name]
        digest.update(json.dumps([name, len(column)]).encode())
        if pd.api.types.is_numeric_dtype(column):
            values = column.to_numpy(dtype="<f8") + 0.0
            digest.update(np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes())
        else:
            cells = [
                None if missing else str(cell) for cell, missing in zip(column, column.isna(), strict=True)
            ]
            digest.update(json.dumps(cells).encode())
    return digest.hexdigest()


def _set_aside(
    data: StudyData,
    keep: NDArray[np.bool_],
    permitted: NDArray[np.bool_],
    why: tuple[str, Literal["missing", "other value"]],
    steps: list[SetAside],
) -> NDArray[np.bool_]:
    """Leave out what is not permitted and record it, if it is anything."""
    kept: NDArray[np.bool_] = keep & permitted
    if n_rows := int(keep.sum() - kept.sum()):
        patients = data.rows[data.patient]
        n_patients = int(patients[keep].nunique() - patients[kept].nunique())
        steps.append(SetAside(variable=why[0], reason=why[1], n_rows=n_rows, n_patients=n_patients))
    return kept


def _check_present(data: StudyData, names: Iterable[str]) -> None:
    lacking = [name for name in dict.fromkeys(names) if name not in data.rows.columns]
    if lacking:
        known = ", ".join(map(str, data.rows.columns))
        raise InputError(
            data.origin,
            [Problem(what=f"the data have no variable {name!r}", allowed=known) for name in lacking],
        )


def _read_tables(paths: list[Path], options: ReadOptions) -> list[TextTable]:
    """Read every file before complaining of any."""
    tables, problems = list[TextTable](), list[Problem]()
    for path in paths:
        try:
            tables.append(read_table(path, options))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(" + ".join(path.name for path in paths), problems)
    return tables


def _build_data(
    study: Study, tables: list[TextTable], *, source: Source, origin: str, findings: Findings
) -> StudyData:
    """Type, merge, check, complete, sort and derive."""
    visits = type_columns(study, tables[0], findings)
    notes = [*visits.table.notes, *visits.notes]
    unused = list(visits.unused)
    if len(tables) > 1:
        patients = type_columns(study, tables[1], findings, of_patients=True)
        notes += [*patients.table.notes, *patients.notes]
        unused += patients.unused
        notes += merge_patients(study, visits, patients, findings)
    check_columns(study, visits, findings)
    visits, left_out = drop_planned(study, visits)
    notes += left_out
    if {study.patient, study.time} <= set(visits.frame.columns):
        check_keys(study, visits, findings)
        notes += fill_patient_level(study, visits, findings)
    notes += score_subscales(study, visits, findings)
    findings.raise_any(origin)
    notes += count_oddities(study, visits, unused)
    warn_of_columns(study, visits, findings)
    rows, absent = derive_variables(study, _sort_rows(study, visits.frame))
    warn_of_models(study, rows, findings, where=visits.table.name)
    names = [*(v.name for v in study.variables), *(d.name for d in study.derived)]
    rows = rows[[name for name in names if name in rows.columns]]
    return StudyData(
        rows=rows,
        source=source,
        origin=origin,
        notes=(*notes, *_note_derived(study, visits, absent)),
        unused_columns=tuple(unused),
        absent=absent,
        digest=digest_rows(rows, map(str, rows.columns)),
        patient=study.patient,
        time=study.time,
        warnings=tuple(findings.warned),
        column_labels={head: label for table in tables for head, label in table.column_labels.items()},
    )


def _note_derived(study: Study, visits: TypedTable, absent: tuple[str, ...]) -> list[str]:
    computed = [d.name for d in study.derived if d.name not in absent and d.name not in visits.frame.columns]
    taken = [d.name for d in study.derived if d.name in visits.frame.columns]
    return [
        *([f"derived: {', '.join(computed)}"] if computed else []),
        *([f"taken from the file, not derived: {', '.join(taken)}"] if taken else []),
        *([f"absent from the data: {', '.join(absent)}"] if absent else []),
    ]


def _sort_rows(study: Study, frame: pd.DataFrame) -> pd.DataFrame:
    """Sort by patient, compared as text, then time; turn categories into Categorical."""
    _, codes = np.unique(frame[study.patient].to_numpy(dtype=str), return_inverse=True)
    order = np.lexsort((frame[study.time].to_numpy(float), codes))
    rows = frame.iloc[order].reset_index(drop=True)
    for variable in (v for v in study.variables if v.name != study.patient):
        if variable.kind == "category" and variable.categories and variable.name in rows.columns:
            rows[variable.name] = as_category(rows[variable.name], variable.categories)
    return rows
