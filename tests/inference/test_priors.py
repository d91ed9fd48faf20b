"""Priors from natural units: which role a column has, and that units do not matter."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats as distributions

from bayes_alliance.errors import InputError
from bayes_alliance.inference.priors import (
    CoefficientPriors,
    coefficient_log_prior,
    coefficient_priors,
    combination_prior,
    log_scale_prior,
    reference_values,
)
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.mean_prior import weigh_names
from bayes_alliance.study.prior_records import PriorScales, PriorSet
from bayes_alliance.study.records import Study
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


def _near(mean: float, sd: float) -> tuple[object, object]:
    return pytest.approx(mean, abs=1e-12), pytest.approx(sd)


def _column(found: dict[str, tuple[float, float]], *parts: str) -> tuple[float, float]:
    return next(v for k, v in found.items() if sorted(k.split(":")) == sorted(parts))


def test_level_and_slope_are_in_points_and_points_over_the_horizon() -> None:
    """The intercept as stated, the slope divided by 36 months."""
    found = _priors("goals ~ months + (months | patient)")
    assert found == {"Intercept": _near(4.0, 1.5), "months": _near(0.5 / 36, 2.0 / 36)}


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
    """Age with a contrast of ten years has a tenth of the effect's prior per year; means are those of the slopes."""
    found = _priors("goals ~ months + age + months:age + poor + months:poor + (months | patient)")
    assert _column(found, "poor") == _near(0.0, 1.0)
    assert _column(found, "age") == _near(0.0, 0.1)
    assert _column(found, "months", "poor") == _near(-0.25 / 36, 1.25 / 36)
    assert _column(found, "age", "months") == _near(-0.25 / 360, 1.25 / 360)


def test_an_interaction_of_predictors_is_per_product_of_their_contrasts() -> None:
    """Three-way products are deviations of a slope too, of either sign."""
    found = _priors("goals ~ months*poor*age + (months | patient)")
    assert _column(found, "months", "poor", "age") == _near(0.0, 1.25 / 360)


def test_every_difference_of_levels_has_the_prior_of_an_effect() -> None:
    """All six differences of four cells, of level and of slope, have the SD of an effect; their contrast 1.41 times."""
    design = make_design(_rows(), "goals ~ months + cell + months:cell + (months | patient)")
    found = coefficient_priors(_study(), design, "neutral")
    levels = {"g0": {}, **{c: {f"cell[{c}]": 1.0} for c in ("g1", "p0", "p1")}}
    for a, b in itertools.combinations(levels, 2):
        weights = {k: v for k, v in levels[b].items()} | {k: -v for k, v in levels[a].items()}
        assert found.combine(weigh_names(design.x_names, weights)) == _near(0.0, 1.0)
        slopes = {f"months:{k}": v for k, v in weights.items()}
        assert found.combine(weigh_names(design.x_names, slopes)) == _near(0.0, 1.25 / 36)
    moderation = {"months:cell[p1]": 1.0, "months:cell[p0]": -1.0, "months:cell[g1]": -1.0}
    assert found.combine(weigh_names(design.x_names, moderation)) == _near(0.0, np.sqrt(2.0) * 1.25 / 36)


def test_cells_are_exchangeable_around_the_level_and_slope() -> None:
    """Each of four cells has the SD of the level and, beside it, that of its own deviation."""
    levels = _priors("goals ~ 0 + cell + (months | patient)")
    assert list(levels) == ["cell[g0]", "cell[g1]", "cell[p0]", "cell[p1]"]
    assert all(v == _near(4.0, np.hypot(1.5, np.sqrt(0.5 * 0.75))) for v in levels.values())
    slopes = {k: v for k, v in _priors("goals ~ 1 + months:cell + (months | patient)").items() if "[" in k}
    assert len(slopes) == 4
    sd = np.hypot(2.0, 1.25 * np.sqrt(0.5 * 0.75)) / 36
    assert all(v == _near(0.5 / 36, sd) for v in slopes.values())


@pytest.mark.parametrize(
    "formula", ["goals ~ months*poor + (months | patient)", "goals ~ 0 + cell + (1 | patient)"]
)
def test_time_in_days_gives_the_same_prior_on_the_natural_scale(formula: str) -> None:
    """30 days a month: slopes and their SDs are 30 times smaller, change over the horizon is the same."""
    months = coefficient_priors(_study(36.0), make_design(_rows(), formula), "neutral")
    days = coefficient_priors(_study(36.0 * 30), make_design(_rows(30.0), formula), "neutral")
    names = make_design(_rows(), formula).x_names
    unit = np.array([30.0 if "months" in name else 1.0 for name in names])
    np.testing.assert_allclose(days.mean * unit, months.mean, atol=1e-12)
    np.testing.assert_allclose(days.sd * unit, months.sd)
    np.testing.assert_allclose(days.sd_scale * np.array([1.0, 30.0])[: len(days.sd_scale)], months.sd_scale)
    assert days.sigma_scale == months.sigma_scale


def test_the_named_set_and_the_outcome_decide() -> None:
    """Another set has its own effect of the slope, another outcome its own slope."""
    formula = "goals ~ months*poor + (months | patient)"
    neutral, sceptical = _priors(formula), _priors(formula, "sceptical")
    assert _column(neutral, "months", "poor") == _near(-0.25 / 36, 1.25 / 36)
    assert _column(sceptical, "months", "poor") == _near(0.0, 0.1 / 36)
    assert neutral["poor"] == sceptical["poor"]
    design = make_design(
        _rows().assign(tasks=1.0).assign(tasks=lambda f: f["goals"]), "tasks ~ months + (1 | patient)"
    )
    assert coefficient_priors(_study(), design, "neutral").mean[1] == pytest.approx(9.0 / 36)


def test_an_unknown_set_is_an_input_error_that_lists_those_there_are() -> None:
    """The message says what was asked for and what there is."""
    design = make_design(_rows(), "goals ~ months + (months | patient)")
    with pytest.raises(InputError, match=r"no such prior set; found: 'nutral'; allowed: neutral, sceptical"):
        coefficient_priors(_study(), design, "nutral")


def test_prior_of_a_combination_needs_no_rows() -> None:
    """Slopes of both groups lie half a difference to either side of the slope at the reference point."""
    formula = parse_formula("goals ~ months + poor + months:poor + (months | patient)")
    for weights, sign in (({"months": 1.0}, -1.0), ({"months": 1.0, "months:poor": 1.0}, 1.0)):
        mean, sd = combination_prior(_study(), formula, "neutral", weights)
        assert mean == pytest.approx((0.5 + sign * 0.5 * -0.25) / 36)
        assert sd == pytest.approx(np.hypot(2.0, 0.5 * 1.25) / 36)


def test_with_and_without_rows_the_prior_is_the_same() -> None:
    """Every coefficient of a model with a category, where the reference is that of the rows."""
    formula = "goals ~ months*cell + age + (months | patient)"
    design = make_design(_rows(), formula)
    whole = coefficient_priors(_study(), design, "neutral")
    for i, name in enumerate(design.x_names):
        mean, sd = combination_prior(
            _study(), design.formula, "neutral", {name: 1.0}, reference=reference_values(design, "months")
        )
        assert (mean, sd) == _near(float(whole.mean[i]), float(whole.sd[i]))


@pytest.mark.parametrize("weights", [{"months:cell[g1]": 1.0}, {"months": 1.0, "months:cell[p1]": 2.0}])
def test_widening_an_effect_keeps_the_rest_given_it(weights: dict[str, float]) -> None:
    """The SD of the effect changes by the factor; the coefficients' distribution given the effect does not."""
    design = make_design(_rows(), "goals ~ months*cell + (months | patient)")
    prior = coefficient_priors(_study(), design, "neutral")
    w = weigh_names(design.x_names, weights)
    wide = prior.widened(w, 4.0)
    assert wide.combine(w) == _near(prior.combine(w)[0], 4.0 * prior.combine(w)[1])
    for one in (prior, wide):
        gain = one.covariance @ w / (w @ one.covariance @ w)
        left = one.covariance - np.outer(gain, w @ one.covariance)
        if one is prior:
            expected = gain, left
    np.testing.assert_allclose(gain, expected[0], atol=1e-10)
    np.testing.assert_allclose(left, expected[1], atol=1e-12)


def test_log_density_is_that_of_the_joint_normal() -> None:
    """SciPy's multivariate normal, at draws from the prior."""
    design = make_design(_rows(), "goals ~ months*cell + age + (months | patient)")
    prior = coefficient_priors(_study(), design, "neutral")
    beta = prior.mean + np.random.default_rng(1).normal(size=(5, len(prior.mean))) @ prior.root.T
    expected = distributions.multivariate_normal(prior.mean, prior.covariance).logpdf(beta)
    np.testing.assert_allclose(coefficient_log_prior(beta, prior), expected, rtol=1e-8)


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
