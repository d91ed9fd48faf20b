"""What each prior set makes of the printed slope deviations: from their cells alone, no data."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bayes_alliance.published.cell_posterior import CellPosterior
from bayes_alliance.show.format_numbers import format_number, use_minus_sign
from bayes_alliance.show.plots.line_layout import lay_lines, name_lines
from bayes_alliance.show.plots.style import (
    BLACK,
    COLOURS,
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
from bayes_alliance.show.provenance import provenance
from bayes_alliance.study.records import Study

_LINE_MM = 3.4
_GAP = 1.0
# Letters of a label beside its group: as many as there are.
_NAME = 999


def tabulate_prior_sensitivity(study: Study, posteriors: Sequence[CellPosterior]) -> list[PlotRow]:
    """Compute the posterior of each printed slope deviation under every prior, over the horizon.

    Parameters
    ----------
    posteriors : sequence of CellPosterior
        Of printed cells; those of slope deviations that print digits are kept.

    Returns
    -------
    list of mapping
        Mean with its band over all that prints alike, and the 95 % equal-tailed interval, in points.
    """
    rows: list[PlotRow] = []
    for one in posteriors:
        if one.effect.role != "slope_deviation" or one.effect.parsed.value is None:
            continue
        mean = one.mean.scaled(one.effect.unit)
        ends = sorted(end.value * one.effect.unit for end in (one.lower, one.upper))
        rows.append(
            {
                "cell": one.effect.name,
                "row": one.effect.cell.row,
                "printed": one.effect.cell.printed,
                "prior": one.prior,
                "mean": mean.value,
                "band_low": mean.low,
                "band_high": mean.high,
                "q2.5": ends[0],
                "q97.5": ends[1],
                "p_direction": one.p_direction.value,
            }
        )
    return rows


def plot_prior_sensitivity(study: Study, posteriors: Sequence[CellPosterior]) -> Figure:
    """Plot each printed slope deviation under every prior: a group of lines a cell."""
    rows = tabulate_prior_sensitivity(study, posteriors)
    cells = list(dict.fromkeys(str(row["cell"]) for row in rows))
    priors = list(dict.fromkeys(str(row["prior"]) for row in rows))
    note = (
        "Mark: posterior mean; thick: its range over all estimates and standard errors that print like the cell; thin: "
        "95 % equal-tailed interval. In each outcome's points over "
        f"{study.horizon:g} {study.time_unit}, divided by the interval's width under the first prior, so that outcomes "
        f"can stand together. {provenance(study)}"
    )
    step = len(priors) + _GAP
    names = [str(next(row for row in rows if row["cell"] == cell)["row"]) for cell in cells]
    lines = lay_lines(names, step * _LINE_MM, letters=_NAME)
    width = page_width()
    with use_style():
        figure = make_figure(width, lines.count * step * _LINE_MM + 20.0 + note_height_mm(note, width))
        axes = figure.subplots()
        for place, cell in zip(lines.places, cells, strict=True):
            _draw_cell(axes, place, [row for row in rows if row["cell"] == cell], priors)
        axes.axvline(0.0, color=BLACK, linewidth=0.6)
        name_lines([axes], lines)
        if is_narrow():
            axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(wrap_title("Slope deviation, in widths of its interval under the first prior"))
        figure.suptitle(wrap_title("Printed cells alone, by prior", 0.5), x=0.01, ha="left", fontsize=9.0)
        handles = [
            Line2D(
                [],
                [],
                color=COLOURS[i % len(COLOURS)],
                marker=MARKERS[i % len(MARKERS)],
                linewidth=0.9,
                label=name.replace("_", " "),
            )
            for i, name in enumerate(priors)
        ]
        columns = 1 if is_narrow() else len(priors)
        figure.legend(handles=handles, loc="outside upper right", ncols=columns, columnspacing=1.0)
        add_note(figure, note)
    return figure


def _draw_cell(axes: Axes, place: float, mine: Sequence[PlotRow], priors: Sequence[str]) -> None:
    """Draw the lines of one cell around its place."""
    step = len(priors) + _GAP
    unit = float(mine[0]["q97.5"] or 0.0) - float(mine[0]["q2.5"] or 0.0)
    for row in mine:
        index = priors.index(str(row["prior"]))
        _draw(axes, row, place + (index - (len(priors) - 1) / 2.0) / step, index, unit)
    axes.text(
        1.01,
        place,
        use_minus_sign(str(mine[0]["printed"])),
        transform=axes.get_yaxis_transform(),
        fontsize=SMALL_PT,
        va="center",
    )
    axes.axhline(place + 0.5, color=LIGHT, linewidth=0.4)


def _draw(axes: Axes, row: PlotRow, y: float, index: int, unit: float) -> None:
    colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
    mean, low, high, first, last = (
        float(row[name] or 0.0) / unit for name in ("mean", "band_low", "band_high", "q2.5", "q97.5")
    )
    axes.plot([first, last], [y, y], color=colour, linewidth=0.8)
    axes.plot([low, high], [y, y], color=colour, linewidth=2.6, alpha=0.5, solid_capstyle="butt")
    (mark,) = axes.plot([mean], [y], color=colour, marker=marker, linestyle="none")
    values = [format_number(float(row[name] or 0.0)) for name in ("mean", "q2.5", "q97.5")]
    say_value(
        mark,
        use_minus_sign(
            f"{row['row']}, {str(row['prior']).replace('_', ' ')}: {values[0]} [{values[1]}, {values[2]}]"
        ),
    )
