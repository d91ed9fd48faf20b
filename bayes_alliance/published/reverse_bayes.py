r"""Reverse-Bayes: how sceptical one must be for a printed claim to fall.

The sceptical prior is :math:`N(0, \tau^2)`, just so wide that the posterior's 95 % interval touches zero.
With :math:`t = b/s` and :math:`z = 1.96`, :math:`\tau^2 = s^2/(t^2/z^2 - 1)`; the scepticism limit
:math:`z\tau` equals :math:`(U - L)^2 / (4\sqrt{UL})` of the 95 % interval :math:`(L, U)` (Matthews 2018,
doi:10.1098/rsos.171047). A claim is *intrinsically credible* if it conflicts with that very prior: the
estimate lies beyond the limit (Matthews; :math:`|t| > z\sqrt{(1+\sqrt5)/2}`, p < 0.013), or beyond 95 % of
the prior predictive distribution :math:`N(0, s^2 + \tau^2)` (Held 2019, doi:10.1098/rsos.181534;
:math:`|t| > z\sqrt2`, p < 0.0056). Held's p value for intrinsic credibility is :math:`2\Phi(-|t|/\sqrt2)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from bayes_alliance.inference.fits import Array
from bayes_alliance.published.rounding_region import Region

Z95 = float(special.ndtri(0.975))
MATTHEWS_T = Z95 * float(np.sqrt((1.0 + np.sqrt(5.0)) / 2.0))
HELD_T = Z95 * float(np.sqrt(2.0))


def sceptical_limit(estimate: Array, se: Array) -> Array:
    """Half-width of the 95 % interval of the sceptical prior that just overturns each claim.

    Parameters
    ----------
    estimate, se : ndarray
        Same shape.

    Returns
    -------
    ndarray
        NaN where the estimate is not significant, so that nothing needs to be overturned.
    """
    ratio = (np.asarray(estimate) / np.asarray(se) / Z95) ** 2 - 1.0
    with np.errstate(invalid="ignore", divide="ignore"):
        limit: Array = np.where(ratio > 0.0, Z95 * np.asarray(se) / np.sqrt(ratio), np.nan)
    return limit


def intrinsic_p(estimate: Array, se: Array) -> Array:
    """Held's p value for intrinsic credibility."""
    p: Array = 2.0 * special.ndtr(-np.abs(np.asarray(estimate) / np.asarray(se)) / np.sqrt(2.0))
    return p


@dataclass(frozen=True, kw_only=True)
class ReverseBayes:
    """What it takes to overturn a claim, over all that its cell may stand for.

    Parameters
    ----------
    limit, limit_low, limit_high : float
        Scepticism limit at the middle of the cell's region, and its range over the significant part of it;
        the upper end is infinite where the region reaches the edge of significance.
    share_significant : float
        Share of the region in which the claim is significant at 0.05 by the Normal.
    share_matthews, share_held : float
        Share of the region in which it is intrinsically credible by either rule.
    p_intrinsic, p_intrinsic_low, p_intrinsic_high : float
        Held's p value: averaged over the region, and its range.
    """

    limit: float
    limit_low: float
    limit_high: float
    share_significant: float
    share_matthews: float
    share_held: float
    p_intrinsic: float
    p_intrinsic_low: float
    p_intrinsic_high: float


def reverse_bayes(region: Region) -> ReverseBayes:
    """Turn a region of (estimate, SE) pairs into what overturns the claim."""
    rim = sceptical_limit(region.rim_estimate, region.rim_se)
    middle = sceptical_limit(
        np.array(region.weight @ np.abs(region.estimate)), np.array(region.weight @ region.se)
    )
    p_rim = intrinsic_p(region.rim_estimate, region.rim_se)
    # At the edge of significance itself the limit has no upper end.
    all_significant = bool(region.t_range[0] > Z95 * (1.0 + 1e-6))
    return ReverseBayes(
        limit=float(middle),
        limit_low=float(np.nanmin(rim)) if np.any(np.isfinite(rim)) else float("nan"),
        limit_high=float(np.nanmax(rim)) if all_significant else float("inf"),
        share_significant=region.share_beyond(Z95),
        share_matthews=region.share_beyond(MATTHEWS_T),
        share_held=region.share_beyond(HELD_T),
        p_intrinsic=float(region.weight @ intrinsic_p(region.estimate, region.se)),
        p_intrinsic_low=float(p_rim.min()),
        p_intrinsic_high=float(p_rim.max()),
    )
