"""Columns and cells that several tables share: an effect, a posterior, a quantity by all inferences."""

from __future__ import annotations

import math

from bayes_alliance.assess.mixture import MixtureResult
from bayes_alliance.assess.summaries import Quantity, Summary
from bayes_alliance.inference.fits import Effect
from bayes_alliance.run.results import Spread, StudyResults
from bayes_alliance.show.format_numbers import (
    format_estimate_se,
    format_fixed,
    format_p,
    format_stars,
    format_summary,
)
from bayes_alliance.show.tables.record import Column, Value, exact_columns, shown_column

_EFFECT = ("estimate", "se", "df", "p")
# Named by their quantiles, so that a header says which interval it is.
_SUMMARY = (
    "mean",
    "sd",
    "median",
    "q2.5",
    "q97.5",
    "p_negative",
    "r_hat",
    "ess_bulk",
    "ess_tail",
    "mcse_mean",
)


def effect_columns(prefix: str) -> tuple[Column, ...]:
    """Return the CSV columns of an effect."""
    return exact_columns(*(f"{prefix}_{name}" for name in _EFFECT))


def effect_values(prefix: str, effect: Effect) -> dict[str, Value]:
    """Return an effect at full precision."""
    return {f"{prefix}_{name}": float(getattr(effect, name)) for name in _EFFECT}


def summary_columns(prefix: str = "bayes") -> tuple[Column, ...]:
    """Return the CSV columns of a posterior summary."""
    return exact_columns(*(f"{prefix}_{name}" for name in _SUMMARY))


def summary_values(summary: Summary | None, prefix: str = "bayes") -> dict[str, Value]:
    """Return a posterior summary at full precision; empty cells without one."""
    if summary is None:
        return {f"{prefix}_{name}": None for name in _SUMMARY}
    fields = {"q2.5": "lower", "q97.5": "upper"}
    return {f"{prefix}_{name}": float(getattr(summary, fields.get(name, name))) for name in _SUMMARY}


def format_effect(effect: Effect, *, scale: float = 1.0) -> str:
    """Format an effect as estimate(SE) with stars, times a positive factor."""
    return format_estimate_se(scale * effect.estimate, scale * effect.se, format_stars(effect.p))


def format_direction(summary: Summary | None) -> str:
    """Format the probability of the more probable sign."""
    return "" if summary is None else format_p(summary.p_direction)


SHIFT_COLUMN = shown_column("shift", "ML to Bayes, in SEs")
PRIOR_COLUMNS = exact_columns("shift_in_se", "prior_mean", "prior_sd", "prior_patients", "prior_conflict_p")
SHIFT_NOTE = (
    "ML to Bayes, in SEs: posterior mean less ML estimate, over its standard error. Beyond 0.5 the prior moves the "
    "estimate, and it is marked so. The CSV adds the prior's mean and SD, how many patients it weighs as much as, and "
    "the p value of prior-data conflict."
)


def format_shift(quantity: Quantity) -> str:
    """Format how far the prior moves an estimate, and say where it does."""
    if math.isnan(quantity.shift):
        return ""
    return format_fixed(quantity.shift, 2) + (" (the prior moves this)" if quantity.is_moved else "")


def prior_values(quantity: Quantity) -> dict[str, Value]:
    """Return the shift and the prior behind it, formatted and at full precision."""
    prior = quantity.prior
    return {
        "shift": format_shift(quantity),
        "shift_in_se": quantity.shift,
        "prior_mean": None if prior is None else prior.prior_mean,
        "prior_sd": None if prior is None else prior.prior_sd,
        "prior_patients": None if prior is None else prior.patients,
        "prior_conflict_p": None if prior is None else prior.p,
    }


def quantity_values(quantity: Quantity) -> dict[str, Value]:
    """Return a quantity by all three inferences, formatted and at full precision."""
    return {
        **prior_values(quantity),
        "ml": format_effect(quantity.ml),
        "reml": format_effect(quantity.reml),
        "bayes": format_summary(quantity.bayes),
        "p_direction": format_direction(quantity.bayes),
        **effect_values("ml", quantity.ml),
        **effect_values("reml", quantity.reml),
        **summary_values(quantity.bayes),
    }


def spread_columns(results: StudyResults) -> tuple[Column, ...]:
    """Return the columns of the spread between synthetic cohorts; none where the run's data are not one of several."""
    if not results.ensemble.spread:
        return ()
    n = max(item.n for item in results.ensemble.spread)
    return (
        shown_column("cohorts", f"ML over {n} cohorts: least to largest"),
        *exact_columns("ml_cohorts_least", "ml_cohorts_largest", "ml_cohorts_sd"),
        shown_column("mixture", f"Mixture over {n} cohorts: median [95 %]"),
        shown_column("missing_information", "Missing information"),
        *exact_columns("mixture_mean", "mixture_sd", "mixture_low", "mixture_high", "mixture_above_zero"),
    )


def spread_values(spread: Spread | None) -> dict[str, Value]:
    """Return the spread of one estimate between synthetic cohorts; empty without one."""
    if spread is None:
        return {}
    return {
        "cohorts": f"{spread.ml_low:.3g} to {spread.ml_high:.3g}",
        "ml_cohorts_least": spread.ml_low,
        "ml_cohorts_largest": spread.ml_high,
        "ml_cohorts_sd": spread.ml_sd,
    }


def mixture_values(item: MixtureResult | None) -> dict[str, Value]:
    """Return the mixture of one estimate's posteriors over synthetic cohorts; empty without one."""
    if item is None:
        return {}
    pooled = item.mixture
    return {
        "mixture": f"{pooled.median:.3g} [{pooled.lower:.3g}, {pooled.upper:.3g}]",
        "missing_information": f"{pooled.missing_information:.2f}",
        "mixture_mean": pooled.mean,
        "mixture_sd": pooled.sd,
        "mixture_low": pooled.lower,
        "mixture_high": pooled.upper,
        "mixture_above_zero": pooled.p_above_zero,
    }


def spread_notes(results: StudyResults) -> tuple[str, ...]:
    """Return what the spread between cohorts is, where it is shown."""
    if not results.ensemble.spread:
        return ()
    return (
        "The run's rows are one of several synthetic cohorts that all print the published tables; how far its "
        "estimate differs between them shows how far it rests on what was not printed. For printed numbers that is "
        "no more than what rounding hides (see table spread).",
        "Mixture: the posteriors of all cohorts pooled with equal weights; missing information is the fraction of its "
        "variance that lies between cohorts, hence due to the data not being public (Rubin 1987).",
    )


def is_slope(results: StudyResults, quantity: Quantity) -> bool:
    """Whether a quantity is per unit of time: a slope by kind, or a coefficient of a product with time."""
    if quantity.kind == "coefficient":
        return results.study.time in quantity.name.split(":")
    return quantity.kind.startswith("slope")


def why_absent(results: StudyResults, model_id: str) -> str:
    """Return why a model has no numbers."""
    reasons = [s.reason for s in results.skipped if s.model_id == model_id and not s.comparison]
    return f"not run: {reasons[0]}" if reasons else "not asked for in this run"
