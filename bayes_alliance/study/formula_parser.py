"""The grammar of formulas with one grouping factor, and the record of any formula.

A formula comes from a study file, so it is data: it is tokenised and checked against a small grammar here
before any library sees it. What passes contains only declared variable names, ``0`` and ``1``, the
operators ``~ + - * : / ^ | ( )`` and nothing else: no calls, no attributes, no strings. The design matrices
are those of formulae, the library that Bambi uses, so every engine rests on the same columns; where all variables
are numbers they are plain products, and the library (and its start-up) is not needed. Must not import the fitting
libraries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from math import prod

from bayes_alliance.study.covariance_terms import INDEPENDENT, INTERCEPT, RandomPart, ResidualSpec

MAX_LENGTH = 500
MAX_TERMS = 40
MAX_COLUMNS = 60
_NUMBERS = "iuf"  # kinds of NumPy types
MAX_DEPTH = 8
MAX_POWER = 4
_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z][A-Za-z0-9_]*)|(?P<number>[0-9]+)|(?P<op>[-~+*:/^|()])|(?P<bad>\S))"
)
Term = tuple[str, ...]
_ONE_GROUP = (
    "three levels, such as patients within therapists or clinics, are not supported; group by the patient alone and "
    "enter the therapist as a fixed effect, or fit lmer of lme4, brms or Bambi"
)


class FormulaError(ValueError):
    """A formula outside the grammar; the message says what and where."""


@dataclass(frozen=True, kw_only=True)
class Formula:
    """A parsed formula.

    Parameters
    ----------
    response : str
        Outcome variable.
    terms : tuple of tuple of str
        Fixed terms; a term is the sorted-by-appearance tuple of the variables it multiplies.
    intercept : bool
        Whether the fixed part has an intercept.
    random : tuple of str
        Variables with a random slope; empty for a random intercept only.
    group : str
        The grouping variable (patient).
    text : str
        The formula in one canonical spelling.
    parts : tuple of RandomPart
        Random parts of a formula with several levels, several random slopes or correlated residuals; ``random`` is
        then empty. Empty where ``random`` and ``group`` say all.
    residual : ResidualSpec
        Of the residuals within a patient.
    """

    response: str
    terms: tuple[Term, ...]
    intercept: bool
    random: tuple[str, ...]
    group: str
    text: str
    parts: tuple[RandomPart, ...] = ()
    residual: ResidualSpec = INDEPENDENT

    @property
    def is_structured(self) -> bool:
        """Whether there is more than one grouping factor with one random part and independent residuals."""
        return bool(self.parts) or self.residual != INDEPENDENT

    @property
    def groups(self) -> tuple[str, ...]:
        """Grouping variables, the patient first."""
        return tuple(dict.fromkeys([self.group, *(name for part in self.parts for name in part.group)]))

    @property
    def slopes(self) -> tuple[str, ...]:
        """Variables with a random slope at any level."""
        columns = chain(self.random, *(part.columns for part in self.parts))
        return tuple(dict.fromkeys(name for name in columns if name != INTERCEPT))

    @property
    def names(self) -> frozenset[str]:
        """Every variable that the formula uses, grouping variables included."""
        of_residual = filter(None, (self.residual.variable, self.residual.variance))
        return frozenset(chain([self.response], self.groups, self.slopes, of_residual, *self.terms))

    def count_covariances(self, visits: int, groups: int) -> int:
        """Count variances and covariances, residual ones included; 0 where the numbers needed are not known.

        Parameters
        ----------
        visits, groups : int
            Values of the variable of residual correlations, and groups of residual SDs; 0 where they are not known.
        """
        if not self.is_structured:
            return (len(self.random) + 1) * (len(self.random) + 2) // 2 + 1
        sizes = [len(part.columns) for part in self.parts]
        pairs = [size * (size + 1) // 2 for size in sizes]
        random = sum(
            pair if part.correlated else size
            for part, size, pair in zip(self.parts, sizes, pairs, strict=True)
        )
        kind = self.residual.kind
        if (kind in ("toep", "un") and not visits) or (self.residual.variance and not groups):
            return 0
        correlations = {"toep": visits - 1, "un": visits * (visits - 1) // 2, "id": 0}.get(kind, 1)
        return random + correlations + (groups if self.residual.variance else 1)

    @property
    def fixed_text(self) -> str:
        """The outcome and the fixed part in one canonical spelling."""
        terms = ["1" if self.intercept else "0", *(":".join(term) for term in self.terms)]
        return f"{self.response} ~ {' + '.join(terms)}"


def fewest_columns(formula: Formula, levels: Mapping[str, int]) -> int:
    """Return the least number of columns that the fixed part can have.

    Parameters
    ----------
    formula : Formula
    levels : mapping of str to int
        Number of categories of each variable that has categories; every other variable is one column.

    Returns
    -------
    int
        With one column less than its categories for each category in a term, as under treatment contrasts.

    Examples
    --------
    >>> fewest_columns(parse_plain("y ~ time*site + (time | id)"), {"site": 4})
    8
    """
    widths = (prod(levels.get(name, 2) - 1 for name in term) for term in formula.terms)
    return int(formula.intercept) + sum(widths)


def parse_plain(text: str) -> Formula:
    """Parse a formula with one grouping factor and independent residuals; see :func:`parse_formula`."""
    return _Parser(_tokenise(text)).formula()


def _tokenise(text: str) -> list[str]:
    tokens = []
    for match in _TOKEN.finditer(text):
        if match.group("bad") is not None:
            raise FormulaError(
                f"character {match.group('bad')!r} at position {match.start('bad') + 1} is not allowed; "
                "a formula holds variable names, 0, 1 and ~ + - * : / ^ | ( )"
            )
        token = match.group("name") or match.group("number") or match.group("op")
        if token is not None:
            tokens.append(token)
    return tokens


class _Parser:
    """Recursive descent over the tokens; one method a rule of the grammar."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.position = 0
        self.depth = 0

    def formula(self) -> Formula:
        response = self._name("the outcome")
        self._expect("~")
        terms: list[Term] = []
        intercept = True
        random: tuple[tuple[str, ...], str] | None = None
        sign = self._next() if self._peek() == "-" else "+"
        while True:
            if self._at_random():
                if random is not None:
                    raise FormulaError(f"two random parts: {_ONE_GROUP}")
                if sign == "-":
                    raise FormulaError("the random part cannot be taken out")
                random = self._random()
            elif self._peek() in ("0", "1"):
                intercept = (self._next() == "1") == (sign == "+")
            else:
                terms = _add(terms, self._product()) if sign == "+" else _take_out(terms, self._product())
            if self._peek() is None:
                break
            sign = self._sign()
        if random is None:
            raise FormulaError("no random part; add one such as (1 | patient) or (months | patient)")
        return _formula(response, tuple(terms), intercept, *random)

    def _at_random(self) -> bool:
        """Whether what begins here is a random part: an opening bracket whose own level holds a bar."""
        level = 0
        for token in self.tokens[self.position :]:
            level += (token == "(") - (token == ")")
            if level <= 0:
                return False
            if token == "|" and level == 1:
                return True
        # Brackets that do not close: what is wrong with them is said where they are read.
        return self._peek() == "("

    def _sign(self) -> str:
        if self._peek() == "-":
            return str(self._next())
        self._expect("+")
        return "+"

    def _product(self) -> list[Term]:
        """Read ``a * b / c``; each operator takes everything to its left."""
        terms = self._interaction()
        while self._peek() in ("*", "/"):
            nested = self._next() == "/"
            right = self._interaction()
            whole = [tuple(dict.fromkeys(chain.from_iterable(terms)))]
            inner = _cross(whole if nested else terms, right)
            terms = _limited([*terms, *([] if nested else right), *inner])
        return sorted(terms, key=len)

    def _interaction(self) -> list[Term]:
        terms = self._power()
        while self._peek() == ":":
            self._next()
            terms = _limited(_cross(terms, self._power()))
        return terms

    def _power(self) -> list[Term]:
        terms = self._operand()
        if self._peek() == "^":
            self._next()
            found = self._next()
            if not found.isdigit() or not 1 <= int(found[:9]) <= MAX_POWER or len(found) > 9:
                raise FormulaError(f"after ^ a whole number from 1 to {MAX_POWER} is expected")
            base = terms
            for _ in range(int(found) - 1):
                terms = _limited([*terms, *_cross(terms, base)])
        return terms

    def _operand(self) -> list[Term]:
        """Read a variable, or a sum in brackets."""
        if self._peek() != "(":
            return [(self._name("a variable"),)]
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise FormulaError(f"brackets are nested more than {MAX_DEPTH} deep")
        self._expect("(")
        terms = self._product()
        while self._peek() in ("+", "-"):
            adds = self._next() == "+"
            more = self._product()
            terms = _add(terms, more) if adds else _take_out(terms, more)
        self._expect(")")
        self.depth -= 1
        return terms

    def _random(self) -> tuple[tuple[str, ...], str]:
        self._expect("(")
        slopes: list[str] = []
        while True:
            if self._peek() in ("0", "1"):
                if self._next() == "0":
                    raise FormulaError("a random part without an intercept is not supported")
            else:
                slopes.append(self._name("a variable with a random slope"))
            if self._peek() != "+":
                break
            self._next()
        if self._peek() in (":", "*", "^", "(", "-"):
            raise FormulaError(
                f"{self._peek()!r} in a random part is not supported: it holds 1 and the time, as in (months | patient)"
            )
        self._expect("|")
        if self._peek() == "|":
            raise FormulaError(
                "'||' (uncorrelated random effects) is not supported: write '|', which estimates the correlation, or "
                "run engine bambi, whose random effects are independent"
            )
        group = self._name("the grouping variable")
        if self._peek() in ("/", ":", "+"):
            raise FormulaError(f"grouping by {group!r} and another variable: {_ONE_GROUP}")
        self._expect(")")
        if len(set(slopes)) < len(slopes):
            raise FormulaError("the same random slope stands twice")
        return tuple(slopes), group

    def _peek(self) -> str | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def _next(self) -> str:
        token = self._peek()
        if token is None:
            raise FormulaError("the formula ends too early")
        self.position += 1
        return token

    def _expect(self, wanted: str) -> None:
        found = self._peek()
        if found != wanted:
            raise FormulaError(f"{wanted!r} expected, found {'the end' if found is None else repr(found)}")
        self.position += 1

    def _name(self, role: str) -> str:
        found = self._peek()
        if found is None or not found[0].isalpha():
            raise FormulaError(f"{role} expected, found {'the end' if found is None else repr(found)}")
        self.position += 1
        if self._peek() == "(":
            raise FormulaError(
                f"{found!r} cannot be called: formulas hold no functions; declare what is transformed as a variable "
                "under [derived], with rule log, sqrt, square or offset, and use its name"
            )
        return found


def _join(left: Term, right: Term) -> Term:
    return tuple(dict.fromkeys((*left, *right)))


def _cross(left: list[Term], right: list[Term]) -> list[Term]:
    return [_join(a, b) for a in left for b in right]


def _limited(terms: list[Term]) -> list[Term]:
    """Keep each term once; products double at every step, so refuse them before they fill the memory."""
    kept = _without_repeats(terms)
    if len(kept) > MAX_TERMS:
        raise FormulaError(f"the products give more than {MAX_TERMS} terms")
    return kept


def _add(terms: list[Term], more: list[Term]) -> list[Term]:
    return _without_repeats(terms + more)


def _take_out(terms: list[Term], gone: list[Term]) -> list[Term]:
    """Take terms out, all of which must be there."""
    present = {frozenset(term) for term in terms}
    for term in gone:
        if frozenset(term) not in present:
            raise FormulaError(f"{':'.join(term)!r} cannot be taken out: it is not in the formula before")
    out = {frozenset(term) for term in gone}
    return [term for term in terms if frozenset(term) not in out]


def _without_repeats(terms: list[Term]) -> list[Term]:
    """Keep the first spelling of each term: ``b:a`` is ``a:b``."""
    first: dict[frozenset[str], Term] = {}
    for term in terms:
        first.setdefault(frozenset(term), term)
    return list(first.values())


def _formula(
    response: str, terms: tuple[Term, ...], intercept: bool, random: tuple[str, ...], group: str
) -> Formula:
    if not intercept and not terms:
        raise FormulaError("no fixed part; add 1 or a variable")
    if len(terms) > MAX_TERMS:
        raise FormulaError(f"{len(terms)} terms; at most {MAX_TERMS} are allowed")
    if response in set(chain(random, [group], *terms)):
        raise FormulaError(f"the outcome {response!r} stands on both sides")
    if group in set(chain(random, *terms)):
        raise FormulaError(f"the grouping variable {group!r} cannot also be a predictor")
    fixed = ["1" if intercept else "0", *(":".join(term) for term in terms)]
    text = f"{response} ~ {' + '.join(fixed)} + ({' + '.join(('1', *random))} | {group})"
    return Formula(response=response, terms=terms, intercept=intercept, random=random, group=group, text=text)
