"""Predictive scores patient by patient: where a model gains and loses, and how far importance weights hold.

Patients stand in the order of their numbers, not of the data, and without any name.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_alliance.assess.loo import PARETO_K_THRESHOLD, Target
from bayes_alliance.inference.fits import Array
from bayes_alliance.run.results import ComparisonSet, StudyResults
from bayes_alliance.show.disclosure import SCORE_GROUP
from bayes_alliance.show.format_numbers import format_fixed, use_minus_sign
from bayes_alliance.show.plots.line_layout import lay_lines, name_lines
from bayes_alliance.show.plots.style import (
    BLACK,
    BLUE,
    GREY,
    LIGHT,
    SMALL_PT,
    VERMILLION,
    PlotRow,
    add_note,
    draw_ticks,
    grid_columns,
    make_figure,
    note_height_mm,
    page_width,
    say_value,
    split_panels,
    use_style,
    wrap_title,
)
from bayes_alliance.show.provenance import describe_provenance
from bayes_alliance.show.tables.gates import collect_gates, name_model
from bayes_alliance.show.tables.record import Value
from bayes_alliance.study.records import Source

_PANEL_MM, _LINE_MM = 42.0, 5.4
MAX_PANELS = 6
_NAMES: dict[Target, str] = {
    "new_patient": "New patient",
    "new_visit_conditional": "New visit, given the effects",
    "new_cluster": "New group of patients",
}


def shown_comparisons(results: StudyResults) -> list[ComparisonSet]:
    """List the comparisons of the outcomes that the study's figures show, or all where it shows none."""
    study = results.study
    outcomes = {study.model(model_id).outcome for figure in study.figures for model_id in figure.models}
    several = [comparison for comparison in results.comparisons if len(comparison.models) > 1]
    return [comparison for comparison in several if comparison.outcome in outcomes] or several


def compared_pairs(results: StudyResults, comparison: ComparisonSet) -> list[tuple[str, str]]:
    """Pair each model with its reference within a comparison; of more than six, the largest differences."""
    present = {model.model_id: model.elpd["new_patient"] for model in comparison.models}
    pairs = []
    for model_id in present:
        reference = results.study.model(model_id).reference
        if reference in present and reference != model_id:
            pairs.append((model_id, reference))
    if not pairs:
        first = comparison.models[0].model_id
        pairs = [(model_id, first) for model_id in present if model_id != first]
    largest = sorted(pairs, key=lambda pair: -abs(present[pair[0]] - present[pair[1]]))[:MAX_PANELS]
    return [pair for pair in pairs if pair in largest]


def tabulate_patient_scores(
    results: StudyResults, comparison: ComparisonSet, pairs: Sequence[tuple[str, str]]
) -> list[PlotRow]:
    """Compute the difference in elpd of each patient between a model and its reference.

    Parameters
    ----------
    results : StudyResults
        For labels.
    comparison : ComparisonSet
        With scores for a new patient.
    pairs : sequence of (str, str)
        Model and reference, of those that :func:`compared_pairs` gives.

    Returns
    -------
    list of mapping
        ``rank`` 1 is the patient for whom the model loses most; ``cumulated`` sums up to the elpd difference. Of
        real data each row is the mean of ten patients or more who follow each other in that order, rounded to two
        decimals: what is known of one patient to many digits gives that patient's ratings away. With fewer than
        twenty patients there is no row.
    """
    rows: list[PlotRow] = []
    for model_id, reference in pairs:
        difference = np.sort(
            comparison.scores[model_id]["new_patient"].elpd_i
            - comparison.scores[reference]["new_patient"].elpd_i
        )
        named: dict[str, Value] = {"comparison": comparison.name, "model": model_id, "reference": reference}
        if results.source is Source.REAL:
            rows += [{**named, **row} for row in _grouped(difference)]
            continue
        total = np.cumsum(difference)
        rows += [
            {
                **named,
                "rank": rank + 1,
                "elpd_diff": float(difference[rank]),
                "cumulated": float(total[rank]),
            }
            for rank in range(len(difference))
        ]
    return rows


def _grouped(difference: Array) -> list[PlotRow]:
    """Average sorted differences over groups of nearly equal size, of ten or more."""
    count = len(difference) // SCORE_GROUP
    if count < 2:
        return []
    parts = np.array_split(difference, count)
    ends = np.cumsum([len(part) for part in parts])
    total = np.cumsum([part.sum() for part in parts])
    return [
        {
            "rank": int(end),
            "n_patients": len(part),
            "elpd_diff": round(float(part.mean()), 2),
            "cumulated": round(float(summed), 2),
        }
        for part, end, summed in zip(parts, ends, total, strict=True)
    ]


def pages_of_pairs(results: StudyResults, comparison: ComparisonSet) -> list[list[tuple[str, str]]]:
    """Split the pairs of a comparison into figures that fit a page in the style of now."""
    pairs = compared_pairs(results, comparison)
    return [[pairs[i] for i in page] for page in split_panels(len(pairs), _PANEL_MM)]


def plot_patient_scores(
    results: StudyResults, comparison: ComparisonSet, pairs: Sequence[tuple[str, str]]
) -> Figure:
    """Plot the sorted differences of each pair: one panel per model."""
    rows = tabulate_patient_scores(results, comparison, pairs)
    step = (
        "Each step is the mean of ten patients or more, sorted by the difference; above zero the model predicts their "
        if results.source is Source.REAL
        else "Each step is a patient, sorted by the difference; above zero the model predicts that patient's "
    )
    note = (
        f"{step}visits better "
        "than its reference does. The sum of all is the elpd difference, with its standard error. A difference that "
        f"rests on a few patients at one end is fragile. {_tail(results, [m for pair in pairs for m in pair])}"
    )
    width = page_width()
    columns = min(grid_columns(), len(pairs))
    lines = math.ceil(len(pairs) / columns)
    with use_style():
        figure = make_figure(width, lines * _PANEL_MM + 14.0 + note_height_mm(note, width))
        axes = list(figure.subplots(lines, columns, sharey=True, squeeze=False).ravel())
        for spare in axes[len(pairs) :]:
            spare.set_axis_off()
        for panel, (model_id, reference) in zip(axes, pairs, strict=False):
            mine = [row for row in rows if row["model"] == model_id]
            shown = [
                float(row["elpd_diff"] or 0.0) for row in mine for _ in range(int(row.get("n_patients") or 1))
            ]
            _draw_scores(panel, shown, _total(comparison, model_id, reference))
            against = results.study.model(reference).label
            title = f"{name_model(results, collect_gates(results), model_id)}\nagainst {against}"
            panel.set_title(
                "\n".join(textwrap.fill(t, 36) for t in title.split("\n")), loc="left", fontsize=SMALL_PT
            )
            panel.set_xlabel("Patients, by rank")
        for panel in axes[::columns]:
            panel.set_ylabel("Difference in elpd")
        label = results.study.variable(comparison.outcome).label
        figure.suptitle(wrap_title(f"Who is predicted better: {label}"), x=0.01, ha="left", fontsize=9.0)
        add_note(figure, note)
    return figure


def _total(comparison: ComparisonSet, model_id: str, reference: str) -> tuple[float, float]:
    """Return the elpd difference and its standard error over patients."""
    one, other = (comparison.scores[name]["new_patient"].elpd_i for name in (model_id, reference))
    values = np.sort(one - other)
    return float(values.sum()), float(np.sqrt(len(values) * values.var(ddof=1)))


def _draw_scores(axes: Axes, difference: Sequence[float], summed: tuple[float, float]) -> None:
    values = np.array(difference)
    ranks = np.arange(1, len(values) + 1)
    axes.axhline(0.0, color=GREY, linewidth=0.6)
    axes.fill_between(
        ranks, 0.0, values, where=list(values < 0.0), step="mid", color=VERMILLION, alpha=0.5, linewidth=0.0
    )
    axes.fill_between(
        ranks, 0.0, values, where=list(values >= 0.0), step="mid", color=BLUE, alpha=0.5, linewidth=0.0
    )
    axes.step(ranks, values, where="mid", color=BLACK, linewidth=0.7)
    total, se = summed
    text = use_minus_sign(f"{format_fixed(total, 1)} (SE {format_fixed(se, 1)})")
    axes.text(0.04, 0.94, text, transform=axes.transAxes, fontsize=SMALL_PT, va="top")


def tabulate_pareto_k(results: StudyResults, comparison: ComparisonSet) -> list[PlotRow]:
    """List the Pareto k of every patient (visit) of each model, sorted; nothing of real data.

    The table of checks says how many are too large, whatever the data.
    """
    return [] if results.source is Source.REAL else list(_pareto_rows(comparison))


def _pareto_rows(comparison: ComparisonSet) -> Iterator[PlotRow]:
    for model in comparison.models:
        for target in _shown(comparison):
            score = comparison.scores[model.model_id][target]
            for rank, k in enumerate(np.sort(score.pareto_k)[::-1], start=1):
                yield {
                    "comparison": comparison.name,
                    "model": model.model_id,
                    "target": target,
                    "rank": rank,
                    "pareto_k": float(k),
                    "n_refitted": score.n_refitted,
                }


def _shown(comparison: ComparisonSet) -> list[Target]:
    return [target for target in _NAMES if target in comparison.models[0].elpd]


def plot_pareto_k(results: StudyResults, comparison: ComparisonSet) -> Figure:
    """Plot the Pareto k of each model: one line per model, one panel per target."""
    rows = tabulate_pareto_k(results, comparison)
    models = [model.model_id for model in comparison.models]
    gates = collect_gates(results)
    note = (
        f"Pareto k of the importance weights of each left-out unit. Above {PARETO_K_THRESHOLD:g} (dashed) PSIS cannot "
        "be trusted: such patients are refitted without, and their k is that of the refit. Numbers on the right: how "
        f"many are above. {_tail(results, models)}"
    )
    names = [name_model(results, gates, model_id) for model_id in models]
    lines = lay_lines(names, _LINE_MM, letters=38)
    width, shown = page_width(), _shown(comparison)
    with use_style():
        figure = make_figure(width, lines.count * _LINE_MM + 24.0 + note_height_mm(note, width))
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axes, target in zip(panels, shown, strict=True):
            for y, model_id in zip(lines.places, models, strict=True):
                values = np.array(
                    [
                        float(r["pareto_k"] or 0.0)
                        for r in rows
                        if r["model"] == model_id and r["target"] == target
                    ]
                )
                _draw_pareto(axes, values, y, results.study.model(model_id).label)
            axes.axvline(PARETO_K_THRESHOLD, color=VERMILLION, linestyle="--", linewidth=0.8)
            axes.set_title(wrap_title(_NAMES[target], 0.5), loc="left", fontweight="bold")
            axes.set_xlabel("Pareto k")
        name_lines(panels, lines)
        label = results.study.variable(comparison.outcome).label
        figure.suptitle(wrap_title(f"Can the scores be trusted: {label}"), x=0.01, ha="left", fontsize=9.0)
        add_note(figure, note)
    return figure


def _draw_pareto(axes: Axes, values: Array, y: float, label: str) -> None:
    axes.axhline(y, color=LIGHT, linewidth=0.4, zorder=0)
    known = values[np.isfinite(values)]
    bad = known > PARETO_K_THRESHOLD
    draw_ticks(axes, known[~bad], y, colour=BLUE, half=0.2)
    draw_ticks(axes, known[bad], y, colour=VERMILLION, half=0.25)
    if len(known):
        (mark,) = axes.plot([known.max()], [y], marker="o", markersize=7.0, alpha=0.0, linestyle="none")
        say_value(
            mark, f"{label}: largest k {format_fixed(float(known.max()), 2)}, {int(bad.sum())} above 0.7"
        )
    axes.text(
        1.01,
        y,
        str(int(bad.sum())),
        transform=axes.get_yaxis_transform(),
        fontsize=SMALL_PT,
        va="center",
        color=GREY,
    )


def _tail(results: StudyResults, model_ids: Sequence[str]) -> str:
    return " ".join([*collect_gates(results).notes(model_ids), describe_provenance(results)])
