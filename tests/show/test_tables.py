"""Tables: every printed cell has its line, numbers are those of the records, and nothing hides a failure."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from pathlib import Path

import pytest

from bayes_alliance.assess.bayes_factors import BayesFactorPoint
from bayes_alliance.assess.descriptives import Descriptive
from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.tables import build_tables, format_csv, format_markdown, write_tables
from bayes_alliance.show.tables.bayes_factors import format_bayes_factor
from bayes_alliance.show.tables.gates import MARK, Footnotes, collect_gates
from bayes_alliance.show.tables.record import Table, number_column, pick_rows, shown_column, text_column
from bayes_alliance.study.records import Source
from tests.results_fixture import build_results, fail_gate


@pytest.fixture(scope="module")
def results() -> StudyResults:
    """Eight models of the built-in study, one of them skipped; draws are made up."""
    return build_results()


@pytest.fixture(scope="module")
def tables(results: StudyResults) -> dict[str, Table]:
    return {table.id: table for table in build_tables(results)}


def read_csv(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(format_csv(table))))


def find(table: Table, **wanted: str) -> dict[str, str]:
    rows = [row for row in read_csv(table) if all(row[key] == value for key, value in wanted.items())]
    assert len(rows) == 1
    return rows[0]


def test_every_printed_cell_has_its_line(results: StudyResults, tables: dict[str, Table]) -> None:
    """Tables III and IV together list each cell of the study once, with the string that was printed."""
    listed = [
        (row["row"].removesuffix(MARK), row["column"], row["printed"])
        for name, table in tables.items()
        if name.startswith(("table_iii", "table_iv"))
        for row in read_csv(table)
    ]
    cells = [c for c in results.study.cells if c.table in ("III", "IV")]
    assert sorted(listed) == sorted((c.row, c.column, c.printed) for c in cells)


def test_every_statement_of_the_text_has_its_line(results: StudyResults, tables: dict[str, Table]) -> None:
    """Table text lists each printed fact, says whether the run gives it, and why a number is absent."""
    rows = read_csv(tables["table_text"])
    assert {row["id"] for row in rows} == {fact.id for fact in results.study.facts if fact.printed}
    p, sign = (row for row in rows if row["id"] == "p_tasks_slope_outcome")
    assert (p["asked"], sign["asked"]) == ("p", "estimate")
    item = next(item for item in results.text if item.fact.id == "p_tasks_slope_outcome")
    assert item.effect is not None and item.effect.bayes is not None
    assert float(p["achieved"]) == item.effect.ml.p
    assert float(p["bayes_median"]) == item.effect.bayes.median
    assert p["as_stated"] == ("yes" if item.effect.ml.p <= 0.05 else "no")
    assert find(tables["table_text"], id="p_goals_good")["status"] == "not asked for in this run"
    assert find(tables["table_text"], id="n_therapists")["status"] == "not counted in data"
    assert find(tables["table_text"], id="share_wsas_good")["audit"] == "consistent"


def test_reference_rows_say_reference(tables: dict[str, Table]) -> None:
    """The growth models of Table IV explain nothing of themselves: their cells say reference."""
    shown = format_markdown(tables["table_iv_explained_variation"])
    growth = [line for line in shown.splitlines() if line.startswith("| TASKS") and "| Ref" in line]
    assert growth and all("reference" in line for line in growth)


def test_estimates_stand_at_full_precision_in_csv(results: StudyResults, tables: dict[str, Table]) -> None:
    """The CSV line of a printed slope gives the ML estimate, SE and posterior median to the last bit."""
    run = results.run("tasks_outcome")
    assert run is not None
    quantity = run.quantity("months:poor_outcome")
    row = find(tables["table_iv_estimates"], row="TASKS: Poor vs high outcome", column="Linear slope")
    assert quantity.bayes is not None
    assert float(row["ml_estimate"]) == quantity.ml.estimate
    assert float(row["reml_se"]) == quantity.reml.se
    assert float(row["bayes_median"]) == quantity.bayes.median
    assert (float(row["bayes_q2.5"]), float(row["bayes_q97.5"])) == (
        quantity.bayes.lower,
        quantity.bayes.upper,
    )
    assert row["printed"] == "-0.03 (0.01)***"


def test_cells_of_models_without_numbers_say_why(tables: dict[str, Table]) -> None:
    """Skipped, not asked for, and answered by no coefficient are three different things."""
    status = {row["row"]: row["status"] for row in read_csv(tables["table_iii_estimates"])}
    assert status["GAF: Work/study mnths last yr"] == "not run: the data lack work_study_months"
    assert status["WSAS"] == "not asked for in this run"
    assert status["GAF: Age"] == "run"
    four = {row["row"]: row["status"] for row in read_csv(tables["table_iv_estimates"])}
    assert four["TASKS: Poor outcome, Paranoid PD=0"] == "reference cell; not a coefficient"
    assert "not run: the data lack work_study_months" in format_markdown(tables["table_iii_estimates"])


def test_aic_is_the_deviance_plus_twice_the_parameters(
    results: StudyResults, tables: dict[str, Table]
) -> None:
    """AIC by ML counts fixed and covariance parameters, SPSS's by REML the covariance parameters only."""
    run = results.run("gaf_age")
    assert run is not None
    row = find(tables["table_iii_fit"], row="GAF: Age")
    assert float(row["aic_ml"]) == pytest.approx(run.ml.deviance + 2 * (4 + 4), abs=1e-9)
    assert float(row["aic_spss_reml"]) == pytest.approx(run.reml.deviance + 2 * 4, abs=1e-9)
    assert float(row["minus_2_elpd"]) == -2.0 * float(row["elpd_new_patient"])


def test_every_dialect_of_aic_is_shown_for_every_model(
    results: StudyResults, tables: dict[str, Table]
) -> None:
    """Of 4 fixed and 4 covariance parameters SPSS counts 4 under REML, lme4 all 8; under ML both count 8."""
    table = tables["likelihoods"]
    assert table.column("model_id") == [run.model.id for run in results.runs]
    run = results.run("gaf_age")
    assert run is not None
    row = find(table, model_id="gaf_age")
    assert float(row["aic_ml"]) - run.ml.deviance == pytest.approx(16.0, abs=1e-9)
    assert float(row["aic_spss_reml"]) - run.reml.deviance == pytest.approx(8.0, abs=1e-9)
    assert float(row["aic_lme4_reml"]) - run.reml.deviance == pytest.approx(16.0, abs=1e-9)
    place = table.column("model_id").index("gaf_age")
    assert table.column("spss_shown")[place] == f"{run.reml.deviance + 8.0:.1f}"
    assert table.column("lme4_shown")[place] == f"{run.reml.deviance + 16.0:.1f}"


def test_the_within_model_share_never_stands_for_the_printed_quantity(
    results: StudyResults, tables: dict[str, Table]
) -> None:
    """The two kinds of explained variation have their own columns and their own values."""
    run = results.run("tasks_outcome")
    assert run is not None and run.explained is not None and run.explained.share_slope is not None
    row = find(
        tables["table_iv_explained_variation"],
        row="TASKS: Poor vs high outcome",
        column="Explained slope variation",
    )
    assert float(row["ml_same_rows_percent"]) == run.explained.slope
    assert float(row["ml_reference_on_all_its_rows_percent"]) == run.explained.as_printed_slope
    assert float(row["bayes_within_model_share_percent_median"]) == run.explained.share_slope.median
    heading = next(c.heading for c in tables["table_iv_explained_variation"].columns if c.name == "share")
    assert heading.startswith("Another quantity")


def test_slopes_over_the_horizon_are_36_times_the_monthly_ones(tables: dict[str, Table]) -> None:
    """Each slope has its horizon; levels have none."""
    rows = read_csv(tables["estimands"])
    assert {row["horizon"] for row in rows if row["kind"] == "level"} == {""}
    assert {row["horizon"] for row in rows if row["kind"].startswith("slope")} == {"36.0"}
    table = tables["estimands"]
    position = {c.name: i for i, c in enumerate(table.columns)}
    line = next(r for r in table.rows if r[position["name"]] == "growth")
    monthly = str(line[position["ml"]]).split("(")[0]
    assert float(str(line[position["ml_over"]]).split("(")[0]) == pytest.approx(36 * float(monthly), abs=0.02)
    median, sd = (float(str(line[position[name]])) for name in ("bayes_median", "bayes_sd"))
    over = float(str(line[position["bayes_over"]]).split(" [")[0])
    assert over == pytest.approx(36 * median, abs=36 * sd / 10)


def test_a_failed_gate_marks_the_model_in_every_table(results: StudyResults) -> None:
    """Wherever a number of the model stands, the dagger and the failed gate stand with it."""
    failed = fail_gate(results, "tasks_outcome")
    for table in build_tables(failed):
        if (
            table.id.endswith("_descriptives")
            or table.id in ("rows", "readings")
            or table.id.startswith("table_iii")
        ):
            continue
        text = format_markdown(table)
        assert f"outcome{MARK}" in text or f"outcome subgroup{MARK}" in text, table.id
        assert f"{MARK} Not to be trusted" in text or table.id == "checks", table.id
    assert collect_gates(failed).mark("tasks_outcome") == MARK


def test_a_remark_does_not_mark_a_model(results: StudyResults) -> None:
    """Only gates mark: a failed check that is no gate leaves the tables as they are."""
    checks = tuple(replace(c, status="fail", gate=False) for c in results.checks)
    assert collect_gates(replace(results, checks=checks)).failed == ()


def test_every_file_says_where_its_numbers_come_from(results: StudyResults, tmp_path: Path) -> None:
    """Markdown has the provenance below, and every CSV row begins with it."""
    for path in write_tables(results, tmp_path / "tables"):
        if path.suffix not in (".md", ".csv"):
            continue
        text = path.read_text(encoding="utf-8")
        # What the publication leaves open is weighed by print alone.
        of_print = path.stem == "readings"
        if path.suffix == ".md":
            assert ("SYNTHETIC DATA" in text) is not of_print
        else:
            lines = list(csv.reader(io.StringIO(text)))
            assert lines[0][0] == "provenance"
            assert all(("printed" if of_print else "synthetic") in line[0] for line in lines[1:])


def test_real_data_are_not_called_synthetic(results: StudyResults) -> None:
    """The same records from real data say so, and claim no agreement by construction."""
    real = replace(results, source=Source.REAL, origin="file.csv")
    texts = {table.id: format_markdown(table) + format_csv(table) for table in build_tables(real)}
    assert not any("SYNTHETIC" in text or "by construction" in text for text in texts.values())
    assert {name for name, text in texts.items() if "real data" not in text} == {"readings"}


def test_intervals_are_named_wherever_they_stand(tables: dict[str, Table]) -> None:
    """A heading or a note says 95 % and equal-tailed in every table with a posterior."""
    for name in ("table_iii_estimates", "table_iv_explained_variation", "estimands", "variances"):
        assert "95 % equal-tailed" in format_markdown(tables[name])


def test_published_baseline_stands_beside_the_data(results: StudyResults, tables: dict[str, Table]) -> None:
    """A variable of the data has computed numbers, one that the data lack says so, one not printed too."""
    table = tables["table_ii_descriptives"]
    age: Descriptive = next(d for d in results.descriptives if d.variable == "age")
    row = find(table, row="Age")
    assert (row["printed_0"], row["printed_1"]) == ("26(6)", "30(6)*")
    assert float(row["mean_1"]) == age.groups[1].mean
    assert find(table, row="ADHD")["status"] == ""
    assert find(table, row="No work/study at all last year")["status"] == "not in the data"
    assert find(table, row="Completed treatment as planned")["status"] == "not printed"


def test_small_windows_are_withheld(results: StudyResults) -> None:
    """Mean and SD of two visits would give both away, so fewer than five rows show no observed value."""
    first = results.predictive[0]
    few = replace(first.statistics[0], n_rows=4, observed=61.5)
    enough = replace(first.statistics[0], n_rows=5, observed=62.5)
    changed = replace(results, predictive=(replace(first, statistics=(few, enough)),))
    table = next(t for t in build_tables(changed) if t.id == "predictive_checks")
    assert table.column("observed") == [None, 62.5]
    assert "61.5" not in format_markdown(table) + format_csv(table)


def test_no_table_holds_a_row_of_data(results: StudyResults, tables: dict[str, Table]) -> None:
    """No table is as long as the data, and none names the patients."""
    rows = max(run.rows.n_rows for run in results.runs)
    assert all(len(table.rows) < rows for table in tables.values())
    assert not any("patient_index" in format_csv(table) for table in tables.values())


def test_rows_table_lists_skipped_models(results: StudyResults, tables: dict[str, Table]) -> None:
    """Every model that was asked for is there, with its counts or with the reason why not."""
    row = find(tables["rows"], model_id="gaf_work")
    assert row["left_out"] == "not run: the data lack work_study_months"
    run = results.run("tasks_outcome")
    assert run is not None
    row = find(tables["rows"], model_id="tasks_outcome")
    assert (row["n_patients"], row["n_rows"]) == (str(run.rows.n_patients), str(run.rows.n_rows))
    assert row["left_out"] == "; ".join(run.left_out)


def test_comparison_has_one_best_model_for_each_target(tables: dict[str, Table]) -> None:
    """In every comparison and target one model has no elpd difference, and AIC differences start at zero."""
    rows = read_csv(tables["comparison"])
    for key in {(row["comparison"], row["target"]) for row in rows}:
        mine = [row for row in rows if (row["comparison"], row["target"]) == key]
        assert sum(float(row["elpd_diff"]) == 0.0 for row in mine) == 1
        assert min(float(row["aic_diff"]) for row in mine) == 0.0


@pytest.mark.parametrize(
    ("log_bf10", "error", "pareto_k", "shown"),
    [
        (math.log(3.0), 0.01, 0.2, "3.00"),
        (math.log(0.25), 0.01, 0.2, "0.250"),
        (8.0, 0.01, 0.2, ">1000"),
        (-8.0, 0.01, 0.2, "<1/1000"),
        (0.0, 0.2, 0.2, "~1.00"),
        (0.0, 0.01, 0.8, "~1.00"),
        (0.0, math.nan, 0.2, "~1.00"),
        (math.nan, 0.01, 0.2, "undefined"),
    ],
)
def test_bayes_factors_show_how_well_they_are_known(
    log_bf10: float, error: float, pareto_k: float, shown: str
) -> None:
    """Extreme ones are bounds, and those that the draws do not know well are marked."""
    point = BayesFactorPoint(width=1.0, prior_sd=1.0, log_bf10=log_bf10, error=error, pareto_k=pareto_k)
    assert format_bayes_factor(point) == shown


def test_a_bayes_factor_never_stands_without_its_curve(tables: dict[str, Table]) -> None:
    """Each effect has narrower and wider priors on both sides of the stated one."""
    for row in read_csv(tables["bayes_factors"]):
        assert all(row[f"log_bf10_x{width}"] != "" for width in ("0.125", "0.5", "1", "2", "8"))
        assert float(row["prior_sd_x2"]) == pytest.approx(2.0 * float(row["prior_sd_x1"]))


def test_growth_tests_give_the_mixture_only_where_it_holds(tables: dict[str, Table]) -> None:
    """The mixture p of a random slope lies below the naive one; the test of growth has none."""
    for row in read_csv(tables["growth_tests"]):
        if row["test"] == "random slope":
            assert float(row["p_mixture"]) <= float(row["p_naive"])
        else:
            assert row["p_mixture"] == ""


def test_tables_can_be_made_without_a_posterior() -> None:
    """Without an engine the frequentist columns stand alone, and a note says so."""
    bare = build_results(("tasks_growth", "tasks_outcome"), engine="none")
    made = {table.id: table for table in build_tables(bare)}
    assert "comparison" not in made and "predictive_checks" not in made
    row = find(made["table_iv_estimates"], row="TASKS", column="Linear slope")
    assert row["bayes_median"] == "" and float(row["ml_estimate"]) != 0.0
    assert "No posterior" in format_markdown(made["estimands"])


def make(**values: str) -> Table:
    columns = tuple(text_column(name, name) for name in values)
    return Table(
        id="t",
        title="T",
        columns=columns,
        rows=(tuple(values.values()),),
        notes=(),
        provenance="p",
        stamp="s",
    )


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx", "-HYPERLINK(1)"])
def test_csv_text_is_never_a_formula(text: str) -> None:
    """Text from a study file that a spreadsheet would run gets an apostrophe in front."""
    assert read_csv(make(a=text))[0]["a"] == f"'{text}"


@pytest.mark.parametrize("text", ["-0.03(0.01)*", "-0.03 (0.01)***", "ns", "+1.2", "16*", "Reference*"])
def test_printed_numbers_stay_as_printed(text: str) -> None:
    """A printed cell is not touched, also where it begins with a minus."""
    assert read_csv(make(a=text))[0]["a"] == text


def test_markdown_cells_cannot_break_the_table() -> None:
    """Bars, line breaks, HTML and links in text stay text."""
    text = format_markdown(make(a="x | y\nz <script> [a](b) *c*"))
    line = text.splitlines()[4]
    assert line == r"| x \| y z \<script\> [a]\(b) \*c\* |"


def test_undefined_and_empty_differ() -> None:
    """NaN is a number that is not defined, None no number at all."""
    columns = (number_column("a", "a"), number_column("b", "b"), shown_column("c", "c"))
    rows = pick_rows(columns, [{"a": math.nan, "b": None, "c": "x"}])
    table = Table(id="t", title="T", columns=columns, rows=rows, notes=(), provenance="p", stamp="s")
    assert read_csv(table) == [{"provenance": "s", "a": "NaN", "b": ""}]
    assert "| undefined |  | x |" in format_markdown(table)


def test_a_value_without_a_column_is_refused() -> None:
    """Nothing that a builder computes is dropped silently."""
    with pytest.raises(ValueError, match="no column for extra"):
        pick_rows((text_column("a", "a"),), [{"a": "x", "extra": 1}])


def test_equal_notes_share_a_number() -> None:
    """Footnotes are numbered in order of appearance, each once; no note has no number."""
    notes = Footnotes()
    assert [notes.refer(n) for n in ("x", "y", "x", "")] == ["[1]", "[2]", "[1]", ""]
    assert notes.notes() == ["[1] x", "[2] y"]
