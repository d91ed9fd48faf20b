r"""Probability mass of a cell of the measurement grid: the scale on which Gaussian, censored and ordinal models meet.

A score y on a grid of width w stands for the cell (y - w/2, y + w/2]; the lowest and the highest score also stand for
all that lies beyond. A continuous model is scored by its integral over the cell, an ordinal one by the probability of
the category, so that elpd of all of them is a log probability.

What is predicted is a *new visit* of a patient who is known from the other visits, the patient's effects integrated
out: :math:`p(\mathrm{cell}_{ij}\mid y_{i,-j}, \theta)`. Leaving visit j out of the posterior of :math:`\theta` is by
Pareto-smoothed importance sampling with ratios :math:`1/p(y_{ij}\mid y_{i,-j},\theta)` under the model's *own*
likelihood (Vehtari, Gelman & Gabry 2017, doi:10.1007/s11222-016-9696-4; integrated over effects: Merkle, Furr &
Rabe-Hesketh 2019, doi:10.1007/s11336-019-09679-0).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.psis import PARETO_K_LIMIT, log_sum_exp, smooth_tail

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Ends and width of a measurement grid."""

    minimum: float
    maximum: float
    step: float

    @property
    def n_categories(self) -> int:
        """Number of grid points."""
        return round((self.maximum - self.minimum) / self.step) + 1

    def category(self, y: Array) -> Rows:
        """Return the number of the grid point next to each score, from 0."""
        nearest = np.rint((y - self.minimum) / self.step)
        return np.clip(nearest, 0, self.n_categories - 1).astype(np.int64)

    def cell(self, y: Array) -> tuple[Array, Array]:
        """Limits of the cell of each score; infinite beyond the ends."""
        half = self.step / 2.0
        lower = np.where(y - half <= self.minimum, -np.inf, y - half)
        upper = np.where(y + half >= self.maximum, np.inf, y + half)
        return lower, upper


def log_interval(lower: Array, upper: Array) -> Array:
    """Log probability that a standard Normal lies between two limits, without cancellation in either tail.

    Examples
    --------
    >>> float(np.round(log_interval(np.array(-1.96), np.array(1.96)), 3))
    -0.051
    """
    flip = lower > 0.0
    low, high = np.where(flip, -upper, lower), np.where(flip, -lower, upper)
    outer, inner = special.log_ndtr(high), special.log_ndtr(low)
    with np.errstate(invalid="ignore", divide="ignore"):
        value: Array = outer + np.log1p(-np.exp(np.minimum(inner - outer, 0.0)))
    return value


@dataclass(frozen=True, kw_only=True)
class VisitDensities:
    """What each draw says of each visit, given the patient's other visits.

    Parameters
    ----------
    own : ndarray, shape (s, n_rows)
        Log density or probability under the model's own likelihood.
    mass : ndarray, shape (s, n_rows)
        Log probability of the visit's cell.
    """

    own: Array
    mass: Array


@dataclass(frozen=True, kw_only=True)
class MassScore:
    """Expected log probability of the cell of a new visit.

    Parameters
    ----------
    elpd, se : float
        Sum over visits; standard error over patients, whose visits hang together.
    elpd_i, pareto_k : ndarray, shape (n_rows,)
        By visit.
    patient : ndarray of int, shape (n_rows,)
        Whose visit.
    """

    variant: str
    elpd: float
    se: float
    elpd_i: Array
    pareto_k: Array
    patient: Rows

    @property
    def n_bad_k(self) -> int:
        """Visits whose Pareto k is above 0.7."""
        return int(np.sum(self.pareto_k > PARETO_K_LIMIT))


def score_mass(densities: VisitDensities, patient: Rows, *, variant: str) -> MassScore:
    """Leave each visit out and score its cell.

    Parameters
    ----------
    patient : ndarray of int, shape (n_rows,)
        0, 1, ... for the standard error.
    """
    n = densities.own.shape[1]
    elpd_i, pareto_k = np.empty(n), np.empty(n)
    for row in range(n):
        ratios, pareto_k[row] = smooth_tail(-densities.own[:, row])
        elpd_i[row] = float(log_sum_exp(ratios + densities.mass[:, row]) - log_sum_exp(ratios))
    return MassScore(
        variant=variant,
        elpd=float(elpd_i.sum()),
        se=clustered_se(elpd_i, patient),
        elpd_i=elpd_i,
        pareto_k=pareto_k,
        patient=patient,
    )


def clustered_se(values: Array, patient: Rows) -> float:
    """Return the standard error of a sum over visits, patients being the units."""
    sums = np.bincount(patient, weights=values)
    return float(np.sqrt(len(sums) * np.var(sums, ddof=1)))


def compare_mass(score: MassScore, reference: MassScore) -> tuple[float, float]:
    """Return elpd of a model less that of a reference, and its standard error over patients.

    Raises
    ------
    ValueError
        If the two rest on different visits.
    """
    if len(score.elpd_i) != len(reference.elpd_i) or not np.array_equal(score.patient, reference.patient):
        raise ValueError(f"{score.variant} and {reference.variant} rest on different visits")
    difference = score.elpd_i - reference.elpd_i
    return float(difference.sum()), clustered_se(difference, score.patient)


def gaussian_visits(
    y: Array,
    mean: Array,
    covariance: Callable[[Rows], Array],
    patient: Rows,
    grid: Grid,
) -> VisitDensities:
    r"""Densities of a model that is Gaussian once the effects are integrated out.

    With :math:`P = V_i^{-1}` and :math:`r = y_i - X_i\beta`: visit j given the others is Normal with mean
    :math:`y_{ij} - (Pr)_j/P_{jj}` and variance :math:`1/P_{jj}`.

    Parameters
    ----------
    y : ndarray, shape (n_rows,)
        Scores.
    mean : ndarray, shape (s, n_rows)
        Fixed part.
    covariance : callable
        From a patient's rows to their marginal covariances, shape (s, rows, rows).
    patient : ndarray of int, shape (n_rows,)
        Non-decreasing.
    """
    own, mass = np.empty(mean.shape), np.empty(mean.shape)
    lower, upper = grid.cell(y)
    for i in range(int(patient[-1]) + 1):
        rows = np.flatnonzero(patient == i)
        precision = np.linalg.inv(covariance(rows))
        diagonal = np.diagonal(precision, axis1=1, axis2=2)
        residual = np.einsum("sab,sb->sa", precision, y[rows] - mean[:, rows]) / diagonal
        sd = 1.0 / np.sqrt(diagonal)
        centre = y[rows] - residual
        own[:, rows] = -0.5 * (np.log(2.0 * np.pi) + (residual / sd) ** 2) - np.log(sd)
        mass[:, rows] = log_interval((lower[rows] - centre) / sd, (upper[rows] - centre) / sd)
    return VisitDensities(own=own, mass=mass)


@dataclass(frozen=True, kw_only=True)
class ConditionalModel:
    """A model given the patients' effects, for one set of draws.

    Parameters
    ----------
    own, mass : callable
        From (row, linear predictor of shape (s, r)) to log density, and to log probability of the row's cell.
    pseudo_y, pseudo_variance : ndarray, shape (s, n_rows)
        A Gaussian observation that stands for the row where importance draws of the effects are aimed; the result
        does not depend on it but for Monte-Carlo error.
    """

    own: Callable[[int, Array], Array]
    mass: Callable[[int, Array], Array]
    pseudo_y: Array
    pseudo_variance: Array


def integrated_visits(
    model: ConditionalModel,
    fixed: Array,
    z: Array,
    effects: Array,
    patient: Rows,
    *,
    points: int,
    seed: int,
    widen: float = 1.25,
) -> VisitDensities:
    r"""Densities of a model whose effects have to be integrated out numerically, by importance draws.

    For visit j: effects are drawn from a Normal that is the posterior given pseudo-observations of the *other*
    visits, widened; weights :math:`N(b;0,G)\prod_{k\ne j}p(y_{ik}\mid b)/q(b)` make the draws those of
    :math:`p(b\mid y_{i,-j})`.

    Parameters
    ----------
    fixed : ndarray, shape (s, n_rows)
        Fixed part of the linear predictor.
    z : ndarray, shape (n_rows, 2)
        Random columns.
    effects : ndarray, shape (s, 2, 2)
        Covariance of the effects.
    points : int
        Quasi-random draws of the effects, shared by all; a power of two.
    widen : float
        Factor on the proposal's SD.
    """
    from scipy.stats import qmc

    base = special.ndtri(qmc.Sobol(2, rng=np.random.default_rng(seed)).random(points))
    prior = np.linalg.inv(effects)
    half_logdet = 0.5 * np.linalg.slogdet(effects)[1]
    own, mass = np.empty(fixed.shape), np.empty(fixed.shape)
    for row in range(len(patient)):
        others = np.flatnonzero((patient == patient[row]) & (np.arange(len(patient)) != row))
        mean, root = _aim(model, fixed, z, prior, others)
        b = mean[:, None] + widen * np.einsum("sab,rb->sra", root, base)
        log_q = -0.5 * np.sum(base**2, axis=1) - np.log(np.abs(root[:, 0, 0] * root[:, 1, 1]))[:, None]
        weight = -0.5 * np.einsum("sra,sab,srb->sr", b, prior, b) - half_logdet[:, None] - log_q
        for other in others:
            weight = weight + model.own(int(other), fixed[:, other, None] + b @ z[other])
        weight = weight - log_sum_exp(weight)[:, None]
        here = fixed[:, row, None] + b @ z[row]
        own[:, row] = log_sum_exp(weight + model.own(row, here))
        mass[:, row] = log_sum_exp(weight + model.mass(row, here))
    return VisitDensities(own=own, mass=mass)


def _aim(model: ConditionalModel, fixed: Array, z: Array, prior: Array, others: Rows) -> tuple[Array, Array]:
    """Mean and lower root of the effects given pseudo-observations of the other visits."""
    weight = 1.0 / model.pseudo_variance[:, others]
    precision = prior + np.einsum("so,oa,ob->sab", weight, z[others], z[others])
    covariance = np.linalg.inv(precision)
    score = np.einsum("so,oa->sa", weight * (model.pseudo_y[:, others] - fixed[:, others]), z[others])
    mean = np.einsum("sab,sb->sa", covariance, score)
    return mean, np.linalg.cholesky(0.5 * (covariance + np.swapaxes(covariance, 1, 2)))
