"""What the coefficients and variance quantities of a model are called, in words of the study file."""

from __future__ import annotations

from bayes_alliance.study.records import Study


def label_coefficient(study: Study, name: str) -> str:
    """Name a coefficient or a variance quantity for a reader.

    Parameters
    ----------
    study : Study
        Gives the labels of variables and categories.
    name : str
        As a fit spells it.

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
