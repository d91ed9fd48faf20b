"""A printed string with what it says, read once: what cells, facts and single printed numbers share.

Whoever holds one uses its parsed value; nothing outside of this room reads a printed string.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bayes_alliance.study.parse_cell import read_cell
from bayes_alliance.study.printed_cell import PrintedCell, PrintedError
from bayes_alliance.study.table_legend import NO_LEGEND, TableLegend

BLANK = PrintedCell(kind="blank")


def read_or_fault(printed: str, quantity: str, legend: TableLegend = NO_LEGEND) -> tuple[PrintedCell, str]:
    """Read a printed string; give a blank cell and what was expected where it cannot be read."""
    try:
        return read_cell(printed, quantity, legend), ""
    except PrintedError as error:
        return BLANK, str(error)


@dataclass(frozen=True, kw_only=True, repr=False)
class PrintedText:
    """A printed number that stands in no table.

    Parameters
    ----------
    printed : str
        As printed.
    quantity : str
        What kind of number it is.
    parsed : PrintedCell
        What it says.
    fault : str
        What was expected where it cannot be read; a study with such a text is refused.
    """

    printed: str
    quantity: str
    parsed: PrintedCell = field(init=False)
    fault: str = field(init=False)

    def __repr__(self) -> str:
        """Show the string alone: digests of records that hold one rest on what is printed."""
        return repr(self.printed)

    def __post_init__(self) -> None:
        parsed, fault = read_or_fault(self.printed, self.quantity)
        object.__setattr__(self, "parsed", parsed)
        object.__setattr__(self, "fault", fault)
