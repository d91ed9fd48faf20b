"""Formulas with several random parts and grouping factors, and the notation of residual structures.

The fixed part has the grammar of :mod:`bayes_alliance.study.formula`; random parts here take ``||``, ``0 +``, several
slopes, ``clinic/patient`` and ``clinic:patient``, as in lme4. Nothing is read but names, ``0``, ``1`` and operators.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain

from bayes_alliance.study.covariance_terms import INTERCEPT, KINDS, RandomPart, ResidualSpec
from bayes_alliance.study.formula_parser import (
    Formula,
    FormulaError,
    _add,
    _formula,
    _Parser,
    _take_out,
    _tokenise,
)

MAX_RANDOM = 4


@dataclass(frozen=True, kw_only=True)
class StructuredFormula:
    """A formula with its random parts.

    Parameters
    ----------
    fixed : Formula
        With the first random part's innermost group and a random intercept, which stand for the patient.
    parts : tuple of RandomPart
        As written, ``clinic/patient`` taken apart.
    """

    fixed: Formula
    parts: tuple[RandomPart, ...]

    @property
    def is_two_level(self) -> bool:
        """Whether the formula is one that :func:`bayes_alliance.study.formula.parse_formula` takes."""
        (first, *more) = self.parts
        return not more and first.correlated and first.columns[:1] == (INTERCEPT,) and len(first.group) == 1

    @property
    def text(self) -> str:
        """In one canonical spelling."""
        return self.fixed.fixed_text + "".join(f" + {part.text}" for part in self.parts)


def parse_structured(text: str, patient: str = "") -> StructuredFormula:
    """Parse a formula with any number of random parts over at most two grouping factors.

    Parameters
    ----------
    text : str
        Such as ``"y ~ time*arm + (time | patient) + (1 | therapist)"`` or ``"y ~ time + (time || clinic/patient)"``.
    patient : str
        Variable that tells patients apart; needed where no random part names it, as in ``"y ~ time*arm"`` with
        correlated residuals.

    Returns
    -------
    StructuredFormula

    Raises
    ------
    FormulaError
        If the text is outside the grammar; the message says where.

    Examples
    --------
    >>> parse_structured("y ~ time + (time | clinic/patient)").text
    'y ~ 1 + time + (1 + time | clinic) + (1 + time | clinic:patient)'
    """
    parser = _StructuredParser(_tokenise(text))
    try:
        return parser.structured(patient)
    except FormulaError as error:
        message = str(error)
        raise FormulaError(
            message if "position" in message else f"{message} (at position {_place(text, parser)})"
        ) from None


def _place(text: str, parser: _Parser) -> int:
    """Position, from 1, of the token at which a parser stopped."""
    spaces = [match.start() for match in re.finditer(r"[A-Za-z][A-Za-z0-9_]*|[0-9]+|[-~+*:/^|()]", text)]
    return spaces[min(parser.position, len(spaces) - 1)] + 1 if spaces else 1


class _StructuredParser(_Parser):
    """The parser of the fixed part, with random parts of its own."""

    def structured(self, patient: str) -> StructuredFormula:
        response = self._name("the outcome")
        self._expect("~")
        terms: list[tuple[str, ...]] = []
        parts: list[RandomPart] = []
        intercept = True
        sign = self._next() if self._peek() == "-" else "+"
        while True:
            if self._at_random():
                if sign == "-":
                    raise FormulaError("the random part cannot be taken out")
                parts += self._parts()
            elif self._peek() in ("0", "1"):
                intercept = (self._next() == "1") == (sign == "+")
            else:
                terms = _add(terms, self._product()) if sign == "+" else _take_out(terms, self._product())
            if self._peek() is None:
                break
            sign = self._sign()
        if not parts and not patient:
            raise FormulaError(
                "no random part; add one such as (1 | patient) or (months | patient), or name the patient's column "
                "(patient=) and a residual structure"
            )
        _check_parts(parts)
        group = patient or parts[-1].group[-1]
        variables = tuple(dict.fromkeys(name for part in parts for name in part.columns if name != INTERCEPT))
        groups = set(chain.from_iterable(part.group for part in parts))
        clash = sorted((groups - {group}) & (set(chain.from_iterable(terms)) | set(variables)))
        if clash:
            raise FormulaError(f"the grouping variable {clash[0]!r} cannot also be a predictor")
        _formula(response, tuple(terms), intercept, variables, group)
        return StructuredFormula(
            fixed=_formula(response, tuple(terms), intercept, (), group), parts=tuple(parts)
        )

    def _parts(self) -> list[RandomPart]:
        """Read one bracket; ``a/b`` gives a part for ``a`` and one for ``a:b``."""
        self._expect("(")
        columns: list[str] = [INTERCEPT]
        while True:
            if self._peek() in ("0", "1"):
                if self._next() == "0":
                    columns.remove(INTERCEPT)
            else:
                columns.append(self._name("a variable with a random slope"))
            if self._peek() != "+":
                break
            self._next()
        if self._peek() in (":", "*", "^", "(", "-", "/"):
            raise FormulaError(
                f"{self._peek()!r} in a random part is not supported: it holds 0, 1 and variables; declare a product "
                "as a column of its own"
            )
        self._expect("|")
        correlated = self._peek() != "|"
        if not correlated:
            self._next()
        groups = self._groups()
        self._expect(")")
        if len(set(columns)) < len(columns):
            raise FormulaError("the same random slope stands twice")
        if not columns:
            raise FormulaError("a random part without any column; write (1 | patient) or (0 + x | patient)")
        correlated = correlated or len(columns) == 1
        return [RandomPart(columns=tuple(columns), correlated=correlated, group=group) for group in groups]

    def _groups(self) -> list[tuple[str, ...]]:
        names = [self._name("the grouping variable")]
        joint = self._peek()
        while self._peek() in ("/", ":"):
            if len(names) == 2:
                raise FormulaError(
                    "more than two grouping levels are not supported; at most one level above the patient"
                )
            if self._next() != joint:
                raise FormulaError("'/' and ':' together in one grouping are not supported")
            names.append(self._name("the grouping variable"))
        return [(names[0],), tuple(names)] if joint == "/" else [tuple(names)]


def _check_parts(parts: list[RandomPart]) -> None:
    groups = list(dict.fromkeys(part.group for part in parts))
    if len(groups) > 2:
        listed = ", ".join(":".join(group) for group in groups)
        raise FormulaError(
            f"{len(groups)} grouping factors ({listed}): at most one level above the patient is supported; "
            "fit lmer of lme4 or brms"
        )
    for group in groups:
        columns = [name for part in parts if part.group == group for name in part.columns]
        if len(columns) > MAX_RANDOM:
            raise FormulaError(
                f"{len(columns)} random columns for {':'.join(group)}: at most {MAX_RANDOM} are supported"
            )
        if len(set(columns)) < len(columns):
            raise FormulaError(f"the same random column stands in two parts of {':'.join(group)}")


_RESIDUAL_TERM = re.compile(
    r"\+\s*(cs|ar1|car1|toep|un|var)\s*\(\s*([A-Za-z][A-Za-z0-9_]*|1)\s*\|\s*([A-Za-z][A-Za-z0-9_]*)\s*\)"
)


def take_residual_terms(text: str) -> tuple[str, ResidualSpec, str]:
    """Take residual terms such as ``+ un(visit | patient)`` out of a formula.

    Returns
    -------
    text : str
        Without them.
    residual : ResidualSpec
        What they say.
    patient : str
        Whose residuals; empty without any.

    Raises
    ------
    FormulaError
        If they contradict each other.
    """
    found = _RESIDUAL_TERM.findall(text)
    if not found:
        return text, ResidualSpec(), ""
    groups = {group for _, _, group in found}
    if len(groups) > 1:
        raise FormulaError(f"residual terms of different groups: {', '.join(sorted(groups))}")
    terms = [kind if name == "1" else f"{kind}({name})" for kind, name, _ in found]
    return _RESIDUAL_TERM.sub("", text).strip(), parse_residual(" * ".join(terms)), groups.pop()


def parse_residual(text: str) -> ResidualSpec:
    """Parse a residual structure.

    Parameters
    ----------
    text : str
        One of ``cs``, ``ar1(VISIT)``, ``car1(TIME)``, ``toep(VISIT)``, ``un(VISIT)``, alone or with residual SDs by
        group behind it, as ``ar1(visit) * var(arm)``; or ``var(VARIABLE)`` alone; empty or ``iid`` for independent
        residuals.

    Returns
    -------
    ResidualSpec

    Raises
    ------
    FormulaError
        If the text is none of these.

    Examples
    --------
    >>> parse_residual("ar1(visit) * var(arm)")
    ResidualSpec(kind='ar1', variable='visit', variance='arm')
    """
    if text.strip() in ("", "iid", "id"):
        return ResidualSpec()
    kind, variable, variance = "id", "", ""
    for part in text.split("*"):
        match = re.fullmatch(r"\s*([a-z0-9]+)\s*(?:\(\s*([A-Za-z][A-Za-z0-9_]*)\s*\))?\s*", part)
        name = match[1] if match else ""
        known = name == "var" or name in KINDS
        if match is None or not known or (variance if name == "var" else kind != "id"):
            raise FormulaError(_residual_fault(text, part))
        given = match[2] or ""
        if name == "var" or KINDS[name]:
            if not given:
                raise FormulaError(f"residual structure {name!r} needs its variable, as in {name}(visit)")
        elif given:
            raise FormulaError(f"residual structure {name!r} takes no variable: all visits correlate alike")
        if name == "var":
            variance = given
        else:
            kind, variable = name, given
    if kind == "un" and variance not in ("", variable):
        raise FormulaError(
            "un(visit) has an SD for each visit already; SDs by another variable are not supported"
        )
    return ResidualSpec(kind=kind, variable=variable, variance=variable if kind == "un" else variance)


def _residual_fault(text: str, part: str) -> str:
    return (
        f"{part.strip()[:60]!r} at position {text.find(part.strip()) + 1} is no residual structure; allowed: cs, "
        "ar1(visit), car1(time), toep(visit), un(visit) and var(variable), or one of them * var(variable)"
    )
