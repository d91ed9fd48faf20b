"""More scores: K-fold against exact leave-one-out, last visits against refits, R2 and RMSE against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_alliance.assess.predictive_scores import kfold_patients, last_visits, predictive_scores
from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.leave_out import leave_patients_out
from bayes_alliance.inference.likelihood import relative_factor
from bayes_alliance.inference.patient_effects import log_normal, predict_visits
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.inference.psis import log_sum_exp
from bayes_alliance.inference.statistics import summarise
from tests.known_posteriors import SIGMA, make_design, make_rows, rows_used

ROWS = make_rows(16)
DESIGN = make_design(ROWS)
PRIORS = CoefficientPriors(
    name="p",
    mean=np.array([4.0, 0.0, 0.0]),
    sd=np.array([1.0, 0.5, 0.5]),
    sd_scale=np.array([1.0, 0.5]),
    sigma_scale=1.0,
    lkj_eta=2.0,
)
FIT = fit_collapsed(DESIGN, rows_used(DESIGN), PRIORS, seed=1, settings=CollapsedSettings(draws=4000))


def test_as_many_folds_as_patients_are_exact_leave_one_out() -> None:
    """Each patient's score is that of a posterior without the patient."""
    found = kfold_patients(FIT, DESIGN, PRIORS, seed=2, folds=16)
    exact = leave_patients_out(
        summarise(DESIGN.y, DESIGN.x, DESIGN.z, DESIGN.patient_index), PRIORS, seed=3, count=4000
    )
    # Of the patient at -9 the mean of two thousand densities is known to about 0.1 only.
    np.testing.assert_allclose(found, exact.elpd_i, atol=0.3)
    assert found.sum() == pytest.approx(exact.elpd_i.sum(), abs=0.3)


def test_last_visits_are_predicted_from_the_earlier_ones() -> None:
    """For three patients: a refit without the last visit, and its density given the patient's earlier visits."""
    found = last_visits(FIT, DESIGN)
    assert found.shape == (16,)
    for patient in (0, 7, 15):
        mine = np.flatnonzero(DESIGN.patient_index == patient)
        gone = mine[np.argmax(DESIGN.z[mine, 1])]
        rest = make_design(ROWS.drop(index=ROWS.index[gone]))
        refit = fit_collapsed(rest, rows_used(rest), PRIORS, seed=4, settings=CollapsedSettings(draws=4000))
        beta, sd, correlation, sigma = refit.flat()
        stats = summarise(DESIGN.y, DESIGN.x, DESIGN.z, DESIGN.patient_index)
        residual, variance = predict_visits(
            DESIGN.y, DESIGN.x, DESIGN.z, stats, beta, relative_factor(sd, correlation, sigma), sigma
        )
        density = log_normal(residual, variance)[:, gone]
        assert found[patient] == pytest.approx(
            float(log_sum_exp(density[None])[0]) - np.log(len(density)), abs=0.06
        )


def test_scores_in_points_are_of_the_size_of_the_residual() -> None:
    """RMSE of a visit is a little above the residual SD, CRPS of a Normal prediction is 0.56 times its spread."""
    found = predictive_scores(FIT, DESIGN, PRIORS, seed=5, folds=4)
    assert SIGMA < found.rmse.value < 1.6 * SIGMA
    assert found.crps.value == pytest.approx(0.564 * found.rmse.value, rel=0.15)
    assert found.bayes_r2.value < found.loo_r2.value < 1.0
    assert (found.n_folds, found.n_last_visits) == (4, 16)
    assert found.kfold.error > 0.0 and found.last_visit.error > 0.0
