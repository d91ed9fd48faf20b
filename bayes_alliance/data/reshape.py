"""From the shape in which a file comes to one row an assessment: missing codes, wide to long, recoding, dates.

Every step is declared in the study file or by options, is done on text, and says in a note what it did.
Nothing is left out without being counted.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd

from bayes_alliance.data.text_table import Findings, TextTable
from bayes_alliance.study.records import ReadOptions, Study

# Days in a unit of time: a month is a twelfth of 365.25 days.
DAYS = {"days": 1.0, "weeks": 7.0, "months": 365.25 / 12, "years": 365.25}
DATE_FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y%m%d", "%d.%m.%y")
_TIME_OF_DAY = re.compile(r"[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?$")
_YEARS = range(1900, 2101)
_BLANK = frozenset({"", "na", "nan", "."})


def shape_table(
    study: Study, table: TextTable, options: ReadOptions, findings: Findings, *, of_patients: bool = False
) -> TextTable:
    """Bring a table into the long form that a study's columns describe.

    Parameters
    ----------
    study : Study
        Says which columns hold the patient and the time, and in which unit.
    table : TextTable
        As read.
    options : ReadOptions
        What is declared about its shape.
    findings : Findings
        Collects the problems.
    of_patients : bool
        Whether it has one row a patient, so that neither visits nor dates are looked for.

    Returns
    -------
    TextTable
        With notes of what was done.
    """
    table = dataclasses.replace(table, decimal=options.decimal)
    table = blank_missing(table, options.missing)
    if options.wide and not of_patients:
        table = lengthen(table, options, findings, time=_time_header(study))
    table = _recode(table, options, findings)
    if options.date and not of_patients:
        table = _time_from_dates(study, table, options, findings)
    return table


def lengthen(table: TextTable, options: ReadOptions, findings: Findings, *, time: str) -> TextTable:
    """Turn a wide table (one row a patient, one column a visit) into a long one.

    A visit of a patient on which every wide column is blank is no assessment: it is left out and counted. A
    file without any column of the patterns is taken for a long one.

    Parameters
    ----------
    table : TextTable
        As read.
    options : ReadOptions
        ``wide`` and ``visits``.
    findings : Findings
        Collects the problems.
    time : str
        Header of the column of time, which the long table gets unless it comes from dates.

    Returns
    -------
    TextTable
    """
    found = _find_wide(table, options)
    if not found:
        return _with_notes(table, "no column of the declared wide form; read as a long file")
    times = _visit_times(table, options, found, findings)
    if times is None:
        return table
    long_headers = list(dict.fromkeys(header for header, _ in found))
    kept = [head for head in table.frame.columns if head not in set(found.values())]
    made = {*long_headers, *([] if options.date else [time])}
    for head in kept:
        if head in made:
            findings.add(
                f"column {head!r} is there, and would also be made from the wide columns",
                where=table.name,
                fix="remove it from the file, or the pattern that makes it",
            )
    parts, lines, visits = [], [], []
    for visit in times:
        part = table.frame[kept].copy()
        for header in long_headers:
            wide = found.get((header, visit))
            part[header] = table.frame[wide] if wide is not None else ""
        parts.append(part)
        lines.append(table.lines)
        visits += [visit] * len(part)
    frame = pd.concat(parts, ignore_index=True)
    if not options.date:
        frame[time] = [_number_text(times[visit]) for visit in visits]
    present = ~frame[long_headers].map(_is_blank).all(axis=1).to_numpy(dtype=bool)
    note = f"wide form: {len(times)} visits ({', '.join(times)}) made {int(present.sum())} rows"
    if left_out := int((~present).sum()):
        note += f"; {left_out} visits without any value were left out"
    labels = {header: table.value_labels.get(wide, {}) for (header, _), wide in reversed(found.items())}
    return _with_notes(
        dataclasses.replace(
            table,
            frame=frame.loc[present].reset_index(drop=True),
            lines=np.concatenate(lines)[present],
            visits=tuple(v for v, keep in zip(visits, present, strict=True) if keep),
            wide_headers=found,
            value_labels={**table.value_labels, **labels},
        ),
        note,
    )


def _time_header(study: Study) -> str:
    return {v.name: v.column for v in study.variables}[study.time]


def _find_wide(table: TextTable, options: ReadOptions) -> dict[tuple[str, str], str]:
    """Map (long header, visit) to the wide header, for every column of the declared patterns."""
    visits = "|".join(re.escape(name) for name, _ in sorted(options.visits, key=lambda pair: -len(pair[0])))
    found = {}
    for header, pattern in options.wide:
        text = re.escape(pattern).replace(r"\{visit\}", f"(?P<visit>{visits or '[A-Za-z0-9.-]+?'})")
        expression = re.compile(text.replace(r"\{item\}", r"(?P<item>\d{1,3})"))
        for wide in map(str, table.frame.columns):
            if match := expression.fullmatch(wide):
                long_header = header.replace("{item}", match.groupdict().get("item") or "")
                found[long_header, match["visit"]] = wide
    return found


def _visit_times(
    table: TextTable, options: ReadOptions, found: Mapping[tuple[str, str], str], findings: Findings
) -> dict[str, float] | None:
    """Give the time of each visit, in order of time; None and a problem where a spelling is no time."""
    spelled = dict.fromkeys(visit for _, visit in found)
    declared = dict(options.visits)
    if options.date and not declared:
        return {visit: float(number) for number, visit in enumerate(spelled)}
    times = {}
    for visit in spelled:
        try:
            times[visit] = declared[visit] if declared else float(visit)
        except ValueError:
            findings.add(
                f"the time of visit {visit!r} is not known",
                where=table.name,
                fix="declare the visits and their times: [data.visits] in the study file, or --visits",
            )
    if absent := [visit for visit in declared if visit not in spelled]:
        findings.warn(f"no column of the declared visits {', '.join(absent)}", where=table.name)
    return dict(sorted(times.items(), key=lambda pair: pair[1])) if len(times) == len(spelled) else None


def blank_missing(table: TextTable, words: tuple[str, ...]) -> TextTable:
    """Blank the cells that are declared to be missing, and count them."""
    if not words:
        return table
    declared = {word.strip() for word in words}
    marked = table.frame.map(lambda cell: str(cell).strip() in declared)
    note = f"{int(marked.to_numpy().sum())} cells are missing by the declared codes {', '.join(words)}"
    return _with_notes(dataclasses.replace(table, frame=table.frame.mask(marked, "")), note)


def _recode(table: TextTable, options: ReadOptions, findings: Findings) -> TextTable:
    """Read declared cells as what they are declared to be."""
    for header, pairs in options.recode:
        if header not in table.frame.columns:
            continue
        mapping = {found.strip(): meaning for found, meaning in pairs}
        cells = table.frame[header].map(lambda cell: str(cell).strip())
        hit = cells.isin(list(mapping))
        frame = table.frame.copy()
        frame[header] = cells.where(~hit, cells.map(mapping))
        labels = {name: of for name, of in table.value_labels.items() if name != header}
        table = _with_notes(
            dataclasses.replace(table, frame=frame, value_labels=labels),
            f"column {header!r}: {int(hit.sum())} cells recoded as declared",
        )
        if not hit.any():
            findings.warn(
                f"no cell of column {header!r} is one of those to be recoded",
                where=table.name,
                fix="check the spelling in [data.recode]",
            )
    return table


def _time_from_dates(study: Study, table: TextTable, options: ReadOptions, findings: Findings) -> TextTable:
    """Give each row its time from the baseline, in the study's unit."""
    time, patient = _time_header(study), {v.name: v.column for v in study.variables}[study.patient]
    if options.date not in table.frame.columns and time in table.frame.columns:
        return table
    wanted = [options.date, *([options.baseline] if options.baseline else [patient])]
    absent = [head for head in wanted if head not in table.frame.columns]
    for head in absent:
        findings.add(f"no column {head!r}, from which time is to be computed", where=table.name)
    if study.time_unit not in DAYS:
        findings.add(
            f"time in {study.time_unit!r} cannot be computed from dates",
            where=table.name,
            allowed=", ".join(DAYS),
        )
    if absent or study.time_unit not in DAYS:
        return table
    dates, date_format = _parse_dates(table, options.date, options.date_format, findings)
    if options.baseline:
        start, _ = _parse_dates(table, options.baseline, options.date_format, findings)
        origin = f"column {options.baseline!r}"
    else:
        start = dates.groupby(table.frame[patient].map(lambda cell: str(cell).strip())).transform("min")
        origin = "each patient's first date"
    elapsed = (dates - start).dt.total_seconds() / 86400.0 / DAYS[study.time_unit]
    frame = table.frame.copy()
    if time in frame.columns:
        findings.warn(
            f"column {time!r} is not used: time is computed from the dates of {options.date!r}",
            where=table.name,
        )
    frame[time] = ["" if np.isnan(value) else _number_text(float(value)) for value in elapsed]
    note = (
        f"{study.time_unit} since {origin}, from dates in column {options.date!r} as {date_format} "
        f"({DAYS[study.time_unit]:g} days each)"
    )
    # The computed time stands in the date's column of the file, so that is what a message has to name.
    headers = {
        **table.wide_headers,
        **{(time, v): h for (c, v), h in table.wide_headers.items() if c == options.date},
    }
    return _with_notes(dataclasses.replace(table, frame=frame, wide_headers=headers), note)


def _parse_dates(table: TextTable, header: str, stated: str, findings: Findings) -> tuple[pd.Series, str]:
    """Read a column of dates; complain of those that are none, and of a spelling that can be read two ways."""
    cells = [_TIME_OF_DAY.sub("", str(cell).strip()) for cell in table.frame[header]]
    texts = [None if _is_blank(cell) else cell for cell in cells]
    distinct = {text for text in texts if text is not None}
    hits = {
        f: sum(_date(text, f) is not None for text in distinct)
        for f in ((stated,) if stated else DATE_FORMATS)
    }
    best = max(hits, key=lambda f: hits[f])
    rivals = [f for f in hits if f != best and hits[f] == hits[best] == len(distinct) and distinct]
    if rivals and any(_date(text, rivals[0]) != _date(text, best) for text in distinct):
        findings.add(
            f"the dates of column {header!r} can be read as {best} and as {rivals[0]}",
            where=table.name,
            fix="state date_format in [data], or --date-format",
        )
    parsed: list[datetime | None] = []
    for row, text in enumerate(texts):
        date = None if text is None else _date(text, best)
        if text is not None and date is None:
            findings.add(
                "not a date",
                where=table.place(row, header),
                line=int(table.lines[row]),
                got=text,
                allowed=f"a date as {best}, from the years {_YEARS[0]} to {_YEARS[-1]}",
            )
        parsed.append(date)
    return pd.Series(pd.to_datetime(pd.Series(parsed, dtype=object)), index=table.frame.index), best


def _date(text: str, date_format: str) -> datetime | None:
    try:
        date = datetime.strptime(text, date_format)
    except (ValueError, re.error):
        return None
    return date.replace(tzinfo=None) if date.year in _YEARS else None


def _number_text(value: float) -> str:
    """Write a number without a decimal mark, as files differ in theirs; it is read back to the last bit.

    Examples
    --------
    >>> _number_text(3.25), _number_text(6.0)
    ('325e-2', '6')
    """
    if value.is_integer():
        return str(int(value))
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    return f"{'-' if sign else ''}{''.join(map(str, digits))}e{exponent}"


def _is_blank(cell: object) -> bool:
    return str(cell).strip().lower() in _BLANK


def _with_notes(table: TextTable, *notes: str) -> TextTable:
    return dataclasses.replace(table, notes=(*table.notes, *(f"{table.name}: {note}" for note in notes)))
