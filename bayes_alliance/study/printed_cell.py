"""What a printed string allows: the set of values that print like it, exactly.

``-0.02`` stands for every number between -0.025 and -0.015; whether an end belongs to it depends on how the
program rounds ties and on nothing else. All arithmetic here is on decimals, so no end moves by a binary
digit. Trailing zeros count (``0.10`` is ten times narrower than ``0.1``). Standard library only, for the
study file's checks use it too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Self

Rounding = Literal["half_up", "half_even", "either", "truncated", "any"]
CellKind = Literal["number", "not_significant", "reference", "blank"]
SpreadKind = Literal["", "se", "sd"]
TestKind = Literal["t", "z", "f", "chi2"]
MINUS_SIGNS = "-\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d"
STARS = "*\u2217\uff0a\u22c6"
MAX_STARS = 4
_NUMBER = rf"[{re.escape(MINUS_SIGNS)}+]?(?:\d{{1,12}}(?:\.\d{{1,12}})?|\.\d{{1,12}})"
_STARS = rf"(?P<stars>[{re.escape(STARS)}]{{0,{MAX_STARS}}})"
_CELL = re.compile(
    rf"(?P<value>{_NUMBER})\s*(?P<percent>%?)\s*(?:\(\s*(?P<spread>{_NUMBER})\s*\))?\s*{_STARS}", re.ASCII
)
_NOT_SIGNIFICANT = re.compile(r"n\.?\s?s\.?", re.IGNORECASE)
_REFERENCE = re.compile(rf"(?:reference|ref\.?)\s*{_STARS}", re.IGNORECASE)
_P_VALUE = re.compile(
    rf"(?:p\s*)?(?P<sign>[<>=\u2264\u2265])\s*(?P<value>{_NUMBER})", re.ASCII | re.IGNORECASE
)


class PrintedError(ValueError):
    """A string that is no printed cell of its kind; the message says what was expected."""


class UndecidedError(PrintedError):
    """A text with more than one reading; the message says which they are and how to decide."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A set of real numbers between two exact ends.

    Parameters
    ----------
    lower, upper : Decimal
        Ends; may be infinite.
    lower_closed, upper_closed : bool
        Whether the ends belong to it.
    """

    lower: Decimal
    upper: Decimal
    lower_closed: bool = True
    upper_closed: bool = True

    def __contains__(self, value: Decimal | float) -> bool:
        """Whether a number lies in it; a float counts as the exact number it is."""
        exact = value if isinstance(value, Decimal) else Decimal(value)
        above = exact > self.lower or (self.lower_closed and exact == self.lower)
        below = exact < self.upper or (self.upper_closed and exact == self.upper)
        return above and below

    @property
    def ends(self) -> tuple[float, float]:
        """Lower and upper end as floats."""
        return float(self.lower), float(self.upper)

    def __sub__(self, other: Self) -> Interval:
        """Every difference of a member of this and a member of the other."""
        return Interval(
            lower=self.lower - other.upper,
            upper=self.upper - other.lower,
            lower_closed=self.lower_closed and other.upper_closed,
            upper_closed=self.upper_closed and other.lower_closed,
        )

    def __add__(self, other: Self) -> Interval:
        """Every sum of a member of this and a member of the other."""
        return Interval(
            lower=self.lower + other.lower,
            upper=self.upper + other.upper,
            lower_closed=self.lower_closed and other.lower_closed,
            upper_closed=self.upper_closed and other.upper_closed,
        )

    def meets(self, other: Self) -> bool:
        """Whether the two have a number in common."""
        low, high = max(self.lower, other.lower), min(self.upper, other.upper)
        return low < high or (low == high and low in self and low in other)


@dataclass(frozen=True, kw_only=True)
class PrintedNumber:
    """A number as printed.

    Parameters
    ----------
    value : Decimal
        The digits, trailing zeros kept.
    negative_zero : bool
        Whether a minus stands before zero, which tells the sign of what was rounded.
    rule : str
        Rounding rule that its table states; empty for that of the publication.
    """

    value: Decimal
    negative_zero: bool = False
    rule: Rounding | Literal[""] = ""

    @property
    def decimals(self) -> int:
        """Digits after the point."""
        exponent = self.value.as_tuple().exponent
        assert isinstance(exponent, int)
        return max(0, -exponent)

    def interval(self, rounding: Rounding = "either") -> Interval:
        """Give the set of values that print like this.

        Parameters
        ----------
        rounding : {"half_up", "half_even", "either", "truncated", "any"}
            What happens to a tie: away from zero, to the even digit, or not known (then either); ``truncated``
            where digits were cut off, ``any`` where they were rounded or cut off. A rule of the number's own
            table goes first.

        Returns
        -------
        Interval
        """
        rule = self.rule or rounding
        half = Decimal(5).scaleb(-self.decimals - 1)
        lower, upper = self.value - half, self.value + half
        if rule in ("truncated", "any"):
            return self._cut_off(half, rounded_too=rule == "any")
        if self.value == 0:
            ties = rule != "half_up"
            if self.negative_zero:
                return Interval(lower=lower, upper=Decimal(0), lower_closed=ties, upper_closed=False)
            return Interval(lower=lower, upper=upper, lower_closed=ties, upper_closed=ties)
        even = self.value.scaleb(self.decimals) % 2 == 0
        inner = rule == "either" or (rule == "half_up") or even
        outer = rule == "either" or (rule == "half_even" and even)
        positive = self.value > 0
        return Interval(
            lower=lower,
            upper=upper,
            lower_closed=inner if positive else outer,
            upper_closed=outer if positive else inner,
        )

    def _cut_off(self, half: Decimal, *, rounded_too: bool) -> Interval:
        """Give the set of values that print like this when digits are cut off (or rounded, if that too)."""
        step, inner = 2 * half, half if rounded_too else Decimal(0)
        if self.value == 0:
            upper = Decimal(0) if self.negative_zero else step
            return Interval(lower=-step, upper=upper, lower_closed=False, upper_closed=False)
        if self.value > 0:
            return Interval(lower=self.value - inner, upper=self.value + step, upper_closed=False)
        return Interval(lower=self.value - step, upper=self.value + inner, lower_closed=False)

    def outward(self, side: Literal["lower", "upper"]) -> Interval:
        """Give the set of limits that print like this when an interval is rounded outwards."""
        step = Decimal(1).scaleb(-self.decimals)
        if side == "lower":
            return Interval(lower=self.value, upper=self.value + step, upper_closed=False)
        return Interval(lower=self.value - step, upper=self.value, lower_closed=False)


@dataclass(frozen=True, kw_only=True)
class PrintedP:
    """A statement about a p value: the set it leaves (``< 0.05``, ``> 0.1``, ``= 0.11``).

    Parameters
    ----------
    sign : str
        ``<``, ``>`` or ``=``.
    interval : Interval
        What it leaves of a two-sided p value; of a one-sided one where ``tails`` is 1.
    text : str
        The statement as it is repeated to a reader.
    tails : {1, 2}
        Whether the test was one-sided or two-sided.
    """

    sign: str
    interval: Interval
    text: str = ""
    tails: int = 2


@dataclass(frozen=True, kw_only=True)
class PrintedRange:
    """Two printed limits: a confidence or credible interval, or a range of quartiles.

    Parameters
    ----------
    lower, upper : PrintedNumber
        Limits as printed.
    level : Decimal or None
        Level of an interval (0.95); None for quartiles.
    outward : bool
        Whether its limits were rounded outwards.
    """

    lower: PrintedNumber
    upper: PrintedNumber
    level: Decimal | None = None
    outward: bool = False

    def ends(self, rounding: Rounding) -> tuple[Interval, Interval]:
        """Give the sets of lower and upper limits that print like this."""
        if self.outward:
            return self.lower.outward("lower"), self.upper.outward("upper")
        return self.lower.interval(rounding), self.upper.interval(rounding)


@dataclass(frozen=True, kw_only=True)
class PrintedTest:
    """A printed test statistic.

    Parameters
    ----------
    kind : {"t", "z", "f", "chi2"}
        Its reference distribution.
    value : PrintedNumber
        As printed.
    df : tuple of PrintedNumber
        Degrees of freedom: none, one, or those of numerator and denominator.
    """

    kind: TestKind
    value: PrintedNumber
    df: tuple[PrintedNumber, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PrintedCell:
    """A cell of a table, taken apart.

    Parameters
    ----------
    kind : {"number", "not_significant", "reference", "blank"}
        Whether it holds a number, ``ns``, ``Reference``, or a dash that stands for nothing.
    value : PrintedNumber or None
        The number.
    spread : PrintedNumber or None
        What stands in brackets behind it: a standard error or a standard deviation.
    stars : int
        How many.
    spread_kind : {"", "se", "sd"}
        What the spread is where the cell or the legend of its table says so.
    ci : PrintedRange or None
        Interval beside the number, or quartiles beside a median.
    tests : tuple of PrintedTest
        Test statistics.
    df : PrintedNumber or None
        Degrees of freedom that stand by themselves.
    p : tuple of PrintedP
        Statements about p: in the cell itself, or by a mark that the legend explains.
    total, percent : PrintedNumber or None
        Of a count: of how many, and its percentage.
    marks : tuple of str
        Daggers and letters.
    """

    kind: CellKind
    value: PrintedNumber | None = None
    spread: PrintedNumber | None = None
    stars: int = 0
    spread_kind: SpreadKind = ""
    ci: PrintedRange | None = None
    tests: tuple[PrintedTest, ...] = ()
    df: PrintedNumber | None = None
    p: tuple[PrintedP, ...] = ()
    total: PrintedNumber | None = None
    percent: PrintedNumber | None = None
    marks: tuple[str, ...] = ()


def parse_number(text: str) -> PrintedNumber:
    """Read one printed number; a minus may be any of the usual dashes.

    Raises
    ------
    PrintedError
        If it is none.
    """
    stripped = text.strip()
    if not re.fullmatch(_NUMBER, stripped, re.ASCII):
        raise PrintedError("a number such as 12, 0.05 or -0.02, with a decimal point")
    plain = stripped
    for sign in MINUS_SIGNS:
        plain = plain.replace(sign, "-")
    value = Decimal(plain)
    return PrintedNumber(
        value=abs(value) if value == 0 else value, negative_zero=value == 0 and plain[0] == "-"
    )


def parse_cell(text: str) -> PrintedCell:
    """Take a printed cell apart.

    Parameters
    ----------
    text : str
        Such as ``-0.02(0.01)*``, ``49(0.4)``, ``16*``, ``ns`` or ``Reference*``.

    Returns
    -------
    PrintedCell

    Raises
    ------
    PrintedError
        If it is none of these; the message says what was expected.

    Examples
    --------
    >>> cell = parse_cell("-0.02(0.01)*")
    >>> cell.value.interval().ends, cell.stars
    ((-0.025, -0.015), 1)
    """
    stripped = text.strip()
    if _NOT_SIGNIFICANT.fullmatch(stripped):
        return PrintedCell(kind="not_significant")
    reference = _REFERENCE.fullmatch(stripped)
    if reference:
        return PrintedCell(kind="reference", stars=len(reference["stars"]))
    match = _CELL.fullmatch(stripped)
    if match is None:
        raise PrintedError(
            f"a number, with its SE or SD in brackets and up to {MAX_STARS} stars (-0.02(0.01)*), "
            "or ns, or Reference"
        )
    return PrintedCell(
        kind="number",
        value=parse_number(match["value"]),
        spread=None if match["spread"] is None else parse_number(match["spread"]),
        stars=len(match["stars"]),
    )


def parse_p(text: str, rounding: Rounding = "either") -> PrintedP:
    """Read a statement about a p value, such as ``< 0.05`` or ``p = 0.11``.

    Raises
    ------
    PrintedError
        If it is none, or speaks of a value outside 0 to 1.
    """
    match = _P_VALUE.fullmatch(text.strip())
    number = parse_number(match["value"]) if match else None
    if match is None or number is None or not 0 <= number.value <= 1:
        raise PrintedError("a statement about a p value, such as '< 0.05', '> 0.1' or '= 0.11'")
    if match["sign"] == "=":
        printed = number.interval(rounding)
        lower, upper = max(printed.lower, Decimal(0)), min(printed.upper, Decimal(1))
        return PrintedP(sign="=", interval=Interval(lower=lower, upper=upper))
    closed = match["sign"] in "\u2264\u2265"
    if match["sign"] in "<\u2264":
        return PrintedP(
            sign="<", interval=Interval(lower=Decimal(0), upper=number.value, upper_closed=closed)
        )
    return PrintedP(sign=">", interval=Interval(lower=number.value, upper=Decimal(1), lower_closed=closed))


def check_printed(text: str, quantity: str) -> str:
    """Say what was expected of a printed string of a given quantity; empty where it is right.

    Parameters
    ----------
    quantity : str
        ``estimate``, ``explained_intercept``, ``explained_slope``, ``aic``, ``mean_sd``, ``percent``,
        ``count`` or ``p``.
    """
    try:
        if quantity == "p":
            parse_p(text)
            return ""
        cell = parse_cell(text)
    except PrintedError as error:
        return str(error)
    return next((expected for fault, expected in _RULES[quantity] if fault(cell)), "")


def _no_number(cell: PrintedCell) -> bool:
    return cell.kind != "number"


def _has_spread(cell: PrintedCell) -> bool:
    return cell.spread is not None


def _bad_spread(cell: PrintedCell) -> bool:
    return cell.spread is not None and (cell.spread.value < 0 or cell.spread.negative_zero)


def _outside(low: int, high: int | None) -> Callable[[PrintedCell], bool]:
    def fault(cell: PrintedCell) -> bool:
        value = cell.value.value if cell.value else Decimal(0)
        return value < low or (high is not None and value > high)

    return fault


def _not_whole(cell: PrintedCell) -> bool:
    return cell.value is not None and cell.value.decimals > 0


_EXPLAINED = ((_has_spread, "a percentage without brackets, or Reference"),)
_RULES: dict[str, tuple[tuple[Callable[[PrintedCell], bool], str], ...]] = {
    "estimate": (
        (lambda cell: cell.kind == "reference", "a number with its standard error in brackets, or ns"),
        (_bad_spread, "a standard error that is not negative"),
    ),
    "explained_intercept": _EXPLAINED,
    "explained_slope": _EXPLAINED,
    "aic": (
        (_no_number, "a number"),
        (_has_spread, "a number without brackets"),
        (lambda cell: cell.stars > 0, "a number without stars"),
    ),
    "mean_sd": (
        (_no_number, "a mean, with its SD in brackets"),
        (lambda cell: cell.spread is None, "a mean with its SD in brackets, such as 26(6)"),
        (_bad_spread, "a standard deviation that is not negative"),
    ),
    "percent": (
        (_no_number, "a percentage"),
        (_has_spread, "a percentage without brackets"),
        (_outside(0, 100), "a percentage between 0 and 100"),
    ),
    "count": (
        (_no_number, "a count"),
        (lambda cell: cell.spread is not None or cell.stars > 0, "a count without brackets and stars"),
        (_outside(0, None), "a count that is not negative"),
        (_not_whole, "a whole number"),
    ),
}
