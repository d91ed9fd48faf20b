"""The command line: read options, call the pipeline, print.

Heavy modules are imported inside the commands, so ``--help`` answers at once. Exit codes: 0 done; 2 the
input is wrong; 3 done, but a gate failed (said on stderr and in the tables); 130 interrupted; 1 anything else
that this package foresaw.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance import __version__
from bayes_alliance.cli.claims import add_commands as add_claims_commands
from bayes_alliance.cli.cohorts import add_commands as add_cohort_commands
from bayes_alliance.cli.data import add_commands as add_data_commands
from bayes_alliance.cli.data import add_min_cell, add_reading_options, load_data, spread_of_default
from bayes_alliance.cli.large import add_commands as add_large_commands
from bayes_alliance.cli.published import add_commands as add_published_commands
from bayes_alliance.cli.simulation import add_commands as add_simulate_commands
from bayes_alliance.cli.stress import add_commands as add_stress_commands
from bayes_alliance.errors import AllianceError, printable
from bayes_alliance.runtime.interrupts import no_interrupt_lost

if TYPE_CHECKING:
    from bayes_alliance.data.rows import StudyData
    from bayes_alliance.run.fitter import RunSettings
    from bayes_alliance.run.manifest import Presentation, RunEnd
    from bayes_alliance.study.records import Study

EXIT_GATE_FAILED = 3
EXIT_INTERRUPTED = 130
DEFAULT_SEED = 2020
# Fewer draws give no effective sample size, no Pareto k and no 95 % interval worth the name.
MIN_DRAWS = 50
ENGINES = ("pymc", "bambi", "collapsed", "none")
STYLES = ("journal", "column", "apa", "slides")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        with no_interrupt_lost(), _drawing_as(getattr(options, "figure_style", "journal")):
            code: int = options.run(options)
        sys.stdout.flush()
    except AllianceError as error:
        print(printable(f"bayes-alliance: {error}"), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("bayes-alliance: interrupted; stored posteriors are kept and will be reused", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone; without this Python complains once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        print(f"bayes-alliance: {error.strerror or error}{place}", file=sys.stderr)
        return 1
    return code


def _drawing_as(style: str) -> AbstractContextManager[None]:
    """Draw in a style for a while; without one, matplotlib need not be imported for it."""
    if style == "journal":
        return nullcontext()
    from bayes_alliance.show.plots.style import choose_style

    return choose_style(style)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bayes-alliance",
        description="Reanalyse a published longitudinal mixed-model study: printed | ML | Bayes on the same "
        "rows.",
        epilog="Exit codes: 0 done, 1 not done, 2 wrong input, 3 done but a check failed, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"bayes-alliance {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_reanalyse(commands)
    _add_fit(commands)
    add_data_commands(commands)
    add_published_commands(commands)
    add_cohort_commands(commands)
    add_simulate_commands(commands)
    add_large_commands(commands)
    add_stress_commands(commands)
    add_claims_commands(commands)
    studies = commands.add_parser("studies", help="list the studies that ship with the package")
    studies.add_argument("--json", action="store_true", help="print JSON")
    studies.set_defaults(run=_studies)
    return parser


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


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="CSV, Excel, SPSS, Stata, Parquet or R file; default: what the study ships with",
    )
    command.add_argument("--patients", type=Path, metavar="FILE", help="second table, one row a patient")
    command.add_argument(
        "--cohort",
        type=_cohort_number,
        metavar="N",
        help="which of the synthetic cohorts that the study ships, from 0 (default: the first)",
    )
    add_reading_options(command)


def _add_fitting(command: argparse.ArgumentParser) -> None:
    command.add_argument("--engine", choices=ENGINES, default="pymc", help="default: %(default)s")
    command.add_argument(
        "--prior", default="", metavar="NAME", help="prior set of the study (default: its first)"
    )
    command.add_argument("--seed", type=_seed, default=DEFAULT_SEED, metavar="N", help="default: %(default)s")
    command.add_argument(
        "--draws", type=_draws, metavar="N", help="draws a chain (default: 2500; collapsed: 4000 in all)"
    )
    command.add_argument("--chains", type=_chains, metavar="N", help="default: 4")
    command.add_argument("--sampler", choices=("nutpie", "pymc"), help="which NUTS (default: nutpie)")
    command.add_argument(
        "--sample-effects",
        action="store_true",
        help="engine pymc: sample patients' effects instead of integrating them out",
    )


def _whole(text: str, lowest: int, highest: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = lowest - 1
    if not lowest <= value <= highest:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {lowest} to {highest}")
    return value


def _draws(text: str) -> int:
    return _whole(text, MIN_DRAWS, 10**7)


def _jobs(text: str) -> int:
    return _whole(text, 1, 1000)


def _chains(text: str) -> int:
    return _whole(text, 1, 1000)


def _cohort_number(text: str) -> int:
    return _whole(text, 0, 10**4)


def _simulations(text: str) -> int:
    return _whole(text, 1, 1_000_000)


def _seed(text: str) -> int:
    return _whole(text, 0, 2**32 - 1)


def _settings(options: argparse.Namespace, study: Study, models: tuple[str, ...]) -> RunSettings:
    from bayes_alliance.inference.collapsed import CollapsedSettings
    from bayes_alliance.inference.pymc.sample import SamplerSettings
    from bayes_alliance.run.fitter import RunSettings, choose_prior

    _refuse_ignored(options)
    default = SamplerSettings()
    chains = options.chains or default.chains
    total = options.draws * chains if options.draws else CollapsedSettings().draws
    settings = RunSettings(
        engine=options.engine,
        prior=options.prior,
        seed=options.seed,
        models=models,
        exact=getattr(options, "exact", False),
        collapsed=CollapsedSettings(draws=total + -total % 4),
        sampler=SamplerSettings(
            draws=options.draws or default.draws,
            chains=chains,
            sampler=options.sampler or default.sampler,
            marginal=not options.sample_effects,
        ),
    )
    choose_prior(study, settings)
    return settings


def _refuse_ignored(options: argparse.Namespace) -> None:
    """Refuse options that would change nothing with the engine asked for."""
    from bayes_alliance.errors import InputError, Problem

    ignored = {
        "none": ("prior", "draws", "chains", "sampler", "exact", "sample_effects"),
        "bambi": ("sample_effects",),
    }.get(options.engine, ())
    given = ["--" + name.replace("_", "-") for name in ignored if getattr(options, name, None)]
    if given:
        problems = [
            Problem(
                what=f"{name} changes nothing with --engine {options.engine}", fix="leave one of them out"
            )
            for name in given
        ]
        raise InputError("options", problems)


def _reanalyse(options: argparse.Namespace) -> int:
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
            study, data, settings, plan=plan, store=folder / "posteriors", report=report, workers=workers
        )
        results = dataclasses.replace(results, spread=tuple(spread_of_default(options, study)))
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
    from bayes_alliance.run.fitter import choose_prior
    from bayes_alliance.run.manifest import RunData, find_finished, identify_run
    from bayes_alliance.run.pipeline import reading_notes
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


def _make_folder(options: argparse.Namespace, study: Study) -> Path:
    """Make the output folder."""
    from bayes_alliance.errors import InputError, Problem
    from bayes_alliance.runtime.files import clear_parts

    folder: Path = options.out or Path("results") / study.id
    if folder.exists() and not folder.is_dir():
        raise InputError("option --out", [Problem(what="there is a file of this name", got=str(folder))])
    store = folder / "posteriors"
    try:
        store.mkdir(parents=True, exist_ok=True)
        # Only writing shows whether one may: permissions say yes to root on a read-only disk.
        tempfile.TemporaryFile(dir=store).close()
    except OSError as error:
        problem = Problem(
            what=f"nothing can be written there ({error.strerror})",
            got=str(folder),
            allowed="a folder that exists or can be made",
            fix="name another with --out",
        )
        raise InputError("output folder", [problem]) from error
    clear_parts(folder)
    return folder


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
    from bayes_alliance.run.manifest import end_run
    from bayes_alliance.run.pipeline import run_study
    from bayes_alliance.show.run_folder import format_extras, format_quantities, ml_extras, quantities_json
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


def _studies(options: argparse.Namespace) -> int:
    from bayes_alliance.study.load_study import list_studies, load_study

    studies = [load_study(name) for name in list_studies()]
    if options.json:
        listed = [
            {"id": s.id, "title": s.title, "source": s.data.source.value, "models": len(s.models)}
            for s in studies
        ]
        print(json.dumps(listed, indent=2))
    else:
        for study in studies:
            default = f"{len(study.models)} models; default input: {study.data.source.value}"
            print(f"{study.id:<14} {study.title} ({default})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
