"""Progress of long work: a line for each step, or a bar where whoever listens can draw one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

Reporter = Callable[[str], None]


@runtime_checkable
class StepReporter(Protocol):
    """A reporter that is told numbers besides lines, and shows them as it likes."""

    def __call__(self, line: str) -> None:
        """Show a line."""
        ...

    def step(self, done: int, total: int, unit: str, line: str) -> None:
        """Show that ``done`` of ``total`` are finished; ``line`` says so in words."""
        ...


def report_step(report: Reporter, *, done: int, total: int, unit: str, line: str) -> None:
    """Report one finished step: as numbers where the reporter draws a bar, as a line elsewhere.

    Parameters
    ----------
    report : callable
        Gets lines; a :class:`StepReporter` gets the numbers too.
    done, total : int
        Finished steps, those of an earlier run included, and steps in all.
    unit : str
        What is counted, in the plural.
    line : str
        The same in words, for logs.
    """
    if isinstance(report, StepReporter):
        report.step(done, total, unit, line)
    else:
        report(line)
