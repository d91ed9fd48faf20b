"""Printed numbers in the unit of those beside them: slopes are printed per unit of time and shown over the horizon.

The cell as printed stays beside its conversion.
"""

from __future__ import annotations

import re

from bayes_alliance.show.format_numbers import format_estimate_se, format_number, use_minus_sign
from bayes_alliance.study.printed_cell import PrintedCell

# An estimate with its standard error and stars, such as ``-0.03(0.01)***``.
_ESTIMATE = re.compile(r"(?<![\w.])([-\N{MINUS SIGN}]?\d*\.?\d+)\s?\((\d*\.?\d+)\)(\**)")


def scale_printed(parsed: PrintedCell, factor: float) -> str:
    """Return a printed estimate times a factor, with its SE and stars; empty for a cell without a number.

    Parameters
    ----------
    parsed : PrintedCell
        What the cell says.
    factor : float
        Such as the months of the horizon; a negative one turns the sign.
    """
    if parsed.value is None:
        return ""
    value = factor * float(parsed.value.value)
    if parsed.spread is None:
        return use_minus_sign(format_number(value) + parsed.stars * "*")
    error = abs(factor) * float(parsed.spread.value)
    return use_minus_sign(format_estimate_se(value, error, parsed.stars * "*"))


def scale_text(text: str, horizon: str) -> str:
    """Return a text with its printed slopes over the horizon, and as printed; other texts as they are.

    Parameters
    ----------
    text : str
        Such as ``-0.02(0.01)*, -0.03(0.01)***``, per unit of time.
    horizon : str
        Such as ``36 months``.

    Examples
    --------
    >>> scale_text("-0.02(0.01)*", "36 months").replace(chr(0x2212), "-")
    '-0.72(0.36)* over 36 months (as printed, per month: -0.02(0.01)*)'
    >>> scale_text("p < 0.05", "36 months")
    'p < 0.05'
    """
    length, _, unit = horizon.partition(" ")

    def scale(match: re.Match[str]) -> str:
        estimate, error, stars = match.groups()
        number = float(estimate.replace("\N{MINUS SIGN}", "-"))
        return format_estimate_se(float(length) * number, float(length) * float(error), stars)

    scaled, count = _ESTIMATE.subn(scale, text)
    if not count:
        return text
    return use_minus_sign(f"{scaled} over {horizon} (as printed, per {unit.rstrip('s')}: {text})")
