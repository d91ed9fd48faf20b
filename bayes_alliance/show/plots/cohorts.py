"""Synthetic cohorts: whether they print the published numbers, and how far their answers differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_alliance.run.results import Spread, StudyResults
from bayes_alliance.show.format_numbers import format_fixed, format_number, use_minus_sign
from bayes_alliance.show.plots.line_layout import lay_lines, name_lines
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

_LIMIT = 3.0
_KIND_MM, _LINE_MM = 8.0, 6.8
# Letters of a label beside its line.
_NAME = 60
_SYNTHETIC = "SYNTHETIC DATA: cohorts built to print the published tables, no recovery of the patients' data."


def tabulate_scorecard_plot(cohorts: Sequence[Mapping[str, Any]]) -> list[PlotRow]:
    """Place what each cohort prints between the ends of what prints like the publication's number.

    Parameters
    ----------
    cohorts : sequence of mapping
        Facts of each cohort, its ``lines`` among them.

    Returns
    -------
    list of mapping
        ``position`` is -1 and 1 at the ends of the interval and 0 in its middle; empty where it has no two ends.
    """
    rows: list[PlotRow] = []
    for number, facts in enumerate(cohorts):
        for place, said, kind, model, low, high, achieved, from_cell, met, _ in facts["lines"]:
            position = None
            if low is not None and high is not None and achieved is not None and high > low:
                position = (achieved - (low + high) / 2.0) / ((high - low) / 2.0)
            rows.append(
                {
                    "cohort": number,
                    "kind": kind,
                    "place": place,
                    "printed": said,
                    "model": model,
                    "from_cell": bool(from_cell),
                    "low": low,
                    "high": high,
                    "achieved": achieved,
                    "position": position,
                    "met": bool(met),
                }
            )
    return rows


def plot_scorecard(cohorts: Sequence[Mapping[str, Any]]) -> Figure:
    """Plot where the cohorts' numbers fall within the rounding of the printed ones: one line per kind of number."""
    rows = tabulate_scorecard_plot(cohorts)
    kinds = list(dict.fromkeys(str(row["kind"]) for row in rows))
    note = (
        "Each tick is a number of one cohort, placed within the interval of all that prints like the publication's "
        f"number (shaded: from its lower to its upper end). Orange: missed; beyond {_LIMIT:g} at the edge. On the "
        "right: "
        f"numbers that are printed again, of all. Agreement is by construction. {_SYNTHETIC}"
    )
    lines = lay_lines(kinds, _KIND_MM, letters=_NAME)
    width = page_width()
    with use_style():
        figure = make_figure(width, lines.count * _KIND_MM + 20.0 + note_height_mm(note, width))
        axes = figure.subplots()
        axes.axvspan(-1.0, 1.0, color=LIGHT, alpha=0.5, linewidth=0.0)
        for y, kind in zip(lines.places, kinds, strict=True):
            _draw_kind(axes, y, [row for row in rows if row["kind"] == kind])
        name_lines([axes], lines)
        axes.set_xlim(-_LIMIT - 0.1, _LIMIT + 0.1)
        between = "\n" if is_narrow() else " "
        axes.set_xticks([-1, 0, 1], [f"lower{between}end", "middle", f"upper{between}end"])
        title = f"Printed numbers, and what {len(cohorts)} synthetic cohorts print"
        figure.suptitle(wrap_title(title), x=0.01, ha="left", fontsize=9.0)
        add_note(figure, note)
    return figure


def _draw_kind(axes: Axes, y: float, mine: Sequence[PlotRow]) -> None:
    for met, colour in ((True, BLUE), (False, VERMILLION)):
        at = [float(row["position"]) for row in mine if row["position"] is not None and row["met"] is met]
        clipped = np.clip(at, -_LIMIT, _LIMIT)
        axes.plot(clipped, np.full(len(clipped), y), "|", color=colour, markersize=7.0, alpha=0.6)
    total = sum(bool(row["met"]) for row in mine)
    axes.text(
        1.01,
        y,
        f"{total} of {len(mine)}",
        transform=axes.get_yaxis_transform(),
        fontsize=SMALL_PT,
        va="center",
    )


def shown_spread(results: StudyResults) -> list[Spread]:
    """List the slope differences of an ensemble, of the models that have a printed cell."""
    study = results.study
    printed = {cell.model for cell in study.cells}
    kinds = {
        (model.id, estimand.name): estimand.kind for model in study.models for estimand in model.estimands
    }
    return [
        item
        for item in results.ensemble.spread
        if item.model_id in printed
        and kinds.get((item.model_id, item.name)) in ("slope_deviation", "slope_contrast")
    ]


def tabulate_spread_plot(results: StudyResults) -> list[PlotRow]:
    """Return the range of posterior means over cohorts and the mean posterior SD, in posterior SDs from their mean."""
    horizon = results.study.horizon
    return [
        {
            "model": item.model_id,
            "estimand": item.name,
            "label": f"{results.study.model(item.model_id).label}: {item.label}",
            "cohorts": item.n,
            "mean_over_horizon": horizon * item.bayes_mean,
            "least_over_horizon": horizon * item.bayes_low,
            "largest_over_horizon": horizon * item.bayes_high,
            "posterior_sd_over_horizon": horizon * item.posterior_sd,
            "between_over_posterior_sd": item.bayes_sd / item.posterior_sd
            if item.posterior_sd > 0.0
            else math.nan,
        }
        for item in shown_spread(results)
    ]


def plot_spread(results: StudyResults) -> Figure:
    """Plot how far the cohorts' posterior means differ beside what each calls its uncertainty."""
    rows = tabulate_spread_plot(results)
    note = (
        "In posterior SDs, so that outcomes can stand together. Bar: least to largest posterior mean over the cohorts; "
        "thin line: one posterior SD either way of their mean. Right: SD between cohorts over posterior SD. "
        f"What was not printed spreads as the model and its priors let it. {_SYNTHETIC}"
    )
    lines = lay_lines([str(row["label"]) for row in rows], _LINE_MM, letters=_NAME)
    width = page_width()
    with use_style():
        figure = make_figure(width, lines.count * _LINE_MM + 20.0 + note_height_mm(note, width))
        axes = figure.subplots()
        for y, row in zip(lines.places, rows, strict=True):
            _draw_spread(axes, y, row)
        axes.axvline(0.0, color=GREY, linewidth=0.6)
        name_lines([axes], lines)
        axes.set_xlabel("Posterior mean, in posterior SDs")
        title = wrap_title("How far the answers rest on what was not printed")
        figure.suptitle(title, x=0.01, ha="left", fontsize=9.0)
        add_note(figure, note)
    return figure


def _draw_spread(axes: Axes, y: float, row: PlotRow) -> None:
    mean, low, high, sd = (
        float(row[name] or 0.0)
        for name in (
            "mean_over_horizon",
            "least_over_horizon",
            "largest_over_horizon",
            "posterior_sd_over_horizon",
        )
    )
    axes.plot([mean / sd - 1.0, mean / sd + 1.0], [y, y], color=GREY, linewidth=0.7)
    (bar,) = axes.plot([low / sd, high / sd], [y, y], color=BLUE, linewidth=4.0, solid_capstyle="butt")
    say_value(
        bar,
        use_minus_sign(f"{row['label']}: {format_number(low)} to {format_number(high)} over the horizon"),
    )
    ratio = format_fixed(float(row["between_over_posterior_sd"] or 0.0), 2)
    axes.text(1.01, y, ratio, transform=axes.get_yaxis_transform(), fontsize=SMALL_PT, va="center")
