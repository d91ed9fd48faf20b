"""What a run says to the items that guidelines for mixed models add: levels, selection, ML, assumptions, data."""

from __future__ import annotations

import numpy as np

from bayes_alliance.run.results import ModelRun
from bayes_alliance.show.format_numbers import format_fixed
from bayes_alliance.show.report.checklist_known import Known, Said
from bayes_alliance.study.records import Source


def fill_levels(known: Known) -> Said:
    """Fill: levels of the data, units at each, and which of them the models leave out."""
    runs = known.results.runs
    if not runs:
        return "open", "No model was run."
    largest = max(runs, key=lambda run: run.rows.n_rows)
    study = known.results.study
    stated = study.publication.levels
    said = (
        f"{_count_levels(largest)} levels: {largest.rows.n_rows} assessments within {largest.rows.n_patients} patients "
        "in the largest model "
        f"({largest.model.label}); table rows for each model."
    )
    if stated:
        return "filled", f"{said} Left out by the models: {', '.join(level.label for level in stated)}."
    if upper := sorted(
        {run.design.structured.cluster for run in known.results.runs if run.design.structured} - {""}
    ):
        return "filled", f"{said} Levels above the patient: {', '.join(upper)}."
    return "in part", f"{said} The study file does not state whether therapists or groups are a third level."


def _count_levels(run: ModelRun) -> str:
    about = run.design.structured
    return "Three" if about is not None and about.cluster else "Two"


def fill_icc(known: Known) -> Said:
    """Fill: variance partition before predictors enter."""
    empty = [run for run in known.results.runs if run.ml.x_names == ("Intercept",)]
    if not empty:
        return "open", "No unconditional model (intercept only) is among the models of this run."
    shares = [f"{run.model.label} {format_fixed(_icc(run), 2)}" for run in empty]
    return "filled", f"ICC of unconditional models by ML: {'; '.join(shares)}."


def _icc(run: ModelRun) -> float:
    if run.ml.variances:
        return sum(value for name, value in run.ml.variances if name.startswith("icc_"))
    between = float(np.sum(run.ml.sd[:1] ** 2))
    return between / (between + run.ml.sigma**2)


def fill_random_effects(known: Known) -> Said:
    """Fill: structure of the random effects and why it was chosen."""
    tested = [run for run in known.results.runs if run.slope_test is not None]
    if not tested:
        return "open", "No model of this run has a random slope that could be tested."
    kept = sum(run.slope_test.p_mixture < 0.05 for run in tested if run.slope_test is not None)
    return (
        "filled",
        "One random part by patient, as published. Tests of the random slope against a random intercept alone stand in "
        f"table growth_tests: p < .05 in {kept} of {len(tested)} models.",
    )


def fill_fixed(known: Known) -> Said:
    """Fill: every fixed effect with SE, degrees of freedom, test and interval."""
    return (
        "in part",
        "Table estimands: estimate, SE, degrees of freedom (Satterthwaite) and p of every fixed effect by ML and REML. "
        "Profile-likelihood intervals: 'bayes-alliance fit --profile', one model at a time.",
    )


def fill_selection(known: Known) -> Said:
    """Fill: steps of model selection."""
    nested = [run for run in known.results.runs if run.unconditional_test is not None or run.model.reference]
    if not nested:
        return "open", "No model of this run has a reference that it extends."
    return (
        "filled",
        f"All {len(known.results.runs)} models of the study file were fitted and are reported; none was chosen by its "
        f"result. {len(nested)} extend a reference: likelihoods, AIC and tests stand in tables likelihoods and "
        "growth_tests.",
    )


def fill_estimation(known: Known) -> Said:
    """Fill: estimation, optimiser, convergence, singular fits."""
    runs = known.results.runs
    stuck = [run.model.label for run in runs if not (run.ml.converged and run.reml.converged)]
    singular = [run.model.label for run in runs if run.ml.singular or run.reml.singular]
    failed = f"not converged: {', '.join(stuck)}" if stuck else "all converged"
    edge = f"singular: {', '.join(singular[:8])}" if singular else "none singular"
    rest = f" and {len(singular) - 8} more" if len(singular) > 8 else ""
    return (
        "filled",
        f"ML and REML by the profiled deviance, minimised by L-BFGS-B from several starts; {failed}; {edge}{rest}.",
    )


def fill_assumptions(known: Known) -> Said:
    """Fill: residuals and random effects: normality, equal variance, independence."""
    parts = []
    if known.results.predictive:
        parts.append("spreads within and between patients, floor and ceiling against replicates")
    if known.has("stress"):
        parts.append(
            "other likelihoods (heavy tails, unequal variances, autocorrelation) in the stress tests"
        )
    if not parts:
        return "open", "Neither predictive checks nor stress tests were made in this run."
    return "filled" if len(parts) == 2 else "in part", f"Looked at: {'; '.join(parts)}."


def fill_missing(known: Known) -> Said:
    """Fill: missing outcomes and predictors at each level, and patients left out."""
    left = [run for run in known.results.runs if run.left_out]
    return (
        "in part",
        f"Table rows and the methods name rows and patients that a model cannot use ({len(left)} of "
        f"{len(known.results.runs)} models leave some out). Dropout by visit is not tabulated.",
    )


def fill_trajectories(known: Known) -> Said:
    """Fill: figure of observed and fitted trajectories."""
    drawn = [figure.title for figure in known.results.study.figures]
    if not drawn:
        return "open", "The study file declares no figure of trajectories."
    return "filled", f"{len(drawn)} figures of fitted trajectories: {'; '.join(drawn[:3])}."


def fill_access(known: Known) -> Said:
    """Fill: access to data and code."""
    results = known.results
    code = "The code is open and 'methods' names its version"
    if results.source is Source.SYNTHETIC:
        return "in part", f"{code}; the cohort is synthetic, and the patients' data are not public."
    if results.study.data.file:
        return "filled", f"{code}; the data file stands in the study's folder with its source and licence."
    return "in part", f"{code}; the data were given by the user and are not part of the results."
