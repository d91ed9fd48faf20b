"""The commands ``reanalyse`` and ``fit``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.cli.data import load_data
from bayes_alliance.cli.options import (
    EXIT_GATE_FAILED,
    STYLES,
    _add_data,
    _add_fitting,
    _jobs,
    _make_folder,
    _settings,
    _simulations,
    add_min_cell,
)
from bayes_alliance.errors import AllianceError, printable

if TYPE_CHECKING:
    from bayes_alliance.data.rows import StudyData
    from bayes_alliance.run.manifest import Presentation, RunEnd
    from bayes_alliance.run.settings import RunSettings
    from bayes_alliance.study.records import Study


def _add_reanalyse(commands: Any) -> None:
    command = commands.add_parser(
        "reanalyse",
        help="run every model of a study and write tables, figures and posteriors",
        description="Run every model of a study and write tables, figures, posteriors and manifest.json.",
    )
    command.add_argument(
        "study", metavar="STUDY", help="id of a study that ships, or a folder with a study.toml"
    )
    _add_data(command)
    command.add_argument("--out", type=Path, metavar="DIR", help="output folder (default: results/<study>)")
    command.add_argument("--models", default="", metavar="ID,...", help="run only these models")
    _add_fitting(command)
    command.add_argument(
        "--exact", action="store_true", help="score every patient by a refit without that patient"
    )
    add_min_cell(command)
    command.add_argument(
        "--jobs",
        type=_jobs,
        metavar="N",
        help="processes at a time (default: one a processor; no number depends on it)",
    )
    command.add_argument(
        "--style",
        choices=STYLES,
        default="journal",
        help="for what the figures are made: two columns or one of a journal, APA, slides (default: %(default)s)",
    )
    command.add_argument(
        "--share", type=Path, metavar="ZIP", help="also write a bundle without anything of single patients"
    )
    command.add_argument(
        "--figures",
        choices=("all", "svg"),
        default="all",
        help="all: PDF, SVG and PNG at 600 dpi; svg: SVG only, in a third of the time (default: all)",
    )
    command.add_argument(
        "--again",
        action="store_true",
        help="make tables, figures and the report anew even where nothing changed since they were made",
    )
    command.add_argument("--quiet", action="store_true", help="print only the last line")
    command.add_argument(
        "--json", action="store_true", help="print a machine-readable summary as the last line"
    )
    command.set_defaults(run=_reanalyse)


def _add_fit(commands: Any) -> None:
    command = commands.add_parser(
        "fit",
        help="fit one model",
        description="Fit one model by ML, REML and Bayes and print its quantities.",
    )
    command.add_argument("study", metavar="STUDY")
    command.add_argument("--model", required=True, metavar="ID")
    _add_data(command)
    _add_fitting(command)
    command.add_argument(
        "--json", type=Path, metavar="FILE", help="write the quantities as JSON ('-' prints them)"
    )
    command.add_argument(
        "--profile", action="store_true", help="add profile-likelihood intervals of every ML estimate"
    )
    command.add_argument(
        "--bootstrap",
        type=_simulations,
        metavar="N",
        help="add a parametric bootstrap of the random slope's test with N simulated data sets",
    )
    command.set_defaults(run=_fit)


def _reanalyse(options: argparse.Namespace) -> int:
    from bayes_alliance.cohorts.study_rows import ensemble_facts
    from bayes_alliance.run.manifest import end_run
    from bayes_alliance.run.pipeline import run_study
    from bayes_alliance.run.plan import plan_study
    from bayes_alliance.runtime.pool import Pool, default_jobs
    from bayes_alliance.show.privacy import mask_small_cells
    from bayes_alliance.show.run_folder import write_run
    from bayes_alliance.show.share import write_share
    from bayes_alliance.study.load_study import load_study

    started = time.perf_counter()
    jobs = options.jobs or default_jobs()
    study = load_study(options.study)
    models = tuple(part.strip() for part in options.models.split(",") if part.strip())
    settings = _settings(options, study, models)
    data = load_data(options, study)

    def report(line: str) -> None:
        if not options.quiet or line.startswith("warning: "):
            print(printable(line), file=sys.stderr, flush=True)

    report(f"{study.title}: {data.source.value}, {data.origin}")
    for note in data.notes:
        report(f"  {note}")
    for warning in data.warnings:
        report(f"warning: {warning.format()}")
    plan = plan_study(study, data, models=models)
    folder = _make_folder(options, study)
    finished = (
        None if options.again or options.share else _find_finished(options, study, data, settings, folder)
    )
    if finished is not None:
        end, files = finished
        report("nothing has changed since the run that left these files; --again makes them anew")
        return _print_end(options, end, folder, files=len(files), seconds=time.perf_counter() - started)
    with Pool(jobs) as workers:
        results = run_study(
            study,
            data,
            settings,
            plan=plan,
            store=folder / "posteriors",
            report=report,
            workers=workers,
            ensemble=None if options.data is not None else ensemble_facts(study),
        )
        report("writing tables, figures and the report")
        results = mask_small_cells(results, options.min_cell)
        written = write_run(results, settings, folder, shown=_presentation(options), workers=workers)
    if options.share is not None:
        for removed in write_share(written, folder, options.share):
            report(f"left out of {options.share}: {removed}")
    end = end_run(results)
    return _print_end(options, end, folder, files=len(written), seconds=time.perf_counter() - started)


def _presentation(options: argparse.Namespace) -> Presentation:
    from bayes_alliance.run.manifest import Presentation

    kinds = {"all": ("pdf", "svg", "png"), "svg": ("svg",)}[options.figures]
    return Presentation(style=options.style, kinds=kinds, min_cell=options.min_cell)


def _find_finished(
    options: argparse.Namespace, study: Study, data: StudyData, settings: RunSettings, folder: Path
) -> tuple[RunEnd, list[Path]] | None:
    """Look whether the folder holds this very run, whole and untouched."""
    from bayes_alliance.run.manifest import RunData, find_finished, identify_run
    from bayes_alliance.run.pipeline import reading_notes
    from bayes_alliance.run.settings import choose_prior
    from bayes_alliance.show.report.companions import digest_companions

    rows = RunData(
        source=data.source.value, origin=data.origin, digest=data.digest, notes=reading_notes(data)
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


def _check_json_path(path: Path | None) -> None:
    """Find out before the fit whether its numbers can be written, without touching what is there."""
    from bayes_alliance.errors import InputError, Problem

    if path is None or str(path) == "-":
        return
    if path.is_dir() or not path.parent.is_dir():
        what = "it is a folder" if path.is_dir() else "its folder does not exist"
        raise InputError(
            "option --json", [Problem(what=what, got=str(path), allowed="a file, or - to print")]
        )


def _print_end(options: argparse.Namespace, end: RunEnd, folder: Path, *, files: int, seconds: float) -> int:
    """Print the last line of a run, after what failed; give the exit code."""
    code = _print_failed(end)
    if options.json:
        summary = {
            "study": end.study,
            "source": end.source,
            "folder": str(folder),
            "models_run": end.models_run,
            "models_skipped": end.models_skipped,
            "checks_failed": [f"{check.model_id}: {check.name}" for check in end.failed],
            "checks_not_made": [f"{check.model_id}: {check.name}" for check in end.unchecked],
            "files": files,
            "seconds": round(seconds, 1),
        }
        print(json.dumps(summary))
        return code
    verdict = f"{len(end.failed)} checks FAILED" if end.failed else "no check failed"
    verdict += f", {len(end.unchecked)} could not be made" if end.unchecked else ""
    could_not = f" ({len(end.models_skipped)} could not be run)" if end.models_skipped else ""
    print(
        f"{end.study}: {end.models_run} models{could_not} on {end.source}, {verdict}, "
        f"{seconds:.0f} s; {files} files in {folder}"
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
    return EXIT_GATE_FAILED if end.failed else 0


def _fit(options: argparse.Namespace) -> int:
    from bayes_alliance.run.judge_model import ml_extras
    from bayes_alliance.run.manifest import end_run
    from bayes_alliance.run.pipeline import run_study
    from bayes_alliance.show.terminal import format_extras, format_quantities, quantities_json
    from bayes_alliance.study.load_study import load_study

    _check_json_path(options.json)
    study = load_study(options.study)
    settings = _settings(options, study, (options.model,))
    data = load_data(options, study)
    results = run_study(study, data, settings, fits_only=True)
    if not results.runs:
        raise AllianceError("; ".join(f"{s.model_id}: {s.reason}" for s in results.skipped))
    extras = ml_extras(
        results.runs[0], profile=options.profile, bootstrap=options.bootstrap or 0, seed=options.seed
    )
    text = json.dumps(quantities_json(results) | extras, indent=2)
    if options.json is None:
        print("\n".join([format_quantities(results), *format_extras(extras)]))
    elif str(options.json) == "-":
        print(text)
    else:
        from bayes_alliance.runtime.files import write_whole

        write_whole(options.json, text + "\n")
    return _print_failed(end_run(results))
