"""What was left out of a printed model: a level, a confounder, the other tests."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bayes_alliance.errors import InputError
from bayes_alliance.published.cell_posterior import NormalMixture
from bayes_alliance.published.left_out import left_out
from bayes_alliance.published.multiplicity import (
    bonferroni,
    effect_probability,
    most_tests,
    null_probability,
)
from bayes_alliance.published.omitted_confounder import (
    confound,
    partial_r2,
    robustness_value,
    tipping_confounder,
)
from bayes_alliance.published.omitted_level import (
    OmittedLevel,
    design_effect,
    direction_probability,
    inflate,
    tipping_direction,
    tipping_significance,
)
from bayes_alliance.published.rounding_region import Region, build_region
from bayes_alliance.study.load_study import load_study, models_folder

FLAT = NormalMixture(weight=np.ones(1), mean=np.zeros(1), sd=np.array([1e4]))
LEVEL = OmittedLevel(label="therapists", clusters=10, patients=150)


def point(estimate: float, se: float) -> Region:
    """A cell with so many digits that nothing is left open."""
    region = build_region((estimate * (1 - 1e-9), estimate * (1 + 1e-9)), (se * (1 - 1e-9), se * (1 + 1e-9)))
    assert region is not None
    return region


def slopes_of_three_levels(
    rng: np.random.Generator, *, clusters: int, size: int, icc: float, effect: float, shared: bool, runs: int
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate patients of therapists and fit the model without the therapists, many times.

    Visits are the same for all, so the mixed model's estimate of a difference of slopes is the difference of mean
    least-squares slopes, and its SE that of the pooled variance of those slopes: no iterative fit is needed.
    Returns estimates and their printed SEs.
    """
    times = np.arange(6.0)
    centred = times - times.mean()
    slope_sd, sigma = 1.0, 0.5
    shape = (runs, clusters, size)
    cluster = rng.normal(0.0, slope_sd * math.sqrt(icc), (runs, clusters, 1))
    own = rng.normal(0.0, slope_sd * math.sqrt(1.0 - icc), shape)
    if shared:
        x = np.broadcast_to((np.arange(clusters) % 2)[None, :, None], shape)
    else:
        x = rng.permuted(np.broadcast_to(np.arange(clusters * size) % 2, (runs, clusters * size)), axis=1)
        x = x.reshape(shape)
    slope = effect * x + cluster + own
    rows = slope[..., None] * times + rng.normal(0.0, sigma, (*shape, len(times)))
    found = (rows @ centred / (centred @ centred)).reshape(runs, -1)
    treated = x.reshape(runs, -1) == 1
    n1, n0 = treated.sum(axis=1), (~treated).sum(axis=1)
    means = [np.where(mask, found, 0.0).sum(axis=1) / n for mask, n in ((treated, n1), (~treated, n0))]
    residual = np.where(treated, found - means[0][:, None], found - means[1][:, None])
    variance = (residual**2).sum(axis=1) / (n1 + n0 - 2)
    return means[0] - means[1], np.sqrt(variance * (1 / n1 + 1 / n0))


RELIABILITY = 1.0 / (1.0 + 0.25 / 17.5)


@pytest.mark.parametrize("icc", [0.0, 0.05, 0.2])
def test_design_effect_is_that_of_three_level_data(icc: float) -> None:
    """Two-level standard errors of three-level data, inflated, are the real ones within Monte-Carlo error."""
    runs = 20_000
    rng = np.random.default_rng(22)
    estimates, printed = slopes_of_three_levels(
        rng, clusters=10, size=15, icc=icc, effect=0.4, shared=True, runs=runs
    )
    level = OmittedLevel(label="therapists", clusters=10, patients=150, reliability=RELIABILITY)
    found = estimates.var(ddof=1) / np.mean(printed**2)
    # Relative Monte-Carlo error of a variance.
    assert found == pytest.approx(float(design_effect(level, icc)), rel=4 * math.sqrt(2 / runs))


def test_a_predictor_dealt_at_random_is_not_inflated() -> None:
    """Where patients are dealt to therapists at random, leaving the therapists out costs nothing."""
    runs = 20_000
    estimates, printed = slopes_of_three_levels(
        np.random.default_rng(23), clusters=10, size=15, icc=0.2, effect=0.4, shared=False, runs=runs
    )
    level = OmittedLevel(
        label="therapists", clusters=10, patients=150, predictor_icc=0.0, reliability=RELIABILITY
    )
    found = estimates.var(ddof=1) / np.mean(printed**2)
    assert found == pytest.approx(float(design_effect(level, 0.2)), rel=4 * math.sqrt(2 / runs))


def test_tipping_icc_agrees_with_three_level_simulation() -> None:
    """At the tipping ICC the estimate lies 1.96 of its real standard errors from zero, as simulated."""
    runs = 40_000
    printed_se = math.sqrt(1.0 / RELIABILITY * 4 / 150)
    region = point(3.2 * printed_se, printed_se)
    level = OmittedLevel(label="therapists", clusters=10, patients=150, reliability=RELIABILITY)
    tipping = tipping_significance(region, level)
    assert 0.0 < tipping.middle < 0.3
    estimates, printed = slopes_of_three_levels(
        np.random.default_rng(24),
        clusters=10,
        size=15,
        icc=tipping.middle,
        effect=3.2 * printed_se,
        shared=True,
        runs=runs,
    )
    # What the two-level model prints, against what the estimate really varies by.
    ratio = 3.2 / math.sqrt(estimates.var(ddof=1) / np.mean(printed**2))
    assert ratio == pytest.approx(stats.norm.ppf(0.975), rel=3 * math.sqrt(0.5 / runs))


def test_tipping_icc_in_closed_form_and_by_search_agree() -> None:
    """With a flat prior the posterior falls below 97.5 % where the test falls below 1.96."""
    region = point(1.0, 0.3)
    closed = tipping_significance(region, LEVEL).middle
    searched = tipping_direction(region, FLAT, LEVEL, sign=1, sure=0.975)
    assert searched == pytest.approx(closed, abs=1e-4)
    assert direction_probability(
        inflate(region, math.sqrt(float(design_effect(LEVEL, closed)))), FLAT, 1
    ) == pytest.approx(0.975, abs=1e-4)


def test_tipping_icc_of_claims_that_fall_at_once_or_never() -> None:
    """A claim that does not hold falls at 0; one that no ICC overturns has no tipping ICC."""
    assert tipping_significance(point(1.0, 0.9), LEVEL).middle == 0.0
    assert tipping_direction(point(1.0, 0.9), FLAT, LEVEL, sign=1, sure=0.975) == 0.0
    assert math.isinf(tipping_significance(point(1.0, 0.001), LEVEL).middle)
    assert math.isinf(tipping_direction(point(1.0, 0.001), FLAT, LEVEL, sign=1, sure=0.975))


def test_more_clusters_tip_later() -> None:
    """The more therapists share the patients, the larger the ICC that overturns a claim."""
    region = point(1.0, 0.3)
    tips = [
        tipping_significance(region, OmittedLevel(label="", clusters=k, patients=150)).middle
        for k in (5, 10, 30)
    ]
    assert tips == sorted(tips)
    uneven = OmittedLevel(label="", clusters=10, patients=150, size_variation=0.5)
    assert tipping_significance(region, uneven).middle < tips[1]


def test_robustness_value_of_the_literature() -> None:
    """The example of Cinelli & Hazlett (2020): t 4.18 on 783 gives 13.9 %, and 7.6 % for significance."""
    assert robustness_value(4.18, 783) == pytest.approx(0.139, abs=0.001)
    assert robustness_value(4.18, 783, 1.963) == pytest.approx(0.076, abs=0.001)
    assert float(partial_r2(4.18, 783)) == pytest.approx(0.022, abs=0.001)


def test_a_confounder_of_that_strength_does_what_is_said() -> None:
    """Data with a confounder at the robustness value: once it is in the model the estimate is zero."""
    rng = np.random.default_rng(5)
    n = 4000
    hidden = rng.normal(size=n)
    x = 0.5 * hidden + rng.normal(size=n)
    y = 0.7 * hidden + rng.normal(size=n)
    design = np.column_stack([np.ones(n), x])
    beta, rss = np.linalg.lstsq(design, y, rcond=None)[:2]
    df = n - 2
    se = math.sqrt(rss[0] / df * np.linalg.inv(design.T @ design)[1, 1])
    share_x = np.corrcoef(x, hidden)[0, 1] ** 2
    left_y = y - design @ beta
    left_h = hidden - design @ np.linalg.lstsq(design, hidden, rcond=None)[0]
    share_y = np.corrcoef(left_y, left_h)[0, 1] ** 2
    full = np.column_stack([design, hidden])
    wanted = np.linalg.lstsq(full, y, rcond=None)[0][1]
    region = confound(point(float(beta[1]), se), df, share_y=share_y, share_x=share_x)
    assert float(region.weight @ region.estimate) == pytest.approx(float(wanted), abs=1e-3)


def test_tipping_confounder_matches_the_closed_form() -> None:
    """With a flat prior, 50 % is reached where the estimate is zero, 97.5 % where it is just significant."""
    region, df = point(1.0, 0.25), 150.0
    assert tipping_confounder(region, FLAT, df, sign=1, sure=0.5) == pytest.approx(
        robustness_value(4.0, df), abs=1e-4
    )
    found = tipping_confounder(region, FLAT, df, sign=1, sure=0.975)
    assert 0.0 < found < robustness_value(4.0, df)
    assert tipping_confounder(point(1.0, 0.9), FLAT, df, sign=1, sure=0.975) == 0.0


def test_multiplicity() -> None:
    """Adjusted p values and probabilities follow their formulas, and are turned round exactly."""
    assert bonferroni(0.02, 10) == pytest.approx(0.2)
    assert null_probability(10) ** 10 == pytest.approx(0.5)
    overturn = most_tests(math.log(200.0))
    assert effect_probability(math.log(200.0), round(overturn * 1000)) < 0.95
    assert effect_probability(math.log(200.0), max(int(overturn), 1)) >= 0.95
    assert most_tests(math.log(2.0)) == 0.0
    shares = [effect_probability(3.0, m) for m in (1, 5, 50)]
    assert shares == sorted(shares, reverse=True)


def test_claims_of_the_built_in_study() -> None:
    """Every printed deviation of the built-in study is put under all three, and a larger ICC never helps it."""
    study = load_study("folmo2020")
    found = left_out(study)
    assert len(found.levels) == len(found.confounders) == len(found.tests) >= 8
    for one in found.levels:
        shares = [at.p_direction for at in one.at]
        assert shares == sorted(shares, reverse=True)
        assert one.at[0].inflation == pytest.approx(1.0)
        low, high = sorted((one.significance.low, one.significance.high))
        assert low <= one.significance.middle <= high
    tasks = next(one for one in found.levels if one.effect.model.id == "tasks_outcome")
    more = next(one for one in left_out(study, clusters=40).levels if one.effect.model.id == "tasks_outcome")
    assert more.significance.middle > tasks.significance.middle
    for test in found.tests:
        assert test.adjusted[0] == pytest.approx(min(1.0, test.tests * test.p[0]))


def test_levels_are_read_from_a_study_file(tmp_path: Path) -> None:
    """A level needs a label and more than one cluster; shares lie between 0 and 1."""
    folder = tmp_path / "study"
    shutil.copytree(models_folder() / "folmo2020", folder, ignore=shutil.ignore_patterns("cohorts"))
    text = (folder / "study.toml").read_text(encoding="utf-8")
    (folder / "study.toml").write_text(
        text.replace("predictor_icc = 1 ", "predictor_icc = 2 "), encoding="utf-8"
    )
    with pytest.raises(InputError, match="predictor_icc"):
        load_study(folder)
