"""Modules and functions stay short enough to be read in one go."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "bayes_alliance"
MODULE_LINES, FUNCTION_LINES, AIM = 400, 60, 40
# Compiled by numba: calls of smaller compiled functions in their loops cost time.
LONGER = {
    "cohorts/solver/kernel.py: evaluate_rows",
    "inference/pymc/likelihood.py: _weigh",
}
# A function of more than 40 lines says why in a comment above it, its decorators included.
MARK = "# Over 40 lines: "
LEAST_WORDS = 4


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function, its length without docstring, and the reason above it."""

    name: str
    lines: int
    reason: str


def functions(text: str) -> Iterator[Function]:
    """Every function of a module, nested ones and methods included."""
    source = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            first = node.body[0]
            documented = ast.get_docstring(node) is not None and first.end_lineno is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            start = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            above = source[start - 2].strip() if start > 1 else ""
            yield Function(
                name=node.name,
                lines=node.end_lineno - node.lineno + 1 - docstring,
                reason=above.removeprefix(MARK) if above.startswith(MARK) else "",
            )


def faults(text: str) -> list[str]:
    """Long functions without a reason, and reasons where there is no long function."""
    found = list(functions(text))
    wrong = [f.name for f in found if f.lines > AIM and len(f.reason.split()) < LEAST_WORDS]
    wrong += [f"{f.name}: a reason for {f.lines} lines" for f in found if f.lines <= AIM and f.reason]
    strays = text.count(MARK.strip()) - sum(bool(f.reason) for f in found)
    return wrong + ["a reason that stands above no function"] * strays


def test_no_module_is_too_long() -> None:
    """At most 400 lines."""
    long = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MODULE_LINES
    }
    assert long == {}


def test_no_function_is_too_long() -> None:
    """At most 60 lines without its docstring, but for two that numba compiles."""
    long = {
        f"{path.relative_to(PACKAGE)}: {function.name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for function in functions(path.read_text(encoding="utf-8"))
        if function.lines > FUNCTION_LINES
    }
    assert long == LONGER


def test_functions_over_40_lines_have_a_reason() -> None:
    """Each of them has a reason of its own above it, and no reason outlives its function's length."""
    wrong = {
        str(path.relative_to(PACKAGE)): found
        for path in sorted(PACKAGE.rglob("*.py"))
        if (found := faults(path.read_text(encoding="utf-8")))
    }
    assert wrong == {}


LONG = "def f():\n" + "    x = 1\n" * 40


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (LONG, ["f"]),
        (f"{MARK}columns\n{LONG}", ["f"]),
        (f"{MARK}the columns of one table\n@g\n{LONG}", []),
        (f"{MARK}the columns of one table\n\n{LONG}", ["f", "a reason that stands above no function"]),
        (f"{MARK}the columns of one table\ndef f():\n    x = 1\n", ["f: a reason for 2 lines"]),
    ],
)
def test_a_planted_fault_is_found(text: str, found: list[str]) -> None:
    """A long function without a reason, with one of a word, apart from it; a short one with a reason."""
    assert faults(text) == found
