"""In which steps a printed mean's values go, by what the study says of it.

Whether a sum over patients can give a printed mean can be tested only where the values are known to be whole
numbers, or means of a number of items. Nothing is concluded of a measure that says neither.
"""

from __future__ import annotations

import re
from fractions import Fraction

_ITEMS = re.compile(r"\b([1-9][0-9]{0,2})[- ]items?\b", re.IGNORECASE)
_SUM = re.compile(r"\b(?:sum|total)\b", re.IGNORECASE)
_WHOLE = re.compile(r"\b(?:whole numbers?|integers?|counts?|number of|how many)\b", re.IGNORECASE)
_CONTINUOUS = re.compile(r"\b(?:continuous|decimals?|z[- ]?scores?|no steps)\b", re.IGNORECASE)


def step_of(*texts: str) -> Fraction | None:
    """Return the step of a measure; 0 for a continuous one, None where the texts do not tell.

    Examples
    --------
    >>> step_of("mean of 12 items"), step_of("sum of 9 items"), step_of("age in years with decimals"), step_of("age")
    (Fraction(1, 12), Fraction(1, 1), Fraction(0, 1), None)
    """
    said = " ".join(texts)
    if _CONTINUOUS.search(said):
        return Fraction(0)
    items = _ITEMS.search(said)
    if items:
        return Fraction(1) if _SUM.search(said) else Fraction(1, int(items[1]))
    return Fraction(1) if _WHOLE.search(said) else None
