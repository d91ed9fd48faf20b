"""What the text states beside what a run gives: numbers are those of other sources, and nothing states more."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from bayes_alliance.cohorts.simulate import simulate_cohort
from bayes_alliance.cohorts.solver.sensitivity import fit_scores, lay_out
from bayes_alliance.run.results import StudyResults, TextFact
from bayes_alliance.run.text_facts import count_facts, wald_p_of_slope
from bayes_alliance.show.privacy import mask_small_cells
from bayes_alliance.study.load_study import load_study
from tests.results_fixture import SEED, build_results


@pytest.fixture(scope="module")
def results() -> StudyResults:
    """Some models of the built-in study on a synthetic cohort."""
    return build_results()


def fact(results: StudyResults, fact_id: str) -> TextFact:
    return next(item for item in results.text if item.fact.id == fact_id)


def test_every_statement_is_there_once(results: StudyResults) -> None:
    """All facts that are printed, in their order, whether their models were run or not."""
    assert [item.fact.id for item in results.text] == [f.id for f in results.study.facts if f.printed]
    assert fact(results, "p_goals_good").asked == ()


def test_a_p_value_and_its_sign(results: StudyResults) -> None:
    """Both are those of the model's quantity, and each is met or not by itself."""
    run = results.run("tasks_outcome")
    assert run is not None
    quantity = run.quantity("months:poor_outcome")
    p, sign = fact(results, "p_tasks_slope_outcome").asked
    assert (p.achieved, sign.achieved) == (quantity.ml.p, quantity.ml.estimate)
    assert p.met == (quantity.ml.p <= 0.05) and sign.met == (quantity.ml.estimate <= 0.0)
    assert (p.high, sign.high, sign.low) == (0.05, 0.0, -math.inf)
    assert fact(results, "p_tasks_slope_outcome").effect == quantity


def test_wald_p_of_the_slope_variance_by_another_parametrisation(results: StudyResults) -> None:
    """The same as from the inverse information of variances and covariance, which another module computes."""
    checked = 0
    for run in results.runs:
        if len(run.ml.z_names) == 2 and not run.ml.singular:
            found = fit_scores(lay_out(run.design), run.design.y)
            z = found.variance_of(1) / float(found.variance_se[2])
            assert wald_p_of_slope(run.ml) == pytest.approx(math.erfc(z / math.sqrt(2.0)), rel=1e-5)
            checked += 1
    assert checked >= 3
    assert fact(results, "varies_tasks_slope").asked[0].achieved < 0.05


def test_a_variance_at_zero_has_no_wald_test(results: StudyResults) -> None:
    """A singular fit, or one without a random slope, gives no number rather than a wrong one."""
    run = results.run("tasks_growth")
    assert run is not None
    assert math.isnan(wald_p_of_slope(dataclasses.replace(run.ml, singular=True)))
    alone = results.run("tasks_unconditional")
    assert alone is not None
    assert math.isnan(wald_p_of_slope(alone.ml))


def test_likelihood_ratio_of_growth(results: StudyResults) -> None:
    """Chi-square on three degrees of freedom: the slope, its variance and the covariance."""
    from scipy import stats

    smaller, larger = results.run("tasks_unconditional"), results.run("tasks_growth")
    assert smaller is not None and larger is not None
    (asked,) = fact(results, "lr_tasks_growth").asked
    assert asked.achieved == pytest.approx(stats.chi2(3).sf(smaller.ml.deviance - larger.ml.deviance))


def test_counts_and_shares_by_hand() -> None:
    """Means, SDs and percentages are those of a plain count over patients."""
    study = load_study("folmo2020")
    data = simulate_cohort(study, SEED)
    found: dict[tuple[str, str], float] = {(f.id, kind): value for f, kind, value in count_facts(study, data)}
    rows = data.rows
    patients = rows.groupby("patient")
    mild, good = [], []
    for _, mine in patients:
        end_wsas, end_gaf = (mine.loc[mine["months"] == 36.0, name] for name in ("wsas", "gaf"))
        if end_wsas.notna().any() and end_wsas.iloc[0] < 15:
            mild.append(True)
            if end_gaf.notna().any():
                good.append(end_gaf.iloc[0] >= 60)
        elif end_wsas.notna().any():
            mild.append(False)
    assert found["share_mild_wsas", "percent"] == pytest.approx(100.0 * np.mean(mild))
    assert found["share_wsas_good", "percent"] == pytest.approx(100.0 * np.mean(good))
    assert found["n_all", "count"] == 155.0
    per_patient = patients[["goals", "bonds", "tasks"]].apply(lambda part: part.notna().any(axis=1).sum())
    assert found["mean_assessments", "sd"] == pytest.approx(np.std(per_patient, ddof=1))
    first = patients.apply(lambda part: part.loc[part["months"] == 0.0, "bsi"].max())
    last = patients.apply(lambda part: part.loc[part["months"] == 36.0, "bsi"].max())
    assert found["mean_bsi_admission", "mean"] == pytest.approx(first[last.notna() & first.notna()].mean())


def test_what_describes_patients_is_withheld_with_a_smallest_cell(results: StudyResults) -> None:
    """Counts and shares go; what rests on models that stay, stays."""
    masked = mask_small_cells(results, 5)
    assert fact(masked, "share_poor").asked == () and fact(results, "share_poor").asked != ()
    assert fact(masked, "p_tasks_slope_outcome") == fact(results, "p_tasks_slope_outcome")
    strict = mask_small_cells(results, 200)
    assert all(item.asked == () and item.effect is None for item in strict.text)
