r"""Power-scaling: how a claim moves when prior or likelihood is raised to a power near one.

The posterior under :math:`p(\theta)^\alpha` or :math:`p(y\mid\theta)^\alpha` by importance weights, without a refit
(Kallioinen, Paananen, Bürkner & Vehtari 2024, doi:10.1007/s11222-023-10366-5). The sensitivity is ArviZ's ``psense``:
the rate at which the quantity's distribution moves, as cumulative Jensen-Shannon distance per doubling of
:math:`\alpha`. Above 0.05 for both prior and likelihood, the two pull in different directions; for the prior alone,
the prior is strong or the data are weak. The log likelihood is that of whole patients, random effects integrated out.
The log prior is that of the coefficients, SDs, correlation and residual SD as the study states them.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bayes_alliance.claims.from_posterior import Fitted
from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.likelihood import log_density_patients, relative_factor
from bayes_alliance.inference.lmm.densities import joint_densities
from bayes_alliance.inference.lmm.fit_design import covariance_log_prior
from bayes_alliance.inference.priors import CoefficientPriors, coefficient_log_prior, log_scale_prior

Component = Literal["prior", "likelihood"]
THRESHOLD = 0.05


@dataclass(frozen=True, kw_only=True)
class PowerSensitivity:
    """Power-scaling sensitivity of one quantity.

    Parameters
    ----------
    prior, likelihood : float
        ArviZ's ``psense`` for either; 0 for no movement.
    diagnosis : str
        In words, by the threshold 0.05; empty where nothing is remarkable.
    """

    prior: float
    likelihood: float
    diagnosis: str


def log_prior(fitted: Fitted, priors: CoefficientPriors) -> Array:
    """Log prior density of each draw, shape (chain, draw), in the parameters in which the priors are stated.

    Parameters
    ----------
    fitted : Fitted
        Posterior draws.
    priors : CoefficientPriors
        Under which they were drawn.
    """
    fit = fitted.fit
    total = coefficient_log_prior(fit.beta, priors)
    if fitted.planned.design.structured is not None:
        return np.asarray(total + covariance_log_prior(fitted.planned.design, priors, fit))
    total = total + log_scale_prior(fit.sd, priors.sd_scale, priors.scale_family, priors.scale_df).sum(
        axis=-1
    )
    total = total + log_scale_prior(
        fit.sigma, np.asarray(priors.sigma_scale), priors.scale_family, priors.scale_df
    )
    if fit.covariance == "UN" and fit.sd.shape[-1] == 2:
        # LKJ of a 2 x 2 matrix, up to its constant.
        total = total + (priors.lkj_eta - 1.0) * np.log1p(-(fit.correlation**2))
    result: Array = total
    return result


def log_likelihood(fitted: Fitted) -> Array:
    """Log likelihood of each patient, or of each cluster of them, at each draw, shape (chain, draw, n_units)."""
    design = fitted.planned.design
    if design.structured is not None:
        return np.asarray(joint_densities(fitted.fit, design).reshape(*fitted.fit.sigma.shape, -1))
    beta, sd, correlation, sigma = fitted.fit.flat()
    values = log_density_patients(fitted.stats, beta, relative_factor(sd, correlation, sigma), sigma)
    return values.reshape(*fitted.fit.sigma.shape, -1)


def power_sensitivity(
    draws: Mapping[str, Array], prior: Array, likelihood: Array
) -> dict[str, PowerSensitivity]:
    """Compute the sensitivity of named quantities by ArviZ's ``psense``.

    Parameters
    ----------
    draws : mapping of str to ndarray, shape (chain, draw)
        Quantities.
    prior : ndarray, shape (chain, draw)
        Log prior.
    likelihood : ndarray, shape (chain, draw, n)
        Log likelihood of each unit.

    Returns
    -------
    dict of str to Sensitivity
    """
    import arviz_stats
    import xarray as xr

    dims = ("chain", "draw")
    names = {f"q{i}": name for i, name in enumerate(draws)}
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({key: (dims, draws[name]) for key, name in names.items()}),
            "log_prior": xr.Dataset({"prior": (dims, prior)}),
            "log_likelihood": xr.Dataset({"patients": ((*dims, "unit"), likelihood)}),
        }
    )
    found: dict[str, dict[str, float]] = {}
    components: tuple[Component, ...] = ("prior", "likelihood")
    with warnings.catch_warnings():
        # Resampled draws repeat, of which ArviZ warns; independent draws dealt to groups need no convergence check.
        warnings.simplefilter("ignore")
        for component in components:
            values = arviz_stats.psense(tree, group=component, sample_dims=list(dims))
            for key in names:
                found.setdefault(key, {})[component] = float(values[key])
    return {name: _diagnosed(found[key]["prior"], found[key]["likelihood"]) for key, name in names.items()}


def _diagnosed(prior: float, likelihood: float) -> PowerSensitivity:
    if prior < THRESHOLD:
        said = ""
    elif likelihood >= THRESHOLD:
        said = "prior and data pull in different directions"
    else:
        said = "strong prior or weak data"
    return PowerSensitivity(prior=prior, likelihood=likelihood, diagnosis=said)
