"""Verdicts since 0.1.0: today's are those of a run, each change has its reason, and the table in docs is current."""

from __future__ import annotations

from pathlib import Path

import pytest

import bayes_alliance as ba
from bayes_alliance.claims.choices_file import load_choices
from bayes_alliance.claims.from_printed import judge_printed
from bayes_alliance.claims.ledger_file import load_claims
from bayes_alliance.dev.verdicts_since import MARKS, format_verdicts, has_changed, read_verdicts
from bayes_alliance.study.load_study import load_study

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROWS = read_verdicts(DOCS / "verdicts_since_0_1_0.csv")


def test_the_table_in_docs_is_that_of_the_file() -> None:
    """Line by line."""
    text = (DOCS / "claims.md").read_text(encoding="utf-8")
    shown = text.partition(MARKS[0])[2].partition(MARKS[1])[0]
    assert shown.strip().splitlines() == list(format_verdicts(ROWS))


def test_every_change_has_a_reason_and_nothing_else_has_one() -> None:
    """Words that were renamed are no change."""
    assert [row["claim"] for row in ROWS if has_changed(row)] == [
        row["claim"] for row in ROWS if row["reason"]
    ]


def test_verdicts_from_print_are_todays() -> None:
    """Judged anew."""
    study = load_study("folmo2020")
    ledger = load_claims(study, load_choices(study))
    (_, judged), *_ = judge_printed(study, ledger, 2020)
    assert {one.claim_id: one.verdict.value for one in judged} == {r["claim"]: r["printed"] for r in ROWS}


@pytest.mark.slow
def test_verdicts_from_the_mixture_are_todays() -> None:
    """Judged anew on all cohorts that ship."""
    run = ba.judge_claims("folmo2020", depth="verdicts")
    assert {one.claim_id: one.verdict.value for one in run.mixture} == {
        r["claim"]: r["mixture"] for r in ROWS
    }
    assert any("not ordinary" in remark for remark in run.remarks)
