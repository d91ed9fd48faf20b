"""The first assumption that would change a verdict: every departure from the base analysis, from mild to strong.

A challenge is a claim's verdict under one thing changed. Those of this package come from the other synthetic cohorts,
the prior suite, single choices of the multiverse and the removal of patients; other stress tests join in through the
same record, or by :func:`from_draws`. *First* is by the fixed order of families below, and within a family by the order
in which its challenges were declared: what nobody can rule out comes before what few would believe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from bayes_alliance.assess.verdict_rules import Judgement, combine_judgements, judge, probabilities
from bayes_alliance.assess.verdict_words import Verdict
from bayes_alliance.claims.ledger import Ledger, Part
from bayes_alliance.claims.multiverse_results import SpecificationVerdict
from bayes_alliance.claims.results import ClaimResult
from bayes_alliance.inference.fits import Array

# From mild to strong: a handful of patients; what a colleague might have chosen; what the model takes for granted; what
# somebody might believe. Another cohort comes last: it is no assumption, and its verdicts stand in a column already.
Family = Literal[
    "patients",
    "covariance",
    "sd_prior",
    "coding",
    "reading",
    "likelihood",
    "joint",
    "missing",
    "conditioning",
    "prior",
    "cohort",
]
FAMILIES: tuple[Family, ...] = get_args(Family)
FAMILY_LABELS: dict[Family, str] = {
    "patients": "single patients",
    "covariance": "covariance of the random effects",
    "sd_prior": "priors of SDs and correlation",
    "coding": "coding of the data",
    "reading": "reading of the publication",
    "likelihood": "distribution of the scores",
    "joint": "joint model of the outcomes",
    "missing": "missing scores",
    "conditioning": "subgroups defined by end scores",
    "prior": "priors for change",
    "cohort": "what was not printed (another synthetic cohort)",
}
FEW_PATIENTS = 5
TESTS: dict[str, Family] = {
    "likelihood": "likelihood",
    "joint": "joint",
    "pattern_mixture": "missing",
    "delta": "missing",
    "shared_parameter": "missing",
    "conditioning": "conditioning",
}


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """A claim under one departure from the base analysis.

    Parameters
    ----------
    claim_id : str
        Which.
    family : str
        Kind of departure, one of ``FAMILIES``.
    name : str
        Key of the departure within its family.
    says : str
        The departure in a few words.
    verdict : Verdict
        Under it.
    """

    claim_id: str
    family: Family
    name: str
    says: str
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Change:
    """What would change the verdict on a claim.

    Parameters
    ----------
    claim_id : str
        Which.
    verdict : Verdict
        Of the base analysis.
    first : Challenge or None
        The mildest departure with another verdict; None where none was found, or the claim cannot be tested.
    changing, kept : tuple of Challenge
        All departures with another verdict, and those without, from mild to strong.
    not_tested : tuple of Challenge
        Departures under which the claim cannot be tested.
    """

    claim_id: str
    verdict: Verdict
    first: Challenge | None
    changing: tuple[Challenge, ...]
    kept: tuple[Challenge, ...]
    not_tested: tuple[Challenge, ...]


def find_changes(
    ledger: Ledger, base: Sequence[ClaimResult], challenges: Iterable[Challenge]
) -> tuple[Change, ...]:
    """Find what changes each claim's verdict.

    Parameters
    ----------
    ledger : Ledger
        Claims, in order.
    base : sequence of ClaimResult
        Verdicts of the base analysis, one a claim.
    challenges : iterable of Challenge
        In the order of declaration within each family.

    Returns
    -------
    tuple of Change
    """
    verdicts = {result.claim_id: result.verdict for result in base}
    by_claim: dict[str, list[Challenge]] = {}
    for challenge in challenges:
        by_claim.setdefault(challenge.claim_id, []).append(challenge)
    found = []
    for claim in ledger.claims:
        own = sorted(by_claim.get(claim.id, []), key=lambda c: FAMILIES.index(c.family))
        verdict = verdicts.get(claim.id, Verdict.NOT_APPLICABLE)
        testable = verdict is not Verdict.NOT_APPLICABLE
        tested = [c for c in own if c.verdict is not Verdict.NOT_APPLICABLE]
        changing = tuple(c for c in tested if testable and c.verdict is not verdict)
        found.append(
            Change(
                claim_id=claim.id,
                verdict=verdict,
                first=changing[0] if changing else None,
                changing=changing,
                kept=tuple(c for c in tested if c not in changing),
                not_tested=tuple(c for c in own if c.verdict is Verdict.NOT_APPLICABLE),
            )
        )
    return tuple(found)


def from_results(results: Sequence[ClaimResult], *, family: Family, name: str, says: str) -> list[Challenge]:
    """Turn the results of one departure into challenges."""
    return [
        Challenge(claim_id=result.claim_id, family=family, name=name, says=says, verdict=result.verdict)
        for result in results
    ]


def from_multiverse(
    verdicts: Sequence[SpecificationVerdict], labels: dict[tuple[str, str], str]
) -> list[Challenge]:
    """Turn the specifications that depart in a single choice of coding or covariance into challenges.

    Parameters
    ----------
    verdicts : sequence of SpecificationVerdict
        Of the first set of rows.
    labels : dict
        Words by axis and option.
    """
    found = []
    for one in verdicts:
        if len(one.departures) != 1 or one.departures[0] == "prior":
            continue  # priors stand in the suite, with more of them
        axis = one.departures[0]
        option = dict(one.choices)[axis]
        family: Family = "covariance" if axis == "covariance" else "coding"
        says = labels.get((axis, option), option)
        found.append(
            Challenge(claim_id=one.claim_id, family=family, name=option, says=says, verdict=one.verdict)
        )
    return found


class DrawsUnder(Protocol):
    """Posterior draws of one estimand of one model under one changed assumption, as stress tests give them.

    ``points`` are in points, over the horizon for slopes; ``effective`` is how many independent draws they are worth
    (None: their number); ``test`` is a key of ``TESTS``, ``variant`` the change within it, ``changed`` the same in
    words.
    """

    @property
    def test(self) -> str:
        """Kind of stress test."""

    @property
    def variant(self) -> str:
        """Which change within it."""

    @property
    def changed(self) -> str:
        """The change in words."""

    @property
    def model_id(self) -> str:
        """Model."""

    @property
    def estimand(self) -> str:
        """Its estimand."""

    @property
    def points(self) -> Array:
        """Draws."""

    @property
    def effective(self) -> float | None:
        """What they are worth."""


def from_draws(ledger: Ledger, base: Sequence[ClaimResult], draws: Iterable[DrawsUnder]) -> list[Challenge]:
    """Judge claims by the draws of other stress tests, by the very rules of the base analysis.

    Parameters
    ----------
    ledger : Ledger
        Claims; a part is challenged by draws of its model and estimand.
    base : sequence of ClaimResult
        Parts that a stress test says nothing of keep these verdicts.
    draws : iterable of DrawsUnder
        Those of a test that is no key of ``TESTS`` (such as the unchanged model) are passed over.

    Returns
    -------
    list of Challenge
        One for each claim and change that touches a part of it.
    """
    changes: dict[tuple[str, str], list[DrawsUnder]] = {}
    for one in draws:
        if one.test in TESTS:
            changes.setdefault((one.test, one.variant), []).append(one)
    results = {result.claim_id: result for result in base}
    found = []
    for (test, variant), members in changes.items():
        by_estimand = {(one.model_id, one.estimand): one for one in members}
        for claim in ledger.claims:
            own = [part for part in claim.parts if _is_about(part, by_estimand)]
            if own and claim.id in results:
                judged = {part.part_id: part.judgement for part in results[claim.id].parts}
                judged |= {p.id: _judge_under(p, by_estimand[p.model, p.estimand]) for p in own}
                found.append(
                    Challenge(
                        claim_id=claim.id,
                        family=TESTS[test],
                        name=f"{test}:{variant}",
                        says=members[0].changed,
                        verdict=combine_judgements(claim.combine, judged.values()),
                    )
                )
    return found


def _is_about(part: Part, draws: Mapping[tuple[str, str], DrawsUnder]) -> bool:
    return part.quantity == "effect" and not part.recode and (part.model, part.estimand) in draws


def _judge_under(part: Part, one: DrawsUnder) -> Judgement:
    found = probabilities(
        one.points, part.relation, value=part.value, smallest=part.smallest, effective=one.effective
    )
    return judge(part.relation, found)


def from_patients(claim_id: str, n_removed: int, n_patients: int, becomes: Verdict) -> Challenge:
    """Turn the smallest set of patients that changes a verdict into a challenge, if it is small."""
    noun = "patient" if n_removed == 1 else "patients"
    return Challenge(
        claim_id=claim_id,
        family="patients",
        name=f"{n_removed}_removed",
        says=f"without {n_removed} {noun} of {n_patients}",
        verdict=becomes,
    )
