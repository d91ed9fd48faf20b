"""Scores rebuilt on a given design: they print the table again, never look at the outcome, and span the truth."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bayes_alliance.cohorts.ensemble import build_ensemble
from bayes_alliance.cohorts.estimates import spread_estimates
from bayes_alliance.cohorts.places import Places
from bayes_alliance.cohorts.rebuild import rebuild_cohort
from bayes_alliance.cohorts.scorecard import score_cohort
from bayes_alliance.cohorts.store import read_cohort
from bayes_alliance.data.rows import StudyData, read_data
from bayes_alliance.dev import cohort_truth
from bayes_alliance.dev.cohort_truth import (
    SpannedCase,
    TruthCheck,
    check_truth,
    format_truth,
    summarise_effects,
)
from bayes_alliance.dev.invented import invent_table
from bayes_alliance.errors import InputError
from bayes_alliance.inference.collapsed import CollapsedSettings, fit_collapsed
from bayes_alliance.inference.ml import estimate_effect, fit_mixed, score_aic
from bayes_alliance.inference.priors import coefficient_priors
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Cell, Source, Study

PRINTED = ("growth", "treatment")

PLACES = Places(seed=1, index=0)


def planned(study: Study, data: StudyData, model_id: str) -> PlannedModel:
    model = study.model(model_id)
    found = plan_model(data, model, parse_formula(model.formula).names)
    assert isinstance(found, PlannedModel)
    return found


def print_own_table(study: Study, data: StudyData) -> Study:
    """Return a study the table that its real data print: estimates to one decimal, AIC to a whole number."""
    cells = []
    for model_id in PRINTED:
        item = planned(study, data, model_id)
        fit = fit_mixed(item.design, item.rows)
        for name in fit.x_names:
            effect = estimate_effect(fit, ((name, 1.0),))
            text = f"{effect.estimate:.1f}({effect.se:.1f})"
            cells.append(
                Cell(
                    table="I",
                    row=name,
                    column=model_id,
                    printed=text,
                    quantity="estimate",
                    model=model_id,
                    coefficient=name,
                )
            )
        aic = f"{score_aic(fit, 'ml'):.0f}"
        cells.append(Cell(table="I", row="AIC", column=model_id, printed=aic, quantity="aic", model=model_id))
    return dataclasses.replace(study, cells=tuple(cells))


@pytest.fixture(scope="module")
def data() -> StudyData:
    study = load_study("medication")
    return read_data(study, study.folder / study.data.file, source=Source.REAL)


@pytest.fixture(scope="module")
def study(data: StudyData) -> Study:
    return print_own_table(load_study("medication"), data)


def test_a_real_study_is_rebuilt_and_its_scores_are_never_looked_at(study: Study, data: StudyData) -> None:
    """The same cohort from scores shuffled, and from none at all: only which visits had one counts."""
    built = rebuild_cohort(study, data, 3, PLACES)
    assert built.missed == ()
    shuffled = data.rows.copy()
    known = shuffled["pos"].notna()
    shuffled.loc[known, "pos"] = np.random.default_rng(1).permutation(shuffled.loc[known, "pos"])
    again = rebuild_cohort(study, dataclasses.replace(data, rows=shuffled), 3, PLACES)
    np.testing.assert_array_equal(built.frame["pos"], again.frame["pos"])
    bare = dataclasses.replace(data, rows=data.rows.drop(columns="pos"), absent=("pos",))
    assert rebuild_cohort(study, bare, 3, PLACES).missed == ()
    other = rebuild_cohort(study, data, 4, PLACES)
    assert other.missed == ()
    assert np.corrcoef(built.frame["pos"], other.frame["pos"])[0, 1] < 0.99


def test_an_ensemble_on_a_design_is_scored_kept_and_bound_to_it(
    tmp_path: Path, study: Study, data: StudyData
) -> None:
    """Cohorts print the real table, their posteriors are the real one's, and another design builds them anew."""
    lines: list[str] = []
    paths = build_ensemble(study, tmp_path, count=2, seed=1, jobs=1, report=lines.append, design=data)
    cohorts = [read_cohort(path) for path in paths]
    item = planned(study, data, "treatment")
    priors = coefficient_priors(study, item.design, study.priors[0].name)
    # Patients stand in another order in the cohorts, so draws of the same seed are others.
    many = CollapsedSettings(draws=40_000)
    real = fit_collapsed(item.design, item.rows, priors, seed=1, settings=many)
    for cohort in cohorts:
        card = score_cohort(study, cohort.data(study))
        assert card.missed == ()
        assert len(card.lines) == 2 * (2 + 4) + 2
        mine = planned(study, cohort.data(study), "treatment")
        ours = fit_collapsed(mine.design, mine.rows, priors, seed=1, settings=many)
        # Rounding to one decimal hides at most 0.05 of an estimate and of its standard error.
        gap = np.abs(real.beta.mean(axis=(0, 1)) - ours.beta.mean(axis=(0, 1)))
        assert np.all(gap < 0.1 + 0.05 * real.beta.std(axis=(0, 1)))
    assert len(spread_estimates(study, cohorts)) > 0
    stamps = [path.stat().st_mtime_ns for path in paths]
    build_ensemble(study, tmp_path, count=2, seed=1, jobs=1, report=lines.append, design=data)
    assert [path.stat().st_mtime_ns for path in paths] == stamps
    fewer = dataclasses.replace(data, rows=data.rows.iloc[:-3], digest="fewer")
    build_ensemble(study, tmp_path, count=1, seed=1, jobs=1, report=lines.append, design=fewer)
    assert paths[0].stat().st_mtime_ns != stamps[0]


def test_what_cannot_be_rebuilt_is_refused_with_the_way_to_go(tmp_path: Path, data: StudyData) -> None:
    """An outcome that decides a predictor needs a plan; a study that prints nothing has nothing to reproduce."""
    folmo = load_study("folmo2020")
    with pytest.raises(InputError, match="the outcome gaf decides the predictor 'poor_outcome'"):
        build_ensemble(folmo, tmp_path, count=1, seed=1, jobs=1, report=print, design=data)
    bare = load_study("medication")
    with pytest.raises(InputError, match="prints no number of its models"):
        build_ensemble(bare, tmp_path, count=1, seed=1, jobs=1, report=print, design=data)
    printed = dataclasses.replace(bare, cells=folmo.cells[:0])
    with pytest.raises(InputError, match="--design FILE"):
        build_ensemble(printed, tmp_path, count=1, seed=1, jobs=1, report=print)
    assert list(tmp_path.iterdir()) == []


def test_a_truth_is_spanned_between_the_least_and_the_largest() -> None:
    """Both ends of the interval count for the interval, the median for the median."""
    cohorts = np.array([[-2.0, 0.0, 2.0], [-1.0, 1.0, 3.0]])
    inside = SpannedCase(
        seed=0,
        place="",
        with_digits=True,
        truth=np.array([-1.5, 0.5, 2.5]),
        cohorts=cohorts,
        truth_sd=1.0,
    )
    assert inside.spans_interval()
    assert inside.spans_median
    low = dataclasses.replace(inside, truth=np.array([-2.1, 0.5, 2.5]))
    high = dataclasses.replace(inside, truth=np.array([-1.5, 1.1, 3.1]))
    assert (low.spans_interval(), low.spans_median) == (False, True)
    assert (high.spans_interval(), high.spans_median) == (False, False)
    # What lies beyond by a tenth of the posterior's SD: so little that only the tolerant share counts it.
    assert low.spans_interval(tolerance=0.11)
    assert not low.spans_interval(tolerance=0.09)
    assert not inside.spans_interval(count=1)
    found = TruthCheck(cases=(inside, low, high), left_out=((7, 1),), n_missed=2, failures=())
    lines = list(format_truth(found, count=2))
    assert "| all | 3 | 33.3 % | 100.0 % | 66.7 % |" in lines[3]
    assert lines[-2:] == [
        "1 studies; 2 of their 2 cohorts miss something",
        "study 7 left out: 1 of 2 cohorts print its table",
    ]


def test_a_simulated_study_is_rebuilt_from_its_table(tmp_path: Path) -> None:
    """Every estimate has the truth's posterior and each cohort's; cohorts differ; what is stored is not done again."""
    said: list[str] = []
    found = check_truth([2_000_001], count=3, store=tmp_path, report=said.append)
    cases = found.cases
    assert (found.left_out, found.failures) == ((), ())
    assert {case.with_digits for case in cases} == {True, False}
    assert all(case.cohorts.shape == (3 - found.n_missed, 3) for case in cases)
    for case in cases:
        assert case.cohorts[:, 1].std() > 0.0
        # An estimate of two digits leaves some SDs open; what is not significant, no more than about four.
        assert np.all(np.abs(case.cohorts[:, 1] - case.truth[1]) < 4.0 * case.truth_sd)
    stamps = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = check_truth([2_000_001], count=3, store=tmp_path)
    assert repr(again) == repr(found)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == stamps


def test_a_study_whose_cohorts_miss_their_table_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named with how many of its cohorts print the table, and no case comes of it."""
    monkeypatch.setattr(cohort_truth, "_rebuild", lambda table, seed, index: None)
    found = check_truth([2_000_001], count=2)
    assert (found.cases, found.left_out) == ((), ((2_000_001, 0),))


def test_quantiles_of_a_mixture_are_those_of_draws() -> None:
    """Quantiles and SDs by the mixture of Normals are those of 40,000 draws of the engine, to Monte-Carlo error."""
    table = invent_table(2_000_001)
    design = table.designs["by_trait"]
    priors = coefficient_priors(table.study, design, table.study.priors[0].name)
    combinations = [[(name, 1.0)] for name in design.x_names]
    summaries = summarise_effects(design, priors, combinations, seed=1)
    posterior = fit_collapsed(design, table.rows, priors, seed=2, settings=CollapsedSettings(draws=40_000))
    for weights, (lower, median, upper, sd) in zip(combinations, summaries, strict=True):
        draws = posterior.combine(weights).ravel()
        expected = np.quantile(draws, [0.025, 0.5, 0.975])
        np.testing.assert_allclose([lower, median, upper], expected, atol=0.04 * sd)
        assert sd == pytest.approx(draws.std(), rel=0.02)


def test_the_command_takes_a_design(tmp_path: Path, study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    """A study without a plan says what to do; with a design whose table is not printed it says that."""
    from bayes_alliance.cli.main import main

    assert main(["cohort", "medication", "--out", str(tmp_path / "a")]) == 2
    assert "cohort --design FILE" in capsys.readouterr().err
    file = load_study("medication").folder / "medication_pp.csv"
    options = ["--design", str(file), "--keep-design", "--out", str(tmp_path / "b"), "--json"]
    assert main(["cohort", "medication", *options]) == 2
    assert "prints no number" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_a_cohort_on_real_patients_says_so_and_holds_no_more_of_them_than_it_needs(
    tmp_path: Path, study: Study, data: StudyData
) -> None:
    """Identifiers are new and in another order; unused columns are gone; the design is the same; the stamp tells."""
    (path,) = build_ensemble(study, tmp_path, count=1, seed=3, jobs=1, report=lambda line: None, design=data)
    cohort = read_cohort(path)
    header = {v.name: v.column for v in study.variables}
    old, new = data.rows[study.patient].astype(str), cohort.frame[header[study.patient]]
    assert not set(old) & set(new)
    assert new.str.fullmatch(r"S\d{3,}").all()
    names = parse_formula(study.model("treatment").formula).names
    assert set(cohort.frame.columns) <= {header.get(name, name) for name in names | {study.time}} | {
        v.column for v in study.variables if v.required
    }
    times = [sorted(rows.tolist()) for _, rows in data.rows.groupby(old)[study.time]]
    kept = [sorted(rows.tolist()) for _, rows in cohort.frame.groupby(new)[header[study.time]]]
    assert sorted(times) == sorted(kept)
    assert times != kept
    assert "real patients" in cohort.facts["stamp"]
    assert "real patients" in cohort.data(study).origin


def test_real_patients_enter_a_cohort_only_where_that_was_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--design alone is refused, as is --keep-design alone; nothing is written."""
    from bayes_alliance.cli.main import main

    file = load_study("medication").folder / "medication_pp.csv"
    assert main(["cohort", "medication", "--design", str(file), "--out", str(tmp_path / "a")]) == 2
    assert "--keep-design" in capsys.readouterr().err
    assert main(["cohort", "medication", "--keep-design", "--out", str(tmp_path / "a")]) == 2
    assert "it requires --design" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
