"""Whether weights of readings are calibrated: publications whose readings follow the prior weights, counted.

Each publication of :mod:`bayes_alliance.dev.invented_readings` gives the weights of its options and which is true. If
weights are probabilities, of options with weight w a share w is true, and the true one has a larger weight than
beforehand.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from bayes_alliance.dev.invented_readings import PRIORS, weigh_known
from bayes_alliance.published.reading_weights import WeighedReading

FILE = "calibration_readings.csv"
WEIGHTS, END_WEIGHTS = "<!-- weights -->", "<!-- end of weights -->"
START, END = "<!-- calibration of readings -->", "<!-- end of calibration of readings -->"
BINS = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)
_HEADER = ("seed", "reading", "true", "weights")
_NAMES = {"rows": "patients behind the models", "cells": "what rows of a crossed factor are compared with"}


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """One reading of one publication: the number of the true option, and the weights."""

    seed: int
    reading: str
    true: int
    weights: tuple[float, ...]


def read_weighed(path: Path) -> list[Weighed]:
    """Read what is stored; none where there is no file."""
    if not path.exists():
        return []
    return [
        Weighed(
            seed=int(row["seed"]),
            reading=row["reading"],
            true=int(row["true"]),
            weights=tuple(map(float, row["weights"].split())),
        )
        for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    ]


def weigh_more(path: Path, n: int, report: Callable[[str], None]) -> None:
    """Weigh publications until the file has ``n``; one killed goes on where it was."""
    done = {one.seed for one in read_weighed(path)}
    if not path.exists():
        path.write_text(",".join(_HEADER) + "\n", encoding="utf-8")
    for seed in range(n):
        if seed in done:
            continue
        known, weighed = weigh_known(seed)
        lines = [
            f"{seed},{one.reading.id},{known.truth[one.reading.id]},"
            + " ".join(f"{option.posterior:.5f}" for option in one.options)
            for one in weighed
        ]
        with path.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        report(f"publication {seed}")


def log_gain(found: list[Weighed], reading: str) -> tuple[float, float]:
    """Return how much larger the log weight of the truth is than beforehand, on average, and its Monte-Carlo error."""
    own = [one for one in found if one.reading == reading]
    gains = [math.log(max(one.weights[one.true], 1e-12) / PRIORS[reading][one.true]) for one in own]
    return float(np.mean(gains)), float(np.std(gains, ddof=1) / math.sqrt(len(gains)))


def reliability(found: list[Weighed], reading: str) -> list[tuple[float, float, int, float, float]]:
    """Return by range of weights: its ends, options, mean weight, share of them that are true."""
    own = [one for one in found if one.reading == reading]
    pairs = [(w, float(i == one.true)) for one in own for i, w in enumerate(one.weights)]
    lines = []
    for low, high in pairwise(BINS):
        inside = [pair for pair in pairs if low <= pair[0] < high or (high == 1.0 == pair[0])]
        if inside:
            weights, true = np.array(inside).T
            lines.append((low, high, len(inside), float(weights.mean()), float(true.mean())))
    return lines


def format_calibration(found: list[Weighed]) -> str:
    """Return the section of docs/readings.md."""
    parts = [START, ""]
    for reading, name in _NAMES.items():
        own = [one for one in found if one.reading == reading]
        gain, error = log_gain(found, reading)
        before = float(np.mean([PRIORS[reading][one.true] for one in own]))
        after = float(np.mean([one.weights[one.true] for one in own]))
        parts += [
            f"*{name}*, {len(own)} publications: mean weight of the true option {before:.2f} before and "
            f"{after:.2f} after; mean gain of its log weight {gain:.2f} (Monte-Carlo error {error:.2f}).",
            "",
            "| weight | options | mean weight | share true | Monte-Carlo error |",
            "|---|---|---|---|---|",
        ]
        for low, high, count, mean, share in reliability(found, reading):
            spread = math.sqrt(max(mean * (1.0 - mean), 1e-9) / count)
            parts.append(f"| {low:g} to {high:g} | {count} | {mean:.3f} | {share:.3f} | {spread:.3f} |")
        parts.append("")
    return "\n".join([*parts, END])


def format_weights(weighed: Sequence[WeighedReading]) -> str:
    """Return the rows of the table of weights of docs/readings.md."""
    head = ["", "| reading | option | prior | posterior |", "|---|---|---|---|"]
    lines = [
        f"| {one.reading.label} | {weight.option.label} | {weight.prior:.2f} | {weight.posterior:.2f} |"
        for one in weighed
        for weight in one.options
    ]
    return "\n".join([WEIGHTS, *head, *lines, "", END_WEIGHTS])


def put_sections(page: str, found: list[Weighed], weighed: Sequence[WeighedReading]) -> str:
    """Return the page with both made sections replaced."""
    for first, last, text in (
        (START, END, format_calibration(found)),
        (WEIGHTS, END_WEIGHTS, format_weights(weighed)),
    ):
        before, rest = page.split(first, 1)
        page = before + text + rest.split(last, 1)[1]
    return page
