"""The commands on simulated studies: ``simulate sbc``, ``simulate power`` and ``simulate compare``."""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.cli.data import load_protected, report_warnings
from bayes_alliance.cli.options import (
    ALL,
    EXIT_CHECK_FAILED,
    add_data,
    add_figure_style,
    add_jobs,
    add_json,
    add_models,
    add_out,
    add_prior,
    add_quiet,
    add_seed,
    add_study,
    check_json,
    give_json,
    make_folder,
    one_model,
    prints_json,
    refresh_page,
)
from bayes_alliance.cli.parser import split_names, whole_number
from bayes_alliance.cli.progress import ProgressReporter
from bayes_alliance.errors import InputError, Problem, printable

if TYPE_CHECKING:
    from bayes_alliance.data.rows import StudyData
    from bayes_alliance.show.tables.record import Table
    from bayes_alliance.simulation.records import SimulationSettings
    from bayes_alliance.simulation.setting import Setting, Variations
    from bayes_alliance.study.records import Study

_FIRST = "first of a figure with a difference of slopes"


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
    sbc.add_argument(
        "--engine", choices=("collapsed", "pymc", "bambi"), default="collapsed", help="default: %(default)s"
    )
    sbc.add_argument("--n-patients", type=whole_number(0, 10**7), metavar="N", help="patients of each study")
    _add_common(sbc, "sbc", studies=1000, work=_sbc)
    _add_power(kinds)
    _add_compare(kinds)


def _add_power(kinds: Any) -> None:
    power = kinds.add_parser(
        "power",
        help="power, type S and M errors, width and verdicts of a design",
        description="Simulate the design with parameters as fitted, varying one thing at a time.",
    )
    power.add_argument(
        "--engine", choices=("collapsed", "pymc", "none"), default="collapsed", help="default: %(default)s"
    )
    power.add_argument("--n-patients", default="", metavar="N,...", help="numbers of patients: 50,100,155")
    power.add_argument(
        "--marked",
        default="",
        metavar="NAME=N,...",
        help="numbers of patients with a binary variable: paranoid_pd=10,20",
    )
    power.add_argument(
        "--n-visits", default="", metavar="N,...", help="numbers of equally spaced visits per patient"
    )
    power.add_argument(
        "--effect",
        default="",
        metavar="POINTS,...",
        help="sizes of the estimand; --effect=-1,0 for negative ones",
    )
    _add_estimand(power)
    _add_common(power, "power", studies=500, work=_power)


def _add_compare(kinds: Any) -> None:
    compare = kinds.add_parser(
        "compare",
        help="ML, REML and Bayes over simulated studies and the cohorts of the study",
        description="Compare approaches where the model holds, where the slope variance is near zero, where scores hit "
        "the ceiling and where dropout is informative; then over the synthetic cohorts that the study ships.",
    )
    compare.add_argument(
        "--engine",
        type=split_names,
        default=["collapsed"],
        metavar="NAME,...",
        help="collapsed, pymc (default: collapsed)",
    )
    compare.add_argument("--scenarios", type=split_names, default=[], metavar="NAME,...", help="default: all")
    compare.add_argument(
        "--n-patients", type=whole_number(0, 10**7), metavar="N", help="patients of each study"
    )
    _add_estimand(compare)
    _add_common(compare, "compare", studies=1000, work=_compare)


def _add_estimand(command: argparse.ArgumentParser) -> None:
    command.add_argument("--estimand", default="", metavar="NAME", help="default: first difference of slopes")


def _add_common(
    command: argparse.ArgumentParser, kind: str, *, studies: int, work: Callable[[Simulation], int]
) -> None:
    add_study(command)
    add_models(command, default=_FIRST, several=False)
    add_prior(command, default=ALL)
    command.add_argument(
        "--studies",
        type=whole_number(1, 10_000_000),
        default=studies,
        metavar="N",
        help="simulated studies for each condition (default: %(default)s)",
    )
    command.add_argument(
        "--deal",
        action="store_true",
        help="deal the patients' predictors anew at random, so that they do not go with who was seen how often",
    )
    add_data(command)
    add_jobs(command, scheduler=True)
    add_out(command, f"results/<study>/simulate/{kind}")
    add_figure_style(command)
    add_seed(command)
    add_quiet(command)
    add_json(command)
    command.set_defaults(run=_simulate, work=work, kind=kind)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Simulation:
    """What a command has to do: on which study, into which folder."""

    options: argparse.Namespace
    study: Study
    settings: SimulationSettings
    data: StudyData
    folder: Path

    @property
    def given_data(self) -> StudyData | None:
        """The rows, unless they are the study's own, whose cohorts are then compared too."""
        return None if self.options.data is None and self.options.cohort is None else self.data


def _simulate(options: argparse.Namespace) -> int:
    from bayes_alliance.runtime.task_store import Workers
    from bayes_alliance.simulation.records import SimulationSettings
    from bayes_alliance.study.load_study import load_study

    check_json(options)
    study = load_study(options.study)
    data = load_protected(options, study)
    folder = make_folder(options.out or Path("results") / study.id / "simulate" / options.kind)
    with ProgressReporter(quiet=options.quiet) as report:
        report_warnings(data, report)
        settings = SimulationSettings(
            studies=options.studies,
            model=one_model(options),
            estimand=getattr(options, "estimand", ""),
            priors=tuple(options.prior),
            deal=options.deal,
            seed=options.seed,
            workers=Workers(jobs=options.jobs, scheduler=options.scheduler),
            store=folder / "studies",
            report=report,
        )
        code: int = options.work(
            Simulation(options=options, study=study, settings=settings, data=data, folder=folder)
        )
    return code


def _sbc(asked: Simulation) -> int:
    from bayes_alliance.show.plots.save import save_figure
    from bayes_alliance.show.plots.simulation import plot_ranks, tabulate_ranks
    from bayes_alliance.show.tables.simulation import stamp, tabulate_calibrations
    from bayes_alliance.simulation.sbc import simulate_sbc

    options = asked.options
    run = simulate_sbc(
        asked.study, asked.settings, data=asked.data, engine=options.engine, n_patients=options.n_patients
    )
    setting = run.setting
    tables = tabulate_calibrations(setting, run.results)
    written = _write(tables, asked.folder)
    for result in run.results:
        if result.quantities:
            written += save_figure(
                plot_ranks(setting, result),
                asked.folder / f"ranks_{setting.model.id}_{result.engine}_{result.prior}",
                rows=tabulate_ranks(result),
                provenance=stamp(setting),
            )
    if not prints_json(options):
        for result in run.results:
            judged = "ranks uniform" if result.quantities else "no ranks"
            strayed = f"ranks not uniform: {', '.join(result.strayed)}" if result.strayed else judged
            failed = f", {len(result.failures)} FAILED" if result.failures else ""
            print(f"{result.engine}, prior {result.prior}: {result.n_studies} studies{failed}; {strayed}")
    return _end(asked, setting, tables, written, failed=not run.passed)


def _power(asked: Simulation) -> int:
    from bayes_alliance.show.plots.save import save_figure
    from bayes_alliance.show.plots.simulation import plot_curves, tabulate_curves
    from bayes_alliance.show.tables.simulation import stamp, tabulate_power
    from bayes_alliance.simulation.run import simulate_power

    options = asked.options
    mark, _, marked = options.marked.partition("=")
    run = simulate_power(
        asked.study,
        asked.settings,
        data=asked.data,
        engine=options.engine,
        variations=_variations(options, marked),
        mark=mark.strip(),
    )
    setting = run.setting
    tables = [tabulate_power(run)]
    _show(asked, setting, tables, run.remarks)
    written = _write(tables, asked.folder)
    written += save_figure(
        plot_curves(setting, run.conditions, run.performances),
        asked.folder / f"power_{setting.model.id}",
        rows=tabulate_curves(setting, run.conditions, run.performances),
        provenance=stamp(setting),
    )
    return _end(asked, setting, tables, written, failed=run.n_failed > 0)


def _variations(options: argparse.Namespace, marked: str) -> Variations:
    from bayes_alliance.simulation.setting import Variations

    def whole(text: str, option: str) -> tuple[int, ...]:
        return tuple(int(value) for value in _numbers(text, option, whole=True))

    return Variations(
        patients=whole(options.n_patients, "--n-patients"),
        marked=whole(marked, "--marked"),
        visits=whole(options.n_visits, "--n-visits"),
        effects=tuple(_numbers(options.effect, "--effect", whole=False)),
    )


def _numbers(text: str, option: str, *, whole: bool) -> list[float]:
    """Read numbers between commas."""
    found, problems = [], []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        try:
            value = float(part)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or (whole and (value != int(value) or not 0 <= value <= 10**7)):
            allowed = "whole numbers from 0 to 10000000" if whole else "numbers"
            problems.append(Problem(what="invalid number", got=repr(part[:40]), allowed=allowed))
        found.append(value)
    if problems:
        raise InputError(f"option {option}", problems)
    return found


def _compare(asked: Simulation) -> int:
    from bayes_alliance.show.plots.save import save_figure
    from bayes_alliance.show.plots.simulation import plot_approaches, tabulate_approaches
    from bayes_alliance.show.tables.simulation import stamp, tabulate_comparison_of_approaches
    from bayes_alliance.simulation.run import simulate_comparison

    options = asked.options
    run = simulate_comparison(
        asked.study,
        asked.settings,
        data=asked.given_data,
        engines=options.engine,
        scenarios=options.scenarios,
        n_patients=options.n_patients,
    )
    setting = run.setting
    tables = tabulate_comparison_of_approaches(run)
    _show(asked, setting, tables, run.remarks)
    written = _write(tables, asked.folder)
    written += save_figure(
        plot_approaches(setting, run.performances),
        asked.folder / f"comparison_{setting.model.id}",
        rows=tabulate_approaches(setting, run.performances),
        provenance=stamp(setting),
    )
    return _end(asked, setting, tables, written, failed=run.n_failed > 0)


def _write(tables: Sequence[Table], folder: Path) -> list[Path]:
    from bayes_alliance.show.tables.write import write_table

    return [path for table in tables for path in write_table(table, folder)]


def _show(asked: Simulation, setting: Setting, tables: Sequence[Table], remarks: Sequence[str]) -> None:
    """Print what concerns the primary estimand, and on stderr what failed; all of it is in the files."""
    from bayes_alliance.show.tables.text import format_markdown

    for line in remarks:
        print(printable(line), file=sys.stderr)
    if prints_json(asked.options):
        return
    for table in tables:
        about = table.column("estimand")
        kept = tuple(r for r, name in zip(table.rows, about, strict=True) if name == setting.primary.label)
        print(printable(format_markdown(dataclasses.replace(table, rows=kept))))


def _end(
    asked: Simulation, setting: Setting, tables: Sequence[Table], written: list[Path], *, failed: bool
) -> int:
    summary = {
        "study": setting.study.id,
        "model": setting.model.id,
        "source": "simulated",
        "seed": asked.settings.seed,
        "studies": asked.settings.studies,
        "folder": str(asked.folder),
        "tables": {table.id: table.as_json() for table in tables},
    }
    refresh_page(asked.folder.parent.parent, setting.study, ProgressReporter(quiet=asked.options.quiet))
    if not give_json(asked.options, summary):
        print(f"{setting.study.id}, {setting.model.id}: {len(written)} files in {asked.folder}")
    return EXIT_CHECK_FAILED if failed else 0
