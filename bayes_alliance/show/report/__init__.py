"""The report of a run: one page that needs nothing else, made by Jinja2 with escaping on. Shows; never fits.

No row, identifier or value of a patient stands in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bayes_alliance.run.printed_side import Printed
from bayes_alliance.run.results import StudyResults
from bayes_alliance.runtime.files import write_whole
from bayes_alliance.show.report.build import build_first_report, build_report
from bayes_alliance.show.report.page import render_report
from bayes_alliance.show.report.record import Report
from bayes_alliance.show.report.refresh import PAGE, refresh_report
from bayes_alliance.study.records import Study

__all__ = ["Report", "build_report", "refresh_report", "render_report", "write_first_report", "write_report"]


def write_report(
    results: StudyResults,
    folder: Path,
    *,
    figures: Sequence[Path] = (),
    downloads: Sequence[tuple[str, str]] = (),
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``report.html`` of a run.

    Parameters
    ----------
    results : StudyResults
        Of the run.
    folder : Path
        Of the run, which exists.
    figures : sequence of Path
        Figures of the run, already written; those that are SVG stand in the page.
    downloads : sequence of (str, str)
        Files beside the page that it links to, each with what it is.
    facts : mapping, optional
        Claims judged from print, shown where the folder holds no others.

    Returns
    -------
    Path
    """
    drawings = [path for path in figures if path.suffix == ".svg"]
    path = folder / PAGE
    report = build_report(results, folder, figures=drawings, downloads=downloads, facts=facts)
    write_whole(path, render_report(report))
    return path


def write_first_report(
    study: Study,
    folder: Path,
    *,
    printed: Printed | None,
    facts: Mapping[str, Any] | None,
    command: str,
    pending: str,
) -> Path:
    """Write ``report.html`` before any model is fitted, as :func:`build.build_first_report` gathers it."""
    path = folder / PAGE
    write_whole(
        path,
        render_report(
            build_first_report(study, folder, printed=printed, facts=facts, command=command, pending=pending)
        ),
    )
    return path
