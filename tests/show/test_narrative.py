"""The answer in words follows from the machine-readable claims by fixed rules."""

from __future__ import annotations

from typing import Any

import pytest

from bayes_alliance.assess.verdict_words import ORDER, Verdict
from bayes_alliance.published.reading_weights import weigh_readings
from bayes_alliance.show.narrative import (
    VERDICT_NAMES,
    central_claim,
    decide,
    format_part,
    list_findings,
    overturn_lines,
    summary_lines,
    tally_claims,
)
from bayes_alliance.show.report.first_screen import build_first_screen
from bayes_alliance.show.results_text import describe_finding, results_paragraph
from bayes_alliance.study.load_readings import load_readings
from bayes_alliance.study.load_study import load_study

BEST, SECOND, OPEN = (verdict.value for verdict in ORDER[:3])
NOT_ASKED = Verdict.NOT_APPLICABLE.value


def part(verdict: str, median: float | None = -1.07, **more: Any) -> dict[str, Any]:
    numbers = {"median": median, "lower": -1.62, "upper": -0.53} if median is not None else {}
    known = {"about": "Tasks", "label": "Slope", "unit": "points", "verdict": verdict, "p_direction": 0.9995}
    return {**known, **numbers, **more}


def claim(name: str, verdict: str, *, main: bool = True, **more: Any) -> dict[str, Any]:
    result = {"verdict": verdict, "parts": [part(verdict)]}
    return {
        "id": name, "says": f"{name} differs", "place": "Results", "published": "", "main": main, "printed": result,
        "printed_under": {"sceptical": result}, "mixture": None, "real": None, "changes": [], "kept": [],
        "synthetic": {"verdicts": {}, "commonest": "", "cohorts": {}}, **more,
    }  # fmt: skip


def facts(*claims: dict[str, Any]) -> dict[str, Any]:
    return {"claims": list(claims), "horizon": "36 months", "depth": "main", "rows_at_hand": None}


def test_the_tally_counts_every_claim_once_in_each_source() -> None:
    """Sums over verdicts are the number of claims; a source that was not looked at has no line."""
    real = {"verdict": OPEN, "parts": [part(OPEN)]}
    found = tally_claims(
        facts(claim("a", BEST, real=real), claim("b", BEST, real=real), claim("c", OPEN, real=real))
    )
    assert [tally.source for tally in found] == ["Printed numbers", "Real data"]
    assert all(sum(tally.counts) == 3 for tally in found)
    assert found[0].text() == f"2 {BEST}, 1 {OPEN}"
    assert found[1].counts[VERDICT_NAMES.index(OPEN)] == 3


def test_real_data_decide_before_print_and_print_before_the_mixture() -> None:
    """A source that can test the claim is never overruled by a weaker one."""
    other = {"verdict": OPEN, "parts": [part(OPEN)]}
    assert decide(claim("a", BEST, real=other, mixture=other)) == (OPEN, "real data")
    assert decide(claim("a", BEST, mixture=other)) == (BEST, "printed numbers")
    assert decide(claim("a", NOT_ASKED, mixture=other)) == (OPEN, "mixture of synthetic cohorts")
    assert decide(claim("a", NOT_ASKED)) == (NOT_ASKED, "")


def test_a_verdict_on_some_parts_says_on_how_many() -> None:
    """One part of two was tested."""
    result = {"verdict": BEST, "parts": [part(BEST), part(NOT_ASKED, None)]}
    assert decide(claim("a", BEST, printed=result)) == (BEST, "printed numbers, 1 of 2 parts")
    (finding,) = list_findings(facts(claim("a", BEST, printed=result)))
    assert finding.printed[1].endswith("not printed")


def test_what_would_overturn_is_asked_of_the_first_finding_that_holds() -> None:
    """Not of one that is open, nor of one that is no main finding."""
    found = central_claim(
        facts(claim("a", BEST, main=False), claim("b", OPEN), claim("c", SECOND), claim("d", BEST))
    )
    assert found is not None and found["id"] == "c"
    assert central_claim(facts(claim("a", BEST, main=False))) is None


def test_changes_are_named_once_a_kind_and_kinds_without_change_together() -> None:
    """The mildest of each kind that leaves a finding less than likely, then what does not."""
    changes = [
        {"family": "prior", "says": "sceptical", "verdict": OPEN},
        {"family": "prior", "says": "pessimistic", "verdict": OPEN},
        {"family": "patients", "says": "without 2 of 148", "verdict": SECOND},
    ]
    lines = overturn_lines(claim("a", BEST, changes=changes, kept=["missing", "prior"]))
    assert lines == (f"sceptical: {OPEN}", "Not overturned by: patients, missing")
    assert overturn_lines(claim("a", BEST, changes=changes[2:]))[0] == "nothing that was tried"
    assert overturn_lines(claim("a", BEST)) == ()


def test_numbers_keep_their_digits_and_apa_style() -> None:
    """Median and interval at the digits of the width, a minus sign, no zero before the point."""
    assert format_part(part(BEST)) == "\N{MINUS SIGN}1.07 [\N{MINUS SIGN}1.62, \N{MINUS SIGN}0.53]"
    assert format_part(part(BEST, None)) == ""
    sentence = describe_finding(claim("a", BEST), "36 months")
    assert "95% CrI [\N{MINUS SIGN}1.62, \N{MINUS SIGN}0.53], P(direction) > .999" in sentence
    assert BEST in sentence and "printed numbers" in sentence
    assert describe_finding(claim("a", NOT_ASKED), "36 months").endswith("could not be tested.")


@pytest.mark.parametrize("make", [results_paragraph, lambda f: "\n".join(summary_lines(f))])
def test_every_main_finding_is_in_the_summary_and_in_the_paragraph(make: Any) -> None:
    """And no other claim is."""
    text = make(facts(claim("first", BEST), claim("second", OPEN), claim("third", BEST, main=False)))
    assert "first differs" in text and "second differs" in text and "third differs" not in text


def test_a_finding_of_synthetic_cohorts_alone_is_marked_in_the_summary() -> None:
    """The lead does not count it among the findings, so the list that is copied says what it rests on."""
    untested = {"verdict": NOT_ASKED, "parts": [part(NOT_ASKED, None)]}
    mixture = {"verdict": BEST, "parts": [part(BEST)]}
    said = "\n".join(
        summary_lines(facts(claim("a", BEST), claim("b", NOT_ASKED, printed=untested, mixture=mixture)))
    )
    assert f"{BEST}: a differs | cannot be tested from print: b differs (synthetic cohorts: {BEST})" in said


@pytest.mark.parametrize("source", ["mixture", None])
def test_the_first_screen_names_a_reading_that_print_does_not_favour(source: str | None) -> None:
    """Beside a mixture of cohorts that rest on it, and nowhere else."""
    study = load_study("folmo2020")
    weighed = weigh_readings(study, load_readings(study))
    result = {"verdict": BEST, "parts": [part(BEST)]}
    found = facts(claim("a", BEST, mixture=result if source else None))
    said = build_first_screen(found, results=None, audit=None, readings=weighed).reading
    assert ("all 155" in said and "probability 0.1" in said and "favour" in said) is bool(source)
    assert "mood" not in said and "completed" not in said.lower()
