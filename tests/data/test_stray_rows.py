"""Rows of summaries below a table are no patients, and patients with short names are no summaries."""

from __future__ import annotations

import pytest

from bayes_alliance.data.stray_rows import find_summary_rows

SAID = (
    "Mean",
    "mean (SD)",
    "M (SD)",
    "Mean ± SD",
    "Total:",
    "Overall",
    "Subtotal",
    "n = 12",
    "Variance",
    "SE",
    "N",
    "All",
)


@pytest.mark.parametrize("said", SAID)
def test_a_word_below_numbered_patients_is_a_summary(said: str) -> None:
    """Whatever the spelling."""
    patients = [f"p{k}" for k in range(12)]
    assert list(find_summary_rows([*patients, said]).nonzero()[0]) == [12]


@pytest.mark.parametrize("said", ["N", "M", "All", "SE"])
def test_a_patient_among_others_named_by_letters_stays(said: str) -> None:
    """Initials are identifiers; so are words that come at every visit."""
    assert not find_summary_rows(["KA", "BE", "TO", "LI", "OS", "UN", "ER", said]).any()
    assert not find_summary_rows([said, *[f"p{k}" for k in range(8)], said]).any()


def test_few_rows_tell_nothing_of_short_words() -> None:
    """Of five rows none is taken for a summary by a letter alone."""
    assert not find_summary_rows(["1", "2", "3", "4", "N"]).any()
