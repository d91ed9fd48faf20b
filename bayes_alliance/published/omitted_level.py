r"""How strong a level that a printed model leaves out (therapists, groups) would have to be to overturn a claim.

Patients of one therapist are more alike than the model assumes. With :math:`\bar m` patients a therapist, cluster
share :math:`\rho_y` of the variance of what is estimated, and intraclass correlation :math:`\rho_x` of the
predictor, the squared SE of a patient-level predictor is too small by the factor of Scott & Holt (1982,
doi:10.1080/01621459.1982.10477910) and Moulton (1986, doi:10.1016/0304-4076(86)90021-7),

.. math:: D = \frac{1 + a\rho_x\rho_y}{1 - a(1 + \rho_x)\rho_y/(N - 2)}, \qquad
          a = \bar m - 1 + \mathrm{Var}(m)/\bar m .

The denominator is what a model without the level takes away from the residual variance itself, the trace of its
two columns' projection; it is near one unless there are few clusters.

For a level, what is estimated are patients' intercepts; for a slope, their slopes. An ICC is the cluster share of
the *true* variance between patients; what the visits add to an estimated intercept or slope is noise of its own,
so :math:`\rho_y = \lambda\,\mathrm{ICC}` with the reliability :math:`\lambda` of a patient's estimated intercept or
slope. Where it is not known, :math:`\lambda = 1` stands for the worst case. :math:`\rho_x = 1` where all patients
of a cluster share the predictor (a treatment given by some therapists only), about 0 where patients are dealt to
therapists at random, and then nothing is inflated. The estimate itself stays where it is: this is about its SE.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, special

from bayes_alliance.inference.fits import Array
from bayes_alliance.published.cell_posterior import NormalMixture, pair_weights, update
from bayes_alliance.published.rounding_region import Region
from bayes_alliance.published.stars import TBounds

ICCS = (0.0, 0.02, 0.05, 0.10, 0.15, 0.20)
LARGEST_ICC = 1.0
SIGNIFICANT = float(special.ndtri(0.975))


@dataclass(frozen=True, kw_only=True)
class OmittedLevel:
    """A level that a model leaves out.

    Parameters
    ----------
    label : str
        What it is.
    clusters : float
        How many there are.
    patients : int
        How many patients they treat in all.
    predictor_icc : float
        Intraclass correlation of the predictor: 1 where a cluster shares it.
    size_variation : float
        SD of the sizes over their mean; 0 for equal sizes.
    reliability : float
        Of a patient's estimated intercept or slope; 1 for the worst case.
    """

    label: str
    clusters: float
    patients: int
    predictor_icc: float = 1.0
    size_variation: float = 0.0
    reliability: float = 1.0

    @property
    def mean_size(self) -> float:
        """Patients of a cluster, on average."""
        return self.patients / self.clusters


def design_effect(level: OmittedLevel, icc: Array | float) -> Array:
    """Return the factor on the squared standard error at an ICC; never below zero."""
    excess = _excess(level) * np.asarray(icc, dtype=float)
    kept = 1.0 - excess * (1.0 + level.predictor_icc) / max(level.patients - 2.0, 1.0)
    result: Array = np.maximum(1.0 + excess * level.predictor_icc, 1e-12) / np.maximum(kept, 1e-12)
    return result


def _excess(level: OmittedLevel) -> float:
    """Return what a unit of ICC adds to the variance of a mean of one cluster."""
    size = level.mean_size * (1.0 + level.size_variation**2)
    return max(size - 1.0, 0.0) * level.reliability


def inflate(region: Region, factor: float) -> Region:
    """Return the region with every standard error multiplied by a factor, the estimates as they are."""
    (estimate, se, t) = region.bounds
    return replace(
        region,
        se=region.se * factor,
        rim_se=region.rim_se * factor,
        area=region.area * factor,
        bounds=(
            estimate,
            (se[0] * factor, se[1] * factor),
            TBounds(low=t.low / factor, high=t.high / factor),
        ),
        planes=tuple((a, c / factor, d) for a, c, d in region.planes),
    )


def direction_probability(region: Region, prior: NormalMixture, sign: int) -> float:
    """Posterior probability of a sign, over the region: each pair weighs as much as the prior expects it."""
    parts = update(prior, region.estimate, region.se)
    below = float(pair_weights(region, parts) @ parts.below(0.0))
    return 1.0 - below if sign > 0 else below


@dataclass(frozen=True, kw_only=True)
class TippingIcc:
    """The ICC at which a claim falls.

    Parameters
    ----------
    middle, low, high : float
        At the middle of the cell's region, and its range over the region: 0 where the claim does not hold even
        without the level, above 1 (infinite) where no ICC overturns it.
    """

    middle: float
    low: float
    high: float


def tipping_significance(region: Region, level: OmittedLevel, critical: float = SIGNIFICANT) -> TippingIcc:
    r"""Find the ICC at which the test statistic falls to a critical value.

    In closed form: :math:`D = (t/z)^2` solved for the ICC.
    """
    sizes = region.t_range
    middle = float(region.weight @ np.abs(region.estimate / region.se))
    found = [_icc_of(level, (t / critical) ** 2) for t in (middle, *sizes)]
    return TippingIcc(middle=found[0], low=min(found[1:]), high=max(found[1:]))


def _icc_of(level: OmittedLevel, factor: float) -> float:
    """ICC with which the design effect is a factor; infinite where none up to 1 gives it."""
    if factor <= 1.0:
        return 0.0
    slope = _excess(level) * (
        level.predictor_icc + factor * (1.0 + level.predictor_icc) / max(level.patients - 2.0, 1.0)
    )
    icc = (factor - 1.0) / slope if slope > 0.0 else math.inf
    return icc if icc <= LARGEST_ICC else math.inf


def tipping_direction(
    region: Region, prior: NormalMixture, level: OmittedLevel, *, sign: int, sure: float
) -> float:
    """Find the ICC at which the posterior probability of a sign falls to ``sure``.

    Returns
    -------
    float
        0 where it lies below already; infinite where no ICC up to 1 brings it there.
    """

    def over(icc: float) -> float:
        factor = math.sqrt(float(design_effect(level, icc)))
        return direction_probability(inflate(region, factor), prior, sign) - sure

    if over(0.0) <= 0.0:
        return 0.0
    if over(LARGEST_ICC) > 0.0:
        return math.inf
    return float(optimize.brentq(over, 0.0, LARGEST_ICC, xtol=1e-6))
