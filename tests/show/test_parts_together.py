"""Why a claim of several parts has its verdict follows from its parts by the rules of the verdicts."""

from __future__ import annotations

from typing import Any

import pytest

from bayes_alliance.assess.verdict_rules import Probabilities, combine_judgements, joint_probability, judge
from bayes_alliance.show.parts_together import explain_parts


def result(
    *directions: float, relation: Any = "below", matters: float = 0.9, combine: Any = "all"
) -> dict[str, Any]:
    """Return what a source says of a claim whose parts have these probabilities, judged by the package's rules."""
    ropes = directions if relation == "same" else [0.01] * len(directions)
    judged = [
        judge(relation, Probabilities(direction=p, matters=min(p, matters), rope=rope))
        for p, rope in zip(directions, ropes, strict=True)
    ]
    parts = [
        {"about": f"Scale {i}", "verdict": one.verdict.value, "relation": relation,
         "p_matters": one.probabilities.matters}
        for i, one in enumerate(judged)
    ]  # fmt: skip
    verdict = combine_judgements(combine, judged).value
    return {"verdict": verdict, "sure": joint_probability(judged), "parts": parts}


def test_likely_though_each_part_is_supported_is_explained_by_the_joint_probability() -> None:
    """Three at 0.98 hold at once with probability 0.94 at least: a lower bound, never rounded up."""
    found = result(0.98, 0.98, 0.98)
    assert found["verdict"] == "likely"
    assert explain_parts(found) == (
        "Each of the 3 parts is supported by itself. The probability that all 3 hold at once is at least 0.940; "
        "“supported” requires at least 0.975."
    )
    assert "is at least 0.974;" in explain_parts(result(0.99, 0.9899, 0.995) | {"sure": 0.97499})


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (result(0.999, 0.999), "both"),
        (
            result(0.95, 0.999),
            "Of the 2 parts, 1 is supported and 1 is likely by themselves. The probability that all 2 hold",
        ),
        (result(0.93, 0.93), "“likely” requires at least 0.9"),
        (result(0.5, 0.999), "All of the 2 parts must hold: Scale 0 is undecided."),
        (
            result(0.999, 0.999, matters=0.6),
            "but that all are large enough to matter has at least 0.200 only",
        ),
        (result(0.96, 0.96, relation="same"), "“supported” requires at least 0.95"),
        (result(0.5, 0.999, combine="any"), "One of the 2 parts is enough: the best is supported."),
    ],
)
def test_each_way_of_combining_parts_has_its_sentence(found: dict[str, Any], said: str) -> None:
    """Supported together, by the weakest part, below likely, too small together, no difference, any part."""
    combine = "any" if "is enough" in said else "all"
    text = explain_parts(found, combine)
    if said == "both":
        assert text == (
            "Each of the 2 parts is supported by itself. The probability that all 2 hold at once is at least 0.998."
        )
    else:
        assert said in text


def test_a_part_that_was_not_tested_is_not_counted() -> None:
    """And a claim of which one part is left says nothing."""
    found = result(0.99, 0.99)
    untested = {"about": "Other", "verdict": "not applicable"}
    assert explain_parts(found | {"parts": [*found["parts"], untested]}).startswith(
        "Each of the 2 parts tested "
    )
    assert explain_parts(found | {"parts": [found["parts"][0], untested]}) == ""
