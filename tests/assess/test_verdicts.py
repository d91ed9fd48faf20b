"""Verdict rules on constructed posteriors, their edges included."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bayes_alliance.assess.verdicts import (
    ORDER,
    Probabilities,
    Relation,
    Verdict,
    combine_verdicts,
    is_worse,
    judge,
    probabilities,
)

DELTA = 0.5


STANDARD = stats.norm.ppf((np.arange(20_001) + 0.5) / 20_001)


def normal(mean: float, sd: float) -> np.ndarray:
    """Quantiles of a Normal: draws without noise."""
    return STANDARD * sd + mean


def verdict(
    mean: float, sd: float, relation: Relation, value: float = 0.0, smallest: float = DELTA
) -> Verdict:
    return judge(relation, probabilities(normal(mean, sd), relation, value=value, smallest=smallest)).verdict


@pytest.mark.parametrize(
    ("mean", "sd", "expected"),
    [
        (1.0, 0.2, Verdict.SUPPORTED),  # sure, and beyond what matters
        (0.4, 0.1, Verdict.WEAKENED),  # sure of the sign, probably too small to matter
        (0.8, 0.5, Verdict.WEAKENED),  # 1.6 SDs: likely only
        (0.5, 0.5, Verdict.NOT_SUPPORTED),  # 1 SD: open
        (0.0, 1.0, Verdict.NOT_SUPPORTED),
        (0.0, 0.1, Verdict.CONTRADICTED),  # surely too small to matter
        (-1.0, 0.2, Verdict.CONTRADICTED),  # the other way
    ],
)
def test_a_direction_is_judged_by_sign_and_size(mean: float, sd: float, expected: Verdict) -> None:
    """*Above* by these posteriors, *below* by their mirror images, and both around another reference value."""
    assert verdict(mean, sd, "above") is expected
    assert verdict(-mean, sd, "below") is expected
    assert verdict(mean + 4.0, sd, "above", value=4.0) is expected
    assert verdict(4.0 - mean, sd, "below", value=4.0) is expected


@pytest.mark.parametrize(
    ("mean", "sd", "expected"),
    [
        (0.0, 0.2, Verdict.SUPPORTED),  # 2.5 SDs either way
        (0.0, 0.35, Verdict.WEAKENED),  # p about 0.85
        (0.0, 1.0, Verdict.NOT_SUPPORTED),  # no significance, but nothing ruled out either
        (0.5, 0.2, Verdict.NOT_SUPPORTED),
        (1.0, 0.2, Verdict.CONTRADICTED),  # a difference that matters is as good as certain
        (-1.0, 0.2, Verdict.CONTRADICTED),
    ],
)
def test_no_difference_has_to_be_shown(mean: float, sd: float, expected: Verdict) -> None:
    """A wide posterior around zero does not support a claim of no difference; a narrow one does."""
    assert verdict(mean, sd, "same") is expected
    assert verdict(mean + 2.0, sd, "same", value=2.0) is expected


def test_what_cannot_be_negative_has_to_exceed_its_value() -> None:
    """*Exceeds* has no margin beyond its value."""
    assert verdict(30.0, 5.0, "exceeds", value=10.0) is Verdict.SUPPORTED
    assert verdict(17.0, 5.0, "exceeds", value=10.0) is Verdict.WEAKENED
    assert verdict(12.0, 5.0, "exceeds", value=10.0) is Verdict.NOT_SUPPORTED
    assert verdict(3.0, 2.0, "exceeds", value=10.0) is Verdict.CONTRADICTED


@pytest.mark.parametrize(
    ("direction", "matters", "expected"),
    [
        (0.975, 0.5, Verdict.SUPPORTED),
        (0.9749, 0.5, Verdict.WEAKENED),
        (0.975, 0.4999, Verdict.WEAKENED),
        (0.90, 0.0, Verdict.WEAKENED),
        (0.8999, 0.0251, Verdict.NOT_SUPPORTED),
        (0.8999, 0.025, Verdict.CONTRADICTED),
    ],
)
def test_limits_of_a_direction_belong_to_the_better_side(
    direction: float, matters: float, expected: Verdict
) -> None:
    """0.975, 0.90 and 0.5 are enough; 0.025 is little enough to contradict."""
    found = Probabilities(direction=direction, matters=matters, rope=0.0)
    assert judge("above", found).verdict is expected


@pytest.mark.parametrize(
    ("rope", "expected"),
    [
        (0.95, Verdict.SUPPORTED),
        (0.9499, Verdict.WEAKENED),
        (0.80, Verdict.WEAKENED),
        (0.7999, Verdict.NOT_SUPPORTED),
        (0.0501, Verdict.NOT_SUPPORTED),
        (0.05, Verdict.CONTRADICTED),
    ],
)
def test_limits_of_no_difference(rope: float, expected: Verdict) -> None:
    """0.95 and 0.80 are enough; 0.05 is little enough to contradict."""
    assert judge("same", Probabilities(direction=0.6, matters=1.0 - rope, rope=rope)).verdict is expected


@given(
    mean=st.floats(-3, 3),
    step=st.floats(0.0, 2.0),
    sd=st.floats(0.02, 2.0),
)
def test_moving_a_posterior_up_never_worsens_above(mean: float, step: float, sd: float) -> None:
    """For fixed spread, the verdict is monotone in the location."""
    before, after = verdict(mean, sd, "above"), verdict(mean + step, sd, "above")
    assert not is_worse(after, before)


@given(sd=st.floats(0.02, 2.0), mean=st.floats(0.0, 3.0), step=st.floats(0.0, 2.0))
def test_moving_away_never_betters_a_claim_of_no_difference(sd: float, mean: float, step: float) -> None:
    """The same for *same*, away from the reference value."""
    assert not is_worse(verdict(mean, sd, "same"), verdict(mean + step, sd, "same"))


def test_a_verdict_near_a_limit_says_so() -> None:
    """With 1,000 draws 0.975 is known to 0.005: 0.98 is near, 0.999 is not, and exact probabilities never are."""

    def near(direction: float, effective: float) -> bool:
        found = Probabilities(direction=direction, matters=0.9, rope=0.0, effective=effective)
        return judge("above", found).near_edge

    assert near(0.98, 1000.0) and near(0.97, 1000.0)
    assert not near(0.999, 1000.0)
    assert not near(0.976, math.inf)


def test_a_limit_that_cannot_change_the_verdict_is_not_near() -> None:
    """A direction at 0.975 is not at stake where the size is surely too small: weakened it is either way."""
    found = Probabilities(direction=0.975, matters=0.1, rope=0.9, effective=1000.0)
    assert judge("above", found).verdict is Verdict.WEAKENED
    assert not judge("above", found).near_edge


def test_weights_count_like_repeated_draws() -> None:
    """A draw of weight 2/3 is like two of three equal ones."""
    weighted = probabilities(np.array([1.0, -1.0]), "above", smallest=0.5, weights=np.array([2 / 3, 1 / 3]))
    repeated = probabilities(np.array([1.0, 1.0, -1.0]), "above", smallest=0.5)
    assert weighted.direction == pytest.approx(repeated.direction)
    assert weighted.matters == pytest.approx(repeated.matters)


def test_all_is_as_good_as_the_worst_and_any_as_the_best() -> None:
    """Parts that cannot be tested are passed over; with none left the whole is untestable."""
    for i, better in enumerate(ORDER):
        for worse_one in ORDER[i:]:
            assert combine_verdicts("all", [better, worse_one, Verdict.UNTESTABLE]) is worse_one
            assert combine_verdicts("any", [better, worse_one, Verdict.UNTESTABLE]) is better
    assert combine_verdicts("all", [Verdict.UNTESTABLE]) is Verdict.UNTESTABLE
    assert combine_verdicts("any", []) is Verdict.UNTESTABLE
