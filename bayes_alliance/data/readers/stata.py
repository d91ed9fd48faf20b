"""Reading a Stata file (.dta) with its labels; extended missing values (.a to .z) are missing."""

from __future__ import annotations

from pathlib import Path

from bayes_alliance.data.readers.labelled import read_labelled
from bayes_alliance.data.text_table import TextTable
from bayes_alliance.study.records import ReadOptions


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
    return read_labelled(path, "dta", "Stata", options)
