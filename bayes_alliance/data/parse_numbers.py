"""Reading numbers from text: decimal marks, groups of thousands, and when a mark may be the other one.

A file has one decimal mark, stated or found out. Groups of thousands are read where they cannot be anything else;
where they can, :func:`looks_like_thousands` says so, and the caller asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.data.codes import MISSING, clean_text
from bayes_alliance.data.text_table import TextTable

_LONGEST = 400
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+", re.ASCII)
_BLANK_GROUPS = re.compile(r"[+-]?\d{1,3}([ '’]\d{3})+([.,]\d+)?", re.ASCII)
# A mark of thousands and, after it, the decimal mark: no other reading is possible.
_POINT_GROUPS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(?P<decimals>,\d+)?", re.ASCII)
_COMMA_GROUPS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(?P<decimals>\.\d+)?", re.ASCII)
_THREE_AFTER = {
    ".": re.compile(r"-?[1-9]\d{0,2}(\.\d{3})+", re.ASCII),
    ",": re.compile(r"-?[1-9]\d{0,2}(,\d{3})+", re.ASCII),
}
_SMALL = re.compile(r"-?(0|[1-9]\d{0,2})", re.ASCII)
MIN_GROUPED = 3


def read_numbers(
    column: pd.Series, decimal: str, *, stated: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the values (NaN where missing or unreadable) and mark the unreadable.

    Parameters
    ----------
    column : pandas.Series
        Text, or numbers.
    decimal : {".", ","}
        The decimal mark.
    stated : bool
        Whether it was stated, so that the other mark can only group thousands.
    """
    if pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(dtype=float, na_value=np.nan)
        infinite = np.isinf(values)
        return np.where(infinite, np.nan, values), infinite
    texts = [cell_or_none(cell) for cell in column]
    values = np.array(
        [np.nan if text is None else read_number(text, decimal, stated=stated) for text in texts], dtype=float
    )
    return values, np.array([text is not None for text in texts], dtype=bool) & np.isnan(values)


def read_number(text: str, decimal: str, *, stated: bool = False) -> float:
    """Return one number, NaN if the text is none.

    Examples
    --------
    >>> [read_number(t, ",") for t in ("4,5", "1.234,5", "1.234", "12 345")]
    [4.5, 1234.5, nan, 12345.0]
    >>> read_number("1.234", ",", stated=True), read_number("1,234.5", ".")
    (1234.0, 1234.5)
    """
    if len(text) > _LONGEST:
        return np.nan
    if _BLANK_GROUPS.fullmatch(text):
        text = re.sub("[ '’]", "", text)
    other, pattern = (".", _POINT_GROUPS) if decimal == "," else (",", _COMMA_GROUPS)
    if other in text:
        grouped = pattern.fullmatch(text)
        if grouped is None or not (stated or grouped["decimals"]):
            # In a file of decimal commas, digits of Python's own notation (1e-2) hold no mark at all.
            return np.nan
        text = text.replace(other, "")
    text = text.replace(decimal, ".")
    value = float(text) if _NUMBER.fullmatch(text) else np.nan
    return value if np.isfinite(value) else np.nan


def is_number(text: str) -> bool:
    """Whether a text is a finite number with a decimal point, as in a study file."""
    return bool(np.isfinite(read_number(text, ".")))


def number_text(value: float) -> str:
    """Write a number without a decimal mark, as files differ in theirs; it is read back to the last bit.

    Examples
    --------
    >>> number_text(3.25), number_text(6.0)
    ('325e-2', '6')
    """
    if value.is_integer():
        return str(int(value))
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    return f"{'-' if sign else ''}{''.join(map(str, digits))}e{exponent}"


def cell_or_none(cell: object, permitted: Iterable[str] = ()) -> str | None:
    """Return a cell's cleaned text; None where it is missing, unless the very word is a permitted category."""
    if cell is None or cell is pd.NA or (isinstance(cell, float) and np.isnan(cell)):
        return None
    text = clean_text(cell)
    return None if text.lower() in MISSING and text not in permitted else text


def decimal_mark(table: TextTable, headers: list[str]) -> str:
    """Find out whether the numbers of a file are written with a comma."""
    if table.decimal:
        return table.decimal
    if not table.may_use_decimal_comma:
        return "."
    cells = (str(cell).strip() for header in headers for cell in table.frame[header])
    return "," if any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells) else "."


def looks_like_thousands(cells: Iterable[object], decimal: str) -> bool:
    """Whether every decimal of a column of text may as well be the last three digits of thousands.

    Examples
    --------
    >>> looks_like_thousands(["4.448", "2.625", "12.821", "950"], ".")
    True
    >>> looks_like_thousands(["4.448", "2.62", "1.1"], ".")
    False
    """
    texts = [text for cell in cells if (text := cell_or_none(cell)) is not None]
    grouped = sum(_THREE_AFTER[decimal].fullmatch(text) is not None for text in texts)
    small = sum(_SMALL.fullmatch(text) is not None for text in texts)
    return grouped >= MIN_GROUPED and grouped + small == len(texts)
