"""The questions at the top of the page are answered by fixed rules, never more favourably than the records are."""

from __future__ import annotations

from typing import Any

import pytest

from bayes_alliance.show.narrative import list_findings
from bayes_alliance.show.questions import answer_questions, explain_central
from tests.show.test_narrative import BEST, NOT_ASKED, OPEN, SECOND, claim, facts, part

CHANGES = [
    {"family": "prior", "says": "prior: sceptical", "verdict": OPEN},
    {"family": "prior", "says": "prior: worse", "verdict": OPEN},
    {"family": "missing", "says": "patients without a final score differ; averaged", "verdict": OPEN},
    {"family": "patients", "says": "without 2 of 148", "verdict": SECOND},
]


def ask(*claims: dict[str, Any], source: str = "", **more: Any) -> dict[str, str]:
    """Return the answers as they are read, by question."""
    found = answer_questions({**facts(*claims), **more}, source=source, origin="file.csv")
    return {one.asks: f"{one.short} {one.says}".strip() for one in found}


def test_survivors_are_counted_from_evidence_and_parts_that_were_not_tested_are_said() -> None:
    """What only synthetic cohorts can test neither survives nor fails; all claims are counted beside the main ones."""
    silent = {"verdict": NOT_ASKED, "parts": [part(NOT_ASKED, None)]}
    partly = {"verdict": BEST, "parts": [part(BEST), part(NOT_ASKED, None)]}
    mixture = {"verdict": BEST, "parts": [part(BEST)]}
    said = ask(
        claim("a", SECOND),
        claim("b", BEST, printed=partly),
        claim("c", NOT_ASKED, printed=silent, mixture=mixture),
        claim("d", OPEN),
        claim("e", BEST, main=False),
    )
    assert said["How many findings survive?"] == (
        f"2 of 4 main findings: 1 {BEST} (tested in part), 1 {SECOND}; the rest: 1 {OPEN}, 1 cannot be tested from "
        f"print. Of all 5 claims, 4 can be tested from print: 3 survive, 1 do not (1 {OPEN}, none contradicted)."
    )


def test_the_main_one_is_that_of_the_study_file_even_where_it_falls() -> None:
    """A finding that survives is not put in its place; without a mark the first that survives is named so."""
    first, second = claim("a", BEST), claim("b", OPEN, leading=True)
    said = ask(first, second)
    assert said["Is the main finding safe?"] == f"No. “b differs” is {OPEN} as it stands."
    assert said["What would overturn it?"] == f"Nothing has to: it is {OPEN} as it stands."
    assert [finding.tag for finding in list_findings(facts(first, second))] == ["", "main finding"]
    assert "Is the first finding that survives safe?" in ask(claim("a", OPEN), claim("b", SECOND))
    assert "Is the first finding safe?" in ask(claim("a", OPEN), claim("b", OPEN))
    assert "Is it safe?" in ask(claim("a", BEST))


@pytest.mark.parametrize(
    ("verdict", "changes", "kept", "safe"),
    [
        (BEST, CHANGES, ["coding"], "No. “a differs” is supported; of 4 kinds of assumption "
         "varied, 2 make it undecided."),
        (SECOND, CHANGES[2:], [], "No. “a differs” is likely, not certain; of 2 kinds of assumption varied, "
         "1 makes it undecided."),
        (BEST, CHANGES[3:], ["coding"], "As far as was tried, yes. “a differs” is supported; nothing that "
         "was tried overturns it."),
        (SECOND, [], ["coding"], "Not fully. “a differs” is likely, not certain; nothing that was tried "
         "overturns it."),
        (BEST, [], [], "Not known yet. “a differs” is supported; no other assumptions were tried."),
    ],
)  # fmt: skip
def test_only_a_supported_finding_that_nothing_overturns_is_called_safe(
    verdict: str, changes: list[dict[str, str]], kept: list[str], safe: str
) -> None:
    """A change of degree overturns nothing; what was not tried is no safety."""
    assert ask(claim("a", verdict, changes=changes, kept=kept))["Is it safe?"] == safe


def test_changes_tried_on_one_synthetic_cohort_are_said_to_be() -> None:
    """What a single made-up data set shows is not told as if it were known of the patients."""
    rows = {"source": "synthetic", "origin": "file.csv"}
    said = ask(claim("a", BEST, changes=CHANGES), rows_at_hand=rows)["Is it safe?"]
    assert said.endswith("of 3 kinds of assumption varied on one synthetic cohort, 2 make it undecided.")


def test_what_overturns_is_named_without_how_it_was_computed() -> None:
    """The mildest of each kind, two at most; where nothing was tried, why."""
    asks = "What would overturn it?"
    assert ask(claim("a", BEST, changes=CHANGES))[asks] == (
        f"Either of two assumptions makes it {OPEN}: (1) prior: sceptical; (2) patients without a final score differ."
    )
    worse = {"family": "missing", "says": "the same, stronger", "verdict": "contradicted"}
    assert ask(claim("a", BEST, changes=[*CHANGES, worse]))[asks].endswith(
        "final score differ. Stronger forms of (2) contradict the finding."
    )
    third = {"family": "reading", "says": "another reading", "verdict": OPEN}
    many = ask(claim("a", BEST, changes=[*CHANGES, third]))[asks]
    assert many.startswith(f"Any of 3 assumptions makes it {OPEN}: (1)") and many.endswith(
        "(3) 1 more, named below."
    )
    assert ask(claim("a", BEST, kept=["coding", "prior"]))[asks] == "Nothing that was tried: coding, prior."
    assert ask(claim("a", BEST), depth="verdicts")[asks].startswith("Not tried: leave out --quick")
    assert ask(claim("a", BEST), depth="printed")[asks] == "Not computed yet."


def test_whose_data_these_are_is_told_for_each_source() -> None:
    """Real data are patients' own; print and synthetic rows are not, whatever stands beside them."""
    asks = "Are these patients’ data?"
    real = {"verdict": BEST, "parts": [part(BEST)]}
    assert ask(claim("a", BEST, real=real), source="real data")[asks].startswith(
        "Yes: verdicts come from file.csv."
    )
    assert ask(claim("a", BEST), source="synthetic")[asks].startswith(
        "No: the verdicts use only the numbers that"
    )
    assert ask(claim("a", BEST))[asks] == "No: all is computed from the paper’s printed numbers."
    (only,) = answer_questions(None, source="synthetic")
    assert only.short == "No:" and "made up" in only.says


def test_a_verdict_that_stands_though_intervals_include_zero_is_explained() -> None:
    """Under the sceptical prior three parts can be likely together with intervals that include zero."""
    wide = part(SECOND, -0.4, lower=-0.9, upper=0.1, relation="below")
    under = {"sceptical": {"verdict": SECOND, "sure": 0.9091, "parts": [wide]}}
    assert explain_central(claim("a", SECOND, printed_under=under)) == (
        f"Under the sceptical prior it is still {SECOND}, though intervals include 0: the probability is at least "
        f"0.909, and “{SECOND}” requires 0.9."
    )
    narrow = {"sceptical": {"verdict": OPEN, "sure": 0.5, "parts": [wide]}}
    assert (
        explain_central(claim("a", SECOND, printed_under=narrow))
        == f"Under the sceptical prior it is {OPEN}."
    )
