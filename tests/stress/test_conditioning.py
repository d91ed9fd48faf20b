"""Subgroups defined by the end state: a shared course makes a difference without any effect, no shared course none."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from bayes_alliance.cohorts.store import load_ensemble
from bayes_alliance.data.rows import StudyData
from bayes_alliance.stress.conditioning import (
    Conditioning,
    condition_on_outcome,
    end_outcome,
    required_strength,
)
from bayes_alliance.stress.prepare import Prepared, prepare_model
from bayes_alliance.stress.records import BELOW, NEITHER, StressSkipped, interval_verdict
from bayes_alliance.stress.shared_course import (
    Course,
    SharedDesign,
    expected_difference,
    simulate_differences,
)
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Study
from tests.small_study import small_study

ALLIANCE = Course(mean=(5.0, 0.02), sd=(1.1, 0.045), correlation=-0.4, sigma=0.75)
GAF = Course(mean=(49.0, 0.36), sd=(3.5, 0.28), correlation=0.2, sigma=4.5)


def design(n: int = 120, n_visits: int = 4) -> SharedDesign:
    times = np.linspace(3.0, 36.0, n_visits)
    return SharedDesign(
        times=np.tile(times, n),
        patient=np.repeat(np.arange(n), n_visits),
        end_time=np.full(n, 36.0),
        share=0.4,
    )


def simulate(strength: float, residual: float, count: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    return simulate_differences(
        ALLIANCE,
        GAF,
        design(),
        strength=strength,
        residual=residual,
        count=count,
        rng=np.random.default_rng(3),
    )


def test_no_shared_course_gives_no_difference() -> None:
    """Means are zero and one study in forty lies beyond 1.96 standard errors below."""
    difference, se = simulate(0.0, 0.0)
    assert abs(difference.mean()) < 4.0 * difference.std() / np.sqrt(len(difference))
    assert np.mean(difference / se < -1.96) == pytest.approx(0.025, abs=0.015)


def test_a_shared_course_gives_the_difference_of_the_closed_form() -> None:
    """At several strengths, within Monte-Carlo error; the difference grows with the strength."""
    found = []
    for strength in (0.3, 0.6, 0.9):
        difference, _ = simulate(strength, 0.0)
        expected = expected_difference(ALLIANCE, GAF, strength=strength, end_time=36.0, share=0.4)
        error = difference.std() / np.sqrt(len(difference))
        # Ranking 120 patients is a little less sharp than cutting a population at its quantile.
        assert difference.mean() == pytest.approx(expected, abs=4.0 * error + 0.01 * abs(expected))
        found.append(difference.mean())
    assert 0.0 > found[0] > found[1] > found[2]


def test_shared_residuals_alone_give_a_difference() -> None:
    """A good day at the end raises both the last score and the end value, without any shared course."""
    difference, _ = simulate(0.0, 0.6)
    assert difference.mean() < -4.0 * difference.std() / np.sqrt(len(difference))


def test_the_closed_form_with_everything_shared() -> None:
    """Slopes that are one and the same and no noise: the difference of halves of a Normal, -2 sqrt(2/pi) SD."""
    one = Course(mean=(0.0, 0.0), sd=(0.0, 2.0), correlation=0.0, sigma=0.0)
    assert expected_difference(one, one, strength=1.0, end_time=5.0, share=0.5) == pytest.approx(
        -2.0 * 2.0 * np.sqrt(2.0 / np.pi)
    )


def test_noise_of_the_end_value_dilutes() -> None:
    """The noisier the end value, the smaller the difference."""
    sizes = [
        abs(
            expected_difference(
                ALLIANCE, dataclasses.replace(GAF, sigma=s), strength=0.5, end_time=36.0, share=0.4
            )
        )
        for s in (1.0, 5.0, 20.0)
    ]
    assert sizes[0] > sizes[1] > sizes[2] > 0.0


@functools.cache
def built_in() -> tuple[Study, StudyData, Prepared]:
    study = load_study("folmo2020")
    data = next(load_ensemble(study, study.folder / study.data.ensemble)).data(study)
    prepared = prepare_model(
        study, data, study.model("tasks_outcome"), prior="neutral", seed=2020, draws=2000
    )
    assert isinstance(prepared, Prepared)
    return study, data, prepared


def test_the_built_in_study() -> None:
    """A moderate shared course gives all of the printed difference; with it taken off the verdict is open."""
    study, data, prepared = built_in()
    found = condition_on_outcome(
        study, data, prepared, strengths=(0.0, 0.3, 0.6, 0.9), residuals=(0.0,), count=300
    )
    assert not isinstance(found, StressSkipped)
    one: Conditioning = found[0]
    assert one.printed == pytest.approx(-1.08)
    assert (one.printed_low, one.printed_high) == (pytest.approx(-1.26), pytest.approx(-0.9))
    assert one.share == pytest.approx(64 / 155)
    assert 0.2 < one.required < 0.9
    verdicts = [interval_verdict(draws.points) for draws in one.draws]
    assert (verdicts[0], verdicts[-1]) != (BELOW, BELOW)
    assert verdicts[0] == BELOW
    assert NEITHER in verdicts
    assert abs(one.points[0].mean) < 4.0 * one.points[0].sd / np.sqrt(300)


def test_a_turned_estimand_turns_the_difference() -> None:
    """Good minus poor has the opposite sign."""
    study, data, prepared = built_in()
    estimand = dataclasses.replace(prepared.estimands[0], weights=(("months:poor_outcome", -1.0),))
    turned = dataclasses.replace(
        prepared, estimands=(estimand,), model=dataclasses.replace(prepared.model, estimands=(
            *[e for e in prepared.model.estimands if e.kind == "slope"], estimand,
        )),
    )  # fmt: skip
    how = {"strengths": (0.6,), "residuals": (0.0,), "count": 200}
    plain = condition_on_outcome(study, data, prepared, **how)
    other = condition_on_outcome(study, data, turned, **how)
    assert not isinstance(plain, StressSkipped)
    assert not isinstance(other, StressSkipped)
    assert other[0].points[0].mean == pytest.approx(-plain[0].points[0].mean)
    assert other[0].points[0].lower == pytest.approx(-plain[0].points[0].upper)


def test_subgroups_of_another_kind_are_not_conditioned_on() -> None:
    """A baseline diagnosis or an arm of a trial is no end state."""
    assert end_outcome(small_study()) is None
    assert end_outcome(load_study("medication")) is None
    assert end_outcome(load_study("folmo2020")) == ("gaf", 6.0)
    study, data, _ = built_in()
    other = prepare_model(study, data, study.model("tasks_ppd"), prior="neutral", seed=1, draws=400)
    assert isinstance(other, Prepared)
    assert isinstance(condition_on_outcome(study, data, other), StressSkipped)


def test_the_strength_needed_lies_between_points() -> None:
    """Straight lines between the strengths looked at; infinite where none reaches."""
    study, data, prepared = built_in()
    found = condition_on_outcome(study, data, prepared, strengths=(0.0, 0.5), residuals=(0.0,), count=50)
    assert not isinstance(found, StressSkipped)
    points = [dataclasses.replace(p, mean=m) for p, m in zip(found[0].points, (0.0, -1.0), strict=True)]
    assert required_strength(points, -0.5) == pytest.approx(0.25)
    assert required_strength(points, -2.0) == float("inf")
