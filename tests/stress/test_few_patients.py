"""On real data stress tests say nothing of a few patients: who drops out, and who lacks one of several outcomes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.data.rows import StudyData
from bayes_alliance.run.protected_rows import protect_rows
from bayes_alliance.show.tables.stress import build_stress_tables
from bayes_alliance.stress.run import StressResults, StressSettings, run_stress
from bayes_alliance.study.records import Source
from tests.stress_cases import case_data, case_study, simulate_rows

K = 5
OUTCOMES = ("goals", "tasks")


def _real(frame: pd.DataFrame, outcomes: tuple[str, ...], min_cell: int = K) -> StudyData:
    study = case_study(outcomes)
    data = dataclasses.replace(case_data(study, frame), source=Source.REAL)
    return protect_rows(study, data, min_cell)


def _run(data: StudyData, outcomes: tuple[str, ...], what: str) -> StressResults:
    settings = StressSettings(prior="neutral", seed=1, what=(what,), draws=400, joint_draws=40)
    return run_stress(case_study(outcomes), data, settings)


def _leaving(n: int) -> pd.DataFrame:
    """Sixty patients, of whom some with poor outcome and half of those with good outcome leave at month 15."""
    frame = simulate_rows(60, (0.03, 0.0), seed=3)
    names = frame["patient"].unique()
    gone = {*names[1::2][:n], *names[::4]}
    return frame[~frame["patient"].isin(gone) | (frame["months"] <= 15)].reset_index(drop=True)


def _left_out(results: StressResults) -> dict[tuple[str, str], str]:
    return {(one.test, one.variant): one.reason for one in results.skipped if "withheld" in one.reason}


@pytest.mark.parametrize(("n", "told"), [(2, False), (6, True), (28, False)])
def test_dropout_of_few_patients_is_not_described(n: int, told: bool) -> None:
    """Two who leave, or two who stay: no pattern, no tipping point and no count of them."""
    found = _run(_real(_leaving(n), ("tasks",)), ("tasks",), "missing")
    tests = {("delta", ""), ("shared_parameter", ""), ("pattern_mixture", "completers_by_subgroup")}
    assert set(_left_out(found)) == (set() if told else tests)
    tables = {table.id: table for table in build_stress_tables(found)}
    assert ("stress_tipping" in tables) is told
    assert bool(found.deltas) is told
    if not told:
        assert all(f"fewer than {K} patients" in reason for reason in _left_out(found).values())
        # Without a limit the count is in the table.
        open_ = _run(_real(_leaving(n), ("tasks",), 0), ("tasks",), "missing")
        table = {table.id: table for table in build_stress_tables(open_)}["stress_tipping"]
        assert f"yes {n}" in str(table.column("incomplete")) or f" {n}" in str(table.column("incomplete"))


@pytest.mark.parametrize(("n", "told"), [(3, False), (8, True)])
def test_a_joint_model_does_not_differ_from_others_by_few_patients(n: int, told: bool) -> None:
    """Rows with both outcomes lack those of the patients who have one only."""
    frame = simulate_rows(60, (0.03, 0.0), seed=3)
    rng = np.random.default_rng(1)
    frame["goals"] = frame["tasks"] + 0.3 * rng.standard_normal(len(frame))
    names = frame["patient"].unique()
    frame.loc[frame["patient"].isin(names[:n]), "goals"] = np.nan
    found = _run(_real(frame, OUTCOMES), OUTCOMES, "joint")
    assert bool(found.joint) is told
    assert bool(_left_out(found)) is not told
    assert _run(_real(frame, OUTCOMES, 0), OUTCOMES, "joint").joint
