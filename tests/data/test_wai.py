"""Questionnaire scoring against scores worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_alliance.data.wai import KEYS, SUBSCALES, WaiKey, check_items, find_key, score_items

# item                 1  2  3  4  5  6  7  8  9 10 11 12
RATINGS = np.array([[7, 6, 5, 2, 6, 5, 7, 4, 6, 3, 6, 5]], dtype=float)


def test_wai_s_matches_hand_scores() -> None:
    """WAI-S: Goals (8-2 + 5 + 8-3 + 6)/4 = 5.5, Bonds (5+6+7+6)/4 = 6, Tasks (7+6+4+5)/4 = 5.5."""
    scores = score_items(RATINGS, "WAI-S")
    assert (scores.goals[0], scores.bonds[0], scores.tasks[0]) == (5.5, 6.0, 5.5)
    assert scores.total[0] == pytest.approx(17 / 3, abs=1e-12)


def test_wai_sr_matches_hand_scores() -> None:
    """WAI-SR: Goals (2+5+4+6)/4 = 4.25, Bonds 6, Tasks (7+6+3+5)/4 = 5.25; nothing is reversed."""
    scores = score_items(RATINGS, "WAI-SR")
    assert (scores.goals[0], scores.bonds[0], scores.tasks[0]) == (4.25, 6.0, 5.25)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.version)
def test_each_item_moves_its_own_subscale_in_its_own_direction(key: WaiKey) -> None:
    """One point more on an item moves only its subscale, by 1/4, down if and only if it is reversed."""
    base = score_items(np.full((1, 12), 4.0), key.version)
    for number in range(1, 13):
        raised = np.full((1, 12), 4.0)
        raised[0, number - 1] = 5.0
        scores = score_items(raised, key.version)
        for name in SUBSCALES:
            sign = -1 if key.version == "WAI-S" and number in (4, 10) else 1
            moved = sign * 0.25 if number in key.items_of(name) else 0.0
            assert scores.subscale(name)[0] - base.subscale(name)[0] == moved, (number, name)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.version)
def test_each_item_belongs_to_one_subscale(key: WaiKey) -> None:
    """The three subscales share out the items 1 to 12, four each."""
    parts = [key.items_of(name) for name in SUBSCALES]
    assert [len(part) for part in parts] == [4, 4, 4]
    assert sorted(sum(parts, ())) == list(range(1, 13))


def test_missing_items_follow_min_items() -> None:
    """With items 6 and 11 unanswered, Goals of WAI-S is the mean of the other two only if two suffice."""
    ratings = RATINGS.copy()
    ratings[0, [5, 10]] = np.nan
    assert score_items(ratings, "WAI-S", min_items=2).goals[0] == 5.5  # (6 + 5) / 2
    strict = score_items(ratings, "WAI-S", min_items=3)
    assert np.isnan(strict.goals[0]) and np.isnan(strict.total[0])
    assert strict.bonds[0] == 6.0


def test_no_answer_at_all_gives_no_score() -> None:
    """A blank questionnaire scores NaN, not zero."""
    scores = score_items(np.full((1, 12), np.nan), "WAI-SR", min_items=1)
    assert np.isnan([scores.goals[0], scores.bonds[0], scores.tasks[0], scores.total[0]]).all()


@pytest.mark.parametrize("rating", [0.0, 8.0, 3.5, np.inf])
def test_impossible_ratings_are_refused(rating: float) -> None:
    """A rating outside 1-7 or between whole numbers is marked, and scoring refuses it."""
    ratings = RATINGS.copy()
    ratings[0, 2] = rating
    assert np.flatnonzero(check_items(ratings)[0]).tolist() == [2]
    with pytest.raises(ValueError, match="1 ratings"):
        score_items(ratings, "WAI-S")


def test_version_names() -> None:
    """Case and prefix of a version do not matter, and an unknown version is not guessed."""
    assert find_key("wai-s") == find_key("S") == KEYS[0]
    assert find_key("WAI-T") is None
    with pytest.raises(ValueError, match="unknown version"):
        score_items(RATINGS, "WAI")


@given(st.lists(st.lists(st.integers(1, 7), min_size=12, max_size=12), min_size=1, max_size=6))
def test_scores_stay_on_scale_and_rows_are_independent(rows: list[list[int]]) -> None:
    """Scores lie in 1-7 on the 0.25 grid, and a row scores the same alone as among others."""
    items = np.array(rows, dtype=float)
    together = score_items(items, "WAI-S")
    for name in SUBSCALES:
        scores = together.subscale(name)
        assert ((scores >= 1) & (scores <= 7) & (scores * 4 == np.round(scores * 4))).all()
        alone = [score_items(row[None, :], "WAI-S").subscale(name)[0] for row in items]
        assert scores.tolist() == alone
