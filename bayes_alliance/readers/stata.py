"""Reading a Stata file (.dta) with its labels; extended missing values (.a to .z) are missing."""

from __future__ import annotations

from pathlib import Path

from bayes_alliance.data_section import ENCODINGS
from bayes_alliance.readers.spss import column_labels, value_labels
from bayes_alliance.study import ReadOptions
from bayes_alliance.text_table import TextTable, table_from_frame


def read_stata_table(path: Path, options: ReadOptions) -> TextTable:
    """Read a Stata file: codes stay codes, and the labels are kept beside them.

    Parameters
    ----------
    path : Path
        The file.
    options : ReadOptions
        ``encoding``, for files older than Stata 14.

    Returns
    -------
    TextTable
    """
    import pyreadstat

    frame, meta = pyreadstat.read_dta(str(path), encoding=ENCODINGS.get(options.encoding), user_missing=False)
    return table_from_frame(
        path.name,
        frame,
        notes=(f"{path.name}: Stata",),
        column_labels=column_labels(meta),
        value_labels=value_labels(meta.variable_value_labels),
    )
