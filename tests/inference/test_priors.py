"""Priors from natural units: which role a column has, and that units do not matter."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats as distributions

from bayes_alliance.errors import InputError
from bayes_alliance.inference.priors import (
    CoefficientPriors,
    coefficient_priors,
    combination_prior,
    log_scale_prior,
)
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import PriorScales, PriorSet, Study
from tests.builders import VARIABLES, build_derived, build_study, build_variable
from tests.known_posteriors import make_design

SCALES = PriorScales(
    intercept=(4.0, 1.5),
    slope=(0.5, 2.0),
    effect_intercept=(0.0, 1.0),
    effect_slope=(-0.25, 1.25),
    sd_intercept=0.75,
    sd_slope=1.5,
    sigma=0.6,
    lkj_eta=2.5,
)


def _study(horizon: float = 36.0) -> Study:
    age = dataclasses.replace(build_variable("age", "patient"), contrast=10.0)
    cell = dataclasses.replace(
        build_derived("cell", "cross", ("poor", "ppd"), categories=("g0", "g1", "p0", "p1")), contrast=1.0
    )
    study = build_study(
        variables=(*VARIABLES[:4], age, build_variable("poor", "patient", "binary")), derived=(cell,)
    )
    scales = (("goals", SCALES), ("tasks", dataclasses.replace(SCALES, slope=(9.0, 9.0))))
    other = tuple((name, dataclasses.replace(s, effect_slope=(0.0, 0.1))) for name, s in scales)
    priors = (
        PriorSet(name="neutral", label="", tag="", scales=scales),
        PriorSet(name="sceptical", label="", tag="", scales=other),
    )
    return dataclasses.replace(study, priors=priors, horizon=horizon)


def _rows(factor: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    n = 16
    patients = pd.DataFrame(
        {
            "patient": [f"p{i:02d}" for i in range(n)],
            "poor": np.tile([0.0, 1.0], n // 2),
            "age": rng.normal(size=n),
            "cell": pd.Categorical(np.tile(["g0", "g1", "p0", "p1"], n // 4), ["g0", "g1", "p0", "p1"]),
        }
    )
    rows = patients.loc[patients.index.repeat(3)].reset_index(drop=True)
    return rows.assign(months=np.tile([0.0, 12.0, 36.0], n) * factor, goals=rng.normal(4, 1, 3 * n))


def _priors(formula: str, name: str = "neutral") -> dict[str, tuple[float, float]]:
    design = make_design(_rows(), formula)
    found = coefficient_priors(_study(), design, name)
    return dict(zip(design.x_names, zip(found.mean.tolist(), found.sd.tolist(), strict=True), strict=True))


def test_level_and_slope_are_in_points_and_points_over_the_horizon() -> None:
    """The intercept as stated, the slope divided by 36 months."""
    found = _priors("goals ~ months + (months | patient)")
    assert found == {"Intercept": (4.0, 1.5), "months": (pytest.approx(0.5 / 36), pytest.approx(2.0 / 36))}


def test_random_effects_residual_and_correlation() -> None:
    """SD of slopes over the horizon; the residual SD and the LKJ shape as stated."""
    found = coefficient_priors(
        _study(), make_design(_rows(), "goals ~ months + (months | patient)"), "neutral"
    )
    np.testing.assert_allclose(found.sd_scale, [0.75, 1.5 / 36])
    assert (found.sigma_scale, found.lkj_eta, found.name) == (0.6, 2.5, "neutral")
    only = coefficient_priors(_study(), make_design(_rows(), "goals ~ months + (1 | patient)"), "neutral")
    np.testing.assert_allclose(only.sd_scale, [0.75])


def test_effects_are_per_contrast_of_the_predictor() -> None:
    """Age with a contrast of ten years has a tenth of the effect's prior per year."""
    found = _priors("goals ~ months + age + months:age + poor + months:poor + (months | patient)")
    assert found["poor"] == (0.0, 1.0)
    assert found["age"] == (0.0, pytest.approx(0.1))
    slope = next(v for k, v in found.items() if sorted(k.split(":")) == ["months", "poor"])
    assert slope == (pytest.approx(-0.25 / 36), pytest.approx(1.25 / 36))
    aged = next(v for k, v in found.items() if sorted(k.split(":")) == ["age", "months"])
    assert aged == (pytest.approx(-0.25 / 360), pytest.approx(1.25 / 360))


def test_an_interaction_of_predictors_is_per_product_of_their_contrasts() -> None:
    """Three-way products are deviations of a slope too."""
    found = _priors("goals ~ months*poor*age + (months | patient)")
    (three,) = (v for k, v in found.items() if len(k.split(":")) == 3)
    assert three == (pytest.approx(-0.25 / 360), pytest.approx(1.25 / 360))


def test_every_level_of_a_category_has_the_prior_of_an_effect() -> None:
    """Differences from the reference cell are effects, of level and of slope."""
    found = _priors("goals ~ months + cell + months:cell + (months | patient)")
    cells = {k: v for k, v in found.items() if "[" in k}
    assert len(cells) == 6
    for name, prior in cells.items():
        expected = (-0.25 / 36, 1.25 / 36) if "months" in name else (0.0, 1.0)
        assert prior == (pytest.approx(expected[0]), pytest.approx(expected[1]))


def test_cells_without_a_reference_have_the_priors_of_levels_and_slopes() -> None:
    """Without an intercept each cell has its own level; without months each cell its own slope."""
    levels = _priors("goals ~ 0 + cell + (months | patient)")
    assert list(levels) == ["cell[g0]", "cell[g1]", "cell[p0]", "cell[p1]"]
    assert set(levels.values()) == {(4.0, 1.5)}
    slopes = {k: v for k, v in _priors("goals ~ 1 + months:cell + (months | patient)").items() if "[" in k}
    assert len(slopes) == 4
    assert all(v == (pytest.approx(0.5 / 36), pytest.approx(2.0 / 36)) for v in slopes.values())


@pytest.mark.parametrize(
    "formula", ["goals ~ months*poor + (months | patient)", "goals ~ 0 + cell + (1 | patient)"]
)
def test_time_in_days_gives_the_same_prior_on_the_natural_scale(formula: str) -> None:
    """30 days a month: slopes and their SDs are 30 times smaller, change over the horizon is the same."""
    months = coefficient_priors(_study(36.0), make_design(_rows(), formula), "neutral")
    days = coefficient_priors(_study(36.0 * 30), make_design(_rows(30.0), formula), "neutral")
    names = make_design(_rows(), formula).x_names
    unit = np.array([30.0 if "months" in name else 1.0 for name in names])
    np.testing.assert_allclose(days.mean * unit, months.mean)
    np.testing.assert_allclose(days.sd * unit, months.sd)
    np.testing.assert_allclose(days.sd_scale * np.array([1.0, 30.0])[: len(days.sd_scale)], months.sd_scale)
    assert days.sigma_scale == months.sigma_scale


def test_the_named_set_and_the_outcome_decide() -> None:
    """Another set has its own effect of the slope, another outcome its own slope."""
    formula = "goals ~ months*poor + (months | patient)"
    neutral, sceptical = _priors(formula), _priors(formula, "sceptical")
    changed = {name for name in neutral if neutral[name] != sceptical[name]}
    assert {tuple(sorted(name.split(":"))) for name in changed} == {("months", "poor")}
    design = make_design(
        _rows().assign(tasks=1.0).assign(tasks=lambda f: f["goals"]), "tasks ~ months + (1 | patient)"
    )
    assert coefficient_priors(_study(), design, "neutral").mean[1] == pytest.approx(9.0 / 36)


def test_an_unknown_set_is_an_input_error_that_lists_those_there_are() -> None:
    """The message says what was asked for and what there is."""
    design = make_design(_rows(), "goals ~ months + (months | patient)")
    with pytest.raises(InputError, match=r"no such prior set; found: 'nutral'; allowed: neutral, sceptical"):
        coefficient_priors(_study(), design, "nutral")


def test_prior_of_a_combination_is_that_of_the_sum() -> None:
    """Slope of the poor group: means add, variances add, and no rows are needed."""
    formula = parse_formula("goals ~ months + poor + months:poor + (months | patient)")
    mean, sd = combination_prior(_study(), formula, "neutral", {"months": 1.0, "months:poor": 1.0})
    assert mean == pytest.approx((0.5 - 0.25) / 36)
    assert sd == pytest.approx(np.hypot(2.0, 1.25) / 36)


@pytest.mark.parametrize(
    ("family", "reference"),
    [
        ("half_normal", distributions.halfnorm(scale=0.7).logpdf),
        ("exponential", distributions.expon(scale=0.7).logpdf),
        ("half_t", lambda x: distributions.t(df=3.0, scale=0.7).logpdf(x) + np.log(2.0)),
    ],
)
def test_densities_of_priors_on_sds_are_scipys(family: str, reference: object) -> None:
    """Half-normal, exponential and half-t densities to rounding."""
    values = np.array([0.01, 0.3, 0.7, 2.0, 10.0])
    found = log_scale_prior(values, np.array(0.7), family, 3.0)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, reference(values), rtol=1e-12)  # type: ignore[operator]


def test_scale_family_travels_to_the_coefficients() -> None:
    """A set with half-t scales says so in the model's priors."""
    study = _study()
    scales = dataclasses.replace(SCALES, scale_family="half_t", scale_df=4.0)
    priors = (PriorSet(name="t", label="", tag="", scales=(("goals", scales),)),)
    design = make_design(_rows(), "goals ~ months + (months | patient)")
    found = coefficient_priors(dataclasses.replace(study, priors=priors), design, "t")
    assert isinstance(found, CoefficientPriors)
    assert (found.scale_family, found.scale_df) == ("half_t", 4.0)
