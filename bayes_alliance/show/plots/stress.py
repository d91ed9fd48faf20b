"""Figures of the stress tests: estimands under every change, maps of deltas, shared courses by strength."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_alliance.show.plots.style import (
    BLACK,
    BLUE,
    COLOURS,
    DOUBLE_MM,
    GREY,
    LIGHT,
    SMALL_PT,
    VERDICT_COLOURS,
    VERMILLION,
    PlotRow,
    add_note,
    make_figure,
    note_height_mm,
    tidy,
    use_style,
)
from bayes_alliance.show.provenance import describe_stress
from bayes_alliance.stress.records import ABOVE, BELOW, NEITHER, StressDraws
from bayes_alliance.stress.run import StressResults
from bayes_alliance.stress.tipping import VerdictMap

_LINE_MM, _PANEL_MM, _COLUMNS = 4.0, 48.0, 3
_PLACES: dict[str, str] = {
    BELOW: BLUE,
    NEITHER: LIGHT,
    ABOVE: VERMILLION,
    **VERDICT_COLOURS,
}


def figures_of(results: StressResults) -> dict[str, tuple[Figure, list[PlotRow]]]:
    """Draw every figure that has something to show, by file stem."""
    drawn: dict[str, tuple[Figure, list[PlotRow]]] = {}
    for model_id in dict.fromkeys(d.model_id for d in results.base):
        if any(d.model_id == model_id and d.test != "base" for d in results.all_draws()):
            drawn[f"changes_{model_id}"] = plot_changes(results, model_id)
    maps = [one for one in results.maps if len(one.analysis.groups) == 2]
    for model_id in dict.fromkeys(one.analysis.base.model_id for one in maps):
        mine = [one for one in maps if one.analysis.base.model_id == model_id]
        drawn[f"deltas_{model_id}"] = plot_maps(results, mine)
    if results.conditioning:
        drawn["shared_course"] = plot_conditioning(results)
    return drawn


def plot_changes(results: StressResults, model_id: str) -> tuple[Figure, list[PlotRow]]:
    """Plot median and 95 % interval of a model's estimands under every change, one panel an estimand."""
    mine = [d for d in results.all_draws() if d.model_id == model_id]
    estimands = list(dict.fromkeys(d.estimand for d in mine))
    rows = [_change_row(results, d) for d in mine]
    most = max(sum(d.estimand == name for d in mine) for name in estimands)
    note = (
        f"Median and 95 % equal-tailed interval, points over the horizon. Dashed: the unchanged model. "
        f"{describe_stress(results)}"
    )
    with use_style():
        lines = -(-len(estimands) // 2)
        height = lines * (most * _LINE_MM + 18.0) + 8.0 + note_height_mm(note, DOUBLE_MM)
        figure = make_figure(DOUBLE_MM, height)
        panels = figure.subplots(lines, min(2, len(estimands)), squeeze=False).ravel()
        for axes, name in zip(panels, estimands, strict=False):
            _draw_changes(axes, [row for row in rows if row["estimand"] == name])
        for axes in panels[len(estimands) :]:
            axes.set_visible(False)
        figure.suptitle(results.study.model(model_id).label, x=0.01, ha="left", fontsize=9.0)
        add_note(figure, note)
    return figure, rows


def _change_row(results: StressResults, draws: StressDraws) -> PlotRow:
    summary = draws.summary()
    return {
        "model": draws.model_id,
        "estimand": draws.estimand,
        "label": draws.label,
        "test": draws.test,
        "variant": draws.variant,
        "median": summary.median,
        "lower": summary.lower,
        "upper": summary.upper,
        "p_below_zero": summary.p_negative,
    }


def _draw_changes(axes: Axes, rows: Sequence[PlotRow]) -> None:
    tests = list(dict.fromkeys(str(row["test"]) for row in rows))
    for place, row in enumerate(rows):
        colour = BLACK if row["test"] == "base" else COLOURS[tests.index(str(row["test"])) % len(COLOURS)]
        low, middle, high = (float(row[key] or 0.0) for key in ("lower", "median", "upper"))
        axes.plot([low, high], [place, place], color=colour, linewidth=0.9)
        axes.plot([middle], [place], color=colour, marker="o", linestyle="none")
        if row["test"] == "base":
            axes.axvline(middle, color=GREY, linewidth=0.5, linestyle="--", zorder=0)
    axes.axvline(0.0, color=BLACK, linewidth=0.5, zorder=0)
    names = [_name(row) for row in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0.0)
    axes.grid(axis="x", color=LIGHT, linewidth=0.4)
    axes.set_axisbelow(True)
    # Names take half of a panel, so a title has little more than the axes.
    axes.set_title(textwrap.fill(str(rows[0]["label"]), 28), fontsize=SMALL_PT, loc="left")


def _name(row: PlotRow) -> str:
    test, variant = str(row["test"]).replace("_", " "), str(row["variant"]).replace("_", " ")
    return "unchanged" if test == "base" else f"{test}: {variant}" if variant else test


def plot_maps(results: StressResults, maps: Sequence[VerdictMap]) -> tuple[Figure, list[PlotRow]]:
    """Plot the verdict over the deltas of two subgroups, one panel an estimand of one model."""
    rows = [row for one in maps for row in _map_rows(one)]
    verdicts = list(dict.fromkeys(str(row["verdict"]) for row in rows))
    colours = _verdict_colours(verdicts)
    model_id = maps[0].analysis.base.model_id
    note = (
        "Delta: points over the horizon by which slopes after the last assessment depart from prediction; the cross is "
        f"missing at random. {describe_stress(results)}"
    )
    with use_style():
        lines, width = -(-len(maps) // _COLUMNS), min(_COLUMNS, len(maps))
        figure = make_figure(DOUBLE_MM, lines * (_PANEL_MM + 8.0) + 18.0 + note_height_mm(note, DOUBLE_MM))
        panels = figure.subplots(lines, width, squeeze=False).ravel()
        for axes, one in zip(panels, maps, strict=False):
            _draw_map(axes, one, verdicts, colours)
        for axes in panels[len(maps) :]:
            axes.set_visible(False)
        handles = [axes.scatter([], [], marker="s", color=colours[v], label=v) for v in verdicts]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(verdicts))
        figure.suptitle(results.study.model(model_id).label, x=0.01, ha="left", fontsize=9.0)
        add_note(figure, note)
    return figure, rows


def _verdict_colours(verdicts: Sequence[str]) -> dict[str, str]:
    return {verdict: _PLACES.get(verdict, GREY) for verdict in verdicts}


def _map_rows(one: VerdictMap) -> list[PlotRow]:
    base, groups = one.analysis.base, one.analysis.groups
    return [
        {
            "model": base.model_id,
            "estimand": base.estimand,
            "first_group": groups[0],
            "delta_first": first,
            "second_group": groups[1],
            "delta_second": second,
            "verdict": one.verdicts[i][j],
        }
        for i, first in enumerate(one.deltas)
        for j, second in enumerate(one.deltas)
    ]


def _draw_map(axes: Axes, one: VerdictMap, verdicts: Sequence[str], colours: dict[str, str]) -> None:
    from matplotlib.colors import ListedColormap

    index = np.array([[verdicts.index(v) for v in row] for row in one.verdicts])
    half = (one.deltas[1] - one.deltas[0]) / 2.0
    ends = (one.deltas[0] - half, one.deltas[-1] + half)
    axes.imshow(
        index.T,
        origin="lower",
        extent=(*ends, *ends),
        cmap=ListedColormap([colours[v] for v in verdicts]),
        vmin=-0.5,
        vmax=len(verdicts) - 0.5,
        interpolation="nearest",
    )
    axes.plot([0.0], [0.0], color=BLACK, marker="+", markersize=6.0)
    axes.set_xlabel(f"delta, {one.analysis.groups[0]}")
    axes.set_ylabel(f"delta, {one.analysis.groups[1]}")
    axes.set_title(one.analysis.base.label, fontsize=SMALL_PT, loc="left", wrap=True)


def plot_conditioning(results: StressResults) -> tuple[Figure, list[PlotRow]]:
    """Plot what a shared course gives by its strength, one panel an outcome, with the printed difference."""
    rows: list[PlotRow] = [
        {
            "model": one.model_id,
            "estimand": one.estimand,
            "strength": point.strength,
            "residual": point.residual,
            "mean": point.mean,
            "lower": point.lower,
            "upper": point.upper,
            "expected": point.expected,
            "printed": one.printed,
            "printed_low": one.printed_low,
            "printed_high": one.printed_high,
            "required": one.required if math.isfinite(one.required) else None,
        }
        for one in results.conditioning
        for point in one.points
    ]
    residuals = sorted({point.residual for one in results.conditioning for point in one.points})
    note = (
        "Lines: mean of simulated studies without any effect of one course on the other, by correlation of residuals "
        "at the end; shaded: 95 % of studies without such a correlation; crosses: closed form. Orange: what is "
        f"printed, with what rounding leaves open. {describe_stress(results, printed=True)}"
    )
    with use_style():
        n = len(results.conditioning)
        lines, width = -(-n // _COLUMNS), min(_COLUMNS, n)
        figure = make_figure(DOUBLE_MM, lines * (_PANEL_MM + 6.0) + 14.0 + note_height_mm(note, DOUBLE_MM))
        panels = figure.subplots(lines, width, squeeze=False, sharey=True).ravel()
        for axes, one in zip(panels, results.conditioning, strict=False):
            mine = [r for r in rows if (r["model"], r["estimand"]) == (one.model_id, one.estimand)]
            _draw_conditioning(axes, mine, residuals)
            axes.set_title(results.study.model(one.model_id).label, fontsize=SMALL_PT, loc="left")
        for axes in panels[n:]:
            axes.set_visible(False)
        panels[0].set_ylabel("Slope difference (points over the horizon)")
        panels[0].legend(title="residuals", loc="lower left")
        add_note(figure, note)
    return figure, rows


def _draw_conditioning(axes: Axes, rows: Sequence[PlotRow], residuals: Sequence[float]) -> None:
    for number, residual in enumerate(residuals):
        mine = [row for row in rows if row["residual"] == residual]
        at, mean, low, high, expected = (
            np.array([row[key] for row in mine], dtype=float)
            for key in ("strength", "mean", "lower", "upper", "expected")
        )
        axes.plot(at, mean, color=COLOURS[(0, 2, 3, 5)[number % 4]], label=f"{residual:g}")
        if number == 0:
            axes.fill_between(at, low, high, color=BLUE, alpha=0.15, linewidth=0)
            axes.plot(at, expected, color=BLACK, marker="x", linestyle="none", markersize=3.0)
    printed, low_end, high_end = (
        float(rows[0][key] or 0.0) for key in ("printed", "printed_low", "printed_high")
    )
    if math.isfinite(printed):
        axes.axhspan(low_end, high_end, color=COLOURS[4], alpha=0.3, linewidth=0)
        axes.axhline(printed, color=COLOURS[4])
    axes.axhline(0.0, color=GREY, linewidth=0.5)
    axes.set_xlabel("Correlation of the two slopes")
    tidy(axes)
