"""Correlated group-specific effects as an extension of Bambi: prior, posterior and what Bambi does with them."""

from __future__ import annotations

import bambi
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from bayes_alliance.inference.pymc.correlated_effects import CorrelatedModel, joint_normal, split_bars

GROUPS, VISITS = 40, 4


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Forty groups of four rows, random slopes correlated with levels by 0.6."""
    rng = np.random.default_rng(3)
    effects = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.3], [0.3, 0.25]], GROUPS)
    group = np.repeat(np.arange(GROUPS), VISITS)
    x = np.tile(np.arange(VISITS, dtype=float), GROUPS)
    y = 2.0 + 0.5 * x + effects[group, 0] + effects[group, 1] * x + rng.normal(0.0, 0.4, len(x))
    return pd.DataFrame({"y": y, "x": x, "z": x**2, "g": group.astype(str), "h": (group % 5).astype(str)})


def _prior_draws(model: bambi.Model, names: list[str], draws: int = 4000) -> dict[str, NDArray[np.float64]]:
    found = model.prior_predictive(draws=draws, random_seed=1)["prior"]
    return {name: found[name].to_numpy().reshape(draws, -1).squeeze() for name in names}


def test_bars_are_read_as_in_lme4() -> None:
    """One bar correlates, two do not; the rest of the formula stays as it is."""
    assert split_bars("y ~ x + (x | g)") == ("y ~ x + (x | g)", frozenset())
    assert split_bars("y ~ x+(x||g)+(1|h)") == ("y ~ x+(x | g)+(1 | h)", frozenset({"g"}))
    with pytest.raises(ValueError, match="g: correlated and independent effects of one grouping factor"):
        split_bars("y ~ (x | g) + (z || g)")


def test_two_bars_give_plain_bambi(frame: pd.DataFrame) -> None:
    """Independent effects: the same variables as Bambi's own model, and no correlation."""
    own = CorrelatedModel("y ~ x + (x || g)", frame)
    plain = bambi.Model("y ~ x + (x | g)", frame)
    own.build()
    plain.build()
    assert list(own.backend.model.named_vars) == list(plain.backend.model.named_vars)
    assert own.correlated == {}


@pytest.mark.parametrize("eta", [1.0, 3.0])
def test_correlations_have_an_lkj_prior(frame: pd.DataFrame, eta: float) -> None:
    """Three effects: each correlation is a symmetric beta of shape eta + 1/2, so its variance is 1 / (2 eta + 2)."""
    model = CorrelatedModel("y ~ x + z + (x + z | g)", frame, lkj_eta=eta)
    model.build()
    names = [f"{pair}|g_correlation" for pair in ("1:x", "1:z", "x:z")]
    draws = _prior_draws(model, names)
    for name in names:
        np.testing.assert_allclose(draws[name].mean(), 0.0, atol=0.03)
        np.testing.assert_allclose(draws[name].var(), 1.0 / (2.0 * eta + 2.0), rtol=0.08)
    a, b, c = (draws[name] for name in names)
    assert np.all(1.0 + 2.0 * a * b * c - a**2 - b**2 - c**2 > 0.0)


def test_effects_have_the_covariance_that_is_said(frame: pd.DataFrame) -> None:
    """Prior draws of the effects, standardised, correlate as the correlations say."""
    model = CorrelatedModel("y ~ x + z + (x + z | g)", frame)
    model.build()
    terms = ["1|g", "x|g", "z|g"]
    draws = _prior_draws(
        model, [*terms, *(f"{t}_sigma" for t in terms), "1:x|g_correlation", "x:z|g_correlation"]
    )
    scaled = {t: draws[t] / draws[f"{t}_sigma"][:, None] for t in terms}
    for first, second, name in (("1|g", "x|g", "1:x|g_correlation"), ("x|g", "z|g", "x:z|g_correlation")):
        product = (scaled[first] * scaled[second]).mean(axis=1)
        slope = np.polyfit(draws[name], product, 1)
        np.testing.assert_allclose(slope, [1.0, 0.0], atol=0.05)


def test_common_effects_have_the_joint_prior(frame: pd.DataFrame) -> None:
    """Means and covariance of coefficients of several terms, a category of several columns among them."""
    mean = np.array([1.0, -1.0, 0.5, 0.0, 2.0, 0.0])
    root = np.random.default_rng(5).normal(size=(6, 6))
    terms = {"Intercept": [0], "x": [1], "h": [2, 3, 4, 5]}
    model = CorrelatedModel(
        "y ~ x + h + (x | g)", frame, priors=joint_normal(terms, mean, root), center_predictors=False
    )
    model.build()
    draws = _prior_draws(model, ["Intercept", "x", "h"])
    beta = np.column_stack([draws["Intercept"], draws["x"], draws["h"]])
    covariance = root @ root.T
    error = np.sqrt(np.diag(covariance) / len(beta))
    assert np.all(np.abs(beta.mean(axis=0) - mean) < 4.0 * error)
    np.testing.assert_allclose(np.cov(beta.T), covariance, atol=0.1 * np.diag(covariance).max())


def test_bambi_fits_predicts_and_scores_it(frame: pd.DataFrame) -> None:
    """The correlation is found; in-sample and new-group predictions and pointwise log likelihoods are Bambi's own."""
    model = CorrelatedModel("y ~ x + (x | g)", frame)
    results = model.fit(
        draws=300, tune=400, chains=2, random_seed=1, inference_method="nutpie", progressbar=False
    )
    correlation = results["posterior"]["1:x|g_correlation"].to_numpy()
    assert 0.2 < correlation.mean() < 0.9
    model.compute_log_likelihood(results)
    assert results["log_likelihood"]["y"].shape == (2, 300, len(frame))
    new = pd.DataFrame({"x": [0.0, 3.0], "z": [0.0, 9.0], "g": ["new", "new"], "h": ["0", "0"]})
    drawn = model.predict(
        results, kind="response", data=new, inplace=False, sample_new_groups=True, random_seed=2
    )
    values = drawn["posterior_predictive"]["y"].to_numpy().reshape(-1, 2)
    assert values.shape == (600, 2)
    # The spread of a new group's later row is that of level and slope together.
    expected = 1.0 + 2 * 3 * 0.3 + 9 * 0.25 + 0.16
    assert 0.6 * expected < values[:, 1].var() < 1.6 * expected


@pytest.mark.parametrize(
    ("formula", "options", "message"),
    [
        ("y ~ x + (x | g)", {"noncentered": False}, "1|g: correlated effects are non-centred"),
        ("y ~ x + (h | g)", {}, "correlated effects of a category are not supported"),
        ("y ~ x + (x | g)", {"lkj_eta": 0.0}, "lkj_eta is 0.0; a number above 0 is allowed"),
    ],
)
def test_what_cannot_be_correlated_is_refused(
    frame: pd.DataFrame, formula: str, options: dict[str, float], message: str
) -> None:
    """One clear message, before anything is built."""
    with pytest.raises(ValueError, match=message.replace("|", r"\|")):
        CorrelatedModel(formula, frame, **options)  # type: ignore[arg-type]
