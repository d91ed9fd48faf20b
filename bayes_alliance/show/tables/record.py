"""What a table is.

A table has text columns that stand in every file, formatted columns for readers (Markdown, HTML, LaTeX, Word)
and full-precision columns for CSV.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bayes_alliance.show.disclosure import Content, round_published
from bayes_alliance.show.format_numbers import format_number
from bayes_alliance.study.records import Source

Value = str | float | int | bool | None
Shown = Literal["both", "markdown", "csv"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column.

    Parameters
    ----------
    name : str
        Key in rows and header in CSV.
    heading : str
        Header in Markdown.
    shown : {"both", "markdown", "csv"}
        Where it stands.
    numeric : bool
        Whether Markdown aligns it to the right.
    """

    name: str
    heading: str
    shown: Shown = "both"
    numeric: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table, complete.

    Parameters
    ----------
    id : str
        File name without its ending.
    title : str
        Caption.
    columns : tuple of Column
        In order.
    rows : tuple of tuple
        One value a column; None is an empty cell, NaN a number that is not defined.
    notes : tuple of str
        Below the table.
    provenance : str
        Where the numbers come from.
    stamp : str
        The same as one short cell, the first of every CSV row.
    content : Content
        What kind of content it has; unless it says so, it is in no bundle to be shared.
    """

    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    notes: tuple[str, ...]
    provenance: str
    stamp: str
    content: Content = Content.UNSTATED

    def column(self, name: str) -> list[Value]:
        """Return the values of one column."""
        index = [column.name for column in self.columns].index(name)
        return [row[index] for row in self.rows]

    def as_json(self) -> list[dict[str, Value]]:
        """Return each row by name, without formatted columns; a number that is not finite is None."""
        return [
            {
                column.name: None if isinstance(value, float) and not math.isfinite(value) else value
                for column, value in zip(self.columns, row, strict=True)
                if column.shown != "markdown"
            }
            for row in self.rows
        ]


def text_column(name: str, heading: str) -> Column:
    """Make a column of text that stands in both files."""
    return Column(name=name, heading=heading)


def number_column(name: str, heading: str, *, shown: Shown = "both") -> Column:
    """Make a column of numbers, rounded in Markdown only."""
    return Column(name=name, heading=heading, shown=shown, numeric=True)


def shown_column(name: str, heading: str) -> Column:
    """Make a column of formatted numbers, for Markdown only."""
    return Column(name=name, heading=heading, shown="markdown", numeric=True)


def exact_columns(*names: str) -> tuple[Column, ...]:
    """Make columns of full-precision numbers, for CSV only."""
    return tuple(number_column(name, name, shown="csv") for name in names)


def publish(table: Table, content: Content, source: Source) -> Table:
    """State what kind of content a table has, and round numbers that were computed from patients' data."""
    if source is not Source.REAL:
        return dataclasses.replace(table, content=content)
    rows = tuple(
        tuple(round_published(c.name, value) for c, value in zip(table.columns, row, strict=True))
        for row in table.rows
    )
    return dataclasses.replace(table, content=content, rows=rows)


def pick_rows(
    columns: Sequence[Column], rows: Iterable[Mapping[str, Value]]
) -> tuple[tuple[Value, ...], ...]:
    """Put rows given by name into the order of the columns.

    Raises
    ------
    ValueError
        If a row has a value that no column shows; a column without a value is an empty cell.
    """
    names = [column.name for column in columns]
    picked = []
    for row in rows:
        unknown = set(row) - set(names)
        if unknown:
            raise ValueError(f"no column for {', '.join(sorted(unknown))}")
        picked.append(tuple(row.get(name) for name in names))
    return tuple(picked)


def build_table(
    named: tuple[str, str],
    columns: Sequence[Column],
    rows: Iterable[Mapping[str, Value]],
    notes: Iterable[str],
    origin: tuple[str, str],
) -> Table:
    """Build a table of rows by name; ``named``: its id and title, ``origin``: provenance and stamp."""
    return Table(
        id=named[0],
        title=named[1],
        columns=tuple(columns),
        rows=pick_rows(columns, rows),
        notes=tuple(notes),
        provenance=origin[0],
        stamp=origin[1],
    )


def show_value(value: Value) -> str:
    """Return a cell as text for a reader: nothing for None, numbers rounded."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format_number(value) if isinstance(value, float) else str(value)
