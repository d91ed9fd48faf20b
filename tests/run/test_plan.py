"""Plans: each model on all rows that carry it, comparisons on shared rows, reasons for the rest."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bayes_alliance.errors import InputError
from bayes_alliance.run.plan import check_runs, plan_study
from tests.small_study import MODELS, small_data, small_frame, small_study


def test_every_model_has_all_rows_that_carry_it() -> None:
    """Three rows lack goals, two patients lack their age: 117 and 107 of 120 rows."""
    study = small_study()
    own = {p.model.id: p for p in plan_study(study, small_data(study)).own}
    assert list(own) == [m.id for m in MODELS]
    assert (own["growth"].rows.n_rows, own["growth"].rows.n_patients) == (117, 24)
    assert (own["age"].rows.n_rows, own["age"].rows.n_patients) == (107, 22)
    assert own["tasks_growth"].rows.n_rows == 120
    for planned in own.values():
        assert planned.design.n_rows == planned.rows.n_rows == len(planned.frozen.rows)
        assert planned.design.n_patients == planned.rows.n_patients


def test_what_is_left_out_is_said_in_words_that_add_up() -> None:
    """Rows left out at each step and rows used make up the whole file."""
    study = small_study()
    own = {p.model.id: p for p in plan_study(study, small_data(study)).own}
    assert own["growth"].left_out == ("3 rows (0 whole patients) without goals",)
    assert own["age"].left_out == (
        "3 rows (0 whole patients) without goals",
        "10 rows (2 whole patients) without age",
    )
    assert own["tasks_growth"].left_out == ()


def test_a_comparison_is_frozen_once_on_the_rows_of_all_its_models() -> None:
    """Models of a set share one digest and 107 rows, though most could have used more."""
    study = small_study()
    common = plan_study(study, small_data(study)).common
    assert list(common) == ["goals", "tasks"]
    assert [p.model.id for p in common["goals"]] == ["unconditional", "growth", "age", "paranoid"]
    assert {p.rows.n_rows for p in common["goals"]} == {107}
    assert len({p.rows.digest for p in common["goals"]}) == 1
    for planned in common["goals"][1:]:
        np.testing.assert_array_equal(planned.design.y, common["goals"][0].design.y)


def test_a_comparison_does_not_wait_for_a_model_that_was_not_asked_for() -> None:
    """Without the model with age, the set keeps all 117 rows."""
    study = small_study()
    plan = plan_study(study, small_data(study), models=("growth", "paranoid"))
    assert {p.rows.n_rows for p in plan.common["goals"]} == {117}
    assert plan.n_fits == 4


def test_a_missing_predictor_skips_the_models_that_need_it_with_the_reason() -> None:
    """Data without age run every other model."""
    study = small_study()
    plan = plan_study(study, small_data(study, small_frame().drop(columns="age")))
    assert [(s.model_id, s.reason, s.comparison) for s in plan.skipped] == [("age", "the data lack age", "")]
    assert [p.model.id for p in plan.own] == ["unconditional", "growth", "paranoid", "tasks_growth"]
    assert {p.rows.n_rows for p in plan.common["goals"]} == {117}


def test_a_missing_variable_of_a_subgroup_skips_its_models() -> None:
    """A condition on patients needs its variable as much as a formula does."""
    subgroup = dataclasses.replace(MODELS[1], id="subgroup", where=(("paranoid", 1.0),), comparison="")
    study = small_study((*MODELS, subgroup))
    study = dataclasses.replace(study, descriptive_group="")
    plan = plan_study(study, small_data(study, small_frame().drop(columns="paranoid")))
    assert {s.model_id: s.reason for s in plan.skipped} == {
        "paranoid": "the data lack paranoid",
        "subgroup": "the data lack paranoid",
    }


def test_a_subgroup_has_its_own_patients_only() -> None:
    """Patients with another value are left out and counted."""
    subgroup = dataclasses.replace(MODELS[4], id="subgroup", where=(("paranoid", 1.0),), comparison="")
    study = small_study((*MODELS, subgroup))
    (planned,) = plan_study(study, small_data(study), models=("subgroup",)).own
    assert planned.rows.n_patients == 8
    assert planned.left_out == ("80 rows (16 whole patients) with another value of paranoid",)


def test_too_few_patients_are_a_reason() -> None:
    """Four patients do not carry a mixed model."""
    study = small_study()
    frame = small_frame()
    frame.loc[~frame["patient"].isin(["p00", "p01", "p02", "p04"]), "age"] = np.nan
    plan = plan_study(study, small_data(study, frame))
    reasons = {(s.model_id, s.comparison): s.reason for s in plan.skipped}
    assert reasons[("age", "")] == "only 4 patients carry it; at least 5 are needed"
    assert {p.rows.n_rows for p in plan.common["goals"]} == {117}


def test_an_effect_that_the_rows_cannot_tell_is_a_reason() -> None:
    """A predictor without variation is collinear with the intercept."""
    study = small_study()
    plan = plan_study(study, small_data(study, small_frame().assign(paranoid=0.0)))
    (skipped,) = plan.skipped
    assert skipped.model_id == "paranoid"
    assert "have rank 2 on these rows" in skipped.reason


def test_a_model_left_out_of_its_comparison_is_still_run() -> None:
    """With disjoint gaps the common rows vanish: both run alone, and the plan says what is not compared."""
    study = small_study()
    frame = small_frame()
    first = frame["patient"] < "p12"
    frame.loc[first, "age"] = np.nan
    frame.loc[~first, "paranoid"] = np.nan
    plan = plan_study(study, small_data(study, frame))
    assert {p.model.id for p in plan.own} == {m.id for m in MODELS}
    assert {s.model_id for s in plan.skipped} == {"unconditional", "growth", "age", "paranoid"}
    assert {s.comparison for s in plan.skipped} == {"goals"}
    assert "no row has all of" in plan.skipped[0].reason
    assert list(plan.common) == ["tasks"]


def test_an_unknown_model_is_an_input_error_with_every_one_named() -> None:
    """All misspelt ids at once, with the list of those there are."""
    study = small_study()
    with pytest.raises(InputError) as caught:
        plan_study(study, small_data(study), models=("growht", "age", "agee"))
    assert [p.got for p in caught.value.problems] == ["'growht'", "'agee'"]
    assert caught.value.problems[0].allowed == ", ".join(m.id for m in MODELS)


def test_data_that_carry_no_model_are_an_input_error_with_every_reason() -> None:
    """Nothing to run is not a run of nothing."""
    study = small_study()
    data = small_data(study, small_frame().drop(columns=["goals", "tasks"]))
    with pytest.raises(InputError) as caught:
        plan_study(study, data)
    assert len(caught.value.problems) == len(MODELS)
    assert caught.value.problems[1].what == "model growth: the data lack goals"


def test_what_cannot_run_is_refused_as_by_the_plan_and_what_can_is_not() -> None:
    """A model that is unknown and data that carry none: the same words; one model that can be run is enough."""
    study = small_study()
    data = small_data(study)
    nothing = small_data(study, small_frame().drop(columns=["goals", "tasks"]))
    for rows, models in ((data, ("gaols_growth",)), (nothing, ())):
        with pytest.raises(InputError) as planned:
            plan_study(study, rows, models=models)
        with pytest.raises(InputError) as checked:
            check_runs(study, rows, models=models)
        assert str(checked.value) == str(planned.value)
    check_runs(study, data)


def test_as_many_coefficients_as_rows_are_a_reason() -> None:
    """No residual is left where there are no more rows than coefficients."""
    wide = dataclasses.replace(MODELS[4], id="wide", formula="tasks ~ age*paranoid*months + (1 | patient)")
    study = small_study((wide,))
    frame = small_frame().groupby("patient", as_index=False).nth([1]).reset_index(drop=True)
    frame = (
        frame[~frame["patient"].isin(["p03", "p07"])]
        .iloc[:8]
        .assign(months=np.arange(8.0), paranoid=[0.0, 1, 0, 1, 1, 0, 1, 0])
    )
    with pytest.raises(InputError, match="8 rows cannot carry 8 fixed coefficients"):
        plan_study(study, small_data(study, frame))


def test_order_of_rows_does_not_matter() -> None:
    """A shuffled file gives the same digests."""
    study = small_study()
    one = plan_study(study, small_data(study))
    other = plan_study(study, small_data(study, small_frame().sample(frac=1.0, random_state=3)))
    assert [p.rows for p in one.own] == [p.rows for p in other.own]
