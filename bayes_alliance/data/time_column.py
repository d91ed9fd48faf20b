"""The column of time: computed from dates, or counted from a declared zero.

Every step is declared in the study file or by options, is done on text, and says in a note what it did.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import date, datetime

import numpy as np

from bayes_alliance.data.codes import canonical_identifiers
from bayes_alliance.data.dates import DAYS, MONTHLY, SERIALS, WEEKS, YEARS, Dates, elapsed, read_dates
from bayes_alliance.data.headers import list_headers, nearest_header
from bayes_alliance.data.parse_numbers import decimal_mark, number_text, read_numbers
from bayes_alliance.data.text_table import Findings, TextTable, complain_of_cells, with_notes
from bayes_alliance.study.records import ReadOptions, Study


def time_header(study: Study) -> str:
    """Return the header of the column of time."""
    return {v.name: v.column for v in study.variables}[study.time]


def count_time_from(study: Study, table: TextTable, options: ReadOptions, findings: Findings) -> TextTable:
    """Subtract the time that is declared to count as 0."""
    time = time_header(study)
    if not options.time_zero or time not in table.frame.columns:
        return table
    values, unreadable = read_numbers(table.frame[time], decimal_mark(table, [time]))
    shifted = [
        cell if bad or np.isnan(value) else number_text(round(float(value) - options.time_zero, 12))
        for cell, value, bad in zip(table.frame[time], values, unreadable, strict=True)
    ]
    frame = table.frame.assign(**{time: shifted})
    labels = {name: of for name, of in table.value_labels.items() if name != time}
    note = f"time counts from {options.time_zero:g} in column {time!r}, as declared"
    return with_notes(dataclasses.replace(table, frame=frame, value_labels=labels), note)


def time_from_dates(study: Study, table: TextTable, options: ReadOptions, findings: Findings) -> TextTable:
    """Return each row its time from the baseline, in the study's unit."""
    time, patient = time_header(study), {v.name: v.column for v in study.variables}[study.patient]
    headers = [str(head) for head in table.frame.columns]
    wanted = [options.date, *([options.baseline] if options.baseline else [patient])]
    absent = [head for head in wanted if head not in headers]
    if options.date in absent and time in headers and not options.date_required:
        findings.warn(
            f"no column {options.date!r}, from which the study file computes time; column {time!r} is used as it is",
            where=table.name,
        )
        return table
    if not _computable(study, table, absent, findings):
        return table
    before = len(findings.found)
    dates = _parse_dates(table, options.date, options.date_format, findings)
    ids = canonical_identifiers(table.frame[patient]) if patient in headers else []
    starts = _starts(table, options, dates, ids, findings)
    if len(findings.found) > before:
        findings.time_refused = True
        return dataclasses.replace(table, frame=table.frame.drop(columns=[time], errors="ignore"))
    timed = dates.timed and (study.time_unit in ("minutes", "hours") or _several_a_day(dates.moments, ids))
    passed = elapsed(dates.moments, starts, unit=study.time_unit, timed=timed, date_format=dates.date_format)
    if time in headers:
        findings.warn(
            f"column {time!r} is not used: time is computed from the dates of {options.date!r}",
            where=table.name,
        )
    frame = table.frame.assign(**{time: ["" if value is None else number_text(value) for value in passed]})
    note = _say_times(study, options, dates, timed)
    # The computed time stands in the date's column of the file, so that is what a message has to name.
    renamed = {
        **table.wide_headers,
        **{(time, v): h for (c, v), h in table.wide_headers.items() if c == options.date},
    }
    return with_notes(dataclasses.replace(table, frame=frame, wide_headers=renamed), note)


def _length(unit: str, date_format: str) -> str:
    """Say how long a unit of time is."""
    calendar = (unit in ("months", "years") and date_format in MONTHLY) or (
        unit == "weeks" and date_format == WEEKS
    )
    return "on the calendar" if calendar else f"{DAYS[unit]:g} days each"


def _say_times(study: Study, options: ReadOptions, dates: Dates, timed: bool) -> str:
    origin = f"column {options.baseline!r}" if options.baseline else "each patient's first date"
    note = (
        f"{study.time_unit} since {origin}, from dates in column {options.date!r} as {dates.date_format} "
        f"({_length(study.time_unit, dates.date_format)})"
    )
    if dates.timed and timed:
        return f"{note}; times of day count"
    if dates.timed:
        return f"{note}; times of day do not count, as no patient was seen twice a day"
    return note


def _computable(study: Study, table: TextTable, absent: Sequence[str], findings: Findings) -> bool:
    """Whether the columns are there and the study's unit can be counted in days; what is not so is told."""
    headers = [str(head) for head in table.frame.columns]
    for head in absent:
        findings.add(
            f"no column {head!r}, from which time is to be computed",
            where=table.name,
            allowed=list_headers(headers),
            fix=nearest_header(head, headers),
        )
    if study.time_unit not in DAYS:
        findings.add(
            f"time in {study.time_unit!r} cannot be computed from dates",
            where=table.name,
            allowed=", ".join(DAYS),
        )
    return not absent and study.time_unit in DAYS


def _starts(
    table: TextTable, options: ReadOptions, dates: Dates, ids: Sequence[str], findings: Findings
) -> list[datetime | None]:
    """Return each row its baseline: the declared column's, else the patient's first date."""
    if not options.baseline:
        return _first_dates(dates.moments, ids)
    started = _parse_dates(table, options.baseline, options.date_format, findings)
    if bool(started.zones) != bool(dates.zones) and any(started.moments) and any(dates.moments):
        findings.add(
            f"of the columns {options.date!r} and {options.baseline!r} one states time zones",
            where=table.name,
            fix="state them in both or in neither",
        )
    return list(started.moments)


def _first_dates(moments: Sequence[datetime | None], ids: Sequence[str]) -> list[datetime | None]:
    """Return each row the earliest date of its patient."""
    first: dict[str, datetime] = {}
    for moment, patient in zip(moments, ids, strict=True):
        if moment is not None and (patient not in first or _earlier(moment, first[patient])):
            first[patient] = moment
    return [first.get(patient) for patient in ids]


def _earlier(one: datetime, other: datetime) -> bool:
    if (one.tzinfo is None) != (other.tzinfo is None):
        return one.replace(tzinfo=None) < other.replace(tzinfo=None)
    return one < other


def _several_a_day(moments: Sequence[datetime | None], ids: Sequence[str]) -> bool:
    """Whether any patient has two moments on one day that differ."""
    seen: dict[tuple[str, date], datetime] = {}
    return any(
        seen.setdefault((patient, moment.date()), moment) != moment
        for moment, patient in zip(moments, ids, strict=True)
        if moment is not None
    )


def _parse_dates(table: TextTable, header: str, stated: str, findings: Findings) -> Dates:
    """Read a column of dates; complain of those that are none, and of a spelling that can be read two ways."""
    dates = read_dates(table.frame[header], stated)
    where = f"{table.name}, column {header!r}"
    n_dates = sum(moment is not None for moment in dates.moments)
    if dates.serials and dates.unreadable:
        findings.add(
            "the cells are plain numbers, such as the serial days that spreadsheets keep dates as",
            where=where,
            allowed="dates",
            fix=("if they are years, state --date-format %Y; else " if dates.years else "")
            + f"state what they count from: --date-format or date_format in [data], one of {', '.join(SERIALS)}",
        )
        return dates
    if dates.rival:
        findings.add(
            f"the dates of column {header!r} can be read as {dates.date_format} and as {dates.rival}",
            where=table.name,
            fix="state date_format in [data], or --date-format",
        )
    mixed = sum(moment is not None and moment.tzinfo is not None for moment in dates.moments)
    if 0 < mixed < n_dates:
        findings.add(
            f"{mixed} of {n_dates} dates state a time zone and the others none",
            where=where,
            allowed="all or none",
        )
    marked = np.zeros(len(dates.moments), dtype=bool)
    marked[list(dates.unreadable)] = True
    complain_of_cells(
        table,
        header,
        marked,
        findings,
        "not a date",
        allowed=f"a date as {dates.date_format}, from the years {YEARS[0]} to {YEARS[-1]}",
        fix="" if stated or len(dates.unreadable) < n_dates else "state the format: --date-format",
    )
    return dates
