"""Models compared over an ensemble: counts and errors by hand, and the shipped scores against a fresh computation."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from bayes_alliance.cohorts.comparisons import compare_over_cohorts, score_comparisons
from bayes_alliance.cohorts.store import StoredCohort
from bayes_alliance.cohorts.study_rows import shipped_cohorts
from bayes_alliance.run.results import ComparisonOverCohorts
from bayes_alliance.show.report.model_lead import winner_over_cohorts
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Study


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study("folmo2020")


def _cohort(elpd: list[float], aic: list[float], se: list[float]) -> StoredCohort:
    models = ["bsi_unconditional", "bsi_growth", "bsi_made_up"]
    facts = {"comparisons": {"bsi": {"models": models, "elpd": elpd, "aic": aic, "se": se}}}
    return StoredCohort(path=Path("made_up"), frame=pd.DataFrame(), facts=facts)


def _compare(study: Study, *cohorts: StoredCohort) -> ComparisonOverCohorts:
    (found,) = compare_over_cohorts(study, cohorts)
    return found


def test_counts_and_errors_are_those_of_a_hand_calculation(study: Study) -> None:
    """Differences -10 and -2 with SE 3 and 1: mean -6, variance (9 + 1)/2 + 1.5 x 32."""
    found = _compare(
        study,
        # Pairs in order: unconditional with growth, unconditional with the third, growth with the third.
        _cohort([-110.0, -100.0, -101.0], [230.0, 210.0, 209.0], [3.0, 9.0, 2.0]),
        _cohort([-102.0, -100.0, -130.0], [205.0, 206.0, 260.0], [1.0, 9.0, 2.0]),
    )
    named = {model.model_id: model for model in found.models}
    assert [model.model_id for model in found.models] == ["bsi_growth", "bsi_unconditional", "bsi_made_up"]
    assert found.n == 2
    assert (named["bsi_growth"].n_best, named["bsi_growth"].n_clear) == (2, 0)
    assert [named[name].n_lowest_aic for name in named] == [0, 1, 1]
    below = named["bsi_unconditional"]
    assert below.elpd_diff == pytest.approx(-6.0)
    assert below.between_sd == pytest.approx(32.0**0.5)
    assert below.se_diff == pytest.approx((5.0 + 1.5 * 32.0) ** 0.5)
    assert below.aic_diff == pytest.approx((21.0 + 0.0) / 2.0)


def test_a_lead_in_one_cohort_alone_is_no_winner(study: Study) -> None:
    """A lead of 40 in one of three cohorts is clear there, and not over all of them; one in all of them is."""
    even, lead = [-100.0, -100.5, -130.0], [-140.0, -100.0, -150.0]
    se, aic = [2.0, 2.0, 2.0], [1.0, 2.0, 3.0]
    once = _compare(study, _cohort(lead, aic, se), _cohort(even, aic, se), _cohort(even, aic, se))
    assert once.models[0].n_clear == 1
    assert winner_over_cohorts(once) is None
    always = _compare(study, *(_cohort(lead, aic, se) for _ in range(3)))
    assert winner_over_cohorts(always) == "bsi_growth"


def test_a_comparison_that_a_cohort_lacks_is_left_out(study: Study) -> None:
    """Cohorts stored before comparisons were, or with other models, are not counted as if they had them."""
    whole = _cohort([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 1.0, 1.0])
    without = StoredCohort(path=Path("old"), frame=pd.DataFrame(), facts={})
    assert compare_over_cohorts(study, [whole, without]) == ()


def test_shipped_scores_are_those_of_the_shipped_rows(study: Study) -> None:
    """Every shipped cohort has every comparison; one of the first cohort is computed again."""
    cohorts = list(shipped_cohorts(study))
    first = next(iter(cohorts))
    found = compare_over_cohorts(study, cohorts)
    several = {m.comparison for m in study.models if m.comparison} - {
        f"{outcome}_{end}" for outcome in ("goals", "bonds", "tasks") for end in ("good", "poor")
    }
    assert {item.name for item in found} == several
    assert {item.n for item in found} == {len(cohorts)}
    few = dataclasses.replace(study, models=tuple(m for m in study.models if m.comparison == "bsi"))
    fresh = score_comparisons(few, first.data(study), own_seed=first.facts["seed"])["bsi"]
    stored = first.facts["comparisons"]["bsi"]
    assert fresh["models"] == stored["models"]
    for name in ("elpd", "aic", "se"):
        assert fresh[name] == pytest.approx(stored[name], abs=2e-3)
