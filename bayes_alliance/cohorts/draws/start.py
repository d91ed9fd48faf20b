"""A first white vector whose statistics all lie in their intervals, from a draw of the model.

Steps are the shortest in the white metric, hence the likeliest under the model. Only the chain's start: the chain
moves on from there by :mod:`bayes_alliance.cohorts.draws.moves`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from bayes_alliance.cohorts.draws.growth import Floats
from bayes_alliance.cohorts.draws.moves import Statistics
from bayes_alliance.cohorts.draws.statistics import outside

_ROUNDS = 20
_ASTRAY = 3.0
_STAGES = (0.3, 0.1, 0.03, 0.01)


@dataclass(frozen=True, kw_only=True)
class _At:
    """A white vector, its statistics, and how far these are outside in their units."""

    white: Floats
    value: Floats
    gradient: Floats
    low: Floats
    high: Floats
    unit: Floats

    @property
    def miss(self) -> Floats:
        """Distance of each statistic from its interval, 0 inside."""
        beyond = np.maximum(np.maximum(self.low - self.value, self.value - self.high), 0.0)
        return np.where(outside(self.value, self.low, self.high), beyond / self.unit, 0.0)

    @property
    def loss(self) -> float:
        """Sum of squared distances; infinite where a fit failed."""
        found = float(self.miss @ self.miss)
        return found if np.isfinite(found) else np.inf


def find_start(
    statistics: Statistics,
    white: Floats,
    rng: np.random.Generator,
    *,
    rounds: int = _ROUNDS,
    slack: float = 0.0,
    patience: int = 0,
    stages: Sequence[float] = _STAGES,
) -> tuple[Floats, Floats]:
    """Move a draw until everything printed holds, or as far as it gets.

    Parameters
    ----------
    statistics : Statistics
        What is printed, and its intervals.
    white : ndarray
        A draw of the model.
    rng : numpy.random.Generator
        How far inside its interval each statistic is brought.
    rounds : int
        Steps at each stage; four times as many at the last.
    slack : float
        How far outside its interval, in its SDs, a statistic may stay: what rounding to the grid will move it anyway.
    patience : int
        How many steps in a row may be worse than the best before the search returns there (a watchdog, Chamberlain
        et al. 1982, doi:10.1007/BFb0120945).
    stages : sequence of float
        Slacks gone through before the last.

    Returns
    -------
    white : ndarray
        The best found.
    miss : ndarray
        How far each statistic is outside, in units of its half-width (0 inside).
    """
    here = _evaluate(statistics, white, slack)
    share = rng.uniform(0.02, 0.2, len(here.value))
    ridge = 10.0
    for stage in (*(stage for stage in stages if stage > 1.5 * slack), slack):
        here = best = _evaluate(statistics, here.white, stage)
        strayed = 0
        for _ in range(rounds if stage > slack else 4 * rounds):
            if best.loss == 0.0:
                break
            there = _evaluate(statistics, here.white + _shortest(here, share, ridge), stage)
            if there.loss < best.loss:
                here = best = there
                ridge, strayed = max(ridge / 3.0, 1e-4), 0
            elif strayed < patience and there.loss < _ASTRAY * best.loss:
                here, strayed = there, strayed + 1
            else:
                here, ridge, strayed = best, 4.0 * ridge, 0
                if ridge > 1e4:
                    break
        here = best
    return here.white, here.miss


def _evaluate(statistics: Statistics, white: Floats, slack: float) -> _At:
    """Evaluate with intervals widened by a share of each statistic's SD."""
    value, gradient = statistics.differentiate(white)
    sd = np.linalg.norm(gradient, axis=1)
    low, high = statistics.low - slack * sd, statistics.high + slack * sd
    half = np.where(np.isfinite(high - low), (high - low) / 2.0, np.inf)
    unit = np.maximum(np.minimum(half, 0.3 * sd), np.maximum(0.02 * sd, 1e-12))
    unit = np.where(sd > 0.0, unit, 1.0)
    return _At(white=white, value=value, gradient=gradient, low=low, high=high, unit=unit)


def _shortest(at: _At, share: Floats, ridge: float) -> Floats:
    """Shortest white step that brings every statistic into its interval, drawn in a little, to first order."""
    width = np.where(np.isfinite(at.high - at.low), at.high - at.low, np.inf)
    inset = share * np.minimum(width, at.unit)
    scaled = at.gradient / at.unit[:, None]
    gram = scaled @ scaled.T
    low = (at.low + inset - at.value) / at.unit
    high = (at.high - inset - at.value) / at.unit
    weights = pull_inside(gram, low, high, ridge)
    step: Floats = scaled.T @ weights
    return step


def pull_inside(gram: Floats, low: Floats, high: Floats, ridge: float) -> Floats:
    r"""Multipliers of the step that trades length against distance from the intervals.

    Minimises :math:`\tfrac12|\Delta|^2 + \tfrac1{2r}\,dist^2(A\Delta, [low, high])` with :math:`\Delta = A'\lambda` and
    :math:`gram = AA'`, as least distance programming by non-negative least squares (Lawson & Hanson 1974, chapter 23).
    """
    values, vectors = np.linalg.eigh(gram + ridge * np.eye(len(gram)))
    values = np.maximum(values, 1e-12 * values[-1])
    root = vectors * np.sqrt(values)
    bounded_low, bounded_high = np.isfinite(low), np.isfinite(high)
    sides = np.concatenate([root[bounded_low], -root[bounded_high]])
    ends = np.concatenate([low[bounded_low], -high[bounded_high]])
    system = np.vstack([sides.T, ends])
    goal = np.zeros(len(system))
    goal[-1] = 1.0
    weights, _ = optimize.nnls(system, goal, maxiter=30 * system.shape[1])
    rest = system @ weights - goal
    found: Floats = (vectors / np.sqrt(values)) @ (-rest[:-1] / min(rest[-1], -1e-12))
    return found
