"""What SPSS and Stata files have in common: codes with labels, parsed in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bayes_alliance.data.readers.parser_process import parse_apart
from bayes_alliance.data.text_table import TextTable, table_from_cells
from bayes_alliance.study.load_data_section import ENCODINGS
from bayes_alliance.study.records import ReadOptions


def read_labelled(path: Path, kind: str, called: str, options: ReadOptions) -> TextTable:
    """Read a file of labelled codes.

    Parameters
    ----------
    path : Path
        The file.
    kind : {"sav", "dta"}
        For the parser.
    called : str
        Name of the program that writes such files.
    options : ReadOptions
        ``encoding``.

    Returns
    -------
    TextTable

    Raises
    ------
    InputError
        If the parser refuses the file, crashes on it or does not come to an end.
    """
    answer = parse_apart("readstat", path, kind, str(path), ENCODINGS.get(options.encoding, ""))
    return labelled_table(path.name, called, answer)


def labelled_table(name: str, called: str, answer: dict[str, Any]) -> TextTable:
    """Build the table from what :func:`bayes_alliance.data.readers.readstat.parse_file` gives."""
    notes = [f"{name}: {called}" + (f", {answer['encoding']}" if answer["encoding"] else "")]
    if answer["declared"]:
        notes.append(f"{name}: declared missing in the file: {'; '.join(answer['declared'])}")
    header = [str(head).strip() for head, _ in answer["columns"]]
    cells = [column for _, column in answer["columns"]]
    return table_from_cells(
        name,
        header,
        [(number, list(row)) for number, row in enumerate(zip(*cells, strict=True), start=1)],
        noun="row",
        notes=tuple(notes),
        column_labels={key.strip(): label.strip() for key, label in answer["column_labels"].items()},
        value_labels={
            key.strip(): {code: label.strip() for code, label in labels.items()}
            for key, labels in answer["value_labels"].items()
        },
    )
