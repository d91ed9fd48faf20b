"""Tables and figures as fragments of a page: tables through the one writer of HTML, figures as inline SVG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html import unescape
from pathlib import Path

from markupsafe import Markup

from bayes_alliance.runtime.files import read_bounded
from bayes_alliance.show.id_names import Names, spell_table
from bayes_alliance.show.report.record import FigureView, TableView
from bayes_alliance.show.tables.html import html_fragment
from bayes_alliance.show.tables.record import Table

_PROLOGUE = re.compile(r"^.*?(?=<svg\b)", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
# A page ends some comments earlier than XML does, so none is taken over.
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_OPENING = re.compile(r"<svg\b[^>]*>")
_VIEW_BOX = re.compile(r'\bviewBox="([^"]*)"')
_SAID = re.compile(r"<dc:(title|description|source)>(.*?)</dc:(?:title|description|source)>", re.DOTALL)
_IDS = re.compile(r'\bid="([^"]*)"|url\(#([^)]*)\)|xlink:href="#([^"]*)"')
_SVG = "{http://www.w3.org/2000/svg}"
# What matplotlib draws with.
_ELEMENTS = frozenset(
    (
        *(
            "svg",
            "g",
            "path",
            "use",
            "defs",
            "clipPath",
            "rect",
            "circle",
            "ellipse",
            "line",
            "polyline",
            "polygon",
        ),
        *(
            "text",
            "tspan",
            "title",
            "desc",
            "style",
            "image",
            "symbol",
            "linearGradient",
            "radialGradient",
            "stop",
        ),
        *("filter", "feGaussianBlur", "feOffset", "feComposite", "feColorMatrix", "pattern", "mask"),
    )
)
# What is in these, a page reads by other rules than XML does.
_TEXT_ONLY = frozenset(("style", "title", "desc"))
_SIZE = re.compile(r"^[-\d.]+ [-\d.]+ ([\d.]+) ([\d.]+)$")


def view_table(table: Table, *, prefix: str = "table", names: Names | None = None) -> TableView:
    """Return a table as a fragment, with words in the place of ids where ``names`` are given."""
    table = spell_table(table, names) if names is not None else table
    # html_fragment escapes every text of the table.
    html = Markup(html_fragment(table, prefix=prefix))
    return TableView(name=table.id, title=table.title, n_rows=len(table.rows), html=html)


def view_figure(path: Path) -> FigureView:
    """Return an SVG file that this package wrote as an element of a page.

    Title and alternative text are read from the file's own metadata. Ids get the figure's name in front, since
    those of two figures may be alike, and the size is left to the page, down to a width at which the letters can
    still be read.

    Parameters
    ----------
    path : Path
        Written by :func:`bayes_alliance.show.plots.save.save_figure`.

    Raises
    ------
    ValueError
        If it was not.
    """
    text = read_bounded(path).decode("utf-8")
    found = {name: unescape(value) for name, value in _SAID.findall(text)}
    body = _METADATA.sub("", _COMMENT.sub("", _PROLOGUE.sub("", text)))
    check_drawing(path.name, body)
    opening = _OPENING.search(body)
    box = _VIEW_BOX.search(opening[0]) if opening else None
    size = _SIZE.match(box[1]) if box else None
    if opening is None or box is None or size is None:
        raise ValueError(f"{path.name} is no SVG of this package")
    prefix = re.sub(r"[^A-Za-z0-9_-]", "-", path.stem)
    inner = _IDS.sub(lambda match: _rename(match, prefix), body[opening.end() :])
    title = found.get("title", path.stem)
    alt = found.get("description", title)
    # Points of print; on a screen 1.3 pixels for each keep 7-point letters legible.
    width = min(round(1.3 * float(size[1])), 640)
    head = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        'aria-label="{}" viewBox="{}" style="min-width:{}px">'
    ).format(alt, box[1], width)
    # The drawing is this package's own; matplotlib escapes the texts in it.
    return FigureView(
        name=path.stem, title=title, alt=alt, caption=found.get("source", ""), svg=head + Markup(inner)
    )


def check_drawing(name: str, text: str) -> None:
    """Refuse an SVG that holds anything but shapes, styles and text, or that HTML would read otherwise than XML.

    Parameters
    ----------
    name : str
        Of the file.
    text : str
        The element ``svg`` with all that is in it.

    Raises
    ------
    ValueError
        If it is no well-formed XML, or has an element, attribute or reference that a drawing of matplotlib has not.
    """
    if "<!" in text or "<?" in text:
        raise ValueError(f"{name} has a declaration, a comment or an instruction")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"{name} is no well-formed SVG") from error
    for element in root.iter():
        tag = str(element.tag).removeprefix(_SVG)
        if tag not in _ELEMENTS:
            raise ValueError(f"{name} has an element {tag[:40]!r}")
        if tag in _TEXT_ONLY and len(element):
            raise ValueError(f"{name} has an element in {tag!r}, which holds text only")
        for key, value in element.attrib.items():
            plain = value.replace(" ", "").lower()
            outside = (
                "href" in key and not plain.startswith(("#", "data:image/png"))
            ) or "url(" in plain.replace("url(#", "")
            if key.lower().startswith("on") or outside or "script:" in plain:
                raise ValueError(f"{name} has an attribute {key[:40]!r} that a drawing has not")
        if tag == "style" and re.search(r"@import|url\(|expression|</", element.text or "", re.IGNORECASE):
            raise ValueError(f"{name} has a style that loads something")


def _rename(match: re.Match[str], prefix: str) -> str:
    identifier, url, href = match.groups()
    if identifier is not None:
        return f'id="{prefix}-{identifier}"'
    return f"url(#{prefix}-{url})" if url is not None else f'xlink:href="#{prefix}-{href}"'
