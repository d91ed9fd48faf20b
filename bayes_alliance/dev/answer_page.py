"""What the README and the documentation say of the built-in study's answer, computed from its printed numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayes_alliance.claims.choices_file import load_choices
from bayes_alliance.claims.from_printed import judge_printed
from bayes_alliance.claims.ledger_file import load_claims
from bayes_alliance.published.audit import audit_study
from bayes_alliance.show.claims_json import printed_json
from bayes_alliance.show.narrative import list_findings, main_claims, tally_claims
from bayes_alliance.show.report.first_screen import describe_audit
from bayes_alliance.show.report.glossary import GLOSSARY
from bayes_alliance.show.results_text import describe_finding
from bayes_alliance.study.load_study import load_study

STUDY, SEED = "folmo2020", 2020
MARKS = ("<!-- answer -->", "<!-- end of answer -->")


def answer_facts() -> Mapping[str, Any]:
    """Return what the printed numbers of the built-in study say of its claims."""
    study = load_study(STUDY)
    ledger = load_claims(study, load_choices(study))
    return printed_json(study, ledger, judge_printed(study, ledger, SEED), SEED)


def answer_table(facts: Mapping[str, Any]) -> str:
    """Return the main findings as a table in Markdown: posterior under both priors and verdict.

    Parameters
    ----------
    facts : mapping
        Of :func:`answer_facts`.
    """
    lines = [
        "| main finding | printed numbers, neutral prior | printed numbers, sceptical prior | verdict |",
        "|---|---|---|---|",
    ]
    for finding in list_findings(facts):
        _, _, tested = finding.basis.partition(", ")
        verdict = f"{finding.verdict} ({tested})" if tested else finding.verdict
        says = f"{finding.says} ({finding.measure})" if finding.measure else finding.says
        cells = [says, "<br>".join(finding.printed), "<br>".join(finding.sceptical), verdict]
        lines.append("| " + " | ".join(cells) + " |")
    (tally, *_) = tally_claims(facts)
    audit = describe_audit(audit_study(load_study(STUDY)))
    lines += ["", f"All {len(facts['claims'])} claims, from printed numbers alone: {tally.text()}. {audit}."]
    return "\n".join(lines)


def put_answer(written: str, facts: Mapping[str, Any]) -> str:
    """Put the table into a page, between its two marks."""
    before, _, rest = written.partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    return "\n".join([before + MARKS[0], answer_table(facts), MARKS[1] + after])


def answer_page(facts: Mapping[str, Any]) -> str:
    """Return the page with the answer for the built-in study.

    Parameters
    ----------
    facts : mapping
        Of :func:`answer_facts`.
    """
    horizon = str(facts["horizon"])
    sentences = [f"* {describe_finding(claim, horizon)}" for claim in main_claims(facts)]
    return "\n".join(
        [
            "# The answer for Folmo et al. (2020)",
            "",
            "Made by `scripts/docs` from the printed tables alone; no patient data are used. Effects are posterior "
            f"medians with 95 % intervals, in points; changes are those over {horizon}.",
            "",
            answer_table(facts),
            "",
            "## Main findings in sentences",
            "",
            *sentences,
            "",
            "`bayes-alliance reanalyse folmo2020` adds synthetic cohorts, what would overturn each finding, and every "
            "model by maximum likelihood and Bayes. Rules of the verdicts: [Claims](claims.md). Terms: "
            "[Glossary](glossary.md).",
            "",
        ]
    )


def glossary_page() -> str:
    """Return the glossary, with the terms of the report."""
    entries = [f"**{term}**\n\n{text}\n" for _, term, text in GLOSSARY]
    return "\n".join(["# Glossary", "", "The same terms stand at the end of every report.", "", *entries])
