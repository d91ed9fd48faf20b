"""Figures of claims: an overview of all verdicts by source, and specification curves."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bayes_alliance.assess.verdict_words import Verdict
from bayes_alliance.claims.challenges import option_labels
from bayes_alliance.claims.multiverse_results import MultiverseCell
from bayes_alliance.claims.results import commonest, spread_of
from bayes_alliance.show.labels import name_cohorts
from bayes_alliance.show.plots.style import (
    BLACK,
    DOUBLE_MM,
    GREY,
    LIGHT,
    SMALL_PT,
    VERDICT_COLOURS,
    PlotRow,
    add_note,
    make_figure,
    note_height_mm,
    use_style,
)
from bayes_alliance.show.provenance import cite_study
from bayes_alliance.study.records import Source

if TYPE_CHECKING:
    from bayes_alliance.claims.run import ClaimsRun

# Told apart without colour, too.
VERDICT_MARKERS = {
    Verdict.SUPPORTED: "o",
    Verdict.LIKELY: "^",
    Verdict.UNDECIDED: "s",
    Verdict.TOO_SMALL: "D",
    Verdict.CONTRADICTED: "X",
    Verdict.NOT_APPLICABLE: "_",
}
_LINE_MM = 3.5


def _source_columns(run: ClaimsRun) -> list[str]:
    columns = ["printed"]
    columns += ["synthetic"] if run.synthetic else []
    return columns + (["real data"] if run.real else [])


def overview_rows(run: ClaimsRun) -> list[PlotRow]:
    """Compute the plotted numbers: verdicts by source, spread over cohorts, and shares of specifications."""
    shares = {s.claim_id: s for s in run.multiverse.shares if not s.axis} if run.multiverse else {}
    rows: list[PlotRow] = []
    for i, claim in enumerate(run.ledger.claims):
        counts = spread_of(run.synthetic, claim.id)
        share = shares.get(claim.id)
        row: dict[str, str | float | int | bool | None] = {
            "claim": claim.id,
            "says": claim.says,
            "printed": run.printed[i].verdict.value,
            "printed_sure": run.printed[i].sure,
            "printed_all_parts": run.printed[i].n_tested == len(claim.parts),
            "synthetic": commonest(counts).value if counts else None,
            **{f"cohorts_{v.name.lower()}": counts[v] for v in Verdict},
            "real_data": run.real[i].verdict.value if run.real else None,
            "real_data_sure": run.real[i].sure if run.real else None,
            "real_data_all_parts": run.real[i].n_tested == len(claim.parts) if run.real else None,
        }
        for verdict in Verdict:
            if verdict is not Verdict.NOT_APPLICABLE:
                row[f"share_{verdict.name.lower()}"] = (
                    share.share(verdict) if share and share.n_tested else None
                )
        row["n_specifications"] = share.n_tested if share else None
        rows.append(row)
    return rows


def plot_overview(run: ClaimsRun) -> Figure:
    """Plot every claim: verdict by source on the left, share of specifications by verdict on the right."""
    rows = overview_rows(run)
    note = _overview_note(run)
    with use_style():
        figure = make_figure(DOUBLE_MM, _LINE_MM * len(rows) + 22.0 + note_height_mm(note, DOUBLE_MM))
        columns = _source_columns(run)
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[0.5 * len(columns), 1.6])
        for y, row in enumerate(rows):
            _draw_verdicts(left, row, columns, y)
            if run.multiverse or run.synthetic:
                _draw_shares(right, row, y)
        labels = [textwrap.shorten(str(row["says"]), 62, placeholder=" ...") for row in rows]
        left.set_yticks(range(len(rows)), labels)
        left.set_ylim(len(rows) - 0.5, -0.7)
        left.set_xticks(range(len(columns)), columns)
        left.set_xlim(-0.5, len(columns) - 0.4)
        left.xaxis.tick_top()
        right.set_xlim(0.0, 1.0)
        right.set_xlabel("Share of specifications (thin: of cohorts)")
        for axes in (left, right):
            axes.tick_params(axis="y", length=0.0)
            axes.spines["left"].set_visible(False)
        left.spines["bottom"].set_visible(False)
        if not (run.multiverse or run.synthetic):
            right.set_axis_off()  # nothing has a share
        _legend(figure)
        add_note(figure, note)
    return figure


def _draw_verdicts(axes: Axes, row: PlotRow, columns: Sequence[str], y: int) -> None:
    axes.axhline(y + 0.5, color=LIGHT, linewidth=0.3, zorder=0)
    for x, column in enumerate(columns):
        word = row[column.replace(" ", "_")]
        if word is None:
            continue
        verdict = Verdict(str(word))
        colour = GREY if verdict is Verdict.NOT_APPLICABLE else VERDICT_COLOURS[verdict]
        # Hollow: only some parts of the claim could be tested.
        whole = row.get(f"{column.replace(' ', '_')}_all_parts") in (None, True)
        axes.plot(
            [x],
            [y],
            marker=VERDICT_MARKERS[verdict],
            color=colour,
            markerfacecolor=colour if whole else "white",
            linestyle="none",
            markersize=4.5,
        )
        if column == "synthetic" and verdict is not Verdict.NOT_APPLICABLE:
            total = sum(int(row[f"cohorts_{v.name.lower()}"] or 0) for v in Verdict)
            agree = int(row[f"cohorts_{verdict.name.lower()}"] or 0)
            if agree < total:
                axes.text(x + 0.12, y, f"{agree}/{total}", fontsize=SMALL_PT, va="center", color=GREY)


def _draw_shares(axes: Axes, row: PlotRow, y: int) -> None:
    """Stack the shares of the multiverse; of the cohorts, thinner, where the claim is not in it."""
    axes.axhline(y + 0.5, color=LIGHT, linewidth=0.3, zorder=0)
    tested = [verdict for verdict in Verdict if verdict is not Verdict.NOT_APPLICABLE]
    values = [row[f"share_{verdict.name.lower()}"] for verdict in tested]
    height = 0.62
    if values[0] is None:
        counts = [int(row[f"cohorts_{verdict.name.lower()}"] or 0) for verdict in tested]
        total = sum(counts)
        values = [count / total for count in counts] if total else []
        height = 0.25
    start = 0.0
    for verdict, value in zip(tested, values, strict=False):
        width = float(value or 0.0)
        axes.barh(y, width, left=start, height=height, color=VERDICT_COLOURS[verdict], linewidth=0.0)
        start += width


def _legend(figure: Figure) -> None:
    handles = [
        Line2D(
            [], [], linestyle="none", marker=VERDICT_MARKERS[v], label=v.value,
            color=GREY if v is Verdict.NOT_APPLICABLE else VERDICT_COLOURS[v],
        )
        for v in Verdict
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))


def _overview_note(run: ClaimsRun) -> str:
    cohorts = f" Synthetic: most frequent verdict over {len(run.synthetic)} cohorts." if run.synthetic else ""
    fits = f" Multiverse: {run.multiverse.n_fits} fits on the rows at hand." if run.multiverse else ""
    thin = " Thin bars: share of cohorts, for claims outside of the multiverse." if run.synthetic else ""
    return (
        f"Printed: {cite_study(run.study)} alone.{cohorts}{fits} Hollow: only some parts of the claim could be "
        f"tested.{thin} Rows at hand: {_rows_at_hand(run)}. Random seed {run.settings.seed}."
    )


def _rows_at_hand(run: ClaimsRun) -> str:
    return f"{'SYNTHETIC DATA' if run.source is Source.SYNTHETIC else run.source.value} ({name_cohorts(run.origin)})"


def curve_cells(run: ClaimsRun, model: str, estimand: str) -> list[MultiverseCell]:
    """Return the specifications of one estimand of one model, by increasing median; those that could be tested."""
    if run.multiverse is None:
        return []
    parts = {
        (claim.id, part.id)
        for claim, part in run.ledger.parts
        if part.quantity == "effect" and (part.model, part.estimand) == (model, estimand) and not part.recode
    }
    first = next(iter(sorted(parts)), None)
    cells = [
        cell
        for cell in run.multiverse.cells
        if (cell.result.claim_id, cell.result.part_id) == first and cell.result.judgement is not None
    ]
    return sorted(cells, key=lambda cell: cell.result.median)


def curve_rows(run: ClaimsRun, model: str, estimand: str) -> list[PlotRow]:
    """Compute the plotted numbers of a specification curve, one row a specification."""
    return [
        {
            "rank": rank,
            "model": model,
            "estimand": estimand,
            "rows": cell.rows,
            **dict(cell.choices),
            "median": cell.result.median,
            "lower": cell.result.lower,
            "upper": cell.result.upper,
            "verdict": cell.result.verdict.value,
            "departures": len(cell.departures),
        }
        for rank, cell in enumerate(curve_cells(run, model, estimand))
    ]


def plot_curve(run: ClaimsRun, model: str, estimand: str) -> Figure:
    """Plot a specification curve: medians with 95 % intervals above, the options of each choice below."""
    rows = curve_rows(run, model, estimand)
    axes_ids = [axis.id for axis in run.choices.axes if len({row[axis.id] for row in rows}) > 1]
    axes_ids += [name for name in ("prior", "covariance") if len({row[name] for row in rows}) > 1]
    options = [(axis, option) for axis in axes_ids for option in _options(run, axis)]
    note = _curve_note(run, rows)
    part = next(p for _, p in run.ledger.parts if (p.model, p.estimand) == (model, estimand))
    with use_style():
        height = 68.0 + 3.4 * len(options) + note_height_mm(note, DOUBLE_MM)
        figure = make_figure(DOUBLE_MM, height)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[50.0, 3.4 * len(options) + 2.0])
        handles = _draw_curve(above, rows)
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
        above.set_title(textwrap.fill(part.label, 46), loc="left", fontweight="bold")
        above.set_ylabel(f"{part.unit} over {run.study.horizon:g} {run.study.time_unit}")
        _draw_options(below, run, rows, options)
        add_note(figure, note)
    return figure


def _options(run: ClaimsRun, axis: str) -> list[str]:
    if axis == "prior":
        return list(run.choices.priors)
    if axis == "covariance":
        return list(run.choices.covariances)
    return [option.id for a in run.choices.axes if a.id == axis for option in a.options]


def _draw_curve(axes: Axes, rows: Sequence[PlotRow]) -> list[Line2D]:
    """Draw the curve; give what its legend explains."""
    axes.axhline(0.0, color=GREY, linewidth=0.6)
    for verdict in Verdict:
        mine = [row for row in rows if row["verdict"] == verdict.value]
        x = [int(row["rank"] or 0) for row in mine]
        low, middle, high = ([float(row[k] or 0.0) for row in mine] for k in ("lower", "median", "upper"))
        axes.vlines(x, low, high, color=VERDICT_COLOURS[verdict], linewidth=0.3, alpha=0.35)
        axes.plot(x, middle, linestyle="none", marker=".", markersize=1.6, color=VERDICT_COLOURS[verdict])
    own = [row for row in rows if row["departures"] == 0]
    for row in own:
        place, height = int(row["rank"] or 0), float(row["median"] or 0.0)
        axes.plot(
            [place],
            [height],
            marker="D",
            markersize=4.0,
            color=BLACK,
            markerfacecolor="white",
            linestyle="none",
        )
    handles = [
        Line2D([], [], linestyle="none", marker="o", color=VERDICT_COLOURS[v], label=v.value)
        for v in Verdict
        if any(row["verdict"] == v.value for row in rows)
    ]
    handles.append(
        Line2D(
            [],
            [],
            linestyle="none",
            marker="D",
            color=BLACK,
            markerfacecolor="white",
            label="the study's own way",
        )
    )
    return handles


def _draw_options(
    axes: Axes, run: ClaimsRun, rows: Sequence[PlotRow], options: Sequence[tuple[str, str]]
) -> None:
    labels = option_labels(run.choices)
    for y, (axis, option) in enumerate(options):
        x = [int(row["rank"] or 0) for row in rows if row[axis] == option]
        axes.plot(
            x, [y] * len(x), linestyle="none", marker="|", markersize=3.2, markeredgewidth=0.35, color=BLACK
        )
        if y and options[y - 1][0] != axis:
            axes.axhline(y - 0.5, color=LIGHT, linewidth=0.5)
    named = [labels.get(pair, f"prior {pair[1]}" if pair[0] == "prior" else pair[1]) for pair in options]
    axes.set_yticks(range(len(options)), named)
    axes.set_ylim(len(options) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0.0)
    axes.set_xlabel("Specifications, by posterior median")


def _curve_note(run: ClaimsRun, rows: Sequence[PlotRow]) -> str:
    return (
        f"{len(rows)} specifications, the full grid of the choices below; bars: 95 % equal-tailed intervals. "
        f"Rows: {_rows_at_hand(run)}. Random seed {run.settings.seed}."
    )
