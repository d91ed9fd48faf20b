"""The check of calibration passes uniform ranks, and notices ranks, signs and intervals that are not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bayes_alliance.dev import cohort_calibration
from bayes_alliance.dev.cohort_calibration import calibrate, check_coverage, check_ranks
from bayes_alliance.dev.small_publications import (
    PRINTED,
    PRIOR,
    SmallStudy,
    draw_design,
    lay_out_world,
    publish,
    read_numbers,
)

NAMES = ("a", "b")


def studies(ranks: np.ndarray, places: np.ndarray, n: int = 19) -> list[SmallStudy]:
    """Studies with these ranks (studies, quantities) and places (studies, coefficients)."""
    return [
        SmallStudy(
            ranks={name: int(r) for name, r in zip(NAMES, row, strict=True)},
            n=n,
            places={str(k): float(p) for k, p in enumerate(place)},
            accepted=0.5,
            failed=0,
        )
        for row, place in zip(ranks, places, strict=True)
    ]


def test_uniform_ranks_pass() -> None:
    """Ranks and places drawn uniformly stay inside the band and at their levels."""
    rng = np.random.default_rng(7)
    found = studies(rng.integers(0, 20, (60, 2)), rng.random((60, 4)))
    assert check_ranks(found, NAMES, "all").passed
    assert all(item.passed for item in check_coverage(found))


@pytest.mark.parametrize("wrong", ["piled", "turned", "narrow"])
def test_wrong_ranks_fail(wrong: str) -> None:
    """Draws at both ends, on the wrong side or too close together put the truth where it should not be."""
    rng = np.random.default_rng(8)
    ranks = {
        "piled": np.full((40, 2), 10),
        "turned": np.zeros((40, 2)),
        "narrow": rng.choice([0, 19], (40, 2)),
    }[wrong]
    assert not check_ranks(studies(ranks, rng.random((40, 4))), NAMES, "all").passed


def test_intervals_that_are_too_narrow_fail() -> None:
    """Places near 0 and 1 mean that intervals miss the truth."""
    places = np.where(np.random.default_rng(9).random((60, 4)) < 0.5, 0.005, 0.995)
    found = studies(np.random.default_rng(1).integers(0, 20, (60, 2)), places)
    assert not any(item.passed for item in check_coverage(found))


def test_a_publication_holds_the_truth_that_it_rounds() -> None:
    """Every printed interval holds the number that was rounded, and both tests lie between their marks."""
    rng = np.random.default_rng(3)
    world = lay_out_world(PRIOR, draw_design(PRIOR, rng))
    y = 5.0 + rng.standard_normal(len(world.frame))
    numbers = read_numbers(world, y)
    printed = publish(numbers)
    for name, _ in PRINTED:
        low, high = printed.intervals[name]
        assert low - 1e-9 <= numbers[name] <= high + 1e-9, name
    for score, (low, high) in (
        (numbers["group:p:group"], printed.level),
        (numbers["group:p:time:group"], printed.slope),
    ):
        assert low <= score <= high


def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies of the same settings are read back; those of other settings are not taken for them."""
    made: list[int] = []

    def judge(prior: object, seed: list[int], **settings: object) -> SmallStudy:
        made.append(seed[1])
        return studies(np.array([[1, 2]]), np.array([[0.5]]))[0]

    monkeypatch.setattr(cohort_calibration, "judge_small", judge)
    path = tmp_path / "store.jsonl"
    for count, steps in ((2, 5), (3, 5), (1, 6)):
        found = calibrate(
            path, studies=count, seed=1, draws=2, steps=steps, fault="none", report=lambda _: None
        )
        assert len(found) == count
    assert made == [0, 1, 2, 0]
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 4
