r"""Whether cohorts are calibrated at full size: simulated publications like the built-in one, and cohorts given each.

Each cohort is drawn by the code that draws the study's own (:func:`bayes_alliance.cohorts.build.draw_cohort`), which
gets the plan and what is printed of the truth. A line of a file for each data set, the truth first, so that an
interrupted run goes on where it stopped; a line of another file for each study whose cohorts are all there, with ranks
alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from bayes_alliance.cohorts.build import BuiltCohort, draw_cohort
from bayes_alliance.cohorts.conflicts import possible_targets
from bayes_alliance.cohorts.load_plan import load_cohort_plan
from bayes_alliance.cohorts.plan import CohortPlan
from bayes_alliance.cohorts.problems import as_data
from bayes_alliance.cohorts.solver.targets import Target
from bayes_alliance.dev.cohort_calibration import LEVELS, Coverage, RankCheck, check_ranks
from bayes_alliance.dev.small_studies import SmallStudy, _rank_all
from bayes_alliance.dev.whole_study import Member, Truth, draw_truth, print_study
from bayes_alliance.dev.whole_study_measures import (
    GROUPS,
    measure,
    name_coefficients,
    place_of,
    posterior_of,
)
from bayes_alliance.runtime.code_digest import code_digest
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Study

STUDY = "folmo2020"
_MODULE = "bayes_alliance.dev.whole_study_calibration"
_KINDS = ("level and slope of all patients", "effects of predictors")
Line = dict[str, Any]


def calibrate_whole_study(
    work: Path,
    store: Path,
    *,
    studies: int,
    seed: int,
    draws: int,
    report: Callable[[str], None],
    first: int = 0,
) -> list[SmallStudy]:
    """Judge simulated publications of the built-in study's size.

    Parameters
    ----------
    work : Path
        One JSON line a data set, with the digest of the code; those that it has are not drawn again.
    store : Path
        One JSON line a study that is complete.
    studies, seed, draws : int
        How many; the seed of all; cohorts for each.
    report : callable
        Gets a line for each data set.
    first : int
        Number of the first study, so that two processes can share the work.
    """
    study = load_study(STUDY)
    plan, targets = load_cohort_plan(study), possible_targets(study)
    asked = {"code": code_digest(_MODULE), "seed": seed}
    found = []
    with threadpool_limits(limits=1, user_api="blas"):
        for number in range(first, studies):
            judged = _stored(store, {**asked, "study": number, "draws": draws})
            if judged is None:
                lines = _members(work, study, plan, targets, {**asked, "study": number}, draws, report)
                judged = rank_members(lines, np.random.default_rng([seed, number, draws + 1]))
                _append(store, {**asked, "study": number, "draws": draws, **asdict(judged)})
            found.append(judged)
    return found


def _members(
    work: Path,
    study: Study,
    plan: CohortPlan,
    targets: Sequence[Target],
    asked: Line,
    draws: int,
    report: Callable[[str], None],
) -> list[Line]:
    """Lines of the truth and of each draw, those that the file lacks measured now."""
    done = {line["member"]: line for line in read_lines(work, asked)}
    missing = [member for member in range(draws + 1) if member not in done]
    if not missing:
        return [done[member] for member in range(draws + 1)]
    seeds = [asked["seed"], asked["study"]]
    truth = draw_truth(study, plan, targets, np.random.default_rng([*seeds, 0]))
    stated, printed_plan = print_study(study, plan, targets, truth.member)
    for member in missing:
        own = [*seeds, member]
        if member == 0:
            line: Line = {
                "tried": truth.tried,
                "values": measure(study, printed_plan, stated, truth.member, 0),
            }
        else:
            built = draw_cohort(study, printed_plan, stated, member, np.random.default_rng(own))
            assert built is not None
            line = _measure_draw(study, printed_plan, stated, truth, built, own)
        done[member] = {**asked, "member": member, **line}
        _append(work, done[member])
        report(_say(done[member]))
    return [done[member] for member in range(draws + 1)]


def _measure_draw(
    study: Study,
    plan: CohortPlan,
    stated: Sequence[Target],
    truth: Truth,
    built: BuiltCohort,
    seed: Sequence[int],
) -> Line:
    """Measure a cohort; one that misses what is printed counts as failed and is not ranked."""
    line: Line = {"designs": built.designs, "missed": list(built.missed)}
    if built.missed:
        return line
    member = as_member(study, built)
    names = name_coefficients(member)
    known = dict(zip(names, (float(value) for value in truth.coefficients), strict=True))
    places = place_of(known, *posterior_of(member, np.random.default_rng(list(seed))), names)
    return {
        **line,
        "tilt": built.tilt,
        "values": measure(study, plan, stated, member, seed[-1]),
        "places": places,
    }


def as_member(study: Study, built: BuiltCohort) -> Member:
    """Return a drawn cohort as what is measured.

    Raises
    ------
    ValueError
        If it was searched for and not drawn.
    """
    if built.model is None or built.covariances is None or built.recorded is None:
        raise ValueError("a cohort that was searched for has no model to measure it by")
    return Member(
        model=built.model,
        recorded=built.recorded,
        covariances=built.covariances,
        data=as_data(study, built.frame),
    )


def _say(line: Line) -> str:
    what = f"study {line['study']}, "
    if line["member"] == 0:
        return f"{what}truth: {line['tried']} tried"
    missed = f", missed {len(line['missed'])}: {line['missed'][0]}" if line["missed"] else ""
    return f"{what}cohort {line['member']}: {line['designs']} designs{missed}"


def rank_members(lines: Sequence[Line], rng: np.random.Generator) -> SmallStudy:
    """Rank the truth among the cohorts that print the publication.

    Parameters
    ----------
    lines : sequence of dict
        The truth's, then those of the cohorts.
    rng : numpy.random.Generator
        Of ties.

    Returns
    -------
    SmallStudy
        Quantities as ``group|name``, those that every member has as a finite number. ``accepted``: designs used as a
        share of those tried; ``designs``: share of cohorts whose predictors are dealt at random.
    """
    kept = [lines[0], *(line for line in lines[1:] if not line["missed"])]
    ranks: dict[str, list[int]] = {}
    for group, values in lines[0]["values"].items():
        for name in values:
            found = [line["values"][group].get(name, np.nan) for line in kept]
            if np.all(np.isfinite(found)):
                ranks[f"{group}|{name}"] = _rank_all(found, rng)
    drawn = kept[1:]
    tried = sum(line["designs"] for line in lines[1:])
    coefficients = drawn[0]["places"] if drawn else {}
    return SmallStudy(
        ranks=ranks,
        n=len(drawn),
        places={name: float(np.mean([line["places"][name] for line in drawn])) for name in coefficients},
        accepted=len(drawn) / max(tried, 1),
        designs=float(np.mean([line["tilt"] == 0.0 for line in drawn])) if drawn else 0.0,
        failed=len(lines) - len(kept),
    )


def quantities(found: Sequence[SmallStudy]) -> dict[str, tuple[str, ...]]:
    """Return by group the quantities that every study with a draw has."""
    used = [set(study.ranks) for study in found if study.n]
    common = set.intersection(*used) if used else set()
    ordered = [name for study in found[:1] for name in study.ranks if name in common]
    return {group: tuple(name for name in ordered if name.split("|")[0] == group) for group in GROUPS}


def judge_whole_study(found: Sequence[SmallStudy]) -> tuple[list[RankCheck], list[Coverage]]:
    """Check ranks by group of quantities, and coverage by kind of coefficient."""
    ranks = [check_ranks(found, names, group) for group, names in quantities(found).items()]
    return ranks, [cover(found, kind, level) for kind in ("all", *_KINDS) for level in LEVELS]


def cover(found: Sequence[SmallStudy], kind: str, level: float) -> Coverage:
    """How often the mixture's interval covers coefficients of a kind; its error is that over studies."""
    used = [study for study in found if study.n]
    names = [name for name in used[0].places if kind in ("all", _KINDS["effect" in name])]
    places = np.array([[study.places[name] for name in names] for study in used])
    inside = np.abs(places - 0.5) <= level / 2.0
    spread = float(inside.mean(axis=1).std(ddof=1) / np.sqrt(len(used))) if len(used) > 1 else 0.0
    least = float(np.sqrt(level * (1.0 - level) / inside.size))
    return Coverage(
        name=kind, level=level, covered=float(inside.mean()), error=max(spread, least), n=int(inside.size)
    )


def read_whole_studies(store: Path) -> list[SmallStudy]:
    """Return the stored studies.

    Raises
    ------
    ValueError
        If they come from more than one version of the code.
    """
    lines = read_lines(store, {})
    if len({line["code"] for line in lines}) > 1:
        raise ValueError(f"{store}: drawn by several versions of the code; delete the lines of all but one")
    return [_as_study(line) for line in lines]


def _stored(store: Path, asked: Line) -> SmallStudy | None:
    lines = read_lines(store, asked)
    return _as_study(lines[0]) if lines else None


def _as_study(line: Line) -> SmallStudy:
    fields = ("ranks", "n", "places", "accepted", "designs", "failed")
    return SmallStudy(**{name: line[name] for name in fields})


def read_lines(path: Path, asked: Line) -> list[Line]:
    """Return the lines of a file that are of what is asked; none where there is no file."""
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if {key: line.get(key) for key in asked} == asked]


def _append(path: Path, line: Line) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
