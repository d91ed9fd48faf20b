"""What a run on one cohort of a study shows of all of them."""

from __future__ import annotations

from bayes_alliance.cohorts.comparisons import compare_over_cohorts
from bayes_alliance.cohorts.conflicts import say_conflicts
from bayes_alliance.cohorts.estimates import mix_estimates, spread_estimates
from bayes_alliance.cohorts.store import StoredCohort
from bayes_alliance.cohorts.study_rows import shipped_cohorts
from bayes_alliance.cohorts.typicality import check_ensemble
from bayes_alliance.run.results import EnsembleFacts
from bayes_alliance.study.records import Study


def ensemble_facts(study: Study) -> EnsembleFacts:
    """Gather what a run on one of the cohorts of a study shows of all of them; empty where there are not two.

    Parameters
    ----------
    study : Study
        Whose rows are its own synthetic cohort.

    Returns
    -------
    EnsembleFacts
    """
    cohorts = [] if study.data.file else list(shipped_cohorts(study))
    conflicts = tuple(say_conflicts(study))
    if len(cohorts) < 2:
        return EnsembleFacts(conflicts=conflicts)
    return EnsembleFacts(
        spread=tuple(spread_estimates(study, cohorts)),
        mixture=tuple(mix_estimates(study, cohorts)),
        scorecards=tuple({"lines": cohort.facts["lines"]} for cohort in cohorts),
        checks=check_ensemble(study, [cohort.facts for cohort in cohorts]),
        comparisons=compare_over_cohorts(study, cohorts),
        conflicts=conflicts,
        coefficients=tuple(_coefficients(study, cohort) for cohort in cohorts),
    )


def _coefficients(study: Study, cohort: StoredCohort) -> dict[str, dict[str, float]]:
    """Posterior means of the coefficients of the models that figures show."""
    shown = dict.fromkeys(model for figure in study.figures for model in figure.models)
    estimates = cohort.facts["estimates"]
    return {
        model: {name: float(numbers[2]) for name, numbers in estimates[model].items()}
        for model in shown
        if model in estimates
    }
