"""One cohort, from its seed to the table of a data file: design, scores drawn given print, the grid, items.

The steps: a roster whose baseline values print as published, its predictors dealt at random; scores of all outcomes
drawn given everything printed (:mod:`bayes_alliance.cohorts.draws.conditional`); walks among all scores that print it,
and the grid (:mod:`bayes_alliance.cohorts.settle_scores`); ratings of the items underneath. Where no draw meets
everything, scores are searched for from the study's growth parameters, one outcome at a time, and the cohort says which
it was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bayes_alliance.cohorts.conflicts import possible_targets
from bayes_alliance.cohorts.consistent_patients import settle_patients
from bayes_alliance.cohorts.draws.conditional import draw_given_print
from bayes_alliance.cohorts.draws.growth import Covariances
from bayes_alliance.cohorts.draws.study_model import StudyModel, build_study_model, start_covariances
from bayes_alliance.cohorts.draws.study_prior import has_priors
from bayes_alliance.cohorts.items import draw_items
from bayes_alliance.cohorts.places import Places
from bayes_alliance.cohorts.plan import CohortPlan
from bayes_alliance.cohorts.problems import as_data, bound_scores, find_observed, state_problem
from bayes_alliance.cohorts.roster import Roster
from bayes_alliance.cohorts.settle_scores import settle_scores
from bayes_alliance.cohorts.simulate import draw_scores, tabulate_cohort
from bayes_alliance.cohorts.solver.demands import Problem
from bayes_alliance.cohorts.solver.design import ChosenDesign, choose_design
from bayes_alliance.cohorts.solver.free_moves import choose_start
from bayes_alliance.cohorts.solver.solve import Solution, solve_scores
from bayes_alliance.cohorts.solver.targets import Target
from bayes_alliance.inference.fits import Array
from bayes_alliance.study.records import Study

_STARTS = 2
_DRAWS = 10
_DESIGNS = 3
DRAWN_DESIGNS = 12


@dataclass(frozen=True, kw_only=True)
class BuiltCohort:
    """A cohort and how it was reached.

    Parameters
    ----------
    seed : int
        Everything follows from it.
    frame : pandas.DataFrame
        The data file: one row a visit.
    solutions : tuple of (str, Solution)
        By outcome, in the order of solving.
    drawn : bool
        Whether the scores were drawn given print; else searched for.
    tilt : float
        How far predictors were let lean towards often-assessed patients; 0 for a deal at random.
    covariances : Covariances, optional
        That the scores were drawn with.
    model : StudyModel, optional
        That they were drawn from.
    recorded : ndarray, optional
        The scores, in the order of the model's layout.
    designs : int
        How many were tried for a draw.
    """

    seed: int
    frame: pd.DataFrame
    solutions: tuple[tuple[str, Solution], ...]
    drawn: bool = False
    tilt: float = 0.0
    covariances: Covariances | None = None
    model: StudyModel | None = None
    recorded: Array | None = None
    designs: int = 0

    @property
    def missed(self) -> tuple[str, ...]:
        """What is asked and not met."""
        return tuple(what for _, solution in self.solutions for what in solution.missed)


def build_cohort(study: Study, plan: CohortPlan, seed: int, places: Places) -> BuiltCohort:
    """Build one cohort on which the study's models print its tables.

    Parameters
    ----------
    study : Study
        With cells.
    plan : CohortPlan
        Its design.
    seed : int
        Seed of everything that is drawn.
    places : Places
        Where within its interval each printed number is aimed at.

    Returns
    -------
    BuiltCohort

    Raises
    ------
    InputError
        If the baseline values of the plan cannot be met.
    """
    rng = np.random.default_rng(seed)
    with threadpool_limits(limits=1, user_api="blas"):
        best = draw_cohort(study, plan, possible_targets(study), seed, rng)
        for design in range(_DESIGNS):
            if best is not None and not best.missed:
                break
            found = _search_once(study, plan, seed, rng, places, last=design == _DESIGNS - 1)
            if best is None or len(found.missed) < len(best.missed):
                best = found
    assert best is not None
    return best


def draw_cohort(
    study: Study, plan: CohortPlan, targets: Sequence[Target], seed: int, rng: np.random.Generator
) -> BuiltCohort | None:
    """Draw a cohort given print, on one design after another until everything is met.

    Parameters
    ----------
    study : Study
        Its models, scales and priors.
    plan : CohortPlan
        The design.
    targets : sequence of Target
        What is printed.
    seed : int
        Stands in the cohort.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    BuiltCohort or None
        The last one tried where none meets everything; None where the study has no priors for it.
    """
    best: BuiltCohort | None = None
    if not has_priors(study, plan):
        return None
    for number in range(1, DRAWN_DESIGNS + 1):
        last = number == DRAWN_DESIGNS
        best = _draw_once(study, plan, targets, seed, rng, last=last)
        if not best.missed:
            break
    return best if best is None else replace(best, designs=number)


def _draw_once(
    study: Study,
    plan: CohortPlan,
    targets: Sequence[Target],
    seed: int,
    rng: np.random.Generator,
    *,
    last: bool,
) -> BuiltCohort:
    """Draw one design, all scores given print, and put each outcome on its grid."""
    design = choose_design(study, plan, targets, rng)
    within = [target for target in targets if target.kind != "less_estimate"]
    orders = [target for target in targets if target.kind == "less_estimate"]
    model = build_study_model(study, design.plan, design.roster, within, rng)
    start = start_covariances(study, design.plan, model)
    draw = draw_given_print(model.layout, model.link, model.parts, orders, model.prior, start, rng)
    settled = settle_scores(model.layout, model.link, model.parts, orders, model.prior, draw, rng, last=last)
    if not (settled.is_met or last):
        return BuiltCohort(seed=seed, frame=pd.DataFrame(), solutions=settled.solutions)
    return BuiltCohort(
        seed=seed,
        frame=_tabulate(study, plan, design, model.scores(settled.recorded, len(design.roster.visits)), rng),
        solutions=settled.solutions,
        drawn=True,
        tilt=design.tilt,
        covariances=settled.covariances,
        model=model,
        recorded=settled.recorded,
    )


def _tabulate(
    study: Study,
    plan: CohortPlan,
    design: ChosenDesign,
    scores: Mapping[str, Array],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return the table of drawn scores, with values that no model rests on settled and items drawn underneath."""
    roster = settle_patients(study, plan, design.roster, rng)
    return draw_items(study, tabulate_cohort(study, design.plan, roster, scores), rng)


def _search_once(
    study: Study, plan: CohortPlan, seed: int, rng: np.random.Generator, places: Places, *, last: bool
) -> BuiltCohort:
    """Solve every outcome of one design, the hardest first; stop at a miss unless it is the last design."""
    targets = possible_targets(study)
    design = choose_design(study, plan, targets, rng)
    roster, plan = design.roster, design.plan
    scores = draw_scores(study, plan, roster, rng)
    bounds = {name: bound_scores(study, plan, roster, name, scores) for name in scores}
    scores = {name: np.clip(y, *bounds[name]) for name, y in scores.items()}
    # Which side of its limit every end score lies on is fixed here, so no outcome waits for another.
    data = as_data(study, tabulate_cohort(study, plan, roster, scores))
    solutions: list[tuple[str, Solution]] = []
    for name in sorted(scores, key=lambda n: -sum(study.model(t.model).outcome == n for t in targets)):
        observed = find_observed(plan, roster, name)
        problem = state_problem(study, plan, roster, data, name, targets, bounds[name], observed)
        solved = [done for done, _ in solutions]
        solution = _solve(problem, study, plan, roster, scores, solved, observed, rng, places)
        scores[name] = _put(scores[name], observed, solution.y)
        solutions.append((name, solution))
        if solution.missed and not last:
            # Most often the design is at fault: another one costs less than the outcomes that are left.
            break
    roster = settle_patients(study, plan, roster, rng)
    frame = draw_items(study, tabulate_cohort(study, plan, roster, scores), rng)
    return BuiltCohort(seed=seed, frame=frame, solutions=tuple(solutions), tilt=design.tilt)


def _put(values: Array, where: NDArray[np.int64], new: Array) -> Array:
    out = values.copy()
    out[where] = new
    return out


def _solve(
    problem: Problem,
    study: Study,
    plan: CohortPlan,
    roster: Roster,
    scores: Mapping[str, Array],
    solved: Collection[str],
    observed: NDArray[np.int64],
    rng: np.random.Generator,
    places: Places,
) -> Solution:
    """Solve from the draw of the outcome that misses least; from new draws where something stays missed."""
    best: Solution | None = None
    aims = places.draw(problem.outcome, problem.n_demands)
    for _ in range(_STARTS):
        starts = [
            _beside_solved(plan, problem.outcome, draw_scores(study, plan, roster, rng), scores, solved)
            for _ in range(_DRAWS)
        ]
        start = choose_start(problem, [values[observed] for values in starts])
        noise = problem.step * rng.uniform(-0.5, 0.5, len(start))
        found = solve_scores(problem, start + noise, rng, aims)
        if best is None or len(found.missed) < len(best.missed):
            best = found
        if not best.missed:
            break
    assert best is not None
    return best


def _beside_solved(
    plan: CohortPlan,
    outcome: str,
    drawn: Mapping[str, Array],
    scores: Mapping[str, Array],
    solved: Collection[str],
) -> Array:
    """Move a draw along with the outcome of its block that is solved already, so that the two stay correlated."""
    block = next(block for block in plan.blocks if outcome in block.outcomes)
    lead = next((name for name in solved if name in block.outcomes), None)
    if lead is None:
        return drawn[outcome]
    sigma = {part.outcome: part.sigma for part in plan.growth}
    share = (block.effect_correlation + block.residual_correlation) / 2.0
    moved: Array = drawn[outcome] + share * sigma[outcome] / sigma[lead] * (scores[lead] - drawn[lead])
    return moved
