"""The command that builds synthetic cohorts which print a study's tables: ``cohort``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from bayes_alliance.cli.options import add_reading_options, reading_options

MAX_COHORTS = 10_000
DEFAULT_SEED = 2020


def add_commands(commands: Any) -> None:
    """Add ``cohort`` to the commands of the parser."""
    command = commands.add_parser(
        "cohort",
        help="build synthetic cohorts on which the models print the published tables",
        description="Build synthetic cohorts on which ordinary mixed models print the published tables, with a "
        "scorecard and the spread of every estimand between them. Finished cohorts are kept: an interrupted run "
        "goes on where it stopped. Exit code 3: a number that is possible was missed, or a cohort is implausible.",
    )
    command.add_argument(
        "study", metavar="STUDY", help="id of a study that ships, or a folder with a study.toml"
    )
    command.add_argument(
        "--count", type=_count, default=1, metavar="M", help="how many (default: %(default)s)"
    )
    command.add_argument("--seed", type=_seed, default=DEFAULT_SEED, metavar="S", help="default: %(default)s")
    command.add_argument(
        "--out", type=Path, metavar="DIR", help="output folder (default: results/<study>/cohorts)"
    )
    command.add_argument(
        "--jobs", type=_count, default=os.cpu_count() or 1, metavar="N", help="processes (default: all cores)"
    )
    command.add_argument(
        "--design",
        type=Path,
        metavar="FILE",
        help="take patients, visits and predictors from this data file, whose outcomes are not looked at "
        "(default: deal them out by the study's cohort plan)",
    )
    add_reading_options(command)
    command.add_argument("--quiet", action="store_true", help="print only the last lines")
    command.add_argument("--json", action="store_true", help="print a machine-readable summary")
    command.set_defaults(run=_cohort)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_COHORTS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MAX_COHORTS}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {2**32 - 1}")
    return int(text)


def _cohort(options: argparse.Namespace) -> int:
    from bayes_alliance.cohorts.ensemble import build_ensemble, spread_estimates
    from bayes_alliance.cohorts.store import read_cohort
    from bayes_alliance.data.rows import read_data
    from bayes_alliance.show.tables.cohorts import LIMITS, tabulate_scorecard, tabulate_spread
    from bayes_alliance.show.tables.write import write_table
    from bayes_alliance.study.load_study import load_study
    from bayes_alliance.study.records import Source

    study = load_study(options.study)
    folder: Path = options.out or Path("results") / study.id / "cohorts"
    design = None
    if options.design is not None:
        stated = reading_options(options, study.data.reading)
        design = read_data(study, options.design, source=Source.REAL, options=stated)

    def report(line: str) -> None:
        if not options.quiet:
            print(line, file=sys.stderr, flush=True)

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
    tables = [tabulate_scorecard(study, facts)]
    if len(cohorts) > 1:
        tables.append(tabulate_spread(study, spread_estimates(study, cohorts)))
    for table in tables:
        write_table(table, folder)
    summary = {
        "study": study.id,
        "source": "synthetic",
        "seed": options.seed,
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
    if options.json:
        print(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        _print_cohorts(facts)
        print(LIMITS)
        print(f"{study.id}: {len(paths)} synthetic cohorts, scorecard and spread in {folder}")
    unexplained = any(not line[8] and not line[9] for fact in facts for line in fact["lines"])
    return 3 if unexplained or any(fact["implausible"] for fact in facts) else 0


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
