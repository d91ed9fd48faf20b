"""Many cohorts of one study, each from its own seed, and what differs between them.

Cohorts differ in who has what, when they came, where within each rounding interval a number lies, and in all that was
not printed. How far the answers to one question spread over them is how far that answer rests on what was not
printed. A cohort that misses something or is implausible is built again from the next seed of its own, a few times;
what is left is said on its scorecard. Finished cohorts are kept, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from bayes_alliance.cohorts.build import BuiltCohort, build_cohort
from bayes_alliance.cohorts.comparisons import score_comparisons
from bayes_alliance.cohorts.conflicts import say_conflicts
from bayes_alliance.cohorts.estimates import brief, estimate_cohort
from bayes_alliance.cohorts.given_design import check_design, hide_patients
from bayes_alliance.cohorts.load_plan import load_cohort_plan
from bayes_alliance.cohorts.places import Places
from bayes_alliance.cohorts.plan import CohortPlan
from bayes_alliance.cohorts.plausibility import Trait, judge_cohort
from bayes_alliance.cohorts.rebuild import rebuild_cohort
from bayes_alliance.cohorts.scorecard import Line, Scorecard, score_cohort
from bayes_alliance.cohorts.solver.targets import list_targets
from bayes_alliance.cohorts.store import (
    DESIGN_STAMP,
    STAMP,
    cohort_key,
    read_cohort,
    write_cohort,
)
from bayes_alliance.cohorts.typicality import measure_cohort
from bayes_alliance.data.rows import StudyData, data_from_frame
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.runtime.code_digest import code_digest
from bayes_alliance.runtime.pool import prepare_worker, stop_pool
from bayes_alliance.runtime.progress import Reporter, report_step
from bayes_alliance.study.records import Source, Study

ATTEMPTS = 4
BUILDER = __name__


def build_ensemble(
    study: Study,
    folder: Path,
    *,
    count: int,
    seed: int,
    jobs: int,
    report: Reporter,
    design: StudyData | None = None,
) -> list[Path]:
    """Build cohorts 0 to ``count - 1`` of a seed; those already built are kept.

    Parameters
    ----------
    study : Study
        With cells and a cohort file.
    folder : Path
        Where they are stored.
    count, seed : int
        How many, and of which seed; the first ones of a seed do not depend on how many follow.
    jobs : int
        Processes at a time.
    report : callable
        Gets a line for each cohort.
    design : StudyData, optional
        Patients, visits and predictors of every cohort; without it, the study's cohort plan deals them out.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If the study prints nothing of its models, has neither plan nor design, or an outcome decides a predictor
        of a given design.
    """
    check_printed(study, design)
    key = _key(study, design)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"cohort_{index:03d}.parquet" for index in range(count)]
    missing = [index for index, path in enumerate(paths) if not _is_done(path, key, seed)]
    report(f"{count - len(missing)} of {count} cohorts already built")
    started = time.perf_counter()
    for done, (index, facts) in enumerate(_build_all(study, paths, missing, seed, jobs, design), start=1):
        left = (time.perf_counter() - started) / done * (len(missing) - done)
        line = f"[{done}/{len(missing)}] {paths[index].stem}: {_say(facts)}; about {left:.0f} s left"
        report_step(report, done=count - len(missing) + done, total=count, unit="cohorts built", line=line)
    return paths


def _is_done(path: Path, key: str, seed: int) -> bool:
    if not path.exists():
        return False
    try:
        facts = read_cohort(path).facts
    except InputError:
        return False
    current = {"key": key, "ensemble_seed": seed, "code": code_digest(BUILDER)}
    return all(facts.get(name) == value for name, value in current.items())


def _build_all(
    study: Study,
    paths: Sequence[Path],
    missing: Sequence[int],
    seed: int,
    jobs: int,
    design: StudyData | None,
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if jobs <= 1:
        for index in missing:
            yield index, build_one(study, paths[index], seed, index, design)
        return
    # A fresh interpreter for each worker: forked ones would share the state of numerical libraries.
    others = set(multiprocessing.active_children())
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=prepare_worker) as pool:
        tasks = {pool.submit(build_one, study, paths[index], seed, index, design): index for index in missing}
        try:
            for task in as_completed(tasks):
                yield tasks[task], task.result()
        except BaseException:
            # Leaving the pool would otherwise wait, in silence, for all that was not begun yet.
            stop_pool(pool, set(multiprocessing.active_children()) - others)
            raise


def _say(facts: Mapping[str, Any]) -> str:
    met, total = facts["cells"]
    text_met, text_total = facts["text"]
    tries = "" if facts["attempts"] == 1 else f", {facts['attempts']} attempts"
    odd = "" if not facts["implausible"] else f", IMPLAUSIBLE: {', '.join(facts['implausible'])}"
    return (
        f"{met} of {total} numbers of the tables and {text_met} of {text_total} of the text in "
        f"{facts['seconds']:.0f} s{tries}{odd}"
    )


def _key(study: Study, design: StudyData | None) -> str:
    """Return the digest of what a stored cohort must have been built from to be kept."""
    if design is not None:
        return cohort_key(study, None, design.digest)
    return cohort_key(study, load_cohort_plan(study))


def check_printed(study: Study, design: StudyData | None) -> None:
    """Refuse a study that asks for nothing, has neither plan nor design, or whose design its outcomes decide."""
    _key(study, design)
    if not list_targets(study):
        problem = Problem(
            what="the study prints no number of its models",
            where="[[cells]]",
            fix="add the cells of the publication's tables: there is nothing to reproduce yet",
        )
        raise InputError(f"study {study.id}", [problem])
    if design is not None:
        check_design(study)


def build_one(study: Study, path: Path, seed: int, index: int, design: StudyData | None) -> dict[str, Any]:
    """Build, judge and store one cohort of an ensemble; top level, so that a worker can be given it.

    Parameters
    ----------
    study : Study
        What is printed.
    path : Path
        Where the cohort goes.
    seed, index : int
        Of the ensemble, and which cohort of it.
    design : StudyData or None
        As for :func:`build_ensemble`.

    Returns
    -------
    dict
        The facts that were stored.
    """
    started = time.perf_counter()
    plan = load_cohort_plan(study) if design is None else None
    attempts, built, card, traits, data = _best_attempt(study, plan, seed, index, design)
    lines = [_line_facts(line) for line in card.lines]
    facts = {
        "study": study.id,
        "key": _key(study, design),
        "ensemble_seed": seed,
        "code": code_digest(BUILDER),
        "index": index,
        "seed": built.seed,
        "attempts": attempts,
        "drawn": built.drawn,
        "tilt": built.tilt,
        "covariances": _covariance_facts(built),
        "cells": card.count(from_cell=True),
        "text": card.count(from_cell=False),
        "lines": lines,
        "measures": _brief_all(measure_cohort(study, plan, data, lines)),
        "traits": [asdict(trait) for trait in traits],
        "implausible": [trait.name for trait in traits if not trait.plausible],
        "assumptions": [
            *say_conflicts(study),
            *(
                [*assumptions(study, plan, data), *_say_method(built)]
                if plan
                else [f"visit times and predictors are those of {_need(design).origin}: {DESIGN_STAMP}"]
            ),
        ],
        "estimates": estimate_cohort(study, data, own_seed=built.seed),
        "comparisons": score_comparisons(study, data, own_seed=built.seed),
        "prior": study.priors[0].name,
        "seconds": time.perf_counter() - started,
    }
    write_cohort(path, built.frame, facts, stamp=STAMP if plan else DESIGN_STAMP)
    return facts


def _best_attempt(
    study: Study, plan: CohortPlan | None, seed: int, index: int, design: StudyData | None
) -> tuple[int, BuiltCohort, Scorecard, tuple[Trait, ...], StudyData]:
    """Try until a cohort misses nothing and is plausible; return the number of attempts, and the best of them."""
    best: tuple[float, BuiltCohort, Scorecard, tuple[Trait, ...], StudyData] | None = None
    attempts = 0
    places = Places(seed=seed, index=index)
    for attempt in range(ATTEMPTS):
        attempts += 1
        own = int(np.random.SeedSequence([seed, index, attempt]).generate_state(1)[0])
        built = (
            build_cohort(study, plan, own, places)
            if plan
            else hide_patients(study, rebuild_cohort(study, _need(design), own, places))
        )
        data = data_from_frame(study, built.frame, source=Source.SYNTHETIC, origin="synthetic cohort")
        card, traits = score_cohort(study, data, plan), judge_cohort(study, plan, data)
        # What no cohort can meet counts alike in all, so it never decides.
        orders = [line for line in card.missed if line.kind == "less_estimate"]
        badness = len(card.missed) + 10.0 * sum(not trait.plausible for trait in traits)
        if best is None or badness < best[0]:
            best = (badness, built, card, traits, data)
        if not built.missed and not orders and all(trait.plausible for trait in traits):
            break
    assert best is not None
    return attempts, *best[1:]


def restamp(study: Study, path: Path, *, refit: bool) -> Mapping[str, Any]:
    """Judge a stored cohort by the study as it stands now, and store it anew; its scores stay.

    Parameters
    ----------
    study : Study
        Whose facts, models or priors have changed.
    path : Path
        The cohort, built by the study's plan.
    refit : bool
        Whether every model is fitted anew, as a changed prior asks for; else only models without estimates.

    Returns
    -------
    mapping of str to object
        The facts that were stored.
    """
    cohort = read_cohort(path)
    data = cohort.data(study)
    plan = load_cohort_plan(study)
    card = score_cohort(study, data, plan)
    lines = [_line_facts(line) for line in card.lines]
    kept = {} if refit else dict(cohort.facts["estimates"])
    missing = tuple(model for model in study.models if model.estimands and model.id not in kept)
    kept |= estimate_cohort(replace(study, models=missing), data, own_seed=cohort.facts["seed"])
    facts = {k: v for k, v in cohort.facts.items() if k not in ("stamp", "version")} | {
        "key": _key(study, None),
        "cells": card.count(from_cell=True),
        "text": card.count(from_cell=False),
        "lines": lines,
        "measures": _brief_all(measure_cohort(study, plan, data, lines)),
        "estimates": {model.id: kept[model.id] for model in study.models if model.id in kept},
        "comparisons": cohort.facts.get("comparisons")
        if not refit and cohort.facts.get("comparisons")
        else score_comparisons(study, data, own_seed=cohort.facts["seed"]),
        "prior": study.priors[0].name if refit else cohort.facts["prior"],
    }
    write_cohort(path, cohort.frame, facts)
    return facts


def _covariance_facts(built: BuiltCohort) -> dict[str, list[list[float]]]:
    """Covariances of the joint model that the scores were drawn with, intercepts and slopes per horizon; {} without."""
    if built.covariances is None:
        return {}
    return {
        name: [[brief(value) for value in row] for row in matrix]
        for name, matrix in (
            ("effects", built.covariances.effects),
            ("residuals", built.covariances.residuals),
        )
    }


def _say_method(built: BuiltCohort) -> list[str]:
    said = [] if built.drawn else ["scores were searched for, not drawn given print: no draw met everything"]
    if built.tilt:
        said.append(
            "predictors lean towards often- or seldom-assessed patients: no random deal tried had the printed errors"
        )
    return said


def _need(design: StudyData | None) -> StudyData:
    assert design is not None, "without a plan there is a design"
    return design


def _line_facts(line: Line) -> list[Any]:
    low, high, achieved = (
        brief(value) if math.isfinite(value) else None for value in (line.low, line.high, line.achieved)
    )
    ends = [low, high]
    return [
        line.place,
        line.said,
        line.kind,
        line.model,
        *ends,
        achieved,
        line.from_cell,
        line.met,
        line.note,
    ]


def _brief_all(values: Mapping[str, float]) -> dict[str, float]:
    return {name: brief(value) for name, value in values.items()}


def assumptions(study: Study, plan: CohortPlan, data: StudyData) -> list[str]:
    """Return on which patients each predictor's models rest, and what the design assumes beyond what is printed."""
    sizes = ", ".join(f"{group.n} {group.name}" for group in plan.groups)
    said = [f"patients by outcome: {sizes}"]
    patients = data.rows.groupby(study.patient, sort=False).first()
    for covariate in plan.covariates:
        if covariate.name in patients:
            missing = int(patients[covariate.name].isna().sum())
            if missing:
                said.append(f"{covariate.name}: not known of {missing} patients, whom its models leave out")
    if plan.main.single_groups:
        said.append(f"one assessment of the alliance each: {', '.join(plan.main.single_groups)} outcome")
    return said
