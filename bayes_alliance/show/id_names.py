"""Words in the place of ids: what a reader sees of models, comparisons, claims, prior sets and coefficients."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from bayes_alliance.show.labels import label_comparison
from bayes_alliance.show.tables.record import Table, Value
from bayes_alliance.study.coefficient_labels import label_coefficient
from bayes_alliance.study.records import Study

Names = Mapping[str, str]
# Words of ArviZ, spelled as its documentation spells them.
_KEPT = ("elpd_diff", "pareto_k", "p_loo", "pot_c", "r_hat")
# A word with underscores that is part of no path, file name, formula or call.
_ID = re.compile(r"(?<![\w./:\[])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w(/\]]|[.:]\w)")


def name_ids(
    study: Study, *, coefficients: Iterable[str] = (), claims: Iterable[Mapping[str, Any]] = ()
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

    Returns
    -------
    dict of str to str
        By id.
    """
    compared = {model.comparison: model.outcome for model in study.models if model.comparison}
    return {
        **{name: name for name in _KEPT},
        **{name: label_coefficient(study, name) for name in coefficients},
        **{name: label_comparison(study, name, outcome) for name, outcome in compared.items()},
        **{str(claim["id"]): str(claim["says"]) for claim in claims},
        **{model.id: model.label for model in study.models},
        f"{study.id}:": "",
    }


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
    """
    if text in names:
        return names[text]
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
