"""What a worksheet's XML says that the values of its cells do not: merged areas and formulas never computed.

Reads the XML as a stream, in time and memory that grow with its length alone, and needs no library.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import XMLParser

_PIECE = 1 << 20
_OVERLAP = 16
_PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
# A formula or a merged area, or two bytes a letter, which this does not see.
_TELLING = re.compile(rb"[<:]f[\s>/]|mergeCell|\0")
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
    reader = _Reader()
    if _has_any(path, member):
        parser = XMLParser(target=reader)
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            while block := file.read(_PIECE):
                parser.feed(block)
    return SheetFacts(
        merged=tuple(reader.merged),
        uncomputed=tuple(reader.uncomputed),
        zeros=reader.zeros,
        formulas=reader.formulas,
    )


class _Reader:
    """Takes the elements of a sheet one by one and keeps nothing but its facts."""

    def __init__(self) -> None:
        self.merged: list[tuple[int, int, int, int]] = []
        self.uncomputed: list[tuple[int, int]] = []
        self.zeros: dict[int, int] = {}
        self.formulas: dict[int, int] = {}
        self._place: tuple[int, int] | None = None
        self._is_text = False
        self._has_formula = False
        self._in_value = False
        self._value: str | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Open a cell, its formula or its value; note a merged area."""
        name = tag.rpartition("}")[2]
        if name == "c":
            self._place = _place(attributes.get("r", ""))
            self._is_text = attributes.get("t") == "str"
            self._has_formula, self._value = False, None
        elif name == "f":
            self._has_formula = True
        elif name == "v":
            self._in_value, self._value = True, ""
        elif name == "mergeCell" and len(self.merged) < MAX_NOTED:
            first, _, last = attributes.get("ref", "").partition(":")
            corners = _place(first), _place(last)
            if corners[0] is not None and corners[1] is not None:
                self.merged.append((*corners[0], *corners[1]))

    def data(self, text: str) -> None:
        """Keep the beginning of a value, which tells whether it is empty or 0."""
        if self._in_value and self._value is not None and len(self._value) < 2:
            self._value += text[:2]

    def end(self, tag: str) -> None:
        """Close a value, or a cell with what is known of its formula."""
        name = tag.rpartition("}")[2]
        if name == "v":
            self._in_value = False
        elif name == "c":
            if self._has_formula and self._place is not None:
                self._note(*self._place)
            self._place = None

    def _note(self, row: int, column: int) -> None:
        self.formulas[column] = self.formulas.get(column, 0) + 1
        nothing = self._value is None or (not self._value and not self._is_text)
        if nothing and len(self.uncomputed) < MAX_NOTED:
            self.uncomputed.append((row, column))
        self.zeros[column] = self.zeros.get(column, 0) + (self._value == "0")

    def close(self) -> None:
        """Nothing is left to do."""


def _place(text: str) -> tuple[int, int] | None:
    """Return row and column of a place such as ``AB12``."""
    match = _PLACE.fullmatch(text)
    return None if match is None else (int(match[2]), column_number(match[1]))


def column_number(letters: str) -> int:
    """Return the number of a column from its letters.

    Examples
    --------
    >>> column_number("A"), column_number("AA")
    (1, 27)
    """
    number = 0
    for letter in letters:
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


def _has_any(path: Path, member: str) -> bool:
    """Whether a sheet has a formula or a merged area at all: most have none, and a search for one is quick."""
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        rest = b""
        while block := file.read(_PIECE):
            if _TELLING.search(rest + block):
                return True
            rest = block[-_OVERLAP:]
    return False
