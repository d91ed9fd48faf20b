"""The command that changes one assumption at a time and shows what becomes of a study's slopes: ``stress``."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.cli.data import load_data
from bayes_alliance.cli.options import add_figure_style, add_reading_options

if TYPE_CHECKING:
    from bayes_alliance.show.tables.record import Table
    from bayes_alliance.stress.run import StressResults

DEFAULT_SEED = 2020
WHAT = "missing,joint,conditioning,likelihoods"


def add_commands(commands: Any) -> None:
    """Add ``stress`` to the commands of the parser."""
    command = commands.add_parser(
        "stress",
        help="stress a study's slope differences: missing data, outcome conditioning, joint model, likelihoods",
        description="Change one assumption at a time and show what becomes of every slope difference: missing data "
        "(pattern mixture, tipping points, shared parameters), outcomes in one joint model, subgroups defined by "
        "the end state, other likelihoods. Writes tables (CSV, Markdown), figures with their numbers and "
        "stress.json.",
    )
    command.add_argument(
        "study", metavar="STUDY", help="id of a study that ships, or a folder with a study.toml"
    )
    command.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="ID",
        help="only this model; repeatable (default: those whose slope differences are printed or in a figure)",
    )
    command.add_argument("--what", default=WHAT, metavar="NAME,...", help="default: %(default)s")
    command.add_argument(
        "--likelihoods", default="", metavar="NAME,...", help="only these (default: all that there are)"
    )
    command.add_argument("--data", type=Path, metavar="FILE", help="default: what the study ships with")
    command.add_argument("--patients", type=Path, metavar="FILE", help="second table, one row a patient")
    command.add_argument(
        "--cohort",
        type=_whole,
        metavar="N",
        help="which of the synthetic cohorts that the study ships, from 0",
    )
    add_reading_options(command)
    command.add_argument(
        "--prior", default="", metavar="NAME", help="prior set of the study (default: its first)"
    )
    command.add_argument("--seed", type=_seed, default=DEFAULT_SEED, metavar="N", help="default: %(default)s")
    command.add_argument(
        "--out", type=Path, metavar="DIR", help="output folder (default: results/<study>/stress)"
    )
    add_figure_style(command)
    command.add_argument("--no-figures", action="store_true", help="write tables and JSON only")
    command.add_argument("--quiet", action="store_true", help="print only the last line")
    command.add_argument("--json", action="store_true", help="print the JSON instead of tables")
    command.set_defaults(run=_stress)


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) > 10**4:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 10000")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {2**32 - 1}")
    return int(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _stress(options: argparse.Namespace) -> int:
    from bayes_alliance.run.settings import RunSettings, choose_prior
    from bayes_alliance.show.tables.stress import build_stress_tables
    from bayes_alliance.show.tables.text import format_markdown
    from bayes_alliance.stress.likelihoods import ALL
    from bayes_alliance.stress.run import StressSettings, run_stress
    from bayes_alliance.study.load_study import load_study

    study = load_study(options.study)
    prior = choose_prior(study, RunSettings(engine="collapsed", prior=options.prior))
    settings = StressSettings(
        prior=prior,
        seed=options.seed,
        models=tuple(options.model),
        what=_names(options.what),
        likelihoods=_names(options.likelihoods) or ALL,
    )
    data = load_data(options, study)

    def report(line: str) -> None:
        if not options.quiet:
            print(line, file=sys.stderr, flush=True)

    results = run_stress(study, data, settings, report=report)
    folder: Path = options.out or Path("results") / study.id / "stress"
    tables = build_stress_tables(results)
    summary = stress_json(results, tables)
    written = _write(results, tables, summary, folder, figures=not options.no_figures)
    if options.json:
        print(json.dumps(summary, indent=2, ensure_ascii=False))
        return 0
    if not options.quiet:
        for table in tables:
            if table.id != "stress_conditioning":
                print(format_markdown(table))
    n_changes = len(results.all_draws()) - len(results.base)
    print(
        f"{study.id}: {len(results.base)} estimands under {n_changes} changes on {results.source.value}, "
        f"{results.seconds:.0f} s; {len(written)} files in {folder}"
    )
    return 0


def _write(
    results: StressResults, tables: Sequence[Table], summary: dict[str, Any], folder: Path, *, figures: bool
) -> list[Path]:
    """Write tables, JSON and figures; none of them holds a patient's row."""
    from bayes_alliance.runtime.files import write_whole
    from bayes_alliance.show.tables.write import write_table

    folder.mkdir(parents=True, exist_ok=True)
    written = [path for table in tables for path in write_table(table, folder)]
    path = folder / "stress.json"
    write_whole(path, json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    written.append(path)
    if figures:
        from bayes_alliance.show.plots.save import save_figure
        from bayes_alliance.show.plots.stress import figures_of
        from bayes_alliance.show.provenance import stamp_stress

        for stem, (figure, rows) in figures_of(results).items():
            written += save_figure(figure, folder / stem, rows=rows, provenance=stamp_stress(results))
    return written


def stress_json(results: StressResults, tables: Sequence[Table]) -> dict[str, Any]:
    """Give tables as JSON: every column but the formatted ones; a number that is not finite is null."""
    return {
        "study": results.study.id,
        "source": results.source.value,
        "origin": results.origin,
        "prior": results.prior,
        "seed": results.seed,
        "seconds": round(results.seconds, 1),
        "tables": {table.id: [_row(table, row) for row in table.rows] for table in tables},
    }


def _row(table: Table, row: Sequence[Any]) -> dict[str, Any]:
    pairs = zip(table.columns, row, strict=True)
    return {
        column.name: None if isinstance(value, float) and not math.isfinite(value) else value
        for column, value in pairs
        if column.shown != "markdown"
    }
