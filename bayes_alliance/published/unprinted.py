r"""What rounding does not hide but the table leaves out, and how far it could move a posterior.

Two things. The estimates of a level and of a slope are correlated, by an unprinted :math:`\rho`; the prior on
one then pulls at the other. With the companion's estimate :math:`b_0`, SE :math:`s_0` and prior
:math:`N(m_0, \tau_0^2)`, integrating the companion out leaves for the effect itself

.. math:: b^* = b - \rho s s_0 (b_0 - m_0)/(s_0^2 + \tau_0^2), \qquad
          s^{*2} = s^2 (1 - \rho^2 s_0^2/(s_0^2 + \tau_0^2)).

And the printed SE takes the variances as known, which a posterior does not: with ``n`` patients its SD is
larger by up to about :math:`\sqrt{n/(n - 6)}`. Where nothing is known of the companion, a tenth of an SE
either way stands for it. Both widen the band beside a posterior, never the posterior.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from bayes_alliance.inference.fits import Array
from bayes_alliance.published.patient_counts import all_patients
from bayes_alliance.published.printed_effects import PrintedEffect
from bayes_alliance.study.records import Study

CORRELATIONS = (-0.9, 0.5)
UNKNOWN_SHIFT = 0.1


@dataclass(frozen=True, kw_only=True)
class Unprinted:
    """What may stand behind a cell besides its digits.

    Parameters
    ----------
    estimate, se : ndarray, shape (k,)
        Corners of the companion's region; empty where it is not known.
    prior : (float, float)
        Mean and SD of the companion's prior.
    inflation : float
        Largest factor on the SE.
    """

    estimate: Array
    se: Array
    prior: tuple[float, float]
    inflation: float

    def widen(self, estimate: Array, se: Array) -> tuple[Array, Array]:
        """Return the pairs that stand for a region's rim once all this is allowed for; the rim comes first."""
        estimates, ses = [estimate], [se]
        mean, sd = self.prior
        if not len(self.se) and self.inflation > 1.0:
            estimates += [estimate - UNKNOWN_SHIFT * se, estimate + UNKNOWN_SHIFT * se]
            ses += [se, se]
        for b0, s0 in zip(self.estimate, self.se, strict=True):
            total = s0**2 + sd**2
            for rho in CORRELATIONS:
                estimates.append(estimate - rho * se * s0 * (b0 - mean) / total)
                ses.append(se * np.sqrt(1.0 - rho**2 * s0**2 / total))
        joined = np.concatenate(estimates), np.concatenate(ses)
        if self.inflation <= 1.0:
            return joined
        return np.tile(joined[0], 2), np.concatenate([joined[1], self.inflation * joined[1]])


NOTHING = Unprinted(estimate=np.empty(0), se=np.empty(0), prior=(0.0, 1.0), inflation=1.0)


def companion(study: Study, effect: PrintedEffect, others: list[PrintedEffect]) -> PrintedEffect | None:
    """Find the level that goes with a slope, or the slope that goes with a level."""
    wanted = {_without_time(study, name): weight for name, weight in effect.weights}
    for other in others:
        same = other.model.id == effect.model.id and other.role != effect.role
        if same and {_without_time(study, name): weight for name, weight in other.weights} == wanted:
            return other
    return None


def _without_time(study: Study, name: str) -> str:
    parts = [part for part in name.split(":") if part not in (study.time, "Intercept")]
    return ":".join(parts)


def unprinted(study: Study, effect: PrintedEffect, others: list[PrintedEffect], prior: str) -> Unprinted:
    """Gather what may stand behind a cell besides its digits.

    Parameters
    ----------
    others : list of PrintedEffect
        Every effect of the study.
    prior : str
        Name of the prior set that the companion's prior is taken from.
    """
    patients = all_patients(study)
    inflation = float(np.sqrt(patients / (patients - 6.0))) if patients and patients > 6 else 1.0
    other = companion(study, effect, others)
    if other is None or other.region is None:
        return Unprinted(estimate=np.empty(0), se=np.empty(0), prior=(0.0, 1.0), inflation=inflation)
    region = other.region
    corners = [
        (float(b), float(s))
        for b, s in product(
            (region.rim_estimate.min(), region.rim_estimate.max()), (region.rim_se.min(), region.rim_se.max())
        )
    ]
    return Unprinted(
        estimate=np.array([b for b, _ in corners]),
        se=np.array([s for _, s in corners]),
        prior=other.prior(study, prior),
        inflation=inflation,
    )
