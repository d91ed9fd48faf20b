"""`fit --profile` on the models of every study that ships rows: intervals, or one message before any fit."""

from __future__ import annotations

import math
import types
from typing import Any

import pytest

from bayes_alliance.cli.main import main
from bayes_alliance.cohorts.study_rows import load_data
from bayes_alliance.inference.ml import fit_mixed
from bayes_alliance.run.judge_model import ml_extras
from bayes_alliance.run.plan import plan_study
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.load_study import list_studies, load_study

STUDIES = [name for name in list_studies() if load_study(name).data.source != "printed"]
STRUCTURED = [
    (name, model.id)
    for name in STUDIES
    for model in load_study(name).models
    if parse_formula(model.formula).is_structured
]


@pytest.mark.parametrize("name", STUDIES)
def test_every_shape_of_model_has_profile_intervals(name: str) -> None:
    """Each holds its estimate and ends, singular fits included; models with as many columns of each kind count once."""
    study = load_study(name)
    seen = set()
    for planned in plan_study(study, load_data(study)).own:
        shape = (len(planned.design.x_names), planned.design.z_names)
        if planned.design.structured is not None or shape in seen:
            continue
        seen.add(shape)
        ml = fit_mixed(planned.design, planned.rows, model_id=planned.model.id)
        run: Any = types.SimpleNamespace(ml=ml, design=planned.design, model=planned.model)
        found = ml_extras(run, profile=True, bootstrap=0, seed=1)
        assert len(found["profile_intervals"]) >= len(ml.x_names) + len(ml.z_names) + 1
        assert ("profile_note" in found) == (ml.covariance == "UN" and ml.singular)
        for item in found["profile_intervals"]:
            assert item["lower"] <= item["estimate"] <= item["upper"], (planned.model.id, item)
            assert math.isfinite(item["upper"]), (planned.model.id, item)


@pytest.mark.parametrize(("name", "model"), STRUCTURED)
def test_structured_models_are_refused_before_any_fit(
    capsys: pytest.CaptureFixture[str], name: str, model: str
) -> None:
    """Their profile would never rise: the outcome that moves is not the one that is fitted."""
    for option in (["--profile"], ["--bootstrap", "19"]):
        assert main(["fit", name, "--model", model, "--engine", "none", *option]) == 2
        said = capsys.readouterr().err
        assert f"option {option[0]}" in said and repr(model) in said and "leave" in said
