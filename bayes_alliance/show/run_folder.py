"""What a run or a command leaves or prints: the results folder, and short texts and JSON for the terminal.

Writes; never fits. Patients' rows go nowhere.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from pathlib import Path
from typing import Any

from bayes_alliance.assess.summaries import Quantity
from bayes_alliance.data.dictionary import Entry, describe_data, format_dictionary
from bayes_alliance.data.rows import StudyData
from bayes_alliance.run.fitter import RunSettings
from bayes_alliance.run.manifest import (
    Presentation,
    build_manifest,
    clear_superseded,
    json_ready,
    write_manifest,
)
from bayes_alliance.run.plan import plan_study
from bayes_alliance.run.results import ModelRun, StudyResults
from bayes_alliance.runtime.files import alone_in
from bayes_alliance.runtime.pool import Pool
from bayes_alliance.show.privacy import mask_texts
from bayes_alliance.study.records import Study


def write_run(
    results: StudyResults,
    settings: RunSettings,
    folder: Path,
    *,
    shown: Presentation | None = None,
    workers: Pool | None = None,
) -> list[Path]:
    """Write tables, figures, the report and the manifest of a run; posteriors are there already.

    Parameters
    ----------
    results : StudyResults
        What the run found.
    settings : RunSettings
        How it was run, for the manifest.
    folder : Path
        Where the run leaves its files; posteriors lie in ``folder / "posteriors"``.
    shown : Presentation, optional
        Style and drawings of the figures; what counts of patients were masked by, for the manifest.
    workers : Pool, optional
        Processes that draw figures.

    Returns
    -------
    list of Path
        Every file of the run, manifest included.
    """
    from bayes_alliance.show.plots import write_figures
    from bayes_alliance.show.report import write_report
    from bayes_alliance.show.report.companions import digest_companions
    from bayes_alliance.show.tables import write_tables

    manifest = folder / "manifest.json"
    how = shown or Presentation()
    with alone_in(folder):
        drawn = write_figures(results, folder / "figures", style=how.style, kinds=how.kinds, workers=workers)
        try:
            tables = write_tables(results, folder / "tables")
        except Exception:
            # Figures are waited for, so that no process is ended in the middle of a file; the first fault is told.
            with contextlib.suppress(Exception):
                drawn.result()
            raise
        figures = drawn.result()
        files = [*tables, *figures]
        companions = digest_companions(folder)
        files.append(write_report(results, folder, figures=figures))
        files += _posteriors(results, folder / "posteriors")
        built = build_manifest(
            results, settings, files=files, folder=folder, shown=how, companions=companions
        )
        clear_superseded(folder, files)
        write_manifest(built, manifest)
    return [*files, manifest]


def _posteriors(results: StudyResults, folder: Path) -> list[Path]:
    """List the stored posteriors of this run's models and engine; those of earlier runs may lie there too."""
    paths = [folder / f"{run.model.id}.{results.engine}.nc" for run in results.runs]
    return [path for path in paths if path.exists()]


def quantities_json(results: StudyResults) -> dict[str, Any]:
    """Give the quantities of every run as JSON-ready numbers (NaN as null)."""
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
        "engine_facts": json_ready(dict(run.posterior.facts)) if run.posterior else None,
        "bayes_factors": [json_ready(dataclasses.asdict(curve)) for curve in run.bayes_factors],
        "quantities": [json_ready(dataclasses.asdict(quantity)) for quantity in run.quantities],
        "checks": [json_ready(dataclasses.asdict(check)) for check in run.checks],
    }


def ml_extras(run: ModelRun, *, profile: bool, bootstrap: int, seed: int) -> dict[str, Any]:
    """Compute the slower frequentist answers that were asked for.

    Parameters
    ----------
    run : ModelRun
        The model.
    profile : bool
        Whether to profile every coefficient, estimand and variance quantity; a singular fit has no profile of
        its variances.
    bootstrap : int
        Data sets to simulate for the test of the random slope; 0 for none.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        JSON-ready, with ``profile_intervals`` and ``slope_bootstrap`` where asked for.
    """
    from bayes_alliance.inference.ml_intervals import bootstrap_slope_test, profile_effect, profile_variance

    extras: dict[str, Any] = {}
    if profile:
        named = [(name, [(name, 1.0)]) for name in run.ml.x_names]
        named += [(item.name, list(item.weights)) for item in run.model.estimands]
        intervals = [profile_effect(run.ml, run.design, weights, name=name) for name, weights in named]
        if not run.ml.singular:
            variances = [f"sd_{name}" for name in run.ml.z_names]
            variances += ["correlation"] if run.ml.covariance == "UN" else []
            intervals += [profile_variance(run.ml, run.design, name) for name in (*variances, "sigma")]
        extras["profile_intervals"] = [json_ready(dataclasses.asdict(interval)) for interval in intervals]
    if bootstrap and len(run.ml.z_names) > 1:
        test = bootstrap_slope_test(run.design, run.ml, seed=seed, count=bootstrap)
        extras["slope_bootstrap"] = json_ready(dataclasses.asdict(test))
    return extras


def format_extras(extras: dict[str, Any]) -> list[str]:
    """Give the answers of :func:`ml_extras` as lines of text."""
    lines = []
    if "profile_intervals" in extras:
        lines.append("  profile-likelihood intervals (ML, 95 %):")
        for item in extras["profile_intervals"]:
            upper = "inf" if item["upper"] is None else f"{item['upper']:.4g}"
            lines.append(f"    {item['name']:<34}{item['estimate']:>12.4g} [{item['lower']:.4g}, {upper}]")
    if "slope_bootstrap" in extras:
        test = extras["slope_bootstrap"]
        lines.append(
            f"  random slope: likelihood ratio {test['statistic']:.3f}, p = {test['p']:.4f} "
            f"by {test['count']} data sets simulated without it"
        )
    return lines


def format_quantities(results: StudyResults) -> str:
    """Give the quantities of every run as text for a terminal."""
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
    """Say as JSON what a data file was understood to be and which models it carries.

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
    """Say in words what :func:`data_json` says: how a file was understood and which models it carries."""
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
