"""Scores that walk on their grid among all that print the same: against draws of which those are kept."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from bayes_alliance.cohorts.draws.grid_walk import ScoreLaw, walk_on_grid
from bayes_alliance.cohorts.draws.growth import Covariances, Floats, Layout, Whitening
from bayes_alliance.cohorts.draws.statistics import Link
from bayes_alliance.cohorts.solver.demands import Moment, Problem

N = 5
COVARIANCES = Covariances(effects=np.array([[0.5, -0.1], [-0.1, 0.3]]), residuals=np.array([[0.4]]))
COEFFICIENTS = np.array([0.2])
PATIENT = np.array([0, 0, 0, 1, 1])
# Narrow enough that how many second scores go with a first differs from data set to data set.
MEAN, SD = (1.1, 1.5), (0.2, 1.2)


def make_layout() -> Layout:
    return Layout(
        patient=PATIENT,
        visit=np.arange(N),
        outcome=np.zeros(N, dtype=np.int64),
        time=np.array([0.0, 0.5, 1.0, 0.0, 1.0]),
        centre=np.full(N, 1.8),
        columns=np.ones((N, 1)),
        column_sd=np.array([0.5]),
        n_outcomes=1,
    )


def make_link() -> Link:
    return Link(
        lower=np.full(N, 0.5), upper=np.full(N, 4.5), lower_bend=np.full(N, 0.5), upper_bend=np.full(N, 0.5)
    )


def make_problem() -> Problem:
    moment = Moment(rows=np.arange(N), mean=MEAN, sd=SD, said="", place="")
    return Problem(
        outcome="y",
        models={},
        targets=(),
        moments=(moment,),
        lower=np.full(N, 1.0),
        upper=np.full(N, 4.0),
        origin=1.0,
        step=1.0,
    )


def make_law(recorded: Floats) -> ScoreLaw:
    latent, _ = make_link().unrecord(recorded)
    return ScoreLaw(
        Whitening(make_layout(), COVARIANCES), make_link(), COEFFICIENTS, latent, recorded, np.ones(N)
    )


def draw_recorded(n: int, rng: np.random.Generator) -> Floats:
    """Draw data sets of the joint model, without anything printed."""
    layout, link = make_layout(), make_link()
    v = np.zeros((N, N))
    for i, j in itertools.product(range(N), repeat=2):
        if PATIENT[i] == PATIENT[j]:
            a, b = np.array([1.0, layout.time[i]]), np.array([1.0, layout.time[j]])
            v[i, j] = a @ COVARIANCES.effects @ b + 0.4 * (i == j)
    latent = rng.multivariate_normal(np.full(N, 1.8 + 0.5 * COEFFICIENTS[0]), v, n)
    recorded = np.array([link.record(x)[0] for x in latent])
    return np.clip(np.round(recorded), 1.0, 4.0)


def test_changes_of_one_score_have_the_ratio_of_their_probabilities() -> None:
    """At an end of the scale all that lies beyond counts, and so does what the patient's other scores say."""
    law = make_law(np.array([1.0, 2.0, 4.0, 3.0, 3.0]))
    everything = [law.change(np.array([2]), np.array([value])) for value in (1.0, 2.0, 3.0, 4.0)]
    assert everything[3] == pytest.approx(0.0, abs=1e-12)
    # Given its neighbours' latent scores, of which the law is normal.
    centre, sd = law._given_others(2)
    mean = 1.8 + 0.5 * COEFFICIENTS[0] + centre
    ends = make_link().unrecord(np.array([1.5, 2.5, 3.5]), np.array([2, 2, 2]))[0]
    cells = np.diff(stats.norm.cdf((ends - mean) / sd), prepend=0.0, append=1.0)
    np.testing.assert_allclose(np.exp(everything), cells / cells[3], rtol=1e-9)


def test_cells_fill_the_whole_line() -> None:
    link = make_link()
    ends = [link.cell(value, 1, 1.0) for value in (1.0, 2.0, 3.0, 4.0)]
    assert ends[0][0] == -np.inf and ends[-1][1] == np.inf
    for (_, high), (low, _) in itertools.pairwise(ends):
        assert high == pytest.approx(low, abs=1e-12)
    assert link.record(np.full(N, ends[1][1]))[0][1] == pytest.approx(2.5, abs=1e-9)


def test_recorded_scores_and_latent_ones_are_each_others_inverse() -> None:
    link = make_link()
    latent = np.array([-1.0, 0.6, 2.0, 4.4, 6.0])
    recorded, slope = link.record(latent)
    back, inverse = link.unrecord(recorded)
    np.testing.assert_allclose(back, latent, atol=1e-9)
    np.testing.assert_allclose(inverse * slope, 1.0, atol=1e-9)
    some = np.array([0, 3])
    np.testing.assert_allclose(link.unrecord(recorded[some], some)[0], latent[some], atol=1e-9)
    free = Link(
        lower=np.full(2, -np.inf), upper=np.full(2, np.inf), lower_bend=np.zeros(2), upper_bend=np.zeros(2)
    )
    np.testing.assert_array_equal(free.unrecord(np.array([-3.0, 7.0]))[0], [-3.0, 7.0])


def test_walk_visits_data_sets_as_often_as_rejection_draws_them() -> None:
    """Batches of a long walk against draws of the joint model, of which those are kept that print the same."""
    rng = np.random.default_rng(5)
    free = draw_recorded(40_000, rng)
    mean, sd = free.mean(axis=1), free.std(axis=1, ddof=1)
    kept = free[(mean >= MEAN[0]) & (mean <= MEAN[1]) & (sd >= SD[0]) & (sd <= SD[1])]
    assert len(kept) > 2000
    problem, y = make_problem(), kept[0]
    law = make_law(y)
    batches = []
    for _ in range(20):
        batch = []
        for _ in range(150):
            y = walk_on_grid(problem, y, law, np.arange(N), rng, attempts=4)
            law.draw_latent(rng)
            batch.append(y)
        batches.append(measure_scores(np.array(batch)).mean(axis=0))
    wanted = measure_scores(kept)
    found = np.array(batches)
    error = np.sqrt(found.var(axis=0, ddof=1) / len(found) + wanted.var(axis=0) / len(kept))
    assert np.max(np.abs(found.mean(axis=0) - wanted.mean(axis=0)) / error) < 4.0


def measure_scores(y: Floats) -> Floats:
    """Scores, their mean and SD, and how often each lies at the lower end of the scale."""
    found: Floats = np.column_stack([y, y.mean(axis=1), y.std(axis=1, ddof=1), y == 1.0])
    return found


def test_a_walk_stays_where_everything_asked_is_met() -> None:
    y = np.array([1.0, 1.0, 1.0, 2.0, 2.0])
    walked = walk_on_grid(make_problem(), y, make_law(y), np.arange(N), np.random.default_rng(1), attempts=50)
    assert MEAN[0] <= walked.mean() <= MEAN[1]
    assert SD[0] <= walked.std(ddof=1) <= SD[1]
    assert set(walked.tolist()) <= {1.0, 2.0, 3.0, 4.0}
