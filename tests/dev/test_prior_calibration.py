"""Calibration of every prior of the suite: the table in docs is that of the committed numbers, none strays."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bayes_alliance.assess.uniformity import holm
from bayes_alliance.claims.prior_suite import prior_suite
from bayes_alliance.dev.prior_calibration import calibrate_suite, format_suite, tabulate_suite
from bayes_alliance.simulation.records import SimulationSettings
from bayes_alliance.study.load_study import load_study

DOCS = Path(__file__).resolve().parents[2] / "docs"
NUMBERS = pd.read_csv(DOCS / "calibration_priors_tasks_ppd.csv").drop(columns="provenance")


def test_the_table_in_docs_is_that_of_the_numbers() -> None:
    """Line by line."""
    text = (DOCS / "simulate.md").read_text(encoding="utf-8")
    shown = text.partition("<!-- calibration of priors -->")[2].partition("<!-- end of calibration")[0]
    rows = [{str(key): value for key, value in row.items()} for row in NUMBERS.to_dict("records")]
    assert shown.strip().splitlines() == list(format_suite(rows))


# Found at 1,000 studies, not found again with another seed; see docs/simulate.md.
STRAYS = (NUMBERS["prior"] == "narrow_sd") & (NUMBERS["quantity"] == "log_likelihood")


def test_no_prior_of_the_suite_strays_but_one_in_one_quantity() -> None:
    """Every set is there, a thousand studies each, adjusted by Holm over all of them; 153 of 154 are uniform."""
    assert list(NUMBERS["prior"].unique()) == [one.id for one in prior_suite(load_study("folmo2020"))]
    again = holm(NUMBERS["p"].to_numpy())
    assert abs(again - NUMBERS["p_adjusted"].to_numpy()).max() < 1e-9
    assert (NUMBERS["studies"] == 1000).all()
    assert NUMBERS.loc[~STRAYS, "p_adjusted"].min() > 0.05
    assert (NUMBERS["failed"] == 0).all()


@pytest.mark.xfail(strict=True, reason="the log likelihood under narrow SDs is not uniform at 1,000 studies")
def test_the_log_likelihood_is_uniform_under_narrow_sds() -> None:
    """With this seed; turns red when it is, so that the page says so."""
    assert NUMBERS.loc[STRAYS, "p_adjusted"].min() > 0.05


@pytest.mark.slow
def test_the_suite_is_run_by_each_of_its_priors() -> None:
    """Two studies a prior: a row for each prior and quantity."""
    study = load_study("folmo2020")
    _, results = calibrate_suite(study, SimulationSettings(studies=2, model="tasks_ppd"))
    assert [result.prior for result in results] == [one.id for one in prior_suite(study)]
    rows = tabulate_suite(results)
    assert len(rows) == 14 * len(results)
    assert all(row["studies"] == 2 for row in rows)
