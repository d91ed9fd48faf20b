"""What a human reads: numbers as text, stars, names of coefficients, and where numbers come from.

Everything is computed at full precision elsewhere; rounding happens here and by one rule:

    An estimate is shown to the decimal at which its standard error (or posterior SD) has two significant
    digits. A number without an error is shown to three significant digits. CSV files are not rounded.

Text uses the plain hyphen as minus; :func:`use_minus_sign` turns it into U+2212 for figures.
"""

from __future__ import annotations

import re

from bayes_alliance.study.coefficient_labels import label_coefficient
from bayes_alliance.study.records import Cell, Study


def unit_of(study: Study, outcome: str) -> str:
    """Return the unit of an outcome for a sentence; points where none is stated."""
    return study.variable(outcome).unit or "points"


def units_of(study: Study) -> str:
    """Return the unit that all outcomes of a study share; ``the outcome's unit`` where they share none."""
    units = {unit_of(study, model.outcome) for model in study.models}
    return units.pop() if len(units) == 1 else "the outcome’s unit"


def label_printed(study: Study, cell: Cell) -> str:
    """Name what a printed cell reports: an estimand of its model, or a coefficient."""
    named = {one.name: one.label for one in study.model(cell.model).estimands}
    return named.get(cell.coefficient) or label_coefficient(study, cell.coefficient)


def label_group(study: Study, group: str) -> str:
    """Name a subgroup of a predictive check (``poor_outcome = 1``) by its variable's category."""
    name, _, code = group.partition(" = ")
    variable = study.every_variable.get(name)
    if variable is not None and code in ("0", "1"):
        category = variable.categories[int(code)] if variable.categories else code
        return f"{variable.label}: {category}"
    name, _, unknown = group.rpartition(" ")
    variable = study.every_variable.get(name)
    return f"{variable.label}: {unknown}" if variable is not None and unknown == "unknown" else group


def name_file(text: str) -> str:
    """Make part of a file name out of text of a study file: lower-case letters, digits and underscores."""
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in text.lower())


def label_comparison(study: Study, name: str, outcome: str) -> str:
    """Name a set of compared models in words: the outcome, and what else its key in the study file says.

    Parameters
    ----------
    study : Study
        For the outcome's label.
    name : str
        Key of the set, such as ``goals_controls``.
    outcome : str
        Of its models.

    Returns
    -------
    str
        Such as ``Goals, controls``.
    """
    rest = name.removeprefix(outcome).replace("_", " ").strip()
    label = study.variable(outcome).label
    return f"{label}, {rest}" if rest and rest != outcome else label


def label_place(study: Study, where: str) -> str:
    """Return in words where a finding of the audit stands: tables as tables, outcomes by their labels.

    Parameters
    ----------
    study : Study
        Whose audit it is.
    where : str
        Of the finding.
    """
    tables = {cell.table for cell in study.cells}
    places = [f"Table {place}" if place.split(": ")[0] in tables else place for place in where.split(" and ")]
    said = " and ".join(places)
    labels = {variable.name: variable.label for variable in study.variables}
    return re.sub(r"(?<=: )(\w+)(?=:| at )", lambda found: labels.get(found[1], found[1]), said)


_COHORT = re.compile(r"(synthetic )?(?:cohort )?\bcohort_(\d+)\b")


def name_cohorts(text: str, total: int = 0) -> str:
    """Return a text with synthetic cohorts numbered from 1 in the place of their file names.

    Parameters
    ----------
    text : str
        For a reader.
    total : int
        How many there are; 0 where that is not known.

    Examples
    --------
    >>> name_cohorts("synthetic cohort cohort_000, seed 7"), name_cohorts("cohort_011", 14)
    ('synthetic data set 1, seed 7', 'data set 12 of 14')
    """
    of = f" of {total}" if total else ""
    return _COHORT.sub(lambda found: f"{found[1] or ''}data set {int(found[2]) + 1}{of}", text)


def capitalise(text: str) -> str:
    """Return a text with a capital at its start, but for symbols of one letter such as *p*."""
    return text if text[1:2] == " " else f"{text[:1].upper()}{text[1:]}"
