"""Results of a fit and facts of a data file as lines of text and as JSON."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from bayes_alliance.assess.summaries import Quantity
from bayes_alliance.data.dictionary import Entry, describe_data, format_dictionary
from bayes_alliance.data.rows import StudyData
from bayes_alliance.run.manifest import json_ready
from bayes_alliance.run.plan import plan_study
from bayes_alliance.run.remarks import model_remarks, sampling_quality
from bayes_alliance.run.results import ModelRun, StudyResults
from bayes_alliance.show.privacy import mask_texts
from bayes_alliance.study.records import Study


def quantities_json(results: StudyResults) -> dict[str, Any]:
    """Return the quantities of every run as JSON-ready numbers (NaN as null)."""
    return {
        "schema": 1,
        "study": results.study.id,
        "source": results.source.value,
        "origin": results.origin,
        "engine": results.engine,
        "prior": results.prior,
        "seed": results.seed,
        "interval": "95 % equal-tailed",
        "models": [_run_json(run) for run in results.runs],
        "skipped": [dataclasses.asdict(model) for model in results.skipped],
    }


def _run_json(run: ModelRun) -> dict[str, Any]:
    return {
        "model": run.model.id,
        "formula": run.design.formula.text,
        "n_patients": run.rows.n_patients,
        "n_rows": run.rows.n_rows,
        "covariance": {
            "ml": run.ml.covariance,
            "bayes": run.posterior.covariance if run.posterior else None,
        },
        "deviance_ml": run.ml.deviance,
        "deviance_reml": run.reml.deviance,
        "singular": run.ml.singular,
        "remarks": list(model_remarks(run)),
        "sampling": json_ready(sampling_quality(run)),
        "engine_facts": json_ready(dict(run.posterior.facts)) if run.posterior else None,
        "bayes_factors": [json_ready(dataclasses.asdict(curve)) for curve in run.bayes_factors],
        "quantities": [json_ready(dataclasses.asdict(quantity)) for quantity in run.quantities],
        "checks": [json_ready(dataclasses.asdict(check)) for check in run.checks],
    }


def format_extras(extras: dict[str, Any]) -> list[str]:
    """Return the answers of :func:`ml_extras` as lines of text."""
    lines = []
    if "profile_intervals" in extras:
        lines.append("  profile-likelihood intervals (ML, 95 %):")
        for item in extras["profile_intervals"]:
            upper = "inf" if item["upper"] is None else f"{item['upper']:.4g}"
            lines.append(f"    {item['name']:<34}{item['estimate']:>12.4g} [{item['lower']:.4g}, {upper}]")
    if "profile_note" in extras:
        lines.append(f"    {extras['profile_note']}")
    if "slope_bootstrap" in extras:
        test = extras["slope_bootstrap"]
        lines.append(
            f"  random slope: likelihood ratio {test['statistic']:.3f}, p = {test['p']:.4f} "
            f"by {test['count']} data sets simulated without it"
        )
    return lines


def format_quantities(results: StudyResults) -> str:
    """Return the quantities of every run as text for a terminal."""
    lines = []
    for run in results.runs:
        rows = f"{run.rows.n_patients} patients, {run.rows.n_rows} rows"
        covariance = f"ML {run.ml.covariance}"
        covariance += f", Bayes {run.posterior.covariance}" if run.posterior else ""
        width = max(24, *(len(quantity.name) for quantity in run.quantities)) + 2
        lines += [
            f"{run.model.id}: {run.design.formula.text}",
            f"{results.source.value}, {results.origin}; {rows}; covariance type {covariance}; "
            f"-2 log likelihood {run.ml.deviance:.3f}; 95 % equal-tailed intervals",
            f"  {'quantity':<{width}}{'ML (SE)':>22}{'p':>9}{'Bayes median [interval]':>36}{'P(<0)':>8}",
        ]
        lines += [_quantity_line(quantity, width) for quantity in run.quantities]
        if quality := sampling_quality(run):
            # Independent draws have no chains and so no R-hat.
            r_hat = "" if math.isnan(quality["r_hat"]) else f"R-hat at most {quality['r_hat']:.3f}, "
            lines.append(
                f"  sampling: {r_hat}effective draws at least "
                f"{quality['ess_bulk']:.0f} (bulk) and {quality['ess_tail']:.0f} (tail)"
            )
        lines += [f"  note: {remark}" for remark in model_remarks(run)]
    return "\n".join(lines)


def _quantity_line(quantity: Quantity, width: int) -> str:
    ml, bayes = quantity.ml, quantity.bayes
    se = "" if math.isnan(ml.se) else f" ({ml.se:.4g})"
    p = "" if math.isnan(ml.p) else "<0.0001" if ml.p < 5e-5 else f"{ml.p:.4f}"
    posterior = f"{bayes.median:.4g} [{bayes.lower:.4g}, {bayes.upper:.4g}]" if bayes else ""
    below = f"{bayes.p_negative:.3f}" if bayes else ""
    return f"  {quantity.name:<{width}}{f'{ml.estimate:.4g}{se}':>22}{p:>9}{posterior:>36}{below:>8}"


def data_json(
    study: Study, data: StudyData, *, min_cell: int = 0, show_values: bool = False
) -> dict[str, Any]:
    """Return, ready for JSON, what a data file was understood to be and which models it carries.

    Parameters
    ----------
    min_cell : int
        Counts of 1 to one less than this are masked.
    show_values : bool
        Whether the dictionary may show smallest and largest values.
    """
    plan = plan_study(study, data)
    entries = describe_data(study, data, min_cell=min_cell, show_values=show_values)
    facts = {
        "ok": True,
        "origin": data.origin,
        "n_patients": int(data.rows[study.patient].nunique()),
        "n_rows": len(data.rows),
        "notes": list(data.notes),
        "warnings": [warning.format() for warning in data.warnings],
        "dictionary": [dataclasses.asdict(entry) for entry in entries],
        "unused_columns": list(data.unused_columns),
        "absent_variables": list(data.absent),
        "models": [
            {
                "model": p.model.id,
                "n_patients": p.rows.n_patients,
                "n_rows": p.rows.n_rows,
                "left_out": list(p.left_out),
            }
            for p in plan.own
        ],
        "models_skipped": {s.model_id: s.reason for s in plan.skipped if not s.comparison},
        "left_out_of_comparisons": {
            f"{s.comparison}: {s.model_id}": s.reason for s in plan.skipped if s.comparison
        },
    }
    masked: dict[str, Any] = mask_texts(facts, min_cell)
    return masked


def format_data(facts: dict[str, Any]) -> str:
    """Format as text what :func:`data_json` returns: how a file was understood and which models it carries."""
    lines = [f"{facts['origin']}: {facts['n_patients']} patients, {facts['n_rows']} rows"]
    lines += [f"  {note}" for note in facts["notes"]]
    lines.append("Variables as understood:")
    lines += format_dictionary([Entry(**entry) for entry in facts["dictionary"]])
    if facts["warnings"]:
        lines.append(f"{len(facts['warnings'])} warnings (nothing is stopped by them):")
        lines += [f"  {warning}" for warning in facts["warnings"]]
    lines.append(f"{len(facts['models'])} models can be run:")
    for model in facts["models"]:
        left_out = f" (left out: {'; '.join(model['left_out'])})" if model["left_out"] else ""
        lines.append(f"  {model['model']}: {model['n_patients']} patients, {model['n_rows']} rows{left_out}")
    for model_id, reason in facts["models_skipped"].items():
        lines.append(f"  {model_id}: cannot be run: {reason}")
    for model_id, reason in facts["left_out_of_comparisons"].items():
        lines.append(f"  left out of comparison {model_id}: {reason}")
    return "\n".join(lines)
