r"""Steps of a chain among the scores that print a small publication.

Printed numbers are nearly dependent: two AICs, an estimate and its SE leave a test that is printed as ``ns`` hardly any
room of its own. Steered together, such numbers can only move by what is left to each given all others, and a chain is
stuck. So there are two sets of pivots, each well apart: one steers the number that is left most room first, another
leaves it to follow from the rest. Each is exact (:mod:`bayes_alliance.cohorts.draws.moves`), and so is any mixture of
both. Three kinds of steps take turns: the pivots stay and all else turns; some pivots are drawn anew; the number with
most room walks, by short and long steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayes_alliance.cohorts.draws.growth import Floats, Ints
from bayes_alliance.cohorts.draws.moves import (
    Outcome,
    Pivots,
    Place,
    Statistics,
    choose_pivots,
    redraw_pivots,
    reflect,
    take_step,
)

# What share of its SD a pivot has to itself, given those chosen before it.
_APART = 0.1
_FREE_APART = 0.2
# Numbers drawn anew in one step.
_TOGETHER = 3
# Steps of the free number, in its own SDs.
_SCALES = (0.1, 0.3, 1.0)
# Of a turn, one at random: short ones are accepted, long ones lead far.
_TURNS = (0.3, 0.9)
_REDRAW_ANGLE, _WALK_ANGLE = 0.2, 0.1


@dataclass(frozen=True, kw_only=True)
class SmallPivots:
    """Two sets of pivots.

    Parameters
    ----------
    following : Pivots
        Without the statistic that has most room, which follows from the others.
    leading : Pivots
        With it, and without those that then follow.
    free : int
        Its place in ``leading``.
    """

    following: Pivots
    leading: Pivots
    free: int


def choose_small_pivots(gradient: Floats, low: Floats, high: Floats) -> SmallPivots:
    """Choose both sets; the statistic with most room is that with the widest interval in its own SDs.

    Parameters
    ----------
    gradient : ndarray, shape (m, N)
        Derivatives of all statistics.
    low, high : ndarray, shape (m,)
        Their intervals.
    """
    sd = np.linalg.norm(gradient, axis=1)
    width = np.where(np.isfinite(high - low), high - low, -np.inf)
    free = int(np.argmax(width / np.maximum(sd, 1e-300)))
    others = gradient.copy()
    others[free] = 0.0
    first = high.copy()
    first[free] = low[free]
    leading = choose_pivots(gradient, low, first, least=_FREE_APART)
    return SmallPivots(
        following=choose_pivots(others, low, high, least=_APART),
        leading=leading,
        free=int(np.flatnonzero(leading.index == free)[0]),
    )


def turn(statistics: Statistics, pivots: SmallPivots, place: Place, rng: np.random.Generator) -> Outcome:
    """Turn all that the pivots leave free."""
    angle = float(rng.choice(_TURNS))
    return take_step(statistics, pivots.following, place, rng, angle=angle, redraw=lambda old, *_: old.copy())


def redraw_some(
    statistics: Statistics, pivots: SmallPivots, place: Place, rng: np.random.Generator
) -> Outcome:
    """Draw a few pivots anew inside their intervals."""

    def redraw(old: Floats, low: Floats, high: Floats, reach: Floats, rng: np.random.Generator) -> Floats:
        some = rng.permutation(len(old))[:_TOGETHER]
        found = old.copy()
        found[some] = redraw_pivots(old, low, high, reach, rng, moved=float(len(old)))[some]
        return found

    return take_step(statistics, pivots.following, place, rng, angle=_REDRAW_ANGLE, redraw=redraw)


def walk_free(statistics: Statistics, pivots: SmallPivots, place: Place, rng: np.random.Generator) -> Outcome:
    """Move the statistic with most room; those that follow from it decide by their intervals."""

    def redraw(old: Floats, low: Floats, high: Floats, reach: Floats, rng: np.random.Generator) -> Floats:
        k: Ints = np.array([pivots.free])
        step = rng.choice(_SCALES) * reach[k]
        found = old.copy()
        found[k] = reflect(old[k] + step * rng.standard_normal(1), low[k], high[k])
        return found

    return take_step(statistics, pivots.leading, place, rng, angle=_WALK_ANGLE, redraw=redraw)
