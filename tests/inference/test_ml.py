import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from bayes_alliance.errors import FitError
from bayes_alliance.inference.design import build_design
from bayes_alliance.inference.fits import MixedFit, RowsUsed
from bayes_alliance.inference.ml import (
    compare_means,
    compare_nested,
    compare_shares,
    estimate_effect,
    fit_mixed,
    score_aic,
    two_sided_p,
)
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Source
from tests.reference_fits import lme4_fits, r_name, reference_design, rows_used

FITS = lme4_fits()
IDS = [f"{f['dataset']}-{f['method']}-{f['covariance']}" for f in FITS]


def fit_like(answer):
    design = reference_design(answer)
    if answer["covariance"] == "RI":
        design = dataclasses.replace(design, z=design.z[:, :1], z_names=design.z_names[:1])
    covariance = "VC" if answer["covariance"] == "VC" else "UN"
    return fit_mixed(design, rows_used(design), method=answer["method"], covariance=covariance)


def in_r_order(fit: MixedFit, answer):
    position = {r_name(name): index for index, name in enumerate(fit.x_names)}
    return [position[name] for name in answer["fixed"]]


@pytest.mark.parametrize("answer", FITS, ids=IDS)
def test_fit_agrees_with_lme4(answer):
    """ML and REML agree with lme4 on 13 public data sets, singular fits among them, at the stated tolerances.

    -2 log likelihood within 0.01 (and never worse by more than 1e-4), fixed effects within 1 % of their SE,
    SEs and SDs within 0.5 %, correlation within 0.01, AIC within 0.01.
    """
    fit = fit_like(answer)
    order = in_r_order(fit, answer)
    se = np.array(list(answer["se"].values()))
    assert fit.converged
    assert abs(fit.deviance - answer["minus2ll"]) < 0.01
    assert fit.deviance < answer["minus2ll"] + 1e-4
    assert np.all(np.abs(fit.beta[order] - list(answer["fixed"].values())) < 0.01 * se)
    assert np.allclose(np.sqrt(np.diag(fit.beta_cov))[order], se, rtol=0.005)
    sds = np.array(list(answer["sd_random"].values()))
    assert np.allclose(fit.sd, sds, rtol=0.005, atol=1e-3 * answer["sd_residual"])
    assert math.isclose(fit.sigma, answer["sd_residual"], rel_tol=0.005)
    assert fit.singular == answer["singular"]
    if answer["correlation"] is not None:
        assert abs(fit.correlation - answer["correlation"]) < 0.01
    assert abs(score_aic(fit, "ml" if fit.method == "ML" else "lme4_reml") - answer["aic"]) < 0.01


@pytest.mark.parametrize(
    "answer",
    [f for f in FITS if not f["singular"]],
    ids=[i for i, f in zip(IDS, FITS, strict=True) if not f["singular"]],
)
def test_satterthwaite_agrees_with_lmertest(answer):
    """Degrees of freedom agree with lmerTest within 1 % (0.5 % of p) wherever the fit is not singular."""
    fit = fit_like(answer)
    for name in fit.x_names:
        effect = estimate_effect(fit, [(name, 1.0)])
        assert math.isclose(effect.df, answer["df"][r_name(name)], rel_tol=0.01), name
        assert math.isclose(effect.p, answer["p"][r_name(name)], rel_tol=0.02, abs_tol=1e-6), name


@pytest.mark.parametrize(
    "answer",
    [f for f in FITS if f.get("lr_test")],
    ids=[i for i, f in zip(IDS, FITS, strict=True) if f.get("lr_test")],
)
def test_likelihood_ratio_agrees_with_lme4(answer):
    """The likelihood-ratio statistic of the random slope and its naive p value agree with lme4."""
    design = reference_design(answer)
    smaller = dataclasses.replace(design, z=design.z[:, :1], z_names=design.z_names[:1])
    test = compare_nested(fit_mixed(smaller, rows_used(design)), fit_like(answer))
    assert abs(test.statistic - max(answer["lr_test"]["statistic"], 0.0)) < 0.02
    assert test.df == answer["lr_test"]["df"]
    # lme4 ran Dyestuff-like intercept models too; the mixture is defined for one added effect
    assert test.p_mixture <= test.p_naive


def medication(**changes):
    answer = next(f for f in FITS if f["dataset"] == "medication" and f["covariance"] == "UN")
    return dataclasses.replace(reference_design(answer), **changes)


def test_unit_of_time_changes_only_units():
    """Time in hours instead of days leaves the likelihood and every t test as they were."""
    design = medication()
    hours = np.array([24.0 if "time" in name else 1.0 for name in design.x_names])
    other = dataclasses.replace(design, x=design.x * hours, z=design.z * [1.0, 24.0])
    for method in ("ML", "REML"):
        a, b = (fit_mixed(d, rows_used(d), method=method) for d in (design, other))
        shift = 2.0 * np.log(hours).sum() if method == "REML" else 0.0
        assert math.isclose(a.deviance, b.deviance - shift, abs_tol=1e-5)
        assert math.isclose(a.sd[1], 24.0 * b.sd[1], rel_tol=1e-4)
        for name in design.x_names:
            first, second = (estimate_effect(f, [(name, 1.0)]) for f in (a, b))
            assert math.isclose(first.estimate / first.se, second.estimate / second.se, rel_tol=1e-4)
            assert math.isclose(first.df, second.df, rel_tol=1e-3)


@pytest.mark.parametrize("unit", [1e-9, 1e6])
def test_unit_of_the_outcome_changes_only_units(unit):
    """Mol per litre instead of nanomol: t, degrees of freedom and p are the same (lmerTest: 9.02 and 0.066 there)."""
    design = medication()
    other = dataclasses.replace(design, y=design.y * unit)
    for method in ("ML", "REML"):
        a, b = (fit_mixed(d, rows_used(d), method=method) for d in (design, other))
        for name in design.x_names:
            first, second = (estimate_effect(f, [(name, 1.0)]) for f in (a, b))
            assert math.isclose(first.estimate / first.se, second.estimate / second.se, rel_tol=1e-4)
            assert math.isclose(first.df, second.df, rel_tol=1e-3)


def test_far_origin_of_time_is_harmless():
    """Calendar years as time give the likelihood of years since the start."""
    design = medication()
    shifted = design.z.copy()
    shifted[:, 1] += 2000.0
    x = design.x.copy()
    time, treat, both = (design.x_names.index(n) for n in ("time", "treat", "time:treat"))
    x[:, time] += 2000.0
    x[:, both] = x[:, time] * x[:, treat]
    far = dataclasses.replace(design, x=x, z=shifted)
    assert math.isclose(
        fit_mixed(far, rows_used(far)).deviance, fit_mixed(design, rows_used(design)).deviance, abs_tol=1e-3
    )


def test_aic_dialects_count_what_they_say():
    """SPSS under REML adds 2 x 4 covariance parameters, lme4 2 x 8 parameters; ML adds 2 x 8."""
    design = medication()
    ml, reml = (fit_mixed(design, rows_used(design), method=m) for m in ("ML", "REML"))
    assert math.isclose(score_aic(ml, "ml"), ml.deviance + 16.0)
    assert math.isclose(score_aic(reml, "spss_reml"), reml.deviance + 8.0)
    assert math.isclose(score_aic(reml, "lme4_reml"), reml.deviance + 16.0)
    with pytest.raises(ValueError, match="does not apply"):
        score_aic(reml, "ml")


def test_independent_effects_never_fit_better_than_correlated_ones():
    """Freeing the correlation cannot raise the deviance, and costs one parameter."""
    design = medication()
    vc, un = (fit_mixed(design, rows_used(design), covariance=c) for c in ("VC", "UN"))
    assert un.deviance <= vc.deviance
    assert un.n_covariance == vc.n_covariance + 1
    assert vc.correlation == 0.0


def test_mixture_is_half_of_two_chi_squares():
    """The mixture p value of a random slope is the mean of chi-square(1) and chi-square(2) tails."""
    design = medication()
    smaller = dataclasses.replace(design, z=design.z[:, :1], z_names=design.z_names[:1])
    test = compare_nested(fit_mixed(smaller, rows_used(design)), fit_mixed(design, rows_used(design)))
    expected = 0.5 * (scipy_stats.chi2.sf(test.statistic, 1) + scipy_stats.chi2.sf(test.statistic, 2))
    assert math.isclose(test.p_mixture, expected, rel_tol=1e-9)
    assert math.isclose(test.p_naive, scipy_stats.chi2.sf(test.statistic, 2), rel_tol=1e-9)


def test_nested_comparison_refuses_other_rows():
    """A likelihood ratio across different rows is refused."""
    design = medication()
    fit = fit_mixed(design, rows_used(design))
    other = dataclasses.replace(fit, rows=dataclasses.replace(fit.rows, digest="other"))
    with pytest.raises(ValueError, match="same rows"):
        compare_nested(fit, other)


def test_perfect_fit_is_refused():
    """An outcome without residual has no variance to estimate; the error says so."""
    design = medication()
    with pytest.raises(FitError, match="without any residual"):
        fit_mixed(dataclasses.replace(design, y=design.x @ np.ones(4)), rows_used(design))


def test_zero_slope_variance_is_found_and_reported():
    """Data without any slope variance beyond chance give a singular fit, not a failure."""
    rng = np.random.default_rng(5)
    design = medication()
    noise = rng.standard_normal(design.n_rows)
    centred = (
        noise - np.array([noise[design.patient_index == i].mean() for i in range(64)])[design.patient_index]
    )
    fit = fit_mixed(dataclasses.replace(design, y=centred), rows_used(design))
    assert fit.singular
    assert fit.converged


def test_two_sided_p_is_students_t():
    """P values are those of Student's t; without degrees of freedom there is none."""
    assert math.isclose(two_sided_p(-2.3, 17.5), 2 * scipy_stats.t.sf(2.3, 17.5), rel_tol=1e-9)
    assert math.isnan(two_sided_p(2.0, float("nan")))


def test_group_tests_agree_with_scipy():
    """The tests of a baseline table are Student's pooled t and Pearson's chi-square without correction."""
    rng = np.random.default_rng(3)
    a, b = rng.normal(26, 6, 84), rng.normal(30, 6, 64)
    t = scipy_stats.ttest_ind(a, b)
    ours = compare_means([*a, float("nan")], b)
    assert (ours.n, ours.df) == ((84, 64), 146)
    assert math.isclose(ours.statistic, t.statistic, rel_tol=1e-9)
    assert math.isclose(ours.p, t.pvalue, rel_tol=1e-9)
    chi2 = scipy_stats.chi2_contingency([[6, 78], [10, 54]], correction=False)
    shares = compare_shares((6, 84), (10, 64))
    assert math.isclose(shares.statistic, chi2.statistic, rel_tol=1e-9)
    assert math.isclose(shares.p, chi2.pvalue, rel_tol=1e-9)


def test_the_better_of_two_optima_is_found():
    """Where the likelihood has one optimum inside and a better one at a correlation of -1, ML is the latter.

    Synthetic scores; lme4 1.1-31 gives AIC 1470.274 with its default optimiser and 1470.248 with bobyqa.
    """
    path = Path(__file__).parents[1] / "reference" / "data" / "two_optima.csv"
    rows = pd.read_csv(path)
    design = build_design(parse_formula("tasks ~ months*poor*ppd + (months | patient)"), rows)
    used = RowsUsed(n_rows=len(rows), n_patients=design.n_patients, digest="", source=Source.SYNTHETIC)
    fit = fit_mixed(design, used)
    assert score_aic(fit, "ml") == pytest.approx(1470.248, abs=0.005)
    assert fit.singular and fit.correlation == pytest.approx(-1.0, abs=1e-6)
