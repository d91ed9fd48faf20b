"""Regions, posteriors from the table, reverse-Bayes: closed forms and directions."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from bayes_alliance.published.aic import bound_t_by_ratio, wald, wald_range
from bayes_alliance.published.cell_posterior import NormalMixture, cell_posteriors, posterior_of
from bayes_alliance.published.printed_effects import PrintedEffect, printed_effects
from bayes_alliance.published.reverse_bayes import (
    HELD_T,
    MATTHEWS_T,
    Z95,
    intrinsic_p,
    reverse_bayes,
    sceptical_limit,
)
from bayes_alliance.published.rounding_region import build_region
from bayes_alliance.published.stars import PBounds, TBounds, bound_t
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Study


@pytest.fixture(scope="module")
def folmo() -> Study:
    """Load the built-in study."""
    return load_study("folmo2020")


def one(mean: float, sd: float) -> NormalMixture:
    """Make a Normal prior."""
    return NormalMixture(weight=np.ones(1), mean=np.array([mean]), sd=np.array([sd]))


def with_region(
    folmo: Study, estimate: tuple[float, float], se: tuple[float, float], t: TBounds | None = None
) -> PrintedEffect:
    """Make an effect whose region is as given."""
    return dataclasses.replace(printed_effects(folmo)[0], region=build_region(estimate, se, t))


def test_area_of_a_rectangle() -> None:
    """Without bounds the region is the rectangle of the two intervals, uniformly weighed."""
    region = build_region((1.0, 3.0), (0.5, 1.0))
    assert region is not None and region.area == pytest.approx(1.0)
    assert region.weight @ region.estimate == pytest.approx(2.0)
    assert region.weight @ region.se == pytest.approx(0.75)


@given(
    st.floats(-3, 3),
    st.floats(0.05, 2),
    st.floats(0.1, 1),
    st.floats(0.05, 1),
    st.floats(0, 3),
    st.floats(0.1, 3),
)
def test_area_of_a_wedge(b: float, width: float, s: float, height: float, low: float, more: float) -> None:
    """With bounds on |t| the area is that of the wedge, as adaptive quadrature finds it."""
    bounds = TBounds(low=low, high=low + more)
    region = build_region((b, b + width), (s, s + height), bounds)

    def length(se: float) -> float:
        parts = [(bounds.low * se, bounds.high * se), (-bounds.high * se, -bounds.low * se)]
        return sum(max(0.0, min(b + width, hi) - max(b, lo)) for lo, hi in parts)

    grid = np.linspace(s, s + height, 4001)
    expected = float(integrate.trapezoid([length(se) for se in grid], grid))
    found = 0.0 if region is None else region.area
    assert found == pytest.approx(expected, abs=2e-4 * width * height + 1e-9)
    if region is not None:
        t = np.abs(region.estimate / region.se)
        assert np.all(t >= low - 1e-9) and np.all(t <= low + more + 1e-9)
        assert region.weight.sum() == pytest.approx(1.0)


def test_contradiction_is_empty() -> None:
    """A cell that cannot satisfy its stars leaves no pair."""
    assert build_region((0.01, 0.02), (0.9, 1.1), TBounds(low=1.96)) is None
    with pytest.raises(ValueError, match="bound the estimate"):
        build_region((-math.inf, math.inf), (0.1, 0.2))


def test_conjugate_posterior(folmo: Study) -> None:
    """A pair known to many digits gives the conjugate Normal posterior, probabilities and Bayes factor."""
    b, s, m, tau, smallest = -0.5, 0.2, 0.1, 0.4, 0.3
    effect = with_region(folmo, (b - 1e-9, b + 1e-9), (s - 1e-9, s + 1e-9))
    negative = dataclasses.replace(effect, parsed=dataclasses.replace(effect.parsed, value=None))
    found = posterior_of(negative, "p", one(m, tau), smallest=smallest)
    precision = 1 / s**2 + 1 / tau**2
    exact = stats.norm((b / s**2 + m / tau**2) / precision, precision**-0.5)
    assert found.mean.value == pytest.approx(exact.mean(), abs=1e-7)
    assert found.sd.value == pytest.approx(exact.std(), abs=1e-7)
    assert found.lower.value == pytest.approx(exact.ppf(0.025), abs=1e-6)
    assert found.upper.value == pytest.approx(exact.ppf(0.975), abs=1e-6)
    assert found.direction == -1
    assert found.p_direction.value == pytest.approx(exact.cdf(0.0), abs=1e-7)
    assert found.p_beyond.value == pytest.approx(exact.cdf(-smallest), abs=1e-7)
    assert found.p_rope.value == pytest.approx(exact.cdf(smallest) - exact.cdf(-smallest), abs=1e-7)
    factor = stats.norm(m, math.hypot(s, tau)).pdf(b) / stats.norm(0, s).pdf(b)
    assert found.log_bayes_factor.value == pytest.approx(math.log(factor), abs=1e-6)


def test_mixture_over_the_region(folmo: Study) -> None:
    """The posterior is that of data known only to lie in the region, as brute-force simulation finds it.

    Effects drawn from the prior, pairs drawn given them, and all kept that print so: no formula of the package.
    """
    effect = with_region(folmo, (-0.025, -0.015), (0.005, 0.015), TBounds(low=1.96, high=2.8))
    found = posterior_of(effect, "p", one(0.0, 0.02))
    rng = np.random.default_rng(1)
    kept = []
    for _ in range(20):
        effects, errors = rng.normal(0.0, 0.02, 2_000_000), rng.uniform(0.005, 0.015, 2_000_000)
        estimates = effects + errors * rng.standard_normal(2_000_000)
        t = np.abs(estimates / errors)
        kept.append(effects[(estimates > -0.025) & (estimates < -0.015) & (t > 1.96) & (t < 2.8)])
    draws = np.concatenate(kept)
    assert len(draws) > 500_000
    assert found.mean.value == pytest.approx(draws.mean(), abs=2e-5)
    assert found.sd.value == pytest.approx(draws.std(), rel=0.003)
    assert found.lower.value == pytest.approx(np.quantile(draws, 0.025), abs=1e-4)


def test_more_rounding_wider_band(folmo: Study) -> None:
    """Fewer digits widen the band of everything; a tighter star narrows it."""
    exact = posterior_of(with_region(folmo, (-0.0205, -0.0195), (0.0095, 0.0105)), "p", one(0.0, 0.04))
    rough = posterior_of(with_region(folmo, (-0.025, -0.015), (0.005, 0.015)), "p", one(0.0, 0.04))
    starred = posterior_of(
        with_region(folmo, (-0.025, -0.015), (0.005, 0.015), TBounds(low=1.96, high=2.6)), "p", one(0.0, 0.04)
    )
    for name in ("mean", "sd", "lower", "upper", "p_direction", "log_bayes_factor"):
        widths = [
            getattr(one_of, name).high - getattr(one_of, name).low for one_of in (exact, starred, rough)
        ]
        assert widths[0] < widths[1] <= widths[2] + 1e-12


def test_values_lie_in_their_bands(folmo: Study) -> None:
    """Of every printed cell and prior, the mixture's mean and probabilities lie in their bands."""
    found = cell_posteriors(folmo)
    assert len({one_of.prior for one_of in found}) == 6
    for one_of in found:
        for name in ("mean", "p_direction", "p_beyond", "p_rope", "log_bayes_factor"):
            banded = getattr(one_of, name)
            assert banded.low - 1e-9 <= banded.value <= banded.high + 1e-9


def test_scepticism_limit_closed_form() -> None:
    """The limit equals (U - L)^2 / (4 sqrt(UL)) of the 95 % interval, and its prior just touches zero."""
    b, s = np.array([0.5, 1.0, -2.0]), np.array([0.2, 0.3, 0.4])
    lower, upper = np.abs(b) - Z95 * s, np.abs(b) + Z95 * s
    limit = sceptical_limit(b, s)
    np.testing.assert_allclose(limit, (upper - lower) ** 2 / (4 * np.sqrt(upper * lower)))
    tau = limit / Z95
    precision = 1 / s**2 + 1 / tau**2
    np.testing.assert_allclose(np.abs(b) / s**2 / precision - Z95 / np.sqrt(precision), 0.0, atol=1e-12)
    assert np.isnan(sceptical_limit(np.array([0.1]), np.array([0.1])))[0]


def test_intrinsic_credibility_thresholds() -> None:
    """Matthews' threshold is p = 0.0127, Held's p = 0.0056, where his p value is 0.05 and the rules turn."""
    assert 2 * stats.norm.sf(MATTHEWS_T) == pytest.approx(0.0127, abs=5e-5)
    assert 2 * stats.norm.sf(HELD_T) == pytest.approx(0.0056, abs=5e-5)
    assert intrinsic_p(np.array(HELD_T), np.array(1.0)) == pytest.approx(0.05)
    assert sceptical_limit(np.array(MATTHEWS_T), np.array(1.0)) == pytest.approx(MATTHEWS_T)
    tau = sceptical_limit(np.array(HELD_T), np.array(1.0)) / Z95
    assert pytest.approx(Z95 * math.hypot(1.0, float(tau))) == HELD_T


def test_reverse_bayes_of_a_region() -> None:
    """Shares are areas, and a region that reaches the edge of significance has no largest limit."""
    region = build_region((0.5, 1.0), (0.2, 0.4))
    assert region is not None
    found = reverse_bayes(region)
    b, s = np.random.default_rng(3).uniform((0.5, 0.2), (1.0, 0.4), size=(1_000_000, 2)).T
    assert found.share_significant == pytest.approx(float(np.mean(b / s > Z95)), abs=2e-3)
    assert found.share_matthews == pytest.approx(float(np.mean(b / s > MATTHEWS_T)), abs=2e-3)
    assert found.share_held == pytest.approx(float(np.mean(b / s > HELD_T)), abs=2e-3)
    assert math.isinf(found.limit_high)


def test_bounds_on_t() -> None:
    """The lower bound on |t| is the Normal's, the upper one that of t on the fewest degrees of freedom."""
    bounds = bound_t(PBounds(low=0.01, high=0.05), 10.0)
    assert bounds.low == pytest.approx(1.95996, abs=1e-5)
    assert bounds.high == pytest.approx(3.16927, abs=1e-5)
    assert bound_t(PBounds(), 10.0) == TBounds(low=0.0, high=math.inf)


@given(st.floats(-4, 4), st.floats(-4, 4), st.floats(-0.9, 0.9))
def test_wald_statistic(t0: float, t1: float, rho: float) -> None:
    """The Wald statistic is the quadratic form, and never below either squared statistic."""
    matrix = np.array([[1.0, rho], [rho, 1.0]])
    t = np.array([t0, t1])
    found = float(wald(np.array(t0), np.array(t1), np.array(rho)))
    assert found == pytest.approx(float(t @ np.linalg.solve(matrix, t)), rel=1e-9, abs=1e-9)
    assert found >= max(t0**2, t1**2) - 1e-9
    low, high = wald_range((0.0, abs(t0)), (0.0, abs(t1)), (-0.9, 0.9))
    assert low - 1e-9 <= found <= high + 1e-9


def test_likelihood_ratio_bounds_t() -> None:
    """The bound on |t| by a likelihood ratio is a little above its root, and nothing below zero."""
    assert bound_t_by_ratio(5.0, 155) == pytest.approx(math.sqrt(5.0), rel=0.03)
    assert bound_t_by_ratio(5.0, 155) > math.sqrt(5.0)
    assert bound_t_by_ratio(-1.0, 155) == 0.0
