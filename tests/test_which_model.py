"""The page "Which model is this in my paper?" runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bayes_alliance.api.frames import ModelFit
from bayes_alliance.api.structured import StructuredFit
from bayes_alliance.study.structured_formula import parse_residual, parse_structured

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "which_model.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_blocks_of_the_page_run(capsys: pytest.CaptureFixture[str]) -> None:
    """One after the other; each fit has a posterior whose Pareto k is sound, and differences at a visit agree."""
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(compile(block, "which_model.md", "exec"), names)
    fits = [value for value in names.values() if isinstance(value, StructuredFit)]
    assert isinstance(names["growth"], ModelFit)
    assert len(fits) == 8
    assert all(one.posterior is not None and one.posterior.pareto_k < 0.7 for one in fits)
    mmrm, last = names["mmrm"], names["last"]
    found = mmrm.effect(last)
    assert abs(mmrm.posterior.combine(last).mean() - found.estimate) < 0.5 * found.se
    assert "lower" in capsys.readouterr().out


def test_every_spelling_of_the_page_is_read() -> None:
    """The last column of each table is in the grammar."""
    head = ""
    for line in TEXT.splitlines():
        head = line if line.endswith(("here |", "`residual=` |", "`df=` |")) else head
        if not line.startswith("| ") or line == head or head.endswith("`df=` |"):
            continue
        last = line.replace(r"\|", "\0").split("|")[-2].strip().strip("`").replace("\0", "|")
        if last.startswith('"'):
            assert parse_residual(last.strip('"')).text == last.strip('"')
        else:
            assert parse_structured(f"y ~ week + {last}").parts
