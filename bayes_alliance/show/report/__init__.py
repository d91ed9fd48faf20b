"""The report of a run: one page that needs nothing else, made by Jinja2 with escaping on. Shows; never fits.

No row, identifier or value of a patient stands in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bayes_alliance.run.results import StudyResults
from bayes_alliance.runtime.files import write_whole
from bayes_alliance.show.report.build import build_report
from bayes_alliance.show.report.page import render_report
from bayes_alliance.show.report.record import Report

__all__ = ["Report", "build_report", "render_report", "write_report"]


def write_report(results: StudyResults, folder: Path, *, figures: Sequence[Path] = ()) -> Path:
    """Write ``report.html`` of a run.

    Parameters
    ----------
    results : StudyResults
        Of the run.
    folder : Path
        Of the run, which exists.
    figures : sequence of Path
        Figures of the run, already written; those that are SVG stand in the page.

    Returns
    -------
    Path
    """
    drawings = [path for path in figures if path.suffix == ".svg"]
    path = folder / "report.html"
    write_whole(path, render_report(build_report(results, folder, figures=drawings)))
    return path
