"""More scores of one model, for a notebook: by ArviZ in points of the outcome, K-fold by patient, and of later visits.

RMSE, CRPS and LOO-R2 are ArviZ's, of each visit predicted from the patient's other visits, effects integrated out;
Bayesian R2 is the share of the fixed part. K-fold leaves groups of patients out and refits; leave-future-out predicts
each patient's last visit from the earlier ones. Both are on the scale of elpd.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.assess.arviz_groups import arviz_groups
from bayes_alliance.assess.loo import loo_tree, sum_error
from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, PosteriorFit
from bayes_alliance.inference.leave_out import without_patient
from bayes_alliance.inference.likelihood import log_density_patients, relative_factor
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.inference.psis import log_sum_exp
from bayes_alliance.inference.statistics import summarise

MAX_DRAWS = 4_000


@dataclass(frozen=True, kw_only=True)
class ScoreWithError:
    """A score and its standard error over patients (over visits, where ArviZ gives it)."""

    value: float
    error: float


@dataclass(frozen=True, kw_only=True)
class PredictiveScores:
    """Scores of one model.

    Parameters
    ----------
    rmse, crps : ScoreWithError
        Of a visit given the patient's other visits, in points of the outcome; smaller is better.
    loo_r2, bayes_r2 : ScoreWithError
        Share of the variance of visits that is predicted, leaving the visit out or not; the error is the posterior SD.
    kfold : ScoreWithError
        elpd of new patients by K-fold.
    last_visit : ScoreWithError
        elpd of the last visits of patients with two or more.
    n_folds, n_last_visits : int
        How many there were.
    """

    rmse: ScoreWithError
    crps: ScoreWithError
    loo_r2: ScoreWithError
    bayes_r2: ScoreWithError
    kfold: ScoreWithError
    last_visit: ScoreWithError
    n_folds: int
    n_last_visits: int


def predictive_scores(
    fit: PosteriorFit, design: Design, priors: CoefficientPriors, *, seed: int, folds: int = 10
) -> PredictiveScores:
    """Compute all scores of one model.

    Parameters
    ----------
    fit, design, priors
        Of the model.
    seed : int
        Of predictions, folds and refits.
    folds : int
        Of the K-fold; at most as many as patients.
    """
    import arviz_stats

    kept = fit.thin(MAX_DRAWS)
    outcome = design.formula.response
    tree = arviz_groups(kept, design, priors, seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pareto k is judged in checks
        rmse = arviz_stats.loo_metrics(tree, kind="rmse", var_name=outcome, round_to="none")
        crps = arviz_stats.loo_score(tree, var_name=outcome, kind="crps", round_to="none")
        loo_r2 = np.asarray(arviz_stats.loo_r2(tree, outcome, summary=False))
        bayes_r2 = np.asarray(_bayes_r2(kept, design))
    by_fold = kfold_patients(fit, design, priors, seed=seed, folds=folds)
    last = last_visits(kept, design)
    return PredictiveScores(
        rmse=ScoreWithError(value=float(rmse.mean), error=float(rmse.se)),
        # ArviZ turns the score round so that larger is better.
        crps=ScoreWithError(value=-float(crps.mean), error=float(crps.se)),
        loo_r2=ScoreWithError(value=float(loo_r2.mean()), error=float(loo_r2.std())),
        bayes_r2=ScoreWithError(value=float(bayes_r2.mean()), error=float(bayes_r2.std())),
        kfold=ScoreWithError(value=float(by_fold.sum()), error=sum_error(by_fold)),
        last_visit=ScoreWithError(value=float(last.sum()), error=sum_error(last)),
        n_folds=min(folds, design.n_patients),
        n_last_visits=len(last),
    )


def _bayes_r2(fit: PosteriorFit, design: Design) -> Array:
    """Variance of the fixed part over that and all other variance of a visit (Gelman et al. 2019), draw by draw."""
    beta, sd, correlation, sigma = fit.flat()
    factor = sigma[:, None, None] * relative_factor(sd, correlation, sigma)
    effects = np.einsum("nq,sqr->snr", design.z, factor)
    explained = np.var(beta @ design.x.T, axis=1)
    rest: Array = np.mean(np.sum(effects**2, axis=2), axis=1) + sigma**2
    share: Array = explained / (explained + rest)
    return share


def kfold_patients(
    fit: PosteriorFit, design: Design, priors: CoefficientPriors, *, seed: int, folds: int
) -> Array:
    """Score each patient by a posterior without the patient's fold, shape (n_patients,)."""
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    rng = np.random.default_rng(seed)
    number = min(folds, design.n_patients)
    fold_of = rng.permutation(np.arange(design.n_patients) % number)
    scores = np.empty(design.n_patients)
    for fold in range(number):
        out = np.flatnonzero(fold_of == fold)
        rest = stats
        for patient in out:
            rest = without_patient(rest, int(patient))
        refit = fit_collapsed(
            design,
            fit.rows,
            priors,
            seed=int(rng.integers(2**31)),
            covariance="VC" if fit.covariance == "VC" else "UN",
            settings=CollapsedSettings(draws=2000),
            stats=rest,
        )
        beta, sd, correlation, sigma = refit.flat()
        density = log_density_patients(stats, beta, relative_factor(sd, correlation, sigma), sigma)[:, out]
        scores[out] = log_sum_exp(np.ascontiguousarray(density.T)) - math.log(len(density))
    return scores


def last_visits(fit: PosteriorFit, design: Design) -> Array:
    """Score each patient's last visit, predicted from the earlier ones and from all other patients.

    The density of the last visit given the earlier ones is that of all visits over that of the earlier ones; PSIS
    leaves the last visit out of the posterior.
    """
    import arviz_stats

    when = design.z[:, 1] if design.z.shape[1] > 1 else np.arange(design.n_rows, dtype=float)
    last = np.zeros(design.n_rows, dtype=bool)
    for patient in range(design.n_patients):
        mine = np.flatnonzero(design.patient_index == patient)
        if len(mine) > 1:
            last[mine[np.argmax(when[mine])]] = True
    whole, earlier = (
        _log_density(fit, design, np.ones(design.n_rows, dtype=bool)),
        _log_density(fit, design, ~last),
    )
    chosen = np.unique(design.patient_index[last])
    values = (whole - earlier)[..., chosen]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = arviz_stats.loo(loo_tree(fit, {"last_visit": values}), var_name="last_visit", pointwise=True)
    return np.asarray(found.elpd_i.values, dtype=float)


def _log_density(fit: PosteriorFit, design: Design, kept: NDArray[np.bool_]) -> Array:
    """Log density of the kept rows by patient, shape (chain, draw, n_patients); every patient has one."""
    stats = summarise(design.y[kept], design.x[kept], design.z[kept], design.patient_index[kept])
    beta, sd, correlation, sigma = fit.flat()
    values = log_density_patients(stats, beta, relative_factor(sd, correlation, sigma), sigma)
    return values.reshape(fit.n_chains, -1, design.n_patients)
