"""Verdicts on the built-in study in version 0.1.0 beside today's: the section of docs/claims.md.

What 0.1.0 said (commit 674b3ab, ``claims folmo2020 --quick``, seed 2020) and the reason of each change stand in
docs/verdicts_since_0_1_0.csv, and so do today's verdicts, which tests hold to a run.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

MARKS = ("<!-- verdicts since 0.1.0 -->", "<!-- end of verdicts since 0.1.0 -->")
TODAYS_WORD = {"weakened": "likely", "not supported": "undecided", "untestable": "not applicable"}


def read_verdicts(path: Path) -> list[dict[str, str]]:
    """Return the rows of the file, one a claim."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def format_verdicts(rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Format a Markdown table of the claims whose verdict is another, and say how many are the same."""
    changed = [row for row in rows if row["reason"]]
    same = len(rows) - len(changed)
    yield (
        f"{same} of {len(rows)} claims have the verdict they had, but for its word (*weakened* is *likely* now, *not "
        f"supported* undecided, *untestable* not applicable); {len(changed)} have another, from print or from cohorts:"
    )
    yield ""
    yield "| claim | 0.1.0: print | 0.1.0: most of ten cohorts | print | mixture of the cohorts | why |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in changed:
        cells = ("printed_0_1_0", "cohorts_0_1_0", "printed", "mixture", "reason")
        yield f"| `{row['claim']}` | " + " | ".join(row[name] for name in cells) + " |"


def has_changed(row: Mapping[str, str]) -> bool:
    """Whether a verdict, from print or from cohorts, is another than 0.1.0's, words apart."""
    before = (row["printed_0_1_0"], row["cohorts_0_1_0"].rpartition(" ")[0])
    return tuple(TODAYS_WORD.get(word, word) for word in before) != (row["printed"], row["mixture"])
