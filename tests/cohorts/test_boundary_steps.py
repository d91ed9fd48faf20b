"""Climbs near the end of the parameter space, where a covariance is singular to rounding."""

from __future__ import annotations

import numpy as np

from bayes_alliance.cohorts.solver import boundary
from bayes_alliance.inference.fits import Array


def test_a_step_to_where_a_covariance_is_singular_is_halved() -> None:
    """A quadratic likelihood whose whole first step leads to where it cannot be computed."""
    refused: list[float] = []

    def evaluate(variances: Array) -> boundary.Point:
        # Log residual variance 0 is best; the climb starts at 2 and only sees what lies above -0.5.
        level = float(np.log(variances[-1]))
        if level < -0.5:
            refused.append(level)
            raise np.linalg.LinAlgError("singular")
        score, hessian = np.zeros(2), np.zeros((2, 2))
        score[-1] = -np.tanh(level) / variances[-1]
        hessian[-1, -1] = -1e-2 / variances[-1] ** 2
        hessian[0, 0] = -1.0
        return boundary.Point(
            variances=variances,
            deviance=float(2.0 * np.log(np.cosh(level))),
            score=score,
            hessian=hessian,
            rest=(np.empty(0),) * 6,
        )

    factors = boundary._Factors(np.eye(1))
    at, point = boundary._climb(evaluate, factors, np.array([1.0, 2.0]))
    assert refused
    assert abs(at[-1]) < 0.6
    assert point.deviance < 2.0 * np.log(np.cosh(2.0))
