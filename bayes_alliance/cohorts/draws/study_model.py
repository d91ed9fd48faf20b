"""From a study, its plan and a dealt design to the joint growth model and the printed statistics of a cohort.

Prior means and SDs are those of the study's first prior, which are stated from the scales alone; what is narrower here,
and why, stands beside the constants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayes_alliance.cohorts.draws.growth import CovariancePrior, Covariances, Floats, Ints, Layout
from bayes_alliance.cohorts.draws.statistics import Link, OutcomePart
from bayes_alliance.cohorts.draws.study_prior import covariance_prior
from bayes_alliance.cohorts.plan import CohortPlan
from bayes_alliance.cohorts.problems import as_data, bound_scores, find_observed, state_problem
from bayes_alliance.cohorts.roster import Roster
from bayes_alliance.cohorts.simulate import declared, draw_scores, tabulate_cohort
from bayes_alliance.cohorts.solver.targets import Target
from bayes_alliance.data.rows import StudyData
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Study

# A predictor's effect under the study's neutral prior may be as large as the scale allows, one predictor at a time.
# All of them together, with effects that size, would be no plausible study: most predictors of alliance explain a few
# per cent (Flückiger et al. 2018, doi:10.1037/pst0000172: r = .28 even for outcome). So an SD of this share of it.
EFFECT_SHARE = 0.15
# Softness of the ends of a range: of the scale in grid steps, of a limit between subgroups as a share of the scale
# of the residual SD's prior.
SCALE_BEND = 0.5
SIDE_BEND = 0.2


@dataclass(frozen=True, kw_only=True)
class StudyModel:
    """The joint model of one dealt design and what is printed of it.

    Parameters
    ----------
    layout : Layout
        All scores.
    link : Link
        From latent to recorded scores.
    parts : tuple of OutcomePart
        By outcome.
    prior : CovariancePrior
        Of both covariances.
    outcomes : tuple of str
        Names, in the order of the layout's numbers.
    place : ndarray of int, shape (n,)
        Visit of the roster that each score was recorded at.
    """

    layout: Layout
    link: Link
    parts: tuple[OutcomePart, ...]
    prior: CovariancePrior
    outcomes: tuple[str, ...]
    place: Ints

    def scores(self, values: Floats, n_visits: int) -> dict[str, Floats]:
        """Scores by outcome at every visit of the roster, NaN where there is none."""
        found = {}
        for number, name in enumerate(self.outcomes):
            column = np.full(n_visits, np.nan)
            mine = self.layout.outcome == number
            column[self.place[mine]] = values[mine]
            found[name] = column
        return found


# Over 40 lines: every array is laid out in the one order of rows that is found half-way.
def build_study_model(
    study: Study, plan: CohortPlan, roster: Roster, targets: Sequence[Target], rng: np.random.Generator
) -> StudyModel:
    """Lay out the joint model of a dealt design.

    Parameters
    ----------
    study : Study
        Models, scales and priors.
    plan : CohortPlan
        Limits of end scores, and how outcomes hang together.
    roster : Roster
        Patients and visits.
    targets : sequence of Target
        What is printed.
    rng : numpy.random.Generator
        Decides which end scores of an outcome without printed subgroups lie below its limit.
    """
    scores = draw_scores(study, plan, roster, rng)
    outcomes = tuple(scores)
    bounds = {name: bound_scores(study, plan, roster, name, scores) for name in outcomes}
    inside = {name: np.clip(y, *bounds[name]) for name, y in scores.items()}
    data = as_data(study, tabulate_cohort(study, plan, roster, inside))
    visits = roster.visits
    seen = {name: find_observed(plan, roster, name) for name in outcomes}
    place = np.concatenate([seen[name] for name in outcomes])
    number = np.repeat(np.arange(len(outcomes)), [len(seen[name]) for name in outcomes])
    order = np.lexsort((number, place))
    inverse = np.argsort(order)
    parts: list[OutcomePart] = []
    first = 0
    for name in outcomes:
        problem = state_problem(study, plan, roster, data, name, targets, bounds[name], seen[name])
        index = inverse[first : first + len(seen[name])]
        parts.append(OutcomePart(problem=problem, index=index))
        first += len(seen[name])
    place, number = place[order], number[order]
    patient = visits["patient"].to_numpy(dtype=np.int64)[place]
    time = visits["time"].to_numpy(dtype=float)[place] / study.horizon
    predictors = patient_predictors(study, data)
    columns, sds, centre = _fixed_part(study, outcomes, predictors, patient, time, number)
    return StudyModel(
        layout=Layout(
            patient=patient,
            visit=place,
            outcome=number,
            time=time,
            centre=centre,
            columns=columns,
            column_sd=sds,
            n_outcomes=len(outcomes),
        ),
        link=_link(study, outcomes, bounds, place, number),
        parts=tuple(parts),
        prior=covariance_prior(study, plan, outcomes),
        outcomes=outcomes,
        place=place,
    )


def _link(
    study: Study,
    outcomes: Sequence[str],
    bounds: Mapping[str, tuple[Floats, Floats]],
    place: Ints,
    number: Ints,
) -> Link:
    """Range of every score: the scale, or its side of the limit for an end score that decides a subgroup."""
    n = len(place)
    lower, upper, lower_bend, upper_bend = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for k, name in enumerate(outcomes):
        variable = declared(study, name)
        step = variable.step or 1.0
        low = -np.inf if variable.minimum is None else variable.minimum
        high = np.inf if variable.maximum is None else variable.maximum
        mine = np.flatnonzero(number == k)
        at = place[mine]
        own_low, own_high = np.maximum(bounds[name][0][at], low), np.minimum(bounds[name][1][at], high)
        # Half a step beyond each end still rounds to it.
        lower[mine], upper[mine] = own_low - 0.5 * step, own_high + 0.5 * step
        wide = SIDE_BEND * dict(study.priors[0].scales)[name].sigma
        lower_bend[mine] = np.where(own_low > low, wide, SCALE_BEND * step)
        upper_bend[mine] = np.where(own_high < high, wide, SCALE_BEND * step)
    return Link(lower=lower, upper=upper, lower_bend=lower_bend, upper_bend=upper_bend)


def patient_predictors(study: Study, data: StudyData) -> pd.DataFrame:
    """Patient-level columns of all fixed parts, one row a patient, NaN where a model leaves the patient out.

    Columns are those of the models' own designs, so categories and products come as the models have them.
    """
    patients = pd.unique(data.rows[study.patient])
    found: dict[str, pd.Series] = {}
    for model in study.models:
        planned = plan_model(data, model, parse_formula(model.formula).names)
        if not isinstance(planned, PlannedModel) or model.where:
            continue
        design = planned.design
        who = planned.frozen.rows[study.patient].to_numpy()
        for column, name in zip(design.x.T, design.x_names, strict=True):
            if name == "Intercept" or study.time in name.split(":"):
                continue
            values = pd.Series(column, index=who).groupby(level=0).first()
            kept = found.get(name)
            found[name] = values if kept is None else kept.combine_first(values)
    return pd.DataFrame({name: values.reindex(patients) for name, values in found.items()}, index=patients)


def _fixed_part(
    study: Study,
    outcomes: Sequence[str],
    predictors: pd.DataFrame,
    patient: Ints,
    time: Floats,
    number: Ints,
) -> tuple[Floats, Floats, Floats]:
    """Columns, prior SDs of their coefficients, and the prior mean of every score."""
    prior = dict(study.priors[0].scales)
    centred = (predictors - predictors.mean()).fillna(0.0)
    columns, sds = [], []
    centre = np.empty(len(patient))
    for k, name in enumerate(outcomes):
        mine = number == k
        own = prior[name]
        (level, level_sd), (slope, slope_sd) = own.intercept, own.slope
        centre[mine] = level + slope * time[mine]
        columns += [mine.astype(float), np.where(mine, time, 0.0)]
        sds += [level_sd, slope_sd]
        for column in centred:
            values = np.where(mine, centred[column].to_numpy()[patient], 0.0)
            share = 1.0 if _decides(study, str(column), name) else EFFECT_SHARE
            contrast = _contrast(study, str(column))
            columns += [values, values * time]
            sds += [share * own.effect_intercept[1] / contrast, share * own.effect_slope[1] / contrast]
    return np.stack(columns, axis=1), np.array(sds), centre


def _contrast(study: Study, column: str) -> float:
    """Difference of a predictor that its prior is stated for; of a product, the product of both."""
    found = 1.0
    for name in column.split(":"):
        variable = study.every_variable.get(name.split("[")[0])
        found *= getattr(variable, "contrast", 1.0) or 1.0
    return float(found)


def _decides(study: Study, column: str, outcome: str) -> bool:
    """Whether a predictor is made from the outcome's own end scores."""
    derived = {d.name: d.of for d in study.derived}
    pending = [name.split("[")[0] for name in column.split(":")]
    while pending:
        name = pending.pop()
        if name == outcome:
            return True
        pending += derived.get(name, ())
    return False


def start_covariances(study: Study, plan: CohortPlan, model: StudyModel) -> Covariances:
    """Covariances with the plan's SDs, fitted to the printed standard errors, and the prior's correlations."""
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
