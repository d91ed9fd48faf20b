"""What the default prior weighs in each claim, and whether it conflicts with print or rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayes_alliance.assess.prior_conflict import CONFLICT_P
from bayes_alliance.claims.prior_weight import PartConflict
from bayes_alliance.show.format_numbers import format_number, format_p
from bayes_alliance.show.tables.claim_table import SOURCES_NOTE, _table
from bayes_alliance.show.tables.record import Table, Value, exact_columns, shown_column, text_column

if TYPE_CHECKING:
    from bayes_alliance.claims.run import ClaimsRun


def tabulate_prior_weight(run: ClaimsRun) -> Table:
    """List the prior beside the estimate for every part of a claim that is an effect, from print and on the rows."""
    columns = (
        text_column("source", "Source"),
        text_column("claim", "Claim"),
        text_column("part", "Part"),
        text_column("label", "Quantity"),
        shown_column("likelihood", "Estimate (SE)"),
        shown_column("prior", "Prior: mean (SD)"),
        shown_column("weighs", "Prior weighs as many patients"),
        shown_column("p_shown", "Prior-data conflict, p"),
        text_column("conflict", "Conflict"),
        *exact_columns(
            "estimate", "se", "prior_mean", "prior_sd", "prior_patients", "n_patients", "prior_conflict_p"
        ),
    )
    labels = {(claim.id, part.id): part.label for claim, part in run.ledger.parts}
    rows = [_row(one, labels[one.claim_id, one.part_id]) for one in run.conflicts]
    note = (
        f"Under the default prior, {run.suite[0][0].label}. The prior weighs as much as n SE\u00b2/SD\u00b2 of the n "
        "patients. p: how far in the tail of its prior predictive distribution, N(prior mean, SD\u00b2 + SE\u00b2), "
        f"the estimate lies; a conflict below {CONFLICT_P:g}. Printed: the middle of the pairs of estimate and SE that "
        "print so. Not here, for want of a closed form: SDs, explained shares, the largest of several effects, cells "
        "printed as ns, and claims about shares and means of patients, which have a reference prior."
    )
    named = ("claim_prior_weight", f"{run.study.id}: what the prior weighs in each claim")
    return _table(run, named, columns, rows, note, SOURCES_NOTE, printed=True)


def _row(one: PartConflict, label: str) -> dict[str, Value]:
    found = one.found
    return {
        "source": one.source.value,
        "claim": one.claim_id,
        "part": one.part_id,
        "label": label,
        "likelihood": f"{format_number(one.estimate, one.se)} ({format_number(one.se, one.se)})",
        "prior": f"{format_number(found.prior_mean, found.prior_sd)} ({format_number(found.prior_sd, found.prior_sd)})",
        "weighs": format_number(found.patients, found.patients) if one.n_patients else "",
        "p_shown": format_p(found.p),
        "conflict": "yes" if found.conflict else "no",
        "estimate": one.estimate,
        "se": one.se,
        "prior_mean": found.prior_mean,
        "prior_sd": found.prior_sd,
        "prior_patients": found.patients if one.n_patients else None,
        "n_patients": one.n_patients or None,
        "prior_conflict_p": found.p,
    }
