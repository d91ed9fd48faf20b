"""Posterior weights of the readings of a publication: prior weights times what printed numbers say for each option.

Four kinds of print weigh readings: changes of AIC (:mod:`~bayes_alliance.published.reading_rows`), rows of a crossed
factor (:mod:`~bayes_alliance.published.reading_cells`), percentages of stated counts, and directions that the text
gives. Readings are independent of each other; one that arises under an option of another is summed out there. Where
nothing printed speaks to a reading its weights are its prior weights.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayes_alliance.inference.fits import Array
from bayes_alliance.published.count_checks import percent_of, possible_counts
from bayes_alliance.published.patient_counts import count_of, fact
from bayes_alliance.published.printed_effects import PrintedEffect, effect_weights, printed_effects
from bayes_alliance.published.reading_cells import cell_likelihoods
from bayes_alliance.published.reading_rows import gather_rows, row_likelihood
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.study.readings import (
    Direction,
    Reading,
    ReadingOption,
    Readings,
    ShareReading,
    cell_under,
)
from bayes_alliance.study.records import Study

AIC, CELLS, PERCENTAGES, DIRECTIONS = "changes of AIC", "rows of the table", "percentages", "directions"
NESTED = "readings within it"
SEED = 2020
# Patients without a value of a valid percentage: each more is half as likely.
MOST_WITHOUT_VALUE = 5


@dataclass(frozen=True, kw_only=True)
class OptionWeight:
    """One option of a reading, weighed.

    Parameters
    ----------
    option : ReadingOption
        Which.
    prior, posterior : float
        Weights that add up to one over the reading.
    evidence : tuple of (str, float)
        By kind of print, the natural logarithm of its likelihood under the option.
    """

    option: ReadingOption
    prior: float
    posterior: float
    evidence: tuple[tuple[str, float], ...] = ()

    @property
    def log_likelihood(self) -> float:
        """Of all that is printed."""
        return sum(value for _, value in self.evidence)


@dataclass(frozen=True, kw_only=True)
class WeighedReading:
    """A reading and its options, weighed."""

    reading: Reading
    options: tuple[OptionWeight, ...]

    @property
    def is_told(self) -> bool:
        """Whether anything printed speaks to it."""
        return any(one.evidence for one in self.options)

    @property
    def conditional(self) -> bool:
        """Whether it arises only under an option of another reading."""
        return any(self.reading.within)


def weigh_readings(study: Study, readings: Readings, *, seed: int = SEED) -> tuple[WeighedReading, ...]:
    """Weigh every reading of a study by what is printed.

    Parameters
    ----------
    study : Study
        As loaded.
    readings : Readings
        Its own.
    seed : int
        Of the draws; the same seed gives the same weights.

    Returns
    -------
    tuple of WeighedReading
        In the order of the file. Weights of a reading within an option hold given that option.
    """
    return _weighed(_Same(study), readings, seed) if readings.readings else ()


class _Same:
    """Tells studies apart by which object they are: two may differ in cells alone."""

    def __init__(self, study: Study) -> None:
        self.study = study

    def __hash__(self) -> int:
        return id(self.study)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.study is self.study


# A run asks twice: for the printed side, and for its claims.
@functools.lru_cache(maxsize=4)
def _weighed(of_study: _Same, readings: Readings, seed: int) -> tuple[WeighedReading, ...]:
    study = of_study.study
    effects = printed_effects(study)
    found: dict[str, WeighedReading] = {}
    # Those within an option come later in the file and are needed first.
    for reading in reversed(readings.readings):
        nested = {one.reading.within[1]: one for one in found.values() if one.reading.within[0] == reading.id}
        rng = np.random.default_rng(derive_seed(seed, "reading", reading.id))
        found[reading.id] = _weigh(study, effects, reading, nested, readings.slip, rng)
    return tuple(found[reading.id] for reading in readings.readings)


def _weigh(
    study: Study,
    effects: Sequence[PrintedEffect],
    reading: Reading,
    nested: Mapping[str, WeighedReading],
    slip: float,
    rng: np.random.Generator,
) -> WeighedReading:
    kinds: dict[str, Array] = {}
    rows = gather_rows(study, effects, reading.models, rng) if reading.models else None
    if rows is not None:
        kinds[AIC] = np.array([row_likelihood(rows, o.missing, slip, rng) for o in reading.options])
    cells = cell_likelihoods(study, reading, slip, rng)
    if cells is not None:
        kinds[CELLS] = np.log(cells)
    if any(option.shares for option in reading.options):
        kinds[PERCENTAGES] = np.array([_shares(study, option, slip) for option in reading.options])
    if reading.directions:
        kinds[DIRECTIONS] = np.array([_directions(study, reading, o, slip) for o in reading.options])
    if nested:
        kinds[NESTED] = np.array([_summed_out(nested.get(option.id)) for option in reading.options])
    total = sum(kinds.values(), np.log(np.array(reading.prior)))
    posterior = np.exp(total - total.max())
    posterior /= posterior.sum()
    # Without evidence the weights are the prior's, to the last digit.
    weights = posterior if kinds else np.array(reading.prior)
    return WeighedReading(
        reading=reading,
        options=tuple(
            OptionWeight(
                option=option,
                prior=reading.prior[i],
                posterior=float(weights[i]),
                evidence=tuple((kind, float(values[i])) for kind, values in kinds.items()),
            )
            for i, option in enumerate(reading.options)
        ),
    )


def _summed_out(inner: WeighedReading | None) -> float:
    """Return the log likelihood of what is printed, over the options of a reading within one."""
    if inner is None:
        return 0.0
    return math.log(sum(one.prior * math.exp(one.log_likelihood) for one in inner.options))


def _shares(study: Study, option: ReadingOption, slip: float) -> float:
    return sum(math.log(share_likelihood(study, share, slip)) for share in option.shares)


def share_likelihood(study: Study, share: ShareReading, slip: float) -> float:
    """Return the probability that a percentage prints as it does.

    Parameters
    ----------
    study : Study
        With facts.
    share : ShareReading
        What it is a percentage of. Where the count is stated, it prints or not; else every count is as likely, and
        where the publication gives valid per cent a few patients may be without a value.
    slip : float
        Probability of a slip, which may print any percentage from 0 to 100.
    """
    stated = fact(study, share.fact)
    printed = percent_of(study, stated)
    total = count_of(study, fact(study, share.of))
    chances = []
    for size in range(total - share.fewer[1], total - share.fewer[0] + 1):
        if stated.same:
            count = count_of(study, fact(study, stated.same))
            possible = possible_counts(printed, size)
            counts = range(count - share.less[1], count - share.less[0] + 1)
            chances.append(float(np.mean([one in possible for one in counts])))
        else:
            chances.append(_of_any_count(study, share.fact, size))
    return (1.0 - slip) * float(np.mean(chances)) + slip / 101.0


def _of_any_count(study: Study, name: str, size: int) -> float:
    printed = percent_of(study, fact(study, name))
    without = range(min(MOST_WITHOUT_VALUE, size - 1) + 1) if study.publication.valid_percent else range(1)
    weights = np.array([0.5**k for k in without])
    each = np.array([len(possible_counts(printed, size - k)) / (size - k + 1) for k in without])
    return float(weights @ each / weights.sum())


def _directions(study: Study, reading: Reading, option: ReadingOption, slip: float) -> float:
    """Return the log probability that the signs of cells agree with the text as they do."""
    agree = [_agrees(study, one, option) for one in reading.directions]
    return sum(math.log(1.0 - 0.5 * slip if one else 0.5 * slip) for one in agree)


def _agrees(study: Study, said: Direction, option: ReadingOption) -> bool:
    """Whether a cell has the sign that the text gives its coefficient, as an option reads it."""
    cell = next(c for c in study.cells if (c.table, c.row, c.column) == (said.table, said.row, said.column))
    read = cell_under(cell, option)
    name, factor = (read.coefficient, read.factor) if read else (cell.coefficient, 1)
    model = study.model(said.model)
    own = dict(effect_weights(model, name))
    wanted = dict(effect_weights(model, said.coefficient))
    value = cell.parsed.value
    assert value is not None
    ratio = next((wanted[key] / own[key] for key in wanted if own.get(key)), 0.0)
    return float(value.value) * factor * ratio * said.sign > 0.0


def given(weighed: Sequence[WeighedReading], reading: str, option: str) -> float:
    """Return the posterior weight of an option of a reading (KeyError where there is none)."""
    own = {one.reading.id: one for one in weighed}[reading]
    return {one.option.id: one.posterior for one in own.options}[option]


def with_prior(one: WeighedReading) -> WeighedReading:
    """Return a reading with its prior weights, as if nothing were printed."""
    return replace(one, options=tuple(replace(o, posterior=o.prior, evidence=()) for o in one.options))
