"""What a table prints of a model's fit, where it prints enough of it to draw data sets that have this fit.

Two levels, an intercept and at most the slope of time random, independent residuals: every estimate with its standard
error, and the variances in any of their forms (variances, SDs, a covariance or correlation).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.inference.ml import Method
from bayes_alliance.published.printed_rows import printed_rows
from bayes_alliance.study.covariance_terms import INDEPENDENT
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.formula_parser import Formula
from bayes_alliance.study.records import Model, Study

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PrintedFit:
    """A printed fit.

    Parameters
    ----------
    model : str
        Id of the model.
    formula : Formula
        Of the model.
    method : {"ML", "REML"}
        Criterion; REML, the default of most programs, where the publication does not say.
    estimate, se : mapping of str to float
        By column of the fixed part.
    effects : ndarray, shape (q, q)
        Covariance of the random effects.
    sigma : float
        Residual SD.
    """

    model: str
    formula: Formula
    method: Method
    estimate: Mapping[str, float]
    se: Mapping[str, float]
    effects: Floats
    sigma: float


def printed_fits(study: Study) -> tuple[tuple[PrintedFit, ...], str]:
    """Return the fits that are printed whole, the largest model last, and why there is none.

    Parameters
    ----------
    study : Study
        With cells.
    """
    found: list[PrintedFit] = []
    reasons: dict[str, list[str]] = {}
    for model in study.models:
        if any(cell.model == model.id and cell.coefficient for cell in study.cells):
            fit = _printed_fit(study, model)
            if isinstance(fit, PrintedFit):
                found.append(fit)
            else:
                reasons.setdefault(fit, []).append(model.label)
    found.sort(key=lambda fit: len(fit.estimate) + fit.effects.size)
    outcomes = {fit.formula.response for fit in found}
    if len(outcomes) > 1:
        return (), "more than one outcome"
    said = [f"{reason} ({'; '.join(labels)})" for reason, labels in reasons.items()]
    return tuple(found), "" if found else "; ".join(said) or "no printed estimate"


def _printed_fit(study: Study, model: Model) -> PrintedFit | str:
    formula = parse_formula(model.formula)
    if len(formula.groups) > 1:
        return "levels above the patient are not drawn"
    if formula.residual != INDEPENDENT:
        return "dependent or unequal residuals are not drawn"
    if formula.is_structured:
        return "random effects other than intercept and slope of time are not drawn"
    if formula.random not in ((), (study.time,)):
        return "another random effect than intercept and slope of time"
    if model.where:
        return "fitted to some of the patients"
    names = [*(["Intercept"] if formula.intercept else []), *(":".join(term) for term in formula.terms)]
    values = _values(study, model.id)
    rows = {
        row.cell.coefficient: row.parsed
        for row in printed_rows(study)
        if row.cell.model == model.id and row.parsed.value is not None and row.parsed.spread is not None
    }
    lacking = [name for name in names if name not in rows]
    if lacking:
        return f"estimate or standard error of {', '.join(lacking)} not printed"
    effects, sigma = _variances(values, ("Intercept", *formula.random))
    if effects is None or sigma is None:
        return "variances not printed"
    return PrintedFit(
        model=model.id,
        formula=formula,
        method="ML" if study.publication.criterion == "ml" else "REML",
        estimate={name: float(rows[name].value.value) for name in names},  # type: ignore[union-attr]
        se={name: float(rows[name].spread.value) for name in names},  # type: ignore[union-attr]
        effects=effects,
        sigma=sigma,
    )


def _values(study: Study, model: str) -> dict[tuple[str, str], float]:
    """Return a model's numbers by quantity and coefficient; of several, that with most digits."""
    found: dict[tuple[str, str], tuple[int, float]] = {}
    for cell in study.cells:
        if cell.model == model and cell.parsed.value is not None:
            number = cell.parsed.value
            key = (cell.quantity, cell.coefficient)
            if number.decimals > found.get(key, (-1, 0.0))[0]:
                found[key] = number.decimals, float(number.value)
    return {key: value for key, (_, value) in found.items()}


def _variances(
    values: Mapping[tuple[str, str], float], columns: tuple[str, ...]
) -> tuple[Floats | None, float | None]:
    """Covariance of the random effects and residual SD, from whatever form is printed."""
    sds: list[float] = []
    for name in columns:
        if ("sd", name) in values:
            sds.append(values["sd", name])
        elif ("variance", name) in values:
            sds.append(float(np.sqrt(values["variance", name])))
        else:
            return None, None
    sigma = values.get(("residual_sd", ""))
    if sigma is None and ("residual", "") in values:
        sigma = float(np.sqrt(values["residual", ""]))
    effects = np.diag(np.square(sds))
    if len(sds) == 2:
        between = values.get(("covariance", ""))
        if between is None:
            if ("correlation", "") not in values:
                return None, None
            between = values["correlation", ""] * sds[0] * sds[1]
        effects[0, 1] = effects[1, 0] = between
    return effects, sigma
