"""A study of five models on made-up rows with gaps, small enough to be run in seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayes_alliance.data.rows import StudyData, data_from_frame
from bayes_alliance.inference.collapsed import CollapsedSettings
from bayes_alliance.run.settings import RunSettings
from bayes_alliance.study.prior_records import PriorScales, PriorSet
from bayes_alliance.study.records import Estimand, Model, Source, Study
from tests.builders import build_study, build_variable

VARIABLES = (
    build_variable("patient", "patient"),
    build_variable("months", limits=(0, 36)),
    build_variable("goals", limits=(1, 7), step=0.25),
    build_variable("tasks", limits=(1, 7), step=0.25),
    build_variable("age", "patient"),
    build_variable("paranoid", "patient", "binary"),
)
SCALES = PriorScales(
    intercept=(4.0, 1.5),
    slope=(0.0, 2.0),
    effect_intercept=(0.0, 1.0),
    effect_slope=(0.0, 1.5),
    sd_intercept=1.0,
    sd_slope=1.0,
    sigma=0.75,
    lkj_eta=2.0,
)


def _model(
    model_id: str, formula: str, comparison: str, reference: str | None = None, deviation: str = ""
) -> Model:
    estimand = Estimand(
        name="deviation", label="Deviation", weights=((deviation, 1.0),), kind="slope_deviation"
    )
    return Model(
        id=model_id,
        label=model_id,
        family="growth",
        outcome=formula.split(" ~ ")[0],
        formula=formula,
        reference=reference,
        comparison=comparison,
        estimands=(estimand,) if deviation else (),
    )


MODELS = (
    _model("unconditional", "goals ~ 1 + (1 | patient)", "goals"),
    _model("growth", "goals ~ months + (months | patient)", "goals"),
    _model("age", "goals ~ months + age + months:age + (months | patient)", "goals", "growth", "months:age"),
    _model(
        "paranoid",
        "goals ~ months + paranoid + months:paranoid + (months | patient)",
        "goals",
        "growth",
        "months:paranoid",
    ),
    _model("tasks_growth", "tasks ~ months + (months | patient)", "tasks"),
)


def small_study(models: Sequence[Model] = MODELS) -> Study:
    """Build the study; its second prior set doubts effects on slopes."""
    sceptical = dataclasses.replace(SCALES, effect_slope=(0.0, 0.1))
    priors = tuple(
        PriorSet(name=name, label=name, tag="", scales=(("goals", scales), ("tasks", scales)))
        for name, scales in (("neutral", SCALES), ("sceptical", sceptical))
    )
    study = build_study(variables=VARIABLES, derived=(), min_rows=4)
    return dataclasses.replace(
        study, models=tuple(models), priors=priors, scoring=(), descriptive_group="paranoid"
    )


def small_frame(n_patients: int = 24, *, seed: int = 1) -> pd.DataFrame:
    """Draw rows at 0, 3, 6, 12 and 24 months; two patients lack their age, three rows lack goals."""
    rng = np.random.default_rng(seed)
    months = np.array([0.0, 3.0, 6.0, 12.0, 24.0])
    patient = np.repeat(np.arange(n_patients), 5)
    time = np.tile(months, n_patients)
    paranoid = (patient % 3 == 0).astype(float)
    age = rng.normal(0.0, 8.0, n_patients)[patient]
    columns = {}
    for name in ("goals", "tasks"):
        level, slope = rng.normal(4.5, 0.8, n_patients)[patient], rng.normal(0.02, 0.03, n_patients)[patient]
        values = level + (slope - 0.04 * paranoid) * time + rng.normal(0.0, 0.5, len(time))
        columns[name] = np.clip(np.round(4 * values) / 4, 1.0, 7.0)
    frame = pd.DataFrame(
        {
            "patient": [f"p{i:02d}" for i in patient],
            "months": time,
            **columns,
            "age": age,
            "paranoid": paranoid,
        }
    )
    frame.loc[frame["patient"].isin(["p03", "p07"]), "age"] = np.nan
    frame.loc[[4, 30, 31], "goals"] = np.nan
    return frame


def small_data(study: Study, frame: pd.DataFrame | None = None) -> StudyData:
    """Check and complete the rows as a file's would be."""
    return data_from_frame(
        study, small_frame() if frame is None else frame, source=Source.SYNTHETIC, origin="made up"
    )


def small_settings(**changed: object) -> RunSettings:
    """Return settings of a quick run by the collapsed engine."""
    quick = RunSettings(engine="collapsed", seed=11, collapsed=CollapsedSettings(draws=400))
    return dataclasses.replace(quick, **changed)  # type: ignore[arg-type]
