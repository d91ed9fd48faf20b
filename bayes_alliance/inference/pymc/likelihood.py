"""The marginal likelihood as one PyTensor operation with its gradient.

The same density as :func:`bayes_alliance.inference.likelihood.log_density`, written again for one point at a time and
compiled by numba: NUTS asks for it tens of thousands of times, and a graph of a hundred small operations takes
half a minute to compile for each shape of model. Tests hold the density to the other one and the gradient to
differences. Imports PyTensor and numba; imported where it is used.
"""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph import Apply, Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from bayes_alliance.inference.fits import Array
from bayes_alliance.runtime.compiled import compiled


# Over 40 lines: compiled by numba; the likelihood and its gradient share intermediate results.
def _weigh(
    beta: Array, sd: Array, correlation: Array, sigma: Array, statistics: Array
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Log density of all rows and its derivatives by beta, sd, correlation and sigma, for numba.

    With :math:`v = (-R(\beta - \hat\beta_{OLS}), 1)`, weights :math:`W = D'D - \sum_s D'Z K_s Z'D` and
    :math:`K_s = (\Gamma^{-1} + A_s)^{-1}`, the residual sum of squares is :math:`v'Wv`. One random column is
    treated as two of which the second has no variance. ``statistics`` is what
    :func:`bayes_alliance.inference.pymc.model.pack_statistics` gives; coefficients beyond those that it has are spare.
    """
    n, p = statistics[0], int(statistics[1])
    q = sd.shape[0]
    u, m = q * (q + 1) // 2, (p + 1) * (p + 2) // 2
    end = 2 + p * p
    basis = statistics[2:end].reshape((p, p))
    beta_ols = statistics[end : end + p]
    end += p
    z_basis = statistics[end : end + q * q].reshape((q, q))
    end += q * q
    weights = statistics[end : end + m].copy()
    end += m
    schedules = (statistics.shape[0] - end) // (1 + u + u * m)
    counts = statistics[end : end + schedules]
    end += schedules
    zz = statistics[end : end + schedules * u].reshape((schedules, u))
    moments = statistics[end + schedules * u :].reshape((schedules, u, m))

    noise = sigma.item()
    v = np.ones(p + 1)
    v[:p] = -(basis @ (beta[:p] - beta_ols))
    products = np.empty(m)
    at = 0
    for a in range(p + 1):
        for b in range(a, p + 1):
            products[at] = v[a] * v[b] * (1.0 if a == b else 2.0)
            at += 1

    # The relative factor F in terms of orthogonal random columns, and Gamma = FF' with its determinant.
    rho = correlation.item() if q == 2 else 0.0
    free = math.sqrt(1.0 - rho * rho)
    r0 = sd[0] / noise
    r1 = sd[1] / noise if q == 2 else 0.0
    b00 = z_basis[0, 0]
    b01 = z_basis[0, 1] if q == 2 else 0.0
    b11 = z_basis[1, 1] if q == 2 else 0.0
    f00, f01 = b00 * r0 + b01 * rho * r1, b01 * free * r1
    f10, f11 = b11 * rho * r1, b11 * free * r1
    g11, g12, g22 = f00 * f00 + f01 * f01, f00 * f10 + f01 * f11, f10 * f10 + f11 * f11
    root = f00 * f11 - f01 * f10
    size = root * root

    logdet = 0.0
    # Derivatives of log|I + Gamma A| + rss / sigma^2 by g11, g12, g22 and the determinant of Gamma.
    by0, by1, by2, by_size = 0.0, 0.0, 0.0, 0.0
    for s in range(schedules):
        a11 = zz[s, 0]
        a12 = zz[s, 1] if q == 2 else 0.0
        a22 = zz[s, 2] if q == 2 else 0.0
        det = a11 * a22 - a12 * a12
        determinant = 1.0 + g11 * a11 + 2.0 * g12 * a12 + g22 * a22 + size * det
        k0 = (g11 + size * a22) / determinant
        k1 = (g12 - size * a12) / determinant
        k2 = (g22 + size * a11) / determinant
        first = moments[s, 0]
        e0, e1, e2 = 0.0, 0.0, 0.0
        if q == 2:
            second = moments[s, 1]
            third = moments[s, 2]
            for j in range(m):
                weights[j] -= k0 * first[j] + k1 * second[j] + k2 * third[j]
                e0 += first[j] * products[j]
                e1 += second[j] * products[j]
                e2 += third[j] * products[j]
        else:
            for j in range(m):
                weights[j] -= k0 * first[j]
                e0 += first[j] * products[j]
        logdet += counts[s] * math.log(determinant)
        # d rss / d x = -(d numerator / d x - explained * d determinant / d x) / determinant
        common = (counts[s] + (k0 * e0 + k1 * e1 + k2 * e2) / (noise * noise)) / determinant
        scaled = 1.0 / (noise * noise * determinant)
        by0 += common * a11 - scaled * e0
        by1 += common * 2.0 * a12 - scaled * e1
        by2 += common * a22 - scaled * e2
        by_size += common * det - scaled * (a22 * e0 - a12 * e1 + a11 * e2)

    rss = 0.0
    by_v = np.zeros(p + 1)
    at = 0
    for a in range(p + 1):
        for b in range(a, p + 1):
            rss += weights[at] * products[at]
            by_v[a] += 2.0 * weights[at] * v[b]
            if a != b:
                by_v[b] += 2.0 * weights[at] * v[a]
            at += 1
    variance = noise * noise
    value = -0.5 * (n * math.log(2.0 * math.pi * variance) + logdet + rss / variance)

    by_beta = np.zeros_like(beta)
    by_beta[:p] = (basis.T @ by_v[:p]) / (2.0 * variance)
    d00 = by0 * 2.0 * f00 + by1 * f10 + by_size * 2.0 * root * f11
    d01 = by0 * 2.0 * f01 + by1 * f11 - by_size * 2.0 * root * f10
    d10 = by2 * 2.0 * f10 + by1 * f00 - by_size * 2.0 * root * f01
    d11 = by2 * 2.0 * f11 + by1 * f01 + by_size * 2.0 * root * f00
    along, across = d00 * b01 + d10 * b11, d01 * b01 + d11 * b11
    by_r0 = -0.5 * d00 * b00
    by_r1 = -0.5 * (along * rho + across * free)
    by_sd = np.empty(q)
    by_sd[0] = by_r0 / noise
    by_rho = 0.0
    if q == 2:
        by_sd[1] = by_r1 / noise
        by_rho = -0.5 * r1 * (along - across * rho / free)
    by_noise = (rss / variance - n) / noise - (by_r0 * r0 + by_r1 * r1) / noise
    return np.asarray(value), by_beta, by_sd, np.asarray(by_rho), np.asarray(by_noise)


_called_from_python = compiled(_weigh)


class MarginalLikelihood(Op):  # type: ignore[misc]  # PyTensor has no types
    """Log density of a Gaussian mixed model, its effects integrated out, with the derivatives as further outputs.

    Inputs are beta (p,), sd (q,), correlation (), sigma () and the packed statistics; q is 1 or 2.
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        """Connect the inputs."""
        held = [pt.as_tensor_variable(value) for value in inputs]
        outputs = [pt.dscalar(), held[0].type(), held[1].type(), pt.dscalar(), pt.dscalar()]
        return Apply(self, held, outputs)

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Sequence[list[Any]]) -> None:
        """Evaluate outside a compiled function."""
        for storage, value in zip(output_storage, _called_from_python(*inputs), strict=True):
            storage[0] = value

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the density depends on the four parameters; its derivatives are not derived again."""
        return [[True, False, False, False, False]] * 4 + [[False] * 5]

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        """Return the derivatives, which came with the density."""
        return [*(cotangents[0] * derivative for derivative in outputs[1:]), DisconnectedType()()]


@register_funcify_default_op_cache_key(MarginalLikelihood)  # type: ignore[untyped-decorator]
def _compile(op: MarginalLikelihood, node: Apply, **options: Any) -> tuple[Any, int]:
    """Hand over to numba; PyTensor keeps what was compiled on disk, under this number."""
    digest = hashlib.sha256(inspect.getsource(_weigh).encode()).digest()
    return numba_njit(_weigh), int.from_bytes(digest[:4], "big")


def marginal_logp(beta: Any, sd: Any, correlation: Any, sigma: Any, statistics: Any) -> Any:
    """Return the log density as a symbol."""
    return MarginalLikelihood()(beta, sd, correlation, sigma, statistics)[0]
