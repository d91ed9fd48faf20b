"""Cell by cell: what a publication prints, beside what the same models give on its open data.

Every model with printed cells is fitted by maximum likelihood and by REML, and each printed number is held against
every way in which a program prints them (:data:`READINGS`). Of those that the publication leaves open, the one that
prints more cells of a table is taken for it. Measures that depend on how a program counts (AIC, BIC) are met if any
known way of counting prints them. Degrees of freedom are taken as printed: programs compute them by rules of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from bayes_alliance.data.rows import StudyData
from bayes_alliance.inference.fits import MixedFit
from bayes_alliance.inference.ml import Method, estimate_effect, fit_mixed, two_sided_p
from bayes_alliance.published.constraints import degrees_of_freedom, quantile
from bayes_alliance.published.printed_effects import effect_weights
from bayes_alliance.published.printed_rows import PrintedRow, printed_rows
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.printed_cell import Interval
from bayes_alliance.study.records import Cell, Study

_ROUNDING = 1e-9
# Programs stop iterating at a relative change of about 1e-7 (nlme, lme4); printed digits beyond that are theirs alone.
TOLERANCE = 1e-6
_OWN_RULE = "degrees of freedom follow the program's own rule; taken as printed"
_NO_NUMBER = "a fit of the model has no such number"


@dataclass(frozen=True, kw_only=True)
class Reading:
    r"""A way in which programs print a fit.

    Parameters
    ----------
    name : str
        For a reader.
    method : {"ML", "REML"}
        Criterion that is maximised.
    adjusted : bool
        Whether SEs are multiplied by :math:`\sqrt{n / (n - p)}` under ML, as ``summary.lme`` of the R package nlme
        does by default (``adjustSigma``; n rows, p fixed coefficients).
    """

    name: str
    method: Method
    adjusted: bool = False


READINGS = (
    Reading(name="ML", method="ML"),
    Reading(name="ML, SEs as adjusted by nlme", method="ML", adjusted=True),
    Reading(name="REML", method="REML"),
)


@dataclass(frozen=True, kw_only=True)
class PrintedAgain:
    """One printed number, and what the data give.

    Parameters
    ----------
    cell : Cell
        Where it is printed.
    part : str
        Which of its numbers: ``estimate``, ``SE``, ``t``, ``p``, ``AIC``, ...
    reading : Reading
        How the table was taken to be printed.
    low, high : float
        What prints like it.
    achieved : float
        From the data; NaN where nothing can be compared.
    reason : str
        Then why.
    """

    cell: Cell
    part: str
    reading: Reading
    low: float
    high: float
    achieved: float
    reason: str = ""

    @property
    def compared(self) -> bool:
        """Whether the data give such a number."""
        return math.isfinite(self.achieved)

    @property
    def met(self) -> bool:
        """Whether it prints again, to the last digit."""
        slack = _ROUNDING * max(1.0, abs(self.achieved)) if self.compared else 0.0
        return self.low - slack <= self.achieved <= self.high + slack

    @property
    def off_by(self) -> float:
        """Distance from the nearer end of what prints like it, relative to the number; 0 where it is met."""
        if self.met or not self.compared:
            return 0.0
        gap = self.low - self.achieved if self.achieved < self.low else self.achieved - self.high
        return gap / max(abs(self.achieved), 1e-300)

    @property
    def close(self) -> bool:
        """Whether it prints again but for the last digits, within what the stopping rules of programs leave."""
        return self.compared and not self.met and self.off_by < TOLERANCE


def print_again(study: Study, data: StudyData) -> tuple[PrintedAgain, ...]:
    """Hold every printed number of a study's models against fits to its data.

    Parameters
    ----------
    study : Study
        With cells that name a model.
    data : StudyData
        Its open data.

    Returns
    -------
    tuple of PrintedAgain
        In the order of the cells; cells of models that the rows cannot carry say so.
    """
    rows = {cell.line: row for row in printed_rows(study) for cell in row.cells}
    fits = {model.id: _fit(data, study, model.id) for model in study.models}
    by = {
        reading.name: [
            one
            for cell in study.cells
            if cell.model
            for one in _compare(study, cell, rows.get(cell.line), fits[cell.model], reading)
        ]
        for reading in _possible(study)
    }
    first = next(iter(by.values()))
    chosen = {table: _best(table, by) for table in {cell.table for cell in study.cells}}
    return tuple(by[chosen[one.cell.table]][index] for index, one in enumerate(first))


def _possible(study: Study) -> tuple[Reading, ...]:
    """Ways of printing that the publication leaves open."""
    criterion = study.publication.criterion
    return tuple(r for r in READINGS if criterion == "unknown" or r.method.lower() == criterion)


def _best(table: str, by: Mapping[str, Sequence[PrintedAgain]]) -> str:
    """Return the way of printing that prints most numbers of a table; the first of several."""
    met = {
        name: sum(one.met or one.close for one in found if one.cell.table == table)
        for name, found in by.items()
    }
    return max(met, key=lambda name: met[name])


def _fit(data: StudyData, study: Study, model_id: str) -> Mapping[Method, MixedFit] | str:
    model = study.model(model_id)
    planned = plan_model(data, model, parse_formula(model.formula).names)
    if not isinstance(planned, PlannedModel):
        return planned.reason
    return {
        method: fit_mixed(planned.design, planned.rows, model_id=model_id, method=method)
        for method in ("ML", "REML")
    }


@dataclass(frozen=True, kw_only=True)
class _Estimated:
    """A fixed effect as a program prints it.

    Its degrees of freedom are those that its table states, else those of every common rule: Satterthwaite's, and rows
    less fixed coefficients (``gls`` of nlme).
    """

    estimate: float
    se: float
    every_df: tuple[float, ...]

    @property
    def t(self) -> float:
        return self.estimate / self.se

    def p_values(self, tails: int) -> tuple[float, ...]:
        return tuple(tails / 2.0 * self._p(df) for df in self.every_df)

    def _p(self, df: float) -> float:
        return math.erfc(abs(self.t) / math.sqrt(2.0)) if math.isinf(df) else two_sided_p(self.t, df)

    def limits(self, level: float, sign: int) -> tuple[float, ...]:
        return tuple(self.estimate + sign * quantile(level, df) * self.se for df in self.every_df)


def _estimated(study: Study, cell: Cell, row: PrintedRow, fit: MixedFit, reading: Reading) -> _Estimated:
    effect = estimate_effect(fit, effect_weights(study.model(cell.model), cell.coefficient))
    own = effect.df if math.isfinite(effect.df) else math.inf
    n = fit.rows.n_rows
    factor = math.sqrt(n / (n - fit.n_fixed)) if reading.adjusted else 1.0
    rules = (own, float(n - fit.n_fixed))
    every_df = tuple(dict.fromkeys(sum(degrees_of_freedom(row.parsed, (df, df))) / 2.0 for df in rules))
    return _Estimated(estimate=effect.estimate, se=factor * effect.se, every_df=every_df)


def _compare(
    study: Study,
    cell: Cell,
    row: PrintedRow | None,
    fits: Mapping[Method, MixedFit] | str,
    reading: Reading,
) -> Iterator[PrintedAgain]:
    """Compare every number of a cell with those of one fit, in whatever way of counting comes nearest."""
    refused = fits if isinstance(fits, str) else ""
    fit = None if isinstance(fits, str) else fits[reading.method]
    effect = _estimated(study, cell, row, fit, reading) if fit is not None and row is not None else None
    numbers = _of_effect if row is not None else _of_model
    for part, interval, candidates, reason in numbers(study, cell, fit, effect):
        low, high = interval.ends
        base = PrintedAgain(
            cell=cell,
            part=part,
            reading=reading,
            low=low,
            high=high,
            achieved=math.nan,
            reason=refused or reason,
        )
        found = [replace(base, achieved=value, reason="") for value in candidates if math.isfinite(value)]
        yield min(found, key=lambda one: one.off_by) if found else base


_Number = tuple[str, Interval, Sequence[float], str]


def _of_effect(
    study: Study, cell: Cell, fit: MixedFit | None, effect: _Estimated | None
) -> Iterator[_Number]:
    """Return every number of a cell of a fixed effect: what it is, what prints like it, what the fit gives."""
    parsed, rounding = cell.parsed, study.publication.rounding

    def number(part: str, interval: Interval, value: Callable[[_Estimated], float]) -> _Number:
        return part, interval, () if effect is None else (value(effect),), ""

    def numbers(part: str, interval: Interval, values: Callable[[_Estimated], tuple[float, ...]]) -> _Number:
        return part, interval, () if effect is None else values(effect), ""

    if parsed.value is not None and cell.quantity == "estimate":
        yield number("estimate", parsed.value.interval(rounding), lambda e: e.estimate)
    if parsed.value is not None and cell.quantity == "se":
        yield number("SE", parsed.value.interval(rounding), lambda e: e.se)
    if parsed.df is not None:
        yield "df", parsed.df.interval(rounding), (), _OWN_RULE
    if parsed.spread is not None and cell.quantity == "estimate":
        yield number("SE", parsed.spread.interval(rounding), lambda e: e.se)
    for test in parsed.tests:
        if test.kind in ("t", "z"):
            yield number(test.kind, test.value.interval(rounding), lambda e: e.t)
    if parsed.ci is not None and parsed.ci.level is not None and parsed.ci.symmetric:
        level = float(parsed.ci.level)
        lower, upper = parsed.ci.ends(rounding)
        yield numbers("lower limit", lower, lambda e: e.limits(level, -1))
        yield numbers("upper limit", upper, lambda e: e.limits(level, 1))
    for p in parsed.p:
        yield numbers("p", p.interval, partial(_Estimated.p_values, tails=p.tails))


def _of_model(study: Study, cell: Cell, fit: MixedFit | None, effect: _Estimated | None) -> Iterator[_Number]:
    """Return the number of a cell that reports a variance or a measure of fit."""
    if cell.parsed.value is not None:
        values = () if fit is None else _of_fit(fit, cell)
        interval = cell.parsed.value.interval(study.publication.rounding)
        yield cell.quantity, interval, values, "" if values else _NO_NUMBER


def _of_fit(fit: MixedFit, cell: Cell) -> tuple[float, ...]:
    """Return what a fit gives for such a cell in every known way of counting; empty where it gives nothing."""
    index = fit.z_names.index(cell.coefficient) if cell.coefficient in fit.z_names else -1
    sd = float(fit.sd[index]) if index >= 0 else _sd_of_level(fit, cell.coefficient)
    every = fit.n_fixed + fit.n_covariance
    parameters = (every,) if fit.method == "ML" else (every, fit.n_covariance)
    # Rows (lme4), patients (SAS, SPSS), or rows less fixed coefficients: what nlme takes under REML.
    counts = [fit.rows.n_rows, fit.rows.n_patients]
    if fit.method == "REML":
        counts.append(fit.rows.n_rows - fit.n_fixed)
    by_quantity: dict[str, tuple[float, ...]] = {
        "variance": (sd**2,),
        "sd": (sd,),
        "correlation": (fit.correlation,),
        "covariance": (fit.correlation * float(fit.sd.prod()),) if len(fit.sd) == 2 else (),
        "residual": (fit.sigma**2,),
        "residual_sd": (fit.sigma,),
        "minus_2ll": (fit.deviance,),
        "deviance": (fit.deviance,),
        "log_likelihood": (-0.5 * fit.deviance,),
        "aic": tuple(fit.deviance + 2.0 * k for k in parameters),
        "bic": tuple(fit.deviance + k * math.log(n) for k in parameters for n in counts),
        "icc": (fit.icc,),
    }
    return tuple(value for value in by_quantity.get(cell.quantity, ()) if math.isfinite(value))


def _sd_of_level(fit: MixedFit, coefficient: str) -> float:
    """SD of a random effect of a model with several levels, such as ``Intercept | therapist``; NaN for no such one."""
    return dict(fit.variances).get(f"sd_{coefficient}", math.nan)
