"""Writes tests/reference/quadrature.json: the posterior of independent random effects by quadrature over four SDs.

From the repository root: python tests/reference/quadrature.py. At every node of a Gauss-Legendre rule the ten rows of
each subject are dense normal, and the coefficients are integrated out in closed form; only the numbers of the priors
are read from the package, and stored with the answers.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq
from scipy.special import logsumexp
from scipy.stats import halfnorm, norm

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from bayes_alliance.inference.priors import coefficient_priors  # noqa: E402
from bayes_alliance.run.structured_frame import read_formula, read_structured  # noqa: E402

FORMULA = "Reaction ~ Days + late + (Days + late || Subject)"
QUANTILES = (0.05, 0.5, 0.95)
# SDs of intercepts, of both slopes and of residuals: (least, most, nodes); the posterior beyond is negligible.
RANGES = ((0.0, 80.0, 24), (0.0, 22.0, 24), (0.0, 34.0, 24), (18.0, 40.0, 20))


def quantile(cdf: Any, level: float, low: float, high: float) -> float:
    return float(brentq(lambda value: cdf(value) - level, low, high, xtol=1e-8))


def of_sd(nodes: np.ndarray, weights: np.ndarray, share: np.ndarray) -> dict[str, float]:
    """Summarise an SD by the posterior share of each of its nodes."""
    mean = float(share @ nodes)
    density = CubicSpline(nodes, share / weights)
    below = density.antiderivative()
    whole = below(nodes[-1])
    low, middle, high = (quantile(lambda v: below(v) / whole, p, nodes[0], nodes[-1]) for p in QUANTILES)
    sd = float(np.sqrt(share @ (nodes - mean) ** 2))
    return {"mean": mean, "sd": sd, "low": low, "median": middle, "high": high}


def of_coefficient(means: np.ndarray, sds: np.ndarray, share: np.ndarray) -> dict[str, float]:
    """Summarise a coefficient, which is normal at every node."""
    mean = float(share @ means)
    sd = float(np.sqrt(share @ (sds**2 + (means - mean) ** 2)))
    kept = share > 1e-9 * share.max()
    m, s, w = means[kept], sds[kept], share[kept] / share[kept].sum()
    low, middle, high = (
        quantile(lambda v: float(w @ norm.cdf((v - m) / s)), p, mean - 9 * sd, mean + 9 * sd)
        for p in QUANTILES
    )
    return {"mean": mean, "sd": sd, "low": low, "median": middle, "high": high}


def main() -> None:
    """Integrate and write."""
    rows = pd.read_csv(HERE / "data" / "sleepstudy.csv").sort_values(["Subject", "Days"])
    rows = rows.assign(late=np.maximum(rows["Days"] - 5, 0))
    found = read_structured(*read_formula(FORMULA, "", ""), rows, time="Days")
    priors = coefficient_priors(found.study, found.design, found.study.priors[0].name)
    scales = [*found.patient_prior.scale.tolist(), float(priors.sigma_scale)]
    y = rows["Reaction"].to_numpy().reshape(18, 10)
    x = np.column_stack([np.ones(10), np.arange(10.0), np.maximum(np.arange(10.0) - 5.0, 0.0)])
    precision = np.linalg.inv(priors.covariance)

    rules = [np.polynomial.legendre.leggauss(count) for _, _, count in RANGES]
    nodes = [low + (high - low) * (at + 1) / 2 for (low, high, _), (at, _) in zip(RANGES, rules, strict=True)]
    weights = [(high - low) * w / 2 for (low, high, _), (_, w) in zip(RANGES, rules, strict=True)]
    blocks = []
    for a, b in itertools.product(nodes[0], nodes[1]):
        c, s = (grid.ravel() for grid in np.meshgrid(nodes[2], nodes[3], indexing="ij"))
        variances = np.stack([np.full_like(c, a**2), np.full_like(c, b**2), c**2], axis=1)
        v = (x * variances[:, None, :]) @ x.T + (s**2)[:, None, None] * np.eye(10)
        inverse, (_, logdet) = np.linalg.inv(v), np.linalg.slogdet(v)
        inner = precision + 18 * x.T @ inverse @ x
        right = x.T @ inverse @ y.sum(axis=0) + precision @ priors.mean
        covariance = np.linalg.inv(inner)
        mean = (covariance @ right[:, :, None])[:, :, 0]
        squares = np.einsum("ia,sab,ib->s", y, inverse, y) + priors.mean @ precision @ priors.mean
        log_density = -0.5 * (
            y.size * np.log(2 * np.pi)
            + 18 * logdet
            + np.linalg.slogdet(inner)[1]
            - np.linalg.slogdet(precision)[1]
            + squares
            - (mean * right).sum(axis=1)
        )
        for sd, scale in zip((a, b, c, s), scales, strict=True):
            log_density = log_density + halfnorm.logpdf(sd, scale=scale)
        blocks.append((log_density, mean, np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))))
    shape = tuple(len(one) for one in nodes)
    log_density = np.concatenate([block[0] for block in blocks]).reshape(shape)
    means, sds = (np.concatenate([block[k] for block in blocks]) for k in (1, 2))
    for axis, weight in enumerate(weights):
        log_density = log_density + np.log(weight).reshape([-1 if k == axis else 1 for k in range(4)])
    evidence = float(logsumexp(log_density))
    share = np.exp(log_density - evidence)
    posterior = {
        name: of_coefficient(means[:, k], sds[:, k], share.ravel())
        for k, name in enumerate(found.design.x_names)
    }
    for axis, name in enumerate(("sd Intercept", "sd Days", "sd late", "sigma")):
        own = share.sum(axis=tuple(k for k in range(4) if k != axis))
        posterior[name] = of_sd(nodes[axis], weights[axis], own)
    answer = {
        "formula": FORMULA,
        "priors": {
            "mean": priors.mean.tolist(),
            "covariance": priors.covariance.tolist(),
            "patient": scales[:3],
            "sigma": scales[3],
        },
        "posterior": posterior,
        "log_evidence": evidence,
        "share_in_last_nodes": {
            name: float(max(np.take(share, [0], axis=k).sum() * (k == 3), np.take(share, [-1], axis=k).sum()))
            for k, name in enumerate(("sd Intercept", "sd Days", "sd late", "sigma"))
        },
    }
    (HERE / "quadrature.json").write_text(json.dumps(answer, indent=1) + "\n")


if __name__ == "__main__":
    main()
