"""What a stress test gives: the posterior of one estimand under one changed assumption.

Nothing here computes anything but summaries of draws. Verdict rules are applied elsewhere; the one that stands here
only says on which side of zero the interval lies, so that maps can be drawn without any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bayes_alliance.assess.summaries import INTERVAL, Summary, summarise_draws
from bayes_alliance.inference.fits import Array

Test = Literal["base", "pattern_mixture", "delta", "shared_parameter", "joint", "conditioning", "likelihood"]
VerdictRule = Callable[[Array], str]
BELOW, ABOVE, NEITHER = "below zero", "above zero", "zero inside"


@dataclass(frozen=True, kw_only=True)
class StressDraws:
    """Posterior of one estimand under one changed assumption.

    Parameters
    ----------
    test : str
        Which stress test; "base" for the unchanged model.
    variant : str
        Which change within the test, such as "student_t".
    changed : str
        In words: what differs from the unchanged model.
    model_id, outcome, estimand, label, kind : str
        What it is the posterior of.
    draws : ndarray, shape (chain, draw)
        In the outcome's unit, per unit of time for slopes.
    unit : float
        Factor that makes points over the horizon of them.
    effective : float or None
        How many independent draws they are worth; None where chains tell by themselves.
    facts : mapping of str to number or str
        What the test says of its own run.
    """

    test: Test
    variant: str
    changed: str
    model_id: str
    outcome: str
    estimand: str
    label: str
    kind: str
    draws: Array
    unit: float
    effective: float | None = None
    facts: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def points(self) -> Array:
        """All draws in points (over the horizon, for slopes), shape (s,)."""
        flat: Array = self.draws.reshape(-1) * self.unit
        return flat

    def summary(self) -> Summary:
        """Summarise the draws in points (over the horizon, for slopes)."""
        name = f"{self.model_id}: {self.estimand} ({self.test}, {self.variant})"
        return summarise_draws(self.draws * self.unit, name=name, effective=self.effective)


@dataclass(frozen=True, kw_only=True)
class StressSkipped:
    """A stress test that could not be made of a model, and why."""

    test: Test
    variant: str
    model_id: str
    reason: str


def interval_verdict(points: Array) -> str:
    """Return on which side of zero the equal-tailed 95 % interval lies.

    Parameters
    ----------
    points : ndarray, shape (s,)
        Draws.

    Returns
    -------
    str
        "below zero", "above zero" or "zero inside".

    Examples
    --------
    >>> interval_verdict(np.linspace(-3.0, -1.0, 101)), interval_verdict(np.linspace(-1.0, 3.0, 101))
    ('below zero', 'zero inside')
    """
    tail = (1.0 - INTERVAL) / 2.0
    lower, upper = np.quantile(points, [tail, 1.0 - tail])
    if upper < 0.0:
        return BELOW
    return ABOVE if lower > 0.0 else NEITHER
