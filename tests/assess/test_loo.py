"""Predictive scores and comparisons against closed forms, and what is refused."""

from __future__ import annotations

import dataclasses
import warnings

import arviz_base
import arviz_stats
import numpy as np
import pytest
from scipy import stats as distributions

from bayes_alliance.assess.loo import (
    TARGETS,
    Score,
    Target,
    pointwise_density,
    psis_loo,
    refit_patients,
    score_model,
    sum_error,
)
from bayes_alliance.assess.loo_compare import ComparedModel, clear_winner, compare_models
from bayes_alliance.errors import RowsDifferError
from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, PosteriorFit
from bayes_alliance.inference.ml import fit_mixed, score_aic
from bayes_alliance.inference.priors import CoefficientPriors
from tests.known_posteriors import (
    SIGMA,
    conjugate_beta,
    conjugate_posterior,
    covariance_of,
    made_up_posterior,
    make_design,
    make_rows,
    posterior_around_ml,
    rows_used,
)

SMALL = "y ~ time + (time | patient)"
LARGE = "y ~ time + poor:time + (time | patient)"


def _mvn_logpdf(y: Array, mean: Array, covariance: Array) -> float:
    return float(distributions.multivariate_normal(mean, covariance).logpdf(y))


@pytest.fixture(scope="module")
def design() -> Design:
    return make_design(make_rows(30))


@pytest.fixture(scope="module")
def posterior(design: Design) -> PosteriorFit:
    return conjugate_posterior(design)


def test_new_patient_score_is_the_exact_leave_one_patient_out_density(
    design: Design, posterior: PosteriorFit
) -> None:
    """PSIS agrees with the closed-form predictive density of each patient given all others."""
    score = score_model(posterior, design, "new_patient", seed=1)
    exact = []
    for patient in range(design.n_patients):
        mine = design.patient_index == patient
        mean, covariance = conjugate_beta(design, without=patient)
        x = design.x[mine]
        exact.append(
            _mvn_logpdf(design.y[mine], x @ mean, covariance_of(design.z[mine]) + x @ covariance @ x.T)
        )
    assert score.n_units == 30
    assert score.n_bad_k == 0
    np.testing.assert_allclose(score.elpd_i, exact, atol=0.05)
    assert score.elpd == pytest.approx(sum(exact), abs=0.15)
    assert score.se == pytest.approx(np.sqrt(30) * np.std(score.elpd_i, ddof=1))


def test_new_visit_density_is_the_conditional_of_a_dense_normal(design: Design) -> None:
    """For any draw, each visit's density is that of the multivariate normal given the patient's others."""
    rng = np.random.default_rng(8)
    beta = rng.normal([4.0, 0.1, 0.0], 0.3, (1, 3, 3))
    sd = np.array([[[0.9, 0.2], [0.3, 0.0], [0.0, 0.1]]])
    correlation, sigma = np.array([[-0.5, 0.9, 0.2]]), np.array([[0.4, 0.8, 0.3]])
    fit = made_up_posterior(design, beta=beta, sd=sd, correlation=correlation, sigma=sigma)
    found = pointwise_density(fit, design, "new_visit", seed=1)[0]
    for draw in range(3):
        for row in (0, 3, 77, 149):
            mine = np.flatnonzero(design.patient_index == design.patient_index[row])
            others = mine[mine != row]
            covariance = covariance_of(
                design.z[mine], sd=sd[0, draw], correlation=correlation[0, draw], sigma=sigma[0, draw]
            )
            me, rest = mine == row, mine != row
            weights = np.linalg.solve(covariance[np.ix_(rest, rest)], covariance[np.ix_(rest, me)])[:, 0]
            residual = design.y - design.x @ beta[0, draw]
            variance = covariance[np.ix_(me, me)].item() - weights @ covariance[np.ix_(rest, me)][:, 0]
            expected = distributions.norm(weights @ residual[others], np.sqrt(variance)).logpdf(residual[row])
            assert found[draw, row] == pytest.approx(expected, abs=1e-9)


def test_patients_densities_are_dense_normals_and_sum_to_that_of_all_rows(
    design: Design, posterior: PosteriorFit
) -> None:
    """The new-patient density of a draw is each patient's dense multivariate normal."""
    found = pointwise_density(posterior, design, "new_patient", seed=1)
    assert found.shape == (4, 1000, 30)
    residual = design.y - design.x @ posterior.beta[2, 17]
    dense = [
        _mvn_logpdf(residual[mine], np.zeros(mine.sum()), covariance_of(design.z[mine]))
        for mine in (design.patient_index == i for i in range(30))
    ]
    np.testing.assert_allclose(found[2, 17], dense, atol=1e-9)


def test_conditional_density_at_vanishing_effects_is_that_of_independent_rows(design: Design) -> None:
    """Without random effects the conditional density is an ordinary normal regression's."""
    beta = np.tile([4.0, 0.1, -0.2], (1, 2, 1))
    fit = made_up_posterior(design, beta=beta, sd=np.full((1, 2, 2), 1e-9), sigma=0.7)
    found = pointwise_density(fit, design, "new_visit_conditional", seed=1)
    expected = distributions.norm(design.x @ beta[0, 0], 0.7).logpdf(design.y)
    np.testing.assert_allclose(found[0, 0], expected, atol=1e-6)


def test_an_unknown_target_is_refused(design: Design, posterior: PosteriorFit) -> None:
    """A misspelt target does not quietly become another one."""
    with pytest.raises(ValueError, match=r"new_patients.*allowed: new_patient, new_visit"):
        pointwise_density(posterior, design, "new_patients", seed=1)  # type: ignore[arg-type]


def test_conditional_score_is_harder_to_compute_than_the_integrated_one(
    design: Design, posterior: PosteriorFit
) -> None:
    """Both predict a visit from the others; with effects as parameters the weights are far more uneven."""
    integrated = score_model(posterior, design, "new_visit", seed=1)
    conditional = score_model(posterior, design, "new_visit_conditional", seed=1)
    assert np.mean(conditional.pareto_k) > np.mean(integrated.pareto_k) + 0.1
    assert conditional.p_loo > 5 * integrated.p_loo
    assert conditional.elpd == pytest.approx(integrated.elpd, abs=0.05 * abs(integrated.elpd))


def test_a_new_patient_is_harder_to_predict_than_a_new_visit(design: Design, posterior: PosteriorFit) -> None:
    """Knowing a patient's other visits raises the predictive density of each."""
    scores = {target: score_model(posterior, design, target, seed=1).elpd for target in TARGETS}
    assert scores["new_patient"] < scores["new_visit"]


def test_smoothed_weights_sum_to_one(design: Design, posterior: PosteriorFit) -> None:
    """For each unit the weights are a distribution over draws."""
    weights = np.exp(psis_loo(posterior, design, "new_patient", seed=1).log_weights)
    assert weights.shape == (30, 4000)
    assert np.all(weights >= 0.0)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)


@pytest.mark.parametrize("target", TARGETS)
def test_scores_are_those_of_arvizs_loo(design: Design, posterior: PosteriorFit, target: Target) -> None:
    """ArviZ, given the same pointwise densities, finds the same score, standard error, p_loo and Pareto k."""
    values = pointwise_density(posterior, design, target, seed=1)
    tree = arviz_base.from_dict(
        {
            "posterior": {"beta": posterior.beta, "sd": posterior.sd, "sigma": posterior.sigma},
            "log_likelihood": {"density": values},
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = arviz_stats.loo(tree, pointwise=True)
    found = score_model(posterior, design, target, seed=1)
    np.testing.assert_allclose(found.elpd_i, expected.elpd_i.values, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.pareto_k, expected.pareto_k.values, rtol=0, atol=1e-12)
    assert (found.elpd, found.p_loo) == pytest.approx((expected.elpd, expected.p))
    if target == "new_patient":
        assert found.se == pytest.approx(expected.se)
    batch = psis_loo(posterior, design, target, seed=1)
    np.testing.assert_allclose(batch.elpd_i, expected.elpd_i.values, rtol=0, atol=1e-12)
    np.testing.assert_allclose(batch.pareto_k, expected.pareto_k.values, rtol=0, atol=1e-12)
    assert found.elpd_data.good_k == expected.good_k
    assert found.elpd_data.warning == expected.warning


def _compare(
    formulas: tuple[str, ...], *, n_patients: int = 40, visits: int = 5, sigma: float = SIGMA
) -> tuple[list[ComparedModel], list[dict[Target, Score]]]:
    rows = make_rows(n_patients, visits, beta=(4.0, 0.1, -0.6), sigma=sigma)
    noise = np.random.default_rng(4).normal(size=n_patients).repeat(visits)
    fits, scores = [], []
    for index, formula in enumerate(formulas):
        design = make_design(rows, formula, noise=noise)
        fits.append(fit_mixed(design, rows_used(design), model_id=f"m{index}"))
        posterior = posterior_around_ml(design, model_id=f"m{index}")
        scores.append({target: score_model(posterior, design, target, seed=2) for target in TARGETS})
    return compare_models(fits, scores), scores


def test_the_model_with_the_true_effect_is_preferred_by_aic_and_by_the_new_patient_score() -> None:
    """A slope deviation of -0.6 is found; differences are from the best, weights sum to one."""
    (small, large), scores = _compare((SMALL, LARGE))
    assert (large.aic_diff, large.elpd_diff["new_patient"]) == (0.0, 0.0)
    assert small.aic_diff > 10.0
    assert small.elpd_diff["new_patient"] < -5.0
    assert small.p_worse["new_patient"] > 0.99
    assert large.weight["new_patient"] > 0.9
    assert small.weight["new_patient"] + large.weight["new_patient"] == pytest.approx(1.0)
    difference = scores[0]["new_patient"].elpd_i - scores[1]["new_patient"].elpd_i
    assert small.elpd_diff["new_patient"] == pytest.approx(difference.sum())
    assert small.se_diff["new_patient"] == pytest.approx(np.sqrt(40 * np.var(difference)))
    assert small.elpd["new_patient"] == scores[0]["new_patient"].elpd


def test_errors_of_scores_of_visits_are_those_of_sums_by_patient() -> None:
    """Score and difference: the SE of a sum over 40 patients, each with the sum of its visits."""
    (small, _), scores = _compare((SMALL, LARGE))
    index = scores[0]["new_visit"].patient
    assert index is not None
    sums = np.bincount(index, scores[0]["new_visit"].elpd_i)
    assert scores[0]["new_visit"].se == pytest.approx(np.sqrt(40 * np.var(sums, ddof=1)))
    difference = scores[0]["new_visit"].elpd_i - scores[1]["new_visit"].elpd_i
    by_patient = np.bincount(index, difference)
    assert small.se_diff["new_visit"] == pytest.approx(np.sqrt(40 * np.var(by_patient, ddof=1)))
    z = -small.elpd_diff["new_visit"] / small.se_diff["new_visit"]
    assert small.p_worse["new_visit"] == pytest.approx(distributions.norm.cdf(z))


def test_errors_by_patient_are_larger_where_visits_of_a_patient_agree() -> None:
    """Four visits with the same score each count as one: the SE doubles; independent visits leave it alone."""
    rng = np.random.default_rng(1)
    once, index = rng.normal(size=4000), np.repeat(np.arange(4000), 4)
    alike = np.repeat(once, 4)
    assert sum_error(alike, index) == pytest.approx(2.0 * sum_error(alike), rel=0.01)
    apart = rng.normal(size=16000)
    assert sum_error(apart, index) == pytest.approx(sum_error(apart), rel=0.03)


def test_a_lead_of_few_points_or_of_few_errors_is_not_clear() -> None:
    """Below four points, or below two SEs, nobody wins."""
    (small, large), _ = _compare((SMALL, LARGE))

    def winner(lead: float, error: float) -> str | None:
        other = dataclasses.replace(
            small,
            elpd={"new_patient": -100.0 - lead},
            elpd_diff={"new_patient": -lead},
            se_diff={"new_patient": error},
        )
        best = dataclasses.replace(large, elpd={"new_patient": -100.0}, elpd_diff={"new_patient": 0.0})
        return clear_winner([other, best], "new_patient")

    assert winner(10.0, 4.0) == large.model_id
    assert winner(10.0, 6.0) is None
    assert winner(3.9, 0.5) is None
    assert clear_winner([small], "new_patient") is None


def test_the_monte_carlo_error_is_how_far_other_draws_move_the_score() -> None:
    """Over forty posteriors of other seeds the score's SD is the error that each tells."""
    design = make_design(make_rows(20))
    scores = [
        score_model(conjugate_posterior(design, seed=s), design, "new_patient", seed=1) for s in range(40)
    ]
    spread = float(np.std([score.elpd for score in scores], ddof=1))
    assert 0.6 * spread < np.median([score.mcse for score in scores]) < 1.7 * spread


def test_aic_is_that_of_the_ml_fit() -> None:
    """The comparison shows AIC = deviance + 2 (fixed + covariance parameters)."""
    rows = make_rows(40)
    design = make_design(rows, SMALL)
    fit = fit_mixed(design, rows_used(design), model_id="m")
    score = {
        "new_patient": score_model(posterior_around_ml(design, model_id="m"), design, "new_patient", seed=1)
    }
    (line,) = compare_models([fit], [score])  # type: ignore[list-item]
    assert line.n_parameters == 2 + 4
    assert line.aic == pytest.approx(fit.deviance + 2 * 6) == score_aic(fit, "ml")
    assert (line.aic_diff, line.elpd_diff["new_patient"], line.weight["new_patient"]) == (0.0, 0.0, 1.0)


def test_an_irrelevant_predictor_makes_no_difference_that_counts() -> None:
    """A predictor of pure noise stays within two standard errors."""
    (small, noisy), _ = _compare((SMALL, "y ~ time + noise + (time | patient)"))
    diff = min(small.elpd_diff["new_patient"], noisy.elpd_diff["new_patient"])
    se = max(small.se_diff["new_patient"], noisy.se_diff["new_patient"])
    assert abs(diff) < 2.0 * se + 1.0


def test_stacking_survives_patients_with_very_low_joint_density() -> None:
    """Joint densities of hundreds of noisy visits lie below exp(-745); the better model still leads."""
    (small, large), scores = _compare((SMALL, LARGE), n_patients=10, visits=300, sigma=8.0)
    assert max(score["new_patient"].elpd_i.max() for score in scores) < -745.0
    assert small.elpd_diff["new_patient"] < -4.0
    assert large.weight["new_patient"] > 0.9
    assert small.weight["new_patient"] + large.weight["new_patient"] == pytest.approx(1.0)


def test_order_of_models_does_not_matter() -> None:
    """Listing the models the other way round gives every line the same numbers."""
    forward, _ = _compare((SMALL, LARGE))
    rows = make_rows(40, beta=(4.0, 0.1, -0.6))
    fits, scores = [], []
    for index, formula in ((1, LARGE), (0, SMALL)):
        design = make_design(rows, formula)
        fits.append(fit_mixed(design, rows_used(design), model_id=f"m{index}"))
        posterior = posterior_around_ml(design, model_id=f"m{index}")
        scores.append({target: score_model(posterior, design, target, seed=2) for target in TARGETS})
    backward = {line.model_id: line for line in compare_models(fits, scores)}
    for line in forward:
        other = backward[line.model_id]
        assert other.elpd_diff == pytest.approx(line.elpd_diff)
        assert other.weight == pytest.approx(line.weight, abs=1e-4)


def test_models_on_different_rows_are_refused_and_every_n_is_printed() -> None:
    """A model fitted to other rows cannot enter; the message gives patients and rows of each."""
    fits, scores = [], []
    for name, n_patients, digest in (("few", 12, "a"), ("many", 30, "b")):
        design = make_design(make_rows(n_patients), SMALL)
        fits.append(fit_mixed(design, rows_used(design, digest), model_id=name))
        posterior = posterior_around_ml(design, digest=digest, model_id=name)
        scores.append({"new_patient": score_model(posterior, design, "new_patient", seed=1)})
    with pytest.raises(RowsDifferError) as caught:
        compare_models(fits, scores)  # type: ignore[arg-type]
    for part in ("few (ML): 12 patients, 60 rows", "many (new_patient): 30 patients, 150 rows"):
        assert part in str(caught.value)


def test_an_ml_fit_on_other_rows_than_its_score_is_refused(design: Design) -> None:
    """AIC and LOO of one line have to rest on the same rows."""
    score = score_model(posterior_around_ml(design, model_id="m"), design, "new_patient", seed=1)
    fit = fit_mixed(design, rows_used(design, "other"), model_id="m")
    with pytest.raises(RowsDifferError, match=r"m \(ML\): 30 patients, 150 rows; m \(new_patient\)"):
        compare_models([fit], [{"new_patient": score}])


def test_fits_and_scores_of_different_models_are_refused(design: Design) -> None:
    """A list in another order is a mistake of the caller, not another comparison."""
    score = score_model(posterior_around_ml(design, model_id="m"), design, "new_patient", seed=1)
    fit = fit_mixed(design, rows_used(design), model_id="n")
    with pytest.raises(ValueError, match="same models in the same order"):
        compare_models([fit], [{"new_patient": score}])


def test_units_with_high_pareto_k_are_counted(design: Design, posterior: PosteriorFit) -> None:
    """n_bad_k counts what lies above 0.7."""
    score = score_model(posterior, design, "new_patient", seed=1)
    raised = dataclasses.replace(score, pareto_k=np.array([0.69, 0.7, 0.71, 1.2]))
    assert raised.n_bad_k == 2


PRIORS = CoefficientPriors(
    name="weak",
    mean=np.array([4.0, 0.0, 0.0]),
    sd=np.array([2.0, 1.0, 1.0]),
    sd_scale=np.array([1.5, 0.5]),
    sigma_scale=1.0,
    lkj_eta=2.0,
)


@pytest.fixture(scope="module")
def scored(design: Design) -> Score:
    """Score a new patient under a posterior that knows nothing of the truth."""
    fit = fit_collapsed(
        design,
        rows_used(design),
        PRIORS,
        seed=4,
        model_id="m",
        settings=CollapsedSettings(draws=8000),
    )
    return score_model(fit, design, "new_patient", seed=1)


def test_patients_whom_psis_cannot_leave_out_are_refitted_without(design: Design, scored: Score) -> None:
    """A spoilt score with a high Pareto k is replaced by the exact one, every sum follows, others stay."""
    elpd_i, pareto_k = scored.elpd_i.copy(), scored.pareto_k.copy()
    elpd_i[[3, 8]], pareto_k[[3, 8]] = -99.0, 0.9
    spoilt = dataclasses.replace(scored, elpd=float(elpd_i.sum()), elpd_i=elpd_i, pareto_k=pareto_k)
    found = refit_patients(spoilt, design, PRIORS, seed=5)
    assert (found.n_refitted, found.n_bad_k) == (2, 0)
    np.testing.assert_allclose(found.elpd_i[[3, 8]], scored.elpd_i[[3, 8]], atol=0.05)
    others = np.delete(np.arange(30), [3, 8])
    np.testing.assert_array_equal(found.elpd_i[others], scored.elpd_i[others])
    assert found.elpd == pytest.approx(found.elpd_i.sum())
    assert found.se == pytest.approx(np.sqrt(30) * np.std(found.elpd_i, ddof=1))
    # the log density of the data at the posterior, elpd + p_loo, is not touched
    assert found.elpd + found.p_loo == pytest.approx(spoilt.elpd + spoilt.p_loo)
    record = found.elpd_data
    assert (record.elpd, record.se, record.p, record.warning) == (found.elpd, found.se, found.p_loo, False)
    np.testing.assert_array_equal(record.elpd_i.values, found.elpd_i)


def test_everyone_can_be_refitted(design: Design, scored: Score) -> None:
    """Exact scores of all patients are near PSIS's; without need or wish nothing is refitted."""
    found = refit_patients(scored, design, PRIORS, seed=6, everyone=True)
    assert found.n_refitted == 30
    assert not np.any(found.elpd_i == scored.elpd_i)
    np.testing.assert_allclose(found.elpd_i, scored.elpd_i, atol=0.1)
    assert refit_patients(scored, design, PRIORS, seed=6) is scored


def test_only_a_new_patient_is_refitted(design: Design, posterior: PosteriorFit) -> None:
    """Leaving a visit out has no exact refit here, and asking for one is refused."""
    visit = score_model(posterior, design, "new_visit", seed=1)
    with pytest.raises(ValueError, match="only the new-patient score"):
        refit_patients(visit, design, PRIORS, seed=1)


@pytest.mark.parametrize("target", TARGETS)
def test_arviz_compares_and_stacks_our_records(target: Target) -> None:
    """``az.compare`` takes every score's record as it is and gives the differences and weights of our table."""
    lines, scores = _compare((SMALL, LARGE))
    records = {score[target].model_id: score[target].elpd_data for score in scores}
    table = arviz_stats.compare(records, method="stacking", round_to="none")
    for line in lines:
        row = table.loc[line.model_id]
        assert float(row["elpd_diff"]) == pytest.approx(line.elpd_diff[target])
        assert float(row["weight"]) == pytest.approx(line.weight[target], abs=0.01)
    assert list(table.index) == ["m1", "m0"]
