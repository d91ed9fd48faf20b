"""One run: every claim of a study in every source, and every stress test of the verdicts on the rows at hand.

The rows at hand are the user's file where one is given, else one of the synthetic cohorts; the stress tests are of
them alone. Sources stand side by side and are never pooled. Fits by the collapsed engine; writes nothing but the
store of the multiverse.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayes_alliance.claims.challenges import is_scale, own_challenges
from bayes_alliance.claims.change import Challenge, Change, find_changes
from bayes_alliance.claims.choices import Multiverse
from bayes_alliance.claims.from_posterior import Evaluator
from bayes_alliance.claims.from_printed import judge_printed
from bayes_alliance.claims.leave_out_tasks import PatientsResult, _remove_patients
from bayes_alliance.claims.ledger import Ledger
from bayes_alliance.claims.mixture import mix_claims
from bayes_alliance.claims.ml_beside_bayes import Approaches, compare_approaches
from bayes_alliance.claims.multiverse import make_record, run_multiverse
from bayes_alliance.claims.multiverse_results import MultiverseResult
from bayes_alliance.claims.prior_suite import PriorVariant, prior_suite
from bayes_alliance.claims.prior_weight import PartConflict, conflicts_on_rows, printed_conflicts
from bayes_alliance.claims.protected_codings import withhold_codings
from bayes_alliance.claims.reading_run import judge_readings
from bayes_alliance.claims.readings import ReadingVerdict, reading_challenges
from bayes_alliance.claims.results import ClaimResult
from bayes_alliance.claims.sensitivity import PartSensitivity, scale_powers
from bayes_alliance.claims.settings import ClaimsSettings, Keeping, name_rows
from bayes_alliance.claims.tasks import Rows, Specification, combine_parts, judge_under, load_rows, restore
from bayes_alliance.cohorts.store import read_cohort
from bayes_alliance.cohorts.typicality import ensemble_remarks
from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import FitError
from bayes_alliance.runtime.progress import Reporter
from bayes_alliance.runtime.resumable_tasks import format_failures, run_tasks
from bayes_alliance.runtime.task_store import Task, Workers
from bayes_alliance.study.records import Cell, Source, Study

_PRIORS_A_TASK = 3  # they share what is read and planned
OtherTests = Callable[[StudyData, Sequence[ClaimResult]], Sequence[Challenge]]


@dataclass(frozen=True, kw_only=True)
class ClaimsRun:
    """Everything that one run found.

    Parameters
    ----------
    source, origin, data_digest : Source, str, str
        Of the rows at hand.
    printed : tuple of ClaimResult
        From printed numbers alone, under the first prior of the suite.
    printed_under : tuple of (str, tuple of ClaimResult)
        The same under another prior set of the study that readers ask for, by its name.
    synthetic : tuple of (str, tuple of ClaimResult)
        By cohort.
    mixture : tuple of ClaimResult
        On the mixture of the cohorts' posteriors; empty without cohorts.
    real : tuple of ClaimResult
        Of the user's file; empty without one.
    base : tuple of ClaimResult
        Of the rows at hand: those of ``real``, or of one cohort.
    suite : tuple of (PriorVariant, tuple of ClaimResult)
        The rows at hand under every prior, the default first.
    sensitivities : tuple of PartSensitivity
        Power-scaling.
    conflicts : tuple of PartConflict
        What the default prior weighs, and whether it conflicts, by part of a claim: from print and on the rows at hand.
    patients : tuple of PatientsResult
        Influence and fragility; of the depths ``main`` and ``full``.
    multiverse : MultiverseResult or None
        None but in the depth ``full``.
    changes : tuple of Change
        One a claim.
    approaches : tuple of Approaches
        ML beside Bayes for printed cells, under the default prior first, then under the study's others and Bambi's.
    left : tuple of (Cell, str)
        Cells that could not be compared.
    readings : tuple of ReadingVerdict
        Claims under every reading of the publication that touches them.
    remarks : tuple of str
        In what the cohorts are not ordinary, and what failed, if anything did.
    """

    study: Study
    ledger: Ledger
    choices: Multiverse
    settings: ClaimsSettings
    source: Source
    origin: str
    data_digest: str
    printed: tuple[ClaimResult, ...]
    printed_under: tuple[tuple[str, tuple[ClaimResult, ...]], ...]
    synthetic: tuple[tuple[str, tuple[ClaimResult, ...]], ...]
    mixture: tuple[ClaimResult, ...]
    real: tuple[ClaimResult, ...]
    base: tuple[ClaimResult, ...]
    suite: tuple[tuple[PriorVariant, tuple[ClaimResult, ...]], ...]
    sensitivities: tuple[PartSensitivity, ...]
    conflicts: tuple[PartConflict, ...]
    patients: tuple[PatientsResult, ...]
    multiverse: MultiverseResult | None
    changes: tuple[Change, ...]
    approaches: tuple[Approaches, ...]
    left: tuple[tuple[Cell, str], ...]
    readings: tuple[ReadingVerdict, ...]
    remarks: tuple[str, ...]
    seconds: float


# Over 40 lines: the steps of a run in their order, and a record of 25 fields.
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
    printed: Sequence[tuple[str, tuple[ClaimResult, ...]]] = (),
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
    printed : sequence of (str, tuple of ClaimResult)
        What :func:`bayes_alliance.claims.from_printed.judge_printed` gave for this study and seed, if it was asked
        already.

    Returns
    -------
    ClaimsRun
    """
    started = time.perf_counter()
    data = load_rows(study, rows)
    choices = withhold_codings(study, data, choices, ledger, combined=settings.depth == "full")
    suite = prior_suite(study) if settings.depth != "verdicts" else prior_suite(study)[:1]
    remarks = ensemble_remarks(study, [read_cohort(path).facts for path in cohorts.values()])
    (_, by_default), *printed_under = printed or _judge_print(study, ledger, settings, report)
    record = make_record(study, [rows, *cohorts.values()], choices, ledger, settings.seed, settings.draws)
    keeping = Keeping(folder=store, record=record)
    judged = _judge_sources(study, rows, cohorts, ledger, choices, settings, suite, keeping, report, remarks)
    base = judged[f"prior_{suite[0].id}"]
    synthetic = tuple((name, judged[f"cohort_{name}"]) for name in cohorts if f"cohort_{name}" in judged)
    by_prior = tuple((v, judged[f"prior_{v.id}"]) for v in suite if f"prior_{v.id}" in judged)
    sensitivities, conflicts, approaches, left = _sharpen(
        study, data, ledger, choices, settings, suite, report
    )
    patients, multiverse = _vary(
        study, rows, cohorts, ledger, choices, settings, suite[0], base, keeping, report, remarks
    )
    challenges = own_challenges(rows, cohorts, synthetic, base, patients, by_prior[1:], multiverse, choices)
    under = judge_readings(study, rows, ledger, choices, settings, by_default, base, keeping, report, remarks)
    challenges += (*reading_challenges(under), *(more(data, base) if more is not None else ()))
    return ClaimsRun(
        study=study,
        ledger=ledger,
        choices=choices,
        settings=settings,
        source=data.source,
        origin=data.origin,
        data_digest=data.digest,
        printed=by_default,
        printed_under=tuple(printed_under),
        synthetic=synthetic,
        mixture=mix_claims(ledger, synthetic),
        real=base if data.source is Source.REAL else (),
        base=base,
        suite=by_prior,
        sensitivities=sensitivities,
        conflicts=conflicts,
        patients=patients,
        multiverse=multiverse,
        changes=find_changes(ledger, base, challenges),
        approaches=approaches,
        left=left,
        readings=under,
        remarks=tuple(remarks),
        seconds=time.perf_counter() - started,
    )


def _judge_print(
    study: Study, ledger: Ledger, settings: ClaimsSettings, report: Reporter
) -> tuple[tuple[str, tuple[ClaimResult, ...]], ...]:
    report("claims from printed numbers")
    return judge_printed(study, ledger, settings.seed)


def _sharpen(
    study: Study,
    data: StudyData,
    ledger: Ledger,
    choices: Multiverse,
    settings: ClaimsSettings,
    suite: Sequence[PriorVariant],
    report: Reporter,
) -> tuple[
    tuple[PartSensitivity, ...],
    tuple[PartConflict, ...],
    tuple[Approaches, ...],
    tuple[tuple[Cell, str], ...],
]:
    """Scale prior and likelihood, weigh the prior, put ML beside Bayes; nothing where verdicts alone are asked for."""
    if settings.depth == "verdicts":
        return (), (), (), ()
    report("power-scaling, weight of the prior, and ML beside Bayes")
    evaluator = Evaluator(study, data, choices, seed=settings.seed, variant=suite[0], draws=settings.draws)
    beliefs = suite[:1] if settings.depth == "main" else suite
    weighed = [
        *printed_conflicts(study, ledger, seed=settings.seed, prior=suite[0].base),
        *conflicts_on_rows(study, ledger, evaluator),
    ]
    return scale_powers(study, evaluator, ledger), tuple(weighed), *_compare_all(study, evaluator, beliefs)


def _vary(
    study: Study,
    rows: Rows,
    cohorts: Mapping[str, Path],
    ledger: Ledger,
    choices: Multiverse,
    settings: ClaimsSettings,
    first: PriorVariant,
    base: Sequence[ClaimResult],
    keeping: Keeping,
    report: Reporter,
    remarks: list[str],
) -> tuple[tuple[PatientsResult, ...], MultiverseResult | None]:
    """Leave patients out, and run every combination of the declared choices, as far as the depth goes."""
    if settings.depth not in ("main", "full"):
        return (), None
    tried = dataclasses.replace(ledger, claims=ledger.main) if settings.depth == "main" else ledger
    patients = _remove_patients(study, rows, tried, choices, settings, first, base, keeping, report, remarks)
    if settings.depth == "main":
        return patients, None
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
    return patients, multiverse


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
    main = dataclasses.replace(ledger, claims=ledger.main)
    done = run_tasks(
        judge_under,
        _source_tasks(study, rows, cohorts, ledger, choices, settings, suite),
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
            found[key if key.startswith("cohort_") else f"prior_{name}"] = combine_parts(
                main if key.startswith("main_") else ledger, restore(columns)
            )
    if f"prior_{suite[0].id}" not in found:
        raise FitError("the claims could not be judged: " + "; ".join(format_failures(done.failures)))
    for name, path in cohorts.items():
        if path == rows:
            found[f"cohort_{name}"] = found[f"prior_{suite[0].id}"]
    return found


def _source_tasks(
    study: Study,
    rows: Rows,
    cohorts: Mapping[str, Path],
    ledger: Ledger,
    choices: Multiverse,
    settings: ClaimsSettings,
    suite: Sequence[PriorVariant],
) -> list[Task]:
    """Make tasks of the rows under each block of priors, and of every other cohort under the default."""
    claims, tried = list(ledger.claims), list(ledger.main if settings.depth == "main" else ledger.claims)
    tasks = []
    blocks = [suite[:1], *(suite[i : i + _PRIORS_A_TASK] for i in range(1, len(suite), _PRIORS_A_TASK))]
    for number, block in enumerate(blocks):
        specifications = [Specification(variant=variant, draws=settings.draws) for variant in block]
        asked = tried if number else claims
        if not asked:
            continue
        arguments = (study, rows, choices, asked, settings.seed, specifications)
        key = f"{'main_' * (number > 0 and settings.depth == 'main')}priors_{number}_of_{name_rows(rows)}"
        tasks.append(Task(key=key, arguments=arguments, size=len(specifications)))
    for name, path in cohorts.items():
        if path != rows:
            specification = Specification(variant=suite[0], draws=settings.draws)
            arguments = (study, path, choices, claims, settings.seed, [specification])
            tasks.append(Task(key=f"cohort_{name}", arguments=arguments))
    return tasks


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


def _by_prior(columns: Mapping[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """Split columns by the prior that they were made under."""
    found: dict[str, dict[str, list[Any]]] = {}
    for i, variant in enumerate(columns["prior_variant"]):
        own = found.setdefault(str(variant), {name: [] for name in columns})
        for name, values in columns.items():
            own[name].append(values[i])
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
