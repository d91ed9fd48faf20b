"""`fit --profile` on the models of every study that ships rows: intervals, or one message before any fit."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Iterator
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
    """The bootstrap simulates one level with independent residuals: other models are not what it tests."""
    assert main(["fit", name, "--model", model, "--engine", "none", "--bootstrap", "19"]) == 2
    said = capsys.readouterr().err
    assert "option --bootstrap" in said and repr(model) in said and "leave" in said


@pytest.mark.parametrize(("name", "model"), [("pinheiro2000", "nested"), ("verbeke2000", "autoregressive")])
def test_structured_models_have_intervals_of_every_quantity(
    capsys: pytest.CaptureFixture[str], name: str, model: str
) -> None:
    """Coefficients, estimands, SDs and correlations of both levels and of residuals, each around its ML estimate."""
    assert main(["fit", name, "--model", model, "--engine", "none", "--profile", "--json"]) == 0
    (one,) = (extras for extras in _extras(json.loads(capsys.readouterr().out)))
    intervals = {item["name"]: item for item in one["profile_intervals"]}
    expected = (
        {"Intercept", "day", "sd_Intercept | dog", "sd_Intercept | side_of_dog", "sigma"}
        if name == "pinheiro2000"
        else {"Intercept", "years", "girl", "years:girl", "deviation_girls", "sigma"}
    )
    assert set(intervals) >= expected
    assert any("correlation_residual" in own for own in intervals) == (name == "verbeke2000")
    for item in intervals.values():
        assert item["lower"] < item["estimate"] < item["upper"], item


def _extras(found: Any) -> Iterator[dict[str, Any]]:
    """Find what the profile added, wherever it stands."""
    if isinstance(found, dict):
        if "profile_intervals" in found:
            yield found
        for value in found.values():
            yield from _extras(value)
    elif isinstance(found, list):
        for value in found:
            yield from _extras(value)
