"""Whether printed cells fit the study's models, variables and estimands."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import TypeGuard

from bayes_alliance.errors import Problem
from bayes_alliance.study.formula import Formula
from bayes_alliance.study.records import Cell, Derived, Model, Study, Variable

_PART = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_]*)(?:\[(?P<level>[^\[\]:,]+)\])?")

DESCRIPTIVE = ("mean_sd", "median_iqr", "percent", "count_percent", "count")
# What is printed of one coefficient, and what of a random effect.
EFFECT = ("estimate", "beta", "cohen_d", "hedges_g", "se", "ci", "t", "z")
# Of one coefficient or, without one, of a model as a whole.
EITHER = ("f", "chi2", "df", "p", "mean")
OF_RANDOM = ("variance", "sd")


def _check_cells(study: Study, formulas: Mapping[str, Formula]) -> list[Problem]:
    problems: list[Problem] = []
    seen: dict[tuple[str, str, str], int] = {}
    for cell in study.cells:
        where = f"cells.csv, line {cell.line} (table {cell.table}, row {cell.row!r})"
        key = (cell.table, cell.row, cell.column)
        if key in seen:
            problems.append(Problem(what=f"the cell stands in line {seen[key]} too", where=where))
        seen[key] = cell.line
        if not cell.printed.strip():
            problems.append(Problem(what="'printed' is empty", where=where))
        elif cell.fault:
            got = repr(cell.printed[:40])
            problems.append(
                Problem(
                    what=f"malformed cell in column {cell.column!r}", where=where, got=got, allowed=cell.fault
                )
            )
        else:
            problems += _check_stars(study, cell, where)
        if cell.quantity in DESCRIPTIVE:
            problems += _check_descriptive(study, cell, where)
        else:
            problems += _check_model_cell(study, cell, formulas, where)
    return problems


def _check_stars(study: Study, cell: Cell, where: str) -> Iterator[Problem]:
    """Complain of more stars than the notes of the cell's table explain."""
    rules = [rule for rule in study.publication.star_rules if cell.table in rule.tables]
    most = len(rules[0].levels) if rules else 3
    if cell.parsed.stars > most:
        allowed = f"at most {most}"
        got = repr(cell.printed[:40])
        yield Problem(what="more stars than the table's notes explain", where=where, got=got, allowed=allowed)


def _check_descriptive(study: Study, cell: Cell, where: str) -> Iterator[Problem]:
    names = study.every_variable
    if cell.model or cell.coefficient:
        yield Problem(what="a descriptive cell belongs to no model", where=where)
    if cell.variable and cell.variable not in names:
        yield Problem(what="undeclared variable", where=where, got=repr(cell.variable))
    group = names.get(study.descriptive_group)
    groups: Collection[str] = group.categories if group is not None else ()
    if cell.group and cell.group not in groups:
        allowed = ", ".join(groups) or "none: 'descriptive_group' names no groups"
        yield Problem(what="no such group", where=where, got=repr(cell.group), allowed=allowed)


def _check_model_cell(
    study: Study, cell: Cell, formulas: Mapping[str, Formula], where: str
) -> Iterator[Problem]:
    models = {m.id: m for m in study.models}
    if cell.model and cell.model not in models:
        yield Problem(what="no such model", where=where, got=repr(cell.model))
    if not cell.model and not cell.note:
        yield Problem(what="no model and no note that says why", where=where)
    needed = cell.quantity in (*EFFECT, *OF_RANDOM) and bool(cell.model)
    if bool(cell.coefficient) != needed and not (cell.quantity in EITHER and cell.model):
        what = "a coefficient is needed for what is printed of an effect of a model, and for nothing else"
        yield Problem(what=what, where=where, got=repr(cell.coefficient))
    elif cell.quantity in OF_RANDOM and cell.model in formulas:
        known = _random_effects(formulas[cell.model])
        if cell.coefficient not in known:
            allowed = ", ".join(known)
            what = "no random effect of the model"
            yield Problem(what=what, where=where, got=repr(cell.coefficient), allowed=allowed)
    elif cell.model in formulas and cell.coefficient not in {"", *_estimand_names(models[cell.model])}:
        fault = coefficient_fault(cell.coefficient, formulas[cell.model], study.every_variable)
        if fault:
            yield Problem(what=fault, where=where, got=repr(cell.coefficient))


def _random_effects(formula: Formula) -> tuple[str, ...]:
    """Names by which cells refer to random effects: with their level where there are several."""
    if not formula.is_structured:
        return ("Intercept", *formula.random)
    return tuple(f"{name} | {':'.join(part.group)}" for part in formula.parts for name in part.columns)


def _estimand_names(model: Model) -> set[str]:
    return {estimand.name for estimand in model.estimands}


def coefficient_fault(coefficient: str, formula: Formula, names: Mapping[str, Variable | Derived]) -> str:
    """Return why a model has no coefficient spelled so, or give an empty string."""
    if coefficient == "Intercept":
        return "" if formula.intercept else "the formula has no intercept"
    parts = [_PART.fullmatch(part) for part in coefficient.split(":")]
    if not _all_matched(parts):
        return "not spelled like a coefficient (such as months:group[second])"
    term = tuple(part["name"] for part in parts)
    if term not in formula.terms:
        return "not a term of the formula"
    for part in parts:
        variable = names.get(part["name"])
        if variable is None:
            return "an undeclared variable"
        levels = variable.categories if variable.kind == "category" else (None,)
        if part["level"] not in levels:
            return "a category that the variable does not have"
        if part["level"] == levels[0] is not None and _is_contrasted(part["name"], term, formula):
            return "the reference category, which has no coefficient"
    return ""


def _all_matched(parts: list[re.Match[str] | None]) -> TypeGuard[list[re.Match[str]]]:
    return all(part is not None for part in parts)


def _is_contrasted(name: str, term: tuple[str, ...], formula: Formula) -> bool:
    """Whether a category enters a term by contrasts: where the term without it is in the model too."""
    margin = frozenset(term) - {name}
    return formula.intercept if not margin else margin in {frozenset(t) for t in formula.terms}
