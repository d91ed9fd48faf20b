"""Audit and posterior from print on many invented publications: one line of a file each, so that a run can be resumed.

Each publication is printed in several dialects. Its honest tables are audited, and the posterior of every printed
effect is compared with that of the data behind it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayes_alliance.dev.dialects import DIALECTS, Dialect
from bayes_alliance.dev.false_alarms import count_false_alarms
from bayes_alliance.dev.published_recovery import Fit, count_agreement, once_per_seed, recover
from bayes_alliance.inference.collapsed import fit_collapsed

Line = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class DialectSummary:
    """What a campaign found in one dialect.

    Parameters
    ----------
    dialect : str
        How the tables print.
    papers : int
        Invented publications.
    checks : tuple of (str, int, int, int)
        Check of the audit, how often it was made, said inconsistent, could not tell.
    alarms : tuple of (int, str)
        Seed and finding of every false alarm.
    within, quantities : int
        How many means, SDs, ends of intervals and P(direction) of the posteriors from the data lie within the bands
        of the posteriors from the table, of how many.
    papers_within, papers_mostly : int
        Publications with every one of these numbers within its band, and with at least 95 % of them.
    kinds : tuple of (str, str, int, int)
        Kind of cell, quantity, how many within, of how many.
    """

    dialect: Dialect
    papers: int
    checks: tuple[tuple[str, int, int, int], ...]
    alarms: tuple[tuple[int, str], ...]
    within: int
    quantities: int
    papers_within: int
    papers_mostly: int
    kinds: tuple[tuple[str, str, int, int], ...]

    @property
    def made(self) -> int:
        """Checks of the audit in all."""
        return sum(made for _, made, _, _ in self.checks)

    @property
    def untold(self) -> int:
        """Checks that could not tell."""
        return sum(untold for *_, untold in self.checks)


def run_campaign(
    path: Path,
    seeds: Iterable[int],
    *,
    dialects: Sequence[Dialect] = DIALECTS,
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """Judge publications in every dialect, those that the file already holds left out.

    Parameters
    ----------
    path : Path
        One JSON line a publication.
    seeds : iterable of int
        One publication each.
    dialects : sequence of str
        How their tables print.
    report : callable
        Gets a line for each publication.
    """
    _drop_cut_line(path)
    done = {line["seed"] for line in read_lines([path])}
    fit = once_per_seed(lambda design, rows, priors, seed: fit_collapsed(design, rows, priors, seed=seed))
    for seed in seeds:
        if seed in done:
            continue
        line = {"seed": seed, "dialects": {dialect: _judge(seed, dialect, fit) for dialect in dialects}}
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        report(f"publication {seed}")


def _judge(seed: int, dialect: Dialect, fit: Fit) -> dict[str, Any]:
    alarms = count_false_alarms([seed], dialect)
    return {
        "checks": {check: counts for check, *counts in alarms.counts},
        "alarms": [f"{one.check}, {one.where}: {one.printed}: {one.reasoning}" for _, one in alarms.examples],
        "posterior": {
            kind: {name: [int(count) for count in pair] for name, pair in by.items()}
            for kind, by in count_agreement(recover([seed], fit, dialect=dialect)).items()
        },
    }


def _drop_cut_line(path: Path) -> None:
    """Drop a last line that a kill cut short."""
    if path.exists():
        text = path.read_text(encoding="utf-8")
        path.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")


def read_lines(paths: Iterable[Path]) -> list[Line]:
    """Return the publications of some files, by seed."""
    found: dict[int, Line] = {}
    for path in paths:
        for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            line = json.loads(text)
            found[line["seed"]] = line
    return [found[seed] for seed in sorted(found)]


def summarise_campaign(lines: Sequence[Line]) -> tuple[DialectSummary, ...]:
    """Add up a campaign by dialect."""
    dialects: list[Dialect] = [d for d in DIALECTS if lines and d in lines[0]["dialects"]]
    return tuple(_summarise(d, [(line["seed"], line["dialects"][d]) for line in lines]) for d in dialects)


def _summarise(dialect: Dialect, found: Sequence[tuple[int, Line]]) -> DialectSummary:
    checks: dict[str, list[int]] = {}
    kinds: dict[tuple[str, str], list[int]] = {}
    shares = []
    for _, one in found:
        for check, counts in one["checks"].items():
            _add(checks.setdefault(check, [0, 0, 0]), counts)
        paper = [0, 0]
        for kind, quantities in one["posterior"].items():
            for quantity, counts in quantities.items():
                _add(kinds.setdefault((kind, quantity), [0, 0]), counts)
                _add(paper, counts)
        shares.append(paper[0] / paper[1])
    total = Counter(within=0, of=0)
    for within, of in kinds.values():
        total.update(within=within, of=of)
    return DialectSummary(
        dialect=dialect,
        papers=len(found),
        checks=tuple((check, *counts) for check, counts in sorted(checks.items())),  # type: ignore[misc]
        alarms=tuple((seed, text) for seed, one in found for text in one["alarms"]),
        within=total["within"],
        quantities=total["of"],
        papers_within=sum(share == 1.0 for share in shares),
        papers_mostly=sum(share >= 0.95 for share in shares),
        kinds=tuple((*key, *counts) for key, counts in sorted(kinds.items())),  # type: ignore[misc]
    )


def _add(total: list[int], counts: Sequence[int]) -> None:
    for index, count in enumerate(counts):
        total[index] += count
