"""Which rows each model and each comparison rests on."""

from __future__ import annotations

from collections.abc import Iterable

from bayes_alliance.run.plan import SkippedModel
from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.tables.checks import _table
from bayes_alliance.show.tables.record import Table, Value, number_column, text_column


def tabulate_rows(results: StudyResults) -> Table:
    """Build the table of the rows behind every model and comparison, and of what was set aside and why."""
    columns = (
        text_column("model", "Model or comparison"),
        text_column("model_id", "Id"),
        text_column("formula", "Formula"),
        number_column("n_patients", "Patients"),
        number_column("n_rows", "Rows"),
        text_column("left_out", "Set aside"),
        text_column("digest", "Digest of rows"),
    )
    rows = [*_own_rows(results), *_common_rows(results), *_skipped_rows(results)]
    notes = [
        f"Data: {results.source.value}, {results.origin}, digest {results.data_digest[:12]}.",
        "Equal digests: the same rows and variables. A comparison holds the rows that all its models share.",
        *(f"Reading the data: {note}." for note in results.notes),
    ]
    return _table(results, ("rows", "Rows behind each model"), columns, rows, notes)


def _own_rows(results: StudyResults) -> Iterable[dict[str, Value]]:
    for run in results.runs:
        yield {
            "model": run.model.label,
            "model_id": run.model.id,
            "formula": run.design.formula.text,
            "n_patients": run.rows.n_patients,
            "n_rows": run.rows.n_rows,
            "left_out": "; ".join(run.left_out) or "nothing",
            "digest": run.rows.digest[:12],
        }


def _common_rows(results: StudyResults) -> Iterable[dict[str, Value]]:
    for comparison in results.comparisons:
        yield {
            "model": f"Comparison: {comparison.name}",
            "model_id": comparison.name,
            "n_patients": comparison.rows.n_patients,
            "n_rows": comparison.rows.n_rows,
            "left_out": "; ".join(comparison.left_out) or "nothing",
            "digest": comparison.rows.digest[:12],
        }


def _skipped_rows(results: StudyResults) -> Iterable[dict[str, Value]]:
    for skipped in results.skipped:
        model = results.study.model(skipped.model_id)
        yield {
            "model": model.label,
            "model_id": model.id,
            "formula": model.formula,
            "left_out": _why(skipped),
        }


def _why(skipped: SkippedModel) -> str:
    if skipped.comparison:
        return f"left out of comparison {skipped.comparison}: {skipped.reason}"
    return f"not run: {skipped.reason}"
