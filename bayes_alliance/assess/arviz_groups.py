"""A fit with its rows as a tree of all groups that ArviZ knows, for a notebook; never stored: it holds patients' rows.

Parameters have the names of the tables (``months:poor_outcome``, ``sd_months``, ``sigma``). The outcome's own name
stands for its visits: log density and prediction of a visit given the patient's other visits, effects integrated out,
so that ``az.loo``, ``az.plot_loo_pit`` and ``az.plot_ppc_dist`` take the tree as it is. Beside it stand the log
densities by patient, which the comparison table rests on, and replicates of new patients at the same visits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayes_alliance.assess.loo import pointwise_density
from bayes_alliance.assess.posterior_predictive import simulate_replicates
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, PosteriorFit
from bayes_alliance.inference.likelihood import relative_factor
from bayes_alliance.inference.patient_effects import predict_visits
from bayes_alliance.inference.priors import (
    CoefficientPriors,
    coefficient_log_prior,
    draw_prior,
    log_correlation_prior,
    log_scale_prior,
)
from bayes_alliance.inference.statistics import summarise

if TYPE_CHECKING:
    import xarray as xr

MAX_DRAWS = 4_000
_DRAW = ("chain", "draw")


# Over 40 lines: the groups of the tree, each variable with its dimensions.
def arviz_groups(fit: PosteriorFit, design: Design, priors: CoefficientPriors, *, seed: int) -> xr.DataTree:
    """Return a fit as a DataTree with every group that ArviZ's functions ask for.

    Parameters
    ----------
    fit : PosteriorFit
        Of more than ``MAX_DRAWS`` draws every k-th is kept: groups by row take draws times rows of memory.
    design : Design
        Its rows.
    priors : CoefficientPriors
        Its priors.
    seed : int
        Of the predictions and of the draws from the prior.

    Returns
    -------
    xarray.DataTree
        ``posterior``, ``prior``, ``log_prior``, ``log_likelihood`` (the outcome by visit, and ``..._by_patient``),
        ``posterior_predictive`` (the outcome, and ``..._of_new_patients``), ``observed_data`` and, where a sampler ran,
        ``sample_stats``.
    """
    import xarray as xr

    kept = fit.thin(MAX_DRAWS)
    outcome = design.formula.response
    rng = np.random.default_rng(seed)
    by_visit, by_patient = ((*_DRAW, "visit"), (*_DRAW, "patient"))
    groups = {
        "posterior": xr.Dataset({name: (_DRAW, values) for name, values in kept.named_draws().items()}),
        "prior": xr.Dataset({name: (_DRAW, values) for name, values in _prior(kept, priors, rng).items()}),
        "log_prior": xr.Dataset({name: (_DRAW, values) for name, values in _log_prior(kept, priors).items()}),
        "log_likelihood": xr.Dataset(
            {
                outcome: (by_visit, pointwise_density(kept, design, "new_visit", seed=seed)),
                f"{outcome}_by_patient": (
                    by_patient,
                    pointwise_density(kept, design, "new_patient", seed=seed),
                ),
            }
        ),
        "posterior_predictive": xr.Dataset(
            {
                outcome: (by_visit, _predict(kept, design, rng)),
                f"{outcome}_of_new_patients": (by_visit, _replicate(kept, design, seed)),
            }
        ),
        "observed_data": xr.Dataset(
            {outcome: ("visit", design.y), f"{outcome}_of_new_patients": ("visit", design.y)}
        ),
    }
    if kept.sample_stats:
        groups["sample_stats"] = xr.Dataset(
            {name: (_DRAW, values) for name, values in kept.sample_stats.items()}
        )
    groups["posterior"].attrs = {
        "model_id": fit.model_id,
        "formula": fit.formula,
        "covariance": fit.covariance,
        "prior": fit.prior,
        "engine": fit.engine,
        "source": fit.rows.source.value,
    }
    return xr.DataTree.from_dict(groups)


def _prior(fit: PosteriorFit, priors: CoefficientPriors, rng: np.random.Generator) -> dict[str, Array]:
    """Draws from the prior under the names of the posterior's variables, in one chain."""
    drawn = draw_prior(priors, fit.covariance, fit.n_draws, rng)
    named = {name: drawn.beta[:, i] for i, name in enumerate(fit.x_names)}
    named |= {f"sd_{name}": drawn.sd[:, i] for i, name in enumerate(fit.z_names)}
    named |= {"correlation": drawn.correlation, "sigma": drawn.sigma}
    return {name: named[name][None] for name in fit.named_draws()}


def _log_prior(fit: PosteriorFit, priors: CoefficientPriors) -> dict[str, Array]:
    """Log prior densities of coefficients together, of each SD and of the correlation."""
    found = {"coefficients": coefficient_log_prior(fit.beta, priors)}
    scales = log_scale_prior(fit.sd, priors.sd_scale, priors.scale_family, priors.scale_df)
    found |= {f"sd_{name}": scales[..., i] for i, name in enumerate(fit.z_names)}
    found["sigma"] = log_scale_prior(
        fit.sigma, np.asarray(priors.sigma_scale), priors.scale_family, priors.scale_df
    )
    if fit.covariance == "UN" and len(fit.z_names) > 1:
        found["correlation"] = log_correlation_prior(fit.correlation, priors.lkj_eta)
    return found


def _predict(fit: PosteriorFit, design: Design, rng: np.random.Generator) -> Array:
    """Draw each visit given the patient's other visits, shape (chain, draw, n_rows)."""
    beta, sd, correlation, sigma = fit.flat()
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    residual, variance = predict_visits(
        design.y, design.x, design.z, stats, beta, relative_factor(sd, correlation, sigma), sigma
    )
    values = design.y - residual + np.sqrt(variance) * rng.standard_normal(residual.shape)
    return values.reshape(fit.n_chains, -1, design.n_rows)


def _replicate(fit: PosteriorFit, design: Design, seed: int) -> Array:
    replicates = simulate_replicates(fit, design, count=fit.n_draws, seed=seed)
    return replicates.reshape(fit.n_chains, -1, design.n_rows)
