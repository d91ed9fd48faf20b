r"""Draws of data sets given a small publication alone.

Each draw is the end of a chain of its own over everything that the publication leaves open: design, scores,
coefficients and covariances. Three deliberate faults show whether the check notices what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np

from bayes_alliance.cohorts.draws.growth import (
    Floats,
    Ints,
    Layout,
    Whitening,
    draw_covariances,
    weigh_coefficients,
)
from bayes_alliance.cohorts.draws.moves import (
    Pivots,
    Reordered,
    choose_pivots,
    lead_back,
    place_at,
    redraw_pivots,
    take_step,
)
from bayes_alliance.cohorts.draws.start import find_start
from bayes_alliance.cohorts.draws.statistics import CohortStatistics, Link, OutcomePart, outside
from bayes_alliance.cohorts.solver.demands import Moment
from bayes_alliance.dev.small_designs import propose_design
from bayes_alliance.dev.small_labels import draw_labels
from bayes_alliance.dev.small_publications import (
    PRINTED_MODELS,
    SmallPrior,
    SmallPublication,
    World,
    lay_out_world,
    make_problem,
    make_target,
    read_numbers,
)
from bayes_alliance.dev.small_starts import draw_start
from bayes_alliance.dev.small_steps import SmallPivots, choose_small_pivots, redraw_some, turn, walk_free

Fault = Literal["none", "nearest_edge", "euclidean", "flipped_sign"]
FAULTS: tuple[Fault, ...] = ("none", "nearest_edge", "euclidean", "flipped_sign")
_CYCLE = ("turn", "redraw", "design", "walk", "redraw", "turn", "design", "walk")
# Covariances, coefficients and labels are drawn anew at every so many steps.
_COVARIANCES = 2
_DESIGN_ANGLE = 0.3
# Values drawn anew together where not all can be at once.
_TOGETHER = 3


class SmallStatistics(CohortStatistics):
    """What a small publication prints, on one design."""

    whitening: Whitening

    def __init__(self, world: World, publication: SmallPublication, whitening: Whitening) -> None:
        targets, bounds = [], []
        for name, interval in publication.intervals.items():
            if ":" not in name:
                continue
            model, kind, coefficient = name.split(":", 2)
            targets.append(make_target(model, kind, ((coefficient, 1.0),) if coefficient else (), *interval))
            bounds.append(interval)
        for coefficient, interval in (("group", publication.level), ("time:group", publication.slope)):
            targets.append(make_target("group", "p", ((coefficient, 1.0),), 0.0, 1.0))
            bounds.append(interval)
        moment = Moment(
            rows=np.arange(len(world.frame)),
            mean=publication.intervals["mean"],
            sd=publication.intervals["sd"],
            said="",
            place="scores",
        )
        bounds += [moment.mean, moment.sd]
        n = len(world.frame)
        link = Link(
            lower=np.full(n, -np.inf),
            upper=np.full(n, np.inf),
            lower_bend=np.zeros(n),
            upper_bend=np.zeros(n),
        )
        part = OutcomePart(problem=make_problem(world, targets, (moment,)), index=np.arange(n))
        super().__init__([part], link, whitening)
        self.bounds = np.array(bounds)
        self.low, self.high = self.bounds[:, 0], self.bounds[:, 1]

    def of_scores(self, recorded: Floats, slope: Floats | None = None) -> tuple[Floats, Floats]:
        """As its parent, with the publication's own bounds on the tests."""
        found = super().of_scores(recorded, slope)
        self.low, self.high = self.bounds[:, 0], self.bounds[:, 1]
        return found

    def warm(self, other: SmallStatistics) -> SmallStatistics:
        """Start fits from those of another design."""
        for mine, theirs in zip(self.evaluators, other.evaluators, strict=True):
            mine.fits = dict(theirs.fits)
        return self


@dataclass(frozen=True, kw_only=True)
class SmallDraw:
    """One draw given the publication.

    Parameters
    ----------
    numbers : dict of str to float
        Numbers of all models on the drawn data.
    mean, sd : ndarray, shape (p,)
        Posterior of the coefficients given the drawn data and covariances.
    accepted, designs : float
        Share of steps accepted in the second half of the chain: among scores alone, and of those that change the
        design.
    """

    numbers: dict[str, float]
    mean: Floats
    sd: Floats
    accepted: float
    designs: float


@dataclass(frozen=True, kw_only=True)
class _State:
    """Where a chain is."""

    world: World
    statistics: SmallStatistics
    white: Floats


def draw_small(
    prior: SmallPrior,
    publication: SmallPublication,
    rng: np.random.Generator,
    *,
    steps: int = 72,
    fault: Fault = "none",
) -> SmallDraw | None:
    """One draw of a data set given a small publication: a design, a start, and a chain of its own.

    Parameters
    ----------
    prior : SmallPrior
        What data sets come from.
    publication : SmallPublication
        All that is known of one of them.
    rng : numpy.random.Generator
        Source of randomness.
    steps : int
        Of the chain.
    fault : {"none", "nearest_edge", "euclidean", "flipped_sign"}
        A deliberate fault, to see that the check of calibration notices it.

    Returns
    -------
    SmallDraw or None
        None where no scores on the dealt design were found that print the publication.
    """
    frame, covariances = draw_start(prior, publication, rng)
    world = lay_out_world(prior, frame, PRINTED_MODELS)
    statistics = SmallStatistics(world, publication, Whitening(world.layout, covariances))
    white, miss = find_start(statistics, rng.standard_normal(world.size), rng)
    if np.any(miss):
        return None
    start = _State(world=world, statistics=statistics, white=_disperse(statistics, white, rng))
    found = _walk(prior, publication, start, rng, steps)
    if found is None:
        return None
    state, accepted, designs = found
    whitening = state.statistics.whitening
    if fault in ("nearest_edge", "euclidean"):
        moved = _project(state, rng, flat=fault == "euclidean")
        if moved is None:
            return None
        y = moved
    else:
        y = whitening.colour(state.white)
    world = lay_out_world(prior, state.world.frame)
    return record_draw(world, whitening, y, accepted=accepted, designs=designs)


def record_draw(
    world: World, whitening: Whitening, y: Floats, *, accepted: float, designs: float
) -> SmallDraw:
    """Record a drawn data set: numbers of all models, and the posterior of the coefficients."""
    mean, precision = weigh_coefficients(whitening, y)
    sds = world.layout.column_sd
    return SmallDraw(
        numbers=read_numbers(world, y),
        mean=sds * mean,
        sd=sds * np.sqrt(np.diagonal(np.linalg.inv(precision))),
        accepted=accepted,
        designs=designs,
    )


def _disperse(
    statistics: SmallStatistics, white: Floats, rng: np.random.Generator, *, tries: int = 4, rounds: int = 3
) -> Floats:
    """Move a start, which lies near the ends of the intervals, to values drawn inside them.

    All values at once where Newton steps lead there, else a few at a time. A chain that accepts few steps would else
    end near the ends too.
    """
    _, gradient = statistics.differentiate(white)
    pivots = choose_small_pivots(gradient, statistics.low, statistics.high).following
    every = np.arange(len(pivots.index))
    for _ in range(tries):
        moved = _redraw_some(statistics, pivots, every, white, rng)
        if moved is not None:
            return moved
    for _ in range(rounds):
        order = rng.permutation(every)
        for first in range(0, len(order), _TOGETHER):
            moved = _redraw_some(statistics, pivots, order[first : first + _TOGETHER], white, rng)
            white = white if moved is None else moved
    return white


def _redraw_some(
    statistics: SmallStatistics, pivots: Pivots, some: Ints, white: Floats, rng: np.random.Generator
) -> Floats | None:
    """Draw some of the pivots anew inside their intervals; None where the others cannot stay inside theirs."""
    place = place_at(statistics, pivots, white)
    if place is None:
        return None
    low, high = statistics.low[pivots.index], statistics.high[pivots.index]
    old = place.value[pivots.index]
    wanted = old.copy()
    wanted[some] = redraw_pivots(old, low, high, pivots.reach, rng, moved=float(len(old)))[some]
    reached = lead_back(statistics, pivots, place, white, wanted)
    if reached is None or np.any(outside(statistics.value(reached), statistics.low, statistics.high)):
        return None
    return reached


def _walk(
    prior: SmallPrior, publication: SmallPublication, state: _State, rng: np.random.Generator, steps: int
) -> tuple[_State, float, float] | None:
    """Take turns in drawing what scores leave free, steps to other designs and among scores; shares accepted."""
    kept = np.zeros((2, 2))
    _, gradient = state.statistics.differentiate(state.white)
    pivots = choose_small_pivots(gradient, state.statistics.low, state.statistics.high)
    for step in range(steps):
        which = _CYCLE[step % len(_CYCLE)]
        if step % _COVARIANCES == 0:
            state = _renew_covariances(prior, state, rng)
        if which == "design":
            moved = _change_design(prior, publication, state, pivots.following, rng)
        else:
            moved = _move_scores(state, pivots, which, rng)
        if moved is None:
            return None
        state, accepted = moved
        if step >= steps // 2:
            kept[int(which == "design")] += accepted, 1.0
    shares = kept[:, 0] / np.maximum(kept[:, 1], 1.0)
    return state, float(shares[0]), float(shares[1])


def _renew_covariances(prior: SmallPrior, state: _State, rng: np.random.Generator) -> _State:
    """Draw covariances, coefficients, and who has the covariate that is not printed, given the scores."""
    now = state.statistics.whitening
    x = now.colour(state.white)
    gamma = state.white[: now.n_coefficients]
    covariances = draw_covariances(now, prior.covariance, gamma, x, rng)
    whitening = Whitening(state.world.layout, covariances)
    world, whitening, gamma = draw_labels(state.world, whitening, x, rng)
    state.statistics.whitening = whitening
    return replace(state, world=world, white=whitening.whiten(gamma, x))


def _move_scores(
    state: _State, pivots: SmallPivots, which: str, rng: np.random.Generator
) -> tuple[_State, bool] | None:
    """Take one step of a kind among the scores."""
    steps = {"turn": turn, "redraw": redraw_some, "walk": walk_free}
    place = place_at(state.statistics, pivots.leading if which == "walk" else pivots.following, state.white)
    if place is None:
        return None
    outcome = steps[which](state.statistics, pivots, place, rng)
    return replace(state, white=outcome.place.white), outcome.accepted


def _change_design(
    prior: SmallPrior,
    publication: SmallPublication,
    state: _State,
    pivots: Pivots,
    rng: np.random.Generator,
) -> tuple[_State, bool] | None:
    """Take a step that leads to another design."""
    change = propose_design(state.world.frame, rng)
    whitening = state.statistics.whitening
    p = whitening.n_coefficients
    worlds = [lay_out_world(prior, frame, PRINTED_MODELS) for frame in (change.before, change.after)]
    before, after = (
        SmallStatistics(world, publication, Whitening(world.layout, whitening.covariances)).warm(
            state.statistics
        )
        for world in worlds
    )
    y = whitening.colour(state.white)[change.rows]
    place = place_at(before, pivots, before.whitening.whiten(state.white[:p], y))
    if place is None:
        return None
    order = np.concatenate([np.arange(p), p + change.carry])
    outcome = take_step(
        Reordered(before, order),
        pivots,
        place.reorder(order),
        rng,
        angle=_DESIGN_ANGLE,
        moved=3.0,
        onto=after,
    )
    if not outcome.accepted:
        return state, False
    return _State(world=worlds[1], statistics=after, white=outcome.place.white), True


class _Flat:
    """Steps that ignore the model's covariance: one of the deliberate faults."""

    n_coefficients = 0

    def __init__(self, layout: Layout, x: Floats) -> None:
        self.layout, self.x = layout, x

    def colour(self, white: Floats) -> Floats:
        """Scores."""
        return self.x + white

    def pull_back(self, jacobian: Floats) -> Floats:
        """Return derivatives as they are."""
        return jacobian


def _project(state: _State, rng: np.random.Generator, *, flat: bool) -> Floats | None:
    """Move a free draw to what is printed: to the nearest ends, or to values inside by the shortest step in scores."""
    statistics = state.statistics
    free = rng.standard_normal(state.world.size)
    if not flat:
        white, miss = find_start(statistics, free, rng)
        return None if np.any(miss) else statistics.whitening.colour(white)
    x = statistics.whitening.colour(free)
    statistics.whitening = cast(Whitening, _Flat(state.world.layout, x))
    white, miss = find_start(statistics, np.zeros(len(x)), rng)
    if np.any(miss):
        return None
    _, gradient = statistics.differentiate(white)
    pivots = choose_pivots(gradient, statistics.low, statistics.high)
    place = place_at(statistics, pivots, white)
    if place is None:
        return None
    low, high = statistics.low[pivots.index], statistics.high[pivots.index]
    wanted = redraw_pivots(place.value[pivots.index], low, high, pivots.reach, rng, moved=0.0)
    reached = lead_back(statistics, pivots, place, white, wanted)
    return None if reached is None else statistics.whitening.colour(reached)
