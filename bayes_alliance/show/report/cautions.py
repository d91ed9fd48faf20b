"""Every warning that any part of a run raised, in one list, worst first."""

from __future__ import annotations

from bayes_alliance.assess.check_record import Check
from bayes_alliance.assess.loo import PARETO_K_THRESHOLD
from bayes_alliance.run.remarks import model_remarks
from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.format_numbers import format_count, format_number
from bayes_alliance.show.labels import label_comparison
from bayes_alliance.show.report.record import Caution, Level
from bayes_alliance.show.tables.bayes_factors import format_bayes_factor
from bayes_alliance.study.records import Source

_CONDITIONAL = "new_visit_conditional"
_ORDER: dict[Level, int] = {"failed": 0, "not checked": 1, "remark": 2, "note": 3}


def list_cautions(results: StudyResults) -> tuple[Caution, ...]:
    """List failed and unmade checks, remarks, models not run, notes on the data and remarks on comparisons."""
    found = [
        *(caution for check in results.checks if not _ranks_nothing(check) for caution in _from_check(check)),
        *_conditional(results),
        *_ensemble(results),
        *_skipped(results),
        *_fit_remarks(results),
        *_comparisons(results),
        *_bayes_factors(results),
        *_notes(results),
    ]
    unique = dict.fromkeys(found)
    return tuple(sorted(unique, key=lambda caution: _ORDER[caution.level]))


def _from_check(check: Check) -> list[Caution]:
    if check.status == "pass":
        return []
    level: Level = "failed" if check.gate else "remark"
    what = f"{check.name}: {format_number(check.value)} (needed: {format_number(check.threshold)})"
    if check.status == "not_checked":
        level, what = "not checked", f"{check.name} could not be judged"
    return [Caution(level=level, where=check.model_id, what=what, advice=check.advice)]


def _ranks_nothing(check: Check) -> bool:
    """Return whether a check is of scores given a patient's own effects, by which no models are ranked."""
    return not check.gate and f"({_CONDITIONAL})" in check.name


def _conditional(results: StudyResults) -> list[Caution]:
    """Count in one line what is remarked on scores by which no models are ranked."""
    checks = [check for check in results.checks if _ranks_nothing(check)]
    rough = [check for check in checks if check.status != "pass"]
    if not rough:
        return []
    return [
        Caution(
            level="remark",
            where=f"{len(rough)} of {format_count(len(checks), 'model')}",
            what=f"Pareto k above {PARETO_K_THRESHOLD} in scores of a new visit given the patient’s own effects",
            advice="no models are ranked by these; prefer the score with the effects integrated out",
        )
    ]


def _ensemble(results: StudyResults) -> list[Caution]:
    """Name what printed numbers the synthetic cohorts are built without, and the checks that they fail."""
    return [
        *(
            Caution(level="remark", where="printed numbers", what=says, advice="see the audit")
            for says in results.ensemble.conflicts
        ),
        *_failed(results),
        *_readings(results),
    ]


def _readings(results: StudyResults) -> list[Caution]:
    """Name the readings of which print speaks against the option that synthetic cohorts are drawn under."""
    if results.source is not Source.SYNTHETIC or results.printed is None:
        return []
    return [
        Caution(
            level="remark",
            where="synthetic cohorts",
            what=(
                f"drawn under one reading of {one.reading.label[:1].lower()}{one.reading.label[1:]} "
                f"({one.options[0].option.label}), whose weight after print is {one.options[0].posterior:.2f}"
            ),
            advice="what they show is conditional on it; see table readings",
        )
        for one in results.printed.readings
        if one.options[0].posterior < max(option.posterior for option in one.options)
    ]


def _failed(results: StudyResults) -> list[Caution]:
    """Name the checks that the ensemble fails in what was not printed."""
    return [
        Caution(
            level="remark",
            where="synthetic cohorts",
            what=f"{check['what']}: {format_number(check['value'])} {check['where']}".rstrip(),
            advice=f"ordinary: {format_number(check['low'])} to {format_number(check['high'])}",
        )
        for check in results.ensemble.failed
    ]


def _skipped(results: StudyResults) -> list[Caution]:
    return [
        Caution(
            level="note",
            where=item.model_id,
            what=f"left out of comparison {item.comparison}" if item.comparison else "not run",
            advice=item.reason,
        )
        for item in results.skipped
    ]


def _fit_remarks(results: StudyResults) -> list[Caution]:
    """Name fits that another engine made and categories that no row has; checks say the rest of the remarks."""
    return [
        Caution(level="remark", where=run.model.id, what=remark, advice="")
        for run in results.runs
        for remark in model_remarks(run)
        if remark.startswith(("handed over", "left out: no row has"))
    ]


def _comparisons(results: StudyResults) -> list[Caution]:
    return [
        Caution(
            level="remark",
            where=f"comparison of {_compared(results, comparison.name, model.model_id)}",
            what=f"{target.replace('_', ' ')}: {remark}",
            advice="",
        )
        for comparison in results.comparisons
        for model in comparison.models
        for target, remark in model.remark.items()
        if remark and target != _CONDITIONAL
    ]


def _compared(results: StudyResults, name: str, model_id: str) -> str:
    """Return a set of compared models and one of them, in words."""
    model = results.study.model(model_id)
    return f"{label_comparison(results.study, name, model.outcome)}: {model.label}"


def _bayes_factors(results: StudyResults) -> list[Caution]:
    found = []
    for run in results.runs:
        for curve in run.bayes_factors:
            rough = [p for p in curve.points if format_bayes_factor(p).startswith(("~", "undefined"))]
            if rough:
                widths = ", ".join(f"{point.width:g}" for point in rough)
                found.append(
                    Caution(
                        level="remark",
                        where=f"{run.model.id}: {curve.name}",
                        what=f"Bayes factor not well known at prior widths \N{MULTIPLICATION SIGN}{widths}",
                        advice="read the whole curve, not these points",
                    )
                )
    return found


def _notes(results: StudyResults) -> list[Caution]:
    """Return the notes of reading the data; those that begin with ``warning`` are warnings."""
    return [
        Caution(
            level="remark" if note.startswith("warning: ") else "note",
            where="data",
            what=note.removeprefix("warning: "),
            advice="",
        )
        for note in results.notes
    ]
