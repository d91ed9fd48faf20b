"""The last touch of a page: one kind of minus sign and apostrophe, and words in the place of ids, in all that is read.

Code, formulas and commands stay as they are.
"""

from __future__ import annotations

import re
from html import escape, unescape

from bayes_alliance.show.format_numbers import use_minus_sign
from bayes_alliance.show.id_names import Names, spell_ids

# A part that is passed over whole, a comment or tag, or text between tags.
_PIECES = re.compile(
    r"(?P<whole><(?P<tag>script|style|math|code|pre|head)\b.*?</(?P=tag)>)"
    r"|(?P<mark><!--.*?-->|<[^>]*>)|(?P<text>[^<]+)",
    re.DOTALL,
)
_SPOKEN = re.compile(r'(?<= )(aria-label|data-label|title)="([^"]*)"')
# Text to be copied stands in an element for code, since its lines are kept.
_COPIED = re.compile(r'(<pre [^>]*id="text-[^>]*>)(.*)(</pre>)', re.DOTALL)
# Files of a study that its notes refer to.
_FILES = {
    "README.md": "the study’s README",
    "claims.toml": "the study’s claims",
    "study.toml": "the study file",
    "cells.csv": "the file of printed cells",
}
_FILE = re.compile("|".join(map(re.escape, _FILES)))
_QUOTED = re.compile(r"(?<![\w\N{RIGHT SINGLE QUOTATION MARK}])'([^'<>]{1,120}?)'(?!\w)")


def typeset(page: str, names: Names) -> str:
    """Return a page, or a part of one, with its visible text set.

    Parameters
    ----------
    page : str
        HTML of this package, in which every text is escaped.
    names : mapping of str to str
        Of :func:`bayes_alliance.show.id_names.name_ids`; an id without a name loses its underscores.
    """

    def piece(match: re.Match[str]) -> str:
        if match["text"] is not None:
            return set_text(match["text"], names)
        if match["whole"] is not None:
            return _COPIED.sub(lambda m: f"{m[1]}{set_text(m[2], names)}{m[3]}", match["whole"])
        return _SPOKEN.sub(lambda m: f'{m[1]}="{set_text(m[2], names)}"', match["mark"])

    return _PIECES.sub(piece, page)


def set_text(text: str, names: Names) -> str:
    """Set an escaped text: ids in words, minus signs, apostrophes and single quotation marks."""
    if not text.strip():
        return text
    plain = unescape(text)
    quoted = _QUOTED.sub("\N{LEFT SINGLE QUOTATION MARK}\\1\N{RIGHT SINGLE QUOTATION MARK}", plain)
    spelled = _FILE.sub(lambda found: _FILES[found[0]], spell_ids(quoted, names))
    said = spelled.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}").replace("+-", "\N{PLUS-MINUS SIGN}")
    # Labels of a study file stand among the names: what is put in is escaped like what was there.
    return escape(use_minus_sign(said))
