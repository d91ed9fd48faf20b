r"""Exact steps among the scores that print everything, one outcome at a time, at the size of a whole study.

Where scores are moved to what is printed they follow the law that they came from only to first order: numbers that
bend, as SDs and AICs do, keep a trace of the side they came from, and variances fall a little. So the scores go on from
there by Metropolis steps that are exact (:mod:`bayes_alliance.cohorts.draws.moves`). Given the scores of the other
outcomes those of one are normal again, and its printed numbers are few enough that most steps are accepted. In between,
coefficients and covariances are drawn given all scores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayes_alliance.cohorts.draws.growth import (
    CovariancePrior,
    Floats,
    Layout,
    White,
    Whitening,
    draw_coefficients,
    draw_covariances,
)
from bayes_alliance.cohorts.draws.moves import (
    Outcome,
    Pivots,
    Place,
    choose_pivots,
    place_at,
    redraw_pivots,
    take_step,
)
from bayes_alliance.cohorts.draws.start import find_start
from bayes_alliance.cohorts.draws.statistics import (
    CohortStatistics,
    Link,
    OutcomePart,
    SignedEvaluator,
    outside,
)
from bayes_alliance.cohorts.solver.demands import Problem
from bayes_alliance.cohorts.solver.sensitivity import differentiate_fit
from bayes_alliance.cohorts.solver.targets import Target
from bayes_alliance.inference.fits import weight_vector

# An estimate that is said to be smaller than another is so by a twentieth: the grid moves both a little.
APART = 0.95
# As for :func:`bayes_alliance.cohorts.draws.moves.choose_pivots`.
_PIVOTS_APART = 0.08
_PIVOTS_MOST = 4.0
# Of a turn, one at random: short ones are accepted, long ones lead far. Pivots drawn anew in one step, likewise.
_TURNS = (0.15, 0.5)
_REDRAW_ANGLE = 0.25
_TOGETHER = (1, 3)
# The steps of one outcome between two draws of the covariances.
_CYCLE = ("redraw", "turn", "redraw", "turn", "redraw")
# Of the start of an outcome: first level and slope near their prior means, as for all outcomes together.
_START_SHARE = 0.3
_PATIENCE = 3


class OutcomeStatistics(CohortStatistics):
    """What is printed of one outcome, and orders between its estimates and those of other outcomes.

    Parameters
    ----------
    part : OutcomePart
        The outcome.
    link : Link
        Of all outcomes' scores.
    orders : sequence of Target
        Those that compare one of its models with another's.
    """

    def __init__(self, part: OutcomePart, link: Link, orders: Sequence[Target]) -> None:
        own = replace(part, index=np.arange(len(part.index)))
        super().__init__([own], link.of(part.index), White(np.empty(0), np.empty((0, 0)), [], []))
        self.orders = tuple(orders)
        self.held: tuple[float, ...] = ()

    def value(self, white: Floats) -> Floats:
        """Values at a white vector."""
        return np.append(super().value(white), self._apart())

    def of_scores(self, recorded: Floats, slope: Floats | None = None) -> tuple[Floats, Floats]:
        """As for :class:`CohortStatistics`, with one more line for each order."""
        values, jacobian = super().of_scores(recorded)
        rows = [self._slopes(order, len(recorded)) for order in self.orders]
        self.low = np.append(self.low, [order.low for order in self.orders])
        self.high = np.append(self.high, [order.high for order in self.orders])
        self.scale = np.append(self.scale, np.ones(len(rows)))
        self.label += tuple(f"{order.place} ({order.said}): {order.kind}" for order in self.orders)
        jacobian = np.vstack([jacobian, *rows])
        return np.append(values, self._apart()), jacobian if slope is None else jacobian * slope

    def has(self, model: str) -> bool:
        """Whether a model is one of the outcome."""
        return model in self.parts[0].problem.models

    def size(self, model: str, weights: tuple[tuple[str, float], ...]) -> float:
        """Size of an estimate in the fits made last."""
        names = self.parts[0].problem.models[model].blocks.design.x_names
        return abs(float(weight_vector(names, weights) @ self.evaluators[0].fits[model].beta))

    def _slopes(self, order: Target, n: int) -> Floats:
        """Return the derivatives of an order's line by the scores."""
        if self.has(order.model):
            factor, name, weights = 1.0, order.model, order.weights
        else:
            factor, name, weights = -APART, order.other, order.other_weights
        model, fit = self.parts[0].problem.models[name], self.evaluators[0].fits[name]
        vector = weight_vector(model.blocks.design.x_names, weights)
        row = np.zeros(n)
        sign = np.sign(float(vector @ fit.beta))
        row[model.rows] = factor * sign * (vector @ differentiate_fit(model.blocks, fit).beta)
        return row

    def _apart(self) -> Floats:
        return np.array(
            [
                self.size(order.model, order.weights) - APART * held
                if self.has(order.model)
                else held - APART * self.size(order.other, order.other_weights)
                for order, held in zip(self.orders, self.held, strict=True)
            ],
            dtype=float,
        )


def _compares(order: Target, problem: Problem) -> bool:
    """Whether an order compares one of an outcome's models with another outcome's."""
    return (order.model in problem.models) != (order.other in problem.models)


def _choose(value: Floats, gradient: Floats, statistics: OutcomeStatistics) -> Pivots:
    """Choose the pivots: what has least room to its nearer end comes first, for all else stays inside by itself."""
    room = np.minimum(value - statistics.low, statistics.high - value)
    # A number on its end at the start still needs an order among the others.
    room = np.maximum(room, 1e-9 * np.linalg.norm(gradient, axis=1))
    low, high = value - room, value + room
    chosen = choose_pivots(gradient, low, high, least=_PIVOTS_APART, most=_PIVOTS_MOST)
    # Where all have room, one has to be steered all the same.
    return chosen if len(chosen.index) else choose_pivots(gradient, low, high, least=_PIVOTS_APART)


def _take(
    kind: str, statistics: OutcomeStatistics, pivots: Pivots, place: Place, rng: np.random.Generator
) -> Outcome:
    """Turn all that the pivots leave free; ``redraw`` draws a few of these anew, too."""
    together = int(rng.choice(_TOGETHER)) if kind == "redraw" else 0

    def redraw(old: Floats, low: Floats, high: Floats, reach: Floats, rng: np.random.Generator) -> Floats:
        some = rng.permutation(len(old))[:together]
        found = old.copy()
        found[some] = redraw_pivots(old, low, high, reach, rng, moved=float(len(old)))[some]
        return found

    angle = _REDRAW_ANGLE if kind == "redraw" else float(rng.choice(_TURNS))
    return take_step(statistics, pivots, place, rng, angle=angle, redraw=redraw)


@dataclass
class ExactWalk:
    """Scores of all outcomes that walk among those that print everything.

    Parameters
    ----------
    layout, link, parts
        The model's scores, their ranges, and what is printed of each outcome.
    orders : sequence of Target
        Orders between outcomes.
    prior : CovariancePrior
        Of both covariances.
    whitening : Whitening
        Covariances that the scores were drawn with; replaced as they are drawn anew.
    coefficients : ndarray, shape (p,)
        In prior SDs.
    latent : ndarray, shape (n,)
        Scores, not bent into their ranges, that meet everything printed.
    """

    layout: Layout
    link: Link
    parts: Sequence[OutcomePart]
    orders: Sequence[Target]
    prior: CovariancePrior
    whitening: Whitening
    coefficients: Floats
    latent: Floats

    def __post_init__(self) -> None:
        self.steps: Counter[str] = Counter()
        self._pivots: dict[int, Pivots] = {}
        self._outcomes = [
            OutcomeStatistics(
                part, self.link, [order for order in self.orders if _compares(order, part.problem)]
            )
            for part in self.parts
        ]
        recorded, _ = self.link.record(self.latent)
        for part, statistics in zip(self.parts, self._outcomes, strict=True):
            statistics.evaluators[0](recorded[part.index])

    @property
    def recorded(self) -> Floats:
        """Scores inside their ranges, shape (n,)."""
        return self.link.record(self.latent)[0]

    def sweep(self, rng: np.random.Generator) -> None:
        """Take steps with each outcome, then draw coefficients and covariances given the scores."""
        for number in range(len(self.parts)):
            self.walk(number, rng)
        self.coefficients = draw_coefficients(self.whitening, self.latent, rng)
        covariances = draw_covariances(self.whitening, self.prior, self.coefficients, self.latent, rng)
        self.whitening = Whitening(self.layout, covariances)

    def is_inside(self, number: int) -> bool:
        """Whether everything printed of an outcome holds, orders between it and the others included."""
        statistics, index = self._outcomes[number], self.parts[number].index
        statistics.held = tuple(self._hold(order, statistics) for order in statistics.orders)
        values, _ = statistics.of_scores(self.recorded[index])
        return not np.any(outside(values, statistics.low, statistics.high))

    def walk(self, number: int, rng: np.random.Generator) -> None:
        """Take steps with one outcome."""
        statistics, index = self._outcomes[number], self.parts[number].index
        statistics.held = tuple(self._hold(order, statistics) for order in statistics.orders)
        own, columns = self.whitening.given_others(index, self.latent, self.coefficients)
        statistics.whitening = own
        white = own.whiten(self.coefficients[columns], self.latent[index])
        (evaluate,) = statistics.evaluators
        if number not in self._pivots:
            value, gradient = statistics.differentiate(white)
            self._pivots[number] = _choose(value, gradient, statistics)
        pivots = self._pivots[number]
        if not len(pivots.index):
            # Nothing is printed of the outcome: its scores are as they were drawn.
            return
        place = place_at(statistics, pivots, white)
        if place is None:
            self.steps["dependent"] += 1
            return
        for kind in _CYCLE:
            fits = dict(evaluate.fits)
            outcome = _take(kind, statistics, pivots, place, rng)
            self.steps[f"{kind} {outcome.reason or 'accepted'}"] += 1
            place = outcome.place
            if not outcome.accepted:
                evaluate.fits = fits
        # The way back of an accepted step is evaluated last: orders that others are held to rest on the fits here.
        statistics.value(place.white)
        self.latent[index] = own.colour(place.white)
        self.coefficients[columns] = place.white[: len(columns)]

    def begin(self, number: int, rng: np.random.Generator) -> None:
        """Draw the scores of one outcome anew, given the others, and move them to what is printed of it."""
        index, statistics = self.parts[number].index, self._outcomes[number]
        statistics.held = tuple(self._hold(order, statistics) for order in statistics.orders)
        own, columns = self.whitening.given_others(index, self.latent, self.coefficients)
        statistics.whitening = own
        white = rng.standard_normal(own.n_coefficients + len(index))
        white[: len(columns)][self.layout.is_growth[columns]] *= _START_SHARE
        white, _ = find_start(statistics, white, rng, patience=_PATIENCE)
        self.coefficients[columns] = white[: len(columns)]
        self.put(number, self.link.of(index).record(own.colour(white))[0])

    def put(self, number: int, recorded: Floats) -> None:
        """Take over scores of one outcome."""
        index = self.parts[number].index
        self.latent[index], _ = self.link.unrecord(recorded, index)
        statistics = self._outcomes[number]
        # Signs that the publication leaves open are those of these scores now, and fits start afresh.
        statistics.evaluators = [SignedEvaluator(statistics.parts[0].problem)]
        statistics.evaluators[0](recorded)

    def _hold(self, order: Target, mine: OutcomeStatistics) -> float:
        """Size of the estimate that an order compares with one of this outcome's."""
        if mine.has(order.model):
            other = next(s for s in self._outcomes if s.has(order.other))
            return other.size(order.other, order.other_weights)
        other = next(s for s in self._outcomes if s.has(order.model))
        return other.size(order.model, order.weights)
