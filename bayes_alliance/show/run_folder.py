"""What a run or a command leaves or prints: the results folder, and short texts and JSON for the terminal.

Writes; never fits. Patients' rows go nowhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bayes_alliance.run.manifest import Presentation, build_manifest, clear_superseded, write_manifest
from bayes_alliance.run.results import StudyResults
from bayes_alliance.run.settings import RunSettings
from bayes_alliance.runtime.files import alone_in
from bayes_alliance.runtime.pool import Pool


def write_run(
    results: StudyResults,
    settings: RunSettings,
    folder: Path,
    *,
    shown: Presentation | None = None,
    workers: Pool | None = None,
    facts: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write tables, figures, the report and the manifest of a run; posteriors are there already.

    Parameters
    ----------
    results : StudyResults
        What the run found.
    settings : RunSettings
        How it was run, for the manifest.
    folder : Path
        Where the run leaves its files; posteriors lie in ``folder / "posteriors"``.
    shown : Presentation, optional
        Style and drawings of the figures; what counts of patients were masked by, for the manifest.
    workers : Pool, optional
        Processes that draw figures.
    facts : mapping, optional
        Claims judged from print, for the page where the folder holds no others.

    Returns
    -------
    list of Path
        Every file of the run, manifest included.
    """
    from bayes_alliance.show.companion_files import digest_companions
    from bayes_alliance.show.plots.spaghetti import write_spaghetti
    from bayes_alliance.show.report import write_report

    manifest = folder / "manifest.json"
    how = shown or Presentation()
    with alone_in(folder):
        tables, figures, paper = _write_shown(results, folder, how, workers, facts)
        files = [*tables, *figures, *paper]
        if how.spaghetti:
            files += write_spaghetti(results, folder / "patients")
        companions = digest_companions(folder)
        files.append(
            write_report(results, folder, figures=figures, downloads=_downloads(folder, files), facts=facts)
        )
        files += _posteriors(results, folder / "posteriors")
        built = build_manifest(
            results, settings, files=files, folder=folder, shown=how, companions=companions
        )
        clear_superseded(folder, files)
        write_manifest(built, manifest)
    return [*files, manifest]


def _write_shown(
    results: StudyResults,
    folder: Path,
    how: Presentation,
    workers: Pool | None,
    facts: Mapping[str, Any] | None,
) -> tuple[list[Path], list[Path], list[Path]]:
    """Write tables and texts while other processes draw the figures."""
    from bayes_alliance.show.paper import write_paper
    from bayes_alliance.show.plots.write import write_figures
    from bayes_alliance.show.tables import write_tables

    drawn = write_figures(
        results,
        folder / "figures",
        style=how.style,
        kinds=how.kinds,
        everything=how.everything,
        captions=how.captions,
        workers=workers,
    )
    try:
        tables = write_tables(results, folder / "tables", everything=how.everything)
        paper = write_paper(results, folder, facts)
    except Exception:
        # Figures are waited for, so that no process is ended in the middle of a file; the first fault is told.
        with contextlib.suppress(Exception):
            drawn.result()
        raise
    figures = drawn.result()
    return tables, figures, paper


# What the page offers to take away, where the run has written it.
_DOWNLOADS = {
    "tables/tables.docx": "Tables (Word)",
    "tables/tables.xlsx": "Tables (Excel)",
    "paper/table_effects.docx": "Table for the paper (Word)",
    "paper/results.md": "Results text",
    "paper/robustness_report.md": "Robustness report",
    "figures/captions.md": "Figure captions",
}


def _downloads(folder: Path, files: Sequence[Path]) -> list[tuple[str, str]]:
    written = {path.relative_to(folder).as_posix() for path in files}
    return [(path, title) for path, title in _DOWNLOADS.items() if path in written]


def _posteriors(results: StudyResults, folder: Path) -> list[Path]:
    """List the stored posteriors of this run's models and engine; those of earlier runs may lie there too."""
    paths = [folder / f"{run.model.id}.{results.engine}.nc" for run in results.runs]
    return [path for path in paths if path.exists()]
