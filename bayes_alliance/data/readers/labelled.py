"""What SPSS and Stata files have in common: codes with labels, parsed in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bayes_alliance.data.text_table import TextTable, table_from_cells
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.study.load_data_section import ENCODINGS
from bayes_alliance.study.records import ReadOptions

SECONDS = 600


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
    answer = _parse_apart(path, kind, ENCODINGS.get(options.encoding, ""))
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


def _parse_apart(path: Path, kind: str, encoding: str) -> dict[str, Any]:
    # -P: no module of the working folder is taken for one of ours.
    command = [sys.executable, "-P", "-m", "bayes_alliance.data.readers.readstat", kind, str(path), encoding]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        raise _damaged(path, f"no end after {SECONDS} s") from None
    if done.returncode != 0:
        raise _damaged(path, "its reader crashed on it")
    answer: dict[str, Any] = json.loads(done.stdout)
    if "error" in answer:
        raise _damaged(path, answer["error"])
    return answer


def _damaged(path: Path, why: str) -> InputError:
    problem = Problem(
        what=f"cannot be read as {path.suffix.lower()} ({why})",
        allowed="a sound file of this kind",
        fix="open it in the program that made it and save it again, or export it as CSV",
    )
    return InputError(path.name, [problem])
