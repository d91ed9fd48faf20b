"""The formula grammar and the design matrices."""

from __future__ import annotations

import subprocess
import sys

import formulae
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_alliance.inference.design import build_design, numeric_design
from bayes_alliance.study.formula import (
    MAX_LENGTH,
    Formula,
    FormulaError,
    check_names,
    complete_formula,
    parse_formula,
)

CELLS = ["good_none", "good_ppd", "poor_none", "poor_ppd"]


def make_rows(n_patients: int = 24, n_visits: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(20)
    patient = np.repeat(np.arange(n_patients), n_visits)
    return pd.DataFrame(
        {
            "patient": [f"P{p:03d}" for p in patient],
            "months": np.tile([3.0, 9.0, 15.0, 27.0], n_patients),
            "y": rng.normal(5.0, 1.0, patient.size),
            "poor": (patient % 2).astype(float),
            "age": rng.normal(0.0, 6.0, n_patients)[patient],
            "cell": pd.Categorical([CELLS[p % 4] for p in patient], categories=CELLS),
        }
    )


def test_growth_formula() -> None:
    """A growth formula is read into its five parts."""
    formula = parse_formula("y ~ months + (months | patient)")
    assert formula == Formula(
        response="y",
        terms=(("months",),),
        intercept=True,
        random=("months",),
        group="patient",
        text="y ~ 1 + months + (1 + months | patient)",
    )


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("y ~ a*b + (1|g)", (("a",), ("b",), ("a", "b"))),
        ("y ~ a + b + a:b + (1|g)", (("a",), ("b",), ("a", "b"))),
        ("y ~ a:b + b:a + (1|g)", (("a", "b"),)),
        ("y ~ a + a + (1|g)", (("a",),)),
        ("y ~ a:a + (1|g)", (("a",),)),
        ("y ~ a*a + (1|g)", (("a",),)),
        (
            "y ~ a*b*c + (1|g)",
            (("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c"), ("a", "b", "c")),
        ),
        ("y ~ (1|g) + a", (("a",),)),
        ("y ~ a/b + (1|g)", (("a",), ("a", "b"))),
        ("y ~ (a + b)/c + (1|g)", (("a",), ("b",), ("a", "b", "c"))),
        ("y ~ a/(b + c) + (1|g)", (("a",), ("a", "b"), ("a", "c"))),
        ("y ~ (a + b + c)^2 + (1|g)", (("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c"))),
        ("y ~ a^2 + (1|g)", (("a",),)),
        ("y ~ a*b - a:b + (1|g)", (("a",), ("b",))),
        ("y ~ (a + b):c + (1|g)", (("a", "c"), ("b", "c"))),
        ("y ~ ((a)) + (1|g)", (("a",),)),
        ("y ~ a*(b + c) - a:c + (1|g)", (("a",), ("b",), ("c",), ("a", "b"))),
        ("y ~ 1 + (1|g)", ()),
    ],
)
def test_terms(text: str, terms: tuple[tuple[str, ...], ...]) -> None:
    """Products are expanded, a term counts once however it is spelled, and order is kept within a degree."""
    assert parse_formula(text).terms == terms


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("__import__('os').system('ls')", "'_' at position 1"),
        ("y ~ exp(months) + (1 | g)", "'exp' cannot be called"),
        ("y ~ I(a.b) + (1|g)", "'.'"),
        ("y ~ a['b'] + (1|g)", "'['"),
        ("y ~ a - b + (1|g)", "'b' cannot be taken out"),
        ("y ~ a - (1|g)", "cannot be taken out"),
        ("y ~ a + (b - c) + (1|g)", "'c' cannot be taken out"),
        ("y ~ a^5 + (1|g)", "from 1 to 4"),
        ("y ~ a^b + (1|g)", "from 1 to 4"),
        ("y ~ a^ + (1|g)", "from 1 to 4"),
        ("y ~ a^" + "9" * 400 + " + (1|g)", "from 1 to 4"),
        ("y ~ a//b + (1|g)", "a variable expected, found '/'"),
        ("y ~ (a + b + (1|g)", "found"),
        ("y ~ " + "(" * 150 + "a" + ")" * 150 + " + (1|g)", "nested more than 8 deep"),
        ("y ~ (a+b+c+d+e+f+h+i+j+k)^4 + (1|g)", "more than 40 terms"),
        ("y ~ a", "no random part"),
        ("y ~ (1|g) + (1|h) + (1|i)", "at most one level above the patient"),
        ("y ~ 0 + (1|g)", "no fixed part"),
        ("y ~ a + (0 | g)", "without any column"),
        ("y ~ a + (a + a | g)", "stands twice"),
        ("y ~ a + (a | g", "')' expected, found the end"),
        ("y ~ a + 2 + (1|g)", "found '2'"),
        ("y ~ y + (1|g)", "both sides"),
        ("y ~ a + (1|y)", "both sides"),
        ("y ~ g + (1|g)", "cannot also be a predictor"),
        ("y ~ a + ", "found the end"),
        ("~ a + (1|g)", "the outcome expected"),
        ("", "the outcome expected"),
        ("y ~ " + "a" * MAX_LENGTH, f"at most {MAX_LENGTH}"),
        ("y ~ " + "*".join(f"v{i}" for i in range(80)) + " + (1|g)", "more than 40 terms"),
        ("y ~ " + "+".join(f"v{i}" for i in range(60)) + " + (1|g)", "at most 40"),
    ],
)
def test_refused(text: str, part: str) -> None:
    """What is outside the grammar, or would outgrow the memory, is refused with the reason."""
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    assert part in str(caught.value)


@given(st.one_of(st.text(), st.text(alphabet="ab012~+-*/^:|() _", max_size=60)))
def test_arbitrary_text(text: str) -> None:
    """Arbitrary text is either read or refused by FormulaError; what is read is made of safe characters."""
    try:
        formula = parse_formula(text)
    except FormulaError:
        return
    assert set(formula.text) <= set("~+:|() 01") | {c for name in formula.names for c in name}
    assert all(name.isidentifier() and name.isascii() for name in formula.names)


@given(
    st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3), max_size=5),
    st.sampled_from(["+", "*"]),
    st.booleans(),
)
def test_canonical_spelling(terms: list[list[str]], operator: str, slope: bool) -> None:
    """The canonical spelling of a formula is read back as the same formula."""
    products = [f" {operator} ".join(term) for term in terms]
    text = " + ".join(["y ~ 1", *products, "(a | g)" if slope else "(1 | g)"])
    formula = parse_formula(text)
    assert parse_formula(formula.text) == formula


def test_check_names() -> None:
    """Undeclared names are listed, the grouping variable and the outcome included."""
    formula = parse_formula("y ~ a*b + (a | g)")
    assert check_names(formula, {"a", "y"}) == ["b", "g"]
    assert check_names(formula, {"a", "b", "g", "y"}) == []


@pytest.mark.parametrize(
    "text", ["y ~ a - 1 + (1|g)", "y ~ -1 + a + (1|g)", "y ~ 0 + a + (1|g)", "y ~ a - 1 + (1|g)"]
)
def test_the_intercept_can_be_taken_out(text: str) -> None:
    """In every spelling that R knows."""
    assert not parse_formula(text).intercept


@pytest.mark.parametrize(
    "fixed",
    [
        "a*b*c",
        "a/b",
        "(a + b)/c",
        "a/(b + c)",
        "(a + b + c)**2",
        "a*b - a:b",
        "(a + b):c",
        "a*(b + c) - a:c",
        "a/b/c",
    ],
)
def test_products_expand_as_in_formulae(fixed: str) -> None:
    """The library that Bambi uses gives the same terms."""
    import formulae

    described = formulae.model_description(f"y ~ {fixed}").terms
    theirs = {frozenset(term.name.split(":")) for term in described if term.name not in ("y", "Intercept")}
    ours = {frozenset(term) for term in parse_formula(f"y ~ {fixed.replace('**', '^')} + (1|g)").terms}
    assert ours == theirs


def test_design_by_hand() -> None:
    """The columns of an interaction model are the products that one would write down by hand."""
    rows = make_rows()
    design = build_design(parse_formula("y ~ months*poor + (months | patient)"), rows)
    months, poor = rows["months"].to_numpy(), rows["poor"].to_numpy()
    assert design.x_names == ("Intercept", "months", "poor", "months:poor")
    np.testing.assert_array_equal(design.x, np.column_stack([months**0, months, poor, months * poor]))
    np.testing.assert_array_equal(design.z, np.column_stack([months**0, months]))
    np.testing.assert_array_equal(design.y, rows["y"])
    np.testing.assert_array_equal(design.patient_index, np.repeat(np.arange(24), 4))
    assert (design.n_rows, design.n_patients, design.z_names) == (96, 24, ("Intercept", "months"))


def test_crossed_factor_columns() -> None:
    """A crossed factor gives one level and one slope deviation a cell, the first cell being the reference."""
    rows = make_rows()
    design = build_design(parse_formula("y ~ months + cell + months:cell + (months | patient)"), rows)
    assert design.x_names[2:] == (
        *(f"cell[{c}]" for c in CELLS[1:]),
        *(f"months:cell[{c}]" for c in CELLS[1:]),
    )
    last = rows["months"] * (rows["cell"] == "poor_ppd")
    np.testing.assert_array_equal(design.x[:, -1], last)


def test_first_declared_category_is_the_reference() -> None:
    """The reference is the first category as declared, though another comes first in the alphabet."""
    rows = make_rows()
    formula = parse_formula("y ~ months + cell + months:cell + (months | patient)")
    reordered = rows.assign(cell=rows["cell"].cat.reorder_categories(CELLS[::-1]))
    names = build_design(formula, reordered).x_names
    assert names[2:5] == tuple(f"cell[{c}]" for c in CELLS[::-1][1:])
    assert not reordered["cell"].cat.ordered


@given(
    terms=st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4), min_size=1, max_size=6),
    intercept=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_products_of_numbers_are_formulaes_columns(
    terms: list[list[str]], intercept: bool, seed: int
) -> None:
    """Without categories the columns, their order and their names are formulae's to the last bit."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame({name: rng.normal(size=40) for name in "yabcd"} | {"g": np.repeat(np.arange(10), 4)})
    rows = rows.assign(b=np.arange(40) % 7)
    fixed = " + ".join(["1" if intercept else "0", *(":".join(term) for term in terms)])
    formula = parse_formula(f"y ~ {fixed} + (a | g)")
    theirs = formulae.design_matrices(formula.text.rsplit(" + (", 1)[0], rows).common
    ours = numeric_design(formula, {name: rows[name].to_numpy() for name in rows})
    np.testing.assert_array_equal(ours.x, np.asarray(theirs.design_matrix, dtype=float))
    assert ours.x_names == tuple(theirs.terms)
    whole = build_design(formula, rows)
    np.testing.assert_array_equal(whole.x, ours.x)
    np.testing.assert_array_equal(whole.patient_index, ours.patient_index)


def test_products_of_numbers_need_no_library() -> None:
    """Arrays become a design without pandas, SciPy or formulae: each would cost more than the fit."""
    code = (
        "import sys, numpy as np; from bayes_alliance.inference.design import numeric_design; "
        "from bayes_alliance.study.formula import parse_formula; "
        "numeric_design(parse_formula('y ~ a + (a | g)'), "
        "{'y': np.arange(4.0), 'a': np.array([0.0, 1.0, 0.0, 2.0]), 'g': np.array(list('ssvv'))}); "
        "print([m for m in ('pandas', 'scipy', 'formulae') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_intercept_only() -> None:
    """An unconditional model has one fixed and one random column of ones."""
    design = build_design(parse_formula("y ~ 1 + (1 | patient)"), make_rows())
    np.testing.assert_array_equal(design.x, np.ones((96, 1)))
    np.testing.assert_array_equal(design.z, np.ones((96, 1)))


def test_relabelled_patients() -> None:
    """The design does not depend on what the patients are called, as long as the rows stay sorted."""
    rows = make_rows()
    formula = parse_formula("y ~ months*age + (months | patient)")
    renamed = rows.assign(patient=[f"x{9999 - int(p[1:])}" for p in rows["patient"]])
    first, second = build_design(formula, rows), build_design(formula, renamed)
    np.testing.assert_array_equal(first.x, second.x)
    np.testing.assert_array_equal(first.patient_index, second.patient_index)


def test_design_refuses_bad_rows() -> None:
    """Missing values, scattered rows of a patient and dependent columns are refused, not repaired."""
    rows = make_rows()
    formula = parse_formula("y ~ months + poor + (months | patient)")
    with pytest.raises(ValueError, match="missing values"):
        build_design(formula, rows.assign(poor=rows["poor"].where(rows.index != 3)))
    scattered = rows.iloc[[*range(1, len(rows)), 0]]
    with pytest.raises(ValueError, match="not sorted by patient"):
        build_design(formula, scattered)
    with pytest.raises(ValueError, match="rank 2"):
        build_design(formula, rows.assign(poor=1.0))


@pytest.mark.parametrize(
    "text", ["y ~ log(age) + (1 | id)", "y ~ time + (log(time) | id)", "log(y) ~ time + (1 | id)"]
)
def test_a_call_is_refused_with_the_way_to_go(text: str) -> None:
    """A transformation is declared with a unit and a contrast of its own, so that its prior means something."""
    with pytest.raises(FormulaError, match=r"'log' cannot be called.*\[derived\], with rule log, sqrt"):
        parse_formula(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("y ~ t + (1|therapist) + (t||id)", "y ~ 1 + t + (1 | therapist) + (1 + t || id)"),
        ("y ~ t + (t|clinic/id)", "y ~ 1 + t + (1 + t | clinic) + (1 + t | clinic:id)"),
        ("y ~ v*a + un(v|id)", "y ~ 1 + v + a + v:a + un(v | id)"),
        ("y ~ v + (1|id) + ar1(v|id) + var(a|id)", "y ~ 1 + v + (1 | id) + ar1(v | id) + var(a | id)"),
        ("y ~ v + cs(1 | id)", "y ~ 1 + v + cs(1 | id)"),
    ],
)
def test_levels_and_residuals_are_part_of_one_formula(text: str, canonical: str) -> None:
    """A formula with several levels or residual terms has one canonical text, which reads as itself."""
    parsed = parse_formula(text)
    assert parsed.is_structured
    assert parsed.text == canonical
    assert parse_formula(canonical) == parsed
    assert parsed.group == "id"


def test_a_residual_structure_joins_the_formula() -> None:
    """The key of the study file and the formula say it once; the patient's level comes last; two statements clash."""
    whole = complete_formula("y ~ t + (t | id) + (1 | site)", "ar1(wave) * var(arm)", "id")
    assert whole == "y ~ 1 + t + (1 | site) + (1 + t | id) + ar1(wave | id) + var(arm | id)"
    assert complete_formula("y ~ t + (t | id)", "", "id") == "y ~ t + (t | id)"
    with pytest.raises(FormulaError, match="keep one"):
        complete_formula("y ~ t + un(wave | id)", "cs", "id")
    with pytest.raises(FormulaError, match="grouped by 'id', not 'site'"):
        complete_formula("y ~ t + un(wave | site)", "", "id")


@pytest.mark.parametrize(
    ("text", "visits", "groups", "count"),
    [
        ("y ~ t + (t | id)", 0, 0, 4),
        ("y ~ t + (1 | site) + (t | id)", 0, 0, 5),
        ("y ~ t + (t || id)", 0, 0, 3),
        ("y ~ v + un(v | id)", 4, 4, 10),
        ("y ~ v + toep(v | id)", 4, 0, 4),
        ("y ~ v + ar1(v | id) + var(a | id)", 0, 2, 3),
        ("y ~ v + un(v | id)", 0, 0, 0),
    ],
)
def test_covariance_parameters_are_counted(text: str, visits: int, groups: int, count: int) -> None:
    """As SAS and lme4 count them, residual variances included; 0 where the visits are not known."""
    assert parse_formula(text).count_covariances(visits, groups) == count
