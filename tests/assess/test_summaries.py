"""Summaries of draws: what they say, what they refuse, and both inferences side by side."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_alliance.assess.summaries import model_quantities, summarise_draws, variance_draws, variance_points
from bayes_alliance.errors import FitError
from bayes_alliance.inference.ml import fit_mixed
from bayes_alliance.study.records import Estimand, Model
from tests.known_posteriors import (
    conjugate_beta,
    conjugate_posterior,
    made_up_posterior,
    make_design,
    make_rows,
    posterior_around_ml,
    rows_used,
)


def test_summary_of_a_grid_is_read_off_by_hand() -> None:
    """Median, equal-tailed ends, mean and share below zero of -10..30 are known without a formula."""
    draws = np.arange(-10.0, 31.0).reshape(1, -1)
    summary = summarise_draws(draws, name="x")
    assert (summary.median, summary.mean) == (10.0, 10.0)
    assert (summary.lower, summary.upper) == (-9.0, 29.0)
    assert summary.p_negative == pytest.approx(10 / 41)
    assert summary.p_direction == pytest.approx(31 / 41)
    assert summary.sd == pytest.approx(np.std(np.arange(41), ddof=1))


def test_independent_draws_are_worth_about_their_number_and_mix() -> None:
    """White noise: R-hat near 1, ESS near 4,000, MCSE near SD / sqrt(4,000)."""
    draws = np.random.default_rng(1).normal(3.0, 2.0, (4, 1000))
    summary = summarise_draws(draws, name="x")
    assert summary.r_hat < 1.005
    assert 3000 < summary.ess_bulk < 5000
    assert summary.mcse_mean == pytest.approx(2.0 / np.sqrt(4000), rel=0.1)


def test_chains_at_different_places_have_a_high_r_hat_and_a_low_ess() -> None:
    """Two chains around 0 and two around 5 do not agree."""
    draws = np.random.default_rng(1).normal(size=(4, 500)) + np.array([0.0, 0.0, 5.0, 5.0])[:, None]
    summary = summarise_draws(draws, name="x")
    assert summary.r_hat > 1.5
    assert summary.ess_bulk < 20


def test_sign_and_scale_carry_over() -> None:
    """Multiplying by -2 mirrors the interval and the direction, and leaves convergence as it is."""
    draws = np.random.default_rng(2).normal(1.0, 1.0, (4, 300))
    one, other = summarise_draws(draws, name="x"), summarise_draws(-2.0 * draws, name="x")
    assert (other.lower, other.upper) == pytest.approx((-2.0 * one.upper, -2.0 * one.lower))
    assert other.p_negative == pytest.approx(1.0 - one.p_negative)
    assert other.p_direction == pytest.approx(one.p_direction)
    assert other.r_hat == pytest.approx(one.r_hat, abs=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_draw_that_is_not_finite_is_an_error_that_names_the_quantity(bad: float) -> None:
    """A summary never hides a NaN or an infinity."""
    draws = np.zeros((4, 100))
    draws[2, 5] = bad
    with pytest.raises(FitError, match="growth: sd_months: 1 of 400 draws are not finite"):
        summarise_draws(draws, name="growth: sd_months")


def test_a_single_draw_is_an_error() -> None:
    """One draw has no spread."""
    with pytest.raises(FitError, match="x: 1 draws cannot be summarised"):
        summarise_draws(np.ones((1, 1)), name="x")


def test_draws_that_never_move_have_no_convergence_statistics() -> None:
    """A constant is summarised, but nothing claims that it has converged."""
    summary = summarise_draws(np.full((4, 100), 2.5), name="x")
    assert (summary.mean, summary.sd, summary.lower, summary.upper) == (2.5, 0.0, 2.5, 2.5)
    assert np.isnan([summary.r_hat, summary.ess_bulk, summary.ess_tail, summary.mcse_mean]).all()


def test_chains_that_each_stand_still_have_an_infinite_r_hat() -> None:
    """Stuck chains at different places are the opposite of converged."""
    draws = np.repeat([[1.0], [2.0], [3.0], [4.0]], 100, axis=1)
    assert summarise_draws(draws, name="x").r_hat > 100.0


def test_three_draws_a_chain_are_too_few_for_convergence_statistics() -> None:
    """R-hat and ESS of fewer than four draws a chain do not exist."""
    summary = summarise_draws(np.random.default_rng(1).normal(size=(4, 3)), name="x")
    assert np.isnan([summary.r_hat, summary.ess_bulk]).all()
    assert np.isfinite(summary.sd)


DESIGN = make_design(make_rows(30))


def _name(part: str) -> str:
    return next(name for name in DESIGN.x_names if part in name and ":" in name)


def test_an_estimand_is_the_weighted_sum_in_both_inferences() -> None:
    """Slope plus deviation: the estimate is the sum, and the posterior is conjugate's linear combination."""
    product = _name("poor")
    weights = (("time", 1.0), (product, 1.0))
    estimand = Estimand(name="slope_poor", label="Slope, poor", weights=weights, kind="slope")
    model = Model(
        id="m", label="", family="", outcome="y", formula=DESIGN.formula.text, estimands=(estimand,)
    )
    ml, reml = (fit_mixed(DESIGN, rows_used(DESIGN), method=m) for m in ("ML", "REML"))  # type: ignore[arg-type]
    listed = {
        q.name: q
        for q in model_quantities(model, ml=ml, reml=reml, posterior=conjugate_posterior(DESIGN, draws=2000))
    }
    found = listed["slope_poor"]
    assert found.ml.estimate == pytest.approx(ml.beta[1] + ml.beta[2])
    mean, covariance = conjugate_beta(DESIGN)
    line = np.array([0.0, 1.0, 1.0])
    assert found.bayes is not None
    assert found.bayes.mean == pytest.approx(line @ mean, abs=0.005)
    assert found.bayes.sd == pytest.approx(np.sqrt(line @ covariance @ line), rel=0.05)
    assert (found.kind, listed[product].kind, found.label) == ("slope", "coefficient", "Slope, poor")


def test_quantities_are_listed_once_in_a_fixed_order() -> None:
    """Coefficients, estimands, then SDs, correlation, sigma and ICC."""
    model = Model(id="m", label="", family="", outcome="y", formula=DESIGN.formula.text)
    ml, reml = (fit_mixed(DESIGN, rows_used(DESIGN), method=m) for m in ("ML", "REML"))  # type: ignore[arg-type]
    listed = model_quantities(model, ml=ml, reml=reml, posterior=None)
    names = [*DESIGN.x_names, "sd_Intercept", "sd_time", "correlation", "sigma", "icc"]
    assert [q.name for q in listed] == names
    assert all(q.bayes is None for q in listed)
    by_name = {q.name: q for q in listed}
    assert by_name["sd_time"].ml.estimate == ml.sd[1]
    assert by_name["sd_time"].reml.estimate == reml.sd[1]
    assert np.isnan(by_name["sd_time"].ml.p)
    assert by_name["icc"].ml.estimate == pytest.approx(ml.sd[0] ** 2 / (ml.sd[0] ** 2 + ml.sigma**2))


def test_icc_is_computed_draw_by_draw() -> None:
    """With sd 3 and sigma 4 in one draw, 1 and 1 in another, the ICC is 9/25 and 1/2."""
    sd = np.array([[[3.0, 0.1], [1.0, 0.1]]])
    fit = made_up_posterior(DESIGN, beta=np.zeros((1, 2, 3)), sd=sd, sigma=np.array([[4.0, 1.0]]))
    np.testing.assert_allclose(variance_draws(fit)["icc"], [[0.36, 0.5]])


def test_a_random_intercept_model_has_no_correlation() -> None:
    """Neither inference lists a correlation that the model lacks, and both list the same names."""
    design = make_design(make_rows(20), "y ~ time + (1 | patient)")
    names = list(variance_points(fit_mixed(design, rows_used(design))))
    assert names == ["sd_Intercept", "sigma", "icc"]
    assert list(variance_draws(posterior_around_ml(design))) == names


def test_a_posterior_with_a_draw_gone_astray_names_model_and_coefficient() -> None:
    """The message leads to the model and the quantity."""
    fit = conjugate_posterior(DESIGN, draws=50)
    fit.beta[1, 2, 1] = np.nan
    ml = fit_mixed(DESIGN, rows_used(DESIGN))
    model = Model(id="growth", label="", family="", outcome="y", formula=DESIGN.formula.text)
    with pytest.raises(FitError, match="growth: time: 1 of 200 draws are not finite"):
        model_quantities(model, ml=ml, reml=ml, posterior=fit)
