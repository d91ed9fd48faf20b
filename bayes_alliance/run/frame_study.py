"""A study of one model, made from a formula and a data frame: no study file is needed.

What a study file would state is read from the frame: numeric columns are numbers (0 and 1 alone: binary), all others
categories, the first in order being the reference. Priors that are not given are weakly informative: Normal around
zero for slopes and effects, half-normal for standard deviations, all scaled to the SD of the outcome.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from bayes_alliance.errors import InputError, Problem, no_such
from bayes_alliance.study.formula import Formula, FormulaError, parse_formula
from bayes_alliance.study.prior_records import PriorScales, PriorSet
from bayes_alliance.study.records import DataDefault, Model, Source, Study, Variable
from bayes_alliance.study.validate import check_study

VISIT = "visit_number"
GIVEN, AUTOMATIC = "given", "automatic"
_PAIRS = ("intercept", "slope", "effect_intercept", "effect_slope")
_SCALES = ("sd_intercept", "sd_slope", "sigma", "lkj_eta")
Priors = Mapping[str, tuple[float, float] | float]


def study_from_frame(
    formula: str,
    frame: pd.DataFrame,
    *,
    time: str = "",
    time_unit: str = "units of time",
    horizon: float | None = None,
    priors: Priors | None = None,
) -> tuple[Study, pd.DataFrame]:
    """Describe a frame and one model as a study.

    Parameters
    ----------
    formula : str
        Such as ``"y ~ time * group + (time | id)"``.
    frame : pandas.DataFrame
        One row per assessment.
    time : str
        Column of time; that of the random slope if omitted, and a count of each patient's rows where there is none.
    time_unit : str
        Its unit.
    horizon : float, optional
        Slopes are shown, and their priors stated, as change over this time; the range of time if omitted.
    priors : mapping of str to number or pair, optional
        Some or all of ``intercept``, ``slope``, ``effect_intercept``, ``effect_slope`` as ``(mean, sd)``, and
        ``sd_intercept``, ``sd_slope``, ``sigma``, ``lkj_eta``; slopes as change over the horizon. What is left out
        is stated automatically.

    Returns
    -------
    study : Study
        With one model, ``model``, and one prior set, ``given`` or ``automatic``.
    frame : pandas.DataFrame
        The columns that it reads.

    Raises
    ------
    InputError
        If the formula is outside the grammar, names a column that is not there, or a prior is wrong.
    """
    try:
        parsed = parse_formula(formula)
    except FormulaError as error:
        raise InputError("formula", [Problem(what=str(error), got=formula[:200])]) from error
    columns = [str(name) for name in frame.columns]
    time = time or next(iter(parsed.random), "")
    asked = sorted({*parsed.names, *filter(None, [time])})
    problems = [no_such("column", name, columns) for name in asked if name not in columns]
    if problems:
        raise InputError("formula", problems)
    rows = frame[asked].reset_index(drop=True)
    if not time:
        time = VISIT
        rows = rows.assign(**{VISIT: rows.groupby(parsed.group, sort=False).cumcount()})
    study = build_frame_study(parsed, rows, time, time_unit, horizon, priors)
    problems = check_study(study, "formula")
    if problems:
        raise InputError("formula", problems)
    return study, rows


# Over 40 lines: the record of a study, one field a line.
def build_frame_study(
    parsed: Formula,
    rows: pd.DataFrame,
    time: str,
    time_unit: str,
    horizon: float | None,
    priors: Priors | None,
) -> Study:
    """Describe typed rows and one model as a study; see :func:`study_from_frame`."""
    for name in (parsed.response, time):
        if not pd.api.types.is_numeric_dtype(rows[name]):
            raise InputError("data frame", [Problem(what="not numeric", where=f"column {name}")])
    over = float(rows[time].max() - rows[time].min()) if horizon is None else float(horizon)
    if not over > 0.0 or not np.isfinite(over):
        raise InputError(
            "horizon", [Problem(what="no span of time", got=f"{over:g}", allowed="a number above 0")]
        )
    scales = _scales(rows[parsed.response], priors or {})
    return Study(
        id="frame",
        title=f"Model {parsed.text}",
        citation="not published",
        doi="",
        patient=parsed.group,
        time=time,
        time_unit=time_unit,
        horizon=over,
        folder=Path(),
        digest="",
        data=DataDefault(source=Source.REAL),
        variables=tuple(_variable(rows, str(name), parsed, time, time_unit) for name in rows.columns),
        derived=(),
        scoring=(),
        models=(
            Model(
                id="model", label=parsed.text, family="model", outcome=parsed.response, formula=parsed.text
            ),
        ),
        priors=(
            PriorSet(
                name=GIVEN if priors else AUTOMATIC,
                label="Given" if priors else "Automatic",
                tag="given in the call" if priors else "default: scaled to the SD of the outcome",
                scales=((parsed.response, scales),),
            ),
        ),
        min_rows=1,
    )


def _variable(rows: pd.DataFrame, name: str, parsed: Formula, time: str, time_unit: str) -> Variable:
    values = rows[name].dropna()
    constant = bool((rows.groupby(parsed.group, sort=False)[name].nunique(dropna=True) <= 1).all())
    base = Variable(
        name=name,
        column=name,
        label=name,
        unit=time_unit if name == time else "",
        level="patient"
        if name == parsed.group or (constant and name not in (time, parsed.response))
        else "visit",
        kind="category" if name == parsed.group else "numeric",
        required=name in (parsed.group, time),
    )
    if name in (parsed.group, time, parsed.response):
        lowest = min(float(values.min()), 0.0) if name == time else None
        return base if lowest is None else dataclasses.replace(base, minimum=lowest)
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        listed = (
            rows[name].cat.categories
            if isinstance(rows[name].dtype, pd.CategoricalDtype)
            else sorted(set(values))
        )
        return dataclasses.replace(base, kind="category", categories=tuple(str(value) for value in listed))
    if set(values.unique()) <= {0, 1}:
        return dataclasses.replace(base, kind="binary")
    # Priors speak of a patient with the mean, and of a difference of one SD.
    return dataclasses.replace(
        base, reference=float(f"{values.mean():.3g}"), contrast=float(f"{values.std():.2g}") or 1.0
    )


def _scales(outcome: pd.Series, priors: Priors) -> PriorScales:
    sd = float(f"{outcome.std():.2g}") or 1.0
    automatic: dict[str, tuple[float, float] | float] = {
        "intercept": (float(f"{outcome.mean():.2g}"), 2.5 * sd),
        "slope": (0.0, 2.0 * sd),
        "effect_intercept": (0.0, sd),
        "effect_slope": (0.0, sd),
        "sd_intercept": sd,
        "sd_slope": sd,
        "sigma": sd,
        "lkj_eta": 2.0,
    }
    problems = [no_such("prior", name, automatic) for name in priors if name not in automatic]
    for name, value in priors.items():
        numbers = value if isinstance(value, tuple) else (value,)
        sound = all(isinstance(n, int | float) and np.isfinite(n) for n in numbers) and numbers[-1] > 0
        if name in automatic and (len(numbers) != (2 if name in _PAIRS else 1) or not sound):
            allowed = "(mean, sd), sd above 0" if name in _PAIRS else "a number above 0"
            problems.append(Problem(what="not a prior", where=name, got=repr(value)[:60], allowed=allowed))
    if problems:
        raise InputError("priors", problems)
    stated = automatic | dict(priors)
    return PriorScales(**stated)  # type: ignore[arg-type]
