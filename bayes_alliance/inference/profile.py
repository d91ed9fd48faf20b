"""The likelihood with fixed effects and residual variance at their maximum, and its derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayes_alliance.inference.likelihood import Array, _symmetric, in_basis, kernels, weigh
from bayes_alliance.inference.statistics import Statistics, _upper_pairs


@dataclass(frozen=True, kw_only=True)
class Profile:
    r"""The likelihood with the fixed effects and the residual variance at their best for one :math:`\Lambda`.

    Parameters
    ----------
    deviance : float
        -2 log likelihood, or the REML criterion as lme4 defines it.
    beta : ndarray, shape (p,)
        Generalised least squares.
    beta_cov : ndarray, shape (p, p)
        :math:`(X'V^{-1}X)^{-1}`.
    sigma : float
        Residual SD.
    """

    deviance: float
    beta: Array
    beta_cov: Array
    sigma: float


def profile(stats: Statistics, factor: Array, *, reml: bool) -> Profile:
    r"""Profile the fixed effects and the residual variance out.

    Formula (Bates et al. 2015, eqs. 34 and 41): ML :math:`\log|I+\Gamma A| + n(1 + \log(2\pi r/n))`;
    REML with ``n - p`` in place of ``n`` and :math:`\log|X'(V/\sigma^2)^{-1}X|` added.
    """
    logdet, quadratic = weigh(stats, factor[None])
    return _profile(stats, float(logdet[0]), quadratic[0], reml=reml)


def _profile(stats: Statistics, logdet: float, quadratic: Array, *, reml: bool) -> Profile:
    p = stats.p
    inverse = np.linalg.inv(quadratic[:p, :p])
    gamma = inverse @ quadratic[:p, p]
    rss = float(quadratic[p, p] - quadratic[:p, p] @ gamma)
    denominator = stats.n_rows - p if reml else stats.n_rows
    deviance = logdet + denominator * (1.0 + np.log(2.0 * np.pi * rss / denominator))
    if reml:
        deviance += -np.linalg.slogdet(inverse)[1] + 2.0 * np.sum(np.log(np.abs(np.diagonal(stats.basis))))
    back = np.linalg.inv(stats.basis)
    sigma2 = rss / denominator
    return Profile(
        deviance=float(deviance),
        beta=stats.beta_ols + back @ gamma,
        beta_cov=sigma2 * back @ inverse @ back.T,
        sigma=float(np.sqrt(sigma2)),
    )


@dataclass(frozen=True, kw_only=True)
class Derivatives:
    r"""First derivatives at one :math:`\Lambda`, residual variance held fixed or profiled.

    Parameters
    ----------
    deviance : float
        The profiled deviance itself, as in :class:`Profile`.
    profiled : ndarray, shape (q, q)
        Of the profiled deviance, by each entry of :math:`\Lambda`.
    fixed : ndarray, shape (q, q)
        Of the deviance at the given ``sigma``, fixed effects profiled.
    sigma : float
        Of the deviance, for the residual SD.
    beta_cov : ndarray, shape (q, q, p, p)
        Of :math:`(X'V^{-1}X)^{-1}` at the given ``sigma``.
    """

    deviance: float
    profiled: Array
    fixed: Array
    sigma: float
    beta_cov: Array


def differentiate(stats: Statistics, factor: Array, *, reml: bool, sigma: float | None = None) -> Derivatives:
    r"""Differentiate the deviance analytically with respect to :math:`\Lambda` and sigma.

    With :math:`J = I - K A`: :math:`d\log|I+\Gamma A| = tr(A J\, d\Gamma)` and
    :math:`d(\sigma^2 d'V^{-1}d) = -d'Z J\, d\Gamma\, J' Z'd`; then :math:`d\Gamma = d\Lambda\Lambda' +
    \Lambda d\Lambda'`. ``sigma`` is the residual SD at which the unprofiled derivatives are taken, by default
    its best value.
    """
    p, scaled = stats.p, in_basis(stats, factor)[None]
    kernel, determinant = kernels(stats, scaled)
    logdet = float(stats.counts @ np.log(determinant[0]))
    pairs, direction = _direction_pairs(stats, kernel[0])
    k, l = _upper_pairs(stats.q)
    quadratic = stats.dd - _symmetric(np.einsum("gu,gum->m", kernel[0][:, k, l], stats.moments), p + 1)
    inverse = np.linalg.inv(quadratic[:p, :p])
    gamma = inverse @ quadratic[:p, p]
    v = np.append(-gamma, 1.0)
    rss = float(v @ quadratic @ v)
    slopes = -_symmetric(pairs, p + 1)
    d_rss = np.einsum("a,uab,b->u", v, slopes, v)
    d_logdet = direction
    if reml:
        d_logdet = d_logdet + np.einsum("ab,uba->u", inverse, slopes[:, :p, :p])
    denominator = stats.n_rows - p if reml else stats.n_rows
    sigma2 = rss / denominator if sigma is None else sigma**2
    back = np.linalg.inv(stats.basis)
    half = back @ inverse
    d_cov = -sigma2 * np.einsum("ia,uab,jb->uij", half, slopes[:, :p, :p], half)
    return Derivatives(
        deviance=_profile(stats, logdet, quadratic, reml=reml).deviance,
        profiled=_chain(stats, d_logdet + denominator * d_rss / rss, factor),
        fixed=_chain(stats, d_logdet + d_rss / sigma2, factor),
        sigma=float(2.0 * denominator / np.sqrt(sigma2) - 2.0 * rss / sigma2**1.5),
        beta_cov=_chain(stats, d_cov, factor),
    )


def _direction_pairs(stats: Statistics, kernel: Array) -> tuple[Array, Array]:
    """For each pair (k <= l) of random columns: the contraction of J dGamma J' and the derivative of logdet."""
    q = stats.q
    j = np.eye(q) - kernel @ stats.zz
    k, l = _upper_pairs(q)
    contracted, d_logdet = [], []
    information = stats.zz @ j
    for row, column in zip(k, l, strict=True):
        unit = np.zeros((q, q))
        unit[row, column] = unit[column, row] = 1.0
        middle = j @ unit @ np.swapaxes(j, -1, -2)
        contracted.append(np.einsum("gu,gum->m", middle[:, k, l], stats.moments))
        d_logdet.append(float(stats.counts @ np.einsum("gab,ba->g", information, unit)))
    return np.array(contracted), np.array(d_logdet)


def _chain(stats: Statistics, by_pair: Array, factor: Array) -> Array:
    """Turn derivatives by pairs of the Gamma in the basis into derivatives by entries of the original factor."""
    q = stats.q
    k, l = _upper_pairs(q)
    symmetric = np.zeros((q, q, *by_pair.shape[1:]))
    halves = np.where(k == l, 1.0, 0.5).reshape(-1, *([1] * (by_pair.ndim - 1)))
    symmetric[k, l] = by_pair * halves
    symmetric[l, k] = by_pair * halves
    basis = stats.z_basis
    symmetric = np.einsum("ka,kl...,lb->ab...", basis, symmetric, basis)
    result: Array = 2.0 * np.einsum("ab...,bc->ac...", symmetric, factor)
    return result
