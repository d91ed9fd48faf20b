r"""What many simulated studies say of a design and of the approaches, each number with its Monte-Carlo error.

Errors as in Morris, White & Crowther (2019, doi:10.1002/sim.8086). With ``se`` over ``n`` studies: a proportion
:math:`\sqrt{p(1-p)/n}`, a mean :math:`s/\sqrt n`. Type S is the share of wrong signs among the intervals that exclude
zero, type M the mean of :math:`|estimate|/|truth|` among them (Gelman & Carlin 2014, doi:10.1177/1745691614551642).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.assess.verdict_rules import Relation, interval_probabilities, judge
from bayes_alliance.assess.verdict_words import ORDER
from bayes_alliance.inference.fits import Array

if TYPE_CHECKING:
    import pandas as pd

_WIDTH_OF_95 = 2.0 * 1.959963984540054


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number from simulation and its Monte-Carlo standard error; NaN where no study can tell it."""

    value: float
    error: float


@dataclass(frozen=True, kw_only=True)
class Performance:
    """One approach to one estimand in one condition.

    Parameters
    ----------
    n, n_failed, n_noted : int
        Studies with an answer; without one; and answers with a note (a singular fit, a hand-over).
    truth : float
        Value of the estimand.
    bias, rmse, width, coverage : Measure
        Of estimates and 95 % intervals.
    excludes_zero : Measure
        Share of intervals without zero: power, or the type I error rate where the truth is zero.
    type_s, type_m : Measure
        NaN where the truth is zero or no interval excludes zero.
    verdicts : mapping of str to Measure
        Share of each verdict of :mod:`bayes_alliance.assess.verdict_rules`, by the name of the verdict, on the claim
        that the effect has the direction of the true values looked at. The posterior is taken as Normal, with the
        estimate as mean and the SD that the 95 % interval implies, so that ML and Bayes are judged alike.
    """

    condition: str
    approach: str
    estimand: str
    n: int
    n_failed: int
    n_noted: int
    truth: float
    bias: Measure
    rmse: Measure
    width: Measure
    coverage: Measure
    excludes_zero: Measure
    type_s: Measure
    type_m: Measure
    verdicts: Mapping[str, Measure]


def measure_performance(table: pd.DataFrame, *, smallest: Mapping[str, float]) -> list[Performance]:
    """Summarise the rows of :func:`bayes_alliance.simulation.trials.try_batch`.

    Parameters
    ----------
    smallest : mapping of str to float
        By estimand: the smallest difference that matters, in the estimand's own unit; absent or NaN for none.

    Returns
    -------
    list of Performance
        In the order in which conditions, approaches and estimands first appear.
    """
    groups = table.groupby(["condition", "approach", "estimand"], sort=False)
    relation = {
        str(name): claimed_relation(set(rows["truth"]))
        for name, rows in table.groupby("estimand", sort=False)
    }
    return [
        _measure(
            str(condition),
            str(approach),
            str(estimand),
            group,
            smallest.get(str(estimand), math.nan),
            relation[str(estimand)],
        )
        for (condition, approach, estimand), group in groups
    ]


def _measure(
    condition: str,
    approach: str,
    estimand: str,
    rows: pd.DataFrame,
    smallest: float,
    relation: Relation,
) -> Performance:
    answered = rows[rows["failure"] == ""]
    truth = float(rows["truth"].iloc[0])
    estimate, lower, upper = (answered[name].to_numpy(float) for name in ("estimate", "lower", "upper"))
    beyond = (lower > 0.0) | (upper < 0.0)
    wrong = np.where(lower > 0.0, truth < 0.0, truth > 0.0)[beyond]
    told = truth != 0.0
    squares = (estimate - truth) ** 2
    rmse = math.sqrt(float(np.mean(squares))) if len(squares) else math.nan
    squared = mean_measure(squares)
    return Performance(
        condition=condition,
        approach=approach,
        estimand=estimand,
        n=len(answered),
        n_failed=len(rows) - len(answered),
        n_noted=int((answered["note"] != "").sum()),
        truth=truth,
        bias=mean_measure(estimate - truth),
        rmse=Measure(value=rmse, error=squared.error / (2.0 * rmse) if rmse > 0.0 else math.nan),
        width=mean_measure(upper - lower),
        coverage=share_measure((lower <= truth) & (truth <= upper)),
        excludes_zero=share_measure(beyond),
        type_s=share_measure(wrong) if told else Measure(value=math.nan, error=math.nan),
        type_m=mean_measure(np.abs(estimate[beyond]) / abs(truth))
        if told
        else Measure(value=math.nan, error=math.nan),
        verdicts=_verdicts(estimate, (upper - lower) / _WIDTH_OF_95, relation, smallest),
    )


def _verdicts(estimate: Array, error: Array, relation: Relation, smallest: float) -> dict[str, Measure]:
    """Share of each verdict by the rules for claims, on the Normal posterior that estimate and interval stand for."""
    known = np.isfinite(estimate) & (error > 0.0)
    size = 0.0 if math.isnan(smallest) else smallest
    found = interval_probabilities(estimate[known], error[known], relation, smallest=size)
    words = np.array([judge(relation, one).verdict.name.lower() for one in found])
    return {verdict.name.lower(): share_measure(words == verdict.name.lower()) for verdict in ORDER}


def claimed_relation(truths: Iterable[float]) -> Relation:
    """Return the direction in which an effect is claimed: that of its true values, above zero where all are zero."""
    return "below" if sum(truths) < 0.0 else "above"


def share_measure(found: NDArray[np.bool_]) -> Measure:
    """Return a share with its Monte-Carlo error; at 0 or 1 the error is that of Laplace's estimate, not zero."""
    n = len(found)
    if n == 0:
        return Measure(value=math.nan, error=math.nan)
    share = float(np.mean(found))
    p = share if 0.0 < share < 1.0 else (share * n + 1.0) / (n + 2.0)
    return Measure(value=share, error=math.sqrt(p * (1.0 - p) / n))


def mean_measure(found: Array) -> Measure:
    """Return a mean with its Monte-Carlo error."""
    if len(found) == 0:
        return Measure(value=math.nan, error=math.nan)
    error = float(np.std(found, ddof=1) / math.sqrt(len(found))) if len(found) > 1 else math.nan
    return Measure(value=float(np.mean(found)), error=error)
