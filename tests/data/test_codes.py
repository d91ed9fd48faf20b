"""One spelling of a cell, whatever it holds that nobody sees."""

from __future__ import annotations

import sys
import unicodedata

from bayes_alliance.data.codes import clean_text


def test_no_character_that_shows_nothing_makes_another_patient() -> None:
    """Every control that is no blank, and every format of Unicode, wherever it stands."""
    hidden = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in ("Cc", "Cf")
        and not chr(code).isspace()
        # Signs that stand over the number after them, and notes of music and shorthand, are seen.
        and unicodedata.bidirectional(chr(code)) not in ("AN", "AL")
        and not 0x110BD <= code <= 0x1D1FF
    ]
    assert len(hidden) > 150
    assert [hex(ord(c)) for c in hidden if clean_text(f"P{c}7{c}") != "P7"] == []


def test_fillers_and_selectors_show_nothing_either() -> None:
    """Letters of Hangul without a form, and what chooses a form of the letter before."""
    for sign in ("\u3164", "\u115f", "\uffa0", "\ufe0f", "\u180b", "\U000e0101", "\u034f"):
        assert clean_text(f"P{sign}7") == "P7"


def test_what_is_seen_stays() -> None:
    """Letters, accents, blanks within, and marks."""
    for text in ("P 7", "Åse", "Ω-1", "a\tb", "7.0", "患者7"):
        assert clean_text(text) == text
