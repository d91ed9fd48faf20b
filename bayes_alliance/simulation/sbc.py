"""Simulation-based calibration in one call, as resumable tasks."""

from __future__ import annotations

import numpy as np

from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import InputError, Problem, no_such
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.inference.versions import engine_versions
from bayes_alliance.runtime.task_store import Function
from bayes_alliance.simulation.calibration import (
    Calibration,
    CalibrationResult,
    calibrate_batch,
    calibration_tasks,
    judge_calibration,
)
from bayes_alliance.simulation.population import Sampling, check_sampling
from bayes_alliance.simulation.recipe_digest import digest
from bayes_alliance.simulation.records import SbcRun, SimulationSettings
from bayes_alliance.simulation.run import BATCH, choose_priors, prepare_setting, run_stored
from bayes_alliance.simulation.setting import Setting
from bayes_alliance.simulation.structured_calibration import (
    StructuredCalibration,
    calibrate_structured_batch,
    structured_tasks,
    with_outcome,
)
from bayes_alliance.study.records import Study

SBC_ENGINES = ("collapsed", "pymc", "bambi")
_STRUCTURED_BATCH = 5


def simulate_sbc(
    study: Study,
    settings: SimulationSettings,
    *,
    data: StudyData | None = None,
    engine: str = "collapsed",
    n_patients: int | None = None,
) -> SbcRun:
    """Calibrate an engine: draw parameters from the prior and data from them, fit, rank the truth among the draws.

    After Talts et al. (2018, arXiv:1804.06788).

    Parameters
    ----------
    study : Study
        Whose model, design and priors.
    settings : SimulationSettings
        How many studies, and where.
    data : StudyData, optional
        Rows whose design is taken; what the study ships with if omitted.
    engine : {"collapsed", "pymc", "bambi"}
        Which is calibrated.
    n_patients : int, optional
        Patients of each simulated study, drawn from the design's; as many as there are if omitted.

    Returns
    -------
    SbcRun

    Raises
    ------
    InputError
        If the study lacks the model or a prior set, or there are too few patients.
    """
    if engine not in SBC_ENGINES:
        raise InputError("engine", [no_such("engine", engine, SBC_ENGINES)])
    names = choose_priors(study, settings.priors)
    setting = prepare_setting(study, settings, data, calibrated=True)
    sampling = Sampling(n_patients=n_patients)
    problems = check_sampling(setting.pool, sampling)
    if setting.planned.design.structured is not None:
        problems = _check_structured(settings, engine, n_patients)
    if problems:
        raise InputError("calibration", problems)
    results = [
        calibrate_prior(setting, settings, setting.priors(name), engine=engine, sampling=sampling)
        for name in names
    ]
    return SbcRun(setting=setting, results=tuple(results))


def calibrate_prior(
    setting: Setting,
    settings: SimulationSettings,
    priors: CoefficientPriors,
    *,
    engine: str = "collapsed",
    sampling: Sampling | None = None,
    functions: bool = True,
) -> CalibrationResult:
    """Calibrate an engine under one prior, which need not be a set of the study.

    Parameters
    ----------
    setting : Setting
        Whose design.
    settings : SimulationSettings
        How many studies, and where.
    priors : CoefficientPriors
        What parameters are drawn from, and what the engine is told.
    engine : {"collapsed", "pymc", "bambi"}
        Which is calibrated.
    sampling : Sampling, optional
        How many of the design's patients; all of them if omitted.
    functions : bool
        Whether explained shares and what verdicts rest on are ranked besides the parameters.

    Returns
    -------
    CalibrationResult
    """
    calibration = _calibration(setting, settings, priors, engine, sampling or Sampling(), functions=functions)
    work: Function = calibrate_batch
    if isinstance(calibration, StructuredCalibration):
        work = calibrate_structured_batch
        tasks = structured_tasks(calibration, studies=settings.studies, batch=_STRUCTURED_BATCH, key="sbc")
    else:
        tasks = calibration_tasks(calibration, studies=settings.studies, batch=BATCH[engine], key="sbc")
    settings.report(f"engine {engine}, prior set {priors.name}")
    key = f"{setting.model.id}-{engine}-{priors.name}"
    done = run_stored(settings, work, tasks, key, digest(calibration, engine_versions()))
    sizes = {task.key: task.size for task in tasks}
    failed = [(failure.reason, sizes[failure.key]) for failure in done.failures]
    return judge_calibration(
        done.table(),
        engine=engine,
        prior=priors.name,
        failed_tasks=failed,
        smallest=calibration.smallest,
    )


def _calibration(
    setting: Setting,
    settings: SimulationSettings,
    priors: CoefficientPriors,
    engine: str,
    sampling: Sampling,
    *,
    functions: bool,
) -> Calibration | StructuredCalibration:
    """Set up what the studies depend on."""
    smallest = setting.smallest if functions else {}
    design = setting.planned.design
    if design.structured is not None:
        return StructuredCalibration(
            design=with_outcome(design, np.zeros(design.n_rows)),
            drawn=priors,
            fitted=priors,
            estimands=setting.estimands,
            seed=settings.seed,
            smallest=smallest,
        )
    return Calibration(
        pool=setting.pool,
        sampling=sampling,
        engine=engine,  # type: ignore[arg-type]
        drawn=priors,
        fitted=priors,
        estimands=setting.estimands,
        seed=settings.seed,
        time=setting.study.time if functions else "",
        smallest=smallest,
    )


def _check_structured(settings: SimulationSettings, engine: str, n_patients: int | None) -> list[Problem]:
    """List what a model with several levels or correlated residuals does not take."""
    asked = {
        "engine": (engine, "collapsed"),
        "--n-patients": (n_patients, None),
        "--deal": (settings.deal, False),
    }
    return [
        Problem(
            what="a model with several levels or correlated residuals is calibrated by engine collapsed on all of its "
            "patients as they are",
            where=name,
            got=str(given),
        )
        for name, (given, allowed) in asked.items()
        if given != allowed
    ]
