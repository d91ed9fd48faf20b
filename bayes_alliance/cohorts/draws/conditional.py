r"""One draw of the scores given everything printed, the design and what the covariances are learnt to be.

Scores are drawn from the joint model and moved by shortest steps until everything printed holds
(:mod:`bayes_alliance.cohorts.draws.start`); the covariances are then drawn given these scores, and new scores given
those: data augmentation, begun at the covariances that fit the printed standard errors. Shortest steps end at the near
end of an interval, so the part of the scores that the printed statistics see is drawn anew from its normal law
restricted to what is printed, to first order (:mod:`bayes_alliance.cohorts.draws.truncated`), and shortest steps make
up for the curvature until every rounded number is near the value drawn for it. For linear statistics the draw is
exact; what is left of the curvature is for the exact steps that follow to mend
(:mod:`bayes_alliance.cohorts.draws.exact_steps`), so few turns do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from bayes_alliance.cohorts.draws.exact_steps import APART
from bayes_alliance.cohorts.draws.growth import (
    CovariancePrior,
    Covariances,
    Floats,
    Layout,
    White,
    Whitening,
    draw_coefficients,
    draw_covariances,
)
from bayes_alliance.cohorts.draws.moves import Statistics
from bayes_alliance.cohorts.draws.start import find_start, pull_inside
from bayes_alliance.cohorts.draws.statistics import CohortStatistics, Link, OutcomePart
from bayes_alliance.cohorts.draws.truncated import draw_in_box
from bayes_alliance.cohorts.solver.free_moves import is_rounded
from bayes_alliance.cohorts.solver.sensitivity import differentiate_fit
from bayes_alliance.cohorts.solver.targets import Target
from bayes_alliance.inference.fits import weight_vector

# The first level and slope of each outcome are drawn nearer to their prior means: what is printed of all patients
# decides them, and scores that begin far beyond an end of their scale do not come back. Effects are drawn from
# their whole prior: of those that nothing printed bears on, one turn forgets little.
_START_SHARE = 0.3
_ROUNDS = 2
_LEAST_ROUNDS = 1
# How far outside its interval, in its SDs under the model, a statistic may stay until the last step.
_SLACK = 0.05
_SHARES = (1.0, 0.5, 0.25)
_LAST_STEPS = 5
_SWEEPS = 100
_PATIENCE = 3
# How far inside its interval a statistic starts on its way to the draw, as a share of the interval and in its SDs, and
# how much that may cost.
_INSET = 0.1
_ROOM = 0.01
_RIDGE = 0.01
_MENDS = 4
# How near to the value drawn for it a rounded number is brought, as a share of its interval, and in how many rounds of
# four steps; numbers with intervals below a share of their SD are left to the walk on the grid.
_NEAR = 0.1
_AIMED = 2
_NARROW = 0.05


class StudyStatistics(CohortStatistics):
    """Everything printed of a cohort, orders between outcomes included."""

    def __init__(
        self, parts: Sequence[OutcomePart], link: Link, whitening: White, orders: Sequence[Target] = ()
    ) -> None:
        super().__init__(parts, link, whitening)
        place = {name: k for k, part in enumerate(self.parts) for name in part.problem.models}
        self.orders = [
            (order, place[order.model], place[order.other])
            for order in orders
            if order.model in place and order.other in place
        ]

    def of_scores(self, recorded: Floats, slope: Floats | None = None) -> tuple[Floats, Floats]:
        """As for :class:`CohortStatistics`, with one more line for each order."""
        values, jacobian = super().of_scores(recorded)
        for order, mine, other in self.orders:
            size, row = self._size(mine, order.model, order.weights, len(recorded))
            others_size, others_row = self._size(other, order.other, order.other_weights, len(recorded))
            # Apart by the slack that the steps leave, so that nothing after them turns an order round.
            values = np.append(values, size - APART * others_size)
            row = row - APART * others_row
            values[-1] += 1.5 * _SLACK * float(np.linalg.norm(self.whitening.pull_back(row[None])))
            jacobian = np.vstack([jacobian, row])
        n = len(self.orders)
        self.low = np.append(self.low, [order.low for order, _, _ in self.orders])
        self.high = np.append(self.high, [order.high for order, _, _ in self.orders])
        self.scale = np.append(self.scale, np.full(n, 1.0))
        self.label += tuple(f"{order.place} ({order.said}): {order.kind}" for order, _, _ in self.orders)
        return values, jacobian if slope is None else jacobian * slope

    def value(self, white: Floats) -> Floats:
        """Values at a white vector."""
        recorded, _ = self.link.record(self.whitening.colour(white))
        return self.of_scores(recorded)[0]

    def _size(
        self, part: int, name: str, weights: tuple[tuple[str, float], ...], n: int
    ) -> tuple[float, Floats]:
        """Size of an estimate and its derivative by all scores, from the fits made last."""
        model, fit = self.parts[part].problem.models[name], self.evaluators[part].fits[name]
        vector = weight_vector(model.blocks.design.x_names, weights)
        estimate = float(vector @ fit.beta)
        row = np.zeros(n)
        row[self.parts[part].index[model.rows]] = np.sign(estimate) * (
            vector @ differentiate_fit(model.blocks, fit).beta
        )
        return abs(estimate), row


@dataclass(frozen=True, kw_only=True)
class ConditionalDraw:
    """Scores drawn given print.

    Parameters
    ----------
    recorded : ndarray, shape (n,)
        Scores inside their ranges, not yet on the grid.
    missed : tuple of str
        Printed statistics that they do not meet.
    covariances : Covariances
        That they were drawn with.
    length : float
        Mean square of the white vector: about 1 for scores that are typical of the model.
    """

    recorded: Floats
    missed: tuple[str, ...]
    covariances: Covariances
    length: float


def draw_given_print(
    layout: Layout,
    link: Link,
    parts: Sequence[OutcomePart],
    orders: Sequence[Target],
    prior: CovariancePrior,
    start: Covariances,
    rng: np.random.Generator,
) -> ConditionalDraw:
    """Draw scores given everything printed.

    Parameters
    ----------
    layout, link, parts
        The model's scores, their ranges, and what is printed of each outcome.
    orders : sequence of Target
        Orders between outcomes.
    prior, start : CovariancePrior, Covariances
        Prior of the covariances, and where their chain starts.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ConditionalDraw
    """
    whitening = Whitening(layout, start)
    # That no fit is degenerate is asked last: far from what is printed fits are, and steps would not lead out of it.
    loose = [replace(part, problem=replace(part.problem, inner=())) for part in parts]
    statistics = StudyStatistics(loose, link, whitening, orders)
    n_coefficients = whitening.n_coefficients
    size = n_coefficients + len(layout.patient)
    white = rng.standard_normal(size)
    white[:n_coefficients][layout.is_growth] *= _START_SHARE
    for turn in range(1, _ROUNDS + 1):
        white, miss = find_start(statistics, white, rng, slack=_SLACK, patience=_PATIENCE)
        if turn >= _LEAST_ROUNDS and not np.any(miss):
            break
        if turn < _ROUNDS:
            latent = whitening.colour(white)
            gamma = draw_coefficients(whitening, latent, rng)
            whitening = Whitening(layout, draw_covariances(whitening, prior, gamma, latent, rng))
            statistics.whitening = whitening
            white = np.concatenate([gamma, rng.standard_normal(size - n_coefficients)])
    if not np.any(miss):
        white = draw_targets(statistics, white, rng)
    statistics = StudyStatistics(parts, link, whitening, orders)
    white, miss = find_start(statistics, white, rng, rounds=_LAST_STEPS, patience=_PATIENCE, stages=())
    recorded, _ = link.record(whitening.colour(white))
    return ConditionalDraw(
        recorded=recorded,
        missed=tuple(statistics.label[i] for i in np.flatnonzero(miss)),
        covariances=whitening.covariances,
        length=float(np.mean(white**2)),
    )


def draw_targets(statistics: ScaledStatistics, white: Floats, rng: np.random.Generator) -> Floats:
    """Draw the part of a white vector that the statistics see anew, restricted to what is printed.

    Parameters
    ----------
    statistics : ScaledStatistics
        What is printed.
    white : ndarray
        Meets it, but for a little slack.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray
        The old one where no share of the way to the draw could be gone.
    """
    value, gradient = statistics.differentiate(white)
    inside, low, high = _step_inside(value, gradient, statistics.low, statistics.high)
    # Linear at this place, the statistics of a standard normal vector have this mean.
    mean = value - gradient @ white
    drawn, change = draw_in_box(value + gradient @ inside, mean, gradient, low, high, rng, sweeps=_SWEEPS)
    wide = high - low > _NARROW * np.linalg.norm(gradient, axis=1)
    for share in _SHARES:
        moved = white + share * (inside + change)
        moved, miss = find_start(
            statistics, moved, rng, slack=_SLACK, rounds=_MENDS, patience=_PATIENCE, stages=()
        )
        if not np.any(miss):
            aimed = Aimed(statistics, np.where(wide, value + share * (drawn - value), np.nan))
            moved, _ = find_start(aimed, moved, rng, rounds=_AIMED, patience=_PATIENCE, stages=())
            return moved
    return white


def _step_inside(value: Floats, gradient: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats, Floats]:
    """Shortest step of the vector that leads inside a box, to first order, and the box, wider where that is outside.

    No side of the box is nearer to where the step ends than a hundredth of the statistic's SD: from a corner, which has
    no room in most directions, sampling would not come away.
    """
    sd = np.maximum(np.linalg.norm(gradient, axis=1), 1e-12)
    scaled = gradient / sd[:, None]
    room = np.minimum(_ROOM, _INSET * np.where(np.isfinite(high - low), (high - low) / sd, np.inf))
    weights = pull_inside(scaled @ scaled.T, (low - value) / sd + room, (high - value) / sd - room, _RIDGE)
    step = scaled.T @ weights
    reached = value + gradient @ step
    return step, np.minimum(low, reached - _ROOM * sd), np.maximum(high, reached + _ROOM * sd)


class ScaledStatistics(Statistics, Protocol):
    """Printed statistics with the scale that tells a rounded number from a bounded one."""

    @property
    def scale(self) -> Floats:
        """Half the interval of a rounded number, shape (m,)."""
        ...


class Aimed:
    """Statistics of which some that are printed as rounded are asked to be near values drawn for them.

    Parameters
    ----------
    statistics : ScaledStatistics
        What is printed.
    aim : ndarray, shape (m,)
        The values; NaN for those that may lie anywhere in their intervals.
    """

    def __init__(self, statistics: ScaledStatistics, aim: Floats) -> None:
        self.statistics = statistics
        self.aim = aim
        self.low, self.high = statistics.low, statistics.high

    def value(self, white: Floats) -> Floats:
        """Values at a white vector."""
        return self.statistics.value(white)

    def differentiate(self, white: Floats) -> tuple[Floats, Floats]:
        """Values and derivatives at a white vector."""
        found = self.statistics.differentiate(white)
        low, high = self.statistics.low, self.statistics.high
        rounded = is_rounded(low, high, self.statistics.scale) & np.isfinite(self.aim)
        near = np.where(rounded, _NEAR * (high - low), np.inf)
        aim = np.where(rounded, np.clip(self.aim, low, high), 0.0)
        self.low, self.high = np.maximum(low, aim - near), np.minimum(high, aim + near)
        return found
