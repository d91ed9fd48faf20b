"""Claims on the mixture over cohorts."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_alliance.assess.verdict_rules import judge, probabilities
from bayes_alliance.claims.ledger import Claim, Ledger, Part
from bayes_alliance.claims.mixture import mix_claims
from bayes_alliance.claims.results import ClaimResult, PartResult, combine
from bayes_alliance.study.records import Source

MEANS = (-1.2, 0.4, -0.6)


def draws_of(rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.normal(mean, 0.5, 40_000) for mean in MEANS]


def judged(claim: Claim, draws: np.ndarray, name: str) -> ClaimResult:
    (part,) = claim.parts
    found = judge(
        part.relation, probabilities(draws, part.relation, value=part.value, smallest=part.smallest)
    )
    lower, median, upper = np.quantile(draws, [0.025, 0.5, 0.975])
    result = PartResult(
        claim_id=claim.id, part_id=part.id, source=Source.SYNTHETIC, origin=name, judgement=found,
        median=float(median), lower=float(lower), upper=float(upper),
    )  # fmt: skip
    return combine(claim, [result], source=Source.SYNTHETIC, origin=name)


@pytest.mark.parametrize("relation", ["above", "below", "same", "not_significant"])
def test_the_mixture_has_the_probabilities_of_all_draws_together(relation: str) -> None:
    """Averaged over cohorts, signs set right, they are those of the cohorts' draws thrown together."""
    part = Part(id="p", label="p", quantity="effect", relation=relation, smallest=0.3)  # type: ignore[arg-type]
    claim = Claim(id="c", place="", says="", published="", parts=(part,))
    ledger = Ledger(claims=(claim,), digest="")
    draws = draws_of(np.random.default_rng(1))
    cohorts = [(str(i), [judged(claim, own, str(i))]) for i, own in enumerate(draws)]
    (mixed,) = mix_claims(ledger, cohorts)
    judgement = mixed.parts[0].judgement
    assert judgement is not None
    wanted = probabilities(np.concatenate(draws), part.relation, value=0.0, smallest=0.3)
    for name in ("direction", "matters", "rope"):
        assert getattr(judgement.probabilities, name) == pytest.approx(getattr(wanted, name), abs=1e-9)
    assert judgement.verdict == judge(part.relation, wanted).verdict
    lower, median, upper = np.quantile(np.concatenate(draws), [0.025, 0.5, 0.975])
    assert (mixed.parts[0].lower, mixed.parts[0].median, mixed.parts[0].upper) == pytest.approx(
        (lower, median, upper), abs=0.03
    )


def test_without_cohorts_there_is_no_mixture() -> None:
    """Nothing is judged."""
    assert mix_claims(Ledger(claims=(), digest=""), []) == ()
