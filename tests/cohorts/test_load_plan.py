"""Loading a cohort file: what cannot be drawn is refused with its key."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bayes_alliance.cohorts.load_plan import load_cohort_plan
from bayes_alliance.errors import InputError
from bayes_alliance.study.load_study import load_study, models_folder


def refusal(folder: Path, old: str, new: str) -> str:
    """What is said of the built-in cohort file after one change."""
    study = load_study("folmo2020")
    text = (models_folder() / "folmo2020" / study.data.cohort).read_text(encoding="utf-8")
    assert old in text
    (folder / study.data.cohort).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_cohort_plan(dataclasses.replace(study, folder=folder))
    return str(caught.value)


LARGE = "not permitted; allowed: numbers of at most 1e+09 in size"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("maximum = 12 ", "maximum = 1e300 ", f"key 'maximum': {LARGE}"),
        ("maximum = 12 ", "maximum = 0 ", "key 'maximum': not permitted; allowed: 1 or more"),
        ("minimum = 18 ", "minimum = -1e300 ", f"key 'minimum': {LARGE}"),
        (
            "[covariates.age.sd]\ngood = 6 ",
            "[covariates.age.sd]\ngood = 1e-300 ",
            "key 'sd': too small; found: good",
        ),
        ("[covariates.age.sd]\ngood = 6 ", "[covariates.age.sd]\ngood = 1e300 ", f"key 'sd': {LARGE}"),
        ("[covariates.age.mean]\ngood = 26 ", "[covariates.age.mean]\ngood = 1e300 ", f"key 'mean': {LARGE}"),
    ],
)
def test_numbers_that_cannot_be_drawn_are_refused(old: str, new: str, words: str, tmp_path: Path) -> None:
    """They ended in OverflowError or were drawn as nonsense."""
    assert words in refusal(tmp_path, old, new)


def test_an_integer_of_thousands_of_digits_is_refused(tmp_path: Path) -> None:
    """Python's own parser raises ValueError on it."""
    assert "not valid TOML" in refusal(tmp_path, "\n[visits]", f"\n[visits]\nmany = {'9' * 5000}")
