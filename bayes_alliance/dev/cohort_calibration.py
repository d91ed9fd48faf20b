"""Whether draws given print are calibrated: many small invented publications, and the truth's rank among the draws.

Ranks of printed and of unprinted quantities are judged apart, each pooled over its quantities, against the simultaneous
95 % band of the empirical distribution of uniform ranks of as many studies; coefficients by the coverage of the
mixture of posteriors. Each study is one line of a file, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bayes_alliance.dev.small_publications import PRINTED, PRIOR, UNPRINTED, Fault, SmallStudy, judge_small

Floats = NDArray[np.float64]
LEVELS = (0.5, 0.8, 0.95)
_SIMULATIONS = 4000


def calibrate(
    path: Path,
    *,
    studies: int,
    seed: int,
    draws: int,
    steps: int,
    fault: Fault,
    report: Callable[[str], None],
) -> list[SmallStudy]:
    """Judge small studies, those that the file has already left out.

    Parameters
    ----------
    path : Path
        One JSON line a study; made for one seed, number of draws and of steps.
    studies, seed, draws, steps : int
        How many studies; the seed of all; draws for each, and steps of each draw's chain.
    fault : {"none", "nearest_edge", "euclidean", "flipped_sign"}
        A deliberate fault, or none.
    report : callable
        Gets a line for each study.
    """
    asked = {"seed": seed, "draws": draws, "steps": steps, "fault": fault}
    kept = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {item["study"]: item for item in kept if {k: item[k] for k in asked} == asked}
    with threadpool_limits(limits=1, user_api="blas"):
        for study in range(studies):
            if study in done:
                continue
            found = judge_small(PRIOR, [seed, study], draws=draws, steps=steps, fault=fault)
            done[study] = {**asked, "study": study, **asdict(found)}
            with path.open("a") as file:
                file.write(json.dumps(done[study]) + "\n")
            report(f"study {study}: {found.n} draws, {found.failed} designs failed")
    fields = ("ranks", "n", "places", "accepted", "failed")
    return [SmallStudy(**{name: done[study][name] for name in fields}) for study in range(studies)]


@dataclass(frozen=True, kw_only=True)
class RankCheck:
    """Ranks of some quantities against uniform ones.

    Parameters
    ----------
    name : str
        Which quantities.
    n : int
        Studies with at least one draw.
    distance : float
        Largest distance of the empirical distribution of the ranks, as shares, from the uniform; of several quantities
        the mean over them at each point.
    band : float
        95 % quantile of that distance for ranks that are uniform and, over quantities of a study, equal: the worst
        case.
    """

    name: str
    n: int
    distance: float
    band: float

    @property
    def passed(self) -> bool:
        """Whether the ranks stay inside the band."""
        return self.distance <= self.band


def check_ranks(found: Sequence[SmallStudy], names: Sequence[str], label: str) -> RankCheck:
    """Compare the ranks of quantities with uniform ones."""
    used = [study for study in found if study.n]
    shares = np.array([[(study.ranks[name] + 0.5) / (study.n + 1.0) for name in names] for study in used])
    distance = _distance(shares) if len(used) else 1.0
    rng = np.random.default_rng(0)
    size = max(len(used), 1)
    simulated = [_distance(_uniform_shares(rng, used, size)) for _ in range(_SIMULATIONS)]
    return RankCheck(name=label, n=len(used), distance=distance, band=float(np.quantile(simulated, 0.95)))


def _uniform_shares(rng: np.random.Generator, used: Sequence[SmallStudy], size: int) -> Floats:
    most = np.array([study.n for study in used]) if used else np.full(size, 1)
    found: Floats = ((rng.integers(0, most + 1) + 0.5) / (most + 1.0))[:, None]
    return found


def _distance(shares: Floats) -> float:
    """Largest distance between the mean over columns of the empirical distributions and the uniform."""
    at = np.linspace(0.02, 0.98, 49)
    reached = (shares[:, :, None] <= at).mean(axis=(0, 1))
    return float(np.max(np.abs(reached - at)))


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How often the mixture's central interval of a level covers the true coefficient, all coefficients together."""

    level: float
    covered: float
    error: float
    n: int

    @property
    def passed(self) -> bool:
        """Whether it lies within three Monte-Carlo errors of its level."""
        return abs(self.covered - self.level) <= 3.0 * self.error


def check_coverage(found: Sequence[SmallStudy]) -> list[Coverage]:
    """Coverage of the mixture's intervals; the error counts a study once, since its coefficients share its data."""
    places = np.array([list(study.places.values()) for study in found if study.n])
    checks = []
    for level in LEVELS:
        inside = np.abs(places - 0.5) <= level / 2.0
        by_study = inside.mean(axis=1)
        error = float(np.sqrt(level * (1.0 - level) / len(places)))
        spread = float(by_study.std(ddof=1) / np.sqrt(len(places)))
        checks.append(
            Coverage(level=level, covered=float(inside.mean()), error=max(spread, error / 3.0), n=inside.size)
        )
    return checks


def judge(found: Sequence[SmallStudy]) -> tuple[list[RankCheck], list[Coverage]]:
    """All checks of a run: printed and unprinted quantities apart, and coverage."""
    ranks = [
        check_ranks(found, [name for name, _ in PRINTED], "printed"),
        check_ranks(found, UNPRINTED, "unprinted"),
    ]
    return ranks, check_coverage(found)
