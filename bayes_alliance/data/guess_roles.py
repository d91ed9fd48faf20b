"""Which column of a data file is the patient, the time, the outcome, a predictor: guesses that a user can overrule.

Looks at headers, and at the values of columns; gives nothing of the latter but what columns with a few values hold.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayes_alliance.data.codes import canonical_identifiers, clean_text
from bayes_alliance.data.header_words import LATE_WORDS, NUMBER_WORDS, PATIENT_WORDS, TIME_WORDS, UNITS
from bayes_alliance.data.headers import list_headers, nearest_header, propose_wide, wide_options
from bayes_alliance.data.parse_numbers import cell_or_none, decimal_mark, read_numbers
from bayes_alliance.data.stray_rows import MAX_HEADER_ROWS, complain_of_header_rows
from bayes_alliance.data.text_table import Findings, TextTable
from bayes_alliance.errors import InputError, Problem

MAX_CATEGORIES = 6
MAX_PREDICTORS = 6
MAX_OUTCOMES = 6
MIN_IN_CATEGORY = 3
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
    centre, spread : float
        Mean and SD over patients, of a numeric one.
    """

    header: str
    kind: str
    categories: tuple[str, ...] = ()
    recode: tuple[tuple[str, str], ...] = ()
    centre: float = 0.0
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
        If a stated column does not exist or cannot have its role, or one cannot be guessed, with the option that states
        it.
    """
    headers = [str(head) for head in table.frame.columns]
    refuse_header_rows(table)
    numbers = numeric_columns(table)
    _check_stated(table, patient, time, outcomes, numbers)
    patient = patient or _guess_patient(table, headers)
    time = time or _guess_time(table, patient, numbers)
    unknown = [name for name, found in (("patient", patient), ("time", time)) if not found]
    if not unknown and not outcomes:
        outcomes = tuple(_changing(table, patient, time, numbers)[:MAX_OUTCOMES])
        unknown = [] if outcomes else ["outcome"]
    if unknown:
        raise InputError(table.name, _not_guessed(table, headers, unknown, numbers))
    unit = time_unit or next((u for u, words in UNITS.items() if words & set(_words(time))), "units")
    taken = {patient, time, *outcomes}
    return Roles(
        patient=patient,
        time=time,
        time_unit=unit,
        outcomes=outcomes,
        predictors=tuple(_predictors(table, patient, taken, numbers)[:MAX_PREDICTORS]),
    )


def refuse_header_rows(table: TextTable) -> None:
    """Refuse a file with more headers below its header, which would make words of every column.

    Raises
    ------
    InputError
    """
    findings = Findings()
    decimal = decimal_mark(table, [str(head) for head in table.frame.columns])
    mostly = [
        str(head)
        for head in table.frame.columns
        if 0 < read_numbers(table.frame[head], decimal)[1].sum() <= MAX_HEADER_ROWS < len(table.frame) / 2
    ]
    complain_of_header_rows(table, mostly, findings)
    findings.raise_any(table.name)


def _check_stated(
    table: TextTable, patient: str, time: str, outcomes: tuple[str, ...], numbers: dict[str, pd.Series]
) -> None:
    """Refuse a stated column that does not exist, or that is of words where numbers are needed."""
    headers = [str(head) for head in table.frame.columns]
    problems = []
    for head in filter(None, (patient, time, *outcomes)):
        if head not in headers:
            fix = nearest_header(head, headers)
            problems.append(Problem(what=f"no column {head!r}", allowed=", ".join(headers[:60]), fix=fix))
    for role, head in (("time", time), *(("outcome", head) for head in outcomes)):
        if head not in headers or head in numbers:
            continue
        values, unreadable = read_numbers(table.frame[head], decimal_mark(table, [head]))
        n_words, n_numbers = int(unreadable.sum()), int(np.isfinite(values).sum())
        what = f"{n_words} of its cells are words, not numbers" if n_words else "it is empty"
        fix = f"state another column with --{role}, or declare a code that stands for a missing value: --missing CODE"
        if role == "time" and not n_numbers:
            fix = (
                "state a column of numbers with --time; words for times are declared in [data.recode] of a study "
                "file, and dates by date = in [data]"
            )
        problems.append(
            Problem(what=what, where=f"column {head!r} (--{role})", allowed="a column of numbers", fix=fix)
        )
    for head in outcomes:
        if head in (patient, time):
            problems.append(
                Problem(what=f"column {head!r} is the outcome and the patient or the time as well")
            )
        elif head in numbers and numbers[head].nunique() <= 2:
            what = f"column {head!r} has {numbers[head].nunique()} values; only Gaussian models are fitted"
            problems.append(
                Problem(what=what, allowed="a numeric outcome", fix="state another one with --outcome")
            )
    if patient and patient == time:
        problems.append(Problem(what=f"column {patient!r} is both the patient and the time"))
    if problems:
        raise InputError(table.name, problems)


def _not_guessed(
    table: TextTable, headers: list[str], unknown: list[str], numbers: dict[str, pd.Series]
) -> list[Problem]:
    """Return what could not be guessed, and that a wide file is one."""
    fitting = [
        (head, time)
        for head in headers
        if (head not in numbers or bool((numbers[head].dropna() % 1 == 0).all()))
        and 3 <= column_texts(table, head).nunique() <= len(table.frame) / 1.2
        and (time := _guess_time(table, head, numbers))
    ]
    if "patient" in unknown and len(fitting) == 1:
        # Of what time is cannot be said before it is known who was seen.
        (head, time) = fitting[0]
        what = f"no header says which column is the patient; rows of the same {head!r} differ in {time!r}"
        return [
            Problem(what=what, allowed=list_headers(headers), fix=f"state it: --patient {shlex.quote(head)}")
        ]
    fix = "state it: " + ", ".join(f"--{name} COLUMN" for name in unknown)
    allowed = list_headers(headers)
    proposals = propose_wide(headers)
    if proposals and not table.visits:
        return [
            Problem(
                what="the file looks wide (one row a patient, one column a visit)",
                allowed=f"a long file, or the patterns of a wide one; {allowed}",
                fix=f"{wide_options(proposals)}; add --visits NAME=TIME,... where the numbers are no times, and "
                "--patient COLUMN",
            )
        ]
    if "patient" in unknown:
        fix += "; if no column numbers the patients, add one (row names that R wrote have no header: give them one)"
    return [Problem(what=f"no column looks like the {name}", allowed=allowed, fix=fix) for name in unknown]


def guess_patient(table: TextTable) -> str:
    """Guess which column is the patient from headers alone where need be; empty where none looks like it."""
    headers = [str(head) for head in table.frame.columns]
    return _guess_patient(table, headers) or next(filter(_names_patient, headers), "")


def candidate_outcomes(table: TextTable, roles: Roles) -> list[str]:
    """List the columns that could be an outcome: numbers that change within patients and are no clock."""
    return _changing(table, roles.patient, roles.time, numeric_columns(table))


def column_texts(table: TextTable, header: str) -> pd.Series:
    """Return a column as text in one spelling, missing where a cell is."""
    texts = [cell_or_none(text) for text in canonical_identifiers(map(str, table.frame[header]))]
    return pd.Series(texts, dtype=object, index=table.frame.index)


def numeric_columns(table: TextTable) -> dict[str, pd.Series]:
    """Return the columns that hold numbers only."""
    headers = [str(head) for head in table.frame.columns]
    decimal = decimal_mark(table, headers)
    found = {}
    for header in headers:
        values, unreadable = read_numbers(table.frame[header], decimal, stated=bool(table.decimal))
        if not unreadable.any() and not np.isnan(values).all():
            found[header] = pd.Series(values, index=table.frame.index)
    return found


def _words(header: str) -> list[str]:
    """Split a header into words, at what is no letter and where capitals begin: ``PasientNr_2`` gives pasient, nr."""
    apart = re.sub(r"(?<=[a-zæøåäöüß])(?=[A-ZÆØÅÄÖÜ])", " ", clean_text(header))
    return [word for word in re.split(r"[\W\d_]+", apart.casefold()) if word]


def _names_patient(header: str) -> bool:
    words = _words(header)
    named = [word in PATIENT_WORDS for word in words]
    rest = [word for word, known in zip(words, named, strict=True) if not known and word not in NUMBER_WORDS]
    return any(named) and not rest


def _guess_patient(table: TextTable, headers: list[str]) -> str:
    named = [head for head in headers if head and _names_patient(head)]
    repeated = [head for head in named if 3 <= column_texts(table, head).nunique() <= len(table.frame) / 1.2]
    if table.visits and not repeated:
        repeated = named
    return next(iter(repeated), "")


def _guess_time(table: TextTable, patient: str, numbers: dict[str, pd.Series]) -> str:
    if not patient:
        return ""
    groups = column_texts(table, patient)
    fitting = [
        head
        for head, values in numbers.items()
        if head != patient
        and TIME_WORDS & set(_words(head))
        and not pd.DataFrame({"p": groups, "t": values})[values.notna()].duplicated().any()
        and bool((values.groupby(groups).nunique() > 1).any())
    ]
    # A name that says nothing else than time goes first; a count of visits last.
    rank = {"time": 0, "months": 0, "month": 0, "weeks": 0, "days": 0, "years": 0}
    return min(
        fitting,
        key=lambda head: (rank.get(head.lower(), 1), bool(LATE_WORDS & set(_words(head)))),
        default="",
    )


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
            found.append(
                Predictor(
                    header=header, kind="numeric", centre=float(values.mean()), spread=float(values.std())
                )
            )
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
