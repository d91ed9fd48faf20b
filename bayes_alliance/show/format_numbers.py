"""Numbers as text: decimals, signs, intervals, p values, stars."""

from __future__ import annotations

import math
import re

from bayes_alliance.assess.summaries import Summary

INTERVAL_NAME = "95 % equal-tailed interval"
UNDEFINED = "undefined"
STAR_LIMITS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
_MAX_DECIMALS = 8


def count_decimals(error: float) -> int:
    """Count the decimals at which an error shows two significant digits.

    Parameters
    ----------
    error : float
        Standard error or SD; the rule for a number without one stands in :func:`format_number`.

    Examples
    --------
    >>> count_decimals(0.0123), count_decimals(0.0997), count_decimals(12.0)
    (3, 2, 0)
    """
    if not (math.isfinite(error) and error > 0.0):
        return 2
    decimals = _place(error, 2)
    # Rounding may carry into the next decade: 0.0997 shows as 0.10, not as 0.100.
    carried = round(error, decimals) if decimals > 0 else error
    return _place(carried, 2) if carried > 0.0 else decimals


def _place(value: float, digits: int) -> int:
    """Decimals that show ``value`` to ``digits`` significant digits, at least 0."""
    exponent = math.floor(math.log10(abs(value)) + 1e-12)
    return max(digits - 1 - exponent, 0)


def format_fixed(value: float, decimals: int) -> str:
    """Format with a fixed number of decimals; never a negative zero; words for what is not finite.

    More than eight decimals are written in scientific form, down to the same place.

    Examples
    --------
    >>> format_fixed(-0.001, 2), format_fixed(2.5e-9, 11), format_fixed(0.0, 11)
    ('0.00', '2.50e-9', '0')
    """
    if math.isnan(value):
        return UNDEFINED
    if decimals > _MAX_DECIMALS and math.isfinite(value):
        return _scientific(value, decimals)
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0.0 else text


def _scientific(value: float, decimals: int) -> str:
    """Write a small number as ``2.50e-9``, its last digit in the place of that many decimals."""
    if abs(value) < 0.5 * 10.0**-decimals:
        return "0"
    digits = math.floor(math.log10(abs(value))) + decimals
    mantissa, exponent = f"{value:.{max(digits, 0)}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def format_count(count: int, noun: str) -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> format_count(1, "check"), format_count(2, "check")
    ('1 check', '2 checks')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def format_number(value: float, error: float = math.nan) -> str:
    """Format a number by the rounding rule.

    Parameters
    ----------
    value : float
        The number.
    error : float
        Its standard error; without one the number gets three significant digits.

    Examples
    --------
    >>> format_number(0.02345, 0.0041), format_number(4532.234), format_number(0.0), format_number(3.2e-10)
    ('0.0234', '4532', '0', '3.20e-10')
    """
    if not math.isfinite(value):
        return UNDEFINED if math.isnan(value) else str(value)
    if math.isfinite(error) and error > 0.0:
        return format_fixed(value, count_decimals(error))
    return "0" if value == 0.0 else format_fixed(value, _place(value, 3))


def format_stars(p: float) -> str:
    """Return the stars of a p value: * below 0.05, ** below 0.01, *** below 0.001; none for NaN."""
    return next((stars for limit, stars in STAR_LIMITS if p < limit), "")


def format_estimate_se(estimate: float, se: float, stars: str = "") -> str:
    """Format an estimate as publications print it.

    Examples
    --------
    >>> format_estimate_se(-0.0302, 0.0098, "***")
    '-0.0302(0.0098)***'
    """
    if math.isnan(se):
        return f"{format_number(estimate)}{stars}"
    decimals = count_decimals(se)
    return f"{format_fixed(estimate, decimals)}({format_fixed(se, decimals)}){stars}"


def format_interval(median: float, lower: float, upper: float, sd: float) -> str:
    """Format a median and an interval to the decimals that the SD asks for."""
    decimals = count_decimals(sd)
    middle, low, high = (format_fixed(value, decimals) for value in (median, lower, upper))
    return f"{middle} [{low}, {high}]"


def format_summary(summary: Summary | None, *, scale: float = 1.0) -> str:
    """Format a posterior as median [lower, upper], 95 % equal-tailed; empty without a posterior.

    Parameters
    ----------
    summary : Summary or None
        What to format.
    scale : float
        Positive factor, such as the months of the study's horizon.
    """
    if summary is None:
        return ""
    median, lower, upper = (scale * v for v in (summary.median, summary.lower, summary.upper))
    return format_interval(median, lower, upper, scale * summary.sd)


def format_p(p: float) -> str:
    """Format a p value or a probability to three decimals, never as 0 or 1.

    Examples
    --------
    >>> format_p(0.0301), format_p(0.00002), format_p(1.0)
    ('0.030', '<0.001', '>0.999')
    """
    if math.isnan(p):
        return UNDEFINED
    if p < 0.001:
        return "<0.001"
    return ">0.999" if p > 0.999 else f"{p:.3f}"


def use_minus_sign(text: str) -> str:
    """Replace the hyphen before a number by a minus sign (U+2212)."""
    return re.sub(r"(?<![\w.])-(?=\.?\d)", "\N{MINUS SIGN}", text)
