"""Exact posteriors without each patient in turn, from the collapsed engine."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bayes_alliance.inference.collapsed import Target, _Remembered, make_target, sample_target
from bayes_alliance.inference.fits import Array, Covariance
from bayes_alliance.inference.importance import Mixture, sample_importance
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.inference.psis import log_sum_exp
from bayes_alliance.inference.statistics import Statistics


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Leave-one-patient-out by integration, patient by patient.

    Parameters
    ----------
    elpd_i : ndarray, shape (n_patients,)
        Log predictive density of each patient's rows given all other patients.
    pareto_k : ndarray, shape (n_patients,)
        Of the importance draws of the posterior without the patient.
    """

    elpd_i: Array
    pareto_k: Array


def without_patient(stats: Statistics, patient: int) -> Statistics:
    """Take one patient's contribution out of the statistics."""
    schedule = stats.schedule[patient]
    counts = stats.counts.copy()
    counts[schedule] -= 1.0
    q, width = stats.patient_zd.shape[1:]
    k, l = np.triu_indices(q)
    a, b = np.triu_indices(width)
    zd = stats.patient_zd[patient]
    product = zd[k][:, a] * zd[l][:, b]
    other = zd[l][:, a] * zd[k][:, b]
    moments = stats.moments.copy()
    moments[schedule] -= np.where((k == l)[:, None], product, product + other)
    dd = np.zeros_like(stats.dd)
    dd[a, b] = dd[b, a] = stats.patient_dd[patient]
    return dataclasses.replace(
        stats,
        n_rows=stats.n_rows - int(stats.patient_rows[patient]),
        n_patients=stats.n_patients - 1,
        counts=counts,
        moments=moments,
        dd=stats.dd - dd,
    )


def leave_patients_out(
    stats: Statistics,
    priors: CoefficientPriors,
    *,
    seed: int,
    covariance: Covariance = "UN",
    count: int = 2000,
    patients: NDArray[np.integer[Any]] | None = None,
) -> LeftOut:
    r"""Refit without each patient in turn and score the patient's rows exactly.

    :math:`\log p(y_i \mid y_{-i}) = \log\int p(y_i\mid\theta) p(\theta\mid y_{-i}) d\theta` by importance draws
    of :math:`p(\theta\mid y_{-i})`, fixed effects integrated out under both data sets.

    Parameters
    ----------
    count : int
        Importance draws of each refit.
    patients : ndarray of int, optional
        Which patients to leave out; all by default.
    """
    whole = make_target(stats, priors, covariance)
    rng = np.random.default_rng(seed)
    base = sample_target(whole, rng=rng, count=count)
    chosen = np.arange(stats.n_patients) if patients is None else np.asarray(patients, dtype=int)
    with threadpool_limits(1):
        found = np.array([_leave_out(whole, int(i), base.proposal, count, rng) for i in chosen])
    elpd_i, pareto_k = found.reshape(-1, 2).T
    return LeftOut(elpd_i=elpd_i, pareto_k=pareto_k)


def _leave_out(
    whole: Target, patient: int, proposal: Mixture, count: int, rng: np.random.Generator
) -> tuple[float, float]:
    rest = dataclasses.replace(whole, stats=without_patient(whole.stats, patient))
    remembered = _Remembered(rest)
    sample = sample_importance(
        remembered,
        np.empty(0),
        rng=rng,
        count=count,
        proposal=proposal,
        adapt_count=min(count, 500),
        rounds=2,
    )
    gain = whole.given(sample.points).log_marginal - remembered.given.log_marginal
    with np.errstate(divide="ignore"):
        logs = np.log(sample.weights) + gain
    return float(log_sum_exp(logs)), sample.pareto_k
