"""Whether the synthetic cohorts are ordinary in what was not printed: each check's values between its limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_alliance.show.format_numbers import format_number, use_minus_sign
from bayes_alliance.show.plots.line_layout import lay_lines, name_lines
from bayes_alliance.show.plots.style import (
    BLUE,
    LIGHT,
    SMALL_PT,
    VERMILLION,
    PlotRow,
    add_note,
    is_narrow,
    make_figure,
    note_height_mm,
    page_width,
    say_value,
    use_style,
    wrap_title,
)

_FARTHEST = 3.0
_LINE_MM = 8.0
_NAME = 60
# A limit this low is none: the check is bounded on one side only.
_UNBOUNDED = -10.0


def tabulate_ensemble_checks_plot(checks: Sequence[Mapping[str, Any]]) -> list[PlotRow]:
    """Place every value that a check of the ensemble looked at between the limits of the check.

    Parameters
    ----------
    checks : sequence of mapping
        As a run keeps them.

    Returns
    -------
    list of mapping
        ``position`` is -1 and 1 at the limits: linear between them, logarithmic for p values, and a share of the
        limit where there is only one; values of a check that allows one value alone are 0 or beyond the edge.
    """
    return [
        {
            "check": check["name"],
            "what": check["what"],
            "low": check["low"],
            "high": check["high"],
            "value": value,
            "position": _position(check["name"], value, check["low"], check["high"]),
            "farthest_out": check["value"],
            "passed": bool(check["passed"]),
        }
        for check in checks
        for value in check["values"]
    ]


def _position(name: str, value: float, low: float, high: float) -> float:
    if low == high:
        return 0.0 if value == low else math.copysign(2.0 * _FARTHEST, value - low)
    if low < _UNBOUNDED:
        return value / high
    if name == "lr":
        # p values before Bonferroni's factor, which the check applies to the smallest.
        value, low, high = (math.log(max(one, 1e-300)) for one in (value, low, high))
    return -1.0 + 2.0 * (value - low) / (high - low)


def plot_ensemble_checks(checks: Sequence[Mapping[str, Any]]) -> Figure:
    """Plot the values of every check of the ensemble between its limits, one line a check."""
    rows = tabulate_ensemble_checks_plot(checks)
    note = (
        "Each tick is a value that the check looked at (of one cohort, of one model or variable over the cohorts), "
        "placed between the limits of what is ordinary (shaded; p values on a logarithmic scale, before Bonferroni's "
        f"factor). Beyond {_FARTHEST:g} at the edge. Orange: the check fails. On the right: the value farthest out. "
        "Limits are ours; a check that passes proves nothing. SYNTHETIC DATA."
    )
    lines = lay_lines([str(check["what"]) for check in checks], _LINE_MM, letters=_NAME)
    width = page_width()
    with use_style():
        figure = make_figure(width, lines.count * _LINE_MM + 20.0 + note_height_mm(note, width))
        axes = figure.subplots()
        axes.axvspan(-1.0, 1.0, color=LIGHT, alpha=0.5, linewidth=0.0)
        for y, check in zip(lines.places, checks, strict=True):
            _draw_check(axes, y, check, [row for row in rows if row["check"] == check["name"]])
        name_lines([axes], lines)
        axes.set_xlim(-_FARTHEST - 0.1, _FARTHEST + 0.1)
        between = "\n" if is_narrow() else " "
        axes.set_xticks([-1, 1], [f"lower{between}limit", f"upper{between}limit"])
        title = "Whether the synthetic cohorts are ordinary in what was not printed"
        figure.suptitle(wrap_title(title), x=0.01, ha="left", fontsize=9.0)
        add_note(figure, note)
    return figure


def _draw_check(axes: Axes, y: float, check: Mapping[str, Any], mine: Sequence[PlotRow]) -> None:
    at = np.clip([float(row["position"] or 0.0) for row in mine], -_FARTHEST, _FARTHEST)
    colour = BLUE if check["passed"] else VERMILLION
    (ticks,) = axes.plot(at, np.full(len(at), y), "|", color=colour, markersize=7.0, alpha=0.6)
    verdict = "passed" if check["passed"] else "FAILED"
    farthest = format_number(check["value"])
    say_value(ticks, use_minus_sign(f"{check['what']}: {farthest}, {verdict}"))
    axes.text(
        1.01,
        y,
        use_minus_sign(farthest) if check["passed"] else f"{use_minus_sign(farthest)} FAILED",
        transform=axes.get_yaxis_transform(),
        fontsize=SMALL_PT,
        va="center",
        color="black" if check["passed"] else VERMILLION,
    )
