r"""Moving one outcome's scores until every number printed of it is met, on the scale's own grid.

The numbers asked for are smooth functions f of the scores, with known derivatives J
(:mod:`bayes_alliance.reconstruct.sensitivity`). First the scores move freely inside their scale: each step is the
smallest change :math:`\Delta` with :math:`f + J\Delta` inside every interval (a Gauss-Newton step on the violated
ones, with those it would break added). Then they are put on the grid, and single grid steps, chosen by the same
derivatives, mend what the rounding broke. Everything starts from plausible scores and changes them as little as it
can, so what was not printed stays as it was drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayes_alliance.fits import Array, weight_vector
from bayes_alliance.reconstruct.sensitivity import (
    BlockFit,
    Blocks,
    Sensitivity,
    differentiate_fit,
    fit_scores,
    satterthwaite_df,
)
from bayes_alliance.reconstruct.targets import Target

_FREE_STEPS = 60
_AIM_STEPS = 6
_STALL = 0.05
_PATIENCE = 16
_WATCH = 3
_LONGEST = 0.03
_AIC_UNIT = 2.0
_GRID_ROUNDS = 40
_MOVES = 60
_INSET = 0.12
_GRID_INSET = 0.04


@dataclass(frozen=True, kw_only=True)
class ModelRows:
    """A model's design and which of the outcome's scores are its rows.

    Parameters
    ----------
    blocks : Blocks
        The design.
    rows : ndarray of int
        Index of each of its rows among the outcome's scores.
    reference : str
        Model whose variances its explained variation refers to; empty without one.
    """

    blocks: Blocks
    rows: NDArray[np.int64]
    reference: str


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Mean and SD of some of the scores, as printed.

    Parameters
    ----------
    rows : ndarray of int
        Which scores.
    mean, sd : tuple of float
        Intervals.
    said, place : str
        As for targets.
    """

    rows: NDArray[np.int64]
    mean: tuple[float, float]
    sd: tuple[float, float]
    said: str
    place: str


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One outcome's scores and what is asked of them.

    Parameters
    ----------
    outcome : str
        Name.
    models : mapping of str to ModelRows
        Every model that a target needs, references included.
    targets : tuple of Target
        What is asked.
    moments : tuple of Moment
        What is asked of plain means and SDs.
    lower, upper : ndarray, shape (n,)
        Ends of what each score may be.
    origin, step : float
        The grid: ``origin + k * step``.
    """

    outcome: str
    models: Mapping[str, ModelRows]
    targets: tuple[Target, ...]
    moments: tuple[Moment, ...]
    lower: Array
    upper: Array
    origin: float
    step: float


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


@dataclass(frozen=True, kw_only=True)
class _State:
    """Numbers at some scores: values, intervals, derivatives and scales, one line a demand.

    ``ease`` lets the free moves take an AIC in coarser units: it is the easiest number to mend, by larger or
    smaller residuals, and the most curved, so in its own narrow interval it would rule every step.
    """

    value: Array
    low: Array
    high: Array
    scale: Array
    ease: Array
    jacobian: Array
    label: tuple[str, ...]

    def violation(self, value: Array, inset: float) -> Array:
        """Signed distance from the intervals, drawn in by a share of their width, in scales."""
        width = np.where(np.isfinite(self.high - self.low), self.high - self.low, self.scale)
        margin = inset * np.minimum(width, 2.0 * self.scale)
        low, high = self.low + margin, self.high - margin
        if value.ndim == 2:
            low, high, scale = low[:, None], high[:, None], self.scale[:, None]
        else:
            scale = self.scale
        found: Array = (np.minimum(value - low, 0.0) + np.maximum(value - high, 0.0)) / scale
        return found


class Evaluator:
    """Evaluates a problem, keeping the last fits to start the next ones from."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.fits: dict[str, BlockFit] = {}
        self.count = 0

    def __call__(self, y: Array) -> _State:
        """Give values, intervals and derivatives at some scores."""
        problem = self.problem
        self.count += 1
        derivatives: dict[str, Sensitivity] = {}
        for name, model in problem.models.items():
            self.fits[name] = fit_scores(model.blocks, y[model.rows], near=self.fits.get(name))
            derivatives[name] = differentiate_fit(model.blocks, self.fits[name])
        lines = [self._line(target, derivatives, len(y)) for target in problem.targets]
        for moment in problem.moments:
            lines += _moment_lines(moment, y)
        value, low, high, scale, rows = (np.array(column) for column in zip(*lines, strict=True))
        labels = [f"{t.place} ({t.said}): {t.kind}" for t in problem.targets]
        labels += [f"{m.place} ({m.said}): {kind}" for m in problem.moments for kind in ("mean", "sd")]
        ease = [0.5 / _AIC_UNIT if t.kind == "aic" else 1.0 for t in problem.targets]
        ease += [1.0] * (2 * len(problem.moments))
        return _State(
            ease=np.array(ease),
            value=value,
            low=low,
            high=high,
            scale=scale,
            jacobian=rows,
            label=tuple(labels),
        )

    def _line(
        self, target: Target, derivatives: Mapping[str, Sensitivity], n: int
    ) -> tuple[float, float, float, float, Array]:
        model = self.problem.models[target.model]
        fit, by = self.fits[target.model], derivatives[target.model]
        row = np.zeros(n)
        half = (target.high - target.low) / 2.0
        if target.kind == "aic":
            row[model.rows] = by.deviance
            n_parameters = len(fit.beta) + len(fit.variances)
            return fit.deviance + 2.0 * n_parameters, target.low, target.high, max(half, 1e-12), row
        if target.kind == "wald":
            se = float(np.nan_to_num(fit.variance_se[0 if target.which == 0 else 2], nan=1.0))
            row[model.rows] = by.of_variance(target.which) / se
            needed = float(-special.ndtri(target.high / 2.0))
            return fit.variance_of(target.which) / se, needed, np.inf, 0.3, row
        if target.kind in ("explained_intercept", "explained_slope"):
            return self._explained(target, derivatives, row)
        weights = weight_vector(model.blocks.design.x_names, target.weights)
        estimate, se = float(weights @ fit.beta), float(np.sqrt(weights @ fit.cov @ weights))
        d_estimate, d_se = weights @ by.beta, by.of_se(weights, se)
        if target.kind == "estimate":
            row[model.rows] = d_estimate
            return estimate, target.low, target.high, half, row
        if target.kind == "se":
            row[model.rows] = d_se
            return se, target.low, target.high, half, row
        sign = 1.0 if estimate >= 0.0 else -1.0
        df = satterthwaite_df(fit, by, weights)
        low = _critical(target.high, df) if target.high < 1.0 else -np.inf
        high = _critical(target.low, df) if target.low > 0.0 else np.inf
        low = -high if low == -np.inf else low
        row[model.rows] = sign * (d_estimate - estimate / se * d_se) / se
        return sign * estimate / se, low, high, 0.3, row

    def _explained(
        self, target: Target, derivatives: Mapping[str, Sensitivity], row: Array
    ) -> tuple[float, float, float, float, Array]:
        model = self.problem.models[target.model]
        reference = self.problem.models[model.reference]
        which = 0 if target.kind == "explained_intercept" else 1
        ours = self.fits[target.model].variance_of(which)
        theirs = max(self.fits[model.reference].variance_of(which), 1e-12)
        row[model.rows] -= 100.0 / theirs * derivatives[target.model].of_variance(which)
        row[reference.rows] += 100.0 * ours / theirs**2 * derivatives[model.reference].of_variance(which)
        return 100.0 * (1.0 - ours / theirs), target.low, target.high, 0.5, row


def _critical(p: float, df: float) -> float:
    """|t| at which a two-sided p is reached."""
    return float(-special.stdtrit(df if df > 0.0 else np.inf, p / 2.0))


def _moment_lines(moment: Moment, y: Array) -> list[tuple[float, float, float, float, Array]]:
    values = y[moment.rows]
    n, mean, sd = len(values), float(values.mean()), float(values.std(ddof=1))
    lines = []
    for value, interval, gradient in (
        (mean, moment.mean, np.full(n, 1.0 / n)),
        (sd, moment.sd, (values - mean) / ((n - 1) * sd)),
    ):
        row = np.zeros(len(y))
        row[moment.rows] = gradient
        lines.append((value, *interval, (interval[1] - interval[0]) / 2.0, row))
    return lines


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
    free = _move_freely(problem, evaluate, np.clip(start, problem.lower, problem.upper), rng)
    first = _to_grid(problem, free)
    y = _move_on_grid(problem, evaluate, first, rng)
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


def _move_freely(problem: Problem, evaluate: Evaluator, start: Array, rng: np.random.Generator) -> Array:
    """Damped smallest steps into the intervals, then a few towards a random place within each.

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
    aims = rng.uniform(0.15, 0.85, len(best.state.value))
    for _ in range(_AIM_STEPS):
        here = _step(problem, evaluate, best, aims, 1e-2)
        if here.loss > 1.05 * best.loss + 1e-9:
            break
        best = here
    return best.y


@dataclass(frozen=True)
class _Point:
    """Scores and the numbers there."""

    y: Array
    state: _State

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


def _bounds(state: _State, aims: Array | None) -> tuple[Array, Array]:
    """Intervals drawn in, or narrowed around an aim where both ends are finite."""
    width = state.high - state.low
    finite = np.isfinite(width)
    margin = _INSET * np.where(finite, np.minimum(width, 2.0 * state.scale), state.scale)
    low, high = state.low + margin, state.high - margin
    if aims is not None:
        centre = state.low + aims * np.where(finite, width, 0.0)
        near = 0.1 * np.where(finite, width, 0.0)
        narrow = finite & (width < 4.0 * state.scale)
        low = np.where(narrow, np.maximum(low, centre - near), low)
        high = np.where(narrow, np.minimum(high, centre + near), high)
    return low, np.maximum(high, low)


def _least_move(problem: Problem, y: Array, state: _State, low: Array, high: Array, damping: float) -> Array:
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


def _grid_loss(state: _State, value: Array) -> float:
    violation = state.violation(value, _GRID_INSET)
    return float(violation @ violation)


def _step_greedily(problem: Problem, y: Array, state: _State, most: int, rng: np.random.Generator) -> Array:
    """Take up to ``most`` grid steps, each the one that lessens the linearised violation most."""
    y, value = y.copy(), state.value.copy()
    steps = np.concatenate([state.jacobian, -state.jacobian], axis=1) * problem.step
    n = len(y)
    loss = _grid_loss(state, value)
    for _ in range(most):
        if loss == 0.0:
            break
        allowed = np.concatenate(
            [y + problem.step <= problem.upper + 1e-9, y - problem.step >= problem.lower - 1e-9]
        )
        pool = np.flatnonzero(allowed)
        losses = _losses(state, value[:, None] + steps[:, pool])
        best = int(np.argmin(losses))
        chosen = [int(pool[best])]
        reached = float(losses[best])
        if reached >= loss * (1.0 - 1e-9):
            chosen, reached = _best_pair(state, value, steps, pool, losses, n)
            if reached >= loss * (1.0 - 1e-9):
                break
        for index in chosen:
            y[index % n] += problem.step if index < n else -problem.step
            value = value + steps[:, index]
        loss = reached
    return y


def _losses(state: _State, values: Array) -> Array:
    violation = state.violation(values, _GRID_INSET)
    found: Array = np.sum(violation**2, axis=0)
    return found


def _best_pair(
    state: _State, value: Array, steps: Array, pool: NDArray[np.int64], losses: Array, n: int
) -> tuple[list[int], float]:
    """Find the best of many pairs of steps: each of the most promising ones with every other."""
    best: tuple[list[int], float] = ([], np.inf)
    for first in pool[np.argsort(losses)[:40]]:
        second = pool[pool % n != first % n]
        both = _losses(state, (value + steps[:, first])[:, None] + steps[:, second])
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


def build_models(
    designs: Mapping[str, tuple[Blocks, NDArray[np.int64], str]], targets: Sequence[Target]
) -> dict[str, ModelRows]:
    """Keep the models that targets need, and their references.

    Parameters
    ----------
    designs : mapping of str to (Blocks, ndarray of int, str)
        Every model of the outcome: design, rows among the scores, reference.
    targets : sequence of Target
        What is asked.

    Returns
    -------
    dict of str to ModelRows
    """
    needed = dict.fromkeys(target.model for target in targets)
    for target in targets:
        if target.kind.startswith("explained"):
            needed.setdefault(designs[target.model][2])
    return {
        name: ModelRows(blocks=designs[name][0], rows=designs[name][1], reference=designs[name][2])
        for name in needed
    }
