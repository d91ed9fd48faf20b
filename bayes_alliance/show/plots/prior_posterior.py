"""What was learnt about slope differences: prior, likelihood and posterior; cells of a moderation; Bayes factors."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from scipy import stats

from bayes_alliance.assess.summaries import Quantity
from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.priors import combination_prior
from bayes_alliance.run.results import ModelRun, StudyResults
from bayes_alliance.show.labels import describe_provenance, format_number, use_minus_sign
from bayes_alliance.show.plots.forest_lines import ForestLine, forest_lines, printed_lines
from bayes_alliance.show.plots.line_layout import Lines, lay_lines, name_lines
from bayes_alliance.show.plots.style import (
    BLACK,
    BLUE,
    COLOURS,
    GREY,
    LIGHT,
    MARKERS,
    SMALL_PT,
    VERMILLION,
    PlotRow,
    add_note,
    grid_columns,
    is_narrow,
    make_figure,
    note_height_mm,
    page_width,
    say_value,
    split_panels,
    use_style,
    wrap_title,
)
from bayes_alliance.show.tables.gates import collect_gates

_POINTS = 161
_DENSITY_DRAWS = 4000
_PANEL_MM = 40.0
_CELL_MM = 7.5
_Z = 1.959963984540054
MAX_PANELS = 12


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One slope difference of a run that has a posterior."""

    line: ForestLine
    run: ModelRun
    weights: tuple[tuple[str, float], ...]


def shown_differences(results: StudyResults) -> list[Shown]:
    """List the slope differences worth a panel: those printed with their contrasts, else all; twelve at most."""
    lines: list[ForestLine] = []
    for find in (printed_lines, forest_lines):
        lines = lines or [line for outcome in results.study.outcomes for line in find(results, outcome)]
    found = []
    for line in lines:
        run = results.run(line.model.id)
        if run is None or run.posterior is None or line.kind not in ("slope_deviation", "slope_contrast"):
            continue
        named = {estimand.name: estimand.weights for estimand in line.model.estimands}
        if line.name in named:
            found.append(Shown(line=line, run=run, weights=named[line.name]))
    # Outcomes that the study's figures are about first, so that twelve hold what matters.
    shown = {results.study.model(m).outcome for figure in results.study.figures for m in figure.models}
    found.sort(key=lambda one: one.run.model.outcome not in shown)
    return found[:MAX_PANELS]


def pages_of_differences(results: StudyResults) -> list[list[Shown]]:
    """Split the differences into figures that fit a page in the style of now."""
    shown = shown_differences(results)
    return [[shown[i] for i in page] for page in split_panels(len(shown), _PANEL_MM)]


def tabulate_learning(results: StudyResults, differences: Sequence[Shown]) -> list[PlotRow]:
    """Compute prior, likelihood and posterior densities of each difference over the horizon.

    Parameters
    ----------
    results : StudyResults
        For priors and the horizon.
    differences : sequence of Shown
        Of those that :func:`shown_differences` gives.

    Returns
    -------
    list of mapping
        Densities per point of the outcome. The likelihood is the Normal approximation with the ML estimate and its
        SE; the posterior is a kernel estimate (Gaussian kernel, Scott's rule) from the draws.
    """
    return [row for shown in differences for row in _learning_rows(results, shown)]


def _learning_rows(results: StudyResults, shown: Shown) -> list[PlotRow]:
    assert shown.run.posterior is not None and shown.line.quantity is not None
    horizon = results.study.horizon
    mean, sd = combination_prior(results.study, shown.run.design.formula, results.prior, dict(shown.weights))
    draws = horizon * shown.run.posterior.thin(_DENSITY_DRAWS).combine(shown.weights).ravel()
    ml = shown.line.quantity.ml
    centre, spread = horizon * ml.estimate, horizon * ml.se
    ends = np.quantile(draws, [0.001, 0.999])
    low = min(float(ends[0]), centre - 3.5 * spread, 0.0)
    high = max(float(ends[1]), centre + 3.5 * spread, 0.0)
    at = np.linspace(low, high, _POINTS)
    posterior = stats.gaussian_kde(draws)(at)
    prior = stats.norm.pdf(at, horizon * mean, horizon * sd)
    likelihood = stats.norm.pdf(at, centre, spread)
    return [
        {
            "model": shown.run.model.id,
            "estimand": shown.line.name,
            "label": shown.line.label,
            "value": float(at[i]),
            "prior_density": float(prior[i]),
            "likelihood_density": float(likelihood[i]),
            "posterior_density": float(posterior[i]),
        }
        for i in range(_POINTS)
    ]


def plot_learning(results: StudyResults, differences: Sequence[Shown]) -> Figure:
    """Plot prior, likelihood and posterior of each slope difference: a panel each."""
    horizon = f"{results.study.horizon:g} {results.study.time_unit}"
    note = (
        f"Dashed: prior '{results.prior}'. Dotted: likelihood, Normal with the ML estimate and its SE. Filled: "
        f"posterior, smoothed from the draws. Points over {horizon}; areas under the lines are equal. "
        f"{_tail(results, differences)}"
    )
    with use_style():
        figure, panels = _grid(len(differences), note)
        for axes, one in zip(panels, differences, strict=True):
            _draw_learning(axes, results, one)
        handles = [
            Line2D([], [], color=GREY, linestyle="--", linewidth=0.9, label="Prior"),
            Line2D([], [], color=BLACK, linestyle=":", linewidth=1.0, label="Likelihood"),
            Line2D([], [], color=BLUE, label="Posterior"),
        ]
        figure.suptitle(wrap_title("What the data added to the prior", 0.5), x=0.01, ha="left", fontsize=9.0)
        figure.legend(handles=handles, loc="outside upper right", ncols=grid_columns())
        add_note(figure, note)
    return figure


def _draw_learning(axes: Axes, results: StudyResults, shown: Shown) -> None:
    rows = _learning_rows(results, shown)
    at, prior, likelihood, posterior = (
        _floats(rows, name) for name in ("value", "prior_density", "likelihood_density", "posterior_density")
    )
    axes.fill_between(at, 0.0, posterior, color=BLUE, alpha=0.2, linewidth=0.0)
    axes.plot(at, posterior, color=BLUE)
    axes.plot(at, likelihood, color=BLACK, linestyle=":", linewidth=1.0)
    axes.plot(at, prior, color=GREY, linestyle="--", linewidth=0.9)
    axes.axvline(0.0, color=BLACK, linewidth=0.5)
    axes.set_ylim(0.0, 1.1 * float(max(posterior.max(), likelihood.max())))
    axes.set_xlim(float(at[0]), float(at[-1]))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _head(axes, results, shown.line)


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
        ``n_patients`` is empty for differences, and for a cell of fewer than five patients.
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
            "n_patients": n if n is not None and n >= 5 else None,
            "ml": horizon * quantity.ml.estimate,
            "ml_lower_95": horizon * (quantity.ml.estimate - half),
            "ml_upper_95": horizon * (quantity.ml.estimate + half),
            "bayes_median": None if bayes is None else horizon * bayes.median,
            "bayes_q2.5": None if bayes is None else horizon * bayes.lower,
            "bayes_q97.5": None if bayes is None else horizon * bayes.upper,
        }


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
    note = (
        "Circles: slopes of the cells, with their patients; triangles: differences of slopes; diamonds: "
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
    markers = {"slope": "o", "slope_deviation": "^", "slope_contrast": "D"}
    for y, row in zip(lines.places, rows, strict=True):
        axes.axhline(y, color=LIGHT, linewidth=0.4, zorder=0)
        sources = (
            ("ml", "ml_lower_95", "ml_upper_95", BLUE, -0.16),
            ("bayes_median", "bayes_q2.5", "bayes_q97.5", VERMILLION, 0.16),
        )
        for middle, low, high, colour, shift in sources:
            if row[middle] is None:
                continue
            place = y + shift
            axes.plot(
                [float(row[low] or 0.0), float(row[high] or 0.0)], [place, place], color=colour, linewidth=0.9
            )
            (mark,) = axes.plot(
                [float(row[middle] or 0.0)],
                [place],
                color=colour,
                marker=markers[str(row["kind"])],
                linestyle="none",
            )
            numbers = [format_number(float(row[name] or 0.0)) for name in (middle, low, high)]
            source = "ML" if middle == "ml" else "Bayes"
            say_value(
                mark, use_minus_sign(f"{row['label']}, {source}: {numbers[0]} [{numbers[1]}, {numbers[2]}]")
            )
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


def _grid(count: int, note: str) -> tuple[Figure, list[Axes]]:
    width = page_width()
    columns = min(count, grid_columns())
    lines = math.ceil(count / columns)
    figure = make_figure(width, lines * _PANEL_MM + 14.0 + note_height_mm(note, width))
    axes = list(figure.subplots(lines, columns, squeeze=False).ravel())
    for spare in axes[count:]:
        spare.set_axis_off()
    return figure, axes[:count]


def _head(axes: Axes, results: StudyResults, line: ForestLine) -> None:
    mark = collect_gates(results).mark(line.model.id)
    text = f"{line.model.label}{mark}\n{line.label.removeprefix('Slope, ')}"
    wrapped = "\n".join(textwrap.fill(part, 38) for part in text.split("\n"))
    axes.set_title(wrapped, loc="left", fontsize=SMALL_PT)


def _tail(results: StudyResults, shown: Sequence[Shown]) -> str:
    notes = collect_gates(results).notes(one.run.model.id for one in shown)
    return " ".join([*notes, describe_provenance(results)])


def _floats(rows: Sequence[PlotRow], name: str) -> Array:
    return np.array([float(row[name] or 0.0) for row in rows])
