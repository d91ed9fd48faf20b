r"""How well the rows of a crossed factor agree with what they may be compared with.

The four cells of a factor that crosses two groupings have slopes :math:`\theta_c`; estimates are independent,
:math:`\hat\theta_c \sim N(\theta_c, s^2 / m_c)`, and every printed slope of the outcome is a linear combination of
them: those of a model with one grouping are means weighted by ``m``. Patients with many assessments tell more of a
slope, so ``m`` is the printed number of patients ``n`` times a log-normal factor with SD :math:`1/\sqrt{n}`. An
estimate or standard error is off by a fifth of a standard error, and by 15 %, since variances differ between models.
The likelihood of a reading is the probability that its rows print as they do, given the other models' estimates and
what the text says of the same factor; ``s`` is what the printed standard errors leave open. A row that is a reference
under an option prints no estimate; ``ns`` is taken to say nothing there. Levels are not used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayes_alliance.inference.fits import Array
from bayes_alliance.published.patient_counts import cross_sizes
from bayes_alliance.published.printed_effects import PrintedEffect, effect_weights, fewest_df, printed_effects
from bayes_alliance.published.stars import TBounds, bound_t, read_p
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.readings import Reading, study_under
from bayes_alliance.study.records import Derived, Model, Study

BLOCKS, DRAWS = 300, 1_500
SE_ERROR, MODEL_ERROR = 0.15, 0.2


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What is printed of one combination of slopes of a model."""

    model: Model
    weights: Mapping[str, float]
    t: TBounds
    estimate: tuple[float, float] | None = None
    se: tuple[float, float] | None = None
    sign: int = 0


@dataclass(frozen=True, kw_only=True)
class _Block:
    """Estimates of the four slopes given other models, weights, and what their errors follow from."""

    factor: Derived
    n: Array
    scale: float
    slopes: Array
    weights: Array


def cell_likelihoods(study: Study, reading: Reading, slip: float, rng: np.random.Generator) -> Array | None:
    """Return the probability of the printed rows under each option of a reading; None where it cannot be told.

    Parameters
    ----------
    study : Study
        With cells and counts.
    reading : Reading
        Options of which read rows of one crossed factor.
    slip : float
        Probability that the rows tell nothing.
    rng : Generator

    Returns
    -------
    ndarray, shape (n_options,), or None
    """
    found = _crossed(study, reading)
    sizes = cross_sizes(study, found[1]) if found else None
    if found is None or sizes is None or min(sizes) < 1:
        return None
    model, factor = found
    n = np.array(sizes, dtype=float)
    base = _statements(study, printed_effects(study), factor, n, model, own=False)
    # Slopes are drawn given the digits of other models; stars and standard errors are asked of the draws.
    marks = [replace(one, estimate=None) for one in base]
    said = [*marks, *_text_statements(study, factor, n, model)]
    unders = [study_under(study, option) for option in reading.options]
    rows = [_statements(one, printed_effects(one), factor, n, model, own=True) for one in unders]
    ends = _scale_range(study, factor, n, [s for s in base if s.estimate and s.se])
    if ends is None:
        return None
    total, chances = 0.0, np.zeros(len(rows))
    for _ in range(BLOCKS):
        block = _draw_block(study, model, factor, base, n, ends, rng)
        common = block.weights * _hold(study, said, block, rng)
        total += float(common.sum())
        chances += [float(common @ _hold(study, own, block, rng)) for own in rows]
    chances *= [float(not _prints_reference(reading, one)) for one in unders]
    if total <= 0.0 or chances.sum() <= 0.0:
        return None
    likelihoods = chances / total
    mixed: Array = (1.0 - slip) * likelihoods + slip * likelihoods.mean()
    return mixed


def _prints_reference(reading: Reading, under: Study) -> bool:
    """Whether a row that an option takes for a reference, which has no estimate, prints one."""
    places = {cell.place for option in reading.options for cell in option.cells}
    return any(
        (cell.table, cell.row, cell.column) in places and not cell.model and cell.parsed.value is not None
        for cell in under.cells
    )


def _crossed(study: Study, reading: Reading) -> tuple[Model, Derived] | None:
    """Return the one model whose cells the options read, and its crossed factor of two binary variables."""
    names = {cell.model for option in reading.options for cell in option.cells}
    if len(names) != 1 or not names & {model.id for model in study.models}:
        return None
    model = study.model(names.pop())
    for name in parse_formula(model.formula).names:
        variable = study.every_variable.get(name)
        if isinstance(variable, Derived) and variable.rule == "cross" and len(variable.categories) == 4:
            return model, variable
    return None


def cell_vector(
    study: Study, factor: Derived, n: Array, model: Model, weights: Mapping[str, float]
) -> Array | None:
    """Return a combination of slopes of a model as one of the four cells' slopes; None where it is none.

    Parameters
    ----------
    factor : Derived
        Crosses two binary variables; its first category is the reference.
    n : ndarray, shape (4,)
        Patients.
    model : Model
        Without predictors, with one of the two variables, or with the factor.
    weights : mapping of str to float
        Of coefficients.
    """
    names = set(parse_formula(model.formula).names) - {study.time, study.patient, model.outcome}
    inside = np.ones(4, dtype=bool)
    for name, value in model.where:
        if name not in factor.of:
            return None
        inside &= _level(factor, name) == value
    part = next((name for name in factor.of if name in names), "")
    if names - {part, factor.name} or (part and factor.name in names):
        return None
    total = np.zeros(4)
    for column, weight in weights.items():
        pieces = column.split(":")
        rest = [piece for piece in pieces if piece != study.time]
        if len(rest) == len(pieces) or len(rest) > 1:
            return None
        total += weight * _column(factor, n, inside, part, factor.name in names, rest[0] if rest else "")
    return total


def _column(factor: Derived, n: Array, inside: Array, part: str, crossed: bool, name: str) -> Array:
    """Return the slope coefficient of a predictor, or of time alone, in terms of the cells."""
    if crossed:
        units = np.eye(4)
        labels = [f"{factor.name}[{category}]" for category in factor.categories]
        found: Array = units[labels.index(name)] - units[0] if name else units[0]
        return found
    high = _level(factor, part) == 1 if part else np.zeros(4, dtype=bool)
    low = _mean(n, inside & ~high)
    return _mean(n, inside & high) - low if name else low


def _level(factor: Derived, name: str) -> Array:
    """Return which cells have a binary variable."""
    first = np.array([0, 0, 1, 1]) if name == factor.of[0] else np.array([0, 1, 0, 1])
    return first.astype(float)


def _mean(n: Array, chosen: Array) -> Array:
    kept: Array = np.where(chosen, n, 0.0) / max(float(n[chosen.astype(bool)].sum()), 1.0)
    return kept


def _statements(
    study: Study, effects: Sequence[PrintedEffect], factor: Derived, n: Array, model: Model, *, own: bool
) -> list[Statement]:
    """Return what cells print of slopes of the outcome, in the crossed model or in all others."""
    rounding = study.publication.rounding
    found = []
    for effect in effects:
        if effect.model.outcome != model.outcome or (effect.model.id == model.id) != own:
            continue
        vector = cell_vector(study, factor, n, effect.model, dict(effect.weights))
        if vector is None or not np.any(vector):
            continue
        value, spread = effect.parsed.value, effect.parsed.spread
        found.append(
            Statement(
                model=effect.model,
                weights=dict(effect.weights),
                t=bound_t(effect.p, effect.df_low),
                estimate=None if value is None else value.interval(rounding).ends,
                se=None if spread is None else spread.interval(rounding).ends,
            )
        )
    return found


def _text_statements(study: Study, factor: Derived, n: Array, model: Model) -> list[Statement]:
    """Return what the text says of p and direction of slopes of the outcome, in words of its own."""
    found = []
    for fact in study.facts:
        if fact.quantity != "p" or not fact.coefficient or study.model(fact.model).outcome != model.outcome:
            continue
        weights = effect_weights(study.model(fact.model), fact.coefficient)
        vector = cell_vector(study, factor, n, study.model(fact.model), dict(weights))
        if vector is not None and np.any(vector):
            bounds = bound_t(read_p(fact.parsed), fewest_df(study, weights))
            found.append(
                Statement(model=study.model(fact.model), weights=dict(weights), t=bounds, sign=fact.sign)
            )
    return found


def _vector(study: Study, factor: Derived, n: Array, one: Statement) -> Array:
    vector = cell_vector(study, factor, n, one.model, one.weights)
    assert vector is not None
    return vector


def _scale_range(
    study: Study, factor: Derived, n: Array, printed: Sequence[Statement]
) -> tuple[float, float] | None:
    """Return the range of the SD of a patient's slope that printed standard errors leave; None without any."""
    ends = []
    for one in printed:
        unit = math.sqrt(float(np.sum(_vector(study, factor, n, one) ** 2 / n)))
        if one.se is not None:
            ends.append((one.se[0] / unit, one.se[1] / unit))
    if not ends:
        return None
    high = max(end[1] for end in ends)
    return max(min(end[0] for end in ends), 0.02 * high), high


def _draw_block(
    study: Study,
    model: Model,
    factor: Derived,
    base: Sequence[Statement],
    n: Array,
    ends: tuple[float, float],
    rng: np.random.Generator,
) -> _Block:
    """Draw how much the cells tell, the scale of errors, and slopes given the digits of other models."""
    telling = n * np.exp(rng.standard_normal(4) / np.sqrt(n))
    scale = math.exp(rng.uniform(math.log(ends[0]), math.log(ends[1])))
    printed = [(one.estimate, _vector(study, factor, telling, one)) for one in base if one.estimate]
    kept = _independent(printed)
    rows = np.array([vector for _, vector in kept])
    covariance = _prior(study, model) + np.diag(scale**2 / telling)
    errors = MODEL_ERROR**2 * scale**2 * np.sum(rows**2 / telling, axis=1)
    between = rows @ covariance @ rows.T + np.diag(errors)
    gain = np.linalg.solve(between, rows @ covariance).T
    left = covariance - gain @ rows @ covariance
    values, vectors = np.linalg.eigh(0.5 * (left + left.T))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    said = np.array([rng.uniform(*estimate, DRAWS) for estimate, _ in kept]).T
    whitened = np.linalg.solve(np.linalg.cholesky(between), said.T)
    log_weights = -0.5 * np.sum(whitened**2, axis=0) - 0.5 * np.linalg.slogdet(between)[1]
    return _Block(
        factor=factor,
        n=telling,
        scale=scale,
        slopes=said @ gain.T + rng.standard_normal((DRAWS, 4)) @ root.T,
        weights=np.exp(log_weights),
    )


def _independent(
    printed: Sequence[tuple[tuple[float, float], Array]],
) -> list[tuple[tuple[float, float], Array]]:
    """Keep the estimates whose combinations are not already fixed by those before."""
    kept: list[tuple[tuple[float, float], Array]] = []
    for one in printed:
        rows = np.array([*(vector for _, vector in kept), one[1]])
        if np.linalg.matrix_rank(rows, tol=1e-6) == len(rows):
            kept.append(one)
    return kept


def _prior(study: Study, model: Model) -> Array:
    """Return the prior covariance of the four slopes: one common slope, and a deviation of each cell."""
    scales = dict(study.priors[0].scales).get(model.outcome) if study.priors else None
    common, deviation = (scales.slope[1], scales.effect_slope[1]) if scales else (1.0, 1.0)
    found: Array = (common**2 + 0.5 * deviation**2 * np.eye(4)) / study.horizon**2
    return found


def _hold(study: Study, statements: Sequence[Statement], block: _Block, rng: np.random.Generator) -> Array:
    """Return which draws print all statements."""
    holds = np.ones(len(block.slopes))
    for one in statements:
        vector = _vector(study, block.factor, block.n, one)
        typical = block.scale * math.sqrt(float(np.sum(vector**2 / block.n)))
        estimate = block.slopes @ vector + MODEL_ERROR * typical * rng.standard_normal(len(holds))
        se = typical * np.exp(SE_ERROR * rng.standard_normal(len(holds)))
        t = np.abs(estimate) / se
        holds *= (t >= one.t.low) & (t <= one.t.high)
        if one.estimate is not None:
            holds *= (estimate >= one.estimate[0]) & (estimate <= one.estimate[1])
        if one.se is not None:
            holds *= (se >= one.se[0]) & (se <= one.se[1])
        if one.sign:
            holds *= np.sign(estimate) == one.sign
    return holds
