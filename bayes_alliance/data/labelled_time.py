"""Visits coded 1, 2, 3 whose labels are the times: codes that look like times and are none; the first of the times."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

import pandas as pd

from bayes_alliance.data.codes import canonical_code, clean_text, names_missing

_NUMBER = re.compile(r"(?<![\w.,])[+-]?\d+(?:[.,]\d+)?|(?<=[A-Za-z])\d+(?![\w.,])")
_START = re.compile(
    r"^(base ?line|pre|pre-?treatment|start|intake|inntak|oppstart|screening|t0|før)\b", re.IGNORECASE
)
# How many of one unit of time another one holds, roughly: labels may count weeks where codes count months.
_UNITS = (1.0, 4.0, 4.345, 7.0, 12.0, 30.0, 30.4, 52.0, 52.18, 365.0)


def times_of_labels(labels: Mapping[str, str], cells: Iterable[object]) -> dict[str, float]:
    """Read the times out of the labels of a column's codes, where the codes themselves are none.

    Parameters
    ----------
    labels : mapping of str to str
        Labels of codes.
    cells : iterable
        Of the column.

    Returns
    -------
    dict of str to float
        Time of each code; empty where labels hold no times, or the same as the codes.

    Examples
    --------
    >>> times_of_labels({"1": "Baseline", "2": "3 months", "3": "6 months"}, ["1", "2", "3"])
    {'1': 0.0, '2': 3.0, '3': 6.0}
    >>> times_of_labels({"0": "Baseline", "3": "3 months"}, ["0", "3"])
    {}
    """
    used = {canonical_code(cell) for cell in cells}
    found: dict[str, float] = {}
    for code, label in labels.items():
        text = clean_text(label)
        if canonical_code(code) not in used or names_missing(text):
            continue
        numbers = _NUMBER.findall(text)
        if len(numbers) == 1:
            found[canonical_code(code)] = float(numbers[0].replace(",", "."))
        elif not numbers and _START.search(text):
            found[canonical_code(code)] = 0.0
        else:
            return {}
    return {} if len(set(found.values())) < 2 or _agree(found) else found


def _agree(times: Mapping[str, float]) -> bool:
    """Whether the codes are the times of the labels, in the same unit or in another one."""
    try:
        pairs = [(float(code), time) for code, time in times.items()]
    except ValueError:
        return False
    if any((code == 0.0) != (time == 0.0) for code, time in pairs):
        return False
    ratios = [time / code for code, time in pairs if code]
    if max(ratios) - min(ratios) > 0.05 * abs(ratios[0]):
        return False
    return any(abs(r - unit) <= 0.03 * unit for unit in _UNITS for r in (ratios[0], 1.0 / ratios[0]))


def first_time(times: pd.Series, patients: pd.Series, *, fewest: int) -> float:
    """Return the first time, rounded down where it is that of few patients: a study file may be given away.

    Parameters
    ----------
    times, patients : pandas.Series
        Of each row.
    fewest : int
        Patients who share a time that is stated as it is.
    """
    first, last = float(times.min()), float(times.max())
    if last <= first or patients[times == first].nunique() >= fewest:
        return first
    digits = 2 - math.floor(math.log10(last - first))
    return math.floor(first * 10.0**digits) / 10.0**digits
