"""Studies of several levels and correlated residuals: planned, fitted, scored and kept as every other study."""

from __future__ import annotations

import dataclasses
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bayes_alliance.assess.loo import score_model
from bayes_alliance.assess.loo_structured import refit_units
from bayes_alliance.assess.posterior_predictive import simulate_replicates
from bayes_alliance.claims.choices import Multiverse
from bayes_alliance.claims.from_posterior import Evaluator
from bayes_alliance.claims.ledger_file import load_claims
from bayes_alliance.claims.prior_suite import PriorVariant
from bayes_alliance.data.rows import StudyData, data_from_frame, read_data
from bayes_alliance.errors import InputError
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.engines import HANDED_OVER, fit_posterior
from bayes_alliance.inference.fits import Array, PosteriorFit
from bayes_alliance.inference.lmm.densities import (
    cluster_densities,
    joint_densities,
    patient_densities,
    visit_predictions,
)
from bayes_alliance.inference.lmm.fit_design import draw_structured, structured_of
from bayes_alliance.inference.ml import estimate_effect, fit_mixed
from bayes_alliance.inference.priors import coefficient_priors
from bayes_alliance.run.levels import tell_levels
from bayes_alliance.run.plan import Plan, PlannedModel, plan_study
from bayes_alliance.run.posterior_store import design_digest, fit_record, load_fit, store_fit
from bayes_alliance.study.load_study import load_study, models_folder
from bayes_alliance.study.records import Source, Study
from bayes_alliance.study.structured_formula import parse_structured

CHOICES = Multiverse(
    priors=("neutral",), covariances=("UN",), axes=(), models=(), curves=(), cohorts=0, digest=""
)


@cache
def planned(name: str) -> tuple[Study, StudyData, Plan]:
    """A study that ships, its data and its plan."""
    study = load_study(name)
    data = read_data(study, models_folder() / name / study.data.file)
    return study, data, plan_study(study, data)


def model_of(name: str, model_id: str) -> PlannedModel:
    return {p.model.id: p for p in planned(name)[2].own}[model_id]


def few_schools() -> tuple[Study, StudyData]:
    """The first children of seven schools, so that a dense covariance is small."""
    study = load_study("egsingle")
    frame = pd.read_csv(models_folder() / "egsingle" / "egsingle.csv")
    schools = frame["schoolid"].unique()[:7]
    kept = frame[frame["schoolid"].isin(schools)]
    some = kept.groupby("schoolid")["childid"].unique().map(lambda ids: set(ids[:6]))
    kept = kept[
        [child in some[school] for school, child in zip(kept["schoolid"], kept["childid"], strict=True)]
    ]
    return study, data_from_frame(study, kept, source=Source.REAL, origin="a few schools")


@pytest.mark.parametrize("model_id", ["means", "lines", "parallel", "toeplitz", "autoregressive"])
def test_published_deviances_print_again(model_id: str) -> None:
    """ML gives the -2 log likelihood and number of parameters that Verbeke and Molenberghs print from SAS."""
    study, _, plan = planned("verbeke2000")
    item = {p.model.id: p for p in plan.own}[model_id]
    fit = fit_mixed(item.design, item.rows, model_id=model_id)
    (cell,) = [c for c in study.cells if c.model == model_id and c.quantity == "deviance"]
    assert f"{fit.deviance:.3f}" == cell.printed
    printed_parameters = {"means": 18, "lines": 14, "parallel": 13, "toeplitz": 8, "autoregressive": 6}
    assert fit.n_fixed + fit.n_covariance == printed_parameters[model_id]


def test_published_means_and_errors_print_again() -> None:
    """Means of visits under an unstructured covariance and their standard errors are those printed."""
    study, _, _ = planned("verbeke2000")
    item = model_of("verbeke2000", "means")
    fit = fit_mixed(item.design, item.rows)
    named = {e.name: e.weights for e in item.model.estimands}
    cells = [c for c in study.cells if c.model == "means" and c.quantity in ("estimate", "se")]
    assert len(cells) == 16
    for cell in cells:
        effect = estimate_effect(fit, named[cell.coefficient])
        value = effect.estimate if cell.quantity == "estimate" else effect.se
        assert f"{value:.4f}" == cell.printed


def test_published_null_model_of_three_levels_prints_again() -> None:
    """Stata's log likelihood, mean and standard error for 7,230 scores of children within schools."""
    item = model_of("egsingle", "null")
    fit = fit_mixed(item.design, item.rows)
    effect = estimate_effect(fit, [("Intercept", 1.0)])
    assert f"{-0.5 * fit.deviance:.2f}" == "-12652.99"
    assert f"{effect.estimate:.6f}" == "-0.510021"
    assert np.isclose(effect.se, 0.0779639, atol=5e-7)  # Stata stops 2e-7 short


def drawn(design: Design, study: Study, item: PlannedModel, draws: int = 8) -> PosteriorFit:
    priors = coefficient_priors(study, design, study.priors[0].name)
    fit = draw_structured(design, item.rows, priors, seed=3, draws=max(draws, 400), pool=2.0)
    return fit.thin(draws)


def dense(fit: PosteriorFit, design: Design, draw: int) -> tuple[Array, Array, Array, Array]:
    """Residuals, covariance of all rows, patient and cluster of each row, by brute force, in the structured order."""
    about = structured_of(design)
    rows, structure = about.rows, about.structure
    flat = {k: v.reshape(fit.n_draws, *v.shape[2:])[draw] for k, v in fit.covariance_draws.items()}
    beta = fit.beta.reshape(fit.n_draws, -1)[draw]
    same_patient = rows.patient[:, None] == rows.patient
    same_cluster = (rows.cluster[:, None] == rows.cluster) & (rows.cluster >= 0)
    sd = flat["residual_sd"][rows.group]
    correlation = structure.residual.correlation(flat["residual"][None], rows.position[None])[0, 0]
    whole = same_patient * (rows.z @ flat["patient_cov"] @ rows.z.T + correlation * sd[:, None] * sd)
    whole = whole + same_cluster * (rows.w @ flat["cluster_cov"] @ rows.w.T)
    return rows.y - rows.x @ beta, whole, about.patient_of[rows.patient], rows.cluster


@pytest.mark.parametrize("case", ["three levels", "mmrm"])
def test_predictive_densities_are_those_of_the_dense_normal(case: str) -> None:
    """Patients given others of their school, schools, and visits given all others: as the whole covariance says."""
    if case == "three levels":
        study, data = few_schools()
        item = {p.model.id: p for p in plan_study(study, data).own}["growth"]
    else:
        study, item = planned("verbeke2000")[0], model_of("verbeke2000", "toeplitz")
    design = item.design
    fit = drawn(design, study, item)
    patients, (residual, variance) = patient_densities(fit, design), visit_predictions(fit, design)
    about = structured_of(design)
    units = {}
    for patient, cluster in zip(about.patient_of[about.rows.patient], about.rows.cluster, strict=True):
        units[int(patient)] = int(cluster) if about.cluster else int(patient)
    index = {unit: k for k, unit in enumerate(dict.fromkeys(units.values()))}
    clusters = np.array([index[units[p]] for p in range(design.n_patients)])
    by_cluster = cluster_densities(fit, design, clusters)
    assert np.allclose(joint_densities(fit, design).sum(axis=1), by_cluster.sum(axis=1))
    for draw in (0, 3):
        r, v, patient, _ = dense(fit, design, draw)
        total = stats.multivariate_normal(np.zeros(len(r)), v).logpdf(r)
        assert np.isclose(by_cluster[draw].sum(), total)
        for k in (0, design.n_patients // 2):
            out = patient != k
            rest = stats.multivariate_normal(np.zeros(out.sum()), v[np.ix_(out, out)]).logpdf(r[out])
            assert np.isclose(patients[draw, k], total - rest)
        inverse = np.linalg.inv(v)
        assert np.allclose(residual[draw][about.order], inverse @ r / np.diag(inverse))
        assert np.allclose(variance[draw][about.order], 1.0 / np.diag(inverse))


def test_replicates_have_the_covariance_of_the_model() -> None:
    """Rows of many replicates from one draw vary and covary as the dense covariance says."""
    study, item = planned("verbeke2000")[0], model_of("verbeke2000", "lines")
    fit = drawn(item.design, study, item, draws=4)
    one = dataclasses.replace(
        fit,
        beta=fit.beta[:1, :1],
        sd=fit.sd[:1, :1],
        correlation=fit.correlation[:1, :1],
        sigma=fit.sigma[:1, :1],
        covariance_draws={k: v[:1, :1] for k, v in fit.covariance_draws.items()},
    )
    replicates = simulate_replicates(one, item.design, count=4000, seed=1)
    _, v, _, _ = dense(one, item.design, 0)
    order = structured_of(item.design).order
    found = np.cov(replicates[:, order[:4]].T)
    assert np.allclose(found, v[:4, :4], atol=0.35)


def test_scores_agree_with_refits_without_the_patient() -> None:
    """PSIS and the exact score of a patient left out agree within Monte-Carlo error."""
    study, item = planned("verbeke2000")[0], model_of("verbeke2000", "autoregressive")
    priors = coefficient_priors(study, item.design, "neutral")
    fit = draw_structured(item.design, item.rows, priors, seed=5, draws=4000, pool=2.0)
    score = score_model(fit, item.design, "new_patient", seed=1)
    fine = np.argsort(score.pareto_k)[:2]
    assert score.pareto_k[fine].max() < 0.3
    pretended = dataclasses.replace(score, pareto_k=np.where(np.isin(np.arange(27), fine), 0.9, 0.1))
    exact = refit_units(pretended, item.design, priors, seed=2, clusters=None, everyone=False)
    assert exact.n_refitted == 2
    assert np.allclose(exact.elpd_i[fine], score.elpd_i[fine], atol=0.06)
    others = np.setdiff1d(np.arange(27), fine)
    assert np.array_equal(exact.elpd_i[others], score.elpd_i[others])


def test_comparisons_name_what_is_predicted() -> None:
    """With schools in one of its models, a comparison scores new children, visits and schools in all of them."""
    members = planned("egsingle")[2].common["math"]
    assert {p.targets for p in members} == {("new_patient", "new_visit", "new_cluster")}
    assert all(p.clusters is not None and int(p.clusters.max()) == 59 for p in members)
    assert {p.targets for p in planned("verbeke2000")[2].common["distance"]} == {("new_patient", "new_visit")}


def test_a_stored_posterior_is_the_same(tmp_path: Path) -> None:
    """Variance quantities and covariance draws come back from the file bit by bit, and a changed one is noticed."""
    study, item = planned("verbeke2000")[0], model_of("verbeke2000", "autoregressive")
    priors = coefficient_priors(study, item.design, "neutral")
    fit = fit_posterior("pymc", item.design, item.rows, priors, item.frozen.rows, seed=1)
    assert fit.engine == "collapsed" and "pymc does not fit" in fit.facts[HANDED_OVER]
    record = fit_record(
        item.design, priors, engine="collapsed", covariance="UN", settings="", seed=1, versions=""
    )
    store_fit(tmp_path / "a.nc", fit, record)
    back = load_fit(tmp_path / "a.nc", record)
    assert isinstance(back, PosteriorFit)
    assert set(back.variances) == set(fit.variances) == {"correlation_residual one visit apart", "sigma"}
    for name, values in fit.covariance_draws.items():
        assert np.array_equal(back.covariance_draws[name], values)
    other = model_of("verbeke2000", "toeplitz")
    assert design_digest(other.design) != design_digest(item.design)


def test_claims_on_structured_models_are_judged() -> None:
    """Girls grow more slowly by every covariance; the posterior behind is the collapsed engine's."""
    study, data, _ = planned("verbeke2000")
    ledger = load_claims(study, CHOICES)
    variant = PriorVariant(id="neutral", label="Neutral", base="neutral")
    evaluator = Evaluator(study, data, CHOICES, seed=1, variant=variant, draws=2000)
    found = {result.claim_id: result for result in evaluator.judge_ledger(ledger)}
    assert found["girls_slower_ar1"].verdict.value in ("supported", "likely")
    assert found["boys_grow"].verdict.value == "supported"


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("egsingle", "(1 | school)", "(1 | shcool)", "did you mean 'school'"),
        (
            "egsingle",
            'label = "School"\nlevel = "patient"',
            'label = "School"\nlevel = "visit"',
            "needs one school",
        ),
        ("verbeke2000", 'residual = "toep(wave)"', 'residual = "teop(wave)"', "no residual structure"),
        ("verbeke2000", 'residual = "ar1(wave)"', 'residual = "ar1(visit)"', "needs numbers"),
        ("verbeke2000", 'residual = "ar1(wave)"', 'residual = "ar1(girl)"', "needs a variable of the visit"),
    ],
)
def test_study_files_are_refused_with_the_place(
    tmp_path: Path, file: str, old: str, new: str, words: str
) -> None:
    """A misspelt level or structure, and a variable that does not suit it, are named before any row is read."""
    folder = shutil.copytree(models_folder() / file, tmp_path / file)
    text = (folder / "study.toml").read_text(encoding="utf-8")
    assert old in text
    (folder / "study.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_study(folder)
    assert words in str(caught.value)


def test_crossed_factors_of_a_study_are_refused_with_reason_and_way_out() -> None:
    """Three raters of every patient: no patients are independent; ``ba.fit`` takes the model."""
    rows = pd.DataFrame({"patient": np.repeat(np.arange(6), 3), "rater": np.tile(np.arange(3), 6)})
    parts = parse_structured("y ~ 1 + (1 | patient) + (1 | rater)", "").parts
    with pytest.raises(InputError) as caught:
        tell_levels(parts, "patient", rows)
    (problem,) = caught.value.problems
    assert "no patients are independent" in problem.what and "ba.fit" in problem.fix
