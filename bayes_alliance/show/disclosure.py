"""What may be given away: kinds of content, the smallest group described, and how far numbers are rounded.

docs/disclosure.md states the rules in words. Every table and figure says which kind of content it has; what says
nothing is not given away.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any

from bayes_alliance.study.records import Source

# Smallest number of patients that a published number may describe, unless a run says otherwise.
MIN_PATIENTS = 5
# Patients whose scores are averaged where scores are shown in the order of their size.
SCORE_GROUP = 10
# Digits of numbers computed from patients' data. Sums known to 16 digits can be solved for ratings on a grid.
SIGNIFICANT_DIGITS = 5
# Fewer where a number near zero, or a prior's width, would give a mean of the patients to more digits than it is shown.
_DIGITS = {
    **dict.fromkeys(("prior_mean", "prior_sd", "prior_patients", "prior_conflict_p"), 2),
    **dict.fromkeys(("p", "p_naive", "p_mixture"), 3),
}
# Differences keep the places of what they are the difference of, not its digits.
_DECIMALS = dict.fromkeys(("aic_diff", "shift_in_se", "statistic", "ml_same_rows"), 2)
# Rows for each step of a curve that sorts rows, so that no step is a single patient's.
ROWS_PER_STEP = 25


class Content(StrEnum):
    """What a table or figure holds."""

    PRINTED = "printed numbers"
    MODEL = "quantities of models"
    AGGREGATE = "aggregates over patients"
    UNSTATED = "unstated"


# What may leave the results folder. Nothing else may, whatever its file is called.
ALLOWED = frozenset({Content.PRINTED, Content.MODEL, Content.AGGREGATE})


def smallest_group(source: Source, asked: int | None = None) -> int:
    """Return the smallest number of patients that outputs may describe.

    Parameters
    ----------
    source : Source
        Of the rows.
    asked : int, optional
        What the user asked for; by default 5 for real data, and no limit for synthetic rows.

    Examples
    --------
    >>> smallest_group(Source.REAL), smallest_group(Source.SYNTHETIC), smallest_group(Source.REAL, 10)
    (5, 0, 10)
    """
    if asked is not None:
        return asked
    return MIN_PATIENTS if source is Source.REAL else 0


def round_significant(value: float, digits: int = SIGNIFICANT_DIGITS) -> float:
    """Round a number to significant digits; what is not finite stays.

    Examples
    --------
    >>> round_significant(1234.5678), round_significant(-0.000123456), round_significant(0.0)
    (1234.6, -0.00012346, 0.0)
    """
    return float(f"{value:.{digits - 1}e}") if math.isfinite(value) else value


def round_to_tens(count: int) -> int:
    """Round a count that another count could be taken from.

    Examples
    --------
    >>> round_to_tens(64), round_to_tens(5)
    (60, 10)
    """
    return max(10, 10 * round(count / 10))


def round_published(name: str, value: Any) -> Any:
    """Round what stands under a name in a table or a figure's numbers; words and counts stay.

    Examples
    --------
    >>> round_published("aic", 599.78231), round_published("aic_diff", 0.0123456), round_published("n_rows", 263)
    (599.78, 0.01, 263)
    """
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    if name in _DECIMALS:
        return round(value, _DECIMALS[name])
    return round_significant(value, _DIGITS.get(name, SIGNIFICANT_DIGITS))
