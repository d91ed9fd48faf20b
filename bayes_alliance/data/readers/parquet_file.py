"""Parses Parquet files and prints them as JSON: run in a process of its own (``parser_process``).

``python -m bayes_alliance.data.readers.parquet_file PATH``, or ``--sound PATH...`` to see only whether the library
crashes on one of many files.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bayes_alliance.data.readers.parser_process import answer
from bayes_alliance.data.sheet_cell_text import cell_text
from bayes_alliance.data.text_table import MAX_BYTES, MAX_CELLS
from bayes_alliance.errors import InputError, Problem


def parse_file(path: Path) -> dict[str, Any]:
    """Parse a file of flat columns.

    Returns
    -------
    dict
        ``header``, and ``columns`` with the cells of each as text.

    Raises
    ------
    InputError
        If a column is nested, or the table is larger than any study's.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        nested = [field.name for field in schema if pa.types.is_nested(field.type)]
        if nested:
            problems = [Problem(what=f"column {name!r} is nested", allowed="flat columns") for name in nested]
            raise InputError(path.name, problems)
        cells = file.metadata.num_rows * len(schema)
        if cells > MAX_CELLS:
            problem = Problem(what="too large", got=f"{cells} cells", allowed=f"at most {MAX_CELLS}")
            raise InputError(path.name, [problem])
        table = read_batches(file, path.name)
    # Column by column: pandas would turn a column of whole numbers with gaps into floats of fewer digits.
    columns = [[cell_text(cell) for cell in column.to_pylist()] for column in table.columns]
    return {"header": list(table.column_names), "columns": columns}


def read_batches(file: Any, name: str) -> Any:
    """Read in batches, and stop where what they unpack to is more than any study's data.

    A dictionary of one long text is a few bytes in the file and as many texts as there are rows in memory.

    Parameters
    ----------
    file : pyarrow.parquet.ParquetFile
        Open.
    name : str
        For the message.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    InputError
        If it is too large.
    """
    import pyarrow as pa

    rows = int(min(max(MAX_BYTES // max(_largest_chunk(file), 1), 1), 50_000))
    batches, size = [], 0
    for batch in file.iter_batches(batch_size=rows):
        size += batch.nbytes
        if size > MAX_BYTES:
            problem = Problem(what="too large", allowed=f"at most {MAX_BYTES} bytes unpacked")
            raise InputError(name, [problem])
        batches.append(batch)
    return pa.Table.from_batches(batches, schema=file.schema_arrow)


def _largest_chunk(file: Any) -> int:
    """Return the bytes of the largest column of a row group, by what the file says of itself."""
    sizes = (
        int(file.metadata.row_group(group).column(column).total_uncompressed_size)
        for group in range(file.metadata.num_row_groups)
        for column in range(file.metadata.num_columns)
    )
    return max(sizes, default=0)


def touch_files(paths: Sequence[str]) -> dict[str, Any]:
    """Look at what each file says of its columns, where the library may crash; what it refuses is refused later."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in paths:
        with contextlib.suppress(OSError, pa.ArrowException), pq.ParquetFile(path) as file:
            _largest_chunk(file)
    return {}


if __name__ == "__main__":
    first, *others = sys.argv[1:]
    answer(lambda: touch_files(others) if first == "--sound" else parse_file(Path(first)))
