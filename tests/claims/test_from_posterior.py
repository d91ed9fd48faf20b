"""From rows and printed cells to verdicts: the right one where the truth is known, and traceable to its draws."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bayes_alliance.assess.verdict_words import Verdict
from bayes_alliance.claims.choices import Multiverse
from bayes_alliance.claims.choices_file import load_choices
from bayes_alliance.claims.from_posterior import (
    Evaluator,
    Planned,
    effect_draws,
    fit_planned,
    model_quantity,
)
from bayes_alliance.claims.from_printed import PrintedEvaluator
from bayes_alliance.claims.ledger import Ledger
from bayes_alliance.claims.ledger_file import load_claims
from bayes_alliance.claims.patient_claims import CannotTell
from bayes_alliance.claims.prior_suite import prior_suite
from bayes_alliance.claims.recode import recode
from bayes_alliance.claims.tasks import Specification, flatten, restore
from bayes_alliance.cohorts.store import load_ensemble
from bayes_alliance.errors import InputError
from bayes_alliance.published.cell_posterior import cell_posteriors
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Source, Study
from tests.claims_study import load_toy, toy_data, toy_frame, write_toy

Toy = tuple[Study, Multiverse, Ledger]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return load_toy(write_toy(tmp_path_factory.mktemp("studies") / "toy"))


@pytest.fixture(scope="module")
def folmo() -> Study:
    return load_study("folmo2020")


@pytest.fixture(scope="module")
def folmo_ledger(folmo: Study) -> Ledger:
    return load_claims(folmo, load_choices(folmo))


def evaluate(toy: Toy, seed: int = 1, **frame: float) -> Evaluator:
    study, choices, _ = toy
    data = toy_data(study, toy_frame(**frame))  # type: ignore[arg-type]
    return Evaluator(study, data, choices, seed=seed, variant=prior_suite(study)[0], draws=2000)


def test_claims_that_are_true_of_the_rows_are_supported(toy: Toy) -> None:
    """Slopes of poor outcome differ by -1.5 points over 36 months and starts by nothing; sexes are alike."""
    found = {result.claim_id: result.verdict for result in evaluate(toy).judge_ledger(toy[2])}
    assert found["differs"] is Verdict.SUPPORTED
    assert found["explains"] is Verdict.SUPPORTED
    assert found["women"] is not Verdict.SUPPORTED
    assert found["opinion"] is Verdict.NOT_APPLICABLE


def test_claims_that_are_false_of_the_rows_are_not_supported(toy: Toy) -> None:
    """With the difference the other way round the claim is contradicted; without any it is not supported."""
    claim = toy[2].claim("differs")
    assert evaluate(toy, difference=1.5).judge_claim(claim).verdict is Verdict.CONTRADICTED
    assert evaluate(toy, difference=0.0).judge_claim(claim).verdict in (
        Verdict.UNDECIDED,
        Verdict.TOO_SMALL,
    )


def test_a_verdict_is_traceable_to_its_draws(toy: Toy) -> None:
    """Model, rows, prior, covariance and seed of the trace give the very draws that were judged."""
    study, _, ledger = toy
    evaluator = evaluate(toy)
    claim = ledger.claim("differs")
    drawn, trace = evaluator.draw(claim, claim.parts[0])
    model = study.model(trace.models[0])
    planned = plan_model(evaluator.data, model, parse_formula(model.formula).names)
    assert isinstance(planned, PlannedModel)
    assert planned.rows.digest == trace.digests[0]
    again = fit_planned(study, Planned.of(planned), seed=1, variant=evaluator.variant, draws=trace.n_draws)
    assert not isinstance(again, str)
    assert again.fit.seed == trace.seeds[0]
    assert np.array_equal(model_quantity(study, claim.parts[0], [again]), drawn)
    result = evaluator.judge_part(claim, claim.parts[0])
    assert result.judgement is not None
    assert result.judgement.probabilities.direction == pytest.approx(np.mean(drawn < 0.0))
    assert result.judgement.probabilities.matters == pytest.approx(np.mean(drawn < -0.5))


def test_slopes_are_judged_over_the_horizon(toy: Toy) -> None:
    """The quantity is the coefficient times 36 months, a level is not."""
    evaluator = evaluate(toy)
    differs, start = (toy[2].claim(name) for name in ("differs", "same_start"))
    fit = evaluator.fit("outcome").fit
    assert np.allclose(
        evaluator.draw(differs, differs.parts[0])[0], 36.0 * fit.combine([("months:poor", 1.0)]).ravel()
    )
    assert np.allclose(evaluator.draw(start, start.parts[0])[0], fit.combine([("poor", 1.0)]).ravel())


def test_a_level_at_a_later_time_is_in_points_of_that_time(toy: Toy) -> None:
    """Poor minus good after 36 months is level plus 36 months of slope: -1.5 points, not 36 times as much."""
    evaluator = evaluate(toy)
    fit = evaluator.fit("outcome").fit
    level = effect_draws(toy[0], (("poor", 1.0),), fit)
    change = effect_draws(toy[0], (("months:poor", 1.0),), fit)
    later = effect_draws(toy[0], (("poor", 1.0), ("months:poor", 36.0)), fit)
    assert np.allclose(later, level + change)
    assert -2.5 < later.mean() < -0.5


def test_results_come_back_from_their_columns(toy: Toy) -> None:
    """What workers send is what was judged, untestable parts included."""
    evaluator = evaluate(toy)
    parts = [part for result in evaluator.judge_ledger(toy[2]) for part in result.parts]
    lacking = dataclasses.replace(parts[0], judgement=None, trace=None, reason="no rows")
    back = restore(flatten([*parts, lacking], Specification(variant=evaluator.variant)))
    assert [repr(part) for part in back[:-1]] == [repr(part) for part in parts]  # NaN is unlike itself
    assert back[-1].verdict is Verdict.NOT_APPLICABLE and back[-1].reason == "no rows"


def test_data_without_a_variable_leave_its_claims_untestable(toy: Toy) -> None:
    """With the reason; the others are judged."""
    study, choices, ledger = toy
    data = toy_data(study, toy_frame().drop(columns=["female", "end"]))
    evaluator = Evaluator(study, data, choices, seed=1, variant=prior_suite(study)[0], draws=1000)
    found = {result.claim_id: result for result in evaluator.judge_ledger(ledger)}
    assert found["women"].verdict is Verdict.NOT_APPLICABLE and "female" in found["women"].reason
    assert found["differs"].verdict is Verdict.NOT_APPLICABLE and "poor" in found["differs"].reason
    assert found["grows"].verdict is not Verdict.NOT_APPLICABLE


# ---------------------------------------------------------------------------------------------------------
# Printed numbers
# ---------------------------------------------------------------------------------------------------------


def test_draws_of_a_printed_cell_have_its_posterior(folmo: Study, folmo_ledger: Ledger) -> None:
    """Median, interval and P(matters) of the slope deviation of Tasks are those of the quadrature, over 36 months."""
    claim = folmo_ledger.claim("change_differs")
    result = PrintedEvaluator(folmo, seed=5, prior="neutral").judge_part(claim, claim.parts[2])
    (exact,) = (
        one
        for one in cell_posteriors(folmo, ["neutral"])
        if (one.effect.model.id, one.effect.role) == ("tasks_outcome", "slope_deviation")
    )
    assert result.source is Source.PRINTED
    assert result.judgement is not None and result.trace is not None
    assert result.trace.digests == ("-0.03 (0.01)***",)
    assert result.median == pytest.approx(36.0 * exact.median.value, abs=0.02)
    assert result.lower == pytest.approx(36.0 * exact.lower.value, abs=0.03)
    assert result.judgement.probabilities.matters == pytest.approx(exact.p_beyond.value, abs=0.01)


def test_an_estimand_for_ten_years_is_ten_times_the_cell(folmo: Study, folmo_ledger: Ledger) -> None:
    """-0.01(0.004) a month and year of age is about -3.6 points of GAF over 36 months for ten years."""
    claim = folmo_ledger.claim("age_gaf")
    result = PrintedEvaluator(folmo, seed=5, prior="neutral").judge_part(claim, claim.parts[0])
    assert -4.6 < result.median < -2.6


def test_what_is_not_printed_cannot_be_judged(folmo: Study, folmo_ledger: Ledger) -> None:
    """Percentages of explained variation have no error, and most subscales no cell: the reason says so."""
    printed = PrintedEvaluator(folmo, seed=5, prior="neutral")
    explained = printed.judge_claim(folmo_ledger.claim("outcome_explains"))
    assert explained.verdict is Verdict.NOT_APPLICABLE and "standard error" in explained.reason
    level = printed.judge_claim(folmo_ledger.claim("mood_level"))
    assert [part.judgement is not None for part in level.parts] == [False, False, True]
    assert level.n_tested == 1


def test_the_direct_contrast_is_open_where_its_parts_are_starred_and_ns(
    folmo: Study, folmo_ledger: Ledger
) -> None:
    """Significant in one subgroup and not in the other does not make the difference sure."""
    printed = PrintedEvaluator(folmo, seed=5, prior="neutral")
    tasks = printed.judge_claim(folmo_ledger.claim("paranoid_moderation")).parts[2]
    assert tasks.verdict in (Verdict.LIKELY, Verdict.UNDECIDED)
    assert tasks.lower < 0.0 < tasks.upper


def test_shares_have_their_beta_posterior(folmo: Study, folmo_ledger: Ledger) -> None:
    """91 % of 84 against 58 % of 64: the difference of two Beta variables, worked out by simulation elsewhere."""
    claim = folmo_ledger.claim("completed")
    result = PrintedEvaluator(folmo, seed=5, prior="neutral").judge_part(claim, claim.parts[0])
    rng = np.random.default_rng(0)
    other = 100.0 * (rng.beta(37.5, 27.5, 10**6) - rng.beta(76.5, 8.5, 10**6))
    assert result.median == pytest.approx(float(np.median(other)), abs=0.3)
    assert result.verdict is Verdict.SUPPORTED


# ---------------------------------------------------------------------------------------------------------
# Recoding
# ---------------------------------------------------------------------------------------------------------


def test_recoding_moves_a_limit_and_everything_that_rests_on_it(toy: Toy) -> None:
    """Below 55 instead of below 60; the rows and the digest of the study's own coding stay as they were."""
    study, choices, _ = toy
    data = toy_data(study)
    moved = recode(study, data, [choices.option("below_55")])
    assert (moved.rows["poor"] == (moved.rows["end"] < 55)).all()
    assert (data.rows["poor"] == (data.rows["end"] < 60)).all()
    assert moved.digest != data.digest
    other = recode(study, data, [choices.option("other")])
    assert (other.rows["poor"] == other.rows["other_poor"]).all()


def test_recoding_without_a_change_is_the_same_data(toy: Toy) -> None:
    """Not a copy."""
    study, choices, _ = toy
    data = toy_data(study)
    assert recode(study, data, [choices.option("own"), choices.option("below_60")]) is data


def test_the_final_assessment_moves_halfway_and_no_other(toy: Toy) -> None:
    """From 36 to 30 months after one at 24; patients without one at 36, or with none before it, stay as they are."""
    study, choices, _ = toy
    frame = toy_frame()
    frame = frame[~((frame["patient"] == "p001") & (frame["months"] == 36.0))]
    frame = frame[~((frame["patient"] == "p002") & (frame["months"] < 36.0))]
    moved = recode(study, toy_data(study, frame), [choices.option("midway")])
    times = moved.rows.groupby("patient")["months"].apply(list)
    assert times["p000"] == [0.0, 6.0, 12.0, 24.0, 30.0]
    assert times["p001"] == [0.0, 6.0, 12.0, 24.0]
    assert times["p002"] == [36.0]


def test_keeping_rows_leaves_end_scores_alone(folmo: Study, tmp_path: Path) -> None:
    """On a cohort that ships: WAI-SR rows only, and every patient's outcome as before."""
    from bayes_alliance.cohorts.store import list_cohorts, read_cohort

    choices = load_choices(folmo)
    data = read_cohort(list_cohorts(folmo.folder / "cohorts")[0]).data(folmo)
    kept = recode(folmo, data, [choices.option("wai_sr")])
    assert set(kept.rows["wai_version"].dropna().unique()) == {"WAI-SR"}
    before = data.rows.groupby("patient")["poor_outcome"].first()
    after = kept.rows.groupby("patient")["poor_outcome"].first()
    assert after.equals(before.loc[after.index])


def test_a_choice_that_leaves_no_row_is_refused(toy: Toy) -> None:
    """With the choice in the message."""
    study, choices, _ = toy
    option = dataclasses.replace(
        choices.option("own"), id="none", label="nobody", at_least=(("n_scores", 99.0),)
    )
    with pytest.raises(InputError, match="nobody"):
        recode(study, toy_data(study), [option])


def test_a_category_without_rows_is_said(folmo: Study) -> None:
    """A recoding that leaves nobody in a cell of the crossed model makes its claims not applicable, with the reason."""
    data = next(load_ensemble(folmo, folmo.folder / folmo.data.ensemble)).data(folmo)
    nobody = data.rows["outcome_ppd"] == "good_ppd"
    kept = dataclasses.replace(data, rows=data.rows.loc[~nobody].reset_index(drop=True))
    for variant in prior_suite(folmo):
        evaluator = Evaluator(folmo, kept, load_choices(folmo), seed=1, variant=variant, draws=200)
        fitted = evaluator.fit("tasks_outcome_ppd")
        assert "months:outcome_ppd[poor_ppd]" in fitted.fit.x_names
    with pytest.raises(CannotTell, match=r"no row has what 'months:outcome_ppd\[good_ppd\]' stands for"):
        effect_draws(folmo, (("months:outcome_ppd[good_ppd]", 1.0),), fitted.fit)
