"""What can only be seen by looking at rows together: who and when, constancy, and a second file of patients.

Each function adds its problems to the findings, by line and column, and gives what it counted as notes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from bayes_alliance.data.alike_identifiers import advise_alike, by_difference, find_alike
from bayes_alliance.data.headers import list_headers, nearest_header, propose_wide, wide_options
from bayes_alliance.data.text_table import MAX_SINGLY, Findings
from bayes_alliance.data.typed_columns import TypedTable, file_variables, off_grid
from bayes_alliance.study.records import Study

MIN_PATIENTS = 3


def check_columns(study: Study, visits: TypedTable, findings: Findings) -> None:
    """Check that patient, time and every required column are there; a wide file is told as one."""
    headers = [str(head) for head in visits.table.frame.columns]
    absent = [
        v
        for v in study.variables
        if (v.required or v.name in (study.patient, study.time)) and v.name not in visits.frame.columns
    ]
    if findings.time_refused:
        absent = [v for v in absent if v.name != study.time]
    wanted = [v.column for v in study.variables if v.level == "visit" and v.column not in headers]
    proposals = propose_wide(headers, wanted) if absent else []
    if proposals:
        findings.add(
            f"the file looks wide (one row a patient): columns such as {proposals[0][1]!r} for several visits",
            where=visits.table.name,
            allowed="a long file, or a wide one whose patterns are declared",
            fix=f"{wide_options(proposals)}, or [data.wide] in the study file; {{visit}} has to be a time, "
            "or its time declared by --visits",
        )
        absent = [v for v in absent if v.name not in (study.time,) and v.column not in dict(proposals)]
    for variable in absent:
        findings.add(
            f"no column {variable.column!r}",
            where=visits.table.name,
            allowed=list_headers(headers),
            fix=nearest_header(variable.column, headers) or "add the column or rename the one that holds it",
        )


def drop_planned(study: Study, visits: TypedTable) -> tuple[TypedTable, list[str]]:
    """Leave out planned visits that did not take place: rows without a time and without any value of a visit.

    The same is done with the visits of a wide file. A row without a time that has values stays, to be complained of.
    """
    frame = visits.frame
    if study.time not in frame.columns or study.patient not in frame.columns:
        return visits, []
    of_patient = {v.name for v in file_variables(study) if v.level == "patient"} | {study.patient}
    of_visit = [name for name in frame.columns if name not in of_patient]
    gone = frame[of_visit].isna().all(axis=1).to_numpy(dtype=bool, copy=True)
    for name in of_visit:
        gone &= ~visits.faulty.get(name, np.zeros(len(frame), dtype=bool))
    gone &= frame[study.patient].notna().to_numpy(dtype=bool)
    if not gone.any() or gone.all() or len(of_visit) < 2:
        return visits, []
    left = replace(
        visits,
        table=visits.table.without(gone),
        frame=frame.loc[~gone].reset_index(drop=True),
        faulty={name: rows[~gone] for name, rows in visits.faulty.items()},
    )
    n = int(gone.sum())
    return left, [
        f"{visits.table.name}: {n} planned visits without a time and without any value were left out"
    ]


def check_keys(study: Study, visits: TypedTable, findings: Findings) -> None:
    """Check patient and time: present, not before a declared start, unique together, and enough of them."""
    patients, times = visits.frame[study.patient], visits.frame[study.time].to_numpy(float)
    unnamed = patients.isna().to_numpy()
    fix = ""
    if unnamed.mean() > 0.2 and not unnamed[0]:
        fix = "if only the first row of each patient names it, fill the others down"
    visits.complain(unnamed, study.patient, findings, "the patient is missing", fix=fix)
    unreadable = visits.faulty.get(study.time, np.zeros(len(times), dtype=bool))
    visits.complain(np.isnan(times) & ~unreadable, study.time, findings, "the time is missing")
    variable = {v.name: v for v in study.variables}[study.time]
    if variable.minimum is None or variable.minimum >= 0:
        earliest = float(np.nanmin(times, initial=0.0))
        visits.complain(
            times < 0,
            study.time,
            findings,
            "the time is negative",
            allowed="0 (baseline) or later",
            fix="for visits before the baseline declare the earliest time, such as minimum = "
            f"{np.floor(earliest):g} in [variables.{study.time}], or count from the first visit by time_zero in [data]",
        )
    _check_twice(patients, times, visits, findings)
    n_patients, n_rows = int(patients.nunique()), len(patients)
    if n_patients < MIN_PATIENTS or n_rows < study.min_rows:
        findings.add(
            f"only {n_patients} patients and {n_rows} rows",
            where=visits.table.name,
            allowed=f"at least {MIN_PATIENTS} patients and {study.min_rows} rows",
        )


def _check_twice(patients: pd.Series, times: np.ndarray, visits: TypedTable, findings: Findings) -> None:
    """Complain of rows of the same patient at the same time: a line each for a few, one line for many."""
    first: dict[tuple[str, float], int] = {}
    twice: list[tuple[int, int]] = []
    for row, (patient, time) in enumerate(zip(patients, times, strict=True)):
        if pd.isna(patient) or np.isnan(time):
            continue
        earlier = first.setdefault((patient, time), row)
        if earlier != row:
            twice.append((row, earlier))
    table, allowed = visits.table, "one row for each patient and time"
    for row, earlier in twice if len(twice) <= MAX_SINGLY else ():
        findings.add(
            f"the same patient and time as in {table.noun} {table.lines[earlier]}",
            where=table.place(row),
            line=int(table.lines[row]),
            allowed=allowed,
            fix="remove one of the two, or correct its time",
        )
    if len(twice) > MAX_SINGLY:
        rows = ", ".join(str(table.lines[row]) for row, _ in twice[:MAX_SINGLY])
        findings.add(
            f"{len(twice)} rows have the same patient and time as an earlier row",
            where=f"{table.name}, {table.noun}s {rows} and {len(twice) - MAX_SINGLY} more",
            line=int(table.lines[twice[0][0]]),
            allowed=allowed,
            fix="is the column of time the right one, and fine enough?",
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
    """Join the patients' file to the rows of the long one."""
    where = patients.table.name
    if study.patient not in patients.frame.columns:
        header = {v.name: v.column for v in study.variables}[study.patient]
        headers = [str(head) for head in patients.table.frame.columns]
        findings.add(
            f"no column {header!r}",
            where=where,
            allowed=list_headers(headers),
            fix=nearest_header(header, headers),
        )
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
    return _compare_patients(study.patient, visits, lookup.index, where, findings)


def _compare_patients(
    patient: str, visits: TypedTable, known: pd.Index, where: str, findings: Findings
) -> list[str]:
    """Complain of patients who are in one of two files only."""
    here = set(visits.frame[patient].dropna())
    notes: list[str] = []
    alike = [pair for pair in find_alike(dict.fromkeys([*sorted(here), *known])) if pair.later not in here]
    if here and len(known) and not here & set(known):
        spelled = f"; they differ {alike[0].how}{alike[0].in_brackets}" if alike else ""
        findings.add(
            f"no patient of {visits.table.name} is in it: the identifiers of the two files do not match",
            where=where,
            got=f"{next(iter(sorted(here)))} beside {next(iter(sorted(map(str, known))))}",
            allowed=f"identifiers spelled alike ({_shape(here)} there, {_shape(known)} here)",
            fix=f"spell them alike: leading zeros, prefixes and capitals count{spelled}",
        )
        return notes
    for how, pairs in by_difference(alike).items():
        findings.warn(
            f"{len(pairs)} identifiers differ from others {how}{pairs[0].in_brackets}",
            where=f"{where}, beside {visits.table.name}",
            got=pairs[0].shown,
            fix=advise_alike(how, show_values=findings.show_values),
        )
    if n := len(here - set(known)):
        findings.warn(
            f"{n} of {len(here)} patients have no row in {where}; their columns from it are missing",
            where=visits.table.name,
            fix="are their identifiers spelled alike in both files?",
        )
    if n := len(set(known) - here):
        notes.append(f"{n} patients of {where} have no assessment and are not in the data")
    return notes


def _shape(identifiers: Iterable[object]) -> str:
    """Return the kind of the identifiers, without showing one."""
    shapes = {re.sub(r"\d+", "9", re.sub(r"[^\W\d]+", "A", str(text))) for text in identifiers}
    lengths = {len(str(text)) for text in identifiers}
    long = f"{min(lengths)} to {max(lengths)}" if len(lengths) > 1 else f"{min(lengths)}"
    kinds = {"9": "digits", "A": "letters", "A9": "letters and digits", "9A": "digits and letters"}
    shape = kinds.get(next(iter(shapes)), "mixed") if len(shapes) == 1 else "mixed"
    return f"{shape}, {long} characters"


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
