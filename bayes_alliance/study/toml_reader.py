"""Reading a TOML table key by key while collecting every problem, instead of stopping at the first.

Knows nothing of studies: :mod:`bayes_alliance.study.load_study` says which keys mean what.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from bayes_alliance.errors import MAX_LISTED, Problem, did_you_mean

IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")


class TableReader:
    """One TOML table being read; problems go to a list shared by all tables of the file.

    Parameters
    ----------
    table : mapping
        The table.
    where : str
        File and table, for messages.
    problems : list of Problem
        Collects what is wrong.
    """

    def __init__(self, table: Mapping[str, Any], where: str, problems: list[Problem]) -> None:
        self.table = table
        self.where = where
        self.problems = problems
        self.known: set[str] = set()

    def complain(self, what: str, key: str = "", **parts: str) -> None:
        """Record a problem of this table, at a key if one is given."""
        where = f"{self.where}, key {key!r}" if key else self.where
        self.problems.append(Problem(what=what, where=where, **parts))

    def take(self, key: str, kinds: tuple[type, ...], wanted: str, default: Any, required: bool) -> Any:
        """Take one value, or the default where the key is absent or of the wrong type."""
        self.known.add(key)
        if key not in self.table:
            if required:
                self.complain("the key is missing", key, allowed=wanted)
            return default
        value = self.table[key]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            self.complain("wrong type", key, got=_short(value), allowed=wanted)
            return default
        if any(_CONTROL.search(text) for text in _texts_in(value)):
            self.complain("holds a control character, which no page and no drawing can show", key)
        return value

    def text(self, key: str, *, default: str | None = None, choices: Iterable[str] = ()) -> str:
        """Take a string; required, and then not empty, unless a default is given."""
        options = tuple(str(choice) for choice in choices)
        wanted = f"one of {', '.join(options)}" if options else "a string"
        fallback = default if default is not None else next(iter(options), "")
        value: str = self.take(key, (str,), wanted, fallback, default is None)
        if options and value not in options:
            self.complain(
                "unknown value", key, got=_short(value), allowed=wanted, fix=did_you_mean(value, options)
            )
            return fallback
        if default is None and key in self.table and not value.strip() and isinstance(self.table[key], str):
            self.complain("is empty", key, allowed=wanted)
        return value

    def identifier(self, key: str, *, default: str | None = None) -> str:
        """Take a name that is safe as a key and as part of a file name; an empty default stays empty."""
        value = self.text(key, default=default)
        if value.strip() and not IDENTIFIER.fullmatch(value):
            self.complain_of_name(value, key)
        return value

    def complain_of_name(self, name: str, key: str = "") -> None:
        """Record that a name is not an identifier."""
        allowed = "a letter, then letters, digits and underscores, 64 characters at most"
        self.complain("not an identifier", key, got=_short(name), allowed=allowed)

    def number(self, key: str, *, default: float | None = None, above: float = -math.inf) -> float:
        """Take a finite number greater than ``above``; required unless a default is given."""
        fallback = math.nan if default is None else default
        value = self.take(key, (int, float), "a number", None, default is None)
        return fallback if value is None else self._in_range(key, _as_float(value), above)

    def integer(self, key: str, *, default: int, least: int, most: int) -> int:
        """Take a whole number from ``least`` to ``most``."""
        wanted = f"a whole number from {least} to {most}"
        value: int = self.take(key, (int,), wanted, default, False)
        if not least <= value <= most:
            self.complain("not permitted", key, got=_short(value), allowed=wanted)
            return default
        return value

    def optional_number(self, key: str, *, above: float = -math.inf) -> float | None:
        """Take a finite number greater than ``above``, or None where the key is absent."""
        if key not in self.table:
            self.known.add(key)
            return None
        return self.number(key, above=above)

    def flag(self, key: str, *, default: bool) -> bool:
        """Take true or false."""
        value: bool = self.take(key, (bool,), "true or false", default, False)
        return value

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """Take a list of strings; where it is required, of at least one."""
        value = self.take(key, (list,), "a list of strings", [], required)
        if not all(isinstance(item, str) for item in value):
            self.complain("wrong type", key, got=_short(value), allowed="a list of strings")
            return ()
        if required and value == [] and isinstance(self.table.get(key), list):
            self.complain("is empty", key, allowed="at least one string")
        return tuple(value)

    def codes(self, key: str) -> tuple[str, ...]:
        """Take a list of strings and finite numbers, which become text with a decimal point."""
        value = self.take(key, (list,), "a list of codes", [], False)
        if not all(
            isinstance(item, str) or (_is_number(item) and math.isfinite(_as_float(item))) for item in value
        ):
            self.complain("wrong type", key, got=_short(value), allowed="a list of strings or numbers")
            return ()
        return tuple(item if isinstance(item, str) else f"{_as_float(item):.15g}" for item in value)

    def pair(self, key: str) -> tuple[float, float]:
        """Take ``[mean, sd]``, finite and with sd > 0."""
        value = self.take(key, (list,), "[mean, sd]", None, True)
        if value is None:
            return math.nan, math.nan
        if len(value) != 2 or not all(_is_number(item) for item in value):
            self.complain("wrong type", key, got=_short(value), allowed="[mean, sd]")
            return math.nan, math.nan
        mean = self._in_range(key, _as_float(value[0]), -math.inf)
        return mean, self._in_range(key, _as_float(value[1]), 0.0)

    def pairs_by_name(self) -> tuple[tuple[str, tuple[float, float]], ...]:
        """Take every key of this table as ``[mean, sd]``."""
        return tuple((name, self.pair(name)) for name in self.table)

    def numbers_by_name(self, key: str) -> tuple[tuple[str, float], ...]:
        """Take a table from names to finite numbers."""
        pairs = []
        for name, value in self.take(key, (dict,), "a table of numbers", {}, False).items():
            if _is_number(value) and math.isfinite(_as_float(value)):
                pairs.append((name, _as_float(value)))
            else:
                self.complain("wrong type", f"{key}.{name}", got=_short(value), allowed="a finite number")
        return tuple(pairs)

    def values_by_name(self, key: str) -> tuple[tuple[str, float | str], ...]:
        """Take a table from names to finite numbers or strings."""
        pairs: list[tuple[str, float | str]] = []
        for name, value in self.take(key, (dict,), "a table of values", {}, True).items():
            if isinstance(value, str):
                pairs.append((name, value))
            elif _is_number(value) and math.isfinite(_as_float(value)):
                pairs.append((name, _as_float(value)))
            else:
                allowed = "a finite number or a string"
                self.complain("wrong type", f"{key}.{name}", got=_short(value), allowed=allowed)
        return tuple(pairs)

    def texts_by_name(self, key: str) -> tuple[tuple[str, str], ...]:
        """Take a table from names to strings; none where it is absent."""
        return TableReader(
            self.take(key, (dict,), "a table of strings", {}, False), f"{self.where}, [{key}]", self.problems
        ).every_text()

    def every_text(self) -> tuple[tuple[str, str], ...]:
        """Take every key of this table as a string or a number, which becomes text with a decimal point."""
        pairs = []
        for name, value in self.table.items():
            self.known.add(name)
            if isinstance(value, float) and math.isfinite(value):
                pairs.append((name, repr(value)))
            elif isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
                pairs.append((name, _digits(value)))
            else:
                self.complain("wrong type", name, got=_short(value), allowed="a string or a finite number")
        return tuple(pairs)

    def tables(self, key: str) -> list[TableReader]:
        """Take a list of tables (``[[key]]``)."""
        value = self.take(key, (list,), f"tables [[{key}]]", [], False)
        readers = []
        for number, item in enumerate(value, start=1):
            if isinstance(item, dict):
                label = item.get("id") or item.get("name") or f"number {number}"
                shown = label if isinstance(label, str) and len(label) <= 64 else f"number {number}"
                readers.append(TableReader(item, f"{self.where}, [[{key}]] {shown}", self.problems))
            else:
                self.complain("wrong type", key, got=_short(item), allowed="a table")
        return readers

    def subtable(self, key: str, *, required: bool = False) -> TableReader:
        """Take one table (``[key]``), empty where it is absent."""
        value = self.take(key, (dict,), f"a table [{key}]", {}, required)
        return TableReader(value, f"{self.where}, [{key}]", self.problems)

    def named_subtables(self, key: str) -> list[tuple[str, TableReader]]:
        """Take ``[key.name]`` tables, as (name, reader)."""
        parent = self.subtable(key)
        return [(name, parent.subtable(name)) for name in parent.table]

    def finish(self) -> None:
        """Complain of every key that nothing asked for."""
        for key in self.table:
            if key not in self.known:
                # Of more problems than are shown, none needs a suggestion.
                shown = len(self.problems) < MAX_LISTED
                options, fix = ", ".join(sorted(self.known)), did_you_mean(key, self.known) if shown else ""
                self.complain("unknown key", key, allowed=options, fix=fix)

    def _in_range(self, key: str, value: float, above: float) -> float:
        if not (math.isfinite(value) and value > above):
            limit = "a finite number" if above == -math.inf else f"a finite number above {above:g}"
            self.complain("not permitted", key, got=f"{value:g}", allowed=limit)
        return value


def _texts_in(value: object) -> list[str]:
    """Return a text, or those of a list."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _as_float(value: float) -> float:
    """Convert; an integer beyond the range of floats becomes infinite, which no check lets pass."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _digits(value: str | int) -> str:
    """Return a whole number as text; one of thousands of digits, which Python refuses to print, as ``inf``."""
    return (
        value if isinstance(value, str) else f"{_as_float(value):.17g}" if abs(value) >= 2**53 else str(value)
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
