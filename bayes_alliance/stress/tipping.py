r"""Delta-adjusted (tipping-point) analysis: how informative dropout would have to be to change a conclusion.

The mixed model takes missing assessments as missing at random. Here every patient without an assessment at the
horizon gets the assessments that are missing, one each step after the last one seen, imputed from the posterior
predictive distribution and then moved: the patient's slope after the last assessment departs from what the model
predicts by :math:`\delta_g` points over the horizon, :math:`g` being the subgroup (Carpenter & Kenward 2013, ch. 10,
doi:10.1002/9781119942283; Cro et al. 2020, doi:10.1002/sim.8569). :math:`\delta = 0` is missing at random.

**Closed form.** Given the covariance :math:`\theta = (G, \sigma)`, the posterior mean of the fixed effects from
completed data :math:`y_c` is linear in them, :math:`m(y_c) = H^{-1}(X_c'V_c^{-1}y_c + P\mu)` with
:math:`H = X_c'V_c^{-1}X_c + P`, and its covariance :math:`H^{-1}` does not depend on them. Moving the imputed values
by :math:`\sum_g\delta_g s_g`, where :math:`s_g` is :math:`(t - t_{last})/horizon` on the imputed rows of subgroup g,
therefore moves every draw by

.. math:: \beta(\delta) = \beta + \sum_g \delta_g c_g(\theta), \qquad c_g(\theta) = H^{-1} X_c' V_c^{-1} s_g,

and at :math:`\delta = 0`, averaged over the imputations, the completed data give back the posterior of the observed
ones. So the draws of the unchanged posterior are moved by a vector of their own, and a whole map of deltas costs two
weighted least squares a draw. The covariance keeps its posterior under missing at random; a test imputes
and refits everything and holds the two together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.inference.conditional import beta_prior, condition
from bayes_alliance.inference.design import Design, build_design
from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.likelihood import relative_factor, weigh
from bayes_alliance.inference.statistics import summarise
from bayes_alliance.stress.prepare import Prepared
from bayes_alliance.stress.records import StressDraws, VerdictRule, interval_verdict
from bayes_alliance.study.formula import parse_formula

GRID = tuple(float(d) for d in np.arange(-2.0, 2.01, 0.25))


@dataclass(frozen=True, kw_only=True)
class Completed:
    """The rows with those that are missing after each patient's last one.

    Parameters
    ----------
    design : Design
        Observed and imputed rows; the outcome of the latter is zero until they are imputed.
    imputed : ndarray of bool, shape (n_rows,)
        Which rows are missing.
    ramp : ndarray, shape (n_groups, n_rows)
        Time since the last assessment over the horizon, on imputed rows of the subgroup; patients of an unknown
        subgroup have an equal share of each.
    """

    design: Design
    imputed: NDArray[np.bool_]
    ramp: Array


def complete_rows(prepared: Prepared) -> Completed:
    """Add a row each step after every patient's last one, up to the horizon and at the horizon itself.

    Predictors of a visit keep the value of the last one.
    """
    index, last = prepared.design.patient_index, prepared.last
    added_to, added_at = _missing_times(last, prepared.complete, prepared.step, prepared.horizon)
    ends = np.append(np.flatnonzero(np.diff(index)), len(index) - 1)
    extra = prepared.frame.iloc[ends[added_to]].copy()
    extra[prepared.time] = added_at
    extra[prepared.model.outcome] = 0.0
    frame = pd.concat([prepared.frame, extra], ignore_index=True)
    patient = np.concatenate([index, added_to])
    imputed = np.concatenate([np.zeros(len(index), dtype=bool), np.ones(len(added_to), dtype=bool)])
    since = np.concatenate([np.zeros(len(index)), (added_at - last[added_to]) / prepared.horizon])
    order = np.lexsort((frame[prepared.time].to_numpy(float), patient))
    design = build_design(parse_formula(prepared.model.formula), frame.iloc[order].reset_index(drop=True))
    return Completed(
        design=design,
        imputed=imputed[order],
        ramp=_membership(prepared)[:, patient[order]] * since[order],
    )


def _missing_times(
    last: Array, complete: NDArray[np.bool_], step: float, horizon: float
) -> tuple[NDArray[np.int64], Array]:
    """Return the patient and the time of every row to add."""
    patients: list[int] = []
    times: list[float] = []
    for i, (end, done) in enumerate(zip(last, complete, strict=True)):
        if done:
            continue
        own = [*np.arange(end + step, horizon - step / 4.0, step).tolist(), horizon]
        patients += [i] * len(own)
        times += own
    return np.array(patients, dtype=np.int64), np.array(times, dtype=float)


def _membership(prepared: Prepared) -> Array:
    """Share of each subgroup in each patient, shape (n_groups, n_patients)."""
    codes = np.arange(len(prepared.groups))[:, None]
    unknown = np.full((len(prepared.groups), 1), 1.0 / len(prepared.groups))
    shares: Array = np.where(prepared.group >= 0, prepared.group == codes, unknown)
    return shares


@dataclass(frozen=True, kw_only=True)
class DeltaAnalysis:
    """One estimand as a function of the deltas of the subgroups.

    Parameters
    ----------
    base : StressDraws
        The estimand when nothing is informative.
    groups : tuple of str
        Subgroups that have a delta each.
    shift : ndarray, shape (n_groups, chain, draw)
        What one point of delta (over the horizon) adds to a draw, in the unit of the draws.
    incomplete : tuple of int
        Patients without an assessment at the horizon, by subgroup.
    imputed : int
        Rows added.
    """

    base: StressDraws
    groups: tuple[str, ...]
    shift: Array
    incomplete: tuple[int, ...]
    imputed: int

    def at(self, deltas: Sequence[float]) -> StressDraws:
        """Return the estimand's draws under these deltas, one a subgroup, in points over the horizon."""
        moved = self.base.draws + np.tensordot(np.asarray(deltas, dtype=float), self.shift, 1)
        said = ", ".join(f"{group} {delta:+g}" for group, delta in zip(self.groups, deltas, strict=True))
        return dataclasses.replace(
            self.base,
            test="delta",
            variant=said,
            changed=f"change after the last assessment departs from prediction, in points: {said}",
            draws=moved,
        )


def analyse_deltas(prepared: Prepared) -> list[DeltaAnalysis]:
    """Return every estimand of a model as a function of the deltas.

    Returns
    -------
    list of DeltaAnalysis
        In the order of the estimands; where every patient is complete, shifts are zero.
    """
    completed = complete_rows(prepared)
    shifts = np.stack([_coefficient_shift(prepared, completed, ramp) for ramp in completed.ramp])
    incomplete = tuple(
        int(np.sum(~prepared.complete & (prepared.group == code))) for code in range(len(prepared.groups))
    )
    names = prepared.design.x_names
    found = []
    for estimand, base in zip(prepared.estimands, prepared.base(), strict=True):
        weights = np.array([dict(estimand.weights).get(name, 0.0) for name in names])
        found.append(
            DeltaAnalysis(
                base=base,
                groups=prepared.groups,
                shift=(shifts @ weights).reshape(len(prepared.groups), *base.draws.shape),
                incomplete=incomplete,
                imputed=int(completed.imputed.sum()),
            )
        )
    return found


def _coefficient_shift(prepared: Prepared, completed: Completed, ramp: Array) -> Array:
    """Return :math:`c_g` for every draw, shape (s, p): the fixed effects of the ramp as if it were an outcome."""
    if not np.any(ramp):
        return np.zeros((prepared.posterior.n_draws, len(prepared.design.x_names)))
    design = completed.design
    stats = summarise(ramp, design.x, design.z, design.patient_index)
    _, sd, correlation, sigma = prepared.posterior.flat()
    centred = dataclasses.replace(prepared.priors, mean=np.zeros(len(prepared.priors.mean)))
    prior = beta_prior(stats, centred)
    given = condition(prior, stats.n_rows, *weigh(stats, relative_factor(sd, correlation, sigma)), sigma)
    shift: Array = stats.beta_ols + given.centre @ np.linalg.inv(stats.basis).T
    return shift


@dataclass(frozen=True, kw_only=True)
class VerdictMap:
    """The verdict on one estimand over a grid of deltas.

    Parameters
    ----------
    deltas : tuple of float
        The grid, the same for each subgroup, in points over the horizon.
    verdicts : tuple of tuple of str
        ``verdicts[i][j]`` for the first subgroup's ``deltas[i]`` and the second's ``deltas[j]``; with a single
        subgroup every row has one entry.
    """

    analysis: DeltaAnalysis
    deltas: tuple[float, ...]
    verdicts: tuple[tuple[str, ...], ...]


def map_verdicts(
    analysis: DeltaAnalysis, verdict: VerdictRule = interval_verdict, deltas: Sequence[float] = GRID
) -> VerdictMap:
    """Apply a verdict rule over a grid of deltas of (at most) two subgroups.

    Raises
    ------
    ValueError
        With more than two subgroups.
    """
    if len(analysis.groups) > 2:
        raise ValueError(f"a map has at most two subgroups, not {len(analysis.groups)}")
    second = deltas if len(analysis.groups) == 2 else (None,)
    rows = tuple(
        tuple(verdict(analysis.at([d for d in (one, other) if d is not None]).points) for other in second)
        for one in deltas
    )
    return VerdictMap(analysis=analysis, deltas=tuple(deltas), verdicts=rows)


@dataclass(frozen=True, kw_only=True)
class TippingPoint:
    """The smallest delta in one direction at which the verdict changes.

    Parameters
    ----------
    direction : tuple of float
        What each subgroup's delta is multiplied by.
    delta : float
        In points over the horizon; infinite where nothing changes up to ``limit``.
    limit : float
        How far was looked.
    before, after : str
        The verdicts; ``after`` is empty where nothing changes.
    """

    analysis: DeltaAnalysis
    direction: tuple[float, ...]
    delta: float
    limit: float
    before: str
    after: str


def tipping_points(
    analysis: DeltaAnalysis,
    verdict: VerdictRule = interval_verdict,
    *,
    limit: float = 6.0,
    resolution: float = 0.05,
) -> list[TippingPoint]:
    """Find where the verdict changes: in one subgroup alone, in both alike, and in both against the estimate.

    Against the estimate means that each subgroup's delta has the sign that draws the estimand to zero.

    Parameters
    ----------
    limit, resolution : float
        How far to look, in points over the horizon, and in which steps.

    Returns
    -------
    list of TippingPoint
        Both signs of every direction but the last.
    """
    n = len(analysis.groups)
    sign = np.sign(np.mean(analysis.base.points)) or 1.0
    pull = -sign * np.sign(np.mean(analysis.shift, axis=(1, 2)))
    directions = [s * row for row in np.eye(n) for s in (1.0, -1.0)]
    if n > 1:
        directions += [s * np.ones(n) for s in (1.0, -1.0)] + [pull]
    return [_tip(analysis, tuple(float(v) for v in d), verdict, limit, resolution) for d in directions]


def _tip(
    analysis: DeltaAnalysis,
    direction: tuple[float, ...],
    verdict: VerdictRule,
    limit: float,
    resolution: float,
) -> TippingPoint:
    before = verdict(analysis.at([0.0] * len(direction)).points)
    for size in np.arange(1, round(limit / resolution) + 1) * resolution:
        after = verdict(analysis.at([size * part for part in direction]).points)
        if after != before:
            return TippingPoint(
                analysis=analysis,
                direction=direction,
                delta=float(size),
                limit=limit,
                before=before,
                after=after,
            )
    return TippingPoint(
        analysis=analysis, direction=direction, delta=float("inf"), limit=limit, before=before, after=""
    )
