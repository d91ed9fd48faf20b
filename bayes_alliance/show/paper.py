"""What goes into a paper: results text, one APA table, and a robustness report within the journals' limit.

Text is made by fixed rules from the claims and the run's records; every number is one that the page shows too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bayes_alliance.run.results import StudyResults
from bayes_alliance.runtime.files import write_whole
from bayes_alliance.show.claims_json import read_claims_json
from bayes_alliance.show.companion_files import CLAIMS_FILE
from bayes_alliance.show.narrative import (
    central_claim,
    main_claims,
    overturn_lines,
    tally_claims,
)
from bayes_alliance.show.plots.forest_lines import ForestLine
from bayes_alliance.show.provenance import describe_provenance
from bayes_alliance.show.results_text import describe_finding, results_paragraph
from bayes_alliance.show.tables.effects import paper_lines, tabulate_effects
from bayes_alliance.show.tables.record import Table
from bayes_alliance.show.tables.text import format_markdown
from bayes_alliance.show.tables.write import write_table

# Of a robustness report, by the journals that take them; the display item is not counted.
MAX_WORDS = 500
_ROWS_SHOWN = 6
_TABLE_TITLE = "Table 1. Effects"


def write_paper(results: StudyResults, folder: Path, facts: Mapping[str, Any] | None) -> list[Path]:
    """Write the folder ``paper`` of a run.

    Parameters
    ----------
    results : StudyResults
        Of the run.
    folder : Path
        Of the run; claims are read from there.
    facts : mapping or None
        Claims judged from print, used where the folder holds no others.

    Returns
    -------
    list of Path
        ``table_effects`` as Word, LaTeX and HTML; with claims also ``results.md`` and ``robustness_report.md``.
    """
    place = folder / "paper"
    place.mkdir(exist_ok=True)
    try:
        found = read_claims_json(folder / "claims" / CLAIMS_FILE) or facts
    except ValueError:
        found = facts  # the page names the file and the reason among its warnings
    table = tabulate_effects(results, _order(paper_lines(results), found))
    written = write_table(table, place, endings=("docx", "tex", "html")) if table.rows else []
    if found is None:
        return written
    texts = {
        "results.md": format_results(found),
        "robustness_report.md": format_robustness(results, found, table),
    }
    for name, text in texts.items():
        write_whole(place / name, text)
        written.append(place / name)
    return written


def _order(lines: Sequence[ForestLine], facts: Mapping[str, Any] | None) -> list[ForestLine]:
    """Put effects of the models of main findings first."""
    claims = main_claims(facts) if facts is not None else []
    results = [
        claim[source] for claim in claims for source in ("printed", "real", "mixture") if claim[source]
    ]
    traces = [part["trace"] for result in results for part in result["parts"] if part.get("trace")]
    main = {model for trace in traces for model in trace["models"]}
    return sorted(lines, key=lambda line: line.model.id not in main)


def format_results(facts: Mapping[str, Any]) -> str:
    """Return the results text in Markdown: a paragraph for the whole, then a sentence for each claim.

    Parameters
    ----------
    facts : mapping
        Of :func:`bayes_alliance.show.claims_json.claims_json`.
    """
    horizon = str(facts["horizon"])
    claims = [f"* {claim['place']}: {describe_finding(claim, horizon)}" for claim in facts["claims"]]
    return "\n\n".join(["# Results", results_paragraph(facts), "## Claim by claim", "\n".join(claims)]) + "\n"


def format_robustness(results: StudyResults, facts: Mapping[str, Any], table: Table) -> str:
    """Return a robustness report in Markdown: at most ``MAX_WORDS`` words, one table, and how to reproduce it.

    Where the text is too long, sentences on parts together are dropped, then those on single findings from the end.

    Parameters
    ----------
    results : StudyResults
        Of the run.
    facts : mapping
        Claims of the study.
    table : Table
        Of :func:`bayes_alliance.show.tables.effects.tabulate_effects`; its first rows are the display item.
    """
    horizon = str(facts["horizon"])
    findings = [describe_finding(claim, horizon) for claim in main_claims(facts)]
    room = MAX_WORDS - (count_words(_TABLE_TITLE) if table.rows else 0)
    if count_words(_robustness_text(results, facts, findings)) > room:
        findings = [describe_finding(claim, horizon, why=False) for claim in main_claims(facts)]
    while findings and count_words(_robustness_text(results, facts, findings)) > room:
        findings.pop()
    text = _robustness_text(results, facts, findings)
    if not table.rows:
        return text
    shown = Table(**{**vars(table), "rows": table.rows[:_ROWS_SHOWN], "notes": (), "title": _TABLE_TITLE})
    return f"{text}\n{format_markdown(shown)}"


def _robustness_text(results: StudyResults, facts: Mapping[str, Any], findings: Sequence[str]) -> str:
    study = results.study
    tallies = "; ".join(f"{tally.source.lower()}: {tally.text()}" for tally in tally_claims(facts))
    first = central_claim(facts)
    changes = overturn_lines(first) if first is not None else ()
    changed = (
        [f"Departures tried on \N{LEFT DOUBLE QUOTATION MARK}{first['says']}\N{RIGHT DOUBLE QUOTATION MARK}: "
         f"{'; '.join(changes)}."]
        if first is not None and changes
        else []
    )  # fmt: skip
    parts = [
        f"# Robustness report: {study.title}",
        f"**Original study.** {study.citation or study.title}",
        f"**Aim.** To test whether {len(facts['claims'])} published claims hold when every model is fitted by maximum "
        "likelihood and by Bayes, and when single assumptions are changed.",
        f"**Data.** {describe_provenance(results, printed=bool(study.cells))}",
        f"**Results.** Verdicts by source: {tallies}. {' '.join([*findings, *changed])}",
        f"**Reproducibility.** `bayes-alliance reanalyse {study.id} --seed {results.seed}`; every verdict with its "
        "posterior, seeds and data digests is in claims/claims.json.",
    ]
    return "\n\n".join(parts) + "\n"


def count_words(text: str) -> int:
    """Count words as word processors do: what stands between spaces.

    Examples
    --------
    >>> count_words("At most 500 words.")
    4
    """
    return len(text.split())
