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
    """Let baseline values that no model rests on change places, and lastly shift, until the plan's rules hold."""
    used = {name for model in study.models for name in parse_formula(model.formula).names}
    used |= {name for derived in study.derived for name in derived.of}
    movable = [covariate.name for covariate in plan.covariates if covariate.name not in used]
    return replace(roster, patients=fit_patients(roster.patients, plan.rules, movable, rng))


def fit_patients(
    patients: pd.DataFrame, rules: Sequence[PatientRule], movable: Sequence[str], rng: np.random.Generator
) -> pd.DataFrame:
    """Let values change places within subgroups, and lastly shift, until as few rules as can be are broken.

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
    _shift(columns, used, movable, group)
    return patients.assign(**{name: columns[name] for name in movable if name in columns})


def _shift(
    columns: dict[str, Floats],
    rules: Sequence[PatientRule],
    movable: Sequence[str],
    group: NDArray[np.object_],
) -> None:
    """Raise, step by step, what is still too small, and lower the nearest larger value of the subgroup for it.

    Exchanges cannot help where more patients have a low whole than a low part. The subgroup's mean stays; its sum of
    squares is brought back by pairs whose values move apart.
    """
    for rule in rules:
        if len(rule.whole) != 1 or rule.whole[0] not in movable:
            continue
        whole = columns[rule.whole[0]]
        for name in dict.fromkeys(group[excess_of(rule, columns) > 0.0]):
            mine, before = group == name, whole.copy()
            while len(broken := np.flatnonzero(mine & (excess_of(rule, columns) > 0.0))):
                patient = broken[0]
                donors = np.flatnonzero(mine & _spare(whole, columns, rules) & (whole > whole[patient]))
                if not len(donors):
                    break
                whole[donors[np.argmin(whole[donors])]] -= 1.0
                whole[patient] += 1.0
            _spread_again(whole, mine, float((before[mine] ** 2).sum()), columns, rules)


def _spread_again(
    whole: Floats,
    mine: NDArray[np.bool_],
    squares: float,
    columns: Mapping[str, Floats],
    rules: Sequence[PatientRule],
) -> None:
    """Move values of pairs apart until their sum of squares is what it was, or as near as can be."""
    while lost := squares - float((whole[mine] ** 2).sum()):
        low, high = np.flatnonzero(mine & _spare(whole, columns, rules)), np.flatnonzero(mine)
        gained = 2.0 * (whole[high] - whole[low][:, None] + 1.0)
        one, other = np.unravel_index(np.argmin(np.abs(gained - lost)), gained.shape)
        if low[one] == high[other] or abs(gained[one, other] - lost) >= abs(lost):
            break
        whole[low[one]] -= 1.0
        whole[high[other]] += 1.0


def _spare(whole: Floats, columns: Mapping[str, Floats], rules: Sequence[PatientRule]) -> NDArray[np.bool_]:
    """Return who can do with one less: no rule is broken by more, and the value stays at zero or above."""
    base = _excess(columns, rules)
    whole -= 1.0
    after = _excess(columns, rules)
    whole += 1.0
    found: NDArray[np.bool_] = (after <= base) & (whole >= 1.0)
    return found


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
        able = others[(values[others] != values[patient]) & ~np.isnan(values[others] + values[patient])]
        if not len(able):
            continue
        here = {k: np.full(len(able), column[patient]) for k, column in columns.items()} | {
            name: values[able]
        }
        there = {k: column[able] for k, column in columns.items()} | {
            name: np.full(len(able), values[patient])
        }
        change = _excess(here, rules) + _excess(there, rules) - (base[patient] + base[able])
        least = int(np.argmin(change))
        if change[least] < best[0]:
            best = float(change[least]), str(name), int(able[least])
    if best[2] >= 0:
        pair = [patient, best[2]]
        columns[best[1]][pair] = columns[best[1]][pair[::-1]]
