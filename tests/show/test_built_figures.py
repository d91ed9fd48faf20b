"""The figures that stand in figures/ are those that the package would make now."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

import bayes_alliance as ba
from bayes_alliance.api import Reanalysis
from bayes_alliance.cohorts.store import load_ensemble
from bayes_alliance.cohorts.typicality import check_ensemble
from bayes_alliance.published.cell_posterior import cell_posteriors
from bayes_alliance.show.plots.cohorts import tabulate_scorecard_plot
from bayes_alliance.show.plots.ensemble_checks import tabulate_ensemble_checks_plot
from bayes_alliance.show.plots.plan import plan_figures
from bayes_alliance.show.plots.prior_sensitivity import tabulate_prior_sensitivity

FIGURES = Path(__file__).resolve().parents[2] / "figures"
NAMES = (FIGURES / "built.txt").read_text(encoding="utf-8").split()


@pytest.fixture(scope="module")
def results() -> Reanalysis:
    """The frequentist part of the default run: the same rows, without a posterior."""
    return ba.reanalyse("folmo2020", engine="none")


def stored(name: str) -> list[dict[str, str]]:
    with (FIGURES / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def column(rows: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([float(row[name]) if row[name] else np.nan for row in rows])


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_of_the_list_is_there_and_in_the_gallery(name: str) -> None:
    """In four files, with alternative text in the drawing, and shown by the README."""
    for ending in ("csv", "svg", "pdf", "png"):
        assert (FIGURES / f"{name}.{ending}").stat().st_size > 200
    text = (FIGURES / f"{name}.svg").read_text(encoding="utf-8")
    assert len(re.findall(r"<dc:description>(.*?)</dc:description>", text, re.DOTALL)[0]) > 60
    assert f"({name}.svg)" in (FIGURES / "README.md").read_text(encoding="utf-8")


def test_no_figure_stands_there_that_nothing_makes() -> None:
    """What is no benchmark is in one of the two lists: figures of a run, and of the claims."""
    found = {path.stem for path in FIGURES.glob("*.svg")} - {"benchmark"}
    of_claims = (FIGURES / "built_claims.txt").read_text(encoding="utf-8").split()
    assert found == {*NAMES, *of_claims}


@pytest.mark.parametrize("name", ["figure_1", "figure_2"])
def test_stored_trajectories_are_those_of_the_rows_that_ship(results: Reanalysis, name: str) -> None:
    """Every ML mean and band of the stored file is computed again."""
    plan = next(p for p in plan_figures(results) if p.name == name)
    rows = stored(name)
    for series in ("fitted", "raw mean", "printed"):
        mine = [r for r in rows if r["series"] == series]
        now = [r for r in plan.rows if r["series"] == series]
        assert [(r["model"], r["line"]) for r in mine] == [(r["model"], r["line"]) for r in now] != []
        fitted = series == "fitted"
        for key in ("ml_mean", "ml_lower_95", "ml_upper_95") if fitted else ("value", "months"):
            np.testing.assert_allclose(column(mine, key), [r[key] for r in now], rtol=1e-6)
    assert all(row["provenance"].startswith("synthetic") for row in rows)


def test_the_stored_forest_has_the_printed_cells_and_the_ml_estimates(results: Reanalysis) -> None:
    """Line by line, as printed and as fitted now."""
    plan = next(p for p in plan_figures(results) if p.name == "forest_printed")
    rows = [row for row in stored("forest_printed") if row["source"] != "Bayes"]
    assert [(r["estimand"], r["source"]) for r in rows] == [(r["estimand"], r["source"]) for r in plan.rows]
    wanted = [np.nan if r["estimate_over_horizon"] is None else r["estimate_over_horizon"] for r in plan.rows]
    np.testing.assert_allclose(
        column(rows, "estimate_over_horizon"), np.array(wanted, dtype=float), rtol=1e-6
    )


def test_the_stored_moderation_has_the_ml_estimates_of_now(results: Reanalysis) -> None:
    """Cells, differences and contrasts, with their patients."""
    plan = next(p for p in plan_figures(results) if p.name == "moderation")
    rows = stored("moderation")
    np.testing.assert_allclose(column(rows, "ml"), [r["ml"] for r in plan.rows], rtol=1e-6)
    assert [r["n_patients"] for r in rows] == [
        "" if r["n_patients"] is None else str(r["n_patients"]) for r in plan.rows
    ]


def test_stored_figures_of_print_and_cohorts_are_current() -> None:
    """What needs no fit is computed again in full."""
    study = ba.load_study("folmo2020")
    wanted = tabulate_prior_sensitivity(study, cell_posteriors(study))
    np.testing.assert_allclose(
        column(stored("prior_sensitivity"), "mean"), [r["mean"] for r in wanted], rtol=1e-6
    )
    facts = [cohort.facts for cohort in load_ensemble(study, study.folder / study.data.ensemble)]
    lines = tabulate_scorecard_plot(facts)
    found = stored("scorecard")
    assert [r["met"] for r in found] == ["true" if r["met"] else "false" for r in lines]
    positions = [np.nan if r["position"] is None else r["position"] for r in lines]
    np.testing.assert_allclose(column(found, "position"), np.array(positions, dtype=float), rtol=1e-6)
    values = tabulate_ensemble_checks_plot(check_ensemble(study, facts))
    found = stored("ensemble_checks")
    assert [r["check"] for r in found] == [r["check"] for r in values]
    np.testing.assert_allclose(column(found, "value"), [r["value"] for r in values], rtol=1e-6)
