"""Baseline values that could belong to patients: no patient with fewer disorders than diagnoses, and the like.

Printed counts, means and SDs hold for each column by itself; who has what is free. Values change places between two
patients of a subgroup until no rule is broken, so everything printed stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.cohorts.plan import CohortPlan, PatientRule
from bayes_alliance.cohorts.roster import Roster
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Study

Floats = NDArray[np.float64]
_ROUNDS = 400


def excess_of(rule: PatientRule, patients: Mapping[str, Floats]) -> Floats:
    """By how much each patient breaks a rule, 0 where not or where something is unknown."""
    beyond = sum(patients[name] for name in rule.parts) - sum(patients[name] for name in rule.whole)
    found: Floats = np.nan_to_num(np.maximum(beyond, 0.0))
    return found


def settle_patients(study: Study, plan: CohortPlan, roster: Roster, rng: np.random.Generator) -> Roster:
    """Let baseline values that no model rests on change places until the plan's rules hold."""
    used = {name for model in study.models for name in parse_formula(model.formula).names}
    used |= {name for derived in study.derived for name in derived.of}
    movable = [covariate.name for covariate in plan.covariates if covariate.name not in used]
    return replace(roster, patients=fit_patients(roster.patients, plan.rules, movable, rng))


def fit_patients(
    patients: pd.DataFrame, rules: Sequence[PatientRule], movable: Sequence[str], rng: np.random.Generator
) -> pd.DataFrame:
    """Let values change places within subgroups until no rule is broken, or as few as can be reached.

    Parameters
    ----------
    patients : pandas.DataFrame
        One row a patient: ``group`` and every covariate.
    rules : sequence of PatientRule
        What has to hold.
    movable : sequence of str
        Columns that no model rests on.
    rng : numpy.random.Generator
        Order in which exchanges are tried.
    """
    names = [str(name) for name in patients.columns if name != "group"]
    columns: dict[str, Floats] = {name: patients[name].to_numpy(dtype=float).copy() for name in names}
    group = patients["group"].to_numpy()
    used = [rule for rule in rules if all(name in columns for name in (*rule.parts, *rule.whole))]
    for _ in range(_ROUNDS):
        broken = np.flatnonzero(_excess(columns, used) > 0.0)
        if not len(broken):
            break
        for patient in rng.permutation(broken):
            _exchange(int(patient), columns, used, movable, group, rng)
    return patients.assign(**{name: columns[name] for name in movable if name in columns})


def _excess(columns: Mapping[str, Floats], rules: Sequence[PatientRule]) -> Floats:
    n = len(next(iter(columns.values())))
    total = np.zeros(n)
    for rule in rules:
        total += excess_of(rule, columns)
    return total


def _exchange(
    patient: int,
    columns: dict[str, Floats],
    rules: Sequence[PatientRule],
    movable: Sequence[str],
    group: NDArray[np.object_],
    rng: np.random.Generator,
) -> None:
    """Make the exchange of one value that helps most; one that changes nothing opens ways for the next."""
    others = rng.permutation(np.flatnonzero(group == group[patient]))
    base = _excess(columns, rules)
    best: tuple[float, str, int] = (1e-9, "", -1)
    for name in rng.permutation([name for rule in rules for name in (*rule.parts, *rule.whole)]):
        if name not in movable:
            continue
        values = columns[name]
        for other in others:
            if values[other] == values[patient] or np.isnan(values[other]) or np.isnan(values[patient]):
                continue
            pair = [patient, int(other)]
            values[pair] = values[pair[::-1]]
            near = [{k: columns[k][pair] for k in (*rule.parts, *rule.whole)} for rule in rules]
            after = sum(float(excess_of(rule, two).sum()) for rule, two in zip(rules, near, strict=True))
            values[pair] = values[pair[::-1]]
            change = after - float(base[pair].sum())
            if change < best[0]:
                best = change, str(name), int(other)
    if best[2] >= 0:
        pair = [patient, best[2]]
        columns[best[1]][pair] = columns[best[1]][pair[::-1]]
