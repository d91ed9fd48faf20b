"""The table of what each prior of the suite implies over the horizon and before data."""

from __future__ import annotations

import math

from bayes_alliance.assess.prior_predictive import PRIOR_DRAWS
from bayes_alliance.claims.prior_implications import PriorImplication, suite_implications
from bayes_alliance.inference.design import Design
from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.format_numbers import format_number
from bayes_alliance.show.tables.record import Table, Value, build_table, exact_columns, text_column
from bayes_alliance.study.records import Study, Variable

_Z = 1.959963984540054


def tabulate_implications(results: StudyResults) -> Table:
    """List, prior by prior and outcome by outcome, what is implied of changes, differences and single scores."""
    study = results.study
    over = f"over {study.horizon:g} {study.time_unit}"
    columns = (
        text_column("prior", "Prior"),
        text_column("outcome", "Outcome"),
        text_column("change", f"Mean change {over}, 95 %"),
        text_column("difference", "Difference in change, 95 %"),
        text_column("sd_change", "SD of patients' changes, median"),
        text_column("baseline", "Scores outside the scale at baseline"),
        text_column("at_horizon", f"At {study.horizon:g} {study.time_unit}"),
        *exact_columns(
            "change_mean",
            "change_sd",
            "difference_mean",
            "difference_sd",
            "outside_baseline",
            "outside_horizon",
        ),
    )
    growth: dict[str, Design] = {}
    for run in results.runs:
        if run.design.x_names == ("Intercept", study.time):
            growth.setdefault(run.model.outcome, run.design)
    rows = [_row(study, one) for one in suite_implications(study, growth, seed=results.seed)]
    notes = (
        f"At the reference point of a growth model; {PRIOR_DRAWS:,} draws. Difference: between levels of a category, "
        "or for a predictor's contrast; sets with a stance state the means of printed effects by name (table above). A "
        "dash: Bambi's automatic prior of a difference depends on its predictor's spread.",
    )
    return build_table(
        ("prior_implications", "Every prior of the suite: what it implies over the horizon and before data"),
        columns,
        rows,
        notes,
        ("Computed from the priors; Bambi's automatic ones also from the outcome's mean and SD.", "priors"),
    )


def _row(study: Study, one: PriorImplication) -> dict[str, Value]:
    variable = study.variable(one.outcome)
    unit = (variable.unit if isinstance(variable, Variable) else "") or "points"
    found = one.prediction
    return {
        "prior": one.variant.label,
        "outcome": variable.label,
        "change": _range(one.scales.slope, unit),
        "difference": _range(one.scales.effect_slope, unit),
        "sd_change": f"{format_number(found.sd_change)} {unit}",
        "baseline": _share(found.baseline),
        "at_horizon": _share(found.horizon),
        "change_mean": one.scales.slope[0],
        "change_sd": one.scales.slope[1],
        "difference_mean": one.scales.effect_slope[0],
        "difference_sd": one.scales.effect_slope[1],
        "outside_baseline": found.baseline,
        "outside_horizon": found.horizon,
    }


def _range(pair: tuple[float, float], unit: str) -> str:
    mean, sd = pair
    if math.isnan(sd):
        return "\N{EN DASH}"
    return f"{format_number(mean - _Z * sd)} to {format_number(mean + _Z * sd)} {unit}"


def _share(value: float) -> str:
    return "no ends" if math.isnan(value) else f"{100.0 * value:.1f} %"
