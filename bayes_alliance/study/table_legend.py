"""What the notes of a table say of all of its cells: marks, brackets, decimals, rounding, level of intervals.

A legend is stated once for a table, and no cell is guessed at: what neither the cell nor the legend decides is
refused with its readings.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from bayes_alliance.study.printed_cell import Rounding

DecimalMark = Literal["", "point", "comma"]
Brackets = Literal["", "se", "sd", "p", "t", "z", "df", "ci"]
PlusMinus = Literal["", "se", "sd"]


@dataclass(frozen=True, kw_only=True)
class TableLegend:
    """How the cells of some tables are to be read.

    Parameters
    ----------
    tables : tuple of str
        Tables that it holds for.
    decimal : {"", "point", "comma"}
        Decimal mark; empty to take it from the cells themselves.
    decimals : int or None
        Decimals of estimates and their spreads, where a program dropped trailing zeros; None for as printed.
    brackets : {"", "se", "sd", "p", "t", "z", "df", "ci"}
        What stands in brackets behind a number; empty for a standard error behind an estimate and a standard
        deviation behind a mean of ``mean_sd``.
    plus_minus : {"", "se", "sd"}
        What stands behind ±.
    ci_level : Decimal or None
        Level of the table's intervals (0.95).
    ci_rounding : {"same", "outward"}
        Whether limits were rounded like other numbers or outwards.
    ci_method : {"wald", "other"}
        Whether the limits lie as far below as above the estimate, or come from a profile likelihood, a
        bootstrap or a posterior, which need not; then they only have to hold the estimate.
    rounding : str
        Rule of the table; empty for that of the publication.
    tails : {1, 2}
        Whether its p values are one-sided or two-sided.
    marks : tuple of (str, str)
        Dagger or letter, and the statement about p that it stands for (``< .10``); an empty statement for a
        footnote that says nothing of p.
    standardiser : float
        What standardised effects (d, g, beta) were divided by, in the units of the estimate: an SD of the outcome,
        for beta over the SD of the predictor. With it they bound the estimate; 0 where it is not known, and they
        are only audited.
    """

    tables: tuple[str, ...] = ()
    decimal: DecimalMark = ""
    decimals: int | None = None
    brackets: Brackets = ""
    plus_minus: PlusMinus = ""
    ci_level: Decimal | None = None
    ci_rounding: Literal["same", "outward"] = "same"
    ci_method: Literal["wald", "other"] = "wald"
    rounding: Rounding | Literal[""] = ""
    tails: int = 2
    marks: tuple[tuple[str, str], ...] = ()
    standardiser: float = 0.0


NO_LEGEND = TableLegend()
