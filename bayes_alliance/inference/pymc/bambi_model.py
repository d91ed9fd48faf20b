"""Models of a study as Bambi models: formula, priors on named estimands, correlated effects of patients.

What the engines fit is what these state: engine ``pymc`` takes their matrices, integrates the patients' effects out and
samples the rest; engine ``bambi`` fits them as they are, effects independent or correlated. Imports Bambi.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import bambi
import numpy as np

from bayes_alliance.errors import FitError
from bayes_alliance.inference.design import Design, order_categories
from bayes_alliance.inference.fits import Array, Covariance
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.inference.pymc.correlated_effects import CorrelatedModel, joint_normal

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_TOLERANCE = 1e-9


def build_bambi_model(
    design: Design, priors: CoefficientPriors, frame: pd.DataFrame, covariance: Covariance = "UN"
) -> CorrelatedModel:
    """State a model in Bambi: the formula with its priors.

    Parameters
    ----------
    design : Design
        Names the columns.
    priors : CoefficientPriors
        On them, on the SDs and, with ``UN``, on the correlation.
    frame : pandas.DataFrame
        The frozen rows behind ``design``.
    covariance : {"UN", "VC", "ID"}
        Correlated or independent effects of patients; both are the same with a single one.

    Returns
    -------
    CorrelatedModel
        A :class:`bambi.Model`, not built yet.

    Raises
    ------
    FitError
        If correlated effects have their priors at another time than zero, which a formula in time cannot say.
    """
    correlated = covariance == "UN" and len(design.z_names) > 1
    if correlated and priors.origin != 0.0:
        raise FitError(
            f"Bambi cannot state priors of correlated effects at time {priors.origin:g}: count time from there instead"
        )
    text = design.formula.text
    formula = text if correlated else text.replace(" | ", " || ")
    return CorrelatedModel(
        formula,
        order_categories(frame),
        lkj_eta=priors.lkj_eta,
        priors=bambi_priors(design, priors),
        center_predictors=False,
        auto_scale=False,
    )


def take_matrices(model: CorrelatedModel, design: Design) -> Design:
    """Return the design with the matrices of a Bambi model, which have to be those that it has.

    Raises
    ------
    FitError
        If they differ: formula, rows and design are then not of the same model.
    """
    terms = model.conditional_parameters["mu"].terms
    names = dict.fromkeys(_term(name) for name in design.x_names)
    missing = [name for name in names if name not in terms]
    if missing:
        raise FitError(f"Bambi has no term {', '.join(missing)} in {design.formula.text}")
    x = np.column_stack([np.reshape(terms[name].data, (design.n_rows, -1)) for name in names])
    group = design.formula.group
    z = np.column_stack(
        [
            np.broadcast_to(
                np.reshape(terms[_group_term(name, group)].predictor, (-1, 1)), (design.n_rows, 1)
            )
            for name in design.z_names
        ]
    )
    order = [name for term in names for name in design.x_names if _term(name) == term]
    x = x[:, [order.index(name) for name in design.x_names]]
    for own, theirs in ((design.x, x), (design.z, z)):
        scale = np.maximum(np.abs(own).max(axis=0), 1.0)
        if own.shape != theirs.shape or np.max(np.abs(own - theirs) / scale) > _TOLERANCE:
            raise FitError(f"the matrices of Bambi are not those of the design: {design.formula.text}")
    return dataclasses.replace(design, x=x.astype(float), z=z.astype(float))


def _group_term(name: str, group: str) -> str:
    return f"{'1' if name == 'Intercept' else name}|{group}"


def bambi_priors(design: Design, priors: CoefficientPriors) -> dict[str, Any]:
    """State the priors in Bambi's terms; those of the coefficients are one joint Normal over all terms."""
    by_term: dict[str, list[int]] = {}
    for index, name in enumerate(design.x_names):
        by_term.setdefault(_term(name), []).append(index)
    stated: dict[str, Any] = joint_normal(by_term, priors.mean, priors.root)
    group = design.formula.group
    for name, scale in zip(design.z_names, priors.sd_scale, strict=True):
        stated[_group_term(name, group)] = bambi.Prior(
            "Normal", mu=0, sigma=_bambi_scale(float(scale), priors)
        )
    stated["sigma"] = _bambi_scale(priors.sigma_scale, priors)
    return stated


def _bambi_scale(scale: float, priors: CoefficientPriors) -> Any:
    if priors.scale_family == "half_t":
        return bambi.Prior("HalfStudentT", nu=priors.scale_df, sigma=scale)
    if priors.scale_family == "exponential":
        return bambi.Prior("Exponential", lam=1.0 / scale)
    return bambi.Prior("HalfNormal", sigma=scale)


def _term(column: str) -> str:
    """Name of the Bambi term that a column belongs to: the column without its levels."""
    return ":".join(part.split("[")[0] for part in column.split(":"))


def rename_posterior(trace: xr.DataTree, design: Design) -> xr.DataTree:
    """Return Bambi's posterior the names of the PyMC model."""
    import xarray as xr

    posterior = trace["posterior"]
    columns: dict[str, list[Array]] = {}
    for term in dict.fromkeys(_term(name) for name in design.x_names):
        values = _values(posterior[term])
        columns[term] = [values] if values.ndim == 2 else [values[..., i] for i in range(values.shape[-1])]
    beta = np.stack([columns[_term(name)].pop(0) for name in design.x_names], axis=-1)
    group = design.formula.group
    sds = [
        _values(posterior[f"{'1' if name == 'Intercept' else name}|{group}_sigma"]) for name in design.z_names
    ]
    named = xr.Dataset(
        {
            "beta": (("chain", "draw", "coefficient"), beta),
            "sd": (("chain", "draw", "random"), np.stack(sds, axis=-1)),
            "sigma": (("chain", "draw"), _values(posterior["sigma"])),
        }
    )
    pair = f"1:{design.z_names[-1]}|{group}_correlation"
    if pair in posterior:
        named["correlation"] = (("chain", "draw"), _values(posterior[pair]))
    return xr.DataTree.from_dict({"posterior": named, "sample_stats": trace["sample_stats"].to_dataset()})


def _values(variable: Any) -> Array:
    return np.asarray(variable.transpose("chain", "draw", ...).values, dtype=float)
