"""The parts of claims: what each asks, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayes_alliance.claims.ledger import Part
from bayes_alliance.claims.results import PartResult
from bayes_alliance.show.format_numbers import INTERVAL_NAME, format_number, format_p
from bayes_alliance.show.tables.claim_table import SOURCES_NOTE, _table
from bayes_alliance.show.tables.record import Column, Table, Value, exact_columns, shown_column, text_column
from bayes_alliance.study.records import Source

if TYPE_CHECKING:
    from bayes_alliance.claims.run import ClaimsRun


def tabulate_parts(run: ClaimsRun) -> Table:
    """List every part in every source with its probabilities and the trace of its draws."""
    columns = (
        text_column("source", "Source"),
        text_column("origin", "Origin"),
        text_column("claim", "Claim"),
        text_column("part", "Part"),
        text_column("label", "Quantity"),
        text_column("predicate", "Claimed"),
        text_column("verdict", "Verdict"),
        shown_column("posterior", f"Median [{INTERVAL_NAME}]"),
        shown_column("p_shown", "P(claimed)"),
        shown_column("matters_shown", "P(matters)"),
        shown_column("rope_shown", "P(too small to matter)"),
        text_column("reason", "Remark"),
        text_column("engine", "Draws by"),
        *exact_columns("median", "lower", "upper", "p_direction", "p_matters", "p_rope", "smallest", "value"),
        *(
            Column(name=name, heading=name, shown="csv")
            for name in (
                "near_edge", "models", "digests", "seeds", "prior", "covariance", "n_draws", "effective_draws",
                "n_patients", "n_rows", "pareto_k",
            )
        ),
    )  # fmt: skip
    parts = {(claim.id, part.id): part for claim, part in run.ledger.parts}
    sources = [run.printed, *(results for _, results in run.synthetic), *([run.real] if run.real else [])]
    rows = [
        _part_row(parts[part.claim_id, part.part_id], part)
        for results in sources
        for result in results
        for part in result.parts
    ]
    note = (
        "Traceable: the same model, rows (digest), prior, covariance and seed give the same draws; the estimand "
        "stands in the study’s file of claims. Engines: collapsed, a fit of the model; conjugate, patients’ shares "
        "and means; cell, the posterior of a printed cell."
    )
    named = ("claim_parts", f"{run.study.id}: every part of every claim, in every source")
    stamp = f"source as in column source; run seed {run.settings.seed}"
    return _table(run, named, columns, rows, note, SOURCES_NOTE, printed=True, stamp=stamp)


def say_predicate(part: Part) -> str:
    """Return what a part claims."""
    unit = f" {part.unit}" if part.unit else ""
    if part.relation == "same":
        about = "" if part.value == 0.0 else f" from {part.value:g}"
        return f"differs by less than {part.smallest:g}{unit}{about} (equivalence)"
    if part.relation == "exceeds":
        return f"more than {part.value:g}{unit}"
    if part.relation == "not_significant":
        return f"not significantly different from {part.value:g} (report)"
    margin = f" ({part.smallest:g}{unit} matter)" if part.smallest else ""
    if part.quantity == "largest":
        return f"further {part.relation} zero than the others{margin}"
    return f"{part.relation} {part.value:g}{margin}"


# Over 40 lines: the cells of one row, those that a part without a posterior lacks last.
def _part_row(part: Part, result: PartResult) -> dict[str, Value]:
    row: dict[str, Value] = {
        "source": result.source.value,
        "origin": result.origin,
        "claim": result.claim_id,
        "part": result.part_id,
        "label": part.label,
        "predicate": say_predicate(part),
        "verdict": result.verdict.value,
        "reason": result.reason,
        "smallest": part.smallest,
        "value": part.value,
    }
    found, trace = result.judgement, result.trace
    if found is None or trace is None:
        return row
    chances = found.probabilities
    spread = (result.upper - result.lower) / 4.0
    shown = [format_number(v, spread) for v in (result.median, result.lower, result.upper)]
    return row | {
        "posterior": f"{shown[0]} [{shown[1]}, {shown[2]}]",
        "p_shown": format_p(found.sure),
        "matters_shown": format_p(chances.matters),
        "rope_shown": format_p(chances.rope),
        "engine": trace.engine,
        "median": result.median,
        "lower": result.lower,
        "upper": result.upper,
        "p_direction": chances.direction,
        "p_matters": chances.matters,
        "p_rope": chances.rope,
        "near_edge": found.near_edge,
        "models": " ".join(trace.models),
        # With the digest of real rows a guess at them could be confirmed.
        "digests": "" if result.source is Source.REAL else " ".join(trace.digests),
        "seeds": " ".join(map(str, trace.seeds)),
        "prior": trace.prior,
        "covariance": trace.covariance,
        "n_draws": trace.n_draws,
        "effective_draws": trace.effective,
        "n_patients": trace.n_patients,
        "n_rows": trace.n_rows,
        "pareto_k": trace.pareto_k,
    }
