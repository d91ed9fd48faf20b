"""Posteriors of several levels, of repeated measures and of several random slopes by other programs.

Plain NUTS (tests/reference/nuts.py) or, for independent effects, quadrature (tests/reference/quadrature.py).
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

import bayes_alliance as ba
from bayes_alliance.api.structured import StructuredFit
from tests.reference_fits import REFERENCE


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "data" / f"{name}.csv")


NUTS: dict[str, Any] = json.loads((REFERENCE / "nuts.json").read_text())
QUADRATURE: dict[str, Any] = json.loads((REFERENCE / "quadrature.json").read_text())
QUANTILES = {"low": 0.05, "median": 0.5, "high": 0.95}


def check_nuts(answer: dict[str, Any], found: StructuredFit, draws: dict[str, np.ndarray]) -> None:
    """Means within 0.1 SD and SDs within 8 % of those of NUTS, which had the same priors."""
    priors = found.coefficient_priors
    assert np.allclose(priors.mean, answer["priors"]["mean"])
    assert np.allclose(priors.covariance, answer["priors"]["covariance"])
    assert (priors.sigma_scale, priors.lkj_eta) == (answer["priors"]["sigma"], answer["priors"]["lkj_eta"])
    expected = {name: one for name, one in answer["posterior"].items() if name != "divergences"}
    assert set(draws) == set(expected)
    for name, one in expected.items():
        assert abs(draws[name].mean() - one["mean"]) < 0.1 * one["sd"], name
        assert abs(draws[name].std() / one["sd"] - 1.0) < 0.08, name


def test_repeated_measures_have_the_posterior_of_nuts() -> None:
    """Unstructured covariance of four visits: coefficients, SDs and correlations (tests/reference/nuts.py)."""
    rows = read("orthodont")
    rows = rows.assign(visit="v" + ((rows["age"] - 6) / 2).astype(int).astype(str))
    found = ba.fit("distance ~ visit*Sex", rows, residual="un(visit)", patient="Subject", time="age", seed=5)
    assert isinstance(found, StructuredFit) and found.posterior is not None
    post = found.posterior
    pairs = [(i, j) for i in range(4) for j in range(i)]
    draws = {name: post.beta[:, k] for k, name in enumerate(post.x_names)}
    draws |= {f"sd {k}": post.sigma[:, k] for k in range(4)}
    draws |= {f"cor {i} {j}": post.correlations[:, k] for k, (i, j) in enumerate(pairs)}
    check_nuts(NUTS["mmrm"], found, draws)


def test_three_levels_have_the_posterior_of_nuts() -> None:
    """Random intercepts and slopes of dogs, intercepts of their sides: coefficients, SDs and correlation."""
    rows = read("pixel").assign(day2=lambda d: d["day"] ** 2)
    found = ba.fit(NUTS["three_levels"]["formula"], rows, seed=6)
    assert isinstance(found, StructuredFit) and found.posterior is not None
    post = found.posterior
    sd = np.sqrt(np.diagonal(post.cluster_cov, axis1=1, axis2=2))
    draws = {name: post.beta[:, k] for k, name in enumerate(post.x_names)}
    draws |= {"sd 0": sd[:, 0], "sd 1": sd[:, 1], "cor 1 0": post.cluster_cov[:, 0, 1] / sd.prod(axis=1)}
    draws |= {"sd_side": np.sqrt(post.patient_cov[:, 0, 0]), "sigma": post.sigma[:, 0]}
    check_nuts(NUTS["three_levels"], found, draws)


def check_quantiles(answer: dict[str, Any], draws: dict[str, np.ndarray]) -> None:
    """Within 0.15 SD: the Monte-Carlo error of a 5 % quantile of 2,000 effective draws is up to 0.05 SD."""
    for name, values in draws.items():
        one = answer["posterior"][name]
        for label, level in QUANTILES.items():
            assert abs(np.quantile(values, level) - one[label]) < 0.15 * one["sd"], (name, label)


def test_several_correlated_slopes_have_the_posterior_of_nuts() -> None:
    """Random intercepts and two random slopes of boys: coefficients, SDs, correlations, and their quantiles."""
    rows = read("oxboys").assign(age2=lambda d: d["age"] ** 2)
    answer = NUTS["several_slopes"]
    found = ba.fit(answer["formula"], rows, time="age", seed=5)
    assert isinstance(found, StructuredFit) and found.posterior is not None
    post = found.posterior
    sd = np.sqrt(np.diagonal(post.patient_cov, axis1=1, axis2=2))
    draws = {name: post.beta[:, k] for k, name in enumerate(post.x_names)}
    draws |= {f"sd {k}": sd[:, k] for k in range(3)}
    for i, j in ((1, 0), (2, 0), (2, 1)):
        draws[f"cor {i} {j}"] = post.patient_cov[:, i, j] / (sd[:, i] * sd[:, j])
    draws["sigma"] = post.sigma[:, 0]
    check_nuts(answer, found, draws)
    check_quantiles(answer, draws)


def test_independent_effects_have_the_posterior_of_quadrature() -> None:
    """Intercepts and two slopes of subjects without correlation: evidence, coefficients, SDs, and their quantiles."""
    rows = read("sleepstudy").assign(late=lambda d: np.maximum(d["Days"] - 5, 0))
    found = ba.fit(QUADRATURE["formula"], rows, time="Days", seed=5)
    assert isinstance(found, StructuredFit) and found.posterior is not None
    post, priors = found.posterior, QUADRATURE["priors"]
    assert np.allclose(found.coefficient_priors.mean, priors["mean"])
    assert np.allclose(found.coefficient_priors.covariance, priors["covariance"])
    assert found.coefficient_priors.sigma_scale == priors["sigma"]
    draws = {name: post.beta[:, k] for k, name in enumerate(post.x_names)}
    for k, name in enumerate(("Intercept", "Days", "late")):
        draws[f"sd {name}"] = np.sqrt(post.patient_cov[:, k, k])
    draws["sigma"] = post.sigma[:, 0]
    assert set(draws) == set(QUADRATURE["posterior"])
    assert abs(post.log_evidence - QUADRATURE["log_evidence"]) < 0.03
    for name, values in draws.items():
        one = QUADRATURE["posterior"][name]
        assert abs(values.mean() - one["mean"]) < 0.08 * one["sd"], name
        assert abs(values.std() / one["sd"] - 1.0) < 0.06, name
    check_quantiles(QUADRATURE, draws)
