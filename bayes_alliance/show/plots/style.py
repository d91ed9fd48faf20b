"""How every figure looks and how it is stored: sizes of print, colours, fonts, and four files a figure.

Figures are drawn at print size. Colours are those of Okabe & Ito (jfly.uni-koeln.de/color), told apart
without colour by markers and line styles. The same figure gives the same bytes: no dates, a fixed SVG salt.
A mark that :func:`say_value` was told of shows its value in the SVG file when pointed at.
"""

from __future__ import annotations

import functools
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Annotation, Text
from matplotlib.textpath import TextToPath

from bayes_alliance.assess.verdict_words import Verdict
from bayes_alliance.inference.fits import Array
from bayes_alliance.show.tables.record import Value

MM = 1.0 / 25.4
SINGLE_MM, DOUBLE_MM = 85.0, 174.0
PAGE_MM = 234.0
# Of a page, what title and note take.
_REST_MM = 60.0
FONT_PT, SMALL_PT = 7.5, 7.0
PNG_DPI = 600
KINDS = ("pdf", "svg", "png")

BLACK, GREY, LIGHT = "#000000", "#666666", "#d9d9d9"
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY = "#E69F00", "#56B4E9"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
VERDICT_COLOURS: dict[str, str] = {
    Verdict.SUPPORTED: BLUE,
    Verdict.LIKELY: SKY,
    Verdict.UNDECIDED: ORANGE,
    Verdict.TOO_SMALL: GREEN,
    Verdict.CONTRADICTED: VERMILLION,
    Verdict.NOT_APPLICABLE: LIGHT,
}
MARKERS = ("o", "s", "^", "D", "v", "P")

# Any: the stubs know the keys of rcParams only as literals.
_SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": FONT_PT,
    "axes.titlesize": FONT_PT + 0.5,
    "axes.labelsize": FONT_PT,
    "xtick.labelsize": SMALL_PT,
    "ytick.labelsize": SMALL_PT,
    "legend.fontsize": SMALL_PT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "axes.unicode_minus": True,
    # Labels are a study file's: a dollar sign in one is a dollar sign.
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "bayes_alliance",
    "pdf.fonttype": 42,
    "path.simplify": False,
}
PlotRow = Mapping[str, Value]


@dataclass(frozen=True, kw_only=True)
class FigureStyle:
    """For what a figure is made.

    Parameters
    ----------
    name : str
        As the option ``--style`` takes it.
    width_mm : float
        That a figure is laid out for, before scaling.
    scale : float
        By which everything in it is enlarged, letters and lines too.
    titled : bool
        Whether the figure bears its own title; APA sets it above, in the manuscript.
    """

    name: str
    width_mm: float
    scale: float
    titled: bool


# APA 7 asks for letters of 8 to 14 points in figures; the smallest here have 7 before scaling.
STYLES = {
    style.name: style
    for style in (
        FigureStyle(name="journal", width_mm=DOUBLE_MM, scale=1.0, titled=True),
        FigureStyle(name="column", width_mm=SINGLE_MM, scale=1.0, titled=True),
        FigureStyle(name="apa", width_mm=DOUBLE_MM, scale=8.0 / SMALL_PT, titled=False),
        FigureStyle(name="slides", width_mm=DOUBLE_MM, scale=1.85, titled=True),
    )
}
_STYLE: ContextVar[FigureStyle] = ContextVar("style", default=STYLES["journal"])


@contextmanager
def choose_style(name: str) -> Iterator[None]:
    """Draw and store figures in a style of ``STYLES`` for a while."""
    token = _STYLE.set(STYLES[name])
    try:
        yield
    finally:
        _STYLE.reset(token)


def page_width() -> float:
    """Width in mm that a figure which can be narrow is laid out for."""
    return _STYLE.get().width_mm


def is_narrow() -> bool:
    """Whether that is the width of a single column."""
    return page_width() < 120.0


def grid_columns() -> int:
    """How many panels stand side by side at that width."""
    return 1 if is_narrow() else 3


def split_panels(count: int, panel_mm: float) -> list[range]:
    """Split panels into grids that fit a page of print: all in one, but for many of them in a single column."""
    fits = max(int((PAGE_MM - _REST_MM) / panel_mm), 1) * grid_columns()
    return [range(first, min(first + fits, count)) for first in range(0, count, fits)]


def wrap_title(text: str, share: float = 1.0) -> str:
    """Break a title into lines that fit a share of the width a figure is laid out for."""
    # A letter of 9 points is 1.9 mm wide at most, on average.
    return textwrap.fill(text, max(int(share * page_width() / 1.9), 12))


_VALUE = "value: "
_SAID = re.compile(rf'<g id="{_VALUE}([^"]*)">')


def say_value(artist: Artist, text: str) -> None:
    """Let a mark show this text in the SVG file when it is pointed at."""
    artist.set_gid(f"{_VALUE}{text}")


_IN_STYLE: ContextVar[bool] = ContextVar("in_style", default=False)


@contextmanager
def use_style() -> Iterator[None]:
    """Draw with the settings of this package, leaving those of the session as they were.

    Inside itself it does nothing: to set all of them takes as long as to draw a small figure.
    """
    if _IN_STYLE.get():
        yield
        return
    token = _IN_STYLE.set(True)
    try:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(_SETTINGS)
            yield
    finally:
        _IN_STYLE.reset(token)


def make_figure(width_mm: float, height_mm: float) -> Figure:
    """Make an empty figure of a size in print, outside pyplot (nothing stays open)."""
    return Figure(figsize=(width_mm * MM, height_mm * MM), layout="constrained")


def count_note_lines(note: str, width_mm: float) -> int:
    """Count the lines that :func:`add_note` will need."""
    return len(wrap_small(note, width_mm))


def add_note(figure: Figure, note: str) -> None:
    """Write provenance and reading aids below a figure, wrapped to its width, in the smallest type."""
    width_mm = figure.get_figwidth() / MM
    figure.supxlabel(
        "\n".join(wrap_small(note, width_mm)),
        x=0.01,
        ha="left",
        fontsize=SMALL_PT,
        color=GREY,
        linespacing=1.15,
    )


def take_caption(figure: Figure) -> str:
    """Take title and note off a figure, with the room that the note took, and return them as its caption.

    Parameters
    ----------
    figure : Figure
        Drawn by this package: its note stands below as its common label.

    Returns
    -------
    str
        Title and note, a sentence each or more; empty where the figure has neither.
    """
    title = " ".join(figure.get_suptitle().split())
    lines = figure.get_supxlabel().splitlines()
    if lines:
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height - (3.1 * len(lines) + 2.0) * MM)
        figure.supxlabel("")
    if title:
        figure.suptitle("")
    return " ".join(part for part in (f"{title}." if title else "", *lines) if part)


def note_height_mm(note: str, width_mm: float) -> float:
    """Height in mm that :func:`add_note` will take."""
    return 3.1 * count_note_lines(note, width_mm) + 2.0


def wrap_small(note: str, width_mm: float) -> list[str]:
    """Break text in the small type into lines for a figure of this width, by the measured width of its words."""
    lines: list[str] = []
    space = _text_mm("n n") - _text_mm("nn")
    left = 0.0
    for word in note.split():
        size = _text_mm(word)
        if lines and size + space <= left:
            lines[-1] += f" {word}"
            left -= size + space
        else:
            lines.append(word)
            left = width_mm - 5.0 - size
    return lines


@functools.cache
def _text_mm(text: str) -> float:
    """Width of text in the small type, in mm."""
    font = FontProperties(family=_SETTINGS["font.family"], size=SMALL_PT)
    width, _, _ = TextToPath().get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72.0 * 25.4


def draw_ticks(axes: Axes, at: Array, y: float, *, colour: str, half: float) -> None:
    """Draw upright ticks on a line as one path: thousands of marks of their own make large files."""
    x = np.repeat(np.asarray(at, dtype=float), 3)
    x[2::3] = np.nan
    heights = np.tile([y - half, y + half, np.nan], len(at))
    axes.plot(x, heights, color=colour, linewidth=0.7, alpha=0.7, solid_capstyle="butt")


def tidy(axes: Axes) -> None:
    """Add the light horizontal grid that time plots share."""
    axes.grid(axis="y", color=LIGHT, linewidth=0.4, zorder=0)
    axes.set_axisbelow(True)


def fit_style(figure: Figure, style: FigureStyle) -> None:
    """Enlarge a figure with all that is in it, and take its title off where the style has none."""
    if not style.titled and figure.get_suptitle():
        figure.suptitle("")
    if style.scale == 1.0:
        return
    figure.set_size_inches(*(style.scale * side for side in figure.get_size_inches()))
    for artist in figure.findobj():
        if isinstance(artist, Text):
            artist.set_fontsize(style.scale * float(artist.get_fontsize()))
            if isinstance(artist, Annotation) and artist.anncoords == "offset points":
                x, y = artist.xyann
                artist.xyann = (style.scale * x, style.scale * y)
        elif isinstance(artist, Line2D):
            artist.set_linewidth(style.scale * artist.get_linewidth())
            artist.set_markersize(style.scale * artist.get_markersize())
            artist.set_markeredgewidth(style.scale * artist.get_markeredgewidth())
        elif isinstance(artist, Patch):
            artist.set_linewidth(style.scale * artist.get_linewidth())
        elif isinstance(artist, Collection):
            artist.set_linewidth(
                [style.scale * float(width) for width in np.atleast_1d(artist.get_linewidth())]
            )
    for axes in figure.axes:
        # How many ticks there are follows from the size that the axis knows.
        axes.tick_params(which="both", labelsize=style.scale * SMALL_PT)


def spread_positions(wanted: Sequence[float], *, gap: float) -> list[float]:
    """Move positions apart until neighbours are at least ``gap`` apart, keeping their order.

    Parameters
    ----------
    wanted : sequence of float
        Where labels would stand.
    gap : float
        Smallest distance.

    Returns
    -------
    list of float
        In the order given; groups that collide stay centred on their mean.
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    blocks: list[tuple[float, list[int]]] = []
    for index in order:
        block = (wanted[index], [index])
        while blocks and _overlap(blocks[-1], block, gap):
            centre, members = blocks.pop()
            merged = members + block[1]
            total = centre * len(members) + block[0] * len(block[1])
            block = (total / len(merged), merged)
        blocks.append(block)
    placed = [0.0] * len(wanted)
    for centre, members in blocks:
        first = centre - gap * (len(members) - 1) / 2.0
        for step, index in enumerate(members):
            placed[index] = first + gap * step
    return placed


def _overlap(below: tuple[float, list[int]], above: tuple[float, list[int]], gap: float) -> bool:
    top = below[0] + gap * (len(below[1]) - 1) / 2.0
    bottom = above[0] - gap * (len(above[1]) - 1) / 2.0
    return bottom - top < gap
