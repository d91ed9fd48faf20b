"""Parses one SPSS or Stata file and prints it as JSON: run in a process of its own (``parser_process``).

``python -m bayes_alliance.data.readers.readstat KIND PATH [ENCODING]``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bayes_alliance.data.readers.parser_process import answer
from bayes_alliance.data.sheet_cell_text import cell_text

KINDS = ("sav", "dta")
_PERIOD = re.compile(r"%-?t([mwqhy])", re.ASCII)
_ZERO_PADDED = re.compile(r"N(\d{1,2})(\.0)?")


def parse_file(kind: str, path: Path, encoding: str = "") -> dict[str, Any]:
    """Parse a file.

    Parameters
    ----------
    kind : {"sav", "dta"}
        SPSS (.sav and .zsav) or Stata.
    path : Path
        The file.
    encoding : str
        As iconv calls it, where the file states a wrong one or none.

    Returns
    -------
    dict
        ``columns``: a list of header and cells as text; ``column_labels``, ``value_labels``, ``declared``
        missing codes in words, and ``encoding``.
    """
    import pyreadstat

    read = {"sav": pyreadstat.read_sav, "dta": pyreadstat.read_dta}[kind]
    options = {"encoding": encoding or None, "output_format": "dict"}
    columns, meta = read(str(path), user_missing=False, **options)
    # Which codes are missing is told only to those who do not have them removed.
    _, whole = read(str(path), user_missing=True, metadataonly=True, **options)
    formats = meta.original_variable_types
    return {
        "columns": [[name, _cells(cells, str(formats.get(name, "")))] for name, cells in columns.items()],
        "column_labels": {str(k): str(v) for k, v in meta.column_names_to_labels.items() if v},
        "value_labels": {
            str(name): {cell_text(code): str(label) for code, label in labels.items()}
            for name, labels in meta.variable_value_labels.items()
        },
        "declared": _declared(whole.missing_ranges or {}),
        "encoding": str(meta.file_encoding or ""),
    }


def _cells(cells: Any, shown: str) -> list[str]:
    """Return a column as text; numbers of SPSS's format N with the leading zeros that it shows.

    Stata's months, weeks, quarters, half-years and years since 1960 are written as Stata shows them (``2020m3``).
    """
    texts = [cell_text(cell) for cell in cells]
    if period := _PERIOD.match(shown):
        return [_period(text, period[1]) for text in texts]
    match = _ZERO_PADDED.fullmatch(shown)
    return [text.zfill(int(match[1])) if text else "" for text in texts] if match else texts


def _period(text: str, kind: str) -> str:
    """Write a count of periods since 1960 as Stata shows it.

    Examples
    --------
    >>> _period("722", "m"), _period("-1", "q")
    ('2020m3', '1959q4')
    """
    try:
        count = int(text)
    except ValueError:
        return text
    if kind == "y":
        return text
    length = {"m": 12, "w": 52, "q": 4, "h": 2}[kind]
    return f"{1960 + count // length}{kind}{count % length + 1}"


def _declared(ranges: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """Return in words which codes each column declares as missing."""
    said = []
    for column, parts in ranges.items():
        ends = [(cell_text(part["lo"]), cell_text(part["hi"])) for part in parts]
        codes = [low if low == high else f"{low} to {high}" for low, high in ends]
        said.append(f"{column} {', '.join(codes)}")
    return said


if __name__ == "__main__":
    of_kind, file, *stated = sys.argv[1:]
    answer(lambda: parse_file(of_kind, Path(file), *stated))
