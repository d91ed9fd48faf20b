"""Design analysis and comparison of approaches: each in one call, as resumable tasks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import pandas as pd

from bayes_alliance.cohorts.study_rows import load_data, shipped_cohorts
from bayes_alliance.cohorts.typicality import ensemble_remarks
from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import AllianceError, InputError, Problem, no_such
from bayes_alliance.inference.priors import check_prior
from bayes_alliance.inference.versions import engine_versions
from bayes_alliance.runtime.files import alone_in
from bayes_alliance.runtime.resumable_tasks import format_failures, run_tasks
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.runtime.task_store import Failure, Finished, Function, Task
from bayes_alliance.simulation.approaches import Approach
from bayes_alliance.simulation.ensemble_comparison import compare_on_cohorts
from bayes_alliance.simulation.performance import measure_performance
from bayes_alliance.simulation.recipe_digest import digest
from bayes_alliance.simulation.records import SimulationSettings, TrialsRun
from bayes_alliance.simulation.setting import (
    Setting,
    Variations,
    choose_model,
    default_variations,
    design_conditions,
    prepare,
    scenario_conditions,
)
from bayes_alliance.simulation.trials import Condition, trial_tasks, try_batch
from bayes_alliance.simulation.truth import SCENARIOS, Scenario
from bayes_alliance.study.records import Study

# So that a task takes about a second, and an interrupted run loses no more than that of each process.
BATCH = {"collapsed": 20, "pymc": 2, "bambi": 1}
COMPARED_ENGINES = ("collapsed", "pymc")


def simulate_power(
    study: Study,
    settings: SimulationSettings,
    *,
    data: StudyData | None = None,
    engine: str = "collapsed",
    variations: Variations | None = None,
    mark: str = "",
) -> TrialsRun:
    """Simulate a design with parameters as fitted, varying one thing at a time.

    Parameters
    ----------
    study, settings, data
        As of :func:`bayes_alliance.simulation.sbc.simulate_sbc`.
    engine : {"collapsed", "pymc", "none"}
        Of the posterior beside ML and REML.
    variations : Variations, optional
        What is varied; a little of each if omitted or empty.
    mark : str
        Binary variable of patients whose number is varied; empty for none.

    Returns
    -------
    TrialsRun

    Raises
    ------
    InputError
        If the study lacks what is asked for.
    AllianceError
        If no simulated study could be analysed.
    """
    if engine not in (*COMPARED_ENGINES, "none"):
        raise InputError("engine", [no_such("engine", engine, (*COMPARED_ENGINES, "none"))])
    names = [] if engine == "none" else choose_priors(study, settings.priors)
    setting = prepare_setting(study, settings, data, mark=mark)
    asked = Variations() if variations is None else variations
    chosen = asked if asked != Variations() else default_variations(setting)
    conditions = design_conditions(setting, chosen, seed=settings.seed)
    approaches = _approaches(setting, [engine] if names else [], names)
    table, n_failed, remarks = run_trials(setting, settings, conditions, approaches, engine=engine)
    return TrialsRun(
        kind="power",
        setting=setting,
        conditions=tuple(conditions),
        performances=tuple(measure_performance(table, smallest=setting.smallest)),
        skipped={},
        cohorts=(),
        n_failed=n_failed,
        remarks=remarks,
    )


def simulate_comparison(
    study: Study,
    settings: SimulationSettings,
    *,
    data: StudyData | None = None,
    engines: Sequence[str] = ("collapsed",),
    scenarios: Sequence[str] = (),
    n_patients: int | None = None,
) -> TrialsRun:
    """Compare ML, REML and Bayes where the model holds and where it does not, then on the cohorts of the study.

    Parameters
    ----------
    study, settings, data, n_patients
        As of :func:`bayes_alliance.simulation.sbc.simulate_sbc`; without data the study's cohorts are compared too.
    engines : sequence of {"collapsed", "pymc"}
        Of the posteriors.
    scenarios : sequence of str
        Names of scenarios; empty for all.

    Returns
    -------
    TrialsRun

    Raises
    ------
    InputError
        If the study lacks what is asked for.
    AllianceError
        If no simulated study could be analysed.
    """
    by_name = {scenario.name: scenario for scenario in SCENARIOS}
    problems = [no_such("engine", name, COMPARED_ENGINES) for name in engines if name not in COMPARED_ENGINES]
    problems += [no_such("scenario", name, by_name) for name in scenarios if name not in by_name]
    if problems:
        raise InputError("comparison", problems)
    names = choose_priors(study, settings.priors)
    setting = prepare_setting(study, settings, data)
    chosen = [by_name[name] for name in scenarios or by_name]
    conditions, skipped = _possible_conditions(setting, settings, chosen, n_patients)
    approaches = _approaches(setting, engines, names)
    slowest = "pymc" if "pymc" in engines else "collapsed"
    table, n_failed, remarks = run_trials(setting, settings, conditions, approaches, engine=slowest)
    cohorts = [] if data is not None else list(shipped_cohorts(study))
    compared = (
        compare_on_cohorts(
            study, setting.model, [one.data(study) for one in cohorts], approaches, seed=settings.seed
        )
        if len(cohorts) > 1
        else []
    )
    said = ensemble_remarks(study, [one.facts for one in cohorts])
    return TrialsRun(
        kind="comparison",
        setting=setting,
        conditions=tuple(conditions),
        performances=tuple(measure_performance(table, smallest=setting.smallest)),
        skipped={by_name[name].label: reason for name, reason in skipped.items()},
        cohorts=tuple(compared),
        n_failed=n_failed,
        remarks=(*said, *remarks),
    )


def _possible_conditions(
    setting: Setting, settings: SimulationSettings, scenarios: Sequence[Scenario], n_patients: int | None
) -> tuple[list[Condition], dict[str, str]]:
    """Lay out the scenarios that are possible on the design, and say why the others are not."""
    conditions, skipped = scenario_conditions(
        setting, seed=settings.seed, scenarios=scenarios, n_patients=n_patients
    )
    for name, reason in skipped.items():
        settings.report(f"scenario {name} left out: {reason}")
    if not conditions:
        refused = [
            Problem(what=f"scenario {name} is not possible: {reason}") for name, reason in skipped.items()
        ]
        raise InputError("option --scenarios", refused)
    return conditions, skipped


def choose_priors(study: Study, names: Sequence[str]) -> list[str]:
    """Return the prior sets asked for, by default all of the study.

    Raises
    ------
    InputError
        If the study lacks one of them, or has none.
    """
    chosen = list(names) or [prior.name for prior in study.priors]
    for name in chosen:
        check_prior(study, name)
    if not chosen:
        raise InputError(f"study {study.id}", [Problem(what="it states no priors, so it has no posterior")])
    return chosen


def prepare_setting(
    study: Study,
    settings: SimulationSettings,
    data: StudyData | None = None,
    *,
    mark: str = "",
    calibrated: bool = False,
) -> Setting:
    """Set up the model that is asked for on its rows, by default those that the study ships with."""
    model = choose_model(study, settings.model)
    rows = load_data(study, seed=settings.seed) if data is None else data
    dealt = derive_seed(settings.seed, "deal") if settings.deal else None
    setting = prepare(
        study, rows, model, mark=mark, estimand=settings.estimand, dealt=dealt, calibrated=calibrated
    )
    settings.report(
        f"{study.id}, {model.id}: design of {setting.pool.n_patients} patients, {len(setting.pool.x)} rows on "
        f"{rows.source.value}, {rows.origin}"
    )
    return setting


def _approaches(setting: Setting, engines: Sequence[str], priors: Sequence[str]) -> list[Approach]:
    frequentist = [Approach(method="ML"), Approach(method="REML")]
    bayes = [
        Approach(method="Bayes", engine=engine, priors=setting.priors(name))  # type: ignore[arg-type]
        for engine in engines
        for name in priors
    ]
    return [*frequentist, *bayes]


def run_stored(
    settings: SimulationSettings, function: Function, tasks: Sequence[Task], key: str, record: str
) -> Finished:
    """Run tasks into a store, alone in it."""
    store = None if settings.store is None else settings.store / key
    if store is not None:
        store.mkdir(parents=True, exist_ok=True)
    alone: AbstractContextManager[None] = nullcontext() if store is None else alone_in(store)
    with alone:
        return run_tasks(
            function,
            tasks,
            workers=settings.workers,
            store=store,
            record=record,
            report=settings.report,
            unit="studies",
        )


def run_trials(
    setting: Setting,
    settings: SimulationSettings,
    conditions: Sequence[Condition],
    approaches: Sequence[Approach],
    *,
    engine: str,
) -> tuple[pd.DataFrame, int, tuple[str, ...]]:
    """Simulate every condition; return all rows, how many studies or answers are missing, and why."""
    frames = []
    failures: list[Failure] = []
    lost = 0
    for condition in conditions:
        settings.report(f"condition {condition.name}")
        tasks = trial_tasks(
            condition, approaches, setting.estimands, studies=settings.studies, batch=BATCH.get(engine, 20)
        )
        record = digest(condition, approaches, setting.estimands, engine_versions())
        done = run_stored(settings, try_batch, tasks, setting.model.id, record)
        sizes = {task.key: task.size for task in tasks}
        failures += done.failures
        lost += sum(sizes[failure.key] for failure in done.failures)
        frames.append(done.table())
    remarks = format_failures(failures)
    table = pd.concat(frames, ignore_index=True)
    if not len(table):
        raise AllianceError("\n".join(["no simulated study came to an end", *remarks]))
    bad = table[table["failure"] != ""].drop_duplicates(["condition", "study", "approach"])
    for (approach, reason), rows in bad.groupby(["approach", "failure"], sort=False):
        remarks.append(f"{len(rows)} studies without an answer by {approach}: {reason}")
    return table, lost + len(bad), tuple(remarks)
