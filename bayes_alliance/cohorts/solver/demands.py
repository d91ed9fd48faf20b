"""What is asked of one outcome's scores, as values, intervals and derivatives at any scores.

A demand is a number of a fit (an estimate, its SE or p, AIC, explained variation) or a plain mean or SD. The solver
sees them all as one vector with its Jacobian and knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayes_alliance.cohorts.solver.sensitivity import (
    BlockFit,
    Blocks,
    Sensitivity,
    differentiate_fit,
    fit_scores,
    satterthwaite_df,
)
from bayes_alliance.cohorts.solver.targets import Target
from bayes_alliance.inference.fits import Array, weight_vector

_AIC_UNIT = 2.0
MAX_CORRELATION = 0.9


@dataclass(frozen=True, kw_only=True)
class ModelRows:
    """A model's design and which of the outcome's scores are its rows.

    Parameters
    ----------
    blocks : Blocks
        The design.
    rows : ndarray of int
        Index of each of its rows among the outcome's scores.
    reference : str
        Model whose variances its explained variation refers to; empty without one.
    """

    blocks: Blocks
    rows: NDArray[np.int64]
    reference: str


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Mean and SD of some of the scores, as printed.

    Parameters
    ----------
    rows : ndarray of int
        Which scores.
    mean, sd : tuple of float
        Intervals.
    said, place : str
        As for targets.
    """

    rows: NDArray[np.int64]
    mean: tuple[float, float]
    sd: tuple[float, float]
    said: str
    place: str


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One outcome's scores and what is asked of them.

    Parameters
    ----------
    outcome : str
        Name.
    models : mapping of str to ModelRows
        Every model that a target needs, references included.
    targets : tuple of Target
        What is asked.
    moments : tuple of Moment
        What is asked of plain means and SDs.
    lower, upper : ndarray, shape (n,)
        Ends of what each score may be.
    origin, step : float
        The grid: ``origin + k * step``.
    inner : tuple of str
        Models whose intercept and slope must not correlate beyond ``MAX_CORRELATION``: a publication whose table
        rests on a degenerate covariance would be a freak.
    """

    outcome: str
    models: Mapping[str, ModelRows]
    targets: tuple[Target, ...]
    moments: tuple[Moment, ...]
    lower: Array
    upper: Array
    origin: float
    step: float
    inner: tuple[str, ...] = ()

    @property
    def n_demands(self) -> int:
        """How many numbers are asked for."""
        return len(self.targets) + 2 * len(self.moments) + len(self.inner)


@dataclass(frozen=True, kw_only=True)
class State:
    """Numbers at some scores: values, intervals, derivatives and scales, one line a demand.

    ``ease`` lets the free moves take an AIC in coarser units: it is the easiest number to mend, by larger or
    smaller residuals, and the most curved, so in its own narrow interval it would rule every step.
    """

    value: Array
    low: Array
    high: Array
    scale: Array
    ease: Array
    jacobian: Array
    label: tuple[str, ...]

    @property
    def is_deviance(self) -> NDArray[np.bool_]:
        """Lines that are an AIC or a deviance."""
        found: NDArray[np.bool_] = self.ease < 1.0
        return found

    def violation(self, value: Array, inset: float) -> Array:
        """Signed distance from the intervals, drawn in by a share of their width, in scales."""
        width = np.where(np.isfinite(self.high - self.low), self.high - self.low, self.scale)
        margin = inset * np.minimum(width, 2.0 * self.scale)
        low, high = self.low + margin, self.high - margin
        if value.ndim == 2:
            low, high, scale = low[:, None], high[:, None], self.scale[:, None]
        else:
            scale = self.scale
        found: Array = (np.minimum(value - low, 0.0) + np.maximum(value - high, 0.0)) / scale
        return found


class Evaluator:
    """Evaluates a problem, keeping the last fits to start the next ones from."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.fits: dict[str, BlockFit] = {}

    def __call__(self, y: Array) -> State:
        """Return values, intervals and derivatives at some scores."""
        problem = self.problem
        derivatives: dict[str, Sensitivity] = {}
        for name, model in problem.models.items():
            self.fits[name] = fit_scores(model.blocks, y[model.rows], near=self.fits.get(name))
            derivatives[name] = differentiate_fit(model.blocks, self.fits[name])
        lines = [self._line(target, derivatives, len(y)) for target in problem.targets]
        for moment in problem.moments:
            lines += _moment_lines(moment, y)
        lines += [self._correlation(name, derivatives[name], len(y)) for name in problem.inner]
        value, low, high, scale = (np.array([line[k] for line in lines], dtype=float) for k in range(4))
        rows = np.array([line[4] for line in lines]).reshape(len(lines), len(y))
        labels = [f"{t.place} ({t.said}): {t.kind}" for t in problem.targets]
        labels += [f"{m.place} ({m.said}): {kind}" for m in problem.moments for kind in ("mean", "sd")]
        ease = [0.5 / _AIC_UNIT if t.kind in ("aic", "deviance") else 1.0 for t in problem.targets]
        ease += [1.0] * (2 * len(problem.moments) + len(problem.inner))
        labels += [f"{name}: correlation of intercept and slope" for name in problem.inner]
        return State(
            ease=np.array(ease),
            value=value,
            low=low,
            high=high,
            scale=scale,
            jacobian=rows,
            label=tuple(labels),
        )

    # Over 40 lines: value and derivative of each kind of printed number, one after another.
    def _line(
        self, target: Target, derivatives: Mapping[str, Sensitivity], n: int
    ) -> tuple[float, float, float, float, Array]:
        model = self.problem.models[target.model]
        fit, by = self.fits[target.model], derivatives[target.model]
        row = np.zeros(n)
        half = (target.high - target.low) / 2.0
        if target.kind == "aic":
            row[model.rows] = by.deviance
            n_parameters = len(fit.beta) + len(fit.variances)
            return fit.deviance + 2.0 * n_parameters, target.low, target.high, max(half, 1e-12), row
        if target.kind == "deviance":
            row[model.rows] = by.deviance
            return fit.deviance, target.low, target.high, max(half, 1e-12), row
        if target.kind == "variance":
            row[model.rows] = by.of_variance(target.which)
            return fit.variance_of(target.which), target.low, target.high, max(half, 1e-12), row
        if target.kind == "residual":
            row[model.rows] = by.variances[-1]
            return float(fit.variances[-1]), target.low, target.high, max(half, 1e-12), row
        if target.kind in ("lr", "aic_gain"):
            return self._ratio(target, derivatives, row)
        if target.kind == "less_t":
            return self._less(target, derivatives, row)
        if target.kind == "wald":
            se = float(np.nan_to_num(fit.variance_se[0 if target.which == 0 else 2], nan=1.0))
            row[model.rows] = by.of_variance(target.which) / se
            low, high = wald_bounds(target)
            return fit.variance_of(target.which) / se, low, high, 0.3, row
        if target.kind in ("explained_intercept", "explained_slope"):
            return self._explained(target, derivatives, row)
        weights = weight_vector(model.blocks.design.x_names, target.weights)
        estimate, se = float(weights @ fit.beta), float(np.sqrt(weights @ fit.cov @ weights))
        d_estimate, d_se = weights @ by.beta, by.of_se(weights, se)
        if target.kind == "estimate":
            row[model.rows] = d_estimate
            return estimate, target.low, target.high, half, row
        if target.kind == "sign":
            row[model.rows] = (d_estimate - estimate / se * d_se) / se
            return estimate / se, target.low, target.high, 0.3, row
        if target.kind == "se":
            row[model.rows] = d_se
            return se, target.low, target.high, half, row
        sign = float(target.sign) or (1.0 if estimate >= 0.0 else -1.0)
        df = satterthwaite_df(fit, by, weights)
        low = _critical(target.high, df) if target.high < 1.0 else -np.inf
        high = _critical(target.low, df) if target.low > 0.0 else np.inf
        low = -high if low == -np.inf else low
        row[model.rows] = sign * (d_estimate - estimate / se * d_se) / se
        return sign * estimate / se, low, high, 0.3, row

    def _correlation(self, name: str, by: Sensitivity, n: int) -> tuple[float, float, float, float, Array]:
        first, between, second, _ = np.maximum(self.fits[name].variances, [1e-12, -np.inf, 1e-12, 0.0])
        root = float(np.sqrt(first * second))
        value = float(between) / root
        row = np.zeros(n)
        change = by.variances[0] / first + by.variances[2] / second
        row[self.problem.models[name].rows] = by.variances[1] / root - 0.5 * value * change
        return value, -MAX_CORRELATION, MAX_CORRELATION, 0.1, row

    def _ratio(
        self, target: Target, derivatives: Mapping[str, Sensitivity], row: Array
    ) -> tuple[float, float, float, float, Array]:
        """Likelihood ratio against a smaller model, or the gain in AIC over the reference, on the model's rows."""
        model = self.problem.models[target.model]
        name = target.other or model.reference
        other = self.problem.models[name]
        mine, theirs = self.fits[target.model], self.fits[name]
        row[model.rows] -= derivatives[target.model].deviance
        row[other.rows] += derivatives[name].deviance
        more = len(mine.beta) + len(mine.variances) - len(theirs.beta) - len(theirs.variances)
        ratio = theirs.deviance - mine.deviance
        if target.kind == "lr":
            least = float(special.chdtri(more, target.high)) if target.high < 1.0 else -np.inf
            most = float(special.chdtri(more, target.low)) if target.low > 0.0 else np.inf
            return ratio, least, most, _AIC_UNIT, row
        return ratio - 2.0 * more, target.low, target.high, _AIC_UNIT, row

    def _less(
        self, target: Target, derivatives: Mapping[str, Sensitivity], row: Array
    ) -> tuple[float, float, float, float, Array]:
        """Size of a test statistic less that of another model's."""
        value = 0.0
        parts = ((1.0, target.model, target.weights), (-1.0, target.other, target.other_weights))
        for factor, name, weights in parts:
            model, fit, by = self.problem.models[name], self.fits[name], derivatives[name]
            vector = weight_vector(model.blocks.design.x_names, weights)
            estimate, se = float(vector @ fit.beta), float(np.sqrt(vector @ fit.cov @ vector))
            sign = factor if estimate >= 0.0 else -factor
            value += sign * estimate / se
            row[model.rows] += sign * (vector @ by.beta - estimate / se * by.of_se(vector, se)) / se
        return value, target.low, target.high, 0.3, row

    def _explained(
        self, target: Target, derivatives: Mapping[str, Sensitivity], row: Array
    ) -> tuple[float, float, float, float, Array]:
        model = self.problem.models[target.model]
        reference = self.problem.models[model.reference]
        which = 0 if target.kind == "explained_intercept" else 1
        ours = self.fits[target.model].variance_of(which)
        theirs = max(self.fits[model.reference].variance_of(which), 1e-12)
        row[model.rows] -= 100.0 / theirs * derivatives[target.model].of_variance(which)
        row[reference.rows] += 100.0 * ours / theirs**2 * derivatives[model.reference].of_variance(which)
        return 100.0 * (1.0 - ours / theirs), target.low, target.high, 0.5, row


def wald_bounds(target: Target) -> tuple[float, float]:
    """Bounds on a variance's Wald z from those on its p; one that is not significant may have any size below."""
    high = float(-special.ndtri(target.low / 2.0)) if target.low > 0.0 else np.inf
    return float(-special.ndtri(target.high / 2.0)), high


def _critical(p: float, df: float) -> float:
    """|t| at which a two-sided p is reached."""
    return float(-special.stdtrit(df if df > 0.0 else np.inf, p / 2.0))


def _moment_lines(moment: Moment, y: Array) -> list[tuple[float, float, float, float, Array]]:
    values = y[moment.rows]
    n, mean, sd = len(values), float(values.mean()), float(values.std(ddof=1))
    lines = []
    for value, interval, gradient in (
        (mean, moment.mean, np.full(n, 1.0 / n)),
        (sd, moment.sd, (values - mean) / ((n - 1) * sd)),
    ):
        row = np.zeros(len(y))
        row[moment.rows] = gradient
        lines.append((value, *interval, (interval[1] - interval[0]) / 2.0, row))
    return lines


def build_models(
    designs: Mapping[str, tuple[Blocks, NDArray[np.int64], str]], targets: Sequence[Target]
) -> dict[str, ModelRows]:
    """Keep the models that targets need, and their references.

    Parameters
    ----------
    designs : mapping of str to (Blocks, ndarray of int, str)
        Every model of the outcome: design, rows among the scores, reference.
    targets : sequence of Target
        What is asked.

    Returns
    -------
    dict of str to ModelRows
    """
    needed = dict.fromkeys(target.model for target in targets)
    for target in targets:
        if target.kind.startswith("explained") or target.kind == "aic_gain":
            needed.setdefault(designs[target.model][2])
        if target.other:
            needed.setdefault(target.other)
    return {
        name: ModelRows(blocks=designs[name][0], rows=designs[name][1], reference=designs[name][2])
        for name in needed
    }
