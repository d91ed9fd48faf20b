r"""The posterior of an effect from its printed cell alone.

Given the pair :math:`(b, s)` that stood before rounding, the likelihood of the effect is Normal and every
prior here is a mixture of Normals, so the posterior is one too, in closed form. The pair is not known, only
that it lies in its region: with standard errors equally likely a priori, the posterior is the mixture over all
pairs, each weighing as much as the prior expects it, :math:`N(b; m, s^2 + \tau^2)`
(:func:`pair_weights`). The same weights make the Bayes factor, the probability of the whole region under either
hypothesis, :math:`\iint N(b; m, s^2+\tau^2) / \iint N(b; 0, s^2)`, and what uses no prior, such as reverse-Bayes,
weighs all pairs alike, as a flat prior does. The range over the region, and over what else is not printed
(:mod:`bayes_alliance.published.unprinted`), stands beside every number as its band and depends on no weights. All
integrals are Gauss-Legendre quadrature; nothing is drawn at random. The robust prior mixes the study's priors in equal
parts (in the manner of Schmidli et al. 2014, doi:10.1111/biom.12242), and the data weigh the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from bayes_alliance.inference.fits import Array
from bayes_alliance.published.printed_effects import PrintedEffect, printed_effects
from bayes_alliance.published.rounding_region import Region
from bayes_alliance.published.unprinted import NOTHING, Unprinted, unprinted
from bayes_alliance.study.records import Study

ROBUST = "robust"
_BISECTIONS = 60
_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class NormalMixture:
    """A prior: parts with weights, means and SDs, each of shape (k,)."""

    weight: Array
    mean: Array
    sd: Array

    @property
    def moments(self) -> tuple[float, float]:
        """Mean and SD."""
        mean = float(self.weight @ self.mean)
        return mean, float(np.sqrt(self.weight @ (self.sd**2 + (self.mean - mean) ** 2)))


@dataclass(frozen=True, kw_only=True)
class Banded:
    """A number with its range over all that the cell may stand for."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> Banded:
        """Return it in another unit."""
        ends = sorted((self.low * factor, self.high * factor))
        return Banded(value=self.value * factor, low=ends[0], high=ends[1])


@dataclass(frozen=True, kw_only=True)
class CellPosterior:
    """The posterior of one printed effect under one prior, in the cell's own unit.

    Parameters
    ----------
    effect : PrintedEffect
        The cell.
    prior : str
        Name of the prior set, or ``robust``.
    mean, sd, median, lower, upper : Banded
        Posterior mean, SD, median and ends of the equal-tailed 95 % interval.
    direction : int
        Sign that is asked about: that of the printed estimate, else the likelier one.
    p_direction : Banded
        Probability of that sign.
    p_beyond : Banded
        Probability of that sign and more than the smallest difference that matters; NaN where there is none.
    p_rope : Banded
        Probability of less than that, either way; NaN where none is declared.
    log_bayes_factor : Banded
        Natural logarithm of the Bayes factor of the prior against exactly zero.
    """

    effect: PrintedEffect
    prior: str
    mean: Banded
    sd: Banded
    median: Banded
    lower: Banded
    upper: Banded
    direction: int
    p_direction: Banded
    p_beyond: Banded
    p_rope: Banded
    log_bayes_factor: Banded


@dataclass(frozen=True, kw_only=True)
class PosteriorParts:
    """Posterior mixtures at many pairs: weight, mean and sd of shape (pairs, parts), evidence and null of (pairs,)."""

    weight: Array
    mean: Array
    sd: Array
    evidence: Array
    null: Array

    def below(self, value: Array | float) -> Array:
        """P(effect < value) at each pair."""
        at = np.asarray(value, dtype=float).reshape(-1, 1)
        result: Array = (self.weight * special.ndtr((at - self.mean) / self.sd)).sum(axis=1)
        return result


def cell_posteriors(
    study: Study, priors: Sequence[str] = (), *, rounding_only: bool = False
) -> list[CellPosterior]:
    """Compute the posterior of every printed effect under every prior of a study and the robust mixture.

    Parameters
    ----------
    priors : sequence of str
        Names to keep, ``robust`` among them; empty for all.
    rounding_only : bool
        Whether the bands allow for nothing but rounding, stars, text and AIC.

    Returns
    -------
    list of CellPosterior
        Cells in the order of the tables, priors in that of the study file; cells whose digits and marking
        leave no pair, or do not bound it, are left out (:func:`printed_effects` lists them).

    Examples
    --------
    Of Tasks, the slope deviation with poor outcome, printed as -0.03 (0.01)***:

    >>> import bayes_alliance as ba
    >>> found = ba.cell_posteriors(ba.load_study("folmo2020"), ["neutral"])
    >>> asked = ("tasks_outcome", "months:poor_outcome")
    >>> (one,) = (f for f in found if (f.effect.cell.model, f.effect.cell.coefficient) == asked)
    >>> f"{one.median.value:.3f} ({one.median.low:.3f} to {one.median.high:.3f})"
    '-0.030 (-0.035 to -0.024)'
    """
    found = []
    effects = printed_effects(study)
    for effect in effects:
        for name, mixture in prior_mixtures(study, effect).items():
            if effect.region is not None and (not priors or name in priors):
                own = study.priors[0].name if name == ROBUST else name
                behind = NOTHING if rounding_only else unprinted(study, effect, effects, own)
                smallest = smallest_difference(study, effect)
                found.append(posterior_of(effect, name, mixture, smallest=smallest, behind=behind))
    return found


def prior_mixtures(study: Study, effect: PrintedEffect) -> dict[str, NormalMixture]:
    """Return the priors of one effect by name, in the cell's unit; the robust mixture comes last."""
    single = {prior.name: effect.prior(study, prior.name) for prior in study.priors}
    found = {
        name: NormalMixture(weight=np.ones(1), mean=np.array([mean]), sd=np.array([sd]))
        for name, (mean, sd) in single.items()
    }
    if len(single) > 1 and ROBUST not in single:
        means, sds = (np.array([pair[i] for pair in single.values()]) for i in (0, 1))
        found[ROBUST] = NormalMixture(weight=np.full(len(single), 1.0 / len(single)), mean=means, sd=sds)
    return found


def smallest_difference(study: Study, effect: PrintedEffect) -> float:
    """Smallest difference that matters in the cell's own unit; NaN where the study declares none."""
    declared = dict(study.publication.smallest_difference)
    return declared.get(effect.model.outcome, float("nan")) / abs(effect.unit)


# Over 40 lines: each number of the record is a formula over regions that all of them share.
def posterior_of(
    effect: PrintedEffect,
    name: str,
    prior: NormalMixture,
    *,
    smallest: float = float("nan"),
    behind: Unprinted = NOTHING,
) -> CellPosterior:
    """Compute the posterior of one effect with a region.

    Parameters
    ----------
    smallest : float
        Smallest difference that matters, in the cell's unit.
    behind : Unprinted
        What else the bands allow for.

    Returns
    -------
    CellPosterior

    Raises
    ------
    ValueError
        If the effect has no region.
    """
    region = effect.region
    if region is None:
        raise ValueError(f"{effect.name}: no pair of estimate and SE is known")
    inside = update(prior, region.estimate, region.se)
    rim = update(prior, *behind.widen(region.rim_estimate, region.rim_se))
    every = _join(inside, rim)
    # Quantiles rise with the estimate, so their extremes lie on the rim.
    mixed = _mix(inside, region)
    sign = _direction(effect, mixed)

    def banded(of: Callable[[PosteriorParts], Array], over: PosteriorParts = every) -> Banded:
        values = of(over)
        return Banded(value=float(of(mixed)[0]), low=float(values.min()), high=float(values.max()))

    def beyond(parts: PosteriorParts, limit: float) -> Array:
        return 1.0 - parts.below(limit) if sign > 0 else parts.below(-limit)

    factors = every.evidence - every.null
    return CellPosterior(
        effect=effect,
        prior=name,
        mean=banded(_mean),
        sd=banded(_sd),
        median=banded(lambda parts: _quantile(parts, 0.5), rim),
        lower=banded(lambda parts: _quantile(parts, 0.025), rim),
        upper=banded(lambda parts: _quantile(parts, 0.975), rim),
        direction=sign,
        p_direction=banded(lambda parts: beyond(parts, 0.0)),
        p_beyond=banded(lambda parts: beyond(parts, smallest)),
        p_rope=banded(lambda parts: parts.below(smallest) - parts.below(-smallest)),
        log_bayes_factor=Banded(
            value=_log_bayes_factor(inside, region), low=float(factors.min()), high=float(factors.max())
        ),
    )


def update(prior: NormalMixture, estimate: Array, se: Array) -> PosteriorParts:
    """Update a mixture of Normals by Normal likelihoods, pair by pair."""
    b, s2 = estimate[:, None], se[:, None] ** 2
    t2 = prior.sd**2
    log_part = np.log(prior.weight) + log_normal(b - prior.mean, s2 + t2)
    evidence = special.logsumexp(log_part, axis=1)
    precision = 1.0 / s2 + 1.0 / t2
    return PosteriorParts(
        weight=np.exp(log_part - evidence[:, None]),
        mean=(b / s2 + prior.mean / t2) / precision,
        sd=np.sqrt(1.0 / precision),
        evidence=evidence,
        null=log_normal(estimate, se**2),
    )


def log_normal(residual: Array, variance: Array) -> Array:
    """Return the log density of a Normal about zero."""
    result: Array = -0.5 * (np.log(2.0 * np.pi * variance) + residual**2 / variance)
    return result


def _join(first: PosteriorParts, second: PosteriorParts) -> PosteriorParts:
    return PosteriorParts(
        weight=np.concatenate([first.weight, second.weight]),
        mean=np.concatenate([first.mean, second.mean]),
        sd=np.concatenate([first.sd, second.sd]),
        evidence=np.concatenate([first.evidence, second.evidence]),
        null=np.concatenate([first.null, second.null]),
    )


def pair_weights(region: Region, parts: PosteriorParts) -> Array:
    """Return the weight of every pair of a region: as much as the prior expects it; they sum to one."""
    found: Array = region.weight * np.exp(parts.evidence - parts.evidence.max())
    return found / found.sum()


def _mix(parts: PosteriorParts, region: Region) -> PosteriorParts:
    """Lay the mixtures of all nodes together as one mixture."""
    return PosteriorParts(
        weight=(pair_weights(region, parts)[:, None] * parts.weight).reshape(1, -1),
        mean=parts.mean.reshape(1, -1),
        sd=np.broadcast_to(parts.sd, parts.weight.shape).reshape(1, -1),
        evidence=parts.evidence[:1],
        null=parts.null[:1],
    )


def _mean(parts: PosteriorParts) -> Array:
    result: Array = (parts.weight * parts.mean).sum(axis=1)
    return result


def _sd(parts: PosteriorParts) -> Array:
    centred = parts.mean - _mean(parts)[:, None]
    result: Array = np.sqrt((parts.weight * (parts.sd**2 + centred**2)).sum(axis=1))
    return result


def _quantile(parts: PosteriorParts, share: float) -> Array:
    """Quantile of each mixture, by bisection between those of its outermost parts."""
    z = float(special.ndtri(share))
    ends = parts.mean + z * parts.sd
    low, high = ends.min(axis=1), ends.max(axis=1)
    if parts.mean.shape[1] == 1:
        return low
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        under = parts.below(middle) < share
        low, high = np.where(under, middle, low), np.where(under, high, middle)
        if np.all(high - low <= _TOLERANCE * parts.sd.min()):
            break
    result: Array = 0.5 * (low + high)
    return result


def _direction(effect: PrintedEffect, mixed: PosteriorParts) -> int:
    value = effect.parsed.value
    if value is not None and value.value != 0:
        return 1 if value.value > 0 else -1
    return -1 if float(mixed.below(0.0)[0]) >= 0.5 - 1e-9 else 1


def _log_bayes_factor(parts: PosteriorParts, region: Region) -> float:
    log_weight = np.log(region.weight)
    against = special.logsumexp(log_weight + parts.null)
    return float(special.logsumexp(log_weight + parts.evidence) - against)
