"""The command ``claims``: what it prints and leaves, sources apart, and how it refuses what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from bayes_alliance.assess.verdict_words import Verdict
from bayes_alliance.cli.main import main
from tests.claims_study import CLAIMS, toy_frame, write_toy
from tests.legible import saved_figures_checked

WORDS = {verdict.value for verdict in Verdict}


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Run the whole command on the toy's own file, once; give study and results."""
    place = tmp_path_factory.mktemp("claims")
    study = write_toy(place / "toy", frame=toy_frame(40))
    with saved_figures_checked() as seen:
        assert main(["claims", str(study), "--out", str(place / "out"), "--jobs", "1", "--quiet"]) == 0
    assert seen == ["claims_overview", "specification_curve_outcome_deviation"]
    return study, place / "out"


def test_everything_is_left_as_csv_markdown_json_and_figures(finished: tuple[Path, Path]) -> None:
    """Tables in both forms, the overview and the curve in four, the specifications as Parquet."""
    _, out = finished
    tables = {path.stem for path in out.glob("*.md")}
    assert tables == {
        "claims", "claim_parts", "claim_priors", "claim_sensitivity", "claim_patients", "claim_multiverse",
        "claim_multiverse_options", "claim_changes", "claim_prior_weight",
    }  # fmt: skip
    for stem in tables:
        assert (out / f"{stem}.csv").read_text().startswith("provenance,")
    for figure in ("claims_overview", "specification_curve_outcome_deviation"):
        assert all((out / f"{figure}.{kind}").stat().st_size > 500 for kind in ("pdf", "svg", "png", "csv"))
    specifications = pd.read_parquet(out / "specifications.parquet")
    assert specifications["provenance"].str.startswith("synthetic").all()
    assert set(specifications["verdict"]) <= WORDS
    assert len(list((out / "kept" / "multiverse").glob("*.parquet"))) == 6


def test_the_table_fits_a_terminal_and_says_every_claim(
    finished: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 80 and at 100 columns; every sentence is there, word for word once the lines are joined."""
    study, out = finished
    for columns in ("80", "100", "300"):
        monkeypatch.setenv("COLUMNS", columns)
        code, text, _ = run(capsys, "claims", study, "--out", out, "--quick", "--quiet", "--jobs", "1")
        assert code == 0
        assert max(map(len, text.splitlines())) <= max(min(int(columns), 100), 80)
        for word in ("SYNTHETIC DATA", "supported", "applicable"):
            assert word in text
        for part in ("Scores increased", "Outcome", "explains"):
            assert part in text


def test_json_holds_sources_apart_and_traces(
    finished: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """What is printed is what is stored; every judged part has seeds, digests and the number of draws."""
    study, out = finished
    stored = json.loads((out / "claims.json").read_text())
    assert stored["rows_at_hand"]["source"] == "synthetic"
    assert [claim["id"] for claim in stored["claims"]][:2] == ["grows", "differs"]
    for claim in stored["claims"]:
        assert claim["printed"]["verdict"] == "not applicable"  # the toy prints nothing
        assert claim["real"] is None
    _, text, _ = run(capsys, "claims", study, "--out", out, "--quick", "--quiet", "--json", "--jobs", "1")
    assert json.loads(text)["claims"][1]["id"] == "differs"


def test_a_file_given_is_real_data_and_never_mixed_with_the_rest(
    finished: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its verdicts stand in a column of their own, with the file's name as origin and a trace of its rows."""
    study, _ = finished
    file = tmp_path / "mine.csv"
    toy_frame(40, difference=1.5, seed=8).to_csv(file, index=False)
    code, text, _ = run(
        capsys,
        "claims",
        study,
        "--data",
        file,
        "--out",
        tmp_path / "out",
        "--quick",
        "--quiet",
        "--jobs",
        "1",
    )
    assert code == 0
    assert "real data, mine.csv" in text.replace("\n", " ")
    stored = json.loads((tmp_path / "out" / "claims.json").read_text())
    differs = stored["claims"][1]
    assert differs["real"]["verdict"] == "contradicted"
    assert differs["synthetic"]["cohorts"] == {}
    assert all(part["trace"]["seeds"] for part in differs["real"]["parts"])
    parts = pd.read_csv(tmp_path / "out" / "claim_parts.csv")
    assert set(parts.loc[parts["origin"] == "mine.csv", "source"]) == {"real data"}


def test_nothing_of_single_patients_is_left(finished: tuple[Path, Path]) -> None:
    """No identifier of a patient stands in any file."""
    _, out = finished
    for path in out.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"p001" not in content and b"p017" not in content, path.name


def test_bad_input_is_refused_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], finished: tuple[Path, Path]
) -> None:
    """A broken claim, a study without claims, a cohort that there is not, a file as folder, a bad number."""
    broken = write_toy(tmp_path / "broken", claims=CLAIMS.replace('relation = "below"', 'relation = "x"'))
    assert run(capsys, "claims", broken)[0] == 2
    code, _, err = run(capsys, "claims", write_toy(tmp_path / "bare", claims=""))
    assert code == 2 and "claims.toml" in err
    code, _, err = run(capsys, "claims", "folmo2020", "--cohort", "99", "--out", tmp_path / "none")
    assert code == 2 and "no such cohort" in err
    assert not (tmp_path / "none").exists()
    (tmp_path / "file").write_text("")
    code, _, err = run(capsys, "claims", finished[0], "--out", tmp_path / "file", "--quick")
    assert code == 2 and "file of this name" in err
    assert run(capsys, "claims", finished[0], "--jobs", "0")[0] == 2


def test_progress_goes_to_stderr_and_quiet_is_quiet(
    finished: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines of progress name what is counted."""
    code, _, err = run(capsys, "claims", finished[0], "--out", tmp_path / "out", "--quick", "--jobs", "1")
    assert code == 0 and "sources and priors" in err
    code, _, err = run(
        capsys, "claims", finished[0], "--out", tmp_path / "out", "--quick", "--jobs", "1", "--quiet"
    )
    assert (code, err) == (0, "")
