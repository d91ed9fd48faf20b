r"""The joint growth model of all outcomes: what the cohorts are drawn from before anything printed is known.

For patient i, outcome k and visit j at time t,

.. math:: x_{ijk} = \mu_k(t) + w_{ij}'\beta_k + b_{0ik} + b_{1ik} t + e_{ijk}, \quad
          b_i \sim N(0, \Sigma_b), \quad e_{ij} \sim N(0, \Sigma_e), \quad \beta \sim N(0, diag(s^2)),

with one unstructured covariance of the intercepts and slopes of all outcomes and one of the residuals of a visit, each
with an inverse Wishart prior. Knows nothing of publications, studies or files.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The scores of a cohort, one entry a score, sorted by patient.

    Parameters
    ----------
    patient, visit, outcome : ndarray of int, shape (n,)
        Whose score, at which visit (unique over patients), of which outcome.
    time : ndarray, shape (n,)
        Time of the visit, as a share of the study's horizon.
    centre : ndarray, shape (n,)
        Prior mean of each score.
    columns : ndarray, shape (n, p)
        Fixed columns.
    column_sd : ndarray, shape (p,)
        Prior SD of each coefficient; its prior mean is zero, since ``centre`` holds the prior means.
    n_outcomes : int
        Number of outcomes.
    """

    patient: Ints
    visit: Ints
    outcome: Ints
    time: Floats
    centre: Floats
    columns: Floats
    column_sd: Floats
    n_outcomes: int

    @property
    def starts(self) -> Ints:
        """First entry of each patient, and the number of entries."""
        return np.append(np.flatnonzero(np.diff(self.patient, prepend=-1)), len(self.patient))

    @property
    def is_growth(self) -> NDArray[np.bool_]:
        """Columns that are the level or the slope of all patients in one outcome, shape (p,)."""
        of = self.outcome[:, None] == np.arange(self.n_outcomes)
        growth = np.concatenate([of, of * self.time[:, None]], axis=1)
        return np.array(
            [bool(np.any(np.all(column[:, None] == growth, axis=0))) for column in self.columns.T]
        )


@dataclass(frozen=True, kw_only=True)
class CovariancePrior:
    r"""Inverse Wishart priors of both covariances.

    Parameters
    ----------
    effects, residuals : ndarray, shapes (2 k, 2 k), (k, k)
        Prior means. Order of the effects: intercept and slope of the first outcome, of the second, ...
    effects_df, residuals_df : float
        Degrees of freedom beyond the smallest with a mean, so a prior mean weighs as much as this many patients
        (visits).
    """

    effects: Floats
    residuals: Floats
    effects_df: float
    residuals_df: float

    def draw(self, rng: np.random.Generator) -> Covariances:
        """Draw both covariances from the prior."""
        return self.draw_given(np.zeros_like(self.effects), 0, np.zeros_like(self.residuals), 0, rng)

    def draw_given(
        self, effects: Floats, n_patients: int, residuals: Floats, n_visits: int, rng: np.random.Generator
    ) -> Covariances:
        """Draw both given sums of squares and products of effects and residuals, and their numbers."""
        return Covariances(
            effects=_inverse_wishart(self.effects, self.effects_df, effects, n_patients, rng),
            residuals=_inverse_wishart(self.residuals, self.residuals_df, residuals, n_visits, rng),
        )


def _inverse_wishart(
    mean: Floats, weight: float, squares: Floats, n: int, rng: np.random.Generator
) -> Floats:
    size = len(mean)
    scale = weight * mean + squares
    # Rows and columns brought to the same size first: variances of slopes and intercepts differ by orders.
    unit = 1.0 / np.sqrt(np.diagonal(scale))
    df = weight + size + 1.0 + n
    drawn = stats.invwishart.rvs(df=df, scale=unit[:, None] * scale * unit, random_state=rng)
    found: Floats = np.asarray(drawn, dtype=float).reshape(size, size) / np.outer(unit, unit)
    return found


@dataclass(frozen=True, kw_only=True)
class Covariances:
    """Covariance of the random effects of a patient, and of the residuals of a visit."""

    effects: Floats
    residuals: Floats


def effect_columns(layout: Layout) -> Floats:
    """Random columns of each score: intercept and slope of its outcome, shape (n, 2 k)."""
    n = len(layout.patient)
    columns = np.zeros((n, 2 * layout.n_outcomes))
    columns[np.arange(n), 2 * layout.outcome] = 1.0
    columns[np.arange(n), 2 * layout.outcome + 1] = layout.time
    return columns


class White:
    r"""Scores as independent standard normal numbers: :math:`x = centre + X\,diag(s)\,\gamma + L\varepsilon`.

    Parameters
    ----------
    centre : ndarray, shape (n,)
        Means of the scores where all white numbers are zero.
    scaled : ndarray, shape (n, p)
        Derivatives by the coefficients in units of their prior SDs, which come first in a white vector.
    blocks : list of slice
        Scores of each patient.
    roots : list of ndarray
        Cholesky factors of each patient's covariance: the diagonal blocks of L.
    """

    def __init__(self, centre: Floats, scaled: Floats, blocks: list[slice], roots: list[Floats]) -> None:
        self.centre, self.scaled, self.blocks, self.roots = centre, scaled, blocks, roots

    @property
    def n_coefficients(self) -> int:
        """Number of fixed coefficients, which come first in a white vector."""
        return int(self.scaled.shape[1])

    def colour(self, white: Floats) -> Floats:
        """Scores of a white vector, shape (p + n,) -> (n,)."""
        p = self.n_coefficients
        x = self.centre + self.scaled @ white[:p]
        for block, root in zip(self.blocks, self.roots, strict=True):
            x[block] += root @ white[p:][block]
        return x

    def whiten(self, gamma: Floats, x: Floats) -> Floats:
        """White vector of coefficients (in prior SDs) and scores."""
        rest = x - self.centre - self.scaled @ gamma
        for block, root in zip(self.blocks, self.roots, strict=True):
            rest[block] = np.linalg.solve(root, rest[block])
        return np.concatenate([gamma, rest])

    def pull_back(self, jacobian: Floats) -> Floats:
        """Return derivatives by the white vector from derivatives by the scores, shape (m, n) -> (m, p + n)."""
        p = self.n_coefficients
        found = np.empty((len(jacobian), p + jacobian.shape[1]))
        found[:, :p] = jacobian @ self.scaled
        for block, root in zip(self.blocks, self.roots, strict=True):
            found[:, p:][:, block] = jacobian[:, block] @ root
        return found


class Whitening(White):
    """All scores of a layout as white numbers, under given covariances."""

    def __init__(self, layout: Layout, covariances: Covariances) -> None:
        self.layout = layout
        self.covariances = covariances
        z = effect_columns(layout)
        starts = layout.starts
        blocks = [slice(int(a), int(b)) for a, b in pairwise(starts)]
        roots = []
        for block in blocks:
            o, v = layout.outcome[block], layout.visit[block]
            between = z[block] @ covariances.effects @ z[block].T
            within = np.where(v[:, None] == v[None, :], covariances.residuals[np.ix_(o, o)], 0.0)
            roots.append(np.linalg.cholesky(between + within))
        super().__init__(layout.centre, layout.columns * layout.column_sd, blocks, roots)

    def given_others(self, chosen: Ints, latent: Floats, coefficients: Floats) -> tuple[White, Ints]:
        """Return white numbers of some scores, all other scores given.

        Parameters
        ----------
        chosen : ndarray of int, shape (k,)
            Which scores, ascending.
        latent : ndarray, shape (n,)
            All scores.
        coefficients : ndarray, shape (p,)
            In prior SDs.

        Returns
        -------
        white : White
            Of the chosen scores.
        columns : ndarray of int
            The coefficients that bear on them alone, which are white numbers too; the others are held.
        """
        mine = np.zeros(len(latent), dtype=bool)
        mine[chosen] = True
        bears = self.scaled != 0.0
        columns = np.flatnonzero(np.any(bears[mine], axis=0) & ~np.any(bears[~mine], axis=0))
        held = coefficients.copy()
        held[columns] = 0.0
        mean = self.centre + self.scaled @ held
        centre = mean[chosen]
        blocks, roots, first = [], [], 0
        for block, root in zip(self.blocks, self.roots, strict=True):
            own = mine[block]
            size = int(own.sum())
            if not size:
                continue
            cov = root @ root.T
            left = cov[np.ix_(own, own)]
            here = slice(first, first + size)
            if size < len(own):
                weights = np.linalg.solve(cov[np.ix_(~own, ~own)], cov[np.ix_(~own, own)]).T
                centre[here] += weights @ (latent[block] - mean[block])[~own]
                left = left - weights @ cov[np.ix_(~own, own)]
            blocks.append(here)
            roots.append(np.linalg.cholesky(left))
            first += size
        return White(centre, self.scaled[np.ix_(chosen, columns)], blocks, roots), columns


def weigh_coefficients(whitening: Whitening, x: Floats) -> tuple[Floats, Floats]:
    """Posterior mean and precision of the coefficients, in prior SDs, given the scores and the covariances."""
    layout = whitening.layout
    columns, rest = np.empty_like(whitening.scaled), np.empty(len(x))
    for block, root in zip(whitening.blocks, whitening.roots, strict=True):
        solved = np.linalg.solve(root, np.column_stack([whitening.scaled[block], (x - layout.centre)[block]]))
        columns[block], rest[block] = solved[:, :-1], solved[:, -1]
    precision = np.eye(columns.shape[1]) + columns.T @ columns
    return np.linalg.solve(precision, columns.T @ rest), precision


def draw_coefficients(whitening: Whitening, x: Floats, rng: np.random.Generator) -> Floats:
    """Draw the coefficients, in prior SDs, given the scores and the covariances."""
    mean, precision = weigh_coefficients(whitening, x)
    root = np.linalg.cholesky(precision)
    drawn: Floats = mean + np.linalg.solve(root.T, rng.standard_normal(len(mean)))
    return drawn


def draw_covariances(
    whitening: Whitening, prior: CovariancePrior, gamma: Floats, x: Floats, rng: np.random.Generator
) -> Covariances:
    """Draw both covariances given coefficients and scores, patients' effects and unobserved residuals drawn first."""
    layout, now = whitening.layout, whitening.covariances
    z = effect_columns(layout)
    rest = x - layout.centre - whitening.scaled @ gamma
    errors = np.empty_like(rest)
    squares = np.zeros_like(now.effects)
    for block, root in zip(whitening.blocks, whitening.roots, strict=True):
        zb = z[block] @ now.effects
        half = np.linalg.solve(root, np.column_stack([zb, rest[block]]))
        mean = half[:, :-1].T @ half[:, -1]
        cov = now.effects - half[:, :-1].T @ half[:, :-1]
        effects = mean + _root(cov) @ rng.standard_normal(len(mean))
        errors[block] = rest[block] - z[block] @ effects
        squares += np.outer(effects, effects)
    residuals, n_visits = _complete_residuals(layout, now.residuals, errors, rng)
    return prior.draw_given(squares, len(whitening.blocks), residuals.T @ residuals, n_visits, rng)


def _root(cov: Floats) -> Floats:
    """Square root of a covariance that may have lost a little of its definiteness to rounding."""
    unit = np.sqrt(np.maximum(np.diagonal(cov), 1e-300))
    values, vectors = np.linalg.eigh(cov / np.outer(unit, unit))
    found: Floats = unit[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))
    return found


def _complete_residuals(
    layout: Layout, cov: Floats, errors: Floats, rng: np.random.Generator
) -> tuple[Floats, int]:
    """Residuals of every outcome at every visit; those of outcomes that were not assessed are drawn."""
    _, visit = np.unique(layout.visit, return_inverse=True)
    n, k = int(visit.max()) + 1, layout.n_outcomes
    table = np.full((n, k), np.nan)
    table[visit, layout.outcome] = errors
    pattern = (~np.isnan(table)) @ (1 << np.arange(k))
    for code in np.unique(pattern):
        rows = np.flatnonzero(pattern == code)
        seen = ((code >> np.arange(k)) & 1).astype(bool)
        if seen.all():
            continue
        weights = np.linalg.solve(cov[np.ix_(seen, seen)], cov[np.ix_(seen, ~seen)])
        left = cov[np.ix_(~seen, ~seen)] - cov[np.ix_(~seen, seen)] @ weights
        noise = rng.standard_normal((len(rows), int((~seen).sum()))) @ _root(left).T
        table[np.ix_(rows, ~seen)] = table[np.ix_(rows, seen)] @ weights + noise
    return table, n
