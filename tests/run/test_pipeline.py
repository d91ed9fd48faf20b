"""Runs of a whole study: complete, repeatable, resumable, and not stopped by one bad model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from bayes_alliance.assess.check_record import failed_gates
from bayes_alliance.assess.loo_compare import clear_winner
from bayes_alliance.cohorts.simulate import simulate_cohort
from bayes_alliance.data.rows import read_data
from bayes_alliance.errors import InputError
from bayes_alliance.inference.ml import fit_mixed
from bayes_alliance.inference.pymc import sample as bambi_pymc
from bayes_alliance.inference.pymc.sample import SamplerSettings
from bayes_alliance.run.pipeline import run_study
from bayes_alliance.run.results import StudyResults
from bayes_alliance.run.score_model import time_windows
from bayes_alliance.run.settings import RunSettings, choose_prior
from bayes_alliance.runtime.pool import Pool
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.study.load_study import load_study
from tests.small_study import MODELS, small_data, small_frame, small_settings, small_study

STUDY = small_study()
DATA = small_data(STUDY)


@pytest.fixture(scope="module")
def results() -> StudyResults:
    return run_study(STUDY, DATA, small_settings())


def _answers(results: StudyResults, model_id: str) -> tuple[object, ...]:
    """What a run says of a model, to the last digit of every draw."""
    run = results.run(model_id)
    assert run is not None
    assert run.posterior is not None
    draws = (getattr(run.posterior, name).tolist() for name in ("beta", "sd", "correlation", "sigma"))
    return repr(run.quantities), repr(run.explained), *draws


def test_every_model_has_both_inferences_on_the_same_rows(results: StudyResults) -> None:
    """ML, REML and posterior of a run carry one digest, and the estimates lie close together."""
    assert [run.model.id for run in results.runs] == [m.id for m in MODELS]
    assert results.skipped == ()
    for run in results.runs:
        assert run.posterior is not None
        assert run.ml.rows == run.reml.rows == run.posterior.rows == run.rows
        assert run.posterior.model_id == run.ml.model_id == run.model.id
        for quantity in run.quantities:
            assert quantity.bayes is not None
            if quantity.kind == "coefficient":
                assert abs(quantity.bayes.mean - quantity.ml.estimate) < 1.5 * quantity.ml.se


def test_tests_of_the_random_slope_and_of_growth_have_their_degrees_of_freedom(
    results: StudyResults,
) -> None:
    """Slope and covariance: 2; growth against no time: 3, for the pure growth model only."""
    growth, age, unconditional = (results.run(name) for name in ("growth", "age", "unconditional"))
    assert growth is not None
    assert age is not None
    assert unconditional is not None
    assert growth.slope_test is not None
    assert age.slope_test is not None
    assert growth.unconditional_test is not None
    assert (growth.slope_test.df, age.slope_test.df, growth.unconditional_test.df) == (2, 2, 3)
    assert (unconditional.slope_test, age.unconditional_test) == (None, None)
    statistic = growth.unconditional_test.statistic
    assert statistic == pytest.approx(unconditional.ml.deviance - growth.ml.deviance, abs=1e-5)


def test_explained_variation_stands_on_the_models_own_rows(results: StudyResults) -> None:
    """With age missing for two patients the same-rows value differs from the as-printed one."""
    age, growth, paranoid = (results.run(name) for name in ("age", "growth", "paranoid"))
    assert growth is not None
    assert age is not None
    assert paranoid is not None
    assert growth.explained is None
    assert age.explained is not None
    assert paranoid.explained is not None
    assert paranoid.explained.slope == paranoid.explained.as_printed_slope
    percent = 100 * (1 - paranoid.ml.slope_variance / growth.ml.slope_variance)
    assert paranoid.explained.slope == pytest.approx(percent, rel=1e-4)
    assert age.explained.slope != age.explained.as_printed_slope


def test_comparisons_rest_on_shared_rows_and_list_every_member(results: StudyResults) -> None:
    """One digest a set; the model with the true effect leads by the new-patient score."""
    goals = {c.name: c for c in results.comparisons}["goals"]
    assert [m.model_id for m in goals.models] == ["unconditional", "growth", "age", "paranoid"]
    assert {m.rows.digest for m in goals.models} == {goals.rows.digest}
    assert goals.rows.n_rows == 107
    best = max(goals.models, key=lambda m: m.elpd["new_patient"])
    assert best.elpd_diff["new_patient"] == 0.0
    assert {s.rows.digest for scores in goals.scores.values() for s in scores.values()} == {goals.rows.digest}


def test_the_same_model_in_another_spelling_ties_exactly() -> None:
    """Terms in another order, products the other way round: not a digit of any score differs, and nobody wins."""
    named = {model.id: model for model in MODELS}
    twin = dataclasses.replace(
        named["paranoid"],
        id="twin",
        formula="goals ~ paranoid + months + paranoid:months + (months | patient)",
    )
    twin = dataclasses.replace(twin, estimands=())
    models = (named["growth"], named["paranoid"], twin)
    study = small_study(models)
    found = run_study(study, small_data(study), small_settings())
    (comparison,) = found.comparisons
    first, second = comparison.scores["paranoid"], comparison.scores["twin"]
    for target in first:
        assert first[target].elpd_i.tolist() == second[target].elpd_i.tolist()
        assert first[target].mcse == second[target].mcse
    lines = {model.model_id: model for model in comparison.models}
    assert lines["paranoid"].elpd_diff == lines["twin"].elpd_diff
    assert clear_winner(comparison.models, "new_patient") is None


def test_exact_refits_without_every_patient() -> None:
    """Asked for exactness, every new-patient score comes from a refit and lies near that of PSIS."""
    usual, exact = (
        run_study(STUDY, DATA, small_settings(models=("growth",), exact=asked))
        .comparisons[0]
        .scores["growth"]["new_patient"]
        for asked in (False, True)
    )
    assert (usual.n_refitted, exact.n_refitted, exact.n_units) == (0, 24, 24)
    assert exact.elpd == pytest.approx(usual.elpd, abs=1.0)


def test_fits_on_comparison_rows_are_checked_too(results: StudyResults) -> None:
    """Each member has checks of its posterior on the shared rows."""
    names = {(c.model_id, c.name) for c in results.checks if "rows of comparison goals" in c.name}
    assert {model_id for model_id, _ in names} == {"unconditional", "growth", "age", "paranoid"}


def test_predictive_checks_are_made_of_models_that_others_refer_to(results: StudyResults) -> None:
    """The reference is checked, by window, with a PIT value a row; so is the only model of Tasks.

    Not by a group that the model does not tell apart: there it has to miss.
    """
    found, other = results.predictive
    assert (found.model_id, other.model_id) == ("growth", "tasks_growth")
    assert found.pit.shape == (117,)
    assert {s.group for s in found.statistics} == {"", "all"}
    assert 0.0 <= found.pit_p <= 1.0
    assert {s.name for s in found.statistics} >= {"mean", "sd", "share at or above the ceiling"}


def test_every_check_of_a_run_is_in_the_results(results: StudyResults) -> None:
    """What a model's own checks say is not lost in the whole."""
    everything = set(map(repr, results.checks))
    assert all(repr(check) in everything for run in results.runs for check in run.checks)
    assert failed_gates(results.checks) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_is_repeated_to_the_last_digit(results: StudyResults, jobs: int) -> None:
    """Same study, data, settings and seed: the same numbers, in however many processes."""
    with Pool(jobs) as workers:
        again = run_study(STUDY, DATA, small_settings(), workers=workers)
    assert repr(again.checks) == repr(results.checks)
    for model in MODELS:
        assert _answers(results, model.id) == _answers(again, model.id)
    assert repr(results.comparisons[0].models) == repr(again.comparisons[0].models)
    np.testing.assert_array_equal(results.predictive[0].pit, again.predictive[0].pit)


def test_numbers_of_a_model_do_not_depend_on_which_others_run_nor_on_order(
    results: StudyResults,
) -> None:
    """Alone, or in a study that lists its models backwards, a model's posterior is the same."""
    alone = run_study(STUDY, DATA, small_settings(models=("paranoid",)))
    backwards = run_study(small_study(MODELS[::-1]), DATA, small_settings())
    assert _answers(results, "paranoid") == _answers(alone, "paranoid") == _answers(backwards, "paranoid")


def test_numbers_do_not_depend_on_the_order_of_the_rows(results: StudyResults) -> None:
    """A shuffled file gives the same posterior."""
    shuffled = small_data(STUDY, small_frame().sample(frac=1.0, random_state=5))
    again = run_study(STUDY, shuffled, small_settings(models=("age",)))
    assert _answers(results, "age") == _answers(again, "age")


def test_another_seed_gives_other_draws_of_the_same_posterior(results: StudyResults) -> None:
    """Draws differ, means agree within Monte-Carlo error."""
    other = run_study(STUDY, DATA, small_settings(models=("growth",), seed=12)).run("growth")
    this = results.run("growth")
    assert this is not None
    assert other is not None
    assert this.posterior is not None
    assert other.posterior is not None
    assert not np.array_equal(this.posterior.sigma, other.posterior.sigma)
    sd = this.posterior.sigma.std()
    assert abs(this.posterior.sigma.mean() - other.posterior.sigma.mean()) < 0.35 * sd


def test_the_chosen_prior_reaches_the_fits(results: StudyResults) -> None:
    """The sceptical set shrinks the deviation that the neutral one leaves."""
    sceptical = run_study(STUDY, DATA, small_settings(models=("paranoid",), prior="sceptical"))
    assert (results.prior, sceptical.prior) == ("neutral", "sceptical")
    shrunk, left = (r.run("paranoid").quantity("deviation").bayes for r in (sceptical, results))  # type: ignore[union-attr]
    assert shrunk is not None
    assert left is not None
    assert abs(shrunk.mean) < 0.5 * abs(left.mean)


def test_an_unknown_prior_or_a_study_without_priors_is_an_input_error() -> None:
    """Before anything is fitted; without a posterior no prior is needed."""
    with pytest.raises(InputError, match="no such prior set; found: 'nutral'; allowed: neutral, sceptical"):
        run_study(STUDY, DATA, small_settings(prior="nutral"))
    bare = dataclasses.replace(STUDY, priors=())
    with pytest.raises(InputError, match="states no priors"):
        choose_prior(bare, small_settings())
    assert run_study(bare, DATA, small_settings(engine="none", models=("growth",))).prior == ""


def test_without_an_engine_only_the_frequentist_part_runs() -> None:
    """No posterior, no comparison by prediction, no predictive check, but every ML fit."""
    found = run_study(STUDY, DATA, small_settings(engine="none"))
    assert len(found.runs) == 5
    assert all(run.posterior is None and run.ml.converged for run in found.runs)
    assert (found.comparisons, found.predictive) == ((), ())
    assert all(q.bayes is None for run in found.runs for q in run.quantities)


def test_a_model_that_cannot_be_fitted_is_skipped_and_stops_no_other() -> None:
    """A constant outcome leaves no residual: its model is named with the reason, the rest runs."""
    data = small_data(STUDY, small_frame().assign(tasks=4.0))
    lines: list[str] = []
    found = run_study(STUDY, data, small_settings(), report=lines.append)
    assert [run.model.id for run in found.runs] == [m.id for m in MODELS[:4]]
    (skipped,) = found.skipped
    assert (skipped.model_id, skipped.comparison) == ("tasks_growth", "")
    assert "without any residual" in skipped.reason
    assert any("tasks_growth: cannot be fitted" in line for line in lines)
    assert [c.name for c in found.comparisons] == ["goals"]


def test_every_long_step_says_how_far_it_is() -> None:
    """Fits, scores and predictive checks are counted to their total, each with the time left; no step is silent."""
    lines: list[str] = []
    chosen = small_settings(models=("growth", "age", "tasks_growth"))
    found = run_study(STUDY, DATA, chosen, report=lines.append)
    fits = [line for line in lines if line.startswith("[")]
    scored = [line for line in lines if " models scored " in line]
    checked = [line for line in lines if " predictive checks " in line]
    assert [line.split("]")[0] for line in fits] == ["[1/3", "[2/3", "[3/3"]
    assert [line.split(";")[0] for line in scored] == [
        "2 of 3 models scored (comparison goals)",
        "3 of 3 models scored (comparison tasks)",
    ]
    assert len(checked) == len(found.predictive) > 0
    assert all("about 0 s" in steps[-1] and steps[-1].endswith(" left") for steps in (fits, scored, checked))


def test_explained_variation_is_left_out_where_the_reference_lacks_rows() -> None:
    """A reference that needs age cannot be fitted on rows without it."""
    reversed_roles = (
        dataclasses.replace(MODELS[2], reference=None),
        dataclasses.replace(MODELS[3], reference="age"),
    )
    study = small_study(reversed_roles)
    found = run_study(study, small_data(study), small_settings(engine="none")).run("paranoid")
    assert found is not None
    assert found.explained is None


def test_explained_variation_needs_the_very_same_patients() -> None:
    """Two subgroups with as many rows each are not the same rows: no percentage joins them."""
    frame = small_frame(24).dropna(subset=["goals"])
    frame = frame[
        frame["patient"].isin(["p09", "p12", "p15", "p18", "p21", "p02", "p04", "p05", "p08", "p10"])
    ]
    others = dataclasses.replace(MODELS[1], id="others", where=(("paranoid", 0.0),))
    mine = dataclasses.replace(
        MODELS[1], id="mine", comparison="", reference="others", where=(("paranoid", 1.0),)
    )
    study = small_study((others, mine))
    found = run_study(study, small_data(study, frame), small_settings(engine="none"))
    rows = [run.rows.n_rows for run in found.runs]
    assert rows[0] == rows[1]
    assert found.runs[1].explained is None


def test_a_resumed_run_is_the_straight_run(tmp_path: Path, results: StudyResults) -> None:
    """Interrupted after two models, then run again: the same numbers, the first two from the store."""
    lines: list[str] = []

    def stop(line: str) -> None:
        if line.startswith("[3/5]"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(STUDY, DATA, small_settings(), store=tmp_path, report=stop)
    stored = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert sorted(Path(name).suffix for name in stored) == [".json"] * 2 + [".nc"] * 3
    resumed = run_study(STUDY, DATA, small_settings(), store=tmp_path, report=lines.append)
    assert sum("stored posterior reused" in line for line in lines) == 3
    assert all((tmp_path / name).stat().st_mtime_ns == stamp for name, stamp in stored.items())
    for model in MODELS:
        assert _answers(results, model.id) == _answers(resumed, model.id)
    assert repr(results.comparisons[0].models) == repr(resumed.comparisons[0].models)


def test_what_changed_is_fitted_again_and_said(tmp_path: Path) -> None:
    """Another prior, another seed, another row: the line names it; the untouched model is reused."""
    models = ("growth", "tasks_growth")

    def run(frame: object = None, **changed: object) -> list[str]:
        lines: list[str] = []
        data = DATA if frame is None else small_data(STUDY, frame)  # type: ignore[arg-type]
        settings = small_settings(models=models, **changed)
        run_study(STUDY, data, settings, store=tmp_path, report=lines.append)
        return [line for line in lines if line.startswith("[")]

    assert all("changed" not in line for line in run())
    assert all("stored posterior reused" in line for line in run())
    assert all("changed since it was stored: prior)" in line for line in run(prior="sceptical"))
    assert all("changed since it was stored: prior, seed)" in line for line in run(seed=12))
    run()
    frame = small_frame()
    frame.loc[0, "tasks"] += 0.25
    goals, tasks = run(frame)
    assert "stored posterior reused" in goals
    assert "changed since it was stored: rows, seed)" in tasks


@pytest.mark.slow
def test_a_whole_run_holds_one_model_of_each_shape_to_bambi(monkeypatch: pytest.MonkeyPatch) -> None:
    """Effects sampled against effects integrated out, correlated, independent and a single one; all agree."""
    monkeypatch.setattr("bayes_alliance.run.fitter.BAMBI_DRAWS", 500)
    study = small_study(MODELS[:3])
    sampler = SamplerSettings(draws=500, tune=500)
    found = run_study(
        study, small_data(study), small_settings(engine="pymc", sampler=sampler), fits_only=True
    )
    engines = {run.model.id: {(item.first, item.second) for item in run.agreement} for run in found.runs}
    assert engines == {
        "unconditional": {("pymc", "collapsed"), ("pymc", "bambi")},
        "growth": {("pymc", "collapsed"), ("pymc", "bambi"), ("bambi", "collapsed")},
        "age": {("pymc", "collapsed")},
    }
    checks = [check for check in found.checks if "agreement" in check.name]
    assert len(checks) == 5 and all(check.status == "pass" for check in checks)


def test_a_damaged_stored_fit_is_made_again_with_a_word(tmp_path: Path) -> None:
    """The run goes on and the file is whole again."""
    settings = small_settings(models=("tasks_growth",))
    run_study(STUDY, DATA, settings, store=tmp_path)
    (path,) = tmp_path.glob("*.nc")
    path.write_bytes(path.read_bytes()[:1000])
    lines: list[str] = []
    run_study(STUDY, DATA, settings, store=tmp_path, report=lines.append)
    assert any("the stored file cannot be read" in line for line in lines)
    lines.clear()
    run_study(STUDY, DATA, settings, store=tmp_path, report=lines.append)
    assert any("stored posterior reused" in line for line in lines)


def test_seeds_of_tasks_depend_on_their_names_only() -> None:
    """The same name gives the same seed, another name or run another one; parts are kept apart."""
    assert derive_seed(1, "a", "b") == derive_seed(1, "a", "b")
    seeds = {
        derive_seed(1, "a", "b"),
        derive_seed(2, "a", "b"),
        derive_seed(1, "ab"),
        derive_seed(1, "b", "a"),
    }
    assert len(seeds) == 4
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_time_windows_by_hand() -> None:
    """Quarters of the horizon; an inner edge belongs to the later window, the ends to the outer ones."""
    found = time_windows(np.array([-1.0, 0.0, 8.9, 9.0, 26.9, 27.0, 36.0, 40.0]), 36.0)
    assert list(found) == ["0-9", "0-9", "0-9", "9-18", "18-27", "27-36", "27-36", "27-36"]


def test_half_a_trace_is_an_interruption_not_a_posterior() -> None:
    """Both samplers answer Ctrl-C with the draws so far; they are neither returned nor stored."""
    import xarray as xr

    planned = small_study()
    from bayes_alliance.inference.priors import coefficient_priors
    from bayes_alliance.run.plan import plan_study

    (growth,) = plan_study(planned, DATA, models=("growth",)).own
    draws = ("chain", "draw")
    half = xr.Dataset(
        {
            "beta": ((*draws, "c"), np.zeros((4, 30, 2))),
            "sd": ((*draws, "r"), np.ones((4, 30, 2))),
            "correlation": (draws, np.zeros((4, 30))),
            "sigma": (draws, np.ones((4, 30))),
        }
    )
    tree = xr.DataTree.from_dict({"posterior": half, "sample_stats": xr.Dataset()})
    priors = coefficient_priors(planned, growth.design, "neutral")
    for how in (SamplerSettings(draws=100), SamplerSettings(draws=30)):
        with mock.patch.object(bambi_pymc, "_sample", return_value=tree):
            if how.draws == 30:
                fit = bambi_pymc.fit_pymc(growth.design, growth.rows, priors, seed=1, settings=how)
                assert fit.sigma.shape == (4, 30)
            else:
                with pytest.raises(KeyboardInterrupt):
                    bambi_pymc.fit_pymc(growth.design, growth.rows, priors, seed=1, settings=how)


def test_medication_runs_from_its_file_without_an_engine() -> None:
    """Five models of the public data; the treatment model as in Singer & Willett's table 5.10, model A."""
    study = load_study("medication")
    data = read_data(study, study.folder / study.data.file, source=study.data.source)
    found = run_study(study, data, RunSettings(engine="none"))
    assert len(found.runs) == 5
    assert found.skipped == ()
    assert failed_gates(found.checks) == []
    treatment = found.run("treatment")
    assert treatment is not None
    estimates = [
        treatment.quantity(name).ml.estimate for name in ("Intercept", "treat", "days", "days:treat")
    ]
    np.testing.assert_allclose(estimates, [167.46, -3.11, -2.42, 5.54], atol=0.005)
    assert treatment.ml.deviance == pytest.approx(12680.5, abs=0.05)
    assert treatment.ml.sigma**2 == pytest.approx(1229.93, abs=0.05)


@pytest.mark.slow
def test_all_models_of_the_built_in_study_have_converged_ml_and_reml_fits() -> None:
    """77 models on the default cohort: each runs, each optimisation reached its optimum."""
    study = load_study("folmo2020")
    found = run_study(study, simulate_cohort(study, 2020), RunSettings(engine="none"))
    assert len(found.runs) == len(study.models) == 77
    assert found.skipped == ()
    assert all(run.ml.converged and run.reml.converged for run in found.runs)
    assert failed_gates(found.checks) == []


@pytest.mark.slow
def test_nuts_is_stored_reused_and_agrees_with_the_collapsed_engine(tmp_path: Path) -> None:
    """A short run by NUTS passes the agreement check; a second run only reads."""
    settings = RunSettings(
        engine="pymc", seed=3, models=("tasks_growth",), sampler=SamplerSettings(draws=400, tune=400)
    )
    found = run_study(STUDY, DATA, settings, store=tmp_path)
    agreement = [c for c in found.checks if c.name.startswith("agreement")]
    assert [c.status for c in agreement] == ["pass"]
    lines: list[str] = []
    again = run_study(STUDY, DATA, settings, store=tmp_path, report=lines.append)
    assert any("stored posterior reused" in line for line in lines)
    assert _answers(found, "tasks_growth") == _answers(again, "tasks_growth")


def test_ml_of_a_run_is_that_of_the_engine_behind_it(results: StudyResults) -> None:
    """The pipeline passes design and rows on without touching them."""
    run = results.run("paranoid")
    assert run is not None
    direct = fit_mixed(run.design, run.rows, model_id="paranoid")
    assert direct.deviance == pytest.approx(run.ml.deviance, abs=1e-8)
