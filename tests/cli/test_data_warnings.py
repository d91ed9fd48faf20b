"""Every command that reads data says what it was warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayes_alliance.cli.main import main
from tests.claims_study import toy_frame, write_toy

FEW = ("--studies", "2", "--jobs", "1", "--engine", "none")


@pytest.mark.parametrize(
    "command",
    [("claims", "--quick", "--jobs", "1"), ("simulate", "power", "--n-patients", "14", *FEW)],
    ids=["claims", "simulate"],
)
def test_a_patient_under_two_spellings_is_told(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the letters; neither identifier is shown, as the folder may be published, asked for or not."""
    frame = toy_frame(14, seed=3)
    first = frame["patient"].iloc[0]
    names = {name: f"PA{number}" for number, name in enumerate(frame["patient"].unique())}
    frame["patient"] = frame["patient"].map(names)
    last = frame.index[frame["patient"] == names[first]][-1]
    frame.loc[last, "patient"] = "P\u0410" + names[first][2:]
    folder = write_toy(tmp_path / "toy", frame=frame)
    data = folder / "rows.csv"
    words = command[:2] if command[0] == "simulate" else command[:1]
    main([*words, str(folder), "--data", str(data), *command[len(words):], "--out", str(tmp_path / "out"),
          "--show-values"])  # fmt: skip
    said = capsys.readouterr()
    assert "identifiers differ from others" in said.err and "CYRILLIC CAPITAL LETTER A" in said.err
    assert "PA0" not in said.err + said.out and "u0410" not in said.err + said.out
