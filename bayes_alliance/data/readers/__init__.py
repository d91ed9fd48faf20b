"""Which program reads which kind of data file, by the ending of its name.

A new kind of file is one module here and one line in ``READERS``. The libraries that read are imported where
they are used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bayes_alliance.data.readers.csv import read_csv_table
from bayes_alliance.data.readers.excel import read_excel_table
from bayes_alliance.data.readers.parquet import read_parquet_table
from bayes_alliance.data.readers.rds import read_rds_table
from bayes_alliance.data.readers.spss import read_spss_table
from bayes_alliance.data.readers.stata import read_stata_table
from bayes_alliance.data.text_table import TextTable, check_size
from bayes_alliance.errors import AllianceError, InputError, Problem, require_package
from bayes_alliance.study.records import ReadOptions

Reader = Callable[[Path, ReadOptions], TextTable]
READERS: dict[str, Reader] = {
    ".csv": read_csv_table,
    ".tsv": read_csv_table,
    ".txt": read_csv_table,
    ".xlsx": read_excel_table,
    ".sav": read_spss_table,
    ".zsav": read_spss_table,
    ".dta": read_stata_table,
    ".parquet": read_parquet_table,
    ".rds": read_rds_table,
}
# Libraries that come with the extra ``readers``.
_LIBRARIES = {".sav": "pyreadstat", ".zsav": "pyreadstat", ".dta": "pyreadstat", ".rds": "rdata"}
# What the libraries of binary formats raise on a damaged file is not bounded, but these are no bug of a file's.
_NOT_THE_FILE = (AllianceError, ImportError)


def read_table(path: Path, options: ReadOptions) -> TextTable:
    """Read one data file of any kind in the registry.

    Parameters
    ----------
    path : Path
        The file; the ending of its name says of which kind it is.
    options : ReadOptions
        What is stated about it; the rest is found out and stands in the notes of the table.

    Returns
    -------
    TextTable

    Raises
    ------
    InputError
        If it cannot be read as a table.
    MissingPackageError
        If an optional library is needed for this kind of file.
    """
    suffix = path.suffix.lower()
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        if not path.is_file():
            raise OSError(None, "it is a device or a pipe")
        # A name in another encoding could not be written into tables and manifest after all the work.
        path.name.encode("utf-8")
        reader = READERS.get(suffix)
        if reader is None:
            raise InputError(path.name, [_unknown_kind(suffix)])
        check_size(path.name, size)
        if suffix in _LIBRARIES:
            require_package(_LIBRARIES[suffix], extra="readers", purpose=f"reading {suffix} files")
        return reader(path, options)
    except UnicodeEncodeError as error:
        named = path.name.encode("utf-8", "replace").decode()
        raise InputError(named, [Problem(what="its name is not UTF-8", fix="rename the file")]) from error
    except OSError as error:
        problem = Problem(what=f"cannot be read ({error.strerror or 'damaged'})", fix="check the path")
        raise InputError(path.name, [problem]) from error
    except _NOT_THE_FILE:
        raise
    except Exception as error:
        problem = Problem(
            what=f"cannot be read as {suffix} ({type(error).__name__})",
            allowed=f"a sound {suffix} file",
            fix="open it in the program that made it and save it again, or export it as CSV",
        )
        raise InputError(path.name, [problem]) from error


def _unknown_kind(suffix: str) -> Problem:
    hints = {".xls": "save it as .xlsx", ".ods": "save it as .xlsx or CSV", ".por": "save it as .sav"}
    return Problem(
        what="an unknown kind of data file",
        got=repr(suffix[:20]) if suffix else "a name without an ending",
        allowed=", ".join(READERS),
        fix=hints.get(suffix, "save it as one of these"),
    )
