"""Modules and functions stay short enough to be read in one go."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "bayes_alliance"
MODULE_LINES, FUNCTION_LINES = 400, 60
# Functions of 41 to 60 lines put a record, a table or the steps of a command together, field by field: there are 78;
# few more may come.
AIM, OVER_AIM = 40, 85
# Longer, and why.
LONGER = {
    "cohorts/solver/kernel.py: evaluate_rows": "compiled by numba as one loop over patients",
    "inference/pymc/likelihood.py: _weigh": "compiled by numba: likelihood and gradient share results",
    "dev/benchmark/targets.py: list_claims": "a list of claims, one call each",
    "dev/invented_study.py: build_study": "one record, field by field",
}


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length of each function of a file, without its docstring."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            first = node.body[0]
            documented = ast.get_docstring(node) is not None and first.end_lineno is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            yield node.name, node.end_lineno - node.lineno + 1 - docstring


def test_no_module_is_too_long() -> None:
    """At most 400 lines."""
    long = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MODULE_LINES
    }
    assert long == {}


def test_no_function_is_too_long() -> None:
    """At most 60 lines without its docstring, but for those with a reason; none of the reasons is out of date."""
    long = {
        f"{path.relative_to(PACKAGE)}: {name}": lines
        for path in sorted(PACKAGE.rglob("*.py"))
        for name, lines in functions(path)
        if lines > FUNCTION_LINES
    }
    assert {name: lines for name, lines in long.items() if name not in LONGER} == {}
    assert set(LONGER) == set(long)


def test_no_more_functions_become_long() -> None:
    """Those of more than 40 lines are counted; a new one has to replace another."""
    over = [name for path in PACKAGE.rglob("*.py") for name, lines in functions(path) if lines > AIM]
    assert len(over) <= OVER_AIM
