r"""Claims judged on the mixture of posteriors over all synthetic cohorts, cohorts weighing alike.

Probabilities of a mixture are the means of the cohorts' probabilities, so a verdict on the mixture follows from theirs
exactly; median and interval are those of the mixture of normals with each cohort's median and width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayes_alliance.assess.mixture import pool_moments
from bayes_alliance.assess.verdict_rules import Judgement, Probabilities, judge
from bayes_alliance.claims.ledger import Claim, Ledger, Part
from bayes_alliance.claims.results import ClaimResult, PartResult, combine
from bayes_alliance.study.records import Source

_Z = 1.959963984540054
_SIGNED = ("same", "not_significant")


def mix_claims(
    ledger: Ledger, cohorts: Sequence[tuple[str, Sequence[ClaimResult]]]
) -> tuple[ClaimResult, ...]:
    """Judge every claim on the mixture over cohorts.

    Parameters
    ----------
    ledger : Ledger
        Claims, in order.
    cohorts : sequence of (str, sequence of ClaimResult)
        Results of every cohort, in the order of the ledger.

    Returns
    -------
    tuple of ClaimResult
        Empty without cohorts. A part that any cohort cannot test is not tested here.
    """
    if not cohorts:
        return ()
    origin = f"mixture of {len(cohorts)} cohorts"
    found = []
    for i, claim in enumerate(ledger.claims):
        parts = [
            _mix_part(claim, part, [own[i].parts[j] for _, own in cohorts], origin)
            for j, part in enumerate(claim.parts)
        ]
        found.append(combine(claim, parts, source=Source.SYNTHETIC, origin=origin))
    return tuple(found)


def _mix_part(claim: Claim, part: Part, results: Sequence[PartResult], origin: str) -> PartResult:
    judged = [result.judgement for result in results if result.judgement is not None]
    named = {"claim_id": claim.id, "part_id": part.id, "source": Source.SYNTHETIC, "origin": origin}
    if len(judged) < len(results):
        reason = next(result.reason for result in results if result.judgement is None)
        return PartResult(**named, judgement=None, reason=reason)  # type: ignore[arg-type]
    pooled = mix_probabilities(part, results, judged)
    middle = [result.median for result in results]
    widths = [(result.upper - result.lower) / (2.0 * _Z) for result in results]
    whole = pool_moments(middle, widths) if min(widths) > 0.0 else None
    numbers = (
        {"median": whole.median, "lower": whole.lower, "upper": whole.upper} if whole is not None else {}
    )
    return PartResult(**named, judgement=judge(part.relation, pooled), **numbers)  # type: ignore[arg-type]


def mix_probabilities(
    part: Part,
    results: Sequence[PartResult],
    judged: Sequence[Judgement],
    weights: Sequence[float] | None = None,
) -> Probabilities:
    """Average the probabilities of a part over cohorts, or over readings by their weights.

    Parameters
    ----------
    part : Part
        What is claimed.
    results, judged : sequence
        One a cohort, in one order.
    weights : sequence of float, optional
        Of each; alike without.

    Returns
    -------
    Probabilities
        Where direction and size are those of the more probable sign, which may differ between cohorts, the signs are
        set right before averaging.
    """
    chances = [one.probabilities for one in judged]
    rope = float(np.average([one.rope for one in chances], weights=weights))
    effective = float(np.sum([one.effective for one in chances]))
    if part.relation not in _SIGNED:
        return Probabilities(
            direction=float(np.average([one.direction for one in chances], weights=weights)),
            matters=float(np.average([one.matters for one in chances], weights=weights)),
            rope=rope,
            effective=effective,
        )
    ups = [result.median >= part.value for result in results]
    above = np.average(
        [p.direction if up else 1.0 - p.direction for p, up in zip(chances, ups, strict=True)],
        weights=weights,
    )
    beyond = np.average(
        [p.matters if up else 1.0 - p.rope - p.matters for p, up in zip(chances, ups, strict=True)],
        weights=weights,
    )
    up = above >= 0.5
    return Probabilities(
        direction=float(above if up else 1.0 - above),
        matters=float(beyond if up else max(1.0 - rope - beyond, 0.0)),
        rope=rope,
        effective=effective,
    )
