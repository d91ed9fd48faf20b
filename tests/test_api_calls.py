"""Everything that a command does, in one call of Python; and a model of a data frame without any study file."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayes_alliance as ba
from bayes_alliance.errors import FitError, InputError, RowsDifferError
from bayes_alliance.run.frame_study import AUTOMATIC, GIVEN, study_from_frame

# As statsmodels names the coefficients, in the order of this package.
NAMES = ["Intercept", "week", "arm[T.b]", "week:arm[T.b]"]
FUNCTIONS = [name for name in ba.__all__ if inspect.isfunction(getattr(ba, name))]


def frame(n: int = 40, seed: int = 3) -> pd.DataFrame:
    """Scores with a known course: level 10, slope -1 in arm a and -0.4 in arm b."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(n):
        arm = "ab"[person % 2]
        level, slope = 10 + rng.normal(0, 2), (-1.0 if arm == "a" else -0.4) + rng.normal(0, 0.3)
        rows += [
            {"id": f"p{person}", "week": w, "y": level + slope * w + rng.normal(0, 1), "arm": arm}
            for w in range(5)
        ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def by_arm() -> ba.ModelFit:
    return ba.fit("y ~ week * arm + (week | id)", frame(), draws=400)


def test_a_frame_is_fitted_as_statsmodels_fits_it(by_arm: ba.ModelFit) -> None:
    """ML and REML of fixed effects, standard errors of REML, and the likelihood agree with MixedLM."""
    import statsmodels.formula.api as smf

    rows = frame()
    for method, mine in (("ml", by_arm.ml), ("reml", by_arm.reml)):
        theirs = smf.mixedlm("y ~ week * arm", rows, groups=rows["id"], re_formula="~week").fit(
            reml=method == "reml", method="lbfgs"
        )
        np.testing.assert_allclose(mine.beta, theirs.fe_params[NAMES].to_numpy(), atol=2e-4)
        assert mine.deviance == pytest.approx(-2.0 * theirs.llf, abs=1e-3)
    errors = np.sqrt(np.diag(by_arm.reml.beta_cov))
    np.testing.assert_allclose(errors, theirs.bse_fe[NAMES].to_numpy(), rtol=5e-3)


def test_the_posterior_covers_what_made_the_rows(by_arm: ba.ModelFit) -> None:
    """Every interval holds the truth behind these rows; the table has what the record has."""
    table = by_arm.to_frame()
    for name, truth in (("Intercept", 10.0), ("week", -1.0), ("week:arm[b]", 0.6), ("sigma", 1.0)):
        assert table.loc[name, "lower"] < truth < table.loc[name, "upper"], name
    assert list(table.index) == [quantity.name for quantity in by_arm.quantities]


def test_a_fit_says_its_rows_and_priors_and_no_row(by_arm: ba.ModelFit) -> None:
    """Automatic priors are shown; identifiers are not."""
    text = repr(by_arm)
    assert "40 ids, 200 rows" in text
    assert "default: scaled to the SD of the outcome" in text and "slope N(0, " in text
    assert "p17" not in text and "p17" not in by_arm._repr_html_()


def test_a_fit_is_the_same_as_of_a_study_file() -> None:
    """With the priors of the study the model of the built-in trial has the numbers of its study file."""
    study = ba.load_study("medication")
    rows = ba.load_data(study).rows
    theirs = ba.reanalyse(study, engine="none", models=["treatment"]).run("treatment")
    assert theirs is not None
    mine = ba.fit(theirs.model.formula, rows, engine="none")
    np.testing.assert_allclose(mine.ml.beta, theirs.ml.beta, rtol=1e-10)
    assert mine.ml.deviance == pytest.approx(theirs.ml.deviance, rel=1e-12)
    with pytest.raises(FitError, match="without a posterior"):
        mine.to_datatree()
    with pytest.raises(FitError, match="LOO needs a posterior"):
        ba.loo(mine)


def test_priors_that_are_given_pull_as_they_say() -> None:
    """A sceptical prior on the difference of slopes shrinks it; the others stay automatic."""
    wide = ba.fit("y ~ week * arm + (week | id)", frame(), draws=400)
    tight = ba.fit("y ~ week * arm + (week | id)", frame(), draws=400, priors={"effect_slope": (0.0, 0.05)})
    assert (wide.study.priors[0].name, tight.study.priors[0].name) == (AUTOMATIC, GIVEN)
    assert tight.priors.effect_slope == (0.0, 0.05) and tight.priors.sigma == wide.priors.sigma
    name = "week:arm[b]"
    assert abs(tight.to_frame().loc[name, "mean"]) < 0.3 * abs(wide.to_frame().loc[name, "mean"])


def test_models_on_the_same_rows_are_compared_and_others_refused(by_arm: ba.ModelFit) -> None:
    """The model that made the rows predicts best; a model of fewer rows is refused with its counts."""
    rows = frame()
    growth = ba.fit("y ~ week + (week | id)", rows, draws=400)
    flat = ba.fit("y ~ 1 + (week | id)", rows, draws=400)
    table = ba.compare({"flat": flat, "growth": growth, "by arm": by_arm})
    assert list(table.index) == ["by arm", "growth", "flat"]
    assert table["weight"].sum() == pytest.approx(1.0)
    assert table.loc["growth", "elpd"] == pytest.approx(ba.loo(growth).elpd)
    assert table.loc["growth", "aic"] == pytest.approx(growth.ml.deviance + 2 * 6)
    fewer = ba.fit("y ~ week + (week | id)", rows[rows["week"] < 4], draws=400)
    with pytest.raises(RowsDifferError, match="160 rows"):
        ba.compare({"growth": growth, "fewer": fewer})
    with pytest.raises(InputError, match="fewer than two"):
        ba.compare({"growth": growth})


def test_rows_that_lack_a_value_are_counted() -> None:
    """Left out, and said."""
    rows = frame()
    rows.loc[[3, 70], "y"] = None
    fit = ba.fit("y ~ week + arm + (week | id)", rows, engine="none")
    assert fit.rows.n_rows == len(rows) - 2
    assert any("2 rows" in text for text in fit.left_out)


def test_without_time_the_rows_of_a_patient_are_counted() -> None:
    """A random intercept alone needs no column of time."""
    study, rows = study_from_frame("y ~ arm + (1 | id)", frame())
    assert study.time == "visit_number" and set(rows["visit_number"]) == set(range(5))
    fit = ba.fit("y ~ arm + (1 | id)", frame(), engine="none")
    assert fit.ml.x_names == ("Intercept", "arm[b]")


@pytest.mark.parametrize(
    ("formula", "priors", "said"),
    [
        ("y ~ weak + (week | id)", None, "did you mean 'week'?"),
        ("y ~ week", None, "no random part"),
        ("arm ~ week + (week | id)", None, "column arm: a binary outcome"),
        ("y ~ week + (week | id)", {"slop": (0, 1)}, "did you mean 'slope'?"),
        ("y ~ week + (week | id)", {"slope": 1.0}, r"allowed: \(mean, sd\)"),
        ("y ~ week + (week | id)", {"sigma": -1.0}, "a number above 0"),
    ],
)
def test_wrong_input_is_said_in_one_message(
    formula: str, priors: dict[str, object] | None, said: str
) -> None:
    """What is wrong and what would be right."""
    with pytest.raises(InputError, match=said):
        ba.fit(formula, frame(), priors=priors, engine="none")  # type: ignore[arg-type]


def test_every_example_of_the_documentation_gives_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each function of the public list has an example in its docstring or its page, and all of them run."""
    monkeypatch.chdir(tmp_path)
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    examples = {}
    for name in FUNCTIONS:
        for test in finder.find(getattr(ba, name), name, globs={}):
            examples[name] = len(test.examples)
            runner.run(test)
    assert runner.failures == 0
    assert [name for name in FUNCTIONS if not examples.get(name)] == []


def test_the_public_list_is_all_that_is_shown() -> None:
    """`dir` lists no submodule and nothing private, whatever was imported; each name has a docstring."""
    code = (
        "import bayes_alliance as ba, bayes_alliance.stress.run; "
        "assert dir(ba) == sorted(ba.__all__); "
        "assert all(callable(getattr(ba, n)) for n in dir(ba) if n != '__version__')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(getattr(ba, name).__doc__ for name in ba.__all__ if name != "__version__")
