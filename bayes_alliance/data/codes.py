"""One spelling of each code, identifier and word for a missing value, whatever program wrote the file.

Spreadsheets, pandas and R write the same code as ``99``, ``99.0`` or ``99,0``; the same name composed or decomposed,
with invisible characters or with blanks that do not break. Everything that compares cells as text compares what these
functions return. Imports nothing of this package.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Words that programs write for a missing value, in lower case. A cell that is a declared category stays one.
MISSING = frozenset({"", "na", "nan", ".", "null", "n/a", "#n/a", "<na>", "\\n", "nat"})
# Words that people write for one: offered to be declared, never assumed. In lower case.
_LIKELY_WORDS = """- -- --- – — ? ?? * x / none missing unknown refused n.a. na. blank empty not_available
not_answered unanswered mangler ukjent ubesvart saknas okänd mangelt fehlend fehlt unbekannt k.a. k.a keine manquant
inconnu nsp nr ns puuttuu onbekend ontbreekt desconocido faltante null. (null) #null! #nul! #nv sysmis
system-missing -inf inf .a .b .c .d .e .m .n .r .s .z"""
_LIKELY_PHRASES = {
    "not available",
    "not applicable",
    "not answered",
    "ikke besvart",
    "ikke svart",
    "vet ikke",
    "keine angabe",
}
LIKELY_MISSING = frozenset(_LIKELY_WORDS.split()) | _LIKELY_PHRASES
_LABELS_OF_MISSING = re.compile(
    r"\b(missing|not answered|no answer|unanswered|refused|refusal|don'?t know|not applicable|not available|unknown|"
    r"invalid|ikke (be)?svart|ubesvart|vet ikke|mangler|ukjent|ej svar|saknas|vet ej|keine angabe|fehlt|fehlend|"
    r"weiß nicht|manquant|sans réponse|ne sait pas)\b",
    re.IGNORECASE,
)
# Characters that show nothing: controls but blanks, formats, fillers, variation selectors, tags.
_INVISIBLE = re.compile(
    "[\\x00-\\x08\\x0e-\\x1f\\x7f-\\x84\\x86-\\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
_BLANKS = re.compile(r"[\s\u00a0\u2007\u202f]+")
_POINT = re.compile(r"([+-]?)(0|[1-9]\d{0,14})\.(\d{0,17}?)0*", re.ASCII)
_COMMA = re.compile(r"([+-]?)(0|[1-9]\d{0,14}),(\d{0,17}?)0*", re.ASCII)
_WHOLE = re.compile(r"([+-]?)(0|[1-9]\d{0,14})", re.ASCII)
_GROUP_OF_THREE = re.compile(r"[+-]?\d{1,3}[.,]\d{3}", re.ASCII)
_FLOAT_IDENTIFIER = re.compile(r"\d{1,15}(\.0+|,0{1,2})?", re.ASCII)


def clean_text(text: object) -> str:
    r"""Return a cell without invisible characters and surrounding blanks, its letters composed.

    Examples
    --------
    >>> clean_text(" A\u030a\u200b\u00a01 ")
    'Å 1'
    """
    plain = str(text)
    if plain.isascii():
        return (plain if plain.isprintable() else _INVISIBLE.sub("", plain)).strip(" \t\r\n\f\v")
    return _BLANKS.sub(" ", _INVISIBLE.sub("", unicodedata.normalize("NFC", plain))).strip()


def canonical_code(text: object, *, comma: bool = False, point: bool = True) -> str:
    """Return the one spelling of a code: a number without decimals that are zero, other text as it is.

    Leading zeros are kept, as ``007`` and ``7`` may be two identifiers.

    Parameters
    ----------
    text : object
        A cell, a declared code or a category.
    comma, point : bool
        Which of them may be the decimal mark. Where both may, three digits after a mark are left alone, as they may
        as well be thousands.

    Examples
    --------
    >>> [canonical_code(t) for t in ("99.0", "99", "+1.50", "-9.", "007", "A1.0")]
    ['99', '99', '1.5', '-9', '007', 'A1.0']
    >>> canonical_code("99,0", comma=True), canonical_code("1,000", comma=True)
    ('99', '1,000')
    """
    plain = clean_text(text)
    if comma and point and _GROUP_OF_THREE.fullmatch(plain):
        return plain
    for permitted, pattern in ((point, _POINT), (comma, _COMMA), (True, _WHOLE)):
        match = pattern.fullmatch(plain) if permitted else None
        if match is not None:
            decimals = match[3] if pattern is not _WHOLE else ""
            sign = "-" if match[1] == "-" and (match[2] != "0" or decimals) else ""
            return f"{sign}{match[2]}.{decimals}" if decimals else f"{sign}{match[2]}"
    return plain


def canonical_identifiers(cells: Iterable[str]) -> list[str]:
    """Return identifiers in one spelling: cleaned, and without ``.0`` where the whole column is of such numbers.

    A column that also holds other decimals or words is left alone: ``1.10`` and ``1.1`` may be two patients.

    Examples
    --------
    >>> canonical_identifiers(["7.0", "7", "12.0"]), canonical_identifiers(["1.0", "1.10"])
    (['7', '7', '12'], ['1.0', '1.10'])
    """
    cleaned = [clean_text(cell) for cell in cells]
    if are_numbered(cleaned):
        return [without_decimals(cell) if cell.lower() not in MISSING else cell for cell in cleaned]
    return cleaned


def are_numbered(cells: Iterable[str]) -> bool:
    """Whether clean identifiers are whole numbers throughout, maybe with decimals that are zero."""
    return all(_FLOAT_IDENTIFIER.fullmatch(cell) for cell in cells if cell.lower() not in MISSING)


def without_decimals(cell: str) -> str:
    """Return what stands before the decimal mark."""
    return re.split("[.,]", cell)[0]


def names_missing(label: str) -> bool:
    """Whether the label of a code says that it stands for a missing value.

    Examples
    --------
    >>> names_missing("Not answered"), names_missing("Often")
    (True, False)
    """
    return _LABELS_OF_MISSING.search(label) is not None
