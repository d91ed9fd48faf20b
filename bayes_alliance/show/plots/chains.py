"""Chains of a sampler: traces, and the ranks of each chain's draws among all (Vehtari et al. 2021).

Ranks of well-mixed chains are uniform (doi:10.1214/20-BA1221). Engines that draw independently have no chains.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from bayes_alliance.inference.fits import Array, PosteriorFit
from bayes_alliance.run.results import ModelRun, StudyResults
from bayes_alliance.show.plots.style import (
    COLOURS,
    GREY,
    SMALL_PT,
    PlotRow,
    add_note,
    make_figure,
    note_height_mm,
    page_width,
    use_style,
    wrap_title,
)
from bayes_alliance.show.provenance import describe_provenance
from bayes_alliance.show.tables.gates import collect_gates, name_model

BINS = 20
_TRACE = 150
_LINE_MM = 21.0


def shown_chains(results: StudyResults) -> list[ModelRun]:
    """List the sampled models that the study's figures show, the first of each outcome; else the first sampled."""
    shown = [model_id for figure in results.study.figures for model_id in figure.models]
    sampled = [
        run for run in results.runs if run.posterior is not None and run.posterior.independent_draws is None
    ]
    chosen: dict[str, ModelRun] = {}
    for run in sampled:
        if run.model.id in shown:
            chosen.setdefault(run.model.outcome, run)
    return list(chosen.values()) or sampled[:1]


def hardest(fit: PosteriorFit) -> dict[str, Array]:
    """Pick what mixes worst in such models: the last fixed effect, and every covariance parameter."""
    draws = fit.named_draws()
    names = [fit.x_names[-1], *(name for name in draws if name not in fit.x_names)]
    return {name: draws[name] for name in names}


def rank_shares(draws: Array, bins: int = BINS) -> Array:
    """Share of each chain's draws in each bin of their rank among the draws of all chains.

    Parameters
    ----------
    draws : ndarray, shape (chain, draw)
        Of one quantity.

    Returns
    -------
    ndarray, shape (chain, bins)
        Rows sum to 1; 1 / bins everywhere for chains that mix.
    """
    ranks = stats.rankdata(draws, method="average").reshape(draws.shape)
    places = np.minimum(((ranks - 0.5) / draws.size * bins).astype(int), bins - 1)
    return np.stack([np.bincount(row, minlength=bins) / draws.shape[1] for row in places])


def tabulate_chains(results: StudyResults, run: ModelRun) -> list[PlotRow]:
    """Compute the shares of ranks of each chain; traces are not listed, the posterior holds them."""
    assert run.posterior is not None
    return [
        {
            "model": run.model.id,
            "parameter": name,
            "chain": chain,
            "bin": place + 1,
            "share": float(share),
            "expected": 1.0 / BINS,
        }
        for name, draws in hardest(run.posterior).items()
        for chain, shares in enumerate(rank_shares(draws))
        for place, share in enumerate(shares)
    ]


def plot_chains(results: StudyResults, run: ModelRun) -> Figure:
    """Plot traces on the left and ranks on the right: one line per parameter."""
    assert run.posterior is not None
    chosen = hardest(run.posterior)
    gates = collect_gates(results)
    note = (
        f"Left: every {_step(run.posterior)}th draw of each chain. Right: share of each chain's draws by rank among "
        "all; level lines (grey) for chains that mix. "
        + " ".join([*gates.notes([run.model.id]), describe_provenance(results)])
    )
    width = page_width()
    with use_style():
        height = len(chosen) * _LINE_MM + 16.0 + note_height_mm(note, width)
        figure = make_figure(width, height)
        panels = figure.subplots(len(chosen), 2, squeeze=False, width_ratios=(3, 2), sharex="col")
        for (left, right), (name, draws) in zip(panels, chosen.items(), strict=True):
            _draw_trace(left, draws, _step(run.posterior))
            _draw_ranks(right, draws)
            left.set_title(name, loc="left", fontsize=SMALL_PT)
        panels[-1][0].set_xlabel("Draw")
        panels[-1][1].set_xlabel("Rank, in twentieths")
        title = f"Chains: {name_model(results, gates, run.model.id)}"
        figure.suptitle(wrap_title(title), x=0.01, ha="left", fontsize=9.0)
        add_note(figure, note)
    return figure


def _step(fit: PosteriorFit) -> int:
    return max(int(fit.sigma.shape[1]) // _TRACE, 1)


def _draw_trace(axes: Axes, draws: Array, step: int) -> None:
    for chain, values in enumerate(draws):
        at = np.arange(0, len(values), step)
        axes.plot(at, values[at], color=COLOURS[chain % len(COLOURS)], linewidth=0.4, alpha=0.8)


def _draw_ranks(axes: Axes, draws: Array) -> None:
    shares = rank_shares(draws)
    axes.axhline(1.0 / BINS, color=GREY, linewidth=0.6)
    for chain, row in enumerate(shares):
        axes.step(
            np.arange(1, BINS + 1), row, where="mid", color=COLOURS[chain % len(COLOURS)], linewidth=0.8
        )
    axes.set_ylim(0.0, max(2.0 / BINS, 1.1 * float(shares.max())))
    axes.set_yticks([0.0, 1.0 / BINS], ["0", f"{1.0 / BINS:g}"])
