"""Rows that can be analysed for a publication without singling out a few patients.

Two fits of one outcome whose rows differ by one patient give that patient's record away: the difference of their log
likelihoods depends on that patient's values, apart from terms that follow from design and estimates. So rows that only
some models of an outcome could use are left out of all of them if they belong to too few patients.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import InputError
from bayes_alliance.run.plan import Plan, plan_study
from bayes_alliance.study.records import Study

Mask = NDArray[np.bool_]


def protect_rows(study: Study, data: StudyData, min_cell: int) -> StudyData:
    """Blank an outcome in rows that only some of its models could use, if they belong to too few patients.

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


def _lone_rows(study: Study, data: StudyData) -> dict[str, Mask]:
    """Rows of too few patients by which two fits differ, by outcome; outcomes without such rows are absent."""
    try:
        plan = plan_study(study, data)
    except InputError:
        # No model can be run, so no two can differ; whoever asks for one is told why.
        return {}
    patients = data.rows[data.patient].astype(str).to_numpy()
    found = {}
    for outcome, sets in _row_sets(plan, data).items():
        for one, other in combinations(_with_unions(sets), 2):
            differing: Mask = one ^ other
            if 0 < len(np.unique(patients[differing])) < data.min_cell:
                found[outcome] = differing
                break
    return found


def _row_sets(plan: Plan, data: StudyData) -> dict[str, list[Mask]]:
    """Rows of every fit of a plan, by outcome."""
    keys = pd.MultiIndex.from_frame(data.rows[[data.patient, data.time]])
    found: dict[str, list[Mask]] = {}
    for fit in [*plan.own, *(fit for members in plan.common.values() for fit in members)]:
        used = pd.MultiIndex.from_frame(fit.frozen.rows[[data.patient, data.time]])
        found.setdefault(fit.model.outcome, []).append(np.asarray(keys.isin(used), dtype=bool))
    return {outcome: list(_distinct(iter(sets))) for outcome, sets in found.items()}


def _distinct(sets: Iterator[Mask]) -> Iterator[Mask]:
    seen = set()
    for one in sets:
        if one.tobytes() not in seen:
            seen.add(one.tobytes())
            yield one


def _with_unions(sets: list[Mask]) -> list[Mask]:
    """Add the unions of disjoint sets: sums over subgroups tell of what lies between them and the whole."""
    joined = (one | other for one, other in combinations(sets, 2) if not np.any(one & other))
    return list(_distinct(iter([*sets, *joined])))
