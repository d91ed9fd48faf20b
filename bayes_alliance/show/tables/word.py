"""Tables as Word documents: real tables in the manner of APA, without vertical lines, notes below.

The same table gives the same bytes: the archive inside carries no time of writing.
"""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from bayes_alliance.show.tables.readable import LETTER, column_weights, is_wide, read_columns, read_rows
from bayes_alliance.show.tables.record import Table

if TYPE_CHECKING:
    from docx.document import Document

FONT = "Times New Roman"
_NAMESPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
# In twentieths of a point: A4 with margins of 25 mm (20 mm in landscape).
_PAGE = (11906, 16838)
_MARGIN, _MARGIN_WIDE = 1417, 1134
_THICK, _THIN = 8, 4
_EPOCH = (1980, 1, 1, 0, 0, 0)


def format_word(tables: Sequence[Table], *, title: str) -> bytes:
    """Return a document that holds one table or more, each on pages of its own.

    Parameters
    ----------
    tables : sequence of Table
        At least one. Several are numbered.
    title : str
        Of the document, in its properties.

    Returns
    -------
    bytes
        A ``.docx`` file.
    """
    from docx import Document as new_document

    document = new_document()
    wide = any(is_wide(table) for table in tables)
    _set_up(document, title, wide=wide)
    width = (_PAGE[1] - 2 * _MARGIN_WIDE) if wide else (_PAGE[0] - 2 * _MARGIN)
    for number, table in enumerate(tables, start=1):
        if number > 1:
            document.add_page_break()  # type: ignore[no-untyped-call, unused-ignore]
        if len(tables) > 1:
            _paragraph(document, f"Table {number}", bold=True)
        _paragraph(document, table.title, italic=True)
        _append(document, _table_xml(table, width))
        _paragraph(document, f" {table.provenance}", lead="Note.", size=9)
        for note in table.notes:
            _paragraph(document, note, size=9)
    stream = io.BytesIO()
    document.save(stream)
    return pack_without_times(stream.getvalue())


def _set_up(document: Document, title: str, *, wide: bool) -> None:
    from docx.enum.section import WD_ORIENT
    from docx.shared import Pt, Twips

    section = document.sections[0]
    margin = _MARGIN_WIDE if wide else _MARGIN
    section.page_width, section.page_height = (Twips(side) for side in (_PAGE[::-1] if wide else _PAGE))
    section.orientation = WD_ORIENT.LANDSCAPE if wide else WD_ORIENT.PORTRAIT
    section.left_margin = section.right_margin = Twips(margin)
    section.top_margin = section.bottom_margin = Twips(margin)
    style = document.styles["Normal"]
    style.font.name, style.font.size = FONT, Pt(10)
    properties = document.core_properties
    properties.title, properties.author, properties.comments = legal_in_xml(title)[:255], "bayes_alliance", ""
    properties.created = properties.modified = datetime.datetime(*_EPOCH[:3])


def _paragraph(
    document: Document, text: str, *, bold: bool = False, italic: bool = False, lead: str = "", size: int = 10
) -> None:
    from docx.shared import Pt

    paragraph = document.add_paragraph()
    paragraph.paragraph_format.space_after = Pt(3)
    if lead:
        first = paragraph.add_run(lead)
        first.italic, first.font.size = True, Pt(size)
    run = paragraph.add_run(legal_in_xml(text))
    run.bold, run.italic, run.font.size = bold, italic, Pt(size)


def _append(document: Document, xml: str) -> None:
    """Put a table before the document's closing section properties."""
    from docx.oxml import parse_xml

    body = document.element.body
    body.insert(len(body) - 1, parse_xml(xml))


def _table_xml(table: Table, width: int) -> str:
    """Build the table's own XML: cell by cell through python-docx, long tables take minutes."""
    columns = read_columns(table)
    numeric = [column.numeric for column in columns]
    points = 9 if len(columns) <= 7 else 8 if len(columns) <= 10 else 7
    widths = [round(weight * width) for weight in column_weights(table, width / 20 / points / LETTER)]
    grid = "".join(f'<w:gridCol w:w="{w}"/>' for w in widths)
    rule = '<w:{side} w:val="single" w:sz="{size}" w:space="0" w:color="000000"/>'
    borders = rule.format(side="top", size=_THICK) + rule.format(side="bottom", size=_THICK)
    head = _row_xml([c.heading for c in columns], widths, numeric, points, head=True)
    rows = "".join(_row_xml(row, widths, numeric, points) for row in read_rows(table))
    return (
        f'<w:tbl {_NAMESPACE}><w:tblPr><w:tblW w:w="{sum(widths)}" w:type="dxa"/>'
        f'<w:tblBorders>{borders}</w:tblBorders><w:tblLayout w:type="fixed"/>'
        '<w:tblCellMar><w:left w:w="60" w:type="dxa"/><w:right w:w="60" w:type="dxa"/></w:tblCellMar>'
        f"</w:tblPr><w:tblGrid>{grid}</w:tblGrid>{head}{rows}</w:tbl>"
    )


def _row_xml(
    cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool], points: int, *, head: bool = False
) -> str:
    properties = (
        "<w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>" if head else "<w:trPr><w:cantSplit/></w:trPr>"
    )
    border = (
        f'<w:tcBorders><w:bottom w:val="single" w:sz="{_THIN}" w:space="0" w:color="000000"/></w:tcBorders>'
        if head
        else ""
    )
    parts = []
    for text, width, is_number in zip(cells, widths, numeric, strict=True):
        side = "right" if is_number else "left"
        parts.append(
            f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>{border}'
            f"{"<w:vAlign w:val='bottom'/>" if head else ''}</w:tcPr>"
            f'<w:p><w:pPr><w:spacing w:before="20" w:after="20"/><w:jc w:val="{side}"/></w:pPr>'
            f'<w:r><w:rPr><w:sz w:val="{2 * points}"/></w:rPr>'
            f'<w:t xml:space="preserve">{escape(legal_in_xml(text))}</w:t></w:r></w:p></w:tc>'
        )
    return f"<w:tr>{properties}{''.join(parts)}</w:tr>"


def legal_in_xml(text: str) -> str:
    """Leave out control characters, which XML cannot hold."""
    return "".join(
        c for c in text if c >= " " and not 0xD800 <= ord(c) <= 0xDFFF and ord(c) not in (0xFFFE, 0xFFFF)
    )


def pack_without_times(raw: bytes) -> bytes:
    """Pack an archive anew, with one fixed time for all of its parts."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            part = zipfile.ZipInfo(name, date_time=_EPOCH)
            part.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(part, old.read(name))
    return stream.getvalue()
