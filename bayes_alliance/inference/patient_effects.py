"""Patients' random effects given the parameters: their means, draws and what they predict at visits."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.inference.likelihood import (
    Array,
    _blocks,
    _determinant_two,
    _relative_covariance,
    _residual_weights,
    in_basis,
    kernels,
)
from bayes_alliance.inference.statistics import Statistics


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
    r"""Return :math:`b_i \mid y, \beta, G, \sigma \sim N(K_i Z_i'r_i, \sigma^2 K_i)` for every patient."""
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
    """Return ``back @ matrices``, shape (q, q, s, g): one entry of all matrices at a time, as they are used."""
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
