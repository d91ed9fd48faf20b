"""A typed cell as the text that a CSV file would hold."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_alliance.data.sheet_cell_text import cell_text


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (7.0, "7"),
        (-0.0, "0"),
        (7, "7"),
        (np.int64(7), "7"),
        (np.float64(0.25), "0.25"),
        (np.bool_(True), "TRUE"),
        (False, "FALSE"),
        ("007", "007"),
        (np.str_("007"), "007"),
        (b"\xc3\xa5", "å"),
        (datetime.date(2020, 1, 31), "2020-01-31"),
        (datetime.datetime(2020, 1, 31), "2020-01-31"),
        (datetime.datetime(2020, 1, 31, 9, 30), "2020-01-31 09:30:00"),
        (pd.Timestamp("2020-01-31"), "2020-01-31"),
        (1e300, "1e+300"),
        (float("inf"), "inf"),
        *((missing, "") for missing in (None, float("nan"), np.nan, pd.NA, pd.NaT)),
    ],
)
def test_cells(cell: object, text: str) -> None:
    """Whole numbers without decimals, dates in ISO, nothing for what is missing."""
    assert cell_text(cell) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back_to_the_last_bit(value: float) -> None:
    """So that every kind of file gives the same fits."""
    assert float(cell_text(value)) == value
