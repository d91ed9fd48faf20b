"""Whether a figure can be read: its text on the page, large enough, and clear of other text."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from bayes_alliance.show.plots import save as saving
from bayes_alliance.show.plots.style import MM, PAGE_MM, SMALL_PT


def _beyond(axis: Axis) -> set[Text]:
    """Labels of ticks that exist, but are not drawn: those outside the limits of their axis."""
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    return {tick.label1 for tick in ticks if not low <= tick.get_loc() <= high}


def shown_texts(figure: Figure) -> list[tuple[Text, Bbox]]:
    """Texts that are drawn, with the places they take, measured as fine as in print."""
    figure.set_dpi(300)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    hidden = set().union(*(_beyond(axis) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)))
    for axes in figure.axes:
        if not axes.axison:
            hidden |= {label for axis in (axes.xaxis, axes.yaxis) for label in axis.findobj(Text)}
    return [
        (text, text.get_window_extent())
        for text in figure.findobj(Text)
        if text.get_text().strip() and text.get_visible() and text not in hidden
    ]


def check_legible(figure: Figure, *, smallest: float = SMALL_PT) -> None:
    """Check that all text lies on the page, is at least 7 pt at print size, and none runs into another."""
    texts = shown_texts(figure)
    millimetre = MM * figure.dpi
    width, height = figure.bbox.width, figure.bbox.height
    for text, box in texts:
        assert text.get_fontsize() >= smallest - 1e-9
        assert box.x0 >= -0.3 * millimetre and box.x1 <= width + 0.3 * millimetre, text.get_text()
        assert box.y0 >= -0.3 * millimetre and box.y1 <= height + 0.3 * millimetre, text.get_text()
    for (one, first), (other, second) in itertools.combinations(texts, 2):
        common = Bbox.intersection(first, second)
        # Boxes are a little higher than letters, so neighbouring lines may share a millimetre.
        runs_into = common is not None and common.width > 0.5 * millimetre and common.height > millimetre
        assert not runs_into, (one.get_text(), other.get_text())
    for axes in figure.axes:
        assert axes.get_window_extent().width > 20.0 * millimetre, axes.get_title("left")


@contextmanager
def saved_figures_checked() -> Iterator[list[str]]:
    """Check every figure that a command saves meanwhile, before its files are written; give their names."""
    seen: list[str] = []
    save = saving.save_figure

    def checked(figure: Figure, *arguments: object, **named: object) -> object:
        check_legible(figure)
        assert figure.get_figheight() / MM <= PAGE_MM
        figure.set_dpi(100)
        seen.append(str(arguments[0]).rpartition("/")[2])
        return save(figure, *arguments, **named)  # type: ignore[arg-type]

    with mock.patch.object(saving, "save_figure", checked):
        yield seen
