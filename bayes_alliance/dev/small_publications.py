r"""Small invented publications, to ask whether draws given print are calibrated.

A study of one outcome: two groups, a covariate that no model of the publication has, visits at random, patients' linear
growth drawn from the prior of :mod:`bayes_alliance.cohorts.draws.growth`. Its publication prints, rounded, the growth
model (estimates, SEs, AIC), the model by group (the slope difference with its SE and stars, the level as ``ns`` or
not), explained slope variation, and mean and SD of the scores. Only that is handed over: who came when is unknown,
so every draw has a design of its own from the same rules. The true data's value of a quantity should then lie
anywhere among the draws' values with equal probability.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import pandas as pd
from scipy import special

from bayes_alliance.cohorts.draws.growth import (
    CovariancePrior,
    Floats,
    Layout,
    Whitening,
    draw_coefficients,
    draw_covariances,
    weigh_coefficients,
)
from bayes_alliance.cohorts.draws.moves import choose_pivots, place_at, take_step
from bayes_alliance.cohorts.draws.start import find_start
from bayes_alliance.cohorts.draws.statistics import CohortStatistics, Link, OutcomePart, SignedEvaluator
from bayes_alliance.cohorts.solver.demands import ModelRows, Moment, Problem, build_models
from bayes_alliance.cohorts.solver.sensitivity import lay_out
from bayes_alliance.cohorts.solver.targets import Kind, Target
from bayes_alliance.inference.design import build_design
from bayes_alliance.study.formula import parse_formula

Fault = Literal["none", "nearest_edge", "euclidean", "flipped_sign"]
HORIZON = 4.0
_FORMULAS = {
    "growth": "y ~ time + (time | patient)",
    "group": "y ~ time + group + time:group + (time | patient)",
    "extra": "y ~ time + extra + time:extra + (time | patient)",
}
_STARS = (0.05, 0.01, 0.001)


@dataclass(frozen=True, kw_only=True)
class SmallPrior:
    """What truth and draws come from: SDs of the coefficients, and prior means of the covariances."""

    n_patients: int = 60
    n_group: int = 25
    level_sd: float = 0.7
    slope_sd: float = 0.8
    effect_level_sd: float = 0.3
    effect_slope_sd: float = 0.6

    @property
    def covariance(self) -> CovariancePrior:
        """Prior of both covariances; slopes over the horizon."""
        between = np.array([[1.0, -0.2], [-0.2, 1.0]]) * np.outer([1.0, 1.0], [1.0, 1.0])
        return CovariancePrior(
            effects=between, residuals=np.array([[0.6]]), effects_df=15.0, residuals_df=30.0
        )


PRIOR = SmallPrior()


def draw_design(prior: SmallPrior, rng: np.random.Generator) -> pd.DataFrame:
    """Rows of one design: three to six visits a patient, a group of printed size, a covariate unknown to the models."""
    n = prior.n_patients
    group = rng.permutation(np.arange(n) < prior.n_group).astype(float)
    extra = rng.permutation(np.arange(n) < n // 2).astype(float)
    visits = rng.integers(3, 7, n)
    rows = [
        (i, time, group[i], extra[i])
        for i in range(n)
        for time in np.sort(rng.choice(np.arange(0.0, HORIZON + 0.1, 0.5), visits[i], replace=False))
    ]
    return pd.DataFrame(rows, columns=["patient", "time", "group", "extra"])


@dataclass(frozen=True, kw_only=True)
class World:
    """A design laid out: the joint model and every model's rows."""

    frame: pd.DataFrame
    layout: Layout
    models: dict[str, ModelRows]

    @property
    def size(self) -> int:
        """Length of a white vector."""
        return int(self.layout.columns.shape[1]) + len(self.layout.patient)


def lay_out_world(prior: SmallPrior, frame: pd.DataFrame) -> World:
    """Lay out the joint model and all models of a design."""
    n = len(frame)
    time = frame["time"].to_numpy() / HORIZON
    group = frame["group"].to_numpy() - prior.n_group / prior.n_patients
    extra = frame["extra"].to_numpy() - 0.5
    columns = np.stack([np.ones(n), time, group, group * time, extra, extra * time], axis=1)
    effects = [prior.effect_level_sd, prior.effect_slope_sd]
    layout = Layout(
        patient=frame["patient"].to_numpy(dtype=np.int64),
        visit=np.arange(n, dtype=np.int64),
        outcome=np.zeros(n, dtype=np.int64),
        time=time,
        centre=np.full(n, 5.0),
        columns=columns,
        column_sd=np.array([prior.level_sd, prior.slope_sd, *effects, *effects]),
        n_outcomes=1,
    )
    rows = frame.assign(y=0.0)
    models = {
        name: ModelRows(
            blocks=lay_out(build_design(parse_formula(formula), rows)),
            rows=np.arange(n, dtype=np.int64),
            reference="" if name == "growth" else "growth",
        )
        for name, formula in _FORMULAS.items()
    }
    return World(frame=frame, layout=layout, models=models)


def read_numbers(world: World, y: Floats) -> dict[str, float]:
    """Numbers of all models on some scores, those that are printed and those that are not."""
    asked = [
        *itertools.product(("growth", "group", "extra"), ("aic",), ((),)),
        *(("growth", kind, ((name, 1.0),)) for name in ("Intercept", "time") for kind in ("estimate", "se")),
        *(
            (model, kind, ((name, 1.0),))
            for model in ("group", "extra")
            for name in (model, f"time:{model}")
            for kind in ("estimate", "se", "p")
        ),
        ("group", "explained_slope", ()),
    ]
    targets = tuple(_target(model, kind, weights, -np.inf, np.inf) for model, kind, weights in asked)
    evaluate = SignedEvaluator(_problem(world, targets, ()))
    state = evaluate(y)
    names = [f"{m}:{k}:{w[0][0] if w else ''}" for m, k, w in asked]
    found = dict(zip(names, (float(v) for v in state.value), strict=True))
    fit = evaluate.fits["growth"]
    found |= {
        "mean": float(y.mean()),
        "sd": float(y.std(ddof=1)),
        "intercept variance": fit.variance_of(0),
        "slope variance": fit.variance_of(1),
        "residual variance": float(fit.variances[-1]),
        "aic gain of extra": found["growth:aic:"] - found["extra:aic:"],
    }
    return found


PRINTED = (
    ("growth:estimate:Intercept", 2), ("growth:se:Intercept", 2), ("growth:estimate:time", 2), ("growth:se:time", 2),
    ("growth:aic:", 0), ("group:estimate:time:group", 2), ("group:se:time:group", 2), ("group:explained_slope:", 0),
    ("group:aic:", 0), ("mean", 1), ("sd", 1),
)  # fmt: skip
UNPRINTED = (
    "extra:p:time:extra", "extra:p:extra", "group:estimate:group", "slope variance", "intercept variance",
    "residual variance", "aic gain of extra",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SmallPublication:
    """Printed intervals by name, and bounds on the signed normal scores of both tests by group."""

    intervals: dict[str, tuple[float, float]]
    level: tuple[float, float]
    slope: tuple[float, float]


def publish(numbers: dict[str, float]) -> SmallPublication:
    """Round numbers as a table would: digits, stars for the slope, ``ns`` or a star for the level."""
    intervals = {}
    for name, digits in PRINTED:
        half = 0.5 * 10.0**-digits
        value = round(numbers[name], digits)
        intervals[name] = value - half, value + half
        if name == "group:explained_slope:" and value <= 0.0:
            intervals[name] = -np.inf, half
    return SmallPublication(
        intervals=intervals,
        level=_marked(numbers["group:p:group"]),
        slope=_marked(numbers["group:p:time:group"]),
    )


def _marked(score: float) -> tuple[float, float]:
    """Interval of a signed normal score that its stars tell, with its sign; ``ns`` tells no sign."""
    ends = [-float(special.ndtri(level / 2.0)) for level in _STARS]
    size = abs(score)
    if size < ends[0]:
        return -ends[0], ends[0]
    low = max(end for end in ends if end <= size)
    high = min((end for end in ends if end > size), default=np.inf)
    return (low, high) if score > 0.0 else (-high, -low)


def _target(model: str, kind: str, weights: tuple[tuple[str, float], ...], low: float, high: float) -> Target:
    kinds: dict[str, Kind] = {
        "estimate": "estimate", "se": "se", "p": "p", "aic": "aic", "explained_slope": "explained_slope",
    }  # fmt: skip
    return Target(
        model=model, kind=kinds[kind], low=low, high=high, weights=weights, said="", place="", from_cell=True
    )


def _problem(world: World, targets: Sequence[Target], moments: tuple[Moment, ...]) -> Problem:
    designs = {name: (m.blocks, m.rows, m.reference) for name, m in world.models.items()}
    n = len(world.frame)
    return Problem(
        outcome="y",
        models=build_models(designs, targets),
        targets=tuple(targets),
        moments=moments,
        lower=np.full(n, -np.inf),
        upper=np.full(n, np.inf),
        origin=0.0,
        step=0.01,
    )


class SmallStatistics(CohortStatistics):
    """What a small publication prints, on one design."""

    def __init__(self, world: World, publication: SmallPublication, whitening: Whitening) -> None:
        targets, bounds = [], []
        for name, interval in publication.intervals.items():
            if ":" not in name:
                continue
            model, kind, coefficient = name.split(":", 2)
            targets.append(_target(model, kind, ((coefficient, 1.0),) if coefficient else (), *interval))
            bounds.append(interval)
        for coefficient, interval in (("group", publication.level), ("time:group", publication.slope)):
            targets.append(_target("group", "p", ((coefficient, 1.0),), 0.0, 1.0))
            bounds.append(interval)
        moment = Moment(
            rows=np.arange(len(world.frame)),
            mean=publication.intervals["mean"],
            sd=publication.intervals["sd"],
            said="",
            place="scores",
        )
        bounds += [moment.mean, moment.sd]
        n = len(world.frame)
        link = Link(
            lower=np.full(n, -np.inf),
            upper=np.full(n, np.inf),
            lower_bend=np.zeros(n),
            upper_bend=np.zeros(n),
        )
        part = OutcomePart(problem=_problem(world, targets, (moment,)), index=np.arange(n))
        super().__init__([part], link, whitening)
        self._bounds = np.array(bounds)

    def of_scores(self, recorded: Floats, slope: Floats | None = None) -> tuple[Floats, Floats]:
        """As its parent, with the publication's own bounds on the tests."""
        found = super().of_scores(recorded, slope)
        self.low, self.high = self._bounds[:, 0], self._bounds[:, 1]
        return found


@dataclass(frozen=True, kw_only=True)
class SmallDraw:
    """One draw given the publication.

    Parameters
    ----------
    numbers : dict of str to float
        Numbers of all models on the drawn data.
    mean, sd : ndarray, shape (p,)
        Posterior of the coefficients given the drawn data and covariances.
    accepted : float
        Share of steps accepted in the second half of the chain.
    """

    numbers: dict[str, float]
    mean: Floats
    sd: Floats
    accepted: float


def draw_small(
    prior: SmallPrior,
    publication: SmallPublication,
    rng: np.random.Generator,
    *,
    steps: int = 90,
    fault: Fault = "none",
) -> SmallDraw | None:
    """One draw of a data set given a small publication: a design, a start, and a chain of its own.

    Parameters
    ----------
    prior : SmallPrior
        What data sets come from.
    publication : SmallPublication
        All that is known of one of them.
    rng : numpy.random.Generator
        Source of randomness.
    steps : int
        Of the chain.
    fault : {"none", "nearest_edge", "euclidean", "flipped_sign"}
        A deliberate fault, to see that the check of calibration notices it.

    Returns
    -------
    SmallDraw or None
        None where no scores on the dealt design were found that print the publication.
    """
    world = lay_out_world(prior, draw_design(prior, rng))
    whitening = Whitening(world.layout, prior.covariance.draw(rng))
    statistics = SmallStatistics(world, publication, whitening)
    white, miss = find_start(statistics, rng.standard_normal(world.size), rng)
    if np.any(miss):
        return None
    found = _walk(prior, world, statistics, white, rng, steps)
    if found is None:
        return None
    y, accepted = found
    if fault in ("nearest_edge", "euclidean"):
        moved = _project(statistics, world, rng, flat=fault == "euclidean")
        if moved is None:
            return None
        y = moved
    mean, precision = weigh_coefficients(statistics.whitening, y)
    sds = world.layout.column_sd
    return SmallDraw(
        numbers=read_numbers(world, y),
        mean=sds * mean,
        sd=sds * np.sqrt(np.diagonal(np.linalg.inv(precision))),
        accepted=accepted,
    )


def _walk(
    prior: SmallPrior,
    world: World,
    statistics: CohortStatistics,
    white: Floats,
    rng: np.random.Generator,
    steps: int,
) -> tuple[Floats, float] | None:
    """Alternate steps among the scores with draws of coefficients and covariances; scores and share accepted."""
    angle, accepted, tried = 0.4, 0, 0
    _, gradient = statistics.differentiate(white)
    pivots = choose_pivots(gradient, statistics.low, statistics.high)
    for step in range(steps):
        if step % 3 == 0:
            x = statistics.whitening.colour(white)
            gamma = white[: statistics.whitening.n_coefficients]
            covariances = draw_covariances(statistics.whitening, prior.covariance, gamma, x, rng)
            statistics.whitening = Whitening(world.layout, covariances)
            gamma = draw_coefficients(statistics.whitening, x, rng)
            white = statistics.whitening.whiten(gamma, x)
        place = place_at(statistics, pivots, white)
        if place is None:
            return None
        outcome = take_step(statistics, pivots, place, rng, angle=angle, moved=3.0)
        white = outcome.place.white
        if step < steps // 2:
            # Towards accepting about half of the steps; the second half of the chain leaves the angle alone.
            angle = float(np.clip(angle * (1.1 if outcome.accepted else 0.91), 0.05, 1.2))
        else:
            accepted, tried = accepted + outcome.accepted, tried + 1
    return statistics.whitening.colour(white), accepted / max(tried, 1)


class _Flat:
    """Steps that ignore the model's covariance: one of the deliberate faults."""

    n_coefficients = 0

    def __init__(self, layout: Layout, x: Floats) -> None:
        self.layout, self.x = layout, x

    def colour(self, white: Floats) -> Floats:
        """Scores."""
        return self.x + white

    def pull_back(self, jacobian: Floats) -> Floats:
        """Return derivatives as they are."""
        return jacobian


def _project(
    statistics: SmallStatistics, world: World, rng: np.random.Generator, *, flat: bool
) -> Floats | None:
    """Return a free draw moved to the nearest ends of the intervals, by the likeliest or by the least steps."""
    free = rng.standard_normal(world.size)
    if not flat:
        white, miss = find_start(statistics, free, rng)
        return None if np.any(miss) else statistics.whitening.colour(white)
    x = statistics.whitening.colour(free)
    kept = statistics.whitening
    statistics.whitening = cast(Whitening, _Flat(world.layout, x))
    white, miss = find_start(statistics, np.zeros(len(x)), rng)
    y = statistics.whitening.colour(white)
    statistics.whitening = kept
    return None if np.any(miss) else y


@dataclass(frozen=True, kw_only=True)
class SmallStudy:
    """One simulated publication judged: where the truth lies among the draws.

    Parameters
    ----------
    ranks : dict of str to int
        Of each quantity, how many of ``n`` draws lie below the truth (ties at random).
    n : int
        Draws.
    places : dict of str to float
        Of each coefficient, the probability that the mixture of posteriors gives to values below the true one.
    accepted : float
        Mean share of steps accepted.
    failed : int
        Dealt designs on which no scores print the publication.
    """

    ranks: dict[str, int]
    n: int
    places: dict[str, float]
    accepted: float
    failed: int


COEFFICIENTS = ("level", "slope", "group level", "group slope", "extra level", "extra slope")


def judge_small(
    prior: SmallPrior,
    seed: Sequence[int],
    *,
    draws: int = 15,
    steps: int = 90,
    fault: Fault = "none",
) -> SmallStudy:
    """Simulate a study, print it, draw data sets given the print alone, and rank the truth among them."""
    rng = np.random.default_rng(list(seed))
    world = lay_out_world(prior, draw_design(prior, rng))
    white = rng.standard_normal(world.size)
    y = Whitening(world.layout, prior.covariance.draw(rng)).colour(white)
    truth = read_numbers(world, y)
    publication = publish(truth)
    if fault == "flipped_sign":
        publication = _flip(publication)
    found: list[SmallDraw] = []
    failed = 0
    while len(found) < draws and failed < 4 * draws:
        one = draw_small(prior, publication, rng, steps=steps, fault=fault)
        if one is None:
            failed += 1
        else:
            found.append(one)
    quantities = (*(name for name, _ in PRINTED), *UNPRINTED)
    ranks = {name: _rank([d.numbers[name] for d in found], truth[name], rng) for name in quantities}
    beta = world.layout.column_sd * white[: len(world.layout.column_sd)]
    places = {
        name: float(np.mean([special.ndtr((beta[k] - d.mean[k]) / d.sd[k]) for d in found]))
        for k, name in enumerate(COEFFICIENTS)
    }
    accepted = float(np.mean([d.accepted for d in found]))
    return SmallStudy(ranks=ranks, n=len(found), places=places, accepted=accepted, failed=failed)


def _rank(values: Sequence[float], truth: float, rng: np.random.Generator) -> int:
    below = sum(value < truth for value in values)
    return below + int(rng.integers(0, sum(value == truth for value in values) + 1))


def _flip(publication: SmallPublication) -> SmallPublication:
    """Read the printed slope difference with the wrong sign."""
    name = "group:estimate:time:group"
    low, high = publication.intervals[name]
    turned = {**publication.intervals, name: (-high, -low)}
    slope = (-publication.slope[1], -publication.slope[0])
    return SmallPublication(intervals=turned, level=publication.level, slope=slope)
