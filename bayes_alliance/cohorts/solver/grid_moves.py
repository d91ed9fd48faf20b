"""Scores that move in steps of their scale's grid until every number printed of them lies in its interval.

Steps are chosen by the linearised numbers and judged by the numbers themselves every few steps; see
:mod:`bayes_alliance.cohorts.solver.solve`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.cohorts.solver.demands import Evaluator, Problem, State
from bayes_alliance.cohorts.solver.free_moves import find_aims, has_aim
from bayes_alliance.inference.fits import Array

_GRID_ROUNDS = 40
_MOVES = 60
_GRID_INSET = 0.04
_PULL = 0.05
_AIM_ROUNDS = 12
_AIM_MOVES = 24
_SETTLED = 0.97


def to_grid(problem: Problem, y: Array) -> Array:
    """Round scores to the grid of their scale and keep them inside it."""
    rounded = problem.origin + problem.step * np.round((y - problem.origin) / problem.step)
    return np.clip(rounded, problem.lower, problem.upper)


def move_on_grid(problem: Problem, evaluate: Evaluator, start: Array, rng: np.random.Generator) -> Array:
    """Single and paired grid steps that lessen the violation, re-evaluated exactly every few moves."""
    y = best = start
    state = evaluate(y)
    loss = least = _grid_loss(state, state.value)
    most, bend = _MOVES, np.zeros(len(state.value))
    for _ in range(_GRID_ROUNDS):
        if np.all(state.violation(state.value, 0.0) == 0.0):
            break
        trial = _step_greedily(problem, y, state, most, rng, bend)
        moved = evaluate(trial)
        bend = _learn_bend(problem, bend, (y, state), (trial, moved))
        moved_loss = _grid_loss(moved, moved.value)
        if moved_loss < loss:
            y, state, loss = trial, moved, moved_loss
            most = min(2 * most, _MOVES)
            if loss < least:
                best, least = y, loss
        elif most > 1:
            most = max(1, most // 4)
        else:
            y = _shake(problem, y, rng)
            state = evaluate(y)
            loss = _grid_loss(state, state.value)
            most = _MOVES
    return y if loss <= least else best


def aim_on_grid(
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
    bend = np.zeros(len(state.value))
    for _ in range(_AIM_ROUNDS):
        trial = _step_greedily(problem, y, state, most, rng, bend, aims)
        moved = evaluate(trial)
        bend = _learn_bend(problem, bend, (y, state), (trial, moved))
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


def _learn_bend(
    problem: Problem, bend: Array, here: tuple[Array, State], there: tuple[Array, State]
) -> Array:
    """By how much a grid step raises each AIC beyond its derivative: a deviance bends upwards in every score."""
    (y, state), (trial, moved) = here, there
    n_steps = float(np.sum(np.abs(trial - y))) / problem.step
    if n_steps < 0.5:
        return bend
    beyond = moved.value - state.value - state.jacobian @ (trial - y)
    return np.where(state.is_deviance, np.maximum(beyond / n_steps, 0.0), 0.0)


def _grid_loss(state: State, value: Array) -> float:
    violation = state.violation(value, _GRID_INSET)
    return float(violation @ violation)


def _step_greedily(
    problem: Problem,
    y: Array,
    state: State,
    most: int,
    rng: np.random.Generator,
    bend: Array,
    aims: Array | None = None,
) -> Array:
    """Take up to ``most`` grid steps, each the one that lessens the predicted violation (and distance) most."""
    y, value = y.copy(), state.value.copy()
    steps = np.concatenate([state.jacobian, -state.jacobian], axis=1) * problem.step + bend[:, None]
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
    # Sums of steps are not the grid's own numbers to the last bit, and could pass an end of the scale by that bit.
    return to_grid(problem, y)


def _losses(state: State, values: Array, aims: Array | None) -> Array:
    """Squared violation of each column of ``values``, and a little of the distance from the aims."""
    violation = state.violation(values, _GRID_INSET)
    found: Array = np.sum(violation**2, axis=0)
    if aims is not None:
        centre, near = find_aims(state, aims)
        beyond = np.maximum(np.abs(values - centre[:, None]) - near[:, None], 0.0) / state.scale[:, None]
        found = found + _PULL * np.sum(np.where(has_aim(state)[:, None], beyond, 0.0) ** 2, axis=0)
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
    return to_grid(problem, shaken)
