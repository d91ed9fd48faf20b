"""What a printed string allows: the set of values that print like it, exactly.

``-0.02`` stands for every number between -0.025 and -0.015; whether an end belongs to it depends on how the
program rounds ties and on nothing else. All arithmetic here is on decimals, so no end moves by a binary
digit. Trailing zeros count (``0.10`` is ten times narrower than ``0.1``). Standard library only, for the
study file's checks use it too.
"""

from __future__ import annotations

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

    def __neg__(self) -> Interval:
        """Every member with its sign turned."""
        return Interval(
            lower=-self.upper,
            upper=-self.lower,
            lower_closed=self.upper_closed,
            upper_closed=self.lower_closed,
        )

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
        """Return the set of values that print like this.

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
        """Return the set of values that print like this when digits are cut off (or rounded, if that too)."""
        step, inner = 2 * half, half if rounded_too else Decimal(0)
        if self.value == 0:
            upper = Decimal(0) if self.negative_zero else step
            return Interval(lower=-step, upper=upper, lower_closed=False, upper_closed=False)
        if self.value > 0:
            return Interval(lower=self.value - inner, upper=self.value + step, upper_closed=False)
        return Interval(lower=self.value - step, upper=self.value + inner, lower_closed=False)

    def outward(self, side: Literal["lower", "upper"]) -> Interval:
        """Return the set of limits that print like this when an interval is rounded outwards."""
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
    symmetric : bool
        Whether it reaches as far below the estimate as above it; not so for a profile likelihood, a bootstrap or
        a posterior.
    """

    lower: PrintedNumber
    upper: PrintedNumber
    level: Decimal | None = None
    outward: bool = False
    symmetric: bool = True

    def ends(self, rounding: Rounding) -> tuple[Interval, Interval]:
        """Return the sets of lower and upper limits that print like this."""
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
