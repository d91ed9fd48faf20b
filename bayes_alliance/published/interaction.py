"""Significant in one subgroup and not in the other: what the cells imply for the difference itself.

The difference between *significant* and *not significant* is not itself significant (Gelman & Stern 2006,
doi:10.1198/000313006X152649). Where a model prints one subgroup's effect with a star and another's as ``ns``,
and an estimand of it is their difference, this puts bounds on that difference: the printed effect is anywhere
in its rounding region, the other one anywhere that is not significant, its SE scaled by the patients in each
subgroup, within a stated factor. The two subgroups share no patients, so their estimates are independent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.priors import combination_prior
from bayes_alliance.published.cell_posterior import Banded, log_normal
from bayes_alliance.published.patient_counts import precision
from bayes_alliance.published.printed_effects import BORROWED_FACTOR, PrintedEffect, printed_effects
from bayes_alliance.published.reverse_bayes import Z95
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Estimand, Model, Study

_EDGE = 9


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """The difference between a starred and an ``ns`` effect.

    Parameters
    ----------
    estimand : Estimand
        The difference, as the study declares it.
    model : Model
        The model.
    starred, silent : PrintedEffect
        The two cells; the difference is the first minus the second.
    ratio : float
        SE of the second over that of the first, by the patients behind each.
    estimate, se, t : Banded
        Of the difference: in the middle, and range. Per unit of time.
    share_significant : float
        Share of all that could stand behind the two cells in which the difference is significant at 0.05.
    priors : tuple of (str, Banded)
        Probability, by prior, that the difference has the sign of the starred effect: mean, and range.
    unit : float
        What to multiply by to get points over the horizon.
    """

    estimand: Estimand
    model: Model
    starred: PrintedEffect
    silent: PrintedEffect
    ratio: float
    estimate: Banded
    se: Banded
    t: Banded
    share_significant: float
    priors: tuple[tuple[str, Banded], ...]
    unit: float


def subgroup_contrasts(study: Study) -> list[Contrast]:
    """Find every pair of a starred and an ``ns`` effect whose difference is an estimand of their model.

    Parameters
    ----------
    study : Study
        With cells.

    Returns
    -------
    list of Contrast
        Empty where there is no such pair, or the patients behind the two are not known.
    """
    effects = printed_effects(study)
    found = []
    for model in study.models:
        own = [effect for effect in effects if effect.model.id == model.id]
        starred = [e for e in own if e.parsed.stars and e.region is not None]
        silent = [e for e in own if e.parsed.kind == "not_significant"]
        for first in starred:
            for second in silent:
                for estimand, sign in _differences(model, first, second):
                    contrast = _contrast(study, estimand, sign, first, second)
                    if contrast is not None:
                        found.append(contrast)
    return found


def _differences(
    model: Model, first: PrintedEffect, second: PrintedEffect
) -> Iterator[tuple[Estimand, float]]:
    """Estimands that are the difference of two effects, or its negative."""
    gap: dict[str, float] = dict(first.weights)
    for name, weight in second.weights:
        gap[name] = gap.get(name, 0.0) - weight
    wanted = {name: weight for name, weight in gap.items() if weight}
    for estimand in model.estimands:
        weights = {name: weight for name, weight in estimand.weights if weight}
        if weights == wanted:
            yield estimand, 1.0
        elif weights == {name: -weight for name, weight in wanted.items()}:
            yield estimand, -1.0


def _contrast(
    study: Study, estimand: Estimand, sign: float, first: PrintedEffect, second: PrintedEffect
) -> Contrast | None:
    behind = [precision(study, dict(effect.weights)) for effect in (first, second)]
    if first.region is None or behind[0] is None or behind[1] is None or not math.isfinite(second.t.high):
        return None
    ratio = math.sqrt(behind[1].variance / behind[0].variance)
    inside = _spread(first.region.estimate, first.region.se, first.region.weight, ratio, second.t.high)
    rim = _spread(
        first.region.rim_estimate,
        first.region.rim_se,
        np.ones(len(first.region.rim_se)),
        ratio,
        second.t.high,
    )
    estimates, ses = (np.concatenate([inside[i], rim[i]]) for i in (0, 1))
    t = estimates / ses
    weight = inside[2]
    middle = float(weight @ inside[0]), float(weight @ inside[1])
    sizes = np.abs(inside[0] / inside[1])
    formula, wanted = parse_formula(first.model.formula), dict(estimand.weights)
    priors = []
    for prior in study.priors:
        mean, sd = combination_prior(study, formula, prior.name, wanted)
        priors.append((prior.name, _same_direction(first, inside, (estimates, ses), sign * mean, sd)))
    return Contrast(
        estimand=estimand,
        model=first.model,
        starred=first,
        silent=second,
        ratio=ratio,
        estimate=Banded(value=middle[0], low=float(estimates.min()), high=float(estimates.max())),
        se=Banded(value=middle[1], low=float(ses.min()), high=float(ses.max())),
        t=Banded(value=float(weight @ (inside[0] / inside[1])), low=float(t.min()), high=float(t.max())),
        share_significant=float(weight @ (sizes > Z95)),
        priors=tuple(priors),
        unit=study.horizon if first.role.startswith("slope") else 1.0,
    )


def _same_direction(
    effect: PrintedEffect,
    inside: tuple[Array, Array, Array],
    every: tuple[Array, Array],
    mean: float,
    sd: float,
) -> Banded:
    """Probability that the difference has the sign of the starred effect, under a Normal prior, with its range."""
    estimate, se, weight = inside
    # Each pair of cells weighs as much as the prior expects it.
    expected = weight * np.exp(log_normal(estimate - mean, se**2 + sd**2))
    same, everywhere = _same_sign(effect, estimate, se, mean, sd), _same_sign(effect, *every, mean, sd)
    return Banded(
        value=float(expected @ same / expected.sum()),
        low=float(everywhere.min()),
        high=float(everywhere.max()),
    )


def _spread(
    estimate: Array, se: Array, weight: Array, ratio: float, limit: float
) -> tuple[Array, Array, Array]:
    """Differences, their SEs and weights over all that the silent effect may have been.

    Its statistic is uniform between the limits of ``ns``, the factor on its SE uniform on the log scale.
    """
    nodes, mass = np.polynomial.legendre.leggauss(_EDGE)
    nodes, mass = np.append(nodes, (-1.0, 1.0)), np.append(mass, (0.0, 0.0))
    t = (limit * nodes)[None, :, None]
    factor = np.exp(math.log(BORROWED_FACTOR) * nodes)[None, None, :]
    other = se[:, None, None] * ratio * factor
    shape = (len(se), len(nodes), len(nodes))
    difference = np.broadcast_to(estimate[:, None, None] - t * other, shape)
    error = np.broadcast_to(np.sqrt(se[:, None, None] ** 2 + other**2), shape)
    weights = weight[:, None, None] * (mass / 2.0)[None, :, None] * (mass / 2.0)[None, None, :]
    return difference.ravel(), error.ravel(), np.broadcast_to(weights, shape).ravel()


def _same_sign(effect: PrintedEffect, estimate: Array, se: Array, mean: float, sd: float) -> Array:
    """Posterior probability that the difference has the sign of the starred effect."""
    assert effect.region is not None
    sign = 1.0 if float(effect.region.weight @ effect.region.estimate) > 0 else -1.0
    precision_sum = 1.0 / se**2 + 1.0 / sd**2
    centre = (estimate / se**2 + mean / sd**2) / np.sqrt(precision_sum)
    result: Array = special.ndtr(sign * centre)
    return result
