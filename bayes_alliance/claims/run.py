"""One run: every claim of a study in every source, and every stress test of the verdicts on the rows at hand.

The rows at hand are the user's file where one is given, else one of the synthetic cohorts; the stress tests are of
them alone. Sources stand side by side and are never pooled. Fits by the collapsed engine; writes nothing but the
store of the multiverse.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayes_alliance.assess.verdicts import ORDER, Verdict
from bayes_alliance.claims.change import (
    FEW_PATIENTS,
    Challenge,
    Change,
    Family,
    find_changes,
    from_multiverse,
    from_patients,
    from_results,
)
from bayes_alliance.claims.choices import Multiverse
from bayes_alliance.claims.from_posterior import ClaimResult, Evaluator, model_quantity
from bayes_alliance.claims.from_printed import PrintedEvaluator
from bayes_alliance.claims.leave_out import fewest_to_change, leave_one_out
from bayes_alliance.claims.ledger import Claim, Ledger
from bayes_alliance.claims.ml_beside_bayes import Approaches, compare_approaches
from bayes_alliance.claims.multiverse import MultiverseResult, make_record, run_multiverse
from bayes_alliance.claims.patient_claims import CannotTell
from bayes_alliance.claims.power_scaling import Sensitivity, log_likelihood, log_prior, power_sensitivity
from bayes_alliance.claims.prior_suite import PriorVariant, prior_suite, variant_priors
from bayes_alliance.claims.tasks import (
    Columns,
    Rows,
    Specification,
    combine_parts,
    judge_under,
    load_rows,
    restore,
)
from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import FitError
from bayes_alliance.run.fitter import derive_seed
from bayes_alliance.runtime.tasks import Finished, Task, Workers, format_failures, run_tasks
from bayes_alliance.study.records import Cell, Source, Study

Reporter = Callable[[str], None]
_PRIORS_A_TASK = 3  # they share what is read and planned
OtherTests = Callable[[StudyData, Sequence[ClaimResult]], Sequence[Challenge]]


@dataclass(frozen=True, kw_only=True)
class ClaimsSettings:
    """What to run and how.

    Parameters
    ----------
    seed : int
        The one number that all randomness comes from.
    jobs : int
        Processes.
    draws : int
        Of each posterior outside of the multiverse.
    quick : bool
        Verdicts, prior suite, power-scaling and approaches only; no multiverse and no removal of patients.
    """

    seed: int = 2020
    jobs: int = 1
    draws: int = 4000
    quick: bool = False


@dataclass(frozen=True, kw_only=True)
class PatientsResult:
    """What single patients do to one part of a claim: :class:`Influence` and :class:`Fragility` side by side."""

    claim_id: str
    part_id: str
    n_patients: int
    verdict: Verdict
    n_changing: int
    largest_shift: float
    lowest: float
    highest: float
    n_refitted: int
    n_failed: int
    n_removed: int
    n_tried: int
    becomes: Verdict


@dataclass(frozen=True, kw_only=True)
class PartSensitivity:
    """Power-scaling sensitivity of one part of a claim."""

    claim_id: str
    part_id: str
    sensitivity: Sensitivity


@dataclass(frozen=True, kw_only=True)
class ClaimsRun:
    """Everything that one run found.

    Parameters
    ----------
    source, origin, data_digest : Source, str, str
        Of the rows at hand.
    printed : tuple of ClaimResult
        From printed numbers alone.
    synthetic : tuple of (str, tuple of ClaimResult)
        By cohort.
    real : tuple of ClaimResult
        Of the user's file; empty without one.
    base : tuple of ClaimResult
        Of the rows at hand: those of ``real``, or of one cohort.
    suite : tuple of (PriorVariant, tuple of ClaimResult)
        The rows at hand under every prior, the default first.
    sensitivities : tuple of PartSensitivity
        Power-scaling.
    patients : tuple of PatientsResult
        Influence and fragility; empty in a quick run.
    multiverse : MultiverseResult or None
        None in a quick run.
    changes : tuple of Change
        One a claim.
    approaches : tuple of Approaches
        ML beside Bayes for printed cells, under the default prior first, then under the study's others and Bambi's.
    left : tuple of (Cell, str)
        Cells that could not be compared.
    remarks : tuple of str
        What failed, if anything did.
    """

    study: Study
    ledger: Ledger
    choices: Multiverse
    settings: ClaimsSettings
    source: Source
    origin: str
    data_digest: str
    printed: tuple[ClaimResult, ...]
    synthetic: tuple[tuple[str, tuple[ClaimResult, ...]], ...]
    real: tuple[ClaimResult, ...]
    base: tuple[ClaimResult, ...]
    suite: tuple[tuple[PriorVariant, tuple[ClaimResult, ...]], ...]
    sensitivities: tuple[PartSensitivity, ...]
    patients: tuple[PatientsResult, ...]
    multiverse: MultiverseResult | None
    changes: tuple[Change, ...]
    approaches: tuple[Approaches, ...]
    left: tuple[tuple[Cell, str], ...]
    remarks: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """Where finished tasks are kept, and what they depend on besides their names.

    Parameters
    ----------
    folder : Path or None
        None keeps nothing.
    record : str
        Of :func:`bayes_alliance.claims.multiverse.make_record`.
    """

    folder: Path | None
    record: str

    def within(self, name: str) -> Path | None:
        """Give the folder of one stage."""
        return None if self.folder is None else self.folder / name


def spread_of(results: Sequence[tuple[str, tuple[ClaimResult, ...]]], claim_id: str) -> Counter[Verdict]:
    """Count the verdicts on a claim over cohorts."""
    return Counter(r.verdict for _, own in results for r in own if r.claim_id == claim_id)


def commonest(counts: Mapping[Verdict, int]) -> Verdict:
    """Give the most frequent verdict, of equally frequent ones the worse."""
    order = (Verdict.UNTESTABLE, *ORDER)
    return max(counts, key=lambda v: (counts[v], order.index(v))) if counts else Verdict.UNTESTABLE


def run_claims(
    study: Study,
    rows: Rows,
    cohorts: Mapping[str, Path],
    ledger: Ledger,
    choices: Multiverse,
    settings: ClaimsSettings,
    *,
    store: Path | None = None,
    report: Reporter = lambda line: None,
    more: OtherTests | None = None,
) -> ClaimsRun:
    """Judge every claim in every source and stress the verdicts.

    Parameters
    ----------
    study : Study
        With its claims and choices beside it.
    rows : StudyData or Path
        The rows at hand: a user's, or the path of one of ``cohorts``.
    cohorts : mapping of str to Path
        Synthetic cohorts by name; may be empty.
    ledger, choices, settings
        What to judge, under which choices, and how.
    store : Path, optional
        Folder where finished tasks are kept, so that a killed run goes on where it was.
    report : callable
        Gets lines of progress.
    more : callable, optional
        Other stress tests: from the rows at hand and the verdicts on them to challenges
        (:func:`bayes_alliance.claims.change.from_draws` makes them of draws).

    Returns
    -------
    ClaimsRun
    """
    started = time.perf_counter()
    data = load_rows(study, rows)
    suite = prior_suite(study)
    remarks: list[str] = []
    report("claims from printed numbers")
    printed = PrintedEvaluator(study, seed=settings.seed, prior=suite[0].base).judge_ledger(ledger)
    keeping = Keeping(
        folder=store,
        record=make_record(study, [rows, *cohorts.values()], choices, ledger, settings.seed, settings.draws),
    )
    judged = _judge_sources(study, rows, cohorts, ledger, choices, settings, suite, keeping, report, remarks)
    base = judged[f"prior_{suite[0].id}"]
    synthetic = tuple((name, judged[f"cohort_{name}"]) for name in cohorts if f"cohort_{name}" in judged)
    by_prior = tuple((v, judged[f"prior_{v.id}"]) for v in suite if f"prior_{v.id}" in judged)
    report("power-scaling, and ML beside Bayes")
    evaluator = Evaluator(study, data, choices, seed=settings.seed, variant=suite[0], draws=settings.draws)
    sensitivities = scale_powers(study, evaluator, ledger)
    approaches, left = _compare_all(study, evaluator, suite)
    patients: tuple[PatientsResult, ...] = ()
    multiverse = None
    if not settings.quick:
        patients = _remove_patients(
            study, rows, ledger, choices, settings, suite[0], base, keeping, report, remarks
        )
        multiverse = run_multiverse(
            study,
            _multiverse_rows(rows, cohorts, choices),
            choices,
            ledger,
            seed=settings.seed,
            jobs=settings.jobs,
            store=keeping.within("multiverse"),
            report=report,
        )
        remarks += format_failures(multiverse.failures)
    challenges = [
        *_cohort_challenges(rows, cohorts, synthetic),
        *_patient_challenges(base, patients),
        *_prior_challenges(by_prior[1:]),
        *(from_multiverse(_first_rows(multiverse), option_labels(choices)) if multiverse else ()),
        *(more(data, base) if more is not None else ()),
    ]
    return ClaimsRun(
        study=study,
        ledger=ledger,
        choices=choices,
        settings=settings,
        source=data.source,
        origin=data.origin,
        data_digest=data.digest,
        printed=printed,
        synthetic=synthetic,
        real=base if data.source is Source.REAL else (),
        base=base,
        suite=by_prior,
        sensitivities=sensitivities,
        patients=patients,
        multiverse=multiverse,
        changes=find_changes(ledger, base, challenges),
        approaches=approaches,
        left=left,
        remarks=tuple(remarks),
        seconds=time.perf_counter() - started,
    )


def _judge_sources(
    study: Study,
    rows: Rows,
    cohorts: Mapping[str, Path],
    ledger: Ledger,
    choices: Multiverse,
    settings: ClaimsSettings,
    suite: Sequence[PriorVariant],
    keeping: Keeping,
    report: Reporter,
    remarks: list[str],
) -> dict[str, tuple[ClaimResult, ...]]:
    """Judge the rows at hand under every prior, and every other cohort under the default, side by side."""
    claims = list(ledger.claims)
    tasks = []
    for start in range(0, len(suite), _PRIORS_A_TASK):
        specifications = [
            Specification(variant=variant, draws=settings.draws)
            for variant in suite[start : start + _PRIORS_A_TASK]
        ]
        arguments = (study, rows, choices, claims, settings.seed, specifications)
        tasks.append(
            Task(key=f"priors_{start}_of_{name_rows(rows)}", arguments=arguments, size=len(specifications))
        )
    for name, path in cohorts.items():
        if path != rows:
            specification = Specification(variant=suite[0], draws=settings.draws)
            arguments = (study, path, choices, claims, settings.seed, [specification])
            tasks.append(Task(key=f"cohort_{name}", arguments=arguments))
    done = run_tasks(
        judge_under,
        tasks,
        workers=Workers(jobs=settings.jobs),
        store=keeping.within("sources"),
        record=keeping.record,
        report=report,
        unit="sources and priors",
    )
    remarks += format_failures(done.failures)
    found: dict[str, tuple[ClaimResult, ...]] = {}
    for key in done.results:
        for name, columns in _by_prior(done.columns(key)).items():
            found[f"prior_{name}" if key.startswith("priors_") else key] = combine_parts(
                ledger, restore(columns)
            )
    if f"prior_{suite[0].id}" not in found:
        raise FitError("the claims could not be judged: " + "; ".join(format_failures(done.failures)))
    for name, path in cohorts.items():
        if path == rows:
            found[f"cohort_{name}"] = found[f"prior_{suite[0].id}"]
    return found


def _compare_all(
    study: Study, evaluator: Evaluator, suite: Sequence[PriorVariant]
) -> tuple[tuple[Approaches, ...], tuple[tuple[Cell, str], ...]]:
    """Compare ML with Bayes under every prior of the suite that is a belief and not a scale; rows are planned once."""
    compared, left = compare_approaches(study, evaluator)
    for variant in suite[1:]:
        if not is_scale(variant):
            other = Evaluator(
                study,
                evaluator.data,
                evaluator.choices,
                seed=evaluator.seed,
                variant=variant,
                draws=evaluator.draws,
                plans=evaluator.plans,
            )
            compared += compare_approaches(study, other)[0]
    return tuple(compared), tuple(left)


def name_rows(rows: Rows) -> str:
    """Name the rows at hand in the keys of tasks: the cohort, or the start of the data's digest."""
    return rows.digest[:12] if isinstance(rows, StudyData) else rows.stem


def _by_prior(columns: Mapping[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """Split columns by the prior that they were made under."""
    found: dict[str, dict[str, list[Any]]] = {}
    for i, variant in enumerate(columns["prior_variant"]):
        own = found.setdefault(str(variant), {name: [] for name in columns})
        for name, values in columns.items():
            own[name].append(values[i])
    return found


def scale_powers(study: Study, evaluator: Evaluator, ledger: Ledger) -> tuple[PartSensitivity, ...]:
    """Compute the power-scaling sensitivity of every part that rests on one model, model by model."""
    by_model: dict[tuple[str, str], list[tuple[str, str]]] = {}
    parts = {(claim.id, part.id): part for claim, part in ledger.parts}
    for key, part in parts.items():
        if part.is_of_model and len(part.models) == 1:
            by_model.setdefault((part.model, part.recode), []).append(key)
    found: dict[tuple[str, str], Sensitivity] = {}
    for (model_id, coding), keys in by_model.items():
        try:
            fitted = evaluator.fit(model_id, coding)
        except CannotTell:
            continue  # its verdict is untestable, with the reason
        draws = {}
        for key in keys:
            try:
                values = model_quantity(study, parts[key], [fitted])
            except CannotTell:
                continue
            draws["\n".join(key)] = values.reshape(fitted.fit.sigma.shape)
        if draws:
            priors = variant_priors(study, fitted.planned.design, evaluator.variant)
            scaled = power_sensitivity(draws, log_prior(fitted, priors), log_likelihood(fitted))
            found |= {(name.split("\n")[0], name.split("\n")[1]): value for name, value in scaled.items()}
    return tuple(
        PartSensitivity(claim_id=claim_id, part_id=part_id, sensitivity=found[claim_id, part_id])
        for claim_id, part_id in parts
        if (claim_id, part_id) in found
    )


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
            "n_patients": influence.n_patients,
            "verdict": influence.verdict.value,
            "n_changing": influence.n_changing,
            "largest_shift": influence.largest_shift,
            "lowest": influence.lowest,
            "highest": influence.highest,
            "n_refitted": influence.n_refitted,
            "n_failed": influence.n_failed,
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
    falls = result.verdict in (Verdict.SUPPORTED, Verdict.WEAKENED)
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
    results = {result.claim_id: result for result in base}
    tasks = [
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
        and results[claim.id].verdict is not Verdict.UNTESTABLE
        and any(part.is_of_model and len(part.models) == 1 for part in claim.parts)
    ]
    done = run_tasks(
        stress_patients,
        tasks,
        workers=Workers(jobs=settings.jobs),
        store=keeping.within("patients"),
        record=keeping.record,
        report=report,
        unit="parts with patients left out",
    )
    remarks += format_failures(done.failures)
    return tuple(_patients_results(done))


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


def _multiverse_rows(rows: Rows, cohorts: Mapping[str, Path], choices: Multiverse) -> dict[str, Rows]:
    """Name the rows of the multiverse: those at hand first, then other cohorts if those are synthetic."""
    if isinstance(rows, StudyData):
        return {"data": rows}
    found: dict[str, Rows] = {rows.stem: rows}
    others = {name: path for name, path in cohorts.items() if path != rows}
    for name, path in list(others.items())[: choices.cohorts - 1]:
        found[name] = path
    return found


def _first_rows(result: MultiverseResult) -> list[Any]:
    first = result.verdicts[0].rows if result.verdicts else ""
    return [one for one in result.verdicts if one.rows == first]


def option_labels(choices: Multiverse) -> dict[tuple[str, str], str]:
    """Words for every option of every axis."""
    labels = {
        (axis.id, option.id): f"{axis.label} {option.label}"
        for axis in choices.axes
        for option in axis.options
    }
    return labels | {("covariance", "VC"): "independent random effects (VC)", ("covariance", "UN"): "UN"}


def _cohort_challenges(
    rows: Rows, cohorts: Mapping[str, Path], synthetic: Sequence[tuple[str, tuple[ClaimResult, ...]]]
) -> list[Challenge]:
    """Other cohorts challenge a verdict on one of them, and say nothing of real data."""
    if isinstance(rows, StudyData):
        return []
    found: list[Challenge] = []
    for name, results in synthetic:
        if cohorts[name] != rows:
            found += from_results(results, family="cohort", name=name, says=f"synthetic {name}")
    return found


def _patient_challenges(base: Sequence[ClaimResult], patients: Sequence[PatientsResult]) -> list[Challenge]:
    """Turn the smallest set of any part, where it is small, into a challenge to its claim."""
    found = []
    for result in base:
        own = [p for p in patients if p.claim_id == result.claim_id and p.n_removed > 0]
        if not own:
            continue
        fewest = min(own, key=lambda p: p.n_removed)
        if fewest.n_removed <= FEW_PATIENTS:
            found.append(from_patients(result.claim_id, fewest.n_removed, fewest.n_patients, fewest.becomes))
    return found


def is_scale(variant: PriorVariant) -> bool:
    """Say whether a member of the suite changes the priors of SDs or of the correlation only."""
    return variant.sd_factor != 1.0 or (variant.lkj_eta is not None and not variant.automatic)


def _prior_challenges(suite: Sequence[tuple[PriorVariant, tuple[ClaimResult, ...]]]) -> list[Challenge]:
    found: list[Challenge] = []
    for variant, results in suite:
        family: Family = "sd_prior" if is_scale(variant) else "prior"
        found += from_results(results, family=family, name=variant.id, says=f"prior: {variant.label}")
    return found
