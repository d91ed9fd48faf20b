"""The guide says what the program does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from bayes_alliance.cli.main import main
from bayes_alliance.data.readers import READERS

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "your_own_study.md"
TEXT = GUIDE.read_text(encoding="utf-8")


def test_the_guide_names_every_kind_of_file() -> None:
    """Its table has the endings of the registry."""
    table = "".join(line.split("|")[1] for line in TEXT.splitlines() if line.startswith("| `."))
    assert set(re.findall(r"`(\.\w+)`", table)) == set(READERS)


def test_the_options_of_the_guide_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """Each is in the help of a command."""
    shown = ""
    for command in ("new-study", "check-data", "reanalyse"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        shown += capsys.readouterr().out
    options = set(re.findall(r"--[a-z][a-z-]+", TEXT))
    assert len(options) > 15
    assert {option for option in options if option not in shown} == set()


def test_the_blocks_of_the_guide_are_toml() -> None:
    """And their keys are read by the study file (see test_data_section)."""
    blocks = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 2
    assert all("data" in tomllib.loads(block) for block in blocks)


def test_the_first_commands_of_the_guide_print_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Line by line, in the order given."""
    commands = re.search(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    assert commands is not None
    (tmp_path / "models").symlink_to(GUIDE.parent.parent / "models")
    monkeypatch.chdir(tmp_path)
    shown = [block for block in TEXT.split("```")[1::2] if block.startswith("\n")]
    for line, expected in zip(commands[1].strip().splitlines(), shown, strict=False):
        program, *arguments = line.split()
        assert program == "bayes-alliance"
        assert main(arguments) == 0
        printed = capsys.readouterr().out
        for part in expected.strip().splitlines():
            assert part == "  ..." or part in printed.splitlines()
