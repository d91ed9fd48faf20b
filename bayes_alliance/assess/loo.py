"""Models compared by what they predict: a new patient, a new visit, a new visit given the patient's effects.

Leave-one-patient-out on the marginal likelihood is the analogue of AIC, which also integrates the random
effects out; the usual conditional LOO answers another question (Merkle, Furr & Rabe-Hesketh 2019,
doi:10.1007/s11336-019-09679-0). Log densities by patient and by visit are ours; PSIS-LOO is ArviZ's ``loo``, and
differences, stacking weights and warnings are those of its ``compare`` (Vehtari, Gelman & Gabry 2017,
doi:10.1007/s11222-016-9696-4). Our own PSIS, all units at once, serves for visits and where hundreds of fits are
scored; a test holds it to ArviZ's. Models on different rows are refused.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, PosteriorFit, RowsUsed
from bayes_alliance.inference.leave_out import leave_patients_out
from bayes_alliance.inference.likelihood import log_density_patients, relative_factor
from bayes_alliance.inference.lmm.densities import cluster_densities, patient_densities, visit_predictions
from bayes_alliance.inference.lmm.patterns import Index
from bayes_alliance.inference.patient_effects import log_normal, patient_effects, predict_visits
from bayes_alliance.inference.priors import CoefficientPriors
from bayes_alliance.inference.psis import log_sum_exp, smooth_tails
from bayes_alliance.inference.statistics import summarise

if TYPE_CHECKING:
    import xarray as xr

Target = Literal["new_patient", "new_visit", "new_visit_conditional", "new_cluster"]
TARGETS: tuple[Target, ...] = ("new_patient", "new_visit", "new_visit_conditional")
OF_VISITS: tuple[Target, ...] = ("new_visit", "new_visit_conditional")
PARETO_K_THRESHOLD = 0.7
MAX_SCORED_DRAWS = 20_000


@dataclass(frozen=True, kw_only=True)
class Score:
    """A model's expected log predictive density for one prediction target.

    Parameters
    ----------
    target : {"new_patient", "new_visit", "new_visit_conditional", "new_cluster"}
        What is predicted: all visits of a patient not seen (of a known therapist, where models have them); a visit
        of a patient seen at the other visits, effects integrated out; the same with the effects as parameters; all
        patients of a therapist or clinic not seen.
    elpd, se : float
        Sum over units and its standard error. Visits of a patient are not independent: their scores are summed by
        patient first.
    mcse : float
        Monte-Carlo standard error of ``elpd``: how far another seed might move it.
    p_loo : float
        Effective number of parameters.
    elpd_i, pareto_k : ndarray, shape (n_units,)
        By patient or by row.
    n_draws : int
        Draws that PSIS weighed.
    n_refitted : int
        Units scored by a refit without them.
    patient : ndarray of int or None, shape (n_units,)
        Whose visit each unit is; None where units are patients.
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
    mcse: float = math.nan
    patient: NDArray[np.int64] | None = None

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


def pointwise_density(
    fit: PosteriorFit, design: Design, target: Target, *, seed: int, clusters: Index | None = None
) -> Array:
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
    clusters : ndarray of int, shape (n_patients,), optional
        Which cluster each patient belongs to, from 0; needed for target "new_cluster".

    Returns
    -------
    ndarray, shape (chain, draw, n_units)
        Patients in order of appearance, rows, or clusters.

    Raises
    ------
    ValueError
        If there is no such target.
    """
    if design.structured is not None:
        values = _structured_density(fit, design, target, clusters)
        return values.reshape(fit.n_chains, -1, values.shape[-1])
    beta, sd, correlation, sigma = fit.flat()
    factor = relative_factor(sd, correlation, sigma)
    stats = summarise(design.y, design.x, design.z, design.patient_index)
    if target == "new_patient":
        values = log_density_patients(stats, beta, factor, sigma)
    elif target == "new_cluster" and clusters is not None:
        values = np.zeros((len(sigma), int(clusters.max()) + 1))
        np.add.at(values.T, clusters, log_density_patients(stats, beta, factor, sigma).T)
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


def _structured_density(fit: PosteriorFit, design: Design, target: Target, clusters: Index | None) -> Array:
    """Log densities of a model with several levels or correlated residuals; its effects are always integrated out."""
    if target == "new_patient":
        return patient_densities(fit, design)
    if target == "new_visit":
        return log_normal(*visit_predictions(fit, design))
    if target == "new_cluster" and clusters is not None:
        return cluster_densities(fit, design, clusters)
    raise ValueError(f"prediction target {target!r} is not scored for this model")


@dataclass(frozen=True, kw_only=True)
class PsisLoo:
    """What PSIS says of every unit, left out of the data in turn.

    Parameters
    ----------
    log_weights : ndarray, shape (n_units, s)
        Smoothed and normalised; draws of all chains one after another.
    elpd_i, pareto_k : ndarray, shape (n_units,)
        Log predictive density, diagnostic.
    """

    log_weights: Array
    elpd_i: Array
    pareto_k: Array


def psis_loo(fit: PosteriorFit, design: Design, target: Target, *, seed: int) -> PsisLoo:
    """Leave each unit out by Pareto-smoothed importance sampling; parameters as in :func:`pointwise_density`.

    Of more than ``MAX_SCORED_DRAWS`` draws every k-th is used: the densities take draws times rows of memory.
    The same numbers as ArviZ's ``loo`` (a test holds them together), all units at once instead of one by one.
    """
    kept = fit.thin(MAX_SCORED_DRAWS)
    return _leave_units_out(kept, pointwise_density(kept, design, target, seed=seed))


def _leave_units_out(kept: PosteriorFit, values: Array) -> PsisLoo:
    by_unit = np.ascontiguousarray(values.reshape(-1, values.shape[-1]).T)
    smoothed, pareto_k = smooth_tails(-by_unit, r_eff=relative_efficiency(kept))
    log_weights = smoothed - log_sum_exp(smoothed)[:, None]
    elpd_i = log_sum_exp(log_weights + by_unit)
    return PsisLoo(log_weights=log_weights, elpd_i=elpd_i, pareto_k=pareto_k)


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


def loo_tree(fit: PosteriorFit, log_likelihood: Mapping[str, Array]) -> xr.DataTree:
    """Return a posterior with pointwise log likelihoods, as ``az.loo`` takes them.

    Parameters
    ----------
    fit : PosteriorFit
        With ``n_chains`` chains.
    log_likelihood : mapping of str to ndarray, shape (chain, draw, n_units)
        Of :func:`pointwise_density`, by prediction target.
    """
    import xarray as xr

    draw = ("chain", "draw")
    parameters = {"beta": ((*draw, "coefficient"), fit.beta), "sd": ((*draw, "random_coefficient"), fit.sd)}
    groups = {
        "posterior": xr.Dataset({**parameters, "sigma": (draw, fit.sigma)}),
        "log_likelihood": xr.Dataset(
            {name: ((*draw, f"{name}_unit"), values) for name, values in log_likelihood.items()}
        ),
    }
    return xr.DataTree.from_dict(groups)


def score_model(
    fit: PosteriorFit,
    design: Design,
    target: Target,
    *,
    seed: int,
    clusters: Index | None = None,
    by_arviz: bool = True,
) -> Score:
    """Score a model by PSIS-LOO for one prediction target.

    By ArviZ, unit by unit, but for the scores of visits: there are several times as many of them, and by them no
    models are ranked. These are made as by :func:`psis_loo`, whose numbers are ArviZ's to 14 digits (a test holds them
    together), in a fourth of the time.

    Parameters
    ----------
    fit, design, target, seed, clusters
        As in :func:`pointwise_density`.
    by_arviz : bool
        Whether scores that models are ranked by come from ``az.loo``; else all are made as by :func:`psis_loo`.

    Returns
    -------
    Score
        Without the importance weights, which are as large as the posterior times the rows.
    """
    kept = fit.thin(MAX_SCORED_DRAWS)
    values = pointwise_density(kept, design, target, seed=seed, clusters=clusters)
    how = _loo_by_arviz if by_arviz and target not in OF_VISITS else _leave_units_out
    found = how(kept, values)
    by_unit = values.reshape(-1, values.shape[-1]).T
    elpd_i = found.elpd_i
    patient = None if target in ("new_patient", "new_cluster") else design.patient_index
    return Score(
        target=target,
        model_id=fit.model_id,
        rows=fit.rows,
        elpd=float(elpd_i.sum()),
        se=sum_error(elpd_i, patient),
        p_loo=float(np.sum(log_sum_exp(by_unit) - math.log(kept.n_draws) - elpd_i)),
        elpd_i=elpd_i,
        pareto_k=found.pareto_k,
        n_draws=kept.n_draws,
        mcse=_monte_carlo_error(found, by_unit, kept),
        patient=patient,
    )


def _loo_by_arviz(kept: PosteriorFit, values: Array) -> PsisLoo:
    """Leave each unit out by ``az.loo``."""
    import arviz_stats

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pareto k is judged in checks, from the score
        found = arviz_stats.loo(loo_tree(kept, {"unit": values}), var_name="unit", pointwise=True)
    log_weights = found.log_weights.transpose("chain", "draw", ...).values.reshape(-1, values.shape[-1])
    return PsisLoo(
        log_weights=np.asarray(log_weights, dtype=float).T,
        elpd_i=np.asarray(found.elpd_i.values, dtype=float),
        pareto_k=np.asarray(found.pareto_k.values, dtype=float),
    )


def sum_error(values: Array, patient: NDArray[np.int64] | None = None) -> float:
    r"""Return the standard error of a sum over units; units of one patient are summed before.

    :math:`\sqrt{n\,\mathrm{var}}` over n independent sums, with the divisor n - 1.
    """
    sums = values if patient is None else np.bincount(patient, values)
    return math.sqrt(len(sums) * float(np.var(sums, ddof=1))) if len(sums) > 1 else math.nan


def _monte_carlo_error(found: PsisLoo, by_unit: Array, fit: PosteriorFit) -> float:
    """Monte-Carlo error of the sum (Vehtari et al. 2024, JMLR 25(72), eq. 10), by the delta method.

    Draws that are worth fewer independent ones count as these.
    """
    ratio = np.exp(found.log_weights + by_unit - found.elpd_i[:, None])
    variance = np.sum((ratio - np.exp(found.log_weights)) ** 2)
    efficiency = (fit.independent_draws or fit.n_draws * relative_efficiency(fit)) / fit.n_draws
    return math.sqrt(float(variance) / min(efficiency, 1.0))


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
    elpd, se = float(elpd_i.sum()), sum_error(elpd_i)
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
