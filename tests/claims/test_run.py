"""Every stress test of a verdict, once where it must change it and once where it must not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bayes_alliance.assess.verdict_words import Verdict
from bayes_alliance.claims.change import FAMILIES, Challenge, find_changes, from_draws
from bayes_alliance.claims.choices import Multiverse
from bayes_alliance.claims.from_posterior import Evaluator, model_quantity
from bayes_alliance.claims.leave_out import _most_telling, _refit, _view, fewest_to_change, leave_one_out
from bayes_alliance.claims.leave_out_tasks import open_parts
from bayes_alliance.claims.ledger import Ledger
from bayes_alliance.claims.ml_beside_bayes import compare_approaches, overlap
from bayes_alliance.claims.multiverse import plan_tasks, run_multiverse, touches
from bayes_alliance.claims.multiverse_results import MultiverseCell as MultiverseCell
from bayes_alliance.claims.multiverse_results import judge_specifications
from bayes_alliance.claims.power_scaling import (
    THRESHOLD,
    coefficient_log_prior,
    log_likelihood,
    log_prior,
    power_sensitivity,
)
from bayes_alliance.claims.prior_suite import PriorVariant, automatic_priors, prior_suite, variant_priors
from bayes_alliance.claims.results import PartResult
from bayes_alliance.inference.leave_out import without_patient
from bayes_alliance.inference.psis import smooth_tail
from bayes_alliance.study.records import Cell, Study
from tests.claims_study import load_toy, toy_data, toy_frame, write_toy

Toy = tuple[Study, Multiverse, Ledger]
NEUTRAL = PriorVariant(id="neutral", label="Neutral", base="neutral")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return load_toy(write_toy(tmp_path_factory.mktemp("studies") / "toy"))


def evaluator(toy: Toy, variant: PriorVariant = NEUTRAL, draws: int = 2000, **frame: float) -> Evaluator:
    study, choices, _ = toy
    data = toy_data(study, toy_frame(**frame))  # type: ignore[arg-type]
    return Evaluator(study, data, choices, seed=1, variant=variant, draws=draws)


def verdict(toy: Toy, claim_id: str, variant: PriorVariant = NEUTRAL, **frame: float) -> Verdict:
    return evaluator(toy, variant, **frame).judge_claim(toy[2].claim(claim_id)).verdict


# ---------------------------------------------------------------------------------------------------------
# Prior suite
# ---------------------------------------------------------------------------------------------------------


def test_a_firm_sceptic_overturns_a_difference_and_leaves_growth_alone(toy: Toy) -> None:
    """The set believes that no difference is beyond 0.04 points, and has no belief about growth."""
    sceptical = dict((v.id, v) for v in prior_suite(toy[0]))["sceptical"]
    assert verdict(toy, "differs") is Verdict.SUPPORTED
    assert verdict(toy, "differs", sceptical) is not Verdict.SUPPORTED
    assert verdict(toy, "grows", sceptical) is verdict(toy, "grows")


def test_no_sensible_prior_overturns_a_difference_of_many_se(toy: Toy) -> None:
    """Automatic, wide and narrow SDs, both LKJ priors: the large difference stays supported."""
    for variant in prior_suite(toy[0]):
        if variant.id not in ("neutral", "sceptical"):
            assert verdict(toy, "differs", variant) is Verdict.SUPPORTED, variant.id


def test_the_suite_changes_what_it_names(toy: Toy) -> None:
    """SD scales by the factor, eta as stated, coefficients as in the base set."""
    design = evaluator(toy).fit("outcome").planned.design
    suite = {variant.id: variant_priors(toy[0], design, variant) for variant in prior_suite(toy[0])}
    base = suite["neutral"]
    assert np.allclose(suite["wide_sd"].sd_scale, 3.0 * base.sd_scale)
    assert np.allclose(suite["narrow_sd"].sd_scale, base.sd_scale / 3.0)
    assert (suite["lkj_flat"].lkj_eta, suite["lkj_tight"].lkj_eta) == (1.0, 10.0)
    for name in ("wide_sd", "narrow_sd", "lkj_flat", "lkj_tight"):
        assert np.array_equal(suite[name].mean, base.mean) and np.array_equal(suite[name].sd, base.sd)


def test_automatic_priors_are_bambis(toy: Toy) -> None:
    """Means and SDs of all coefficients and scales of the random effects are those that Bambi itself sets."""
    import bambi

    planned = evaluator(toy).fit("outcome").planned
    model = bambi.Model("score ~ months + poor + months:poor + (months | patient)", planned.frozen.rows)
    model.build()
    priors = automatic_priors(planned.design)
    terms = model.parameters["mu"]
    for i, name in enumerate(planned.design.x_names):
        term = terms.intercept_term if name == "Intercept" else terms.common_terms[name]
        assert priors.mean[i] == pytest.approx(float(np.squeeze(term.prior.args["mu"])))
        assert priors.sd[i] == pytest.approx(float(np.squeeze(term.prior.args["sigma"])))
    for i, name in enumerate(("1|patient", "months|patient")):
        scale = terms.group_specific_terms[name].prior.args["sigma"].args["sigma"]
        assert priors.sd_scale[i] == pytest.approx(float(np.squeeze(scale)))
    assert priors.sigma_scale == pytest.approx(float(model.parameters["sigma"].prior.args["sigma"]))


# ---------------------------------------------------------------------------------------------------------
# Power-scaling
# ---------------------------------------------------------------------------------------------------------


def conjugate(
    prior_mean: float,
    prior_sd: float,
    data_mean: float,
    data_sd: float,
    alpha: float = 1.0,
    beta: float = 1.0,
) -> tuple[float, float]:
    """Mean and SD of a Normal mean under prior to the power alpha and likelihood to the power beta."""
    precision = alpha / prior_sd**2 + beta / data_sd**2
    return (alpha * prior_mean / prior_sd**2 + beta * data_mean / data_sd**2) / precision, precision**-0.5


def exact_sensitivity(of_alpha: object, low: float = 0.99, high: float = 1.01) -> float:
    """ArviZ's definition with exact distribution functions: mean slope of the cumulative Jensen-Shannon distance."""
    mean, sd = of_alpha(1.0)  # type: ignore[operator]
    grid = np.linspace(mean - 9.0 * sd, mean + 9.0 * sd, 40_001)

    def distance(alpha: float, sign: float) -> float:
        other = of_alpha(alpha)  # type: ignore[operator]
        p, q = (np.clip(stats.norm.cdf(sign * (grid - m) / s), 1e-300, 1.0) for m, s in ((mean, sd), other))
        middle = np.log2(0.5 * (p + q))
        step = grid[1] - grid[0]
        tail = 0.5 / np.log(2.0) * step * np.sum(q - p)
        one = step * np.sum(p * (np.log2(p) - middle)) + tail
        two = step * np.sum(q * (np.log2(q) - middle)) - tail
        return float(np.sqrt(max(one, 0.0) + max(two, 0.0)) / np.sqrt(step * np.sum(p + q)))

    # The bound of the integral depends on the range of the draws: that of 40,000 Normal ones is about 4 SDs.
    reach = 4.2
    grid = grid[np.abs(grid - mean) <= reach * sd]
    lower = max(distance(low, 1.0), distance(low, -1.0))
    upper = max(distance(high, 1.0), distance(high, -1.0))
    return (-lower / np.log2(low) + upper / np.log2(high)) / 2.0


@pytest.mark.parametrize(
    ("prior_mean", "prior_sd", "conflict"), [(0.0, 5.0, False), (0.0, 1.0, False), (-4.0, 1.0, True)]
)
def test_power_scaling_agrees_with_the_conjugate_normal(
    prior_mean: float, prior_sd: float, conflict: bool
) -> None:
    """Size within a tenth and diagnosis as in closed form: weak prior, matching prior, prior in conflict."""
    data_mean, data_sd, n = 0.3, 0.5, 40
    mean, sd = conjugate(prior_mean, prior_sd, data_mean, data_sd)
    draws = np.random.default_rng(4).normal(mean, sd, (4, 10_000))
    unit_sd = data_sd * np.sqrt(n)
    units = data_mean + unit_sd * np.linspace(-1.0, 1.0, n)  # their mean is data_mean
    likelihood = stats.norm.logpdf(units, draws[..., None], unit_sd)
    prior = stats.norm.logpdf(draws, prior_mean, prior_sd)
    found = power_sensitivity({"mean": draws}, prior, likelihood)["mean"]
    by_prior = exact_sensitivity(lambda a: conjugate(prior_mean, prior_sd, data_mean, data_sd, alpha=a))
    by_data = exact_sensitivity(lambda a: conjugate(prior_mean, prior_sd, data_mean, data_sd, beta=a))
    assert found.prior == pytest.approx(by_prior, rel=0.1, abs=0.002)
    assert found.likelihood == pytest.approx(by_data, rel=0.1, abs=0.002)
    assert bool(found.diagnosis) == conflict == (found.prior > THRESHOLD)


def scaled_weights(log_component: np.ndarray, alpha: float) -> np.ndarray:
    """Weights that turn draws into those under a component raised to a power, summing to one."""
    smoothed, _ = smooth_tail((alpha - 1.0) * log_component.ravel())
    weights = np.exp(smoothed - smoothed.max())
    return weights / weights.sum()


def test_scaling_a_prior_moves_the_mean_as_the_closed_form_says() -> None:
    """Doubling or halving the prior's power, in direction and size."""
    mean, sd = conjugate(-2.0, 1.0, 0.3, 0.5)
    draws = np.random.default_rng(4).normal(mean, sd, 40_000)
    for alpha in (0.5, 2.0):
        weights = scaled_weights(stats.norm.logpdf(draws, -2.0, 1.0), alpha)
        assert weights @ draws == pytest.approx(conjugate(-2.0, 1.0, 0.3, 0.5, alpha=alpha)[0], abs=0.02)


def test_scaling_the_prior_of_the_effects_is_refitting_with_its_sd_over_the_root(toy: Toy) -> None:
    """On collapsed draws: a Normal prior to the power 2 is a Normal with SD over root 2."""
    study = toy[0]
    sceptical = evaluator(toy, dict((v.id, v) for v in prior_suite(study))["sceptical"], draws=8000)
    fitted = sceptical.fit("outcome")
    priors = variant_priors(study, fitted.planned.design, sceptical.variant)
    effect = fitted.fit.combine([("months:poor", 1.0)]).ravel()
    weights = scaled_weights(coefficient_log_prior(fitted.fit.beta, priors), 2.0)
    from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed

    narrow = dataclasses.replace(priors, sd=priors.sd / np.sqrt(2.0))
    again = fit_collapsed(
        fitted.planned.design, fitted.planned.rows, narrow, seed=9, settings=CollapsedSettings(draws=8000)
    )
    other = again.combine([("months:poor", 1.0)]).ravel()
    assert abs(weights @ effect - other.mean()) < 5.0 * other.std() / np.sqrt(8000 / 3)
    assert abs(other.mean() - effect.mean()) > 5.0 * other.std() / np.sqrt(8000)


def test_power_scaling_finds_the_conflict_of_a_firm_sceptic_and_none_under_the_default(toy: Toy) -> None:
    """On the toy's large difference."""
    study = toy[0]
    found = {}
    for variant in prior_suite(study)[:2]:
        own = evaluator(toy, variant)
        fitted = own.fit("outcome")
        priors = variant_priors(study, fitted.planned.design, variant)
        draws = {"effect": fitted.fit.combine([("months:poor", 1.0)])}
        found[variant.id] = power_sensitivity(draws, log_prior(fitted, priors), log_likelihood(fitted))[
            "effect"
        ]
    assert found["neutral"].prior < THRESHOLD < found["sceptical"].prior
    assert not found["neutral"].diagnosis
    assert "different directions" in found["sceptical"].diagnosis


# ---------------------------------------------------------------------------------------------------------
# Patients left out
# ---------------------------------------------------------------------------------------------------------


def test_a_verdict_that_hangs_on_two_patients_falls_without_them(toy: Toy) -> None:
    """And the set found is no larger than the outliers that made it, confirmed by a refit of our own."""
    study = toy[0]
    own = evaluator(toy, difference=-0.45, outliers=2)
    part = toy[2].claim("differs").parts[0]
    fitted = own.fit("outcome")
    whole = own.judge_claim(toy[2].claim("differs")).verdict
    assert whole in (Verdict.SUPPORTED, Verdict.LIKELY)
    found = fewest_to_change(study, part, fitted, seed=3, variant=NEUTRAL)
    assert 1 <= found.n_removed <= 4
    assert found.becomes is not whole


def test_a_verdict_that_rests_on_everybody_stays(toy: Toy) -> None:
    """A difference of many SEs needs more than a handful of patients taken away, and no single one matters."""
    study = toy[0]
    own = evaluator(toy)
    part = toy[2].claim("differs").parts[0]
    fitted = own.fit("outcome")
    found = fewest_to_change(study, part, fitted, seed=3, variant=NEUTRAL, most=4)
    assert (found.n_removed, found.n_tried) == (0, 4)
    influence = leave_one_out(study, part, fitted, seed=3, variant=NEUTRAL)
    assert influence.n_changing == 0
    assert influence.lowest > 0.99


def test_leaving_one_patient_out_by_weights_is_a_refit_without(toy: Toy) -> None:
    """For the most influential patient of a small sample, within Monte-Carlo error."""
    study = toy[0]
    own = evaluator(toy, draws=4000, n_patients=20, difference=-0.4)
    part = toy[2].claim("differs").parts[0]
    fitted = own.fit("outcome")
    influence = leave_one_out(study, part, fitted, seed=3, variant=NEUTRAL)
    exact = []
    for patient in range(20):
        rest = _refit(study, fitted, without_patient(fitted.stats, patient), patient, NEUTRAL, 4000)
        assert rest is not None
        exact.append(float(np.mean(model_quantity(study, part, [rest]) < 0.0)))
    assert influence.lowest == pytest.approx(min(exact), abs=0.03)
    assert influence.highest == pytest.approx(max(exact), abs=0.03)


@pytest.mark.parametrize("worse", [True, False])
def test_the_patient_taken_away_first_is_the_one_that_refits_name(toy: Toy, worse: bool) -> None:
    """Of 20 refits without one patient, the one that weakens (or strengthens) the claim most, within noise."""
    study, part = toy[0], toy[2].claim("differs").parts[0]
    fitted = evaluator(toy, draws=4000, n_patients=20, difference=-0.4).fit("outcome")
    exact = []
    for patient in range(20):
        rest = _refit(study, fitted, without_patient(fitted.stats, patient), patient, NEUTRAL, 4000)
        assert rest is not None
        drawn = model_quantity(study, part, [rest])
        exact.append(-float(drawn.mean() / drawn.std()))
    view = _view(study, part, fitted, fitted.stats)
    chosen = _most_telling(part, view, np.ones(20, dtype=bool), worse)
    best = min(exact) if worse else max(exact)
    assert exact[chosen] == pytest.approx(best, abs=0.1)
    assert max(exact) - min(exact) > 0.3


def test_open_parts_are_those_that_change_the_whole(toy: Toy) -> None:
    """Any part brings a supported claim of all down; only the last bad one lifts a claim that is not supported."""
    result = evaluator(toy).judge_claim(toy[2].claim("differs"))
    supported, contradicted = (
        result.parts[0],
        dataclasses.replace(
            result.parts[0],
            part_id="other",
            judgement=dataclasses.replace(result.parts[0].judgement, verdict=Verdict.CONTRADICTED),
        ),
    )
    good = dataclasses.replace(result, parts=(supported, dataclasses.replace(supported, part_id="second")))
    assert open_parts(good, "all") == ["score", "second"]
    assert open_parts(good, "any") == []
    bad = dataclasses.replace(result, verdict=Verdict.CONTRADICTED, parts=(supported, contradicted))
    assert open_parts(bad, "all") == ["other"]


# ---------------------------------------------------------------------------------------------------------
# Multiverse
# ---------------------------------------------------------------------------------------------------------


def test_the_grid_is_full_and_no_choice_multiplies_what_it_does_not_touch(toy: Toy) -> None:
    """2 priors x 2 covariances x 2 placements for growth, times 3 outcomes for the model by outcome."""
    study, choices, ledger = toy
    assert touches(study, choices.axes[1], "outcome") and not touches(study, choices.axes[1], "growth")
    assert touches(study, choices.axes[0], "growth")
    tasks = plan_tasks(study, {"rows": toy_data(study)}, choices, ledger, seed=1)
    assert len(tasks) == 6
    assert sum(task.size for task in tasks) == 32


def test_the_multiverse_shows_the_choice_that_overturns_a_claim(toy: Toy) -> None:
    """Outcome by an end score unrelated to the slopes undoes the difference, everywhere; nothing undoes growth."""
    study, choices, ledger = toy
    result = run_multiverse(study, {"rows": toy_data(study)}, choices, ledger, seed=1, draws=400)
    assert result.n_fits == 32
    split = {(s.claim_id, s.axis, s.option): s for s in result.shares}
    assert split["differs", "poor", "other"].share(Verdict.SUPPORTED) == 0.0
    assert split["differs", "", ""].n_tested == 24
    own = [v for v in result.verdicts if v.claim_id == "differs" and not v.departures]
    assert [v.verdict for v in own] == [Verdict.SUPPORTED]
    grows = {v.verdict for v in result.verdicts if v.claim_id == "grows"}
    assert split["grows", "", ""].n_tested == 8
    assert verdict(toy, "grows") in grows <= {Verdict.LIKELY, Verdict.TOO_SMALL}
    assert ("women", "", "") not in split  # about no model


def test_a_run_that_was_stopped_gives_the_same_table_after_resuming(toy: Toy, tmp_path: Path) -> None:
    """What was stored is reused, and all is equal to a run without a store; another seed reuses nothing."""
    study, choices, ledger = toy
    rows = {"rows": toy_data(study)}
    straight = run_multiverse(study, rows, choices, ledger, seed=1, draws=400)

    class Stop(Exception):
        pass

    def stop(line: str) -> None:
        if len(list(tmp_path.glob("*.parquet"))) >= 2:
            raise Stop

    import bayes_alliance.runtime.resumable_tasks as parallel

    before = parallel._REPORT_SECONDS
    parallel._REPORT_SECONDS = 0.0
    try:
        with pytest.raises(Stop):
            run_multiverse(study, rows, choices, ledger, seed=1, draws=400, store=tmp_path, report=stop)
    finally:
        parallel._REPORT_SECONDS = before
    assert 2 <= len(list(tmp_path.glob("*.parquet"))) < 6
    resumed = run_multiverse(study, rows, choices, ledger, seed=1, draws=400, store=tmp_path)
    assert resumed.n_reused >= 2
    assert resumed.verdicts == straight.verdicts
    assert [repr(cell) for cell in resumed.cells] == [repr(cell) for cell in straight.cells]
    other = run_multiverse(study, rows, choices, ledger, seed=2, draws=400, store=tmp_path)
    assert other.n_reused == 0


def test_a_claim_that_needs_all_parts_is_not_tested_where_one_could_not_be(toy: Toy) -> None:
    """Under the same specification; a part that a choice does not touch enters from the study's own way."""
    ledger = toy[2]
    base = evaluator(toy).judge_claim(ledger.claim("differs")).parts[0]
    claim = ledger.claim("differs")
    parts = (claim.parts[0], dataclasses.replace(claim.parts[0], id="second"))
    both = dataclasses.replace(ledger, claims=(dataclasses.replace(claim, parts=parts),))
    own, moved = (("poor", "below_60"),), (("poor", "other"),)
    bad = dataclasses.replace(base, part_id="second", judgement=None, reason="no rows")

    def cell(choices: tuple[tuple[str, str], ...], result: PartResult) -> MultiverseCell:
        departures = ("poor",) if choices == moved else ()
        return MultiverseCell(rows="rows", choices=choices, departures=departures, result=result)

    failing = judge_specifications(
        both, [cell(own, base), cell(own, bad), cell(moved, base), cell(moved, bad)]
    )
    assert [v.verdict for v in failing] == [Verdict.NOT_APPLICABLE] * 2
    assert failing[0].reason == "no rows"
    second = dataclasses.replace(base, part_id="second")
    untouched = judge_specifications(both, [cell(own, base), cell(own, second), cell(moved, base)])
    assert [v.verdict for v in untouched] == [Verdict.SUPPORTED] * 2


def test_what_cannot_be_fitted_stays_in_the_table(toy: Toy) -> None:
    """A coding that leaves too few patients is untestable, with its reason, and not counted among the tested."""
    study, choices, ledger = toy
    lonely = dataclasses.replace(choices.option("midway"), final="", keep=(("patient", "p001"),))
    axes = (
        dataclasses.replace(choices.axes[0], options=(choices.axes[0].options[0], lonely)),
        choices.axes[1],
    )
    result = run_multiverse(
        study, {"rows": toy_data(study)}, dataclasses.replace(choices, axes=axes), ledger, seed=1, draws=400
    )
    share = {(s.claim_id, s.axis): s for s in result.shares if s.option in ("", "midway")}
    assert share["grows", "final"].counts == {Verdict.NOT_APPLICABLE: 4}
    assert share["grows", ""].n_tested == 4
    reasons = {v.reason for v in result.verdicts if v.verdict is Verdict.NOT_APPLICABLE}
    assert any("patients carry it" in reason for reason in reasons)


# ---------------------------------------------------------------------------------------------------------
# What would change a verdict, and approaches
# ---------------------------------------------------------------------------------------------------------


def test_the_first_change_is_the_mildest(toy: Toy) -> None:
    """By family, whatever the order in which challenges come; what changes nothing or is untestable does not count."""
    ledger = toy[2]
    base = evaluator(toy).judge_ledger(ledger)

    def challenge(family: str, found: Verdict, name: str = "x") -> Challenge:
        return Challenge(claim_id="differs", family=family, name=name, says=name, verdict=found)  # type: ignore[arg-type]

    challenges = [
        challenge("prior", Verdict.LIKELY),
        challenge("missing", Verdict.CONTRADICTED, "later"),
        challenge("coding", Verdict.SUPPORTED),
        challenge("covariance", Verdict.NOT_APPLICABLE),
        challenge("coding", Verdict.UNDECIDED, "first"),
    ]
    change = {c.claim_id: c for c in find_changes(ledger, base, challenges)}["differs"]
    assert change.first is not None and change.first.name == "first"
    assert [c.name for c in change.changing] == ["first", "later", "x"]
    assert (len(change.kept), len(change.not_tested)) == (1, 1)
    assert FAMILIES.index("patients") < FAMILIES.index("coding") < FAMILIES.index("prior")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draws:
    """What another stress test gives of one estimand."""

    test: str
    points: np.ndarray
    variant: str = "t"
    changed: str = "Student-t residuals"
    model_id: str = "outcome"
    estimand: str = "deviation"
    effective: float | None = None


def test_draws_of_other_stress_tests_are_judged_by_the_same_rules(toy: Toy) -> None:
    """Draws around zero overturn the difference and nothing else; draws like the base analysis's do not."""
    ledger = toy[2]
    own = evaluator(toy)
    base = own.judge_ledger(ledger)
    claim = ledger.claim("differs")
    same, _ = own.draw(claim, claim.parts[0])
    noise = np.random.default_rng(2).normal(0.0, 1.0, 2000)
    draws = [
        Draws(test="base", points=noise),
        Draws(test="likelihood", points=noise),
        Draws(test="delta", points=same),
    ]
    challenges = from_draws(ledger, base, draws)
    assert [(c.claim_id, c.family, c.verdict) for c in challenges] == [
        ("differs", "likelihood", Verdict.UNDECIDED),
        ("differs", "missing", Verdict.SUPPORTED),
    ]
    change = {c.claim_id: c for c in find_changes(ledger, base, challenges)}["differs"]
    assert change.first is not None and change.first.says == "Student-t residuals"


def test_nothing_changes_an_untestable_claim(toy: Toy) -> None:
    """There is no verdict to change."""
    base = evaluator(toy).judge_ledger(toy[2])
    change = {c.claim_id: c for c in find_changes(toy[2], base, [])}["opinion"]
    assert change.first is None and not change.changing


def test_overlap_of_intervals() -> None:
    """Equal, half, touching, apart."""
    assert overlap((0.0, 1.0), (0.0, 1.0)) == 1.0
    assert overlap((0.0, 2.0), (1.0, 2.0)) == 0.5
    assert overlap((0.0, 1.0), (1.0, 2.0)) == 0.0


CELL = Cell(
    table="I", row="Poor", column="Slope", printed="-0.02(0.01)*", quantity="estimate", model="outcome",
    coefficient="months:poor",
)  # fmt: skip


def test_ml_and_bayes_agree_where_the_data_are_clear_and_differ_by_a_firm_prior(toy: Toy) -> None:
    """Same decision under the neutral prior, hardly a shift; under the sceptic another decision, by shrinkage."""
    study = dataclasses.replace(toy[0], cells=(CELL,))
    (alike,), left = compare_approaches(study, evaluator(toy))
    assert not left
    assert alike.same_decision and alike.reason == ""
    assert abs(alike.shift) < 0.2 and alike.overlap > 0.85 and 0.9 < alike.sd_ratio < 1.2
    sceptical = dict((v.id, v) for v in prior_suite(study))["sceptical"]
    (apart,), _ = compare_approaches(study, evaluator(toy, sceptical))
    assert not apart.same_decision
    assert apart.ml_decides and apart.reason == "shrinkage"


def test_a_cell_whose_model_the_rows_cannot_carry_is_named(toy: Toy) -> None:
    """It is left out with the reason, not in silence."""
    study = dataclasses.replace(toy[0], cells=(CELL,))
    own = Evaluator(
        study, toy_data(study, toy_frame().drop(columns="end")), toy[1], seed=1, variant=NEUTRAL, draws=400
    )
    compared, left = compare_approaches(study, own)
    assert compared == [] and left[0][0] == CELL and "poor" in left[0][1]
