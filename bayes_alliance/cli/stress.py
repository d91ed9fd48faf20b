"""The command that changes one assumption at a time and shows what becomes of a study's slopes: ``stress``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.cli.data import load_protected, report_warnings
from bayes_alliance.cli.options import (
    add_data,
    add_figure_style,
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
    one_prior,
    refresh_page,
)
from bayes_alliance.cli.parser import split_names
from bayes_alliance.cli.progress import ProgressReporter

if TYPE_CHECKING:
    from bayes_alliance.show.tables.record import Table
    from bayes_alliance.stress.run import StressResults

WHAT = ("missing", "joint", "conditioning", "likelihoods")


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
    add_study(command)
    add_models(command, default="those whose slope differences are printed or in a figure")
    command.add_argument(
        "--stress",
        "--what",
        dest="what",
        type=split_names,
        default=WHAT,
        metavar="WHAT,...",
        help=f"stress tests (default: {','.join(WHAT)})",
    )
    command.add_argument(
        "--likelihoods", type=split_names, default=[], metavar="NAME,...", help="default: all"
    )
    add_data(command)
    add_prior(command)
    add_seed(command)
    add_out(command, "results/<study>/stress")
    add_figure_style(command)
    command.add_argument("--no-figures", action="store_true", help="write tables and JSON only")
    add_quiet(command)
    add_json(command)
    command.set_defaults(run=_stress)


def _stress(options: argparse.Namespace) -> int:
    from bayes_alliance.run.settings import RunSettings, choose_prior
    from bayes_alliance.show.tables.stress import build_stress_tables
    from bayes_alliance.show.tables.text import format_markdown
    from bayes_alliance.stress.likelihoods import ALL
    from bayes_alliance.stress.run import StressSettings, run_stress
    from bayes_alliance.study.load_study import load_study

    check_json(options)
    study = load_study(options.study)
    prior = choose_prior(study, RunSettings(engine="collapsed", prior=one_prior(options)))
    settings = StressSettings(
        prior=prior,
        seed=options.seed,
        models=tuple(options.models),
        what=tuple(options.what),
        likelihoods=tuple(options.likelihoods) or ALL,
    )
    data = load_protected(options, study)
    folder = make_folder(options.out or Path("results") / study.id / "stress")
    with ProgressReporter(quiet=options.quiet) as report:
        report_warnings(data, report)
        results = run_stress(study, data, settings, report=report)
        tables = build_stress_tables(results)
        summary = stress_json(results, tables)
        written = _write(results, tables, summary, folder, figures=not options.no_figures)
        refresh_page(folder.parent, study, report)
    if give_json(options, summary):
        return 0
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

    written = [path for table in tables for path in write_table(table, folder)]
    path = folder / "stress.json"
    write_whole(path, json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    written.append(path)
    if figures:
        from bayes_alliance.show.plots.save import save_figure
        from bayes_alliance.show.plots.stress import figures_of
        from bayes_alliance.show.provenance import stamp_provenance

        for stem, (figure, rows) in figures_of(results).items():
            written += save_figure(figure, folder / stem, rows=rows, provenance=stamp_provenance(results))
    return written


def stress_json(results: StressResults, tables: Sequence[Table]) -> dict[str, Any]:
    """Return what was run and its tables by id, without formatted columns."""
    return {
        "study": results.study.id,
        "source": results.source.value,
        "origin": results.origin,
        "prior": results.prior,
        "seed": results.seed,
        "seconds": round(results.seconds, 1),
        "tables": {table.id: table.as_json() for table in tables},
    }
