"""The package in a notebook."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayes_alliance as ba
from bayes_alliance.api import Reanalysis
from bayes_alliance.errors import InputError
from bayes_alliance.run.pipeline import run_study
from bayes_alliance.show.plots import style
from bayes_alliance.study.records import Source
from tests.show.test_table_forms import HOSTILE


@pytest.fixture(scope="module")
def results() -> Reanalysis:
    return ba.reanalyse("medication", engine="collapsed", seed=5, draws=400, models=["growth", "treatment"])


def test_a_run_in_a_notebook_is_the_run_of_the_pipeline(results: Reanalysis) -> None:
    """The same numbers to the last bit, and the same record with a few methods more."""
    study = ba.load_study("medication")
    same = run_study(study, ba.load_data(study), results.settings, fits_only=True)
    mine, other = results.run("treatment"), same.run("treatment")
    assert mine is not None and other is not None
    # Not the whole summaries: R-hat is NaN without chains, and NaN is not itself.
    numbers = [
        [(q.bayes.mean, q.bayes.sd, q.bayes.lower) for q in run.quantities if q.bayes is not None]
        for run in (mine, other)
    ]
    assert len(numbers[0]) == len(mine.quantities)
    assert numbers[0] == numbers[1]
    assert results.source == Source.REAL
    assert len(results.runs) == 2


def test_arviz_takes_the_posteriors_as_they_are(results: Reanalysis) -> None:
    """Its summary has the posterior means of the record."""
    import arviz_stats

    found = arviz_stats.summary(results.posterior("treatment"), var_names=["days:treat"], round_to="none")
    run = results.run("treatment")
    assert run is not None and run.posterior is not None
    slope = run.posterior.beta[..., run.posterior.x_names.index("days:treat")]
    np.testing.assert_allclose(found["mean"].to_numpy(dtype=float), [slope.mean()])
    with pytest.raises(KeyError):
        results.posterior("no_such_model")


def test_records_print_briefly_and_show_as_html(results: Reanalysis) -> None:
    """A run, a study, a model's run, a posterior and a table: a few lines, without a row of data or a draw."""
    text = repr(results)
    assert "2 models run" in text and "real data" in text
    run = results.run("treatment")
    assert run is not None and run.posterior is not None
    quantity = next(q for q in run.quantities if q.kind == "slope_deviation")
    assert quantity.label in text
    for record in (results, results.study, run, run.posterior):
        assert len(repr(record)) < 3000
        assert "array(" not in repr(record)
    assert "<table" in results._repr_html_() and "<p>" in results.study._repr_html_()
    table = results.tables["estimands"]
    assert str(table).startswith("**") and "<table" in table._repr_html_()


def test_html_of_records_is_escaped() -> None:
    """A study's title is text."""
    import dataclasses

    study = dataclasses.replace(ba.load_study("medication"), title=HOSTILE[0])
    assert "<script" not in study._repr_html_()


def test_rows_in_memory_are_real_data_and_are_checked() -> None:
    """A frame runs like a file; a wrong one is refused in words."""
    study = ba.load_study("medication")
    frame = pd.read_csv(study.folder / study.data.file)
    data = ba.load_data(study, frame)
    assert (data.source, data.origin) == (Source.REAL, "rows in memory")
    with pytest.raises(InputError):
        ba.load_data(study, frame.drop(columns=frame.columns[0]))
    with pytest.raises(InputError, match="no such cohort"):
        ba.load_data(ba.load_study("folmo2020"), cohort=99)


def test_writing_leaves_what_the_command_leaves(
    results: Reanalysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables, figures, report and manifest."""
    monkeypatch.setattr(style, "PNG_DPI", 40)
    written = {path.name for path in results.write(tmp_path / "out")}
    assert {"report.html", "manifest.json", "tables.xlsx", "tables.docx"} <= written
    assert results.figure(results.figure_names[0]).axes


def test_importing_the_package_costs_next_to_nothing() -> None:
    """No NumPy and no pandas, until a name is used; every name of the list can be."""
    code = (
        "import sys, time; t = time.perf_counter(); import bayes_alliance as ba; took = time.perf_counter() - t; "
        "assert 'reanalyse' in dir(ba); heavy = [m for m in ('numpy', 'pandas', 'scipy') if m in sys.modules]; "
        "print(heavy, took < 0.3)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[] True"
    assert all(getattr(ba, name) is not None for name in ba.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ba.nothing
