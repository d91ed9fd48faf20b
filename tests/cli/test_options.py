"""One dialect: options that several commands share are the same in each of them."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from pathlib import Path

import pytest

from bayes_alliance.cli.main import _parser, main
from bayes_alliance.cli.parser import Parser, split_names, whole_number
from bayes_alliance.cli.progress import ProgressReporter
from bayes_alliance.errors import InputError
from bayes_alliance.runtime.progress import report_step
from bayes_alliance.study.load_study import load_study

SHARED = ("--seed", "--jobs", "--scheduler", "--json", "--quiet", "--data", "--patients", "--cohort")
# What these default to differs, and stands in their help; what they mean does not.
SAME_KIND = ("--out", "--models", "--prior")


def commands() -> dict[str, argparse.ArgumentParser]:
    """Every command, those of ``simulate`` included, by its words."""
    found: dict[str, argparse.ArgumentParser] = {}

    def visit(parser: argparse.ArgumentParser, words: str) -> None:
        inner = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        for action in inner:
            for name, child in action.choices.items():
                visit(child, f"{words} {name}".strip())
        if not inner:
            found[words] = parser

    visit(_parser(), "")
    return found


def facts(action: argparse.Action) -> tuple[object, ...]:
    kind = getattr(action.type, "__qualname__", action.type)
    return (type(action).__name__, action.dest, action.nargs, action.const, kind)


@pytest.mark.parametrize("option", SHARED)
def test_a_shared_option_is_the_same_everywhere(option: str) -> None:
    """Its kind, default, reader and help do not depend on the command."""
    found = {
        (*facts(action), str(action.default), action.metavar, action.help)
        for parser in commands().values()
        for action in parser._actions
        if option in action.option_strings
    }
    assert len(found) == 1


@pytest.mark.parametrize("option", SAME_KIND)
def test_an_option_with_its_own_default_is_of_one_kind(option: str) -> None:
    """A folder is a folder and names are names, and the help says what is taken without them."""
    actions = [
        action
        for parser in commands().values()
        for action in parser._actions
        if option in action.option_strings
    ]
    assert len({facts(action) for action in actions}) == 1
    assert all("default" in str(action.help) or action.required for action in actions)


def test_every_command_speaks_json_and_those_that_fit_have_a_seed() -> None:
    """`--json` is everywhere but in the commands that write a study file or its cells."""
    without = {words for words, parser in commands().items() if "--json" not in parser._option_string_actions}
    assert without == {"new-study", "new-cells"}
    seeded = {words for words, parser in commands().items() if "--seed" in parser._option_string_actions}
    assert seeded >= {"reanalyse", "fit", "fit-large", "cohort", "claims", "stress", "simulate sbc"}


def test_jobs_are_the_processors_that_may_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    """By default, in every command that has the option; not those of the whole machine."""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("no affinity on this system")
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        defaults = {
            words: parser.get_default("jobs")
            for words, parser in commands().items()
            if "--jobs" in parser._option_string_actions
        }
    finally:
        os.sched_setaffinity(0, before)
    assert set(defaults.values()) == {1} and len(defaults) >= 7


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("reanalise", "folmo2020"), "did you mean 'reanalyse'?"),
        (("fit", "medication", "--modle", "growth"), "did you mean '--model'?"),
        (("fit", "medication", "--models", "growth", "--engine", "colapsed"), "did you mean 'collapsed'?"),
        (("simulate", "pwer", "folmo2020"), "did you mean 'power'?"),
    ],
)
def test_a_mistyped_word_is_answered_by_the_nearest(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command, an option, a choice."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("models", "folmo2002"), "did you mean 'folmo2020'?"),
        (("fit", "medication", "--models", "grwoth", "--engine", "none"), "did you mean 'growth'?"),
        (("fit", "medication", "--models", "growth", "--prior", "nutral"), "did you mean 'neutral'?"),
        (("fit", "medication", "--models", "growth,treatment"), "one model is taken here"),
        (("stress", "medication", "--stress", "mising"), "did you mean 'missing'?"),
    ],
)
def test_a_mistyped_name_is_answered_by_the_nearest(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A study, a model, a prior set, a stress test."""
    out = ["--out", str(tmp_path)] if words[0] == "stress" else []
    assert main([*words, *out]) == 2
    assert said in capsys.readouterr().err


def test_models_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line each, or all of them as JSON, printed or in a file."""
    study = load_study("medication")
    assert main(["models", "medication"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [model.id for model in study.models]
    assert main(["models", "medication", "--json", str(tmp_path / "m.json")]) == 0
    assert capsys.readouterr().out.splitlines() == lines
    found = json.loads((tmp_path / "m.json").read_text())
    assert [one["formula"] for one in found] == [model.formula for model in study.models]


def test_whole_numbers_and_names_are_read_strictly() -> None:
    """Nothing but digits within the limits; names once each."""
    assert whole_number(0, 7)("7") == 7
    for text in ("8", "-1", "1.0", "x", "", "9" * 5000):
        with pytest.raises(argparse.ArgumentTypeError, match="whole number from 0 to 7"):
            whole_number(0, 7)(text)
    assert split_names(" a, b,,a") == ["a", "b"]


def test_progress_is_lines_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    """Piped: every step as a line. Quiet: warnings alone."""
    with ProgressReporter(quiet=False, bar=False) as report:
        report("begins")
        report_step(report, done=1, total=2, unit="models", line="[1/2] a")
    assert capsys.readouterr().err == "begins\n[1/2] a\n"
    with ProgressReporter(quiet=True) as report:
        report("begins")
        report_step(report, done=1, total=2, unit="models", line="[1/2] a")
        report("warning: look here")
    assert capsys.readouterr().err == "warning: look here\n"
    lines: list[str] = []
    report_step(lines.append, done=1, total=2, unit="models", line="[1/2] a")
    assert lines == ["[1/2] a"]


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count, rate and time left; lines stand above it; nothing of it is left when it ends."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "stderr", screen)
    with ProgressReporter(quiet=False) as report:
        for done in (1, 2, 3):
            report_step(report, done=done, total=4, unit="models fitted", line=f"[{done}/4]")
        report("a line between")
    text = screen.getvalue()
    assert "models fitted" in text and "3/4" in text and "left" in text
    assert "a line between" in text and "[3/4]" not in text


def test_the_parser_is_ours_all_the_way_down() -> None:
    """Subcommands suggest too."""
    assert all(isinstance(parser, Parser) for parser in commands().values())
    with pytest.raises(InputError, match="no such study"):
        load_study("nothing like it")
