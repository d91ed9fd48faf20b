"""Verdicts over the multiverse of choices, and how they are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bayes_alliance.assess.verdict_rules import combine_judgements
from bayes_alliance.assess.verdict_words import Verdict
from bayes_alliance.claims.ledger import Claim, Ledger
from bayes_alliance.claims.results import PartResult
from bayes_alliance.runtime.task_store import Failure

Choices = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class MultiverseCell:
    """One part of a claim under one specification.

    Parameters
    ----------
    rows : str
        Name of the rows: a cohort, or the data.
    choices : tuple of (str, str)
        Axis and option, ``prior`` and ``covariance`` among them; in the order of the file.
    departures : tuple of str
        Axes on which it differs from the study's own way.
    result : PartResult
        The judgement.
    """

    rows: str
    choices: Choices
    departures: tuple[str, ...]
    result: PartResult


@dataclass(frozen=True, kw_only=True)
class SpecificationVerdict:
    """A whole claim under one specification."""

    claim_id: str
    rows: str
    choices: Choices
    departures: tuple[str, ...]
    verdict: Verdict
    reason: str


@dataclass(frozen=True, kw_only=True)
class Share:
    """How the verdict on a claim is spread over specifications.

    Parameters
    ----------
    claim_id : str
        Which.
    axis, option : str
        Among the specifications with this option; empty for all.
    counts : mapping of Verdict to int
        Specifications by verdict, those that are not applicable among them.
    """

    claim_id: str
    axis: str
    option: str
    counts: Mapping[Verdict, int]

    @property
    def n_tested(self) -> int:
        """Specifications that could be tested."""
        return sum(n for verdict, n in self.counts.items() if verdict is not Verdict.NOT_APPLICABLE)

    def share(self, *verdicts: Verdict) -> float:
        """Share of the tested specifications with one of these verdicts; NaN where none was tested."""
        n = self.n_tested
        return sum(self.counts.get(verdict, 0) for verdict in verdicts) / n if n else float("nan")


@dataclass(frozen=True, kw_only=True)
class MultiverseResult:
    """Every specification of a run.

    Parameters
    ----------
    cells : tuple of MultiverseCell
        One a specification and part.
    verdicts : tuple of SpecificationVerdict
        One a specification and claim.
    shares : tuple of Share
        By claim; then by claim, axis and option.
    n_fits : int
        Posteriors drawn.
    n_reused : int
        Tasks that lay in the store already.
    failures : tuple of Failure
        Tasks without a result.
    seconds : float
        Wall time.
    """

    cells: tuple[MultiverseCell, ...]
    verdicts: tuple[SpecificationVerdict, ...]
    shares: tuple[Share, ...]
    n_fits: int
    n_reused: int
    failures: tuple[Failure, ...]
    seconds: float


def judge_specifications(ledger: Ledger, cells: Sequence[MultiverseCell]) -> list[SpecificationVerdict]:
    """Put the parts of each claim together, specification by specification.

    A part that a choice does not touch is the same under it; it enters from the specification without that choice, so
    that the parts of a claim always stand together.
    """
    by_claim: dict[str, list[MultiverseCell]] = {}
    for cell in cells:
        by_claim.setdefault(cell.result.claim_id, []).append(cell)
    own = _own_options(cells)
    return [
        verdict for claim in ledger.claims for verdict in _judge_claim(claim, by_claim.get(claim.id, []), own)
    ]


def _own_options(cells: Sequence[MultiverseCell]) -> dict[str, str]:
    """Return the study's own option on every axis."""
    return {axis: option for cell in cells for axis, option in cell.choices if axis not in cell.departures}


def _judge_claim(
    claim: Claim, cells: Sequence[MultiverseCell], own: Mapping[str, str]
) -> Iterator[SpecificationVerdict]:
    by_part: dict[str, dict[tuple[str, Choices], MultiverseCell]] = {}
    moved: dict[str, set[str]] = {}
    for cell in cells:
        by_part.setdefault(cell.result.part_id, {})[cell.rows, cell.choices] = cell
        moved.setdefault(cell.result.part_id, set()).update(cell.departures)
    for cell in {(cell.rows, cell.choices): cell for cell in cells}.values():
        members = []
        for part in claim.parts:
            touched = moved.get(part.id, set())
            seen = tuple((axis, option if axis in touched else own[axis]) for axis, option in cell.choices)
            found = by_part.get(part.id, {}).get((cell.rows, seen))
            members += [found] if found is not None else []
        yield _judge_together(claim, cell, members)


def _judge_together(
    claim: Claim, cell: MultiverseCell, members: Sequence[MultiverseCell]
) -> SpecificationVerdict:
    """Judge a claim by its parts; one that needs all of them is not tested where one could not be."""
    verdict = combine_judgements(claim.combine, [member.result.judgement for member in members])
    reasons = dict.fromkeys(m.result.reason for m in members if m.result.judgement is None)
    if len(members) < len(claim.parts):
        reasons["a part has no result"] = None
    if claim.combine == "all" and reasons:
        verdict = Verdict.NOT_APPLICABLE
    return SpecificationVerdict(
        claim_id=claim.id,
        rows=cell.rows,
        choices=cell.choices,
        departures=cell.departures,
        verdict=verdict,
        reason="; ".join(reasons) if verdict is Verdict.NOT_APPLICABLE else "",
    )


def count_shares(verdicts: Sequence[SpecificationVerdict]) -> list[Share]:
    """Count verdicts by claim, and by claim and option."""
    whole: dict[str, Counter[Verdict]] = {}
    split: dict[tuple[str, str, str], Counter[Verdict]] = {}
    for one in verdicts:
        whole.setdefault(one.claim_id, Counter())[one.verdict] += 1
        for axis, option in (*one.choices, ("rows", one.rows)):
            split.setdefault((one.claim_id, axis, option), Counter())[one.verdict] += 1
    shares = [Share(claim_id=claim, axis="", option="", counts=dict(n)) for claim, n in whole.items()]
    return shares + [
        Share(claim_id=claim, axis=axis, option=option, counts=dict(n))
        for (claim, axis, option), n in split.items()
    ]
