"""What all tables of claims share: provenance, stamp, notes, and verdicts in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bayes_alliance.assess.verdict_words import Verdict
from bayes_alliance.claims.change import Change
from bayes_alliance.claims.multiverse_results import Share
from bayes_alliance.claims.results import ClaimResult, commonest, spread_of
from bayes_alliance.show.labels import name_cohorts
from bayes_alliance.show.provenance import cite_study
from bayes_alliance.show.tables.record import Column, Table, Value, build_table
from bayes_alliance.study.records import Source

if TYPE_CHECKING:
    from bayes_alliance.claims.run import ClaimsRun

SOURCES_NOTE = (
    "Printed numbers: from these alone. Synthetic: cohorts built to print the published tables, so agreement on what "
    "was matched is by construction; they are no evidence about the patients. The sources are never pooled."
)


def say_verdict(result: ClaimResult) -> str:
    """Return a verdict in words, with how many parts were tested where that is not all, and ~ near a limit."""
    if result.verdict is Verdict.NOT_APPLICABLE:
        return Verdict.NOT_APPLICABLE.value
    mark = " ~" if result.near_edge else ""
    tested = (
        "" if result.n_tested == len(result.parts) else f" ({result.n_tested} of {len(result.parts)} parts)"
    )
    return f"{result.verdict.value}{tested}{mark}"


def say_synthetic(run: ClaimsRun, claim_id: str) -> str:
    """Return the most frequent verdict over the cohorts, and of how many."""
    counts = spread_of(run.synthetic, claim_id)
    if not counts:
        return ""
    verdict = commonest(counts)
    if verdict is Verdict.NOT_APPLICABLE:
        return verdict.value
    return f"{verdict.value} {counts[verdict]}/{sum(counts.values())}"


def say_spread(run: ClaimsRun, claim_id: str) -> str:
    """Return every verdict over the cohorts with its count."""
    counts = spread_of(run.synthetic, claim_id)
    return ", ".join(f"{verdict.value} {counts[verdict]}" for verdict in Verdict if counts[verdict])


def say_change(change: Change) -> str:
    """Return what would change a verdict first, and into what."""
    if change.verdict is Verdict.NOT_APPLICABLE:
        return ""
    if change.first is None:
        return "none found" if change.kept else "not looked for"
    return f"{change.first.says}: {change.first.verdict.value}"


def _stamp(run: ClaimsRun) -> str:
    return f"rows at hand: {run.source.value}, {run.origin}; run seed {run.settings.seed}"


def _provenance(run: ClaimsRun, *, printed: bool) -> str:
    said = [f"Printed: {cite_study(run.study)}."] if printed else []
    if run.source is Source.SYNTHETIC:
        said.append(f"Rows at hand: SYNTHETIC DATA ({name_cohorts(run.origin)}), not patients’ data.")
    else:
        said.append(f"Rows at hand: {run.source.value} ({run.origin}).")
    said.append(f"Random seed of the run: {run.settings.seed}.")
    return " ".join(said)


def _table(
    run: ClaimsRun,
    named: tuple[str, str],
    columns: Sequence[Column],
    rows: Iterable[dict[str, Value]],
    *notes: str,
    printed: bool = False,
    stamp: str = "",
) -> Table:
    return build_table(named, columns, rows, notes, (_provenance(run, printed=printed), stamp or _stamp(run)))


def _whole_shares(run: ClaimsRun) -> dict[str, Share]:
    found = run.multiverse.shares if run.multiverse else ()
    return {share.claim_id: share for share in found if not share.axis}


def _say_share(share: Share | None) -> str:
    if share is None or not share.n_tested:
        return ""
    return f"{100.0 * share.share(Verdict.SUPPORTED):.0f} % of {share.n_tested}"
