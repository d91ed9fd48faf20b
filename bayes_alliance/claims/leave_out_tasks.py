"""Patients left out, one or several at a time, as tasks with a store."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bayes_alliance.assess.verdict_words import Verdict
from bayes_alliance.claims.choices import Multiverse
from bayes_alliance.claims.from_posterior import Evaluator
from bayes_alliance.claims.leave_out import Influence, fewest_to_change, leave_one_out
from bayes_alliance.claims.ledger import Claim, Ledger
from bayes_alliance.claims.patient_claims import CannotTell
from bayes_alliance.claims.prior_suite import PriorVariant
from bayes_alliance.claims.results import ClaimResult
from bayes_alliance.claims.settings import ClaimsSettings, Keeping, name_rows
from bayes_alliance.claims.tasks import Columns, Rows, load_rows
from bayes_alliance.runtime.progress import Reporter
from bayes_alliance.runtime.resumable_tasks import format_failures, run_tasks
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.runtime.task_store import Finished, Task, Workers
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Study


@dataclass(frozen=True, kw_only=True)
class PatientsResult(Influence):
    """What single patients do to one part of a claim: :class:`Influence` and :class:`Fragility` side by side."""

    claim_id: str
    part_id: str
    n_removed: int
    n_tried: int
    becomes: Verdict


# Over 40 lines: the nine arguments that a worker is given, and the row of each part.
def stress_patients(
    study: Study,
    rows: Rows,
    choices: Multiverse,
    claim: Claim,
    seed: int,
    variant: PriorVariant,
    draws: int,
    verdict: str,
    open_parts: Sequence[str],
) -> Columns:
    """Leave patients out of one claim; pure and of the top level, for workers.

    Parameters
    ----------
    verdict : str
        On the whole claim.
    open_parts : sequence of str
        Parts whose change alone changes the claim.

    Returns
    -------
    dict of str to list
        One row a part, with the fields of :class:`PatientsResult`.
    """
    evaluator = Evaluator(study, load_rows(study, rows), choices, seed=seed, variant=variant, draws=draws)
    found: Columns = {}
    for part in claim.parts:
        if not part.is_of_model or len(part.models) != 1:
            continue
        try:
            fitted = evaluator.fit(part.model, part.recode)
            if fitted.planned.design.structured is not None:
                continue  # said among the remarks
            own = derive_seed(seed, "patients", claim.id, part.id)
            influence = leave_one_out(study, part, fitted, seed=own, variant=variant)
        except CannotTell:
            continue
        fragility = None
        if part.id in open_parts:
            fragility = fewest_to_change(
                study, part, fitted, seed=own, variant=variant, beyond=Verdict(verdict)
            )
        row: dict[str, Any] = {
            "claim_id": claim.id,
            "part_id": part.id,
            **dataclasses.asdict(influence),
            "verdict": influence.verdict.value,
            "n_removed": fragility.n_removed if fragility else 0,
            "n_tried": fragility.n_tried if fragility else 0,
            "becomes": (fragility.becomes if fragility else influence.verdict).value,
        }
        for name, value in row.items():
            found.setdefault(name, []).append(value)
    return found or {"claim_id": []}


def open_parts(result: ClaimResult, combine: str) -> list[str]:
    """List the parts whose change alone would change the verdict on a claim.

    A claim of which all parts must hold falls with any of them, but rises only with its last bad one; a claim of
    which one part must hold the other way round.
    """
    tested = [part for part in result.parts if part.judgement is not None]
    deciding = [part.part_id for part in tested if part.verdict is result.verdict]
    falls = result.verdict in (Verdict.SUPPORTED, Verdict.LIKELY)
    if falls == (combine == "all"):
        return [part.part_id for part in tested]
    return deciding if len(deciding) == 1 else []


def _remove_patients(
    study: Study,
    rows: Rows,
    ledger: Ledger,
    choices: Multiverse,
    settings: ClaimsSettings,
    variant: PriorVariant,
    base: Sequence[ClaimResult],
    keeping: Keeping,
    report: Reporter,
    remarks: list[str],
) -> tuple[PatientsResult, ...]:
    done = run_tasks(
        stress_patients,
        _patient_tasks(study, rows, ledger, choices, settings, variant, base),
        workers=Workers(jobs=settings.jobs),
        store=keeping.within("patients"),
        record=keeping.record,
        report=report,
        unit="parts with patients left out",
    )
    remarks += format_failures(done.failures)
    asked = {part.model for _, part in ledger.parts}
    structured = [m.label for m in study.models if m.id in asked and parse_formula(m.formula).is_structured]
    if structured:
        remarks.append(
            "Patients are not left out of models with several levels or correlated residuals: "
            f"{'; '.join(structured)}"
        )
    return tuple(_patients_results(done))


def _patient_tasks(
    study: Study,
    rows: Rows,
    ledger: Ledger,
    choices: Multiverse,
    settings: ClaimsSettings,
    variant: PriorVariant,
    base: Sequence[ClaimResult],
) -> list[Task]:
    """Make a task of each claim that has a verdict and a part of one model."""
    results = {result.claim_id: result for result in base}
    return [
        Task(
            key=f"patients_{claim.id}_of_{name_rows(rows)}",
            arguments=(
                study,
                rows,
                choices,
                claim,
                settings.seed,
                variant,
                settings.draws,
                results[claim.id].verdict.value,
                open_parts(results[claim.id], claim.combine),
            ),
            size=len(claim.parts),
        )
        for claim in ledger.claims
        if claim.id in results
        and results[claim.id].verdict is not Verdict.NOT_APPLICABLE
        and any(part.is_of_model and len(part.models) == 1 for part in claim.parts)
    ]


def _patients_results(done: Finished) -> list[PatientsResult]:
    found = []
    for key in done.keys:
        columns = done.columns(key) if key in done.results else {"claim_id": []}
        for i in range(len(columns["claim_id"])):
            row = {name: values[i] for name, values in columns.items()}
            row |= {name: Verdict(str(row[name])) for name in ("verdict", "becomes")}
            for name in ("n_patients", "n_changing", "n_refitted", "n_failed", "n_removed", "n_tried"):
                row[name] = int(row[name])
            found.append(PatientsResult(**row))
    return found
