"""The text of the publication, statement by statement: what it says beside what both inferences give."""

from __future__ import annotations

import math

from bayes_alliance.run.results import AskedNumber, StudyResults, TextFact
from bayes_alliance.show.format_numbers import INTERVAL_NAME, format_fixed, format_p, format_summary
from bayes_alliance.show.provenance import describe_inference, origin_of
from bayes_alliance.show.tables.gates import Footnotes, Gates
from bayes_alliance.show.tables.record import Column, Table, Value, build_table, exact_columns, text_column
from bayes_alliance.show.tables.shared_columns import (
    format_direction,
    mixture_values,
    spread_columns,
    spread_notes,
    spread_values,
    summary_columns,
    summary_values,
    why_absent,
)

_SAID = {
    "aic_not_lower": "AIC: {}",
    "explained_intercept": "{} % of the intercepts' variation",
    "explained_slope": "{} % of the slopes' variation",
    "lr": "likelihood ratio, p {}",
    "less": "{}",
    "p": "p {}",
    "percent": "{} %",
    "slope_varies": "slopes vary, p {}",
}
_COLUMNS = (
    text_column("place", "Place"),
    text_column("what", "What"),
    text_column("printed", "Printed"),
    Column(name="ml", heading="ML", shown="markdown"),
    text_column("as_stated", "As stated"),
    Column(name="bayes", heading=f"Bayes: median [{INTERVAL_NAME}]", shown="markdown"),
    Column(name="p_direction", heading="P(direction)", shown="markdown", numeric=True),
    text_column("audit", "Audit of print"),
    Column(name="refer", heading="Notes", shown="markdown"),
    *(Column(name=name, heading=name, shown="csv") for name in ("id", "quantity", "model", "answered_by")),
    *(Column(name=name, heading=name, shown="csv") for name in ("asked", "status", "gate_failed", "note")),
    *exact_columns("achieved", "low", "high", "elpd_gain", "elpd_gain_se"),
    *summary_columns(),
)


def tabulate_text(results: StudyResults, gates: Gates) -> Table:
    """Build the table of the text's statements; without a row for a study whose text states none.

    Parameters
    ----------
    results : StudyResults
        Of a run; the numbers stand in its records.
    gates : Gates
        Models to be marked.

    Returns
    -------
    Table
        One row a statement, two for one that asks for two numbers (a p value and its sign, a mean and its SD).
    """
    spread = {(item.model_id, item.name): item for item in results.ensemble.spread}
    mixture = {(item.model_id, item.name): item for item in results.ensemble.mixture}
    footnotes = Footnotes()
    columns = (*_COLUMNS[:7], *spread_columns(results), *_COLUMNS[7:])
    rows = []
    for item in results.text:
        key = item.fact.model, item.fact.coefficient
        over = {**spread_values(spread.get(key)), **mixture_values(mixture.get(key))}
        for place, asked in enumerate(item.asked or (None,)):
            row = _row(results, gates, item, asked) | {"refer": footnotes.refer(item.fact.note)}
            rows.append(row | (over if place == 0 and item.fact.coefficient else {}))
    return build_table(
        ("table_text", "The publication's text: its statements beside ML and Bayes"),
        columns,
        rows,
        (
            *describe_inference(results),
            "As stated: whether the run gives what the text says, for models by maximum likelihood; "
            "empty where nothing in the data stands for it, so that only the audit speaks of it.",
            "AIC gain: AIC of the model's reference less its own; beside it the gain in elpd of a new patient (SE) on "
            "the rows of the comparison. Explained variation: ML as printed, reference on all its rows; Bayes is the "
            "within-model share, another quantity.",
            *spread_notes(results),
            *footnotes.notes(),
            *gates.notes(item.fact.model for item in results.text if item.fact.model),
        ),
        origin_of(results, printed="column"),
    )


def _row(results: StudyResults, gates: Gates, item: TextFact, asked: AskedNumber | None) -> dict[str, Value]:
    fact = item.fact
    row: dict[str, Value] = {
        "id": fact.id,
        "place": fact.place,
        "what": f"{fact.what}{gates.mark(fact.model) if fact.model else ''}",
        "printed": _said(item),
        "quantity": fact.quantity,
        "model": fact.model,
        "answered_by": fact.coefficient,
        "audit": item.audit,
        "note": fact.note,
        "gate_failed": gates.say(fact.model) if fact.model else "",
    }
    if asked is None:
        absent = why_absent(results, fact.model) if fact.model and results.run(fact.model) is None else ""
        return row | {"ml": absent, "status": absent or "not counted in data"}
    row |= {
        "ml": f"{asked.kind}: {_format(asked)}",
        "as_stated": "" if math.isnan(asked.achieved) else "yes" if asked.met else "no",
        "status": "run",
        "asked": asked.kind,
        "achieved": asked.achieved,
        "low": asked.low,
        "high": asked.high,
    }
    return row | _bayes(item, asked)


def _bayes(item: TextFact, asked: AskedNumber) -> dict[str, Value]:
    if item.fact.quantity == "aic_not_lower":
        if math.isnan(item.elpd_gain):
            return {}
        shown = f"elpd gain {format_fixed(item.elpd_gain, 1)} (SE {format_fixed(item.elpd_gain_se, 1)})"
        return {"bayes": shown, "elpd_gain": item.elpd_gain, "elpd_gain_se": item.elpd_gain_se}
    if item.share is not None:
        return {"bayes": f"{format_summary(item.share)} %", **summary_values(item.share)}
    if item.effect is None or item.effect.bayes is None or asked.kind == "estimate":
        return {}
    summary = item.effect.bayes
    is_sd = item.fact.quantity == "slope_varies"
    return {
        "bayes": f"{'SD ' if is_sd else ''}{format_summary(summary)}",
        "p_direction": "" if is_sd else format_direction(summary),
        **summary_values(summary),
    }


def _said(item: TextFact) -> str:
    fact = item.fact
    said = _SAID.get(fact.quantity, "{}").format(fact.printed)
    if fact.at_least is not None:
        said += f", at least {fact.at_least:g}"
    return said + {1: "; above zero", -1: "; below zero", 0: ""}[fact.sign]


def _format(asked: AskedNumber) -> str:
    if math.isnan(asked.achieved):
        return "cannot be had"
    if asked.kind.split(",")[0] == "p":
        return format_p(asked.achieved)
    if asked.kind == "count":
        return f"{asked.achieved:.0f}"
    return format_fixed(asked.achieved, 3 if asked.kind in ("estimate", "difference of sizes") else 1)
