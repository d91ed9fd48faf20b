"""Posterior predictive checks."""

from __future__ import annotations

from bayes_alliance.assess.posterior_predictive import PredictiveStatistic
from bayes_alliance.run.results import PredictiveResult, StudyResults
from bayes_alliance.show.format_numbers import format_interval, format_number, format_p
from bayes_alliance.show.labels import label_group
from bayes_alliance.show.tables.checks import _MODEL, _table
from bayes_alliance.show.tables.gates import Gates, name_model
from bayes_alliance.show.tables.record import (
    Column,
    Table,
    Value,
    exact_columns,
    number_column,
    shown_column,
    text_column,
)

# Mean and SD of two rows give both values away.
MIN_ROWS_SHOWN = 5


def tabulate_predictive(results: StudyResults, gates: Gates) -> Table:
    """Build the table of observed statistics beside those of replicates."""
    columns = (
        *_MODEL,
        text_column("statistic", "Statistic"),
        text_column("group", "Subgroup"),
        text_column("window", f"Window, {results.study.time_unit}"),
        number_column("n_rows", "Rows"),
        shown_column("observed_shown", "Observed"),
        shown_column("replicates", "Replicates: median [95 % interval]"),
        shown_column("p_shown", "p"),
        *exact_columns("observed", "replicates_median", "replicates_q2.5", "replicates_q97.5", "p"),
        Column(name="gate_failed", heading="gate_failed", shown="csv"),
    )
    rows = [
        _statistic(results, gates, found, statistic)
        for found in results.predictive
        for statistic in found.statistics
    ]
    notes = (
        "Replicates: new patients at the same visits, effects drawn afresh from the posterior; 95 % "
        "interval: equal-tailed. p: share of replicates above the observed value, ties counted half; near "
        "0 or 1 the model misses what it should show.",
        f"Observed values of fewer than {MIN_ROWS_SHOWN} rows are withheld: they tell of single patients.",
    )
    shown = [found.model_id for found in results.predictive]
    named = ("predictive_checks", "Posterior predictive checks")
    return _table(results, named, columns, rows, (*notes, *gates.notes(shown)))


def _statistic(
    results: StudyResults, gates: Gates, found: PredictiveResult, statistic: PredictiveStatistic
) -> dict[str, Value]:
    spread = max(statistic.upper - statistic.lower, 0.0) / 4.0
    row: dict[str, Value] = {
        "model": name_model(results, gates, found.model_id),
        "model_id": found.model_id,
        "gate_failed": gates.say(found.model_id),
        "statistic": statistic.name,
        "group": label_group(results.study, statistic.group),
        "window": statistic.bin,
        "n_rows": statistic.n_rows,
        "replicates": format_interval(statistic.median, statistic.lower, statistic.upper, spread),
        "replicates_median": statistic.median,
        "replicates_q2.5": statistic.lower,
        "replicates_q97.5": statistic.upper,
    }
    if statistic.n_rows < MIN_ROWS_SHOWN:
        return {**row, "observed_shown": "withheld"}
    observed = format_number(statistic.observed, spread)
    exact: dict[str, Value] = {"observed": statistic.observed, "p": statistic.p_value}
    return {**row, **exact, "observed_shown": observed, "p_shown": format_p(statistic.p_value)}
