"""What hangs on a table's numbers: the mark of a failed gate, and numbered notes.

A model with a failed gate is marked wherever its numbers stand, and the note says which gate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bayes_alliance.assess.check_record import Check, failed_gates
from bayes_alliance.run.results import StudyResults

MARK = "†"


@dataclass(frozen=True, kw_only=True)
class Gates:
    """Failed gates by model.

    Parameters
    ----------
    failed : tuple of (str, str)
        Model and what failed, in words.
    """

    failed: tuple[tuple[str, str], ...]

    def mark(self, model_id: str) -> str:
        """Return the mark of a model: a dagger, or nothing."""
        return MARK if any(name == model_id for name, _ in self.failed) else ""

    def say(self, model_id: str) -> str:
        """Return what failed for a model; empty where nothing did."""
        return ", ".join(what for name, what in self.failed if name == model_id)

    def notes(self, model_ids: Iterable[str]) -> list[str]:
        """Return the note below a table that shows these models; none where nothing failed."""
        marked = [m for m in dict.fromkeys(model_ids) if self.mark(m)]
        said = "; ".join(f"{m}: {self.say(m)}" for m in marked)
        return (
            [f"{MARK} Not to be trusted, a check failed (limits in table checks). {said}."] if marked else []
        )


def collect_gates(results: StudyResults) -> Gates:
    """Collect every failed gate of a run, each once."""
    found = dict.fromkeys((check.model_id, _say(check)) for check in failed_gates(results.checks))
    return Gates(failed=tuple(found))


def _say(check: Check) -> str:
    # Five digits, so that an R-hat of 1.0103 is not shown as the 1.01 that is needed.
    return f"{check.name} {check.value:.5g}"


def name_model(results: StudyResults, gates: Gates, model_id: str) -> str:
    """Name a model as the study does, with the mark of a failed gate."""
    return f"{results.study.model(model_id).label}{gates.mark(model_id)}"


class Footnotes:
    """Numbers notes as they come up, each once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def refer(self, note: str) -> str:
        """Return the reference to a note, such as ``[2]``; nothing for no note."""
        if not note:
            return ""
        return f"[{self._numbers.setdefault(note, len(self._numbers) + 1)}]"

    def notes(self) -> list[str]:
        """Return the notes in order."""
        return [f"[{number}] {note}" for note, number in self._numbers.items()]
