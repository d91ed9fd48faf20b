"""The rows and the covariance structure of a model with several levels or correlated residuals, beside its design."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.lmm.patterns import Index, Rows
from bayes_alliance.inference.lmm.structure import RandomShape, Structure


@dataclass(frozen=True, kw_only=True)
class StructuredDesign:
    """What a :class:`bayes_alliance.inference.design.Design` holds for such a model besides the fixed part.

    Parameters
    ----------
    rows : Rows
        All arrays, sorted by cluster, patient and visit.
    structure : Structure
        Of the covariance.
    order : ndarray of int, shape (n_rows,)
        Which row of the design each row is.
    patient_of : ndarray of int, shape (n_patients,)
        Which patient of the design each patient is.
    patient, cluster : str
        Names of the levels; the second is empty without a level above the patient.
    n_clusters : int
        Groups of the upper level.
    time : str
        Variable of time.
    middle : tuple of (str, float)
        Middle of each variable with a random slope.
    """

    rows: Rows
    structure: Structure
    order: Index
    patient_of: Index
    patient: str
    cluster: str
    n_clusters: int
    time: str
    middle: tuple[tuple[str, float], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Random columns of both levels, the patients' first."""
        return (*self.structure.patient.names, *self.structure.cluster.names)

    def spans(self, horizon: float) -> Array:
        """Return over how much of each random column its SD has the prior stated for slopes; 1 for an intercept."""
        matrix = np.column_stack([self.rows.z, self.rows.w])
        spans = np.ones(matrix.shape[1])
        for k, name in enumerate(self.columns):
            if name == self.time:
                spans[k] = horizon
            elif name != "Intercept":
                spans[k] = float(np.ptp(matrix[:, k])) or float(np.max(np.abs(matrix[:, k])))
        return spans

    def shift(self, shape: RandomShape, origin: float) -> Array:
        """Return the matrix from effects at the reference to effects at zero.

        SDs and correlations of effects that are correlated with a random intercept hold at time ``origin`` and at the
        middle of other variables.
        """
        middle = dict(self.middle) | {self.time: origin}
        shift = np.eye(shape.size)
        start = 0
        for size in shape.blocks:
            if size > 1 and shape.names[start] == "Intercept":
                for k in range(start + 1, start + size):
                    shift[start, k] = -middle[shape.names[k]]
            start += size
        return shift
