r"""What a claim is worth when it is one of several that were tested.

Two readings of "several", for ``m`` tests that the publication names or that the study file states. *Error rates*:
the p value times ``m`` (Bonferroni), valid however the tests hang together. *Probabilities*: the prior probability of
no effect in each test is :math:`\pi_0 = q^{1/m}`, so that all of them together are null with probability ``q``,
whatever ``m`` (Westfall, Johnson & Utts 1997, doi:10.1093/biomet/84.2.419); with the Bayes factor B against no
effect, the posterior probability of an effect is :math:`(1 - \pi_0)B/((1 - \pi_0)B + \pi_0)`.
"""

from __future__ import annotations

import math

ALL_NULL = 0.5


def bonferroni(p: float, tests: int) -> float:
    """Return the p value adjusted for any dependence of the tests."""
    return min(1.0, tests * p)


def null_probability(tests: int, all_null: float = ALL_NULL) -> float:
    """Return the prior probability of no effect in one of several independent tests."""
    return float(all_null ** (1.0 / tests))


def effect_probability(log_bayes_factor: float, tests: int, all_null: float = ALL_NULL) -> float:
    """Return the posterior probability of an effect when it is one of several tested.

    Parameters
    ----------
    log_bayes_factor : float
        Natural logarithm of the Bayes factor for an effect against none.
    tests : int
        How many were made.
    all_null : float
        Prior probability that none of them has an effect.

    Examples
    --------
    >>> round(effect_probability(0.0, 1), 2)
    0.5
    """
    null = null_probability(tests, all_null)
    log_odds = log_bayes_factor + math.log1p(-null) - math.log(null)
    return 1.0 / (1.0 + math.exp(-max(min(log_odds, 700.0), -700.0)))


def most_tests(log_bayes_factor: float, sure: float = 0.95, all_null: float = ALL_NULL) -> float:
    """Return the number of tests at which the probability of an effect falls to ``sure``; 0 where it is below."""
    wanted = math.log(sure / (1.0 - sure)) - log_bayes_factor
    null = 1.0 / (1.0 + math.exp(max(min(wanted, 700.0), -700.0)))
    # The probability of no effect in one test may be at most this; q^(1/m) reaches it at m tests.
    if null <= all_null:
        return 0.0
    return math.log(all_null) / math.log(null)
