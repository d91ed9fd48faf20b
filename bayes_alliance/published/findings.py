"""What an audit finds: one record a check, with its reasoning, its numbers and its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bayes_alliance.study.records import Cell


class AuditVerdict(StrEnum):
    """Whether printed numbers can stand together. ``cannot tell`` never counts as consistent.

    ``not testable``: the publication prints nothing that the number could be tested against.
    """

    CONSISTENT = "consistent"
    INCONSISTENT = "inconsistent"
    CANNOT_TELL = "cannot tell"
    NOT_TESTABLE = "not testable"


# Checks of counts and of descriptive numbers, on which no claim about courses rests; every other check is of a test.
_DESCRIPTIVE = ("percentage", "percentage in the text", "mean of whole numbers", "mean on a grid")
_COUNTS = ("size of a subgroup", "counts that add up", "subgroups against the whole sample", "SD on a scale")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check of one place.

    Parameters
    ----------
    check : str
        Kind of check.
    where : str
        Table and row, or fact.
    printed : str
        What stands there.
    verdict : AuditVerdict
        Whether it can stand with what it is compared with.
    reasoning : str
        What was compared and what follows.
    numbers : tuple of (str, str)
        What was computed, by name.
    alternatives : tuple of str
        What else could explain it, where it is not consistent.
    """

    check: str
    where: str
    printed: str
    verdict: AuditVerdict
    reasoning: str
    numbers: tuple[tuple[str, str], ...] = ()
    alternatives: tuple[str, ...] = ()

    @property
    def weight(self) -> int:
        """2 for tests, estimates and model fits, 1 for counts and sample sizes, 0 for means and percentages."""
        return 0 if self.check in _DESCRIPTIVE else 1 if self.check in _COUNTS else 2


def span(low: float, high: float, digits: int = 3) -> str:
    """Return a range as text; a single number where both ends print alike."""
    first, second = (f"{value:.{digits}g}" for value in (low, high))
    return first if first == second else f"{first} to {second}"


_QUANTITIES = {"aicc": "AICc", "minus_2ll": "\N{MINUS SIGN}2LL", "chi2": "chi-square"}
_CAPITALS = ("aic", "bic", "icc", "sd", "se")


def _say_quantity(quantity: str) -> str:
    return _QUANTITIES.get(
        quantity, quantity.upper() if quantity in _CAPITALS else quantity.replace("_", " ")
    )


def finding_of_cells(
    check: str,
    cells: Sequence[Cell],
    verdict: AuditVerdict,
    reasoning: str,
    numbers: tuple[tuple[str, str], ...],
    alternatives: tuple[str, ...],
) -> Finding:
    """Make the finding of a check of some cells of rows that the publication prints."""
    return Finding(
        check=check,
        where=" and ".join(dict.fromkeys(f"{cell.table}: {cell.row}" for cell in cells)),
        printed=" | ".join(f"{_say_quantity(cell.quantity)} {cell.printed}" for cell in cells),
        verdict=verdict,
        reasoning=reasoning,
        numbers=numbers,
        alternatives=alternatives,
    )
