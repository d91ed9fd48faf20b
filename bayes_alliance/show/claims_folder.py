"""What the command ``claims`` leaves: tables, figures, the specifications of the multiverse, and JSON.

Writes; never fits. Holds nothing of single patients.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from bayes_alliance.runtime.files import alone_in, whole_file, write_whole
from bayes_alliance.show.claims_json import claims_json
from bayes_alliance.show.companion_files import CLAIMS_FILE
from bayes_alliance.show.labels import name_file
from bayes_alliance.show.tables.claims import build_claim_tables
from bayes_alliance.show.tables.write import ENDINGS, write_table

if TYPE_CHECKING:
    from bayes_alliance.claims.run import ClaimsRun

FIGURE = "claims_overview"


def write_claims(run: ClaimsRun, folder: Path, *, everything: bool = True) -> list[Path]:
    """Write tables (CSV, Markdown), ``claims.json``, the overview, specification curves and all specifications.

    Parameters
    ----------
    run : ClaimsRun
        What was found.
    folder : Path
        Exists.
    everything : bool
        Every form of each table and drawing; else CSV and HTML of tables and SVG, which the page of a run shows.

    Returns
    -------
    list of Path
        The files.
    """
    from bayes_alliance.show.plots.claims import curve_rows, overview_rows, plot_curve, plot_overview
    from bayes_alliance.show.plots.save import save_figure
    from bayes_alliance.show.plots.style import KINDS

    stamp = f"column printed: printed; column synthetic: synthetic; rows at hand: {run.source.value}, {run.origin}"
    endings = ENDINGS if everything else ("csv", "html")
    kinds = KINDS if everything else ("svg",)
    with alone_in(folder):
        written = [
            path for table in build_claim_tables(run) for path in write_table(table, folder, endings=endings)
        ]
        path = folder / CLAIMS_FILE
        write_whole(path, json.dumps(claims_json(run), indent=2, ensure_ascii=False) + "\n")
        written.append(path)
        overview = plot_overview(run)
        written += save_figure(
            overview,
            folder / FIGURE,
            rows=overview_rows(run),
            provenance=stamp,
            title="Verdict on every claim, by source",
            kinds=kinds,
        )
        if run.multiverse is not None:
            written.append(_write_specifications(run, folder / "specifications.parquet"))
            for model, estimand in run.choices.curves:
                rows = curve_rows(run, model, estimand)
                if rows:
                    stem = folder / f"specification_curve_{name_file(model)}_{name_file(estimand)}"
                    origin = f"{run.source.value}: {run.origin}; run seed {run.settings.seed}"
                    written += save_figure(
                        plot_curve(run, model, estimand),
                        stem,
                        rows=rows,
                        provenance=origin,
                        title=f"Specification curve: {_name_estimand(run, model, estimand)}",
                        kinds=kinds,
                    )
    return written


def _name_estimand(run: ClaimsRun, model_id: str, name: str) -> str:
    model = run.study.model(model_id)
    labels = {estimand.name: estimand.label for estimand in model.estimands}
    return f"{model.label}, {labels.get(name, name)}"


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
