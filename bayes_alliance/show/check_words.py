"""The count of a run's checks in words, the same in the terminal, on the page and in Python."""

from __future__ import annotations

from bayes_alliance.run.check_tally import CheckTally


def describe_tally(tally: CheckTally, *, where: str = "") -> str:
    """Return how the checks of a run came out: essential ones, then those that give warnings.

    Parameters
    ----------
    tally : CheckTally
        Of the run.
    where : str
        Models in which essential checks failed, where they are to be named.

    Examples
    --------
    >>> counts = CheckTally(
    ...     essential=40, failed=0, unchecked=0, others=9, warned=2, cohorts=8, cohorts_warned=1
    ... )
    >>> describe_tally(counts)
    'no essential check failed (of 40), warnings from 2 of 9 other checks and 1 of 8 checks of the synthetic cohorts'
    """
    if not tally.failed:
        said = f"no essential check failed (of {tally.essential})"
    else:
        said = f"{tally.failed} of {tally.essential} essential checks FAILED" + (
            f" ({where})" if where else ""
        )
    if tally.unchecked:
        said += f", {tally.unchecked} could not be made"
    warned = []
    if tally.warned:
        warned.append(f"{tally.warned} of {tally.others} other checks")
    if tally.cohorts_warned:
        warned.append(f"{tally.cohorts_warned} of {tally.cohorts} checks of the synthetic cohorts")
    return said + (f", warnings from {' and '.join(warned)}" if warned else "")
