r"""The pairs (estimate, standard error) that a printed cell may stand for, and quadrature over them.

A cell leaves a rectangle; what is known of the test statistic, :math:`t_{low} \le |b|/s \le t_{high}`, cuts a
wedge out of it, and printed intervals and signed tests cut it by straight lines
(:mod:`bayes_alliance.published.constraints`). What remains on either side of zero is a convex polygon, so
Gauss-Legendre quadrature between its kinks integrates smooth functions over it to machine precision, and the
extremes of a function that rises or falls with the estimate lie on its rim.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from bayes_alliance.inference.fits import Array
from bayes_alliance.published.stars import TBounds

# A straight line: every pair with a * estimate + c * se <= d lies on its right side.
Plane = tuple[float, float, float]
N_NODES = 12
N_RIM = 9


@dataclass(frozen=True, kw_only=True)
class Region:
    """A set of (estimate, SE) pairs.

    Parameters
    ----------
    estimate, se : ndarray, shape (n,)
        Quadrature nodes.
    weight : ndarray, shape (n,)
        Weights of the uniform distribution over the region; they sum to one.
    rim_estimate, rim_se : ndarray, shape (m,)
        Points on the boundary, corners included.
    area : float
        Area of the region.
    bounds : ((float, float), (float, float), TBounds)
        What it was built from.
    planes : tuple of (float, float, float)
        Lines that it was cut by besides.
    """

    estimate: Array
    se: Array
    weight: Array
    rim_estimate: Array
    rim_se: Array
    area: float
    bounds: tuple[tuple[float, float], tuple[float, float], TBounds]
    planes: tuple[Plane, ...] = ()

    @property
    def t_range(self) -> tuple[float, float]:
        """Smallest and largest size of the test statistic."""
        t = np.abs(self.rim_estimate / self.rim_se)
        return float(t.min()), float(t.max())

    def share_beyond(self, size: float) -> float:
        """Share of the region in which the test statistic is larger than a value, exactly."""
        estimate, se, t = self.bounds
        part = build_region(estimate, se, TBounds(low=max(t.low, size), high=t.high), self.planes)
        return 0.0 if part is None else min(1.0, part.area / self.area)


def build_region(
    estimate: tuple[float, float],
    se: tuple[float, float],
    t: TBounds | None = None,
    planes: Sequence[Plane] = (),
) -> Region | None:
    """Build the region of a cell.

    Parameters
    ----------
    estimate, se : (float, float)
        Ends of the intervals; an infinite estimate is bounded by ``t.high``.
    t : TBounds, optional
        What is known of ``|estimate / se|``.
    planes : sequence of (float, float, float)
        Lines that cut it: ``a * estimate + c * se <= d``.

    Returns
    -------
    Region or None
        None where no pair is left.

    Raises
    ------
    ValueError
        If the region is unbounded.
    """
    return _build(estimate, se, t or TBounds(), tuple(planes))


# The same cells come up in every audit of a reading of a table.
@functools.lru_cache(maxsize=4096)
def _build(
    estimate: tuple[float, float], se: tuple[float, float], bounds: TBounds, planes: tuple[Plane, ...]
) -> Region | None:
    s0, s1 = max(se[0], 1e-9 * se[1]), se[1]
    reach = bounds.high * s1
    b0, b1 = max(estimate[0], -reach), min(estimate[1], reach)
    if not (math.isfinite(b0) and math.isfinite(b1) and math.isfinite(s1)):
        raise ValueError("neither the cell nor its stars bound the estimate")
    parts = []
    for sign, low, high in ((1.0, max(b0, 0.0), b1), (-1.0, max(-b1, 0.0), -b0)):
        if high > low and s1 > s0:
            own = [(sign * a, c, d) for a, c, d in planes]
            part = _half(low, high, s0, s1, bounds, own)
            if part is not None:
                parts.append((sign, part))
    if not parts:
        return None
    total = float(sum(part[2].sum() for _, part in parts))
    if total <= 0.0:
        return None
    return Region(
        estimate=np.concatenate([sign * part[0] for sign, part in parts]),
        se=np.concatenate([part[1] for _, part in parts]),
        weight=np.concatenate([part[2] for _, part in parts]) / total,
        rim_estimate=np.concatenate([sign * part[3] for sign, part in parts]),
        rim_se=np.concatenate([part[4] for _, part in parts]),
        area=total,
        bounds=(estimate, se, bounds),
        planes=planes,
    )


@functools.cache
def _rule() -> tuple[Array, Array]:
    """Nodes and weights of Gauss and Legendre."""
    nodes, weights = np.polynomial.legendre.leggauss(N_NODES)
    return nodes, weights


def _half(
    low: float, high: float, s0: float, s1: float, t: TBounds, planes: Sequence[Plane]
) -> tuple[Array, Array, Array, Array, Array] | None:
    """Nodes, weights and rim of the part on one side of zero, in sizes."""
    for a, c, d in planes:
        if a == 0.0:
            s0, s1 = (s0, min(s1, d / c)) if c > 0.0 else (max(s0, d / c), s1)
    if s1 <= s0:
        return None
    cuts = [(a, c, d) for a, c, d in planes if a != 0.0]
    kinks = sorted({s0, s1, *_kinks(low, high, s0, s1, t, cuts)})
    nodes, weights = _rule()
    sizes, ses, masses, rim_sizes, rim_ses = [], [], [], [], []
    for start, stop in pairwise(kinks):
        middle = 0.5 * (start + stop)
        if _upper(high, middle, t, cuts) <= _lower(low, middle, t, cuts):
            continue
        s = middle + 0.5 * (stop - start) * nodes
        at, to = _lower(low, s, t, cuts), _upper(high, s, t, cuts)
        b = at[:, None] + 0.5 * (to - at)[:, None] * (1.0 + nodes)
        mass = 0.25 * (stop - start) * weights[:, None] * (to - at)[:, None] * weights
        # Where lines meet almost in one point, rounding may leave a node without any width.
        kept = mass.ravel() > 0.0
        sizes.append(b.ravel()[kept])
        ses.append(np.repeat(s, N_NODES)[kept])
        masses.append(mass.ravel()[kept])
        edge = np.linspace(start, stop, N_RIM)
        ends = np.linspace(0.0, 1.0, N_RIM)
        for s_rim, share in ((edge, 0.0), (edge, 1.0), (start, ends), (stop, ends)):
            bottom, top = _lower(low, s_rim, t, cuts), _upper(high, s_rim, t, cuts)
            rim = bottom + share * (top - bottom)
            rim_sizes.append(np.broadcast_to(rim, N_RIM))
            rim_ses.append(np.broadcast_to(s_rim, N_RIM))
    if not sizes:
        return None
    joined = [np.concatenate(part).astype(float) for part in (sizes, ses, masses, rim_sizes, rim_ses)]
    return joined[0], joined[1], joined[2], joined[3], joined[4]


def _kinks(low: float, high: float, s0: float, s1: float, t: TBounds, cuts: Sequence[Plane]) -> list[float]:
    """Find the standard errors at which two of the lines that bound the sizes meet."""
    found = []
    for size in (low, high):
        for limit in (t.low, t.high):
            if 0.0 < limit < math.inf and s0 < size / limit < s1:
                found.append(size / limit)
    if cuts:
        # As intercept and slope over the standard error.
        lines = [(low, 0.0), (high, 0.0), (0.0, t.low), *((d / a, -c / a) for a, c, d in cuts)]
        lines += [(0.0, t.high)] if math.isfinite(t.high) else []
        for (u, v), (x, y) in combinations(lines, 2):
            if v != y and math.isfinite(u) and math.isfinite(x) and s0 < (x - u) / (v - y) < s1:
                found.append((x - u) / (v - y))
    return found


def _lower(low: float, s: Array | float, t: TBounds, cuts: Sequence[Plane]) -> Array:
    """Smallest size of the estimate at a standard error."""
    at = np.asarray(s, dtype=float)
    result: Array = np.maximum(low, t.low * at)
    for a, c, d in cuts:
        if a < 0.0:
            result = np.maximum(result, (d - c * at) / a)
    return result


def _upper(high: float, s: Array | float, t: TBounds, cuts: Sequence[Plane]) -> Array:
    """Largest size of the estimate at a standard error."""
    at = np.asarray(s, dtype=float)
    reach = at * t.high if math.isfinite(t.high) else math.inf
    result: Array = np.minimum(high, reach) * np.ones(np.shape(s))
    for a, c, d in cuts:
        if a > 0.0:
            result = np.minimum(result, (d - c * at) / a)
    return result
