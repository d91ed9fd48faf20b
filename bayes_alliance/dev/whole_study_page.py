"""What the calibration on publications of the built-in study's size found: a table and a section of given_print.md."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayes_alliance.dev import calibration_page
from bayes_alliance.dev.cohort_calibration import share_outermost
from bayes_alliance.dev.small_studies import SmallStudy
from bayes_alliance.dev.whole_study_calibration import judge_whole_study, quantities

MARKS = "<!-- calibration on whole studies -->", "<!-- end of calibration on whole studies -->"
STORE, TABLE = "calibration_whole_study.jsonl", "calibration_whole_study.csv"


def format_table(found: Sequence[SmallStudy]) -> str:
    """Return every check as a row of CSV."""
    return calibration_page.format_table({"none": judge_whole_study(found)})


def format_section(found: Sequence[SmallStudy]) -> str:
    """Return the section of the documentation as Markdown."""
    ranks, coverage = judge_whole_study(found)
    groups = quantities(found)
    lines = ["", "", "| quantities | number | ranks | truth outermost, % (should be) |", "|---|---|---|---|"]
    for check in ranks:
        share, right = share_outermost(found, groups[check.name])
        said = f"{check.distance:.3f} of {check.band:.3f}; p {calibration_page._p(check.p)}"
        verdict = "" if check.distance <= check.band else " (fails)"
        worst = f"smallest p {calibration_page._p(check.worst_p)} ({check.worst.split('|')[1]})"
        lines.append(
            f"| {check.name} | {check.quantities} | {said}{verdict}; {worst} "
            f"| {100 * share:.0f} ({100 * right:.0f}) |"
        )
    lines += ["", "| coefficients | coverage 50, 80, 95 % | Monte-Carlo errors, points |", "|---|---|---|"]
    for name in dict.fromkeys(c.name for c in coverage):
        mine = [c for c in coverage if c.name == name]
        shown = ", ".join(f"{100 * c.covered:.0f}{'' if c.passed else ' (fails)'}" for c in mine)
        errors = ", ".join(f"{100 * c.error:.1f}" for c in mine)
        lines.append(f"| {name} | {shown} | {errors} |")
    return "\n".join([*lines, "", _say_draws(found)]) + "\n"


def _say_draws(found: Sequence[SmallStudy]) -> str:
    """Say how many cohorts print what was asked, and on how many of the designs tried."""
    used = [study for study in found if study.n]
    drawn, failed = sum(study.n for study in found), sum(study.failed for study in found)
    without = len(found) - len(used)
    random = float(np.average([study.designs for study in used], weights=[study.n for study in used]))
    tried = sum(study.n / study.accepted for study in used)
    missed = (
        f"{failed} more missed something on every design that a cohort may take" if failed else "none missed"
    )
    none = f" {without} publications had no cohort at all." if without else ""
    return (
        f"{len(found)} publications; {drawn} cohorts print everything that was asked, {missed}.{none} "
        f"Designs tried: {tried:.0f}. On {100 * random:.0f} % of the cohorts predictors are dealt "
        "at random, on the others they lean."
    )
