"""Explained variation: the share within a model as a distribution, the publication's quantity as marks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy import stats

from bayes_alliance.assess.explained_variation import share_draws
from bayes_alliance.run.results import ModelRun, StudyResults
from bayes_alliance.show.format_numbers import format_number, use_minus_sign
from bayes_alliance.show.plots.line_layout import lay_lines, name_lines
from bayes_alliance.show.plots.style import (
    BLACK,
    BLUE,
    GREY,
    LIGHT,
    VERMILLION,
    PlotRow,
    add_note,
    grid_columns,
    make_figure,
    note_height_mm,
    page_width,
    say_value,
    use_style,
)
from bayes_alliance.show.provenance import describe_provenance
from bayes_alliance.show.tables.gates import collect_gates, name_model

_LINE_MM = 8.0
# Letters of a name beside its line: as many as there are.
_NAME = 999
_POINTS = 81
MAX_LINES = 14
_PARTS = ("intercept", "slope")


def shown_runs(results: StudyResults) -> list[ModelRun]:
    """List the runs with a reference whose explained variation is printed, else all; fourteen at most."""
    runs = [run for run in results.runs if run.explained is not None and run.posterior is not None]
    printed = {
        cell.model
        for cell in results.study.cells
        if cell.quantity in ("explained_intercept", "explained_slope")
    }
    return ([run for run in runs if run.model.id in printed] or runs)[:MAX_LINES]


def tabulate_variation(results: StudyResults) -> list[PlotRow]:
    """Compute the density of the within-model share and the marks beside it, in per cent.

    Returns
    -------
    list of mapping
        For each model, part and point: the density of the share (kernel estimate within 0 to 100, scaled to a
        largest value of 1). ``ml_same_rows`` and ``printed`` are the other quantity, between two fits.
    """
    rows: list[PlotRow] = []
    for run in shown_runs(results):
        for part in _PARTS:
            rows += _rows(results, run, part)
    return rows


def _rows(results: StudyResults, run: ModelRun, part: str) -> list[PlotRow]:
    assert run.explained is not None and run.posterior is not None
    draws = share_draws(run.design, run.posterior.thin(4000), time=results.study.time)[_PARTS.index(part)]
    at = np.linspace(0.0, 100.0, _POINTS)
    density = np.zeros(_POINTS)
    if draws is not None and np.ptp(draws) > 0.0:
        flat = draws.ravel()
        kernel = stats.gaussian_kde(flat)
        # Reflected at both ends, which no share passes.
        density = kernel(at) + kernel(-at) + kernel(200.0 - at)
        density = density / density.max()
    quantity = run.explained.slope if part == "slope" else run.explained.intercept
    printed = _printed(results, run, f"explained_{part}")
    return [
        {
            "model": run.model.id,
            "part": part,
            "percent": float(at[i]),
            "share_density": None if draws is None else float(density[i]),
            "ml_same_rows": quantity,
            "printed": printed,
        }
        for i in range(_POINTS)
    ]


def _printed(results: StudyResults, run: ModelRun, quantity: str) -> float | None:
    for cell in results.study.cells:
        if cell.model == run.model.id and cell.quantity == quantity:
            value = cell.parsed.value
            return None if value is None else float(value.value)
    return None


def plot_variation(results: StudyResults) -> Figure:
    """Plot explained variation: one line per model, intercepts left and slopes right."""
    runs = shown_runs(results)
    rows = tabulate_variation(results)
    gates = collect_gates(results)
    printed = any(row["printed"] is not None for row in rows)
    note = (
        "Two quantities. Filled: posterior of the share of the variance of patients' intercepts (slopes) that the "
        "predictors carry within the model. Marks: the publication's, the reduction of that variance between two fits, "
        + ("as printed (square) and by ML on the same rows (circle)" if printed else "by ML")
        + "; it can be negative. "
        + " ".join(
            [*gates.notes(run.model.id for run in runs), describe_provenance(results, printed=printed)]
        )
    )
    names = [name_model(results, gates, run.model.id) for run in runs]
    lines = lay_lines(names, _LINE_MM, letters=_NAME, above=0.85)
    width = page_width()
    with use_style():
        figure = make_figure(width, lines.count * _LINE_MM + 24.0 + note_height_mm(note, width))
        panels = figure.subplots(1, 2, sharey=True, squeeze=False)[0]
        for axes, part in zip(panels, _PARTS, strict=True):
            for y, run in zip(lines.places, runs, strict=True):
                mine = [row for row in rows if row["model"] == run.model.id and row["part"] == part]
                _draw(axes, mine, y, run.model.label)
            axes.axvline(0.0, color=GREY, linewidth=0.6)
            axes.set_xlim(right=_right(rows))
            axes.set_title(f"Variation of {part}s", loc="left", fontweight="bold")
            axes.set_xlabel("Explained (%)")
        name_lines(panels, lines, top=0.9, bottom=0.6)
        figure.suptitle("Explained variation", x=0.01, ha="left", fontsize=9.0)
        figure.legend(handles=_handles(printed), loc="outside upper right", ncols=grid_columns())
        add_note(figure, note)
    return figure


def _right(rows: Sequence[PlotRow]) -> float:
    """Right end of the axis: where every density has fallen to a hundredth, and no mark is beyond."""
    seen = [float(row["percent"] or 0.0) for row in rows if float(row["share_density"] or 0.0) > 0.01]
    marks = [float(row[name] or 0.0) for row in rows for name in ("printed", "ml_same_rows")]
    return min(max([20.0, *seen, *(1.05 * mark for mark in marks if np.isfinite(mark))]), 101.0)


def _handles(printed: bool) -> list[Patch | Line2D]:
    within = Patch(color=BLUE, alpha=0.35, label="Within the model, Bayes")
    between = Line2D([], [], color=VERMILLION, marker="o", linestyle="none", label="Between fits, ML")
    if not printed:
        return [within, between]
    square = Line2D(
        [], [], color=BLACK, marker="s", markerfacecolor="white", linestyle="none", label="Printed"
    )
    return [within, square, between]


def _draw(axes: Axes, rows: Sequence[PlotRow], y: float, label: str) -> None:
    axes.axhline(y, color=LIGHT, linewidth=0.4, zorder=0)
    if rows[0]["share_density"] is not None:
        at = np.array([float(row["percent"] or 0.0) for row in rows])
        density = np.array([float(row["share_density"] or 0.0) for row in rows])
        axes.fill_between(at, y, y - 0.75 * density, color=BLUE, alpha=0.35, linewidth=0.0)
        axes.plot(at, y - 0.75 * density, color=BLUE, linewidth=0.8)
    marks = (("printed", "s", BLACK, "white"), ("ml_same_rows", "o", VERMILLION, VERMILLION))
    for name, marker, colour, face in marks:
        value = rows[0][name]
        if value is None or not np.isfinite(float(value)):
            continue
        (mark,) = axes.plot(
            [float(value)], [y], marker=marker, color=colour, markerfacecolor=face, linestyle="none"
        )
        say_value(mark, use_minus_sign(f"{label}, {name.replace('_', ' ')}: {format_number(float(value))} %"))
