"""Every printed estimate with all that the publication lets one know of it.

A cell's digits give a rectangle of (estimate, SE) pairs; stars, ``ns``, the text's own p values and printed
AICs cut it down. Where a cell says only ``ns``, the SE is borrowed from a printed one of the same outcome and
role, scaled by the patients behind each, within a stated factor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from bayes_alliance.inference.priors import combination_prior
from bayes_alliance.published.aic import AicChange, aic_changes, bound_t_by_ratio
from bayes_alliance.published.constraints import Constraint, constrain, degrees_of_freedom, region_of
from bayes_alliance.published.patient_counts import all_patients, precision
from bayes_alliance.published.printed_rows import PrintedRow, printed_rows
from bayes_alliance.published.rounding_region import Region, build_region
from bayes_alliance.published.standardised import row_key, standardised_constraints
from bayes_alliance.published.stars import PBounds, TBounds, bound_t, read_cell, read_p, star_rule
from bayes_alliance.study.formula import is_rate, parse_formula
from bayes_alliance.study.printed_cell import PrintedCell
from bayes_alliance.study.records import Cell, Model, Study

Role = Literal["level", "slope", "level_deviation", "slope_deviation"]
BORROWED_FACTOR = 1.5


@dataclass(frozen=True, kw_only=True)
class PrintedEffect:
    """One printed estimate.

    Parameters
    ----------
    cell : Cell
        As it stands in the study file.
    cells : tuple of Cell
        The cell and those of other columns that print its SE, interval, test, degrees of freedom or p.
    parsed : PrintedCell
        All that they say.
    model : Model
        The model that it belongs to.
    role : {"level", "slope", "level_deviation", "slope_deviation"}
        What it is.
    weights : tuple of (str, float)
        Coefficients that it combines.
    p : PBounds
        What its marking and the text say of its p value.
    t : TBounds
        What that and the printed AICs say of its test statistic.
    region : Region or None
        The (estimate, SE) pairs left; None where none is, or where nothing bounds them.
    constraints : tuple of str
        What was used besides the digits.
    borrowed : str
        Where the SE comes from if the cell prints none; empty otherwise.
    unit : float
        What to multiply by to get points (over the horizon, and for the predictor's contrast).
    df_low : float
        The fewest degrees of freedom that its test may have had.
    """

    cell: Cell
    cells: tuple[Cell, ...]
    parsed: PrintedCell
    model: Model
    role: Role
    weights: tuple[tuple[str, float], ...]
    p: PBounds
    t: TBounds
    region: Region | None
    constraints: tuple[str, ...]
    borrowed: str
    unit: float
    df_low: float

    @property
    def name(self) -> str:
        """Table, row and column."""
        return f"{self.cell.table}: {self.cell.row}: {self.cell.column}"

    @property
    def is_deviation(self) -> bool:
        """Whether it is a predictor's deviation and not the growth itself."""
        return self.role in ("level_deviation", "slope_deviation")

    def prior(self, study: Study, name: str) -> tuple[float, float]:
        """Return mean and SD of its prior in a named set, in the cell's own unit."""
        return combination_prior(study, parse_formula(self.model.formula), name, dict(self.weights))


def printed_effects(study: Study) -> list[PrintedEffect]:
    """Return every printed effect of a study that a coefficient or estimand answers.

    Parameters
    ----------
    study : Study
        With cells; facts and AICs are used where there are any.

    Returns
    -------
    list of PrintedEffect
        In the order of the cells.
    """
    ratios = _largest_ratios(study) if study.publication.criterion == "ml" else {}
    rows = list(printed_rows(study))
    known = standardised_constraints(study)
    first = [_effect(study, row, ratios, known.pop(row_key(row), (row, ()))[1]) for row in rows]
    # Of what is left only the standardised effect is printed.
    for row, parts in known.values():
        first.append(_effect(study, replace(row, parsed=PrintedCell(kind="number")), ratios, parts))
    return [
        _borrow(study, effect, first) if effect.parsed.value is None and effect.region is None else effect
        for effect in first
    ]


def _largest_ratios(study: Study) -> dict[str, AicChange]:
    """Change of AIC of each model against its reference, which bounds the tests of what the model adds."""
    return {change.larger.id: change for change in aic_changes(study, only_reference=True)}


# Over 40 lines: each constraint narrows the region that the one before has left.
def _effect(
    study: Study,
    row: PrintedRow,
    ratios: dict[str, AicChange],
    standardised: tuple[Constraint, ...] = (),
) -> PrintedEffect:
    cell, parsed = row.cell, row.parsed
    model = study.model(cell.model)
    weights = effect_weights(model, cell.coefficient)
    role = _role(study, weights)
    p, said = _bounds(study, cell, parsed)
    df_low = fewest_df(study, weights)
    t = bound_t(p, *degrees_of_freedom(parsed, (df_low, math.inf)))
    region, used = _region(study, parsed, t, df_low), said
    narrower = _region(study, parsed, t, df_low, standardised) if standardised else None
    if narrower is not None:
        divisor = study.publication.legend(cell.table).standardiser
        region, used = narrower, (*said, f"the standardised effect times {divisor:g}")
    else:
        standardised = ()
    change = ratios.get(model.id)
    if change and role.endswith("deviation") and any(change.adds(name) for name, _ in weights):
        ratio = change.likelihood_ratio[1]
        aics = f"AIC {change.cells[1].printed} against {change.cells[0].printed}"
        text = f"{aics}: likelihood ratio at most {ratio:g}"
        limit = bound_t_by_ratio(ratio, all_patients(study))
        tighter = TBounds(low=t.low, high=min(t.high, limit))
        narrowed = _region(study, parsed, tighter, df_low, standardised)
        if tighter.high < t.high and (narrowed is not None or parsed.value is None) and limit > t.low:
            t, region, used = tighter, narrowed, (*used, text)
    return PrintedEffect(
        cell=cell,
        cells=row.cells,
        parsed=parsed,
        model=model,
        role=role,
        weights=weights,
        p=p,
        t=t,
        region=region,
        constraints=used,
        borrowed="",
        unit=_unit(study, weights, role),
        df_low=df_low,
    )


def fewest_df(study: Study, weights: tuple[tuple[str, float], ...]) -> float:
    """Return the fewest degrees of freedom that make sense: declared, or half of the smallest group if more."""
    known = precision(study, dict(weights))
    return max(study.publication.df_low, 0.5 * known.fewest if known else 0.0)


def effect_weights(model: Model, coefficient: str) -> tuple[tuple[str, float], ...]:
    """Return the weights of an estimand, or of a coefficient by itself."""
    for estimand in model.estimands:
        if estimand.name == coefficient:
            return estimand.weights
    return ((coefficient, 1.0),)


def _role(study: Study, weights: tuple[tuple[str, float], ...]) -> Role:
    growth = any(name in ("Intercept", study.time) for name, _ in weights)
    if is_rate(weights, study.time):
        return "slope" if growth else "slope_deviation"
    return "level" if growth else "level_deviation"


def _unit(study: Study, weights: tuple[tuple[str, float], ...], role: Role) -> float:
    """Points for the predictor's contrast, over the horizon; an estimand of several coefficients as it is."""
    parts = [part.split("[")[0] for part in weights[0][0].split(":")]
    single = len(weights) == 1 and abs(weights[0][1]) == 1.0
    names = [part for part in parts if part not in ("Intercept", study.time)] if single else []
    contrast = math.prod(study.every_variable[name].contrast for name in names)
    return contrast * (study.horizon if role.startswith("slope") else 1.0)


def _bounds(study: Study, cell: Cell, parsed: PrintedCell) -> tuple[PBounds, tuple[str, ...]]:
    """Bounds on p by the cell's marking and the text; where they contradict each other, the marking's."""
    bounds = read_cell(star_rule(study.publication, cell.table), parsed)
    said: tuple[str, ...] = ()
    if parsed.kind == "not_significant" or parsed.stars:
        said = (f"marked {parsed.stars * '*' or 'ns'}",)
    for fact in study.facts:
        if fact.quantity == "p" and (fact.model, fact.coefficient) == (cell.model, cell.coefficient):
            both = bounds.narrowed(read_p(fact.parsed))
            if not both.is_empty and both != bounds:
                bounds, said = both, (*said, f"text: p {fact.printed}")
    return bounds, said


def _region(
    study: Study, parsed: PrintedCell, t: TBounds, df_low: float, more: tuple[Constraint, ...] = ()
) -> Region | None:
    """Region of all printed parts; None where they leave none, or do not bound the SE from below."""
    rounding = study.publication.rounding
    alone = parsed.ci is None and not parsed.tests and not more
    if alone and parsed.value is not None and parsed.spread is not None:
        return build_region(parsed.value.interval(rounding).ends, parsed.spread.interval(rounding).ends, t)
    constraints = constrain(parsed, rounding, (df_low, math.inf))
    try:
        region = region_of([*constraints, *more, Constraint(part="marking", t=t)])
    except ValueError:
        return None
    return region if region is None or region.bounds[1][0] > 0.0 else None


def _borrow(study: Study, effect: PrintedEffect, others: list[PrintedEffect]) -> PrintedEffect:
    """Return a cell without digits the SE of a printed one of the same outcome and role."""
    target = precision(study, dict(effect.weights))
    best: tuple[float, tuple[float, float], str] | None = None
    for other in others:
        same = (other.model.outcome, other.role) == (effect.model.outcome, effect.role)
        if target is None or not same or other.region is None:
            continue
        source = precision(study, dict(other.weights))
        if source is None:
            continue
        ratio = math.sqrt(target.variance / source.variance)
        low, high = float(other.region.rim_se.min()), float(other.region.rim_se.max())
        if best is None or high / low < best[0]:
            best = (high / low, (low * ratio, high * ratio), f"{other.cell.row} ({other.cell.printed})")
    if best is None or math.isinf(effect.t.high):
        return effect
    se = (best[1][0] / BORROWED_FACTOR, best[1][1] * BORROWED_FACTOR)
    region = build_region((-math.inf, math.inf), se, effect.t)
    note = f"SE from {best[2]}, scaled by the patients behind each, within a factor {BORROWED_FACTOR:g}"
    return PrintedEffect(
        cell=effect.cell,
        cells=effect.cells,
        parsed=effect.parsed,
        model=effect.model,
        role=effect.role,
        weights=effect.weights,
        p=effect.p,
        t=effect.t,
        region=region,
        constraints=effect.constraints,
        borrowed=note,
        unit=effect.unit,
        df_low=effect.df_low,
    )
