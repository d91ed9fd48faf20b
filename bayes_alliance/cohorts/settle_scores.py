"""From scores drawn given print to scores on their grid that print everything.

Least squares first bring each outcome to everything printed of it; where they do not get there, its scores are drawn
anew given those of the others. From there all scores walk by exact steps
(:mod:`bayes_alliance.cohorts.draws.exact_steps`), which need not start from a draw of the right law: they forget where
they started. Then each outcome is put on its grid by few steps, and walks there
(:mod:`bayes_alliance.cohorts.draws.grid_walk`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayes_alliance.cohorts.draws.conditional import ConditionalDraw
from bayes_alliance.cohorts.draws.exact_steps import ExactWalk
from bayes_alliance.cohorts.draws.grid_walk import walk_outcomes
from bayes_alliance.cohorts.draws.growth import (
    CovariancePrior,
    Covariances,
    Layout,
    Whitening,
    draw_coefficients,
)
from bayes_alliance.cohorts.draws.statistics import Link, OutcomePart
from bayes_alliance.cohorts.solver.demands import Problem
from bayes_alliance.cohorts.solver.free_moves import Approach, approach, stay
from bayes_alliance.cohorts.solver.grid_moves import to_grid
from bayes_alliance.cohorts.solver.solve import Solution, put_on_grid
from bayes_alliance.cohorts.solver.targets import Target
from bayes_alliance.inference.fits import Array

# Sweeps of exact steps: what a cohort takes to forget where it started is measured in docs/given_print.md.
SWEEPS = 10
_BEGINNINGS = 4
_FINISHES = 3
_RETURNS = 3
_OUT_OF_ORDER = (("", Solution(y=np.empty(0), missed=("an order between two outcomes",))),)


@dataclass(frozen=True, kw_only=True)
class Settled:
    """Scores on their grid.

    Parameters
    ----------
    recorded : ndarray, shape (n,)
        In the order of the layout.
    covariances : Covariances
        Drawn given them.
    solutions : tuple of (str, Solution)
        By outcome; where one was given up, that one alone or those up to it.
    """

    recorded: Array
    covariances: Covariances
    solutions: tuple[tuple[str, Solution], ...]

    @property
    def is_met(self) -> bool:
        """Whether nothing is missed."""
        return not any(solution.missed for _, solution in self.solutions)


def settle_scores(
    layout: Layout,
    link: Link,
    parts: Sequence[OutcomePart],
    orders: Sequence[Target],
    prior: CovariancePrior,
    draw: ConditionalDraw,
    rng: np.random.Generator,
    *,
    last: bool = False,
) -> Settled:
    """Settle drawn scores on their grid.

    Parameters
    ----------
    layout, link, parts, orders, prior
        As for :func:`bayes_alliance.cohorts.draws.conditional.draw_given_print`.
    draw : ConditionalDraw
        What it drew.
    rng : numpy.random.Generator
        Source of randomness.
    last : bool
        Whether to go on where an outcome misses something; else it is given up, as another design costs less.

    Returns
    -------
    Settled
    """
    whitening = Whitening(layout, draw.covariances)
    latent, _ = link.unrecord(draw.recorded)
    coefficients = draw_coefficients(whitening, latent, rng)
    walk = ExactWalk(layout, link, parts, orders, prior, whitening, coefficients, latent)
    for number, part in enumerate(parts):
        missed = _bring_inside(walk, number, part, rng)
        if missed and not last:
            solution = Solution(y=to_grid(part.problem, walk.recorded[part.index]), missed=missed)
            return Settled(
                recorded=walk.recorded,
                covariances=draw.covariances,
                solutions=((part.problem.outcome, solution),),
            )
    walks = all(walk.is_inside(number) for number in range(len(parts)))
    if not (walks or last):
        return Settled(recorded=walk.recorded, covariances=draw.covariances, solutions=_OUT_OF_ORDER)
    for _ in range(SWEEPS if walks else 0):
        walk.sweep(rng)
    recorded, solutions = _put_down(walk, parts, rng, returns=_RETURNS if walks else 0, last=last)
    settled = Settled(recorded=recorded, covariances=walk.whitening.covariances, solutions=solutions)
    if not settled.is_met:
        return settled
    recorded, covariances = walk_outcomes(layout, link, parts, prior, settled.covariances, recorded, rng)
    return replace(settled, recorded=recorded, covariances=covariances)


def _bring_inside(
    walk: ExactWalk, number: int, part: OutcomePart, rng: np.random.Generator
) -> tuple[str, ...]:
    """Bring one outcome to everything printed of it, from new draws given the others where the first do not get there.

    Returns what is missed.
    """
    free = _free(part.problem, walk.recorded[part.index])
    walk.put(number, free.y)
    for _ in range(_BEGINNINGS):
        if free.is_met and walk.is_inside(number):
            break
        walk.begin(number, rng)
        free = _free(part.problem, walk.recorded[part.index])
        walk.put(number, free.y)
    return () if free.is_met else free.degenerate or free.missed


def _put_down(
    walk: ExactWalk, parts: Sequence[OutcomePart], rng: np.random.Generator, *, returns: int, last: bool
) -> tuple[Array, tuple[tuple[str, Solution], ...]]:
    """Put all outcomes on their grids; one that misses something there walks on a little and tries again."""
    recorded = walk.recorded.copy()
    solutions: list[tuple[str, Solution]] = []
    for number, part in enumerate(parts):
        solution = _finish(part.problem, recorded[part.index], rng)
        for _ in range(returns):
            if not solution.missed:
                break
            walk.walk(number, rng)
            solution = _finish(part.problem, walk.recorded[part.index], rng)
        recorded[part.index] = solution.y
        solutions.append((part.problem.outcome, solution))
        if solution.missed and not last:
            break
    return recorded, tuple(solutions)


def _free(problem: Problem, drawn: Array) -> Approach:
    """Bring scores to everything asked, unless they are so already or have a degenerate covariance."""
    free = stay(problem, drawn)
    if free.is_met or free.degenerate:
        return free
    return replace(approach(problem, free.y, None), aims=free.aims)


def _finish(problem: Problem, y: Array, rng: np.random.Generator) -> Solution:
    """Put scores on their grid by single steps; the best of a few searches."""
    free = stay(problem, y)
    best = put_on_grid(problem, free, rng)
    for _ in range(_FINISHES - 1):
        if not best.missed:
            break
        # A little off the best grid point that was found, the next search ends elsewhere.
        beside = best.y + problem.step * rng.uniform(-0.5, 0.5, len(y))
        free = approach(problem, np.clip(beside, problem.lower, problem.upper), None)
        found = put_on_grid(problem, replace(free, aims=stay(problem, y).aims), rng)
        if len(found.missed) < len(best.missed):
            best = found
    return best
