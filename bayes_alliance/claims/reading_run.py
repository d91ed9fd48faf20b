"""The step of a run that judges claims under every reading of the publication."""

from __future__ import annotations

from collections.abc import Sequence

from bayes_alliance.claims.choices import Multiverse
from bayes_alliance.claims.ledger import Ledger
from bayes_alliance.claims.prior_suite import prior_suite
from bayes_alliance.claims.readings import (
    ReadingVerdict,
    combine_with_base,
    gather_readings,
    judge_readings_printed,
    reading_tasks,
)
from bayes_alliance.claims.results import ClaimResult
from bayes_alliance.claims.settings import ClaimsSettings, Keeping
from bayes_alliance.claims.tasks import Rows, judge_under
from bayes_alliance.data.rows import StudyData
from bayes_alliance.published.reading_weights import weigh_readings
from bayes_alliance.runtime.progress import Reporter
from bayes_alliance.runtime.resumable_tasks import format_failures, run_tasks
from bayes_alliance.runtime.task_store import Workers
from bayes_alliance.study.load_readings import load_readings
from bayes_alliance.study.records import Study


# Over 40 lines: nine arguments, the settings of the tasks and what becomes of them.
def judge_readings(
    study: Study,
    rows: Rows,
    ledger: Ledger,
    choices: Multiverse,
    settings: ClaimsSettings,
    printed: Sequence[ClaimResult],
    base: Sequence[ClaimResult],
    keeping: Keeping,
    report: Reporter,
    remarks: list[str],
) -> tuple[ReadingVerdict, ...]:
    """Judge claims under every reading: from print, and on synthetic rows unless verdicts alone are asked for.

    Parameters
    ----------
    study, rows, ledger, choices, settings : Study, StudyData or Path, Ledger, Multiverse, ClaimsSettings
        Of the run.
    printed, base : sequence of ClaimResult
        From print, and of the rows at hand; both under the default prior.
    keeping, report, remarks : Keeping, callable, list of str
        Where finished tasks are kept, who gets lines of progress, and what collects failures.

    Returns
    -------
    tuple of ReadingVerdict
        Empty for a study without readings.
    """
    stated = load_readings(study)
    weighed = weigh_readings(study, stated) if study.priors and study.cells else ()
    if not weighed:
        return ()
    report("claims under the readings of the publication")
    at_hand = {}
    if not isinstance(rows, StudyData) and settings.depth != "verdicts":
        claims = ledger.main if settings.depth == "main" else ledger.claims
        tasks = reading_tasks(
            study,
            rows,
            choices,
            claims,
            weighed,
            seed=settings.seed,
            draws=settings.draws,
            variant=prior_suite(study)[0],
            every=settings.depth == "full",
        )
        done = run_tasks(
            judge_under,
            list(tasks.values()),
            workers=Workers(jobs=settings.jobs),
            store=keeping.within("readings"),
            record=f"{keeping.record}; {stated.digest}",
            report=report,
            unit="readings",
        )
        remarks += format_failures(done.failures)
        at_hand = {
            coding: combine_with_base(ledger, base, done.columns(task.key))
            for coding, task in tasks.items()
            if task.key in done.results
        }
    from_print = judge_readings_printed(study, ledger, weighed, printed, settings.seed)
    return gather_readings(ledger, weighed, base, from_print, at_hand)
