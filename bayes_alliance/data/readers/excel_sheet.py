"""What a worksheet's XML says that the values of its cells do not: merged areas and formulas never computed.

Reads the XML in pieces, so that a large sheet takes no memory, and needs no library.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PIECE = 1 << 20
_LONGEST = 1 << 16
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"')
# A cell of one formula: its place, and what stands between the formula and the end of the cell.
_FORMULA = re.compile(
    rb'<(?:\w+:)?c\s[^>]*?r="([A-Z]{1,3})(\d{1,7})"[^>]*?>\s*<(?:\w+:)?f[\s>/](?:(?!</(?:\w+:)?c>).){0,20000}?</(?:\w+:)?c>',
    re.DOTALL,
)
_VALUE = re.compile(rb"<(?:\w+:)?v>([^<]*)</")
MAX_NOTED = 100_000


@dataclass(frozen=True, kw_only=True)
class SheetFacts:
    """What the XML of a sheet says of its cells, which are (row, column), both from 1.

    Parameters
    ----------
    merged : tuple of (int, int, int, int)
        Top, left, bottom and right of each merged area.
    uncomputed : tuple of (int, int)
        Formulas without a stored value.
    zeros, formulas : mapping of int to int
        By column: formulas whose stored value is 0, and all formulas.
    """

    merged: tuple[tuple[int, int, int, int], ...]
    uncomputed: tuple[tuple[int, int], ...]
    zeros: dict[int, int]
    formulas: dict[int, int]


def read_sheet_facts(path: Path, member: str) -> SheetFacts:
    """Read the facts of one sheet.

    Parameters
    ----------
    path : Path
        The workbook.
    member : str
        Name of the sheet's XML in the archive.

    Returns
    -------
    SheetFacts
    """
    merged: list[tuple[int, int, int, int]] = []
    uncomputed: list[tuple[int, int]] = []
    zeros: dict[int, int] = {}
    formulas: dict[int, int] = {}
    for piece in _pieces(path, member):
        for match in _MERGED.finditer(piece):
            left, top, right, bottom = match.groups()
            if len(merged) < MAX_NOTED:
                merged.append((int(top), column_number(left), int(bottom), column_number(right)))
        if b"<f" not in piece and b":f" not in piece:
            continue
        for match in _FORMULA.finditer(piece):
            column, row = column_number(match[1]), int(match[2])
            value = _VALUE.search(match[0])
            formulas[column] = formulas.get(column, 0) + 1
            nothing = value is None or (not value[1] and b't="str"' not in match[0][:200])
            if nothing and len(uncomputed) < MAX_NOTED:
                uncomputed.append((row, column))
            zeros[column] = zeros.get(column, 0) + (value is not None and value[1] == b"0")
    return SheetFacts(merged=tuple(merged), uncomputed=tuple(uncomputed), zeros=zeros, formulas=formulas)


def column_number(letters: bytes | str) -> int:
    """Return the number of a column from its letters.

    Examples
    --------
    >>> column_number("A"), column_number("AA")
    (1, 27)
    """
    number = 0
    for letter in letters.decode() if isinstance(letters, bytes) else letters:
        number = 26 * number + ord(letter) - 64
    return number


def column_letters(number: int) -> str:
    """Return the letters of a column.

    Examples
    --------
    >>> column_letters(1), column_letters(28)
    ('A', 'AB')
    """
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _pieces(path: Path, member: str) -> Iterator[bytes]:
    """Return the XML in pieces that end between two cells."""
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        rest = b""
        while block := file.read(_PIECE):
            rest += block
            end = rest.rfind(b"<c ") if len(rest) < _LONGEST + _PIECE else len(rest)
            end = max(end, rest.rfind(b"<mergeCell "))
            if end > 0:
                yield rest[:end]
                rest = rest[end:]
        yield rest
