import dataclasses
import functools
import math

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.stats import invgamma, multivariate_normal

from bayes_alliance.assess.loo import score_model
from bayes_alliance.cohorts.simulate import simulate_cohort
from bayes_alliance.data.rows import freeze_rows
from bayes_alliance.errors import FitError
from bayes_alliance.inference.bent_sds import bend, unbend
from bayes_alliance.inference.collapsed import (
    CollapsedSettings,
    draw_parameters,
    fit_collapsed,
    make_target,
    sample_target,
)
from bayes_alliance.inference.design import Design, build_design
from bayes_alliance.inference.fits import RowsUsed
from bayes_alliance.inference.leave_out import leave_patients_out, without_patient
from bayes_alliance.inference.likelihood import relative_factor
from bayes_alliance.inference.priors import CoefficientPriors, coefficient_priors
from bayes_alliance.inference.psis import log_sum_exp
from bayes_alliance.inference.statistics import summarise
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Source
from tests.reference_fits import brms_runs, lme4_fits, reference_design, rows_used


def scaled_priors(design, **changes):
    """Weak priors that go with the scale of the outcome and of the columns."""
    spread = float(np.std(design.y))
    scale = np.maximum(np.std(design.x, axis=0), 0.1)
    mean = np.zeros(len(design.x_names))
    mean[0] = float(np.mean(design.y))
    base = CoefficientPriors(
        name="weak",
        mean=mean,
        sd=5 * spread / scale,
        sd_scale=2 * spread / np.maximum(np.std(design.z, axis=0), 1.0),
        sigma_scale=2 * spread,
        lkj_eta=2.0,
    )
    return dataclasses.replace(base, **changes)


@functools.cache
def lme4_design(dataset):
    answer = next(f for f in lme4_fits() if f["dataset"] == dataset and f["covariance"] == "UN")
    return reference_design(answer)


@functools.cache
def paper_design():
    """The paper's Tasks by outcome model on a synthetic cohort, with the study's neutral prior."""
    study = load_study("folmo2020")
    design = build_design(parse_formula(study.model("tasks_outcome").formula), paper_rows())
    return design, coefficient_priors(study, design, "neutral")


@functools.cache
def paper_rows():
    """The rows behind it; nothing changes them, so tests share one cohort."""
    study = load_study("folmo2020")
    formula = parse_formula(study.model("tasks_outcome").formula)
    return freeze_rows(simulate_cohort(study, 1), sorted(formula.names)).rows


def simulated(
    rng, patients=40, visits=4, sd=(1.0, 0.03), correlation=-0.3, sigma=0.7, group=None, scatter=0.0
):
    """Growth data at three, nine, fifteen, ... months, each visit up to ``scatter`` months late."""
    times = np.tile(3.0 + 6.0 * np.arange(visits), patients)
    if scatter:
        times = times + scatter * rng.random(len(times))
    index = np.repeat(np.arange(patients), visits)
    effects = rng.standard_normal((patients, 2)) @ (sigma * relative_factor(sd, correlation, sigma)).T
    columns = [np.ones(len(times)), times]
    names = ["Intercept", "months"]
    if group is not None:
        columns += [group[index], group[index] * times]
        names += ["group", "months:group"]
    x = np.column_stack(columns)
    z = x[:, :2]
    y = 5.0 + 0.02 * times + np.sum(z * effects[index], axis=1) + sigma * rng.standard_normal(len(times))
    formula = parse_formula("y ~ months + (months | patient)")
    return Design(
        y=y,
        x=x,
        z=z,
        patient_index=index,
        x_names=tuple(names),
        z_names=("Intercept", "months"),
        formula=formula,
    )


def wai_priors(p=2, **changes):
    base = CoefficientPriors(
        name="wai",
        mean=np.array([4.5, 0.0, 0.0, 0.0])[:p],
        sd=np.array([1.5, 1.5 / 36, 1.0, 1.5 / 36])[:p],
        sd_scale=np.array([1.5, 1.5 / 36]),
        sigma_scale=1.0,
        lkj_eta=2.0,
    )
    return dataclasses.replace(base, **changes)


def used(design):
    return RowsUsed(n_rows=design.n_rows, n_patients=design.n_patients, digest="x", source=Source.SYNTHETIC)


# -- the target and its evidence ------------------------------------------------------------------


def dense_log_joint(design, priors, sd, correlation, sigma):
    """Log p(y | covariance) with fixed effects integrated out, by one dense multivariate normal."""
    factor = relative_factor(sd, correlation, sigma)
    g = sigma**2 * factor @ factor.T
    same = design.patient_index[:, None] == design.patient_index
    v = np.where(same, design.z @ g @ design.z.T, 0.0) + sigma**2 * np.eye(design.n_rows)
    v += design.x @ priors.covariance @ design.x.T
    return multivariate_normal(design.x @ priors.mean, v).logpdf(design.y)


def test_fixed_effects_are_integrated_out_exactly():
    """The target's data term is the dense Normal with the prior of beta in its covariance, to 1e-8."""
    design = simulated(np.random.default_rng(1), patients=12)
    priors = wai_priors()
    target = make_target(summarise(design.y, design.x, design.z, design.patient_index), priors, "UN")
    points = np.random.default_rng(2).normal(size=(6, 4))
    sd, correlation, sigma = target.unpack(points)
    found = target.given(points).log_marginal
    for s in range(6):
        expected = dense_log_joint(design, priors, sd[s], correlation[s], sigma[s])
        assert math.isclose(found[s], expected, rel_tol=1e-8)


def test_prior_of_the_target_integrates_to_one():
    """Half-normal, half-t and exponential priors with LKJ keep a mass of one through every change of variable."""
    design = simulated(np.random.default_rng(1))
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    grid = np.linspace(-9.0, 6.0, 61)
    points = np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), axis=-1).reshape(-1, 3)
    for family in ("half_normal", "half_t", "exponential"):
        target = make_target(stats, wai_priors(scale_family=family), "VC")
        assert abs(np.sum(np.exp(target.log_prior(points))) * (grid[1] - grid[0]) ** 3 - 1.0) < 0.01
    un, vc = (make_target(stats, wai_priors(), kind) for kind in ("UN", "VC"))
    z = np.linspace(-8.0, 8.0, 2001)
    at = np.column_stack([np.zeros_like(z), np.zeros_like(z), z, np.zeros_like(z)])
    ratio = np.exp(un.log_prior(at) - vc.log_prior(at[:, [0, 1, 3]]))
    assert abs(np.sum(ratio) * (z[1] - z[0]) - 1.0) < 1e-6


def test_bend_has_the_derivative_it_says():
    """The bent logarithm is smooth, increasing, and its stated log derivative is right."""
    v = np.linspace(-6, 4, 200)
    value, log_derivative = bend(v)
    numeric = (bend(v + 1e-6)[0] - bend(v - 1e-6)[0]) / 2e-6
    assert np.allclose(np.exp(log_derivative), numeric, rtol=1e-6)
    assert np.all(np.diff(value) > 0)
    assert np.allclose(unbend(value), v)


def test_random_intercept_of_one_patient_each_has_closed_form():
    """With the random effect held at next to nothing the posterior of beta is the conjugate Normal."""
    rng = np.random.default_rng(3)
    y = 5.0 + rng.standard_normal(200)
    design = Design(
        y=y,
        x=np.ones((200, 1)),
        z=np.ones((200, 1)),
        patient_index=np.arange(200),
        x_names=("Intercept",),
        z_names=("Intercept",),
        formula=parse_formula("y ~ 1 + (1 | patient)"),
    )
    priors = CoefficientPriors(
        name="p",
        mean=np.array([4.0]),
        sd=np.array([0.2]),
        sd_scale=np.array([1e-4]),
        sigma_scale=100.0,
        lkj_eta=1.0,
    )
    fit = fit_collapsed(design, used(design), priors, seed=1, settings=CollapsedSettings(draws=40_000))
    # conditional on sigma conjugate; sigma^2 | y is close to inverse gamma for n = 200 under a flat prior
    variance = invgamma(99.5, scale=0.5 * np.sum((y - y.mean()) ** 2)).mean()
    precision = 200 / variance + 1 / 0.2**2
    mean = (200 * y.mean() / variance + 4.0 / 0.2**2) / precision
    assert abs(fit.beta.mean() - mean) < 0.05 * precision**-0.5
    assert abs(fit.beta.std() * math.sqrt(precision) - 1.0) < 0.03


def quadrature(target, sample, first, *, step, reach=7.0):
    """Weights of a 4-dimensional lattice with one parameter along its first axis, and the evidence.

    The other axes are slanted by the posterior's covariance, so the sum over them is the first parameter's marginal
    density at the lattice's levels, as exact as the trapezoid rule is for smooth functions that die out.
    """
    centre = sample.weights @ sample.points
    spread = (sample.points - centre).T @ (sample.weights[:, None] * (sample.points - centre))
    order = [first, *(i for i in range(4) if i != first)]
    root = np.empty((4, 4))
    root[order] = np.linalg.cholesky(spread[np.ix_(order, order)])
    axis = np.arange(-reach, reach + step / 2, step)
    lattice = np.stack(np.meshgrid(*[axis] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    points = centre + lattice @ root.T
    logs = np.concatenate([target(block) for block in np.array_split(points, 40)])
    total = float(log_sum_exp(logs))
    evidence = total + 4 * math.log(step) + float(np.linalg.slogdet(root)[1])
    return points, np.exp(logs - total), evidence


def marginal_quantiles(levels, weights, at):
    """Quantiles of a smooth density that is known at equally spaced levels: integrate the spline through it."""
    density = CubicSpline(levels, weights)
    fine = np.linspace(levels[0], levels[-1], 100_001)
    share = density.antiderivative()(fine)
    return np.interp(at, share / share[-1], fine)


# a posterior that reaches zero SDs has a bend there (see ``bend``), which takes a finer lattice
@pytest.mark.parametrize(
    ("case", "step"), [("paper", 0.6), ("medication", 0.6), ("sleepstudy", 0.6), ("orthodont", 0.42)]
)
def test_posterior_is_that_of_quadrature(case, step):
    """Means, SDs and 2.5/97.5 % quantiles agree with 4-dimensional quadrature to 0.02 SD, evidence to 0.05."""
    if case == "paper":
        design, priors = paper_design()
    else:
        design = lme4_design(case)
        priors = scaled_priors(design)
    target = make_target(summarise(design.y, design.x, design.z, design.patient_index), priors, "UN")
    sample = sample_target(target, rng=np.random.default_rng(1), count=4000)
    fit = fit_collapsed(design, used(design), priors, seed=2, settings=CollapsedSettings(draws=600_000))
    for at, (name, drawn) in enumerate(
        (
            ("sd 0", fit.sd[..., 0]),
            ("sd 1", fit.sd[..., 1]),
            ("correlation", fit.correlation),
            ("sigma", fit.sigma),
        )
    ):
        points, weights, evidence = quadrature(target, sample, at, step=step)
        assert abs(fit.facts["log_evidence"] - evidence) < 0.05, name

        def natural(points, at=at):
            sd, correlation, sigma = target.unpack(points)
            return (sd[:, 0], sd[:, 1], correlation, sigma)[at]

        exact = natural(points)
        mean = weights @ exact
        spread = math.sqrt(weights @ (exact - mean) ** 2)
        assert abs(drawn.mean() - mean) < 0.02 * spread, name
        assert abs(drawn.std() - spread) < 0.02 * spread, name
        levels = points[:, at].reshape(-1, round(len(points) ** 0.75))[:, 0]
        marginal = weights.reshape(len(levels), -1).sum(axis=1)
        limits = np.zeros((2, 4))
        limits[:, at] = marginal_quantiles(levels, marginal, [0.025, 0.975])
        found = np.quantile(drawn, [0.025, 0.975])
        assert np.all(np.abs(found - natural(limits)) < 0.02 * spread), name
    # fixed effects: a mixture of conditional Normals over the lattice
    few = np.random.default_rng(3).choice(len(points), size=300_000, p=weights / weights.sum())
    beta, *_ = draw_parameters(target, points[few], target.given(points[few]), np.random.default_rng(4))
    exact = beta.mean(axis=0), beta.std(axis=0), np.quantile(beta, [0.025, 0.975], axis=0)
    assert np.all(np.abs(fit.beta.mean(axis=(0, 1)) - exact[0]) < 0.02 * exact[1])
    assert np.all(np.abs(fit.beta.std(axis=(0, 1)) / exact[1] - 1.0) < 0.02)
    found = np.quantile(fit.beta, [0.025, 0.975], axis=(0, 1))
    assert np.all(np.abs(found - exact[2]) < 0.02 * exact[1])


@pytest.mark.parametrize("run", ["medication", "sleepstudy", "medication_vc"])
def test_posterior_agrees_with_brms(run):
    """Every mean, SD and quantile agrees with brms's 24,000 draws within five Monte-Carlo errors."""
    answer = brms_runs()[run]
    design = reference_design(answer | {"formula": answer["formula"].replace("0 + Intercept", "1")})
    priors = brms_priors(answer, design)
    covariance = "VC" if run.endswith("vc") else "UN"
    fit = fit_collapsed(
        design, used(design), priors, seed=1, covariance=covariance, settings=CollapsedSettings(draws=100_000)
    )
    draws = fit.named_draws()
    names = {name: name for name in design.x_names} | {
        f"sd_{design.z_names[0]}": "sd_Intercept",
        f"sd_{design.z_names[1]}": f"sd_{design.z_names[1]}",
        "sigma": "sigma",
    }
    if covariance == "UN":
        names["correlation"] = next(k for k in answer["parameters"] if k.startswith("cor"))
    for ours, theirs in names.items():
        expected = answer["parameters"][theirs]
        values = draws[ours]
        noise = 1.2 * values.std() / math.sqrt(len(values.ravel()) / 2)
        assert abs(values.mean() - expected["mean"]) < 5 * math.hypot(expected["mcse_mean"], noise), ours
        assert abs(values.std() - expected["sd"]) < 5 * math.hypot(expected["mcse_sd"], noise), ours
        for at, key in ((0.025, "q2.5"), (0.975, "q97.5")):
            error = math.hypot(expected[f"mcse_{key}"], 3 * noise)
            assert abs(np.quantile(values, at) - expected[key]) < 5 * error, (ours, key)


def brms_priors(answer, design):
    """Read the priors that brms was given, as the file states them."""
    numbers = {
        name: [float(v) for v in text.split("(")[1].rstrip(")").split(",")]
        for name, text in answer["priors"].items()
    }
    slope = design.z_names[1]
    return CoefficientPriors(
        name="brms",
        mean=np.array([numbers[name][0] for name in design.x_names]),
        sd=np.array([numbers[name][1] for name in design.x_names]),
        sd_scale=np.array([numbers["sd_Intercept"][1], numbers[f"sd_{slope}"][1]]),
        sigma_scale=numbers["sigma"][1],
        lkj_eta=numbers.get("cor", [2.0])[0],
    )


# -- cases that must not fool it ------------------------------------------------------------------


def hard_case(name):
    """Designs with little to learn of one parameter or another, and their priors."""
    if name == "no slope variance":
        return simulated(np.random.default_rng(4), patients=120, sd=(1.0, 0.0)), wai_priors()
    if name == "three patients":
        return simulated(np.random.default_rng(5), patients=3), wai_priors()
    if name == "correlation at the edge":
        return lme4_design("soybean"), scaled_priors(lme4_design("soybean"))
    if name == "tiny cell":
        group = np.zeros(60)
        group[7] = 1.0
        return simulated(np.random.default_rng(8), patients=60, group=group), wai_priors(4)
    assert name == "one visit each"
    rng = np.random.default_rng(6)
    design = simulated(rng, patients=150, visits=1)
    x = np.column_stack([np.ones(150), rng.choice([3.0, 9.0, 15.0, 21.0], size=150)])
    return dataclasses.replace(design, x=x, z=x), wai_priors()


# without a second visit variances trade off along a ridge, which takes a fine lattice
@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("no slope variance", 0.6),
        ("three patients", 0.42),
        ("correlation at the edge", 0.6),
        ("tiny cell", 0.6),
        ("one visit each", 0.3),
    ],
)
def test_hard_cases_are_those_of_quadrature(name, step):
    """Where the data say little, evidence agrees with quadrature to 0.05, means and SDs to 0.02 SD."""
    design, priors = hard_case(name)
    target = make_target(summarise(design.y, design.x, design.z, design.patient_index), priors, "UN")
    sample = sample_target(target, rng=np.random.default_rng(1), count=20_000)
    fit = fit_collapsed(design, used(design), priors, seed=2, settings=CollapsedSettings(draws=200_000))
    assert fit.facts["pareto_k"] < 0.7
    points, weights, evidence = quadrature(target, sample, 0, step=step)
    assert abs(fit.facts["log_evidence"] - evidence) < 0.05
    sd, correlation, sigma = target.unpack(points)
    for label, exact, drawn in (
        ("sd 0", sd[:, 0], fit.sd[..., 0]),
        ("sd 1", sd[:, 1], fit.sd[..., 1]),
        ("correlation", correlation, fit.correlation),
        ("sigma", sigma, fit.sigma),
    ):
        mean = weights @ exact
        spread = math.sqrt(weights @ (exact - mean) ** 2)
        assert abs(drawn.mean() - mean) < 0.02 * spread, label
        assert abs(drawn.std() - spread) < 0.02 * spread, label


def test_a_residual_of_next_to_nothing_has_no_false_density():
    """With one visit each the density falls with the log residual SD, one for one, until it is cut off."""
    design, priors = hard_case("one visit each")
    target = make_target(summarise(design.y, design.x, design.z, design.patient_index), priors, "UN")
    low = np.zeros((9, 4))
    low[:, 3] = np.arange(-12.5, -4.0)
    assert np.allclose(np.diff(target(low)), 1.0, atol=0.02)
    low[:, 3] = target.lowest_log_sigma - np.arange(9)
    assert np.all(target(low) == -np.inf)


@pytest.mark.parametrize("sigma", [1e-3, 1e-5, 1e-7])
def test_a_residual_too_small_for_double_precision_is_refused(sigma):
    """A residual SD of a hundred-thousandth of the patients' spread is found; one of 1e-7 is refused in words."""
    design = simulated(np.random.default_rng(1), patients=60, sigma=sigma)
    if sigma > 1e-6:
        fit = fit_collapsed(design, used(design), wai_priors(), seed=1)
        assert abs(fit.sigma.mean() / sigma - 1.0) < 0.15
    else:
        with pytest.raises(FitError, match="too small for double precision"):
            fit_collapsed(design, used(design), wai_priors(), seed=1)


def test_true_slope_variance_of_zero_is_near_zero():
    """With no slope variance in truth the posterior of its SD piles up at zero, weights trusted."""
    design, priors = hard_case("no slope variance")
    fit = fit_collapsed(design, used(design), priors, seed=1)
    assert fit.facts["pareto_k"] < 0.7
    assert np.quantile(fit.sd[..., 1], 0.05) < 0.004
    assert np.quantile(fit.sd[..., 1], 0.975) < 0.03


def test_three_patients_leave_the_prior_in_charge():
    """Three patients: weights trusted, the SD of the slope hardly narrower than its prior."""
    design, priors = hard_case("three patients")
    fit = fit_collapsed(design, used(design), priors, seed=1)
    assert fit.facts["pareto_k"] < 0.7
    prior_sd = 1.5 / 36 * math.sqrt(1 - 2 / math.pi)
    assert fit.sd[..., 1].std() > 0.4 * prior_sd


def test_one_visit_each_cannot_tell_the_variances_apart():
    """One visit a patient identifies the total variance only: intercept and residual SD trade off."""
    design, priors = hard_case("one visit each")
    fit = fit_collapsed(design, used(design), priors, seed=1)
    assert fit.facts["pareto_k"] < 0.7
    assert np.corrcoef(fit.sd[..., 0].ravel(), fit.sigma.ravel())[0, 1] < -0.5


@pytest.mark.parametrize("dataset", ["soybean", "glucose2", "fatigue", "loblolly"])
def test_correlation_at_the_edge_is_drawn(dataset):
    """Data whose ML correlation is -1 or +1 give trusted weights and a correlation short of the edge."""
    design = lme4_design(dataset)
    fit = fit_collapsed(design, used(design), scaled_priors(design), seed=1)
    assert fit.facts["pareto_k"] < 0.7
    assert fit.facts["importance_ess"] > 2000
    assert np.all(np.abs(fit.correlation) < 1.0)


def test_tiny_cell_falls_back_on_its_prior():
    """A predictor that marks a single patient is drawn, and its slope is known little better than the prior."""
    design, priors = hard_case("tiny cell")
    fit = fit_collapsed(design, used(design), priors, seed=1)
    assert fit.facts["pareto_k"] < 0.7
    assert 0.3 * 1.5 / 36 < fit.combine([("months:group", 1.0)]).std() < 1.05 * 1.5 / 36


def test_two_hundred_thousand_rows_give_the_truth():
    """50,000 patients on a schedule: the posterior is narrow and covers the truth."""
    design = simulated(np.random.default_rng(9), patients=50_000)
    fit = fit_collapsed(design, used(design), wai_priors(), seed=1)
    for draws, truth in (
        (fit.sd[..., 0], 1.0),
        (fit.sd[..., 1], 0.03),
        (fit.correlation, -0.3),
        (fit.sigma, 0.7),
    ):
        assert abs(draws.mean() - truth) < 4 * draws.std()
        assert draws.std() < 0.05 * abs(truth)


def test_unit_of_time_does_not_matter():
    """Days instead of months, prior in days, give the same draws to rounding."""
    design, priors = paper_design()
    by = 365.25 / 12
    scale = np.array([by if "months" in name else 1.0 for name in design.x_names])
    days = dataclasses.replace(design, x=design.x * scale, z=design.z * [1.0, by])
    in_days = dataclasses.replace(
        priors, mean=priors.mean / scale, sd=priors.sd / scale, sd_scale=priors.sd_scale / [1.0, by]
    )
    a = fit_collapsed(design, used(design), priors, seed=4)
    b = fit_collapsed(days, used(days), in_days, seed=4)
    assert np.allclose(a.beta, b.beta * scale, rtol=1e-4, atol=1e-6)
    assert np.allclose(a.sd, b.sd * [1.0, by], rtol=1e-4)
    assert math.isclose(a.facts["log_evidence"], b.facts["log_evidence"], abs_tol=1e-6)


def test_order_of_rows_within_patients_does_not_matter():
    """Relabelling patients leaves the evidence as it was."""
    design, priors = paper_design()
    flipped = design.patient_index.max() - design.patient_index
    order = np.argsort(flipped, kind="stable")
    other = dataclasses.replace(
        design, y=design.y[order], x=design.x[order], z=design.z[order], patient_index=flipped[order]
    )
    a, b = (fit_collapsed(d, used(d), priors, seed=4).facts["log_evidence"] for d in (design, other))
    assert math.isclose(a, b, abs_tol=1e-6)


def test_flat_prior_has_a_posterior_but_no_evidence():
    """Flat fixed effects give a posterior around REML and a log evidence of NaN, not a number."""
    design, priors = paper_design()
    flat = dataclasses.replace(priors, sd=np.full(4, np.inf), factor=None)
    fit = fit_collapsed(design, used(design), flat, seed=1)
    assert math.isnan(fit.facts["log_evidence"])
    assert np.all(np.isfinite(fit.beta))


def test_no_residual_is_refused():
    """An outcome that the fixed part explains entirely is refused with a message."""
    design, priors = paper_design()
    with pytest.raises(FitError, match="without any residual"):
        fit_collapsed(dataclasses.replace(design, y=design.x @ np.ones(4)), used(design), priors, seed=1)


def test_same_seed_gives_the_same_fit():
    """The same seed gives the same draws bit for bit; another seed does not."""
    design, priors = paper_design()
    a, b, c = (fit_collapsed(design, used(design), priors, seed=s) for s in (1, 1, 2))
    assert np.array_equal(a.beta, b.beta)
    assert not np.array_equal(a.beta, c.beta)


# -- leave-one-patient-out ------------------------------------------------------------------------


def test_statistics_without_a_patient_are_those_of_the_other_rows():
    """Downdated statistics give the density of the rows without the patient."""
    design, priors = paper_design()
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    keep = design.patient_index != 5
    _, index = np.unique(design.patient_index[keep], return_inverse=True)
    rest = summarise(design.y[keep], design.x[keep], design.z[keep], index)
    points = np.random.default_rng(1).normal(size=(2, 4)) * 0.3
    whole = make_target(stats, priors, "UN")
    sd, correlation, sigma = whole.unpack(points)
    down = dataclasses.replace(whole, stats=without_patient(stats, 5))
    found = down.given(points).log_marginal
    keep_design = dataclasses.replace(
        design, y=design.y[keep], x=design.x[keep], z=design.z[keep], patient_index=index
    )
    assert rest.n_rows == down.stats.n_rows
    for s in range(2):
        expected = dense_log_joint(keep_design, priors, sd[s], correlation[s], sigma[s])
        assert math.isclose(found[s], expected, rel_tol=1e-8)


@pytest.mark.parametrize("case", ["paper", "medication", "orthodont"])
def test_psis_and_exact_leave_one_patient_out_agree(case):
    """Where Pareto k is below 0.7, PSIS and exact refits agree within 0.1 for every patient."""
    if case == "paper":
        design, priors = paper_design()
    else:
        design = lme4_design(case)
        priors = scaled_priors(design)
    fit = fit_collapsed(design, used(design), priors, seed=1, settings=CollapsedSettings(draws=20_000))
    score = score_model(fit, design, "new_patient", seed=1)
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    exact = leave_patients_out(stats, priors, seed=2, count=4000)
    trusted = score.pareto_k < 0.7
    assert trusted.mean() > 0.9
    assert np.all(exact.pareto_k < 0.7)
    assert np.max(np.abs(score.elpd_i - exact.elpd_i)[trusted]) < 0.1


def test_exact_score_is_the_difference_of_evidences():
    """Leaving a patient out exactly equals the ratio of evidences with and without the patient's rows."""
    design, priors = paper_design()
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    exact = leave_patients_out(stats, priors, seed=3, patients=np.array([0, 10]), count=20_000)
    target = make_target(stats, priors, "UN")
    whole = sample_target(target, rng=np.random.default_rng(1), count=40_000).log_evidence
    for position, patient in enumerate((0, 10)):
        rest = dataclasses.replace(target, stats=without_patient(stats, patient))
        without = sample_target(rest, rng=np.random.default_rng(2), count=40_000).log_evidence
        assert abs(exact.elpd_i[position] - (whole - without)) < 0.03


def test_rows_used_travel_with_the_fit():
    """The record names its rows, engine, prior and covariance type."""
    design, priors = paper_design()
    fit = fit_collapsed(design, rows_used(design), priors, seed=1, model_id="m")
    assert (fit.engine, fit.prior, fit.covariance, fit.model_id) == ("collapsed", "neutral", "UN", "m")
    assert fit.rows == rows_used(design)
    assert fit.beta.shape == (4, 1000, 4)


def test_what_is_remembered_of_points_is_their_marginal_density_without_the_prior():
    """A point out of range has no density and spoils none of the others: refits read their marginals off these."""
    design = simulated(np.random.default_rng(4), patients=12)
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    target = make_target(stats, wai_priors(), "UN")
    points = np.array([[0.0, -3.0, 0.1, -0.3], [1e6, 0.0, 0.0, 0.0], [0.2, -3.5, -0.2, -0.2]])
    values, given = target.evaluate(points)
    alone = target.given(points[[0, 2]])
    assert values[1] == -np.inf
    np.testing.assert_allclose(given.log_marginal[[0, 2]], alone.log_marginal)
    np.testing.assert_allclose(values[[0, 2]], alone.log_marginal + target.log_prior(points[[0, 2]]))
    np.testing.assert_allclose(given.centre[[0, 2]], alone.centre)
    assert np.isfinite(given.log_marginal[1])
