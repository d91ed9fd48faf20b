"""Everything printed of a cohort as smooth functions of one white vector, with intervals and derivatives.

Latent scores become recorded ones by a link (:class:`Link`): the scale ends where it ends, and an end score that
decides a subgroup lies on its own side of the limit. Recorded scores
are not rounded here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayes_alliance.cohorts.draws.growth import Floats, Ints, White
from bayes_alliance.cohorts.draws.wald import wald_statistic
from bayes_alliance.cohorts.solver.demands import Evaluator, Problem, wald_bounds
from bayes_alliance.cohorts.solver.sensitivity import Sensitivity, satterthwaite_df
from bayes_alliance.cohorts.solver.targets import Target
from bayes_alliance.inference.fits import weight_vector

_FARTHEST_P = 1e-12
_EDGE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Link:
    r"""From latent to recorded scores.

    Near an end of its range a latent score at distance d (positive inside) is recorded at
    :math:`\tfrac12(d + \sqrt{d^2 + 4 s^2})` from it: d well inside, above zero everywhere, without a corner, so
    that scores far beyond an end come near to it but neither leave the range nor pile up exactly there.

    Parameters
    ----------
    lower, upper : ndarray, shape (n,)
        Ends of what each score may be: of the scale, and for an end score that decides a subgroup its side of the
        limit.
    lower_bend, upper_bend : ndarray, shape (n,)
        s at either end.
    """

    lower: Floats
    upper: Floats
    lower_bend: Floats
    upper_bend: Floats

    def record(self, x: Floats) -> tuple[Floats, Floats]:
        """Return recorded scores and their derivatives by the latent ones."""
        risen, slope = _bend(x, self.lower, self.lower_bend)
        sunk, other = _bend(-risen, -self.upper, self.upper_bend)
        # The second bend may pass the lower end by what the first kept clear of it; ranges are far wider than bends.
        return np.maximum(-sunk, self.lower), slope * other

    def unrecord(self, recorded: Floats, index: Ints | slice = slice(None)) -> tuple[Floats, Floats]:
        """Return latent scores of recorded ones inside their ranges, and their derivatives by these.

        Parameters
        ----------
        recorded : ndarray, shape (k,)
            Recorded scores.
        index : ndarray of int, shape (k,), optional
            Which scores they are; all of them by default.
        """
        risen, other = _unbend(-recorded, -self.upper[index], self.upper_bend[index])
        latent, slope = _unbend(-risen, self.lower[index], self.lower_bend[index])
        return latent, slope * other

    def of(self, index: Ints) -> Link:
        """Return the link of some of the scores."""
        return Link(
            lower=self.lower[index],
            upper=self.upper[index],
            lower_bend=self.lower_bend[index],
            upper_bend=self.upper_bend[index],
        )

    def cell(self, value: float, i: int, step: float) -> tuple[float, float]:
        """Return the ends of the latent scores that round to a value of score ``i``; at an end all beyond do."""
        least, most = float(self.lower[i]) + _EDGE * step, float(self.upper[i]) - _EDGE * step
        low, high = value - 0.5 * step, value + 0.5 * step
        ends = np.clip(np.array([low, high]), least, most)
        latent, _ = self.unrecord(ends, np.array([i, i]))
        return (
            float(latent[0]) if low > least else -np.inf,
            float(latent[1]) if high < most else np.inf,
        )


def _unbend(bent: Floats, end: Floats, bend: Floats) -> tuple[Floats, Floats]:
    """Inverse of :func:`_bend`, and its derivative."""
    free = np.isinf(end)
    height = np.where(free, 1.0, bent - np.where(free, 0.0, end))
    latent = np.where(free, bent, bent - bend**2 / height)
    return latent, np.where(free, 1.0, 1.0 + (bend / height) ** 2)


def _bend(x: Floats, end: Floats, bend: Floats) -> tuple[Floats, Floats]:
    """Scores bent away from a lower end, and their derivative; as they are where there is no end."""
    free = np.isinf(end)
    lower = np.where(free, 0.0, end)
    distance = x - lower
    root = np.maximum(np.sqrt(distance**2 + 4.0 * bend**2), 1e-300)
    slope = np.where(free, 1.0, 0.5 * (1.0 + distance / root))
    return np.where(free, x, lower + 0.5 * (distance + root)), slope


@dataclass(frozen=True, kw_only=True)
class OutcomePart:
    """One outcome: what is printed of it, and where its scores are in the cohort's vector."""

    problem: Problem
    index: Ints


class SignedEvaluator(Evaluator):
    r"""Numbers of one outcome, tests with their sign and on the scale of the normal distribution.

    A p value is :math:`z = sign(t)\,\Phi^{-1}(1 - p/2)`, so that its interval depends neither on the degrees of
    freedom nor on the data. Where the publication gives no sign of a significant effect, that of the first scores
    is kept.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.signs: dict[int, float] = {}

    def _line(
        self, target: Target, derivatives: Mapping[str, Sensitivity], n: int
    ) -> tuple[float, float, float, float, Floats]:
        if target.kind == "p":
            return self._test(target, derivatives, n)
        if target.kind == "wald":
            model = self.problem.models[target.model]
            row = np.zeros(n)
            value, row[model.rows] = wald_statistic(
                model.blocks, self.fits[target.model], derivatives[target.model], target.which
            )
            return value, *wald_bounds(target), 0.3, row
        return super()._line(target, derivatives, n)

    def _test(
        self, target: Target, derivatives: Mapping[str, Sensitivity], n: int
    ) -> tuple[float, float, float, float, Floats]:
        model = self.problem.models[target.model]
        fit, by = self.fits[target.model], derivatives[target.model]
        weights = weight_vector(model.blocks.design.x_names, target.weights)
        estimate, se = float(weights @ fit.beta), float(np.sqrt(weights @ fit.cov @ weights))
        df = satterthwaite_df(fit, by, weights)
        df = df if df > 0.0 else np.inf
        t = estimate / se
        value, slope = normal_score(t, df)
        row = np.zeros(n)
        row[model.rows] = slope * (weights @ by.beta - t * by.of_se(weights, se)) / se
        sign = target.sign or self.signs.setdefault(id(target), 1.0 if t >= 0.0 else -1.0)
        return value, *signed_interval(target.low, target.high, sign, stated=bool(target.sign)), 0.3, row


def normal_score(t: float, df: float) -> tuple[float, float]:
    """Return normal score of a t statistic, and its derivative."""
    tail = float(special.stdtr(df, -abs(t))) if np.isfinite(df) else float(special.ndtr(-abs(t)))
    tail = max(tail, _FARTHEST_P)
    z = float(-special.ndtri(tail))
    # d z/d t = density of t over density of z.
    density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    if np.isfinite(df):
        log_t = special.gammaln((df + 1.0) / 2.0) - special.gammaln(df / 2.0) - 0.5 * np.log(df * np.pi)
        of_t = np.exp(log_t - 0.5 * (df + 1.0) * np.log1p(t * t / df))
    else:
        of_t = np.exp(-0.5 * t * t) / np.sqrt(2.0 * np.pi)
    slope = 1.0 if tail <= _FARTHEST_P else float(of_t / density)
    return (z if t >= 0.0 else -z), slope


def signed_interval(p_low: float, p_high: float, sign: float, *, stated: bool) -> tuple[float, float]:
    """Interval of the normal score from bounds on p; a p that is only bounded below leaves the sign open."""
    least = 0.0 if p_high >= 1.0 else float(-special.ndtri(p_high / 2.0))
    most = np.inf if p_low <= 0.0 else float(-special.ndtri(p_low / 2.0))
    if least == 0.0 and not stated:
        return -most, most
    return (least, most) if sign > 0.0 else (-most, -least)


class CohortStatistics:
    """Everything printed of all outcomes, as functions of a white vector.

    Parameters
    ----------
    parts : sequence of OutcomePart
        In any order.
    link : Link
        Of all scores.
    whitening : White
        How white vectors become latent scores; replaced when the covariances change.
    """

    def __init__(self, parts: Sequence[OutcomePart], link: Link, whitening: White) -> None:
        self.parts = tuple(parts)
        self.link = link
        self.whitening = whitening
        self.evaluators = [SignedEvaluator(part.problem) for part in parts]
        self.low: Floats = np.empty(0)
        self.high: Floats = np.empty(0)
        self.label: tuple[str, ...] = ()
        self.scale: Floats = np.empty(0)

    def of_scores(self, recorded: Floats, slope: Floats | None = None) -> tuple[Floats, Floats]:
        """Values and derivatives by the latent scores, shapes (m,), (m, n); recorded scores may be on a grid."""
        values, rows, lows, highs, scales = [], [], [], [], []
        labels: list[str] = []
        for part, evaluate in zip(self.parts, self.evaluators, strict=True):
            state = evaluate(recorded[part.index])
            values.append(state.value)
            lows.append(state.low)
            highs.append(state.high)
            scales.append(state.scale)
            labels += state.label
            wide = np.zeros((len(state.value), len(recorded)))
            wide[:, part.index] = state.jacobian
            rows.append(wide)
        self.low, self.high = np.concatenate(lows), np.concatenate(highs)
        self.scale, self.label = np.concatenate(scales), tuple(labels)
        jacobian = np.concatenate(rows)
        return np.concatenate(values), jacobian if slope is None else jacobian * slope

    def value(self, white: Floats) -> Floats:
        """Values at a white vector."""
        recorded, _ = self.link.record(self.whitening.colour(white))
        return np.concatenate(
            [e(recorded[p.index]).value for p, e in zip(self.parts, self.evaluators, strict=True)]
        )

    def differentiate(self, white: Floats) -> tuple[Floats, Floats]:
        """Values and derivatives at a white vector."""
        recorded, slope = self.link.record(self.whitening.colour(white))
        values, jacobian = self.of_scores(recorded, slope)
        return values, self.whitening.pull_back(jacobian)


Flags = NDArray[np.bool_]


def outside(value: Floats, low: Floats, high: Floats) -> Flags:
    """Mark the statistics that lie outside their intervals."""
    slack = 1e-9 * np.maximum(1.0, np.abs(value))
    found: Flags = (value < low - slack) | (value > high + slack)
    return found
