"""Fitted mean trajectories: what a model says of the mean of each subgroup over time, by both inferences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_alliance.inference.fits import Array, MixedFit
from bayes_alliance.run.results import ModelRun, StudyResults
from bayes_alliance.show.format_numbers import format_fixed, use_minus_sign
from bayes_alliance.show.plots.behind_trajectories import (
    FITTED,
    RAW,
    context_rows,
    describe_context,
    draw_context,
)
from bayes_alliance.show.plots.style import (
    BLACK,
    COLOURS,
    GREY,
    PAGE_MM,
    SMALL_PT,
    PlotRow,
    add_note,
    grid_columns,
    make_figure,
    note_height_mm,
    page_width,
    say_value,
    spread_positions,
    tidy,
    use_style,
    wrap_title,
)
from bayes_alliance.show.plots.trajectory_rows import trajectory_rows
from bayes_alliance.show.provenance import describe_provenance
from bayes_alliance.show.tables.gates import collect_gates
from bayes_alliance.show.tables.record import Value
from bayes_alliance.study.records import Source, Study, TrajectoryFigure, Variable

N_TIMES = 37
_COUNTS_MM = 4.0  # height of a line of counts below a panel
_Z = 1.959963984540054
_PANEL_MM = 62.0


def held_at_zero(x_names: Sequence[str], values: Mapping[str, float | str], *, time: str) -> list[str]:
    """List the predictors that a line does not name: they are held at 0 or the reference level."""
    parts = [part.partition("[")[0] for name in x_names for part in name.split(":")]
    return [name for name in dict.fromkeys(parts) if name not in ("Intercept", time, *values)]


def tabulate_trajectories(results: StudyResults, figure: TrajectoryFigure) -> list[PlotRow]:
    """Compute the plotted numbers: mean trajectories of each model and line, by ML and Bayes.

    Parameters
    ----------
    results : StudyResults
        Of a run.
    figure : TrajectoryFigure
        Which models and lines.

    Returns
    -------
    list of mapping
        One row a model, line and time, ``series`` fitted; Bayes is empty without a posterior, and models that were
        not run are absent. Then, in column ``value``, what stands behind them: raw means with counts, the printed
        line of all patients at both ends, and other cohorts' lines at both ends.
    """
    rows: list[PlotRow] = []
    for model_id in figure.models:
        run = results.run(model_id)
        for label, values in figure.lines if run is not None else ():
            assert run is not None
            rows += _line_rows(results.study, run, label, dict(values))
    return [*rows, *context_rows(results, figure)]


def _line_rows(study: Study, run: ModelRun, label: str, values: dict[str, float | str]) -> list[PlotRow]:
    times = np.linspace(0.0, study.horizon, N_TIMES)
    x = trajectory_rows(run.ml.x_names, times, values, time=study.time)
    mean, half = _ml_line(run.ml, x)
    bayes = np.full((3, len(times)), np.nan)
    if run.posterior is not None:
        beta = run.posterior.flat()[0]
        bayes = np.quantile(beta @ x.T, [0.025, 0.5, 0.975], axis=0)
    held = ", ".join(held_at_zero(run.ml.x_names, values, time=study.time))
    has = run.posterior is not None
    return [
        {
            "series": FITTED,
            "model": run.model.id,
            "outcome": run.model.outcome,
            "line": label,
            "held_at_zero": held,
            study.time: float(times[i]),
            "ml_mean": float(mean[i]),
            "ml_lower_95": float(mean[i] - half[i]),
            "ml_upper_95": float(mean[i] + half[i]),
            "bayes_median": float(bayes[1, i]) if has else None,
            "bayes_q2.5": float(bayes[0, i]) if has else None,
            "bayes_q97.5": float(bayes[2, i]) if has else None,
            "n_patients": run.rows.n_patients,
            "n_rows": run.rows.n_rows,
            "value": None,
        }
        for i in range(len(times))
    ]


def _ml_line(fit: MixedFit, x: Array) -> tuple[Array, Array]:
    """Mean of the ML fit and half the width of its pointwise 95 % Wald band."""
    return x @ fit.beta, _Z * np.sqrt(np.einsum("np,pq,nq->n", x, fit.beta_cov, x))


def plot_trajectories(results: StudyResults, figure: TrajectoryFigure) -> Figure:
    """Plot mean trajectories: one panel a model, one line a subgroup, posterior with its band and ML on top.

    Parameters
    ----------
    results, figure
        As in :func:`tabulate_trajectories`.

    Returns
    -------
    Figure
        Labelled beside the lines; y axes are shared where the outcomes have the same scale.
    """
    every = tabulate_trajectories(results, figure)
    rows = [row for row in every if row["series"] == FITTED]
    context = [row for row in every if row["series"] != FITTED]
    note = _note(results, figure, rows, context)
    with use_style():
        width, count = page_width(), len(figure.models)
        stacked = grid_columns() == 1
        counted = any(row["series"] == RAW for row in context)
        height = (_PANEL_MM + (_COUNTS_MM * (len(figure.lines) + 1) if counted else 0.0)) * (
            count if stacked else 1
        )
        drawn = make_figure(width, min(height + note_height_mm(note, width) + 8.0, PAGE_MM))
        shared = _same_scale(results.study, figure)
        shape = (count, 1) if stacked else (1, count)
        axes = list(drawn.subplots(*shape, sharey=shared, squeeze=False).ravel())
        for index, (panel, model_id) in enumerate(zip(axes, figure.models, strict=True)):
            mine = [row for row in rows if row["model"] == model_id]
            _draw_panel(panel, results, figure, model_id, mine)
            behind = [row for row in context if row["model"] == model_id]
            draw_context(panel, results.study, figure, behind, counts_left=index == 0 or stacked)
            if index == 0 or not shared or stacked:
                panel.set_ylabel(score_label(results.study, model_id, shared=shared))
        for panel in axes if shared else ():
            panel.set_ylim(_limits(results.study, figure, rows, context))
        _name_lines(axes[-1], figure, rows)
        drawn.suptitle(wrap_title(figure.title), x=0.01, ha="left", fontsize=9.0)
        add_note(drawn, note)
    return drawn


def _draw_panel(
    axes: Axes, results: StudyResults, figure: TrajectoryFigure, model_id: str, rows: Sequence[PlotRow]
) -> None:
    study = results.study
    title = f"{study.variable(study.model(model_id).outcome).label}{collect_gates(results).mark(model_id)}"
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xlabel(f"Time ({study.time_unit})")
    axes.set_xlim(0.0, study.horizon)
    axes.set_xticks(np.linspace(0.0, study.horizon, _n_ticks(study.horizon)))
    tidy(axes)
    if not rows:
        axes.text(0.5, 0.5, "not run", transform=axes.transAxes, ha="center", color=GREY)
        return
    for index, (label, _) in enumerate(figure.lines):
        mine = [row for row in rows if row["line"] == label]
        series = [_floats(mine, name) for name in _names(study, mine)]
        _draw_line(axes, series, index)
        _say_values(axes, study, label, series)


def _names(study: Study, rows: Sequence[PlotRow]) -> tuple[str, ...]:
    """Columns of time, middle, lower, upper and ML; without a posterior ML stands for it."""
    if rows[0]["bayes_median"] is None:
        return (study.time, "ml_mean", "ml_lower_95", "ml_upper_95", "ml_mean")
    return (study.time, "bayes_median", "bayes_q2.5", "bayes_q97.5", "ml_mean")


def _draw_line(axes: Axes, series: Sequence[Array], index: int) -> None:
    times, middle, lower, upper, ml = series
    colour = COLOURS[index % len(COLOURS)]
    axes.fill_between(times, lower, upper, color=colour, alpha=0.15, linewidth=0.0)
    axes.plot(times, middle, color=colour)
    axes.plot(times, ml, color=BLACK, linestyle=(0, (3, 3)), linewidth=0.7)


def _say_values(axes: Axes, study: Study, label: str, series: Sequence[Array]) -> None:
    """Lay an invisible mark on every third time, which shows its value when it is pointed at."""
    for time, middle, lower, upper, _ in list(zip(*series, strict=True))[::3]:
        (mark,) = axes.plot([time], [middle], marker="o", markersize=7.0, alpha=0.0, linestyle="none")
        values = f"{format_fixed(middle, 2)} [{format_fixed(lower, 2)}, {format_fixed(upper, 2)}]"
        say_value(mark, use_minus_sign(f"{label}, {time:g} {study.time_unit}: {values}"))


def _floats(rows: Sequence[PlotRow], name: str) -> Array:
    return np.array([_float(row[name]) for row in rows])


def _float(value: Value) -> float:
    return float("nan") if value is None else float(value)


def _n_ticks(horizon: float) -> int:
    """Ticks at whole numbers where the horizon has a handy divisor."""
    for count in (6, 4, 7, 5):
        if (horizon / count).is_integer():
            return count + 1
    return 5


def _name_lines(axes: Axes, figure: TrajectoryFigure, rows: Sequence[PlotRow]) -> None:
    """Name the lines of the last panel that was run at their right end, in their colours."""
    last = [row for row in rows if row["model"] == figure.models[-1]]
    if not last:
        return
    ends = {}
    for row in last:
        middle = row["ml_mean"] if row["bayes_median"] is None else row["bayes_median"]
        ends[row["line"]] = _float(middle)
    bottom, top = axes.get_ylim()
    texts = [label.replace(", ", ",\n") for label, _ in figure.lines]
    gap = (top - bottom) / _PANEL_MM * 1.3 * 3.2 * max(text.count("\n") + 1 for text in texts)
    places = spread_positions([ends[label] for label, _ in figure.lines], gap=gap)
    for index, (text, place) in enumerate(zip(texts, places, strict=True)):
        end = ends[figure.lines[index][0]]
        axes.annotate(
            text,
            xy=(1.0, end),
            xytext=(1.06, place),
            xycoords=("axes fraction", "data"),
            textcoords=("axes fraction", "data"),
            color=COLOURS[index % len(COLOURS)],
            fontsize=SMALL_PT,
            va="center",
            arrowprops={
                "arrowstyle": "-",
                "color": COLOURS[index % len(COLOURS)],
                "linewidth": 0.5,
                "relpos": (0.0, 0.5),
                "shrinkA": 1.0,
                "shrinkB": 0.0,
            },
        )


def _same_scale(study: Study, figure: TrajectoryFigure) -> bool:
    return len({_scale(study, study.model(m).outcome) for m in figure.models}) == 1


def _scale(study: Study, outcome: str) -> tuple[float | None, float | None, str]:
    variable = study.variable(outcome)
    if isinstance(variable, Variable):
        return variable.minimum, variable.maximum, variable.unit
    return None, None, variable.unit


def score_label(study: Study, model_id: str, *, shared: bool = False) -> str:
    """Return the label of a score axis: the outcome, or ``Mean score`` of several, with unit and scale.

    Parameters
    ----------
    study : Study
        For the outcome's variable.
    model_id : str
        Of the panel's model.
    shared : bool
        Whether panels of several outcomes share the axis.
    """
    low, high, unit = _scale(study, study.model(model_id).outcome)
    name = "Mean score" if shared else study.variable(study.model(model_id).outcome).label
    scale = f"; scale {low:g} to {high:g}" if low is not None and high is not None else ""
    return f"{name} ({unit or 'points'}{scale})"


def _limits(
    study: Study, figure: TrajectoryFigure, rows: Sequence[PlotRow], context: Sequence[PlotRow]
) -> tuple[float, float]:
    """Whole scale where the bands fill a good part of it, else the bands with a margin, within the scale."""
    low, high, _ = _scale(study, study.model(figure.models[0]).outcome)
    names = ("ml_lower_95", "ml_upper_95", "bayes_q2.5", "bayes_q97.5")
    shown = [_float(row[name]) for row in rows for name in names if row[name] is not None]
    shown += [_float(row["value"]) for row in context]
    if not shown:
        return (low or 0.0, high or 1.0)
    bottom, top = min(shown), max(shown)
    margin = 0.05 * (top - bottom)
    if low is not None and high is not None and top - bottom > 0.6 * (high - low):
        return low, high
    lower = bottom - margin if low is None else max(bottom - margin, low)
    upper = top + margin if high is None else min(top + margin, high)
    return lower, upper


def _note(
    results: StudyResults, figure: TrajectoryFigure, rows: Sequence[PlotRow], context: Sequence[PlotRow]
) -> str:
    has_posterior = any(row["bayes_median"] is not None for row in rows)
    drawn = (
        "Coloured: posterior median of the mean trajectory with pointwise 95 % equal-tailed credible band; "
        "dashed: ML."
        if has_posterior
        else "Coloured: ML with pointwise 95 % confidence band; no posterior in this run."
    )
    counts = {row["model"]: f"{row['n_patients']} patients, {row['n_rows']} rows" for row in rows}
    names = {m: results.study.variable(results.study.model(m).outcome).label for m in figure.models}
    said = "; ".join(f"{names[str(model)]}: {text}" for model, text in counts.items())
    held = sorted({str(row["held_at_zero"]) for row in rows if row["held_at_zero"]})
    zero = f" Held at 0 or the reference level: {'; '.join(held)}." if held else ""
    missing = [names[m] for m in figure.models if results.run(m) is None]
    absent = f" Not run: {', '.join(missing)}." if missing else ""
    failed = "".join(f" {note}" for note in collect_gates(results).notes(figure.models))
    real = results.source is Source.REAL
    behind = describe_context(context, results.study.time_unit, in_tens=real)
    return f"{drawn}{behind} {said}.{zero}{absent}{failed} {describe_provenance(results)}"
