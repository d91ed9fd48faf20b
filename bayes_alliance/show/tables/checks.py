"""What the fits are worth: comparisons, gates, predictive checks, and which rows each model rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bayes_alliance.assess.checks import Check
from bayes_alliance.assess.loo import TARGETS, ComparedModel, Target
from bayes_alliance.assess.posterior_predictive import PredictiveStatistic
from bayes_alliance.run.results import ComparisonSet, PredictiveResult, SkippedModel, StudyResults
from bayes_alliance.show.labels import (
    describe_provenance,
    format_estimate_se,
    format_fixed,
    format_interval,
    format_number,
    format_p,
    label_group,
    stamp_provenance,
)
from bayes_alliance.show.tables.gates import Gates, name_model
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

# Mean and SD of two rows give both values away.
MIN_ROWS_SHOWN = 5
TARGET_NAMES: dict[Target, str] = {
    "new_patient": "new patient",
    "new_visit": "new visit",
    "new_visit_conditional": "new visit, given the patient's effects",
}
_MODEL = (text_column("model", "Model"), Column(name="model_id", heading="model_id", shown="csv"))
_STATUS = {"pass": "pass", "fail": "FAIL", "not_checked": "not checked"}


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
        number_column("n_bad_k", "k > 0.7"),
        text_column("remark", "Remarks"),
        *exact_columns(
            "aic", "aic_diff", "elpd", "elpd_se", "elpd_diff", "elpd_diff_se", "weight", "p_worse"
        ),
        Column(name="gate_failed", heading="gate_failed", shown="csv"),
    )
    rows = [
        _compared(results, gates, comparison, model, target)
        for comparison in results.comparisons
        for target in TARGETS
        for model in comparison.models
    ]
    notes = (
        "Models of one comparison rest on the same rows, all fitted by the collapsed engine. AIC "
        "difference: from the smallest. elpd difference: from the best, 0 or negative; P(worse): normal "
        "approximation to that difference (ArviZ). elpd by PSIS-LOO (Vehtari, Gelman & "
        "Gabry 2017, doi:10.1007/s11222-016-9696-4) on the marginal likelihood.",
        "Remarks of ArviZ: N < 100, too few units for the normal approximation to the difference; |elpd_diff| < 4, "
        "a difference too small to tell the models apart, whatever its SE.",
        "What each predicts. New patient: all visits of a patient not seen. New visit: a visit of a patient seen "
        "at the others, the patient's effects integrated out. Given the patient's effects: the same, the effects "
        "being parameters.",
        "Why they differ. AIC/-2 is on the scale of elpd, and estimates the new-patient score: in large samples, with "
        "flat priors, the number of parameters stands for what leaving a patient out costs; few patients, informative "
        "priors and a wrong model part the two. The "
        "scores of a new visit lean on the patient's other visits, which tell much of what a predictor would have "
        "told, so predictors gain less there (Merkle, Furr & Rabe-Hesketh 2019, doi:10.1007/s11336-019-09679-0). "
        "The conditional score moves with each patient's effects, which a single visit can sway: hence more "
        "Pareto k above 0.7, and no use as a stand-in for AIC.",
    )
    shown = [m.model_id for c in results.comparisons for m in c.models]
    return _table(results, ("comparison", "Models compared"), columns, rows, (*notes, *gates.notes(shown)))


def _compared(
    results: StudyResults, gates: Gates, comparison: ComparisonSet, model: ComparedModel, target: Target
) -> dict[str, Value]:
    is_best = model.elpd_diff[target] == 0.0
    p_worse = model.p_worse[target]
    count = comparison.scores[model.model_id][target].n_refitted
    refitted = f"{count} refitted without the patient" if count else ""
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
        "remark": "; ".join(part for part in (refitted, model.remark[target]) if part),
        "aic": model.aic,
        "aic_diff": model.aic_diff,
        "elpd": model.elpd[target],
        "elpd_se": model.se[target],
        "elpd_diff": model.elpd_diff[target],
        "elpd_diff_se": model.se_diff[target],
        "weight": model.weight[target],
        "p_worse": p_worse,
    }


def tabulate_checks(results: StudyResults, gates: Gates) -> Table:
    """Build the table of every check, failures first."""
    columns = (
        *_MODEL,
        text_column("check", "Check"),
        number_column("value", "Value"),
        number_column("threshold", "Needed"),
        text_column("status", "Status"),
        text_column("gate", "Weight"),
        text_column("advice", "What to do"),
    )
    order = {"fail": 0, "not_checked": 1, "pass": 2}
    ordered = sorted(results.checks, key=lambda check: (order[check.status], not check.gate))
    notes = (
        "Gate: where it fails, the numbers of the model are not to be trusted and are marked in every "
        "table. Remark: to be known, no reason to distrust. Not checked is not passed.",
    )
    return _table(
        results, ("checks", "Checks"), columns, [_check(results, gates, check) for check in ordered], notes
    )


def _check(results: StudyResults, gates: Gates, check: Check) -> dict[str, Value]:
    return {
        "model": name_model(results, gates, check.model_id),
        "model_id": check.model_id,
        "check": check.name,
        "value": check.value,
        "threshold": check.threshold,
        "status": _STATUS[check.status],
        "gate": "gate" if check.gate else "remark",
        "advice": check.advice if check.status == "fail" else "",
    }


def tabulate_check_summary(results: StudyResults, gates: Gates) -> Table:
    """Build the table of how many checks each model passed."""
    columns = (
        *_MODEL,
        number_column("passed", "Passed"),
        number_column("failed_gates", "Failed gates"),
        number_column("remarks", "Remarks"),
        number_column("not_checked", "Not checked"),
        text_column("what", "Failed or remarked"),
    )
    rows: list[dict[str, Value]] = []
    for run in results.runs:
        mine = [check for check in results.checks if check.model_id == run.model.id]
        failed = [check for check in mine if check.status == "fail"]
        rows.append(
            {
                "model": name_model(results, gates, run.model.id),
                "model_id": run.model.id,
                "passed": sum(check.status == "pass" for check in mine),
                "failed_gates": sum(check.gate for check in failed),
                "remarks": sum(not check.gate for check in failed),
                "not_checked": sum(check.status == "not_checked" for check in mine),
                "what": "; ".join(dict.fromkeys(check.name for check in failed)),
            }
        )
    notes = gates.notes(run.model.id for run in results.runs) or ["No gate failed."]
    return _table(results, ("check_summary", "Checks by model"), columns, rows, notes)


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


def _table(
    results: StudyResults,
    named: tuple[str, str],
    columns: tuple[Column, ...],
    rows: Iterable[dict[str, Value]],
    notes: Sequence[str],
) -> Table:
    return Table(
        id=named[0],
        title=named[1],
        columns=columns,
        rows=pick_rows(columns, rows),
        notes=tuple(notes),
        provenance=describe_provenance(results),
        stamp=stamp_provenance(results),
    )
