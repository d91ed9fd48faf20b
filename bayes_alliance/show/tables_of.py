"""The tables of any result, by id, as a notebook shows them."""

from __future__ import annotations

from bayes_alliance.claims.run import ClaimsRun
from bayes_alliance.run.printed_side import Printed
from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.tables import build_tables
from bayes_alliance.show.tables.claims import build_claim_tables
from bayes_alliance.show.tables.notebook import NotebookTable, for_notebook
from bayes_alliance.show.tables.printed_posteriors import tabulate_printed
from bayes_alliance.show.tables.readings import tabulate_readings
from bayes_alliance.show.tables.record import Table
from bayes_alliance.show.tables.related_studies import tabulate_across
from bayes_alliance.show.tables.simulation import (
    tabulate_calibrations,
    tabulate_comparison_of_approaches,
    tabulate_power,
)
from bayes_alliance.show.tables.stress import build_stress_tables
from bayes_alliance.simulation.records import SbcRun, TrialsRun
from bayes_alliance.stress.run import StressResults


def tables(
    result: StudyResults | StressResults | ClaimsRun | SbcRun | TrialsRun | Printed,
) -> dict[str, NotebookTable]:
    """Return the tables of a result by id.

    Parameters
    ----------
    result : StudyResults, StressResults, ClaimsRun, SbcRun, TrialsRun or Printed
        As a call of this package returns it.

    Returns
    -------
    dict of str to NotebookTable
        Each prints as Markdown, shows as HTML in a notebook, and has ``to_frame()``.

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> tables = ba.tables(ba.posterior_from_print("folmo2020", ["neutral"]))
    >>> sorted(tables["printed_slope_deviations"].to_frame()["prior"].unique())
    ['neutral']
    """
    return {table.id: for_notebook(table) for table in _tables(result) if table.rows}


def _tables(
    result: StudyResults | StressResults | ClaimsRun | SbcRun | TrialsRun | Printed,
) -> list[Table]:
    match result:
        case StudyResults():
            return build_tables(result)
        case StressResults():
            return build_stress_tables(result)
        case ClaimsRun():
            return build_claim_tables(result)
        case SbcRun():
            return tabulate_calibrations(result.setting, result.results)
        case TrialsRun() if result.kind == "power":
            return [tabulate_power(result)]
        case TrialsRun():
            return tabulate_comparison_of_approaches(result)
        case Printed():
            readings = tabulate_readings(result.study, result.readings, result.reading_audits)
            return [*tabulate_printed(result), *tabulate_across(result.study, result.across), readings]
