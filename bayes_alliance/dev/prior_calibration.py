"""Whether ``collapsed`` is calibrated under every prior of the suite: ranks of the truth, one panel a prior.

Ranks of each quantity are uniform if the engine is right. Their p values are adjusted for all quantities of all priors
together (Holm), so that one finding in twenty runs of everything is chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from bayes_alliance.assess.uniformity import holm
from bayes_alliance.claims.prior_suite import prior_suite, variant_priors
from bayes_alliance.show.plots.save import save_figure
from bayes_alliance.show.plots.style import (
    BLUE,
    DOUBLE_MM,
    GREY,
    LIGHT,
    VERMILLION,
    PlotRow,
    make_figure,
    use_style,
)
from bayes_alliance.show.tables.simulation import stamp
from bayes_alliance.simulation.calibration import ALPHA, CalibrationResult
from bayes_alliance.simulation.records import SimulationSettings
from bayes_alliance.simulation.run import prepare_setting
from bayes_alliance.simulation.sbc import calibrate_prior
from bayes_alliance.simulation.setting import Setting
from bayes_alliance.study.records import Study

MARKS = ("<!-- calibration of priors -->", "<!-- end of calibration of priors -->")
_COLUMNS, _PANEL_MM = 4, 33.0


def calibrate_suite(study: Study, settings: SimulationSettings) -> tuple[Setting, list[CalibrationResult]]:
    """Calibrate ``collapsed`` under each prior of the suite on the design of one model: parameters and estimands.

    Bambi's automatic priors depend on the outcome; those of the design's own rows are taken for every study.
    """
    setting = prepare_setting(study, settings)
    design = setting.planned.design
    results = [
        calibrate_prior(setting, settings, variant_priors(study, design, variant), functions=False)
        for variant in prior_suite(study)
    ]
    return setting, results


def tabulate_suite(results: Sequence[CalibrationResult]) -> list[PlotRow]:
    """Return a row for each prior and quantity, with p adjusted for all of them."""
    return tabulate_named({result.prior: result for result in results}, "prior")


def tabulate_named(results: Mapping[str, CalibrationResult], kind: str) -> list[PlotRow]:
    """Return a row for each quantity of several calibrations with their names under ``kind``; p adjusted for all."""
    pairs = [(name, result, quantity) for name, result in results.items() for quantity in result.quantities]
    adjusted = holm(np.array([quantity.band.p for _, _, quantity in pairs]))
    return [
        {
            kind: name,
            "quantity": quantity.name,
            "studies": quantity.n,
            "failed": len(result.failures),
            "handed_over": result.n_handed_over,
            "p": quantity.band.p,
            "p_adjusted": float(p),
            **{f"coverage_{100 * level:g}": share for level, share, _ in quantity.coverage},
        }
        for (name, result, quantity), p in zip(pairs, adjusted, strict=True)
    ]


def _number(row: PlotRow, key: str) -> float:
    value = row[key]
    assert isinstance(value, int | float)
    return float(value)


def format_suite(rows: Sequence[PlotRow]) -> Iterator[str]:
    """Format a Markdown table, one line a prior."""
    return format_named(rows, "prior", "handed over")


def format_named(rows: Sequence[PlotRow], kind: str, handed_over: str = "") -> Iterator[str]:
    """Format a Markdown table, one line a calibration; with a count of hand-overs where a heading is given."""
    more = f" {handed_over} |" if handed_over else ""
    heads = f"| {kind} | studies | failed |{more} quantities | least p | least p, Holm over all | 95 % intervals |"
    yield heads
    yield "| --- |" + " ---: |" * (heads.count("|") - 2)
    for name in dict.fromkeys(str(row[kind]) for row in rows):
        mine = [row for row in rows if row[kind] == name]
        least, adjusted = (min(_number(row, key) for row in mine) for key in ("p", "p_adjusted"))
        covered = [100.0 * _number(row, "coverage_95") for row in mine]
        handed = f" {mine[0]['handed_over']} |" if handed_over else ""
        yield (
            f"| {name} | {mine[0]['studies']} | {mine[0]['failed']} |{handed} {len(mine)} "
            f"| {least:.3f} | {adjusted:.2f} | {min(covered):.1f} to {max(covered):.1f} % |"
        )


def plot_suite(results: Sequence[CalibrationResult]) -> Figure:
    """Plot one panel a prior: a curve for each quantity, the band of 95 % for one curve."""
    return plot_named({result.prior: result for result in results}, _COLUMNS)


def plot_named(results: Mapping[str, CalibrationResult], columns: int) -> Figure:
    """Plot one panel a calibration: a curve for each quantity, the band of 95 % for one curve."""
    rows = tabulate_named(results, "name")
    strayed = {(row["name"], row["quantity"]) for row in rows if _number(row, "p_adjusted") < ALPHA}
    lines = -(-len(results) // columns)
    with use_style():
        figure = make_figure(DOUBLE_MM, max(lines * _PANEL_MM + 8.0, 55.0))  # one line: room for the label
        panels = np.ravel(figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False))
        for panel, (name, result) in zip(panels, results.items(), strict=False):
            panel.set_title(name, loc="left", fontsize=7.0)
            panel.axhline(0.0, color=GREY, linewidth=0.5)
            for i, quantity in enumerate(result.quantities):
                band = quantity.band
                if i == 0:
                    low, high = band.lower - band.points, band.upper - band.points
                    panel.fill_between(band.points, low, high, color=LIGHT, lw=0)
                colour = VERMILLION if (name, quantity.name) in strayed else BLUE
                panel.plot(band.points, band.ecdf - band.points, color=colour, linewidth=0.6)
        for panel in panels[len(results) :]:
            panel.set_axis_off()
        figure.supxlabel("Fractional rank of the true value", fontsize=8.0)
        figure.supylabel("ECDF of ranks minus uniform", fontsize=8.0)
    return figure


def write_suite(setting: Setting, results: Sequence[CalibrationResult], folder: Path) -> list[Path]:
    """Write the table as CSV and the figure as PNG."""
    return save_figure(
        plot_suite(results),
        folder / f"calibration_priors_{setting.model.id}",
        rows=tabulate_suite(results),
        provenance=stamp(setting),
        kinds=("png",),
    )
