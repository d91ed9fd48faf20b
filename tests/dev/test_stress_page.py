"""The page on stress tests shows what is stored, and what is stored is about the cohorts that ship."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bayes_alliance.dev.ensemble_page import ensemble_digest, shipped
from bayes_alliance.dev.stress_numbers import PARTS, conditioning
from bayes_alliance.dev.stress_page import STORE, marks, stress_page
from bayes_alliance.study.load_study import load_study

DOCS = Path(__file__).resolve().parents[2] / "docs"
STUDY = load_study("folmo2020")
STORED = json.loads((DOCS / STORE).read_text(encoding="utf-8"))


def test_the_tables_of_the_page_are_those_that_are_stored() -> None:
    """'scripts/stress_page.py PART' makes a part anew and puts it there."""
    page = (DOCS / "stress.md").read_text(encoding="utf-8")
    assert page == stress_page(page, STORED)
    for part in PARTS:
        shown = page.partition(marks(part)[0])[2].partition(marks(part)[1])[0]
        assert STORED[part]["ensemble"] in shown and shown.count("\n| ") > 2


def test_what_is_stored_is_about_the_cohorts_that_ship() -> None:
    """Every part has the digest of their rows; one score that differs gives another."""
    cohorts = shipped(STUDY)
    assert {part: STORED[part]["ensemble"] for part in PARTS} == dict.fromkeys(
        PARTS, ensemble_digest(cohorts)
    )
    frame = cohorts[0].frame
    score = next(
        name for name in frame.columns if frame[name].dtype.kind == "f" and frame[name].notna().all()
    )
    before = frame.loc[frame.index[0], score]
    frame.loc[frame.index[0], score] = before + 0.25
    assert STORED["missing"]["ensemble"] != ensemble_digest(cohorts)
    frame.loc[frame.index[0], score] = before
    assert STORED["missing"]["ensemble"] == ensemble_digest(cohorts)


@pytest.mark.slow
def test_what_is_stored_is_what_the_code_gives() -> None:
    """The part that takes seconds, made again."""
    found = conditioning(STUDY, shipped(STUDY), lambda line: None)
    for now, then in zip(found["strengths"], STORED["conditioning"]["strengths"], strict=True):
        assert (now["outcome"], now["strength"], now["residual"]) == (
            then["outcome"],
            then["strength"],
            then["residual"],
        )
        np.testing.assert_allclose(
            [now[k] for k in ("mean", "lower", "upper")],
            [then[k] for k in ("mean", "lower", "upper")],
            rtol=1e-6,
        )
