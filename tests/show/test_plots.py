"""Figures: the numbers that they show, and that they can be read in print."""

from __future__ import annotations

import csv
import dataclasses
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy import stats

from bayes_alliance.assess.explained_variation import share_draws
from bayes_alliance.assess.uniformity import ecdf_difference, simultaneous_band
from bayes_alliance.inference.design import build_design
from bayes_alliance.inference.fits import weight_vector
from bayes_alliance.published.cell_posterior import cell_posteriors
from bayes_alliance.run.results import EnsembleFacts, Spread, StudyResults
from bayes_alliance.runtime.pool import Pool
from bayes_alliance.show.format_numbers import format_number
from bayes_alliance.show.plots import style
from bayes_alliance.show.plots.bayes_factors import tabulate_bayes_factors
from bayes_alliance.show.plots.chains import plot_chains, rank_shares, tabulate_chains
from bayes_alliance.show.plots.cohorts import (
    plot_scorecard,
    plot_spread,
    tabulate_scorecard_plot,
    tabulate_spread_plot,
)
from bayes_alliance.show.plots.comparison import tabulate_comparison_plot
from bayes_alliance.show.plots.ensemble_checks import plot_ensemble_checks, tabulate_ensemble_checks_plot
from bayes_alliance.show.plots.explained_variation import plot_variation, tabulate_variation
from bayes_alliance.show.plots.forest import split_pages
from bayes_alliance.show.plots.forest_lines import find_factor, forest_lines, printed_lines, tabulate_forest
from bayes_alliance.show.plots.moderation import cell_patients, plot_moderation, tabulate_moderation
from bayes_alliance.show.plots.plan import plan_figures
from bayes_alliance.show.plots.predictive import tabulate_means, tabulate_pit
from bayes_alliance.show.plots.prior_posterior import shown_differences, tabulate_learning
from bayes_alliance.show.plots.prior_sensitivity import tabulate_prior_sensitivity
from bayes_alliance.show.plots.save import save_figure
from bayes_alliance.show.plots.scores import compared_pairs, tabulate_pareto_k, tabulate_patient_scores
from bayes_alliance.show.plots.style import (
    DOUBLE_MM,
    MM,
    PAGE_MM,
    STYLES,
    PlotRow,
    choose_style,
    page_width,
    spread_positions,
)
from bayes_alliance.show.plots.trajectories import (
    held_at_zero,
    plot_trajectories,
    tabulate_trajectories,
)
from bayes_alliance.show.plots.trajectory_rows import trajectory_rows
from bayes_alliance.show.plots.write import write_figures
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Source
from tests.legible import check_legible
from tests.results_fixture import build_results, fail_gate


@pytest.fixture(scope="module")
def results() -> StudyResults:
    """Eight models of the built-in study, one of them skipped; draws are made up."""
    return build_results()


FORMULAS = (
    "y ~ months + poor + months:poor + (months | patient)",
    "y ~ months*poor*age + (months | patient)",
    "y ~ months + cell + months:cell + (months | patient)",
    "y ~ months + cell + age + months:cell + months:age + (months | patient)",
    "y ~ 0 + cell + months:cell + (1 | patient)",
)


@pytest.mark.parametrize("formula", FORMULAS)
def test_trajectory_rows_are_the_rows_that_the_formula_gives(formula: str) -> None:
    """For the values of each row, the names of the columns give the very columns that formulae builds."""
    rng = np.random.default_rng(1)
    n = 60
    cell = pd.Categorical(rng.choice(["b", "a", "c"], n), categories=["b", "a", "c"])
    frame = pd.DataFrame(
        {
            "patient": np.repeat([f"{i:02d}" for i in range(20)], 3),
            "months": rng.uniform(0, 36, n),
            "poor": rng.integers(0, 2, n).astype(float),
            "age": rng.normal(0, 5, n),
            "cell": cell,
            "y": rng.normal(size=n),
        }
    )
    design = build_design(parse_formula(formula), frame)
    for i in range(n):
        values = {
            "poor": float(frame["poor"][i]),
            "age": float(frame["age"][i]),
            "cell": str(frame["cell"][i]),
        }
        row = trajectory_rows(design.x_names, np.array([frame["months"][i]]), values, time="months")
        np.testing.assert_allclose(row[0], design.x[i], atol=1e-12)


def test_predictors_not_named_are_held_at_zero() -> None:
    """A line that names no age gets the trajectory at age 0, and says so."""
    names = ("Intercept", "months", "poor", "age", "months:poor", "months:age")
    rows = trajectory_rows(names, np.array([10.0]), {"poor": 1.0}, time="months")
    np.testing.assert_array_equal(rows, [[1.0, 10.0, 1.0, 0.0, 10.0, 0.0]])
    assert held_at_zero(names, {"poor": 1.0}, time="months") == ["age"]


@pytest.mark.parametrize("values", [{"poor": "yes"}, {"cell": 1.0}])
def test_a_level_is_not_a_number(values: dict[str, float | str]) -> None:
    """Giving a level where a number belongs, or the reverse, is refused rather than drawn as zero."""
    with pytest.raises(ValueError, match="level"):
        trajectory_rows(("Intercept", "poor", "cell[b]"), np.zeros(1), values, time="months")


def test_trajectories_end_where_the_coefficients_say(results: StudyResults) -> None:
    """The ML line of a subgroup at 36 months is its own linear combination; Bayes is that of the draws."""
    figure = next(f for f in results.study.figures if "tasks_outcome" in f.models)
    rows = tabulate_trajectories(results, figure)
    run = results.run("tasks_outcome")
    assert run is not None and run.posterior is not None
    weights = [("Intercept", 1.0), ("months", 36.0), ("poor_outcome", 1.0), ("months:poor_outcome", 36.0)]
    end = next(r for r in rows if r["line"] == "Poor outcome" and r["months"] == 36.0)
    assert end["ml_mean"] == pytest.approx(run.ml.beta @ weight_vector(run.ml.x_names, weights))
    draws = run.posterior.combine(weights)
    assert end["bayes_median"] == pytest.approx(np.median(draws))
    assert end["bayes_q2.5"] == pytest.approx(np.quantile(draws, 0.025))
    assert {r["model"] for r in rows} == {"tasks_outcome"}


def test_a_panel_of_a_model_not_run_is_kept(results: StudyResults) -> None:
    """Goals and Bonds were not run here: their panels stay and the note names them."""
    figure = next(f for f in results.study.figures if "tasks_outcome" in f.models)
    drawn = plot_trajectories(results, figure)
    assert len(drawn.axes) == 3
    texts = " ".join(text.get_text() for text in drawn.findobj(Text))
    assert texts.count("not run") == 2
    assert "Not run: Goals, Bonds." in texts.replace("\n", " ")


def test_printed_cells_are_scaled_to_the_estimand() -> None:
    """A cell printed per year stands with its estimand for ten; other coefficients do not match."""
    assert find_factor([("t:age", 10.0)], [("t:age", 1.0)]) == 10.0
    assert find_factor([("t:a", -1.0), ("t:b", 1.0)], [("t:a", 2.0), ("t:b", -2.0)]) == -0.5
    assert find_factor([("t:a", 1.0)], [("t:b", 1.0)]) is None
    assert find_factor([("t:a", 1.0), ("t:b", 1.0)], [("t:a", 1.0), ("t:b", -1.0)]) is None


def test_the_forest_shows_print_ml_and_bayes_over_the_horizon(results: StudyResults) -> None:
    """Printed -0.01(0.004)* a year and month is -3.6 for ten years over 36 months, +-1.96 times 1.44."""
    lines = [line for line in forest_lines(results, "gaf") if line.name == "deviation_age"]
    rows = {row["source"]: row for row in tabulate_forest(results, lines)}
    assert rows["printed"]["estimate_over_horizon"] == pytest.approx(-3.6)
    assert rows["printed"]["upper_95"] == pytest.approx(-3.6 + 1.959964 * 1.44, abs=1e-5)
    run = results.run("gaf_age")
    assert run is not None
    quantity = run.quantity("deviation_age")
    half = stats.t.ppf(0.975, quantity.ml.df) * quantity.ml.se
    assert quantity.bayes is not None
    assert rows["ML"]["lower_95"] == pytest.approx(36 * (quantity.ml.estimate - half))
    assert rows["Bayes"]["estimate_over_horizon"] == pytest.approx(36 * quantity.bayes.median)


def test_a_printed_ns_has_its_text_and_no_number(results: StudyResults) -> None:
    """Not significant is not zero: it is not drawn as a point. A skipped model stands with its print."""
    lines = [line for line in printed_lines(results, "gaf") if line.model.id == "gaf_work"]
    (row,) = tabulate_forest(results, lines)
    assert (row["source"], row["printed"], row["printed_times"]) == ("printed", "ns", 6.0)
    assert row["estimate_over_horizon"] is None


def test_every_printed_slope_stands_in_the_forest(results: StudyResults) -> None:
    """Tables III and IV print 16 slopes of models; all are there, with the implied contrast beside them."""
    lines = [line for outcome in results.study.outcomes for line in printed_lines(results, outcome)]
    slopes = [
        c for c in results.study.cells if c.quantity == "estimate" and c.model and "slope" in c.column.lower()
    ]
    assert sorted(line.cell.line for line in lines if line.cell is not None) == sorted(c.line for c in slopes)
    assert [line.name for line in lines if line.cell is None] == ["moderation"]


def test_pages_keep_models_whole_and_every_line(results: StudyResults) -> None:
    """Splitting loses nothing, keeps the order and breaks no model in two."""
    lines = forest_lines(results, "tasks")
    renamed = [
        replace(line, model=replace(line.model, id=f"{line.model.id}_{copy}"))
        for copy in range(12)
        for line in lines
    ]
    pages = split_pages(renamed)
    assert len(pages) > 1
    assert [line for page in pages for line in page] == renamed
    ids = [{line.model.id for line in page} for page in pages]
    assert all(not a & b for i, a in enumerate(ids) for b in ids[i + 1 :])


def test_comparison_stands_on_the_scale_of_aic(results: StudyResults) -> None:
    """-2 elpd differences are never negative, zero for one model, and their SE is doubled."""
    comparison = next(c for c in results.comparisons if c.name == "tasks")
    rows = tabulate_comparison_plot(results, comparison)
    values = [float(row["minus_2_elpd_diff"] or 0.0) for row in rows]
    assert min(values) == 0.0 and values.count(0.0) == 1
    for row in rows:
        assert row["minus_2_elpd_diff_se"] == pytest.approx(2.0 * float(row["elpd_diff_se"] or 0.0))


def test_comparison_writes_its_numbers_beside_the_points(results: StudyResults) -> None:
    """Where one poor model stretches the axis, the small differences of the others can still be read."""
    plan = next(p for p in plan_figures(results) if p.name == "comparison_tasks")
    written = [text.get_text() for text in plan.draw().findobj(Text)]
    for row in plan.rows:
        assert f"{row['aic_diff']:.1f}" in written
        best = row["minus_2_elpd_diff"] == 0.0
        spread = "" if best else f" \N{PLUS-MINUS SIGN} {row['minus_2_elpd_diff_se']:.1f}"
        assert f"{row['minus_2_elpd_diff']:.1f}{spread}" in written


def test_ecdf_difference_is_zero_in_the_middle_of_even_steps() -> None:
    """PIT values at (i - 0.5) / n depart from uniform by half a step at most; all at 0.5 by a half."""
    n = 50
    grid = np.linspace(0, 1, 201)
    even = (np.arange(n) + 0.5) / n
    assert np.max(np.abs(ecdf_difference(even, grid))) <= 0.5 / n + 1e-12
    assert ecdf_difference(np.full(n, 0.5), np.array([0.49, 0.5])) == pytest.approx([-0.49, 0.5])


def test_the_band_holds_uniform_values_at_least_as_often_as_it_says() -> None:
    """Of 2000 uniform samples of 100, at least 95 % stay inside everywhere; the band narrows as 1/sqrt(n)."""
    rng = np.random.default_rng(3)
    inside = [stats.ks_1samp(rng.uniform(size=100), stats.uniform.cdf).statistic for _ in range(2000)]
    assert np.mean(np.array(inside) <= simultaneous_band(100)) >= 0.95
    assert simultaneous_band(100) == pytest.approx(2 * simultaneous_band(400))


def test_predictive_figures_show_windows_and_a_grid_only(results: StudyResults) -> None:
    """Observed means of fewer than five rows are withheld, and PIT values of rows are never listed."""
    rows = tabulate_means(results, "tasks")
    assert all((row["observed"] is None) == (int(row["n_rows"] or 0) < 5) for row in rows)
    groups = list(dict.fromkeys(row["group"] for row in rows))
    assert [str(group).rpartition(": ")[2] for group in groups] == ["all", "good", "poor"]
    few = dataclasses.replace(
        results,
        predictive=tuple(
            dataclasses.replace(
                found, statistics=tuple(dataclasses.replace(s, n_rows=4) for s in found.statistics)
            )
            for found in results.predictive
        ),
    )
    assert {row["observed"] for row in tabulate_means(few, "tasks")} == {None}
    assert {row["pit"] for row in tabulate_pit(results, "tasks")} == set(np.linspace(0, 1, 101))


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8), st.floats(0.01, 2.0))
def test_labels_are_moved_apart_and_keep_their_order(wanted: list[float], gap: float) -> None:
    """Neighbours end up a gap apart, in the order they had; labels that were apart stay where they were."""
    placed = spread_positions(wanted, gap=gap)
    order = np.argsort(wanted, kind="stable")
    assert np.all(np.diff(np.array(placed)[order]) >= gap - 1e-9)
    assert np.mean(placed) == pytest.approx(np.mean(wanted), abs=1e-9)
    if np.all(np.diff(np.sort(wanted)) >= gap):
        assert placed == pytest.approx(wanted)


def test_every_figure_can_be_read_in_print(results: StudyResults) -> None:
    """Text is 7 pt or more and within the figure, and no figure is longer than a page."""
    planned = plan_figures(results)
    assert {p.name for p in planned} >= {"figure_1", "forest_printed", "comparison_tasks", "ppc_tasks"}
    for plan in planned:
        figure = plan.draw()
        assert figure.get_figwidth() / MM == pytest.approx(DOUBLE_MM)
        assert figure.get_figheight() / MM <= PAGE_MM
        check_legible(figure)


def test_every_figure_says_where_its_numbers_come_from(results: StudyResults) -> None:
    """The stamp stands in the figure itself, not only beside it."""
    for plan in plan_figures(results):
        texts = " ".join(text.get_text() for text in plan.draw().findobj(Text)).replace("\n", " ")
        said = "SYNTHETIC DATA (synthetic cohort, seed 7), not patients’ data."
        if plan.stamp == "printed":
            said = "From the printed cells and text of doi:10.1080/10503307.2020.1831097 alone"
        assert said in texts, plan.name


def test_a_failed_gate_is_marked_in_figures(results: StudyResults) -> None:
    """Every figure of the model has the dagger and its note."""
    failed = fail_gate(results, "tasks_outcome")
    names = ("figure_1", "forest_printed", "forest_tasks", "comparison_tasks", "ppc_tasks", "loo_pit_tasks")
    planned = {p.name: p for p in plan_figures(failed)}
    for name in names:
        texts = [text.get_text() for text in planned[name].draw().findobj(Text)]
        assert sum("†" in text for text in texts) >= 2, name


def test_files_are_the_same_bytes_again(results: StudyResults, tmp_path: Path) -> None:
    """Drawing the same figure twice gives the same PDF, SVG, PNG and CSV."""
    plan = next(p for p in plan_figures(results) if p.name == "figure_1")
    first, second = (
        save_figure(plan.draw(), tmp_path / name, rows=plan.rows, provenance=plan.stamp, title=plan.title)
        for name in ("one", "two")
    )
    assert [p.suffix for p in first] == [".pdf", ".svg", ".png", ".csv"]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert "<text" in first[1].read_text(encoding="utf-8")


def test_the_last_bits_of_a_layout_do_not_matter(tmp_path: Path) -> None:
    """Axes that stand 1e-15 of the figure elsewhere give the same bytes; axes moved for good, others."""
    written = []
    for name, left in (("one", 0.1), ("two", 0.1 + 1e-15), ("other", 0.11)):
        with style.use_style():
            figure = Figure(figsize=(2.0, 2.0))
            axes = figure.add_axes((left, 0.2, 0.7, 0.7))
            axes.plot([0.0, 1.0], [0.0, 1.0])
        paths = save_figure(
            figure, tmp_path / name, rows=[{"x": 1.0}], provenance="", title="t", kinds=("svg",)
        )
        written.append(paths[0].read_bytes())
    assert written[0] == written[1] != written[2]


def test_labels_and_titles_stand_where_matplotlib_puts_them(tmp_path: Path) -> None:
    """The layout is settled before the files are written; labels keep their distance from ticks in each of them."""
    with style.use_style():
        figure = style.make_figure(80, 60)
        axes = figure.subplots()
        axes.plot([0.0, 1.0], [0.0, 12345.0])
        axes.set(xlabel="below", ylabel="beside", title="above")
        figure.draw_without_rendering()
        texts = (axes.xaxis.label, axes.yaxis.label, axes.title)
        screen = FigureCanvasAgg(figure).get_renderer()
        before = [text.get_window_extent(screen).bounds for text in texts]
        rows = [{"x": 1.0}]
        save_figure(figure, tmp_path / "f", rows=rows, provenance="", title="t", kinds=("svg", "png"))
        after = [text.get_window_extent(screen).bounds for text in texts]
    np.testing.assert_allclose(after, before, atol=0.5)
    assert figure.get_layout_engine() is None


def test_figures_can_be_made_without_a_posterior(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an engine, trajectories and forests show ML alone, and the numbers stand beside each figure.

    Two processes write the same bytes as one, and list the files in the same order.
    """
    monkeypatch.setattr(style, "PNG_DPI", 40)
    bare = build_results(("tasks_growth", "tasks_outcome"), engine="none")
    written = write_figures(bare, tmp_path / "figures").result()
    with Pool(2) as workers:
        shared = write_figures(bare, tmp_path / "shared", kinds=("svg",), workers=workers).result()
    alone = [p for p in written if p.suffix in (".svg", ".csv")]
    assert [p.name for p in shared] == [p.name for p in alone]
    assert [p.read_bytes() for p in shared] == [p.read_bytes() for p in alone]
    assert {p.suffix for p in written} == {".pdf", ".svg", ".png", ".csv"}
    assert not any(p.name.startswith(("comparison", "ppc")) for p in written)
    with (tmp_path / "figures" / "figure_1.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["bayes_median"] for row in rows} == {""}
    assert all(row["provenance"].startswith("synthetic") for row in rows)


def test_alternative_text_and_title_stand_in_every_drawing(results: StudyResults, tmp_path: Path) -> None:
    """In the metadata of PDF, SVG and PNG; PDF fonts are embedded as TrueType."""
    plan = next(p for p in plan_figures(results) if p.name == "moderation")
    pdf, svg, png, _ = save_figure(
        plan.draw(), tmp_path / "m", rows=plan.rows, provenance=plan.stamp, title=plan.title, alt=plan.alt
    )
    drawing = svg.read_text(encoding="utf-8")
    assert "<dc:description>Points with 95 % intervals" in drawing
    # No place has more digits than the tables have.
    assert not re.search(r' (?:d|x|y|transform)="[^"]*\.\d{3}', drawing)
    assert re.search(r' d="[^"]*\.\d\d', drawing)
    assert b"Points with 95 % intervals" in png.read_bytes()
    raw = pdf.read_bytes()
    assert b"/Subject" in raw and b"/FontFile2" in raw and b"/Type3" not in raw


def test_png_files_have_600_dots_an_inch(results: StudyResults, tmp_path: Path) -> None:
    """So many that a double-column figure of 174 mm is 4110 pixels wide."""
    import struct

    plan = next(p for p in plan_figures(results) if p.name == "comparison_tasks")
    png = save_figure(plan.draw(), tmp_path / "c", rows=plan.rows, provenance=plan.stamp)[2]
    width = struct.unpack(">I", png.read_bytes()[16:20])[0]
    assert width == pytest.approx(DOUBLE_MM / 25.4 * 600, abs=1)


def test_every_figure_has_words_made_of_its_numbers(results: StudyResults) -> None:
    """A title, and an alternative text that names something of each row's model or outcome."""
    for plan in plan_figures(results):
        assert plan.title and len(plan.alt) > 80, plan.name
        if "model" in plan.rows[0]:
            models = {str(row["model"]) for row in plan.rows}
            labels = {results.study.model(m).label for m in models} | {
                results.study.variable(results.study.model(m).outcome).label for m in models
            }
            assert any(name in plan.alt for name in models | labels), plan.name


def test_a_mark_says_its_value_in_the_svg_file(results: StudyResults, tmp_path: Path) -> None:
    """The title of a mark of the forest holds the number of its row."""
    plan = next(p for p in plan_figures(results) if p.name == "forest_printed")
    svg = save_figure(plan.draw(), tmp_path / "f", rows=plan.rows, provenance=plan.stamp)[1]
    titles = re.findall(r'<g class="value"><title>([^<]*)</title>', svg.read_text(encoding="utf-8"))
    with_numbers = [row for row in plan.rows if row["estimate_over_horizon"] is not None]
    assert len(titles) == len(with_numbers)
    for row, title in zip(with_numbers, titles, strict=True):
        number = format_number(float(row["estimate_over_horizon"] or 0.0)).replace("-", "\N{MINUS SIGN}")
        assert f"{row['source']}: {number}" in title


def test_a_dollar_sign_in_a_label_is_a_dollar_sign(results: StudyResults, tmp_path: Path) -> None:
    """Labels are not read as mathematics, so a broken formula cannot stop a figure."""
    models = tuple(replace(m, label=f"$\\frac{{ {m.label}") for m in results.study.models)
    priced = replace(results, study=replace(results.study, models=models))
    plan = next(p for p in plan_figures(priced) if p.name == "comparison_tasks")
    svg = save_figure(plan.draw(), tmp_path / "d", rows=plan.rows, provenance=plan.stamp)[1]
    assert "$\\frac{" in svg.read_text(encoding="utf-8")


def test_the_posterior_curve_is_that_of_the_draws(results: StudyResults) -> None:
    """Densities integrate to one, the likelihood is the Normal of ML, and the posterior has the draws' mean and SD."""
    shown = shown_differences(results)
    rows = [r for r in tabulate_learning(results, shown) if r["estimand"] == "deviation_poor_outcome"]
    at = np.array([r["value"] for r in rows], dtype=float)
    run = results.run("tasks_outcome")
    assert run is not None and run.posterior is not None
    quantity = run.quantity("deviation_poor_outcome")
    likelihood = np.array([r["likelihood_density"] for r in rows], dtype=float)
    expected = stats.norm.pdf(at, 36 * quantity.ml.estimate, 36 * quantity.ml.se)
    np.testing.assert_allclose(likelihood, expected)
    posterior = np.array([r["posterior_density"] for r in rows], dtype=float)
    step = at[1] - at[0]
    mean = float(np.sum(at * posterior) * step)
    draws = 36 * run.posterior.combine([("months:poor_outcome", 1.0)])
    assert np.sum(posterior) * step == pytest.approx(1.0, abs=0.02)
    assert mean == pytest.approx(draws.mean(), abs=0.03 * draws.std())
    prior = np.array([r["prior_density"] for r in rows], dtype=float)
    np.testing.assert_allclose(prior, stats.norm.pdf(at, 0.0, 3.0))


def test_cells_of_the_moderation_have_their_patients_and_the_contrast_its_draws(
    results: StudyResults,
) -> None:
    """The four cells add up to the model's patients; the contrast is that of the quantities."""
    rows = tabulate_moderation(results)
    run = results.run("tasks_outcome_ppd")
    assert run is not None
    kinds = [row["kind"] for row in rows]
    assert kinds == sorted(kinds, key=["slope", "slope_deviation", "slope_contrast"].index)
    weights = {e.name: dict(e.weights) for e in run.model.estimands if e.kind == "slope"}
    counts = [cell_patients(results, run, w) for w in weights.values()]
    assert sum(count or 0 for count in counts) == run.rows.n_patients
    shown = {row["estimand"]: row["n_patients"] for row in rows if row["kind"] == "slope"}
    for name, count in zip(weights, counts, strict=True):
        assert shown[name] == (count if count is not None and count >= 5 else None)
    real = tabulate_moderation(dataclasses.replace(results, source=Source.REAL))
    assert {row["n_patients"] for row in real} == {
        n and max(10, 10 * round(n / 10)) for n in shown.values()
    } | {None}
    contrast = next(row for row in rows if row["kind"] == "slope_contrast")
    bayes = run.quantity(str(contrast["estimand"])).bayes
    assert bayes is not None and contrast["bayes_median"] == 36 * bayes.median


def test_every_line_of_the_moderation_has_its_label_over_several_outcomes(results: StudyResults) -> None:
    """Panels that share their lines keep the labels of the first."""
    run = results.run("tasks_outcome_ppd")
    assert run is not None
    twin = replace(run, model=replace(run.model, id="goals_outcome_ppd", outcome="goals"))
    several = replace(results, runs=(*results.runs, run, twin))
    figure = plot_moderation(several)
    figure.draw_without_rendering()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(figure.axes) > 1
    assert all(labels) and len(labels) == len(tabulate_moderation(results))


def test_scores_of_patients_add_up_to_the_difference_and_name_nobody(results: StudyResults) -> None:
    """Sorted, cumulated to the elpd difference of the records; ranks stand for patients."""
    comparison = next(c for c in results.comparisons if c.name == "tasks")
    pairs = compared_pairs(results, comparison)
    rows = tabulate_patient_scores(results, comparison, pairs)
    elpd = {m.model_id: m.elpd["new_patient"] for m in comparison.models}
    for model, reference in pairs:
        mine = [r for r in rows if r["model"] == model]
        assert [r["rank"] for r in mine] == list(range(1, comparison.rows.n_patients + 1))
        differences = [float(r["elpd_diff"] or 0.0) for r in mine]
        assert differences == sorted(differences)
        assert mine[-1]["cumulated"] == pytest.approx(elpd[model] - elpd[reference], abs=1e-8)
    assert set(rows[0]) == {"comparison", "model", "reference", "rank", "elpd_diff", "cumulated"}


def test_pareto_k_are_those_of_the_scores(results: StudyResults) -> None:
    """All of them, the largest first."""
    comparison = next(c for c in results.comparisons if c.name == "tasks")
    rows = tabulate_pareto_k(results, comparison)
    for model_id, scores in comparison.scores.items():
        mine = [r["pareto_k"] for r in rows if r["model"] == model_id and r["target"] == "new_patient"]
        assert mine == sorted(scores["new_patient"].pareto_k.tolist(), reverse=True)


def test_explained_variation_keeps_its_two_quantities_apart(results: StudyResults) -> None:
    """The curve is of the share's draws, between 0 and 100; the marks are the ML reduction and the printed cell."""
    rows = [r for r in tabulate_variation(results) if r["model"] == "tasks_outcome" and r["part"] == "slope"]
    run = results.run("tasks_outcome")
    assert run is not None and run.explained is not None and run.posterior is not None
    assert {r["ml_same_rows"] for r in rows} == {run.explained.slope}
    cell = next(
        c for c in results.study.cells if c.model == "tasks_outcome" and c.quantity == "explained_slope"
    )
    assert {r["printed"] for r in rows} == {float(cell.printed.strip("%* "))}
    draws = share_draws(run.design, run.posterior, time="months")[1]
    assert draws is not None and run.explained.share_slope is not None
    assert np.median(draws) == run.explained.share_slope.median
    at = np.array([r["percent"] for r in rows], dtype=float)
    density = np.array([r["share_density"] for r in rows], dtype=float)
    mean = float(np.sum(at * density) / np.sum(density))
    assert mean == pytest.approx(draws.mean(), abs=3.0)


def test_a_study_without_printed_variation_shows_no_sign_of_print(results: StudyResults) -> None:
    """Neither the legend nor the note speaks of printed marks where there is none."""
    said = {}
    for name, study in (("with", results.study), ("without", replace(results.study, cells=()))):
        figure = plot_variation(replace(results, study=study))
        said[name] = " ".join(text.get_text() for text in figure.findobj(Text)).lower()
    assert "printed" in said["with"] and "printed" not in said["without"]


def test_bayes_factor_curves_are_those_of_the_runs(results: StudyResults) -> None:
    """Seven widths an effect, the numbers of the records."""
    rows = tabulate_bayes_factors(results)
    run = results.run("tasks_outcome")
    assert run is not None
    curve = next(c for c in run.bayes_factors if c.name == "deviation_poor_outcome")
    mine = [r for r in rows if r["model"] == "tasks_outcome" and r["estimand"] == curve.name]
    assert [r["log_bf10"] for r in mine] == [point.log_bf10 for point in curve.points]
    assert mine[3]["prior_sd_over_horizon"] == pytest.approx(3.0)


def test_prior_sensitivity_is_ordered_as_the_priors_are(results: StudyResults) -> None:
    """For the starred deviation of Tasks the sceptic's mean is nearer to zero than the neutral one's."""
    rows = tabulate_prior_sensitivity(results.study, cell_posteriors(results.study))
    mine = {r["prior"]: r for r in rows if "TASKS: Poor vs high outcome" in str(r["cell"])}
    suite = {"neutral", "weakly_sceptical", "sceptical", "enthusiastic", "pessimistic", "robust"}
    assert set(mine) == suite
    means = {name: float(row["mean"] or 0.0) for name, row in mine.items()}
    assert means["enthusiastic"] < means["neutral"] < means["sceptical"] < 0.0
    for row in mine.values():
        assert float(row["band_low"] or 0.0) <= float(row["mean"] or 0.0) <= float(row["band_high"] or 0.0)


def test_ranks_of_chains_that_mix_are_even_and_of_one_that_strays_are_not() -> None:
    """Shares sum to one; a chain shifted by two SDs crowds the upper ranks."""
    rng = np.random.default_rng(4)
    draws = rng.normal(size=(4, 2000))
    shares = rank_shares(draws)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert np.all(np.abs(shares - 0.05) < 0.02)
    draws[2] += 2.0
    assert rank_shares(draws)[2, -1] > 0.1


def test_spread_and_scorecard_show_the_cohorts_as_they_are(results: StudyResults) -> None:
    """Positions are 1 at the upper end of what prints alike; the spread is that of the records over the horizon."""
    lines = [
        ["III", "0.4", "estimate", "m", 0.35, 0.45, 0.45, True, True, ""],
        ["III", "0.4", "estimate", "m", 0.35, 0.45, 0.50, True, False, ""],
        ["III", "ns", "p", "m", 0.05, None, 0.4, True, True, ""],
    ]
    rows = tabulate_scorecard_plot([{"lines": lines}])
    assert rows[0]["position"] == pytest.approx(1.0)
    assert rows[1]["position"] == pytest.approx(2.0) and rows[1]["met"] is False
    assert rows[2]["position"] is None
    spread = Spread(
        model_id="tasks_outcome", name="deviation_poor_outcome", label="x", n=3, ml_mean=0, ml_sd=0, ml_low=0,
        ml_high=0, bayes_mean=-0.03, bayes_sd=0.001, bayes_low=-0.032, bayes_high=-0.029, posterior_sd=0.01,
    )  # fmt: skip
    (row,) = tabulate_spread_plot(replace(results, ensemble=EnsembleFacts(spread=(spread,))))
    assert row["least_over_horizon"] == pytest.approx(-0.032 * 36)
    assert row["between_over_posterior_sd"] == pytest.approx(0.1)
    figure = plot_scorecard([{"lines": lines}])
    assert any("SYNTHETIC DATA" in text.get_text() for text in figure.findobj(Text))


CHECKED = [
    {
        "name": name, "what": what, "low": low, "high": high, "values": values, "value": values[-1], "where": "",
        "passed": passed,
    }
    for name, what, low, high, values, passed in (
        ("missed", "possible statements of the publication that a cohort misses", 0, 0, (0.0, 2.0), False),
        ("lr", "smallest p of effects that nobody printed, after Bonferroni", 0.001, 1, (1.0, 0.001), True),
        ("gain", "mean elpd gained by an unprinted model (half of the AIC)", -99, 4, (-2.0, 4.0), True),
        ("tilt", "mean z of assessments, with against without a predictor", -2, 2, (0.0, -1.0, 3.0), False),
    )
]  # fmt: skip


def test_checks_of_an_ensemble_stand_between_their_limits() -> None:
    """Limits are at -1 and 1, p values on a logarithmic scale; what is beyond is drawn at the edge and orange."""
    rows = tabulate_ensemble_checks_plot(CHECKED)
    positions = {
        name: [row["position"] for row in rows if row["check"] == name] for name in ("lr", "gain", "tilt")
    }
    assert positions["lr"] == pytest.approx([1.0, -1.0])
    assert positions["gain"] == pytest.approx([-0.5, 1.0])
    assert positions["tilt"] == pytest.approx([0.0, -0.5, 1.5])
    assert [abs(row["position"]) > 3.0 for row in rows if row["check"] == "missed"] == [False, True]
    figure = plot_ensemble_checks(CHECKED)
    said = [text.get_text() for text in figure.findobj(Text)]
    assert "2.00 FAILED" in said and "4.00" in said
    ticks = [line for line in figure.axes[0].lines if line.get_marker() == "|"]
    assert [line.get_color() == style.VERMILLION for line in ticks] == [True, False, False, True]
    assert max(line.get_xdata().max() for line in ticks) == 3.0


def all_figures(results: StudyResults) -> list[tuple[str, Figure, list[PlotRow]]]:
    """Every figure of a run, cohorts and chains included, with its numbers, in the style of now."""
    spread = tuple(
        Spread(
            model_id=run.model.id, name=estimand.name, label=estimand.label, n=3, ml_mean=0, ml_sd=0, ml_low=0,
            ml_high=0, bayes_mean=-0.03, bayes_sd=0.001, bayes_low=-0.032, bayes_high=-0.029, posterior_sd=0.01,
        )
        for run in results.runs for estimand in run.model.estimands
    )  # fmt: skip
    kinds = ("estimate", "se", "explained_intercept", "p of the test")
    lines = [
        ["III", "0.4", kind, "m", 0.35, 0.45, 0.45, True, True, ""] for kind in kinds for _ in range(200)
    ]
    whole = replace(results, ensemble=EnsembleFacts(spread=spread))
    chains = next(run for run in results.runs if run.posterior is not None)
    return [
        *((plan.name, plan.draw(), plan.rows) for plan in plan_figures(results)),
        ("cohort_spread", plot_spread(whole), tabulate_spread_plot(whole)),
        ("scorecard", plot_scorecard([{"lines": lines}]), tabulate_scorecard_plot([{"lines": lines}])),
        ("chains", plot_chains(results, chains), tabulate_chains(results, chains)),
        ("ensemble_checks", plot_ensemble_checks(CHECKED), tabulate_ensemble_checks_plot(CHECKED)),
    ]


@pytest.mark.parametrize("name", [name for name in STYLES if name != "journal"])
def test_every_figure_can_be_read_in_every_style(results: StudyResults, name: str) -> None:
    """APA has letters of 8 points and no title; slides have 12 points and more; a column is 85 mm wide.

    Nothing leaves its figure, no text runs into another, no figure is longer than a page, no number is lost.
    """
    wide = [row for _, _, rows in all_figures(results) for row in rows]
    chosen = STYLES[name]
    with choose_style(name):
        figures = all_figures(results)
        assert [row for _, _, rows in figures for row in rows] == wide
        for called, figure, _ in figures:
            with style.use_style():
                style.fit_style(figure, chosen)
            assert figure.get_figwidth() / MM == pytest.approx(chosen.scale * chosen.width_mm), called
            assert figure.get_figheight() / MM <= chosen.scale * PAGE_MM + 0.5, called
            assert bool(figure.get_suptitle()) == chosen.titled
            check_legible(figure, smallest={"column": 7.0, "apa": 8.0, "slides": 12.0}[name])
    assert page_width() == DOUBLE_MM


def test_the_command_line_knows_every_style() -> None:
    """Its list is that of the style file."""
    from bayes_alliance.cli.options import STYLES as offered

    assert offered == tuple(STYLES)
