"""A synthetic cohort with a study's design: who, when and which scores, drawn from its cohort file.

Counts that are printed are exact in every cohort (fixed counts, dealt out at random); scores follow linear
growth with correlated random effects, rounded to the measurement grid. Nothing here is a patient's data, and
the result says so. What was put in agrees by construction; only the rest can carry news.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.cohorts.load_plan import load_cohort_plan
from bayes_alliance.cohorts.plan import Block, CohortPlan, Growth
from bayes_alliance.cohorts.roster import Roster, draw_roster
from bayes_alliance.data.rows import StudyData, data_from_frame
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.study.records import Source, Study, Variable

MAX_REDRAWS = 1000
Floats = NDArray[np.float64]


def simulate_cohort(study: Study, seed: int) -> StudyData:
    """Simulate one cohort of a study.

    Parameters
    ----------
    study : Study
        Names its cohort file and declares the scales.
    seed : int
        Seed of the draw; the same seed gives the same cohort.

    Returns
    -------
    StudyData
        Marked as synthetic.

    Raises
    ------
    InputError
        If the cohort file is wrong.
    """
    frame = draw_cohort(study, load_cohort_plan(study), np.random.default_rng(seed))
    return data_from_frame(study, frame, source=Source.SYNTHETIC, origin=f"synthetic cohort, seed {seed}")


def draw_cohort(study: Study, plan: CohortPlan, rng: np.random.Generator) -> pd.DataFrame:
    """Draw the table of one cohort, under the headers of the study's data file.

    For patient i at time t in outcome k::

        y_ik(t) = beta_0k + beta_1k t + d_0ik + d_1ik t + b_0ik + b_1ik t + e_ik(t)

    with deviations d by centred predictors, b normal with correlation R_k (x) C between outcomes (x) between
    intercept and slope, e normal and correlated between the outcomes of a block, and y rounded to the grid
    and cut at the ends of its scale. Patients are redrawn in the end outcome until the rounded end value lies
    within the bounds of their subgroup.

    Parameters
    ----------
    study : Study
        Declares the scales.
    plan : CohortPlan
        The parameters.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    pandas.DataFrame
        One row an assessment.
    """
    roster = draw_roster(study, plan, rng)
    return tabulate_cohort(study, plan, roster, draw_scores(study, plan, roster, rng))


def draw_scores(
    study: Study, plan: CohortPlan, roster: Roster, rng: np.random.Generator
) -> dict[str, Floats]:
    """Draw every outcome at every visit of a roster, whether it will be observed or not.

    Returns
    -------
    dict of str to ndarray, shape (n_visits,)
        On the grid of each outcome.
    """
    patients, visits = roster.patients, roster.visits
    growth = {g.outcome: g for g in plan.growth}
    scores: dict[str, Floats] = {}
    for block in plan.blocks:
        parts = [growth[name] for name in block.outcomes]
        variables = [declared(study, name) for name in block.outcomes]
        means = np.stack([_mean(part, plan, patients, visits) for part in parts], axis=1)
        drawn = _draw_block(block, parts, means, variables, visits, rng)
        if plan.end_outcome in block.outcomes:
            at = block.outcomes.index(plan.end_outcome)
            low, high = end_bounds(plan, patients, visits)
            for _ in range(MAX_REDRAWS):
                outside = (drawn[:, at] < low) | (drawn[:, at] > high)
                if not outside.any():
                    break
                again = np.isin(visits["patient"], visits["patient"].to_numpy()[outside])
                drawn[again] = _draw_block(block, parts, means, variables, visits, rng)[again]
            else:
                what = f"end values within the bounds of their groups were not met in {MAX_REDRAWS} draws"
                raise InputError(
                    study.data.cohort, [Problem(what=what, where=f"[growth.{plan.end_outcome}], [groups]")]
                )
        scores |= {name: drawn[:, k] for k, name in enumerate(block.outcomes)}
    return scores


def _mean(growth: Growth, plan: CohortPlan, patients: pd.DataFrame, visits: pd.DataFrame) -> Floats:
    """Return the expected score of each visit given the patient's predictors."""
    index = visits["patient"].to_numpy()
    intercept = growth.intercept + _deviation(growth.on_intercept, plan, patients)[index]
    slope = growth.slope + _deviation(growth.on_slope, plan, patients)[index]
    mean: Floats = intercept + slope * visits["time"].to_numpy(float)
    return mean


def _deviation(weights: Sequence[tuple[str, float]], plan: CohortPlan, patients: pd.DataFrame) -> Floats:
    """Sum the weighted, centred predictors of each patient; an unknown covariate counts as the mean."""
    groups = {group.name for group in plan.groups}
    total = np.zeros(len(patients))
    for key, weight in weights:
        product = np.ones(len(patients))
        for name in key.split(":"):
            is_group = name in groups
            product = product * ((patients["group"] == name) if is_group else patients[name]).to_numpy(float)
        total += weight * np.nan_to_num(product - np.nanmean(product))
    return total


def _draw_block(
    block: Block,
    parts: Sequence[Growth],
    means: Floats,
    variables: Sequence[Variable],
    visits: pd.DataFrame,
    rng: np.random.Generator,
) -> Floats:
    """Draw random effects and residuals of one block; shape (n_visits, n_outcomes)."""
    n_patients, k = int(visits["patient"].max()) + 1, len(parts)
    index, time = visits["patient"].to_numpy(), visits["time"].to_numpy(float)[:, None]
    between = np.kron(
        _exchangeable(k, block.effect_correlation), _exchangeable(2, block.intercept_slope_correlation)
    )
    sds = np.array([sd for part in parts for sd in (part.sd_intercept, part.sd_slope)])
    effects = (rng.standard_normal((n_patients, 2 * k)) @ np.linalg.cholesky(between).T) * sds
    residual_root = np.linalg.cholesky(_exchangeable(k, block.residual_correlation))
    residuals = rng.standard_normal((len(visits), k)) @ residual_root.T * np.array([p.sigma for p in parts])
    values = means + effects[index, 0::2] + effects[index, 1::2] * time + residuals
    return np.stack([to_grid(values[:, j], variables[j]) for j in range(k)], axis=1)


def _exchangeable(size: int, correlation: float) -> Floats:
    return np.full((size, size), correlation) + (1.0 - correlation) * np.eye(size)


def to_grid(values: Floats, variable: Variable) -> Floats:
    """Round to the measurement grid and cut at the ends of the scale."""
    step = variable.step or (1.0 if variable.kind == "integer" else None)
    base = variable.minimum or 0.0
    rounded = values if step is None else base + step * np.round((values - base) / step)
    low = -np.inf if variable.minimum is None else variable.minimum
    high = np.inf if variable.maximum is None else variable.maximum
    return np.clip(rounded, low, high)


def end_bounds(plan: CohortPlan, patients: pd.DataFrame, visits: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return the permitted range of the end outcome at each visit: endless but for a patient's last score."""
    ends = {g.name: g.end or (-np.inf, np.inf) for g in plan.groups}
    bounds = np.array([ends[name] for name in patients["group"]])[visits["patient"].to_numpy()]
    at_end = _is_last(plan, plan.end_outcome, visits)
    return np.where(at_end, bounds[:, 0], -np.inf), np.where(at_end, bounds[:, 1], np.inf)


def _is_last(plan: CohortPlan, outcome: str, visits: pd.DataFrame) -> NDArray[np.bool_]:
    """Mark each patient's last visit with a score of an outcome: discharge, but for patients who lack it there."""
    number = next(k for k, other in enumerate(plan.others) if outcome in other.outcomes)
    observed = visits[f"other{number}"].to_numpy(dtype=bool)
    last = pd.Series(np.arange(len(visits))[observed]).groupby(visits["patient"].to_numpy()[observed]).max()
    marked = np.zeros(len(visits), dtype=bool)
    marked[last.to_numpy()] = True
    return marked


def declared(study: Study, name: str) -> Variable:
    """Return the declared variable of this name."""
    return {v.name: v for v in study.variables}[name]


def tabulate_cohort(
    study: Study, plan: CohortPlan, roster: Roster, scores: Mapping[str, Floats]
) -> pd.DataFrame:
    """Put a cohort under the headers of the study's data file, blank where nothing was observed.

    Returns
    -------
    pandas.DataFrame
        One row a visit, in the order of the roster.
    """
    patients, visits = roster.patients, roster.visits
    index = visits["patient"].to_numpy()
    width = len(str(len(patients)))
    columns: dict[str, object] = {
        study.patient: [f"P{i + 1:0{width}d}" for i in index],
        study.time: visits["time"].to_numpy(float),
    }
    versions = np.array(declared(study, plan.main.version).categories, dtype=object)
    version = versions[visits["second_version"].to_numpy().astype(int)]
    has_main = visits["main"].to_numpy()
    columns[plan.main.version] = np.where(has_main, version, None)
    columns |= {name: np.where(has_main, scores[name], np.nan) for name in plan.main.outcomes}
    ends: dict[str, Floats] = {}
    for number, other in enumerate(plan.others):
        observed = visits[f"other{number}"].to_numpy()
        for name, end_column in zip(other.outcomes, other.end_columns, strict=True):
            columns[name] = np.where(observed, scores[name], np.nan)
            at_end = observed & (visits["stage"] == 2).to_numpy()
            by_patient = np.full(len(patients), np.nan)
            if name == plan.end_outcome:
                bounded = np.isin(patients["group"], plan.endless, invert=True)[index]
                at_end = _is_last(plan, name, visits) & bounded
            by_patient[index[at_end]] = scores[name][at_end]
            ends[end_column] = by_patient[index]
    columns |= {c.name: patients[c.name].to_numpy()[index] for c in plan.covariates}
    headers = {v.name: v.column for v in study.variables}
    return pd.DataFrame(columns | ends).rename(columns=headers)
