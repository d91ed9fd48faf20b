"""Posterior predictive checks: calibrated models pass, wrong ones are caught, statistics by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats as distributions

from bayes_alliance.assess.posterior_predictive import (
    OutcomeScale,
    PredictiveStatistic,
    check_predictions,
    loo_pit,
    simulate_replicates,
    uniformity_p,
)
from bayes_alliance.inference.design import Design
from tests.known_posteriors import (
    SD,
    SIGMA,
    conjugate_posterior,
    covariance_of,
    made_up_posterior,
    make_design,
    make_rows,
    posterior_around_ml,
)

OPEN = OutcomeScale(minimum=None, maximum=None, step=None)


def _tiny() -> Design:
    """Two patients with two and three rows; every statistic of y can be done by hand."""
    rows = make_rows(2, 3).iloc[[0, 1, 3, 4, 5]].assign(y=[1.0, 3.0, 5.0, 6.0, 7.0])
    return make_design(rows.reset_index(drop=True), "y ~ 1 + (1 | patient)")


def _check(replicates: list[list[float]], scale: OutcomeScale = OPEN) -> dict[str, PredictiveStatistic]:
    found = check_predictions(
        np.array(replicates),
        _tiny(),
        scale,
        groups=np.array(["a", "a", "b", "b", "b"]),
        bins=np.array(["early", "late", "early", "late", "late"]),
    )
    return {f"{s.name}|{s.group}|{s.bin}": s for s in found}


def test_statistics_of_the_data_by_hand() -> None:
    """Within: deviations (-1, 1) and (-1, 0, 1) on 3 df; between: means 2 and 6."""
    found = _check([[0.0, 0.0, 0.0, 0.0, 0.0], [2.0, 2.0, 8.0, 8.0, 8.0]])
    within = found["sd within patients||"]
    assert within.observed == pytest.approx(np.sqrt(4 / 3))
    assert (within.lower, within.upper) == (0.0, 0.0)
    between = found["sd between patients' means||"]
    assert between.observed == pytest.approx(np.sqrt(8.0))
    assert between.median == pytest.approx(0.5 * np.std([2.0, 8.0], ddof=1))
    assert between.n_rows == 5
    assert found["mean|b|late"].observed == 6.5
    assert found["mean|b|late"].n_rows == 2
    assert found["sd|b|late"].observed == pytest.approx(np.sqrt(0.5))


def test_a_window_with_a_single_row_is_not_shown() -> None:
    """One row has no spread and its mean is a patient's value."""
    found = _check([[0.0] * 5, [1.0] * 5])
    assert "mean|a|early" not in found
    assert "mean|b|late" in found


def test_p_value_is_the_share_of_replicates_above_with_ties_by_half() -> None:
    """Replicated means 5, 6.5, 8 and 9 against 6.5: one tie and two above give 0.625."""
    replicates = [[0.0, 0.0, 0.0, mean, mean] for mean in (5.0, 6.5, 8.0, 9.0)]
    assert _check(replicates)["mean|b|late"].p_value == pytest.approx(0.625)


def test_floor_and_ceiling_count_what_would_be_recorded_there() -> None:
    """On a grid of 1 from 1 to 7, up to 1.5 is recorded as 1 and from 6.5 as 7."""
    found = _check(
        [[1.4, 1.6, 6.4, 6.6, 9.0], [-3.0, 1.0, 1.5, 4.0, 4.0]],
        OutcomeScale(minimum=1.0, maximum=7.0, step=1.0),
    )
    floor = found["share at or below the floor||"]
    assert (floor.observed, floor.median) == (pytest.approx(0.2), pytest.approx((0.2 + 0.6) / 2))
    ceiling = found["share at or above the ceiling||"]
    assert (ceiling.observed, ceiling.median) == (pytest.approx(0.2), pytest.approx((0.4 + 0.0) / 2))


def test_an_open_scale_has_neither_floor_nor_ceiling() -> None:
    """Where the scale has no ends, nothing is said of them."""
    assert not any("floor" in name or "ceiling" in name for name in _check([[0.0] * 5, [1.0] * 5]))


def test_patients_with_one_row_each_have_no_spread_within() -> None:
    """The within-patient SD is left out instead of shown as a number that does not exist."""
    design = make_design(make_rows(6, 1), "y ~ 1 + (1 | patient)")
    everything = np.full(6, "all")
    found = check_predictions(np.zeros((3, 6)), design, OPEN, groups=everything, bins=everything)
    names = {s.name for s in found}
    assert "sd between patients' means" in names
    assert "sd within patients" not in names


def test_a_statistic_counts_the_patients_whom_it_tells_of() -> None:
    """Of eight patients three are seen three times and two twice: slopes are of three, the SD within of five."""
    rows = make_rows(8, 3)
    visit, who = rows.groupby("patient").cumcount(), rows.groupby("patient").ngroup()
    design = make_design(rows[visit < np.where(who < 3, 3, np.where(who < 5, 2, 1))].reset_index(drop=True))
    everything = np.full(len(design.y), "all")
    noise = np.random.default_rng(1).normal(size=(3, len(design.y)))
    found = check_predictions(noise, design, OPEN, groups=everything, bins=everything)
    counts = {statistic.name: statistic.n_patients for statistic in found}
    assert counts["sd of patients' slopes"] == counts["correlation of slope and last visit"] == 3
    assert (counts["sd within patients"], counts["sd between patients' means"]) == (5, 8)


def test_replicates_have_the_moments_of_the_model() -> None:
    """Mean X beta and covariance Z G Z' + sigma^2 I, for new patients at the same visits."""
    design = make_design(make_rows(2, 3, scatter=False))
    beta = np.tile([4.0, 0.1, -0.2], (4, 1000, 1))
    values = simulate_replicates(made_up_posterior(design, beta=beta), design, count=40_000, seed=1)
    np.testing.assert_allclose(values.mean(axis=0), design.x @ beta[0, 0], atol=0.03)
    expected = np.zeros((6, 6))
    for patient in range(2):
        mine = slice(3 * patient, 3 * patient + 3)
        expected[mine, mine] = covariance_of(design.z[mine])
    np.testing.assert_allclose(np.cov(values.T), expected, atol=0.05)


def test_the_same_seed_gives_the_same_replicates() -> None:
    """Replicates depend on the seed and on nothing else."""
    design = make_design(make_rows(5))
    fit = conjugate_posterior(design, draws=50)
    one, same, other = (simulate_replicates(fit, design, count=10, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.max(np.abs(one - other)) > 0.1


@pytest.fixture(scope="module")
def calibrated() -> Design:
    return make_design(make_rows(120, 6, seed=11))


def test_pit_is_uniform_for_data_from_the_model(calibrated: Design) -> None:
    """LOO-PIT values of 720 visits pass a Kolmogorov-Smirnov test against the uniform."""
    pit = loo_pit(conjugate_posterior(calibrated, draws=250), calibrated, seed=1)
    assert pit.shape == (720,)
    assert distributions.kstest(pit, "uniform").pvalue > 0.05
    assert np.mean((pit > 0.25) & (pit < 0.75)) == pytest.approx(0.5, abs=0.06)


def test_pit_is_u_shaped_where_sigma_is_half_of_the_truth(calibrated: Design) -> None:
    """Too narrow a model puts too many visits into its tails, on both sides alike."""
    fit = conjugate_posterior(calibrated, draws=250)
    narrow = made_up_posterior(calibrated, beta=fit.beta, sigma=SIGMA / 2)
    pit = loo_pit(narrow, calibrated, seed=1)
    assert np.mean(pit < 0.05) > 0.12
    assert np.mean(pit > 0.95) > 0.12
    assert distributions.kstest(pit, "uniform").pvalue < 1e-4


def test_pit_piles_up_in_the_middle_where_sigma_is_too_large(calibrated: Design) -> None:
    """Too wide a model keeps visits away from its tails."""
    fit = conjugate_posterior(calibrated, draws=250)
    pit = loo_pit(made_up_posterior(calibrated, beta=fit.beta, sigma=2 * SIGMA), calibrated, seed=1)
    assert np.mean((pit > 0.25) & (pit < 0.75)) > 0.62


def test_uniformity_is_judged_by_arviz(calibrated: Design) -> None:
    """A calibrated model passes, one with half the residual SD does not."""
    fit = conjugate_posterior(calibrated, draws=250)
    assert uniformity_p(loo_pit(fit, calibrated, seed=1)) > 0.05
    narrow = made_up_posterior(calibrated, beta=fit.beta, sigma=SIGMA / 2)
    assert uniformity_p(loo_pit(narrow, calibrated, seed=1)) < 1e-3


def test_values_on_a_grid_are_uniform_within_their_cells(calibrated: Design) -> None:
    """Outcomes rounded to whole points: lumpy as they are, uniform when drawn within the cell."""
    rounded = dataclasses.replace(calibrated, y=np.round(calibrated.y))
    fit = conjugate_posterior(calibrated, draws=250)
    assert uniformity_p(loo_pit(fit, rounded, seed=1)) < 0.01
    within = loo_pit(fit, rounded, seed=1, step=1.0)
    assert np.all((within >= 0.0) & (within <= 1.0))
    assert abs(float(np.mean(within)) - 0.5) < 0.03


def test_slopes_and_dropout_by_course_are_looked_at() -> None:
    """Patients leave where they decline: the correlation of slope and last visit is off; without that it is not."""
    rows = make_rows(150, 8, seed=5, beta=(4.0, 0.0, 0.0))
    patient = rows["patient"].to_numpy()
    own = {p: np.polyfit(r["time"], r["y"], 1)[0] for p, r in rows.groupby("patient")}
    slope = np.array([own[p] for p in patient])
    latest = {
        "by course": np.where(slope < 0.0, 3.5, 9.0),
        "by chance": np.where(np.arange(1200) // 8 % 2, 3.5, 9.0),
    }
    for name, last in latest.items():
        design = make_design(rows[rows["time"].to_numpy() <= last], "y ~ time + (time | patient)")
        fit = posterior_around_ml(design)
        replicates = simulate_replicates(fit, design, count=400, seed=1)
        everyone = np.full(design.n_rows, "all")
        found = {
            one.name: one
            for one in check_predictions(replicates, design, OPEN, groups=everyone, bins=everyone)
        }
        p = found["correlation of slope and last visit"].p_value
        assert (min(p, 1.0 - p) < 0.005) == (name == "by course")
        assert 0.01 < found["sd of patients' slopes"].p_value < 0.99 or name == "by course"


def test_pit_shifts_when_the_level_is_wrong(calibrated: Design) -> None:
    """A model whose residuals are skewed to one side has PIT values off the middle."""
    shifted = make_design(make_rows(120, 6, seed=11).assign(y=lambda f: f["y"] + (f["time"] > 4.5)))
    pit = loo_pit(conjugate_posterior(calibrated, draws=250), shifted, seed=1)
    late = shifted.z[:, 1] > 4.5
    assert np.mean(pit[late]) > 0.7


def _statistics(design: Design, beta_level: float, *, sd_factor: float, sigma: float) -> dict[str, float]:
    beta = np.tile([beta_level, 0.1, -0.2], (4, 100, 1))
    fit = made_up_posterior(
        design, beta=beta, sd=np.broadcast_to(SD * sd_factor, (4, 100, 2)).copy(), sigma=sigma
    )
    replicates = simulate_replicates(fit, design, count=400, seed=2)
    labels = np.full(design.n_rows, "all")
    found = check_predictions(replicates, design, OPEN, groups=labels, bins=labels)
    return {s.name: s.p_value for s in found}


def test_the_true_model_passes_and_each_wrong_one_is_caught_by_its_statistic(calibrated: Design) -> None:
    """Wrong residual SD, wrong spread between patients and wrong level each show where they should."""
    right = _statistics(calibrated, 4.0, sd_factor=1.0, sigma=SIGMA)
    assert all(0.01 < p < 0.99 for p in right.values())
    assert _statistics(calibrated, 4.0, sd_factor=1.0, sigma=2 * SIGMA)["sd within patients"] > 0.99
    assert _statistics(calibrated, 4.0, sd_factor=0.3, sigma=SIGMA)["sd between patients' means"] < 0.01
    assert _statistics(calibrated, 5.0, sd_factor=1.0, sigma=SIGMA)["mean"] > 0.99
