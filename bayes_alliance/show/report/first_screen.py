"""The first screen of the page: tally of verdicts, main findings, what would overturn them, the audit in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bayes_alliance.assess.check_record import failed_gates
from bayes_alliance.published.audit import Audit
from bayes_alliance.published.findings import AuditVerdict
from bayes_alliance.published.reading_weights import OptionWeight, WeighedReading
from bayes_alliance.run.check_tally import tally_checks
from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.check_words import describe_tally
from bayes_alliance.show.format_numbers import format_count, format_fixed
from bayes_alliance.show.narrative import (
    VERDICT_NAMES,
    central_claim,
    count_cohorts,
    decide,
    families_tried,
    list_findings,
    overturn_lines,
    quote,
    summary_lines,
    tally_claims,
)
from bayes_alliance.show.questions import Answered, answer_questions, explain_central, from_print
from bayes_alliance.show.report.record import FigureView, FirstScreen, ReportAnswer
from bayes_alliance.show.report.scales import describe_scales
from bayes_alliance.show.results_text import results_paragraph
from bayes_alliance.show.tables.audit import count_findings
from bayes_alliance.show.verdict_definitions import OVERTURNED
from bayes_alliance.study.records import Study

# Effects shown where a study has no main findings.
_MAX_EFFECTS = 6
# The figure that answers best, first of these that was drawn.
BEST_FIGURES = ("forest_printed", "forest_printed_1", "own_trajectories", "moderation")
_DEPTHS_WITH_CHANGES = ("priors", "main", "full")


# Over 40 lines: one keyword a field of the first screen.
def build_first_screen(
    facts: Mapping[str, Any] | None,
    *,
    study: Study | None = None,
    results: StudyResults | None,
    audit: Audit | None,
    answers: Sequence[ReportAnswer] = (),
    figures: Sequence[FigureView] = (),
    methods: str = "",
    readings: Sequence[WeighedReading] = (),
) -> FirstScreen:
    """Gather what the first screen shows from what there is.

    Parameters
    ----------
    facts : mapping or None
        Of :func:`bayes_alliance.show.claims_json.claims_json`; None for a study without claims.
    study : Study or None
        For the scales of its outcomes; without it they are not said.
    results : StudyResults or None
        Of the run; None before its models were fitted.
    audit : Audit or None
        Of the printed numbers.
    answers : sequence of ReportAnswer
        Effects, shown where there are no main findings.
    figures : sequence of FigureView
        Of the run.
    methods : str
        Text of the methods, to be copied.
    readings : sequence of WeighedReading
        What the publication leaves open, weighed by print; by default those of the results.
    """
    audited = describe_audit(audit)
    checked = describe_checks(results)
    named = {figure.name: figure for figure in figures}
    figure = next((named[name] for name in BEST_FIGURES if name in named), None)
    if facts is None:
        return _without_claims(answers, audited, checked, figure, methods, _ask(None, results))
    claim = central_claim(facts)
    changes = overturn_lines(claim) if claim is not None else ()
    pending = "" if changes or facts["depth"] in _DEPTHS_WITH_CHANGES else "not computed yet"
    findings = list_findings(facts)
    return FirstScreen(
        questions=_ask(facts, results),
        verdict_names=VERDICT_NAMES,
        tallies=tally_claims(facts),
        n_claims=len(facts["claims"]),
        findings=findings,
        other_heading=_other_heading(facts),
        scales=describe_scales(study, facts) if study is not None and findings else "",
        reading=_describe_readings(facts, readings or _readings_of(results)),
        overturn_title=str(claim["says"]) if claim is not None else "",
        why=explain_central(claim) if claim is not None else "",
        overturn=changes or ((pending or "nothing that was tried",) if claim is not None else ()),
        overturn_means=OVERTURNED,
        rows=_describe_rows(facts, claim),
        audit=audited,
        checks=checked,
        effects=() if findings else tuple(answers[:_MAX_EFFECTS]),
        figure=figure,
        summary="\n".join([*summary_lines(facts, audit=audited), *filter(None, (checked,))]),
        paragraph=results_paragraph(facts),
        methods=methods,
    )


def _without_claims(
    answers: Sequence[ReportAnswer],
    audited: str,
    checked: str,
    figure: FigureView | None,
    methods: str,
    questions: Sequence[Answered],
) -> FirstScreen:
    effects = tuple(answers[:_MAX_EFFECTS])
    lines = [f"{one.question}: {one.bayes or one.ml}" for one in effects]
    summary = "\n".join([*lines, *filter(None, (audited, checked))])
    return FirstScreen(
        questions=tuple(questions),
        effects=effects,
        audit=audited,
        checks=checked,
        figure=figure,
        summary=summary,
        methods=methods,
    )


def _ask(facts: Mapping[str, Any] | None, results: StudyResults | None) -> tuple[Answered, ...]:
    """Return the questions at the top; the rows that claims were judged on go before those of the run."""
    rows = (facts or {}).get("rows_at_hand")
    if rows:
        return answer_questions(facts, source=str(rows["source"]), origin=str(rows["origin"]))
    if results is not None:
        return answer_questions(facts, source=results.source.value, origin=results.origin)
    return answer_questions(facts, source="")


def _other_heading(facts: Mapping[str, Any]) -> str:
    claims = facts["claims"]
    if any(claim["real"] for claim in claims):
        return "Real data"
    if any(claim.get("mixture") for claim in claims):
        return "Mixture of synthetic cohorts"
    count = count_cohorts(facts)
    return f"{count} synthetic cohorts" if count else ""


def _readings_of(results: StudyResults | None) -> Sequence[WeighedReading]:
    return () if results is None or results.printed is None else results.printed.readings


def _describe_readings(facts: Mapping[str, Any], readings: Sequence[WeighedReading]) -> str:
    """Name the readings that synthetic cohorts rest on though print favours others, and what print favours."""
    if not any(claim.get("mixture") for claim in facts["claims"]):
        return ""
    said = [_say_reading(one) for one in readings if one.options[0] is not _favoured(one)]
    start = "Where the paper is unclear, all synthetic cohorts take the reading of the study file."
    return " ".join([start, *said]) if said else ""


def _favoured(one: WeighedReading) -> OptionWeight:
    return max(one.options, key=lambda option: option.posterior)


def _say_reading(one: WeighedReading) -> str:
    taken, best = one.options[0], _favoured(one)
    return (
        f"For {one.reading.label[:1].lower()}{one.reading.label[1:]} that is {quote(taken.option.label)}, to which the "
        f"printed numbers give probability {format_fixed(taken.posterior, 2)}; they favour {quote(best.option.label)} "
        f"({format_fixed(best.posterior, 2)})."
    )


def _describe_rows(facts: Mapping[str, Any], claim: Mapping[str, Any] | None) -> str:
    """Return which rows the changes were tried on, and where that is not what the verdict rests on, its own there."""
    rows = facts["rows_at_hand"]
    if not rows or claim is None or not families_tried(claim):
        return ""
    if rows["source"] != "synthetic":
        return f"The changes were tried on {rows['source']} ({rows['origin']})."
    base, (verdict, _) = claim.get("base", ""), decide(claim)
    apart = f" (from printed numbers: {verdict})" if from_print(claim) and base != verdict else ""
    start = f" There, before any change, the finding is {base}{apart}." if base else ""
    return f"The changes were tried on one synthetic cohort ({rows['origin']}).{start}"


def describe_audit(audit: Audit | None) -> str:
    """Return the audit of the printed numbers in one line; empty without print."""
    if audit is None:
        return ""
    some = audit.of(AuditVerdict.INCONSISTENT)
    harmless = "; most inconsistencies have a harmless explanation" if some else ""
    return f"Audit of the printed numbers: {count_findings(audit)}{harmless}"


def describe_checks(results: StudyResults | None) -> str:
    """Return the state of the computation in one line."""
    if results is None:
        return ""
    skipped = sum(not model.comparison for model in results.skipped)
    said = f"{format_count(len(results.runs), 'model')} fitted" + (
        f", {skipped} could not be" if skipped else ""
    )
    failed = dict.fromkeys(check.model_id for check in failed_gates(results.checks))
    where = ", ".join(results.study.model(model).label for model in failed)
    return f"{said}: {describe_tally(tally_checks(results), where=where)}"
