"""Functions are compiled also where neither the installation nor the home can be written to."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import numba

from bayes_alliance.runtime import compiled as module
from bayes_alliance.runtime.compiled import compiled

PACKAGE = Path(__file__).resolve().parents[2] / "bayes_alliance"


def refuse_cache(*arguments: object, **options: object) -> object:
    """Stand in for numba where it finds no place for its cache."""
    if options.get("cache"):
        raise RuntimeError("cannot cache function: no locator available")
    return numba.jit(*arguments, nopython=True, **options)


def test_a_cache_that_cannot_be_written_is_done_without() -> None:
    """Numba's refusal to find a place for its cache is no error of a command."""
    with mock.patch.object(module.numba, "njit", refuse_cache):
        function = compiled(lambda x: x + 1.0)
    assert function(1.0) == 2.0


def test_nothing_asks_for_a_cache_by_itself() -> None:
    """Every function that is kept on disk is compiled by this module."""
    asking = [path.name for path in PACKAGE.rglob("*.py") if "cache=True" in path.read_text(encoding="utf-8")]
    assert asking == ["compiled.py"]
