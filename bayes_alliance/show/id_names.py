"""Words in the place of ids: what a reader sees of models, comparisons, claims, prior sets and coefficients."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from bayes_alliance.show.labels import label_comparison, name_cohorts
from bayes_alliance.show.tables.record import Table, Value
from bayes_alliance.study.coefficient_labels import label_coefficient
from bayes_alliance.study.records import Study

Names = Mapping[str, str]
_COHORTS = "cohorts:"  # under which names hold how many synthetic cohorts there are
# What ArviZ calls them, in words.
_TERMS = {
    "elpd_diff": "elpd difference",
    "pareto_k": "Pareto k",
    "p_loo": "effective number of parameters",
    "pot_c": "POT-C",
    "r_hat": "R-hat",
}
# A word with underscores that is part of no path, file name, formula or call.
_ID = re.compile(r"(?<![\w./:\[])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w(/\]]|[.:]\w)")


def name_ids(
    study: Study,
    *,
    coefficients: Iterable[str] = (),
    claims: Iterable[Mapping[str, Any]] = (),
    cohorts: int = 0,
) -> dict[str, str]:
    """Return what the ids of a study are called.

    Parameters
    ----------
    study : Study
        With its models and comparisons.
    coefficients : iterable of str
        Of its models, as fits spell them.
    claims : iterable of mapping
        Entries of the claims, each with ``id`` and ``says``.
    cohorts : int
        How many synthetic cohorts there are; 0 where that is not known.

    Returns
    -------
    dict of str to str
        By id.
    """
    estimands = {one.name: one.label for model in study.models for one in model.estimands}
    compared = {model.comparison: model.outcome for model in study.models if model.comparison}
    return {
        **_TERMS,
        **estimands,
        **{name: _label_quantity(study, name, estimands) for name in coefficients},
        **{name: label_comparison(study, name, outcome) for name, outcome in compared.items()},
        **{str(claim["id"]): str(claim["says"]) for claim in claims},
        **{model.id: model.label for model in study.models},
        **{variable: study.every_variable[variable].label for variable in study.every_variable},
        f"{study.id}:": "",
        _COHORTS: str(cohorts),
    }


def _label_quantity(study: Study, name: str, estimands: Mapping[str, str]) -> str:
    """Label a quantity of a fit: a coefficient, an estimand, or the level that goes with one."""
    kind, _, rest = name.partition(":")
    if kind == "level" and rest in estimands:
        return f"Level: {estimands[rest]}"
    return estimands.get(name) or label_coefficient(study, name)


def name_page(
    study: Study, facts: Mapping[str, Any] | None, *, coefficients: Iterable[str] = (), cohorts: int = 0
) -> dict[str, str]:
    """Return what the ids on the page of a run are called.

    Parameters
    ----------
    study : Study
        Of the run.
    facts : mapping or None
        Of :func:`bayes_alliance.show.claims_json.claims_json`; None without claims.
    coefficients : iterable of str
        Of fits.
    cohorts : int
        How many synthetic cohorts the models were fitted to; those of the claims count too.
    """
    claims = (facts or {}).get("claims", ())
    judged = max((len(claim["synthetic"]["cohorts"]) for claim in claims), default=0)
    return name_ids(study, coefficients=coefficients, claims=claims, cohorts=max(cohorts, judged))


def spell_ids(text: str, names: Names) -> str:
    """Replace ids in a text by what they are called; an id without a name loses its underscores.

    Parameters
    ----------
    text : str
        For a reader. Formulas stay as they are.
    names : mapping of str to str
        Of :func:`name_ids`.

    Examples
    --------
    >>> spell_ids("comparison goals_all: not_significant", {"goals_all": "Goals, all"})
    'comparison Goals, all: not significant'
    >>> spell_ids("y ~ a_b + figures/a_b.csv", {"a_b": "A"})
    'y ~ a_b + figures/a_b.csv'
    >>> spell_ids("synthetic cohort cohort_003", {})
    'synthetic data set 4'
    """
    if text in names:
        return names[text]
    text = name_cohorts(text, int(names.get(_COHORTS, 0)))
    if "~" in text:
        return text
    return _ID.sub(lambda match: names.get(match[0], match[0].replace("_", " ")), text)


def _without_study(title: str, names: Names) -> str:
    """Take the id of the study off the front of a title; the page has the study's title above."""
    head, _, rest = title.partition(" ")
    return f"{rest[:1].upper()}{rest[1:]}" if names.get(head) == "" else title


def spell_table(table: Table, names: Names) -> Table:
    """Return a table with words in the place of ids in every cell, heading and its title.

    Parameters
    ----------
    table : Table
        For a reader.
    names : mapping of str to str
        Of :func:`name_ids`.
    """

    def cell(value: Value) -> Value:
        return spell_ids(value, names) if isinstance(value, str) else value

    return dataclasses.replace(
        table,
        title=spell_ids(_without_study(table.title, names), names),
        columns=tuple(
            dataclasses.replace(column, heading=spell_ids(column.heading, names)) for column in table.columns
        ),
        rows=tuple(tuple(cell(value) for value in row) for row in table.rows),
    )
