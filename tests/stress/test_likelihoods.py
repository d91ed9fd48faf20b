"""Other likelihoods recover what they were simulated from, and meet the Gaussian one on the measurement grid."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from bayes_alliance.inference.likelihood import relative_factor
from bayes_alliance.inference.patient_effects import log_normal, predict_visits
from bayes_alliance.inference.statistics import summarise
from bayes_alliance.stress.gaussian_variants import (
    fit_autocorrelated,
    fit_curved,
    fit_gaussian,
    fit_sd_by_group,
)
from bayes_alliance.stress.grid_mass import (
    ConditionalModel,
    Grid,
    VisitDensities,
    compare_mass,
    integrated_visits,
    log_interval,
    score_mass,
)
from bayes_alliance.stress.likelihoods import (
    compare_likelihoods,
    gaussian_densities,
    gaussian_estimands,
    outcome_grid,
    sampled_estimands,
)
from bayes_alliance.stress.prepare import Prepared
from bayes_alliance.stress.records import StressSkipped
from bayes_alliance.stress.sampled import SampledSettings, SampledVariant, fit_sampled, sampled_data
from bayes_alliance.stress.sampled_model import Family, build_sampled
from bayes_alliance.stress.sampled_rows import conditional_model, expected_slope
from tests.stress_cases import HORIZON, case_study, prepare, simulate_rows

GRID = Grid(minimum=1.0, maximum=7.0, step=0.25)
QUICK = SampledSettings(draws=250, tune=250, chains=2, cores=1)


def on_grid(frame: pd.DataFrame) -> pd.DataFrame:
    """Round scores to the grid and cut them at its ends."""
    rounded = GRID.minimum + GRID.step * np.rint((frame["tasks"] - GRID.minimum) / GRID.step)
    return frame.assign(tasks=rounded.clip(GRID.minimum, GRID.maximum))


def gridded(n: int, slopes: tuple[float, float], *, seed: int, sigma: float = 0.6) -> Prepared:
    frame = simulate_rows(n, slopes, seed=seed, sigma=sigma, times=(3.0, 15.0, 27.0, 36.0))
    return prepare(on_grid(frame), case_study(grid=True))


# --- the grid ---------------------------------------------------------------------------------------------


def test_cells_share_the_line_out() -> None:
    """Cells of neighbouring scores touch, and those at the ends take what lies beyond."""
    lower, upper = GRID.cell(np.linspace(1.0, 7.0, GRID.n_categories))
    assert np.isneginf(lower[0])
    assert np.isposinf(upper[-1])
    assert lower[1:] == pytest.approx(upper[:-1])
    assert np.exp(log_interval(lower - 5.3, upper - 5.3)).sum() == pytest.approx(1.0)


def test_interval_probabilities_keep_their_digits_in_both_tails() -> None:
    """Far in the upper tail as exact as far in the lower one."""
    low, high = np.array([9.0, -10.0]), np.array([10.0, -9.0])
    expected = np.log(special.ndtr(-9.0) - special.ndtr(-10.0))
    assert log_interval(low, high) == pytest.approx([expected, expected], rel=1e-12)


def test_gaussian_visits_are_those_of_the_likelihood() -> None:
    """The dense covariance gives the leave-one-visit densities of predict_visits, and their mass near it."""
    prepared = gridded(20, (0.02, 0.0), seed=2)
    variant = fit_gaussian(prepared).thin(50)
    found = gaussian_densities(prepared, variant, GRID)
    design = prepared.design
    exact = log_normal(
        *predict_visits(
            design.y,
            design.x,
            design.z,
            summarise(design.y, design.x, design.z, design.patient_index),
            variant.beta,
            relative_factor(variant.sd, variant.correlation, variant.sigma),
            variant.sigma,
        )
    )
    assert found.own == pytest.approx(exact, abs=1e-8)
    inner = (design.y > 1.5) & (design.y < 6.5)
    # A cell is as narrow as a third of the predictive SD: density times width, but for the curvature.
    ratio = np.exp(found.mass - found.own)[:, inner] / GRID.step
    assert np.median(ratio) == pytest.approx(1.0, abs=0.02)
    assert np.all(np.abs(ratio - 1.0) < 0.3)


def test_numerical_integration_over_effects_agrees_with_the_closed_form() -> None:
    """A Gaussian likelihood given the effects, integrated by importance draws, is the marginal one."""
    prepared = gridded(12, (0.02, 0.0), seed=3)
    variant = fit_gaussian(prepared).thin(40)
    design = prepared.design
    exact = gaussian_densities(prepared, variant, GRID)
    lower, upper = GRID.cell(design.y)
    sigma = variant.sigma[:, None]

    def own(row: int, eta: np.ndarray) -> np.ndarray:
        return log_normal(design.y[row] - eta, np.broadcast_to(sigma**2, eta.shape))

    model = ConditionalModel(
        own=own,
        mass=lambda row, eta: log_interval((lower[row] - eta) / sigma, (upper[row] - eta) / sigma),
        pseudo_y=np.broadcast_to(design.y, (len(sigma), design.n_rows)),
        pseudo_variance=np.broadcast_to(1.2 * sigma**2, (len(sigma), design.n_rows)),
    )
    found = integrated_visits(
        model,
        variant.beta @ design.x.T,
        design.z,
        variant.effects(),
        design.patient_index,
        points=64,
        seed=1,
    )
    assert found.own == pytest.approx(exact.own, abs=0.12)
    assert found.mass == pytest.approx(exact.mass, abs=0.12)
    assert found.mass.mean() == pytest.approx(exact.mass.mean(), abs=0.01)


def test_leaving_a_visit_out_is_reweighting_by_its_own_density() -> None:
    """Against a conjugate posterior with the visit really left out: elpd within Monte-Carlo error."""
    rng = np.random.default_rng(2)
    y, n = rng.normal(5.0, 1.0, 8), 8
    draws = rng.normal(y.mean(), np.sqrt(1.0 / n), 40_000)[:, None]
    lower, upper = GRID.cell(y)
    densities = VisitDensities(
        own=log_normal(y - draws, np.ones_like(y - draws)),
        mass=log_interval(lower - draws, upper - draws),
    )
    found = score_mass(densities, np.arange(n), variant="x")
    for i in range(n):
        rest = np.delete(y, i)
        sd = np.sqrt(1.0 + 1.0 / (n - 1))
        exact = log_interval((lower[i] - rest.mean()) / sd, (upper[i] - rest.mean()) / sd)
        assert found.elpd_i[i] == pytest.approx(float(exact), abs=0.03)
    assert compare_mass(found, found) == (0.0, 0.0)
    with pytest.raises(ValueError, match="different visits"):
        compare_mass(found, dataclasses.replace(found, patient=np.zeros(n, dtype=int)))


# --- Gaussian variants ------------------------------------------------------------------------------------


def test_residual_sds_by_group_are_recovered_and_preferred_only_where_they_differ() -> None:
    """A factor of two is found; where there is none, the interval holds one and the score gains nothing."""
    for factor in (2.0, 1.0):
        frame = simulate_rows(120, (0.02, 0.0), seed=7, sigma=0.4, times=(3.0, 15.0, 27.0, 36.0))
        more = np.sqrt(factor**2 - 1.0) * 0.4 * np.random.default_rng(1).standard_normal(len(frame))
        frame["tasks"] += np.where(frame["poor"] == 1.0, more, 0.0)
        prepared = prepare(on_grid(frame), case_study(grid=True), draws=400)
        variant = fit_sd_by_group(prepared, factors=np.linspace(-1.0, 1.0, 11))
        low, high = np.exp(np.quantile(variant.extra, [0.025, 0.975]))
        assert low - 0.1 <= factor <= high + 0.1
        assert (low > 1.2) == (factor == 2.0)
        scores = [
            score_mass(
                gaussian_densities(prepared, one.thin(250), GRID),
                prepared.design.patient_index,
                variant=one.name,
            )
            for one in (fit_gaussian(prepared), variant)
        ]
        difference, se = compare_mass(scores[1], scores[0])
        assert (difference > 2.0 * se) == (factor == 2.0)


def test_autocorrelation_is_recovered() -> None:
    """0.6 over a step of six months, simulated without random slopes to speak of; zero is found where there is none."""
    times = np.array([3.0, 6.0, 9.0, 12.0, 15.0, 18.0, 24.0, 30.0, 36.0])
    for truth in (0.6, 0.0):
        frame = simulate_rows(80, (0.02, 0.0), seed=9, sd=(0.8, 0.005), sigma=1e-9, times=times)
        gap = np.abs(times[:, None] - times[None, :]) / 6.0
        correlation = np.where(gap == 0.0, 1.0, truth**gap if truth else 0.0)
        noise = np.random.default_rng(4).standard_normal((80, len(times))) @ np.linalg.cholesky(correlation).T
        frame["tasks"] += 0.6 * noise.ravel()
        variant = fit_autocorrelated(prepare(frame, draws=400), values=np.linspace(0.0, 0.9, 10))
        low, high = np.quantile(variant.extra, [0.025, 0.975])
        assert low - 0.05 <= truth <= high + 0.05
        assert (low > 0.2) == (truth > 0.0)


def test_curved_time_estimates_the_mean_rate_over_the_horizon() -> None:
    """A course that rises early and levels off among the poor: the change over 36 months is recovered."""
    frame = simulate_rows(150, (0.03, 0.03), seed=5)
    bend = frame["months"] * (1.0 - frame["months"] / 72.0) / 18.0 - frame["months"] / 36.0
    frame["tasks"] += np.where(frame["poor"] == 1.0, 4.0 * bend, 0.0)
    prepared = prepare(frame, draws=1000)
    found = gaussian_estimands(prepared, fit_curved(prepared))[0]
    # Both subgroups have changed alike at the end, though the slopes at the beginning differ by four points.
    assert found.points.mean() == pytest.approx(0.0, abs=3.0 * found.points.std())
    assert found.points.std() < 0.5
    assert found.points.std() > prepared.base()[0].points.std()


def test_a_grid_of_one_value_is_the_model_itself() -> None:
    """A factor held at one gives the unchanged posterior but for Monte-Carlo error."""
    prepared = gridded(40, (0.02, 0.0), seed=4)
    variant = fit_sd_by_group(prepared, factors=(0.0,))
    base, found = prepared.base()[0].points, gaussian_estimands(prepared, variant)[0].points
    assert found.mean() == pytest.approx(base.mean(), abs=0.15 * base.std())
    assert found.std() == pytest.approx(base.std(), rel=0.1)


# --- sampled by PyMC --------------------------------------------------------------------------------------
# That ordinal, censored and t models recover what they were simulated from takes a compiler and NUTS for each:
# scripts/stress_recovery.py, whose answers stand in docs/stress.md. Here, one of them, and every model's density.


def parameters(
    family: Family, columns: int, patients: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draw a point of the parameter space of a small model."""
    point = {
        "beta_z": rng.normal(0.0, 0.5, columns),
        "sd": np.array([0.8, 1.1]),
        "correlation_share": np.asarray(0.4),
        "effects_raw": rng.normal(0.0, 1.0, (patients, 2)),
    }
    if family == "ordinal":
        point |= {"spacing": rng.normal(-1.0, 0.3, GRID.n_categories - 2), "first": np.asarray(-4.0)}
    else:
        point["sigma"] = np.asarray(0.7)
    return point | ({"nu": np.asarray(4.0)} if family == "student_t" else {})


def expected_density(family: Family, point: dict[str, np.ndarray], data: dict[str, np.ndarray]) -> float:
    """Log density of a point by SciPy, priors and rows."""
    total = stats.norm.logpdf(point["beta_z"]).sum()
    beta = data["prior_mean"] + data["prior_root"] @ point["beta_z"]
    total += stats.halfnorm(scale=data["prior_sd_scale"]).logpdf(point["sd"]).sum()
    total += stats.beta(data["prior_lkj_eta"], data["prior_lkj_eta"]).logpdf(point["correlation_share"])
    total += stats.norm.logpdf(point["effects_raw"]).sum()
    rho = 2.0 * point["correlation_share"] - 1.0
    root = np.array([[1.0, 0.0], [rho, np.sqrt(1.0 - rho**2)]])
    effects = point["effects_raw"] @ root.T * point["sd"]
    index = data["patient"].astype(int)
    eta = data["x"] @ beta + np.sum(data["z"] * effects[index], axis=1)
    if family == "ordinal":
        total += stats.norm(data["log_spacing"], 0.75).logpdf(point["spacing"]).sum()
        total += stats.norm(data["first_threshold"], 2.0).logpdf(point["first"])
        thresholds = point["first"] + np.concatenate([[0.0], np.cumsum(np.exp(point["spacing"]))])
        ends = np.concatenate([[-np.inf], thresholds, [np.inf]])
        category = data["category"].astype(int)
        return float(total + log_interval(ends[category] - eta, ends[category + 1] - eta).sum())
    sigma = point["sigma"]
    total += stats.halfnorm(scale=data["prior_sigma_scale"]).logpdf(sigma)
    if family == "student_t":
        total += stats.gamma(2.0, scale=10.0).logpdf(point["nu"])
        return float(total + stats.t(point["nu"], eta, sigma).logpdf(data["y"]).sum())
    inside = stats.norm(eta, sigma).logpdf(data["y"])
    below, above = stats.norm(eta, sigma).logcdf(1.125), stats.norm(eta, sigma).logsf(6.875)
    return float(total + np.select([data["at_end"] < 0, data["at_end"] > 0], [below, above], inside).sum())


@pytest.mark.parametrize("family", ["student_t", "censored", "ordinal"])
def test_the_density_of_a_sampled_model_is_that_of_scipy(family: Family) -> None:
    """Priors and likelihood together, at two points, rows at both ends of the scale among them."""
    import pytensor

    frame = simulate_rows(12, (0.02, 0.0), seed=3, sd=(2.0, 0.02), times=(3.0, 15.0, 36.0))
    prepared = prepare(on_grid(frame), case_study(grid=True), draws=400)
    assert {1.0, 7.0} <= set(prepared.design.y.tolist())
    data = sampled_data(prepared, family, GRID, 4)
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        model = build_sampled(family, 4, 12, GRID.n_categories, data, scales="half_normal")
        density = model.compile_logp(jacobian=False)
    for seed in (1, 2):
        point = parameters(family, 4, 12, np.random.default_rng(seed))
        values = dict(point)
        for name in ("sd", "sigma", "nu"):
            if name in values:
                values[f"{name}_log__"] = np.log(values.pop(name))
        share = values.pop("correlation_share")
        values["correlation_share_logodds__"] = np.log(share / (1.0 - share))
        # Differences of distribution functions lose a few digits in cells far out.
        assert float(density(values)) == pytest.approx(expected_density(family, point, data), rel=1e-8)


def variant_of(family: Family, prepared: Prepared, extra: np.ndarray, sigma: float) -> SampledVariant:
    """Make draws up: the same parameters twice."""
    beta = np.array([0.0 if family == "ordinal" else 4.5, 0.02, 0.1, -0.01])
    return SampledVariant(
        name=family,
        words="",
        beta=np.broadcast_to(beta, (1, 2, 4)),
        effects=np.broadcast_to(np.array([[0.8, 0.1], [0.1, 0.5]]), (1, 2, 2, 2)),
        sigma=np.full((1, 2), sigma),
        extra=np.broadcast_to(extra, (1, 2, len(extra))),
        diverging=0,
    )


@pytest.mark.parametrize("family", ["student_t", "censored", "ordinal"])
def test_masses_of_all_cells_add_up_to_one(family: Family) -> None:
    """Whatever the likelihood and the linear predictor."""
    frame = pd.DataFrame(
        {
            "patient": [f"p{i // 5:02d}" for i in range(GRID.n_categories)],
            "months": 3.0 + np.arange(GRID.n_categories) % 5,
            "tasks": 1.0 + 0.25 * (7 * np.arange(GRID.n_categories) % GRID.n_categories),
            "poor": np.arange(GRID.n_categories) // 5 % 2.0,
        }
    )
    prepared = prepare(frame, case_study(grid=True), draws=400)
    extra = {"student_t": np.array([3.0]), "ordinal": np.linspace(-5.0, 5.0, GRID.n_categories - 1)}
    variant = variant_of(
        family, prepared, extra.get(family, np.empty(0)), 1.0 if family == "ordinal" else 0.6
    )
    model = conditional_model(variant, prepared, GRID, np.arange(2))
    centre = 0.3 if family == "ordinal" else 4.3
    eta = np.full((2, 3), centre) + np.array([-1.0, 0.0, 2.0])
    total = sum(np.exp(model.mass(row, eta)) for row in range(GRID.n_categories))
    assert total == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("family", ["censored", "ordinal"])
def test_the_expected_score_rises_as_its_derivative_says(family: Family) -> None:
    """Average partial effects against differences of expected scores."""
    prepared = gridded(12, (0.02, 0.0), seed=3)
    ordinal = family == "ordinal"
    thresholds = np.linspace(-5.0, 5.0, GRID.n_categories - 1)
    variant = variant_of(family, prepared, thresholds if ordinal else np.empty(0), 1.0 if ordinal else 0.6)
    # Near the floor, so that both ends of the scale count.
    variant = dataclasses.replace(
        variant, beta=variant.beta - np.array([0.0 if ordinal else 2.5, 0.0, 0.0, 0.0])
    )
    x = prepared.design.x * (np.arange(4) > 0 if ordinal else 1.0)
    z = prepared.design.z / np.array([1.0, HORIZON])
    sd = np.sqrt(variant.sigma[0, 0] ** 2 + np.einsum("na,ab,nb->n", z, variant.effects[0, 0], z))
    eta = x @ variant.beta[0, 0]

    def score(shift: float) -> float:
        centre = eta + shift
        if ordinal:
            above = special.ndtr((centre[:, None] - thresholds) / sd[:, None])
            return float((1.0 + 0.25 * above.sum(axis=1)).mean())
        latent = centre[:, None] + sd[:, None] * special.ndtri((np.arange(20_000) + 0.5) / 20_000)
        return float(np.clip(latent, 1.125, 6.875).mean())

    slope = (score(0.01) - score(-0.01)) / 0.02
    assert expected_slope(variant, prepared, GRID)[0, 0] == pytest.approx(slope, rel=1e-3)


@pytest.mark.slow
def test_a_censored_likelihood_finds_the_course_beyond_the_ceiling() -> None:
    """Good patients run into the ceiling: the Gaussian difference shrinks, the latent one is recovered."""
    frame = simulate_rows(60, (0.06, 0.0), seed=6, sigma=0.5, times=(3.0, 15.0, 27.0, 36.0))
    frame["tasks"] += 1.0
    prepared = prepare(on_grid(frame), case_study(grid=True), draws=1000)
    variant = fit_sampled(prepared, "censored", GRID, QUICK)
    latent, expected = (draws.points for draws in sampled_estimands(prepared, variant, GRID))
    gaussian = prepared.base()[0].points
    truth = -0.06 * HORIZON
    assert latent.mean() == pytest.approx(truth, abs=3.0 * latent.std())
    assert abs(gaussian.mean()) < 0.75 * abs(truth)
    assert abs(expected.mean()) < abs(latent.mean())


def test_a_scale_without_a_grid_is_not_scored() -> None:
    """Without declared ends and step there is no cell."""
    study = case_study()
    prepared = prepare(simulate_rows(20, (0.0, 0.0), seed=1), study, draws=400)
    assert outcome_grid(study, "tasks") is None
    assert isinstance(compare_likelihoods(study, prepared), StressSkipped)
    assert outcome_grid(case_study(grid=True), "tasks") == GRID
