"""Models stated in Bambi: the matrices are the design's, and fits with effects sampled are the marginal ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import bayes_alliance as ba
from bayes_alliance.assess.engine_agreement import compare_engines
from bayes_alliance.errors import FitError, InputError
from bayes_alliance.inference.collapsed import fit_collapsed
from bayes_alliance.inference.priors import coefficient_priors
from bayes_alliance.inference.pymc.bambi_model import build_bambi_model, take_matrices
from bayes_alliance.inference.pymc.correlated_effects import CorrelatedModel
from bayes_alliance.inference.pymc.sample import SamplerSettings, fit_bambi
from bayes_alliance.run.plan import PlannedModel, plan_study
from tests.known_posteriors import rows_used
from tests.small_study import small_data, small_study

STUDY = small_study()
DATA = small_data(STUDY)
PLANNED = {item.model.id: item for item in plan_study(STUDY, DATA).own}


def _stated(planned: PlannedModel, covariance: str = "UN") -> CorrelatedModel:
    priors = coefficient_priors(STUDY, planned.design, "neutral")
    return build_bambi_model(planned.design, priors, planned.frozen.rows, covariance)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PLANNED)
def test_the_matrices_of_bambi_are_those_of_the_design(name: str) -> None:
    """Column by column, of the fixed part and of the effects."""
    design = PLANNED[name].design
    taken = take_matrices(_stated(PLANNED[name]), design)
    np.testing.assert_allclose(taken.x, design.x)
    np.testing.assert_allclose(taken.z, design.z)
    assert taken.x_names == design.x_names


def test_other_rows_or_another_formula_are_refused() -> None:
    """A design whose numbers or terms are not those of the Bambi model."""
    item = PLANNED["growth"]
    changed = dataclasses.replace(item.design, x=item.design.x + np.array([0.0, 1e-6]))
    with pytest.raises(FitError, match="matrices of Bambi are not those of the design"):
        take_matrices(_stated(item), changed)
    with pytest.raises(FitError, match="no term age"):
        take_matrices(_stated(item), PLANNED["age"].design)


def test_priors_at_another_time_cannot_be_stated() -> None:
    """Correlated effects around time 3; independent ones have theirs at zero anyway."""
    item = PLANNED["growth"]
    priors = dataclasses.replace(coefficient_priors(STUDY, item.design, "neutral"), origin=3.0)
    with pytest.raises(FitError, match="count time from there"):
        build_bambi_model(item.design, priors, item.frozen.rows)
    build_bambi_model(item.design, priors, item.frozen.rows, "VC")


def test_objects_for_a_notebook() -> None:
    """A Bambi model, the PyMC model that it builds, and the marginal one; a wrong id lists those there are."""
    model = ba.bambi_model(STUDY, "paranoid", DATA)
    assert isinstance(model, CorrelatedModel) and model.correlated == {
        "patient": ("1|patient", "months|patient")
    }
    built = ba.pymc_model(STUDY, "paranoid", DATA)
    assert [variable.name for variable in built.observed_RVs] == ["goals"]
    marginal = ba.pymc_model(STUDY, "paranoid", DATA, marginal=True)
    assert np.isfinite(marginal.compile_logp()(marginal.initial_point()))
    with pytest.raises(InputError, match="no such model; found: 'nothing'; allowed: unconditional, growth"):
        ba.bambi_model(STUDY, "nothing", DATA)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "covariance"), [("paranoid", "UN"), ("paranoid", "VC"), ("unconditional", "ID")]
)
def test_sampled_effects_give_the_posterior_of_the_marginal_likelihood(name: str, covariance: str) -> None:
    """Bambi, which samples the effects, against the collapsed engine, which integrates them out."""
    item = PLANNED[name]
    design, rows = item.design, rows_used(item.design)
    priors = coefficient_priors(STUDY, design, "neutral")
    sampled = fit_bambi(
        design,
        rows,
        priors,
        item.frozen.rows,
        seed=1,
        covariance=covariance,  # type: ignore[arg-type]
        settings=SamplerSettings(draws=1500, tune=1000),
    )
    exact = fit_collapsed(design, rows, priors, seed=2, covariance="VC" if covariance == "VC" else "UN")
    assert sampled.covariance == covariance
    assert all(item.within_error for item in compare_engines(sampled, exact))
