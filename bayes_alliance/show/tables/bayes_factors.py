"""Bayes factors with their curve over prior widths, and whether two engines agree."""

from __future__ import annotations

import math

from bayes_alliance.assess.bayes_factors import BayesFactorCurve, BayesFactorPoint
from bayes_alliance.assess.engine_agreement import Z_LIMIT, Agreement
from bayes_alliance.run.results import ModelRun, StudyResults
from bayes_alliance.show.format_numbers import format_fixed, format_number
from bayes_alliance.show.provenance import origin_of
from bayes_alliance.show.tables.gates import Gates, name_model
from bayes_alliance.show.tables.record import (
    Column,
    Table,
    Value,
    build_table,
    exact_columns,
    shown_column,
    text_column,
)

_HEAD = (text_column("model", "Model"), Column(name="model_id", heading="model_id", shown="csv"))
_POINT = ("log_bf10", "error", "prior_sd", "pareto_k")
_END = (Column(name="gate_failed", heading="gate_failed", shown="csv"),)


def tabulate_bayes_factors(results: StudyResults, gates: Gates) -> Table:
    """Build the table of Bayes factors: one line an effect, one column a prior width."""
    curves = [(run, curve) for run in results.runs for curve in run.bayes_factors]
    widths = sorted({point.width for _, curve in curves for point in curve.points})
    columns = (
        *_HEAD,
        text_column("effect", "Effect"),
        *(shown_column(f"bf_{width:g}", f"Prior SD \N{MULTIPLICATION SIGN}{width:g}") for width in widths),
        shown_column("prior_sd", "Stated prior SD"),
        *_END,
        Column(name="name", heading="name", shown="csv"),
        *exact_columns(*(f"{key}_x{w:g}" for w in widths for key in _POINT)),
    )
    rows = [_bayes_factors(results, gates, run, curve) for run, curve in curves]
    notes = (
        "BF10: how much more probable the data are with the effect than with the effect at zero (above 1: "
        "for an effect). It depends on the width of the prior, so the whole line is the result; the stated "
        "prior, whose SD is in the effect's own unit, stands under \N{MULTIPLICATION SIGN}1.",
        "Savage-Dickey (Dickey 1971, doi:10.1214/aoms/1177693507), covariance of the random effects "
        "unstructured; ~ marks a Monte-Carlo error above 10 % or a Pareto k above 0.7. The CSV file has "
        "natural logarithms.",
        *gates.notes(run.model.id for run, _ in curves),
    )
    named = ("bayes_factors", "Bayes factors of slope deviations and contrasts")
    return build_table(named, columns, rows, notes, origin_of(results))


def _bayes_factors(
    results: StudyResults, gates: Gates, run: ModelRun, curve: BayesFactorCurve
) -> dict[str, Value]:
    row: dict[str, Value] = {
        "model": name_model(results, gates, run.model.id),
        "model_id": run.model.id,
        "gate_failed": gates.say(run.model.id),
        "effect": curve.label or curve.name,
        "name": curve.name,
        "prior_sd": format_number(curve.stated.prior_sd),
    }
    for point in curve.points:
        row[f"bf_{point.width:g}"] = format_bayes_factor(point)
        row[f"log_bf10_x{point.width:g}"] = point.log_bf10
        row[f"error_x{point.width:g}"] = point.error
        row[f"prior_sd_x{point.width:g}"] = point.prior_sd
        row[f"pareto_k_x{point.width:g}"] = point.pareto_k
    return row


def format_bayes_factor(point: BayesFactorPoint) -> str:
    """Format BF10 to two or three digits, with ``~`` where the draws do not know it well."""
    if math.isnan(point.log_bf10):
        return "undefined"
    rough = "~" if not (point.error <= 0.1 and point.pareto_k <= 0.7) else ""
    if abs(point.log_bf10) > math.log(1000.0):
        return f"{rough}>1000" if point.log_bf10 > 0.0 else f"{rough}<1/1000"
    return f"{rough}{format_number(math.exp(point.log_bf10))}"


def tabulate_agreement(results: StudyResults, gates: Gates) -> Table:
    """Build the table of two engines side by side, one line a parameter, the largest differences first."""
    columns = (
        *_HEAD,
        text_column("parameter", "Parameter"),
        text_column("engines", "Engines"),
        shown_column("shift", "Difference of means, in SD"),
        shown_column("z", "In Monte-Carlo errors: means; SDs"),
        text_column("verdict", "Within error"),
        *_END,
        *exact_columns("mean_first", "mean_second", "sd", "shift_in_sd", "z_mean", "z_sd"),
    )
    pairs = [(run, item) for run in results.runs for item in run.agreement]
    pairs.sort(key=lambda pair: -max(abs(pair[1].z_mean), abs(pair[1].z_sd)))
    rows = [_agreement(results, gates, run, item) for run, item in pairs]
    notes = (
        f"Within error: both differences at most {Z_LIMIT:g} Monte-Carlo standard errors.",
        *gates.notes(run.model.id for run, _ in pairs),
    )
    named = ("agreement", "Agreement of two engines on the same posterior")
    return build_table(named, columns, rows, notes, origin_of(results))


def _agreement(results: StudyResults, gates: Gates, run: ModelRun, item: Agreement) -> dict[str, Value]:
    return {
        "model": name_model(results, gates, run.model.id),
        "model_id": run.model.id,
        "gate_failed": gates.say(run.model.id),
        "parameter": item.name,
        "engines": f"{item.first}, {item.second}",
        "shift": format_fixed(item.shift_in_sd, 3),
        "z": f"{format_fixed(item.z_mean, 1)}; {format_fixed(item.z_sd, 1)}",
        "verdict": "yes" if item.within_error else "NO",
        "mean_first": item.mean_first,
        "mean_second": item.mean_second,
        "sd": item.sd,
        "shift_in_sd": item.shift_in_sd,
        "z_mean": item.z_mean,
        "z_sd": item.z_sd,
    }
