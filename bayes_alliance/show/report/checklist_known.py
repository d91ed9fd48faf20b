"""What the items of the reporting checklist are filled from, and the kinds of answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bayes_alliance.claims.change import FAMILY_LABELS, Family
from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.report.record import Companion, Status


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the items are filled from."""

    results: StudyResults
    companions: dict[str, Companion]
    n_audited: int

    def has(self, key: str) -> bool:
        """Whether another command's results are there."""
        return key in self.companions and not self.companions[key].missing

    def tried(self, families: Sequence[Family]) -> tuple[str, ...]:
        """Return which kinds of departures the claims tried, in words."""
        labels = [FAMILY_LABELS[family] for family in families]
        return tuple(label for label in labels if any(label in c.tried for c in self.companions.values()))

    @property
    def has_posterior(self) -> bool:
        """Whether the run has any posterior."""
        return any(run.posterior is not None for run in self.results.runs)


Said = tuple[Status, str]
Fill = Callable[[Known], Said]


def needs_posterior(fill: Fill) -> Fill:
    """Leave an item open in a run without a posterior."""

    def filled(known: Known) -> Said:
        return fill(known) if known.has_posterior else ("open", "No posterior was asked for in this run.")

    return filled


def from_companion(key: str, what: str, command: str, *families: Family) -> Fill:
    """Fill an item by another command's results, or in part by what the claims tried of these kinds."""

    def filled(known: Known) -> Said:
        if known.has(key):
            return "filled", f"See section {known.companions[key].title}: {what}."
        tried = known.tried(families)
        if tried:
            return "in part", f"Tried with the claims, whose cards say what it changes: {', '.join(tried)}."
        return "open", f"Needs '{command} {known.results.study.id}', which was not run beside this run."

    return filled
