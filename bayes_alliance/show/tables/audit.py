"""Tables of what printed numbers alone can tell: audit, posteriors, reverse-Bayes, interaction, forensics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bayes_alliance.published.aic_forensics import Combination
from bayes_alliance.published.audit import Audit
from bayes_alliance.published.findings import AuditVerdict
from bayes_alliance.show.format_numbers import format_count
from bayes_alliance.show.provenance import STAMP, provenance
from bayes_alliance.show.tables.record import Column, Table, Value, build_table, number_column, text_column
from bayes_alliance.study.records import Study

# Worst first.
ORDER = (
    AuditVerdict.INCONSISTENT,
    AuditVerdict.CANNOT_TELL,
    AuditVerdict.NOT_TESTABLE,
    AuditVerdict.CONSISTENT,
)


def make_table(
    study: Study,
    table_id: str,
    title: str,
    columns: Sequence[Column],
    rows: Iterable[dict[str, Value]],
    *notes: str,
) -> Table:
    """Build a table whose numbers come from printed cells."""
    return build_table((table_id, title), columns, rows, notes, (provenance(study), STAMP))


def tabulate_audit(study: Study, audit: Audit) -> Table:
    """List every finding: inconsistent ones first, then those that cannot be told, then the rest."""
    columns = [
        text_column("verdict", "Verdict"),
        text_column("check", "Check"),
        text_column("where", "Where"),
        text_column("printed", "Printed"),
        text_column("reasoning", "Reasoning"),
        text_column("numbers", "Numbers"),
        text_column("alternatives", "What else could explain it"),
    ]
    rows: list[dict[str, Value]] = [
        {
            "verdict": finding.verdict.value,
            "check": finding.check,
            "where": finding.where,
            "printed": finding.printed,
            "reasoning": finding.reasoning,
            "numbers": "; ".join(f"{name}: {text}" for name, text in finding.numbers),
            "alternatives": "; ".join(finding.alternatives),
        }
        for verdict in ORDER
        for finding in audit.of(verdict)
    ]
    note = "An inconsistency says that printed numbers cannot stand together as stated, not which one is off."
    return make_table(study, "audit", "Audit of the printed numbers", columns, rows, note)


def count_findings(audit: Audit) -> str:
    """Return how many checks came out how; numbers that nothing printed can test are counted apart."""
    tested = [verdict for verdict in AuditVerdict if verdict is not AuditVerdict.NOT_TESTABLE]
    counts = {verdict: len(audit.of(verdict)) for verdict in AuditVerdict}
    n_tested = sum(counts[verdict] for verdict in tested)
    said = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in tested)
    untested = counts[AuditVerdict.NOT_TESTABLE]
    more = f" ({format_count(untested, 'more number')} not testable)" if untested else ""
    return f"{format_count(n_tested, 'check')}: {said}{more}"


def tabulate_audit_counts(study: Study, audit: Audit) -> Table:
    """Count verdicts by kind of check."""
    names = [verdict.value for verdict in AuditVerdict]
    columns = [text_column("check", "Check"), *(number_column(name, name) for name in names)]
    rows: list[dict[str, Value]] = [{"check": check, **counts} for check, counts in audit.counts().items()]
    totals = {name: sum(counts[name] for counts in audit.counts().values()) for name in names}
    return make_table(
        study, "audit_counts", "Verdicts by kind of check", columns, [*rows, {"check": "all", **totals}]
    )


def tabulate_forensics(study: Study, combinations: Sequence[Combination]) -> Table:
    """List which ways of computing could have printed the AICs beside the estimates."""
    columns = [
        text_column("criterion", "Criterion"),
        text_column("dialect", "AIC as in"),
        text_column("sample", "Patients of the predictor's models"),
        text_column("covariance", "Covariance"),
        number_column("possible", "AICs possible"),
        text_column("impossible", "Not possible"),
        text_column("strained", "Only if level and slope correlate by 0.6 or more"),
        text_column("unknown", "Not known"),
    ]
    names = {"ml": "any program", "spss_reml": "SPSS", "lme4_reml": "lme4"}
    rows: list[dict[str, Value]] = [
        {
            "criterion": one.criterion,
            "dialect": names[one.dialect],
            "sample": one.sample.label,
            "covariance": one.covariance,
            "possible": sum(line.possible is True for line in one.lines),
            "impossible": ", ".join(one.impossible),
            "strained": ", ".join(line.model for line in one.lines if line.possible and line.needed >= 0.6),
            "unknown": ", ".join(one.unknown),
        }
        for one in combinations
    ]
    note = "The covariance type cancels in a change of AIC, so that these numbers cannot tell UN from VC."
    return make_table(
        study, "forensics", "Which way of computing could have printed these AICs", columns, rows, note
    )
