"""Printed numbers that no data can meet are named by the smallest set that conflicts; the rest is asked."""

from __future__ import annotations

import dataclasses

import pytest

from bayes_alliance.cohorts.conflicts import find_conflicts, possible_targets, say_conflicts
from bayes_alliance.cohorts.scorecard import score_cohort
from bayes_alliance.cohorts.solver.targets import list_targets
from bayes_alliance.cohorts.store import load_ensemble
from bayes_alliance.dev.dialects import DIALECTS, Dialect
from bayes_alliance.dev.invented import invent_table
from bayes_alliance.study.load_study import list_studies, load_study
from bayes_alliance.study.records import Study

ROW = ("IV", "TASKS: Poor vs high outcome")


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study("folmo2020")


def print_instead(study: Study, column: str, printed: str) -> Study:
    """The study with one cell of the model of Tasks by outcome printed otherwise."""
    cells = [
        dataclasses.replace(cell, printed=printed)
        if (cell.table, cell.row, cell.column) == (*ROW, column)
        else cell
        for cell in study.cells
    ]
    assert sum(a is not b for a, b in zip(cells, study.cells, strict=True)) == 1
    return dataclasses.replace(study, cells=tuple(cells))


@pytest.mark.parametrize("name", [name for name in list_studies() if name != "egsingle"])
def test_no_other_study_that_ships_has_a_conflict(name: str) -> None:
    """All targets of the printed cells and statements can be met."""
    study = load_study(name)
    assert find_conflicts(study) == ()
    assert possible_targets(study) == list_targets(study)


def test_two_programs_that_print_one_model_otherwise_conflict() -> None:
    """Stata and lme4, which stopped short of the maximum: each conflict is between their tables."""
    found = find_conflicts(load_study("egsingle"))
    assert len(found) > 10
    for conflict in found:
        assert "lme4" in conflict.says and "Stata" in conflict.says


@pytest.mark.parametrize("dialect", DIALECTS)
def test_honest_tables_have_none(dialect: Dialect) -> None:
    """Whatever is printed of real fits can stand together."""
    assert [c.says for seed in (4, 5) for c in find_conflicts(invent_table(seed, dialect).study)] == []


def test_stars_that_estimate_and_se_cannot_have(study: Study) -> None:
    """An estimate of less than its SE has no three stars: these three numbers, and nothing else, are left out."""
    wrong = print_instead(study, "Linear slope", "-0.02 (0.03)***")
    (conflict,) = find_conflicts(wrong)
    assert [t.kind for t in conflict.targets] == ["estimate", "se", "p"]
    assert {t.model for t in conflict.targets} == {"tasks_outcome"}
    assert "IV: TASKS: Poor vs high outcome: Linear slope" in conflict.says
    assert len(possible_targets(wrong)) == len(list_targets(wrong)) - 3
    assert find_conflicts(print_instead(study, "Linear slope", "-0.05 (0.01)***")) == ()


def test_an_order_that_the_estimates_turn_round(study: Study) -> None:
    """'Differed most in Tasks' cannot be said of a smaller difference: the order and both estimates conflict."""
    wrong = print_instead(study, "Linear slope", "-0.005 (0.001)***")
    kinds = [sorted(t.kind for t in conflict.targets) for conflict in find_conflicts(wrong)]
    assert kinds[0] == ["estimate", "estimate", "less_estimate"]


def test_table_and_text_that_contradict_each_other(study: Study) -> None:
    """Two stars beside a text that says p > 0.05 are a set of two."""
    wrong = print_instead(study, "Intercept", "0.30 (0.05)**")
    (conflict,) = find_conflicts(wrong)
    assert sorted((t.kind, t.from_cell) for t in conflict.targets) == [("p", False), ("p", True)]


def test_a_likelihood_that_no_number_of_parameters_leads_to() -> None:
    """An AIC below its deviance conflicts with it."""
    study = invent_table(4, "t_df").study
    aic = next(cell for cell in study.cells if cell.quantity == "aic")
    assert any(t.kind == "deviance" and t.model == aic.model for t in list_targets(study))
    moved = dataclasses.replace(aic, printed=str(float(aic.printed) - 60.0))
    wrong = dataclasses.replace(study, cells=tuple(moved if c is aic else c for c in study.cells))
    (conflict,) = find_conflicts(wrong)
    assert sorted(t.kind for t in conflict.targets) == ["aic", "deviance"]


def test_the_scorecard_says_why_such_a_number_is_missed(study: Study) -> None:
    """Its line names the set; lines that can stand have no reason."""
    kept = ("tasks_growth", "tasks_outcome")
    small = dataclasses.replace(
        study,
        models=tuple(m for m in study.models if m.id in kept),
        cells=tuple(c for c in study.cells if c.model in kept),
        facts=tuple(f for f in study.facts if not f.model),
    )
    data = next(load_ensemble(study, study.folder / study.data.ensemble)).data(study)
    wrong = print_instead(small, "Linear slope", "-0.02 (0.03)***")
    missed = [line for line in score_cohort(wrong, data).missed if line.model]
    assert {line.kind for line in missed} == {"estimate", "se"}
    assert all("no data can print together" in line.note for line in missed)
    (said,) = say_conflicts(wrong)
    assert said.endswith("cohorts are built without them")
