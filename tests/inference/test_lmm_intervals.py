"""Profile-likelihood intervals of several levels and correlated residuals: lme4, and the profile in closed form."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayes_alliance as ba
from bayes_alliance.api.structured import StructuredFit
from bayes_alliance.errors import FitError, InputError
from tests.reference_fits import REFERENCE

PROFILES: dict[str, Any] = json.loads((REFERENCE / "profile.json").read_text())["fits"]
LIMIT = 3.841458820694124
# Names of lme4's parameters, which begin with the factor of most levels.
NAMES = {
    "pastes": {".sig01": "sd Intercept | batch:cask", ".sig02": "sd Intercept | batch"},
    "oats": {".sig01": "sd Intercept | Block:Variety", ".sig02": "sd Intercept | Block", "nitro": "nitro"},
    "penicillin": {".sig01": "sd Intercept | plate", ".sig02": "sd Intercept | sample"},
}


def fit(formula: str, rows: pd.DataFrame, **options: Any) -> StructuredFit:
    found = ba.fit(formula, rows, engine="none", **options)
    assert isinstance(found, StructuredFit)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_profile_intervals_agree_with_lme4(name: str) -> None:
    """Nested and crossed levels: limits of coefficients and SDs within 1 % of the width of lme4's intervals."""
    answer = PROFILES[name]
    rows = pd.read_csv(REFERENCE / "data" / f"{name}.csv").rename(columns={"yield": "grain"})
    ours = fit(answer["formula"].replace("yield", "grain"), rows).profile_intervals()
    names = NAMES[name] | {".sigma": "sd residual", "(Intercept)": "Intercept"}
    assert set(names) == set(answer["intervals"])
    for theirs, own in names.items():
        lower, upper = answer["intervals"][theirs]
        row = ours.loc[own]
        assert abs(row["lower"] - lower) < 0.01 * (upper - lower), own
        assert abs(row["upper"] - upper) < 0.01 * (upper - lower), own


def deviance(rows: pd.DataFrame, rho: float, slope: float | None = None) -> float:
    """-2 log likelihood of AR(1) residuals of four visits, coefficients (save a given slope) and SD at their best."""
    lag = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    root = np.linalg.inv(np.linalg.cholesky(rho**lag))
    y = rows["distance"].to_numpy() - (0.0 if slope is None else slope * rows["age"].to_numpy())
    x = np.column_stack([np.ones(len(y)), rows["age"]])[:, : 1 if slope is not None else 2]
    turned_y = (y.reshape(-1, 4) @ root.T).ravel()
    turned_x = np.einsum("ab,ibp->iap", root, x.reshape(-1, 4, x.shape[1])).reshape(len(y), -1)
    residual = turned_y - turned_x @ np.linalg.lstsq(turned_x, turned_y)[0]
    n = len(y)
    logdet = -2.0 * (n // 4) * np.log(np.diagonal(root)).sum()
    return float(n * (1.0 + np.log(2.0 * np.pi * residual @ residual / n)) + logdet)


def test_at_the_limits_of_serial_correlation_the_profile_has_risen_by_the_quantile() -> None:
    """The correlation and the slope: -2 log likelihood in closed form, on a grid of the correlation for the slope."""
    rows = pd.read_csv(REFERENCE / "data" / "orthodont.csv").sort_values(["Subject", "age"])
    rows["visit"] = (rows["age"] - 6) / 2
    found = fit("distance ~ age", rows, residual="ar1(visit)", patient="Subject", time="age")
    (name,) = (name for name in found.variance_parameters() if name.startswith("cor residual"))
    table = found.profile_intervals([name, "age"])
    for end in ("lower", "upper"):
        rise = deviance(rows, float(table.loc[name, end])) - found.ml.deviance
        assert abs(rise - LIMIT) < 1e-3
        slope = float(table.loc["age", end])
        least = min(deviance(rows, rho, slope) for rho in np.linspace(0.3, 0.95, 400))
        assert abs(least - found.ml.deviance - LIMIT) < 2e-3


def test_unstructured_covariance_has_an_interval_of_each_sd_and_correlation() -> None:
    """Each holds its estimate, a higher level is wider, and correlations stay within (-1, 1)."""
    rows = pd.read_csv(REFERENCE / "data" / "orthodont.csv").query("age < 14")
    rows = rows.assign(visit=(rows["age"] - 6) / 2)
    found = fit("distance ~ age", rows, residual="un(visit)", patient="Subject", time="age")
    names = list(found.variance_parameters())
    assert len(names) == 6
    narrow, wide = (found.profile_intervals(names, level) for level in (0.8, 0.95))
    assert (narrow["lower"] < narrow["estimate"]).all() and (narrow["estimate"] < narrow["upper"]).all()
    assert (wide["lower"] < narrow["lower"]).all() and (wide["upper"] > narrow["upper"]).all()
    assert wide.filter(like="cor", axis=0)[["lower", "upper"]].abs().max(axis=None) < 1.0


def test_what_has_no_profile_is_said() -> None:
    """An unknown name, and SDs of a singular fit, whose coefficients have theirs."""
    rows = pd.read_csv(REFERENCE / "data" / "oxide.csv").assign(
        Thickness=lambda d: d["Thickness"] - d.groupby(["Lot"])["Thickness"].transform("mean")
    )
    found = fit("Thickness ~ Source + (1 | Lot/Wafer)", rows)
    assert found.ml.singular
    with pytest.raises(InputError, match="no such quantity"):
        found.profile_intervals(["sd"])
    with pytest.raises(FitError, match="singular"):
        found.profile_intervals(["sd residual"])
    row = found.profile_intervals(["Source"]).loc["Source"]
    assert row["lower"] < row["estimate"] < row["upper"]
