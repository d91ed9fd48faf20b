"""The command ``register``: the blind test of every study that ships table, claims and open data."""

from __future__ import annotations

import argparse
from typing import Any

from bayes_alliance.cli.options import (
    add_jobs,
    add_json,
    add_out,
    add_quiet,
    add_seed,
    check_json,
    give_json,
    make_folder,
)
from bayes_alliance.cli.progress import ProgressReporter


def add_commands(commands: Any) -> None:
    """Add ``register`` to the commands of the parser."""
    register = commands.add_parser(
        "register",
        help="hold print alone against open data, over the registered studies",
        description="For every study with printed cells, claims and open data: judge it from print alone, without "
        "the data; then print the tables again from the data, judge it from the data, and hold the two against each "
        "other. Refuses a study whose table, data and claims do not fit each other, with file and line.",
    )
    register.add_argument(
        "studies",
        nargs="*",
        metavar="STUDY",
        help="ids of studies that ship, or folders with a study.toml (default: all that ship with open data)",
    )
    register.add_argument(
        "--check",
        action="store_true",
        help="say only whether table, data and claims fit each other and what is missing; no Bayesian fit",
    )
    add_seed(register)
    add_jobs(register)
    add_out(register, "none: nothing is written")
    add_quiet(register)
    add_json(register)
    register.set_defaults(run=_register)


def _check(options: argparse.Namespace) -> int:
    """Say what each study has and lacks; 3 where something is missing or does not print again."""
    import sys

    from bayes_alliance.api.register import check_register
    from bayes_alliance.show.register_page import describe_check

    report = (lambda line: None) if options.quiet else (lambda line: print(line, file=sys.stderr))
    checks = check_register(options.studies, seed=options.seed, report=report)
    for check in checks:
        print("\n".join(describe_check(check)))
    return 3 if any(check.missing or check.unexplained for check in checks) else 0


def _register(options: argparse.Namespace) -> int:
    if options.check:
        return _check(options)
    from bayes_alliance.api.register import register
    from bayes_alliance.show.register_page import describe_register
    from bayes_alliance.show.tables.register import tabulate_register

    check_json(options)
    folder = None if options.out is None else make_folder(options.out)
    report = ProgressReporter(quiet=options.quiet, bar=False)
    entries = register(options.studies, seed=options.seed, folder=folder, jobs=options.jobs, report=report)
    tables = tabulate_register(entries, options.seed)
    facts = {"source": "printed and real data", "tables": {table.id: table.as_json() for table in tables}}
    if give_json(options, facts):
        return 0
    for sentence in describe_register(entries):
        print(sentence)
    for entry in entries:
        misses = [
            f"{one.cell.model}: {one.cell.coefficient}: {one.reason}" for one in entry.estimands if one.missed
        ]
        apart = [f"{one.claim_id}: {one.reason}" for one in entry.verdicts if one.both and not one.agree]
        for line in (*misses, *apart):
            print(f"{entry.study.id}: {line}")
    if folder is not None:
        print(f"page: {folder / 'register.html'}")
    return 0
