"""Rows that belong to no patient: a second row of headers, a row of means below the table.

Each function finds rows by what they hold and gives their places; what is said of them is said once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.data.codes import clean_text
from bayes_alliance.data.parse_numbers import cell_or_none, decimal_mark, read_numbers
from bayes_alliance.data.text_table import Findings, TextTable

MAX_HEADER_ROWS = 3
_LAST = 5
# The first cell of a row of summaries, in the languages of the files that are brought.
_WORDS = """mean means average avg sum total totals sd std stdev median min max minimum maximum count gjennomsnitt
snitt gj.snitt totalt antall standardavvik medel medelvärde summa mittelwert summe gesamt anzahl moyenne somme
écart-type media promedio gemiddelde totaal keskiarvo"""
_SUMMARY = frozenset(_WORDS.split()) | {
    "std. dev.",
    "standard deviation",
    "std dev",
    "grand total",
    "standard error",
}
_SUMMARY |= {"overall", "subtotal", "variance", "sem", "std. error", "range", "iqr"}
# Words that patients may be called by too: they count only where no patient is named by letters alone.
_EITHER = frozenset({"n", "m", "all", "se", "var"})
# "n = 12", "mean (sd)", "mean ± sd", "m (range)".
_COMBINED = re.compile(r"n ?= ?\d+|(?:mean|m|average|median) ?(?:\((?:sd|se|range|iqr)\)|± ?(?:sd|se|sem))")


def count_header_rows(table: TextTable, headers: Sequence[str]) -> int:
    """Count the rows below the header that hold words in every column of numbers: headers of a survey export.

    Parameters
    ----------
    table : TextTable
        As read.
    headers : sequence of str
        Of columns that ought to hold numbers.

    Returns
    -------
    int
        At most 3; 0 where fewer than two columns tell it.
    """
    decimal = decimal_mark(table, list(headers))
    words = []
    for header in headers:
        column = table.frame[header]
        _, unreadable = read_numbers(column, decimal)
        filled = np.array([cell_or_none(cell) is not None for cell in column])
        if filled.any():
            words.append((unreadable, filled))
    found = 0
    for row in range(min(MAX_HEADER_ROWS, len(table.frame) - 1)):
        here = [unreadable[row] for unreadable, filled in words if filled[row]]
        below = [bool((filled[row + 1 :] & ~unreadable[row + 1 :]).any()) for unreadable, filled in words]
        if sum(here) < 2 or not all(here) or sum(below) < 2:
            break
        found = row + 1
    return found


def complain_of_header_rows(table: TextTable, headers: Sequence[str], findings: Findings) -> TextTable:
    """Complain once of rows of headers below the header; give the table without them."""
    count = count_header_rows(table, headers)
    if not count:
        return table
    lines = [int(line) for line in table.lines[:count]]
    which = f"{table.noun} {lines[0]}" if count == 1 else f"{table.noun}s {lines[0]} to {lines[-1]}"
    findings.add(
        "words in every column of numbers: more headers, as survey programs export them?",
        where=f"{table.name}, {which}",
        line=lines[0],
        allowed="one row of headers",
        fix="delete these rows, or export without labels",
    )
    return table.without(np.arange(len(table.frame)) < count)


def find_summary_rows(patients: Sequence[str]) -> NDArray[np.bool_]:
    """Mark rows among the last ones whose patient is a word such as "Mean" or "Total", which stands once.

    Parameters
    ----------
    patients : sequence of str
        Cells of the column of the patient.
    """
    words = [clean_text(cell).casefold().rstrip(":").strip() for cell in patients]
    marked = np.zeros(len(words), dtype=bool)
    for row in range(max(0, len(words) - _LAST), len(words)):
        said = words[row] in _SUMMARY or _COMBINED.fullmatch(words[row]) is not None
        marked[row] = said and words.count(words[row]) == 1
    named = len(words) <= _LAST or any(
        word.isalpha() for word, found in zip(words[:-_LAST], marked[:-_LAST], strict=True) if not found
    )
    for row in range(max(0, len(words) - _LAST), len(words)):
        marked[row] |= not named and words[row] in _EITHER and words.count(words[row]) == 1
    return marked
