"""Cells that the study file or an option declares to be missing, or to be read as something else.

Codes are compared as numbers where they are numbers, whatever program wrote them; what hits nothing is warned of.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from bayes_alliance.data.codes import MISSING, canonical_code, clean_text
from bayes_alliance.data.parse_numbers import is_number, number_text
from bayes_alliance.data.text_table import Findings, TextTable, with_notes
from bayes_alliance.study.records import ReadOptions, Study, Variable


def blank_missing(
    table: TextTable, words: tuple[str, ...], findings: Findings, *, exempt: Collection[str] = ()
) -> TextTable:
    """Blank the cells that are declared to be missing, and count them column by column.

    A code is compared as a number where it is one, so that ``99`` is found in a file that writes ``99.0``. One that is
    declared for every column does not touch identifiers, times and dates; ``COLUMN=CODE`` holds for a column alone.

    Parameters
    ----------
    table : TextTable
        As read.
    words : tuple of str
        Codes, or columns and codes.
    findings : Findings
        Collects a warning for a code that no cell holds, and for one that lies among the values of a column.
    exempt : collection of str
        Headers of the columns that only a code of their own may blank.

    Returns
    -------
    TextTable
    """
    headers = [str(head) for head in table.frame.columns]
    marks = {"comma": table.may_use_decimal_comma or table.decimal == ",", "point": table.decimal != ","}
    declared = [_split_code(word, headers) for word in words]
    frame, hits, among = table.frame.copy(), Counter[str](), Counter[str]()
    unused = set(words)
    for header in headers:
        codes = {
            canonical_code(code): word
            for (column, code), word in zip(declared, words, strict=True)
            if (column == header if column else header not in exempt)
        }
        if not codes:
            continue
        cells = frame[header].map(lambda cell: canonical_code(cell, **marks))
        marked = cells.isin(list(codes))
        if not marked.any():
            continue
        unused -= {codes[code] for code in cells[marked].unique()}
        hits[header] += int(marked.sum())
        common = {code for (column, code), _ in zip(declared, words, strict=True) if not column}
        if any(canonical_code(code) in codes and _lies_among(code, cells[~marked]) for code in common):
            among[header] += int(marked.sum())
        frame[header] = frame[header].mask(marked, "")
    if not words:
        return table
    _warn_of_codes(unused, among, table.name, findings)
    by_column = ", ".join(f"{header} {count}" for header, count in hits.items())
    note = f"{hits.total()} cells are missing by the declared codes {', '.join(words)}"
    return with_notes(
        dataclasses.replace(table, frame=frame), note + (f" ({by_column})" if by_column else "")
    )


def _warn_of_codes(unused: set[str], among: Mapping[str, int], name: str, findings: Findings) -> None:
    for word in sorted(unused):
        findings.warn(
            f"no cell is the declared missing code {word!r}",
            where=name,
            fix="check its spelling, and that it is meant for this file",
        )
    for header, count in among.items():
        findings.warn(
            f"{count} cells of column {header!r} are missing by a code that lies among its other values",
            where=name,
            fix='if they are values, declare the code for its own column only: missing = ["COLUMN=CODE"]',
        )


def _split_code(word: str, headers: Collection[str]) -> tuple[str, str]:
    """Split ``COLUMN=CODE`` where there is such a column."""
    column, sign, code = word.rpartition("=")
    return (column.strip(), code) if sign and column.strip() in headers else ("", word)


def _lies_among(code: str, others: pd.Series) -> bool:
    """Whether a code is a number that values of the column lie below and above of."""
    value = float(code) if is_number(code) else np.nan
    numbers = np.array([float(cell) for cell in set(others) if is_number(cell)])
    return bool((numbers < value).any() and (numbers > value).any())


def recode_cells(study: Study, table: TextTable, options: ReadOptions, findings: Findings) -> TextTable:
    """Read declared cells as what they are declared to be.

    What stands in the study file is read by the rules of TOML: a decimal point, whatever mark the data file has.
    """
    numeric = {v.column: v for v in study.variables if v.kind != "category" and v.name != study.patient}
    marks = {"comma": table.may_use_decimal_comma or table.decimal == ",", "point": table.decimal != ","}
    for header, pairs in options.recode:
        if header not in table.frame.columns:
            if header in {v.column for v in study.variables}:
                continue
            findings.warn(f"no column {header!r}, which [data.recode] speaks of", where=table.name)
            continue
        mapping = _mapping(header, pairs, numeric.get(header), findings)
        cells = table.frame[header].map(lambda cell: canonical_code(cell, **marks))
        hit = cells.isin(list(mapping))
        frame = table.frame.copy()
        frame[header] = frame[header].where(~hit, cells.map(mapping))
        labels = {name: of for name, of in table.value_labels.items() if name != header}
        table = with_notes(
            dataclasses.replace(table, frame=frame, value_labels=labels),
            f"column {header!r}: {int(hit.sum())} cells recoded as declared",
        )
        if unused := [found for found, _ in pairs if canonical_code(found) not in set(cells)]:
            none = "no cell of column {!r} is one of those to be recoded"
            what = (
                none
                if len(unused) == len(pairs)
                else "no cell of column {!r} is " + ", ".join(map(repr, unused))
            )
            findings.warn(what.format(header), where=table.name, fix="check the spelling in [data.recode]")
    return table


def _mapping(
    header: str, pairs: Sequence[tuple[str, str]], numeric: Variable | None, findings: Findings
) -> dict[str, str]:
    """Return what each declared cell means, from its canonical code."""
    mapping = {}
    for found, meaning in pairs:
        text = clean_text(meaning)
        if numeric and text.lower() not in MISSING and text not in numeric.categories:
            if not is_number(text):
                findings.add(
                    f"[data.recode] gives column {header!r} what is no number",
                    where="study file",
                    got=text,
                    allowed="a number with a decimal point, or an empty text for a missing value",
                )
                continue
            text = number_text(float(text))
        mapping[canonical_code(found)] = text
    return mapping
