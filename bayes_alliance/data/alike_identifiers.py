"""Identifiers that are spelled differently and are probably those of one patient.

Two texts look alike where nobody would tell them apart on paper, or where a program has spoilt one of them: capitals,
leading zeros, dashes, letters of other alphabets, digits of other scripts, lost accents, wrongly decoded letters.
They stay two patients, as they may be; whoever reads them is told.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ZEROS = "in leading zeros or capitals only"
BLANKS = "in blanks, dashes or points only"
LETTERS = "in letters, digits or accents that look alike only"
# Letters of other alphabets, and of our own, beside what they look like.
_LOOKS = {
    "АВЕЅІЈКМНОРСТУХҮԌԚԜҺӀԁԛԝһаеѕіјкморстухвнүԍ": "ABESIJKMHOPCTYXYGQWHldqwhaesijkmopctyxbhyg",
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαβεικνορτυχϲ": "ABEZHIKMNOPTYXabeikvoptuxc",
    "ØøŁłĐđÐðĦħıȷɡɑ": "OoLlDdDdHhijga",
}
_ALIKE = {
    ord(letter): look
    for letters, looks in _LOOKS.items()
    for letter, look in zip(letters, looks, strict=True)
}
# In capitals as they stand: a small i is no one.
_AS_DIGITS = str.maketrans("OoIl|", "00111")
_ACCENTS = re.compile(r"[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+")
_BETWEEN = re.compile(
    r"[\s_.\-'\u00ad\u00b4\u00b7\u02b9-\u02bd`\u2010-\u2015\u2018-\u201b\u2032\u2212\ufe58\uff0d]+"
)
_ZERO_DECIMALS = re.compile(r"(\d+)[.,]0+", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Alike:
    """Two identifiers that look alike.

    Parameters
    ----------
    earlier, later : str
        In the order in which they were met.
    """

    earlier: str
    later: str

    @property
    def how(self) -> str:
        """In what they differ, as :data:`ZEROS`, :data:`BLANKS` or :data:`LETTERS`."""
        if self.earlier.casefold().lstrip("0") == self.later.casefold().lstrip("0"):
            return ZEROS
        return BLANKS if _without_blanks(self.earlier) == _without_blanks(self.later) else LETTERS

    @property
    def letters(self) -> str:
        """The names of the first letters in which they differ; neither identifier is shown.

        Empty where these are plain, and where one identifier is longer than the other.
        """
        differing = [
            (a, b) for a, b in zip(self.earlier, self.later, strict=False) if a.casefold() != b.casefold()
        ]
        if len(self.earlier) != len(self.later) or not differing:
            return ""
        return " beside ".join(unicodedata.name(letter, f"U+{ord(letter):04X}") for letter in differing[0])

    @property
    def in_brackets(self) -> str:
        """The letters, as they follow a sentence."""
        return f" ({self.letters})" if self.letters else ""

    @property
    def shown(self) -> str:
        """Both identifiers, letters other than plain ones by their codes: for those who may see them."""
        return f"{self.earlier!a} beside {self.later!a}"


def look(text: str) -> str:
    """Return what two identifiers that look alike have in common.

    Examples
    --------
    >>> [look(text) for text in ("P-07", "p07", "\u0420 O7", "7.0", "\u00c3\u00a9")]
    ['p07', 'p07', 'p07', '7', 'e']
    """
    plain = text
    if not text.isascii():
        bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", _decoded(text))).translate(_ALIKE)
        plain = "".join(c if c.isascii() else str(unicodedata.digit(c, c)) for c in bare)
    found = _without_blanks(plain.translate(_AS_DIGITS))
    return found if found or "0" in plain.translate(_AS_DIGITS) else text


def find_alike(identifiers: Iterable[str]) -> list[Alike]:
    """Return each identifier that looks like an earlier one, with that one; there are no two of one spelling."""
    first: dict[str, str] = {}
    pairs = ((first.setdefault(look(text), text), text) for text in identifiers)
    return [Alike(earlier=earlier, later=later) for earlier, later in pairs if earlier != later]


def by_difference(found: Iterable[Alike]) -> Mapping[str, list[Alike]]:
    """Sort pairs by what they differ in."""
    sorted_: dict[str, list[Alike]] = {}
    for pair in found:
        sorted_.setdefault(pair.how, []).append(pair)
    return sorted_


def advise_alike(how: str, *, show_values: bool) -> str:
    """Say what to do about identifiers that differ in some way."""
    asked = "are they the same patients?" + (" Spreadsheets drop leading zeros." if how == ZEROS else "")
    return asked if show_values else f"{asked} check-data --show-values shows them"


def _without_blanks(text: str) -> str:
    """Leave out what separates, leading zeros, capitals and decimals that are zero."""
    whole = _ZERO_DECIMALS.fullmatch(text)
    return _BETWEEN.sub("", whole[1] if whole else text).casefold().lstrip("0")


def _decoded(text: str) -> str:
    """Undo the reading of UTF-8 as Latin-1 or as Windows does."""
    for encoding in ("latin-1", "cp1252"):
        try:
            return text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return text
