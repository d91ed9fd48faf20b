"""Fits of a structured design as the records that all other fits have: ML, REML and the posterior."""

from __future__ import annotations

import time

import numpy as np

from bayes_alliance.errors import FitError
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, MixedFit, PosteriorFit, RowsUsed
from bayes_alliance.inference.lmm.design import StructuredDesign
from bayes_alliance.inference.lmm.ml import Method, fit_lmm
from bayes_alliance.inference.lmm.model import LmmModel, build_model
from bayes_alliance.inference.lmm.posterior import (
    LevelPrior,
    LmmPosterior,
    LmmTarget,
    fit_lmm_posterior,
    make_lmm_target,
)
from bayes_alliance.inference.lmm.quantities import name_variances
from bayes_alliance.inference.priors import CoefficientPriors, log_scale_prior

CHAINS = 4
_MORE = 4.0


class UntrustedDrawsError(FitError):
    """No posterior: the importance weights cannot be trusted."""


def structured_of(design: Design) -> StructuredDesign:
    """Return the structured part of a design, which has to have one."""
    if design.structured is None:
        raise ValueError("the design has one grouping factor and independent residuals")
    return design.structured


def model_of(design: Design) -> LmmModel:
    """Return the sufficient statistics of a design; FitError where its rows cannot identify the model."""
    about = structured_of(design)
    return build_model(about.rows, about.structure, design.x_names)


def fit_structured(design: Design, rows: RowsUsed, *, model_id: str = "", method: Method = "ML") -> MixedFit:
    """Fit a structured design by ML or REML; ``variances`` of the record holds its variance quantities.

    Raises
    ------
    FitError
        If the rows cannot tell the variance parameters apart.
    """
    started = time.perf_counter()
    about = structured_of(design)
    fit = fit_lmm(model_of(design), method=method)
    named = name_variances(about, fit.patient_cov, fit.cluster_cov, fit.correlations, fit.sigma)
    return MixedFit(
        model_id=model_id,
        method=method,
        covariance="by formula",
        rows=rows,
        x_names=design.x_names,
        z_names=(),
        beta=fit.beta,
        beta_cov=fit.beta_cov,
        sd=np.empty(0),
        correlation=float("nan"),
        sigma=float(fit.sigma[0]),
        deviance=fit.deviance,
        n_covariance=fit.n_covariance,
        singular=fit.singular,
        converged=fit.converged,
        theta=fit.theta,
        parameter_cov=fit.parameter_cov,
        beta_cov_jacobian=fit.beta_cov_jacobian,
        seconds=time.perf_counter() - started,
        variances=tuple((name, float(value)) for name, value in named.items()),
    )


def level_priors(about: StructuredDesign, priors: CoefficientPriors) -> tuple[LevelPrior, LevelPrior]:
    """Return the priors of the random effects of both levels."""
    q = about.structure.patient.size
    first, second = (
        LevelPrior(scale=scale, shift=about.shift(shape, priors.origin))
        for scale, shape in (
            (priors.sd_scale[:q], about.structure.patient),
            (priors.sd_scale[q:], about.structure.cluster),
        )
    )
    return first, second


def target_of(design: Design, priors: CoefficientPriors, model: LmmModel | None = None) -> LmmTarget:
    """Return the log posterior of a structured design."""
    return make_lmm_target(model or model_of(design), priors, *level_priors(structured_of(design), priors))


def covariance_log_prior(design: Design, priors: CoefficientPriors, fit: PosteriorFit) -> Array:
    """Log prior density of the covariance of each draw, up to a constant, in SDs and correlations."""
    about = structured_of(design)
    structure = about.structure
    total = np.zeros(fit.sigma.shape)
    shapes = (structure.patient, structure.cluster)
    for shape, level, name in zip(
        shapes, level_priors(about, priors), ("patient_cov", "cluster_cov"), strict=True
    ):
        back = np.linalg.inv(level.shift)
        covariance = back @ fit.covariance_draws[name] @ back.T
        sd = np.sqrt(np.einsum("...kk->...k", covariance))
        total += log_scale_prior(sd, level.scale, priors.scale_family, priors.scale_df).sum(axis=-1)
        start = 0
        for size in shape.blocks:
            some = slice(start, start + size)
            own = covariance[..., some, some] / (sd[..., some, None] * sd[..., None, some])
            total += (priors.lkj_eta - 1.0) * np.linalg.slogdet(own)[1]
            start += size
    sigma = fit.covariance_draws["residual_sd"]
    scale = np.asarray(priors.sigma_scale)
    total += log_scale_prior(sigma, scale, priors.scale_family, priors.scale_df).sum(axis=-1)
    if structure.residual.kind == "un":
        drawn = fit.covariance_draws["residual"]
        matrix = structure.residual.matrix(drawn.reshape(fit.n_draws, -1))
        total += (priors.lkj_eta - 1.0) * np.linalg.slogdet(matrix)[1].reshape(total.shape)
    return total


def draw_structured(
    design: Design,
    rows: RowsUsed,
    priors: CoefficientPriors,
    *,
    seed: int,
    model_id: str = "",
    draws: int,
    pool: float,
) -> PosteriorFit:
    """Draw the posterior of a structured design.

    Parameters
    ----------
    design, rows, priors, seed, model_id
        As for :func:`bayes_alliance.inference.collapsed.fit_collapsed`.
    draws : int
        Draws in all.
    pool : float
        Importance draws for each of them; four times as many where the weights ask for it.

    Raises
    ------
    UntrustedDrawsError
        If Pareto k stays above 0.7.
    """
    started = time.perf_counter()
    model = model_of(design)
    target, fit = target_of(design, priors, model), fit_lmm(model, method="REML")
    for factor in (1.0, _MORE):
        found = fit_lmm_posterior(target, fit, seed=seed, draws=draws, pool=pool * factor)
        if found.usable:
            return _record(design, rows, priors, found, seed=seed, model_id=model_id, started=started)
    raise UntrustedDrawsError(
        f"no posterior: Pareto k of importance sampling is {found.pareto_k:.2f}, above 0.7, so its draws cannot be "
        "used; ML and REML stand"
    )


def _record(
    design: Design,
    rows: RowsUsed,
    priors: CoefficientPriors,
    found: LmmPosterior,
    *,
    seed: int,
    model_id: str,
    started: float,
) -> PosteriorFit:
    about = structured_of(design)
    named = name_variances(about, found.patient_cov, found.cluster_cov, found.correlations, found.sigma)
    drawn = {
        "patient_cov": found.patient_cov,
        "cluster_cov": found.cluster_cov,
        "residual": found.residual,
        "residual_sd": found.sigma,
    }
    beta = _dealt(found.beta)
    return PosteriorFit(
        model_id=model_id,
        engine="collapsed",
        covariance="by formula",
        prior=priors.name,
        rows=rows,
        formula=design.formula.text,
        x_names=design.x_names,
        z_names=(),
        beta=beta,
        sd=np.empty((*beta.shape[:2], 0)),
        correlation=np.zeros(beta.shape[:2]),
        sigma=_dealt(found.sigma[:, 0]),
        seed=seed,
        facts={"pareto_k": found.pareto_k, "importance_ess": found.ess, "log_evidence": found.log_evidence},
        seconds=time.perf_counter() - started,
        variances={name: _dealt(values) for name, values in named.items()},
        covariance_draws={name: _dealt(values) for name, values in drawn.items()},
    )


def _dealt(values: Array) -> Array:
    """Deal independent draws to chains."""
    count = len(values) // CHAINS
    return values[: CHAINS * count].reshape(CHAINS, count, *values.shape[1:])
