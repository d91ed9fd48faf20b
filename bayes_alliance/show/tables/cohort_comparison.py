"""Models compared on every cohort of an ensemble: in how many each leads, and by how much over all of them."""

from __future__ import annotations

from collections.abc import Sequence

from bayes_alliance.run.results import ComparisonOverCohorts, ModelOverCohorts
from bayes_alliance.show.format_numbers import format_estimate_se, format_fixed
from bayes_alliance.show.labels import label_comparison
from bayes_alliance.show.tables.cohorts import LIMITS
from bayes_alliance.show.tables.record import (
    Column,
    Table,
    Value,
    exact_columns,
    number_column,
    pick_rows,
    shown_column,
    text_column,
)
from bayes_alliance.study.records import Study

_COLUMNS = (
    text_column("comparison", "Comparison"),
    text_column("model", "Model"),
    number_column("n_cohorts", "Cohorts"),
    number_column("n_best", "Highest elpd in"),
    number_column("n_clear", "Clear lead in"),
    number_column("n_lowest_aic", "Lowest AIC in"),
    shown_column("diff_shown", "Mean elpd difference(SE)"),
    shown_column("between_shown", "SD between cohorts"),
    shown_column("aic_shown", "Mean AIC difference"),
    Column(name="model_id", heading="model_id", shown="csv"),
    *exact_columns("elpd_diff", "elpd_diff_se", "between_sd", "aic_diff"),
)
_NOTES = (
    "Each comparison is made on every cohort, by the collapsed engine under the default prior. elpd difference: new "
    "patient, from the model with the highest mean. Its SE counts patients (mean of the cohorts' squared SEs) and "
    "cohorts (variance between them times 1 + 1/m, as for multiple imputation; Rubin 1987). Clear lead: as in the "
    "table of models compared. AIC difference: from the lowest of each cohort.",
    LIMITS,
)


def tabulate_cohort_comparison(study: Study, comparisons: Sequence[ComparisonOverCohorts]) -> Table:
    """Build the table of models compared over the cohorts, a line for each model.

    Parameters
    ----------
    study : Study
        For labels.
    comparisons : sequence of ComparisonOverCohorts
        Of the ensemble.

    Returns
    -------
    Table
    """
    return Table(
        id="comparison_cohorts",
        title="Models compared over the synthetic cohorts",
        columns=_COLUMNS,
        rows=pick_rows(_COLUMNS, (_row(study, item, model) for item in comparisons for model in item.models)),
        notes=_NOTES,
        provenance="Synthetic data: every cohort prints the published tables.",
        stamp="synthetic",
    )


def _row(study: Study, item: ComparisonOverCohorts, model: ModelOverCohorts) -> dict[str, Value]:
    is_first = model is item.models[0]
    return {
        "comparison": label_comparison(study, item.name, study.model(model.model_id).outcome),
        "model": study.model(model.model_id).label,
        "model_id": model.model_id,
        "n_cohorts": item.n,
        "n_best": model.n_best,
        "n_clear": model.n_clear,
        "n_lowest_aic": model.n_lowest_aic,
        "diff_shown": "0" if is_first else format_estimate_se(model.elpd_diff, model.se_diff),
        "between_shown": "" if is_first else format_fixed(model.between_sd, 1),
        "aic_shown": format_fixed(model.aic_diff, 1),
        "elpd_diff": model.elpd_diff,
        "elpd_diff_se": model.se_diff,
        "between_sd": model.between_sd,
        "aic_diff": model.aic_diff,
    }
