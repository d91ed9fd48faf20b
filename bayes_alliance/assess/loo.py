"""Models compared by what they predict: a new patient, a new visit, a new visit given the patient's effects.

Leave-one-patient-out on the marginal likelihood is the analogue of AIC, which also integrates the random
effects out; the usual conditional LOO answers another question (Merkle, Furr & Rabe-Hesketh 2019,
doi:10.1007/s11336-019-09679-0). Pointwise densities and their smoothing are ours, the latter the same as
ArviZ's; differences, stacking weights and warnings are ArviZ's (Vehtari, Gelman & Gabry 2017,
doi:10.1007/s11222-016-9696-4). Models on different rows are refused.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, PosteriorFit, RowsUsed
from bayes_alliance.inference.leave_out import leave_patients_out
from bayes_alliance.inference.likelihood import log_density_patients, relative_factor
from bayes_alliance.inference.patient_effects import log_normal, patient_effects, predict_visits
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.inference.psis import log_sum_exp, smooth_tails
from bayes_alliance.inference.statistics import summarise

Target = Literal["new_patient", "new_visit", "new_visit_conditional"]
TARGETS: tuple[Target, ...] = ("new_patient", "new_visit", "new_visit_conditional")
PARETO_K_THRESHOLD = 0.7
MAX_SCORED_DRAWS = 20_000


@dataclass(frozen=True, kw_only=True)
class Score:
    """A model's expected log predictive density for one prediction target.

    Parameters
    ----------
    target : {"new_patient", "new_visit", "new_visit_conditional"}
        What is predicted: all visits of a patient not seen; a visit of a patient seen at the other visits,
        effects integrated out; the same with the effects as parameters.
    elpd, se : float
        Sum over units and its standard error over units.
    p_loo : float
        Effective number of parameters.
    elpd_i, pareto_k : ndarray, shape (n_units,)
        By patient or by row.
    n_draws : int
        Draws that PSIS weighed.
    n_refitted : int
        Units scored by a refit without them.
    """

    target: Target
    model_id: str
    rows: RowsUsed
    elpd: float
    se: float
    p_loo: float
    elpd_i: Array
    pareto_k: Array
    n_draws: int
    n_refitted: int = 0

    @property
    def n_units(self) -> int:
        """Number of patients or rows scored."""
        return len(self.elpd_i)

    @property
    def n_bad_k(self) -> int:
        """Units whose Pareto k is above 0.7."""
        return int(np.sum(self.pareto_k > PARETO_K_THRESHOLD))

    @property
    def elpd_data(self) -> Any:
        """The score as the record that ArviZ's own ``loo`` returns, without the weights; for ``az.compare``."""
        import xarray as xr
        from arviz_stats.utils import ELPDDataLOO

        n = self.n_draws
        good_k = min(1.0 - 1.0 / math.log10(n), PARETO_K_THRESHOLD) if n > 1 else PARETO_K_THRESHOLD
        return ELPDDataLOO(
            elpd=self.elpd,
            se=self.se,
            p=self.p_loo,
            n_samples=n,
            n_data_points=self.n_units,
            scale="log",
            warning=bool(np.any(self.pareto_k > good_k)),
            good_k=good_k,
            elpd_i=xr.DataArray(self.elpd_i, dims="unit", name="elpd_i"),
            pareto_k=xr.DataArray(self.pareto_k, dims="unit", name="pareto_k"),
        )


def pointwise_density(fit: PosteriorFit, design: Design, target: Target, *, seed: int) -> Array:
    """Log density of each unit for each draw.

    Parameters
    ----------
    fit : PosteriorFit
        Posterior of the model with this design.
    design : Design
        Its rows.
    target : str
        What is predicted.
    seed : int
        For the draws of the patients' effects (conditional target only).

    Returns
    -------
    ndarray, shape (chain, draw, n_units)
        Patients in order of appearance, or rows.

    Raises
    ------
    ValueError
        If there is no such target.
    """
    beta, sd, correlation, sigma = fit.flat()
    factor = relative_factor(sd, correlation, sigma)
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    if target == "new_patient":
        values = log_density_patients(stats, beta, factor, sigma)
    elif target == "new_visit":
        values = log_normal(*predict_visits(design.y, design.x, design.z, stats, beta, factor, sigma))
    elif target == "new_visit_conditional":
        effects = patient_effects(stats, beta, factor, sigma).draw(np.random.default_rng(seed))
        mean = beta @ design.x.T
        for k in range(stats.q):
            mean += effects[..., k][:, design.patient_index] * design.z[:, k]
        values = log_normal(design.y - mean, np.broadcast_to(sigma[:, None] ** 2, mean.shape))
    else:
        raise ValueError(f"unknown prediction target {target!r}; allowed: {', '.join(TARGETS)}")
    return values.reshape(fit.n_chains, -1, values.shape[-1])


@dataclass(frozen=True, kw_only=True)
class PsisLoo:
    """What PSIS says of every unit, left out of the data in turn.

    Parameters
    ----------
    log_weights : ndarray, shape (n_units, s)
        Smoothed and normalised; draws of all chains one after another.
    elpd_i, p_i, pareto_k : ndarray, shape (n_units,)
        Log predictive density, effective number of parameters, diagnostic.
    """

    log_weights: Array
    elpd_i: Array
    p_i: Array
    pareto_k: Array


def psis_loo(fit: PosteriorFit, design: Design, target: Target, *, seed: int) -> PsisLoo:
    """Leave each unit out by Pareto-smoothed importance sampling; parameters as in :func:`pointwise_density`.

    Of more than ``MAX_SCORED_DRAWS`` draws every k-th is used: the densities take draws times rows of memory.
    The same numbers as ArviZ's ``loo`` (a test holds them together), all units at once instead of one by one.
    """
    kept = fit.thin(MAX_SCORED_DRAWS)
    values = pointwise_density(kept, design, target, seed=seed)
    by_unit = np.ascontiguousarray(values.reshape(-1, values.shape[-1]).T)
    smoothed, pareto_k = smooth_tails(-by_unit, r_eff=relative_efficiency(kept))
    log_weights = smoothed - log_sum_exp(smoothed)[:, None]
    elpd_i = log_sum_exp(log_weights + by_unit)
    lppd_i = log_sum_exp(by_unit) - np.log(by_unit.shape[1])
    return PsisLoo(log_weights=log_weights, elpd_i=elpd_i, p_i=lppd_i - elpd_i, pareto_k=pareto_k)


def relative_efficiency(fit: PosteriorFit) -> float:
    """Effective over actual number of draws, the mean over all parameters, as ArviZ's ``loo`` takes it."""
    if fit.n_chains == 1:
        return 1.0
    import arviz_stats

    parameters = np.concatenate([fit.beta, fit.sd, fit.sigma[..., None]], axis=2)
    draws = np.moveaxis(parameters, 2, 0)
    return (
        float(np.mean([arviz_stats.base.array_stats.ess(d, method="mean") for d in draws])) / fit.sigma.size
    )


def score_model(fit: PosteriorFit, design: Design, target: Target, *, seed: int) -> Score:
    """Score a model by PSIS-LOO for one prediction target.

    Parameters
    ----------
    fit, design, target, seed
        As in :func:`pointwise_density`.

    Returns
    -------
    Score
        Without the importance weights, which are as large as the posterior times the rows.
    """
    left_out = psis_loo(fit, design, target, seed=seed)
    elpd_i, n = left_out.elpd_i, len(left_out.elpd_i)
    return Score(
        target=target,
        model_id=fit.model_id,
        rows=fit.rows,
        elpd=float(elpd_i.sum()),
        se=math.sqrt(n * float(np.var(elpd_i, ddof=1))),
        p_loo=float(left_out.p_i.sum()),
        elpd_i=elpd_i,
        pareto_k=left_out.pareto_k,
        n_draws=left_out.log_weights.shape[1],
    )


def refit_patients(
    score: Score, design: Design, priors: CoefficientPriors, *, seed: int, everyone: bool = False
) -> Score:
    """Replace new-patient scores that PSIS cannot be trusted with by exact ones from refits.

    Parameters
    ----------
    score : Score
        For target "new_patient", of an unstructured model.
    design : Design
        Its rows.
    priors : CoefficientPriors
        Of the same model.
    seed : int
        Of the refits.
    everyone : bool
        Refit without each patient in turn, whatever the Pareto k.

    Returns
    -------
    Score
        ``pareto_k`` is then that of the refits, ``n_refitted`` says how many there were.
    """
    if score.target != "new_patient":
        raise ValueError(f"only the new-patient score can be refitted, not {score.target!r}")
    trusted = score.pareto_k <= PARETO_K_THRESHOLD
    chosen = np.arange(score.n_units) if everyone else np.flatnonzero(~trusted)
    if len(chosen) == 0:
        return score
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    exact = leave_patients_out(stats, priors, seed=seed, patients=chosen)
    elpd_i, pareto_k = score.elpd_i.copy(), score.pareto_k.copy()
    elpd_i[chosen], pareto_k[chosen] = exact.elpd_i, exact.pareto_k
    elpd, se = float(elpd_i.sum()), float(np.sqrt(len(elpd_i) * np.var(elpd_i, ddof=1)))
    p_loo = score.p_loo - (elpd - score.elpd)
    return dataclasses.replace(
        score,
        elpd=elpd,
        se=se,
        p_loo=p_loo,
        elpd_i=elpd_i,
        pareto_k=pareto_k,
        n_refitted=len(chosen),
    )
