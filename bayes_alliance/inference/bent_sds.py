"""The scale on which log SDs are searched and drawn: a posterior that reaches an SD of zero has a short tail there."""

from __future__ import annotations

import numpy as np

from bayes_alliance.inference.fits import Array

_KNEE = -1.5


def bend(points: Array) -> tuple[Array, Array]:
    """Map the real line to log SDs so that small SDs have a light tail.

    With a prior density above zero at an SD of zero, the posterior of the log SD falls off as slowly as exp(u)
    on the left; beyond ``_KNEE`` the map bends by a square, which makes that tail a Gaussian one.

    Returns
    -------
    log_sd, log_derivative : ndarray
        Of the shape of ``points``.
    """
    below = np.minimum(points - _KNEE, 0.0)
    return points - 0.5 * below**2, np.log1p(-below)


def unbend(log_sd: Array) -> Array:
    """Invert :func:`bend`."""
    below = np.minimum(log_sd - _KNEE, 0.0)
    point: Array = np.where(below < 0.0, _KNEE + 1.0 - np.sqrt(1.0 - 2.0 * below), log_sd)
    return point
