"""Variables that a study computes from others: questionnaire scores, and the closed list of derivation rules.

Nothing here evaluates an expression; each rule of :class:`bayes_alliance.study.records.Derived` is one function.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.data.text_table import Findings
from bayes_alliance.data.typed_columns import TypedTable, as_category, item_headers
from bayes_alliance.data.wai import KEYS, SUBSCALES, find_key, score_items
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.study.records import Derived, Scoring, Study

SCORE_TOLERANCE = 0.01
_RuleFunction = Callable[[Study, Derived, pd.DataFrame], pd.Series]


def derive_variables(study: Study, rows: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Add every derived variable that the columns at hand allow.

    Parameters
    ----------
    study : Study
        Declares the derived variables; one may rest on another.
    rows : pandas.DataFrame
        Declared variables, sorted by patient and time. A column that already has the name of a derived
        variable (which only rule ``last`` lets in) is kept as it is.

    Returns
    -------
    rows : pandas.DataFrame
        A new table with the derived columns added.
    absent : tuple of str
        Declared and derived variables that cannot be given.

    Raises
    ------
    InputError
        If derived variables rest on each other in a circle.
    """
    rows = rows.copy()
    absent = [v.name for v in study.variables if v.name not in rows.columns]
    pending = [d for d in study.derived if d.name not in rows.columns]
    while pending:
        pending_names = {d.name for d in pending}
        ready = [d for d in pending if not pending_names & set(d.of)]
        if not ready:
            what = f"derived variables rest on each other: {', '.join(sorted(pending_names))}"
            raise InputError(study.id, [Problem(what=what, where="[derived]")])
        for derived in ready:
            if all(name in rows.columns for name in derived.of):
                rows[derived.name] = _RULES[derived.rule](study, derived, rows)
            else:
                absent.append(derived.name)
        pending = [d for d in pending if d not in ready]
    return rows, tuple(absent)


def score_subscales(study: Study, visits: TypedTable, findings: Findings) -> list[str]:
    """Score every questionnaire whose items the table has, into the subscale columns of ``visits.frame``.

    A subscale that the table gives wins over the score; one that disagrees with its items by more than 0.01
    is a problem. Blank subscales are filled in.

    Parameters
    ----------
    study : Study
        Says which questionnaires there are.
    visits : TypedTable
        One row an assessment; its frame is completed in place.
    findings : Findings
        Collects the problems.

    Returns
    -------
    list of str
        What was computed and how often.
    """
    notes: list[str] = []
    for scoring in study.scoring:
        headers = item_headers(scoring.items)
        lacking = [header for header in headers if header not in visits.frame.columns]
        if len(lacking) == len(headers):
            continue
        if lacking:
            findings.add(
                f"no column {', '.join(lacking)}",
                where=visits.table.name,
                allowed=f"all of {headers[0]} to {headers[-1]}, or none",
            )
        elif _check_scoring(study, scoring, visits, findings):
            notes += _score_one(scoring, visits, findings)
    return notes


def _check_scoring(study: Study, scoring: Scoring, visits: TypedTable, findings: Findings) -> bool:
    """Check that items can be scored at all: known subscales, known versions, a version column."""
    where = f"study {study.id}, [[scoring]]"
    sound = True
    if unknown := [name for name in scoring.subscales if name not in SUBSCALES]:
        findings.add(f"no key for {', '.join(unknown)}", where=where, allowed=", ".join(SUBSCALES))
        sound = False
    versions = {v.name: v.categories for v in study.variables}.get(scoring.version, ())
    if unknown := [version for version in versions if find_key(version) is None]:
        known = ", ".join(key.version for key in KEYS)
        findings.add(f"no key for the version {', '.join(unknown)}", where=where, allowed=known)
        sound = False
    if scoring.version not in visits.frame.columns:
        findings.add(
            f"the items cannot be scored without the version, variable {scoring.version!r}",
            where=visits.table.name,
        )
        sound = False
    return sound


def _score_one(scoring: Scoring, visits: TypedTable, findings: Findings) -> list[str]:
    frame = visits.frame
    items = frame[item_headers(scoring.items)].to_numpy(dtype=float)
    versions = frame[scoring.version]
    unknown = versions.isna().to_numpy() & ~np.isnan(items).all(axis=1)
    unknown &= ~visits.faulty[scoring.version]
    visits.complain(
        unknown, scoring.version, findings, "items without a version", allowed="the version of the items"
    )
    scores = _score_by_version(scoring, items, versions)
    notes = []
    for name, score in scores.items():
        given = frame[name].to_numpy(float) if name in frame.columns else np.full(len(frame), np.nan)
        differs = np.abs(given - score) > SCORE_TOLERANCE + 1e-9
        if name in frame.columns:
            visits.complain(
                differs,
                name,
                findings,
                "disagrees with the score of the items",
                allowed=f"the score to within {SCORE_TOLERANCE:g}, or a blank to have it computed",
            )
        filled = np.isnan(given) & ~np.isnan(score)
        frame[name] = np.where(filled, score, given)
        if n := int(filled.sum()):
            notes.append(f"{name}: {n} scores computed from items")
        if n := int((~np.isnan(given) & ~np.isnan(score)).sum()):
            notes.append(f"{name}: {n} given scores compared with their items")
    if n := int((~np.isnan(items).all(axis=1) & np.isnan(items).any(axis=1)).sum()):
        notes.append(f"{n} questionnaires have unanswered items; a subscale needs {scoring.min_items} of 4")
    return notes


def _score_by_version(
    scoring: Scoring, items: NDArray[np.float64], versions: pd.Series
) -> dict[str, NDArray[np.float64]]:
    scores = {name: np.full(len(items), np.nan) for name in scoring.subscales}
    for version in versions.dropna().unique():
        of_version = (versions == version).to_numpy(dtype=bool)
        scored = score_items(items[of_version], str(version), min_items=scoring.min_items)
        for name in scoring.subscales:
            scores[name][of_version] = scored.subscale(name)
    return scores


def _below(study: Study, derived: Derived, rows: pd.DataFrame) -> pd.Series:
    values = rows[derived.of[0]]
    return (values < derived.value).astype(float).where(values.notna())


def _at_least(study: Study, derived: Derived, rows: pd.DataFrame) -> pd.Series:
    values = rows[derived.of[0]]
    return (values >= derived.value).astype(float).where(values.notna())


def _count(study: Study, derived: Derived, rows: pd.DataFrame) -> pd.Series:
    present = rows[list(derived.of)].notna().any(axis=1).astype(float)
    return present.groupby(rows[study.patient]).transform("sum")


def _versions(study: Study, derived: Derived, rows: pd.DataFrame) -> pd.Series:
    first, second = rows[derived.of[0]].cat.categories[:2]
    by_patient = [
        (rows[derived.of[0]] == version).groupby(rows[study.patient]).transform("any").to_numpy(dtype=bool)
        for version in (first, second)
    ]
    names = {(True, False): 0, (False, True): 1, (True, True): 2}
    picked = [names.get(pair) for pair in zip(*by_patient, strict=True)]
    return as_category([None if i is None else derived.categories[i] for i in picked], derived.categories)


def _cross(study: Study, derived: Derived, rows: pd.DataFrame) -> pd.Series:
    left, right = (rows[name].to_numpy(float) for name in derived.of)
    cell = 2 * left + right
    texts = [None if np.isnan(c) else derived.categories[int(c)] for c in cell]
    return as_category(texts, derived.categories)


def _offset(study: Study, derived: Derived, rows: pd.DataFrame) -> pd.Series:
    return rows[derived.of[0]] - (derived.value or 0.0)


def _last(study: Study, derived: Derived, rows: pd.DataFrame) -> pd.Series:
    late = rows[study.time] >= (derived.value or 0.0)
    values = rows[derived.of[0]].where(late)
    # Rows are sorted by time, and "last" skips what is missing.
    return values.groupby(rows[study.patient]).transform("last")


def _transform(function: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> _RuleFunction:
    """Make a rule of a function; a value that it is not defined for is a fault of the data, not a missing value."""

    def rule(study: Study, derived: Derived, rows: pd.DataFrame) -> pd.Series:
        values = rows[derived.of[0]].astype(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = function(np.asarray(values, dtype=np.float64))
        outside = values.notna().to_numpy() & ~np.isfinite(found)
        if outside.any():
            problem = Problem(
                what=f"rule {derived.rule!r} is not defined for {int(outside.sum())} values of {derived.of[0]!r}",
                where=f"[derived.{derived.name}]",
                allowed="values above 0" if derived.rule == "log" else "values of 0 or more",
                fix="shift them first, by a derived variable with rule 'offset'",
            )
            raise InputError(f"study {study.id}", [problem])
        return pd.Series(found, index=rows.index)

    return rule


def _knot(study: Study, derived: Derived, rows: pd.DataFrame) -> pd.Series:
    return (rows[derived.of[0]] - float(derived.value or 0.0)).clip(lower=0.0)


def _patient_mean(study: Study, derived: Derived, rows: pd.DataFrame) -> pd.Series:
    return rows.groupby(study.patient)[derived.of[0]].transform("mean")


def _within(study: Study, derived: Derived, rows: pd.DataFrame) -> pd.Series:
    return rows[derived.of[0]] - _patient_mean(study, derived, rows)


def _first(study: Study, derived: Derived, rows: pd.DataFrame) -> pd.Series:
    # As "last", "first" skips what is missing.
    return rows.groupby(study.patient)[derived.of[0]].transform("first")


def _change(study: Study, derived: Derived, rows: pd.DataFrame) -> pd.Series:
    values = rows[derived.of[0]]
    earlier = values.notna().groupby(rows[study.patient]).cumsum()
    return (values - _first(study, derived, rows)).where(earlier > 1)


def _lag(study: Study, derived: Derived, rows: pd.DataFrame) -> pd.Series:
    return rows.groupby(study.patient)[derived.of[0]].shift(1)


_RULES: dict[str, _RuleFunction] = {
    "below": _below,
    "at_least": _at_least,
    "count": _count,
    "versions": _versions,
    "cross": _cross,
    "offset": _offset,
    "last": _last,
    "log": _transform(np.log),
    "sqrt": _transform(np.sqrt),
    "square": _transform(np.square),
    "knot": _knot,
    "patient_mean": _patient_mean,
    "within": _within,
    "first": _first,
    "change": _change,
    "lag": _lag,
}
