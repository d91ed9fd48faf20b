"""What a human reads: numbers as text, stars, names of coefficients, and where numbers come from.

Everything is computed at full precision elsewhere; rounding happens here and by one rule:

    An estimate is shown to the decimal at which its standard error (or posterior SD) has two significant
    digits. A number without an error is shown to three significant digits. CSV files are not rounded.

Text uses the plain hyphen as minus; :func:`use_minus_sign` turns it into U+2212 for figures.
"""

from __future__ import annotations

import re

from bayes_alliance.study.records import Cell, Study


def label_printed(study: Study, cell: Cell) -> str:
    """Name what a printed cell reports: an estimand of its model, or a coefficient."""
    named = {one.name: one.label for one in study.model(cell.model).estimands}
    return named.get(cell.coefficient) or label_coefficient(study, cell.coefficient)


def label_coefficient(study: Study, name: str) -> str:
    """Name a coefficient or a variance quantity for a reader.

    Parameters
    ----------
    study : Study
        Gives the labels of variables and categories.
    name : str
        As :class:`bayes_alliance.assess.summaries.Quantity` spells it.

    Returns
    -------
    str
        Products with time are called slopes; a name that is not understood is given back as it is.
    """
    fixed = {
        "Intercept": "Intercept",
        study.time: "Linear slope",
        "sd_Intercept": "SD between patients, intercept",
        f"sd_{study.time}": "SD between patients, slope",
        "correlation": "Correlation of intercept and slope",
        "sigma": "Residual SD",
        "icc": "Intraclass correlation at time zero",
    }
    if name in fixed:
        return fixed[name]
    if " | " in name or name.startswith(("sigma_", "icc_", "correlation_residual ")):
        return _label_variance(study, name)
    parts = name.split(":")
    others = [_label_part(study, part) for part in parts if part != study.time]
    kind = "Slope" if study.time in parts else "Level"
    return f"{kind}: {' by '.join(others)}"


def _label_variance(study: Study, name: str) -> str:
    """Name a variance quantity of a model with several levels or correlated residuals."""

    def called(variable: str) -> str:
        found = study.every_variable.get(variable)
        return "intercept" if variable == "Intercept" else found.label if found is not None else variable

    kind, _, rest = name.partition("_")
    if kind == "icc":
        return (
            f"Share of {' by '.join(called(part) for part in rest.split(':'))} in the variance at time zero"
        )
    if kind == "sigma":
        variable, _, group = rest.partition(" ")
        return f"Residual SD, {called(variable)} {group}"
    if rest.startswith("residual "):
        return f"Residual correlation, {rest.removeprefix('residual ')}"
    columns, _, level = rest.partition(" | ")
    of = " by ".join(called(part) for part in level.split(":"))
    said = " and ".join(called(column) for column in columns.split(", "))
    return f"SD between {of}, {said}" if kind == "sd" else f"Correlation of {said} between {of}"


def _label_part(study: Study, part: str) -> str:
    """Name one variable of a coefficient, with its category where it has one."""
    name, _, level = part.partition("[")
    variable = study.every_variable.get(name)
    if variable is None:
        return part
    if level:
        return f"{variable.label} ({level.removesuffix(']')})"
    if variable.kind == "binary":
        return f"{variable.label} ({variable.categories[1] if variable.categories else 1})"
    return variable.label


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


def capitalise(text: str) -> str:
    """Return a text with a capital at its start, but for symbols of one letter such as *p*."""
    return text if text[1:2] == " " else f"{text[:1].upper()}{text[1:]}"
