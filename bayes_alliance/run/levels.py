"""Who is grouped in whom, and the random columns of each level, from rows and the random parts of a formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayes_alliance.errors import InputError, Problem
from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.lmm.patterns import Index
from bayes_alliance.inference.lmm.structure import RandomShape
from bayes_alliance.study.covariance_terms import INTERCEPT, RandomPart

MOST_CROSSED = 100


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Columns that name the patients and the groups of the other level, which are nested in it or cross it."""

    patient: tuple[str, ...]
    cluster: tuple[str, ...] = ()
    crossed: bool = False


def tell_levels(
    parts: Sequence[RandomPart], patient: str, rows: pd.DataFrame
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell the patient's level from the one above; crossed groups are refused.

    With crossed groups all patients depend on each other. Models of a study are compared and checked by patients or
    groups that are independent, and their claims rest on these scores and checks.
    """
    found = tell_crossed(parts, patient, rows)
    if not found.crossed:
        return found.patient, found.cluster
    first, second = ":".join(found.patient), ":".join(found.cluster)
    problem = Problem(
        what=f"{first} and {second} are crossed: neither lies within the other, so that no patients are independent, "
        "as comparing and checking the models of a study requires",
        got=f"some {second} with several {first}, and some {first} with several {second}",
        allowed="nested levels, such as patients each with one therapist",
        fix=f"if {second} are numbered anew within each {first}, write ({first}/{second}); else fit this model by "
        "ba.fit on a data frame (ML, REML, posterior), and keep the study to nested levels",
    )
    raise InputError("data frame", [problem])


def tell_crossed(parts: Sequence[RandomPart], patient: str, rows: pd.DataFrame) -> Levels:
    """Tell the patient's level from the other one: the one above it or, where they cross, the one with fewer groups."""
    groups = list(dict.fromkeys(part.group for part in parts))
    if (patient,) not in groups and not any(patient in group for group in groups):
        groups.append((patient,))
    if len(groups) == 1:
        return Levels(patient=groups[0])
    if len(groups) > 2:
        raise InputError("formula", [Problem(what="more than one level above the patient is not supported")])
    for inner, outer in (groups[::-1], groups):
        table = pd.DataFrame({"inner": number_groups(rows, inner), "outer": number_groups(rows, outer)})
        known = table[table["outer"] >= 0]
        if (known.groupby("inner")["outer"].nunique() <= 1).all():
            return Levels(patient=inner, cluster=outer)
    more, fewer = sorted(groups, key=lambda group: -int(number_groups(rows, group).max()))
    return Levels(patient=more, cluster=fewer, crossed=True)


def number_crossed(rows: pd.DataFrame, levels: Levels, w: Array) -> Index:
    """Return the crossed group of each row, after a check that they are few enough to be fitted exactly."""
    name, other = ":".join(levels.cluster), ":".join(levels.patient)
    numbers = number_groups(rows, levels.cluster)
    problems = []
    lacking = int(np.sum((numbers < 0) & np.any(w != 0.0, axis=1)))
    if lacking:
        problems.append(Problem(what=f"{lacking} rows have no {name}", fix="leave them out"))
    count = int(numbers.max() + 1) * w.shape[1]
    if count > MOST_CROSSED:
        what = (
            f"{other} and {name} are crossed, and the effects of {name} enter every evaluation as one dense matrix, "
            "whose cost grows with the cube of their number"
        )
        problems.append(
            Problem(
                what=what,
                got=f"{count} effects of {name}",
                allowed=f"at most {MOST_CROSSED} effects of the factor with fewer groups",
                fix=f"if {name} are numbered anew within each {other}, write ({other}/{name}); else fit lmer of lme4",
            )
        )
    if problems:
        raise InputError("data frame", problems)
    return np.maximum(numbers, 0)


def number_groups(rows: pd.DataFrame, group: tuple[str, ...]) -> Index:
    """Return numbers of the groups from 0 in the order of their first rows, -1 for none."""
    if not group:
        return np.zeros(len(rows), dtype=np.int64)
    lacking = rows[list(group)].isna().any(axis=1).to_numpy()
    numbers = rows.groupby(list(group), sort=False, observed=True, dropna=False).ngroup().to_numpy()
    return np.where(lacking, -1, numbers).astype(np.int64)


def one_cluster_a_patient(cluster: Index, w: Array, patient: Index, name: str) -> Index:
    """Give each patient one group of the upper level, -1 for those who have none and need none."""
    if not w.shape[1]:
        return np.zeros(len(cluster), dtype=np.int64)
    idle = ~np.any(w, axis=1)
    lacking = int(np.sum((cluster < 0) & ~idle))
    if lacking:
        problem = Problem(
            what=f"{lacking} rows have no {name}",
            fix=f"leave them out, or, where only one arm has a {name}, write (0 + treated | {name}) with a column "
            "treated that is 1 in this arm and 0 elsewhere",
        )
        raise InputError("data frame", [problem])
    whole = np.full(int(patient.max()) + 1, -1, dtype=np.int64)
    np.maximum.at(whole, patient, cluster)
    return whole[patient]


def random_columns(parts: Sequence[RandomPart], rows: pd.DataFrame) -> tuple[Array, RandomShape]:
    """Return the random columns of one level and the blocks of their effects."""
    names: list[str] = []
    blocks: list[int] = []
    for part in parts:
        names += part.columns
        blocks += [len(part.columns)] if part.correlated else [1] * len(part.columns)
    for name in names:
        if name != INTERCEPT and not pd.api.types.is_numeric_dtype(rows[name]):
            problem = Problem(
                what="a random effect needs a column of numbers",
                where=f"column {name}",
                fix="make a 0/1 column of each category but one, or of each with 0 + in front",
            )
            raise InputError("data frame", [problem])
    columns = [np.ones(len(rows)) if name == INTERCEPT else rows[name].to_numpy(float) for name in names]
    matrix = np.column_stack(columns) if columns else np.empty((len(rows), 0))
    return matrix, RandomShape(names=tuple(names), blocks=tuple(blocks))
