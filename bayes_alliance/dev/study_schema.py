"""The JSON schema of the study file, for editors, made by the functions that read the file.

A reader that notes what it is asked for stands in for the file, as in :mod:`bayes_alliance.dev.doc_pages`;
descriptions come from the docstrings of the records. What the schema cannot say (names that must exist, cells that
must be readable) the loader says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bayes_alliance.dev.doc_pages import meanings_of
from bayes_alliance.study.load_study import build_study
from bayes_alliance.study.toml_reader import IDENTIFIER, TableReader

FILE = "study.schema.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NUMBER = {"type": "number"}
_TEXT = {"type": "string"}
_TEXT_OR_NUMBER = {"type": ["string", "number"]}
_PAIR = {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}

Schema = dict[str, Any]


class SchemaReader(TableReader):
    """A table that turns every key it is asked for into a property of a JSON schema.

    Parameters
    ----------
    path : str
        Of the table, as its header would spell it.
    """

    def __init__(self, path: str = "") -> None:
        super().__init__({}, path, [])
        self.path = path
        self.about, self.meanings = meanings_of(path)
        self.schema: Schema = {"type": "object"}
        if self.about:
            self.schema["description"] = self.about
        self.schema |= {"properties": {}, "additionalProperties": False}

    def note(self, key: str, schema: Schema, *, required: bool = False, default: Any = None) -> None:
        """Note a key, once."""
        if key in self.schema["properties"]:
            return
        said = self.meanings.get(key, "")
        # A part's own schema goes on growing after it is noted, so it is kept and not copied.
        described = (
            schema if schema.get("type") == "object" else ({"description": said} if said else {}) | schema
        )
        named = self.path.endswith("NAME]") and default == "name"  # the default is the table's own name
        if default not in (None, "", [], {}) and not named:
            described["default"] = default
        self.schema["properties"][key] = described
        if required:
            self.schema.setdefault("required", []).append(key)

    def take(self, key: str, kinds: tuple[type, ...], wanted: str, default: Any, required: bool) -> Any:
        """Note a key of which only the Python types are known."""
        names = {
            str: "string",
            float: "number",
            int: "integer",
            bool: "boolean",
            list: "array",
            dict: "object",
        }
        types = [names[kind] for kind in kinds if not (kind is int and float in kinds)]
        schema = {"type": types[0] if len(types) == 1 else types}
        self.note(key, schema, required=required, default=default)
        return default

    def text(self, key: str, *, default: str | None = None, choices: Iterable[str] = ()) -> str:
        """Note a string, or one of a few."""
        options = [str(choice) for choice in choices]
        schema: Schema = (
            {"enum": options} if options else {**_TEXT, **({"minLength": 1} if default is None else {})}
        )
        self.note(key, schema, required=default is None, default=default)
        return default if default is not None else next(iter(options), "")

    def identifier(self, key: str, *, default: str | None = None) -> str:
        """Note a name."""
        pattern = f"^{IDENTIFIER.pattern}$" if default is None else f"^({IDENTIFIER.pattern})?$"
        self.note(key, {**_TEXT, "pattern": pattern}, required=default is None, default=default)
        return default or ""

    def number(self, key: str, *, default: float | None = None, above: float = -math.inf) -> float:
        """Note a number with its limit."""
        self.note(key, _above(above), required=default is None, default=default)
        return 1.0 if default is None else default

    def integer(self, key: str, *, default: int, least: int, most: int) -> int:
        """Note a whole number with its limits."""
        self.note(key, {"type": "integer", "minimum": least, "maximum": most}, default=default)
        return default

    def optional_number(self, key: str, *, above: float = -math.inf) -> float | None:
        """Note a number that may be absent."""
        self.note(key, _above(above))
        return None

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """Note a list of strings."""
        schema: Schema = {"type": "array", "items": _TEXT, **({"minItems": 1} if required else {})}
        self.note(key, schema, required=required)
        return ()

    def codes(self, key: str) -> tuple[str, ...]:
        """Note a list of strings and numbers."""
        self.note(key, {"type": "array", "items": _TEXT_OR_NUMBER})
        return ()

    def pair(self, key: str) -> tuple[float, float]:
        """Note ``[mean, sd]``."""
        self.note(key, _PAIR, required=True)
        return 0.0, 1.0

    def pairs_by_name(self) -> tuple[tuple[str, tuple[float, float]], ...]:
        """Note that every key is ``[mean, sd]``."""
        self.schema["additionalProperties"] = _PAIR
        return ()

    def numbers_by_name(self, key: str) -> tuple[tuple[str, float], ...]:
        """Note a table of numbers."""
        self.note(key, {"type": "object", "additionalProperties": _NUMBER})
        return ()

    def values_by_name(self, key: str) -> tuple[tuple[str, float | str], ...]:
        """Note a table of numbers and strings."""
        self.note(key, {"type": "object", "additionalProperties": _TEXT_OR_NUMBER}, required=True)
        return ()

    def texts_by_name(self, key: str) -> tuple[tuple[str, str], ...]:
        """Note a table of strings."""
        self.note(key, {"type": "object", "additionalProperties": _TEXT_OR_NUMBER})
        return ()

    def every_text(self) -> tuple[tuple[str, str], ...]:
        """Note that every key is a string or a number."""
        self.schema["additionalProperties"] = _TEXT_OR_NUMBER
        return ()

    def tables(self, key: str) -> list[TableReader]:
        """Note a list of tables."""
        inner = SchemaReader(f"[[{self._under(key)}]]")
        self.note(key, {"type": "array", "items": inner.schema})
        return [inner]

    def subtable(self, key: str, *, required: bool = False) -> TableReader:
        """Note a table."""
        inner = SchemaReader(f"[{self._under(key)}]")
        self.note(key, inner.schema, required=required)
        return inner

    def named_subtables(self, key: str) -> list[tuple[str, TableReader]]:
        """Note tables with names of the user's choice."""
        inner = SchemaReader(f"[{self._under(key)}.NAME]")
        self.note(key, {"type": "object", "additionalProperties": inner.schema})
        return [("name", inner)]

    def _under(self, key: str) -> str:
        outer = self.path.strip("[]")
        return f"{outer}.{key}" if outer else key


def _above(limit: float) -> Schema:
    return _NUMBER if limit == -math.inf else {**_NUMBER, "exclusiveMinimum": limit}


def study_schema() -> Schema:
    """Return the JSON schema (2020-12) of ``study.toml``."""
    reader = SchemaReader()
    build_study(reader, (), (), Path(), "")
    head = {"$schema": _DIALECT, "title": "Study file of bayes_alliance (study.toml)"}
    return head | reader.schema


def schema_text() -> str:
    """Return the schema as it is written to ``docs``."""
    return json.dumps(study_schema(), indent=1, ensure_ascii=False) + "\n"
