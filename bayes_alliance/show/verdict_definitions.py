"""What each verdict means, and what overturns or changes one: the one wording that pages, tables and texts share.

The limits are those of :mod:`bayes_alliance.assess.verdict_rules`.
"""

from __future__ import annotations

from bayes_alliance.assess.verdict_rules import LIKELY, REPORT_LIMITS, SAME_LIKELY, SAME_SURE, SURE
from bayes_alliance.assess.verdict_words import Verdict

# Of a claim that something lies above or below a value, which nearly all are.
DEFINITIONS: tuple[tuple[Verdict, str], ...] = (
    (
        Verdict.SUPPORTED,
        f"the direction claimed has probability {SURE:g} or more, and a size beyond the smallest difference that "
        "matters probability 0.5 or more",
    ),
    (
        Verdict.LIKELY,
        f"the direction claimed has probability {LIKELY:g} or more, but the above does not hold",
    ),
    (
        Verdict.TOO_SMALL,
        f"a size below the smallest difference that matters has probability {SAME_SURE:g} or more",
    ),
    (Verdict.CONTRADICTED, f"the opposite direction has probability {SURE:g} or more"),
    (Verdict.UNDECIDED, "anything else"),
    (Verdict.NOT_APPLICABLE, "the source holds nothing that tests the claim"),
)
OTHER_CLAIMS = (
    "A claim of no difference is supported where a difference below the smallest that matters has probability "
    f"{SAME_SURE:g} or more, likely at {SAME_LIKELY:g} or more, and contradicted where a larger one in either "
    f"direction has probability {SURE:g} or more. A report of “not significant” is judged by whether it is reproduced: "
    f"by a two-sided tail probability above {REPORT_LIMITS[0]:g} (supported), {REPORT_LIMITS[1]:g} (likely) or "
    f"{REPORT_LIMITS[2]:g} (undecided)."
)
PARTS = (
    "A claim of several parts is judged by the probability that all of them hold at once, which is lower than that of "
    "each by itself: so three parts that are each supported may together be likely only. With results of different "
    "models it is known to be at least one minus the sum of the parts’ doubts (Bonferroni)."
)
OVERTURNED = (
    f"Overturned: with this one assumption changed, the finding is no longer {Verdict.SUPPORTED} or "
    f"{Verdict.LIKELY}. Of each kind of assumption the mildest that does so is named; the claim’s card has all."
)
FIRST_CHANGE = (
    "First change: the mildest single departure from the main analysis that gives the claim another verdict, be it "
    f"only {Verdict.LIKELY} in the place of {Verdict.SUPPORTED}. Departures are tried in a fixed order from mild to "
    "strong."
)


def define_verdicts() -> str:
    """Return the meaning of every verdict in one paragraph."""
    said = "; ".join(f"{verdict.value}: {text}" for verdict, text in DEFINITIONS)
    return f"{said[:1].upper()}{said[1:]}. {OTHER_CLAIMS} {PARTS}"
