"""Progress on stderr: a bar with rate and time left on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bayes_alliance.errors import printable

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, Task, TaskID
    from rich.text import Text

_WARNING = "warning: "


class ProgressReporter:
    """Shows lines and finished steps on stderr.

    Parameters
    ----------
    quiet : bool
        Show warnings only.
    bar : bool, optional
        Whether to draw bars; by default where stderr is a terminal.
    say : callable
        Changes each line before it is shown, to mask small counts in it.
    """

    def __init__(
        self, *, quiet: bool, bar: bool | None = None, say: Callable[[str], str] = lambda line: line
    ) -> None:
        self.quiet = quiet
        self._say = say
        self._bar = not quiet and (sys.stderr.isatty() if bar is None else bar)
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the bars, so that whatever is printed next stands on a line of its own."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
            self._tasks.clear()

    def __call__(self, line: str) -> None:
        """Show a line, above the bars where there are any."""
        if self.quiet and not line.startswith(_WARNING):
            return
        text = printable(self._say(line))
        if self._progress is not None:
            self._progress.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def step(self, done: int, total: int, unit: str, line: str) -> None:
        """Move the bar of a unit, or show the line where no bar is drawn."""
        if not self._bar:
            self(line)
            return
        progress = self._started()
        if unit not in self._tasks:
            self._tasks[unit] = progress.add_task(printable(unit), total=total, completed=max(done - 1, 0))
        progress.update(self._tasks[unit], completed=done, total=total)

    def _started(self) -> Progress:
        if self._progress is None:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                _rate_column(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()
        return self._progress


def _rate_column() -> ProgressColumn:
    from rich.progress import ProgressColumn
    from rich.text import Text

    class RateColumn(ProgressColumn):
        """Finished steps a second."""

        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:.3g}/s")

    return RateColumn()
