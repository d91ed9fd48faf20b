"""Stress tests of a whole study: what is run, what is said, tables, figures and the command."""

from __future__ import annotations

import csv
import dataclasses
import functools
import json
from pathlib import Path

import numpy as np
import pytest

from bayes_alliance.cli.main import main
from bayes_alliance.cli.stress import stress_json
from bayes_alliance.cohorts.store import load_ensemble
from bayes_alliance.errors import InputError
from bayes_alliance.show.plots.stress import figures_of
from bayes_alliance.show.tables.stress import build_stress_tables
from bayes_alliance.stress.prepare import chosen_models, families
from bayes_alliance.stress.run import StressResults, StressSettings, run_stress
from bayes_alliance.study.load_study import load_study
from tests.legible import check_legible
from tests.small_study import small_data, small_study

MODELS = ("goals_outcome", "tasks_outcome")


@functools.cache
def results() -> StressResults:
    study = load_study("folmo2020")
    data = next(load_ensemble(study, study.folder / study.data.ensemble)).data(study)
    settings = StressSettings(
        prior="neutral",
        seed=2020,
        models=MODELS,
        draws=400,
        joint_draws=120,
        simulations=60,
        likelihoods=("gaussian", "curved"),
    )
    return run_stress(study, data, settings)


def test_the_studys_own_claims_are_stressed_unasked() -> None:
    """Slopes by outcome, by paranoid PD and by both, of the three subscales; nothing of GAF."""
    study = load_study("folmo2020")
    chosen = chosen_models(study)
    subscales = ("goals", "bonds", "tasks")
    expected = {f"{s}_{m}" for s in subscales for m in ("outcome", "ppd", "outcome_ppd")}
    assert {model.id for model in chosen} == expected
    assert [tuple(m.outcome for m in family) for family in families(chosen)] == [subscales] * 3


def test_a_study_without_figures_or_cells_is_stressed_as_a_whole() -> None:
    """Every model with a slope deviation, and no other."""
    assert [model.id for model in chosen_models(small_study())] == ["age", "paranoid"]
    assert [model.id for model in chosen_models(load_study("medication"))] == ["treatment"]


def test_every_change_has_draws_of_every_estimand() -> None:
    """Each test that was made gives finite draws in the unit of the unchanged ones."""
    found = results().all_draws()
    tests = {draws.test for draws in found}
    assert tests == {
        "base", "pattern_mixture", "delta", "shared_parameter", "joint", "conditioning", "likelihood"
    }  # fmt: skip
    keys = {(draws.model_id, draws.estimand) for draws in results().base}
    for draws in found:
        assert (draws.model_id, draws.estimand) in keys
        assert draws.draws.ndim == 2
        assert np.all(np.isfinite(draws.points))
        assert abs(draws.points.mean()) < 5.0
        assert draws.changed


def test_the_same_seed_gives_the_same_numbers() -> None:
    """Everything but NUTS is a function of the seed."""
    study = load_study("folmo2020")
    data = next(load_ensemble(study, study.folder / study.data.ensemble)).data(study)
    settings = StressSettings(prior="neutral", seed=2020, models=MODELS, what=("missing",), draws=400)
    again = run_stress(study, data, settings)
    for one, other in zip(results().patterns, again.patterns, strict=True):
        assert np.array_equal(one.draws, other.draws)
    for one, other in zip(results().shared, again.shared, strict=True):
        assert np.array_equal(one.gamma, other.gamma)


def test_a_rule_is_applied_to_maps_and_tipping_points() -> None:
    """Whatever words the rule has stand in the map."""
    study = load_study("folmo2020")
    data = next(load_ensemble(study, study.folder / study.data.ensemble)).data(study)
    settings = StressSettings(
        prior="neutral", seed=1, models=("tasks_outcome",), what=("missing",), draws=400
    )
    found = run_stress(
        study,
        data,
        settings,
        rule=lambda study, base: lambda points: "low" if points.mean() < -1.0 else "high",
    )
    assert {v for row in found.maps[0].verdicts for v in row} == {"low", "high"}
    assert {tip.before for tip in found.tips} == {"low"}


def test_tables_say_where_their_numbers_come_from() -> None:
    """Every table names the synthetic cohort; none holds a cell that is not finite without saying so."""
    tables = {table.id: table for table in build_stress_tables(results())}
    assert {"stress", "stress_tipping", "stress_dropout", "stress_joint", "stress_conditioning"} <= set(
        tables
    )
    for table in tables.values():
        assert "SYNTHETIC DATA" in table.provenance
        assert "synthetic" in table.stamp
    rows = tables["stress"].column("test")
    assert len(rows) == len(results().all_draws())
    assert rows[0] == "base"
    written = json.dumps(stress_json(results(), list(tables.values())), allow_nan=False)
    assert '"source": "synthetic"' in written


def test_figures_hold_the_numbers_that_they_show() -> None:
    """One forest a model, one map a model, one figure of shared courses, each with rows."""
    drawn = figures_of(results())
    assert {"changes_tasks_outcome", "deltas_tasks_outcome", "shared_course"} <= set(drawn)
    figure, rows = drawn["changes_tasks_outcome"]
    mine = [draws for draws in results().all_draws() if draws.model_id == "tasks_outcome"]
    assert [row["median"] for row in rows] == [draws.summary().median for draws in mine]
    assert len(figure.axes) >= 1
    assert not set(drawn) & {table.id for table in build_stress_tables(results())}
    _, points = drawn["shared_course"]
    assert {row["residual"] for row in points} == {0.0, 0.3, 0.6}
    for figure, _ in drawn.values():
        check_legible(figure)


def test_the_command_writes_tables_figures_and_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """'stress' on one model ends with a count; each figure lies there with its numbers."""
    arguments = ["stress", "folmo2020", "--model", "tasks_outcome", "--what", "missing,conditioning"]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    assert "1 estimands under" in capsys.readouterr().out.splitlines()[-1]
    for stem in ("changes_tasks_outcome", "deltas_tasks_outcome", "shared_course"):
        assert all((tmp_path / f"{stem}.{ending}").stat().st_size for ending in ("pdf", "svg", "png", "csv"))
    with (tmp_path / "stress.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["test"] for row in rows} >= {"base", "delta", "pattern_mixture", "conditioning"}
    assert json.loads((tmp_path / "stress.json").read_text())["study"] == "folmo2020"
    with (tmp_path / "stress_conditioning.csv").open(encoding="utf-8") as file:
        assert "share_significant" in next(csv.reader(file)), "no figure's numbers in place of the table's"


def test_wrong_names_are_all_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and no traceback for unknown tests, likelihoods and models."""
    assert main(["stress", "folmo2020", "--what", "missing,magic,luck", "--likelihoods", "cauchy"]) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in ("'magic'", "'luck'", "'cauchy'"))
    assert main(["stress", "folmo2020", "--model", "nothing", "--model", "goals_growth"]) == 2
    said = capsys.readouterr().err
    assert "'nothing'" in said
    assert "'goals_growth'" in said


def test_a_model_that_the_data_cannot_carry_is_said_to_be_skipped() -> None:
    """A study whose data lack the predictor of the only model asked for is refused; of two, one is run."""
    study = small_study()
    data = small_data(study)
    lacking = dataclasses.replace(data, absent=("age",))
    settings = StressSettings(prior="neutral", seed=1, what=("missing",), draws=400)
    found = run_stress(study, lacking, settings)
    assert [one.model_id for one in found.models_skipped] == ["age"]
    with pytest.raises(InputError, match="lack age"):
        run_stress(study, lacking, dataclasses.replace(settings, models=("age",)))
