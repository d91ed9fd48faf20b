"""Loading study folders: the two that ship, and many that are broken."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_alliance.errors import InputError
from bayes_alliance.inference.design import build_design
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.load_cells import CELL_COLUMNS
from bayes_alliance.study.load_study import MAX_BYTES, list_studies, load_study
from bayes_alliance.study.records import Cell, Model, Source, Study
from tests.corpus_study import STUDY, write_study

STUDIES = ("folmo2020", "medication")


@pytest.fixture(scope="module")
def folmo() -> Study:
    return load_study("folmo2020")


@pytest.fixture(scope="module")
def medication() -> Study:
    return load_study("medication")


# ---------------------------------------------------------------------------------------------------------
# The studies that ship
# ---------------------------------------------------------------------------------------------------------


def test_studies_that_ship() -> None:
    """Both studies are listed and load by id, by folder and by file, to the same record."""
    assert set(STUDIES) <= set(list_studies())
    for study_id in STUDIES:
        study = load_study(study_id)
        assert study.id == study_id
        assert load_study(study.folder) == study
        assert load_study(study.folder / "study.toml") == study


def toy_rows(study: Study, n_patients: int = 48) -> pd.DataFrame:
    """Make rows that carry every variable of a study with every value it may take, patient by patient."""
    rng = np.random.default_rng(7)
    patient = np.repeat(np.arange(n_patients), 4)
    rows = pd.DataFrame({study.patient: [f"P{p:03d}" for p in patient]})
    for name, variable in study.every_variable.items():
        if name == study.patient:
            continue
        if name == study.time:
            rows[name] = np.tile([0.1, 0.3, 0.6, 1.0], n_patients) * study.horizon
        elif variable.kind in ("binary", "category"):
            options = variable.categories if variable.kind == "category" else (0.0, 1.0)
            values = rng.permutation(np.resize(np.arange(len(options)), n_patients))[patient]
            chosen = [options[v] for v in values]
            rows[name] = pd.Categorical(chosen, options) if variable.kind == "category" else chosen
        else:
            size = patient.size if variable.level == "visit" else n_patients
            drawn = rng.normal(size=size)
            rows[name] = drawn if variable.level == "visit" else drawn[patient]
    return rows


@pytest.mark.parametrize("study_id", STUDIES)
def test_coefficients_exist(study_id: str) -> None:
    """Every coefficient that an estimand weighs or a printed cell reports is a column of its design."""
    study = load_study(study_id)
    rows = toy_rows(study)
    for model in study.models:
        columns = set(build_design(parse_formula(model.formula), rows).x_names)
        for estimand in model.estimands:
            assert {name for name, _ in estimand.weights} <= columns, (model.id, estimand.name)
        names = columns | {e.name for e in model.estimands}
        reported = {c.coefficient for c in study.cells if c.model == model.id and c.coefficient}
        assert reported <= names, model.id


@pytest.mark.parametrize("study_id", STUDIES)
def test_prior_suite(study_id: str) -> None:
    """Neutral first, the sceptic narrower; enthusiast and pessimist mirror each other, 15 % beyond zero."""
    study = load_study(study_id)
    names = ["neutral", "sceptical", "enthusiastic", "pessimistic"]
    assert [p.name for p in study.priors if p.name != "weakly_sceptical"] == names
    for outcome in study.outcomes:
        neutral, sceptical, enthusiastic, pessimistic = (
            study.prior(name).for_outcome(outcome) for name in names
        )
        assert neutral.effect_slope[0] == sceptical.effect_slope[0] == 0.0
        assert sceptical.effect_slope[1] < neutral.effect_slope[1]
        mean, sd = enthusiastic.effect_slope
        assert pessimistic.effect_slope == (-mean, sd)
        others = [
            (p.intercept, p.sd_intercept, p.sd_slope, p.sigma, p.lkj_eta)
            for p in (neutral, sceptical, enthusiastic, pessimistic)
        ]
        assert len(set(others)) == 1
    stated = {p.name: {(m, e): pair for m, e, pair in p.estimands} for p in study.priors}
    assert stated["enthusiastic"].keys() == stated["pessimistic"].keys()
    for key, (mean, sd) in stated["enthusiastic"].items():
        assert stated["pessimistic"][key] == (-mean, sd)
        # The SDs are rounded to three digits.
        assert mean == 0.0 or abs(mean) / sd == pytest.approx(1.0364, rel=0.01)


def test_sceptic_rests_on_the_printed_size(folmo: Study) -> None:
    """The sceptic's SD for the alliance is 0.01 points a month over the horizon."""
    for outcome in ("goals", "bonds", "tasks"):
        scales = folmo.prior("sceptical").for_outcome(outcome)
        assert scales.effect_slope[1] == pytest.approx(0.01 * folmo.horizon)


def test_models_of_folmo(folmo: Study) -> None:
    """The study has each published family of models, for the outcomes for which the paper reports it."""
    counts = Counter((m.family, m.outcome) for m in folmo.models)
    alliance = ("goals", "bonds", "tasks")
    for outcome in (*alliance, "gaf", "wsas", "bsi"):
        assert counts[("unconditional", outcome)] == 1
    assert [counts[("growth", y)] for y in ("gaf", "wsas", "bsi", *alliance)] == [1, 1, 1, 3, 3, 3]
    assert (counts[("patient factor", "gaf")], counts[("treatment factor", "gaf")]) == (4, 1)
    wanted = {
        "outcome subgroup": 1,
        "patient factor": 3,
        "moderation": 2,
        "subgroup growth": 2,
        "control": 6,
        "self-reported outcome": 4,
    }
    for outcome in alliance:
        assert {family: counts[(family, outcome)] for family in wanted} == wanted


def test_reference_is_the_growth_model(folmo: Study) -> None:
    """Each model with a predictor refers to the growth model of the same outcome and the same rows."""
    for model in folmo.models:
        bare = model.family in ("growth", "unconditional", "subgroup growth")
        assert bare == (model.reference is None), model.id
        if model.reference is not None:
            reference = folmo.model(model.reference)
            assert reference.formula == f"{model.outcome} ~ months + (months | patient)"
            assert reference.comparison == model.comparison


def test_subgroup_models_keep_one_subgroup(folmo: Study) -> None:
    """The models within a subgroup keep only its patients."""
    assert folmo.model("tasks_growth_good").where == (("poor_outcome", 0.0),)
    assert folmo.model("tasks_growth_poor").where == (("poor_outcome", 1.0),)


def weights(model: Model, name: str) -> dict[str, float]:
    return dict({e.name: e for e in model.estimands}[name].weights)


def test_moderation_is_a_difference_of_differences(folmo: Study) -> None:
    """The direct contrast is the effect of paranoid PD in the poor subgroup minus that in the good one."""
    model = folmo.model("tasks_outcome_ppd")
    slopes = {c: weights(model, f"slope_{c}") for c in ("good_none", "good_ppd", "poor_none", "poor_ppd")}

    def combine(**signs: int) -> dict[str, float]:
        total: dict[str, float] = {}
        for cell, sign in signs.items():
            for name, weight in slopes[cell].items():
                total[name] = total.get(name, 0.0) + sign * weight
        return {name: weight for name, weight in total.items() if weight}

    assert combine(poor_ppd=1, poor_none=-1) == weights(model, "ppd_in_poor")
    assert combine(good_ppd=1, good_none=-1) == weights(model, "ppd_in_good")
    assert combine(poor_none=1, good_none=-1) == weights(model, "poor_in_none")
    assert combine(poor_ppd=1, good_ppd=-1) == weights(model, "poor_in_ppd")
    contrast = combine(poor_ppd=1, poor_none=-1, good_ppd=-1, good_none=1)
    assert contrast == weights(model, "moderation")


def test_estimands_of_predictor_models(folmo: Study) -> None:
    """Every model with a predictor states a deviation of the slope and the slopes it lies between."""
    for model in folmo.models:
        if model.reference is not None:
            kinds = Counter(e.kind for e in model.estimands)
            assert kinds["slope_deviation"] >= 1, model.id
            assert kinds["slope"] >= 2, model.id


def test_subgroups_are_cut_where_the_publication_cuts(folmo: Study) -> None:
    """Poor is a GAF below 60 (so 60 is good), a WSAS of 15 or more, a BSI of 0.8 or more; 1 stands for poor."""
    cuts = {d.name: (d.rule, d.of, d.value) for d in folmo.derived if d.name.startswith("poor_")}
    assert cuts == {
        "poor_outcome": ("below", ("end_gaf",), 60.0),
        "poor_wsas": ("at_least", ("end_wsas",), 15.0),
        "poor_bsi": ("at_least", ("end_bsi",), 0.8),
    }
    assert {d.categories for d in folmo.derived if d.name in cuts} == {("good", "poor")}


# ---------------------------------------------------------------------------------------------------------
# The printed cells
# ---------------------------------------------------------------------------------------------------------

# Counted row by row from the tables of doi:10.1080/10503307.2020.1831097: every number, "ns" and
# "Reference*" counts as one cell, headings and blanks as none. Table II has two cells a row throughout.
TABLE_II_ROWS = {
    "Borderline PD to Number of PDs": 4,
    "Other PDs than BPD": 7,
    "Severity indices": 5,
    "Total number, symptom disorders": 1,
    "Symptom disorders": 7,
    "Baseline status": 4,
}
TABLE_III = {
    "WSAS": 3,
    "BSI": 3,
    "GAF": 5,
    "GAF: Age": 5,
    "GAF: Work/study mnths last yr": 5,
    "GAF: Paranoid PD": 5,
    "GAF: Mood disorder": 5,
    "GAF: Completed as planned": 5,
}
TABLE_IV = {
    "GOALS": 5,
    "GOALS: Poor vs high outcome": 5,
    "BONDS": 5,
    "BONDS: Poor vs high outcome": 5,
    "TASKS": 5,
    "TASKS: Poor vs high outcome": 5,
    "TASKS: Age": 5,
    "TASKS: Mood disorder": 5,
    "TASKS: Paranoid PD": 5,
    "TASKS: Poor outcome, Paranoid PD=1": 5,
    "TASKS: Poor outcome, Paranoid PD=0": 2,
    "TASKS: High outcome, Paranoid PD=1": 2,
    "TASKS: High outcome, Paranoid PD=0": 2,
}
# "ns" cells of Tables III and IV, counted in the same way.
NOT_SIGNIFICANT = {"III": 7, "IV": 14}


def test_every_printed_cell_is_there(folmo: Study) -> None:
    """The cells of each row are as many as were counted in the publication by hand."""
    rows = {table: Counter(c.row for c in folmo.cells if c.table == table) for table in ("II", "III", "IV")}
    assert len(rows["II"]) == sum(TABLE_II_ROWS.values()) == 28
    assert set(rows["II"].values()) == {2}
    assert dict(rows["III"]) == TABLE_III
    assert dict(rows["IV"]) == TABLE_IV
    assert len(folmo.cells) == 56 + 36 + 56


def test_not_significant_cells(folmo: Study) -> None:
    """As many cells say "ns" as do in the publication, all of them estimates."""
    silent = [c for c in folmo.cells if c.printed == "ns"]
    assert dict(Counter(c.table for c in silent)) == NOT_SIGNIFICANT
    assert {c.quantity for c in silent} == {"estimate"}


# For each printed column: its cells, those that say "ns", and three sums over its cells from top to bottom, the
# first times 1, the second times 2 and so on: of the numbers, of the numbers in brackets, of the stars. Made from
# the text of the publication, not from cells.csv.
COLUMN_SUMS = {
    ("II", "Good outcome, Mean (SD)"): (11, 0, 1623.0, 662.9, 0),
    ("II", "Good outcome, %"): (17, 0, 4389.0, 0.0, 0),
    ("II", "Poor outcome, Mean (SD)"): (11, 0, 1665.9, 662.1, 10),
    ("II", "Poor outcome, %"): (17, 0, 4907.0, 0.0, 28),
    ("III", "Intercept estimate"): (8, 4, 190.6, 8.22, 0),
    ("III", "Linear slope estimate"): (8, 3, -1.6, 0.622, 28),
    ("III", "Explained intercept variation"): (6, 0, 61.0, 0.0, 0),
    ("III", "Explained slope variation"): (6, 0, 168.0, 0.0, 0),
    ("III", "AIC"): (8, 0, 154516.0, 0.0, 0),
    ("IV", "Intercept"): (13, 9, 41.28, 3.35, 8),
    ("IV", "Linear slope"): (13, 5, -0.89, 0.482, 43),
    ("IV", "Explained intercept variation"): (10, 0, 296.0, 0.0, 0),
    ("IV", "Explained slope variation"): (10, 0, 931.0, 0.0, 0),
    ("IV", "AIC"): (10, 0, 81212.0, 0.0, 0),
}


def test_columns_add_up_as_in_the_publication(folmo: Study) -> None:
    """A digit, a sign, a star or two cells exchanged anywhere in the three tables changes a sum of its column."""
    found = {}
    for table, column in dict.fromkeys((c.table, c.column) for c in folmo.cells):
        printed = [c.printed for c in folmo.cells if (c.table, c.column) == (table, column)]
        sums = [0.0, 0.0, 0]
        for place, text in enumerate(printed, start=1):
            number = re.fullmatch(r"(-?[\d.]+) ?(?:\(([\d.]+)\))?(\**)", text)
            assert number or text in ("ns", "Reference*"), text
            if number:
                sums[0] += place * float(number[1])
                sums[1] += place * float(number[2] or 0)
                sums[2] += place * len(number[3])
        rounded = tuple(round(value, 6) for value in sums)
        found[table, column] = (len(printed), printed.count("ns"), *rounded)
    assert found == COLUMN_SUMS


MODEL_OF_ROW = {
    ("III", "WSAS"): "wsas_growth",
    ("III", "BSI"): "bsi_growth",
    ("III", "GAF"): "gaf_growth",
    ("III", "GAF: Age"): "gaf_age",
    ("III", "GAF: Work/study mnths last yr"): "gaf_work",
    ("III", "GAF: Paranoid PD"): "gaf_ppd",
    ("III", "GAF: Mood disorder"): "gaf_mood",
    ("III", "GAF: Completed as planned"): "gaf_completed",
    ("IV", "GOALS"): "goals_growth",
    ("IV", "GOALS: Poor vs high outcome"): "goals_outcome",
    ("IV", "BONDS"): "bonds_growth",
    ("IV", "BONDS: Poor vs high outcome"): "bonds_outcome",
    ("IV", "TASKS"): "tasks_growth",
    ("IV", "TASKS: Poor vs high outcome"): "tasks_outcome",
    ("IV", "TASKS: Age"): "tasks_age",
    ("IV", "TASKS: Mood disorder"): "tasks_mood",
    ("IV", "TASKS: Paranoid PD"): "tasks_ppd",
    ("IV", "TASKS: Poor outcome, Paranoid PD=1"): "tasks_outcome_ppd",
    ("IV", "TASKS: Poor outcome, Paranoid PD=0"): "",
    ("IV", "TASKS: High outcome, Paranoid PD=1"): "tasks_outcome_ppd",
    ("IV", "TASKS: High outcome, Paranoid PD=0"): "",
}
QUANTITY_OF_COLUMN = {
    "Intercept estimate": "estimate",
    "Linear slope estimate": "estimate",
    "Intercept": "estimate",
    "Linear slope": "estimate",
    "Explained intercept variation": "explained_intercept",
    "Explained slope variation": "explained_slope",
    "AIC": "aic",
}


def test_every_cell_of_a_row_is_tied_to_the_model_of_that_row(folmo: Study) -> None:
    """No cell of Tables III and IV answers to another model, and each column is one kind of number."""
    cells = [c for c in folmo.cells if c.table != "II"]
    assert {(c.table, c.row): c.model for c in cells} == MODEL_OF_ROW
    for cell in cells:
        assert cell.model == MODEL_OF_ROW[cell.table, cell.row], (cell.row, cell.column)
        assert cell.quantity == QUANTITY_OF_COLUMN[cell.column], (cell.row, cell.column)


def test_slope_cells_report_slopes_and_intercept_cells_levels(folmo: Study) -> None:
    """A coefficient of time answers for slope columns, one without time for intercept columns."""
    for cell in folmo.cells:
        if cell.quantity != "estimate" or not cell.model:
            continue
        weighed = {e.name: dict(e.weights) for e in folmo.model(cell.model).estimands}
        names = weighed.get(cell.coefficient, {cell.coefficient: 1.0})
        of_time = {"months" in name.split(":") for name in names}
        assert of_time == {"slope" in cell.column.lower()}, (cell.row, cell.column)


def test_reference_cells(folmo: Study) -> None:
    """The four initial models whose variances are references say so for intercept and slope."""
    references = [c.row for c in folmo.cells if c.printed == "Reference*"]
    assert Counter(references) == {"GAF": 2, "GOALS": 2, "BONDS": 2, "TASKS": 2}


def find(study: Study, model: str, quantity: str, coefficient: str = "") -> Cell:
    found = [c for c in study.cells if (c.model, c.quantity, c.coefficient) == (model, quantity, coefficient)]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("model", "quantity", "coefficient", "printed"),
    [
        ("wsas_growth", "estimate", "Intercept", "25.3(0.6)"),
        ("bsi_growth", "estimate", "months", "-0.03(0.003)"),
        ("gaf_growth", "estimate", "Intercept", "49(0.4)"),
        ("gaf_growth", "aic", "", "4532"),
        ("gaf_age", "estimate", "months:age_centred", "-0.01(0.004)*"),
        ("gaf_work", "aic", "", "4171"),
        ("gaf_mood", "estimate", "level_no_mood_disorder", "2.02(0.9)"),
        ("gaf_completed", "estimate", "months:not_completed", "-0.3(0.06)***"),
        ("gaf_completed", "explained_slope", "", "25"),
        ("goals_growth", "estimate", "Intercept", "4.98(0.1)"),
        ("goals_outcome", "explained_slope", "", "23"),
        ("bonds_growth", "estimate", "months", "0.02(0.004)"),
        ("bonds_outcome", "explained_intercept", "", "8"),
        ("tasks_growth", "estimate", "Intercept", "5.04(0.11)"),
        ("tasks_outcome", "estimate", "months:poor_outcome", "-0.03 (0.01)***"),
        ("tasks_outcome", "aic", "", "1470"),
        ("tasks_mood", "estimate", "mood_disorder", "-0.54 (0.3)*"),
        ("tasks_ppd", "explained_slope", "", "10"),
        ("tasks_outcome_ppd", "estimate", "ppd_in_poor", "-0.05(0.02)*"),
        ("tasks_outcome_ppd", "explained_slope", "", "45"),
    ],
)
def test_cells_as_printed(folmo: Study, model: str, quantity: str, coefficient: str, printed: str) -> None:
    """A cell holds the string that was printed, stars and spacing included."""
    assert find(folmo, model, quantity, coefficient).printed == printed


def test_descriptive_cells(folmo: Study) -> None:
    """Table II stands by group and variable: 28 rows of two cells, each of one variable."""
    by_place = {(c.variable, c.group): c.printed for c in folmo.cells if c.variable}
    assert len(by_place) == len([c for c in folmo.cells if c.table == "II"]) == 56
    assert {
        ("paranoid_pd", "poor"): "16*",
        ("mood_disorder", "poor"): "83*",
        ("age", "good"): "26(6)",
        ("age", "poor"): "30(6)*",
        ("work_study_months", "poor"): "51*",
        ("pd_traits", "good"): "14.0(5.8)",
        ("substance_abuse", "poor"): "14",
    }.items() <= by_place.items()


def test_cells_without_a_coefficient_say_why(folmo: Study) -> None:
    """Only the reference rows of the crossed factor report no coefficient, and their note says why."""
    loose = [c for c in folmo.cells if c.quantity == "estimate" and not c.model]
    assert Counter(c.row for c in loose) == {
        "TASKS: Poor outcome, Paranoid PD=0": 2,
        "TASKS: High outcome, Paranoid PD=0": 2,
    }
    assert all("reference" in c.note for c in loose)


# ---------------------------------------------------------------------------------------------------------
# The second study
# ---------------------------------------------------------------------------------------------------------


def test_medication_file(medication: Study) -> None:
    """The file that ships has the declared columns, 64 patients and scores that fit the declared scales."""
    assert (medication.data.source, medication.data.licence) == (Source.REAL, "CC0 1.0")
    rows = pd.read_csv(medication.folder / medication.data.file)
    assert {v.column for v in medication.variables} <= set(rows.columns)
    assert (rows["id"].nunique(), len(rows)) == (64, 1242)
    assert rows["time"].between(0, medication.horizon).all()
    assert rows.groupby("id")["treat"].nunique().eq(1).all()


# ---------------------------------------------------------------------------------------------------------
# Broken studies
# ---------------------------------------------------------------------------------------------------------

GOOD = """
[study]
id = "mini"
title = "A study"
citation = "Nobody"
patient = "patient"
time = "months"
time_unit = "months"
horizon = 12
descriptive_group = "treated"

[data]
source = "real data"
file = "rows.csv"

[variables.patient]
level = "patient"
kind = "category"

[variables.months]
level = "visit"
kind = "numeric"

[variables.y]
level = "visit"
kind = "numeric"
minimum = 0
maximum = 10

[variables.treated]
level = "patient"
kind = "binary"
categories = ["no", "yes"]

[variables.site]
level = "patient"
kind = "category"
categories = ["north", "south"]

[derived.late]
rule = "last"
of = ["y"]
value = 3
kind = "numeric"

[derived.bad]
rule = "below"
of = ["late"]
value = 5
kind = "binary"

[[models]]
id = "growth"
label = "Growth"
family = "growth"
formula = "y ~ months + (months | patient)"
comparison = "y"

[[models]]
id = "effect"
label = "Treatment"
family = "effect"
formula = "y ~ months + treated + months:treated + months:site + site + (months | patient)"
reference = "growth"
comparison = "y"
estimands = [
  { name = "deviation", label = "Deviation", kind = "slope_deviation", weights = { "months:treated" = 1 } },
]

[[priors]]
name = "neutral"
label = "Neutral"

[priors.outcomes.y]
intercept = [5, 5]
slope = [0, 5]
effect_intercept = [0, 5]
effect_slope = [0, 5]
sd_intercept = 5
sd_slope = 5
sigma = 5
lkj_eta = 2

[[figures]]
id = "lines"
title = "Lines"
models = ["effect"]
lines = [ { label = "North", values = { treated = 1, site = "north" } } ]
"""
CELLS = (
    ",".join(CELL_COLUMNS)
    + """
1,Growth,Slope,0.1(0.05)*,estimate,growth,months,,,
1,Effect,Slope,ns,estimate,effect,deviation,,,
1,Age,Mean,30(6),mean_sd,,,,no,
"""
)


def write(folder: Path, toml: str | bytes = GOOD, cells: str | bytes | None = CELLS) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in (("study.toml", toml), ("cells.csv", cells), ("rows.csv", "patient,months,y\n")):
        if text is not None:
            (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def problems_of(folder: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_study(folder)
    return [problem.format() for problem in caught.value.problems]


def test_the_unbroken_study_loads(tmp_path: Path) -> None:
    """The study that the tests below break is itself without a problem."""
    study = load_study(write(tmp_path))
    assert (len(study.models), len(study.cells), study.outcomes) == (2, 3, ("y",))


# What is replaced, by what, and the words that the one message must hold: file, table and key first.
DEFECTS = [
    ("[variables.site]", "[variables.sigma]", ["variable 'sigma'", "variance quantity", "rename"]),
    ("[variables.site]", "[variables.sd_site]", ["variable 'sd_site'", "variance quantity"]),
    ('title = "A study"', 'titel = "A study"', ["[study], key 'titel'", "did you mean 'title'?"]),
    ('title = "A study"', "title = 3", ["[study], key 'title'", "wrong type", "a string"]),
    ('title = "A study"', 'title = ""', ["[study], key 'title'", "is empty"]),
    ('id = "mini"', 'id = "../mini"', ["[study], key 'id'", "not an identifier"]),
    ("horizon = 12", "horizon = nan", ["[study], key 'horizon'", "nan", "above 0"]),
    ("horizon = 12", f"horizon = 1{'0' * 400}", ["[study], key 'horizon'", "inf"]),
    ('time = "months"', 'time = "weeks"', ["[study], key 'time'", "'weeks'"]),
    ('group = "treated"', 'group = "site"', ["[study], key 'descriptive_group'", "'site'", "binary"]),
    ('source = "real data"', 'source = "real"', ["[data], key 'source'", "did you mean 'real data'?"]),
    ('source = "real data"\n', "", ["[data], key 'source'", "the key is missing"]),
    ('"rows.csv"', '"../rows.csv"', ["[data], key 'file'", "leaves the study's folder"]),
    ('"rows.csv"', '"/etc/passwd"', ["[data], key 'file'", "leaves the study's folder"]),
    ('"rows.csv"', "'C:\\rows.csv'", ["[data], key 'file'", "leaves the study's folder"]),
    ('"rows.csv"', '"none.csv"', ["[data], key 'file'", "no such file"]),
    (
        'file = "rows.csv"',
        'file = "rows.csv"\ncohort = "cohort.toml"',
        ["[data]", "only one of 'file' and 'cohort'"],
    ),
    ("minimum = 0", "minimum = 11", ["[variables.y]", "'minimum' is not below 'maximum'"]),
    ("minimum = 0", "minimum = 0\nstep = -1", ["[variables], [y], key 'step'", "above 0"]),
    ("[variables.y]", '[variables."y y"]\nlevel = "visit"\nkind = "numeric"\n[variables.y]', ["'y y'"]),
    ('categories = ["north", "south"]', 'categories = ["a:b", "c"]', ["[variables.site]", "'a:b'"]),
    ('rule = "below"', 'rule = "under"', ["[derived]", "[bad], key 'rule'", "'under'", "at_least"]),
    ('of = ["late"]', 'of = ["later"]', ["[derived.bad], key 'of'", "'later'"]),
    ('of = ["late"]', 'of = ["bad"]', ["[derived.bad], key 'of'", "'bad'", "not before this table"]),
    ('of = ["late"]\nvalue = 5', 'of = ["late"]', ["[derived.bad], key 'value'", "needs a 'value'"]),
    ('id = "effect"', 'id = "growth"', ["[[models]], key 'id'", "duplicate name", "'growth'"]),
    (
        'formula = "y ~ months + (months | patient)"',
        "formula = \"__import__('os').system('true')\"",
        ["[[models]] growth, key 'formula'", "'_' at position 1", "__import__"],
    ),
    ("y ~ months + (months", "y ~ weeks + (months", ["[[models]] growth, key 'formula'", "'weeks'"]),
    ("months + (months | patient)", "months + (months | site)", ["grouped by 'patient'", "'site'"]),
    ("months + (months | patient)", "months + (y1 | patient)", ["random slope", "'months' only"]),
    ('reference = "growth"', 'reference = "grow"', ["[[models]] effect, key 'reference'", "'grow'"]),
    ('comparison = "y"\nestimands', 'comparison = "z"\nestimands', ["key 'reference'", "other rows"]),
    ('comparison = "y"\nestimands', 'where = { site = 1 }\ncomparison = "y"\nestimands', ["key 'where'"]),
    ('"months:treated" = 1', '"treated:weeks" = 1', ["[[estimands]] deviation", "not a term"]),
    ('"months:treated" = 1', '"months:site[north]" = 1', ["reference category", "months:site[north]"]),
    ('"months:treated" = 1', '"months:site[west]" = 1', ["category that the variable does not have"]),
    ('"months:treated" = 1', '"months:treated" = nan', ["weights.months:treated", "a finite number"]),
    ('name = "deviation"', 'name = "treated"', ["also that of a coefficient", "'treated'"]),
    ("[priors.outcomes.y]", "[priors.outcomes.months]", ["neutral", "no table for the outcome 'y'"]),
    ("sigma = 5", "sigma = 0", ["[[priors]] neutral, [outcomes], [y], key 'sigma'", "above 0"]),
    ("slope = [0, 5]\neffect_i", "slope = [nan, 5]\neffect_i", ["[y], key 'slope'", "a finite number"]),
    ('models = ["effect"]', 'models = ["efect"]', ["[[figures]] lines, key 'models'", "'efect'"]),
    ('site = "north"', 'site = "west"', ["[[figures]] lines, line 'North'", "no such category"]),
]


@pytest.mark.parametrize(("old", "new", "words"), DEFECTS)
def test_broken_study(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    """One defect of a study file gives a message that names the file, the table and the key."""
    assert old in GOOD
    found = problems_of(write(tmp_path, GOOD.replace(old, new, 1), cells=None))
    assert any(all(word in text for word in words) for text in found), found
    assert all(text.startswith("study.toml") for text in found)


CELL_DEFECTS = [
    ("table,row", "tabel,row", ["cells.csv, line 1", "wrong header", "tabel"]),
    ("estimate,growth", "estmate,growth", ["cells.csv, line 2", "unknown quantity", "'estmate'"]),
    ("months,,,\n", "months,,\n", ["cells.csv, line 2", "wrong number of fields", "found: 9"]),
    ("months,,,\n", "weeks,,,\n", ["cells.csv, line 2", "not a term", "'weeks'"]),
    ("estimate,growth,months", "estimate,growth,", ["cells.csv, line 2", "a coefficient is needed"]),
    ("estimate,growth,months", "estimate,,", ["cells.csv, line 2", "no note that says why"]),
    ("estimate,growth,months", "estimate,grow,months", ["cells.csv, line 2", "no such model", "'grow'"]),
    ("0.1(0.05)*", "", ["cells.csv, line 2", "'printed' is empty"]),
    ("1,Effect", "1,Growth", ["cells.csv, line 3", "stands in line 2 too"]),
    (",no,\n", ",none,\n", ["cells.csv, line 4", "no such group", "'none'", "no, yes"]),
    ("mean_sd,,,,", "mean_sd,,,age,", ["cells.csv, line 4", "undeclared variable", "'age'"]),
    ("mean_sd,,", "mean_sd,growth,", ["cells.csv, line 4", "belongs to no model"]),
    ("1,Effect", '1,"Effect', ["cells.csv", "not valid CSV"]),
]


@pytest.mark.parametrize(("old", "new", "words"), CELL_DEFECTS)
def test_broken_cells(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    """One defect of the printed cells gives one message with its line."""
    assert old in CELLS
    found = problems_of(write(tmp_path, cells=CELLS.replace(old, new, 1)))
    assert len(found) == 1
    assert all(word in found[0] for word in words), found


def test_lines_after_a_broken_field(tmp_path: Path) -> None:
    """A field that spans two lines does not shift the line numbers of what follows."""
    cells = CELLS.replace("months,,,\n", 'months,,,"two\nlines"\n').replace("estimate,effect", "aic,effect")
    assert problems_of(write(tmp_path, cells=cells))[0].startswith(
        "cells.csv, line 4 (table 1, row 'Effect')"
    )


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[study", "not valid TOML"),
        ("a = 1\na = 2", "not valid TOML"),
        ("a = " + "9" * 5000, "not valid TOML"),
        ("a = " + "[" * 5000, "not valid TOML"),
        (b'[study]\nid = "\xff"', "a bad byte at offset 14"),
        (b"#" * (MAX_BYTES + 1), "too large"),
        ("", "[study], key 'id'"),
    ],
)
def test_broken_file(tmp_path: Path, toml: str | bytes, words: str) -> None:
    """A file that cannot be read as a whole is refused with the reason, never with a traceback."""
    assert any(words in text for text in problems_of(write(tmp_path, toml)))


def test_all_problems_at_once(tmp_path: Path) -> None:
    """Defects in several tables and in both files are all reported together."""
    toml = GOOD
    for old, new in (("horizon = 12", "horizon = -1"), ('rule = "below"', 'rule = "x"'), ("sigma = 5", "")):
        toml = toml.replace(old, new)
    found = problems_of(write(tmp_path, toml, CELLS.replace("estimate,growth", "x,growth")))
    for words in ("key 'horizon'", "key 'rule'", "key 'sigma'", "cells.csv, line 2"):
        assert sum(words in text for text in found) == 1, words


@pytest.mark.parametrize("name", ["nowhere", "no/where", "x" * 5000, "", "study.toml", "a\0b"])
def test_unknown_study(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study that does not exist is refused with the list of those that do."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"folmo2020, .*hothorn2014"):
        load_study(name)


def test_link_out_of_the_folder(tmp_path: Path) -> None:
    """A data file that is a link to somewhere else counts as leaving the folder."""
    folder = write(tmp_path / "study")
    (tmp_path / "secret.csv").write_text("x")
    (folder / "rows.csv").unlink()
    (folder / "rows.csv").symlink_to(tmp_path / "secret.csv")
    assert "leaves the study's folder" in problems_of(folder)[0]


def test_digest_follows_the_content(tmp_path: Path) -> None:
    """The digest is the same for the same two files and another when either changes."""
    first = load_study(write(tmp_path / "a")).digest
    assert load_study(write(tmp_path / "b")).digest == first
    assert load_study(write(tmp_path / "c", GOOD + "\n")).digest != first
    assert load_study(write(tmp_path / "d", cells=CELLS.replace("30(6)", "31(6)"))).digest != first


LINES = GOOD.strip().splitlines()


@given(st.integers(0, len(LINES) - 1), st.sampled_from(["", "x = 1", "[x]", "[[x]]", "= "]), st.booleans())
def test_no_line_can_crash(tmp_path_factory: pytest.TempPathFactory, at: int, line: str, keep: bool) -> None:
    """Whatever line is lost, replaced or added, the study either loads or is refused with an InputError."""
    lines = [*LINES[:at], line, *LINES[at + (0 if keep else 1) :]]
    folder = write(tmp_path_factory.getbasetemp() / "mangled", "\n".join(lines), cells=CELLS)
    try:
        load_study(folder)
    except InputError as error:
        assert error.problems


def test_a_formula_of_too_many_columns_is_refused_when_the_study_is_loaded(tmp_path: Path) -> None:
    """Seventy sites are sixty-nine columns beside intercept and time; sixty are allowed."""
    sites = ", ".join(f'"s{i}"' for i in range(70))
    site = f'[variables.site]\nlevel = "patient"\nkind = "category"\ncategories = [{sites}]\n'
    text = STUDY.replace("goals ~ months + (", "goals ~ months + site + (")
    text = text.replace("[variables.gaf]", f"{site}\n[variables.gaf]")
    with pytest.raises(InputError, match=r"too many columns; found: 71 or more; allowed: at most 60"):
        load_study(write_study(tmp_path / "s", text))
    few = text.replace(sites, ", ".join(f'"s{i}"' for i in range(59)))
    assert load_study(write_study(tmp_path / "t", few)).models
