"""Stress tests of missing data: they change a verdict where dropout is informative and leave it where it is not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.likelihood import relative_factor
from bayes_alliance.inference.patient_effects import draw_effects
from bayes_alliance.inference.statistics import summarise
from bayes_alliance.stress.pattern_mixture import contrasted_slopes, mix_patterns
from bayes_alliance.stress.prepare import Prepared
from bayes_alliance.stress.records import ABOVE, BELOW, NEITHER, StressDraws, interval_verdict
from bayes_alliance.stress.shared_parameter import SharedParameterFit, dropout_limits, fit_shared_parameter
from bayes_alliance.stress.tipping import (
    DeltaAnalysis,
    analyse_deltas,
    complete_rows,
    map_verdicts,
    tipping_points,
)
from bayes_alliance.study.records import Estimand
from tests.stress_cases import HORIZON, prepare, simulate_rows


def drop_after(frame: pd.DataFrame, last: dict[str, float]) -> pd.DataFrame:
    """Keep each patient's rows up to a time of the patient's own."""
    return frame[frame["months"] <= frame["patient"].map(last).fillna(HORIZON)].reset_index(drop=True)


def leavers(frame: pd.DataFrame, poor: float, share: float, when: float, seed: int) -> dict[str, float]:
    """Draw who of a subgroup leaves at a time."""
    rng = np.random.default_rng(seed)
    own = frame.loc[frame["poor"] == poor, "patient"].unique()
    return {str(name): when for name in own if rng.random() < share}


def deviation(prepared: Prepared) -> DeltaAnalysis:
    return analyse_deltas(prepared)[0]


def scattered(n: int = 40) -> pd.DataFrame:
    """Return a cohort of which two in three leave, at three times."""
    frame = simulate_rows(n, (0.03, 0.0), seed=3)
    last = {f"p{i:04d}": (9.0, 15.0, HORIZON)[i % 3] for i in range(n)}
    return drop_after(frame, last)


def test_the_closed_form_is_weighted_least_squares_of_the_ramp() -> None:
    """For a single draw, the shift equals that of dense matrices over the completed rows."""
    prepared = prepare(scattered(), draws=400)
    found = deviation(prepared)
    completed = complete_rows(prepared)
    design = completed.design
    beta, sd, correlation, sigma = (values[7] for values in prepared.posterior.flat())
    cross = correlation * sd[0] * sd[1]
    effects = np.array([[sd[0] ** 2, cross], [cross, sd[1] ** 2]])
    same = design.patient_index[:, None] == design.patient_index[None, :]
    covariance = same * (design.z @ effects @ design.z.T) + sigma**2 * np.eye(design.n_rows)
    weighted = np.linalg.solve(covariance, design.x)
    information = design.x.T @ weighted + np.linalg.inv(prepared.priors.covariance)
    for group, ramp in enumerate(completed.ramp):
        dense = np.linalg.solve(information, weighted.T @ ramp)
        assert found.shift[group].reshape(-1)[7] == pytest.approx(dense[3], rel=1e-8)
    assert len(beta) == 4


def refit_imputed(
    prepared: Prepared, deltas: Sequence[float], *, imputations: int, seed: int, draws: int = 400
) -> list[StressDraws]:
    """Impute, move and refit everything, the covariance included: what the closed form is held against.

    Parameters
    ----------
    deltas : sequence of float
        One a subgroup, in points over the horizon.
    imputations : int
        Completed data sets, each from its own draw of the parameters; their posteriors are pooled (Zhou & Reiter
        2010, doi:10.1198/tast.2010.09109).
    draws : int
        Of each refit, a multiple of four.

    Returns
    -------
    list of StressDraws
        One an estimand; draws of one imputation stand in one chain.
    """
    completed = complete_rows(prepared)
    design, rng = completed.design, np.random.default_rng(seed)
    beta, sd, correlation, sigma = prepared.posterior.flat()
    chosen = rng.choice(len(sigma), size=imputations, replace=False)
    factor = relative_factor(sd[chosen], correlation[chosen], sigma[chosen])
    own = prepared.design
    stats = summarise(own.y, own.x, own.z, own.patient_index)
    effects = draw_effects(stats, beta[chosen], factor, sigma[chosen], rng)
    moved = np.asarray(deltas, dtype=float) @ completed.ramp
    fits = []
    for number, draw in enumerate(chosen):
        mean = design.x @ beta[draw] + np.sum(design.z * effects[number][design.patient_index], axis=1)
        values = mean + sigma[draw] * rng.standard_normal(design.n_rows) + moved
        y = np.where(completed.imputed, values, design.y)
        filled = dataclasses.replace(design, y=y)
        fits.append(
            fit_collapsed(
                filled,
                prepared.rows,
                prepared.priors,
                seed=int(rng.integers(2**31)),
                settings=CollapsedSettings(draws=draws),
            )
        )
    said = ", ".join(f"{group} {delta:+g}" for group, delta in zip(prepared.groups, deltas, strict=True))
    return [
        prepared.record(
            estimand,
            np.stack([fit.combine(estimand.weights).reshape(-1) for fit in fits]),
            test="delta",
            variant=f"{said}, refitted",
            changed="as in the closed form, but imputed and refitted",
            effective=float(imputations),
        )
        for estimand in prepared.estimands
    ]


def test_the_closed_form_agrees_with_imputing_and_refitting() -> None:
    """Means agree within Monte-Carlo error of the imputations, SDs within what a re-estimated slope variance adds."""
    prepared = prepare(scattered(60))
    for deltas in ((0.0, 0.0), (-1.0, 0.5)):
        quick = deviation(prepared).at(deltas).points
        slow = refit_imputed(prepared, deltas, imputations=50, seed=2, draws=100)[0]
        error = slow.points.reshape(50, -1).mean(axis=1).std(ddof=1) / np.sqrt(50)
        assert abs(quick.mean() - slow.points.mean()) < 3.5 * error
        assert 0.85 < slow.points.std() / quick.std() < 1.25


def test_nothing_moves_where_nothing_is_missing() -> None:
    """Complete patients have no imputed row, and no delta changes anything."""
    found = deviation(prepare(simulate_rows(30, (0.03, 0.0), seed=4), draws=400))
    assert (found.imputed, found.incomplete) == (0, (0, 0))
    assert np.all(found.shift == 0.0)
    assert np.array_equal(found.at([2.0, -2.0]).draws, found.base.draws)
    assert all(np.isinf(tip.delta) for tip in tipping_points(found))


def test_imputed_rows_follow_the_last_one_in_steps_up_to_the_horizon() -> None:
    """A patient last seen at 15 months gets 21, 27, 33 and 36; the ramp counts from the last assessment."""
    frame = drop_after(simulate_rows(10, (0.0, 0.0), seed=1), {"p0002": 15.0})
    prepared = prepare(frame, draws=400)
    completed = complete_rows(prepared)
    own = completed.design.patient_index == 2
    times = completed.design.z[own & completed.imputed, 1]
    assert times.tolist() == [21.0, 27.0, 33.0, 36.0]
    assert completed.ramp[0][own & completed.imputed] == pytest.approx((times - 15.0) / 36.0)
    assert not completed.imputed[~own].any()
    assert not completed.ramp[1].any()


def test_steeper_slopes_of_the_poor_raise_the_difference() -> None:
    """Direction: poor minus good rises with the delta of the poor and falls with that of the good."""
    found = deviation(prepare(scattered(), draws=400))
    assert np.all(found.shift[0] < 0.0)
    assert np.all(found.shift[1] > 0.0)


def test_informative_dropout_changes_the_verdict() -> None:
    """Good patients who leave get worse: unadjusted there is a difference, adjusted by the true delta there is none.

    The same deltas leave the verdict where next to nobody leaves, and the complete data agree with both.
    """
    delta = -1.8
    whole = simulate_rows(160, (0.03, 0.0), seed=11)
    for share, expected in ((0.75, NEITHER), (0.05, BELOW)):
        last = leavers(whole, 0.0, share, 9.0, seed=8)
        complete = whole.copy()
        after = (complete["months"] - complete["patient"].map(last)).clip(lower=0.0).fillna(0.0)
        complete["tasks"] = complete["tasks"] + delta * after / HORIZON
        found = deviation(prepare(drop_after(complete, last)))
        assert interval_verdict(found.base.points) == BELOW
        assert interval_verdict(found.at([delta, 0.0]).points) == expected
        truth = prepare(complete).base()[0].points
        assert interval_verdict(truth) == expected
        adjusted = found.at([delta, 0.0]).points
        assert adjusted.mean() == pytest.approx(truth.mean(), abs=2.0 * np.hypot(truth.std(), adjusted.std()))


def test_the_map_and_the_tipping_point_tell_the_same() -> None:
    """The first delta of the map's line at which the verdict changes is the tipping point, to its resolution."""
    found = deviation(prepare(scattered(80)))
    grid = [float(d) for d in np.arange(-6.0, 6.01, 0.5)]
    drawn = map_verdicts(found, deltas=grid)
    zero = grid.index(0.0)
    assert drawn.verdicts[zero][zero] == interval_verdict(found.base.points)
    tips = {tip.direction: tip for tip in tipping_points(found)}
    tip = tips[-1.0, 0.0]
    along = [drawn.verdicts[zero - k][zero] for k in range(zero + 1)]
    first = next(k for k, verdict in enumerate(along) if verdict != along[0])
    assert 0.5 * (first - 1) <= tip.delta <= 0.5 * first + 1e-9
    assert (tip.before, tip.after) == (along[0], along[first])


def test_any_verdict_rule_can_be_applied() -> None:
    """A rule that asks for half a point tips no later than one that asks for the sign only."""
    found = deviation(prepare(scattered(80)))
    strict = tipping_points(found, lambda points: "yes" if np.quantile(points, 0.975) < -0.2 else "no")
    plain = tipping_points(found, lambda points: "yes" if np.quantile(points, 0.975) < 0.0 else "no")
    assert strict[-1].before == plain[-1].before == "yes"
    assert 0.0 < strict[-1].delta < plain[-1].delta


def shared_dropout(seed: int, gamma: float) -> pd.DataFrame:
    """Simulate poor patients who leave early: those with the best slopes first if gamma is below zero.

    Both subgroups rise alike; the slope that is seen of the poor is then that of those who got on badly.
    """
    frame = simulate_rows(300, (0.02, 0.02), seed=seed, sd=(0.6, 0.035), sigma=0.5)
    rng = np.random.default_rng(seed + 1000)
    # By luck of the draw the subgroups' own slopes differ a little: that is taken out.
    luck = frame.groupby("poor")["own_slope"].transform("mean") - 0.02
    frame["tasks"] -= luck * frame["months"]
    frame["own_slope"] -= luck
    first = frame.groupby("patient", sort=False).first()
    log_time = np.log(np.where(first["poor"] == 1.0, 18.0, 80.0)) + gamma * HORIZON * (
        first["own_slope"] - 0.02
    )
    leave = np.exp(log_time + 0.15 * rng.standard_normal(len(first)))
    return frame[frame["months"] <= np.maximum(frame["patient"].map(leave), 3.0)].reset_index(drop=True)


def test_a_shared_parameter_changes_the_verdict_only_where_dropout_depends_on_the_slope() -> None:
    """With dropout by the patient's own slope the spurious difference goes; without, the estimates agree."""
    informative = prepare(shared_dropout(2, -0.5))
    fit = fit_shared_parameter(informative, draws=1000)
    assert isinstance(fit, SharedParameterFit)
    assert interval_verdict(informative.base()[0].points) == BELOW
    assert interval_verdict(fit.draws[0].points) == NEITHER
    assert abs(fit.draws[0].points.mean()) < abs(informative.base()[0].points.mean()) / 2.0
    assert np.quantile(fit.gamma[:, 1], 0.975) < 0.0
    assert fit.gamma[:, 1].mean() == pytest.approx(-0.5, abs=3.0 * fit.gamma[:, 1].std())
    assert fit.gamma[:, 0].mean() == pytest.approx(0.0, abs=3.0 * fit.gamma[:, 0].std())

    blind = prepare(shared_dropout(2, 0.0))
    other = fit_shared_parameter(blind, draws=1000)
    assert isinstance(other, SharedParameterFit)
    base = blind.base()[0].points
    assert interval_verdict(other.draws[0].points) == interval_verdict(base)
    assert other.draws[0].points.mean() == pytest.approx(base.mean(), abs=0.5 * base.std())
    low, high = np.quantile(other.gamma[:, 1], [0.025, 0.975])
    assert low < 0.0 < high


def test_without_dropouts_there_is_no_shared_parameter_model() -> None:
    """It says so instead of fitting a prior."""
    found = fit_shared_parameter(prepare(simulate_rows(20, (0.0, 0.0), seed=1), draws=400))
    assert not isinstance(found, SharedParameterFit)
    assert "0 patients" in found.reason


def test_limits_of_the_time_of_dropout() -> None:
    """Between the last assessment and the next, beyond the horizon for those assessed there."""
    low, high = dropout_limits(np.array([9.0, 33.0, 36.0]), np.array([False, False, True]), 6.0, 36.0)
    assert np.exp(low) == pytest.approx([9.0, 33.0, 36.0])
    assert np.exp(high[:2]) == pytest.approx([15.0, 36.0])
    assert np.isinf(high[2])


def by_pattern(difference: float) -> pd.DataFrame:
    """Simulate good patients of whom half leave early and rise by ``difference`` a month less than those who stay."""
    frame = simulate_rows(240, (0.0, 0.0), seed=21, sd=(0.6, 0.005), sigma=0.5)
    last = leavers(frame, 0.0, 0.5, 9.0, seed=4)
    stays = ~frame["patient"].isin(list(last))
    good = frame["poor"] == 0.0
    frame["tasks"] += np.where(good, np.where(stays, 0.5, -0.5) * difference, 0.0) * frame["months"]
    return drop_after(frame, last)


def test_a_pattern_mixture_changes_the_verdict_only_where_slopes_differ_by_pattern() -> None:
    """Half of the good rise and stay, half fall and leave: on average nothing; a mixed model sees those who stay."""
    prepared = prepare(by_pattern(0.08))
    found, skipped = mix_patterns(prepared)
    assert not skipped
    by_name = {draws.variant: draws.points for draws in found}
    base = prepared.base()[0].points
    assert interval_verdict(base) == BELOW
    assert interval_verdict(by_name["completers_by_subgroup"]) == NEITHER
    assert abs(by_name["completers_by_subgroup"].mean()) < 0.5 * abs(base.mean())

    alike = prepare(by_pattern(0.0))
    found, _ = mix_patterns(alike)
    assert {interval_verdict(draws.points) for draws in found} == {interval_verdict(alike.base()[0].points)}
    assert interval_verdict(alike.base()[0].points) == NEITHER


def test_slopes_that_an_estimand_contrasts_are_read_off_the_model() -> None:
    """Poor minus good, in that order."""
    prepared = prepare(scattered(), draws=400)
    (first, plus), (second, minus) = contrasted_slopes(prepared, prepared.estimands[0])
    assert (plus, minus) == (1.0, -1.0)
    assert first.tolist() == [0.0, 1.0, 0.0, 1.0]
    assert second.tolist() == [0.0, 1.0, 0.0, 0.0]
    level = Estimand(name="level", label="", weights=(("poor", 1.0),), kind="level")
    assert contrasted_slopes(prepared, level) == ()


def test_a_pattern_that_the_rows_do_not_show_is_skipped() -> None:
    """Everyone has the same number of assessments, so nothing can depend on it."""
    found, skipped = mix_patterns(prepare(simulate_rows(20, (0.0, 0.0), seed=1), draws=400))
    assert not found
    assert len(skipped) == 3
    assert all("cannot be told" in one.reason for one in skipped)


def test_sides_of_zero() -> None:
    """The interval's side decides, not the mean's."""
    draws = np.linspace(-1.0, 1.0, 2001)
    assert [interval_verdict(draws + shift) for shift in (-1.0, 0.0, 1.0)] == [BELOW, NEITHER, ABOVE]
