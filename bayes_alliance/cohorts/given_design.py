"""Designs taken from a data file: whether a study can be rebuilt on one, and what is kept of its patients."""

from __future__ import annotations

import dataclasses

import numpy as np

from bayes_alliance.cohorts.build import BuiltCohort
from bayes_alliance.cohorts.solver.targets import list_targets
from bayes_alliance.errors import InputError
from bayes_alliance.errors import Problem as Fault
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Study


def check_design(study: Study) -> None:
    """Refuse a study whose predictors are made of the outcomes that are to be rebuilt.

    Raises
    ------
    InputError
        With every such model and predictor.
    """
    outcomes = printed_outcomes(study)
    # How often there was a score is part of the design; what it was is not.
    made_of = {derived.name: set(derived.of) for derived in study.derived if derived.rule != "count"}
    for _ in made_of:
        made_of = {
            name: parts.union(*(made_of[p] for p in parts if p in made_of)) for name, parts in made_of.items()
        }
    faults = [
        Fault(
            what=f"the outcome {', '.join(sorted(made_of[name] & set(outcomes)))} decides the predictor {name!r}",
            where=f"[[models]] {model.id}",
            fix="describe the design by a cohort plan (docs/study_file.md), which fixes the predictor first",
        )
        for model in study.models
        for name in sorted(parse_formula(model.formula).names)
        if made_of.get(name, set()) & set(outcomes)
    ]
    if faults:
        raise InputError(f"study {study.id}: its scores cannot be rebuilt on a given design", faults)


def hide_patients(study: Study, built: BuiltCohort) -> BuiltCohort:
    """Take out of a cohort on a given design what its models do not need of the patients.

    Identifiers are replaced by numbers in random order, and columns go that no model of a rebuilt outcome uses. Visit
    times and predictors stay: they are the design.

    Parameters
    ----------
    study : Study
        Of the cohort.
    built : BuiltCohort
        With the identifiers and columns of the data whose design it has.

    Returns
    -------
    BuiltCohort
        Its rows sorted by the new identifiers, and by time.
    """
    outcomes = printed_outcomes(study)
    needed = {study.patient, study.time, *outcomes}
    for model in study.models:
        if model.outcome in outcomes:
            needed |= parse_formula(model.formula).names | {name for name, _ in model.where}
    parts = {derived.name: set(derived.of) for derived in study.derived}
    for _ in parts:
        needed |= {part for name in needed & set(parts) for part in parts[name]}
    columns = [v.column for v in study.variables if v.required or v.name in needed]
    frame = built.frame[[column for column in columns if column in built.frame]].copy()
    header = {v.name: v.column for v in study.variables}
    patient, time = header[study.patient], header[study.time]
    ids = frame[patient].unique()
    order = np.random.default_rng([built.seed, len(ids)]).permutation(len(ids))
    width = max(len(str(len(ids))), 3)
    names = {old: f"S{new + 1:0{width}d}" for old, new in zip(ids, order, strict=True)}
    frame[patient] = frame[patient].map(names)
    frame = frame.sort_values([patient, time], kind="stable", ignore_index=True)
    return dataclasses.replace(built, frame=frame)


def printed_outcomes(study: Study) -> list[str]:
    """Return the outcomes whose models print cells."""
    printed = {study.model(target.model).outcome for target in list_targets(study)}
    return [outcome for outcome in study.outcomes if outcome in printed]
