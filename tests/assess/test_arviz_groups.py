"""Trees with all groups: ArviZ's functions on them give the numbers of the package, of priors, and of closed forms."""

from __future__ import annotations

import warnings

import arviz_stats
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from bayes_alliance.assess.arviz_groups import arviz_groups
from bayes_alliance.assess.loo import score_model
from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.fits import PosteriorFit
from bayes_alliance.inference.priors import CoefficientPriors
from tests.known_posteriors import make_design, make_rows, rows_used

DESIGN = make_design(make_rows(30), "y ~ time + poor:time + (time | patient)")
PRIORS = CoefficientPriors(
    name="p",
    mean=np.array([4.0, 0.0, 0.0]),
    sd=np.array([1.0, 0.5, 0.5]),
    factor=np.array([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]]),
    sd_scale=np.array([1.0, 0.5]),
    sigma_scale=1.0,
    lkj_eta=2.0,
)


@pytest.fixture(scope="module")
def fit() -> PosteriorFit:
    """A posterior of thirty patients."""
    return fit_collapsed(
        DESIGN, rows_used(DESIGN), PRIORS, seed=1, model_id="m", settings=CollapsedSettings(draws=2000)
    )


@pytest.fixture(scope="module")
def tree(fit: PosteriorFit) -> xr.DataTree:
    """Its tree."""
    return arviz_groups(fit, DESIGN, PRIORS, seed=3)


def test_all_groups_are_there_under_the_names_of_the_tables(tree: xr.DataTree) -> None:
    """The parameters by name in posterior and prior; the outcome in all groups by row; no empty sampler statistics."""
    assert set(tree.children) == {
        "posterior", "prior", "log_prior", "log_likelihood", "posterior_predictive", "observed_data",
    }  # fmt: skip
    names = ["Intercept", "time", "poor:time", "sd_Intercept", "sd_time", "correlation", "sigma"]
    assert list(tree["posterior"].data_vars) == list(tree["prior"].data_vars) == names
    assert tree["log_likelihood"]["y"].shape == (4, 500, 150)
    assert tree["log_likelihood"]["y_by_patient"].shape == (4, 500, 30)
    np.testing.assert_array_equal(tree["observed_data"]["y"], DESIGN.y)


@pytest.mark.parametrize(("target", "name"), [("new_patient", "y_by_patient"), ("new_visit", "y")])
def test_loo_of_the_tree_is_the_score_of_the_run(
    fit: PosteriorFit, tree: xr.DataTree, target: str, name: str
) -> None:
    """By patient and by visit, to rounding (ArviZ takes the efficiency of the same parameters)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = arviz_stats.loo(tree, var_name=name, pointwise=True)
    score = score_model(fit, DESIGN, target, seed=3)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.elpd_i.values, score.elpd_i, atol=0.02)
    assert found.elpd == pytest.approx(score.elpd, abs=0.1)


def test_prior_draws_are_those_of_the_prior(tree: xr.DataTree) -> None:
    """Correlated coefficients, half-normal SDs, a uniform-enough correlation."""
    prior = tree["prior"]
    level, slope = prior["Intercept"].to_numpy().ravel(), prior["time"].to_numpy().ravel()
    assert np.corrcoef(level, slope)[0, 1] == pytest.approx(0.6, abs=0.06)
    assert stats.kstest(level, stats.norm(4.0, 1.0).cdf).pvalue > 1e-3
    assert stats.kstest(prior["sd_time"].to_numpy().ravel(), stats.halfnorm(scale=0.5).cdf).pvalue > 1e-3
    share = (prior["correlation"].to_numpy().ravel() + 1.0) / 2.0
    assert stats.kstest(share, stats.beta(2.0, 2.0).cdf).pvalue > 1e-3


def test_log_prior_is_the_density_of_the_draws(fit: PosteriorFit, tree: xr.DataTree) -> None:
    """SciPy's densities of one draw: coefficients together, SDs, residual SD, correlation."""
    expected = {
        "coefficients": stats.multivariate_normal(PRIORS.mean, PRIORS.covariance).logpdf(fit.beta[1, 7]),
        "sd_time": stats.halfnorm(scale=0.5).logpdf(fit.sd[1, 7, 1]),
        "sigma": stats.halfnorm(scale=1.0).logpdf(fit.sigma[1, 7]),
        "correlation": stats.beta(2.0, 2.0).logpdf((fit.correlation[1, 7] + 1.0) / 2.0) - np.log(2.0),
    }
    for name, value in expected.items():
        assert float(tree["log_prior"][name][1, 7]) == pytest.approx(float(value), rel=1e-8)


def test_predictions_of_visits_are_calibrated(tree: xr.DataTree) -> None:
    """LOO-PIT by ArviZ of data from the model itself is uniform by its own test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pit = arviz_stats.loo_pit(tree, var_names="y")["y"].to_numpy()
    assert stats.kstest(pit, "uniform").pvalue > 1e-3


def test_arviz_weighs_prior_and_likelihood(tree: xr.DataTree) -> None:
    """The power-scaling table has a line for the slope deviation."""
    table = arviz_stats.psense_summary(tree, var_names=["poor:time"], likelihood_var_names=["y_by_patient"])
    assert list(table.index) == ["poor:time"]
    assert table.loc["poor:time", "likelihood"] > table.loc["poor:time", "prior"]
