"""The words for a verdict and their order.

Standard library only.
"""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """What becomes of a claim, best first; ``not applicable`` stands outside of the order."""

    SUPPORTED = "supported"
    LIKELY = "likely"
    UNDECIDED = "undecided"
    TOO_SMALL = "too small to matter"
    CONTRADICTED = "contradicted"
    NOT_APPLICABLE = "not applicable"


ORDER = (Verdict.SUPPORTED, Verdict.LIKELY, Verdict.UNDECIDED, Verdict.TOO_SMALL, Verdict.CONTRADICTED)
_STEP = {
    Verdict.SUPPORTED: 0,
    Verdict.LIKELY: 1,
    Verdict.UNDECIDED: 2,
    Verdict.TOO_SMALL: 2,
    Verdict.CONTRADICTED: 3,
}


def is_worse(first: Verdict, second: Verdict) -> bool:
    """Whether one verdict is a step or more below another; neither may be ``not applicable``."""
    return _STEP[first] > _STEP[second]
