"""The table [data] of a study file: every key of the guide is read, and what is wrong is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayes_alliance.errors import Problem
from bayes_alliance.study.load_data_section import pattern_fault, read_data_section
from bayes_alliance.study.records import DataDefault, ReadOptions
from bayes_alliance.study.toml_reader import TableReader


def read(tmp_path: Path, **keys: object) -> tuple[DataDefault, list[Problem]]:
    (tmp_path / "d.csv").write_text("")
    problems: list[Problem] = []
    table = {"source": "real data", "file": "d.csv", **keys}
    return read_data_section(TableReader(table, "study.toml, [data]", problems), tmp_path), problems


def test_every_key_is_read(tmp_path: Path) -> None:
    """Whole numbers in recode are text afterwards; names of separators become the separators."""
    data, problems = read(
        tmp_path,
        encoding="latin-1",
        delimiter="semicolon",
        decimal=",",
        sheet="Ark1",
        missing=["99"],
        recode={"paranoid_pd": {"ja": 1, "nei": "0"}},
        wide={"wai{item}": "wai{visit}_{item}"},
        visits={"pre": 0, "post": 6.5},
        date="when",
        baseline="start",
        date_format="%d.%m.%Y",
    )
    assert problems == []
    assert data.reading == ReadOptions(
        encoding="latin-1",
        delimiter=";",
        decimal=",",
        sheet="Ark1",
        missing=("99",),
        recode=(("paranoid_pd", (("ja", "1"), ("nei", "0"))),),
        wide=(("wai{item}", "wai{visit}_{item}"),),
        visits=(("pre", 0.0), ("post", 6.5)),
        date="when",
        baseline="start",
        date_format="%d.%m.%Y",
    )


@pytest.mark.parametrize(
    ("header", "pattern", "fault"),
    [
        ("goals", "goals_{visit}", ""),
        ("wai{item}", "wai{visit}_{item}", ""),
        ("goals", "goals", "{visit} once"),
        ("goals", "{visit}_{visit}", "{visit} once"),
        ("goals", "goals_{visit}_{item}", "{item} must stand in both"),
        ("wai{item}", "wai_{visit}", "{item} must stand in both"),
        ("goals", "{visit}{x}", "{visit} and one {item} only"),
    ],
)
def test_patterns_of_wide_headers(header: str, pattern: str, fault: str) -> None:
    """A visit once, an item on both sides or on neither."""
    said = pattern_fault(header, pattern)
    assert fault in said
    assert bool(fault) == bool(said)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"encoding": "klingon"}, "unknown encoding"),
        ({"delimiter": "|"}, "unknown value"),
        ({"visits": {"pre": 0}}, "visits without a wide pattern"),
        ({"baseline": "start"}, "a baseline without the date"),
        ({"patients": "absent.csv"}, "no such file"),
        ({"patients": "../d.csv"}, "the path leaves the study's folder"),
        ({"recode": {"x": {"ja": True}}}, "wrong type"),
        ({"wide": {"goals": 3}}, "{visit} once"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, keys: dict[str, object], said: str) -> None:
    """One mistake, one problem."""
    _, problems = read(tmp_path, **keys)
    assert [said in problem.what for problem in problems] == [True]
