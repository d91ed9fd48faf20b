"""Printed, ML and Bayes side by side for slopes: one line an estimand, in points over the horizon."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.format_numbers import format_number, use_minus_sign
from bayes_alliance.show.plots.forest_lines import ForestLine, tabulate_line
from bayes_alliance.show.plots.line_layout import write_across
from bayes_alliance.show.plots.style import (
    BLACK,
    BLUE,
    GREY,
    LIGHT,
    PAGE_MM,
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
    use_style,
    wrap_small,
    wrap_title,
)
from bayes_alliance.show.provenance import describe_provenance
from bayes_alliance.show.tables.gates import collect_gates

SOURCES = ("printed", "ML", "Bayes")
_LOOK = {"printed": (BLACK, "s", "white"), "ML": (BLUE, "o", BLUE), "Bayes": (VERMILLION, "D", VERMILLION)}
# Offsets of the sources in a line with a printed number, and in one without.
_LANES = {"printed": -0.27, "ML": 0.0, "Bayes": 0.27}
_TWO_LANES = {"ML": -0.15, "Bayes": 0.15}
_LINE_MM, _PANEL_EXTRA_MM, _HEAD_MM = 4.6, 10.5, 14.0
# In a single column a label stands above its line, and takes this part of one; title and legend take more lines.
_LABEL, _NARROW_HEAD_MM = 0.8, 24.0
# Left of a page for title, note and axes: the note is twice as long in a column of half the width.
_REST_MM, _NARROW_REST_MM = 50.0, 74.0


def split_pages(lines: Sequence[ForestLine], *, headed: bool = True) -> list[list[ForestLine]]:
    """Split lines into pages that fit a page of print in the style of now, never within a model."""
    fits = int((PAGE_MM - (_NARROW_REST_MM if is_narrow() else _REST_MM)) / _LINE_MM)
    models = list(dict.fromkeys(line.model.id for line in lines))
    pages: list[list[ForestLine]] = []
    used = fits + 1.0
    for model_id in models:
        block = [line for line in lines if line.model.id == model_id]
        needs = _count(block, headed)
        if not headed and (not pages or pages[-1][-1].model.outcome != block[0].model.outcome):
            needs += _PANEL_EXTRA_MM / _LINE_MM
        if used + needs > fits:
            pages.append([])
            used = 0.0
        pages[-1] += block
        used += needs
    return pages


def plot_forest(results: StudyResults, lines: Sequence[ForestLine], *, title: str, headed: bool) -> Figure:
    """Plot a forest: a panel an outcome, each with its own axis.

    Parameters
    ----------
    results : StudyResults
        For labels and provenance.
    lines : sequence of ForestLine
        Of one outcome or more.
    title : str
        Of the figure.
    headed : bool
        Whether the lines of a model stand under its name.

    Returns
    -------
    Figure
    """
    panels = {
        o: [x for x in lines if x.model.outcome == o] for o in dict.fromkeys(x.model.outcome for x in lines)
    }
    counts = [_count(mine, headed) for mine in panels.values()]
    head = _NARROW_HEAD_MM if is_narrow() else _HEAD_MM
    height = sum(counts) * _LINE_MM + len(panels) * _PANEL_EXTRA_MM + head
    note = _note(results, lines)
    width = page_width()
    with use_style():
        drawn = make_figure(width, height + note_height_mm(note, width))
        axes = drawn.subplots(len(panels), 1, squeeze=False, height_ratios=counts)[:, 0]
        for panel, (outcome, mine) in zip(axes, panels.items(), strict=True):
            _draw_panel(panel, results, outcome, mine, headed=headed)
        study = results.study
        axis = f"Change, or difference in change, over {study.horizon:g} {study.time_unit}"
        axes[-1].set_xlabel(wrap_title(axis, 0.6))
        # The legend stands to the right of the title, which must not run into it.
        drawn.suptitle(wrap_title(title, 0.6), x=0.01, ha="left", fontsize=9.0)
        drawn.legend(handles=_handles(lines), loc="outside upper right", ncols=grid_columns())
        add_note(drawn, note)
    return drawn


def _pitch() -> float:
    """Height that an estimand takes, in lines."""
    return 1.0 + (_LABEL if is_narrow() else 0.0)


def _count(lines: Sequence[ForestLine], headed: bool) -> float:
    heads = [_head(label) for label in {line.model.id: line.model.label for line in lines}.values()]
    return _pitch() * len(lines) + (sum(_head_height(head) for head in heads) if headed else 0)


def _head(label: str) -> str:
    """Break a model's name into lines where it would leave a single column, bold letters being wider."""
    return "\n".join(wrap_small(label, 0.85 * page_width())) if is_narrow() else label


def _head_height(head: str) -> float:
    """Height that a model's name takes, in lines."""
    return 1.0 + 0.7 * head.count("\n")


def _draw_panel(
    axes: Axes, results: StudyResults, outcome: str, lines: Sequence[ForestLine], *, headed: bool
) -> None:
    study = results.study
    variable = study.variable(outcome)
    gates = collect_gates(results)
    places: list[float] = []
    labels: list[str] = []
    y = 0.0
    for index, line in enumerate(lines):
        if headed and (index == 0 or lines[index - 1].model.id != line.model.id):
            head = _head(line.model.label)
            further = _head_height(head) - 1.0
            write_across(axes, f"{head}{gates.mark(line.model.id)}", y + 0.1 + further / 2.0, bold=True)
            y += 1.0 + further
        label = f"{_shorten(line)}{'' if headed else gates.mark(line.model.id)}"
        if is_narrow():
            write_across(axes, label, y + 0.1)
            y += _LABEL
        else:
            places.append(y)
            labels.append(label)
        _draw_line(axes, line, study.horizon, y)
        y += 1.0
    axes.axvline(0.0, color=GREY, linewidth=0.6, zorder=1)
    axes.set_yticks(places, labels)
    axes.tick_params(axis="y", length=0.0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(y - 0.5, -0.5)
    axes.set_title(f"{variable.label} ({variable.unit or 'points'})", loc="left", fontweight="bold")
    # In a single column the title takes this place, and the note alone says what stands on the right.
    if any(line.cell is not None for line in lines) and not is_narrow():
        axes.text(1.02, -0.65, "Printed", transform=axes.get_yaxis_transform(), fontsize=SMALL_PT, color=GREY)


def _shorten(line: ForestLine) -> str:
    """Drop the word slope, which the axis says already."""
    text = line.label.removeprefix("Slope, ").removeprefix("Slope ")
    return text[:1].upper() + text[1:]


def _draw_line(axes: Axes, line: ForestLine, horizon: float, y: float) -> None:
    axes.axhline(y, color=LIGHT, linewidth=0.4, zorder=0)
    rows = [row for row in tabulate_line(horizon, line) if row["estimate_over_horizon"] is not None]
    lanes = _LANES if any(row["source"] == "printed" for row in rows) else _TWO_LANES
    for row in rows:
        colour, marker, fill = _LOOK[str(row["source"])]
        place = y + lanes[str(row["source"])]
        estimate, lower, upper = (row[n] for n in ("estimate_over_horizon", "lower_95", "upper_95"))
        assert estimate is not None
        if lower is not None and upper is not None:
            axes.plot([float(lower), float(upper)], [place, place], color=colour, linewidth=0.9, zorder=2)
        (mark,) = axes.plot(
            [float(estimate)],
            [place],
            color=colour,
            marker=marker,
            markerfacecolor=fill,
            markeredgewidth=0.7,
            markersize=3.2,
            linestyle="none",
            zorder=3,
        )
        say_value(mark, _value_text(line, row))
    if line.cell is not None:
        times = f" \N{MULTIPLICATION SIGN}{line.factor:g}" if line.factor != 1.0 else ""
        text = use_minus_sign(line.cell.printed) + times
        axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), fontsize=SMALL_PT, va="center")


def _value_text(line: ForestLine, row: PlotRow) -> str:
    numbers = [row[name] for name in ("estimate_over_horizon", "lower_95", "upper_95")]
    middle, *ends = (format_number(float(x)) for x in numbers if x is not None)
    interval = f" [{ends[0]}, {ends[1]}]" if ends else ""
    return use_minus_sign(f"{_shorten(line)}, {row['source']}: {middle}{interval}")


def _handles(lines: Sequence[ForestLine]) -> list[Line2D]:
    shown = {
        "printed": any(line.cell is not None for line in lines),
        "ML": any(line.quantity is not None for line in lines),
        "Bayes": any(line.quantity is not None and line.quantity.bayes is not None for line in lines),
    }
    names = {"printed": "Printed", "ML": "ML", "Bayes": "Bayes"}
    handles = []
    for source in SOURCES:
        colour, marker, fill = _LOOK[source]
        if shown[source]:
            handles.append(
                Line2D(
                    [],
                    [],
                    color=colour,
                    marker=marker,
                    markerfacecolor=fill,
                    linewidth=0.9,
                    label=names[source],
                )
            )
    return handles


def _note(results: StudyResults, lines: Sequence[ForestLine]) -> str:
    has_print = any(line.cell is not None for line in lines)
    horizon = f"{results.study.horizon:g} {results.study.time_unit}"
    printed = "Printed: estimate \N{PLUS-MINUS SIGN} 1.96 SE as rounded in print; " if has_print else ""
    parts = [
        f"95 % intervals. {printed}ML: Satterthwaite t; Bayes: posterior median and equal-tailed interval."
    ]
    if has_print:
        parts.append(
            f"Right: the cell as printed, per unit of time; the axis shows it times {horizon}"
            + (
                ", and times the factor shown beside it"
                if any(x.factor != 1.0 for x in lines if x.cell)
                else ""
            )
            + ". ns: printed as not significant, without a number."
        )
    absent = list(dict.fromkeys(line.model.label for line in lines if line.quantity is None))
    if absent:
        parts.append(f"Not run, printed only: {'; '.join(absent)}.")
    parts += collect_gates(results).notes(line.model.id for line in lines)
    parts.append(describe_provenance(results, printed=has_print))
    return " ".join(parts)
