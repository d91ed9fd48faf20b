"""The crossed factor: slopes of the cells and their differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from scipy import stats

from bayes_alliance.assess.summaries import Quantity
from bayes_alliance.run.results import ModelRun, StudyResults
from bayes_alliance.show.disclosure import MIN_PATIENTS, round_to_tens
from bayes_alliance.show.format_numbers import format_number, use_minus_sign
from bayes_alliance.show.plots.line_layout import Lines, lay_lines, name_lines
from bayes_alliance.show.plots.prior_posterior import _CELL_MM, _Z
from bayes_alliance.show.plots.style import (
    BLUE,
    GREY,
    LIGHT,
    SMALL_PT,
    VERMILLION,
    PlotRow,
    add_note,
    is_narrow,
    make_figure,
    note_height_mm,
    page_width,
    say_value,
    use_style,
    wrap_title,
)
from bayes_alliance.show.provenance import describe_provenance
from bayes_alliance.show.tables.gates import collect_gates
from bayes_alliance.study.records import Source

_MARKERS = {"slope": "o", "slope_deviation": "^", "slope_contrast": "D"}


def moderated(results: StudyResults) -> list[ModelRun]:
    """List the runs that contrast slopes between cells, of the models that figures show first."""
    shown = {model_id for figure in results.study.figures for model_id in figure.models}
    runs = [run for run in results.runs if any(e.kind == "slope_contrast" for e in run.model.estimands)]
    chosen = [run for run in runs if run.model.id in shown]
    return chosen or runs[:3]


def tabulate_moderation(results: StudyResults) -> list[PlotRow]:
    """Compute the slopes of every cell, with its patients, their deviations and the contrast, over the horizon.

    Returns
    -------
    list of mapping
        ``n_patients`` is empty for differences, and for a cell of fewer than five patients; of real data it is rounded
        to tens: cells of two outcomes would tell where the few are who lack one.
    """
    return [row for run in moderated(results) for row in _moderation_rows(results, run)]


def _moderation_rows(results: StudyResults, run: ModelRun) -> Iterator[PlotRow]:
    horizon = results.study.horizon
    order = {"slope": 0, "slope_deviation": 1, "slope_contrast": 2}
    chosen = [q for q in run.quantities if q.kind in order]
    for quantity in sorted(chosen, key=lambda q: order[q.kind]):
        weights = {e.name: dict(e.weights) for e in run.model.estimands}[quantity.name]
        n = cell_patients(results, run, weights) if quantity.kind == "slope" else None
        half = _half(quantity)
        bayes = quantity.bayes
        yield {
            "model": run.model.id,
            "outcome": run.model.outcome,
            "estimand": quantity.name,
            "label": quantity.label,
            "kind": quantity.kind,
            "n_patients": _shown(results, n),
            "ml": horizon * quantity.ml.estimate,
            "ml_lower_95": horizon * (quantity.ml.estimate - half),
            "ml_upper_95": horizon * (quantity.ml.estimate + half),
            "bayes_median": None if bayes is None else horizon * bayes.median,
            "bayes_q2.5": None if bayes is None else horizon * bayes.lower,
            "bayes_q97.5": None if bayes is None else horizon * bayes.upper,
        }


def _shown(results: StudyResults, n: int | None) -> int | None:
    if n is None or n < MIN_PATIENTS:
        return None
    return round_to_tens(n) if results.source is Source.REAL else n


def _half(quantity: Quantity) -> float:
    df = quantity.ml.df
    quantile = float(stats.t.ppf(0.975, df)) if df > 0.0 else _Z
    return quantile * quantity.ml.se


def cell_patients(results: StudyResults, run: ModelRun, weights: dict[str, float]) -> int | None:
    """Count the patients whose slope these weights give; None where the columns do not tell.

    A patient belongs to a cell if every column of a product with time that is not zero in the weights is not zero
    in his rows, and every other one is zero.
    """
    time = results.study.time
    design = run.design
    products = [name for name in design.x_names if time in name.split(":") and name != time]
    first = np.searchsorted(design.patient_index, np.arange(design.n_patients))
    inside = np.ones(design.n_patients, dtype=bool)
    for name in products:
        base = ":".join(part for part in name.split(":") if part != time)
        if base not in design.x_names:
            return None
        column = design.x[first, design.x_names.index(base)]
        if not np.all(np.isin(column, (0.0, 1.0))):
            return None
        inside &= (column != 0.0) == (weights.get(name, 0.0) != 0.0)
    return int(inside.sum())


def plot_moderation(results: StudyResults) -> Figure:
    """Plot the moderation: cells above, differences and the contrast below, a panel an outcome."""
    runs = moderated(results)
    tables = [list(_moderation_rows(results, run)) for run in runs]
    tens = " rounded to tens" if results.source is Source.REAL else ""
    note = (
        f"Circles: slopes of the cells, with their patients{tens}; triangles: differences of slopes; diamonds: "
        "the contrast, which is the interaction itself. Bars: 95 % intervals (ML: Satterthwaite t; Bayes: posterior "
        "median, equal-tailed). "
        + " ".join(
            [*collect_gates(results).notes(run.model.id for run in runs), describe_provenance(results)]
        )
    )
    lines = [
        lay_lines([str(row["label"]).removeprefix("Slope, ") for row in rows], _CELL_MM, letters=26)
        for rows in tables
    ]
    same, width = _same_lines(tables), page_width()
    # Panels that do not share their lines have names of their own, for which a single column has no place.
    stacked = is_narrow() and not same
    heights = [mine.count for mine in lines]
    high = (sum(heights) * _CELL_MM + 14.0 * (len(runs) - 1)) if stacked else max(heights) * _CELL_MM
    with use_style():
        figure = make_figure(width, high + 22.0 + note_height_mm(note, width))
        grid = {"nrows": len(runs), "height_ratios": heights} if stacked else {"ncols": len(runs)}
        panels = list(figure.subplots(sharey=same, squeeze=False, **grid).ravel())
        for axes, run, rows, mine in zip(panels, runs, tables, lines, strict=True):
            _draw_moderation(axes, results, run, rows, mine)
        for first in [0] if same else range(len(panels)):
            name_lines(panels if same else [panels[first]], lines[first], top=0.7)
        title = f"Moderation: change over {results.study.horizon:g} {results.study.time_unit}"
        figure.suptitle(wrap_title(title, 0.5), x=0.01, ha="left", fontsize=9.0)
        handles = [
            Line2D([], [], color=BLUE, marker="o", linewidth=0.9, label="ML"),
            Line2D([], [], color=VERMILLION, marker="D", linewidth=0.9, label="Bayes"),
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=2)
        add_note(figure, note)
    return figure


def _same_lines(tables: Sequence[Sequence[PlotRow]]) -> bool:
    """Whether panels can share their lines: the same labels in the same order."""
    return len({tuple(str(row["label"]) for row in rows) for rows in tables}) == 1


def _draw_moderation(
    axes: Axes, results: StudyResults, run: ModelRun, rows: Sequence[PlotRow], lines: Lines
) -> None:
    for y, row in zip(lines.places, rows, strict=True):
        axes.axhline(y, color=LIGHT, linewidth=0.4, zorder=0)
        sources = (
            ("ml", "ml_lower_95", "ml_upper_95", BLUE, -0.16),
            ("bayes_median", "bayes_q2.5", "bayes_q97.5", VERMILLION, 0.16),
        )
        for middle, low, high, colour, shift in sources:
            if row[middle] is None:
                continue
            _draw_source(axes, y + shift, row, (middle, low, high), colour)
        if row["n_patients"] is not None:
            axes.text(
                1.01,
                y,
                f"{row['n_patients']}",
                transform=axes.get_yaxis_transform(),
                fontsize=SMALL_PT,
                va="center",
                color=GREY,
            )
    axes.axvline(0.0, color=GREY, linewidth=0.6)
    axes.text(1.01, -0.7, "n", transform=axes.get_yaxis_transform(), fontsize=SMALL_PT, color=GREY)
    mark_text = collect_gates(results).mark(run.model.id)
    variable = results.study.variable(run.model.outcome)
    axes.set_title(f"{variable.label}{mark_text}", loc="left", fontweight="bold")
    axes.set_xlabel(variable.unit or "points")
    if is_narrow():
        axes.xaxis.set_major_locator(MaxNLocator(3))


def _draw_source(axes: Axes, place: float, row: PlotRow, names: tuple[str, str, str], colour: str) -> None:
    middle, low, high = (float(row[name] or 0.0) for name in names)
    axes.plot([low, high], [place, place], color=colour, linewidth=0.9)
    marker = _MARKERS[str(row["kind"])]
    (mark,) = axes.plot([middle], [place], color=colour, marker=marker, linestyle="none")
    source = "ML" if names[0] == "ml" else "Bayes"
    interval = f"[{format_number(low)}, {format_number(high)}]"
    say_value(mark, use_minus_sign(f"{row['label']}, {source}: {format_number(middle)} {interval}"))
