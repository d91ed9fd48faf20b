"""The JSON schema of the study file: up to date, true of every study that ships, and strict."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bayes_alliance.dev.study_schema import FILE, schema_text, study_schema
from bayes_alliance.study.load_study import list_studies, models_folder

DOCS = Path(__file__).parents[2] / "docs"
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
}


def _errors(value: Any, schema: dict[str, Any], where: str = "") -> list[str]:
    """What does not follow the schema; knows the keywords that the schema uses and fails on any other."""
    known = {"$schema", "title", "description", "default", "type", "properties", "required", "items", "enum"}
    known |= {"additionalProperties", "pattern", "minLength", "minItems", "maxItems", "minimum", "maximum"}
    assert set(schema) <= known | {"exclusiveMinimum"}, set(schema) - known
    types = schema.get("type", [])
    kinds = tuple(kind for name in ([types] if isinstance(types, str) else types) for kind in _TYPES[name])
    if kinds and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
        return [f"{where}: {value!r} is no {types}"]
    found = (
        [] if "enum" not in schema or value in schema["enum"] else [f"{where}: {value!r} is not permitted"]
    )
    if isinstance(value, str):
        short = len(value) < schema.get("minLength", 0)
        if short or ("pattern" in schema and not re.search(schema["pattern"], value)):
            found.append(f"{where}: {value!r}")
    elif isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**9):
            found.append(f"{where}: {len(value)} items")
        for item in value:
            found += _errors(item, schema.get("items", {}), f"{where}[]")
    elif isinstance(value, dict):
        found += [f"{where}: {key} is missing" for key in schema.get("required", []) if key not in value]
        for key, inner in value.items():
            other = schema.get("additionalProperties", True)
            rule = schema.get("properties", {}).get(key, other)
            if rule is False:
                found.append(f"{where}: unknown key {key}")
            elif isinstance(rule, dict):
                found += _errors(inner, rule, f"{where}.{key}")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        if not low <= value <= high or value <= schema.get("exclusiveMinimum", -1e300):
            found.append(f"{where}: {value} is out of range")
    return found


def test_the_file_is_up_to_date() -> None:
    """What scripts/docs would write is what is there."""
    assert (DOCS / FILE).read_text(encoding="utf-8") == schema_text()


@pytest.mark.parametrize("name", list_studies())
def test_every_study_that_ships_follows_it(name: str) -> None:
    """An editor has nothing to say against a study that loads."""
    table = tomllib.loads((models_folder() / name / "study.toml").read_text(encoding="utf-8"))
    assert _errors(table, study_schema()) == []


def test_mistakes_are_seen() -> None:
    """A misspelt key, a missing one, a wrong type, a word that is not permitted and a number out of range."""
    right = tomllib.loads((models_folder() / "bates2015" / "study.toml").read_text(encoding="utf-8"))
    changes: tuple[tuple[Callable[[dict[str, Any]], Any], str], ...] = (
        (lambda t: t["study"].update(titel="x"), "unknown key titel"),
        (lambda t: t["study"].pop("patient"), "patient is missing"),
        (lambda t: t["study"].update(horizon="9"), "study.horizon"),
        (lambda t: t["data"].update(source="invented"), "not permitted"),
        (lambda t: t["study"].update(horizon=0), "out of range"),
        (lambda t: t["priors"][0]["outcomes"]["reaction"].update(slope=[0]), "1 items"),
        (lambda t: t["models"][0].update(id="a b"), "models[].id"),
    )
    for change, said in changes:
        table = copy.deepcopy(right)
        change(table)
        assert any(said in error for error in _errors(table, study_schema())), said


def test_it_is_json() -> None:
    """The text is one JSON document that names its dialect."""
    assert json.loads(schema_text())["$schema"].endswith("2020-12/schema")
