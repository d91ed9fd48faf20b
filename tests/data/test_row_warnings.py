"""What is permitted but hardly meant: told by counts, at the stated limits, and without a value."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.data.rows import data_from_frame
from bayes_alliance.study.records import Model, Source, Study
from tests.builders import build_study, build_variable


def build(formula: str) -> Study:
    study = build_study(
        variables=(
            build_variable("patient", "patient"),
            build_variable("months"),
            build_variable("y"),
            build_variable("relapse", kind="binary"),
            build_variable("arm", "patient", "binary", categories=("no", "yes")),
        ),
        derived=(),
    )
    model = Model(id="m", label="m", family="f", outcome=formula.split(" ~ ")[0], formula=formula)
    return dataclasses.replace(study, scoring=(), models=(model,))


def rows(n_patients: int = 10, in_arm: int = 5, *, two_visits: int = 10) -> pd.DataFrame:
    patient = np.repeat(np.arange(n_patients), 2)
    visit = np.tile([0.0, 6.0], n_patients)
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"patient": [f"p{i}" for i in patient], "months": visit})
    frame["y"] = rng.normal(50.0, 5.0, len(frame))
    frame["relapse"] = (np.arange(len(frame)) % 3 == 0).astype(float)
    frame["arm"] = (patient < in_arm).astype(float)
    return frame[(visit == 0.0) | (patient < two_visits)]


def warnings(formula: str, frame: pd.DataFrame) -> str:
    data = data_from_frame(build(formula), frame, source=Source.SYNTHETIC, origin="x")
    return "\n".join(warning.format() for warning in data.warnings)


GROWTH = "y ~ months + arm + months:arm + (months | patient)"


@pytest.mark.parametrize(("in_arm", "warned"), [(2, True), (3, False), (7, False), (8, True)])
def test_a_cell_too_thin_for_a_slope_is_warned_of_below_three(in_arm: int, warned: bool) -> None:
    """On either side of the factor."""
    side = "yes" if in_arm < 5 else "no"
    assert (f"have arm = {side}" in warnings(GROWTH, rows(in_arm=in_arm))) == warned


def test_patients_with_one_visit_do_not_fill_a_cell() -> None:
    """Five patients of the arm, of whom two came twice."""
    assert "have arm = yes" not in warnings(GROWTH, rows(two_visits=10))
    frame = rows()
    once = frame["patient"].isin(["p0", "p1", "p2"]) & (frame["months"] == 6.0)
    assert "have arm = yes" in warnings(GROWTH, frame[~once])


@pytest.mark.parametrize(("two_visits", "warned"), [(4, True), (5, False)])
def test_a_random_slope_needs_five_patients_with_two_visits(two_visits: int, warned: bool) -> None:
    """And a random intercept does not."""
    said = "the random slope rests on too few"
    assert (said in warnings("y ~ months + (months | patient)", rows(two_visits=two_visits))) == warned
    assert said not in warnings("y ~ months + (1 | patient)", rows(two_visits=two_visits))


@pytest.mark.parametrize(
    ("value", "warned"), [(999.0, True), (-99.0, True), (99.0, True), (60.0, False), (1000.0, False)]
)
def test_only_what_looks_like_a_code_and_lies_far_off_is_warned_of(value: float, warned: bool) -> None:
    """999 among values near 50 is; 60 is not, nor is 1000, which is no usual code."""
    frame = rows()
    frame.loc[3, "y"] = value
    assert ("stand far above all others" in warnings(GROWTH, frame)) == warned


def test_a_code_within_the_range_of_the_scores_is_no_warning() -> None:
    """99 on a scale that reaches 120 is a score."""
    frame = rows()
    frame["y"] = np.linspace(40.0, 120.0, len(frame))
    frame.loc[3, "y"] = 99.0
    assert "stand far above" not in warnings(GROWTH, frame)
