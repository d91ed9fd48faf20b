"""Coordinates in which NUTS moves: a PyMC transform for SDs that may be near zero.

A transform changes no density: PyMC adds the log Jacobian. Imports PyMC; imported where it is used.
"""

from __future__ import annotations

from typing import Any

import pymc.distributions.transforms as transforms
import pytensor.tensor as pt

# The log of a relative SD below which the map bends; as in the collapsed engine.
KNEE = -1.5


class BentLog(transforms.Transform):  # type: ignore[misc]  # PyMC has no types
    """Relative SDs by their log, bent so that those near zero have a Gaussian tail instead of an exponential one.

    ``sd = exp(u)`` above the knee, ``sd = exp(u - (u - knee)^2 / 2)`` below it.
    """

    name = "bentlog"
    ndim_supp = 0

    def forward(self, value: Any, *inputs: Any) -> Any:
        """Return the coordinates of SDs."""
        log_sd = pt.log(value)
        below = pt.minimum(log_sd - KNEE, 0.0)
        return pt.maximum(log_sd, KNEE) + 1.0 - pt.sqrt(1.0 - 2.0 * below)

    def backward(self, value: Any, *inputs: Any) -> Any:
        """Return the SDs at coordinates."""
        below = pt.minimum(value - KNEE, 0.0)
        return pt.exp(value - 0.5 * below**2)

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Return the log derivative of each SD by its coordinate."""
        below = pt.minimum(value - KNEE, 0.0)
        return value - 0.5 * below**2 + pt.log1p(-below)
