"""What must hold between the tables of a study file: names, roles and units that no single table shows.

Every check is a function from a study to the problems it finds; none of them reads a file or stops at the
first problem.
"""

from __future__ import annotations

import keyword
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from bayes_alliance.errors import Problem
from bayes_alliance.study.formula import Formula, FormulaError, parse_formula
from bayes_alliance.study.load_publication import check_facts
from bayes_alliance.study.records import Derived, Model, Study, TrajectoryFigure, Variable
from bayes_alliance.study.stated_in_data import check_stated
from bayes_alliance.study.validate_cells import _check_cells, _estimand_names, coefficient_fault
from bayes_alliance.study.validate_formula import check_estimands, check_formula, grouping_variables
from bayes_alliance.study.validate_priors import check_priors

_VARIANCES = ("sigma", "icc", "correlation")
# Names that the engines give to parts of a model, or that a language of formulas reads as something else.
_ENGINE_NAMES = frozenset(
    {
        "Intercept",
        "intercept",
        "mu",
        "obs",
        "chain",
        "draw",
        "chol",
        "chol_corr",
        "chol_stds",
        "inf",
        "nan",
        "NA",
        "NaN",
    }
)
# (number of variables in 'of', number of categories, whether 'value' is needed); None for any number.
_RULES: Mapping[str, tuple[int | None, int | None, bool]] = {
    "below": (1, None, True),
    "at_least": (1, None, True),
    "count": (None, 0, False),
    "versions": (1, 3, False),
    "cross": (2, 4, False),
    "offset": (1, 0, True),
    "last": (1, 0, True),
    "log": (1, 0, False),
    "sqrt": (1, 0, False),
    "square": (1, 0, False),
    "knot": (1, 0, True),
    "patient_mean": (1, 0, False),
    "within": (1, 0, False),
    "first": (1, 0, False),
    "change": (1, 0, False),
    "lag": (1, 0, False),
}
_KIND_OF_RESULT = {
    "below": "binary",
    "at_least": "binary",
    "versions": "category",
    "cross": "category",
    "log": "numeric",
    "sqrt": "numeric",
    "square": "numeric",
    "knot": "numeric",
    "patient_mean": "numeric",
    "within": "numeric",
    "change": "numeric",
}
_KIND_OF_INPUT = {"versions": "category", "cross": "binary"}

# Names of the figures that every run draws.
OWN_FIGURES = frozenset(
    ("moderation", "bayes_factors", "explained_variation", "prior_sensitivity", "cohort_spread", "scorecard")
)
OWN_FIGURE_STARTS = (
    "forest_",
    "comparison_",
    "ppc_",
    "loo_pit_",
    "prior_posterior",
    "patient_scores_",
    "pareto_k_",
    "chains_",
)


def check_study(study: Study, file: str) -> list[Problem]:
    """Check a study as a whole.

    Parameters
    ----------
    study : Study
        As read, each table on its own already checked.
    file : str
        Name of the study file, for messages.

    Returns
    -------
    list of Problem
        Empty for a study that holds together.
    """
    problems = [*_check_head(study, file), *_check_reserved(study, file), *_check_unique(study, file)]
    for variable in study.variables:
        problems += _check_variable(study, variable, f"{file}, [variables.{variable.name}]")
    for position, derived in enumerate(study.derived):
        problems += _check_derived(study, position, f"{file}, [derived.{derived.name}]")
    problems += _check_scoring(study, f"{file}, [[scoring]]")
    formulas: dict[str, Formula] = {}
    for model in study.models:
        where = f"{file}, [[models]] {model.id}"
        try:
            formulas[model.id] = parse_formula(model.formula)
        except FormulaError as error:
            got = repr(model.formula[:80])
            problems.append(Problem(what=str(error), where=f"{where}, key 'formula'", got=got))
            continue
        problems += check_formula(study, formulas[model.id], f"{where}, key 'formula'")
        problems += check_estimands(study, model, formulas[model.id], where)
    for model in study.models:
        problems += _check_place(study, model, f"{file}, [[models]] {model.id}")
    if not problems:  # what a prior means follows from names and formulas
        problems += check_priors(study, formulas, file)
    for figure in study.figures:
        problems += _check_figure(study, figure, f"{file}, [[figures]] {figure.id}")
    problems += _check_names(study, file)
    problems += _check_facts(study, formulas, file)
    problems += check_stated(study, file)
    return problems + _check_cells(study, formulas)


def _check_facts(study: Study, formulas: Mapping[str, Formula], file: str) -> Iterator[Problem]:
    models = {m.id: m for m in study.models}
    group = study.every_variable.get(study.descriptive_group)

    def fault(model: str, coefficient: str) -> str:
        if model not in models:
            return "no such model"
        if not coefficient or coefficient in _estimand_names(models[model]) or model not in formulas:
            return ""
        return coefficient_fault(coefficient, formulas[model], study.every_variable)

    return check_facts(
        study.facts,
        study.publication,
        file=file,
        outcomes=study.outcomes,
        groups=group.categories if group is not None else (),
        fault=fault,
    )


def _check_head(study: Study, file: str) -> Iterator[Problem]:
    declared = [v.name for v in study.variables]
    for key, name in (("patient", study.patient), ("time", study.time)):
        if name and name not in declared:
            where = f"{file}, [study], key {key!r}"
            yield Problem(what="not among [variables]", where=where, got=repr(name))
    group = study.every_variable.get(study.descriptive_group)
    if study.descriptive_group and (group is None or group.kind != "binary" or group.level != "patient"):
        yield Problem(
            what="not a binary variable of the patient",
            where=f"{file}, [study], key 'descriptive_group'",
            got=repr(study.descriptive_group),
        )
    if not study.models:
        yield Problem(what="no [[models]]", where=file, allowed="at least one")
    # Without priors a study of data has its ML fits; what works from print and cohorts needs them.
    if not study.priors and (study.cells or study.data.cohort):
        yield Problem(what="no [[priors]]", where=file, allowed="at least one")


def name_fault(name: str) -> str:
    """Return why a variable cannot have a name; empty if it can.

    Examples
    --------
    >>> name_fault("None"), name_fault("arm")
    ("the name is a word of Python's", '')
    """
    if name in _VARIANCES or name.startswith("sd_"):
        return "the name is used for a variance quantity of every model"
    if name in _ENGINE_NAMES or name.endswith("__"):
        return "the name is used for a part of every model"
    return "the name is a word of Python's" if keyword.iskeyword(name) else ""


def _check_reserved(study: Study, file: str) -> Iterator[Problem]:
    """Refuse names that reports and engines use for something else."""
    for name in study.every_variable:
        if fault := name_fault(name):
            yield Problem(
                what=fault,
                where=f"{file}, variable {name!r}",
                allowed=f"any name but {', '.join(_VARIANCES)}, Intercept, mu, obs, words of Python such as None, and "
                "those that begin with sd_",
                fix=f"rename the variable, here and in formulas, and keep its header by column = {name!r}",
            )


def _check_unique(study: Study, file: str) -> Iterator[Problem]:
    tables: dict[str, Iterable[str]] = {
        "[variables] and [derived]": [*(v.name for v in study.variables), *(d.name for d in study.derived)],
        "[variables], key 'column'": [v.column for v in study.variables],
        "[[models]], key 'id'": [m.id for m in study.models],
        "[[priors]], key 'name'": [p.name for p in study.priors],
        "[[figures]], key 'id'": [f.id for f in study.figures],
    }
    for model in study.models:
        tables[f"[[models]] {model.id}, key 'estimands'"] = [e.name for e in model.estimands]
    for table, names in tables.items():
        for name, count in Counter(names).items():
            if count > 1:
                yield Problem(what="duplicate name", where=f"{file}, {table}", got=repr(name))


def _check_variable(study: Study, variable: Variable, where: str) -> Iterator[Problem]:
    if variable.minimum is not None and variable.maximum is not None and variable.minimum >= variable.maximum:
        yield Problem(what="'minimum' is not below 'maximum'", where=where)
    # Identifiers of patients and of what they are grouped by are the categories whose values nobody can list.
    grouping = {study.patient, *grouping_variables(study)}
    if variable.kind == "category" and variable.name not in grouping and len(variable.categories) < 2:
        yield Problem(what="a category needs its values", where=f"{where}, key 'categories'")
    if variable.name == study.time and variable.kind not in ("numeric", "integer"):
        yield Problem(what="time is not a number", where=f"{where}, key 'kind'", got=repr(variable.kind))
    yield from _check_categories(variable, where)


def _check_categories(variable: Variable | Derived, where: str) -> Iterator[Problem]:
    place = f"{where}, key 'categories'"
    if len(set(variable.categories)) < len(variable.categories):
        yield Problem(what="a category stands twice", where=place)
    for value in variable.categories:
        if not value.strip() or set(value) & set("[]:,"):
            allowed = "text without [ ] : and ,"
            yield Problem(what="not usable as a category", where=place, got=repr(value[:40]), allowed=allowed)
    if variable.kind == "binary" and len(variable.categories) not in (0, 2):
        yield Problem(what="a binary variable names both 0 and 1 or neither", where=place)
    if variable.kind in ("numeric", "integer") and variable.categories:
        yield Problem(what="a number has no categories", where=place)


def _check_derived(study: Study, position: int, where: str) -> Iterator[Problem]:
    derived = study.derived[position]
    later = {d.name for d in study.derived[position:]}
    earlier = {name: v for name, v in study.every_variable.items() if name not in later}
    for name in derived.of:
        if name not in earlier:
            allowed = ", ".join(sorted(earlier))
            what = "not declared, or not before this table"
            yield Problem(what=what, where=f"{where}, key 'of'", got=repr(name), allowed=allowed)
    yield from _check_rule(derived, earlier, where)
    yield from _check_categories(derived, where)


def _check_rule(derived: Derived, earlier: Mapping[str, Variable | Derived], where: str) -> Iterator[Problem]:
    inputs, categories, valued = _RULES[derived.rule]
    rule = f"rule {derived.rule!r}"
    if inputs is not None and derived.of and len(derived.of) != inputs:
        yield Problem(what=f"{rule} needs {inputs} variable(s)", where=f"{where}, key 'of'")
    if categories is not None and len(derived.categories) != categories:
        yield Problem(what=f"{rule} needs {categories} categories", where=f"{where}, key 'categories'")
    if valued != (derived.value is not None):
        verb = "needs a" if valued else "takes no"
        yield Problem(what=f"{rule} {verb} 'value'", where=f"{where}, key 'value'")
    wanted = _KIND_OF_RESULT.get(derived.rule)
    if wanted and derived.kind != wanted:
        yield Problem(what=f"{rule} gives another kind", where=f"{where}, key 'kind'", allowed=wanted)
    wanted = _KIND_OF_INPUT.get(derived.rule)
    for name in derived.of:
        if wanted and name in earlier and earlier[name].kind != wanted:
            place = f"{where}, key 'of'"
            yield Problem(what=f"{rule} takes another kind", where=place, got=repr(name), allowed=wanted)


def _check_scoring(study: Study, where: str) -> Iterator[Problem]:
    names = study.every_variable
    for scoring in study.scoring:
        for key, used in (("version", (scoring.version,)), ("subscales", scoring.subscales)):
            for name in used:
                if name not in names:
                    yield Problem(what="undeclared variable", where=f"{where}, key {key!r}", got=repr(name))


def _check_place(study: Study, model: Model, where: str) -> Iterator[Problem]:
    names = study.every_variable
    for name, _ in model.where:
        if name not in names or names[name].level != "patient" or names[name].kind == "category":
            what = "not a numeric variable of the patient"
            yield Problem(what=what, where=f"{where}, key 'where'", got=repr(name))
    others = {m.id: m for m in study.models}
    if model.reference is not None:
        reference = others.get(model.reference)
        place = f"{where}, key 'reference'"
        if reference is None:
            yield Problem(what="no such model", where=place, got=repr(model.reference))
        elif (reference.outcome, reference.comparison) != (model.outcome, model.comparison):
            what = "the reference has another outcome or stands in another comparison, so on other rows"
            yield Problem(what=what, where=place, got=repr(model.reference))
    first = next((m for m in study.models if m.comparison == model.comparison), model)
    if model.comparison and (first.outcome, set(first.where)) != (model.outcome, set(model.where)):
        what = f"another outcome or other patients than model {first.id!r} of the same comparison"
        yield Problem(what=what, where=f"{where}, key 'comparison'", got=repr(model.comparison))


def _check_names(study: Study, file: str) -> Iterator[Problem]:
    """Complain of names whose files would be one and the same."""
    for figure in study.figures:
        if figure.id.casefold() in OWN_FIGURES or figure.id.casefold().startswith(OWN_FIGURE_STARTS):
            yield Problem(
                what="a figure of every run has this name",
                where=f"{file}, [[figures]] {figure.id}",
                fix="rename it",
            )
    for kind, names in (
        ("models", [model.id for model in study.models]),
        ("figures", [figure.id for figure in study.figures]),
    ):
        seen: dict[str, str] = {}
        for name in names:
            earlier = seen.setdefault(name.casefold(), name)
            if earlier != name:
                yield Problem(
                    what=f"differs from {earlier!r} in capitals only",
                    where=f"{file}, [[{kind}]] {name}",
                    fix="rename one: some systems take their files for the same",
                )


def _check_figure(study: Study, figure: TrajectoryFigure, where: str) -> Iterator[Problem]:
    ids = {m.id for m in study.models}
    for model_id in figure.models:
        if model_id not in ids:
            yield Problem(what="no such model", where=f"{where}, key 'models'", got=repr(model_id))
    if not figure.lines:
        yield Problem(what="no [[figures.lines]]", where=where)
    names = study.every_variable
    for label, values in figure.lines:
        for name, value in values:
            place = f"{where}, line {label!r}, key 'values'"
            if name not in names:
                yield Problem(what="undeclared variable", where=place, got=repr(name))
            elif isinstance(value, str) != (names[name].kind == "category"):
                yield Problem(
                    what="wrong kind of value", where=place, got=repr(value), allowed=names[name].kind
                )
            elif isinstance(value, str) and value not in names[name].categories:
                allowed = ", ".join(names[name].categories)
                yield Problem(what="no such category", where=place, got=repr(value), allowed=allowed)
