"""Every combination of the declared choices, each judged once, and what share of them supports a claim.

A specification is a coding, a prior set and a covariance type, on one set of rows; a choice that does not touch a
model (another definition of outcome, for a model without outcome) does not multiply it. One task is one coding on one
set of rows, so that what is read and recoded is shared; finished tasks lie in Parquet and an interrupted run resumes.
A specification that cannot be fitted stays in the table as untestable with its reason, and shares say of how many.
(Steegen et al. 2016, doi:10.1177/1745691616658637; specification curve: Simonsohn, Simmons & Nelson 2020,
doi:10.1038/s41562-020-0912-z.)
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayes_alliance.assess.verdicts import Verdict, combine_verdicts
from bayes_alliance.claims.choices import Axis, Multiverse, Option
from bayes_alliance.claims.from_posterior import PartResult
from bayes_alliance.claims.ledger import Claim, Ledger, Part
from bayes_alliance.claims.prior_suite import PriorVariant
from bayes_alliance.claims.tasks import Rows, Specification, judge_under, restore
from bayes_alliance.run.fitter import engine_versions
from bayes_alliance.runtime.tasks import Failure, Task, Workers, run_tasks
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Derived, Study

DRAWS = 2000
Choices = tuple[tuple[str, str], ...]
Reporter = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Cell:
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
        Specifications by verdict, the untestable ones among them.
    """

    claim_id: str
    axis: str
    option: str
    counts: Mapping[Verdict, int]

    @property
    def n_tested(self) -> int:
        """Specifications that could be tested."""
        return sum(n for verdict, n in self.counts.items() if verdict is not Verdict.UNTESTABLE)

    def share(self, *verdicts: Verdict) -> float:
        """Share of the tested specifications with one of these verdicts; NaN where none was tested."""
        n = self.n_tested
        return sum(self.counts.get(verdict, 0) for verdict in verdicts) / n if n else float("nan")


@dataclass(frozen=True, kw_only=True)
class MultiverseResult:
    """Every specification of a run.

    Parameters
    ----------
    cells : tuple of Cell
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

    cells: tuple[Cell, ...]
    verdicts: tuple[SpecificationVerdict, ...]
    shares: tuple[Share, ...]
    n_fits: int
    n_reused: int
    failures: tuple[Failure, ...]
    seconds: float


def multiverse_claims(ledger: Ledger, choices: Multiverse) -> tuple[Claim, ...]:
    """Give the claims all of whose parts are about models of the multiverse, coded the study's own way."""
    models = set(choices.models)

    def is_in(part: Part) -> bool:
        return part.is_of_model and not part.recode and set(part.models) <= models

    return tuple(claim for claim in ledger.claims if claim.parts and all(map(is_in, claim.parts)))


def touches(study: Study, axis: Axis, model_id: str) -> bool:
    """Say whether any option of an axis can change a model's rows or columns."""
    if any(option.keep or option.at_least or option.final for option in axis.options):
        return True
    model = study.model(model_id)
    names = set(parse_formula(model.formula).names) | {name for name, _ in model.where}
    moved = {option.variable for option in axis.options if option.variable}
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


def count_fits(study: Study, ledger: Ledger, choices: Multiverse, n_rows: int = 1) -> int:
    """Count the posteriors of a full run on this many sets of rows."""
    models = {m for claim in multiverse_claims(ledger, choices) for part in claim.parts for m in part.models}
    total = 0
    for model_id in models:
        codings = 1
        for axis in choices.axes:
            codings *= len(axis.options) if touches(study, axis, model_id) else 1
        total += codings * len(choices.priors) * len(choices.covariances)
    return total * n_rows


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
    cells: list[Cell] = []
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
    """Say what judged claims depend on besides the task and the code: files, rows, seed, draws and versions.

    Parameters
    ----------
    rows : sequence of StudyData or Path
        Every set of rows.
    seed, draws : int
        Of the run.
    """
    digests = sorted(
        hashlib.sha256(one.read_bytes()).hexdigest() if isinstance(one, Path) else one.digest for one in rows
    )
    text = "|".join((study.digest, choices.digest, ledger.digest, str(seed), str(draws), *digests))
    return f"{hashlib.sha256(text.encode()).hexdigest()}; {engine_versions()}"


def _cells(choices: Multiverse, rows: str, columns: Mapping[str, Any]) -> list[Cell]:
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
            Cell(
                rows=rows,
                choices=tuple(pairs),
                departures=tuple(axis for axis, option in pairs if own[axis] != option),
                result=result,
            )
        )
    return found


def own_way(choices: Multiverse) -> Choices:
    """Give the study's own option on every axis, prior and covariance included."""
    pairs = [(axis.id, axis.options[0].id) for axis in choices.axes]
    return (*pairs, ("prior", choices.priors[0]), ("covariance", choices.covariances[0]))


def judge_specifications(ledger: Ledger, cells: Sequence[Cell]) -> list[SpecificationVerdict]:
    """Put the parts of each claim together, specification by specification.

    A part that a choice does not touch is the same under it; it enters from the specification without that choice, so
    that the parts of a claim always stand together.
    """
    by_claim: dict[str, list[Cell]] = {}
    for cell in cells:
        by_claim.setdefault(cell.result.claim_id, []).append(cell)
    own = _own_options(cells)
    return [
        verdict for claim in ledger.claims for verdict in _judge_claim(claim, by_claim.get(claim.id, []), own)
    ]


def _own_options(cells: Sequence[Cell]) -> dict[str, str]:
    """Give the study's own option on every axis."""
    return {axis: option for cell in cells for axis, option in cell.choices if axis not in cell.departures}


def _judge_claim(
    claim: Claim, cells: Sequence[Cell], own: Mapping[str, str]
) -> Iterator[SpecificationVerdict]:
    by_part: dict[str, dict[tuple[str, Choices], Cell]] = {}
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


def _judge_together(claim: Claim, cell: Cell, members: Sequence[Cell]) -> SpecificationVerdict:
    """Judge a claim by its parts; one that needs all of them is not tested where one could not be."""
    verdict = combine_verdicts(claim.combine, [member.result.verdict for member in members])
    reasons = dict.fromkeys(m.result.reason for m in members if m.result.judgement is None)
    if len(members) < len(claim.parts):
        reasons["a part has no result"] = None
    if claim.combine == "all" and reasons:
        verdict = Verdict.UNTESTABLE
    return SpecificationVerdict(
        claim_id=claim.id,
        rows=cell.rows,
        choices=cell.choices,
        departures=cell.departures,
        verdict=verdict,
        reason="; ".join(reasons) if verdict is Verdict.UNTESTABLE else "",
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
