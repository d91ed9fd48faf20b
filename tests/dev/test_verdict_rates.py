"""Operating characteristics of the verdicts: closed forms, simulation, and the table in docs."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from bayes_alliance.assess.verdict_rules import judge as judged
from bayes_alliance.assess.verdict_rules import probabilities
from bayes_alliance.assess.verdict_words import ORDER, Verdict
from bayes_alliance.dev.verdict_rates import FLAT, shrinkage, tabulate_verdict_rates, verdict_rates
from bayes_alliance.study.load_study import load_study

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_under_a_flat_prior_the_wrong_sign_has_its_level() -> None:
    """At no effect the claim is contradicted in 2.5 %, and supported in no more."""
    at = verdict_rates("flat", FLAT, 0.36, truths=(0.0,), smallest=0.5)[0].shares
    assert at[Verdict.CONTRADICTED] == pytest.approx(0.025, abs=1e-3)
    assert at[Verdict.SUPPORTED] <= 0.025 + 1e-3
    assert sum(at.values()) == pytest.approx(1.0, abs=1e-9)


def test_rates_are_those_of_simulated_estimates() -> None:
    """Estimates drawn, posteriors drawn, verdicts by the rules for draws: within Monte-Carlo error."""
    sd, se, truth, smallest = 1.5, 0.5, 1.0, 0.5
    expected = verdict_rates("p", sd, se, truths=(truth,), smallest=smallest)[0].shares
    rng = np.random.default_rng(3)
    kept, n = shrinkage(sd, se), 1500
    z = np.sort(rng.standard_normal(20_000))
    words = [
        judged(
            "above", probabilities(kept * b + math.sqrt(kept) * se * z, "above", smallest=smallest)
        ).verdict
        for b in rng.normal(truth, se, n)
    ]
    for verdict in ORDER:
        share = np.mean([word is verdict for word in words])
        assert share == pytest.approx(expected[verdict], abs=4 * math.sqrt(0.25 / n))


def test_the_table_in_docs_is_current() -> None:
    """Line by line."""
    text = (DOCS / "priors.md").read_text(encoding="utf-8")
    shown = text.partition("<!-- verdict rates -->")[2].partition("<!-- end of verdict rates -->")[0]
    assert shown.strip().splitlines() == list(tabulate_verdict_rates(load_study("folmo2020")))
