r"""Small invented publications, to ask whether draws given print are calibrated.

A study of one outcome: two groups, a covariate that no model of the publication has, visits at random, patients' linear
growth drawn from the prior of :mod:`bayes_alliance.cohorts.draws.growth`. Its publication prints, rounded, the growth
model (estimates, SEs, AIC), the model by group (the slope difference with its SE and stars, the level as ``ns`` or
not), explained slope variation, number, mean and SD of the scores. Only that is handed over. Who came when, and who
is in which group, is unknown and drawn (:mod:`bayes_alliance.dev.small_designs`). The true data's value of any
quantity should then lie anywhere among the draws' values with equal probability.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from bayes_alliance.cohorts.draws.growth import CovariancePrior, Floats, Layout
from bayes_alliance.cohorts.draws.statistics import SignedEvaluator
from bayes_alliance.cohorts.solver.demands import ModelRows, Moment, Problem, build_models
from bayes_alliance.cohorts.solver.sensitivity import lay_out
from bayes_alliance.cohorts.solver.targets import Kind, Target
from bayes_alliance.dev.small_answers import answer_small
from bayes_alliance.inference.design import numeric_design
from bayes_alliance.study.formula import parse_formula

HORIZON = 4.0
TIMES = np.arange(0.0, HORIZON + 0.1, 0.5)
FEWEST_VISITS, MOST_VISITS = 3, 6
_FORMULAS = {
    "growth": "y ~ time + (time | patient)",
    "group": "y ~ time + group + time:group + (time | patient)",
    "extra": "y ~ time + extra + time:extra + (time | patient)",
}
# The models that the publication has: all that a chain needs.
PRINTED_MODELS = ("growth", "group")
# Columns of the joint model that the covariate outside the publication has.
EXTRA_COLUMNS = (4, 5)
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
            effects=between, residuals=np.array([[0.25]]), effects_df=15.0, residuals_df=30.0
        )


PRIOR = SmallPrior()


def draw_design(prior: SmallPrior, rng: np.random.Generator, n_rows: int | None = None) -> pd.DataFrame:
    """Rows of one design: visits at random, a group of printed size, a covariate that the publication does not have.

    Given a number of rows, the design is one of those with as many (by rejection).
    """
    n = prior.n_patients
    group = rng.permutation(np.arange(n) < prior.n_group).astype(float)
    extra = rng.permutation(np.arange(n) < n // 2).astype(float)
    visits = rng.integers(FEWEST_VISITS, MOST_VISITS + 1, n)
    while n_rows is not None and visits.sum() != n_rows:
        visits = rng.integers(FEWEST_VISITS, MOST_VISITS + 1, n)
    rows = [
        (i, time, group[i], extra[i])
        for i in range(n)
        for time in np.sort(rng.choice(TIMES, visits[i], replace=False))
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


def lay_out_world(prior: SmallPrior, frame: pd.DataFrame, models: Sequence[str] = tuple(_FORMULAS)) -> World:
    """Lay out the joint model and some models of a design, all by default."""
    n = len(frame)
    columns_of = {name: frame[name].to_numpy() for name in ("patient", "time", "group", "extra")}
    columns_of["y"] = np.zeros(n)
    time = columns_of["time"] / HORIZON
    group = columns_of["group"] - prior.n_group / prior.n_patients
    extra = columns_of["extra"] - 0.5
    columns = np.stack([np.ones(n), time, group, group * time, extra, extra * time], axis=1)
    effects = [prior.effect_level_sd, prior.effect_slope_sd]
    layout = Layout(
        patient=columns_of["patient"].astype(np.int64),
        visit=np.arange(n, dtype=np.int64),
        outcome=np.zeros(n, dtype=np.int64),
        time=time,
        centre=np.full(n, 5.0),
        columns=columns,
        column_sd=np.array([prior.level_sd, prior.slope_sd, *effects, *effects]),
        n_outcomes=1,
    )
    laid_out = {
        name: ModelRows(
            blocks=lay_out(numeric_design(parse_formula(_FORMULAS[name]), columns_of)),
            rows=np.arange(n, dtype=np.int64),
            reference="" if name == "growth" else "growth",
        )
        for name in models
    }
    return World(frame=frame, layout=layout, models=laid_out)


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
    targets = tuple(make_target(model, kind, weights, -np.inf, np.inf) for model, kind, weights in asked)
    evaluate = SignedEvaluator(make_problem(world, targets, ()))
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
    return found | answer_small(world.layout, HORIZON, evaluate.fits, y)


PRINTED = (
    ("growth:estimate:Intercept", 2), ("growth:se:Intercept", 2), ("growth:estimate:time", 2), ("growth:se:time", 2),
    ("growth:aic:", 0), ("group:estimate:time:group", 2), ("group:se:time:group", 2), ("group:explained_slope:", 0),
    ("group:aic:", 0), ("mean", 1), ("sd", 1),
)  # fmt: skip
TESTS = ("group:p:group", "group:p:time:group")  # printed by their marks
UNPRINTED = (
    "extra:p:time:extra", "extra:p:extra", "group:estimate:group", "slope variance", "intercept variance",
    "residual variance", "aic gain of extra",
)  # fmt: skip
ANSWERS = ("mean of group slope", "mean of extra slope", "elpd gain of group", "elpd gain of extra")


@dataclass(frozen=True, kw_only=True)
class SmallPublication:
    """Number of rows, printed intervals by name, and bounds on the signed normal scores of both tests by group."""

    n_rows: int
    intervals: dict[str, tuple[float, float]]
    level: tuple[float, float]
    slope: tuple[float, float]


def publish(numbers: dict[str, float], n_rows: int) -> SmallPublication:
    """Round numbers as a table would: digits, stars for the slope, ``ns`` or a star for the level."""
    intervals = {}
    for name, digits in PRINTED:
        half = 0.5 * 10.0**-digits
        value = round(numbers[name], digits)
        intervals[name] = value - half, value + half
        if name == "group:explained_slope:" and value <= 0.0:
            intervals[name] = -np.inf, half
    return SmallPublication(
        n_rows=n_rows,
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


def make_target(
    model: str, kind: str, weights: tuple[tuple[str, float], ...], low: float, high: float
) -> Target:
    """Ask for a number of a model."""
    kinds: dict[str, Kind] = {
        "estimate": "estimate", "se": "se", "p": "p", "aic": "aic", "explained_slope": "explained_slope",
    }  # fmt: skip
    return Target(
        model=model, kind=kinds[kind], low=low, high=high, weights=weights, said="", place="", from_cell=True
    )


def make_problem(world: World, targets: Sequence[Target], moments: tuple[Moment, ...]) -> Problem:
    """Lay out what is asked of a design's scores."""
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
