"""What must hold between the formula of a model and the variables of its study."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from bayes_alliance.errors import Problem, did_you_mean
from bayes_alliance.study.formula import (
    MAX_COLUMNS,
    Formula,
    FormulaError,
    check_names,
    fewest_columns,
    parse_formula,
)
from bayes_alliance.study.records import Model, Study
from bayes_alliance.study.validate_cells import coefficient_fault


def grouping_variables(study: Study) -> set[str]:
    """Variables that group patients in some model, such as their therapist."""
    found: set[str] = set()
    for model in study.models:
        with contextlib.suppress(FormulaError):  # said where formulas are checked
            found |= set(parse_formula(model.formula).groups)
    return found


def check_formula(study: Study, formula: Formula, where: str) -> Iterator[Problem]:
    """Check the names, groups, slopes, number of columns and outcome of a formula."""
    names = study.every_variable
    for name in check_names(formula, names):
        allowed = ", ".join(sorted(names))
        fix = did_you_mean(name, list(names))
        yield Problem(what="undeclared variable", where=where, got=repr(name), allowed=allowed, fix=fix)
    yield from _check_covariance(study, formula, where)
    if formula.group != study.patient:
        what = f"the random part must be grouped by {study.patient!r}"
        yield Problem(what=what, where=where, got=repr(formula.group))
    if any(name != study.time for name in formula.random):
        what = f"a random slope is supported for {study.time!r} only"
        yield Problem(what=what, where=where, got=", ".join(formula.random))
    levels = {name: len(v.categories) for name, v in names.items() if v.kind == "category" and v.categories}
    if (count := fewest_columns(formula, levels)) > MAX_COLUMNS:
        yield Problem(
            what="the formula gives too many columns",
            where=where,
            got=f"{count} or more",
            allowed=f"at most {MAX_COLUMNS}",
            fix="leave terms out, or join categories that few patients have",
        )
    response = names.get(formula.response)
    if response is not None and response.kind == "category":
        allowed = "a numeric variable"
        yield Problem(what="the outcome is a category", where=where, got=repr(response.name), allowed=allowed)


def _check_covariance(study: Study, formula: Formula, where: str) -> Iterator[Problem]:
    """Check the variables of a formula with several levels or correlated residuals."""
    names = study.every_variable
    if not formula.is_structured:
        return
    for name in formula.groups[1:]:
        if name in names and names[name].level != "patient":
            yield Problem(
                what=f"a level above the patient needs one {name} a patient",
                where=where,
                got=f"level = {names[name].level!r}",
                allowed="level = 'patient'",
                fix=f"keep each patient's first {name}, or fit crossed effects by lmer of lme4 or brms",
            )
    for name in formula.slopes:
        if name in names and names[name].kind == "category":
            fix = "make a binary variable of each category but one"
            yield Problem(what="a random slope needs numbers", where=where, got=repr(name), fix=fix)
    residual = formula.residual
    if residual.variable in names and names[residual.variable].level != "visit":
        what = f"{residual.text} needs a variable of the visit"
        yield Problem(what=what, where=where, got=f"{residual.variable!r} of level 'patient'")
    if residual.kind in ("ar1", "car1") and residual.variable in names:
        kind = names[residual.variable].kind
        if kind not in ("numeric", "integer"):
            what = f"{residual.text} needs numbers"
            yield Problem(what=what, where=where, got=f"{residual.variable!r} of kind {kind!r}")


def check_estimands(study: Study, model: Model, formula: Formula, where: str) -> Iterator[Problem]:
    """Check that the estimands of a model are combinations of its coefficients."""
    spelled = {"Intercept", *(":".join(term) for term in formula.terms)}
    for estimand in model.estimands:
        place = f"{where}, [[estimands]] {estimand.name}"
        if estimand.name in spelled:
            what = "the name is also that of a coefficient"
            yield Problem(what=what, where=f"{place}, key 'name'", got=repr(estimand.name))
        for coefficient, _ in estimand.weights:
            fault = coefficient_fault(coefficient, formula, study.every_variable)
            if fault:
                yield Problem(what=fault, where=f"{place}, key 'weights'", got=repr(coefficient))
