"""One door to all engines: the same arguments in, the same record out, whatever makes the posterior.

``collapsed`` is exact where its importance weights can be trusted; where they cannot (Pareto k above 0.7) the fit
is handed over to ``pymc`` and the record says so.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.draws_memory import check_draws_memory
from bayes_alliance.inference.fits import Covariance, PosteriorFit, RowsUsed
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.inference.psis import PARETO_K_LIMIT
from bayes_alliance.inference.pymc.sample import SamplerSettings, fit_bambi, fit_pymc

if TYPE_CHECKING:
    import pandas as pd

Engine = Literal["pymc", "bambi", "collapsed"]


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """Settings of every engine; each looks at its own."""

    sampler: SamplerSettings = field(default_factory=SamplerSettings)
    collapsed: CollapsedSettings = field(default_factory=CollapsedSettings)


# Key of a posterior's facts that says why another engine made it.
HANDED_OVER = "handed_over"


# Over 40 lines: nine arguments, and one call of each engine.
def fit_posterior(
    engine: Engine,
    design: Design,
    rows: RowsUsed,
    priors: CoefficientPriors,
    frame: pd.DataFrame,
    *,
    seed: int,
    model_id: str = "",
    covariance: Covariance = "UN",
    settings: EngineSettings | None = None,
) -> PosteriorFit:
    """Make the posterior of one model with the engine asked for.

    Parameters
    ----------
    engine : {"pymc", "bambi", "collapsed"}
        Which.
    covariance : {"UN", "VC"}
        Unstructured or independent random effects; ``bambi`` has independent ones only.
    frame : pandas.DataFrame
        The frozen rows, which Bambi reads by itself.
    design, rows, priors, seed, model_id
        What to fit.

    Returns
    -------
    PosteriorFit
        ``engine`` names what made it; after a hand-over ``facts["handed_over"]`` says why.

    Raises
    ------
    InputError
        If memory cannot hold the draws asked for.
    """
    how = settings or EngineSettings()
    check_draws_memory(engine, design, how.sampler, how.collapsed)
    if design.structured is not None:
        return _fit_structured(
            engine, design, rows, priors, seed=seed, model_id=model_id, settings=how.collapsed
        )
    if engine == "bambi":
        return fit_bambi(design, rows, priors, frame, seed=seed, model_id=model_id, settings=how.sampler)
    if engine == "pymc":
        return _fit_stated(
            design,
            rows,
            priors,
            frame,
            seed=seed,
            model_id=model_id,
            covariance=covariance,
            settings=how.sampler,
        )
    fit = fit_collapsed(
        design, rows, priors, seed=seed, model_id=model_id, covariance=covariance, settings=how.collapsed
    )
    pareto_k = float(fit.facts["pareto_k"])
    if pareto_k <= PARETO_K_LIMIT:
        return fit
    sampled = fit_pymc(
        design, rows, priors, seed=seed, model_id=model_id, covariance=covariance, settings=how.sampler
    )
    reason = f"collapsed: Pareto k {pareto_k:.2f} above {PARETO_K_LIMIT}; sampled by pymc instead"
    return dataclasses.replace(sampled, facts={**sampled.facts, HANDED_OVER: reason})


def _fit_stated(
    design: Design,
    rows: RowsUsed,
    priors: CoefficientPriors,
    frame: pd.DataFrame,
    *,
    seed: int,
    model_id: str,
    covariance: Covariance,
    settings: SamplerSettings,
) -> PosteriorFit:
    """Sample by PyMC the model that Bambi states."""
    from bayes_alliance.inference.pymc.bambi_model import build_bambi_model, take_matrices

    # Bambi states the model; what is sampled rests on its matrices. Priors of correlated effects at another time
    # than zero are the one thing that its formula cannot say, so the matrices are those of independent ones.
    stated = build_bambi_model(design, priors, frame, covariance if priors.origin == 0.0 else "VC")
    return fit_pymc(
        take_matrices(stated, design),
        rows,
        priors,
        seed=seed,
        model_id=model_id,
        covariance=covariance,
        settings=settings,
    )


def _fit_structured(
    engine: Engine,
    design: Design,
    rows: RowsUsed,
    priors: CoefficientPriors,
    *,
    seed: int,
    model_id: str,
    settings: CollapsedSettings,
) -> PosteriorFit:
    """Draw a model that only the collapsed engine fits, whatever engine was asked for, and say so."""
    fit = fit_collapsed(design, rows, priors, seed=seed, model_id=model_id, settings=settings)
    if engine == "collapsed":
        return fit
    reason = f"{engine} does not fit several levels or correlated residuals; drawn by collapsed instead"
    return dataclasses.replace(fit, facts={**fit.facts, HANDED_OVER: reason})


def engine_covariance(engine: Engine) -> Covariance:
    """Covariance type of the random effects that an engine fits."""
    return "VC" if engine == "bambi" else "UN"
