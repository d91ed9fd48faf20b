"""Printed strings as exact sets of numbers."""

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_alliance.study.number_text import parse_number
from bayes_alliance.study.parse_cell import read_cell, read_p
from bayes_alliance.study.printed_cell import PrintedError
from bayes_alliance.study.printed_text import read_or_fault

DECIMALS = st.integers(0, 5)
NUMBERS = st.decimals(-1000, 1000, allow_nan=False, allow_infinity=False, places=8)
RULES = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN}


def print_number(value: Decimal, decimals: int, rule: str) -> str:
    """Print as a program does, a minus before zero included."""
    return str(value.quantize(Decimal(1).scaleb(-decimals), rounding=RULES[rule]))


@given(NUMBERS, NUMBERS, DECIMALS, st.sampled_from(["half_up", "half_even"]))
def test_interval_is_what_prints_so(value: Decimal, other: Decimal, decimals: int, rule: str) -> None:
    """A number lies in the interval of a printed string if and only if it prints as that string."""
    text = print_number(value, decimals, rule)
    interval = parse_number(text, "point").interval(rule)
    assert value in interval or text.lstrip("-").strip("0.") == ""
    prints_alike = print_number(other, decimals, rule) == text
    if text.lstrip("-").strip("0.") != "":
        assert (other in interval) == prints_alike
    elif prints_alike:
        assert other in interval or other == 0


@given(
    st.integers(-(10**6), 10**6),
    DECIMALS,
    st.sampled_from([-1, 1]),
    st.sampled_from(["half_up", "half_even"]),
)
def test_ties(digits: int, decimals: int, side: int, rule: str) -> None:
    """A tie belongs to the neighbour that the rule rounds it to, and to both where it is not known."""
    value = Decimal(digits).scaleb(-decimals)
    tie = value + side * Decimal(5).scaleb(-decimals - 1)
    text = print_number(value, decimals, rule)
    printed = parse_number(text, "point")
    if value != 0:
        assert (tie in printed.interval(rule)) == (print_number(tie, decimals, rule) == text)
        assert tie in printed.interval("either")


@given(st.floats(-1e6, 1e6), DECIMALS)
def test_floats_are_exact(value: float, decimals: int) -> None:
    """Binary floats are judged by the exact number they are, as a program that prints them does."""
    text = str(Decimal(value).quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_EVEN))
    assert value in parse_number(text, "point").interval("half_even") or value == 0.0


@given(NUMBERS, st.integers(0, 4))
def test_trailing_zeros_matter(value: Decimal, decimals: int) -> None:
    """One more digit makes the interval ten times narrower, and keeps it inside the wider one's closure."""
    coarse = parse_number(print_number(value, decimals, "half_even"), "point").interval()
    fine = parse_number(print_number(value, decimals + 1, "half_even"), "point").interval()
    widths = [interval.upper - interval.lower for interval in (coarse, fine)]
    if (
        value.quantize(Decimal(1).scaleb(-decimals)) != 0
        and value.quantize(Decimal(1).scaleb(-decimals - 1)) != 0
    ):
        assert widths[0] == 10 * widths[1]
    assert coarse.meets(fine)


@given(NUMBERS, NUMBERS, DECIMALS, DECIMALS)
def test_differences_and_sums(a: Decimal, b: Decimal, i: int, j: int) -> None:
    """The difference (sum) of two numbers lies in the difference (sum) of their intervals."""
    first, second = (
        parse_number(print_number(x, d, "half_even"), "point").interval() for x, d in ((a, i), (b, j))
    )
    if a in first and b in second:
        assert a - b in first - second
        assert a + b in first + second


def test_negative_zero_tells_the_sign() -> None:
    """'-0.00' stands for small negative numbers only, '0.00' for either sign."""
    negative, plain = (parse_number(text, "point").interval("half_up") for text in ("-0.00", "0.00"))
    assert Decimal("-0.004") in negative and Decimal("0.004") not in negative and Decimal(0) not in negative
    assert Decimal("-0.004") in plain and Decimal("0.004") in plain and Decimal("0.005") not in plain


@pytest.mark.parametrize(
    ("text", "value", "spread", "stars"),
    [
        ("-0.02(0.01)*", "-0.02", "0.01", 1),
        ("-0.03 (0.01)***", "-0.03", "0.01", 3),
        ("49(0.4)", "49", "0.4", 0),
        ("\u22120.02(0.01)", "-0.02", "0.01", 0),
        ("\u20130.02 ( 0.01 ) **", "-0.02", "0.01", 2),
        (".05", ".05", None, 0),
        ("16*", "16", None, 1),
        ("73 %", "73", None, 0),
        ("5.5(1.9)", "5.5", "1.9", 0),
    ],
)
def test_cells(text: str, value: str, spread: str | None, stars: int) -> None:
    """Cells of the usual forms are taken apart, whatever dash stands for a minus."""
    cell = read_cell(text)
    assert cell.value is not None and cell.value.value == Decimal(value)
    assert (cell.spread.value if cell.spread else None) == (Decimal(spread) if spread else None)
    assert (cell.kind, cell.stars) == ("number", stars)


def test_words() -> None:
    """'ns' and 'Reference' are cells without a number."""
    assert read_cell(" ns ").kind == read_cell("n.s.").kind == "not_significant"
    assert (
        read_cell("Reference*", "explained_slope").kind,
        read_cell("Reference*", "explained_slope").stars,
    ) == ("reference", 1)


@pytest.mark.parametrize(
    "text",
    ["", "0.02(", "abc", "1.2.3", "0.02(0.01)*****", "--1", "\u0663", "b1", "11 (x2)"],
)
def test_malformed_cells(text: str) -> None:
    """Anything else is refused, with a word of what was expected."""
    with pytest.raises(PrintedError, match=r"estimate|mark"):
        read_cell(text)


@given(st.text(max_size=30))
def test_no_text_crashes(text: str) -> None:
    """Any text is either a cell or refused in words."""
    for quantity in ("estimate", "percent", "count", "p", "aic", "mean_sd", "explained_slope"):
        assert isinstance(read_or_fault(text, quantity)[1], str)


@pytest.mark.parametrize(
    ("text", "quantity", "words"),
    [
        ("Reference*", "estimate", "cannot read"),
        ("-0.02(-0.01)", "estimate", "not negative"),
        ("12.5(3)", "aic", "without brackets"),
        ("ns", "aic", "an AIC"),
        ("12*", "aic", "without stars"),
        ("26", "mean_sd", "26(6)"),
        ("101", "percent", "between 0 and 100"),
        ("7.5", "count", "whole number"),
        ("< 5", "p", "p value"),
        ("8(1)", "explained_slope", "without brackets"),
    ],
)
def test_expectations(text: str, quantity: str, words: str) -> None:
    """Each quantity says what it expects."""
    assert words in read_or_fault(text, quantity)[1]
    assert read_or_fault("-0.02(0.01)*", "estimate")[1] == read_or_fault("-5", "explained_slope")[1] == ""


def test_statements_about_p() -> None:
    """'<', '>' and '=' leave the sets that they say."""
    assert read_p("p < 0.05").interval.ends == (0.0, 0.05) and 0.05 not in read_p("< 0.05").interval
    assert Decimal("0.1") not in read_p("> 0.1").interval
    assert read_p("= 0.11").interval.ends == (0.105, 0.115)
