r"""Across studies: a prior from what other publications print of an effect, and pairs of original and replication.

**Prior.** Printed pairs :math:`(b_k, s_k)` of K related studies enter a random-effects meta-analysis,
:math:`b_k \sim N(\mu, s_k^2 + \tau^2)`, with each pair anywhere in its own region, so that
:math:`L_k(\mu, \tau) = \int N(b; \mu, s^2 + \tau^2)\,dR_k(b, s)`; :math:`\mu` has the default prior of this study's
effect, :math:`\tau` a half-normal prior. The predictive distribution of one more study's effect is the prior for this
one (meta-analytic-predictive, Neuenschwander et al. 2010, doi:10.1177/1740774509356002): one Normal for each
:math:`\tau`, of mean and variance :math:`E(\mu \mid \tau)` and :math:`Var(\mu \mid \tau) + \tau^2`. The robust version
puts a share of 0.2 on the default prior, so that the related studies are discounted where they conflict with what is
printed here (Schmidli et al. 2014, doi:10.1111/biom.12242).

**Pairs.** With estimates :math:`b_o, b_r`, :math:`z = b/s` and :math:`c = s_o^2/s_r^2`:

* the replication Bayes factor (Verhagen & Wagenmakers 2014, doi:10.1037/a0036731) is
  :math:`N(b_r; b_o, s_o^2 + s_r^2) / N(b_r; 0, s_r^2)`, for the effect of the original against none;
* the sceptical p value (Held 2020, doi:10.1111/rssa.12493), one-sided, is :math:`1 - \Phi(z_S)` with
  :math:`(z_o^2/z_S^2 - 1)(z_r^2/z_S^2 - 1) = c`, and :math:`\Phi(z_S)` where the signs differ;
* the estimates are compatible by :math:`z = (b_r - b_o)/\sqrt{s_o^2 + s_r^2}`.

All are averaged over both regions, every pair alike, and have their range over the rims.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import special

from bayes_alliance.inference.fits import Array
from bayes_alliance.published.cell_posterior import (
    Banded,
    CellPosterior,
    NormalMixture,
    log_normal,
    posterior_of,
    prior_mixtures,
    smallest_difference,
)
from bayes_alliance.published.constraints import constrain, region_of
from bayes_alliance.published.printed_effects import PrintedEffect, printed_effects
from bayes_alliance.published.rounding_region import Region, build_region
from bayes_alliance.published.unprinted import Unprinted, unprinted
from bayes_alliance.study.publication import RelatedStudy
from bayes_alliance.study.records import Study


class _OfPair(Protocol):
    def __call__(self, original: Array, original_se: Array, again: Array, again_se: Array, /) -> Array: ...


MAP, MAP_ROBUST = "related studies", "related studies, robust"
ROBUST_SHARE = 0.2
_N_TAU, _N_MU, _REACH = 24, 161, 7.0


@dataclass(frozen=True, kw_only=True)
class RelatedEffect:
    """What a related study prints, in the unit of this study's cell; its region is None where no pair is left."""

    stated: RelatedStudy
    region: Region | None


@dataclass(frozen=True, kw_only=True)
class MetaAnalysis:
    """A random-effects meta-analysis of printed cells.

    Parameters
    ----------
    weight, tau, mean, sd : ndarray, shape (n,)
        Posterior probability of each SD between studies, and mean and SD of the average effect given it.
    """

    weight: Array
    tau: Array
    mean: Array
    sd: Array

    @property
    def predictive(self) -> NormalMixture:
        """The effect of one more study."""
        return NormalMixture(weight=self.weight, mean=self.mean, sd=np.hypot(self.sd, self.tau))

    @property
    def average(self) -> tuple[float, float]:
        """Posterior mean and SD of the average effect."""
        return NormalMixture(weight=self.weight, mean=self.mean, sd=self.sd).moments

    @property
    def between(self) -> float:
        """Posterior median of the SD between studies."""
        return float(np.interp(0.5, np.cumsum(self.weight) - 0.5 * self.weight, self.tau))


@dataclass(frozen=True, kw_only=True)
class Replication:
    """One pair of studies.

    Parameters
    ----------
    effect : PrintedEffect
        Of this study.
    related : RelatedStudy
        The other one.
    log_bayes_factor : Banded
        Natural logarithm of the replication Bayes factor, for the original's effect against none.
    sceptical_p : Banded
        One-sided, in the direction of the original.
    compatibility_z : Banded
        Difference of the estimates in standard errors of the difference, replication minus original.
    """

    effect: PrintedEffect
    related: RelatedStudy
    log_bayes_factor: Banded
    sceptical_p: Banded
    compatibility_z: Banded


@dataclass(frozen=True, kw_only=True)
class AcrossStudies:
    """One printed effect in the light of other studies.

    Parameters
    ----------
    effect : PrintedEffect
        Of this study.
    related : tuple of RelatedEffect
        What other studies print of it.
    meta : MetaAnalysis
        Of these, without this study.
    priors : tuple of NormalMixture
        The study's default prior, the prior from related studies, and that prior made robust.
    posteriors : tuple of CellPosterior
        Under each of them.
    replications : tuple of Replication
        Pairs in which one study replicates the other.
    """

    effect: PrintedEffect
    related: tuple[RelatedEffect, ...]
    meta: MetaAnalysis
    priors: tuple[NormalMixture, ...]
    posteriors: tuple[CellPosterior, ...]
    replications: tuple[Replication, ...]


def across_studies(study: Study) -> list[AcrossStudies]:
    """Put every printed effect that related studies speak of beside what they print.

    Parameters
    ----------
    study : Study
        With ``[[published.related]]`` and priors; empty without.

    Returns
    -------
    list of AcrossStudies
        In the order of the cells.
    """
    if not study.publication.related or not study.priors:
        return []
    found = []
    effects = printed_effects(study)
    for effect in effects:
        key = (effect.cell.model, effect.cell.coefficient)
        related = tuple(
            RelatedEffect(stated=one, region=related_region(study, one, effect.df_low))
            for one in study.publication.related
            if (one.model, one.coefficient) == key
        )
        if effect.region is not None and any(one.region is not None for one in related):
            found.append(
                _across(study, effect, related, unprinted(study, effect, effects, study.priors[0].name))
            )
    return found


def _across(
    study: Study, effect: PrintedEffect, related: tuple[RelatedEffect, ...], behind: Unprinted
) -> AcrossStudies:
    first = study.priors[0].name
    default = prior_mixtures(study, effect)[first]
    regions = [one.region for one in related if one.region is not None]
    scale = heterogeneity_scale(study, effect)
    meta = meta_analyse(regions, prior=(float(default.mean[0]), float(default.sd[0])), scale=scale)
    robust = mix(meta.predictive, default, ROBUST_SHARE)
    smallest = smallest_difference(study, effect)
    priors = {first: default, MAP: meta.predictive, MAP_ROBUST: robust}
    return AcrossStudies(
        effect=effect,
        related=related,
        meta=meta,
        priors=tuple(priors.values()),
        posteriors=tuple(
            posterior_of(effect, n, prior, smallest=smallest, behind=behind) for n, prior in priors.items()
        ),
        replications=tuple(
            replicate(effect, one.region, one.stated)
            for one in related
            if one.stated.role and one.region is not None
        ),
    )


def related_region(study: Study, stated: RelatedStudy, df_low: float) -> Region | None:
    """Build the region of what a related study prints, in the unit and direction of this study's coefficient."""
    try:
        region = region_of(constrain(stated.parsed, study.publication.rounding, (df_low, math.inf)))
    except ValueError:
        return None
    return None if region is None or region.bounds[1][0] <= 0.0 else scale_region(region, stated.factor)


def scale_region(region: Region, factor: float) -> Region | None:
    """Multiply the estimates of a region by a number and its SEs by the number's size."""
    if factor == 1.0:
        return region
    size = abs(factor)
    estimate, se, t = region.bounds
    ends = sorted((factor * estimate[0], factor * estimate[1]))
    sign = math.copysign(1.0, factor)
    planes = [(sign * a, c, size * d) for a, c, d in region.planes]
    return build_region((ends[0], ends[1]), (size * se[0], size * se[1]), t, planes)


def heterogeneity_scale(study: Study, effect: PrintedEffect) -> float:
    """Return the scale of the prior on the SD between studies, in the cell's unit.

    As stated; else the smallest difference that matters; else half the SD of the effect's default prior.
    """
    stated = dict(study.publication.heterogeneity).get(effect.model.outcome)
    if stated is not None:
        return stated / abs(effect.unit)
    smallest = smallest_difference(study, effect)
    return smallest if math.isfinite(smallest) else 0.5 * effect.prior(study, study.priors[0].name)[1]


def meta_analyse(regions: list[Region], *, prior: tuple[float, float], scale: float) -> MetaAnalysis:
    """Meta-analyse printed cells, each anywhere in its region.

    Parameters
    ----------
    regions : list of Region
        One a study, in one unit.
    prior : (float, float)
        Mean and SD of the average effect.
    scale : float
        Of the half-normal prior on the SD between studies.

    Returns
    -------
    MetaAnalysis
        Gauss-Legendre quadrature over the SD between studies, a fine lattice over the average effect.
    """
    node, node_weight = np.polynomial.legendre.leggauss(_N_TAU)
    tau = 0.5 * _REACH * scale * (node + 1.0)
    log_tau = np.log(node_weight) - 0.5 * (tau / scale) ** 2
    means, sds, logs = [], [], []
    for value in tau:
        mean, sd, log = _average_given(regions, float(value), prior)
        means.append(mean)
        sds.append(sd)
        logs.append(log)
    log_weight = log_tau + np.array(logs)
    weight = np.exp(log_weight - log_weight.max())
    return MetaAnalysis(weight=weight / weight.sum(), tau=tau, mean=np.array(means), sd=np.array(sds))


def _average_given(
    regions: list[Region], tau: float, prior: tuple[float, float]
) -> tuple[float, float, float]:
    """Mean, SD and log evidence of the average effect given the SD between studies."""
    middles = np.array([float(r.weight @ r.estimate) for r in regions])
    within = np.array(
        [float(r.weight @ (r.se**2 + (r.estimate - m) ** 2)) for r, m in zip(regions, middles, strict=True)]
    )
    precision = 1.0 / prior[1] ** 2 + np.sum(1.0 / (within + tau**2))
    centre = (prior[0] / prior[1] ** 2 + np.sum(middles / (within + tau**2))) / precision
    reach = _REACH / math.sqrt(precision)
    mu = np.linspace(centre - reach, centre + reach, _N_MU)
    log = log_normal(mu - prior[0], np.full(_N_MU, prior[1] ** 2))
    for region in regions:
        density = log_normal(region.estimate - mu[:, None], region.se**2 + tau**2)
        log = log + special.logsumexp(density, axis=1, b=region.weight)
    density = np.exp(log - log.max())
    total = float(density.sum())
    mean = float(density @ mu) / total
    sd = math.sqrt(float(density @ (mu - mean) ** 2) / total)
    return mean, sd, float(log.max()) + math.log(total * (mu[1] - mu[0]))


def mix(first: NormalMixture, second: NormalMixture, share: float) -> NormalMixture:
    """Mix two priors; the second has the share."""
    return NormalMixture(
        weight=np.concatenate([(1.0 - share) * first.weight, share * second.weight]),
        mean=np.concatenate([first.mean, second.mean]),
        sd=np.concatenate([first.sd, second.sd]),
    )


def replicate(effect: PrintedEffect, other: Region, related: RelatedStudy) -> Replication:
    """Judge a pair of studies; the related one is the original or the replication, as its role says."""
    own = effect.region
    if own is None:
        raise ValueError(f"{effect.name}: no pair of estimate and SE is known")
    original, again = (other, own) if related.role == "original" else (own, other)

    def banded(of: _OfPair) -> Banded:
        inside = of(*_nodes(original), *(part.T for part in _nodes(again)))
        rim = of(*_rim(original), *(part.T for part in _rim(again)))
        weight = original.weight[:, None] * again.weight[None, :]
        return Banded(
            value=float(np.sum(weight * inside)),
            low=float(min(rim.min(), inside.min())),
            high=float(max(rim.max(), inside.max())),
        )

    factor = banded(replication_factor)
    averaged = _average_factor(original, again)
    return Replication(
        effect=effect,
        related=related,
        log_bayes_factor=Banded(value=averaged, low=factor.low, high=factor.high),
        sceptical_p=banded(sceptical_p),
        compatibility_z=banded(lambda bo, so, br, sr: (br - bo) / np.hypot(so, sr)),
    )


def _nodes(region: Region) -> tuple[Array, Array]:
    return region.estimate[:, None], region.se[:, None]


def _rim(region: Region) -> tuple[Array, Array]:
    return region.rim_estimate[:, None], region.rim_se[:, None]


def replication_factor(original: Array, original_se: Array, again: Array, again_se: Array) -> Array:
    """Natural logarithm of the replication Bayes factor, for the original's effect against none."""
    factor: Array = log_normal(again - original, original_se**2 + again_se**2) - log_normal(
        again, again_se**2
    )
    return factor


def _average_factor(original: Region, again: Region) -> float:
    """Log ratio of the probabilities of the replication's whole region under either hypothesis."""
    (bo, so), (br, sr) = _nodes(original), (part.T for part in _nodes(again))
    weight = original.weight[:, None] * again.weight[None, :]
    effect = special.logsumexp(log_normal(br - bo, so**2 + sr**2), b=weight)
    null = special.logsumexp(log_normal(br, sr**2), b=again.weight[None, :])
    return float(effect - null)


def sceptical_p(original: Array, original_se: Array, again: Array, again_se: Array) -> Array:
    """One-sided sceptical p value, in the direction of the original; arrays are broadcast."""
    zo2, zr2 = (original / original_se) ** 2, (again / again_se) ** 2
    c = original_se**2 / again_se**2
    zo2, zr2, c = np.broadcast_arrays(zo2, zr2, c)
    # z_S^2 solves (c - 1) x^2 + (zo2 + zr2) x - zo2 zr2 = 0; this form of the root holds for c = 1 too.
    total = zo2 + zr2
    root = np.sqrt(np.maximum(total**2 + 4.0 * (c - 1.0) * zo2 * zr2, 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        square = np.where(total > 0.0, 2.0 * zo2 * zr2 / (total + root), 0.0)
    same = np.sign(original) * np.sign(again) > 0.0
    p: Array = special.ndtr(np.where(same, -1.0, 1.0) * np.sqrt(square))
    return p
