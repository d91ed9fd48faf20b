"""Everything that the text of Folmo et al. (2020) states is a fact, with its sign, or is left out with a reason."""

from __future__ import annotations

import csv
import fnmatch
import math
from collections import Counter

import pytest

from bayes_alliance.cohorts.solver.targets import list_targets
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Study

# Sentences that state a number, a sign, a bound or an order, counted in the paper by section, without this list.
COUNTED = {
    "Abstract": 6,
    "Methods: subjects, treatment, therapists": 12,
    "Methods: alliance": 7,
    "Methods: outcomes": 14,
    "Methods: statistics": 19,
    "Notes of tables": 5,
    "Results: descriptive": 6,
    "Results: clinical outcomes": 7,
    "Results: alliance": 18,
    "Discussion: main findings": 4,
}


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study("folmo2020")


@pytest.fixture(scope="module")
def sentences(study: Study) -> list[dict[str, str]]:
    with (study.folder / "sentences.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_sentence_is_listed(sentences: list[dict[str, str]]) -> None:
    """As many sentences are listed of each section as were counted in the paper."""
    assert Counter(row["section"] for row in sentences) == COUNTED


def test_every_sentence_is_used_or_has_a_reason(study: Study, sentences: list[dict[str, str]]) -> None:
    """A sentence names facts that exist, or says why it states nothing that can be asked of data."""
    ids = [fact.id for fact in study.facts]
    for row in sentences:
        assert row["facts"] or row["not_used"], row
        for pattern in row["facts"].split():
            assert fnmatch.filter(ids, pattern), (row["says"], pattern)


def test_every_fact_comes_from_a_sentence(study: Study, sentences: list[dict[str, str]]) -> None:
    """No fact stands in the file that no sentence states; counts that are worked out from others are apart."""
    patterns = [pattern for row in sentences for pattern in row["facts"].split()]
    for fact in study.facts:
        if fact.printed:
            assert any(fnmatch.fnmatchcase(fact.id, pattern) for pattern in patterns), fact.id


def test_effects_said_to_be_significant_have_a_sign(study: Study) -> None:
    """Every p value below a level has the direction that its sentence gives, but for the versions, which have none."""
    for fact in study.facts:
        if fact.quantity == "p" and fact.printed.startswith("<"):
            assert fact.sign, fact.id


@pytest.mark.parametrize("outcome", ["goals", "bonds", "tasks"])
def test_fewer_assessments_poorer_alliance(study: Study, outcome: str) -> None:
    """Poorer initial alliance with fewer assessments is a positive coefficient of their number."""
    fact = next(f for f in study.facts if f.id == f"p_{outcome}_level_assessments")
    sides = [t for t in list_targets(study) if t.model == fact.model and t.kind == "sign"]
    assert fact.sign == 1
    assert (0.0, math.inf) in [(t.low, t.high) for t in sides]


@pytest.mark.parametrize("outcome", ["goals", "bonds", "tasks"])
def test_less_prominent_is_two_sided(study: Study, outcome: str) -> None:
    """A trend that is less prominent has p from 0.05 to 0.1 and a smaller test statistic than without the control."""
    model = f"{outcome}_outcome_ppd_assessments"
    mine = [t for t in list_targets(study) if t.model == model]
    assert [(t.low, t.high) for t in mine if t.kind == "p"] == [(0.05, 0.1)]
    order = next(t for t in mine if t.kind == "less_t")
    assert (order.other, order.low, order.high) == (f"{outcome}_outcome_ppd", -math.inf, 0.0)
