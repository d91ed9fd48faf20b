"""Write a figure as PDF, SVG, PNG and the CSV of what it plots."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bayes_alliance.runtime.files import write_whole, write_whole_bytes
from bayes_alliance.show.plots.style import _SAID, _STYLE, KINDS, PNG_DPI, PlotRow, fit_style, use_style
from bayes_alliance.show.tables.text import format_csv_rows

# Places of drawn things, and the numbers in them that have more than two decimals.
_PLACES = re.compile(rb' (?:d|x|y|x1|x2|y1|y2|cx|cy|points|width|height|transform)="[^"]*"')
_FRACTION = re.compile(r"-?\d+\.\d{3,}(?:e-?\d+)?")
# Runs of one colour: half the time of zlib's own way, and smaller for drawings.
_PACKING: Any = {"compress_level": 3, "compress_type": zlib.Z_RLE}


def save_figure(
    figure: Figure,
    path_stem: Path,
    *,
    rows: Sequence[PlotRow],
    provenance: str,
    title: str = "",
    alt: str = "",
    caption: str = "",
    kinds: Sequence[str] = KINDS,
) -> list[Path]:
    """Write a figure as PDF, SVG and PNG, and the numbers it shows as CSV.

    Parameters
    ----------
    figure : Figure
        Drawn under :func:`use_style`.
    path_stem : Path
        Path without ending; its folder exists.
    rows : sequence of mapping
        The plotted numbers, every row with the same keys.
    provenance : str
        First cell of every CSV row.
    title, alt : str
        Title and alternative text, which stand in the metadata of the drawings.
    caption : str
        What stands below the figure in print, where it is not in the picture; kept in the metadata of SVG files.
    kinds : sequence of str
        Which drawings: ``pdf``, ``svg``, ``png``.

    Returns
    -------
    list of Path
        The drawings, and the numbers.
    """
    named, said = title or path_stem.name, alt or title or path_stem.name
    metadata: dict[str, dict[str, Any]] = {
        "pdf": {"CreationDate": None, "Producer": None, "Creator": None, "Title": named, "Subject": said},
        "svg": {"Date": None, "Creator": None, "Title": named, "Description": said}
        | ({"Source": caption} if caption else {}),
        "png": {"Software": None, "Title": named, "Description": said},
    }
    with use_style():
        fit_style(figure, _STYLE.get())
        _settle_layout(figure)
    written = []
    for ending, facts in metadata.items():
        if ending not in kinds:
            continue
        path = path_stem.with_name(f"{path_stem.name}.{ending}")
        # By way of memory: on a full disk matplotlib's writer of PDF files falls over its own traces.
        with use_style():
            write_whole_bytes(path, _draw(figure, ending, facts))
        written.append(path)
    table = path_stem.with_name(f"{path_stem.name}.csv")
    header = list(rows[0])
    lines = [[provenance, *(row[name] for name in header)] for row in rows]
    write_whole(table, format_csv_rows(["provenance", *header], lines))
    return [*written, table]


def draw_svg(figure: Figure, *, title: str, alt: str) -> bytes:
    """Draw a figure as the content of an SVG file, without the file of its numbers.

    Parameters
    ----------
    figure : Figure
        Drawn under :func:`use_style`.
    title, alt : str
        Title and alternative text for its metadata.
    """
    with use_style():
        fit_style(figure, _STYLE.get())
        _settle_layout(figure)
        return _draw(figure, "svg", {"Date": None, "Creator": None, "Title": title, "Description": alt})


def _settle_layout(figure: Figure) -> None:
    """Solve the layout once and keep it: else each file would measure all tick labels again, some of them twice.

    Places are rounded, as last bits of a solved layout vary from run to run, and with them names in SVG files.
    """
    figure.draw_without_rendering()
    # "none" would leave a placeholder, for which matplotlib draws once more before each file.
    figure.set_layout_engine(None)
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            label = axis.label
            at = label.get_transform().transform(label.get_position())
            x, y = axes.transAxes.inverted().transform(at)
            axis.set_label_coords(round(float(x), 9), round(float(y), 9))
        # What a title's place given by the caller would set; the property itself is not public.
        setattr(axes, "_autotitlepos", False)  # noqa: B010
        left, bottom, width, height = (round(float(side), 9) for side in axes.get_position().bounds)
        axes.set_position((left, bottom, width, height))


def _draw(figure: Figure, ending: str, facts: Mapping[str, Any]) -> bytes:
    """Draw a figure as the content of a file."""
    buffer = BytesIO()
    if ending == "png":
        _write_png(figure, buffer, facts)
    else:
        figure.savefig(buffer, format=ending, dpi=PNG_DPI, metadata=dict(facts))
    content = buffer.getvalue()
    return _put_values(_coarsen(content)) if ending == "svg" else content


def _coarsen(content: bytes) -> bytes:
    """Round the places in an SVG file to a hundredth of a point: more digits would tell more than the tables do."""
    return _PLACES.sub(lambda match: _FRACTION.sub(_two_decimals, match[0].decode()).encode(), content)


def _two_decimals(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")


def _write_png(figure: Figure, stream: BytesIO, facts: Mapping[str, str | None]) -> None:
    """Write a figure as PNG without the channel of transparency: nothing in it is transparent."""
    dpi = figure.dpi
    try:
        figure.set_dpi(PNG_DPI)
        canvas: Any = FigureCanvasAgg(figure)  # its method has no types
        drawn, size = canvas.print_to_buffer()
    finally:
        figure.set_dpi(dpi)
    said = PngInfo()
    for key, value in facts.items():
        if value is not None:
            said.add_text(key, value)
    image = Image.frombytes("RGBA", size, drawn).convert("RGB")
    image.save(stream, format="png", pnginfo=said, dpi=(PNG_DPI, PNG_DPI), **_PACKING)


def _put_values(content: bytes) -> bytes:
    """Turn the marks of :func:`say_value` in an SVG file into titles, which browsers show."""
    return _SAID.sub(r'<g class="value"><title>\1</title>', content.decode()).encode()
