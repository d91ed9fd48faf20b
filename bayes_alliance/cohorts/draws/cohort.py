"""One cohort drawn given everything printed: design, covariances and scores in turn, then the grid.

The covariances start at the values that fit the printed standard errors and AICs, and are drawn anew given the first
scores (one step of data augmentation); the second scores are drawn given those and go on the grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from bayes_alliance.cohorts.build import BuiltCohort
from bayes_alliance.cohorts.consistent_patients import settle_patients
from bayes_alliance.cohorts.draws.conditional import draw_given_print, put_on_grid
from bayes_alliance.cohorts.draws.growth import (
    Covariances,
    Floats,
    Whitening,
    draw_coefficients,
    draw_covariances,
)
from bayes_alliance.cohorts.draws.statistics import CohortStatistics
from bayes_alliance.cohorts.draws.study_model import StudyModel, build_study_model
from bayes_alliance.cohorts.items import draw_items
from bayes_alliance.cohorts.plan import CohortPlan
from bayes_alliance.cohorts.simulate import tabulate_cohort
from bayes_alliance.cohorts.solver.design import choose_design
from bayes_alliance.cohorts.solver.solve import Solution
from bayes_alliance.cohorts.solver.targets import Target, list_targets
from bayes_alliance.study.records import Study

_DESIGNS = 4
_START_SHARE = 0.3


def draw_cohort_given_print(study: Study, plan: CohortPlan, seed: int) -> BuiltCohort:
    """Draw one cohort given everything printed.

    Parameters
    ----------
    study : Study
        With cells and facts.
    plan : CohortPlan
        Its design, and growth to start from.
    seed : int
        Seed of everything that is drawn.

    Returns
    -------
    BuiltCohort
        With the fewest misses of a few designs; none where all could be met.
    """
    rng = np.random.default_rng(seed)
    targets = [target for target in list_targets(study) if target.kind != "less_estimate"]
    best: BuiltCohort | None = None
    with threadpool_limits(limits=1, user_api="blas"):
        for _ in range(_DESIGNS):
            built = _draw_once(study, plan, targets, seed, rng)
            if built is not None and (best is None or len(built.missed) < len(best.missed)):
                best = built
            if best is not None and not best.missed:
                break
    if best is None:
        raise RuntimeError(f"no scores that print the tables were found from seed {seed}")
    return best


def _draw_once(
    study: Study, plan: CohortPlan, targets: Sequence[Target], seed: int, rng: np.random.Generator
) -> BuiltCohort | None:
    """Draw design, covariances and scores once; None where the printed numbers cannot be reached on the design."""
    design = choose_design(study, plan, targets, rng)
    model = build_study_model(study, design.plan, design.roster, targets, rng)
    whitening = Whitening(model.layout, start_covariances(study, design.plan, model))
    statistics = CohortStatistics(model.parts, model.link, whitening)
    size = whitening.n_coefficients + len(model.layout.patient)
    free = rng.standard_normal(size)
    free[: whitening.n_coefficients] *= _START_SHARE
    first = draw_given_print(statistics, whitening, rng, start=free)
    if first.missed:
        return None
    gamma = draw_coefficients(whitening, first.latent, rng)
    covariances = draw_covariances(whitening, model.prior, gamma, first.latent, rng)
    whitening = Whitening(model.layout, covariances)
    statistics.whitening = whitening
    gamma = draw_coefficients(whitening, first.latent, rng)
    second = draw_given_print(statistics, whitening, rng, start=whitening.whiten(gamma, first.latent))
    white = first.white if second.missed else second.white
    if second.missed:
        return None
    recorded, missed = put_on_grid(statistics, whitening, white, rng)
    scores = model.scores(recorded, len(design.roster.visits))
    roster = settle_patients(study, plan, design.roster, rng)
    frame = draw_items(study, tabulate_cohort(study, design.plan, roster, scores), rng)
    solutions = tuple(
        (
            name,
            Solution(
                y=recorded[model.layout.outcome == number],
                missed=tuple(what for what in missed if what.startswith(f"{name}: ")),
                n_moved=int((model.layout.outcome == number).sum()),
                rounds=0,
            ),
        )
        for number, name in enumerate(model.outcomes)
    )
    return BuiltCohort(seed=seed, frame=frame, solutions=solutions)


def start_covariances(study: Study, plan: CohortPlan, model: StudyModel) -> Covariances:
    """Covariances with the plan's fitted SDs and the prior's correlations."""
    growth = {part.outcome: part for part in plan.growth}
    sds = np.array(
        [
            sd
            for name in model.outcomes
            for sd in (growth[name].sd_intercept, growth[name].sd_slope * study.horizon)
        ]
    )
    sigma = np.array([growth[name].sigma for name in model.outcomes])
    return Covariances(
        effects=_with_sds(model.prior.effects, sds), residuals=_with_sds(model.prior.residuals, sigma)
    )


def _with_sds(covariance: Floats, sds: Floats) -> Floats:
    unit = np.sqrt(np.diagonal(covariance))
    found: Floats = covariance / np.outer(unit, unit) * np.outer(sds, sds)
    return found
