"""One patient under two spellings that nobody can tell apart is never two patients without a word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayes_alliance.data.rows import StudyData, read_data
from bayes_alliance.errors import InputError
from tests.small_study import small_study

# Two spellings, and what must be said of them.
SPELLINGS = [
    ("PA01", "P\u041001", "LATIN CAPITAL LETTER A beside CYRILLIC CAPITAL LETTER A"),
    ("PA01", "\u03a1A01", "LATIN CAPITAL LETTER P beside GREEK CAPITAL LETTER RHO"),
    ("PA01", "PAO1", "DIGIT ZERO beside LATIN CAPITAL LETTER O"),
    ("P1", "P\u0661", "DIGIT ONE beside ARABIC-INDIC DIGIT ONE"),
    ("P1", "\uff301", "LATIN CAPITAL LETTER P beside FULLWIDTH LATIN CAPITAL LETTER P"),
    ("P-1", "P\u20131", "HYPHEN-MINUS beside EN DASH"),
    ("Bj\u00f8rn", "Bjorn", "LATIN SMALL LETTER O WITH STROKE beside LATIN SMALL LETTER O"),
    ("Ren\u00e9", "Rene", "LATIN SMALL LETTER E WITH ACUTE beside LATIN SMALL LETTER E"),
    ("Bj\u00f8rn", "Bj\u00c3\u00b8rn", "letters, digits or accents"),
    ("p01", "P-01", "blanks, dashes or points"),
    ("P01", "p01", "leading zeros or capitals"),
    ("07", "7", "leading zeros or capitals"),
    ("A 7.0", "A 7,0", ""),
    ("AB", "BA", ""),
    ("IL", "LI", ""),
    ("A+", "A-", ""),
    ("P1", "P10", ""),
]


def rows_of(*ids: str) -> pd.DataFrame:
    """Two visits of each of some patients."""
    patient = np.repeat(ids, 2)
    goals = np.round(4 * np.random.default_rng(3).normal(4, 0.5, len(patient))) / 4
    months = np.tile([0.0, 3.0], len(ids))
    return pd.DataFrame({"patient": patient, "months": months, "goals": goals, "paranoid": 0.0})


def read(folder: Path, frame: pd.DataFrame, **how: bool) -> StudyData:
    frame.to_csv(folder / "rows.csv", index=False)
    return read_data(small_study(), folder / "rows.csv", **how)


def said_of(data: StudyData) -> list[str]:
    return [warning.format() for warning in data.warnings if "identifiers differ" in warning.format()]


@pytest.mark.parametrize(("one", "other", "words"), SPELLINGS)
def test_two_spellings_are_told_with_their_letters(one: str, other: str, words: str, tmp_path: Path) -> None:
    """Where they stand and which letters differ; neither identifier is shown unless that is asked for."""
    frame = rows_of("Q8", one, "Q9", other)
    said = said_of(read(tmp_path, frame))
    if not words:
        assert said == []
        return
    (line,) = said
    assert words in line and "lines 4 and 8" in line
    assert one not in line and other not in line
    (shown,) = said_of(read(tmp_path, frame, show_values=True))
    assert f"{one!a} beside {other!a}" in shown


@pytest.mark.parametrize("same", [("Re\u0301", "R\u00e9"), ("P1", "P\u200b1"), ("P1", "\u00a0P1\ufeff")])
def test_composed_letters_and_what_shows_nothing_make_one_patient(
    same: tuple[str, str], tmp_path: Path
) -> None:
    """No warning is needed."""
    frame = rows_of("Q8", "Q9", *same)
    frame["months"] = np.arange(len(frame), dtype=float)
    data = read(tmp_path, frame)
    assert data.rows["patient"].nunique() == 3 and said_of(data) == []


def patients_file(folder: Path, *ids: str) -> Path:
    pd.DataFrame({"patient": ids, "paranoid": 1.0}).to_csv(folder / "patients.csv", index=False)
    return folder / "patients.csv"


def test_a_second_table_that_spells_a_patient_otherwise_is_told(tmp_path: Path) -> None:
    """The patient of the one is not silently without what stands in the other."""
    path = tmp_path / "rows.csv"
    rows_of("Q7", "Q8", "PA1").drop(columns="paranoid").to_csv(path, index=False)
    patients = patients_file(tmp_path, "Q7", "Q8", "P\u04101")
    (line,) = said_of(read_data(small_study(), path, patients_path=patients))
    assert "patients.csv, beside rows.csv" in line and "CYRILLIC CAPITAL LETTER A" in line
    with pytest.raises(InputError, match=r"they differ in letters.*CYRILLIC"):
        read_data(small_study(), path, patients_path=patients_file(tmp_path, "\u05287", "P\u04101"))


def test_every_alphabet_that_is_compared_has_as_many_looks_as_letters() -> None:
    """And none of the letters is a plain one that would be folded onto another."""
    from bayes_alliance.data import alike_identifiers

    assert all(len(letters) == len(looks) for letters, looks in alike_identifiers._LOOKS.items())
    assert all(not letter.isascii() for letters in alike_identifiers._LOOKS for letter in letters)
