"""Numbers in print: signs, decimal marks, thousands separators, powers of ten.

A text is first brought to plain characters, then each number in it is read with a decimal point or with a
decimal comma. Standard library only.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import Literal

from bayes_alliance.study.printed_cell import MINUS_SIGNS, STARS, PrintedError, PrintedNumber, UndecidedError

Style = Literal["point", "comma"]
STYLES: tuple[Style, ...] = ("point", "comma")
_MARKS = {"point": (r"\.", ","), "comma": (",", r"\.")}
_THIN = "\u2009\u202f\u2007\u2008\u200a"
# A space that cannot break holds a number together; after normalisation it is this character.
GLUE = "\ue000"
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_POWER = re.compile(
    r"\s*[x×·⋅∙*]\s*10\s*(?:\^\s*\(?\s*([-+]?[0-9]{1,2})\s*\)?|(-[0-9]{1,2})|([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2}))"
)
# A plain space sets thousands apart only where a cell begins with the number and brackets or nothing follow.
_SPACED = re.compile(r"^\s*[-+]?[1-9][0-9]{0,2}(?: [0-9]{3})+(?:[.,][0-9]+)?(?=\s*(?:[(\[*]|$))")
_CHI = re.compile(r"(?<=[χΧXR])(?:²|\^2)")
_SUPER_DIGIT = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+")


def plain_text(text: str) -> str:
    """Convert a printed text to plain characters.

    Every dash becomes ``-``, every star ``*``, a raised dot between digits a point, ``× 10⁻²`` becomes ``e-2``,
    a superscript digit behind a number a footnote mark (``#1``), and spaces that cannot break become one
    character of their own between digits.

    Examples
    --------
    >>> plain_text("\u22120·03 (1.2 × 10⁻²)")
    '-0.03 (1.2e-2)'
    """
    text = text.replace("&nbsp;", "\u00a0").replace("&minus;", "\u2212").replace("\u200b", "")
    for dash in MINUS_SIGNS:
        text = text.replace(dash, "-")
    text = text.replace("+/-", "±").replace("+-", "±")
    text = _POWER.sub(lambda m: "e" + (m[1] or m[2] or m[3].translate(_SUPERSCRIPTS)), text)
    text = re.sub(r"(?<=[0-9])[·⋅∙•](?=[0-9])|(?<![0-9\w])[·⋅∙•](?=[0-9])|(?<=-)[·⋅∙•](?=[0-9])", ".", text)
    text = _CHI.sub("2", text)
    text = _SUPER_DIGIT.sub(lambda m: "#" + m[0].translate(_SUPERSCRIPTS), text)
    text = re.sub(rf"(?<=[0-9])[\u00a0{_THIN}](?=[0-9]{{3}})", GLUE, text)
    text = unicodedata.normalize("NFKC", text)
    text = re.sub(r"(?<=[0-9])[’'`´](?=[0-9]{3})", "'", text)
    text = _SPACED.sub(lambda m: m[0].replace(" ", GLUE), text)
    for star in STARS:
        text = text.replace(star, "*")
    for dash in MINUS_SIGNS:
        text = text.replace(dash, "-")
    return re.sub(r"\s+", " ", text).strip()


def number_pattern(style: Style, *, grouped: bool = True) -> str:
    """Return the pattern of a number with a decimal point or comma, without groups of its own.

    Parameters
    ----------
    grouped : bool
        Whether thousands may be set apart by the other mark (``1,234``).
    """
    mark, other = _MARKS[style]
    between = rf"[{other}']" if grouped else "[']"
    first = r"[1-9][0-9]{0,2}"
    groups = rf"{first}(?:{GLUE}[0-9]{{3}})+|{first}(?:{between}[0-9]{{3}})+"
    body = rf"(?:(?:{groups}|[0-9]{{1,12}})(?![0-9])(?:{mark}[0-9]{{1,12}})?|{mark}[0-9]{{1,12}})"
    return rf"[-+]?\s?{body}(?:[eE][-+]?[0-9]{{1,2}})?(?![0-9])"


def read_number(raw: str, style: Style) -> PrintedNumber:
    """Read one number that matched :func:`number_pattern`.

    Examples
    --------
    >>> read_number("-1.234,50", "comma").value
    Decimal('-1234.50')
    """
    mark, other = (".", ",") if style == "point" else (",", ".")
    plain = raw.replace(other, "").replace("'", "").replace(GLUE, "").replace(" ", "").replace(mark, ".")
    value = Decimal(plain)
    return PrintedNumber(
        value=abs(value) if value == 0 else value, negative_zero=value == 0 and plain.startswith("-")
    )


def parse_number(text: str, style: Style | Literal[""] = "") -> PrintedNumber:
    """Read a text that is one number and nothing else.

    Parameters
    ----------
    style : {"", "point", "comma"}
        Decimal mark; empty to accept whatever leaves one reading.

    Raises
    ------
    PrintedError
        If it is no number, or can be read in two ways.

    Examples
    --------
    >>> parse_number("1,234.5").value, parse_number("0,03").value
    (Decimal('1234.5'), Decimal('0.03'))
    """
    plain = plain_text(text)
    found = {
        mark: read_number(plain, mark)
        for mark in ((style,) if style else STYLES)
        if re.fullmatch(number_pattern(mark), plain)
    }
    readings = {number.value: number for number in found.values()}
    if not readings:
        raise PrintedError("a number such as 12, 0.05 or -0.02")
    if len(readings) > 1:
        raise UndecidedError(ambiguous_mark(*(str(value) for value in readings)))
    return next(iter(readings.values()))


def ambiguous_mark(with_point: str, with_comma: str) -> str:
    """Return a message that a decimal mark can be read in two ways, and how to decide it."""
    return (
        f"one reading: it is {with_point} with a decimal point and {with_comma} with a decimal comma; "
        'state decimal = "point" or "comma" in [[published.tables]]'
    )
