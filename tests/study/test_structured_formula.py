"""Formulas with several random parts, and residual structures, are read as written or refused with the place."""

from __future__ import annotations

import pytest

from bayes_alliance.study.formula import FormulaError
from bayes_alliance.study.structured_formula import parse_residual, parse_structured


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("y ~ t + (t | id)", "(1 + t | id)"),
        ("y ~ t + (t || id)", "(1 + t || id)"),
        ("y ~ t + (0 + a + b + c + d | id)", "(0 + a + b + c + d | id)"),
        ("y ~ t*arm + (t | id) + (1 | therapist)", "(1 + t | id) + (1 | therapist)"),
        ("y ~ t + (t | clinic/id)", "(1 + t | clinic) + (1 + t | clinic:id)"),
        ("y ~ t + (1 | id) + (0 + t | id)", "(1 | id) + (0 + t | id)"),
        ("y ~ t + (0 + treated | therapist) + (1 | id)", "(0 + treated | therapist) + (1 | id)"),
    ],
)
def test_random_parts_are_read_as_lme4_reads_them(text: str, parts: str) -> None:
    """A slash stands for two parts; two bars for independent effects."""
    assert " + ".join(part.text for part in parse_structured(text).parts) == parts


def test_only_the_plain_model_goes_to_the_two_level_engine() -> None:
    """One grouping factor, an intercept, correlated effects."""
    assert parse_structured("y ~ t + (t | id)").is_two_level
    assert not parse_structured("y ~ t + (t || id)").is_two_level
    assert not parse_structured("y ~ t + (0 + t | id)").is_two_level
    assert not parse_structured("y ~ t + (t | id) + (1 | therapist)").is_two_level


@pytest.mark.parametrize(
    ("text", "words", "position"),
    [
        ("y ~ t + (1 | a) + (1 | b) + (1 | c)", "at most one level above", 0),
        ("y ~ t + (1 | a/b/c)", "more than two grouping levels", 17),
        ("y ~ t + (a + b + c + d | id)", "at most 4", 0),
        ("y ~ t + (t:x | id)", "':' in a random part", 11),
        ("y ~ t x", "'+' expected, found 'x'", 7),
        ("y ~ t + (t + t | id)", "stands twice", 0),
        ("y ~ t + (1 | id) + (t | id)", "same random column", 0),
        ("y ~ t + (1 | id) + id", "cannot also be a predictor", 0),
        ("y ~ t", "no random part", 0),
        ("y ~ t + (1 | id) + exp(t)", "cannot be called", 23),
    ],
)
def test_what_is_outside_the_grammar_is_refused_with_its_place(text: str, words: str, position: int) -> None:
    """The message says what, and where the reading stopped."""
    with pytest.raises(FormulaError, match="position") as caught:
        parse_structured(text)
    assert words in str(caught.value)
    if position:
        assert f"position {position})" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["cs", "ar1(visit)", "car1(t)", "toep(v)", "un(v)", "var(arm)", "ar1(v) * var(arm)", "cs * var(v)"],
)
def test_residual_structures_are_read(text: str) -> None:
    """Each comes back in its own spelling."""
    assert parse_residual(text).text == text


@pytest.mark.parametrize(
    "text", ["ar2(v)", "ar1", "cs(v)", "ar1(v) * cs", "var(a) * var(b)", "un(v) * var(arm)", "ar1(v"]
)
def test_other_residual_structures_are_refused(text: str) -> None:
    """With what is allowed."""
    with pytest.raises(FormulaError, match=r"residual structure|un\(visit\) has an SD"):
        parse_residual(text)
