"""The mixed model written in PyMC: what :mod:`bayes_alliance.bambi_pymc` compiles and samples.

Data and priors enter as ``pm.Data``, so that one compiled model serves all models of its shape. The marginal
form is the likelihood of :mod:`bayes_alliance.likelihood` over the same sufficient statistics, written again in
PyTensor; a test holds the two together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bayes_alliance.fits import Array, Covariance
from bayes_alliance.formulas import Design
from bayes_alliance.likelihood import Statistics, summarise
from bayes_alliance.priors import CoefficientPriors
from bayes_alliance.study import ScaleFamily


def used_data(data: dict[str, Array], covariance: Covariance, family: ScaleFamily) -> dict[str, Array]:
    """Leave out what a model of this shape does not use: compiled models refuse it."""
    unused = {"prior_lkj_eta"} if covariance != "UN" else set()
    unused |= {"prior_scale_df"} if family != "half_t" else set()
    return {name: value for name, value in data.items() if name not in unused}


def _prior_data(design: Design, priors: CoefficientPriors) -> dict[str, Array]:
    return {
        "prior_mean": priors.mean,
        "prior_sd": priors.sd,
        "prior_sd_scale": priors.sd_scale,
        "prior_sigma_scale": np.asarray(priors.sigma_scale, dtype=float),
        "prior_scale_df": np.asarray(priors.scale_df, dtype=float),
        "prior_lkj_eta": np.asarray(priors.lkj_eta, dtype=float),
    }


def marginal_data(design: Design, priors: CoefficientPriors) -> dict[str, Array]:
    """Give the sufficient statistics under the names of the compiled model's data, at the width compiled."""
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    return widen_data(_prior_data(design, priors) | statistics_data(stats), compiled_width(stats.p))


def compiled_width(p: int) -> int:
    """Give the number of coefficients that a model with ``p`` is compiled for: the next multiple of four.

    Compiling takes longer than sampling, and models of a study differ by a coefficient or two. Those beyond
    ``p`` have no column of data and a standard normal prior of their own, so that they leave the posterior of
    the others as it is; their draws are thrown away.
    """
    return 4 * math.ceil(p / 4)


def widen_data(data: dict[str, Array], width: int) -> dict[str, Array]:
    """Make room for coefficients without data, behind those of the model."""
    p = len(data["prior_mean"])
    empty = width - p
    a, b = np.triu_indices(p + 1)
    place = np.append(np.arange(p), width)
    pairs = np.zeros((width + 1, width + 1), dtype=int)
    pairs[np.triu_indices(width + 1)] = np.arange((width + 1) * (width + 2) // 2)
    kept = pairs[place[a], place[b]]
    dd = np.zeros((width + 1) * (width + 2) // 2)
    dd[kept] = data["dd"]
    moments = np.zeros((*data["moments"].shape[:2], len(dd)))
    moments[..., kept] = data["moments"]
    return data | {
        "prior_mean": np.append(data["prior_mean"], np.zeros(empty)),
        "prior_sd": np.append(data["prior_sd"], np.ones(empty)),
        "basis": np.pad(data["basis"], (0, empty)),
        "beta_ols": np.append(data["beta_ols"], np.zeros(empty)),
        "dd": dd,
        "moments": moments,
    }


def statistics_data(stats: Statistics) -> dict[str, Array]:
    """Give the statistics as plain arrays, random columns by pairs."""
    k, l = np.triu_indices(stats.q)
    a, b = np.triu_indices(stats.p + 1)
    return {
        "basis": stats.basis,
        "beta_ols": stats.beta_ols,
        "z_basis": stats.z_basis,
        "zz": stats.zz[:, k, l],
        "counts": stats.counts,
        "moments": stats.moments,
        "dd": stats.dd[a, b],
        "n_rows": np.asarray(float(stats.n_rows)),
    }


def conditional_data(design: Design, priors: CoefficientPriors) -> dict[str, Array]:
    """Give the rows under the names of a model whose effects are sampled."""
    return _prior_data(design, priors) | {
        "y": design.y,
        "x": design.x,
        "z": design.z,
        "patient": design.patient_index.astype(float),
    }


def build_pymc_model(
    p: int,
    q: int,
    covariance: Covariance,
    data: Mapping[str, Array],
    *,
    family: ScaleFamily = "half_normal",
    patients: int = 0,
) -> Any:
    """Write the PyMC model of one shape.

    Parameters
    ----------
    p, q : int
        Fixed and random coefficients.
    covariance : {"UN", "VC", "ID"}
        Whether intercept and slope correlate.
    data : mapping of str to ndarray
        Statistics or rows, and priors; held as ``pm.Data`` so that they can be swapped.
    family : {"half_normal", "half_t", "exponential"}
        Priors on the SDs.
    patients : int
        Number of patients whose effects are sampled; 0 integrates them out.

    Returns
    -------
    pymc.Model
    """
    import pymc as pm

    with pm.Model() as model:
        held = {name: pm.Data(name, value) for name, value in data.items()}
        beta = pm.Normal("beta", held["prior_mean"], held["prior_sd"], shape=(p,))
        sd = _scale_prior("sd", held["prior_sd_scale"], held, family, shape=(q,))
        sigma = _scale_prior("sigma", held["prior_sigma_scale"], held, family)
        # An LKJ prior on a 2 x 2 correlation matrix is a symmetric beta on (correlation + 1) / 2.
        correlation: Any = 0.0
        if covariance == "UN":
            share = pm.Beta("correlation_share", held["prior_lkj_eta"], held["prior_lkj_eta"])
            correlation = pm.Deterministic("correlation", 2.0 * share - 1.0)
        if patients:
            _add_rows(held, beta, sd, correlation, sigma, patients, q)
        else:
            pm.Potential("likelihood", _marginal_logp(held, beta, sd, correlation, sigma, p, q))
    return model


def _scale_prior(name: str, scale: Any, held: Mapping[str, Any], family: ScaleFamily, **shape: Any) -> Any:
    import pymc as pm

    if family == "half_t":
        return pm.HalfStudentT(name, nu=held["prior_scale_df"], sigma=scale, **shape)
    if family == "exponential":
        return pm.Exponential(name, scale=scale, **shape)
    return pm.HalfNormal(name, scale, **shape)


def _add_rows(
    held: Mapping[str, Any], beta: Any, sd: Any, correlation: Any, sigma: Any, patients: int, q: int
) -> None:
    """Add the patients' effects (non-centred) and the observed rows to the model in context."""
    import pymc as pm
    import pytensor.tensor as pt

    raw = pm.Normal("effects_raw", 0.0, 1.0, shape=(patients, q))
    effects = raw * sd
    if q == 2:
        across = correlation * raw[:, 0] + pt.sqrt(1.0 - correlation**2) * raw[:, 1]
        effects = pt.stack([raw[:, 0] * sd[0], across * sd[1]], axis=1)
    index = pt.cast(held["patient"], "int64")
    mean = held["x"] @ beta + pt.sum(held["z"] * effects[index], axis=1)
    pm.Normal("y_observed", mean, sigma, observed=held["y"])


def _marginal_logp(
    held: Mapping[str, Any], beta: Any, sd: Any, correlation: Any, sigma: Any, p: int, q: int
) -> Any:
    """Log density of all rows with the effects integrated out: likelihood._weigh_two in PyTensor."""
    import pytensor.tensor as pt

    first, second = np.triu_indices(p + 1)
    doubled = np.where(first == second, 1.0, 2.0)
    v = pt.concatenate([-(held["basis"] @ (beta - held["beta_ols"])), pt.ones(1)])
    products = v[first] * v[second] * doubled
    # moments hold sums of Z'd products: with weights 1 on a = b and 2 on a < b they give v'(d'ZKZ'd)v
    by_pair = pt.dot(held["moments"], products)
    relative = sd / sigma
    basis = held["z_basis"]
    if q == 1:
        gamma = (basis[0, 0] * relative[0]) ** 2
        determinant = 1.0 + gamma * held["zz"][:, 0]
        explained = pt.sum(gamma / determinant * by_pair[:, 0])
    else:
        # the relative factor in terms of orthogonal random columns: basis @ [[r0, 0], [rho r1, sqrt(1-rho^2) r1]]
        across = pt.sqrt(1.0 - correlation**2) * relative[1]
        f00 = basis[0, 0] * relative[0] + basis[0, 1] * correlation * relative[1]
        f01 = basis[0, 1] * across
        f10, f11 = basis[1, 1] * correlation * relative[1], basis[1, 1] * across
        g11, g12, g22 = f00**2 + f01**2, f00 * f10 + f01 * f11, f10**2 + f11**2
        size = (f00 * f11 - f01 * f10) ** 2
        a, b, c = held["zz"][:, 0], held["zz"][:, 1], held["zz"][:, 2]
        determinant = 1.0 + g11 * a + 2.0 * g12 * b + g22 * c + size * (a * c - b * b)
        kernel = pt.stack([g11 + size * c, g12 - size * b, g22 + size * a], axis=1)
        explained = pt.sum(kernel * by_pair / determinant[:, None])
    rss = pt.sum(held["dd"] * products) - explained
    logdet = pt.sum(held["counts"] * pt.log(determinant))
    return -0.5 * (held["n_rows"] * pt.log(2.0 * np.pi * sigma**2) + logdet + rss / sigma**2)
