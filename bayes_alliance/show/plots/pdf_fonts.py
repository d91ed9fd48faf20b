"""Fonts in PDF files: the glyphs a figure shows, cut from a font that was cut down once for all figures.

matplotlib reads a whole font for each file and cuts it down to the glyphs shown, which takes longer than all the
rest of a small figure.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from fontTools import subset  # type: ignore[import-untyped]
from matplotlib.backends import _backend_pdf_ps

_cut: Any = _backend_pdf_ps.get_glyphs_subset
_as_file: Any = _backend_pdf_ps.font_as_file
# Tables for the laying out of text: in a PDF every glyph has its place.
_LAYOUT_TABLES = ("GSUB", "GPOS", "GDEF", "kern", "MATH")
# Latin letters, Greek, punctuation, superscripts, arrows, operators, marks and ligatures; others take longer.
_LETTERS = (
    *range(0x0020, 0x0180),
    *range(0x0370, 0x0400),
    *range(0x2010, 0x20A0),
    *range(0x2190, 0x2270),
    *range(0x25A0, 0x2610),
    *range(0xFB00, 0xFB05),
)


class _Font(BytesIO):
    """A font in memory, with the one attribute of matplotlib's font paths."""

    face_index = 0


@functools.cache
def _cut_down(path: Any) -> tuple[bytes, dict[int, int]]:
    """Cut a font down to ``_LETTERS``; give it with the place in it of each glyph of the whole font."""
    options: Any = subset.Options(glyph_names=True, recommended_glyphs=True)
    options.drop_tables += (*_LAYOUT_TABLES, "FFTM")
    options.font_number = path.face_index
    font = subset.load_font(path, options)
    for table in _LAYOUT_TABLES:
        # Fonts are looked through for large tables of these before those to be dropped are.
        if table in font:
            del font[table]
    subsetter = subset.Subsetter(options=options)
    subsetter.populate(unicodes=_LETTERS)
    subsetter.subset(font)
    return _as_file(font).getvalue(), dict(subsetter.glyph_index_map)


@contextmanager
def _cut_quickly(path: Any, glyphs: Collection[int]) -> Iterator[Any]:
    small, places = _cut_down(path)
    if not places.keys() >= set(glyphs):
        with _cut(path, glyphs) as found:
            yield found
        return
    with _cut(_Font(small), {places[glyph] for glyph in glyphs}) as found:
        at = {glyph: found.glyph_index_map[places[glyph]] for glyph in glyphs}
        yield _backend_pdf_ps.SubsetResults(found.font, at)


@contextmanager
def quick_fonts() -> Iterator[None]:
    """Let matplotlib embed fonts so in the PDF files written meanwhile."""
    module: Any = _backend_pdf_ps
    module.get_glyphs_subset = _cut_quickly
    try:
        yield
    finally:
        module.get_glyphs_subset = _cut
