r"""Printed variance components against each other, against the ICC and against explained variation.

With the variance of intercepts :math:`\tau_0^2`, of slopes :math:`\tau_1^2`, their covariance and the residual
variance :math:`\sigma^2`: :math:`|\tau_{01}| \le \tau_0\tau_1`, the correlation is
:math:`\tau_{01}/(\tau_0\tau_1)`, the ICC of a model without slopes :math:`\tau_0^2/(\tau_0^2 + \sigma^2)`, and
explained variation :math:`100(\tau_{ref}^2 - \tau^2)/\tau_{ref}^2`. Every number is its set of values that
print so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bayes_alliance.published.findings import AuditVerdict, Finding, finding_of_cells, span
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.records import Cell, Model, Study

Range = tuple[float, float]
_SLIP = "a slip in one of them"
_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Components:
    """What a table prints of one model's random effects.

    Parameters
    ----------
    variance : mapping of str to (Range, Cell)
        Of the random intercept and slope, by term.
    covariance, correlation, residual, icc : (Range, Cell) or None
        Where printed.
    """

    variance: Mapping[str, tuple[Range, Cell]]
    covariance: tuple[Range, Cell] | None
    correlation: tuple[Range, Cell] | None
    residual: tuple[Range, Cell] | None
    icc: tuple[Range, Cell] | None


def components_of(study: Study, model: str) -> Components:
    """Gather the printed components of a model; SDs are squared."""
    variance: dict[str, tuple[Range, Cell]] = {}
    single: dict[str, tuple[Range, Cell]] = {}
    for cell in study.cells:
        value = cell.parsed.value
        if cell.model != model or value is None:
            continue
        low, high = value.interval(study.publication.rounding).ends
        squared = (max(low, 0.0) ** 2, high**2)
        if cell.quantity in ("variance", "sd"):
            variance.setdefault(
                cell.coefficient, ((low, high) if cell.quantity == "variance" else squared, cell)
            )
        elif cell.quantity == "residual_sd":
            single.setdefault("residual", (squared, cell))
        elif cell.quantity in ("covariance", "correlation", "residual", "icc"):
            single.setdefault(cell.quantity, ((low, high), cell))
    return Components(
        variance=variance,
        covariance=single.get("covariance"),
        correlation=single.get("correlation"),
        residual=single.get("residual"),
        icc=single.get("icc"),
    )


def check_variances(study: Study) -> Iterator[Finding]:
    """Check the printed components of every model."""
    yield from _check_limits(study)
    for model in study.models:
        parts = components_of(study, model.id)
        yield from _check_pairs(study, model)
        yield from _check_intervals(study, model)
        yield from _check_covariance(study, parts)
        yield from _check_icc(model, parts)
        yield from _check_explained(study, model, parts)


def _check_limits(study: Study) -> Iterator[Finding]:
    """Variances below zero and correlations beyond one."""
    limits = {
        "variance": (0.0, math.inf),
        "residual": (0.0, math.inf),
        "correlation": (-1.0, 1.0),
        "ar1": (-1.0, 1.0),
        "icc": (0.0, 1.0),
        "r2": (0.0, 1.0),
    }
    for cell in study.cells:
        value = cell.parsed.value
        if cell.quantity not in limits or value is None:
            continue
        low, high = value.interval(study.publication.rounding).ends
        bottom, top = limits[cell.quantity]
        if cell.quantity == "r2" and cell.parsed.percent is None and value.value > 1:
            top = 100.0
        good = high >= bottom and low <= top
        said = f"at least {bottom:g}" if math.isinf(top) else f"between {bottom:g} and {top:g}"
        yield _finding(
            "limits of a variance or correlation",
            (cell,),
            good,
            f"it is {said}" if good else f"it must be {said}",
            (),
            ("a covariance or another quantity", "a slip"),
        )


# Scales on which programs make intervals of a component, besides its own.
_SCALES: dict[str, tuple[str, Callable[[float], float], float, float]] = {
    "variance": ("logarithm", math.log, 0.0, math.inf),
    "residual": ("logarithm", math.log, 0.0, math.inf),
    "sd": ("logarithm", math.log, 0.0, math.inf),
    "residual_sd": ("logarithm", math.log, 0.0, math.inf),
    "correlation": ("Fisher's z", math.atanh, -1.0, 1.0),
    "ar1": ("Fisher's z", math.atanh, -1.0, 1.0),
    "icc": ("logit", lambda share: math.log(share / (1.0 - share)), 0.0, 1.0),
}


def _check_intervals(study: Study, model: Model) -> Iterator[Finding]:
    """Check the interval of a component against it: in its middle, on its own scale or on the usual one."""
    for cell in study.cells:
        value, ci = cell.parsed.value, cell.parsed.ci
        if cell.model != model.id or cell.quantity not in _SCALES or value is None or ci is None:
            continue
        name, scale, low, high = _SCALES[cell.quantity]
        rounding = study.publication.rounding
        own = value.interval(rounding).ends
        limits = [end.ends for end in ci.ends(rounding)]
        middles = {"its own scale": _middle(limits, lambda x: x, -math.inf, math.inf)}
        middles[name] = _middle(limits, scale, low, high)
        inverse = _within(own, scale, low, high)
        good = _meets(own, middles["its own scale"]) or _meets(inverse, middles[name])
        yield _finding(
            "interval of a component",
            (cell,),
            good,
            "it lies in the middle of its interval, on its own scale or on that of the usual transformation"
            if good
            else f"it must lie in the middle of its interval on its own scale or on that of the {name}",
            (("middle of the interval, own scale", span(*middles["its own scale"])),),
            ("a slip in the sign or a limit", "a profile-likelihood or bootstrap interval"),
        )


def _middle(limits: list[Range], scale: Callable[[float], float], low: float, high: float) -> Range:
    """Range of the middle of two limits on a scale."""
    first, second = (_within(end, scale, low, high) for end in limits)
    return 0.5 * (first[0] + second[0]), 0.5 * (first[1] + second[1])


def _within(ends: Range, scale: Callable[[float], float], low: float, high: float) -> Range:
    """Convert a range to a scale; ends at or beyond those of the scale are infinite."""
    bottom = -math.inf if ends[0] <= low else scale(ends[0]) if ends[0] < high else math.inf
    top = math.inf if ends[1] >= high else scale(ends[1]) if ends[1] > low else -math.inf
    return bottom, top


def _check_pairs(study: Study, model: Model) -> Iterator[Finding]:
    """Check a variance against the SD of the same effect."""
    own = [cell for cell in study.cells if cell.model == model.id and cell.parsed.value is not None]
    for variance, sd in (("variance", "sd"), ("residual", "residual_sd")):
        for first in own:
            for second in own:
                same = (first.quantity, second.quantity, first.coefficient) == (
                    variance,
                    sd,
                    second.coefficient,
                )
                if not same or first.parsed.value is None or second.parsed.value is None:
                    continue
                rounding = study.publication.rounding
                v = first.parsed.value.interval(rounding).ends
                s = second.parsed.value.interval(rounding).ends
                good = _meets(v, (max(s[0], 0.0) ** 2, s[1] ** 2))
                numbers = (("square of the SD", span(max(s[0], 0.0) ** 2, s[1] ** 2)),)
                yield _finding(
                    "variance against SD",
                    (first, second),
                    good,
                    "the square of the SD is the variance",
                    numbers,
                )


def _check_covariance(study: Study, parts: Components) -> Iterator[Finding]:
    if len(parts.variance) != 2:
        return
    (first, one), (second, other) = parts.variance.values()
    low, high = (math.sqrt(max(first[i], 0.0) * max(second[i], 0.0)) for i in (0, 1))
    if parts.covariance is not None:
        (c0, c1), cell = parts.covariance
        smallest = 0.0 if c0 <= 0.0 <= c1 else min(abs(c0), abs(c1))
        good = smallest <= high * (1.0 + _TOLERANCE)
        reasoning = "a covariance is no larger than the product of the SDs"
        yield _finding(
            "covariance against variances",
            (cell, one, other),
            good,
            reasoning,
            (("product of the SDs", span(low, high)),),
        )
        if parts.correlation is not None and low > 0.0:
            ends = [c / product for c in (c0, c1) for product in (low, high)]
            implied = (min(ends), max(ends))
            good = _meets(parts.correlation[0], implied)
            reasoning = "covariance over the product of the SDs is the correlation"
            cells = (parts.correlation[1], cell, one, other)
            yield _finding(
                "correlation against covariance", cells, good, reasoning, (("implied", span(*implied)),)
            )


def _check_icc(model: Model, parts: Components) -> Iterator[Finding]:
    if parts.icc is None or parts.residual is None or not parts.variance:
        return
    intercept = parts.variance.get("Intercept")
    if intercept is None:
        return
    (v0, v1), (e0, e1) = intercept[0], parts.residual[0]
    low, high = (v / (v + e) if v + e > 0.0 else 0.0 for v, e in ((max(v0, 0.0), e1), (v1, max(e0, 0.0))))
    cells = (parts.icc[1], intercept[1], parts.residual[1])
    numbers = (("variance of intercepts over the sum", span(low, high)),)
    good = _meets(parts.icc[0], (low, high))
    slopes = bool(parse_formula(model.formula).random)
    reasoning = (
        "the variance of intercepts over the sum of both is the ICC"
        if good
        else (
            "the variance of intercepts over the sum of both is another number"
            + ("; with random slopes the ICC depends on time" if slopes else "")
        )
    )
    others = ("the ICC of a model without predictors or without slopes", _SLIP)
    if not good and slopes:
        yield finding_of_cells(
            "ICC against variances", cells, AuditVerdict.CANNOT_TELL, reasoning, numbers, others
        )
    else:
        yield _finding("ICC against variances", cells, good, reasoning, numbers, others)


def _check_explained(study: Study, model: Model, parts: Components) -> Iterator[Finding]:
    """Explained variation against the variances of the model and of its reference."""
    if model.reference is None:
        return
    reference = components_of(study, model.reference)
    for quantity, term in (("explained_intercept", "Intercept"), ("explained_slope", study.time)):
        if term not in parts.variance or term not in reference.variance:
            continue
        (v0, v1), own = parts.variance[term]
        (r0, r1), theirs = reference.variance[term]
        if r0 <= 0.0:
            continue
        low, high = 100.0 * (r0 - v1) / r0, 100.0 * (r1 - max(v0, 0.0)) / r1
        for cell in study.cells:
            value = cell.parsed.value
            if (cell.model, cell.quantity) == (model.id, quantity) and value is not None:
                good = _meets(value.interval(study.publication.rounding).ends, (low, high))
                yield _finding(
                    "explained variation against variances",
                    (cell, own, theirs),
                    good,
                    "the fall of the variance is the explained variation",
                    (("fall of the variance, %", span(low, high)),),
                    ("the two variances rest on different rows", "another reference model", _SLIP),
                )


def _meets(first: Range, second: Range) -> bool:
    slack = _TOLERANCE * (1.0 + max(abs(end) for end in (*first, *second) if math.isfinite(end)))
    return first[0] <= second[1] + slack and second[0] <= first[1] + slack


def _finding(
    check: str,
    cells: tuple[Cell, ...],
    good: bool,
    reasoning: str,
    numbers: tuple[tuple[str, str], ...] = (),
    alternatives: tuple[str, ...] = (_SLIP,),
) -> Finding:
    verdict = AuditVerdict.CONSISTENT if good else AuditVerdict.INCONSISTENT
    said = reasoning if good or "another" in reasoning or "must" in reasoning else f"not so: {reasoning}"
    return finding_of_cells(check, cells, verdict, said, numbers, () if good else alternatives)
