"""What the command ``claims`` leaves: tables, figures, the specifications of the multiverse, and JSON.

Writes; never fits. Holds nothing of single patients.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from bayes_alliance.claims.run import ClaimsRun, spread_of
from bayes_alliance.run.manifest import json_ready
from bayes_alliance.runtime.files import alone_in, whole_file, write_whole
from bayes_alliance.show.labels import name_file
from bayes_alliance.show.tables.claim_parts import say_predicate
from bayes_alliance.show.tables.claim_table import say_change
from bayes_alliance.show.tables.claims import build_claim_tables
from bayes_alliance.show.tables.write import write_table

FIGURE = "claims_overview"


def write_claims(run: ClaimsRun, folder: Path) -> list[Path]:
    """Write tables (CSV, Markdown), ``claims.json``, the overview, specification curves and all specifications.

    Parameters
    ----------
    run : ClaimsRun
        What was found.
    folder : Path
        Exists.

    Returns
    -------
    list of Path
        The files.
    """
    from bayes_alliance.show.plots.claims import curve_rows, overview_rows, plot_curve, plot_overview
    from bayes_alliance.show.plots.save import save_figure

    stamp = f"column printed: printed; column synthetic: synthetic; rows at hand: {run.source.value}, {run.origin}"
    with alone_in(folder):
        written = [path for table in build_claim_tables(run) for path in write_table(table, folder)]
        path = folder / "claims.json"
        write_whole(path, json.dumps(claims_json(run), indent=2, ensure_ascii=False) + "\n")
        written.append(path)
        overview = plot_overview(run)
        written += save_figure(overview, folder / FIGURE, rows=overview_rows(run), provenance=stamp)
        if run.multiverse is not None:
            written.append(_write_specifications(run, folder / "specifications.parquet"))
            for model, estimand in run.choices.curves:
                rows = curve_rows(run, model, estimand)
                if rows:
                    stem = folder / f"specification_curve_{name_file(model)}_{name_file(estimand)}"
                    origin = f"{run.source.value}: {run.origin}; run seed {run.settings.seed}"
                    written += save_figure(
                        plot_curve(run, model, estimand), stem, rows=rows, provenance=origin
                    )
    return written


def _write_specifications(run: ClaimsRun, path: Path) -> Path:
    """Write every part under every specification, in the order of the grid."""
    import pandas as pd

    assert run.multiverse is not None
    rows = []
    for cell in run.multiverse.cells:
        found, trace = cell.result.judgement, cell.result.trace
        rows.append(
            {
                "provenance": f"{run.source.value}: {cell.rows}; run seed {run.settings.seed}",
                "rows": cell.rows,
                "claim": cell.result.claim_id,
                "part": cell.result.part_id,
                **dict(cell.choices),
                "departures": len(cell.departures),
                "verdict": cell.result.verdict.value,
                "median": cell.result.median,
                "lower": cell.result.lower,
                "upper": cell.result.upper,
                "p_direction": found.probabilities.direction if found else math.nan,
                "p_matters": found.probabilities.matters if found else math.nan,
                "p_rope": found.probabilities.rope if found else math.nan,
                "models": " ".join(trace.models) if trace else "",
                "digests": " ".join(trace.digests) if trace else "",
                "seeds": " ".join(map(str, trace.seeds)) if trace else "",
                "n_draws": trace.n_draws if trace else 0,
                "n_patients": trace.n_patients if trace else 0,
                "n_rows": trace.n_rows if trace else 0,
                "reason": cell.result.reason,
            }
        )
    with whole_file(path) as part:
        pd.DataFrame(rows).to_parquet(part, index=False)
    return path


def claims_json(run: ClaimsRun) -> dict[str, Any]:
    """Give the verdicts as JSON-ready values: one entry a claim, sources apart, every part with its trace."""
    shares = {s.claim_id: s for s in run.multiverse.shares if not s.axis} if run.multiverse else {}
    facts = {
        "schema": 1,
        "study": run.study.id,
        "ledger_digest": run.ledger.digest,
        "choices_digest": run.choices.digest,
        "rows_at_hand": {"source": run.source.value, "origin": run.origin, "digest": run.data_digest},
        "seed": run.settings.seed,
        "quick": run.settings.quick,
        "seconds": round(run.seconds, 1),
        "multiverse_fits": run.multiverse.n_fits if run.multiverse else 0,
        "remarks": list(run.remarks),
        "claims": [_claim_json(run, i, shares) for i in range(len(run.ledger.claims))],
    }
    ready: dict[str, Any] = json_ready(facts)
    return ready


def _claim_json(run: ClaimsRun, index: int, shares: dict[str, Any]) -> dict[str, Any]:
    claim, change = run.ledger.claims[index], run.changes[index]
    share = shares.get(claim.id)
    return {
        "id": claim.id,
        "says": claim.says,
        "place": claim.place,
        "published": claim.published,
        "untestable": claim.untestable,
        "printed": _result_json(run, run.printed[index]),
        "synthetic": {
            "verdicts": {v.value: n for v, n in spread_of(run.synthetic, claim.id).items()},
            "cohorts": {name: _result_json(run, results[index]) for name, results in run.synthetic},
        },
        "real": _result_json(run, run.real[index]) if run.real else None,
        "first_change": say_change(change),
        "changes": [f"{c.says}: {c.verdict.value}" for c in change.changing],
        "multiverse": {v.value: n for v, n in share.counts.items()} if share else None,
    }


def _result_json(run: ClaimsRun, result: Any) -> dict[str, Any]:
    parts = {(claim.id, part.id): part for claim, part in run.ledger.parts}
    return {
        "verdict": result.verdict.value,
        "sure": result.sure,
        "reason": result.reason,
        "parts": [
            {
                "id": part.part_id,
                "claimed": say_predicate(parts[part.claim_id, part.part_id]),
                "verdict": part.verdict.value,
                "median": part.median,
                "lower": part.lower,
                "upper": part.upper,
                "p_direction": part.judgement.probabilities.direction if part.judgement else None,
                "p_matters": part.judgement.probabilities.matters if part.judgement else None,
                "p_rope": part.judgement.probabilities.rope if part.judgement else None,
                "reason": part.reason,
                "trace": None if part.trace is None else _trace_json(part.trace),
            }
            for part in result.parts
        ],
    }


def _trace_json(trace: Any) -> dict[str, Any]:
    return {
        "engine": trace.engine,
        "models": list(trace.models),
        "digests": list(trace.digests),
        "seeds": list(trace.seeds),
        "prior": trace.prior,
        "covariance": trace.covariance,
        "n_draws": trace.n_draws,
        "effective_draws": trace.effective,
    }
