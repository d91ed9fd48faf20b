r"""Moving one outcome's scores until every number printed of it is met, on the scale's own grid.

The numbers asked for are smooth functions f of the scores, with known derivatives J
(:mod:`bayes_alliance.reconstruct.sensitivity`). First the scores move freely inside their scale: each step is the
smallest change :math:`\Delta` with :math:`f + J\Delta` inside every interval (a Gauss-Newton step on the violated
ones, with those it would break added). Then they are put on the grid, and single grid steps, chosen by the same
derivatives, mend what the rounding broke. Everything starts from plausible scores and changes them as little as it
can, so what was not printed stays as it was drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.fits import Array
from bayes_alliance.reconstruct.demands import Evaluator, Problem, State

_FREE_STEPS = 60
_AIM_STEPS = 6
_STALL = 0.05
_PATIENCE = 16
_WATCH = 3
_LONGEST = 0.03
_GRID_ROUNDS = 40
_MOVES = 60
_INSET = 0.12
_GRID_INSET = 0.04
_NEAR = 0.08
_PULL = 0.05
_AIM_ROUNDS = 12
_AIM_MOVES = 24
_SETTLED = 0.97


@dataclass(frozen=True, kw_only=True)
class Solution:
    """Scores and what they miss.

    Parameters
    ----------
    y : ndarray, shape (n,)
        On the grid.
    missed : tuple of str
        What is asked and not met, with the value reached.
    n_moved : int
        Scores that are no longer the rounded start.
    rounds : int
        Evaluations spent.
    """

    y: Array
    missed: tuple[str, ...]
    n_moved: int
    rounds: int


def solve_scores(problem: Problem, start: Array, rng: np.random.Generator) -> Solution:
    """Move scores until everything asked is met.

    Parameters
    ----------
    problem : Problem
        What is asked.
    start : ndarray, shape (n,)
        Plausible scores, on the grid or not.
    rng : numpy.random.Generator
        Where within its interval each printed number is aimed at, so that cohorts differ in it.

    Returns
    -------
    Solution
        The best that was found; ``missed`` is empty where all is met.
    """
    evaluate = Evaluator(problem)
    free, aims = _move_freely(problem, evaluate, np.clip(start, problem.lower, problem.upper), rng)
    first = _to_grid(problem, free)
    y = _aim_on_grid(problem, evaluate, _move_on_grid(problem, evaluate, first, rng), aims, rng)
    state = evaluate(y)
    miss = np.flatnonzero(state.violation(state.value, 0.0))
    missed = tuple(
        f"{state.label[i]} is {state.value[i]:.4g}, asked {state.low[i]:.4g} to {state.high[i]:.4g}"
        for i in miss
    )
    moved = int(np.sum(np.abs(y - _to_grid(problem, start)) > 1e-9))
    return Solution(y=y, missed=missed, n_moved=moved, rounds=evaluate.count)


def choose_start(problem: Problem, starts: Sequence[Array]) -> Array:
    """Choose the start from which least is missing, large and small misses counted by their logarithm.

    Parameters
    ----------
    problem : Problem
        What is asked.
    starts : sequence of ndarray, shape (n,)
        Plausible scores.

    Returns
    -------
    ndarray, shape (n,)
    """
    evaluate = Evaluator(problem)
    losses = []
    for start in starts:
        state = evaluate(np.clip(start, problem.lower, problem.upper))
        losses.append(float(np.sum(np.log1p(state.violation(state.value, _INSET) ** 2))))
    return starts[int(np.argmin(losses))]


def _to_grid(problem: Problem, y: Array) -> Array:
    rounded = problem.origin + problem.step * np.round((y - problem.origin) / problem.step)
    return np.clip(rounded, problem.lower, problem.upper)


def _move_freely(
    problem: Problem, evaluate: Evaluator, start: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Damped smallest steps into the intervals, then a few towards a random place within each, which is returned.

    Many intervals hold with equality, and the numbers bend, so a step that mends one often breaks others a
    little, which the next step mends: up to ``_WATCH`` steps may be worse than the best before the search returns
    there with more damping (the watchdog technique of Chamberlain et al. 1982, doi:10.1007/BFb0120945).
    """
    here, damping, strayed = _Point(start, evaluate(start)), 1e-3, 0
    best = here
    losses = [best.loss]
    for _ in range(_FREE_STEPS):
        stalled = len(losses) > _PATIENCE and best.loss > 0.9 * losses[-_PATIENCE]
        if best.loss == 0.0 or stalled or damping > 1e6:
            break
        here = _step(problem, evaluate, here, None, damping)
        if here.loss < best.loss:
            settled = best.loss - here.loss < _STALL * best.loss and here.is_met
            best, damping, strayed = here, max(damping / 4.0, 1e-6), 0
            if settled:
                break
        else:
            strayed += 1
            if strayed > _WATCH or here.loss > 1e3 * best.loss:
                here, damping, strayed = best, 8.0 * damping, 0
        losses.append(best.loss)
    aims = rng.uniform(0.05, 0.95, len(best.state.value))
    for _ in range(_AIM_STEPS):
        here = _step(problem, evaluate, best, aims, 1e-2)
        if here.loss > 1.05 * best.loss + 1e-9:
            break
        best = here
    return best.y, aims


@dataclass(frozen=True)
class _Point:
    """Scores and the numbers there."""

    y: Array
    state: State

    @property
    def loss(self) -> float:
        """Squared violation, AIC in coarser units."""
        violation = self.state.violation(self.state.value, _INSET) * self.state.ease
        return float(violation @ violation)

    @property
    def is_met(self) -> bool:
        """Whether every number lies in its interval."""
        return not np.any(self.state.violation(self.state.value, 0.0))


def _step(problem: Problem, evaluate: Evaluator, point: _Point, aims: Array | None, damping: float) -> _Point:
    move = _least_move(problem, point.y, point.state, *_bounds(point.state, aims), damping)
    # Far from the intervals the numbers bend too much for a whole step to be worth its way.
    longest = _LONGEST * float(np.mean(problem.upper - problem.lower))
    move = move * min(1.0, longest / max(float(np.sqrt(np.mean(move**2))), 1e-12))
    y = np.clip(point.y + move, problem.lower, problem.upper)
    return _Point(y, evaluate(y))


def _bounds(state: State, aims: Array | None) -> tuple[Array, Array]:
    """Intervals drawn in, or narrowed around an aim where both ends are finite."""
    width = state.high - state.low
    finite = np.isfinite(width)
    margin = _INSET * np.where(finite, np.minimum(width, 2.0 * state.scale), state.scale)
    low, high = state.low + margin, state.high - margin
    if aims is not None:
        narrow = _has_aim(state)
        centre, near = _aimed(state, aims)
        low = np.where(narrow, centre - near, low)
        high = np.where(narrow, centre + near, high)
    return low, np.maximum(high, low)


def _has_aim(state: State) -> NDArray[np.bool_]:
    """Numbers whose interval is that of a rounding: both ends finite, and no wider than its scale says."""
    width = state.high - state.low
    found: NDArray[np.bool_] = np.isfinite(width) & (width < 4.0 * state.scale)
    return found


def _aimed(state: State, aims: Array) -> tuple[Array, Array]:
    """Where within its interval each number is aimed at, and how near is near enough."""
    width = np.where(_has_aim(state), state.high - state.low, 0.0)
    return state.low + aims * width, _NEAR * width


def _least_move(problem: Problem, y: Array, state: State, low: Array, high: Array, damping: float) -> Array:
    """Smallest change of the scores that brings the linearised values into their intervals.

    Scores at an end of their scale that would leave it are held; values that a step would push out of their
    interval join those it mends.
    """
    scale = state.scale / state.ease
    jacobian = state.jacobian / scale[:, None]
    value, low, high = state.value / scale, low / scale, high / scale
    held = np.zeros(len(y), dtype=bool)
    active = (value < low) | (value > high)
    goal = np.clip(value, low, high)
    move = np.zeros(len(y))
    for _ in range(8):
        if not active.any():
            break
        part = np.where(held, 0.0, jacobian[active])
        gap = (goal - value)[active]
        gram = part @ part.T
        if not np.trace(gram) > 0.0:
            # Nothing that is violated can be moved from here: a fit at its boundary has no derivative.
            break
        gram += damping * np.trace(gram) / len(gram) * np.eye(len(gram))
        move = part.T @ np.linalg.solve(gram, gap)
        beyond = (y + move < problem.lower - 1e-9) | (y + move > problem.upper + 1e-9)
        newly_held = beyond & ~held
        reached = value + jacobian @ np.clip(y + move, problem.lower, problem.upper) - jacobian @ y
        broken = ((reached < low - 1e-9) | (reached > high + 1e-9)) & ~active
        if not newly_held.any() and not broken.any():
            break
        if newly_held.any():
            at_end = (y <= problem.lower + 1e-9) | (y >= problem.upper - 1e-9)
            held |= newly_held & at_end
        goal = np.where(broken, np.clip(reached, low, high), goal)
        active |= broken
    return move


def _move_on_grid(problem: Problem, evaluate: Evaluator, start: Array, rng: np.random.Generator) -> Array:
    """Single and paired grid steps that lessen the violation, re-evaluated exactly every few moves."""
    y = start
    state = evaluate(y)
    loss = _grid_loss(state, state.value)
    most = _MOVES
    for _ in range(_GRID_ROUNDS):
        if np.all(state.violation(state.value, 0.0) == 0.0):
            break
        trial = _step_greedily(problem, y, state, most, rng)
        moved = evaluate(trial)
        moved_loss = _grid_loss(moved, moved.value)
        if moved_loss < loss:
            y, state, loss = trial, moved, moved_loss
            most = min(2 * most, _MOVES)
        elif most > 1:
            most = max(1, most // 4)
        else:
            y = _shake(problem, y, rng)
            state = evaluate(y)
            loss = _grid_loss(state, state.value)
            most = _MOVES
    return y


def _aim_on_grid(
    problem: Problem, evaluate: Evaluator, start: Array, aims: Array, rng: np.random.Generator
) -> Array:
    """Grid steps that bring numbers nearer to their aims while all of them stay in their intervals.

    Without these, cohorts would lie where the search entered the intervals, near the same ends, and would differ
    less than rounding allows.
    """
    y, state = start, evaluate(start)
    if np.any(state.violation(state.value, 0.0)):
        return y
    loss, most = float(_losses(state, state.value[:, None], aims)[0]), _AIM_MOVES
    for _ in range(_AIM_ROUNDS):
        trial = _step_greedily(problem, y, state, most, rng, aims)
        moved = evaluate(trial)
        moved_loss = float(_losses(moved, moved.value[:, None], aims)[0])
        if moved_loss < loss and not np.any(moved.violation(moved.value, 0.0)):
            settled = moved_loss > _SETTLED * loss
            y, state, loss = trial, moved, moved_loss
            if settled:
                break
        elif most > 1:
            most = max(1, most // 3)
        else:
            break
    return y


def _grid_loss(state: State, value: Array) -> float:
    violation = state.violation(value, _GRID_INSET)
    return float(violation @ violation)


def _step_greedily(
    problem: Problem,
    y: Array,
    state: State,
    most: int,
    rng: np.random.Generator,
    aims: Array | None = None,
) -> Array:
    """Take up to ``most`` grid steps, each the one that lessens the linearised violation (and distance) most."""
    y, value = y.copy(), state.value.copy()
    steps = np.concatenate([state.jacobian, -state.jacobian], axis=1) * problem.step
    n = len(y)
    loss = float(_losses(state, value[:, None], aims)[0])
    for _ in range(most):
        if loss == 0.0:
            break
        allowed = np.concatenate(
            [y + problem.step <= problem.upper + 1e-9, y - problem.step >= problem.lower - 1e-9]
        )
        pool = np.flatnonzero(allowed)
        losses = _losses(state, value[:, None] + steps[:, pool], aims)
        best = int(np.argmin(losses))
        chosen = [int(pool[best])]
        reached = float(losses[best])
        if reached >= loss * (1.0 - 1e-9):
            chosen, reached = _best_pair(state, value, steps, pool, losses, n, aims)
            if reached >= loss * (1.0 - 1e-9):
                break
        for index in chosen:
            y[index % n] += problem.step if index < n else -problem.step
            value = value + steps[:, index]
        loss = reached
    return y


def _losses(state: State, values: Array, aims: Array | None) -> Array:
    """Squared violation of each column of ``values``, and a little of the distance from the aims."""
    violation = state.violation(values, _GRID_INSET)
    found: Array = np.sum(violation**2, axis=0)
    if aims is not None:
        centre, near = _aimed(state, aims)
        beyond = np.maximum(np.abs(values - centre[:, None]) - near[:, None], 0.0) / state.scale[:, None]
        found = found + _PULL * np.sum(np.where(_has_aim(state)[:, None], beyond, 0.0) ** 2, axis=0)
    return found


def _best_pair(
    state: State,
    value: Array,
    steps: Array,
    pool: NDArray[np.int64],
    losses: Array,
    n: int,
    aims: Array | None,
) -> tuple[list[int], float]:
    """Find the best of many pairs of steps: each of the most promising ones with every other."""
    best: tuple[list[int], float] = ([], np.inf)
    for first in pool[np.argsort(losses)[:40]]:
        second = pool[pool % n != first % n]
        both = _losses(state, (value + steps[:, first])[:, None] + steps[:, second], aims)
        at = int(np.argmin(both))
        if both[at] < best[1]:
            best = ([int(first), int(second[at])], float(both[at]))
    return best


def _shake(problem: Problem, y: Array, rng: np.random.Generator) -> Array:
    """Move a few scores by one grid step at random, out of a dead end."""
    chosen = rng.choice(len(y), size=min(6, len(y)), replace=False)
    shaken = y.copy()
    shaken[chosen] += problem.step * rng.choice([-1.0, 1.0], size=len(chosen))
    return np.clip(shaken, problem.lower, problem.upper)
