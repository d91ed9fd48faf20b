"""What a publication's cells and text ask of the scores: intervals for numbers of maximum-likelihood fits.

A printed estimate asks for every value that prints like it, stars and ``ns`` for a p value on their side of the
level, an AIC for its whole number. An effect whose row prints more than that (an interval, a test, p, an SE of its
own column) asks for the estimate and the SE of its region (:mod:`bayes_alliance.published.printed_effects`), the same
that posteriors and the audit use, by its outermost values. Variances, SDs and -2 log likelihoods ask for what rounds
to them. Of what is left (:func:`unasked_cells`) nothing is asked. Text statements about p and about explained
variation count like cells. Which cells cannot be met together is for the audit to say; where a marking and the text
contradict each other, the marking stands and the text is reported as missed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from bayes_alliance.published.printed_effects import PrintedEffect, effect_weights, printed_effects
from bayes_alliance.published.stars import PBounds, read_cell, read_p, star_rule
from bayes_alliance.study.printed_cell import PrintedCell
from bayes_alliance.study.publication import Fact
from bayes_alliance.study.records import Cell, Study

Kind = Literal[
    "estimate",
    "se",
    "p",
    "explained_intercept",
    "explained_slope",
    "aic",
    "deviance",
    "variance",
    "residual",
    "wald",
    "sign",
    "lr",
    "aic_gain",
    "less_t",
    "less_estimate",
]
WALD_LEVEL = 0.05
_FIT = ("explained_intercept", "explained_slope", "aic")
_LIKELIHOOD = {"minus_2ll": 1.0, "deviance": 1.0, "log_likelihood": -2.0}
_SPREAD = ("variance", "sd", "residual", "residual_sd")


@dataclass(frozen=True, kw_only=True)
class Target:
    """One number of one model's fit and the interval that it must lie in.

    Parameters
    ----------
    model : str
        Id of the model.
    kind : str
        ``estimate``, ``se`` or two-sided ``p`` of a combination of coefficients; ``explained_intercept`` or
        ``explained_slope`` in per cent, against the model's reference on all of its own rows; ``aic``; ``deviance``,
        -2 log likelihood; ``variance`` of the intercept or the slope; ``residual`` variance; ``wald``, the p value of a
        variance by its Wald z, as SPSS prints it; ``sign``, an estimate on one side of zero; ``lr``, the p value of the
        likelihood ratio against ``other``; ``aic_gain``, the AIC of the model's reference less its own; ``less_t`` and
        ``less_estimate``, the size of a test statistic or an estimate less that of another model's.
    low, high : float
        Interval, ends included.
    weights : tuple of (str, float)
        Coefficients, for ``estimate``, ``se`` and ``p``.
    which : int
        For ``wald`` and ``variance``: of the intercept (0) or of the slope (1).
    said : str
        The printed string.
    place : str
        Where it is printed.
    from_cell : bool
        Whether a cell of a table prints it, or only the text.
    sign : {-1, 0, 1}
        Direction of the effect that a p value speaks of; 0 where it is not stated.
    other, other_weights : str and tuple of (str, float)
        The other model of a comparison, and its coefficients.
    """

    model: str
    kind: Kind
    low: float
    high: float
    weights: tuple[tuple[str, float], ...] = ()
    which: int = 0
    said: str
    place: str
    from_cell: bool
    sign: int = 0
    other: str = ""
    other_weights: tuple[tuple[str, float], ...] = ()


def list_targets(study: Study) -> list[Target]:
    """List what every cell of a model and every statement of the text asks for.

    Parameters
    ----------
    study : Study
        With cells, and facts where the text states more.

    Returns
    -------
    list of Target
        Cells first, in their order, then the text.
    """
    found: list[Target] = []
    rows = _whole_rows(study)
    for cell in study.cells:
        effect = rows.get(id(cell))
        if effect is not None and effect.cells[0] is cell:
            found += _of_row(effect)
        elif effect is None and cell.model and _is_asked(study, cell):
            found += _of_cell(study, cell)
    for fact in study.facts:
        if fact.model:
            found += _of_fact(study, fact)
    return found


def unasked_cells(study: Study) -> tuple[Cell, ...]:
    """Return the cells of models that no target stands for: a correlation, ICC, BIC, R² and the like."""
    rows = _whole_rows(study)
    return tuple(
        cell for cell in study.cells if cell.model and id(cell) not in rows and not _is_asked(study, cell)
    )


def _whole_rows(study: Study) -> dict[int, PrintedEffect]:
    """Effects whose region follows from more than one cell's digits, SE and stars, by each of their cells."""
    found: dict[int, PrintedEffect] = {}
    for effect in printed_effects(study):
        parsed = effect.cell.parsed
        more = parsed.ci is not None or parsed.tests or parsed.p or effect.cell.quantity != "estimate"
        if (len(effect.cells) > 1 or more) and effect.region is not None and not effect.borrowed:
            found |= {id(cell): effect for cell in effect.cells}
    return found


def _of_row(effect: PrintedEffect) -> list[Target]:
    """Ask for the outermost estimates and SEs of a row's region, and for what is said of its p."""
    region = effect.region
    assert region is not None
    said = "; ".join(dict.fromkeys(cell.printed for cell in effect.cells))
    ends = (("estimate", region.rim_estimate), ("se", region.rim_se))
    found = [
        _target(
            effect.model.id,
            _kind(name),
            PBounds(low=float(values.min()), high=float(values.max())),
            said,
            effect.name,
            weights=effect.weights,
        )
        for name, values in ends
    ]
    if effect.p != PBounds():
        middle = float(region.weight @ region.estimate)
        sign = 1 if middle > 0.0 else -1
        found.append(
            _target(effect.model.id, "p", effect.p, said, effect.name, weights=effect.weights, sign=sign)
        )
    return found


def _is_asked(study: Study, cell: Cell) -> bool:
    parsed = cell.parsed
    if cell.quantity == "estimate" or (cell.quantity in _FIT and parsed.kind == "reference"):
        return True
    if parsed.value is None:
        return False
    if cell.quantity in ("variance", "sd"):
        return cell.coefficient in ("Intercept", study.time)
    return cell.quantity in (*_FIT, *_LIKELIHOOD, *_SPREAD)


def _of_cell(study: Study, cell: Cell) -> list[Target]:
    parsed = cell.parsed
    place = f"{cell.table}: {cell.row}: {cell.column}"
    if cell.quantity == "estimate":
        return _of_estimate(study, cell, parsed, place)
    if parsed.kind == "reference":
        which = 0 if cell.quantity == "explained_intercept" else 1
        return [_target(cell.model, "wald", PBounds(high=WALD_LEVEL), cell.printed, place, which=which)] * (
            parsed.stars > 0
        )
    if cell.quantity in _LIKELIHOOD or cell.quantity in _SPREAD:
        return [_of_fit(study, cell, place)]
    return [_number(study, cell.model, _kind(cell.quantity), parsed, cell.printed, place, from_cell=True)]


def _of_fit(study: Study, cell: Cell, place: str) -> Target:
    """Ask for a likelihood or a variance, whatever form it is printed in."""
    assert cell.parsed.value is not None
    low, high = cell.parsed.value.interval(study.publication.rounding).ends
    if cell.quantity in _LIKELIHOOD:
        low, high = sorted(_LIKELIHOOD[cell.quantity] * end for end in (low, high))
        return _target(cell.model, "deviance", PBounds(low=low, high=high), cell.printed, place)
    if cell.quantity in ("sd", "residual_sd"):
        low, high = max(low, 0.0) ** 2, high**2
    kind: Kind = "residual" if cell.quantity.startswith("residual") else "variance"
    which = 1 if cell.coefficient == study.time else 0
    return _target(cell.model, kind, PBounds(low=low, high=high), cell.printed, place, which=which)


def _of_estimate(study: Study, cell: Cell, parsed: PrintedCell, place: str) -> list[Target]:
    weights = effect_weights(study.model(cell.model), cell.coefficient)
    rounding = study.publication.rounding
    found: list[Target] = []
    for kind, number in (("estimate", parsed.value), ("se", parsed.spread)):
        if number is not None:
            low, high = number.interval(rounding).ends
            found.append(
                Target(
                    model=cell.model,
                    kind=_kind(kind),
                    low=low,
                    high=high,
                    weights=weights,
                    said=cell.printed,
                    place=place,
                    from_cell=True,
                )
            )
    bounds = read_cell(star_rule(study.publication, cell.table), parsed)
    if bounds != PBounds():
        sign = 0 if parsed.value is None else int(parsed.value.value > 0) - int(parsed.value.value < 0)
        found.append(_target(cell.model, "p", bounds, cell.printed, place, weights=weights, sign=sign))
    return found


def _of_fact(study: Study, fact: Fact) -> list[Target]:
    place = fact.place
    if fact.quantity == "p":
        return _of_p(study, fact)
    if fact.quantity == "less":
        return [_of_order(study, fact)]
    if fact.quantity == "lr":
        bounds = read_p(fact.parsed)
        said = f"p {fact.printed}"
        return [_target(fact.model, "lr", bounds, said, place, other=fact.than, from_cell=False)]
    if fact.quantity == "slope_varies":
        bounds = read_p(fact.parsed)
        return [_target(fact.model, "wald", bounds, f"p {fact.printed}", place, which=1, from_cell=False)]
    if fact.quantity == "aic_not_lower":
        bounds = PBounds(low=-math.inf, high=0.0)
        return [_target(fact.model, "aic_gain", bounds, fact.printed, place, from_cell=False)]
    if fact.quantity in ("explained_intercept", "explained_slope"):
        parsed = fact.parsed
        return [
            _number(study, fact.model, _kind(fact.quantity), parsed, fact.printed, place, from_cell=False)
        ]
    return []


def _of_p(study: Study, fact: Fact) -> list[Target]:
    """Return a p value, and the side of zero where the text says it."""
    weights = effect_weights(study.model(fact.model), fact.coefficient)
    bounds = read_p(fact.parsed)
    said = f"p {fact.printed}"
    if fact.at_least is not None:
        bounds = bounds.narrowed(PBounds(low=fact.at_least))
        said += f", at least {fact.at_least:g}"
    found = [
        _target(fact.model, "p", bounds, said, fact.place, weights=weights, sign=fact.sign, from_cell=False)
    ]
    if fact.sign:
        side = PBounds(low=0.0, high=math.inf) if fact.sign > 0 else PBounds(low=-math.inf, high=0.0)
        said = "above zero" if fact.sign > 0 else "below zero"
        found.append(
            _target(
                fact.model, "sign", side, said, fact.place, weights=weights, sign=fact.sign, from_cell=False
            )
        )
    return found


def _of_order(study: Study, fact: Fact) -> Target:
    """Return an effect said to be less than another: by estimates over outcomes, by test statistics within one."""
    than = next(f for f in study.facts if f.id == fact.than)
    mine, other = study.model(fact.model), study.model(than.model)
    return _target(
        fact.model,
        "less_t" if mine.outcome == other.outcome else "less_estimate",
        PBounds(low=-math.inf, high=0.0),
        fact.printed,
        fact.place,
        weights=effect_weights(mine, fact.coefficient),
        other=than.model,
        other_weights=effect_weights(other, than.coefficient),
        from_cell=False,
    )


def _kind(quantity: str) -> Kind:
    kinds: dict[str, Kind] = {
        "estimate": "estimate",
        "se": "se",
        "explained_intercept": "explained_intercept",
        "explained_slope": "explained_slope",
        "aic": "aic",
    }
    return kinds[quantity]


def _number(
    study: Study, model: str, kind: Kind, parsed: PrintedCell, said: str, place: str, *, from_cell: bool
) -> Target:
    assert parsed.value is not None
    low, high = parsed.value.interval(study.publication.rounding).ends
    if kind.startswith("explained") and parsed.value.value == 0:
        # A table that prints no negative percentage may print a variance that grew as 0.
        low = -math.inf
    return Target(model=model, kind=kind, low=low, high=high, said=said, place=place, from_cell=from_cell)


def _target(
    model: str,
    kind: Kind,
    bounds: PBounds,
    said: str,
    place: str,
    *,
    weights: tuple[tuple[str, float], ...] = (),
    which: int = 0,
    sign: int = 0,
    other: str = "",
    other_weights: tuple[tuple[str, float], ...] = (),
    from_cell: bool = True,
) -> Target:
    return Target(
        model=model,
        kind=kind,
        low=bounds.low,
        high=bounds.high,
        weights=weights,
        which=which,
        sign=sign,
        other=other,
        other_weights=other_weights,
        said=said,
        place=place,
        from_cell=from_cell,
    )
