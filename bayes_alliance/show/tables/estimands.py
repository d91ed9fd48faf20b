"""Every coefficient, estimand and variance component of every model by all inferences; tests of growth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bayes_alliance.assess.summaries import Quantity
from bayes_alliance.inference.ml import LikelihoodRatio, score_aic
from bayes_alliance.run.results import ModelRun, StudyResults
from bayes_alliance.show.format_numbers import (
    INTERVAL_NAME,
    count_decimals,
    format_fixed,
    format_number,
    format_p,
    format_summary,
)
from bayes_alliance.show.labels import units_of
from bayes_alliance.show.provenance import describe_inference, origin_of
from bayes_alliance.show.tables.gates import Gates, name_model
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
    format_effect,
    is_slope,
    quantity_values,
    summary_columns,
    summary_values,
)
from bayes_alliance.study.coefficient_labels import label_coefficient

VARIANCE_KINDS = ("sd", "correlation", "sigma", "icc")
_HEAD = (
    text_column("model", "Model"),
    Column(name="model_id", heading="model_id", shown="csv"),
    text_column("quantity", "Quantity"),
)
_END = (
    number_column("n_patients", "Patients"),
    number_column("n_rows", "Rows"),
    Column(name="gate_failed", heading="gate_failed", shown="csv"),
)


def tabulate_estimands(results: StudyResults, gates: Gates) -> Table:
    """Build the table of every coefficient and named estimand, also over the study's horizon."""
    study = results.study
    over = f"{study.horizon:g} {study.time_unit}"
    columns = (
        *_HEAD,
        text_column("kind", "Kind"),
        shown_column("ml", "ML: estimate(SE)"),
        shown_column("ml_df_p", "df; p"),
        shown_column("reml", "REML: estimate(SE)"),
        shown_column("reml_df_p", "df; p"),
        shown_column("bayes", f"Bayes: median [{INTERVAL_NAME}]"),
        shown_column("p_direction", "P(direction)"),
        SHIFT_COLUMN,
        shown_column("ess", "ESS bulk; tail"),
        shown_column("r_hat", "R-hat"),
        shown_column("ml_over", f"ML, over {over}"),
        shown_column("bayes_over", f"Bayes, over {over}"),
        *_END,
        Column(name="name", heading="name", shown="csv"),
        *exact_columns("horizon"),
        *effect_columns("ml"),
        *effect_columns("reml"),
        *summary_columns(),
        *PRIOR_COLUMNS,
    )
    rows = [
        _estimand(results, gates, run, quantity)
        for run in results.runs
        for quantity in run.quantities
        if quantity.kind not in VARIANCE_KINDS
    ]
    notes = (
        f"In {units_of(study)}, slopes per unit of time ({study.time_unit}); the "
        f"last columns give slopes times {study.horizon:g}, that is the change over {over}.",
        *describe_inference(results),
        SHIFT_NOTE,
        "No chains: independent draws of the collapsed engine, for which R-hat has no meaning.",
    )
    return _table(results, gates, ("estimands", "Coefficients and estimands"), columns, rows, notes)


def _estimand(results: StudyResults, gates: Gates, run: ModelRun, quantity: Quantity) -> dict[str, Value]:
    is_coefficient = quantity.kind == "coefficient"
    row = {
        **_head(results, gates, run),
        "quantity": label_coefficient(results.study, quantity.name) if is_coefficient else quantity.label,
        "kind": quantity.kind.replace("_", " "),
        "name": quantity.name,
        "ml_df_p": f"{_df(quantity.ml.df)}; {format_p(quantity.ml.p)}",
        "reml_df_p": f"{_df(quantity.reml.df)}; {format_p(quantity.reml.p)}",
        **quantity_values(quantity),
    }
    if quantity.bayes is not None:
        row["ess"] = f"{format_fixed(quantity.bayes.ess_bulk, 0)}; {format_fixed(quantity.bayes.ess_tail, 0)}"
        r_hat = quantity.bayes.r_hat
        row["r_hat"] = "no chains" if math.isnan(r_hat) else format_fixed(r_hat, 3)
    if is_slope(results, quantity):
        horizon = results.study.horizon
        row["horizon"] = horizon
        row["ml_over"] = format_effect(quantity.ml, scale=horizon)
        row["bayes_over"] = format_summary(quantity.bayes, scale=horizon)
    return row


def _df(value: float) -> str:
    return format_fixed(value, 1)


def tabulate_variances(results: StudyResults, gates: Gates) -> Table:
    """Build the table of SDs, correlation, residual SD and ICC, with the covariance type of each fit."""
    columns = (
        *_HEAD,
        shown_column("ml", "ML"),
        shown_column("reml", "REML"),
        shown_column("bayes", f"Bayes: median [{INTERVAL_NAME}]"),
        text_column("covariance_ml", "Covariance, ML and REML"),
        text_column("covariance_bayes", "Covariance, Bayes"),
        text_column("singular", "Singular"),
        *_END,
        Column(name="name", heading="name", shown="csv"),
        *exact_columns("ml_estimate", "reml_estimate"),
        *summary_columns(),
    )
    rows = [
        _variance(results, gates, run, quantity)
        for run in results.runs
        for quantity in run.quantities
        if quantity.kind in VARIANCE_KINDS
    ]
    notes = (
        "UN: unstructured (correlated intercept and slope); VC: independent; ID: a random intercept only; by formula: "
        "several levels, several random slopes or correlated residuals, as the model's formula states them. "
        f"SDs in {units_of(results.study)}, that of slopes per unit of time ({results.study.time_unit}). ML and REML: "
        "estimates without intervals.",
        "Singular: a variance is zero or a correlation +-1 at the maximum, so point estimates mislead and "
        "the posterior is the better summary.",
        f"Bayes: posterior median [{INTERVAL_NAME}], prior set '{results.prior}', engine {results.engine}.",
    )
    return _table(results, gates, ("variances", "Variance components"), columns, rows, notes)


def _variance(results: StudyResults, gates: Gates, run: ModelRun, quantity: Quantity) -> dict[str, Value]:
    error = quantity.bayes.sd if quantity.bayes is not None else float("nan")
    singular = [fit.method for fit in (run.ml, run.reml) if fit.singular]
    return {
        **_head(results, gates, run),
        "quantity": label_coefficient(results.study, quantity.name),
        "name": quantity.name,
        "ml": format_number(quantity.ml.estimate, error),
        "reml": format_number(quantity.reml.estimate, error),
        "bayes": format_summary(quantity.bayes),
        "covariance_ml": run.ml.covariance,
        "covariance_bayes": run.posterior.covariance if run.posterior is not None else "",
        "singular": " and ".join(singular) or "no",
        "ml_estimate": quantity.ml.estimate,
        "reml_estimate": quantity.reml.estimate,
        **summary_values(quantity.bayes),
    }


def tabulate_growth_tests(results: StudyResults, gates: Gates) -> Table:
    """Build the table of likelihood-ratio tests of growth and of the random slope."""
    columns = (
        *_HEAD[:2],
        text_column("test", "Test"),
        shown_column("statistic_shown", "Likelihood ratio"),
        number_column("df", "df"),
        shown_column("p_naive_shown", "p, chi-square(df)"),
        shown_column("p_mixture_shown", "p, mixture"),
        *_END,
        *exact_columns("statistic", "p_naive", "p_mixture"),
    )
    rows = [row for run in results.runs for row in _growth_tests(results, gates, run)]
    notes = (
        "ML. Random slope: against a random intercept only, with the same fixed part. Growth: against the "
        "model without time, fixed and random, as the publication tested it.",
        "Mixture: 50:50 of chi-square on df - 1 and df (Stram & Lee 1994, doi:10.2307/2533455), right for a "
        "variance at its bound; the naive p is too large there. Empty where fixed effects are tested too.",
    )
    return _table(
        results, gates, ("growth_tests", "Tests of growth and of random slopes"), columns, rows, notes
    )


def _growth_tests(results: StudyResults, gates: Gates, run: ModelRun) -> Iterable[dict[str, Value]]:
    tests = (("random slope", run.slope_test), ("growth", run.unconditional_test))
    return [
        {**_head(results, gates, run), "test": name, **_ratio(test)}
        for name, test in tests
        if test is not None
    ]


def _ratio(test: LikelihoodRatio) -> dict[str, Value]:
    has_mixture = not math.isnan(test.p_mixture)
    return {
        "statistic_shown": format_fixed(test.statistic, count_decimals(1.0)),
        "df": test.df,
        "p_naive_shown": format_p(test.p_naive),
        "p_mixture_shown": format_p(test.p_mixture) if has_mixture else "",
        "statistic": test.statistic,
        "p_naive": test.p_naive,
        "p_mixture": test.p_mixture if has_mixture else None,
    }


def tabulate_likelihoods(results: StudyResults, gates: Gates) -> Table:
    """Build the table of both criteria and of AIC as each program counts it."""
    columns = (
        *_HEAD[:2],
        number_column("n_fixed", "Fixed"),
        number_column("n_covariance", "Covariance"),
        shown_column("deviance_shown", "-2 log likelihood (ML)"),
        shown_column("aic_shown", "AIC (ML)"),
        shown_column("criterion_shown", "-2 REML log likelihood"),
        shown_column("spss_shown", "AIC (REML, SPSS)"),
        shown_column("lme4_shown", "AIC (REML, lme4)"),
        *_END,
        *exact_columns("minus_2_ll_ml", "aic_ml", "minus_2_ll_reml", "aic_spss_reml", "aic_lme4_reml"),
    )
    rows = [_likelihoods(results, gates, run) for run in results.runs]
    notes = (
        "Each model on all rows that carry it: compare only models of equal digest (table rows), and REML "
        "criteria only of models with the same fixed part.",
        "AIC (ML): -2 log likelihood + 2 (fixed + covariance parameters), as SPSS and lme4 count under ML. REML: "
        "SPSS adds 2 covariance parameters, lme4 2 (fixed + covariance parameters).",
    )
    return _table(results, gates, ("likelihoods", "Likelihoods and AIC of each model"), columns, rows, notes)


def _likelihoods(results: StudyResults, gates: Gates, run: ModelRun) -> dict[str, Value]:
    ml, reml = run.ml, run.reml
    exact = {
        "minus_2_ll_ml": ml.deviance,
        "aic_ml": score_aic(ml, "ml"),
        "minus_2_ll_reml": reml.deviance,
        "aic_spss_reml": score_aic(reml, "spss_reml"),
        "aic_lme4_reml": score_aic(reml, "lme4_reml"),
    }
    shown = ("deviance_shown", "aic_shown", "criterion_shown", "spss_shown", "lme4_shown")
    return {
        **_head(results, gates, run),
        "n_fixed": ml.n_fixed,
        "n_covariance": ml.n_covariance,
        **dict(zip(shown, (format_fixed(value, 1) for value in exact.values()), strict=True)),
        **exact,
    }


def _head(results: StudyResults, gates: Gates, run: ModelRun) -> dict[str, Value]:
    return {
        "model": name_model(results, gates, run.model.id),
        "model_id": run.model.id,
        "gate_failed": gates.say(run.model.id),
        "n_patients": run.rows.n_patients,
        "n_rows": run.rows.n_rows,
    }


def _table(
    results: StudyResults,
    gates: Gates,
    named: tuple[str, str],
    columns: tuple[Column, ...],
    rows: Sequence[dict[str, Value]],
    notes: Sequence[str],
) -> Table:
    return build_table(
        named, columns, rows, (*notes, *gates.notes(run.model.id for run in results.runs)), origin_of(results)
    )
