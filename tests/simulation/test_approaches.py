"""One simulated study analysed by an engine."""

from __future__ import annotations

import pytest

from bayes_alliance.cohorts.study_rows import load_data
from bayes_alliance.simulation import approaches
from bayes_alliance.simulation.approaches import draw_posterior
from bayes_alliance.simulation.setting import prepare
from bayes_alliance.study.load_study import load_study


def test_pymc_needs_the_matrices_of_a_study_and_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated studies have no table that Bambi could read: every one of them failed."""
    study = load_study("medication")
    one = prepare(study, load_data(study), study.models[0], calibrated=True)
    seen: list[object] = []
    monkeypatch.setattr(approaches, "fit_pymc", lambda design, *_, **__: seen.append(design))
    draw_posterior("pymc", one.planned.design, one.priors(study.priors[0].name), seed=1)
    assert seen == [one.planned.design]
