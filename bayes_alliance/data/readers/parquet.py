"""Reading a Parquet file, parsed in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bayes_alliance.data.readers.parser_process import parse_apart
from bayes_alliance.data.text_table import TextTable, table_from_cells
from bayes_alliance.errors import InputError
from bayes_alliance.study.records import ReadOptions

_AT_ONCE = 500


def read_parquet_table(path: Path, options: ReadOptions) -> TextTable:
    """Read a Parquet file of flat columns; its pandas index, if it has a named one, is a column too.

    Parameters
    ----------
    path : Path
        The file.
    options : ReadOptions
        Nothing of it matters here.

    Returns
    -------
    TextTable

    Raises
    ------
    InputError
        If a column is nested, the table is larger than any study's, or the file crashes its reader.
    """
    return parquet_table(path.name, parse_apart("parquet_file", path, str(path)))


def parquet_table(name: str, found: dict[str, Any]) -> TextTable:
    """Build the table from what :func:`bayes_alliance.data.readers.parquet_file.parse_file` gives."""
    rows = [
        (number, list(cells)) for number, cells in enumerate(zip(*found["columns"], strict=True), start=1)
    ]
    header = [str(head).strip() for head in found["header"]]
    return table_from_cells(name, header, rows, noun="row", notes=(f"{name}: Parquet",))


def refuse_crashing(paths: Sequence[Path]) -> None:
    """Refuse files whose own description crashes the library, before it is read in this process.

    Raises
    ------
    InputError
        Of the first such file.
    """
    for start in range(0, len(paths), _AT_ONCE):
        some = paths[start : start + _AT_ONCE]
        try:
            parse_apart("parquet_file", some[0], "--sound", *map(str, some))
        except InputError:
            for path in some:
                parse_apart("parquet_file", path, "--sound", str(path))
            raise
