"""Options that several commands share, each defined once."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.cli.parser import split_names, whole_number
from bayes_alliance.cli.reading_options import add_reading_options
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.runtime.pool import default_jobs

if TYPE_CHECKING:
    from bayes_alliance.run.settings import RunSettings
    from bayes_alliance.study.records import Study

MAX_MIN_CELL = 1000
EXIT_CHECK_FAILED = 3
EXIT_INTERRUPTED = 130
ALL = "all"
# Fewer draws give no effective sample size, no Pareto k and no 95 % interval worth the name.
MIN_DRAWS = 50
ENGINES = ("pymc", "bambi", "collapsed", "none")
STYLES = ("journal", "column", "apa", "slides")


def add_study(command: argparse.ArgumentParser) -> None:
    """Add the study."""
    command.add_argument(
        "study", metavar="STUDY", help="id of a study that ships, or a folder with a study.toml"
    )


def add_data(command: argparse.ArgumentParser) -> None:
    """Add the options that choose the rows, and how a file of them is read."""
    command.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="CSV, Excel, SPSS, Stata, Parquet or R file (default: what the study ships with)",
    )
    add_patients(command)
    command.add_argument(
        "--cohort",
        type=whole_number(0, 10**4),
        metavar="N",
        help="which of the synthetic cohorts that the study ships, from 0 (default: 0)",
    )
    add_reading_options(command)


def add_patients(command: argparse.ArgumentParser) -> None:
    """Add the second table of a data file."""
    command.add_argument("--patients", type=Path, metavar="FILE", help="second table, one row per patient")


def add_models(
    command: argparse.ArgumentParser, *, default: str = "all", several: bool = True, required: bool = False
) -> None:
    """Add the choice of models; ``default`` says which are taken without it."""
    command.add_argument(
        "--models",
        "--model",
        dest="models",
        action="extend",
        type=split_names,
        default=[],
        required=required,
        metavar="ID,..." if several else "ID",
        help=("models to run" if several else "the model")
        + ("" if required else f" (default: {default})")
        + "; 'models STUDY' lists them",
    )


def one_model(options: argparse.Namespace) -> str:
    """Return the model of a command that takes one; empty for its default."""
    return _only(options.models, "--models", "one model is taken here")


def add_prior(command: argparse.ArgumentParser, *, default: str = "the first") -> None:
    """Add the choice of prior sets; ``default`` says which are taken without it."""
    several = default == ALL
    command.add_argument(
        "--prior",
        type=split_names,
        default=[],
        metavar="NAME,..." if several else "NAME",
        help=f"prior set{'s' if several else ''} of the study (default: {default})",
    )


def one_prior(options: argparse.Namespace) -> str:
    """Return the prior set of a command that takes one; empty for the study's first."""
    return _only(options.prior, "--prior", "one prior set is taken here")


def _only(names: Sequence[str], option: str, what: str) -> str:
    if len(names) > 1:
        raise InputError(f"option {option}", [Problem(what=what, got=", ".join(names)[:100])])
    return names[0] if names else ""


def add_seed(command: argparse.ArgumentParser) -> None:
    """Add the seed."""
    from bayes_alliance.runtime.seeds import DEFAULT_SEED

    command.add_argument(
        "--seed",
        type=whole_number(0, 2**32 - 1),
        default=DEFAULT_SEED,
        metavar="N",
        help="the number that all randomness comes from (default: %(default)s)",
    )


def add_jobs(command: argparse.ArgumentParser, *, scheduler: bool = False) -> None:
    """Add the number of processes, and where wanted the address of a Dask scheduler."""
    command.add_argument(
        "--jobs",
        type=whole_number(1, 10_000),
        default=default_jobs(),
        metavar="N",
        help="number of worker processes; results do not depend on it (default: all available CPUs, %(default)s)",
    )
    if scheduler:
        command.add_argument(
            "--scheduler",
            default="",
            metavar="ADDRESS",
            help="address of a Dask scheduler, or 'local' to start one with --jobs workers",
        )


def add_out(command: argparse.ArgumentParser, default: str) -> None:
    """Add the folder of results."""
    command.add_argument("--out", type=Path, metavar="DIR", help=f"output folder (default: {default})")


def add_quiet(command: argparse.ArgumentParser) -> None:
    """Add the option that hides progress."""
    command.add_argument("--quiet", action="store_true", help="show results and warnings, but no progress")


def add_json(command: argparse.ArgumentParser) -> None:
    """Add the option that gives the results to programs."""
    command.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="print the results as JSON instead of text, or write them into FILE as well",
    )


def check_json(options: argparse.Namespace) -> None:
    """Find out before the work whether its JSON can be written, without touching what is there.

    Raises
    ------
    InputError
        If the file is a folder, or its folder does not exist.
    """
    if options.json in (None, "-"):
        return
    path = Path(options.json)
    if path.is_dir() or not path.parent.is_dir():
        what = "it is a folder" if path.is_dir() else "its folder does not exist"
        problem = Problem(what=what, got=str(path), allowed="a file; '-' or nothing to print")
        raise InputError("option --json", [problem])


def prints_json(options: argparse.Namespace) -> bool:
    """Whether stdout is to hold JSON and nothing else."""
    return bool(options.json == "-")


def give_json(options: argparse.Namespace, facts: Any, *, indent: int | None = 2) -> bool:
    """Print or write results as JSON where that is asked for; return whether stdout now holds them."""
    if options.json is None:
        return False
    text = json.dumps(facts, indent=indent, ensure_ascii=False)
    if prints_json(options):
        print(text)
        return True
    from bayes_alliance.runtime.files import write_whole

    write_whole(Path(options.json), text + "\n")
    return False


def add_fitting(command: argparse.ArgumentParser) -> None:
    """Add engine, prior, seed and sampler."""
    command.add_argument("--engine", choices=ENGINES, default="pymc", help="default: %(default)s")
    add_prior(command)
    add_seed(command)
    command.add_argument(
        "--draws",
        type=whole_number(MIN_DRAWS, 10**7),
        metavar="N",
        help="draws per chain (default: 1000; collapsed: 4000 in all)",
    )
    command.add_argument("--chains", type=whole_number(1, 1000), metavar="N", help="default: 4")
    command.add_argument("--sampler", choices=("nutpie", "pymc"), help="which NUTS (default: nutpie)")
    command.add_argument(
        "--sample-effects",
        action="store_true",
        help="engine pymc: sample patients' effects instead of integrating them out",
    )


def add_figure_style(command: argparse.ArgumentParser) -> None:
    """Add the option that chooses the style of figures that are always two columns wide."""
    command.add_argument(
        "--style",
        dest="figure_style",
        choices=("journal", "apa", "slides"),
        default="journal",
        help="for what the figures are made (default: %(default)s)",
    )


def add_min_cell(command: argparse.ArgumentParser) -> None:
    """Add the option that masks small cells."""
    command.add_argument(
        "--min-cell",
        type=_min_cell,
        metavar="N",
        help="withhold what describes fewer than N patients (default: 5 in results of real data, else 0)",
    )


def _min_cell(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= MAX_MIN_CELL:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {MAX_MIN_CELL}")
    return int(text)


def run_settings(options: argparse.Namespace, study: Study, models: Sequence[str]) -> RunSettings:
    """Put the options of a run together.

    Raises
    ------
    InputError
        If an option would change nothing with the engine asked for, or the study lacks the prior set.
    """
    from bayes_alliance.inference.collapsed import CollapsedSettings
    from bayes_alliance.inference.pymc.sample import SamplerSettings
    from bayes_alliance.run.settings import RunSettings, choose_prior

    _refuse_ignored(options)
    default = SamplerSettings()
    chains = options.chains or default.chains
    total = options.draws * chains if options.draws else CollapsedSettings().draws
    settings = RunSettings(
        engine=options.engine,
        prior=one_prior(options),
        seed=options.seed,
        models=tuple(models),
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


def make_folder(folder: Path, *, store: bool = False) -> Path:
    """Make an output folder, and find out whether it can be written into.

    Parameters
    ----------
    folder : Path
        To make.
    store : bool
        Whether it only holds what is kept between runs, which is checked by its own digests.

    Raises
    ------
    InputError
        If it cannot, or if a file there was not made by this package or was changed since.
    """
    from bayes_alliance.runtime.files import clear_parts
    from bayes_alliance.runtime.own_files import claim_folder

    if folder.exists() and not folder.is_dir():
        raise InputError("option --out", [Problem(what="there is a file of this name", got=str(folder))])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Only writing shows whether one may: permissions say yes to root on a read-only disk.
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        problem = Problem(
            what=f"nothing can be written there ({error.strerror})",
            got=str(folder),
            allowed="a folder that exists or can be made",
            fix="name another with --out",
        )
        raise InputError("output folder", [problem]) from error
    clear_parts(folder)
    if not store:
        claim_folder(folder)
    return folder


def refresh_page(folder: Path, study: Study, report: Callable[[str], None]) -> None:
    """Refresh the page of the run in this folder, after another command left its results beside it.

    Parameters
    ----------
    folder : Path
        Of the run; it may hold no page, or that of another study, which stays as it is.
    study : Study
        Whose results were written.
    report : callable
        Gets a line if there was a page.
    """
    from bayes_alliance.published.audit import audit_study
    from bayes_alliance.published.reading_weights import weigh_readings
    from bayes_alliance.show.report import refresh_report
    from bayes_alliance.study.load_readings import load_readings

    audit = audit_study(study) if study.cells else None
    path = refresh_report(
        folder, study, audit, weigh_readings(study, load_readings(study)) if study.cells else ()
    )
    if path is not None:
        report(f"refreshed {path}")
