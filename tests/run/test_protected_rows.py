"""Rows of real data are chosen so that no two fits of an outcome differ by a few patients."""

from __future__ import annotations

import dataclasses
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.claims.ledger import Part
from bayes_alliance.claims.patient_claims import CannotTell, draw_patients
from bayes_alliance.data.rows import StudyData, data_from_frame
from bayes_alliance.run.pipeline import run_study
from bayes_alliance.run.plan import Plan, plan_study
from bayes_alliance.run.protected_rows import described_rows, protect_rows
from bayes_alliance.run.settings import RunSettings
from bayes_alliance.show.plots.plan import plan_figures
from bayes_alliance.show.privacy import mask_small_cells
from bayes_alliance.show.tables import build_tables
from bayes_alliance.study.records import Derived, Source
from tests.small_study import MODELS, small_frame, small_study

K = 5
STUDY = small_study(
    [
        *MODELS,
        dataclasses.replace(MODELS[1], id="growth_paranoid", where=(("paranoid", 1.0),), comparison="with"),
        dataclasses.replace(MODELS[1], id="growth_others", where=(("paranoid", 0.0),), comparison="without"),
    ]
)


def _real(frame: pd.DataFrame) -> StudyData:
    return data_from_frame(STUDY, frame, source=Source.REAL, origin="rows.csv")


def _row_sets(plan: Plan) -> list[tuple[str, frozenset[tuple[str, float]]]]:
    fits = [*plan.own, *(model for members in plan.common.values() for model in members)]
    return [
        (
            fit.model.outcome,
            frozenset(zip(fit.frozen.rows["patient"].astype(str), fit.frozen.rows["months"], strict=True)),
        )
        for fit in fits
    ]


def _few_apart(plan: Plan) -> list[int]:
    """Patients by whose rows two fits of one outcome differ, and a whole from its two subgroups, where they are few."""
    found = []
    sets = list(dict.fromkeys(_row_sets(plan)))
    unions = [(o, a | b) for (o, a), (p, b) in combinations(sets, 2) if o == p and not a & b]
    for (outcome, one), (other_outcome, other) in combinations([*sets, *unions], 2):
        n = len({patient for patient, _ in one ^ other})
        if outcome == other_outcome and 0 < n < K:
            found.append(n)
    return found


def _gappy(seed: int) -> pd.DataFrame:
    """Up to seven patients without age, up to three without the diagnosis, and a few single scores."""
    rng = np.random.default_rng(seed)
    frame = small_frame(40, seed=seed)
    names = frame["patient"].unique()
    frame.loc[frame["patient"].isin(rng.choice(names, rng.integers(0, 8), replace=False)), "age"] = np.nan
    frame.loc[frame["patient"].isin(rng.choice(names, rng.integers(1, 4), replace=False)), "paranoid"] = (
        np.nan
    )
    frame.loc[rng.choice(len(frame), 6, replace=False), "goals"] = np.nan
    return frame


@pytest.mark.parametrize("seed", range(8))
def test_no_two_fits_of_an_outcome_differ_by_a_few_patients(seed: int) -> None:
    """Their log likelihoods would tell the records of these patients. Without protection they do differ."""
    data = _real(_gappy(seed))
    assert _few_apart(plan_study(STUDY, data))
    protected = protect_rows(STUDY, data, K)
    assert not _few_apart(plan_study(STUDY, protected))
    assert any("left out of all of them" in note for note in protected.notes)
    # Nothing is changed but by leaving it out, and an outcome of one model keeps all its rows.
    for name in ("goals", "tasks"):
        kept = protected.rows[name].notna()
        pd.testing.assert_series_equal(protected.rows.loc[kept, name], data.rows.loc[kept, name])
    assert protected.rows["tasks"].equals(data.rows["tasks"])


def test_models_that_cannot_be_run_do_not_hide_what_the_others_share() -> None:
    """A comparison without a model is made on other rows: here by three patients fewer than one of the rest."""
    formula = "goals ~ months + tasks + (months | patient)"
    study = small_study(
        [*MODELS, dataclasses.replace(MODELS[2], id="with_tasks", formula=formula, estimands=())]
    )
    frame = small_frame(40).drop(columns="tasks")
    names = frame["patient"].unique()
    frame["age"] = frame["age"].fillna(1.0).where(~frame["patient"].isin(names[:8]))
    frame["paranoid"] = frame["paranoid"].where(~frame["patient"].isin(names[3:11]))
    data = data_from_frame(study, frame, source=Source.REAL, origin="rows.csv")
    assert 3 in _few_apart(plan_study(study, data))
    assert not _few_apart(plan_study(study, protect_rows(study, data, K)))


def test_rows_that_differ_by_many_patients_or_none_stay() -> None:
    """Eight patients without age: models with and without it have rows of their own."""
    frame = small_frame(40)
    frame["age"] = np.where(
        frame["patient"].isin(frame["patient"].unique()[:8]), np.nan, 1.0 + frame.index % 7
    )
    frame["age"] = frame.groupby("patient")["age"].transform("first")
    data = _real(frame)
    protected = protect_rows(STUDY, data, K)
    assert protected.rows.equals(data.rows)
    assert protect_rows(STUDY, data, 0) is data


def test_a_model_with_a_rare_value_is_not_even_fitted() -> None:
    """Three patients with the diagnosis: no estimate of theirs can reach a claim, a figure or a table."""
    frame = small_frame(40)
    frame["paranoid"] = frame["patient"].isin(frame["patient"].unique()[:3]).astype(float)
    plan = plan_study(STUDY, protect_rows(STUDY, _real(frame), K))
    skipped = {model.model_id: model.reason for model in plan.skipped if not model.comparison}
    # The others, too: with the whole sample they tell of the three.
    assert set(skipped) == {"paranoid", "growth_paranoid", "growth_others"}
    assert "fewer than 5 patients" in skipped["paranoid"]
    assert "paranoid" in {planned.model.id for planned in plan_study(STUDY, _real(frame)).own}


@pytest.mark.parametrize(("n", "told"), [(0, False), (3, False), (5, True), (37, False)])
def test_a_share_of_a_few_patients_is_no_claim(n: int, told: bool) -> None:
    """Whoever knows the seed could tell the count from the draws; none or nearly all tells of each patient, too."""
    frame = small_frame(40)
    frame["paranoid"] = frame["patient"].isin(frame["patient"].unique()[:n]).astype(float)
    part = Part(id="p", label="p", quantity="share", variable="paranoid", relation="above")
    rng = np.random.default_rng(1)
    data = protect_rows(STUDY, _real(frame), K)
    if told:
        assert draw_patients(STUDY, data, part, 50, rng)[0].shape == (50,)
    else:
        with pytest.raises(CannotTell, match="fewer than 5"):
            draw_patients(STUDY, data, part, 50, rng)
    assert draw_patients(STUDY, _real(frame), part, 50, rng)[0].shape == (50,)


def _two_groups(*, hidden: int = 0, lacking: int = 0) -> StudyData:
    """Forty patients in two groups of 20: the first few without an outcome, the next few without an age."""
    frame = small_frame(40)
    names = list(frame["patient"].unique())
    number = frame["patient"].map(names.index)
    frame["paranoid"] = (number % 2).astype(float)
    frame["age"] = 20.0 + number
    frame.loc[number < hidden, ["goals", "tasks"]] = np.nan
    frame.loc[(number >= hidden) & (number < hidden + lacking), "age"] = np.nan
    return protect_rows(STUDY, _real(frame), K)


AGE = Part(id="p", label="p", quantity="mean", variable="age", by="paranoid", relation="above")


def test_a_claim_about_patients_is_about_those_described() -> None:
    """Claims about all 40 beside a table of 37 would tell the ages of the three whom no model holds."""
    data = _two_groups(hidden=3)
    drawn, n = draw_patients(STUDY, data, AGE, 50, np.random.default_rng(1))
    assert n == 37
    others = dataclasses.replace(
        data, rows=data.rows.assign(age=data.rows["age"].where(data.rows["age"] > 22.0, 99.0))
    )
    assert np.array_equal(draw_patients(STUDY, others, AGE, 50, np.random.default_rng(1))[0], drawn)


@pytest.mark.parametrize(("lacking", "told"), [(0, True), (3, False), (10, True)])
def test_a_claim_does_not_tell_in_which_group_a_few_lack_a_variable(lacking: int, told: bool) -> None:
    """The draws of a difference tell both numbers of patients to whoever knows the seed."""
    data = _two_groups(lacking=lacking)
    if told:
        assert draw_patients(STUDY, data, AGE, 50, np.random.default_rng(1))[1] == 40 - lacking
    else:
        with pytest.raises(CannotTell, match="lack it"):
            draw_patients(STUDY, data, AGE, 50, np.random.default_rng(1))


@pytest.mark.parametrize(("n", "described"), [(1, 39), (4, 36), (6, 40)])
def test_a_few_patients_whom_no_model_holds_are_not_described(n: int, described: int) -> None:
    """With them, a count by subgroup less that of the models would tell their subgroup."""
    frame = small_frame(40).assign(age=30.0, paranoid=0.0)
    names = frame["patient"].unique()
    frame["paranoid"] = frame["patient"].isin(names[::2]).astype(float)
    frame.loc[frame["patient"].isin(names[:n]), ["goals", "tasks"]] = np.nan
    protected = protect_rows(STUDY, _real(frame), K)
    assert described_rows(STUDY, protected)["patient"].nunique() == described
    assert described_rows(STUDY, _real(frame))["patient"].nunique() == 40


def test_assessments_that_no_model_may_use_are_not_counted() -> None:
    """Numbers of assessments with them, less the rows of the models, would tell in which group they are."""
    count = Derived(
        name="n", rule="count", of=("goals",), label="n", unit="", level="patient", kind="integer"
    )
    study = dataclasses.replace(STUDY, derived=(count,))
    data = data_from_frame(study, small_frame(40), source=Source.REAL, origin="rows.csv")
    protected = dataclasses.replace(data, rows=data.rows.copy(), min_cell=K)
    protected.rows.loc[protected.rows.index[:2], "goals"] = np.nan
    first = protected.rows["patient"] == protected.rows["patient"].iloc[0]
    described = described_rows(study, protected)
    assert set(described.loc[first, "n"]) == {protected.rows.loc[first, "goals"].notna().sum()}
    assert set(protected.rows.loc[first, "n"]) == {data.rows.loc[first, "goals"].notna().sum()}
    pd.testing.assert_series_equal(described.loc[~first, "n"], data.rows.loc[~first, "n"])


def _shown(frame: pd.DataFrame) -> dict[str, list[tuple[object, ...]]]:
    """Every table and the numbers of every figure of a run on real data."""
    data = protect_rows(STUDY, _real(frame), K)
    results = mask_small_cells(run_study(STUDY, data, RunSettings(engine="none")), K)
    tables = {table.id: [*table.rows] for table in build_tables(results)}
    figures = {one.name: [tuple(row.values()) for row in one.rows] for one in plan_figures(results)}
    return {**tables, **figures, "notes": [(note,) for note in results.notes]}


def test_nothing_of_the_few_whom_no_model_holds_changes_what_is_shown() -> None:
    """Their subgroup, scores, ages and times are other, all tables and figures the same to the last letter.

    Three patients lack the age that one model needs, so that no model holds them.
    """
    frame = small_frame(40)
    frame["age"] = 30.0 + frame["patient"].map(list(frame["patient"].unique()).index) % 9
    few = frame["patient"].isin(frame["patient"].unique()[[1, 4, 7]])
    frame.loc[few, ["age", "tasks"]] = np.nan
    other = frame.copy()
    other.loc[few, "paranoid"] = 1.0 - other.loc[few, "paranoid"]
    other.loc[few, "goals"] = 8.0 - other.loc[few, "goals"]
    other.loc[few, "months"] += 1.0
    shown, same = _shown(frame), _shown(other)
    assert len(shown) > 5
    for name, rows in shown.items():
        assert repr(rows) == repr(same[name]), name
