"""How simulated studies are asked for, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bayes_alliance.runtime.progress import Reporter
from bayes_alliance.runtime.seeds import DEFAULT_SEED
from bayes_alliance.runtime.task_store import Workers
from bayes_alliance.simulation.calibration import CalibrationResult
from bayes_alliance.simulation.ensemble_comparison import EnsembleComparison
from bayes_alliance.simulation.performance import Performance
from bayes_alliance.simulation.setting import Setting
from bayes_alliance.simulation.trials import Condition


def _silent(line: str) -> None:
    """Report nothing."""


@dataclass(frozen=True, kw_only=True)
class SimulationSettings:
    """How many studies are simulated, and where.

    Parameters
    ----------
    studies : int
        For each condition.
    model, estimand : str
        Whose design; by default the first model of a figure with a difference of slopes, and that difference.
    priors : tuple of str
        Prior sets; empty for all of the study.
    deal : bool
        Whether the patients' predictors are dealt anew at random, so that they do not go with visits.
    seed : int
        The number that all randomness comes from.
    workers : Workers
        Processes, or a Dask cluster; results do not depend on them.
    store : Path or None
        Folder in which finished studies are kept, so that an interrupted run resumes; None keeps them in memory.
    report : callable
        Gets progress.
    """

    studies: int = 1000
    model: str = ""
    estimand: str = ""
    priors: tuple[str, ...] = ()
    deal: bool = False
    seed: int = DEFAULT_SEED
    workers: Workers = field(default_factory=Workers)
    store: Path | None = None
    report: Reporter = _silent


@dataclass(frozen=True, kw_only=True)
class SbcRun:
    """What simulation-based calibration found: one result for each prior set."""

    setting: Setting
    results: tuple[CalibrationResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every rank is uniform and no study failed."""
        return not any(r.strayed or r.failures or not r.quantities for r in self.results)


@dataclass(frozen=True, kw_only=True)
class TrialsRun:
    """What approaches made of simulated studies.

    Parameters
    ----------
    kind : {"power", "comparison"}
        What was asked.
    conditions : tuple of Condition
        Under which studies were simulated.
    performances : tuple of Performance
        Of each approach under each of them.
    skipped : mapping of str to str
        Scenarios left out, by label, and why.
    cohorts : tuple of EnsembleComparison
        The approaches on the synthetic cohorts of the study.
    n_failed : int
        Studies or answers that are missing.
    remarks : tuple of str
        What failed, in words.
    """

    kind: Literal["power", "comparison"]
    setting: Setting
    conditions: tuple[Condition, ...]
    performances: tuple[Performance, ...]
    skipped: Mapping[str, str]
    cohorts: tuple[EnsembleComparison, ...]
    n_failed: int
    remarks: tuple[str, ...]
