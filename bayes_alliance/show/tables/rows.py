"""Which rows each model and each comparison rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bayes_alliance.run.plan import SkippedModel
from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.tables.checks import _table
from bayes_alliance.show.tables.record import Table, Value, number_column, text_column
from bayes_alliance.study.records import Source


def tabulate_rows(results: StudyResults) -> Table:
    """Build the table of the rows behind every model and comparison, and of what was set aside and why."""
    real = results.source is Source.REAL
    columns = (
        text_column("model", "Model or comparison"),
        text_column("model_id", "Id"),
        text_column("formula", "Formula"),
        number_column("n_patients", "Patients"),
        number_column("n_rows", "Rows"),
        text_column("left_out", "Set aside"),
        text_column("digest", "Set of rows" if real else "Digest of rows"),
    )
    names = _name_sets(results)
    rows = [*_own_rows(results, names), *_common_rows(results, names), *_skipped_rows(results)]
    digest = "" if real else f", digest {results.data_digest[:12]}"
    notes = [
        f"Data: {results.source.value}, {results.origin}{digest}.",
        f"Equal {'sets' if real else 'digests'}: the same rows and variables. A comparison holds the rows that all its "
        "models share.",
        *(f"Reading the data: {note}." for note in results.notes),
    ]
    return _table(results, ("rows", "Rows behind each model"), columns, rows, notes)


def _name_sets(results: StudyResults) -> dict[str, str]:
    """Name every set of rows: by digest, or by number where a digest would confirm a guess at patients' data."""
    used = [*(run.rows for run in results.runs), *(found.rows for found in results.comparisons)]
    digests = dict.fromkeys(rows.digest for rows in used)
    if results.source is Source.REAL:
        return {digest: f"set {number}" for number, digest in enumerate(digests, start=1)}
    return {digest: digest[:12] for digest in digests}


def _own_rows(results: StudyResults, names: Mapping[str, str]) -> Iterable[dict[str, Value]]:
    for run in results.runs:
        yield {
            "model": run.model.label,
            "model_id": run.model.id,
            "formula": run.design.formula.text,
            "n_patients": run.rows.n_patients,
            "n_rows": run.rows.n_rows,
            "left_out": "; ".join(run.left_out) or "nothing",
            "digest": names[run.rows.digest],
        }


def _common_rows(results: StudyResults, names: Mapping[str, str]) -> Iterable[dict[str, Value]]:
    for comparison in results.comparisons:
        yield {
            "model": f"Comparison: {comparison.name}",
            "model_id": comparison.name,
            "n_patients": comparison.rows.n_patients,
            "n_rows": comparison.rows.n_rows,
            "left_out": "; ".join(comparison.left_out) or "nothing",
            "digest": names[comparison.rows.digest],
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
