"""Calibration of models with several levels or correlated residuals: prior draws, likelihood, planted faults."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.cohorts.study_rows import load_data
from bayes_alliance.errors import InputError
from bayes_alliance.inference.lmm.densities import Draws, joint_densities, log_likelihoods, simulate_rows
from bayes_alliance.inference.lmm.fit_design import model_of
from bayes_alliance.simulation.records import SimulationSettings
from bayes_alliance.simulation.run import simulate_power
from bayes_alliance.simulation.sbc import simulate_sbc
from bayes_alliance.simulation.setting import Setting, prepare
from bayes_alliance.simulation.structured_calibration import (
    StructuredCalibration,
    calibrate_structured_batch,
    draw_parameters,
    with_outcome,
)
from bayes_alliance.study.load_study import load_study


@functools.cache
def setting(model: str) -> Setting:
    study = load_study("verbeke2000")
    return prepare(study, load_data(study), study.model(model), calibrated=True)


def calibration(model: str, factor: float = 1.0) -> StructuredCalibration:
    """Calibrate with a residual SD whose prior the engine is told ``factor`` times as wide as it is."""
    one = setting(model)
    priors = one.priors("neutral")
    return StructuredCalibration(
        design=with_outcome(one.planned.design, np.zeros(one.planned.design.n_rows)),
        drawn=priors,
        fitted=dataclasses.replace(priors, sigma_scale=factor * priors.sigma_scale),
        estimands=one.estimands,
        seed=3,
    )


def test_parameters_are_drawn_as_the_priors_say() -> None:
    """Half-normal SDs; under LKJ(2) for four visits each correlation is Beta(3, 3) on (-1, 1)."""
    one = setting("lines")
    priors, rng = one.priors("neutral"), np.random.default_rng(1)
    assert priors.lkj_eta == 2.0
    draws = [draw_parameters(one.planned.design, priors, rng) for _ in range(2000)]
    sd = np.concatenate([d.residual_sd for d in draws])
    assert np.allclose(sd.mean(axis=0), priors.sigma_scale * np.sqrt(2.0 / np.pi), rtol=0.06)
    structured = one.planned.design.structured
    assert structured is not None
    correlations = structured.structure.residual.natural(np.concatenate([d.residual for d in draws]))
    assert np.allclose(correlations.mean(axis=0), 0.0, atol=0.04)
    assert np.allclose(correlations.var(axis=0), 1.0 / 7.0, rtol=0.15)


def test_the_likelihood_of_draws_is_the_sum_of_their_densities() -> None:
    """From sums over patients and from each patient's rows."""
    one = setting("lines")
    priors, rng = one.priors("neutral"), np.random.default_rng(2)
    several = [draw_parameters(one.planned.design, priors, rng) for _ in range(4)]
    draws = Draws(
        **{
            field.name: np.concatenate([getattr(d, field.name) for d in several])
            for field in dataclasses.fields(Draws)
        }
    )
    y = simulate_rows(several[0], one.planned.design, np.zeros(1, dtype=np.int64), rng)[0]
    design = with_outcome(one.planned.design, y)
    expected = joint_densities(draws, design).sum(axis=1)
    assert np.allclose(log_likelihoods(draws, model_of(design)), expected, rtol=1e-9)


@pytest.mark.slow
def test_a_wrong_prior_is_caught() -> None:
    """Told SDs a tenth as wide, the engine puts the truth too high; told the right ones, ranks are even.

    The mean of 25 even ranks has an SD of 0.058: both limits are three and a half of these from a half.
    """
    means = {}
    for factor in (1.0, 0.1):
        table = pd.DataFrame(calibrate_structured_batch(calibration("autoregressive", factor), 0, 25))
        assert set(table["failure"]) == {""}
        means[factor] = table.groupby("quantity")["transform"].mean()["sigma"]
    assert abs(means[1.0] - 0.5) < 0.2
    assert means[0.1] > 0.7


def test_what_such_models_do_not_take_is_said_at_once() -> None:
    """Another engine, fewer patients and dealt predictors; and studies of power."""
    study = load_study("verbeke2000")
    settings = SimulationSettings(studies=1, model="lines", priors=("neutral",), deal=True)
    with pytest.raises(InputError) as found:
        simulate_sbc(study, settings, engine="pymc", n_patients=9)
    assert [problem.where for problem in found.value.problems] == ["engine", "--n-patients", "--deal"]
    with pytest.raises(InputError, match="power"):
        simulate_power(study, dataclasses.replace(settings, deal=False))
