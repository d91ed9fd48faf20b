"""Fits of lme4 and nlme on public data sets, structure by structure (tests/reference/structures.R)."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayes_alliance as ba
from bayes_alliance.api.structured import StructuredFit
from bayes_alliance.inference.ml import estimate_effect
from tests.reference_fits import REFERENCE, ROOT, r_name
from tests.reference_structures import LEAST, PAGE, data_sets, put_section

ANSWERS: list[dict[str, Any]] = json.loads((REFERENCE / "structures.json").read_text())["fits"]
IDS = [f"{a['data']}-{a['program']}-{a['formula']}-{a['residual']}-{a['method']}" for a in ANSWERS]


def rows_of(answer: dict[str, Any]) -> pd.DataFrame:
    """Read the rows, with the columns that the script derives."""
    name = answer["data"]
    folder = ROOT / "models" / name if name == "egsingle" else REFERENCE / "data"  # a study that ships
    rows = pd.read_csv(folder / f"{name}.csv")
    derived: dict[str, Any] = {
        "bodyweight": lambda d: d.assign(
            visit=d["Time"].rank(method="dense").astype(int), Diet=d["Diet"].astype(str)
        ),
        "orthodont": lambda d: d.assign(visit=(d["age"] - 6) / 2),
        "oxboys": lambda d: d.assign(
            age2=d["age"] ** 2, age3=d["age"] ** 3, visit=d.groupby("Subject").cumcount() + 1
        ),
        "milk": lambda d: d.assign(t=d["Time"] - 10, t2=(d["Time"] - 10) ** 2 / 10),
        "oxide": lambda d: d.assign(
            late=(d["Source"] == 2).astype(int), wafer=d["Lot"].astype(str) + " " + d["Wafer"].astype(str)
        ),
        "pastes": lambda d: d.assign(
            some=d["batch"].isin(list("ABCDE")).astype(int), sample=d["batch"] + " " + d["cask"]
        ),
        "machines": lambda d: d.assign(
            cell=d["Machine"], **{k: (d["Machine"] == k).astype(int) for k in "ABC"}
        ),
        "oats": lambda d: d.rename(columns={"yield": "grain"}).assign(
            victory=(d["Variety"] == "Victory").astype(int), plot=d["Block"].astype(str) + " " + d["Variety"]
        ),
        "ovary": lambda d: d.assign(
            s=np.sin(2 * np.pi * d["Time"]),
            c=np.cos(2 * np.pi * d["Time"]),
            visit=d.groupby("Mare").cumcount() + 1,
        ),
        "pixel": lambda d: d.assign(day2=d["day"] ** 2),
        "sleepstudy": lambda d: d.assign(late=np.maximum(d["Days"] - 5, 0), visit=d["Days"] + 1),
        "fev": lambda d: d.assign(
            visit=d["visit"].str[-1].astype(int), time=d["visit"].str[-1].astype(float)
        ),
    }
    rows = derived.get(name, lambda d: d)(rows)
    return rows.query(answer["keep"]) if answer.get("keep") else rows


def fit_like(answer: dict[str, Any]) -> StructuredFit:
    whole = answer["formula"].replace("yield", "grain")  # a word of Python's
    formula, _, patient = whole.partition(" | ")
    if "(" in whole:
        formula, patient = whole, ""
    time = "" if patient == "" else next(t for t in ("Time", "age", "Days", "month") if t in rows_of(answer))
    found = ba.fit(
        formula, rows_of(answer), residual=answer["residual"], patient=patient, time=time, engine="none"
    )
    assert isinstance(found, StructuredFit)
    return found


def our_name(name: str, names: tuple[str, ...]) -> str:
    """Find the coefficient that R calls so."""
    return next(one for one in names if r_name(one) == name)


@pytest.mark.slow
@pytest.mark.parametrize("answer", ANSWERS, ids=IDS)
def test_fits_agree_with_lme4_and_nlme(answer: dict[str, Any]) -> None:
    """-2 log likelihood within 0.01 and never worse by 0.0001, coefficients within 1 % of their SE, others within 1 %.

    SEs of nlme are compared under REML, SDs and degrees of freedom where the fit is not singular.
    """
    found = fit_like(answer)
    fit = found.ml if answer["method"] == "ML" else found.reml
    assert fit.deviance < answer["minus2ll"] + 1e-4
    assert fit.deviance > answer["minus2ll"] - 0.01
    assert abs(fit.aic - answer["aic"]) < 0.011
    for name, value in answer["fixed"].items():
        effect = estimate_effect(fit, [(our_name(name, fit.x_names), 1.0)])
        assert abs(effect.estimate - value) < 0.01 * effect.se, name
        if answer["program"] == "lmer" or answer["method"] == "REML":
            assert math.isclose(effect.se, answer["se"][name], rel_tol=0.01), name
        if answer["program"] == "lmer" and not answer["singular"]:
            assert math.isclose(effect.df, answer["df"][name], rel_tol=0.02), name
    assert math.isclose(float(fit.sigma[0]), first_sigma(answer, found), rel_tol=0.01)
    if answer["residual"] and answer.get("correlation") is not None:
        check_correlation(answer, found)


def first_sigma(answer: dict[str, Any], found: StructuredFit) -> float:
    """SD of our first group: R names the SDs, or gives one."""
    sigmas = answer.get("sigmas")
    return float(sigmas[found.ml.structure.residual.groups[0]] if sigmas else answer["sigma"])


def check_correlation(answer: dict[str, Any], found: StructuredFit) -> None:
    """Correlations of residuals within 0.003; that of ``car1`` over the first two visits of the longest series."""
    fit = found.ml if answer["method"] == "ML" else found.reml
    matrix = np.array(answer["correlation"])
    kind = fit.structure.residual.kind
    if kind == "un":
        rows, columns = np.tril_indices(len(fit.structure.residual.levels), -1)
        expected = matrix[rows, columns]
    elif kind == "toep":
        expected = matrix[0, 1:]
    else:
        expected = matrix[0, 1:2]
    ours = fit.correlations ** (first_gap(answer) / fit.structure.residual.gap if kind == "car1" else 1.0)
    assert np.allclose(ours, expected, atol=0.003)


def first_gap(answer: dict[str, Any]) -> float:
    """Time between the first two visits of the first patient with the most visits."""
    rows = rows_of(answer)
    patient = answer["formula"].replace(")", "").split("| ")[-1]
    series = rows[rows[patient] == rows.groupby(patient).size().idxmax()]
    name = answer["residual"].removeprefix("car1(").partition(")")[0]
    return float(np.diff(np.sort(series[name].to_numpy(float))[:2])[0])


def test_every_structure_has_three_data_sets_under_ml_and_reml() -> None:
    """Counted from the stored fits of other programs; the table of docs/engines.md says which."""
    counts = {
        (structure, method): len({data for data, _ in found})
        for structure, methods in data_sets().items()
        for method, found in methods.items()
    }
    assert len(counts) == 2 * 25
    assert not {key: count for key, count in counts.items() if count < LEAST}


def test_the_page_lists_these_data_sets() -> None:
    """docs/engines.md has the table that ``python -m tests.reference_structures`` writes."""
    page = PAGE.read_text(encoding="utf-8")
    assert page == put_section(page)
