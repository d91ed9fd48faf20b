"""What a run found on each slope difference, as prose with its evidence: printed, ML, Bayes, and print alone.

The sentences are made from the records by fixed rules; nothing is judged here that the records do not judge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bayes_alliance.assess.bayes_factors import BayesFactorCurve
from bayes_alliance.assess.summaries import Quantity
from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.priors import combination_prior, reference_values
from bayes_alliance.published.cell_posterior import CellPosterior
from bayes_alliance.published.reverse_bayes import Z95
from bayes_alliance.run.results import ModelRun, StudyResults
from bayes_alliance.show.format_numbers import (
    INTERVAL_NAME,
    format_fixed,
    format_number,
    format_p,
    format_summary,
    use_minus_sign,
)
from bayes_alliance.show.labels import unit_of
from bayes_alliance.show.plots.forest_lines import ForestLine, forest_lines, printed_lines
from bayes_alliance.show.printed_scale import scale_printed
from bayes_alliance.show.report.record import PriorLine, ReportAnswer
from bayes_alliance.show.tables.bayes_factors import format_bayes_factor
from bayes_alliance.show.tables.gates import Gates, collect_gates
from bayes_alliance.show.tables.printed_posteriors import format_banded, format_probability
from bayes_alliance.show.tables.printed_posteriors import format_bayes_factor as format_printed_bayes_factor
from bayes_alliance.show.tables.shared_columns import format_effect
from bayes_alliance.study.records import Source, Study

# Multiples of the smallest difference that matters, for the posterior's share of what is too small to matter.
ROPE_WIDTHS = (0.5, 1.0, 1.5, 2.0)
# A decision at 95 % posterior probability needs prior odds of 19 over the Bayes factor.
_ODDS_95 = 19.0


def list_answers(results: StudyResults, posteriors: Sequence[CellPosterior]) -> tuple[ReportAnswer, ...]:
    """Return an answer for every printed slope and the contrast it implies; without print, for every difference.

    Parameters
    ----------
    results : StudyResults
        Of a run.
    posteriors : sequence of CellPosterior
        From the printed cells alone, every prior.

    Returns
    -------
    tuple of ReportAnswer
        Differences of slopes before slopes, outcomes of the study's figures before others.
    """
    gates = collect_gates(results)
    lines: list[ForestLine] = []
    for outcome in results.study.outcomes:
        lines += printed_lines(results, outcome)
    if not lines:
        for outcome in results.study.outcomes:
            lines += forest_lines(results, outcome)
    shown = {results.study.model(m).outcome for figure in results.study.figures for m in figure.models}
    # Differences of the outcomes that the study's figures are about come first, mean slopes last.
    lines.sort(key=lambda line: (line.kind == "slope", line.model.outcome not in shown))
    return tuple(_answer(results, gates, line, posteriors) for line in lines)


def _answer(
    results: StudyResults, gates: Gates, line: ForestLine, posteriors: Sequence[CellPosterior]
) -> ReportAnswer:
    study = results.study
    quantity = line.quantity
    bayes = quantity.bayes if quantity is not None else None
    horizon = study.horizon
    return ReportAnswer(
        key=f"{line.model.id}-{line.name}".replace(":", "-").replace("[", "-").replace("]", ""),
        question=f"{line.model.label}: {line.label}",
        printed=_say_printed(study, line),
        ml="" if quantity is None else use_minus_sign(format_effect(quantity.ml, scale=horizon)),
        bayes=use_minus_sign(format_summary(bayes, scale=horizon)),
        sentence=use_minus_sign(_sentence(results, line)),
        marked=bool(gates.mark(line.model.id)),
        facts=tuple((name, use_minus_sign(text)) for name, text in _facts(results, gates, line)),
        priors=tuple(_prior_line(one) for one in posteriors if one.effect.cell == line.cell),
    )


def _say_printed(study: Study, line: ForestLine) -> str:
    """Return a printed number over the horizon, as the numbers beside it are, and the cell as printed."""
    if line.cell is None:
        return ""
    cell = use_minus_sign(line.cell.printed)
    scaled = scale_printed(line.cell.parsed, study.horizon * line.factor)
    return f"{scaled} [cell: {cell} per {study.time_unit.rstrip('s')}]" if scaled else cell


def _sentence(results: StudyResults, line: ForestLine) -> str:
    study = results.study
    over = f"over {study.horizon:g} {study.time_unit}"
    parts = []
    if line.cell is not None:
        parts.append(
            f"Printed: {line.cell.printed} per {study.time_unit.rstrip('s')}{_printed_over(study, line)}."
        )
    if line.quantity is None:
        return " ".join([*parts, "The model was not run on these data."])
    quantity = line.quantity
    ml = quantity.ml
    se = "" if math.isnan(ml.se) else f" (SE {_scaled(ml.se, ml.se, study.horizon)}, p {_compare(ml.p)})"
    parts.append(
        f"On the {_kind_of_data(results)} of this run maximum likelihood gives "
        f"{_scaled(ml.estimate, ml.se, study.horizon)} {unit_of(study, line.model.outcome)} {over}{se}."
    )
    if quantity.bayes is not None:
        parts.append(_bayes_sentence(results, line, quantity))
    return " ".join(parts)


def _kind_of_data(results: StudyResults) -> str:
    return "synthetic data" if results.source == Source.SYNTHETIC else str(results.source)


def _bayes_sentence(results: StudyResults, line: ForestLine, quantity: Quantity) -> str:
    assert quantity.bayes is not None
    bayes, horizon = quantity.bayes, results.study.horizon
    middle, low, high = (
        _scaled(value, bayes.sd, horizon) for value in (bayes.median, bayes.lower, bayes.upper)
    )
    sign = "negative" if bayes.p_negative >= 0.5 else "positive"
    text = (
        f"The posterior median is {middle} ({INTERVAL_NAME} {low} to {high}); it is {sign} with probability "
        f"{format_p(bayes.p_direction)}"
    )
    smallest = _smallest(results, line)
    draws = _draws(results, line)
    if math.isnan(smallest) or draws is None:
        return f"{text}."
    sided = draws < -smallest if bayes.p_negative >= 0.5 else draws > smallest
    unit = unit_of(results.study, line.model.outcome)
    return (
        f"{text}, and beyond the smallest difference that the study file says matters ({smallest:g} {unit}) with "
        f"probability {format_p(float(np.mean(sided)))}."
    )


def _printed_over(study: Study, line: ForestLine) -> str:
    assert line.cell is not None
    cell = line.cell.parsed
    if cell.value is None:
        return ""
    points = format_number(study.horizon * line.factor * float(cell.value.value))
    return f", that is {points} {unit_of(study, line.model.outcome)} over {study.horizon:g} {study.time_unit}"


def _scaled(value: float, error: float, factor: float) -> str:
    return format_number(factor * value, factor * error)


def _compare(p: float) -> str:
    text = format_p(p)
    return text if text[:1] in "<>" else f"= {text}"


def _smallest(results: StudyResults, line: ForestLine) -> float:
    declared = dict(results.study.publication.smallest_difference)
    return declared.get(line.model.outcome, float("nan"))


def _weights(line: ForestLine) -> tuple[tuple[str, float], ...]:
    named = {estimand.name: estimand.weights for estimand in line.model.estimands}
    return named.get(line.name, ((line.name, 1.0),))


def _draws(
    results: StudyResults, line: ForestLine
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None:
    """Posterior draws of a line over the horizon."""
    run = results.run(line.model.id)
    if run is None or run.posterior is None:
        return None
    return results.study.horizon * run.posterior.combine(_weights(line))


def _facts(results: StudyResults, gates: Gates, line: ForestLine) -> list[tuple[str, str]]:
    run = results.run(line.model.id)
    facts = []
    if line.cell is not None:
        facts.append(("Printed in", f"Table {line.cell.table}, {line.cell.row}, {line.cell.column}"))
    if run is None:
        return facts
    facts += [
        ("Formula", run.design.formula.text),
        ("Rows", f"{run.rows.n_patients} patients, {run.rows.n_rows} assessments"),
    ]
    facts += _bayes_facts(results, run, line)
    facts += [("Bayes factor against zero", text) for text in _bayes_factor_facts(run, line)]
    facts += _spread_facts(results, line)
    failed = gates.say(line.model.id)
    mine = [check for check in results.checks if check.model_id == line.model.id]
    passed = sum(check.status == "pass" for check in mine)
    facts.append(("Checks", f"{passed} of {len(mine)} passed" + (f"; FAILED: {failed}" if failed else "")))
    return facts


def _bayes_facts(results: StudyResults, run: ModelRun, line: ForestLine) -> list[tuple[str, str]]:
    quantity = line.quantity
    draws = _draws(results, line)
    if quantity is None or quantity.bayes is None or draws is None:
        return []
    horizon, bayes = results.study.horizon, quantity.bayes
    centre, width = combination_prior(
        results.study,
        run.design.formula,
        results.prior,
        dict(_weights(line)),
        reference=reference_values(run.design, results.study.time),
    )
    ends = (horizon * (centre - Z95 * width), horizon * (centre + Z95 * width))
    facts = [
        (
            f"Prior ('{results.prior}')",
            f"Normal, mean {format_number(horizon * centre)}, SD {format_number(horizon * width)} points over "
            f"{horizon:g} {results.study.time_unit}; 95 % of it from {format_number(ends[0])} to "
            f"{format_number(ends[1])}",
        ),
        (
            "Posterior over the horizon",
            f"mean {_scaled(bayes.mean, bayes.sd, horizon)}, SD {format_number(horizon * bayes.sd)}; intervals: "
            + "; ".join(_interval(draws, level, horizon * bayes.sd) for level in (50, 90, 95)),
        ),
        (
            "Draws",
            f"bulk ESS {format_fixed(bayes.ess_bulk, 0)}, tail ESS {format_fixed(bayes.ess_tail, 0)}, "
            f"MCSE of the mean {format_number(horizon * bayes.mcse_mean)}",
        ),
    ]
    smallest = _smallest(results, line)
    if not math.isnan(smallest):
        facts.append(("Probability of a negligible effect (ROPE)", _negligible(draws, smallest)))
    return facts


def _negligible(draws: Array, smallest: float) -> str:
    return "; ".join(
        f"within \N{PLUS-MINUS SIGN}{width * smallest:g}: "
        + format_p(float(np.mean(np.abs(draws) < width * smallest)))
        for width in ROPE_WIDTHS
    )


def _interval(draws: np.ndarray[tuple[int, ...], np.dtype[np.float64]], level: int, sd: float) -> str:
    tail = (1.0 - level / 100.0) / 2.0
    low, high = np.quantile(draws, [tail, 1.0 - tail])
    return f"{level} % {format_number(float(low), sd)} to {format_number(float(high), sd)}"


def _bayes_factor_facts(run: ModelRun, line: ForestLine) -> list[str]:
    curve: BayesFactorCurve | None = {c.name: c for c in run.bayes_factors}.get(line.name)
    if curve is None:
        return []
    shown = "; ".join(
        f"prior SD \N{MULTIPLICATION SIGN}{point.width:g}: {format_bayes_factor(point)}"
        for point in curve.points
    )
    stated = curve.stated.log_bf10
    if math.isnan(stated):
        return [shown]
    odds = _ODDS_95 / math.exp(min(stated, 700.0))
    return [
        f"{shown}. For a posterior probability of 95 % the prior odds of an effect must be at least {odds:.3g}"
    ]


def _spread_facts(results: StudyResults, line: ForestLine) -> list[tuple[str, str]]:
    found = {(item.model_id, item.name): item for item in results.ensemble.spread}.get(
        (line.model.id, line.name)
    )
    if found is None:
        return []
    horizon = results.study.horizon
    text = (
        f"{found.n} synthetic cohorts that print the same tables: posterior means from "
        f"{format_number(horizon * found.bayes_low)} to {format_number(horizon * found.bayes_high)}, SD between "
        f"cohorts {format_number(horizon * found.bayes_sd)} (posterior SD "
        f"{format_number(horizon * found.posterior_sd)})"
    )
    return [("What was not printed", text)]


def _prior_line(one: CellPosterior) -> PriorLine:
    factor = one.effect.unit
    ends = sorted((one.lower.value * factor, one.upper.value * factor))
    return PriorLine(
        prior=one.prior,
        mean=use_minus_sign(format_banded(one.mean.scaled(factor))),
        interval=use_minus_sign(f"{format_number(ends[0])} to {format_number(ends[1])}"),
        direction=format_banded(one.p_direction, format_probability),
        matters=format_banded(one.p_beyond, format_probability),
        bayes_factor=format_banded(one.log_bayes_factor, format_printed_bayes_factor),
    )
