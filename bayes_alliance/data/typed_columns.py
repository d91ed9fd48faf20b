"""Turning a table of text into the study's typed columns; what does not fit is said once for each cause.

A message names lines, column and what is allowed, and never shows the cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.data.codes import (
    LIKELY_MISSING,
    canonical_code,
    canonical_identifiers,
    clean_text,
    names_missing,
)
from bayes_alliance.data.labelled_time import times_of_labels
from bayes_alliance.data.parse_numbers import cell_or_none, decimal_mark, looks_like_thousands, read_numbers
from bayes_alliance.data.stray_rows import complain_of_header_rows, find_summary_rows
from bayes_alliance.data.text_table import Findings, TextTable, complain_of_cells
from bayes_alliance.data.wai import HIGHEST, LOWEST, N_ITEMS
from bayes_alliance.study.records import Study, Variable

_TWO_DECIMALS = 0.005
_MISSING_CODES = np.array([float(digit * n) for digit in "98" for n in range(1, 6)] + [77.0, 777.0])
_GROUPED = re.compile(r"[+-]?\d{1,3}([.,]\d{3})+", re.ASCII)
_OTHER_MARK = {
    ".": re.compile(r"[+-]?\d*,\d+", re.ASCII),
    ",": re.compile(r"[+-]?\d*\.\d+", re.ASCII),
}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}|\d{4}m\d{1,2}$", re.ASCII)
RECODE = "correct the cell, or declare what it means in [data.recode] of the study file"


@dataclass(frozen=True, kw_only=True)
class TypedTable:
    """The columns of one table that the study knows.

    Parameters
    ----------
    table : TextTable
        Where they come from.
    frame : pandas.DataFrame
        Under the study's variable names (items under their headers): float, or object for text with None.
    headers : dict of str to str
        Header of each column in the file.
    faulty : dict of str to ndarray of bool
        Rows of each column that were complained of, and hold NaN or None now.
    patient_level : tuple of str
        Columns that may not change within a patient.
    unused : tuple of str
        Headers that mean nothing to the study.
    notes : tuple of str
        What was detected.
    """

    table: TextTable
    frame: pd.DataFrame
    headers: dict[str, str]
    faulty: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    patient_level: tuple[str, ...]
    unused: tuple[str, ...]
    notes: tuple[str, ...]

    def complain(
        self,
        rows: NDArray[np.bool_],
        name: str,
        findings: Findings,
        what: str,
        allowed: str = "",
        fix: str = "",
    ) -> None:
        """Record what is wrong with the marked rows of a column."""
        complain_of_cells(self.table, self.headers[name], rows, findings, what, allowed=allowed, fix=fix)


def type_columns(
    study: Study, table: TextTable, findings: Findings, *, of_patients: bool = False
) -> TypedTable:
    """Type every column that the study declares, takes in place of a derivation, or scores.

    Parameters
    ----------
    study : Study
        Declares the columns.
    table : TextTable
        Cells as found.
    findings : Findings
        Collects the problems.
    of_patients : bool
        Whether the table has one row a patient, so that visit-level columns do not belong in it.

    Returns
    -------
    TypedTable
    """
    known = [v for v in file_variables(study) if v.column in table.frame.columns]
    if not of_patients:
        known += [v for v in item_variables(study) if v.column in table.frame.columns]
    for variable in known if of_patients else ():
        if variable.level == "visit" and variable.name != study.patient:
            findings.add(
                f"column {variable.column!r} changes between assessments",
                where=table.name,
                allowed="patient-level columns",
                fix="put it into the file of assessments",
            )
    is_text = {v.name: v.kind == "category" or v.name == study.patient for v in known}
    numeric = [v.column for v in known if not is_text[v.name]]
    table = complain_of_header_rows(
        table, [v.column for v in known if v.kind in ("numeric", "integer")], findings
    )
    decimal = decimal_mark(table, numeric)
    _warn_of_labels(table, known, findings)
    for variable in known:
        if variable.name == study.time:
            _refuse_labelled_times(table, variable, findings)
    typed = TypedTable(
        table=table,
        frame=pd.DataFrame(index=table.frame.index),
        headers={v.name: v.column for v in known},
        patient_level=tuple(v.name for v in known if v.level == "patient" and v.name != study.patient),
        unused=tuple(str(h) for h in table.frame.columns if h not in {v.column for v in known}),
        notes=(f"{table.name}: decimal commas",) if decimal == "," else (),
    )
    for variable in known:
        if variable.name == study.patient:
            _add_identifiers(typed, variable, findings)
        elif is_text[variable.name]:
            _add_texts(typed, variable, findings)
        else:
            _add_numbers(typed, variable, decimal, findings)
    return typed


def file_variables(study: Study) -> list[Variable]:
    """List what a file may hold: declared variables, and those of rule ``last``, which it may give itself."""
    declared = {v.name: v for v in study.variables}
    given = []
    for derived in study.derived:
        if derived.rule == "last" and derived.of[0] in declared:
            given.append(
                replace(
                    declared[derived.of[0]],
                    name=derived.name,
                    column=derived.name,
                    label=derived.label,
                    level="patient",
                    step=None,
                    required=False,
                )
            )
    return [*study.variables, *given]


def item_headers(template: str) -> list[str]:
    """List the headers of a questionnaire's items: the template with 1 to 12 in place of ``{item}``."""
    return [template.replace("{item}", str(number)) for number in range(1, N_ITEMS + 1)]


def item_variables(study: Study) -> list[Variable]:
    """Describe the item columns of every questionnaire, under their headers."""
    declared = {v.column for v in file_variables(study)}
    headers = dict.fromkeys(h for scoring in study.scoring for h in item_headers(scoring.items))
    return [
        Variable(
            name=header,
            column=header,
            label=header,
            unit="points",
            level="visit",
            kind="integer",
            minimum=LOWEST,
            maximum=HIGHEST,
        )
        for header in headers
        if header not in declared
    ]


def as_category(texts: Iterable[str | None], categories: tuple[str, ...]) -> pd.Series:
    """Turn texts into a Categorical whose categories keep the declared order."""
    return pd.Series(pd.Categorical(list(texts), categories=list(categories)))


def off_grid(variable: Variable, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark values further from the measurement grid than rounding to two decimals explains."""
    if variable.step is None:
        return np.zeros(len(values), dtype=bool)
    steps = (values - (variable.minimum or 0.0)) / variable.step
    distance = np.abs(steps - np.round(steps)) * variable.step
    marked: NDArray[np.bool_] = distance > _TWO_DECIMALS + 1e-9
    return marked


def _add_identifiers(typed: TypedTable, variable: Variable, findings: Findings) -> None:
    cells = typed.table.frame[variable.column]
    texts = [cell_or_none(text) for text in canonical_identifiers(map(str, cells))]
    summary = find_summary_rows([text or "" for text in texts])
    typed.complain(
        summary,
        variable.name,
        findings,
        "a row of summaries, not of a patient",
        allowed="rows of patients",
        fix="delete the row; if it is a patient, rename the identifier",
    )
    typed.frame[variable.name] = pd.Series(texts, dtype=object, index=typed.frame.index)
    typed.faulty[variable.name] = summary


def _add_texts(typed: TypedTable, variable: Variable, findings: Findings) -> None:
    permitted = set(variable.categories)
    spelled = {canonical_code(category): category for category in variable.categories}
    named = _names_of_codes(typed.table, variable)
    comma = typed.table.decimal == ","
    texts = [cell_or_none(cell, permitted) for cell in typed.table.frame[variable.column]]
    texts = [text if text is None or text in permitted else named.get(text, text) for text in texts]
    texts = [
        text if text is None or text in permitted else spelled.get(canonical_code(text, comma=comma), text)
        for text in texts
    ]
    faulty = np.array([text is not None and bool(permitted) and text not in permitted for text in texts])
    typed.complain(
        faulty,
        variable.name,
        findings,
        "not a permitted value",
        allowed=", ".join(variable.categories),
        fix=RECODE,
    )
    kept = [None if bad else text for text, bad in zip(texts, faulty, strict=True)]
    typed.frame[variable.name] = pd.Series(kept, dtype=object, index=typed.frame.index)
    typed.faulty[variable.name] = faulty


def _names_of_codes(table: TextTable, variable: Variable) -> dict[str, str]:
    """Return the declared category for each code that the file labels with it."""
    labels = table.value_labels.get(variable.column, {})
    by_spelling = {clean_text(category).casefold(): category for category in variable.categories}
    return {
        canonical_code(code): by_spelling[clean_text(label).casefold()]
        for code, label in labels.items()
        if clean_text(label).casefold() in by_spelling
    }


def _warn_of_labels(table: TextTable, known: Iterable[Variable], findings: Findings) -> None:
    """Warn of codes that the file labels as missing and that neither it nor the study declares to be."""
    for variable in known:
        labels = table.value_labels.get(variable.column, {})
        codes = {canonical_code(code) for code, label in labels.items() if names_missing(label)}
        codes -= {canonical_code(category) for category in variable.categories}
        hit = sum(canonical_code(cell) in codes for cell in table.frame[variable.column]) if codes else 0
        if hit:
            findings.warn(
                f"{hit} cells hold a code that the file labels as missing ({', '.join(sorted(codes))})",
                where=f"{table.name}, column {variable.column!r}",
                fix=f'declare it: missing = ["{variable.column}={sorted(codes)[0]}"] in [data], or --missing',
            )


def _refuse_labelled_times(table: TextTable, variable: Variable, findings: Findings) -> None:
    """Complain of a column of time that holds codes of visits, whose labels are the times."""
    header = variable.column
    times = times_of_labels(table.value_labels.get(header, {}), table.frame[header])
    if times:
        pairs = ", ".join(f'"{code}" = "{time:g}"' for code, time in times.items())
        findings.add(
            "the column of time holds codes of visits, whose labels name other times",
            where=f"{table.name}, column {header!r}",
            allowed="times, or codes whose times are declared",
            fix=f"declare what each code stands for: [data.recode.{header}] with {pairs}",
        )


def _binary_codes(typed: TypedTable, variable: Variable, findings: Findings) -> pd.Series:
    """Return the cells of a binary column as 0 and 1 where the file says it in declared words, or as true and false.

    A file whose labels give 0 and 1 the other way round than the study does is complained of.
    """
    cells = typed.table.frame[variable.column]
    if variable.kind != "binary" or pd.api.types.is_numeric_dtype(cells):
        return cells
    meaning = {"false": "0", "true": "1"}
    if len(variable.categories) == 2:
        named = _names_of_codes(typed.table, variable)
        zero, one = variable.categories
        if set(named) <= {"0", "1"} and (named.get("0") == one or named.get("1") == zero):
            findings.add(
                f"column {variable.column!r} labels 0 and 1 the other way round",
                where=typed.table.name,
                allowed=f"0 = {zero}, 1 = {one}",
                fix="turn 'categories' of the variable round, or the codes by [data.recode]",
            )
            return cells
        words = {clean_text(zero).casefold(): "0", clean_text(one).casefold(): "1"}
        meaning |= words | {code: words[clean_text(name).casefold()] for code, name in named.items()}
    return cells.map(lambda cell: meaning.get(canonical_code(cell).casefold(), cell))


def _add_numbers(typed: TypedTable, variable: Variable, decimal: str, findings: Findings) -> None:
    table = typed.table
    cells = _binary_codes(typed, variable, findings)
    values, unreadable = read_numbers(cells, decimal, stated=bool(table.decimal))
    example = "a number" if decimal == "." else "a number with a decimal comma"
    if variable.kind == "binary":
        example = " or ".join(("0", "1", *variable.categories))
    typed.complain(
        unreadable,
        variable.name,
        findings,
        "not a number",
        allowed=example,
        fix=_advise(cells[unreadable], decimal, variable),
    )
    if table.noun == "line" and not table.decimal and looks_like_thousands(cells, decimal):
        _warn_of_thousands(f"{table.name}, column {variable.column!r}", decimal, findings)
    outside, allowed = _not_permitted(variable, values)
    coded = outside & looks_like_missing_code(values)
    typed.complain(
        outside & ~coded,
        variable.name,
        findings,
        "not a permitted value",
        allowed=allowed,
        fix=RECODE if variable.kind == "binary" else "",
    )
    typed.complain(
        coded,
        variable.name,
        findings,
        "not a permitted value, and it looks like a code for a missing one",
        allowed=allowed,
        fix=f'if it is one, declare it: missing = ["{variable.column}=CODE"] in [data] of the study file, or --missing',
    )
    typed.frame[variable.name] = np.where(outside, np.nan, values)
    typed.faulty[variable.name] = unreadable | outside


def _warn_of_thousands(where: str, decimal: str, findings: Findings) -> None:
    mark, other = ("point", "comma") if decimal == "." else ("comma", "point")
    findings.warn(
        f"every number has exactly three digits after its {mark}, if it has one: are they thousands?",
        where=where,
        fix=f"if they are, state the decimal mark, which is then the other: --decimal {other}; "
        f"if not, --decimal {mark}",
    )


def _advise(cells: pd.Series, decimal: str, variable: Variable) -> str:
    """Return what to do about cells that are no numbers, by what all of them have in common."""
    texts = {text for cell in cells if (text := cell_or_none(cell)) is not None}
    if not texts:
        return ""
    if all(text.casefold() in LIKELY_MISSING for text in texts):
        words = ", ".join(f'"{word}"' for word in sorted(texts))
        return f"if they stand for missing values, declare it: missing = [{words}] in [data], or --missing"
    if all(_GROUPED.fullmatch(text) for text in texts):
        other = "point" if decimal == "." else "comma"
        return f"if the marks group thousands, state the decimal mark: --decimal {other}"
    if variable.kind == "binary":
        return RECODE
    if all(_OTHER_MARK[decimal].fullmatch(text) for text in texts):
        return f"if it is the decimal mark, state it: --decimal {'comma' if decimal == '.' else 'point'}"
    if all(_DATE.match(text) for text in texts):
        return "dates? Time is computed from them with --date COLUMN, or date = in [data]"
    return ""


def looks_like_missing_code(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark 9, 99, 999, ..., 8, 88, 888, ... and their negatives, the usual codes for a missing answer."""
    return np.isin(np.abs(values), _MISSING_CODES)


def _not_permitted(variable: Variable, values: NDArray[np.float64]) -> tuple[NDArray[np.bool_], str]:
    """Mark values that the kind or the scale of a variable rules out, and say what is allowed."""
    present = ~np.isnan(values)
    if variable.kind == "binary":
        return present & ~np.isin(values, (0.0, 1.0)), "0 or 1"
    low = -np.inf if variable.minimum is None else variable.minimum
    high = np.inf if variable.maximum is None else variable.maximum
    bad = present & ~((values >= low) & (values <= high))
    allowed = "a whole number" if variable.kind == "integer" else "a number"
    if variable.kind == "integer":
        bad |= present & (values != np.round(values))
    if variable.minimum is not None:
        allowed += f" from {variable.minimum:g}"
    if variable.maximum is not None:
        allowed += f" up to {variable.maximum:g}"
    return bad, allowed
