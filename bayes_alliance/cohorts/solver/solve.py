r"""Moving one outcome's scores until every number printed of it is met, on the scale's own grid.

The numbers asked for are smooth functions f of the scores, with known derivatives J
(:mod:`bayes_alliance.cohorts.solver.sensitivity`). First the scores move freely inside their scale: each step is the
smallest change :math:`\Delta` with :math:`f + J\Delta` inside every interval (a Gauss-Newton step on the violated
ones, with those it would break added). Then they are put on the grid, and single grid steps, chosen by the same
derivatives, mend what the rounding broke. Everything starts from plausible scores and changes them as little as it
can, so what was not printed stays as it was drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayes_alliance.cohorts.solver.demands import Evaluator, Problem
from bayes_alliance.cohorts.solver.free_moves import Approach, approach, say_missed
from bayes_alliance.cohorts.solver.grid_moves import aim_on_grid, move_on_grid, to_grid
from bayes_alliance.inference.fits import Array

_LOOKS = 2


@dataclass(frozen=True, kw_only=True)
class Solution:
    """Scores and what they miss.

    Parameters
    ----------
    y : ndarray, shape (n,)
        On the grid.
    missed : tuple of str
        What is asked and not met, with the value reached.
    """

    y: Array
    missed: tuple[str, ...]


def solve_scores(problem: Problem, start: Array, rng: np.random.Generator, places: Array | None) -> Solution:
    """Move scores until everything asked is met.

    Parameters
    ----------
    problem : Problem
        What is asked.
    start : ndarray, shape (n,)
        Plausible scores, on the grid or not.
    rng : numpy.random.Generator
        Of ties and ways out of dead ends.
    places : ndarray, shape (n_demands,), or None
        Where within its interval, from 0 to 1, each printed number is aimed at, so that cohorts differ in it; None
        where the start was drawn with a place of its own, which is left.

    Returns
    -------
    Solution
        The best that was found; ``missed`` is empty where all is met.
    """
    return put_on_grid(problem, approach(problem, start, places), rng)


def put_on_grid(problem: Problem, free: Approach, rng: np.random.Generator) -> Solution:
    """Put scores on the grid and mend what that breaks.

    Parameters
    ----------
    problem : Problem
        What is asked.
    free : Approach
        Scores that moved freely.
    rng : numpy.random.Generator
        Of ties and ways out of dead ends.

    Returns
    -------
    Solution
    """
    y, evaluate = to_grid(problem, free.y), free.evaluate
    for _ in range(_LOOKS):
        y = aim_on_grid(problem, evaluate, move_on_grid(problem, evaluate, y, rng), free.aims, rng)
        # Fits that start from the last ones follow a maximum that need not stay the highest: these look everywhere.
        evaluate = Evaluator(problem)
        state = evaluate(y)
        if not np.any(state.violation(state.value, 0.0)):
            break
    return Solution(y=y, missed=say_missed(state))
