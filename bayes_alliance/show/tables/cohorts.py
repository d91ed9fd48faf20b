"""Tables of an ensemble of synthetic cohorts: what each reproduces, and how far they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bayes_alliance.run.results import Spread
from bayes_alliance.show.format_numbers import format_fixed, format_number
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
from bayes_alliance.study.records import Study

LIMITS = (
    "That cohorts exist which print these numbers is no recovery of the patients' data. Agreement on what was "
    "matched is by construction; what was not printed shows the assumptions of the model and is no finding."
)
_SCORE = (
    text_column("place", "Place"),
    text_column("said", "Printed"),
    text_column("kind", "Number"),
    shown_column("asked", "What prints like it"),
    shown_column("achieved", "Cohorts: first [least to largest]"),
    text_column("met", "Cohorts that print it"),
    text_column("note", "Why it is missed"),
    Column(name="from_cell", heading="from_cell", shown="csv"),
    Column(name="model", heading="model", shown="csv"),
    *exact_columns("low", "high", "first", "least", "largest"),
)
_SPREAD = (
    text_column("model", "Model"),
    text_column("label", "Estimand"),
    number_column("n", "Cohorts"),
    shown_column("ml", "ML: mean over cohorts [least to largest]"),
    shown_column("bayes", "Bayes: mean of posterior means [least to largest]"),
    shown_column("between", "SD between cohorts (posterior means)"),
    shown_column("within", "Posterior SD (mean)"),
    shown_column("ratio", "Between / posterior SD"),
    Column(name="estimand", heading="estimand", shown="csv"),
    *exact_columns(
        "ml_mean",
        "ml_sd",
        "ml_low",
        "ml_high",
        "bayes_mean",
        "bayes_sd",
        "bayes_low",
        "bayes_high",
        "posterior_sd",
    ),
)


_CHECKS = (
    text_column("what", "Checked"),
    shown_column("limits", "Ordinary"),
    shown_column("found", "Farthest out"),
    text_column("where", "Where"),
    text_column("verdict", "Check"),
    Column(name="name", heading="name", shown="csv"),
    *exact_columns("low", "high", "value"),
)


def tabulate_ensemble_checks(study: Study, checks: Sequence[Mapping[str, Any]]) -> Table:
    """Build the table of the checks whether the cohorts are ordinary in what was not printed.

    Parameters
    ----------
    study : Study
        Of the cohorts.
    checks : sequence of mapping
        As a run keeps them.

    Returns
    -------
    Table
    """
    rows: list[dict[str, Value]] = [
        {
            "what": check["what"],
            "limits": _limits(check["low"], check["high"]),
            "found": format_number(check["value"]),
            "where": _label(study, str(check["where"])),
            "verdict": "passed" if check["passed"] else "FAILED",
            **{name: check[name] for name in ("name", "low", "high", "value")},
        }
        for check in checks
    ]
    return build_table(
        (
            "ensemble_checks",
            "Whether the synthetic cohorts are ordinary in what was not printed",
        ),
        _CHECKS,
        rows,
        (
            "Limits are ours (page Draws given print of the documentation). A check that passes proves nothing.",
        ),
        ("Synthetic data.", "synthetic"),
    )


def _label(study: Study, name: str) -> str:
    """Name a model or a variable; anything else stays as it is."""
    models = {model.id: model.label for model in study.models}
    variable = study.every_variable.get(name)
    return models.get(name, name if variable is None else variable.label)


def _limits(low: float, high: float) -> str:
    if low == high:
        return format_number(low)
    # Gains are bounded on one side only.
    return (
        f"at most {format_number(high)}" if low < -10.0 else f"{format_number(low)} to {format_number(high)}"
    )


def tabulate_scorecard(study: Study, cohorts: Sequence[Mapping[str, Any]]) -> Table:
    """Build the table of every number asked for beside what the cohorts print.

    Parameters
    ----------
    study : Study
        Whose cells.
    cohorts : sequence of mapping
        Facts of each cohort, its ``lines`` among them.

    Returns
    -------
    Table
    """
    rows: list[dict[str, Value]] = []
    for lines in zip(*(facts["lines"] for facts in cohorts), strict=True):
        place, said, kind, model, low, high, first, from_cell, _, note = lines[0]
        achieved = [line[6] for line in lines if line[6] is not None]
        met = sum(bool(line[8]) for line in lines)
        span = f" [{format_number(min(achieved))} to {format_number(max(achieved))}]" if achieved else ""
        rows.append(
            {
                "place": place,
                "said": said,
                "kind": kind,
                "asked": f"{_end(low)} to {_end(high)}",
                "achieved": f"{_end(first)}{span}",
                "met": f"{met} of {len(lines)}",
                "note": note if met < len(lines) else "",
                "from_cell": bool(from_cell),
                "model": model,
                "low": low,
                "high": high,
                "first": first,
                "least": min(achieved) if achieved else None,
                "largest": max(achieved) if achieved else None,
            }
        )
    return build_table(
        ("scorecard", f"{study.id}: printed numbers beside what {len(cohorts)} synthetic cohorts print"),
        _SCORE,
        rows,
        (LIMITS, *_assumed(cohorts)),
        ("Columns 1 and 2: printed. Cohorts: synthetic data.", "column said: printed; others: synthetic"),
    )


def _end(value: float | None) -> str:
    return "any" if value is None else format_number(value)


def _assumed(cohorts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the designs assume, each sentence once."""
    said = dict.fromkeys(sentence for facts in cohorts for sentence in facts["assumptions"])
    return [f"Assumed: {sentence}." for sentence in said]


def tabulate_spread(study: Study, spread: Sequence[Spread]) -> Table:
    """Build the table of every estimand over the cohorts: reconstruction beside posterior uncertainty."""
    rows: list[dict[str, Value]] = [
        {
            "model": study.model(item.model_id).label,
            "label": item.label,
            "estimand": item.name,
            "n": item.n,
            "ml": f"{_three(item.ml_mean)} [{_three(item.ml_low)} to {_three(item.ml_high)}]",
            "bayes": f"{_three(item.bayes_mean)} [{_three(item.bayes_low)} to {_three(item.bayes_high)}]",
            "between": _three(item.bayes_sd),
            "within": _three(item.posterior_sd),
            "ratio": format_fixed(item.bayes_sd / item.posterior_sd, 2),
            **{
                name: getattr(item, name)
                for name in (
                    "ml_mean", "ml_sd", "ml_low", "ml_high", "bayes_mean", "bayes_sd", "bayes_low", "bayes_high",
                    "posterior_sd",
                )
            },
        }
        for item in spread
        if item.label
    ]  # fmt: skip
    return build_table(
        ("spread", "Estimands over synthetic cohorts that all print the published tables"),
        _SPREAD,
        rows,
        (
            LIMITS,
            "SD between cohorts: how far the answer rests on what was not printed. Posterior SD: what the analysis "
            "of a single cohort calls its uncertainty. Slopes are per unit of time. Default prior of the study.",
        ),
        ("Synthetic data: every cohort prints the published tables.", "synthetic"),
    )


def _three(value: float) -> str:
    return f"{value:.3g}"
