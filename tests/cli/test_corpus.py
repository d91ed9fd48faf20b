"""Defective files: the right message for each, exit code 2, nothing touched, no traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bayes_alliance.cli.main import main
from tests.corpus import CASES, WARNINGS, Case, write_case
from tests.corpus_study import join, sound_rows, write_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"))


def test_the_corpus_has_at_least_150_files_with_different_defects() -> None:
    """And no name stands twice."""
    names = [case.name for case in (*CASES, *WARNINGS)]
    assert len(CASES) >= 150
    assert len(set(names)) == len(names)


def test_the_sound_file_has_no_problem_and_no_warning(
    capsys: pytest.CaptureFixture[str], study: Path
) -> None:
    """Otherwise the corpus would prove nothing."""
    assert main(["check-data", str(study), str(study / "sound.csv"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["warnings"], found["models_skipped"]) == ([], {})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_defective_file_is_refused_with_the_right_message(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, study: Path, case: Case
) -> None:
    """Exit code 2, every part of what must be said, no cell shown, and an output folder that is as before."""
    path, options = write_case(case, tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.json").write_text("former")
    before = out.stat().st_mtime_ns
    code = main(["reanalyse", str(study), "--data", str(path), "--out", str(out), *options])
    captured = capsys.readouterr()
    assert code == 2, captured.err
    for part in case.said:
        assert part in captured.err
    assert "Traceback" not in captured.err
    assert (out.stat().st_mtime_ns, [p.name for p in out.iterdir()]) == (before, ["manifest.json"])
    assert (out / "manifest.json").read_text() == "former"


@pytest.mark.parametrize("case", WARNINGS, ids=lambda case: case.name)
def test_a_doubtful_file_is_read_with_a_warning(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, study: Path, case: Case
) -> None:
    """Exit code 0; the warning stands in the text and, as JSON, apart from problems."""
    path, options = write_case(case, tmp_path)
    assert main(["check-data", str(study), str(path), *options]) == 0
    text = capsys.readouterr().out
    assert main(["check-data", str(study), str(path), "--json", *options]) == 0
    warnings = json.loads(capsys.readouterr().out)["warnings"]
    for part in case.said:
        assert part in text
        assert any(part in warning for warning in warnings)


def test_show_values_shows_the_cell_and_nothing_else_does(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, study: Path
) -> None:
    """'found: ...' appears on request only."""
    case = next(case for case in CASES if case.name == "per_cent.csv")
    path, _ = write_case(case, tmp_path)
    assert main(["check-data", str(study), str(path)]) == 2
    assert "50%" not in capsys.readouterr().err
    assert main(["check-data", str(study), str(path), "--show-values"]) == 2
    assert "found: '50%'" in capsys.readouterr().err


def test_problems_as_json_have_their_parts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, study: Path
) -> None:
    """What, where, what is allowed and what to do, apart from each other."""
    case = next(case for case in CASES if case.name == "code_99.csv")
    path, _ = write_case(case, tmp_path)
    assert main(["check-data", str(study), str(path), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    (detail,) = found["details"]
    assert detail["where"] == "code_99.csv, line 3, column 'goals'"
    assert detail["allowed"] == "a number from 1 up to 7"
    assert detail["got"] == ""
    assert "--missing" in detail["fix"]


def test_text_from_files_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, study: Path
) -> None:
    """Escape sequences in labels, headers and names of sheets are printed without their power."""
    import pyreadstat

    from tests.corpus import frame, sheet, typed_rows

    escape = "\x1b]0;gone\x07\x1b[2J"
    pyreadstat.write_sav(frame(), str(tmp_path / "d.sav"), column_labels={"weight": f"Weight{escape}"})
    assert main(["check-data", str(study), str(tmp_path / "d.sav")]) == 0
    printed = capsys.readouterr().out
    assert "Weight" in printed
    sheet(typed_rows())(tmp_path / "d.xlsx")
    assert main(["check-data", str(study), str(tmp_path / "d.xlsx"), "--sheet", escape]) == 2
    (tmp_path / "d.csv").write_text(join(sound_rows()).replace("weight", f"weight{escape}", 1))
    assert main(["check-data", str(study), str(tmp_path / "d.csv")]) == 0
    captured = capsys.readouterr()
    assert not {"\x1b", "\x07"} & set(printed + captured.out + captured.err)
