"""How often print alone, and the mixture, told what the data tell, over the effects of all registered studies.

Print and data speak of the same patients, so that nothing is uniform here by theory: where print loses nothing every
rank is 0.5 and every interval holds the data's posterior mean. The Clopper-Pearson interval says how far a count of so
few effects can be trusted; effects of one study are not independent, so that it is narrower than it should be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy import special

from bayes_alliance.claims.register import EstimandAgreement, Held, RegisterEntry

LEVELS = (0.50, 0.80, 0.95)
SOURCES: dict[str, Callable[[EstimandAgreement], Held | None]] = {
    "print": lambda one: one.by_print,
    "mixture": lambda one: one.by_mixture,
}
_KINDS = {
    "level": "levels",
    "slope": "slopes",
    "level_deviation": "effects on the level",
    "slope_deviation": "effects on the slope",
}


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How often one source without the data told what the data tell, for one kind of effect.

    Parameters
    ----------
    kind, source : str
        Which effects; ``print`` or ``mixture``.
    n : int
        How many.
    within : tuple of int
        How many of the data's posterior means lie in the source's interval of each of :data:`LEVELS`.
    told : int
        How many effects the source did not miss.
    lower, upper : float
        95 % Clopper-Pearson interval for the share of effects that it does not miss.
    shares : float
        Mean share of the data's posteriors in the source's 95 % intervals.
    """

    kind: str
    source: str
    n: int
    within: tuple[int, ...]
    told: int
    lower: float
    upper: float
    shares: float


def agreement_by_kind(entries: Sequence[RegisterEntry], source: str = "print") -> tuple[Agreement, ...]:
    """Return the agreement for every kind of effect that is printed, and for all of them last.

    Parameters
    ----------
    entries : sequence of RegisterEntry
        After their blind tests.
    source : {"print", "mixture"}
        What is held against the data; effects without a mixture are not counted for it.
    """
    held = SOURCES[source]
    every = [one for entry in entries for one in entry.estimands if held(one) is not None]
    kinds = {
        kind: [one for one in every if one.role == kind] for kind in dict.fromkeys(e.role for e in every)
    }
    found = [_agreement(_KINDS.get(kind, kind), source, ones) for kind, ones in kinds.items()]
    return (*found, _agreement("all", source, every)) if every else ()


def _agreement(kind: str, source: str, ones: Sequence[EstimandAgreement]) -> Agreement:
    held = [one for one in map(SOURCES[source], ones) if one is not None]
    told = sum(not one.missed for one in held)
    lower, upper = clopper_pearson(told, len(held))
    within = tuple(sum(abs(one.rank - 0.5) <= level / 2.0 for one in held) for level in LEVELS)
    shares = sum(one.share_within for one in held) / len(held)
    return Agreement(
        kind=kind,
        source=source,
        n=len(held),
        within=within,
        told=told,
        lower=lower,
        upper=upper,
        shares=shares,
    )


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of Clopper & Pearson (1934, doi:10.1093/biomet/26.4.404) for a share.

    Parameters
    ----------
    successes, trials : int
        How many of how many; without trials everything is possible.
    level : float
        Of the interval.

    Returns
    -------
    (float, float)

    Examples
    --------
    >>> tuple(round(end, 4) for end in clopper_pearson(19, 19))
    (0.8235, 1.0)
    """
    tail = (1.0 - level) / 2.0
    failures = trials - successes
    lower = float(special.betaincinv(successes, failures + 1, tail)) if successes else 0.0
    upper = float(special.betaincinv(successes + 1, failures, 1.0 - tail)) if failures else 1.0
    return lower, upper
