"""Table of the readings that a publication leaves open: prior weights, what is printed for each, posterior weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bayes_alliance.published.reading_audits import OptionAudit
from bayes_alliance.published.reading_weights import OptionWeight, WeighedReading
from bayes_alliance.show.format_numbers import format_fixed
from bayes_alliance.show.tables.audit import make_table
from bayes_alliance.show.tables.record import Table, Value, exact_columns, shown_column, text_column
from bayes_alliance.study.records import Study

NOTES = (
    "A reading is what the publication leaves open; its first option is the study file's own. Weights are "
    "probabilities: prior ones with their source, posterior ones after what is printed. Evidence: likelihood of what "
    "is printed relative to the option with the largest, by kind of print. Formulas: page "
    "Readings of the documentation.",
    "Synthetic cohorts that ship are drawn under the first option of every reading: what they show is conditional on "
    "it.",
)


def tabulate_readings(
    study: Study, weighed: Sequence[WeighedReading], audits: Sequence[OptionAudit]
) -> Table:
    """List every option of every reading with its weights and where they come from.

    Parameters
    ----------
    weighed : sequence of WeighedReading
        Of :func:`bayes_alliance.published.reading_weights.weigh_readings`.
    audits : sequence of OptionAudit
        Of the same readings.
    """
    columns = [
        text_column("reading", "What is open"),
        text_column("option", "Reading"),
        shown_column("prior_shown", "Prior weight"),
        text_column("evidence", "Evidence in print"),
        shown_column("posterior_shown", "Posterior weight"),
        text_column("audit", "Audit under it"),
        text_column("source", "Source of the prior weight"),
        *exact_columns("prior", "posterior", "log_likelihood"),
    ]
    by_option = {(one.reading, one.option): one for one in audits}
    rows: list[dict[str, Value]] = []
    for one in weighed:
        for weight in one.options:
            rows.append(
                {
                    "reading": one.reading.label,
                    "option": weight.option.label,
                    "prior_shown": format_fixed(weight.prior, 2),
                    "evidence": say_evidence(one, weight),
                    "posterior_shown": format_fixed(weight.posterior, 2),
                    "audit": _say_audit(study, by_option.get((one.reading.id, weight.option.id))),
                    "source": weight.option.source,
                    "prior": weight.prior,
                    "posterior": weight.posterior,
                    "log_likelihood": weight.log_likelihood if weight.evidence else None,
                }
            )
    return make_table(study, "readings", "Readings that the publication leaves open", columns, rows, *NOTES)


def say_evidence(one: WeighedReading, weight: OptionWeight) -> str:
    """Return the relative likelihood of each kind of print, in words."""
    if not one.is_told:
        return "nothing printed tells; the weight is the prior's"
    said = []
    for i, (kind, value) in enumerate(weight.evidence):
        best = max(other.evidence[i][1] for other in one.options)
        said.append(f"{kind}: {_ratio(math.exp(value - best))}")
    return "; ".join(said)


def _ratio(value: float) -> str:
    return "1" if value > 0.995 else format_fixed(value, 2) if value >= 0.01 else "< 0.01"


def _say_audit(study: Study, audit: OptionAudit | None) -> str:
    if audit is None:
        return ""
    said = [f"{audit.n_inconsistent} inconsistent"]
    said += [f"{finding.verdict.value}: {finding.check}, {finding.where}" for finding in audit.changed[:4]]
    if len(audit.changed) > 4:
        said.append(f"{len(audit.changed) - 4} more differ")
    labels = {model.id: model.label for model in study.models}
    if audit.impossible:
        said.append("AIC not possible: " + ", ".join(labels[name] for name in audit.impossible))
    return "; ".join(said)
