r"""How strong an unmeasured patient characteristic would have to be to bring a printed claim down.

Following Cinelli & Hazlett (2020, doi:10.1111/rssb.12348): a confounder that explains the share :math:`R_y^2` of
what is left of the outcome (of patients' levels or slopes) and :math:`R_x^2` of what is left of the predictor
moves the estimate towards zero by

.. math:: s\sqrt{\nu}\,\sqrt{\frac{R_y^2 R_x^2}{1 - R_x^2}}, \qquad
          s' = s\sqrt{\frac{1 - R_y^2}{1 - R_x^2}\cdot\frac{\nu}{\nu - 1}}

with :math:`\nu` the degrees of freedom: about the number of patients less the coefficients, for an effect between
patients. The *robustness value* is the common :math:`R_y^2 = R_x^2` that brings an estimate to zero, or a claim
below its threshold. Printed covariates of the same model or outcome are the benchmark: the partial
:math:`R^2 = t^2/(t^2 + \nu)` of each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize

from bayes_alliance.inference.fits import Array
from bayes_alliance.published.cell_posterior import NormalMixture
from bayes_alliance.published.omitted_level import direction_probability
from bayes_alliance.published.rounding_region import Region

_LARGEST = 0.999


def partial_r2(t: Array | float, df: float) -> Array:
    """Share of what the other columns leave of the outcome that a coefficient with this ``t`` explains."""
    squared = np.asarray(t, dtype=float) ** 2
    result: Array = squared / (squared + df)
    return result


def robustness_value(t: float, df: float, critical: float = 0.0) -> float:
    r"""Return the smallest common share that brings ``t`` down to a critical value.

    In closed form, with :math:`f = |t|/\sqrt{\nu} - t^*/\sqrt{\nu - 1}`:
    :math:`\tfrac12(\sqrt{f^4 + 4f^2} - f^2)`. It is exact for an estimate of zero (:math:`t^* = 0`) and for
    :math:`t^* > 0` wherever the extreme case of Cinelli & Hazlett (:math:`R_y^2 = 1`) does not bind.

    Examples
    --------
    >>> round(robustness_value(4.18, 783), 3)
    0.139
    """
    f = abs(t) / math.sqrt(df) - critical / math.sqrt(df - 1.0)
    if f <= 0.0:
        return 0.0
    return 0.5 * (math.sqrt(f**4 + 4.0 * f**2) - f**2)


def confound(region: Region, df: float, *, share_y: float, share_x: float) -> Region:
    """Return the region that is left once a confounder of given strength is allowed for.

    The confounder is taken to work against the claim: every estimate moves towards zero, and past it.
    """
    ratio = math.sqrt((1.0 - share_y) / (1.0 - share_x) * df / (df - 1.0))
    bias = math.sqrt(df * share_y * share_x / (1.0 - share_x))
    sign = 1.0 if float(region.weight @ region.estimate) > 0.0 else -1.0
    return replace(
        region,
        estimate=region.estimate - sign * bias * region.se,
        se=region.se * ratio,
        rim_estimate=region.rim_estimate - sign * bias * region.rim_se,
        rim_se=region.rim_se * ratio,
        area=region.area * ratio,
    )


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A printed coefficient as a yardstick.

    Parameters
    ----------
    name : str
        Its row.
    share : float
        Its partial R², at the middle of its region.
    """

    name: str
    share: float


def tipping_confounder(region: Region, prior: NormalMixture, df: float, *, sign: int, sure: float) -> float:
    """Find the common share of outcome and predictor at which the probability of a sign falls to ``sure``.

    Returns
    -------
    float
        0 where it lies below already.
    """

    def over(share: float) -> float:
        left = confound(region, df, share_y=share, share_x=share)
        return direction_probability(left, prior, sign) - sure

    if over(0.0) <= 0.0:
        return 0.0
    return float(optimize.brentq(over, 0.0, _LARGEST, xtol=1e-6))
