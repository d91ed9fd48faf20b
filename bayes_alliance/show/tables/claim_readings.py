"""Table of claims under every reading of the publication, and mixed over its options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bayes_alliance.assess.verdict_words import Verdict
from bayes_alliance.claims.readings import ReadingVerdict
from bayes_alliance.claims.results import ClaimResult
from bayes_alliance.show.format_numbers import format_fixed
from bayes_alliance.show.tables.claim_table import _table, say_verdict
from bayes_alliance.show.tables.record import Table, Value, shown_column, text_column
from bayes_alliance.study.records import Source

if TYPE_CHECKING:
    from bayes_alliance.claims.run import ClaimsRun

NOTES = (
    "One reading at a time, the others at their first option; weights after print (table readings). Mixed: over the "
    "options that can judge the claim, with their weight. Not applicable: under that option the number is not printed.",
    "Synthetic rows were drawn under the first option of every reading. Under another one they show what these data "
    "give when analysed so, not what the publication would then let one believe: the mixture is conditional on them.",
)


def tabulate_claim_readings(run: ClaimsRun) -> Table:
    """List the verdicts on every claim that a reading touches, option by option, and on their mixture."""
    columns = (
        text_column("claim", "Claim"),
        text_column("reading", "What is open"),
        text_column("option", "Reading"),
        shown_column("weight", "Weight"),
        text_column("printed", "Verdict: printed numbers"),
        text_column("at_hand", "Verdict: rows at hand"),
        text_column("changes", "Changes"),
    )
    rows = [row for one in run.readings for row in _rows(one)]
    title = f"{run.study.id}: verdicts by reading of the publication"
    stamp = "column printed: printed; column at_hand: " + run.source.value
    return _table(run, ("claim_readings", title), columns, rows, *NOTES, printed=True, stamp=stamp)


def _rows(one: ReadingVerdict) -> Iterator[dict[str, Value]]:
    for i, weight in enumerate(one.reading.options):
        yield {
            "claim": one.claim_id,
            "reading": one.reading.reading.label,
            "option": weight.option.label,
            "weight": format_fixed(weight.posterior, 2),
            "printed": _say(one.printed[i]),
            "at_hand": _say(one.at_hand[i]),
            "changes": "yes" if _differs(one, i) else "",
        }
    if one.printed_mixture is not None or one.at_hand_mixture is not None:
        weight_shown = one.printed_weight if one.printed_mixture is not None else one.at_hand_weight
        yield {
            "claim": one.claim_id,
            "reading": one.reading.reading.label,
            "option": "mixed over these",
            "weight": format_fixed(weight_shown, 2),
            "printed": _say(one.printed_mixture),
            "at_hand": _say(one.at_hand_mixture),
            "changes": "",
        }


def _say(result: ClaimResult | None) -> str:
    return "" if result is None else say_verdict(result)


def _differs(one: ReadingVerdict, i: int) -> bool:
    """Whether a verdict under an option differs from that under the first, where both can be had."""
    for results in (one.printed, one.at_hand):
        first, other = results[0], results[i]
        if first is not None and other is not None and other.verdict is not first.verdict:
            return True
    return False


def say_reading_change(run: ClaimsRun, claim_id: str) -> str:
    """Return which readings would change a verdict, with their weights and the source; empty where none would."""
    said = []
    for one in run.readings:
        if one.claim_id != claim_id:
            continue
        for i, weight in enumerate(one.reading.options):
            for source, results in ((Source.PRINTED, one.printed), (run.source, one.at_hand)):
                first, other = results[0], results[i]
                if first is None or other is None or Verdict.NOT_APPLICABLE in (first.verdict, other.verdict):
                    continue
                if other.verdict is not first.verdict:
                    shown = format_fixed(weight.posterior, 2)
                    said.append(
                        f"{weight.option.label} (weight {shown}; {source.value}): {other.verdict.value}"
                    )
    return "; ".join(said)
