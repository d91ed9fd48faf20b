"""On three studies with open data no posterior summary hangs on the coding of the predictor or on the clock.

Each study with its own model and default prior, written in five other ways: the other level as reference, plus and
minus one, a coefficient for every level, a centred predictor, another unit and origin of time. Compared are the fixed
part and the SD of patients at six visits, and the residual SD: mean, SD and both ends of the 95 % interval of each.
"""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.cohorts.study_rows import load_data
from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.design import Design, build_design
from bayes_alliance.inference.fits import Array, PosteriorFit
from bayes_alliance.inference.priors import CoefficientPriors, coefficient_priors
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Study, Variable
from tests.known_posteriors import rows_used

# Study, model, its binary predictor.
STUDIES = {
    "medication": ("treatment", "treat"),
    "fox2019": ("random_slope", "patient_group"),
    "galecki2013": ("random_slope", "active"),
}
CODINGS = ("the other level", "plus and minus one", "every level", "centred", "another clock")
DRAWS = 20_000
VISITS = 6


def _planned(study: Study, model_id: str) -> PlannedModel:
    model = study.model(model_id)
    planned = plan_model(load_data(study, seed=1), model, parse_formula(model.formula).names)
    assert isinstance(planned, PlannedModel)
    return planned


def _with(study: Study, name: str, **changes: object) -> Study:
    def changed(variable: Variable) -> Variable:
        return dataclasses.replace(variable, **changes) if variable.name == name else variable  # type: ignore[arg-type]

    return dataclasses.replace(
        study,
        variables=tuple(changed(v) if isinstance(v, Variable) else v for v in study.variables),
    )


def _recoded(study: Study, rows: pd.DataFrame, name: str, coding: str) -> tuple[Study, pd.DataFrame]:
    """Return the study and its rows with the predictor, or time, written another way."""
    value, time = rows[name].astype(float), study.time
    if coding == "the other level":
        return study, rows.assign(**{name: 1.0 - value})
    if coding == "plus and minus one":
        return _with(study, name, kind="numeric", contrast=2.0), rows.assign(**{name: 2.0 * value - 1.0})
    if coding == "every level":
        levels = ("yes", "no")
        column = pd.Categorical(np.where(value > 0.5, *levels), levels)
        return _with(study, name, kind="category", categories=levels), rows.assign(**{name: column})
    if coding == "centred":
        return _with(study, name, kind="numeric"), rows.assign(**{name: value - value.mean()})
    shifted = dataclasses.replace(
        study,
        horizon=30.0 * study.horizon,
        reference_time=None if study.reference_time is None else 30.0 * study.reference_time + 7000.0,
    )
    return shifted, rows.assign(**{time: 30.0 * rows[time] + 7000.0})


def _formula(text: str, name: str, time: str, coding: str) -> str:
    """Return the formula; with a coefficient for every level of the predictor where that is asked for."""
    if coding != "every level":
        return text
    response, terms = text.split(" ~ ")
    kept = [t for t in terms.split(" + ") if t not in (time, name, f"{time}:{name}")]
    return f"{response} ~ 0 + {name} + {time}:{name} + " + " + ".join(kept)


def _summaries(fit: PosteriorFit, x: Array, z: Array) -> tuple[Array, Array]:
    """Mean, SD and ends of each quantity, and the Monte-Carlo error of each, shape (quantities, 4)."""
    beta, sd, correlation, sigma = fit.flat()
    at = np.linspace(0, len(x) - 1, VISITS).astype(int)
    across = correlation * sd[:, 0] * sd[:, -1]
    variance = np.outer(sd[:, 0] ** 2, z[at, 0] ** 2) + np.outer(sd[:, 1] ** 2, z[at, 1] ** 2)
    variance += 2.0 * np.outer(across, z[at, 0] * z[at, 1])
    draws = np.column_stack([beta @ x[at].T, np.sqrt(variance), sigma]).T
    n = float(fit.independent_draws or fit.n_draws)
    mean, spread = draws.mean(axis=1), draws.std(axis=1)
    off = (draws - mean[:, None]) ** 2
    found, error = [mean, spread], [spread / np.sqrt(n), off.std(axis=1) / (2.0 * spread * np.sqrt(n))]
    for p in (0.025, 0.975):
        reach = np.sqrt(p * (1.0 - p) / n)
        low, middle, high = np.quantile(draws, [p - reach, p, p + reach], axis=1)
        found.append(middle)
        error.append(0.5 * (high - low))
    return np.stack(found, axis=1), np.stack(error, axis=1)


def _on_coefficients(study: Study, design: Design, priors: CoefficientPriors) -> CoefficientPriors:
    """Priors as in version 0.1.0: the stated SD for every coefficient by itself, whatever the coefficient means."""
    scales = study.priors[0].for_outcome(design.formula.response)
    stated = []
    for name in design.x_names:
        parts = set(name.split(":")) - {"Intercept"}
        others = parts - {study.time}
        level = scales.effect_intercept if others else scales.intercept
        slope = scales.effect_slope if others else scales.slope
        mean, sd = slope if study.time in parts else level
        unit = study.horizon if study.time in parts else 1.0
        stated.append((mean / unit, sd / unit))
    mean, sd = np.array(stated).T
    return dataclasses.replace(priors, mean=mean, sd=sd, factor=None)


@cache
def _fit(study_id: str, coding: str, *, planted: bool = False) -> tuple[Array, Array]:
    study = load_study(study_id)
    model_id, name = STUDIES[study_id]
    planned = _planned(study, model_id)
    rows = planned.frozen.rows
    if coding:
        study, rows = _recoded(study, rows, name, coding)
    text = _formula(planned.design.formula.text, name, study.time, coding)
    design = build_design(parse_formula(text), rows)
    priors = coefficient_priors(study, design, study.priors[0].name)
    if planted:
        priors = _on_coefficients(study, design, priors)
    seed = 1 + ("", *CODINGS).index(coding)
    fit = fit_collapsed(design, rows_used(design), priors, seed=seed, settings=CollapsedSettings(draws=DRAWS))
    return _summaries(fit, design.x, design.z)


def shift(study_id: str, coding: str, *, planted: bool = False) -> Array:
    """Differences of all summaries between two codings, in Monte-Carlo errors of the difference."""
    (first, error), (second, other) = (_fit(study_id, c, planted=planted) for c in ("", coding))
    moved: Array = np.abs(first - second) / np.hypot(error, other)
    return moved


@pytest.mark.slow
@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("study_id", STUDIES)
def test_recoding_moves_no_summary(study_id: str, coding: str) -> None:
    """By no more than three Monte-Carlo errors, none of 52 summaries a study and coding."""
    assert shift(study_id, coding).max() < 3.0


@pytest.mark.slow
@pytest.mark.parametrize("coding", CODINGS)
def test_priors_on_coefficients_would_move_some(coding: str) -> None:
    """What version 0.1.0 did shows in every one of the codings."""
    assert shift("medication", coding, planted=True).max() > 3.0
