"""The commands on simulated studies: ``simulate sbc``, ``simulate power`` and ``simulate compare``."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.cli.options import add_figure_style
from bayes_alliance.simulation.run import _BATCH, _approaches

if TYPE_CHECKING:
    from bayes_alliance.runtime.task_store import Failure, Finished, Function, Task
    from bayes_alliance.show.tables.record import Table
    from bayes_alliance.simulation.approaches import Approach
    from bayes_alliance.simulation.setting import Setting, Variations
    from bayes_alliance.study.records import Study

ENGINES = ("collapsed", "pymc", "bambi")
DEFAULT_SEED = 2020
MAX_STUDIES = 10_000_000
EXIT_FAILED = 3


def add_commands(commands: Any) -> None:
    """Add ``simulate`` to the commands of the parser."""
    simulate = commands.add_parser(
        "simulate",
        help="calibration, power and comparison of approaches by simulated studies",
        description="Simulate studies on the design of a model. Finished ones are kept: an interrupted run goes on "
        "where it stopped. Exit code 3: a simulated study failed, or ranks are not uniform.",
    )
    kinds = simulate.add_subparsers(title="kinds", required=True, metavar="KIND")
    sbc = kinds.add_parser(
        "sbc",
        help="simulation-based calibration of an engine",
        description="Draw parameters from the prior and data from them, fit, and rank the truth among the draws.",
    )
    _add_common(sbc, studies=1000, patients="simulate so many patients, drawn from the design's")
    sbc.add_argument("--engine", choices=ENGINES, default="collapsed", help="default: %(default)s")
    sbc.set_defaults(run=_sbc)
    power = kinds.add_parser(
        "power",
        help="power, type S and M errors, width and verdicts of a design",
        description="Simulate the design with parameters as fitted, varying one thing at a time.",
    )
    _add_common(power, studies=500, patients="numbers of patients to try, such as 50,100,155")
    power.add_argument(
        "--marked",
        default="",
        metavar="NAME=N,...",
        help="how many patients have a binary variable: paranoid_pd=10,20",
    )
    power.add_argument(
        "--visits",
        dest="n_visits",
        default="",
        metavar="N,...",
        help="visits of every patient, at equal distances",
    )
    power.add_argument(
        "--effect",
        default="",
        metavar="POINTS,...",
        help="sizes of the estimand; --effect=-1,0 for negative ones",
    )
    power.add_argument("--estimand", default="", metavar="NAME", help="default: first difference of slopes")
    power.add_argument(
        "--engine", choices=("collapsed", "pymc", "none"), default="collapsed", help="default: %(default)s"
    )
    power.set_defaults(run=_power)
    compare = kinds.add_parser(
        "compare",
        help="ML, REML and Bayes over simulated studies and the cohorts of the study",
        description="Compare approaches where the model holds, where the slope variance is near zero, where scores hit "
        "the ceiling and where dropout is informative; then over the synthetic cohorts that the study ships.",
    )
    _add_common(compare, studies=1000, patients="simulate so many patients, drawn from the design's")
    compare.add_argument(
        "--engine", default="collapsed", metavar="NAME,...", help="collapsed, pymc (default: %(default)s)"
    )
    compare.add_argument("--scenarios", default="", metavar="NAME,...", help="default: all")
    compare.add_argument("--estimand", default="", metavar="NAME", help="default: first difference of slopes")
    compare.set_defaults(run=_compare)


def _add_common(command: argparse.ArgumentParser, *, studies: int, patients: str) -> None:
    command.add_argument(
        "study", metavar="STUDY", help="id of a study that ships, or a folder with a study.toml"
    )
    command.add_argument(
        "--model", default="", metavar="ID", help="default: first of a figure with a difference of slopes"
    )
    command.add_argument(
        "--prior", default="", metavar="NAME,...", help="prior sets of the study (default: all)"
    )
    command.add_argument(
        "--studies", type=_count, default=studies, metavar="N", help="for each condition (%(default)s)"
    )
    command.add_argument("--patients", dest="n_patients", default="", metavar="N", help=patients)
    command.add_argument(
        "--data", type=Path, metavar="FILE", help="whose design (default: what the study ships with)"
    )
    command.add_argument(
        "--jobs", type=_count, default=os.cpu_count() or 1, metavar="N", help="processes (all cores)"
    )
    command.add_argument(
        "--scheduler",
        default="",
        metavar="ADDRESS",
        help="Dask: address of a scheduler, or 'local' for one of --jobs",
    )
    command.add_argument("--out", type=Path, metavar="DIR", help="default: results/<study>/simulate/<kind>")
    add_figure_style(command)
    command.add_argument("--seed", type=_seed, default=DEFAULT_SEED, metavar="N", help="default: %(default)s")
    command.add_argument("--quiet", action="store_true", help="no progress")
    command.add_argument("--json", action="store_true", help="print a machine-readable summary")
    # A data file is read as the study file says; these are what other commands may override.
    unsaid = ("patients", "sheet", "encoding", "delimiter", "decimal", "missing", "wide", "visits", "date")
    command.set_defaults(show_values=False, baseline=None, date_format=None, **dict.fromkeys(unsaid))


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_STUDIES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MAX_STUDIES}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {2**32 - 1}")
    return int(text)


def _numbers(text: str, option: str, *, whole: bool) -> list[float]:
    """Read numbers between commas."""
    from bayes_alliance.errors import InputError, Problem

    found, problems = [], []
    for part in (part.strip() for part in text.split(",")):
        try:
            value = float(part)
        except ValueError:
            value = math.nan
        if not part:
            continue
        if not math.isfinite(value) or (whole and (value != int(value) or not 0 <= value <= 10**7)):
            allowed = "whole numbers from 0 to 10000000" if whole else "numbers"
            problems.append(Problem(what="no number of it", got=repr(part[:40]), allowed=allowed))
        found.append(value)
    if problems:
        raise InputError(f"option {option}", problems)
    return found


def _one_number(text: str, option: str) -> int | None:
    from bayes_alliance.errors import InputError, Problem

    found = _numbers(text, option, whole=True)
    if len(found) > 1:
        raise InputError(f"option {option}", [Problem(what="one number is taken here", got=repr(text[:60]))])
    return int(found[0]) if found else None


def _setting(options: argparse.Namespace, study: Study, *, mark: str = "") -> Setting:
    from bayes_alliance.cli.data import load_data
    from bayes_alliance.simulation.setting import choose_model, prepare

    model = choose_model(study, options.model)
    data = load_data(options, study)
    setting = prepare(study, data, model, mark=mark, estimand=getattr(options, "estimand", ""))
    _tell(
        options,
        f"{study.id}, {model.id}: design of {setting.pool.n_patients} patients, {len(setting.pool.x)} rows on "
        f"{data.source.value}, {data.origin}",
    )
    return setting


def _priors(options: argparse.Namespace, study: Study) -> list[str]:
    from bayes_alliance.errors import InputError, Problem
    from bayes_alliance.inference.priors import check_prior

    names = [part.strip() for part in options.prior.split(",") if part.strip()] or [
        p.name for p in study.priors
    ]
    for name in names:
        check_prior(study, name)
    if not names:
        raise InputError(f"study {study.id}", [Problem(what="it states no priors, so it has no posterior")])
    return list(dict.fromkeys(names))


def _tell(options: argparse.Namespace, line: str) -> None:
    from bayes_alliance.errors import printable

    if not options.quiet:
        print(printable(line), file=sys.stderr, flush=True)


def _folder(options: argparse.Namespace, study: Study, kind: str) -> Path:
    """Make the output folder, or say at once that it cannot be made."""
    from bayes_alliance.errors import InputError, Problem

    folder: Path = options.out or Path("results") / study.id / "simulate" / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = Problem(what=f"nothing can be written there ({error.strerror})", got=str(folder))
        raise InputError("option --out", [problem]) from error
    return folder


def _run(
    options: argparse.Namespace, function: Function, tasks: Sequence[Task], store: Path, record: str
) -> Finished:
    """Run tasks into a store, alone in it."""
    from bayes_alliance.runtime.files import alone_in
    from bayes_alliance.runtime.task_store import Workers
    from bayes_alliance.runtime.tasks import run_tasks

    store.mkdir(parents=True, exist_ok=True)
    with alone_in(store):
        return run_tasks(
            function,
            tasks,
            workers=Workers(jobs=options.jobs, scheduler=options.scheduler),
            store=store,
            record=record,
            report=lambda line: _tell(options, line),
            unit="studies",
        )


def _sbc(options: argparse.Namespace) -> int:
    from bayes_alliance.inference.versions import engine_versions
    from bayes_alliance.runtime.record_digest import digest
    from bayes_alliance.show.plots.save import save_figure
    from bayes_alliance.show.plots.simulation import plot_ranks, tabulate_ranks
    from bayes_alliance.show.tables.simulation import stamp, tabulate_calibrations
    from bayes_alliance.simulation.calibration import (
        Calibration,
        calibrate_batch,
        calibration_tasks,
        judge_calibration,
    )
    from bayes_alliance.simulation.population import Sampling, check_sampling
    from bayes_alliance.study.load_study import load_study

    study = load_study(options.study)
    names = _priors(options, study)
    sampling = Sampling(n_patients=_one_number(options.n_patients, "--patients"))
    setting = _setting(options, study)
    _raise(check_sampling(setting.pool, sampling), "--patients")
    folder = _folder(options, study, "sbc")
    results = []
    for name in names:
        calibration = Calibration(
            pool=setting.pool,
            sampling=sampling,
            engine=options.engine,
            drawn=setting.priors(name),
            fitted=setting.priors(name),
            estimands=setting.estimands,
            seed=options.seed,
        )
        key = f"{setting.model.id}-{options.engine}-{name}"
        tasks = calibration_tasks(
            calibration, studies=options.studies, batch=_BATCH[options.engine], key="sbc"
        )
        _tell(options, f"engine {options.engine}, prior set {name}")
        done = _run(
            options, calibrate_batch, tasks, folder / "studies" / key, digest(calibration, engine_versions())
        )
        sizes = {task.key: task.size for task in tasks}
        failed = [(failure.reason, sizes[failure.key]) for failure in done.failures]
        results.append(
            judge_calibration(done.table(), engine=options.engine, prior=name, failed_tasks=failed)
        )
    tables = tabulate_calibrations(setting, results)
    written = _write(tables, folder)
    for result in results:
        if result.quantities:
            written += save_figure(
                plot_ranks(setting, result),
                folder / f"ranks_{setting.model.id}_{result.engine}_{result.prior}",
                rows=tabulate_ranks(result),
                provenance=stamp(setting),
            )
    for result in results:
        strayed = f"; ranks not uniform: {', '.join(result.strayed)}" if result.strayed else "; ranks uniform"
        failed_text = f", {len(result.failures)} FAILED" if result.failures else ""
        _say(
            options,
            f"{result.engine}, prior {result.prior}: {result.n_studies} studies{failed_text}{strayed}",
        )
    code = EXIT_FAILED if any(r.strayed or r.failures or not r.quantities for r in results) else 0
    return _end(options, setting, tables, written, folder, code)


def _power(options: argparse.Namespace) -> int:
    from bayes_alliance.show.plots.save import save_figure
    from bayes_alliance.show.plots.simulation import plot_curves, tabulate_curves
    from bayes_alliance.show.tables.simulation import stamp, tabulate_performance
    from bayes_alliance.simulation.performance import measure_performance
    from bayes_alliance.simulation.setting import design_conditions
    from bayes_alliance.study.load_study import load_study

    study = load_study(options.study)
    mark, _, marked = options.marked.partition("=")
    names = [] if options.engine == "none" else _priors(options, study)
    setting = _setting(options, study, mark=mark.strip())
    approaches = _approaches(setting, [options.engine] if names else [], names)
    conditions = design_conditions(setting, _variations(options, setting, marked), seed=options.seed)
    folder = _folder(options, study, "power")
    table, failed = _trials(options, setting, conditions, approaches, folder, engine=options.engine)
    performances = measure_performance(table, smallest=setting.smallest)
    tables = [
        tabulate_performance(
            setting,
            conditions,
            performances,
            table_id=f"power_{setting.model.id}",
            title=f"{study.id}, {setting.model.id}: what designs can tell",
        )
    ]
    _show(options, setting, tables)
    written = _write(tables, folder)
    written += save_figure(
        plot_curves(setting, conditions, performances),
        folder / f"power_{setting.model.id}",
        rows=tabulate_curves(setting, conditions, performances),
        provenance=stamp(setting),
    )
    return _end(options, setting, tables, written, folder, EXIT_FAILED if failed else 0)


def _variations(options: argparse.Namespace, setting: Setting, marked: str) -> Variations:
    """Take what is asked for; without anything, a bit of each."""
    from bayes_alliance.simulation.setting import Variations, default_variations

    def whole(text: str, option: str) -> tuple[int, ...]:
        return tuple(int(value) for value in _numbers(text, option, whole=True))

    found = Variations(
        patients=whole(options.n_patients, "--patients"),
        marked=whole(marked, "--marked"),
        visits=whole(options.n_visits, "--visits"),
        effects=tuple(_numbers(options.effect, "--effect", whole=False)),
    )
    return found if found != Variations() else default_variations(setting)


def _compare(options: argparse.Namespace) -> int:
    from bayes_alliance.cohorts.study_rows import shipped_cohorts
    from bayes_alliance.show.plots.save import save_figure
    from bayes_alliance.show.plots.simulation import plot_approaches, tabulate_approaches
    from bayes_alliance.show.tables.simulation import stamp, tabulate_ensemble, tabulate_performance
    from bayes_alliance.simulation.ensemble_comparison import compare_on_cohorts
    from bayes_alliance.simulation.performance import measure_performance
    from bayes_alliance.simulation.setting import scenario_conditions
    from bayes_alliance.simulation.truth import SCENARIOS
    from bayes_alliance.study.load_study import load_study

    study = load_study(options.study)
    names = _priors(options, study)
    engines = _choose(options.engine, ("collapsed", "pymc"), "--engine")
    by_name = {scenario.name: scenario for scenario in SCENARIOS}
    chosen = [by_name[name] for name in _choose(options.scenarios, tuple(by_name), "--scenarios")]
    n_patients = _one_number(options.n_patients, "--patients")
    setting = _setting(options, study)
    approaches = _approaches(setting, engines, names)
    conditions, skipped = scenario_conditions(
        setting, seed=options.seed, scenarios=chosen, n_patients=n_patients
    )
    for name, reason in skipped.items():
        _tell(options, f"scenario {name} left out: {reason}")
    folder = _folder(options, study, "compare")
    slowest = "pymc" if "pymc" in engines else "collapsed"
    table, failed = _trials(options, setting, conditions, approaches, folder, engine=slowest)
    performances = measure_performance(table, smallest=setting.smallest)
    tables = [
        tabulate_performance(
            setting,
            conditions,
            performances,
            table_id=f"comparison_{setting.model.id}",
            title=f"{study.id}, {setting.model.id}: approaches over simulated studies",
            notes=[f"Left out: {by_name[name].label}: {reason}." for name, reason in skipped.items()],
        )
    ]
    cohorts = [] if options.data is not None else [stored.data(study) for stored in shipped_cohorts(study)]
    if len(cohorts) > 1:
        compared = compare_on_cohorts(study, setting.model, cohorts, approaches, seed=options.seed)
        tables.append(tabulate_ensemble(setting, compared))
    _show(options, setting, tables)
    written = _write(tables, folder)
    written += save_figure(
        plot_approaches(setting, performances),
        folder / f"comparison_{setting.model.id}",
        rows=tabulate_approaches(setting, performances),
        provenance=stamp(setting),
    )
    return _end(options, setting, tables, written, folder, EXIT_FAILED if failed else 0)


def _choose(text: str, allowed: Sequence[str], option: str) -> list[str]:
    from bayes_alliance.errors import InputError, Problem

    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip())) or list(allowed)
    unknown = [name for name in names if name not in allowed]
    if unknown:
        problems = [
            Problem(what="unknown", got=repr(name[:60]), allowed=", ".join(allowed)) for name in unknown
        ]
        raise InputError(f"option {option}", problems)
    return names


def _trials(
    options: argparse.Namespace,
    setting: Setting,
    conditions: Sequence[Any],
    approaches: Sequence[Approach],
    folder: Path,
    *,
    engine: str,
) -> tuple[Any, int]:
    """Simulate every condition; give all rows, and how many studies or answers are missing."""
    import pandas as pd

    from bayes_alliance.errors import AllianceError
    from bayes_alliance.inference.versions import engine_versions
    from bayes_alliance.runtime.record_digest import digest
    from bayes_alliance.runtime.tasks import format_failures
    from bayes_alliance.simulation.trials import trial_tasks, try_batch

    frames = []
    failures: list[Failure] = []
    lost = 0
    for condition in conditions:
        _tell(options, f"condition {condition.name}")
        tasks = trial_tasks(
            condition, approaches, setting.estimands, studies=options.studies, batch=_BATCH.get(engine, 20)
        )
        record = digest(condition, approaches, setting.estimands, engine_versions())
        done = _run(options, try_batch, tasks, folder / "studies" / setting.model.id, record)
        sizes = {task.key: task.size for task in tasks}
        failures += done.failures
        lost += sum(sizes[failure.key] for failure in done.failures)
        frames.append(done.table())
    for line in format_failures(failures):
        print(line, file=sys.stderr)
    table = pd.concat(frames, ignore_index=True)
    if not len(table):
        raise AllianceError("no simulated study came to an end")
    bad = table[table["failure"] != ""].drop_duplicates(["condition", "study", "approach"])
    for (approach, reason), rows in bad.groupby(["approach", "failure"], sort=False):
        print(f"{len(rows)} studies without an answer by {approach}: {reason}", file=sys.stderr)
    return table, lost + len(bad)


def _raise(problems: Sequence[Any], option: str) -> None:
    from bayes_alliance.errors import InputError

    if problems:
        raise InputError(f"option {option}", problems)


def _write(tables: Sequence[Table], folder: Path) -> list[Path]:
    from bayes_alliance.show.tables.write import write_table

    return [path for table in tables for path in write_table(table, folder)]


def _say(options: argparse.Namespace, line: str) -> None:
    """Print a result, unless JSON is asked for, which has it too."""
    if not options.json:
        print(line)


def _show(options: argparse.Namespace, setting: Setting, tables: Sequence[Table]) -> None:
    """Print what concerns the primary estimand; all of it is in the files."""
    import dataclasses

    from bayes_alliance.errors import printable
    from bayes_alliance.show.tables.text import format_markdown

    if options.json:
        return
    for table in tables:
        about = table.column("estimand")
        kept = tuple(r for r, name in zip(table.rows, about, strict=True) if name == setting.primary.label)
        print(printable(format_markdown(dataclasses.replace(table, rows=kept))))


def _end(
    options: argparse.Namespace,
    setting: Setting,
    tables: Sequence[Table],
    written: list[Path],
    folder: Path,
    code: int,
) -> int:
    if options.json:
        summary = {
            "study": setting.study.id,
            "model": setting.model.id,
            "source": "simulated",
            "seed": options.seed,
            "studies": options.studies,
            "folder": str(folder),
            "tables": {table.id: [_row(table, row) for row in table.rows] for table in tables},
        }
        print(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        print(f"{setting.study.id}, {setting.model.id}: {len(written)} files in {folder}")
    return code


def _row(table: Table, row: Sequence[Any]) -> dict[str, Any]:
    """Give a row by name: every column but the formatted ones; a number that is not finite is null."""
    pairs = zip(table.columns, row, strict=True)
    return {
        column.name: None if isinstance(value, float) and not math.isfinite(value) else value
        for column, value in pairs
        if column.shown != "markdown"
    }
