"""Plots of one line a model or an estimand: where lines stand, and where what they are called is written.

In two columns names stand beside their lines, in a single column above them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.text import Text

from bayes_alliance.show.plots.style import SMALL_PT, is_narrow, page_width, wrap_small

_LABEL_MM = 3.4


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Lines from top to bottom; a unit of the axis is the height of a line, its zero the middle of the first beside.

    Parameters
    ----------
    labels : tuple of str
        What each is called, wrapped.
    places : tuple of float
        Where each stands.
    label_share : float
        Height of a line of print; 0 where labels stand beside.
    above : float
        How far what is drawn on a line reaches up.
    """

    labels: tuple[str, ...]
    places: tuple[float, ...]
    label_share: float
    above: float

    @property
    def count(self) -> float:
        """Height of all, in lines."""
        return self.places[-1] + 1.0


def lay_lines(labels: Sequence[str], line_mm: float, *, letters: int, above: float = 0.5) -> Lines:
    """Place lines for the style of now.

    Parameters
    ----------
    labels : sequence of str
        One a line.
    line_mm : float
        Height of a line, without a label above it.
    letters : int
        Width of a label beside its line.
    above : float
        How far what is drawn on a line reaches up, in lines.
    """
    if not is_narrow():
        wrapped = tuple(textwrap.fill(label, letters) for label in labels)
        return Lines(
            labels=wrapped, places=tuple(float(i) for i in range(len(labels))), label_share=0.0, above=above
        )
    wrapped = tuple("\n".join(wrap_small(label, page_width())) for label in labels)
    share = _LABEL_MM / line_mm
    places: list[float] = []
    top = -above
    for label in wrapped:
        places.append(top + share * (label.count("\n") + 1) + above)
        top = places[-1] + 0.5
    return Lines(labels=wrapped, places=tuple(places), label_share=share, above=above)


def name_lines(panels: Sequence[Axes], lines: Lines, *, top: float = 0.5, bottom: float = 0.5) -> None:
    """Write the names and set the ends of the axis that the panels share; ``top`` and ``bottom`` are margins.

    The first panel must be the leftmost: from there a name runs across the others.
    """
    first = panels[0]
    for axes in panels:
        axes.tick_params(axis="y", length=0.0)
        axes.spines["left"].set_visible(False)
    if lines.label_share == 0.0:
        first.set_yticks(lines.places, lines.labels)
        first.set_ylim(lines.places[-1] + bottom, -top)
        return
    first.set_yticks([])
    for label, place in zip(lines.labels, lines.places, strict=True):
        height = lines.label_share * (label.count("\n") + 1)
        text = write_across(first, label, place - lines.above - height / 2.0)
        # Else the first panel would have to be as wide as the longest name.
        text.set_in_layout(False)
    first.set_ylim(lines.places[-1] + bottom, -max(top, lines.above))
    # What is written in the first panel must lie over the lines of those that it runs across.
    first.set_zorder(1.0)
    for axes in panels:
        axes.patch.set_visible(False)


def write_across(axes: Axes, text: str, y: float, *, bold: bool = False) -> Text:
    """Write across a plot where it is empty."""
    return axes.text(
        0.0,
        y,
        text,
        transform=axes.get_yaxis_transform(),
        fontsize=SMALL_PT,
        fontweight="bold" if bold else "normal",
        va="center",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
    )
