"""Figures of what printed numbers alone can tell: prior to posterior with bands, and reverse-Bayes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_alliance.inference.fits import Array
from bayes_alliance.published.cell_posterior import (
    CellPosterior,
    NormalMixture,
    pair_weights,
    prior_mixtures,
    update,
)
from bayes_alliance.published.printed_effects import PrintedEffect
from bayes_alliance.published.reverse_bayes import Z95
from bayes_alliance.run.printed_side import PrintedClaim
from bayes_alliance.show.plots.style import (
    BLACK,
    BLUE,
    COLOURS,
    DOUBLE_MM,
    GREY,
    LIGHT,
    SMALL_PT,
    VERMILLION,
    PlotRow,
    add_note,
    make_figure,
    note_height_mm,
    use_style,
)
from bayes_alliance.show.provenance import provenance
from bayes_alliance.show.tables.printed_posteriors import unit_text
from bayes_alliance.study.records import Study

_POINTS = 201
_PANEL_MM, _COLUMNS = 42.0, 3
_LINE_MM = 5.0


def claimed_slopes(posteriors: Sequence[CellPosterior]) -> list[PrintedEffect]:
    """Return the slope deviations that print digits, each once."""
    found: dict[str, PrintedEffect] = {}
    for one in posteriors:
        if one.effect.role == "slope_deviation" and one.effect.parsed.value is not None:
            found.setdefault(one.effect.name, one.effect)
    return list(found.values())


def density_rows(study: Study, effect: PrintedEffect, prior: str) -> list[PlotRow]:
    """Densities of a prior and of the posterior, with the band over the rounding region, in points.

    Parameters
    ----------
    effect : PrintedEffect
        With a region.
    prior : str
        Name of a prior set, or ``robust``.

    Returns
    -------
    list of mapping
        ``value``, ``prior_density``, ``posterior_density`` and the band's ends, point by point.
    """
    assert effect.region is not None
    mixture = prior_mixtures(study, effect)[prior]
    unit = abs(effect.unit)
    sign = 1.0 if effect.unit > 0 else -1.0
    reach = 1.15 * float(np.max(np.abs(effect.region.rim_estimate) + 3.0 * effect.region.rim_se))
    at = np.linspace(-reach, reach, _POINTS)
    parts = update(mixture, effect.region.estimate, effect.region.se)
    inside = _densities(mixture, effect.region.estimate, effect.region.se, at)
    rim = _densities(mixture, effect.region.rim_estimate, effect.region.rim_se, at)
    before = (mixture.weight * _normal(at[:, None], mixture.mean, mixture.sd)).sum(axis=1)
    mixed = pair_weights(effect.region, parts) @ inside
    return [
        {
            "cell": effect.name,
            "prior": prior,
            "value": float(sign * at[i] * unit),
            "prior_density": float(before[i] / unit),
            "posterior_density": float(mixed[i] / unit),
            "band_low": float(rim[:, i].min() / unit),
            "band_high": float(rim[:, i].max() / unit),
        }
        for i in range(_POINTS)
    ]


def _densities(mixture: NormalMixture, estimate: Array, se: Array, at: Array) -> Array:
    """Posterior densities, shape (pairs, points)."""
    parts = update(mixture, estimate, se)
    shape = np.broadcast_to(parts.sd, parts.mean.shape)
    each = _normal(at[None, :, None], parts.mean[:, None, :], shape[:, None, :])
    density: Array = (parts.weight[:, None, :] * each).sum(axis=2)
    return density


def _normal(at: Array, mean: Array, sd: Array) -> Array:
    density: Array = np.exp(-0.5 * ((at - mean) / sd) ** 2) / (sd * np.sqrt(2.0 * np.pi))
    return density


def plot_prior_to_posterior(
    study: Study, effects: Sequence[PrintedEffect], prior: str
) -> tuple[Figure, list[PlotRow]]:
    """Plot each printed slope deviation: the prior, the posterior and its rounding band.

    Parameters
    ----------
    effects : sequence of PrintedEffect
        One a panel.
    prior : str
        Name of a prior set, or ``robust``.

    Returns
    -------
    figure : Figure
    rows : list of mapping
        The plotted numbers.
    """
    rows = [density_rows(study, effect, prior) for effect in effects]
    height = -(-len(effects) // _COLUMNS)
    note = (
        f"Dashed: {prior} prior. Line: posterior over the rounding region. Shaded: range over "
        f"that region; the table's bands allow for more than rounding. {provenance(study)}"
    )
    with use_style():
        figure = make_figure(DOUBLE_MM, height * _PANEL_MM + 6.0 + note_height_mm(note, DOUBLE_MM))
        panels = figure.subplots(height, min(_COLUMNS, len(effects)), squeeze=False).ravel()
        for axes, effect, mine in zip(panels, effects, rows, strict=False):
            _draw_density(axes, study, effect, mine)
        for axes in panels[len(effects) :]:
            axes.set_visible(False)
        add_note(figure, note)
    return figure, [row for mine in rows for row in mine]


def _draw_density(axes: Axes, study: Study, effect: PrintedEffect, rows: Sequence[PlotRow]) -> None:
    value, before, after, low, high = (
        np.array([row[key] for row in rows], dtype=float)
        for key in ("value", "prior_density", "posterior_density", "band_low", "band_high")
    )
    axes.fill_between(value, low, high, color=BLUE, alpha=0.2, linewidth=0)
    axes.plot(value, before, color=GREY, linestyle="--", linewidth=0.9)
    axes.plot(value, after, color=BLUE)
    axes.axvline(0.0, color=BLACK, linewidth=0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_title(f"{effect.cell.row}\n{effect.cell.printed}", fontsize=SMALL_PT)
    axes.set_xlabel(unit_text(study, effect), fontsize=SMALL_PT)


def reverse_rows(claims: Sequence[PrintedClaim]) -> list[PlotRow]:
    """Scepticism limits and estimates in SEs of the middle of the region, with ranges of the statistic."""
    rows: list[PlotRow] = []
    for claim in claims:
        effect, found = claim.effect, claim.reverse
        if effect.region is None:
            continue
        low, high = effect.region.t_range
        rows.append(
            {
                "cell": effect.name,
                "printed": effect.cell.printed,
                "t_low": low,
                "t_high": high,
                "limit_over_estimate_low": _ratio(high),
                "limit_over_estimate_high": _ratio(low),
                "share_significant": found.share_significant,
                "share_held": found.share_held,
            }
        )
    return rows


def _ratio(t: float) -> float:
    """Scepticism limit over estimate, a function of t alone; infinite at the edge of significance."""
    return Z95 / t / np.sqrt((t / Z95) ** 2 - 1.0) if t > Z95 else float("inf")


def plot_reverse_bayes(study: Study, claims: Sequence[PrintedClaim]) -> tuple[Figure, list[PlotRow]]:
    """Plot the scepticism limit as a multiple of each printed estimate, over its rounding region.

    A limit above one estimate means that a sceptic who finds the printed size itself plausible overturns the
    claim; below one, the claim is intrinsically credible in Matthews' sense.

    Returns
    -------
    figure : Figure
    rows : list of mapping
        The plotted numbers.
    """
    rows = reverse_rows(claims)
    note = (
        "Bar: scepticism limit over estimate, over the rounding region; arrow: no upper end, as rounding "
        "leaves room for an estimate at the edge of significance. Left of one: intrinsically credible by "
        f"Matthews' rule. {provenance(study)}"
    )
    with use_style():
        figure = make_figure(DOUBLE_MM, 18.0 + _LINE_MM * len(rows) + note_height_mm(note, DOUBLE_MM))
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.axvline(1.0, color=VERMILLION, linewidth=0.8, linestyle="--")
        top = 30.0
        for place, row in enumerate(rows):
            low = min(float(row["limit_over_estimate_low"] or 0.0), top)
            high = min(float(row["limit_over_estimate_high"] or 0.0), top)
            axes.plot([low, high], [place, place], color=COLOURS[0], linewidth=3.0, solid_capstyle="butt")
            if high >= top:
                axes.plot([high], [place], marker=">", color=COLOURS[0])
        labels = [f"{str(row['cell']).split(': ', 1)[1]}  {row['printed']}" for row in rows]
        axes.set_yticks(range(len(rows)), labels)
        axes.invert_yaxis()
        axes.set_xlim(0.05, top * 1.2)
        axes.set_xlabel("scepticism limit / estimate")
        axes.grid(axis="x", color=LIGHT, linewidth=0.4)
        add_note(figure, note)
    return figure, rows
