"""Models compared on every cohort of an ensemble: which leads in how many, and by how much over all of them.

A comparison on one synthetic cohort may be the accident of that cohort. Each cohort's scores are computed when it is
built or judged anew; here they are pooled as estimates are (:mod:`bayes_alliance.assess.mixture`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from bayes_alliance.assess.loo import Score, refit_patients, score_model, sum_error
from bayes_alliance.assess.loo_compare import is_clear_lead
from bayes_alliance.assess.mixture import pool_moments
from bayes_alliance.cohorts.store import StoredCohort
from bayes_alliance.data.rows import StudyData
from bayes_alliance.inference.collapsed import fit_collapsed
from bayes_alliance.inference.design import canonical_design
from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.ml import fit_mixed, score_aic
from bayes_alliance.inference.priors import coefficient_priors
from bayes_alliance.run.plan import PlannedModel, plan_study
from bayes_alliance.run.results import ComparisonOverCohorts, ModelOverCohorts
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.study.records import Study


def score_comparisons(study: Study, data: StudyData, *, own_seed: int) -> dict[str, dict[str, Any]]:
    """Score every model of each comparison on one cohort, for a patient who was not seen.

    Parameters
    ----------
    study : Study
        Its models and its default prior set.
    data : StudyData
        The cohort.
    own_seed : int
        Of the cohort.

    Returns
    -------
    dict
        By comparison: ``models``; their ``elpd`` and ``aic``, in the same order; and ``se``, of the difference in elpd
        of each pair of models, in the order of :func:`itertools.combinations`.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        return {
            name: _score_set(study, name, members, own_seed)
            for name, members in plan_study(study, data).common.items()
            if len(members) > 1
        }


def _score_set(study: Study, name: str, members: Sequence[PlannedModel], own_seed: int) -> dict[str, Any]:
    scores = [_score(study, item, derive_seed(own_seed, "comparison", name)) for item in members]
    pairs = itertools.combinations(scores, 2)
    aics = [score_aic(fit_mixed(item.design, item.rows, model_id=item.model.id), "ml") for item in members]
    return {
        "models": [item.model.id for item in members],
        "elpd": [round(score.elpd, 4) for score in scores],
        "aic": [round(aic, 4) for aic in aics],
        "se": [round(sum_error(a.elpd_i - b.elpd_i), 4) for a, b in pairs],
    }


def _score(study: Study, item: PlannedModel, seed: int) -> Score:
    """Score one model on the rows of its comparison; models that are alike have the same draws, and the same score."""
    design = canonical_design(item.design)
    priors = coefficient_priors(study, design, study.priors[0].name)
    posterior = fit_collapsed(design, item.rows, priors, seed=seed, model_id=item.model.id)
    # Twenty cohorts of 71 scores each: a fourth of the time of az.loo's, and the same numbers (a test says so).
    score = score_model(posterior, design, "new_patient", seed=seed, by_arviz=False)
    return refit_patients(score, design, priors, seed=seed)


def compare_over_cohorts(study: Study, cohorts: Sequence[StoredCohort]) -> tuple[ComparisonOverCohorts, ...]:
    """Pool the comparisons of all cohorts; one that some cohort does not have is left out.

    Parameters
    ----------
    study : Study
        For the order of the comparisons.
    cohorts : sequence of StoredCohort
        With their ``comparisons``.

    Returns
    -------
    tuple of ComparisonOverCohorts
    """
    facts: list[Mapping[str, Any]] = [cohort.facts.get("comparisons", {}) for cohort in cohorts]
    names = dict.fromkeys(model.comparison for model in study.models if model.comparison)
    found = []
    for name in names:
        sets = [fact[name] for fact in facts if name in fact]
        if sets and len(sets) == len(cohorts) and len({tuple(one["models"]) for one in sets}) == 1:
            found.append(_pool(name, sets))
    return tuple(found)


def _pool(name: str, sets: Sequence[Mapping[str, Any]]) -> ComparisonOverCohorts:
    models = list(sets[0]["models"])
    elpd, aic = (np.array([one[key] for one in sets], dtype=float) for key in ("elpd", "aic"))
    errors = np.array([_error_matrix(one["se"], len(models)) for one in sets])
    order = np.argsort(-elpd.mean(axis=0), kind="stable")
    first = int(order[0])
    leads = [_lead_in_cohort(elpd[c], errors[c]) for c in range(len(sets))]
    return ComparisonOverCohorts(
        name=name,
        n=len(sets),
        models=tuple(
            ModelOverCohorts(
                model_id=models[m],
                n_best=sum(best == m for best, _ in leads),
                n_clear=sum(best == m and clear for best, clear in leads),
                n_lowest_aic=int(np.sum(aic.argmin(axis=1) == m)),
                aic_diff=float((aic[:, m] - aic.min(axis=1)).mean()),
                **_difference(elpd[:, m] - elpd[:, first], errors[:, m, first]),
            )
            for m in map(int, order)
        ),
    )


def _error_matrix(pairs: Sequence[float], n: int) -> Array:
    matrix = np.zeros((n, n))
    matrix[np.triu_indices(n, 1)] = pairs
    return matrix + matrix.T


def _lead_in_cohort(elpd: Array, errors: Array) -> tuple[int, bool]:
    """Return the model with the best score in one cohort, and whether it leads every other clearly."""
    best = int(np.argmax(elpd))
    others = [m for m in range(len(elpd)) if m != best]
    return best, all(is_clear_lead(float(elpd[best] - elpd[m]), float(errors[best, m])) for m in others)


def _difference(differences: Array, errors: Array) -> dict[str, float]:
    """Mean difference over cohorts, its SE over patients and cohorts, and the SD between cohorts.

    The variance is the mean of the cohorts' own plus that between them, as of a mixture.
    """
    if not np.any(errors > 0.0):
        # The first model itself, or one that predicts exactly alike.
        return {"elpd_diff": float(differences.mean()), "se_diff": 0.0, "between_sd": 0.0}
    pooled = pool_moments(differences, np.maximum(errors, 1e-9))
    return {"elpd_diff": pooled.mean, "se_diff": pooled.sd, "between_sd": float(np.sqrt(pooled.between))}
