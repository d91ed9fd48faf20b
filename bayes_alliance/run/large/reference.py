"""Where priors on levels and slopes hold, without rows: middle and least value of each numeric variable.

The same as :func:`bayes_alliance.inference.design.find_reference` gives for rows, from sums by patient.
"""

from __future__ import annotations

import numpy as np

from bayes_alliance.inference.design import choose_middle
from bayes_alliance.inference.fits import Array
from bayes_alliance.run.large.reduced import Reduced, ScalingFrame
from bayes_alliance.run.large.source import LargeSource
from bayes_alliance.run.large.sums import Patients


def average_patients(patients: Patients, source: LargeSource, frame: ScalingFrame) -> Array:
    """Return the means of the numeric variables of complete patients, in the variables' own units.

    The first random column is that of ones: ``Z'Z`` holds the number of rows in its first entry, and ``Z'R`` the sums
    of the fixed columns in its first row.

    Parameters
    ----------
    patients : Patients
        With all their rows.

    Returns
    -------
    ndarray, shape (k, v)
    """
    n_rows = patients.zz[:, 0]
    means = np.empty((len(n_rows), len(source.numeric)))
    for at, name in enumerate(source.numeric):
        if name in source.not_columns:
            means[:, at] = patients.others[:, source.not_columns.index(name)] / n_rows
        else:
            column = frame.x_names.index(name)
            scaled = patients.zr[:, 0, column] / n_rows
            means[:, at] = frame.x_shift[column] + frame.x_scale[column] * scaled
    return means


def state_reference(reduced: Reduced, source: LargeSource, n_patients: int) -> dict[str, tuple[float, float]]:
    """Return middle and least value of each numeric variable over all patients, as a design states them.

    Parameters
    ----------
    reduced : Reduced
        Of all pieces.
    n_patients : int
        In it.

    Returns
    -------
    dict of str to (float, float)
    """
    found = {}
    for at, name in enumerate(source.numeric):
        low, high = float(reduced.extent.low[at]), float(reduced.extent.high[at])
        mean = float(reduced.mean_sums[at]) / n_patients
        found[name] = (
            choose_middle(low, high, mean, has_others=bool(reduced.extent.has_others[at])),
            low,
        )
    return found
