"""Posterior predictive checks: what data the model would have made, beside the data.

Replicates are of *new* patients at the same visits (random effects drawn afresh), so a check of the spread
between patients is a check of the model and not of the fitted effects. LOO-PIT values use the predictive
distribution of each visit from the patient's other visits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayes_alliance.assess.loo import psis_loo
from bayes_alliance.inference.design import Design
from bayes_alliance.inference.fits import Array, PosteriorFit
from bayes_alliance.inference.likelihood import relative_factor
from bayes_alliance.inference.lmm.densities import simulate_rows, visit_predictions
from bayes_alliance.inference.patient_effects import predict_visits
from bayes_alliance.inference.statistics import summarise

# Of more draws every k-th is used: PSIS takes draws times rows of time, and a share needs no more.
MAX_PIT_DRAWS = 5_000


@dataclass(frozen=True, kw_only=True)
class OutcomeScale:
    """Ends and grid of an outcome's scale, None where it has none."""

    minimum: float | None
    maximum: float | None
    step: float | None


@dataclass(frozen=True, kw_only=True)
class PredictiveStatistic:
    """One statistic of the data beside its distribution over replicates.

    Parameters
    ----------
    name : str
        Which statistic.
    group, bin : str
        Subgroup and visit window, empty for all rows.
    n_rows, n_patients : int
        Rows it is computed from, and patients whom the observed value tells of (for a share: those who have it).
    observed, median, lower, upper : float
        The data's value; replicates' median and 95 % interval.
    p_value : float
        Share of replicates at or above the observed value, ties counted half.
    """

    name: str
    group: str
    bin: str
    n_rows: int
    n_patients: int
    observed: float
    median: float
    lower: float
    upper: float
    p_value: float


def simulate_replicates(fit: PosteriorFit, design: Design, *, count: int, seed: int) -> Array:
    """Draw replicated outcomes of new patients at the same visits.

    Parameters
    ----------
    fit : PosteriorFit
        Posterior of the model with this design.
    design : Design
        Its rows.
    count : int
        Replicates; draws are used at most once each where there are enough.
    seed : int
        Of the choice of draws, the effects and the residuals.

    Returns
    -------
    ndarray, shape (count, n_rows)
    """
    rng = np.random.default_rng(seed)
    beta, sd, correlation, sigma = fit.flat()
    chosen = rng.choice(len(sigma), size=count, replace=count > len(sigma))
    if design.structured is not None:
        return simulate_rows(fit, design, chosen, rng)
    factor = relative_factor(sd[chosen], correlation[chosen], np.ones(count))
    noise = rng.standard_normal((count, design.n_patients, len(design.z_names)))
    effects = np.einsum("sqr,sir->siq", factor, noise)[:, design.patient_index]
    mean = beta[chosen] @ design.x.T + np.einsum("nq,snq->sn", design.z, effects)
    replicates: Array = mean + sigma[chosen][:, None] * rng.standard_normal(mean.shape)
    return replicates


def check_predictions(
    replicates: Array,
    design: Design,
    scale: OutcomeScale,
    *,
    groups: NDArray[np.str_],
    bins: NDArray[np.str_],
) -> list[PredictiveStatistic]:
    """Compare statistics of the data with those of replicates.

    Parameters
    ----------
    replicates : ndarray, shape (s, n_rows)
        Of :func:`simulate_replicates`.
    design : Design
        The data.
    scale : OutcomeScale
        Of the outcome. A replicate counts as on the floor (ceiling) from half a grid step above (below) it,
        where it would have been recorded there.
    groups, bins : ndarray of str, shape (n_rows,)
        Subgroup and visit window of each row.

    Returns
    -------
    list of PredictiveStatistic
        Mean and SD by subgroup and window where it has two rows or more; over all rows the share on the floor
        and on the ceiling, and the SD between patients' means and (where any patient has two rows) within
        patients. With a random slope, over patients seen at three times or more: the SD of their own least-squares
        slopes, and the correlation of these with the time of the last visit, which is off where patients leave because
        of their course.
    """
    both = np.vstack([design.y, replicates])
    everyone = np.ones(len(design.y), dtype=bool)
    found = []
    for group in dict.fromkeys(groups.tolist()):
        for window in dict.fromkeys(bins.tolist()):
            mask = (groups == group) & (bins == window)
            if mask.sum() >= 2:
                count = len(np.unique(design.patient_index[mask]))
                for name, values in (
                    ("mean", both[:, mask].mean(axis=1)),
                    ("sd", both[:, mask].std(axis=1, ddof=1)),
                ):
                    found.append(_statistic(name, values, mask, count, group=group, window=window))
    for name, (values, count) in _spread(both, design.patient_index).items():
        found.append(_statistic(name, values, everyone, count))
    for name, hits in _ends(both, scale).items():
        count = len(np.unique(design.patient_index[hits[0]]))
        found.append(_statistic(name, hits.mean(axis=1), everyone, count))
    if len(design.z_names) > 1:
        for name, (values, count) in _slopes(both, design.z[:, 1], design.patient_index).items():
            found.append(_statistic(name, values, everyone, count))
    return found


def _statistic(
    name: str, values: Array, mask: NDArray[np.bool_], n_patients: int, *, group: str = "", window: str = ""
) -> PredictiveStatistic:
    observed, simulated = float(values[0]), values[1:]
    lower, median, upper = np.quantile(simulated, [0.025, 0.5, 0.975])
    p_value = float(np.mean(simulated > observed) + 0.5 * np.mean(simulated == observed))
    return PredictiveStatistic(
        name=name,
        group=group,
        bin=window,
        n_rows=int(mask.sum()),
        n_patients=n_patients,
        observed=observed,
        median=float(median),
        lower=float(lower),
        upper=float(upper),
        p_value=p_value,
    )


def _ends(values: Array, scale: OutcomeScale) -> dict[str, NDArray[np.bool_]]:
    """Mark the ``values`` on the floor and on the ceiling of the scale, under the name of their share."""
    half = (scale.step or 0.0) / 2.0
    hits: dict[str, NDArray[np.bool_]] = {}
    if scale.minimum is not None:
        hits["share at or below the floor"] = values <= scale.minimum + half
    if scale.maximum is not None:
        hits["share at or above the ceiling"] = values >= scale.maximum - half
    return hits


def _spread(values: Array, patient_index: NDArray[np.int64]) -> dict[str, tuple[Array, int]]:
    """Pooled SD within patients, and SD between patients' means, for each row of ``values``; of how many patients."""
    starts = np.flatnonzero(np.diff(patient_index, prepend=-1))
    sizes = np.diff(np.append(starts, len(patient_index)))
    means = np.add.reduceat(values, starts, axis=1) / sizes
    deviations = values - means[:, patient_index]
    freedom = len(patient_index) - len(starts)
    between = {"sd between patients' means": (means.std(axis=1, ddof=1), len(starts))}
    if not freedom:
        return between
    pooled: Array = np.sqrt(np.sum(deviations**2, axis=1) / freedom)
    return {"sd within patients": (pooled, int(np.sum(sizes > 1))), **between}


def _slopes(values: Array, times: Array, patient_index: NDArray[np.int64]) -> dict[str, tuple[Array, int]]:
    """Spread of patients' own slopes, and how they go with the last visit, for each row; of how many patients."""
    slopes, last = [], []
    for patient in range(int(patient_index[-1]) + 1):
        mine = patient_index == patient
        seen = times[mine]
        if len(np.unique(seen)) >= 3:
            centred = seen - seen.mean()
            slopes.append(values[:, mine] @ centred / (centred @ centred))
            last.append(seen.max())
    if len(slopes) < 3:
        return {}
    own, end = np.column_stack(slopes), np.array(last)
    found = {"sd of patients' slopes": (own.std(axis=1, ddof=1), len(slopes))}
    if np.ptp(end) > 0.0:
        deviations = own - own.mean(axis=1, keepdims=True)
        along = end - end.mean()
        scale = np.linalg.norm(deviations, axis=1) * np.linalg.norm(along)
        correlation: Array = deviations @ along / np.where(scale > 0.0, scale, np.inf)
        found["correlation of slope and last visit"] = (correlation, len(slopes))
    return found


def uniformity_p(pit: Array) -> float:
    """Return the p value of ArviZ's test that PIT values are uniform, which allows for their dependence.

    LOO-PIT values of one data set depend on each other; a band for independent values rejects too rarely or too often
    (Tesso & Vehtari 2026, arXiv:2603.02928).
    """
    from arviz_stats.base import array_stats

    return float(np.asarray(array_stats.uniformity_test(pit, method="pot_c")[0]))


def loo_pit(fit: PosteriorFit, design: Design, *, seed: int, step: float = 0.0) -> Array:
    """Leave-one-visit-out probability integral transform of each row; uniform for a calibrated model.

    The predictive distribution of a visit given the patient's other visits, averaged over the posterior with
    PSIS weights that leave the visit out. On a grid of measurement the values are lumpy; a value drawn at random
    between the probabilities of the ends of the grid cell is uniform again (randomised PIT; Czado, Gneiting & Held
    2009, doi:10.1111/j.1541-0420.2009.01191.x).

    Parameters
    ----------
    fit, design, seed
        As in :func:`bayes_alliance.assess.loo.pointwise_density`.
    step : float
        Width of the measurement grid; 0 for none.

    Returns
    -------
    ndarray, shape (n_rows,)
        In [0, 1].
    """
    kept = fit.thin(MAX_PIT_DRAWS)
    weights = np.exp(psis_loo(kept, design, "new_visit", seed=seed).log_weights)
    if design.structured is not None:
        residual, variance = visit_predictions(kept, design)
    else:
        beta, sd, correlation, sigma = kept.flat()
        stats = summarise(design.y, design.x, design.z, design.patient_index)
        factor = relative_factor(sd, correlation, sigma)
        residual, variance = predict_visits(design.y, design.x, design.z, stats, beta, factor, sigma)
    spread = np.sqrt(variance)

    def below(offset: float) -> Array:
        share: Array = np.sum(weights.T * special.ndtr((residual + offset) / spread), axis=0)
        return np.clip(share, 0.0, 1.0)

    if step <= 0.0:
        return below(0.0)
    low, high = below(-step / 2.0), below(step / 2.0)
    return low + np.random.default_rng(seed).random(len(low)) * (high - low)
