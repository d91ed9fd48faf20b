"""Reading an SPSS file (.sav, .zsav) with its labels and its user-missing codes."""

from __future__ import annotations

from pathlib import Path

from bayes_alliance.data.readers.labelled import read_labelled
from bayes_alliance.data.text_table import TextTable
from bayes_alliance.study.records import ReadOptions


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
    return read_labelled(path, "sav", "SPSS", options)
