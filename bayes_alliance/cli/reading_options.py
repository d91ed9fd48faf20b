"""Options that say how a data file is read; each overrides what the study file states."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bayes_alliance.errors import InputError, Problem

if TYPE_CHECKING:
    from bayes_alliance.study.records import ReadOptions

_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}


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
    problems = [
        Problem(
            what="it is empty", where=f"option --{name.replace('_', '-')}", fix="leave it out, or name it"
        )
        for name, value in given.items()
        if not value.strip()
    ]
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
    if "date" in given:
        given["date_required"] = True
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
            fix = "numbers of visits a patient are --n-visits of simulate" if text.strip().isdecimal() else ""
            problems.append(
                Problem(what="no pair", where=option, got=repr(text[:80]), allowed=allowed, fix=fix)
            )
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
