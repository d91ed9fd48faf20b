"""Raw means, printed lines and lines of other cohorts, drawn behind fitted mean trajectories, with their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bayes_alliance.run.results import ModelRun, StudyResults
from bayes_alliance.show.format_numbers import format_fixed
from bayes_alliance.show.plots.style import BLACK, COLOURS, GREY, MARKERS, SMALL_PT, PlotRow, say_value
from bayes_alliance.show.plots.trajectory_context import cohort_lines, printed_line, raw_means, row_times
from bayes_alliance.show.plots.trajectory_rows import trajectory_rows
from bayes_alliance.study.records import Study, TrajectoryFigure

FITTED, RAW, PRINTED, COHORT = "fitted", "raw mean", "printed", "cohort"
EVERYBODY = "All patients"
_EMPTY = (
    "ml_mean",
    "ml_lower_95",
    "ml_upper_95",
    "bayes_median",
    "bayes_q2.5",
    "bayes_q97.5",
)
_COUNTS_PT, _LINE_PT = -36.0, 10.0  # where the lines of counts begin below the axis, and their distance


def context_rows(results: StudyResults, figure: TrajectoryFigure) -> list[PlotRow]:
    """Compute what stands behind the lines of a figure, in rows like those of its lines.

    Parameters
    ----------
    results : StudyResults
        Of a run.
    figure : TrajectoryFigure
        Which models and lines.
    """
    rows: list[PlotRow] = []
    for model_id in figure.models:
        run = results.run(model_id)
        if run is None:
            continue
        for label, pairs in figure.lines:
            rows += _of_line(results, run, label, dict(pairs))
        rows += _of_print(results.study, run)
    return rows


def _of_line(
    results: StudyResults, run: ModelRun, label: str, values: dict[str, float | str]
) -> Iterator[PlotRow]:
    study, names = results.study, run.ml.x_names
    at_rows = trajectory_rows(names, row_times(run, study.time), values, time=study.time)
    for mean in raw_means(results, run, values, at_rows):
        counts = mean.n_patients, mean.n_rows
        yield _row(study, run, RAW, label, mean.time, mean.mean, counts)
    ends = np.array([0.0, study.horizon])
    x = trajectory_rows(names, ends, values, time=study.time)
    for number, line in enumerate(cohort_lines(results, run, x)):
        for time, value in zip(ends, line, strict=True):
            yield _row(study, run, f"{COHORT} {number}", label, float(time), float(value))


def _of_print(study: Study, run: ModelRun) -> Iterator[PlotRow]:
    printed = printed_line(study, run.model.id)
    if printed is not None:
        intercept, slope = printed
        for time in (0.0, study.horizon):
            yield _row(study, run, PRINTED, EVERYBODY, time, intercept + slope * time)


def _row(
    study: Study,
    run: ModelRun,
    series: str,
    label: str,
    time: float,
    value: float,
    counts: tuple[int | None, int | None] = (None, None),
) -> PlotRow:
    return {
        "series": series,
        "model": run.model.id,
        "outcome": run.model.outcome,
        "line": label,
        "held_at_zero": "",
        study.time: time,
        **dict.fromkeys(_EMPTY),
        "n_patients": counts[0],
        "n_rows": counts[1],
        "value": value,
    }


def draw_context(
    axes: Axes, study: Study, figure: TrajectoryFigure, rows: Sequence[PlotRow], *, counts_left: bool
) -> None:
    """Draw the rows of one panel: cohorts faint, the printed line dotted, raw means as open marks with counts below.

    Parameters
    ----------
    axes : Axes
        The panel.
    study : Study
        For its unit of time.
    figure : TrajectoryFigure
        For the order of its lines.
    rows : sequence of mapping
        Of :func:`context_rows`, of this panel.
    counts_left : bool
        Whether the lines of counts are named here.
    """
    for index, (label, _) in enumerate(figure.lines):
        mine = [row for row in rows if row["line"] == label]
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        for series in dict.fromkeys(str(row["series"]) for row in mine if row["series"] != RAW):
            ends = [row for row in mine if row["series"] == series]
            axes.plot(*_points(study, ends), color=colour, linewidth=0.4, alpha=0.35, zorder=1.5)
        _draw_means(axes, study, [row for row in mine if row["series"] == RAW], label, colour, marker)
    printed = [row for row in rows if row["series"] == PRINTED]
    if printed:
        (line,) = axes.plot(*_points(study, printed), color=GREY, linewidth=1.0, linestyle=(0, (1, 1.5)))
        say_value(line, f"{EVERYBODY}, printed intercept and slope")
    _write_counts(axes, study, figure, rows, named=counts_left)


def _points(study: Study, rows: Sequence[PlotRow]) -> tuple[list[float], list[float]]:
    return [_number(row, study.time) for row in rows], [_number(row, "value") for row in rows]


def _number(row: PlotRow, name: str) -> float:
    value = row[name]
    return float("nan") if value is None else float(value)


def _draw_means(
    axes: Axes, study: Study, rows: Sequence[PlotRow], label: str, colour: str, marker: str
) -> None:
    for row in rows:
        time, value = _number(row, study.time), _number(row, "value")
        (mark,) = axes.plot(
            [time],
            [value],
            marker=marker,
            color=colour,
            markerfacecolor="white",
            linestyle="none",
            clip_on=False,
        )
        said = f"{label}, raw mean at {time:.1f} {study.time_unit}: {format_fixed(value, 2)}"
        say_value(mark, f"{said}, {row['n_patients']} patients")


def _write_counts(
    axes: Axes, study: Study, figure: TrajectoryFigure, rows: Sequence[PlotRow], *, named: bool
) -> None:
    """Write the patients behind each raw mean below the axis, as below a survival curve."""
    raw = [row for row in rows if row["series"] == RAW]
    if not raw:
        return
    placed: dict[str, Any] = {
        "xycoords": ("data", "axes fraction"),
        "textcoords": "offset points",
        "fontsize": SMALL_PT,
        "va": "center",
    }
    if named:
        axes.annotate(
            "Patients behind each raw mean", xy=(0.0, 0.0), xytext=(0.0, _COUNTS_PT), color=BLACK, **placed
        )
    edges = np.linspace(0.0, study.horizon, 5)
    for index, (label, _) in enumerate(figure.lines):
        height = _COUNTS_PT - _LINE_PT * (index + 1)
        for row in raw:
            if row["line"] == label:
                window = min(int(np.searchsorted(edges, _number(row, study.time), side="right")), 4) - 1
                axes.annotate(
                    str(row["n_patients"]),
                    xy=(float(edges[window : window + 2].mean()), 0.0),
                    xytext=(0.0, height),
                    color=COLOURS[index % len(COLOURS)],
                    ha="center",
                    **placed,
                )


def describe_context(rows: Sequence[PlotRow], unit: str, *, in_tens: bool = False) -> str:
    """Return what the marks behind the lines are; empty without any.

    Parameters
    ----------
    rows : sequence of mapping
        Of :func:`context_rows`.
    unit : str
        Of time.
    in_tens : bool
        Whether numbers of patients are rounded to tens.
    """
    series = {str(row["series"]) for row in rows}
    cohorts = sum(name.startswith(COHORT) for name in series)
    said = []
    if RAW in series:
        tens = ", rounded to tens" if in_tens else ""
        said.append(
            f"Open marks: raw means by quarter of the {unit}, with the number of patients below{tens}."
        )
    if PRINTED in series:
        said.append("Dotted: all patients, by printed intercept and slope.")
    if cohorts:
        said.append(f"Thin: posterior means of {cohorts} synthetic cohorts.")
    return "".join(f" {text}" for text in said)
