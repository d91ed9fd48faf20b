"""Printed cells in the spellings of journals, read as exact sets of numbers."""

from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_alliance.dev.spellings import REFUSED, SPELLINGS
from bayes_alliance.study.cell_in_words import describe_cell
from bayes_alliance.study.cell_rules import RULES
from bayes_alliance.study.number_text import parse_number, plain_text
from bayes_alliance.study.parse_cell import read_cell, read_p
from bayes_alliance.study.printed_cell import PrintedError, PrintedNumber, UndecidedError
from bayes_alliance.study.table_legend import NO_LEGEND, TableLegend
from bayes_alliance.study.table_reading import follow_heading, settle_decimal

RULE_OF = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "truncated": ROUND_DOWN}
LEVEL = TableLegend(ci_level=Decimal("0.95"))
NUMBERS = st.decimals(-999, 999, allow_nan=False, allow_infinity=False, places=6)


def printed(value: Decimal, decimals: int, rule: str) -> str:
    """Print as a program does."""
    return str(value.quantize(Decimal(1).scaleb(-decimals), rounding=RULE_OF[rule]))


def no_zero(text: str) -> str:
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def with_comma(text: str) -> str:
    return text.replace(".", ",")


def with_minus(text: str) -> str:
    return text.replace("-", "\u2212")


def with_dot(text: str) -> str:
    return text.replace(".", "\u00b7")


# A spelling: what is printed of (estimate, lower, upper), and the legend that it needs.
Spell = Callable[[str, str, str], str]
INTERVALS: dict[str, tuple[Spell, TableLegend]] = {
    "square": (lambda b, lo, hi: f"{b} [{lo}, {hi}]", LEVEL),
    "round, to": (lambda b, lo, hi: f"{b} ({lo} to {hi})", LEVEL),
    "semicolon": (lambda b, lo, hi: f"{b} ({lo}; {hi})", LEVEL),
    "tight comma": (lambda b, lo, hi: f"{b} ({lo},{hi})", LEVEL),
    "braces": (lambda b, lo, hi: f"{b} {{{lo}; {hi}}}", LEVEL),
    "half open": (lambda b, lo, hi: f"{b} [{lo}, {hi})", LEVEL),
    "labelled inside": (lambda b, lo, hi: f"{b} (95% CI {lo} to {hi})", NO_LEGEND),
    "labelled outside": (lambda b, lo, hi: f"{b}, 95 % CI [{lo}, {hi}]", NO_LEGEND),
    "level behind": (lambda b, lo, hi: f"{b} CI95 [{lo}, {hi}]", NO_LEGEND),
    "en dash": (lambda b, lo, hi: f"{b} ({with_minus(lo)} \u2013 {with_minus(hi)})", LEVEL),
    "tight en dash": (lambda b, lo, hi: f"{b} ({with_minus(lo)}\u2013{with_minus(hi)})", LEVEL),
    "decimal comma": (
        lambda b, lo, hi: f"{with_comma(b)} [{with_comma(lo)}; {with_comma(hi)}]",
        replace(LEVEL, decimal="comma"),
    ),
    "raised dot": (lambda b, lo, hi: f"{with_dot(b)} ({with_dot(lo)} to {with_dot(hi)})", LEVEL),
    "no leading zero": (lambda b, lo, hi: f"{no_zero(b)} [{no_zero(lo)}, {no_zero(hi)}]", LEVEL),
}
PAIRS: dict[str, tuple[Callable[[str, str], str], TableLegend]] = {
    "tight": (lambda b, s: f"{b}({s})", NO_LEGEND),
    "spaced": (lambda b, s: f"{b} ( {s} )", NO_LEGEND),
    "stars": (lambda b, s: f"{b} ({s}) ***", NO_LEGEND),
    "label": (lambda b, s: f"{b} (SE = {s})", NO_LEGEND),
    "both labels": (lambda b, s: f"b = {b}, SE = {s}", NO_LEGEND),
    "dotted label": (lambda b, s: f"{b} (s.e. {s})", NO_LEGEND),
    "plus minus": (lambda b, s: f"{b} \u00b1 {s}", TableLegend(plus_minus="se")),
    "minus sign": (lambda b, s: f"{with_minus(b)} ({s})", NO_LEGEND),
    "no-break space": (lambda b, s: f"{b}\u00a0({s})", NO_LEGEND),
    "no leading zero": (lambda b, s: f"{no_zero(b)} ({no_zero(s)})", NO_LEGEND),
    "comma": (lambda b, s: f"{with_comma(b)} ({with_comma(s)})", TableLegend(decimal="comma")),
    "raised dot": (lambda b, s: f"{with_dot(b)}({with_dot(s)})", NO_LEGEND),
    "p behind": (lambda b, s: f"{b} ({s}), p = .04", NO_LEGEND),
    "p inside": (lambda b, s: f"{b} ({s}; p < .05)", NO_LEGEND),
    "silent": (lambda b, s: f"{b} ({s}) ns", NO_LEGEND),
    "dagger": (lambda b, s: f"{b} ({s})\u2020", TableLegend(marks=(("\u2020", "< .10"),))),
    "letter": (lambda b, s: f"{b} ({s})\u1d43", TableLegend(marks=(("a", ""),))),
    "test behind": (lambda b, s: f"{b} ({s}), t(143) = 2.5", NO_LEGEND),
    "interval behind": (lambda b, s: f"{b} ({s}) [-9.0, 9.0]", LEVEL),
}


def check_number(
    number: PrintedNumber | None, value: Decimal, other: Decimal, decimals: int, rule: str
) -> None:
    """A value that prints so lies inside; one that prints otherwise does not."""
    assert number is not None
    interval = number.interval(rule)  # type: ignore[arg-type]
    text = printed(value, decimals, rule)
    zero = Decimal(text) == 0
    assert value in interval or zero
    assert (other in interval) == (printed(other, decimals, rule) == text) or zero


@given(
    NUMBERS,
    NUMBERS,
    NUMBERS,
    st.integers(1, 2),
    st.sampled_from(sorted(RULE_OF)),
    st.sampled_from(sorted(PAIRS)),
)
def test_estimate_and_se_in_every_spelling(
    value: Decimal, spread: Decimal, other: Decimal, decimals: int, rule: str, spelling: str
) -> None:
    """Every number that prints so lies in what is read, and none that prints otherwise."""
    spell, legend = PAIRS[spelling]
    spread = abs(spread)
    text = spell(printed(value, decimals, rule), printed(spread, decimals, rule).lstrip("-"))
    cell = read_cell(text, "estimate", legend)
    check_number(cell.value, value, other, decimals, rule)
    check_number(cell.spread, spread, other, decimals, rule)


@given(
    NUMBERS,
    NUMBERS,
    NUMBERS,
    st.integers(1, 2),
    st.sampled_from(sorted(RULE_OF)),
    st.sampled_from(sorted(INTERVALS)),
)
def test_interval_in_every_spelling(
    first: Decimal, second: Decimal, other: Decimal, decimals: int, rule: str, spelling: str
) -> None:
    """Both limits are read as the sets of numbers that print so."""
    spell, legend = INTERVALS[spelling]
    lower, upper = sorted((first, second))
    middle = (lower + upper) / 2
    texts = [printed(v, decimals, rule) for v in (middle, lower, upper)]
    cell = read_cell(spell(*texts), "estimate", legend)
    check_number(cell.value, middle, other, decimals, rule)
    assert cell.ci is not None
    assert cell.ci.level == Decimal("0.95")
    check_number(cell.ci.lower, lower, other, decimals, rule)
    check_number(cell.ci.upper, upper, other, decimals, rule)


@given(NUMBERS, NUMBERS, st.integers(0, 3))
def test_outward_limits(lower: Decimal, upper: Decimal, decimals: int) -> None:
    """Limits rounded outwards hold the true ones between the printed digit and the next one inside."""
    lower, upper = sorted((lower, upper))
    step = Decimal(1).scaleb(-decimals)
    down = (lower / step).to_integral_value(rounding="ROUND_FLOOR") * step
    up = (upper / step).to_integral_value(rounding="ROUND_CEILING") * step
    legend = TableLegend(ci_level=Decimal("0.9"), ci_rounding="outward", decimal="point")
    cell = read_cell(f"[{down:f}, {up:f}]", "ci", legend)
    assert cell.ci is not None
    low, high = cell.ci.ends("either")
    assert lower in low
    assert upper in high
    assert lower - step not in low
    assert upper + step not in high


@given(
    st.decimals(0, 9_999_999, allow_nan=False, allow_infinity=False, places=2),
    st.sampled_from([",", ".", "\u00a0", "\u202f", "'", ""]),
)
def test_thousands(value: Decimal, separator: str) -> None:
    """Thousands separators of every kind leave the number as it is."""
    mark = "," if separator == "." else "."
    grouped = f"{value:,.2f}".replace(".", "@").replace(",", separator).replace("@", mark)
    assert parse_number(grouped).value == value


@given(st.integers(-(10**6), 10**6), st.integers(-9, 9), st.sampled_from(["E", "e", " \u00d7 10^"]))
def test_powers_of_ten(digits: int, exponent: int, spelling: str) -> None:
    """Powers of ten keep value and precision."""
    mantissa = Decimal(digits).scaleb(-3)
    text = f"{mantissa}{spelling}{exponent}"
    assert read_cell(text, "estimate", TableLegend(decimal="point")).value == PrintedNumber(
        value=abs(mantissa.scaleb(exponent)) if digits == 0 else mantissa.scaleb(exponent)
    )


@pytest.mark.parametrize(("text", "quantity", "legend", "read"), SPELLINGS)
def test_every_documented_spelling_is_read(text: str, quantity: str, legend: TableLegend, read: str) -> None:
    """Each spelling of the documentation is read as what stands beside it there."""
    assert describe_cell(read_cell(text, quantity, legend)) == read


def test_at_least_thirty_spellings() -> None:
    """The list of spellings is long and free of duplicates."""
    assert len({(text, quantity) for text, quantity, *_ in SPELLINGS}) == len(SPELLINGS) >= 30


@pytest.mark.parametrize(("text", "quantity"), REFUSED)
def test_ambiguous_cells_are_refused_with_both_readings(text: str, quantity: str) -> None:
    """No ambiguous cell is guessed at: the message gives the readings and the key that decides."""
    with pytest.raises(UndecidedError) as error:
        read_cell(text, quantity)
    said = str(error.value)
    assert "[[published.tables]]" in said or "with 'to'" in said
    assert " or " in said or "; with" in said or ", with" in said or " and " in said


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("0·03(0·01)*", "0.03, SE 0.01, 1 star"),
        ("-.03(.01)*", "-0.03, SE 0.01, 1 star"),
        ("1,234.5(12.3)", "1234.5, SE 12.3"),
        ("—", "no number"),
        ("-0.03(0.01), p = .004", "-0.03, SE 0.01, p = .004"),
        ("-3.0E-02(1.0E-02)", "-0.030, SE 0.010"),
        ("F(1,234) = 5.3, p = .02, -0.03", "-0.03, F(1, 234) = 5.3, p = .02"),
        ("-0.03 (0.01) p<.05 (one-tailed)", "-0.03, SE 0.01, p < .05 (one-sided)"),
        ("-0.03 (t = -2.3, df = 143)", "-0.03, t = -2.3, df 143"),
    ],
)
def test_reported_spellings(text: str, read: str) -> None:
    """Spellings that users reported as refused are read."""
    assert describe_cell(read_cell(text)) == read


@pytest.mark.parametrize(
    ("text", "quantity", "message"),
    [
        ("abc", "estimate", "cannot read 'abc'"),
        ("4.9(0.1", "estimate", "read '4.9', but not '(0.1'"),
        ("-0.03 (SD = 0.01)", "estimate", "without SD"),
        ("26 (SE 6)", "mean_sd", "without standard error"),
        ("0.9 to 0.1", "ci", "lower limit below"),
        ("95% CI [0.9, 0.1]", "ci", "lower limit below"),
        ("1.2", "p", "between 0 and 1"),
        ("-0.01", "se", "not negative"),
        ("15.5", "count", "whole number"),
        ("120", "percent", "between 0 and 100"),
        ("", "estimate", "an estimate, such as"),
        ("-0.03 (0.01) (0.02)", "estimate", "one number for spread"),
        ("-0.03(0.01)*****", "estimate", "'*****'"),
    ],
)
def test_unreadable_cells(text: str, quantity: str, message: str) -> None:
    """A cell that cannot be read is refused with what was understood and how to write it."""
    with pytest.raises(PrintedError) as error:
        read_cell(text, quantity)
    assert message in str(error.value)


def test_a_table_settles_its_decimal_mark() -> None:
    """A cell that could be read both ways follows the cells of its table that cannot."""
    cells = [("1.234", "estimate"), ("-0.02(0.01)", "estimate")]
    legend = settle_decimal(cells, NO_LEGEND)
    assert legend.decimal == "point"
    value = read_cell("1.234", "estimate", legend).value
    assert value is not None
    assert value.value == Decimal("1.234")
    assert settle_decimal(cells[:1], NO_LEGEND).decimal == ""
    assert settle_decimal([*cells, ("0,5", "estimate")], NO_LEGEND).decimal == ""


def test_headings_speak_for_their_cells() -> None:
    """A heading with the level of its intervals or the meaning of its brackets decides the cells below."""
    cell = read_cell("-0.03 (-0.05 to -0.01)", "estimate", follow_heading("b (95 % CI)", NO_LEGEND))
    assert cell.ci is not None
    assert cell.ci.level == Decimal("0.95")
    assert read_cell("4.9 (0.1)", "mean", follow_heading("Mean (SE)", NO_LEGEND)).spread_kind == "se"
    assert read_cell("4.9 ± 0.1", "mean", follow_heading("Mean ± SD", NO_LEGEND)).spread_kind == "sd"
    stated = TableLegend(ci_level=Decimal("0.9"))
    assert follow_heading("95 % CI", stated).ci_level == Decimal("0.9")


def test_p_statements() -> None:
    """Exact and bounded p values are sets; zeros are what rounding leaves; one-sided ones are told apart."""
    assert read_p("< .001").interval.ends == (0.0, 0.001)
    assert read_p("p = .000").interval.ends == (0.0, 0.0005)
    assert read_p(".011").interval.ends == (0.0105, 0.0115)
    assert read_p("≥ 0.05").interval.ends == (0.05, 1.0)
    assert read_p("p (one-tailed) = .02").tails == 1


def test_dropped_zeros_are_put_back() -> None:
    """A spreadsheet that dropped trailing zeros is read with the decimals that the legend states."""
    cell = read_cell("0.1 (0.1)", "estimate", TableLegend(decimals=2))
    assert cell.value is not None
    assert cell.value.interval().ends == (0.095, 0.105)


@given(st.text(max_size=30), st.sampled_from(sorted(RULES)))
def test_any_text_is_read_or_refused(text: str, quantity: str) -> None:
    """No text breaks the reader: it is read, or refused with a message."""
    try:
        read_cell(text, quantity)
    except PrintedError as error:
        assert str(error)


@given(
    st.text(alphabet="0123456789.,-–−()[]; to%*pns=<>±†ab·e/", max_size=24),
    st.sampled_from(["estimate", "ci", "t", "f"]),
)
def test_any_row_of_cell_characters_is_read_or_refused(text: str, quantity: str) -> None:
    """Nor does any row of the characters that cells are made of."""
    try:
        read_cell(text, quantity, LEVEL)
    except PrintedError as error:
        assert str(error)


def test_plain_text_keeps_what_it_does_not_know() -> None:
    """Only spaces, dashes, stars, dots and powers are changed."""
    assert plain_text("  b\u00a0= \u22120\u00b703 ") == "b = -0.03"
