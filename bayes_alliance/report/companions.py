"""Results of other commands on the same study (claims, stress tests, simulations), where their files lie.

Each leaves tables as CSV and figures as SVG in a folder of its own beside the run's. What is not there is said
in words, with the command that makes it; nothing is run from here.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from bayes_alliance.report.record import Companion, FigureView, TableView
from bayes_alliance.report.views import view_figure, view_table
from bayes_alliance.tables.record import Column, Table, Value

MAX_ROWS = 400


@dataclass(frozen=True, kw_only=True)
class Room:
    """Where a command leaves its results.

    Parameters
    ----------
    key, title : str
        Of the section.
    folders : tuple of str
        Under the run's folder; the first that exists is read.
    command : str
        That makes them.
    """

    key: str
    title: str
    folders: tuple[str, ...]
    command: str


ROOMS = (
    Room(key="claims", title="Claims of the publication", folders=("claims",), command="claims"),
    Room(
        key="stress",
        title="Stress tests: what would overturn the claims",
        folders=("stress", "sensitivity"),
        command="stress",
    ),
    Room(
        key="simulations",
        title="Simulations: recovery, calibration and power",
        folders=("simulations", "simulate"),
        command="simulate",
    ),
)


def read_companions(folder: Path, study_id: str) -> tuple[Companion, ...]:
    """Read what other commands left beside a run.

    Parameters
    ----------
    folder : Path
        Of the run.
    study_id : str
        For the command that makes what is missing.

    Returns
    -------
    tuple of Companion
        One a room, in order.
    """
    return tuple(_read_room(room, folder, study_id) for room in ROOMS)


def _read_room(room: Room, folder: Path, study_id: str) -> Companion:
    place = next((folder / name for name in room.folders if (folder / name).is_dir()), None)
    tables = [] if place is None else [_read_table(path, room.key) for path in _paths(place, "csv")]
    figures = [] if place is None else [_read_figure(path) for path in _paths(place, "svg")]
    shown_tables = tuple(table for table in tables if table is not None)
    shown_figures = tuple(figure for figure in figures if figure is not None)
    missing = ""
    if not shown_tables and not shown_figures:
        missing = (
            f"Not run: there is nothing in {folder.name}/{room.folders[0]}. "
            f"'bayes-alliance {room.command} {study_id}' makes it."
        )
    return Companion(
        key=room.key, title=room.title, missing=missing, tables=shown_tables, figures=shown_figures
    )


def _paths(place: Path, ending: str) -> list[Path]:
    """Files of a folder and of its tables and figures; the numbers behind a figure are no table."""
    found = sorted([*place.glob(f"*.{ending}"), *place.glob(f"*/*.{ending}")])
    return [path for path in found if ending != "csv" or not path.with_suffix(".svg").exists()]


def _read_table(path: Path, prefix: str) -> TableView | None:
    """Give a CSV file of this package as a table, numbers rounded; None for one without rows."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    if len(rows) < 2 or not rows[0]:
        return None
    header = rows[0]
    first = 1 if header[0] == "provenance" else 0
    stamp = "; ".join(dict.fromkeys(row[0] for row in rows[1:])) if first else ""
    values = [[_value(text) for text in row[first:]] for row in rows[1 : MAX_ROWS + 1]]
    numeric = [
        all(isinstance(cell, float) or cell is None for cell in column)
        for column in zip(*values, strict=True)
    ]
    table = Table(
        id=path.stem,
        title=path.stem.replace("_", " ").capitalize(),
        columns=tuple(
            Column(name=name, heading=name.replace("_", " "), numeric=is_number)
            for name, is_number in zip(header[first:], numeric, strict=True)
        ),
        rows=tuple(tuple(row) for row in values),
        notes=()
        if len(rows) - 1 <= MAX_ROWS
        else (f"The first {MAX_ROWS} of {len(rows) - 1} rows; all stand in {path.name}.",),
        provenance=stamp,
        stamp=stamp,
    )
    return view_table(table, prefix=prefix)


def _value(text: str) -> Value:
    """Read a cell of CSV: a number that has a point or an exponent is rounded by the writer, others stay."""
    if text == "":
        return None
    if "." not in text and "e" not in text.lower():
        return text
    try:
        return float(text)
    except ValueError:
        return text


def _read_figure(path: Path) -> FigureView | None:
    try:
        return view_figure(path)
    except ValueError:
        return None
