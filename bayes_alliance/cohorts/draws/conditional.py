"""One draw of the scores given covariances, design and everything printed.

1. Scores are drawn from the model, coefficients included, and moved by shortest steps until everything printed holds
   (:mod:`bayes_alliance.cohorts.draws.start`).
2. The values of all printed statistics are drawn anew from their sampling distribution under the model, restricted
to what
   is printed (:mod:`bayes_alliance.cohorts.draws.truncated`): its mean from free draws of the model, its covariance
   from the derivatives.
3. The scores follow by shortest steps once more. For linear statistics 1 to 3 is an exact draw.
4. They are put on the grid of their scale by shortest steps that make up for the rounding, and single grid steps mend
   what is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayes_alliance.cohorts.draws.growth import Floats, Whitening
from bayes_alliance.cohorts.draws.moves import Statistics
from bayes_alliance.cohorts.draws.start import find_start
from bayes_alliance.cohorts.draws.statistics import CohortStatistics, outside
from bayes_alliance.cohorts.draws.truncated import draw_in_box
from bayes_alliance.cohorts.solver.grid_moves import move_on_grid, to_grid

_FREE_DRAWS = 8
_NEAR = 0.1
_ROUNDINGS = 4
# What rounding to the grid moves a statistic by, in its SDs: nothing finer is asked before it.
SLACK = 0.05


@dataclass(frozen=True, kw_only=True)
class ConditionalDraw:
    """Scores that meet what is printed.

    Parameters
    ----------
    white : ndarray
        White vector of the latent scores.
    latent : ndarray, shape (n,)
        Latent scores.
    missed : tuple of str
        What is not met.
    free_mean : ndarray, shape (m,)
        Mean of the printed statistics in free draws of the model.
    """

    white: Floats
    latent: Floats
    missed: tuple[str, ...]
    free_mean: Floats


class _Narrowed:
    """Statistics with other intervals."""

    def __init__(self, statistics: Statistics, low: Floats, high: Floats) -> None:
        self.statistics, self.low, self.high = statistics, low, high

    def value(self, white: Floats) -> Floats:
        return self.statistics.value(white)

    def differentiate(self, white: Floats) -> tuple[Floats, Floats]:
        return self.statistics.differentiate(white)


def draw_given_print(
    statistics: CohortStatistics, whitening: Whitening, rng: np.random.Generator, start: Floats | None = None
) -> ConditionalDraw:
    """Draw scores given everything printed; ``start`` is a white vector to begin from, else a draw of the model."""
    size = whitening.n_coefficients + len(whitening.layout.patient)
    mean = _free_mean(statistics, size, rng)
    white = rng.standard_normal(size) if start is None else start
    white, miss = find_start(statistics, white, rng, slack=SLACK)
    if not np.any(miss):
        white = _draw_targets(statistics, white, mean, rng)
    value, gradient = statistics.differentiate(white)
    eased = 1.5 * SLACK * np.linalg.norm(gradient, axis=1)
    lost = outside(value, statistics.low - eased, statistics.high + eased)
    missed = tuple(statistics.label[i] for i in np.flatnonzero(lost))
    return ConditionalDraw(white=white, latent=whitening.colour(white), missed=missed, free_mean=mean)


def _free_mean(statistics: CohortStatistics, size: int, rng: np.random.Generator) -> Floats:
    """Mean of the statistics without restriction: medians of free draws, since fits at the boundary have outliers."""
    values = np.stack([statistics.value(rng.standard_normal(size)) for _ in range(_FREE_DRAWS)])
    found: Floats = np.nanmedian(values, axis=0)
    return found


def _draw_targets(
    statistics: CohortStatistics, white: Floats, mean: Floats, rng: np.random.Generator
) -> Floats:
    """Draw new values of the statistics in their intervals, and move the scores there."""
    value, gradient = statistics.differentiate(white)
    low, high = statistics.low.copy(), statistics.high.copy()
    sd = np.linalg.norm(gradient, axis=1)
    eased = SLACK * sd
    inside = np.clip(value, low - eased, high + eased)
    wanted, change = draw_in_box(inside, mean, gradient, low - eased, high + eased, rng)
    width = np.where(np.isfinite(high - low), high - low, np.inf)
    near = _NEAR * np.minimum(sd, width)
    # Narrow intervals are met as they are; within wide ones the drawn values are met.
    narrow = width < 4.0 * SLACK * sd
    inner_low = np.where(narrow, low, np.maximum(low, wanted - near))
    inner_high = np.where(narrow, high, np.minimum(high, wanted + near))
    narrowed = _Narrowed(statistics, inner_low, inner_high)
    moved, _ = find_start(narrowed, white + change, rng, slack=SLACK)
    reached = statistics.value(moved)
    met = np.all(np.isfinite(reached)) and not np.any(outside(reached, low - 1.5 * eased, high + 1.5 * eased))
    return moved if met else white


def put_on_grid(
    statistics: CohortStatistics, whitening: Whitening, white: Floats, rng: np.random.Generator
) -> tuple[Floats, tuple[str, ...]]:
    """Return recorded scores on the grid, and what is missed there.

    Parameters
    ----------
    white : ndarray
        White vector whose recorded scores meet what is printed.

    Returns
    -------
    recorded : ndarray, shape (n,)
        On the grid.
    missed : tuple of str
        With the value reached.
    """
    best, best_loss = _round(statistics, whitening, white), np.inf
    for _ in range(_ROUNDINGS):
        rounded = _round(statistics, whitening, white)
        value, jacobian = statistics.of_scores(rounded)
        sd = np.linalg.norm(whitening.pull_back(jacobian), axis=1)
        low, high = statistics.low, statistics.high
        beyond = np.maximum(np.maximum(low - value, value - high), 0.0) / np.maximum(sd, 1e-12)
        loss = float(beyond @ beyond)
        if loss < best_loss:
            best, best_loss = rounded, loss
        if loss == 0.0:
            break
        # Aim the unrounded scores past the interval by what rounding has cost.
        recorded = statistics.value(white)
        shifted = _Narrowed(statistics, low - (value - recorded), high - (value - recorded))
        white, _ = find_start(shifted, white, rng, rounds=3, slack=0.2 * SLACK)
    found = best.copy()
    missed: list[str] = []
    for part, evaluate in zip(statistics.parts, statistics.evaluators, strict=True):
        found[part.index] = move_on_grid(part.problem, evaluate, best[part.index], rng)
        state = evaluate(found[part.index])
        for i in np.flatnonzero(outside(state.value, state.low, state.high)):
            asked = f"asked {state.low[i]:.4g} to {state.high[i]:.4g}"
            missed.append(f"{part.problem.outcome}: {state.label[i]} is {state.value[i]:.4g}, {asked}")
    return found, tuple(missed)


def _round(statistics: CohortStatistics, whitening: Whitening, white: Floats) -> Floats:
    recorded, _ = statistics.link.record(whitening.colour(white))
    rounded = recorded.copy()
    for part in statistics.parts:
        rounded[part.index] = to_grid(part.problem, recorded[part.index])
    return rounded
