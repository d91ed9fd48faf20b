"""The parts of ``reanalyse`` that answer first: printed numbers and their audit, then claims by source."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.cli.claims import stress_challenges
from bayes_alliance.cli.options import give_json
from bayes_alliance.errors import AllianceError, printable
from bayes_alliance.runtime.progress import Reporter

if TYPE_CHECKING:
    from bayes_alliance.claims.choices import Multiverse
    from bayes_alliance.claims.ledger import Ledger
    from bayes_alliance.claims.results import ClaimResult
    from bayes_alliance.claims.run import OtherTests
    from bayes_alliance.claims.settings import Depth
    from bayes_alliance.data.rows import StudyData
    from bayes_alliance.run.printed_side import Printed
    from bayes_alliance.study.records import Study

# Stress tests of the main findings in a default run, and of every claim in a full one.
DEFAULT_STRESS = ("missing", "conditioning")
FULL_STRESS = ("missing", "joint", "conditioning")


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a study asks besides its models: claims, and the choices they are judged under; None without."""

    study: Study
    ledger: Ledger | None
    choices: Multiverse | None


def load_question(study: Study) -> Question:
    """Load the claims of a study, if it has any that can be judged.

    Parameters
    ----------
    study : Study
        As loaded.

    Raises
    ------
    InputError
        If its claims or choices are not in order.
    """
    from bayes_alliance.claims.choices_file import load_choices
    from bayes_alliance.claims.ledger_file import FILE, load_claims

    if not study.priors or not (study.folder / FILE).exists():
        return Question(study=study, ledger=None, choices=None)
    choices = load_choices(study)
    return Question(study=study, ledger=load_claims(study, choices), choices=choices)


@dataclass(frozen=True, kw_only=True)
class FirstPage:
    """The page of a run until its models are fitted.

    Parameters
    ----------
    folder : Path
        Of the run.
    printed : Printed or None
        What printed numbers tell; None without.
    judged : tuple of (str, tuple of ClaimResult)
        Claims judged from printed numbers, as of :func:`bayes_alliance.claims.from_printed.judge_printed`.
    facts : mapping or None
        What that says on the page; None without claims.
    command, pending : str
        That makes the page, and what is still to come.
    """

    folder: Path
    printed: Printed | None
    judged: tuple[tuple[str, tuple[ClaimResult, ...]], ...]
    facts: Mapping[str, Any] | None
    command: str
    pending: str


def answer_from_print(
    question: Question, folder: Path, *, seed: int, command: str, pending: str, report: Reporter
) -> FirstPage:
    """Write the page that printed numbers alone fill.

    Parameters
    ----------
    question : Question
        Of the study.
    folder : Path
        Of the run.
    seed : int
        Of the run.
    command, pending : str
        As for :class:`FirstPage`.
    report : callable
        Gets a line once the page is there.
    """
    from bayes_alliance.claims.from_printed import judge_printed
    from bayes_alliance.run.printed_side import analyse_printed
    from bayes_alliance.show.claims_json import printed_json

    study, ledger = question.study, question.ledger
    judged = judge_printed(study, ledger, seed) if ledger is not None else ()
    facts = printed_json(study, ledger, judged, seed) if ledger is not None else None
    printed = analyse_printed(study)
    page = FirstPage(
        folder=folder, printed=printed, judged=judged, facts=facts, command=command, pending=pending
    )
    if study.cells or facts:
        report(f"printed numbers and their audit: {show_page(study, page)}")
    return page


def show_page(study: Study, page: FirstPage) -> Path:
    """Write the page anew; that of a finished run of this very study stays, and is refreshed."""
    from bayes_alliance.show.report import refresh_report, write_first_report

    finished = (page.folder / "manifest.json").exists()
    audit, readings = (None, ()) if page.printed is None else (page.printed.audit, page.printed.readings)
    path = refresh_report(page.folder, study, audit, readings) if finished else None
    return path or write_first_report(
        study,
        page.folder,
        printed=page.printed,
        facts=page.facts,
        command=page.command,
        pending=page.pending,
    )


# Over 40 lines: six arguments, and the ten that the claims are judged by, one a line.
def answer_from_claims(
    options: argparse.Namespace,
    question: Question,
    data: StudyData,
    page: FirstPage,
    *,
    depth: Depth,
    report: Reporter,
) -> list[Path]:
    """Judge the claims in every source, write them beside the page, and refresh it.

    Parameters
    ----------
    options : argparse.Namespace
        Which rows were asked for, and the seed.
    question : Question
        With claims.
    data : StudyData
        The rows of the run.
    page : FirstPage
        Of the run.
    depth : str
        Of :class:`bayes_alliance.claims.settings.ClaimsSettings`.
    report : callable
        Gets lines of progress.
    """
    from bayes_alliance.claims.run import run_claims
    from bayes_alliance.claims.settings import ClaimsSettings
    from bayes_alliance.cohorts.study_rows import shipped_cohorts
    from bayes_alliance.runtime.own_files import claim_folder
    from bayes_alliance.show.claims_folder import write_claims

    study, ledger, choices = question.study, question.ledger, question.choices
    assert ledger is not None and choices is not None
    place = page.folder / "claims"
    claim_folder(place)
    cohorts = list(shipped_cohorts(study))
    shipped = options.data is None and not study.data.file and bool(cohorts)
    more = None
    if depth in ("main", "full"):
        more = _stress(question, depth, options.seed, report)
    run = run_claims(
        study,
        cohorts[options.cohort or 0].path if shipped else data,
        {cohort.path.stem: cohort.path for cohort in cohorts},
        ledger,
        choices,
        ClaimsSettings(seed=options.seed, jobs=options.jobs, depth=depth),
        store=place / "kept",
        report=report,
        more=more,
        printed=page.judged,
    )
    written = write_claims(run, place, everything=options.everything)
    show_page(study, page)
    for remark in run.remarks:
        report(f"warning: {remark}")
    return written


def judge_claims(
    options: argparse.Namespace,
    question: Question,
    data: StudyData,
    page: FirstPage,
    *,
    depth: Depth,
    report: Reporter,
) -> None:
    """Judge the claims; where they cannot be judged on these data, say why, and let the run go on without them."""
    try:
        answer_from_claims(options, question, data, page, depth=depth, report=report)
    except AllianceError as error:
        report(f"warning: the claims could not be judged: {error}")


def print_answer(options: argparse.Namespace, study: Study, folder: Path, *, seconds: float) -> int:
    """Print the answer of a run without models: a few lines, or JSON; return the exit code."""
    summary = {"study": study.id, "folder": str(folder), "seconds": round(seconds, 1)}
    if give_json(options, summary, indent=None):
        return 0
    if not options.quiet:
        for line in format_answer(study, folder):
            print(printable(line))
    print(f"{study.id}: printed numbers and claims, {seconds:.0f} s; open {folder / 'report.html'}")
    return 0


def _stress(question: Question, depth: Depth, seed: int, report: Reporter) -> OtherTests | None:
    """Return the stress tests of a run: of the models of main findings by default, of all in a full run."""
    from bayes_alliance.stress.prepare import chosen_models

    study, ledger = question.study, question.ledger
    assert ledger is not None
    if depth == "full":
        return stress_challenges(study, ledger, report, what=FULL_STRESS, seed=seed)
    main = {model for claim in ledger.main for part in claim.parts for model in part.models}
    models = tuple(model.id for model in chosen_models(study) if model.id in main)
    what = DEFAULT_STRESS if models else ()
    return stress_challenges(study, ledger, report, what=what, seed=seed, models=models)


def format_answer(study: Study, folder: Path) -> list[str]:
    """Return the answer in a few lines for the terminal, from the claims that lie in the folder of a run.

    Parameters
    ----------
    study : Study
        For the audit of its print.
    folder : Path
        Of the run.
    """
    from bayes_alliance.published.audit import audit_study
    from bayes_alliance.show.claims_json import read_claims_json
    from bayes_alliance.show.companion_files import CLAIMS_FILE
    from bayes_alliance.show.narrative import summary_lines
    from bayes_alliance.show.report.first_screen import describe_audit

    audited = describe_audit(audit_study(study) if study.cells else None)
    try:
        facts = read_claims_json(folder / "claims" / CLAIMS_FILE)
    except ValueError as error:
        return [f"warning: {error}"]
    if facts is None:
        return [audited] if audited else []
    return summary_lines(facts, audit=audited)
