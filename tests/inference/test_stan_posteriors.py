"""Posteriors of every covariance structure by brms and rstan, with the same priors (tests/reference/stan.R)."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any

import numpy as np
import pytest

from bayes_alliance.inference.priors import coefficient_priors
from bayes_alliance.run.structured_frame import read_formula, read_structured
from tests.measure_posteriors import ENGINES, PAGE, format_page, format_section, put_section
from tests.reference_fits import REFERENCE
from tests.reference_posteriors import (
    MODELS,
    OurDraws,
    ReferenceModel,
    differences,
    fit_draws,
    read_rows,
    stan_answers,
)

ANSWERS: dict[str, Any] = stan_answers()["models"]
PRIORS: dict[str, Any] = json.loads((REFERENCE / "stan_priors.json").read_text())
NUTS: dict[str, Any] = json.loads((REFERENCE / "nuts.json").read_text())
# In Monte-Carlo standard errors of the difference: with 1 of 16,000 quantities beyond by chance.
LIMIT = 4.0
each_model = pytest.mark.parametrize("model", MODELS, ids=[model.name for model in MODELS])


@functools.cache
def draws_of(model: ReferenceModel) -> OurDraws:
    """Fit once: 20,000 draws, so that the error of the difference is mostly the reference's."""
    return fit_draws(model, draws=20_000)


def strays(name: str, found: OurDraws) -> list[str]:
    """List the quantities whose mean or SD lies further from the reference than Monte-Carlo error permits."""
    return [
        quantity
        for quantity, one in differences(ANSWERS[name], found).items()
        if max(abs(one.mean_mcse), abs(one.sd_mcse)) > LIMIT
    ]


@each_model
def test_every_structure_has_the_posterior_of_stan(model: ReferenceModel) -> None:
    """Means and SDs of all coefficients, SDs and correlations within 4 Monte-Carlo standard errors."""
    assert not strays(model.name, draws_of(model))


@each_model
def test_a_wrong_posterior_is_noticed(model: ReferenceModel) -> None:
    """Each quantity in turn moved by 0.15 SD, or spread by 15 %, strays from the reference of every model."""
    found = draws_of(model)
    for name, draws in found.named.items():
        for wrong in (draws + 0.15 * draws.std(), draws.mean() + 1.15 * (draws - draws.mean())):
            moved = dataclasses.replace(found, named={**found.named, name: wrong})
            assert name in strays(model.name, moved), name


@each_model
def test_the_reference_has_the_priors_of_today(model: ReferenceModel) -> None:
    """Priors that stan.R was given are those of the package, to the last digit that matters."""
    given = PRIORS[model.name]
    found = read_structured(
        *read_formula(model.formula, model.residual, model.patient), read_rows(model), time=model.time
    )
    priors = coefficient_priors(found.study, found.design, found.study.priors[0].name)
    assert (given["formula"], given["residual"], given["data"]) == (model.formula, model.residual, model.data)
    assert list(found.design.x_names) == given["coefficients"]
    assert np.allclose(priors.mean, given["mean"]) and np.allclose(priors.covariance, given["covariance"])
    assert (priors.sigma_scale, priors.lkj_eta, priors.scale_family) == (
        given["sigma"],
        given["lkj_eta"],
        "half_normal",
    )
    for level, prior in (
        (found.patient_name, found.patient_prior),
        (found.cluster_name, found.cluster_prior),
    ):
        if len(prior.scale):
            assert np.allclose(prior.scale, given["levels"][level]["scale"])
            assert np.allclose(prior.shift, given["levels"][level]["shift"])


@each_model
def test_the_reference_chains_mixed(model: ReferenceModel) -> None:
    """R-hat below 1.01, 400 effective draws of every quantity, at most 1 in 1,000 transitions divergent."""
    answer = ANSWERS[model.name]
    assert answer["rhat_max"] < 1.01 and answer["ess_bulk_min"] > 400.0 and answer["divergent"] <= 8


# What nuts.json calls the quantities of stan.json that are no coefficients.
PYMC_NAMES: dict[str, dict[str, str]] = {
    "mmrm": {f"sd residual (visit v{k + 1})": f"sd {k}" for k in range(4)}
    | {f"cor residual (v{j + 1}, v{i + 1})": f"cor {i} {j}" for i in range(4) for j in range(i)},
    "three_levels": {
        "sd Intercept | Dog": "sd 0",
        "sd day | Dog": "sd 1",
        "cor Intercept, day | Dog": "cor 1 0",
        "sd Intercept | Dog:Side": "sd_side",
        "sd residual": "sigma",
    },
    "several_slopes": {
        "sd Intercept | Subject": "sd 0",
        "sd age | Subject": "sd 1",
        "sd age2 | Subject": "sd 2",
        "cor Intercept, age | Subject": "cor 1 0",
        "cor Intercept, age2 | Subject": "cor 2 0",
        "cor age, age2 | Subject": "cor 2 1",
        "sd residual": "sigma",
    },
}


@pytest.mark.parametrize("name", PYMC_NAMES)
def test_plain_pymc_models_and_stan_agree(name: str) -> None:
    """Two programs with the same priors: means within 4 Monte-Carlo standard errors of both, SDs within 10 %."""
    theirs, other = ANSWERS[name]["posterior"], NUTS[name]["posterior"]
    assert len(theirs) == len(other) - 1  # nuts.json counts divergences beside them
    for quantity, one in theirs.items():
        own = other[PYMC_NAMES[name].get(quantity, quantity)]
        error = np.hypot(one["mcse_mean"], own["sd"] / np.sqrt(own["ess"]))
        assert abs(one["mean"] - own["mean"]) < LIMIT * error, quantity
        assert abs(one["sd"] / own["sd"] - 1.0) < 0.1, quantity


def test_pages_say_what_was_measured() -> None:
    """Both tables are those that scripts/measure_posteriors makes of what it stored."""
    assert PAGE.read_text(encoding="utf-8") == format_page()
    page = ENGINES.read_text(encoding="utf-8")
    assert page == put_section(page, format_section())
