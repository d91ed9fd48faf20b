"""Variance quantities of a model with several levels or correlated residuals, by name."""

from __future__ import annotations

import numpy as np

from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.lmm.design import StructuredDesign
from bayes_alliance.inference.lmm.structure import RandomShape


def name_variances(
    about: StructuredDesign, patient_cov: Array, cluster_cov: Array, correlations: Array, sigma: Array
) -> dict[str, Array]:
    """Name SDs, correlations and intraclass correlations.

    Parameters
    ----------
    about : StructuredDesign
        Of the model.
    patient_cov, cluster_cov : ndarray, shape (..., q, q) and (..., r, r)
        Covariance of random effects.
    correlations, sigma : ndarray, shape (..., k) and (..., g)
        Of residuals, and their SDs by group.

    Returns
    -------
    dict of str to ndarray, shape (...)
        ``sd_Intercept | therapist``, ``correlation_Intercept, time | patient``, ``correlation_residual lag 1``,
        ``sigma`` or ``sigma_arm a``, and ``icc_therapist``: the share of a level's intercept variance in the sum of
        all intercept variances and the residual variance, where residuals have one SD and are independent.
    """
    structure = about.structure
    found: dict[str, Array] = {}
    for level, shape, covariance in (
        (about.cluster, structure.cluster, cluster_cov),
        (about.patient, structure.patient, patient_cov),
    ):
        found |= _random(level, shape, covariance)
    residual = structure.residual
    for k, name in enumerate(residual.correlation_names):
        found[f"correlation_residual {name}"] = correlations[..., k]
    for k, group in enumerate(residual.groups):
        found[f"sigma_{residual.variance} {group}" if group else "sigma"] = sigma[..., k]
    return found | _shares(about, found)


def _random(level: str, shape: RandomShape, covariance: Array) -> dict[str, Array]:
    found = {
        f"sd_{name} | {level}": np.sqrt(np.maximum(covariance[..., k, k], 0.0))
        for k, name in enumerate(shape.names)
    }
    for i, j in np.argwhere(shape.mask & ~np.eye(shape.size, dtype=bool)).tolist():
        product = covariance[..., i, i] * covariance[..., j, j]
        with np.errstate(invalid="ignore", divide="ignore"):
            value = np.where(product > 0.0, covariance[..., i, j] / np.sqrt(product), np.nan)
        found[f"correlation_{shape.names[j]}, {shape.names[i]} | {level}"] = value
    return found


def _shares(about: StructuredDesign, found: dict[str, Array]) -> dict[str, Array]:
    levels = [name for name in (about.cluster, about.patient) if f"sd_Intercept | {name}" in found]
    if "sigma" not in found or about.structure.residual.kind != "id" or not levels:
        return {}
    squares = {name: found[f"sd_Intercept | {name}"] ** 2 for name in levels}
    total = np.sum(list(squares.values()), axis=0) + found["sigma"] ** 2
    return {f"icc_{name}": np.asarray(square / total) for name, square in squares.items()}
