"""Options that several commands share, each defined once."""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.errors import InputError, Problem

if TYPE_CHECKING:
    from bayes_alliance.run.settings import RunSettings
    from bayes_alliance.study.records import ReadOptions, Study

MAX_MIN_CELL = 1000
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
EXIT_GATE_FAILED = 3
EXIT_INTERRUPTED = 130
DEFAULT_SEED = 2020
# Fewer draws give no effective sample size, no Pareto k and no 95 % interval worth the name.
MIN_DRAWS = 50
ENGINES = ("pymc", "bambi", "collapsed", "none")
STYLES = ("journal", "column", "apa", "slides")


def add_reading_options(command: argparse.ArgumentParser) -> None:
    """Add the options that say how a data file is to be read; each overrides the study file."""
    group = command.add_argument_group(
        "how the data file is read (default: as the study file says, else found out)"
    )
    group.add_argument("--sheet", metavar="NAME", help="sheet of a workbook")
    group.add_argument("--encoding", metavar="NAME", help="encoding of text, such as latin-1")
    group.add_argument("--delimiter", choices=tuple(_DELIMITERS), help="separator of a CSV file")
    group.add_argument("--decimal", choices=("point", "comma"), help="decimal mark")
    group.add_argument(
        "--missing", action="append", metavar="CODE", help="a code for a missing value; repeatable"
    )
    _add_wide(group)
    group.add_argument("--date", metavar="COLUMN", help="date of an assessment, from which time is computed")
    group.add_argument(
        "--baseline", metavar="COLUMN", help="date from which time counts (default: first date)"
    )
    group.add_argument("--date-format", metavar="FORMAT", help="such as %%d.%%m.%%Y")
    group.add_argument("--show-values", action="store_true", help="show cells in messages (patients' values)")


def _add_wide(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--wide",
        action="append",
        metavar="COLUMN=PATTERN",
        help="a wide file: 'goals=goals_{visit}' or 'wai{item}=wai{visit}_{item}'; repeatable",
    )
    group.add_argument("--visits", metavar="NAME=TIME,...", help="times of the visits of a wide file")


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
        "--min-cell", type=_min_cell, default=0, metavar="N", help="mask counts of patients below N"
    )


def _min_cell(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= MAX_MIN_CELL:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {MAX_MIN_CELL}")
    return int(text)


def reading_options(options: argparse.Namespace, stated: ReadOptions) -> ReadOptions:
    """Put the options of the command line over what a study file states.

    Parameters
    ----------
    options : argparse.Namespace
        With the options of :func:`add_reading_options`.
    stated : ReadOptions
        Of the study file.

    Returns
    -------
    ReadOptions

    Raises
    ------
    InputError
        If an option cannot be understood, with every one that cannot.
    """
    from bayes_alliance.study.load_data_section import check_reading

    given: dict[str, Any] = {
        name: value
        for name in ("sheet", "encoding", "date", "baseline", "date_format")
        if (value := getattr(options, name)) is not None
    }
    problems: list[Problem] = []
    if options.delimiter is not None:
        given["delimiter"] = _DELIMITERS[options.delimiter]
    if options.decimal is not None:
        given["decimal"] = "," if options.decimal == "comma" else "."
    if options.missing is not None:
        given["missing"] = tuple(options.missing)
    if options.wide is not None:
        pairs = _pairs(options.wide, "--wide", "COLUMN=PATTERN", problems)
        given["wide"] = tuple(pairs)
    if options.visits is not None:
        parts = [part for part in options.visits.split(",") if part.strip()]
        pairs = _pairs(parts, "--visits", "NAME=TIME,...", problems)
        given["visits"] = tuple(_times(pairs, problems))
    merged = dataclasses.replace(stated, **given)
    problems += check_reading(merged, "option ")
    if problems:
        raise InputError("options", problems)
    return merged


def _pairs(texts: Sequence[str], option: str, allowed: str, problems: list[Problem]) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        name, sign, value = (part.strip() for part in text.partition("="))
        if name and sign and value:
            pairs.append((name, value))
        else:
            problems.append(Problem(what="no pair", where=option, got=repr(text[:80]), allowed=allowed))
    return pairs


def _times(pairs: list[tuple[str, str]], problems: list[Problem]) -> list[tuple[str, float]]:
    import math

    times = []
    for name, text in pairs:
        try:
            time = float(text)
        except ValueError:
            time = math.nan
        if math.isfinite(time):
            times.append((name, time))
        else:
            problems.append(
                Problem(what="not a time", where="--visits", got=repr(text[:40]), allowed="a number")
            )
    return times


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
    from bayes_alliance.run.settings import RunSettings, choose_prior

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
