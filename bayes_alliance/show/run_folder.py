"""What a run or a command leaves or prints: the results folder, and short texts and JSON for the terminal.

Writes; never fits. Patients' rows go nowhere.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

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

    Returns
    -------
    list of Path
        Every file of the run, manifest included.
    """
    from bayes_alliance.show.plots.write import write_figures
    from bayes_alliance.show.report import write_report
    from bayes_alliance.show.report.companions import digest_companions
    from bayes_alliance.show.tables import write_tables

    manifest = folder / "manifest.json"
    how = shown or Presentation()
    with alone_in(folder):
        drawn = write_figures(results, folder / "figures", style=how.style, kinds=how.kinds, workers=workers)
        try:
            tables = write_tables(results, folder / "tables")
        except Exception:
            # Figures are waited for, so that no process is ended in the middle of a file; the first fault is told.
            with contextlib.suppress(Exception):
                drawn.result()
            raise
        figures = drawn.result()
        files = [*tables, *figures]
        companions = digest_companions(folder)
        files.append(write_report(results, folder, figures=figures))
        files += _posteriors(results, folder / "posteriors")
        built = build_manifest(
            results, settings, files=files, folder=folder, shown=how, companions=companions
        )
        clear_superseded(folder, files)
        write_manifest(built, manifest)
    return [*files, manifest]


def _posteriors(results: StudyResults, folder: Path) -> list[Path]:
    """List the stored posteriors of this run's models and engine; those of earlier runs may lie there too."""
    paths = [folder / f"{run.model.id}.{results.engine}.nc" for run in results.runs]
    return [path for path in paths if path.exists()]
