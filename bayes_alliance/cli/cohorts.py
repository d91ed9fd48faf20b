"""The command that builds synthetic cohorts which print a study's tables: ``cohort``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.cli.data import report_warnings
from bayes_alliance.cli.options import (
    EXIT_CHECK_FAILED,
    add_jobs,
    add_json,
    add_out,
    add_quiet,
    add_seed,
    add_study,
    check_json,
    give_json,
    make_folder,
)
from bayes_alliance.cli.parser import whole_number
from bayes_alliance.cli.progress import ProgressReporter
from bayes_alliance.cli.reading_options import add_reading_options, reading_options
from bayes_alliance.errors import InputError, Problem

if TYPE_CHECKING:
    from bayes_alliance.cohorts.store import StoredCohort
    from bayes_alliance.data.rows import StudyData
    from bayes_alliance.show.tables.record import Table
    from bayes_alliance.study.records import Study

MAX_COHORTS = 10_000


def add_commands(commands: Any) -> None:
    """Add ``cohort`` to the commands of the parser."""
    command = commands.add_parser(
        "cohort",
        help="build synthetic cohorts on which the models print the published tables",
        description="Build synthetic cohorts on which ordinary mixed models print the published tables, with a "
        "scorecard and the spread of every estimand between them. Finished cohorts are kept: an interrupted run "
        "goes on where it stopped. Exit code 3: a number that is possible was missed, or a cohort is implausible.",
    )
    add_study(command)
    command.add_argument(
        "--count",
        type=whole_number(1, MAX_COHORTS),
        default=1,
        metavar="N",
        help="number of cohorts (default: %(default)s)",
    )
    add_seed(command)
    add_out(command, "results/<study>/cohorts")
    add_jobs(command)
    command.add_argument(
        "--design",
        type=Path,
        metavar="FILE",
        help="take patients, visits and predictors from this data file; its outcomes are ignored "
        "(default: generate the design from cohort.toml)",
    )
    command.add_argument(
        "--keep-design",
        action="store_true",
        help="with --design: let the cohorts hold the visit times and predictors of real patients",
    )
    add_reading_options(command)
    add_quiet(command)
    add_json(command)
    command.set_defaults(run=_cohort)


def _check_design(options: argparse.Namespace) -> None:
    """Refuse to write real patients' visit times and predictors into cohorts unless that was said."""
    if options.keep_design and options.design is None:
        raise InputError("option --keep-design", [Problem(what="it requires --design")])
    if options.design is not None and not options.keep_design:
        problem = Problem(
            what="cohorts on this design would hold the visit times and predictors of its patients",
            got=options.design.name,
            fix="if they may, add --keep-design; such cohorts are stamped and are no less confidential than the data",
        )
        raise InputError("option --design", [problem])


def _read_design(options: argparse.Namespace, study: Study) -> StudyData | None:
    from bayes_alliance.data.rows import read_data
    from bayes_alliance.study.records import Source

    if options.design is None:
        return None
    stated = reading_options(options, study.data.reading)
    design = read_data(
        study, options.design, source=Source.REAL, options=stated, show_values=options.show_values
    )
    report_warnings(design, ProgressReporter(quiet=options.quiet))
    return design


def _tables(study: Study, cohorts: list[StoredCohort], checks: Sequence[Mapping[str, Any]]) -> list[Table]:
    from bayes_alliance.cohorts.estimates import spread_estimates
    from bayes_alliance.show.tables.cohorts import (
        tabulate_ensemble_checks,
        tabulate_scorecard,
        tabulate_spread,
    )

    tables = [tabulate_scorecard(study, [cohort.facts for cohort in cohorts])]
    if len(cohorts) > 1:
        tables.append(tabulate_spread(study, spread_estimates(study, cohorts)))
    return [*tables, tabulate_ensemble_checks(study, checks)] if checks else tables


def _cohort(options: argparse.Namespace) -> int:
    from bayes_alliance.cohorts.ensemble import build_ensemble, check_printed
    from bayes_alliance.cohorts.store import DESIGN_STAMP, read_cohort
    from bayes_alliance.cohorts.typicality import check_ensemble
    from bayes_alliance.show.tables.write import write_table
    from bayes_alliance.study.load_study import load_study

    check_json(options)
    study = load_study(options.study)
    _check_design(options)
    design = _read_design(options, study)
    check_printed(study, design)
    folder = make_folder(options.out or Path("results") / study.id / "cohorts")
    with ProgressReporter(quiet=options.quiet) as report:
        paths = build_ensemble(
            study,
            folder,
            count=options.count,
            seed=options.seed,
            jobs=options.jobs,
            report=report,
            design=design,
        )
    cohorts = [read_cohort(path) for path in paths]
    facts = [cohort.facts for cohort in cohorts]
    checks = check_ensemble(study, facts) if len(cohorts) > 1 else ()
    for table in _tables(study, cohorts, checks):
        write_table(table, folder)
    summary = _summary(
        study.id, "synthetic" if design is None else DESIGN_STAMP, options.seed, folder, paths, facts
    )
    if not give_json(options, summary):
        _print_cohorts(facts)
        _print_checks(study, checks)
        if design is not None:
            print(f"stamped: {DESIGN_STAMP} ({design.origin})")
        print(f"{study.id}: {len(paths)} synthetic cohorts, scorecard and spread in {folder}")
    unexplained = any(not line[8] and not line[9] for fact in facts for line in fact["lines"])
    return EXIT_CHECK_FAILED if unexplained or any(fact["implausible"] for fact in facts) else 0


def _print_checks(study: Study, checks: Sequence[Mapping[str, Any]]) -> None:
    from bayes_alliance.cohorts.conflicts import say_conflicts
    from bayes_alliance.cohorts.typicality import say_failed
    from bayes_alliance.show.tables.cohorts import LIMITS

    for line in say_conflicts(study):
        print(line)
    for line in say_failed(checks):
        print(f"CHECK FAILED: {line}")
    print(LIMITS)


def _summary(
    study: str, source: str, seed: int, folder: Path, paths: list[Path], facts: list[Any]
) -> dict[str, Any]:
    """Return what was built, cohort by cohort, as JSON takes it."""
    return {
        "study": study,
        "source": source,
        "seed": seed,
        "folder": str(folder),
        "cohorts": [
            {
                "file": path.name,
                "seed": fact["seed"],
                "cells": fact["cells"],
                "text": fact["text"],
                "missed": [line[:3] + line[6:7] + line[9:] for line in fact["lines"] if not line[8]],
                "implausible": fact["implausible"],
            }
            for path, fact in zip(paths, facts, strict=True)
        ],
    }


def _print_cohorts(facts: list[Any]) -> None:
    """Print what any cohort misses, once each, with the number of cohorts that miss it."""
    missed: dict[tuple[str, str, str, str], int] = {}
    for fact in facts:
        for place, said, kind, *_, met, note in fact["lines"]:
            if not met:
                missed[place, said, kind, note] = missed.get((place, said, kind, note), 0) + 1
    for (place, said, kind, note), count in missed.items():
        print(f"missed by {count} of {len(facts)}: {place}: {said} ({kind}){': ' + note if note else ''}")
    met, total = facts[0]["cells"]
    print(
        f"the first cohort prints {met} of {total} numbers of the tables, {facts[0]['text'][0]} of "
        f"{facts[0]['text'][1]} of the text"
    )
