"""Posterior predictive checks: observed means against replicates, and calibration by LOO-PIT."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bayes_alliance.assess.uniformity import ecdf_difference, simultaneous_band
from bayes_alliance.run.results import PredictiveResult, StudyResults
from bayes_alliance.show.disclosure import ROWS_PER_STEP
from bayes_alliance.show.format_numbers import format_p
from bayes_alliance.show.labels import label_group
from bayes_alliance.show.plots.style import (
    BLACK,
    COLOURS,
    GREY,
    LIGHT,
    MARKERS,
    PlotRow,
    add_note,
    grid_columns,
    make_figure,
    note_height_mm,
    page_width,
    tidy,
    use_style,
    wrap_title,
)
from bayes_alliance.show.provenance import describe_provenance
from bayes_alliance.show.tables.gates import collect_gates, name_model
from bayes_alliance.show.tables.predictive import MIN_ROWS_SHOWN
from bayes_alliance.study.records import Source

N_GRID = 101
_PANEL_MM = 48.0


def predictive_outcomes(results: StudyResults) -> list[str]:
    """List the outcomes with a posterior predictive check."""
    return list(dict.fromkeys(found.outcome for found in results.predictive))


def tabulate_means(results: StudyResults, outcome: str) -> list[PlotRow]:
    """Compute the plotted means: observed beside replicates, by model, subgroup and window.

    Returns
    -------
    list of mapping
        Observed is empty where fewer than five rows would be shown.
    """
    return [
        {
            "model": found.model_id,
            "group": label_group(results.study, s.group),
            "window": s.bin,
            "n_rows": s.n_rows,
            "observed": s.observed if s.n_rows >= MIN_ROWS_SHOWN else None,
            "replicates_median": s.median,
            "replicates_q2.5": s.lower,
            "replicates_q97.5": s.upper,
        }
        for found in _of(results, outcome)
        # By code, so that a subgroup has the same colour and marker in every figure.
        for s in sorted(found.statistics, key=lambda s: s.group)
        if s.name == "mean" and s.bin
    ]


def _of(results: StudyResults, outcome: str) -> list[PredictiveResult]:
    return [found for found in results.predictive if found.outcome == outcome]


def shown_models(results: StudyResults, outcome: str) -> list[str]:
    """List the models that get a panel: of those with the same formula and rows, the first."""
    first: dict[tuple[str, str], str] = {}
    for found in _of(results, outcome):
        run = results.run(found.model_id)
        if run is not None:
            first.setdefault((run.design.formula.text, run.rows.digest), found.model_id)
    return list(first.values())


def plot_means(results: StudyResults, outcome: str) -> Figure:
    """Plot observed means against the 95 % interval of replicates: one panel per model."""
    rows = tabulate_means(results, outcome)
    models = shown_models(results, outcome)
    groups = list(dict.fromkeys(str(row["group"]) for row in rows))
    windows = sorted({str(row["window"]) for row in rows}, key=lambda w: float(w.split("-")[0]))
    unit = results.study.variable(outcome).unit or "points"
    note = (
        "Filled: observed mean; bar: median and 95 % equal-tailed interval of the mean in replicates, new "
        "patients at the same visits. An observed mean outside its bar is what the model misses. Means of "
        f"fewer than {MIN_ROWS_SHOWN} rows are withheld, and their bars left out. {_tail(results, models)}"
    )
    with use_style():
        drawn, axes = _grid(len(models), note)
        for panel, model_id in zip(axes, models, strict=True):
            mine = [row for row in rows if row["model"] == model_id]
            _draw_means(panel, mine, groups, windows)
            _title(panel, results, model_id)
            panel.set_xlabel(f"Visit window ({results.study.time_unit})")
        _label_rows(axes, f"Mean ({unit})")
        title = f"Posterior predictive means: {results.study.variable(outcome).label}"
        # The legend stands to the right of the title, which must not run into it.
        drawn.suptitle(wrap_title(title, 0.45), x=0.01, ha="left", fontsize=9.0)
        drawn.legend(
            handles=_handles(groups),
            loc="outside upper right",
            ncols=len(groups) if grid_columns() > 1 else 1,
            columnspacing=1.0,
        )
        add_note(drawn, note)
    return drawn


def _handles(groups: Sequence[str]) -> list[Line2D]:
    """Legend in one line: what the groups have in common is said once."""
    common = {group.rpartition(": ")[0] for group in groups}
    handles = []
    for index, group in enumerate(groups):
        text = group if index == 0 or len(common) > 1 else group.rpartition(": ")[2]
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        handles.append(Line2D([], [], linestyle="none", label=text, color=colour, marker=marker))
    return handles


def _draw_means(axes: Axes, rows: Sequence[PlotRow], groups: Sequence[str], windows: Sequence[str]) -> None:
    tidy(axes)
    for index, group in enumerate(groups):
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        shift = 0.22 * (index - (len(groups) - 1) / 2.0)
        for row in rows:
            if row["group"] != group or row["observed"] is None:
                continue
            x = windows.index(str(row["window"])) + shift
            low, middle, high = (float(row[f"replicates_{n}"] or 0.0) for n in ("q2.5", "median", "q97.5"))
            axes.plot([x, x], [low, high], color=colour, linewidth=3.0, alpha=0.35, solid_capstyle="butt")
            axes.plot([x - 0.08, x + 0.08], [middle, middle], color=colour, linewidth=1.0)
            axes.plot([x], [float(row["observed"])], color=colour, marker=marker, linestyle="none")
    axes.set_xticks(range(len(windows)), windows)
    axes.set_xlim(-0.5, len(windows) - 0.5)


def tabulate_pit(results: StudyResults, outcome: str) -> list[PlotRow]:
    """Compute the plotted calibration curves on a grid (never the values of single rows)."""
    rows: list[PlotRow] = []
    for found in _of(results, outcome):
        grid = np.linspace(0.0, 1.0, _grid_size(results, len(found.pit)))
        band = simultaneous_band(len(found.pit))
        difference = ecdf_difference(found.pit, grid)
        rows += [
            {
                "model": found.model_id,
                "n_rows": len(found.pit),
                "pit": float(z),
                "ecdf_minus_uniform": float(d),
                "band_95_simultaneous": band,
                "uniformity_p": found.pit_p,
            }
            for z, d in zip(grid, difference, strict=True)
        ]
    return rows


def _grid_size(results: StudyResults, n_rows: int) -> int:
    """Return the points of the grid: of real data so few that a step holds 25 rows or so."""
    if results.source is not Source.REAL:
        return N_GRID
    return int(np.clip(n_rows // ROWS_PER_STEP, 5, N_GRID - 1)) + 1


def plot_pit(results: StudyResults, outcome: str) -> Figure:
    """Plot the calibration of each model: ECDF of LOO-PIT minus uniform, with a simultaneous 95 % band."""
    rows = tabulate_pit(results, outcome)
    models = shown_models(results, outcome)
    tail = _tail(results, models)
    note = (
        "LOO-PIT: where each visit falls in its prediction from the patient's other visits; uniform, so on "
        "the zero line, for a calibrated model. Values on the measurement grid are drawn within their cell. p: that "
        "they are uniform, by ArviZ's test that allows for their dependence (pot_c; arXiv:2603.02928). Grey, for the "
        "eye only: simultaneous 95 % band for independent values (Dvoretzky-Kiefer-Wolfowitz). Below zero on "
        f"the left and above on the right: predictions too wide; the reverse: too narrow. {tail}"
    )
    with use_style():
        drawn, axes = _grid(len(models), note)
        for panel, model_id in zip(axes, models, strict=True):
            mine = [row for row in rows if row["model"] == model_id]
            _draw_pit(panel, mine)
            _title(panel, results, model_id)
            panel.set_xlabel(f"LOO-PIT (p {format_p(float(mine[0]['uniformity_p'] or 0.0))})")
        _label_rows(axes, "ECDF \N{MINUS SIGN} uniform")
        drawn.suptitle(
            wrap_title(f"Calibration by LOO-PIT: {results.study.variable(outcome).label}"),
            x=0.01,
            ha="left",
            fontsize=9.0,
        )
        add_note(drawn, note)
    return drawn


def _draw_pit(axes: Axes, rows: Sequence[PlotRow]) -> None:
    z = np.array([float(row["pit"] or 0.0) for row in rows])
    difference = np.array([float(row["ecdf_minus_uniform"] or 0.0) for row in rows])
    band = float(rows[0]["band_95_simultaneous"] or 0.0)
    axes.axhspan(-band, band, color=LIGHT, linewidth=0.0, alpha=0.6)
    axes.axhline(0.0, color=GREY, linewidth=0.6)
    axes.plot(z, difference, color=BLACK, drawstyle="steps-post", linewidth=1.0)
    top = 1.3 * max(band, float(np.max(np.abs(difference))))
    axes.set_ylim(-top, top)
    axes.set_xlim(0.0, 1.0)


def _grid(count: int, note: str) -> tuple[Figure, list[Axes]]:
    width = page_width()
    columns = min(count, grid_columns())
    lines = math.ceil(count / columns)
    drawn = make_figure(width, lines * _PANEL_MM + 16.0 + note_height_mm(note, width))
    axes = list(drawn.subplots(lines, columns, sharey=True, squeeze=False).ravel())
    for spare in axes[count:]:
        spare.set_axis_off()
    return drawn, axes[:count]


def _label_rows(axes: Sequence[Axes], text: str) -> None:
    for panel in axes[:: grid_columns()]:
        panel.set_ylabel(text)


def _title(axes: Axes, results: StudyResults, model_id: str) -> None:
    name = textwrap.fill(name_model(results, collect_gates(results), model_id), width=30)
    axes.set_title(name, loc="left", fontweight="bold", fontsize=7.5)


def _tail(results: StudyResults, models: Sequence[str]) -> str:
    return " ".join([*collect_gates(results).notes(models), describe_provenance(results)])
