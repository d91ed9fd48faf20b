r"""Verdict rules: from posterior probabilities to one of five words, the same for every claim.

A claim is about a quantity x in natural units (points, or points over the study's horizon), a reference value v
and the smallest difference that matters, δ, declared before any fit. In words:

*Sure* is what a 95 % equal-tailed interval would say, *likely* what an 80 % one would.

**That x lies above (below) v.** With d = x - v, or v - x for *below*:

* supported: sure that d > 0, and more likely than not that d > δ;
* weakened: likely that d > 0, but not sure, or the difference is probably too small to matter;
* contradicted: not even likely that d > 0, and sure that d < δ: it has the other sign or is too small to matter;
* not supported: anything else, that is, the data leave the claim open.

**That x is the same as v** (*did not differ*, *not significant*): with p = P(|x - v| < δ),

* supported: p at least 0.95; weakened: p at least 0.80; contradicted: p at most 0.05; not supported: anything else.

So a claim of no difference is not supported by a mere lack of significance. **Exceeds**, for quantities that cannot
be negative (SDs, shares of a variance), is *above* with v itself as the smallest size that matters, hence δ = 0.
**Untestable**: the source holds nothing that bears on the claim; the reason stands beside it.

A claim of several parts has the verdict of its worst part (``all``), or of its best (``any``), among the parts that
the source can test; how many these are stands beside it. For fixed spread, a verdict on *above* never falls when the
posterior moves up. The rule for no difference is that of Kruschke (2018,
doi:10.1177/2515245918771304) with an equal-tailed reading of 95 %. NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.inference.fits import Array

Relation = Literal["above", "below", "same", "exceeds"]
Combine = Literal["all", "any"]
SURE, LIKELY = 0.95, 0.80


class Verdict(StrEnum):
    """What becomes of a claim, best first; ``untestable`` stands outside of the order."""

    SUPPORTED = "supported"
    WEAKENED = "weakened"
    NOT_SUPPORTED = "not supported"
    CONTRADICTED = "contradicted"
    UNTESTABLE = "untestable"


ORDER = (Verdict.SUPPORTED, Verdict.WEAKENED, Verdict.NOT_SUPPORTED, Verdict.CONTRADICTED)


@dataclass(frozen=True, kw_only=True)
class Probabilities:
    """What a verdict looks at.

    Parameters
    ----------
    direction : float
        P(d > 0), d oriented as claimed; for *same*, of the more probable sign.
    matters : float
        P(d > δ); for *same*, P(|x - v| > δ).
    rope : float
        P(|x - v| < δ): the region of practical equivalence.
    effective : float
        Independent draws that these probabilities are worth; infinite where they are exact.
    """

    direction: float
    matters: float
    rope: float
    effective: float = math.inf


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A verdict with what it rests on.

    Parameters
    ----------
    verdict : Verdict
        The word.
    sure : float
        How sure: the probability of what is claimed, P(d > 0), or of no difference that matters.
    probabilities : Probabilities
        All of them.
    near_edge : bool
        Whether a limit lies within two Monte-Carlo standard errors, so that another seed might judge otherwise.
    """

    verdict: Verdict
    sure: float
    probabilities: Probabilities
    near_edge: bool


def probabilities(
    draws: Array,
    relation: Relation,
    *,
    value: float = 0.0,
    smallest: float = 0.0,
    weights: Array | None = None,
    effective: float | None = None,
) -> Probabilities:
    """Work the probabilities out of draws.

    Parameters
    ----------
    draws : ndarray
        Of the quantity, any shape.
    relation : {"above", "below", "same", "exceeds"}
        What is claimed.
    value, smallest : float
        v and δ, in the unit of the draws.
    weights : ndarray, optional
        Of the draws, summing to one; equal by default.
    effective : float, optional
        Independent draws that these are worth; their number by default.

    Returns
    -------
    Probabilities
    """
    flat = np.ravel(draws)
    share = np.full(flat.size, 1.0 / flat.size) if weights is None else np.ravel(weights)
    off = flat - value
    margin = 0.0 if relation == "exceeds" else smallest

    def mass(event: NDArray[np.bool_]) -> float:
        return float(np.clip(share @ event, 0.0, 1.0))

    inside = mass(np.abs(off) < margin)
    if relation == "same":
        up = mass(off > 0.0)
        direction, matters = max(up, 1.0 - up), 1.0 - inside
    else:
        oriented = -off if relation == "below" else off
        direction, matters = mass(oriented > 0.0), mass(oriented > margin)
    size = 1.0 / float(np.sum(share**2)) if effective is None else effective
    return Probabilities(direction=direction, matters=matters, rope=inside, effective=size)


def judge(relation: Relation, found: Probabilities) -> Judgement:
    """Judge one part of a claim by the rules of this module.

    Parameters
    ----------
    relation : {"above", "below", "same", "exceeds"}
        What is claimed.
    found : Probabilities
        Of :func:`probabilities`.

    Returns
    -------
    Judgement
    """
    limits: tuple[tuple[float, float], ...]
    if relation == "same":
        verdict, sure = _judge_same(found.rope), found.rope
        limits = ((found.rope, SURE), (found.rope, LIKELY), (found.rope, 1.0 - SURE))
    else:
        verdict, sure = _judge_direction(found), found.direction
        limits = (
            (found.direction, 0.5 + SURE / 2.0),
            (found.direction, 0.5 + LIKELY / 2.0),
            (found.matters, 0.5),
            (found.matters, 0.5 - SURE / 2.0),
        )
    near = any(_is_near(value, limit, found.effective) for value, limit in _at_stake(verdict, limits))
    return Judgement(verdict=verdict, sure=sure, probabilities=found, near_edge=near)


def _judge_direction(found: Probabilities) -> Verdict:
    if found.direction >= 0.5 + SURE / 2.0 and found.matters >= 0.5:
        return Verdict.SUPPORTED
    if found.direction >= 0.5 + LIKELY / 2.0:
        return Verdict.WEAKENED
    return Verdict.CONTRADICTED if found.matters <= 0.5 - SURE / 2.0 else Verdict.NOT_SUPPORTED


def _judge_same(rope: float) -> Verdict:
    if rope >= SURE:
        return Verdict.SUPPORTED
    if rope >= LIKELY:
        return Verdict.WEAKENED
    return Verdict.CONTRADICTED if rope <= 1.0 - SURE else Verdict.NOT_SUPPORTED


def _at_stake(verdict: Verdict, limits: tuple[tuple[float, float], ...]) -> Iterable[tuple[float, float]]:
    """Give the limits that another seed could carry a probability across with another verdict as the result."""
    if len(limits) == 3:
        return limits
    sure, likely, matters, nothing = limits
    return {
        Verdict.SUPPORTED: (sure, matters),
        Verdict.WEAKENED: (
            likely,
            *((sure,) if matters[0] >= 0.5 else (matters,) if sure[0] >= sure[1] else ()),
        ),
        Verdict.NOT_SUPPORTED: (likely, nothing),
        Verdict.CONTRADICTED: (likely, nothing),
    }[verdict]


def _is_near(value: float, limit: float, effective: float) -> bool:
    error = math.sqrt(limit * (1.0 - limit) / effective) if math.isfinite(effective) else 0.0
    return abs(value - limit) < 2.0 * error


def combine_verdicts(how: Combine, verdicts: Iterable[Verdict]) -> Verdict:
    """Combine the verdicts of a claim's parts: its worst for ``all``, its best for ``any``.

    Parts that cannot be tested are passed over, and whoever shows the result says how many were tested.

    Examples
    --------
    >>> combine_verdicts("all", [Verdict.SUPPORTED, Verdict.WEAKENED, Verdict.UNTESTABLE]).value
    'weakened'
    """
    ranked = sorted((v for v in verdicts if v in ORDER), key=ORDER.index)
    if not ranked:
        return Verdict.UNTESTABLE
    return ranked[-1] if how == "all" else ranked[0]


def is_worse(first: Verdict, second: Verdict) -> bool:
    """Say whether one verdict ranks below another; neither may be ``untestable``."""
    return ORDER.index(first) > ORDER.index(second)
