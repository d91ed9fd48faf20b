"""Models of one comparison: the difference in AIC beside the difference in predictive density."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_alliance.run.results import ComparisonSet, StudyResults
from bayes_alliance.show.format_numbers import format_fixed
from bayes_alliance.show.labels import label_comparison
from bayes_alliance.show.plots.line_layout import lay_lines, name_lines
from bayes_alliance.show.plots.style import (
    BLUE,
    GREY,
    LIGHT,
    SMALL_PT,
    VERMILLION,
    PlotRow,
    add_note,
    make_figure,
    note_height_mm,
    page_width,
    say_value,
    use_style,
    wrap_title,
)
from bayes_alliance.show.provenance import describe_provenance
from bayes_alliance.show.tables.gates import collect_gates, name_model

_LINE_MM, _EXTRA_MM = 6.2, 24.0
# Letters of a model's name in a line beside the panels.
_NAME = 38


def tabulate_comparison_plot(results: StudyResults, comparison: ComparisonSet) -> list[PlotRow]:
    """Compute the plotted numbers of one comparison.

    Parameters
    ----------
    results : StudyResults
        For labels.
    comparison : ComparisonSet
        With scores for a new patient.

    Returns
    -------
    list of mapping
        One row a model, the best predictions first. ``minus_2_elpd_diff`` is -2 times the elpd difference from the
        best model, so 0 or positive and on the scale of AIC; its SE is twice that of the difference.
    """
    return [
        {
            "comparison": comparison.name,
            "model": model.model_id,
            "label": results.study.model(model.model_id).label,
            "aic_diff": model.aic_diff,
            "elpd_diff": model.elpd_diff["new_patient"],
            "elpd_diff_se": model.se_diff["new_patient"],
            "minus_2_elpd_diff": abs(-2.0 * model.elpd_diff["new_patient"]),
            "minus_2_elpd_diff_se": 2.0 * model.se_diff["new_patient"],
            "n_bad_k": model.n_bad_k["new_patient"],
            "n_patients": model.rows.n_patients,
            "n_rows": model.rows.n_rows,
        }
        for model in sorted(comparison.models, key=lambda model: -model.elpd["new_patient"])
    ]


def plot_comparison(results: StudyResults, comparison: ComparisonSet) -> Figure:
    """Plot one comparison: AIC differences on the left, -2 elpd differences with SE on the right.

    Both panels share their axis, since both are on the scale of -2 log density; smaller is better.
    """
    rows = tabulate_comparison_plot(results, comparison)
    note = _note(results, comparison)
    width = page_width()
    gates = collect_gates(results)
    names = [name_model(results, gates, str(row["model"])) for row in rows]
    lines = lay_lines(names, _LINE_MM, letters=_NAME)
    with use_style():
        drawn = make_figure(width, lines.count * _LINE_MM + _EXTRA_MM + note_height_mm(note, width))
        left, right = drawn.subplots(1, 2, sharey=True, sharex=True)
        for y, row in zip(lines.places, rows, strict=True):
            _draw_row(left, right, row, y)
        name_lines((left, right), lines)
        left.set_title("Fit: AIC (ML)", loc="left", fontweight="bold")
        left.set_xlabel(wrap_title("AIC above the smallest", 0.5))
        right.set_title(wrap_title("Prediction: new patient", 0.5), loc="left", fontweight="bold")
        right.set_xlabel(wrap_title("\N{MINUS SIGN}2 elpd above the best, \N{PLUS-MINUS SIGN}2 SE", 0.5))
        label = label_comparison(results.study, comparison.name, comparison.outcome)
        title = f"Models compared on the same rows: {label}"
        drawn.suptitle(wrap_title(title), x=0.01, ha="left", fontsize=9.0)
        add_note(drawn, note)
    return drawn


def _draw_row(left: Axes, right: Axes, row: PlotRow, y: float) -> None:
    aic, elpd = float(row["aic_diff"] or 0.0), float(row["minus_2_elpd_diff"] or 0.0)
    se = float(row["minus_2_elpd_diff_se"] or 0.0)
    for axes in (left, right):
        axes.axhline(y, color=LIGHT, linewidth=0.4, zorder=0)
        axes.axvline(0.0, color=GREY, linewidth=0.6, zorder=1)
    # One poor model stretches the axis and hides what lies between the others: the numbers stand beside.
    spread = "" if elpd == 0.0 else f" \N{PLUS-MINUS SIGN} {format_fixed(se, 1)}"
    for axes, text in ((left, format_fixed(aic, 1)), (right, f"{format_fixed(elpd, 1)}{spread}")):
        axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), fontsize=SMALL_PT, va="center")
    (fit,) = left.plot([aic], [y], color=BLUE, marker="o", linestyle="none")
    say_value(fit, f"{row['label']}: AIC +{format_fixed(aic, 1)}")
    right.plot([elpd - 2.0 * se, elpd + 2.0 * se], [y, y], color=VERMILLION, linewidth=0.9)
    # An open marker: the score rests on patients whom importance sampling could not leave out.
    face = "white" if row["n_bad_k"] else VERMILLION
    (score,) = right.plot([elpd], [y], color=VERMILLION, marker="D", markerfacecolor=face, linestyle="none")
    say_value(score, f"{row['label']}: \N{MINUS SIGN}2 elpd +{format_fixed(elpd, 1)}{spread}")


def _note(results: StudyResults, comparison: ComparisonSet) -> str:
    gates = collect_gates(results)
    parts = [
        f"{comparison.rows.n_patients} patients, {comparison.rows.n_rows} rows, the same for every model. "
        "Smaller is better; both on the scale of \N{MINUS SIGN}2 log density. "
        "PSIS-LOO. Bars: two standard errors of the difference from the best model either way.",
        *gates.notes(model.model_id for model in comparison.models),
    ]
    if any(model.n_bad_k["new_patient"] for model in comparison.models):
        parts.append("Open marker: some patients have Pareto k above 0.7.")
    return " ".join([*parts, describe_provenance(results)])
