"""The commands that work on printed numbers alone: ``audit`` and ``printed``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.cli.options import (
    ALL,
    add_figure_style,
    add_json,
    add_out,
    add_prior,
    add_quiet,
    add_study,
    check_json,
    give_json,
    make_folder,
)

if TYPE_CHECKING:
    from bayes_alliance.run.printed_side import Printed
    from bayes_alliance.show.tables.record import Table
    from bayes_alliance.study.records import Study


def add_commands(commands: Any) -> None:
    """Add ``audit`` and ``printed`` to the commands of the parser."""
    audit = commands.add_parser(
        "audit",
        help="check the printed numbers of a study against each other",
        description="Check the printed numbers of a study against each other, without any patient's data.",
    )
    _add_common(audit)
    audit.add_argument("--all", action="store_true", help="print consistent findings too")
    audit.set_defaults(run=_audit)
    printed = commands.add_parser(
        "printed",
        help="posteriors, reverse-Bayes and interaction from the printed cells alone",
        description="Posteriors, reverse-Bayes and interaction from the printed cells alone.",
    )
    _add_common(printed)
    add_prior(printed, default=ALL)
    printed.add_argument(
        "--clusters",
        type=float,
        default=0.0,
        metavar="K",
        help="therapists or groups that the models leave out (default: those of the study file)",
    )
    add_figure_style(printed)
    printed.set_defaults(run=_printed)


def _add_common(command: argparse.ArgumentParser) -> None:
    add_study(command)
    add_out(command, "none: nothing is written")
    add_quiet(command)
    add_json(command)


def _load(name: str) -> Study:
    from bayes_alliance.errors import InputError, Problem
    from bayes_alliance.study.load_study import load_study

    study = load_study(name)
    if not study.cells:
        raise InputError(
            f"study {study.id}", [Problem(what="it has no printed cells", fix="add a cells.csv")]
        )
    return study


def _audit(options: argparse.Namespace) -> int:
    from bayes_alliance.published.aic_forensics import forensics
    from bayes_alliance.published.audit import audit_study
    from bayes_alliance.published.reading_audits import audit_readings
    from bayes_alliance.published.reading_weights import weigh_readings
    from bayes_alliance.show.tables.audit import (
        ORDER,
        count_findings,
        tabulate_audit,
        tabulate_audit_counts,
        tabulate_forensics,
    )
    from bayes_alliance.show.tables.readings import tabulate_readings
    from bayes_alliance.study.load_readings import load_readings

    check_json(options)
    study = _load(options.study)
    audit = audit_study(study)
    weighed = weigh_readings(study, load_readings(study))
    readings = tabulate_readings(study, weighed, audit_readings(study, weighed, audit))
    tables = (
        tabulate_audit(study, audit),
        tabulate_audit_counts(study, audit),
        tabulate_forensics(study, forensics(study)),
        *([readings] if readings.rows else []),
    )
    written = _write_tables(tables, options.out)
    if give_json(options, _as_json(study, tables)):
        return 0
    for verdict in ORDER if options.all else ORDER[:-1]:
        for finding in audit.of(verdict):
            print(f"{finding.verdict.value}: {finding.check}: {finding.where}: {finding.printed}")
            print(f"    {finding.reasoning}")
            for name, text in finding.numbers:
                print(f"    {name}: {text}")
            for text in finding.alternatives:
                print(f"    or: {text}")
    print(f"{study.id}: {count_findings(audit)}" + _where(written, options.out))
    return 0


def _printed(options: argparse.Namespace) -> int:
    from bayes_alliance.published.left_out import left_out
    from bayes_alliance.run.printed_side import posterior_from_print, printed_priors
    from bayes_alliance.show.tables.left_out import tabulate_left_out
    from bayes_alliance.show.tables.printed_posteriors import tabulate_printed
    from bayes_alliance.show.tables.related_studies import tabulate_across
    from bayes_alliance.show.tables.text import format_markdown

    check_json(options)
    study = _load(options.study)
    printed = posterior_from_print(study, options.prior)
    tables = [*tabulate_printed(printed), *tabulate_across(study, printed.across)]
    if study.priors:
        prior = next(iter(options.prior), "")
        tables += tabulate_left_out(study, left_out(study, prior, clusters=options.clusters))
    written = _write_tables(tables, options.out)
    if options.out is not None:
        shown = (options.prior or printed_priors(study))[-1]
        written += _write_figures(study, printed, shown, options.out)
    if give_json(options, _as_json(study, tables)):
        return 0
    for table in tables[1:]:
        print(format_markdown(table))
    print(f"{study.id}: {len(printed.posteriors)} posteriors" + _where(written, options.out))
    return 0


def _write_tables(tables: Sequence[Table], folder: Path | None) -> list[Path]:
    from bayes_alliance.show.tables.write import write_table

    if folder is None:
        return []
    make_folder(folder)
    return [path for table in tables if table.rows for path in write_table(table, folder)]


def _write_figures(study: Study, printed: Printed, prior: str, folder: Path) -> list[Path]:
    from bayes_alliance.show.plots.printed_posteriors import (
        claimed_slopes,
        plot_prior_to_posterior,
        plot_reverse_bayes,
    )
    from bayes_alliance.show.plots.save import save_figure
    from bayes_alliance.show.provenance import STAMP

    claimed = claimed_slopes(printed.slope_deviations())
    if not claimed:
        return []
    drawn = {
        f"prior_to_posterior_{prior}": plot_prior_to_posterior(study, claimed, prior),
        "reverse_bayes": plot_reverse_bayes(
            study, [claim for claim in printed.claims if claim.effect.role == "slope_deviation"]
        ),
    }
    return [
        path
        for stem, (figure, rows) in drawn.items()
        for path in save_figure(figure, folder / stem, rows=rows, provenance=STAMP)
    ]


def _where(written: Sequence[Path], folder: Path | None) -> str:
    return f"; {len(written)} files in {folder}" if written else ""


def _as_json(study: Study, tables: Sequence[Table]) -> dict[str, Any]:
    """Return tables by id, without formatted columns."""
    return {"study": study.id, "source": "printed", "tables": {table.id: table.as_json() for table in tables}}
