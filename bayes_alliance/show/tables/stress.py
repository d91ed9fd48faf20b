"""Tables of the stress tests: every estimand under every change, tipping points, joint effects, likelihoods."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from bayes_alliance.show.disclosure import Content
from bayes_alliance.show.format_numbers import INTERVAL_NAME, format_number, format_p, format_summary
from bayes_alliance.show.provenance import describe_stress, stamp_provenance
from bayes_alliance.show.tables.record import (
    Column,
    Table,
    Value,
    build_table,
    exact_columns,
    number_column,
    publish,
    shown_column,
    text_column,
)
from bayes_alliance.show.tables.shared_columns import summary_columns, summary_values
from bayes_alliance.stress.records import StressDraws
from bayes_alliance.stress.run import StressResults, direction_rule
from bayes_alliance.stress.tipping import TippingPoint

_WHERE = (text_column("model", "Model"), text_column("label", "Estimand"))


def build_stress_tables(results: StressResults) -> list[Table]:
    """Build every table that has rows."""
    tables = [
        tabulate_stress(results),
        tabulate_tipping(results),
        tabulate_shared(results),
        tabulate_joint(results),
        tabulate_conditioning(results),
        tabulate_likelihoods(results),
        tabulate_skipped(results),
    ]
    return [publish(table, Content.MODEL, results.source) for table in tables if table.rows]


def _table(
    results: StressResults,
    table_id: str,
    title: str,
    columns: Sequence[Column],
    rows: Iterable[dict[str, Value]],
    *notes: str,
    printed: bool = False,
) -> Table:
    origin = (describe_stress(results, printed=printed), stamp_provenance(results))
    return build_table((table_id, f"{results.study.id}: {title}"), columns, rows, notes, origin)


def tabulate_stress(results: StressResults) -> Table:
    """List every estimand under every change, unchanged first, grouped by estimand."""
    columns = (
        *_WHERE,
        text_column("test", "Test"),
        text_column("variant", "Change"),
        shown_column("posterior", "Median [95 %], points over the horizon"),
        shown_column("direction", "P(below 0)"),
        text_column("verdict", "Verdict"),
        number_column("p_matters", "P(beyond the smallest difference that matters)"),
        text_column("changed", "What was changed"),
        Column(name="estimand", heading="estimand", shown="csv"),
        Column(name="outcome", heading="outcome", shown="csv"),
        *summary_columns("points"),
    )
    everything = results.all_draws()
    order = {(d.model_id, d.estimand): i for i, d in enumerate(results.base)}
    everything.sort(key=lambda d: order[d.model_id, d.estimand])
    return _table(
        results,
        "stress",
        "every slope deviation under every changed assumption",
        columns,
        (_stress_row(results, draws) for draws in everything),
        f"Points over the horizon of {results.study.horizon:g} {results.study.time_unit}; {INTERVAL_NAME}. P(beyond "
        "the smallest difference that matters), and the verdict (see verdicts), are about the direction of the "
        "unchanged posterior mean. Deltas: those that draw the estimand to zero, as large as that difference.",
    )


def _stress_row(results: StressResults, draws: StressDraws) -> dict[str, Value]:
    summary = draws.summary()
    base = next(b for b in results.base if (b.model_id, b.estimand) == (draws.model_id, draws.estimand))
    sign = 1.0 if float(base.points.mean()) >= 0.0 else -1.0
    smallest = results.smallest.get(draws.outcome, math.nan)
    matters = float(np.mean(sign * draws.points > smallest)) if math.isfinite(smallest) else math.nan
    return {
        "model": draws.model_id,
        "label": draws.label,
        "test": draws.test,
        "variant": draws.variant,
        "posterior": format_summary(summary),
        "direction": format_p(summary.p_negative),
        "verdict": direction_rule(results.study, base)(draws.points),
        "p_matters": matters,
        "changed": draws.changed,
        "estimand": draws.estimand,
        "outcome": draws.outcome,
        **summary_values(summary, "points"),
    }


def tabulate_tipping(results: StressResults) -> Table:
    """List the smallest delta in each direction at which the verdict changes."""
    columns = (
        *_WHERE,
        text_column("direction", "Slopes after the last assessment"),
        shown_column("tips", "Verdict changes at (points over the horizon)"),
        text_column("before", "From"),
        text_column("after", "To"),
        text_column("incomplete", "Patients not assessed at the horizon"),
        Column(name="estimand", heading="estimand", shown="csv"),
        *exact_columns("delta", "limit"),
    )
    return _table(
        results,
        "stress_tipping",
        "how informative dropout would have to be",
        columns,
        (_tipping_row(tip) for tip in results.tips),
        "Delta: points over the horizon by which slopes after the last assessment depart from what the model predicts "
        "for missing at random. For scale, compare with the slope difference itself and with the SD of slopes "
        "between patients.",
    )


def _tipping_row(tip: TippingPoint) -> dict[str, Value]:
    analysis = tip.analysis
    parts = [
        f"{group}: {'steeper' if part > 0 else 'flatter'}"
        for group, part in zip(analysis.groups, tip.direction, strict=True)
        if part
    ]
    counts = zip(analysis.groups, analysis.incomplete, strict=True)
    return {
        "model": analysis.base.model_id,
        "label": analysis.base.label,
        "direction": ", ".join(parts) or "none bears on it",
        "tips": f"{tip.delta:.2f}" if math.isfinite(tip.delta) else f"nowhere up to {tip.limit:g}",
        "before": tip.before,
        "after": tip.after,
        "incomplete": ", ".join(f"{group} {count}" for group, count in counts),
        "estimand": analysis.base.estimand,
        "delta": tip.delta if math.isfinite(tip.delta) else math.nan,
        "limit": tip.limit,
    }


def tabulate_shared(results: StressResults) -> Table:
    """List what the time of dropout says of level and slope."""
    columns = (
        text_column("model", "Model"),
        number_column("n_dropouts", "Patients not assessed at the horizon"),
        shown_column("gamma_slope", "Log time of dropout for a point of change over the horizon"),
        shown_column("gamma_level", "... for a point of level"),
        number_column("pareto_k", "Pareto k"),
        *exact_columns(
            *(f"gamma_{which}_{name}" for which in ("level", "slope") for name in ("mean", "q2.5", "q97.5"))
        ),
    )
    rows: list[dict[str, Value]] = []
    for fit in results.shared:
        row: dict[str, Value] = {
            "model": fit.model_id,
            "n_dropouts": fit.n_dropouts,
            "pareto_k": fit.pareto_k,
        }
        for k, which in enumerate(("level", "slope")):
            low, middle, high = (float(v) for v in np.quantile(fit.gamma[:, k], [0.025, 0.5, 0.975]))
            row[f"gamma_{which}"] = f"{middle:.2f} [{low:.2f}, {high:.2f}]"
            row[f"gamma_{which}_mean"] = float(fit.gamma[:, k].mean())
            row[f"gamma_{which}_q2.5"], row[f"gamma_{which}_q97.5"] = low, high
        rows.append(row)
    return _table(
        results,
        "stress_dropout",
        "does dropout depend on the patient's own course?",
        columns,
        rows,
        "Shared-parameter model; zero is missing at random. Identified by Normal effects and a log-normal time of "
        "dropout, which no data can test.",
    )


# Over 40 lines: the columns of the table and their cells, one a line.
def tabulate_joint(results: StressResults) -> Table:
    """List each outcome's effect in the joint model and the probability that it is the largest."""
    columns = (
        text_column("label", "Estimand"),
        text_column("outcome", "Outcome"),
        text_column("separate", "Separate models"),
        text_column("joint", "Joint model"),
        text_column("pooled", "Partially pooled"),
        number_column("p_largest_separate", "P(largest), separate"),
        number_column("p_largest", "P(largest), joint"),
        number_column("p_largest_pooled", "P(largest), pooled"),
        text_column("size", "Patients, rows"),
        Column(name="estimand", heading="estimand", shown="csv"),
        Column(name="model", heading="model", shown="csv"),
        *exact_columns("effect_correlation", "slope_correlation", "residual_correlation", "pareto_k"),
    )
    rows: list[dict[str, Value]] = []
    base = {(b.model_id, b.estimand): b for b in results.base}
    for effect in results.joint:
        for k, (outcome, draws) in enumerate(zip(effect.outcomes, effect.joint, strict=True)):
            pooled = effect.pooled[k].summary() if effect.pooled else None
            rows.append(
                {
                    "label": effect.label,
                    "outcome": outcome,
                    "separate": format_summary(base[draws.model_id, draws.estimand].summary()),
                    "joint": format_summary(draws.summary()),
                    "pooled": format_summary(pooled),
                    "p_largest_separate": effect.p_largest_separate[k],
                    "p_largest": effect.p_largest[k],
                    "p_largest_pooled": effect.p_largest_pooled[k],
                    "size": f"{effect.n_patients}, {effect.n_rows}",
                    "estimand": effect.estimand,
                    "model": draws.model_id,
                    "effect_correlation": effect.effect_correlation,
                    "slope_correlation": effect.slope_correlation,
                    "residual_correlation": effect.residual_correlation,
                    "pareto_k": effect.pareto_k,
                }
            )
    return _table(
        results,
        "stress_joint",
        "outcomes in one model, and which effect is the largest",
        columns,
        rows,
        f"Points over the horizon, median [{INTERVAL_NAME}]. Largest: in the direction of the mean over outcomes. "
        "The joint model has half-t(2) priors on SDs with the scales of the prior set, separate models the set's own. "
        "Pooled: empty where the joint draws cannot be reweighted (Pareto k above 0.7).",
    )


# Over 40 lines: the columns of the table and their cells, each number as shown and in full.
def tabulate_conditioning(results: StressResults) -> Table:
    """List the subgroup difference that a shared course gives without any effect, by its strength."""
    columns = (
        *_WHERE,
        number_column("strength", "Correlation of slopes"),
        number_column("residual", "Correlation of residuals at the end"),
        number_column("expected", "Expected (closed form)"),
        shown_column("simulated", "Simulated: mean [95 % of studies]"),
        number_column("share_significant", "Studies beyond 1.96 SE below zero"),
        shown_column("printed_shown", "Printed"),
        shown_column("observed_shown", "Posterior mean on the run's rows"),
        shown_column("required_shown", "Strength that gives all of it"),
        *exact_columns(
            "mean", "sd", "lower", "upper", "printed", "printed_low", "printed_high", "observed", "required"
        ),
    )
    rows: list[dict[str, Value]] = [
        {
            "model": one.model_id,
            "label": one.label,
            "strength": point.strength,
            "residual": point.residual,
            "expected": point.expected,
            "simulated": f"{point.mean:.2f} [{point.lower:.2f}, {point.upper:.2f}]",
            "share_significant": point.share_significant,
            "printed_shown": "" if math.isnan(one.printed) else f"{one.printed:.2f}",
            "observed_shown": f"{one.observed:.2f}",
            "required_shown": f"{one.required:.2f}" if math.isfinite(one.required) else "none looked at",
            "mean": point.mean,
            "sd": point.sd,
            "lower": point.lower,
            "upper": point.upper,
            "printed": one.printed,
            "printed_low": one.printed_low,
            "printed_high": one.printed_high,
            "observed": one.observed,
            "required": one.required if math.isfinite(one.required) else math.nan,
        }
        for one in results.conditioning
        for point in one.points
    ]
    return _table(
        results,
        "stress_conditioning",
        "subgroups defined by the end state: what a shared course gives without any effect",
        columns,
        rows,
        "Points over the horizon. Two courses whose slopes correlate and that have no effect on each other; patients "
        "are divided by the end value of one and compared in the slope of the other. Growth parameters: ML growth "
        "models on the run's rows. Printed: the publication's cell, in a column of its own.",
        printed=True,
    )


def tabulate_likelihoods(results: StressResults) -> Table:
    """List each likelihood's score beside the Gaussian one."""
    columns = (
        text_column("model", "Model"),
        text_column("likelihood", "Likelihood"),
        number_column("elpd", "elpd"),
        shown_column("difference", "Less the Gaussian, with SE over patients"),
        number_column("n_bad_k", "Visits with Pareto k above 0.7"),
        text_column("extra", "What it adds: median [95 %]"),
        number_column("diverging", "Divergent transitions"),
        text_column("words", "What is changed"),
        *exact_columns("se", "elpd_diff", "se_diff"),
    )
    rows: list[dict[str, Value]] = [
        {
            "model": one.model_id,
            "likelihood": line.name,
            "elpd": line.score.elpd,
            "difference": "0" if line.name == "gaussian" else f"{line.elpd_diff:+.1f} ({line.se_diff:.1f})",
            "n_bad_k": line.score.n_bad_k,
            "extra": _extra(line.extra),
            "diverging": line.diverging,
            "words": line.words,
            "se": line.score.se,
            "elpd_diff": line.elpd_diff,
            "se_diff": line.se_diff,
        }
        for one in results.likelihoods
        for line in one.lines
    ]
    targets = list(dict.fromkeys(one.target for one in results.likelihoods))
    return _table(
        results,
        "stress_likelihoods",
        "likelihoods compared on the measurement grid",
        columns,
        rows,
        f"Log probability of {'; '.join(targets)}; effects integrated out, PSIS-LOO over visits. Greater is better. "
        "R-hat and effective draws of sampled likelihoods stand in the CSV file of table stress.",
    )


def _extra(extra: Sequence[tuple[str, float]]) -> str:
    if not extra:
        return ""
    (name, middle), (_, low), (_, high) = extra
    return f"{name} {format_number(middle)} [{format_number(low)}, {format_number(high)}]"


def tabulate_skipped(results: StressResults) -> Table:
    """List what could not be made, and why."""
    columns = (
        text_column("model", "Model"),
        text_column("test", "Test"),
        text_column("variant", "Change"),
        text_column("reason", "Why not"),
    )
    rows: list[dict[str, Value]] = [
        {"model": one.model_id, "test": "all", "variant": "", "reason": one.reason}
        for one in results.models_skipped
    ]
    rows += [
        {"model": one.model_id, "test": one.test, "variant": one.variant, "reason": one.reason}
        for one in results.skipped
    ]
    return _table(results, "stress_skipped", "tests that could not be made", columns, rows)
