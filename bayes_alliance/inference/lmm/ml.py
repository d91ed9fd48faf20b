r"""ML and REML for :mod:`bayes_alliance.inference.lmm`, with Satterthwaite degrees of freedom.

The profiled criterion of :func:`profile_patterns` is minimised by L-BFGS with its exact gradient from several starts
and polished by Newton steps. The Hessian behind Satterthwaite's degrees of freedom is the central difference of that
gradient, and so is the derivative of the covariance of fixed effects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.inference.fits import Array, Weights, weight_vector
from bayes_alliance.inference.lmm.likelihood import Profiled, profile_patterns
from bayes_alliance.inference.lmm.model import LmmModel
from bayes_alliance.inference.lmm.structure import Structure

Method = Literal["ML", "REML"]
Objective = Callable[[Array], tuple[float, Array]]
_SINGULAR = 1e-4
_NEAR_ZERO = 1e-3
_ROUNDING = 1e-14  # relative error of a deviance: that of 100,000 patients is of the order of a million


@dataclass(frozen=True, kw_only=True)
class LmmFit:
    """A linear mixed model fitted by ML or REML.

    Parameters
    ----------
    beta, beta_cov : ndarray
        Fixed effects in the order of ``x_names``, and their covariance.
    patient_cov, cluster_cov : ndarray, shape (q, q) and (r, r)
        Covariance of the random effects, in the units of the formula's columns.
    correlations : ndarray
        Of residuals, as :attr:`ResidualShape.correlation_names`.
    sigma : ndarray, shape (g,)
        Residual SDs by group.
    deviance : float
        -2 log likelihood, or the REML criterion as lme4 and SAS define it.
    n_covariance : int
        Covariance parameters.
    singular, converged : bool
        Whether some variance is zero or some random correlation one; whether the projected gradient vanished.
    theta, parameter_cov, beta_cov_jacobian : ndarray
        Free parameters, the asymptotic covariance of ``(theta, log sigma)``, derivative of ``beta_cov`` by them.
    """

    method: Method
    structure: Structure
    x_names: tuple[str, ...]
    beta: Array
    beta_cov: Array
    patient_cov: Array
    cluster_cov: Array
    correlations: Array
    sigma: Array
    deviance: float
    n_covariance: int
    singular: bool
    converged: bool
    theta: Array
    parameter_cov: Array
    beta_cov_jacobian: Array

    @property
    def aic(self) -> float:
        """Akaike's criterion with all parameters counted, as lme4 and nlme do under either method."""
        return self.deviance + 2.0 * (self.n_covariance + len(self.beta))

    def weights(self, combination: Weights) -> Array:
        """Turn named weights into a vector over the coefficients (KeyError for an unknown name)."""
        return weight_vector(self.x_names, combination)


def fit_lmm(model: LmmModel, *, method: Method = "REML") -> LmmFit:
    """Fit a model by maximum likelihood or restricted maximum likelihood.

    Parameters
    ----------
    model : LmmModel
        Whose rows can tell its parameters apart.
    method : {"ML", "REML"}
        Criterion.

    Returns
    -------
    LmmFit
    """
    reml = method == "REML"
    diagonal = _diagonal(model.structure)
    theta, converged = _maximise(model, diagonal, reml=reml)
    best = profile_patterns(model.stats, theta, reml=reml)
    parameter_cov, jacobian = _parameter_covariance(model, theta, best, reml=reml)
    parameters = model.structure.split(theta[None])
    residual = model.structure.residual
    return LmmFit(
        method=method,
        structure=model.structure,
        x_names=model.x_names,
        beta=best.beta,
        beta_cov=best.beta_cov,
        patient_cov=_covariance(parameters.patient[0], model.patient_basis, best.sigma),
        cluster_cov=_covariance(parameters.cluster[0], model.cluster_basis, best.sigma),
        correlations=residual.natural(parameters.u)[0],
        sigma=best.sigma * np.exp(parameters.log_ratio[0]),
        deviance=best.deviance,
        n_covariance=len(theta) + 1,
        singular=bool(np.any(theta[diagonal] < _SINGULAR)),
        converged=converged,
        theta=theta,
        parameter_cov=parameter_cov,
        beta_cov_jacobian=jacobian,
    )


def _covariance(factor: Array, basis: Array, sigma: float) -> Array:
    root = np.linalg.solve(basis, factor)
    result: Array = sigma**2 * root @ root.T
    return result


def _diagonal(structure: Structure) -> NDArray[np.bool_]:
    """Which parameters stand on the diagonal of a random factor, and so are at least zero."""
    marks = [np.equal(*np.nonzero(shape.mask)) for shape in (structure.patient, structure.cluster)]
    rest = np.zeros(sum(structure.sizes[2:]), dtype=bool)
    return np.concatenate([*marks, rest])


def _maximise(model: LmmModel, diagonal: NDArray[np.bool_], *, reml: bool) -> tuple[Array, bool]:
    """Minimise the profiled deviance from several starts; keep the best and say whether it is a minimum."""
    from scipy import optimize  # slow to import

    if not len(diagonal):
        return np.empty(0), True

    def objective(theta: Array) -> tuple[float, Array]:
        try:
            found = profile_patterns(model.stats, theta, reml=reml)
        except np.linalg.LinAlgError:
            return 1e300, np.zeros(len(theta))
        if not np.isfinite(found.deviance):
            return 1e300, np.zeros(len(theta))
        return found.deviance, found.gradient

    def descend(start: Array) -> tuple[float, Array]:
        found = optimize.minimize(
            objective,
            start,
            jac=True,
            bounds=bounds_of(model.structure),
            method="L-BFGS-B",
            options={"ftol": 1e-11, "gtol": 1e-6, "maxiter": 2000, "maxfun": 5000, "maxcor": 30},
        )
        return float(found.fun), _positive_diagonal(model.structure, found.x)

    best = min((descend(start) for start in _starts(model.structure, diagonal)), key=lambda found: found[0])
    if np.any(best[1][diagonal] < _NEAR_ZERO):
        # At zero the derivative by a diagonal entry vanishes, so a search can stop there short of the maximum.
        away = np.where(diagonal & (best[1] < _NEAR_ZERO), 0.2, best[1])
        best = min(best, descend(away), key=lambda found: found[0])
    theta = _polish(objective, _snap(objective, best[1], diagonal), diagonal)
    return theta, _is_minimum(objective(theta)[1], theta, diagonal)


def _is_minimum(gradient: Array, theta: Array, diagonal: NDArray[np.bool_]) -> bool:
    held = diagonal & (theta <= 0.0)
    return bool(np.all(np.abs(gradient[~held]) < 1e-3) and np.all(gradient[held] > -1e-3))


def _polish(objective: Objective, theta: Array, diagonal: NDArray[np.bool_]) -> Array:
    """Take Newton steps with differences of the gradient until nothing is gained; parameters at a bound stay there."""
    point = theta
    value, gradient = objective(point)
    for _ in range(12):
        free = np.flatnonzero(~(diagonal & (point <= 0.0)))
        if not len(free) or np.max(np.abs(gradient[free])) < 1e-7:
            break
        steps = np.zeros((len(free), len(point)))
        steps[np.arange(len(free)), free] = 1e-5 * np.maximum(np.abs(point[free]), 0.1)
        hessian = np.array(
            [(objective(point + h)[1] - objective(point - h)[1])[free] / (2.0 * h.sum()) for h in steps]
        )
        values, vectors = np.linalg.eigh((hessian + hessian.T) / 2.0)
        values = np.maximum(np.abs(values), 1e-6 * max(float(np.abs(values).max()), 1e-300))
        move = -vectors @ ((vectors.T @ gradient[free]) / values)
        for length in (1.0, 0.3, 0.1, 0.01):
            trial = point.copy()
            trial[free] += length * move
            trial[diagonal] = np.maximum(trial[diagonal], 0.0)
            new_value, new_gradient = objective(trial)
            if new_value <= value + 1e-11 + _ROUNDING * abs(value):
                break
        else:
            break
        point, value, gradient = trial, new_value, new_gradient
    return point


def bounds_of(structure: Structure) -> list[tuple[float | None, float | None]]:
    """Limit correlations short of one, and SD ratios to e to the power of 15; random factors are free."""
    n_patient, n_cluster, n_correlation, n_ratio = structure.sizes
    none: list[tuple[float | None, float | None]] = [(None, None)] * (n_patient + n_cluster)
    return [*none, *[(-15.0, 15.0)] * (n_correlation + n_ratio)]


def _positive_diagonal(structure: Structure, theta: Array) -> Array:
    """Turn the signs of a factor's columns so that its diagonal is not negative; the covariance stays the same."""
    out = theta.copy()
    at = 0
    for shape in (structure.patient, structure.cluster):
        rows, columns = np.nonzero(shape.mask)
        own = out[at : at + len(rows)]
        negative = columns[(rows == columns) & (own < 0.0)]
        own[np.isin(columns, negative)] *= -1.0
        at += len(rows)
    return out


def _starts(structure: Structure, diagonal: NDArray[np.bool_]) -> list[Array]:
    """List starts: comparable, small and large random effects, with and without residual correlation."""
    even = np.where(diagonal, 1.0, 0.0)
    n_random = structure.patient.n_parameters + structure.cluster.n_parameters
    if not n_random:
        return [even, even + 0.7] if structure.residual.kind in ("cs", "ar1", "car1") else [even]
    small = 0.2 * even
    starts = [even, small]
    if structure.residual.n_correlation:
        correlated = small.copy()
        correlated[n_random : n_random + structure.residual.n_correlation] = 0.7
        starts.append(correlated)
    if max((*structure.patient.blocks, *structure.cluster.blocks)) > 1:
        edge = _edge_start(structure, diagonal)
        starts.append(edge)
    return starts


def _edge_start(structure: Structure, diagonal: NDArray[np.bool_]) -> Array:
    """Start from random correlations of one: the best fit on the boundary can beat the one inside."""
    start = np.zeros(len(diagonal))
    at = 0
    for shape in (structure.patient, structure.cluster):
        rows, columns = np.nonzero(shape.mask)
        first = (
            np.concatenate([np.arange(size) == 0 for size in shape.blocks])
            if shape.blocks
            else np.zeros(0, bool)
        )
        own = np.where(rows == columns, np.where(first[rows], 1.0, 0.0), np.where(first[columns], -0.3, 0.0))
        start[at : at + len(rows)] = own
        at += len(rows)
    return start


def _snap(objective: Objective, theta: Array, diagonal: NDArray[np.bool_]) -> Array:
    """Set a negligible diagonal entry to zero where that does not worsen the criterion."""
    snapped = theta.copy()
    for index in np.flatnonzero(diagonal & (np.abs(theta) < _NEAR_ZERO)):
        trial = snapped.copy()
        trial[index] = 0.0
        if objective(trial)[0] <= objective(snapped)[0] + 1e-10:
            snapped = trial
    return snapped


def _parameter_covariance(
    model: LmmModel, theta: Array, best: Profiled, *, reml: bool
) -> tuple[Array, Array]:
    """Asymptotic covariance of (theta, log sigma), and the Jacobian of beta_cov by them.

    Directions in which the Hessian is not positive (a variance at its bound) carry no information and are left out,
    as lmerTest does.
    """
    point = np.append(theta, np.log(best.sigma))
    steps = 1e-5 * np.maximum(np.abs(point), 0.1)
    steps[-1] = 1e-5

    def at(moved: Array) -> tuple[Array, Array]:
        found = profile_patterns(model.stats, moved[:-1], reml=reml, sigma=float(np.exp(moved[-1])))
        return np.append(found.gradient, found.by_log_sigma), found.beta_cov

    sides = [(at(point + h), at(point - h), 2.0 * h.sum()) for h in np.diag(steps)]
    hessian = np.array([(up[0] - down[0]) / width for up, down, width in sides])
    jacobian = np.array([(up[1] - down[1]) / width for up, down, width in sides])
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2.0)
    kept = values > 1e-7 * max(float(values.max()), 1e-300)
    return 2.0 * (vectors[:, kept] / values[kept]) @ vectors[:, kept].T, jacobian
