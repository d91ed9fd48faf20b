"""Models whose posteriors were drawn by brms and Stan too (tests/reference/stan.R), and the rows of each."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import bayes_alliance as ba
from bayes_alliance.api.structured import StructuredFit
from bayes_alliance.inference.fits import Array
from tests.reference_fits import REFERENCE


@dataclass(frozen=True, kw_only=True)
class ReferenceModel:
    """One model: its name in stan.json, its data set, and how ``ba.fit`` is told."""

    name: str
    structure: str
    data: str
    formula: str
    residual: str = ""
    patient: str = ""
    time: str = ""


MODELS = (
    ReferenceModel(
        name="mmrm",
        structure="unstructured by visit (MMRM), all visits made",
        data="orthodont",
        formula="distance ~ visit*Sex",
        residual="un(visit)",
        patient="Subject",
        time="age",
    ),
    ReferenceModel(
        name="mmrm_dropout",
        structure="unstructured by visit (MMRM), visits missing",
        data="btheb",
        formula="bdi ~ bdi_pre + treatment*visit",
        residual="un(visit)",
        patient="subject",
        time="month",
    ),
    ReferenceModel(
        name="toeplitz",
        structure="Toeplitz",
        data="orthodont",
        formula="distance ~ age*Sex",
        residual="toep(visit)",
        patient="Subject",
        time="age",
    ),
    ReferenceModel(
        name="car1",
        structure="CAR(1) in continuous time",
        data="btheb",
        formula="bdi ~ bdi_pre + treatment*month",
        residual="car1(month)",
        patient="subject",
        time="month",
    ),
    ReferenceModel(
        name="three_levels",
        structure="three levels",
        data="pixel",
        formula="pixel ~ day + day2 + (day | Dog) + (1 | Dog:Side)",
    ),
    ReferenceModel(
        name="several_slopes",
        structure="three correlated random effects",
        data="oxboys",
        formula="height ~ age + age2 + (age + age2 | Subject)",
        time="age",
    ),
    ReferenceModel(
        name="ar1",
        structure="AR(1) and a random intercept",
        data="sleepstudy",
        formula="Reaction ~ Days + (1 | Subject)",
        residual="ar1(Days)",
        time="Days",
    ),
    ReferenceModel(
        name="cs",
        structure="compound symmetry",
        data="orthodont",
        formula="distance ~ age*Sex",
        residual="cs",
        patient="Subject",
        time="age",
    ),
    ReferenceModel(
        name="var_arm",
        structure="variances by arm, random intercept and slope",
        data="btheb",
        formula="bdi ~ bdi_pre + treatment*month + (month | subject)",
        residual="var(treatment)",
        time="month",
    ),
    ReferenceModel(
        name="var_visit",
        structure="variances by visit and a random intercept",
        data="orthodont",
        formula="distance ~ age*Sex + (1 | Subject)",
        residual="var(visit)",
        time="age",
    ),
)

_DERIVED: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "orthodont": lambda d: d.assign(visit="v" + ((d["age"] - 6) / 2).astype(int).astype(str)),
    "btheb": lambda d: d.assign(visit="v" + d["visit"].astype(str)),
    "oxboys": lambda d: d.assign(age2=d["age"] ** 2),
    "pixel": lambda d: d.assign(day2=d["day"] ** 2),
}


def read_rows(model: ReferenceModel) -> pd.DataFrame:
    """Read the rows of a model, with the columns that stan.R derives."""
    rows = pd.read_csv(REFERENCE / "data" / f"{model.data}.csv")
    return _DERIVED.get(model.data, lambda d: d)(rows)


def model_named(name: str) -> ReferenceModel:
    """Return the model of a name."""
    return next(model for model in MODELS if model.name == name)


@dataclass(frozen=True, kw_only=True)
class OurDraws:
    """Draws of every coefficient, SD and correlation, and how many independent ones they are worth."""

    named: dict[str, Array]
    independent: float


def fit_draws(model: ReferenceModel, *, draws: int = 4000, seed: int = 5) -> OurDraws:
    """Fit a model by this package and name its draws as stan.R does."""
    found = ba.fit(
        model.formula,
        read_rows(model),
        residual=model.residual,
        patient=model.patient,
        time=model.time,
        draws=draws,
        seed=seed,
    )
    assert isinstance(found, StructuredFit) and found.posterior is not None
    post = found.posterior
    named = {name: post.beta[:, k] for k, name in enumerate(post.x_names)}
    for name, (_, _, drawn) in found.variance_parameters().items():
        assert drawn is not None
        named[name] = drawn
    return OurDraws(named=named, independent=1.0 / (1.0 / post.ess + 1.0 / len(post.beta)))


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far a quantity's posterior lies from the reference.

    Parameters
    ----------
    mean_sd, mean_mcse : float
        Difference of means in posterior SDs, and in Monte-Carlo standard errors of the difference.
    sd_ratio, sd_mcse : float
        Ratio of SDs, and their difference in its Monte-Carlo standard errors.
    """

    mean_sd: float
    mean_mcse: float
    sd_ratio: float
    sd_mcse: float


def differences(answer: dict[str, Any], found: OurDraws) -> dict[str, Difference]:
    """Compare every quantity with its reference; both must have the same ones."""
    expected = answer["posterior"]
    assert set(found.named) == set(expected), set(found.named) ^ set(expected)
    own = found.independent
    out = {}
    for name, draws in found.named.items():
        one = expected[name]
        mean, sd = float(draws.mean()), float(draws.std())
        fourth = float(np.mean((draws - mean) ** 4))
        mcse_sd = math.sqrt(max(fourth - sd**4, 0.0) / own) / (2.0 * sd)
        out[name] = Difference(
            mean_sd=(mean - one["mean"]) / one["sd"],
            mean_mcse=(mean - one["mean"]) / math.hypot(sd / math.sqrt(own), one["mcse_mean"]),
            sd_ratio=sd / one["sd"],
            sd_mcse=(sd - one["sd"]) / math.hypot(mcse_sd, one["mcse_sd"]),
        )
    return out


def stan_answers() -> dict[str, Any]:
    """Return what stan.R wrote."""
    answers: dict[str, Any] = json.loads((REFERENCE / "stan.json").read_text(encoding="utf-8"))
    return answers
