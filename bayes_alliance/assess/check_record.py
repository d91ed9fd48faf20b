"""One gate that a fit has to pass, as data; :mod:`bayes_alliance.assess.checks` makes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Status = Literal["pass", "fail", "not_checked"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One gate.

    Parameters
    ----------
    model_id, name : str
        What was checked.
    value, threshold : float
        What was found and where the gate stands.
    status : {"pass", "fail", "not_checked"}
        The verdict.
    gate : bool
        Whether failing it makes the numbers of the model untrustworthy (exit code 3) or is a remark.
    advice : str
        What to do when it fails.
    """

    model_id: str
    name: str
    value: float
    threshold: float
    status: Status
    gate: bool
    advice: str


def failed_gates(checks: Iterable[Check]) -> list[Check]:
    """Those that failed and matter."""
    return [check for check in checks if check.status == "fail" and check.gate]


def unchecked_gates(checks: Iterable[Check]) -> list[Check]:
    """Those that matter and could not be judged."""
    return [check for check in checks if check.status == "not_checked" and check.gate]
