"""Which figures a run draws, and from what."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure

from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.disclosure import Content, round_published
from bayes_alliance.show.id_names import name_ids, spell_ids
from bayes_alliance.show.labels import label_comparison, name_file
from bayes_alliance.show.plots.alt_text import (
    describe_bayes_factors,
    describe_chains,
    describe_comparison,
    describe_ensemble_checks,
    describe_forest,
    describe_learning,
    describe_means,
    describe_moderation,
    describe_pareto_k,
    describe_patient_scores,
    describe_pit,
    describe_prior_sensitivity,
    describe_scorecard,
    describe_spread,
    describe_trajectories,
    describe_variation,
)
from bayes_alliance.show.plots.bayes_factors import plot_bayes_factors, tabulate_bayes_factors
from bayes_alliance.show.plots.chains import plot_chains, shown_chains, tabulate_chains
from bayes_alliance.show.plots.cohorts import (
    plot_scorecard,
    plot_spread,
    tabulate_scorecard_plot,
    tabulate_spread_plot,
)
from bayes_alliance.show.plots.comparison import plot_comparison, tabulate_comparison_plot
from bayes_alliance.show.plots.ensemble_checks import plot_ensemble_checks, tabulate_ensemble_checks_plot
from bayes_alliance.show.plots.explained_variation import plot_variation, tabulate_variation
from bayes_alliance.show.plots.forest import plot_forest, split_pages
from bayes_alliance.show.plots.forest_lines import ForestLine, forest_lines, printed_lines, tabulate_forest
from bayes_alliance.show.plots.moderation import plot_moderation, tabulate_moderation
from bayes_alliance.show.plots.predictive import (
    plot_means,
    plot_pit,
    predictive_outcomes,
    tabulate_means,
    tabulate_pit,
)
from bayes_alliance.show.plots.prior_posterior import pages_of_differences, plot_learning, tabulate_learning
from bayes_alliance.show.plots.prior_sensitivity import plot_prior_sensitivity, tabulate_prior_sensitivity
from bayes_alliance.show.plots.scores import (
    pages_of_pairs,
    plot_pareto_k,
    plot_patient_scores,
    shown_comparisons,
    tabulate_pareto_k,
    tabulate_patient_scores,
)
from bayes_alliance.show.plots.style import PlotRow
from bayes_alliance.show.plots.trajectories import plot_trajectories, tabulate_trajectories
from bayes_alliance.show.provenance import STAMP, stamp_provenance
from bayes_alliance.study.records import Source


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
    title, alt : str
        What it is called, and what it shows in words.
    content : Content
        What kind of content it has; unless it says so, it is in no bundle to be shared.
    """

    name: str
    rows: list[PlotRow]
    draw: Callable[[], Figure]
    stamp: str
    title: str = ""
    alt: str = ""
    content: Content = Content.UNSTATED


# Figures of a default run, by the start of their names; of several pages, the first.
DEFAULT_FIGURES = (
    "forest_printed", "moderation", "prior_posterior", "explained_variation", "prior_sensitivity", "cohort_spread",
)  # fmt: skip
DEFAULT_OUTCOMES = 2  # whose predictive checks a default run shows


def is_default(results: StudyResults, name: str) -> bool:
    """Return whether a figure belongs to a default run: about ten that differ, not repeats for every model.

    Parameters
    ----------
    results : StudyResults
        For the study's own figures, and whether anything is printed.
    name : str
        Of the figure.
    """
    study = results.study
    if name in {name_file(figure.id) for figure in study.figures}:
        return True
    checked = [f"ppc_{name_file(outcome)}" for outcome in predictive_outcomes(results)[-DEFAULT_OUTCOMES:]]
    wanted = [*DEFAULT_FIGURES, *checked]
    if not study.cells:
        wanted += [f"forest_{name_file(outcome)}" for outcome in study.outcomes]
    return any(name in (stem, f"{stem}_1") for stem in wanted)


def plan_figures(results: StudyResults, *, everything: bool = True) -> list[PlannedFigure]:
    """List the figures of a run, with the numbers they show; those without a number are left out.

    Parameters
    ----------
    results : StudyResults
        What to show.
    everything : bool
        Whether to list all, or those of a default run only.

    Returns
    -------
    list of PlannedFigure
        Trajectories of the study file, forests, what the data added, comparisons, predictive checks, cohorts.
    """
    planned = [
        *_holding(Content.MODEL, _trajectories(results)),
        *_holding(Content.MODEL, _forests(results)),
        *_holding(Content.MODEL, _learnt(results)),
        *_holding(Content.MODEL, _comparisons(results)),
        *_holding(Content.AGGREGATE, _scores(results)),
        *_holding(Content.AGGREGATE, _predictive(results)),
        *_holding(Content.MODEL, _chains(results)),
        *_holding(Content.MODEL, _cohorts(results)),
    ]
    names = name_ids(results.study)
    return [
        _published(dataclasses.replace(figure, alt=spell_ids(figure.alt, names)), results.source)
        for figure in planned
        if figure.rows and (everything or is_default(results, figure.name))
    ]


def _holding(content: Content, figures: Iterable[PlannedFigure]) -> Iterator[PlannedFigure]:
    return (dataclasses.replace(figure, content=content) for figure in figures)


def _published(figure: PlannedFigure, source: Source) -> PlannedFigure:
    """Round numbers that were computed from patients' data."""
    if source is not Source.REAL:
        return figure
    rows: list[PlotRow] = [
        {name: round_published(name, value) for name, value in row.items()} for row in figure.rows
    ]
    return dataclasses.replace(figure, rows=rows)


def _trajectories(results: StudyResults) -> Iterator[PlannedFigure]:
    for figure in results.study.figures:
        rows = tabulate_trajectories(results, figure)
        yield PlannedFigure(
            name=name_file(figure.id),
            rows=rows,
            draw=partial(plot_trajectories, results, figure),
            stamp=stamp_provenance(results),
            title=figure.title,
            alt=describe_trajectories(results, figure, rows),
        )


def _forests(results: StudyResults) -> Iterator[PlannedFigure]:
    printed = [line for outcome in results.study.outcomes for line in printed_lines(results, outcome)]
    named = [(line.model.outcome, line.label) for line in printed]
    # Under the names of their models where their own do not tell them apart.
    headed = len(set(named)) < len(named)
    yield from _paged(results, "forest_printed", printed, "Printed slopes beside ML and Bayes", headed=headed)
    for outcome in results.study.outcomes:
        name, lines = f"forest_{name_file(outcome)}", forest_lines(results, outcome)
        yield from _paged(results, name, lines, "Slopes and their differences", headed=True)


def _paged(
    results: StudyResults, name: str, lines: list[ForestLine], title: str, *, headed: bool
) -> Iterator[PlannedFigure]:
    """Plan a forest a page."""
    pages = split_pages(lines, headed=headed)
    for (which, part), page in zip(_number(pages), pages, strict=True):
        yield _forest(results, f"{name}{which}", page, f"{title}{part}", headed=headed)


def _number(pages: Sequence[object]) -> list[tuple[str, str]]:
    """Return what follows the file name and the title of each figure of several; of one alone nothing."""
    if len(pages) == 1:
        return [("", "")]
    return [(f"_{number}", f" ({number} of {len(pages)})") for number in range(1, len(pages) + 1)]


def _forest(
    results: StudyResults, name: str, lines: list[ForestLine], title: str, *, headed: bool
) -> PlannedFigure:
    rows = tabulate_forest(results, lines)
    outcomes = dict.fromkeys(results.study.variable(line.model.outcome).label for line in lines)
    return PlannedFigure(
        name=name,
        rows=rows,
        draw=partial(plot_forest, results, lines, title=title, headed=headed),
        stamp=f"source printed: printed; others: {stamp_provenance(results)}",
        title=f"{title}: {', '.join(outcomes)}" if headed else title,
        alt=describe_forest(rows),
    )


def _comparisons(results: StudyResults) -> Iterator[PlannedFigure]:
    for comparison in results.comparisons:
        if len(comparison.models) > 1:
            rows = tabulate_comparison_plot(results, comparison)
            label = label_comparison(results.study, comparison.name, comparison.outcome)
            yield PlannedFigure(
                name=f"comparison_{name_file(comparison.name)}",
                rows=rows,
                draw=partial(plot_comparison, results, comparison),
                stamp=stamp_provenance(results),
                title=f"Models compared, AIC beside LOO: {label}",
                alt=describe_comparison(rows),
            )


def _predictive(results: StudyResults) -> Iterator[PlannedFigure]:
    for outcome in predictive_outcomes(results):
        label = results.study.variable(outcome).label
        means, pit = tabulate_means(results, outcome), tabulate_pit(results, outcome)
        yield PlannedFigure(
            name=f"ppc_{name_file(outcome)}",
            rows=means,
            draw=partial(plot_means, results, outcome),
            stamp=stamp_provenance(results),
            title=f"Posterior predictive means: {label}",
            alt=describe_means(means, label),
        )
        yield PlannedFigure(
            name=f"loo_pit_{name_file(outcome)}",
            rows=pit,
            draw=partial(plot_pit, results, outcome),
            stamp=stamp_provenance(results),
            title=f"Calibration by LOO-PIT: {label}",
            alt=describe_pit(pit),
        )


def _plan(
    results: StudyResults, name: str, rows: list[PlotRow], draw: Callable[[], Figure], title: str, alt: str
) -> PlannedFigure:
    return PlannedFigure(
        name=name, rows=rows, draw=draw, stamp=stamp_provenance(results), title=title, alt=alt
    )


def _learnt(results: StudyResults) -> Iterator[PlannedFigure]:
    rows = tabulate_moderation(results)
    draw = partial(plot_moderation, results)
    yield _plan(results, "moderation", rows, draw, "Moderation", describe_moderation(rows))
    pages = pages_of_differences(results)
    for (which, part), page in zip(_number(pages), pages, strict=True):
        rows = tabulate_learning(results, page)
        draw = partial(plot_learning, results, page)
        title = f"Prior, likelihood and posterior of slope differences{part}"
        yield _plan(results, f"prior_posterior{which}", rows, draw, title, describe_learning(rows))
    rows = tabulate_bayes_factors(results)
    title, draw = "Bayes factors over prior widths", partial(plot_bayes_factors, results)
    yield _plan(results, "bayes_factors", rows, draw, title, describe_bayes_factors(rows))
    rows = tabulate_variation(results)
    title, draw = "Explained variation", partial(plot_variation, results)
    yield _plan(results, "explained_variation", rows, draw, title, describe_variation(rows))
    study = results.study
    if results.printed is not None and results.printed.posteriors:
        posteriors = results.printed.posteriors
        rows = tabulate_prior_sensitivity(study, posteriors)
        yield PlannedFigure(
            name="prior_sensitivity",
            rows=rows,
            draw=partial(plot_prior_sensitivity, study, posteriors),
            stamp=STAMP,
            title="Printed slope deviations under every prior",
            alt=describe_prior_sensitivity(rows),
        )


def _scores(results: StudyResults) -> Iterator[PlannedFigure]:
    for comparison in shown_comparisons(results):
        name = name_file(comparison.name)
        label = label_comparison(results.study, comparison.name, comparison.outcome)
        pages = pages_of_pairs(results, comparison)
        for (which, part), page in zip(_number(pages), pages, strict=True):
            rows = tabulate_patient_scores(results, comparison, page)
            yield _plan(
                results,
                f"patient_scores_{name}{which}",
                rows,
                partial(plot_patient_scores, results, comparison, page),
                f"Predictions by patient: {label}{part}",
                describe_patient_scores(rows),
            )
        rows = tabulate_pareto_k(results, comparison)
        draw = partial(plot_pareto_k, results, comparison)
        yield _plan(
            results,
            f"pareto_k_{name}",
            rows,
            draw,
            f"Pareto k: {label}",
            describe_pareto_k(rows),
        )


def _chains(results: StudyResults) -> Iterator[PlannedFigure]:
    for run in shown_chains(results):
        rows = tabulate_chains(results, run)
        draw = partial(plot_chains, results, run)
        name = f"chains_{name_file(run.model.id)}"
        yield _plan(results, name, rows, draw, f"Chains: {run.model.label}", describe_chains(rows))


def _cohorts(results: StudyResults) -> Iterator[PlannedFigure]:
    rows = tabulate_spread_plot(results)
    title = "Spread of estimates over synthetic cohorts"
    yield _plan(results, "cohort_spread", rows, partial(plot_spread, results), title, describe_spread(rows))
    facts = results.ensemble.scorecards
    if facts:
        rows = tabulate_scorecard_plot(facts)
        yield PlannedFigure(
            name="scorecard",
            rows=rows,
            draw=partial(plot_scorecard, facts),
            stamp="column printed: printed; others: synthetic",
            title="Printed numbers and the same numbers from synthetic cohorts",
            alt=describe_scorecard(rows),
        )
    checks = results.ensemble.checks
    if checks:
        rows = tabulate_ensemble_checks_plot(checks)
        yield PlannedFigure(
            name="ensemble_checks",
            rows=rows,
            draw=partial(plot_ensemble_checks, checks),
            stamp="synthetic",
            title="Whether the synthetic cohorts are ordinary in what was not printed",
            alt=describe_ensemble_checks(rows),
        )
