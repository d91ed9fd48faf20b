"""Figures of simulated studies: ranks with their bands, power curves, approaches side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_alliance.assess.verdict_words import Verdict
from bayes_alliance.show.plots.style import (
    BLUE,
    COLOURS,
    DOUBLE_MM,
    GREY,
    LIGHT,
    MARKERS,
    VERMILLION,
    PlotRow,
    add_note,
    make_figure,
    note_height_mm,
    tidy,
    use_style,
)
from bayes_alliance.show.tables.simulation import provenance
from bayes_alliance.simulation.calibration import CalibrationResult
from bayes_alliance.simulation.performance import Measure, Performance
from bayes_alliance.simulation.setting import Setting, scenario_labels
from bayes_alliance.simulation.trials import Condition

_COLUMNS, _PANEL_MM = 4, 33.0
_CURVES: dict[str, str] = {
    "excludes_zero": "Power: interval\nwithout zero",
    Verdict.SUPPORTED: f"Verdict:\n{Verdict.SUPPORTED.value}",
    "type_s": "Type S:\nwrong sign",
    "type_m": "Type M:\nexaggeration",
    "width": "Width of interval,\npoints",
}
_FACTORS = {
    "patients": "Patients",
    "marked": "Marked patients",
    "visits": "Visits of each patient",
    "effect": "Effect, points",
}
_COMPARED = {
    "bias": "Bias, points",
    "coverage": "Coverage of\n95 % intervals",
    "width": "Width, points",
    "excludes_zero": "Intervals\nwithout zero",
}


def tabulate_ranks(result: CalibrationResult) -> list[PlotRow]:
    """Return the plotted numbers of one calibration: differences of the ECDF from uniformity with its band."""
    return [
        {
            "engine": result.engine,
            "prior": result.prior,
            "quantity": quantity.name,
            "point": float(point),
            "difference": float(ecdf - point),
            "lower": float(lower - point),
            "upper": float(upper - point),
        }
        for quantity in result.quantities
        for point, ecdf, lower, upper in zip(
            quantity.band.points, quantity.band.ecdf, quantity.band.lower, quantity.band.upper, strict=True
        )
    ]


def plot_ranks(setting: Setting, result: CalibrationResult) -> Figure:
    """Plot for each quantity how far the distribution of its ranks is from uniform, in its simultaneous 95 % band."""
    n_rows = -(-len(result.quantities) // _COLUMNS)
    failed = f", {len(result.failures)} more failed" if result.failures else ""
    n = result.n_studies - len(result.failures)
    note = (
        f"{n} studies{failed}. Difference between the empirical distribution of ranks and the uniform one; grey: band "
        f"of 95 % for the whole curve. {provenance(setting)}"
    )
    with use_style():
        figure = make_figure(DOUBLE_MM, n_rows * _PANEL_MM + 12.0 + note_height_mm(note, DOUBLE_MM))
        panels = np.ravel(figure.subplots(n_rows, _COLUMNS, sharex=True, sharey=True, squeeze=False))
        for panel, quantity in zip(panels, result.quantities, strict=False):
            band = quantity.band
            colour = VERMILLION if quantity.name in result.strayed else BLUE
            panel.fill_between(
                band.points, band.lower - band.points, band.upper - band.points, color=LIGHT, lw=0
            )
            panel.axhline(0.0, color=GREY, linewidth=0.5)
            panel.plot(band.points, band.ecdf - band.points, color=colour, linewidth=1.0)
            panel.set_title(quantity.name, loc="left", fontsize=7.0)
        for panel in panels[len(result.quantities) :]:
            panel.set_axis_off()
        prior = f", prior set '{result.prior}'"
        figure.suptitle(f"{setting.model.id}: engine {result.engine}{prior}", x=0.01, ha="left", fontsize=9.0)
        add_note(figure, note)
    return figure


def _measure(one: Performance, name: str, unit: float) -> Measure:
    found: Measure | None = getattr(one, name, None) or one.verdicts.get(name)
    if found is None:
        return Measure(value=math.nan, error=math.nan)
    factor = unit if name in ("bias", "width") else 1.0
    return Measure(value=found.value * factor, error=found.error * factor)


def tabulate_curves(
    setting: Setting, conditions: Sequence[Condition], performances: Sequence[Performance]
) -> list[PlotRow]:
    """Return the plotted numbers of a design analysis, for the primary estimand."""
    by_name = {condition.name: condition for condition in conditions}
    unit = setting.unit(setting.primary.name)
    rows: list[PlotRow] = []
    for one in performances:
        if one.estimand != setting.primary.name:
            continue
        condition = by_name[one.condition]
        for name in _CURVES:
            found = _measure(one, name, unit)
            rows.append(
                {
                    "factor": condition.factor,
                    "value": condition.value,
                    "approach": one.approach,
                    "measure": name,
                    "estimate": found.value,
                    "monte_carlo_error": found.error,
                    "n": one.n,
                    "failed": one.n_failed,
                }
            )
    return rows


def plot_curves(
    setting: Setting, conditions: Sequence[Condition], performances: Sequence[Performance]
) -> Figure:
    """Plot each measure (rows) against what is varied (columns), a curve an approach, bars of Monte-Carlo error."""
    rows = tabulate_curves(setting, conditions, performances)
    factors = [name for name in _FACTORS if any(row["factor"] == name for row in rows)]
    shown = [name for name in _CURVES if any(row["measure"] == name and _finite(row) for row in rows)]
    approaches = list(dict.fromkeys(str(row["approach"]) for row in rows))
    note = (
        f"{setting.primary.label}: fitted {setting.effect():.3g} points. One thing varied at a time. Bars: two "
        f"Monte-Carlo standard errors either way. {provenance(setting)}"
    )
    with use_style():
        figure = make_figure(DOUBLE_MM, len(shown) * _PANEL_MM + 16.0 + note_height_mm(note, DOUBLE_MM))
        panels = figure.subplots(len(shown), len(factors), sharey="row", sharex="col", squeeze=False)
        for i, name in enumerate(shown):
            for j, factor in enumerate(factors):
                panel = panels[i, j]
                tidy(panel)
                for k, approach in enumerate(approaches):
                    mine = [
                        r
                        for r in rows
                        if (r["factor"], r["measure"], r["approach"]) == (factor, name, approach)
                    ]
                    _draw_curve(panel, mine, approach, k)
                if name not in ("width", "type_m"):
                    panel.set_ylim(-0.03, 1.03)
                if j == 0:
                    panel.set_ylabel(_CURVES[name])
                if i == len(shown) - 1:
                    panel.set_xlabel(_FACTORS[factor])
        handles, names = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper left", ncols=min(len(names), 4))
        add_note(figure, note)
    return figure


def _finite(row: PlotRow) -> bool:
    return math.isfinite(float(row["estimate"] or 0.0))


def _draw_curve(panel: Axes, rows: Sequence[PlotRow], approach: str, number: int) -> None:
    rows = sorted((row for row in rows if _finite(row)), key=lambda row: float(row["value"] or 0.0))
    panel.errorbar(
        [float(row["value"] or 0.0) for row in rows],
        [float(row["estimate"] or 0.0) for row in rows],
        yerr=[2.0 * np.nan_to_num(float(row["monte_carlo_error"] or 0.0)) for row in rows],
        color=COLOURS[number % len(COLOURS)],
        marker=MARKERS[number % len(MARKERS)],
        label=approach,
        elinewidth=0.7,
    )


def tabulate_approaches(setting: Setting, performances: Sequence[Performance]) -> list[PlotRow]:
    """Return the plotted numbers of a comparison of approaches, for the primary estimand."""
    unit = setting.unit(setting.primary.name)
    return [
        {
            "scenario": one.condition,
            "approach": one.approach,
            "measure": name,
            "estimate": (found := _measure(one, name, unit)).value,
            "monte_carlo_error": found.error,
            "n": one.n,
            "failed": one.n_failed,
        }
        for one in performances
        if one.estimand == setting.primary.name
        for name in _COMPARED
    ]


def plot_approaches(setting: Setting, performances: Sequence[Performance]) -> Figure:
    """Plot bias, coverage, width and decisions of every approach in every scenario, with Monte-Carlo error."""
    rows = tabulate_approaches(setting, performances)
    scenarios = list(dict.fromkeys(str(row["scenario"]) for row in rows))
    approaches = list(dict.fromkeys(str(row["approach"]) for row in rows))
    note = (
        f"{setting.primary.label}. Bars: two Monte-Carlo standard errors either way. Dotted: no bias, coverage of "
        f"95 %. {provenance(setting)}"
    )
    height = len(scenarios) * (5.0 * len(approaches) + 9.0) + 14.0 + note_height_mm(note, DOUBLE_MM)
    with use_style():
        figure = make_figure(DOUBLE_MM, height)
        panels = figure.subplots(len(scenarios), len(_COMPARED), sharey=True, sharex="col", squeeze=False)
        for i, scenario in enumerate(scenarios):
            for j, (name, heading) in enumerate(_COMPARED.items()):
                panel = panels[i, j]
                mine = [r for r in rows if r["scenario"] == scenario and r["measure"] == name]
                _draw_dots(panel, mine, approaches)
                if name in ("bias", "coverage"):
                    panel.axvline(
                        0.95 if name == "coverage" else 0.0, color=GREY, linestyle=":", linewidth=0.7
                    )
                if i == len(scenarios) - 1:
                    panel.set_xlabel(heading)
            panels[i, 0].set_yticks(range(len(approaches)), approaches)
            panels[i, 0].set_ylim(len(approaches) - 0.5, -0.5)
            panels[i, 0].set_title(scenario_labels().get(scenario, scenario), loc="left", fontweight="bold")
        add_note(figure, note)
    return figure


def _draw_dots(panel: Axes, rows: Sequence[PlotRow], approaches: Sequence[str]) -> None:
    for row in rows:
        if _finite(row):
            number = approaches.index(str(row["approach"]))
            panel.errorbar(
                [float(row["estimate"] or 0.0)],
                [number],
                xerr=[2.0 * np.nan_to_num(float(row["monte_carlo_error"] or 0.0))],
                color=COLOURS[number % len(COLOURS)],
                marker=MARKERS[number % len(MARKERS)],
                elinewidth=0.7,
            )
