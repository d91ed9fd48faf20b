"""Frames for nested levels and correlated residuals: read as the formula says, or refused with one message."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayes_alliance as ba
from bayes_alliance.api.structured import StructuredFit
from bayes_alliance.errors import InputError
from bayes_alliance.run.outcome_kind import check_outcome
from bayes_alliance.run.structured_frame import StructuredRows, read_formula, read_structured


def frame() -> pd.DataFrame:
    """Forty patients of eight therapists, four visits each; made up."""
    rng = np.random.default_rng(5)
    patient = np.repeat(np.arange(40), 4)
    visit = np.tile(np.arange(4), 40)
    therapist = patient // 5
    y = 10 - 0.5 * visit + rng.normal(size=8)[therapist] + rng.normal(size=40)[patient] + rng.normal(size=160)
    return pd.DataFrame(
        {
            "id": [f"p{k:02d}" for k in patient],
            "therapist": [f"t{k}" for k in therapist],
            "visit": visit,
            "week": visit * 2.5,
            "arm": np.where(therapist % 2 == 0, "treated", "waiting"),
            "treated": (therapist % 2 == 0).astype(int),
            "y": y,
        }
    )


def read(formula: str, rows: pd.DataFrame, residual: str = "", patient: str = "") -> StructuredRows:
    return read_structured(*read_formula(formula, residual, patient), rows)


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ week + (week | id) + (1 | therapist)",
        "y ~ week + (1 | therapist) + (week | id)",
    ],
)
def test_the_patient_is_the_inner_level_whatever_the_order(formula: str) -> None:
    """Patients lie within therapists, so the therapist is the upper level."""
    found = read(formula, frame())
    assert (found.patient_name, found.cluster_name, found.n_clusters) == ("id", "therapist", 8)
    assert found.used.n_patients == 40


def test_patients_numbered_anew_in_each_clinic_are_told_apart() -> None:
    """As in lme4: clinic/id groups by clinic, and by clinic and id together."""
    rows = frame()
    rows["number"] = rows["id"].str[1:].astype(int) % 5
    found = read("y ~ week + (1 | therapist/number)", rows)
    assert (found.used.n_patients, found.n_clusters) == (40, 8)
    both = read("y ~ week + (1 | therapist) + (1 | number)", rows)
    assert (both.crossed, both.used.n_patients, both.n_clusters, both.rows.copies) == (True, 8, 5, 5)
    note = ba.fit("y ~ week + (1 | therapist) + (1 | number)", rows, engine="none")
    assert isinstance(note, StructuredFit)
    assert any("crossed; if number are numbered anew within each therapist" in said for said in note.notes)


def test_crossed_factors_of_many_groups_are_refused_with_the_reason() -> None:
    """Thirty raters are fitted; 150 raters of 200 patients are not, and rows without a rater are counted."""
    rng = np.random.default_rng(2)
    rows = pd.DataFrame({"id": np.repeat(np.arange(200), 5), "week": np.tile(np.arange(5.0), 200)})
    rows = rows.assign(y=rng.normal(size=1000), few=rng.integers(0, 30, 1000), many=np.arange(1000) * 7 % 150)
    assert read("y ~ week + (1 | few) + (1 | id)", rows).rows.copies == 30
    with pytest.raises(InputError, match=r"dense matrix.*150 effects of many.*at most 100.*lmer of lme4"):
        read("y ~ week + (1 | id) + (1 | many)", rows)
    rows.loc[3, "few"] = np.nan
    with pytest.raises(InputError, match="1 rows have no few"):
        read("y ~ week + (1 | id) + (1 | few)", rows)


def test_groups_in_one_arm_only() -> None:
    """Patients of the other arm need no therapist where the random column is zero for them; else that is said."""
    rows = frame()
    rows.loc[rows["treated"] == 0, "therapist"] = None
    found = read("y ~ week*treated + (week | id) + (0 + treated | therapist)", rows)
    assert (found.used.n_rows, found.n_clusters) == (160, 4)
    with pytest.raises(InputError, match=r"80 rows have no therapist.*0 \+ treated \| therapist"):
        read("y ~ week*treated + (week | id) + (1 | therapist)", rows)


def test_the_order_of_rows_changes_nothing() -> None:
    """Rows in any order give the same fit."""
    rows = frame()
    one = ba.fit("y ~ week + (1 | id) + (1 | therapist)", rows, engine="none")
    other = ba.fit(
        "y ~ week + (1 | id) + (1 | therapist)", rows.sample(frac=1.0, random_state=1), engine="none"
    )
    assert isinstance(one, StructuredFit)
    assert np.isclose(one.ml.deviance, other.ml.deviance, atol=1e-8)
    assert np.allclose(one.ml.beta, other.ml.beta)


@pytest.mark.parametrize(
    ("formula", "residual", "words"),
    [
        ("y ~ week + (1 | id)", "ar1(week)", "whole numbers"),
        ("y ~ week + (1 | therapist)", "un(visit)", "repeat a visit"),
        ("y ~ week + (0 + arm | id)", "", "column of numbers"),
        ("y ~ week + (1 | id)", "ar1(arm)", "repeat a arm"),
        ("y ~ weak + (1 | id) + (1 | therapist)", "", "no such column"),
        ("y ~ week + (1 | id)", "ar3(visit)", "no residual structure"),
        ("y ~ id + (1 | id) + (1 | therapist)", "", "cannot also be a predictor"),
    ],
)
def test_what_the_frame_cannot_carry_is_refused(formula: str, residual: str, words: str) -> None:
    """Before any fit, with one message."""
    with pytest.raises(InputError, match=words):
        read(formula, frame(), residual)


def test_rows_that_lack_a_variable_are_counted() -> None:
    """And left out."""
    rows = frame()
    rows.loc[[1, 7], "y"] = np.nan
    rows.loc[3, "id"] = None
    found = read("y ~ week + (1 | id) + (1 | therapist)", rows)
    assert found.left_out == ("2 rows without y", "1 rows without id")
    assert found.used.n_rows == 157


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0, 1, 1, 0] * 5, "binary"),
        (["low", "middle", "high", "low"] * 5, "ordinal or nominal"),
        ([1, 2, 3, 4, 2, 3] * 5, "looks ordinal"),
        ([0, 0, 0, 1, 2, 0, 5, 3, 0, 7] * 3, "looks like a count"),
    ],
)
def test_outcomes_that_are_not_continuous_are_refused(values: list[object], words: str) -> None:
    """Never fitted as Gaussian in silence; whole numbers that only look so are fitted where that is said."""
    with pytest.raises(InputError, match=words):
        check_outcome(pd.Series(values), "y", "")
    if words in ("looks ordinal", "looks like a count"):
        check_outcome(pd.Series(values), "y", "gaussian")
    else:
        with pytest.raises(InputError, match=words):
            check_outcome(pd.Series(values), "y", "gaussian")


@pytest.mark.parametrize(
    "values", [[1.5, 2.25, 3.0, 4.0] * 5, list(range(40)), [10, 12, 15, 11, 18, 20, 9] * 4]
)
def test_scores_and_sums_of_items_pass(values: list[float]) -> None:
    """Sums of items are whole numbers too."""
    check_outcome(pd.Series(values), "y", "")


def test_other_families_and_engines_are_refused() -> None:
    """With what is allowed."""
    with pytest.raises(InputError, match="only Gaussian"):
        ba.fit("y ~ week + (week | id)", frame(), family="poisson")
    with pytest.raises(InputError, match="collapsed, none"):
        ba.fit("y ~ week + (1 | id) + (1 | therapist)", frame(), engine="pymc")


def test_scores_and_comparison_refuse_what_they_do_not_take() -> None:
    """One sentence each."""
    found = ba.fit("y ~ week + (1 | id) + (1 | therapist)", frame(), engine="none")
    with pytest.raises(InputError, match="loo does not take"):
        ba.loo(found)
    with pytest.raises(InputError, match="compare does not take"):
        ba.compare({"one": found, "other": found})
