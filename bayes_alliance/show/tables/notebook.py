"""A table as a notebook shows it: Markdown as text, HTML as a cell's output, a data frame for further work."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bayes_alliance.show.tables.html import html_fragment
from bayes_alliance.show.tables.record import Table
from bayes_alliance.show.tables.text import format_markdown

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class NotebookTable(Table):
    """A table that prints as Markdown and shows as HTML."""

    def __str__(self) -> str:
        """Return the table as Markdown."""
        return format_markdown(self)

    def _repr_html_(self) -> str:
        """Return the table as HTML."""
        return html_fragment(self)

    def to_frame(self) -> pd.DataFrame:
        """Return the table as a data frame: every column by name, numbers at full precision.

        Returns
        -------
        pandas.DataFrame
            One row for each row of the table; where the numbers come from stands in ``attrs["provenance"]``.
        """
        import pandas as pd

        frame = pd.DataFrame.from_records(list(self.rows), columns=[column.name for column in self.columns])
        frame.attrs["provenance"] = self.provenance
        return frame


def for_notebook(table: Table) -> NotebookTable:
    """Return the same table with what a notebook asks of it."""
    return NotebookTable(**{field.name: getattr(table, field.name) for field in dataclasses.fields(table)})
