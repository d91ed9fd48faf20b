"""Nested levels and correlated residuals: likelihood, ML, REML against brute force, closed forms and printed values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

import bayes_alliance as ba
from bayes_alliance.api.structured import StructuredFit
from bayes_alliance.errors import FitError
from bayes_alliance.inference.lmm.likelihood import profile_patterns, weigh_patterns
from bayes_alliance.inference.lmm.ml import _polish
from bayes_alliance.inference.lmm.patterns import Rows, summarise_patterns
from bayes_alliance.inference.lmm.structure import RandomShape, ResidualShape, Structure
from tests.reference_fits import REFERENCE


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "data" / f"{name}.csv")


def orthodont() -> pd.DataFrame:
    rows = read("orthodont")
    return rows.assign(visit=(rows["age"] - 6) / 2)


def fit(formula: str, rows: pd.DataFrame, **options: str) -> StructuredFit:
    found = ba.fit(formula, rows, **({"engine": "none"} | options))
    assert isinstance(found, StructuredFit)
    return found


def example(kind: str, q: int, r: int, variance: str) -> tuple[Rows, Structure]:
    """Patients with visits missing, in six clusters and none."""
    rng = np.random.default_rng(1)
    rows = [
        (i // 4, i, v, i % 2, rng.normal())
        for i in range(24)
        for v in range(5)
        if v == 0 or rng.random() > 0.3
    ]
    cluster, patient, visit, arm, y = np.array(rows).T
    one = np.ones(len(y))
    group = {"": 0 * visit, "arm": arm, "visit": visit}["visit" if kind == "un" else variance].astype(int)
    inside = cluster < 5
    columns = np.column_stack([one, visit])
    names = ("Intercept", "visit")
    return (
        Rows(
            y=y,
            x=np.column_stack([one, visit, arm, visit * arm]),
            z=columns[:, :q],
            w=columns[:, :r] * inside[:, None],
            patient=patient.astype(int),
            cluster=np.where(inside, cluster, -1).astype(int) if r else np.zeros(len(y), int),
            position=visit,
            group=group,
        ),
        Structure(
            patient=RandomShape(names=names[:q], blocks=(q,) if q else ()),
            cluster=RandomShape(names=names[:r], blocks=(r,) if r else ()),
            residual=ResidualShape(
                kind=kind,  # type: ignore[arg-type]
                variable="visit",
                levels=tuple("01234"),
                groups=tuple(str(k) for k in range(group.max() + 1)),
            ),
        ),
    )


def whole_covariance(rows: Rows, structure: Structure, theta: np.ndarray) -> np.ndarray:
    """Build the covariance of all rows entry by entry."""
    found = structure.split(theta[None])
    sd = np.exp(found.log_ratio[0])[rows.group]
    n = len(rows.y)
    v = np.zeros((n, n))
    for a, b in itertools.product(range(n), repeat=2):
        if rows.patient[a] == rows.patient[b]:
            pair = structure.residual.correlation(found.u, rows.position[[a, b]][None])[0, 0]
            v[a, b] += sd[a] * sd[b] * (1.0 if a == b else pair[0, 1])
            v[a, b] += rows.z[a] @ found.patient[0] @ found.patient[0].T @ rows.z[b]
        if rows.cluster[a] == rows.cluster[b] >= 0:
            v[a, b] += rows.w[a] @ found.cluster[0] @ found.cluster[0].T @ rows.w[b]
    return v


CASES = [
    ("id", 2, 2, ""),
    ("id", 1, 1, "visit"),
    ("id", 2, 0, "arm"),
    ("cs", 0, 2, "visit"),
    ("ar1", 1, 1, "arm"),
    ("car1", 2, 0, ""),
    ("toep", 0, 1, ""),
    ("un", 0, 1, ""),
]


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize(("kind", "q", "r", "variance"), CASES)
def test_likelihood_and_gradient_are_those_of_the_whole_covariance(
    kind: str, q: int, r: int, variance: str, reml: bool
) -> None:
    """Deviance, fixed effects and their covariance agree with the n x n matrix; the gradient with differences."""
    rows, structure = example(kind, q, r, variance)
    stats = summarise_patterns(rows, structure)
    theta = np.random.default_rng(3).uniform(0.2, 0.6, sum(structure.sizes))
    v = whole_covariance(rows, structure, theta)
    weighted = np.linalg.solve(v, np.column_stack([rows.x, rows.y]))
    information = rows.x.T @ weighted[:, :-1]
    beta = np.linalg.solve(information, rows.x.T @ weighted[:, -1])
    df = len(rows.y) - (4 if reml else 0)
    rss = rows.y @ weighted[:, -1] - beta @ rows.x.T @ weighted[:, -1]
    expected = np.linalg.slogdet(v)[1] + df * (1.0 + math.log(2.0 * math.pi * rss / df))
    expected += np.linalg.slogdet(information)[1] if reml else 0.0
    found = profile_patterns(stats, theta, reml=reml)
    assert math.isclose(found.deviance, expected, abs_tol=1e-8)
    assert np.allclose(found.beta, beta)
    assert np.allclose(found.beta_cov, rss / df * np.linalg.inv(information))
    logdet, quadratic = weigh_patterns(stats, structure.split(np.tile(theta, (2, 1))))
    columns = np.column_stack([rows.x @ np.linalg.inv(stats.basis), rows.y - rows.x @ stats.beta_ols])
    assert np.allclose(logdet, np.linalg.slogdet(v)[1])
    assert np.allclose(quadratic, columns.T @ np.linalg.solve(v, columns))
    for sigma in (None, 1.3):
        analytic = profile_patterns(stats, theta, reml=reml, sigma=sigma).gradient
        differences = [
            profile_patterns(stats, theta + h, reml=reml, sigma=sigma).deviance
            - profile_patterns(stats, theta - h, reml=reml, sigma=sigma).deviance
            for h in 1e-5 * np.eye(len(theta))
        ]
        assert np.allclose(analytic, np.array(differences) / 2e-5, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("residual", "printed"),
    [("un(visit)", 419.477), ("toep(visit)", 424.643), ("ar1(visit)", 440.681), ("cs", 428.639)],
)
def test_growth_of_faces_has_the_printed_likelihoods(residual: str, printed: float) -> None:
    """-2 log likelihood as printed for models 2, 4, 5 and 7 in Verbeke & Molenberghs 2000, section 17.4.

    The models are those of Jennrich & Schluchter 1986 (doi:10.2307/2530695), fitted by SAS PROC MIXED.
    """
    found = fit("distance ~ age*Sex", orthodont(), residual=residual, patient="Subject", time="age")
    assert abs(found.ml.deviance - printed) < 6e-4


def test_oxide_has_the_printed_variance_components() -> None:
    """Pinheiro & Bates 2000, section 4.2.3: SDs 11.398 (lot), 5.989 (wafer), 3.545 by REML."""
    found = fit("Thickness ~ 1 + (1 | Lot/Wafer)", read("oxide")).variance_parameters()
    assert [round(reml, 3) for _, reml, _ in found.values()] == [11.398, 5.989, 3.545]


def cell_means(rows: pd.DataFrame) -> pd.DataFrame:
    """One 0/1 column a visit and sex, so that each coefficient is the mean of a cell."""
    cells = {
        f"{sex.lower()}{visit:.0f}": ((rows["Sex"] == sex) & (rows["visit"] == visit)).astype(float)
        for sex in ("Male", "Female")
        for visit in (1.0, 2.0, 3.0, 4.0)
    }
    return rows.assign(**cells)


def test_a_visit_of_complete_data_is_a_two_sample_t_test() -> None:
    """Under MMRM by REML, without missing visits, a difference at a visit has the pooled t test's SE and N - 2 df."""
    rows = cell_means(orthodont())
    names = [name for name in rows.columns if name[-1] in "1234"]
    found = fit(
        f"distance ~ 0 + {' + '.join(names)}", rows, residual="un(visit)", patient="Subject", time="age"
    )
    last = rows[rows["visit"] == 4.0]
    one, other = (last.loc[last["Sex"] == sex, "distance"] for sex in ("Male", "Female"))
    expected = scipy_stats.ttest_ind(one, other)
    effect = found.effect([("male4", 1.0), ("female4", -1.0)])
    assert math.isclose(effect.estimate / effect.se, expected.statistic, rel_tol=1e-6)
    assert math.isclose(effect.df, 25.0, rel_tol=1e-4)
    assert math.isclose(effect.p, expected.pvalue, rel_tol=1e-4)


def test_unequal_variances_give_the_test_of_welch() -> None:
    """Independent rows with an SD for each group: Satterthwaite's df are those of Welch."""
    rows = orthodont().query("visit == 1").assign(male=lambda d: (d["Sex"] == "Male").astype(float))
    found = fit("distance ~ male", rows, residual="var(Sex)", patient="Subject", time="age", horizon=1.0)
    one, other = (rows.loc[rows["Sex"] == sex, "distance"] for sex in ("Male", "Female"))
    expected = scipy_stats.ttest_ind(one, other, equal_var=False)
    effect = found.effect([("male", 1.0)])
    assert math.isclose(effect.estimate / effect.se, expected.statistic, rel_tol=1e-6)
    assert math.isclose(effect.df, expected.df, rel_tol=1e-4)


def test_a_variance_that_is_small_is_not_taken_for_zero() -> None:
    """A search can stop where a diagonal entry of the factor is zero; the maximum has three positive variances."""
    rows = read("oxboys").assign(age2=lambda d: d["age"] ** 2)
    found = fit("height ~ age + age2 + (age + age2 | Subject)", rows)
    assert not found.ml.singular
    assert found.ml.deviance < 634.431


@pytest.mark.parametrize(
    ("formula", "residual"),
    [
        ("distance ~ age + (1 | Subject)", "cs"),
        ("distance ~ age + (1 | Subject)", "un(visit)"),
        ("distance ~ age + (age | Subject)", "toep(visit)"),
    ],
)
def test_what_the_rows_cannot_tell_apart_is_refused(formula: str, residual: str) -> None:
    """A random intercept is part of compound symmetry, of Toeplitz and of any covariance by visit."""
    with pytest.raises(FitError, match="cannot be told apart"):
        fit(formula, orthodont(), residual=residual)


def test_pairs_of_visits_that_nobody_has_are_refused() -> None:
    """Without a patient seen at both, the covariance of two visits has no data."""
    rows = orthodont()
    rows = rows[~rows["visit"].isin([4.0]) | ~rows["Subject"].isin(rows["Subject"].unique()[:14])]
    rows = rows[~rows["visit"].isin([1.0]) | rows["Subject"].isin(rows["Subject"].unique()[:14])]
    with pytest.raises(FitError, match="some pair of visits"):
        fit("distance ~ age", rows, residual="un(visit)", patient="Subject", time="age")


def test_rounding_of_a_large_deviance_does_not_end_the_search() -> None:
    """A gain below the last digit of a deviance of a million: its gradient, not its value, tells the maximum."""

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        away = theta - 1.0
        rounding = 1e-9 if abs(away[0]) < 1e-8 else 0.0
        return 1e6 + 5e3 * float(away @ away) + rounding, 1e4 * away

    found = _polish(objective, np.array([1.0 + 3e-7]), np.array([False]))
    assert abs(objective(found)[1][0]) < 1e-6
