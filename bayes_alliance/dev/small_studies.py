"""Simulated publications judged: the truth's rank among draws that know the print alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from bayes_alliance.cohorts.draws.growth import Whitening
from bayes_alliance.dev.small_draws import Fault, SmallDraw, draw_small
from bayes_alliance.dev.small_publications import (
    PRINTED,
    TESTS,
    SmallPrior,
    SmallPublication,
    draw_design,
    lay_out_world,
    publish,
    read_numbers,
)

COEFFICIENTS = ("level", "slope", "group level", "group slope", "extra level", "extra slope")
END = "distance to an end: "
ENDS = tuple(f"{END}{name}" for name in (*(name for name, _ in PRINTED), *TESTS))


@dataclass(frozen=True, kw_only=True)
class SmallStudy:
    """One simulated publication judged: where the truth lies among the draws.

    Parameters
    ----------
    ranks : dict of str to list of int
        Of each quantity, the rank of every member, 0 to n: the truth first, then the n draws (ties at random).
    n : int
        Draws.
    places : dict of str to float
        Of each coefficient, the probability that the mixture of posteriors gives to values below the true one.
    accepted, designs : float
        Mean shares of steps accepted: among scores, and to other designs.
    failed : int
        Dealt designs on which no scores print the publication.
    """

    ranks: dict[str, list[int]]
    n: int
    places: dict[str, float]
    accepted: float
    designs: float
    failed: int


Draw = Callable[[SmallPublication, np.random.Generator], SmallDraw | None]


def judge_small(
    prior: SmallPrior,
    seed: Sequence[int],
    *,
    draws: int = 10,
    steps: int = 72,
    fault: Fault = "none",
) -> SmallStudy:
    """Simulate a study, print it, draw data sets by chains given the print alone, and rank the truth among them."""

    def draw(publication: SmallPublication, rng: np.random.Generator) -> SmallDraw | None:
        return draw_small(prior, publication, rng, steps=steps, fault=fault)

    return judge_draws(prior, seed, draw, draws=draws, flipped=fault == "flipped_sign")


def judge_draws(
    prior: SmallPrior,
    seed: Sequence[int],
    draw: Draw,
    *,
    draws: int,
    flipped: bool = False,
    grid: float = 0.0,
) -> SmallStudy:
    """Simulate a study, print it, and rank the truth among data sets drawn given the print alone.

    Parameters
    ----------
    prior : SmallPrior
        What the study comes from.
    seed : sequence of int
        Of everything.
    draw : callable
        From a publication to a data set, or None where none was found.
    draws : int
        How many data sets.
    flipped : bool
        Whether the printed slope difference is read with the wrong sign: a deliberate fault.
    grid : float
        Step that the true scores are rounded to; 0 for none.
    """
    rng = np.random.default_rng(list(seed))
    world = lay_out_world(prior, draw_design(prior, rng))
    white = rng.standard_normal(world.size)
    y = Whitening(world.layout, prior.covariance.draw(rng)).colour(white)
    if grid:
        y = grid * np.round(y / grid)
    truth = read_numbers(world, y)
    publication = publish(truth, len(y))
    if flipped:
        publication = _flip(publication)
    found, failed = _draw_several(draw, publication, draws, rng)
    members = [measure(numbers, publication) for numbers in (truth, *(d.numbers for d in found))]
    ranks = {name: _rank_all([member[name] for member in members], rng) for name in members[0]}
    beta = world.layout.column_sd * white[: len(world.layout.column_sd)]
    places = {
        name: float(np.mean([special.ndtr((beta[k] - d.mean[k]) / d.sd[k]) for d in found]))
        for k, name in enumerate(COEFFICIENTS)
        if found
    }
    return SmallStudy(
        ranks=ranks,
        n=len(found),
        places=places,
        accepted=float(np.mean([d.accepted for d in found])) if found else 0.0,
        designs=float(np.mean([d.designs for d in found])) if found else 0.0,
        failed=failed,
    )


def _draw_several(
    draw: Draw, publication: SmallPublication, draws: int, rng: np.random.Generator
) -> tuple[list[SmallDraw], int]:
    """Draw data sets until there are enough, or four times as many tries have failed; and how many did."""
    found: list[SmallDraw] = []
    failed = 0
    while len(found) < draws and failed < 4 * draws:
        one = draw(publication, rng)
        if one is None:
            failed += 1
        else:
            found.append(one)
    return found, failed


def measure(numbers: Mapping[str, float], publication: SmallPublication) -> dict[str, float]:
    """All quantities of a data set that are ranked: its numbers, and how far inside what is printed each lies."""
    intervals = {
        **publication.intervals,
        TESTS[0]: publication.level,
        TESTS[1]: publication.slope,
    }
    ends = {
        f"{END}{name}": min(numbers[name] - low, high - numbers[name])
        for name, (low, high) in intervals.items()
    }
    return {**numbers, **ends}


def _rank_all(values: Sequence[float], rng: np.random.Generator) -> list[int]:
    """Rank of each value, ties at random."""
    order = np.lexsort((rng.random(len(values)), np.array(values)))
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[order] = np.arange(len(values))
    return [int(rank) for rank in ranks]


def _flip(publication: SmallPublication) -> SmallPublication:
    """Read the printed slope difference with the wrong sign."""
    name = "group:estimate:time:group"
    low, high = publication.intervals[name]
    turned = {**publication.intervals, name: (-high, -low)}
    slope = (-publication.slope[1], -publication.slope[0])
    return replace(publication, intervals=turned, slope=slope)
