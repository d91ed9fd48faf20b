r"""The marginal Gaussian likelihood: one function, maximised by ML and REML, integrated by Bayes.

For patient *i* with rows :math:`y_i = X_i\beta + Z_i b_i + e_i`, :math:`b_i \sim N(0, G)`,
:math:`e_i \sim N(0, \sigma^2 I)`, the random effects are integrated out, so
:math:`y_i \sim N(X_i\beta, \sigma^2 (I + Z_i \Gamma Z_i'))` with the relative covariance
:math:`\Gamma = G/\sigma^2 = \Lambda\Lambda'` (Laird & Ware 1982, doi:10.2307/2529876; the relative factor
:math:`\Lambda` as in Bates et al. 2015, doi:10.18637/jss.v067.i01). With :math:`A_i = Z_i'Z_i` and
:math:`K_i = (\Gamma^{-1} + A_i)^{-1}`,

.. math:: V_i^{-1} = (I - Z_i K_i Z_i')/\sigma^2, \qquad |V_i| = \sigma^{2 n_i} |I + \Gamma A_i|,

and neither needs the inverse of :math:`\Gamma`, so a variance of zero or a correlation of one is an ordinary
point. All that the rows contribute is gathered once in :class:`Statistics`. Patients with the same
:math:`A_i` (the same visit times) share one term, so cost grows with the number of distinct schedules.

NumPy only; knows nothing of priors, engines or studies.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
_CHUNK = 1_000_000
_SCHEDULES = 1_000


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What the rows contribute to the likelihood.

    The fixed columns are held in an orthonormal basis (``x = q @ basis``) and the outcome as its residual
    from least squares, so that no later difference loses digits, whatever the units of time or outcome.
    ``d`` below is ``[q, residual]`` with ``p + 1`` columns; ``m`` counts the pairs of its columns, ``u`` the
    pairs of random columns.

    Parameters
    ----------
    n_rows, n_patients : int
        Counts.
    basis : ndarray, shape (p, p)
        Upper triangular; ``x = q @ basis``.
    beta_ols : ndarray, shape (p,)
        Least-squares coefficients.
    z_basis : ndarray, shape (q, q)
        Upper triangular; ``z = w @ z_basis`` with columns of ``w`` orthogonal over all rows, so that a far
        origin of time costs no digits. All that follows is in terms of ``w``.
    zz : ndarray, shape (g, q, q)
        ``w'w`` of each schedule.
    counts : ndarray, shape (g,)
        Patients with each schedule.
    dd : ndarray, shape (p + 1, p + 1)
        ``d'd`` over all rows.
    moments : ndarray, shape (g, u, m)
        Sums over a schedule's patients of products of ``w'd``.
    patient_zd : ndarray, shape (n_patients, q, p + 1)
        ``w'd`` of each patient.
    patient_dd : ndarray, shape (n_patients, m)
        ``d'd`` of each patient, pairs ``a <= b``.
    patient_rows, schedule : ndarray, shape (n_patients,)
        Rows of each patient; its schedule.
    """

    n_rows: int
    n_patients: int
    basis: Array
    beta_ols: Array
    z_basis: Array
    zz: Array
    counts: Array
    dd: Array
    moments: Array
    patient_zd: Array
    patient_dd: Array
    patient_rows: NDArray[np.int64]
    schedule: NDArray[np.int64]

    @functools.cached_property
    def stacked(self) -> Array:
        """For two random columns: moments, and what of them goes with ``adj(A)``, shape (g, 4 * m)."""
        a, b, c = self.zz[:, 0, 0], self.zz[:, 0, 1], self.zz[:, 1, 1]
        first, between, second = (self.moments[:, k] for k in range(3))
        adjugate = c[:, None] * first - b[:, None] * between + a[:, None] * second
        # One visit, or all at one time: nothing is left but rounding, which a large |Gamma| would blow up.
        adjugate[_is_singular(a, b, c)] = 0.0
        return np.concatenate([self.moments, adjugate[:, None]], axis=1).reshape(len(a), -1)

    @property
    def p(self) -> int:
        """Number of fixed coefficients."""
        return int(self.basis.shape[0])

    @property
    def q(self) -> int:
        """Number of random coefficients."""
        return int(self.z_basis.shape[0])


def summarise(y: Array, x: Array, z: Array, patient_index: NDArray[np.int64]) -> Statistics:
    """Gather the sufficient statistics in one pass over the rows.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Outcome.
    x : ndarray, shape (n, p)
        Fixed columns, of full rank.
    z : ndarray, shape (n, q)
        Random columns.
    patient_index : ndarray of int, shape (n,)
        0, 1, ... non-decreasing.

    Returns
    -------
    Statistics

    Raises
    ------
    ValueError
        If ``patient_index`` is not sorted or there are fewer rows than fixed columns.
    """
    if len(y) < x.shape[1] + 1:
        raise ValueError(f"{len(y)} rows cannot carry {x.shape[1]} fixed coefficients and a residual")
    starts = np.flatnonzero(np.diff(patient_index, prepend=-1))
    if np.any(np.diff(patient_index) < 0):
        raise ValueError("rows must be sorted by patient")
    basis_q, basis = np.linalg.qr(x)
    beta_ols = np.linalg.solve(basis, basis_q.T @ y)
    d = np.column_stack([basis_q, y - x @ beta_ols])
    z_basis = random_basis(z)
    zs = np.linalg.solve(z_basis.T, z.T).T
    first, second = _upper_pairs(d.shape[1])
    zz_patient = np.add.reduceat(zs[:, :, None] * zs[:, None, :], starts)
    zd = np.add.reduceat(zs[:, :, None] * d[:, None, :], starts)
    schedule, zz, counts = _schedules(zz_patient)
    return Statistics(
        n_rows=len(y),
        n_patients=len(starts),
        basis=basis,
        beta_ols=beta_ols,
        z_basis=z_basis,
        zz=zz,
        counts=counts,
        dd=d.T @ d,
        moments=_moments(zd, schedule, len(zz)),
        patient_zd=zd,
        patient_dd=np.add.reduceat(d[:, first] * d[:, second], starts),
        patient_rows=np.diff(np.append(starts, len(y))),
        schedule=schedule,
    )


def has_residual(stats: Statistics, y: Array) -> bool:
    """Say whether the fixed columns leave any residual beyond rounding."""
    return bool(stats.dd[-1, -1] > 1e-20 * max(float(y @ y), 1e-300))


def random_basis(z: Array) -> Array:
    """Give the upper triangular B with columns of z @ inv(B) orthogonal and of mean square one.

    A column that the earlier ones already give (every visit at the same time) keeps its own scale.
    """
    basis = np.linalg.qr(z, mode="r") / np.sqrt(len(z))
    basis *= np.where(np.diagonal(basis) < 0.0, -1.0, 1.0)[:, None]
    scale = np.sqrt(np.mean(z**2, axis=0))
    diagonal = np.diagonal(basis)
    np.fill_diagonal(basis, np.where(diagonal > 1e-9 * scale, diagonal, np.where(scale > 0.0, scale, 1.0)))
    upper: Array = basis
    return upper


def _schedules(zz: Array) -> tuple[NDArray[np.int64], Array, Array]:
    """Give a number to each distinct ``Z'Z``; rounding to 12 digits lets equal schedules meet.

    Numbers are in the order of first patients: where none share their times, nothing is moved in memory.
    """
    rounded = np.round(zz.reshape(len(zz), -1), 12)
    _, first, index, counts = np.unique(
        rounded, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first)
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    return number[index.reshape(-1)].astype(np.int64), zz[first[order]], counts[order].astype(float)


def _moments(zd: Array, schedule: NDArray[np.int64], n_schedules: int) -> Array:
    """Sum over each schedule's patients the symmetrised products of ``Z'd``, shape (g, u, m)."""
    q, width = zd.shape[1:]
    k, l = _upper_pairs(q)
    a, b = _upper_pairs(width)
    order = np.argsort(schedule, kind="stable")
    starts = np.searchsorted(schedule[order], np.arange(n_schedules))
    out = np.empty((n_schedules, len(k), len(a)))
    for pair, (i, j) in enumerate(zip(k, l, strict=True)):
        product = zd[:, i][:, a] * zd[:, j][:, b]
        if i != j:
            product += zd[:, j][:, a] * zd[:, i][:, b]
        out[:, pair] = np.add.reduceat(product[order], starts, axis=0)
    return out


def relative_factor(sd: ArrayLike, correlation: ArrayLike, sigma: ArrayLike) -> Array:
    r"""Build :math:`\Lambda` from SDs, the correlation and the residual SD.

    Parameters
    ----------
    sd : array_like, shape (..., q)
        Random-effect SDs, ``q`` of 1 or 2.
    correlation : array_like, shape (...,)
        Correlation of intercept and slope; ignored for ``q = 1``.
    sigma : array_like, shape (...,)
        Residual SD.

    Returns
    -------
    ndarray, shape (..., q, q)
        Lower triangular, ``G = sigma**2 * L @ L.T``.
    """
    sds = np.asarray(sd, dtype=float) / np.asarray(sigma, dtype=float)[..., None]
    rho = np.asarray(correlation, dtype=float)
    q = sds.shape[-1]
    factor = np.zeros((*sds.shape, q))
    factor[..., 0, 0] = sds[..., 0]
    if q == 2:
        factor[..., 1, 0] = rho * sds[..., 1]
        factor[..., 1, 1] = np.sqrt(np.maximum(1.0 - rho**2, 0.0)) * sds[..., 1]
    elif q > 2:
        raise ValueError("a single correlation describes at most two random coefficients")
    return factor


def in_basis(stats: Statistics, factor: Array) -> Array:
    """Express a relative factor in terms of the orthogonal random columns; any square root will do."""
    expressed: Array = stats.z_basis @ factor
    return expressed


def weigh(stats: Statistics, factor: Array) -> tuple[Array, Array]:
    r"""Reduce the likelihood to the fixed effects at given relative covariances.

    Parameters
    ----------
    factor : ndarray, shape (s, q, q)
        Relative factors :math:`\Lambda` in original units; any square roots of the relative covariances.

    Returns
    -------
    logdet : ndarray, shape (s,)
        :math:`\sum_i \log|I + \Gamma A_i|`.
    quadratic : ndarray, shape (s, p + 1, p + 1)
        :math:`\sigma^2 d'V^{-1}d` for ``d = [q, residual]``.
    """
    scaled = in_basis(stats, factor)
    logdet = np.zeros(len(scaled))
    pairs = np.zeros((len(scaled), stats.moments.shape[2]))
    for schedules in _blocks(len(stats.counts), _CHUNK // _SCHEDULES):
        part = _part(stats, schedules)
        if stats.q == 2:
            _add_two(part, stats.stacked[schedules], scaled, logdet, pairs)
        else:
            (_add_one if stats.q == 1 else _add_many)(part, scaled, logdet, pairs)
    return logdet, stats.dd - _symmetric(pairs, stats.p + 1)


def _part(stats: Statistics, schedules: slice) -> Statistics:
    """Give the statistics with some of the schedules: as much as the processor's cache can hold."""
    if len(stats.counts) <= schedules.stop - schedules.start:
        return stats
    return dataclasses.replace(
        stats, zz=stats.zz[schedules], counts=stats.counts[schedules], moments=stats.moments[schedules]
    )


def _blocks(count: int, width: int) -> Iterator[slice]:
    step = max(1, _CHUNK // max(width, 1))
    return (slice(start, start + step) for start in range(0, count, step))


def _add_one(stats: Statistics, factor: Array, logdet: Array, pairs: Array) -> None:
    """Add what the schedules of ``stats`` contribute, with one random column."""
    gamma = factor[:, 0, 0] ** 2
    for block in _blocks(len(factor), len(stats.counts)):
        determinant = 1.0 + np.outer(gamma[block], stats.zz[:, 0, 0])
        logdet[block] += np.log(determinant) @ stats.counts
        pairs[block] += gamma[block, None] * ((1.0 / determinant) @ stats.moments[:, 0])


def _add_two(stats: Statistics, stacked: Array, factor: Array, logdet: Array, pairs: Array) -> None:
    """Use the closed form K = (Gamma + |Gamma| adj(A)) / |I + Gamma A|, linear in moments over |I + Gamma A|."""
    gamma, size = _relative_covariance(factor)
    weights = np.column_stack([gamma, size])[:, None]
    a, b, c = stats.zz[:, 0, 0], stats.zz[:, 0, 1], stats.zz[:, 1, 1]
    for block in _blocks(len(factor), len(a) * 4):
        determinant = _determinant_two(gamma[block], size[block], a, b, c)
        logdet[block] += np.log(determinant) @ stats.counts
        sums = ((1.0 / determinant) @ stacked).reshape(len(determinant), 4, -1)
        pairs[block] += (weights[block] @ sums)[:, 0]


def _add_many(stats: Statistics, factor: Array, logdet: Array, pairs: Array) -> None:
    """Add what the schedules of ``stats`` contribute, with any number of random columns."""
    k, l = _upper_pairs(stats.q)
    for block in _blocks(len(factor), len(stats.counts) * stats.q**2):
        kernel, determinant = kernels(stats, factor[block])
        logdet[block] += np.log(determinant) @ stats.counts
        pairs[block] += np.einsum("sgu,gum->sm", kernel[:, :, k, l], stats.moments)


def kernels(stats: Statistics, factor: Array) -> tuple[Array, Array]:
    r"""Compute :math:`K_g = \Lambda (I + \Lambda' A_g \Lambda)^{-1} \Lambda'` for every schedule.

    Parameters
    ----------
    factor : ndarray, shape (s, q, q)
        Relative factors in terms of the orthogonal random columns (:func:`in_basis`).

    Returns
    -------
    kernel : ndarray, shape (s, g, q, q)
        In the same terms.
    determinant : ndarray, shape (s, g)
        :math:`|I + \Gamma A_g|`.
    """
    if stats.q == 2:
        return _kernels_two(stats, factor)
    transposed = np.swapaxes(factor, -1, -2)[:, None]
    inner = np.eye(stats.q) + transposed @ stats.zz[None] @ factor[:, None]
    chol = np.linalg.cholesky(inner)
    half = np.linalg.solve(chol, np.broadcast_to(transposed, inner.shape))
    determinant = np.prod(np.diagonal(chol, axis1=-2, axis2=-1), axis=-1) ** 2
    return np.swapaxes(half, -1, -2) @ half, determinant


def _kernels_two(stats: Statistics, factor: Array) -> tuple[Array, Array]:
    """Use the closed form for two random columns: K = (Gamma + |Gamma| adj(A)) / |I + Gamma A|."""
    gamma, size = _relative_covariance(factor)
    a, b, c = stats.zz[:, 0, 0], stats.zz[:, 0, 1], stats.zz[:, 1, 1]
    determinant = _determinant_two(gamma, size, a, b, c)
    # Each entry lies by itself in memory: what follows runs through one entry of all schedules at a time.
    entries = np.empty((2, 2, *determinant.shape))
    entries[0, 0] = (gamma[:, :1] + np.outer(size, c)) / determinant
    entries[1, 1] = (gamma[:, 2:] + np.outer(size, a)) / determinant
    entries[0, 1] = (gamma[:, 1:2] - np.outer(size, b)) / determinant
    entries[1, 0] = entries[0, 1]
    return entries.transpose(2, 3, 0, 1), determinant


def _relative_covariance(factor: Array) -> tuple[Array, Array]:
    """Entries 00, 01, 11 of Gamma, shape (s, 3), and its determinant, shape (s,)."""
    (a, b), (c, d) = factor.transpose(1, 2, 0)
    return np.stack([a * a + b * b, a * c + b * d, c * c + d * d], axis=1), (a * d - b * c) ** 2


def _determinant_two(gamma: Array, size: Array, a: Array, b: Array, c: Array) -> Array:
    """|I + Gamma A| for every draw and schedule, shape (s, g); each term is at least zero but the middle."""
    weights = np.column_stack([gamma * [1.0, 2.0, 1.0], size])
    result: Array = 1.0 + weights @ np.stack([a, b, c, np.where(_is_singular(a, b, c), 0.0, a * c - b * b)])
    return result


def _is_singular(a: Array, b: Array, c: Array) -> NDArray[np.bool_]:
    """Whether [[a, b], [b, c]] has a determinant of zero but for rounding."""
    singular: NDArray[np.bool_] = a * c - b * b <= 1e-13 * a * c
    return singular


@functools.lru_cache(maxsize=64)
def _upper_pairs(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of each entry of an upper triangle; kept, since a search asks for them at every step."""
    first, second = (np.asarray(index, dtype=np.int64) for index in np.triu_indices(size))
    first.flags.writeable = second.flags.writeable = False
    return first, second


def _symmetric(pairs: Array, width: int) -> Array:
    """Spread values of the upper triangle over a symmetric matrix."""
    first, second = _upper_pairs(width)
    out = np.empty((*pairs.shape[:-1], width, width))
    out[..., first, second] = pairs
    out[..., second, first] = pairs
    return out


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


def log_density(stats: Statistics, beta: Array, factor: Array, sigma: Array) -> Array:
    r"""Log density of all rows for each of ``s`` parameter values.

    Parameters
    ----------
    beta : ndarray, shape (s, p)
        Fixed effects.
    factor : ndarray, shape (s, q, q)
        Relative factors.
    sigma : ndarray, shape (s,)
        Residual SDs.

    Returns
    -------
    ndarray, shape (s,)
    """
    logdet, quadratic = weigh(stats, factor)
    v = _residual_weights(stats, beta)
    rss = np.einsum("sa,sab,sb->s", v, quadratic, v)
    result: Array = -0.5 * (stats.n_rows * np.log(2.0 * np.pi * sigma**2) + logdet + rss / sigma**2)
    return result


def _residual_weights(stats: Statistics, beta: Array) -> Array:
    """Weights v with ``d @ v = y - x @ beta``."""
    gamma = (beta - stats.beta_ols) @ stats.basis.T
    return np.column_stack([-gamma, np.ones(len(beta))])


def log_density_patients(stats: Statistics, beta: Array, factor: Array, sigma: Array) -> Array:
    """Joint log density of each patient's rows, random effects integrated out.

    Parameters
    ----------
    beta, factor, sigma
        As in :func:`log_density`.

    Returns
    -------
    ndarray, shape (s, n_patients)
        Sums over patients to :func:`log_density`.
    """
    v = _residual_weights(stats, beta)
    scaled = in_basis(stats, factor)
    out = np.empty((len(v), stats.n_patients))
    first, second = _upper_pairs(stats.p + 1)
    doubled = np.where(first == second, 1.0, 2.0)
    for block in _blocks(len(v), stats.n_patients * stats.q**2):
        squares = (v[block][:, first] * v[block][:, second] * doubled) @ stats.patient_dd.T
        kernel, determinant = kernels(stats, scaled[block])
        projected = [v[block] @ stats.patient_zd[:, k].T for k in range(stats.q)]
        for i, j in itertools.combinations_with_replacement(range(stats.q), 2):
            product = projected[i] * projected[j] * (1.0 if i == j else 2.0)
            squares -= kernel[:, :, i, j][:, stats.schedule] * product
        variance = sigma[block][:, None] ** 2
        out[block] = -0.5 * (
            stats.patient_rows * np.log(2.0 * np.pi * variance)
            + np.log(determinant)[:, stats.schedule]
            + squares / variance
        )
    return out


@dataclass(frozen=True, kw_only=True)
class Effects:
    """Normal distribution of each patient's random effects given the parameters.

    Parameters
    ----------
    mean : ndarray, shape (s, n_patients, q)
        Conditional means, in original units.
    root : ndarray, shape (s, g, q, q)
        Square roots of the conditional covariances, one for each schedule.
    schedule : ndarray, shape (n_patients,)
        Which root belongs to which patient.
    """

    mean: Array
    root: Array
    schedule: NDArray[np.int64]

    def draw(self, rng: np.random.Generator) -> Array:
        """Draw the effects, shape (s, n_patients, q)."""
        q = self.mean.shape[2]
        noise = rng.standard_normal((q, *self.mean.shape[:2]))
        draws = self.mean.copy(order="K")
        for i in range(q):
            for j in range(q):
                draws[..., i] += self.root[..., i, j][:, self.schedule] * noise[j]
        return draws


def patient_effects(stats: Statistics, beta: Array, factor: Array, sigma: Array) -> Effects:
    r"""Give :math:`b_i \mid y, \beta, G, \sigma \sim N(K_i Z_i'r_i, \sigma^2 K_i)` for every patient."""
    v = _residual_weights(stats, beta)
    kernel, _ = kernels(stats, in_basis(stats, factor))
    back = np.linalg.inv(stats.z_basis)
    lead = _entries_first(back, kernel)
    mean = np.zeros((stats.q, len(v), stats.n_patients))
    for j in range(stats.q):
        projected = v @ stats.patient_zd[:, j].T
        for i in range(stats.q):
            mean[i] += lead[i, j][:, stats.schedule] * projected
    root = _entries_first(back, _root(kernel) * sigma[:, None, None, None])
    return Effects(mean=mean.transpose(1, 2, 0), root=root.transpose(2, 3, 0, 1), schedule=stats.schedule)


def draw_effects(
    stats: Statistics, beta: Array, factor: Array, sigma: Array, rng: np.random.Generator
) -> Array:
    """Draw every patient's random effects once for each parameter value, a block of values at a time.

    Returns
    -------
    ndarray, shape (s, n_patients, q)
        In original units; each effect lies by itself in memory.
    """
    out = np.empty((stats.q, len(beta), stats.n_patients))
    # Arrays of a block stay below 128 KiB: larger ones come fresh from the system each time, page by page.
    for block in _blocks(len(beta), stats.n_patients * 64):
        given = stats, beta[block], factor[block], sigma[block]
        if stats.q == 2:
            _draw_two(*given, rng, out[:, block])
        else:
            out[:, block] = np.moveaxis(patient_effects(*given).draw(rng), 2, 0)
    return out.transpose(1, 2, 0)


def _draw_two(
    stats: Statistics, beta: Array, factor: Array, sigma: Array, rng: np.random.Generator, out: Array
) -> None:
    """Draw two effects a patient by the closed form of :func:`_kernels_two`, as few passes as it takes.

    With |K| = |Gamma| / |I + Gamma A|, the lower root of K needs no difference of like numbers.
    """
    gamma, size = _relative_covariance(in_basis(stats, factor))
    a, b, c = (stats.zz[stats.schedule, k, l] for k, l in ((0, 0), (0, 1), (1, 1)))
    inverse = 1.0 / _determinant_two(gamma, size, a, b, c)
    k00 = (gamma[:, :1] + np.outer(size, c)) * inverse
    k01 = (gamma[:, 1:2] - np.outer(size, b)) * inverse
    k11 = (gamma[:, 2:] + np.outer(size, a)) * inverse
    v = _residual_weights(stats, beta)
    first, second = (v @ stats.patient_zd[:, k].T for k in range(2))
    noise = rng.standard_normal((2, *k00.shape))
    noise *= sigma[:, None]
    root = np.sqrt(k00)
    with np.errstate(divide="ignore"):
        reciprocal = np.where(root > 0.0, 1.0 / root, 0.0)
    # In terms of the orthogonal random columns: K times the projections, plus its root times the noise.
    level = k00 * first + k01 * second + root * noise[0]
    slope = k01 * first + k11 * second + k01 * reciprocal * noise[0]
    # Without a first variance |Gamma| is zero, and the second stands alone.
    alone = np.sqrt(np.where(root > 0.0, size[:, None] * inverse * reciprocal**2, k11))
    slope += alone * noise[1]
    back = np.linalg.inv(stats.z_basis)
    out[0] = back[0, 0] * level + back[0, 1] * slope
    out[1] = back[1, 1] * slope


def _entries_first(back: Array, matrices: Array) -> Array:
    """Give ``back @ matrices``, shape (q, q, s, g): one entry of all matrices at a time, as they are used."""
    result: Array = np.tensordot(back, np.moveaxis(matrices, (2, 3), (0, 1)), 1)
    return result


def _root(kernel: Array) -> Array:
    """Lower square roots of positive semi-definite matrices of size one or two, by closed form; else by spectrum."""
    size = kernel.shape[-1]
    if size > 2:
        values, vectors = np.linalg.eigh(kernel)
        spectral: Array = vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]
        return spectral
    root = np.zeros_like(kernel)
    root[..., 0, 0] = np.sqrt(kernel[..., 0, 0])
    if size == 2:
        first = np.where(root[..., 0, 0] > 0.0, root[..., 0, 0], 1.0)
        root[..., 1, 0] = kernel[..., 0, 1] / first
        root[..., 1, 1] = np.sqrt(np.maximum(kernel[..., 1, 1] - root[..., 1, 0] ** 2, 0.0))
    return root


def predict_visits(
    y: Array, x: Array, z: Array, stats: Statistics, beta: Array, factor: Array, sigma: Array
) -> tuple[Array, Array]:
    r"""Predict each visit from the same patient's other visits, random effects integrated out.

    :math:`y_{ij}\mid y_{i,-j}, \theta \sim N(y_{ij} - e, 1/(V_i^{-1})_{jj})` with
    :math:`e = (V_i^{-1}r_i)_j/(V_i^{-1})_{jj}` (the leave-one-out residual; Sundararajan & Keerthi 2001,
    doi:10.1162/08997660151134343).

    Parameters
    ----------
    y, x, z : ndarray, shapes (n,), (n, p), (n, q)
        The rows behind ``stats``.

    Returns
    -------
    residual, variance : ndarray, shape (s, n)
        Observed minus predicted, and the predictive variance.
    """
    patient = np.repeat(np.arange(stats.n_patients), stats.patient_rows)
    zs = np.linalg.solve(stats.z_basis.T, z.T)
    residual, variance = np.empty((len(beta), len(y))), np.empty((len(beta), len(y)))
    v = _residual_weights(stats, beta)
    scaled = in_basis(stats, factor)
    pairs = list(itertools.combinations_with_replacement(range(stats.q), 2))
    # Arrays of a block stay below 128 KiB: larger ones come fresh from the system each time, page by page.
    for block in _blocks(len(beta), len(y) * 64):
        kernel, _ = kernels(stats, scaled[block])
        projected = [v[block] @ stats.patient_zd[:, k].T for k in range(stats.q)]
        effects = [np.zeros_like(projected[0]) for _ in range(stats.q)]
        leverage = np.ones((len(kernel), len(y)))
        for i, j in pairs:
            mine = kernel[:, :, i, j][:, stats.schedule]
            effects[i] += mine * projected[j]
            if i != j:
                effects[j] += mine * projected[i]
            leverage -= mine[:, patient] * (zs[i] * zs[j] * (1.0 if i == j else 2.0))
        whole = y - beta[block] @ x.T
        for i, effect in enumerate(effects):
            whole -= zs[i] * effect[:, patient]
        residual[block] = whole / leverage
        variance[block] = sigma[block][:, None] ** 2 / leverage
    return residual, variance


def log_normal(residual: Array, variance: Array) -> Array:
    """Log density of a Normal at a residual from its mean."""
    result: Array = -0.5 * (np.log(2.0 * np.pi * variance) + residual**2 / variance)
    return result
