import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from bayes_alliance.errors import FitError
from bayes_alliance.inference.design import build_design
from bayes_alliance.inference.ml import compare_nested, fit_mixed
from bayes_alliance.inference.ml_intervals import bootstrap_slope_test, profile_effect, profile_variance
from bayes_alliance.study.formula import parse_formula
from tests.inference.test_collapsed import simulated, used
from tests.reference_fits import REFERENCE, lme4_fits, reference_design, rows_used

PROFILES = json.loads((REFERENCE / "profile.json").read_text())["fits"]


def case(name):
    answer = next(f for f in lme4_fits() if f["dataset"] == name and f["covariance"] == "UN")
    design = reference_design(answer)
    return design, fit_mixed(design, rows_used(design), model_id=name)


@pytest.mark.parametrize("name", ["sleepstudy", "medication"])
def test_profile_intervals_agree_with_lme4(name):
    """Limits of fixed effects, SDs, correlation and residual SD agree with lme4's profiles within 1 % of the width."""
    design, fit = case(name)
    limits = PROFILES[name]["intervals"]
    theirs = {
        "sd_Intercept": ".sig01",
        "correlation": ".sig02",
        f"sd_{design.z_names[1]}": ".sig03",
        "sigma": ".sigma",
    }
    found = {key: profile_variance(fit, design, ours) for ours, key in theirs.items()}
    for column in design.x_names:
        key = "(Intercept)" if column == "Intercept" else column
        found[key] = profile_effect(fit, design, [(column, 1.0)], name=column)
    for key, interval in found.items():
        lower, upper = limits[key]
        assert abs(interval.lower - lower) < 0.01 * (upper - lower), key
        assert abs(interval.upper - upper) < 0.01 * (upper - lower), key


def test_profile_of_a_combination_is_that_of_a_recoded_coefficient():
    """The slope of the second group has the interval that it has as a coefficient of its own."""
    design, fit = case("medication")
    direct = profile_effect(fit, design, [("time", 1.0), ("time:treat", 1.0)])
    names = list(design.x_names)
    x = design.x.copy()
    time, both = names.index("time"), names.index("time:treat")
    x[:, both] = design.x[:, time] - design.x[:, both]  # time in the placebo group
    recoded = dataclasses.replace(design, x=x)
    other = profile_effect(fit_mixed(recoded, fit.rows), recoded, [("time", 1.0)])
    assert math.isclose(direct.estimate, other.estimate, rel_tol=1e-6)
    assert math.isclose(direct.lower, other.lower, abs_tol=1e-3)
    assert math.isclose(direct.upper, other.upper, abs_tol=1e-3)


def test_an_sd_that_may_be_zero_has_a_lower_limit_of_zero():
    """Where the deviance of no slope variance is within the limit, the interval starts at zero."""
    for seed in range(20):
        design = simulated(np.random.default_rng(seed), patients=40, sd=(1.0, 0.01))
        fit = fit_mixed(design, used(design))
        if not fit.singular:
            interval = profile_variance(fit, design, "sd_months")
            assert interval.lower == 0.0
            assert interval.upper > fit.sd[1]
            return
    raise AssertionError("no simulated data set had an interior maximum")


def test_wider_level_wider_interval():
    """A 99 % interval holds the 90 % interval."""
    design, fit = case("sleepstudy")
    narrow, wide = (profile_effect(fit, design, [("Days", 1.0)], level=level) for level in (0.9, 0.99))
    assert wide.lower < narrow.lower < narrow.estimate < narrow.upper < wide.upper


def dense_deviance(design, sd, correlation, sigma):
    """Deviance with fixed effects at their best, every patient's covariance written out."""
    p = design.x.shape[1]
    across = correlation * sd[0] * sd[1]
    g = np.array([[sd[0] ** 2, across], [across, sd[1] ** 2]])
    a, b, total = np.zeros((p, p)), np.zeros(p), design.n_rows * math.log(2.0 * math.pi)
    for patient in range(design.n_patients):
        own = design.patient_index == patient
        x, z, y = design.x[own], design.z[own], design.y[own]
        v = z @ g @ z.T + sigma**2 * np.eye(len(y))
        solved = np.linalg.solve(v, np.column_stack([x, y]))
        a, b = a + x.T @ solved[:, :p], b + x.T @ solved[:, p]
        total += np.linalg.slogdet(v)[1] + y @ solved[:, p]
    return total - b @ np.linalg.solve(a, b)


@pytest.mark.slow
def test_profile_of_a_singular_fit_is_brute_force():
    """At the lower limit of the intercept's SD the best of all fits lies as far above as chi-square says."""
    rows = pd.read_csv(REFERENCE / "cases" / "21-singular-profile" / "data.csv")
    rows["id"] = rows["id"].astype(str)
    design = build_design(parse_formula("y ~ months + (months | id)"), rows)
    fit = fit_mixed(design, rows_used(design))
    assert fit.singular
    limit = profile_variance(fit, design, "sd_Intercept").lower

    def best(correlation):
        def at(point):
            return dense_deviance(design, (limit, abs(point[0])), correlation, math.exp(point[1]))

        return optimize.minimize(at, [0.15, 1.25], method="Nelder-Mead").fun

    rises = {rho: best(rho) - fit.deviance for rho in (-1.0, 0.0, 0.8, 1.0)}
    assert min(rises.values()) == pytest.approx(3.8415, abs=0.02)
    assert min(rises, key=rises.get) == 1.0


def test_correlation_of_a_singular_fit_and_reml_are_refused():
    """There is no profile of a correlation without a value, nor of the REML criterion."""
    answer = next(f for f in lme4_fits() if f["dataset"] == "soybean" and f["covariance"] == "UN")
    design = reference_design(answer)
    with pytest.raises(FitError, match="singular"):
        profile_variance(fit_mixed(design, rows_used(design)), design, "correlation")
    sleep, _ = case("sleepstudy")
    with pytest.raises(ValueError, match="ML"):
        profile_effect(fit_mixed(sleep, rows_used(sleep), method="REML"), sleep, [("Days", 1.0)])


def test_bootstrap_finds_a_slope_variance_that_is_there():
    """On the sleep study no simulated statistic comes near the observed one."""
    design, fit = case("sleepstudy")
    test = bootstrap_slope_test(design, fit, seed=1, count=60)
    assert test.p == pytest.approx(1 / 61)
    assert test.statistic > 30


def test_bootstrap_p_lies_near_the_mixture_where_there_is_none():
    """Without slope variance the bootstrap p is near the mixture's and below the naive one; reproducible by seed."""
    design = simulated(np.random.default_rng(11), patients=60, sd=(1.0, 0.012))
    fit = fit_mixed(design, used(design))
    smaller = dataclasses.replace(design, z=design.z[:, :1], z_names=design.z_names[:1])
    asymptotic = compare_nested(fit_mixed(smaller, used(design)), fit)
    first, second = (bootstrap_slope_test(design, fit, seed=3, count=100) for _ in range(2))
    assert first == second
    assert abs(first.p - asymptotic.p_mixture) < 4 * math.sqrt(0.25 / 100)
