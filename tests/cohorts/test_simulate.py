"""The synthetic cohort: the printed design exactly, the scores on their scales and in their directions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.cohorts.load_plan import load_cohort_plan
from bayes_alliance.cohorts.simulate import draw_cohort, simulate_cohort
from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import InputError
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Source, Study

SEEDS = (0, 1, 20201011)
SUBSCALES = ["goals", "bonds", "tasks"]


@pytest.fixture(scope="module")
def study() -> Study:
    """Load the built-in study."""
    return load_study("folmo2020")


@pytest.fixture(scope="module", params=SEEDS)
def cohort(request: pytest.FixtureRequest, study: Study) -> StudyData:
    """Simulate a few cohorts."""
    return simulate_cohort(study, int(request.param))


def first_rows(cohort: StudyData) -> pd.DataFrame:
    """Return one row a patient."""
    return cohort.rows.groupby("patient", as_index=False).first()


def percent(flags: pd.Series) -> int:
    """Round a valid percentage as it is printed (halves up)."""
    return int(np.floor(100 * flags.dropna().astype(float).mean() + 0.5))


def test_subgroups_have_the_printed_sizes(cohort: StudyData) -> None:
    """155 patients: 91 good and 64 poor; seven lack the final GAF, and their last one lies on the good side of 60."""
    patients = first_rows(cohort)
    assert len(patients) == 155
    assert (patients["end_gaf"] >= 60).sum() == 91
    assert (patients["end_gaf"] < 60).sum() == 64
    scored = cohort.rows.dropna(subset=["gaf"])
    last = scored.groupby("patient").last()
    assert (last["months"] < 36).sum() == 7
    assert last.loc[last["months"] < 36, "poor_outcome"].eq(0).all()
    assert last["gaf"].eq(last["end_gaf"]).all()
    assert patients[["end_wsas", "end_bsi"]].isna().sum().tolist() == [42, 42]


def test_assessments_print_as_published(cohort: StudyData) -> None:
    """1 to 9 assessments, mean 3.2, SD 1.8; 22 % one, 58 % three up, 38 % four up, 48 % no final."""
    rows = cohort.rows[cohort.rows[SUBSCALES].notna().any(axis=1)]
    assert rows[SUBSCALES].notna().to_numpy().all()
    numbers = rows.groupby("patient").size()
    assert (numbers.min(), numbers.max(), len(numbers)) == (1, 9, 155)
    assert f"{numbers.mean():.1f} {numbers.std():.1f}" == "3.2 1.8"
    assert [percent(numbers == 1), percent(numbers >= 3), percent(numbers >= 4)] == [22, 58, 38]
    final = rows.groupby("patient")["months"].max() == 36
    assert percent(~final) == 48
    singles = rows[rows["patient"].map(numbers) == 1]
    assert (len(singles), percent(singles["months"] <= 12.5)) == (34, 53)


def test_versions_have_the_printed_sizes_and_order(cohort: StudyData) -> None:
    """34 patients have only WAI-S, 71 only WAI-SR, 50 both and never WAI-S after WAI-SR."""
    assert first_rows(cohort)["wai_group"].value_counts().to_dict() == {"wai_sr": 71, "both": 50, "wai_s": 34}
    answered = cohort.rows.dropna(subset=["wai_version"])
    assert answered["tasks"].notna().all()
    steps = answered["wai_version"].cat.codes.groupby(answered["patient"]).diff()
    assert (steps.dropna() >= 0).all()


@pytest.mark.parametrize(
    ("name", "good", "poor"),
    [
        ("paranoid_pd", 7, 16),
        ("mood_disorder", 65, 83),
        ("completed_as_planned", 91, 58),
        ("no_work", 27, 51),
    ],
)
def test_covariates_print_as_published(cohort: StudyData, name: str, good: int, poor: int) -> None:
    """The valid percentages of Table II and of the text, in every cohort."""
    patients = first_rows(cohort)
    patients["no_work"] = (patients["work_study_months"] == 0).where(patients["work_study_months"].notna())
    by_group = [percent(patients.loc[patients["poor_outcome"] == value, name]) for value in (0, 1)]
    assert by_group == [good, poor]


def test_age_prints_as_published(cohort: StudyData) -> None:
    """Mean and SD of age print as 26 (6) and 30 (6)."""
    age = first_rows(cohort).groupby("poor_outcome")["age"]
    assert age.mean().round().tolist() == [26, 30]
    assert age.std().round().tolist() == [6, 6]


def test_every_patient_starts_at_baseline_and_visits_keep_to_the_schedule(cohort: StudyData) -> None:
    """GAF, WSAS and BSI stand at month 0, the alliance never does, and termination stands at month 36."""
    rows = cohort.rows
    baseline = rows[rows["months"] == 0]
    assert len(baseline) == 155
    assert baseline[["gaf", "wsas", "bsi"]].notna().to_numpy().all()
    assert baseline[SUBSCALES].isna().to_numpy().all()
    between = rows.loc[(rows["months"] > 0) & (rows["months"] < 36), "months"]
    assert (np.abs(between / 3 - np.round(between / 3)) * 3).max() <= 0.5 + 1e-9
    end = rows[rows["months"] == 36].set_index("patient")
    assert end["gaf"].notna().sum() == 148
    np.testing.assert_array_equal(end["gaf"].dropna(), end["end_gaf"].dropna())


@pytest.mark.parametrize(
    ("name", "low", "high", "step"),
    [(n, 1, 7, 0.25) for n in SUBSCALES] + [("gaf", 0, 100, 1), ("wsas", 0, 40, 1), ("bsi", 0, 4, 1 / 18)],
)
def test_scores_keep_to_scale_and_grid(
    cohort: StudyData, name: str, low: float, high: float, step: float
) -> None:
    """Every score is a point of its measurement grid, and each of them is used by more than one patient."""
    values = cohort.rows[name].dropna()
    assert values.between(low, high).all()
    steps = (values - low) / step
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
    assert values.nunique() > 10


def test_same_seed_same_cohort(study: Study) -> None:
    """A seed gives the same cohort byte for byte, and another seed another one; both are marked synthetic."""
    cohort, again, other = (simulate_cohort(study, seed) for seed in (5, 5, 6))
    assert cohort.digest == again.digest
    assert cohort.rows.to_csv() == again.rows.to_csv()
    assert cohort.digest != other.digest
    assert cohort.source is Source.SYNTHETIC and cohort.origin == "synthetic cohort, seed 5"
    assert cohort.absent == ()


def test_nothing_odd_in_its_own_data(study: Study) -> None:
    """The cohort passes the study's own checks without a value off the grid or a column unused."""
    cohort = simulate_cohort(study, 3)
    assert cohort.unused_columns == ()
    assert not any("off the grid" in note or "none of the outcomes" in note for note in cohort.notes)


def slope(rows: pd.DataFrame, name: str) -> float:
    """Return the slope of the pooled least-squares line of an outcome over months."""
    used = rows.dropna(subset=[name])
    return float(np.polyfit(used["months"], used[name], 1)[0])


def test_poor_outcome_grows_less(study: Study) -> None:
    """Over ten cohorts the alliance rises less in the poor subgroup, least with paranoid PD; GAF likewise."""
    rows = pd.concat([simulate_cohort(study, seed).rows for seed in range(10)])
    good, poor = rows[rows["poor_outcome"] == 0], rows[rows["poor_outcome"] == 1]
    for name in (*SUBSCALES, "gaf"):
        assert slope(good, name) > slope(poor, name), name
    for name in SUBSCALES:
        assert slope(poor[poor["paranoid_pd"] == 0], name) > slope(poor[poor["paranoid_pd"] == 1], name)
        assert slope(rows, name) == pytest.approx(0.02, abs=0.006)
    assert slope(rows, "gaf") == pytest.approx(0.36, abs=0.04)


def test_scores_without_noise_lie_on_the_line(study: Study) -> None:
    """With all SDs near zero, WSAS is its printed line plus the centred deviation, in whole points."""
    plan = load_cohort_plan(study)
    quiet = tuple(
        replace(growth, sd_intercept=1e-9, sd_slope=1e-9, sigma=1e-9) if growth.outcome == "wsas" else growth
        for growth in plan.growth
    )
    frame = draw_cohort(study, replace(plan, growth=quiet), np.random.default_rng(1))
    growth = {growth.outcome: growth for growth in plan.growth}["wsas"]
    poor = (frame["end_gaf"] < 60).astype(float)
    deviation = dict(growth.on_slope)["poor"] * (poor - 64 / 155)
    expected = growth.intercept + (growth.slope + deviation) * frame["months"]
    observed = frame["wsas"].notna()
    np.testing.assert_allclose(frame.loc[observed, "wsas"], expected[observed], atol=0.5 + 1e-6)


def test_random_effects_have_the_stated_sds_and_correlations(study: Study) -> None:
    """Without residuals or predictors, patients' own lines have the SDs and correlations of the file."""
    plan = load_cohort_plan(study)
    bare = tuple(
        replace(g, sigma=1e-9, on_intercept=(), on_slope=(), intercept=0.0, slope=0.0)
        if g.outcome in SUBSCALES
        else g
        for g in plan.growth
    )
    wide = replace(
        study,
        variables=tuple(
            replace(v, minimum=None, maximum=None, step=None) if v.name in SUBSCALES else v
            for v in study.variables
        ),
    )
    lines = []
    for seed in range(20):
        frame = draw_cohort(wide, replace(plan, growth=bare), np.random.default_rng(seed))
        used = frame.dropna(subset=SUBSCALES)
        for _, rows in used.groupby("patient"):
            if len(rows) > 1:
                lines.append(np.polyfit(rows["months"], rows[SUBSCALES].to_numpy(), 1).ravel())
    slopes_and_intercepts = np.array(lines)
    n = len(lines)
    growth = {g.outcome: g for g in plan.growth}
    sds = [growth[name].sd_slope for name in SUBSCALES] + [growth[name].sd_intercept for name in SUBSCALES]
    # Four standard errors of a standard deviation and of a correlation.
    np.testing.assert_allclose(slopes_and_intercepts.std(axis=0), sds, rtol=4 / np.sqrt(2 * n))
    correlation = np.corrcoef(slopes_and_intercepts.T)
    assert correlation[0, 1] == pytest.approx(0.8, abs=4 * 0.36 / np.sqrt(n))
    assert correlation[3, 5] == pytest.approx(0.8, abs=4 * 0.36 / np.sqrt(n))
    assert correlation[0, 3] == pytest.approx(-0.4, abs=4 / np.sqrt(n))
    assert correlation[0, 4] == pytest.approx(-0.32, abs=4 / np.sqrt(n))


def test_residuals_have_the_stated_sd_and_correlation(study: Study) -> None:
    """Without random effects or predictors, subscales of one visit vary and correlate as the file says."""
    plan = load_cohort_plan(study)
    bare = tuple(
        replace(g, sd_intercept=1e-9, sd_slope=1e-9, slope=0.0, on_intercept=(), on_slope=())
        for g in plan.growth
        if g.outcome in SUBSCALES
    )
    others = tuple(g for g in plan.growth if g.outcome not in SUBSCALES)
    wide = replace(
        study, variables=tuple(replace(v, minimum=None, maximum=None, step=None) for v in study.variables)
    )
    scores = pd.concat(
        draw_cohort(wide, replace(plan, growth=bare + others), np.random.default_rng(seed))[
            SUBSCALES
        ].dropna()
        for seed in range(4)
    )
    n = len(scores)
    np.testing.assert_allclose(scores.std(), [g.sigma for g in bare], rtol=4 / np.sqrt(2 * n))
    assert scores.corr().loc["goals", "tasks"] == pytest.approx(0.6, abs=4 * (1 - 0.6**2) / np.sqrt(n))


def changed(study: Study, folder: Path, old: str, new: str) -> Study:
    """Return the study with one passage of its cohort file changed."""
    text = (study.folder / study.data.cohort).read_text(encoding="utf-8")
    assert old in text
    (folder / "cohort.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    return replace(study, folder=folder)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("n = 64 ", "n = 65 ", "covers 155 patients, the groups have 156"),
        ("n = 64 ", 'n = "64" ', "wrong type"),
        ("both_versions = 50", "both_versions = 51", "do not add up"),
        ("lacking_final = 74", "lacking_final = 17", "must lack it"),
        ("lacking_final = 7 ", "lacking_final = 9 ", "must be 7"),
        ("single_early = 18", "single_early = 40", "exceeds the patients with one"),
        ("good = 83 ", "good = 92 ", "not whole numbers up to 91"),
        ("weights = [1.0, 0.95, ", "weights = [", "one positive number"),
        ("jitter = 0.5", "jitter = 2", "could make visits meet"),
        ('outcomes = ["wsas", "bsi"]\neffect', 'outcomes = ["wsas"]\neffect', "each outcome exactly once"),
        ('"poor:paranoid_pd" =', '"poor:paranoia" =', "no product of groups and covariates"),
        ("sigma = 4.5", "sigma = -1", "above 0"),
        ("effect_correlation = 0.8", "effect_correlation = 1.0", "not permitted"),
        ("[groups]", "[groups]\nspecial = 1", "unknown key"),
        ("[groups]", "[groups", "not valid TOML"),
        ('outcome = "gaf"', 'outcome = "tasks"', "stands in no"),
        ("single_early = 18", 'single_groups = ["good"]\nsingle_early = 18', "no group without an end value"),
        ("lacking_end = 7 ", "lacking_end = 92 ", "from 0 to 91"),
        ("end_minimum = 60 ", "# end_minimum = 60 ", "go together"),
        ("gaf = 5 ", "gap = 5 ", "which is no outcome"),
        ('baseline = "25.9(7.9)"', 'baseline = "25.9"', "no printed mean and SD"),
    ],
)
def test_mistakes_in_the_file_are_named(study: Study, tmp_path: Path, old: str, new: str, what: str) -> None:
    """A cohort file that contradicts itself or the study is refused with the reason."""
    with pytest.raises(InputError, match=what):
        simulate_cohort(changed(study, tmp_path, old, new), 0)


def test_unreachable_end_values_are_refused(study: Study, tmp_path: Path) -> None:
    """Bounds of a subgroup that its growth never meets end in a message, not in an endless loop."""
    with pytest.raises(InputError, match="were not met"):
        simulate_cohort(changed(study, tmp_path, "intercept = 49 ", "intercept = -400 "), 0)


def test_studies_without_a_cohort_file(study: Study, tmp_path: Path) -> None:
    """A study that names no cohort file, or one that is not there, says so."""
    with pytest.raises(InputError, match="names no cohort"):
        simulate_cohort(replace(study, data=replace(study.data, cohort="")), 0)
    with pytest.raises(InputError, match="cannot be read"):
        simulate_cohort(replace(study, folder=tmp_path), 0)


def test_every_number_says_where_it_comes_from(study: Study) -> None:
    """Each line of the cohort file that sets a number says whether it was printed or assumed."""
    for line in (study.folder / study.data.cohort).read_text(encoding="utf-8").splitlines():
        setting, _, comment = line.partition("#")
        if "=" in setting and any(character.isdigit() for character in setting.split("=", 1)[1]):
            assert any(word in comment for word in ("printed", "assumed", "nothing to correlate")), line
