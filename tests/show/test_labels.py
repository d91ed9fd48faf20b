"""Numbers and names as a reader sees them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_alliance.published.cell_posterior import Banded
from bayes_alliance.show import format_numbers, labels
from bayes_alliance.show.tables.printed_posteriors import format_banded
from bayes_alliance.study.coefficient_labels import label_coefficient
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.parse_cell import read_cell
from bayes_alliance.study.records import Study


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study("folmo2020")


@pytest.mark.parametrize(
    ("se", "shown"),
    [(0.0098, "0.0098"), (0.0123, "0.012"), (0.0997, "0.10"), (0.996, "1.0"), (12.3, "12"), (140.0, "140")],
)
def test_the_error_shows_two_digits(se: float, shown: str) -> None:
    """An SE below 100 has two significant digits, also where rounding carries into the next decade."""
    assert format_numbers.format_fixed(se, format_numbers.count_decimals(se)) == shown


@given(st.floats(1e-4, 99.0), st.floats(-1e3, 1e3))
def test_rounding_is_finer_than_half_of_a_tenth_of_the_error(se: float, estimate: float) -> None:
    """What is shown differs from the estimate by at most a twentieth of its SE."""
    shown = float(format_numbers.format_number(estimate, se))
    assert abs(shown - estimate) <= 0.0501 * se


@given(st.floats(-50.0, 50.0), st.floats(1e-3, 50.0), st.sampled_from(["", "*", "**", "***"]))
def test_a_formatted_estimate_reads_as_a_printed_cell(estimate: float, se: float, stars: str) -> None:
    """What we print, the reader of printed cells understands: same decimals on both, same stars."""
    cell = read_cell(format_numbers.format_estimate_se(estimate, se, stars))
    assert cell.value is not None and cell.spread is not None
    assert cell.stars == len(stars)
    assert cell.value.decimals == cell.spread.decimals
    assert abs(float(cell.value.value) - estimate) <= 0.0501 * se


def test_stars_begin_below_their_limits() -> None:
    """A p value at a limit does not get that limit's star; NaN gets none."""
    shown = [format_numbers.format_stars(p) for p in (0.05, 0.0499, 0.01, 0.0099, 0.001, 0.00099, math.nan)]
    assert shown == ["", "*", "*", "**", "**", "***", ""]


def test_probabilities_are_never_shown_as_certain() -> None:
    """0 and 1 from a finite number of draws are shown as bounds."""
    assert [format_numbers.format_p(p) for p in (0.0, 1.0, 0.5, math.nan)] == [
        "<0.001",
        ">0.999",
        "0.500",
        "undefined",
    ]


def test_zero_has_no_sign() -> None:
    """A negative number that rounds to zero loses its minus."""
    assert format_numbers.format_fixed(-0.004, 2) == "0.00"
    assert format_numbers.format_fixed(-0.006, 2) == "-0.01"


def test_the_minus_sign_replaces_only_a_sign() -> None:
    """Hyphens within words, ranges and dates stay."""
    assert format_numbers.use_minus_sign("-0.03(0.01)* [-2, -1]") == "−0.03(0.01)* [−2, −1]"
    assert format_numbers.use_minus_sign("BSI-18, 0-9") == "BSI-18, 0-9"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Intercept", "Intercept"),
        ("months", "Linear slope"),
        ("poor_outcome", "Level: Outcome by end GAF (poor)"),
        ("months:paranoid_pd", "Slope: Paranoid personality disorder (yes)"),
        ("months:outcome_ppd[poor_ppd]", "Slope: Outcome subgroup by paranoid PD (poor_ppd)"),
        ("sd_months", "SD between patients, slope"),
        ("no_such_name", "Level: no_such_name"),
    ],
)
def test_coefficients_have_names(study: Study, name: str, label: str) -> None:
    """Variables are named by their labels, categories in brackets, products with time as slopes."""
    assert label_coefficient(study, name) == label


def test_subgroups_are_named_by_their_category(study: Study) -> None:
    """Codes 0 and 1 become the category's name; what is not understood stays as it is."""
    assert labels.label_group(study, "poor_outcome = 1") == "Outcome by end GAF: poor"
    assert labels.label_group(study, "poor_outcome unknown") == "Outcome by end GAF: unknown"
    assert labels.label_group(study, "all") == "all"
    assert labels.label_group(study, "") == ""


@given(st.text())
def test_file_names_stay_in_their_folder(text: str) -> None:
    """Whatever a study file calls a table, the file name has no separator and no dot."""
    assert set(labels.name_file(text)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (2.5e-9, 1e-10, "2.50e-9(1.0e-10)***"),
        (-3.1e-12, 4e-13, "-3.10e-12(4.0e-13)***"),
        (1.2345e-7, float("nan"), "1.23e-7***"),
        (0.00012, 0.00003, "0.000120(0.000030)***"),
        (0.0, 1e-12, "0(1.0e-12)***"),
    ],
)
def test_a_small_number_is_never_zero_with_stars(value: float, error: float, shown: str) -> None:
    """Beyond eight decimals it is in scientific form, estimate and standard error to the same place."""
    assert format_numbers.format_estimate_se(value, error, "***") == shown


def test_what_cancels_is_shown_as_zero() -> None:
    """A mean of 1e-17 with a band of points is 0, not nine decimals and not scientific."""
    assert format_banded(Banded(value=1e-17, low=-1.68, high=1.68)) == "0 [-1.68; 1.68]"


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("II: Paranoid PD", "Table II: Paranoid PD"),
        ("III: GAF: Age and III: GAF: Sex", "Table III: GAF: Age and Table III: GAF: Sex"),
        ("text, Results: gaf at admission", "text, Results: Global Assessment of Functioning at admission"),
        (
            "text, Results: gaf: change by age",
            "text, Results: Global Assessment of Functioning: change by age",
        ),
        ("text: patients and their age", "text: patients and their age"),
    ],
)
def test_places_of_an_audit_are_said_in_words(where: str, said: str) -> None:
    """Tables are called tables, and a column of the data file that a text begins with is called by its label."""
    assert labels.label_place(load_study("folmo2020"), where) == said


def test_symbols_keep_their_small_letter() -> None:
    """A sentence gets its capital, a p value does not."""
    assert labels.capitalise("test of two groups") == "Test of two groups"
    assert labels.capitalise("p against test statistic") == "p against test statistic"
