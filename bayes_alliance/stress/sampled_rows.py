"""What a sampled likelihood says of each row given the patients' effects, and of the expected score."""

from __future__ import annotations

import numpy as np
from scipy import special

from bayes_alliance.inference.fits import Array
from bayes_alliance.stress.grid_mass import ConditionalModel, Grid, Rows, log_interval
from bayes_alliance.stress.prepare import Prepared
from bayes_alliance.stress.sampled import SampledVariant


def conditional_model(
    variant: SampledVariant, prepared: Prepared, grid: Grid, chosen: Rows
) -> ConditionalModel:
    """Return the likelihood of each row for some of the draws, for :func:`grid_mass.integrated_visits`.

    Parameters
    ----------
    chosen : ndarray of int, shape (s,)
        Draws, chains laid end to end.
    """
    sigma = variant.sigma.reshape(-1)[chosen]
    extra = variant.extra.reshape(variant.sigma.size, -1)[chosen]
    y = prepared.design.y
    if variant.name == "ordinal":
        return _ordinal_rows(extra, grid.category(y))
    if variant.name == "student_t":
        return _student_rows(y, sigma, extra[:, 0], grid)
    return _censored_rows(y, sigma, grid)


def _ordinal_rows(thresholds: Array, category: Rows) -> ConditionalModel:
    s = len(thresholds)
    ends = np.column_stack([np.full(s, -np.inf), thresholds, np.full(s, np.inf)])
    lower, upper = ends[:, category], ends[:, category + 1]
    near, far = np.maximum(lower, thresholds[:, :1] - 1.0), np.minimum(upper, thresholds[:, -1:] + 1.0)

    def own(row: int, eta: Array) -> Array:
        return log_interval(lower[:, row, None] - eta, upper[:, row, None] - eta)

    return ConditionalModel(
        own=own, mass=own, pseudo_y=0.5 * (near + far), pseudo_variance=1.0 + (far - near) ** 2 / 12.0
    )


def _student_rows(y: Array, sigma: Array, nu: Array, grid: Grid) -> ConditionalModel:
    lower, upper = grid.cell(y)
    constant = (
        special.gammaln((nu + 1.0) / 2.0)
        - special.gammaln(nu / 2.0)
        - 0.5 * np.log(nu * np.pi)
        - np.log(sigma)
    )

    def own(row: int, eta: Array) -> Array:
        ratio = (y[row] - eta) / sigma[:, None]
        value: Array = constant[:, None] - (nu[:, None] + 1.0) / 2.0 * np.log1p(ratio**2 / nu[:, None])
        return value

    def mass(row: int, eta: Array) -> Array:
        low, high = (lower[row] - eta) / sigma[:, None], (upper[row] - eta) / sigma[:, None]
        flip = low + high > 0.0
        left = special.stdtr(nu[:, None], np.where(flip, -high, low))
        right = special.stdtr(nu[:, None], np.where(flip, -low, high))
        value: Array = np.log(np.maximum(right - left, 1e-300))
        return value

    return ConditionalModel(
        own=own,
        mass=mass,
        pseudo_y=np.broadcast_to(y, (len(sigma), len(y))),
        pseudo_variance=np.broadcast_to(1.5 * sigma[:, None] ** 2, (len(sigma), len(y))),
    )


def _censored_rows(y: Array, sigma: Array, grid: Grid) -> ConditionalModel:
    lower, upper = grid.cell(y)

    def mass(row: int, eta: Array) -> Array:
        return log_interval((lower[row] - eta) / sigma[:, None], (upper[row] - eta) / sigma[:, None])

    def own(row: int, eta: Array) -> Array:
        if np.isinf(lower[row]) or np.isinf(upper[row]):
            return mass(row, eta)
        ratio = (y[row] - eta) / sigma[:, None]
        value: Array = -0.5 * (np.log(2.0 * np.pi) + ratio**2) - np.log(sigma[:, None])
        return value

    return ConditionalModel(
        own=own,
        mass=mass,
        pseudo_y=np.broadcast_to(y, (len(sigma), len(y))),
        pseudo_variance=np.broadcast_to(1.2 * sigma[:, None] ** 2, (len(sigma), len(y))),
    )


def expected_slope(variant: SampledVariant, prepared: Prepared, grid: Grid) -> Array:
    r"""Mean slope of the expected score with respect to the linear predictor, over the rows (average partial effect).

    With marginal SD :math:`s = \sqrt{\sigma^2 + z'Gz}` the expected score rises by :math:`\Phi((u-\eta)/s) -
    \Phi((l-\eta)/s)` points for one latent point under ``censored``, and by
    :math:`w\sum_k\phi((c_k-\eta)/s)/s` under ``ordinal`` (w the step); under ``student_t`` by one. Multiplied by it, an
    estimand on the latent scale is in points of the expected score (Wooldridge 2010, *Econometric Analysis of Cross
    Section and Panel Data*, 2.2.5, no DOI).

    Returns
    -------
    ndarray, shape (chain, draw)
    """
    shape = variant.sigma.shape
    if variant.name == "student_t":
        return np.ones(shape)
    design = prepared.design
    p = variant.beta.shape[-1]
    x = design.x
    if variant.name == "ordinal":
        x = np.where([name == "Intercept" for name in design.x_names], 0.0, x)
    eta = variant.beta.reshape(-1, p) @ x.T
    z = design.z / np.array([1.0, prepared.horizon])
    spread = np.einsum("na,sab,nb->sn", z, variant.effects.reshape(-1, 2, 2), z)
    sd = np.sqrt(variant.sigma.reshape(-1, 1) ** 2 + spread)
    if variant.name == "censored":
        low, high = grid.minimum + grid.step / 2.0, grid.maximum - grid.step / 2.0
        slope: Array = special.ndtr((high - eta) / sd) - special.ndtr((low - eta) / sd)
        mean: Array = slope.mean(axis=1).reshape(shape)
        return mean
    thresholds = variant.extra.reshape(len(eta), -1)
    total = np.zeros_like(eta)
    for k in range(thresholds.shape[1]):
        total += np.exp(-0.5 * ((thresholds[:, k, None] - eta) / sd) ** 2)
    density = grid.step * total / (sd * np.sqrt(2.0 * np.pi))
    over_rows: Array = density.mean(axis=1).reshape(shape)
    return over_rows
