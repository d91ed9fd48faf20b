"""What a data file was understood to be, variable by variable, for a human to see whether that is right.

Shows counts, means and percentiles; the smallest and largest value, which are single patients', only on
request. Cells below a smallest size can be masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayes_alliance.data.guess_roles import Roles, candidate_outcomes
from bayes_alliance.data.rows import StudyData
from bayes_alliance.data.text_table import TextTable
from bayes_alliance.study.records import Derived, Study, Variable

MIN_FOR_PERCENTILES = 10


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One variable as understood.

    Parameters
    ----------
    name, column, label, kind, level, unit : str
        As declared; ``column`` is the header in the file, empty for a derived variable.
    file_label : str
        What the file itself says about the column (SPSS, Stata).
    counted : str
        What ``present`` and ``missing`` count: "assessments" or "patients".
    present, missing : int or None
        Values there and not there; None where masked.
    summary : str
        Range, or counts of each value, in words.
    """

    name: str
    column: str
    label: str
    kind: str
    level: str
    unit: str
    file_label: str
    counted: str
    present: int | None
    missing: int | None
    summary: str


def describe_data(
    study: Study, data: StudyData, *, min_cell: int = 0, show_values: bool = False
) -> list[Entry]:
    """Describe every variable that the data hold.

    Parameters
    ----------
    study : Study
        Declares the variables.
    data : StudyData
        As read.
    min_cell : int
        Counts of 1 to one less than this are masked.
    show_values : bool
        Whether to give smallest and largest values instead of percentiles.

    Returns
    -------
    list of Entry
        In the order of declaration.
    """
    patients = data.rows.groupby(study.patient, sort=False).first().reset_index()
    entries = []
    for name, variable in study.every_variable.items():
        if name not in data.rows.columns:
            continue
        of_patient = variable.level == "patient"
        column = (patients if of_patient else data.rows)[name]
        who = (patients if of_patient else data.rows)[study.patient]
        present = column.notna()
        counts: list[int | None] = [int(present.sum()), int((~present).sum())]
        # Either tells the other, as their sum is known.
        if any(0 < who[part].nunique() < min_cell for part in (present, ~present)):
            counts = [None, None]
        header = variable.column if isinstance(variable, Variable) else ""
        entries.append(
            Entry(
                name=name,
                column=header,
                label=variable.label,
                kind="identifier" if name == study.patient else variable.kind,
                level=variable.level,
                unit=variable.unit,
                file_label=data.column_labels.get(header, ""),
                counted="patients" if of_patient else "assessments",
                present=counts[0],
                missing=counts[1],
                summary=_summary(
                    study, variable, column[present], who[present], min_cell, show_values=show_values
                ),
            )
        )
    return entries


def _summary(
    study: Study,
    variable: Variable | Derived,
    values: pd.Series,
    who: pd.Series,
    min_cell: int,
    *,
    show_values: bool,
) -> str:
    if variable.name == study.patient:
        return f"{values.nunique()} different, kept as text"
    if not len(values):
        return "nothing"
    if variable.kind == "category" and not variable.categories:
        return f"{values.nunique()} different groups"
    if variable.kind == "category":
        levels: dict[str, object] = {str(level): level for level in variable.categories}
    elif variable.kind == "binary":
        named = variable.categories or ("", "")
        levels = {
            f"{code:g}{f' ({text})' if text else ''}": code
            for code, text in zip((0.0, 1.0), named, strict=True)
        }
    else:
        return _numbers(values.to_numpy(dtype=float), who.nunique(), min_cell, show_values=show_values)
    counts = {name: int((values == level).sum()) for name, level in levels.items()}
    patients = {name: int(who[(values == level).to_numpy()].nunique()) for name, level in levels.items()}
    small = [name for name, count in patients.items() if 0 < count < min_cell]
    hidden = hide_parts(patients, min_cell)
    return ", ".join(
        f"{name}: {f'<{min_cell}' if name in small else 'not shown' if name in hidden else counts[name]}"
        for name in levels
    )


def hide_parts(patients: Mapping[str, int], min_cell: int) -> set[str]:
    """Choose the parts of a whole to hide, so that none of fewer patients can be had, not by subtraction either.

    Parameters
    ----------
    patients : mapping of str to int
        Patients in each part.
    min_cell : int
        The fewest that may be told of.

    Returns
    -------
    set of str
        Parts that are too small and, where these are together, the next smallest.

    Examples
    --------
    >>> sorted(hide_parts({"a": 37, "b": 3}, 5)), hide_parts({"a": 35, "b": 5, "c": 0}, 5)
    (['a', 'b'], set())
    """
    hidden: set[str] = set()
    total = 0
    for name, count in sorted(patients.items(), key=lambda item: item[1]):
        if 0 < count < min_cell or 0 < total < min_cell:
            hidden.add(name)
            total += count
    return hidden


def _numbers(values: np.ndarray, n_patients: int, min_cell: int, *, show_values: bool) -> str:
    if n_patients < min_cell:
        return f"values of fewer than {min_cell} patients"
    if show_values:
        return f"{values.min():g} to {values.max():g}, mean {values.mean():.4g}"
    if n_patients < MIN_FOR_PERCENTILES:
        return "too few patients to show a range"
    low, high = np.percentile(values, [5, 95])
    return f"mean {values.mean():.4g}, 90 % from {low:.4g} to {high:.4g}"


def mask_count(count: int, min_cell: int) -> str:
    """Return a count, or ``<n`` where it is smaller than what may be shown (zero may).

    Examples
    --------
    >>> mask_count(3, 5), mask_count(0, 5), mask_count(5, 5)
    ('<5', '0', '5')
    """
    return f"<{min_cell}" if 0 < count < min_cell else str(count)


def format_dictionary(entries: list[Entry]) -> list[str]:
    """Return the dictionary as lines of text."""
    lines = []
    for entry in entries:
        source = f"column {entry.column!r}" if entry.column else "derived"
        label = f" [{entry.file_label}]" if entry.file_label else ""
        present, missing = ("few" if n is None else str(n) for n in (entry.present, entry.missing))
        unit = f" in {entry.unit}" if entry.unit else ""
        lines.append(
            f"  {entry.name}: {source}{label}, {entry.kind}{unit}; {entry.counted} {present}, "
            f"missing {missing}; {entry.summary}"
        )
    return lines


def format_new_study(table: TextTable, roles: Roles, study: Study) -> list[str]:
    """Return which column was taken for what, and which could be outcomes and were not."""
    predictors = ", ".join(p.header for p in roles.predictors) or "none"
    others = [head for head in candidate_outcomes(table, roles) if head not in roles.outcomes]
    lines = [
        f"patient: {roles.patient}; time: {roles.time} ({roles.time_unit}); outcomes: {', '.join(roles.outcomes)}",
        f"predictors: {predictors}; {len(study.models)} models",
    ]
    if others:
        lines.append(f"not modelled, though they could be outcomes (--outcome): {', '.join(others)}")
    return lines
