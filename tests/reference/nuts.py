"""Writes tests/reference/nuts.json: posteriors by plain NUTS of models of several levels and of repeated measures.

From the repository root: python tests/reference/nuts.py [MODEL ...], by default all. Each model is written down in
PyMC as a textbook has it, with every random effect a parameter; only the numbers of its priors are read from the
package, and stored with the answers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
from arviz_stats.base import array_stats

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from bayes_alliance.inference.priors import coefficient_priors  # noqa: E402
from bayes_alliance.run.structured_frame import StructuredRows, read_formula, read_structured  # noqa: E402

SAMPLER = {"draws": 2000, "tune": 1000, "chains": 4, "cores": 1, "random_seed": 7, "target_accept": 0.9}

QUANTILES = (0.05, 0.5, 0.95)


def read(formula: str, residual: str, patient: str, rows: pd.DataFrame, **options: Any) -> StructuredRows:
    return read_structured(*read_formula(formula, residual, patient), rows, **options)


def priors_of(found: StructuredRows) -> dict[str, Any]:
    priors = coefficient_priors(found.study, found.design, found.study.priors[0].name)
    return {
        "mean": priors.mean.tolist(),
        "covariance": priors.covariance.tolist(),
        "patient": found.patient_prior.scale.tolist(),
        "cluster": found.cluster_prior.scale.tolist(),
        "sigma": priors.sigma_scale,
        "lkj_eta": priors.lkj_eta,
    }


def summary(model: pm.Model, names: dict[str, Any], **options: Any) -> dict[str, dict[str, float]]:
    with model:
        trace = pm.sample(**SAMPLER, progressbar=False, **options)
    out = {}
    for name, take in names.items():
        draws = np.asarray(take(trace["posterior"]), dtype=float)
        ess = float(array_stats.ess(draws, method="bulk"))
        low, middle, high = np.quantile(draws, QUANTILES)
        out[name] = {"mean": float(draws.mean()), "sd": float(draws.std()), "ess": ess}
        out[name] |= {"low": float(low), "median": float(middle), "high": float(high)}
    out["divergences"] = {"count": int(trace["sample_stats"]["diverging"].sum())}
    return out


def repeated_measures() -> dict[str, Any]:
    """Orthodont: a mean for each visit and sex, unstructured covariance of four visits."""
    rows = pd.read_csv(HERE / "data" / "orthodont.csv")
    rows = rows.assign(visit="v" + ((rows["age"] - 6) / 2).astype(int).astype(str))
    formula = "distance ~ visit*Sex"
    found = read(formula, "un(visit)", "Subject", rows, time="age")
    priors = priors_of(found)
    patients, visits = 27, 4
    y, x = found.rows.y.reshape(patients, visits), found.rows.x.reshape(patients, visits, -1)
    assert np.array_equal(found.rows.position.reshape(patients, visits), np.tile(np.arange(4.0), (27, 1)))
    with pm.Model() as model:
        beta = pm.MvNormal("beta", np.array(priors["mean"]), cov=np.array(priors["covariance"]))
        chol, _, _ = pm.LKJCholeskyCov(
            "cov", n=visits, eta=priors["lkj_eta"], sd_dist=pm.HalfNormal.dist(priors["sigma"], shape=visits)
        )
        pm.MvNormal("y", (x * beta).sum(axis=-1), chol=chol, observed=y)
    names: dict[str, Any] = {
        name: lambda p, i=i: p["beta"][..., i] for i, name in enumerate(found.design.x_names)
    }
    names |= {f"sd {i}": lambda p, i=i: p["cov_stds"][..., i] for i in range(visits)}
    names |= {
        f"cor {i} {j}": lambda p, i=i, j=j: p["cov_corr"][..., i, j] for i in range(visits) for j in range(i)
    }
    return {"formula": formula, "residual": "un(visit)", "priors": priors, "posterior": summary(model, names)}


def three_levels() -> dict[str, Any]:
    """Pixel: both sides of ten dogs over days, random intercepts of dogs and sides, random slopes of dogs."""
    rows = pd.read_csv(HERE / "data" / "pixel.csv")
    rows = rows.assign(day2=rows["day"] ** 2)
    formula = "pixel ~ day + day2 + (day | Dog) + (1 | Dog:Side)"
    found = read(formula, "", "", rows)
    priors = priors_of(found)
    assert np.array_equal(found.patient_prior.shift, np.eye(1)) and np.array_equal(
        found.cluster_prior.shift, np.eye(2)
    )
    dog, side = found.rows.cluster, found.rows.patient
    with pm.Model() as model:
        beta = pm.MvNormal("beta", np.array(priors["mean"]), cov=np.array(priors["covariance"]))
        chol, _, _ = pm.LKJCholeskyCov(
            "cov",
            n=2,
            eta=priors["lkj_eta"],
            sd_dist=pm.HalfNormal.dist(np.array(priors["cluster"]), shape=2),
        )
        dogs = pm.Normal("dogs", shape=(10, 2)) @ chol.T
        sd_side = pm.HalfNormal("sd_side", priors["patient"][0])
        sides = pm.Normal("sides", shape=20) * sd_side
        sigma = pm.HalfNormal("sigma", priors["sigma"])
        mean = found.rows.x @ beta + (found.rows.w * dogs[dog]).sum(axis=1) + sides[side]
        pm.Normal("y", mean, sigma, observed=found.rows.y)
    names: dict[str, Any] = {
        name: lambda p, i=i: p["beta"][..., i] for i, name in enumerate(found.design.x_names)
    }
    names |= {f"sd {i}": lambda p, i=i: p["cov_stds"][..., i] for i in range(2)}
    names |= {
        "cor 1 0": lambda p: p["cov_corr"][..., 1, 0],
        "sd_side": lambda p: p["sd_side"],
        "sigma": lambda p: p["sigma"],
    }
    return {"formula": formula, "residual": "", "priors": priors, "posterior": summary(model, names)}


def several_slopes() -> dict[str, Any]:
    """Oxboys: quadratic growth of 26 boys, all three effects random and correlated."""
    rows = pd.read_csv(HERE / "data" / "oxboys.csv")
    rows = rows.assign(age2=rows["age"] ** 2)
    formula = "height ~ age + age2 + (age + age2 | Subject)"
    found = read(formula, "", "", rows, time="age")
    priors = priors_of(found) | {"shift": found.patient_prior.shift.tolist()}
    assert np.array_equal(found.rows.x, found.rows.z)
    with pm.Model() as model:
        beta = pm.MvNormal("beta", np.array(priors["mean"]), cov=np.array(priors["covariance"]))
        chol, _, _ = pm.LKJCholeskyCov(
            "cov",
            n=3,
            eta=priors["lkj_eta"],
            sd_dist=pm.HalfNormal.dist(np.array(priors["patient"]), shape=3),
        )
        # SDs and correlations have their priors at the reference; the columns of the formula are zero elsewhere.
        shift = np.array(priors["shift"])
        pm.Deterministic("boy_cov", shift @ chol @ chol.T @ shift.T)
        boys = pm.MvNormal("boys", np.linalg.inv(shift) @ beta, chol=chol, shape=(26, 3)) @ shift.T
        sigma = pm.HalfNormal("sigma", priors["sigma"])
        pm.Normal("y", (found.rows.z * boys[found.rows.patient]).sum(axis=1), sigma, observed=found.rows.y)
    names: dict[str, Any] = {
        name: lambda p, i=i: p["beta"][..., i] for i, name in enumerate(found.design.x_names)
    }
    names |= {f"sd {i}": lambda p, i=i: np.sqrt(p["boy_cov"][..., i, i]) for i in range(3)}
    names |= {
        f"cor {i} {j}": lambda p, i=i, j=j: (
            p["boy_cov"][..., i, j] / np.sqrt(p["boy_cov"][..., i, i] * p["boy_cov"][..., j, j])
        )
        for i in range(3)
        for j in range(i)
    }
    names["sigma"] = lambda p: p["sigma"]
    # PyMC's own sampler: nutpie 0.16 finds no initial position of this model.
    posterior = summary(model, names, nuts_sampler="pymc")
    return {"formula": formula, "residual": "", "priors": priors, "posterior": posterior}


MODELS = {"mmrm": repeated_measures, "three_levels": three_levels, "several_slopes": several_slopes}


if __name__ == "__main__":
    path = HERE / "nuts.json"
    answers = json.loads(path.read_text()) if path.exists() else {}
    answers["versions"] = {"pymc": pm.__version__}
    for chosen in sys.argv[1:] or MODELS:
        answers[chosen] = MODELS[chosen]()
    path.write_text(json.dumps(answers, indent=1) + "\n")
