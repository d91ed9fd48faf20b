"""The figure of the register: the posterior from print alone against that from the data, for every printed effect."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from bayes_alliance.claims.register import EstimandAgreement, RegisterEntry
from bayes_alliance.show.labels import label_coefficient
from bayes_alliance.show.plots.style import (
    BLUE,
    DOUBLE_MM,
    GREY,
    LIGHT,
    VERMILLION,
    PlotRow,
    add_note,
    make_figure,
    note_height_mm,
    say_value,
    use_style,
)

_LINE_MM = 4.6
_NOTE = (
    "One line a printed effect. Every number is in SDs of its print-only posterior, from its mean: grey, 95 % interval "
    "from print alone; point and line, posterior mean and 95 % interval from the data under the same prior. A cross "
    "marks a miss. Printed: cells of the publications. Computed: real data."
)
ALT = (
    "Intervals from print alone and from the data, one line a printed effect of every registered study. Where they "
    "lie on each other, print alone told what the data tell."
)


def tabulate_agreement(entries: Sequence[RegisterEntry]) -> list[PlotRow]:
    """Return the plotted numbers: ends of both intervals in SDs of the print-only posterior from its mean."""
    return [_row(entry, one) for entry in entries for one in entry.estimands]


def _row(entry: RegisterEntry, one: EstimandAgreement) -> PlotRow:
    def standard(value: float) -> float:
        return round((value - one.print_mean) / one.print_sd, 4)

    model, effect = (
        entry.study.model(one.cell.model).label,
        label_coefficient(entry.study, one.cell.coefficient),
    )
    return {
        "study": entry.study.id,
        "model": model,
        "effect": effect,
        "print_lower": standard(one.print_lower),
        "print_upper": standard(one.print_upper),
        "data_mean": standard(one.data_mean),
        "data_lower": standard(one.data_lower),
        "data_upper": standard(one.data_upper),
        "missed": one.missed,
    }


def plot_agreement(entries: Sequence[RegisterEntry]) -> Figure:
    """Plot the print-only interval of every printed effect, and the data's posterior on it."""
    rows = tabulate_agreement(entries)
    with use_style():
        height = len(rows) * _LINE_MM + 22.0 + note_height_mm(_NOTE, DOUBLE_MM)
        figure = make_figure(DOUBLE_MM, height)
        axes = figure.subplots()
        for place, row in enumerate(rows):
            lower, upper = float(str(row["print_lower"])), float(str(row["print_upper"]))
            axes.barh(place, upper - lower, left=lower, height=0.7, color=LIGHT, linewidth=0)
            mean, ends = (
                float(str(row["data_mean"])),
                [float(str(row[f"data_{end}"])) for end in ("lower", "upper")],
            )
            colour, marker = (VERMILLION, "x") if row["missed"] else (BLUE, "o")
            axes.plot(ends, [place, place], color=colour, linewidth=1.0)
            (mark,) = axes.plot([mean], [place], color=colour, marker=marker, linestyle="none")
            say_value(mark, f"{row['study']}, {row['effect']}: {mean:.2f} [{ends[0]:.2f}, {ends[1]:.2f}]")
        axes.axvline(0.0, color=GREY, linewidth=0.5)
        axes.set_yticks(
            range(len(rows)), [f"{row['study']} · {row['model']} · {row['effect']}" for row in rows]
        )
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("SDs of the print-only posterior from its mean")
        figure.suptitle("Print alone against the data", x=0.01, ha="left", fontsize=9.0)
        add_note(figure, _NOTE)
    return figure
