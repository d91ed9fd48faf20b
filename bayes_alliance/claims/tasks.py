"""Claims judged by the dozen: tasks for :mod:`~bayes_alliance.runtime.resumable_tasks`, and results as flat columns.

One pure function judges some claims on one set of rows under one coding, prior and covariance; cohorts, the prior
suite and the multiverse are lists of such tasks.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bayes_alliance.assess.verdict_rules import Judgement, Probabilities, Relation
from bayes_alliance.assess.verdict_words import Verdict
from bayes_alliance.claims.choices import Multiverse
from bayes_alliance.claims.from_posterior import Evaluator, Planned
from bayes_alliance.claims.ledger import Claim, Ledger
from bayes_alliance.claims.prior_suite import PriorVariant
from bayes_alliance.claims.recode import recode
from bayes_alliance.claims.results import ClaimResult, PartResult, Trace, combine
from bayes_alliance.cohorts.store import read_cohort
from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import InputError
from bayes_alliance.inference.fits import Covariance
from bayes_alliance.study.records import Source, Study

Columns = dict[str, list[Any]]
Rows = StudyData | Path
_JUDGEMENT = ("direction", "matters", "rope", "effective")
_NUMBERS = ("median", "lower", "upper")
_TRACE_TEXT = ("engine", "prior", "covariance")
_TRACE_NUMBERS = ("n_draws", "n_patients", "n_rows", "pareto_k")


@dataclass(frozen=True, kw_only=True)
class Specification:
    """Under what claims are judged.

    Parameters
    ----------
    variant : PriorVariant
        Prior.
    covariance : {"UN", "VC"}
        Of the random effects.
    coding : tuple of str
        Ids of coding options, one an axis; empty for the study's own.
    draws : int
        Of each posterior.
    """

    variant: PriorVariant
    covariance: Covariance = "UN"
    coding: tuple[str, ...] = ()
    draws: int = 4000


def load_rows(study: Study, rows: Rows) -> StudyData:
    """Return the rows of a source: those at hand, or those of a stored cohort."""
    return rows if isinstance(rows, StudyData) else _read(rows, _ById(study))


class _ById:
    """Lets a cache tell studies apart by their digest alone."""

    def __init__(self, study: Study) -> None:
        self.study = study

    def __hash__(self) -> int:
        return hash(self.study.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.study.digest == self.study.digest


@functools.lru_cache(maxsize=16)
def _read(path: Path, study: _ById) -> StudyData:
    return read_cohort(path).data(study.study)


def judge_under(
    study: Study,
    rows: Rows,
    choices: Multiverse,
    claims: Sequence[Claim],
    seed: int,
    specifications: Sequence[Specification],
) -> Columns:
    """Judge claims on one source under several specifications; pure and of the top level, for workers.

    Parameters
    ----------
    study, rows, choices, claims, seed
        What to judge.
    specifications : sequence of Specification
        Under what.

    Returns
    -------
    dict of str to list
        One row a specification and part: :func:`flatten` with ``coding`` in front.
    """
    data = load_rows(study, rows)
    found: Columns = {}
    coded: dict[tuple[str, ...], StudyData | str] = {}
    plans: dict[tuple[str, ...], dict[tuple[str, str], Planned | str]] = {}
    for spec in specifications:
        if spec.coding not in coded:
            coded[spec.coding] = _coded(study, data, choices, spec.coding)
        kept = plans.setdefault(spec.coding, {})
        parts = _judge(study, coded[spec.coding], data, choices, claims, seed, spec, kept)
        for name, values in flatten(parts, spec).items():
            found.setdefault(name, []).extend(values)
    return found


def _coded(study: Study, data: StudyData, choices: Multiverse, coding: Sequence[str]) -> StudyData | str:
    try:
        return recode(study, data, [choices.option(name) for name in coding])
    except InputError as error:
        return "; ".join(problem.format() for problem in error.problems)


def _judge(
    study: Study,
    rows: StudyData | str,
    data: StudyData,
    choices: Multiverse,
    claims: Sequence[Claim],
    seed: int,
    spec: Specification,
    plans: dict[tuple[str, str], Planned | str],
) -> list[PartResult]:
    """Judge every part; a coding that leaves no rows makes each not applicable, with the reason."""
    if isinstance(rows, str):
        return [
            PartResult(
                claim_id=claim.id,
                part_id=part.id,
                source=data.source,
                origin=data.origin,
                judgement=None,
                reason=rows,
            )
            for claim in claims
            for part in claim.parts
        ]
    evaluator = Evaluator(
        study,
        rows,
        choices,
        seed=seed,
        variant=spec.variant,
        covariance=spec.covariance,
        draws=spec.draws,
        plans=plans,
        coded=spec.coding,
    )
    return [evaluator.judge_part(claim, part) for claim in claims for part in claim.parts]


def flatten(parts: Sequence[PartResult], spec: Specification) -> Columns:
    """Lay results out as columns of text and numbers, one row a part."""
    rows = [_flat(part, spec) for part in parts]
    return {name: [row[name] for row in rows] for name in _flat_names()} if rows else {}


def _flat(part: PartResult, spec: Specification) -> dict[str, Any]:
    found = part.judgement
    trace = part.trace
    row: dict[str, Any] = {
        "coding": ";".join(spec.coding),
        "prior_variant": spec.variant.id,
        "asked_covariance": spec.covariance,
        "claim": part.claim_id,
        "part": part.part_id,
        "source": part.source.value,
        "origin": part.origin,
        "verdict": part.verdict.value,
        "relation": found.relation if found else "",
        "sure": found.sure if found else float("nan"),
        "near_edge": found.near_edge if found else False,
        "reason": part.reason,
    }
    nothing = float("nan")
    row |= {name: getattr(found.probabilities, name) if found else nothing for name in _JUDGEMENT}
    row |= {name: getattr(part, name) for name in _NUMBERS}
    row |= {name: getattr(trace, name) if trace else "" for name in _TRACE_TEXT}
    row |= {name: float(getattr(trace, name)) if trace else nothing for name in _TRACE_NUMBERS}
    row["models"] = ";".join(trace.models) if trace else ""
    row["digests"] = "\n".join(trace.digests) if trace else ""
    row["seeds"] = ";".join(map(str, trace.seeds)) if trace else ""
    return row


def _flat_names() -> tuple[str, ...]:
    return (
        "coding", "prior_variant", "asked_covariance", "claim", "part", "source", "origin", "verdict", "relation",
        "sure", "near_edge", *_JUDGEMENT, *_NUMBERS, "reason", *_TRACE_TEXT, *_TRACE_NUMBERS, "models", "digests",
        "seeds",
    )  # fmt: skip


def restore(columns: Mapping[str, Sequence[Any]]) -> list[PartResult]:
    """Take results back from columns, in their order."""
    count = len(columns["claim"]) if columns else 0
    return [_restored({name: values[i] for name, values in columns.items()}) for i in range(count)]


def _restored(row: Mapping[str, Any]) -> PartResult:
    verdict = Verdict(str(row["verdict"]))
    judgement, trace = None, None
    if verdict is not Verdict.NOT_APPLICABLE:
        judgement = Judgement(
            verdict=verdict,
            relation=cast(Relation, str(row["relation"])),
            sure=float(row["sure"]),
            probabilities=Probabilities(**{name: float(row[name]) for name in _JUDGEMENT}),
            near_edge=bool(row["near_edge"]),
        )
        trace = Trace(
            engine=str(row["engine"]),
            models=tuple(filter(None, str(row["models"]).split(";"))),
            digests=tuple(filter(None, str(row["digests"]).split("\n"))),
            seeds=tuple(int(seed) for seed in str(row["seeds"]).split(";")),
            prior=str(row["prior"]),
            covariance=str(row["covariance"]),
            n_draws=int(row["n_draws"]),
            effective=float(row["effective"]),
            n_patients=int(row["n_patients"]),
            n_rows=int(row["n_rows"]),
            pareto_k=float(row["pareto_k"]),
        )
    return PartResult(
        claim_id=str(row["claim"]),
        part_id=str(row["part"]),
        source=Source(str(row["source"])),
        origin=str(row["origin"]),
        judgement=judgement,
        reason=str(row["reason"]),
        median=float(row["median"]),
        lower=float(row["lower"]),
        upper=float(row["upper"]),
        trace=trace,
    )


def combine_parts(ledger: Ledger, parts: Sequence[PartResult]) -> tuple[ClaimResult, ...]:
    """Put the parts of one source and specification together, claim by claim; those that nothing can test have none."""
    found = []
    for claim in ledger.claims:
        own = [part for part in parts if part.claim_id == claim.id]
        if own or not claim.parts:
            example = own[0] if own else (parts[0] if parts else None)
            source, origin = (example.source, example.origin) if example else (Source.PRINTED, "")
            found.append(combine(claim, own, source=source, origin=origin))
    return tuple(found)
