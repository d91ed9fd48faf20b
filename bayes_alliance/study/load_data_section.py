"""The table ``[data]`` of a study file: which file, and how it is to be read."""

from __future__ import annotations

import os.path
import re
from pathlib import Path, PurePosixPath, PureWindowsPath

from bayes_alliance.errors import Problem
from bayes_alliance.study.records import DataDefault, ReadOptions, Source
from bayes_alliance.study.toml_reader import TableReader

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
DECIMALS = (".", ",")
# A closed list, as looking a codec up by any other name would import a module of that name.
# Beside each, what iconv calls it, which the readers of SPSS and Stata files use.
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16LE",
    "utf-16-be": "UTF-16BE",
    "latin-1": "ISO-8859-1",
    "iso-8859-1": "ISO-8859-1",
    "iso-8859-15": "ISO-8859-15",
    "cp1252": "WINDOWS-1252",
    "windows-1252": "WINDOWS-1252",
    "cp850": "CP850",
    "mac-roman": "MACINTOSH",
}
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")


def read_data_section(reader: TableReader, folder: Path) -> DataDefault:
    """Read ``[data]``.

    Parameters
    ----------
    reader : TableReader
        Of the table.
    folder : Path
        The study's folder, which no file may leave.

    Returns
    -------
    DataDefault
    """
    data = DataDefault(
        source=Source(reader.text("source", choices=(Source.REAL, Source.SYNTHETIC, Source.PRINTED))),
        file=reader.text("file", default=""),
        patients=reader.text("patients", default=""),
        cohort=reader.text("cohort", default=""),
        ensemble=reader.text("ensemble", default=""),
        citation=reader.text("citation", default=""),
        licence=reader.text("licence", default=""),
        reading=_reading(reader),
    )
    for key, value in (("file", data.file), ("patients", data.patients), ("cohort", data.cohort)):
        if value and not _stays_inside(value, folder):
            allowed = "a file in the folder"
            reader.complain("the path leaves the study's folder", key, got=repr(value[:80]), allowed=allowed)
        elif value and not is_file(folder / value):
            reader.complain("no such file in the study's folder", key, got=repr(value[:80]))
    if data.ensemble and not _stays_inside(data.ensemble, folder):
        got = repr(data.ensemble[:80])
        reader.complain("the path leaves the study's folder", "ensemble", got=got, allowed="a folder in it")
    if data.ensemble and not data.cohort:
        reader.complain("it goes with 'cohort'", "ensemble")
    if data.source is Source.PRINTED:
        if data.file or data.cohort:
            reader.complain("a study of printed cells alone has no file", "source")
    elif data.file and data.cohort:
        reader.complain("only one of 'file' and 'cohort' may be given")
    elif data.cohort and data.source is not Source.SYNTHETIC:
        reader.complain("a cohort is not real data", "source", got=repr(str(data.source)))
    if data.patients and not data.file:
        reader.complain("it goes with 'file'", "patients")
    reader.finish()
    return data


def _reading(reader: TableReader) -> ReadOptions:
    delimiter = reader.text("delimiter", default="", choices=("", *DELIMITERS))
    options = ReadOptions(
        sheet=reader.text("sheet", default=""),
        encoding=reader.text("encoding", default=""),
        delimiter=DELIMITERS.get(delimiter, ""),
        decimal=reader.text("decimal", default="", choices=("", *DECIMALS)),
        missing=reader.codes("missing"),
        wide=reader.texts_by_name("wide"),
        visits=reader.numbers_by_name("visits"),
        date=reader.text("date", default=""),
        baseline=reader.text("baseline", default=""),
        date_format=reader.text("date_format", default=""),
        time_zero=reader.number("time_zero", default=0.0),
        recode=tuple((head, sub.every_text()) for head, sub in reader.named_subtables("recode")),
    )
    for problem in check_reading(options, f"{reader.where}, key "):
        reader.problems.append(problem)
    return options


def check_reading(options: ReadOptions, where: str) -> list[Problem]:
    """Check what no single value shows: a known encoding, patterns with a visit, a date for a baseline.

    Parameters
    ----------
    options : ReadOptions
        To check.
    where : str
        Goes before the quoted name of the key in each message.

    Returns
    -------
    list of Problem
    """
    problems = []
    if options.encoding and options.encoding not in ENCODINGS:
        problems.append(
            Problem(
                what="unknown encoding",
                where=f"{where}'encoding'",
                got=repr(options.encoding[:40]),
                allowed=", ".join(ENCODINGS),
            )
        )
    for header, pattern in options.wide:
        if fault := pattern_fault(header, pattern):
            problems.append(
                Problem(
                    what=fault,
                    where=f"{where}'wide'",
                    got=repr(f"{header} = {pattern}"[:80]),
                    allowed='a pattern such as "wai{visit}_{item}" for "wai{item}"',
                )
            )
    if options.visits and not options.wide:
        problems.append(Problem(what="visits without a wide pattern", where=f"{where}'visits'"))
    if options.time_zero and options.date:
        problems.append(
            Problem(
                what="time is computed from dates, so that no value of it counts as 0",
                where=f"{where}'time_zero'",
                fix="leave it out, or leave 'date' out",
            )
        )
    if options.baseline and not options.date:
        problems.append(
            Problem(what="a baseline without the date of the assessments", where=f"{where}'baseline'")
        )
    return problems


def pattern_fault(header: str, pattern: str) -> str:
    """Return what is wrong with the pattern of a wide header, or give an empty string."""
    marks = _PLACEHOLDER.findall(pattern)
    if marks.count("{visit}") != 1:
        return "the pattern needs {visit} once"
    if marks.count("{item}") > 1 or set(marks) - {"{visit}", "{item}"}:
        return "the pattern knows {visit} and one {item} only"
    if _PLACEHOLDER.findall(header) != (["{item}"] if "{item}" in marks else []):
        return "{item} must stand in both the long header and the pattern, or in neither"
    return ""


def is_file(path: Path) -> bool:
    """Whether a path is a file; unlike ``Path.is_file``, False also for a name that is too long."""
    return os.path.isfile(path)  # noqa: PTH113


def _stays_inside(value: str, folder: Path) -> bool:
    """Whether a path stays in the folder, whichever system it was written on and whatever links there are."""
    pure = (PurePosixPath(value), PureWindowsPath(value))
    if "\0" in value or any(p.is_absolute() or p.drive or p.root or ".." in p.parts for p in pure):
        return False
    return (folder / value).resolve().is_relative_to(folder.resolve())
