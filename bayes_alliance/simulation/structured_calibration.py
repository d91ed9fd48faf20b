"""Simulation-based calibration of models with several levels or correlated residuals, by engine ``collapsed``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_alliance.errors import AllianceError
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, PosteriorFit, Weights, weight_vector
from bayes_alliance.inference.lmm.densities import Draws, log_likelihoods, simulate_rows
from bayes_alliance.inference.lmm.fit_design import draw_structured, level_priors, model_of, structured_of
from bayes_alliance.inference.lmm.posterior import LevelPrior
from bayes_alliance.inference.lmm.quantities import name_variances
from bayes_alliance.inference.lmm.structure import (
    RandomShape,
    ResidualShape,
    correlation_root,
    lkj_exponents,
)
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.runtime.resumable_tasks import split_units
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.runtime.task_store import Task
from bayes_alliance.simulation.approaches import COLLAPSED
from bayes_alliance.simulation.calibration import (
    LOG_LIKELIHOOD,
    RANKED_DRAWS,
    events,
    posterior_verdicts,
    rank_values,
)
from bayes_alliance.simulation.population import simulated_rows
from bayes_alliance.simulation.truth import draw_scale

_COLUMNS = ("study", "quantity", "truth", "transform", "mean", "sd", "verdict", "failure", "note")


@dataclass(frozen=True, kw_only=True)
class StructuredCalibration:
    """One calibration: everything that its studies depend on.

    Parameters
    ----------
    design : Design
        Whose columns, patients and clusters every study has; its outcome is zero.
    drawn, fitted : CoefficientPriors
        What parameters are drawn from, and what the engine is told.
    estimands : mapping of str to weights
        Linear combinations of coefficients to be ranked beside the coefficients.
    seed : int
        Of all its studies.
    smallest : mapping of str to float
        As of :class:`bayes_alliance.simulation.calibration.Calibration`.
    """

    design: Design
    drawn: CoefficientPriors
    fitted: CoefficientPriors
    estimands: Mapping[str, Weights]
    seed: int
    smallest: Mapping[str, float] = dataclasses.field(default_factory=dict)


def structured_tasks(calibration: StructuredCalibration, *, studies: int, batch: int, key: str) -> list[Task]:
    """Split the studies of a calibration into tasks; which task a study is in changes nothing in it."""
    return [
        Task(key=f"{key}-{first:06d}-{count}", arguments=(calibration, first, count), size=count)
        for first, count in split_units(studies, batch)
    ]


def calibrate_structured_batch(
    calibration: StructuredCalibration, first: int, count: int
) -> dict[str, list[Any]]:
    """Simulate, fit and rank some studies, as :func:`bayes_alliance.simulation.calibration.calibrate_batch`."""
    rows = [row for study in range(first, first + count) for row in calibrate_structured(calibration, study)]
    return {name: [row[name] for row in rows] for name in _COLUMNS}


def calibrate_structured(calibration: StructuredCalibration, study: int) -> list[dict[str, Any]]:
    """Simulate, fit and rank one study."""
    seed = derive_seed(calibration.seed, "sbc", str(study))
    rng = np.random.default_rng(seed)
    truth = draw_parameters(calibration.design, calibration.drawn, rng)
    common: dict[str, Any] = {"study": study, "failure": "", "note": ""}
    try:
        design = with_outcome(
            calibration.design, simulate_rows(truth, calibration.design, np.zeros(1, dtype=np.int64), rng)[0]
        )
        posterior = draw_structured(
            design,
            simulated_rows(design),
            calibration.fitted,
            seed=int(rng.integers(2**32)),
            draws=COLLAPSED.draws,
            pool=COLLAPSED.pool,
        )
        ranked = _rank(calibration, design, posterior, truth, rng)
    except AllianceError as error:
        nan = float("nan")
        none = {"quantity": "", "truth": nan, "transform": nan, "mean": nan, "sd": nan, "verdict": ""}
        return [common | none | {"failure": f"{type(error).__name__}: {error}"}]
    verdicts = posterior_verdicts(posterior, calibration.estimands, calibration.smallest)
    return [common | {"verdict": verdicts.get(row["quantity"], "")} | row for row in ranked]


def with_outcome(design: Design, y: Array) -> Design:
    """Return the same design with another outcome."""
    about = structured_of(design)
    rows = dataclasses.replace(about.rows, y=y[about.order])
    return dataclasses.replace(design, y=y, structured=dataclasses.replace(about, rows=rows))


def _rank(
    calibration: StructuredCalibration,
    design: Design,
    posterior: PosteriorFit,
    truth: Draws,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    thinned, model, about = posterior.thin(RANKED_DRAWS), model_of(design), structured_of(design)
    natural = about.structure.residual.natural(truth.residual)
    variances = name_variances(about, truth.patient_cov, truth.cluster_cov, natural, truth.residual_sd)
    draws = dict(thinned.named_draws())
    values = dict(zip(design.x_names, truth.beta[0].tolist(), strict=True))
    values |= {name: float(value[0]) for name, value in variances.items()}
    for name, weights in calibration.estimands.items():
        draws[name] = thinned.combine(weights)
        values[name] = float(truth.beta[0] @ weight_vector(design.x_names, weights))
    beta = thinned.beta.reshape(-1, len(design.x_names))
    draws |= events(beta, design.x_names, calibration.estimands, calibration.smallest)
    at = events(truth.beta, design.x_names, calibration.estimands, calibration.smallest)
    values |= {name: float(value[0]) for name, value in at.items()}
    draws[LOG_LIKELIHOOD] = log_likelihoods(thinned, model)
    values[LOG_LIKELIHOOD] = float(log_likelihoods(truth, model)[0])
    return rank_values(draws, values, rng)


def draw_parameters(design: Design, priors: CoefficientPriors, rng: np.random.Generator) -> Draws:
    """Draw one set of parameters from the prior of a structured design."""
    structure = structured_of(design).structure
    patient, cluster = level_priors(structured_of(design), priors)
    return Draws(
        beta=(priors.mean + priors.root @ rng.standard_normal(priors.root.shape[1]))[None],
        patient_cov=_draw_covariance(structure.patient, patient, priors, rng)[None],
        cluster_cov=_draw_covariance(structure.cluster, cluster, priors, rng)[None],
        residual=_draw_residual(structure.residual, priors.lkj_eta, rng)[None],
        residual_sd=priors.sigma_scale * draw_scale(priors, len(structure.residual.groups), rng)[None],
    )


def _draw_covariance(
    shape: RandomShape, level: LevelPrior, priors: CoefficientPriors, rng: np.random.Generator
) -> Array:
    sd = level.scale * draw_scale(priors, shape.size, rng)
    root = np.zeros((shape.size, shape.size))
    start = 0
    for size in shape.blocks:
        some = slice(start, start + size)
        partial = _draw_partial(lkj_exponents(size, priors.lkj_eta), rng)
        root[some, some] = sd[some, None] * correlation_root(partial[None], size)[0]
        start += size
    shifted = level.shift @ root
    covariance: Array = shifted @ shifted.T
    return covariance


def _draw_partial(exponents: Array, rng: np.random.Generator) -> Array:
    """Partial correlations with densities proportional to (1 - r^2)^(a - 1)."""
    return np.asarray(2.0 * rng.beta(exponents, exponents) - 1.0)


def _draw_residual(shape: ResidualShape, eta: float, rng: np.random.Generator) -> Array:
    """Correlation parameters of residuals on the whole real line, from the priors that the engine has."""
    if shape.kind in ("ar1", "toep"):
        return np.arctanh(_draw_partial(np.ones(shape.n_correlation), rng))
    if shape.kind == "un":
        return np.arctanh(_draw_partial(lkj_exponents(len(shape.levels), eta), rng))
    uniform = rng.random(shape.n_correlation)
    if shape.kind == "cs":
        return np.asarray(np.log(uniform) - np.log1p(-uniform))
    return np.asarray(-np.log(-np.log(uniform)))
