r"""The prior of a model's fixed part, stated on what the model says and not on how it is coded.

A prior set speaks of the mean at a *reference point* (predictors at their reference values, time at its reference) and
of differences from there, in natural units. It is a prior on the mean function

.. math:: f(t, v) = L_0 + \sum_j L_j u_j(v) + \frac{t - t_0}{h}\Bigl(S_0 + \sum_j S_j u_j(v)\Bigr),

with horizon h, :math:`L_0` and :math:`S_0` the level and the change over the horizon at the reference point, and one
independent Normal effect for each term: :math:`u = (x - x_0)/c` for a numeric predictor with contrast c, and for a
category of K levels K exchangeable effects (:math:`u_k = (1[v = k] - 1/K)/\sqrt2`, of which K - 1 are free), so that
each of its differences has the same SD; products of these for interactions. Coefficients follow by solving
:math:`X\beta = f`: whatever the reference level, the coding, the origin or the unit of a predictor, the prior on f is
the same.

Statements on named estimands replace the distribution of these estimands and keep that of everything else given them.
NumPy only.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.study.formula import Formula, parse_formula
from bayes_alliance.study.prior_records import PriorScales
from bayes_alliance.study.records import Study

Array = NDArray[np.float64]
_OTHER = ""  # the level of a category that has no column of its own
_TOLERANCE = 1e-7


class PriorError(ValueError):
    """A prior that cannot be; the message says which and why."""


@dataclass(frozen=True, kw_only=True)
class MeanPrior:
    """A joint Normal prior of the fixed coefficients, ``beta = mean + root @ z`` with z standard normal.

    Parameters
    ----------
    x_names : tuple of str
        The coefficients.
    mean : ndarray, shape (p,)
        In the units of the columns.
    root : ndarray, shape (p, p)
        Factor of the covariance.
    """

    x_names: tuple[str, ...]
    mean: Array
    root: Array

    def combine(self, weights: Mapping[str, float]) -> tuple[float, float]:
        """Return mean and SD of a linear combination of coefficients (KeyError for an unknown name)."""
        vector = weigh_names(self.x_names, weights)
        return float(vector @ self.mean), float(np.linalg.norm(vector @ self.root))

    def restate(self, weights: Array, mean: Array, sd: Array) -> MeanPrior:
        """Replace the distribution of some estimands, keeping that of the coefficients given them."""
        new_mean, new_root = restate(self.mean, self.root, weights, mean, sd)
        return MeanPrior(x_names=self.x_names, mean=new_mean, root=new_root)


def restate(mean: Array, root: Array, weights: Array, new_mean: Array, new_sd: Array) -> tuple[Array, Array]:
    r"""Return some linear combinations of a Normal vector another mean and SD.

    The combinations keep their correlations with each other, and what is left keeps its distribution given them
    (Jeffrey's rule of conditioning).

    Parameters
    ----------
    mean, root : ndarray, shape (p,) and (p, m)
        The vector is ``mean + root @ z``.
    weights : ndarray, shape (k, p)
        Rows are the combinations.
    new_mean, new_sd : ndarray, shape (k,)
        Of the combinations.

    Returns
    -------
    mean, root : ndarray

    Raises
    ------
    PriorError
        If the combinations are linearly dependent under the prior, so that their means and SDs cannot be chosen freely.
    """
    seen = weights @ root
    sd = np.linalg.norm(seen, axis=1)
    if np.any(sd <= 0.0) or np.linalg.matrix_rank(seen / sd[:, None], tol=_TOLERANCE) < len(seen):
        raise PriorError("the estimands are linearly dependent: state fewer of them")
    basis, upper = np.linalg.qr(seen.T)  # seen = lower @ basis.T
    lower = upper.T
    shift = np.linalg.solve(lower, new_mean - weights @ mean)
    change = np.linalg.solve(lower, (new_sd / sd)[:, None] * lower) - np.eye(len(seen))
    return mean + root @ (basis @ shift), root + (root @ basis) @ change @ basis.T


def weigh_names(x_names: Sequence[str], weights: Mapping[str, float]) -> Array:
    """Turn named weights into a vector over the coefficients (KeyError for an unknown name)."""
    position = {name: index for index, name in enumerate(x_names)}
    vector = np.zeros(len(x_names))
    for name, weight in weights.items():
        vector[position[name]] += weight
    return vector


def mean_prior(
    study: Study,
    formula: Formula,
    name: str,
    *,
    x_names: Sequence[str] = (),
    reference: Mapping[str, float] | None = None,
    effect_factor: float = 1.0,
) -> MeanPrior:
    """Derive the prior of a model's fixed coefficients from a prior set.

    A statement on an estimand of a category that no row has is passed over, as the model's column of it is.

    Parameters
    ----------
    study : Study
        States the sets, the horizon, the reference values and each predictor's ``contrast``.
    formula : Formula
        Of the model.
    name : str
        Of the prior set (KeyError if there is none).
    x_names : sequence of str, optional
        The coefficients as the design names them; by default as Bambi does.
    reference : mapping of str to float, optional
        Reference values found in the rows, for variables whose study file states none.
    effect_factor : float
        On the SDs of all effects of predictors, stated ones included.

    Returns
    -------
    MeanPrior

    Raises
    ------
    PriorError
        If a statement of the set names an estimand that the model does not have, or the statements contradict each
        other.
    """
    chosen = study.prior(name)
    names = tuple(x_names) or column_names(study, formula)
    space = _Space.of(study, formula, names, reference or {})
    mean, root = _solve(space, chosen.for_outcome(formula.response), effect_factor)
    prior = MeanPrior(x_names=names, mean=mean, root=root)
    stated = {
        (model, estimand): pair for model, estimand, pair in chosen.estimands if _is_of(study, model, formula)
    }
    stated = {key: (mean, sd * effect_factor) for key, (mean, sd) in stated.items()}
    return _with_statements(prior, study, stated) if stated else prior


def _is_of(study: Study, model_id: str, formula: Formula) -> bool:
    """Whether a statement on a model's estimand holds for a formula: that of the model, or another like it."""
    return parse_formula(study.model(model_id).formula).text == formula.text


def _with_statements(
    prior: MeanPrior, study: Study, stated: Mapping[tuple[str, str], tuple[float, float]]
) -> MeanPrior:
    rows, means, sds = [], [], []
    for (model_id, name), (mean, sd) in stated.items():
        found = [e for e in study.model(model_id).estimands if e.name == name]
        if not found:
            raise PriorError(f"model {model_id!r} has no estimand {name!r}")
        if any(column not in prior.x_names for column, _ in found[0].weights):
            continue  # No row has the category that it speaks of, so the model at hand has no such estimand.
        unit = 1.0 if found[0].kind == "level" else study.horizon
        rows.append(unit * weigh_names(prior.x_names, dict(found[0].weights)))
        means.append(mean)
        sds.append(sd)
    if not rows:
        return prior
    try:
        return prior.restate(np.array(rows), np.array(means), np.array(sds))
    except PriorError as error:
        listed = ", ".join(f"{model}.{name}" for model, name in stated)
        raise PriorError(f"{listed}: {error}") from error


def column_names(study: Study, formula: Formula) -> tuple[str, ...]:
    """Name the fixed columns of a formula without any rows, as formulae and Bambi do.

    A category has a column for every level but the first where the model also has the term without it, and for all
    levels where it does not.
    """
    terms = {frozenset(term) for term in formula.terms}
    names = ["Intercept"] if formula.intercept else []
    if formula.intercept:
        terms.add(frozenset())
    for term in formula.terms:
        parts = []
        for variable in term:
            levels = _categories(study, variable)
            if not levels:
                parts.append([variable])
                continue
            whole = frozenset(term) - {variable} not in terms
            parts.append([f"{variable}[{level}]" for level in (levels if whole else levels[1:])])
        names += [":".join(combined) for combined in itertools.product(*parts)]
    return tuple(names)


def _categories(study: Study, variable: str) -> tuple[str, ...]:
    """Levels of a variable that enters as a category; empty for one that enters as a number."""
    declared = study.every_variable[variable]
    return declared.categories if declared.kind == "category" else ()


@dataclass(frozen=True, kw_only=True)
class _Space:
    """The functions that a model's fixed part can be, evaluated on points that tell them apart.

    Parameters
    ----------
    time : str
        Name of time.
    horizon : float
        In units of time.
    components : dict of frozenset to None
        Sets of variables whose products the fixed part holds, in order (time among them; the empty set is the level).
    levels : dict of str to tuple of str
        Of each category.
    reference, contrast : dict of str to float
        Of each numeric variable.
    points : dict of str to list
        A value of each variable on each point.
    x : ndarray, shape (n_points, p)
        The model's columns there.
    """

    time: str
    horizon: float
    components: dict[frozenset[str], None]
    levels: dict[str, tuple[str, ...]]
    reference: dict[str, float]
    contrast: dict[str, float]
    points: list[dict[str, float | str]]
    x: Array

    @classmethod
    def of(cls, study: Study, formula: Formula, names: Sequence[str], found: Mapping[str, float]) -> _Space:
        variables = list(dict.fromkeys(itertools.chain.from_iterable(formula.terms)))
        levels = {v: _named_levels(v, names, formula) for v in variables if _categories(study, v)}
        numeric = [v for v in variables if v not in levels]
        reference = _references(study, numeric, found)
        contrast = {
            v: study.horizon if v == study.time else study.every_variable[v].contrast for v in numeric
        }
        components = _closure(formula, set(levels))
        values: dict[str, list[float | str]] = {v: list(levels[v]) for v in levels}
        values |= {v: [reference[v], reference[v] + contrast[v]] for v in numeric}
        points = _grid(components, values, variables)
        return cls(
            time=study.time,
            horizon=study.horizon,
            components=components,
            levels=levels,
            reference=reference,
            contrast=contrast,
            points=points,
            x=np.array([[_column(name, point) for name in names] for point in points], dtype=float),
        )

    def units(self, variable: str, *, centred: bool) -> Array:
        """Return the unit functions of a variable on the points, shape (n_points, count)."""
        values = [point[variable] for point in self.points]
        if variable in self.levels:
            levels = self.levels[variable]
            inside = np.array([[value == level for level in levels] for value in values], dtype=float)
            contrasts: Array = inside @ _contrasts(len(levels)) / np.sqrt(2.0)
            return contrasts
        origin = self.reference[variable] if centred else 0.0
        return (np.array(values, dtype=float)[:, None] - origin) / self.contrast[variable]


def _references(study: Study, variables: Sequence[str], found: Mapping[str, float]) -> dict[str, float]:
    """Return each numeric variable's reference value: stated, else that of the rows, else the middle of two or 0."""
    declared = study.every_variable
    start = study.reference_time
    origin = found.get(study.time, 0.0) if start is None else start
    known = {}
    for variable in variables:
        stated = declared[variable].reference
        default = 0.5 if declared[variable].kind == "binary" else 0.0
        known[variable] = found.get(variable, default) if stated is None else stated
    return known | ({study.time: origin} if study.time in variables else {})


def _named_levels(variable: str, names: Sequence[str], formula: Formula) -> tuple[str, ...]:
    """Levels of a category that the columns tell apart; one that has no column of its own comes last."""
    parts = [part for name in names for part in name.split(":") if part.startswith(f"{variable}[")]
    named = tuple(dict.fromkeys(part[len(variable) + 1 : -1] for part in parts))
    mine = [frozenset(term) for term in formula.terms if variable in term]
    there = {frozenset(term) for term in formula.terms} | ({frozenset[str]()} if formula.intercept else set())
    whole = any(term - {variable} not in there for term in mine)
    return named if whole else (*named, _OTHER)


def _closure(formula: Formula, categories: set[str]) -> dict[frozenset[str], None]:
    """List the terms of a formula with those that a category's full set of levels spans besides."""
    found: dict[frozenset[str], None] = {frozenset[str](): None} if formula.intercept else {}
    for term in formula.terms:
        fixed = frozenset(term) - categories
        free = sorted(frozenset(term) & categories)
        for count in range(len(free) + 1):
            for some in itertools.combinations(free, count):
                found.setdefault(fixed | frozenset(some), None)
    return dict.fromkeys(sorted(found, key=lambda term: (len(term), sorted(term))))


def _grid(
    components: Mapping[frozenset[str], None],
    values: Mapping[str, Sequence[float | str]],
    variables: Sequence[str],
) -> list[dict[str, float | str]]:
    """Lay points that tell all functions of the terms apart: every combination within each term, the rest at base."""
    base = {v: values[v][0] for v in variables}
    found: dict[tuple[float | str, ...], dict[str, float | str]] = {}
    for term in (*components, frozenset[str]()):
        inside = sorted(term)
        for combined in itertools.product(*(values[v] for v in inside)):
            point = base | dict(zip(inside, combined, strict=True))
            found[tuple(point[v] for v in variables)] = point
    return list(found.values())


def _column(name: str, point: Mapping[str, float | str]) -> float:
    """Value of one column of the model at a point."""
    value = 1.0
    for part in name.split(":") if name != "Intercept" else ():
        variable, bracket, level = part.partition("[")
        value *= float(point[variable] == level[:-1]) if bracket else float(point[part])
    return value


def _solve(space: _Space, scales: PriorScales, effect_factor: float) -> tuple[Array, Array]:
    """Turn the prior on the mean function into mean and square root of the coefficients' covariance."""
    centre = np.zeros(len(space.points))
    columns = []
    for component in space.components:
        predictors = sorted(component - {space.time})
        sloped = space.time in component
        if predictors:
            mean, sd = scales.effect_slope if sloped else scales.effect_intercept
            sd *= effect_factor
        else:
            mean, sd = scales.slope if sloped else scales.intercept
        product = np.ones((len(space.points), 1))
        for variable in sorted(component):
            unit = space.units(variable, centred=component - {variable} in space.components)
            product = (product[:, :, None] * unit[:, None, :]).reshape(len(product), -1)
        columns.append(sd * product)
        if not predictors or (len(predictors) == 1 and predictors[0] not in space.levels):
            centre += mean * product[:, 0]
    functions = np.column_stack([centre, *columns])
    with np.errstate(over="ignore"):
        length = np.linalg.norm(space.x, axis=0)
    if not (np.all(np.isfinite(length)) and np.all(length > 0.0)):
        raise PriorError(
            "the horizon, or the contrast of a predictor, is too large or too small to compute with"
        )
    solved, _, rank, _ = np.linalg.lstsq(space.x / length, functions, rcond=1e-12)
    if rank < space.x.shape[1]:
        raise PriorError("the columns of the model are linearly dependent")
    missed = np.abs(space.x / length @ solved - functions).max()
    if missed > _TOLERANCE * max(1.0, float(np.abs(functions).max())):
        raise PriorError("the columns of the model do not span its terms")
    # What is zero but for rounding is zero, so that priors that do not depend on each other stay so.
    solved[np.abs(solved) < 1e-13 * np.abs(solved).max(axis=1, keepdims=True)] = 0.0
    solved /= length[:, None]
    return solved[:, 0], solved[:, 1:]


def _contrasts(count: int) -> Array:
    """Return orthonormal contrasts between levels, shape (count, count - 1): exchangeable levels without their mean."""
    columns = []
    for k in range(1, count):
        column = np.zeros(count)
        column[:k] = 1.0
        column[k] = -k
        columns.append(column / np.sqrt(k * (k + 1.0)))
    return np.column_stack(columns) if columns else np.zeros((count, 0))
