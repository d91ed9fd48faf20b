"""How two groups differ at baseline, as a posterior: means and shares under reference priors, in closed form.

Answers beside a test: how large is the difference, and how probable is its direction? Must not import the fitting
libraries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from bayes_alliance.assess.descriptives import GroupValue

_POINTS = 4001


@dataclass(frozen=True, kw_only=True)
class GroupDifference:
    """Second group minus first.

    Parameters
    ----------
    median, lower, upper : float
        Posterior median and equal-tailed 95 % interval; of shares in per cent.
    p_positive : float
        Posterior probability that the second group's value is the greater one.
    """

    median: float
    lower: float
    upper: float
    p_positive: float


def difference_of_means(first: GroupValue, second: GroupValue) -> GroupDifference | None:
    """Return the posterior of a difference of means.

    Under p(mu1, mu2, log sigma) constant, with one sigma, the difference has a t distribution of n1 + n2 - 2 degrees
    of freedom about the observed one (Gelman et al. 2013, *Bayesian Data Analysis*, ch. 3), so that its probability
    of being positive is one minus the one-sided p of Student's test.

    Returns
    -------
    GroupDifference or None
        None where the groups have no spread.

    Examples
    --------
    >>> group = GroupValue(n=20, mean=5.0, sd=1.0, count=0, percent=0.0)
    >>> difference_of_means(group, group).p_positive
    0.5
    """
    df = first.n + second.n - 2
    if min(first.n, second.n) < 2:
        return None
    pooled = ((first.n - 1) * first.sd**2 + (second.n - 1) * second.sd**2) / df
    se = math.sqrt(pooled * (1.0 / first.n + 1.0 / second.n))
    if not se > 0.0:
        return None
    mean = second.mean - first.mean
    half = float(special.stdtrit(df, 0.975)) * se
    return GroupDifference(
        median=mean, lower=mean - half, upper=mean + half, p_positive=float(special.stdtr(df, mean / se))
    )


def difference_of_shares(first: GroupValue, second: GroupValue) -> GroupDifference | None:
    """Return the posterior of a difference of shares, in per cent.

    Each share has Jeffreys' prior Beta(1/2, 1/2); the distribution of the difference is integrated numerically over
    equally probable points of the first share.

    Returns
    -------
    GroupDifference or None
        None where a group is empty.
    """
    if min(first.n, second.n) < 1:
        return None
    one, two = ((g.count + 0.5, g.n - g.count + 0.5) for g in (first, second))
    points = special.betaincinv(*one, (np.arange(_POINTS) + 0.5) / _POINTS)

    def below(difference: float) -> float:
        return float(np.mean(special.betainc(*two, np.clip(points + difference, 0.0, 1.0))))

    quantiles = [
        100.0 * float(optimize.brentq(lambda d, q=q: below(d) - q, -1.0, 1.0)) for q in (0.5, 0.025, 0.975)
    ]
    return GroupDifference(
        median=quantiles[0], lower=quantiles[1], upper=quantiles[2], p_positive=1.0 - below(0.0)
    )
