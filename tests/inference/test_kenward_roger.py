"""Kenward and Roger: definitions on the whole covariance, pbkrtest, and what SAS prints."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats

import bayes_alliance as ba
from bayes_alliance.api.frames import ModelFit
from bayes_alliance.api.structured import StructuredFit
from bayes_alliance.errors import InputError
from bayes_alliance.inference.lmm.kenward_roger import adjust
from bayes_alliance.inference.lmm.likelihood import profile_patterns
from bayes_alliance.inference.lmm.ml import LmmFit
from bayes_alliance.inference.lmm.model import LmmModel, build_model
from bayes_alliance.inference.lmm.patterns import Rows
from bayes_alliance.inference.lmm.structure import Structure
from tests.inference.test_lmm import cell_means, example, fit, orthodont
from tests.inference.test_lmm_reference import our_name, rows_of
from tests.reference_fits import REFERENCE

PBKRTEST: list[dict[str, Any]] = json.loads((REFERENCE / "kenward.json").read_text())["fits"]
SAS: dict[str, Any] = json.loads((REFERENCE / "sas.json").read_text())

Covariance = np.ndarray


def covariance_at(rows: Rows, structure: Structure, point: np.ndarray) -> Covariance:
    """Covariance of all rows at variances, covariances and correlations as SAS prints them."""
    shapes, matrices = (structure.patient, structure.cluster), []
    residual, groups = structure.residual, len(structure.residual.groups)
    for shape in shapes:
        matrix = np.zeros((shape.size, shape.size))
        own, point = point[: shape.n_parameters], point[shape.n_parameters :]
        matrix[shape.mask] = own
        matrices.append(matrix + np.tril(matrix, -1).T)
    sd, rho = np.sqrt(point[:groups])[rows.group], point[groups:]
    rho = rho / point[0] if residual.kind == "toep" else rho  # SAS has covariances there
    distance = np.abs(np.subtract.outer(rows.position, rows.position))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = {
            "id": lambda: np.equal.outer(np.arange(len(sd)), np.arange(len(sd))).astype(float),
            "cs": lambda: np.where(distance == 0.0, 1.0, rho[:1]),
            "ar1": lambda: rho[0] ** distance,
            "car1": lambda: rho[0] ** (distance * residual.gap),
            "toep": lambda: np.append(1.0, rho)[distance.astype(int)],
        }[residual.kind]()
    same = np.equal.outer(rows.patient, rows.patient)
    together = np.equal.outer(rows.cluster, rows.cluster) & (rows.cluster >= 0)
    v = same * (rows.z @ matrices[0] @ rows.z.T + np.outer(sd, sd) * correlation)
    whole: Covariance = v + together * (rows.w @ matrices[1] @ rows.w.T)
    return whole


def adjusted_by_definition(
    rows: Rows, structure: Structure, point: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Adjusted covariance, derivatives of the covariance, inverse expected information, with n x n matrices."""
    count, x = len(point), rows.x
    step = 1e-4 * np.maximum(np.abs(point), 0.1)

    def at(*moves: tuple[int, float]) -> Covariance:
        moved = point.copy()
        for k, side in moves:
            moved[k] += side * step[k]
        return covariance_at(rows, structure, moved)

    v = at()
    inverse = np.linalg.inv(v)
    phi = np.linalg.inv(x.T @ inverse @ x)
    d = [(at((i, 1)) - at((i, -1))) / (2.0 * step[i]) for i in range(count)]
    p = [-x.T @ inverse @ one @ inverse @ x for one in d]
    information, terms = np.empty((count, count)), np.empty((count, count, *phi.shape))
    projection = inverse - inverse @ x @ phi @ x.T @ inverse
    for i in range(count):
        for j in range(count):
            second = (
                at((i, 1), (j, 1)) - at((i, 1), (j, -1)) - at((i, -1), (j, 1)) + at((i, -1), (j, -1))
            ) / (4.0 * step[i] * step[j])
            q = x.T @ inverse @ d[i] @ inverse @ d[j] @ inverse @ x
            terms[i, j] = q - p[i] @ phi @ p[j] - 0.25 * x.T @ inverse @ second @ inverse @ x
            information[i, j] = 0.5 * np.trace(projection @ d[i] @ projection @ d[j])
    w = np.linalg.inv(information)
    middle = np.einsum("ij,ijab->ab", w, terms)
    middle = 0.5 * (middle + middle.T)
    return phi + 2.0 * phi @ middle @ phi, np.array([-phi @ one @ phi for one in p]), w


def fit_at(model: LmmModel, theta: np.ndarray) -> LmmFit:
    """Return the record of a fit at given parameters, which need not be the best ones."""
    best = profile_patterns(model.stats, theta, reml=True)
    parameters = model.structure.split(theta[None])
    roots = [
        np.linalg.solve(basis, factor[0])
        for basis, factor in (
            (model.patient_basis, parameters.patient),
            (model.cluster_basis, parameters.cluster),
        )
    ]
    return LmmFit(
        method="REML",
        structure=model.structure,
        x_names=model.x_names,
        beta=best.beta,
        beta_cov=best.beta_cov,
        patient_cov=best.sigma**2 * roots[0] @ roots[0].T,
        cluster_cov=best.sigma**2 * roots[1] @ roots[1].T,
        correlations=model.structure.residual.natural(parameters.u)[0],
        sigma=best.sigma * np.exp(parameters.log_ratio[0]),
        deviance=best.deviance,
        n_covariance=len(theta) + 1,
        singular=False,
        converged=False,
        theta=theta,
        parameter_cov=np.empty(0),
        beta_cov_jacobian=np.empty(0),
    )


@pytest.mark.parametrize(
    ("kind", "q", "r", "variance"),
    [
        ("id", 2, 2, ""),
        ("id", 1, 1, "arm"),
        ("cs", 0, 1, "visit"),
        ("ar1", 1, 1, "arm"),
        ("car1", 1, 0, ""),
        ("toep", 0, 1, ""),
    ],
)
def test_the_adjustment_is_that_of_the_definition(kind: str, q: int, r: int, variance: str) -> None:
    """Sums over patterns and clusters give what n x n matrices give, second derivatives of V included."""
    rows, structure = example(kind, q, r, variance)
    model = build_model(rows, structure, tuple("abcd"))
    found = fit_at(model, np.random.default_rng(3).uniform(0.2, 0.6, sum(structure.sizes)))
    variances = [found.patient_cov[structure.patient.mask], found.cluster_cov[structure.cluster.mask]]
    size = found.sigma[0] ** 2 if kind == "toep" else 1.0
    point = np.concatenate([*variances, found.sigma**2, size * found.correlations])
    expected, slopes, w = adjusted_by_definition(rows, structure, point)
    ours = adjust(model, found, "expected")
    assert np.allclose(ours.adjusted, expected, rtol=1e-5, atol=1e-7)
    weights = np.array([0.3, 1.0, -0.5, 2.0])
    gradient = np.einsum("a,kab,b->k", weights, slopes, weights)
    df = 2.0 * (weights @ ours.beta_cov @ weights) ** 2 / (gradient @ w @ gradient)
    assert math.isclose(ours.effect(list(zip("abcd", weights, strict=True))).df, df, rel_tol=1e-5)


def test_a_visit_of_complete_data_is_a_two_sample_t_test() -> None:
    """Under MMRM without missing visits the adjustment is zero, and a difference has N - 2 degrees of freedom."""
    rows = cell_means(orthodont())
    names = [name for name in rows.columns if name[-1] in "1234"]
    found = fit(
        f"distance ~ 0 + {' + '.join(names)}", rows, residual="un(visit)", patient="Subject", time="age"
    )
    last = rows[rows["visit"] == 4.0]
    one, other = (last.loc[last["Sex"] == sex, "distance"] for sex in ("Male", "Female"))
    expected = scipy_stats.ttest_ind(one, other)
    effect = found.effect([("male4", 1.0), ("female4", -1.0)], df="kenward-roger")
    assert math.isclose(effect.estimate / effect.se, expected.statistic, rel_tol=1e-6)
    assert math.isclose(effect.df, 25.0, rel_tol=1e-6)
    assert found.to_frame(df="kenward-roger").loc["male4", "reml_df"] == pytest.approx(25.0)


@pytest.mark.parametrize("answer", PBKRTEST, ids=[f"{a['data']}-{a['formula']}" for a in PBKRTEST])
def test_random_effects_have_the_errors_and_degrees_of_freedom_of_pbkrtest(answer: dict[str, Any]) -> None:
    """SE and degrees of freedom of every coefficient to five digits."""
    whole = answer["formula"].replace("yield", "grain")
    found = ba.fit(whole, rows_of(answer), engine="none")
    assert isinstance(found, StructuredFit | ModelFit)
    names = found.kenward_roger().x_names
    for name, se in answer["se"].items():
        effect = found.effect([(our_name(name, names), 1.0)], df="kenward-roger-expected")
        assert math.isclose(effect.se, se, rel_tol=1e-5), name
        assert math.isclose(effect.df, answer["df"][name], rel_tol=1e-5), name


def fev(formula: str, residual: str) -> StructuredFit:
    found = ba.fit(
        formula, rows_of({"data": "fev"}), residual=residual, patient="id", time="time", engine="none"
    )
    assert isinstance(found, StructuredFit)
    return found


@pytest.mark.parametrize("printed", SAS["kenward_roger"], ids=lambda one: one["type"])
def test_repeated_measures_have_the_errors_and_degrees_of_freedom_of_sas(printed: dict[str, Any]) -> None:
    """PROC MIXED, ddfm=kr, second derivatives of the covariance included; SE to 0.02 %, df to 0.1 %."""
    found = fev("fev1 ~ arm", printed["residual"])
    effect = found.effect([("arm[TRT]", 1.0)], df="kenward-roger")
    assert abs(found.reml.deviance - printed["minus2ll"]) < 0.051
    assert math.isclose(effect.estimate, printed["estimate"], rel_tol=1e-4)
    assert math.isclose(effect.se, printed["kr"]["se"], rel_tol=2e-4)
    assert math.isclose(effect.df, printed["kr"]["df"], rel_tol=1e-3)


@pytest.mark.parametrize("printed", SAS["one_mean"], ids=lambda one: f"{one['type']}-{one['method']}")
def test_one_mean_has_the_likelihood_of_sas(printed: dict[str, Any]) -> None:
    """-2 log likelihood by ML and REML as PROC MIXED prints it, to one decimal."""
    found = fev("fev1 ~ 1", printed["residual"])
    fit = found.ml if printed["method"] == "ML" else found.reml
    assert abs(fit.deviance - printed["minus2ll"]) < 0.051


def test_differences_at_visits_are_those_of_sas() -> None:
    """The whole model of repeated measures: differences of arms, SE and Satterthwaite's df as printed."""
    printed = SAS["mmrm"]
    rows = rows_of({"data": "fev"})
    rows = rows.assign(occasion="v" + rows["visit"].astype(str), race=rows["race"].str.split().str[0])
    found = ba.fit(
        "fev1 ~ race + sex + arm*occasion",
        rows,
        residual="un(visit)",
        patient="id",
        time="time",
        engine="none",
    )
    assert isinstance(found, StructuredFit) and printed["df"] == "Satterthwaite"
    assert abs(found.reml.deviance - printed["minus2ll"]) < 0.051
    assert len(printed["differences"]) == 4
    for visit, (estimate, se, df) in printed["differences"].items():
        later = [] if visit == "VIS1" else [(f"arm[TRT]:occasion[v{visit[-1]}]", 1.0)]
        effect = found.effect([("arm[TRT]", 1.0), *later])
        assert abs(effect.estimate - estimate) < 2e-4
        assert abs(effect.se - se) < 2e-4
        assert abs(effect.df - df) < 0.6


def test_the_adjustment_needs_reml_and_a_name_that_exists() -> None:
    """Both are said."""
    found = fit("distance ~ age", orthodont(), residual="cs", patient="Subject", time="age")
    with pytest.raises(InputError, match="REML"):
        found.effect([("age", 1.0)], "ML", "kenward-roger")
    with pytest.raises(InputError, match="satterthwaite"):
        found.effect([("age", 1.0)], df="kenward")
