"""One count over all checks of a run: essential diagnostics, other checks of its models, checks of its cohorts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bayes_alliance.assess.check_record import failed_gates, unchecked_gates

if TYPE_CHECKING:
    from bayes_alliance.run.results import StudyResults


@dataclass(frozen=True, kw_only=True)
class CheckTally:
    """How many checks a run made, and how they came out.

    Parameters
    ----------
    essential, failed, unchecked : int
        Diagnostics without which the numbers of a model cannot be trusted (exit code 3): all, failed, not computable.
    others, warned : int
        Other checks of models: all, and those that give a warning.
    cohorts, cohorts_warned : int
        Checks of the ensemble of synthetic cohorts: all, and those that give a warning.
    """

    essential: int
    failed: int
    unchecked: int
    others: int
    warned: int
    cohorts: int
    cohorts_warned: int


def tally_checks(results: StudyResults) -> CheckTally:
    """Count the checks of a run.

    Parameters
    ----------
    results : StudyResults
        Of the run.
    """
    others = [check for check in results.checks if not check.gate]
    return CheckTally(
        essential=len(results.checks) - len(others),
        failed=len(failed_gates(results.checks)),
        unchecked=len(unchecked_gates(results.checks)),
        others=len(others),
        warned=sum(check.status != "pass" for check in others),
        cohorts=len(results.ensemble.checks),
        cohorts_warned=len(results.ensemble.failed),
    )
