"""The one table that goes into a paper: each effect by ML and by Bayes, in points over the study's horizon."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.format_numbers import INTERVAL_NAME, format_interval, format_p, format_summary
from bayes_alliance.show.labels import units_of
from bayes_alliance.show.plots.forest_lines import ForestLine, forest_lines, ml_numbers, printed_lines
from bayes_alliance.show.provenance import origin_of
from bayes_alliance.show.tables.gates import collect_gates
from bayes_alliance.show.tables.record import (
    Table,
    Value,
    build_table,
    exact_columns,
    shown_column,
    text_column,
)


def paper_lines(results: StudyResults) -> list[ForestLine]:
    """Return the effects of the paper's table: those printed, or all where nothing is; differences before slopes."""
    lines = [line for outcome in results.study.outcomes for line in printed_lines(results, outcome)]
    if not lines:
        lines = [line for outcome in results.study.outcomes for line in forest_lines(results, outcome)]
    return [line for line in lines if line.quantity is not None]


def tabulate_effects(results: StudyResults, lines: Sequence[ForestLine]) -> Table:
    """Build the table in APA style: predictor, b [95 % CI], posterior [95 % CrI], P(direction), P(negligible).

    Parameters
    ----------
    results : StudyResults
        Of a run.
    lines : sequence of ForestLine
        From :func:`paper_lines`.

    Returns
    -------
    Table
        P(negligible) is the posterior probability of a size below the smallest difference that matters.
    """
    study = results.study
    span = f"{study.horizon:g} {study.time_unit}"
    columns = (
        text_column("predictor", "Predictor"),
        shown_column("ml_shown", "b [95% CI]"),
        shown_column("bayes_shown", "Posterior [95% CrI]"),
        shown_column("direction_shown", "P(direction)"),
        shown_column("negligible_shown", "P(negligible)"),
        *exact_columns(
            "b", "b_lower", "b_upper", "posterior", "posterior_lower", "posterior_upper",
            "p_direction", "p_negligible",
        ),
    )  # fmt: skip
    gates = collect_gates(results)
    names = _name_lines(results, lines)
    rows = [
        _row(results, line, f"{name}{gates.mark(line.model.id)}")
        for line, name in zip(lines, names, strict=True)
    ]
    declared = study.publication.smallest_difference
    sizes = ", ".join(f"{study.variable(name).label} {size:g}" for name, size in declared)
    notes = [
        f"Effects are in {units_of(study)} over {span}. b: maximum likelihood, CI by t on Satterthwaite degrees of "
        "freedom. "
        f"Posterior: median with {INTERVAL_NAME} (CrI), prior set \N{LEFT SINGLE QUOTATION MARK}{results.prior}"
        "\N{RIGHT SINGLE QUOTATION MARK}. P(direction): probability of the more probable sign.",
        *gates.notes(line.model.id for line in lines),
    ]
    if sizes:
        notes.append(
            f"P(negligible): probability of a size below the smallest difference that matters ({sizes})."
        )
    named = ("table_effects", "Effects by maximum likelihood and by Bayes")
    return build_table(named, columns, rows, notes, origin_of(results))


def _name_lines(results: StudyResults, lines: Sequence[ForestLine]) -> list[str]:
    """Name each effect by its outcome, and by its model where that does not tell it apart."""
    short = [f"{results.study.variable(line.model.outcome).label}: {line.label}" for line in lines]
    counts = Counter(short)
    return [
        name if counts[name] == 1 else f"{line.model.label}: {line.label}"
        for name, line in zip(short, lines, strict=True)
    ]


def _row(results: StudyResults, line: ForestLine, name: str) -> dict[str, Value]:
    assert line.quantity is not None
    scale, ml, bayes = results.study.horizon, line.quantity.ml, line.quantity.bayes
    estimate, lower, upper = ml_numbers(ml, scale)
    row: dict[str, Value] = {
        "predictor": name,
        "ml_shown": format_interval(estimate, lower, upper, scale * ml.se),
        "b": estimate,
        "b_lower": lower,
        "b_upper": upper,
    }
    if bayes is None:
        return row
    negligible = _negligible(results, line)
    return row | {
        "bayes_shown": format_summary(bayes, scale=scale),
        "direction_shown": _short(format_p(bayes.p_direction)),
        "negligible_shown": "" if math.isnan(negligible) else _short(format_p(negligible)),
        "posterior": scale * bayes.median,
        "posterior_lower": scale * bayes.lower,
        "posterior_upper": scale * bayes.upper,
        "p_direction": bayes.p_direction,
        "p_negligible": negligible,
    }


def _short(text: str) -> str:
    """Leave out the zero before the point, as APA does for numbers that cannot exceed 1."""
    return text.replace("0.", ".", 1)


def _negligible(results: StudyResults, line: ForestLine) -> float:
    size = dict(results.study.publication.smallest_difference).get(line.model.outcome, math.nan)
    run = results.run(line.model.id)
    if math.isnan(size) or run is None or run.posterior is None:
        return math.nan
    named = {estimand.name: estimand.weights for estimand in line.model.estimands}
    draws = results.study.horizon * run.posterior.combine(named.get(line.name, ((line.name, 1.0),)))
    return float(np.mean(np.abs(draws) < size))
