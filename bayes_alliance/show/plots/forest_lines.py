"""Which lines a forest has, and the numbers on them: slopes by print, ML and Bayes over the horizon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from bayes_alliance.assess.summaries import Quantity
from bayes_alliance.inference.fits import Effect, Weights
from bayes_alliance.run.results import StudyResults
from bayes_alliance.study.coefficient_labels import label_coefficient
from bayes_alliance.study.formula import is_rate
from bayes_alliance.study.records import Cell, Estimand, Model

if TYPE_CHECKING:
    from bayes_alliance.show.plots.style import PlotRow

_Z = 1.959963984540054
_DIFFERENCES = ("slope_deviation", "slope_contrast")


@dataclass(frozen=True, kw_only=True)
class ForestLine:
    """One line of a forest.

    Parameters
    ----------
    model : Model
        Whose it is.
    name, label, kind : str
        The estimand, or the coefficient that only a printed cell names.
    quantity : Quantity or None
        None where the model was not run.
    cell : Cell or None
        The printed cell that reports the same quantity, up to a factor.
    factor : float
        What the printed number is to be multiplied with (10 where a year was printed and ten are shown).
    """

    model: Model
    name: str
    label: str
    kind: str
    quantity: Quantity | None
    cell: Cell | None
    factor: float


def find_factor(shown: Weights, printed: Weights) -> float | None:
    """Find the number f with ``shown = f * printed``; None where the two are not proportional.

    Examples
    --------
    >>> find_factor([("t:age", 10.0)], [("t:age", 1.0)])
    10.0
    """
    wanted, given = dict(shown), dict(printed)
    if set(wanted) != set(given) or not given:
        return None
    ratios = [wanted[name] / given[name] if given[name] else float("nan") for name in given]
    return ratios[0] if np.allclose(ratios, ratios[0], rtol=1e-9) and ratios[0] != 0.0 else None


def forest_lines(results: StudyResults, outcome: str) -> list[ForestLine]:
    """List the lines of one outcome: every slope difference, and every slope that is printed.

    A model that was not run stands with its printed numbers only.
    """
    lines: list[ForestLine] = []
    for model in results.study.models:
        if model.outcome == outcome:
            lines += _model_lines(results, model)
    return lines


def _model_lines(results: StudyResults, model: Model) -> list[ForestLine]:
    run = results.run(model.id)
    cells = [c for c in results.study.cells if c.model == model.id and _is_slope(results, model, c)]
    lines, matched = [], set()
    for estimand in model.estimands:
        hits = [(c, find_factor(estimand.weights, _cell_weights(model, c))) for c in cells]
        cell, factor = next(((c, f) for c, f in hits if f is not None), (None, None))
        if cell is not None:
            matched.add(cell.line)
        if cell is not None or (estimand.kind in _DIFFERENCES and run is not None):
            quantity = run.quantity(estimand.name) if run is not None else None
            lines.append(_line(model, estimand, quantity, cell, factor or 1.0))
    for cell in cells:
        if cell.line not in matched:
            quantity = run.quantity(cell.coefficient) if run is not None else None
            label = label_coefficient(results.study, cell.coefficient)
            named = Estimand(name=cell.coefficient, label=label, weights=(), kind="slope")
            lines.append(_line(model, named, quantity, cell, 1.0))
    return lines


def _line(
    model: Model, estimand: Estimand, quantity: Quantity | None, cell: Cell | None, factor: float
) -> ForestLine:
    return ForestLine(
        model=model,
        name=estimand.name,
        label=estimand.label,
        kind=estimand.kind,
        quantity=quantity,
        cell=cell,
        factor=factor,
    )


def _cell_weights(model: Model, cell: Cell) -> Weights:
    named = {estimand.name: estimand.weights for estimand in model.estimands}
    return named.get(cell.coefficient, ((cell.coefficient, 1.0),))


def _is_slope(results: StudyResults, model: Model, cell: Cell) -> bool:
    if cell.quantity != "estimate":
        return False
    return is_rate(_cell_weights(model, cell), results.study.time)


def printed_lines(results: StudyResults, outcome: str) -> list[ForestLine]:
    """Keep the lines that are printed, and the contrasts of their models, which print only implies."""
    lines = forest_lines(results, outcome)
    models = {line.model.id for line in lines if line.cell is not None}
    return [x for x in lines if x.cell is not None or (x.kind == "slope_contrast" and x.model.id in models)]


def tabulate_forest(results: StudyResults, lines: Sequence[ForestLine]) -> list[PlotRow]:
    """Compute the plotted numbers of some lines: estimate and 95 % interval by each source.

    Parameters
    ----------
    results : StudyResults
        Gives the horizon.
    lines : sequence of ForestLine
        What to show.

    Returns
    -------
    list of mapping
        In points over the horizon. Printed: estimate +- 1.96 SE; ML: Satterthwaite t; Bayes: median and
        equal-tailed. A printed ``ns`` has its text and no numbers.
    """
    return [row for line in lines for row in tabulate_line(results.study.horizon, line)]


def tabulate_line(horizon: float, line: ForestLine) -> list[PlotRow]:
    """Compute the numbers of one line: a row a source, as in :func:`tabulate_forest`."""
    rows: list[PlotRow] = []
    if line.cell is not None:
        rows.append(_row(line, "printed", "estimate +- 1.96 SE", _printed_numbers(line, horizon)))
    if line.quantity is not None:
        rows.append(_row(line, "ML", "Satterthwaite t", ml_numbers(line.quantity.ml, horizon)))
        bayes = line.quantity.bayes
        if bayes is not None:
            numbers = (horizon * bayes.median, horizon * bayes.lower, horizon * bayes.upper)
            rows.append(_row(line, "Bayes", "equal-tailed", numbers))
    return rows


def _row(
    line: ForestLine, source: str, interval: str, numbers: tuple[float | None, float | None, float | None]
) -> PlotRow:
    return {
        "outcome": line.model.outcome,
        "model": line.model.id,
        "estimand": line.name,
        "label": line.label,
        "kind": line.kind,
        "source": source,
        "interval_95": interval,
        "printed": line.cell.printed if line.cell is not None else None,
        "printed_times": line.factor if line.cell is not None else None,
        "estimate_over_horizon": numbers[0],
        "lower_95": numbers[1],
        "upper_95": numbers[2],
    }


def _printed_numbers(line: ForestLine, horizon: float) -> tuple[float | None, float | None, float | None]:
    assert line.cell is not None
    cell = line.cell.parsed
    if cell.value is None:
        return None, None, None
    scale = horizon * line.factor
    estimate = scale * float(cell.value.value)
    if cell.spread is None:
        return estimate, None, None
    half = _Z * abs(scale) * float(cell.spread.value)
    return estimate, estimate - half, estimate + half


def ml_numbers(effect: Effect, horizon: float) -> tuple[float, float, float]:
    """Return an ML estimate over the horizon and its 95 % interval, by t on Satterthwaite degrees of freedom."""
    quantile = float(special.stdtrit(effect.df, 0.975)) if effect.df > 0.0 else _Z
    half = quantile * effect.se
    return tuple(horizon * x for x in (effect.estimate, effect.estimate - half, effect.estimate + half))  # type: ignore[return-value]
