"""A whole StudyResults in seconds: the pipeline as it is, on a synthetic cohort, by the collapsed engine.

Neither PyMC nor nutpie is imported.
"""

from __future__ import annotations

import functools
import tempfile
from dataclasses import replace
from pathlib import Path

from bayes_alliance.cohorts.simulate import simulate_cohort
from bayes_alliance.data.rows import data_from_frame
from bayes_alliance.inference.collapsed import CollapsedSettings
from bayes_alliance.run.pipeline import run_study
from bayes_alliance.run.results import StudyResults
from bayes_alliance.run.settings import EngineChoice, RunSettings
from bayes_alliance.show.plots.write import write_figures
from bayes_alliance.show.report import write_report
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Source

_FOLDER = tempfile.TemporaryDirectory(prefix="report")
SEED = 7
MODELS = (
    "gaf_growth",
    "gaf_age",
    "gaf_work",
    "tasks_unconditional",
    "tasks_growth",
    "tasks_outcome",
    "tasks_outcome_ppd",
)


@functools.cache
def build_results(
    models: tuple[str, ...] = MODELS,
    *,
    without: tuple[str, ...] = ("work_study_months",),
    engine: EngineChoice = "collapsed",
) -> StudyResults:
    """Run the built-in study on a cohort that lacks a column, so that one model is skipped.

    Made once for each set of arguments: the records are frozen, so tests can share them.

    Parameters
    ----------
    models : tuple of str
        Ids; empty for all.
    without : tuple of str
        Columns taken out of the cohort.
    engine : str
        "none" leaves the posterior out.
    """
    study = load_study("folmo2020")
    cohort = simulate_cohort(study, SEED)
    derived = [d.name for d in study.derived if d.name in cohort.rows and not d.name.startswith("end_")]
    headers = {variable.name: variable.column for variable in study.variables}
    frame = cohort.rows.drop(columns=[*without, *derived]).rename(columns=headers)
    data = data_from_frame(study, frame, source=Source.SYNTHETIC, origin=cohort.origin)
    settings = RunSettings(
        engine=engine, seed=SEED, models=models, collapsed=CollapsedSettings(draws=1000, pool=4.0)
    )
    return run_study(study, data, settings)


@functools.cache
def built_page() -> Path:
    """Write the report of these results with its figures, once; the folder goes when Python ends."""
    folder = Path(_FOLDER.name)
    results = build_results()
    figures = write_figures(results, folder / "figures", kinds=("svg",)).result()
    return write_report(results, folder, figures=figures)


def fail_gate(results: StudyResults, model_id: str) -> StudyResults:
    """Make the first gate of a model fail."""
    checks = list(results.checks)
    index = next(i for i, c in enumerate(checks) if c.model_id == model_id and c.gate)
    checks[index] = replace(checks[index], status="fail", value=0.0)
    return replace(results, checks=tuple(checks))
