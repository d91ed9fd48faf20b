"""A typed cell of a spreadsheet, of SPSS, R or Parquet as the text that a CSV file would hold.

Imports nothing, so that a process that only parses a file starts at once.
"""

from __future__ import annotations

import datetime
import math


def cell_text(value: object) -> str:
    """Return a cell as text.

    Whole numbers lose their decimals, so that an identifier stored as 7.0 is ``7``; other numbers keep every
    digit; true and false are the words that R and spreadsheets write; what is missing is an empty string.

    Examples
    --------
    >>> cell_text(7.0), cell_text(0.1), cell_text(True), cell_text(float("nan")), cell_text(None)
    ('7', '0.1', 'TRUE', '', '')
    """
    if hasattr(value, "item") and hasattr(value, "dtype"):
        value = value.item()
    if value is None or type(value).__name__ in ("NaTType", "NAType"):
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        whole = math.isfinite(value) and value.is_integer() and abs(value) < 2**53
        return str(int(value)) if whole else repr(value)
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time(0) and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return str(value)
