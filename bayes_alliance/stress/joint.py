r"""Joint model of several outcomes: which effect is the largest, and what partial pooling makes of them.

"The difference is largest for Tasks" is a statement about three effects on the same patients. Its probability comes
from the joint posterior of :mod:`bayes_alliance.stress.joint_gibbs`; three separate models give the same effects but
take their errors as independent, so that differences look less certain than they are.

**Partial pooling.** Under the neutral prior effects are independent. The pooled prior says that they are of one kind:
:math:`\delta_k \sim N(\mu, \tau^2)`, :math:`\mu` with the neutral prior itself and :math:`\tau` half-normal with the
smallest difference that matters as its scale (partial pooling instead of corrections for multiplicity: Gelman, Hill &
Yajima 2012, doi:10.1080/19345747.2011.618213). The joint draws are reweighted by the ratio of the two priors, known
in closed form but for one integral over :math:`\tau`; Pareto smoothing tells whether they can be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from bayes_alliance.data.rows import StudyData
from bayes_alliance.errors import FitError
from bayes_alliance.inference.fits import Array, weight_vector
from bayes_alliance.inference.priors import coefficient_priors
from bayes_alliance.inference.psis import PARETO_K_LIMIT, log_sum_exp, smooth_tail
from bayes_alliance.run.plan import PlannedModel, SkippedModel, plan_model
from bayes_alliance.run.row_sets import tells_of_few
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.stress.joint_gibbs import JointData, JointDraws, JointPriors, sample_joint
from bayes_alliance.stress.prepare import Prepared
from bayes_alliance.stress.records import StressDraws, StressSkipped
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Study

_TAU_POINTS = 200
POOLED_SHARE = 0.25


@dataclass(frozen=True, kw_only=True)
class JointEffect:
    """One estimand over several outcomes.

    Parameters
    ----------
    outcomes : tuple of str
        In the order of everything below.
    joint : tuple of StressDraws
        Of each outcome, from the joint model.
    pooled : tuple of StressDraws
        The same under partial pooling; empty where the joint draws cannot be reweighted.
    p_largest, p_largest_separate, p_largest_pooled : tuple of float
        Probability that an outcome's effect is the largest in the direction of their mean: by the joint model, by
        separate models whose errors count as independent, and under partial pooling (NaN without).
    effect_correlation, slope_correlation, residual_correlation : float
        Means over pairs of outcomes of the posterior mean correlations: of the estimand's draws, of the patients'
        slopes, of residuals of a visit.
    pareto_k : float
        Of the reweighting.
    n_patients, n_rows : int
        Rows on which all outcomes are present.
    """

    estimand: str
    label: str
    outcomes: tuple[str, ...]
    joint: tuple[StressDraws, ...]
    pooled: tuple[StressDraws, ...]
    p_largest: tuple[float, ...]
    p_largest_separate: tuple[float, ...]
    p_largest_pooled: tuple[float, ...]
    effect_correlation: float
    slope_correlation: float
    residual_correlation: float
    pareto_k: float
    n_patients: int
    n_rows: int


def fit_joint(
    study: Study,
    data: StudyData,
    family: Sequence[Prepared],
    *,
    prior: str,
    seed: int,
    draws: int = 1000,
    warmup: int = 500,
) -> list[JointEffect] | StressSkipped:
    """Fit models that differ in their outcome only as one.

    Parameters
    ----------
    family : sequence of Prepared
        Two or more (:func:`bayes_alliance.stress.prepare.families`).
    prior : str
        Name of a prior set.
    seed : int
        The run's.
    draws, warmup : int
        Of each of four chains.

    Returns
    -------
    list of JointEffect or StressSkipped
        One an estimand; skipped with a single outcome or where rows with all of them cannot carry the model.
    """
    if len(family) < 2:
        return _skip(family, "a joint model needs two outcomes or more")
    planned = _plan(data, family)
    if isinstance(planned, SkippedModel):
        return _skip(family, planned.reason)
    if tells_of_few(study, data, planned):
        few = f"fewer than {data.min_cell} patients"
        return _skip(
            family, f"withheld: its rows, with all outcomes, differ from another fit's by those of {few}"
        )
    joint_data, priors = _joint_data(study, planned, prior)
    try:
        found = sample_joint(
            joint_data,
            priors,
            seed=derive_seed(seed, "stress", "joint", *(one.model.id for one in family)),
            draws=draws,
            warmup=warmup,
        )
    except np.linalg.LinAlgError as error:
        raise FitError(f"the joint model of {', '.join(o.model.outcome for o in family)}: {error}") from error
    return [_effect(study, family, planned, priors, found, i, seed) for i in range(len(family[0].estimands))]


def _skip(family: Sequence[Prepared], reason: str) -> StressSkipped:
    return StressSkipped(test="joint", variant="", model_id=family[0].model.id, reason=reason)


def _plan(data: StudyData, family: Sequence[Prepared]) -> list[PlannedModel] | SkippedModel:
    """Freeze every model on the rows that carry all of them."""
    needed = frozenset().union(*(parse_formula(one.model.formula).names for one in family))
    planned: list[PlannedModel] = []
    for one in family:
        found = plan_model(data, one.model, needed)
        if isinstance(found, SkippedModel):
            return found
        planned.append(found)
    return planned


def _joint_data(study: Study, planned: Sequence[PlannedModel], prior: str) -> tuple[JointData, JointPriors]:
    """Stack the outcomes; slopes count over the horizon, so that they are of the size of levels."""
    each = [coefficient_priors(study, one.design, prior) for one in planned]
    design = planned[0].design
    unit = np.array([1.0, study.horizon])
    scale = _column_units(design.x_names, study)
    data = JointData(
        y=np.column_stack([one.design.y for one in planned]),
        x=design.x / scale,
        z=design.z / unit,
        patient=design.patient_index,
    )
    return data, JointPriors(
        mean=np.column_stack([one.mean for one in each]) * scale[:, None],
        sd=np.column_stack([one.sd for one in each]) * scale[:, None],
        factors=tuple(one.factor for one in each if one.factor is not None),
        effect_scale=np.column_stack([one.sd_scale for one in each]) * unit[:, None],
        sigma_scale=np.array([one.sigma_scale for one in each]),
    )


def _column_units(names: Sequence[str], study: Study) -> Array:
    return np.array([study.horizon if study.time in name.split(":") else 1.0 for name in names])


# Over 40 lines: the same draws seen jointly, pooled and unlinked, in one record.
def _effect(
    study: Study,
    family: Sequence[Prepared],
    planned: Sequence[PlannedModel],
    priors: JointPriors,
    found: JointDraws,
    index: int,
    seed: int,
) -> JointEffect:
    estimand = family[0].estimands[index]
    names = planned[0].design.x_names
    weights = weight_vector(names, estimand.weights)
    # In points over the horizon: the columns are scaled to it, and the estimand is a slope per unit of time.
    per_point = weights * study.horizon / _column_units(names, study)
    effects = np.einsum("cspk,p->csk", found.beta, per_point)
    changed = "all outcomes in one model, random effects and residuals correlated"
    joint = tuple(
        one.record(
            one.estimands[index],
            effects[..., k] / study.horizon,
            test="joint",
            variant="joint",
            changed=changed,
            effective=None,
        )
        for k, one in enumerate(family)
    )
    pool_scale = _pool_scale(study, family)
    mean = per_point @ priors.mean
    sd = np.array([np.linalg.norm(per_point @ priors.root(j)) for j in range(len(family))])
    rng = np.random.default_rng(derive_seed(seed, "stress", "pooled", estimand.name, family[0].model.id))
    pooled, pareto_k = _pool(effects, mean, sd, pool_scale, rng)
    separate = np.stack([_base_points(one, index) for one in family], axis=-1)
    k = len(family)
    flat = effects.reshape(-1, k)
    return JointEffect(
        estimand=estimand.name,
        label=estimand.label,
        outcomes=tuple(one.model.outcome for one in family),
        joint=joint,
        pooled=() if pooled is None else _pooled_records(family, index, pooled, pareto_k, study.horizon),
        p_largest=tuple(largest(flat)),
        p_largest_separate=tuple(largest(_unlinked(separate, rng))),
        p_largest_pooled=(float("nan"),) * k if pooled is None else tuple(largest(pooled)),
        effect_correlation=_mean_correlation(np.corrcoef(flat.T)),
        slope_correlation=_mean_correlation(_correlations(found.effects[..., k:, k:])),
        residual_correlation=_mean_correlation(_correlations(found.residual)),
        pareto_k=pareto_k,
        n_patients=planned[0].rows.n_patients,
        n_rows=planned[0].rows.n_rows,
    )


def _base_points(one: Prepared, index: int) -> Array:
    return one.base()[index].points


def _unlinked(separate: Array, rng: np.random.Generator) -> Array:
    """Shuffle the draws of each outcome by itself: separate models know nothing of each other."""
    return np.column_stack([rng.permutation(separate[:, k]) for k in range(separate.shape[1])])


def largest(effects: Array) -> list[float]:
    """Probability of each effect to be the largest in the direction of their mean.

    Parameters
    ----------
    effects : ndarray, shape (s, k)
        Draws.

    Returns
    -------
    list of float
        Sums to 1.

    Examples
    --------
    >>> largest(np.array([[-3.0, -1.0], [-2.0, -1.0], [-1.0, -2.0], [-5.0, -1.0]]))
    [0.75, 0.25]
    """
    sign = 1.0 if effects.mean() >= 0.0 else -1.0
    winner = np.argmax(sign * effects, axis=1)
    return [float(np.mean(winner == k)) for k in range(effects.shape[1])]


def _pool_scale(study: Study, family: Sequence[Prepared]) -> float:
    """Smallest difference that matters, or a quarter of the neutral prior's SD where none is stated."""
    stated: Mapping[str, float] = dict(study.publication.smallest_difference)
    scales = [stated.get(one.model.outcome, POOLED_SHARE * one.scales.effect_slope[1]) for one in family]
    return float(np.mean(scales))


def log_pooled_prior(effects: Array, mean: Array, sd: Array, scale: float) -> Array:
    r"""Log density of effects under partial pooling, less that under the independent prior.

    :math:`\int N(\delta; \bar m 1, \bar s^2 11' + \tau^2 I)\,p(\tau)\,d\tau` by the mid-point rule over quantiles of
    the half-normal :math:`p(\tau)`, where :math:`\bar m` and :math:`\bar s` are the means over outcomes of the
    independent prior's mean and SD.

    Parameters
    ----------
    effects : ndarray, shape (s, k)
        In points over the horizon.
    mean, sd : ndarray, shape (k,)
        Of the independent prior.
    scale : float
        Of the half-normal prior on :math:`\tau`.

    Returns
    -------
    ndarray, shape (s,)
    """
    k = effects.shape[1]
    tau = scale * special.ndtri(0.5 + 0.5 * (np.arange(_TAU_POINTS) + 0.5) / _TAU_POINTS)
    centred = effects - mean.mean()
    within = np.sum((centred - centred.mean(axis=1, keepdims=True)) ** 2, axis=1)
    between = k * centred.mean(axis=1) ** 2
    common = tau**2 + k * sd.mean() ** 2
    logs = -0.5 * (
        np.outer(within, 1.0 / tau**2)
        + np.outer(between, 1.0 / common)
        + (k - 1) * np.log(tau**2)
        + np.log(common)
        + k * np.log(2.0 * np.pi)
    )
    pooled = log_sum_exp(logs) - np.log(_TAU_POINTS)
    alone = -0.5 * np.sum(((effects - mean) / sd) ** 2 + np.log(2.0 * np.pi * sd**2), axis=1)
    ratio: Array = pooled - alone
    return ratio


def _pool(
    effects: Array, mean: Array, sd: Array, scale: float, rng: np.random.Generator
) -> tuple[Array | None, float]:
    """Reweight joint draws to the pooled prior and draw from them; None where Pareto k is above 0.7."""
    flat = effects.reshape(-1, effects.shape[-1])
    ratios, pareto_k = smooth_tail(log_pooled_prior(flat, mean, sd, scale))
    if pareto_k > PARETO_K_LIMIT:
        return None, pareto_k
    weights = np.exp(ratios - log_sum_exp(ratios))
    positions = (np.arange(len(flat)) + rng.random()) / len(flat)
    chosen = np.minimum(np.searchsorted(np.cumsum(weights), positions), len(flat) - 1)
    return flat[rng.permutation(chosen)], pareto_k


def _pooled_records(
    family: Sequence[Prepared], index: int, pooled: Array, pareto_k: float, horizon: float
) -> tuple[StressDraws, ...]:
    return tuple(
        one.record(
            one.estimands[index],
            (pooled[:, k] / horizon).reshape(4, -1),
            test="joint",
            variant="pooled",
            changed="all outcomes in one model, effects of the outcomes partially pooled",
            effective=float(len(np.unique(pooled[:, k]))),
            facts={"pareto_k": pareto_k},
        )
        for k, one in enumerate(family)
    )


def _correlations(covariance: Array) -> Array:
    """Posterior mean of correlations, shape (d, d)."""
    sd = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    each = covariance / (sd[..., :, None] * sd[..., None, :])
    mean: Array = each.reshape(-1, *each.shape[-2:]).mean(axis=0)
    return mean


def _mean_correlation(matrix: Array) -> float:
    """Mean of the entries off the diagonal."""
    return float(np.mean(matrix[np.triu_indices(len(matrix), 1)]))
