"""Which column of a data file is the patient, the time, the outcome, a predictor: guesses that a user can overrule.

Looks at headers, and at the values of columns; gives nothing of the latter but what columns with a few values hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayes_alliance.data.text_table import TextTable
from bayes_alliance.data.typed_columns import MISSING, decimal_mark, read_numbers
from bayes_alliance.errors import InputError, Problem

MAX_CATEGORIES = 6
MAX_PREDICTORS = 6
MIN_IN_CATEGORY = 3
_PATIENT = re.compile(
    r"(patient|pasient|subject|participant|deltaker|person|case|client|klient)?[ _.-]*(id|nr|no|number)?",
    re.I,
)
_UNITS = {
    "months": re.compile(r"month|mnd|m[aå]ned", re.I),
    "weeks": re.compile(r"week|uke", re.I),
    "years": re.compile(r"year|^[aå]r$", re.I),
    "days": re.compile(r"day|dag", re.I),
}
_TIME = re.compile(r"time|tid|month|mnd|m[aå]ned|week|uke|day|dag|year|visit|wave|occasion|besøk", re.I)
# Words that are rather 0 than 1.
_NO = frozenset({"no", "nei", "nej", "nein", "false", "none", "absent", "placebo", "control", "kontroll"})


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A column of patients that may explain their course.

    Parameters
    ----------
    header : str
        In the file.
    kind : {"numeric", "binary", "category"}
        As it will be declared.
    categories : tuple of str
        Values; of a binary one the names of 0 and 1, or none.
    recode : tuple of (str, str)
        Values and the 0 and 1 that they are read as, where the file says neither.
    spread : float
        SD over patients, of a numeric one.
    """

    header: str
    kind: str
    categories: tuple[str, ...] = ()
    recode: tuple[tuple[str, str], ...] = ()
    spread: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Which column is what."""

    patient: str
    time: str
    time_unit: str
    outcomes: tuple[str, ...]
    predictors: tuple[Predictor, ...]


def guess_roles(
    table: TextTable,
    *,
    patient: str = "",
    time: str = "",
    time_unit: str = "",
    outcomes: tuple[str, ...] = (),
) -> Roles:
    """Guess which column is the patient, the time, the outcome and a predictor.

    Parameters
    ----------
    table : TextTable
        As read.
    patient, time, time_unit : str
        What is known already; empty to guess.
    outcomes : tuple of str
        The same.

    Returns
    -------
    Roles

    Raises
    ------
    InputError
        If a stated column does not exist, or one cannot be guessed, with the option that states it.
    """
    headers = [str(head) for head in table.frame.columns]
    stated = [head for head in (patient, time, *outcomes) if head]
    absent = [
        Problem(what=f"no column {head!r}", allowed=", ".join(headers))
        for head in stated
        if head not in headers
    ]
    if absent:
        raise InputError(table.name, absent)
    numbers = numeric_columns(table)
    patient = patient or _guess_patient(table, headers)
    time = time or _guess_time(table, patient, numbers)
    unknown = [name for name, found in (("patient", patient), ("time", time)) if not found]
    if not unknown and not outcomes:
        outcomes = tuple(_changing(table, patient, time, numbers)[:1])
        unknown = [] if outcomes else ["outcome"]
    if unknown:
        fix = "state it: " + ", ".join(f"--{name} COLUMN" for name in unknown)
        raise InputError(
            table.name,
            [
                Problem(
                    what=f"no column looks like the {name}", allowed=f"one of {', '.join(headers)}", fix=fix
                )
                for name in unknown
            ],
        )
    unit = time_unit or next((u for u, pattern in _UNITS.items() if pattern.search(time)), "units")
    return Roles(
        patient=patient,
        time=time,
        time_unit=unit,
        outcomes=outcomes,
        predictors=tuple(_predictors(table, patient, {patient, time, *outcomes}, numbers)[:MAX_PREDICTORS]),
    )


def candidate_outcomes(table: TextTable, roles: Roles) -> list[str]:
    """List the columns that could be an outcome: numbers that change within patients and are no clock."""
    return _changing(table, roles.patient, roles.time, numeric_columns(table))


def column_texts(table: TextTable, header: str) -> pd.Series:
    """Give a column as stripped text, missing where a cell is."""
    cells = table.frame[header].map(lambda cell: str(cell).strip())
    return cells.where(~cells.str.lower().isin(MISSING))


def numeric_columns(table: TextTable) -> dict[str, pd.Series]:
    """Give the columns that hold numbers only."""
    headers = [str(head) for head in table.frame.columns]
    decimal = decimal_mark(table, headers)
    found = {}
    for header in headers:
        values, unreadable = read_numbers(table.frame[header], decimal)
        if not unreadable.any() and not np.isnan(values).all():
            found[header] = pd.Series(values, index=table.frame.index)
    return found


def _guess_patient(table: TextTable, headers: list[str]) -> str:
    repeated = [
        head for head in headers if 3 <= column_texts(table, head).nunique() <= len(table.frame) / 1.2
    ]
    named = [head for head in repeated if head and _PATIENT.fullmatch(head)]
    return next(iter(named), "")


def _guess_time(table: TextTable, patient: str, numbers: dict[str, pd.Series]) -> str:
    if not patient:
        return ""
    groups = column_texts(table, patient)
    fitting = [
        head
        for head, values in numbers.items()
        if head != patient
        and _TIME.search(head)
        and (values.dropna() >= 0).all()
        and not pd.DataFrame({"p": groups, "t": values}).duplicated().any()
    ]
    # A name that says nothing else than time goes first; a count of visits last.
    rank = {"time": 0, "months": 0, "month": 0, "weeks": 0, "days": 0, "years": 0}
    late = re.compile(r"visit|wave|occasion|besøk", re.I)
    return min(fitting, key=lambda head: (rank.get(head.lower(), 1), bool(late.search(head))), default="")


def _changing(table: TextTable, patient: str, time: str, numbers: dict[str, pd.Series]) -> list[str]:
    groups = column_texts(table, patient)
    found = []
    for header, values in numbers.items():
        if header in (patient, time) or values.nunique() < 5:
            continue
        changes = bool((values.groupby(groups).nunique() > 1).any())
        is_clock = time in numbers and bool((values.groupby(numbers[time]).nunique() <= 1).all())
        if changes and not is_clock:
            found.append(header)
    return found


def _predictors(
    table: TextTable, patient: str, taken: set[str], numbers: dict[str, pd.Series]
) -> list[Predictor]:
    groups = column_texts(table, patient)
    found = []
    for header in map(str, table.frame.columns):
        texts = column_texts(table, header)
        if header in taken or bool((texts.groupby(groups).nunique() > 1).any()):
            continue
        of_patient = texts.groupby(groups).first().dropna()
        levels = sorted(of_patient.unique(), key=lambda text: (len(text), text))
        thin = bool((of_patient.value_counts() < MIN_IN_CATEGORY).any())
        if len(levels) == 2 and not thin:
            found.append(_binary(header, levels, table.value_labels.get(header, {})))
        elif header in numbers and len(levels) > 2:
            values = numbers[header].groupby(groups).first().dropna()
            found.append(Predictor(header=header, kind="numeric", spread=float(values.std())))
        elif header not in numbers and 2 < len(levels) <= MAX_CATEGORIES and not thin and _usable(levels):
            found.append(Predictor(header=header, kind="category", categories=tuple(levels)))
    return found


def _usable(levels: Iterable[str]) -> bool:
    return not any(set(level) & set("[]:,") for level in levels)


def _binary(header: str, levels: list[str], labels: dict[str, str] | object) -> Predictor:
    named = tuple(str(labels.get(level, "")) for level in levels) if isinstance(labels, dict) else ()
    if len(named) == 2 and all(named) and named[0].casefold() != named[1].casefold() and _usable(named):
        return Predictor(header=header, kind="binary", categories=named)
    if levels == ["0", "1"]:
        return Predictor(header=header, kind="binary")
    levels = sorted(levels, key=lambda level: level.casefold() not in _NO)
    if _usable(levels) and levels[0].casefold() != levels[1].casefold() and not levels[0][0].isdigit():
        return Predictor(header=header, kind="binary", categories=tuple(levels))
    return Predictor(header=header, kind="binary", recode=((levels[0], "0"), (levels[1], "1")))
