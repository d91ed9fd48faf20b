"""One cohort, from its seed to the table of a data file: design, plausible scores, then scores that print alike.

The steps: a roster whose baseline values print as published; of several deals of the predictors the one whose
standard errors come closest to the printed ones (they follow from the design and the variances alone); scores
drawn from the study's growth parameters; each outcome solved; ratings of the items underneath.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bayes_alliance.cohorts.consistent_patients import settle_patients
from bayes_alliance.cohorts.items import draw_items
from bayes_alliance.cohorts.places import Places
from bayes_alliance.cohorts.plan import CohortPlan, EndPlan
from bayes_alliance.cohorts.roster import Roster
from bayes_alliance.cohorts.simulate import declared, draw_scores, end_bounds, tabulate_cohort
from bayes_alliance.cohorts.solver.demands import Moment, Problem, build_models
from bayes_alliance.cohorts.solver.design import choose_design
from bayes_alliance.cohorts.solver.free_moves import choose_start
from bayes_alliance.cohorts.solver.sensitivity import Blocks, lay_out
from bayes_alliance.cohorts.solver.solve import Solution, solve_scores
from bayes_alliance.cohorts.solver.targets import Target, list_targets
from bayes_alliance.data.rows import StudyData, data_from_frame
from bayes_alliance.inference.fits import Array
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Source, Study

_STARTS = 2
_DRAWS = 10
_DESIGNS = 3


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
    """

    seed: int
    frame: pd.DataFrame
    solutions: tuple[tuple[str, Solution], ...]

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
    best: BuiltCohort | None = None
    with threadpool_limits(limits=1, user_api="blas"):
        for design in range(_DESIGNS):
            best = _build_once(study, plan, seed, rng, places, last=design == _DESIGNS - 1)
            if not best.missed:
                break
    assert best is not None
    return best


def _build_once(
    study: Study, plan: CohortPlan, seed: int, rng: np.random.Generator, places: Places, *, last: bool
) -> BuiltCohort:
    """Draw one design and solve every outcome on it, the hardest first; stop at a miss unless it is the last design."""
    targets = list_targets(study)
    design = choose_design(study, plan, targets, rng)
    roster, plan = design.roster, design.plan
    scores = draw_scores(study, plan, roster, rng)
    bounds = {name: _bounds(study, plan, roster, name, scores) for name in scores}
    scores = {name: np.clip(y, *bounds[name]) for name, y in scores.items()}
    # Which side of its limit every end score lies on is fixed here, so no outcome waits for another.
    data = _as_data(study, tabulate_cohort(study, plan, roster, scores))
    solutions: list[tuple[str, Solution]] = []
    for name in sorted(scores, key=lambda n: -sum(study.model(t.model).outcome == n for t in targets)):
        observed = _observed(plan, roster, name)
        problem = _problem(study, plan, roster, data, name, targets, bounds[name], observed)
        solved = [done for done, _ in solutions]
        solution = _solve(problem, study, plan, roster, scores, solved, observed, rng, places)
        scores[name] = _put(scores[name], observed, solution.y)
        solutions.append((name, solution))
        if solution.missed and not last:
            # Most often the design is at fault: another one costs less than the outcomes that are left.
            break
    roster = settle_patients(study, plan, roster, rng)
    frame = draw_items(study, tabulate_cohort(study, plan, roster, scores), rng)
    return BuiltCohort(seed=seed, frame=frame, solutions=tuple(solutions))


def _as_data(study: Study, frame: pd.DataFrame) -> StudyData:
    return data_from_frame(study, frame, source=Source.SYNTHETIC, origin="synthetic cohort")


def _put(values: Array, where: NDArray[np.int64], new: Array) -> Array:
    out = values.copy()
    out[where] = new
    return out


def _observed(plan: CohortPlan, roster: Roster, outcome: str) -> NDArray[np.int64]:
    """Visits at which an outcome was assessed."""
    column = "main"
    for index, other in enumerate(plan.others):
        if outcome in other.outcomes:
            column = f"other{index}"
    return np.flatnonzero(roster.visits[column].to_numpy(dtype=bool))


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


def _problem(
    study: Study,
    plan: CohortPlan,
    roster: Roster,
    data: StudyData,
    outcome: str,
    targets: Sequence[Target],
    bounds: tuple[Array, Array],
    observed: NDArray[np.int64],
) -> Problem:
    """Put one outcome's demands together."""
    designs = _designs(study, data, outcome, roster, observed)
    # Orders over outcomes are judged on the scorecard: scores are moved one outcome at a time.
    wanted = [t for t in targets if t.model in designs and t.kind != "less_estimate"]
    variable = declared(study, outcome)
    step = variable.step or 1.0
    return Problem(
        outcome=outcome,
        models=build_models(designs, wanted),
        inner=tuple(
            dict.fromkeys(t.model for t in wanted if t.from_cell and designs[t.model][0].z.shape[1] == 2)
        ),
        targets=tuple(wanted),
        moments=tuple(_moments(study, plan, roster, outcome, observed)),
        lower=bounds[0][observed],
        upper=bounds[1][observed],
        origin=variable.minimum or 0.0,
        step=step,
    )


def _designs(
    study: Study, data: StudyData, outcome: str, roster: Roster, observed: NDArray[np.int64]
) -> dict[str, tuple[Blocks, NDArray[np.int64], str]]:
    """Every model of an outcome: its design, and which of the observed scores are its rows."""
    place = {visit: position for position, visit in enumerate(observed)}
    found = {}
    for model in study.models:
        if model.outcome != outcome:
            continue
        planned = plan_model(data, model, parse_formula(model.formula).names)
        if not isinstance(planned, PlannedModel):
            continue
        visits = _visit_of_row(study, data, planned, roster)
        rows = np.array([place[visit] for visit in visits], dtype=np.int64)
        found[model.id] = (lay_out(planned.design), rows, model.reference or "")
    return found


def _visit_of_row(study: Study, data: StudyData, planned: PlannedModel, roster: Roster) -> NDArray[np.int64]:
    """Index of the visit that each frozen row came from."""
    width = len(str(len(roster.patients)))
    keys = {
        (f"P{patient + 1:0{width}d}", time): index
        for index, (patient, time) in enumerate(
            zip(roster.visits["patient"], roster.visits["time"], strict=True)
        )
    }
    frozen = planned.frozen.rows
    return np.array(
        [keys[key] for key in zip(frozen[study.patient], frozen[study.time], strict=True)], dtype=np.int64
    )


def _ends(plan: CohortPlan, outcome: str) -> EndPlan | None:
    return next((end for other in plan.others for end in other.ends if end.outcome == outcome), None)


def _moments(
    study: Study, plan: CohortPlan, roster: Roster, outcome: str, observed: NDArray[np.int64]
) -> list[Moment]:
    """List printed means and SDs at baseline and discharge, of the patients assessed at both."""
    end = _ends(plan, outcome)
    if end is None:
        return []
    stage = roster.visits["stage"].to_numpy()[observed]
    patient = roster.visits["patient"].to_numpy()[observed]
    both = np.intersect1d(patient[stage == 0], patient[stage == 2])
    found = []
    for at, stated in ((0, end.baseline), (2, end.discharge)):
        printed, said = stated.parsed, stated.printed
        assert printed.value is not None and printed.spread is not None
        rounding = study.publication.rounding
        found.append(
            Moment(
                rows=np.flatnonzero((stage == at) & np.isin(patient, both)),
                mean=printed.value.interval(rounding).ends,
                sd=printed.spread.interval(rounding).ends,
                said=said,
                place=f"{outcome} at {'baseline' if at == 0 else 'discharge'}",
            )
        )
    return found


def _bounds(
    study: Study, plan: CohortPlan, roster: Roster, outcome: str, scores: Mapping[str, Array]
) -> tuple[Array, Array]:
    """Return the ends of what the score at each visit may be: the scale, and the side of the limit at discharge."""
    variable = declared(study, outcome)
    n = len(roster.visits)
    lower = np.full(n, -np.inf if variable.minimum is None else variable.minimum)
    upper = np.full(n, np.inf if variable.maximum is None else variable.maximum)
    if outcome == plan.end_outcome:
        low, high = end_bounds(plan, roster.patients, roster.visits)
        return np.maximum(lower, low), np.minimum(upper, high)
    end = _ends(plan, outcome)
    if end is None:
        return lower, upper
    observed = _observed(plan, roster, outcome)
    at_end = observed[roster.visits["stage"].to_numpy()[observed] == 2]
    below = _choose_below(plan, roster, end, at_end, scores[outcome][at_end])
    step = variable.step or 1.0
    origin = variable.minimum or 0.0
    first_above = origin + step * np.ceil((end.below - origin) / step - 1e-9)
    upper[at_end[below]] = first_above - step
    lower[at_end[~below]] = first_above
    return lower, upper


def _choose_below(
    plan: CohortPlan, roster: Roster, end: EndPlan, at_end: NDArray[np.int64], scores: Array
) -> NDArray[np.bool_]:
    """Choose who ends below the limit: the printed number of each group, those with the lowest drawn scores."""
    group = roster.patients["group"].to_numpy()[roster.visits["patient"].to_numpy()[at_end]]
    below = np.zeros(len(at_end), dtype=bool)
    stated = dict(end.among)
    rest = np.ones(len(at_end), dtype=bool)
    for name, count in stated.items():
        members = np.flatnonzero(group == name)
        rest[members] = False
        below[members[np.argsort(scores[members], kind="stable")[: int(count)]]] = True
    others = np.flatnonzero(rest)
    left = end.n_below - int(sum(stated.values()))
    below[others[np.argsort(scores[others], kind="stable")[:left]]] = True
    return below
