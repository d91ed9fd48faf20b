"""Exact steps of one outcome given the others: against draws of which those are kept that print the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bayes_alliance.cohorts.draws import exact_steps
from bayes_alliance.cohorts.draws.exact_steps import APART, ExactWalk, OutcomeStatistics
from bayes_alliance.cohorts.draws.growth import CovariancePrior, Covariances, Floats, Layout, Whitening
from bayes_alliance.cohorts.draws.statistics import Link, OutcomePart
from bayes_alliance.cohorts.solver.demands import Moment, Problem
from bayes_alliance.dev.small_publications import (
    PRINTED_MODELS,
    PRIOR,
    draw_design,
    lay_out_world,
    make_problem,
    make_target,
)

PATIENTS, VISITS, OUTCOMES = 3, 2, 2
N = PATIENTS * VISITS * OUTCOMES
COVARIANCES = Covariances(
    effects=np.array(
        [[0.5, -0.1, 0.3, 0.0], [-0.1, 0.3, 0.0, 0.1], [0.3, 0.0, 0.6, -0.1], [0.0, 0.1, -0.1, 0.2]]
    ),
    residuals=np.array([[0.4, 0.2], [0.2, 0.5]]),
)
# Of the mean and the SD of each outcome: wide enough for rejection, narrow enough that both bend inside.
BOXES = (((0.3, 0.8), (0.6, 0.9)), ((-0.2, 0.4), (1.0, 1.6)))


def make_layout() -> Layout:
    outcome = np.tile(np.arange(OUTCOMES), PATIENTS * VISITS)
    return Layout(
        patient=np.repeat(np.arange(PATIENTS), VISITS * OUTCOMES),
        visit=np.repeat(np.arange(PATIENTS * VISITS), OUTCOMES),
        outcome=outcome,
        time=np.tile(np.repeat([0.0, 1.0], OUTCOMES), PATIENTS),
        centre=np.zeros(N),
        columns=np.eye(OUTCOMES)[outcome],
        column_sd=np.array([0.5, 0.7]),
        n_outcomes=OUTCOMES,
    )


def make_walk(coefficients: Floats, latent: Floats) -> ExactWalk:
    layout, free = make_layout(), np.full(N, np.inf)
    parts = []
    for number, (mean, sd) in enumerate(BOXES):
        index = np.flatnonzero(layout.outcome == number)
        moment = Moment(rows=np.arange(len(index)), mean=mean, sd=sd, said="", place="")
        ends = np.full(len(index), np.inf)
        problem = Problem(
            outcome=str(number),
            models={},
            targets=(),
            moments=(moment,),
            lower=-ends,
            upper=ends,
            origin=0.0,
            step=1.0,
        )
        parts.append(OutcomePart(problem=problem, index=index))
    return ExactWalk(
        layout,
        Link(lower=-free, upper=free, lower_bend=np.zeros(N), upper_bend=np.zeros(N)),
        parts,
        (),
        CovariancePrior(
            effects=COVARIANCES.effects, residuals=COVARIANCES.residuals, effects_df=5.0, residuals_df=5.0
        ),
        Whitening(layout, COVARIANCES),
        coefficients.copy(),
        latent.copy(),
    )


def draw_free(n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw coefficients and scores of the joint model, without anything printed."""
    whitening = Whitening(make_layout(), COVARIANCES)
    white = rng.standard_normal((n, N + OUTCOMES))
    origin = whitening.colour(np.zeros(N + OUTCOMES))
    gains = np.array([whitening.colour(one) - origin for one in np.eye(N + OUTCOMES)])
    return white[:, :OUTCOMES], origin + white @ gains


def is_printed(scores: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    kept = np.ones(len(scores), dtype=bool)
    for number, (mean, sd) in enumerate(BOXES):
        own = scores[:, number::OUTCOMES]
        m, s = own.mean(axis=1), own.std(axis=1, ddof=1)
        kept &= (m >= mean[0]) & (m <= mean[1]) & (s >= sd[0]) & (s <= sd[1])
    return kept


def measure(coefficients: Floats, scores: Floats) -> Floats:
    """Coefficients, means and SDs, a square within patients, and what ties the outcomes together."""
    one, other = scores[:, ::OUTCOMES], scores[:, 1::OUTCOMES]
    return np.column_stack(
        [
            coefficients,
            *(fn(y) for y in (one, other) for fn in (lambda y: y.mean(1), lambda y: y.std(1, ddof=1))),
            (one[:, 0] - one[:, 1]) ** 2,
            (other[:, 2] - other[:, 3]) ** 2,
            (one * other).mean(1),
        ]
    )


def test_one_outcome_given_the_others_has_the_conditional_law() -> None:
    rng = np.random.default_rng(3)
    whitening = Whitening(make_layout(), COVARIANCES)
    (coefficients,), (latent,) = draw_free(1, rng)
    chosen = np.flatnonzero(make_layout().outcome == 1)
    other = np.flatnonzero(make_layout().outcome == 0)
    own, columns = whitening.given_others(chosen, latent, coefficients)
    assert columns.tolist() == [1]
    root = np.zeros((N, N))
    for block, part in zip(whitening.blocks, whitening.roots, strict=True):
        root[block, block] = part
    v = root @ root.T
    weights = np.linalg.solve(v[np.ix_(other, other)], v[np.ix_(other, chosen)]).T
    mean = weights @ (latent - whitening.scaled @ coefficients)[other]
    gain = np.array([own.colour(one) for one in np.eye(1 + len(chosen))]) - own.colour(
        np.zeros(1 + len(chosen))
    )
    np.testing.assert_allclose(own.colour(np.zeros(1 + len(chosen))), mean, atol=1e-12)
    np.testing.assert_allclose(gain[0], 0.7, atol=1e-12)
    np.testing.assert_allclose(
        gain[1:].T @ gain[1:], v[np.ix_(chosen, chosen)] - weights @ v[np.ix_(other, chosen)], atol=1e-12
    )
    back = own.whiten(coefficients[columns], latent[chosen])
    np.testing.assert_allclose(own.colour(back), latent[chosen], atol=1e-12)


def test_walk_visits_data_sets_as_often_as_rejection_draws_them() -> None:
    """Batches of a long walk against draws of the joint model, of which those are kept that print the same."""
    rng = np.random.default_rng(6)
    coefficients, scores = draw_free(300_000, rng)
    kept = is_printed(scores)
    assert kept.sum() > 1500
    wanted = measure(coefficients[kept], scores[kept])
    walk = make_walk(coefficients[kept][0], scores[kept][0])
    batches = []
    for _ in range(24):
        visited = []
        for _ in range(40):
            for number in range(OUTCOMES):
                walk.walk(number, rng)
            visited.append(np.concatenate([walk.coefficients, walk.latent]))
        found = np.array(visited)
        assert np.all(is_printed(found[:, OUTCOMES:]))
        batches.append(measure(found[:, :OUTCOMES], found[:, OUTCOMES:]).mean(axis=0))
    means = np.array(batches)
    error = np.sqrt(means.var(axis=0, ddof=1) / len(means) + wanted.var(axis=0) / len(wanted))
    distance = np.abs(means.mean(axis=0) - wanted.mean(axis=0)) / error
    assert np.max(distance) < 4.0, distance.round(1)
    taken = walk.steps["turn accepted"] + walk.steps["redraw accepted"]
    assert taken > 0.3 * sum(walk.steps.values())


def test_an_outcome_begins_anew_where_everything_printed_holds() -> None:
    rng = np.random.default_rng(8)
    (coefficients,), (latent,) = draw_free(1, rng)
    walk = make_walk(coefficients, latent)
    before = walk.latent.copy()
    walk.begin(1, rng)
    assert walk.is_inside(1)
    mine = make_layout().outcome == 1
    assert np.all(walk.latent[~mine] == before[~mine])
    assert not np.any(walk.latent[mine] == before[mine])


@pytest.mark.parametrize("side", ["mine", "other's"])
def test_an_order_is_held_with_its_derivatives(side: str) -> None:
    """The estimate of another outcome does not move; that of this one does."""
    rng = np.random.default_rng(2)
    world = lay_out_world(PRIOR, draw_design(PRIOR, rng, 300), PRINTED_MODELS)
    n = len(world.frame)
    weights = (("time:group", 1.0),)
    names = ("group", "elsewhere") if side == "mine" else ("elsewhere", "group")
    order = replace(
        make_target(names[0], "estimate", weights, -np.inf, 0.0),
        kind="less_estimate",
        other=names[1],
        other_weights=weights,
    )
    free = np.full(n, np.inf)
    link = Link(lower=-free, upper=free, lower_bend=np.zeros(n), upper_bend=np.zeros(n))
    target = make_target("group", "estimate", weights, -1.0, 1.0)
    part = OutcomePart(problem=make_problem(world, [target], ()), index=np.arange(n))
    statistics = OutcomeStatistics(part, link, [order])
    statistics.held = (0.3,)
    whitening = Whitening(world.layout, PRIOR.covariance.draw(rng))
    statistics.whitening = whitening
    white = rng.standard_normal(world.size)
    value, gradient = statistics.differentiate(white)
    size = statistics.size("group", weights)
    assert value[-1] == pytest.approx(size - APART * 0.3 if side == "mine" else 0.3 - APART * size)
    assert (statistics.low[-1], statistics.high[-1]) == (-np.inf, 0.0)
    for entry in rng.choice(world.size, 5, replace=False):
        step = 1e-3 * np.eye(world.size)[entry]
        slope = (statistics.value(white + step)[-1] - statistics.value(white - step)[-1]) / 2e-3
        assert gradient[-1, entry] == pytest.approx(slope, rel=2e-3, abs=1e-6)


def test_pivots_are_what_has_least_room() -> None:
    """Of two numbers that are nearly one, that is steered which lies near an end; the other follows."""
    gradient = np.array([[1.0, 0.0, 0.0], [1.0, 0.01, 0.0], [0.0, 0.0, 1.0]])

    class Boxes:
        low, high = np.array([-9.0, -1.0, -50.0]), np.array([9.0, 1e-3, 50.0])

    pivots = exact_steps._choose(np.zeros(3), gradient, Boxes())
    assert pivots.index.tolist() == [1]


def test_after_steps_fits_are_those_of_the_scores_that_stand() -> None:
    """What other outcomes are held to: the way back of an accepted step, evaluated last, is not it."""
    rng = np.random.default_rng(7)
    world = lay_out_world(PRIOR, draw_design(PRIOR, rng, 300), PRINTED_MODELS)
    n, weights = len(world.frame), (("time:group", 1.0),)
    free = np.full(n, np.inf)
    link = Link(lower=-free, upper=free, lower_bend=np.zeros(n), upper_bend=np.zeros(n))
    problem = make_problem(world, [make_target("group", "estimate", weights, -9.0, 9.0)], ())
    part = OutcomePart(problem=problem, index=np.arange(n))
    whitening = Whitening(world.layout, PRIOR.covariance.draw(rng))
    white = rng.standard_normal(world.size)
    p = whitening.n_coefficients
    walk = ExactWalk(
        world.layout, link, [part], (), PRIOR.covariance, whitening, white[:p], whitening.colour(white)
    )
    walk.walk(0, rng)
    assert walk.steps["turn accepted"] + walk.steps["redraw accepted"] > 0
    statistics = OutcomeStatistics(part, link, ())
    statistics.of_scores(walk.recorded)
    assert walk._outcomes[0].size("group", weights) == pytest.approx(
        statistics.size("group", weights), rel=1e-6
    )
