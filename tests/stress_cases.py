"""Simulated cohorts of two subgroups, whole and with dropout, ready for the stress tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayes_alliance.data.rows import StudyData, data_from_frame
from bayes_alliance.stress.prepare import Prepared, prepare_model
from bayes_alliance.study.prior_records import PriorScales, PriorSet
from bayes_alliance.study.records import Estimand, Model, Source, Study
from tests.builders import build_study, build_variable

HORIZON = 36.0
TIMES = (3.0, 9.0, 15.0, 21.0, 27.0, 33.0, 36.0)
SCALES = PriorScales(
    intercept=(4.5, 1.5),
    slope=(0.0, 1.5),
    effect_intercept=(0.0, 1.0),
    effect_slope=(0.0, 1.5),
    sd_intercept=1.5,
    sd_slope=1.5,
    sigma=1.0,
    lkj_eta=2.0,
)


def outcome_model(outcome: str) -> Model:
    """Build the model of an outcome by subgroup, its slopes and their difference named."""
    product = "months:poor"
    return Model(
        id=f"{outcome}_outcome",
        label=f"{outcome} by outcome",
        family="outcome",
        outcome=outcome,
        formula=f"{outcome} ~ months + poor + {product} + (months | patient)",
        estimands=(
            Estimand(name="slope_good", label="good", weights=(("months", 1.0),), kind="slope"),
            Estimand(
                name="slope_poor", label="poor", weights=(("months", 1.0), (product, 1.0)), kind="slope"
            ),
            Estimand(
                name="deviation", label="poor minus good", weights=((product, 1.0),), kind="slope_deviation"
            ),
        ),
    )


def case_study(outcomes: Sequence[str] = ("tasks",), *, grid: bool = False) -> Study:
    """Build a study of two subgroups, its outcomes on a grid from 1 to 7 on request."""
    limits, step = ((1.0, 7.0), 0.25) if grid else ((None, None), None)
    variables = (
        build_variable("patient", "patient"),
        build_variable("months", limits=(0.0, HORIZON)),
        *(build_variable(name, limits=limits, step=step) for name in outcomes),
        build_variable("poor", "patient", "binary"),
    )
    priors = PriorSet(
        name="neutral",
        label="neutral",
        tag="",
        scales=tuple((name, SCALES) for name in outcomes),
    )
    return dataclasses.replace(
        build_study(variables=variables, derived=()),
        models=tuple(outcome_model(name) for name in outcomes),
        priors=(priors,),
        scoring=(),
        descriptive_group="poor",
    )


def simulate_rows(
    n: int,
    slopes: tuple[float, float],
    *,
    seed: int,
    sd: tuple[float, float] = (0.9, 0.02),
    sigma: float = 0.6,
    times: Sequence[float] = TIMES,
) -> pd.DataFrame:
    """Draw a complete cohort: half good, half poor, with each patient's own slope in a column of its own.

    Parameters
    ----------
    slopes : tuple of float
        Mean slope of good and of poor outcome, per month.
    """
    rng = np.random.default_rng(seed)
    poor = np.arange(n) % 2
    level = 4.5 + sd[0] * rng.standard_normal(n)
    slope = np.array(slopes)[poor] + sd[1] * rng.standard_normal(n)
    index = np.repeat(np.arange(n), len(times))
    months = np.tile(np.asarray(times), n)
    y = level[index] + slope[index] * months + sigma * rng.standard_normal(len(index))
    return pd.DataFrame(
        {
            "patient": [f"p{i:04d}" for i in index],
            "months": months,
            "tasks": y,
            "own_slope": slope[index],
            "poor": poor[index].astype(float),
        }
    )


def case_data(study: Study, frame: pd.DataFrame) -> StudyData:
    """Check and complete the rows as a file's would be; columns that the study does not know are left out."""
    known = [v.column for v in study.variables if v.column in frame]
    return data_from_frame(study, frame[known], source=Source.SYNTHETIC, origin="made up")


def prepare(frame: pd.DataFrame, study: Study | None = None, *, draws: int = 2000) -> Prepared:
    """Prepare the first model of a case."""
    study = study or case_study()
    prepared = prepare_model(
        study, case_data(study, frame), study.models[0], prior="neutral", seed=5, draws=draws
    )
    assert isinstance(prepared, Prepared), prepared
    return prepared
