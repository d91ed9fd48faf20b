"""Exact leave-one-out of patients or clusters for models with several levels or correlated residuals, by refits."""

from __future__ import annotations

import dataclasses

import numpy as np

from bayes_alliance.assess.loo import PARETO_K_THRESHOLD, Score, pointwise_density, sum_error
from bayes_alliance.errors import FitError
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.lmm.fit_design import draw_structured, structured_of
from bayes_alliance.inference.lmm.patterns import Index, Rows
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.inference.psis import log_sum_exp
from bayes_alliance.runtime.seeds import derive_seed

DRAWS = 4000
POOL = 2.0


def refit_units(
    score: Score,
    design: Design,
    priors: CoefficientPriors,
    *,
    seed: int,
    clusters: Index | None,
    everyone: bool,
) -> Score:
    """Replace scores whose Pareto k is above 0.7 by those of refits without the unit.

    Parameters
    ----------
    score : Score
        For target "new_patient" or "new_cluster".
    design, priors
        Of the model.
    seed : int
        Of the refits.
    clusters : ndarray of int, shape (n_patients,), optional
        As for :func:`bayes_alliance.assess.loo.pointwise_density`.
    everyone : bool
        Refit without each unit in turn, whatever its Pareto k.

    Returns
    -------
    Score
        A unit whose refit gives no posterior keeps its score and its Pareto k.
    """
    by_patient = score.target == "new_patient"
    unit_of = np.arange(design.n_patients) if by_patient or clusters is None else clusters
    chosen = np.arange(score.n_units) if everyone else np.flatnonzero(score.pareto_k > PARETO_K_THRESHOLD)
    elpd_i, pareto_k, done = score.elpd_i.copy(), score.pareto_k.copy(), 0
    for unit in chosen.tolist():
        own = derive_seed(seed, "without", score.target, str(unit))
        try:
            elpd_i[unit] = _exact(score, design, priors, unit_of, unit, seed=own, clusters=clusters)
        except FitError:
            continue
        pareto_k[unit] = 0.0
        done += 1
    elpd = float(elpd_i.sum())
    return dataclasses.replace(
        score,
        elpd=elpd,
        se=sum_error(elpd_i),
        p_loo=score.p_loo - (elpd - score.elpd),
        elpd_i=elpd_i,
        pareto_k=pareto_k,
        n_refitted=done,
    )


def _exact(
    score: Score,
    design: Design,
    priors: CoefficientPriors,
    unit_of: Index,
    unit: int,
    *,
    seed: int,
    clusters: Index | None,
) -> float:
    about = structured_of(design)
    kept = unit_of[about.patient_of[about.rows.patient]] != unit
    fewer = dataclasses.replace(about, rows=_subset(about.rows, kept))
    fit = draw_structured(
        dataclasses.replace(design, structured=fewer), score.rows, priors, seed=seed, draws=DRAWS, pool=POOL
    )
    values = pointwise_density(fit, design, score.target, seed=seed, clusters=clusters)
    drawn: Array = values[..., unit].ravel()
    return float(log_sum_exp(drawn) - np.log(len(drawn)))


def _subset(rows: Rows, kept: Index) -> Rows:
    """Return some of the rows; patients are numbered anew."""
    patient = np.cumsum(np.diff(rows.patient[kept], prepend=rows.patient[kept][0]) != 0)
    return Rows(
        y=rows.y[kept],
        x=rows.x[kept],
        z=rows.z[kept],
        w=rows.w[kept],
        patient=patient,
        cluster=rows.cluster[kept],
        position=rows.position[kept],
        group=rows.group[kept],
    )
