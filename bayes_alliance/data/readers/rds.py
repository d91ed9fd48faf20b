"""Reading a data frame that R saved with ``saveRDS`` (.rds), by the library rdata.

rdata is written in Python and only parses: no code that an R file may carry is run.
"""

from __future__ import annotations

import bz2
import dataclasses
import gzip
import lzma
import warnings
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from bayes_alliance.data.sheet_cell_text import cell_text
from bayes_alliance.data.text_table import MAX_BYTES, MAX_CELLS, TextTable, table_from_frame
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.runtime.memory import bounded_memory
from bayes_alliance.study.records import ReadOptions

# Some six million objects, such as texts of cells, which take the library a minute and a half.
_MEMORY = 2 * 2**30
_PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}


# Over 40 lines: what becomes of each class of R, then the steps from bytes to a table.
def read_rds_table(path: Path, options: ReadOptions) -> TextTable:
    """Read one data frame; factors give their labels, labelled columns their codes with the labels beside them.

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

    columns = _Columns()
    classes = {
        **rdata.conversion.DEFAULT_CLASS_MAP,
        **dict.fromkeys(("haven_labelled_spss", "haven_labelled", "labelled", "labelled_spss"), columns.keep),
        **dict.fromkeys(("vctrs_vctr", "difftime", "integer64", "noquote", "AsIs"), columns.keep),
        **dict.fromkeys(
            ("grouped_df", "spec_tbl_df", "data.table", "tbl_df", "tbl", "data.frame"), columns.frame
        ),
        "Date": _dates,
        "POSIXct": columns.moments,
        "integer64": _long_integers,
    }
    raw = _unpack(path)
    # An object of R takes four bytes in the file or more, and several hundred in memory.
    with warnings.catch_warnings(record=True) as caught, bounded_memory(_MEMORY):
        warnings.simplefilter("always")
        parsed = rdata.parser.parse_data(raw, extension=".rds", altrep_constructor_dict=_sequences(path.name))
        found: Any = rdata.conversion.convert(
            parsed,
            constructor_dict={**classes, "data.frame": columns.frame},
            default_encoding=options.encoding or "utf-8",
        )
    if not isinstance(found, pd.DataFrame):
        problem = Problem(
            what="not a data frame", allowed="one data frame", fix="saveRDS(as.data.frame(x), file)"
        )
        raise InputError(path.name, [problem])
    unknown = [f"{path.name}: {str(item.message).splitlines()[0][:120]}" for item in caught]
    declared = (
        [f"{path.name}: declared missing in the file: {'; '.join(columns.declared)}"]
        if columns.declared
        else []
    )
    notes = (f"{path.name}: R data frame", *declared, *dict.fromkeys(unknown))
    table = table_from_frame(
        path.name, found, notes=notes, column_labels=columns.labels, value_labels=columns.value_labels
    )
    doubts = tuple(_no_zone(path.name, name) for name in columns.without_zone)
    return dataclasses.replace(table, warnings=(*table.warnings, *doubts))


def _no_zone(file: str, column: str) -> Problem:
    return Problem(
        what="moments without a time zone, read as UTC; R wrote them from the clock of its own place",
        where=f"{file}, column {column!r}",
        fix="where dates could shift: attr(x, 'tzone') <- 'Europe/Oslo', or as.Date, before saveRDS",
    )


class _Columns:
    """Keeps what R knows of its columns besides their values: labels, and codes declared missing (package haven)."""

    def __init__(self) -> None:
        self.attributes: dict[int, Mapping[str, Any]] = {}
        self.kept: list[Any] = []
        self.labels: dict[str, str] = {}
        self.value_labels: dict[str, dict[str, str]] = {}
        self.declared: list[str] = []
        self.without_zone: list[str] = []
        self._zoneless: set[int] = set()

    def keep(self, values: Any, attributes: Mapping[str, Any]) -> Any:
        """Remember the attributes of a column under the values, which stay as they are."""
        self.attributes[id(values)] = attributes
        self.kept.append(values)  # so that no other object gets the same id
        return values

    def moments(self, values: Any, attributes: Mapping[str, Any] | None) -> Any:
        """Turn R's seconds since 1970 into moments, and remember those of no stated zone that are no midnights."""
        zone = next(iter(_texts(attributes.get("tzone") if attributes else None)), "")
        found = _moments(values, zone)
        if not zone and any(moment != moment.astype("datetime64[D]") for moment in found[~np.isnat(found)]):
            self._zoneless.add(id(found))
            self.kept.append(found)
        return found

    def frame(self, values: Any, attributes: Mapping[str, Any]) -> Any:
        """Build the data frame, with declared codes missing."""
        import pandas as pd
        import rdata

        if isinstance(values, Mapping):
            values = {name: _as_is(self._column(str(name), column)) for name, column in values.items()}
        frame = rdata.conversion.DEFAULT_CLASS_MAP["data.frame"](values, attributes)
        return frame if isinstance(frame, pd.DataFrame) else NotImplemented

    def _column(self, name: str, values: Any) -> Any:
        if id(values) in self._zoneless:
            self.without_zone.append(name)
        attributes = self.attributes.get(id(values), {})
        if label := _texts(attributes.get("label")):
            self.labels[name] = label[0]
        labels = attributes.get("labels")
        codes = getattr(labels, "values", labels)
        names = _names_of(labels)
        if names and codes is not None:
            pairs = zip(
                (cell_text(code) for code in np.ma.filled(np.ma.asarray(codes), np.nan).tolist()),
                names,
                strict=True,
            )
            self.value_labels[name] = {code: text for code, text in pairs if code}
        return self._without_missing(name, values, attributes)

    def _without_missing(self, name: str, values: Any, attributes: Mapping[str, Any]) -> Any:
        """Blank the codes and the range of codes that the column declares as missing."""
        single, ends = attributes.get("na_values"), attributes.get("na_range")
        if single is None and ends is None:
            return values
        cells = np.ma.asarray(values)
        gone = np.zeros(len(cells), dtype=bool)
        said = []
        if single is not None:
            listed = np.ma.asarray(single).tolist()
            gone |= np.isin(np.ma.getdata(cells), listed)
            said += [cell_text(code) for code in listed]
        if ends is not None:
            low, high = np.ma.asarray(ends).tolist()
            gone |= np.array([low <= cell <= high for cell in np.ma.getdata(cells).tolist()])
            said.append(f"{cell_text(float(low))} to {cell_text(float(high))}")
        self.declared.append(f"{name} {', '.join(said)}")
        if np.ma.getdata(cells).dtype.kind in "iuf":
            filled = np.ma.filled(cells.astype(float), np.nan)
            filled[gone] = np.nan
            return filled
        return np.array(
            [None if bad else cell for cell, bad in zip(cells.tolist(), gone, strict=True)], dtype=object
        )


def _as_is(values: Any) -> Any:
    """Keep rdata from taking a column of objects, such as moments with a time zone, for one of text."""
    import pandas as pd

    if isinstance(values, np.ndarray) and values.dtype == object:
        return pd.Series(values, dtype=object).array
    return values


def _names_of(labels: Any) -> list[str]:
    """Return the names of a named vector of R, as rdata converts it: a dictionary, a labelled array or a Series."""
    for attribute in ("index", "keys"):
        names = getattr(labels, attribute, None)
        if names is not None:
            return [str(name) for name in (names() if callable(names) else names)]
    coords = getattr(labels, "coords", None)
    if coords:
        return [str(name) for name in next(iter(coords.values())).values]
    return []


def _texts(value: Any) -> list[str]:
    return [] if value is None else [str(item).strip() for item in np.ravel(value) if str(item).strip()]


def _dates(values: Any, attributes: Any) -> Any:
    """Turn R's days since 1970 into dates."""
    return _since_1970(values, 86400.0)


def _long_integers(values: Any, attributes: Any) -> Any:
    """Turn the integers of package bit64, which are stored in the bits of doubles, into numbers."""
    bits = np.ma.getdata(np.ma.asarray(values, dtype=float)).view("int64")
    return np.array(
        [None if bit == np.iinfo("int64").min else int(bit) for bit in bits.tolist()], dtype=object
    )


def _moments(values: Any, zone: str) -> Any:
    """Turn R's seconds since 1970 (UTC) into moments, as the clock of the stated time zone shows them."""
    moments = _since_1970(values, 1.0)
    if zone in ("", "UTC", "GMT"):
        return moments
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return moments
    shown = [
        None
        if np.isnat(moment)
        else moment.astype("datetime64[us]").item().replace(tzinfo=UTC).astimezone(place)
        for moment in moments
    ]
    return np.array(shown, dtype=object)


def _since_1970(values: Any, seconds: float) -> Any:
    with np.errstate(invalid="ignore"):  # R's NA is a signalling NaN
        elapsed = np.ma.filled(np.ma.asarray(values, dtype=float), np.nan) * seconds * 1e6
    known = np.isfinite(elapsed) & (np.abs(elapsed) < 2.0**62)
    moments = np.full(len(elapsed), "NaT", dtype="datetime64[us]")
    moments[known] = np.round(elapsed[known]).astype("int64").astype("datetime64[us]")
    return moments


def _unpack(path: Path) -> bytes:
    """Return the bytes, unpacked once if they are packed, and never more than a data file may have."""
    raw = path.read_bytes()
    opener = next((opener for mark, opener in _PACKED.items() if raw.startswith(mark)), None)
    if opener is not None:
        with opener(path) as file:
            raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise InputError(
            path.name, [Problem(what="too large", allowed=f"at most {MAX_BYTES} bytes unpacked")]
        )
    if any(raw.startswith(mark) for mark in _PACKED):
        raise InputError(path.name, [Problem(what="packed more than once", fix="saveRDS(x, file)")])
    return raw


def _sequences(name: str) -> dict[bytes, Any]:
    """Expand the short forms of R's sequences, a few bytes of any length, up to what a data file may have."""
    from rdata.parser import DEFAULT_ALTREP_MAP

    def bounded(expand: Any) -> Any:
        def checked(state: Any) -> Any:
            value = getattr(state, "value", None)
            length = float(value[0]) if isinstance(value, np.ndarray) and len(value) else 0.0
            if not length <= MAX_CELLS:
                raise InputError(name, [Problem(what="too large", allowed=f"at most {MAX_CELLS} values")])
            return expand(state)

        return checked

    return {key: bounded(expand) if b"seq" in key else expand for key, expand in DEFAULT_ALTREP_MAP.items()}
