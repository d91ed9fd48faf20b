r"""Prior beside likelihood: whether they speak of the same thing, and how far the prior moves an estimate.

For a quantity with prior N(m, s²) whose likelihood is that of an estimate b with standard error e, the estimate has
the prior predictive distribution N(m, s² + e²); an estimate far in its tail is a *prior-data conflict* (Evans &
Moshonov 2006, doi:10.1214/06-BA129). Both are in closed form:

.. math:: p = 2\Phi\bigl(-|b - m|/\sqrt{s^2 + e^2}\bigr), \qquad
          \chi^2_p = (b - m)'(S + V)^{-1}(b - m) \text{ for all coefficients together.}

The prior weighs as much as :math:`n\,e^2/s^2` of the n patients (the ratio of precisions; Morita, Thall & Müller 2008,
doi:10.1111/j.1541-0420.2007.00888.x, in the conjugate case), and the posterior mean is off the estimate by so many
standard errors, the *shift*. NumPy only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from bayes_alliance.inference.fits import Array

CONFLICT_P = 0.001
SHIFT_LIMIT = 0.5  # standard errors


@dataclass(frozen=True, kw_only=True)
class PriorConflict:
    """Prior beside likelihood for one quantity.

    Parameters
    ----------
    p : float
        Two-sided prior-predictive p of the estimate.
    prior_mean, prior_sd : float
        In the unit of the estimate.
    patients : float
        How many of the study's patients the prior weighs as much as.
    """

    p: float
    prior_mean: float
    prior_sd: float
    patients: float

    @property
    def conflict(self) -> bool:
        """Whether the likelihood lies in the prior's tail."""
        return self.p < CONFLICT_P


def conflict_of(
    *, estimate: float, se: float, prior_mean: float, prior_sd: float, n_patients: int
) -> PriorConflict:
    """Set an estimate beside its prior.

    Parameters
    ----------
    estimate, se : float
        Of the likelihood (ML).
    prior_mean, prior_sd : float
        Of the Normal prior; an infinite SD conflicts with nothing.
    n_patients : int
        Behind the estimate.

    Returns
    -------
    PriorConflict

    Examples
    --------
    >>> found = conflict_of(estimate=3.0, se=0.6, prior_mean=0.0, prior_sd=0.8, n_patients=100)
    >>> round(found.p, 4), round(found.patients, 2)
    (0.0027, 56.25)
    """
    z = abs(estimate - prior_mean) / math.hypot(se, prior_sd)
    return PriorConflict(
        p=math.erfc(z / math.sqrt(2.0)),
        prior_mean=prior_mean,
        prior_sd=prior_sd,
        patients=n_patients * (se / prior_sd) ** 2,
    )


def joint_conflict(estimate: Array, covariance: Array, prior_mean: Array, prior_root: Array) -> float:
    """Return the prior-predictive p of all coefficients together (chi-squared on as many degrees of freedom).

    Parameters
    ----------
    estimate, covariance : ndarray, shape (p,) and (p, p)
        Of the likelihood (ML).
    prior_mean, prior_root : ndarray, shape (p,) and (p, m)
        The prior's mean and a square root of its covariance.
    """
    total = covariance + prior_root @ prior_root.T
    unit = np.sqrt(np.diag(total))
    scaled = (estimate - prior_mean) / unit
    # Coefficients of raw years or ages are all but collinear: a square root keeps more digits than an inverse.
    root = np.linalg.qr(
        np.hstack([np.linalg.cholesky(_scaled(covariance, unit)), prior_root / unit[:, None]]).T, "r"
    )
    z = np.linalg.solve(root.T, scaled)
    return float(special.chdtrc(len(z), z @ z))


def _scaled(covariance: Array, unit: Array) -> Array:
    """Scale a covariance matrix, with a trace of ridge for one that a singular fit leaves without full rank."""
    scaled = covariance / np.outer(unit, unit)
    ridged: Array = scaled + 1e-14 * np.trace(scaled) * np.eye(len(unit))
    return ridged


def shift_in_se(*, posterior_mean: float, estimate: float, se: float) -> float:
    """Return how far the posterior mean lies from the estimate, in standard errors; NaN without an SE."""
    return (posterior_mean - estimate) / se if se > 0.0 else math.nan
