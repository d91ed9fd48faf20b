"""Posteriors of several levels and of repeated measures against plain NUTS (tests/reference/nuts.py)."""

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
