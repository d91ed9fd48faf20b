"""Published tables of models, cell by cell: what was printed beside what both inferences give.

Three tables for each published one, since its columns hold three kinds of number: estimates, explained
variation, and fit. Every printed cell has its line, also where its model could not be run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bayes_alliance.inference.ml import score_aic
from bayes_alliance.run.results import ModelRun, StudyResults
from bayes_alliance.show.format_numbers import (
    INTERVAL_NAME,
    format_estimate_se,
    format_fixed,
    format_p,
    format_summary,
)
from bayes_alliance.show.labels import name_file
from bayes_alliance.show.provenance import describe_inference, origin_of
from bayes_alliance.show.tables.gates import Footnotes, Gates
from bayes_alliance.show.tables.record import (
    Column,
    Table,
    Value,
    build_table,
    exact_columns,
    number_column,
    shown_column,
    text_column,
)
from bayes_alliance.show.tables.shared_columns import (
    PRIOR_COLUMNS,
    SHIFT_COLUMN,
    SHIFT_NOTE,
    effect_columns,
    mixture_values,
    quantity_values,
    spread_columns,
    spread_notes,
    spread_values,
    summary_columns,
    summary_values,
    why_absent,
)
from bayes_alliance.study.records import Cell

Fill = Callable[[ModelRun, Cell], dict[str, Value]]
_PLACE = (text_column("row", "Row"), text_column("column", "Column"), text_column("printed", "Printed"))
_END = (
    number_column("n_patients", "Patients"),
    number_column("n_rows", "Rows"),
    Column(name="refer", heading="Notes", shown="markdown"),
    Column(name="model", heading="model", shown="csv"),
    Column(name="answered_by", heading="answered_by", shown="csv"),
    Column(name="status", heading="status", shown="csv"),
    Column(name="gate_failed", heading="gate_failed", shown="csv"),
    Column(name="note", heading="note", shown="csv"),
)
_ESTIMATES = (
    *_PLACE,
    shown_column("ml", "ML: estimate(SE)"),
    shown_column("reml", "REML: estimate(SE)"),
    shown_column("bayes", f"Bayes: median [{INTERVAL_NAME}]"),
    shown_column("p_direction", "P(direction)"),
    SHIFT_COLUMN,
    *_END,
    *effect_columns("ml"),
    *effect_columns("reml"),
    *summary_columns(),
    *PRIOR_COLUMNS,
)
_EXPLAINED = (
    *_PLACE,
    shown_column("same", "ML, reference on the same rows, %"),
    shown_column("own", "ML, reference on all its rows, %"),
    shown_column("share", f"Another quantity: within-model share, Bayes, % [{INTERVAL_NAME}]"),
    *_END,
    *exact_columns("ml_same_rows_percent", "ml_reference_on_all_its_rows_percent"),
    *summary_columns("bayes_within_model_share_percent"),
)
_FIT = (
    *_PLACE,
    shown_column("aic", "AIC (ML)"),
    shown_column("aic_reml", "AIC (REML as SPSS counts)"),
    shown_column("aic_common", "AIC (ML), rows of the LOO"),
    shown_column("looic", "-2 elpd, new patient, LOO (SE)"),
    *_END,
    *exact_columns(
        "aic_ml",
        "aic_spss_reml",
        "aic_ml_loo_rows",
        "elpd_new_patient",
        "elpd_new_patient_se",
        "minus_2_elpd",
        "loo_n_patients",
        "loo_n_rows",
    ),
)


def tabulate_cells(results: StudyResults, gates: Gates) -> list[Table]:
    """Build the tables of every published table that has cells of models.

    Parameters
    ----------
    results : StudyResults
        Of a run; cells come from its study.
    gates : Gates
        Models to be marked.

    Returns
    -------
    list of Table
        Up to three for each published table: estimates, explained variation, fit.
    """
    found = []
    for name in dict.fromkeys(cell.table for cell in results.study.cells):
        cells = [cell for cell in results.study.cells if cell.table == name]
        for part in (_tabulate_estimates, _tabulate_explained, _tabulate_fit):
            table = part(results, gates, name, cells)
            if table.rows:
                found.append(table)
    return found


def _tabulate_estimates(results: StudyResults, gates: Gates, name: str, cells: Sequence[Cell]) -> Table:
    spread = {(item.model_id, item.name): item for item in results.ensemble.spread}
    mixture = {(item.model_id, item.name): item for item in results.ensemble.mixture}

    def fill(run: ModelRun, cell: Cell) -> dict[str, Value]:
        key = cell.model, cell.coefficient
        over_cohorts = {**spread_values(spread.get(key)), **mixture_values(mixture.get(key))}
        return {**quantity_values(run.quantity(cell.coefficient)), **over_cohorts}

    chosen = [cell for cell in cells if cell.quantity == "estimate"]
    notes = [*describe_inference(results), SHIFT_NOTE, *spread_notes(results)]
    columns = (*_ESTIMATES[:8], *spread_columns(results), *_ESTIMATES[8:])
    return _table(results, gates, (name, "estimates", "ml"), chosen, columns, fill, notes)


def _tabulate_explained(results: StudyResults, gates: Gates, name: str, cells: Sequence[Cell]) -> Table:
    chosen = [cell for cell in cells if cell.quantity in ("explained_intercept", "explained_slope")]
    notes = (
        "ML: 100 (reference variance - model variance) / reference variance between two fits; negative "
        "values are shown as they are. Where the two columns differ, the reference rests on more rows.",
        "The within-model share is another quantity than what was printed: the per cent of the variance of "
        "patients' intercepts (slopes) that the model's own predictors carry, draw by draw; never negative.",
    )
    return _table(
        results, gates, (name, "explained variation", "same"), chosen, _EXPLAINED, _explained, notes
    )


def _explained(run: ModelRun, cell: Cell) -> dict[str, Value]:
    is_slope = cell.quantity == "explained_slope"
    if run.explained is None:
        test = run.slope_test
        tested = f"; random slope: p {_compact(test.p_mixture)} (mixture)" if is_slope and test else ""
        return {"same": f"reference{tested}"}
    found = run.explained
    same = found.slope if is_slope else found.intercept
    own = found.as_printed_slope if is_slope else found.as_printed_intercept
    share = found.share_slope if is_slope else found.share_intercept
    return {
        "same": format_fixed(same, 1),
        "own": format_fixed(own, 1),
        "share": format_summary(share),
        "ml_same_rows_percent": same,
        "ml_reference_on_all_its_rows_percent": own,
        **summary_values(share, "bayes_within_model_share_percent"),
    }


def _compact(p: float) -> str:
    text = format_p(p)
    return text if text[0] in "<>" else f"= {text}"


def _tabulate_fit(results: StudyResults, gates: Gates, name: str, cells: Sequence[Cell]) -> Table:
    def fill(run: ModelRun, _: Cell) -> dict[str, Value]:
        ml, reml = score_aic(run.ml, "ml"), score_aic(run.reml, "spss_reml")
        shown = {"aic": format_fixed(ml, 1), "aic_reml": format_fixed(reml, 1)}
        return {**shown, "aic_ml": ml, "aic_spss_reml": reml, **_loo(results, run)}

    chosen = [cell for cell in cells if cell.quantity == "aic"]
    notes = (
        "AIC (ML): -2 log likelihood + 2 (fixed + covariance parameters). REML as SPSS counts: the REML "
        "criterion + 2 covariance parameters. Both on all rows that carry the model, and AIC (ML) once more on the "
        "rows of the LOO, which are those that every model of the comparison shares.",
        "LOO: expected log predictive density of all visits of a new patient (PSIS, leave one patient out), "
        "times -2 to stand on the scale of AIC; on the rows that every model of the comparison shares, whose "
        "number stands behind it. Compare it within a comparison only (see table comparison).",
    )
    return _table(results, gates, (name, "fit", "aic"), chosen, _FIT, fill, notes)


def _loo(results: StudyResults, run: ModelRun) -> dict[str, Value]:
    scores = [c.scores[run.model.id] for c in results.comparisons if run.model.id in c.scores]
    if not scores:
        return {}
    score = scores[0]["new_patient"]
    (aic,) = (
        model.aic
        for comparison in results.comparisons
        if comparison.scores.get(run.model.id) is scores[0]
        for model in comparison.models
        if model.model_id == run.model.id
    )
    shown = format_estimate_se(-2.0 * score.elpd, 2.0 * score.se)
    again = f"; {score.n_refitted} refitted" if score.n_refitted else ""
    bad = f"; {score.n_bad_k} with k > 0.7" if score.n_bad_k else ""
    return {
        "aic_common": format_fixed(aic, 1),
        "aic_ml_loo_rows": aic,
        "looic": f"{shown}; {score.rows.n_rows} rows{bad}{again}",
        "elpd_new_patient": score.elpd,
        "elpd_new_patient_se": score.se,
        "minus_2_elpd": -2.0 * score.elpd,
        "loo_n_patients": score.rows.n_patients,
        "loo_n_rows": score.rows.n_rows,
    }


def _table(
    results: StudyResults,
    gates: Gates,
    kind: tuple[str, str, str],
    cells: Iterable[Cell],
    columns: tuple[Column, ...],
    fill: Fill,
    notes: Sequence[str],
) -> Table:
    """Build one table; ``kind``: the published table, what of it, and the column that says why not."""
    name, part, said_in = kind
    footnotes = Footnotes()
    rows = [_row(results, gates, footnotes, cell, fill, said_in) for cell in cells]
    named = (
        f"table_{name_file(name)}_{name_file(part)}",
        f"Table {name} of the publication, {part}: printed beside ML and Bayes",
    )
    below = (*notes, *footnotes.notes(), *gates.notes(cell.model for cell in cells))
    return build_table(named, columns, rows, below, origin_of(results, printed="column"))


def _row(
    results: StudyResults, gates: Gates, footnotes: Footnotes, cell: Cell, fill: Fill, said_in: str
) -> dict[str, Value]:
    run = results.run(cell.model) if cell.model else None
    row: dict[str, Value] = {
        "row": f"{cell.row}{gates.mark(cell.model)}",
        "column": cell.column,
        "printed": cell.printed,
        "refer": footnotes.refer(_note(results, cell)),
        "model": cell.model,
        "answered_by": cell.coefficient,
        "gate_failed": gates.say(cell.model),
        "note": _note(results, cell),
    }
    if run is None:
        status = why_absent(results, cell.model) if cell.model else "reference cell; not a coefficient"
        return {**row, "status": status, said_in: status}
    counts: dict[str, Value] = {"n_patients": run.rows.n_patients, "n_rows": run.rows.n_rows, "status": "run"}
    return {**row, **counts, **fill(run, cell)}


def _note(results: StudyResults, cell: Cell) -> str:
    model_note = results.study.model(cell.model).note if cell.model and cell.quantity == "estimate" else ""
    return ". ".join(note for note in (cell.note, model_note) if note)
