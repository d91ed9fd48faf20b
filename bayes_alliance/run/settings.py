"""What to run and how: engine, prior, seed, models."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from bayes_alliance.errors import InputError, Problem
from bayes_alliance.inference.collapsed import CollapsedSettings
from bayes_alliance.inference.priors import check_prior
from bayes_alliance.inference.pymc.sample import SamplerSettings
from bayes_alliance.runtime.seeds import DEFAULT_SEED
from bayes_alliance.study.records import Study

EngineChoice = Literal["pymc", "bambi", "collapsed", "none"]


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What to run and how.

    Parameters
    ----------
    engine : {"pymc", "bambi", "collapsed", "none"}
        Which posterior; "none" runs the frequentist part only.
    prior : str
        Name of a prior set of the study; empty for its first.
    seed : int
        The one number that all randomness of the run comes from.
    models : tuple of str
        Ids to run; empty for all.
    exact : bool
        Refit without every patient in turn for the new-patient score, not only where Pareto k is high.
    sampler : SamplerSettings
        Of NUTS.
    collapsed : CollapsedSettings
        Of the collapsed engine.
    """

    engine: EngineChoice = "pymc"
    prior: str = ""
    seed: int = DEFAULT_SEED
    models: tuple[str, ...] = ()
    exact: bool = False
    sampler: SamplerSettings = dataclasses.field(default_factory=SamplerSettings)
    collapsed: CollapsedSettings = dataclasses.field(default_factory=CollapsedSettings)


def choose_prior(study: Study, settings: RunSettings) -> str:
    """Return the name of the prior set of a run: the one asked for, or the study's first.

    Raises
    ------
    InputError
        If the study has no set of that name.
    """
    if settings.prior or study.priors:
        name = settings.prior or study.priors[0].name
        check_prior(study, name)
        return name
    if settings.engine != "none":
        raise InputError(f"study {study.id}", [Problem(what="it states no priors, so it has no posterior")])
    return ""
