"""Bayes factors over the width of the prior."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.format_numbers import format_number, use_minus_sign
from bayes_alliance.show.plots.prior_posterior import _floats, shown_differences
from bayes_alliance.show.plots.style import (
    COLOURS,
    GREY,
    LIGHT,
    MARKERS,
    SMALL_PT,
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


def tabulate_bayes_factors(results: StudyResults) -> list[PlotRow]:
    """Compute Bayes factors over prior widths of the differences that :func:`shown_differences` lists."""
    rows: list[PlotRow] = []
    for shown in shown_differences(results):
        curve = {c.name: c for c in shown.run.bayes_factors}.get(shown.line.name)
        for point in curve.points if curve is not None else ():
            rows.append(
                {
                    "model": shown.run.model.id,
                    "estimand": shown.line.name,
                    "label": f"{shown.run.model.label}: {shown.line.label}",
                    "width": point.width,
                    "prior_sd_over_horizon": results.study.horizon * point.prior_sd,
                    "log_bf10": point.log_bf10,
                    "error": point.error,
                    "pareto_k": point.pareto_k,
                }
            )
    return rows


def plot_bayes_factors(results: StudyResults) -> Figure:
    """Plot Bayes factors of each difference against the width of its prior."""
    rows = tabulate_bayes_factors(results)
    labels = list(dict.fromkeys(str(row["label"]) for row in rows))
    note = (
        "Bayes factor of an effect against none, by the width of the effect's prior as a multiple of the stated one "
        "(\N{MULTIPLICATION SIGN}1). Open: Monte-Carlo error above 10 % or Pareto k above 0.7. Grey: 1/10, 1/3, 1, "
        f"3, 10. {describe_provenance(results)}"
    )
    with use_style():
        figure, axes, beside = _place_legend(len(labels), note)
        for level in (0.1, 1.0 / 3.0, 1.0, 3.0, 10.0):
            axes.axhline(math.log10(level), color=GREY if level == 1.0 else LIGHT, linewidth=0.6, zorder=0)
        for index, label in enumerate(labels):
            _draw_curve(axes, [row for row in rows if row["label"] == label], index)
        axes.set_xscale("log", base=2)
        widths = sorted({float(row["width"] or 1.0) for row in rows})
        times = "" if is_narrow() else "\N{MULTIPLICATION SIGN}"
        axes.set_xticks(widths, [f"{times}{w:g}" for w in widths])
        axes.minorticks_off()
        low, high = axes.get_ylim()
        exponents = range(math.floor(low), math.ceil(high) + 1)
        axes.set_yticks(list(exponents), [f"{10**e:,}" if e >= 0 else f"{10.0**e:g}" for e in exponents])
        axes.set_xlabel("Width of the prior on the effect" + ("" if times else ", times the stated one"))
        axes.set_ylabel("Bayes factor, effect : none")
        if beside is None:
            figure.legend(loc="outside right upper", fontsize=SMALL_PT)
        else:
            beside.legend(*axes.get_legend_handles_labels(), loc="upper left", borderaxespad=0.0)
        title = wrap_title("Evidence depends on the prior's width")
        figure.suptitle(title, x=0.01, ha="left", fontsize=9.0)
        add_note(figure, note)
    return figure


def _place_legend(count: int, note: str) -> tuple[Figure, Axes, Axes | None]:
    """Make a figure whose legend of so many names stands to the right, or in a single column in axes below."""
    width = page_width()
    if not is_narrow():
        figure = make_figure(width, max(74.0, 9.0 * count) + note_height_mm(note, width))
        return figure, figure.subplots(), None
    legend_mm = 7.2 * count
    figure = make_figure(width, 78.0 + legend_mm + note_height_mm(note, width))
    above, below = figure.subplots(2, 1, height_ratios=[74.0, legend_mm])
    below.set_axis_off()
    return figure, above, below


def _draw_curve(axes: Axes, rows: Sequence[PlotRow], index: int) -> None:
    colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
    style = "-" if index < len(COLOURS) else "--"
    x, y = _floats(rows, "width"), _floats(rows, "log_bf10") / math.log(10.0)
    label = textwrap.fill(str(rows[0]["label"]), 42 if is_narrow() else 34)
    axes.plot(x, y, color=colour, linestyle=style, linewidth=1.0, marker=marker, label=label)
    for row, at, value in zip(rows, x, y, strict=True):
        sound = float(row["error"] or 0.0) <= 0.1 and float(row["pareto_k"] or 0.0) <= 0.7
        face = colour if sound else "white"
        (mark,) = axes.plot(
            [at], [value], color=colour, marker=marker, markerfacecolor=face, linestyle="none"
        )
        say_value(
            mark,
            use_minus_sign(
                f"{row['label']}, prior \N{MULTIPLICATION SIGN}{at:g}: BF {format_number(10.0**value)}"
            ),
        )
