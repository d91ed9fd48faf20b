r"""One Metropolis step among all white vectors whose printed statistics lie in their intervals.

The target is the standard normal law of a white vector z restricted to :math:`T(z) \in B`, a box. Some components of T,
the *pivots*, are locally independent; with their derivatives :math:`A` (r, N) at z and :math:`G = AA'`, a step is

1. a tangent: :math:`u' = \cos\varphi\, P_z z + \sin\varphi\, P_z \xi`, with :math:`P_z = I - A'G^{-1}A` and
standard normal
   :math:`\xi`;
2. new values of the pivots: from the old ones by a symmetric random walk reflected at the ends of the box;
3. a way back: Newton steps along :math:`A'` from u' until the pivots have their new values;
4. refusal if any other statistic has left its interval;
5. refusal if the same steps from the new place would not find the old one;
6. acceptance by the density of z and the change of volume,

   .. math:: \log\alpha = \tfrac12(|z|^2 - |z'|^2) + \frac{|P_z(z' - \cos\varphi\, z)|^2
             - |P_{z'}(z - \cos\varphi\, z')|^2}{2\sin^2\varphi} + \tfrac12\log\frac{|G|}{|G'|}.

The last term is the correction for the curvature of T (Zappa, Holmes-Cerfon & Goodman 2018, doi:10.1002/cpa.21783, for
equality constraints; here the values of the pivots move too, so that the box has its full volume). For linear T the
step is exact without it. Statistics are never put on the nearest end of an interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_NEWTON = 12
_TOLERANCE = 1e-4
_TIGHT = 0.5
_SAME = 1e-2


class Statistics(Protocol):
    """Printed statistics as functions of a white vector."""

    @property
    def low(self) -> Floats:
        """Lower ends of the intervals."""
        ...

    @property
    def high(self) -> Floats:
        """Upper ends of the intervals."""
        ...

    def value(self, white: Floats) -> Floats:
        """Values, shape (m,); NaN where a fit fails."""
        ...

    def differentiate(self, white: Floats) -> tuple[Floats, Floats]:
        """Values, shape (m,), and derivatives, shape (m, N)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Place:
    """A white vector with what a step from it needs."""

    white: Floats
    value: Floats
    gradient: Floats
    root: Floats

    @property
    def log_volume(self) -> float:
        """Half the log determinant of G."""
        return float(np.sum(np.log(np.diagonal(self.root))))

    def along(self, vector: Floats) -> Floats:
        """Part of a vector in the span of the gradients."""
        return self.lift(self.gradient @ vector)

    def lift(self, change: Floats) -> Floats:
        """Shortest white vector that changes the pivots so, to first order."""
        found: Floats = self.gradient.T @ linalg.cho_solve((self.root, True), change)
        return found

    def tangent(self, vector: Floats) -> Floats:
        """Part of a vector that leaves the pivots as they are, to first order."""
        return vector - self.along(vector)

    def reorder(self, order: Ints) -> Place:
        """Return the same place with the entries of white vectors in another order."""
        return replace(self, white=self.white[order], gradient=self.gradient[:, order])


@dataclass(frozen=True)
class Reordered:
    """Statistics of white vectors whose entries come in another order: entry k is entry ``order[k]`` of the old one."""

    statistics: Statistics
    order: Ints

    @property
    def low(self) -> Floats:
        """Lower ends of the intervals."""
        return self.statistics.low

    @property
    def high(self) -> Floats:
        """Upper ends of the intervals."""
        return self.statistics.high

    def value(self, white: Floats) -> Floats:
        """Values of a reordered white vector."""
        old = np.empty_like(white)
        old[self.order] = white
        return self.statistics.value(old)

    def differentiate(self, white: Floats) -> tuple[Floats, Floats]:
        """Values and derivatives of a reordered white vector."""
        old = np.empty_like(white)
        old[self.order] = white
        value, gradient = self.statistics.differentiate(old)
        return value, gradient[:, self.order]


@dataclass(frozen=True, kw_only=True)
class Pivots:
    """Which statistics are steered, and how far each may move in a step.

    Parameters
    ----------
    index : ndarray of int, shape (r,)
        Among the statistics.
    reach : ndarray, shape (r,)
        SD of a statistic given all other pivots, under the model alone.
    """

    index: Ints
    reach: Floats


def choose_pivots(
    gradient: Floats, low: Floats, high: Floats, *, least: float = 0.02, most: float = np.inf
) -> Pivots:
    """Choose locally independent statistics, those with the narrowest intervals (in SDs) first.

    Parameters
    ----------
    gradient : ndarray, shape (m, N)
        Derivatives by the white vector.
    low, high : ndarray, shape (m,)
        Intervals.
    least : float
        A statistic is left out where less than this share of its SD is not explained by those chosen before it.
    most : float
        One whose interval is wider than its SD is left out, too, where it is wider than this many SDs of what is not
        explained: it stays inside by itself often enough. Numbers in narrow intervals bend out of them.
    """
    sd = np.linalg.norm(gradient, axis=1)
    width = np.where(np.isfinite(high - low), high - low, np.inf) / np.maximum(sd, 1e-300)
    basis = np.zeros((0, gradient.shape[1]))
    chosen: list[int] = []
    for index in np.argsort(width, kind="stable"):
        if not sd[index] > 0.0:
            continue
        unit = gradient[index] / sd[index]
        left = unit - basis.T @ (basis @ unit)
        left -= basis.T @ (basis @ left)
        size = float(np.linalg.norm(left))
        if size > least and (width[index] < 1.0 or width[index] < most * size):
            basis = np.vstack([basis, left / size])
            chosen.append(int(index))
    index = np.array(chosen, dtype=np.int64)
    gram = gradient[index] @ gradient[index].T
    return Pivots(index=index, reach=1.0 / np.sqrt(np.diagonal(np.linalg.inv(gram))))


def place_at(statistics: Statistics, pivots: Pivots, white: Floats) -> Place | None:
    """Evaluate a white vector; None where a fit fails or the pivots are dependent there."""
    value, gradient = statistics.differentiate(white)
    mine = gradient[pivots.index]
    if not (np.all(np.isfinite(value)) and np.all(np.isfinite(mine))):
        return None
    try:
        root = linalg.cholesky(mine @ mine.T, lower=True)
    except linalg.LinAlgError:
        return None
    return Place(white=white, value=value, gradient=mine, root=root)


Redraw = Callable[[Floats, Floats, Floats, Floats, np.random.Generator], Floats]


def redraw_pivots(
    value: Floats, low: Floats, high: Floats, reach: Floats, rng: np.random.Generator, *, moved: float = 8.0
) -> Floats:
    """Draw new values of the pivots: uniform where the interval is narrow, elsewhere a reflected walk of some."""
    width, narrow = high - low, is_narrow(low, high, reach)
    found = value.copy()
    found[narrow] = rng.uniform(low[narrow], high[narrow])
    wide = np.flatnonzero(~narrow)
    some = wide[rng.random(len(wide)) < moved / max(len(wide), 1)]
    step = np.minimum(reach[some], np.where(np.isfinite(width[some]), width[some], np.inf))
    found[some] = reflect(value[some] + step * rng.standard_normal(len(some)), low[some], high[some])
    return found


def is_narrow(low: Floats, high: Floats, reach: Floats) -> NDArray[np.bool_]:
    """Mark the pivots whose intervals are narrow for their SD given the others."""
    found: NDArray[np.bool_] = high - low < _TIGHT * reach
    return found


def reflect(value: Floats, low: Floats, high: Floats) -> Floats:
    """Reflect at the ends of an interval, either of which may be infinite."""
    found = value.copy()
    for _ in range(20):
        found = np.where(found < low, 2.0 * low - found, found)
        found = np.where(found > high, 2.0 * high - found, found)
        if np.all((found >= low) & (found <= high)):
            break
    return np.clip(found, low, high)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Where a step led, and why."""

    place: Place
    accepted: bool
    reason: str
    log_ratio: float = float("nan")


def take_step(
    statistics: Statistics,
    pivots: Pivots,
    place: Place,
    rng: np.random.Generator,
    *,
    angle: float,
    moved: float = 8.0,
    redraw: Redraw | None = None,
    onto: Statistics | None = None,
) -> Outcome:
    """Take one Metropolis step; ``redraw`` replaces the walk of the pivots (tests of deliberate faults use it).

    ``onto`` gives the same statistics of another design, proposed symmetrically; the step leads there, and its volume
    and density are those of either side. White vectors of both have the same length, and equal entries mean the same.
    """
    index = pivots.index
    goal = statistics if onto is None else onto
    low, high = statistics.low[index], statistics.high[index]
    old = place.value[index]
    if redraw is None:
        wanted = redraw_pivots(old, low, high, pivots.reach, rng, moved=moved)
    else:
        wanted = redraw(old, low, high, pivots.reach, rng)
    cos, sin = np.cos(angle), np.sin(angle)
    noise = rng.standard_normal(len(place.white))
    rotated = place.tangent(cos * place.white + sin * noise)
    white = rotated + place.lift(wanted - old + place.gradient @ place.white)
    reached = lead_back(goal, pivots, place, white, wanted)
    if reached is None:
        return Outcome(place=place, accepted=False, reason="no way back")
    new = place_at(goal, pivots, reached)
    if new is None:
        return Outcome(place=place, accepted=False, reason="fit")
    if np.any(new.value < goal.low - 1e-9) or np.any(new.value > goal.high + 1e-9):
        return Outcome(place=place, accepted=False, reason="outside")
    if not _leads_back(statistics, pivots, place, new):
        return Outcome(place=place, accepted=False, reason="no way to and fro")
    log_ratio = _log_ratio(place, new, cos, sin)
    if np.log(rng.random()) < log_ratio:
        return Outcome(place=new, accepted=True, reason="", log_ratio=log_ratio)
    return Outcome(place=place, accepted=False, reason="ratio", log_ratio=log_ratio)


def _log_ratio(place: Place, new: Place, cos: float, sin: float) -> float:
    """Return the log of the Metropolis ratio of a rotation by the angle with this cosine and sine."""
    there = place.tangent(new.white - cos * place.white)
    back = new.tangent(place.white - cos * new.white)
    log_ratio = 0.5 * float(place.white @ place.white - new.white @ new.white)
    log_ratio += float(there @ there - back @ back) / (2.0 * sin**2)
    return log_ratio + (place.log_volume - new.log_volume)


def _leads_back(statistics: Statistics, pivots: Pivots, place: Place, new: Place) -> bool:
    """Whether the same Newton steps from the new place would find the old one, as reversibility asks."""
    old = place.value[pivots.index]
    start = new.tangent(place.white) + new.lift(old - new.value[pivots.index] + new.gradient @ new.white)
    found = lead_back(statistics, pivots, new, start, old)
    return found is not None and float(np.linalg.norm(found - place.white)) < _SAME


def lead_back(
    statistics: Statistics, pivots: Pivots, place: Place, white: Floats, wanted: Floats
) -> Floats | None:
    """Go along the gradients of the start until the pivots have the values that are wanted.

    Newton steps with the derivatives of the start, which Broyden's updates keep current (1965,
    doi:10.1090/S0025-5718-1965-0198670-6): where the pivots bend, they save half of the evaluations.
    """
    width = statistics.high[pivots.index] - statistics.low[pivots.index]
    scale = np.minimum(pivots.reach, np.where(np.isfinite(width), width, np.inf))
    last = np.inf
    slopes = np.eye(len(scale))
    before, taken = np.zeros(len(scale)), np.zeros(len(scale))
    for _ in range(_NEWTON):
        gap = (wanted - statistics.value(white)[pivots.index]) / scale
        size = float(np.max(np.abs(gap)))
        if not np.isfinite(size) or size > 4.0 * last:
            return None
        if size < _TOLERANCE:
            return white
        length = float(taken @ taken)
        if length > 0.0:
            slopes += np.outer(before - gap - slopes @ taken, taken) / length
        try:
            taken, before, last = np.linalg.solve(slopes, gap), gap, size
        except np.linalg.LinAlgError:
            return None
        white = white + place.lift(scale * taken)
    return None
