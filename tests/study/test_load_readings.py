"""``readings.toml``: what is wrong is named, all at once, and an option reads the study as it says."""

import shutil
from pathlib import Path

import pytest

from bayes_alliance.errors import InputError
from bayes_alliance.study.load_readings import FILE, load_readings
from bayes_alliance.study.load_study import load_study, models_folder
from bayes_alliance.study.readings import study_under
from bayes_alliance.study.records import Study


@pytest.fixture(scope="module")
def folmo() -> Study:
    """Load the built-in study."""
    return load_study("folmo2020")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copy the built-in study."""
    source = models_folder() / "folmo2020"
    return Path(shutil.copytree(source, tmp_path / "copy", ignore=shutil.ignore_patterns("*.parquet")))


def change(folder: Path, old: str, new: str) -> None:
    """Change the first place of the readings that says so."""
    path = folder / FILE
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("weight = 0.4", "weight = 0", "above 0"),
        ("weight = 0.4", "wieght = 0.4", "did you mean 'weight'?"),
        ('"goals_outcome"', '"goals_outcomes"', "no such model"),
        ('within = "outcome_rows.all"', 'within = "outcome_rows.most"', "option of an earlier reading"),
        ('fact = "share_poor"', 'fact = "n_poor"', "not the id of a percentage"),
        ('of = "n_good_of_all"', 'of = "share_poor"', "not the id of a count"),
        ("missing = [1, 6]", "missing = [6, 1]", "[fewest, most]"),
        ('samples = ["all"]', 'samples = ["most"]', "no such sample"),
        ('without_facts = ["n_good_of_end_gaf"]', 'without_facts = ["n_good"]', "no such fact"),
        ('row = "TASKS: Poor outcome, Paranoid PD=1"', 'row = "TASK"', "no such estimate in cells.csv"),
        (
            '"months:outcome_ppd[poor_ppd]"',
            '"months:outcome_ppd[good_none]"',
            "the reference category, which has no coefficient",
        ),
        ('id = "without"', 'id = "all"', "duplicate id"),
        ('without_end = { end_gaf = "gaf" }', 'without_end = { gaf = "gaf" }', "no variable of patients"),
        ("slip = 0.02", "slip = 1.5", "between 0 and 1"),
        (
            'fact = "share_completed_good"\nof = "n_good_of_end_gaf"',
            'fact = "share_poor"\nof = "n_end_gaf"',
            "different percentages",
        ),
    ],
)
def test_what_is_wrong_is_named(folder: Path, old: str, new: str, words: str) -> None:
    """A mistake is named with file and table."""
    change(folder, old, new)
    with pytest.raises(InputError) as caught:
        load_readings(load_study(folder))
    assert words in str(caught.value)
    assert FILE in str(caught.value)


def test_all_problems_at_once(folder: Path) -> None:
    """Two mistakes give one message with both."""
    change(folder, "missing = [7, 7]", "missing = 7")
    change(folder, 'coefficient = "slope_poor_ppd"', 'coefficient = "slope_poor"')
    with pytest.raises(InputError) as caught:
        load_readings(load_study(folder))
    assert len(caught.value.problems) == 2


def test_a_study_without_readings(folder: Path) -> None:
    """Without the file a study has none."""
    (folder / FILE).unlink()
    assert load_readings(load_study(folder)).readings == ()


def test_an_option_reads_the_study_its_way(folmo: Study) -> None:
    """Cells stand for what the option says, counts that do not hold are gone, and the study's own way is the study."""
    by_id = {one.id: one for one in load_readings(folmo).readings}
    own, other, _ = by_id["crossed_cells"].options
    assert study_under(folmo, own) is folmo
    place = ("TASKS: Poor outcome, Paranoid PD=0", "Linear slope")
    (cell,) = [c for c in study_under(folmo, other).cells if (c.row, c.column) == place]
    assert (cell.model, cell.coefficient) == ("tasks_outcome_ppd", "months:outcome_ppd[poor_none]")
    without = study_under(folmo, by_id["outcome_rows"].options[2])
    assert [sample.id for sample in without.publication.samples] == ["end_gaf"]
    facts = {fact.id: fact for fact in without.facts}
    assert "n_good_of_all" not in facts
    assert facts["share_completed_good"].of == ("n_good_of_end_gaf",)


def test_a_reversed_cell_is_the_coefficient_with_the_other_sign(folmo: Study) -> None:
    """Under the other coding of completion, the printed -0.3 is minus the coefficient of the model."""
    reading = next(one for one in load_readings(folmo).readings if one.id == "completed")
    under = study_under(folmo, reading.options[1])
    (cell,) = [c for c in under.cells if c.row == "GAF: Completed as planned" and "slope est" in c.column]
    weights = {e.name: e.weights for e in under.model("gaf_completed").estimands}[cell.coefficient]
    assert weights == (("months:not_completed", -1.0),)
