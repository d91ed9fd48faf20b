"""Estimates of every cohort of an ensemble, and how they spread and mix over it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bayes_alliance.assess.mixture import MixtureResult, pool_moments
from bayes_alliance.cohorts.store import StoredCohort
from bayes_alliance.data.rows import StudyData
from bayes_alliance.inference.collapsed import fit_collapsed
from bayes_alliance.inference.fits import Weights
from bayes_alliance.inference.ml import estimate_effect, fit_mixed
from bayes_alliance.inference.priors import coefficient_priors
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.run.results import Spread
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Model, Study


def brief(value: float) -> float:
    """Keep eight digits: more would only swell the files."""
    return float(f"{value:.8g}")


def estimate_cohort(study: Study, data: StudyData, *, own_seed: int) -> dict[str, dict[str, list[float]]]:
    """ML estimate, its SE, posterior mean and SD of every coefficient and estimand, by model."""
    found: dict[str, dict[str, list[float]]] = {}
    with threadpool_limits(limits=1, user_api="blas"):
        for number, model in enumerate(study.models):
            planned = plan_model(data, model, parse_formula(model.formula).names)
            if not model.estimands or not isinstance(planned, PlannedModel):
                continue
            ml = fit_mixed(planned.design, planned.rows, model_id=model.id)
            priors = coefficient_priors(study, planned.design, study.priors[0].name)
            seed = int(np.random.SeedSequence([own_seed, number]).generate_state(1)[0])
            posterior = fit_collapsed(planned.design, planned.rows, priors, seed=seed)
            found[model.id] = {}
            for name, weights in _combinations(model, ml.x_names):
                effect, draws = estimate_effect(ml, weights), posterior.combine(weights)
                numbers = effect.estimate, effect.se, float(draws.mean()), float(draws.std())
                found[model.id][name] = [brief(number) for number in numbers]
    return found


def _combinations(model: Model, coefficients: Sequence[str]) -> list[tuple[str, Weights]]:
    """List a model's coefficients, each by itself, and its estimands."""
    single: list[tuple[str, Weights]] = [(name, ((name, 1.0),)) for name in coefficients]
    return [*single, *((estimand.name, estimand.weights) for estimand in model.estimands)]


def spread_estimates(study: Study, cohorts: Sequence[StoredCohort]) -> list[Spread]:
    """Summarise every coefficient and estimand over the cohorts of an ensemble; coefficients have no label.

    Parameters
    ----------
    study : Study
        Names the estimands.
    cohorts : sequence of StoredCohort
        At least two.

    Returns
    -------
    list of Spread
    """
    return [
        _spread(model_id, name, label, values)
        for model_id, name, label, values in _estimates_over(study, cohorts)
        if len(values) >= 2
    ]


def mix_estimates(study: Study, cohorts: Sequence[StoredCohort]) -> list[MixtureResult]:
    """Pool the posteriors of every coefficient and estimand over the cohorts of an ensemble.

    Parameters
    ----------
    study : Study
        Names the estimands.
    cohorts : sequence of StoredCohort
        At least one.

    Returns
    -------
    list of MixtureResult
        By the mean and SD of each cohort's posterior under the study's default prior.
    """
    found = []
    for model_id, name, label, values in _estimates_over(study, cohorts):
        ml, _, mean, sd = values.T
        found.append(
            MixtureResult(
                model_id=model_id,
                name=name,
                label=label,
                mixture=pool_moments(mean, sd),
                ml_mean=float(ml.mean()),
                ml_sd=float(ml.std(ddof=1)) if len(ml) > 1 else 0.0,
            )
        )
    return found


def _estimates_over(
    study: Study, cohorts: Sequence[StoredCohort]
) -> Iterator[tuple[str, str, str, NDArray[np.float64]]]:
    """Model, name and label of each estimate with its numbers in every cohort that has it, shape (n, 4)."""
    for model in study.models:
        labels = {estimand.name: estimand.label for estimand in model.estimands}
        names = dict.fromkeys(name for c in cohorts for name in c.facts["estimates"].get(model.id, {}))
        for name in names:
            values = [
                c.facts["estimates"][model.id][name]
                for c in cohorts
                if name in c.facts["estimates"].get(model.id, {})
            ]
            yield model.id, name, labels.get(name, ""), np.array(values, dtype=float)


def _spread(model_id: str, name: str, label: str, values: NDArray[np.float64]) -> Spread:
    ml, _, mean, sd = values.T
    return Spread(
        model_id=model_id,
        name=name,
        label=label,
        n=len(values),
        ml_mean=float(ml.mean()),
        ml_sd=float(ml.std(ddof=1)),
        ml_low=float(ml.min()),
        ml_high=float(ml.max()),
        bayes_mean=float(mean.mean()),
        bayes_sd=float(mean.std(ddof=1)),
        bayes_low=float(mean.min()),
        bayes_high=float(mean.max()),
        posterior_sd=float(sd.mean()),
    )
