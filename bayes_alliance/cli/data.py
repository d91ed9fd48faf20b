"""The commands about a user's data, ``check-data`` and ``new-study``, and the options that say how to read it."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.cli.options import add_json, add_min_cell, add_patients, add_study, check_json, give_json
from bayes_alliance.cli.reading_options import _DELIMITERS, _add_wide, add_reading_options, reading_options
from bayes_alliance.errors import InputError, printable

if TYPE_CHECKING:
    from bayes_alliance.data.guess_roles import Roles
    from bayes_alliance.data.rows import StudyData
    from bayes_alliance.data.text_table import TextTable
    from bayes_alliance.study.records import ReadOptions, Study


def add_commands(commands: Any) -> None:
    """Add ``check-data`` and ``new-study`` to the commands of the parser."""
    check = commands.add_parser(
        "check-data",
        help="check a data file against a study",
        description="Read and check a data file, print a dictionary of what was understood and say which "
        "models it can carry. Exit code 0: it can be run (warnings may be listed); 2: it cannot.",
    )
    add_study(check)
    check.add_argument("file", type=Path, metavar="FILE")
    add_patients(check)
    add_reading_options(check)
    add_min_cell(check)
    add_json(check)
    check.set_defaults(run=_check_data)
    new = commands.add_parser(
        "new-study",
        help="write a study file for a data file",
        description="Guess the roles of the columns of a long data file and write a commented study file that "
        "runs at once. On a terminal it asks; options answer beforehand.",
    )
    new.add_argument("file", type=Path, metavar="DATA")
    new.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the study (default: DATA without its ending)"
    )
    new.add_argument("--patient", default="", metavar="COLUMN")
    new.add_argument("--time", default="", metavar="COLUMN")
    new.add_argument("--time-unit", default="", metavar="UNIT", help="months, weeks, days, ...")
    new.add_argument("--outcome", action="append", default=[], metavar="COLUMN", help="repeatable")
    new.add_argument("--yes", action="store_true", help="take every guess, ask nothing")
    for option in ("--sheet", "--encoding"):
        new.add_argument(option, metavar="NAME", help="how the data file is read, where it is not found out")
    new.add_argument("--delimiter", choices=tuple(_DELIMITERS))
    new.add_argument("--decimal", choices=("point", "comma"))
    new.add_argument(
        "--missing", action="append", metavar="CODE", help="a code for a missing value; repeatable"
    )
    _add_wide(new)
    new.set_defaults(run=_new_study, date=None, baseline=None, date_format=None)


def load_data(options: argparse.Namespace, study: Study) -> StudyData:
    """Read the data of a run: a file given, the file of the study, or its synthetic cohort."""
    from bayes_alliance.cohorts.study_rows import load_data as load

    return load(
        study,
        options.data,
        patients=options.patients,
        cohort=getattr(options, "cohort", None),
        seed=options.seed,
        reading=reading_options(options, study.data.reading),
        show_values=options.show_values,
    )


def load_protected(options: argparse.Namespace, study: Study) -> StudyData:
    """Read the data of a run whose outputs may be published: no few patients can be singled out by differences."""
    from bayes_alliance.run.protected_rows import protect_rows
    from bayes_alliance.show.disclosure import smallest_group

    data = load_data(options, study)
    # What --show-values shows of a patient is for the terminal of check-data, not for a page.
    warnings = tuple(dataclasses.replace(warning, got="") for warning in data.warnings)
    data = dataclasses.replace(data, warnings=warnings)
    return protect_rows(study, data, smallest_group(data.source, getattr(options, "min_cell", None)))


def report_warnings(data: StudyData, report: Callable[[str], None]) -> None:
    """Tell what reading the data gave cause to warn of, small counts masked where the data have a limit."""
    from bayes_alliance.show.privacy import mask_text

    for warning in data.warnings:
        report(mask_text(f"warning: {warning.format()}", data.min_cell))


def _check_data(options: argparse.Namespace) -> int:
    from bayes_alliance.data.rows import read_data
    from bayes_alliance.show.terminal import data_json, format_data
    from bayes_alliance.study.load_study import load_study

    check_json(options)
    study = load_study(options.study)
    shown = {"min_cell": options.min_cell or 0, "show_values": options.show_values}
    try:
        data = read_data(
            study,
            options.file,
            patients_path=options.patients,
            options=reading_options(options, study.data.reading),
            show_values=options.show_values,
        )
        facts = data_json(study, data, **shown)
    except InputError as error:
        if options.json is None:
            raise
        problems = [dataclasses.asdict(p) | {"text": p.format()} for p in error.problems]
        listed = [p.format() for p in error.problems]
        if not give_json(options, {"ok": False, "problems": listed, "details": problems, "warnings": []}):
            raise
        return error.exit_code
    if not give_json(options, facts):
        print(printable(format_data(facts)))
    return 0


def _new_study(options: argparse.Namespace) -> int:
    from bayes_alliance.data.dictionary import format_new_study
    from bayes_alliance.data.new_study import (
        format_cells_template,
        format_claims_template,
        format_study,
    )
    from bayes_alliance.data.readers import read_table
    from bayes_alliance.data.study_folder import study_identifier, write_study_folder
    from bayes_alliance.study.load_study import load_study
    from bayes_alliance.study.records import ReadOptions

    stated = reading_options(options, ReadOptions())
    table = _shaped(options, read_table(options.file, stated), stated)
    roles = _ask_roles(options, table)
    folder: Path = options.out or options.file.with_suffix("")
    study_id = study_identifier(folder.name)
    beside = {"cells.csv": format_cells_template(), "claims.toml": format_claims_template(table, roles)}
    text = format_study(table, roles, study_id=study_id, options=stated)
    path = write_study_folder(folder, text, options.file, beside=beside)
    lines = format_new_study(table, roles, load_study(folder))
    lines += [
        f"wrote {path}, with a copy of the data and templates of cells.csv and claims.toml beside it; look it through:",
        f"  bayes-alliance check-data {folder} {folder / options.file.name}",
        f"  bayes-alliance reanalyse {folder}",
    ]
    print(printable("\n".join(lines)))
    return 0


def _shaped(options: argparse.Namespace, table: TextTable, stated: ReadOptions) -> TextTable:
    """Reshape the table to the long form, with declared codes blanked, as far as that goes without a study."""
    from bayes_alliance.data.declared_codes import blank_missing
    from bayes_alliance.data.guess_roles import guess_patient
    from bayes_alliance.data.reshape import lengthen
    from bayes_alliance.data.text_table import Findings

    findings = Findings()
    table = dataclasses.replace(table, decimal=stated.decimal)
    exempt = {options.patient or guess_patient(table), options.time}
    table = blank_missing(table, stated.missing, findings, exempt=exempt)
    if stated.wide:
        options.time = options.time or "time"
        table = lengthen(table, stated, findings, time=options.time)
        findings.raise_any(table.name)
        options.outcome = options.outcome or [head for head, _ in stated.wide if "{item}" not in head]
    for warning in (*table.warnings, *findings.warned):
        print(printable(f"warning: {warning.format()}"), file=sys.stderr)
    return table


def _ask_roles(options: argparse.Namespace, table: TextTable) -> Roles:
    """Guess, and on a terminal ask whether the guess is right."""
    from bayes_alliance.data.guess_roles import candidate_outcomes, guess_roles

    stated = {"patient": options.patient, "time": options.time, "time_unit": options.time_unit}
    roles = guess_roles(table, **stated, outcomes=tuple(options.outcome))
    if options.yes or not sys.stdin.isatty():
        return roles
    patient = options.patient or _ask("column of the patient", roles.patient)
    time = options.time or _ask("column of the time", roles.time)
    roles = guess_roles(table, patient=patient, time=time, time_unit=options.time_unit)
    unit = options.time_unit or _ask("unit of time", roles.time_unit)
    candidates = ", ".join(candidate_outcomes(table, roles))
    guess = ", ".join(roles.outcomes)
    outcome = options.outcome or _ask(f"outcomes, apart by commas ({candidates})", guess).split(",")
    chosen = tuple(part.strip() for part in outcome if part.strip())
    return guess_roles(table, patient=patient, time=time, time_unit=unit, outcomes=chosen)


def _ask(question: str, guess: str) -> str:
    """Ask on the terminal; Enter, or the end of the input, takes the guess."""
    try:
        return input(f"{question} [{guess}]: ").strip() or guess
    except EOFError:
        return guess
