"""What a whole table decides for its cells: the decimal mark, and what its column headings say.

Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from bayes_alliance.study.number_text import STYLES, plain_text
from bayes_alliance.study.parse_cell import read_cell
from bayes_alliance.study.printed_cell import PrintedError, UndecidedError
from bayes_alliance.study.table_legend import TableLegend

_LEVEL = re.compile(r"(\d{2}(?:[.,]\d)?)\s*%\s*(?:CI|CrI|C\.I\.|confidence|credible|KI|VI)", re.IGNORECASE)
_BRACKETS = re.compile(r"[(\[]\s*(SE|S\.E\.|SD|S\.D\.|p|t|z|df)\s*[)\]]")
_PLUS_MINUS = re.compile(r"±\s*(SE|S\.E\.|SD|S\.D\.)")


def settle_decimal(cells: Iterable[tuple[str, str]], legend: TableLegend) -> TableLegend:
    """Take the decimal mark of a table from those of its cells that can be read with one mark only.

    Parameters
    ----------
    cells : iterable of (str, str)
        Text and quantity of every cell of the table.
    legend : TableLegend
        Returned as it is where it states the mark, or where no cell or contradicting cells decide it.
    """
    if legend.decimal:
        return legend
    marks = set()
    for text, quantity in cells:
        works = []
        for style in STYLES:
            try:
                read_cell(text, quantity, replace(legend, decimal=style))
            except UndecidedError:
                pass
            except PrintedError:
                continue
            works.append(style)
        if len(works) == 1:
            marks.add(works[0])
    return replace(legend, decimal=marks.pop()) if len(marks) == 1 else legend


def follow_heading(heading: str, legend: TableLegend) -> TableLegend:
    """Add to a legend what a heading says of the cells below it; what the legend states itself goes first.

    Examples
    --------
    >>> from bayes_alliance.study.table_legend import NO_LEGEND
    >>> follow_heading("b (95% CI)", NO_LEGEND).ci_level
    Decimal('0.95')
    """
    plain = plain_text(heading)
    level, brackets, plus_minus = (p.search(plain) for p in (_LEVEL, _BRACKETS, _PLUS_MINUS))
    if level and legend.ci_level is None:
        legend = replace(legend, ci_level=Decimal(level[1].replace(",", ".")) / 100)
    if brackets and not legend.brackets:
        legend = replace(legend, brackets=_short(brackets[1]))  # type: ignore[arg-type]
    if plus_minus and not legend.plus_minus:
        legend = replace(legend, plus_minus=_short(plus_minus[1]))  # type: ignore[arg-type]
    return legend


def _short(name: str) -> str:
    return name.replace(".", "").lower()
