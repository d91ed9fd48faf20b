"""Calibration, design analysis and comparison of approaches by simulated studies, in one call each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.api.studies import AnyStudy, find_study, no_report, rows_of
from bayes_alliance.runtime.pool import default_jobs
from bayes_alliance.runtime.progress import Reporter
from bayes_alliance.runtime.seeds import DEFAULT_SEED

if TYPE_CHECKING:
    from bayes_alliance.simulation.records import SbcRun, SimulationSettings, TrialsRun
    from bayes_alliance.simulation.setting import Variations


def _simulation(
    studies: int,
    model: str,
    priors: Sequence[str],
    seed: int,
    jobs: int | None,
    store: str | Path | None,
    report: Reporter | None,
    estimand: str = "",
    deal: bool = False,
) -> SimulationSettings:
    from bayes_alliance.runtime.task_store import Workers
    from bayes_alliance.simulation.records import SimulationSettings

    return SimulationSettings(
        studies=studies,
        model=model,
        estimand=estimand,
        priors=tuple(priors),
        deal=deal,
        seed=seed,
        workers=Workers(jobs=jobs or default_jobs()),
        store=None if store is None else Path(store),
        report=report or no_report,
    )


def simulate_sbc(
    study: AnyStudy,
    data: Any = None,
    *,
    studies: int = 1000,
    model: str = "",
    engine: str = "collapsed",
    priors: Sequence[str] = (),
    n_patients: int | None = None,
    deal: bool = False,
    seed: int = DEFAULT_SEED,
    jobs: int | None = None,
    store: str | Path | None = None,
    report: Reporter | None = None,
) -> SbcRun:
    """Calibrate an engine by simulation: rank the truth among posterior draws.

    Parameters
    ----------
    study : Study, str or Path
        Whose model, design and priors.
    data : path, DataFrame or StudyData, optional
        Rows whose design is taken; what the study ships with if omitted.
    studies : int
        Simulated for each prior set.
    model : str
        Id; the first of a figure with a difference of slopes if omitted.
    engine : {"collapsed", "pymc", "bambi"}
        Which is calibrated.
    priors : sequence of str
        Prior sets; empty for all.
    n_patients : int, optional
        Patients of each simulated study.
    deal : bool
        Whether the patients' predictors are dealt anew at random, so that they do not go with who was seen how often.
    seed : int
        The number that all randomness comes from.
    jobs : int, optional
        Processes; all available CPUs if omitted. Results do not depend on it.
    store : str or Path, optional
        Folder in which finished studies are kept, so that an interrupted run resumes.
    report : callable, optional
        Gets lines of progress.

    Returns
    -------
    SbcRun

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> run = ba.simulate_sbc("medication", studies=4, model="treatment", priors=["neutral"], jobs=1)
    >>> run.results[0].n_studies
    4
    """
    from bayes_alliance.simulation.sbc import simulate_sbc as simulate

    found = find_study(study)
    settings = _simulation(studies, model, priors, seed, jobs, store, report, deal=deal)
    return simulate(found, settings, data=rows_of(found, data, seed), engine=engine, n_patients=n_patients)


def simulate_power(
    study: AnyStudy,
    data: Any = None,
    *,
    studies: int = 500,
    model: str = "",
    estimand: str = "",
    engine: str = "collapsed",
    priors: Sequence[str] = (),
    variations: Variations | None = None,
    mark: str = "",
    deal: bool = False,
    seed: int = DEFAULT_SEED,
    jobs: int | None = None,
    store: str | Path | None = None,
    report: Reporter | None = None,
) -> TrialsRun:
    """Simulate a design with parameters as fitted: power, type S and M errors, widths, verdicts.

    Parameters
    ----------
    study, data, model, priors, seed, jobs, store, report
        As of :func:`simulate_sbc`.
    studies : int
        Simulated for each condition.
    estimand : str
        Whose size is varied; the first difference of slopes if omitted.
    engine : {"collapsed", "pymc", "none"}
        Of the posterior beside ML and REML.
    variations : Variations, optional
        Numbers of patients, of marked patients and of visits, and sizes of the effect to try.
    mark : str
        Binary variable of patients whose number is varied.

    Returns
    -------
    TrialsRun

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> from bayes_alliance.simulation.setting import Variations
    >>> few = Variations(patients=(40,))
    >>> run = ba.simulate_power("medication", studies=2, model="treatment", engine="none", variations=few, jobs=1)
    >>> [condition.name for condition in run.conditions]
    ['patients=40']
    """
    from bayes_alliance.simulation.run import simulate_power as simulate

    found = find_study(study)
    settings = _simulation(studies, model, priors, seed, jobs, store, report, estimand, deal=deal)
    return simulate(
        found, settings, data=rows_of(found, data, seed), engine=engine, variations=variations, mark=mark
    )


def simulate_comparison(
    study: AnyStudy,
    data: Any = None,
    *,
    studies: int = 1000,
    model: str = "",
    engines: Sequence[str] = ("collapsed",),
    priors: Sequence[str] = (),
    scenarios: Sequence[str] = (),
    n_patients: int | None = None,
    deal: bool = False,
    seed: int = DEFAULT_SEED,
    jobs: int | None = None,
    store: str | Path | None = None,
    report: Reporter | None = None,
) -> TrialsRun:
    """Compare ML, REML and Bayes over simulated studies, and over the synthetic cohorts that a study ships.

    Parameters
    ----------
    study, data, model, priors, n_patients, seed, jobs, store, report
        As of :func:`simulate_sbc`; cohorts are compared where no data are given.
    studies : int
        Simulated for each scenario.
    engines : sequence of {"collapsed", "pymc"}
        Of the posteriors.
    scenarios : sequence of str
        Names; empty for all.

    Returns
    -------
    TrialsRun

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> run = ba.simulate_comparison(
    ...     "medication", studies=2, model="treatment", priors=["neutral"], scenarios=["as_modelled"], jobs=1
    ... )
    >>> sorted({one.approach for one in run.performances})
    ['ML', 'REML', 'collapsed, neutral prior']
    """
    from bayes_alliance.simulation.run import simulate_comparison as simulate

    found = find_study(study)
    settings = _simulation(studies, model, priors, seed, jobs, store, report, deal=deal)
    rows = None if data is None else rows_of(found, data, seed)
    return simulate(found, settings, data=rows, engines=engines, scenarios=scenarios, n_patients=n_patients)
