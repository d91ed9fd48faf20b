"""What was learnt about slope differences: prior, likelihood and posterior; cells of a moderation; Bayes factors."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.priors import combination_prior, reference_values
from bayes_alliance.run.results import ModelRun, StudyResults
from bayes_alliance.show.plots.forest_lines import ForestLine, forest_lines, printed_lines
from bayes_alliance.show.plots.style import (
    BLACK,
    BLUE,
    GREY,
    SMALL_PT,
    PlotRow,
    add_note,
    grid_columns,
    make_figure,
    note_height_mm,
    page_width,
    split_panels,
    use_style,
    wrap_title,
)
from bayes_alliance.show.provenance import describe_provenance
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
    mean, sd = combination_prior(
        results.study,
        shown.run.design.formula,
        results.prior,
        dict(shown.weights),
        reference=reference_values(shown.run.design, results.study.time),
    )
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
