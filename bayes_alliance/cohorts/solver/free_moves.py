"""Scores that move freely inside their scale until every number printed of them lies in its interval.

Each step is the smallest change that brings the linearised numbers into their intervals; see
:mod:`bayes_alliance.cohorts.solver.solve`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.cohorts.solver.demands import Evaluator, Problem, State
from bayes_alliance.inference.fits import Array

_FREE_STEPS = 60
_AIM_STEPS = 6
_AIM_SHARES = (1.0, 0.5, 0.2)
_STALL = 0.05
_PATIENCE = 16
_WATCH = 3
_LONGEST = 0.03
_INSETS = (0.12, 0.02)  # share of an interval kept free at its ends; less where more cannot be met
_NEAR = 0.03
_MARGIN = 0.02
_AIMED = 0.2


@dataclass(frozen=True, kw_only=True)
class Approach:
    """Scores that moved freely inside their scale.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Where they are.
    aims : ndarray, shape (n_demands,)
        Where within its interval each number is aimed at.
    loss : float
        Squared violation.
    is_met : bool
        Whether everything asked is met.
    evaluate : Evaluator
        With the last fits.
    degenerate : tuple of str
        Models whose intercept and slope correlate more than may be, where that was looked at.
    missed : tuple of str
        What is asked and not met.
    """

    y: Array
    aims: Array
    loss: float
    is_met: bool
    evaluate: Evaluator
    degenerate: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()


def approach(problem: Problem, start: Array, places: Array | None) -> Approach:
    """Move scores freely inside their scale towards everything asked.

    Parameters
    ----------
    problem, start, places
        As for :func:`bayes_alliance.cohorts.solver.solve.solve_scores`.

    Returns
    -------
    Approach
    """
    evaluate = Evaluator(problem)
    best, aims = _move_freely(problem, evaluate, np.clip(start, problem.lower, problem.upper), places)
    return Approach(
        y=best.y,
        aims=aims,
        loss=best.loss,
        is_met=best.is_met,
        evaluate=evaluate,
        missed=say_missed(best.state),
    )


def stay(problem: Problem, y: Array) -> Approach:
    """Scores that stay where they are; every rounded number is aimed at the place in its interval that it has."""
    evaluate = Evaluator(problem)
    inside = np.clip(y, problem.lower, problem.upper)
    state = evaluate(inside)
    violation = state.violation(state.value, 0.0)
    aimed = has_aim(state)
    width = np.where(aimed, state.high - state.low, 1.0)
    places = np.clip((state.value - state.low) / width, _MARGIN, 1.0 - _MARGIN)
    beyond = violation[len(state.value) - len(problem.inner) :]
    return Approach(
        y=inside,
        aims=np.where(aimed, places, np.nan),
        loss=float(violation @ violation),
        is_met=not np.any(violation),
        evaluate=evaluate,
        degenerate=tuple(name for name, by in zip(problem.inner, beyond, strict=True) if by),
        missed=say_missed(state),
    )


def say_missed(state: State) -> tuple[str, ...]:
    """Say what is asked and not met, with the value reached."""
    return tuple(
        f"{state.label[i]} is {state.value[i]:.4g}, asked {state.low[i]:.4g} to {state.high[i]:.4g}"
        for i in np.flatnonzero(state.violation(state.value, 0.0))
    )


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
        losses.append(float(np.sum(np.log1p(state.violation(state.value, _INSETS[0]) ** 2))))
    return starts[int(np.argmin(losses))]


def _move_freely(
    problem: Problem, evaluate: Evaluator, start: Array, places: Array | None
) -> tuple[_Point, Array]:
    """Damped smallest steps into the intervals, then a few towards a place within each, which is returned.

    Many intervals hold with equality, and the numbers bend, so a step that mends one often breaks others a
    little, which the next step mends: up to ``_WATCH`` steps may be worse than the best before the search returns
    there with more damping (the watchdog technique of Chamberlain et al. 1982, doi:10.1007/BFb0120945).
    """
    best = _Point(start, evaluate(start), _INSETS[0])
    for inset in _INSETS:
        if not best.is_met:
            best = _descend(problem, evaluate, dataclasses.replace(best, inset=inset))
    if places is None:
        return best, np.full(problem.n_demands, np.nan)
    aims = _choose_aims(places)
    for _ in range(_AIM_STEPS):
        nearer = _step_to_aims(problem, evaluate, best, aims)
        if nearer is None:
            break
        best = nearer
    return best, aims


def _choose_aims(places: Array) -> Array:
    """Aim some of the numbers at their places: printed numbers depend on one another, and all together never get far.

    Which ones is decided by further digits of the places, so that it differs between cohorts.
    """
    inside, digits = _MARGIN + (1.0 - 2.0 * _MARGIN) * places, (1e4 * places) % 1.0
    return np.where(digits < _AIMED, inside, np.nan)


def _step_to_aims(problem: Problem, evaluate: Evaluator, at: _Point, aims: Array) -> _Point | None:
    """Go as far towards the aims as what is met allows: not all of them can be reached together."""
    for share in _AIM_SHARES:
        here = _step(problem, evaluate, at, aims, 1e-2, share)
        if (at.is_met and here.is_met) or here.loss < 1.05 * at.loss:
            return here
    return None


def _descend(problem: Problem, evaluate: Evaluator, best: _Point) -> _Point:
    """Damped smallest steps until nothing is gained."""
    here, damping, strayed = best, 1e-3, 0
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
    return best


@dataclass(frozen=True)
class _Point:
    """Scores, the numbers there, and how far inside their intervals these are wanted."""

    y: Array
    state: State
    inset: float

    @property
    def loss(self) -> float:
        """Squared violation, AIC in coarser units."""
        violation = self.state.violation(self.state.value, self.inset) * self.state.ease
        return float(violation @ violation)

    @property
    def is_met(self) -> bool:
        """Whether every number lies in its interval."""
        return not np.any(self.state.violation(self.state.value, 0.0))


def _step(
    problem: Problem,
    evaluate: Evaluator,
    point: _Point,
    aims: Array | None,
    damping: float,
    share: float = 1.0,
) -> _Point:
    move = share * _least_move(problem, point.y, point.state, *_bounds(point, aims), damping)
    # Far from the intervals the numbers bend too much for a whole step to be worth its way.
    longest = _LONGEST * float(np.mean(problem.upper - problem.lower))
    move = move * min(1.0, longest / max(float(np.sqrt(np.mean(move**2))), 1e-12))
    y = np.clip(point.y + move, problem.lower, problem.upper)
    return _Point(y, evaluate(y), point.inset)


def _bounds(point: _Point, aims: Array | None) -> tuple[Array, Array]:
    """Intervals drawn in, or narrowed around an aim where both ends are finite."""
    state = point.state
    width = state.high - state.low
    finite = np.isfinite(width)
    margin = point.inset * np.where(finite, np.minimum(width, 2.0 * state.scale), state.scale)
    low, high = state.low + margin, state.high - margin
    if aims is not None:
        narrow = has_aim(state)
        centre, near = find_aims(state, aims)
        low = np.where(narrow, centre - near, low)
        high = np.where(narrow, centre + near, high)
    return low, np.maximum(high, low)


def has_aim(state: State) -> NDArray[np.bool_]:
    """Numbers whose interval is that of a rounding."""
    return is_rounded(state.low, state.high, state.scale)


def is_rounded(low: Array, high: Array, scale: Array) -> NDArray[np.bool_]:
    """Mark intervals of a rounding: both ends finite, and no wider than the number's scale says."""
    width = high - low
    found: NDArray[np.bool_] = np.isfinite(width) & (width < 4.0 * scale)
    return found


def find_aims(state: State, aims: Array) -> tuple[Array, Array]:
    """Where within its interval each number is aimed at, and how near is near enough; NaN aims are met inside."""
    width = np.where(has_aim(state), state.high - state.low, 0.0)
    free = np.isnan(aims)
    near = np.where(free, 0.5 - _INSETS[1], _NEAR)
    return state.low + np.where(free, 0.5, aims) * width, near * width


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
            # Nothing that is violated can be moved from here.
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
