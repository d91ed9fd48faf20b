"""Simulated studies: what is drawn, calibration with planted faults, a textbook's power, measures by hand."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from bayes_alliance.assess.uniformity import central_coverage, ecdf_band, holm
from bayes_alliance.errors import FitError, InputError
from bayes_alliance.runtime.resumable_tasks import run_tasks
from bayes_alliance.simulation.approaches import Approach
from bayes_alliance.simulation.calibration import (
    LOG_LIKELIHOOD,
    Calibration,
    CalibrationResult,
    calibrate_batch,
    calibration_tasks,
    judge_calibration,
)
from bayes_alliance.simulation.performance import measure_performance, share_measure
from bayes_alliance.simulation.population import CovariatePool, Sampling, choose_patients, take_rows
from bayes_alliance.simulation.recipe_digest import digest
from bayes_alliance.simulation.setting import (
    Setting,
    Variations,
    choose_model,
    default_variations,
    design_conditions,
    prepare,
    scenario_conditions,
)
from bayes_alliance.simulation.trials import Condition, set_effect, trial_tasks, try_batch
from bayes_alliance.simulation.truth import (
    CEILING,
    DROPOUT,
    NO_SLOPE_VARIANCE,
    SCENARIOS,
    Truth,
    apply_scenario,
    draw_outcome,
    draw_truth,
)
from bayes_alliance.study.formula import parse_formula
from tests.small_study import MODELS, small_data, small_study


@pytest.fixture(scope="module")
def setting() -> Setting:
    study = small_study()
    return prepare(study, small_data(study), study.model("paranoid"))


def calibration(setting: Setting, **changed: object) -> Calibration:
    priors = setting.priors("neutral")
    whole = Calibration(
        pool=setting.pool,
        sampling=Sampling(),
        engine="collapsed",
        drawn=priors,
        fitted=priors,
        estimands=setting.estimands,
        seed=7,
    )
    return dataclasses.replace(whole, **changed)  # type: ignore[arg-type]


def calibrate(one: Calibration, studies: int) -> CalibrationResult:
    done = run_tasks(calibrate_batch, calibration_tasks(one, studies=studies, batch=50, key="sbc"))
    return judge_calibration(done.table(), engine="collapsed", prior="neutral")


# --- what is drawn -------------------------------------------------------------------------------------------


def test_no_observed_outcome_is_in_the_pool(setting: Setting) -> None:
    """The pool has the columns of the model's rows, and its outcomes are all zero."""
    np.testing.assert_array_equal(setting.pool.x, setting.planned.design.x)
    assert (setting.pool.frame["goals"] == 0.0).all()
    assert setting.pool.n_patients == 24


def test_patients_are_drawn_whole_and_with_the_mark_asked_for() -> None:
    """Each drawn patient brings all of its rows, and exactly as many are marked as asked for."""
    study = small_study()
    pool = prepare(study, small_data(study), study.model("paranoid"), mark="paranoid").pool
    patients = choose_patients(pool, Sampling(n_patients=40, n_marked=11), np.random.default_rng(1))
    assert len(patients) == 40 and pool.marked[patients].sum() == 11
    design, rows = take_rows(pool, patients)
    assert design.n_patients == 40
    np.testing.assert_array_equal(np.bincount(design.patient_index), pool.sizes[patients])
    np.testing.assert_array_equal(design.x, pool.x[rows])
    with pytest.raises(FitError, match="cannot be told from the others"):
        take_rows(pool, np.flatnonzero(pool.marked))


def test_priors_are_drawn_as_they_are_written(setting: Setting) -> None:
    """Draws of every parameter have the distribution of its prior, for each family of scale priors."""
    rng = np.random.default_rng(2)
    for family, of_scale in (
        ("half_normal", stats.halfnorm()),
        ("half_t", stats.foldcauchy(0.0)),
        ("exponential", stats.expon()),
    ):
        priors = dataclasses.replace(setting.priors("neutral"), scale_family=family, scale_df=1.0)
        drawn = [draw_truth(priors, "UN", rng) for _ in range(2000)]
        slope = np.array([truth.beta[1] for truth in drawn])
        assert stats.kstest((slope - priors.mean[1]) / priors.sd[1], "norm").pvalue > 1e-3
        for values in (
            np.array([t.sd[1] for t in drawn]) / priors.sd_scale[1],
            np.array([t.sigma for t in drawn]) / priors.sigma_scale,
        ):
            assert stats.kstest(values, of_scale.cdf).pvalue > 1e-3
        share = (np.array([t.correlation for t in drawn]) + 1.0) / 2.0
        assert stats.kstest(share, stats.beta(2.0, 2.0).cdf).pvalue > 1e-3
    assert draw_truth(priors, "VC", rng).correlation == 0.0


def test_outcomes_have_the_moments_of_the_model(setting: Setting) -> None:
    """Mean and covariance of one patient's simulated rows are X beta and Z G Z' + sigma^2 I."""
    truth = Truth(
        beta=np.array([4.0, 0.05, 0.3, -0.02]), sd=np.array([0.8, 0.04]), correlation=-0.5, sigma=0.6
    )
    design, _ = take_rows(setting.pool, np.arange(24))
    rng = np.random.default_rng(3)
    rows = np.flatnonzero(design.patient_index == 5)
    drawn = np.array([draw_outcome(design, truth, setting.pool, rng).y[rows] for _ in range(6000)])
    z = design.z[rows]
    covariance = z @ truth.root @ truth.root.T @ z.T + 0.36 * np.eye(len(rows))
    error = np.sqrt((np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2) / 6000)
    assert np.all(
        np.abs(drawn.mean(axis=0) - design.x[rows] @ truth.beta) < 4.5 * np.sqrt(np.diag(covariance) / 6000)
    )
    assert np.all(np.abs(np.cov(drawn.T) - covariance) < 4.5 * error)


def test_scenarios_do_what_they_say(setting: Setting) -> None:
    """The slope SD shrinks; a quarter of the scores is at the top and all on the grid; leavers have worse slopes."""
    rng = np.random.default_rng(4)
    pool = setting.pool
    design, _ = take_rows(pool, rng.choice(24, 2000))
    small = apply_scenario(setting.truth, NO_SLOPE_VARIANCE, pool, setting.scale)
    assert small.sd[1] == pytest.approx(0.05 * setting.truth.sd[1]) and small.sd[0] == setting.truth.sd[0]
    high = apply_scenario(setting.truth, CEILING, pool, setting.scale)
    y = draw_outcome(design, high, pool, rng, scenario=CEILING, scale=setting.scale).y
    # Rounding lifts what lies up to half a step below the end to it.
    assert 0.24 < np.mean(y == 7.0) < 0.33 and set(np.unique(4.0 * y)) <= set(range(4, 29))
    np.testing.assert_allclose(high.beta[1:], setting.truth.beta[1:], atol=1e-9)
    steep = dataclasses.replace(setting.truth, sd=np.array([0.5, 0.05]), sigma=0.1)
    left = draw_outcome(design, steep, pool, rng, scenario=DROPOUT)
    n_visits = np.bincount(left.patient_index)
    whole = np.bincount(design.patient_index)
    assert n_visits.min() == 1 and len(left.y) < 0.9 * len(design.y)
    first, last = np.flatnonzero(np.diff(left.patient_index, prepend=-1)), np.cumsum(n_visits) - 1
    slope = np.where(n_visits > 1, (left.y[last] - left.y[first]) / np.maximum(left.z[last, 1], 1.0), np.nan)
    stayed = n_visits == whole
    assert np.nanmean(slope[stayed]) - np.nanmean(slope[~stayed]) > 0.02


def test_visits_are_spread_evenly_and_only_where_that_makes_sense(setting: Setting) -> None:
    """Every patient gets as many visits as asked for, from the first to the last time of the rows."""
    (condition,) = design_conditions(setting, Variations(visits=(4,)), seed=1)
    assert set(condition.pool.sizes) == {4}
    np.testing.assert_allclose(condition.pool.z[:4, 1], [0.0, 8.0, 16.0, 24.0])
    with pytest.raises(InputError, match="at least one visit"):
        design_conditions(setting, Variations(visits=(0,)), seed=1)


def test_an_effect_is_set_on_the_scale_of_points(setting: Setting) -> None:
    """The primary estimand has the size asked for, in points over the horizon, and other coefficients stay."""
    (condition,) = design_conditions(setting, Variations(effects=(-1.8,)), seed=1)
    assert condition.truth.beta[3] == pytest.approx(-1.8 / 36.0)
    np.testing.assert_array_equal(condition.truth.beta[:3], setting.truth.beta[:3])
    assert default_variations(setting).effects[2] == pytest.approx(setting.effect())


def test_conditions_that_cannot_be_drawn_are_all_named(setting: Setting) -> None:
    """Too few patients, more marked ones than patients: one message with each."""
    with pytest.raises(InputError, match=r"patients=1.*(?s:.)*marked=99") as caught:
        design_conditions(setting, Variations(patients=(1,), marked=(99,)), seed=1)
    assert len(caught.value.problems) >= 2


def test_a_scenario_without_its_ground_is_left_out_with_the_reason() -> None:
    """Without an upper end there is no ceiling, without a random slope no slope variance."""
    study = small_study()
    one = dataclasses.replace(prepare(study, small_data(study), study.model("age")), scale=None)
    conditions, skipped = scenario_conditions(one, seed=1)
    assert [c.name for c in conditions] == ["as_modelled", "no_slope_variance", "informative_dropout"]
    assert skipped == {"ceiling": "the outcome's scale has no upper end"}


# --- uniformity ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [20, 100, 400])
def test_uniform_numbers_stray_from_the_band_as_often_as_it_says(n: int) -> None:
    """Of 2,000 uniform samples 5 % leave the band somewhere, and just those have p below 5 %."""
    rng = np.random.default_rng(5)
    bands = [ecdf_band(rng.random(n)) for _ in range(2000)]
    outside = np.array([not band.inside for band in bands])
    assert np.mean(outside) == pytest.approx(0.05, abs=0.02)
    assert np.mean([(band.p <= 0.05) == (not band.inside) for band in bands]) > 0.98


def test_the_band_is_that_of_arviz() -> None:
    """At the same points, ArviZ's simulated band has the same ends to one count in a hundred."""
    from arviz_stats.ecdf_utils import get_pointwise_confidence_band, simulate_confidence_bands

    band = ecdf_band(np.linspace(0.001, 0.999, 300))
    rng = np.random.default_rng(6)
    level = simulate_confidence_bands(300, 1, band.points, 0.95, 3000, rng)
    lower, upper = get_pointwise_confidence_band(level, 300, band.points)
    assert np.max(np.abs(band.lower - lower)) <= 3.0 / 300 and np.max(np.abs(band.upper - upper)) <= 3.0 / 300


def test_shifted_and_narrow_transforms_are_found() -> None:
    """A fifth of an SD over 1,000 studies is found, as are posteriors that are a quarter too wide."""
    normal = special.ndtri((np.arange(1000) + 0.5) / 1000)
    assert ecdf_band(special.ndtr(normal + 0.2)).p < 0.005
    assert ecdf_band(special.ndtr(normal / 1.25)).p < 0.005
    assert ecdf_band(special.ndtr(normal)).p > 0.99


def test_holm_and_coverage_by_hand() -> None:
    """Holm's steps on a worked example; central coverage is a count."""
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    share, error = central_coverage(np.array([0.01, 0.3, 0.5, 0.7]), 0.5)
    assert share == 0.75 and error == pytest.approx(0.25)


# --- calibration and its planted faults ------------------------------------------------------------------------


def test_the_collapsed_engine_is_calibrated(setting: Setting) -> None:
    """Over 120 studies from the prior, ranks of all quantities and of the log likelihood are uniform."""
    result = calibrate(calibration(setting), 120)
    assert result.failures == () and result.n_studies == 120
    assert {LOG_LIKELIHOOD, "deviation", "correlation", "icc", "sigma"} <= {q.name for q in result.quantities}
    assert result.strayed == ()
    for quantity in result.quantities:
        for level, share, error in quantity.coverage:
            assert abs(share - level) < 4.0 * error


def test_a_wrong_prior_is_caught(setting: Setting) -> None:
    """An engine that is told a prior of twice the SD on the slope's deviation strays, and says of what."""
    wrong = dataclasses.replace(
        setting.priors("neutral"), sd=setting.priors("neutral").sd * [1.0, 1.0, 1.0, 0.25]
    )
    result = calibrate(calibration(setting, fitted=wrong), 60)
    assert "deviation" in result.strayed and "months:paranoid" in result.strayed


def test_a_wrong_likelihood_is_caught(setting: Setting) -> None:
    """Scores cut at the end of their scale are not Normal, and the ranks show it."""
    result = calibrate(calibration(setting, scenario=CEILING, scale=setting.scale), 60)
    assert LOG_LIKELIHOOD in result.strayed or "sigma" in result.strayed


def test_explained_shares_and_what_verdicts_rest_on_are_ranked_too(setting: Setting) -> None:
    """Uniform where the engine is right; a verdict of supported is wrong about the sign in few studies."""
    smallest = {"deviation": 0.5 / setting.study.horizon}
    one = calibration(setting, time="months", smallest=smallest)
    done = run_tasks(calibrate_batch, calibration_tasks(one, studies=80, batch=40, key="sbc"))
    result = judge_calibration(done.table(), engine="collapsed", prior="neutral", smallest=smallest)
    events = {f"deviation {event}" for event in ("above zero", "above what matters", "below what matters")}
    assert events | {"explained months", "explained Intercept"} <= {q.name for q in result.quantities}
    assert result.strayed == ()
    counts = {count.verdict: count for count in result.verdicts}
    assert sum(count.n for count in result.verdicts) == 80
    assert counts["supported"].n > 10
    assert counts["supported"].above > 0.9 and counts["contradicted"].above < 0.1


def test_a_wrong_prior_shows_in_shares_and_in_what_verdicts_rest_on(setting: Setting) -> None:
    """An engine that is told a third of the SD of the slopes' deviation."""
    priors = setting.priors("neutral")
    wrong = dataclasses.replace(priors, sd=priors.sd * [1.0, 1.0, 1.0, 0.2])
    one = calibration(
        setting, fitted=wrong, time="months", smallest={"deviation": 0.5 / setting.study.horizon}
    )
    assert {"explained months", "deviation below what matters"} <= set(calibrate(one, 60).strayed)


def test_parameters_keep_their_ranks_when_more_is_ranked(setting: Setting) -> None:
    """What is added stands behind them and draws its ties after theirs."""
    fewer = calibrate_batch(calibration(setting), 0, 2)
    smallest = {"deviation": 0.5 / setting.study.horizon}
    more = calibrate_batch(calibration(setting, time="months", smallest=smallest), 0, 2)
    both = [
        dict(zip(zip(t["study"], t["quantity"], strict=True), t["transform"], strict=True))
        for t in (fewer, more)
    ]
    assert both[0].items() <= both[1].items() and len(both[1]) == len(both[0]) + 2 * 5


def test_dealt_predictors_do_not_go_with_visits(setting: Setting) -> None:
    """Patients keep their visits and outcomes stay out; the predictors are the same ones, of other patients."""
    study = small_study()
    data = small_data(study)
    rows = data.rows.copy()
    # Those with paranoid PD lose all visits after the second: a tilt.
    late = (rows["paranoid"] == 1.0) & (rows.groupby("patient").cumcount() > 1)
    tilted = dataclasses.replace(data, rows=rows[~late].reset_index(drop=True))

    def tilt(dealt: int | None) -> tuple[float, float, list[int]]:
        pool = prepare(study, tilted, study.model("paranoid"), dealt=dealt).pool
        marked = pool.x[pool.starts, pool.x_names.index("paranoid")]
        sizes = pool.sizes
        return (
            float(sizes[marked == 1.0].mean() - sizes[marked == 0.0].mean()),
            float(marked.sum()),
            sizes.tolist(),
        )

    before, count, sizes = tilt(None)
    after = [tilt(seed) for seed in range(40)]
    assert before < -1.0
    assert abs(np.mean([difference for difference, _, _ in after])) < 0.4
    assert all((n, own) == (count, sizes) for _, n, own in after)


def test_failed_studies_are_counted_with_their_reason(setting: Setting) -> None:
    """Studies of patients on whom the model cannot stand are reported, each, and none is ranked."""
    study = small_study()
    marked = prepare(study, small_data(study), study.model("paranoid"), mark="paranoid").pool
    one = calibration(setting, pool=marked, sampling=Sampling(n_patients=6, n_marked=6))
    result = calibrate(one, 3)
    assert result.n_studies == 3 and result.quantities == ()
    assert (
        result.failures == ("FitError: some effect cannot be told from the others on the patients drawn",) * 3
    )
    with_task = judge_calibration(pd.DataFrame(), engine="x", prior="y", failed_tasks=[("lost", 4)])
    assert with_task.failures == ("lost",) * 4 and with_task.n_studies == 4


def test_batches_do_not_change_studies(setting: Setting) -> None:
    """A study is the same whichever task it is in."""
    one = calibration(setting)
    tables = [
        run_tasks(calibrate_batch, calibration_tasks(one, studies=4, batch=batch, key="k")).table()
        for batch in (4, 1)
    ]
    pd.testing.assert_frame_equal(tables[0], tables[1], check_exact=True)


def test_more_studies_later_are_all_made(setting: Setting, tmp_path: Path) -> None:
    """A last task that was smaller in an earlier run is not taken for the larger one of this run."""
    for studies in (3, 4):
        tasks = calibration_tasks(calibration(setting), studies=studies, batch=2, key="k")
        done = run_tasks(calibrate_batch, tasks, store=tmp_path, record="r")
        assert done.table()["study"].nunique() == studies


def test_the_record_knows_everything_that_a_study_depends_on(setting: Setting) -> None:
    """Another seed, prior, size or column gives another digest, and the same recipe the same one."""
    one = calibration(setting)
    other_pool = dataclasses.replace(setting.pool, x=setting.pool.x + 1e-9)
    digests = {
        digest(one),
        digest(calibration(setting)),
        digest(dataclasses.replace(one, seed=8)),
        digest(dataclasses.replace(one, fitted=setting.priors("sceptical"))),
        digest(dataclasses.replace(one, sampling=Sampling(n_patients=20))),
        digest(dataclasses.replace(one, pool=other_pool)),
    }
    assert len(digests) == 5
    with pytest.raises(TypeError):
        digest(object())


# --- a textbook's power, and measures ----------------------------------------------------------------------------


def two_groups(times: Sequence[float], per_group: int) -> CovariatePool:
    """Two groups of patients with the same visits; random intercept only."""
    n, k = 2 * per_group, len(times)
    time, group = np.tile(times, n), np.repeat(np.arange(n) % 2, k).astype(float)
    return CovariatePool(
        formula=parse_formula("y ~ time + group + time:group + (1 | id)"),
        x=np.column_stack([np.ones(n * k), time, group, time * group]),
        z=np.ones((n * k, 1)),
        starts=np.arange(n) * k,
        sizes=np.full(n, k),
        marked=np.empty(0, dtype=bool),
        x_names=("Intercept", "time", "group", "time:group"),
        z_names=("Intercept",),
        frame=pd.DataFrame(),
        digest="",
    )


def test_power_of_a_textbook_design() -> None:
    """Diggle, Heagerty, Liang & Zeger (2002, p. 29): 79 patients a group have 80 % power, one-sided at 5 %.

    Slopes that differ by 0.5, visits at 0, 2 and 5, variance 100, exchangeable correlation 0.8; the number is that of
    the table which longpower's own tests expect (Iddi & Donohue 2022, doi:10.32614/RJ-2022-022).
    """
    rho, variance, per_group = 0.8, 100.0, 79
    truth = Truth(
        beta=np.array([0.0, 0.0, 0.0, 0.5]),
        sd=np.array([math.sqrt(rho * variance)]),
        correlation=0.0,
        sigma=math.sqrt((1.0 - rho) * variance),
    )
    condition = Condition(
        name="textbook",
        factor="effect",
        value=0.5,
        pool=two_groups((0.0, 2.0, 5.0), per_group),
        sampling=Sampling(),
        truth=truth,
        seed=8,
    )
    estimands = {"difference": (("time:group", 1.0),)}
    studies = 250
    table = run_tasks(
        try_batch, trial_tasks(condition, [Approach(method="ML")], estimands, studies=studies, batch=125)
    ).table()
    assert len(table) == studies and (table["failure"] == "").all()
    rejected = table["estimate"] / table["error"] > special.ndtri(0.95)
    measure = share_measure(rejected.to_numpy())
    assert abs(measure.value - 0.80) < 3.0 * measure.error
    (performance,) = measure_performance(table, smallest={})
    assert abs(performance.coverage.value - 0.95) < 3.0 * performance.coverage.error
    assert abs(performance.bias.value) < 3.5 * performance.bias.error


def normal_table(truth: float, se: float, n: int) -> pd.DataFrame:
    """Estimates that are Normal around the truth with a known standard error."""
    estimate = np.random.default_rng(9).normal(truth, se, n)
    return pd.DataFrame(
        {
            "condition": "c",
            "approach": "a",
            "estimand": "e",
            "truth": truth,
            "estimate": estimate,
            "lower": estimate - 1.959964 * se,
            "upper": estimate + 1.959964 * se,
            "failure": "",
            "note": "",
        }
    )


@pytest.mark.parametrize(
    ("truth", "se", "power", "type_s", "type_m"), [(2.0, 8.1, 0.06, 0.24, 9.5), (0.1, 3.28, 0.05, 0.46, 77.0)]
)
def test_type_s_and_m_errors_of_the_published_examples(
    truth: float, se: float, power: float, type_s: float, type_m: float
) -> None:
    """Gelman & Carlin (2014, doi:10.1177/1745691614551642): their two examples, to the digits that are printed."""
    (found,) = measure_performance(normal_table(truth, se, 200_000), smallest={})
    assert found.excludes_zero.value == pytest.approx(power, abs=0.005)
    assert found.type_s.value == pytest.approx(type_s, abs=0.012)
    assert found.type_m.value == pytest.approx(type_m, rel=0.025)
    assert found.coverage.value == pytest.approx(0.95, abs=0.003)


def test_measures_by_hand() -> None:
    """Five estimates: bias, RMSE, width, decisions, verdicts and the failed one are what a pencil gives."""
    rows = normal_table(1.0, 1.0, 6)
    rows["estimate"] = [1.0, 2.0, 3.0, 0.0, -1.0, np.nan]
    rows["lower"], rows["upper"] = rows["estimate"] - [0.5, 0.5, 0.5, 0.2, 0.5, 0], rows["estimate"] + 0.5
    rows.loc[5, "failure"] = "FitError: no"
    rows.loc[0, "note"] = "singular"
    (found,) = measure_performance(rows, smallest={"e": 1.2})
    assert (found.n, found.n_failed, found.n_noted) == (5, 1, 1)
    assert found.bias.value == pytest.approx(0.0) and found.rmse.value == pytest.approx(math.sqrt(2.0))
    assert found.width.value == pytest.approx(0.94)
    assert found.coverage.value == pytest.approx(0.2)
    assert found.excludes_zero.value == pytest.approx(0.8)
    assert found.type_s.value == pytest.approx(0.25) and found.type_m.value == pytest.approx(1.75)
    shares = {name: measure.value for name, measure in found.verdicts.items()}
    assert shares == pytest.approx(
        {"supported": 0.4, "likely": 0.2, "undecided": 0.0, "too_small": 0.2, "contradicted": 0.2}
    )
    assert found.bias.error == pytest.approx(math.sqrt(2.5 / 5))


def test_power_rises_with_patients_and_effect(setting: Setting) -> None:
    """More patients, a larger effect: more intervals without zero, and narrower ones with more patients."""
    variations = Variations(patients=(12, 60), effects=(0.0, -2.5))
    conditions = design_conditions(setting, variations, seed=3)
    approaches = [
        Approach(method="ML"),
        Approach(method="Bayes", engine="collapsed", priors=setting.priors("neutral")),
    ]
    tasks = [
        t for c in conditions for t in trial_tasks(c, approaches, setting.estimands, studies=12, batch=12)
    ]
    found = measure_performance(run_tasks(try_batch, tasks).table(), smallest={})
    by_key = {(one.condition, one.approach): one for one in found}
    for approach in ("ML", "collapsed, neutral prior"):
        few, many = by_key["patients=12", approach], by_key["patients=60", approach]
        assert many.width.value < 0.6 * few.width.value
        none, large = by_key["effect=0", approach], by_key["effect=-2.5", approach]
        assert large.excludes_zero.value > 0.75 > 0.3 > none.excludes_zero.value
        assert math.isnan(none.type_s.value)


def test_an_approach_that_fails_is_a_row_with_its_reason(setting: Setting) -> None:
    """A study of patients on whom the model cannot stand has a row for each approach and estimand."""
    study = small_study()
    pool = prepare(study, small_data(study), study.model("paranoid"), mark="paranoid").pool
    condition = dataclasses.replace(
        scenario_conditions(setting, seed=1, scenarios=SCENARIOS[:1])[0][0],
        pool=pool,
        sampling=Sampling(n_patients=5, n_marked=0),
    )
    found = pd.DataFrame(
        try_batch(condition, [Approach(method="ML"), Approach(method="REML")], setting.estimands, 0, 2)
    )
    assert len(found) == 4 and found["estimate"].isna().all()
    assert found["failure"].str.startswith("FitError: some effect").all()


def test_models_and_effects_are_chosen(setting: Setting) -> None:
    """The first model with a difference of slopes by default; another by name; no such one is refused."""
    study = small_study()
    assert choose_model(study).id == "age" and choose_model(study, "paranoid").id == "paranoid"
    with pytest.raises(InputError, match="no such model"):
        choose_model(study, "none")
    moved = set_effect(setting.truth, (("months", 1.0), ("months:paranoid", 1.0)), setting.pool.x_names, 0.2)
    assert moved.beta[1] + moved.beta[3] == pytest.approx(0.2)
    assert len(MODELS) == 5
