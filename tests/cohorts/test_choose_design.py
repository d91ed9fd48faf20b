"""Predictors dealt at random, and patients that change places in them: what is printed of each group stays."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.cohorts.load_plan import load_cohort_plan
from bayes_alliance.cohorts.roster import Roster, draw_roster
from bayes_alliance.cohorts.solver.design import _exchange, _redeal
from bayes_alliance.study.load_study import load_study

NAMES = ("paranoid_pd", "age", "mood_disorder")


@pytest.fixture(scope="module")
def roster() -> Roster:
    study = load_study("folmo2020")
    return draw_roster(study, load_cohort_plan(study), np.random.default_rng(3))


def _by_group(patients: pd.DataFrame, name: str) -> list[tuple[str, list[float]]]:
    return [(str(group), sorted(part[name].dropna())) for group, part in patients.groupby("group")]


def test_a_deal_keeps_every_group_and_moves_every_predictor(roster: Roster) -> None:
    """Counts, means and SDs by group are those of the roster; who has what is not."""
    found = _redeal(roster, NAMES, np.random.default_rng(1))
    for name in NAMES:
        assert _by_group(found, name) == _by_group(roster.patients, name)
        assert not found[name].equals(roster.patients[name])
    rest = [column for column in found.columns if column not in NAMES]
    pd.testing.assert_frame_equal(found[rest], roster.patients[rest])


def test_an_exchange_moves_few_patients_in_one_predictor(roster: Roster) -> None:
    """At most eight patients, all of one group, in one column; unknown values stay with their patients."""
    rng = np.random.default_rng(2)
    for _ in range(50):
        found = _exchange(roster, NAMES, rng)
        changed = [name for name in found.columns if not found[name].equals(roster.patients[name])]
        assert len(changed) == 1
        assert changed[0] in NAMES
        before, after = roster.patients[changed[0]], found[changed[0]]
        moved = (before != after) & before.notna()
        assert 2 <= moved.sum() <= 8
        assert roster.patients.loc[moved, "group"].nunique() == 1
        assert before.isna().equals(after.isna())
        assert _by_group(found, changed[0]) == _by_group(roster.patients, changed[0])
