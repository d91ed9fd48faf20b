"""What the page on simulations says is in its tables, and these have the design of the cohort that ships."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bayes_alliance.dev.ensemble_page import ensemble_digest, shipped
from bayes_alliance.dev.simulation_page import (
    SIMULATIONS,
    STORE,
    calibration_text,
    read_rows,
    simulation_page,
)
from bayes_alliance.study.load_study import load_study

DOCS = Path(__file__).resolve().parents[2] / "docs"
DIGESTS = json.loads((DOCS / STORE).read_text(encoding="utf-8"))
FIRST = shipped(load_study("folmo2020"))[0]


def test_the_text_of_the_page_is_that_of_the_tables() -> None:
    """'scripts/simulation_page.py' runs the simulations and writes it."""
    page = (DOCS / "simulate.md").read_text(encoding="utf-8")
    assert page == simulation_page(page, DOCS, DIGESTS)


def test_the_simulations_have_the_design_of_the_first_cohort_that_ships() -> None:
    """By a digest of its rows; a score that differs gives another."""
    assert dict.fromkeys(SIMULATIONS, ensemble_digest([FIRST])) == DIGESTS
    assert DIGESTS["calibration"] != ensemble_digest([FIRST, FIRST])


@pytest.mark.parametrize(
    "name",
    [
        "calibration_priors_tasks_ppd.csv",
        *(n for s in SIMULATIONS.values() for n in s.files if n.endswith(".csv")),
    ],
)
def test_tables_name_the_cohort_that_ships(name: str) -> None:
    """Each line has the seed of the first cohort."""
    origins = {row["provenance"] for row in read_rows(DOCS / name)}
    assert {re.findall(r"cohort_000, seed (\d+)", origin)[0] for origin in origins} == {
        str(FIRST.facts["seed"])
    }


def test_a_quantity_that_strays_is_counted() -> None:
    """One of two outside its band, with a p value that stays small after adjustment."""
    good = {
        "quantity": "a",
        "n": "9",
        "inside": "yes",
        "p": "0.4",
        "p_adjusted": "0.8",
        "coverage_95": "0.95",
    }
    bad = {**good, "quantity": "b", "inside": "no", "p": "0.001", "p_adjusted": "0.002", "coverage_95": "0.7"}
    said = calibration_text([good, bad], "abc")
    assert (
        "1 outside its own 95 % band" in said and "so 1 of them strays" in said and "70.0 to 95.0 %" in said
    )
    assert "none of them strays" in calibration_text([good, good], "abc")
