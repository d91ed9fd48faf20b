"""What stands behind fitted mean trajectories, and the drawings of single patients that never leave the folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bayes_alliance.assess.posterior_predictive import PredictiveStatistic
from bayes_alliance.run.results import EnsembleFacts, PredictiveResult, StudyResults
from bayes_alliance.show.disclosure import ALLOWED
from bayes_alliance.show.plots.behind_trajectories import PRINTED, RAW, context_rows, describe_context
from bayes_alliance.show.plots.spaghetti import plot_spaghetti, write_spaghetti
from bayes_alliance.show.share import contents_of
from bayes_alliance.study.records import Source, TrajectoryFigure
from tests.results_fixture import build_results


@pytest.fixture(scope="module")
def results() -> StudyResults:
    return build_results()


@pytest.fixture(scope="module")
def figure(results: StudyResults) -> TrajectoryFigure:
    return next(f for f in results.study.figures if "tasks_outcome" in f.models)


def test_raw_means_are_those_of_the_rows(results: StudyResults, figure: TrajectoryFigure) -> None:
    """Mean score and patients of one subgroup in the last quarter; all quarters hold every row once."""
    run = results.run("tasks_outcome")
    assert run is not None
    names = list(run.design.x_names)
    poor = run.design.x[:, names.index("poor_outcome")] == 1.0
    months = run.design.x[:, names.index("months")]
    late = poor & (months >= 27.0)
    rows = [row for row in context_rows(results, figure) if row["series"] == RAW]
    last = [row for row in rows if row["line"] == "Poor outcome"][-1]
    assert last["value"] == pytest.approx(run.design.y[late].mean())
    assert last["months"] == pytest.approx(months[late].mean())
    assert last["n_patients"] == len(set(run.design.patient_index[late]))
    assert sum(int(row["n_rows"]) for row in rows) == run.rows.n_rows


def test_the_printed_line_is_that_of_the_table(results: StudyResults, figure: TrajectoryFigure) -> None:
    """Table IV prints 5.02 and 0.02 a month for Tasks: both ends of the line."""
    cells = {c.coefficient: c.printed for c in results.study.cells if c.model == "tasks_growth"}
    intercept, slope = (float(cells[name].split("(")[0]) for name in ("Intercept", "months"))
    ends = [row["value"] for row in context_rows(results, figure) if row["series"] == PRINTED]
    assert ends == [pytest.approx(intercept), pytest.approx(intercept + 36.0 * slope)]


def test_lines_of_cohorts_are_those_of_their_coefficients(
    results: StudyResults, figure: TrajectoryFigure
) -> None:
    """Each cohort has a line from its own intercept to its own value at 36 months."""
    flat = {"Intercept": 5.0, "months": 0.0, "poor_outcome": -1.0, "months:poor_outcome": 0.0}
    steep = {"Intercept": 4.0, "months": 0.1, "poor_outcome": 0.0, "months:poor_outcome": -0.05}
    facts = EnsembleFacts(coefficients=({"tasks_outcome": flat}, {"tasks_outcome": steep}))
    rows = context_rows(dataclasses.replace(results, ensemble=facts), figure)
    poor = {
        (str(row["series"]), row["months"]): row["value"]
        for row in rows
        if str(row["series"]).startswith("cohort") and row["line"] == "Poor outcome"
    }
    assert poor == pytest.approx(
        {("cohort 0", 0.0): 4.0, ("cohort 0", 36.0): 4.0, ("cohort 1", 0.0): 4.0, ("cohort 1", 36.0): 5.8}
    )
    assert "2 synthetic cohorts" in describe_context(rows, "months")


def test_raw_means_of_real_data_are_only_those_already_shown(
    results: StudyResults, figure: TrajectoryFigure
) -> None:
    """What a predictive check had to leave out, as of too few patients, is not drawn here either."""
    seen = PredictiveStatistic(
        name="mean", group="poor_outcome = 1", bin="0-9", n_rows=9, n_patients=8, observed=4.5,
        median=4.4, lower=4.0, upper=5.0, p_value=0.4,
    )  # fmt: skip
    checked = PredictiveResult(model_id="tasks_outcome", outcome="tasks", statistics=(seen,), pit=np.zeros(0))
    real = dataclasses.replace(results, source=Source.REAL, predictive=(checked,))
    rows = [row for row in context_rows(real, figure) if row["series"] == RAW]
    assert [(row["line"], row["months"], row["value"], row["n_patients"]) for row in rows] == [
        ("Poor outcome", 4.5, 4.5, 8)
    ]
    hidden = dataclasses.replace(real, predictive=())
    assert not [row for row in context_rows(hidden, figure) if row["series"] == RAW]


def test_every_patient_is_drawn_once_and_in_no_bundle(
    results: StudyResults, figure: TrajectoryFigure, tmp_path: Path
) -> None:
    """A line a patient and one for the mean, in a folder with a warning; no kind of content lets it leave."""
    run = results.run("tasks_outcome")
    assert run is not None
    drawn = plot_spaghetti(results, figure, run)
    assert sum(len(axes.lines) - 1 for axes in drawn.axes) == run.rows.n_patients
    shown = np.concatenate([line.get_ydata() for axes in drawn.axes for line in axes.lines[:-1]])
    assert sorted(shown) == pytest.approx(sorted(run.design.y))
    written = write_spaghetti(results, tmp_path / "patients")
    assert "do not publish" in (tmp_path / "patients" / "README.txt").read_text()
    contents = contents_of(results)
    for path in written:
        assert contents.get(f"patients/{path.stem}") not in ALLOWED
    assert not list((tmp_path / "patients").glob("*.csv"))
