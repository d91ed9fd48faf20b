"""The grammar of a printed cell: an estimate, test or count with whatever a table prints beside it.

A cell is a row of parts: numbers, brackets, labelled numbers (``SE = 0.01``, ``t(143) = -3.0``, ``p < .001``,
``95% CI [-0.05, -0.01]``), stars, daggers and letters. :func:`scan_cell` finds the parts with a decimal point or
with a decimal comma; what a number in brackets means is decided by
:mod:`bayes_alliance.study.parse_cell` from the kind of cell and the legend of its table. Standard library only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Literal

from bayes_alliance.study import cell_patterns as words
from bayes_alliance.study.number_text import GLUE, Style, number_pattern, read_number
from bayes_alliance.study.printed_cell import (
    MAX_STARS,
    PrintedError,
    PrintedNumber,
    PrintedTest,
    TestKind,
    UndecidedError,
)

PartKind = Literal[
    "number",
    "bracket",
    "plus_minus",
    "se",
    "sd",
    "ci",
    "quartiles",
    "range",
    "test",
    "p",
    "df",
    "stars",
    "mark",
    "of",
    "n",
    "tails",
]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a cell.

    Parameters
    ----------
    kind : str
        What it is.
    numbers : tuple of PrintedNumber
        Its numbers, in order.
    text : str
        A mark, or the sign of a p statement.
    level : Decimal or None
        Level of an interval.
    percent : bool
        Whether a per-cent sign follows.
    test : PrintedTest or None
        A test statistic.
    tails : int
        1 for a p value that is called one-sided.
    inside : bool
        Whether it stands in brackets.
    """

    kind: PartKind
    numbers: tuple[PrintedNumber, ...] = ()
    text: str = ""
    level: Decimal | None = None
    percent: bool = False
    test: PrintedTest | None = None
    tails: int = 2
    inside: bool = False


class _Unreadable(Exception):
    """The text cannot be read on from here."""

    def __init__(self, at: int) -> None:
        self.at = at
        super().__init__(str(at))


@cache
def _number(style: Style, *, grouped: bool = True) -> re.Pattern[str]:
    return re.compile(number_pattern(style, grouped=grouped))


def scan_cell(plain: str, style: Style) -> tuple[Part, ...]:
    """Take a cell apart under one decimal mark.

    Parameters
    ----------
    plain : str
        As :func:`bayes_alliance.study.number_text.plain_text` gives it.
    style : {"point", "comma"}
        Decimal mark.

    Raises
    ------
    PrintedError
        If some part of it cannot be read; the message says from where on.
    """
    try:
        return _Scanner(plain, style).parts(0, len(plain), inside=False)
    except _Unreadable as error:
        rest = plain[error.at :][:30].replace(GLUE, " ")
        read = plain[: error.at].replace(GLUE, " ").strip()
        start = f"read {read!r}, but not" if read else "cannot read"
        raise ScanError(f"{start} {rest!r}", at=error.at) from None


class ScanError(PrintedError):
    """A cell that could be read up to a place only.

    Parameters
    ----------
    at : int
        That place.
    """

    def __init__(self, message: str, *, at: int) -> None:
        self.at = at
        super().__init__(message)


class _Scanner:
    """Reads parts from left to right; every method returns the part and the place behind it."""

    def __init__(self, text: str, style: Style) -> None:
        self.text, self.style = text, style

    def parts(self, start: int, stop: int, *, inside: bool) -> tuple[Part, ...]:
        found: list[Part] = []
        at = self._skip(start, stop)
        while at < stop:
            if self.text[at] in words.OPEN:
                read, at = self._bracket(at, stop)
            else:
                part, at = self._next(at, stop)
                read = (part,)
            found += [replace(part, inside=True) for part in read] if inside else read
            at = self._skip(at, stop)
        return tuple(found)

    def _skip(self, at: int, stop: int) -> int:
        while at < stop and self.text[at] in " ,;:/|\ue000" and not self.text.startswith("/-", at):
            at += 1
        return at

    def _match(self, pattern: re.Pattern[str], at: int, stop: int) -> re.Match[str] | None:
        return pattern.match(self.text, at, stop)

    def _take_number(self, at: int, stop: int, *, grouped: bool = True) -> tuple[PrintedNumber, int]:
        match = self._match(_number(self.style, grouped=grouped), at, stop)
        if match is None:
            raise _Unreadable(at)
        return read_number(match[0], self.style), match.end()

    def _next(self, at: int, stop: int) -> tuple[Part, int]:
        for read in (self._interval, self._labelled, self._test, self._p, self._symbols):
            found = read(at, stop)
            if found is not None:
                return found
        if self.text[at] == "±":
            number, end = self._take_number(self._skip(at + 1, stop), stop)
            return Part(kind="plus_minus", numbers=(number,)), end
        return self._plain_number(at, stop)

    def _interval(self, at: int, stop: int) -> tuple[Part, int] | None:
        quartiles = self._match(words.QUARTILES, at, stop)
        match = quartiles or self._match(words.CI, at, stop)
        if match is None:
            return None
        level = None if quartiles else match["level"] or match["after"]
        share = Decimal(level.replace(",", ".")) / 100 if level else None
        begin = match.end()
        if begin < stop and self.text[begin] in words.OPEN:
            close = self._closing(begin, stop)
            numbers: tuple[PrintedNumber, ...] = self._pair(begin + 1, close)
            end = close + 1
        else:
            numbers, end = self._open_pair(begin, stop)
        return Part(kind="quartiles" if quartiles else "ci", numbers=numbers, level=share), end

    def _open_pair(self, at: int, stop: int) -> tuple[tuple[PrintedNumber, ...], int]:
        """Read two limits that no bracket holds."""
        first, end = self._take_number(at, stop)
        between = re.compile(rf"{words.RANGE.pattern}|\s*,\s*|\s*-\s*(?=[-0-9.,])", re.IGNORECASE)
        match = self._match(between, end, stop)
        if match is None:
            raise _Unreadable(end)
        second, end = self._take_number(match.end(), stop)
        return (first, second), end

    def _closing(self, at: int, stop: int) -> int:
        depth, wanted = 0, []
        for place in range(at, stop):
            char = self.text[place]
            if char in words.OPEN:
                wanted.append(words.OPEN[char])
                depth += 1
            elif char in ")]}":
                # Half-open intervals print a square and a round bracket.
                depth -= 1
                if depth == 0:
                    return place
        raise _Unreadable(at)

    def _labelled(self, at: int, stop: int) -> tuple[Part, int] | None:
        match = self._match(words.SPREAD, at, stop)
        if match is not None:
            begin = self._after(match.end(), stop, "=:")
            number, end = self._take_number(begin, stop)
            return Part(kind="se" if match["se"] else "sd", numbers=(number,)), end
        match = self._match(words.DF, at, stop)
        if match is not None:
            number, end = self._take_number(match.end(), stop)
            return Part(kind="df", numbers=(number,)), end
        match = self._match(words.COUNT, at, stop)
        if match is not None:
            number, end = self._take_number(match.end(), stop)
            return Part(kind="n", numbers=(number,)), end
        match = self._match(words.LABEL, at, stop)
        return None if match is None else self._plain_number(match.end(), stop)

    def _after(self, at: int, stop: int, marks: str) -> int:
        at = self._skip(at, stop)
        if at < stop and self.text[at] in marks:
            at = self._skip(at + 1, stop)
        return at

    def _test(self, at: int, stop: int) -> tuple[Part, int] | None:
        kinds: tuple[tuple[TestKind, re.Pattern[str]], ...] = (
            ("f", words.F),
            ("chi2", words.CHI),
            ("t", words.TEST),
        )
        for kind, pattern in kinds:
            match = self._match(pattern, at, stop)
            if match is None:
                continue
            name: TestKind = "z" if kind == "t" and match[0].endswith("z") else kind
            df, end = self._df(match.end(), stop)
            begin = self._skip(end, stop)
            if begin >= stop or self.text[begin] not in "=:":
                return None
            value, end = self._take_number(self._skip(begin + 1, stop), stop)
            return Part(kind="test", test=PrintedTest(kind=name, value=value, df=df)), end
        return None

    def _df(self, at: int, stop: int) -> tuple[tuple[PrintedNumber, ...], int]:
        """Degrees of freedom behind the letter of a test, in brackets or as a subscript."""
        at = self._skip(at, stop)
        if at < stop and (self.text[at].isdigit() or self.text[at] == "_"):
            number, end = self._take_number(at + (self.text[at] == "_"), stop)
            return (number,), end
        if at >= stop or self.text[at] not in words.OPEN:
            return (), at
        close = self._closing(at, stop)
        numbers: list[PrintedNumber] = []
        place = self._skip(at + 1, close)
        while place < close:
            label = self._match(re.compile(r"d\.?f\.?\s*=\s*|[nN]\s*=\s*", re.IGNORECASE), place, close)
            begin = label.end() if label else place
            number, place = self._take_number(begin, close, grouped=False)
            if label is None or label[0][0] in "dD":
                numbers.append(number)
            place = self._skip(place, close)
        return tuple(numbers), close + 1

    def _p(self, at: int, stop: int) -> tuple[Part, int] | None:
        match = self._match(words.P, at, stop) or self._match(words.BARE_P, at, stop)
        if match is None:
            return None
        tails = 1 if match.groupdict().get("tails") in ("one", "1") else 2
        sign = {"<=": "≤", ">=": "≥", ":": "="}.get(match["sign"], match["sign"])
        silent = self._match(words.NS, match.end(), stop)
        if silent is not None:
            return Part(kind="p", text="ns", tails=tails), silent.end()
        number, end = self._take_number(match.end(), stop)
        return Part(kind="p", text=sign, numbers=(number,), tails=tails), end

    def _symbols(self, at: int, stop: int) -> tuple[Part, int] | None:
        match = self._match(words.STARS, at, stop)
        if match is not None:
            if len(match[0]) > MAX_STARS:
                raise _Unreadable(at)
            return Part(kind="stars", text=match[0]), match.end()
        silent = self._match(words.NS, at, stop)
        if silent is not None and not self.text[silent.end() : silent.end() + 1].isalpha():
            return Part(kind="p", text="ns"), silent.end()
        match = self._match(words.TAILS, at, stop)
        if match is not None:
            return Part(kind="tails", tails=1 if match["tails"] in ("one", "1") else 2), match.end()
        match = self._match(words.MARK, at, stop)
        if match is not None:
            return Part(kind="mark", text=match[0].lstrip("#^")), match.end()
        return None

    def _bracket(self, at: int, stop: int) -> tuple[tuple[Part, ...], int]:
        """Read a number, a pair or labelled parts in brackets; the last count as if no bracket stood there."""
        close = self._closing(at, stop)
        single = re.compile(rf"\s*({number_pattern(self.style)})\s*(%?)\s*(\**)\s*")
        match = single.fullmatch(self.text, at + 1, close)
        if match is not None:
            number = read_number(match[1].strip(), self.style)
            part = Part(kind="bracket", numbers=(number,), percent=bool(match[2]), text=match[3])
            return (part,), close + 1
        slash = self._of(at + 1, close)
        if slash is not None:
            return (slash,), close + 1
        if not self._match(words.CI, self._skip(at + 1, close), close) and re.match(
            r"\s*[-+.,0-9]", self.text[at + 1 : close]
        ):
            try:
                return (Part(kind="range", numbers=self._pair(at + 1, close)),), close + 1
            except _Unreadable:
                pass  # a number with more behind it, such as (0.01, p = .004)
        inside = self.parts(at + 1, close, inside=True)
        if not inside:
            raise _Unreadable(at)
        return tuple(replace(p, kind="bracket") if p.kind == "number" else p for p in inside), close + 1

    def _of(self, at: int, stop: int) -> Part | None:
        match = re.compile(r"\s*([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*").fullmatch(self.text, at, stop)
        if match is None:
            return None
        numbers = tuple(PrintedNumber(value=Decimal(match[i])) for i in (1, 2))
        return Part(kind="of", numbers=numbers)

    def _pair(self, at: int, stop: int) -> tuple[PrintedNumber, PrintedNumber]:
        """Read two limits between brackets, in the one way that puts the lower first."""
        text = self.text[at:stop].strip().replace("%", "")
        readings = dict.fromkeys(self._pair_readings(text))
        good = [pair for pair in readings if pair[0].value <= pair[1].value]
        if len(good) == 1:
            return good[0]
        if len(good) > 1:
            said = " or ".join(f"{a.value} to {b.value}" for a, b in good)
            raise UndecidedError(f"one reading of {text!r}: it may be {said}; write the limits with 'to'")
        if readings:
            pair = next(iter(readings))
            raise PrintedError(f"a lower limit below the upper one, not {pair[0].value} to {pair[1].value}")
        raise _Unreadable(at)

    def _pair_readings(self, text: str) -> list[tuple[PrintedNumber, PrintedNumber]]:
        found = []
        for grouped in (True, False):
            number = number_pattern(self.style, grouped=grouped)
            comma = r"\s*,\s+|\s+,\s*" if self.style == "comma" else r"\s*,\s*"
            for between in (rf"(?:{words.RANGE.pattern}|{comma})", r"(?:\s*-\s*)", r"\s+"):
                match = re.fullmatch(rf"({number}){between}({number})", text, re.IGNORECASE)
                if match is not None:
                    # '0.5 -0.9' may be a range or two numbers; '0.5 - 0.9' and '0.5-0.9' are ranges.
                    if between == r"\s+" and re.search(r"\s[-+]\s", text):
                        continue
                    found.append((read_number(match[1], self.style), read_number(match[2], self.style)))
            if found:
                break
        return found

    def _plain_number(self, at: int, stop: int) -> tuple[Part, int]:
        match = re.compile(r"([0-9]{1,9})\s*/\s*([0-9]{1,9})(?![0-9.,])").match(self.text, at, stop)
        if match is not None:
            numbers = tuple(PrintedNumber(value=Decimal(match[i])) for i in (1, 2))
            return Part(kind="of", numbers=numbers), match.end()
        number, end = self._take_number(at, stop)
        following = re.compile(r"\s*%").match(self.text, end, stop)
        if following is not None:
            return Part(kind="number", numbers=(number,), percent=True), following.end()
        to = self._match(re.compile(rf"{words.RANGE.pattern}|-(?=[0-9.])", re.IGNORECASE), end, stop)
        if to is not None and to[0].strip(" ") not in (";",) and to.end() < stop:
            second = self._match(_number(self.style), to.end(), stop)
            if second is not None:
                pair = (number, read_number(second[0], self.style))
                return Part(kind="range", numbers=pair), second.end()
        return Part(kind="number", numbers=(number,)), end
