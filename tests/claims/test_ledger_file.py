"""Claims and choices of a study folder: those that ship are complete, broken ones are refused in words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bayes_alliance.claims.choices_file import load_choices
from bayes_alliance.claims.ledger import Ledger
from bayes_alliance.claims.ledger_file import load_claims
from bayes_alliance.errors import InputError
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Study
from tests.claims_study import CHOICES, CLAIMS, load_toy, write_toy


@pytest.fixture(scope="module")
def folmo() -> Study:
    return load_study("folmo2020")


@pytest.fixture(scope="module")
def ledger(folmo: Study) -> Ledger:
    return load_claims(folmo, load_choices(folmo))


def test_every_p_value_of_the_results_has_a_part(folmo: Study, ledger: Ledger) -> None:
    """Each p value that the text of the Results states of a coefficient is claimed by a part about that combination."""
    claimed = {(part.model, frozenset(part.weights)) for _, part in ledger.parts if part.is_of_model}
    for fact in folmo.facts:
        if fact.quantity != "p" or not fact.place.startswith("Results") or not fact.model:
            continue
        named = {e.name: e.weights for e in folmo.model(fact.model).estimands}
        same = [e for e in named.values() if fact.coefficient in dict(e)]
        weights = (
            [named[fact.coefficient]] if fact.coefficient in named else [((fact.coefficient, 1.0),), *same]
        )
        if fact.id.endswith(("_age_in_good", "_age_in_poor")):
            # The sentence is about the interaction; the two subgroups' own slopes are how the text is checked.
            weights = [{e.name: e for e in folmo.model(fact.model).estimands}["moderation"].weights]
        if fact.id.endswith("_slope_wai"):
            # The sentence does not say whose change remained: the claim takes the mean over the groups by version,
            # the fact that is asked of cohorts the largest group.
            assert fact.model in {model for model, _ in claimed}, fact.id
            continue
        assert any((fact.model, frozenset(w)) in claimed for w in weights), fact.id


def test_every_explained_variation_of_the_results_has_a_part(folmo: Study, ledger: Ledger) -> None:
    """Likewise each percentage of explained slope variation."""
    claimed = {part.model for _, part in ledger.parts if part.quantity == "explained"}
    stated = {
        f.model for f in folmo.facts if f.quantity == "explained_slope" and f.place.startswith("Results")
    }
    assert stated and stated <= claimed


def test_the_main_findings_are_in_the_ledger(ledger: Ledger) -> None:
    """All four, and the two sentences before them."""
    places = " ".join(claim.place for claim in ledger.claims)
    for number in "1234":
        assert f"Main Findings {number}" in places
    assert "Main Findings, first sentence" in places and "Main Findings, second sentence" in places


def test_every_claim_states_what_the_publication_says_and_where(ledger: Ledger) -> None:
    """In our words: no quotation marks, and untestable ones have a reason."""
    assert len(ledger.claims) > 45
    for claim in ledger.claims:
        assert claim.place and claim.says and claim.published
        assert bool(claim.parts) != bool(claim.untestable)
        assert not set(claim.says) & set('"“”')


def test_every_smallest_difference_is_declared(folmo: Study, ledger: Ledger) -> None:
    """No predicate judges without one, but a rank; those of models are the study's unless the ledger says otherwise."""
    declared = dict(folmo.publication.smallest_difference)
    for claim, part in ledger.parts:
        if part.relation == "exceeds":
            assert part.value > 0.0, (claim.id, part.id)
        elif part.quantity == "explained":
            # "Explained some" asks for more than nothing.
            assert part.value == 0.0 and part.relation == "above", (claim.id, part.id)
        elif part.quantity != "largest":
            assert part.smallest > 0.0, (claim.id, part.id)
        if part.quantity == "effect":
            assert part.smallest == declared[folmo.model(part.model).outcome]


def test_a_part_with_each_becomes_one_part_a_name(ledger: Ledger) -> None:
    """With the placeholder filled in everywhere."""
    parts = ledger.claim("change_differs").parts
    assert [part.id for part in parts] == ["goals", "bonds", "tasks"]
    assert [part.model for part in parts] == ["goals_outcome", "bonds_outcome", "tasks_outcome"]


def refusals(tmp_path: Path, *, claims: str = CLAIMS, choices: str = CHOICES) -> str:
    """Return the message with which a folder is refused."""
    with pytest.raises(InputError) as caught:
        load_toy(write_toy(tmp_path / "toy", claims=claims, choices=choices))
    return str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('model = "growth", estimand', 'model = "grwth", estimand', "no such model"),
        ('estimand = "level"', 'estimand = "levels"', "not a term of the formula"),
        ('relation = "below"', 'relation = "under"', "unknown value"),
        ('relation = "exceeds"', 'relation = "exceeds", smallest = 1', "takes no 'smallest'"),
        ('variable = "female"', 'variable = "femal"', "undeclared variable"),
        ('variable = "female"', 'model = "growth", variable = "female"', "not a key of quantity 'share'"),
        ('by = "poor"', 'by = "end"', "not binary"),
        ('untestable = "an opinion"', "", "either [[parts]] or the reason"),
        ('id = "differs"', 'id = "grows"', "duplicate id"),
        ('published = "30 %"', "published = 30", "wrong type"),
        ('id = "differs"', 'id = "differs"\nleading = true', "only a main finding can be leading"),
        (
            'estimand = "growth", relation',
            'estimand = "growth", recode = "nowhere", relation',
            "no such choice",
        ),
        (
            'estimand = "growth", relation',
            'estimand = "growth", smalest = 1, relation',
            "not a key of quantity",
        ),
        (
            'quantity = "share", variable',
            'quantity = "share", printed = ["x", "2"], printed_n = [9], variable',
            "malformed",
        ),
    ],
)
def test_a_broken_claim_is_refused_with_file_table_and_key(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    """Each in words that name claims.toml and the claim."""
    assert before in CLAIMS
    message = refusals(tmp_path, claims=CLAIMS.replace(before, after))
    assert said in message
    assert "claims.toml, [[claims]]" in message


def test_one_claim_at_most_is_the_one_that_the_publication_is_about(tmp_path: Path) -> None:
    """Two are refused by name; one is what it says."""
    mark = "main = true\nleading = true\nid ="
    assert "several claims are leading" in refusals(tmp_path, claims=CLAIMS.replace("id =", mark))
    *_, ledger = load_toy(write_toy(tmp_path / "one", claims=CLAIMS.replace("id =", mark, 1)))
    assert [claim.leading for claim in ledger.claims] == [True] + [False] * (len(ledger.claims) - 1)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """Two claims that are wrong give two lines."""
    broken = CLAIMS.replace('estimand = "level"', 'estimand = "x"').replace('by = "poor"', 'by = "y"')
    message = refusals(tmp_path, claims=broken)
    assert "same_start" in message and "women" in message


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('priors = ["neutral", "sceptical"]', 'priors = ["neutral", "keen"]', "no such prior set"),
        ('"UN", "VC"', '"UN", "AR"', "unknown value"),
        ('models = ["growth", "outcome"]', 'models = ["growth", "other"]', "no such model"),
        ('label = "midway", final = "midway"', 'label = "midway", final = "sometime"', "unknown value"),
        ('final = "midway"', 'final = "after_previous"', "needs a 'step'"),
        ('variable = "poor", value = 55', 'variable = "poorly", value = 55', "no derived variable"),
        ('like = "other_poor"', 'like = "end"', "no derived variable of the same kind"),
        (
            '{ id = "below_60", label = "60" }',
            '{ id = "below_60", label = "60", variable = "poor", value = 50 }',
            "own way",
        ),
        ('id = "other", label', 'id = "below_55", label', "duplicate"),
        ('estimand = "deviation"', 'estimand = "growth"', "no model of 'models' with this estimand"),
    ],
)
def test_a_broken_choice_is_refused(tmp_path: Path, before: str, after: str, said: str) -> None:
    """Each in words that name multiverse.toml."""
    assert before in CHOICES
    message = refusals(tmp_path, choices=CHOICES.replace(before, after))
    assert said in message
    assert "multiverse.toml" in message


@pytest.mark.parametrize("hostile", ["__import__('os').system('x')", "{each.__class__}", "{0}", "%(x)s"])
def test_text_of_a_claim_is_never_evaluated(tmp_path: Path, hostile: str) -> None:
    """Code and format strings in names are refused as unknown names, and kept as they are in sentences."""
    text = CLAIMS.replace("Scores increased less", hostile)
    _, _, ledger = load_toy(write_toy(tmp_path / "kept", claims=text))
    assert hostile in ledger.claim("differs").says
    message = refusals(tmp_path, claims=CLAIMS.replace('estimand = "level"', f'estimand = "{hostile}"'))
    assert "same_start" in message


def test_a_study_without_claims_says_so(tmp_path: Path) -> None:
    """And what to do."""
    study = load_study(write_toy(tmp_path / "toy", claims=""))
    with pytest.raises(InputError, match=re.escape("it has no claims.toml")):
        load_claims(study, load_choices(study))
