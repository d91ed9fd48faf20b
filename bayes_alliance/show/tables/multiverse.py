"""The multiverse of choices: shares of verdicts, by option."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bayes_alliance.assess.verdict_words import ORDER, Verdict
from bayes_alliance.claims.challenges import option_labels
from bayes_alliance.claims.multiverse_results import Share
from bayes_alliance.show.tables.claim_table import _table, _whole_shares
from bayes_alliance.show.tables.record import (
    Table,
    Value,
    exact_columns,
    number_column,
    shown_column,
    text_column,
)

if TYPE_CHECKING:
    from bayes_alliance.claims.run import ClaimsRun


def tabulate_multiverse(run: ClaimsRun) -> Table:
    """List the share of specifications by verdict, claim by claim."""
    columns = (
        text_column("claim", "Claim"),
        number_column("n", "Specifications"),
        number_column("n_not_applicable", "Not applicable"),
        *(
            shown_column(f"{v.name.lower()}_shown", v.value.capitalize())
            for v in Verdict
            if v is not Verdict.NOT_APPLICABLE
        ),
        *exact_columns(*(f"share_{v.name.lower()}" for v in Verdict if v is not Verdict.NOT_APPLICABLE)),
    )
    rows = [_share_row(share) for share in _whole_shares(run).values()]
    return _table(
        run, ("claim_multiverse", f"{run.study.id}: the multiverse"), columns, rows, *_multiverse_notes(run)
    )


def _multiverse_notes(run: ClaimsRun) -> tuple[str, ...]:
    if run.multiverse is None:
        return ()
    axes = "; ".join(f"{axis.label}: {', '.join(o.label for o in axis.options)}" for axis in run.choices.axes)
    return (
        f"Every combination of: prior: {', '.join(run.choices.priors)}; covariance: "
        f"{', '.join(run.choices.covariances)}{'; ' + axes if axes else ''}. {run.multiverse.n_fits} fits of "
        f"{len(run.choices.models)} models. A choice that does not touch a model does not multiply its specifications. "
        "Shares are of those that could be tested, and count choices, not how reasonable they are.",
    )


def _share_row(share: Share) -> dict[str, Value]:
    row: dict[str, Value] = {
        "claim": share.claim_id,
        "n": share.n_tested,
        "n_not_applicable": share.counts.get(Verdict.NOT_APPLICABLE, 0),
    }
    for verdict in Verdict:
        if verdict is not Verdict.NOT_APPLICABLE:
            value = share.share(verdict)
            row[f"{verdict.name.lower()}_shown"] = "" if math.isnan(value) else f"{100.0 * value:.0f} %"
            row[f"share_{verdict.name.lower()}"] = value
    return row


def tabulate_multiverse_options(run: ClaimsRun) -> Table:
    """List the share of specifications that support each claim, option by option."""
    columns = (
        text_column("claim", "Claim"),
        text_column("axis", "Choice"),
        text_column("option", "Option"),
        number_column("n", "Specifications"),
        number_column("n_not_applicable", "Not applicable"),
        shown_column("supported_shown", "Supported"),
        shown_column("likely_shown", "Likely"),
        *exact_columns(*(f"share_{v.name.lower()}" for v in ORDER)),
    )
    labels = option_labels(run.choices)
    kept = {column.name for column in columns}
    rows: list[dict[str, Value]] = []
    for share in run.multiverse.shares if run.multiverse else ():
        if share.axis:
            full = _share_row(share) | {
                "axis": share.axis,
                "option": labels.get((share.axis, share.option), share.option),
            }
            rows.append({name: value for name, value in full.items() if name in kept})
    named = ("claim_multiverse_options", f"{run.study.id}: the multiverse, option by option")
    return _table(run, named, columns, rows)
