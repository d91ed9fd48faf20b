"""No option overwrites an input or a file of somebody else's; that is said before any work."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from bayes_alliance.cli.main import main
from tests.corpus_study import join, sound_rows, write_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = write_study(tmp_path / "study")
    (folder / "sound.csv").write_text(join(sound_rows()))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "notes.json").write_text('{"mine": 1}')
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        archive.writestr("mine", "1")
    return folder


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str], folder: Path) -> str:
    """Run a command that must be refused without a change to any file; return its message."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert main(arguments) == 2
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


@pytest.mark.parametrize(
    "target", ["study/sound.csv", "study/study.toml", "notes.txt", "notes.json", "mine.zip", "study"]
)
def test_fit_writes_its_numbers_over_nothing(
    target: str, study: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """--json names the data, the study file, or a file that no run made."""
    data = ["--data", str(study / "sound.csv")]
    arguments = [
        "fit",
        str(study),
        *data,
        "--model",
        "growth",
        "--engine",
        "none",
        "--json",
        str(tmp_path / target),
    ]
    assert "option --json" in refused(arguments, capsys, tmp_path)


@pytest.mark.parametrize(
    "target", ["study/sound.csv", "study/study.toml", "notes.txt", "mine.zip", "nowhere/b.zip"]
)
def test_a_bundle_is_written_over_nothing(
    target: str, study: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """--share names the data, the study file, a file of somebody else's, or no folder."""
    arguments = ["reanalyse", str(study), "--out", str(tmp_path / "out"), "--share", str(tmp_path / target)]
    assert "option --share" in refused(arguments, capsys, tmp_path)


@pytest.mark.parametrize("command", ["reanalyse", "claims", "stress", "cohort"])
@pytest.mark.parametrize("out", ["", "."])
def test_the_working_folder_is_not_filled(
    command: str, out: str, study: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """An --out that is empty means the folder in which the command is given."""
    monkeypatch.chdir(tmp_path)
    assert "working folder" in refused([command, str(study), "--out", out], capsys, tmp_path)


def test_own_numbers_are_replaced(study: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The JSON of an earlier fit."""
    path = tmp_path / "numbers.json"
    arguments = ["fit", str(study), "--model", "growth", "--engine", "none", "--json", str(path)]
    assert main(arguments) == 0
    first = path.read_bytes()
    assert main(arguments) == 0
    assert path.read_bytes() == first


def test_a_folder_with_other_files_is_refused_before_any_fit(
    study: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Reanalyse --out with a report.html of somebody else's."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("mine")
    said = refused(
        ["reanalyse", str(study), "--engine", "none", "--out", str(out), "--quiet"], capsys, tmp_path
    )
    assert "report.html was not made by this command" in said
