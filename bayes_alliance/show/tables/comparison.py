"""Models compared: elpd, differences, weights, beside AIC."""

from __future__ import annotations

import math

from bayes_alliance.assess.loo import Target
from bayes_alliance.assess.loo_compare import ComparedModel, clear_winner
from bayes_alliance.run.results import ComparisonSet, StudyResults
from bayes_alliance.show.format_numbers import format_estimate_se, format_fixed
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

TARGET_NAMES: dict[Target, str] = {
    "new_patient": "new patient",
    "new_visit": "new visit",
    "new_visit_conditional": "new visit, given the patient's effects",
    "new_cluster": "new group of patients",
}


_NOTES = (
    "Models of one comparison rest on the same rows, all fitted by the collapsed engine. AIC "
    "difference: from the smallest. elpd difference: from the best, 0 or negative; P(worse): normal "
    "approximation to that difference. elpd by PSIS-LOO (ArviZ's loo and compare; Vehtari, Gelman & "
    "Gabry 2017, doi:10.1007/s11222-016-9696-4) on the marginal likelihood. Visits of a patient are not "
    "independent, so SEs of scores of visits are those of sums by patient. MCSE: how far another seed might move "
    "elpd.",
    "No clear winner: the best model leads another by fewer than 4 points, or by fewer than two SEs.",
    "Stacking weights (Yao et al. 2018, doi:10.1214/17-BA1091) are those of the mixture of the models' predictions "
    "that predicts best, not probabilities of the models: a small model keeps weight where it predicts some "
    "patients better, and of two models that predict alike one may get all of it.",
    "Remarks of ArviZ: N < 100, too few units for the normal approximation to the difference; |elpd_diff| < 4, "
    "a difference too small to tell the models apart, whatever its SE.",
    "What each predicts. New patient: all visits of a patient not seen. New visit: a visit of a patient seen "
    "at the others, the patient's effects integrated out. Given the patient's effects: the same, the effects "
    "being parameters. Scores of visits are by the package's own PSIS, which a test holds to ArviZ's.",
    "Where models have several levels or correlated residuals, all effects are integrated out. New patient: all visits "
    "of a patient not seen, in a group (therapist, clinic, school) that is known. New visit: from the patient's other "
    "visits and the others of the group. New group of patients: all patients of a group not seen. A visit given "
    "sampled effects is not scored there.",
    "Why they differ. AIC/-2 is on the scale of elpd, and estimates the new-patient score: in large samples, with "
    "flat priors, the number of parameters stands for what leaving a patient out costs; few patients, informative "
    "priors and a wrong model part the two. The "
    "scores of a new visit lean on the patient's other visits, which tell much of what a predictor would have "
    "told, so predictors gain less there (Merkle, Furr & Rabe-Hesketh 2019, doi:10.1007/s11336-019-09679-0). "
    "The conditional score moves with each patient's effects, which a single visit can sway: hence more "
    "Pareto k above 0.7, and no use as a stand-in for AIC.",
)


def tabulate_comparison(results: StudyResults, gates: Gates) -> Table:
    """Build the table of AIC beside predictive scores, a line for each model and target."""
    columns = (
        text_column("comparison", "Comparison"),
        *_MODEL,
        number_column("n_patients", "Patients"),
        number_column("n_rows", "Rows"),
        number_column("n_parameters", "Parameters"),
        shown_column("aic_shown", "AIC (ML)"),
        shown_column("aic_diff_shown", "AIC difference"),
        text_column("target", "Predicted"),
        shown_column("elpd_shown", "elpd(SE)"),
        shown_column("diff_shown", "elpd difference(SE)"),
        shown_column("weight_shown", "Stacking weight"),
        shown_column("p_worse_shown", "P(worse)"),
        shown_column("mcse_shown", "MCSE"),
        number_column("n_bad_k", "k > 0.7"),
        text_column("remark", "Remarks"),
        *exact_columns(
            "aic",
            "aic_diff",
            "elpd",
            "elpd_se",
            "elpd_diff",
            "elpd_diff_se",
            "weight",
            "p_worse",
            "elpd_mcse",
        ),
        Column(name="gate_failed", heading="gate_failed", shown="csv"),
    )
    rows = [
        _compared(results, gates, comparison, model, target)
        for comparison in results.comparisons
        for target in comparison.models[0].elpd
        for model in comparison.models
    ]
    shown = [m.model_id for c in results.comparisons for m in c.models]
    return _table(results, ("comparison", "Models compared"), columns, rows, (*_NOTES, *gates.notes(shown)))


# Over 40 lines: the cells of one row, as shown and then in full.
def _compared(
    results: StudyResults, gates: Gates, comparison: ComparisonSet, model: ComparedModel, target: Target
) -> dict[str, Value]:
    is_best = model.elpd_diff[target] == 0.0
    p_worse = model.p_worse[target]
    count = comparison.scores[model.model_id][target].n_refitted
    refitted = f"{count} refitted without the patient" if count else ""
    lead = ""
    if is_best and len(comparison.models) > 1:
        lead = (
            "clearly best" if clear_winner(comparison.models, target) == model.model_id else "no clear winner"
        )
    difference = format_estimate_se(model.elpd_diff[target], model.se_diff[target])
    return {
        "comparison": comparison.name,
        "model": name_model(results, gates, model.model_id),
        "model_id": model.model_id,
        "gate_failed": gates.say(model.model_id),
        "n_patients": model.rows.n_patients,
        "n_rows": model.rows.n_rows,
        "n_parameters": model.n_parameters,
        "aic_shown": format_fixed(model.aic, 1),
        "aic_diff_shown": format_fixed(model.aic_diff, 1),
        "target": TARGET_NAMES[target],
        "elpd_shown": format_estimate_se(model.elpd[target], model.se[target]),
        "diff_shown": "0" if is_best else difference,
        "weight_shown": format_fixed(model.weight[target], 2),
        "p_worse_shown": "" if is_best or math.isnan(p_worse) else format_fixed(p_worse, 2),
        "n_bad_k": model.n_bad_k[target],
        "mcse_shown": format_fixed(model.mcse.get(target, math.nan), 2),
        "elpd_mcse": model.mcse.get(target, math.nan),
        "remark": "; ".join(part for part in (refitted, lead, model.remark[target]) if part),
        "aic": model.aic,
        "aic_diff": model.aic_diff,
        "elpd": model.elpd[target],
        "elpd_se": model.se[target],
        "elpd_diff": model.elpd_diff[target],
        "elpd_diff_se": model.se_diff[target],
        "weight": model.weight[target],
        "p_worse": p_worse,
    }
