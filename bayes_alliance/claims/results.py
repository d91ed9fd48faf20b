"""What becomes of a claim: verdicts of its parts and of the whole, with the traces behind them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bayes_alliance.assess.verdict_rules import Judgement, combine_judgements, joint_probability
from bayes_alliance.assess.verdict_words import ORDER, Verdict
from bayes_alliance.claims.ledger import Claim
from bayes_alliance.study.records import Source


@dataclass(frozen=True, kw_only=True)
class Trace:
    """How to make the draws behind a verdict again.

    Parameters
    ----------
    engine : str
        ``collapsed``, ``conjugate`` (patients' shares and means) or ``cell`` (the posterior of a printed cell).
    models, digests : tuple of str
        Ids of the models, and the SHA-256 of the rows of each; for printed numbers, what is printed.
    seeds : tuple of int
        Of each fit.
    prior, covariance : str
        Name of the prior (set or variant); type of the random effects' covariance.
    n_draws : int
        Draws that the probabilities were counted over.
    effective : float
        How many independent ones they are worth.
    n_patients, n_rows : int
        Behind the first model.
    pareto_k : float
        Largest of the fits; NaN where there is none.
    """

    engine: str
    models: tuple[str, ...]
    digests: tuple[str, ...]
    seeds: tuple[int, ...]
    prior: str
    covariance: str
    n_draws: int
    effective: float
    n_patients: int = 0
    n_rows: int = 0
    pareto_k: float = math.nan


@dataclass(frozen=True, kw_only=True)
class PartResult:
    """A part of a claim, judged in one source.

    Parameters
    ----------
    claim_id, part_id : str
        Which.
    source, origin : Source, str
        Printed, real data or synthetic; and which.
    judgement : Judgement or None
        None where the source cannot tell.
    reason : str
        Then why; a remark on how far to trust the source otherwise.
    median, lower, upper : float
        Of the quantity in the part's unit, 95 % equal-tailed; NaN without a judgement.
    trace : Trace or None
        Of the draws.
    """

    claim_id: str
    part_id: str
    source: Source
    origin: str
    judgement: Judgement | None
    reason: str = ""
    median: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    trace: Trace | None = None

    @property
    def verdict(self) -> Verdict:
        """The word."""
        return Verdict.NOT_APPLICABLE if self.judgement is None else self.judgement.verdict


@dataclass(frozen=True, kw_only=True)
class ClaimResult:
    """A claim, judged in one source: the verdict of its parts together.

    Parameters
    ----------
    verdict : Verdict
        Of the parts that can be judged, together.
    sure : float
        How sure at least that all parts (or any) hold: Bonferroni's bound, or the surest part; for reports, whose
        parts are reproduced or not, the least tail probability. NaN where not applicable.
    parts : tuple of PartResult
        In the order of the claim.
    reason : str
        Why it is not applicable, if it is.
    """

    claim_id: str
    source: Source
    origin: str
    verdict: Verdict
    sure: float
    parts: tuple[PartResult, ...]
    reason: str = ""

    @property
    def n_tested(self) -> int:
        """Parts that the source can test."""
        return sum(part.judgement is not None for part in self.parts)

    @property
    def near_edge(self) -> bool:
        """Whether a part that decides lies within two Monte-Carlo errors of a limit."""
        return any(
            p.judgement is not None and p.judgement.near_edge and p.verdict == self.verdict
            for p in self.parts
        )


def _joint_sureness(claim: Claim, judged: Sequence[Judgement]) -> float:
    """Return the least probability that the parts hold as the claim needs them."""
    if not judged:
        return math.nan
    if claim.combine == "any":
        return max(one.sure for one in judged)
    lower = joint_probability(judged)
    return min(one.sure for one in judged) if math.isnan(lower) else lower


def combine(claim: Claim, parts: Sequence[PartResult], *, source: Source, origin: str) -> ClaimResult:
    """Put the parts of a claim together."""
    judged = [part.judgement for part in parts if part.judgement is not None]
    verdict = combine_judgements(claim.combine, judged)
    reasons = dict.fromkeys(part.reason for part in parts if part.judgement is None)
    return ClaimResult(
        claim_id=claim.id,
        source=source,
        origin=origin,
        verdict=verdict,
        sure=_joint_sureness(claim, judged),
        parts=tuple(parts),
        reason=(claim.untestable or "; ".join(reasons)) if verdict is Verdict.NOT_APPLICABLE else "",
    )


def spread_of(results: Sequence[tuple[str, tuple[ClaimResult, ...]]], claim_id: str) -> Counter[Verdict]:
    """Count the verdicts on a claim over cohorts."""
    return Counter(r.verdict for _, own in results for r in own if r.claim_id == claim_id)


def commonest(counts: Mapping[Verdict, int]) -> Verdict:
    """Return the most frequent verdict, of equally frequent ones the worse."""
    order = (Verdict.NOT_APPLICABLE, *ORDER)
    return max(counts, key=lambda v: (counts[v], order.index(v))) if counts else Verdict.NOT_APPLICABLE
