"""Why a claim of several parts has its verdict: what its parts are by themselves, and how probable all of them are.

Made by fixed rules from the machine-readable claims (:mod:`bayes_alliance.show.claims_json`), which follow the rules of
:mod:`bayes_alliance.assess.verdict_rules`; nothing is judged here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bayes_alliance.assess.verdict_rules import LIKELY, SAME_LIKELY, SAME_SURE, SURE
from bayes_alliance.assess.verdict_words import ORDER, Verdict

Facts = Mapping[str, Any]
_TESTED = frozenset(verdict.value for verdict in ORDER)
_HOLDING = frozenset(verdict.value for verdict in ORDER[:2])
_REPORT, _SAME = "not_significant", "same"
# More names than these are counted instead.
_MAX_NAMES = 4


def explain_parts(result: Facts, combine: str = "all") -> str:
    """Return in a sentence how the verdict of a claim of several parts follows from them; empty with one part.

    Parameters
    ----------
    result : mapping
        What one source says of a claim, of :func:`bayes_alliance.show.claims_json.result_json`.
    combine : {"all", "any"}
        Whether all parts must hold, or any.

    Returns
    -------
    str
        Such as ``Each of the 3 parts is supported by itself. The probability that all 3 hold at once is at least 0.930;
        “supported” requires at least 0.975.``
    """
    parts = [part for part in result["parts"] if part["verdict"] in _TESTED]
    verdict = str(result["verdict"])
    if len(parts) < 2 or verdict not in _TESTED:
        return ""
    tested = "" if len(parts) == len(result["parts"]) else " tested"
    many = f"{len(parts)} parts{tested}"
    if combine == "any":
        return f"One of the {many} is enough: the best is {verdict}."
    if verdict not in _HOLDING and any(part["verdict"] == verdict for part in parts):
        named = [str(part["about"]) for part in parts if part["verdict"] == verdict]
        return f"All of the {many} must hold: {_name(named)} {'is' if len(named) == 1 else 'are'} {verdict}."
    counts = Counter(str(part["verdict"]) for part in parts)
    if len(counts) == 1:
        alone = f"Each of the {many} is {next(iter(counts))} by itself"
    else:
        ordered = [name.value for name in ORDER if name.value in counts]
        alone = (
            f"Of the {many}, {' and '.join(f'{counts[name]} are {name}' for name in ordered)} by themselves"
        )
        alone = alone.replace(" 1 are ", " 1 is ")
    together = _say_together(result, parts, verdict)
    return f"{alone}. {together}." if together else f"{alone}."


def _name(names: Sequence[str]) -> str:
    if len(names) > _MAX_NAMES or len(set(names)) < len(names):
        return f"{len(names)} of them" if len(names) > 1 else names[0]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _say_together(result: Facts, parts: Sequence[Facts], verdict: str) -> str:
    """Return how probable all parts are together, and what that falls short of."""
    probable = [part for part in parts if part.get("relation") != _REPORT]
    joint = result.get("sure")
    if len(probable) < 2 or not isinstance(joint, int | float) or not math.isfinite(joint):
        return ""
    said = f"The probability that all {len(probable)} hold at once is at least {floor_chance(float(joint))}"
    kinds = {part.get("relation") == _SAME for part in probable}
    if len(kinds) > 1:
        return said
    sure, likely = (SAME_SURE, SAME_LIKELY) if kinds == {True} else (SURE, LIKELY)
    if verdict == Verdict.UNDECIDED and joint < likely:
        return f"{said}; “{Verdict.LIKELY}” requires at least {likely:g}"
    if verdict != Verdict.LIKELY or any(part["verdict"] != Verdict.SUPPORTED for part in probable):
        return said
    if joint < sure:
        return f"{said}; “{Verdict.SUPPORTED}” requires at least {sure:g}"
    return f"{said}, but that all are large enough to matter has at least {floor_chance(_all_matter(probable))} only"


def _all_matter(parts: Sequence[Facts]) -> float:
    """Return the least probability that every part is beyond the smallest difference that matters."""
    chances = [part.get("p_matters") for part in parts]
    return max(0.0, 1.0 - sum(1.0 - float(p) for p in chances if isinstance(p, int | float)))


def floor_chance(chance: float) -> str:
    """Return a lower bound to three decimals, rounded down so that it remains one.

    Examples
    --------
    >>> floor_chance(0.97499), floor_chance(1.0), floor_chance(0.93)
    ('0.974', '0.999', '0.930')
    """
    return f"{min(math.floor(chance * 1000.0 + 1e-9), 999) / 1000.0:.3f}"
