r"""The pairs (estimate, standard error) that a printed cell may stand for, and quadrature over them.

A cell leaves a rectangle; what is known of the test statistic, :math:`t_{low} \le |b|/s \le t_{high}`, cuts a
wedge out of it. What remains on either side of zero is a convex polygon, so Gauss-Legendre quadrature between
its kinks integrates smooth functions over it to machine precision, and the extremes of a function that rises
or falls with the estimate lie on its rim.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bayes_alliance.inference.fits import Array
from bayes_alliance.published.stars import TBounds

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
    """

    estimate: Array
    se: Array
    weight: Array
    rim_estimate: Array
    rim_se: Array
    area: float
    bounds: tuple[tuple[float, float], tuple[float, float], TBounds]

    @property
    def t_range(self) -> tuple[float, float]:
        """Smallest and largest size of the test statistic."""
        t = np.abs(self.rim_estimate / self.rim_se)
        return float(t.min()), float(t.max())

    def share_beyond(self, size: float) -> float:
        """Share of the region in which the test statistic is larger than a value, exactly."""
        estimate, se, t = self.bounds
        part = build_region(estimate, se, TBounds(low=max(t.low, size), high=t.high))
        return 0.0 if part is None else min(1.0, part.area / self.area)


def build_region(
    estimate: tuple[float, float], se: tuple[float, float], t: TBounds | None = None
) -> Region | None:
    """Build the region of a cell.

    Parameters
    ----------
    estimate, se : (float, float)
        Ends of the intervals; an infinite estimate is bounded by ``t.high``.
    t : TBounds, optional
        What is known of ``|estimate / se|``.

    Returns
    -------
    Region or None
        None where no pair is left.

    Raises
    ------
    ValueError
        If the region is unbounded.
    """
    bounds = t or TBounds()
    s0, s1 = max(se[0], 1e-9 * se[1]), se[1]
    reach = bounds.high * s1
    b0, b1 = max(estimate[0], -reach), min(estimate[1], reach)
    if not (math.isfinite(b0) and math.isfinite(b1) and math.isfinite(s1)):
        raise ValueError("neither the cell nor its stars bound the estimate")
    parts = []
    for sign, low, high in ((1.0, max(b0, 0.0), b1), (-1.0, max(-b1, 0.0), -b0)):
        if high > low and s1 > s0:
            part = _half(low, high, s0, s1, bounds)
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
    )


def _half(
    low: float, high: float, s0: float, s1: float, t: TBounds
) -> tuple[Array, Array, Array, Array, Array] | None:
    """Nodes, weights and rim of the part on one side of zero, in sizes."""
    kinks = [s0, s1]
    for size in (low, high):
        for limit in (t.low, t.high):
            if 0.0 < limit < math.inf and s0 < size / limit < s1:
                kinks.append(size / limit)
    kinks = sorted(set(kinks))
    nodes, weights = np.polynomial.legendre.leggauss(N_NODES)
    sizes, ses, masses, rim_sizes, rim_ses = [], [], [], [], []
    for start, stop in pairwise(kinks):
        middle = 0.5 * (start + stop)
        if _upper(high, middle, t) <= _lower(low, middle, t):
            continue
        s = middle + 0.5 * (stop - start) * nodes
        at, to = _lower(low, s, t), _upper(high, s, t)
        b = at[:, None] + 0.5 * (to - at)[:, None] * (1.0 + nodes)
        mass = 0.25 * (stop - start) * weights[:, None] * (to - at)[:, None] * weights
        sizes.append(b.ravel())
        ses.append(np.repeat(s, N_NODES))
        masses.append(mass.ravel())
        edge = np.linspace(start, stop, N_RIM)
        ends = np.linspace(0.0, 1.0, N_RIM)
        for s_rim, share in ((edge, 0.0), (edge, 1.0), (start, ends), (stop, ends)):
            bottom, top = _lower(low, s_rim, t), _upper(high, s_rim, t)
            rim = bottom + share * (top - bottom)
            rim_sizes.append(np.broadcast_to(rim, N_RIM))
            rim_ses.append(np.broadcast_to(s_rim, N_RIM))
    if not sizes:
        return None
    joined = [np.concatenate(part).astype(float) for part in (sizes, ses, masses, rim_sizes, rim_ses)]
    return joined[0], joined[1], joined[2], joined[3], joined[4]


def _lower(low: float, s: Array | float, t: TBounds) -> Array:
    """Smallest size of the estimate at a standard error."""
    result: Array = np.maximum(low, t.low * np.asarray(s, dtype=float))
    return result


def _upper(high: float, s: Array | float, t: TBounds) -> Array:
    """Largest size of the estimate at a standard error."""
    reach = np.asarray(s, dtype=float) * t.high if math.isfinite(t.high) else math.inf
    result: Array = np.minimum(high, reach) * np.ones(np.shape(s))
    return result
