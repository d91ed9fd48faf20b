r"""Printed AICs and the likelihood-ratio statistic that they leave.

Under maximum likelihood on the same rows, :math:`AIC_{ref} - AIC = LR - 2k` for ``k`` added coefficients, and
the likelihood ratio is about the Wald statistic of the added coefficients. With test statistics :math:`t_0,
t_1` of a level and a slope deviation whose estimates correlate by :math:`\rho`,
:math:`W = (t_0^2 - 2\rho t_0 t_1 + t_1^2)/(1 - \rho^2)`; it is never below :math:`t_0^2` or :math:`t_1^2`.
Under restricted likelihood the criterion itself changes with the columns, by
:math:`-\log|V| - k\log 2\pi` with ``V`` the covariance of the added coefficients.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayes_alliance.inference.fits import Array
from bayes_alliance.study.formula import Formula, parse_formula
from bayes_alliance.study.printed_cell import Interval
from bayes_alliance.study.records import Cell, Model, Study


@dataclass(frozen=True, kw_only=True)
class AicChange:
    """Two printed AICs of models of which one holds the other.

    Parameters
    ----------
    smaller, larger : Model
        Nested models.
    change : Interval
        AIC of the smaller minus AIC of the larger: positive where the larger fits better.
    added : int
        Coefficients that the larger has more.
    cells : (Cell, Cell)
        Of the smaller and of the larger.
    """

    smaller: Model
    larger: Model
    change: Interval
    added: int
    cells: tuple[Cell, Cell]

    @property
    def likelihood_ratio(self) -> tuple[float, float]:
        """Range of the likelihood-ratio statistic under maximum likelihood on the same rows."""
        low, high = self.change.ends
        return low + 2 * self.added, high + 2 * self.added

    def adds(self, coefficient: str) -> bool:
        """Whether the larger model alone has a coefficient, so that the change of AIC bounds its test."""
        term = {part.split("[")[0] for part in coefficient.split(":")}
        return all(term != set(other) for other in parse_formula(self.smaller.formula).terms)


def aic_cells(study: Study) -> dict[str, Cell]:
    """Return the AIC cell of each model that has one (the first)."""
    found: dict[str, Cell] = {}
    for cell in study.cells:
        if cell.quantity == "aic" and cell.model:
            found.setdefault(cell.model, cell)
    return found


def aic_changes(study: Study, *, only_reference: bool = False) -> Iterator[AicChange]:
    """Return every pair of nested models of one outcome and comparison with printed AICs.

    Parameters
    ----------
    only_reference : bool
        Keep only models against their declared reference.
    """
    cells = aic_cells(study)
    models = {m.id: m for m in study.models if m.id in cells}
    for larger in models.values():
        for smaller in models.values():
            if only_reference and larger.reference != smaller.id:
                continue
            added = count_added(study, smaller, larger)
            if added:
                ends = [_printed(study, cells[m.id]) for m in (smaller, larger)]
                yield AicChange(
                    smaller=smaller,
                    larger=larger,
                    change=ends[0] - ends[1],
                    added=added,
                    cells=(cells[smaller.id], cells[larger.id]),
                )


def _printed(study: Study, cell: Cell) -> Interval:
    value = cell.parsed.value
    assert value is not None
    return value.interval(study.publication.rounding)


def count_added(study: Study, smaller: Model, larger: Model) -> int:
    """Coefficients that a model adds to another one that it holds; 0 where it does not hold it."""
    if smaller.id == larger.id or smaller.comparison != larger.comparison or smaller.where != larger.where:
        return 0
    small, large = parse_formula(smaller.formula), parse_formula(larger.formula)
    if (small.response, small.random, small.intercept) != (large.response, large.random, large.intercept):
        return 0
    if (small.parts, small.residual) != (large.parts, large.residual):
        return 0
    if not all(any(_spans(study, term, other) for other in large.terms) for term in small.terms):
        return 0
    return max(0, count_columns(study, large) - count_columns(study, small))


def _spans(study: Study, term: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether a term of a larger model holds one: the same, or with a crossed factor in its part's place."""
    if set(term) == set(other):
        return True
    for name in other:
        variable = study.every_variable.get(name)
        if variable is not None and getattr(variable, "rule", "") == "cross":
            for part in variable.of:  # type: ignore[union-attr]
                if set(term) == {part if n == name else n for n in other}:
                    return True
    return False


def count_columns(study: Study, formula: Formula) -> int:
    """Count the fixed columns of a formula whose categories enter by contrasts."""
    total = int(formula.intercept)
    for term in formula.terms:
        columns = 1
        for name in term:
            variable = study.every_variable[name]
            columns *= len(variable.categories) - 1 if variable.kind == "category" else 1
        total += columns
    return total


def wald(t0: Array, t1: Array, rho: Array) -> Array:
    """Wald statistic of two coefficients from their own statistics and their correlation."""
    result: Array = (t0**2 - 2.0 * rho * t0 * t1 + t1**2) / (1.0 - rho**2)
    return result


def wald_range(
    t0: tuple[float, float], t1: tuple[float, float], rho: tuple[float, float]
) -> tuple[float, float]:
    """Range of the Wald statistic over sizes of two test statistics, any signs, and correlations.

    Parameters
    ----------
    t0, t1 : (float, float)
        Range of each size.
    rho : (float, float)
        Range of the correlation, inside -1 to 1.
    """
    low = max(t0[0], t1[0]) ** 2
    if math.isinf(t0[1]) or math.isinf(t1[1]):
        return low, math.inf
    # Convex in both statistics and, at given statistics, in the correlation: the largest is at a corner.
    corners = [(x, sign * y, r) for x in t0 for y in t1 for sign in (1.0, -1.0) for r in rho]
    return low, float(max(wald(np.array(x), np.array(y), np.array(r)) for x, y, r in corners))


def needed_correlation(t0: tuple[float, float], t1: tuple[float, float], least: float) -> float:
    """Smallest size of the correlation with which the Wald statistic can reach a value; NaN if none can."""
    for rho in np.linspace(0.0, 0.99, 100):
        if wald_range(t0, t1, (-rho, rho))[1] >= least:
            return float(rho)
    return float("nan")


def bound_t_by_ratio(ratio: float, patients: int | None) -> float:
    """Largest ``|t|`` of one coefficient that a likelihood ratio allows.

    A t test divides by a variance estimated with the coefficient in the model, so :math:`t^2` may exceed the
    likelihood ratio, as :math:`n(e^{LR/n} - 1)` does; half of the patients stand for ``n``, on the safe side.
    """
    if ratio <= 0.0:
        return 0.0
    n = max(5.0, 0.5 * patients) if patients else 20.0
    return math.sqrt(n * math.expm1(min(ratio / n, 50.0)))
