"""A synthetic cohort with a study's design: who, when and which scores, drawn from its cohort file.

Counts that are printed are exact in every cohort (fixed counts, dealt out at random); scores follow linear
growth with correlated random effects, rounded to the measurement grid. Nothing here is a patient's data, and
the result says so. What was put in agrees by construction; only the rest can carry news.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.cohort_file import load_cohort_plan
from bayes_alliance.cohort_plan import Block, CohortPlan, CovariatePlan, Growth, VisitPlan
from bayes_alliance.data import StudyData, data_from_frame
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.study import Source, Study, Variable

MAX_REDRAWS = 1000
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


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
    patients = _draw_patients(plan, rng)
    visits = _draw_visits(plan, patients, rng)
    scores = _draw_scores(study, plan, patients, visits, rng)
    return _table(study, plan, patients, visits, scores)


def _draw_patients(plan: CohortPlan, rng: np.random.Generator) -> pd.DataFrame:
    """Deal out subgroups and covariates, one row a patient."""
    groups = rng.permutation(np.repeat([g.name for g in plan.groups], [g.n for g in plan.groups]))
    columns: dict[str, NDArray[np.object_] | Floats] = {"group": groups.astype(object)}
    for covariate in plan.covariates:
        values = np.full(len(groups), np.nan)
        for group in plan.groups:
            values[groups == group.name] = _draw_covariate(covariate, group.name, group.n, rng)
        columns[covariate.name] = values
    return pd.DataFrame(columns)


def _draw_covariate(plan: CovariatePlan, group: str, n: int, rng: np.random.Generator) -> Floats:
    n_count, n_missing = int(dict(plan.count).get(group, 0)), int(dict(plan.missing).get(group, 0))
    if plan.kind == "binary":
        values = (np.arange(n) < n_count).astype(float)
    elif plan.kind == "zero_or_uniform":
        values = np.where(np.arange(n) < n_count, 0, rng.integers(1, int(plan.maximum) + 1, n)).astype(float)
    else:
        mean, sd = dict(plan.mean)[group], dict(plan.sd)[group]
        values = _standardised(rng.gamma(((mean - plan.minimum) / sd) ** 2, size=n)) * sd + mean
        values = np.clip(np.round(values), plan.minimum, plan.maximum)
    # Those not known come from the tail, which holds none of the counted.
    values[n - n_missing :] = np.nan
    return rng.permutation(values)


def _standardised(values: Floats) -> Floats:
    if len(values) < 2:
        return np.zeros(len(values))
    scaled: Floats = (values - values.mean()) / values.std(ddof=1)
    return scaled


def _draw_visits(plan: CohortPlan, patients: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Place assessments: one row a visit, with which instruments it has and the version of the main one."""
    main = plan.main
    n = len(patients)
    numbers = rng.permutation(np.repeat([k for k, _ in main.assessments], [c for _, c in main.assessments]))
    early = _choose(rng, main.single_early, within=numbers == 1)
    without_end = patients["group"].isin([g.name for g in plan.groups if g.end is None]).to_numpy()
    lacking = _choose(rng, main.lacking_final, within=np.ones(n, dtype=bool), always=without_end | early)
    rows: list[dict[str, float]] = []
    for i in range(n):
        n_interim = int(numbers[i]) - int(not lacking[i])
        interim = _draw_interim(plan.visits, n_interim, int(numbers[i]) == 1, bool(early[i]), rng)
        rows.append({"patient": i, "time": plan.visits.baseline, "stage": 0})
        rows += [{"patient": i, "time": time, "stage": 1} for time in interim]
        rows.append({"patient": i, "time": plan.visits.discharge, "stage": 2})
    visits = pd.DataFrame(rows)
    patient = visits["patient"].to_numpy(dtype=np.int64)
    visits["patient"] = patient
    stage = visits["stage"].to_numpy(dtype=np.int64)
    visits["main"] = (stage == 1) | ((stage == 2) & ~lacking[patient])
    for index, other in enumerate(plan.others):
        lacks = _choose(rng, other.lacking_final, within=lacking, always=without_end)
        blank = _choose(rng, min(other.blank_visits, int((stage == 1).sum())), within=stage == 1)
        visits[f"other{index}"] = (stage == 0) | ((stage == 1) & ~blank) | ((stage == 2) & ~lacks[patient])
    visits["second_version"] = _draw_versions(plan, numbers, visits, rng)
    used = ["main", *(f"other{index}" for index in range(len(plan.others)))]
    return visits[visits[used].any(axis=1)].reset_index(drop=True)


def _choose(rng: np.random.Generator, n: int, *, within: Flags, always: Flags | None = None) -> Flags:
    """Mark exactly ``n`` places: those of ``always``, and others at random from ``within``."""
    chosen = np.zeros(len(within), dtype=bool) if always is None else always.copy()
    pool = np.flatnonzero(within & ~chosen)
    chosen[rng.choice(pool, size=n - int(chosen.sum()), replace=False)] = True
    return chosen


def _draw_interim(
    visits: VisitPlan, n: int, single: bool, early: bool, rng: np.random.Generator
) -> list[float]:
    """Choose n visits between baseline and discharge by weight, and move each a little."""
    times, weights = np.array(visits.scheduled), np.array(visits.weights)
    if single:
        permitted = (times <= visits.early_until) == early
        times, weights = times[permitted], weights[permitted]
    n_scheduled = min(n, len(times))
    chosen = rng.choice(times, size=n_scheduled, replace=False, p=weights / weights.sum())
    extra = rng.choice(np.array(visits.extra), size=n - n_scheduled, replace=False)
    kept = np.sort(np.concatenate([chosen, extra]))
    return [float(t) for t in np.round(kept + rng.uniform(-visits.jitter, visits.jitter, len(kept)), 1)]


def _draw_versions(
    plan: CohortPlan, numbers: NDArray[np.int64], visits: pd.DataFrame, rng: np.random.Generator
) -> Flags:
    """Say for each visit whether the second version was used (meaningless where the main one was not)."""
    both = _choose(rng, plan.main.both, within=numbers >= 2)
    only_second = _choose(rng, plan.main.only_second, within=~both)
    first_second = np.where(only_second, 0, numbers)
    first_second[both] = rng.integers(1, numbers[both])
    order = visits["main"].astype(int).groupby(visits["patient"]).cumsum().to_numpy() - 1
    second: Flags = order >= first_second[visits["patient"].to_numpy()]
    return second


def _draw_scores(
    study: Study,
    plan: CohortPlan,
    patients: pd.DataFrame,
    visits: pd.DataFrame,
    rng: np.random.Generator,
) -> dict[str, Floats]:
    """Draw every outcome at every visit, whether it will be observed or not."""
    growth = {g.outcome: g for g in plan.growth}
    scores: dict[str, Floats] = {}
    for block in plan.blocks:
        parts = [growth[name] for name in block.outcomes]
        variables = [_declared(study, name) for name in block.outcomes]
        means = np.stack([_mean(part, plan, patients, visits) for part in parts], axis=1)
        drawn = _draw_block(block, parts, means, variables, visits, rng)
        if plan.end_outcome in block.outcomes:
            at = block.outcomes.index(plan.end_outcome)
            low, high = _end_bounds(plan, patients, visits)
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
    """Give the expected score of each visit given the patient's predictors."""
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
    return np.stack([_to_grid(values[:, j], variables[j]) for j in range(k)], axis=1)


def _exchangeable(size: int, correlation: float) -> Floats:
    return np.full((size, size), correlation) + (1.0 - correlation) * np.eye(size)


def _to_grid(values: Floats, variable: Variable) -> Floats:
    """Round to the measurement grid and cut at the ends of the scale."""
    step = variable.step or (1.0 if variable.kind == "integer" else None)
    base = variable.minimum or 0.0
    rounded = values if step is None else base + step * np.round((values - base) / step)
    low = -np.inf if variable.minimum is None else variable.minimum
    high = np.inf if variable.maximum is None else variable.maximum
    return np.clip(rounded, low, high)


def _end_bounds(plan: CohortPlan, patients: pd.DataFrame, visits: pd.DataFrame) -> tuple[Floats, Floats]:
    """Give the permitted range of the end outcome at each visit: endless but for discharge."""
    ends = {g.name: g.end or (-np.inf, np.inf) for g in plan.groups}
    bounds = np.array([ends[name] for name in patients["group"]])[visits["patient"].to_numpy()]
    at_end = (visits["stage"] == 2).to_numpy()
    return np.where(at_end, bounds[:, 0], -np.inf), np.where(at_end, bounds[:, 1], np.inf)


def _declared(study: Study, name: str) -> Variable:
    return {v.name: v for v in study.variables}[name]


def _table(
    study: Study,
    plan: CohortPlan,
    patients: pd.DataFrame,
    visits: pd.DataFrame,
    scores: dict[str, Floats],
) -> pd.DataFrame:
    """Put the cohort under the headers of the study's data file, blank where nothing was observed."""
    index = visits["patient"].to_numpy()
    width = len(str(len(patients)))
    columns: dict[str, object] = {
        study.patient: [f"P{i + 1:0{width}d}" for i in index],
        study.time: visits["time"].to_numpy(float),
    }
    versions = np.array(_declared(study, plan.main.version).categories, dtype=object)
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
            by_patient[index[at_end]] = scores[name][at_end]
            ends[end_column] = by_patient[index]
    columns |= {c.name: patients[c.name].to_numpy()[index] for c in plan.covariates}
    headers = {v.name: v.column for v in study.variables}
    return pd.DataFrame(columns | ends).rename(columns=headers)
