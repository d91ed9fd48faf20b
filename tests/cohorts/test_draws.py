"""Draws given print: each step against a closed form, a rejection sampler or differences."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from bayes_alliance.cohorts.draws.growth import (
    CovariancePrior,
    Covariances,
    Layout,
    Whitening,
    draw_covariances,
    weigh_coefficients,
)
from bayes_alliance.cohorts.draws.moves import Reordered, choose_pivots, place_at, reflect, take_step
from bayes_alliance.cohorts.draws.start import find_start, pull_inside
from bayes_alliance.cohorts.draws.statistics import Link, normal_score, signed_interval
from bayes_alliance.cohorts.draws.truncated import draw_between, draw_in_box

Floats = NDArray[np.float64]


def small_layout(n_patients: int = 4, *, outcomes: int = 2) -> Layout:
    """Three visits a patient, both outcomes at the first two, the first alone at the third."""
    rows = [
        (i, 3 * i + visit, k, visit / 2.0)
        for i in range(n_patients)
        for visit in range(3)
        for k in range(outcomes if visit < 2 else 1)
    ]
    patient, visit, outcome, time = (np.array(column) for column in zip(*rows, strict=True))
    return Layout(
        patient=patient,
        visit=visit,
        outcome=outcome,
        time=time.astype(float),
        centre=np.where(outcome == 0, 5.0, 50.0),
        columns=np.stack([outcome == 0, outcome == 1], axis=1).astype(float),
        column_sd=np.array([0.5, 4.0]),
        n_outcomes=outcomes,
    )


def some_covariances() -> Covariances:
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((4, 6)), rng.standard_normal((2, 4))
    return Covariances(effects=a @ a.T / 6.0, residuals=b @ b.T / 4.0)


def test_white_vectors_and_scores_are_the_same_thing() -> None:
    """Scores of a white vector turn back into it, and a derivative by scores into one by the white vector."""
    whitening = Whitening(small_layout(), some_covariances())
    white = np.random.default_rng(1).standard_normal(2 + len(whitening.layout.patient))
    x = whitening.colour(white)
    np.testing.assert_allclose(whitening.whiten(white[:2], x), white, atol=1e-10)
    direction = np.random.default_rng(2).standard_normal((3, len(x)))
    step = 1e-3 * np.random.default_rng(3).standard_normal(len(white))
    np.testing.assert_allclose(
        direction @ (whitening.colour(white + step) - x), whitening.pull_back(direction) @ step, atol=1e-9
    )


def test_covariance_of_a_patients_scores() -> None:
    """The factor of a patient's block gives Z S Z' plus residuals that correlate within a visit alone."""
    layout, covariances = small_layout(1), some_covariances()
    root = Whitening(layout, covariances).roots[0]
    z = np.zeros((5, 4))
    for row, (k, time) in enumerate(zip(layout.outcome, layout.time, strict=True)):
        z[row, 2 * k], z[row, 2 * k + 1] = 1.0, time
    expected = z @ covariances.effects @ z.T
    for i in range(5):
        for j in range(5):
            if layout.visit[i] == layout.visit[j]:
                expected[i, j] += covariances.residuals[layout.outcome[i], layout.outcome[j]]
    np.testing.assert_allclose(root @ root.T, expected, atol=1e-12)


def test_coefficients_given_scores_are_the_normal_posterior() -> None:
    """Mean and precision of the coefficients are those of the dense normal posterior."""
    whitening = Whitening(small_layout(), some_covariances())
    x = whitening.colour(np.random.default_rng(8).standard_normal(2 + len(whitening.layout.patient)))
    mean, precision = weigh_coefficients(whitening, x)
    n = len(x)
    v = np.zeros((n, n))
    for block, root in zip(whitening.blocks, whitening.roots, strict=True):
        v[block, block] = root @ root.T
    s = whitening.scaled
    dense = np.eye(2) + s.T @ np.linalg.solve(v, s)
    np.testing.assert_allclose(precision, dense, rtol=1e-9)
    np.testing.assert_allclose(
        mean, np.linalg.solve(dense, s.T @ np.linalg.solve(v, x - whitening.layout.centre)), rtol=1e-8
    )


def test_prior_of_covariances_has_its_mean() -> None:
    """Inverse Wishart draws average to the stated means."""
    want = some_covariances()
    prior = CovariancePrior(
        effects=want.effects, residuals=want.residuals, effects_df=40.0, residuals_df=40.0
    )
    rng = np.random.default_rng(3)
    drawn = [prior.draw(rng) for _ in range(3000)]
    scale = np.sqrt(np.outer(np.diagonal(want.effects), np.diagonal(want.effects)))
    assert np.max(np.abs(np.mean([d.effects for d in drawn], axis=0) - want.effects) / scale) < 0.03


def test_covariances_given_many_scores_are_the_true_ones() -> None:
    """With many patients a few draws settle at the covariances that the scores came from."""
    layout, want = small_layout(600), some_covariances()
    rng = np.random.default_rng(12)
    truth = Whitening(layout, want)
    white = rng.standard_normal(2 + len(layout.patient))
    x = truth.colour(white)
    prior = CovariancePrior(effects=np.eye(4), residuals=np.eye(2), effects_df=5.0, residuals_df=5.0)
    now, kept = Whitening(layout, Covariances(effects=np.eye(4), residuals=np.eye(2))), []
    for step in range(60):
        found = draw_covariances(now, prior, white[:2], x, rng)
        now = Whitening(layout, found)
        if step >= 30:
            kept.append(found)
    assert np.mean([k.residuals[0, 1] for k in kept]) == pytest.approx(want.residuals[0, 1], abs=0.12)
    assert np.mean([k.effects[0, 2] for k in kept]) == pytest.approx(want.effects[0, 2], abs=0.2)


def test_link_stays_inside_and_bends_smoothly() -> None:
    """Recorded scores rise with latent ones, stay inside, are the same well inside, and have the stated slope."""
    x = np.linspace(-5.0, 13.0, 400)
    n = len(x)
    link = Link(
        lower=np.full(n, 0.875),
        upper=np.full(n, 7.125),
        lower_bend=np.full(n, 0.125),
        upper_bend=np.full(n, 0.125),
    )
    recorded, slope = link.record(x)
    assert np.all(np.diff(recorded) >= 0.0) and recorded.min() >= 0.875 and recorded.max() <= 7.125
    middle = (x > 2.5) & (x < 5.5)
    np.testing.assert_allclose(recorded[middle], x[middle], atol=0.02)
    up, down = link.record(x + 1e-5)[0], link.record(x - 1e-5)[0]
    np.testing.assert_allclose(slope, (up - down) / 2e-5, atol=1e-4)


def test_link_without_ends_is_the_identity() -> None:
    """A scale without ends records what is latent."""
    free = Link(
        lower=np.full(3, -np.inf), upper=np.full(3, np.inf), lower_bend=np.ones(3), upper_bend=np.ones(3)
    )
    recorded, slope = free.record(np.array([-9.0, 0.0, 4.0]))
    assert recorded.tolist() == [-9.0, 0.0, 4.0] and slope.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("df", [7.0, 60.0, np.inf])
def test_normal_score_of_a_test(df: float) -> None:
    """The score has the p value of the t statistic, its sign, and the stated slope."""
    for t in (-2.4, -0.3, 0.6, 3.1):
        score, slope = normal_score(t, df)
        p = 2.0 * (stats.t.sf(abs(t), df) if np.isfinite(df) else stats.norm.sf(abs(t)))
        assert 2.0 * stats.norm.sf(abs(score)) == pytest.approx(p) and np.sign(score) == np.sign(t)
        near = (normal_score(t + 1e-5, df)[0] - normal_score(t - 1e-5, df)[0]) / 2e-5
        assert slope == pytest.approx(near, rel=1e-4)


def test_intervals_of_signed_tests() -> None:
    """P from 0.05 to 0.1 below zero, p above 0.1 on either side, p below 0.05 above zero."""
    low, high = signed_interval(0.05, 0.1, -1.0, stated=True)
    assert (low, high) == (pytest.approx(-1.959964), pytest.approx(-1.644854))
    assert signed_interval(0.1, 1.0, 1.0, stated=False) == (pytest.approx(-1.644854), pytest.approx(1.644854))
    low, high = signed_interval(0.0, 0.05, 1.0, stated=True)
    assert low == pytest.approx(1.959964) and high == np.inf


def test_quantiles_of_a_cut_normal() -> None:
    """Draws between two ends are scipy's, near the mean and forty SDs out."""
    for centre, low, high in ((0.3, -1.0, 2.0), (0.0, 1.0, np.inf), (-2.0, -np.inf, -3.0)):
        law = stats.truncnorm(low - centre, high - centre, loc=centre)
        for share in (0.01, 0.5, 0.97):
            assert draw_between(centre, low, high, share) == pytest.approx(law.ppf(share), abs=1e-7)
    far = draw_between(0.0, 40.0, 41.0, 0.5)
    assert far == pytest.approx(40.0 + np.log(2.0) / 40.0, abs=1e-3)


def test_draws_in_a_box_are_those_of_rejection() -> None:
    """Two correlated statistics cut to a box have the means and SDs of a rejection sampler, dependent ones included."""
    rng = np.random.default_rng(21)
    gradient = np.array([[1.0, 0.0, 0.0, 0.2], [0.6, 0.8, 0.0, 0.0], [1.6, 0.8, 0.0, 0.2]])
    mean = np.array([0.2, -0.1, 0.1])
    low, high = np.array([0.5, -np.inf, -np.inf]), np.array([1.5, 0.4, np.inf])
    found = np.array(
        [
            draw_in_box(np.array([1.0, 0.0, 1.0]), mean, gradient, low, high, rng, sweeps=25)[0]
            for _ in range(3000)
        ]
    )
    free = mean + rng.standard_normal((400_000, 4)) @ gradient.T
    kept = free[np.all((free >= low) & (free <= high), axis=1)]
    np.testing.assert_allclose(found.mean(axis=0), kept.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(found.std(axis=0), kept.std(axis=0), atol=0.03)


def test_change_that_leads_to_a_draw() -> None:
    """The change of the long vector gives the drawn statistics, and is the shortest one."""
    rng = np.random.default_rng(2)
    gradient = rng.standard_normal((2, 9))
    now = np.array([0.0, 0.0])
    value, change = draw_in_box(now, now, gradient, now - 1.0, now + 1.0, rng)
    np.testing.assert_allclose(gradient @ change, value, atol=1e-6)
    shortest = gradient.T @ np.linalg.solve(gradient @ gradient.T, value)
    np.testing.assert_allclose(change, shortest, atol=1e-6)


def test_draws_in_a_narrow_box_do_not_stay_in_its_corner() -> None:
    """Numbers that nearly say the same, printed to less than their SD: uniform, whichever corner the draw starts in."""
    rng = np.random.default_rng(8)
    base = rng.standard_normal((5, 40))
    gradient = np.concatenate([base, base + 0.03 * rng.standard_normal((5, 40))])
    low, high = np.zeros(10), np.full(10, 0.3)
    found = np.array(
        [
            draw_in_box(np.where(rng.random(10) < 0.5, low, high), low, gradient, low, high, rng, sweeps=20)[
                0
            ]
            for _ in range(100)
        ]
    )
    for values in found.T:
        assert stats.kstest(values / 0.3, "uniform").pvalue > 0.001


def test_shortest_steps_into_a_box() -> None:
    """Without ridge the step ends on the nearest point; with a large one it hardly moves."""
    gradient = np.array([[2.0, 0.0], [0.0, 1.0]])
    gram = gradient @ gradient.T
    step = gradient.T @ pull_inside(gram, np.array([1.0, -5.0]), np.array([3.0, 5.0]), 1e-9)
    np.testing.assert_allclose(step, [0.5, 0.0], atol=1e-6)
    lazy = gradient.T @ pull_inside(gram, np.array([1.0, -5.0]), np.array([3.0, 5.0]), 1e3)
    assert np.linalg.norm(lazy) < 0.01


class Curved:
    """Squared length of the vector, in an interval."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = np.array([low]), np.array([high])

    def value(self, white: Floats) -> Floats:
        return np.array([white @ white])

    def differentiate(self, white: Floats) -> tuple[Floats, Floats]:
        return self.value(white), 2.0 * white[None, :]


class Straight:
    """Linear statistics in a box."""

    def __init__(self, gradient: Floats, low: Floats, high: Floats) -> None:
        self.gradient, self.low, self.high = gradient, low, high

    def value(self, white: Floats) -> Floats:
        return self.gradient @ white

    def differentiate(self, white: Floats) -> tuple[Floats, Floats]:
        return self.value(white), self.gradient


def walk(statistics: Curved | Straight, start: Floats, steps: int, seed: int) -> Floats:
    """Positions of a chain."""
    rng = np.random.default_rng(seed)
    _, gradient = statistics.differentiate(start)
    pivots = choose_pivots(gradient, statistics.low, statistics.high)
    place = place_at(statistics, pivots, start)
    assert place is not None
    kept = []
    for _ in range(steps):
        place = take_step(statistics, pivots, place, rng, angle=0.6).place
        kept.append(place.white)
    return np.array(kept)


def test_steps_are_exact_on_a_curved_statistic() -> None:
    """The squared length of six normal numbers between 2 and 12 has the law of chi-square cut there."""
    start = np.full(6, 1.0)
    kept = walk(Curved(2.0, 12.0), start, 12_000, 4)
    squared = np.sum(kept**2, axis=1)
    law = stats.chi2(6)
    grid = np.linspace(2.0, 12.0, 4001)
    weights = law.pdf(grid)
    expected = np.sum(grid * weights) / np.sum(weights)
    assert squared.mean() == pytest.approx(expected, abs=0.15)
    assert np.mean(squared < 4.0) == pytest.approx(
        (law.cdf(4.0) - law.cdf(2.0)) / (law.cdf(12.0) - law.cdf(2.0)), abs=0.02
    )
    # Directions are free: every coordinate is symmetric about zero.
    assert np.max(np.abs(kept.mean(axis=0))) < 0.15


def test_steps_are_exact_on_linear_statistics() -> None:
    """Two linear statistics in a box: means of a rejection sampler; what is not seen stays standard normal."""
    gradient = np.array([[1.0, 0.5, 0.0, 0.0], [0.3, 1.0, 0.4, 0.0]])
    low, high = np.array([0.4, 0.9]), np.array([0.6, np.inf])
    kept = walk(Straight(gradient, low, high), np.array([0.1, 0.8, 0.5, 0.0]), 12_000, 9)
    free = np.random.default_rng(1).standard_normal((600_000, 4))
    seen = free @ gradient.T
    wanted = free[np.all((seen >= low) & (seen <= high), axis=1)]
    np.testing.assert_allclose(kept.mean(axis=0), wanted.mean(axis=0), atol=0.06)
    np.testing.assert_allclose(kept.std(axis=0), wanted.std(axis=0), atol=0.06)


def test_steps_between_designs_weigh_them_by_their_probability() -> None:
    """Of two designs, each is visited as often as its statistic falls inside the interval under the model."""
    low, high = np.array([2.0]), np.array([3.0])
    designs = [
        Straight(np.array([[1.0, 0.0, 0.0]]), low, high),
        Straight(np.array([[1.2, 0.5, 0.1]]), low, high),
    ]
    rng = np.random.default_rng(14)
    pivots = choose_pivots(designs[0].gradient, low, high)
    at = 0
    place = place_at(designs[at], pivots, np.array([2.5, 0.0, 0.0]))
    assert place is not None
    order = np.array([2, 0, 1])
    visits = []
    for _ in range(4000):
        other = Reordered(designs[1 - at], order)
        mine = Reordered(designs[at], order)
        outcome = take_step(mine, pivots, place.reorder(order), rng, angle=0.9, onto=other)
        place = outcome.place.reorder(np.argsort(order))
        at = 1 - at if outcome.accepted else at
        visits.append(at)
    mass = [stats.norm(scale=np.linalg.norm(d.gradient)).cdf([2.0, 3.0]) for d in designs]
    share = np.diff(mass[1])[0] / (np.diff(mass[0])[0] + np.diff(mass[1])[0])
    assert np.mean(visits) == pytest.approx(share, abs=0.05)
    assert share > 0.65


def test_start_meets_what_is_asked() -> None:
    """A start is found where there is one, and misses are told where there is none."""
    rng = np.random.default_rng(3)
    inside, miss = find_start(Curved(2.0, 2.5), np.full(6, 2.0), rng)
    assert not np.any(miss) and 2.0 <= inside @ inside <= 2.5
    impossible = Straight(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([1.0, -2.0]), np.array([2.0, -1.0]))
    _, miss = find_start(impossible, np.zeros(2), rng)
    assert np.any(miss > 0.0)


def test_reflection_keeps_values_inside() -> None:
    """Values beyond an end come back by as much; infinite ends reflect nothing."""
    low, high = np.array([0.0, 0.0, -np.inf]), np.array([1.0, np.inf, 2.0])
    found = reflect(np.array([1.25, -3.0, 2.5]), low, high)
    np.testing.assert_allclose(found, [0.75, 3.0, 1.5])
