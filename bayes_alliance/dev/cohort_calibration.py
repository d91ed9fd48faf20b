r"""Whether draws given print are calibrated: many small invented publications, and the truth's rank among the draws.

Truth and draws of a study are exchangeable if the draws are right, whatever the quantities and however they depend on
each other. So the distribution of any distance between ranks and the uniform is known exactly: that of the same
distance where a member picked at random stands in the truth's place. Ranks are judged so for four groups of quantities,
and each quantity alone against the simultaneous band of Säilynoja, Bürkner & Vehtari (2022,
doi:10.1007/s11222-022-10090-6); coefficients by the coverage of the mixture of posteriors. Each study is one line of a
file, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bayes_alliance.assess.uniformity import ecdf_band, holm
from bayes_alliance.dev.full_size_draws import judge_full_size
from bayes_alliance.dev.small_draws import Fault
from bayes_alliance.dev.small_publications import ANSWERS, PRINTED, PRIOR, TESTS, UNPRINTED
from bayes_alliance.dev.small_studies import ENDS, SmallStudy, judge_small
from bayes_alliance.runtime.code_digest import code_digest

Floats = NDArray[np.float64]
LEVELS = (0.5, 0.8, 0.95)
GROUPS: dict[str, tuple[str, ...]] = {
    "printed": (*(name for name, _ in PRINTED), *TESTS),
    "distance to an end": ENDS,
    "unprinted": UNPRINTED,
    "answers of the full data": ANSWERS,
}
POINTS = np.linspace(0.02, 0.98, 49)
_SIMULATIONS = 4000
_CHAINS, _FULL_SIZE = "bayes_alliance.dev.small_studies", "bayes_alliance.dev.full_size_draws"
_SIGNIFICANT = 0.05


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
    """Judge small studies, those that the file has already from the same code left out.

    Parameters
    ----------
    path : Path
        One JSON line a study, with its seed, draws, steps, fault and the digest of the code that drew it.
    studies, seed, draws, steps : int
        How many studies; the seed of all; draws for each, and steps of each draw's chain.
    fault : {"none", "nearest_edge", "euclidean", "flipped_sign"}
        A deliberate fault, or none.
    report : callable
        Gets a line for each study.
    """
    asked = {"code": code_digest(_CHAINS), "seed": seed, "draws": draws, "steps": steps, "fault": fault}

    def one(study: int) -> SmallStudy:
        return judge_small(PRIOR, [seed, study], draws=draws, steps=steps, fault=fault)

    return _continue(path, studies, asked, one, report)


def calibrate_full_size(
    path: Path, *, studies: int, seed: int, draws: int, report: Callable[[str], None]
) -> list[SmallStudy]:
    """Judge the steps that draw shipped cohorts on small studies, those that the file has already left out.

    Parameters are those of :func:`calibrate`.
    """
    asked = {"code": code_digest(_FULL_SIZE), "seed": seed, "draws": draws, "fault": "none"}

    def one(study: int) -> SmallStudy:
        return judge_full_size(PRIOR, [seed, study], draws=draws)

    return _continue(path, studies, asked, one, report)


def _continue(
    path: Path,
    studies: int,
    asked: dict[str, object],
    judge_one: Callable[[int], SmallStudy],
    report: Callable[[str], None],
) -> list[SmallStudy]:
    """Judge the studies that a file lacks, and add a line for each."""
    done = {item["study"]: item for item in _lines(path) if {k: item.get(k) for k in asked} == asked}
    with threadpool_limits(limits=1, user_api="blas"):
        for study in range(studies):
            if study in done:
                continue
            found = judge_one(study)
            done[study] = {**asked, "study": study, **asdict(found)}
            with path.open("a") as file:
                file.write(json.dumps(done[study]) + "\n")
            report(f"study {study}: {found.n} draws, {found.failed} designs failed")
    return [_study(done[study]) for study in range(studies)]


def read_studies(path: Path, fault: Fault) -> list[SmallStudy]:
    """Return the studies of a file that have a fault, or none.

    Raises
    ------
    ValueError
        If they come from more than one version of the code.
    """
    lines = [item for item in _lines(path) if item["fault"] == fault]
    codes = {item.get("code") for item in lines}
    if len(codes) > 1:
        raise ValueError(
            f"{path}: fault {fault} drawn by {len(codes)} versions of the code; delete the lines of all but one"
        )
    return [_study(item) for item in lines]


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _study(item: dict[str, object]) -> SmallStudy:
    fields = ("ranks", "n", "places", "accepted", "designs", "failed")
    return SmallStudy(**{name: item[name] for name in fields})  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class RankCheck:
    """Ranks of a group of quantities against uniform ones.

    Parameters
    ----------
    name : str
        Which group.
    n, quantities : int
        Studies with at least one draw, and quantities of each.
    distance : float
        Largest distance between the distribution of the truth's ranks, the mean over the quantities, and that of all
        members' ranks.
    band : float
        95 % quantile of that distance where any member stands in the truth's place.
    p : float
        How often it is then at least as large.
    worst : str
        The quantity with the smallest p value by its own simultaneous band.
    worst_p : float
        That p value, adjusted for the number of quantities (Holm).
    """

    name: str
    n: int
    quantities: int
    distance: float
    band: float
    p: float
    worst: str
    worst_p: float

    @property
    def passed(self) -> bool:
        """Whether the ranks stay inside the band, all together and each quantity's."""
        return self.distance <= self.band and self.worst_p >= _SIGNIFICANT


@dataclass(frozen=True, kw_only=True)
class EcdfDifference:
    """Distribution of the truth's ranks minus that of all members' ranks, at ``POINTS``.

    Parameters
    ----------
    together : ndarray, shape (k,)
        Mean over the quantities.
    each : ndarray, shape (quantities, k)
        Of every quantity.
    exchanged : ndarray, shape (simulations, k)
        As ``together``, with a member picked at random in the truth's place in each study.
    """

    together: Floats
    each: Floats
    exchanged: Floats

    @property
    def band(self) -> float:
        """95 % quantile of the largest distance of the exchanged."""
        return float(np.quantile(np.abs(self.exchanged).max(axis=1), 0.95))


def compare_ecdf(found: Sequence[SmallStudy], names: Sequence[str]) -> EcdfDifference:
    """Compare the distribution of the truth's ranks with that of any member's."""
    each, members = [], []
    for study in found:
        if study.n:
            shares = (np.array([study.ranks[name] for name in names]) + 0.5) / (study.n + 1.0)
            below = (shares[:, :, None] <= POINTS).astype(float)
            below -= below.mean(axis=1, keepdims=True)
            each.append(below[:, 0])
            members.append(below.mean(axis=0))
    rng = np.random.default_rng(0)
    exchanged = np.zeros((_SIMULATIONS, len(POINTS)))
    for table in members:
        exchanged += table[rng.integers(0, len(table), _SIMULATIONS)] / len(members)
    differences = np.mean(each, axis=0)
    return EcdfDifference(together=differences.mean(axis=0), each=differences, exchanged=exchanged)


def check_ranks(found: Sequence[SmallStudy], names: Sequence[str], label: str) -> RankCheck:
    """Compare the ranks of quantities with uniform ones, all together and one by one.

    Raises
    ------
    ValueError
        If fewer than two studies have a draw.
    """
    used = [study for study in found if study.n]
    if len(used) < 2:
        raise ValueError(
            f"{len(used)} studies with a draw make no distribution of ranks; at least 2 are needed"
        )
    difference = compare_ecdf(used, names)
    distance = float(np.max(np.abs(difference.together)))
    rng = np.random.default_rng(1)
    transforms = np.array(
        [[(study.ranks[name][0] + rng.random()) / (study.n + 1.0) for study in used] for name in names]
    )
    adjusted = holm(np.array([ecdf_band(row).p for row in transforms]))
    worst = int(np.argmin(adjusted))
    return RankCheck(
        name=label,
        n=len(used),
        quantities=len(names),
        distance=distance,
        band=difference.band,
        p=float(np.mean(np.abs(difference.exchanged).max(axis=1) >= distance - 1e-12)),
        worst=names[worst],
        worst_p=float(adjusted[worst]),
    )


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How often the mixture's central interval of a level covers the true coefficient.

    Parameters
    ----------
    name : str
        Coefficient, or "all".
    level, covered : float
        Nominal and found.
    error : float
        Monte-Carlo error: binomial for one coefficient; for all together the SD over studies, since the coefficients
        of a study share its data, and at least the binomial one.
    n : int
        Intervals.
    """

    name: str
    level: float
    covered: float
    error: float
    n: int

    @property
    def passed(self) -> bool:
        """Whether it lies within three Monte-Carlo errors of its level."""
        return abs(self.covered - self.level) <= 3.0 * self.error


def check_coverage(found: Sequence[SmallStudy]) -> list[Coverage]:
    """Coverage of the mixture's intervals at each level: all coefficients together first, then each."""
    used = [study for study in found if study.n]
    names = tuple(used[0].places)
    places = np.array([[study.places[name] for name in names] for study in used])
    checks = []
    for level in LEVELS:
        inside = np.abs(places - 0.5) <= level / 2.0
        binomial = np.sqrt(level * (1.0 - level) / len(used))
        spread = float(inside.mean(axis=1).std(ddof=1) / np.sqrt(len(used)))
        together = max(spread, float(binomial / np.sqrt(len(names))))
        checks.append(
            Coverage(
                name="all", level=level, covered=float(inside.mean()), error=together, n=int(inside.size)
            )
        )
        checks += [
            Coverage(
                name=name, level=level, covered=float(inside[:, k].mean()), error=float(binomial), n=len(used)
            )
            for k, name in enumerate(names)
        ]
    return checks


def share_outermost(found: Sequence[SmallStudy], names: Sequence[str]) -> tuple[float, float]:
    """Return how often the truth is the least or greatest of all members, and how often it should be.

    More often than it should: draws are too narrow or off to one side; less often: too wide.
    """
    used = [study for study in found if study.n]
    outermost = [np.mean([study.ranks[name][0] in (0, study.n) for name in names]) for study in used]
    return float(np.mean(outermost)), float(np.mean([2.0 / (study.n + 1.0) for study in used]))


def judge(found: Sequence[SmallStudy]) -> tuple[list[RankCheck], list[Coverage]]:
    """All checks of a run: ranks by group of quantities, and coverage."""
    return [check_ranks(found, names, label) for label, names in GROUPS.items()], check_coverage(found)
