"""Calibration of several levels and of repeated measures: docs show the committed numbers, none strays."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bayes_alliance.assess.uniformity import holm
from bayes_alliance.dev.prior_calibration import format_named, plot_named, tabulate_named
from bayes_alliance.dev.structure_calibration import DESIGNS, FILE, KIND, MARKS, calibrate_structures
from bayes_alliance.simulation.records import SimulationSettings

DOCS = Path(__file__).resolve().parents[2] / "docs"
NUMBERS = pd.read_csv(DOCS / f"{FILE}.csv").drop(columns="provenance")


def test_the_table_in_docs_is_that_of_the_numbers() -> None:
    """Line by line."""
    shown = (DOCS / "simulate.md").read_text(encoding="utf-8").partition(MARKS[0])[2].partition(MARKS[1])[0]
    rows = [{str(key): value for key, value in row.items()} for row in NUMBERS.to_dict("records")]
    assert shown.strip().splitlines() == list(format_named(rows, KIND))


def test_every_design_has_five_hundred_studies_and_uniform_ranks() -> None:
    """Adjusted by Holm over all quantities of all designs; no study failed."""
    assert list(NUMBERS[KIND].unique()) == [design.name for design in DESIGNS]
    assert abs(holm(NUMBERS["p"].to_numpy()) - NUMBERS["p_adjusted"].to_numpy()).max() < 1e-9
    assert (NUMBERS["studies"] >= 500).all() and (NUMBERS["failed"] == 0).all()
    assert NUMBERS["p_adjusted"].min() > 0.05


def test_a_model_without_an_estimand_is_calibrated() -> None:
    """Two studies of three levels: a row for each coefficient, SD, correlation and the likelihood; axes have names."""
    results = calibrate_structures(SimulationSettings(studies=2), DESIGNS[:1])
    rows = tabulate_named(results, KIND)
    names = {str(row["quantity"]) for row in rows}
    assert names == set(NUMBERS.loc[NUMBERS[KIND] == DESIGNS[0].name, "quantity"])
    assert all(row["studies"] == 2 for row in rows)
    figure = plot_named(results, 2)
    assert figure.get_supxlabel() == "Fractional rank of the true value"
    assert figure.get_supylabel() == "ECDF of ranks minus uniform"
