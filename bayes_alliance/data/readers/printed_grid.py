"""A printed table as rows of texts, from Word, Excel, HTML, a delimited file or plain text such as that of a PDF.

Every text stays as it stands in the table. A number of a workbook is shown with the decimals of its format, for
trailing zeros count.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

from bayes_alliance.data.readers.excel import open_book
from bayes_alliance.data.readers.r_printout import r_grid
from bayes_alliance.data.sheet_cell_text import cell_text
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.runtime.files import read_bounded

Grid = list[list[str]]
MAX_BYTES = 20_000_000
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_CELL = re.compile(
    r"""(?:
      (?:[bBtzFpβ]|SE|CI|df)?\s?[=<>≤≥]?\s?            # a label or a sign before the number
      [-−–+]?\s?(?:\d[\d,.·]*|[.·]\d+)\s?%?            # the number
      (?:\s?[(\[][^)\]]*[)\]])*                        # brackets behind it
      \s?[*†‡]*
    | [(\[][^)\]]*[)\]]\s?[*†‡]*                       # a bracket by itself
    | n\.?s\.?(?=\s|$) | [-—–](?=\s|$) | N/A | Ref(?:erence)?\b\.?
    )""",
    re.VERBOSE,
)


def read_grids(path: Path) -> list[Grid]:
    """Read every table of a file; a file of plain text holds one.

    Raises
    ------
    InputError
        If it cannot be read or holds no table.
    """
    try:
        raw = read_bounded(path, limit=MAX_BYTES)
    except OSError as error:
        raise InputError(path.name, [Problem(what=f"cannot be read ({error.strerror})")]) from None
    except ValueError as error:
        problem = Problem(what=str(error), allowed=f"a file of at most {MAX_BYTES} bytes")
        raise InputError(path.name, [problem]) from None
    ending = path.suffix.lower()
    try:
        if ending == ".docx":
            grids = _word(raw)
        elif ending == ".xlsx":
            grids = _excel(raw)
        else:
            grids = text_grids(_decode(raw), html=ending in (".html", ".htm"))
    except Exception as error:  # what a library raises on a damaged file is not bounded; it is reported
        problem = Problem(
            what=f"no readable table in it ({str(error)[:200] or type(error).__name__})",
            allowed="docx, xlsx, html, csv, tsv or txt",
        )
        raise InputError(path.name, [problem]) from None
    grids = _tables(grids)
    if not grids:
        raise InputError(path.name, [Problem(what="no table in it", allowed="a table of two rows or more")])
    return grids


def pasted_grids(text: str) -> list[Grid]:
    """Read the tables of the clipboard's text."""
    return _tables(text_grids(text))


def _tables(grids: list[Grid]) -> list[Grid]:
    return [grid for one in grids for grid in _apart(_trimmed(one)) if len(grid) > 1]


def text_grids(text: str, *, html: bool = False) -> list[Grid]:
    """Read the tables of a text: HTML, tabs, CSV, columns set apart by spaces, lines of a PDF, a summary of R."""
    if html or re.search(r"<t(?:able|r|d)\b", text[:20_000], re.IGNORECASE):
        parser = _Tables()
        parser.feed(text)
        parser.close()
        return parser.grids
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
    printout = r_grid(lines)
    if printout:
        return [printout]
    if any("\t" in line for line in lines):
        return [[[cell.strip() for cell in line.split("\t")] for line in lines]]
    bars = [line for line in lines if line.count("|") > 1]
    if len(bars) > 1:
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in bars]
        return [[row for row in rows if not all(re.fullmatch(r":?-{2,}:?|", cell) for cell in row)]]
    for delimiter in (";", ","):
        if sum(line.count(delimiter) for line in lines) >= 2 * len(lines):
            rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))
            if len({len(row) for row in rows}) == 1:
                return [[[cell.strip() for cell in row] for row in rows]]
    return [[_line(line) for line in lines]]


def _line(line: str) -> list[str]:
    """Split a line of plain text into a label and printed cells."""
    wide = re.split(r"\s{2,}", line.strip())
    if len(wide) > 1:
        return wide
    # The label ends where a row of cells begins that goes on to the end of the line.
    for match in re.finditer(r"(?:^|(?<=\s))(?=\S)", line):
        cells = _cells(line[match.start() :])
        if cells:
            return [line[: match.start()].strip(), *cells]
    return [line.strip()]


def _cells(text: str) -> list[str]:
    """Take a text apart as printed cells; nothing where some of it is none."""
    found, at = [], 0
    while at < len(text):
        match = _CELL.match(text, at)
        if match is None or match.end() == at:
            return []
        end = at + len(match[0].rstrip())
        if (text[end : end + 1] or " ").isalnum():
            return []
        found.append(match[0].strip())
        at = match.end()
        while at < len(text) and text[at] == " ":
            at += 1
    return found


def _decode(raw: bytes) -> str:
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _trimmed(grid: Grid) -> Grid:
    """Drop empty rows and columns, and make all rows equally long."""
    rows = [row for row in grid if any(cell.strip() for cell in row)]
    width = max((len(row) for row in rows), default=0)
    full = [row + [""] * (width - len(row)) for row in rows]
    kept = [k for k in range(width) if any(row[k].strip() for row in full)]
    return [[row[k].strip() for k in kept] for row in full]


def _apart(grid: Grid) -> list[Grid]:
    """Take tables that stand below each other apart: each begins with the same row of headings."""
    heads = next((row for row in grid if len([cell for cell in row if cell]) > 1), [])
    if not heads or any(re.search(r"^[-−–+]?[.\d]", cell) for cell in heads):
        return [grid]
    starts = [k for k, row in enumerate(grid) if row == heads]
    # A row with a single text above the headings is their title.
    starts = [k - 1 if k and len([cell for cell in grid[k - 1] if cell]) == 1 else k for k in starts]
    starts[0] = 0
    return [grid[a:b] for a, b in zip(starts, [*starts[1:], len(grid)], strict=True)]


def _word(raw: bytes) -> list[Grid]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        info = archive.getinfo("word/document.xml")
        if info.file_size > 10 * MAX_BYTES:
            raise ValueError("the document is too large")
        body = archive.read(info)
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise ValueError("a document type is declared in it")
    tree = ElementTree.fromstring(body)
    return [[_word_row(row) for row in table.iter(f"{_WORD}tr")] for table in tree.iter(f"{_WORD}tbl")]


def _word_row(row: ElementTree.Element) -> list[str]:
    """Texts of a row; a cell that spans columns is followed by empty ones."""
    texts = [""] * _count(row.find(f"{_WORD}trPr/{_WORD}gridBefore"), default=0)
    for cell in row.iter(f"{_WORD}tc"):
        span = _count(cell.find(f"{_WORD}tcPr/{_WORD}gridSpan"), default=1)
        texts += [_word_text(cell), *[""] * (span - 1)]
    return texts


def _count(element: ElementTree.Element | None, *, default: int) -> int:
    value = (element.get(f"{_WORD}val") or "") if element is not None else ""
    return int(value) if value.isdigit() and 0 < int(value) < 100 else default


def _word_text(cell: ElementTree.Element) -> str:
    """Text of a cell; a superscript that follows a number is marked as one, so that 0.05¹ is not 0.051."""
    parts = []
    for run in cell.iter(f"{_WORD}r"):
        text = "".join(part.text or "" for part in run.iter(f"{_WORD}t"))
        raised = run.find(f"{_WORD}rPr/{_WORD}vertAlign")
        is_raised = raised is not None and raised.get(f"{_WORD}val") == "superscript"
        parts.append(_raise(text) if is_raised else text)
    return "".join(parts).strip()


def _raise(text: str) -> str:
    return text.translate(str.maketrans("0123456789-−+", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻⁺"))


def _excel(raw: bytes) -> list[Grid]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        if sum(item.file_size for item in archive.infolist()) > 10 * MAX_BYTES:
            raise ValueError("the workbook is too large")
    book = open_book(io.BytesIO(raw), read_only=False)
    return [
        [[_shown(cell.value, cell.number_format) for cell in row] for row in sheet.iter_rows()]
        for sheet in book.worksheets
    ]


def _shown(value: object, number_format: str) -> str:
    """Show a number with the decimals of its format."""
    decimals = re.search(r"0\.(0+)", number_format or "")
    if isinstance(value, (int, float)) and not isinstance(value, bool) and (decimals or number_format == "0"):
        return f"{value:.{len(decimals[1]) if decimals else 0}f}"
    return cell_text(value)


class _Tables(HTMLParser):
    """Collects the tables of a page; a cell that spans columns or rows is followed by empty ones."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.grids: list[Grid] = []
        self._cell: list[str] | None = None
        self._span = self._down = 1
        self._reaches: dict[int, int] = {}  # by column: rows to come that a cell reaches into
        self._taken: set[int] = set()  # columns of this row that a cell above it reaches into
        self._raised = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.grids.append([])
            self._reaches = {}
        elif tag == "tr":
            if not self.grids:
                self.grids.append([])
            self.grids[-1].append([])
            self._taken = set(self._reaches)
            self._reaches = {k: left - 1 for k, left in self._reaches.items() if left > 1}
            self._pad()
        elif tag in ("td", "th"):
            self._cell = []
            spans = [dict(attrs).get(name) or "1" for name in ("colspan", "rowspan")]
            self._span, self._down = (int(n) if n.isdigit() and 0 < int(n) < 100 else 1 for n in spans)
        elif tag == "sup":
            self._raised = True
        elif tag == "br" and self._cell is not None:
            self._cell.append(" ")

    def _pad(self) -> None:
        row = self.grids[-1][-1]
        while len(row) in self._taken:
            row.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "sup":
            self._raised = False
        elif tag in ("td", "th") and self._cell is not None and self.grids and self.grids[-1]:
            text = " ".join("".join(self._cell).split())
            row = self.grids[-1][-1]
            if self._down > 1:
                self._reaches |= {len(row) + k: self._down - 1 for k in range(self._span)}
            row += [text, *[""] * (self._span - 1)]
            self._cell = None
            self._pad()

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(_raise(data) if self._raised else data)
