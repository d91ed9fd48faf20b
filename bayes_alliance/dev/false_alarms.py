"""How often the audit cries wolf: its findings on tables that are honest by construction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bayes_alliance.dev.invented import invent_table
from bayes_alliance.published.audit import audit_study
from bayes_alliance.published.findings import AuditVerdict, Finding


@dataclass(frozen=True, kw_only=True)
class FalseAlarms:
    """Verdicts on honest tables, by kind of check.

    Parameters
    ----------
    tables : int
        How many were audited.
    counts : tuple of (str, int, int, int)
        Check, how often it was made, how often it said inconsistent, how often it could not tell.
    examples : tuple of (int, Finding)
        Seed and finding of every false alarm.
    """

    tables: int
    counts: tuple[tuple[str, int, int, int], ...]
    examples: tuple[tuple[int, Finding], ...]

    @property
    def checks(self) -> int:
        """Checks made in all."""
        return sum(made for _, made, _, _ in self.counts)

    @property
    def rate(self) -> float:
        """Share of checks that cried wolf."""
        return len(self.examples) / self.checks if self.checks else 0.0


def count_false_alarms(seeds: Iterable[int]) -> FalseAlarms:
    """Invent honest tables and audit each.

    Parameters
    ----------
    seeds : iterable of int
        One table each.

    Returns
    -------
    FalseAlarms
    """
    tally: dict[str, list[int]] = {}
    examples = []
    tables = 0
    for seed in seeds:
        tables += 1
        for finding in audit_study(invent_table(seed).study).findings:
            row = tally.setdefault(finding.check, [0, 0, 0])
            row[0] += 1
            row[1] += finding.verdict is AuditVerdict.INCONSISTENT
            row[2] += finding.verdict is AuditVerdict.CANNOT_TELL
            if finding.verdict is AuditVerdict.INCONSISTENT:
                examples.append((seed, finding))
    counts = tuple((check, *row) for check, row in sorted(tally.items()))
    return FalseAlarms(tables=tables, counts=counts, examples=tuple(examples))  # type: ignore[arg-type]


def format_false_alarms(found: FalseAlarms) -> Iterator[str]:
    """Format the figures line by line, as a Markdown table."""
    yield "| Check | made | inconsistent | cannot tell |"
    yield "| --- | ---: | ---: | ---: |"
    for check, made, inconsistent, untold in found.counts:
        yield f"| {check} | {made} | {inconsistent} | {untold} |"
    yield ""
    yield (
        f"{found.tables} honest tables: {len(found.examples)} of {found.checks} checks cried wolf "
        f"({100 * found.rate:.2f} %)."
    )
    for seed, finding in found.examples:
        yield f"  seed {seed}: {finding.check}, {finding.where}: {finding.printed}: {finding.reasoning}"
