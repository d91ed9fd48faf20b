"""The approaches that are compared: ML, REML, and Bayes by an engine under a prior set, on one simulated study."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from bayes_alliance.assess.summaries import INTERVAL
from bayes_alliance.errors import FitError
from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.engines import Engine, EngineSettings, fit_posterior
from bayes_alliance.inference.fits import Effect, MixedFit, PosteriorFit, Weights
from bayes_alliance.inference.ml import estimate_effect, fit_mixed
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.inference.psis import PARETO_K_LIMIT
from bayes_alliance.inference.pymc.sample import SamplerSettings, fit_pymc
from bayes_alliance.inference.statistics import Statistics, summarise
from bayes_alliance.simulation.population import simulated_rows

Method = Literal["ML", "REML", "Bayes"]
# NUTS of one process, since simulations already run side by side.
SAMPLER = SamplerSettings(draws=500, tune=500, chains=4, cores=1)
COLLAPSED = CollapsedSettings(draws=2000)


@dataclass(frozen=True, kw_only=True)
class Approach:
    """One way to an estimate with an interval.

    Parameters
    ----------
    method : {"ML", "REML", "Bayes"}
        Wald intervals on Satterthwaite's degrees of freedom, or the posterior.
    engine : str
        Of Bayes.
    priors : CoefficientPriors or None
        Of Bayes.
    """

    method: Method
    engine: Engine | Literal[""] = ""
    priors: CoefficientPriors | None = None

    @property
    def name(self) -> str:
        """Return what tables call it."""
        return f"{self.engine}, {self.priors.name} prior" if self.priors else self.method


@dataclass(frozen=True, kw_only=True)
class ApproachAnswer:
    """What an approach says of one estimand.

    Parameters
    ----------
    estimate : float
        ML or REML estimate; posterior mean.
    error : float
        Standard error; posterior SD.
    lower, upper : float
        Ends of the 95 % interval.
    """

    estimate: float
    error: float
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class Answers:
    """All answers of one approach to one study, by estimand; ``note`` says what else happened."""

    by_name: Mapping[str, ApproachAnswer]
    note: str = ""


def answer(
    approach: Approach,
    design: Design,
    estimands: Mapping[str, Weights],
    *,
    seed: int,
    stats: Statistics | None = None,
) -> Answers:
    """Analyse one study by one approach.

    Parameters
    ----------
    estimands : mapping of str to weights
        Linear combinations of coefficients.
    seed : int
        Of the posterior draws.
    stats : Statistics, optional
        Of the design, where several approaches share them.

    Returns
    -------
    Answers

    Raises
    ------
    FitError
        If the approach gives none.
    """
    used = stats or summarise(design.y, design.x, design.z, design.patient_index)
    if approach.method != "Bayes":
        fit = fit_mixed(design, simulated_rows(design), method=approach.method, stats=used)
        found = {name: _wald(estimate_effect(fit, weights)) for name, weights in estimands.items()}
        return Answers(by_name=found, note=_ml_note(fit))
    assert approach.priors is not None
    posterior = draw_posterior(approach.engine or "collapsed", design, approach.priors, seed=seed, stats=used)
    by_name = {name: _interval(posterior, weights) for name, weights in estimands.items()}
    return Answers(by_name=by_name, note=str(posterior.facts.get("handed_over", "")))


def draw_posterior(
    engine: Engine,
    design: Design,
    priors: CoefficientPriors,
    *,
    seed: int,
    stats: Statistics | None = None,
    frame: object = None,
) -> PosteriorFit:
    """Draw a posterior as a run does, the hand-over of ``collapsed`` included, on one core."""
    rows = simulated_rows(design)
    settings = EngineSettings(sampler=SAMPLER, collapsed=COLLAPSED)
    if engine == "bambi":
        return fit_posterior(engine, design, rows, priors, frame, seed=seed, settings=settings)  # type: ignore[arg-type]
    if engine == "pymc":
        # A run takes the matrices that Bambi states from the rows; a simulated study has its matrices, and no rows.
        return fit_pymc(design, rows, priors, seed=seed, settings=SAMPLER)
    fit = fit_collapsed(design, rows, priors, seed=seed, settings=COLLAPSED, stats=stats)
    pareto_k = float(fit.facts["pareto_k"])
    if pareto_k <= PARETO_K_LIMIT:
        return fit
    sampled = fit_pymc(design, rows, priors, seed=seed, settings=SAMPLER)
    reason = f"collapsed: Pareto k {pareto_k:.2f} above {PARETO_K_LIMIT}; sampled by pymc instead"
    return dataclasses.replace(sampled, facts={**sampled.facts, "handed_over": reason})


def _wald(effect: Effect) -> ApproachAnswer:
    """Return the interval estimate +- t x SE; without degrees of freedom (singular fits can lack them) the Normal's."""
    tail = (1.0 + INTERVAL) / 2.0
    quantile = special.stdtrit(effect.df, tail) if effect.df > 0.0 else special.ndtri(tail)
    reach = float(quantile) * effect.se
    if not math.isfinite(reach):
        raise FitError("the standard error is not finite")
    return ApproachAnswer(
        estimate=effect.estimate,
        error=effect.se,
        lower=effect.estimate - reach,
        upper=effect.estimate + reach,
    )


def _interval(posterior: PosteriorFit, weights: Weights) -> ApproachAnswer:
    draws = posterior.combine(weights)
    tail = (1.0 - INTERVAL) / 2.0
    lower, upper = np.quantile(draws, [tail, 1.0 - tail])
    if not np.all(np.isfinite(draws)):
        raise FitError("some draws are not finite")
    return ApproachAnswer(
        estimate=float(draws.mean()), error=float(draws.std(ddof=1)), lower=float(lower), upper=float(upper)
    )


def _ml_note(fit: MixedFit) -> str:
    parts = ["singular"] if fit.singular else []
    return ", ".join([*parts, *([] if fit.converged else ["not converged"])])
