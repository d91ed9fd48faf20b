"""What a data file permits but its owner hardly means: codes, empty columns, factors too thin for a slope.

A warning stops nothing; it says what will be weak or wrong if nobody looks. It counts patients and never shows
a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.data.alike_identifiers import advise_alike, by_difference, find_alike
from bayes_alliance.data.text_table import Findings
from bayes_alliance.data.typed_columns import TypedTable, item_variables, looks_like_missing_code
from bayes_alliance.study.formula import Formula, parse_formula
from bayes_alliance.study.records import Model, Study

Flags = NDArray[np.bool_]
Codes = NDArray[np.int64]
MIN_FOR_SLOPE = 5
MIN_IN_CELL = 3


def warn_of_columns(study: Study, visits: TypedTable, findings: Findings) -> None:
    """Warn of columns that hold nothing, one value only, or what looks like undeclared codes.

    Parameters
    ----------
    study : Study
        Declares the variables and the horizon.
    visits : TypedTable
        One row an assessment, checked.
    findings : Findings
        Collects the warnings.
    """
    if study.patient in visits.frame.columns:
        _warn_of_identifiers(
            visits.frame[study.patient].dropna().drop_duplicates().astype(str), visits, findings
        )
    for variable in (*study.variables, *item_variables(study)):
        if variable.name not in visits.frame.columns or variable.name == study.patient:
            continue
        column = visits.frame[variable.name]
        where = f"{visits.table.name}, column {variable.column!r}"
        if not column.notna().any():
            findings.warn("every cell is missing", where=where, fix="is it the right column and coding?")
        elif column.nunique() == 1:
            findings.warn("it has one value only", where=where, fix="no effect of it can be estimated")
        elif pd.api.types.is_numeric_dtype(column) and _has_codes(column):
            findings.warn(
                "values like 99 or 999 stand far above all others",
                where=where,
                fix='if they stand for a missing value, declare them: missing = ["..."] in [data], or --missing',
            )
    if study.time in visits.frame.columns:
        late = int((visits.frame[study.time] > 2.0 * study.horizon).sum())
        if late:
            findings.warn(
                f"{late} times lie beyond twice the study's horizon",
                where=visits.table.name,
                allowed=f"mostly up to {study.horizon:g} {study.time_unit}",
                fix="is the unit of time right?",
            )


def _warn_of_identifiers(ids: pd.Series, visits: TypedTable, findings: Findings) -> None:
    """Warn of identifiers that a spreadsheet has spoilt, or that are probably those of the same patients."""
    table = visits.table
    lines = dict(zip(ids, table.lines[ids.index.to_numpy()], strict=True))
    for how, pairs in by_difference(find_alike(ids)).items():
        example = pairs[0]
        findings.warn(
            f"{len(pairs)} identifiers differ from others {how}{example.in_brackets}",
            where=f"{table.name}, such as {table.noun}s {lines[example.earlier]} and {lines[example.later]}",
            got=example.shown,
            fix=advise_alike(how, show_values=findings.show_values),
        )
    if shortened := int(ids.str.fullmatch(r"\d[.,]\d+[eE]\+?\d+").sum()):
        findings.warn(
            f"{shortened} identifiers are in scientific notation, as spreadsheets shorten long numbers",
            where=visits.table.name,
            fix="format the column as text in the file that they come from, and export again",
        )


def _has_codes(column: pd.Series) -> bool:
    """Whether the outermost values are codes, further from the others than these are from each other."""
    values = column.dropna().to_numpy(dtype=float)
    coded = looks_like_missing_code(values)
    rest = values[~coded]
    if not coded.any() or len(rest) < 2:
        return False
    spread = max(float(np.ptp(rest)), 1e-12)
    far = (values > rest.max() + spread) | (values < rest.min() - spread)
    return bool((coded & far).any())


def warn_of_models(study: Study, rows: pd.DataFrame, findings: Findings, *, where: str) -> None:
    """Warn of models that the rows can hardly carry.

    Parameters
    ----------
    study : Study
        Declares the models.
    rows : pandas.DataFrame
        Completed rows.
    findings : Findings
        Collects the warnings; one that holds for several models names them all.
    where : str
        Name of the file.
    """
    models: dict[tuple[str, str], list[str]] = {}
    present = {str(name): rows[name].notna().to_numpy() for name in rows.columns}
    patients = pd.factorize(rows[study.patient])[0]
    for model in study.models:
        for pair in _model_warnings(study, model, rows, present, patients):
            models.setdefault(pair, []).append(model.id)
    for (what, fix), names in models.items():
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        findings.warn(f"{what} (models {shown})", where=where, fix=fix)


def _model_warnings(
    study: Study, model: Model, rows: pd.DataFrame, present: Mapping[str, Flags], patients: Codes
) -> Iterator[tuple[str, str]]:
    """Find what one model lacks; a patient has one row a visit, so rows are visits."""
    formula = parse_formula(model.formula)
    if not {*formula.names, *dict(model.where)} <= set(present):
        return
    kept = np.logical_and.reduce([present[name] for name in sorted(formula.names)])
    for name, value in model.where:
        kept = kept & rows[name].eq(value).to_numpy(dtype=bool)
    if not kept.any():
        return
    visits = np.bincount(patients[kept & present.get(study.time, kept)], minlength=int(patients.max()) + 1)
    several = int(np.sum(visits >= 2))
    if formula.random and several >= MIN_FOR_SLOPE and int(np.sum(visits >= 3)) < MIN_FOR_SLOPE:
        yield (
            f"fewer than {MIN_FOR_SLOPE} patients have three or more visits",
            "with two visits a patient the residual cannot be told from the random slope; use a random intercept",
        )
    if not formula.random and several < MIN_FOR_SLOPE:
        yield (
            f"fewer than {MIN_FOR_SLOPE} patients have two or more visits",
            "the residual can hardly be told from the differences between patients",
        )
    if formula.random and several < MIN_FOR_SLOPE:
        yield (
            f"fewer than {MIN_FOR_SLOPE} patients have two or more visits",
            "the random slope rests on too few; use a random intercept or gather more",
        )
    yield from _thin_cells(study, formula, rows, kept & (visits >= 2)[patients], patients)


def _thin_cells(
    study: Study, formula: Formula, rows: pd.DataFrame, kept: Flags, patients: Codes
) -> Iterator[tuple[str, str]]:
    """Find factors of which a level has too few patients with two visits to have a slope of its own."""
    names = study.every_variable
    crossed = {name for term in formula.terms if study.time in term and len(term) == 2 for name in term}
    for name in sorted(crossed - {study.time}):
        if names[name].kind not in ("binary", "category") or names[name].level != "patient":
            continue
        declared = names[name].categories if names[name].kind == "category" else (0.0, 1.0)
        for number, level in enumerate(declared):
            at_level = kept & (rows[name] == level).to_numpy(dtype=bool)
            if len(np.unique(patients[at_level])) < MIN_IN_CELL:
                called = names[name].categories[number] if names[name].categories else f"{level:g}"
                yield (
                    f"fewer than {MIN_IN_CELL} patients with two visits have {name} = {called}",
                    "its slope rests on almost nothing; merge cells or leave the model out",
                )
