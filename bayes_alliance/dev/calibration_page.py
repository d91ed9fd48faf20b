"""What the calibration of draws given print found: a table, a figure, and the section of docs/given_print.md."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy import special

from bayes_alliance.dev.cohort_calibration import (
    GROUPS,
    LEVELS,
    POINTS,
    Coverage,
    RankCheck,
    compare_ecdf,
    judge,
    read_studies,
    share_outermost,
)
from bayes_alliance.dev.small_draws import FAULTS, Fault
from bayes_alliance.dev.small_studies import SmallStudy

MARKS = "<!-- calibration -->", "<!-- end of calibration -->"
FULL_SIZE_MARKS = "<!-- calibration of the steps at full size -->", "<!-- end of that calibration -->"
STORE, TABLE, FIGURE = (f"calibration_cohorts.{ending}" for ending in ("jsonl", "csv", "png"))
FULL_SIZE_STORE, FULL_SIZE_TABLE, FULL_SIZE_FIGURE = (
    f"calibration_full_size.{ending}" for ending in ("jsonl", "csv", "png")
)
_NAMES: dict[Fault, str] = {
    "none": "none",
    "nearest_edge": "targets at the nearest edge",
    "euclidean": "Euclidean moves",
    "flipped_sign": "a flipped sign",
}
_COLOURS = {"none": "#000000", "nearest_edge": "#D55E00", "euclidean": "#0072B2", "flipped_sign": "#009E73"}
Judged = dict[Fault, tuple[list[RankCheck], list[Coverage]]]


def read_all(store: Path) -> dict[Fault, list[SmallStudy]]:
    """Return the stored studies of each fault that has at least two with draws."""
    found = {fault: read_studies(store, fault) for fault in FAULTS}
    return {fault: kept for fault, kept in found.items() if sum(study.n > 0 for study in kept) > 1}


def judge_all(studies: Mapping[Fault, Sequence[SmallStudy]]) -> Judged:
    """Judge the studies of every fault."""
    return {fault: judge(kept) for fault, kept in studies.items()}


def format_table(judged: Judged) -> str:
    """Return every check as a row of CSV."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["fault", "check", "of", "studies", "value", "limit", "p", "worst", "worst_p", "passed"])
    for fault, (ranks, coverage) in judged.items():
        for r in ranks:
            limits = [r.n, f"{r.distance:.4f}", f"{r.band:.4f}", f"{r.p:.4f}"]
            writer.writerow([fault, "ranks", r.name, *limits, r.worst, f"{r.worst_p:.4f}", r.passed])
        for c in coverage:
            found = [c.n, f"{c.covered:.4f}", f"{3.0 * c.error:.4f}"]
            writer.writerow([fault, f"coverage {c.level:g}", c.name, *found, "", "", "", c.passed])
    return file.getvalue()


def format_section(studies: Mapping[Fault, Sequence[SmallStudy]], judged: Judged) -> str:
    """Return the section of the documentation as Markdown."""
    lines = ["", "", "| fault | studies | " + " | ".join(GROUPS) + " | coverage 50, 80, 95 % |"]
    lines.append("|---" * (len(GROUPS) + 3) + "|")
    for fault, (ranks, coverage) in judged.items():
        cells = [_ranks(check) for check in ranks]
        together = [c for c in coverage if c.name == "all"]
        shown = ", ".join(f"{100 * c.covered:.0f}{'' if c.passed else ' (fails)'}" for c in together)
        lines.append(f"| {_NAMES[fault]} | {ranks[0].n} | {' | '.join(cells)} | {shown} |")
    lines += ["", *_sentences(studies, judged)]
    return "\n".join(lines) + "\n"


def _ranks(check: RankCheck) -> str:
    said = f"{check.distance:.3f} of {check.band:.3f}; p {_p(check.p)}"
    return f"{said}; smallest p {_p(check.worst_p)}{'' if check.passed else ' (fails)'}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _sentences(studies: Mapping[Fault, Sequence[SmallStudy]], judged: Judged) -> list[str]:
    honest, (_, coverage) = studies["none"], judged["none"]
    used = [study for study in honest if study.n]
    errors = {c.level: 100.0 * c.error for c in coverage if c.name == "all"}
    single = [c for c in coverage if c.name != "all"]
    failed = [f"{c.name} at {100 * c.level:.0f} %" for c in single if not c.passed]
    accepted = sum(study.accepted for study in used) / len(used)
    designs = sum(study.designs for study in used) / len(used)
    noticed = [
        "no fault" if fault == "none" else _NAMES[fault]
        for fault, (ranks, _) in judged.items()
        if not all(r.passed for r in ranks)
    ]
    return [
        f"{len(used)} studies of {used[0].n} draws. Monte-Carlo errors of the coverage of all coefficients together: "
        + ", ".join(f"{errors[level]:.1f}" for level in LEVELS)
        + f" points; of the {len(single)} coverages of single coefficients {len(single) - len(failed)} lie within "
        f"three of theirs{': not ' + ', '.join(failed) if failed else ''}.",
        f"Steps accepted: {100 * accepted:.0f} % among scores, {100 * designs:.0f} % to other designs. "
        f"Ranks fail with: {', '.join(noticed) or 'nothing'}.",
    ]


def format_full_size(found: Sequence[SmallStudy]) -> str:
    """Return what the steps at full size gave on small publications, as Markdown."""
    ranks, coverage = judge(found)
    used = [study for study in found if study.n]
    lines = ["", "", "| quantities | ranks | truth outermost, % (should be) |", "|---|---|---|"]
    for check, names in zip(ranks, GROUPS.values(), strict=True):
        share, right = share_outermost(found, names)
        lines.append(
            f"| {check.name} | {_ranks(check)} ({check.worst}) | {100 * share:.0f} ({100 * right:.0f}) |"
        )
    lines += ["", "| coefficient | coverage 50, 80, 95 % |", "|---|---|"]
    for name in dict.fromkeys(c.name for c in coverage):
        mine = [c for c in coverage if c.name == name]
        shown = ", ".join(f"{100 * c.covered:.0f}{'' if c.passed else ' (fails)'}" for c in mine)
        lines.append(f"| {name} | {shown} |")
    errors = ", ".join(f"{100 * c.error:.1f}" for c in coverage if c.name == "all")
    accepted = sum(study.accepted for study in used) / len(used)
    dealt = sum(study.designs for study in used) / len(used)
    lines += [
        "",
        f"{len(used)} studies of {_say_range([study.n for study in used])} draws"
        f"{'' if len(used) == len(found) else f'; {len(found) - len(used)} more had none'}. Monte-Carlo errors of the "
        f"coverage of all coefficients: {errors} points. Everything printed was met on {100 * accepted:.0f} % of the "
        f"designs tried; {100 * dealt:.0f} % of the draws have a group dealt at random, the others one that leans.",
    ]
    return "\n".join([*lines, *_say_right_coverage(max(study.n for study in used))]) + "\n"


def _say_right_coverage(draws: int) -> list[str]:
    """Say what intervals of a mixture of so few right draws cover: less than their level, as it is a sample."""
    shown = [
        f"{', '.join(f'{100 * covered:.0f}' for covered in cover_if_right(draws, share))} % where {said}"
        for share, said in ((0.0, "no variance"), (0.5, "half of it"), (0.9, "nine tenths"))
    ]
    return [
        "",
        f"Were all draws right, intervals of a mixture of {draws} would cover {shown[0]} lies between data sets, "
        f"{shown[1]}, {shown[2]} (simulated, normal posteriors): few draws are a small sample of what varies between.",
    ]


def cover_if_right(draws: int, share: float, *, trials: int = 40_000, seed: int = 1) -> list[float]:
    """Coverage of central intervals of a mixture of normal posteriors whose means are right draws.

    Parameters
    ----------
    draws : int
        Posteriors mixed.
    share : float
        Of the variance of the truth that lies between data sets, below 1.
    trials, seed : int
        Of the simulation.

    Returns
    -------
    list of float
        At the levels of :data:`LEVELS`.
    """
    rng = np.random.default_rng(seed)
    between, within = np.sqrt(share), np.sqrt(1.0 - share)
    means = between * rng.standard_normal((trials, draws))
    truth = between * rng.standard_normal(trials) + within * rng.standard_normal(trials)
    place = special.ndtr((truth[:, None] - means) / within).mean(axis=1)
    return [float(np.mean(np.abs(place - 0.5) < level / 2.0)) for level in LEVELS]


def _say_range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def put_section(page: str, section: str, marks: tuple[str, str] = MARKS) -> str:
    """Return a page with the section between its marks replaced."""
    before, rest = page.split(marks[0])
    return before + marks[0] + section + marks[1] + rest.split(marks[1])[1]


def draw_figure(studies: Mapping[Fault, Sequence[SmallStudy]], path: Path) -> None:
    """Draw the differences of the ranks' distributions by group: studies without a fault, and each fault."""
    figure, axes = plt.subplots(1, len(GROUPS), figsize=(10.0, 2.9), sharey=True, layout="constrained")
    for axis, (group, names) in zip(axes, GROUPS.items(), strict=True):
        for fault, kept in studies.items():
            difference = compare_ecdf(kept, names)
            if fault == "none":
                axis.axhspan(-difference.band, difference.band, color="#d9d9d9", lw=0)
                for one in difference.each:
                    axis.plot(POINTS, one, color="#999999", lw=0.4, alpha=0.7)
            style = "-" if fault == "none" else "--"
            axis.plot(POINTS, difference.together, style, color=_COLOURS[fault], lw=1.5, label=_NAMES[fault])
        axis.set_title(group[0].upper() + group[1:], fontsize=9)
        axis.set_xlabel("rank of the truth, as a share")
    axes[0].set_ylabel("distribution less uniform")
    axes[0].legend(fontsize=7, frameon=False, title="fault", title_fontsize=7)
    figure.savefig(path, dpi=150, metadata={"Software": None})
    plt.close(figure)
