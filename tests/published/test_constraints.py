"""Printed parts of a row as constraints on one pair of estimate and standard error."""

import math
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bayes_alliance.published.constraints import (
    Constraint,
    can_stand_together,
    constrain,
    quantile,
    region_of,
    t_range,
)
from bayes_alliance.published.stars import PBounds
from bayes_alliance.study.parse_cell import read_cell
from bayes_alliance.study.table_legend import TableLegend

WIDE = (10.0, math.inf)
LEGEND = TableLegend(ci_level=Decimal("0.95"), decimal="point")


def rounded(value: float, decimals: int, rule: str) -> str:
    return str(Decimal(value).quantize(Decimal(1).scaleb(-decimals), rounding=rule))


def holds(constraints: tuple[Constraint, ...], b: float, s: float) -> bool:
    """Whether a pair satisfies every constraint, up to binary digits at its ends."""
    slack = 1e-9 * (abs(b) + s)
    return all(
        all(a * b + c * s <= d + slack + 1e-9 * abs(d) for a, c, d in one.planes)
        and one.t.low - 1e-6 <= abs(b) / s <= one.t.high + 1e-6
        for one in constraints
    )


@given(
    st.floats(-5, 5),
    st.floats(0.01, 2),
    st.floats(10, 500),
    st.integers(1, 4),
    st.sampled_from([ROUND_HALF_UP, ROUND_HALF_EVEN]),
    st.sampled_from([0.9, 0.95, 0.99]),
    st.booleans(),
)
def test_honest_rows_hold_the_truth(
    b: float, s: float, df: float, decimals: int, rule: str, level: float, states_df: bool
) -> None:
    """However a row is rounded, the pair behind it satisfies every constraint, so the row stands together."""
    c, t = float(stats.t.ppf(0.5 + level / 2, df)), b / s
    p = 2 * float(stats.t.sf(abs(t), df))
    text = (
        f"{rounded(b, decimals, rule)} (SE {rounded(s, decimals + 1, rule)}), {100 * level:.0f}% CI "
        f"[{rounded(b - c * s, decimals, rule)}, {rounded(b + c * s, decimals, rule)}], "
        f"t = {rounded(t, 2, rule)}, " + (f"df = {rounded(df, 1, rule)}, " if states_df else "")
    ) + f"p = {rounded(p, 3, rule)}"
    constraints = constrain(read_cell(text, "estimate", LEGEND), "either", WIDE)
    assert holds(constraints, b, s)
    assert can_stand_together(constraints)
    low, high = t_range(constraints)
    assert low - 1e-6 <= abs(t) <= high + 1e-6


@given(st.floats(-3, 3), st.floats(0.05, 2), st.integers(1, 3))
def test_more_print_never_widens_the_region(b: float, s: float, decimals: int) -> None:
    """Each further printed part leaves a part of the region before."""
    text = f"{rounded(b, decimals, ROUND_HALF_UP)} (SE {rounded(s, decimals + 1, ROUND_HALF_UP)})"
    limits = [rounded(b + k * 1.96 * s, decimals, ROUND_HALF_UP) for k in (-1, 1)]
    first = region_of(constrain(read_cell(text, "estimate", LEGEND), "either", WIDE))
    both = region_of(
        constrain(read_cell(f"{text} [{limits[0]}, {limits[1]}]", "estimate", LEGEND), "either", WIDE)
    )
    assert first is not None
    if both is not None:
        assert both.area <= first.area * (1 + 1e-9)
        assert (both.weight > 0.0).all()
        assert both.weight.sum() == pytest.approx(1.0)


def test_area_is_that_of_a_fine_grid() -> None:
    """Quadrature over the polygon of estimate, SE, interval, t and p agrees with counting grid points."""
    cell = read_cell("0.5 (SE 0.2), 95% CI [0.1, 0.8], t = 2.3, p = .02", "estimate", LEGEND)
    constraints = constrain(cell, "either", (20.0, 60.0), PBounds(low=0.01, high=0.05))
    region = region_of(constraints)
    assert region is not None
    b, s = np.meshgrid(np.linspace(0.45, 0.55, 2001), np.linspace(0.15, 0.25, 2001))
    inside = np.ones_like(b, dtype=bool)
    for one in constraints:
        for a, c, d in one.planes:
            inside &= a * b + c * s <= d
        inside &= (np.abs(b) / s >= one.t.low) & (np.abs(b) / s <= one.t.high)
    assert region.area == pytest.approx(inside.mean() * 0.1 * 0.1, rel=0.01)
    assert float(region.weight @ region.estimate) == pytest.approx(b[inside].mean(), abs=1e-4)
    assert float(region.weight @ region.se) == pytest.approx(s[inside].mean(), abs=1e-4)


def test_interval_alone_gives_the_standard_error() -> None:
    """Without an SE the interval gives it: width over 3.92, and less for few degrees of freedom."""
    cell = read_cell("-0.030 [-0.050, -0.010]", "estimate", LEGEND)
    region = region_of(constrain(cell, "either", (math.inf, math.inf)))
    assert region is not None
    assert float(region.weight @ region.se) == pytest.approx(0.04 / 3.92, rel=0.01)
    few = region_of(constrain(cell, "either", WIDE))
    assert few is not None
    assert float(few.se.min()) < 0.04 / (2 * quantile(0.95, 10.0)) * 1.01


def test_estimate_and_test_statistic_give_the_standard_error() -> None:
    """Nor is an SE needed where a t is printed, or an exact p with its degrees of freedom."""
    for text in ("2.000, t(50) = 4.000", "2.000, F(1, 50) = 16.00", "2.000, df = 50, p = .000209"):
        region = region_of(constrain(read_cell(text, "estimate", LEGEND), "either", WIDE))
        assert region is not None
        assert float(region.weight @ region.se) == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize(
    ("text", "stands"),
    [
        ("0.50 [0.10, 0.90]", True),
        ("0.50 [0.20, 1.00]", False),
        ("0.50 (SE 0.20) [0.10, 0.90]", True),
        ("0.50 (SE 0.10) [0.10, 0.90]", False),
        ("0.50 (SE 0.20), t = 2.50", True),
        ("0.50 (SE 0.20), t = 3.50", False),
        ("0.50 (SE 0.20), t = -2.50", False),
        ("0.50 (SE 0.20), p = .012", True),
        ("0.50 (SE 0.20), p = .200", False),
        ("0.50 (SE 0.20), p < .05", True),
        ("0.50 (SE 0.40), p < .05", False),
        ("0.50 (SE 0.20), t(20) = 2.50, p = .021", True),
        ("0.50 (SE 0.20), t(20) = 2.50, p = .012", False),
        ("0.50 [0.10, 0.90], p = .50", False),
        ("0.50, F(1, 30) = 6.25, p = .018", True),
        ("0.50, F(1, 30) = 6.25, p = .18", False),
        ("0.50 (SE 0.20), p = .0062 (one-tailed)", True),
        ("0.50 (SE 0.20), p = .0062", False),
    ],
)
def test_rows_that_cannot_stand(text: str, stands: bool) -> None:
    """Parts that contradict each other leave nothing; parts that agree leave something."""
    constraints = constrain(read_cell(text, "estimate", LEGEND), "either", (20.0, math.inf))
    assert can_stand_together(constraints) is stands
    assert (region_of(constraints) is not None) is stands


def test_nothing_bounds_a_lone_estimate() -> None:
    """An estimate without anything else leaves the SE open, and that is said."""
    with pytest.raises(ValueError, match="bounds neither"):
        region_of(constrain(read_cell("0.50", "estimate", LEGEND), "either", WIDE))
