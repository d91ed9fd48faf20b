"""Designs and scores for studies without a cohort plan: drawn from what is stated, they print the publication's fit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bayes_alliance.cohorts.default_design import DesignPrior, design_prior, draw_design, fits_print
from bayes_alliance.cohorts.printed_fit import PrintedFit, printed_fits
from bayes_alliance.cohorts.scores_given_fit import draw_scores
from bayes_alliance.inference.design import numeric_design
from bayes_alliance.inference.fits import MixedFit, RowsUsed
from bayes_alliance.inference.ml import fit_mixed
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Source, Study


def state(name: str) -> tuple[Study, tuple[PrintedFit, ...], DesignPrior]:
    study = load_study(name)
    fits, reason = printed_fits(study)
    assert not reason
    prior = design_prior(study, fits)
    assert isinstance(prior, DesignPrior)
    return study, fits, prior


def refit(study: Study, fit: PrintedFit, seed: int) -> MixedFit:
    """A drawn data set of a study, fitted anew."""
    _, fits, prior = state(study.id)
    rng = np.random.default_rng(seed)
    scores = draw_scores(study, prior, draw_design(prior, study.time, fits, rng), fit, rng)
    assert scores is not None
    columns = {name: scores[name].to_numpy() for name in scores}
    design = numeric_design(fit.formula, columns)
    rows = RowsUsed(n_rows=design.n_rows, n_patients=design.n_patients, digest="", source=Source.SYNTHETIC)
    return fit_mixed(design, rows, method=fit.method)


@pytest.mark.parametrize("name", ["bates2015", "hothorn2014"])
def test_a_drawn_data_set_has_the_printed_fit(name: str) -> None:
    """Estimates to the digit, variances to a thousandth, standard errors as near as designs allow."""
    study, fits, _ = state(name)
    fit = fits[-1]
    found = refit(study, fit, 3)
    estimates = dict(zip(found.x_names, found.beta, strict=True))
    assert estimates == pytest.approx(dict(fit.estimate), rel=1e-6, abs=1e-6)
    assert found.sigma == pytest.approx(fit.sigma, rel=2e-3)
    assert found.sd == pytest.approx(np.sqrt(np.diagonal(fit.effects)), rel=5e-3)
    errors = dict(zip(found.x_names, np.sqrt(np.diagonal(found.beta_cov)), strict=True))
    assert errors == pytest.approx(dict(fit.se), rel=0.1)


def test_group_sizes_follow_from_standard_errors() -> None:
    """Nobody says that 11 of 27 children are girls; the printed standard errors do."""
    study, fits, prior = state("shea2023")
    girls = {
        int(draw_design(prior, study.time, fits, np.random.default_rng(seed)).values["girl"][:, 0].sum())
        for seed in range(3)
    }
    assert girls <= {10, 11, 12, 15, 16} and girls & {11}


def test_a_design_that_cannot_give_the_standard_errors_is_told() -> None:
    """With half of the printed standard error no design of so few children comes near."""
    study, fits, prior = state("bates2015")
    halved = tuple(
        dataclasses.replace(fit, se={name: 0.5 * se for name, se in fit.se.items()}) for fit in fits
    )
    rng = np.random.default_rng(0)
    assert fits_print(draw_design(prior, study.time, fits, rng))
    assert not fits_print(draw_design(prior, study.time, halved, rng))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"visits": ()}, "visits are not stated"),
        ({"rows": ""}, "rows is not stated"),
        ({"samples": ()}, "number of patients is not stated"),
        ({"visits": (0.0, 1.0)}, "180 rows cannot be 18 patients at 2 visits"),
    ],
)
def test_what_is_not_stated_is_named(change: dict[str, object], said: str) -> None:
    """One reason in words, and no design made up."""
    study, fits, _ = state("bates2015")
    bare = dataclasses.replace(study, publication=dataclasses.replace(study.publication, **change))  # type: ignore[arg-type]
    found = design_prior(bare, fits)
    assert isinstance(found, str) and said in found


def test_a_balanced_random_intercept_has_its_exact_posterior() -> None:
    """Estimates and variances are sufficient there: every draw has the same sums of squares, whatever its scores."""
    study, fits, prior = state("shea2023")
    fit = fits[1]
    assert not fit.formula.random
    rng = np.random.default_rng(5)
    design = draw_design(prior, study.time, fits, rng)
    found = []
    for _ in range(2):
        scores = draw_scores(study, prior, design, fit, rng)
        assert scores is not None
        y = scores["distance"].to_numpy().reshape(27, 4)
        found.append((y.mean(axis=1).var(), (y - y.mean(axis=1, keepdims=True)).var(), y))
    assert found[0][0] == pytest.approx(found[1][0], rel=5e-3)
    assert found[0][1] == pytest.approx(found[1][1], rel=5e-3)
    assert np.abs(found[0][2] - found[1][2]).max() > 1.0


def test_levels_above_patients_are_refused_in_words() -> None:
    """Sides within dogs, visit-wise covariances: no data set is drawn, and the reason says why."""
    for name, why in (
        ("pinheiro2000", "levels above the patient are not drawn (Sides within dogs, slopes by dog; "),
        ("egsingle", "levels above the patient are not drawn (Three levels, no predictor; "),
        ("davidian_armd", "dependent or unequal residuals are not drawn (A mean for each visit and arm, "),
    ):
        fits, reason = printed_fits(load_study(name))
        assert not fits and reason.startswith(why)
