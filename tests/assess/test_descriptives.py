"""Baseline tables: counts by hand, tests against scipy.stats."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats as distributions

from bayes_alliance.assess.descriptives import Descriptive, describe_patients
from bayes_alliance.study.records import Study
from tests.builders import VARIABLES, build_study, build_variable

EXTRA = (
    build_variable("work", "patient", limits=(0, 60)),
    build_variable("mood", "patient", "binary"),
    build_variable("site", "patient", "category", categories=("a", "b")),
)


def _study(group: str = "paranoid") -> Study:
    import dataclasses

    study = build_study(variables=(*VARIABLES, *EXTRA), derived=())
    return dataclasses.replace(study, descriptive_group=group)


def _rows(seed: int = 1, n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    patients = pd.DataFrame(
        {
            "patient": [f"p{i:02d}" for i in range(n)],
            "paranoid": np.repeat([0.0, 1.0], [n - 20, 20]),
            "age": rng.normal(30, 8, n),
            "work": np.where(rng.random(n) < 0.4, 0.0, rng.uniform(1, 60, n)),
            "mood": (rng.random(n) < 0.5).astype(float),
            "site": pd.Categorical(rng.choice(["a", "b"], n)),
        }
    )
    patients.loc[[3, 45], "age"] = np.nan
    patients.loc[[5, 6, 50], "mood"] = np.nan
    visits = pd.DataFrame({"patient": patients["patient"].repeat(3), "months": np.tile([0.0, 3.0, 6.0], n)})
    return visits.merge(patients, on="patient").assign(goals=rng.uniform(1, 7, 3 * n))


def _by_name(found: list[Descriptive]) -> dict[tuple[str, str], Descriptive]:
    return {(d.variable, d.kind): d for d in found}


def _groups(rows: pd.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    patients = rows.drop_duplicates("patient")
    first = patients.loc[patients["paranoid"] == 0, name].dropna().to_numpy(float)
    return first, patients.loc[patients["paranoid"] == 1, name].dropna().to_numpy(float)


def test_means_and_their_test_are_scipys() -> None:
    """Means, SDs (n - 1), valid n, and Student's t with pooled variance."""
    rows = _rows()
    found = _by_name(describe_patients(_study(), rows))["age", "mean"]
    pair = _groups(rows, "age")
    for group, values in zip(found.groups, pair, strict=True):
        assert group.n == len(values)
        assert group.mean == pytest.approx(values.mean())
        assert group.sd == pytest.approx(values.std(ddof=1))
        assert np.isnan(group.percent)
    expected = distributions.ttest_ind(*pair, equal_var=True)
    assert found.test.statistic == pytest.approx(expected.statistic)
    assert found.test.p == pytest.approx(expected.pvalue)
    assert found.test.df == 56


def test_shares_and_their_test_are_scipys() -> None:
    """Counts, valid per cent, and Pearson's chi-square without correction."""
    rows = _rows()
    found = _by_name(describe_patients(_study(), rows))["mood", "share"]
    pair = _groups(rows, "mood")
    for group, values in zip(found.groups, pair, strict=True):
        assert (group.n, group.count) == (len(values), int(values.sum()))
        assert group.percent == pytest.approx(100 * values.mean())
        assert np.isnan(group.mean)
    table = [[int(v.sum()), len(v) - int(v.sum())] for v in pair]
    expected = distributions.chi2_contingency(table, correction=False)
    assert found.test.statistic == pytest.approx(expected.statistic)
    assert found.test.p == pytest.approx(expected.pvalue)


def test_share_of_zero_counts_the_bottom_of_a_scale_that_begins_there() -> None:
    """Patients without any work are counted; age, whose scale begins at 18, has no such line."""
    rows = _rows()
    found = _by_name(describe_patients(_study(), rows))
    zeros = found["work", "share of zero"]
    for group, values in zip(zeros.groups, _groups(rows, "work"), strict=True):
        assert (group.count, group.n) == (int(np.sum(values == 0.0)), len(values))
    assert ("age", "share of zero") not in found
    assert ("work", "mean") in found


def test_no_share_of_zero_where_nobody_is_at_zero() -> None:
    """A line of zeros would say nothing."""
    rows = _rows().assign(work=lambda f: f["work"] + 1.0)
    assert ("work", "share of zero") not in _by_name(describe_patients(_study(), rows))


def test_only_numbers_of_the_patient_are_described_in_order_of_declaration() -> None:
    """Visit-level variables, categories, the identifier and the group itself are left out."""
    names = [d.variable for d in describe_patients(_study(), _rows())]
    assert list(dict.fromkeys(names)) == ["age", "work", "mood"]


def test_more_visits_of_a_patient_do_not_count_more() -> None:
    """Patients count once: repeating a patient's rows changes nothing."""
    rows = _rows()
    longer = pd.concat([rows, rows[rows["patient"] == "p00"]], ignore_index=True)
    assert repr(describe_patients(_study(), rows)) == repr(describe_patients(_study(), longer))


def test_a_patient_without_a_group_is_in_neither() -> None:
    """An unknown group is not group 0; n shows it."""
    rows = _rows()
    rows.loc[rows["patient"] == "p00", "paranoid"] = np.nan
    found = _by_name(describe_patients(_study(), rows))["work", "mean"]
    assert (found.groups[0].n, found.groups[1].n) == (39, 20)


@pytest.mark.parametrize("group", ["", "paranoid"])
def test_without_a_grouping_variable_there_is_no_table(group: str) -> None:
    """Neither an undeclared group nor one that the data lack is made up."""
    assert describe_patients(_study(group), _rows().drop(columns="paranoid")) == []


def test_a_variable_with_no_valid_value_in_a_group_has_no_test() -> None:
    """Empty groups give NaN and no warning; n = 0 shows why."""
    rows = _rows()
    rows.loc[rows["paranoid"] == 1, ["age", "mood", "work"]] = np.nan
    found = _by_name(describe_patients(_study(), rows))
    for key in (("age", "mean"), ("mood", "share"), ("work", "share of zero")):
        assert found[key].groups[1].n == 0
        assert np.isnan(found[key].test.p)
    assert np.isnan(found["mood", "share"].groups[1].percent)


def test_a_variable_missing_for_everyone_is_described_as_empty() -> None:
    """All missing: no value, no test, no crash."""
    rows = _rows().assign(work=np.nan, mood=np.nan)
    found = _by_name(describe_patients(_study(), rows))
    assert [g.n for g in found["work", "mean"].groups] == [0, 0]
    assert ("work", "share of zero") not in found
