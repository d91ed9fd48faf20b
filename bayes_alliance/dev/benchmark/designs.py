"""The data that every program is given: the built-in study's design, with any number of patients.

Who is assessed how often, and when, and all parameters come from the study's cohort file, so the smallest size is
the paper's. Drawn by whole arrays, since a registry's half a million rows would take the cohort simulator minutes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.cohorts.load_plan import load_cohort_plan
from bayes_alliance.cohorts.plan import CohortPlan, VisitPlan
from bayes_alliance.dev.benchmark.rows_file import OUTCOME, STUDY
from bayes_alliance.inference.fits import Array
from bayes_alliance.study.load_study import load_study

Dates = Literal["scattered", "schedule"]


def draw_rows(scale: int, dates: Dates, *, seed: int) -> pd.DataFrame:
    """Draw the rows of the paper's design with ``scale`` times its patients.

    Parameters
    ----------
    scale : int
        Each number of assessments has exactly this many times the paper's patients.
    dates : {"schedule", "scattered"}
        Visits in the scheduled month, so that many patients share their visit times; or within half a month of
        it, to the day and hour, so that none do.
    seed : int
        Of the draw.

    Returns
    -------
    pandas.DataFrame
        Columns ``patient``, ``months``, ``poor_outcome``, ``tasks``; sorted by patient and month.
    """
    plan = load_cohort_plan(load_study(STUDY))
    rng = np.random.default_rng(seed)
    numbers = rng.permutation(
        np.repeat([n for n, _ in plan.main.assessments], [scale * c for _, c in plan.main.assessments])
    )
    patient = np.repeat(np.arange(len(numbers), dtype=np.int64), numbers)
    months = _draw_months(plan.visits, numbers, dates, rng)
    poor = _deal_poor(plan, len(numbers), rng)
    score = _draw_scores(plan, patient, months, poor, rng)
    return pd.DataFrame({"patient": patient, "months": months, "poor_outcome": poor[patient], OUTCOME: score})


def _draw_months(
    visits: VisitPlan, numbers: NDArray[np.int64], dates: Dates, rng: np.random.Generator
) -> Array:
    """Choose each patient's visits by weight without replacement (Efraimidis & Spirakis 2006), in order of time.

    Visits off the schedule are chosen only by patients with more assessments than the schedule has.
    """
    times = np.array([*visits.scheduled, visits.discharge, *visits.extra])
    weights = np.array([*visits.weights, np.mean(visits.weights), *[1e-12] * len(visits.extra)])
    keys = np.log(rng.random((len(numbers), len(times)))) / weights
    ranks = np.argsort(np.argsort(-keys, axis=1), axis=1)
    months = np.where(ranks < numbers[:, None], times, np.inf)
    if dates == "scattered":
        months = months + rng.uniform(-visits.jitter, visits.jitter, months.shape)
    ordered = np.sort(months, axis=1)
    result: Array = np.round(ordered[np.isfinite(ordered)], 4)
    return result


def _deal_poor(plan: CohortPlan, n: int, rng: np.random.Generator) -> Array:
    """Mark the paper's share of patients, among those whose outcome is known, as having a poor outcome."""
    known = {group.name: group.n for group in plan.groups if group.end is not None}
    n_poor = round(n * known["poor"] / sum(known.values()))
    return rng.permutation((np.arange(n) < n_poor).astype(float))


def _draw_scores(
    plan: CohortPlan, patient: NDArray[np.int64], months: Array, poor: Array, rng: np.random.Generator
) -> Array:
    """Linear growth with correlated random intercepts and slopes; continuous, as every program assumes."""
    growth = next(part for part in plan.growth if part.outcome == OUTCOME)
    block = next(part for part in plan.blocks if OUTCOME in part.outcomes)
    rho = block.intercept_slope_correlation
    root = np.array([[1.0, 0.0], [rho, np.sqrt(1.0 - rho**2)]])
    effects = (rng.standard_normal((len(poor), 2)) @ root.T) * [growth.sd_intercept, growth.sd_slope]
    by_poor = dict(growth.on_slope)["poor"] * (poor - poor.mean())
    level = growth.intercept + effects[patient, 0]
    slope = (growth.slope + by_poor + effects[:, 1])[patient]
    scores: Array = level + slope * months + growth.sigma * rng.standard_normal(len(months))
    return scores
