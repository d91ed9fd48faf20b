"""Modules and functions stay short enough to be read in one go."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "bayes_alliance"
MODULE_LINES, FUNCTION_LINES = 400, 60
# Longer, and why.
LONGER = {
    "cohorts/solver/kernel.py: evaluate_rows": "compiled by numba as one loop over patients",
    "inference/pymc/likelihood.py: _weigh": "compiled by numba: likelihood and gradient share results",
}
# A function of more than 40 lines lays arguments, fields of a record or columns of a table out one a line, so it has
# few statements for its length; there are 82 of these, and few more may come. One with more statements has a reason.
AIM, OVER_AIM, STATEMENTS = 40, 85, 32
MANY_STATEMENTS = {
    **LONGER,
    "claims/ledger_file.py: _completed": "one rule after another on the same part, each with its message",
    "cli/reanalyse.py: _reanalyse": "the steps of the command in their order",
    "cohorts/solver/demands.py: _line": "value and derivative of each kind of printed number",
    "cohorts/solver/kernel.py: weigh_rows": "compiled by numba as one loop over patients",
    "dev/dialects.py: _fit": "prints each measure of fit in turn",
    "run/plan.py: plan_model": "one reason after another why rows cannot carry a model",
}


def functions(path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, lines and statements of each function of a file, without its docstring."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            first = node.body[0]
            documented = ast.get_docstring(node) is not None and first.end_lineno is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            statements = sum(isinstance(part, ast.stmt) for part in ast.walk(node)) - 1 - documented
            yield node.name, node.end_lineno - node.lineno + 1 - docstring, statements


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
        for name, lines, _ in functions(path)
        if lines > FUNCTION_LINES
    }
    assert {name: lines for name, lines in long.items() if name not in LONGER} == {}
    assert set(LONGER) == set(long)


def test_long_functions_are_lists_of_arguments_or_have_a_reason() -> None:
    """Those of more than 40 lines are counted, a new one has to replace another; many statements need a reason."""
    over = {
        f"{path.relative_to(PACKAGE)}: {name}": statements
        for path in sorted(PACKAGE.rglob("*.py"))
        for name, lines, statements in functions(path)
        if lines > AIM
    }
    assert len(over) <= OVER_AIM
    assert {name for name, statements in over.items() if statements > STATEMENTS} == set(MANY_STATEMENTS)
