"""What must hold of a study's priors: sets that are complete, statements that can hold, signs that are those of print.

A function from a study to the problems it finds; reads no file and stops at no problem.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from bayes_alliance.errors import Problem
from bayes_alliance.study.formula import Formula
from bayes_alliance.study.mean_prior import PriorError, mean_prior
from bayes_alliance.study.prior_records import PriorSet
from bayes_alliance.study.records import Model, Study

_ZERO = 1e-9


def check_priors(study: Study, formulas: Mapping[str, Formula], file: str) -> Iterator[Problem]:
    """Check every prior set of a study.

    Parameters
    ----------
    study : Study
        As read.
    formulas : mapping of str to Formula
        Those of its models that could be read.
    file : str
        Name of the study file, for messages.

    Yields
    ------
    Problem
    """
    for prior in study.priors:
        where = f"{file}, [[priors]] {prior.name}"
        found = [*_check_outcomes(study, prior, where), *_check_statements(study, prior, where)]
        found += _check_directions(study, prior, formulas, where)
        yield from found
        if not found and _is_finite(study, prior):
            yield from _check_signs(study, prior, formulas, where)


def _check_outcomes(study: Study, prior: PriorSet, where: str) -> Iterator[Problem]:
    given = {outcome for outcome, _ in prior.scales}
    for outcome in study.outcomes:
        if outcome and outcome not in given:
            yield Problem(what=f"no table for the outcome {outcome!r}", where=f"{where}, [outcomes]")
    for outcome in sorted(given - set(study.every_variable)):
        yield Problem(what="undeclared variable", where=f"{where}, [outcomes]", got=repr(outcome))


def _check_statements(study: Study, prior: PriorSet, where: str) -> Iterator[Problem]:
    models = {model.id: model for model in study.models}
    for model_id, name, _ in prior.estimands:
        place = f"{where}, [estimands.{model_id}], key {name!r}"
        if model_id not in models:
            yield Problem(what="no such model", where=place, got=repr(model_id))
        elif name not in {estimand.name for estimand in models[model_id].estimands}:
            allowed = (
                ", ".join(e.name for e in models[model_id].estimands) or "none: the model has no estimands"
            )
            yield Problem(what="the model has no such estimand", where=place, got=repr(name), allowed=allowed)


def _check_directions(
    study: Study, prior: PriorSet, formulas: Mapping[str, Formula], where: str
) -> Iterator[Problem]:
    """Refuse a mean for the differences of a category, which have no direction."""
    names = study.every_variable
    for outcome, scales in prior.scales:
        if scales.effect_intercept[0] == 0.0 and scales.effect_slope[0] == 0.0:
            continue
        categories = {
            variable
            for model in study.models
            if model.outcome == outcome and model.id in formulas
            for term in formulas[model.id].terms
            for variable in term
            if variable in names and names[variable].kind == "category"
        }
        if categories:
            yield Problem(
                what=f"a mean other than 0 for effects, but {', '.join(sorted(categories))} has no direction",
                where=f"{where}, [outcomes.{outcome}]",
                allowed="mean 0, with the means of named estimands in [priors.estimands.MODEL]",
            )


def _check_signs(
    study: Study, prior: PriorSet, formulas: Mapping[str, Formula], where: str
) -> Iterator[Problem]:
    """Derive the prior of every model; hold the means of printed effects against print where the set takes a stance."""
    for model in study.models:
        if model.id not in formulas or not _is_declared(study, formulas[model.id]):
            continue
        try:
            found = mean_prior(study, formulas[model.id], prior.name)
        except PriorError as error:
            yield Problem(
                what=f"the prior of model {model.id!r} cannot be: {error}", where=f"{where}, [estimands]"
            )
            continue
        if not prior.stance:
            continue
        for label, weights, printed in printed_effects_of(study, model):
            if not set(weights) <= set(found.x_names):  # told where cells are checked
                continue
            mean, sd = found.combine(weights)
            wanted = math.copysign(1.0, printed) * (1.0 if prior.stance == "enthusiastic" else -1.0)
            if mean * wanted < _ZERO * sd:
                word = "the printed sign" if prior.stance == "enthusiastic" else "the sign opposite to print"
                yield Problem(
                    what=f"the set is {prior.stance}, but its mean of {model.id}.{label} does not have {word}",
                    where=where,
                    got=f"mean {mean:.3g}, printed {printed:g}",
                    fix=f"state it in [priors.estimands.{model.id}]",
                )


def _is_finite(study: Study, prior: PriorSet) -> bool:
    """Whether every number that a prior rests on could be read; what could not is a problem already."""
    numbers = [study.horizon, *(v.contrast for v in study.every_variable.values())]
    for _, scales in prior.scales:
        numbers += [*scales.intercept, *scales.slope, *scales.effect_intercept, *scales.effect_slope]
    for _, _, pair in prior.estimands:
        numbers += pair
    return all(math.isfinite(number) for number in numbers) and study.horizon > 0.0


def _is_declared(study: Study, formula: Formula) -> bool:
    return all(name in study.every_variable for name in formula.names)


def printed_effects_of(study: Study, model: Model) -> list[tuple[str, dict[str, float], float]]:
    """List the effects of a model that are printed with a value other than zero: name, weights and value.

    Initial levels are no effects; a cell that says only ``ns`` has no sign.
    """
    named = {estimand.name: dict(estimand.weights) for estimand in model.estimands}
    found = []
    for cell in study.cells:
        if cell.model != model.id or cell.quantity != "estimate" or cell.coefficient == "Intercept":
            continue
        value = cell.parsed.value
        if value is not None and value.value != 0:
            weights = named.get(cell.coefficient, {cell.coefficient: 1.0})
            found.append((cell.coefficient, weights, float(value.value)))
    return found
