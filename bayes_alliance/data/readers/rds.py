"""Reading a data frame that R saved with ``saveRDS`` (.rds), by the library rdata.

rdata is written in Python and only parses: no code that an R file may carry is run.
"""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from bayes_alliance.data.text_table import MAX_BYTES, TextTable, table_from_frame
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.study.records import ReadOptions

_GZIP = b"\x1f\x8b"


def read_rds_table(path: Path, options: ReadOptions) -> TextTable:
    """Read one data frame; factors give their labels.

    Parameters
    ----------
    path : Path
        The file, gzipped as R does by default or plain.
    options : ReadOptions
        ``encoding`` of its text, where R did not mark it.

    Returns
    -------
    TextTable

    Raises
    ------
    InputError
        If it holds something else than a data frame.
    """
    import pandas as pd
    import rdata

    classes = {**rdata.conversion.DEFAULT_CLASS_MAP, "Date": _dates, "POSIXct": _moments}
    raw = _unpack(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        parsed = rdata.parser.parse_data(raw, extension=".rds")
        found: Any = rdata.conversion.convert(
            parsed, constructor_dict=classes, default_encoding=options.encoding or "utf-8"
        )
    if not isinstance(found, pd.DataFrame):
        problem = Problem(
            what="not a data frame", allowed="one data frame", fix="saveRDS(as.data.frame(x), file)"
        )
        raise InputError(path.name, [problem])
    unknown = [f"{path.name}: {str(item.message).splitlines()[0][:120]}" for item in caught]
    notes = (f"{path.name}: R data frame", *dict.fromkeys(unknown))
    return table_from_frame(path.name, found, notes=notes)


def _dates(values: Any, attributes: Any) -> Any:
    """Turn R's days since 1970 into dates."""
    return _since_1970(values, 86400.0)


def _moments(values: Any, attributes: Any) -> Any:
    """Turn R's seconds since 1970 (UTC) into moments."""
    return _since_1970(values, 1.0)


def _since_1970(values: Any, seconds: float) -> Any:
    with np.errstate(invalid="ignore"):  # R's NA is a signalling NaN
        elapsed = np.ma.filled(np.ma.asarray(values, dtype=float), np.nan) * seconds * 1e6
    known = np.isfinite(elapsed) & (np.abs(elapsed) < 2.0**62)
    moments = np.full(len(elapsed), "NaT", dtype="datetime64[us]")
    moments[known] = np.round(elapsed[known]).astype("int64").astype("datetime64[us]")
    return moments


def _unpack(path: Path) -> bytes:
    """Give the bytes, unpacked if they are gzipped, and never more than a data file may have."""
    raw = path.read_bytes()
    if not raw.startswith(_GZIP):
        return raw
    with gzip.open(path) as file:
        unpacked = file.read(MAX_BYTES + 1)
    if len(unpacked) > MAX_BYTES:
        raise InputError(
            path.name, [Problem(what="too large", allowed=f"at most {MAX_BYTES} bytes unpacked")]
        )
    return unpacked
