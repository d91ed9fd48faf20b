"""Reading a Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bayes_alliance.data.text_table import MAX_BYTES, MAX_CELLS, TextTable, table_from_frame
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.study.records import ReadOptions


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
        If a column is nested, or the table is larger than any study's.
    """
    import pandas as pd
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
        table = _read_bounded(file, path.name)
    # Column by column: pandas would turn a column of whole numbers with gaps into floats of fewer digits.
    columns = [pd.Series(column.to_pylist(), dtype=object) for column in table.columns]
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame()
    frame.columns = pd.Index(table.column_names)
    return table_from_frame(path.name, frame, notes=(f"{path.name}: Parquet",))


def _read_bounded(file: Any, name: str) -> Any:
    """Read in batches, and stop where what they unpack to is more than any study's data.

    A dictionary of one long text is a few bytes in the file and as many texts as there are rows in memory.
    """
    import pyarrow as pa

    largest = max(
        (
            file.metadata.row_group(group).column(column).total_uncompressed_size
            for group in range(file.metadata.num_row_groups)
            for column in range(file.metadata.num_columns)
        ),
        default=0,
    )
    rows = int(min(max(MAX_BYTES // max(largest, 1), 1), 50_000))
    batches, size = [], 0
    for batch in file.iter_batches(batch_size=rows):
        size += batch.nbytes
        if size > MAX_BYTES:
            problem = Problem(what="too large", allowed=f"at most {MAX_BYTES} bytes unpacked")
            raise InputError(name, [problem])
        batches.append(batch)
    return pa.Table.from_batches(batches, schema=file.schema_arrow)
