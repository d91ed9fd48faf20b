"""One door to all engines: which one answers, and what happens where the fast one cannot be trusted."""

from __future__ import annotations

import dataclasses
from unittest import mock

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.inference import engines
from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.engines import EngineSettings, engine_covariance, fit_posterior
from bayes_alliance.inference.fits import PosteriorFit
from bayes_alliance.inference.priors import CoefficientPriors
from tests.known_posteriors import make_design, make_rows, rows_used

PRIORS = CoefficientPriors(
    name="weak",
    mean=np.array([4.0, 0.0, 0.0]),
    sd=np.array([2.0, 1.0, 1.0]),
    sd_scale=np.array([1.5, 0.5]),
    sigma_scale=1.0,
    lkj_eta=2.0,
)
FEW = EngineSettings(collapsed=CollapsedSettings(draws=400))


@pytest.fixture(scope="module")
def design() -> Design:
    return make_design(make_rows(20))


def _fit(design: Design, pareto_k: float) -> tuple[PosteriorFit, mock.Mock]:
    """Ask for the collapsed engine whose weights have a Pareto k as given; what would sample is a stand-in."""
    drawn = fit_collapsed(design, rows_used(design), PRIORS, seed=1, settings=FEW.collapsed)
    spoilt = dataclasses.replace(drawn, facts={**drawn.facts, "pareto_k": pareto_k})
    sampled = dataclasses.replace(drawn, engine="pymc", facts={"sampler": "nutpie"})
    with (
        mock.patch.object(engines, "fit_collapsed", return_value=spoilt),
        mock.patch.object(engines, "fit_pymc", return_value=sampled) as fit_pymc,
    ):
        found = fit_posterior(
            "collapsed", design, rows_used(design), PRIORS, pd.DataFrame(), seed=1, settings=FEW
        )
    return found, fit_pymc


def test_weights_that_can_be_trusted_are_not_handed_over(design: Design) -> None:
    """At a Pareto k of 0.7 the engine's own draws stand."""
    found, fit_pymc = _fit(design, 0.7)
    assert found.engine == "collapsed"
    assert "handed_over" not in found.facts
    fit_pymc.assert_not_called()


def test_weights_that_cannot_be_trusted_are_handed_over_to_nuts_in_words(design: Design) -> None:
    """Above 0.7 NUTS answers on the same design, priors and covariance, and the record says why."""
    found, fit_pymc = _fit(design, 0.71)
    assert found.engine == "pymc"
    assert found.facts["handed_over"] == "collapsed: Pareto k 0.71 above 0.7; sampled by pymc instead"
    assert found.facts["sampler"] == "nutpie"
    (used_design, _, used_priors), named = fit_pymc.call_args
    assert used_design is design and used_priors is PRIORS
    assert named["covariance"] == "UN" and named["settings"] == FEW.sampler


def test_bambi_alone_has_independent_effects() -> None:
    """Engines that know a correlation fit it."""
    assert [engine_covariance(engine) for engine in ("pymc", "collapsed", "bambi")] == ["UN", "UN", "VC"]  # type: ignore[arg-type]
