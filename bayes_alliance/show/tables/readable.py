"""What every form of a table that is read by people shares: which columns stand there, and each cell as text.

Markdown, HTML, LaTeX and Word show the same columns, rounded by the same rule; only CSV is not rounded.
"""

from __future__ import annotations

from itertools import repeat

from bayes_alliance.show.format_numbers import use_minus_sign
from bayes_alliance.show.tables.record import Column, Table, Value, show_value


def read_columns(table: Table) -> list[Column]:
    """List the columns that a reader sees."""
    return [column for column in table.columns if column.shown != "csv"]


def read_rows(table: Table) -> list[list[str]]:
    """Return the cells of those columns as text on one line, with real minus signs."""
    kept = [i for i, column in enumerate(table.columns) if column.shown != "csv"]
    return [[_text(row[i]) for i in kept] for row in table.rows]


# Letters of a long cell before it wraps.
_WRAPPED = 40
# Letters of a word beyond which it may be split, and of the space between columns.
_LONGEST_WORD, _MARGIN = 24, 3.0
LETTER = 0.5  # mean width of a letter, in sizes of the font


def _text(value: Value) -> str:
    return use_minus_sign(" ".join(show_value(value).split()))


def column_weights(table: Table, letters: float) -> list[float]:
    """Share of the width that each column of a reader should get, from the length of its words and cells.

    Parameters
    ----------
    table : Table
        Its columns.
    letters : float
        How many letters of ordinary width a line across all columns holds. Each column first gets its longest word,
        so that no word is split; what is left goes to long cells. Where not even the words fit, all give way alike.

    Returns
    -------
    list of float
        One a column of :func:`read_columns`; they sum to 1.
    """
    headings = [column.heading for column in read_columns(table)]
    words, wanted = [], []
    rows = read_rows(table)
    columns = zip(*rows, strict=True) if rows else repeat((), len(headings))
    for heading, cells in zip(headings, columns, strict=True):
        longest = max((len(word) for text in (heading, *cells) for word in text.split()), default=1)
        words.append(max(float(min(longest, _LONGEST_WORD)) + _MARGIN, 4.0))
        # The square root keeps one long column from starving the rest; a heading may take two lines.
        typical = max(len(heading) // 2, *(len(cell) for cell in cells), 1)
        wanted.append(max(4.0 * float(typical) ** 0.5 - words[-1], 0.0))
    left = letters - sum(words)
    if left > 0.0:
        more = wanted if sum(wanted) > 0.0 else words
        words = [word + left * one / sum(more) for word, one in zip(words, more, strict=True)]
    total = sum(words)
    return [word / total for word in words]


def is_wide(table: Table) -> bool:
    """Whether a table is better set across the page: more than seven columns, or long rows."""
    columns = read_columns(table)
    rows = read_rows(table)
    longest = max((sum(min(len(cell), _WRAPPED) for cell in row) for row in rows), default=0)
    return len(columns) > 6 or longest > 110
