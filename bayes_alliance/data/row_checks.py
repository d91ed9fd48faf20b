"""What can only be seen by looking at rows together: who and when, constancy, and a second file of patients.

Each function adds its problems to the findings, by line and column, and gives what it counted as notes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayes_alliance.data.text_table import Findings
from bayes_alliance.data.typed_columns import TypedTable, off_grid
from bayes_alliance.study.records import Study

MIN_PATIENTS = 3


def check_columns(study: Study, visits: TypedTable, findings: Findings) -> None:
    """Check that patient, time and every required column are there."""
    for variable in study.variables:
        needed = variable.required or variable.name in (study.patient, study.time)
        if needed and variable.name not in visits.frame.columns:
            findings.add(
                f"no column {variable.column!r}",
                where=visits.table.name,
                allowed="a header row with this column",
                fix="add the column or rename the one that holds it",
            )


def check_keys(study: Study, visits: TypedTable, findings: Findings) -> None:
    """Check patient and time: present, not negative, unique together, and enough of them."""
    patients, times = visits.frame[study.patient], visits.frame[study.time].to_numpy(float)
    visits.complain(patients.isna().to_numpy(), study.patient, findings, "the patient is missing")
    unreadable = visits.faulty.get(study.time, np.zeros(len(times), dtype=bool))
    visits.complain(np.isnan(times) & ~unreadable, study.time, findings, "the time is missing")
    visits.complain(times < 0, study.time, findings, "the time is negative", allowed="0 (baseline) or later")
    first: dict[tuple[str, float], int] = {}
    for row, (patient, time) in enumerate(zip(patients, times, strict=True)):
        if pd.isna(patient) or np.isnan(time):
            continue
        earlier = first.setdefault((patient, time), row)
        if earlier != row:
            findings.add(
                f"the same patient and time as in {visits.table.noun} {visits.table.lines[earlier]}",
                where=visits.table.place(row),
                line=int(visits.table.lines[row]),
                allowed="one row for each patient and time",
            )
    n_patients, n_rows = int(patients.nunique()), len(patients)
    if n_patients < MIN_PATIENTS or n_rows < study.min_rows:
        findings.add(
            f"only {n_patients} patients and {n_rows} rows",
            where=visits.table.name,
            allowed=f"at least {MIN_PATIENTS} patients and {study.min_rows} rows",
        )


def fill_patient_level(study: Study, visits: TypedTable, findings: Findings) -> list[str]:
    """Check that patient-level columns do not change within a patient, and fill their gaps."""
    notes = []
    for name in visits.patient_level:
        column = visits.frame[name]
        first = column.groupby(visits.frame[study.patient], sort=False).transform("first")
        changed = (column.notna() & first.notna() & (column != first)).to_numpy(dtype=bool)
        visits.complain(
            changed,
            name,
            findings,
            "differs from an earlier row of the same patient",
            allowed="one value a patient",
        )
        gaps = column.isna() & first.notna()
        if n_gaps := int(gaps.sum()):
            visits.frame[name] = column.where(~gaps, first)
            notes.append(f"{name}: {n_gaps} blank cells filled from other rows of the same patient")
    return notes


def merge_patients(study: Study, visits: TypedTable, patients: TypedTable, findings: Findings) -> list[str]:
    """Bring the patients' file onto the rows of the long one."""
    where = patients.table.name
    if study.patient not in patients.frame.columns:
        header = {v.name: v.column for v in study.variables}[study.patient]
        findings.add(f"no column {header!r}", where=where)
        return []
    ids = patients.frame[study.patient]
    patients.complain(ids.isna().to_numpy(), study.patient, findings, "the patient is missing")
    twice = (ids.duplicated() & ids.notna()).to_numpy()
    patients.complain(twice, study.patient, findings, "the patient stands in an earlier row too")
    if study.patient not in visits.frame.columns or twice.any():
        return []
    lookup = patients.frame.loc[ids.notna().to_numpy()].set_index(study.patient)
    for name in lookup.columns:
        if name in visits.frame.columns:
            header = patients.headers[name]
            findings.add(f"column {header!r} stands in both files", where=where, fix="remove it from one")
        else:
            visits.frame[name] = visits.frame[study.patient].map(lookup[name])
            visits.headers[name] = patients.headers[name]
    here = set(visits.frame[study.patient].dropna())
    notes = []
    if n := len(here - set(lookup.index)):
        notes.append(f"{n} patients have no row in {where}; their columns from it are missing")
    if n := len(set(lookup.index) - here):
        notes.append(f"{n} patients of {where} have no assessment and are not in the data")
    return notes


def count_oddities(study: Study, visits: TypedTable, unused: list[str]) -> list[str]:
    """Count what is permitted but worth knowing."""
    notes = [f"column {header!r} is not used by the study" for header in unused]
    for variable in study.variables:
        if variable.name in visits.frame.columns and variable.step is not None:
            n = int(off_grid(variable, visits.frame[variable.name].to_numpy(float)).sum())
            if n:
                notes.append(f"{variable.name}: {n} values lie off the grid of {variable.step:g}")
    outcomes = [name for name in study.outcomes if name in visits.frame.columns]
    if n := int(visits.frame[outcomes].isna().all(axis=1).sum()) if outcomes else len(visits.frame):
        notes.append(f"{n} rows have none of the outcomes")
    return notes
