"""What lme4 prints from the first shipped cohort, beside the publication's cells."""

import json
from pathlib import Path

import pytest

from bayes_alliance.cohorts.solver.targets import list_targets
from bayes_alliance.study.load_study import load_study

ANSWER = json.loads((Path(__file__).parents[1] / "reference" / "cohort.json").read_text())
STUDY = load_study("folmo2020")
# The study's names of what the R script names by its own columns.
COLUMNS = {
    "age_centred": "age",
    "poor_outcome": "poor",
    "level_no_mood_disorder": "no_mood",
    "deviation_no_mood_disorder": "months:no_mood",
    "ppd_in_poor": "months:ppd_poor",
    "ppd_in_good": "months:ppd_good",
    "level_ppd_in_poor": "ppd_poor",
    "level_ppd_in_good": "ppd_good",
    "Intercept": "(Intercept)",
}


def column(coefficient):
    if coefficient in COLUMNS:
        return COLUMNS[coefficient]
    return ":".join(COLUMNS.get(part, part) for part in coefficient.split(":"))


def cells_of_models():
    """Every cell of Tables III and IV that a model answers, with what it asks for."""
    targets = [t for t in list_targets(STUDY) if t.from_cell and t.kind != "wald"]
    for cell in STUDY.cells:
        place = f"{cell.table}: {cell.row}: {cell.column}"
        if cell.model:
            for target in targets:
                if target.place == place:
                    yield pytest.param(cell, target, id=f"{place}: {target.kind}")


@pytest.mark.parametrize(("cell", "target"), list(cells_of_models()))
def test_lme4_prints_the_cell(cell, target):
    """lme4's own number, from another program's fit, prints like the publication's cell."""
    outcome, model = cell.model.split("_", 1)
    found = ANSWER[outcome][model]
    if target.kind == "aic":
        value = found["aic"]
    elif target.kind.startswith("explained"):
        value = found["explained"][target.kind == "explained_slope"]
    else:
        value = found["coefficients"][column(cell.coefficient)][target.kind]
    slack = 1e-4 * max(1.0, abs(value))
    assert target.low - slack <= value <= target.high + slack
