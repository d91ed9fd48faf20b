"""Models compared, in words: which predicts best, by how much, or that there is no clear winner."""

from __future__ import annotations

from collections.abc import Iterable

from bayes_alliance.assess.loo_compare import clear_winner, is_clear_lead
from bayes_alliance.run.results import (
    ComparisonOverCohorts,
    ComparisonSet,
    ModelOverCohorts,
    StudyResults,
)
from bayes_alliance.show.format_numbers import format_fixed
from bayes_alliance.show.labels import label_comparison
from bayes_alliance.show.report.record import ComparisonView

NO_WINNER = "no clear winner"
# Models named of those that lead in some cohorts.
_MAX_NAMED = 3


def compare_leads(results: StudyResults) -> tuple[ComparisonView, ...]:
    """Return one line a set of models on the same rows; over all cohorts where the data are one of several.

    Parameters
    ----------
    results : StudyResults
        With its comparisons.
    """
    over = {item.name: item for item in results.ensemble.comparisons}
    return tuple(
        _over_cohorts(results, item, over[item.name]) if item.name in over else _compare(results, item)
        for item in results.comparisons
        if len(item.models) > 1
    )


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
        verdict=label(best.model_id).label if clear else NO_WINNER,
        lead=f"{format_fixed(lead, 1)} ({format_fixed(error, 1)})"
        + ("" if clear else f", {label(best.model_id).label} over {label(second.model_id).label}"),
        aic=label(lowest.model_id).label,
    )


def winner_over_cohorts(item: ComparisonOverCohorts) -> str | None:
    """Return the model that predicts clearly best over all cohorts, by the rule for one data set; None without one."""
    best, *rivals = item.models
    clear = all(is_clear_lead(-model.elpd_diff, model.se_diff) for model in rivals)
    return best.model_id if clear else None


def _over_cohorts(results: StudyResults, one: ComparisonSet, item: ComparisonOverCohorts) -> ComparisonView:
    best, second = item.models[:2]
    names = {model.model_id: results.study.model(model.model_id).label for model in item.models}
    clear = winner_over_cohorts(item) is not None
    lead = f"{format_fixed(-second.elpd_diff, 1)} ({format_fixed(second.se_diff, 1)})"
    return ComparisonView(
        title=label_comparison(results.study, item.name, one.outcome),
        n_models=len(item.models),
        n_patients=one.rows.n_patients,
        verdict=names[best.model_id] if clear else NO_WINNER,
        lead=f"{lead}, {names[best.model_id]} over {names[second.model_id]}",
        aic=_count(names, item.n, ((model, model.n_lowest_aic) for model in item.models)),
        led=_count(names, item.n, ((model, model.n_best) for model in item.models)),
        clearly=sum(model.n_clear for model in item.models),
        n_cohorts=item.n,
    )


def _count(names: dict[str, str], n: int, counts: Iterable[tuple[ModelOverCohorts, int]]) -> str:
    """Name the models that are first in some cohorts, each with in how many; the rarest together."""
    found = sorted(
        ((count, names[model.model_id]) for model, count in counts if count), key=lambda one: -one[0]
    )
    said = [f"{name} in {count} of {n}" for count, name in found[:_MAX_NAMED]]
    rest = found[_MAX_NAMED:]
    if rest:
        said.append(f"others in {sum(count for count, _ in rest)}")
    return "; ".join(said)
