r"""What a standardised effect (d, g, standardised beta) says of the estimate behind it.

Where the notes of a table state what it was divided by, :math:`\delta = b/S`, every line that its printed parts lay
through (:math:`\delta`, its SE) is a line through :math:`(b, s) = (S\delta, S\,s_\delta)`: the same with its limit
multiplied by S. Tests and p values are as they are. S is taken as exact; that an SD was estimated is left out, as it is
small beside the SE of the effect.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from bayes_alliance.published.constraints import Constraint, can_stand_together, constrain
from bayes_alliance.published.findings import AuditVerdict, Finding
from bayes_alliance.published.printed_rows import PrintedRow, printed_rows
from bayes_alliance.study.records import Study

Key = tuple[str, str, str]


def row_key(row: PrintedRow) -> Key:
    """Return table, model and coefficient of a row."""
    return row.cell.table, row.cell.model, row.cell.coefficient


def standardised_constraints(study: Study) -> dict[Key, tuple[PrintedRow, tuple[Constraint, ...]]]:
    """Return what standardised effects with a known standardiser leave of (estimate, SE), by the effect's key."""
    found: dict[Key, tuple[PrintedRow, tuple[Constraint, ...]]] = {}
    for row in printed_rows(study, standardised=True):
        divisor = study.publication.legend(row.cell.table).standardiser
        if divisor > 0.0:
            df = (study.publication.df_low, math.inf)
            parts = constrain(row.parsed, study.publication.rounding, df)
            found.setdefault(row_key(row), (row, tuple(scale_constraint(one, divisor) for one in parts)))
    return found


def scale_constraint(constraint: Constraint, divisor: float) -> Constraint:
    """Turn a constraint on a standardised effect and its SE into one on the estimate and its SE."""
    planes = tuple((a, c, divisor * d) for a, c, d in constraint.planes)
    return replace(constraint, part=f"standardised {constraint.part}", planes=planes)


def check_standardised(study: Study) -> Iterator[Finding]:
    """Hold each standardised effect against the estimate beside it, at the stated standardiser.

    Yields
    ------
    Finding
        One for each estimate with a standardised effect whose standardiser the study file states.
    """
    known = standardised_constraints(study)
    for row in printed_rows(study):
        if row_key(row) not in known or row.parsed.value is None:
            continue
        other, parts = known[row_key(row)]
        own = constrain(row.parsed, study.publication.rounding, (study.publication.df_low, math.inf))
        agree = can_stand_together([*own, *parts])
        divisor = study.publication.legend(row.cell.table).standardiser
        yield Finding(
            check="standardised effect against estimate",
            where=f"{row.cell.table}: {row.cell.row}",
            printed=f"{row.cell.printed} | {other.cell.printed}",
            verdict=AuditVerdict.CONSISTENT if agree else AuditVerdict.INCONSISTENT,
            reasoning=(
                f"The estimate divided by {divisor:g} "
                + (
                    "can print as the standardised effect."
                    if agree
                    else "prints as no such standardised effect."
                )
            ),
            alternatives=() if agree else ("it was divided by another SD", "a slip in one of them"),
        )
