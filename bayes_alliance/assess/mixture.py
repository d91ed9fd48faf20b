r"""Posteriors of one question over many possible data sets, pooled to one.

A reanalysis of a study without data has a posterior for each data set that the publication leaves possible. Its answer
is their equally weighted mixture, as in multiple imputation (Rubin 1987, chapter 3; for posteriors Zhou & Reiter 2010,
doi:10.1198/tast.2010.09109). With means :math:`\mu_c` and variances :math:`\sigma_c^2` over m data sets,

.. math:: \bar\mu = \frac1m\sum\mu_c, \quad W = \frac1m\sum\sigma_c^2, \quad
          B = \frac1{m-1}\sum(\mu_c - \bar\mu)^2, \quad T = W + (1 + \tfrac1m) B,

and the fraction of missing information is :math:`(1 + 1/m)B/T`: how much of what is not known is due to the data's not
being public. Knows neither models nor studies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """An equally weighted mixture of posteriors.

    Parameters
    ----------
    n : int
        Data sets.
    mean, sd : float
        Of the mixture, the variance with Rubin's factor :math:`1 + 1/m` for finitely many data sets.
    within, between : float
        Mean of the posterior variances, and variance of the posterior means.
    missing_information : float
        Fraction of missing information, 0 to 1.
    lower, median, upper : float
        Quantiles 2.5, 50 and 97.5 % of the mixture itself.
    p_above_zero : float
        Probability of a value above zero.
    lowest, highest : float
        Least and largest posterior mean over the data sets.
    """

    n: int
    mean: float
    sd: float
    within: float
    between: float
    missing_information: float
    lower: float
    median: float
    upper: float
    p_above_zero: float
    lowest: float
    highest: float


@dataclass(frozen=True, kw_only=True)
class MixtureResult:
    """The mixture of one estimand of one model over an ensemble, in the estimand's own unit.

    Parameters
    ----------
    model_id, name, label : str
        Model, coefficient or estimand, and what a reader calls it (empty for a coefficient).
    mixture : Mixture
        Of the posteriors.
    ml_mean, ml_sd : float
        Mean and SD of the maximum-likelihood estimates over the data sets.
    """

    model_id: str
    name: str
    label: str
    mixture: Mixture
    ml_mean: float
    ml_sd: float


def pool_moments(means: Sequence[float] | Floats, sds: Sequence[float] | Floats) -> Mixture:
    """Pool posteriors that are known by mean and SD, each taken as normal.

    Parameters
    ----------
    means, sds : array-like, shape (m,)
        Of each data set's posterior; at least one, SDs above zero.

    Returns
    -------
    Mixture

    Raises
    ------
    ValueError
        If there is no posterior, or one has no SD above zero.

    Examples
    --------
    >>> pooled = pool_moments([0.0, 2.0], [1.0, 1.0])
    >>> pooled.within, pooled.between, pooled.mean
    (1.0, 2.0, 1.0)
    >>> round(pooled.missing_information, 3)
    0.75
    """
    mu, sigma = np.asarray(means, dtype=float), np.asarray(sds, dtype=float)
    if mu.ndim != 1 or not len(mu) or mu.shape != sigma.shape or not np.all(sigma > 0.0):
        raise ValueError("one mean and one SD above zero is needed for each of at least one data set")
    lower, median, upper = (_quantile(share, mu, sigma) for share in (0.025, 0.5, 0.975))
    above = float(np.mean(special.ndtr(mu / sigma)))
    return _mixture(mu, sigma**2, (lower, median, upper), above)


def _mixture(
    means: Floats, variances: Floats, quantiles: tuple[float, float, float], above: float
) -> Mixture:
    m = len(means)
    within = float(variances.mean())
    between = float(means.var(ddof=1)) if m > 1 else 0.0
    extra = (1.0 + 1.0 / m) * between
    return Mixture(
        n=m,
        mean=float(means.mean()),
        sd=float(np.sqrt(within + extra)),
        within=within,
        between=between,
        missing_information=extra / (within + extra),
        lower=quantiles[0],
        median=quantiles[1],
        upper=quantiles[2],
        p_above_zero=above,
        lowest=float(means.min()),
        highest=float(means.max()),
    )


def _quantile(share: float, means: Floats, sds: Floats) -> float:
    """Quantile of an equally weighted mixture of normals."""
    ends = means + sds * special.ndtri(share)
    low, high = float(ends.min()), float(ends.max())
    if high - low < 1e-12 * max(1.0, abs(high)):
        return high

    def beyond(value: float) -> float:
        return float(np.mean(special.ndtr((value - means) / sds))) - share

    return float(optimize.brentq(beyond, low, high, xtol=1e-12 * max(1.0, high - low)))
