r"""How often each verdict comes out at each true effect, under each candidate for the default prior, in closed form.

An estimate is Normal about the true effect with the printed SE s, a prior on the effect Normal about zero with SD
:math:`\tau`, so the posterior is Normal with mean :math:`kb` and SD :math:`\sqrt k\,s`, where
:math:`k = \tau^2/(\tau^2+s^2)`.
Shares of verdicts are integrals over the estimate; a prior moves an estimate of t standard errors by
:math:`(1 - k)\,t` of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from bayes_alliance.assess.verdict_rules import interval_probabilities, judge
from bayes_alliance.assess.verdict_words import ORDER, Verdict
from bayes_alliance.study.records import Study

# Printed SEs of differences in slope of Tasks, 0.01 and 0.02 points a month, over 36 months.
SES = (0.36, 0.72)
TRUTHS = (-0.5, 0.0, 0.5, 1.0, 2.0)
FLAT = math.inf
_REACH, _COUNT = 9.0, 6001


@dataclass(frozen=True, kw_only=True)
class VerdictRates:
    """Share of each verdict on the claim that an effect is above zero.

    Parameters
    ----------
    prior : str
        Name of the prior set, or ``flat``.
    sd, se, truth : float
        SD of the prior, SE of the estimate, true effect, in points.
    shares : mapping of Verdict to float
        They sum to one.
    """

    prior: str
    sd: float
    se: float
    truth: float
    shares: Mapping[Verdict, float]


def shrinkage(sd: float, se: float) -> float:
    """Return the share of an estimate that the posterior mean keeps."""
    return 1.0 if math.isinf(sd) else sd**2 / (sd**2 + se**2)


def verdict_rates(
    prior: str, sd: float, se: float, *, truths: Sequence[float] = TRUTHS, smallest: float
) -> list[VerdictRates]:
    """Integrate the verdicts over the estimate, for one prior and SE.

    Parameters
    ----------
    smallest : float
        Smallest difference that matters, in points.
    """
    kept = shrinkage(sd, se)
    edges = np.linspace(min(truths) - _REACH * se, max(truths) + _REACH * se, _COUNT)
    middle = 0.5 * (edges[1:] + edges[:-1])
    spread = np.full(len(middle), math.sqrt(kept) * se)
    found = interval_probabilities(kept * middle, spread, "above", smallest=smallest)
    words = np.array([judge("above", one).verdict for one in found])
    rates = []
    for truth in truths:
        mass = np.diff(special.ndtr((edges - truth) / se))
        shares = {verdict: float(mass[words == verdict].sum()) for verdict in ORDER}
        rates.append(VerdictRates(prior=prior, sd=sd, se=se, truth=truth, shares=shares))
    return rates


def candidates(study: Study, outcome: str) -> dict[str, float]:
    """Return the SDs of the candidates for the default prior of a difference in slope, in points; the default first."""
    found = {
        prior.name: prior.for_outcome(outcome).effect_slope[1]
        for prior in study.priors
        if not prior.stance and prior.for_outcome(outcome).effect_slope[0] == 0.0
    }
    return found | {"flat": FLAT}


def tabulate_verdict_rates(study: Study, outcome: str = "tasks") -> Iterator[str]:
    """Format a Markdown table, a line for each SE, prior and truth."""
    smallest = dict(study.publication.smallest_difference)[outcome]
    yield "| SE | prior (SD) | moves t = 3 by | true effect | " + " | ".join(v.value for v in ORDER) + " |"
    yield "| ---: | --- | ---: | ---: |" + " ---: |" * len(ORDER)
    for se in SES:
        for name, sd in candidates(study, outcome).items():
            moved = 3.0 * (1.0 - shrinkage(sd, se))
            label = name if math.isinf(sd) else f"{name} ({sd:g})"
            for rate in verdict_rates(name, sd, se, smallest=smallest):
                shares = " | ".join(f"{100 * rate.shares[v]:.1f} %" for v in ORDER)
                yield f"| {se:g} | {label} | {moved:.2f} SE | {rate.truth:g} | {shares} |"
