"""Explained variation: arithmetic by hand, closed forms, and what cannot be compared."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.assess.explained_variation import (
    explain,
    explained_percent,
    predicted_columns,
    share_draws,
    within_shares,
)
from bayes_alliance.errors import RowsDifferError
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, MixedFit
from bayes_alliance.inference.ml import fit_mixed
from tests.known_posteriors import (
    conjugate_posterior,
    made_up_posterior,
    make_design,
    make_rows,
    rows_used,
)

GROWTH = "y ~ time + (time | patient)"
GROUP = "y ~ time + poor + time:poor + (time | patient)"


@pytest.mark.parametrize(
    ("reference", "model", "percent"),
    [(0.04, 0.03, 25.0), (0.04, 0.05, -25.0), (0.04, 0.0, 100.0), (0.04, 0.04, 0.0)],
)
def test_explained_percent_by_hand(reference: float, model: float, percent: float) -> None:
    """100 (reference - model) / reference, negative where the variance grew."""
    assert explained_percent(reference, model) == pytest.approx(percent)


@pytest.mark.parametrize("reference", [0.0, float("nan")])
def test_nothing_is_explained_of_a_variance_that_is_not_there(reference: float) -> None:
    """Without a reference variance there is no percentage."""
    assert np.isnan(explained_percent(reference, 0.01))


def _with_sd(fit: MixedFit, sd: tuple[float, float]) -> MixedFit:
    return dataclasses.replace(fit, sd=np.array(sd))


def test_both_percentages_are_read_off_the_right_fits() -> None:
    """Same-rows value from the reference on the model's rows, as-printed value from the one on its own."""
    design = make_design(make_rows(20), GROUP)
    fit = fit_mixed(design, rows_used(design), model_id="group")
    wider = dataclasses.replace(fit.rows, n_rows=fit.rows.n_rows + 5, digest="wider")
    found = explain(
        _with_sd(fit, (0.6, 0.3)),
        design,
        reference_same=_with_sd(dataclasses.replace(fit, model_id="growth"), (0.6, 0.2)),
        reference_own=_with_sd(dataclasses.replace(fit, model_id="growth", rows=wider), (1.2, 0.6)),
        posterior=None,
        time="time",
    )
    assert found.model_id == "group"
    assert found.intercept == pytest.approx(0.0)
    assert found.slope == pytest.approx(-125.0)
    assert found.as_printed_intercept == pytest.approx(75.0)
    assert found.as_printed_slope == pytest.approx(75.0)
    assert (found.share_intercept, found.share_slope) == (None, None)


def test_a_true_predictor_explains_and_noise_does_not() -> None:
    """A slope deviation of -0.6 takes most of the slope variance away; on the same rows both values agree."""
    rows = make_rows(80, beta=(4.0, 0.1, -0.6))
    growth, group = make_design(rows, GROWTH), make_design(rows, GROUP)
    reference = fit_mixed(growth, rows_used(growth), model_id="growth")
    fit = fit_mixed(group, rows_used(group), model_id="group")
    found = explain(
        fit, group, reference_same=reference, reference_own=reference, posterior=None, time="time"
    )
    assert found.slope > 60.0
    assert abs(found.intercept) < 20.0
    assert (found.slope, found.intercept) == (found.as_printed_slope, found.as_printed_intercept)


def test_a_reference_on_other_rows_is_refused_with_both_counts() -> None:
    """Explained variation between fits on different rows is not computed."""
    few, many = make_design(make_rows(10), GROWTH), make_design(make_rows(20), GROWTH)
    fit = fit_mixed(few, rows_used(few, "a"), model_id="few")
    other = fit_mixed(many, rows_used(many, "b"), model_id="many")
    with pytest.raises(RowsDifferError, match="few: 10 patients, 50 rows; many: 20 patients, 100 rows"):
        explain(fit, few, reference_same=other, reference_own=other, posterior=None, time="time")


def test_within_share_is_the_closed_form_for_a_binary_predictor() -> None:
    """Half the patients differ by d: share = (d^2/4) / (d^2/4 + tau^2), draw by draw."""
    design = make_design(make_rows(20), GROUP)
    names = list(design.x_names)
    beta = np.zeros((1, 3, 4))
    beta[0, :, names.index("time:poor")] = [0.4, -0.2, 1.0]
    beta[0, :, names.index("poor")] = [2.0, 1.0, 0.0]
    beta[0, :, names.index("time")] = [9.0, -9.0, 3.0]
    sd = np.array([[[1.0, 0.2], [0.5, 0.1], [1.0, 0.5]]])
    intercept, slope = within_shares(design, made_up_posterior(design, beta=beta, sd=sd), time="time")
    assert intercept is not None
    assert slope is not None
    slopes = 100 * np.array([0.04 / 0.08, 0.01 / 0.02, 0.25 / 0.5])
    assert (slope.mean, slope.sd) == (pytest.approx(slopes.mean()), pytest.approx(0.0, abs=1e-9))
    intercepts = 100 * np.array([1.0 / 2.0, 0.25 / 0.5, 0.0])
    assert intercept.mean == pytest.approx(intercepts.mean())


def test_a_growth_model_has_no_within_share() -> None:
    """Without a predictor every patient has the same predicted slope, and nothing is explained."""
    design = make_design(make_rows(20), GROWTH)
    assert within_shares(design, conjugate_posterior(design, draws=20), time="time") == (None, None)


def test_a_random_intercept_model_has_a_share_of_the_intercept_only() -> None:
    """No random slope, no share of its variance."""
    design = make_design(make_rows(20), "y ~ time + poor + (1 | patient)")
    posterior = made_up_posterior(design, beta=np.ones((1, 50, 3)))
    intercept, slope = within_shares(design, posterior, time="time")
    assert intercept is not None
    assert slope is None


def test_the_share_grows_with_the_effect_and_falls_with_the_remaining_variance() -> None:
    """More difference between groups explains more; more variance left explains less."""
    design = make_design(make_rows(20), GROUP)

    def share(effect: float, tau: float) -> float:
        beta = np.zeros((1, 2, 4))
        beta[..., design.x_names.index("time:poor")] = effect
        posterior = made_up_posterior(design, beta=beta, sd=np.full((1, 2, 2), tau))
        found = within_shares(design, posterior, time="time")[1]
        assert found is not None
        return found.mean

    assert share(0.1, 0.3) < share(0.2, 0.3) < share(0.2, 0.1)


def _frame() -> pd.DataFrame:
    """Four patients with two or three visits; p3 is seen at time zero only."""
    return pd.DataFrame(
        {
            "patient": ["p0", "p0", "p1", "p1", "p1", "p2", "p2", "p3"],
            "time": [0.0, 2.0, 1.0, 3.0, 5.0, 0.0, 4.0, 0.0],
            "y": [1.0, 2.0, 0.5, 1.5, 2.2, 0.3, 1.1, 0.7],
            "age": [10.0, 10.0, -5.0, -5.0, -5.0, 0.0, 0.0, 3.0],
            "poor": [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0],
            "cell": pd.Categorical(["a", "a", "b", "b", "b", "c", "c", "a"], categories=["a", "b", "c"]),
        }
    )


def _predicted(formula: str, beta: Array, frame: pd.DataFrame | None = None) -> tuple[Design, Array, Array]:
    design = make_design(_frame() if frame is None else frame, formula)
    intercept, slope = predicted_columns(design, "time")
    return design, intercept @ beta, slope @ beta


def test_predicted_columns_for_a_numeric_predictor() -> None:
    """Intercept b0 + b2 age and slope b1 + b3 age, the patient with time zero only included."""
    _, intercept, slope = _predicted(
        "y ~ time + age + time:age + (time | patient)", np.array([1.0, 2.0, 0.1, 0.01])
    )
    np.testing.assert_allclose(intercept, [2.0, 0.5, 1.0, 1.3])
    np.testing.assert_allclose(slope, [2.1, 1.95, 2.0, 2.03])


def test_a_predictor_centred_within_patients_carries_no_variance_between_them() -> None:
    """It varies from visit to visit around zero, so the share of the intercept variance is zero, of a raw one not."""
    rng = np.random.default_rng(2)
    rows = make_rows(40)
    stress = rng.normal(size=len(rows)) + np.repeat(rng.normal(0.0, 2.0, 40), len(rows) // 40)
    patient = rows["patient"].to_numpy()
    mean = pd.Series(stress).groupby(patient).transform("mean").to_numpy()
    for column, carries in ((stress - mean, False), (stress, True)):
        design = make_design(rows, "y ~ time + stress + (time | patient)", stress=column)
        beta = np.broadcast_to([4.0, 0.1, 2.0], (4, 50, 3)).copy()
        fit = made_up_posterior(
            design,
            beta=beta,
            sd=np.full((4, 50, 2), 0.5),
            correlation=np.zeros((4, 50)),
            sigma=np.full((4, 50), 0.4),
        )
        share = share_draws(design, fit, time="time")[0]
        assert share is not None
        assert (share.mean() > 50.0) if carries else (share.max() < 1e-6)


def test_predicted_columns_for_a_categorical_predictor() -> None:
    """Each cell has its own intercept and slope."""
    design, _, _ = _predicted("y ~ time + cell + (time | patient)", np.zeros(4))
    assert design.x_names == ("Intercept", "time", "cell[b]", "cell[c]")
    frame = pd.concat([_frame().assign(patient=_frame()["patient"] + suffix) for suffix in ("x", "y")])
    frame = frame.sort_values(["patient", "time"]).reset_index(drop=True)
    _, intercept, slope = _predicted(
        "y ~ time + cell + time:cell + (time | patient)", np.array([1.0, 2.0, 10.0, 20.0, 0.5, 0.7]), frame
    )
    np.testing.assert_allclose(intercept, np.repeat([1.0, 11.0, 21.0, 1.0], 2))
    np.testing.assert_allclose(slope, np.repeat([2.0, 2.5, 2.7, 2.0], 2))


def test_predicted_columns_for_a_three_way_interaction() -> None:
    """The slope holds time, both two-way products and the three-way product."""
    rows = make_rows(12)
    age = np.repeat(np.linspace(-3.0, 3.0, 12), 5)
    design = make_design(rows, "y ~ time*poor*age + (time | patient)", age=age)
    beta = np.random.default_rng(1).normal(size=len(design.x_names))
    intercept, slope = predicted_columns(design, "time")
    by_name = dict(zip(design.x_names, beta, strict=True))
    poor, ages = np.arange(12) % 2, np.linspace(-3.0, 3.0, 12)

    def term(*parts: str) -> float:
        return next(v for k, v in by_name.items() if sorted(k.split(":")) == sorted(parts))

    np.testing.assert_allclose(
        intercept @ beta,
        by_name["Intercept"] + term("poor") * poor + term("age") * ages + term("poor", "age") * poor * ages,
    )
    np.testing.assert_allclose(
        slope @ beta,
        term("time")
        + term("time", "poor") * poor
        + term("time", "age") * ages
        + term("time", "poor", "age") * poor * ages,
        rtol=1e-9,
    )


def test_predicted_slope_without_a_main_effect_is_taken_from_later_visits() -> None:
    """Where only the product is in the model, a patient seen at time zero only has no known slope."""
    _, intercept, slope = _predicted("y ~ time + time:poor + (time | patient)", np.array([1.0, 2.0, 0.5]))
    np.testing.assert_allclose(intercept, 1.0)
    np.testing.assert_allclose(slope, [2.0, 2.5, 2.5, np.nan])


def test_predicted_slope_needs_no_column_of_time_alone() -> None:
    """Products of time without its main effect are divided by time from the random part."""
    design = make_design(make_rows(6), "y ~ time:poor + (time | patient)")
    assert "time" not in design.x_names
    slope = predicted_columns(design, "time")[1]
    column = [i for i, name in enumerate(design.x_names) if name != "Intercept"]
    np.testing.assert_allclose(slope[:, column].sum(axis=1), [0.0, 1.0, 0.0, 1.0, 0.0, 1.0])


def test_the_predicted_line_reproduces_the_fixed_part_of_every_row() -> None:
    """Intercept + slope * time is x @ beta wherever the slope is known."""
    design = make_design(make_rows(15), GROUP)
    beta = np.array([1.0, -0.3, 0.2, 0.7])
    intercept, slope = (columns @ beta for columns in predicted_columns(design, "time"))
    times = design.z[:, 1]
    np.testing.assert_allclose(
        intercept[design.patient_index] + slope[design.patient_index] * times, design.x @ beta
    )
