"""Alternative text: what a figure shows, in words, made from the numbers that it plots."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.format_numbers import format_number, use_minus_sign
from bayes_alliance.show.plots.behind_trajectories import FITTED
from bayes_alliance.show.plots.style import PlotRow
from bayes_alliance.study.records import TrajectoryFigure


def _number(row: PlotRow, name: str) -> str:
    value = row[name]
    return "none" if value is None else format_number(float(value))


def _names(rows: Sequence[PlotRow], key: str) -> list[str]:
    return list(dict.fromkeys(str(row[key]) for row in rows))


def describe_trajectories(results: StudyResults, figure: TrajectoryFigure, rows: Sequence[PlotRow]) -> str:
    """Return where each line begins and ends."""
    study = results.study
    parts = [
        f"Lines with bands: fitted mean scores over {study.horizon:g} {study.time_unit}, one panel per model, "
        "one line per subgroup."
    ]
    rows = [row for row in rows if row["series"] == FITTED]
    for model in _names(rows, "model"):
        label = study.variable(study.model(model).outcome).label
        said = []
        for line in _names([row for row in rows if row["model"] == model], "line"):
            mine = [row for row in rows if row["model"] == model and row["line"] == line]
            name = "ml_mean" if mine[0]["bayes_median"] is None else "bayes_median"
            said.append(f"{line} from {_number(mine[0], name)} to {_number(mine[-1], name)}")
        parts.append(f"{label}: {'; '.join(said)}.")
    return use_minus_sign(" ".join(parts))


def describe_forest(rows: Sequence[PlotRow]) -> str:
    """List every estimate with its interval, source by source."""
    parts = [
        "Points with 95 % intervals: slopes and their differences over the horizon, by print, maximum likelihood and "
        "Bayes."
    ]
    shown: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["estimate_over_horizon"] is None:
            text = f"{row['source']} {row['printed']}"
        else:
            text = f"{row['source']} {_number(row, 'estimate_over_horizon')}"
        shown.setdefault((str(row["model"]), str(row["label"])), []).append(text)
    parts += [f"{model}, {label}: {', '.join(said)}." for (model, label), said in shown.items()]
    return use_minus_sign(" ".join(parts))


def describe_comparison(rows: Sequence[PlotRow]) -> str:
    """List both differences of each model."""
    parts = [
        "Points: difference in AIC and in -2 elpd for a new patient from the best model; smaller is better."
    ]
    parts += [
        f"{row['label']}: AIC {_number(row, 'aic_diff')}, -2 elpd {_number(row, 'minus_2_elpd_diff')} (SE "
        f"{_number(row, 'minus_2_elpd_diff_se')})."
        for row in rows
    ]
    return use_minus_sign(" ".join(parts))


def describe_means(rows: Sequence[PlotRow], outcome: str) -> str:
    """Return how many observed means of an outcome lie outside the interval of replicates."""
    seen = [row for row in rows if row["observed"] is not None]
    outside = [
        row
        for row in seen
        if not float(row["replicates_q2.5"] or 0.0)
        <= float(row["observed"] or 0.0)
        <= float(row["replicates_q97.5"] or 0.0)
    ]
    text = (
        f"{outcome}. Points on bars: {len(seen)} observed means by model, subgroup and visit window beside the "
        f"95 % interval of replicates; {len(outside)} lie outside."
    )
    where = [f"{row['model']}, {row['group']}, {row['window']}" for row in outside[:6]]
    return use_minus_sign(text + (f" Outside: {'; '.join(where)}." if where else ""))


def describe_pit(rows: Sequence[PlotRow]) -> str:
    """Return how far each calibration curve leaves the diagonal."""
    parts = ["Curves: distribution of LOO-PIT values minus uniform, with a simultaneous 95 % band."]
    for model in _names(rows, "model"):
        mine = [row for row in rows if row["model"] == model]
        worst = max(abs(float(row["ecdf_minus_uniform"] or 0.0)) for row in mine)
        band = float(mine[0]["band_95_simultaneous"] or 0.0)
        inside = "inside" if worst <= band else "leaves"
        parts.append(
            f"{model}: largest distance {format_number(worst)}, {inside} the band of {format_number(band)}."
        )
    return use_minus_sign(" ".join(parts))


def describe_moderation(rows: Sequence[PlotRow]) -> str:
    """List the slope of each cell, the differences and the contrast."""
    middle = "ml" if any(row["bayes_median"] is None for row in rows) else "bayes_median"
    parts = [
        "Points with 95 % intervals: slopes of the cells of a moderation, their differences and their contrast."
    ]
    for model in _names(rows, "model"):
        said = [f"{row['label']} {_number(row, middle)}" for row in rows if row["model"] == model]
        parts.append(f"{model}: {'; '.join(said)}.")
    return use_minus_sign(" ".join(parts))


def describe_learning(rows: Sequence[PlotRow]) -> str:
    """Return where each posterior is highest."""
    parts = ["Curves: densities of prior, likelihood and posterior, one panel per slope difference."]
    for model, estimand in dict.fromkeys((row["model"], row["estimand"]) for row in rows):
        mine = [row for row in rows if (row["model"], row["estimand"]) == (model, estimand)]
        top = max(mine, key=lambda row: float(row["posterior_density"] or 0.0))
        parts.append(f"{model}, {top['label']}: posterior highest at {_number(top, 'value')}.")
    return use_minus_sign(" ".join(parts))


def describe_bayes_factors(rows: Sequence[PlotRow]) -> str:
    """List each Bayes factor at the stated prior."""
    parts = [
        "Lines: Bayes factor of each effect against none over prior widths from 1/8 to 8 times the stated one."
    ]
    parts += [
        f"{row['label']}: {format_number(math.exp(min(float(row['log_bf10'] or 0.0), 50.0)))} at the stated prior."
        for row in rows
        if row["width"] == 1.0
    ]
    return use_minus_sign(" ".join(parts))


def describe_variation(rows: Sequence[PlotRow]) -> str:
    """List the quantity between fits of each model, and where the share within it is highest."""
    parts = [
        "Densities and marks: explained variation of intercepts and slopes, in per cent, one line per model."
    ]
    for model, part in dict.fromkeys((row["model"], row["part"]) for row in rows):
        mine = [row for row in rows if (row["model"], row["part"]) == (model, part)]
        said = [f"between fits {_number(mine[0], 'ml_same_rows')}"]
        if mine[0]["printed"] is not None:
            said.insert(0, f"printed {_number(mine[0], 'printed')}")
        if mine[0]["share_density"] is not None:
            top = max(mine, key=lambda row: float(row["share_density"] or 0.0))
            said.append(f"share within the model most probable near {_number(top, 'percent')}")
        parts.append(f"{model}, {part}: {', '.join(said)}.")
    return use_minus_sign(" ".join(parts))


def describe_patient_scores(rows: Sequence[PlotRow]) -> str:
    """Count for how many patients each model gains."""
    grouped = any("n_patients" in row for row in rows)
    unit = "groups of patients" if grouped else "patients"
    parts = [
        f"Steps: difference in predictive score {'over groups of patients' if grouped else 'of each patient'} between "
        "a model and its reference, sorted."
    ]
    for model, reference in dict.fromkeys((row["model"], row["reference"]) for row in rows):
        mine = [row for row in rows if row["model"] == model]
        gains = sum(float(row["elpd_diff"] or 0.0) > 0.0 for row in mine)
        total = _number(mine[-1], "cumulated")
        parts.append(
            f"{model} against {reference}: better for {gains} of {len(mine)} {unit}, in all {total}."
        )
    return use_minus_sign(" ".join(parts))


def describe_pareto_k(rows: Sequence[PlotRow]) -> str:
    """List the largest Pareto k of each model and target."""
    parts = ["Ticks: Pareto k of every unit left out, one line per model."]
    for model, target in dict.fromkeys((row["model"], row["target"]) for row in rows):
        ks = [
            float(row["pareto_k"] or 0.0) for row in rows if (row["model"], row["target"]) == (model, target)
        ]
        above = sum(k > 0.7 for k in ks)
        parts.append(
            f"{model}, {str(target).replace('_', ' ')}: largest {format_number(max(ks))}, {above} above 0.7."
        )
    return use_minus_sign(" ".join(parts))


def describe_chains(rows: Sequence[PlotRow]) -> str:
    """Return how far the ranks of any chain are from even."""
    parts = [
        "Traces of chains, and the share of each chain's draws by rank; even shares mean chains that mix."
    ]
    for name in _names(rows, "parameter"):
        mine = [row for row in rows if row["parameter"] == name]
        shares = [float(row["share"] or 0.0) / float(row["expected"] or 1.0) for row in mine]
        parts.append(
            f"{name}: between {format_number(min(shares))} and {format_number(max(shares))} of what is expected."
        )
    return use_minus_sign(" ".join(parts))


def describe_prior_sensitivity(rows: Sequence[PlotRow]) -> str:
    """List the posterior mean of each cell under each prior."""
    parts = ["Points with intervals: printed slope deviations under every prior, from the cells alone."]
    for cell in _names(rows, "cell"):
        said = [f"{row['prior']} {_number(row, 'mean')}" for row in rows if row["cell"] == cell]
        parts.append(f"{cell}: {', '.join(said)}.")
    return use_minus_sign(" ".join(parts))


def describe_spread(rows: Sequence[PlotRow]) -> str:
    """List the range of each answer over the cohorts."""
    parts = ["Bars: least to largest posterior mean over synthetic cohorts that print the same tables."]
    parts += [
        f"{row['label']}: {_number(row, 'least_over_horizon')} to {_number(row, 'largest_over_horizon')}."
        for row in rows
    ]
    return use_minus_sign(" ".join(parts))


def describe_scorecard(rows: Sequence[PlotRow]) -> str:
    """Return how many numbers of each kind the cohorts print again."""
    parts = [
        "Ticks: numbers of synthetic cohorts within the rounding of the printed ones, one line per kind."
    ]
    for kind in _names(rows, "kind"):
        mine = [row for row in rows if row["kind"] == kind]
        parts.append(f"{kind}: {sum(bool(row['met']) for row in mine)} of {len(mine)} printed again.")
    return " ".join(parts)


def describe_ensemble_checks(rows: Sequence[PlotRow]) -> str:
    """Return the value farthest out of each check, and which fail."""
    parts = ["Ticks: values of synthetic cohorts between the limits of what is ordinary, one line a check."]
    for what in _names(rows, "what"):
        one = next(row for row in rows if row["what"] == what)
        parts.append(
            f"{what}: farthest out {_number(one, 'farthest_out')}, {'passed' if one['passed'] else 'FAILED'}."
        )
    return use_minus_sign(" ".join(parts))
