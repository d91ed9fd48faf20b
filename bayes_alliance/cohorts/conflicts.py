r"""Printed numbers that no data can meet, whichever way the publication is read: the smallest sets that conflict.

Every target is an interval of some number of a fit, and numbers of fits obey a few laws whatever the data: an
estimate, its SE and its test go together as :math:`|t| = |b|/s`; one number has one value wherever it is printed; an
AIC is a deviance plus twice a number of parameters; a share of explained variance is that of two variances; an effect
said to be less than another is not more. A set of targets conflicts if no values obey these laws inside all of its
intervals. What rows a model rests on, degrees of freedom and how parameters are counted stay open, so that a conflict
is one under every reading. Cohorts are built without the targets of a smallest conflicting set; everything else is
asked.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bayes_alliance.cohorts.solver.targets import Target, list_targets
from bayes_alliance.published.constraints import degrees_of_freedom
from bayes_alliance.published.printed_effects import fewest_df, printed_effects
from bayes_alliance.published.stars import PBounds, bound_t
from bayes_alliance.study.records import Study

_SLACK = 1e-9
_EFFECT = ("estimate", "se", "p", "sign")
_ORDER = ("less_t", "less_estimate")
Effect = tuple[str, tuple[tuple[str, float], ...]]


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """Targets that cannot be met together, while any of them can be met without the others.

    Parameters
    ----------
    targets : tuple of Target
        A smallest such set.
    """

    targets: tuple[Target, ...]

    @property
    def says(self) -> str:
        """Which numbers, as a sentence."""
        numbers = dict.fromkeys(f"{t.place}: {t.said} ({t.kind.replace('_', ' ')})" for t in self.targets)
        if len(numbers) == 1:
            return f"no data can print {next(iter(numbers))}"
        return "no data can print together: " + "; ".join(numbers)


@dataclass(frozen=True)
class _Range:
    """Sizes that are left to a number."""

    low: float
    high: float

    @property
    def is_empty(self) -> bool:
        slack = _SLACK * max(1.0, abs(self.low)) if math.isfinite(self.low) else 0.0
        return self.low > self.high + slack


def find_conflicts(study: Study) -> tuple[Conflict, ...]:
    """Find the smallest sets of a study's targets that no data can meet together.

    Parameters
    ----------
    study : Study
        With cells and facts.

    Returns
    -------
    tuple of Conflict
        One after another: each without the targets of those before it.
    """
    laws = _Laws(study=study, fewest_df=_printed_df(study))
    found = []
    for group in _groups(study, list_targets(study)):
        left = list(group)
        while not laws.allow(left):
            smallest = _smallest(laws, left)
            found.append(Conflict(targets=smallest))
            left = [target for target in left if target not in smallest]
    return tuple(found)


def possible_targets(study: Study) -> list[Target]:
    """List the targets that cohorts are built for: all but those of conflicting sets."""
    left_out = {target for conflict in find_conflicts(study) for target in conflict.targets}
    return [target for target in list_targets(study) if target not in left_out]


def say_conflicts(study: Study) -> list[str]:
    """Return a sentence for each set of printed numbers that cohorts are built without."""
    return [f"{conflict.says}; cohorts are built without them" for conflict in find_conflicts(study)]


def _smallest(laws: _Laws, targets: Sequence[Target]) -> tuple[Target, ...]:
    """Return the first of the smallest subsets that cannot stand."""
    return next(
        some
        for size in range(1, len(targets) + 1)
        for some in itertools.combinations(targets, size)
        if not laws.allow(some)
    )


def _groups(study: Study, targets: Sequence[Target]) -> list[list[Target]]:
    """Targets that some law ties to one another, directly or not."""
    groups: list[tuple[set[object], list[Target]]] = []
    for target in targets:
        numbers, members = set(_numbers_of(study, target)), [target]
        for group in [group for group in groups if group[0] & numbers]:
            groups.remove(group)
            numbers |= group[0]
            members = [*group[1], *members]
        groups.append((numbers, members))
    return [members for _, members in groups]


def _numbers_of(study: Study, target: Target) -> Iterator[object]:
    """Return the numbers of fits that a target speaks of."""
    if target.kind in (*_EFFECT, *_ORDER):
        yield target.model, target.weights
    if target.kind in _ORDER:
        yield target.other, target.other_weights
    if target.kind in ("aic", "deviance"):
        yield target.model, "likelihood"
    if target.kind == "variance":
        yield target.model, "variance", target.which
    if target.kind in ("explained_intercept", "explained_slope"):
        which = int(target.kind == "explained_slope")
        yield target.model, "variance", which
        yield study.model(target.model).reference, "variance", which
    yield target.model, target.kind, target.which, target.weights, target.other


def _printed_df(study: Study) -> dict[Effect, float]:
    """Fewest degrees of freedom of effects whose row prints some."""
    return {
        (effect.model.id, effect.weights): degrees_of_freedom(effect.parsed, (effect.df_low, math.inf))[0]
        for effect in printed_effects(study)
    }


@dataclass(frozen=True, kw_only=True)
class _Laws:
    """What binds the numbers of a study, and the fewest degrees of freedom of each printed effect."""

    study: Study
    fewest_df: Mapping[Effect, float]

    def allow(self, targets: Sequence[Target]) -> bool:
        """Whether some values of the numbers obey all laws inside all intervals."""
        return _can_stand(self, targets)


def _can_stand(laws: _Laws, targets: Sequence[Target]) -> bool:
    effects: dict[Effect, list[Target]] = {}
    plain: dict[tuple[str, str, int, str], list[Target]] = {}
    for target in targets:
        if target.kind in _EFFECT:
            effects.setdefault((target.model, target.weights), []).append(target)
        elif target.kind not in _ORDER:
            plain.setdefault((target.model, target.kind, target.which, target.other), []).append(target)
    numbers = {key: _meet(some) for key, some in plain.items()}
    sizes = {effect: _sizes(laws, effect, some) for effect, some in effects.items()}
    if any(one.is_empty for one in numbers.values()) or any(
        one.is_empty for pair in sizes.values() for one in pair
    ):
        return False
    orders = [target for target in targets if target.kind in _ORDER]
    return (
        all(_obeys_order(order, sizes) for order in orders)
        and _likelihoods_stand(numbers)
        and _shares_stand(laws.study, numbers)
    )


def _meet(targets: Sequence[Target]) -> _Range:
    return _Range(
        max((t.low for t in targets), default=-math.inf), min((t.high for t in targets), default=math.inf)
    )


def _sizes(laws: _Laws, effect: Effect, targets: Sequence[Target]) -> tuple[_Range, _Range]:
    """Sizes of estimate and test statistic that the targets of one effect leave."""
    estimate = _meet([t for t in targets if t.kind in ("estimate", "sign")])
    se = _meet([t for t in targets if t.kind == "se"])
    p = _meet([t for t in targets if t.kind == "p"])
    empty = _Range(1.0, 0.0)
    if estimate.is_empty or se.is_empty or p.is_empty or se.high <= 0.0:
        return empty, empty
    least = max(estimate.low, -estimate.high, 0.0)
    most = max(abs(estimate.low), abs(estimate.high))
    smallest_se = max(se.low, 0.0)
    # Where degrees of freedom are not printed: the widest bounds that any of them give.
    fewest = laws.fewest_df.get(effect) or fewest_df(laws.study, effect[1])
    asked = bound_t(PBounds(low=max(p.low, 0.0), high=min(p.high, 1.0)), fewest)
    by_digits = _Range(least / se.high, most / smallest_se if smallest_se > 0.0 else math.inf)
    t = _Range(max(by_digits.low, asked.low), min(by_digits.high, asked.high))
    # A test bounds the estimate, too, where the SE is printed.
    return _Range(max(least, t.low * smallest_se), min(most, t.high * se.high if t.high > 0.0 else 0.0)), t


def _obeys_order(order: Target, sizes: dict[Effect, tuple[_Range, _Range]]) -> bool:
    free = (_Range(0.0, math.inf), _Range(0.0, math.inf))
    which = int(order.kind == "less_t")
    mine = sizes.get((order.model, order.weights), free)[which]
    other = sizes.get((order.other, order.other_weights), free)[which]
    return not _Range(mine.low, other.high + order.high).is_empty


def _likelihoods_stand(numbers: dict[tuple[str, str, int, str], _Range]) -> bool:
    """Whether every AIC is its deviance plus twice some number of parameters; which, programs count differently."""
    for (model, kind, _, _), aic in numbers.items():
        deviance = numbers.get((model, "deviance", 0, ""))
        if kind == "aic" and deviance is not None:
            least, most = aic.low - deviance.high, aic.high - deviance.low
            if 2.0 * max(1, math.ceil(least / 2.0 - _SLACK)) > most + _SLACK:
                return False
    return True


def _shares_stand(study: Study, numbers: dict[tuple[str, str, int, str], _Range]) -> bool:
    """Whether every share of explained variance is that of the two variances."""
    for (model, kind, _, _), share in numbers.items():
        if not kind.startswith("explained"):
            continue
        which = int(kind == "explained_slope")
        mine = numbers.get((model, "variance", which, ""), _Range(0.0, math.inf))
        other = numbers.get(
            (study.model(model).reference or "", "variance", which, ""), _Range(0.0, math.inf)
        )
        most = 100.0 * (1.0 - (mine.low / other.high if other.high > 0.0 else math.inf))
        least = -math.inf if other.low <= 0.0 else 100.0 * (1.0 - mine.high / other.low)
        if share.low > most + _SLACK or share.high < least - _SLACK:
            return False
    return True
