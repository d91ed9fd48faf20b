"""What was understood of a printed cell, in words, and statements about p in the digits of their table.

Standard library only.
"""

from __future__ import annotations

from decimal import Decimal

from bayes_alliance.study.printed_cell import Interval, PrintedCell, PrintedError, PrintedNumber, PrintedP


def p_statement(sign: str, number: PrintedNumber, tails: int) -> PrintedP:
    """Turn ``< .05`` into the p values that it leaves."""
    if not 0 <= number.value <= 1:
        raise PrintedError("a p value between 0 and 1")
    zero, one = Decimal(0), Decimal(1)
    shown = str(number.value)
    text = f"{sign} {shown.removeprefix('0') if shown.startswith('0.') else shown}"
    if sign == "=":
        near = number.interval("any" if number.rule == "any" else "either")
        interval = Interval(
            lower=max(near.lower, zero),
            upper=min(near.upper, one),
            lower_closed=near.lower_closed or near.lower < 0,
            upper_closed=near.upper_closed or near.upper > 1,
        )
    elif sign in "<≤":
        interval = Interval(lower=zero, upper=number.value, upper_closed=sign == "≤")
    else:
        interval = Interval(lower=number.value, upper=one, lower_closed=sign == "≥")
    return PrintedP(sign={"≤": "<", "≥": ">"}.get(sign, sign), interval=interval, text=text, tails=tails)


def describe_cell(cell: PrintedCell) -> str:
    """Return what was understood of a cell, in a few words.

    Examples
    --------
    >>> from bayes_alliance.study.parse_cell import read_cell
    >>> describe_cell(read_cell("-0.03(0.01)*"))
    '-0.03, SE 0.01, 1 star'
    """
    if cell.kind == "blank":
        return "no number"
    if cell.kind == "reference":
        return "reference"
    parts = [str(cell.value.value)] if cell.value is not None else []
    if cell.total is not None:
        parts.append(f"of {cell.total.value}")
    if cell.percent is not None:
        parts.append(f"{cell.percent.value} %")
    if cell.spread is not None:
        parts.append(f"{cell.spread_kind.upper() or 'SE or SD'} {cell.spread.value}")
    if cell.ci is not None:
        name = (
            f"{(100 * cell.ci.level).normalize():f} % interval" if cell.ci.level is not None else "quartiles"
        )
        parts.append(f"{name} {cell.ci.lower.value} to {cell.ci.upper.value}")
    for test in cell.tests:
        df = f"({', '.join(str(number.value) for number in test.df)})" if test.df else ""
        parts.append(
            f"{ {'f': 'F', 'chi2': 'chi-square'}.get(test.kind, test.kind) }{df} = {test.value.value}"
        )
    if cell.df is not None:
        parts.append(f"df {cell.df.value}")
    parts += [f"p {p.text}{' (one-sided)' if p.tails == 1 else ''}" for p in cell.p]
    if cell.stars:
        parts.append(f"{cell.stars} star{'s' if cell.stars > 1 else ''}")
    if cell.kind == "not_significant" or "ns" in cell.marks:
        parts.append("not significant")
    return ", ".join(parts)
