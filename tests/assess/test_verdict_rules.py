"""Verdict rules on constructed posteriors, their edges included."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bayes_alliance.assess.verdict_rules import (
    Judgement,
    Probabilities,
    Relation,
    combine_judgements,
    interval_probabilities,
    joint_probability,
    judge,
    probabilities,
)
from bayes_alliance.assess.verdict_words import _STEP, Verdict, is_worse

DELTA = 0.5
STANDARD = stats.norm.ppf((np.arange(20_001) + 0.5) / 20_001)


def normal(mean: float, sd: float) -> np.ndarray:
    """Quantiles of a Normal: draws without noise."""
    return STANDARD * sd + mean


def verdict(
    mean: float, sd: float, relation: Relation, value: float = 0.0, smallest: float = DELTA
) -> Verdict:
    """Verdict on a Normal posterior."""
    return judge(relation, probabilities(normal(mean, sd), relation, value=value, smallest=smallest)).verdict


def exact(mean: float, sd: float, relation: Relation) -> Verdict:
    """Verdict on a Normal posterior whose probabilities are exact."""
    (found,) = interval_probabilities(np.array([mean]), np.array([sd]), relation, smallest=DELTA)
    return judge(relation, found).verdict


@pytest.mark.parametrize(
    ("mean", "sd", "expected"),
    [
        (1.0, 0.2, Verdict.SUPPORTED),  # sure, and beyond what matters
        (0.4, 0.1, Verdict.LIKELY),  # sure of the sign, probably too small to matter
        (0.8, 0.5, Verdict.LIKELY),  # 1.6 SDs: likely only
        (0.5, 0.5, Verdict.UNDECIDED),  # 1 SD: open
        (0.0, 1.0, Verdict.UNDECIDED),
        (0.0, 0.1, Verdict.TOO_SMALL),
        (0.2, 0.1, Verdict.TOO_SMALL),  # the right sign, and surely too small
        (-1.0, 0.2, Verdict.CONTRADICTED),  # the other sign
        (-0.3, 0.5, Verdict.UNDECIDED),  # the other sign is only likely
        (0.1, 0.078, Verdict.TOO_SMALL),
        (0.1, 0.080, Verdict.TOO_SMALL),  # version 0.1.0 called this one contradicted
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
        (0.0, 0.35, Verdict.LIKELY),  # p about 0.85
        (0.0, 1.0, Verdict.UNDECIDED),  # no significance, but nothing ruled out either
        (0.0, 100.0, Verdict.UNDECIDED),  # knowing nothing contradicts nothing
        (0.5, 0.2, Verdict.UNDECIDED),
        (1.0, 0.2, Verdict.CONTRADICTED),  # a difference that matters is as good as certain
        (-1.0, 0.2, Verdict.CONTRADICTED),
    ],
)
def test_no_difference_has_to_be_shown(mean: float, sd: float, expected: Verdict) -> None:
    """A wide posterior around zero does not support a claim of no difference; a narrow one does."""
    assert verdict(mean, sd, "same") is expected
    assert verdict(mean + 2.0, sd, "same", value=2.0) is expected


@pytest.mark.parametrize(
    ("z", "expected"),
    [
        (0.0, Verdict.SUPPORTED),
        (1.64, Verdict.SUPPORTED),  # p = 0.101
        (1.65, Verdict.LIKELY),  # p = 0.099
        (1.97, Verdict.UNDECIDED),  # p = 0.049
        (2.58, Verdict.CONTRADICTED),  # p = 0.0099
    ],
)
def test_a_report_is_judged_by_its_tail_probability(z: float, expected: Verdict) -> None:
    """*Not significant* is reproduced or not, whatever the size and the SD, and says nothing of equality."""
    for sd in (0.01, 1.0, 50.0):
        assert verdict(z * sd, sd, "not_significant") is expected
        assert verdict(-z * sd, sd, "not_significant") is expected


def test_what_cannot_be_negative_has_to_exceed_its_value() -> None:
    """*Exceeds* has no margin beyond its value."""
    assert verdict(30.0, 5.0, "exceeds", value=10.0) is Verdict.SUPPORTED
    assert verdict(17.0, 5.0, "exceeds", value=10.0) is Verdict.LIKELY
    assert verdict(12.0, 5.0, "exceeds", value=10.0) is Verdict.UNDECIDED
    assert verdict(3.0, 2.0, "exceeds", value=10.0) is Verdict.CONTRADICTED


RELATIONS: tuple[Relation, ...] = ("above", "below", "same", "exceeds", "not_significant")


def _steepest(verdicts: list[Verdict]) -> int:
    """Return the most steps between neighbours."""
    return max(abs(_STEP[a] - _STEP[b]) for a, b in itertools.pairwise(verdicts))


@pytest.mark.parametrize("relation", RELATIONS)
def test_verdicts_have_no_cliff(relation: Relation) -> None:
    """Walking mean and SD in steps of a fortieth of an SD passes over no category."""
    for sd in np.geomspace(0.005, 20.0, 60):
        means = np.arange(-4.0 * sd - 1.0, 4.0 * sd + 1.0, sd / 40.0)
        found = interval_probabilities(means, np.full(len(means), sd), relation, smallest=DELTA)
        words = [judge(relation, one).verdict for one in found]
        assert _steepest(words) <= 1
    for mean in np.linspace(-3.0, 3.0, 61):
        sds = np.geomspace(0.005, 200.0, 1500)
        found = interval_probabilities(np.full(len(sds), mean), sds, relation, smallest=DELTA)
        words = [judge(relation, one).verdict for one in found]
        assert _steepest(words) <= 1


@given(mean=st.floats(-3, 3), sd=st.floats(0.02, 20.0))
def test_only_the_other_sign_contradicts_a_direction(mean: float, sd: float) -> None:
    """Contradicted says that P(d > 0) is at most 0.025, and nothing less does."""
    assert (exact(mean, sd, "above") is Verdict.CONTRADICTED) == (stats.norm.cdf(mean / sd) <= 0.025)


@given(mean=st.floats(-3, 3), step=st.floats(0.0, 2.0), sd=st.floats(0.02, 2.0))
def test_moving_a_posterior_up_never_worsens_above(mean: float, step: float, sd: float) -> None:
    """For fixed spread, the verdict is monotone in the location."""
    assert not is_worse(exact(mean + step, sd, "above"), exact(mean, sd, "above"))


@given(sd=st.floats(0.02, 2.0), mean=st.floats(0.0, 3.0), step=st.floats(0.0, 2.0))
def test_moving_away_never_betters_a_claim_of_no_difference(sd: float, mean: float, step: float) -> None:
    """The same for *same*, away from the reference value."""
    assert not is_worse(exact(mean, sd, "same"), exact(mean + step, sd, "same"))


@given(mean=st.floats(-3, 3), sd=st.floats(0.05, 3.0))
def test_draws_and_closed_form_agree(mean: float, sd: float) -> None:
    """The probabilities of draws are those of the Normal."""
    for relation in RELATIONS:
        (closed,) = interval_probabilities(np.array([mean]), np.array([sd]), relation, smallest=DELTA)
        drawn = probabilities(normal(mean, sd), relation, smallest=DELTA)
        for name in ("direction", "matters", "rope"):
            assert getattr(closed, name) == pytest.approx(getattr(drawn, name), abs=2e-4)


def _part(direction: float, matters: float = 0.9) -> Judgement:
    return judge("above", Probabilities(direction=direction, matters=matters, rope=0.0))


def _same(rope: float) -> Judgement:
    return judge("same", Probabilities(direction=0.6, matters=0.0, rope=rope))


def test_all_parts_have_to_hold_together() -> None:
    """Three parts at 0.975 hold together with 0.925 at least: likely, not supported; at 0.992 they are supported."""
    assert combine_judgements("all", [_part(0.975)]) is Verdict.SUPPORTED
    assert combine_judgements("all", [_part(0.975)] * 3) is Verdict.LIKELY
    assert combine_judgements("all", [_part(0.992, 0.99)] * 3) is Verdict.SUPPORTED
    assert combine_judgements("all", [_part(0.95)] * 3) is Verdict.UNDECIDED
    assert joint_probability([_part(0.975)] * 3) == pytest.approx(0.925)


def test_the_bound_is_one() -> None:
    """Whatever the dependence of two parts, a claim called supported holds with at least 0.975."""
    rng = np.random.default_rng(1)
    for correlation in (-0.95, -0.5, 0.0, 0.5, 0.95):
        both = rng.multivariate_normal([2.3, 2.3], [[1.0, correlation], [correlation, 1.0]], 200_000)
        parts = [judge("above", probabilities(both[:, i], "above", smallest=0.1)) for i in (0, 1)]
        joint = float(np.mean(np.all(both > 0.0, axis=1)))
        assert joint_probability(parts) - 1e-9 <= joint <= min(part.sure for part in parts) + 1e-9
        if combine_judgements("all", parts) is Verdict.SUPPORTED:
            assert joint >= 0.975


def test_probably_beyond_what_matters_is_asked_of_all_parts_together() -> None:
    """Each part beyond with 0.7 leaves only 0.1 for three together, so the claim is likely."""
    assert combine_judgements("all", [_part(0.9999, 0.7)]) is Verdict.SUPPORTED
    assert combine_judgements("all", [_part(0.9999, 0.7)] * 3) is Verdict.LIKELY


def test_parts_that_do_not_differ_add_their_doubts_too() -> None:
    """Three equivalences at 0.95 hold together with 0.85: likely."""
    assert combine_judgements("all", [_same(0.95)]) is Verdict.SUPPORTED
    assert combine_judgements("all", [_same(0.95)] * 3) is Verdict.LIKELY
    assert combine_judgements("all", [_same(0.90)] * 3) is Verdict.UNDECIDED


def test_one_bad_part_decides_a_claim_of_all_and_one_good_one_a_claim_of_any() -> None:
    """The worst part bounds the joint probability from above."""
    bad, small = _part(0.01, 0.0), judge("above", Probabilities(direction=0.9, matters=0.0, rope=0.99))
    assert combine_judgements("all", [_part(0.99), bad, small]) is Verdict.CONTRADICTED
    assert combine_judgements("all", [_part(0.99), small]) is Verdict.TOO_SMALL
    assert combine_judgements("any", [_part(0.99), bad, small]) is Verdict.SUPPORTED
    assert combine_judgements("any", [bad, small]) is Verdict.TOO_SMALL
    assert combine_judgements("all", [None, _part(0.99)]) is Verdict.SUPPORTED
    assert combine_judgements("all", [None, None]) is Verdict.NOT_APPLICABLE


def test_reports_are_each_reproduced_or_not() -> None:
    """Twenty-four reports of p > 0.1 are supported together where each is; the worst one decides."""
    fine = judge("not_significant", Probabilities(direction=0.6, matters=0.0, rope=0.0))
    off = judge("not_significant", Probabilities(direction=0.97, matters=0.0, rope=0.0))
    assert combine_judgements("all", [fine] * 24) is Verdict.SUPPORTED
    assert combine_judgements("all", [fine] * 23 + [off]) is Verdict.LIKELY


def test_a_verdict_near_a_limit_says_so() -> None:
    """With 1,000 draws 0.975 is known to 0.005: 0.98 is near, 0.9999 is not, and exact probabilities never are."""

    def near(direction: float, effective: float, matters: float = 0.9) -> bool:
        found = Probabilities(direction=direction, matters=matters, rope=0.0, effective=effective)
        return judge("above", found).near_edge

    assert near(0.98, 1000.0) and near(0.97, 1000.0)
    assert not near(0.9999, 1000.0)
    assert not near(0.976, math.inf)
    assert near(0.9999, 1000.0, matters=0.51)
    assert not near(0.6, 1000.0, matters=0.51)  # matters only where the sign is sure
