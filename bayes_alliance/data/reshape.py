"""From the shape in which a file comes to one row an assessment: missing codes, wide to long, recoding, dates.

Every step is declared in the study file or by options, is done on text, and says in a note what it did.
Nothing is left out without being counted.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from bayes_alliance.data.codes import MISSING, clean_text
from bayes_alliance.data.declared_codes import blank_missing, recode_cells
from bayes_alliance.data.parse_numbers import number_text
from bayes_alliance.data.text_table import Findings, TextTable, with_notes
from bayes_alliance.data.time_column import count_time_from, time_from_dates, time_header
from bayes_alliance.study.records import ReadOptions, Study


def shape_table(
    study: Study, table: TextTable, options: ReadOptions, findings: Findings, *, of_patients: bool = False
) -> TextTable:
    """Reshape a table to the long form that a study's columns describe.

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
    findings.warned += table.warnings
    columns = {v.name: v.column for v in study.variables}
    exempt = {columns[study.patient], columns[study.time], options.date, options.baseline}
    table = blank_missing(table, options.missing, findings, exempt=exempt)
    if options.wide and not of_patients:
        table = lengthen(table, options, findings, time=time_header(study))
    table = recode_cells(study, table, options, findings)
    if options.date and not of_patients:
        table = time_from_dates(study, table, options, findings)
    elif not of_patients:
        table = count_time_from(study, table, options, findings)
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
        return with_notes(table, "no column of the declared wide form; read as a long file")
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
    frame = pd.concat(
        [_of_visit(table.frame, kept, long_headers, visit, found) for visit in times], ignore_index=True
    )
    visits = [visit for visit in times for _ in table.lines]
    if not options.date:
        frame[time] = [number_text(times[visit]) for visit in visits]
    present = ~frame[long_headers].map(_is_blank).all(axis=1).to_numpy(dtype=bool)
    note = f"wide form: {len(times)} visits ({', '.join(times)}) made {int(present.sum())} rows"
    if left_out := int((~present).sum()):
        note += f"; {left_out} visits without any value were left out"
    labels = {header: table.value_labels.get(wide, {}) for (header, _), wide in reversed(found.items())}
    return with_notes(
        dataclasses.replace(
            table,
            frame=frame.loc[present].reset_index(drop=True),
            lines=np.tile(table.lines, len(times))[present],
            visits=tuple(v for v, keep in zip(visits, present, strict=True) if keep),
            wide_headers=found,
            value_labels={**table.value_labels, **labels},
        ),
        note,
    )


def _of_visit(
    frame: pd.DataFrame,
    kept: list[str],
    long_headers: list[str],
    visit: str,
    found: Mapping[tuple[str, str], str],
) -> pd.DataFrame:
    """Return the rows of one visit, its columns under their long headers."""
    part = frame[kept].copy()
    for header in long_headers:
        wide = found.get((header, visit))
        part[header] = frame[wide] if wide is not None else ""
    return part


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
    """Return the time of each visit, in order of time; None and a problem where a spelling is no time."""
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


def _is_blank(cell: object) -> bool:
    return clean_text(cell).lower() in MISSING
