"""What the calibration on publications of the built-in study's size found: a table and a section of given_print.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

from bayes_alliance.dev import calibration_page
from bayes_alliance.dev.cohort_calibration import share_outermost
from bayes_alliance.dev.small_studies import SmallStudy
from bayes_alliance.dev.whole_study_calibration import judge_whole_study, quantities

MARKS = "<!-- calibration on whole studies -->", "<!-- end of calibration on whole studies -->"
STORE, TABLE = "calibration_whole_study.jsonl", "calibration_whole_study.csv"
PLACES = "calibration_whole_study_places.jsonl"
_EDGE = 1e-6
_DIGITS = 6
# Of the variance between data sets: where the coverage of right draws is simulated, and read off in between.
_SHARES = np.linspace(0.0, 0.95, 20)


def format_table(found: Sequence[SmallStudy]) -> str:
    """Return every check as a row of CSV."""
    return calibration_page.format_table({"none": judge_whole_study(found)})


def keep_places(lines: Iterable[Mapping[str, Any]]) -> str:
    """Return where the truth lies in the posteriors of every cohort, as JSON lines, from those of a campaign."""
    kept = {}
    for line in lines:
        places = line.get("places")
        if isinstance(places, dict):
            rounded = {name: round(float(place), _DIGITS) for name, place in places.items()}
            one = {"study": line["study"], "member": line["member"], "places": rounded}
            kept[line["study"], line["member"]] = json.dumps(one)
    return "".join(f"{kept[key]}\n" for key in sorted(kept))


def cover_if_right(kept: str) -> list[float]:
    """Coverage at every level that the mixtures would have, were the cohorts right draws.

    The share of a coefficient's variance that lies between cohorts follows from how much the normal scores of the
    truth's places differ between cohorts of one publication; a mixture of few cohorts is a small sample of it.

    Parameters
    ----------
    kept : str
        As :func:`keep_places` returns it.

    Returns
    -------
    list of float
        Means over all coefficients.
    """
    studies: dict[int, list[dict[str, float]]] = {}
    for line in kept.splitlines():
        one = json.loads(line)
        studies.setdefault(one["study"], []).append(one["places"])
    names = sorted(set.intersection(*(set(places) for mine in studies.values() for places in mine)))
    spread = [
        special.ndtri(np.clip([[one[name] for name in names] for one in mine], _EDGE, 1.0 - _EDGE)).var(
            axis=0, ddof=1
        )
        for mine in studies.values()
        if len(mine) > 1
    ]
    ratio = np.mean(spread, axis=0)
    draws = max(len(mine) for mine in studies.values())
    simulated = np.array([calibration_page.cover_if_right(draws, float(share)) for share in _SHARES])
    return [float(np.mean(np.interp(ratio / (1.0 + ratio), _SHARES, column))) for column in simulated.T]


def format_section(found: Sequence[SmallStudy], kept: str = "") -> str:
    """Return the section of the documentation as Markdown; with the places of all cohorts, what right ones cover."""
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
    if kept:
        covers = ", ".join(f"{100 * covered:.0f}" for covered in cover_if_right(kept))
        lines.append(f"| all, were all cohorts right draws | {covers} | |")
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
