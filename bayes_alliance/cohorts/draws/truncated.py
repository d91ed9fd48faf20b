r"""A draw of a normal vector restricted to a box, for vectors far longer than the number of restrictions.

Only the components that the restrictions see are drawn here; by Gibbs sampling along one direction after another, each
step from its normal law cut to the interval that the restrictions leave (Geweke 1991). Directions are the principal
axes and, since a narrow box stops nearly every step along these, those that change one statistic alone. No restriction
is ever put on its nearest end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayes_alliance.runtime.compiled import compiled

Floats = NDArray[np.float64]
_SWEEPS = 400
_RANK = 1e-9


def draw_in_box(
    now: Floats,
    mean: Floats,
    gradient: Floats,
    low: Floats,
    high: Floats,
    rng: np.random.Generator,
    *,
    sweeps: int = _SWEEPS,
) -> tuple[Floats, Floats]:
    r"""Draw statistics from :math:`N(mean, AA')` restricted to a box.

    Parameters
    ----------
    now : ndarray, shape (m,)
        Values to start from, inside the box.
    mean : ndarray, shape (m,)
        Their mean without the restriction.
    gradient : ndarray, shape (m, N)
        A: derivatives by a standard normal vector.
    low, high : ndarray, shape (m,)
        The box.
    rng : numpy.random.Generator
        Source of randomness.
    sweeps : int
        Gibbs sweeps.

    Returns
    -------
    value : ndarray, shape (m,)
        The draw.
    change : ndarray, shape (N,)
        Shortest change of the vector that leads there, to first order.
    """
    sd = np.linalg.norm(gradient, axis=1)
    seen = sd > 0.0
    scaled = gradient[seen] / sd[seen, None]
    values, vectors = np.linalg.eigh(scaled @ scaled.T)
    keep = values > _RANK * values[-1]
    root = vectors[:, keep] * np.sqrt(values[keep])
    centre = (vectors[:, keep] / np.sqrt(values[keep])).T @ ((mean - now)[seen] / sd[seen])
    start = np.zeros(int(keep.sum()))
    ends = (low - now)[seen] / sd[seen], (high - now)[seen] / sd[seen]
    alone = (vectors[:, keep] / np.sqrt(values[keep])).T
    directions = np.concatenate([np.eye(len(start)), alone / np.linalg.norm(alone, axis=0)], axis=1)
    uniforms = rng.random((sweeps, directions.shape[1]))
    moved = _sweep(start, centre, np.ascontiguousarray(root), directions, *ends, uniforms)
    found = now.copy()
    found[seen] += sd[seen] * (root @ moved)
    weights = (vectors[:, keep] / np.sqrt(values[keep])) @ moved
    return found, scaled.T @ weights


def _sweep(
    start: Floats,
    centre: Floats,
    root: Floats,
    directions: Floats,
    low: Floats,
    high: Floats,
    uniforms: Floats,
) -> Floats:
    """Gibbs sweeps along unit directions, shape (r, n), of a vector with restricted images."""
    point, image = start.copy(), root @ start
    images = np.ascontiguousarray((root @ directions).T)
    for row in uniforms:
        for direction, change, uniform in zip(directions.T, images, row, strict=True):
            now = float(direction @ point)
            least, most = _interval(change, image, now, low, high)
            step = draw_between(float(direction @ centre), least, most, uniform) - now
            image += change * step
            point += direction * step
    return point


@compiled
def _interval(column: Floats, image: Floats, now: float, low: Floats, high: Floats) -> tuple[float, float]:
    """Range that the restrictions leave to the component along a direction."""
    least, most = -np.inf, np.inf
    for i in range(len(column)):
        a = column[i]
        if abs(a) < 1e-12:
            continue
        one, two = (low[i] - image[i]) / a, (high[i] - image[i]) / a
        if a < 0.0:
            one, two = two, one
        least, most = max(least, one), min(most, two)
    # Rounding may put the present value a hair outside.
    return now + min(least, 0.0), now + max(most, 0.0)


def draw_between(centre: float, low: float, high: float, uniform: float) -> float:
    """Quantile of a unit normal at ``centre`` cut to an interval, far tails included."""
    a, b = low - centre, high - centre
    if a > 0.0:
        # Mirrored, so that the tail probabilities are small numbers and not ones.
        return centre - _lower(-b, -a, 1.0 - uniform)
    return centre + _lower(a, b, uniform)


def _lower(a: float, b: float, uniform: float) -> float:
    log_a, log_b = special.log_ndtr(a), special.log_ndtr(b)
    share = (
        np.log(uniform)
        if log_a == -np.inf
        else np.logaddexp(np.log1p(-uniform) + log_a, np.log(uniform) + log_b)
    )
    if log_a == -np.inf:
        share += log_b
    return float(np.clip(special.ndtri_exp(share), a, b))
