"""A prior that cannot be is named with file, table and key, and a command ends with 2 and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayes_alliance.cli.main import main
from tests.study.test_load_study import CELLS, GOOD, problems_of, write

# Two more estimands, one of which the third is the sum of; and statements on them.
NAMED = GOOD.replace(
    'weights = { "months:treated" = 1 } },',
    """weights = { "months:treated" = 1 } },
  { name = "north", label = "North", kind = "slope_deviation", weights = { "months:site[south]" = 1 } },
  { name = "both", label = "Both", kind = "slope_deviation", weights = SUM },""",
).replace("[[figures]]", "[priors.estimands.effect]\nSTATED\n\n[[figures]]")
ABOVE = "a finite number above 0"
PLACE = "study.toml, [[priors]] neutral"


def stating(text: str) -> str:
    """Return the study with statements on estimands of model ``effect``."""
    both = '{ "months:treated" = 1, "months:site[south]" = 1 }'
    return NAMED.replace("SUM", both).replace("STATED", text)


SCALES = [
    (f"{key} = 5", f"{key} = {bad}", f"{PLACE}, [outcomes], [y], key '{key}'", shown)
    for key in ("sd_intercept", "sd_slope", "sigma", "lkj_eta")
    for bad, shown in (("0", "0"), ("-1", "-1"), ("inf", "inf"), ("nan", "nan"))
]
SCALES = [(old.replace("lkj_eta = 5", "lkj_eta = 2"), *rest) for old, *rest in SCALES]
PAIRS = [
    (f"\n{key} = [{mean}, 5]", f"\n{key} = [{mean}, {bad}]", f"{PLACE}, [outcomes], [y], key '{key}'", bad)
    for key, mean in (("intercept", 5), ("slope", 0), ("effect_intercept", 0), ("effect_slope", 0))
    for bad in ("0", "-2", "inf", "nan")
]


@pytest.mark.parametrize(("old", "new", "where", "found"), [*SCALES, *PAIRS])
def test_an_sd_that_cannot_be(tmp_path: Path, old: str, new: str, where: str, found: str) -> None:
    """Zero, negative, infinite, no number: of coefficients, effects, residuals and the correlation."""
    assert GOOD.count(old) == 1
    (said,) = problems_of(write(tmp_path, GOOD.replace(old, new), cells=None))
    assert said.startswith(where)
    assert f"found: {found}" in said
    assert ABOVE in said


@pytest.mark.parametrize("sd", ["0", "-0.5", "inf", "nan"])
def test_an_sd_of_a_named_estimand_that_cannot_be(tmp_path: Path, sd: str) -> None:
    """The same for a statement on an estimand."""
    (said,) = problems_of(write(tmp_path, stating(f"deviation = [0, {sd}]"), cells=None))
    assert said.startswith(f"{PLACE}, [estimands], [effect], key 'deviation'")
    assert ABOVE in said


def test_an_estimand_that_the_model_does_not_have(tmp_path: Path) -> None:
    """With those that it has; and a model that the study does not have."""
    text = stating("deviatoin = [0, 1]\n\n[priors.estimands.nothing]\ndeviation = [0, 1]")
    first, second = problems_of(write(tmp_path, text, cells=None))
    assert first.startswith(f"{PLACE}, [estimands.effect], key 'deviatoin'")
    assert "the model has no such estimand" in first and "allowed: deviation, north, both" in first
    assert second.startswith(f"{PLACE}, [estimands.nothing], key 'deviation'")
    assert "no such model" in second


def test_statements_whose_covariance_is_not_positive_definite(tmp_path: Path) -> None:
    """The third is the sum of the others: three SDs cannot be stated freely."""
    text = stating("deviation = [0, 1]\nnorth = [0, 1]\nboth = [0, 3]")
    (said,) = problems_of(write(tmp_path, text, cells=None))
    assert said.startswith(f"{PLACE}, [estimands]")
    assert "the prior of model 'effect' cannot be" in said
    assert "effect.deviation, effect.north, effect.both: the estimands are linearly dependent" in said


@pytest.mark.parametrize(
    ("stance", "mean", "words"),
    [
        ("enthusiastic", -1, "does not have the printed sign"),
        ("enthusiastic", 0, "does not have the printed sign"),
        ("pessimistic", 1, "does not have the sign opposite to print"),
    ],
)
def test_signs_that_contradict_print(tmp_path: Path, stance: str, mean: int, words: str) -> None:
    """An enthusiast whose mean of a printed effect is zero or has the other sign, a pessimist who agrees."""
    text = stating(f"deviation = [{mean}, 1]").replace(
        'label = "Neutral"', f'label = "Neutral"\nstance = "{stance}"'
    )
    text = text.replace("\nslope = [0, 5]", f"\nslope = [{1 if stance == 'enthusiastic' else -1}, 5]")
    cells = CELLS.replace("1,Effect,Slope,ns", "1,Effect,Slope,0.2(0.05)*")
    (said,) = problems_of(write(tmp_path, text, cells=cells))
    assert said.startswith(PLACE)
    assert f"the set is {stance}, but its mean of effect.deviation {words}" in said
    assert "printed 0.2" in said and "state it in [priors.estimands.effect]" in said


def test_a_command_names_all_of_them_and_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three faults in one file, three lines, no traceback."""
    text = stating("deviation = [0, 0]\nnothing = [0, 1]").replace("sigma = 5", "sigma = -1")
    folder = write(tmp_path, text, cells=None)
    assert main(["audit", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    for words in ("[effect], key 'deviation'", "key 'nothing'", "key 'sigma'"):
        assert said.count(words) == 1
