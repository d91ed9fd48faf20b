"""Nothing that a run did not make is overwritten; what it made, or left half done, may be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bayes_alliance.errors import InputError
from bayes_alliance.runtime.files import write_whole
from bayes_alliance.runtime.own_files import claim_folder, own_folder, record_folder


def run_into(folder: Path, text: str = "1") -> None:
    with own_folder(folder):
        (folder / "tables").mkdir(exist_ok=True)
        write_whole(folder / "tables" / "a.csv", text)
        write_whole(folder / "report.html", text)


def test_a_second_run_replaces_what_the_first_made(tmp_path: Path) -> None:
    """And a folder that does not exist is made."""
    run_into(tmp_path / "out")
    run_into(tmp_path / "out", "2")
    assert (tmp_path / "out" / "tables" / "a.csv").read_text() == "2"


@pytest.mark.parametrize(
    "name",
    ["report.html", "manifest.json", "tables/estimands.csv", "figures/a.svg", "patients/fig1_growth.svg"],
)
def test_files_of_somebody_else_are_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    """Wherever a run would write."""
    foreign = tmp_path / name
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text('{"mine": 1}')
    with pytest.raises(InputError, match="was not made by this command"):
        run_into(tmp_path)
    assert foreign.read_text() == '{"mine": 1}'
    assert not (tmp_path / ".bayes-alliance.json").exists()


def test_a_table_changed_by_hand_is_refused(tmp_path: Path) -> None:
    """It names the file; put back as it was, the run goes on."""
    run_into(tmp_path)
    (tmp_path / "tables" / "a.csv").write_text("mine")
    with pytest.raises(InputError, match=r"tables/a\.csv was changed since"):
        run_into(tmp_path)
    assert (tmp_path / "tables" / "a.csv").read_text() == "mine"
    (tmp_path / "tables" / "a.csv").write_text("1")
    run_into(tmp_path, "2")


def test_other_files_may_lie_beside_results(tmp_path: Path) -> None:
    """A note put into a folder of results stays, and is not replaced where a later run has its name."""
    run_into(tmp_path)
    (tmp_path / "tables" / "note.md").write_text("mine")
    run_into(tmp_path, "2")
    with pytest.raises(InputError, match=r"note\.md was not made"), own_folder(tmp_path):
        write_whole(tmp_path / "tables" / "note.md", "theirs")
    assert (tmp_path / "tables" / "note.md").read_text() == "mine"


@pytest.mark.parametrize("name", ["fig1_growth.svg", "README.txt"])
def test_a_drawing_of_somebody_else_is_not_replaced_by_one_of_patients(name: str, tmp_path: Path) -> None:
    """A folder of results had no ``patients`` before; what was put into it stays, and what a run drew is its own."""
    run_into(tmp_path)
    (tmp_path / "patients").mkdir()
    (tmp_path / "patients" / name).write_text("mine")
    with pytest.raises(InputError, match=f"patients/{name} was not made"), own_folder(tmp_path):
        write_whole(tmp_path / "patients" / name, "theirs")
    assert (tmp_path / "patients" / name).read_text() == "mine"
    with own_folder(tmp_path):
        write_whole(tmp_path / "patients" / "own.svg", "1")
    with own_folder(tmp_path):
        write_whole(tmp_path / "patients" / "own.svg", "2")


def test_what_a_killed_run_left_is_replaced(tmp_path: Path) -> None:
    """A run that never ended leaves files that its ledger does not know."""
    claim_folder(tmp_path)
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "a.csv").write_text("half")
    run_into(tmp_path)
    assert (tmp_path / "tables" / "a.csv").read_text() == "1"


def test_a_damaged_ledger_makes_every_file_somebody_elses(tmp_path: Path) -> None:
    """Deeply nested, too."""
    run_into(tmp_path)
    for damaged in ("{", "[" * 100_000, '{"files": 3}', json.dumps({"files": {}, "foreign": 1})):
        (tmp_path / ".bayes-alliance.json").write_text(damaged)
        with pytest.raises(InputError, match="was not made by this command"):
            run_into(tmp_path)


def test_a_run_of_a_version_without_ledger_is_known_by_its_manifest(tmp_path: Path) -> None:
    """Its files are replaced while they are as it left them."""
    run_into(tmp_path)
    ledger = tmp_path / ".bayes-alliance.json"
    record_folder(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({"files": json.loads(ledger.read_text())["files"]}))
    ledger.unlink()
    run_into(tmp_path, "2")
    assert (tmp_path / "report.html").read_text() == "2"
