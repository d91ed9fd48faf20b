r"""The Gaussian likelihood of patients within clusters with correlated residuals, and its gradient.

For patient *i* of cluster *k*, :math:`y_i = X_i\beta + W_i a_k + Z_i b_i + e_i`. Patients' effects and residuals give
:math:`V_i`; clusters' effects are eliminated after them: with :math:`S_k = \sum_{i \in k} d_i'V_i^{-1}d_i`,
:math:`d = [w, q, residual]`, and :math:`K_k = F(I + F'S_{k,ww}F)^{-1}F'` for relative covariance :math:`FF'` of
cluster effects,

.. math:: M = \sum_k S_{k,dd} - S_{k,dw}K_kS_{k,wd}, \qquad
          \log|V| = \sum_i \log|V_i| + \sum_k \log|I + F'S_{k,ww}F|.

No matrix larger than a patient's visits or the number of columns is formed. The gradient runs the same steps
backwards; only the correlation of residuals by its own parameters is differentiated by a complex step, which is exact
to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.lmm.patterns import PatternStatistics, Stack, upper_pairs
from bayes_alliance.inference.lmm.short_patterns import invert_short, is_short, multiply_columns
from bayes_alliance.inference.lmm.structure import Parameters

_CHUNK, _BLOCK = 4_000_000, 200_000
_FEW = 16  # points at least that are worked out together
_STEP = 1e-30


def weigh_patterns(stats: PatternStatistics, parameters: Parameters) -> tuple[Array, Array]:
    r"""Reduce the likelihood to the fixed effects at ``s`` relative covariances.

    Returns
    -------
    logdet : ndarray, shape (s,)
        Log determinant of the covariance of all rows, in units of the residual variance of the first group.
    quadratic : ndarray, shape (s, p + 1, p + 1)
        ``M``, in the orthonormal basis.
    """
    count = len(parameters.u)
    size = max(sum(stack.position.size * stack.n for stack in stats.stacks), stats.n_clusters, stats.r**2)
    step = max(_FEW, _BLOCK // size)
    products = [multiply_columns(stack) if is_short(stats, stack) else None for stack in stats.stacks]
    logdet = np.empty(count)
    quadratic = np.empty((count, stats.p + 1, stats.p + 1))
    for start in range(0, count, step):
        some = slice(start, start + step)
        part = Parameters(
            patient=parameters.patient[some],
            cluster=parameters.cluster[some],
            u=parameters.u[some],
            log_ratio=parameters.log_ratio[some],
        )
        own, sums = _sum_patients(stats, part, products)
        more, quadratic[some] = _clusters(stats, part, sums)
        logdet[some] = own + more
    return logdet, quadratic


def _sum_patients(
    stats: PatternStatistics, parameters: Parameters, products: list[Array | None]
) -> tuple[Array, Array]:
    """Log determinants and sums of :func:`_patients` at many points, patterns of one or two rows in closed form."""
    s = len(parameters.u)
    width = stats.r + stats.p + 1
    logdet = np.zeros(s)
    sums = np.zeros((stats.n_clusters, s, width * (width + 1) // 2))
    for stack, product in zip(stats.stacks, products, strict=True):
        if product is None:
            inverse, sizes = _invert(covariances(stats, stack, parameters))
            rows, columns = upper_pairs(stack.n)
            packed = np.moveaxis(inverse[:, :, rows, columns], 0, 2)
            logdet += sizes @ stack.counts
        else:
            packed, sizes = invert_short(stack, parameters, product)
            logdet += stack.counts @ sizes
        _add_cells(stack, packed, sums)
    return logdet, np.swapaxes(sums, 0, 1)


def _patients(stats: PatternStatistics, parameters: Parameters) -> tuple[Array, Array, list[Array]]:
    """Log determinants (s,), packed sums of products by cluster (s, k, m), and the inverses of V by stack."""
    s = len(parameters.u)
    width = stats.r + stats.p + 1
    logdet = np.zeros(s)
    sums = np.zeros((s, stats.n_clusters, width * (width + 1) // 2))
    inverses = []
    for stack in stats.stacks:
        inverse, sizes = _invert(covariances(stats, stack, parameters))
        logdet += sizes @ stack.counts
        rows, columns = upper_pairs(stack.n)
        packed = inverse[:, :, rows, columns]
        if stats.n_clusters == 1:
            flat = stack.moments.reshape(-1, stack.moments.shape[2])
            sums[:, 0] += packed[:, stack.pattern].reshape(s, -1) @ flat
        else:
            starts = np.flatnonzero(np.diff(stack.cluster, prepend=-1))
            cells = np.swapaxes(packed[:, stack.pattern], 0, 1) @ stack.moments
            sums[:, stack.cluster[starts]] += np.swapaxes(np.add.reduceat(cells, starts, axis=0), 0, 1)
        inverses.append(inverse)
    return logdet, sums, inverses


def _add_cells(stack: Stack, packed: Array, sums: Array) -> None:
    """Add to sums (k, s, m) what the cells of each cluster contribute; ``packed`` has the shape (g, j, s)."""
    starts = np.flatnonzero(np.diff(stack.cluster, prepend=-1))
    if len(starts) == len(stack.cluster):
        sums[stack.cluster] += np.swapaxes(packed[stack.pattern], 1, 2) @ stack.moments
        return
    for start, end in zip(starts, np.append(starts[1:], len(stack.cluster)), strict=True):
        moments = stack.moments[start:end].reshape(-1, sums.shape[2])
        own = packed[stack.pattern[start:end]].reshape(len(moments), -1)
        sums[stack.cluster[start]] += own.T @ moments


def covariances(stats: PatternStatistics, stack: Stack, parameters: Parameters) -> Array:
    """Covariance of a patient's rows for each pattern, shape (s, g, n, n), in units of the first residual variance."""
    residual = stats.structure.residual
    if residual.kind == "id" and len(residual.groups) == 1:
        out: Array = np.eye(stack.n)[None, None]
    else:
        ratio = np.exp(parameters.log_ratio[:, stack.group])
        out = residual.correlation(parameters.u, stack.position) * (
            ratio[:, :, :, None] * ratio[:, :, None, :]
        )
    shape = (len(parameters.u), len(stack.position), stack.n, stack.n)
    if not stats.structure.patient.size:
        return np.array(np.broadcast_to(out, shape))
    # Z G Z' of all patterns and points is one product of G with products of columns of Z.
    gamma = parameters.patient @ np.swapaxes(parameters.patient, 1, 2)
    pairs = stack.z[:, :, None, :, None] * stack.z[:, None, :, None, :]
    random = gamma.reshape(len(gamma), -1) @ pairs.reshape(-1, gamma[0].size).T
    result: Array = random.reshape(shape) + out
    return result


def _invert(v: Array) -> tuple[Array, Array]:
    """Inverse and log determinant of small covariance matrices; closed form up to two rows.

    A matrix that is not positive definite gets a log determinant of infinity, so that its density is zero.
    """
    n = v.shape[-1]
    if n == 1:
        with np.errstate(divide="ignore"):
            return 1.0 / v, np.log(v[..., 0, 0])
    if n == 2:
        determinant = v[..., 0, 0] * v[..., 1, 1] - v[..., 0, 1] ** 2
        sound = determinant > 1e-14 * v[..., 0, 0] * v[..., 1, 1]
        safe = np.where(sound, determinant, 1.0)
        out = np.empty_like(v)
        out[..., 0, 0], out[..., 1, 1] = v[..., 1, 1] / safe, v[..., 0, 0] / safe
        out[..., 0, 1] = out[..., 1, 0] = -v[..., 0, 1] / safe
        return out, np.where(sound, np.log(safe), np.inf)
    try:
        root = np.linalg.cholesky(v)
        bad = np.zeros(v.shape[:-2], dtype=bool)
    except np.linalg.LinAlgError:
        scale = np.einsum("...ii->...i", v)
        bad = ~(np.linalg.eigvalsh(v)[..., 0] > 1e-13 * scale.max(axis=-1))
        v = np.where(bad[..., None, None], np.eye(n), v)
        root = np.linalg.cholesky(v)
    sizes = 2.0 * np.sum(np.log(np.einsum("...ii->...i", root)), axis=-1)
    return np.linalg.inv(v), np.where(bad, np.inf, sizes)


def _clusters(stats: PatternStatistics, parameters: Parameters, sums: Array) -> tuple[Array, Array]:
    """Eliminate the clusters' effects: log determinants (s,) and M (s, p + 1, p + 1); the sums where there are none."""
    if not stats.r:
        return np.zeros(len(sums)), _square(sums.sum(axis=1), stats.p + 1)
    r, width = stats.r, stats.r + stats.p + 1
    at = np.empty((width, width), dtype=np.int64)
    rows, columns = upper_pairs(width)
    at[rows, columns] = at[columns, rows] = np.arange(len(rows))
    factor = stats.spread(parameters.cluster)[:, None]
    turned = np.swapaxes(factor, -1, -2)
    inverse, sizes = _invert(np.eye(r) + turned @ sums[..., at[:r, :r]] @ factor)
    projected = turned @ sums[..., at[:r, r:]]
    half = projected.reshape(len(sums), -1, width - r)
    scaled = np.einsum("ksab,ksbc->ksac", inverse, projected).reshape(half.shape)
    removed = np.swapaxes(half, 1, 2) @ scaled
    return sizes.sum(axis=1), sums.sum(axis=1)[:, at[r:, r:]] - removed


def _square(packed: Array, width: int) -> Array:
    first, second = upper_pairs(width)
    out = np.empty((*packed.shape[:-1], width, width), dtype=packed.dtype)
    out[..., first, second] = packed
    out[..., second, first] = packed
    return out


@dataclass(frozen=True, kw_only=True)
class Profiled:
    r"""The likelihood with fixed effects and the residual variance of the first group at their best.

    Parameters
    ----------
    deviance : float
        -2 log likelihood, or the REML criterion as lme4 defines it.
    beta, beta_cov : ndarray
        Generalised least squares and :math:`(X'V^{-1}X)^{-1}`.
    sigma : float
        Residual SD of the first group.
    gradient : ndarray
        Of the deviance by the parameters, residual SD profiled; at a given ``sigma`` where one was given.
    by_log_sigma : float
        Derivative by the log of the residual SD, at a given ``sigma``.
    """

    deviance: float
    beta: Array
    beta_cov: Array
    sigma: float
    gradient: Array
    by_log_sigma: float


def profile_patterns(
    stats: PatternStatistics,
    theta: Array,
    *,
    reml: bool,
    sigma: float | None = None,
    gradient: bool = True,
    held: tuple[Array, float] | None = None,
) -> Profiled:
    """Profile the fixed effects out, and the residual variance unless ``sigma`` is given.

    ``held`` are weights of the coefficients and the value at which their combination is held (ML only).
    """
    parameters = stats.structure.split(theta[None])
    logdet, sums, inverses = _patients(stats, parameters)
    more, quadratic = _clusters(stats, parameters, sums)
    logdet, m, p = logdet + more, quadratic[0], stats.p
    inverse = np.linalg.inv(m[:p, :p])
    gamma = inverse @ m[:p, p]
    rss = float(m[p, p] - m[:p, p] @ gamma)
    back = np.linalg.inv(stats.basis)
    if held is not None:
        gamma, added = _hold(stats, inverse, gamma, *held)
        rss += added
    df = stats.n_rows - p if reml else stats.n_rows
    sigma2 = rss / df if sigma is None else sigma**2
    if not sigma2 > 0.0:
        raise np.linalg.LinAlgError("the covariance is not positive definite")
    deviance = float(logdet[0]) + df * np.log(2.0 * np.pi * sigma2) + rss / sigma2
    if reml:
        deviance += -np.linalg.slogdet(inverse)[1] + 2.0 * np.sum(np.log(np.abs(np.diagonal(stats.basis))))
    v = np.append(-gamma, 1.0)
    adjoint = np.outer(v, v) / sigma2
    if reml:
        adjoint[:p, :p] += inverse
    return Profiled(
        deviance=float(deviance),
        beta=stats.beta_ols + back @ gamma,
        beta_cov=sigma2 * back @ inverse @ back.T,
        sigma=float(np.sqrt(sigma2)),
        gradient=_backwards(stats, theta, parameters, sums, inverses, adjoint) if gradient else np.empty(0),
        by_log_sigma=float(2.0 * df - 2.0 * rss / sigma2),
    )


def _hold(
    stats: PatternStatistics, inverse: Array, gamma: Array, weights: Array, value: float
) -> tuple[Array, float]:
    """Best coefficients with a combination of them held at a value, and what this adds to the residual sum."""
    direction = np.linalg.solve(stats.basis.T, weights)
    pull = inverse @ direction
    missing = value - float(weights @ stats.beta_ols + direction @ gamma)
    share = missing / float(direction @ pull)
    return gamma + pull * share, missing * share


def _backwards(
    stats: PatternStatistics,
    theta: Array,
    parameters: Parameters,
    sums: Array,
    inverses: list[Array],
    adjoint: Array,
) -> Array:
    """Gradient of ``log|V| + <adjoint, M>`` by the parameters, ``adjoint`` held fixed."""
    r, width = stats.r, stats.r + stats.p + 1
    by_sums, by_cluster = _cluster_adjoint(stats, parameters, sums, adjoint)
    first, second = upper_pairs(width)
    packed = by_sums[:, first, second] * np.where(first == second, 1.0, 2.0)
    by_factor = np.zeros((stats.structure.patient.size,) * 2)
    n_patient, _, n_correlation, n_ratio = stats.structure.sizes
    by_residual = np.zeros(n_correlation + n_ratio)
    for stack, inverse in zip(stats.stacks, inverses, strict=True):
        by_v = _pattern_adjoint(stack, inverse[0], packed)
        if n_patient:
            half = stack.z @ parameters.patient[0]
            by_factor += 2.0 * np.einsum("gaq,gar->qr", stack.z, by_v @ half)
        by_residual += _residual_gradient(stats, stack, by_v, theta)
    patient = by_factor[stats.structure.patient.mask]
    cluster = by_cluster[stats.structure.cluster.mask] if r else np.empty(0)
    return np.concatenate([patient, cluster, by_residual])


def _residual_gradient(stats: PatternStatistics, stack: Stack, by_v: Array, theta: Array) -> Array:
    """Sum of ``by_v`` times the derivatives of a stack's residual covariance, by a complex step, several at a time."""
    structure = stats.structure
    n_patient, n_cluster, *rest = structure.sizes
    count = sum(rest)
    out = np.empty(count)
    step = max(1, _CHUNK // by_v.size)
    for start in range(0, count, step):
        some = np.arange(start, min(start + step, count))
        shifted = np.tile(theta.astype(complex), (len(some), 1))
        shifted[np.arange(len(some)), n_patient + n_cluster + some] += 1j * _STEP
        moved = structure.split(shifted)
        ratio = np.exp(moved.log_ratio)[:, stack.group]
        correlation = structure.residual.correlation(moved.u, stack.position)
        changed = (correlation * ratio[..., :, None] * ratio[..., None, :]).imag / _STEP
        out[some] = np.einsum("kgab,gab->k", changed, by_v)
    return out


def _cluster_adjoint(
    stats: PatternStatistics, parameters: Parameters, sums: Array, adjoint: Array
) -> tuple[Array, Array]:
    """Return derivatives by each cluster's sums (k, width, width) and by the factor of one group's effects."""
    r = stats.r
    if not r:
        return np.broadcast_to(adjoint, (stats.n_clusters, *adjoint.shape)), np.empty((0, 0))
    whole = _square(sums[0], r + stats.p + 1)
    factor = stats.spread(parameters.cluster[0])
    ww, wd = whole[:, :r, :r], whole[:, :r, r:]
    kernel = factor @ np.linalg.inv(np.eye(r) + factor.T @ ww @ factor) @ factor.T
    direction = np.concatenate(
        [-kernel @ wd, np.broadcast_to(np.eye(stats.p + 1), (len(wd), *adjoint.shape))], axis=1
    )
    by_sums = direction @ adjoint @ np.swapaxes(direction, 1, 2)
    by_sums[:, :r, :r] += kernel
    j = np.eye(r) - kernel @ ww
    left = np.swapaxes(j, 1, 2) @ wd
    by_gamma = (ww @ j - left @ adjoint @ np.swapaxes(left, 1, 2)).sum(axis=0)
    own = stats.structure.cluster.size
    by_factor = ((by_gamma + by_gamma.T) @ factor).reshape(stats.copies, own, stats.copies, own)
    return by_sums, np.einsum("kakb->ab", by_factor)


def _pattern_adjoint(stack: Stack, inverse: Array, packed: Array) -> Array:
    """Return the derivative of the deviance by the covariance of each pattern, shape (g, n, n)."""
    by_cell = np.einsum("cjm,cm->cj", stack.moments, packed[stack.cluster])
    by_inverse = np.zeros((len(stack.counts), by_cell.shape[1]))
    np.add.at(by_inverse, stack.pattern, by_cell)
    rows, columns = upper_pairs(stack.n)
    square = np.zeros((len(stack.counts), stack.n, stack.n))
    square[:, rows, columns] = by_inverse * np.where(rows == columns, 1.0, 0.5)
    square[:, columns, rows] = square[:, rows, columns]
    result: Array = stack.counts[:, None, None] * inverse - inverse @ square @ inverse
    return result
