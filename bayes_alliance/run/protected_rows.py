"""Rows that can be analysed for a publication without singling out a few patients.

Two fits of one outcome whose rows differ by one patient give that patient's record away: the difference of their
log likelihoods depends on the patient's values alone, but for terms that design and estimates tell. So rows by which
two models of an outcome would differ are left out of all of them where they belong to too few patients.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.data.rows import StudyData
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array
from bayes_alliance.study.covariance_terms import INTERCEPT
from bayes_alliance.study.formula import Formula, parse_formula
from bayes_alliance.study.records import Model, Study

Mask = NDArray[np.bool_]


def protect_rows(study: Study, data: StudyData, min_cell: int) -> StudyData:
    """Blank an outcome in rows by which its models would differ, where they are of fewer than ``min_cell`` patients.

    Parameters
    ----------
    study : Study
        Whose models; a set of models to be compared is fitted on the rows that carry all of them, too.
    data : StudyData
        All rows.
    min_cell : int
        Smallest number of patients that may be described; 0 or 1 changes nothing.

    Returns
    -------
    StudyData
        With the limit, and a note for each outcome of which rows were left out.
    """
    if min_cell <= 1:
        return data
    rows = data.rows.copy()
    notes = []
    for outcome in dict.fromkeys(model.outcome for model in study.models):
        if outcome not in rows.columns:
            continue
        models = [model for model in study.models if model.outcome == outcome]
        changed = False
        while (lone := _lone_rows(replace(data, rows=rows, min_cell=min_cell), models)) is not None:
            rows.loc[lone, outcome] = np.nan
            changed = True
        if changed:
            notes.append(
                f"{outcome}: rows by which its models would differ are left out of all of them, "
                f"where they are of fewer than {min_cell} patients"
            )
    return replace(data, rows=rows, notes=(*data.notes, *notes), min_cell=min_cell)


def _lone_rows(data: StudyData, models: Collection[Model]) -> Mask | None:
    """Rows of too few patients by which two sets of rows differ; None where there are none."""
    patients = data.rows[data.patient].astype(str).to_numpy()
    sets = _unions(list(_distinct(_row_sets(data, models))))
    for one, other in combinations(sets, 2):
        differing: Mask = one ^ other
        if 0 < len(np.unique(patients[differing])) < data.min_cell:
            return differing
    return None


def _row_sets(data: StudyData, models: Collection[Model]) -> Iterator[Mask]:
    """Rows of every model, and of every comparison that it stands in."""
    needed: dict[str, set[str]] = {}
    for model in models:
        if model.comparison:
            needed.setdefault(model.comparison, set()).update(_required(model))
    for model in models:
        own = {model.outcome, *_required(model)}
        for names in (own, own | needed.get(model.comparison, set())):
            if singles_out(data, names, model):
                # The model is withheld, and its rows stay in those of others.
                continue
            found = _carrying(data, names, dict(model.where))
            if found is not None and found.any():
                yield found


def every_patient_has(formula: Formula, group: str) -> bool:
    """Whether a random intercept asks for a group of every patient; else it may be of some patients only."""
    return any(INTERCEPT in part.columns for part in formula.parts if group in part.group)


def _required(model: Model) -> set[str]:
    """Variables that a row must have: of the upper levels only those that every patient belongs to."""
    formula = parse_formula(model.formula)
    return {*formula.names} - {name for name in formula.groups[1:] if not every_patient_has(formula, name)}


def singles_out(data: StudyData, names: Collection[str], model: Model) -> bool:
    """Whether a model of a subgroup has too few patients in it, or leaves too few of all patients out."""
    if not model.where:
        return False
    every, mine = (_carrying(data, names, where) for where in ({}, dict(model.where)))
    if every is None or mine is None:
        return False
    patients = data.rows[data.patient].astype(str).to_numpy()
    counts = [len(np.unique(patients[rows])) for rows in (mine, every & ~mine)]
    return any(0 < count < data.min_cell for count in counts)


def _carrying(data: StudyData, names: Collection[str], where: Mapping[str, float]) -> Mask | None:
    """Rows with every variable and the values asked for; None where the data lack a variable."""
    if not {*names, *where} <= set(data.rows.columns):
        return None
    keep: Mask = data.rows[[data.patient, data.time, *names]].notna().all(axis=1).to_numpy().copy()
    for name, value in where.items():
        keep &= data.rows[name].eq(value).to_numpy(dtype=bool)
    return keep


def _distinct(sets: Iterator[Mask]) -> Iterator[Mask]:
    seen = set()
    for one in sets:
        if one.tobytes() not in seen:
            seen.add(one.tobytes())
            yield one


def _unions(sets: list[Mask]) -> list[Mask]:
    """Add the unions of disjoint sets: sums over subgroups tell of what lies between them and the whole."""
    joined = (one | other for one, other in combinations(sets, 2) if not np.any(one & other))
    return list(_distinct(iter([*sets, *joined])))


def fewest_patients(design: Design, factors: Collection[str]) -> int:
    """Count the patients with the rarest value, or combination of values, of the factors of a term.

    Parameters
    ----------
    design : Design
        Of a model.
    factors : collection of str
        Which of its variables are factors.

    Returns
    -------
    int
        All patients where no term has a factor.
    """
    fewest = design.n_patients
    for term in design.formula.terms:
        columns = [column for name in term if name in factors for column in _columns_of(design, name)]
        if columns:
            patterns, members = np.unique(np.column_stack(columns), axis=0, return_inverse=True)
            pairs = np.unique(np.column_stack([members.ravel(), design.patient_index]), axis=0)
            fewest = min(fewest, int(np.bincount(pairs[:, 0], minlength=len(patterns)).min()))
    return fewest


def _columns_of(design: Design, name: str) -> list[Array]:
    """List the columns of a factor, each row by row; where it is in products only, where the product is not zero."""
    own = [i for i, column in enumerate(design.x_names) if column.partition("[")[0] == name]
    if own:
        return [design.x[:, i] for i in own]
    columns = []
    for i, column in enumerate(design.x_names):
        if name in (part.partition("[")[0] for part in column.split(":")):
            hit = np.zeros(design.n_patients, dtype=bool)
            np.logical_or.at(hit, design.patient_index, design.x[:, i] != 0.0)
            columns.append(hit[design.patient_index].astype(float))
    return columns
