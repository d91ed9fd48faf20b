"""Study files are untrusted: what is hostile is refused in words, and brings nothing else about."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bayes_alliance.study.formula import FormulaError, parse_formula
from tests.hostile import formulas

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Load every hostile file in one process with an audit hook."""
    folder = tmp_path_factory.mktemp("hostile")
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile_watch", str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_there_are_at_least_four_hundred(watched: dict[str, Any]) -> None:
    """Formulas and study files together."""
    assert len(watched["cases"]) >= 400


def test_every_hostile_study_is_refused_in_words(watched: dict[str, Any]) -> None:
    """An InputError that names the file, never another exception and never silence."""
    silent = [case["start"] for case in watched["cases"] if "study.toml" not in case["said"]]
    assert silent == []


def test_no_message_is_endless(watched: dict[str, Any]) -> None:
    """A huge value is not repeated to the user in full."""
    assert [case["start"] for case in watched["cases"] if len(case["said"]) > 10_000] == []


def test_no_hostile_study_has_a_side_effect(watched: dict[str, Any]) -> None:
    """No file written or read outside the folder, no process, import, socket, code or unpickling; the hook sees."""
    assert [(case["start"], case["seen"]) for case in watched["cases"] if case["seen"]] == []
    assert watched["untouched"]
    assert any(event.startswith("import") for event in watched["control"])


def test_no_hostile_study_takes_long(watched: dict[str, Any]) -> None:
    """Each within five seconds: products and nested brackets do not explode."""
    assert max(case["seconds"] for case in watched["cases"]) < 5.0


@pytest.mark.parametrize("formula", [f for f in formulas() if "(" in f and "~" in f][:60])
def test_the_parser_itself_gives_code_no_way_in(formula: str) -> None:
    """What parses at all holds nothing but names, 0, 1 and the operators of the grammar."""
    try:
        parsed = parse_formula(formula)
    except FormulaError:
        return
    assert set(parsed.text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_ ~+:|()")
