"""The commands audit and printed, their tables and figures."""

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from bayes_alliance.cli.main import main
from bayes_alliance.runtime.own_files import LEDGER
from tests.legible import saved_figures_checked


def test_audit_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """'audit' prints what is not consistent, ends with the counts and writes its tables."""
    assert main(["audit", "folmo2020", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "inconsistent: AIC against estimates" in printed
    assert "10 inconsistent" in printed.splitlines()[-1]
    assert {path.name for path in tmp_path.iterdir() if path.name != LEDGER} == {
        f"{name}.{ending}"
        for name in ("audit", "audit_counts", "forensics", "readings")
        for ending in ("csv", "md", "tex", "html", "docx")
    }


def test_audit_json(capsys: pytest.CaptureFixture[str]) -> None:
    """'audit --json' gives every finding with verdict, reasoning and alternatives."""
    assert main(["audit", "folmo2020", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    findings = found["tables"]["audit"]
    assert {row["verdict"] for row in findings} == {
        "consistent",
        "inconsistent",
        "cannot tell",
        "not testable",
    }
    assert len(findings) == sum(
        row[v]
        for row in found["tables"]["audit_counts"][:-1]
        for v in ("consistent", "inconsistent", "cannot tell", "not testable")
    )


def test_printed_writes_tables_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """'printed' writes posteriors, reverse-Bayes, interaction and both figures with the numbers they show."""
    with saved_figures_checked() as seen:
        assert main(["printed", "folmo2020", "--prior", "sceptical", "--out", str(tmp_path)]) == 0
    assert seen == ["prior_to_posterior_sceptical", "reverse_bayes"]
    assert "posteriors" in capsys.readouterr().out.splitlines()[-1]
    for name in ("printed_posteriors", "printed_slope_deviations", "reverse_bayes", "interaction"):
        assert (tmp_path / f"{name}.md").exists()
    for name in ("prior_to_posterior_sceptical", "reverse_bayes"):
        assert all(
            (tmp_path / f"{name}.{ending}").stat().st_size > 0 for ending in ("pdf", "svg", "png", "csv")
        )
    with (tmp_path / "prior_to_posterior_sceptical.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    cells = {row["cell"] for row in rows}
    assert len(cells) == 7
    for row in rows:
        low, middle, high = (float(row[key]) for key in ("band_low", "posterior_density", "band_high"))
        assert low - 0.02 * high - 1e-9 <= middle <= high * 1.02 + 1e-9


def test_printed_draws_in_a_style(tmp_path: Path) -> None:
    """Slides are larger, for this command alone."""
    for style in ("journal", "slides", "journal"):
        arguments = ["printed", "folmo2020", "--prior", "sceptical", "--style", style]
        assert main([*arguments, "--out", str(tmp_path / style)]) == 0
    widths = {
        style: Image.open(tmp_path / style / "reverse_bayes.png").width for style in ("journal", "slides")
    }
    assert widths["slides"] == pytest.approx(1.85 * widths["journal"], abs=2)


def test_printed_json_is_finite(capsys: pytest.CaptureFixture[str]) -> None:
    """'printed --json' is valid JSON in points over the horizon and per month."""
    assert main(["printed", "folmo2020", "--prior", "neutral", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["tables"]["printed_slope_deviations"]
    tasks = next(row for row in rows if row["printed"] == "-0.03 (0.01)***")
    assert tasks["mean"] == pytest.approx(36 * tasks["mean_raw"])
    assert tasks["lower"] < tasks["mean"] < tasks["upper"] < 0.0
    assert tasks["direction"] == "below zero"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["printed", "folmo2020", "--prior", "none"], "no such prior set"),
        (["audit", "medication"], "no printed cells"),
        (["audit", "nowhere"], "no such study"),
    ],
)
def test_mistakes(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake is said in words, with exit code 2."""
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_documentation_shows_what_the_commands_give(tmp_path: Path) -> None:
    """Every row of a computed table in docs/audit_folmo2020.md is a row that the commands write."""
    for command in ("audit", "printed"):
        assert main([command, "folmo2020", "--out", str(tmp_path)]) == 0
    written = {
        line for path in tmp_path.glob("*.md") for line in path.read_text(encoding="utf-8").splitlines()
    }
    document = Path(__file__).resolve().parents[2] / "docs" / "audit_folmo2020.md"
    shown = document.read_text(encoding="utf-8").split("## How far this can be trusted")[0].splitlines()
    rows = [line for line in shown if line.startswith("| ")]
    assert len(rows) > 50
    assert [line for line in rows if line not in written] == []


@pytest.mark.parametrize("command", ["audit", "printed"])
def test_a_study_of_few_cells_is_written_too(command: str, tmp_path: Path) -> None:
    """A table without rows is left out; it ended the command in a traceback."""
    assert main([command, "kokkeler2020", "--out", str(tmp_path)]) == 0
    written = {path.stem for path in tmp_path.glob("*.csv")}
    assert written and all(len((tmp_path / f"{name}.csv").read_text().splitlines()) > 1 for name in written)
