"""Reading an SPSS file (.sav, .zsav) with its labels and its user-missing codes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bayes_alliance.data_section import ENCODINGS
from bayes_alliance.study import ReadOptions
from bayes_alliance.text_table import TextTable, cell_text, table_from_frame

_ZERO_PADDED = re.compile(r"N(\d{1,2})(\.0)?")


def read_spss_table(path: Path, options: ReadOptions) -> TextTable:
    """Read an SPSS file: codes stay codes, and their labels and those of the columns are kept beside them.

    Codes that the file declares as missing (single values and ranges) are missing; which ones is in the
    notes. Numbers of format N keep the leading zeros that SPSS shows.

    Parameters
    ----------
    path : Path
        The file.
    options : ReadOptions
        ``encoding``, where the file states a wrong one.

    Returns
    -------
    TextTable
    """
    import pyreadstat

    encoding = ENCODINGS.get(options.encoding)
    frame, meta = pyreadstat.read_sav(str(path), encoding=encoding, user_missing=False)
    # Which codes are missing is told only to those who do not have them removed.
    _, declared_in = pyreadstat.read_sav(str(path), encoding=encoding, user_missing=True, metadataonly=True)
    frame = _pad(frame, meta.original_variable_types)
    notes = [f"{path.name}: SPSS, {meta.file_encoding or 'encoding not stated'}"]
    if declared := _missing(declared_in.missing_ranges):
        notes.append(f"{path.name}: declared missing in the file: {'; '.join(declared)}")
    return table_from_frame(
        path.name,
        frame,
        notes=tuple(notes),
        column_labels=column_labels(meta),
        value_labels=value_labels(meta.variable_value_labels),
    )


def column_labels(meta: Any) -> dict[str, str]:
    """Give the labels of the columns that have one, by header (SPSS and Stata)."""
    return {str(k).strip(): str(v).strip() for k, v in meta.column_names_to_labels.items() if v}


def value_labels(labels: Mapping[str, Mapping[Any, str]]) -> dict[str, dict[str, str]]:
    """Give the labels of each column's codes, the codes as text (SPSS and Stata)."""
    return {
        str(column).strip(): {cell_text(code): str(label).strip() for code, label in of.items()}
        for column, of in labels.items()
    }


def _pad(frame: pd.DataFrame, formats: Mapping[str, str]) -> pd.DataFrame:
    """Give numbers of SPSS's format N their leading zeros."""
    padded = frame.copy()
    for column, shown in formats.items():
        if (match := _ZERO_PADDED.fullmatch(str(shown))) and column in padded:
            width = int(match[1])
            padded[column] = [cell_text(v).zfill(width) if cell_text(v) else None for v in padded[column]]
    return padded


def _missing(ranges: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """Say in words which codes each column declares as missing."""
    said = []
    for column, parts in ranges.items():
        codes = [
            cell_text(part["lo"])
            if part["lo"] == part["hi"]
            else f"{cell_text(part['lo'])} to {cell_text(part['hi'])}"
            for part in parts
        ]
        said.append(f"{column} {', '.join(codes)}")
    return said
