"""Every combination of the declared choices, each judged once, and what share of them supports a claim.

A specification is a coding, a prior set and a covariance type, on one set of rows; a choice that does not touch a
model (another definition of outcome, for a model without outcome) does not multiply it. One task is one coding on one
set of rows, so that what is read and recoded is shared; finished tasks lie in Parquet and an interrupted run resumes.
A specification that cannot be fitted stays in the table as not applicable with its reason, and shares say of how many.
(Steegen et al. 2016, doi:10.1177/1745691616658637; specification curve: Simonsohn, Simmons & Nelson 2020,
doi:10.1038/s41562-020-0912-z.)
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bayes_alliance.claims.choices import Axis, Multiverse, Option
from bayes_alliance.claims.ledger import Claim, Ledger, Part
from bayes_alliance.claims.multiverse_results import (
    Choices,
    MultiverseCell,
    MultiverseResult,
    count_shares,
    judge_specifications,
)
from bayes_alliance.claims.prior_suite import PriorVariant
from bayes_alliance.claims.tasks import Rows, Specification, judge_under, restore
from bayes_alliance.inference.versions import engine_versions
from bayes_alliance.runtime.progress import Reporter
from bayes_alliance.runtime.resumable_tasks import run_tasks
from bayes_alliance.runtime.task_store import Task, Workers
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Derived, Study

DRAWS = 2000


def multiverse_claims(ledger: Ledger, choices: Multiverse) -> tuple[Claim, ...]:
    """Return the claims all of whose parts are about models of the multiverse, coded the study's own way."""
    models = set(choices.models)

    def is_in(part: Part) -> bool:
        return part.is_of_model and not part.recode and set(part.models) <= models

    return tuple(claim for claim in ledger.claims if claim.parts and all(map(is_in, claim.parts)))


def touches(study: Study, axis: Axis, model_id: str) -> bool:
    """Return whether any option of an axis can change a model's rows or columns."""
    if any(option.keep or option.at_least or option.final for option in axis.options):
        return True
    model = study.model(model_id)
    names = set(parse_formula(model.formula).names) | {name for name, _ in model.where}
    moved = {option.variable for option in axis.options if option.variable}
    moved |= {name for option in axis.options for name, _ in option.without_end}
    return bool(names & _dependents(study, moved))


def _dependents(study: Study, names: set[str]) -> set[str]:
    """Variables that rest on any of these, they themselves included."""
    found = set(names)
    grew = True
    while grew:
        more = {d.name for d in study.derived if isinstance(d, Derived) and found & set(d.of)} - found
        found |= more
        grew = bool(more)
    return found


def plan_tasks(
    study: Study,
    rows: Mapping[str, Rows],
    choices: Multiverse,
    ledger: Ledger,
    *,
    seed: int,
    draws: int = DRAWS,
) -> list[Task]:
    """List one task for each coding and set of rows, with the parts that its choices touch.

    Parameters
    ----------
    rows : mapping of str to StudyData or Path
        Sets of rows by name.
    seed : int
        Of the run.
    draws : int
        Of each posterior.
    """
    claims = multiverse_claims(ledger, choices)
    n_inner = len(choices.priors) * len(choices.covariances)
    tasks = []
    for name, source in rows.items():
        for coding in choices.codings(choices.axes):
            own = [_touched(study, choices, claim, coding) for claim in claims]
            own = [claim for claim in own if claim.parts]
            models = {m for claim in own for part in claim.parts for m in part.models}
            if not own:
                continue
            ids = tuple(option.id for option in coding)
            specifications = [
                Specification(
                    variant=PriorVariant(id=prior, label=study.prior(prior).label, base=prior),
                    covariance=covariance,
                    coding=ids,
                    draws=draws,
                )
                for prior in choices.priors
                for covariance in choices.covariances
            ]
            key = ".".join([_safe(name), *(ids or ("own",))])
            arguments = (study, source, choices, own, seed, specifications)
            tasks.append(Task(key=_short(key), arguments=arguments, size=len(models) * n_inner))
    return tasks


def _safe(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name)[:40] or "data"


def _short(key: str) -> str:
    return key if len(key) <= 110 else f"{key[:90]}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _touched(study: Study, choices: Multiverse, claim: Claim, coding: Sequence[Option]) -> Claim:
    """Keep the parts whose models every departure of a coding touches."""
    departed = [axis for axis, option in zip(choices.axes, coding, strict=True) if not option.changes_nothing]
    kept = tuple(
        part for part in claim.parts if all(touches(study, axis, m) for axis in departed for m in part.models)
    )
    return dataclasses.replace(claim, parts=kept)


def run_multiverse(
    study: Study,
    rows: Mapping[str, Rows],
    choices: Multiverse,
    ledger: Ledger,
    *,
    seed: int,
    jobs: int = 1,
    store: Path | None = None,
    report: Reporter = lambda line: None,
    draws: int = DRAWS,
) -> MultiverseResult:
    """Run every specification that has no result yet, and judge all.

    Parameters
    ----------
    study, rows, choices, ledger
        What to run; ``rows`` are sets of rows of one source, by name.
    seed : int
        Of the run.
    jobs : int
        Processes.
    store : Path, optional
        Folder of finished tasks; a killed run goes on where it was.
    report : callable
        Gets lines of progress.
    draws : int
        Of each posterior.

    Returns
    -------
    MultiverseResult
        The same whatever the number of processes and however often the run was interrupted.
    """
    tasks = plan_tasks(study, rows, choices, ledger, seed=seed, draws=draws)
    done = run_tasks(
        judge_under,
        tasks,
        workers=Workers(jobs=jobs),
        store=store,
        record=make_record(study, list(rows.values()), choices, ledger, seed, draws),
        report=report,
        unit="fits of the multiverse",
    )
    cells: list[MultiverseCell] = []
    names = {task.key: name for task in tasks for name in rows if task.arguments[1] is rows[name]}
    failed = {failure.key for failure in done.failures}
    for task in tasks:
        if task.key not in failed:
            cells += _cells(choices, names[task.key], done.columns(task.key))
    verdicts = judge_specifications(ledger, cells)
    return MultiverseResult(
        cells=tuple(cells),
        verdicts=tuple(verdicts),
        shares=tuple(count_shares(verdicts)),
        n_fits=sum(task.size for task in tasks if task.key not in failed),
        n_reused=done.n_reused,
        failures=done.failures,
        seconds=done.seconds,
    )


def make_record(
    study: Study, rows: Sequence[Rows], choices: Multiverse, ledger: Ledger, seed: int, draws: int
) -> str:
    """Return what judged claims depend on besides the task and the code: files, rows, seed, draws and versions.

    Parameters
    ----------
    rows : sequence of StudyData or Path
        Every set of rows.
    seed, draws : int
        Of the run.
    """
    digests = sorted(
        hashlib.sha256(one.read_bytes()).hexdigest()
        if isinstance(one, Path)
        else f"{one.digest} {one.min_cell}"
        for one in rows
    )
    text = "|".join((study.digest, choices.digest, ledger.digest, str(seed), str(draws), *digests))
    return f"{hashlib.sha256(text.encode()).hexdigest()}; {engine_versions()}"


def _cells(choices: Multiverse, rows: str, columns: Mapping[str, Any]) -> list[MultiverseCell]:
    found = []
    for i, result in enumerate(restore(columns)):
        coding = list(filter(None, str(columns["coding"][i]).split(";")))
        pairs = [(axis.id, option) for axis, option in zip(choices.axes, coding, strict=True)]
        pairs += [
            ("prior", str(columns["prior_variant"][i])),
            ("covariance", str(columns["asked_covariance"][i])),
        ]
        own = dict(own_way(choices))
        found.append(
            MultiverseCell(
                rows=rows,
                choices=tuple(pairs),
                departures=tuple(axis for axis, option in pairs if own[axis] != option),
                result=result,
            )
        )
    return found


def own_way(choices: Multiverse) -> Choices:
    """Return the study's own option on every axis, prior and covariance included."""
    pairs = [(axis.id, axis.options[0].id) for axis in choices.axes]
    return (*pairs, ("prior", choices.priors[0]), ("covariance", choices.covariances[0]))
