"""Labels that nothing printed depends on are drawn from their conditional law, and starts are near what is printed."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from bayes_alliance.cohorts.draws.growth import Whitening
from bayes_alliance.dev import small_labels
from bayes_alliance.dev.small_labels import draw_labels, whiten_columns
from bayes_alliance.dev.small_publications import (
    PRINTED_MODELS,
    SmallPrior,
    draw_design,
    lay_out_world,
    publish,
    read_numbers,
)
from bayes_alliance.dev.small_starts import draw_start, weigh_start

SMALL = SmallPrior(n_patients=4, n_group=2, effect_slope_sd=2.0)


def _frequencies(turns: int) -> tuple[np.ndarray, np.ndarray]:
    """Share of each labelling among draws, and its probability: all labellings enumerated, coefficients integrated."""
    rng = np.random.default_rng(3)
    world = lay_out_world(SMALL, draw_design(SMALL, rng), PRINTED_MODELS)
    whitening = Whitening(world.layout, SMALL.covariance.draw(rng))
    x = whitening.colour(rng.standard_normal(world.size))
    logs, labellings = [], [np.isin(np.arange(4), pair) for pair in itertools.combinations(range(4), 2)]
    for labels in labellings:
        frame = world.frame.assign(extra=labels.astype(float)[world.frame["patient"]])
        other = Whitening(lay_out_world(SMALL, frame, PRINTED_MODELS).layout, whitening.covariances)
        whole = other.scaled @ other.scaled.T
        for block, root in zip(other.blocks, other.roots, strict=True):
            whole[block, block] += root @ root.T
        gap = x - other.layout.centre
        logs.append(-0.5 * (np.linalg.slogdet(whole)[1] + gap @ np.linalg.solve(whole, gap)))
    wanted = np.exp(np.array(logs) - max(logs))
    counts = np.zeros(len(labellings))
    for _ in range(turns):
        world, whitening, _ = draw_labels(world, whitening, x, rng)
        now = world.frame.groupby("patient")["extra"].first().to_numpy() == 1.0
        counts[[bool(np.all(now == labels)) for labels in labellings].index(True)] += 1.0
    return counts / turns, wanted / wanted.sum()


def test_labels_are_as_frequent_as_their_probability() -> None:
    """All six labellings of four patients, against their marginal likelihoods."""
    found, wanted = _frequencies(600)
    assert wanted.max() > 0.25
    np.testing.assert_allclose(found, wanted, atol=0.07)


def test_labels_that_scores_do_not_weigh_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With weights of zero, the shares are others."""
    monkeypatch.setattr(small_labels.WhiteColumns, "weigh", lambda self, gamma: np.zeros(4))
    found, wanted = _frequencies(100)
    assert np.abs(found - wanted).max() > 0.1


def test_drawn_labels_leave_scores_and_numbers_of_patients_as_they_are() -> None:
    """The layout that comes back is that of the frame, and white columns of both agree."""
    rng = np.random.default_rng(5)
    prior = SmallPrior()
    world = lay_out_world(prior, draw_design(prior, rng), PRINTED_MODELS)
    whitening = Whitening(world.layout, prior.covariance.draw(rng))
    x = whitening.colour(rng.standard_normal(world.size))
    moved, after, gamma = draw_labels(world, whitening, x, rng)
    assert moved.frame.groupby("patient")["extra"].first().sum() == prior.n_patients // 2
    assert not moved.frame["extra"].equals(world.frame["extra"])
    expected = lay_out_world(prior, moved.frame, PRINTED_MODELS).layout
    np.testing.assert_allclose(moved.layout.columns, expected.columns)
    np.testing.assert_allclose(after.colour(after.whiten(gamma, x)), x)
    again = Whitening(replace(expected), whitening.covariances)
    labels = moved.frame.groupby("patient")["extra"].first().to_numpy()
    solved = whiten_columns(again, x).labelled(labels)
    block, root = again.blocks[7], again.roots[7]
    np.testing.assert_allclose(solved[block], np.linalg.solve(root, again.scaled[block]))


def test_starts_are_nearer_to_the_printed_standard_errors() -> None:
    """Those drawn have greater weight than draws of the prior."""
    rng = np.random.default_rng(8)
    prior = SmallPrior()
    world = lay_out_world(prior, draw_design(prior, rng))
    y = Whitening(world.layout, prior.covariance.draw(rng)).colour(rng.standard_normal(world.size))
    publication = publish(read_numbers(world, y), len(y))
    chosen = [weigh_start(prior, publication, *draw_start(prior, publication, rng)) for _ in range(6)]
    free = [
        weigh_start(prior, publication, draw_design(prior, rng, len(y)), prior.covariance.draw(rng))
        for _ in range(30)
    ]
    assert np.mean(chosen) > np.mean(free) + 1.0
