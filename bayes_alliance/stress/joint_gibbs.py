r"""A joint Gaussian mixed model of several outcomes of the same visits, drawn by a blocked Gibbs sampler.

For visit j of patient i, :math:`y_{ij} = B'x_{ij} + b_i'z_{ij} + e_{ij}` is a vector of K outcomes,
:math:`\mathrm{vec}(b_i) \sim N(0, G)` with all 2K random effects correlated, :math:`e_{ij} \sim N(0, \Sigma)` with
residuals of one visit correlated. B has independent Normal priors. G and :math:`\Sigma` have the hierarchical inverse
Wishart prior of Huang & Wand (2013, doi:10.1214/13-BA815) with two degrees of freedom: SDs are half-t(2) of the stated
scales, correlations uniform one by one.

With :math:`S = \Sigma^{-1}`, :math:`A_i = Z_i'Z_i` and :math:`M_i = (G^{-1} + A_i \otimes S)^{-1}`, the fixed effects
are drawn with the random effects integrated out,

.. math:: X'V^{-1}X = X'X \otimes S - \sum_i (X_i'Z_i \otimes S) M_i (Z_i'X_i \otimes S),

then random effects, G and :math:`\Sigma` from their full conditionals (Chib & Carlin 1999,
doi:10.1023/A:1008853808677). Chains run side by side. NumPy only; time is to be scaled so that slopes are of the size
of levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bayes_alliance.inference.fits import Array

_NU = 2.0


@dataclass(frozen=True, kw_only=True)
class JointData:
    """Rows on which every outcome is present.

    Parameters
    ----------
    y : ndarray, shape (n_rows, k)
        Outcomes.
    x : ndarray, shape (n_rows, p)
        Fixed columns, the same for every outcome.
    z : ndarray, shape (n_rows, q)
        Random columns.
    patient : ndarray of int, shape (n_rows,)
        0, 1, ... non-decreasing.
    """

    y: Array
    x: Array
    z: Array
    patient: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class JointPriors:
    """Priors of the joint model.

    Parameters
    ----------
    mean, sd : ndarray, shape (p, k)
        Normal priors of the fixed effects, those of different outcomes independent.
    factors : tuple of ndarray, shape (p, m), optional
        For each outcome a square root of the correlation matrix of its effects; independent without.
    effect_scale : ndarray, shape (q, k)
        Scales of half-t(2) priors on the SDs of random effects.
    sigma_scale : ndarray, shape (k,)
        The same for residual SDs.
    """

    mean: Array
    sd: Array
    effect_scale: Array
    sigma_scale: Array
    factors: tuple[Array, ...] = ()

    def root(self, outcome: int) -> Array:
        """Square root of the covariance of one outcome's effects."""
        factor = self.factors[outcome] if self.factors else np.eye(len(self.sd))
        return self.sd[:, outcome, None] * factor

    @property
    def precision(self) -> Array:
        """Precision matrix of all effects, outcomes running faster, shape (p k, p k)."""
        p, k = self.sd.shape
        whole = np.zeros((p, k, p, k))
        for j in range(k):
            root = self.root(j)
            whole[:, j, :, j] = np.linalg.inv(root @ root.T)
        return whole.reshape(p * k, p * k)


@dataclass(frozen=True, kw_only=True)
class JointDraws:
    """Posterior draws of the joint model.

    Parameters
    ----------
    beta : ndarray, shape (chain, draw, p, k)
        Fixed effects.
    effects : ndarray, shape (chain, draw, q k, q k)
        Covariance of the random effects; those of the first random column come first.
    residual : ndarray, shape (chain, draw, k, k)
        Covariance of residuals of one visit.
    """

    beta: Array
    effects: Array
    residual: Array


@dataclass(frozen=True, kw_only=True)
class _Products:
    """What the rows contribute, patient by patient."""

    xx: Array
    xy: Array
    zz: Array
    zx: Array
    zy: Array


def sample_joint(
    data: JointData,
    priors: JointPriors,
    *,
    seed: int,
    draws: int = 1000,
    warmup: int = 500,
    chains: int = 4,
) -> JointDraws:
    """Draw the posterior.

    Parameters
    ----------
    seed : int
        Of all chains.
    draws, warmup, chains : int
        Kept and discarded iterations of each chain; number of chains, which start from covariances a factor of up
        to four apart.

    Returns
    -------
    JointDraws
    """
    rng = np.random.default_rng(seed)
    products = _gather(data)
    p, k, q = data.x.shape[1], data.y.shape[1], data.z.shape[1]
    scale = np.concatenate([priors.effect_scale.reshape(-1), priors.sigma_scale])
    spread = np.exp(rng.uniform(-0.7, 0.7, size=(chains, 1)))
    g_inverse = _diagonals(1.0 / (0.5 * priors.effect_scale.reshape(-1) * spread) ** 2)
    s = _diagonals(1.0 / (data.y.std(axis=0) * spread) ** 2)
    kept_beta = np.empty((chains, draws, p, k))
    kept_g, kept_sigma = np.empty((chains, draws, q * k, q * k)), np.empty((chains, draws, k, k))
    with threadpool_limits(limits=1, user_api="blas"):
        for step in range(-warmup, draws):
            beta, b = _draw_effects(products, priors, g_inverse, s, rng)
            g_inverse = _draw_precision(b.transpose(0, 2, 1) @ b, b.shape[1], g_inverse, scale[: q * k], rng)
            residual = _residuals(data, beta, b)
            s = _draw_precision(residual.transpose(0, 2, 1) @ residual, len(data.y), s, scale[q * k :], rng)
            if step >= 0:
                kept_beta[:, step] = beta
                kept_g[:, step], kept_sigma[:, step] = np.linalg.inv(g_inverse), np.linalg.inv(s)
    return JointDraws(beta=kept_beta, effects=kept_g, residual=kept_sigma)


def _gather(data: JointData) -> _Products:
    starts = np.flatnonzero(np.diff(data.patient, prepend=-1))

    def summed(left: Array, right: Array) -> Array:
        return np.add.reduceat(left[:, :, None] * right[:, None, :], starts)

    return _Products(
        xx=data.x.T @ data.x,
        xy=data.x.T @ data.y,
        zz=summed(data.z, data.z),
        zx=summed(data.z, data.x),
        zy=summed(data.z, data.y),
    )


def _diagonals(values: Array) -> Array:
    """Diagonal matrices of the rows of ``values``, shape (s, d, d)."""
    result: Array = values[:, :, None] * np.eye(values.shape[1])
    return result


def _kron(left: Array, right: Array) -> Array:
    """Kronecker products over leading axes that broadcast."""
    product = left[..., :, None, :, None] * right[..., None, :, None, :]
    a, b, c, d = product.shape[-4:]
    result: Array = product.reshape(*product.shape[:-4], a * b, c * d)
    return result


def _draw_effects(
    products: _Products, priors: JointPriors, g_inverse: Array, s: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw fixed effects, random effects integrated out, then random effects given them.

    Returns
    -------
    beta : ndarray, shape (chain, p, k)
    b : ndarray, shape (chain, n_patients, q k)
    """
    chains, k = len(s), s.shape[1]
    p = products.xx.shape[0]
    precision = g_inverse[:, None] + _kron(products.zz, s[:, None])
    kernel = np.linalg.inv(precision)
    # (Z'X kron S) and S applied to Z'y, for every chain and patient
    cross = _kron(products.zx, s[:, None])
    seen = (products.zy @ s[:, None]).reshape(chains, len(products.zy), -1)
    weighted = kernel @ cross
    n, width = cross.shape[1], cross.shape[2]
    flat = cross.reshape(chains, n * width, p * k)
    prior = priors.precision
    information = _kron(products.xx, s) - flat.transpose(0, 2, 1) @ weighted.reshape(chains, n * width, p * k)
    information = information + prior
    score = (products.xy @ s).reshape(chains, p * k)
    score = score - np.einsum("cnab,cna->cb", weighted, seen)
    score = score + prior @ priors.mean.reshape(-1)
    root = np.linalg.cholesky(0.5 * (information + information.transpose(0, 2, 1)))
    beta = np.linalg.solve(information, score[..., None])[..., 0]
    noise = rng.standard_normal(beta.shape)
    beta = beta + np.linalg.solve(root.transpose(0, 2, 1), noise[..., None])[..., 0]
    lean = seen - np.einsum("cnab,cb->cna", cross, beta)
    mean = np.einsum("cnab,cnb->cna", kernel, lean)
    lower = np.linalg.cholesky(0.5 * (kernel + np.swapaxes(kernel, -1, -2)))
    b = mean + np.einsum("cnab,cnb->cna", lower, rng.standard_normal(mean.shape))
    return beta.reshape(chains, p, k), b


def _residuals(data: JointData, beta: Array, b: Array) -> Array:
    """Residuals of all rows, shape (chain, n_rows, k)."""
    chains, n = b.shape[:2]
    own = b.reshape(chains, n, data.z.shape[1], -1)[:, data.patient]
    residual: Array = data.y - data.x @ beta - np.einsum("rq,crqk->crk", data.z, own)
    return residual


def _draw_precision(
    scatter: Array, count: int, precision: Array, scale: Array, rng: np.random.Generator
) -> Array:
    """Draw a precision matrix under the hierarchical prior: its auxiliary variables first, then itself."""
    d = len(scale)
    diagonal = np.diagonal(precision, axis1=1, axis2=2)
    rate = _NU * diagonal + 1.0 / scale**2
    auxiliary = rate / rng.gamma((_NU + d) / 2.0, size=rate.shape)
    inverse_scale = scatter + _diagonals(2.0 * _NU / auxiliary)
    return _draw_wishart(np.linalg.inv(inverse_scale), _NU + d - 1.0 + count, rng)


def _draw_wishart(scale: Array, df: float, rng: np.random.Generator) -> Array:
    """Draw from Wishart distributions by Bartlett's decomposition, one for each scale matrix."""
    s, d = scale.shape[:2]
    lower = np.tril(rng.standard_normal((s, d, d)), -1)
    index = np.arange(d)
    lower[:, index, index] = np.sqrt(rng.chisquare(df - index, size=(s, d)))
    root = np.linalg.cholesky(0.5 * (scale + scale.transpose(0, 2, 1))) @ lower
    drawn: Array = root @ root.transpose(0, 2, 1)
    return drawn
