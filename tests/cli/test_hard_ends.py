"""What ends a command hard elsewhere is a message here: memory, odd streams, odd names, damaged records."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from bayes_alliance.cli import lists
from bayes_alliance.cli.main import main
from bayes_alliance.data.readers import read_table
from bayes_alliance.errors import InputError
from bayes_alliance.run.manifest import find_finished
from bayes_alliance.study.records import ReadOptions


def test_out_of_memory_is_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    """With what to do; no traceback."""
    with mock.patch.object(lists, "_studies", side_effect=MemoryError):
        assert main(["studies"]) == 1
    assert "out of memory; to do: fewer draws" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"files": ' * 50_000, "null", "[1]", '{"files": {"/dev/zero": "x"}, "checksum": 1}'],
)
def test_a_damaged_manifest_is_no_finished_run(text: str, tmp_path: Path) -> None:
    """Deeply nested, of another kind, or naming a device: the run is made."""
    (tmp_path / "manifest.json").write_text(text)
    assert find_finished(tmp_path, {}) is None


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes")
def test_a_name_that_is_not_utf8_is_refused_before_any_work(tmp_path: Path) -> None:
    """It could not be written into a table after all the work."""
    path = tmp_path / os.fsdecode(b"d\xe5ta.csv")
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="its name is not UTF-8"):
        read_table(path, ReadOptions())


@pytest.mark.parametrize("command", ["studies >&-", "studies 2>&-", "studies | cat"])
def test_a_closed_or_narrow_stream_ends_no_command(command: str) -> None:
    """Stdout closed, stderr closed, and an encoding without the letters of a title."""
    done = subprocess.run(
        ["bash", "-c", f"PYTHONIOENCODING=ascii {sys.executable} -m bayes_alliance.cli.main {command}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
