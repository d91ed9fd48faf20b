"""What is asked of one outcome's scores on a dealt design: printed numbers, ends of the scale, sides of limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.cohorts.plan import CohortPlan, EndPlan
from bayes_alliance.cohorts.roster import Roster
from bayes_alliance.cohorts.simulate import declared, end_bounds
from bayes_alliance.cohorts.solver.demands import Moment, Problem, build_models
from bayes_alliance.cohorts.solver.sensitivity import Blocks, lay_out
from bayes_alliance.cohorts.solver.targets import Target
from bayes_alliance.data.rows import StudyData, data_from_frame
from bayes_alliance.inference.fits import Array
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Source, Study


def as_data(study: Study, frame: pd.DataFrame) -> StudyData:
    """Read a cohort's table as the models read it."""
    return data_from_frame(study, frame, source=Source.SYNTHETIC, origin="synthetic cohort")


def find_observed(plan: CohortPlan, roster: Roster, outcome: str) -> NDArray[np.int64]:
    """Visits at which an outcome was assessed."""
    column = "main"
    for index, other in enumerate(plan.others):
        if outcome in other.outcomes:
            column = f"other{index}"
    return np.flatnonzero(roster.visits[column].to_numpy(dtype=bool))


def state_problem(
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


def bound_scores(
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
    observed = find_observed(plan, roster, outcome)
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
