"""What a study file states of priors, as frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ScaleFamily = Literal["half_normal", "half_t", "exponential"]
Stance = Literal["", "enthusiastic", "pessimistic"]


@dataclass(frozen=True, kw_only=True)
class PriorScales:
    """Priors of one outcome in natural units: points, and points over the study's horizon.

    ``(mean, sd)`` pairs are Normal; single numbers are scales of ``scale_family``
    (half-normal unless stated; ``scale_df`` belongs to ``half_t``). ``intercept`` and ``slope`` hold at the
    reference point: predictors at their ``reference``, time at ``Study.reference_time``. ``effect`` priors hold
    for a difference of ``Variable.contrast`` in a numeric predictor and for each difference between the levels of a
    category, whichever the reference level; their means need a direction, so they are those of numeric and
    binary predictors. ``lkj_eta`` shapes the correlation.
    """

    intercept: tuple[float, float]
    slope: tuple[float, float]
    effect_intercept: tuple[float, float]
    effect_slope: tuple[float, float]
    sd_intercept: float
    sd_slope: float
    sigma: float
    lkj_eta: float
    scale_family: ScaleFamily = "half_normal"
    scale_df: float = 3.0


@dataclass(frozen=True, kw_only=True)
class PriorSet:
    """A named set of priors, one :class:`PriorScales` for each outcome.

    Parameters
    ----------
    stance : {"", "enthusiastic", "pessimistic"}
        Whether the means of printed effects have the printed sign, or the other one; loading checks that.
    estimands : tuple of (str, str, (float, float))
        Model, name of one of its estimands, and mean and SD that take the place of what the scales imply for it: in
        points, slopes in points over the horizon. They hold for every model of the same formula.
    """

    name: str
    label: str
    tag: str
    scales: tuple[tuple[str, PriorScales], ...]
    stance: Stance = ""
    estimands: tuple[tuple[str, str, tuple[float, float]], ...] = ()

    def for_outcome(self, outcome: str) -> PriorScales:
        """Return the scales of one outcome (KeyError where the set has none; loading checks that)."""
        return dict(self.scales)[outcome]
