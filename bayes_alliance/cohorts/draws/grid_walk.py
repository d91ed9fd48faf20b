r"""Metropolis steps of one outcome's scores on their grid, among all that have everything printed of them.

Where a search ends in the region of what is printed is the search's own work. From there scores walk: a step moves one
score, or two of different patients, by one step of the grid. The first is any score; the second is chosen among those
with which all printed numbers should stay in their intervals, as their derivatives say (a locally informed proposal,
Zanella 2020, doi:10.1080/01621459.2019.1585255). The step is accepted by the probabilities of the joint growth model,
then, the fits made, if everything printed holds, by the ratio of the numbers of such second scores on either side. Both
together are reversible (delayed acceptance, Christen & Fox 2005, doi:10.1198/106186005X76983), so the walk leaves the
law of the scores on their grid, given everything printed of the outcome, the other outcomes, coefficients and
covariances, as it is, however short it is; but for its first ten steps, which learn how far an AIC rises beyond its
derivative. What it forgets first is the place of narrow numbers (AIC, estimates, explained variation) within their
intervals; what moves many scores at once is for the steps before the grid
(:mod:`bayes_alliance.cohorts.draws.exact_steps`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from bayes_alliance.cohorts.draws.growth import (
    CovariancePrior,
    Covariances,
    Floats,
    Ints,
    Layout,
    Whitening,
    draw_coefficients,
    draw_covariances,
)
from bayes_alliance.cohorts.draws.statistics import Link, OutcomePart
from bayes_alliance.cohorts.draws.truncated import draw_between
from bayes_alliance.cohorts.solver.demands import Evaluator, Problem, State
from bayes_alliance.cohorts.solver.grid_moves import to_grid

# Steps after which it is settled how far a step of the grid raises an AIC beyond its derivative.
_LEARNT = 10
_SWEEPS = 1
_ATTEMPTS = 150
_SCANS = 3


def walk_outcomes(
    layout: Layout,
    link: Link,
    parts: Sequence[OutcomePart],
    prior: CovariancePrior,
    covariances: Covariances,
    recorded: Floats,
    rng: np.random.Generator,
) -> tuple[Floats, Covariances]:
    """Walk with all outcomes in turn, then draw coefficients and covariances given the scores.

    Parameters
    ----------
    layout, link, parts
        The model's scores, their ranges, and what is asked of each outcome on its grid.
    prior, covariances : CovariancePrior, Covariances
        Prior of the covariances, and those that the scores were drawn with.
    recorded : ndarray, shape (n,)
        Scores on their grids that meet everything asked.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    recorded : ndarray, shape (n,)
    covariances : Covariances
        Drawn given these scores.
    """
    recorded = recorded.copy()
    latent, _ = link.unrecord(recorded)
    step = np.empty(len(recorded))
    for part in parts:
        step[part.index] = part.problem.step
    whitening = Whitening(layout, covariances)
    coefficients = draw_coefficients(whitening, latent, rng)
    for _ in range(_SWEEPS):
        law = ScoreLaw(whitening, link, coefficients, latent, recorded, step)
        for _ in range(_SCANS):
            law.draw_latent(rng)
        for part in parts:
            walked = walk_on_grid(
                part.problem, recorded[part.index], law, part.index, rng, attempts=_ATTEMPTS
            )
            recorded[part.index] = walked
        latent = law.latent
        coefficients = draw_coefficients(whitening, latent, rng)
        covariances = draw_covariances(whitening, prior, coefficients, latent, rng)
        whitening = Whitening(layout, covariances)
    return recorded, covariances


class ScoreLaw:
    """Law of scores on their grids under the joint model, coefficients and covariances given.

    Behind every recorded score is a latent one, anywhere in the cell that is recorded so: at an end of the scale all
    that lies beyond, too. One score has a cell with the probability that the latent scores of its patient's others
    leave to it.

    Parameters
    ----------
    whitening : Whitening
        Layout and covariances.
    link : Link
        From latent to recorded scores.
    coefficients : ndarray, shape (p,)
        In prior SDs.
    latent, recorded : ndarray, shape (n,)
        All scores.
    step : ndarray, shape (n,)
        Of each score's grid.
    """

    def __init__(
        self,
        whitening: Whitening,
        link: Link,
        coefficients: Floats,
        latent: Floats,
        recorded: Floats,
        step: Floats,
    ) -> None:
        self.link, self.step, self.recorded = link, step, recorded.copy()
        self.blocks = whitening.blocks
        self.mean = whitening.layout.centre + whitening.scaled @ coefficients
        self.rest = latent - self.mean
        self.patient = np.repeat(np.arange(len(self.blocks)), [b.stop - b.start for b in self.blocks])
        halves = [np.linalg.solve(root, np.eye(len(root))) for root in whitening.roots]
        self.precision = [half.T @ half for half in halves]

    @property
    def latent(self) -> Floats:
        """Latent scores, shape (n,)."""
        return self.mean + self.rest

    def change(self, index: Ints, values: Floats) -> float:
        """Log ratio of the probabilities of other values of scores, of one patient each, to those of theirs."""
        gain = 0.0
        for i, value in zip(index.tolist(), values.tolist(), strict=True):
            centre, sd = self._given_others(i)
            gain += _log_mass(*((end - centre) / sd for end in self._cell(i, value)))
            gain -= _log_mass(*((end - centre) / sd for end in self._cell(i, float(self.recorded[i]))))
        return gain

    def put(self, index: Ints, values: Floats, rng: np.random.Generator) -> None:
        """Take over other values of some scores, and draw the latent ones behind them."""
        self.recorded[index] = values
        for i in index.tolist():
            self._draw(i, rng)

    def draw_latent(self, rng: np.random.Generator) -> None:
        """Draw all latent scores in turn, each given the others and its cell."""
        for i in range(len(self.rest)):
            self._draw(i, rng)

    def _draw(self, i: int, rng: np.random.Generator) -> None:
        centre, sd = self._given_others(i)
        low, high = self._cell(i, float(self.recorded[i]))
        self.rest[i] = sd * draw_between(centre / sd, low / sd, high / sd, float(rng.random()))

    def _given_others(self, i: int) -> tuple[float, float]:
        """Mean, beyond that of the fixed part, and SD of a latent score given its patient's others."""
        block, precision = self.blocks[self.patient[i]], self.precision[self.patient[i]]
        row = precision[i - block.start]
        own = float(row[i - block.start])
        return float(self.rest[i] - row @ self.rest[block] / own), own**-0.5

    def _cell(self, i: int, value: float) -> tuple[float, float]:
        """Return the ends of the latent scores that are recorded as a value, less the fixed part."""
        low, high = self.link.cell(value, i, float(self.step[i]))
        return low - float(self.mean[i]), high - float(self.mean[i])


def _log_mass(low: float, high: float) -> float:
    """Log probability that a standard normal number lies between two ends."""
    if low > 0.0:
        low, high = -high, -low
    upper, lower = float(special.log_ndtr(high)), float(special.log_ndtr(low))
    return upper + float(np.log1p(-np.exp(lower - upper)))


@dataclass(frozen=True, kw_only=True)
class _Here:
    """Scores, what is printed of them, and what single steps change of it: up of each score, then down of each."""

    y: Floats
    state: State
    change: Floats
    allowed: Ints

    @property
    def is_met(self) -> bool:
        return not np.any(self.state.violation(self.state.value, 0.0))


def walk_on_grid(
    problem: Problem, y: Floats, law: ScoreLaw, index: Ints, rng: np.random.Generator, *, attempts: int
) -> Floats:
    """Walk from scores that meet everything asked to others that do.

    Parameters
    ----------
    problem : Problem
        What is asked of the outcome.
    y : ndarray, shape (n,)
        On the grid; meets it.
    law : ScoreLaw
        Of the scores of all outcomes; is told where the walk ends.
    index : ndarray of int, shape (n,)
        Which of the law's scores are the outcome's.
    rng : numpy.random.Generator
        Source of randomness.
    attempts : int
        Steps tried.

    Returns
    -------
    ndarray, shape (n,)
        ``y`` itself where fits from elsewhere than the last ones find that something is missed.
    """
    evaluate = Evaluator(problem)
    here = start = _look(problem, y, evaluate)
    n, bend, seen = len(y), np.zeros(len(here.state.value)), 0
    patient = law.patient[index]
    for _ in range(attempts):
        first = int(rng.integers(2 * n))
        seconds = _second_moves(here, first, bend, patient)
        if not len(seconds):
            continue
        moves = [first, *(move for move in [int(rng.choice(seconds))] if move < 2 * n)]
        which = np.array([move % n for move in moves])
        trial = here.y.copy()
        trial[which] += np.where(np.array(moves) < n, problem.step, -problem.step)
        trial = to_grid(problem, trial)
        if np.log(rng.random()) >= law.change(index[which], trial[which]):
            continue
        there = _look(problem, trial, evaluate)
        if seen < _LEARNT:
            beyond = there.state.value - here.state.value - here.change[:, moves].sum(axis=1)
            bend = bend + (np.where(here.state.is_deviance, beyond / len(moves), 0.0) - bend) / (seen + 1)
            seen += 1
        back = _second_moves(there, (first + n) % (2 * n), bend, patient)
        returns = (moves[1] + n) % (2 * n) if len(moves) == 2 else 2 * n
        if there.is_met and returns in back and rng.random() * len(back) < len(seconds):
            law.put(index[which], trial[which], rng)
            here = there
    # Fits that start from the last ones follow a maximum that need not stay the highest: this one looks everywhere.
    if not _look(problem, here.y, Evaluator(problem)).is_met:
        here = start
        law.put(index, start.y, rng)
    return here.y


def _look(problem: Problem, y: Floats, evaluate: Evaluator) -> _Here:
    state = evaluate(y)
    up, down = (y + problem.step <= problem.upper + 1e-9), (y - problem.step >= problem.lower - 1e-9)
    change = np.concatenate([state.jacobian, -state.jacobian], axis=1) * problem.step
    return _Here(y=y, state=state, change=change, allowed=np.flatnonzero(np.concatenate([up, down])))


def _second_moves(here: _Here, first: int, bend: Floats, patient: Ints) -> Ints:
    """Return the moves, of other patients, that go with the first one: all that is printed should stay met.

    ``2 n`` stands for none.
    """
    n = len(here.y)
    if first not in here.allowed:
        return np.empty(0, dtype=np.int64)
    pool = here.allowed[patient[here.allowed % n] != patient[first % n]]
    value = here.state.value + here.change[:, first] + bend
    reached = np.column_stack([value[:, None] + here.change[:, pool] + bend[:, None], value])
    slack = 1e-9 * here.state.scale[:, None]
    inside = np.all(
        (reached >= here.state.low[:, None] - slack) & (reached <= here.state.high[:, None] + slack), axis=0
    )
    return np.append(pool, 2 * n)[inside]
