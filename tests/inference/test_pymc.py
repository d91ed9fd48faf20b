import dataclasses
import math

import bambi as bmb
import numpy as np
import pytest
from scipy import stats as scipy_stats

from bayes_alliance.assess.engine_agreement import compare_engines
from bayes_alliance.errors import FitError
from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.likelihood import log_density, relative_factor
from bayes_alliance.inference.priors import whiten
from bayes_alliance.inference.pymc.bambi_model import bambi_priors
from bayes_alliance.inference.pymc.model import (
    build_pymc_model,
    compiled_width,
    conditional_data,
    marginal_data,
    used_data,
)
from bayes_alliance.inference.pymc.sample import SamplerSettings, _compiled, fit_bambi, fit_pymc
from bayes_alliance.inference.statistics import summarise
from tests.inference.test_collapsed import (
    brms_priors,
    lme4_design,
    paper_design,
    paper_rows,
    scaled_priors,
    simulated,
    used,
    wai_priors,
)
from tests.reference_fits import brms_runs, reference_design, reference_rows, rows_used

LONG = SamplerSettings(draws=5000, tune=1000)


def random_state(rng, model, names):
    """Return a point of the model's unconstrained space and the parameters that it means."""
    import pymc as pm

    point = {name: rng.normal(size=np.shape(value)) * 0.5 for name, value in model.initial_point().items()}
    outputs = model.replace_rvs_by_values([model[name] for name in names])
    function = pm.pytensorf.compile(model.value_vars, outputs, on_unused_input="ignore")
    return point, dict(zip(names, function(*[point[v.name] for v in model.value_vars]), strict=True))


@pytest.mark.parametrize(("q", "covariance"), [(1, "ID"), (2, "UN"), (2, "VC")])
@pytest.mark.parametrize("family", ["half_normal", "half_t", "exponential"])
def test_pymc_states_the_same_likelihood_and_priors(q, covariance, family):
    """At random points PyMC's log density is our likelihood plus SciPy's log priors, to 1e-8."""
    rng = np.random.default_rng(q)
    # scattered visits: on one schedule the orthogonal random columns would hide the off-diagonal of Z'Z
    design = simulated(rng, patients=15, scatter=5.0)
    priors = wai_priors(scale_family=family, scale_df=4.0)
    if q == 1:
        design = dataclasses.replace(design, z=design.z[:, :1], z_names=design.z_names[:1])
        priors = dataclasses.replace(priors, sd_scale=priors.sd_scale[:1])
    data = used_data(marginal_data(design, priors, covariance), covariance, family)
    model = build_pymc_model(compiled_width(2), q, covariance, data, family=family)
    names = ["beta", "sd", "sigma"] + (["correlation"] if covariance == "UN" else [])
    log_density_of = model.compile_logp(jacobian=False)
    scale = {
        "half_normal": lambda s: scipy_stats.halfnorm(scale=s),
        "half_t": lambda s: scipy_stats.t(4.0, scale=s),
        "exponential": lambda s: scipy_stats.expon(scale=s),
    }[family]
    twice = math.log(2.0) if family == "half_t" else 0.0
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    for _ in range(3):
        point, values = random_state(rng, model, names)
        correlation = values.get("correlation", 0.0)
        factor = relative_factor(values["sd"], correlation, values["sigma"])
        beta, spare = values["beta"][:2], values["beta"][2:]
        expected = log_density(stats, beta[None], factor[None], np.atleast_1d(values["sigma"]))[0]
        expected += scipy_stats.multivariate_normal(priors.mean, priors.covariance).logpdf(beta)
        expected += scipy_stats.norm.logpdf(spare).sum()
        expected += (scale(priors.sd_scale).logpdf(values["sd"]) + twice).sum()
        expected += scale(priors.sigma_scale).logpdf(values["sigma"]) + twice
        # the density is of the relative SDs
        expected += np.log(data["scales"][1]).sum()
        if covariance == "UN":
            expected += scipy_stats.beta(2.0, 2.0).logpdf((correlation + 1) / 2)
        assert math.isclose(float(log_density_of(point)), float(expected), rel_tol=1e-8)


@pytest.mark.parametrize(("q", "covariance"), [(1, "ID"), (2, "UN"), (2, "VC")])
def test_the_gradient_is_that_of_the_density(q, covariance):
    """What NUTS follows agrees with central differences of the log density, small SDs included."""
    rng = np.random.default_rng(5)
    design = simulated(rng, patients=15, scatter=5.0)
    priors = wai_priors()
    if q == 1:
        design = dataclasses.replace(design, z=design.z[:, :1], z_names=design.z_names[:1])
        priors = dataclasses.replace(priors, sd_scale=priors.sd_scale[:1])
    data = used_data(marginal_data(design, priors, covariance), covariance, "half_normal")
    model = build_pymc_model(compiled_width(2), q, covariance, data)
    density, gradient = model.compile_logp(), model.compile_dlogp()
    start = model.initial_point()
    for small in (False, True):
        point = {name: np.asarray(value + rng.normal(size=np.shape(value))) for name, value in start.items()}
        if small:
            point["sd_relative_bentlog__"] = np.full(q, -4.0)
        found = np.split(gradient(point), np.cumsum([value.size for value in point.values()])[:-1])
        for (name, value), slopes in zip(point.items(), found, strict=True):
            for index, slope in enumerate(slopes):
                step = np.zeros(value.size)
                step[index] = 1e-5
                up, down = (
                    density(point | {name: value + sign * step.reshape(value.shape)}) for sign in (1, -1)
                )
                assert math.isclose((up - down) / 2e-5, slope, rel_tol=1e-5, abs_tol=1e-5), (name, index)


def test_any_frame_gives_the_same_posterior():
    """Centre and scale of the coordinates change how NUTS moves, not what it finds."""
    design = simulated(np.random.default_rng(6), patients=40)
    priors = wai_priors()
    data = marginal_data(design, priors, "UN")
    coefficients = data["coefficients"].copy()
    width = len(coefficients)
    coefficients[:2, 2] += 0.1
    coefficients[:2, 3 + width : 5 + width] = np.diag([0.3, 0.02])
    inverse, _ = whiten(priors)
    coefficients[:2, 1] = inverse @ (coefficients[:2, 2] - priors.mean)
    coefficients[:2, 3:5] = inverse @ np.diag([0.3, 0.02])
    model = build_pymc_model(compiled_width(2), 2, "UN", used_data(data, "UN", "half_normal"))
    other = build_pymc_model(
        compiled_width(2), 2, "UN", used_data(data | {"coefficients": coefficients}, "UN", "half_normal")
    )
    values = []
    for held, used_by in ((data["coefficients"], model), (coefficients, other)):
        frame = held[:, 3 + len(held) :]
        density = used_by.compile_logp()
        for beta in ([4.0, 0.02], [4.5, 0.01]):
            point = used_by.initial_point()
            point["beta_whitened"] = np.linalg.solve(frame, np.append(beta, np.zeros(10)) - held[:, 2])
            values.append(float(density(point)))
    assert math.isclose(values[0] - values[1], values[2] - values[3], rel_tol=1e-9)


def test_sampled_effects_state_the_same_model():
    """With the effects written out, averaging the density over them gives the marginal likelihood."""
    rng = np.random.default_rng(2)
    design = simulated(rng, patients=1, visits=2)
    priors = wai_priors()
    data = used_data(conditional_data(design, priors), "UN", "half_normal")
    model = build_pymc_model(2, 2, "UN", data, patients=1)
    point, values = random_state(rng, model, ["beta", "sd", "sigma", "correlation"])
    density = model.compile_logp(vars=[model["y_observed"]])
    draws = np.array(
        [
            density(point | {"effects_raw": raw})
            for raw in np.random.default_rng(3).normal(size=(40_000, 1, 2))
        ]
    )
    factor = relative_factor(values["sd"], values["correlation"], values["sigma"])
    covariance = float(values["sigma"]) ** 2 * (np.eye(2) + design.z @ factor @ factor.T @ design.z.T)
    exact = scipy_stats.multivariate_normal(design.x @ values["beta"], covariance).logpdf(design.y)
    assert abs(np.log(np.mean(np.exp(draws - exact)))) < 0.05


def test_one_compiled_model_serves_every_model_of_its_shape():
    """Data sets of one shape, or of one within a coefficient or two, share it and give their own posteriors."""
    _compiled.cache_clear()
    how = SamplerSettings(draws=300, tune=300, chains=2)
    fits = []
    for seed, p in ((1, 2), (2, 2), (3, 4)):
        group = np.arange(20 + seed) % 2.0 if p == 4 else None
        design = simulated(np.random.default_rng(seed), patients=20 + seed, group=group)
        fits.append(fit_pymc(design, used(design), wai_priors(p), seed=1, settings=how))
        assert fits[-1].beta.shape == (2, 300, p)
    assert _compiled.cache_info().misses == 1
    assert _compiled.cache_info().hits == 2
    assert abs(fits[0].beta.mean() - fits[1].beta.mean()) > 0.0
    assert set(fits[0].sample_stats) == {"diverging", "energy", "n_steps", "reached_max_treedepth"}


@pytest.mark.slow
@pytest.mark.parametrize("run", ["medication", "sleepstudy"])
def test_pymc_agrees_with_brms(run):
    """Means, SDs and quantiles of the correlated model agree with brms within five Monte-Carlo errors."""
    answer = brms_runs()[run]
    design = reference_design(answer)
    fit = fit_pymc(design, rows_used(design), brms_priors(answer, design), seed=1, settings=LONG)
    draws = fit.named_draws()
    names = {name: name for name in design.x_names} | {f"sd_{name}": f"sd_{name}" for name in design.z_names}
    names |= {"sigma": "sigma", "correlation": next(k for k in answer["parameters"] if k.startswith("cor"))}
    for ours, theirs in names.items():
        expected, values = answer["parameters"][theirs], draws[ours]
        noise = values.std() / math.sqrt(3000)
        assert abs(values.mean() - expected["mean"]) < 5 * math.hypot(expected["mcse_mean"], noise), ours
        assert abs(values.std() - expected["sd"]) < 5 * math.hypot(expected["mcse_sd"], noise), ours
        for at, key in ((0.025, "q2.5"), (0.975, "q97.5")):
            error = math.hypot(expected[f"mcse_{key}"], 3 * noise)
            assert abs(np.quantile(values, at) - expected[key]) < 5 * error, (ours, key)


@pytest.mark.slow
def test_bambi_and_pymc_without_correlation_agree():
    """Plain Bambi, PyMC with the correlation at zero and the collapsed engine agree within Monte-Carlo error."""
    answer = brms_runs()["medication_vc"]
    design = reference_design(answer)
    priors = brms_priors(answer, design)
    rows = rows_used(design)
    bambi = fit_bambi(
        design, rows, priors, reference_rows(answer), seed=2, settings=SamplerSettings(draws=2000, tune=1000)
    )
    pymc = fit_pymc(design, rows, priors, seed=3, covariance="VC", settings=LONG)
    exact = fit_collapsed(
        design, rows, priors, seed=4, covariance="VC", settings=CollapsedSettings(draws=20_000)
    )
    assert bambi.covariance == pymc.covariance == "VC"
    # Bambi samples the patients' effects, and the record says so.
    assert (bambi.facts["marginal"], pymc.facts["marginal"]) == (False, True)
    for first, second in ((bambi, pymc), (bambi, exact), (pymc, exact)):
        for item in compare_engines(first, second):
            assert item.within_error, item


@pytest.mark.slow
@pytest.mark.parametrize("case", ["paper", "orthodont"])
def test_long_nuts_agrees_with_the_collapsed_engine(case):
    """20,000 NUTS draws and the collapsed engine agree within Monte-Carlo error, weakly identified SDs included."""
    if case == "paper":
        design, priors = paper_design()
    else:
        design = lme4_design(case)
        priors = scaled_priors(design)
    sampled = fit_pymc(design, used(design), priors, seed=1, settings=LONG)
    exact = fit_collapsed(design, used(design), priors, seed=2, settings=CollapsedSettings(draws=40_000))
    for item in compare_engines(sampled, exact):
        assert item.within_error, item


@pytest.mark.slow
def test_sampled_effects_agree_with_integrated_ones():
    """Sampling the patients' effects, by PyMC's own NUTS too, gives the posterior that integrating them out gives."""
    answer = brms_runs()["sleepstudy"]
    design = reference_design(answer)
    priors = brms_priors(answer, design)
    exact = fit_collapsed(design, rows_used(design), priors, seed=2, settings=CollapsedSettings(draws=20_000))
    for how in (
        SamplerSettings(draws=1000, marginal=False),
        SamplerSettings(draws=500, sampler="pymc", chains=2),
    ):
        sampled = fit_pymc(design, rows_used(design), priors, seed=1, settings=how)
        assert sampled.facts["sampler"] == how.sampler
        for item in compare_engines(sampled, exact):
            assert item.within_error, (how, item)


def test_engines_of_different_models_are_not_compared():
    """Agreement between a correlated and an uncorrelated fit is refused."""
    design, priors = paper_design()
    un, vc = (fit_collapsed(design, used(design), priors, seed=1, covariance=c) for c in ("UN", "VC"))
    with pytest.raises(Exception, match="did not fit the same model"):
        compare_engines(un, vc)


def test_disagreement_is_seen():
    """A shift of a fifth of an SD between two engines is beyond Monte-Carlo error."""
    design, priors = paper_design()
    fit = fit_collapsed(design, used(design), priors, seed=1)
    moved = dataclasses.replace(fit, sigma=fit.sigma + 0.2 * fit.sigma.std())
    found = {item.name: item for item in compare_engines(fit, moved)}
    assert not found["sigma"].within_error
    assert found["Intercept"].within_error


def test_bambi_is_given_the_same_priors():
    """Every coefficient, SD and sigma reaches Bambi with its own prior, factor levels together."""
    design, priors = paper_design()
    stated = bambi_priors(design, priors)
    assert set(stated) == {
        "Intercept", "months", "poor_outcome", "months:poor_outcome", "1|patient", "months|patient", "sigma",
    }  # fmt: skip
    model = bmb.Model(
        design.formula.text, paper_rows(), priors=stated, center_predictors=False, auto_scale=False
    )
    model.build()
    drawn = model.prior_predictive(draws=4000, random_seed=1)["prior"]
    beta = np.column_stack([drawn[name].to_numpy().ravel() for name in design.x_names])
    error = priors.sd / np.sqrt(len(beta))
    assert np.all(np.abs(beta.mean(axis=0) - priors.mean) < 4.0 * error)
    found = np.cov(beta.T) / np.outer(priors.sd, priors.sd)
    np.testing.assert_allclose(found, priors.covariance / np.outer(priors.sd, priors.sd), atol=0.08)
    assert stated["months|patient"].args["sigma"].args["sigma"] == priors.sd_scale[1]


def test_three_random_coefficients_are_refused():
    """Engine pymc says that it knows one random slope only."""
    design = simulated(np.random.default_rng(1))
    three = dataclasses.replace(
        design, z=np.column_stack([design.z, design.z[:, 1] ** 2]), z_names=("a", "b", "c")
    )
    with pytest.raises(FitError, match="one random slope"):
        fit_pymc(three, used(three), wai_priors(), seed=1)
