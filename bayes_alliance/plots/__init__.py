"""Figures of a run, at print size, each with the numbers it shows. Show; never fit.

No figure holds a patient's data: means of fewer than five rows are withheld, and calibration curves stand on
a grid. matplotlib is imported here and in the modules below, nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from bayes_alliance.labels import name_file, stamp_provenance
from bayes_alliance.plots.comparison import plot_comparison, tabulate_comparison_plot
from bayes_alliance.plots.forest import plot_forest, split_pages
from bayes_alliance.plots.forest_lines import ForestLine, forest_lines, printed_lines, tabulate_forest
from bayes_alliance.plots.predictive import (
    plot_means,
    plot_pit,
    predictive_outcomes,
    tabulate_means,
    tabulate_pit,
)
from bayes_alliance.plots.style import PlotRow, save_figure
from bayes_alliance.plots.trajectories import plot_trajectories, tabulate_trajectories, trajectory_rows
from bayes_alliance.results import StudyResults
from bayes_alliance.workers import Workers

__all__ = [
    "PlannedFigure",
    "plan_figures",
    "plot_comparison",
    "plot_forest",
    "plot_means",
    "plot_pit",
    "plot_trajectories",
    "trajectory_rows",
    "write_figures",
]


@dataclass(frozen=True, kw_only=True)
class PlannedFigure:
    """One figure to be drawn.

    Parameters
    ----------
    name : str
        File name without its ending.
    rows : list of mapping
        The numbers it shows.
    draw : callable
        Makes it.
    stamp : str
        Provenance of the rows.
    """

    name: str
    rows: list[PlotRow]
    draw: Callable[[], Figure]
    stamp: str


def plan_figures(results: StudyResults) -> list[PlannedFigure]:
    """List the figures of a run, with the numbers they show; those without a number are left out.

    Parameters
    ----------
    results : StudyResults
        What to show.

    Returns
    -------
    list of PlannedFigure
        Trajectories of the study file, forests, comparisons, predictive checks.
    """
    planned = [*_trajectories(results), *_forests(results), *_comparisons(results), *_predictive(results)]
    return [figure for figure in planned if figure.rows]


def _trajectories(results: StudyResults) -> Iterator[PlannedFigure]:
    for figure in results.study.figures:
        yield PlannedFigure(
            name=name_file(figure.id),
            rows=tabulate_trajectories(results, figure),
            draw=partial(plot_trajectories, results, figure),
            stamp=stamp_provenance(results),
        )


def _forests(results: StudyResults) -> Iterator[PlannedFigure]:
    printed = [line for outcome in results.study.outcomes for line in printed_lines(results, outcome)]
    yield _forest(results, "forest_printed", printed, "Printed slopes beside ML and Bayes", headed=False)
    for outcome in results.study.outcomes:
        pages = split_pages(forest_lines(results, outcome))
        for number, page in enumerate(pages, start=1):
            name = f"forest_{name_file(outcome)}" + (f"_{number}" if len(pages) > 1 else "")
            part = f" ({number} of {len(pages)})" if len(pages) > 1 else ""
            yield _forest(results, name, page, f"Slopes and their differences{part}", headed=True)


def _forest(
    results: StudyResults, name: str, lines: list[ForestLine], title: str, *, headed: bool
) -> PlannedFigure:
    return PlannedFigure(
        name=name,
        rows=tabulate_forest(results, lines),
        draw=partial(plot_forest, results, lines, title=title, headed=headed),
        stamp=f"source printed: printed; others: {stamp_provenance(results)}",
    )


def _comparisons(results: StudyResults) -> Iterator[PlannedFigure]:
    for comparison in results.comparisons:
        if len(comparison.models) > 1:
            yield PlannedFigure(
                name=f"comparison_{name_file(comparison.name)}",
                rows=tabulate_comparison_plot(results, comparison),
                draw=partial(plot_comparison, results, comparison),
                stamp=stamp_provenance(results),
            )


def _predictive(results: StudyResults) -> Iterator[PlannedFigure]:
    for outcome in predictive_outcomes(results):
        yield PlannedFigure(
            name=f"ppc_{name_file(outcome)}",
            rows=tabulate_means(results, outcome),
            draw=partial(plot_means, results, outcome),
            stamp=stamp_provenance(results),
        )
        yield PlannedFigure(
            name=f"loo_pit_{name_file(outcome)}",
            rows=tabulate_pit(results, outcome),
            draw=partial(plot_pit, results, outcome),
            stamp=stamp_provenance(results),
        )


def write_figures(results: StudyResults, folder: Path, *, jobs: int = 1) -> list[Path]:
    """Write every figure as PDF, SVG and PNG with the numbers it shows as CSV.

    Parameters
    ----------
    results : StudyResults
        What to show.
    folder : Path
        Made where it does not exist.
    jobs : int
        Processes that draw, each its share; no byte depends on it.

    Returns
    -------
    list of Path
        Four files a figure.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with Workers(jobs) as workers:
        shares = [workers.submit(_write_share, results, folder, first, jobs) for first in range(jobs)]
        written = [share.result() for share in shares]
    by_number = {number: paths for share in written for number, paths in share}
    return [path for number in sorted(by_number) for path in by_number[number]]


def _write_share(results: StudyResults, folder: Path, first: int, step: int) -> list[tuple[int, list[Path]]]:
    """Write every ``step``-th figure from ``first`` on, each with its number."""
    planned = list(enumerate(plan_figures(results)))
    return [
        (
            number,
            save_figure(figure.draw(), folder / figure.name, rows=figure.rows, provenance=figure.stamp),
        )
        for number, figure in planned[first::step]
    ]
