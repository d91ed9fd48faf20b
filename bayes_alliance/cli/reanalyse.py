"""The commands ``reanalyse`` and ``fit``."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.cli.answer import (
    answer_from_print,
    format_answer,
    judge_claims,
    load_question,
    print_answer,
)
from bayes_alliance.cli.data import load_data, load_protected, report_warnings
from bayes_alliance.cli.options import (
    EXIT_CHECK_FAILED,
    add_data,
    add_fitting,
    add_jobs,
    add_json,
    add_min_cell,
    add_models,
    add_out,
    add_quiet,
    add_study,
    check_json,
    give_json,
    make_folder,
    one_model,
    run_settings,
)
from bayes_alliance.cli.outputs import add_files
from bayes_alliance.cli.parser import whole_number
from bayes_alliance.cli.progress import ProgressReporter
from bayes_alliance.errors import AllianceError, InputError, Problem, printable

_KINDS = {"svg": ("svg",), "pdf": ("svg", "pdf"), "png": ("svg", "png"), "all": ("pdf", "svg", "png")}

if TYPE_CHECKING:
    from bayes_alliance.claims.settings import Depth
    from bayes_alliance.cli.answer import FirstPage
    from bayes_alliance.data.rows import StudyData
    from bayes_alliance.run.manifest import Presentation, RunEnd
    from bayes_alliance.run.results import StudyResults
    from bayes_alliance.run.settings import RunSettings
    from bayes_alliance.study.records import Study


def _add_reanalyse(commands: Any) -> None:
    command = commands.add_parser(
        "reanalyse",
        help="judge every claim of a study, fit its models by ML and Bayes, and write one page with the answer",
        description="Judge every claim of a study from printed numbers, synthetic cohorts or data, say what would "
        "overturn the main findings, and fit every model by ML and Bayes. Writes report.html (from printed numbers "
        "within seconds, then refreshed), tables, figures, posteriors and manifest.json.",
    )
    add_study(command)
    add_data(command)
    add_out(command, "results/<study>")
    much = command.add_mutually_exclusive_group()
    much.add_argument(
        "--quick", action="store_true", help="printed numbers, their audit and claims by source only"
    )
    much.add_argument(
        "--full",
        action="store_true",
        help="add the multiverse and the stress tests but for other likelihoods",
    )
    add_models(command)
    add_fitting(command)
    command.add_argument(
        "--exact", action="store_true", help="score every patient by a refit without that patient"
    )
    add_min_cell(command)
    add_jobs(command)
    add_files(command)
    command.add_argument(
        "--again",
        action="store_true",
        help="write tables, figures and the report again even if nothing changed since the last run",
    )
    add_quiet(command)
    add_json(command)
    command.set_defaults(run=_reanalyse)


def _add_fit(commands: Any) -> None:
    command = commands.add_parser(
        "fit",
        help="fit one model",
        description="Fit one model by ML, REML and Bayes and print its quantities.",
    )
    add_study(command)
    add_models(command, several=False, required=True)
    add_data(command)
    add_fitting(command)
    add_quiet(command)
    add_json(command)
    command.add_argument(
        "--profile", action="store_true", help="add profile-likelihood intervals of every ML estimate"
    )
    command.add_argument(
        "--bootstrap",
        type=whole_number(1, 1_000_000),
        metavar="N",
        help="add a parametric bootstrap of the random slope's test with N simulated data sets",
    )
    command.set_defaults(run=_fit)


# Over 40 lines: the steps of the command in their order.
def _reanalyse(options: argparse.Namespace) -> int:
    from bayes_alliance.run.fitter import check_draws
    from bayes_alliance.run.manifest import end_run
    from bayes_alliance.run.plan import check_runs
    from bayes_alliance.show.disclosure import smallest_group
    from bayes_alliance.show.privacy import mask_text
    from bayes_alliance.study.load_study import load_study

    started = time.perf_counter()
    check_json(options)
    study = load_study(options.study)
    settings = run_settings(options, study, options.models)
    data = load_protected(options, study)
    options.min_cell = data.min_cell or smallest_group(data.source, options.min_cell)
    _check_share(options, data)
    said = partial(mask_text, min_cell=options.min_cell)
    with ProgressReporter(quiet=options.quiet, say=said) as report:
        _say_data(study, data, report)
        check_runs(study, data, models=options.models)
        if not options.quick:
            check_draws(study, data, settings)
        question = load_question(study)
        folder = options.out or Path("results") / study.id
        finished = (
            None if options.again or options.share else _find_finished(options, study, data, settings, folder)
        )
        if finished is not None:
            end, files = finished
            report("nothing has changed since the run that left these files; --again writes them again")
            report.close()
            seconds = time.perf_counter() - started
            return _print_end(options, study, end, folder, files=len(files), seconds=seconds)
        make_folder(folder)
        make_folder(folder / "posteriors", store=True)
        page = answer_from_print(
            question,
            folder,
            seed=options.seed,
            command=_command(options),
            pending=_pending(options),
            report=report,
        )
        if question.ledger is not None and not options.models and options.engine != "none":
            judge_claims(options, question, data, page, depth=_depth(options), report=report)
        if options.quick:
            report.close()
            return print_answer(options, study, folder, seconds=time.perf_counter() - started)
        results, written = _run(options, study, data, settings, page, report)
        if options.share is not None:
            _share(options, results, written, folder, settings, report)
    end = end_run(results)
    seconds = time.perf_counter() - started
    return _print_end(options, study, end, folder, files=len(written), seconds=seconds)


def _say_data(study: Study, data: StudyData, report: ProgressReporter) -> None:
    """Report the study, its data and the warnings from reading them."""
    report(f"{study.title}: {data.source.value}, {data.origin}")
    for note in data.notes:
        report(f"  {note}")
    report_warnings(data, report)


def _share(
    options: argparse.Namespace,
    results: StudyResults,
    written: Sequence[Path],
    folder: Path,
    settings: RunSettings,
    report: ProgressReporter,
) -> None:
    """Write the bundle and say what is left out of it."""
    from bayes_alliance.show.share import contents_of, draw_anew, write_share

    bundled = write_share(
        written,
        folder,
        options.share,
        contents_of(results),
        draws=options.share_draws,
        anew=partial(draw_anew, results, settings.collapsed),
        min_cell=options.min_cell,
    )
    for removed in bundled:
        report(f"left out of {options.share}: {removed}")


def _run(
    options: argparse.Namespace,
    study: Study,
    data: StudyData,
    settings: RunSettings,
    page: FirstPage,
    report: ProgressReporter,
) -> tuple[StudyResults, list[Path]]:
    """Fit, judge and write; return the results, as far as they may be shown, and the files."""
    from bayes_alliance.cohorts.ensemble_facts import ensemble_facts
    from bayes_alliance.cohorts.typicality import say_failed
    from bayes_alliance.run.pipeline import run_study
    from bayes_alliance.runtime.pool import Pool
    from bayes_alliance.show.privacy import mask_small_cells
    from bayes_alliance.show.run_folder import write_run

    with Pool(options.jobs) as workers:
        results = run_study(
            study,
            data,
            settings,
            store=page.folder / "posteriors",
            report=report,
            workers=workers,
            ensemble=None if options.data is not None else ensemble_facts(study),
            printed=page.printed,
        )
        for line in say_failed(results.ensemble.checks):
            report(f"warning: {line}")
        report("writing tables, figures and the report")
        results = mask_small_cells(results, options.min_cell)
        written = write_run(
            results, settings, page.folder, shown=_presentation(options), workers=workers, facts=page.facts
        )
    return results, written


def _check_share(options: argparse.Namespace, data: StudyData) -> None:
    """Refuse to share real data of groups that are too small."""
    from bayes_alliance.show.disclosure import smallest_group

    needed = smallest_group(data.source)
    if options.share is not None and options.min_cell < needed:
        problem = Problem(
            what="a bundle of real data describes no fewer patients",
            got=f"--min-cell {options.min_cell}",
            allowed=f"{needed} or more",
            fix="leave --min-cell or --share out",
        )
        raise InputError("option --share", [problem])


def _presentation(options: argparse.Namespace) -> Presentation:
    from bayes_alliance.run.manifest import Presentation

    return Presentation(
        style=options.style,
        kinds=_KINDS[options.figures],
        min_cell=options.min_cell,
        everything=options.everything,
        captions=options.captions,
        depth=_depth(options),
        spaghetti=options.spaghetti,
    )


def _depth(options: argparse.Namespace) -> Depth:
    return "verdicts" if options.quick else "full" if options.full else "main"


def _command(options: argparse.Namespace) -> str:
    """Return the command that makes the page of printed numbers and claims again."""
    return f"bayes-alliance reanalyse {options.study} --quick --seed {options.seed}"


def _pending(options: argparse.Namespace) -> str:
    return "" if options.quick else "The models are being fitted; this page will be replaced."


def _find_finished(
    options: argparse.Namespace, study: Study, data: StudyData, settings: RunSettings, folder: Path
) -> tuple[RunEnd, list[Path]] | None:
    """Check whether the folder holds this very run, whole and untouched; a quick run leaves no manifest to tell."""
    if options.quick or not (folder / "manifest.json").exists():
        return None
    from bayes_alliance.run.manifest import RunData, find_finished, identify_run
    from bayes_alliance.run.pipeline import reading_notes
    from bayes_alliance.run.settings import choose_prior
    from bayes_alliance.show.companion_files import digest_companions
    from bayes_alliance.show.privacy import mask_notes

    rows = RunData(
        source=data.source.value,
        origin=data.origin,
        digest=data.digest,
        notes=mask_notes(reading_notes(data), options.min_cell),
    )
    prior = choose_prior(study, settings)
    identity = identify_run(
        study,
        rows,
        settings,
        prior=prior,
        shown=_presentation(options),
        companions=digest_companions(folder),
    )
    return find_finished(folder, identity)


def _print_end(
    options: argparse.Namespace, study: Study, end: RunEnd, folder: Path, *, files: int, seconds: float
) -> int:
    """Print the answer and the last line of a run, after what failed; return the exit code."""
    from bayes_alliance.show.check_words import describe_tally

    code = _print_failed(end)
    summary = {
        "study": end.study,
        "source": end.source,
        "folder": str(folder),
        "models_run": end.models_run,
        "models_skipped": end.models_skipped,
        "checks_failed": [f"{check.model_id}: {check.name}" for check in end.failed],
        "checks_not_made": [f"{check.model_id}: {check.name}" for check in end.unchecked],
        "checks": dataclasses.asdict(end.tally),
        "files": files,
        "seconds": round(seconds, 1),
    }
    if give_json(options, summary, indent=None):
        return code
    could_not = f" ({len(end.models_skipped)} could not be run)" if end.models_skipped else ""
    if not options.quiet:
        for line in format_answer(study, folder):
            print(printable(line))
    print(
        f"{end.study}: {end.models_run} models{could_not} on {end.source}, {describe_tally(end.tally)}, "
        f"{seconds:.0f} s; {files} files in {folder}; open {folder / 'report.html'}"
    )
    return code


def _print_failed(end: RunEnd) -> int:
    """Name on stderr each gate that failed or could not be judged; give the exit code."""
    for check in end.failed:
        found = f"{check.value:.4g} (threshold {check.threshold:g})"
        print(
            f"check failed: {check.model_id}: {check.name} = {found}; to do: {check.advice}", file=sys.stderr
        )
    for check in end.unchecked:
        print(f"check not made: {check.model_id}: {check.name}", file=sys.stderr)
    return EXIT_CHECK_FAILED if end.failed else 0


def _refuse_structured(options: argparse.Namespace, study: Study, model: str) -> None:
    """Refuse simulated tests of models with several levels or dependent residuals."""
    from bayes_alliance.study.formula import parse_formula

    structured = [m.id for m in study.models if m.id == model and parse_formula(m.formula).is_structured]
    if options.bootstrap and structured:
        problem = Problem(
            what="made for random effects of one level and independent residuals only",
            where=f"model {structured[0]!r}",
            fix="leave --bootstrap out: standard errors, degrees of freedom and p are given without it",
        )
        raise InputError("option --bootstrap", [problem])


def _fit(options: argparse.Namespace) -> int:
    from bayes_alliance.run.judge_model import ml_extras
    from bayes_alliance.run.manifest import end_run
    from bayes_alliance.run.pipeline import run_study
    from bayes_alliance.show.terminal import format_extras, format_quantities, quantities_json
    from bayes_alliance.study.load_study import load_study

    check_json(options)
    study = load_study(options.study)
    settings = run_settings(options, study, [one_model(options)])
    _refuse_structured(options, study, settings.models[0])
    data = load_data(options, study)
    with ProgressReporter(quiet=options.quiet) as report:
        report_warnings(data, report)
        results = run_study(study, data, settings, fits_only=True, report=report)
    if not results.runs:
        raise AllianceError("; ".join(f"{s.model_id}: {s.reason}" for s in results.skipped))
    extras = ml_extras(
        results.runs[0], profile=options.profile, bootstrap=options.bootstrap or 0, seed=options.seed
    )
    if not give_json(options, quantities_json(results) | extras):
        print("\n".join([format_quantities(results), *format_extras(extras)]))
    return _print_failed(end_run(results))
