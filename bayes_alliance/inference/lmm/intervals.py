r"""Profile-likelihood intervals of models with several levels or correlated residuals, by ML.

A combination of coefficients is held at a value in closed form at every covariance, so that only the covariance is
searched. An SD or a correlation is held by a constraint (sequential least squares with exact derivatives), each search
starting where the last one ended.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from bayes_alliance.errors import FitError
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, Weights, weight_vector
from bayes_alliance.inference.lmm.fit_design import model_of, structured_of
from bayes_alliance.inference.lmm.likelihood import profile_patterns
from bayes_alliance.inference.lmm.ml import LmmFit, bounds_of, fit_lmm
from bayes_alliance.inference.lmm.model import LmmModel
from bayes_alliance.inference.lmm.quantities import name_variances
from bayes_alliance.inference.lmm.structure import ResidualShape, Structure
from bayes_alliance.inference.ml_intervals import ProfileInterval, rise_above_limit, search_limit

# A quantity on the whole real line as a function of (theta, log sigma), and the way back to its own scale.
Point = NDArray[Any]
Quantity = tuple[Callable[[Point], Any], Callable[[float], float]]
_STEP, _FURTHEST = 1e-30, 8.0


def profile_combination(
    model: LmmModel, fit: LmmFit, combination: Weights, *, name: str = "", level: float = 0.95
) -> ProfileInterval:
    """Profile a linear combination of coefficients.

    Parameters
    ----------
    model, fit
        A model and its fit by ML.
    combination : weights
        What to profile.
    name : str
        Of the record.
    level : float
        Coverage.

    Returns
    -------
    ProfileInterval
    """
    _need_ml(fit)
    weights = weight_vector(fit.x_names, combination)
    estimate, se = float(weights @ fit.beta), float(np.sqrt(weights @ fit.beta_cov @ weights))

    def deviance(value: float) -> float:
        def at(theta: Array) -> tuple[float, Array]:
            found = profile_patterns(model.stats, theta, reml=False, held=(weights, value))
            return found.deviance, found.gradient

        if not len(fit.theta):
            return at(fit.theta)[0]
        # Also away from zeros, where the derivative by a standard deviation vanishes.
        starts = [fit.theta] if not fit.singular else [fit.theta, np.where(fit.theta == 0.0, 0.2, fit.theta)]
        return min(_descend(at, start, model) for start in starts)

    rise = rise_above_limit(deviance, fit.deviance, level)
    return ProfileInterval(
        name=name,
        estimate=estimate,
        lower=search_limit(rise, estimate, -se),
        upper=search_limit(rise, estimate, se),
        level=level,
    )


def _descend(at: Callable[[Array], tuple[float, Array]], start: Array, model: LmmModel) -> float:
    found = optimize.minimize(
        at,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds_of(model.structure),
        options={"ftol": 1e-12, "gtol": 1e-7, "maxcor": 30},
    )
    return float(found.fun)


def variance_names(fit: LmmFit) -> list[str]:
    """Return what :func:`profile_variance` takes: SDs and correlations of each level, of residuals, residual SDs."""
    return list(_quantities(fit, np.eye(fit.structure.patient.size), np.eye(fit.structure.cluster.size)))


def profile_variance(model: LmmModel, fit: LmmFit, name: str, *, level: float = 0.95) -> ProfileInterval:
    """Profile an SD or a correlation; see :func:`variance_names`.

    Raises
    ------
    FitError
        For a singular fit, or where the search for a limit fails.
    """
    _need_ml(fit)
    if fit.singular:
        raise FitError(
            "a singular fit has no profile intervals of SDs and correlations: one lies on its edge"
        )
    take, back = _quantities(fit, model.patient_basis, model.cluster_basis)[name]
    best = np.append(fit.theta, np.log(fit.sigma[0]))
    centre = float(np.real(take(best)))
    start = best.copy()

    def at(point: Array) -> tuple[float, Array]:
        found = profile_patterns(model.stats, point[:-1], reml=False, sigma=float(np.exp(point[-1])))
        return found.deviance, np.append(found.gradient, found.by_log_sigma)

    def deviance(value: float) -> float:
        def missing(point: Array) -> float:
            return float(np.real(take(point))) - value

        found = optimize.minimize(
            at,
            start,
            jac=True,
            method="SLSQP",
            constraints=[{"type": "eq", "fun": missing, "jac": functools.partial(_slope, take)}],
            options={"ftol": 1e-10, "maxiter": 200},
        )
        if not found.success or abs(missing(found.x)) > 1e-6:
            raise FitError(f"no profile interval of {name}: the search for a limit failed ({found.message})")
        start[:] = found.x
        return float(found.fun)

    rise = rise_above_limit(deviance, fit.deviance, level)
    lower = search_limit(rise, centre, -0.1, furthest=_FURTHEST)
    start[:] = best
    upper = search_limit(rise, centre, 0.1, furthest=_FURTHEST)
    return ProfileInterval(
        name=name, estimate=back(centre), lower=back(lower), upper=back(upper), level=level
    )


def profile_design(design: Design, combinations: Mapping[str, Weights]) -> tuple[list[ProfileInterval], bool]:
    """Profile combinations of coefficients and every SD and correlation of a structured design.

    Returns
    -------
    intervals : list of ProfileInterval
    complete : bool
        False for a singular fit, whose SDs and correlations have none.
    """
    model, about = model_of(design), structured_of(design)
    fit = fit_lmm(model, method="ML")
    found = [profile_combination(model, fit, list(w), name=name) for name, w in combinations.items()]
    if fit.singular:
        return found, False
    named = name_variances(about, fit.patient_cov, fit.cluster_cov, fit.correlations, fit.sigma)
    own = [name for name in named if not name.startswith("icc_")]
    for name, inner in zip(own, variance_names(fit), strict=True):
        found.append(dataclasses.replace(profile_variance(model, fit, inner), name=name))
    return found, True


def _slope(take: Callable[[Point], Any], point: Array) -> Array:
    """Differentiate a quantity by a complex step."""
    moved = np.tile(point.astype(complex), (len(point), 1)) + 1j * _STEP * np.eye(len(point))
    return np.array([take(one).imag / _STEP for one in moved])


def _need_ml(fit: LmmFit) -> None:
    if fit.method != "ML":
        raise ValueError("profile-likelihood intervals rest on an ML fit")


def _quantities(fit: LmmFit, patient_basis: Array, cluster_basis: Array) -> dict[str, Quantity]:
    """Return every SD by its log and every correlation by its inverse hyperbolic tangent, by name."""
    structure = fit.structure
    found: dict[str, Quantity] = {}
    for level, shape, basis in (
        ("cluster", structure.cluster, cluster_basis),
        ("patient", structure.patient, patient_basis),
    ):
        own = functools.partial(_covariance, structure, level, np.linalg.inv(basis))
        for k in range(shape.size):
            found[f"sd {level} {k}"] = (functools.partial(_log_sd, own, k), _exp)
        for i, j in np.argwhere(np.tril(shape.mask, -1)).tolist():
            found[f"cor {level} {i} {j}"] = (functools.partial(_arctanh, own, i, j), _tanh)
    residual = structure.residual
    for k in range(residual.n_correlation):
        if residual.kind in ("toep", "un"):
            found[f"cor residual {k}"] = (functools.partial(_residual_arctanh, structure, k), _tanh)
        else:
            found[f"cor residual {k}"] = (
                functools.partial(_residual_parameter, structure),
                functools.partial(_natural, residual),
            )
    for k in range(len(residual.groups)):
        found[f"sd residual {k}"] = (functools.partial(_log_residual_sd, structure, k), _exp)
    return found


def _covariance(structure: Structure, level: str, back: Array, point: Point) -> Point:
    """Covariance of the effects of one level relative to the residual variance, in units of the formula."""
    root = back @ getattr(structure.split(point[None, :-1]), level)[0]
    covariance: Point = root @ root.T
    return covariance


def _log_sd(own: Callable[[Point], Point], k: int, point: Point) -> Any:
    return 0.5 * np.log(own(point)[k, k]) + point[-1]


def _arctanh(own: Callable[[Point], Point], i: int, j: int, point: Point) -> Any:
    covariance = own(point)
    return np.arctanh(covariance[i, j] / np.sqrt(covariance[i, i] * covariance[j, j]))


def _residual_arctanh(structure: Structure, k: int, point: Point) -> Any:
    return np.arctanh(structure.residual.natural(structure.split(point[None, :-1]).u)[0, k])


def _residual_parameter(structure: Structure, point: Point) -> Any:
    return structure.split(point[None, :-1]).u[0, 0]


def _log_residual_sd(structure: Structure, k: int, point: Point) -> Any:
    return point[-1] + structure.split(point[None, :-1]).log_ratio[0, k]


def _natural(residual: ResidualShape, value: float) -> float:
    return float(residual.natural(np.array([[np.clip(value, -30.0, 30.0)]]))[0, 0])


def _exp(value: float) -> float:
    return float(np.exp(value))


def _tanh(value: float) -> float:
    return float(np.tanh(value))
