r"""Are ranks uniform? The empirical distribution of probability integral transforms with simultaneous bands.

At each of K points :math:`z` the number of n transforms at or below it is Binomial(n, z) if they are uniform. A band of
pointwise level :math:`1-\gamma` holds at all points together with probability 95 % for one :math:`\gamma`, which is
found by simulation (Säilynoja, Bürkner & Vehtari 2022, doi:10.1007/s11222-022-10090-6). The smallest tail probability
over the points, compared with its distribution under uniformity, gives a p value for the whole curve.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from bayes_alliance.inference.fits import Array

LEVEL = 0.95
SIMULATIONS = 10_000
_SEED = 20220307  # of the distribution under uniformity, which is a constant like a table of quantiles


@dataclass(frozen=True, kw_only=True)
class EcdfBand:
    """Empirical distribution function of transforms with its simultaneous band.

    Parameters
    ----------
    points : ndarray, shape (K,)
        In (0, 1).
    ecdf, lower, upper : ndarray, shape (K,)
        The function and the ends of the band of 95 % for all points together.
    p : float
        How often uniform transforms stray as far or farther.
    """

    points: Array
    ecdf: Array
    lower: Array
    upper: Array
    p: float

    @property
    def inside(self) -> bool:
        """Whether the function is within the band at every point."""
        return bool(np.all((self.ecdf >= self.lower) & (self.ecdf <= self.upper)))


def ecdf_band(transforms: Array) -> EcdfBand:
    """Compare transforms with the uniform distribution.

    Parameters
    ----------
    transforms : ndarray, shape (n,)
        Each in [0, 1].

    Returns
    -------
    EcdfBand
        At as many points as there are transforms, 100 at most.

    Raises
    ------
    ValueError
        With fewer than two transforms.
    """
    n = len(transforms)
    if n < 2:
        raise ValueError(f"{n} transforms make no distribution; at least 2 are needed")
    points = _points(n)
    counts = np.searchsorted(np.sort(transforms), points, side="right")
    tail = _tails(n)[np.arange(len(points)), counts].min()
    under_uniformity = _smallest_tails(n)
    gamma = float(np.quantile(under_uniformity, 1.0 - LEVEL))
    allowed = _tails(n) >= gamma
    return EcdfBand(
        points=points,
        ecdf=counts / n,
        lower=np.argmax(allowed, axis=1) / n,
        upper=(n - np.argmax(allowed[:, ::-1], axis=1)) / n,
        p=float(np.mean(under_uniformity <= tail)),
    )


def _points(n: int) -> Array:
    count = min(n, 100)
    return np.arange(1, count) / count if count > 2 else np.array([0.5])


@functools.lru_cache(maxsize=32)
def _tails(n: int) -> Array:
    """Smaller tail probability of each count at each point, shape (K, n + 1)."""
    counts, points = np.arange(n + 1), _points(n)[:, None]
    lower = special.bdtr(counts, n, points)
    upper = np.concatenate([np.ones_like(points), special.bdtrc(counts[:-1], n, points)], axis=1)
    tails: Array = np.minimum(lower, upper)
    tails.flags.writeable = False
    return tails


@functools.lru_cache(maxsize=32)
def _smallest_tails(n: int) -> Array:
    """Smallest tail probability over the points of each of many samples of n uniform numbers."""
    rng = np.random.default_rng(_SEED)
    points, tails = _points(n), _tails(n)
    cells = np.diff(points, prepend=0.0, append=1.0)
    found = np.empty(SIMULATIONS)
    for block in range(0, SIMULATIONS, 500):
        counts = np.cumsum(rng.multinomial(n, cells, 500), axis=1)[:, :-1]
        found[block : block + 500] = tails[np.arange(len(points)), counts].min(axis=1)
    found.flags.writeable = False
    return found


def holm(p_values: Array) -> Array:
    """Adjust p values for looking at several (Holm 1979, jstor.org/stable/4615733)."""
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    stepped = np.asarray(p_values)[order] * np.arange(len(p_values), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def central_coverage(transforms: Array, level: float) -> tuple[float, float]:
    """Return how often the central interval of a level holds the truth, and the Monte-Carlo error of that.

    Returns
    -------
    coverage, error : float
        The error is that of a proportion at its nominal value, so it is never zero.
    """
    tail = (1.0 - level) / 2.0
    inside = (transforms >= tail) & (transforms <= 1.0 - tail)
    return float(np.mean(inside)), float(np.sqrt(level * (1.0 - level) / len(transforms)))


def ecdf_difference(pit: Array, grid: Array) -> Array:
    """Empirical distribution function of PIT values minus that of a uniform, on a grid.

    Parameters
    ----------
    pit : ndarray, shape (n,)
        In [0, 1].
    grid : ndarray, shape (m,)
        Where to evaluate.

    Returns
    -------
    ndarray, shape (m,)
    """
    return np.searchsorted(np.sort(pit), grid, side="right") / len(pit) - grid


def simultaneous_band(n: int, level: float = 0.95) -> float:
    r"""Half-width of a simultaneous band for the ECDF of n independent uniform values.

    Dvoretzky-Kiefer-Wolfowitz with Massart's constant: :math:`\sqrt{\log(2 / (1 - level)) / 2n}` (Massart
    1990, doi:10.1214/aop/1176990746). Holds at every point at once, whatever the n; slightly too wide.

    Examples
    --------
    >>> round(simultaneous_band(200), 4)
    0.096
    """
    return math.sqrt(math.log(2.0 / (1.0 - level)) / (2.0 * n))
