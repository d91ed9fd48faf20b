"""Designs and posteriors whose truth is known: conjugate fixed effects over known covariances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bayes_alliance.inference.design import Design, build_design
from bayes_alliance.inference.fits import Array, PosteriorFit, RowsUsed
from bayes_alliance.inference.ml import fit_mixed
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Source

SD, CORRELATION, SIGMA = np.array([0.8, 0.15]), -0.3, 0.5
PRIOR_SD = 2.0
CHAINS = 4


def make_rows(
    n_patients: int,
    visits: int = 5,
    *,
    seed: int = 1,
    beta: Sequence[float] = (4.0, 0.1, -0.2),
    sd: Array = SD,
    sigma: float = SIGMA,
    scatter: bool = True,
) -> pd.DataFrame:
    """Draw rows of a growth model with one binary predictor of the slope, at scattered times."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n_patients), visits)
    time = np.tile(np.arange(visits, dtype=float), n_patients)
    if scatter:
        time = time + rng.uniform(0.0, 0.5, len(time))
    poor = (patient % 2).astype(float)
    factor = np.array([[sd[0], 0.0], [CORRELATION * sd[1], np.sqrt(1 - CORRELATION**2) * sd[1]]])
    effects = (rng.standard_normal((n_patients, 2)) @ factor.T)[patient]
    mean = beta[0] + effects[:, 0] + (beta[1] + beta[2] * poor + effects[:, 1]) * time
    outcome = mean + sigma * rng.standard_normal(len(mean))
    return pd.DataFrame({"patient": [f"p{i:03d}" for i in patient], "time": time, "poor": poor, "y": outcome})


def make_design(
    rows: pd.DataFrame, formula: str = "y ~ time + poor:time + (time | patient)", **columns: Array
) -> Design:
    """Build the design of a formula, with more columns if asked for."""
    return build_design(parse_formula(formula), rows.assign(**columns))


def rows_used(design: Design, digest: str = "rows") -> RowsUsed:
    """Say what the rows of a made-up design are."""
    return RowsUsed(
        n_rows=design.n_rows, n_patients=design.n_patients, digest=digest, source=Source.SYNTHETIC
    )


def covariance_of(
    z: Array, *, sd: Array = SD, correlation: float = CORRELATION, sigma: float = SIGMA
) -> Array:
    """Covariance of one patient's rows, written out densely."""
    across = correlation * sd[0] * sd[-1]
    g = np.array([[sd[0] ** 2, across], [across, sd[-1] ** 2]]) if len(sd) > 1 else sd[:, None] ** 2
    result: Array = z @ g @ z.T + sigma**2 * np.eye(len(z))
    return result


def conjugate_beta(design: Design, *, without: int | None = None) -> tuple[Array, Array]:
    """Mean and covariance of the fixed effects under N(0, PRIOR_SD^2) priors and known covariances."""
    p = len(design.x_names)
    precision, weighted = np.eye(p) / PRIOR_SD**2, np.zeros(p)
    for patient in range(design.n_patients):
        if patient != without:
            mine = design.patient_index == patient
            inverse = np.linalg.inv(covariance_of(design.z[mine]))
            precision += design.x[mine].T @ inverse @ design.x[mine]
            weighted += design.x[mine].T @ inverse @ design.y[mine]
    covariance = np.linalg.inv(precision)
    return covariance @ weighted, covariance


def conjugate_posterior(
    design: Design, *, draws: int = 1000, seed: int = 3, digest: str = "rows", model_id: str = "known"
) -> PosteriorFit:
    """Independent draws of the fixed effects from their closed form; covariances known, so constant."""
    mean, covariance = conjugate_beta(design)
    beta = np.random.default_rng(seed).multivariate_normal(mean, covariance, (CHAINS, draws))
    return made_up_posterior(design, beta=beta, digest=digest, model_id=model_id)


def made_up_posterior(
    design: Design,
    *,
    beta: Array,
    sd: Array | None = None,
    correlation: Array | float = CORRELATION,
    sigma: Array | float = SIGMA,
    digest: str = "rows",
    model_id: str = "known",
    sample_stats: Mapping[str, Array] | None = None,
) -> PosteriorFit:
    """Put draws into a record; what is given as a number is constant."""
    shape = beta.shape[:2]
    q = len(design.z_names)
    sds = np.broadcast_to(SD[:q], (*shape, q)).copy() if sd is None else sd
    return PosteriorFit(
        model_id=model_id,
        engine="made up",
        covariance="UN" if q > 1 else "ID",
        prior="known",
        rows=rows_used(design, digest),
        formula=design.formula.text,
        x_names=design.x_names,
        z_names=design.z_names,
        beta=beta,
        sd=sds,
        correlation=np.broadcast_to(np.asarray(correlation, dtype=float), shape).copy(),
        sigma=np.broadcast_to(np.asarray(sigma, dtype=float), shape).copy(),
        seed=1,
        sample_stats=sample_stats or {},
        facts={"versions": "none"},
        seconds=0.25,
    )


def posterior_around_ml(
    design: Design, *, draws: int = 250, seed: int = 5, digest: str = "rows", model_id: str = "known"
) -> PosteriorFit:
    """Draw every parameter around its ML estimate, independently: nothing is constant, nothing sampled."""
    fit = fit_mixed(design, rows_used(design, digest), model_id=model_id)
    rng = np.random.default_rng(seed)
    shape = (CHAINS, draws)
    correlation = fit.correlation if np.isfinite(fit.correlation) else 0.0
    return made_up_posterior(
        design,
        beta=rng.multivariate_normal(fit.beta, fit.beta_cov, shape),
        sd=np.maximum(fit.sd, 1e-3) * np.exp(rng.normal(0.0, 0.08, (*shape, len(fit.sd)))),
        correlation=np.clip(rng.normal(correlation, 0.1, shape), -0.95, 0.95),
        sigma=fit.sigma * np.exp(rng.normal(0.0, 0.04, shape)),
        digest=digest,
        model_id=model_id,
        sample_stats={
            "diverging": np.zeros(shape),
            "reached_max_treedepth": np.zeros(shape),
            "energy": rng.normal(size=shape),
        },
    )
