r"""Verdict rules: from posterior probabilities to one of five words, the same for claims, simulation and stress tests.

A claim is about a quantity x in natural units (points, or points over the study's horizon), a reference value v and
the smallest difference that matters, δ, declared before any fit. *Sure* of a direction means that it has probability
0.975 or more, *likely* 0.90 or more. In words:

**x lies above (below) v.** With d = x - v, or v - x for *below*:

* supported: sure that d > 0, and more likely than not that d > δ;
* contradicted: sure that d < 0;
* too small to matter: sure that -δ < d < δ;
* likely: likely that d > 0, or sure of it with d probably below δ;
* undecided: anything else.

**x does not differ from v** (*did not differ*). With p = P(-δ < d < δ): supported where p is at least 0.95, likely at
least 0.80, contradicted where one is sure that d > δ or sure that d < -δ, else undecided.

**x was not significant** is a report, not a claim of equality; what is judged is whether the report is reproduced. With
p the two-sided tail probability of the posterior at v, which is the p value where priors are wide: supported above 0.1,
likely above 0.05, undecided above 0.01, else contradicted.

**x exceeds v**, for quantities that cannot be negative, is *above* with δ = 0. **Not applicable**: the source was never
asked, or holds nothing that bears on the claim.

Verdicts have no cliff: a small change of a posterior changes the verdict by at most one step of *supported*, *likely*,
*undecided* or *too small to matter*, *contradicted*.

A claim of which **all** parts must hold is judged by the probability that they hold together. Parts of different
models have no joint posterior, so the bound of Bonferroni stands for it, :math:`P(all) \ge 1 - \sum_i (1 - p_i)`:
the doubts of the parts add up. It is contradicted, or too small to matter, where one part is. A claim of which
**any** part may hold is as good as its best part. The rule for no difference is that of Kruschke (2018,
doi:10.1177/2515245918771304) with an equal-tailed reading of 95 %. NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.assess.verdict_words import ORDER, Verdict
from bayes_alliance.inference.fits import Array

Relation = Literal["above", "below", "same", "exceeds", "not_significant"]
Combine = Literal["all", "any"]
SURE, LIKELY = 0.975, 0.90  # one-sided
SAME_SURE, SAME_LIKELY = 0.95, 0.80  # two-sided
REPORT_LIMITS = (0.1, 0.05, 0.01)


@dataclass(frozen=True, kw_only=True)
class Probabilities:
    """What a verdict looks at.

    Parameters
    ----------
    direction : float
        P(d > 0), d oriented as claimed; for *same* and *not_significant*, of the more probable sign.
    matters : float
        P(d > δ); for *same* and *not_significant*, in the more probable of the two directions.
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
    relation : Relation
        What was claimed.
    sure : float
        How sure: the probability of what is claimed, P(d > 0), or of no difference that matters; for a report its
        tail probability.
    probabilities : Probabilities
        All of them.
    near_edge : bool
        Whether a limit lies within two Monte-Carlo standard errors, so that another seed might judge otherwise.
    """

    verdict: Verdict
    relation: Relation
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
    relation : {"above", "below", "same", "exceeds", "not_significant"}
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

    if relation in ("same", "not_significant"):
        up = mass(off > 0.0)
        direction = max(up, 1.0 - up)
        matters = max(mass(off > margin), mass(off < -margin))
    else:
        oriented = -off if relation == "below" else off
        direction, matters = mass(oriented > 0.0), mass(oriented > margin)
    size = 1.0 / float(np.sum(share**2)) if effective is None else effective
    return Probabilities(
        direction=direction, matters=matters, rope=mass(np.abs(off) < margin), effective=size
    )


def interval_probabilities(
    estimate: Array, se: Array, relation: Relation, *, value: float = 0.0, smallest: float = 0.0
) -> list[Probabilities]:
    """Return the probabilities that Normal posteriors give, one for each estimate with its SE (or posterior SD)."""
    from scipy.special import ndtr

    margin = 0.0 if relation == "exceeds" else smallest
    sign = -1.0 if relation == "below" else 1.0
    z = sign * (np.asarray(estimate, dtype=float) - value) / se
    beyond = margin / np.asarray(se, dtype=float)
    direction, matters, rope = ndtr(z), ndtr(z - beyond), ndtr(z + beyond) - ndtr(z - beyond)
    if relation in ("same", "not_significant"):
        direction = np.maximum(direction, 1.0 - direction)
        matters = np.maximum(matters, ndtr(-z - beyond))
    return [
        Probabilities(direction=float(d), matters=float(m), rope=float(r))
        for d, m, r in zip(direction.ravel(), matters.ravel(), np.maximum(rope, 0.0).ravel(), strict=True)
    ]


def judge(relation: Relation, found: Probabilities) -> Judgement:
    """Judge one part of a claim by the rules of this module.

    Parameters
    ----------
    relation : {"above", "below", "same", "exceeds", "not_significant"}
        What is claimed.
    found : Probabilities
        Of :func:`probabilities`.

    Returns
    -------
    Judgement
    """
    verdict = _word(relation, found)
    if relation == "same":
        sure = found.rope
    elif relation == "not_significant":
        sure = 2.0 * (1.0 - found.direction)
    else:
        sure = found.direction
    return Judgement(
        verdict=verdict,
        relation=relation,
        sure=sure,
        probabilities=found,
        near_edge=_near_edge(relation, found, verdict),
    )


def _word(relation: Relation, found: Probabilities) -> Verdict:
    if relation == "same":
        return _judge_same(found)
    if relation == "not_significant":
        return _judge_report(2.0 * (1.0 - found.direction))
    return _judge_direction(found)


def _judge_direction(found: Probabilities) -> Verdict:
    if found.direction >= SURE and found.matters >= 0.5:
        return Verdict.SUPPORTED
    if found.direction <= 1.0 - SURE:
        return Verdict.CONTRADICTED
    if found.rope >= SAME_SURE:
        return Verdict.TOO_SMALL
    return Verdict.LIKELY if found.direction >= LIKELY else Verdict.UNDECIDED


def _judge_same(found: Probabilities) -> Verdict:
    if found.rope >= SAME_SURE:
        return Verdict.SUPPORTED
    if found.rope >= SAME_LIKELY:
        return Verdict.LIKELY
    return Verdict.CONTRADICTED if found.matters >= SURE else Verdict.UNDECIDED


def _judge_report(tail: float) -> Verdict:
    words = (Verdict.SUPPORTED, Verdict.LIKELY, Verdict.UNDECIDED)
    reached = (word for word, limit in zip(words, REPORT_LIMITS, strict=True) if tail > limit)
    return next(reached, Verdict.CONTRADICTED)


def _near_edge(relation: Relation, found: Probabilities, verdict: Verdict) -> bool:
    """Whether moving one probability by two Monte-Carlo errors to either side would change the word."""
    if not math.isfinite(found.effective):
        return False
    for name in ("direction", "matters", "rope"):
        value = getattr(found, name)
        error = math.sqrt(max(value * (1.0 - value), 1.0 / found.effective) / found.effective)
        for moved in (value - 2.0 * error, value + 2.0 * error):
            near = Probabilities(
                **{
                    "direction": found.direction,
                    "matters": found.matters,
                    "rope": found.rope,
                    name: min(max(moved, 0.0), 1.0),
                }
            )
            if _word(relation, near) is not verdict:
                return True
    return False


def combine_judgements(how: Combine, judgements: Iterable[Judgement | None]) -> Verdict:
    """Judge a claim by its parts together.

    Parts that cannot be judged (None) are passed over, and whoever shows the result says how many were judged.

    Parameters
    ----------
    how : {"all", "any"}
        Whether all parts must hold, or any.
    judgements : iterable of Judgement or None
        Of the parts.

    Returns
    -------
    Verdict

    Examples
    --------
    Two parts at 0.98 are each sure, but not both together:

    >>> part = judge("above", Probabilities(direction=0.98, matters=0.9, rope=0.05))
    >>> combine_judgements("all", [part]).value, combine_judgements("all", [part, part]).value
    ('supported', 'likely')
    """
    parts = [one for one in judgements if one is not None]
    if not parts:
        return Verdict.NOT_APPLICABLE
    ranked = sorted((one.verdict for one in parts), key=ORDER.index)
    if how == "any":
        return ranked[0]
    worst = ranked[-1]
    if worst in (Verdict.CONTRADICTED, Verdict.TOO_SMALL, Verdict.UNDECIDED):
        return worst
    sure, likely, matters = (sum(doubts) for doubts in zip(*map(_doubts, parts), strict=True))
    if worst is Verdict.SUPPORTED and sure <= 1.0 and matters <= 1.0:
        return Verdict.SUPPORTED
    return Verdict.LIKELY if likely <= 1.0 else Verdict.UNDECIDED


_ROUNDING = 1e-9


def _doubts(part: Judgement) -> tuple[float, float, float]:
    """Doubt of a part as a share of what *sure*, *likely* and *more likely than not* allow.

    Reports are facts about a fit rather than probabilities of a claim, and add no doubt.
    """
    found = part.probabilities
    if part.relation == "not_significant":
        return 0.0, 0.0, 0.0
    slack = 1.0 - _ROUNDING
    if part.relation == "same":
        doubt = (1.0 - found.rope) * slack
        return doubt / (1.0 - SAME_SURE), doubt / (1.0 - SAME_LIKELY), 0.0
    doubt = (1.0 - found.direction) * slack
    return doubt / (1.0 - SURE), doubt / (1.0 - LIKELY), (1.0 - found.matters) * slack / 0.5


def joint_probability(judgements: Sequence[Judgement]) -> float:
    """Return the least probability that all parts hold, by Bonferroni; NaN without parts that have one."""
    held = [one.sure for one in judgements if one.relation != "not_significant"]
    return max(0.0, 1.0 - sum(1.0 - p for p in held)) if held else math.nan
