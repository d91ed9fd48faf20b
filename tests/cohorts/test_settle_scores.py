"""Scores from anywhere end on their grid with everything printed, and what cannot be met is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bayes_alliance.cohorts import settle_scores as settle_scores_module
from bayes_alliance.cohorts.draws.conditional import ConditionalDraw
from bayes_alliance.cohorts.draws.growth import Whitening
from bayes_alliance.cohorts.draws.statistics import Link, OutcomePart
from bayes_alliance.cohorts.settle_scores import Settled, settle_scores
from bayes_alliance.cohorts.solver.demands import Evaluator, Moment, Problem
from bayes_alliance.dev.full_size_draws import GRID, state_targets
from bayes_alliance.dev.small_publications import (
    PRINTED_MODELS,
    PRIOR,
    draw_design,
    lay_out_world,
    make_problem,
    publish,
    read_numbers,
)


def settle(*, shift: float, mean: tuple[float, float] | None = None) -> tuple[Problem, Settled]:
    """Print scores of a design, move them away, and settle them."""
    rng = np.random.default_rng([4, 2])
    frame = draw_design(PRIOR, rng)
    world = lay_out_world(PRIOR, frame)
    covariances = PRIOR.covariance.draw(rng)
    whitening = Whitening(world.layout, covariances)
    y = GRID * np.round(whitening.colour(rng.standard_normal(world.size)) / GRID)
    publication = publish(read_numbers(world, y), len(y))
    printed = lay_out_world(PRIOR, frame, PRINTED_MODELS)
    n = len(frame)
    moment = Moment(
        rows=np.arange(n),
        mean=mean or publication.intervals["mean"],
        sd=publication.intervals["sd"],
        said="",
        place="scores",
    )
    problem = replace(
        make_problem(printed, state_targets(publication), (moment,)), step=GRID, inner=PRINTED_MODELS
    )
    free = np.full(n, np.inf)
    link = Link(lower=-free, upper=free, lower_bend=np.zeros(n), upper_bend=np.zeros(n))
    part = OutcomePart(problem=problem, index=np.arange(n))
    away = y + shift * rng.standard_normal(n)
    draw = ConditionalDraw(recorded=away, missed=(), covariances=covariances, length=1.0)
    return problem, settle_scores(printed.layout, link, [part], (), PRIOR.covariance, draw, rng)


@pytest.mark.parametrize("shift", [0.05, 2.0])
def test_scores_end_on_the_grid_with_everything_printed(shift: float) -> None:
    """Near what is printed, and from where least squares do not lead back: there scores are drawn anew."""
    problem, settled = settle(shift=shift)
    assert settled.is_met and [name for name, _ in settled.solutions] == [problem.outcome]
    state = Evaluator(problem)(settled.recorded)
    assert not np.any(state.violation(state.value, 0.0))
    np.testing.assert_allclose(settled.recorded, GRID * np.round(settled.recorded / GRID), atol=1e-9)


def test_what_cannot_be_met_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mean far from the printed intercept and slope: the outcome is given up, and says what it misses."""
    monkeypatch.setattr(settle_scores_module, "_BEGINNINGS", 1)
    problem, settled = settle(shift=0.05, mean=(90.0, 90.01))
    assert not settled.is_met
    ((name, solution),) = settled.solutions
    assert name == problem.outcome
    assert solution.missed and all(" is " in line or line in problem.inner for line in solution.missed)
