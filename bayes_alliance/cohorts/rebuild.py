r"""Scores for a design that is known: patients, visits and predictors from a file, outcomes from the printed cells.

Where no cohort plan says how to deal a design out, one can be given: a data file without its outcomes, or one whose
outcomes are to be forgotten. What a table prints then fixes more than it seems. The standard errors follow from the
design and the variances alone, and so does the AIC of a maximum-likelihood fit, since there
:math:`-2\ell = n \ln 2\pi + \ln|V| + n`. Scores start from the variances that print these numbers best, fixed effects
as printed, and fresh random effects and residuals; then they are solved like any others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, special
from threadpoolctl import threadpool_limits

from bayes_alliance.cohorts.build import BuiltCohort
from bayes_alliance.cohorts.conflicts import possible_targets
from bayes_alliance.cohorts.given_design import check_design, printed_outcomes
from bayes_alliance.cohorts.places import Places
from bayes_alliance.cohorts.solver.demands import Problem, build_models
from bayes_alliance.cohorts.solver.free_moves import Approach, approach, choose_start
from bayes_alliance.cohorts.solver.sensitivity import Blocks, effect_functional, lay_out, weigh_design
from bayes_alliance.cohorts.solver.solve import Solution, put_on_grid
from bayes_alliance.cohorts.solver.targets import Target
from bayes_alliance.data.rows import StudyData
from bayes_alliance.inference.fits import Array, weight_vector
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Study, Variable

_DRAWS = 6
_STARTS = 8
_FINE = 2000.0
_SDS = 8.0
# Of logarithms of SDs in total SDs (the slope's over the spread of time), and of the correlation.
_VARIANCES = ((-0.9, 0.0), (-2.5, -0.3), (-0.8, 0.7), (-1.1, 0.0))
LaidOut = Mapping[str, tuple[Blocks, NDArray[np.int64], str]]


@dataclass(frozen=True, kw_only=True)
class RebuildScale:
    """Ends and grid of an outcome, NaN where the study does not say."""

    minimum: float = np.nan
    maximum: float = np.nan
    step: float = np.nan


def rebuild_cohort(study: Study, data: StudyData, seed: int, places: Places) -> BuiltCohort:
    """Build one cohort on the patients, visits and predictors of a data set; its outcomes are not looked at.

    Parameters
    ----------
    study : Study
        With cells.
    data : StudyData
        The design. An outcome that it holds says on which visits there was a score, and nothing else; one that it
        lacks has a score on every visit.
    seed : int
        Of everything that is drawn.
    places : Places
        Where within what is left open the cohort lies.

    Returns
    -------
    BuiltCohort

    Raises
    ------
    InputError
        If an outcome decides a predictor of its own models: then the design is not known without it.
    """
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({v.column: data.rows[v.name] for v in study.variables if v.name in data.rows})
    targets = possible_targets(study)
    outcomes = printed_outcomes(study)
    check_design(study)
    solutions: list[tuple[str, Solution]] = []
    with threadpool_limits(limits=1, user_api="blas"):
        for outcome in outcomes:
            variable = study.every_variable[outcome]
            assert isinstance(variable, Variable)
            given = data.rows[outcome].notna() if outcome in data.rows else pd.Series(True, data.rows.index)
            visits = np.flatnonzero(given.to_numpy())
            designs = _lay_out(study, data, outcome, visits)
            # Orders over outcomes are judged on the scorecard: scores are moved one outcome at a time.
            wanted = [t for t in targets if t.model in designs and t.kind != "less_estimate"]
            scale = RebuildScale(
                **{k: v for k in ("minimum", "maximum", "step") if (v := getattr(variable, k)) is not None}
            )
            solution = rebuild_scores(outcome, designs, wanted, scale, len(visits), rng, places)
            scores = np.full(len(frame), np.nan)
            scores[visits] = solution.y
            frame[variable.column] = scores
            solutions.append((outcome, solution))
    return BuiltCohort(seed=seed, frame=frame, solutions=tuple(solutions))


def _lay_out(
    study: Study, data: StudyData, outcome: str, visits: NDArray[np.int64]
) -> dict[str, tuple[Blocks, NDArray[np.int64], str]]:
    """Every model of an outcome: its design, and which of the scores are its rows (they stand in their places)."""
    rows = data.rows.copy()
    number = np.full(len(rows), np.nan)
    number[visits] = np.arange(len(visits))
    rows[outcome] = number
    numbered = dataclasses.replace(data, rows=rows, absent=tuple(a for a in data.absent if a != outcome))
    found = {}
    for model in study.models:
        if model.outcome == outcome:
            planned = plan_model(numbered, model, parse_formula(model.formula).names)
            if isinstance(planned, PlannedModel):
                place = planned.design.y.astype(np.int64)
                found[model.id] = (lay_out(planned.design), place, model.reference or "")
    return found


# Over 40 lines: each start needs what the line before it found: variances, a problem, scores.
def rebuild_scores(
    outcome: str,
    designs: LaidOut,
    targets: Sequence[Target],
    scale: RebuildScale,
    n: int,
    rng: np.random.Generator,
    places: Places,
) -> Solution:
    """Find scores of one outcome, on known designs, that print what is asked.

    Parameters
    ----------
    outcome : str
        Name, for messages.
    designs : mapping of str to (Blocks, ndarray of int, str)
        Every model: design, which scores are its rows, its reference.
    targets : sequence of Target
        What is printed.
    scale : RebuildScale
        Of the outcome. Without a step, scores lie on a grid of 1/2000 of their total SD.
    n : int
        Number of scores.
    rng : numpy.random.Generator
        Of effects and residuals.
    places : Places
        Where within what is left open the scores lie.

    Returns
    -------
    Solution
        From the first start from which scores that move freely meet everything; else from the one that came
        nearest.
    """
    models = build_models(designs, targets)
    tried: list[tuple[Problem, Approach]] = []
    aims = places.draw(outcome, len(targets))
    name, effects = _fixed_effects(designs, targets)
    blocks, rows, _ = designs[name]
    for attempt in range(_STARTS):
        # From where the cohort should lie, then, where that cannot be, from anywhere.
        draw = partial(places.draw, f"{outcome}: start") if attempt < 2 else rng.random
        where = draw(4 + len(targets))
        variances = _variances(designs, targets, where[:4])
        sd = float(np.sqrt(_total_variance(blocks, variances)))
        centre = float(np.mean(blocks.design.x @ effects))
        low, high = scale.minimum, scale.maximum
        problem = Problem(
            outcome=outcome,
            models=models,
            targets=tuple(targets),
            moments=(),
            lower=np.full(n, low if np.isfinite(low) else centre - _SDS * sd),
            upper=np.full(n, high if np.isfinite(high) else centre + _SDS * sd),
            origin=low if np.isfinite(low) else 0.0,
            step=scale.step if np.isfinite(scale.step) else sd / _FINE,
        )
        wanted = _Wanted(designs, targets, variances, where[4:], n)
        starts = []
        for _ in range(_DRAWS):
            y = np.full(n, centre) + sd * rng.standard_normal(n)
            y[rows] = _draw(blocks, effects, variances, rng)
            starts.append(wanted.put(y))
        tried.append((problem, approach(problem, choose_start(problem, starts), aims)))
        if tried[-1][1].is_met:
            found = put_on_grid(*tried[-1], rng)
            if not found.missed:
                return found
    return put_on_grid(*min(tried, key=lambda one: one[1].loss), rng)


def _draw(blocks: Blocks, effects: Array, variances: Array, rng: np.random.Generator) -> Array:
    """Draw scores of the rows of a design."""
    design = blocks.design
    q = design.z.shape[1]
    first, between, second = (
        (variances[0], variances[1], variances[2]) if q == 2 else (variances[0], 0.0, 0.0)
    )
    covariance = np.array([[first, between], [between, second]])[:q, :q]
    root = np.linalg.cholesky(covariance + 1e-12 * np.trace(covariance) * np.eye(q))
    b = rng.standard_normal((design.n_patients, q)) @ root.T
    mean = design.x @ effects + np.sum(design.z * b[design.patient_index], axis=1)
    drawn: Array = mean + np.sqrt(variances[-1]) * rng.standard_normal(len(mean))
    return drawn


def _total_variance(blocks: Blocks, variances: Array) -> float:
    z = blocks.design.z
    among = variances[0] if z.shape[1] == 1 else 0.0
    if z.shape[1] == 2:
        t = z[:, 1]
        among = float(np.mean(variances[0] + 2.0 * t * variances[1] + t**2 * variances[2]))
    return float(among + variances[-1])


def _fixed_effects(designs: LaidOut, targets: Sequence[Target]) -> tuple[str, Array]:
    """Coefficients of the model that most estimates are printed of, those of others where it prints none."""
    counts = {name: sum(t.model == name and t.kind == "estimate" for t in targets) for name in designs}
    name = max(counts, key=lambda m: (counts[m], designs[m][0].x.shape[1]))
    columns = designs[name][0].design.x_names
    rows, values = [], []
    for target in targets:
        if target.kind == "estimate" and {c for c, _ in target.weights} <= set(columns):
            weight = 1.0 if target.model == name else 0.1
            rows.append(weight * weight_vector(columns, target.weights))
            values.append(weight * (target.low + target.high) / 2.0)
    if not rows:
        return name, np.zeros(len(columns))
    return name, np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]


class _Wanted:
    """Estimates of every model that scores should start from, at their places within what is left open.

    A printed estimate lies within its rounding, a combination that is only said not to be significant anywhere where
    it is not. An AIC often leaves an effect two values, one on each side: from a draw that has no such effect, every
    cohort would end at the nearer one.
    """

    def __init__(
        self, designs: LaidOut, targets: Sequence[Target], variances: Array, where: Array, n: int
    ) -> None:
        printed = {(t.model, t.weights) for t in targets if t.kind == "estimate"}
        rows, values = [], []
        for target, place in zip(targets, where, strict=True):
            silent = (
                target.kind == "p" and target.high >= 1.0 and (target.model, target.weights) not in printed
            )
            if target.kind != "estimate" and not silent:
                continue
            blocks, own, _ = designs[target.model]
            weights = weight_vector(blocks.design.x_names, target.weights)
            used = variances if blocks.z.shape[1] == 2 else variances[[0, -1]]
            functional, se = effect_functional(blocks, weights, used)
            furthest = -se * float(special.ndtri(target.low / 2.0))
            low, high = (-furthest, furthest) if silent else (target.low, target.high)
            row = np.zeros(n)
            row[own] = functional / se
            rows.append(row)
            values.append((low + place * (high - low)) / se)
        self.functionals, self.values = np.array(rows).reshape(len(rows), n), np.array(values)

    def put(self, y: Array) -> Array:
        """Change scores as little as it takes to estimate what is wanted, or as nearly as that can be."""
        gap = self.values - self.functionals @ y
        found: Array = y + np.linalg.lstsq(self.functionals, gap, rcond=1e-6)[0]
        return found


def _variances(designs: LaidOut, targets: Sequence[Target], where: Array) -> Array:
    """Find variances that print the standard errors and AICs, from a start of the cohort's own."""
    wanted = [
        t
        for t in targets
        if t.kind in ("se", "aic")
        and designs[t.model][0].z.shape[1] == 2
        and np.isfinite(t.low)
        and np.isfinite(t.high)
    ]
    blocks = next(b for b, _, _ in designs.values() if b.z.shape[1] == 2)
    n = len(blocks.design.y)
    spread = max(float(np.std(blocks.design.z[:, 1])), 1e-12)
    level = _level(designs, wanted)
    sd_intercept, sd_slope, correlation, sigma = (
        low + place * (high - low) for (low, high), place in zip(_VARIANCES, where, strict=True)
    )
    start = np.array(
        [
            np.log(level) + sd_intercept,
            np.log(level / spread) + sd_slope,
            np.arctanh(correlation),
            np.log(level) + sigma,
        ]
    )

    def residuals(at: Array) -> Array:
        return np.concatenate([0.1 * (at - start), _misses(designs, wanted, _unpack(at), n)])

    best = optimize.least_squares(residuals, start, max_nfev=60)
    return _unpack(best.x)


def _misses(designs: LaidOut, wanted: Sequence[Target], variances: Array, n: int) -> Array:
    """Return how far each standard error and AIC lies from the middle of its interval, in halves of its width."""
    found = []
    known: dict[str, tuple[Array, float]] = {}
    for target in wanted:
        own = designs[target.model][0]
        if target.model not in known:
            known[target.model] = weigh_design(own, variances)
        cov, log_determinant = known[target.model]
        middle, half = (target.low + target.high) / 2.0, (target.high - target.low) / 2.0
        if target.kind == "aic":
            rows = len(own.design.y)
            value = rows * (np.log(2.0 * np.pi) + 1.0) + log_determinant + 2.0 * (own.x.shape[1] + 4)
            found.append((value - middle) / max(half, 0.002 * n))
        else:
            weights = weight_vector(own.design.x_names, target.weights)
            value = float(np.sqrt(weights @ cov @ weights))
            found.append((value - middle) / max(half, 0.01 * middle))
    return np.array(found)


def _level(designs: LaidOut, wanted: Sequence[Target]) -> float:
    """Order of magnitude of the outcome's SD: from an AIC, else from a standard error."""
    for target in wanted:
        own = designs[target.model][0]
        rows = len(own.design.y)
        if target.kind == "aic":
            return float(np.exp(((target.low + target.high) / 2.0 / rows - np.log(2.0 * np.pi) - 1.0) / 2.0))
    for target in wanted:
        own = designs[target.model][0]
        weights = weight_vector(own.design.x_names, target.weights)
        cov, _ = weigh_design(own, np.array([0.5, 0.0, 1e-6, 0.5]))
        return float((target.low + target.high) / 2.0 / np.sqrt(weights @ cov @ weights))
    return 1.0


def _unpack(at: Array) -> Array:
    """Entries 00, 01, 11 of G and the residual variance, of logarithms of SDs and Fisher's z of the correlation."""
    first, second, residual = np.exp(at[[0, 1, 3]])
    return np.array([first**2, 0.98 * np.tanh(at[2]) * first * second, second**2, residual**2])
