"""Where, within what printed numbers leave open, each cohort of an ensemble lies.

Independent draws leave gaps: the extremes of twenty cover nine tenths of an interval. Scrambled Sobol points (Owen
1998, doi:10.1006/jcom.1998.0487) spread the cohorts of one seed evenly over every interval, however many of them are
built, and the first ones do not depend on how many follow.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

from bayes_alliance.inference.fits import Array


@dataclass(frozen=True, kw_only=True)
class Places:
    """The places of one cohort.

    Parameters
    ----------
    seed : int
        Of the ensemble.
    index : int
        Which of its cohorts, from 0.
    """

    seed: int
    index: int

    def draw(self, purpose: str, count: int) -> Array:
        """Return ``count`` places between 0 and 1, each evenly spread over the cohorts of the seed.

        Parameters
        ----------
        purpose : str
            What they are for; other purposes have places of their own.
        count : int
            How many.

        Returns
        -------
        ndarray, shape (count,)
        """
        rng = np.random.default_rng([self.seed, zlib.crc32(purpose.encode())])
        points = qmc.Sobol(max(count, 1), scramble=True, rng=rng)
        if self.index:
            points.fast_forward(self.index)
        found: Array = points.random(1)[0, :count]
        return found
