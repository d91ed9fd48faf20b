"""Models compared, in words: which predicts best, by how much, or that there is no clear winner."""

from __future__ import annotations

from bayes_alliance.assess.loo_compare import clear_winner
from bayes_alliance.run.results import ComparisonSet, StudyResults
from bayes_alliance.show.labels import label_comparison
from bayes_alliance.show.numbers import format_fixed
from bayes_alliance.show.report.record import ComparisonView


def compare_leads(results: StudyResults) -> tuple[ComparisonView, ...]:
    """Return one line a set of models on the same rows.

    Parameters
    ----------
    results : StudyResults
        With its comparisons.
    """
    return tuple(_compare(results, item) for item in results.comparisons if len(item.models) > 1)


def _compare(results: StudyResults, item: ComparisonSet) -> ComparisonView:
    ranked = sorted(item.models, key=lambda model: -model.elpd["new_patient"])
    best, second = ranked[:2]
    lead, error = -second.elpd_diff["new_patient"], second.se_diff["new_patient"]
    lowest = min(item.models, key=lambda model: model.aic)
    label = results.study.model
    clear = clear_winner(item.models, "new_patient") is not None
    return ComparisonView(
        title=label_comparison(results.study, item.name, item.outcome),
        n_models=len(item.models),
        n_patients=item.rows.n_patients,
        verdict=label(best.model_id).label if clear else "no clear winner",
        lead=f"{format_fixed(lead, 1)} ({format_fixed(error, 1)})"
        + ("" if clear else f", {label(best.model_id).label} over {label(second.model_id).label}"),
        aic=label(lowest.model_id).label,
    )
