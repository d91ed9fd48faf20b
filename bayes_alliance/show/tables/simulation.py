"""Tables of simulated studies: calibration, power of a design, approaches compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bayes_alliance.assess.verdict_words import ORDER
from bayes_alliance.show.format_numbers import count_decimals, format_fixed, format_number, format_p
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
from bayes_alliance.simulation.calibration import CalibrationResult
from bayes_alliance.simulation.ensemble_comparison import EnsembleComparison
from bayes_alliance.simulation.performance import Measure, Performance
from bayes_alliance.simulation.records import TrialsRun
from bayes_alliance.simulation.setting import Setting, scenario_labels
from bayes_alliance.simulation.trials import Condition

MEASURES = ("bias", "rmse", "coverage", "width", "excludes_zero", "type_s", "type_m")
_IN_POINTS = ("bias", "rmse", "width")
_HEADINGS = {
    "bias": "Bias",
    "rmse": "RMSE",
    "coverage": "Coverage of 95 % intervals",
    "width": "Width of 95 % intervals",
    "excludes_zero": "Intervals without zero",
    "type_s": "Type S: wrong sign among these",
    "type_m": "Type M: exaggeration among these",
}
_VERDICTS = {verdict.name.lower(): f"Verdict: {verdict.value}" for verdict in ORDER}
_NUMBERS = (
    *(shown_column(name, heading) for name, heading in {**_HEADINGS, **_VERDICTS}.items()),
    *exact_columns(*(f"{name}{end}" for name in (*MEASURES, *_VERDICTS) for end in ("_value", "_error"))),
)


def provenance(setting: Setting) -> str:
    """Return where the numbers of simulations come from."""
    return (
        f"Simulated studies. Columns of the patients, and parameters where they are not drawn from a prior, are those "
        f"of model {setting.model.id} on {setting.data.source.value} ({setting.data.origin}); no outcome was observed."
    )


_VERDICTS_TRUE = (
    text_column("engine", "Engine"),
    text_column("prior", "Prior"),
    text_column("estimand", "Estimand"),
    text_column("verdict", "Verdict"),
    number_column("n", "Studies"),
    number_column("above", "Above zero (%)"),
    number_column("matters", "Matters (%)"),
    number_column("rope", "Too small to matter (%)"),
)


def stamp(setting: Setting) -> str:
    """Return the same as one short cell."""
    dealt = "" if setting.dealt is None else "; patients' predictors dealt anew"
    return f"simulated; design from {setting.data.source.value}, {setting.data.origin}{dealt}"


def format_measure(measure: Measure, factor: float = 1.0) -> str:
    """Format a number with its Monte-Carlo error in brackets; a dash where there is none."""
    value, error = factor * measure.value, abs(factor) * measure.error
    if math.isnan(value):
        return "–"
    if math.isnan(error):
        return format_number(value)
    decimals = count_decimals(error)
    return f"{format_fixed(value, decimals)} ({format_fixed(error, decimals)})"


_QUANTITIES = (
    text_column("engine", "Engine"),
    text_column("prior", "Prior"),
    text_column("quantity", "Quantity"),
    number_column("n", "Studies"),
    shown_column("p_shown", "p of uniform ranks, adjusted"),
    text_column("inside", "ECDF within its band"),
    *(shown_column(f"c{level:g}", f"Coverage of {level:g} % intervals") for level in (50, 80, 95)),
    *exact_columns(
        "p", "p_adjusted", *(f"coverage_{level}{end}" for level in (50, 80, 95) for end in ("", "_error"))
    ),
)
_CALIBRATIONS = (
    text_column("engine", "Engine"),
    text_column("prior", "Prior"),
    number_column("studies", "Studies"),
    number_column("failed", "Failed"),
    number_column("handed_over", "Handed over to pymc"),
    text_column("strayed", "Ranks not uniform"),
    text_column("reasons", "Reasons of failures"),
)


# Over 40 lines: the cells of two tables that are made in one pass over the results.
def tabulate_calibrations(setting: Setting, results: Sequence[CalibrationResult]) -> list[Table]:
    """Build two tables: one line a calibration, and one a ranked quantity."""
    summary: list[dict[str, Value]] = [
        {
            "engine": result.engine,
            "prior": result.prior,
            "studies": result.n_studies,
            "failed": len(result.failures),
            "handed_over": result.n_handed_over,
            "strayed": ", ".join(result.strayed) or "none",
            "reasons": "; ".join(f"{reason} ({n})" for reason, n in count_reasons(result.failures).items()),
        }
        for result in results
    ]
    quantities: list[dict[str, Value]] = []
    for result in results:
        for quantity in result.quantities:
            row: dict[str, Value] = {
                "engine": result.engine,
                "prior": result.prior,
                "quantity": quantity.name,
                "n": quantity.n,
                "p_shown": format_p(quantity.p_adjusted),
                "inside": "yes" if quantity.band.inside else "no",
                "p": quantity.band.p,
                "p_adjusted": quantity.p_adjusted,
            }
            for level, share, error in quantity.coverage:
                percent = f"{100 * level:g}"
                row[f"c{percent}"] = format_measure(Measure(value=share, error=error))
                row |= {f"coverage_{percent}": share, f"coverage_{percent}_error": error}
            quantities.append(row)
    return [
        _table(
            "calibration",
            f"{setting.study.id}, {setting.model.id}: calibration",
            _CALIBRATIONS,
            summary,
            setting,
            (),
        ),
        _table(
            "calibration_quantities",
            f"{setting.study.id}, {setting.model.id}: ranks of the truth among posterior draws",
            _QUANTITIES,
            quantities,
            setting,
            (
                "Parameters are drawn from the prior and data from them; the rank of each true value among posterior "
                "draws is uniform if the engine is right. Band: 95 % for the whole curve of one quantity, so one in "
                "twenty strays by chance; p is adjusted for all quantities of a line's engine and prior (Holm). "
                "Monte-Carlo errors in brackets.",
            ),
        ),
        *_verdict_table(setting, results),
    ]


def _verdict_table(setting: Setting, results: Sequence[CalibrationResult]) -> list[Table]:
    """Build the table of verdicts beside the truth, where some estimand has a smallest difference that matters."""
    labels = {estimand.name: estimand.label for estimand in setting.model.estimands}
    rows: list[dict[str, Value]] = [
        {
            "engine": result.engine,
            "prior": result.prior,
            "estimand": labels[count.estimand],
            "verdict": count.verdict,
            "n": count.n,
            "above": 100.0 * count.above,
            "matters": 100.0 * count.matters,
            "rope": 100.0 * count.rope,
        }
        for result in results
        for count in result.verdicts
    ]
    if not rows:
        return []
    note = (
        "Verdicts on the claim that the estimand is above zero, in studies whose parameters come from the prior, and "
        "how often the true value then was above zero, above the smallest difference that matters, or nearer to zero "
        "than that. A calibrated engine that says supported is wrong about the sign in less than 2.5 %."
    )
    title = f"{setting.study.id}, {setting.model.id}: verdicts and the truth"
    return [_table("calibration_verdicts", title, _VERDICTS_TRUE, rows, setting, (note,))]


def count_reasons(failures: Sequence[str]) -> dict[str, int]:
    """Count each reason, in order of appearance."""
    return {reason: failures.count(reason) for reason in dict.fromkeys(failures)}


# Over 40 lines: the columns of the table, and a note of several sentences.
def tabulate_performance(
    setting: Setting,
    conditions: Sequence[Condition],
    performances: Sequence[Performance],
    *,
    table_id: str,
    title: str,
    notes: Sequence[str] = (),
) -> Table:
    """Build the table of every approach, condition and estimand; estimates in points."""
    columns = (
        text_column("condition", "Condition"),
        Column(name="factor", heading="factor", shown="csv"),
        number_column("value", "value", shown="csv"),
        text_column("approach", "Approach"),
        text_column("estimand", "Estimand"),
        number_column("n", "Studies"),
        number_column("failed", "Failed"),
        number_column("noted", "Singular or handed over"),
        shown_column("truth_shown", "Truth"),
        number_column("truth", "truth", shown="csv"),
        *_NUMBERS,
    )
    by_name = {condition.name: condition for condition in conditions}
    rows = [_performance_row(setting, by_name[one.condition], one) for one in performances]
    smallest = setting.smallest.get(setting.primary.name)
    verdicts = (
        "Verdicts: how often each is given, by the rules for claims, on the claim that the effect has the direction of "
        "the true values, with a smallest difference that matters of "
        f"{(smallest or 0.0) * setting.unit(setting.primary.name):g} points. Where even the largest true value rarely "
        "gives 'supported', the design cannot reach it."
    )
    return _table(
        table_id,
        title,
        columns,
        rows,
        setting,
        (
            f"Estimates in points, slopes over {setting.study.horizon:g} {setting.study.time_unit}. Monte-Carlo errors "
            "in brackets. Where the truth is zero, the share of intervals without zero is the type I error rate.",
            verdicts,
            *notes,
        ),
    )


def _performance_row(setting: Setting, condition: Condition, one: Performance) -> dict[str, Value]:
    labels = {estimand.name: estimand.label for estimand in setting.model.estimands}
    unit = setting.unit(one.estimand)
    row: dict[str, Value] = {
        "condition": _say(condition),
        "factor": condition.factor,
        "value": condition.value,
        "approach": one.approach,
        "estimand": labels[one.estimand],
        "n": one.n,
        "failed": one.n_failed,
        "noted": one.n_noted,
        "truth_shown": format_number(one.truth * unit),
        "truth": one.truth * unit,
    }
    measures = {name: getattr(one, name) for name in MEASURES} | dict(one.verdicts)
    for name, measure in measures.items():
        factor = unit if name in _IN_POINTS else 1.0
        row |= {
            name: format_measure(measure, factor),
            f"{name}_value": measure.value * factor,
            f"{name}_error": measure.error * factor,
        }
    return row


def _say(condition: Condition) -> str:
    if condition.factor == "scenario":
        return scenario_labels().get(condition.name, condition.name)
    words = {
        "patients": "patients",
        "marked": "marked patients",
        "visits": "visits",
        "effect": "points of effect",
    }
    return f"{condition.value:.4g} {words[condition.factor]}"


_ENSEMBLE = (
    text_column("approach", "Approach"),
    text_column("estimand", "Estimand"),
    number_column("n", "Cohorts"),
    number_column("failed", "Failed"),
    shown_column("estimate", "Mean estimate"),
    shown_column("range", "Least to largest"),
    shown_column("width", "Width of 95 % intervals"),
    shown_column("excludes", "Intervals without zero"),
    shown_column("same", "Same decision as the first approach"),
    *exact_columns("estimate_mean", "least", "largest", "width_mean", "excludes_share", "same_share"),
)


def tabulate_ensemble(setting: Setting, compared: Sequence[EnsembleComparison]) -> Table:
    """Build the table of the approaches over the cohorts; estimates in points."""
    labels: Mapping[str, str] = {estimand.name: estimand.label for estimand in setting.model.estimands}
    rows: list[dict[str, Value]] = []
    for one in compared:
        unit = setting.unit(one.estimand)
        rows.append(
            {
                "approach": one.approach,
                "estimand": labels[one.estimand],
                "n": one.n,
                "failed": one.n_failed,
                "estimate": format_measure(one.estimate, unit),
                "range": f"{format_number(one.least * unit)} to {format_number(one.largest * unit)}",
                "width": format_measure(one.width, unit),
                "excludes": f"{one.excludes_zero.value * one.n:.0f} of {one.n}",
                "same": f"{one.same_decision.value * one.n:.0f} of {one.n}",
                "estimate_mean": one.estimate.value * unit,
                "least": one.least * unit,
                "largest": one.largest * unit,
                "width_mean": one.width.value * unit,
                "excludes_share": one.excludes_zero.value,
                "same_share": one.same_decision.value,
            }
        )
    return build_table(
        (
            "comparison_cohorts",
            f"{setting.study.id}, {setting.model.id}: approaches over the synthetic cohorts",
        ),
        _ENSEMBLE,
        rows,
        (
            "Cohorts that print the published tables. What was printed agrees by construction, and no truth is known "
            "here: the table shows how far approaches differ on the same data. Brackets: standard errors of means.",
        ),
        ("Synthetic data: every cohort prints the published tables.", "synthetic"),
    )


def _table(
    table_id: str,
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Value]],
    setting: Setting,
    notes: Sequence[str],
) -> Table:
    return build_table((table_id, title), columns, rows, notes, (provenance(setting), stamp(setting)))


def tabulate_power(run: TrialsRun) -> Table:
    """Build the table of a design analysis."""
    setting = run.setting
    return tabulate_performance(
        setting,
        run.conditions,
        run.performances,
        table_id=f"power_{setting.model.id}",
        title=f"{setting.study.id}, {setting.model.id}: what designs can tell",
    )


def tabulate_comparison_of_approaches(run: TrialsRun) -> list[Table]:
    """Build the table of approaches over simulated studies, and that over the cohorts where there are some."""
    setting = run.setting
    simulated = tabulate_performance(
        setting,
        run.conditions,
        run.performances,
        table_id=f"comparison_{setting.model.id}",
        title=f"{setting.study.id}, {setting.model.id}: approaches over simulated studies",
        notes=[f"Left out: {label}: {reason}." for label, reason in run.skipped.items()],
    )
    return [simulated, *([tabulate_ensemble(setting, run.cohorts)] if run.cohorts else [])]
