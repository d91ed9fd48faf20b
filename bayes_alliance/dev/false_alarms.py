"""False alarms of the audit: its findings on tables that are honest by construction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bayes_alliance.dev.dialects import Dialect
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
        """Share of checks that were false alarms."""
        return len(self.examples) / self.checks if self.checks else 0.0


def count_false_alarms(seeds: Iterable[int], dialect: Dialect = "stars") -> FalseAlarms:
    """Invent honest tables in one dialect and audit each.

    Parameters
    ----------
    seeds : iterable of int
        One publication each.
    dialect : str
        How it prints its tables.

    Returns
    -------
    FalseAlarms
    """
    return count_by_dialect(seeds, (dialect,))[dialect]


def count_by_dialect(seeds: Iterable[int], dialects: Sequence[Dialect]) -> dict[Dialect, FalseAlarms]:
    """Invent honest publications, print each in several dialects and audit every table."""
    tallies = {dialect: _Tally() for dialect in dialects}
    for seed in seeds:
        for dialect, tally in tallies.items():
            tally.add(seed, audit_study(invent_table(seed, dialect).study).findings)
    return {dialect: tally.result() for dialect, tally in tallies.items()}


class _Tally:
    """Counts the verdicts of one dialect's tables."""

    def __init__(self) -> None:
        self.tables = 0
        self.counts: dict[str, list[int]] = {}
        self.examples: list[tuple[int, Finding]] = []

    def add(self, seed: int, findings: Iterable[Finding]) -> None:
        self.tables += 1
        for finding in findings:
            row = self.counts.setdefault(finding.check, [0, 0, 0])
            row[0] += 1
            row[1] += finding.verdict is AuditVerdict.INCONSISTENT
            row[2] += finding.verdict in (AuditVerdict.CANNOT_TELL, AuditVerdict.NOT_TESTABLE)
            if finding.verdict is AuditVerdict.INCONSISTENT:
                self.examples.append((seed, finding))

    def result(self) -> FalseAlarms:
        counts = tuple((check, *row) for check, row in sorted(self.counts.items()))
        return FalseAlarms(tables=self.tables, counts=counts, examples=tuple(self.examples))  # type: ignore[arg-type]


def format_false_alarms(found: FalseAlarms) -> Iterator[str]:
    """Format the figures line by line, as a Markdown table."""
    yield "| Check | made | inconsistent | cannot tell |"
    yield "| --- | ---: | ---: | ---: |"
    for check, made, inconsistent, untold in found.counts:
        yield f"| {check} | {made} | {inconsistent} | {untold} |"
    yield ""
    yield (
        f"{found.tables} honest tables: {len(found.examples)} false alarms in {found.checks} checks "
        f"({100 * found.rate:.2f} %)."
    )
    for seed, finding in found.examples:
        yield f"  seed {seed}: {finding.check}, {finding.where}: {finding.printed}: {finding.reasoning}"
