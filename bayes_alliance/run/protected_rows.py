"""Rows that can be analysed for a publication without singling out a few patients.

Two fits of one outcome whose rows differ by one patient give that patient's record away: the difference of their log
likelihoods depends on that patient's values, apart from terms that follow from design and estimates. So rows that only
some models of an outcome could use are left out of all of them if they belong to too few patients.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from bayes_alliance.data.derived_variables import derive_variables
from bayes_alliance.data.rows import StudyData
from bayes_alliance.run.row_sets import Mask, RowSets, with_unions
from bayes_alliance.study.records import Study


def protect_rows(study: Study, data: StudyData, min_cell: int) -> StudyData:
    """Blank an outcome in rows that only some of its models could use, or none, if they belong to too few patients.

    Parameters
    ----------
    study : Study
        Whose models; models to be compared are fitted on the rows that carry all of them, too.
    data : StudyData
        All rows.
    min_cell : int
        Fewest patients that may be described; 0 or 1 changes nothing.

    Returns
    -------
    StudyData
        With the limit, and a note for each outcome of which rows were left out.
    """
    if min_cell <= 1:
        return data
    found = replace(data, rows=data.rows.copy(), min_cell=min_cell)
    changed: set[str] = set()
    while lone := _lone_rows(study, found):
        for outcome, rows in lone.items():
            found.rows.loc[rows, outcome] = np.nan
        changed.update(lone)
    notes = [
        f"{outcome}: rows that only some of its models could use are left out of all of them "
        f"if they belong to fewer than {min_cell} patients"
        for outcome in sorted(changed)
    ]
    return replace(found, notes=(*data.notes, *notes))


def described_rows(study: Study, data: StudyData) -> pd.DataFrame:
    """Return the rows of the patients to be described: without those few whom no model holds.

    Beside estimates of all the others, a count or a mean with them would tell of these few. Assessments are counted
    again: with those that no model may use, their numbers would tell to whom these belong.

    Parameters
    ----------
    study : Study
        Whose models.
    data : StudyData
        As :func:`protect_rows` returns it.
    """
    outcomes = [name for name in {model.outcome for model in study.models} if name in data.rows]
    if data.min_cell <= 1 or not outcomes:
        return data.rows
    patients = data.rows[study.patient]
    held = patients.isin(patients[data.rows[outcomes].notna().any(axis=1)])
    rows = data.rows[held] if patients[~held].nunique() < data.min_cell else data.rows
    return _count_again(study, rows, outcomes)


def _count_again(study: Study, rows: pd.DataFrame, outcomes: Collection[str]) -> pd.DataFrame:
    """Derive counts of assessments anew, and what rests on them."""
    again = {one.name for one in study.derived if one.rule == "count" and set(one.of) & set(outcomes)}
    while more := {one.name for one in study.derived if set(one.of) & again} - again:
        again |= more
    own = [name for name in again if name in rows]
    return derive_variables(study, rows.drop(columns=own))[0] if own else rows


def _lone_rows(study: Study, data: StudyData) -> dict[str, Mask]:
    """Rows of too few patients by which two fits differ, by outcome; outcomes without such rows are absent."""
    sets = RowSets.of_study(study, data)
    found = {}
    for outcome, own in sets.items():
        for one, other in combinations(with_unions(own), 2):
            differing: Mask = one ^ other
            if sets.few(differing[None, :]):
                found[outcome] = differing
                break
    return found
