"""What the fits are worth: comparisons, gates, predictive checks, and which rows each model rests on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bayes_alliance.assess.check_record import Check
from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.provenance import origin_of
from bayes_alliance.show.tables.gates import Gates, name_model
from bayes_alliance.show.tables.record import Column, Table, Value, build_table, number_column, text_column

_MODEL = (text_column("model", "Model"), Column(name="model_id", heading="model_id", shown="csv"))
_STATUS = {"pass": "pass", "fail": "FAIL", "not_checked": "not checked"}


def tabulate_checks(results: StudyResults, gates: Gates) -> Table:
    """Build the table of every check, failures first."""
    columns = (
        *_MODEL,
        text_column("check", "Check"),
        number_column("value", "Value"),
        number_column("threshold", "Needed"),
        text_column("status", "Status"),
        text_column("gate", "Weight"),
        text_column("advice", "What to do"),
    )
    order = {"fail": 0, "not_checked": 1, "pass": 2}
    ordered = sorted(results.checks, key=lambda check: (order[check.status], not check.gate))
    notes = (
        "Gate: where it fails, the numbers of the model are not to be trusted and are marked in every "
        "table. Remark: to be known, no reason to distrust. Not checked is not passed.",
    )
    return _table(
        results, ("checks", "Checks"), columns, [_check(results, gates, check) for check in ordered], notes
    )


def _check(results: StudyResults, gates: Gates, check: Check) -> dict[str, Value]:
    return {
        "model": name_model(results, gates, check.model_id),
        "model_id": check.model_id,
        "check": check.name,
        "value": check.value,
        "threshold": check.threshold,
        "status": _STATUS[check.status],
        "gate": "gate" if check.gate else "remark",
        "advice": check.advice if check.status == "fail" else "",
    }


def tabulate_check_summary(results: StudyResults, gates: Gates) -> Table:
    """Build the table of how many checks each model passed."""
    columns = (
        *_MODEL,
        number_column("passed", "Passed"),
        number_column("failed_gates", "Failed gates"),
        number_column("remarks", "Remarks"),
        number_column("not_checked", "Not checked"),
        text_column("what", "Failed or remarked"),
    )
    rows: list[dict[str, Value]] = []
    for run in results.runs:
        mine = [check for check in results.checks if check.model_id == run.model.id]
        failed = [check for check in mine if check.status == "fail"]
        rows.append(
            {
                "model": name_model(results, gates, run.model.id),
                "model_id": run.model.id,
                "passed": sum(check.status == "pass" for check in mine),
                "failed_gates": sum(check.gate for check in failed),
                "remarks": sum(not check.gate for check in failed),
                "not_checked": sum(check.status == "not_checked" for check in mine),
                "what": "; ".join(dict.fromkeys(check.name for check in failed)),
            }
        )
    notes = gates.notes(run.model.id for run in results.runs) or ["No gate failed."]
    return _table(results, ("check_summary", "Checks by model"), columns, rows, notes)


def _table(
    results: StudyResults,
    named: tuple[str, str],
    columns: tuple[Column, ...],
    rows: Iterable[dict[str, Value]],
    notes: Sequence[str],
) -> Table:
    return build_table(named, columns, rows, notes, origin_of(results))
