"""Reading tables key by key."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from bayes_alliance.errors import Problem
from bayes_alliance.study.toml_reader import TableReader


def read(table: dict[str, Any], take: Callable[[TableReader], Any]) -> tuple[Any, list[Problem]]:
    problems: list[Problem] = []
    reader = TableReader(table, "file.toml", problems)
    value = take(reader)
    reader.finish()
    return value, problems


@pytest.mark.parametrize(
    ("table", "take", "value"),
    [
        ({"k": "text"}, lambda r: r.text("k"), "text"),
        ({}, lambda r: r.text("k", default=""), ""),
        ({"k": "b"}, lambda r: r.text("k", choices=("a", "b")), "b"),
        ({"k": "name_1"}, lambda r: r.identifier("k"), "name_1"),
        ({"k": 3}, lambda r: r.number("k"), 3.0),
        ({"k": 0.5}, lambda r: r.number("k", above=0.0), 0.5),
        ({}, lambda r: r.number("k", default=1.0), 1.0),
        ({}, lambda r: r.optional_number("k"), None),
        ({"k": 4}, lambda r: r.integer("k", default=3, least=1, most=4), 4),
        ({"k": True}, lambda r: r.flag("k", default=False), True),
        ({"k": ["a", "b"]}, lambda r: r.texts("k"), ("a", "b")),
        ({"k": [0, 1.5]}, lambda r: r.pair("k"), (0.0, 1.5)),
        ({"k": {"b": 2, "a": 1}}, lambda r: r.numbers_by_name("k"), (("b", 2.0), ("a", 1.0))),
        ({"k": {"b": "x", "a": 1}}, lambda r: r.values_by_name("k"), (("b", "x"), ("a", 1.0))),
    ],
)
def test_good_values(table: dict[str, Any], take: Callable[[TableReader], Any], value: object) -> None:
    """A value of the right type is given as it stands, a default where the key is absent."""
    assert read(table, take) == (value, [])


BAD: list[tuple[dict[str, Any], Callable[[TableReader], Any], str]] = [
    ({}, lambda r: r.text("k"), "the key is missing"),
    ({"k": 1}, lambda r: r.text("k"), "wrong type"),
    ({"k": "  "}, lambda r: r.text("k"), "is empty"),
    ({"k": "c"}, lambda r: r.text("k", choices=("a", "b")), "unknown value"),
    ({"k": ""}, lambda r: r.text("k", choices=("a", "b")), "unknown value"),
    ({"k": "../x"}, lambda r: r.identifier("k"), "not an identifier"),
    ({"k": "x" * 65}, lambda r: r.identifier("k"), "not an identifier"),
    ({"k": "1"}, lambda r: r.number("k"), "wrong type"),
    ({"k": True}, lambda r: r.number("k"), "wrong type"),
    ({"k": math.nan}, lambda r: r.number("k"), "not permitted"),
    ({"k": math.inf}, lambda r: r.number("k"), "not permitted"),
    ({"k": 10**400}, lambda r: r.number("k"), "not permitted"),
    ({"k": 0}, lambda r: r.number("k", above=0.0), "not permitted"),
    ({"k": math.nan}, lambda r: r.optional_number("k"), "not permitted"),
    ({"k": 5}, lambda r: r.integer("k", default=3, least=1, most=4), "not permitted"),
    ({"k": 3.5}, lambda r: r.integer("k", default=3, least=1, most=4), "wrong type"),
    ({"k": 1}, lambda r: r.flag("k", default=False), "wrong type"),
    ({"k": ["a", 1]}, lambda r: r.texts("k"), "wrong type"),
    ({"k": []}, lambda r: r.texts("k", required=True), "is empty"),
    ({"k": [1.0]}, lambda r: r.pair("k"), "wrong type"),
    ({"k": [0.0, -1.0]}, lambda r: r.pair("k"), "not permitted"),
    ({"k": [math.nan, 1.0]}, lambda r: r.pair("k"), "not permitted"),
    ({"k": {"a": "x"}}, lambda r: r.numbers_by_name("k"), "wrong type"),
    ({"k": {"a": 10**400}}, lambda r: r.numbers_by_name("k"), "wrong type"),
    ({"k": {"a": [1]}}, lambda r: r.values_by_name("k"), "wrong type"),
    ({"k": [1]}, lambda r: r.tables("k"), "wrong type"),
    ({"k": {"a": 1}}, lambda r: r.named_subtables("k"), "wrong type"),
    ({"k": 1}, lambda r: r.subtable("k"), "wrong type"),
]


@pytest.mark.parametrize(("table", "take", "what"), BAD)
def test_bad_values(table: dict[str, Any], take: Callable[[TableReader], Any], what: str) -> None:
    """A bad value gives exactly one problem, at its key, and reading goes on."""
    _, problems = read(table, take)
    assert [p.what for p in problems] == [what]
    assert "'k" in problems[0].where or "'a'" in problems[0].where
    assert problems[0].where.startswith("file.toml")


def test_unknown_key() -> None:
    """A key that nothing asked for is a problem, and a near miss is named."""
    _, problems = read({"lable": "x"}, lambda r: r.text("label", default=""))
    assert [(p.what, p.fix) for p in problems] == [("unknown key", "did you mean 'label'?")]


def test_places_of_nested_tables() -> None:
    """A problem deep in the file carries the path to it, by the id of a table where it has one."""
    problems: list[Problem] = []
    top = TableReader({"models": [{"id": "first", "parts": [{"x": 1}]}]}, "file.toml", problems)
    top.tables("models")[0].tables("parts")[0].text("x")
    assert problems[0].where == "file.toml, [[models]] first, [[parts]] number 1, key 'x'"
