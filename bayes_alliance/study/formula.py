"""Which formulas a study file may hold, and how they are parsed.

One grouping factor with one random part is the grammar of :mod:`bayes_alliance.study.formula_parser`; several levels,
several random slopes and residual terms that of :mod:`bayes_alliance.study.structured_formula`. Both give a
:class:`Formula`. Must not import the fitting libraries.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import lru_cache

from bayes_alliance.study.covariance_terms import INDEPENDENT
from bayes_alliance.study.formula_parser import (
    MAX_COLUMNS,
    MAX_LENGTH,
    Formula,
    FormulaError,
    fewest_columns,
    parse_plain,
)
from bayes_alliance.study.structured_formula import (
    StructuredFormula,
    parse_residual,
    parse_structured,
    take_residual_terms,
)

__all__ = [
    "MAX_COLUMNS",
    "MAX_LENGTH",
    "Formula",
    "FormulaError",
    "check_names",
    "complete_formula",
    "fewest_columns",
    "is_rate",
    "parse_formula",
]


@lru_cache(maxsize=4096)  # checks of a study file ask for each formula hundreds of times
def parse_formula(text: str) -> Formula:
    """Parse the formula of a mixed model.

    Parameters
    ----------
    text : str
        Such as ``tasks ~ months + poor + poor:months + (months | patient)``. As in R, ``a * b`` means
        ``a + b + a:b``, ``a / b`` means ``a + a:b``, ``(a + b + c)^2`` all of them and their interactions of
        two, ``- a:b`` takes a term out again, and ``- 1`` the intercept. Several random parts as in lme4; residuals
        as terms, such as ``un(visit | patient)``. Of several grouping variables the last is the patient's.

    Returns
    -------
    Formula

    Raises
    ------
    FormulaError
        If the text is outside the grammar.

    Examples
    --------
    >>> parse_formula("y ~ time*group + (time | id)").terms
    (('time',), ('group',), ('time', 'group'))
    >>> parse_formula("y ~ time + (1 | therapist) + (time | id) + ar1(visit | id)").groups
    ('id', 'therapist')
    """
    if len(text) > MAX_LENGTH:
        raise FormulaError(f"the formula is {len(text)} characters long; at most {MAX_LENGTH} are allowed")
    head, residual, patient = take_residual_terms(text)
    if residual == INDEPENDENT:
        try:
            return parse_plain(head)
        except FormulaError as error:
            return _structured(head, error)
    parsed = parse_structured(head, patient)
    text = f"{parsed.text} + {residual.terms(patient)}"
    return replace(parsed.fixed, parts=parsed.parts, residual=residual, text=text)


def _structured(text: str, fault: FormulaError) -> Formula:
    """Parse what is outside the grammar of one grouping factor; what is wrong with both is said of the wider one."""
    try:
        parsed = parse_structured(text)
    except FormulaError as error:
        wider = text.count("|") > 1 or _has_levels(text) or "(0" in text.replace(" ", "")
        raise (error if wider else fault) from None
    return replace(parsed.fixed, parts=parsed.parts, text=parsed.text)


def _has_levels(text: str) -> bool:
    """Whether a bar is followed by a grouping of several variables."""
    behind = text.rpartition("|")[2]
    return "/" in behind or ":" in behind


def complete_formula(text: str, residual: str, patient: str) -> str:
    """Write a model's formula so that its text alone says all: residual terms in it, the patient's level last.

    Parameters
    ----------
    text : str
        As the study file states it.
    residual : str
        Residual structure, such as ``un(visit)`` or ``ar1(visit) * var(arm)``; empty for none beside the formula's.
    patient : str
        The study's patient variable.

    Returns
    -------
    str
        The text as it is where nothing has to be added or ordered.

    Raises
    ------
    FormulaError
        If either text is outside the grammar, or both state residuals.

    Examples
    --------
    >>> complete_formula("y ~ time*arm", "un(visit)", "id")
    'y ~ 1 + time + arm + time:arm + un(visit | id)'
    """
    head, stated, group = take_residual_terms(text)
    asked = parse_residual(residual)
    if INDEPENDENT not in (stated, asked):
        raise FormulaError("residuals are stated in the formula and in 'residual'; keep one")
    if group and group != patient:
        raise FormulaError(f"residual terms must be grouped by {patient!r}, not {group!r}")
    spec = asked if stated == INDEPENDENT else stated
    if spec == INDEPENDENT and not parse_formula(text).is_structured:
        return text
    parsed = parse_structured(head, patient)
    ordered = sorted(parsed.parts, key=lambda part: part.group[-1] == patient)
    whole = StructuredFormula(fixed=parsed.fixed, parts=tuple(ordered)).text
    return f"{whole} + {spec.terms(patient)}" if spec != INDEPENDENT else whole


def check_names(formula: Formula, known: Collection[str]) -> list[str]:
    """List the names of a formula that are not declared."""
    return sorted(formula.names - set(known))


def is_rate(weights: Sequence[tuple[str, float]], time: str) -> bool:
    """Return whether a combination of coefficients is one of slopes, per unit of time.

    A level at a later time, such as ``arm`` plus twelve times ``months:arm``, is not.

    Parameters
    ----------
    weights : sequence of (str, float)
        Coefficient and weight; a weight of 0 does not count.
    time : str
        Variable of time.

    Examples
    --------
    >>> is_rate([("months", 1.0), ("months:arm", 1.0)], "months")
    True
    >>> is_rate([("arm", 1.0), ("months:arm", 12.0)], "months")
    False
    """
    named = [name for name, weight in weights if weight]
    return bool(named) and all(time in name.split(":") for name in named)
