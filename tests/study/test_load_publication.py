"""Text facts and the table [published] of a study file: every mistake is named."""

import shutil
from pathlib import Path

import pytest

from bayes_alliance.errors import InputError
from bayes_alliance.study.load_study import load_study, models_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copy the built-in study."""
    return Path(shutil.copytree(models_folder() / "folmo2020", tmp_path / "copy"))


def problems_after(folder: Path, name: str, old: str, new: str) -> str:
    """Change one place of a file and give what loading says."""
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_study(folder)
    return str(caught.value)


def test_malformed_cell_names_its_place(folder: Path) -> None:
    """A malformed cell is an error that names file, table, row, what was found and what was expected."""
    said = problems_after(folder, "cells.csv", "-0.02(0.01)*", "-0.02(0.0.1)*")
    for words in (
        "cells.csv, line",
        "table IV",
        "GOALS: Poor vs high outcome",
        "'-0.02(0.0.1)*'",
        "-0.02(0.01)*",
    ):
        assert words in said


@pytest.mark.parametrize(("old", "new"), [("16*,", "16**,"), ("-0.02(0.01)*", "-0.02(0.01)****")])
def test_stars_without_a_meaning(folder: Path, old: str, new: str) -> None:
    """More stars than a table's notes explain are refused."""
    assert "more stars than the table's notes explain" in problems_after(folder, "cells.csv", old, new)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "n_all,Methods: subjects,patients,155,count",
            "n_all,Methods: subjects,patients,15.5,count",
            "a whole number",
        ),
        (
            "n_all,Methods: subjects,patients,155,count",
            "n_all,Methods: subjects,patients,155,counts",
            "unknown quantity",
        ),
        ("n_all,Methods: subjects", "n all,Methods: subjects", "not an identifier"),
        (",n_all - n_poor,", ",n_all - n_poors,", "not the id of a count"),
        (",n_all - n_poor,", ",n_all * n_poor,", "not a sum of counts"),
        ("n_all n_end_gaf,n_poor,", "n_alls,n_poor,", "not the id of a count"),
        ("tasks_ppd,months:paranoid_pd", "tasks_ppd,months:paranoid", "not a term of the formula"),
        ("tasks_ppd,months:paranoid_pd", "no_model,months:paranoid_pd", "no such model"),
        ("64,count,poor", "64,count,bad", "no such group"),
        ("id,place", "ID,place", "wrong header"),
        ("> 0.1,p,", "ca. 0.1,p,", "a p value, such as"),
    ],
)
def test_broken_facts(folder: Path, old: str, new: str, words: str) -> None:
    """Each mistake in facts.csv is said with its line or key."""
    said = problems_after(folder, "facts.csv", old, new)
    assert words in said and "facts.csv" in said


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('rounding = "either"', 'rounding = "up"', "unknown value"),
        ('rounding = "either"', 'roundings = "either"', "unknown key"),
        ("levels = [0.05, 0.01, 0.001]", "levels = [0.01, 0.05]", "falling numbers"),
        ('unmarked = "> 0.1"', 'unmarked = "large"', "a p value, such as"),
        ('total = "n_all"', 'total = "n_every"', "not the id of a count"),
        ('assessments = "mean_assessments"', 'assessments = "n_all"', "not the id of a mean"),
        ("gaf = 5\n", "gaf = -5\n", "not above zero"),
        ("bsi = 0.3\n", "bsis = 0.3\n", "not an outcome"),
        ('tables = ["III", "IV"]', 'tables = ["II", "IV"]', "the table stands twice"),
        ('rounding = "either"', "visits = [0, 6, 3]", "rising numbers"),
        ('rounding = "either"', 'visits = ["0", "6"]', "rising numbers"),
        ('rounding = "either"', 'rows = "n_everything"', "not the id of a count"),
    ],
)
def test_broken_reading_of_tables(folder: Path, old: str, new: str, words: str) -> None:
    """Each mistake in [published] and [smallest_difference] is said with its key."""
    assert words in problems_after(folder, "study.toml", old, new)


def test_facts_change_the_digest(folder: Path) -> None:
    """The digest of a study follows its facts."""
    before = load_study(folder).digest
    path = folder / "facts.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",155,", ",156,"), encoding="utf-8")
    assert load_study(folder).digest != before


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('first = "mean_gaf_admission"', 'first = "n_all"', "not the id of a mean"),
        ('outcome = "wsas"\nfirst', 'outcome = "age"\nfirst', "not an outcome"),
        ('fact = "share_poor"', 'fact = "n_poor"', "not the id of a percentage"),
        (
            'variable = "poor_outcome"\ncategory = "poor"',
            'variable = "gaf"\ncategory = "poor"',
            "not a patient-level",
        ),
        (
            'within = "poor_wsas"\nwithin_category = "good"',
            'within = "poor_wsas"\nwithin_category = "well"',
            "'well'",
        ),
    ],
)
def test_numbers_that_data_cannot_be_asked_for(folder: Path, old: str, new: str, words: str) -> None:
    """Means and shares name outcomes, facts, variables and categories that the study has."""
    assert words in problems_after(folder, "study.toml", old, new)
