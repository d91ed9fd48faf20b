"""The figure of the register: posteriors from print alone and of the mixture against that from the data, by effect."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from bayes_alliance.claims.register import EstimandAgreement, RegisterEntry
from bayes_alliance.show.labels import label_printed
from bayes_alliance.show.plots.style import (
    BLUE,
    DOUBLE_MM,
    GREY,
    LIGHT,
    ORANGE,
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
    "from print alone; orange, of the mixture over data sets drawn given print, where they can be drawn (synthetic); "
    "blue point and line, posterior mean and 95 % interval from the data under the same prior. A cross marks a miss of "
    "print alone. Printed: cells of the publications. Computed: real data."
)
ALT = (
    "Intervals from print alone, of the mixture over drawn data sets and from the data, one line a printed effect of "
    "every registered study. Where they lie on each other, print told what the data tell."
)


def tabulate_agreement(entries: Sequence[RegisterEntry]) -> list[PlotRow]:
    """Return the plotted numbers: ends of all intervals in SDs of the print-only posterior from its mean."""
    return [_row(entry, one) for entry in entries for one in entry.estimands]


def _row(entry: RegisterEntry, one: EstimandAgreement) -> PlotRow:
    def standard(value: float) -> float:
        return round((value - one.by_print.mean) / one.by_print.sd, 4)

    return {
        "study": entry.study.id,
        "model": entry.study.model(one.cell.model).label,
        "effect": label_printed(entry.study, one.cell),
        "print_lower": standard(one.by_print.lower),
        "print_upper": standard(one.by_print.upper),
        "mixture_lower": standard(one.by_mixture.lower) if one.by_mixture else "",
        "mixture_upper": standard(one.by_mixture.upper) if one.by_mixture else "",
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
            if row["mixture_lower"] != "":
                drawn = [float(str(row[f"mixture_{end}"])) for end in ("lower", "upper")]
                axes.plot(drawn, [place + 0.22] * 2, color=ORANGE, linewidth=1.6)
            mean, ends = (
                float(str(row["data_mean"])),
                [float(str(row[f"data_{end}"])) for end in ("lower", "upper")],
            )
            colour, marker = (VERMILLION, "x") if row["missed"] else (BLUE, "o")
            axes.plot(ends, [place - 0.12] * 2, color=colour, linewidth=1.0)
            (mark,) = axes.plot([mean], [place - 0.12], color=colour, marker=marker, linestyle="none")
            say_value(mark, f"{row['study']}, {row['effect']}: {mean:.2f} [{ends[0]:.2f}, {ends[1]:.2f}]")
        axes.axvline(0.0, color=GREY, linewidth=0.5)
        axes.set_yticks(
            range(len(rows)), [f"{row['study']} · {row['model']} · {row['effect']}" for row in rows]
        )
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("SDs from the print-only mean")
        figure.suptitle("Print alone and mixture against the data", x=0.01, ha="left", fontsize=9.0)
        add_note(figure, _NOTE)
    return figure
