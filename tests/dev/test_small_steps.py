"""Steps of the chains on small publications: each kind keeps the law that a rejection sampler draws from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from bayes_alliance.cohorts.draws.moves import Outcome, Place, Statistics, place_at
from bayes_alliance.dev import small_steps
from bayes_alliance.dev.small_steps import SmallPivots, choose_small_pivots, redraw_some, turn, walk_free

Floats = NDArray[np.float64]
CHAINS = 300
Step = Callable[[Statistics, SmallPivots, Place, np.random.Generator], Outcome]


class Nearly:
    """Three curved statistics of five numbers; the third is nearly a function of the others, and has most room."""

    low = np.array([3.0, 0.2, -1.0])
    high = np.array([5.0, 1.0, 4.0])

    def value(self, white: Floats) -> Floats:
        """Sum of squares, a bent mean, and nearly the sum of both; also of many vectors, shape (5, n)."""
        size = np.sum(white**2, axis=0)
        bent = white[0] + 0.3 * white[1] ** 2
        return np.array([size, bent, 0.4 * size + bent + 0.3 * white[2]])

    def differentiate(self, white: Floats) -> tuple[Floats, Floats]:
        """Values and derivatives."""
        size = 2.0 * white
        bent = np.array([1.0, 0.6 * white[1], 0.0, 0.0, 0.0])
        rest = 0.4 * size + bent + 0.3 * np.eye(5)[2]
        return self.value(white), np.array([size, bent, rest])


@pytest.fixture(scope="module")
def rejected() -> Floats:
    """Free draws that lie in the box, shape (5, n)."""
    free = np.random.default_rng(1).standard_normal((5, 400_000))
    value = Nearly().value(free)
    low, high = Nearly.low[:, None], Nearly.high[:, None]
    return free[:, np.all((value > low) & (value < high), axis=0)]


def _chains(rejected: Floats, steps: tuple[Step, ...], seed: int, length: int = 6) -> Floats:
    """Ends of chains that start in exact draws: they have the same law if the steps keep it."""
    rng = np.random.default_rng(seed)
    statistics, ends = Nearly(), []
    for white in rejected.T[:CHAINS]:
        _, gradient = statistics.differentiate(rejected[:, -1])
        pivots = choose_small_pivots(gradient, statistics.low, statistics.high)
        now = white
        for k in range(length):
            step = steps[k % len(steps)]
            place = place_at(statistics, pivots.leading if step is walk_free else pivots.following, now)
            assert place is not None
            now = step(statistics, pivots, place, rng).place.white
        ends.append(now)
    return np.array(ends).T


def _p_values(found: Floats, rejected: Floats) -> list[float]:
    """Kolmogorov-Smirnov p values of every statistic, coordinate and distance to the nearest end."""
    mine, exact = Nearly().value(found), Nearly().value(rejected)
    low, high = Nearly.low[:, None], Nearly.high[:, None]
    pairs = [*zip(mine, exact, strict=True), *zip(found, rejected, strict=True)]
    pairs += zip(np.minimum(mine - low, high - mine), np.minimum(exact - low, high - exact), strict=True)
    return [float(stats.ks_2samp(a, b).pvalue) for a, b in pairs]


@pytest.mark.parametrize("steps", [(turn,), (redraw_some,), (walk_free,), (turn, redraw_some, walk_free)])
def test_steps_keep_the_law_of_exact_draws(rejected: Floats, steps: tuple[Step, ...]) -> None:
    """Chains that start in draws of a rejection sampler end in others of the same law, and have moved."""
    ends = _chains(rejected, steps, seed=len(steps))
    assert min(_p_values(ends, rejected[:, CHAINS:])) > 0.05 / 44
    moved = np.linalg.norm(ends - rejected[:, :CHAINS], axis=0) > 1e-6
    assert moved.mean() > 0.8


def test_numbers_put_at_the_nearest_end_are_noticed(
    rejected: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same test fails where pivots are not drawn inside their intervals but put at an end."""

    def put(old: Floats, low: Floats, high: Floats, *_: object, **__: object) -> Floats:
        return np.where(old - low < high - old, low + 1e-3, high - 1e-3)

    monkeypatch.setattr(small_steps, "redraw_pivots", put)
    ends = _chains(rejected, (redraw_some,), seed=9)
    assert min(_p_values(ends, rejected[:, CHAINS:])) < 1e-3


def test_the_number_with_most_room_follows_or_leads() -> None:
    """One set of pivots is without it, the other steers it."""
    _, gradient = Nearly().differentiate(np.array([0.3, 0.5, -1.0, 1.2, 0.4]))
    pivots = choose_small_pivots(gradient, Nearly.low, np.array([5.0, 1.0, 9.0]))
    assert 2 not in pivots.following.index
    assert pivots.leading.index[pivots.free] == 2
