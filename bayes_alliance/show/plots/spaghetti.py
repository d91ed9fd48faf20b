"""Every patient's scores over time behind the fitted mean: for the folder of the run, never for the page or a bundle.

These drawings show patients' data (docs/disclosure.md). They are made on request only, go into a folder of their own,
and have no file of numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_alliance.inference.fits import Array
from bayes_alliance.run.results import ModelRun, StudyResults
from bayes_alliance.runtime.files import write_whole, write_whole_bytes
from bayes_alliance.show.labels import name_file
from bayes_alliance.show.plots.save import draw_svg
from bayes_alliance.show.plots.style import (
    COLOURS,
    GREY,
    add_note,
    make_figure,
    note_height_mm,
    page_width,
    tidy,
    use_style,
    wrap_title,
)
from bayes_alliance.show.plots.trajectories import score_label
from bayes_alliance.show.plots.trajectory_context import row_times
from bayes_alliance.show.plots.trajectory_rows import trajectory_rows
from bayes_alliance.show.provenance import describe_provenance
from bayes_alliance.study.records import TrajectoryFigure

README = (
    "These drawings show the scores of single patients.\n"
    "They are for those who may see the data; do not publish or pass on this folder.\n"
)
_PANEL_MM = 62.0


def write_spaghetti(results: StudyResults, folder: Path) -> list[Path]:
    """Draw every patient's course, a file for each model of the study's figures.

    Parameters
    ----------
    results : StudyResults
        Of a run.
    folder : Path
        Made where it does not exist; gets a note on what it holds.

    Returns
    -------
    list of Path
        The files; empty where the study has no figures of trajectories.
    """
    written: list[Path] = []
    for figure in results.study.figures:
        for model_id in figure.models:
            run = results.run(model_id)
            if run is None:
                continue
            folder.mkdir(parents=True, exist_ok=True)
            drawn = plot_spaghetti(results, figure, run)
            path = folder / f"{name_file(figure.id)}_{name_file(model_id)}.svg"
            title = f"{figure.title}: every patient"
            write_whole_bytes(path, draw_svg(drawn, title=title, alt="Scores of single patients over time."))
            written.append(path)
    if written:
        write_whole(folder / "README.txt", README)
        written.append(folder / "README.txt")
    return written


def plot_spaghetti(results: StudyResults, figure: TrajectoryFigure, run: ModelRun) -> Figure:
    """Draw the scores of every patient, joined by lines, a panel for each subgroup, with the fitted mean.

    Parameters
    ----------
    results : StudyResults
        Of a run.
    figure : TrajectoryFigure
        Whose lines are the subgroups.
    run : ModelRun
        Of one of its models.

    Returns
    -------
    Figure
    """
    study = results.study
    note = (
        "Thin: scores of each patient; dots: single assessments. Thick: fitted mean, "
        f"{'posterior median' if run.posterior is not None else 'ML'}. {describe_provenance(results)}"
    )
    with use_style():
        width = page_width()
        drawn = make_figure(width, _PANEL_MM + note_height_mm(note, width) + 8.0)
        axes = list(drawn.subplots(1, len(figure.lines), sharey=True, squeeze=False).ravel())
        for index, (panel, (label, pairs)) in enumerate(zip(axes, figure.lines, strict=True)):
            count = _draw_patients(
                panel, run, dict(pairs), study.time, study.horizon, COLOURS[index % len(COLOURS)]
            )
            panel.set_title(f"{label} ({count} patients)", loc="left", fontweight="bold")
            panel.set_xlabel(f"Time ({study.time_unit})")
            tidy(panel)
        axes[0].set_ylabel(score_label(study, run.model.id))
        drawn.suptitle(wrap_title(f"{figure.title}: every patient"), x=0.01, ha="left", fontsize=9.0)
        add_note(drawn, note)
    return drawn


def _draw_patients(
    axes: Axes, run: ModelRun, values: dict[str, float | str], time: str, horizon: float, colour: str
) -> int:
    design, times = run.design, row_times(run, time)
    names = run.ml.x_names
    mine = np.all(np.isclose(design.x, trajectory_rows(names, times, values, time=time)), axis=1)
    patients = np.unique(design.patient_index[mine])
    for patient in patients:
        rows = np.flatnonzero(mine & (design.patient_index == patient))
        rows = rows[np.argsort(times[rows])]
        axes.plot(
            times[rows], design.y[rows], color=GREY, linewidth=0.4, alpha=0.5, marker=".", markersize=2.0
        )
    ends = np.array([0.0, horizon])
    axes.plot(
        ends, _fitted(run, trajectory_rows(names, ends, values, time=time)), color=colour, linewidth=2.0
    )
    return len(patients)


def _fitted(run: ModelRun, x: Array) -> Array:
    if run.posterior is None:
        return x @ run.ml.beta
    return np.asarray(np.median(run.posterior.flat()[0] @ x.T, axis=0), dtype=float)
